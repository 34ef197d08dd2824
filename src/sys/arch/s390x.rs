//! s390x: syscall(2); arch/s390/kernel/syscall.c.

use super::layout::{Restorer, calls, handler_code, outcome};

calls! {
    /// Number in r1, arguments in r2 to r7.
    syscall6(number, a) -> result {
        asm!("svc 0", in("r1") number, inlateout("r2") a[0] => result, in("r3") a[1], in("r4") a[2],
            in("r5") a[3], in("r6") a[4], in("r7") a[5], options(nostack));
    }

    /// clone(stack, flags, parent_tid, child_tid, tls): the only one with the stack first (CONFIG_CLONE_BACKWARDS2).
    /// Who calls a function gives it 160 bytes to save registers in, the first eight of which are the back chain.
    clone_call(flags, top, body, argument, child_tid) -> result {
        asm!("svc 0", "ltgr %r2, %r2", "jnz 2f", "cgr %r15, %r8", "jne 2f", "aghi %r15, -160",
            "xc 0(8,%r15), 0(%r15)", "lgr %r2, %r9", "basr %r14, %r10", "j .+2", "2:",
            in("r1") libc::SYS_clone, inlateout("r2") top => result, in("r3") flags, in("r4") 0usize,
            in("r5") child_tid, in("r6") 0usize, in("r8") top, in("r9") argument, in("r10") body);
    }
}

// The vDSO's, or one on the stack, is used where no restorer is given; the field is there all the same.
pub(super) const RESTORER: Restorer = Restorer::Unused;

// In r4 is the struct ucontext: ss_sp at 16, ss_size at 32. 90 is mmap(2), whose six longs stand behind the code, 91 munmap(2).
handler_code! {
    "lgr %r1, %r15",
    "sg %r1, 16(%r4)",
    "clg %r1, 32(%r4)",
    "jhe 2f",
    "clgfi %r1, {needed}",
    "jhe 2f",
    "lgr %r6, %r2",
    "lgr %r7, %r3",
    "lgr %r8, %r4",
    "lgr %r9, %r15",
    "lgr %r10, %r14",
    "larl %r2, 4f",
    "lghi %r1, 90",
    "svc 0",
    "lghi %r1, -4095",
    "clgr %r2, %r1",
    "jhe 3f",
    "lgr %r11, %r2",
    "agfi %r2, {spare} - 160",
    "lgr %r15, %r2",
    "xc 0(8,%r15), 0(%r15)",
    "lgr %r2, %r6",
    "lgr %r3, %r7",
    "lgr %r4, %r8",
    "brasl %r14, {handler}",
    "lgr %r15, %r9",
    "lgr %r2, %r11",
    "lgfi %r3, {spare}",
    "lghi %r1, 91",
    "svc 0",
    "3:",
    "br %r10",
    "2:",
    "jg {handler}",
    ".balign 8",
    "4:",
    ".quad 0, {spare}, 3, 0x22, -1, 0",
}
