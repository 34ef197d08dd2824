//! `ec-security watch`: shows each change of what a process holds.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use ec_security::error::Error;
use ec_security::procfs::Stat;
use ec_security::status::{self, Credentials, Ids, Kind, Process, Set, on_or_off};

use crate::color::{Color, Palette};
use crate::failure::{Failure, say};
use crate::help;
use crate::ids::group_names;
use crate::layout::Page;
use crate::processes::{Target, live};
use crate::table::{self, name_of};
use crate::terminal::clean;

const INTERVAL: Duration = Duration::from_secs(1);

pub(crate) fn run(mut args: lexopt::Parser) -> Result<(), Failure> {
    use lexopt::Arg::{Long, Short, Value};
    let wrong = |error: lexopt::Error| Failure::usage("watch", error);
    let mut target = None;
    let mut interval = INTERVAL;
    let mut color = OsString::from("auto");
    while let Some(arg) = args.next().map_err(wrong)? {
        match arg {
            Short('h') | Long("help") => return say(help::WATCH),
            Short('i') | Long("interval") => {
                let word = args.value().map_err(wrong)?;
                let seconds = word.to_str().and_then(|word| word.parse::<f64>().ok());
                interval = seconds
                    .filter(|seconds| (0.01..=86400.0).contains(seconds))
                    .map(Duration::from_secs_f64)
                    .ok_or_else(|| Failure::usage("watch", "--interval: expected seconds, from 0.01 to 86400"))?;
            }
            Long("color") => color = args.value().map_err(wrong)?,
            Value(word) if target.is_none() => target = Some(Target::parse("watch", &word)?),
            other => return Err(wrong(other.unexpected())),
        }
    }
    let palette = Palette::from_option("watch", &color)?;
    let Some(target) = target else {
        return Err(Failure::usage("watch", "a process to watch is missing"));
    };
    let mut before = target.one()?;
    let pid = before.pid;
    let born = born(pid);
    let started = Instant::now();
    let mut page = Page::new(palette);
    table::process(&mut page, &before);
    say(&page.into_text())?;
    loop {
        thread::sleep(interval);
        let now = match status::read(pid) {
            // Another process may have the id by now; and one that nobody has waited for is there, and runs nothing.
            Ok(now) if self::born(pid) == born && live(&now).next().is_some() => now,
            Ok(_) | Err(Error::NoProcess { .. }) => {
                return say(&format!("{} process {pid} has ended\n", stamp(started)));
            }
            Err(error) => return Err(error.into()),
        };
        let mut page = Page::new(palette);
        for change in changes(&before, &now) {
            page.text(Color::Plain, 10, &format!("{} {change}", stamp(started)));
        }
        say(&page.into_text())?;
        before = now;
    }
}

fn stamp(started: Instant) -> String {
    format!("{:>8}", format!("+{:.1}s", started.elapsed().as_secs_f64()))
}

/// When a process began, which tells it from a later one with its id.
fn born(pid: i32) -> Option<u64> {
    Stat::parse(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)?.start_time
}

/// One text for all threads that change in the same way.
fn changes(before: &Process, now: &Process) -> Vec<String> {
    let mut by_text: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for thread in &now.threads {
        let text = match before.threads.iter().find(|old| old.tid == thread.tid) {
            Some(old) if old.kind != thread.kind && thread.kind == Kind::Exited => "exited".into(),
            Some(old) => fields(&old.credentials, &thread.credentials),
            None if !now.is_same_as_reference(thread) => {
                format!("new, and holds something else: {}", thread.credentials)
            }
            None => String::new(),
        };
        if !text.is_empty() {
            by_text.entry(text).or_default().push(thread.tid);
        }
    }
    let mut out = Vec::new();
    let (old_name, new_name) = (name_of(before), name_of(now));
    if old_name != new_name {
        out.push(format!("name: {old_name} -> {new_name}"));
    }
    for (text, tids) in by_text {
        let name = |tid: &i32| now.threads.iter().find(|thread| thread.tid == *tid).map(|thread| clean(&thread.name));
        out.push(match &tids[..] {
            [tid] => format!("thread {tid} {}: {text}", name(tid).unwrap_or_default()),
            tids if tids.len() == now.threads.len() => format!("all {} threads: {text}", tids.len()),
            tids => {
                let tids: Vec<String> = tids.iter().map(i32::to_string).collect();
                format!("threads {}: {text}", tids.join(", "))
            }
        });
    }
    out
}

fn fields(old: &Credentials, new: &Credentials) -> String {
    let mut out = String::new();
    let mut change = |name: &str, old: String, new: String| {
        if old != new {
            let separator = if out.is_empty() { "" } else { "; " };
            let _ = write!(out, "{separator}{name} {old} -> {new}");
        }
    };
    change("user", Ids(&old.uids).to_string(), Ids(&new.uids).to_string());
    change("group", Ids(&old.gids).to_string(), Ids(&new.gids).to_string());
    change("groups", group_names(&old.groups), group_names(&new.groups));
    for ((name, old), (_, new)) in old.sets().into_iter().zip(new.sets()) {
        change(name, Set(old).to_string(), Set(new).to_string());
    }
    change("no_new_privs", on_or_off(old.no_new_privs).into(), on_or_off(new.no_new_privs).into());
    out
}
