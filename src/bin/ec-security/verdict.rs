//! Whether a process is root, or can become root again, and why.

use ec_security::caps::{self as cap_sets, CapNames};
use ec_security::status::{Credentials, Process, SecurebitNames, Set, Thread};

use crate::cap_meaning::as_good_as_root;
use crate::ids::{user_name, with_name};
use crate::processes::{is_in_other_user_namespace, live};

/// From good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Answer {
    Cannot,
    CanBecome,
    Is,
}

impl Answer {
    /// For people.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Answer::Cannot => "cannot become root again",
            Answer::CanBecome => "can become root again",
            Answer::Is => "is root, or as good as root",
        }
    }

    /// For programs.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Answer::Cannot => "cannot",
            Answer::CanBecome => "can_become",
            Answer::Is => "is",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) answer: Answer,
    /// Why.
    pub(crate) reasons: Vec<String>,
    /// What else counts, or cannot be told.
    pub(crate) notes: Vec<String>,
}

const NOROOT: u32 = 1;
const KEEP_CAPS: u32 = 1 << 4;

/// The verdict on a process is that on its worst thread: threads share their memory, so that each can have any other do
/// what it likes.
pub(crate) fn of(process: &Process) -> Verdict {
    let mut judged: Vec<(&Thread, Verdict)> = Vec::new();
    for thread in live(process) {
        if judged.iter().all(|(seen, _)| seen.credentials != thread.credentials) {
            let securebits = process.caller.filter(|(tid, _)| *tid == thread.tid).map(|(_, bits)| bits);
            judged.push((thread, of_thread(&thread.credentials, securebits)));
        }
    }
    let answer = judged.iter().map(|(_, verdict)| verdict.answer).max().unwrap_or(Answer::Cannot);
    let mut all = Verdict { answer, reasons: Vec::new(), notes: Vec::new() };
    if judged.is_empty() {
        all.notes.push("every thread has exited".into());
    }
    for (thread, verdict) in judged {
        for reason in verdict.reasons {
            // What is said of one thread is not said again of another.
            if verdict.answer == answer && all.reasons.iter().all(|said| !said.ends_with(&reason)) {
                let is_odd = !process.is_same_as_reference(thread);
                all.reasons.push(if is_odd { format!("thread {}: {reason}", thread.tid) } else { reason });
            }
        }
        for note in verdict.notes {
            if !all.notes.contains(&note) {
                all.notes.push(note);
            }
        }
    }
    if is_in_other_user_namespace(process) {
        all.notes.insert(0, "it is in another user namespace: all this is valid only there".into());
    }
    all
}

fn of_thread(held: &Credentials, securebits: Option<u32>) -> Verdict {
    let mut reasons: Vec<(Answer, String)> = Vec::new();
    let mut notes = Vec::new();
    let [real, effective, saved, file_system] = held.uids;
    let caps = held.caps.permitted | held.caps.effective;
    let great = caps & as_good_as_root();
    if effective == 0 || file_system == 0 {
        let which = if effective == 0 { "effective" } else { "file-system" };
        let text = format!("the {which} user id is 0: files that belong to root are its own");
        reasons.push((Answer::Is, text));
    }
    if great != 0 {
        let raise = if held.caps.effective & great == 0 { ", not effective until it raises it" } else { "" };
        let text = match great == as_good_as_root() {
            true => format!("holds {}{raise}: every capability that leads to all others is among them", Set(caps)),
            false => format!("holds {}{raise}: each leads to all others", CapNames(great)),
        };
        reasons.push((Answer::Is, text));
    }
    if effective != 0 && (real == 0 || saved == 0) {
        let which = match (real, saved) {
            (0, 0) => "real and saved user ids are",
            (0, _) => "real user id is",
            _ => "saved user id is",
        };
        let text = format!("the {which} 0: setresuid(2) makes it the effective one, and needs no capability for that");
        reasons.push((Answer::CanBecome, text));
    }
    match held.no_new_privs {
        Some(true) => {}
        Some(false) => {
            let gives = match securebits {
                _ if held.bounding == 0 => "user id 0, without capabilities, since the bounding set is empty".into(),
                Some(bits) if bits & NOROOT != 0 => "user id 0, without capabilities, since noroot is set".into(),
                _ => format!("user id 0 and, of the bounding set, {}", Set(held.bounding)),
            };
            let text = format!("no_new_privs is off: a set-user-ID program of root's gives it {gives}");
            reasons.push((Answer::CanBecome, text));
            if held.caps.inheritable & !caps != 0 {
                let set = Set(held.caps.inheritable & !caps);
                notes.push(format!("a program whose file has it inheritable as well gets {set}"));
            }
        }
        None => {
            let text = "this kernel does not tell whether no_new_privs is on: without it, set-user-ID programs give \
                        user id 0";
            reasons.push((Answer::CanBecome, text.into()));
        }
    }
    if caps & cap_sets::by_name(b"cap_setpcap").map_or(0, cap_sets::bit) != 0 {
        notes.push("cap_setpcap lets it change its securebits and add to its inheritable set".into());
    }
    match securebits {
        Some(bits) if bits & KEEP_CAPS != 0 => {
            notes.push("keep_caps is set: it keeps its permitted set when it gives up user id 0".into());
        }
        Some(0) => {}
        Some(bits) => notes.push(format!("securebits: {}", SecurebitNames(bits))),
        None if held.uids.contains(&0) || held.no_new_privs != Some(true) => {
            notes.push("its securebits, noroot among them, are shown to itself only and are not considered".into());
        }
        None => {}
    }
    if held.gids.contains(&0) || held.groups.contains(&0) {
        notes.push("group 0 is among its groups: what that may write is open to it".into());
    }
    let answer = reasons.iter().map(|(answer, _)| *answer).max().unwrap_or(Answer::Cannot);
    // What it can become is of no interest where it is that.
    let mut reasons: Vec<String> =
        reasons.into_iter().filter(|(level, _)| *level == answer).map(|(_, text)| text).collect();
    if answer == Answer::Cannot {
        reasons.push(format!("no user id is 0: it is {}", with_name(effective, user_name)));
        reasons.push(match caps {
            0 => "holds no capability".into(),
            caps => format!("holds no capability that leads to others: {}", Set(caps)),
        });
        reasons.push("no_new_privs is on: no program that it executes gives it more".into());
    }
    Verdict { answer, reasons, notes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ec_security::caps::CapSets;

    fn held(uids: [u32; 4], permitted: u64, no_new_privs: Option<bool>) -> Credentials {
        let caps = CapSets { effective: permitted, permitted, inheritable: 0 };
        Credentials { uids, gids: [7; 4], groups: vec![7], caps, bounding: !0, ambient: 0, no_new_privs }
    }

    #[test]
    fn what_makes_root() {
        const NET_BIND: u64 = 1 << 10;
        const SETUID: u64 = 1 << 7;
        let rows = [
            ([7; 4], 0, Some(true), None, Answer::Cannot, "no user id is 0"),
            ([7; 4], NET_BIND, Some(true), None, Answer::Cannot, "no user id is 0"),
            ([7; 4], 0, Some(false), None, Answer::CanBecome, "no_new_privs is off"),
            ([7; 4], 0, None, None, Answer::CanBecome, "this kernel does not tell"),
            ([7, 7, 0, 7], 0, Some(true), None, Answer::CanBecome, "the saved user id is 0"),
            ([0, 7, 7, 7], 0, Some(true), None, Answer::CanBecome, "the real user id is 0"),
            ([0, 7, 0, 7], 0, Some(true), None, Answer::CanBecome, "the real and saved user ids are 0"),
            ([7, 7, 7, 0], 0, Some(true), None, Answer::Is, "the file-system user id is 0"),
            ([7; 4], SETUID, Some(true), None, Answer::Is, "holds cap_setuid"),
            ([0; 4], 0, Some(true), None, Answer::Is, "the effective user id is 0"),
            ([0; 4], SETUID, Some(false), Some(1), Answer::Is, "the effective user id is 0"),
        ];
        for (uids, permitted, no_new_privs, securebits, answer, reason) in rows {
            let verdict = of_thread(&held(uids, permitted, no_new_privs), securebits);
            assert_eq!(verdict.answer, answer, "{uids:?} {permitted:x} {no_new_privs:?}");
            assert!(verdict.reasons[0].starts_with(reason), "{verdict:?}");
        }
    }

    #[test]
    fn what_a_set_user_id_program_gives() {
        let mut user = held([7; 4], 0, Some(false));
        assert!(of_thread(&user, Some(1)).reasons[0].ends_with("without capabilities, since noroot is set"));
        user.bounding = 0;
        assert!(of_thread(&user, None).reasons[0].ends_with("without capabilities, since the bounding set is empty"));
    }
}
