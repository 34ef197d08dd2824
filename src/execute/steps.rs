//! Running the steps of a plan, and reading back.

use core::sync::atomic::{AtomicU32, Ordering};

use super::context::Context;
use super::read::{OwnStatus, Scope, credentials_of, read_caller};
use crate::caps;
use crate::plan::{self, Plan, Probe, Step};
use crate::sys;
use crate::text::Errno;

/// Why a step failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepError {
    /// The call said so.
    Errno(Errno),
    /// The call succeeded, and yet the effect is missing.
    NoEffect,
    /// The bounding set may not be trimmed, as by a security module (capabilities(7), CAP_SETPCAP). Nothing was dropped.
    TrimDenied,
}

/// A step that failed, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) step: Step,
    pub(crate) error: StepError,
}

impl Fault {
    /// A call that said so.
    pub(crate) fn new(step: Step, errno: Errno) -> Fault {
        Fault { step, error: StepError::Errno(errno) }
    }

    /// A call that succeeded, without its effect.
    pub(crate) fn no_effect(step: Step) -> Fault {
        Fault { step, error: StepError::NoEffect }
    }
}

/// What is done beside the steps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    Probes,
    ClearingDumpable,
}

/// Runs the steps of a plan in order. `progress` is told the number of the step under way.
pub(crate) fn run_plan(ctx: &Context<'_>, plan: &Plan, progress: &AtomicU32) -> Result<(), Fault> {
    run_steps(ctx, plan, progress, Beside::Nothing)
}

/// As [`run_plan`], with the dumpable flag cleared again after each change of ids: that sets it to fs.suid_dumpable (kernel/cred.c,
/// commit_creds), by which a core may be dumped, or the process attached to.
pub(crate) fn run_plan_not_dumpable(ctx: &Context<'_>, plan: &Plan, progress: &AtomicU32) -> Result<(), Fault> {
    run_steps(ctx, plan, progress, Beside::ClearingDumpable)
}

/// As [`run_plan`], with the probes before the first step that cannot be undone: for a thread without a seccomp filter.
pub(crate) fn run_plan_probing(ctx: &Context<'_>, plan: &Plan, progress: &AtomicU32) -> Result<(), Fault> {
    run_steps(ctx, plan, progress, Beside::Probes)
}

fn run_steps(ctx: &Context<'_>, plan: &Plan, progress: &AtomicU32, beside: Beside) -> Result<(), Fault> {
    let probes = beside == Beside::Probes;
    let mut caps = ctx.caller_caps;
    for (at, step) in plan.steps().enumerate() {
        progress.store(at as u32, Ordering::Relaxed);
        if probes && at == plan.reversible() {
            plan.probes().try_for_each(|it| probe(it, plan))?;
        }
        match step {
            // The way back needs capset(2), which a security module may deny (SELinux: process:setcap).
            Step::SetResUid(_) if probes && at < plan.reversible() => {
                caps.map_or(Ok(()), |caps| probe(Probe::CapSet(caps), plan))?;
            }
            Step::RaiseEffective(raised) => caps = Some(raised),
            _ => (),
        }
        run_step(ctx, step)?;
        if beside == Beside::ClearingDumpable && matches!(step, Step::SetResGid(_) | Step::SetResUid(_)) {
            let _ = sys::set_dumpable(0);
        }
    }
    progress.store(plan.steps().len() as u32, Ordering::Relaxed);
    Ok(())
}

fn probe(probe: Probe, plan: &Plan) -> Result<(), Fault> {
    let (step, done) = match probe {
        Probe::CapSet(caps) => (Step::CapSet(plan.goal.caps), sys::capset(&caps)),
        Probe::SecureBits(bits) => (Step::SecureBits(plan.goal.securebits), sys::set_securebits(bits)),
        Probe::DropBounding => match sys::bounding_drop(caps::NONE) {
            Err(Errno(libc::EPERM)) => {
                return Err(Fault { step: Step::DropBounding(plan.dropped()), error: StepError::TrimDenied });
            }
            _ => return Ok(()),
        },
    };
    done.map_err(|errno| Fault::new(step, errno))
}

/// One system call per capability in `mask`; an error names the capability refused.
fn per_capability(mask: u64, call: fn(u8) -> sys::Result<()>, step: fn(u64) -> Step) -> Result<(), Fault> {
    caps::each(mask).try_for_each(|cap| call(cap).map_err(|errno| Fault::new(step(caps::bit(cap)), errno)))
}

fn run_step(ctx: &Context<'_>, step: Step) -> Result<(), Fault> {
    let done = match step {
        Step::DropBounding(mask) => return per_capability(mask, sys::bounding_drop, Step::DropBounding),
        Step::LowerAmbient(mask) => return per_capability(mask, sys::ambient_lower, Step::LowerAmbient),
        Step::RaiseAmbient(mask) => return per_capability(mask, sys::ambient_raise, Step::RaiseAmbient),
        Step::RaiseEffective(caps) | Step::WorkingSets(caps) | Step::CapSet(caps) => sys::capset(&caps),
        Step::Chroot => ctx.root.map_or(Err(Errno(libc::EINVAL)), |root| root.enter()),
        Step::ChangeDirectory => sys::chdir(c"/"),
        Step::SetGroups => sys::setgroups(ctx.groups),
        Step::SetResGid(gid) => sys::setresgid([gid; 3]),
        Step::KeepCaps(on) => sys::set_keep_caps(on),
        Step::SetResUid(uid) => sys::setresuid([uid; 3]),
        Step::ClearAmbient => sys::ambient_clear(),
        Step::SecureBits(bits) => sys::set_securebits(bits),
        Step::NoNewPrivs => sys::set_no_new_privs(),
        Step::ParentDeathSignal(signal) => sys::set_parent_death_signal(signal),
        Step::Dumpable => sys::set_dumpable(1),
        Step::ReadBack => Ok(()),
    };
    done.map_err(|errno| Fault::new(step, errno))
}

/// A step beyond the plan: sets a parent-death signal, and reads it back.
pub(crate) fn set_parent_death_signal(signal: i32) -> Result<(), Fault> {
    let step = Step::ParentDeathSignal(signal);
    sys::set_parent_death_signal(signal).map_err(|errno| Fault::new(step, errno))?;
    if sys::parent_death_signal() == Ok(signal) { Ok(()) } else { Err(Fault::no_effect(step)) }
}

/// Sets a parent-death signal again that a change of ids has cleared (kernel/cred.c, commit_creds). Raises it where the parent has
/// gone meanwhile.
pub(crate) fn keep_parent_death_signal(signal: i32, parent: i32) -> Result<(), Fault> {
    set_parent_death_signal(signal)?;
    if sys::getppid() != parent {
        let _ = sys::kill(sys::getpid(), signal);
    }
    Ok(())
}

/// A step beyond the plan: sets the dumpable flag where it is not set, and reads it back.
pub(crate) fn set_dumpable() -> Result<(), Fault> {
    let step = Step::Dumpable;
    if sys::dumpable() == Ok(1) {
        return Ok(());
    }
    sys::set_dumpable(1).map_err(|errno| Fault::new(step, errno))?;
    if sys::dumpable() == Ok(1) { Ok(()) } else { Err(Fault::no_effect(step)) }
}

/// Reads all of the calling thread's state back and compares it with where the plan leads.
pub(crate) fn verify(ctx: &Context<'_>, plan: &Plan, own: &OwnStatus<'_>) -> Result<(), Fault> {
    let found = read_caller(&ctx.after(), own, true).map_err(|error| Fault::new(Step::ReadBack, error.errno))?;
    compare(&plan.goal, &found.held)
}

/// Whether a thread is where its plan leads.
pub(crate) fn compare(goal: &plan::Credentials, found: &plan::Credentials) -> Result<(), Fault> {
    match plan::first_mismatch(goal, found) {
        None => Ok(()),
        Some(step) => Err(Fault::no_effect(step)),
    }
}

/// The same for a thread that no filter looks at, as far as prctl(2) tells, and that follows. Each capability dropped from the bounding
/// set is looked at, in case a filter has answered that question too; and so are the three sets. A security module may hide some of what
/// is held, but not of this thread: capget(2) has shown before just what the caller holds (`credentials_of`), and what is wanted is part
/// of that.
pub(super) fn verify_follower(ctx: &Context<'_>, plan: &Plan) -> Result<(), Fault> {
    let goal = &plan.goal;
    let made = |wanted| plan.steps().any(|step| step == wanted);
    let scope = Scope {
        bounding: plan.dropped(),
        assumed_bounding: goal.bounding,
        ambient: goal.caps.permitted & goal.caps.inheritable,
        fsuid: !made(Step::SetResUid(goal.uids[0])),
        fsgid: !made(Step::SetResGid(goal.gids[0])),
    };
    let found =
        credentials_of(&ctx.after(), None, |_, _, _| scope).map_err(|error| Fault::new(Step::ReadBack, error.errno))?;
    let Some(found) = found else { return Err(Fault::new(Step::ReadBack, Errno(libc::EIO))) };
    compare(goal, &found)
}
