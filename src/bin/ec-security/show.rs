//! `ec-security show`: what the threads of a process hold, for eyes and for programs.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};

use ec_security::cap_sets;
use ec_security::identity::nss;
use ec_security::status::{self, Holds, Kind, Process, SecurebitNames, Set, Thread};

use crate::paint::{Ink, Paint};
use crate::{Failure, help, say};

pub(crate) fn run(mut args: lexopt::Parser) -> Result<(), Failure> {
    use lexopt::Arg::{Long, Short, Value};
    let wrong = |error: lexopt::Error| Failure::usage("show", error);
    let mut pid = None;
    let mut json = false;
    let mut lines = false;
    let mut color = OsString::from("auto");
    while let Some(arg) = args.next().map_err(wrong)? {
        match arg {
            Short('h') | Long("help") => return say(help::SHOW),
            Short('j') | Long("json") => json = true,
            Short('l') | Long("lines") => lines = true,
            Long("color") => color = args.value().map_err(wrong)?,
            Value(word) if pid.is_none() => match word.to_str().and_then(|word| word.parse::<i32>().ok()) {
                Some(number) if number > 0 => pid = Some(number),
                _ => {
                    let word = word.to_string_lossy();
                    return Err(Failure::usage("show", format!("\"{word}\" is not a process id, such as 4711")));
                }
            },
            other => return Err(wrong(other.unexpected())),
        }
    }
    let Some(paint) = Paint::new(&color) else {
        return Err(Failure::usage("show", "--color: expected auto, always or never"));
    };
    let process = status::read(pid.unwrap_or(0))?;
    if json {
        say(&as_json(&process))
    } else if lines {
        say(&process.to_string())
    } else {
        say(&Table::new(paint).of(&process))
    }
}

/// Column that values stand in.
const INDENT: usize = 16;

struct Table {
    paint: Paint,
    /// Where lines end, on a terminal; what goes elsewhere is better left in one piece.
    width: usize,
    out: String,
}

impl Table {
    fn new(paint: Paint) -> Table {
        let width = if io::stdout().is_terminal() {
            env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).unwrap_or(80)
        } else {
            usize::MAX
        };
        Table { paint, width: width.max(60), out: String::new() }
    }

    fn of(mut self, process: &Process) -> String {
        let leader = process.threads.first();
        let total = process.threads.len();
        self.heading(&format!(
            "process {}  {}  {total} thread{}",
            process.pid,
            leader.map(shown_name).unwrap_or_default(),
            if total == 1 { "" } else { "s" }
        ));
        let reference = process.reference();
        if let Some(reference) = reference {
            let count = process.alike().count();
            if total > 1 {
                let text = if count == total { "all threads hold the same".into() } else { all_alike(count) };
                self.out.push('\n');
                self.heading(&text);
            }
            self.holds(&reference.holds, None);
        }
        let mut rest: Vec<&Thread> = process.others().collect();
        while let Some(first) = rest.first().copied() {
            let (same, other): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|thread| (thread.kind, &thread.holds) == (first.kind, &first.holds));
            rest = other;
            self.out.push('\n');
            self.differing(&same, reference.map(|thread| &thread.holds));
        }
        if let Some((tid, bits)) = process.caller {
            if total > 1 {
                self.out.push('\n');
                self.heading(&format!("thread {tid}"));
            }
            self.row("securebits", false, Ink::Plain, &SecurebitNames(bits).to_string());
        }
        self.out
    }

    /// A block for threads that share a state other than the reference's.
    fn differing(&mut self, threads: &[&Thread], reference: Option<&Holds>) {
        let Some(first) = threads.first() else { return };
        let ids: Vec<String> = threads.iter().map(|thread| format!("{} {}", thread.tid, shown_name(thread))).collect();
        let s = if threads.len() == 1 { "" } else { "s" };
        let ids = ids.join(", ");
        let (ink, text) = match first.kind {
            Kind::Ordinary => {
                (Ink::Bad, format!("thread{s} that differ{}: {ids}", if s.is_empty() { "s" } else { "" }))
            }
            Kind::Exited => (Ink::Faint, format!("exited: {ids}")),
            Kind::Worker => (Ink::Faint, format!("kernel worker{s}, taking each request's credentials: {ids}")),
            Kind::FixedWorker => (Ink::Bad, format!("kernel worker{s}, cannot be brought along: {ids}")),
        };
        let text = self.paint.ink(ink, text);
        let _ = writeln!(self.out, "{text}");
        if first.kind != Kind::Exited {
            self.holds(&first.holds, reference);
        }
    }

    fn holds(&mut self, holds: &Holds, reference: Option<&Holds>) {
        // Nothing differs from itself.
        let reference = reference.unwrap_or(holds);
        let root = |ids: &[u32; 4]| if ids.contains(&0) { Ink::Warn } else { Ink::Good };
        self.row("user", reference.uids != holds.uids, root(&holds.uids), &with_names(&holds.uids, user_name));
        self.row("group", reference.gids != holds.gids, root(&holds.gids), &with_names(&holds.gids, group_name));
        let groups: Vec<String> = holds.groups.iter().map(|group| with_name(*group, group_name)).collect();
        let text = if groups.is_empty() { "none".into() } else { groups.join(", ") };
        let ink = if holds.groups.contains(&0) { Ink::Warn } else { Ink::Plain };
        self.row("groups", reference.groups != holds.groups, ink, &text);
        let great = crate::as_good_as_root();
        for ((name, set), (_, other)) in holds.sets().into_iter().zip(reference.sets()) {
            let ink = match set {
                0 => Ink::Faint,
                // The bounding set is a limit, and the inheritable set needs a file to go with it.
                set if set & great != 0 && !matches!(name, "bounding" | "inheritable") => Ink::Bad,
                _ => Ink::Plain,
            };
            self.row(name, set != other, ink, &Set(set).to_string());
        }
        let (ink, text) = if holds.no_new_privs { (Ink::Good, "on") } else { (Ink::Warn, "off") };
        self.row("no_new_privs", reference.no_new_privs != holds.no_new_privs, ink, text);
    }

    /// One line, or several where a list is longer than the terminal is wide.
    fn row(&mut self, name: &str, differs: bool, ink: Ink, value: &str) {
        let (mark, ink) = if differs { ("! ", Ink::Bad) } else { ("  ", ink) };
        let _ = write!(self.out, "{}{name:<rest$}", self.paint.ink(ink_of_mark(differs), mark), rest = INDENT - 2);
        let mut column = INDENT;
        for piece in value.split_inclusive([',', '-']) {
            if column > INDENT && column + piece.len() > self.width {
                let _ = write!(self.out, "\n{:INDENT$}", "");
                column = INDENT;
            }
            let _ = write!(self.out, "{}", self.paint.ink(ink, piece));
            column += piece.len();
        }
        self.out.push('\n');
    }

    fn heading(&mut self, text: &str) {
        let text = self.paint.ink(Ink::Bold, text);
        let _ = writeln!(self.out, "{text}");
    }
}

fn ink_of_mark(differs: bool) -> Ink {
    if differs { Ink::Bad } else { Ink::Plain }
}

fn all_alike(count: usize) -> String {
    if count == 1 { "1 thread".into() } else { format!("{count} threads that hold the same") }
}

/// A thread's name without what would play tricks on a terminal.
fn shown_name(thread: &Thread) -> String {
    String::from_utf8_lossy(&thread.name).chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn user_name(uid: u32) -> Option<String> {
    nss::user_by_id(uid).ok().flatten().map(|user| user.name.to_string_lossy().into_owned())
}

fn group_name(gid: u32) -> Option<String> {
    nss::group_by_id(gid).ok().flatten().map(|group| group.name.to_string_lossy().into_owned())
}

fn with_name(id: u32, name: fn(u32) -> Option<String>) -> String {
    match name(id) {
        Some(name) => format!("{id} {name}"),
        None => id.to_string(),
    }
}

fn with_names(ids: &[u32; 4], name: fn(u32) -> Option<String>) -> String {
    let [real, effective, saved, file_system] = *ids;
    if [effective, saved, file_system] == [real; 3] {
        return with_name(real, name);
    }
    let [real, effective, saved, file_system] = [real, effective, saved, file_system].map(|id| with_name(id, name));
    format!("real {real}, effective {effective}, saved {saved}, file system {file_system}")
}

/// The whole of it, one object a thread. Names that are not UTF-8 have U+FFFD where they are not.
fn as_json(process: &Process) -> String {
    let mut out = String::new();
    let _ = write!(out, "{{\n  \"pid\": {},\n  \"threads\": [", process.pid);
    let reference = process.reference().map(|thread| &thread.holds);
    for (at, thread) in process.threads.iter().enumerate() {
        out.push_str(if at == 0 { "\n    {" } else { ",\n    {" });
        let _ = write!(out, "\"tid\": {}, \"name\": {}", thread.tid, json_string(&thread.name));
        let kind = match thread.kind {
            Kind::Ordinary => "thread",
            Kind::Exited => "exited",
            Kind::Worker => "worker",
            Kind::FixedWorker => "fixed_worker",
        };
        let alike = reference == Some(&thread.holds) && thread.kind == Kind::Ordinary;
        let _ = write!(out, ", \"kind\": \"{kind}\", \"alike\": {alike}");
        let holds = &thread.holds;
        for (name, ids) in [("uid", &holds.uids), ("gid", &holds.gids)] {
            let [real, effective, saved, file_system] = ids;
            let _ = write!(
                out,
                ", \"{name}\": {{\"real\": {real}, \"effective\": {effective}, \"saved\": {saved}, \"fs\": {file_system}}}"
            );
        }
        let _ = write!(out, ", \"groups\": {:?}", holds.groups);
        for (name, set) in holds.sets() {
            let names: Vec<String> = cap_sets::each(set)
                .map(|cap| cap_sets::name(cap).map_or_else(|| format!("\"{cap}\""), |name| format!("\"{name}\"")))
                .collect();
            let _ = write!(out, ", \"{name}\": [{}]", names.join(", "));
        }
        let _ = write!(out, ", \"no_new_privs\": {}", holds.no_new_privs);
        let securebits = match process.caller {
            Some((tid, bits)) if tid == thread.tid => bits.to_string(),
            _ => "null".into(),
        };
        let _ = write!(out, ", \"securebits\": {securebits}}}");
    }
    out.push_str("\n  ]\n}\n");
    out
}

fn json_string(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for c in String::from_utf8_lossy(bytes).chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_strings_are_escaped() {
        assert_eq!(json_string(b"a\"b\\c\n\x1b\xff\x7f"), "\"a\\\"b\\\\c\\u000a\\u001b\u{fffd}\\u007f\"");
    }
}
