//! What an apply would find wrong, as far as it can be seen without stopping a thread. Signals nobody: other threads are read through
//! /proc, and the plan is run by a child with a memory of its own.

use core::time::Duration;

use super::error::ApplyError;
use super::input::{Input, OldGroups, count_longer_list, to_set_again, way_back, with_hint};
use super::rehearsal::{Memory, REHEARSAL_DEADLINE, Rehearsal, limit_alone, needs_rehearsal};
use crate::caps;
use crate::error::Error;
use crate::execute::{self, Context, Reading, SharedBuffer};
use crate::plan::{self, Credentials, PlanKind};
use crate::policy::Policy;
use crate::sys::{self, Resource};
use crate::task_dir::{self, TaskPath};
use crate::text::Errno;
use crate::threads::{CallsSeen, StopError, ThreadProbe, ThreadProblem, probe_thread};

/// How long a thread that blocks the signal is watched before that is told: libc blocks it for a moment in pthread_create(3).
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// For a timer that is only to be seen to be there: the process may be stopped before it is ended.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What is read beside a call of another thread may be half of before and half of after it: a refusal found so is no refusal.
pub(super) fn run(policy: &mut Policy) -> Result<(), Error> {
    let start = sys::now();
    loop {
        let calls = CallsSeen::now();
        let result = Input::gather(policy).and_then(|input| once(&input));
        let left = policy.options.deadline.saturating_sub(sys::now().saturating_sub(start));
        if result.is_ok() || !calls.disturbed(left) || left.is_zero() {
            return result;
        }
    }
}

fn once(input: &Input<'_>) -> Result<(), Error> {
    let mut old = OldGroups::with_capacity()?;
    let mut longer_lists = 0;
    while !old.read()? {
        count_longer_list(&mut longer_lists)?;
        old = OldGroups::with_capacity()?;
    }
    let mut list = input.group_buffer(&old)?;
    let buffer = SharedBuffer::new(&mut list);
    let result = input.context(input.target, &buffer).and_then(|(ctx, caller)| {
        run_for(input, &ctx, &caller).map_err(|error| with_hint(error, input, &ctx, &caller, &old))
    });
    // What was read may be of another file then.
    if input.has_lost_descriptors() { Err(StopError::LostDescriptors.into()) } else { result }
}

fn run_for(input: &Input<'_>, ctx: &Context<'_>, caller: &Reading) -> Result<(), Error> {
    let plan = plan::plan(&ctx.target, &caller.held, PlanKind::Caller)?;
    let alone = input.is_alone();
    if let Some(tasks) = &input.tasks
        && !alone
    {
        check_threads(input, ctx, &caller.held, tasks)?;
    }
    if plan.steps().len() == 0 {
        return Ok(());
    }
    let (parent_death_signal, dumpable) = to_set_again(&ctx.target, true)?;
    if alone && !caller.filtered && ctx.root.is_some() && !caller.traced {
        drop(limit_alone(A_DAY, false).map_err(ApplyError::from)?);
    }
    let rehearsal = Rehearsal {
        ctx,
        plan: &plan,
        needs_timer: alone && caller.filtered && !caller.traced,
        proc: input.proc.map(|proc| &**proc),
        memory: Memory::Own,
        limit: input.deadline.max(REHEARSAL_DEADLINE),
        parent_death_signal,
        dumpable,
    };
    match rehearsal.run(|_| ()) {
        // An apply makes no child then.
        Err(error) if has_no_child(&error) && !needs_rehearsal(caller.filtered, &plan) => {}
        result => {
            result?;
        }
    }
    if plan.steps().any(execute::leaves_directories) {
        // Closed at once. A child that another thread forks meanwhile inherits it until execve(2).
        drop(way_back()?);
    }
    Ok(())
}

/// Whether the child could not be made, or found itself without memory that it needs (madvise(2), MADV_DONTFORK): that says nothing of
/// the plan. Where no seccomp filter is active, nothing else kills it or says EFAULT.
fn has_no_child(error: &ApplyError) -> bool {
    match error {
        ApplyError::NewPidNamespace
        | ApplyError::Clone { .. }
        | ApplyError::Killed { .. }
        | ApplyError::System { .. }
        | ApplyError::Refused { errno: Errno(libc::EFAULT), .. } => true,
        ApplyError::Refused { .. }
        | ApplyError::NoEffect { .. }
        | ApplyError::NoTimer(_)
        | ApplyError::Hung { .. }
        | ApplyError::EarlierChild { .. } => false,
    }
}

/// Looks at every thread but the calling one.
fn check_threads(input: &Input<'_>, ctx: &Context<'_>, caller: &Credentials, tasks: &sys::KeptFd) -> Result<(), Error> {
    let mut names = [0u64; 1024];
    let own = sys::gettid();
    let mut own_seen = false;
    // One deadline for all, as for a stop.
    let start = sys::now();
    sys::rewind(tasks.raw()).map_err(|errno| Error::System { call: "lseek of /proc/self/task", errno })?;
    loop {
        let entries = sys::getdents(tasks.raw(), &mut names)
            .map_err(|errno| Error::System { call: "getdents64 of /proc/self/task", errno })?;
        if entries.is_empty() {
            break;
        }
        for name in entries {
            let Some(tid) = task_dir::tid_of_entry(name) else { continue };
            if tid == own {
                own_seen = true;
            } else if let Some(problem) = check_thread(input, start, ctx, caller, tasks, tid) {
                return Err(
                    StopError::Thread { tid, comm: task_dir::short_text(tasks.raw(), tid, "comm"), problem }.into()
                );
            }
        }
    }
    if own_seen { Ok(()) } else { Err(StopError::FOREIGN_PROC.into()) }
}

fn check_thread(
    input: &Input<'_>,
    start: Duration,
    ctx: &Context<'_>,
    caller: &Credentials,
    tasks: &sys::KeptFd,
    tid: i32,
) -> Option<ThreadProblem> {
    loop {
        match probe_thread(tasks, tid) {
            ThreadProbe::Gone | ThreadProbe::Ended | ThreadProbe::KernelWorker { per_request_creds: true } => {
                return None;
            }
            ThreadProbe::KernelWorker { per_request_creds: false } => return Some(ThreadProblem::KernelWorker),
            ThreadProbe::Alive(state) => {
                let cannot_stop = state.blocks_signal || matches!(state.state, b't' | b'D');
                if !cannot_stop {
                    break;
                }
                if sys::now().saturating_sub(start) > input.deadline {
                    return Some(ThreadProblem::Deadline(state));
                }
                let word = core::sync::atomic::AtomicU32::new(0);
                sys::futex_wait(&word, 0, Some(POLL_INTERVAL));
            }
        }
    }
    let file = match task_dir::open(tasks.raw(), &TaskPath::in_task_dir(tid, "status")) {
        Ok(file) => file,
        Err(Errno(libc::ENOENT | libc::ESRCH)) => return None,
        Err(errno) => {
            return Some(ThreadProblem::Read(execute::ReadError { call: "opening /proc/self/task/TID/status", errno }));
        }
    };
    match execute::read_other(ctx, &file, tid) {
        // What only the thread can tell is taken to be as with the caller.
        Ok((held, _)) => {
            let mut held = Credentials { securebits: caller.securebits, ..held };
            if ctx.root.is_some() && sys::shares(Resource::Directories, tid) == Ok(false) {
                held.root_as_wanted = false;
                let may = held.caps.permitted & caps::bit(caps::SYS_CHROOT) != 0;
                if may && sys::shares(Resource::Descriptors, tid) == Ok(false) {
                    return Some(ThreadProblem::PrivateRoot);
                }
            }
            plan::plan(&ctx.target, &held, PlanKind::FilteredFollower).err().map(ThreadProblem::Plan)
        }
        // It has ended meanwhile (ESRCH), or this /proc does not tell.
        Err(_) => None,
    }
}
