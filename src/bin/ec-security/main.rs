//! The command `ec-security`: check a configuration, look at what processes hold, become that and execute a program,
//! explain capabilities, convert a unit. ec-security(8) is its manual.

use std::ffi::OsStr;
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::process::ExitCode;

mod cap_meaning;
mod check;
mod color;
mod convert;
mod diff;
mod exec;
mod explain;
mod help;
mod ids;
mod json;
mod layout;
mod list;
mod processes;
mod show;
mod source;
mod table;
mod verdict;
mod watch;

/// What a command ends with: an exit status other than 0, and why. No text means that all has been said.
pub(crate) struct Failure {
    status: u8,
    text: Option<String>,
    /// Whether a pointer to the help is of use.
    usage: Option<&'static str>,
}

/// Not as asked, or refused.
const REFUSED: u8 = 1;
/// The command line makes no sense.
const USAGE: u8 = 2;
/// The answer to the question is yes: the processes differ; one can become root again.
const YES: u8 = 3;

impl Failure {
    pub(crate) fn new(status: u8, text: impl ToString) -> Failure {
        Failure { status, text: Some(text.to_string()), usage: None }
    }

    pub(crate) fn usage(command: &'static str, text: impl ToString) -> Failure {
        Failure { status: USAGE, text: Some(text.to_string()), usage: Some(command) }
    }

    pub(crate) fn silent(status: u8) -> Failure {
        Failure { status, text: None, usage: None }
    }

    fn print(&self) {
        let mut err = io::stderr().lock();
        // Nowhere is left to say it if this fails; the exit status still does.
        if let Some(text) = &self.text {
            let text = format!("ec-security: {text}");
            // In a log, a message is a line.
            let text = if err.is_terminal() { layout::wrap(&text, 0, 2, layout::width()) } else { text };
            let _ = writeln!(err, "{text}");
        }
        if let Some(command) = self.usage {
            let space = if command.is_empty() { "" } else { " " };
            let _ = writeln!(err, "Try 'ec-security{space}{command} --help'.");
        }
    }
}

impl From<ec_security::error::Error> for Failure {
    fn from(error: ec_security::error::Error) -> Failure {
        Failure::new(REFUSED, error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        // A reader that has closed the pipe wants no more: `ec-security show | head`.
        let text = (error.kind() != io::ErrorKind::BrokenPipe).then(|| format!("standard output: {error}"));
        Failure { status: REFUSED, text, usage: None }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            ExitCode::from(failure.status)
        }
    }
}

/// Prints what has failed while the rest went on, and returns what is left to do: to exit.
pub(crate) fn complain(failures: Vec<Failure>) -> Failure {
    failures.iter().for_each(Failure::print);
    Failure::silent(REFUSED)
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

/// Writes to standard output and says so when it cannot.
pub(crate) fn say(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}
