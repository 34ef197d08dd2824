//! The reader of the `Security { … }` stanza in a server's configuration file.
//!
//! ```text
//!   file    :=  item*
//!   item    :=  key = value  |  word [name] { item* }  |  include name  |  readonly_include name
//!   value   :=  word  |  "…"  |  '…'  |  ( name* )  |  [ pair* ]
//!   pair    :=  key = value
//!   key, name := word | "…" | '…'
//! ```
//!
//! White space and line ends only separate; `#` starts a comment up to the line's end, `/* … */` is one wherever it stands
//! outside quotes, and does not nest. A quoted string may span lines; there are no escapes, so each kind of quote may hold
//! the other. Keys, scopes' words and `include` are known in any case.
//!
//! A stanza counts where it stands at the top level of the file or of a file included there: a scope named `Security`
//! within another scope is that scope's own affair. A file included inside a `Security` stanza is part of the stanza.
//!
//! Other scopes are stepped over, but not blindly: a brace too few in one of them would hide the stanza that follows.
//! Nothing is taken from a file that others could have written ([`files`]), and no input makes the reader recurse, go
//! twice over a text, or hold more than the bounds below.

use core::fmt;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::cap_sets::nearest;
use crate::error::{Errno, Status, Word, write_escaped};

mod files;

/// Bytes in one file, or in a text.
pub const MAX_FILE: usize = 16 << 20;
/// Bytes in a file and all it includes.
pub const MAX_BYTES: usize = 64 << 20;
/// Files and folders opened, and entries of folders looked at, in one reading.
pub const MAX_FILES: usize = 4096;
/// Files that include one another, the first counted.
pub const MAX_DEPTH: usize = 16;
/// Scopes and arrays within each other, through all files.
pub const MAX_NESTING: usize = 256;
/// Options, and items in lists, in all stanzas together.
pub const MAX_SETTINGS: usize = 1 << 18;

/// A place in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file as it was named, or empty for a text.
    pub file: Arc<[u8]>,
    /// Counted from 1.
    pub line: usize,
    /// Counted in bytes from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", FileName(&self.file), self.line, self.column)
    }
}

/// A file's name for a message.
struct FileName<'a>(&'a [u8]);

impl fmt::Display for FileName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A message has to end before the reader's patience, and before the end of ec_security_last_error(): of a name as
        // long as no file has, the middle is left out.
        const LONGEST: usize = 256;
        match self.0 {
            b"" => f.write_str("(text)"),
            name if name.len() <= LONGEST => write_escaped(f, name),
            name => {
                write_escaped(f, &name[..LONGEST / 2])?;
                f.write_str("…")?;
                write_escaped(f, &name[name.len() - LONGEST / 2..])
            }
        }
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
#[non_exhaustive]
pub enum StanzaError {
    /// Does not follow the grammar.
    #[error(transparent)]
    Syntax(Box<SyntaxError>),
    /// A file cannot be read, or must not be.
    #[error(transparent)]
    File(Box<FileError>),
    /// The file has no `Security` stanza.
    #[error("{}: no Security stanza{}{}", FileName(.file), Nested(.nested), Similar(.similar))]
    NoStanza {
        /// The file as it was named, or empty for a text.
        file: Arc<[u8]>,
        /// The first scope of that name within another scope, if there is one: perhaps a brace is missing before it.
        nested: Option<Place>,
        /// The first scope at the top level whose name is nearly that.
        similar: Option<(Word, Place)>,
    },
}

/// Where a text leaves the grammar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {found}: expected {expected}{}", Within(.within))]
pub struct SyntaxError {
    /// Where. For what is never closed, where it opened.
    pub place: Place,
    /// The offending word.
    pub found: Found,
    /// What would have done.
    pub expected: &'static str,
    /// What is still open around it, and where that opened.
    pub within: Option<(&'static str, Place)>,
}

/// What stands where something else was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// This.
    Word(Word),
    /// Nothing more.
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
#[error("{}{}: {problem}", Includer(.from), FileName(.path))]
pub struct FileError {
    /// The file, or its folder, as it was named.
    pub path: Box<[u8]>,
    /// Where it is included, if it is.
    pub from: Option<Place>,
    /// Why.
    pub problem: FileProblem,
}

/// Why a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileProblem {
    /// A call on it failed.
    #[error("{0}")]
    System(Errno),
    /// A folder where only a file will do.
    #[error("is a folder: expected a file")]
    IsFolder,
    /// A device, a socket, a pipe.
    #[error("is neither a file nor a folder")]
    NotFile,
    /// An address with a scheme.
    #[error("is an address: expected a file or folder of this machine")]
    Address,
    /// Others than root and the caller can write to it.
    #[error("others can write to it (mode {mode:04o}, owner {owner}): chmod go-w")]
    Writable {
        /// Permission bits.
        mode: u32,
        /// User id that owns it.
        owner: u32,
    },
    /// It belongs to somebody who is neither root nor the caller, and who thus can write to it.
    #[error("belongs to another user (mode {mode:04o}, owner {owner}): chown root")]
    Owner {
        /// Permission bits.
        mode: u32,
        /// User id that owns it.
        owner: u32,
    },
    /// More bytes than a file may have.
    #[error("is larger than {MAX_FILE} bytes")]
    TooBig,
    /// More bytes than a file and all it includes may have.
    #[error("makes more than {MAX_BYTES} bytes, with all that was included before")]
    TooMuch,
    /// More files than one reading may open.
    #[error("is one file too many: at most {MAX_FILES} are read")]
    TooMany,
    /// Includes too deep.
    #[error("is included too deep: at most {MAX_DEPTH} files may include one another")]
    TooDeep,
    /// Includes itself, at once or by way of others.
    #[error("includes itself: {}", Chain(.0))]
    Cycle(Vec<Arc<[u8]>>),
}

struct Within<'a>(&'a Option<(&'static str, Place)>);

impl fmt::Display for Within<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((what, place)) => write!(f, "; the {what} was opened at {place}"),
            None => Ok(()),
        }
    }
}

struct Nested<'a>(&'a Option<Place>);

impl fmt::Display for Nested<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(place) => write!(f, " at the top level (the one at {place} is inside another scope)"),
            None => Ok(()),
        }
    }
}

struct Similar<'a>(&'a Option<(Word, Place)>);

impl fmt::Display for Similar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((word, place)) => write!(f, " (is {word} at {place} meant to be one?)"),
            None => Ok(()),
        }
    }
}

struct Includer<'a>(&'a Option<Place>);

impl fmt::Display for Includer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(place) => write!(f, "{place}: include: "),
            None => Ok(()),
        }
    }
}

struct Chain<'a>(&'a [Arc<[u8]>]);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, file) in self.0.iter().enumerate() {
            write!(f, "{}{}", if nth == 0 { "" } else { " -> " }, FileName(file))?;
        }
        Ok(())
    }
}

impl StanzaError {
    /// The number the C interface returns for it.
    pub fn status(&self) -> Status {
        match self {
            StanzaError::Syntax(_) => Status::Syntax,
            StanzaError::File(error) => match error.problem {
                FileProblem::System(Errno(libc::ENOMEM | libc::EMFILE | libc::ENFILE)) => Status::Resource,
                _ => Status::File,
            },
            StanzaError::NoStanza { .. } => Status::NoStanza,
        }
    }
}

/// Reads a file and all it includes.
pub fn load(path: &[u8]) -> Result<Vec<Setting>, StanzaError> {
    let name = Arc::from(path);
    read_all(&name, Work::Open { path: path.to_vec(), from: None })
}

/// Reads a text; what it includes is looked for in the working directory.
pub fn parse(text: &[u8]) -> Result<Vec<Setting>, StanzaError> {
    let name: Arc<[u8]> = Arc::from(&b""[..]);
    if text.len() > MAX_FILE {
        return Err(unusable(b"", None, FileProblem::TooBig));
    }
    read_all(&name, Work::Read(Source::new(name.clone(), None, Cow::Borrowed(text), 0)?))
}

fn unusable(path: &[u8], from: Option<Place>, problem: FileProblem) -> StanzaError {
    StanzaError::File(Box::new(FileError { path: Box::from(path), from, problem }))
}

// ---- files that include files ---------------------------------------------------------------------------------------

/// What is left to do, the next thing last: a stack, so that includes do not recurse.
enum Work<'t> {
    Open { path: Vec<u8>, from: Option<Place> },
    Read(Source<'t>),
}

/// A text being read.
struct Source<'t> {
    name: Arc<[u8]>,
    /// Device and inode, by which a cycle shows whatever the names.
    id: Option<(u64, u64)>,
    text: Cow<'t, [u8]>,
    /// The next byte to look at.
    at: usize,
    lines: Lines,
    /// How many scopes were open where this text is included: those are not its to close.
    base: usize,
}

/// A pause or the end in a text.
enum Step {
    Include { name: Vec<u8>, place: Place },
    Done,
}

fn read_all(root: &Arc<[u8]>, first: Work<'_>) -> Result<Vec<Setting>, StanzaError> {
    let mut reader = Reader::default();
    let mut todo = Vec::from([first]);
    let mut looked_at = 0;
    let mut bytes = 0;
    while let Some(work) = todo.pop() {
        match work {
            Work::Open { path, from } => match files::open(&path, &mut looked_at) {
                Err((path, problem)) => return Err(unusable(&path, from, problem)),
                Ok(files::Opened::Folder(_)) if from.is_none() => {
                    return Err(unusable(&path, from, FileProblem::IsFolder));
                }
                Ok(files::Opened::Folder(names)) => {
                    todo.extend(
                        names
                            .into_iter()
                            .rev()
                            .map(|name| Work::Open { path: files::joined(&path, &name), from: from.clone() }),
                    );
                }
                Ok(files::Opened::File { text, id }) => {
                    bytes += text.len();
                    if bytes > MAX_BYTES {
                        return Err(unusable(&path, from, FileProblem::TooMuch));
                    }
                    let name: Arc<[u8]> = if from.is_none() { root.clone() } else { Arc::from(path.as_slice()) };
                    if let Some(chain) = cycle(&todo, &name, id) {
                        return Err(unusable(&path, from, FileProblem::Cycle(chain)));
                    }
                    todo.push(Work::Read(Source::new(name, Some(id), Cow::Owned(text), reader.open.len())?));
                }
            },
            Work::Read(mut source) => {
                if let Step::Include { name, place } = reader.read(&mut source)? {
                    let path = included(&source.name, &name).map_err(|p| unusable(&name, Some(place.clone()), p))?;
                    todo.push(Work::Read(source));
                    if todo.iter().filter(|work| matches!(work, Work::Read(_))).count() >= MAX_DEPTH {
                        return Err(unusable(&path, Some(place), FileProblem::TooDeep));
                    }
                    todo.push(Work::Open { path, from: Some(place) });
                }
            }
        }
    }
    if reader.found {
        Ok(reader.settings)
    } else {
        Err(StanzaError::NoStanza { file: root.clone(), nested: reader.nested, similar: reader.similar })
    }
}

/// The files from the one with that identity on to where it would be included again.
fn cycle(todo: &[Work<'_>], name: &Arc<[u8]>, id: (u64, u64)) -> Option<Vec<Arc<[u8]>>> {
    let reading = todo.iter().filter_map(|work| if let Work::Read(source) = work { Some(source) } else { None });
    let mut chain: Vec<_> =
        reading.skip_while(|source| source.id != Some(id)).map(|source| source.name.clone()).collect();
    if chain.is_empty() {
        return None;
    }
    chain.push(name.clone());
    Some(chain)
}

/// The path of what `includer` includes: relative to the includer's folder.
fn included(includer: &[u8], name: &[u8]) -> Result<Vec<u8>, FileProblem> {
    let name = match name.windows(3).position(|three| three == b"://") {
        None => name,
        Some(4) if name[..4].eq_ignore_ascii_case(b"file") => &name[7..],
        Some(scheme) if name[..scheme].iter().all(u8::is_ascii_alphanumeric) => return Err(FileProblem::Address),
        Some(_) => name,
    };
    match includer.iter().rposition(|&b| b == b'/') {
        Some(slash) if !name.starts_with(b"/") => Ok(files::joined(&includer[..=slash], name)),
        _ => Ok(name.to_vec()),
    }
}

impl<'t> Source<'t> {
    fn new(
        name: Arc<[u8]>,
        id: Option<(u64, u64)>,
        text: Cow<'t, [u8]>,
        base: usize,
    ) -> Result<Source<'t>, StanzaError> {
        // The mark some editors put first is no part of the text, and is not seen in the column either.
        let at = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let mut source = Source { name, id, text, at, lines: Lines { at, line: 1, start: at }, base };
        // A reader in C would stop at a NUL and act on half a file.
        match source.text.iter().position(|&b| b == 0) {
            Some(nul) => Err(source.wrong(nul, Found::Word(Word::new(b"\0")), "text (binary, or in UTF-16?)", None)),
            None => Ok(source),
        }
    }

    fn place(&mut self, at: usize) -> Place {
        let (line, column) = self.lines.find(&self.text, at);
        Place { file: self.name.clone(), line, column }
    }

    fn wrong(
        &mut self,
        at: usize,
        found: Found,
        expected: &'static str,
        within: Option<(&'static str, usize)>,
    ) -> StanzaError {
        let within = within.map(|(what, at)| (what, self.place(at)));
        StanzaError::Syntax(Box::new(SyntaxError { place: self.place(at), found, expected, within }))
    }
}

/// Lines counted as far as they were asked for, so that asking for places in order goes over the text once.
struct Lines {
    at: usize,
    line: usize,
    start: usize,
}

impl Lines {
    fn find(&mut self, text: &[u8], at: usize) -> (usize, usize) {
        if at < self.at {
            // Only errors look back, and there is one error.
            let start = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
            *self = Lines { at: start, line: 1, start };
        }
        for (nth, &byte) in text[self.at..at].iter().enumerate() {
            if byte == b'\n' {
                self.line += 1;
                self.start = self.at + nth + 1;
            }
        }
        self.at = at;
        (self.line, at - self.start + 1)
    }
}

// ---- tokens ---------------------------------------------------------------------------------------------------------

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Space,
    Word,
    Slash,
    Hash,
    Quote,
    Sign,
    Control,
}

static CLASS: [Class; 256] = {
    let mut class = [Class::Word; 256];
    let mut b = 0;
    while b < 256 {
        class[b] = match b as u8 {
            b' ' | b'\t'..=b'\r' => Class::Space,
            b'#' => Class::Hash,
            b'/' => Class::Slash,
            b'"' | b'\'' => Class::Quote,
            b'=' | b'{' | b'}' | b'(' | b')' | b'[' | b']' => Class::Sign,
            0..=0x1f | 0x7f => Class::Control,
            _ => Class::Word,
        };
        b += 1;
    }
    class
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    /// The token's span includes the quotes.
    Quoted,
    /// One of `= { } ( ) [ ]`.
    Sign(u8),
    End,
}

#[derive(Clone, Copy)]
struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

impl Token {
    fn is_name(self) -> bool {
        matches!(self.kind, Kind::Word | Kind::Quoted)
    }
}

/// Why there is no token, where, and what would have done.
struct NoToken(usize, usize, &'static str);

/// The next token of `text` at or after `at`. Looks at each byte once: what ends a token is either part of it or the first
/// of the next one.
fn next_token(text: &[u8], mut at: usize) -> Result<Token, NoToken> {
    let from = |at: usize, byte: u8| text[at..].iter().position(|&b| b == byte).map(|n| at + n);
    loop {
        let Some(&byte) = text.get(at) else { return Ok(Token { kind: Kind::End, start: at, end: at }) };
        match CLASS[usize::from(byte)] {
            Class::Space => at += 1,
            Class::Hash => at = from(at, b'\n').unwrap_or(text.len()),
            Class::Slash if text.get(at + 1) == Some(&b'*') => {
                let mut star = at + 2;
                at = loop {
                    match from(star, b'*') {
                        Some(s) if text.get(s + 1) == Some(&b'/') => break s + 2,
                        Some(s) => star = s + 1,
                        None => return Err(NoToken(at, at + 2, "*/ before the end of the file")),
                    }
                };
            }
            Class::Word | Class::Slash => {
                let mut end = at + 1;
                while let Some(&byte) = text.get(end) {
                    match CLASS[usize::from(byte)] {
                        Class::Word => end += 1,
                        Class::Slash if text.get(end + 1) != Some(&b'*') => end += 1,
                        _ => break,
                    }
                }
                return Ok(Token { kind: Kind::Word, start: at, end });
            }
            Class::Quote => {
                let expected = match byte {
                    b'"' => "a closing \" before the end of the file",
                    _ => "a closing ' before the end of the file",
                };
                let end = from(at + 1, byte).ok_or(NoToken(at, text.len(), expected))?;
                return Ok(Token { kind: Kind::Quoted, start: at, end: end + 1 });
            }
            Class::Sign => return Ok(Token { kind: Kind::Sign(byte), start: at, end: at + 1 }),
            Class::Control => return Err(NoToken(at, at + 1, "a printable character, or quotes round it")),
        }
    }
}

impl Source<'_> {
    fn next(&mut self) -> Result<Token, StanzaError> {
        match next_token(&self.text, self.at) {
            Ok(token) => {
                self.at = token.end;
                Ok(token)
            }
            Err(NoToken(start, end, expected)) => {
                let found = Found::Word(Word::new(&self.text[start..end]));
                Err(self.wrong(start, found, expected, None))
            }
        }
    }

    /// What the token says, quotes taken off.
    fn said(&self, token: Token) -> &[u8] {
        match token.kind {
            Kind::Quoted => &self.text[token.start + 1..token.end - 1],
            _ => &self.text[token.start..token.end],
        }
    }

    fn copied(&self, token: Token) -> Result<Vec<u8>, StanzaError> {
        let said = self.said(token);
        let mut copy = Vec::new();
        copy.try_reserve_exact(said.len()).map_err(|_| self.out_of_memory())?;
        copy.extend_from_slice(said);
        Ok(copy)
    }

    fn out_of_memory(&self) -> StanzaError {
        unusable(&self.name, None, FileProblem::System(Errno(libc::ENOMEM)))
    }

    fn unexpected(
        &mut self,
        token: Token,
        expected: &'static str,
        within: Option<(&'static str, usize)>,
    ) -> StanzaError {
        let found = match token.kind {
            Kind::End => Found::End,
            _ => Found::Word(Word::new(self.said(token))),
        };
        self.wrong(token.start, found, expected, within)
    }

    /// Something left open at the end: the place to look at is where it opened.
    fn unclosed(&mut self, at: usize, expected: &'static str) -> StanzaError {
        let found = Found::Word(Word::new(&self.text[at..at + 1]));
        self.wrong(at, found, expected, None)
    }
}

// ---- grammar --------------------------------------------------------------------------------------------------------

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// The `Security` stanza.
    Stanza,
    /// Any other scope.
    Scope,
    Array,
}

impl What {
    const fn name(self) -> &'static str {
        match self {
            What::Stanza => "Security stanza",
            What::Scope => "scope",
            What::Array => "array",
        }
    }
}

/// Something open, and where in its own text.
#[derive(Clone, Copy)]
struct Open {
    what: What,
    at: usize,
}

fn is_nearly_security(word: &[u8]) -> bool {
    nearest(word, ["security"].into_iter()).is_some()
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    settings: Vec<Setting>,
    /// Settings and list items so far.
    kept: usize,
    found: bool,
    nested: Option<Place>,
    similar: Option<(Word, Place)>,
}

impl Reader {
    /// Reads on, to the next include or to the end.
    fn read(&mut self, source: &mut Source<'_>) -> Result<Step, StanzaError> {
        loop {
            let inside = self.open.last().map(|open| open.what);
            let token = source.next()?;
            match (token.kind, inside) {
                (Kind::Word | Kind::Quoted, Some(What::Array)) => {
                    let equals = source.next()?;
                    if equals.kind != Kind::Sign(b'=') {
                        return Err(source.unexpected(equals, "= and a value", self.within(source)));
                    }
                    self.step_over_value(source)?;
                }
                (Kind::Word, _) => {
                    if let Some(step) = self.item(source, token, inside)? {
                        return Ok(step);
                    }
                }
                (Kind::Quoted, _) => {
                    if source.next()?.kind != Kind::Sign(b'=') {
                        return Err(source.unexpected(
                            token,
                            "an option, or = after a quoted name",
                            self.within(source),
                        ));
                    }
                    self.option(source, token, inside)?;
                }
                (Kind::Sign(b'}'), Some(What::Stanza | What::Scope)) | (Kind::Sign(b']'), Some(What::Array))
                    if self.open.len() > source.base =>
                {
                    self.open.pop();
                }
                (Kind::End, _) if self.open.len() == source.base => return Ok(Step::Done),
                (Kind::End, Some(What::Array)) => {
                    return Err(source.unclosed(self.open[self.open.len() - 1].at, "] before the end of the file"));
                }
                (Kind::End, _) => {
                    return Err(source.unclosed(self.open[self.open.len() - 1].at, "} before the end of the file"));
                }
                (Kind::Sign(_), _) => {
                    let expected = match inside {
                        _ if token.kind == Kind::Sign(b'=') => {
                            "a name before it (or, for a value that holds =, quotes round it)"
                        }
                        _ if self.open.len() == source.base => "an option, a scope, include or the end of the file",
                        Some(What::Stanza) => "an option, include or }",
                        Some(What::Array) => "a key or ]",
                        _ => "an option, a scope, include or }",
                    };
                    return Err(source.unexpected(token, expected, self.within(source)));
                }
            }
        }
    }

    /// What is open in this text, for a message.
    fn within(&self, source: &Source<'_>) -> Option<(&'static str, usize)> {
        self.open[source.base..].last().map(|open| (open.what.name(), open.at))
    }

    /// After a bare word that is neither in an array nor in a list.
    fn item(
        &mut self,
        source: &mut Source<'_>,
        word: Token,
        inside: Option<What>,
    ) -> Result<Option<Step>, StanzaError> {
        let said = source.said(word);
        if said.eq_ignore_ascii_case(b"include") || said.eq_ignore_ascii_case(b"readonly_include") {
            let file = source.next()?;
            if !file.is_name() || source.said(file).is_empty() {
                return Err(source.unexpected(file, "the name of a file or folder to include", self.within(source)));
            }
            return Ok(Some(Step::Include { name: source.said(file).to_vec(), place: source.place(file.start) }));
        }
        let named_security = said.eq_ignore_ascii_case(b"security");
        let stanza = named_security && inside.is_none();
        let mut next = source.next()?;
        if stanza && next.kind != Kind::Sign(b'{') {
            return Err(source.unexpected(next, "{ (the Security stanza has no name and no value)", None));
        }
        if inside == Some(What::Stanza) && next.kind != Kind::Sign(b'=') {
            // The word itself is the offender: what follows it is the next option, or the end.
            let expected = match next.kind {
                Kind::Sign(b'{') => "an option (a Security stanza holds no scopes)",
                _ => "= and a value after it (or, for a value of several words, quotes round them all)",
            };
            return Err(source.unexpected(word, expected, self.within(source)));
        }
        if next.is_name() {
            next = source.next()?;
            if next.kind != Kind::Sign(b'{') {
                let expected = "{ after a scope's name (or is a = missing before it?)";
                return Err(source.unexpected(next, expected, self.within(source)));
            }
        }
        match next.kind {
            Kind::Sign(b'=') => self.option(source, word, inside)?,
            Kind::Sign(b'{') => {
                if stanza {
                    self.found = true;
                } else if named_security && self.nested.is_none() {
                    self.nested = Some(source.place(word.start));
                } else if inside.is_none() && self.similar.is_none() && is_nearly_security(source.said(word)) {
                    self.similar = Some((Word::new(source.said(word)), source.place(word.start)));
                }
                self.enter(source, if stanza { What::Stanza } else { What::Scope }, next)?;
            }
            _ => return Err(source.unexpected(next, "= and a value, or { and a scope", self.within(source))),
        }
        Ok(None)
    }

    fn enter(&mut self, source: &mut Source<'_>, what: What, opener: Token) -> Result<(), StanzaError> {
        if self.open.len() == MAX_NESTING {
            return Err(source.unexpected(opener, "at most 256 scopes and arrays within each other", None));
        }
        self.open.push(Open { what, at: opener.start });
        Ok(())
    }

    /// After `key =` in a scope.
    fn option(&mut self, source: &mut Source<'_>, key: Token, inside: Option<What>) -> Result<(), StanzaError> {
        if inside != Some(What::Stanza) {
            return self.step_over_value(source);
        }
        self.keep(source, key)?;
        let key_place = source.place(key.start);
        let key = source.copied(key)?;
        let first = source.next()?;
        let value_place = source.place(first.start);
        let value = match first.kind {
            Kind::Word | Kind::Quoted => Value::One(source.copied(first)?),
            Kind::Sign(b'(') => {
                let mut items = Vec::new();
                while let Some(item) = self.list_item(source, first)? {
                    self.keep(source, item)?;
                    let place = source.place(item.start);
                    items.try_reserve(1).map_err(|_| source.out_of_memory())?;
                    items.push((source.copied(item)?, place));
                }
                Value::List(items)
            }
            _ => return Err(source.unexpected(first, "a word, a quoted string or a list ( … )", self.within(source))),
        };
        self.settings.try_reserve(1).map_err(|_| source.out_of_memory())?;
        self.settings.push(Setting { key, key_place, value, value_place });
        Ok(())
    }

    /// Room for one more option or list item.
    fn keep(&mut self, source: &mut Source<'_>, token: Token) -> Result<(), StanzaError> {
        self.kept += 1;
        if self.kept > MAX_SETTINGS {
            return Err(source.unexpected(token, "at most 262144 options and list items in Security stanzas", None));
        }
        Ok(())
    }

    fn step_over_value(&mut self, source: &mut Source<'_>) -> Result<(), StanzaError> {
        let first = source.next()?;
        match first.kind {
            Kind::Word | Kind::Quoted => Ok(()),
            Kind::Sign(b'(') => {
                while self.list_item(source, first)?.is_some() {}
                Ok(())
            }
            Kind::Sign(b'[') => self.enter(source, What::Array, first),
            _ => {
                let expected = "a word, a quoted string, a list ( … ) or an array [ … ]";
                Err(source.unexpected(first, expected, self.within(source)))
            }
        }
    }

    /// The next item of the list opened by `opener`, or its end.
    fn list_item(&mut self, source: &mut Source<'_>, opener: Token) -> Result<Option<Token>, StanzaError> {
        let item = source.next()?;
        match item.kind {
            Kind::Word | Kind::Quoted => Ok(Some(item)),
            Kind::Sign(b')') => Ok(None),
            Kind::End => Err(source.unclosed(opener.start, ") before the end of the file")),
            Kind::Sign(_) => Err(source.unexpected(item, "a word, a quoted string or )", Some(("list", opener.start)))),
        }
    }
}
