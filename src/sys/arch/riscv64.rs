//! riscv64: syscall(2); arch/riscv/kernel/entry.S.

use super::layout::{Restorer, calls, handler_code, outcome};

calls! {
    /// Number in a7, arguments in a0 to a5.
    syscall6(number, a) -> result {
        asm!("ecall", in("a7") number, inlateout("a0") a[0] => result, in("a1") a[1], in("a2") a[2],
            in("a3") a[3], in("a4") a[4], in("a5") a[5], options(nostack));
    }

    /// clone(flags, stack, parent_tid, tls, child_tid)
    clone_call(flags, top, body, argument, child_tid) -> result {
        asm!("ecall", "bnez a0, 2f", "bne sp, a1, 2f", "mv s0, zero", "mv a0, s2", "jalr s3", "unimp",
            "2:",
            in("a7") libc::SYS_clone, inlateout("a0") flags => result, in("a1") top, in("a2") 0usize, in("a3") 0usize,
            in("a4") child_tid, in("s2") argument, in("s3") body);
    }
}

// No SA_RESTORER in asm/signal.h.
pub(super) const RESTORER: Restorer = Restorer::Absent;

// In a2 is the struct ucontext: ss_sp at 16, ss_size at 32. 222 is mmap(2), 215 munmap(2).
handler_code! {
    "ld t0, 16(a2)",
    "sub t0, sp, t0",
    "ld t1, 32(a2)",
    "bgeu t0, t1, 2f",
    "li t1, {needed}",
    "bgeu t0, t1, 2f",
    "mv s2, a0",
    "mv s3, a1",
    "mv s4, a2",
    "mv s5, sp",
    "mv s6, ra",
    "li a0, 0",
    "li a1, {spare}",
    "li a2, 3",
    "li a3, 0x22",
    "li a4, -1",
    "li a5, 0",
    "li a7, 222",
    "ecall",
    "li t0, -4095",
    "bgeu a0, t0, 3f",
    "mv s7, a0",
    "li t0, {spare}",
    "add sp, a0, t0",
    "mv a0, s2",
    "mv a1, s3",
    "mv a2, s4",
    "call {handler}",
    "mv sp, s5",
    "mv a0, s7",
    "li a1, {spare}",
    "li a7, 215",
    "ecall",
    "3:",
    "mv ra, s6",
    "ret",
    "2:",
    "tail {handler}",
}
