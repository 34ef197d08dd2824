//! arm64: syscall(2); arch/arm64/kernel/entry.S.

use super::layout::{Restorer, calls, handler_code, outcome};

calls! {
    /// Number in x8, arguments in x0 to x5.
    syscall6(number, a) -> result {
        asm!("svc 0", in("x8") number, inlateout("x0") a[0] => result, in("x1") a[1], in("x2") a[2],
            in("x3") a[3], in("x4") a[4], in("x5") a[5], options(nostack));
    }

    /// clone(flags, stack, parent_tid, tls, child_tid)
    clone_call(flags, top, body, argument, child_tid) -> result {
        asm!("svc 0", "cbnz x0, 2f", "mov x9, sp", "cmp x9, x1", "b.ne 2f", "mov x29, xzr",
            "mov x0, x20", "blr x21", "brk 1", "2:",
            in("x8") libc::SYS_clone, inlateout("x0") flags => result, in("x1") top, in("x2") 0usize, in("x3") 0usize,
            in("x4") child_tid, in("x20") argument, in("x21") body, lateout("x9") _);
    }
}

// The vDSO's trampoline is used where no restorer is given; the field is there all the same.
pub(super) const RESTORER: Restorer = Restorer::Unused;

// In x2 is the struct ucontext: ss_sp at 16, ss_size at 32. 222 is mmap(2), 215 munmap(2).
handler_code! {
    "ldr x3, [x2, #16]",
    "mov x4, sp",
    "sub x3, x4, x3",
    "ldr x4, [x2, #32]",
    "cmp x3, x4",
    "b.hs 2f",
    "mov x4, #{needed}",
    "cmp x3, x4",
    "b.hs 2f",
    "mov x19, x0",
    "mov x20, x1",
    "mov x21, x2",
    "mov x22, sp",
    "mov x23, x30",
    "mov x0, #0",
    "mov x1, #{spare}",
    "mov x2, #3",
    "mov x3, #0x22",
    "mov x4, #-1",
    "mov x5, #0",
    "mov x8, #222",
    "svc #0",
    "cmn x0, #4095",
    "b.hs 3f",
    "mov x24, x0",
    "mov x1, #{spare}",
    "add x1, x0, x1",
    "mov sp, x1",
    "mov x0, x19",
    "mov x1, x20",
    "mov x2, x21",
    "bl {handler}",
    "mov sp, x22",
    "mov x0, x24",
    "mov x1, #{spare}",
    "mov x8, #215",
    "svc #0",
    "3:",
    "mov x30, x23",
    "ret",
    "2:",
    "b {handler}",
}
