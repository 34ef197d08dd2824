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

// No SA_RESTORER in asm/signal.h.
pub(crate) const RESTORERS: usize = 0;
pub(crate) const SA_RESTORER: usize = 0;

pub(crate) fn restorer() -> [usize; RESTORERS] {
    []
}

pub(crate) const MMAP: Mmap = Mmap::Registers(libc::SYS_mmap);

// In $a2 is the struct ucontext: ss_sp at 16, ss_size at 32. 222 is mmap(2), 215 munmap(2).
macro_rules! handler_entry_code {
    () => {
        concat!(
            "ld.d $t0, $a2, 16\n",
            "sub.d $t0, $sp, $t0\n",
            "ld.d $t1, $a2, 32\n",
            "bgeu $t0, $t1, 2f\n",
            "li.w $t1, {needed}\n",
            "bgeu $t0, $t1, 2f\n",
            "move $s0, $a0\n",
            "move $s1, $a1\n",
            "move $s2, $a2\n",
            "move $s3, $sp\n",
            "move $s4, $ra\n",
            "move $a0, $zero\n",
            "li.w $a1, {spare}\n",
            "li.w $a2, 3\n",
            "li.w $a3, 0x22\n",
            "li.w $a4, -1\n",
            "move $a5, $zero\n",
            "li.w $a7, 222\n",
            "syscall 0\n",
            "li.w $t0, -4095\n",
            "bgeu $a0, $t0, 3f\n",
            "move $s5, $a0\n",
            "li.w $t0, {spare}\n",
            "add.d $sp, $a0, $t0\n",
            "move $a0, $s0\n",
            "move $a1, $s1\n",
            "move $a2, $s2\n",
            "bl {handler}\n",
            "move $sp, $s3\n",
            "move $a0, $s5\n",
            "li.w $a1, {spare}\n",
            "li.w $a7, 215\n",
            "syscall 0\n",
            "3:\n",
            "move $ra, $s4\n",
            "ret\n",
            "2:\n",
            "b {handler}\n",
        )
    };
}
pub(crate) use handler_entry_code;
