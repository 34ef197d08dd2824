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

// No SA_RESTORER in asm/signal.h.
pub(crate) const RESTORERS: usize = 0;
pub(crate) const SA_RESTORER: usize = 0;

pub(crate) fn restorer() -> [usize; RESTORERS] {
    []
}

pub(crate) const MMAP: Mmap = Mmap::Registers(libc::SYS_mmap);

// In a2 is the struct ucontext: ss_sp at 16, ss_size at 32. 222 is mmap(2), 215 munmap(2).
macro_rules! handler_entry_code {
    () => {
        concat!(
            "ld t0, 16(a2)\n",
            "sub t0, sp, t0\n",
            "ld t1, 32(a2)\n",
            "bgeu t0, t1, 2f\n",
            "li t1, {needed}\n",
            "bgeu t0, t1, 2f\n",
            "mv s2, a0\n",
            "mv s3, a1\n",
            "mv s4, a2\n",
            "mv s5, sp\n",
            "mv s6, ra\n",
            "li a0, 0\n",
            "li a1, {spare}\n",
            "li a2, 3\n",
            "li a3, 0x22\n",
            "li a4, -1\n",
            "li a5, 0\n",
            "li a7, 222\n",
            "ecall\n",
            "li t0, -4095\n",
            "bgeu a0, t0, 3f\n",
            "mv s7, a0\n",
            "li t0, {spare}\n",
            "add sp, a0, t0\n",
            "mv a0, s2\n",
            "mv a1, s3\n",
            "mv a2, s4\n",
            "call {handler}\n",
            "mv sp, s5\n",
            "mv a0, s7\n",
            "li a1, {spare}\n",
            "li a7, 215\n",
            "ecall\n",
            "3:\n",
            "mv ra, s6\n",
            "ret\n",
            "2:\n",
            "tail {handler}\n",
        )
    };
}
pub(crate) use handler_entry_code;
