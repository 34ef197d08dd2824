//! Colours on a terminal, and the options that switch them off.

use std::ffi::OsStr;
use std::fmt::{self, Display};
use std::io::IsTerminal as _;

use crate::failure::Failure;

/// Whether to colour.
#[derive(Clone, Copy)]
pub(crate) struct Palette {
    on: bool,
}

/// What a colour stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Color {
    /// Headings.
    Bold,
    /// What is there, but not of the essence.
    Faint,
    /// As a server should be.
    Good,
    /// Worth a look.
    Warn,
    /// All powerful, or left behind.
    Bad,
    /// As it comes.
    Plain,
}

impl Palette {
    /// `when` is the argument of `--color`. Honours NO_COLOR and TERM=dumb, unless told `always`.
    pub(crate) fn from_option(command: &'static str, when: &OsStr) -> Result<Palette, Failure> {
        let wrong = || Failure::usage(command, "--color: expected auto, always or never");
        Palette::new(when).ok_or_else(wrong)
    }

    fn new(when: &OsStr) -> Option<Palette> {
        let on = match when.to_str()? {
            "always" => true,
            "never" => false,
            "auto" => {
                std::io::stdout().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                    && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
            }
            _ => return None,
        };
        Some(Palette { on })
    }

    /// `text` in that colour.
    pub(crate) fn apply<T: Display>(self, color: Color, text: T) -> Colored<T> {
        Colored { color: if self.on { color } else { Color::Plain }, text }
    }
}

/// A text in a colour. Padding is the caller's, since the colour's own bytes take no columns.
pub(crate) struct Colored<T> {
    color: Color,
    text: T,
}

impl<T: Display> Display for Colored<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = match self.color {
            Color::Plain => return self.text.fmt(f),
            Color::Bold => "1",
            Color::Faint => "2",
            Color::Good => "32",
            Color::Warn => "33",
            Color::Bad => "31",
        };
        write!(f, "\x1b[{code}m{}\x1b[0m", self.text)
    }
}
