//! `show` for many processes: one line for those with the same values.

use ec_security::status::{Credentials, Process, Set};

use crate::color::Color;
use crate::failure::Failure;
use crate::ids::user_name;
use crate::layout::Page;
use crate::processes::{self, Target, has_user_0, held, held_by, is_in_other_user_namespace, odd};
use crate::table::name_of;
use crate::verdict::{Answer, Verdict};

pub(crate) fn color_of(answer: Answer) -> Color {
    match answer {
        Answer::Is => Color::Bad,
        Answer::CanBecome => Color::Warn,
        Answer::Cannot => Color::Good,
    }
}

/// What several processes may have in common.
#[derive(PartialEq, Eq)]
struct Row {
    user: String,
    name: String,
    threads: usize,
    odd: usize,
    text: String,
    color: Color,
}

impl Row {
    fn of(process: &Process, verdict: Option<&Verdict>) -> Row {
        let (color, text) = match verdict {
            Some(verdict) => (color_of(verdict.answer), reason(verdict)),
            None => holds(process),
        };
        Row {
            user: user_of(process),
            name: name_of(process),
            threads: process.threads.len(),
            odd: odd(process).count(),
            text,
            color,
        }
    }
}

fn reason(verdict: &Verdict) -> String {
    let first = || verdict.reasons.first().map(String::as_str).unwrap_or_default();
    match verdict.answer {
        Answer::Cannot => "no".into(),
        Answer::CanBecome => format!("can: {}", first()),
        Answer::Is => format!("is: {}", first()),
    }
}

/// Its effective user: by name if there is one.
fn user_of(process: &Process) -> String {
    let uid = process.reference().or(process.threads.first()).map_or(0, |thread| thread.credentials.uids[1]);
    user_name(uid).unwrap_or_else(|| uid.to_string())
}

/// What the first thread holds, and what odd threads hold beyond that.
fn holds(process: &Process) -> (Color, String) {
    let caps = held(process);
    let color = if caps & crate::cap_meaning::as_good_as_root() != 0 { Color::Bad } else { Color::Plain };
    let first = process.reference().map(|thread| &thread.credentials);
    let mut text = first.map_or_else(|| Set(caps).to_string(), of_thread);
    let odd: Vec<&Credentials> = odd(process).map(|thread| &thread.credentials).collect();
    let more = odd.iter().fold(0, |more, it| more | held_by(it)) & !first.map_or(0, held_by);
    let user_0 = odd.iter().any(|it| it.uids.contains(&0)) && !first.is_some_and(|it| it.uids.contains(&0));
    match (more, user_0) {
        (0, false) => {}
        (0, true) => text.push_str("; an odd thread: user id 0"),
        (more, user_0) => {
            let user = if user_0 { "user id 0, " } else { "" };
            text.push_str(&format!("; an odd thread: {user}{}", Set(more)));
        }
    }
    if is_in_other_user_namespace(process) {
        text.push_str("; in its user namespace");
    }
    (color, text)
}

fn of_thread(it: &Credentials) -> String {
    let caps = held_by(it);
    let mut text = Set(caps).to_string();
    if it.caps.effective != caps {
        text.push_str(&format!("; effective {}", Set(it.caps.effective)));
    }
    if it.caps.inheritable & !caps != 0 {
        text.push_str(&format!("; inheritable {}", Set(it.caps.inheritable & !caps)));
    }
    if it.uids[1] != 0 && it.uids.contains(&0) {
        text.push_str("; a user id 0");
    }
    text
}

/// A line for each; processes of the same name, user and kind share one.
pub(crate) fn summary(page: &mut Page, found: &[(Process, Option<Verdict>)]) {
    let mut rows: Vec<(Row, Vec<i32>)> = Vec::new();
    for (process, verdict) in found {
        let row = Row::of(process, verdict.as_ref());
        match rows.iter_mut().find(|(seen, _)| *seen == row) {
            Some((_, pids)) => pids.push(process.pid),
            None => rows.push((row, vec![process.pid])),
        }
    }
    let last = if found.iter().any(|(_, verdict)| verdict.is_some()) { "ROOT AGAIN" } else { "HOLDS" };
    page.columns(&fixed("PID", "N", "USER", "NAME", "THR", "ODD"), Color::Bold, last);
    for (row, pids) in rows {
        let first = pids.first().map(i32::to_string).unwrap_or_default();
        let odd = if row.odd == 0 { String::new() } else { row.odd.to_string() };
        let count = pids.len().to_string();
        let fixed = fixed(&first, &count, &row.user, &row.name, &row.threads.to_string(), &odd);
        page.columns(&fixed, row.color, &row.text);
    }
}

fn fixed(pid: &str, count: &str, user: &str, name: &str, threads: &str, odd: &str) -> String {
    format!("{pid:>7} {count:>3} {} {} {threads:>4} {odd:>3} ", padded(user, 10), padded(name, 15))
}

/// Cut or filled up to `width` characters.
fn padded(text: &str, width: usize) -> String {
    let mut chars = text.chars();
    let mut out: String = chars.by_ref().take(width).collect();
    if chars.next().is_some() {
        out.pop();
        out.push('+');
    }
    let missing = width.saturating_sub(out.chars().count());
    out.extend(std::iter::repeat_n(' ', missing));
    out
}

/// Processes that hold more than the one that started them; with targets, only what those started, or what these started
/// in turn.
pub(crate) fn children(all: Vec<Process>, targets: &[Target]) -> Result<Vec<Process>, Failure> {
    let (wanted, missing) = processes::read_all(targets);
    if let Some(failure) = missing.into_iter().next() {
        return Err(failure);
    }
    let wanted: Vec<i32> = wanted.iter().map(|process| process.pid).collect();
    let parent_of = |pid: i32| all.iter().find(|process| process.pid == pid).and_then(|process| process.parent);
    let is_wanted = |process: &Process| {
        let mut ancestor = process.parent;
        // A process may end and its id be used again meanwhile: no chain is longer than there are processes.
        for _ in 0..all.len() {
            match ancestor {
                Some(pid) if wanted.contains(&pid) => return true,
                Some(pid) => ancestor = parent_of(pid),
                None => break,
            }
        }
        wanted.is_empty()
    };
    let chosen: Vec<i32> = all
        .iter()
        .filter(|child| is_wanted(child))
        .filter(|child| {
            let parent = child.parent.and_then(|pid| all.iter().find(|process| process.pid == pid));
            parent.is_some_and(|parent| !more(child, parent).is_empty())
        })
        .map(|child| child.pid)
        .collect();
    Ok(all.into_iter().filter(|process| chosen.contains(&process.pid)).collect())
}

/// What a process has that its parent's first thread has not, in words: a thread that was left behind in the parent does not
/// excuse a helper.
fn more(child: &Process, parent: &Process) -> String {
    let Some(parent) = parent.reference().map(|thread| &thread.credentials) else { return String::new() };
    let mut text = Vec::new();
    if has_user_0(child) && !parent.uids.contains(&0) {
        text.push("user id 0".to_owned());
    }
    let caps = held(child) & !held_by(parent);
    if caps != 0 {
        text.push(Set(caps).to_string());
    }
    if !text.is_empty() && is_in_other_user_namespace(child) {
        text.push("in its user namespace".into());
    }
    text.join(", ")
}

pub(crate) fn more_than_parents(page: &mut Page, found: &[(Process, Option<Verdict>)]) {
    let fixed = |pid: &str, user: &str, name: &str, parent: &str| {
        format!("{pid:>7} {} {} {} ", padded(user, 10), padded(name, 15), padded(parent, 22))
    };
    page.columns(&fixed("PID", "USER", "NAME", "PARENT"), Color::Bold, "HAS MORE");
    for (child, _) in found {
        let Some(parent) = child.parent.and_then(|pid| ec_security::status::read(pid).ok()) else { continue };
        let text = more(child, &parent);
        let parent = format!("{} {}", parent.pid, name_of(&parent));
        let fixed = fixed(&child.pid.to_string(), &user_of(child), &name_of(child), &parent);
        page.columns(&fixed, Color::Warn, &text);
    }
}
