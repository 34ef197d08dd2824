//! What must hold for any capability text. Shared by the fuzzer and tests/corpus.rs.
//!
//! The model below reads a text the slow and obvious way: split at blanks, one clause at a time, one flag of one
//! capability at a time. It shares no code with the library but the table of names.

use ec_security::caps::text::{parse, parse_names, write};
use ec_security::caps::{CapSets, NAMES};

/// Last capabilities of a kernel of today, of one that lacks what this library knows, and of two that have more. Which one
/// a text is read for goes by its length: a fuzzer gets to all of them soon.
const LAST_CAPS: [u8; 4] = [40, 37, 62, 63];

/// Panics where the library is wrong about `text`.
pub(crate) fn check(text: &[u8]) {
    let last_cap = LAST_CAPS[text.len() % LAST_CAPS.len()];
    let found = parse(text, last_cap);
    let wanted = model::text(text, last_cap);
    assert_eq!(found.ok(), wanted, "last_cap {last_cap}: {found:?}");
    match found {
        Ok(caps) => round_trip(&caps, last_cap),
        Err(error) => {
            assert!((1..=text.len() + 1).contains(&error.column), "{error:?}");
            sound(&error.to_string());
            // What stands before the error is not at fault: with it alone, the error is that the text ends, or none; or
            // that the word is none, of which a character further on was pointed at instead.
            let before = &text[..error.column - 1];
            if let Err(early) = parse(before, last_cap) {
                let between = &before[before.len().min(early.column - 1)..];
                assert!(!between.iter().any(|byte| b" \t\n\x0b\x0c\r,=+-".contains(byte)), "{error:?} {early:?}");
            }
        }
    }
    assert_eq!(parse_names(text, last_cap).ok(), model::names(text, last_cap));
    if let Err(error) = parse_names(text, last_cap) {
        assert!((1..=text.len() + 1).contains(&error.column), "{error:?}");
        sound(&error.to_string());
    }
    // The same bytes as three sets.
    let mut masks = [0u64; 3];
    for (mask, bytes) in masks.iter_mut().zip(text.chunks(8)) {
        *mask = bytes.iter().fold(0, |mask, byte| mask << 8 | u64::from(*byte));
    }
    let [effective, permitted, inheritable] = masks;
    round_trip(&CapSets { effective, permitted, inheritable }, last_cap);
}

fn round_trip(caps: &CapSets, last_cap: u8) {
    let mut text = String::new();
    write(caps, last_cap, &mut text).expect("a String takes all");
    assert_eq!(parse(text.as_bytes(), last_cap), Ok(*caps), "{text}");
    assert_eq!(model::text(text.as_bytes(), last_cap), Some(*caps), "{text}");
}

/// A message that neither floods a log nor plays tricks on a terminal.
fn sound(message: &str) {
    assert!(!message.is_empty() && message.len() < 1024, "{message}");
    assert!(!message.chars().any(char::is_control), "{message:?}");
}

mod model {
    use super::{CapSets, NAMES};

    /// Flags e, p, i of every capability.
    type Table = [[bool; 3]; 64];

    fn is_blank(byte: &u8) -> bool {
        b" \t\n\x0b\x0c\r".contains(byte)
    }

    pub(super) fn text(text: &[u8], last_cap: u8) -> Option<CapSets> {
        let mut table: Table = [[false; 3]; 64];
        for clause in text.split(is_blank).filter(|clause| !clause.is_empty()) {
            // No byte of a valid clause is beyond ASCII.
            apply(std::str::from_utf8(clause).ok()?, last_cap, &mut table)?;
        }
        let mask = |flag: usize| (0..64).filter(|cap| table[*cap][flag]).map(|cap| 1u64 << cap).sum();
        Some(CapSets { effective: mask(0), permitted: mask(1), inheritable: mask(2) })
    }

    /// A list, by blanks and commas.
    pub(super) fn names(text: &[u8], last_cap: u8) -> Option<u64> {
        let mut mask = 0;
        for word in text.split(|byte| is_blank(byte) || *byte == b',').filter(|word| !word.is_empty()) {
            for cap in one(std::str::from_utf8(word).ok()?, last_cap)? {
                mask |= 1u64 << cap;
            }
        }
        Some(mask)
    }

    fn apply(clause: &str, last_cap: u8, table: &mut Table) -> Option<()> {
        let operator = clause.find(['=', '+', '-'])?;
        let (names, mut rest) = clause.split_at(operator);
        let mut caps = Vec::new();
        if names.is_empty() {
            // Only one `=` may stand without names, and only at the beginning.
            if !rest.starts_with('=') || rest[1..].contains(['=', '+', '-']) {
                return None;
            }
            caps.extend(0..=usize::from(last_cap));
        } else {
            for name in names.split(',') {
                // As libcap has it, `all` replaces what stands before it.
                if name.eq_ignore_ascii_case("all") {
                    caps.clear();
                }
                caps.extend(one(name, last_cap)?);
            }
        }
        let mut first = true;
        while !rest.is_empty() {
            let operator = rest.chars().next()?;
            let end = rest[1..].find(['=', '+', '-']).map_or(rest.len(), |at| at + 1);
            let flags = &rest[1..end];
            if !flags.chars().all(|flag| "epi".contains(flag)) {
                return None;
            }
            match operator {
                '=' if !first => return None,
                '+' | '-' if flags.is_empty() => return None,
                _ => {}
            }
            for cap in &caps {
                for (at, flag) in ['e', 'p', 'i'].into_iter().enumerate() {
                    let named = flags.contains(flag);
                    match operator {
                        '=' => table[*cap][at] = named,
                        '+' => table[*cap][at] |= named,
                        _ => table[*cap][at] &= !named,
                    }
                }
            }
            rest = &rest[end..];
            first = false;
        }
        Some(())
    }

    /// The capabilities a word stands for.
    fn one(word: &str, last_cap: u8) -> Option<Vec<usize>> {
        if word.eq_ignore_ascii_case("all") {
            return Some((0..=usize::from(last_cap)).collect());
        }
        if let Some(cap) = NAMES.iter().position(|name| name.eq_ignore_ascii_case(word)) {
            return Some(vec![cap]);
        }
        let (digits, base) = match word.get(..2) {
            Some("0x" | "0X") => (&word[2..], 16),
            _ if word.starts_with('0') => (word, 8),
            _ => (word, 10),
        };
        // Not even from_str_radix's own sign.
        if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(base)) {
            return None;
        }
        let digits = digits.trim_start_matches('0');
        if digits.len() > 6 {
            return None;
        }
        let number = if digits.is_empty() { 0 } else { usize::from_str_radix(digits, base).ok()? };
        (number < 64).then(|| vec![number])
    }
}
