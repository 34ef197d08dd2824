//! Colours, where they are wanted.

use std::ffi::OsStr;
use std::fmt::{self, Display};
use std::io::IsTerminal as _;

/// Whether to colour.
#[derive(Clone, Copy)]
pub(crate) struct Paint {
    on: bool,
}

/// What a colour stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
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

impl Paint {
    /// `when` is the argument of `--color`; nothing for any other word. Honours NO_COLOR and TERM=dumb, unless told
    /// `always`.
    pub(crate) fn new(when: &OsStr) -> Option<Paint> {
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
        Some(Paint { on })
    }

    /// `text` in that colour.
    pub(crate) fn ink<T: Display>(self, ink: Ink, text: T) -> Inked<T> {
        Inked { ink: if self.on { ink } else { Ink::Plain }, text }
    }
}

/// A text in a colour. Padding is the caller's, since the colour's own bytes take no room on the screen.
pub(crate) struct Inked<T> {
    ink: Ink,
    text: T,
}

impl<T: Display> Display for Inked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = match self.ink {
            Ink::Plain => return self.text.fmt(f),
            Ink::Bold => "1",
            Ink::Faint => "2",
            Ink::Good => "32",
            Ink::Warn => "33",
            Ink::Bad => "31",
        };
        write!(f, "\x1b[{code}m{}\x1b[0m", self.text)
    }
}
