//! The reader of the `Security { … }` stanza in a server's configuration file.

use core::fmt;

use alloc::vec::Vec;

use crate::error::{Status, Word};

/// A place in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file as it was named, or empty for a text.
    pub file: Vec<u8>,
    /// Counted from 1.
    pub line: usize,
    /// Counted in bytes from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::error::write_escaped(f, if self.file.is_empty() { b"(text)" } else { &self.file })?;
        write!(f, ":{}:{}", self.line, self.column)
    }
}

/// A value as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A bare word or a quoted string, quotes taken off.
    One(Vec<u8>),
    /// `( a b "c d" )`: each item with its place.
    List(Vec<(Vec<u8>, Place)>),
}

/// One option of a `Security` stanza, in the order of the file, all stanzas and included files in one sequence: later ones
/// override earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The option's name as written.
    pub key: Vec<u8>,
    /// Where the name stands.
    pub key_place: Place,
    /// Its value.
    pub value: Value,
    /// Where the value stands.
    pub value_place: Place,
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StanzaError {
    /// Does not follow the grammar.
    #[error("{place}: {word}: expected {expected}")]
    Syntax {
        /// Where.
        place: Place,
        /// The offending word.
        word: Word,
        /// What would have done.
        expected: &'static str,
    },
    /// The file has no `Security` stanza.
    #[error("{0}: no Security stanza")]
    NoStanza(Place),
}

impl StanzaError {
    /// The number the C interface returns for it.
    pub fn status(&self) -> Status {
        match self {
            StanzaError::Syntax { .. } => Status::Syntax,
            StanzaError::NoStanza(_) => Status::NoStanza,
        }
    }
}

/// Reads a file and all it includes.
pub fn load(path: &[u8]) -> Result<Vec<Setting>, StanzaError> {
    let _ = path;
    Ok(Vec::new())
}

/// Reads a text; what it includes is looked for in the working directory.
pub fn parse(text: &[u8]) -> Result<Vec<Setting>, StanzaError> {
    let _ = text;
    Ok(Vec::new())
}
