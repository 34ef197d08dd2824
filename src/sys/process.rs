//! Processes, threads, and what libc keeps for the calling thread.

use core::ffi::c_int;
use core::mem::MaybeUninit;
use core::time::Duration;

use super::arch::Timespec;
use super::call::{Errno, NOTHING_WRITTEN, Result, call};
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
/// check_unshare_flags). A seccomp filter may answer 0 in the kernel's place; then it does so for a flag that unshare(2) does not take.
pub(crate) fn is_single_threaded_for_sure() -> bool {
    // SAFETY: takes a number.
    let unshare = |flags: c_int| unsafe { call!(libc::SYS_unshare, flags) };
    unshare(libc::CLONE_THREAD).is_ok() && unshare(libc::CLONE_THREAD | libc::CLONE_PARENT) == Err(Errno(libc::EINVAL))
}

/// wait4(2) without waiting, for a child that no SIGCHLD announces: its status when it has ended. ECHILD when somebody else took it.
pub(crate) fn reap(pid: i32) -> Result<Option<c_int>> {
    let mut status: c_int = 0;
    // SAFETY: room for one int.
    let ended = unsafe { call!(libc::SYS_wait4, pid, &raw mut status, libc::WNOHANG | libc::__WALL, 0) }?;
    Ok((ended == pid as usize).then_some(status))
}

/// kill(2).
pub(crate) fn kill(pid: i32, signal: c_int) -> Result<()> {
    // SAFETY: takes numbers.
    unsafe { call!(libc::SYS_kill, pid, signal) }.map(drop)
}

/// sched_yield(2).
pub(crate) fn sched_yield() {
    // SAFETY: takes nothing.
    let _ = unsafe { call!(libc::SYS_sched_yield) };
}

/// getppid(2): 0 where the parent is of another pid namespace.
pub(crate) fn getppid() -> i32 {
    // SAFETY: takes nothing.
    unsafe { call!(libc::SYS_getppid) }.unwrap_or(0) as i32
}

/// Whether the calling thread is of SCHED_DEADLINE, which cannot have children (sched(7)).
pub(crate) fn is_of_deadline_class() -> bool {
    const SCHED_DEADLINE: usize = 6;
    // SAFETY: takes a number.
    let class = unsafe { call!(libc::SYS_sched_getscheduler, 0) };
    class == Ok(SCHED_DEADLINE)
}

/// A timer that sends a signal, until it is dropped.
pub(crate) struct Timer(c_int);

impl Timer {
    /// timer_create(2) and timer_settime(2): SIGKILL to the process, whatever it is doing then.
    pub(crate) fn that_kills(after: Duration) -> Result<Timer> {
        Timer::start(libc::SIGKILL, None, after, Duration::ZERO)
    }

    /// SIGALRM to one thread, again and again: a system call may begin just after the first.
    fn that_interrupts(tid: i32, after: Duration) -> Result<Timer> {
        Timer::start(libc::SIGALRM, Some(tid), after, Duration::from_millis(100))
    }

    fn start(signal: c_int, thread: Option<i32>, after: Duration, again: Duration) -> Result<Timer> {
        // SAFETY: zeros are valid for a sigevent.
        let mut event: libc::sigevent = unsafe { MaybeUninit::zeroed().assume_init() };
        event.sigev_notify = if thread.is_some() { libc::SIGEV_THREAD_ID } else { libc::SIGEV_SIGNAL };
        event.sigev_notify_thread_id = thread.unwrap_or(0);
        event.sigev_signo = signal;
        // No timer has this number.
        let mut timer: c_int = -1;
        // SAFETY: a sigevent, and room for the kernel's timer id, an int.
        unsafe { call!(libc::SYS_timer_create, libc::CLOCK_MONOTONIC, &raw const event, &raw mut timer) }?;
        if timer == -1 {
            return Err(NOTHING_WRITTEN);
        }
        let timer = Timer(timer);
        timer.set(after, again)?;
        Ok(timer)
    }

    /// timer_settime(2).
    fn set(&self, after: Duration, again: Duration) -> Result<()> {
        let spec = [Timespec::from(again), Timespec::from(after)];
        // SAFETY: an itimerspec is two timespecs: interval and value.
        unsafe { call!(libc::SYS_timer_settime, self.0, 0, spec.as_ptr(), 0) }.map(drop)
    }

    /// Disarms the timer and deletes it. A filter may refuse timer_delete(2), or pretend it; what stays then sends nothing.
    pub(crate) fn end(self) -> Result<()> {
        core::mem::ManuallyDrop::new(self).disarm_and_delete()
    }

    fn disarm_and_delete(&self) -> Result<()> {
        let disarmed = self.set(Duration::ZERO, Duration::ZERO);
        // SAFETY: takes a number.
        let deleted = unsafe { call!(libc::SYS_timer_delete, self.0) }.map(drop);
        disarmed.and(deleted)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let _ = self.disarm_and_delete();
    }
}

extern "C" fn do_nothing(_: c_int) {}

/// Runs something that may wait for ever, for a time: a signal then interrupts its system call. For a process about to end: it
/// changes the action of SIGALRM.
pub(super) fn interrupted_after(time: Duration, body: impl FnOnce()) {
    let entry: extern "C" fn(c_int) = do_nothing;
    let _ = sigaction(libc::SIGALRM, Some(&KernelSigaction::new(entry as usize, 0)));
    let _ = set_signal_mask(!(1 << (libc::SIGALRM - 1)));
    let timer = Timer::that_interrupts(gettid(), time);
    body();
    drop(timer);
}

/// exit(2): ends the calling process or thread at once.
pub(crate) fn exit(code: c_int) -> ! {
    loop {
        // SAFETY: takes a number, and does not return.
        let _ = unsafe { call!(libc::SYS_exit, code) };
    }
}
