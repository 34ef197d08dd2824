//! Sets of capabilities: bit n of a mask is capability number n.

/// The three sets that a capability text describes and capset(2) changes. Bit n of a mask is capability number n.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapSets {
    /// The capabilities that the kernel checks.
    pub effective: u64,
    /// The capabilities that may be made effective.
    pub permitted: u64,
    /// The capabilities that an executed program may keep, if the inheritable set of its file has them.
    pub inheritable: u64,
}

impl CapSets {
    /// All three sets empty.
    ///
    /// cbindgen:ignore
    pub const EMPTY: CapSets = CapSets { effective: 0, permitted: 0, inheritable: 0 };
}

/// CAP_SETGID.
pub const SETGID: u8 = 6;
/// CAP_SETUID.
pub const SETUID: u8 = 7;
/// CAP_SETPCAP.
pub const SETPCAP: u8 = 8;
/// CAP_SYS_CHROOT.
pub const SYS_CHROOT: u8 = 18;

/// A number that no kernel has (include/uapi/linux/capability.h, CAP_LAST_CAP).
pub(crate) const NONE: u8 = 63;

/// The mask of one capability; 0 for a number above 63.
pub const fn bit(cap: u8) -> u64 {
    if cap < 64 { 1 << cap } else { 0 }
}

/// The mask of capabilities 0 to `last`.
pub const fn up_to(last: u8) -> u64 {
    if last >= 63 { u64::MAX } else { (1 << (last + 1)) - 1 }
}

/// The capabilities in a mask, in order of number.
pub fn each(mask: u64) -> impl Iterator<Item = u8> {
    (0..64).filter(move |cap| mask & bit(*cap) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks() {
        assert_eq!(bit(0), 1);
        assert_eq!(bit(63), 1 << 63);
        assert_eq!(bit(64), 0);
        assert_eq!(up_to(40), 0x1ff_ffff_ffff);
        assert_eq!(up_to(62), u64::MAX >> 1);
        assert_eq!(up_to(63), u64::MAX);
        assert!(each(1 | 1 << 40 | 1 << 63).eq([0, 40, 63]));
    }
}
