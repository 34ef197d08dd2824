//! The command `ec-security`: checks a configuration, shows what processes hold, applies a policy and executes a program, explains
//! capabilities, converts a unit. ec-security(8) is its manual.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::ExitCode;

mod cap_meaning;
mod check;
mod color;
mod convert;
mod diff;
mod exec;
mod explain;
mod failure;
mod help;
mod ids;
mod json;
mod layout;
mod list;
mod processes;
mod show;
mod source;
mod table;
mod terminal;
mod verdict;
mod watch;

use failure::{Failure, say};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.status)
        }
    }
}

const COMMANDS: [&str; 8] = ["check", "show", "diff", "watch", "exec", "explain", "convert", "help"];

fn run() -> Result<(), Failure> {
    use lexopt::Arg::{Long, Short, Value};
    let mut args = lexopt::Parser::from_env();
    match args.next().map_err(|error| Failure::usage("", error))? {
        Some(Short('h') | Long("help")) => say(help::MAIN),
        Some(Short('V') | Long("version")) => say(concat!("ec-security ", env!("CARGO_PKG_VERSION"), "\n")),
        Some(Value(command)) => match command.as_bytes() {
            b"check" => check::run(args),
            b"show" => show::run(args),
            b"diff" => diff::run(args),
            b"watch" => watch::run(args),
            b"exec" => exec::run(args),
            b"explain" => explain::run(args),
            b"convert" => convert::run(args),
            b"help" => match args.next().map_err(|error| Failure::usage("", error))? {
                None => say(help::MAIN),
                Some(Value(topic)) => match help::of(topic.as_bytes()) {
                    Some(text) => say(text),
                    None => Err(unknown_command(&topic)),
                },
                Some(other) => Err(Failure::usage("", other.unexpected())),
            },
            _ => Err(unknown_command(&command)),
        },
        Some(other) => Err(Failure::usage("", other.unexpected())),
        None => {
            let [others @ .., last, _help] = &COMMANDS;
            Err(Failure::usage("", format!("a command is missing: {} or {last}", others.join(", "))))
        }
    }
}

fn unknown_command(word: &OsStr) -> Failure {
    let word = word.as_bytes();
    let begins = |command: &&str| word.len() >= 2 && command.as_bytes().starts_with(word);
    let near = ec_security::text::nearest(word, COMMANDS.into_iter()).or(COMMANDS.into_iter().find(begins));
    let near = near.map_or(String::new(), |near| format!(" (nearest: {near})"));
    Failure::usage("", format!("unknown command {}{near}", ec_security::text::Excerpt::new(word)))
}
