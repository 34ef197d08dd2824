//! armhf, and arm with the EABI: syscall(2); arch/arm/kernel/entry-common.S.

use core::arch::asm;
use core::ffi::c_void;

use super::layout::{Body, Mmap, Outcome, outcome};

#[inline(always)]
pub(crate) unsafe fn syscall6(number: usize, a: [usize; 6]) -> Outcome {
    let result;
    // SAFETY: number in r7, which Thumb code keeps its frame in, arguments in r0 to r5.
    unsafe {
        asm!("mov {kept}, r7", "mov r7, {number}", "svc 0", "mov r7, {kept}",
            kept = out(reg) _, number = in(reg) number,
            inlateout("r0") a[0] => result, in("r1") a[1], in("r2") a[2], in("r3") a[3], in("r4") a[4], in("r5") a[5],
            options(nostack));
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
        asm!("mov r10, r7", "mov r7, #{number}", "svc 0", "mov r7, r10", "cmp r0, #0", "bne 2f", "cmp sp, r1", "bne 2f",
            "mov r0, r8", "blx r5", "udf #0", "2:",
            number = const libc::SYS_clone as i32,
            inlateout("r0") flags => result, in("r1") top, in("r2") 0usize, in("r3") 0usize, in("r4") child_tid,
            in("r5") body, in("r8") argument, out("r10") _);
    }
    outcome(result)
}

#[inline(always)]
pub(crate) unsafe fn call_on_stack(top: usize, function: extern "C" fn(*mut c_void), argument: *mut c_void) {
    // SAFETY: r5 is the function's to keep.
    unsafe {
        asm!("mov r5, sp", "mov sp, r8", "blx r10", "mov sp, r5",
            out("r5") _, in("r8") top, in("r10") function, in("r0") argument, clobber_abi("C"));
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

// The kernel's own code is used where no restorer is given (arch/arm/kernel/sigreturn_codes.S); the field is there all the same.
pub(crate) const RESTORERS: usize = 1;
pub(crate) const SA_RESTORER: usize = 0;

pub(crate) fn restorer() -> [usize; RESTORERS] {
    [0]
}

pub(crate) const MMAP: Mmap = Mmap::Registers(libc::SYS_mmap2);
