//! Tokens to settings.

#![forbid(unsafe_code)]

use alloc::vec::Vec;

use super::error::StanzaError;
use super::lexer::{Mode, Source, Token, TokenKind};
use super::limits::{MAX_NESTING, MAX_SETTINGS};
use super::place::Place;
use crate::alloc_util::{TryArc, try_push};
use crate::text::{Excerpt, nearest};

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

/// Why the parser returns.
pub(super) enum Step {
    Include { name: Vec<u8>, place: Place },
    Done,
}

/// What can be open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ScopeKind {
    /// A `Security` stanza.
    Stanza,
    /// Any other block.
    Block,
    Array,
    List,
}

impl ScopeKind {
    const fn name(self) -> &'static str {
        match self {
            ScopeKind::Stanza => "Security stanza",
            ScopeKind::Block => "block",
            ScopeKind::Array => "array",
            ScopeKind::List => "list",
        }
    }

    const fn closer(self) -> u8 {
        match self {
            ScopeKind::Stanza | ScopeKind::Block => b'}',
            ScopeKind::Array => b']',
            ScopeKind::List => b')',
        }
    }

    /// For what is still open at the end of the file.
    const fn missing(self) -> &'static str {
        match self {
            ScopeKind::Stanza | ScopeKind::Block => "} before the end of the file",
            ScopeKind::Array => "] before the end of the file",
            ScopeKind::List => ") before the end of the file",
        }
    }
}

/// Something open, and where in its own text.
#[derive(Clone, Copy)]
struct Open {
    kind: ScopeKind,
    at: usize,
}

/// How far an item outside of `Security` stanzas has come.
#[derive(Clone, Copy, Default)]
enum Position {
    /// The next token begins one.
    #[default]
    Start,
    /// After its first token or more; whether the next may be a block's name for sure.
    Named { before_name: bool },
    /// After `=`.
    Value,
}

fn is_include(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"include") || word.eq_ignore_ascii_case(b"readonly_include")
}

fn is_security(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"security")
}

fn is_nearly_security(word: &[u8]) -> bool {
    nearest(word, ["security"].into_iter()).is_some()
}

/// Whether a word can be what a block begins with.
fn is_identifier(word: &[u8]) -> bool {
    word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(byte))
}

#[derive(Default)]
pub(super) struct Parser {
    open: Vec<Open>,
    /// How many blocks, arrays and lists were open where the current text is included: those are not its to close.
    base: usize,
    position: Position,
    settings: Vec<Setting>,
    /// Settings and list items so far.
    setting_count: usize,
    found: bool,
    nested: Option<Place>,
    similar: Option<(Excerpt, Place)>,
}

impl Parser {
    /// How many blocks, arrays and lists are open.
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Whether what comes next is neither at the top level nor in a stanza.
    pub(super) fn in_other_block(&self) -> bool {
        self.inside() == Some(ScopeKind::Block)
    }

    /// What all texts came to; `root` is the first one's name.
    pub(super) fn finish(self, root: TryArc<Vec<u8>>) -> Result<Vec<Setting>, StanzaError> {
        if self.found {
            Ok(self.settings)
        } else {
            Err(StanzaError::NoStanza { file: root, nested: self.nested, similar: self.similar })
        }
    }

    /// What was read so far.
    pub(super) fn into_settings(self) -> Vec<Setting> {
        self.settings
    }

    /// Reads on, to the next include or to the end. `base` is the depth where this text is included.
    pub(super) fn read(&mut self, source: &mut Source<'_>, base: usize) -> Result<Step, StanzaError> {
        self.base = base;
        loop {
            let step = match self.inside() {
                Some(ScopeKind::Stanza) => self.stanza(source)?,
                _ => self.skip(source)?,
            };
            if let Some(step) = step {
                return Ok(step);
            }
        }
    }

    fn inside(&self) -> Option<ScopeKind> {
        self.open.last().map(|open| open.kind)
    }

    /// What is open in this text, for a message.
    fn within(&self) -> Option<(&'static str, usize)> {
        self.open[self.base..].last().map(|open| (open.kind.name(), open.at))
    }

    fn enter(&mut self, source: &mut Source<'_>, kind: ScopeKind, opener: Token) -> Result<(), StanzaError> {
        if self.open.len() == MAX_NESTING {
            return Err(source.unexpected(opener, "at most 256 blocks, lists and arrays within each other", None));
        }
        try_push(&mut self.open, Open { kind, at: opener.start })?;
        self.position = Position::Start;
        Ok(())
    }

    /// Closes what `closer` closes; false if that is not what is open in this text.
    fn leave(&mut self, closer: u8) -> bool {
        let fits = self.open[self.base..].last().is_some_and(|open| open.kind.closer() == closer);
        if fits {
            self.open.pop();
            self.position = Position::Start;
        }
        fits
    }

    /// At the end of the text, with something left open.
    fn unclosed(&self, source: &mut Source<'_>) -> StanzaError {
        let open = self.open[self.open.len() - 1];
        source.unclosed(open.at, open.kind.missing())
    }

    /// After `include` or `readonly_include`.
    fn include(&mut self, source: &mut Source<'_>, mode: Mode) -> Result<Step, StanzaError> {
        let file = source.next(mode)?;
        if !file.is_name() || source.text_of(file).is_empty() {
            return Err(source.unexpected(file, "the name of a file or directory to include", self.within()));
        }
        Ok(Step::Include { name: source.copied(file)?, place: source.place(file.start) })
    }

    // ---- outside of Security stanzas ----

    /// Skips whatever is balanced, to the next stanza or include or to the end. At the top level a stanza must be found if it
    /// is one, and nothing taken for one that is none: where that cannot be told, as with a missing `=` before it, that is an
    /// error.
    fn skip(&mut self, source: &mut Source<'_>) -> Result<Option<Step>, StanzaError> {
        let mut inside = self.inside();
        loop {
            let has_items = matches!(inside, None | Some(ScopeKind::Block));
            let mode = match self.position {
                Position::Start | Position::Named { .. } if has_items => Mode::LenientName,
                _ => Mode::Lenient,
            };
            let token = source.next(mode)?;
            let kind = match token.kind {
                TokenKind::Word | TokenKind::Quoted | TokenKind::Pattern => {
                    match self.position {
                        _ if !has_items => continue,
                        Position::Named { .. } if inside.is_some() => continue,
                        Position::Value if inside.is_some() => {
                            self.position = Position::Start;
                            continue;
                        }
                        _ => {}
                    }
                    let step = self.skip_name(source, token, inside.is_none())?;
                    if step.is_some() || self.inside() == Some(ScopeKind::Stanza) {
                        return Ok(step);
                    }
                    continue;
                }
                TokenKind::Punct(b'=') => {
                    self.position = Position::Value;
                    continue;
                }
                TokenKind::Punct(b'{') => ScopeKind::Block,
                TokenKind::Punct(b'[') => {
                    if inside.is_none() {
                        self.note_section(source)?;
                    }
                    ScopeKind::Array
                }
                TokenKind::Punct(b'(') => ScopeKind::List,
                TokenKind::Punct(closer) if self.leave(closer) => {
                    inside = self.inside();
                    continue;
                }
                _ => return self.not_balanced(source, token, inside).map(Some),
            };
            self.enter(source, kind, token)?;
            inside = Some(kind);
        }
    }

    /// At the end of the text, or at what closes nothing.
    fn not_balanced(
        &mut self,
        source: &mut Source<'_>,
        token: Token,
        inside: Option<ScopeKind>,
    ) -> Result<Step, StanzaError> {
        let expected = match (token.kind, inside, self.position) {
            (TokenKind::End, ..) if self.open.len() > self.base => return Err(self.unclosed(source)),
            // An included file ends its own items: what follows the include is not part of them.
            (TokenKind::End, _, Position::Start) => return Ok(Step::Done),
            (TokenKind::End, _, Position::Named { .. }) => "= and a value, or { and a block",
            (TokenKind::End, _, Position::Value) => "a value",
            _ if self.open.len() == self.base => "an option, a block, include or the end of the file",
            (_, Some(ScopeKind::Array), _) => "a key, a value or ]",
            (_, Some(ScopeKind::List), _) => "a word, a quoted string or )",
            _ => "an option, a block, include or }",
        };
        Err(source.unexpected(token, expected, self.within()))
    }

    /// A word, a quoted string or a pattern at the top level or in a block.
    fn skip_name(&mut self, source: &mut Source<'_>, token: Token, is_top: bool) -> Result<Option<Step>, StanzaError> {
        let is_word = token.kind == TokenKind::Word;
        match self.position {
            Position::Start if is_word && is_include(source.text_of(token)) => {
                return self.include(source, Mode::Lenient).map(Some);
            }
            Position::Start if is_word && is_top && is_security(source.text_of(token)) => {
                let Some(brace) = self.brace(source)? else {
                    let next = source.next(Mode::Lenient)?;
                    return Err(source.unexpected(next, "{ (the Security stanza has no name and no value)", None));
                };
                self.enter(source, ScopeKind::Stanza, brace)?;
                self.found = true;
            }
            Position::Start => {
                self.note_similar(source, token, is_top)?;
                let before_name = is_word && is_top && is_identifier(source.text_of(token));
                self.position = Position::Named { before_name };
            }
            position => {
                if is_word && is_top {
                    self.refuse_stray(source, token)?;
                }
                self.position = match position {
                    Position::Value => Position::Start,
                    _ => Position::Named { before_name: false },
                };
            }
        }
        Ok(None)
    }

    /// The brace of the block whose last name was read, if it comes next. An `=` before it means nothing.
    fn brace(&mut self, source: &mut Source<'_>) -> Result<Option<Token>, StanzaError> {
        let before = source.at();
        let mut next = source.next(Mode::Lenient)?;
        if next.kind == TokenKind::Punct(b'=') {
            next = source.next(Mode::Lenient)?;
        }
        if next.kind == TokenKind::Punct(b'{') {
            return Ok(Some(next));
        }
        source.go_back(before);
        Ok(None)
    }

    /// `Security {` and `include` in the middle of an item are errors, unless the word before is what a block begins with and
    /// this is the block's name: perhaps the item before it lacks its `=` or its value.
    fn refuse_stray(&mut self, source: &mut Source<'_>, token: Token) -> Result<(), StanzaError> {
        let expected = match self.position {
            Position::Named { before_name: true } if is_security(source.text_of(token)) => return Ok(()),
            Position::Named { .. } => "= and a value, or { and a block, before this",
            _ => "a value before this (in quotes, if this is one)",
        };
        let before = source.at();
        let is_stray = if is_security(source.text_of(token)) {
            self.brace(source)?.is_some()
        } else {
            matches!(self.position, Position::Named { .. })
                && is_include(source.text_of(token))
                && source.next(Mode::Lenient)?.is_name()
        };
        source.go_back(before);
        if is_stray { Err(source.unexpected(token, expected, None)) } else { Ok(()) }
    }

    /// For the message that there is no stanza: what looks like one.
    fn note_similar(&mut self, source: &mut Source<'_>, token: Token, is_top: bool) -> Result<(), StanzaError> {
        if self.found {
            return Ok(());
        }
        let is_similar = if is_top {
            self.similar.is_none() && is_nearly_security(source.text_of(token))
        } else {
            self.nested.is_none() && is_security(source.text_of(token))
        };
        let before = source.at();
        if is_similar && self.brace(source)?.is_some() {
            source.go_back(before);
            let (word, place) = (Excerpt::new(source.text_of(token)), source.place(token.start));
            if is_top {
                self.similar = Some((word, place));
            } else {
                self.nested = Some(place);
            }
        }
        Ok(())
    }

    /// The same for `[Security]`, as the files of systemd have it.
    fn note_section(&mut self, source: &mut Source<'_>) -> Result<(), StanzaError> {
        if self.found || self.similar.is_some() {
            return Ok(());
        }
        let before = source.at();
        let token = source.next(Mode::Lenient)?;
        if token.kind == TokenKind::Word
            && is_nearly_security(source.text_of(token))
            && source.next(Mode::Lenient)?.kind == TokenKind::Punct(b']')
        {
            self.similar = Some((Excerpt::new(source.text_of(token)), source.place(token.start)));
        }
        source.go_back(before);
        Ok(())
    }

    // ---- in a Security stanza ----

    /// Reads the next option, or the end of the stanza.
    fn stanza(&mut self, source: &mut Source<'_>) -> Result<Option<Step>, StanzaError> {
        let token = source.next(Mode::Strict)?;
        match token.kind {
            TokenKind::Word if is_include(source.text_of(token)) => {
                return self.include(source, Mode::Strict).map(Some);
            }
            TokenKind::Word => {
                let next = source.next(Mode::Strict)?;
                if next.kind != TokenKind::Punct(b'=') {
                    // The word itself is the offender: what follows it is the next option, or the end.
                    let expected = match next.kind {
                        TokenKind::Punct(b'{') => "an option (a Security stanza holds no blocks)",
                        _ => "= and a value after it (or, for a value of several words, quotes round them all)",
                    };
                    return Err(source.unexpected(token, expected, self.within()));
                }
                self.option(source, token)?;
            }
            TokenKind::Quoted => {
                if source.next(Mode::Strict)?.kind != TokenKind::Punct(b'=') {
                    return Err(source.unexpected(token, "an option, or = after a quoted name", self.within()));
                }
                self.option(source, token)?;
            }
            TokenKind::Punct(b'}') if self.leave(b'}') => {}
            TokenKind::End if self.open.len() == self.base => return Ok(Some(Step::Done)),
            TokenKind::End => return Err(self.unclosed(source)),
            TokenKind::Punct(_) | TokenKind::Pattern => {
                let expected = match token.kind {
                    TokenKind::Punct(b'=') => "a name before it (or, for a value that holds =, quotes round it)",
                    _ if self.open.len() == self.base => "an option, include or the end of the file",
                    _ => "an option, include or }",
                };
                return Err(source.unexpected(token, expected, self.within()));
            }
        }
        Ok(None)
    }

    /// After `key =`.
    fn option(&mut self, source: &mut Source<'_>, key: Token) -> Result<(), StanzaError> {
        self.count_setting(source, key)?;
        let key_place = source.place(key.start);
        let key = source.copied(key)?;
        let first = source.next(Mode::Strict)?;
        let value_place = source.place(first.start);
        let value = match first.kind {
            TokenKind::Word | TokenKind::Quoted => Value::One(source.copied(first)?),
            TokenKind::Punct(b'(') => {
                let mut items = Vec::new();
                while let Some(item) = self.list_item(source, first)? {
                    self.count_setting(source, item)?;
                    let place = source.place(item.start);
                    try_push(&mut items, (source.copied(item)?, place))?;
                }
                Value::List(items)
            }
            _ => return Err(source.unexpected(first, "a word, a quoted string or a list ( … )", self.within())),
        };
        try_push(&mut self.settings, Setting { key, key_place, value, value_place })?;
        Ok(())
    }

    /// Counts one more option or list item.
    fn count_setting(&mut self, source: &mut Source<'_>, token: Token) -> Result<(), StanzaError> {
        self.setting_count += 1;
        if self.setting_count > MAX_SETTINGS {
            return Err(source.unexpected(token, "at most 262144 options and list items in Security stanzas", None));
        }
        Ok(())
    }

    /// The next item of the list opened by `opener`, or its end.
    fn list_item(&mut self, source: &mut Source<'_>, opener: Token) -> Result<Option<Token>, StanzaError> {
        let item = source.next(Mode::Strict)?;
        match item.kind {
            TokenKind::Word | TokenKind::Quoted => Ok(Some(item)),
            TokenKind::Punct(b')') => Ok(None),
            TokenKind::End => Err(source.unclosed(opener.start, ScopeKind::List.missing())),
            _ => {
                let within = Some((ScopeKind::List.name(), opener.start));
                Err(source.unexpected(item, "a word, a quoted string or )", within))
            }
        }
    }
}
