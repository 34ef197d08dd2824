//! Capability numbers, names and sets of 64 bits, as in capabilities(7).

use core::fmt;

/// The three sets a capability text describes and capset(2) changes: bit n of each mask is capability number n.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapSets {
    /// What the kernel checks.
    pub effective: u64,
    /// What may be made effective.
    pub permitted: u64,
    /// What programs executed may keep, by their files' inheritable sets.
    pub inheritable: u64,
}

impl CapSets {
    /// All three sets empty.
    pub const EMPTY: CapSets = CapSets { effective: 0, permitted: 0, inheritable: 0 };
}

/// The names of capabilities 0 to 40, in order of number (include/uapi/linux/capability.h).
pub const NAMES: [&str; 41] = [
    "cap_chown",
    "cap_dac_override",
    "cap_dac_read_search",
    "cap_fowner",
    "cap_fsetid",
    "cap_kill",
    "cap_setgid",
    "cap_setuid",
    "cap_setpcap",
    "cap_linux_immutable",
    "cap_net_bind_service",
    "cap_net_broadcast",
    "cap_net_admin",
    "cap_net_raw",
    "cap_ipc_lock",
    "cap_ipc_owner",
    "cap_sys_module",
    "cap_sys_rawio",
    "cap_sys_chroot",
    "cap_sys_ptrace",
    "cap_sys_pacct",
    "cap_sys_admin",
    "cap_sys_boot",
    "cap_sys_nice",
    "cap_sys_resource",
    "cap_sys_time",
    "cap_sys_tty_config",
    "cap_mknod",
    "cap_lease",
    "cap_audit_write",
    "cap_audit_control",
    "cap_setfcap",
    "cap_mac_override",
    "cap_mac_admin",
    "cap_syslog",
    "cap_wake_alarm",
    "cap_block_suspend",
    "cap_audit_read",
    "cap_perfmon",
    "cap_bpf",
    "cap_checkpoint_restore",
];

/// CAP_SETGID.
pub const SETGID: u8 = 6;
/// CAP_SETUID.
pub const SETUID: u8 = 7;
/// CAP_SETPCAP.
pub const SETPCAP: u8 = 8;
/// CAP_SYS_CHROOT.
pub const SYS_CHROOT: u8 = 18;

/// The mask of one capability; nothing for a number that no set has room for.
pub const fn bit(cap: u8) -> u64 {
    if cap < 64 { 1 << cap } else { 0 }
}

/// The mask of capabilities 0 to `last`.
pub const fn up_to(last: u8) -> u64 {
    if last >= 63 { u64::MAX } else { (1 << (last + 1)) - 1 }
}

/// The name of a capability, where this library has one.
pub fn name(cap: u8) -> Option<&'static str> {
    NAMES.get(usize::from(cap)).copied()
}

/// The number a name stands for, whatever the case of its letters.
pub fn by_name(word: &[u8]) -> Option<u8> {
    NAMES.iter().position(|name| name.as_bytes().eq_ignore_ascii_case(word)).map(|at| at as u8)
}

/// The capabilities in a mask, in order of number.
pub fn each(mask: u64) -> impl Iterator<Item = u8> {
    (0..64).filter(move |cap| mask & bit(*cap) != 0)
}

/// Shows a mask as names with commas between them; numbers where there is no name; `none` when empty.
pub struct CapNames(pub u64);

impl fmt::Display for CapNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("none");
        }
        for (at, cap) in each(self.0).enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            match name(cap) {
                Some(name) => f.write_str(name)?,
                None => write!(f, "capability {cap}")?,
            }
        }
        Ok(())
    }
}
