//! Finds the processes that the command line names.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;

use ec_security::caps as cap_sets;
use ec_security::error::Error;
use ec_security::status::{self, Credentials, Kind, Process, Thread};
use ec_security::text::Excerpt;

use crate::failure::{Failure, REFUSED};

/// A process on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Pid(i32),
    /// Every process that is called so, or whose program's file is.
    Name(OsString),
}

impl Target {
    pub(crate) fn parse(command: &'static str, word: &OsStr) -> Result<Target, Failure> {
        let bytes = word.as_bytes();
        if bytes.is_empty() || bytes.iter().all(u8::is_ascii_digit) {
            return match word.to_str().and_then(|word| word.parse::<i32>().ok()) {
                Some(pid) if pid > 0 => Ok(Target::Pid(pid)),
                _ => Err(Failure::usage(command, format!("{} is not a process id, such as 4711", Excerpt::new(bytes)))),
            };
        }
        Ok(Target::Name(word.to_owned()))
    }

    /// The process, where it has to be a single one.
    pub(crate) fn one(&self) -> Result<Process, Failure> {
        match self {
            Target::Pid(pid) => Ok(status::read(*pid)?),
            Target::Name(name) => {
                let mut found = called(name)?;
                match (found.pop(), found.len()) {
                    (Some(process), 0) => Ok(process),
                    (Some(_), others) => {
                        let text = format!("{} processes are called {}: give a process id", others + 1, quoted(name));
                        Err(Failure::new(REFUSED, text))
                    }
                    (None, _) => Err(no_such(name)),
                }
            }
        }
    }
}

fn quoted(name: &OsStr) -> Excerpt {
    Excerpt::new(name.as_bytes())
}

fn no_such(name: &OsStr) -> Failure {
    Failure::new(REFUSED, format!("no process is called {}", quoted(name)))
}

/// What was meant and is there; and what was meant and is not.
pub(crate) fn read_all(targets: &[Target]) -> (Vec<Process>, Vec<Failure>) {
    let mut found: Vec<Process> = Vec::new();
    let mut missing = Vec::new();
    for target in targets {
        let processes = match target {
            Target::Pid(pid) => status::read(*pid).map(|process| vec![process]).map_err(Failure::from),
            Target::Name(name) => called(name).and_then(|it| if it.is_empty() { Err(no_such(name)) } else { Ok(it) }),
        };
        match processes {
            Ok(processes) => {
                for process in processes {
                    if found.iter().all(|seen| seen.pid != process.pid) {
                        found.push(process);
                    }
                }
            }
            Err(failure) => missing.push(failure),
        }
    }
    (found, missing)
}

/// Every process but this one and those of the kernel, in order of their ids; and how many may not be read.
pub(crate) fn every() -> Result<(Vec<Process>, usize), Failure> {
    let mut processes = Vec::new();
    let mut unreadable = 0;
    for pid in pids().map_err(|error| Failure::new(REFUSED, format!("/proc: {error}")))? {
        match status::read(pid) {
            Ok(process) if process.is_kernel_thread => {}
            Ok(process) => processes.push(process),
            // It has ended meanwhile.
            Err(Error::NoProcess { errno, .. }) if errno.0 == libc::ESRCH => {}
            Err(Error::NoProcess { .. }) => unreadable += 1,
            Err(error) => return Err(error.into()),
        }
    }
    Ok((processes, unreadable))
}

fn pids() -> io::Result<Vec<i32>> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let mut pids = Vec::new();
    for entry in fs::read_dir("/proc")? {
        if let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()).filter(|pid| *pid != own) {
            pids.push(pid);
        }
    }
    pids.sort_unstable();
    Ok(pids)
}

fn called(name: &OsStr) -> Result<Vec<Process>, Failure> {
    let (processes, _) = every()?;
    let is_called = |process: &Process| {
        process.threads.first().is_some_and(|leader| leader.name == name.as_bytes())
            // The kernel cuts a thread's name after 15 bytes.
            || fs::read_link(format!("/proc/{}/exe", process.pid))
                .is_ok_and(|program| program.file_name() == Some(name))
    };
    Ok(processes.into_iter().filter(is_called).collect())
}

/// Threads that run something: of the program, or of a kernel worker with credentials of its own.
pub(crate) fn live(process: &Process) -> impl Iterator<Item = &Thread> {
    process.threads.iter().filter(|thread| match thread.kind {
        Kind::Ordinary => true,
        Kind::KernelWorker { per_request_credentials } => !per_request_credentials,
        Kind::Exited => false,
    })
}

/// Threads that hold something else than the process's reference.
pub(crate) fn odd(process: &Process) -> impl Iterator<Item = &Thread> {
    let reference = process.reference().map(|thread| &thread.credentials);
    live(process).filter(move |thread| Some(&thread.credentials) != reference)
}

/// Every capability that a thread has or can raise.
pub(crate) fn held_by(it: &Credentials) -> u64 {
    it.caps.permitted | it.caps.effective | it.ambient
}

/// The same of all threads together.
pub(crate) fn held(process: &Process) -> u64 {
    live(process).fold(0, |held, thread| held | held_by(&thread.credentials))
}

/// Whether some thread has a user id of root's.
pub(crate) fn has_user_0(process: &Process) -> bool {
    live(process).any(|thread| thread.credentials.uids.contains(&0))
}

/// Whether it is in another user namespace than this program, where that can be told.
pub(crate) fn is_in_other_user_namespace(process: &Process) -> bool {
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/user"));
    match (namespace(&process.pid.to_string()), namespace("self")) {
        (Ok(theirs), Ok(ours)) => theirs != ours,
        _ => false,
    }
}

/// A capability by name, with or without `cap_`, or by number.
pub(crate) fn capability(word: &[u8]) -> Option<u8> {
    let lower = word.to_ascii_lowercase();
    cap_sets::by_name(&lower)
        .or_else(|| cap_sets::by_name(&[b"cap_", &lower[..]].concat()))
        .or_else(|| std::str::from_utf8(word).ok()?.parse().ok().filter(|cap| *cap < 64))
}
