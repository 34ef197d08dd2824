//! Tokens to settings.

#![forbid(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::error::StanzaError;
use super::lexer::{Source, Token, TokenKind};
use super::limits::{MAX_NESTING, MAX_SETTINGS};
use super::place::Place;
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum ScopeKind {
    /// A `Security` stanza.
    Stanza,
    /// Any other block.
    Block,
    Array,
}

impl ScopeKind {
    const fn name(self) -> &'static str {
        match self {
            ScopeKind::Stanza => "Security stanza",
            ScopeKind::Block => "scope",
            ScopeKind::Array => "array",
        }
    }
}

/// Something open, and where in its own text.
#[derive(Clone, Copy)]
struct Open {
    kind: ScopeKind,
    at: usize,
}

fn is_nearly_security(word: &[u8]) -> bool {
    nearest(word, ["security"].into_iter()).is_some()
}

#[derive(Default)]
pub(super) struct Parser {
    open: Vec<Open>,
    /// How many scopes were open where the current text is included: those are not its to close.
    base: usize,
    settings: Vec<Setting>,
    /// Settings and list items so far.
    setting_count: usize,
    found: bool,
    nested: Option<Place>,
    similar: Option<(Excerpt, Place)>,
}

impl Parser {
    /// How many scopes are open.
    pub(super) fn depth(&self) -> usize {
        self.open.len()
    }

    /// What all texts came to; `root` is the first one's name.
    pub(super) fn finish(self, root: &Arc<[u8]>) -> Result<Vec<Setting>, StanzaError> {
        if self.found {
            Ok(self.settings)
        } else {
            Err(StanzaError::NoStanza { file: root.clone(), nested: self.nested, similar: self.similar })
        }
    }

    /// Reads on, to the next include or to the end. `base` is the depth where this text is included.
    pub(super) fn read(&mut self, source: &mut Source<'_>, base: usize) -> Result<Step, StanzaError> {
        self.base = base;
        loop {
            let inside = self.open.last().map(|open| open.kind);
            let token = source.next()?;
            match (token.kind, inside) {
                (TokenKind::Word | TokenKind::Quoted, Some(ScopeKind::Array)) => {
                    let equals = source.next()?;
                    if equals.kind != TokenKind::Punct(b'=') {
                        return Err(source.unexpected(equals, "= and a value", self.within()));
                    }
                    self.skip_value(source)?;
                }
                (TokenKind::Word, _) => {
                    if let Some(step) = self.item(source, token, inside)? {
                        return Ok(step);
                    }
                }
                (TokenKind::Quoted, _) => {
                    if source.next()?.kind != TokenKind::Punct(b'=') {
                        return Err(source.unexpected(token, "an option, or = after a quoted name", self.within()));
                    }
                    self.option(source, token, inside)?;
                }
                (TokenKind::Punct(b'}'), Some(ScopeKind::Stanza | ScopeKind::Block))
                | (TokenKind::Punct(b']'), Some(ScopeKind::Array))
                    if self.open.len() > self.base =>
                {
                    self.open.pop();
                }
                (TokenKind::End, _) if self.open.len() == self.base => return Ok(Step::Done),
                (TokenKind::End, Some(ScopeKind::Array)) => {
                    return Err(source.unclosed(self.open[self.open.len() - 1].at, "] before the end of the file"));
                }
                (TokenKind::End, _) => {
                    return Err(source.unclosed(self.open[self.open.len() - 1].at, "} before the end of the file"));
                }
                (TokenKind::Punct(_), _) => {
                    let expected = match inside {
                        _ if token.kind == TokenKind::Punct(b'=') => {
                            "a name before it (or, for a value that holds =, quotes round it)"
                        }
                        _ if self.open.len() == self.base => "an option, a scope, include or the end of the file",
                        Some(ScopeKind::Stanza) => "an option, include or }",
                        Some(ScopeKind::Array) => "a key or ]",
                        _ => "an option, a scope, include or }",
                    };
                    return Err(source.unexpected(token, expected, self.within()));
                }
            }
        }
    }

    /// ScopeKind is open in this text, for a message.
    fn within(&self) -> Option<(&'static str, usize)> {
        self.open[self.base..].last().map(|open| (open.kind.name(), open.at))
    }

    /// After a bare word that is neither in an array nor in a list.
    fn item(
        &mut self,
        source: &mut Source<'_>,
        word: Token,
        inside: Option<ScopeKind>,
    ) -> Result<Option<Step>, StanzaError> {
        let word_text = source.text_of(word);
        if word_text.eq_ignore_ascii_case(b"include") || word_text.eq_ignore_ascii_case(b"readonly_include") {
            let file = source.next()?;
            if !file.is_name() || source.text_of(file).is_empty() {
                return Err(source.unexpected(file, "the name of a file or folder to include", self.within()));
            }
            return Ok(Some(Step::Include { name: source.text_of(file).to_vec(), place: source.place(file.start) }));
        }
        let named_security = word_text.eq_ignore_ascii_case(b"security");
        let stanza = named_security && inside.is_none();
        let mut next = source.next()?;
        if stanza && next.kind != TokenKind::Punct(b'{') {
            return Err(source.unexpected(next, "{ (the Security stanza has no name and no value)", None));
        }
        if inside == Some(ScopeKind::Stanza) && next.kind != TokenKind::Punct(b'=') {
            // The word itself is the offender: what follows it is the next option, or the end.
            let expected = match next.kind {
                TokenKind::Punct(b'{') => "an option (a Security stanza holds no scopes)",
                _ => "= and a value after it (or, for a value of several words, quotes round them all)",
            };
            return Err(source.unexpected(word, expected, self.within()));
        }
        if next.is_name() {
            next = source.next()?;
            if next.kind != TokenKind::Punct(b'{') {
                let expected = "{ after a scope's name (or is a = missing before it?)";
                return Err(source.unexpected(next, expected, self.within()));
            }
        }
        match next.kind {
            TokenKind::Punct(b'=') => self.option(source, word, inside)?,
            TokenKind::Punct(b'{') => {
                if stanza {
                    self.found = true;
                } else if named_security && self.nested.is_none() {
                    self.nested = Some(source.place(word.start));
                } else if inside.is_none() && self.similar.is_none() && is_nearly_security(source.text_of(word)) {
                    self.similar = Some((Excerpt::new(source.text_of(word)), source.place(word.start)));
                }
                self.enter(source, if stanza { ScopeKind::Stanza } else { ScopeKind::Block }, next)?;
            }
            _ => return Err(source.unexpected(next, "= and a value, or { and a scope", self.within())),
        }
        Ok(None)
    }

    fn enter(&mut self, source: &mut Source<'_>, kind: ScopeKind, opener: Token) -> Result<(), StanzaError> {
        if self.open.len() == MAX_NESTING {
            return Err(source.unexpected(opener, "at most 256 scopes and arrays within each other", None));
        }
        self.open.push(Open { kind, at: opener.start });
        Ok(())
    }

    /// After `key =` in a scope.
    fn option(&mut self, source: &mut Source<'_>, key: Token, inside: Option<ScopeKind>) -> Result<(), StanzaError> {
        if inside != Some(ScopeKind::Stanza) {
            return self.skip_value(source);
        }
        self.count_setting(source, key)?;
        let key_place = source.place(key.start);
        let key = source.copied(key)?;
        let first = source.next()?;
        let value_place = source.place(first.start);
        let value = match first.kind {
            TokenKind::Word | TokenKind::Quoted => Value::One(source.copied(first)?),
            TokenKind::Punct(b'(') => {
                let mut items = Vec::new();
                while let Some(item) = self.list_item(source, first)? {
                    self.count_setting(source, item)?;
                    let place = source.place(item.start);
                    items.try_reserve(1).map_err(|_| source.out_of_memory())?;
                    items.push((source.copied(item)?, place));
                }
                Value::List(items)
            }
            _ => return Err(source.unexpected(first, "a word, a quoted string or a list ( … )", self.within())),
        };
        self.settings.try_reserve(1).map_err(|_| source.out_of_memory())?;
        self.settings.push(Setting { key, key_place, value, value_place });
        Ok(())
    }

    /// Room for one more option or list item.
    fn count_setting(&mut self, source: &mut Source<'_>, token: Token) -> Result<(), StanzaError> {
        self.setting_count += 1;
        if self.setting_count > MAX_SETTINGS {
            return Err(source.unexpected(token, "at most 262144 options and list items in Security stanzas", None));
        }
        Ok(())
    }

    fn skip_value(&mut self, source: &mut Source<'_>) -> Result<(), StanzaError> {
        let first = source.next()?;
        match first.kind {
            TokenKind::Word | TokenKind::Quoted => Ok(()),
            TokenKind::Punct(b'(') => {
                while self.list_item(source, first)?.is_some() {}
                Ok(())
            }
            TokenKind::Punct(b'[') => self.enter(source, ScopeKind::Array, first),
            _ => {
                let expected = "a word, a quoted string, a list ( … ) or an array [ … ]";
                Err(source.unexpected(first, expected, self.within()))
            }
        }
    }

    /// The next item of the list opened by `opener`, or its end.
    fn list_item(&mut self, source: &mut Source<'_>, opener: Token) -> Result<Option<Token>, StanzaError> {
        let item = source.next()?;
        match item.kind {
            TokenKind::Word | TokenKind::Quoted => Ok(Some(item)),
            TokenKind::Punct(b')') => Ok(None),
            TokenKind::End => Err(source.unclosed(opener.start, ") before the end of the file")),
            TokenKind::Punct(_) => {
                Err(source.unexpected(item, "a word, a quoted string or )", Some(("list", opener.start))))
            }
        }
    }
}
