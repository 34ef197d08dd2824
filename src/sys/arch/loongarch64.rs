//! loong64: syscall(2); arch/loongarch/kernel/syscall.c.

use super::layout::{Restorer, calls, handler_code, outcome};

calls! {
    /// Number in $a7, arguments in $a0 to $a5; $t0 to $t8 are lost.
    syscall6(number, a) -> result {
        asm!("syscall 0", in("$a7") number, inlateout("$a0") a[0] => result, in("$a1") a[1],
            in("$a2") a[2], in("$a3") a[3], in("$a4") a[4], in("$a5") a[5],
            lateout("$t0") _, lateout("$t1") _, lateout("$t2") _, lateout("$t3") _, lateout("$t4") _,
            lateout("$t5") _, lateout("$t6") _, lateout("$t7") _, lateout("$t8") _, options(nostack));
    }

    /// clone(flags, stack, parent_tid, child_tid, tls)
    clone_call(flags, top, body, argument, child_tid) -> result {
        asm!("syscall 0", "bnez $a0, 2f", "bne $sp, $a1, 2f", "move $fp, $zero", "move $a0, $s0",
            "jirl $ra, $s1, 0", "break 0", "2:",
            in("$a7") libc::SYS_clone, inlateout("$a0") flags => result, in("$a1") top, in("$a2") 0usize,
            in("$a3") child_tid, in("$a4") 0usize, in("$s0") argument, in("$s1") body,
            lateout("$t0") _, lateout("$t1") _, lateout("$t2") _, lateout("$t3") _, lateout("$t4") _,
            lateout("$t5") _, lateout("$t6") _, lateout("$t7") _, lateout("$t8") _);
    }
}

// No SA_RESTORER in asm/signal.h.
pub(super) const RESTORER: Restorer = Restorer::Absent;

// In $a2 is the struct ucontext: ss_sp at 16, ss_size at 32. 222 is mmap(2), 215 munmap(2).
handler_code! {
    "ld.d $t0, $a2, 16",
    "sub.d $t0, $sp, $t0",
    "ld.d $t1, $a2, 32",
    "bgeu $t0, $t1, 2f",
    "li.w $t1, {needed}",
    "bgeu $t0, $t1, 2f",
    "move $s0, $a0",
    "move $s1, $a1",
    "move $s2, $a2",
    "move $s3, $sp",
    "move $s4, $ra",
    "move $a0, $zero",
    "li.w $a1, {spare}",
    "li.w $a2, 3",
    "li.w $a3, 0x22",
    "li.w $a4, -1",
    "move $a5, $zero",
    "li.w $a7, 222",
    "syscall 0",
    "li.w $t0, -4095",
    "bgeu $a0, $t0, 3f",
    "move $s5, $a0",
    "li.w $t0, {spare}",
    "add.d $sp, $a0, $t0",
    "move $a0, $s0",
    "move $a1, $s1",
    "move $a2, $s2",
    "bl {handler}",
    "move $sp, $s3",
    "move $a0, $s5",
    "li.w $a1, {spare}",
    "li.w $a7, 215",
    "syscall 0",
    "3:",
    "move $ra, $s4",
    "ret",
    "2:",
    "b {handler}",
}
