//! From a policy to every thread of the process.

mod dry_run;
pub(crate) mod error;
pub(crate) mod hint;
mod input;
mod rehearsal;

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;

use crate::error::Error;
use crate::execute::{self, Context, Fault, OwnStatus, Reading, SharedBuffer, Snapshot, StepError};
use crate::plan::{self, PlanKind, Step, Target};
use crate::policy::{Policy, ProcDirectory};
use crate::sys;
use crate::text::Errno;
use crate::threads::{self, CallLock, StopError, StoppedThreads};

use error::ApplyError;
use input::{Input, OldGroups, count_longer_list, to_set_again, way_back, with_hint};
use rehearsal::{Memory, REHEARSAL_DEADLINE, Rehearsal, limit_alone, needs_rehearsal};

/// How long the caller's commit may take at least: a seccomp supervisor, or the server of a file system, may never answer.
const COMMIT_DEADLINE: Duration = Duration::from_secs(5);

/// How long another thread's call is waited for, beyond the deadline.
const ANOTHER_CALL: Duration = Duration::from_secs(30);

/// Whether [`apply`] would work, as far as that can be seen without stopping a thread; changes nothing.
pub fn check(policy: &mut Policy) -> Result<(), Error> {
    not_in_a_handler()?;
    unless_closed(policy, dry_run::run)
}

/// Applies a policy to every thread.
pub fn apply(policy: &mut Policy) -> Result<(), Error> {
    not_in_a_handler()?;
    unless_closed(policy, |policy| run(&Input::gather(policy)?))?;
    if let Some(chroot) = &mut policy.options.chroot {
        chroot.entered = sys::root_id().ok();
        // They would lead out of the new root.
        policy.proc = None;
        ProcDirectory::close_all();
    }
    Ok(())
}

/// Makes the call once more where a chroot by another policy has closed this one's descriptor of /proc amid it.
fn unless_closed(policy: &mut Policy, mut call: impl FnMut(&mut Policy) -> Result<(), Error>) -> Result<(), Error> {
    loop {
        let closings = ProcDirectory::closings();
        let result = call(policy);
        policy.proc.take_if(|proc| !proc.is_held());
        if result.is_ok() || ProcDirectory::closings() == closings {
            return result;
        }
    }
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

/// How a try ends.
enum Outcome {
    Done,
    /// A call of another copy of the library is under way in this process.
    AnotherCopy,
    /// The bounding set may not be trimmed; nothing was changed.
    TrimDenied,
    /// A filter came for all threads while they were being stopped; nothing was changed.
    FilterCame,
    /// The caller had fewer supplementary groups when memory for them was got; nothing was changed.
    MoreGroups,
}

fn run(input: &Input<'_>) -> Result<(), Error> {
    let start = sys::now();
    let mut target = input.target;
    let mut longer_lists = 0;
    loop {
        let mut old = OldGroups::with_capacity()?;
        let mut list = input.group_buffer(&old)?;
        let buffer = SharedBuffer::new(&mut list);
        // libc's own broadcast, and any handler, could change the caller between the look and the commit.
        let mut mask = 0;
        let lock = CallLock::take(input.tasks.as_deref(), input.deadline + ANOTHER_CALL, &mut mask)?;
        let outcome = run_locked(input, target, &buffer, &mut old, &lock);
        drop(lock);
        let _ = sys::retry_restore(|| sys::set_signal_mask(mask));
        match outcome? {
            Outcome::Done => return Ok(()),
            // With memory for more.
            Outcome::MoreGroups => count_longer_list(&mut longer_lists)?,
            // Once more, with what is known now. It stays.
            Outcome::FilterCame => {}
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

/// One try, with the call lock held and all signals blocked but SIGSYS.
fn run_locked(
    input: &Input<'_>,
    target: Target,
    buffer: &SharedBuffer<'_>,
    old: &mut OldGroups,
    lock: &CallLock,
) -> Result<Outcome, Error> {
    // Nobody changes them from here on: a change by libc would come as a signal, and all are blocked.
    if !old.read()? {
        return Ok(Outcome::MoreGroups);
    }
    // Whoever ends after this count may have brought a filter before.
    let was_alone = input.is_alone();
    let outcome = input.context(target, buffer).and_then(|(ctx, first)| {
        run_for(input, lock, &ctx, first, was_alone, old).map_err(|error| with_hint(error, input, &ctx, &first, old))
    });
    // Any error may come from that.
    if outcome.is_err() && input.has_lost_descriptors() { Err(StopError::LostDescriptors.into()) } else { outcome }
}

/// Stops the threads, and reads the caller again: what was read before may be out of date.
fn run_for(
    input: &Input<'_>,
    lock: &CallLock,
    ctx: &Context<'_>,
    first: Reading,
    was_alone: bool,
    old: &OldGroups,
) -> Result<Outcome, Error> {
    let own = input.own_status();
    // What cannot work is refused before a thread is stopped.
    let mut plan = plan::plan(&ctx.target, &first.held, PlanKind::Caller)?;
    let Some(stopped) = threads::stop_all(lock, ctx, input.tasks.as_ref(), input.deadline)? else {
        return Ok(Outcome::AnotherCopy);
    };
    // From here on nobody closes them. What was read before may be of another file.
    if input.has_lost_descriptors() {
        return Err(StopError::LostDescriptors.into());
    }
    // What another thread may have done meanwhile (a seccomp filter for all, with no_new_privs) holds from here on.
    let caller = if was_alone { first } else { execute::read_caller(ctx, &own, false)? };
    // Then they have prepared for a caller without one.
    if caller.filtered != ctx.caller_filtered {
        return Ok(Outcome::FilterCame);
    }
    stopped.limit_caller(input.deadline.max(COMMIT_DEADLINE));
    stopped.read_for_threads()?;
    if caller.held != first.held {
        plan = plan::plan(&ctx.target, &caller.held, PlanKind::Caller)?;
    }
    change_all(input, lock, ctx, stopped, &plan, &caller, old)
}

/// Makes the change: first the rehearsal, if there is one, then the caller, then all others. On an error `stopped` lets them go, after
/// all else that is held here has been dropped.
fn change_all(
    input: &Input<'_>,
    lock: &CallLock,
    ctx: &Context<'_>,
    stopped: StoppedThreads<'_>,
    plan: &plan::Plan,
    caller: &Reading,
    old: &OldGroups,
) -> Result<Outcome, Error> {
    let filtered = caller.filtered;
    let own = input.own_status();
    let limit = input.deadline.max(COMMIT_DEADLINE);
    let has_work = plan.steps().len() != 0;
    // Other threads watch. With none, a timer ends the process; a thread that is traced may be held by its debugger, for any time.
    let needs_timer = has_work && (filtered || ctx.root.is_some()) && !stopped.watch() && !caller.traced;
    let mut before = snapshot(old, ctx, caller, has_work);
    let (kept_signal, kept_dumpable) = to_set_again(&ctx.target, has_work)?;
    if has_work && needs_rehearsal(filtered, plan) {
        let rehearsal = Rehearsal {
            ctx,
            plan,
            needs_timer,
            proc: input.proc.map(|proc| &**proc),
            memory: Memory::Shared,
            limit: input.deadline.max(REHEARSAL_DEADLINE),
            parent_death_signal: kept_signal,
            dumpable: kept_dumpable,
        };
        let learned = rehearsal.run(|takes| stopped.limit_caller(takes + limit));
        // Where all goes well, the caller's own change of ids clears it too.
        if !before.restore_dumpable() && learned.is_err() {
            threads::die_of(lock.tid(), Fault::new(Step::Dumpable, Errno(libc::EPERM)));
        }
        let learned = learned?;
        before.may_set_dumpable = !filtered || learned.dumpable;
    }

    stopped.limit_caller(limit);
    let timer = if needs_timer { limit_alone(limit, filtered).map_err(ApplyError::from)? } else { None };
    if plan.steps().any(execute::leaves_directories) {
        // They may be of a file system that does not answer.
        before.directories = Some(way_back()?);
    }
    lock.begin_commit();
    // A process of the same user may attach to a dumpable one that holds no more than it does (ptrace(2)). The caller holds no more before
    // the others have followed, and has the same memory.
    let hides = has_work
        && stopped.watch()
        && before.dumpable == Some(1)
        && before.may_set_dumpable
        && sys::set_dumpable(0).is_ok();
    if has_work {
        if let Err(outcome) = commit_caller(ctx, plan, &before, &own, filtered) {
            drop(timer);
            lock.end_commit();
            return outcome;
        }
        if kept_signal != 0
            && let Err(fault) = execute::keep_parent_death_signal(kept_signal, before.parent)
        {
            threads::die_of(lock.tid(), fault);
        }
    }
    // A thread that goes on may fork, and its child must not inherit the way back.
    drop(before);
    stopped.commit(|others_set_ids| {
        if (kept_dumpable || hides && !plan.sets_ids() && !others_set_ids)
            && let Err(fault) = execute::set_dumpable()
        {
            threads::die_of(lock.tid(), fault);
        }
    });
    drop(timer);
    lock.end_commit();
    Ok(Outcome::Done)
}

/// What is to be put back after a refusal. All other threads must be stopped.
fn snapshot<'a>(old: &'a OldGroups, ctx: &Context<'_>, caller: &Reading, has_work: bool) -> Snapshot<'a> {
    // Where there is nothing to do, no call is made that a filter may kill for.
    Snapshot {
        held: caller.held,
        groups: &old.all,
        distinct_groups: &old.distinct,
        directories: None,
        parent_death_signal: if has_work { sys::parent_death_signal().unwrap_or(0) } else { 0 },
        parent: if has_work { sys::getppid() } else { 0 },
        dumpable: if has_work || ctx.target.keep_dumpable { sys::dumpable().ok() } else { None },
        may_set_dumpable: true,
    }
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
    let run_plan = if filtered { execute::run_plan } else { execute::run_plan_probing };
    let made = run_plan(ctx, plan, &progress).and_then(|()| execute::verify(ctx, plan, own));
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
