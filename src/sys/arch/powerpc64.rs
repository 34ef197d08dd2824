//! ppc64el: Documentation/arch/powerpc/syscall64-abi.rst.

use core::arch::asm;
use core::ffi::{c_int, c_void};

use super::layout::{Body, Mmap, Outcome};

/// An error is told by the summary overflow bit of cr0, beside a positive number: a value is never one, whatever it is.
#[inline(always)]
fn outcome(value: usize, cr: usize) -> Outcome {
    const CR0_SO: usize = 0x1000_0000;
    if cr & CR0_SO != 0 { Err(value as c_int) } else { Ok(value) }
}

#[inline(always)]
pub(crate) unsafe fn syscall6(number: usize, a: [usize; 6]) -> Outcome {
    let (result, cr);
    // SAFETY: number in r0, arguments in r3 to r8; all that a function may change is lost.
    unsafe {
        asm!("sc", "mfcr 9",
            inlateout("r0") number => _, inlateout("r3") a[0] => result, inlateout("r4") a[1] => _,
            inlateout("r5") a[2] => _, inlateout("r6") a[3] => _, inlateout("r7") a[4] => _, inlateout("r8") a[5] => _,
            lateout("r9") cr, lateout("r10") _, lateout("r11") _, lateout("r12") _, lateout("ctr") _, lateout("xer") _,
            lateout("cr") _, options(nostack));
    }
    outcome(result, cr)
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
    let (result, cr);
    // SAFETY: as above; the new process has the stack given, and does not leave the block. Who calls a function has a frame of
    // 32 bytes with a back chain, and the function's address in r12 (ELFv2).
    unsafe {
        asm!("sc", "mfcr 9", "cmpdi 3, 0", "bne 2f", "cmpd 1, 16", "bne 2f", "li 0, 0", "stdu 0, -32(1)", "mr 3, 17",
            "mr 12, 18", "mtctr 12", "bctrl", "trap", "2:",
            inlateout("r0") libc::SYS_clone => _, inlateout("r3") flags => result, inlateout("r4") top => _,
            inlateout("r5") 0usize => _, inlateout("r6") 0usize => _, inlateout("r7") child_tid => _,
            lateout("r8") _, lateout("r9") cr, lateout("r10") _, lateout("r11") _, lateout("r12") _, lateout("ctr") _,
            lateout("xer") _, lateout("cr") _, lateout("lr") _, in("r16") top, in("r17") argument, in("r18") body);
    }
    outcome(result, cr)
}

#[inline(always)]
pub(crate) unsafe fn call_on_stack(top: usize, function: extern "C" fn(*mut c_void), argument: *mut c_void) {
    // SAFETY: r14 and r15 are the function's to keep, r2 is not; a frame as in `clone_call`.
    unsafe {
        asm!("mr 14, 1", "mr 15, 2", "mr 1, 16", "li 0, 0", "stdu 0, -32(1)", "mr 12, 17", "mtctr 12", "bctrl",
            "mr 1, 14", "mr 2, 15",
            out("r14") _, out("r15") _, in("r16") top, in("r17") function, in("r3") argument, out("lr") _,
            clobber_abi("C"));
    }
}

#[allow(dead_code)]
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let at;
    // SAFETY: reads a register.
    unsafe { asm!("mr {}, 1", out(reg) at, options(nomem, nostack, preserves_flags)) };
    at
}

// The vDSO's trampoline is used where no restorer is given; the field is there all the same.
pub(crate) const RESTORERS: usize = 1;
pub(crate) const SA_RESTORER: usize = 0;

pub(crate) fn restorer() -> [usize; RESTORERS] {
    [0]
}

pub(crate) const MMAP: Mmap = Mmap::Registers(libc::SYS_mmap);
