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

// The vDSO's trampoline is used where no restorer is given; the field is there all the same.
pub(crate) const RESTORERS: usize = 1;
pub(crate) const SA_RESTORER: usize = 0;

pub(crate) fn restorer() -> [usize; RESTORERS] {
    [0]
}

pub(crate) const MMAP: Mmap = Mmap::Registers(libc::SYS_mmap);

// In x2 is the struct ucontext: ss_sp at 16, ss_size at 32. 222 is mmap(2), 215 munmap(2).
macro_rules! handler_entry_code {
    () => {
        concat!(
            "ldr x3, [x2, #16]\n",
            "mov x4, sp\n",
            "sub x3, x4, x3\n",
            "ldr x4, [x2, #32]\n",
            "cmp x3, x4\n",
            "b.hs 2f\n",
            "mov x4, #{needed}\n",
            "cmp x3, x4\n",
            "b.hs 2f\n",
            "mov x19, x0\n",
            "mov x20, x1\n",
            "mov x21, x2\n",
            "mov x22, sp\n",
            "mov x23, x30\n",
            "mov x0, #0\n",
            "mov x1, #{spare}\n",
            "mov x2, #3\n",
            "mov x3, #0x22\n",
            "mov x4, #-1\n",
            "mov x5, #0\n",
            "mov x8, #222\n",
            "svc #0\n",
            "cmn x0, #4095\n",
            "b.hs 3f\n",
            "mov x24, x0\n",
            "mov x1, #{spare}\n",
            "add x1, x0, x1\n",
            "mov sp, x1\n",
            "mov x0, x19\n",
            "mov x1, x20\n",
            "mov x2, x21\n",
            "bl {handler}\n",
            "mov sp, x22\n",
            "mov x0, x24\n",
            "mov x1, #{spare}\n",
            "mov x8, #215\n",
            "svc #0\n",
            "3:\n",
            "mov x30, x23\n",
            "ret\n",
            "2:\n",
            "b {handler}\n",
        )
    };
}
pub(crate) use handler_entry_code;
