//! Processes, threads, and what libc keeps for the calling thread.

use core::ffi::{c_int, c_long, c_void};
use core::mem::MaybeUninit;
use core::time::Duration;

use super::call::{Body, Result, call, clone_call, uninterrupted};
use super::futex::timespec;
use super::signal::{KernelSigaction, set_signal_mask, sigaction};

/// The calling thread's errno.
pub fn errno() -> i32 {
    // SAFETY: libc gives the address of the calling thread's errno, valid as long as the thread lives.
    unsafe { *libc::__errno_location() }
}

/// Sets the calling thread's errno.
pub fn set_errno(errno: i32) {
    // SAFETY: as in `errno`.
    unsafe { *libc::__errno_location() = errno }
}

/// getpid(2), without any cache: true in a child of a raw clone as well.
pub(crate) fn getpid() -> i32 {
    // SAFETY: takes nothing.
    unsafe { call!(libc::SYS_getpid) }.unwrap_or(0) as i32
}

/// gettid(2).
pub(crate) fn gettid() -> i32 {
    // SAFETY: takes nothing.
    unsafe { call!(libc::SYS_gettid) }.unwrap_or(0) as i32
}

/// Switches pthread cancellation off in the calling thread; returns what it was.
pub(crate) fn disable_cancellation() -> c_int {
    let mut old = 0;
    // SAFETY: room for one int.
    unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut old) };
    old
}

/// Puts cancellation back.
pub(crate) fn restore_cancellation(old: c_int) {
    let mut unused = 0;
    // SAFETY: a state that `disable_cancellation` returned.
    unsafe { pthread_setcancelstate(old, &raw mut unused) };
}

const PTHREAD_CANCEL_DISABLE: c_int = 1;

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
}

/// unshare(CLONE_THREAD), which changes nothing and succeeds only for a process with one thread (kernel/fork.c,
/// check_unshare_flags).
pub(crate) fn is_single_threaded_for_sure() -> bool {
    // SAFETY: takes a number.
    unsafe { call!(libc::SYS_unshare, libc::CLONE_THREAD) }.is_ok()
}

/// clone(2) of a child that shares this process's memory and that the calling thread waits for until it is gone
/// (CLONE_VM, CLONE_VFORK: the one pair that instrumenting run-times know too), and that no SIGCHLD announces. Root folder,
/// descriptors, signal handlers and ids are its own copies.
///
/// # Safety
/// `stack` is the child's alone while it runs. `body` must end by [`exit`], and touch neither libc nor thread-local data.
pub(crate) unsafe fn clone_vfork(stack: &mut [u8], body: Body, argument: *mut c_void) -> Result<i32> {
    let top = stack.as_mut_ptr_range().end;
    // SAFETY: the caller's promise about stack and body.
    unsafe { clone_call(libc::CLONE_VM | libc::CLONE_VFORK, top, body, argument, core::ptr::null_mut()) }
}

/// wait4(2) for a child that no SIGCHLD announces. Gives its status, or ECHILD when somebody else took it.
pub(crate) fn wait_for(pid: i32) -> Result<c_int> {
    let mut status: c_int = 0;
    let mut failures = 0;
    loop {
        // SAFETY: room for one int. Its caller has all signals blocked.
        match uninterrupted(|| unsafe { call!(libc::SYS_wait4, pid, &raw mut status, libc::__WALL, 0) }) {
            // It would be left for ever.
            Err(errno) if errno.0 != libc::ECHILD && failures < 3 => failures += 1,
            Err(errno) => return Err(errno),
            // A filter that lies waits for nobody.
            Ok(0) if failures < 3 => failures += 1,
            Ok(_) => return Ok(status),
        }
    }
}

/// Has the calling process killed after a time, whatever it is doing then: by SIGKILL, or, where there is no such timer or no
/// signal can be queued (RLIMIT_SIGPENDING; timer_create(2) reserves one), by SIGALRM, which is unblocked for that.
pub(crate) fn kill_me_after(time: Duration) -> Result<()> {
    // SAFETY: zeros are valid for a sigevent.
    let mut event: libc::sigevent = unsafe { MaybeUninit::zeroed().assume_init() };
    event.sigev_notify = libc::SIGEV_SIGNAL;
    event.sigev_signo = libc::SIGKILL;
    let mut timer: c_int = 0;
    // SAFETY: a sigevent, and room for the kernel's timer id, an int.
    let made = unsafe { call!(libc::SYS_timer_create, libc::CLOCK_MONOTONIC, &raw const event, &raw mut timer) };
    if made.is_err() {
        sigaction(libc::SIGALRM, Some(&KernelSigaction::DEFAULT))?;
        set_signal_mask(!(1 << (libc::SIGALRM - 1)))?;
        let at_least = time.max(Duration::from_micros(1));
        let spec = [0, 0, at_least.as_secs() as c_long, c_long::from(at_least.subsec_micros() as i32)];
        // SAFETY: an itimerval is two timevals: interval and value.
        return unsafe { call!(libc::SYS_setitimer, libc::ITIMER_REAL, spec.as_ptr(), 0) }.map(drop);
    }
    let spec = [timespec(Duration::ZERO), timespec(time)];
    // SAFETY: an itimerspec is two timespecs: interval and value.
    unsafe { call!(libc::SYS_timer_settime, timer, 0, spec.as_ptr(), 0) }.map(drop)
}

/// exit(2): ends the calling process or thread at once.
pub(crate) fn exit(code: c_int) -> ! {
    loop {
        // SAFETY: takes a number, and does not return.
        let _ = unsafe { call!(libc::SYS_exit, code) };
    }
}
