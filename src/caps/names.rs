//! The names of capabilities (capabilities(7)), and a perfect hash that finds a name in a text.

use core::fmt;

use super::set::{bit, each};

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

/// The name of a capability; `None` if this library has no name for it.
pub fn name(cap: u8) -> Option<&'static str> {
    NAMES.get(usize::from(cap)).copied()
}

/// The number of the capability with this name. Case does not count.
pub fn by_name(word: &[u8]) -> Option<u8> {
    let name = Name::parse_prefix(word).filter(|name| name.len == word.len())?;
    Some(name.mask().trailing_zeros() as u8)
}

/// Shows a mask as names, separated by commas; as a number if there is no name; as `none` if it is empty.
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
    entry: &'static NameEntry,
    /// The name's length.
    pub(crate) len: usize,
}

impl Name {
    /// The capability's mask.
    #[inline(always)]
    pub(crate) fn mask(self) -> u64 {
        self.entry.mask
    }

    /// The name at the start of a text, in any case. May miss a name that an invalid byte such as `|` follows: use [`by_name`] for an
    /// isolated word.
    #[inline]
    pub(crate) fn parse_prefix(text: &[u8]) -> Option<Name> {
        match text.first_chunk::<WINDOW>() {
            Some(window) => {
                let (parts, _) = window.as_chunks();
                Name::find(core::array::from_fn(|at| u64::from_le_bytes(parts[at])), window)
            }
            None => Name::near_end(text),
        }
    }

    /// As [`Name::parse_prefix`], for a text shorter than [`WINDOW`].
    #[inline(never)]
    fn near_end(text: &[u8]) -> Option<Name> {
        Name::find(core::array::from_fn(|at| eight_bytes(text, at * 8)), text)
    }

    /// As [`Name::parse_prefix`]; `parts` are the first bytes of `text`. The length is computed without the table, because the caller's next
    /// step depends on it.
    #[inline(always)]
    fn find(parts: [u64; PARTS], text: &[u8]) -> Option<Name> {
        let bits = letter_bits(parts);
        if !(SHORTEST * 8..LONGEST * 8 + 8).contains(&bits) {
            return None;
        }
        let len = bits / 8;
        let entry = &KNOWN[slot(text.get(..len)?)];
        let differs =
            (0..PARTS).fold(0, |differs, at| differs | (parts[at] ^ entry.parts[at]) & entry.compare_mask[at]);
        // A digit may follow the letters; then the word is longer.
        let ends = text.get(len).is_none_or(|byte| !byte.is_ascii_digit());
        (differs == 0 && ends).then_some(Name { entry, len })
    }
}

const PARTS: usize = 3;
const WINDOW: usize = 8 * PARTS;
const SHORTEST: usize = "cap_bpf".len();
const LONGEST: usize = "cap_checkpoint_restore".len();
const ONES: u64 = u64::from_ne_bytes([1; 8]);
/// The bit that tells the two cases of a letter apart.
const CASE: u8 = 0x20;
/// The bit that letters and `_` have, while digits, blanks, commas and operators lack it.
const LETTER: u8 = 0x40;

/// A name, compared eight bytes at a time.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct NameEntry {
    /// The first byte is the lowest.
    parts: [u64; PARTS],
    /// The bits to compare: all of the name but the case of letters, and the [`LETTER`] bit of the byte after it.
    compare_mask: [u64; PARTS],
    mask: u64,
}

/// The names, each at its [`slot`].
static KNOWN: [NameEntry; 64] = {
    // Equal to no word: not even the first letter is right.
    let nothing = NameEntry { parts: [0; PARTS], compare_mask: [u64::MAX; PARTS], mask: 0 };
    let mut known = [nothing; 64];
    let mut cap = 0;
    while cap < NAMES.len() {
        let name = NAMES[cap].as_bytes();
        let len = name.len();
        assert!(SHORTEST <= len && len <= LONGEST);
        let mut this = NameEntry { parts: [0; PARTS], compare_mask: [0; PARTS], mask: bit(cap as u8) };
        let mut at = 0;
        while at < len {
            let compare_mask = if name[at] == b'_' { u8::MAX } else { !CASE };
            this.parts[at / 8] |= (name[at] as u64) << (at % 8 * 8);
            this.compare_mask[at / 8] |= (compare_mask as u64) << (at % 8 * 8);
            at += 1;
        }
        this.compare_mask[len / 8] |= (LETTER as u64) << (len % 8 * 8);
        let slot = slot(name);
        assert!(known[slot].mask == 0, "two names in one slot: try another multiplier");
        known[slot] = this;
        cap += 1;
    }
    known
};

/// The index in [`KNOWN`] of a word that is a name. Bytes 3 to 6 and the last four bytes differ between any two names. The multiplier
/// was found by trial; the code that makes the table checks that no two names share an index.
#[inline(always)]
const fn slot(word: &[u8]) -> usize {
    let (Some([_, _, _, a, b, c, d]), Some(last)) = (word.first_chunk(), word.last_chunk()) else { return 0 };
    let mixed = u32::from_le_bytes([*a, *b, *c, *d]) ^ u32::from_le_bytes(*last) | u32::from_ne_bytes([CASE; 4]);
    (mixed.wrapping_mul(0x7330_0527) >> 26) as usize
}

/// The number of bits before the first byte that is neither a letter nor `_`.
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

/// The eight bytes at `at`, the first one lowest; zeros after the end.
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
    fn masks_are_shown_as_names() {
        assert_eq!(format!("{}", CapNames(0)), "none");
        assert_eq!(format!("{}", CapNames(1 | 1 << 41)), "cap_chown, capability 41");
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
                // The bit changes the case of a letter; any other byte becomes another byte.
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
                    let found = Name::parse_prefix(&text).map(|name| (name.mask(), name.len));
                    let ends = byte & LETTER == 0 && !byte.is_ascii_digit();
                    assert_eq!(found, ends.then_some((mask, name.len())), "{text:?}");
                    assert!(!(ends && is_word(byte)), "{text:?}");
                }
            }
            let found = Name::parse_prefix(name.as_bytes()).map(|name| (name.mask(), name.len));
            assert_eq!(found, Some((mask, name.len())));
        }
        assert!(Name::parse_prefix(b"").is_none());
        assert!(Name::parse_prefix(&[0; 30]).is_none());
        assert!(Name::parse_prefix(&[b'c'; 30]).is_none());
    }
}
