//! What a thread does in the signal handler. The interrupted code may hold any lock, such as that of malloc(3) or of the loader, and
//! errno is its own. So everything here, and all that it calls, makes only raw system calls, reads only the clock of the vDSO, does not
//! allocate, takes no lock except that of `SharedBuffer`, and uses no thread-local data.
//!
//! `nothing_that_a_signal_handler_uses_allocates` of tests/architecture.rs enforces that nothing here uses `alloc` or `std`, directly
//! or through another file. The other rules are checked in review.

use core::ffi::{c_int, c_void};
use core::sync::atomic::Ordering::{Acquire, SeqCst};
use core::sync::atomic::{AtomicU32, AtomicUsize};
use core::time::Duration;

use super::abort::{die_of, die_of_lost_caller};
use super::deadline::Deadline;
use super::error::ThreadProblem;
use super::session::{Gate, Phase, ReadByCaller, Session, Slot, State, WAKE_FANOUT};
use super::shared::shared;
use crate::execute::{self, Context, PreparedFollower};
use crate::sys::{self, SigInfo};
use crate::task_dir;

/// How many of the stopped threads wake up by themselves, while the others just sleep: a timer costs more than the sleep.
const POLLERS: u32 = 4;
/// How long those sleep at most.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// What the handler needs of a stack, below its first frame, measured on x86-64 (tests/outside/promise_stacks.c) and doubled.
const STACK_NEEDED: usize = 8 << 10;
/// The stack that a thread gets whose alternate one is smaller.
const SPARE_STACK: usize = 32 << 10;

/// The action before ours, for signals that are not ours. A child of a fork that happens meanwhile needs it as well.
pub(super) static PREVIOUS_HANDLER: AtomicUsize = AtomicUsize::new(0);
/// Its flags.
pub(super) static PREVIOUS_FLAGS: AtomicUsize = AtomicUsize::new(0);

sys::handler_entry!(entry, handler, STACK_NEEDED, SPARE_STACK);

/// The address of the handler.
pub(super) fn address() -> usize {
    entry()
}

extern "C" fn handler(signal: c_int, info: *mut SigInfo, context: *mut c_void) {
    // SAFETY: the kernel passes a siginfo to a handler installed with SA_SIGINFO.
    let queued = unsafe { (*info).queued() };
    match (shared(), queued) {
        (Some(shared), Some((pid, payload))) if pid == shared.pid.load(SeqCst) && payload.copy == copy_of_library() => {
            // SAFETY: a session is never unmapped.
            let Some(session) = (unsafe { shared.current.load(SeqCst).as_ref() }) else { return };
            let tid = payload.tid;
            if let Some(slot) = session.slot_of(tid, payload.slot as usize)
                && slot.change(State::Signalled, State::Entered)
            {
                stop_here(&Stop { session, slot, tid });
            }
        }
        // Not ours.
        _ => chain(signal, info, context),
    }
}

/// What tells a signal of this copy of the library from one of another copy.
pub(super) fn copy_of_library() -> u32 {
    let at = core::ptr::from_ref(&PREVIOUS_HANDLER) as usize as u64;
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

/// Hands a signal that is not ours to whoever had it before.
fn chain(signal: c_int, info: *mut SigInfo, context: *mut c_void) {
    let previous = PREVIOUS_HANDLER.load(Acquire);
    if previous == libc::SIG_DFL || previous == libc::SIG_IGN {
        return;
    }
    if PREVIOUS_FLAGS.load(Acquire) & libc::SA_SIGINFO as usize != 0 {
        // SAFETY: the address that the kernel would have called, in the form its flags tell.
        let previous: extern "C" fn(c_int, *mut SigInfo, *mut c_void) = unsafe { core::mem::transmute(previous) };
        previous(signal, info, context);
    } else {
        // SAFETY: as above.
        let previous: extern "C" fn(c_int) = unsafe { core::mem::transmute(previous) };
        previous(signal);
    }
}

struct Stop<'a> {
    session: &'a Session,
    slot: &'a Slot,
    tid: i32,
}

#[inline(never)]
fn stop_here(stop: &Stop<'_>) {
    let Stop { session, tid, .. } = *stop;
    // SAFETY: the caller keeps the context until every thread that answered is counted as stopped, and, should it go on, as done.
    let ctx = unsafe { &*session.context };
    match execute::prepare(ctx) {
        Ok(prepared) => wait_and_follow(stop, Some((ctx, &prepared))),
        Err(problem) => {
            report(session, tid, problem.into());
            wait_and_follow(stop, None);
        }
    }
}

/// Tells the caller why this thread cannot follow.
fn report(session: &Session, tid: i32, problem: ThreadProblem) {
    if session.problems.fetch_add(1, SeqCst) == 0 {
        // SAFETY: only the first gets here; the caller reads it after `stopped` has counted this thread.
        unsafe { *session.problem.get() = Some((tid, problem)) };
    }
}

/// Waits until the caller has committed, and follows, or until it lets all go.
fn wait_and_follow(stop: &Stop<'_>, plan: Option<(&Context<'_>, &PreparedFollower)>) {
    let Stop { session, slot, tid } = *stop;
    let read_by_caller = plan.and_then(|(_, prepared)| prepared.needs_caller()).map(ReadByCaller::new);
    if let Some(read) = &read_by_caller {
        slot.read_by_caller.store(core::ptr::from_ref(read).cast_mut(), SeqCst);
    }
    slot.set(State::Stopped);
    let before = session.stopped.fetch_add(1, SeqCst);
    if before + 1 == session.awaited.load(SeqCst) {
        session.wake_caller();
    }
    let filtered = plan.is_none_or(|(_, prepared)| prepared.is_filtered());
    let mut wait = Wait {
        caller: None,
        polls: before < POLLERS,
        // A filter may kill for calls that the caller has made, unless the caller has the same one. And a supervisor may hold whoever
        // looks; the first watches the clock alone.
        looks: !filtered || (session.caller_filtered && before != 0),
    };
    while session.phase.load(SeqCst) == Phase::WAIT {
        wait.sleep(session, &session.phase, Phase::WAIT);
    }
    sys::futex_wake(&session.phase, 1);
    if session.phase.load(SeqCst) == Phase::COMMIT
        && let Some((ctx, prepared)) = plan
    {
        // SAFETY: the caller has written it before it changed the phase, and reads it only.
        let held = read_by_caller.as_ref().and_then(|read| unsafe { *read.held.get() });
        match execute::commit_follower(ctx, prepared, held) {
            Ok(false) => {}
            Ok(true) => session.sets_ids.store(1, SeqCst),
            Err(fault) => die_of(tid, fault),
        }
        slot.set(State::Committed);
        if session.done.fetch_add(1, SeqCst) + 1 == session.awaited.load(SeqCst) {
            sys::futex_wake(&session.done, 1);
        }
        while session.gate.load(SeqCst) == Gate::CLOSED {
            wait.sleep(session, &session.gate, Gate::CLOSED);
        }
        sys::futex_wake(&session.gate, WAKE_FANOUT);
    }
    slot.set(State::Left);
    // The last access: the caller may use the session anew as soon as it has seen the last increment.
    session.left.fetch_add(1, SeqCst);
}

/// A stopped thread's sleep, with an eye on the caller.
struct Wait {
    /// Whether it wakes up by itself now and then.
    polls: bool,
    /// Whether it looks in /proc then whether the caller has ended.
    looks: bool,
    /// The time that the caller takes, as this thread counts it, and how far it and those that follow were at its beginning.
    caller: Option<((u32, u32), Deadline)>,
}

impl Wait {
    /// Returns when woken, or after a while: should a wake-up be lost, a filter's doing, a few go all the same, and wake the others.
    fn sleep(&mut self, session: &Session, word: &AtomicU32, value: u32) {
        if !self.polls {
            sys::futex_wait(word, value, None);
            return;
        }
        let overdue = self.poll(session, word, value);
        if word.load(SeqCst) != value {
            return;
        }
        if overdue {
            die_of_lost_caller(
                session.caller,
                "it does not go on (held by a debugger, a file system or a seccomp supervisor, or killed?)",
            );
        }
        // The caller may have ended in good order, having let this thread go.
        if self.looks
            && task_dir::has_ended(Some(session.tasks), session.pid, session.caller)
            && word.load(SeqCst) == value
        {
            die_of_lost_caller(session.caller, "it was killed (by a seccomp filter?)");
        }
    }

    /// Waits for a while. Says whether the caller takes longer than it may.
    fn poll(&mut self, session: &Session, word: &AtomicU32, value: u32) -> bool {
        let progress = (session.caller_progress.load(SeqCst), session.done.load(SeqCst));
        if self.caller.as_ref().is_none_or(|(before, _)| *before != progress) {
            // The caller has a limit of its own for those that follow, and tells which of them it waits for.
            let limit = session.caller_limit() * if progress.1 == 0 { 1 } else { 2 };
            self.caller = Some((progress, Deadline::with_stops_of(POLL_INTERVAL, limit)));
        }
        let Some((_, deadline)) = &mut self.caller else { return false };
        deadline.wait(POLL_INTERVAL, |time| sys::futex_wait(word, value, Some(time)));
        deadline.is_over()
    }
}
