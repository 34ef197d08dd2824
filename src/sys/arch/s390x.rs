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

// The vDSO's, or one on the stack, is used where no restorer is given; the field is there all the same.
pub(crate) const RESTORERS: usize = 1;
pub(crate) const SA_RESTORER: usize = 0;

pub(crate) fn restorer() -> [usize; RESTORERS] {
    [0]
}

// 90 is the oldest one (arch/s390/kernel/syscall.c, old_mmap).
pub(crate) const MMAP: Mmap = Mmap::Memory(libc::SYS_mmap);

// In r4 is the struct ucontext: ss_sp at 16, ss_size at 32. 90 is mmap(2), whose six longs stand behind the code, 91 munmap(2).
macro_rules! handler_entry_code {
    () => {
        concat!(
            "lgr %r1, %r15\n",
            "sg %r1, 16(%r4)\n",
            "clg %r1, 32(%r4)\n",
            "jhe 2f\n",
            "clgfi %r1, {needed}\n",
            "jhe 2f\n",
            "lgr %r6, %r2\n",
            "lgr %r7, %r3\n",
            "lgr %r8, %r4\n",
            "lgr %r9, %r15\n",
            "lgr %r10, %r14\n",
            "larl %r2, 4f\n",
            "lghi %r1, 90\n",
            "svc 0\n",
            "lghi %r1, -4095\n",
            "clgr %r2, %r1\n",
            "jhe 3f\n",
            "lgr %r11, %r2\n",
            "agfi %r2, {spare} - 160\n",
            "lgr %r15, %r2\n",
            "xc 0(8,%r15), 0(%r15)\n",
            "lgr %r2, %r6\n",
            "lgr %r3, %r7\n",
            "lgr %r4, %r8\n",
            "brasl %r14, {handler}\n",
            "lgr %r15, %r9\n",
            "lgr %r2, %r11\n",
            "lgfi %r3, {spare}\n",
            "lghi %r1, 91\n",
            "svc 0\n",
            "3:\n",
            "br %r10\n",
            "2:\n",
            "jg {handler}\n",
            ".balign 8\n",
            "4:\n",
            ".quad 0, {spare}, 3, 0x22, -1, 0\n",
        )
    };
}
pub(crate) use handler_entry_code;
