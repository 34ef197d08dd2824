//! Bytes to tokens, each with its place.

#![forbid(unsafe_code)]

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::error::{Found, StanzaError, SyntaxError};
use super::place::Place;
use crate::text::{Errno, Excerpt};
use crate::trusted_path::PathProblem;

/// A text being read.
pub(super) struct Source<'t> {
    pub(super) name: Arc<[u8]>,
    text: Cow<'t, [u8]>,
    /// The next byte to look at.
    at: usize,
    lines: Lines,
}

impl<'t> Source<'t> {
    pub(super) fn new(name: Arc<[u8]>, text: Cow<'t, [u8]>) -> Result<Source<'t>, StanzaError> {
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
        StanzaError::Syntax(Box::new(SyntaxError { place: self.place(at), found, expected, within }))
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

/// Where a token is malformed, from and to, and what was expected.
struct NoToken(usize, usize, &'static str);

/// The next token of `text` at or after `at`. Looks at each byte once: what ends a token is either part of it or the first
/// of the next one.
fn next_token(text: &[u8], mut at: usize) -> Result<Token, NoToken> {
    let from = |at: usize, byte: u8| text[at..].iter().position(|&b| b == byte).map(|n| at + n);
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
            Class::Word | Class::Slash => {
                let mut end = at + 1;
                while let Some(&byte) = text.get(end) {
                    match CLASS[usize::from(byte)] {
                        Class::Word => end += 1,
                        Class::Slash if text.get(end + 1) != Some(&b'*') => end += 1,
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
            Class::Control => return Err(NoToken(at, at + 1, "a printable character, or quotes round it")),
        }
    }
}

impl Source<'_> {
    pub(super) fn next(&mut self) -> Result<Token, StanzaError> {
        match next_token(&self.text, self.at) {
            Ok(token) => {
                self.at = token.end;
                Ok(token)
            }
            Err(NoToken(start, end, expected)) => {
                let found = Found::Word(Excerpt::new(&self.text[start..end]));
                Err(self.syntax_error(start, found, expected, None))
            }
        }
    }

    /// The token without its quotes.
    pub(super) fn text_of(&self, token: Token) -> &[u8] {
        match token.kind {
            TokenKind::Quoted => &self.text[token.start + 1..token.end - 1],
            _ => &self.text[token.start..token.end],
        }
    }

    pub(super) fn copied(&self, token: Token) -> Result<Vec<u8>, StanzaError> {
        let text = self.text_of(token);
        let mut copy = Vec::new();
        copy.try_reserve_exact(text.len()).map_err(|_| self.out_of_memory())?;
        copy.extend_from_slice(text);
        Ok(copy)
    }

    pub(super) fn out_of_memory(&self) -> StanzaError {
        StanzaError::of_file(&self.name, None, PathProblem::System(Errno(libc::ENOMEM)).into())
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
