//! How a system call is made, and what its result is. No errno, no thread-local access, no cancellation point: a stopped thread
//! can make one in a signal handler, whatever it was doing.

use core::ffi::{c_int, c_long, c_void};

use super::arch;
pub(crate) use super::arch::Body;
pub(crate) use crate::text::Errno;

/// A result of a call: what it gives, or the errno.
pub type Result<T> = core::result::Result<T, Errno>;

/// What is said of a call that succeeds and writes nothing, as under a seccomp filter that pretends.
pub(super) const NOTHING_WRITTEN: Errno = Errno(libc::EIO);

/// How often a call that says EINTR is made again.
pub(crate) const INTERRUPTIONS: u32 = 1000;

/// Makes a call again when it says EINTR, within reason: who is interrupted for ever has a filter that says so.
pub(crate) fn retry_eintr<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    let mut interruptions = 0;
    loop {
        match call() {
            Err(Errno(libc::EINTR)) if interruptions < INTERRUPTIONS => interruptions += 1,
            result => return result,
        }
    }
}

/// Makes a call that puts something back a few times, if need be: to give up at once would be worse than a call too many.
pub(crate) fn retry_restore<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 0..3 {
        if let Ok(done) = call() {
            return Ok(done);
        }
    }
    call()
}

/// Makes a system call with up to six arguments.
///
/// # Safety
/// As the system call made: pointers must be what it takes.
#[inline(always)]
pub(crate) unsafe fn syscall(number: c_long, a: [usize; 6]) -> Result<usize> {
    // SAFETY: the caller's promise.
    unsafe { arch::syscall6(number as usize, a) }.map_err(Errno)
}

/// `call!(SYS_x, a, b)`: the arguments as registers.
macro_rules! call {
    ($number:expr $(, $argument:expr)* $(,)?) => {{
        #[allow(unused_mut, unused_assignments)]
        let arguments = {
            let mut all = [0usize; 6];
            let mut at = 0;
            $( all[at] = $argument as usize; at += 1; )*
            let _ = at;
            all
        };
        $crate::sys::call::syscall($number, arguments)
    }};
}
pub(crate) use call;

/// clone(2) of a child that runs `body` on a stack of its own, which ends at `top`. `child_tid` is for CLONE_CHILD_CLEARTID and the
/// like. libc's clone takes every 0 for the child's; here the stack tells, since a seccomp filter may say 0 to the caller.
///
/// # Safety
/// `flags`, the stack below `top` and `child_tid` must be such that the child can run beside, or instead of, the caller. The child
/// must end by exit(2).
pub(crate) unsafe fn clone_call(
    flags: c_int,
    top: *mut u8,
    body: Body,
    argument: *mut c_void,
    child_tid: *mut i32,
) -> Result<i32> {
    // SAFETY: the caller's promise; an aligned top is no higher than the one given.
    match unsafe { arch::clone_call(flags as usize, arch::aligned(top), body, argument, child_tid) } {
        Ok(0) => Err(Errno(libc::ENOSYS)),
        Ok(pid) => Ok(pid as i32),
        Err(errno) => Err(Errno(errno)),
    }
}

#[cfg(test)]
mod tests {
    use core::ffi::{c_int, c_void};
    use core::sync::atomic::{AtomicU32, Ordering::SeqCst};

    use super::clone_call;
    use crate::sys::futex_wait_for_child;

    const STACK: usize = 64 << 10;

    /// Where a function ran, and what it was given.
    #[derive(Default)]
    struct Ran {
        at: usize,
        values: [u64; 2],
    }

    extern "C" fn run(argument: *mut c_void) {
        // SAFETY: the test's own, which waits.
        let ran = unsafe { &mut *argument.cast::<Ran>() };
        let here = 0u8;
        ran.at = core::hint::black_box(&raw const here) as usize;
        // As much of the floating point and vector registers as the compiler uses for this; they are the caller's to keep.
        ran.values[1] = core::hint::black_box((ran.values[0] as f64).sqrt()) as u64;
    }

    extern "C" fn child(argument: *mut c_void) -> c_int {
        run(argument);
        loop {
            // SAFETY: takes a number, and does not return.
            let _ = unsafe { call!(libc::SYS_exit, 7) };
        }
    }

    /// The child shares memory and descriptors; its end clears the word and wakes who waits for that.
    #[test]
    #[cfg_attr(miri, ignore = "assembly")]
    fn a_child_runs_on_the_stack_given_and_its_end_clears_the_word() {
        let mut stack = vec![0u8; STACK];
        let range = stack.as_mut_ptr_range();
        for vfork in [0, libc::CLONE_VFORK] {
            let mut ran = Ran { values: [144, 0], ..Ran::default() };
            let word = AtomicU32::new(1);
            let flags = libc::CLONE_VM | libc::CLONE_FILES | libc::CLONE_CHILD_CLEARTID | vfork;
            // SAFETY: the stack is the child's until it has ended, and the word lives as long.
            let pid =
                unsafe { clone_call(flags, range.end, child, (&raw mut ran).cast(), word.as_ptr().cast()) }.unwrap();
            while word.load(SeqCst) != 0 {
                futex_wait_for_child(&word, 1, None);
            }
            let mut status: c_int = 0;
            // SAFETY: room for one int.
            assert_eq!(Ok(pid as usize), unsafe { call!(libc::SYS_wait4, pid, &raw mut status, libc::__WALL, 0) });
            assert_eq!(7 << 8, status);
            assert_eq!(12, ran.values[1]);
            assert!((range.start as usize..range.end as usize).contains(&ran.at));
        }
    }
}
