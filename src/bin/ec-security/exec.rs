//! `ec-security exec`: applies a policy, then executes a program.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use caps::CapSet;
use ec_security::apply;
use ec_security::identity::nss;
use ec_security::policy::Policy;
use ec_security::status::Set;
use ec_security::sys;

use crate::failure::{Failure, complain, say};
use crate::help;
use crate::source::Options;

// As env(1), nohup(1) and setpriv(1)'s relatives have it.
const NOT_EXECUTED: u8 = 125;
const CANNOT_EXECUTE: u8 = 126;
const NOT_FOUND: u8 = 127;

pub(crate) fn run(mut args: lexopt::Parser) -> Result<(), Failure> {
    use lexopt::Arg::{Long, Short, Value};
    // The exit status must not be mistaken for the program's own.
    let ours = |failure: Failure| failure.with_status(NOT_EXECUTED);
    let wrong = |error: lexopt::Error| ours(Failure::usage("exec", error));
    let mut file: Option<OsString> = None;
    let mut options = Options::default();
    let mut quiet = false;
    let mut environment = false;
    let mut command: Vec<OsString> = Vec::new();
    while let Some(arg) = args.next().map_err(wrong)? {
        match arg {
            Short('h') | Long("help") => return say(help::EXEC),
            Short('f') | Long("file") if file.is_none() => file = Some(args.value().map_err(wrong)?),
            Short('e') | Long("environment") => environment = true,
            Short('o') | Long("option") => {
                let word = args.value().map_err(wrong)?;
                options.take("exec", &word).map_err(ours)?;
            }
            Short('q') | Long("quiet") => quiet = true,
            Value(program) => {
                command.push(program);
                command.extend(args.raw_args().map_err(wrong)?);
                break;
            }
            other => return Err(wrong(other.unexpected())),
        }
    }
    let Some((program, arguments)) = command.split_first() else {
        return Err(ours(Failure::usage("exec", "a command to execute is missing")));
    };
    if file.is_none() && options.is_empty() {
        // An empty policy would drop every capability and keep the user: hardly what was meant.
        return Err(ours(Failure::usage("exec", "nothing to apply: give a file with -f, or options with -o")));
    }
    let mut policy = options.policy(file.as_deref()).map_err(|errors| {
        let failures = errors.into_iter().map(Failure::from).collect();
        ours(complain(failures))
    })?;
    // What the program is to hold has to be held until then.
    policy.retain_ambient();
    let mut program_to_execute = Command::new(program);
    program_to_execute.args(arguments);
    if environment {
        // Before a change of the root directory, which may have no user database.
        program_to_execute.envs(of_user(&policy).map_err(ours)?);
    }
    apply::apply(&mut policy).map_err(|error| ours(error.into()))?;
    if !quiet {
        warn_of_what_execve_does();
    }
    let error = program_to_execute.exec();
    let status = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_EXECUTE };
    let reason = match error.raw_os_error() {
        Some(errno) => ec_security::text::Errno(errno).to_string(),
        None => error.to_string(),
    };
    let place = if policy.changes_root() { " (in the new root directory)" } else { "" };
    Err(Failure::new(status, format!("{}: {reason}{place}", program.to_string_lossy())))
}

/// What login(1) sets for the user that the policy names, or that this process is.
fn of_user(policy: &Policy) -> Result<[(&'static str, OsString); 4], Failure> {
    let uid = policy.uid().unwrap_or_else(sys::geteuid);
    let login = match nss::login_by_id(uid) {
        Ok(Some(login)) => login,
        Ok(None) => {
            let text = format!("--environment: user id {uid} has no entry in the user database; set HOME by env(1)");
            return Err(Failure::new(NOT_EXECUTED, text));
        }
        Err(_) => {
            let text = format!("--environment: the user database cannot be read for user id {uid}");
            return Err(Failure::new(NOT_EXECUTED, text));
        }
    };
    let text = |text: std::ffi::CString| OsStr::from_bytes(text.as_bytes()).to_owned();
    let or = |text: OsString, default: &str| if text.is_empty() { default.into() } else { text };
    let name = text(login.name);
    // passwd(5): an empty shell is /bin/sh.
    let (home, shell) = (or(text(login.home), "/"), or(text(login.shell), "/bin/sh"));
    Ok([("HOME", home), ("SHELL", shell), ("USER", name.clone()), ("LOGNAME", name)])
}

/// What execve(2) does to the sets of this process, which surprises (capabilities(7), "Transformation of capabilities during
/// execve()"): a user other than root is left with the ambient set, and root gets back what the bounding set still has.
/// Asked of the kernel by the caps crate, which needs no /proc: inside a chroot there may be none.
fn warn_of_what_execve_does() {
    // Whatever cannot be told here is no reason not to execute.
    let (Some(permitted), Some(ambient), Some(bounding), Some(inheritable)) =
        (set(CapSet::Permitted), set(CapSet::Ambient), set(CapSet::Bounding), set(CapSet::Inheritable))
    else {
        return;
    };
    let (Ok(uids), Ok(no_new_privs), Ok(securebits)) = (sys::getresuid(), sys::no_new_privs(), sys::securebits())
    else {
        return;
    };
    let change =
        Change::of(uids[..2].contains(&0), no_new_privs, securebits, [permitted, ambient, bounding, inheritable]);
    let mut err = io::stderr().lock();
    if change.lost != 0 {
        let _ = writeln!(
            err,
            "ec-security: warning: {} will be lost on execution, not being ambient; name it in -o ambient=… as well (-q: no warning)",
            Set(change.lost)
        );
    }
    if change.gained != 0 {
        let _ = writeln!(
            err,
            "ec-security: warning: user 0 gets {} back on execution; use -o bounding=trim, no_new_privs=on or securebits=noroot (-q: no warning)",
            Set(change.gained)
        );
    }
}

/// A set of the calling thread.
fn set(which: CapSet) -> Option<u64> {
    match caps::read(None, which) {
        Ok(set) => Some(set.iter().map(|cap| cap.bitmask()).sum()),
        Err(_) => None,
    }
}

/// What an execution of a file without capabilities of its own takes and gives.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    lost: u64,
    gained: u64,
}

impl Change {
    fn of(
        root: bool,
        no_new_privs: bool,
        securebits: u32,
        [permitted, ambient, bounding, inheritable]: [u64; 4],
    ) -> Change {
        const NOROOT: u32 = 1;
        let mut after = ambient;
        if root && securebits & NOROOT == 0 {
            after |= inheritable | bounding;
            // security/commoncap.c, cap_bprm_creds_from_file
            if no_new_privs {
                after &= permitted;
            }
        }
        Change { lost: permitted & !after, gained: after & !permitted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_execution_changes() {
        let rows = [
            // root, no_new_privs, securebits, permitted, ambient, bounding, inheritable: lost, gained
            ((false, true, 0, [0, 0, 0, 0]), (0, 0)),
            ((false, true, 0, [6, 2, 6, 6]), (4, 0)),
            ((false, false, 0, [6, 6, !0, 6]), (0, 0)),
            ((true, true, 0, [6, 0, !0, 0]), (0, 0)),
            ((true, false, 0, [6, 0, 6, 0]), (0, 0)),
            ((true, false, 0, [6, 0, 7, 8]), (0, 9)),
            ((true, false, 1, [6, 2, 7, 8]), (4, 0)),
            ((true, true, 0, [6, 0, 4, 0]), (2, 0)),
        ];
        for ((root, no_new_privs, securebits, sets), (lost, gained)) in rows {
            let change = Change::of(root, no_new_privs, securebits, sets);
            assert_eq!(change, Change { lost, gained }, "{root} {no_new_privs} {securebits} {sets:?}");
        }
    }
}
