//! Files that include files.

#![forbid(unsafe_code)]

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::error::{FileProblem, StanzaError};
use super::lexer::Source;
use super::limits::{MAX_BYTES, MAX_DEPTH, MAX_FILE};
use super::parser::{Parser, Setting, Step};
use super::place::Place;
use super::trusted_file::{self, Opened};

/// What is left to do, the next thing last: a stack, so that includes do not recurse.
enum Work<'t> {
    Open { path: Vec<u8>, from: Option<Place> },
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
    read_all(&Arc::from(path), Work::Open { path: path.to_vec(), from: None })
}

/// The same up to the first error.
pub(super) fn read_file_up_to_error(path: &[u8]) -> (Vec<Setting>, Option<StanzaError>) {
    let mut parser = Parser::default();
    match read_with(&mut parser, &Arc::from(path), Work::Open { path: path.to_vec(), from: None }) {
        Ok(()) => parser.finish(&Arc::from(path)).map_or_else(|error| (Vec::new(), Some(error)), |all| (all, None)),
        Err(error) => (parser.into_settings(), Some(error)),
    }
}

/// Reads a text and all it includes.
pub(super) fn read_text(text: &[u8]) -> Result<Vec<Setting>, StanzaError> {
    if text.len() > MAX_FILE {
        return Err(StanzaError::of_file(b"", None, FileProblem::TooBig));
    }
    let name: Arc<[u8]> = Arc::from(&b""[..]);
    let source = Source::new(name.clone(), Cow::Borrowed(text))?;
    read_all(&name, Work::Read(Input { source, id: None, base: 0 }))
}

fn read_all(root: &Arc<[u8]>, first: Work<'_>) -> Result<Vec<Setting>, StanzaError> {
    let mut parser = Parser::default();
    read_with(&mut parser, root, first)?;
    parser.finish(root)
}

fn read_with(parser: &mut Parser, root: &Arc<[u8]>, first: Work<'_>) -> Result<(), StanzaError> {
    let mut todo = Vec::from([first]);
    let mut looked_at = 0;
    let mut bytes = 0;
    while let Some(work) = todo.pop() {
        match work {
            Work::Open { path, from } => match trusted_file::open(&path, &mut looked_at) {
                Err((path, problem)) => return Err(StanzaError::of_file(&path, from, problem)),
                Ok(Opened::Directory(_)) if from.is_none() => {
                    return Err(StanzaError::of_file(&path, from, FileProblem::IsDirectory));
                }
                Ok(Opened::Directory(names)) => {
                    todo.extend(
                        names
                            .into_iter()
                            .rev()
                            .map(|name| Work::Open { path: trusted_file::joined(&path, &name), from: from.clone() }),
                    );
                }
                Ok(Opened::File { text, id }) => {
                    bytes += text.len();
                    if bytes > MAX_BYTES {
                        return Err(StanzaError::of_file(&path, from, FileProblem::TooMuch));
                    }
                    let name: Arc<[u8]> = if from.is_none() { root.clone() } else { Arc::from(path.as_slice()) };
                    if let Some(chain) = cycle(&todo, &name, id) {
                        return Err(StanzaError::of_file(&path, from, FileProblem::Cycle(chain)));
                    }
                    let source = Source::new(name, Cow::Owned(text))?;
                    todo.push(Work::Read(Input { source, id: Some(id), base: parser.depth() }));
                }
            },
            Work::Read(mut input) => {
                if let Step::Include { name, place } = parser.read(&mut input.source, input.base)? {
                    let path = match included(&input.source.name, &name) {
                        Ok(path) => path,
                        // What is in another block is that block's affair, wherever it comes from.
                        Err(FileProblem::Address) if parser.in_other_block() => {
                            todo.push(Work::Read(input));
                            continue;
                        }
                        Err(problem) => return Err(StanzaError::of_file(&name, Some(place), problem)),
                    };
                    todo.push(Work::Read(input));
                    if todo.iter().filter(|work| matches!(work, Work::Read(_))).count() >= MAX_DEPTH {
                        return Err(StanzaError::of_file(&path, Some(place), FileProblem::TooDeep));
                    }
                    todo.push(Work::Open { path, from: Some(place) });
                }
            }
        }
    }
    Ok(())
}

/// The files from the one with that identity on to where it would be included again.
fn cycle(todo: &[Work<'_>], name: &Arc<[u8]>, id: (u64, u64)) -> Option<Vec<Arc<[u8]>>> {
    let reading = todo.iter().filter_map(|work| if let Work::Read(input) = work { Some(input) } else { None });
    let mut chain: Vec<_> =
        reading.skip_while(|input| input.id != Some(id)).map(|input| input.source.name.clone()).collect();
    if chain.is_empty() {
        return None;
    }
    chain.push(name.clone());
    Some(chain)
}

/// The path of what `includer` includes: relative to the includer's directory.
fn included(includer: &[u8], name: &[u8]) -> Result<Vec<u8>, FileProblem> {
    let name = match name.windows(3).position(|three| three == b"://") {
        None => name,
        Some(4) if name[..4].eq_ignore_ascii_case(b"file") => &name[7..],
        Some(scheme) if name[..scheme].iter().all(u8::is_ascii_alphanumeric) => return Err(FileProblem::Address),
        Some(_) => name,
    };
    match includer.iter().rposition(|&b| b == b'/') {
        Some(slash) if !name.starts_with(b"/") => Ok(trusted_file::joined(&includer[..=slash], name)),
        _ => Ok(name.to_vec()),
    }
}
