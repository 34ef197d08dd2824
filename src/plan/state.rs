//! What a thread holds, and what is wanted.

use crate::caps::{self, CapSets, bit};

/// The securebits of capabilities(7), by name and by bit (include/uapi/linux/securebits.h); the last four since Linux 6.14.
pub const SECUREBITS: [(&str, u32); 12] = [
    ("noroot", 1 << 0),
    ("noroot_locked", 1 << 1),
    ("no_setuid_fixup", 1 << 2),
    ("no_setuid_fixup_locked", 1 << 3),
    ("keep_caps", 1 << 4),
    ("keep_caps_locked", 1 << 5),
    ("no_cap_ambient_raise", 1 << 6),
    ("no_cap_ambient_raise_locked", 1 << 7),
    ("exec_restrict_file", 1 << 8),
    ("exec_restrict_file_locked", 1 << 9),
    ("exec_deny_interactive", 1 << 10),
    ("exec_deny_interactive_locked", 1 << 11),
];
pub(super) const NO_SETUID_FIXUP: u32 = 1 << 2;
pub(crate) const KEEP_CAPS: u32 = 1 << 4;
pub(super) const KEEP_CAPS_LOCKED: u32 = 1 << 5;
pub(super) const NO_CAP_AMBIENT_RAISE: u32 = 1 << 6;
pub(super) const ALL_LOCKS: u32 = 0xaaa;
/// Those, with their locks, that a thread may change without CAP_SETPCAP (SECURE_ALL_UNPRIVILEGED).
pub(super) const UNPRIVILEGED: u32 = 0xf00;

/// What is wanted of the permitted, effective and inheritable sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetCaps {
    /// These and no others.
    Exactly(CapSets),
    /// Whatever each thread holds (`capabilities = keep`).
    Keep,
}

/// What is wanted, names already turned into numbers. `None` means: stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Real, effective, saved and file-system user id.
    pub uid: Option<u32>,
    /// Real, effective, saved and file-system group id.
    pub gid: Option<u32>,
    /// Whether a list of supplementary groups is wanted; the list itself stays with whoever makes the calls.
    pub groups: bool,
    /// The three sets.
    pub caps: TargetCaps,
    /// As the three sets, but only where they are held.
    pub optional: CapSets,
    /// The ambient set; `None` with [`TargetCaps::Keep`] keeps it, else it is emptied.
    pub ambient: Option<u64>,
    /// Whether to trim the bounding set to permitted and inheritable, where CAP_SETPCAP allows it.
    pub trim_bounding: bool,
    /// Whether CAP_SETPCAP was there for the caller, so that every thread's bounding set must be trimmed.
    pub require_trim: bool,
    /// Exactly these securebits (keep-caps is always off in the end).
    pub securebits: Option<u32>,
    /// Whether no_new_privs is to be set.
    pub no_new_privs: bool,
    /// Whether each thread's parent-death signal is to outlive the change of ids.
    pub keep_parent_death_signal: bool,
    /// Whether the dumpable flag is to outlive the change of ids.
    pub keep_dumpable: bool,
    /// The running kernel's last capability.
    pub last_cap: u8,
    /// The overflow user id, where the kernel shows it instead of ids that have none in this user namespace (user_namespaces(7)).
    /// Held, it says nothing: it is set all the same where it is wanted, and it is not put back.
    pub overflow_uid: Option<u32>,
    /// The same of group ids.
    pub overflow_gid: Option<u32>,
}

/// What one thread holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Real, effective, saved, file-system user id.
    pub uids: [u32; 4],
    /// Real, effective, saved, file-system group id.
    pub gids: [u32; 4],
    /// Whether the supplementary groups are those wanted (true when none are asked for).
    pub groups_as_wanted: bool,
    /// Whether setgroups(2) could put them back: none may be one that is shown as the overflow id.
    pub groups_can_return: bool,
    /// Whether the root directory is the one wanted (true when none is asked for). Threads share it, so that one thread's step is
    /// enough, but for a thread that has its own (unshare(2), CLONE_FS).
    pub root_as_wanted: bool,
    /// Whether the working directory is that directory too (true when none is asked for).
    pub cwd_as_wanted: bool,
    /// Effective, permitted, inheritable.
    pub caps: CapSets,
    /// The bounding set.
    pub bounding: u64,
    /// The ambient set.
    pub ambient: u64,
    /// The securebits.
    pub securebits: u32,
    /// no_new_privs.
    pub no_new_privs: bool,
}

impl Target {
    /// Settles what depends on the caller alone, so that all threads are asked for the same: which optional capabilities
    /// there are, and whether bounding sets must be trimmed.
    pub fn resolve_for_caller(mut self, caller: &Credentials) -> Target {
        if let TargetCaps::Exactly(caps) = &mut self.caps {
            let there = caller.caps.permitted;
            // What is ambient of a capability that only may be there goes with it.
            self.ambient = self.ambient.map(|ambient| ambient & !(self.optional.permitted & !there & !caps.permitted));
            caps.effective |= self.optional.effective & self.optional.permitted & there;
            caps.permitted |= self.optional.permitted & there;
            caps.inheritable |= self.optional.inheritable & there;
        }
        self.optional = CapSets::EMPTY;
        self.require_trim = self.trim_bounding && caller.caps.permitted & bit(caps::SETPCAP) != 0;
        self
    }

    /// Whether the user ids have to be set, whatever they are shown as.
    pub(super) fn uid_is_ambiguous(&self) -> bool {
        self.uid.is_some() && self.uid == self.overflow_uid
    }

    pub(super) fn gid_is_ambiguous(&self) -> bool {
        self.gid.is_some() && self.gid == self.overflow_gid
    }
}
