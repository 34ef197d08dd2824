//! What must hold for any configuration text. Shared by the fuzzer and tests/corpus.rs.
//!
//! The model below reads a text the obvious way, by recursion, and shares no code with the library. It knows no includes: a
//! text that has one is checked for all but what it yields.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process;

use ec_security::config::{MAX_NESTING, Place, Setting, StanzaError, Value, parse};

fn directory() -> PathBuf {
    std::env::temp_dir().join(format!("ec-security-fuzz-{}", process::id()))
}

/// Makes a directory with a few files to include and enters it: texts look there for what they include.
pub(crate) fn set_up() {
    let directory = directory();
    let write = |name: &str, text: &str| {
        let path: PathBuf = directory.join(name);
        open_up(path.parent().expect("a file in the directory"));
        fs::write(&path, text).expect("the directory can be written to");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("the file is ours");
    };
    open_up(&directory);
    write("one.conf", "Security { group = one }\n");
    write("part.conf", "user = part\n");
    write("open.conf", "scope {");
    write("close.conf", "}");
    write("loop.conf", "include \"loop.conf\"");
    write("there.conf", "include back.conf");
    write("back.conf", "include 'there.conf'");
    write("folder/a", "Other {}");
    write("folder/b", "Security { ambient = ( ) }");
    write("folder/.hidden", "}");
    std::env::set_current_dir(&directory).expect("the directory can be entered");
}

/// Leaves that directory and takes it away. A fuzzer is killed instead and leaves it.
#[allow(dead_code)]
pub(crate) fn clean_up() {
    std::env::set_current_dir("/").expect("the root can be entered");
    fs::remove_dir_all(directory()).expect("the directory is ours");
}

fn open_up(directory: &Path) {
    fs::create_dir_all(directory).expect("the directory for temporary files can be written to");
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755)).expect("the directory is ours");
}

/// Panics where the library is wrong about `text`.
pub(crate) fn check(text: &[u8]) {
    let model = model::read(text);
    if model == Err(model::Wrong::Include) && leads_out(text) {
        return;
    }
    let found = parse(text);
    assert_eq!(found, parse(text));
    match &model {
        Err(model::Wrong::Include) => {}
        Err(model::Wrong::Grammar) => assert!(found.is_err(), "{found:?}"),
        Ok((_, false)) => assert!(matches!(found, Err(StanzaError::NoStanza { .. })), "{found:?}"),
        Ok((wanted, true)) => {
            let settings = found.as_ref().expect("the model accepts it");
            let plain: Vec<_> = settings.iter().map(plain).collect();
            assert_eq!(plain, *wanted);
        }
    }
    match &found {
        Ok(settings) => settings.iter().for_each(|setting| in_place(text, setting)),
        Err(error) => {
            let message = error.to_string();
            // At most two names, and one for each include of a cycle.
            assert!(!message.is_empty() && message.len() < 4096, "{message}");
            assert!(!message.chars().any(char::is_control), "{message:?}");
            if let StanzaError::Syntax(error) = error {
                within(text, &error.place);
                if let Some((_, place)) = &error.within {
                    within(text, place);
                }
            }
        }
    }
    moved(text, &found);
    only_at_the_top(text, &found);
}

/// A stanza after the text is found, and one in a block, in quotes or in a comment is not.
fn only_at_the_top(text: &[u8], found: &Result<Vec<Setting>, StanzaError>) {
    let mut wanted = match found {
        Ok(settings) => settings.iter().map(plain).collect(),
        Err(StanzaError::NoStanza { .. }) => Vec::new(),
        Err(_) => return,
    };
    wanted.push((b"probe".to_vec(), vec![b"found".to_vec()], false));
    let longer = [text, b"\nSecurity { probe = found }"].concat();
    let settings = parse(&longer).expect("a stanza more does no harm");
    assert_eq!(settings.iter().map(plain).collect::<Vec<_>>(), wanted);
    for (before, after, ends) in [
        (&b"x {\n"[..], &b"\n}"[..], &b"\0"[..]),
        (b"x [ { ", b"\n} ]", b"\0"),
        (b"x = \"", b"\"", b"\""),
        (b"x = '", b"' y = z", b"'"),
        (b"/*", b"*/", b"*/"),
        (b"#", b"\nx = y", b"\n"),
    ] {
        let ends_early = text.windows(ends.len()).any(|part| part == ends) || ends == b"*/" && text.ends_with(b"*");
        if !ends_early {
            let hidden = [before, text, after].concat();
            let result = parse(&hidden);
            let is_scope = ends == b"\0";
            assert!(
                matches!(result, Err(StanzaError::NoStanza { .. })) || is_scope && result.is_err(),
                "{}: {result:?}",
                hidden.escape_ascii()
            );
        }
    }
}

/// Whether an include could reach beyond the directory of [`set_up`]: by `..`, or by a path from the root.
fn leads_out(text: &[u8]) -> bool {
    let slashes_stay = text.iter().enumerate().filter(|(_, byte)| **byte == b'/').all(|(at, _)| {
        let follows_word = at > 0 && text[at - 1].is_ascii_alphanumeric();
        let of_address = text[..at].ends_with(b":/") && text.get(at + 1) != Some(&b'/');
        follows_word || of_address || matches!(text.get(at + 1), Some(b'*')) || text[at..].starts_with(b"//")
    });
    !slashes_stay || text.windows(2).any(|two| two == b"..") || text.windows(3).any(|three| three == b"///")
}

fn plain(setting: &Setting) -> (Vec<u8>, Vec<Vec<u8>>, bool) {
    match &setting.value {
        Value::One(value) => (setting.key.clone(), vec![value.clone()], false),
        Value::List(items) => (setting.key.clone(), items.iter().map(|(item, _)| item.clone()).collect(), true),
    }
}

/// The bytes from a place on; nothing where the text has no such place, or it is in an included file.
fn at<'t>(text: &'t [u8], place: &Place) -> Option<&'t [u8]> {
    if !place.file.is_empty() {
        return None;
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let line = text.split(|byte| *byte == b'\n').nth(place.line.checked_sub(1)?)?;
    let start = line.as_ptr() as usize - text.as_ptr() as usize;
    let column = place.column.checked_sub(1)?;
    (column <= line.len()).then(|| &text[start + column..])
}

fn within(text: &[u8], place: &Place) {
    assert!(!place.file.is_empty() || at(text, place).is_some(), "{place:?}");
}

/// Places lead to the words they are the places of.
fn in_place(text: &[u8], setting: &Setting) {
    let stands = |word: &[u8], place: &Place| {
        if !place.file.is_empty() {
            return;
        }
        let rest = at(text, place).unwrap_or_else(|| panic!("no such place: {place:?}"));
        let quoted = rest.first().is_some_and(|quote| b"'\"".contains(quote) && rest[1..].starts_with(word));
        assert!(quoted || rest.starts_with(word), "{place:?} {}", word.escape_ascii());
    };
    stands(&setting.key, &setting.key_place);
    match &setting.value {
        Value::One(value) => stands(value, &setting.value_place),
        Value::List(items) => {
            stands(b"(", &setting.value_place);
            items.iter().for_each(|(item, place)| stands(item, place));
        }
    }
}

/// A text moved down by a line, with another scope after it, yields the same, a line further down.
fn moved(text: &[u8], found: &Result<Vec<Setting>, StanzaError>) {
    if text.starts_with(b"\xef\xbb\xbf") {
        return;
    }
    let Ok(settings) = found else { return };
    let longer = [b"# a line\n", text, b"\nOther 'scope' { a = [ b = ( c ) ] /* d */ }"].concat();
    let mut lower = parse(&longer).expect("a line and a scope more do no harm");
    for setting in &mut lower {
        let items = match &mut setting.value {
            Value::One(_) => &mut [][..],
            Value::List(items) => items,
        };
        let places = items.iter_mut().map(|(_, place)| place);
        for place in places.chain([&mut setting.key_place, &mut setting.value_place]) {
            place.line -= usize::from(place.file.is_empty());
        }
    }
    assert_eq!(lower, *settings);
}

mod model {
    use super::MAX_NESTING;

    #[derive(Debug, PartialEq)]
    pub(super) enum Wrong {
        Grammar,
        /// Not known to this model.
        Include,
    }

    type Settings = Vec<(Vec<u8>, Vec<Vec<u8>>, bool)>;

    #[derive(Clone, Debug, PartialEq)]
    enum Token {
        Word(Vec<u8>),
        Quoted(Vec<u8>),
        Pattern,
        Sign(u8),
        End,
    }

    use Token::{End, Pattern, Quoted, Sign, Word};

    /// Where a token stands.
    #[derive(Clone, Copy, PartialEq)]
    enum Where {
        Stanza,
        Value,
        Name,
    }

    /// What the text's stanzas hold, and whether there is one.
    pub(super) fn read(text: &[u8]) -> Result<(Settings, bool), Wrong> {
        if text.contains(&0) {
            return Err(Wrong::Grammar);
        }
        let rest = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut reader = Reader { rest, settings: Vec::new(), found: false };
        reader.items(0)?;
        if reader.next(Where::Name)? == End { Ok((reader.settings, reader.found)) } else { Err(Wrong::Grammar) }
    }

    struct Reader<'t> {
        rest: &'t [u8],
        settings: Settings,
        found: bool,
    }

    fn is(token: &Token, name: &str) -> bool {
        matches!(token, Word(word) if word.eq_ignore_ascii_case(name.as_bytes()))
    }

    fn is_include(token: &Token) -> bool {
        is(token, "include") || is(token, "readonly_include")
    }

    /// Bytes of the space that a text begins with.
    fn space(text: &[u8], place: Where) -> usize {
        let is_lenient = place != Where::Stanza;
        match text {
            [b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r', ..] => 1,
            _ if is_lenient && text.starts_with("\u{a0}".as_bytes()) => 2,
            _ if is_lenient && text.starts_with("\u{feff}".as_bytes()) => 3,
            _ => 0,
        }
    }

    /// The text after the pattern that a text begins with.
    fn after_pattern(text: &[u8]) -> Result<Option<&[u8]>, Wrong> {
        let mut body = Vec::new();
        let mut rest = &text[1..];
        loop {
            let is_escape = rest.len() > 1 && rest[0] == b'\\';
            let (piece, after) = rest.split_at(rest.len().min(if is_escape { 2 } else { 1 }));
            if piece == b"/" {
                rest = after;
                break;
            }
            let last = &rest[piece.len().saturating_sub(1)..];
            if piece.is_empty() || space(last, Where::Value) > 0 || space(piece, Where::Stanza) > 0 {
                return Ok(None);
            }
            body.extend_from_slice(piece);
            rest = after;
        }
        while let [b'a'..=b'z' | b'A'..=b'Z', after @ ..] = rest {
            rest = after;
        }
        if rest.iter().find(|byte| space(&[**byte], Where::Stanza) == 0) != Some(&b'{') {
            return Ok(None);
        }
        let body = body.to_ascii_lowercase();
        let holds = |part: &str| body.windows(part.len()).any(|window| window == part.as_bytes());
        let mut parts = vec!["#".to_owned(), "/*".to_owned()];
        for closer in ["}", "]", ")", "\"", "'"] {
            for word in ["security{", "security={", "include\"", "include'", "readonly_include\"", "readonly_include'"]
            {
                parts.push(format!("{closer}{word}"));
            }
        }
        if parts.iter().any(|part| holds(part)) { Err(Wrong::Grammar) } else { Ok(Some(rest)) }
    }

    impl Reader<'_> {
        fn next(&mut self, place: Where) -> Result<Token, Wrong> {
            loop {
                let Some(byte) = self.rest.first() else { return Ok(End) };
                let find = |byte: u8| self.rest[1..].iter().position(|b| *b == byte).map(|at| at + 1);
                match byte {
                    _ if space(self.rest, place) > 0 => self.rest = &self.rest[space(self.rest, place)..],
                    b'#' => self.rest = &self.rest[find(b'\n').unwrap_or(self.rest.len())..],
                    b'/' if self.rest.starts_with(b"/*") => {
                        let end = self.rest[2..].windows(2).position(|two| two == b"*/").ok_or(Wrong::Grammar)?;
                        self.rest = &self.rest[end + 4..];
                    }
                    b'"' | b'\'' => {
                        let end = find(*byte).ok_or(Wrong::Grammar)?;
                        let token = Quoted(self.rest[1..end].to_vec());
                        self.rest = &self.rest[end + 1..];
                        return Ok(token);
                    }
                    b'=' | b'{' | b'}' | b'(' | b')' | b'[' | b']' => {
                        self.rest = &self.rest[1..];
                        return Ok(Sign(*byte));
                    }
                    _ => return self.word(place),
                }
            }
        }

        fn word(&mut self, place: Where) -> Result<Token, Wrong> {
            if place == Where::Name
                && self.rest[0] == b'/'
                && let Some(rest) = after_pattern(self.rest)?
            {
                self.rest = rest;
                return Ok(Pattern);
            }
            let is_control = |byte: u8| byte < 0x20 || byte == 0x7f;
            let ends = |rest: &[u8]| {
                b"#\"'={}()[]".contains(&rest[0])
                    || space(rest, place) > 0
                    || rest.starts_with(b"/*")
                    || place == Where::Stanza && is_control(rest[0])
            };
            if ends(self.rest) {
                return Err(Wrong::Grammar);
            }
            let end = (1..self.rest.len()).find(|at| ends(&self.rest[*at..])).unwrap_or(self.rest.len());
            let word = Word(self.rest[..end].to_vec());
            self.rest = &self.rest[end..];
            Ok(word)
        }

        fn peek(&mut self, place: Where) -> Result<Token, Wrong> {
            let before = self.rest;
            let token = self.next(place);
            self.rest = before;
            token
        }

        /// Whether a block begins here, with or without =.
        fn is_block(&mut self) -> Result<bool, Wrong> {
            let before = self.rest;
            let mut token = self.next(Where::Value)?;
            if token == Sign(b'=') {
                token = self.next(Where::Value)?;
            }
            self.rest = before;
            Ok(token == Sign(b'{'))
        }

        /// Up to the } that ends a block, or the end of the text.
        fn items(&mut self, depth: usize) -> Result<(), Wrong> {
            loop {
                let first = self.peek(Where::Name)?;
                if matches!(first, End | Sign(b'}')) {
                    return Ok(());
                }
                if is_include(&first) {
                    return Err(Wrong::Include);
                }
                if depth == 0 && is(&first, "security") {
                    self.next(Where::Name)?;
                    if !self.is_block()? {
                        return Err(Wrong::Grammar);
                    }
                    while self.next(Where::Value)? != Sign(b'{') {}
                    self.found = true;
                    self.stanza()?;
                } else {
                    self.item(depth)?;
                }
            }
        }

        fn item(&mut self, depth: usize) -> Result<(), Wrong> {
            let mut names = Vec::new();
            loop {
                match self.peek(Where::Name)? {
                    Sign(b'=') => return self.value(depth),
                    Sign(b'{' | b'[' | b'(') => return self.group(depth),
                    Sign(b'}') => return Ok(()),
                    Sign(_) | End => return Err(Wrong::Grammar),
                    name => {
                        self.next(Where::Name)?;
                        if depth == 0 && !names.is_empty() {
                            let begins_block = |first: &Token| matches!(first, Word(word) if word.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(byte)));
                            let is_name = names.len() == 1 && begins_block(&names[0]);
                            if is(&name, "security") && !is_name && self.is_block()? {
                                return Err(Wrong::Grammar);
                            }
                            if is_include(&name) && matches!(self.peek(Where::Value)?, Word(_) | Quoted(_)) {
                                return Err(Wrong::Grammar);
                            }
                        }
                        names.push(name);
                    }
                }
            }
        }

        fn value(&mut self, depth: usize) -> Result<(), Wrong> {
            loop {
                match self.peek(Where::Value)? {
                    Sign(b'=') => drop(self.next(Where::Value)?),
                    Sign(b'{' | b'[' | b'(') => return self.group(depth),
                    Sign(b'}') if depth > 0 => return Ok(()),
                    Sign(_) | End => return Err(Wrong::Grammar),
                    value => {
                        self.next(Where::Value)?;
                        let stray = depth == 0 && is(&value, "security") && self.is_block()?;
                        return if stray { Err(Wrong::Grammar) } else { Ok(()) };
                    }
                }
            }
        }

        /// From an opening sign to its closing one.
        fn group(&mut self, depth: usize) -> Result<(), Wrong> {
            if depth == MAX_NESTING {
                return Err(Wrong::Grammar);
            }
            let closer = match self.next(Where::Value)? {
                Sign(b'{') => {
                    self.items(depth + 1)?;
                    b'}'
                }
                Sign(opener) => {
                    let closer = if opener == b'[' { b']' } else { b')' };
                    loop {
                        match self.peek(Where::Value)? {
                            Sign(b'{' | b'[' | b'(') => self.group(depth + 1)?,
                            Sign(b'=') | Word(_) | Quoted(_) => drop(self.next(Where::Value)?),
                            _ => break closer,
                        }
                    }
                }
                _ => return Err(Wrong::Grammar),
            };
            if self.next(Where::Value)? == Sign(closer) { Ok(()) } else { Err(Wrong::Grammar) }
        }

        /// After the { of a Security stanza.
        fn stanza(&mut self) -> Result<(), Wrong> {
            loop {
                let token = self.next(Where::Stanza)?;
                let key = match token {
                    Sign(b'}') => return Ok(()),
                    token if is_include(&token) => return Err(Wrong::Include),
                    Word(key) | Quoted(key) => key,
                    _ => return Err(Wrong::Grammar),
                };
                if self.next(Where::Stanza)? != Sign(b'=') {
                    return Err(Wrong::Grammar);
                }
                match self.next(Where::Stanza)? {
                    Word(value) | Quoted(value) => self.settings.push((key, vec![value], false)),
                    Sign(b'(') => {
                        let mut items = Vec::new();
                        loop {
                            match self.next(Where::Stanza)? {
                                Word(item) | Quoted(item) => items.push(item),
                                Sign(b')') => break,
                                _ => return Err(Wrong::Grammar),
                            }
                        }
                        self.settings.push((key, items, true));
                    }
                    _ => return Err(Wrong::Grammar),
                }
            }
        }
    }
}
