//! The capability text format of cap_text_formats(7), as libcap's cap_from_text(3) reads it and cap_to_text(3) prints it.
//!
//! ```text
//!   text    clauses with blanks between them, each applied to the result of those before it
//!   clause  = flags*                        every capability the kernel has: exactly these flags
//!           | names action (+|- flags)*     no blank inside a clause
//!   names   name, number or "all", with commas between
//!   action  = flags*  |  + flags  |  - flags  |  =+ flags  |  =- flags     (the last two: clear first)
//!   flags   e, i and p, each any number of times
//! ```
//!
//! Names are in any case, flags in lower case only; numbers are decimal, octal (0…) or hexadecimal (0x…), up to 63.

use core::fmt;

use crate::cap_sets::{self, CapSets, NAMES, NameKey, bit, is_word, up_to};
use crate::error::{Nearest, Word};

/// Why a text does not parse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapTextError {
    /// Where, counted in bytes from 1; one past the last byte if the text ends too soon.
    pub column: usize,
    /// What.
    pub problem: CapTextProblem,
}

/// What is wrong in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapTextProblem {
    /// No capability has this name.
    UnknownName {
        /// The word.
        word: Word,
        /// The closest known name.
        nearest: Option<&'static str>,
    },
    /// A word that begins with a digit and is no number.
    MalformedNumber {
        /// The word.
        word: Word,
    },
    /// A number that no capability set has room for.
    NumberTooLarge {
        /// The word.
        word: Word,
    },
    /// Something that cannot stand here.
    Unexpected {
        /// The character, or the word if it begins one.
        found: Word,
        /// What can.
        expected: Expected,
    },
    /// The text ends where something is missing.
    EndsEarly {
        /// What is missing.
        expected: Expected,
    },
}

/// What can stand at a place of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The beginning of a clause.
    Clause,
    /// The same, where there is an operator already.
    NamesBeforeOperator,
    /// After a comma.
    NameAfterComma,
    /// After the names.
    Operator,
    /// After `+` or `-`.
    Flag,
    /// After a `=` without names before it, and after the flags of that.
    FlagOrBlank,
    /// After flags, and after `=`.
    FlagOrAction,
    /// Between the names of a list, for [`parse_names`].
    NamesOnly,
}

impl Expected {
    /// For a message.
    pub const fn text(self) -> &'static str {
        match self {
            Expected::Clause => "a capability, \"all\" or =",
            Expected::NamesBeforeOperator => "capabilities or \"all\" before the operator",
            Expected::NameAfterComma => "a capability or \"all\" after the comma",
            Expected::Operator => "=, + or - and flags right after the capabilities, as in cap_chown+ep",
            Expected::Flag => "one or more of the flags e, i and p (lower case)",
            Expected::FlagOrBlank => {
                "flags e, i and p (lower case), then a blank before the next clause (+ and - need capabilities before them)"
            }
            Expected::FlagOrAction => "flags e, i and p (lower case), then +, - or a blank before the next clause",
            Expected::NamesOnly => "capabilities or \"all\", with blanks or commas between them",
        }
    }
}

impl fmt::Display for CapTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = self.column;
        match &self.problem {
            CapTextProblem::UnknownName { word, nearest } => {
                write!(f, "unknown name {word}{} at column {column}{}", NotAscii(word), Nearest(*nearest))
            }
            CapTextProblem::MalformedNumber { word } => {
                write!(
                    f,
                    "malformed number {word} at column {column}, expected a capability's number: decimal, octal (begins with 0) or hexadecimal (begins with 0x)"
                )
            }
            CapTextProblem::NumberTooLarge { word } => {
                write!(f, "capability number {word} at column {column} is too large, expected 0 to 63")
            }
            CapTextProblem::Unexpected { found, expected } => {
                write!(f, "unexpected {found}{} at column {column}, expected {}", NotAscii(found), expected.text())
            }
            CapTextProblem::EndsEarly { expected } => {
                write!(f, "text ends early at column {column}, expected {}", expected.text())
            }
        }
    }
}

impl core::error::Error for CapTextError {}

/// Says so of a character that may look like one that could stand here: a no-break space, a Cyrillic letter, a dash of a word
/// processor.
struct NotAscii<'a>(&'a Word);

impl fmt::Display for NotAscii<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.bytes().is_ascii() {
            return Ok(());
        }
        f.write_str(" (not ASCII: bytes")?;
        self.0.bytes().iter().filter(|byte| !byte.is_ascii()).try_for_each(|byte| write!(f, " {byte:02x}"))?;
        f.write_str(")")
    }
}

const EFFECTIVE: u8 = 1;
const PERMITTED: u8 = 2;
const INHERITABLE: u8 = 4;

/// Reads a text. `last_cap` is the running kernel's last capability, which `all` and a `=` without names reach to; single
/// capabilities may go beyond it, up to 63.
pub fn parse(text: &[u8], last_cap: u8) -> Result<CapSets, CapTextError> {
    let all = up_to(last_cap);
    let mut caps = CapSets::EMPTY;
    let mut at = Reader { text, at: 0 };
    loop {
        at.skip(is_blank);
        let listed = match at.byte() {
            None => return Ok(caps),
            Some(b'=') => None,
            Some(byte) if is_word(byte) => Some(at.names(all)?),
            Some(b'+' | b'-') => return Err(at.unexpected(Expected::NamesBeforeOperator)),
            Some(_) => return Err(at.unexpected(Expected::Clause)),
        };
        match listed {
            None => at.everything(all, &mut caps)?,
            Some(mask) => at.actions(mask, &mut caps)?,
        }
    }
}

/// Reads a list of capabilities: names, numbers and `all`, separated by blanks or commas; nothing is the empty set.
pub fn parse_names(text: &[u8], last_cap: u8) -> Result<u64, CapTextError> {
    let all = up_to(last_cap);
    let is_separator = |byte| is_blank(byte) || byte == b',';
    let mut mask = 0;
    let mut at = Reader { text, at: 0 };
    loop {
        at.skip(is_separator);
        match at.byte() {
            None => return Ok(mask),
            Some(byte) if is_word(byte) => {
                mask |= match at.name()? {
                    Named::All => all,
                    Named::One(cap) => bit(cap),
                }
            }
            Some(_) => return Err(at.unexpected(Expected::NamesOnly)),
        }
    }
}

/// What one name of a list stands for.
enum Named {
    All,
    One(u8),
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn at_end_of_clause(&self) -> bool {
        self.byte().is_none_or(is_blank)
    }

    fn skip(&mut self, skipped: impl Fn(u8) -> bool) {
        while self.byte().is_some_and(&skipped) {
            self.at += 1;
        }
    }

    /// `= flags*`, at the `=`.
    fn everything(&mut self, all: u64, caps: &mut CapSets) -> Result<(), CapTextError> {
        self.at += 1;
        let flags = self.flags();
        if !self.at_end_of_clause() {
            return Err(self.unexpected(Expected::FlagOrBlank));
        }
        clear(caps, all, EFFECTIVE | PERMITTED | INHERITABLE);
        set(caps, all, flags);
        Ok(())
    }

    /// `action (+|- flags)*`, after the names.
    fn actions(&mut self, mask: u64, caps: &mut CapSets) -> Result<(), CapTextError> {
        match self.byte() {
            Some(b'=') => {
                self.at += 1;
                clear(caps, mask, EFFECTIVE | PERMITTED | INHERITABLE);
                set(caps, mask, self.flags());
            }
            Some(b'+' | b'-') => {}
            _ => return Err(self.unexpected(Expected::Operator)),
        }
        loop {
            let apply = match self.byte() {
                Some(b'+') => set,
                Some(b'-') => clear,
                Some(byte) if !is_blank(byte) => return Err(self.unexpected(Expected::FlagOrAction)),
                _ => return Ok(()),
            };
            self.at += 1;
            let flags = self.flags();
            if flags == 0 {
                return Err(self.unexpected(Expected::Flag));
            }
            apply(caps, mask, flags);
        }
    }

    fn flags(&mut self) -> u8 {
        let mut flags = 0;
        loop {
            flags |= match self.byte() {
                Some(b'e') => EFFECTIVE,
                Some(b'p') => PERMITTED,
                Some(b'i') => INHERITABLE,
                _ => return flags,
            };
            self.at += 1;
        }
    }

    /// `name (, name)*`, at the beginning of the first. As libcap has it, `all` replaces what stands before it: `63,all` is
    /// without 63 where the kernel has no such capability, `all,63` is with it.
    fn names(&mut self, all: u64) -> Result<u64, CapTextError> {
        let mut mask = 0;
        loop {
            mask = match self.name()? {
                Named::All => all,
                Named::One(cap) => mask | bit(cap),
            };
            if self.byte() != Some(b',') {
                return Ok(mask);
            }
            self.at += 1;
            if !self.byte().is_some_and(is_word) {
                return Err(self.unexpected(Expected::NameAfterComma));
            }
        }
    }

    /// A name, a number or `all`, at its beginning; moves past it on success only.
    fn name(&mut self) -> Result<Named, CapTextError> {
        if self.text[self.at].is_ascii_digit() {
            return self.number();
        }
        let (key, len) = NameKey::read(self.text, self.at);
        let named = match key.look_up() {
            Some(cap) => Named::One(cap),
            None if key == const { NameKey::of(b"all") } => Named::All,
            None => return Err(self.unknown_name()),
        };
        self.at += len;
        Ok(named)
    }

    fn number(&mut self) -> Result<Named, CapTextError> {
        const TOO_LARGE: u32 = 64;
        let word = self.word();
        let (digits, base) = match word {
            [b'0', b'x' | b'X', digits @ ..] => (digits, 16),
            [b'0', ..] => (word, 8),
            _ => (word, 10),
        };
        let mut number = 0;
        for byte in digits {
            match char::from(*byte).to_digit(base) {
                // Stays small: what is too large already only has to stay so.
                Some(digit) => number = (number * base + digit).min(TOO_LARGE),
                None => return Err(self.error(CapTextProblem::MalformedNumber { word: Word::new(word) })),
            }
        }
        if digits.is_empty() {
            return Err(self.error(CapTextProblem::MalformedNumber { word: Word::new(word) }));
        }
        if number == TOO_LARGE {
            return Err(self.error(CapTextProblem::NumberTooLarge { word: Word::new(word) }));
        }
        self.at += word.len();
        Ok(Named::One(number as u8))
    }

    /// The word here, to its end.
    fn word(&self) -> &[u8] {
        let rest = &self.text[self.at..];
        &rest[..rest.iter().position(|byte| !is_word(*byte)).unwrap_or(rest.len())]
    }

    fn error(&self, problem: CapTextProblem) -> CapTextError {
        CapTextError { column: self.at + 1, problem }
    }

    #[cold]
    fn unknown_name(&self) -> CapTextError {
        // With letters of another script that look like those of a name, and what stands behind them.
        let rest = &self.text[self.at..];
        let end = rest.iter().position(|byte| !is_word(*byte) && byte.is_ascii()).unwrap_or(rest.len());
        let word = &rest[..end];
        self.error(CapTextProblem::UnknownName { word: Word::new(word), nearest: nearest_name(word) })
    }

    #[cold]
    fn unexpected(&self, expected: Expected) -> CapTextError {
        let rest = &self.text[self.at..];
        let found = match rest {
            [] => return self.error(CapTextProblem::EndsEarly { expected }),
            [first, ..] if is_word(*first) => self.word(),
            _ => first_character(rest),
        };
        self.error(CapTextProblem::Unexpected { found: Word::new(found), expected })
    }
}

/// As isspace(3) in the C locale.
const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn set(caps: &mut CapSets, mask: u64, flags: u8) {
    caps.effective |= mask & all_or_none(flags & EFFECTIVE);
    caps.permitted |= mask & all_or_none(flags & PERMITTED);
    caps.inheritable |= mask & all_or_none(flags & INHERITABLE);
}

fn clear(caps: &mut CapSets, mask: u64, flags: u8) {
    caps.effective &= !(mask & all_or_none(flags & EFFECTIVE));
    caps.permitted &= !(mask & all_or_none(flags & PERMITTED));
    caps.inheritable &= !(mask & all_or_none(flags & INHERITABLE));
}

const fn all_or_none(flag: u8) -> u64 {
    if flag == 0 { 0 } else { u64::MAX }
}

/// The first character, in UTF-8 if it is; else the first byte.
fn first_character(rest: &[u8]) -> &[u8] {
    let first = match rest.utf8_chunks().next() {
        Some(chunk) => chunk.valid().chars().next().map_or(1, char::len_utf8),
        None => 0,
    };
    &rest[..first]
}

/// The name a word was probably meant to be, with or without its `cap_`.
fn nearest_name(word: &[u8]) -> Option<&'static str> {
    cap_sets::nearest(word, NAMES.into_iter()).or_else(|| {
        let stem = |name: &'static str| &name["cap_".len()..];
        let near = cap_sets::nearest(word, NAMES.into_iter().map(stem))?;
        NAMES.into_iter().find(|name| stem(name) == near)
    })
}

/// Writes sets as cap_to_text(3) does. `last_cap` as for [`parse`].
///
/// The commonest of the eight combinations of flags among the kernel's capabilities comes first, as `=flags`; then the
/// capabilities with another combination as what they have more or less. Capabilities the kernel lacks are always counted
/// as if the first clause did not reach them.
pub fn write(caps: &CapSets, last_cap: u8, out: &mut dyn fmt::Write) -> fmt::Result {
    let all = up_to(last_cap);
    let mut common = 0;
    for flags in 1..8 {
        if (having(caps, flags) & all).count_ones() > (having(caps, common) & all).count_ones() {
            common = flags;
        }
    }
    // With nothing in common the first clause may take the place of the `=`: `cap_chown=p` for `= cap_chown+p`.
    let mut bare = common == 0;
    if !bare {
        write_flags(out, "=", common)?;
    }
    for flags in (0..8).rev() {
        let mask = having(caps, flags) & all;
        if flags == common || mask == 0 {
            continue;
        }
        let (more, less) = (flags & !common, common & !flags);
        if !bare {
            out.write_str(" ")?;
        }
        write_names(out, mask)?;
        write_flags(out, if bare { "=" } else { "+" }, more)?;
        write_flags(out, "-", less)?;
        bare = false;
    }
    if bare {
        out.write_str("=")?;
    }
    for flags in (1..8).rev() {
        let mask = having(caps, flags) & !all;
        if mask != 0 {
            out.write_str(" ")?;
            write_names(out, mask)?;
            write_flags(out, "+", flags)?;
        }
    }
    Ok(())
}

/// The capabilities that have just these flags.
fn having(caps: &CapSets, flags: u8) -> u64 {
    let with = |mask: u64, flag| if flags & flag != 0 { mask } else { !mask };
    with(caps.effective, EFFECTIVE) & with(caps.permitted, PERMITTED) & with(caps.inheritable, INHERITABLE)
}

fn write_names(out: &mut dyn fmt::Write, mask: u64) -> fmt::Result {
    let mut between = "";
    for cap in cap_sets::each(mask) {
        out.write_str(between)?;
        match cap_sets::name(cap) {
            Some(name) => out.write_str(name)?,
            None => write!(out, "{cap}")?,
        }
        between = ",";
    }
    Ok(())
}

/// Writes an operator and flags; without flags, nothing.
fn write_flags(out: &mut dyn fmt::Write, operator: &str, flags: u8) -> fmt::Result {
    const TEXTS: [&str; 8] = ["", "e", "p", "ep", "i", "ei", "ip", "eip"];
    if flags == 0 {
        return Ok(());
    }
    out.write_str(operator)?;
    out.write_str(TEXTS[usize::from(flags)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_any_length() {
        for len in [23, 24, 25, 63, 64, 65, 1000] {
            let word = vec![b'a'; len];
            let error = parse(&word, 40).expect_err("no such name");
            assert_eq!(
                error,
                CapTextError {
                    column: 1,
                    problem: CapTextProblem::UnknownName { word: Word::new(&word), nearest: None }
                }
            );
            let mut number = vec![b'0'; len];
            number.extend(b"7=p");
            assert_eq!(parse(&number, 40).map(|caps| caps.permitted), Ok(1 << 7));
        }
        assert!(parse(b"cap_checkpoint_restoreXY=p", 40).is_err());
        assert!(parse(b"cap_checkpoint_restoreXYZ=p", 40).is_err());
    }

    #[test]
    fn all_reaches_to_the_last_capability_of_the_kernel() {
        for last in [0, 31, 40, 62, 63] {
            for text in ["=p", "all=p", "ALL=+p", "=ep all-e"] {
                let caps = parse(text.as_bytes(), last).expect("parses");
                assert_eq!(caps, CapSets { permitted: up_to(last), ..CapSets::EMPTY }, "{text} {last}");
            }
        }
        assert_eq!(parse(b"63=p =", 40).map(|caps| caps.permitted), Ok(1 << 63), "= does not reach beyond it");
        assert_eq!(parse(b"63=p =", 63).map(|caps| caps.permitted), Ok(0));
    }

    #[test]
    fn all_replaces_the_names_before_it() {
        for (text, last, mask) in [
            ("63,all=p", 40, up_to(40)),
            ("all,63=p", 40, up_to(40) | 1 << 63),
            ("ALL,50,20,all+p", 40, up_to(40)),
            ("all,50,all,51=p", 40, up_to(40) | 1 << 51),
            ("cap_kill,all=p", 3, up_to(3)),
            ("63,all=p", 63, u64::MAX),
        ] {
            assert_eq!(parse(text.as_bytes(), last), Ok(CapSets { permitted: mask, ..CapSets::EMPTY }), "{text}");
        }
        assert_eq!(parse_names(b"63,all", 40), Ok(up_to(40) | 1 << 63), "a list that libcap does not have");
    }

    #[test]
    fn lists_of_names() {
        for (text, mask) in [
            ("", Ok(0)),
            (" ,\t", Ok(0)),
            ("cap_kill", Ok(1 << 5)),
            ("cap_kill,CAP_CHOWN 0x3f\n", Ok(1 | 1 << 5 | 1 << 63)),
            ("cap_kill, cap_chown", Ok(1 | 1 << 5)),
            ("all", Ok(0x1ff_ffff_ffff)),
            ("cap_kil", Err("unknown name \"cap_kil\" at column 1 (nearest: cap_kill)")),
            ("cap_chown 64", Err("capability number \"64\" at column 11 is too large, expected 0 to 63")),
            (
                "cap_kill+p",
                Err(
                    "unexpected \"+\" at column 9, expected capabilities or \"all\", with blanks or commas between them",
                ),
            ),
            (
                ";",
                Err(
                    "unexpected \";\" at column 1, expected capabilities or \"all\", with blanks or commas between them",
                ),
            ),
        ] {
            let got = parse_names(text.as_bytes(), 40).map_err(|error| error.to_string());
            assert_eq!(got, mask.map_err(String::from), "{text:?}");
        }
    }

    #[test]
    fn writing_depends_on_the_last_capability() {
        let write = |caps: &CapSets, last| {
            let mut text = String::new();
            write(caps, last, &mut text).expect("a String takes all");
            text
        };
        let perfmon = CapSets { permitted: 1 << 38, ..CapSets::EMPTY };
        assert_eq!(write(&perfmon, 37), "= cap_perfmon+p");
        assert_eq!(write(&perfmon, 38), "cap_perfmon=p");
        let high = CapSets { permitted: 1 << 41, ..CapSets::EMPTY };
        assert_eq!(write(&high, 40), "= 41+p");
        assert_eq!(write(&high, 41), "41=p");
        assert_eq!(write(&high, 63), "41=p");
        let halves = CapSets { effective: 1, permitted: 2, inheritable: 0 };
        assert_eq!(
            write(&halves, 1),
            "=e cap_dac_override+p-e",
            "the lower of two that are as common, as libcap has it"
        );
        let every = CapSets { effective: u64::MAX, permitted: u64::MAX, inheritable: u64::MAX };
        assert_eq!(write(&every, 63), "=eip");
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut random = 1u64;
        let mut next = || {
            // Knuth's MMIX generator: any will do, as long as a failure repeats.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            random ^ random >> 29
        };
        for round in 0..if cfg!(miri) { 10 } else { 20_000 } {
            let mut mask = || if round % 2 == 0 { next() } else { next() & next() & next() };
            let caps = CapSets { effective: mask(), permitted: mask(), inheritable: mask() };
            for last in [37, 40, 63] {
                let mut text = String::new();
                write(&caps, last, &mut text).expect("a String takes all");
                assert_eq!(parse(text.as_bytes(), last), Ok(caps), "{text} {last}");
            }
        }
    }
}
