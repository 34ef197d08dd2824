//! Putting the caller back to what it was.

use super::chroot::Directories;
use super::context::Context;
use super::groups::GroupMatch;
use super::read::{OwnStatus, read_caller};
use super::steps::keep_parent_death_signal;
use crate::caps::{self, CapSets};
use crate::plan::{self, Credentials, KEEP_CAPS, Plan, Step};
use crate::sys;

/// What the caller had before, beyond [`Credentials`]: read under the call lock, with all signals blocked and all other threads
/// stopped, so that nobody changes it meanwhile.
pub(crate) struct Snapshot<'a> {
    pub(crate) held: Credentials,
    /// Its supplementary groups, all of them, sorted, as often as they were given.
    pub(crate) groups: &'a [u32],
    /// Those, each once.
    pub(crate) distinct_groups: &'a [u32],
    /// Where the plan leaves them.
    pub(crate) directories: Option<Directories>,
    pub(crate) parent_death_signal: i32,
    pub(crate) parent: i32,
    /// The dumpable flag, which the kernel keeps with the memory.
    pub(crate) dumpable: Option<usize>,
    /// Whether it can be set: a filter may refuse that, or kill for it.
    pub(crate) may_set_dumpable: bool,
}

impl Snapshot<'_> {
    /// Puts back the dumpable flag that a change of ids has cleared (kernel/cred.c, commit_creds). All other threads must be
    /// stopped: one of them may have changed it otherwise. 2 cannot be set, and need not be: it stays, or is what 1 became. Says
    /// whether it is as before.
    pub(crate) fn restore_dumpable(&self) -> bool {
        match self.dumpable {
            Some(dumpable @ 0..2) => {
                let as_before = || sys::dumpable() == Ok(dumpable);
                as_before()
                    || self.may_set_dumpable
                        && sys::retry_restore(|| sys::set_dumpable(dumpable)).is_ok()
                        && as_before()
            }
            _ => true,
        }
    }
}

/// Whether the step changes the root or the working directory.
pub(crate) fn leaves_directories(step: Step) -> bool {
    matches!(step, Step::Chroot | Step::ChangeDirectory)
}

/// Puts the calling thread back to what it was, where nothing irreversible has happened, and says whether it is. `failed_at` is the
/// number of the step under way.
pub(crate) fn undo(
    ctx: &Context<'_>,
    plan: &Plan,
    failed_at: usize,
    before: &Snapshot<'_>,
    own: &OwnStatus<'_>,
) -> bool {
    if failed_at > plan.reversible() {
        return false;
    }
    // A step that cannot be undone was refused, so there is nothing of it to put back.
    let undoable = (failed_at + 1).min(plan.reversible());
    let done = |wanted: fn(Step) -> bool| plan.steps().take(undoable).any(wanted);
    let was = &before.held;
    // Up to here the permitted set is what it was. What /proc said is written, not what capget(2) shows.
    let all = CapSets { effective: was.caps.permitted, ..was.caps };
    // Each may fail where nothing was changed; what counts is the look at the end.
    if was.caps.permitted != 0 {
        let _ = sys::capset(&all);
    }
    if done(|step| matches!(step, Step::SetResUid(_))) {
        let _ = sys::setresuid([was.uids[0], was.uids[1], was.uids[2]]);
        let _ = sys::capset(&all);
    }
    if done(|step| matches!(step, Step::SetResGid(_))) {
        let _ = sys::setresgid([was.gids[0], was.gids[1], was.gids[2]]);
        if was.gids[3] != was.gids[1] {
            let _ = sys::setfsgid(was.gids[3]);
        }
    }
    if done(|step| step == Step::SetGroups) {
        let _ = sys::setgroups(before.groups);
    }
    if done(leaves_directories)
        && let Some(directories) = &before.directories
        && directories.restore(plan.steps().any(|step| step == Step::Chroot)) != Ok(true)
    {
        return false;
    }
    if done(|step| matches!(step, Step::SetResUid(_))) && was.uids[3] != was.uids[1] {
        let _ = sys::setfsuid(was.uids[3]);
    }
    if let Ok(now) = sys::securebits() {
        if (now ^ was.securebits) & KEEP_CAPS != 0 {
            let _ = sys::set_keep_caps(was.securebits & KEEP_CAPS != 0);
        }
        if (now ^ was.securebits) & !KEEP_CAPS != 0 {
            let _ = sys::set_securebits(was.securebits);
        }
    }
    if plan.steps().len() > 0 {
        let _ = sys::capset(&was.caps);
    }
    let ambient = caps::each(was.ambient);
    for cap in ambient {
        if sys::ambient_has(cap) == Ok(false) {
            let _ = sys::ambient_raise(cap);
        }
    }
    let raised = plan.steps().find_map(|step| if let Step::RaiseAmbient(mask) = step { Some(mask) } else { None });
    for cap in caps::each(raised.unwrap_or(0) & !was.ambient) {
        let _ = sys::ambient_lower(cap);
    }
    if before.parent_death_signal != 0
        && sys::parent_death_signal() != Ok(before.parent_death_signal)
        && keep_parent_death_signal(before.parent_death_signal, before.parent).is_err()
    {
        return false;
    }
    before.restore_dumpable() && is_as_before(ctx, before, own)
}

fn is_as_before(ctx: &Context<'_>, before: &Snapshot<'_>, own: &OwnStatus<'_>) -> bool {
    // The groups before count as those wanted for this look; the directories were looked at above.
    let mut as_before = Context { groups: before.distinct_groups, root: None, ..ctx.after() };
    as_before.target.groups = true;
    let goal = Credentials { groups_as_wanted: true, root_as_wanted: true, cwd_as_wanted: true, ..before.held };
    read_caller(&as_before, own, true)
        .is_ok_and(|now| now.groups == GroupMatch::Same && plan::first_mismatch(&goal, &now.held).is_none())
}
