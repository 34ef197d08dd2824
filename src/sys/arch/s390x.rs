//! s390x: syscall(2); arch/s390/kernel/syscall.c.

use core::arch::asm;
use core::ffi::c_void;

use super::layout::{Body, Mmap, Outcome, outcome};

#[inline(always)]
pub(crate) unsafe fn syscall6(number: usize, a: [usize; 6]) -> Outcome {
    let result;
    // SAFETY: number in r1, arguments in r2 to r7.
    unsafe {
        asm!("svc 0", in("r1") number, inlateout("r2") a[0] => result, in("r3") a[1], in("r4") a[2],
            in("r5") a[3], in("r6") a[4], in("r7") a[5], options(nostack));
    }
    outcome(result)
}

/// clone(stack, flags, parent_tid, child_tid, tls): the only one with the stack first (CONFIG_CLONE_BACKWARDS2).
#[inline(always)]
pub(crate) unsafe fn clone_call(
    flags: usize,
    top: usize,
    body: Body,
    argument: *mut c_void,
    child_tid: *mut i32,
) -> Outcome {
    let result;
    // SAFETY: as above; the new process has the stack given, and does not leave the block. Who calls a function gives it 160 bytes to
    // save registers in, the first eight of which are the back chain.
    unsafe {
        asm!("svc 0", "ltgr %r2, %r2", "jnz 2f", "cgr %r15, %r8", "jne 2f", "aghi %r15, -160",
            "xc 0(8,%r15), 0(%r15)", "lgr %r2, %r9", "basr %r14, %r10", "j .+2", "2:",
            in("r1") libc::SYS_clone, inlateout("r2") top => result, in("r3") flags, in("r4") 0usize,
            in("r5") child_tid, in("r6") 0usize, in("r8") top, in("r9") argument, in("r10") body);
    }
    outcome(result)
}

#[inline(always)]
pub(crate) unsafe fn call_on_stack(top: usize, function: extern "C" fn(*mut c_void), argument: *mut c_void) {
    // SAFETY: r8 is the function's to keep; 160 bytes as in `clone_call`.
    unsafe {
        asm!("lgr %r8, %r15", "lgr %r15, %r9", "aghi %r15, -160", "xc 0(8,%r15), 0(%r15)", "basr %r14, %r10",
            "lgr %r15, %r8",
            out("r8") _, in("r9") top, in("r10") function, in("r2") argument, clobber_abi("C"));
    }
}

#[allow(dead_code)]
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let at;
    // SAFETY: reads a register.
    unsafe { asm!("lgr {}, %r15", out(reg) at, options(nomem, nostack, preserves_flags)) };
    at
}

// The vDSO's, or one on the stack, is used where no restorer is given; the field is there all the same.
pub(crate) const RESTORERS: usize = 1;
pub(crate) const SA_RESTORER: usize = 0;

pub(crate) fn restorer() -> [usize; RESTORERS] {
    [0]
}

// 90 is the oldest one (arch/s390/kernel/syscall.c, old_mmap).
pub(crate) const MMAP: Mmap = Mmap::Memory(libc::SYS_mmap);
