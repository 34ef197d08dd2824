//! `ec-security explain`: what a capability text means, capability by capability.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;

use ec_security::cap_sets::{self, CapNames};
use ec_security::error::Error;
use ec_security::status::Set;
use ec_security::{cap_text, sys};

use crate::paint::{Ink, Paint};
use crate::{Failure, REFUSED, help, say};

pub(crate) fn run(mut args: lexopt::Parser) -> Result<(), Failure> {
    use lexopt::Arg::{Long, Short, Value};
    let wrong = |error: lexopt::Error| Failure::usage("explain", error);
    let mut text: Option<Vec<u8>> = None;
    let mut color = OsString::from("auto");
    while let Some(arg) = args.next().map_err(wrong)? {
        match arg {
            Short('h') | Long("help") => return say(help::EXPLAIN),
            Long("color") => color = args.value().map_err(wrong)?,
            // Several words are one text: quoting may be forgotten.
            Value(word) => match &mut text {
                Some(text) => {
                    text.push(b' ');
                    text.extend_from_slice(word.as_bytes());
                }
                None => text = Some(word.as_bytes().to_vec()),
            },
            other => return Err(wrong(other.unexpected())),
        }
    }
    let Some(paint) = Paint::new(&color) else {
        return Err(Failure::usage("explain", "--color: expected auto, always or never"));
    };
    let Some(text) = text else {
        return Err(Failure::usage("explain", "a capability text is missing, such as cap_net_bind_service+ep"));
    };
    let last_cap = sys::last_cap();
    let sets = cap_text::parse(&text, last_cap).map_err(|error| {
        let error = Error::CapText { option: "capabilities", error };
        Failure::new(REFUSED, error)
    })?;
    say(&explained(&sets, last_cap, held_by_root(), paint))
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

fn explained(caps: &cap_sets::CapSets, last_cap: u8, held: u64, paint: Paint) -> String {
    let mut out = String::new();
    let mut normal = String::new();
    // Writing to a String cannot fail.
    let _ = cap_text::write(caps, last_cap, &mut normal);
    let _ = writeln!(out, "{}  {normal}", paint.ink(Ink::Bold, "the same, as libcap prints it"));
    let any = caps.effective | caps.permitted | caps.inheritable;
    if any == 0 {
        let _ = writeln!(out, "\nNothing is retained: no capability in any set.");
        return out;
    }
    let wide = cap_sets::each(any).map(|cap| named(cap).len()).max().unwrap_or(0);
    let heading = format!("{:wide$}  sets  permits", "capability");
    let _ = writeln!(out, "\n{}", paint.ink(Ink::Bold, heading));
    for cap in cap_sets::each(any) {
        let flag = |set: u64, letter| if set & cap_sets::bit(cap) != 0 { letter } else { '-' };
        let _ = writeln!(
            out,
            "{:wide$}  {}{}{}   {}",
            named(cap),
            flag(caps.effective, 'e'),
            flag(caps.permitted, 'p'),
            flag(caps.inheritable, 'i'),
            cap_sets::meaning(cap),
        );
    }
    let mut notes: Vec<(Ink, String)> = Vec::new();
    let unknown = any & !cap_sets::up_to(last_cap);
    if unknown != 0 {
        let text = format!("This kernel has no {}: the text would be refused here.", CapNames(unknown));
        notes.push((Ink::Bad, text));
    }
    let outside = caps.effective & !caps.permitted;
    if outside != 0 {
        let text =
            format!("Effective without being permitted, which the kernel refuses: {}. Write +ep.", CapNames(outside));
        notes.push((Ink::Bad, text));
    }
    let raisable = caps.permitted & !caps.effective;
    if raisable != 0 {
        let text = format!(
            "Permitted but not in force until raised, by ec_security_raise(3) or cap_set_proc(3): {}.",
            Set(raisable)
        );
        notes.push((Ink::Plain, text));
    }
    if caps.inheritable != 0 {
        let text = "Inheritable counts only for programs whose file has that capability inheritable as well; for all \
                    others there is the option ambient.";
        notes.push((Ink::Plain, text.into()));
    }
    // Only root may expect to hold what a server starts with; anybody else lacks everything.
    let lacking = caps.permitted & cap_sets::up_to(last_cap) & !held;
    if lacking != 0 {
        let text = format!("Not held here, so a server started from here cannot retain it: {}.", Set(lacking));
        notes.push((Ink::Warn, text));
    }
    let great = caps.permitted & crate::as_good_as_root();
    if great != 0 {
        let text = format!("As good as root, since each leads to all others: {}.", CapNames(great));
        notes.push((Ink::Warn, text));
    }
    if !notes.is_empty() {
        out.push('\n');
    }
    for (ink, note) in notes {
        let _ = writeln!(out, "{}", paint.ink(ink, note));
    }
    out
}

fn named(cap: u8) -> String {
    cap_sets::name(cap).map_or_else(|| cap.to_string(), str::to_owned)
}
