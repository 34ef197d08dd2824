//! `show` for one process: a row for each set and id that its threads hold.

use ec_security::status::{Credentials, Kind, Process, SecurebitNames, Set, Thread, on_or_off};

use crate::cap_meaning::as_good_as_root;
use crate::color::Color;
use crate::ids::{group_name, group_names, user_name, with_names};
use crate::layout::Page;
use crate::processes::is_in_other_user_namespace;
use crate::terminal::clean;

/// A process: all threads that hold the same once, then those that differ.
pub(crate) fn process(page: &mut Page, process: &Process) {
    let total = process.threads.len();
    let s = if total == 1 { "" } else { "s" };
    page.heading(&format!("process {}  {}  {total} thread{s}", process.pid, name_of(process)));
    if is_in_other_user_namespace(process) {
        page.text(Color::Warn, 2, "in another user namespace: its capabilities are valid only there");
    }
    threads(page, process);
}

/// The name of a process: its main thread's.
pub(crate) fn name_of(process: &Process) -> String {
    process.threads.first().map(|leader| clean(&leader.name)).unwrap_or_default()
}

/// The blocks below the heading of a process.
pub(crate) fn threads(page: &mut Page, process: &Process) {
    let total = process.threads.len();
    let reference = process.reference().map(|thread| &thread.credentials);
    if let Some(reference) = reference {
        let count = process.count_same();
        if total > 1 {
            page.empty_line();
            page.heading(&match count {
                count if count == total => "all threads hold the same".into(),
                1 => "1 thread".into(),
                count => format!("{count} threads that hold the same"),
            });
        }
        credentials(page, reference, None);
    }
    let mut rest: Vec<&Thread> = process.different().collect();
    while let Some(first) = rest.first().copied() {
        let (same, other): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|thread| (thread.kind, &thread.credentials) == (first.kind, &first.credentials));
        rest = other;
        page.empty_line();
        differing(page, &same, reference);
    }
    if let Some((tid, bits)) = process.caller {
        if total > 1 {
            page.empty_line();
            page.heading(&format!("thread {tid}"));
        }
        page.row("securebits", false, Color::Plain, &SecurebitNames(bits).to_string());
    }
}

/// A block for threads that share a state other than the reference's.
fn differing(page: &mut Page, threads: &[&Thread], reference: Option<&Credentials>) {
    let Some(first) = threads.first() else { return };
    let ids: Vec<String> = threads.iter().map(|thread| format!("{} {}", thread.tid, clean(&thread.name))).collect();
    let (s, differ) = if threads.len() == 1 { ("", "differs") } else { ("s", "differ") };
    let ids = ids.join(", ");
    let (color, text) = match first.kind {
        Kind::Ordinary => (Color::Bad, format!("thread{s} that {differ}: {ids}")),
        Kind::Exited => (Color::Faint, format!("exited: {ids}")),
        Kind::KernelWorker { per_request_credentials: true } => {
            (Color::Faint, format!("kernel worker{s}, taking each request's credentials: {ids}"))
        }
        Kind::KernelWorker { per_request_credentials: false } => {
            (Color::Bad, format!("kernel worker{s}, cannot be changed: {ids}"))
        }
    };
    page.text(color, 2, &text);
    if first.kind != Kind::Exited {
        credentials(page, &first.credentials, reference);
    }
}

/// One row for each thing held; what differs from the reference is marked.
pub(crate) fn credentials(page: &mut Page, held: &Credentials, reference: Option<&Credentials>) {
    // Nothing differs from itself.
    let reference = reference.unwrap_or(held);
    let root = |ids: &[u32; 4]| if ids.contains(&0) { Color::Warn } else { Color::Good };
    page.row("user", reference.uids != held.uids, root(&held.uids), &with_names(&held.uids, user_name));
    page.row("group", reference.gids != held.gids, root(&held.gids), &with_names(&held.gids, group_name));
    let color = if held.groups.contains(&0) { Color::Warn } else { Color::Plain };
    page.row("groups", reference.groups != held.groups, color, &group_names(&held.groups));
    for ((name, set), (_, other)) in held.sets().into_iter().zip(reference.sets()) {
        let color = match set {
            0 => Color::Faint,
            // The bounding set is a limit, and the inheritable set needs a file to go with it.
            set if set & as_good_as_root() != 0 && !matches!(name, "bounding" | "inheritable") => Color::Bad,
            _ => Color::Plain,
        };
        page.row(name, set != other, color, &Set(set).to_string());
    }
    let color = if held.no_new_privs == Some(true) { Color::Good } else { Color::Warn };
    page.row("no_new_privs", reference.no_new_privs != held.no_new_privs, color, on_or_off(held.no_new_privs));
}
