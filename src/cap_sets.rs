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
    ///
    /// cbindgen:ignore
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
    let name = Name::before(word).filter(|name| name.len == word.len())?;
    Some(name.mask().trailing_zeros() as u8)
}

/// Whether a byte can be part of a name or a number: ASCII letter, digit or `_`, in any locale.
pub(crate) const fn is_word(byte: u8) -> bool {
    WORD_BYTES[byte as usize]
}

const WORD_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'_';
        byte += 1;
    }
    table
};

/// A name found in a text.
#[derive(Clone, Copy)]
pub(crate) struct Name {
    known: &'static Known,
    /// The name's length.
    pub(crate) len: usize,
}

impl Name {
    /// The capability's mask.
    #[inline(always)]
    pub(crate) fn mask(self) -> u64 {
        self.known.mask
    }

    /// The name that a text begins with, in any case. Overlooked where what follows is neither part of a word nor of a good
    /// text, such as `|`: of the word alone [`by_name`] is sure.
    #[inline]
    pub(crate) fn before(text: &[u8]) -> Option<Name> {
        match text.first_chunk::<ROOM>() {
            Some(window) => {
                let (parts, _) = window.as_chunks();
                Name::find(core::array::from_fn(|at| u64::from_le_bytes(parts[at])), window)
            }
            None => Name::near_end(text),
        }
    }

    /// As [`Name::before`], where less is left than is looked at.
    #[inline(never)]
    fn near_end(text: &[u8]) -> Option<Name> {
        Name::find(core::array::from_fn(|at| eight_bytes(text, at * 8)), text)
    }

    /// As [`Name::before`], with the first bytes in parts. Whoever reads on waits for the length, so that is found without
    /// the name.
    #[inline(always)]
    fn find(parts: [u64; PARTS], text: &[u8]) -> Option<Name> {
        let bits = letter_bits(parts);
        if !(SHORTEST * 8..LONGEST * 8 + 8).contains(&bits) {
            return None;
        }
        let len = bits / 8;
        let known = &KNOWN[slot(text.get(..len)?)];
        let differs = (0..PARTS).fold(0, |differs, at| differs | (parts[at] ^ known.parts[at]) & known.cared_for[at]);
        // What ends the letters could still be a digit.
        let ends = text.get(len).is_none_or(|byte| !byte.is_ascii_digit());
        (differs == 0 && ends).then_some(Name { known, len })
    }
}

const PARTS: usize = 3;
const ROOM: usize = 8 * PARTS;
const SHORTEST: usize = "cap_bpf".len();
const LONGEST: usize = "cap_checkpoint_restore".len();
const ONES: u64 = u64::from_ne_bytes([1; 8]);
/// The bit that tells the two cases of a letter apart.
const CASE: u8 = 0x20;
/// The bit that letters and `_` have, while digits, blanks, commas and operators lack it.
const LETTER: u8 = 0x40;

/// A name, to be compared with eight bytes at once.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Known {
    /// The first byte lowest.
    parts: [u64; PARTS],
    /// The bits that count: all but the case of letters, and behind the name that there is none.
    cared_for: [u64; PARTS],
    mask: u64,
}

/// The names, each at its [`slot`].
static KNOWN: [Known; 64] = {
    // Equal to no word: not even the first letter is right.
    let nothing = Known { parts: [0; PARTS], cared_for: [u64::MAX; PARTS], mask: 0 };
    let mut known = [nothing; 64];
    let mut cap = 0;
    while cap < NAMES.len() {
        let name = NAMES[cap].as_bytes();
        let len = name.len();
        assert!(SHORTEST <= len && len <= LONGEST);
        let mut this = Known { parts: [0; PARTS], cared_for: [0; PARTS], mask: bit(cap as u8) };
        let mut at = 0;
        while at < len {
            let cared_for = if name[at] == b'_' { u8::MAX } else { !CASE };
            this.parts[at / 8] |= (name[at] as u64) << (at % 8 * 8);
            this.cared_for[at / 8] |= (cared_for as u64) << (at % 8 * 8);
            at += 1;
        }
        this.cared_for[len / 8] |= (LETTER as u64) << (len % 8 * 8);
        let slot = slot(name);
        assert!(known[slot].mask == 0, "two names in one slot: try another multiplier");
        known[slot] = this;
        cap += 1;
    }
    known
};

/// Where in [`KNOWN`] a word stands if it is a name. The four letters before the eighth and the last four tell all names
/// apart. The multiplier was found by trial; that it gives each a slot of its own is checked where the table is made.
#[inline(always)]
const fn slot(word: &[u8]) -> usize {
    let (Some([_, _, _, a, b, c, d]), Some(last)) = (word.first_chunk(), word.last_chunk()) else { return 0 };
    let mixed = u32::from_le_bytes([*a, *b, *c, *d]) ^ u32::from_le_bytes(*last) | u32::from_ne_bytes([CASE; 4]);
    (mixed.wrapping_mul(0x7330_0527) >> 26) as usize
}

/// How many bits of letters (and `_`) there are before the first byte that is none.
#[inline(always)]
fn letter_bits(parts: [u64; PARTS]) -> usize {
    let [a, b, c] = parts.map(|part| !part & (LETTER as u64 * ONES));
    let bits = if a != 0 {
        a.trailing_zeros()
    } else if b != 0 {
        64 + b.trailing_zeros()
    } else {
        128 + c.trailing_zeros()
    };
    bits as usize
}

/// The eight bytes at `at`, the first lowest; zeros beyond the end.
#[inline]
fn eight_bytes(text: &[u8], at: usize) -> u64 {
    let rest = text.get(at..).unwrap_or(&[]);
    if let Some(eight) = rest.first_chunk() {
        u64::from_le_bytes(*eight)
    } else if rest.is_empty() {
        0
    } else if let Some(last) = text.last_chunk() {
        u64::from_le_bytes(*last) >> ((8 - rest.len()) * 8)
    } else {
        rest.iter().rev().fold(0, |eight, byte| eight << 8 | u64::from(*byte))
    }
}

/// The candidate that a word was probably meant to be: the one with the fewest letters added, left out, changed or swapped
/// with their neighbour, if that is at most a quarter of the longer word (rounded up). Case does not count. Of two alike
/// the first. Allocates nothing, and words too long to be a name have none.
pub fn nearest(word: &[u8], candidates: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let mut best: Option<(&'static str, usize)> = None;
    for candidate in candidates {
        let quarter = word.len().max(candidate.len()).div_ceil(4);
        let limit = best.map_or(quarter, |(_, least)| quarter.min(least - 1));
        if word.len().abs_diff(candidate.len()) > limit {
            continue;
        }
        let Some(distance) = distance(word, candidate.as_bytes()) else { continue };
        if distance <= limit && distance < candidate.len() {
            if distance == 0 {
                return Some(candidate);
            }
            best = Some((candidate, distance));
        }
    }
    best.map(|(candidate, _)| candidate)
}

/// How many letters added, left out, changed or swapped with their neighbour lie between two words; `None` where one of
/// them is longer than any name.
fn distance(a: &[u8], b: &[u8]) -> Option<usize> {
    const ROOM: usize = 48;
    if a.len() >= ROOM || b.len() >= ROOM {
        return None;
    }
    let same = |i: usize, j: usize| a[i].eq_ignore_ascii_case(&b[j]);
    let mut before = [0u8; ROOM];
    let mut above: [u8; ROOM] = core::array::from_fn(|at| at as u8);
    for i in 0..a.len() {
        let mut row = [0u8; ROOM];
        row[0] = i as u8 + 1;
        for j in 0..b.len() {
            let changed = above[j] + u8::from(!same(i, j));
            let mut least = changed.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && same(i, j - 1) && same(i - 1, j) {
                least = least.min(before[j - 1] + 1);
            }
            row[j + 1] = least;
        }
        before = above;
        above = row;
    }
    Some(usize::from(above[b.len()]))
}

/// What a capability permits, in one line.
pub fn meaning(cap: u8) -> &'static str {
    match MEANINGS.get(usize::from(cap)) {
        Some(line) => line,
        None if cap < 64 => "newer than this library: see capabilities(7) of the running system",
        None => "no capability has this number",
    }
}

/// As [`NAMES`]; facts from capabilities(7).
const MEANINGS: [&str; NAMES.len()] = [
    "give any file to another user or group",
    "read, write and search any file or folder, and execute any that has an x bit, whatever its permissions say",
    "read any file and search any folder, whatever the permissions say",
    "act on any file as its owner could: chmod, set times, set ACLs, delete from sticky folders",
    "keep the set-user-ID and set-group-ID bits when a file is changed, and set them for foreign groups",
    "send signals to processes of any user",
    "become any group, and choose the supplementary groups",
    "become any user",
    "remove capabilities from the bounding set, add to inheritable from it, and change securebits",
    "set and clear the append-only and immutable attributes of files",
    "bind sockets to TCP and UDP ports below 1024",
    "reserved for broadcasts and multicast listening; the kernel does not check it",
    "configure the network: interfaces, addresses, routes, firewall, promiscuous mode, transparent proxying",
    "open raw and packet sockets: read and forge any traffic of the network namespace",
    "lock memory beyond the limit (mlock, huge pages)",
    "act on any System V message queue, semaphore or shared memory, whatever its permissions say",
    "load and unload kernel modules: as much as full control of the machine",
    "raw access to ports, memory and disks (/dev/mem, ioperm, iopl): as much as full control of the machine",
    "change the root folder, and enter mount and time namespaces",
    "trace, inspect and change any process: as good as holding whatever that process holds",
    "switch process accounting on and off",
    "a great deal of administration, such as mounts, namespaces, quotas and swap: close to being root",
    "reboot the machine, and load another kernel to run",
    "raise priorities, choose real-time scheduling and CPU affinity, for any process",
    "go beyond resource limits, raise hard limits, use the space reserved for root on file systems",
    "set the system clock and the hardware clock",
    "hang up terminals and use privileged terminal controls",
    "make device nodes with mknod",
    "take leases on files of any owner",
    "write records to the kernel's audit log",
    "switch auditing on and off, and change its rules",
    "set any file capabilities: programs so marked start with those",
    "bypass the rules of a mandatory access control module (Smack)",
    "change the configuration or state of a mandatory access control module (Smack)",
    "read and clear the kernel log where that is restricted, and see kernel addresses in /proc",
    "set timers that wake the machine from suspend",
    "keep the machine from suspending",
    "read the audit log through a multicast netlink socket",
    "monitor performance with perf events, of kernel and all processes",
    "load BPF programs and make BPF maps beyond what any user may",
    "checkpoint and restore processes: choose pids, read map_files links of others",
];

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_caps_crate() {
        let theirs = caps::all();
        assert_eq!(theirs.len(), NAMES.len());
        for cap in theirs {
            assert_eq!(name(cap.index()).expect("named").to_ascii_uppercase(), cap.to_string());
            assert_eq!(bit(cap.index()), cap.bitmask());
        }
    }

    #[test]
    fn each_name_is_found_in_any_case_and_nothing_else_is() {
        for (at, name) in NAMES.iter().enumerate().step_by(if cfg!(miri) { 5 } else { 1 }) {
            let upper = name.to_ascii_uppercase();
            assert_eq!(by_name(name.as_bytes()), Some(at as u8));
            assert_eq!(by_name(upper.as_bytes()), Some(at as u8));
            for cut in 0..name.len() {
                assert_eq!(by_name(&name.as_bytes()[..cut]), None, "{name} cut to {cut}");
                let mut other = name.as_bytes().to_vec();
                // What only differs by the bit that makes letters lower case is another byte unless it is a letter.
                other[cut] ^= 0x20;
                assert_eq!(by_name(&other), other[cut].is_ascii_alphabetic().then_some(at as u8), "{name} at {cut}");
                other[cut] = b'q';
                assert_eq!(by_name(&other), None, "{name} with q at {cut}");
            }
            for byte in (0..=u8::MAX).step_by(if cfg!(miri) { 51 } else { 1 }) {
                let mut longer = name.as_bytes().to_vec();
                longer.push(byte);
                assert_eq!(by_name(&longer), None);
            }
        }
        assert_eq!(by_name(b""), None);
        assert_eq!(by_name(&[b'a'; 25]), None);
        assert_eq!(by_name(&[0; 24]), None);
    }

    #[test]
    fn masks() {
        assert_eq!(bit(0), 1);
        assert_eq!(bit(63), 1 << 63);
        assert_eq!(bit(64), 0);
        assert_eq!(up_to(40), 0x1ff_ffff_ffff);
        assert_eq!(up_to(62), u64::MAX >> 1);
        assert_eq!(up_to(63), u64::MAX);
        assert!(each(1 | 1 << 40 | 1 << 63).eq([0, 40, 63]));
        assert_eq!(format!("{}", CapNames(0)), "none");
        assert_eq!(format!("{}", CapNames(1 | 1 << 41)), "cap_chown, capability 41");
    }

    #[test]
    fn distances() {
        for (a, b, apart) in [
            ("", "", 0),
            ("", "user", 4),
            ("user", "", 4),
            ("user", "USER", 0),
            ("usr", "user", 1),
            ("userr", "user", 1),
            ("uzer", "user", 1),
            ("usre", "user", 1),
            ("suer", "user", 1),
            ("chroot", "group", 4),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), Some(apart), "{a} {b}");
        }
        assert_eq!(distance(&[b'a'; 48], b"a"), None);
        assert_eq!(distance(&[b'a'; 47], &[b'b'; 47]), Some(47));
    }

    #[test]
    fn names_end_where_their_letters_do() {
        // every byte behind a name, with every number of bytes after it
        for name in ["cap_bpf", "CAP_KILL", "cap_chown", "cap_net_admin", "cap_dac_override", "cap_checkpoint_restore"]
        {
            let mask = bit(by_name(name.as_bytes()).expect("a name"));
            for byte in (0..=255).step_by(if cfg!(miri) { 17 } else { 1 }) {
                for after in (0..20).step_by(if cfg!(miri) { 3 } else { 1 }) {
                    let mut text = name.as_bytes().to_vec();
                    text.push(byte);
                    text.extend(vec![b'y'; after]);
                    let found = Name::before(&text).map(|name| (name.mask(), name.len));
                    let ends = byte & LETTER == 0 && !byte.is_ascii_digit();
                    assert_eq!(found, ends.then_some((mask, name.len())), "{text:?}");
                    assert!(!(ends && is_word(byte)), "{text:?}");
                }
            }
            let found = Name::before(name.as_bytes()).map(|name| (name.mask(), name.len));
            assert_eq!(found, Some((mask, name.len())));
        }
        assert!(Name::before(b"").is_none());
        assert!(Name::before(&[0; 30]).is_none());
        assert!(Name::before(&[b'c'; 30]).is_none());
    }

    #[test]
    fn nearest_is_close_or_nothing() {
        let options = ["user", "group", "chroot", "capabilities"];
        for (word, near) in [
            ("usr", Some("user")),
            ("grp", Some("group")),
            ("GRUOP", Some("group")),
            ("capabilites", Some("capabilities")),
            ("", None),
            ("x", None),
            ("privileges", None),
        ] {
            assert_eq!(nearest(word.as_bytes(), options.into_iter()), near, "{word}");
        }
        assert_eq!(nearest(&[b'u'; 1 << 16], options.into_iter()), None);
        assert_eq!(nearest(b"a", ["b"].into_iter()), None, "nothing of the word is left");
        assert_eq!(nearest(b"usir", ["chroot", "usor", "user"].into_iter()), Some("usor"), "of two alike the first");
        assert_eq!(nearest(b"USER", ["usor", "user", "usar"].into_iter()), Some("user"));
        assert_eq!(nearest(b"group", ["grops", "groups", "grou"].into_iter()), Some("groups"));
    }

    #[test]
    fn every_capability_has_a_meaning() {
        for cap in 0..NAMES.len() as u8 {
            let line = meaning(cap);
            assert!(line.len() > 10 && line.len() < 120, "{line}");
            assert!((0..cap).all(|other| meaning(other) != line), "{line}");
        }
        assert!(meaning(41).contains("newer"));
        assert!(meaning(64).contains("no capability"));
    }
}
