//! `ec-security explain`: says what capabilities permit. They are given as names, a text, a mask or lines of /proc.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt as _;

use ec_security::caps::text as cap_text;
use ec_security::caps::{self as cap_sets, CapNames, CapSets};
use ec_security::error::Error;
use ec_security::status::Set;
use ec_security::{procfs, sys};

use crate::cap_meaning::{as_good_as_root, meaning};
use crate::color::{Color, Palette};
use crate::failure::{Failure, REFUSED, say};
use crate::layout::Page;
use crate::{help, processes};

pub(crate) fn run(mut args: lexopt::Parser) -> Result<(), Failure> {
    use lexopt::Arg::{Long, Short, Value};
    let wrong = |error: lexopt::Error| Failure::usage("explain", error);
    let mut text: Option<Vec<u8>> = None;
    let mut color = OsString::from("auto");
    while let Some(arg) = args.next().map_err(wrong)? {
        match arg {
            Short('h') | Long("help") => return say(help::EXPLAIN),
            Long("color") => color = args.value().map_err(wrong)?,
            Value(word) => {
                let text = text.get_or_insert_default();
                // Several words are one text: quoting may be forgotten.
                if !text.is_empty() {
                    text.push(b' ');
                }
                if word == "-" {
                    let read = io::stdin().lock().take(1 << 20).read_to_end(text);
                    read.map_err(|error| Failure::new(REFUSED, format!("standard input: {error}")))?;
                } else {
                    text.extend_from_slice(word.as_bytes());
                }
            }
            other => return Err(wrong(other.unexpected())),
        }
    }
    let palette = Palette::from_option("explain", &color)?;
    let Some(text) = text else {
        return Err(Failure::usage("explain", "capabilities are missing, such as cap_net_bind_service+ep"));
    };
    let last_cap = sys::last_cap();
    let mut page = Page::new(palette);
    match Input::parse(&text, last_cap).map_err(|error| {
        let error = Error::CapText { option: "capabilities", error };
        Failure::new(REFUSED, error)
    })? {
        Input::Text(sets) => of_text(&mut page, &sets, last_cap, held_by_root()),
        Input::Names(names) => of_set(&mut page, names, last_cap),
        Input::Mask(mask) => {
            let count = mask.count_ones();
            let s = if count == 1 { "y" } else { "ies" };
            let names = Set(mask);
            page.heading(&format!("mask {mask:016x}, {count} capabilit{s}: {names}"));
            of_set(&mut page, mask, last_cap);
        }
        Input::Lines(lines) => of_lines(&mut page, &lines, last_cap),
    }
    say(&page.into_text())
}

/// What was written.
#[derive(Debug, PartialEq, Eq)]
enum Input {
    /// cap_from_text(3), with operators.
    Text(CapSets),
    /// A list of names.
    Names(u64),
    /// As /proc prints it, without saying which set it is.
    Mask(u64),
    /// Lines of /proc/PID/status: the letter of the set, and the set.
    Lines(Vec<(&'static str, u64)>),
}

/// The lines of proc_pid_status(5), in the order of columns here.
const LINES: [&str; 5] = ["CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"];

impl Input {
    fn parse(text: &[u8], last_cap: u8) -> Result<Input, cap_text::CapTextError> {
        let lines = status_lines(text);
        if !lines.is_empty() {
            return Ok(Input::Lines(lines));
        }
        let word = text.trim_ascii();
        if let Some(mask) = mask(word) {
            return Ok(Input::Mask(mask));
        }
        let is_operator = |byte: &u8| matches!(byte, b'=' | b'+' | b'-');
        if word.is_empty() || word.iter().any(is_operator) {
            return cap_text::parse(text, last_cap).map(Input::Text);
        }
        // No capability has a number of three digits.
        if processes::capability(word).is_none()
            && let Some(mask) = procfs::hexadecimal(word)
        {
            return Ok(Input::Mask(mask));
        }
        // As others write them: NET_ADMIN in containers, net_admin in setpriv(1).
        let mut names = 0;
        for name in word.split(|byte| *byte == b',' || byte.is_ascii_whitespace()).filter(|name| !name.is_empty()) {
            match processes::capability(name) {
                Some(cap) => names |= cap_sets::bit(cap),
                // It says "all", or the message says what is wrong.
                None => return cap_text::parse_names(text, last_cap).map(Input::Names),
            }
        }
        Ok(Input::Names(names))
    }
}

/// A mask that nobody takes for anything else: by its prefix, or by its length.
fn mask(word: &[u8]) -> Option<u64> {
    match word.strip_prefix(b"0x").or(word.strip_prefix(b"0X")) {
        Some(digits) => procfs::hexadecimal(digits),
        None if word.len() >= 8 => procfs::hexadecimal(word),
        None => None,
    }
}

/// The sets of a status file, whatever else of it there is.
fn status_lines(text: &[u8]) -> Vec<(&'static str, u64)> {
    // What is pasted into a shell loses its line ends.
    let mut lines = Vec::new();
    let mut words = text.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty()).peekable();
    while let Some(word) = words.next() {
        let Some(colon) = word.iter().position(|byte| *byte == b':') else { continue };
        let (field, value) = (&word[..colon], &word[colon + 1..]);
        let Some(name) = LINES.into_iter().find(|name| name.as_bytes().eq_ignore_ascii_case(field)) else { continue };
        let value = if value.is_empty() { words.peek().copied().unwrap_or_default() } else { value };
        if let Some(mask) = procfs::hexadecimal(value) {
            lines.push((name, mask));
        }
    }
    lines
}

/// What this process is permitted, if it is root's.
fn held_by_root() -> u64 {
    if sys::geteuid() != 0 {
        return u64::MAX;
    }
    match caps::read(None, caps::CapSet::Permitted) {
        Ok(set) => set.iter().map(|cap| cap.bitmask()).sum(),
        Err(_) => u64::MAX,
    }
}

/// A row for each capability, with the letter of each set it is in.
fn table(page: &mut Page, sets: &[(char, u64)]) {
    let any = sets.iter().fold(0, |any, (_, set)| any | set);
    let wide = cap_sets::each(any).map(|cap| named(cap).len()).max().unwrap_or(0).max("capability".len());
    let heading = if sets.is_empty() { "" } else { "sets   " };
    page.columns(&format!("{:wide$}  {heading}", "capability"), Color::Bold, "permits");
    for cap in cap_sets::each(any) {
        let letters: String =
            sets.iter().map(|(letter, set)| if set & cap_sets::bit(cap) != 0 { *letter } else { '-' }).collect();
        page.columns(&format!("{:wide$}  {letters:<7}", named(cap)), Color::Plain, meaning(cap));
    }
}

fn of_set(page: &mut Page, set: u64, last_cap: u8) {
    if set == 0 {
        page.text(Color::Plain, 0, "No capability.");
        return;
    }
    page.empty_line();
    let wide = cap_sets::each(set).map(|cap| named(cap).len()).max().unwrap_or(0).max("capability".len());
    page.columns(&format!("{:wide$}  ", "capability"), Color::Bold, "permits");
    for cap in cap_sets::each(set) {
        page.columns(&format!("{:wide$}  ", named(cap)), Color::Plain, meaning(cap));
    }
    notes(page, &[unknown(set, last_cap), great(set)]);
}

fn of_lines(page: &mut Page, lines: &[(&'static str, u64)], last_cap: u8) {
    for (name, mask) in lines {
        let count = mask.count_ones();
        page.text(Color::Bold, 16, &format!("{name}  {mask:016x}  {count:>2}: {}", Set(*mask)));
    }
    let letter = |name: &str| match name {
        "CapEff" => 'e',
        "CapPrm" => 'p',
        "CapInh" => 'i',
        "CapBnd" => 'b',
        _ => 'a',
    };
    let sets: Vec<(char, u64)> = LINES
        .iter()
        .filter_map(|line| lines.iter().find(|(name, _)| name == line))
        .map(|(name, mask)| (letter(name), *mask))
        .collect();
    let any = sets.iter().fold(0, |any, (_, set)| any | set);
    if any == 0 {
        page.text(Color::Plain, 0, "No capability.");
        return;
    }
    page.empty_line();
    table(page, &sets);
    let held = sets.iter().filter(|(letter, _)| matches!(letter, 'e' | 'p' | 'a')).fold(0, |held, (_, set)| held | set);
    notes(page, &[unknown(any, last_cap), great(held)]);
}

type Note = Option<(Color, String)>;

fn notes(page: &mut Page, notes: &[Note]) {
    let notes: Vec<_> = notes.iter().flatten().collect();
    if !notes.is_empty() {
        page.empty_line();
    }
    for (color, note) in notes {
        page.text(*color, 2, note);
    }
}

fn unknown(set: u64, last_cap: u8) -> Note {
    let unknown = set & !cap_sets::up_to(last_cap);
    let text = || format!("This kernel has no {}: a policy that asks for it is refused here.", CapNames(unknown));
    (unknown != 0).then(|| (Color::Bad, text()))
}

fn great(set: u64) -> Note {
    let great = set & as_good_as_root();
    let text = || format!("As good as root, since each leads to all others: {}.", CapNames(great));
    (great != 0).then(|| (Color::Warn, text()))
}

fn of_text(page: &mut Page, caps: &CapSets, last_cap: u8, held: u64) {
    let mut normal = String::new();
    // Writing to a String cannot fail.
    let _ = cap_text::write(caps, last_cap, &mut normal);
    page.text(Color::Plain, 2, &format!("the same, as libcap prints it: {normal}"));
    let any = caps.effective | caps.permitted | caps.inheritable;
    page.empty_line();
    if any == 0 {
        page.text(Color::Plain, 0, "Nothing is retained: no capability in any set.");
        return;
    }
    table(page, &[('e', caps.effective), ('p', caps.permitted), ('i', caps.inheritable)]);
    let outside = caps.effective & !caps.permitted;
    let outside = (outside != 0).then(|| {
        let names = CapNames(outside);
        (Color::Bad, format!("Effective without being permitted, which the kernel refuses: {names}. Write +ep."))
    });
    let raisable = caps.permitted & !caps.effective;
    let raisable = (raisable != 0).then(|| {
        let how = "by ec_security_raise(3) or cap_set_proc(3)";
        (Color::Plain, format!("Permitted but not in force until raised, {how}: {}.", Set(raisable)))
    });
    let inheritable = (caps.inheritable != 0).then(|| {
        let text = "Inheritable counts only for programs whose file has that capability inheritable as well; for all \
                    others there is the option ambient.";
        (Color::Plain, text.into())
    });
    // Only root may expect to hold what a server starts with; anybody else lacks everything.
    let lacking = caps.permitted & cap_sets::up_to(last_cap) & !held;
    let lacking = (lacking != 0).then(|| {
        let set = Set(lacking);
        (Color::Warn, format!("Not held here, so a server started from here cannot retain it: {set}."))
    });
    notes(page, &[unknown(any, last_cap), outside, raisable, inheritable, lacking, great(caps.permitted)]);
}

fn named(cap: u8) -> String {
    cap_sets::name(cap).map_or_else(|| cap.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant() {
        let parse = |text: &str| Input::parse(text.as_bytes(), 40).ok();
        let sets = CapSets { effective: 32, permitted: 32, inheritable: 0 };
        let rows = [
            ("cap_kill+ep", Some(Input::Text(sets))),
            ("", Some(Input::Text(CapSets::EMPTY))),
            ("=", Some(Input::Text(CapSets::EMPTY))),
            ("cap_kill", Some(Input::Names(32))),
            ("CAP_KILL net_raw,chown", Some(Input::Names(1 << 13 | 33))),
            ("5", Some(Input::Names(32))),
            ("all", Some(Input::Names((1 << 41) - 1))),
            ("64", Some(Input::Mask(0x64))),
            ("64,65", None),
            ("cap_kil", None),
            ("0x20", Some(Input::Mask(32))),
            ("0000000000000020\n", Some(Input::Mask(32))),
            ("a80425fb", Some(Input::Mask(0xa804_25fb))),
            ("3000", Some(Input::Mask(0x3000))),
            ("10", Some(Input::Names(1 << 10))),
            ("bpf", Some(Input::Names(1 << 39))),
            ("00000000000000020", Some(Input::Mask(32))),
            ("0x", None),
            ("CapEff:\t0000000000000020", Some(Input::Lines(vec![("CapEff", 32)]))),
            ("CapEff: 20 CapBnd:21", Some(Input::Lines(vec![("CapEff", 32), ("CapBnd", 33)]))),
            ("Name:\tx\nUid:\t0\nCapAmb:\t0\n", Some(Input::Lines(vec![("CapAmb", 0)]))),
        ];
        for (text, input) in rows {
            assert_eq!(parse(text), input, "{text:?}");
        }
    }
}
