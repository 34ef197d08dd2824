//! loong64: syscall(2); arch/loongarch/kernel/syscall.c.

use core::arch::asm;
use core::ffi::c_void;

use super::layout::{Body, Mmap, Outcome, outcome};

#[inline(always)]
pub(crate) unsafe fn syscall6(number: usize, a: [usize; 6]) -> Outcome {
    let result;
    // SAFETY: number in $a7, arguments in $a0 to $a5; $t0 to $t8 are lost.
    unsafe {
        asm!("syscall 0", in("$a7") number, inlateout("$a0") a[0] => result, in("$a1") a[1],
            in("$a2") a[2], in("$a3") a[3], in("$a4") a[4], in("$a5") a[5],
            lateout("$t0") _, lateout("$t1") _, lateout("$t2") _, lateout("$t3") _, lateout("$t4") _,
            lateout("$t5") _, lateout("$t6") _, lateout("$t7") _, lateout("$t8") _, options(nostack));
    }
    outcome(result)
}

/// clone(flags, stack, parent_tid, child_tid, tls)
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
        asm!("syscall 0", "bnez $a0, 2f", "bne $sp, $a1, 2f", "move $fp, $zero", "move $a0, $s0",
            "jirl $ra, $s1, 0", "break 0", "2:",
            in("$a7") libc::SYS_clone, inlateout("$a0") flags => result, in("$a1") top, in("$a2") 0usize,
            in("$a3") child_tid, in("$a4") 0usize, in("$s0") argument, in("$s1") body,
            lateout("$t0") _, lateout("$t1") _, lateout("$t2") _, lateout("$t3") _, lateout("$t4") _,
            lateout("$t5") _, lateout("$t6") _, lateout("$t7") _, lateout("$t8") _);
    }
    outcome(result)
}

#[inline(always)]
pub(crate) unsafe fn call_on_stack(top: usize, function: extern "C" fn(*mut c_void), argument: *mut c_void) {
    // SAFETY: $s0 is the function's to keep.
    unsafe {
        asm!("move $s0, $sp", "move $sp, $s2", "jirl $ra, $s1, 0", "move $sp, $s0",
            out("$s0") _, in("$s1") function, in("$s2") top, in("$a0") argument, clobber_abi("C"));
    }
}

#[allow(dead_code)]
#[inline(always)]
pub(crate) fn stack_pointer() -> usize {
    let at;
    // SAFETY: reads a register.
    unsafe { asm!("move {}, $sp", out(reg) at, options(nomem, nostack, preserves_flags)) };
    at
}

// No SA_RESTORER in asm/signal.h.
pub(crate) const RESTORERS: usize = 0;
pub(crate) const SA_RESTORER: usize = 0;

pub(crate) fn restorer() -> [usize; RESTORERS] {
    []
}

pub(crate) const MMAP: Mmap = Mmap::Registers(libc::SYS_mmap);
