//! `ec-security exec`: become what a policy says, then execute a program.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use ec_security::cap_sets::CapNames;
use ec_security::status;

use crate::{Failure, Source, help, say};

// As env(1), nohup(1) and setpriv(1)'s relatives have it.
const NOT_EXECUTED: u8 = 125;
const CANNOT_EXECUTE: u8 = 126;
const NOT_FOUND: u8 = 127;

pub(crate) fn run(mut args: lexopt::Parser) -> Result<(), Failure> {
    use lexopt::Arg::{Long, Short, Value};
    // Whoever reads the exit status must be able to tell it from the program's own.
    let ours = |failure: Failure| Failure { status: NOT_EXECUTED, ..failure };
    let wrong = |error: lexopt::Error| ours(Failure::usage("exec", error));
    let mut source = Source::default();
    let mut quiet = false;
    let mut command: Vec<OsString> = Vec::new();
    while let Some(arg) = args.next().map_err(wrong)? {
        match arg {
            Short('h') | Long("help") => return say(help::EXEC),
            Short('f') | Long("file") if source.file.is_none() => source.file = Some(args.value().map_err(wrong)?),
            Short('o') | Long("option") => {
                let word = args.value().map_err(wrong)?;
                source.option("exec", &word).map_err(ours)?;
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
    if source.is_empty() {
        // An empty policy would drop every capability and keep the user: hardly what was meant.
        return Err(ours(Failure::usage("exec", "nothing to become: give a file with -f, or options with -o")));
    }
    let mut policy = source.policy().map_err(|error| ours(error.into()))?;
    policy.apply().map_err(|error| ours(error.into()))?;
    if !quiet {
        warn_of_what_execve_takes();
    }
    let error = Command::new(program).args(arguments).exec();
    let status = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_EXECUTE };
    let reason = match error.raw_os_error() {
        Some(errno) => ec_security::error::Errno(errno).to_string(),
        None => error.to_string(),
    };
    Err(Failure::new(status, format!("{}: {reason}", program.to_string_lossy())))
}

/// A user other than root loses at execve(2) whatever is not ambient (capabilities(7)), which surprises.
fn warn_of_what_execve_takes() {
    // Without /proc, inside a chroot say, there is nothing to be told.
    let Ok(process) = status::read(0) else { return };
    let Some(thread) = process.reference() else { return };
    let holds = &thread.holds;
    let lost = holds.caps.permitted & !holds.ambient;
    if lost == 0 || holds.uids[0] == 0 || holds.uids[1] == 0 {
        return;
    }
    let _ = writeln!(
        io::stderr(),
        "ec-security: warning: {} will be lost on execution, not being ambient; name it in -o ambient=… as well (-q: no warning)",
        CapNames(lost)
    );
}
