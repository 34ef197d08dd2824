//! From what is wanted and what a thread holds to the ordered steps between them. Pure: nothing here asks the system or
//! allocates, so that a stopped thread can plan for itself in a signal handler.
//!
//! Each rule says where it comes from: the manual pages of section 7, or the kernel's kernel/sys.c and security/commoncap.c.
//!
//! The order is that of the pushes in `change_identity` and `change_capabilities`. The caller: chroot while CAP_SYS_CHROOT is effective;
//! groups and group ids while CAP_SETGID is; keep-caps and user ids; ambient capabilities are raised once permitted and inheritable hold
//! them; the bounding set is trimmed while CAP_SETPCAP is there; ambient capabilities are lowered; securebits; the final sets;
//! no_new_privs. So what cannot be undone (bounding set, locks, no_new_privs) comes after what a kernel is likely to refuse. Other threads
//! cannot go back anyway: they trim the bounding set before the change of user, which saves a capset(2). With keep-caps locked off,
//! bounding set and securebits come before the change of user for every thread.
//!
//! tests/plan.rs runs plans on a model of the kernel's rules: each step is allowed, and the end is what is wanted. The tests at the end of
//! this file fail if two steps are swapped.

use core::fmt;

use crate::caps::{self, CapNames, CapSets, bit};

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
const NO_SETUID_FIXUP: u32 = 1 << 2;
pub(crate) const KEEP_CAPS: u32 = 1 << 4;
const KEEP_CAPS_LOCKED: u32 = 1 << 5;
const NO_CAP_AMBIENT_RAISE: u32 = 1 << 6;
const ALL_LOCKS: u32 = 0xaaa;
/// Those, with their locks, that a thread may change without CAP_SETPCAP (SECURE_ALL_UNPRIVILEGED).
const UNPRIVILEGED: u32 = 0xf00;

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

/// The most steps a plan has.
pub const MAX_STEPS: usize = 14;

/// A [`Step`] without what goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    RaiseEffective,
    Chroot,
    ChangeDirectory,
    SetGroups,
    SetResGid,
    KeepCapsOn,
    KeepCapsOff,
    SetResUid,
    WorkingSets,
    DropBounding,
    ClearAmbient,
    LowerAmbient,
    RaiseAmbient,
    SecureBits,
    CapSet,
    NoNewPrivs,
}

/// Ordered steps, and what a thread holds when they are done. Each stopped thread has one on its stack, which may be small and
/// untouched so far, so that it holds nothing twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    kinds: [Kind; MAX_STEPS],
    len: u8,
    raised: CapSets,
    working: CapSets,
    dropped: u64,
    ambient_lowered: u64,
    ambient_raised: u64,
    reversible: u8,
    caps_after_reversible: CapSets,
    securebits_after_reversible: u32,
    /// The state the steps lead to.
    pub goal: Credentials,
}

/// Calls that change nothing, made before the first step that cannot be undone: whether the kernel would refuse a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// capset(2) of the sets that are held then.
    CapSet(CapSets),
    /// prctl(PR_SET_SECUREBITS) of the securebits that are set then.
    SecureBits(u32),
    /// prctl(PR_CAPBSET_DROP) of a capability that no kernel has: EINVAL where it is allowed, else EPERM.
    DropBounding,
}

impl Plan {
    /// The steps in order.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = Step> + '_ {
        self.kinds[..usize::from(self.len)].iter().map(|&kind| self.step(kind))
    }

    /// What is dropped from the bounding set.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many of the first steps can be undone.
    pub fn reversible(&self) -> usize {
        usize::from(self.reversible)
    }

    /// What to ask before the first step that cannot be undone, so that none of those after it is refused.
    pub fn probes(&self) -> impl Iterator<Item = Probe> {
        let has = |wanted: fn(&Kind) -> bool| self.kinds[self.reversible()..usize::from(self.len)].iter().any(wanted);
        let setpcap = self.caps_after_reversible.effective & bit(caps::SETPCAP) != 0;
        let capset = has(|kind| matches!(kind, Kind::WorkingSets | Kind::CapSet))
            .then_some(Probe::CapSet(self.caps_after_reversible));
        let securebits = (setpcap && has(|kind| *kind == Kind::SecureBits))
            .then_some(Probe::SecureBits(self.securebits_after_reversible));
        let bounding = (setpcap && has(|kind| *kind == Kind::DropBounding)).then_some(Probe::DropBounding);
        [bounding, capset, securebits].into_iter().flatten()
    }

    /// Whether a step that no probe tells of comes after one that cannot be undone, or is one: a change of ids or groups, or of a
    /// securebit that this kernel may not know (those since Linux 6.14). The plan is rehearsed then even without a seccomp filter.
    pub fn must_be_rehearsed(&self) -> bool {
        let new_bits = self.goal.securebits & !self.securebits_after_reversible & UNPRIVILEGED;
        let is_one = |kind: &Kind| match kind {
            Kind::SetGroups | Kind::SetResGid | Kind::SetResUid => true,
            Kind::SecureBits => new_bits != 0,
            _ => false,
        };
        self.kinds[self.reversible()..usize::from(self.len)].iter().any(is_one)
    }

    fn step(&self, kind: Kind) -> Step {
        match kind {
            Kind::RaiseEffective => Step::RaiseEffective(self.raised),
            Kind::Chroot => Step::Chroot,
            Kind::ChangeDirectory => Step::ChangeDirectory,
            Kind::SetGroups => Step::SetGroups,
            Kind::SetResGid => Step::SetResGid(self.goal.gids[0]),
            Kind::KeepCapsOn => Step::KeepCaps(true),
            Kind::KeepCapsOff => Step::KeepCaps(false),
            Kind::SetResUid => Step::SetResUid(self.goal.uids[0]),
            Kind::WorkingSets => Step::WorkingSets(self.working),
            Kind::DropBounding => Step::DropBounding(self.dropped),
            Kind::ClearAmbient => Step::ClearAmbient,
            Kind::LowerAmbient => Step::LowerAmbient(self.ambient_lowered),
            Kind::RaiseAmbient => Step::RaiseAmbient(self.ambient_raised),
            Kind::SecureBits => Step::SecureBits(self.goal.securebits),
            Kind::CapSet => Step::CapSet(self.goal.caps),
            Kind::NoNewPrivs => Step::NoNewPrivs,
        }
    }
}

/// Which of the orders that work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanKind {
    /// What can be undone first: for the thread that calls, whose refusal leaves all as it was.
    Caller,
    /// The fewest calls: for the threads that follow, whose refusal can only be the end. A capset(2) of the final sets is always
    /// made: its success is the proof of what is held, where capget(2) shows what a security module lets it show.
    Follower,
    /// As [`PlanKind::Follower`], without a call that changes nothing: a seccomp filter may kill for it.
    FilteredFollower,
}

impl PlanKind {
    fn is_follower(self) -> bool {
        self != PlanKind::Caller
    }
}

/// Why there is no plan: what the kernel would refuse, or worse, mask in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Bits above the running kernel's last capability.
    #[error("this kernel has no {} (its last capability is number {last_cap})", CapNames(*.missing))]
    KernelLacks {
        /// Those it lacks.
        missing: u64,
        /// The last one it has.
        last_cap: u8,
    },
    /// capset(2): effective must be within permitted.
    #[error("{} effective without being permitted; write +ep instead of +e", CapNames(*.outside))]
    EffectiveOutsidePermitted {
        /// Those outside.
        outside: u64,
    },
    /// capset(2): permitted can only shrink.
    #[error(
        "cannot retain {}: not in this process's permitted set",
        CapNames(*.missing)
    )]
    NotHeld {
        /// Those not held.
        missing: u64,
    },
    /// capset(2): inheritable may gain only what is permitted or, with CAP_SETPCAP, what is in the bounding set.
    #[error("cannot make {} inheritable: neither held nor in the bounding set with CAP_SETPCAP", CapNames(*.outside))]
    InheritableNotAllowed {
        /// Those outside.
        outside: u64,
    },
    /// capabilities(7), ambient: only what is permitted (and inheritable) can be ambient.
    #[error("cannot make {} ambient: not among the permitted capabilities asked for", CapNames(*.outside))]
    AmbientNotPermitted {
        /// Those outside.
        outside: u64,
    },
    /// capabilities(7): SECBIT_NO_CAP_AMBIENT_RAISE.
    #[error("cannot make {} ambient: securebit no_cap_ambient_raise is set", CapNames(*.missing))]
    AmbientRaiseOff {
        /// Those not ambient yet.
        missing: u64,
    },
    /// A securebit is locked in the other position.
    #[error("cannot change securebits from {held:#x} to {wanted:#x}: a securebit that would change is locked")]
    SecurebitsLocked {
        /// As they are.
        held: u32,
        /// As asked for.
        wanted: u32,
    },
    /// prctl(PR_SET_SECUREBITS) needs CAP_SETPCAP.
    #[error("cannot change securebits from {held:#x} to {wanted:#x}: cap_setpcap is not held")]
    SecurebitsNeedSetpcap {
        /// As they are.
        held: u32,
        /// As asked for.
        wanted: u32,
    },
    /// keep-caps is locked and the change of user would lose what is asked for.
    #[error(
        "cannot retain {} across the change of user: securebit keep_caps is locked off",
        CapNames(*.lost)
    )]
    KeepCapsLockedOff {
        /// What would be lost.
        lost: u64,
    },
    /// keep-caps is locked on, so that it cannot be off afterwards.
    #[error("securebit keep_caps is locked on, so that a later change of user would keep capabilities")]
    KeepCapsLockedOn,
    /// chroot(2) needs CAP_SYS_CHROOT.
    #[error("cannot change the root directory: chroot needs cap_sys_chroot, which is not held")]
    RootNeedsSysChroot,
    /// setgroups(2) needs CAP_SETGID.
    #[error("cannot change the supplementary groups: setgroups needs cap_setgid, which is not held")]
    GroupsNeedSetgid,
    /// setresgid(2): without CAP_SETGID only to one of the three that are.
    #[error("cannot become group {gid}: setresgid needs cap_setgid, which is not held")]
    GidNeedsSetgid {
        /// The group asked for.
        gid: u32,
    },
    /// setresuid(2): without CAP_SETUID only to one of the three that are.
    #[error("cannot become user {uid}: setresuid needs cap_setuid, which is not held")]
    UidNeedsSetuid {
        /// The user asked for.
        uid: u32,
    },
    /// Another thread has no CAP_SETPCAP to trim its bounding set with.
    #[error("cannot drop {} from the bounding set: cap_setpcap is not held", CapNames(*.left))]
    CannotTrim {
        /// What would be left.
        left: u64,
    },
}

impl Refusal {
    /// Whether it is the change of ids, groups or root directory that is refused, and not a capability asked for.
    pub fn is_identity_change(&self) -> bool {
        matches!(
            self,
            Refusal::RootNeedsSysChroot
                | Refusal::GroupsNeedSetgid
                | Refusal::GidNeedsSetgid { .. }
                | Refusal::UidNeedsSetuid { .. }
        )
    }
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
    fn uid_is_ambiguous(&self) -> bool {
        self.uid.is_some() && self.uid == self.overflow_uid
    }

    fn gid_is_ambiguous(&self) -> bool {
        self.gid.is_some() && self.gid == self.overflow_gid
    }
}

/// The state a thread that holds `held` must end in.
fn goal(target: &Target, held: &Credentials) -> Result<Credentials, Refusal> {
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

/// Adds steps and keeps account of what they change, so that only what still differs becomes a step.
struct Planner {
    now: Credentials,
    overflow_uid: Option<u32>,
    overflow_gid: Option<u32>,
    plan: Plan,
}

impl Planner {
    /// Whether a step can be undone from what is held now.
    fn can_be_undone(&self, kind: Kind) -> bool {
        let now = &self.now;
        let holds = |cap: u8| now.caps.permitted & bit(cap) != 0;
        match self.plan.step(kind) {
            Step::DropBounding(_) | Step::NoNewPrivs => false,
            Step::SecureBits(bits) => bits & ALL_LOCKS & !now.securebits == 0,
            // What is lowered can be raised again but for a securebit (capabilities(7), SECBIT_NO_CAP_AMBIENT_RAISE).
            Step::ClearAmbient | Step::LowerAmbient(_) => now.securebits & NO_CAP_AMBIENT_RAISE == 0,
            Step::CapSet(caps) | Step::WorkingSets(caps) | Step::RaiseEffective(caps) => {
                let ambient_stays = now.ambient & !(caps.permitted & caps.inheritable) == 0;
                now.caps.permitted & !caps.permitted == 0
                    && (ambient_stays || now.securebits & NO_CAP_AMBIENT_RAISE == 0)
                    // security/commoncap.c, cap_capset: inheritable grows within permitted
                    && now.caps.inheritable & !(caps.inheritable | now.caps.permitted) == 0
            }
            Step::SetGroups => now.groups_can_return,
            Step::SetResGid(gid) => {
                let is_known = self.overflow_gid.is_none_or(|overflow| !now.gids.contains(&overflow));
                is_known && (holds(caps::SETGID) || now.gids == [gid; 4])
            }
            Step::SetResUid(uid) => {
                let keeps = now.securebits & (NO_SETUID_FIXUP | KEEP_CAPS) != 0;
                let loses = now.uids[..3].contains(&0) && uid != 0;
                let ambient_stays = now.ambient == 0 || now.securebits & NO_CAP_AMBIENT_RAISE == 0;
                let is_known = self.overflow_uid.is_none_or(|overflow| !now.uids.contains(&overflow));
                is_known && (holds(caps::SETUID) || now.uids == [uid; 4]) && (!loses || (keeps && ambient_stays))
            }
            _ => true,
        }
    }

    fn push(&mut self, kind: Kind) {
        if usize::from(self.plan.reversible) == usize::from(self.plan.len) {
            if self.can_be_undone(kind) {
                self.plan.reversible += 1;
            }
            self.plan.caps_after_reversible = self.now.caps;
            self.plan.securebits_after_reversible = self.now.securebits;
        }
        let now = &mut self.now;
        match self.plan.step(kind) {
            Step::RaiseEffective(caps) | Step::WorkingSets(caps) | Step::CapSet(caps) => {
                now.caps = caps;
                now.ambient &= caps.permitted & caps.inheritable;
            }
            Step::SetGroups => now.groups_as_wanted = true,
            Step::SetResGid(gid) => now.gids = [gid; 4],
            Step::KeepCaps(true) => now.securebits |= KEEP_CAPS,
            Step::KeepCaps(false) => now.securebits &= !KEEP_CAPS,
            Step::SetResUid(uid) => {
                // security/commoncap.c, cap_emulate_setxuid
                if now.securebits & NO_SETUID_FIXUP == 0 {
                    if now.uids[..3].contains(&0) && uid != 0 {
                        if now.securebits & KEEP_CAPS == 0 {
                            now.caps.permitted = 0;
                            now.caps.effective = 0;
                        }
                        now.ambient = 0;
                    }
                    if now.uids[1] == 0 && uid != 0 {
                        now.caps.effective = 0;
                    }
                    if now.uids[1] != 0 && uid == 0 {
                        now.caps.effective = now.caps.permitted;
                    }
                }
                now.uids = [uid; 4];
            }
            Step::DropBounding(mask) => now.bounding &= !mask,
            Step::ClearAmbient => now.ambient = 0,
            Step::LowerAmbient(mask) => now.ambient &= !mask,
            Step::RaiseAmbient(mask) => now.ambient |= mask,
            Step::SecureBits(bits) => now.securebits = bits,
            Step::NoNewPrivs => now.no_new_privs = true,
            Step::Chroot => {
                now.root_as_wanted = true;
                now.cwd_as_wanted = true;
            }
            Step::ChangeDirectory => now.cwd_as_wanted = true,
            Step::ReadBack | Step::ParentDeathSignal(_) | Step::Dumpable => {}
        }
        // There is room for all that one plan can have, each kind once.
        if let Some(slot) = self.plan.kinds.get_mut(usize::from(self.plan.len)) {
            *slot = kind;
            self.plan.len += 1;
        }
    }

    fn effective(&mut self, needed: u64) {
        let needed = needed & self.now.caps.permitted & !self.now.caps.effective;
        if needed != 0 {
            let mut caps = self.now.caps;
            caps.effective |= needed;
            self.plan.raised = caps;
            self.push(Kind::RaiseEffective);
        }
    }

    fn drop_bounding(&mut self, goal: &Credentials) {
        let extra = self.now.bounding & !goal.bounding;
        if extra != 0 {
            self.plan.dropped = extra;
            self.push(Kind::DropBounding);
        }
    }

    fn set_securebits(&mut self, goal: &Credentials) {
        let changed = self.now.securebits ^ goal.securebits;
        // This one has a call of its own, which needs no privilege.
        if changed & KEEP_CAPS != 0 && changed & !(KEEP_CAPS | UNPRIVILEGED) == 0 {
            self.push(Kind::KeepCapsOff);
        }
        if self.now.securebits != goal.securebits {
            self.push(Kind::SecureBits);
        }
    }

    /// Whether the last change of the three sets was a capset(2) of the final ones.
    fn ends_with_capset(&self, goal: &Credentials) -> bool {
        let kinds = &self.plan.kinds[..usize::from(self.plan.len)];
        let working = kinds.iter().rposition(|kind| *kind == Kind::WorkingSets);
        let user = kinds.iter().rposition(|kind| *kind == Kind::SetResUid);
        working.is_some() && working > user && self.plan.working == goal.caps
    }

    /// Whether something is left to do that CAP_SETPCAP must be effective for.
    fn needs_setpcap(&self, goal: &Credentials) -> bool {
        self.now.bounding != goal.bounding
            || (self.now.securebits ^ goal.securebits) & !(KEEP_CAPS | UNPRIVILEGED) != 0
            // security/commoncap.c, cap_inh_is_capped
            || goal.caps.inheritable & !(self.now.caps.inheritable | self.now.caps.permitted) != 0
    }
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
fn refuse_identity(held: &Credentials, goal: &Credentials) -> Result<(), Refusal> {
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

/// The steps from `held` to what is wanted, or why there are none. `target` must have been settled for the caller.
pub fn plan(target: &Target, held: &Credentials, kind: PlanKind) -> Result<Plan, Refusal> {
    let goal = goal(target, held)?;
    refuse_identity(held, &goal)?;
    let mut p = Planner {
        now: *held,
        overflow_uid: target.overflow_uid,
        overflow_gid: target.overflow_gid,
        plan: Plan {
            kinds: [Kind::NoNewPrivs; MAX_STEPS],
            len: 0,
            raised: CapSets::EMPTY,
            working: CapSets::EMPTY,
            dropped: 0,
            ambient_lowered: 0,
            ambient_raised: 0,
            reversible: 0,
            caps_after_reversible: held.caps,
            securebits_after_reversible: held.securebits,
            goal,
        },
    };
    change_identity(&mut p, target, held, &goal, kind)?;
    change_capabilities(&mut p, target, &goal, kind)?;
    debug_assert_eq!(p.now, goal);
    Ok(p.plan)
}

/// The steps up to the change of user.
fn change_identity(
    p: &mut Planner,
    target: &Target,
    held: &Credentials,
    goal: &Credentials,
    kind: PlanKind,
) -> Result<(), Refusal> {
    let setpcap = bit(caps::SETPCAP);
    let new_uids = goal.uids != held.uids || target.uid_is_ambiguous();
    let new_gids = goal.gids != held.gids || target.gid_is_ambiguous();
    let needs_setpcap = p.needs_setpcap(goal);
    let loses_root = new_uids
        && held.uids[..3].contains(&0)
        && goal.uids[1] != 0
        && held.securebits & (NO_SETUID_FIXUP | KEEP_CAPS) == 0;
    let keep_caps_locked = held.securebits & KEEP_CAPS_LOCKED != 0;
    if loses_root && keep_caps_locked && goal.caps.permitted != 0 {
        return Err(Refusal::KeepCapsLockedOff { lost: goal.caps.permitted });
    }
    let inherits = goal.caps.inheritable & !held.caps.inheritable != 0;
    // With keep-caps locked off, what needs capabilities has to come before the change of user.
    let all_first = loses_root && keep_caps_locked && (needs_setpcap || inherits);

    let mut needed = 0;
    if !held.root_as_wanted {
        needed |= bit(caps::SYS_CHROOT);
    }
    if !held.groups_as_wanted || new_gids {
        needed |= bit(caps::SETGID);
    }
    if new_uids {
        needed |= bit(caps::SETUID);
    }
    if all_first && needs_setpcap {
        needed |= setpcap;
    }
    let drop_first = all_first || (kind.is_follower() && held.caps.effective & setpcap != 0);
    p.effective(needed);
    if !held.root_as_wanted {
        p.push(Kind::Chroot);
    } else if !held.cwd_as_wanted {
        p.push(Kind::ChangeDirectory);
    }
    if !held.groups_as_wanted {
        p.push(Kind::SetGroups);
    }
    if new_gids {
        p.push(Kind::SetResGid);
    }
    if all_first {
        let inheritable = p.now.caps.inheritable | goal.caps.inheritable;
        if inheritable != p.now.caps.inheritable {
            p.plan.working = CapSets { inheritable, ..p.now.caps };
            p.push(Kind::WorkingSets);
        }
    }
    if drop_first {
        p.drop_bounding(goal);
    }
    if all_first {
        p.set_securebits(goal);
    }
    if new_uids {
        // What may become inheritable depends on what is permitted, so that this too has to outlive the change of user.
        // And while it is kept, the change can be undone.
        let must_survive = !kind.is_follower() || goal.caps.permitted != 0 || p.needs_setpcap(goal) || inherits;
        if loses_root && must_survive && !keep_caps_locked {
            p.push(Kind::KeepCapsOn);
        }
        p.push(Kind::SetResUid);
    }
    Ok(())
}

/// The steps after it.
fn change_capabilities(p: &mut Planner, target: &Target, goal: &Credentials, kind: PlanKind) -> Result<(), Refusal> {
    // One capset for what the remaining steps need; the permitted set stays, so that they can be undone.
    let raise = goal.ambient & !p.now.ambient;
    if raise != 0 && p.now.securebits & NO_CAP_AMBIENT_RAISE != 0 {
        return Err(Refusal::AmbientRaiseOff { missing: raise });
    }
    let mut working = p.now.caps;
    if p.needs_setpcap(goal) {
        working.effective |= bit(caps::SETPCAP);
    }
    if raise != 0 {
        working.inheritable |= goal.ambient;
    }
    if working != p.now.caps && kind.is_follower() && !p.needs_setpcap(goal) {
        working = goal.caps;
    }
    if working != p.now.caps {
        p.plan.working = working;
        p.push(Kind::WorkingSets);
    }
    // What may be refused comes before what cannot be taken back; lowering never is refused.
    if raise != 0 {
        p.plan.ambient_raised = raise;
        p.push(Kind::RaiseAmbient);
    }
    p.drop_bounding(goal);
    let lower = p.now.ambient & !goal.ambient;
    if lower != 0 {
        p.plan.ambient_lowered = lower;
        p.push(if goal.ambient == 0 { Kind::ClearAmbient } else { Kind::LowerAmbient });
    }
    p.set_securebits(goal);
    let proof = kind == PlanKind::Follower && target.caps != TargetCaps::Keep;
    if p.now.caps != goal.caps || (proof && !p.ends_with_capset(goal)) {
        p.push(Kind::CapSet);
    }
    if p.now.no_new_privs != goal.no_new_privs {
        p.push(Kind::NoNewPrivs);
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    const NET_BIND: u64 = 1 << 10;
    const KILL: u64 = 1 << 5;
    const NOROOT: u32 = 1;
    const LAST_CAP: u8 = 40;
    const ALL: u64 = caps::up_to(LAST_CAP);

    /// Root in another directory, with every capability; CAP_SYS_CHROOT is not effective.
    const ROOT: Credentials = Credentials {
        uids: [0; 4],
        gids: [0; 4],
        groups_as_wanted: false,
        groups_can_return: true,
        root_as_wanted: false,
        cwd_as_wanted: false,
        caps: CapSets { effective: ALL & !bit(caps::SYS_CHROOT), permitted: ALL, inheritable: 0 },
        bounding: ALL,
        ambient: 0,
        securebits: 0,
        no_new_privs: false,
    };

    /// A user with one capability, which programs that it executes hold too.
    const SERVER: Target = Target {
        uid: Some(1000),
        gid: Some(1000),
        groups: true,
        caps: TargetCaps::Exactly(CapSets { effective: NET_BIND, permitted: NET_BIND, inheritable: 0 }),
        optional: CapSets::EMPTY,
        ambient: Some(NET_BIND),
        trim_bounding: true,
        require_trim: true,
        securebits: Some(NOROOT),
        no_new_privs: true,
        keep_parent_death_signal: false,
        keep_dumpable: false,
        last_cap: LAST_CAP,
        overflow_uid: None,
        overflow_gid: None,
    };

    fn order(target: &Target, held: &Credentials, kind: PlanKind) -> Vec<Kind> {
        let plan = plan(target, held, kind).expect("a plan");
        plan.kinds[..usize::from(plan.len)].to_vec()
    }

    /// The kernel, and so the model of tests/plan.rs, also allows other orders. This is the one that the module's comment gives reasons
    /// for.
    #[test]
    fn the_order_of_the_steps() {
        use Kind::*;
        assert_eq!(
            order(&SERVER, &ROOT, PlanKind::Caller),
            [
                RaiseEffective,
                Chroot,
                SetGroups,
                SetResGid,
                KeepCapsOn,
                SetResUid,
                WorkingSets,
                RaiseAmbient,
                DropBounding,
                SecureBits,
                CapSet,
                NoNewPrivs
            ]
        );
        assert_eq!(plan(&SERVER, &ROOT, PlanKind::Caller).map(|plan| plan.reversible()), Ok(8), "up to RaiseAmbient");
        assert_eq!(
            order(&SERVER, &ROOT, PlanKind::Follower),
            [
                RaiseEffective,
                Chroot,
                SetGroups,
                SetResGid,
                DropBounding,
                KeepCapsOn,
                SetResUid,
                WorkingSets,
                RaiseAmbient,
                SecureBits,
                CapSet,
                NoNewPrivs
            ]
        );
    }

    #[test]
    fn the_order_without_a_change_of_user() {
        use Kind::*;
        let caps = CapSets { inheritable: KILL, ..ROOT.caps };
        let user = Credentials { uids: [1000; 4], root_as_wanted: true, caps, ambient: KILL, ..ROOT };
        assert_eq!(
            order(&SERVER, &user, PlanKind::Caller),
            [
                ChangeDirectory,
                SetGroups,
                SetResGid,
                WorkingSets,
                RaiseAmbient,
                DropBounding,
                LowerAmbient,
                SecureBits,
                CapSet,
                NoNewPrivs
            ]
        );
        // What needs no privilege, and has calls of its own.
        let keeps = Credentials { securebits: KEEP_CAPS, ..user };
        let lowers = Target { ambient: None, securebits: None, trim_bounding: false, ..SERVER };
        assert_eq!(
            order(&lowers, &keeps, PlanKind::Caller),
            [ChangeDirectory, SetGroups, SetResGid, ClearAmbient, KeepCapsOff, CapSet, NoNewPrivs]
        );
    }

    #[test]
    fn the_order_with_keep_caps_locked_off() {
        use Kind::*;
        let locked = Credentials { securebits: KEEP_CAPS_LOCKED, ..ROOT };
        let inherits = Target {
            caps: TargetCaps::Exactly(CapSets { inheritable: NET_BIND, ..CapSets::EMPTY }),
            ambient: None,
            securebits: Some(NOROOT | KEEP_CAPS_LOCKED),
            ..SERVER
        };
        assert_eq!(
            order(&inherits, &locked, PlanKind::Caller),
            [
                RaiseEffective,
                Chroot,
                SetGroups,
                SetResGid,
                WorkingSets,
                DropBounding,
                SecureBits,
                SetResUid,
                NoNewPrivs
            ]
        );
    }
}
