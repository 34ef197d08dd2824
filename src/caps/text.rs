//! The capability text format of cap_text_formats(7), as libcap's cap_from_text(3) reads it and cap_to_text(3) prints it.
//!
//! ```text
//!   text    clauses with white space between them; each is applied to the result of the clauses before it
//!   clause  = flags*                        every capability the kernel has: exactly these flags
//!           | names action (+|- flags)*     no white space inside a clause
//!   names   names, numbers or "all", with commas between them
//!   action  = flags*  |  + flags  |  - flags  |  =+ flags  |  =- flags     (the last two: clear first)
//!   flags   e, i and p, each any number of times
//! ```
//!
//! Names may be in any case, flags are in lower case. Numbers are decimal, octal (0…) or hexadecimal (0x…), and at most 63.

use core::fmt;

use super::{CapSets, NAMES, Name, bit, is_word, up_to};
use crate::text::{Excerpt, Suggestion, nearest};

/// Why a text does not parse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapTextError {
    /// The column, in bytes from 1; one past the last byte if the text ends too soon.
    pub column: usize,
    /// The problem.
    pub problem: CapTextProblem,
}

/// What is wrong in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CapTextProblem {
    /// No capability has this name.
    UnknownName {
        /// The word.
        word: Excerpt,
    },
    /// A word that begins with a digit but is not a number.
    MalformedNumber {
        /// The word.
        word: Excerpt,
    },
    /// A number above 63.
    NumberTooLarge {
        /// The word.
        word: Excerpt,
    },
    /// A character or word that the grammar does not allow here.
    Unexpected {
        /// The character, or the word if it begins one.
        found: Excerpt,
        /// What the grammar allows.
        expected: Expected,
    },
    /// The text ends too soon.
    EndsEarly {
        /// What is missing.
        expected: Expected,
    },
}

/// What the grammar allows at a place of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The beginning of a clause.
    Clause,
    /// The same, before an operator that has no names.
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
            CapTextProblem::UnknownName { word } => {
                // Not done by the parser: many callers only ask whether a text parses.
                let nearest = Suggestion(nearest_name(word.bytes()));
                write!(f, "unknown name {word}{} at column {column}{nearest}", NotAscii(word))
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

/// Notes that a word is not ASCII: a no-break space, a Cyrillic letter or a typographic dash looks like a valid character.
struct NotAscii<'a>(&'a Excerpt);

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
const EVERY: u8 = EFFECTIVE | PERMITTED | INHERITABLE;

// The kinds of bytes in actions, besides the letters of flags.
const BLANK: u8 = 8;
const EQUALS: u8 = 16;
const OTHER: u8 = 32;
const PLUS: u8 = 64;
const MINUS: u8 = 128;

/// The kind of each byte; for the letter of a flag, the flag.
static KINDS: [u8; 256] = {
    let mut kinds = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b'e' => EFFECTIVE,
            b'p' => PERMITTED,
            b'i' => INHERITABLE,
            b'=' => EQUALS,
            b'+' => PLUS,
            b'-' => MINUS,
            byte if is_blank(byte) => BLANK,
            _ => OTHER,
        };
        byte += 1;
    }
    kinds
};

/// The effect of all actions of a clause: remove these flags, then add those.
#[derive(Clone, Copy)]
struct Change {
    clear: u8,
    set: u8,
}

/// Three sets, in the order of their flags.
type Sets = [u64; 3];

/// All capabilities in the sets of some flags, none in the others.
static FLAG_MASKS: [Sets; 8] = {
    let mut with = [[0; 3]; 8];
    let mut at = 0;
    while at < 8 * 3 {
        if (at / 3) >> (at % 3) & 1 != 0 {
            with[at / 3][at % 3] = u64::MAX;
        }
        at += 1;
    }
    with
};

impl Change {
    #[inline(always)]
    fn apply(self, mask: u64, sets: &mut Sets) {
        let (clear, set) = (&FLAG_MASKS[usize::from(self.clear & EVERY)], &FLAG_MASKS[usize::from(self.set & EVERY)]);
        for at in 0..3 {
            sets[at] = sets[at] & !(mask & clear[at]) | mask & set[at];
        }
    }
}

/// The last long actions of a text. The next clause often has the same ones, and a comparison is faster than parsing.
struct LastActions {
    /// Their bytes and the blank after them, the first one lowest.
    bytes: u128,
    /// The bits to compare.
    compare_mask: u128,
    len: usize,
    change: Change,
}

impl LastActions {
    /// How many bytes are long.
    const LONG: usize = 6;
    /// Equal to no text.
    const NONE: LastActions = LastActions { bytes: 1, compare_mask: 0, len: 0, change: Change { clear: 0, set: 0 } };
}

/// Parses a text. `last_cap` is the last capability of the running kernel: `all`, and `=` without names, mean 0 to `last_cap`. A single
/// capability may be a higher one, up to 63.
pub fn parse(text: &[u8], last_cap: u8) -> Result<CapSets, CapTextError> {
    let all = up_to(last_cap);
    let mut sets = [0; 3];
    let mut last = LastActions::NONE;
    let mut at = Reader::new(text);
    while let Some(byte) = at.rest.first() {
        let (mask, change) = if is_word(*byte) {
            (at.names(all)?, at.actions(&mut last)?)
        } else if is_blank(*byte) {
            at.skip(1);
            continue;
        } else if *byte == b'=' {
            (all, at.everything()?)
        } else {
            let operator = matches!(byte, b'+' | b'-');
            return Err(at.unexpected(if operator { Expected::NamesBeforeOperator } else { Expected::Clause }));
        };
        change.apply(mask, &mut sets);
        let [_blank, rest @ ..] = at.rest else { break };
        at.rest = rest;
    }
    let [effective, permitted, inheritable] = sets;
    Ok(CapSets { effective, permitted, inheritable })
}

/// Parses a list of capabilities: names, numbers and `all`, separated by white space or commas. An empty list is the empty set.
pub fn parse_names(text: &[u8], last_cap: u8) -> Result<u64, CapTextError> {
    let all = up_to(last_cap);
    let mut mask = 0;
    let mut at = Reader::new(text);
    loop {
        match at.rest.first() {
            None => return Ok(mask),
            Some(byte) if is_blank(*byte) || *byte == b',' => at.skip(1),
            Some(byte) if is_word(*byte) => {
                mask |= match at.name()? {
                    Named::All => all,
                    Named::One(mask) => mask,
                }
            }
            Some(_) => return Err(at.unexpected(Expected::NamesOnly)),
        }
    }
}

/// The meaning of one name of a list.
enum Named {
    All,
    One(u64),
}

/// The position in a text. Functions that are seldom called take the two fields as arguments, so that the fields can stay in registers.
#[derive(Clone, Copy)]
struct Reader<'a> {
    /// The whole text.
    len: usize,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn new(text: &[u8]) -> Reader<'_> {
        Reader { len: text.len(), rest: text }
    }

    #[inline(always)]
    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    /// `= flags*`, at the `=`.
    #[inline(always)]
    fn everything(&mut self) -> Result<Change, CapTextError> {
        let mut at = 0;
        let (set, next) = self.flags(&mut at);
        self.skip(at);
        if next == BLANK { Ok(Change { clear: EVERY, set }) } else { Err(self.unexpected(Expected::FlagOrBlank)) }
    }

    /// `action (+|- flags)*`, after the names.
    #[inline(always)]
    fn actions(&mut self, last: &mut LastActions) -> Result<Change, CapTextError> {
        let next = self.rest.first_chunk().map(|next| u128::from_le_bytes(*next));
        if next.is_some_and(|next| next & last.compare_mask == last.bytes) {
            self.skip(last.len);
            return Ok(last.change);
        }
        let Some((change, len)) = self.good_actions() else {
            return Err(Reader::wrong_actions(self.len, self.rest));
        };
        if let (Some(next), LastActions::LONG..16) = (next, len) {
            let compare_mask = u128::MAX >> (120 - len * 8);
            *last = LastActions { bytes: next & compare_mask, compare_mask, len, change };
        }
        self.skip(len);
        Ok(change)
    }

    /// Valid actions, and their length.
    #[inline(always)]
    fn good_actions(self) -> Option<(Change, usize)> {
        let mut change = Change { clear: 0, set: 0 };
        let mut at = 0;
        let mut next = self.kind(at);
        if next == EQUALS {
            change.clear = EVERY;
            (change.set, next) = self.flags(&mut at);
        } else if next & (PLUS | MINUS) == 0 {
            return None;
        }
        while next & (PLUS | MINUS) != 0 {
            let minus = next & MINUS != 0;
            let flags;
            (flags, next) = self.flags(&mut at);
            if flags == 0 {
                return None;
            }
            change.clear |= flags;
            change.set |= flags;
            if minus {
                change.set ^= flags;
            }
        }
        (next == BLANK).then_some((change, at))
    }

    /// The error in the actions here.
    #[cold]
    fn wrong_actions(len: usize, rest: &[u8]) -> CapTextError {
        let mut at = Reader { len, rest };
        let mut expected = Expected::Operator;
        while let [byte, rest @ ..] = at.rest {
            expected = match (byte, expected) {
                (b'=', Expected::Operator) => Expected::FlagOrAction,
                (b'+' | b'-', Expected::Operator | Expected::FlagOrAction) => Expected::Flag,
                (b'e' | b'p' | b'i', Expected::Flag | Expected::FlagOrAction) => Expected::FlagOrAction,
                _ => break,
            };
            at.rest = rest;
        }
        at.unexpected(expected)
    }

    /// Moves `at` past an operator and its flags; returns the flags and the kind of the next byte.
    #[inline(always)]
    fn flags(self, at: &mut usize) -> (u8, u8) {
        let mut flags = 0;
        loop {
            *at += 1;
            let kind = self.kind(*at);
            if kind & EVERY == 0 {
                return (flags, kind);
            }
            flags |= kind;
        }
    }

    /// The kind of the byte at `at`; the end of the text counts as a blank.
    #[inline(always)]
    fn kind(self, at: usize) -> u8 {
        self.rest.get(at).map_or(BLANK, |byte| KINDS[usize::from(*byte)])
    }

    /// `name (, name)*`, at the start of the first name. As in libcap, `all` replaces the names before it: `63,all` does not contain 63 if
    /// the kernel has no such capability, `all,63` does.
    #[inline(always)]
    fn names(&mut self, all: u64) -> Result<u64, CapTextError> {
        let mut mask = 0;
        loop {
            mask = match self.name()? {
                Named::All => all,
                Named::One(one) => mask | one,
            };
            match self.rest {
                [b',', rest @ ..] => self.rest = rest,
                _ => return Ok(mask),
            }
        }
    }

    /// A name, a number or `all`. Moves past it only on success.
    #[inline(always)]
    fn name(&mut self) -> Result<Named, CapTextError> {
        if let Some(name) = Name::parse_prefix(self.rest) {
            self.skip(name.len);
            return Ok(Named::One(name.mask()));
        }
        let (named, len) = Reader::other_name(self.len, self.rest)?;
        self.skip(len);
        Ok(named)
    }

    /// The rare cases of [`Reader::name`]: numbers, `all`, and names that an invalid byte follows.
    #[cold]
    fn other_name(len: usize, rest: &[u8]) -> Result<(Named, usize), CapTextError> {
        let this = Reader { len, rest };
        let word = this.word();
        let named = match word {
            [] => return Err(this.unexpected(Expected::NameAfterComma)),
            [b'0'..=b'9', ..] => Named::One(bit(this.number(word)?)),
            _ if word.eq_ignore_ascii_case(b"all") => Named::All,
            _ => match super::by_name(word) {
                Some(cap) => Named::One(bit(cap)),
                None => return Err(this.unknown_name()),
            },
        };
        Ok((named, word.len()))
    }

    fn number(self, word: &[u8]) -> Result<u8, CapTextError> {
        const TOO_LARGE: u32 = 64;
        let (digits, base) = match word {
            [b'0', b'x' | b'X', digits @ ..] => (digits, 16),
            [b'0', ..] => (word, 8),
            _ => (word, 10),
        };
        let mut number = 0;
        for byte in digits {
            match char::from(*byte).to_digit(base) {
                // Saturates: a number that is too large only has to stay too large.
                Some(digit) => number = (number * base + digit).min(TOO_LARGE),
                None => return Err(self.error(CapTextProblem::MalformedNumber { word: Excerpt::new(word) })),
            }
        }
        if digits.is_empty() {
            return Err(self.error(CapTextProblem::MalformedNumber { word: Excerpt::new(word) }));
        }
        if number == TOO_LARGE {
            return Err(self.error(CapTextProblem::NumberTooLarge { word: Excerpt::new(word) }));
        }
        Ok(number as u8)
    }

    /// The whole word here.
    fn word(self) -> &'a [u8] {
        &self.rest[..self.rest.iter().position(|byte| !is_word(*byte)).unwrap_or(self.rest.len())]
    }

    fn error(self, problem: CapTextProblem) -> CapTextError {
        CapTextError { column: self.len - self.rest.len() + 1, problem }
    }

    fn unknown_name(self) -> CapTextError {
        // Letters of another script belong to the word: they may look like those of a name.
        let end = self.rest.iter().position(|byte| !is_word(*byte) && byte.is_ascii()).unwrap_or(self.rest.len());
        self.error(CapTextProblem::UnknownName { word: Excerpt::new(&self.rest[..end]) })
    }

    #[inline(always)]
    fn unexpected(self, expected: Expected) -> CapTextError {
        Reader::unexpected_here(self.len, self.rest, expected)
    }

    #[cold]
    fn unexpected_here(len: usize, rest: &[u8], expected: Expected) -> CapTextError {
        let this = Reader { len, rest };
        let found = match rest {
            [] => return this.error(CapTextProblem::EndsEarly { expected }),
            [first, ..] if is_word(*first) => this.word(),
            _ => first_character(rest),
        };
        this.error(CapTextProblem::Unexpected { found: Excerpt::new(found), expected })
    }
}

/// As isspace(3) in the C locale.
const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// The first character if the text is UTF-8, otherwise the first byte.
fn first_character(rest: &[u8]) -> &[u8] {
    let first = match rest.utf8_chunks().next() {
        Some(chunk) => chunk.valid().chars().next().map_or(1, char::len_utf8),
        None => 0,
    };
    &rest[..first]
}

/// The name that is closest to a word, with or without its `cap_`.
fn nearest_name(word: &[u8]) -> Option<&'static str> {
    nearest(word, NAMES.into_iter()).or_else(|| {
        let stem = |name: &'static str| &name["cap_".len()..];
        let near = nearest(word, NAMES.into_iter().map(stem))?;
        NAMES.into_iter().find(|name| stem(name) == near)
    })
}

/// Writes sets as cap_to_text(3) does. `last_cap` as for [`parse`].
///
/// The first clause is `=flags`, with the combination of flags that most capabilities of the kernel have. Each further clause adds or
/// removes flags of the capabilities with another combination. The first clause does not include capabilities that the kernel lacks.
pub fn write(caps: &CapSets, last_cap: u8, out: &mut dyn fmt::Write) -> fmt::Result {
    let all = up_to(last_cap);
    let mut common = 0;
    for flags in 1..8 {
        if (having(caps, flags) & all).count_ones() > (having(caps, common) & all).count_ones() {
            common = flags;
        }
    }
    // If the first clause has no flags, the next one replaces it: `cap_chown=p` instead of `= cap_chown+p`.
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

/// The capabilities with exactly these flags.
fn having(caps: &CapSets, flags: u8) -> u64 {
    let with = |mask: u64, flag| if flags & flag != 0 { mask } else { !mask };
    with(caps.effective, EFFECTIVE) & with(caps.permitted, PERMITTED) & with(caps.inheritable, INHERITABLE)
}

/// Writes names with commas between them; a number where there is no name.
pub(crate) fn write_names(out: &mut dyn fmt::Write, mask: u64) -> fmt::Result {
    let mut between = "";
    for cap in super::each(mask) {
        out.write_str(between)?;
        match super::name(cap) {
            Some(name) => out.write_str(name)?,
            None => write!(out, "{cap}")?,
        }
        between = ",";
    }
    Ok(())
}

/// Writes an operator and flags; nothing if there are no flags.
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
                CapTextError { column: 1, problem: CapTextProblem::UnknownName { word: Excerpt::new(&word) } }
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
    fn actions_mean_the_same_each_time() {
        let every = [
            "+p",
            "=eip",
            "+eip-e",
            "=eip-i",
            "=eip-i+i-e",
            "+eeeeeeeeeeeeip",
            "+eeeeeeeeeeeeeip",
            "+eeeeeeeeeeeeeeip",
        ];
        let fewer = if cfg!(miri) { 3 } else { 1 };
        for first in every {
            for second in every.into_iter().step_by(fewer) {
                for blank in [" ", "\t", " \n"] {
                    let clauses = [
                        format!("cap_chown{first}"),
                        format!("cap_bpf{first}"),
                        format!("cap_kill{second}"),
                        format!("1,cap_net_admin{first}"),
                        format!("2{second}"),
                    ];
                    // No two clauses name the same capability.
                    let want = clauses.iter().fold(CapSets::EMPTY, |sum, clause| {
                        let caps = parse(clause.as_bytes(), 40).expect("parses");
                        CapSets {
                            effective: sum.effective | caps.effective,
                            permitted: sum.permitted | caps.permitted,
                            inheritable: sum.inheritable | caps.inheritable,
                        }
                    });
                    for text in [clauses.join(blank), clauses.join(blank) + blank] {
                        assert_eq!(parse(text.as_bytes(), 40), Ok(want), "{text:?}");
                    }
                }
                let text = format!("cap_kill{first} cap_chown{first}x cap_bpf{first}                ");
                let error = parse(text.as_bytes(), 40).expect_err("no flag");
                assert_eq!(error.column, "cap_kill cap_chown".len() + 2 * first.len() + 1, "{text:?}");
            }
        }
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
            // Knuth's MMIX generator, so that a failure can be repeated.
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
