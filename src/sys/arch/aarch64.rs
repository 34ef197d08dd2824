//! arm64: syscall(2); arch/arm64/kernel/entry.S.

use core::arch::asm;
use core::ffi::c_void;

use super::layout::{Body, Mmap, Outcome, outcome};

#[inline(always)]
pub(crate) unsafe fn syscall6(number: usize, a: [usize; 6]) -> Outcome {
    let result;
    // SAFETY: number in x8, arguments in x0 to x5.
    unsafe {
        asm!("svc 0", in("x8") number, inlateout("x0") a[0] => result, in("x1") a[1], in("x2") a[2],
            in("x3") a[3], in("x4") a[4], in("x5") a[5], options(nostack));
    }
    outcome(result)
}

/// clone(flags, stack, parent_tid, tls, child_tid)
#[inline(always)]
pub(crate) unsafe fn clone_call(
    flags: usize,
    top: usize,
    body: Body,
    argument: *mut c_void,
    child_tid: *mut i32,
) -> Outcome {
    let result;
    // SAFETY: as above; the new process has the stack given, and does not leave the block.
    unsafe {
        asm!("svc 0", "cbnz x0, 2f", "mov x9, sp", "cmp x9, x1", "b.ne 2f", "mov x29, xzr",
            "mov x0, x20", "blr x21", "brk 1", "2:",
            in("x8") libc::SYS_clone, inlateout("x0") flags => result, in("x1") top, in("x2") 0usize, in("x3") 0usize,
            in("x4") child_tid, in("x20") argument, in("x21") body, lateout("x9") _);
    }
    outcome(result)
}

#[inline(always)]
pub(crate) unsafe fn call_on_stack(top: usize, function: extern "C" fn(*mut c_void), argument: *mut c_void) {
    // SAFETY: x20 is the function's to keep.
    unsafe {
        asm!("mov x20, sp", "mov sp, x22", "blr x21", "mov sp, x20",
            out("x20") _, in("x21") function, in("x22") top, in("x0") argument, clobber_abi("C"));
    }
}

#[allow(dead_code)]
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let at;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, sp", out(reg) at, options(nomem, nostack, preserves_flags)) };
    at
}

// The vDSO's trampoline is used where no restorer is given; the field is there all the same.
pub(crate) const RESTORERS: usize = 1;
pub(crate) const SA_RESTORER: usize = 0;

pub(crate) fn restorer() -> [usize; RESTORERS] {
    [0]
}

pub(crate) const MMAP: Mmap = Mmap::Registers(libc::SYS_mmap);
