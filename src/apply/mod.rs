//! From a policy to every thread of the process.

mod dry_run;
pub(crate) mod error;
pub(crate) mod hint;
mod rehearsal;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;

use crate::alloc_util::{try_to_vec, try_vec_of};
use crate::error::Error;
use crate::execute::{
    self, Context, Fault, GroupMatch, OwnStatus, ReadError, Reading, Root, SetGroups, SharedBuffer, Snapshot, StepError,
};
use crate::plan::{self, Credentials, PlanKind, Step, Target};
use crate::policy::{Policy, ProcFolder, root_folder};
use crate::sys::Timer;
use crate::task_dir::{self, TaskPath};
use crate::text::Errno;
use crate::threads::{self, CallLock, StopError};
use crate::{pin, sys};

use error::ApplyError;
use hint::Situation;
use rehearsal::{Memory, Rehearsal};

/// How long the rehearsal may take at least, since the deadline is one for threads to stop in.
const REHEARSAL_DEADLINE: Duration = Duration::from_secs(1);
/// How long the caller's commit may take at least, under a seccomp filter: its supervisor may never answer.
const COMMIT_DEADLINE: Duration = Duration::from_secs(5);

/// How long another thread's call is waited for, beyond the deadline.
const ANOTHER_CALL: Duration = Duration::from_secs(30);

/// Whether [`apply`] would work, as far as that can be seen without stopping a thread; changes nothing.
pub fn check(policy: &mut Policy) -> Result<(), Error> {
    not_in_a_handler()?;
    dry_run::run(&Input::gather(policy)?)
}

/// Applies a policy to every thread.
pub fn apply(policy: &mut Policy) -> Result<(), Error> {
    not_in_a_handler()?;
    run(&Input::gather(policy)?)?;
    if policy.options.chroot.is_some() {
        policy.entered = sys::root_id().ok();
        // Outside of the new root, this descriptor would lead out of it.
        policy.proc = None;
    }
    Ok(())
}

/// The one call: a policy of three options.
pub fn apply_as(user: Option<&[u8]>, group: Option<&[u8]>, caps: Option<&[u8]>) -> Result<(), Error> {
    not_in_a_handler()?;
    apply(&mut Policy::of_three(user, group, caps)?)
}

/// A handler may have interrupted malloc(3) or the loader with a lock held, so this comes before anything that allocates.
fn not_in_a_handler() -> Result<(), Error> {
    if sys::on_alternate_stack() {
        return Err(Error::Busy { problem: "called from a signal handler" });
    }
    Ok(())
}

/// All that a call allocates, looks up and opens: before anything changes.
struct Input {
    target: Target,
    /// The supplementary groups wanted, sorted, without duplicates.
    groups: Vec<u32>,
    deadline: Duration,
    /// Of /proc.
    proc: Option<sys::Fd>,
    /// Of /proc/self/task.
    tasks: Option<sys::Fd>,
    /// The calling thread's status file.
    status: Option<sys::Fd>,
    root: Option<Root>,
    /// The caller's supplementary groups, sorted.
    old_groups: Vec<u32>,
    /// Those, each once.
    distinct_groups: Vec<u32>,
    /// Longer than any list of groups that is to be compared.
    buffer: Vec<u32>,
}

impl Input {
    fn gather(policy: &mut Policy) -> Result<Input, Error> {
        // Before a handler is installed.
        pin::pin_object()
            .map_err(|errno| Error::System { call: "dlopen of the object that holds the library", errno })?;
        let (target, groups) = policy.options.target()?;
        let (proc, tasks) = open_proc(policy)?;
        let status = match &tasks {
            Some(tasks) => Some(open_own_status(tasks, proc.as_ref())?),
            None => None,
        };
        let root = root(policy)?;
        let old_groups = current_groups()?;
        let mut distinct_groups = try_to_vec(&old_groups)?;
        distinct_groups.dedup();
        let buffer = try_vec_of(0, groups.len().max(old_groups.len()) + 1)?;
        let deadline = policy.options.deadline;
        Ok(Input { target, groups, deadline, proc, tasks, status, root, old_groups, distinct_groups, buffer })
    }

    fn own_status(&self) -> OwnStatus<'_> {
        self.status.as_ref().map_or(OwnStatus::Nowhere, OwnStatus::Open)
    }

    /// Reads the caller, and completes what is wanted by what it holds.
    fn context<'a>(&'a self, target: Target, buffer: &'a SharedBuffer<'a>) -> Result<(Context<'a>, Reading), Error> {
        let mut ctx = Context {
            target,
            groups: &self.groups,
            buffer,
            root: self.root.as_ref(),
            setgroups: SetGroups::NotAsked,
            caller_filtered: true,
            caller_caps: None,
            caller_bounding: 0,
        };
        let own = self.own_status();
        let mut caller = execute::read_caller(&ctx, &own, false)?;
        if caller.groups != GroupMatch::Same {
            ctx.setgroups = self.setgroups();
            caller = execute::read_caller(&ctx, &own, false)?;
        }
        ctx.target = ctx.target.resolve_for_caller(&caller.held);
        ctx.caller_filtered = !caller.no_filter;
        ctx.caller_caps = caller.from_proc.then_some(caller.held.caps);
        ctx.caller_bounding = caller.held.bounding;
        Ok((ctx, caller))
    }

    /// user_namespaces(7), /proc/PID/setgroups.
    fn setgroups(&self) -> SetGroups {
        let mut buf = [0; 8];
        let file = self.proc.as_ref().map(|proc| sys::openat(proc.raw(), c"self/setgroups", libc::O_RDONLY));
        match file {
            Some(Ok(file)) => match sys::read(file.raw(), &mut buf) {
                Ok(len) if buf[..len.min(8)].starts_with(b"deny") => SetGroups::Denied,
                _ => SetGroups::Allowed,
            },
            _ => SetGroups::Allowed,
        }
    }
}

/// Opens /proc and the thread list of this process; neither where it has one thread for sure and no /proc.
fn open_proc(policy: &mut Policy) -> Result<(Option<sys::Fd>, Option<sys::Fd>), Error> {
    let mut why = Errno(libc::ENOENT);
    if !policy.proc.as_ref().is_some_and(|proc| proc.is_still_it() == Ok(true)) {
        policy.proc = ProcFolder::open().map_err(|errno| why = errno).ok();
    }
    let opened = match policy.proc.as_ref().and_then(|proc| proc.fd.as_ref()) {
        Some(proc) => sys::openat(proc.raw(), c"self/task", libc::O_RDONLY | libc::O_DIRECTORY)
            // Another file system may cover it.
            .and_then(|tasks| if sys::is_on_proc(tasks.raw())? { Ok(tasks) } else { Err(why) })
            .and_then(|tasks| Ok((sys::openat(proc.raw(), c".", libc::O_PATH | libc::O_DIRECTORY)?, tasks))),
        None => Err(why),
    };
    match opened {
        Ok((proc, tasks)) => Ok((Some(proc), Some(tasks))),
        Err(_) if sys::is_single_threaded_for_sure() => Ok((None, None)),
        Err(errno) => Err(StopError::NoTaskDir { errno }.into()),
    }
}

fn open_own_status(tasks: &sys::Fd, proc: Option<&sys::Fd>) -> Result<sys::Fd, Error> {
    let by_id = task_dir::open(tasks.raw(), &TaskPath::in_task_dir(sys::gettid(), "status"));
    match (by_id, proc) {
        (Ok(status), _) => Ok(status),
        // A /proc of another pid namespace has another id for this thread.
        (Err(_), Some(proc)) => sys::openat(proc.raw(), c"thread-self/status", libc::O_RDONLY),
        (Err(errno), None) => Err(errno),
    }
    .map_err(|errno| Error::System { call: "opening /proc/thread-self/status", errno })
}

/// Opens what the chroot needs.
fn root(policy: &Policy) -> Result<Option<Root>, Error> {
    let system = |call| move |errno| Error::System { call, errno };
    let Some(path) = &policy.options.chroot else { return Ok(None) };
    let is_inside = policy.entered.is_some_and(|entered| sys::root_id().is_ok_and(|root| root.may_be(&entered)));
    let directory = root_folder(if is_inside { c"/" } else { path.as_c_str() })?;
    let id = sys::file_id(directory.raw()).map_err(system("statx of the directory for chroot"))?;
    let old_root = sys::openat(sys::CWD, c"/", libc::O_PATH).map_err(system("opening /"))?;
    let old_cwd = sys::openat(sys::CWD, c".", libc::O_PATH).map_err(system("opening the working directory"))?;
    Ok(Some(Root { directory, id, old_root, old_cwd, caller: sys::gettid() }))
}

/// The caller's supplementary groups, all of them.
fn current_groups() -> Result<Vec<u32>, Error> {
    let system = |errno| Error::System { call: "getgroups", errno };
    let count = sys::getgroups(&mut []).map_err(system)?;
    let mut groups = try_vec_of(0, count)?;
    let count = if count == 0 { 0 } else { sys::getgroups(&mut groups).map_err(system)? };
    groups.truncate(count);
    groups.sort_unstable();
    Ok(groups)
}

/// Says what an operator can do about a refusal.
fn explained(error: Error, input: &Input, ctx: &Context<'_>, caller: &Reading) -> Error {
    let situation = Situation {
        missing: plan::missing_capabilities(&ctx.target, &caller.held),
        bounding: caller.held.bounding,
        filtered: !caller.no_filter,
        setgroups: ctx.setgroups,
        groups_held: &input.distinct_groups,
        groups_wanted: &input.groups,
        proc: input.proc.as_ref(),
    };
    let hint = match &error {
        Error::Plan(refusal) => situation.hint_for_refusal(refusal),
        Error::Apply(error) => situation.hint_for_step(error),
        _ => None,
    };
    match hint {
        Some(hint) => Error::Explained { error: Box::new(error), hint },
        None => error,
    }
}

/// How a try ends.
enum Outcome {
    Done,
    /// A call of another copy of the library is under way in this process.
    AnotherCopy,
    /// The bounding set may not be trimmed; nothing was changed.
    TrimDenied,
}

fn run(input: &Input) -> Result<(), Error> {
    let start = sys::now();
    let mut target = input.target;
    let mut list = try_to_vec(&input.buffer)?;
    let buffer = SharedBuffer::new(&mut list);
    loop {
        // libc's own broadcast, and any handler, could change the caller between the look and the commit.
        let mut mask = 0;
        let lock = CallLock::take(input.tasks.as_ref(), input.deadline + ANOTHER_CALL, &mut mask)?;
        let outcome = run_locked(input, target, &buffer, &lock);
        drop(lock);
        let _ = sys::insist(|| sys::set_signal_mask(mask));
        match outcome? {
            Outcome::Done => return Ok(()),
            // As without CAP_SETPCAP.
            Outcome::TrimDenied => target.trim_bounding = false,
            Outcome::AnotherCopy if sys::now().saturating_sub(start) > input.deadline => {
                return Err(Error::Busy {
                    problem: "another copy of this library in this process (static in the program and shared in a plug-in?) \
                              has a call under way",
                });
            }
            // With its signals unblocked, so that the other copy can stop this thread.
            Outcome::AnotherCopy => {
                let word = AtomicU32::new(0);
                sys::futex_wait(&word, 0, Some(Duration::from_millis(1)));
            }
        }
    }
}

/// One try, with the call lock held and all signals blocked.
fn run_locked(input: &Input, target: Target, buffer: &SharedBuffer<'_>, lock: &CallLock) -> Result<Outcome, Error> {
    let (ctx, first) = input.context(target, buffer)?;
    run_for(input, lock, &ctx, first).map_err(|error| explained(error, input, &ctx, &first))
}

fn run_for(input: &Input, lock: &CallLock, ctx: &Context<'_>, first: Reading) -> Result<Outcome, Error> {
    let own = input.own_status();
    // What cannot work is refused before a thread is stopped.
    let mut plan = plan::plan(&ctx.target, &first.held, PlanKind::Caller)?;
    let Some(stopped) = threads::stop_all(lock, ctx, input.tasks.as_ref(), input.deadline)? else {
        return Ok(Outcome::AnotherCopy);
    };
    // What another thread may have done meanwhile (a seccomp filter for all, with no_new_privs) holds from here on.
    let caller = if stopped.is_empty() { first } else { execute::read_caller(ctx, &own, false)? };
    let filtered = !caller.no_filter;
    let limit = input.deadline.max(COMMIT_DEADLINE);
    stopped.watch_caller(filtered, None);
    stopped.read_for_threads()?;
    if caller.held != first.held {
        plan = plan::plan(&ctx.target, &caller.held, PlanKind::Caller)?;
    }
    let has_work = plan.steps().len() != 0;
    let before = snapshot(input, ctx, caller.held, has_work)?;
    let kept_signal = if ctx.target.keep_parent_death_signal { before.parent_death_signal } else { 0 };
    let kept_dumpable = ctx.target.keep_dumpable && before.dumpable == Some(1);
    let mut timer_allowed = false;
    if has_work && (filtered || plan.changes_user_for_good()) {
        let rehearsal = Rehearsal {
            ctx,
            plan: &plan,
            proc: input.proc.as_ref(),
            memory: Memory::Shared,
            limit: input.deadline.max(REHEARSAL_DEADLINE),
            parent_death_signal: kept_signal,
            dumpable: kept_dumpable,
        };
        let learned = rehearsal.run();
        // Where all goes well, the caller's own change of ids clears it too.
        if !before.restore_dumpable() && learned.is_err() {
            let error = StepError::Errno(Errno(libc::EPERM));
            threads::die_of(lock.tid(), Fault { step: Step::Dumpable, error });
        }
        timer_allowed = learned?.timer;
    }

    lock.begin_commit();
    if filtered {
        stopped.watch_caller(true, Some(limit));
    }
    if has_work {
        // With no other thread to watch, a timer ends the process.
        let timer = if filtered && timer_allowed && stopped.is_empty() { Timer::that_kills(limit).ok() } else { None };
        if let Err(outcome) = commit_caller(ctx, &plan, &before, &own, filtered) {
            drop(timer);
            lock.end_commit();
            return outcome;
        }
        if kept_signal != 0
            && let Err(fault) = execute::keep_parent_death_signal(kept_signal, before.parent)
        {
            threads::die_of(lock.tid(), fault);
        }
        drop(timer);
    }
    stopped.commit(|| {
        if kept_dumpable && sys::dumpable() != Ok(1) {
            let fault = |errno| Fault { step: Step::Dumpable, error: StepError::Errno(errno) };
            if let Err(errno) = sys::set_dumpable(1) {
                threads::die_of(lock.tid(), fault(errno));
            }
        }
    });
    lock.end_commit();
    Ok(Outcome::Done)
}

fn snapshot<'a>(
    input: &'a Input,
    ctx: &Context<'_>,
    held: Credentials,
    has_work: bool,
) -> Result<Snapshot<'a>, ReadError> {
    let mut snapshot = Snapshot {
        held,
        groups: &input.old_groups,
        distinct_groups: &input.distinct_groups,
        parent_death_signal: 0,
        parent: 0,
        dumpable: None,
    };
    // Where there is nothing to do, no call is made that a filter may kill for.
    if has_work {
        snapshot.parent_death_signal = match sys::parent_death_signal() {
            Err(errno) if ctx.target.keep_parent_death_signal => {
                return Err(ReadError { call: "prctl(PR_GET_PDEATHSIG)", errno });
            }
            signal => signal.unwrap_or(0),
        };
        snapshot.parent = sys::getppid();
    }
    if has_work || ctx.target.keep_dumpable {
        snapshot.dumpable = sys::dumpable().ok();
    }
    Ok(snapshot)
}

/// Makes the caller's plan. `Err`: it was refused, and all was undone; what cannot be undone ends the process.
fn commit_caller(
    ctx: &Context<'_>,
    plan: &plan::Plan,
    before: &Snapshot<'_>,
    own: &OwnStatus<'_>,
    filtered: bool,
) -> Result<(), Result<Outcome, Error>> {
    let progress = AtomicU32::new(0);
    let make = if filtered { execute::make } else { execute::make_in_place };
    let made = make(ctx, plan, &progress).and_then(|()| execute::verify(ctx, plan, own));
    let Err(fault) = made else { return Ok(()) };
    if !execute::undo(ctx, plan, progress.load(Relaxed) as usize, before, own) {
        threads::die_of(sys::gettid(), fault);
    }
    Err(match fault.error {
        StepError::TrimDenied => Ok(Outcome::TrimDenied),
        StepError::NoEffect => Err(ApplyError::NoEffect { step: fault.step }.into()),
        StepError::Errno(errno) => Err(ApplyError::Refused { step: fault.step, errno }.into()),
    })
}
