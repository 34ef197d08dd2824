//! Files that include files.

#![forbid(unsafe_code)]

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::error::{FileError, FileProblem, StanzaError};
use super::lexer::Source;
use super::limits::{MAX_BYTES, MAX_DEPTH, MAX_FILE};
use super::parser::{Parser, Setting, Step};
use super::place::Place;
use super::trusted_file::{self, Opened, Wrong};
use crate::alloc_util::{OutOfMemory, TryArc, try_push, try_to_vec};

/// A file, as it is named.
type Name = TryArc<Vec<u8>>;

/// What is left to do, the next thing last: a stack, so that includes do not recurse.
enum Work<'t> {
    Open { path: Name, from: Option<Place> },
    Read(Input<'t>),
}

/// A text being read, and what it is part of.
struct Input<'t> {
    source: Source<'t>,
    /// Device and inode: a cycle shows in them, whatever the names.
    id: Option<(u64, u64)>,
    /// The parser's depth where this text is included.
    base: usize,
}

/// Reads a file and all it includes.
pub(super) fn read_file(path: &[u8]) -> Result<Vec<Setting>, StanzaError> {
    let root = Name::try_new(try_to_vec(path)?)?;
    read_all(root.clone(), Work::Open { path: root, from: None })
}

/// The same up to the first error.
pub(super) fn read_file_up_to_error(path: &[u8]) -> (Vec<Setting>, Option<StanzaError>) {
    let mut parser = Parser::default();
    let root = match try_to_vec(path).and_then(Name::try_new) {
        Ok(root) => root,
        Err(error) => return (Vec::new(), Some(error.into())),
    };
    match read_with(&mut parser, Work::Open { path: root.clone(), from: None }) {
        Ok(()) => parser.finish(root).map_or_else(|error| (Vec::new(), Some(error)), |all| (all, None)),
        Err(error) => (parser.into_settings(), Some(error)),
    }
}

/// Reads a text and all it includes.
pub(super) fn read_text(text: &[u8]) -> Result<Vec<Setting>, StanzaError> {
    let name = Name::try_new(Vec::new())?;
    if text.len() > MAX_FILE {
        return Err(of_file(name, None, FileProblem::TooBig));
    }
    let source = Source::new(name.clone(), Cow::Borrowed(text))?;
    read_all(name, Work::Read(Input { source, id: None, base: 0 }))
}

fn read_all(root: Name, first: Work<'_>) -> Result<Vec<Setting>, StanzaError> {
    let mut parser = Parser::default();
    read_with(&mut parser, first)?;
    parser.finish(root)
}

fn read_with(parser: &mut Parser, first: Work<'_>) -> Result<(), StanzaError> {
    let mut todo = Vec::new();
    try_push(&mut todo, first)?;
    let mut looked_at = 0;
    let mut bytes = 0;
    while let Some(work) = todo.pop() {
        match work {
            Work::Open { path, from } => match trusted_file::open(&path, &mut looked_at) {
                Err(Wrong(None, problem)) => return Err(of_file(path, from, problem)),
                Err(Wrong(Some(other), problem)) => return Err(of_file(Name::try_new(other)?, from, problem)),
                Ok(Opened::Directory(_)) if from.is_none() => {
                    return Err(of_file(path, from, FileProblem::IsDirectory));
                }
                Ok(Opened::Directory(names)) => {
                    for name in names.iter().rev() {
                        let path = Name::try_new(trusted_file::joined(&path, name)?)?;
                        try_push(&mut todo, Work::Open { path, from: from.clone() })?;
                    }
                }
                Ok(Opened::File { text, id }) => {
                    bytes += text.len();
                    if bytes > MAX_BYTES {
                        return Err(of_file(path, from, FileProblem::TooMuch));
                    }
                    let chain = cycle(&todo, &path, id)?;
                    if !chain.is_empty() {
                        return Err(of_file(path, from, FileProblem::Cycle(chain)));
                    }
                    let source = Source::new(path, Cow::Owned(text))?;
                    try_push(&mut todo, Work::Read(Input { source, id: Some(id), base: parser.depth() }))?;
                }
            },
            Work::Read(mut input) => {
                if let Step::Include { name, place } = parser.read(&mut input.source, input.base)? {
                    let path = match included(&input.source.name, &name) {
                        Ok(path) => Name::try_new(path?)?,
                        // What is in another block is that block's affair, wherever it comes from.
                        Err(FileProblem::Address) if parser.in_other_block() => {
                            try_push(&mut todo, Work::Read(input))?;
                            continue;
                        }
                        Err(problem) => return Err(of_file(Name::try_new(name)?, Some(place), problem)),
                    };
                    try_push(&mut todo, Work::Read(input))?;
                    if todo.iter().filter(|work| matches!(work, Work::Read(_))).count() >= MAX_DEPTH {
                        return Err(of_file(path, Some(place), FileProblem::TooDeep));
                    }
                    try_push(&mut todo, Work::Open { path, from: Some(place) })?;
                }
            }
        }
    }
    Ok(())
}

fn of_file(path: Name, from: Option<Place>, problem: FileProblem) -> StanzaError {
    StanzaError::File(FileError { path, from, problem })
}

/// The files from the one with that identity on to where it would be included again; none if it is not being read.
fn cycle(todo: &[Work<'_>], name: &Name, id: (u64, u64)) -> Result<Vec<Name>, OutOfMemory> {
    let reading = todo.iter().filter_map(|work| if let Work::Read(input) = work { Some(input) } else { None });
    let mut chain = Vec::new();
    for input in reading.skip_while(|input| input.id != Some(id)) {
        try_push(&mut chain, input.source.name.clone())?;
    }
    if !chain.is_empty() {
        try_push(&mut chain, name.clone())?;
    }
    Ok(chain)
}

/// The path of what `includer` includes: relative to the includer's directory.
fn included(includer: &[u8], name: &[u8]) -> Result<Result<Vec<u8>, OutOfMemory>, FileProblem> {
    let name = match name.windows(3).position(|three| three == b"://") {
        None => name,
        Some(4) if name[..4].eq_ignore_ascii_case(b"file") => &name[7..],
        Some(scheme) if name[..scheme].iter().all(u8::is_ascii_alphanumeric) => return Err(FileProblem::Address),
        Some(_) => name,
    };
    match includer.iter().rposition(|&b| b == b'/') {
        Some(slash) if !name.starts_with(b"/") => Ok(trusted_file::joined(&includer[..=slash], name)),
        _ => Ok(try_to_vec(name)),
    }
}
