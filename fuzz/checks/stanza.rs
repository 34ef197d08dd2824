//! What must hold for any configuration text. Shared by the fuzzer and tests/corpus.rs.
//!
//! The model below reads a text the obvious way, by recursion over owned tokens, and shares no code with the library. It
//! knows no includes: a text that has one is checked for all but what it yields.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process;

use ec_security::config::{MAX_NESTING, Place, Setting, StanzaError, Value, parse};

fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("ec-security-fuzz-{}", process::id()))
}

/// Makes a folder with a few files to include and enters it: texts look there for what they include.
pub(crate) fn set_up() {
    let folder = folder();
    let write = |name: &str, text: &str| {
        let path: PathBuf = folder.join(name);
        open_up(path.parent().expect("a file in the folder"));
        fs::write(&path, text).expect("the folder can be written to");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("the file is ours");
    };
    open_up(&folder);
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
    std::env::set_current_dir(&folder).expect("the folder can be entered");
}

/// Leaves that folder and takes it away. A fuzzer is killed instead and leaves it.
#[allow(dead_code)]
pub(crate) fn clean_up() {
    std::env::set_current_dir("/").expect("the root can be entered");
    fs::remove_dir_all(folder()).expect("the folder is ours");
}

fn open_up(folder: &Path) {
    fs::create_dir_all(folder).expect("the folder for temporary files can be written to");
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("the folder is ours");
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
}

/// Whether an include could reach beyond the folder of [`set_up`]: by `..`, or by a path from the root.
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

    #[derive(Clone, PartialEq)]
    enum Token {
        Word(Vec<u8>),
        Quoted(Vec<u8>),
        Sign(u8),
        /// A text that is no token. What comes before it counts.
        Bad,
    }

    /// What the text's stanzas hold, and whether there is one.
    pub(super) fn read(text: &[u8]) -> Result<(Settings, bool), Wrong> {
        if text.contains(&0) {
            return Err(Wrong::Grammar);
        }
        let mut reader = Reader { tokens: tokens(text), settings: Vec::new(), found: false };
        reader.tokens.reverse();
        reader.items(0, false)?;
        if reader.tokens.is_empty() { Ok((reader.settings, reader.found)) } else { Err(Wrong::Grammar) }
    }

    fn tokens(text: &[u8]) -> Vec<Token> {
        let mut rest = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut tokens = Vec::new();
        while let Some(byte) = rest.first() {
            let find = |byte: u8| rest[1..].iter().position(|b| *b == byte).map(|at| at + 1);
            match byte {
                b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r' => rest = &rest[1..],
                b'#' => rest = &rest[find(b'\n').unwrap_or(rest.len())..],
                b'/' if rest.starts_with(b"/*") => match rest[2..].windows(2).position(|two| two == b"*/") {
                    Some(at) => rest = &rest[at + 4..],
                    None => {
                        tokens.push(Token::Bad);
                        break;
                    }
                },
                b'"' | b'\'' => match find(*byte) {
                    Some(end) => {
                        tokens.push(Token::Quoted(rest[1..end].to_vec()));
                        rest = &rest[end + 1..];
                    }
                    None => {
                        tokens.push(Token::Bad);
                        break;
                    }
                },
                b'=' | b'{' | b'}' | b'(' | b')' | b'[' | b']' => {
                    tokens.push(Token::Sign(*byte));
                    rest = &rest[1..];
                }
                0x7f | 0..0x20 => {
                    tokens.push(Token::Bad);
                    break;
                }
                _ => {
                    let ends = |at: usize| {
                        b"#\"'={}()[] \x7f".contains(&rest[at]) || rest[at] < 0x20 || rest[at..].starts_with(b"/*")
                    };
                    let end = (1..rest.len()).find(|at| ends(*at)).unwrap_or(rest.len());
                    tokens.push(Token::Word(rest[..end].to_vec()));
                    rest = &rest[end..];
                }
            }
        }
        tokens
    }

    struct Reader {
        /// The next one last.
        tokens: Vec<Token>,
        settings: Settings,
        found: bool,
    }

    fn is(word: &[u8], name: &str) -> bool {
        word.eq_ignore_ascii_case(name.as_bytes())
    }

    impl Reader {
        fn take(&mut self, sign: u8) -> bool {
            let there = self.tokens.last() == Some(&Token::Sign(sign));
            if there {
                self.tokens.pop();
            }
            there
        }

        fn name(&mut self) -> Option<Vec<u8>> {
            match self.tokens.last() {
                Some(Token::Word(name) | Token::Quoted(name)) => {
                    let name = name.clone();
                    self.tokens.pop();
                    Some(name)
                }
                _ => None,
            }
        }

        /// Up to the } that ends a scope, or the end of the text.
        fn items(&mut self, depth: usize, stanza: bool) -> Result<(), Wrong> {
            loop {
                let quoted = matches!(self.tokens.last(), Some(Token::Quoted(_)));
                let Some(key) = self.name() else { return Ok(()) };
                if !quoted && (is(&key, "include") || is(&key, "readonly_include")) {
                    return Err(Wrong::Include);
                }
                let security = !quoted && depth == 0 && is(&key, "security");
                if !security && self.take(b'=') {
                    self.option(key, depth, stanza)?;
                    continue;
                }
                if quoted || stanza {
                    return Err(Wrong::Grammar);
                }
                if !security {
                    self.name();
                }
                if !self.take(b'{') || depth == MAX_NESTING {
                    return Err(Wrong::Grammar);
                }
                self.found |= security;
                self.items(depth + 1, security)?;
                if !self.take(b'}') {
                    return Err(Wrong::Grammar);
                }
            }
        }

        fn option(&mut self, key: Vec<u8>, depth: usize, stanza: bool) -> Result<(), Wrong> {
            let (values, is_list) = match self.name() {
                Some(value) => (vec![value], false),
                None if self.take(b'(') => {
                    let mut items = Vec::new();
                    while let Some(item) = self.name() {
                        items.push(item);
                    }
                    if !self.take(b')') {
                        return Err(Wrong::Grammar);
                    }
                    (items, true)
                }
                None if !stanza && depth < MAX_NESTING && self.take(b'[') => {
                    while let Some(key) = self.name() {
                        if !self.take(b'=') {
                            return Err(Wrong::Grammar);
                        }
                        self.option(key, depth + 1, false)?;
                    }
                    if !self.take(b']') {
                        return Err(Wrong::Grammar);
                    }
                    return Ok(());
                }
                None => return Err(Wrong::Grammar),
            };
            if stanza {
                self.settings.push((key, values, is_list));
            }
            Ok(())
        }
    }
}
