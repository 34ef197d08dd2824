//! riscv64: syscall(2); arch/riscv/kernel/entry.S.

use core::arch::asm;
use core::ffi::c_void;

use super::layout::{Body, Mmap, Outcome, outcome};

#[inline(always)]
pub(crate) unsafe fn syscall6(number: usize, a: [usize; 6]) -> Outcome {
    let result;
    // SAFETY: number in a7, arguments in a0 to a5.
    unsafe {
        asm!("ecall", in("a7") number, inlateout("a0") a[0] => result, in("a1") a[1], in("a2") a[2],
            in("a3") a[3], in("a4") a[4], in("a5") a[5], options(nostack));
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
        asm!("ecall", "bnez a0, 2f", "bne sp, a1, 2f", "mv s0, zero", "mv a0, s2", "jalr s3", "unimp",
            "2:",
            in("a7") libc::SYS_clone, inlateout("a0") flags => result, in("a1") top, in("a2") 0usize, in("a3") 0usize,
            in("a4") child_tid, in("s2") argument, in("s3") body);
    }
    outcome(result)
}

#[inline(always)]
pub(crate) unsafe fn call_on_stack(top: usize, function: extern "C" fn(*mut c_void), argument: *mut c_void) {
    // SAFETY: s2 is the function's to keep.
    unsafe {
        asm!("mv s2, sp", "mv sp, s4", "jalr s3", "mv sp, s2",
            out("s2") _, in("s3") function, in("s4") top, in("a0") argument, clobber_abi("C"));
    }
}

#[allow(dead_code)]
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let at;
    // SAFETY: reads a register.
    unsafe { asm!("mv {}, sp", out(reg) at, options(nomem, nostack, preserves_flags)) };
    at
}

// No SA_RESTORER in asm/signal.h.
pub(crate) const RESTORERS: usize = 0;
pub(crate) const SA_RESTORER: usize = 0;

pub(crate) fn restorer() -> [usize; RESTORERS] {
    []
}

pub(crate) const MMAP: Mmap = Mmap::Registers(libc::SYS_mmap);
