//! The command `ec-security`: check a configuration, look at what a process holds, become that and execute a program,
//! explain a capability text. ec-security(8) is its manual.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::process::ExitCode;

use ec_security::apply;
use ec_security::policy::Policy;

#[path = "ec-security/exec.rs"]
mod exec;
#[path = "ec-security/explain.rs"]
mod explain;
#[path = "ec-security/help.rs"]
mod help;
#[path = "ec-security/paint.rs"]
mod paint;
#[path = "ec-security/show.rs"]
mod show;

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

impl Failure {
    pub(crate) fn new(status: u8, text: impl ToString) -> Failure {
        Failure { status, text: Some(text.to_string()), usage: None }
    }

    pub(crate) fn usage(command: &'static str, text: impl ToString) -> Failure {
        Failure { status: USAGE, text: Some(text.to_string()), usage: Some(command) }
    }
}

impl From<ec_security::error::Error> for Failure {
    fn from(error: ec_security::error::Error) -> Failure {
        Failure::new(REFUSED, error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        // Who reads no further has seen enough: `ec-security show | head`.
        let text = (error.kind() != io::ErrorKind::BrokenPipe).then(|| format!("standard output: {error}"));
        Failure { status: REFUSED, text, usage: None }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { status, text, usage }) => {
            let mut err = io::stderr().lock();
            // Nowhere is left to say it if this fails; the exit status still does.
            if let Some(text) = text {
                let _ = writeln!(err, "ec-security: {text}");
            }
            if let Some(command) = usage {
                let space = if command.is_empty() { "" } else { " " };
                let _ = writeln!(err, "Try 'ec-security{space}{command} --help'.");
            }
            ExitCode::from(status)
        }
    }
}

const COMMANDS: [&str; 5] = ["check", "show", "exec", "explain", "help"];

fn run() -> Result<(), Failure> {
    use lexopt::Arg::{Long, Short, Value};
    let mut args = lexopt::Parser::from_env();
    match args.next().map_err(|error| Failure::usage("", error))? {
        Some(Short('h') | Long("help")) => say(help::MAIN),
        Some(Short('V') | Long("version")) => say(concat!("ec-security ", env!("CARGO_PKG_VERSION"), "\n")),
        Some(Value(command)) => match command.as_bytes() {
            b"check" => check(args),
            b"show" => show::run(args),
            b"exec" => exec::run(args),
            b"explain" => explain::run(args),
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
        None => Err(Failure::usage("", "a command is missing: check, show, exec or explain")),
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

/// Where the options of a policy come from: a file first, then the command line, which therefore overrides it.
#[derive(Default)]
pub(crate) struct Source {
    pub(crate) file: Option<OsString>,
    pub(crate) options: Vec<(OsString, OsString)>,
}

impl Source {
    /// Takes the argument of an `-o`.
    pub(crate) fn option(&mut self, command: &'static str, word: &OsStr) -> Result<(), Failure> {
        let bytes = word.as_bytes();
        let Some(at) = bytes.iter().position(|b| *b == b'=').filter(|at| *at > 0) else {
            let word = ec_security::text::Excerpt::new(bytes);
            return Err(Failure::usage(command, format!("-o {word}: expected option=value, such as user=ecuser")));
        };
        let [option, value] = [&bytes[..at], &bytes[at + 1..]].map(|half| OsStr::from_bytes(half.trim_ascii()).into());
        self.options.push((option, value));
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.file.is_none() && self.options.is_empty()
    }

    pub(crate) fn policy(&self) -> Result<Policy, ec_security::error::Error> {
        let mut policy = Policy::new()?;
        if let Some(file) = &self.file {
            policy.load(file.as_bytes())?;
        }
        for (option, value) in &self.options {
            policy.set(option.as_bytes(), Some(value.as_bytes()))?;
        }
        Ok(policy)
    }
}

fn check(mut args: lexopt::Parser) -> Result<(), Failure> {
    use lexopt::Arg::{Long, Short, Value};
    let wrong = |error: lexopt::Error| Failure::usage("check", error);
    let mut source = Source::default();
    let mut quiet = false;
    let mut rehearse = true;
    while let Some(arg) = args.next().map_err(wrong)? {
        match arg {
            Short('h') | Long("help") => return say(help::CHECK),
            Short('o') | Long("option") => source.option("check", &args.value().map_err(wrong)?)?,
            Short('q') | Long("quiet") => quiet = true,
            Short('n') | Long("no-rehearsal") => rehearse = false,
            Short('f') | Long("file") if source.file.is_none() => source.file = Some(args.value().map_err(wrong)?),
            Value(file) if source.file.is_none() => source.file = Some(file),
            other => return Err(wrong(other.unexpected())),
        }
    }
    if source.is_empty() {
        return Err(Failure::usage("check", "nothing to check: give a FILE, or options with -o"));
    }
    let mut policy = source.policy()?;
    if rehearse {
        apply::check(&mut policy)?;
    }
    if quiet {
        return Ok(());
    }
    let what = source.file.as_deref().map_or("options".into(), |file| file.to_string_lossy().into_owned());
    say(&match rehearse {
        true => format!("{what}: ok, would be applied as it is\n"),
        false => format!("{what}: ok as far as reading goes; not rehearsed\n"),
    })
}

/// Those by which a process can take any other: write any file or memory, load code into the kernel, become user 0.
pub(crate) fn as_good_as_root() -> u64 {
    const NAMES: [&str; 12] = [
        "cap_bpf",
        "cap_chown",
        "cap_dac_override",
        "cap_fowner",
        "cap_mac_admin",
        "cap_setfcap",
        "cap_setgid",
        "cap_setuid",
        "cap_sys_admin",
        "cap_sys_module",
        "cap_sys_ptrace",
        "cap_sys_rawio",
    ];
    NAMES
        .iter()
        .filter_map(|name| ec_security::cap_sets::by_name(name.as_bytes()))
        .map(ec_security::cap_sets::bit)
        .sum()
}
