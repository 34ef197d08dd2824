//! Why something was refused, told apart by what can be read, and which setting of the platform changes it: the hint that
//! `input::with_hint` adds to an error. docs/surroundings.md has the platforms.

use alloc::vec::Vec;
use core::fmt;

use super::error::ApplyError;
use crate::caps::{self, CapNames};
use crate::id_map::{IdMap, Ids};
use crate::plan::{Refusal, Step};
use crate::sys;

/// What an operator can do about an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Capabilities that are missing.
    Capabilities {
        /// Those not held that the message does not name.
        also: u64,
        /// Of all, those that are not in the bounding set.
        outside_bounding: u64,
        /// Of all, those that are.
        within_bounding: u64,
    },
    /// The groups are others, and cannot be set.
    Groups {
        /// Those of the process.
        held: Vec<u32>,
        /// Those asked for.
        wanted: Vec<u32>,
    },
    /// An id without a counterpart in the user namespace.
    NoMapping {
        /// `user` or `group`.
        what: &'static str,
        /// The id.
        id: u32,
    },
    /// The overflow id, which the process is shown to have.
    InDoubt {
        /// `user` or `group`.
        what: &'static str,
        /// The id.
        id: u32,
    },
    /// The user namespace denies setgroups(2).
    SetgroupsDenied,
    /// A seccomp filter looks at the process.
    Filter,
    /// The process holds what is needed, and has no filter.
    SecurityModule,
    /// The kernel knows no ambient set.
    NoAmbientSet,
    /// Nothing that can be read tells why a step was refused.
    Unknown,
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hint::Capabilities { also, outside_bounding, within_bounding } => {
                if *also != 0 {
                    let are = if also.count_ones() == 1 { "is" } else { "are" };
                    write!(f, "nor {are} {}, which {are} needed as well; ", CapNames(*also))?;
                }
                if *outside_bounding != 0 {
                    let names = CapNames(*outside_bounding);
                    write!(
                        f,
                        "{names} not in the bounding set (--cap-add of the container, CapabilityBoundingSet= of the unit)"
                    )?;
                }
                if *outside_bounding != 0 && *within_bounding != 0 {
                    f.write_str("; ")?;
                }
                if *within_bounding != 0 {
                    let names = CapNames(*within_bounding);
                    // A drop and execve(2) leave the same state as a start without root.
                    write!(
                        f,
                        "{names} in the bounding set (AmbientCapabilities= of the unit, or start as root; after a drop and \
                         execve(2): ambient in that drop)"
                    )?;
                }
                Ok(())
            }
            Hint::Groups { held, wanted } => write!(
                f,
                "groups held: {}; wanted: {}; see supplemental_groups, which takes a list or keep",
                List(held),
                List(wanted)
            ),
            Hint::NoMapping { what, id } => {
                let (file, option) = if *what == "user" { ("uid", "--uidmap") } else { ("gid", "--gidmap") };
                write!(
                    f,
                    "{what} {id} has no id in this user namespace (/proc/self/{file}_map): {option} of podman, /etc/sub{file}, \
                     PrivateUsers= of the unit"
                )
            }
            Hint::InDoubt { what, id } => {
                let file = if *what == "user" { "uid" } else { "gid" };
                write!(
                    f,
                    "{what} {id} is also shown for every id that this user namespace does not map (/proc/self/{file}_map), so it is \
                     not known whether the process has it: choose another {what}, or leave it out"
                )
            }
            Hint::SetgroupsDenied => f.write_str(
                "/proc/self/setgroups says deny (user_namespaces(7)): supplemental_groups = keep leaves the list",
            ),
            Hint::Filter => f.write_str(
                "a seccomp filter is in force: SystemCallFilter= of the unit, the seccomp profile of the container",
            ),
            Hint::SecurityModule => f.write_str(
                "what it needs is held, and no seccomp filter is in force: a security module (AppArmor, SELinux)?",
            ),
            Hint::NoAmbientSet => f.write_str("this kernel has no ambient set (gVisor has none): leave ambient out"),
            Hint::Unknown => {
                f.write_str("by the kernel, a seccomp filter, a security module, a user namespace or a limit")
            }
        }
    }
}

/// The beginning of a list of groups.
struct List<'a>(&'a [u32]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MAX: usize = 16;
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (at, group) in self.0.iter().take(MAX).enumerate() {
            write!(f, "{}{group}", if at > 0 { " " } else { "" })?;
        }
        if self.0.len() > MAX { write!(f, " and {} more", self.0.len() - MAX) } else { Ok(()) }
    }
}

/// What is known of the process that was refused.
pub(super) struct Situation<'a> {
    pub(super) missing: u64,
    pub(super) bounding: u64,
    pub(super) filtered: bool,
    pub(super) permitted: u64,
    pub(super) overflow_uid: Option<u32>,
    pub(super) overflow_gid: Option<u32>,
    pub(super) setgroups_is_denied: bool,
    pub(super) groups_held: &'a [u32],
    pub(super) groups_wanted: &'a [u32],
    pub(super) proc: Option<&'a sys::Fd>,
}

impl Situation<'_> {
    /// For a plan that is refused.
    pub(super) fn hint_for_refusal(&self, refusal: &Refusal) -> Option<Hint> {
        let groups = |list: &[u32]| {
            let mut copy = Vec::new();
            copy.try_reserve_exact(list.len()).ok()?;
            copy.extend_from_slice(list);
            Some(copy)
        };
        let named = match refusal {
            Refusal::GroupsNeedSetgid if self.groups_held == self.groups_wanted && self.overflow_gid.is_some() => {
                return Some(Hint::InDoubt { what: "group", id: self.overflow_gid? });
            }
            Refusal::GroupsNeedSetgid => {
                return Some(Hint::Groups { held: groups(self.groups_held)?, wanted: groups(self.groups_wanted)? });
            }
            Refusal::NotHeld { missing } => *missing,
            Refusal::RootNeedsSysChroot => caps::bit(caps::SYS_CHROOT),
            Refusal::GidNeedsSetgid { .. } => caps::bit(caps::SETGID),
            Refusal::UidNeedsSetuid { .. } => caps::bit(caps::SETUID),
            _ => return None,
        };
        let all = self.missing | named;
        Some(Hint::Capabilities {
            also: all & !named,
            outside_bounding: all & !self.bounding,
            within_bounding: all & self.bounding,
        })
    }

    /// For a step that is refused.
    pub(super) fn hint_for_step(&self, error: &ApplyError) -> Option<Hint> {
        let (step, errno) = match error {
            ApplyError::Refused { step, errno } => (step, errno.0),
            ApplyError::Killed { signal, .. } if *signal != libc::SIGKILL => return Some(Hint::Filter),
            _ => return None,
        };
        let unmapped = |what, map, ids: &[u32]| {
            ids.iter().find(|id| self.has_no_mapping(map, **id)).map(|&id| Hint::NoMapping { what, id })
        };
        // Neither set without the capability, nor held as far as can be told.
        let in_doubt = |what, id, overflow, cap| {
            let doubted = overflow == Some(id) && self.permitted & caps::bit(cap) == 0;
            doubted.then_some(Hint::InDoubt { what, id })
        };
        let known = match step {
            Step::SetResGid(gid) if errno == libc::EINVAL => unmapped("group", Ids::Group, &[*gid]),
            Step::SetResUid(uid) if errno == libc::EINVAL => unmapped("user", Ids::User, &[*uid]),
            Step::SetResGid(gid) if errno == libc::EPERM => in_doubt("group", *gid, self.overflow_gid, caps::SETGID),
            Step::SetResUid(uid) if errno == libc::EPERM => in_doubt("user", *uid, self.overflow_uid, caps::SETUID),
            Step::SetGroups if errno == libc::EPERM && self.setgroups_is_denied => Some(Hint::SetgroupsDenied),
            // EPERM: no map has been written yet.
            Step::SetGroups if matches!(errno, libc::EINVAL | libc::EPERM) => {
                unmapped("group", Ids::Group, self.groups_wanted)
            }
            // prctl(2): PR_CAP_AMBIENT is EINVAL where it is not known; a capability that may not be raised is EPERM.
            Step::RaiseAmbient(_) if errno == libc::EINVAL => Some(Hint::NoAmbientSet),
            _ => None,
        };
        let denied = matches!(errno, libc::EPERM | libc::EACCES | libc::ENOSYS);
        Some(known.unwrap_or(match denied {
            true if self.filtered => Hint::Filter,
            true => Hint::SecurityModule,
            false => Hint::Unknown,
        }))
    }

    fn has_no_mapping(&self, ids: Ids, id: u32) -> bool {
        self.proc.is_some() && IdMap::read(self.proc, ids).is_ok_and(|map| !map.contains(id))
    }
}
