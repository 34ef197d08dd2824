//! What a stopped thread does: it makes its own plan, and executes the plan after the caller has executed its own.
//!
//! A thread without a seccomp filter reads its own state by system calls, before and after the change. If a thread has a filter, or
//! if the system calls do not tell enough, the caller reads the state of the thread from /proc, before and after the change: the
//! filter may refuse to open files, or kill the thread for it.

use core::sync::atomic::AtomicU32;

use super::context::Context;
use super::read::{READING_DIRECTORIES, ReadError, Scope, credentials_of, securebits};
use super::steps::{Fault, keep_parent_death_signal, run_plan, verify_follower};
use crate::caps;
use crate::plan::{self, Credentials, Plan, PlanKind, Refusal, Step, TargetCaps};
use crate::sys;
use crate::text::Errno;

/// Why a stopped thread cannot follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Its own state cannot be read.
    Read(ReadError),
    /// There is no plan for it.
    Plan(Refusal),
    /// It has a root directory and descriptors of its own.
    PrivateRoot,
}

/// What only the stopped thread can tell of itself.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) securebits: u32,
    pub(crate) root_as_wanted: bool,
    pub(crate) cwd_as_wanted: bool,
    /// Its root directory is the caller's, which the caller's step moves.
    follows_root: bool,
    /// It may have to make that step itself, and has the descriptor for it.
    has_directory: bool,
    parent_death_signal: i32,
    parent: i32,
}

/// What a stopped thread knows before the caller has changed anything.
#[derive(Clone, Copy)]
pub(crate) struct PreparedFollower {
    filtered: bool,
    seen: Seen,
    /// `None`: the caller reads its state.
    own: Option<(Credentials, Plan)>,
}

/// Looks at what a stopped thread holds, and plans for it.
#[inline(never)]
pub(crate) fn prepare(ctx: &Context<'_>) -> Result<PreparedFollower, Problem> {
    let seen = look(ctx).map_err(Problem::Read)?;
    // A filter may answer for every capability; of one that no kernel has, it has to say so.
    let filtered = ctx.caller_filtered
        || !sys::has_no_filter(ctx.unknown.seccomp)
        || (ctx.target.trim_bounding && sys::bounding_has(caps::NONE) != Err(Errno(libc::EINVAL)));
    let held = if filtered {
        None
    } else {
        credentials_of(ctx, Some(seen.securebits), |uids, gids, caps| scope_before(ctx, uids, gids, caps))
            .map_err(Problem::Read)?
    };
    let own = match held {
        Some(held) => Some((held, seen.plan(ctx, held, PlanKind::Follower)?)),
        None => None,
    };
    Ok(PreparedFollower { filtered, seen, own })
}

/// Of the bounding set, a capability that the caller has, and that is to be dropped, can be dropped whether it is there or not.
fn scope_before(ctx: &Context<'_>, uids: [u32; 3], gids: [u32; 3], caps: &caps::CapSets) -> Scope {
    let target = &ctx.target;
    let assumed_bounding = ctx.caller_bounding;
    let bounding = match target.caps {
        TargetCaps::Exactly(exactly) if !target.trim_bounding => exactly.inheritable | target.ambient.unwrap_or(0),
        TargetCaps::Exactly(exactly) if caps.permitted & caps::bit(caps::SETPCAP) != 0 => {
            exactly.permitted | exactly.inheritable | target.ambient.unwrap_or(0) | !assumed_bounding
        }
        _ => u64::MAX,
    };
    let stays = |wanted: Option<u32>, ids| wanted.is_none_or(|id| ids == [id; 3]);
    Scope {
        bounding,
        assumed_bounding,
        // An ambient capability is always permitted and inheritable (capabilities(7)).
        ambient: caps.permitted & caps.inheritable,
        fsuid: stays(target.uid, uids),
        fsgid: stays(target.gid, gids),
    }
}

fn look(ctx: &Context<'_>) -> Result<Seen, ReadError> {
    let mut seen = Seen {
        securebits: securebits(ctx)?,
        root_as_wanted: true,
        cwd_as_wanted: true,
        follows_root: false,
        has_directory: false,
        parent_death_signal: 0,
        parent: 0,
    };
    if ctx.target.keep_parent_death_signal {
        seen.parent_death_signal =
            sys::parent_death_signal().map_err(|errno| ReadError { call: "prctl(PR_GET_PDEATHSIG)", errno })?;
        seen.parent = sys::getppid();
    }
    if let Some(root) = ctx.root {
        (seen.root_as_wanted, seen.cwd_as_wanted) =
            root.read(false).map_err(|errno| ReadError { call: READING_DIRECTORIES, errno })?;
        if !seen.root_as_wanted {
            let may = sys::capget().is_ok_and(|caps| caps.permitted & caps::bit(caps::SYS_CHROOT) != 0);
            seen.has_directory = root.has_directory();
            // Asked only where it matters, since filters may not know this call.
            seen.follows_root =
                !(seen.has_directory && may) && sys::shares(sys::Resource::Directories, root.caller) == Ok(true);
        }
    }
    Ok(seen)
}

impl Seen {
    /// Completes what /proc, or the thread itself, tells by what is seen here.
    fn complete(&self, mut held: Credentials) -> Credentials {
        held.securebits = self.securebits;
        held.root_as_wanted = self.root_as_wanted;
        held.cwd_as_wanted = self.cwd_as_wanted;
        held
    }

    /// The plan for a thread that holds that, or why there is none. In its caller, whose stack may be small.
    #[inline(always)]
    pub(crate) fn plan(&self, ctx: &Context<'_>, held: Credentials, kind: PlanKind) -> Result<Plan, Problem> {
        let mut expected = self.complete(held);
        if !self.root_as_wanted {
            if self.follows_root {
                expected.root_as_wanted = true;
                expected.cwd_as_wanted = true;
            } else if !self.has_directory {
                return Err(Problem::PrivateRoot);
            }
        }
        plan::plan(&ctx.target, &expected, kind).map_err(Problem::Plan)
    }
}

impl PreparedFollower {
    /// Whether a seccomp filter looks at the thread.
    pub(crate) fn is_filtered(&self) -> bool {
        self.filtered
    }

    /// What the thread has seen of itself, where the caller has to read the rest.
    pub(crate) fn needs_caller(&self) -> Option<Seen> {
        self.own.is_none().then_some(self.seen)
    }
}

/// What a stopped thread does once the caller has committed: its plan, and a look at whether it is where that leads.
/// `read_by_caller` is what the caller has read of it, who looks again afterwards. Says whether that has set ids.
#[inline(never)]
pub(crate) fn commit_follower(
    ctx: &Context<'_>,
    prepared: &PreparedFollower,
    read_by_caller: Option<Credentials>,
) -> Result<bool, Fault> {
    let seen = &prepared.seen;
    let done = AtomicU32::new(0);
    let sets_ids = match (&prepared.own, read_by_caller) {
        (Some((held, plan)), _) => {
            let replanned = replan(ctx, seen, *held, PlanKind::Follower)?;
            let plan = replanned.as_ref().unwrap_or(plan);
            run_plan(ctx, plan, &done)?;
            verify_follower(ctx, plan)?;
            plan.sets_ids()
        }
        (None, Some(held)) => {
            let plan = match replan(ctx, seen, held, PlanKind::FilteredFollower)? {
                Some(plan) => plan,
                None => plan::plan(&ctx.target, &seen.complete(held), PlanKind::FilteredFollower)
                    .map_err(|_| Fault::new(Step::ReadBack, Errno(libc::EPERM)))?,
            };
            run_plan(ctx, &plan, &done)?;
            verify_seen(ctx, &plan)?;
            plan.sets_ids()
        }
        (None, None) => return Err(Fault::new(Step::ReadBack, Errno(libc::EINVAL))),
    };
    if seen.parent_death_signal != 0 {
        keep_parent_death_signal(seen.parent_death_signal, seen.parent)?;
    }
    Ok(sets_ids)
}

/// Plans again once the caller has committed, where that may have changed what this thread has: its root directory.
fn replan(ctx: &Context<'_>, seen: &Seen, held: Credentials, kind: PlanKind) -> Result<Option<Plan>, Fault> {
    let Some(root) = ctx.root else { return Ok(None) };
    let mut now = seen.complete(held);
    // A thread that follows the caller's root is where the caller is, also where the kernel does not tell mounts apart.
    (now.root_as_wanted, now.cwd_as_wanted) =
        root.read(seen.follows_root).map_err(|errno| Fault::new(Step::Chroot, errno))?;
    plan::plan(&ctx.target, &now, kind).map(Some).map_err(|_| Fault::new(Step::Chroot, Errno(libc::EPERM)))
}

/// What the caller cannot read of another thread.
fn verify_seen(ctx: &Context<'_>, plan: &Plan) -> Result<(), Fault> {
    let fault = |errno| Fault::new(Step::ReadBack, errno);
    let missing = |step| Err(Fault::no_effect(step));
    if securebits(ctx).map_err(|error| fault(error.errno))? != plan.goal.securebits {
        return missing(Step::SecureBits(plan.goal.securebits));
    }
    if let Some(root) = ctx.root {
        let (root_as_wanted, cwd_as_wanted) = root.read(true).map_err(fault)?;
        if !root_as_wanted {
            return missing(Step::Chroot);
        }
        if !cwd_as_wanted {
            return missing(Step::ChangeDirectory);
        }
    }
    Ok(())
}
