//! Why there is no plan.

use crate::caps::CapNames;

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
