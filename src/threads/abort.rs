//! Ends the process where a call can neither succeed nor return an error. Each function writes one line to standard error and aborts
//! (`sys::die`); docs/faq.md tells operators what the lines mean.
//!
//! Two ends are not here: a timer kills a process whose only thread hangs, without a line (`Timer::that_kills`), and a panic in the
//! library for C ends it with a line that begins with "defect" (`c_runtime`).

use core::sync::atomic::Ordering::SeqCst;

use super::error::ThreadState;
use super::shared::shared;
use crate::execute::{Fault, StepError};
use crate::sys;
use crate::text::Errno;

/// The beginning of a line after the first change that cannot be undone. The id of a thread follows.
const CANNOT_COMPLETE: &str = "aborting: the change of privileges that has begun cannot be completed on thread";

/// A step failed, or its effect is missing, after a change that cannot be undone.
pub(crate) fn die_of(tid: i32, fault: Fault) -> ! {
    let Fault { step, error } = fault;
    // The step comes last: it may be a list of forty names, and the line may be cut.
    match error {
        StepError::NoEffect => sys::die(format_args!("{CANNOT_COMPLETE} {tid}: no effect of {step}")),
        StepError::Errno(errno) => sys::die(format_args!("{CANNOT_COMPLETE} {tid}: {errno}, from {step}")),
        StepError::TrimDenied => sys::die(format_args!("{CANNOT_COMPLETE} {tid}: {}, from {step}", Errno(libc::EPERM))),
    }
}

/// A thread does not follow the caller in time.
pub(super) fn die_of_slow_thread(tid: i32, state: ThreadState) -> ! {
    sys::die(format_args!("{CANNOT_COMPLETE} {tid}: it did not finish in time ({state})"))
}

/// A thread was killed in the handler. What it held (locks, memory half written) is nobody's now: an error, or success, would hide
/// that.
pub(super) fn die_of_killed_thread(tid: i32) -> ! {
    sys::die(format_args!(
        "aborting: thread {tid} was killed while it was stopped for a change of privileges (by a seccomp filter of its own?)"
    ))
}

/// A thread stays in the handler although all threads were let go; it would read the caller's stack when it goes on.
pub(super) fn die_of_held_thread(tid: i32) -> ! {
    sys::die(format_args!(
        "aborting: thread {tid} was stopped while it looked at itself (by a debugger?) and cannot be let go; nothing was changed"
    ))
}

/// The caller does not come back to let the stopped threads go. `how` says what is known of it.
pub(super) fn die_of_lost_caller(caller: i32, how: &str) -> ! {
    if shared().is_some_and(|shared| shared.committing.load(SeqCst) != 0) {
        sys::die(format_args!("{CANNOT_COMPLETE} {caller}: it is the one that called, and {how}"))
    }
    sys::die(format_args!(
        "aborting: all threads are stopped for a change of privileges, and thread {caller} cannot let them go: it is the one that called, \
         and {how}; nothing was changed"
    ))
}

/// The caller of an earlier call has ended in the middle of its change.
pub(super) fn die_of_ended_caller(caller: i32) -> ! {
    sys::die(format_args!("{CANNOT_COMPLETE} {caller}: it is the one that called, and it has ended"))
}
