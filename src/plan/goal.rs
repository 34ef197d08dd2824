//! The state that a thread must end in, or what the kernel would refuse on the way there.

use super::refusal::Refusal;
use super::state::{ALL_LOCKS, Credentials, KEEP_CAPS, Target, TargetCaps, UNPRIVILEGED};
use crate::caps::{self, bit};

/// The state a thread that holds `held` must end in.
pub(super) fn goal(target: &Target, held: &Credentials) -> Result<Credentials, Refusal> {
    let mut goal = *held;
    goal.groups_as_wanted = true;
    goal.root_as_wanted = true;
    goal.cwd_as_wanted = true;
    if let Some(uid) = target.uid {
        goal.uids = [uid; 4];
    }
    if let Some(gid) = target.gid {
        goal.gids = [gid; 4];
    }
    goal.no_new_privs |= target.no_new_privs;

    let has_setpcap = held.caps.permitted & bit(caps::SETPCAP) != 0;
    if let TargetCaps::Exactly(caps) = target.caps {
        goal.caps = caps;
        goal.ambient = 0;
    }
    if let Some(ambient) = target.ambient {
        goal.ambient = ambient;
        goal.caps.inheritable |= ambient;
    }
    let caps = &goal.caps;
    let missing = (caps.effective | caps.permitted | caps.inheritable) & !caps::up_to(target.last_cap);
    if missing != 0 {
        return Err(Refusal::KernelLacks { missing, last_cap: target.last_cap });
    }
    let outside = caps.effective & !caps.permitted;
    if outside != 0 {
        return Err(Refusal::EffectiveOutsidePermitted { outside });
    }
    let missing = caps.permitted & !held.caps.permitted;
    if missing != 0 {
        return Err(Refusal::NotHeld { missing });
    }
    let outside = goal.ambient & !caps.permitted;
    if outside != 0 {
        return Err(Refusal::AmbientNotPermitted { outside });
    }
    // security/commoncap.c, cap_capset
    let mut allowed = held.caps.inheritable | held.bounding;
    if !has_setpcap {
        allowed &= held.caps.inheritable | held.caps.permitted;
    }
    let outside = caps.inheritable & !allowed;
    if outside != 0 {
        return Err(Refusal::InheritableNotAllowed { outside });
    }

    if target.trim_bounding {
        let trimmed = held.bounding & (caps.permitted | caps.inheritable);
        if has_setpcap {
            goal.bounding = trimmed;
        } else if target.require_trim && trimmed != held.bounding {
            return Err(Refusal::CannotTrim { left: held.bounding & !trimmed });
        }
    }

    goal.securebits = target.securebits.unwrap_or(held.securebits) & !KEEP_CAPS;
    let changed = goal.securebits ^ held.securebits;
    if changed != 0 {
        // security/commoncap.c, cap_task_prctl: a lock freezes its bit, and no lock is ever taken off
        let frozen = (held.securebits & ALL_LOCKS) | ((held.securebits & ALL_LOCKS) >> 1);
        if changed == KEEP_CAPS && changed & frozen != 0 {
            return Err(Refusal::KeepCapsLockedOn);
        }
        if changed & frozen != 0 {
            return Err(Refusal::SecurebitsLocked { held: held.securebits, wanted: goal.securebits });
        }
        if changed & !(KEEP_CAPS | UNPRIVILEGED) != 0 && !has_setpcap {
            return Err(Refusal::SecurebitsNeedSetpcap { held: held.securebits, wanted: goal.securebits });
        }
    }
    Ok(goal)
}

/// The changes of identity, each with the capability that it needs, and how it is refused without.
fn identity_changes(held: &Credentials, goal: &Credentials) -> impl Iterator<Item = (u8, Refusal)> {
    // kernel/sys.c, __sys_setresgid and __sys_setresuid: any of the three may become any other
    let gid = !held.gids[..3].contains(&goal.gids[0]) && goal.gids != held.gids;
    let uid = !held.uids[..3].contains(&goal.uids[0]) && goal.uids != held.uids;
    [
        (!held.root_as_wanted).then_some((caps::SYS_CHROOT, Refusal::RootNeedsSysChroot)),
        (!held.groups_as_wanted).then_some((caps::SETGID, Refusal::GroupsNeedSetgid)),
        gid.then_some((caps::SETGID, Refusal::GidNeedsSetgid { gid: goal.gids[0] })),
        uid.then_some((caps::SETUID, Refusal::UidNeedsSetuid { uid: goal.uids[0] })),
    ]
    .into_iter()
    .flatten()
}

/// Refuses changes of identity that need a capability which is not permitted: the kernel would.
pub(super) fn refuse_identity(held: &Credentials, goal: &Credentials) -> Result<(), Refusal> {
    let refused = identity_changes(held, goal).find(|(cap, _)| held.caps.permitted & bit(*cap) == 0);
    refused.map_or(Ok(()), |(_, refusal)| Err(refusal))
}

/// All capabilities that are asked for, or that a change of identity needs, and that are not permitted.
pub fn missing_capabilities(target: &Target, held: &Credentials) -> u64 {
    let mut goal = *held;
    goal.uids = target.uid.map_or(held.uids, |uid| [uid; 4]);
    goal.gids = target.gid.map_or(held.gids, |gid| [gid; 4]);
    let mut needed = identity_changes(held, &goal).fold(0, |needed, (cap, _)| needed | bit(cap));
    if let TargetCaps::Exactly(caps) = target.caps {
        needed |= caps.permitted;
    }
    needed & !held.caps.permitted & caps::up_to(target.last_cap)
}
