//! Messages and exit statuses of the commands.

use std::io::{self, IsTerminal as _, Write as _};

use crate::terminal::{width, wrap};

/// What a command ends with: an exit status other than 0, and why. No text means that all has been said.
pub(crate) struct Failure {
    pub(crate) status: u8,
    text: Option<String>,
    /// Whether a pointer to the help is of use.
    usage: Option<&'static str>,
}

/// Not as asked, or refused.
pub(crate) const REFUSED: u8 = 1;
/// The command line makes no sense.
const USAGE: u8 = 2;
/// The answer to the question is yes: the processes differ; one can become root again.
pub(crate) const YES: u8 = 3;

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

    pub(crate) fn with_status(self, status: u8) -> Failure {
        Failure { status, ..self }
    }

    pub(crate) fn print(&self) {
        let mut err = io::stderr().lock();
        // Nowhere is left to say it if this fails; the exit status still does.
        if let Some(text) = &self.text {
            let text = format!("ec-security: {text}");
            // In a log, a message is a line.
            let text = if err.is_terminal() { wrap(&text, 0, 2, width()) } else { text };
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

/// Prints what has failed while the rest went on, and returns what is left to do: to exit.
pub(crate) fn complain(failures: Vec<Failure>) -> Failure {
    failures.iter().for_each(Failure::print);
    Failure::silent(REFUSED)
}

/// Writes to standard output and says so when it cannot.
pub(crate) fn say(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}
