//! `ec-security show`: shows what the threads of processes hold, as text or as JSON.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;

use ec_security::caps as cap_sets;
use ec_security::identity;
use ec_security::status::{self, Process};
use ec_security::text::Excerpt;

use crate::color::{Color, Palette};
use crate::failure::{Failure, YES, complain, say};
use crate::layout::Page;
use crate::processes::{self, Target};
use crate::verdict::{self, Answer, Verdict};
use crate::{help, json, list, table};

#[derive(Default)]
struct Options {
    targets: Vec<Target>,
    all: bool,
    children: bool,
    verdict: bool,
    odd: bool,
    user: Option<u32>,
    capabilities: u64,
    json: bool,
    lines: bool,
}

pub(crate) fn run(mut args: lexopt::Parser) -> Result<(), Failure> {
    use lexopt::Arg::{Long, Short, Value};
    let wrong = |error: lexopt::Error| Failure::usage("show", error);
    let mut options = Options::default();
    let mut color = OsString::from("auto");
    while let Some(arg) = args.next().map_err(wrong)? {
        match arg {
            Short('h') | Long("help") => return say(help::SHOW),
            Short('a') | Long("all") => options.all = true,
            Short('c') | Long("children") => options.children = true,
            Short('v') | Long("verdict") => options.verdict = true,
            Short('d') | Long("odd") => options.odd = true,
            Short('u') | Long("user") => options.user = Some(user(&args.value().map_err(wrong)?)?),
            Short('C') | Long("capability") => options.capabilities |= capabilities(&args.value().map_err(wrong)?)?,
            Short('j') | Long("json") => options.json = true,
            Short('l') | Long("lines") => options.lines = true,
            Long("color") => color = args.value().map_err(wrong)?,
            Value(word) => options.targets.push(Target::parse("show", &word)?),
            other => return Err(wrong(other.unexpected())),
        }
    }
    let palette = Palette::from_option("show", &color)?;
    // A filter without a process means all of them.
    let filters = options.odd || options.user.is_some() || options.capabilities != 0;
    options.all |= options.targets.is_empty() && (filters || options.children);
    if options.all && !options.targets.is_empty() {
        return Err(Failure::usage("show", "give --all or a process, not both"));
    }
    let (mut found, missing) = options.read()?;
    if options.children {
        found = list::children(found, &options.targets)?;
    }
    found.retain(|process| options.matches(process));
    let found: Vec<(Process, Option<Verdict>)> = found
        .into_iter()
        .map(|process| {
            let verdict = options.verdict.then(|| verdict::of(&process));
            (process, verdict)
        })
        .collect();
    say(&options.text(&found, palette))?;
    if !missing.is_empty() {
        return Err(complain(missing));
    }
    let worst = found.iter().filter_map(|(_, verdict)| verdict.as_ref()).map(|verdict| verdict.answer).max();
    match worst {
        Some(Answer::Is | Answer::CanBecome) => Err(Failure::silent(YES)),
        Some(Answer::Cannot) | None => Ok(()),
    }
}

impl Options {
    fn read(&self) -> Result<(Vec<Process>, Vec<Failure>), Failure> {
        if !self.all && self.targets.is_empty() {
            return Ok((vec![status::read(0)?], Vec::new()));
        }
        if !self.all && !self.children {
            return Ok(processes::read_all(&self.targets));
        }
        let (processes, unreadable) = processes::every()?;
        if unreadable > 0 {
            let s = if unreadable == 1 { "" } else { "es" };
            eprintln!("ec-security: note: {unreadable} process{s} may not be read (hidepid?)");
        }
        Ok((processes, Vec::new()))
    }

    fn matches(&self, process: &Process) -> bool {
        let is_users = |uid: u32| processes::live(process).any(|thread| thread.credentials.uids.contains(&uid));
        let is_odd = || processes::odd(process).next().is_some();
        let holds_something = || {
            processes::held(process) != 0
                || processes::has_user_0(process)
                || processes::live(process).any(|thread| thread.credentials.caps.inheritable != 0)
        };
        self.user.is_none_or(is_users)
            && (!self.odd || is_odd())
            && (self.capabilities == 0 || processes::held(process) & self.capabilities != 0)
            // The verdict is one on processes that hold nothing as well.
            && (!self.all || self.verdict || self.children || holds_something() || is_odd())
    }

    fn text(&self, found: &[(Process, Option<Verdict>)], palette: Palette) -> String {
        if self.json {
            return json::processes(found);
        }
        if self.lines {
            return lines(found);
        }
        let mut page = Page::new(palette);
        if self.children {
            list::more_than_parents(&mut page, found);
        } else if self.all {
            list::summary(&mut page, found);
        } else {
            for (process, verdict) in found {
                page.empty_line();
                match verdict {
                    Some(verdict) => with_reasons(&mut page, process, verdict),
                    None => table::process(&mut page, process),
                }
            }
        }
        page.into_text()
    }
}

fn with_reasons(page: &mut Page, process: &Process, verdict: &Verdict) {
    let heading = format!("process {}  {}  {}", process.pid, table::name_of(process), verdict.answer.text());
    let color = list::color_of(verdict.answer);
    page.text(color, 2, &heading);
    for (name, texts) in [("because", &verdict.reasons), ("note", &verdict.notes)] {
        for (at, text) in texts.iter().enumerate() {
            page.row(if at == 0 { name } else { "" }, false, Color::Plain, text);
        }
    }
}

/// The text of ec_security_status(3); of several processes, each line with its process's id before it.
fn lines(found: &[(Process, Option<Verdict>)]) -> String {
    let mut out = String::new();
    if let [(process, _)] = found {
        return process.to_string();
    }
    for (process, _) in found {
        for line in process.to_string().lines() {
            let _ = writeln!(out, "process {}: {line}", process.pid);
        }
    }
    out
}

fn user(word: &OsStr) -> Result<u32, Failure> {
    match identity::user(word.as_bytes()) {
        Ok(user) => Ok(user.uid),
        Err(error) => Err(Failure::usage("show", error)),
    }
}

fn capabilities(word: &OsStr) -> Result<u64, Failure> {
    let mut set = 0;
    for name in word.as_bytes().split(|byte| *byte == b',') {
        let Some(cap) = processes::capability(name) else {
            let word = Excerpt::new(name);
            return Err(Failure::usage(
                "show",
                format!("--capability: {word} is not a capability, such as cap_net_raw"),
            ));
        };
        set |= cap_sets::bit(cap);
    }
    Ok(set)
}
