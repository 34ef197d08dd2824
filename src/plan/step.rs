//! The steps, each a system call, and which of them has had no effect.

use core::fmt;

use super::state::Credentials;
use crate::caps::{CapNames, CapSets};

/// One step: one system call, or one call per capability of a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make effective what the next steps need (capset).
    RaiseEffective(CapSets),
    /// chroot(2) and chdir(2) into it.
    Chroot,
    /// chdir(2) to the root directory, where that is the one wanted already.
    ChangeDirectory,
    /// setgroups(2) with the list wanted.
    SetGroups,
    /// setresgid(2), all three alike.
    SetResGid(u32),
    /// prctl(PR_SET_KEEPCAPS).
    KeepCaps(bool),
    /// setresuid(2), all three alike.
    SetResUid(u32),
    /// The sets that the remaining steps need (capset).
    WorkingSets(CapSets),
    /// prctl(PR_CAPBSET_DROP) for each capability of the mask.
    DropBounding(u64),
    /// prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL).
    ClearAmbient,
    /// prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER) for each capability of the mask, where others stay.
    LowerAmbient(u64),
    /// prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE) for each capability of the mask.
    RaiseAmbient(u64),
    /// prctl(PR_SET_SECUREBITS).
    SecureBits(u32),
    /// The final sets (capset).
    CapSet(CapSets),
    /// prctl(PR_SET_NO_NEW_PRIVS).
    NoNewPrivs,
    /// Not a step of the plan: reading the state back. The calls are those of execute/read.rs.
    ReadBack,
    /// Not a step of the plan: prctl(PR_SET_PDEATHSIG), to keep what a change of ids has cleared.
    ParentDeathSignal(i32),
    /// Not a step of the plan: prctl(PR_SET_DUMPABLE, 1), to keep what a change of ids has cleared.
    Dumpable,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::RaiseEffective(_) => f.write_str("capset (raising the effective set)"),
            Step::Chroot => f.write_str("chroot"),
            Step::ChangeDirectory => f.write_str("chdir to the root directory"),
            Step::SetGroups => f.write_str("setgroups"),
            Step::SetResGid(gid) => write!(f, "setresgid({gid}, {gid}, {gid})"),
            Step::KeepCaps(on) => write!(f, "prctl(PR_SET_KEEPCAPS, {})", u8::from(*on)),
            Step::SetResUid(uid) => write!(f, "setresuid({uid}, {uid}, {uid})"),
            Step::WorkingSets(_) => f.write_str("capset (sets for the remaining steps)"),
            Step::DropBounding(mask) => write!(f, "prctl(PR_CAPBSET_DROP) of {}", CapNames(*mask)),
            Step::ClearAmbient => f.write_str("prctl(PR_CAP_AMBIENT_CLEAR_ALL)"),
            Step::LowerAmbient(mask) => write!(f, "prctl(PR_CAP_AMBIENT_LOWER) of {}", CapNames(*mask)),
            Step::RaiseAmbient(mask) => write!(f, "prctl(PR_CAP_AMBIENT_RAISE) of {}", CapNames(*mask)),
            Step::SecureBits(bits) => write!(f, "prctl(PR_SET_SECUREBITS, {bits:#x})"),
            Step::CapSet(_) => f.write_str("capset (final sets)"),
            Step::NoNewPrivs => f.write_str("prctl(PR_SET_NO_NEW_PRIVS)"),
            Step::ReadBack => f.write_str("reading the state back"),
            Step::ParentDeathSignal(signal) => write!(f, "prctl(PR_SET_PDEATHSIG, {signal})"),
            Step::Dumpable => f.write_str("prctl(PR_SET_DUMPABLE, 1)"),
        }
    }
}

/// The step whose effect is missing, if a thread is not where its plan leads.
pub fn first_mismatch(goal: &Credentials, found: &Credentials) -> Option<Step> {
    if found.uids != goal.uids {
        Some(Step::SetResUid(goal.uids[0]))
    } else if found.gids != goal.gids {
        Some(Step::SetResGid(goal.gids[0]))
    } else if !found.groups_as_wanted {
        Some(Step::SetGroups)
    } else if !found.root_as_wanted {
        Some(Step::Chroot)
    } else if !found.cwd_as_wanted {
        Some(Step::ChangeDirectory)
    } else if found.bounding != goal.bounding {
        Some(Step::DropBounding(found.bounding & !goal.bounding))
    } else if found.ambient != goal.ambient {
        Some(if found.ambient & !goal.ambient != 0 {
            Step::LowerAmbient(found.ambient & !goal.ambient)
        } else {
            Step::RaiseAmbient(goal.ambient & !found.ambient)
        })
    } else if found.securebits != goal.securebits {
        Some(Step::SecureBits(goal.securebits))
    } else if found.caps != goal.caps {
        Some(Step::CapSet(goal.caps))
    } else if found.no_new_privs != goal.no_new_privs {
        Some(Step::NoNewPrivs)
    } else {
        None
    }
}
