//! The target of one call, and what the call knows of the caller; all threads share it.

use super::chroot::Root;
use super::groups::SharedBuffer;
use crate::caps::CapSets;
use crate::plan::Target;

/// What every thread is to become, and what is known of the caller.
pub(crate) struct Context<'a> {
    pub(crate) target: Target,
    /// The supplementary groups wanted, sorted, without duplicates; counts only with `target.groups`.
    pub(crate) groups: &'a [u32],
    /// Where lists too long for the stack are read.
    pub(crate) buffer: &'a SharedBuffer<'a>,
    pub(crate) root: Option<&'a Root>,
    /// Whether groups wanted are in doubt where they are held: one of them is the overflow id, which also stands for groups that have
    /// no id in this user namespace.
    pub(crate) groups_in_doubt: bool,
    /// The overflow id, where it is known that groups may be shown as it.
    pub(crate) overflow_group: Option<u32>,
    /// What this kernel does not know.
    pub(crate) unknown: Unknown,
    /// Whether a seccomp filter looks at the caller: then other threads count as filtered without being asked.
    pub(crate) caller_filtered: bool,
    /// What /proc says the caller holds: with it a stopped thread compares what capget(2) shows.
    pub(crate) caller_caps: Option<CapSets>,
    /// What the bounding set of another thread is taken to be where it does not matter.
    pub(crate) caller_bounding: u64,
}

/// What the caller has found this kernel not to know (gVisor lacks several): EINVAL or ENOSYS from another thread's call tells the same
/// only then. Else it is a seccomp filter's answer.
#[derive(Clone, Copy, Default)]
pub(crate) struct Unknown {
    /// There is no line `Seccomp` in the caller's status file, which was read.
    pub(crate) seccomp: bool,
    /// There is no line `CapAmb`.
    pub(crate) ambient: bool,
    /// prctl(PR_GET_SECUREBITS) does not work for the caller.
    pub(crate) securebits: bool,
}

impl Context<'_> {
    /// For a look after the steps. Where ids or groups wanted include an overflow id, what is read then is the same whether or not they
    /// have been set: the success of the calls is the proof.
    pub(crate) fn after(&self) -> Context<'_> {
        Context { groups_in_doubt: false, ..*self }
    }
}
