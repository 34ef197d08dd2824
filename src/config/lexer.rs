//! Bytes to tokens, each with its place.

#![forbid(unsafe_code)]

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::error::{Found, StanzaError, SyntaxError};
use super::place::Place;
use crate::alloc_util::{OutOfMemory, TryArc, try_to_vec};
use crate::text::Excerpt;

/// A text being read.
pub(super) struct Source<'t> {
    pub(super) name: TryArc<Vec<u8>>,
    text: Cow<'t, [u8]>,
    /// The next byte to look at.
    at: usize,
    lines: Lines,
}

impl<'t> Source<'t> {
    pub(super) fn new(name: TryArc<Vec<u8>>, text: Cow<'t, [u8]>) -> Result<Source<'t>, StanzaError> {
        // Skip a UTF-8 byte-order mark; columns do not count it.
        let at = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        let mut source = Source { name, text, at, lines: Lines { at, line: 1, start: at } };
        // A reader in C would stop at a NUL and act on half a file.
        match source.text.iter().position(|&b| b == 0) {
            Some(nul) => {
                Err(source.syntax_error(nul, Found::Word(Excerpt::new(b"\0")), "text (binary, or in UTF-16?)", None))
            }
            None => Ok(source),
        }
    }

    pub(super) fn place(&mut self, at: usize) -> Place {
        let (line, column) = self.lines.find(&self.text, at);
        Place { file: self.name.clone(), line, column }
    }

    fn syntax_error(
        &mut self,
        at: usize,
        found: Found,
        expected: &'static str,
        within: Option<(&'static str, usize)>,
    ) -> StanzaError {
        let within = within.map(|(what, at)| (what, self.place(at)));
        StanzaError::Syntax(SyntaxError { place: self.place(at), found, expected, within })
    }
}

/// Counts lines as far as a place was asked for, so that asking for places in order reads the text once.
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Space,
    Word,
    Slash,
    Hash,
    Quote,
    Punct,
    Control,
    /// May begin a space of several bytes.
    Wide,
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
            b'=' | b'{' | b'}' | b'(' | b')' | b'[' | b']' => Class::Punct,
            0..=0x1f | 0x7f => Class::Control,
            0xc2 | 0xef => Class::Wide,
            _ => Class::Word,
        };
        b += 1;
    }
    class
};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    Word,
    /// The token's span includes the quotes.
    Quoted,
    /// `/…/` as the name of a block.
    Pattern,
    /// One of `= { } ( ) [ ]`.
    Punct(u8),
    End,
}

#[derive(Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    end: usize,
}

impl Token {
    pub(super) fn is_name(self) -> bool {
        matches!(self.kind, TokenKind::Word | TokenKind::Quoted)
    }
}

/// How a text is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// In a `Security` stanza: nothing that needs a guess.
    Strict,
    /// Elsewhere: control characters are part of words, and a no-break space is a space.
    Lenient,
    /// As lenient, where a block's name may stand, which may be a pattern.
    LenientName,
}

/// Where a token is malformed, from and to, and what was expected.
struct NoToken(usize, usize, &'static str);

/// How many bytes the no-break space or byte-order mark at `at` has, if there is one.
fn wide_space(text: &[u8], at: usize) -> usize {
    match &text[at..] {
        [0xc2, 0xa0, ..] => 2,
        [0xef, 0xbb, 0xbf, ..] => 3,
        _ => 0,
    }
}

/// Where the pattern that begins with the slash at `at` ends, if it is one. A path begins with a slash, too, so a pattern
/// is only what can hardly be anything else: no space up to the next slash (one after a backslash does not count), then
/// flags, and then the block's brace.
fn pattern_end(text: &[u8], at: usize) -> Result<Option<usize>, NoToken> {
    let is_space = |at: usize| match text.get(at) {
        Some(&byte) => CLASS[usize::from(byte)] == Class::Space || wide_space(text, at) > 0,
        None => true,
    };
    let mut slash = at + 1;
    while text.get(slash) != Some(&b'/') {
        if text.get(slash) == Some(&b'\\') {
            slash += 1;
        }
        if is_space(slash) {
            return Ok(None);
        }
        slash += 1;
    }
    let flags = text[slash + 1..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let end = slash + 1 + flags;
    let brace = text[end..].iter().find(|&&byte| CLASS[usize::from(byte)] != Class::Space);
    if brace != Some(&b'{') {
        Ok(None)
    } else if may_be_more(&text[at + 1..slash]) {
        Err(NoToken(
            at,
            slash + 1,
            "quotes round this pattern: it holds what could be a comment, a stanza or an include",
        ))
    } else {
        Ok(Some(end))
    }
}

/// Whether what looks like the inside of a pattern could be that of a file without spaces in which it matters.
fn may_be_more(inside: &[u8]) -> bool {
    let begins_with = |text: &[u8], word: &[u8], next: &[&[u8]]| {
        text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
            && next.iter().any(|next| text[word.len()..].starts_with(next))
    };
    inside.contains(&b'#')
        || inside.windows(2).any(|two| two == b"/*")
        || inside.iter().enumerate().filter(|(_, byte)| b"}])\"'".contains(byte)).any(|(at, _)| {
            let after = &inside[at + 1..];
            begins_with(after, b"security", &[b"{", b"={"])
                || begins_with(after, b"include", &[b"\"", b"'"])
                || begins_with(after, b"readonly_include", &[b"\"", b"'"])
        })
}

/// The next token of `text` at or after `at`. Looks at each byte at most three times: what ends a token is either part of it
/// or the first of the next one, and what begins like a pattern may be none.
fn next_token(text: &[u8], mut at: usize, mode: Mode) -> Result<Token, NoToken> {
    let from = |at: usize, byte: u8| text[at..].iter().position(|&b| b == byte).map(|n| at + n);
    let lenient = mode != Mode::Strict;
    loop {
        let Some(&byte) = text.get(at) else { return Ok(Token { kind: TokenKind::End, start: at, end: at }) };
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
            Class::Wide if lenient && wide_space(text, at) > 0 => at += wide_space(text, at),
            Class::Control if !lenient => {
                return Err(NoToken(at, at + 1, "a printable character, or quotes round it"));
            }
            class @ (Class::Word | Class::Slash | Class::Wide | Class::Control) => {
                if class == Class::Slash
                    && mode == Mode::LenientName
                    && let Some(end) = pattern_end(text, at)?
                {
                    return Ok(Token { kind: TokenKind::Pattern, start: at, end });
                }
                let mut end = at + 1;
                while let Some(&byte) = text.get(end) {
                    let class = CLASS[usize::from(byte)];
                    if class == Class::Word {
                        end += 1;
                        continue;
                    }
                    match class {
                        Class::Slash if text.get(end + 1) != Some(&b'*') => end += 1,
                        Class::Wide if !lenient || wide_space(text, end) == 0 => end += 1,
                        Class::Control if lenient => end += 1,
                        _ => break,
                    }
                }
                return Ok(Token { kind: TokenKind::Word, start: at, end });
            }
            Class::Quote => {
                let expected = match byte {
                    b'"' => "a closing \" before the end of the file",
                    _ => "a closing ' before the end of the file",
                };
                let end = from(at + 1, byte).ok_or(NoToken(at, text.len(), expected))?;
                return Ok(Token { kind: TokenKind::Quoted, start: at, end: end + 1 });
            }
            Class::Punct => return Ok(Token { kind: TokenKind::Punct(byte), start: at, end: at + 1 }),
        }
    }
}

impl Source<'_> {
    #[inline]
    pub(super) fn next(&mut self, mode: Mode) -> Result<Token, StanzaError> {
        match next_token(&self.text, self.at, mode) {
            Ok(token) => {
                self.at = token.end;
                Ok(token)
            }
            Err(no_token) => Err(self.malformed(no_token)),
        }
    }

    #[cold]
    fn malformed(&mut self, NoToken(start, end, expected): NoToken) -> StanzaError {
        let found = Found::Word(Excerpt::new(&self.text[start..end]));
        self.syntax_error(start, found, expected, None)
    }

    /// Where the next token is looked for, for [`Source::go_back`].
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Has tokens that were looked at read again.
    pub(super) fn go_back(&mut self, at: usize) {
        self.at = at;
    }

    /// The token without its quotes.
    #[inline]
    pub(super) fn text_of(&self, token: Token) -> &[u8] {
        match token.kind {
            TokenKind::Quoted => &self.text[token.start + 1..token.end - 1],
            _ => &self.text[token.start..token.end],
        }
    }

    pub(super) fn copied(&self, token: Token) -> Result<Vec<u8>, OutOfMemory> {
        try_to_vec(self.text_of(token))
    }

    pub(super) fn unexpected(
        &mut self,
        token: Token,
        expected: &'static str,
        within: Option<(&'static str, usize)>,
    ) -> StanzaError {
        let found = match token.kind {
            TokenKind::End => Found::End,
            _ => Found::Word(Excerpt::new(self.text_of(token))),
        };
        self.syntax_error(token.start, found, expected, within)
    }

    /// Something left open at the end of the file: reported where it was opened.
    pub(super) fn unclosed(&mut self, at: usize, expected: &'static str) -> StanzaError {
        let found = Found::Word(Excerpt::new(&self.text[at..at + 1]));
        self.syntax_error(at, found, expected, None)
    }
}
