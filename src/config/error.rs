//! Why a configuration cannot be read.

#![forbid(unsafe_code)]

use core::fmt;

use alloc::vec::Vec;

use super::limits::{MAX_BYTES, MAX_DEPTH, MAX_FILE, MAX_FILES};
use super::place::{FileName, Place};
use crate::alloc_util::{OutOfMemory, TryArc};
use crate::text::Excerpt;
use crate::trusted_path::PathProblem;

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StanzaError {
    /// Does not follow the grammar.
    #[error(transparent)]
    Syntax(SyntaxError),
    /// A file cannot be read, or must not be.
    #[error(transparent)]
    File(FileError),
    /// The file has no `Security` stanza.
    #[error("{}: no Security stanza{}{}", FileName(.file), IfSome(.nested, nested_one), IfSome(.similar, similar_one))]
    NoStanza {
        /// The file as it was named, or empty for a text.
        file: TryArc<Vec<u8>>,
        /// The first block of that name within another block, if there is one: perhaps a brace is missing before it.
        nested: Option<Place>,
        /// The first block at the top level whose name is nearly that.
        similar: Option<(Excerpt, Place)>,
    },
    /// Memory has run out.
    #[error("out of memory")]
    OutOfMemory,
}

impl From<OutOfMemory> for StanzaError {
    fn from(_: OutOfMemory) -> StanzaError {
        StanzaError::OutOfMemory
    }
}

/// Where a text leaves the grammar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {found}: expected {expected}{}", IfSome(.within, still_open))]
pub struct SyntaxError {
    /// Where it stands; for something never closed, where it was opened.
    pub place: Place,
    /// The offending word.
    pub found: Found,
    /// What was expected.
    pub expected: &'static str,
    /// What is still open around it, and where that was opened.
    pub within: Option<(&'static str, Place)>,
}

/// What was found where something else was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// This text.
    Word(Excerpt),
    /// The end of the file.
    End,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Found::Word(word) => fmt::Display::fmt(word, f),
            Found::End => f.write_str("end of file"),
        }
    }
}

/// A file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {problem}", IfSome(.from, includer), FileName(.path))]
pub struct FileError {
    /// The file, or its directory, as it was named.
    pub path: TryArc<Vec<u8>>,
    /// Where it is included, if it is.
    pub from: Option<Place>,
    /// Why.
    pub problem: FileProblem,
}

/// Why a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileProblem {
    /// It cannot be opened, or others decide what it is.
    #[error(transparent)]
    Path(#[from] PathProblem),
    /// A directory where only a file will do.
    #[error("is a directory: expected a file")]
    IsDirectory,
    /// A device, a socket, a pipe.
    #[error("is neither a file nor a directory")]
    NotFile,
    /// An address with a scheme.
    #[error("is an address: expected a file or directory of this machine")]
    Address,
    /// More bytes than a file may have.
    #[error("is larger than {MAX_FILE} bytes")]
    TooBig,
    /// More bytes than a file and all it includes may have.
    #[error("exceeds {MAX_BYTES} bytes together with the files read before it")]
    TooMuch,
    /// More files than one reading may open.
    #[error("exceeds the limit: at most {MAX_FILES} files, directories and entries of directories are read")]
    TooMany,
    /// Includes too deep.
    #[error("is included too deep: at most {MAX_DEPTH} files may include one another")]
    TooDeep,
    /// Includes itself, at once or by way of others.
    #[error("includes itself: {}", Chain(.0))]
    Cycle(Vec<TryArc<Vec<u8>>>),
}

/// Written by the function, where there is something to write.
struct IfSome<'a, T>(&'a Option<T>, fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result);

impl<T> fmt::Display for IfSome<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |value| self.1(value, f))
    }
}

fn still_open((what, place): &(&'static str, Place), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "; the {what} was opened at {place}")
}

fn nested_one(place: &Place, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, " at the top level (the one at {place} is inside another block)")
}

fn similar_one((word, place): &(Excerpt, Place), f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, " (is {word} at {place} meant to be one?)")
}

fn includer(place: &Place, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{place}: include: ")
}

struct Chain<'a>(&'a [TryArc<Vec<u8>>]);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, file) in self.0.iter().enumerate() {
            write!(f, "{}{}", if nth == 0 { "" } else { " -> " }, FileName(file))?;
        }
        Ok(())
    }
}
