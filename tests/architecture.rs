//! The files of `src/` use each other in one direction: down the list of docs/architecture.md, and in no circle.
//!
//! A file uses another where it names the other's module, or something by way of it, in a `use` line or in a path elsewhere. What a
//! `mod.rs` hands on counts as its own. `mod child;` is no use, and tests at the end of a file do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const ROOTS: [(&str, &str); 2] = [("ec_security", "lib.rs"), ("ec-security", "bin/ec-security/main.rs")];

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// A name, a number, `::`, or any other single character.
    Code(String),
    Text(String),
}

/// Splits Rust into tokens, without comments, lifetimes and characters.
fn tokens(source: &str) -> Vec<Token> {
    let chars: Vec<char> = source.chars().collect();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let starts = |at: usize, what: &str| what.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    let find = |from: usize, what: &str| (from..chars.len()).find(|&at| starts(at, what)).unwrap_or(chars.len());
    let (mut found, mut at) = (Vec::new(), 0);
    while at < chars.len() {
        let start = at;
        if starts(at, "//") {
            at = find(at, "\n");
        } else if starts(at, "/*") {
            at = find(at, "*/") + 2;
        } else if is_word(chars[at]) {
            at = (at..chars.len()).find(|&end| !is_word(chars[end])).unwrap_or(chars.len());
            let word: String = chars[start..at].iter().collect();
            let hashes = chars[at..].iter().take_while(|c| **c == '#').count();
            if matches!(&*word, "r" | "br" | "cr") && chars.get(at + hashes) == Some(&'"') {
                let end = find(at + hashes + 1, &format!("\"{}", "#".repeat(hashes)));
                found.push(Token::Text(chars[at + hashes + 1..end].iter().collect()));
                at = end + 1 + hashes;
            } else {
                found.push(Token::Code(word));
            }
        } else if chars[at] == '"' {
            at += 1;
            while at < chars.len() && chars[at] != '"' {
                at += if chars[at] == '\\' { 2 } else { 1 };
            }
            found.push(Token::Text(chars[start + 1..at.min(chars.len())].iter().collect()));
            at += 1;
        } else if chars[at] == '\'' {
            let escaped = chars.get(at + 1) == Some(&'\\');
            let is_char = escaped || chars.get(at + 2) == Some(&'\'');
            at = if is_char { find(at + if escaped { 3 } else { 2 }, "'") + 1 } else { at + 1 };
        } else if starts(at, "::") {
            found.push(Token::Code("::".to_string()));
            at += 2;
        } else {
            if !chars[at].is_whitespace() {
                found.push(Token::Code(chars[at].to_string()));
            }
            at += 1;
        }
    }
    found
}

/// A module declared in a file: its name, and its file where an attribute names it.
type Child = (String, Option<String>);
type Names = Vec<String>;

/// What a file says of modules.
#[derive(Debug, Default, PartialEq)]
struct Source {
    children: Vec<Child>,
    /// From the name that is bound to the path.
    uses: Vec<(String, Names)>,
    /// Of all other paths of two parts or more.
    paths: Vec<Names>,
}

impl Source {
    fn all_paths(&self) -> impl Iterator<Item = &Names> {
        self.uses.iter().map(|(_, path)| path).chain(&self.paths)
    }
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    source: Source,
}

impl Reader {
    fn read(source: &str) -> Source {
        let mut reader = Reader { tokens: tokens(source), at: 0, source: Source::default() };
        reader.items();
        reader.source
    }

    fn is(&self, ahead: usize, code: &str) -> bool {
        matches!(self.tokens.get(self.at + ahead), Some(Token::Code(found)) if found == code)
    }

    fn name(&self, ahead: usize) -> Option<String> {
        match self.tokens.get(self.at + ahead) {
            Some(Token::Code(name)) if name.starts_with(|c: char| c.is_alphabetic() || c == '_') => Some(name.clone()),
            _ => None,
        }
    }

    /// Goes behind the bracket that closes the one here.
    fn skip_group(&mut self) {
        let mut depth = 0;
        while self.at < self.tokens.len() {
            depth += ["(", "[", "{"].iter().any(|open| self.is(0, open)) as i32;
            depth -= [")", "]", "}"].iter().any(|close| self.is(0, close)) as i32;
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    /// Reads to the end of the file, or of an inline module.
    fn items(&mut self) {
        let (mut depth, mut file) = (0, None);
        while self.at < self.tokens.len() {
            if self.is(0, "#") && self.is(1, "[") {
                let from = self.at;
                self.at += 1;
                self.skip_group();
                let attribute = &self.tokens[from..self.at];
                let has = |code: &str| attribute.contains(&Token::Code(code.to_string()));
                if has("path") {
                    file = attribute
                        .iter()
                        .find_map(|it| if let Token::Text(path) = it { Some(path.clone()) } else { None });
                }
                if has("cfg") && has("test") && !has("not") {
                    self.skip_item();
                }
            } else if self.is(0, "mod") && self.name(1).is_some() && self.is(2, ";") {
                self.source.children.push((self.name(1).unwrap_or_default(), file.take()));
                self.at += 3;
            } else if self.is(0, "mod") && self.name(1).is_some() && self.is(2, "{") {
                // `super` means this file in there; what it means for others does not matter here.
                self.at += 3;
                let inner = Reader { tokens: self.tokens.clone(), at: self.at, source: Source::default() };
                self.inline_module(inner);
            } else if self.is(0, "use") {
                self.at += 1;
                self.use_tree(Vec::new());
            } else if self.name(0).is_some() {
                self.path();
            } else {
                depth += self.is(0, "{") as i32;
                depth -= self.is(0, "}") as i32;
                self.at += 1;
                if depth < 0 {
                    return;
                }
            }
        }
    }

    /// Takes over what an inline module says, as seen from the file.
    fn inline_module(&mut self, mut inner: Reader) {
        inner.items();
        self.at = inner.at;
        let outer = |mut path: Names| {
            match path.first().map(String::as_str) {
                Some("super") if path.get(1).is_some_and(|next| next == "super") => drop(path.remove(0)),
                Some("super") => path[0] = "self".to_string(),
                _ => (),
            }
            path
        };
        self.source.uses.extend(inner.source.uses.into_iter().map(|(_, path)| ("_".to_string(), outer(path))));
        self.source.paths.extend(inner.source.paths.into_iter().map(outer));
    }

    /// Skips an item with its attributes.
    fn skip_item(&mut self) {
        while self.is(0, "#") {
            self.at += 1;
            self.skip_group();
        }
        while self.at < self.tokens.len() && !self.is(0, ";") && !self.is(0, "{") {
            if self.is(0, "(") || self.is(0, "[") { self.skip_group() } else { self.at += 1 }
        }
        if self.is(0, "{") { self.skip_group() } else { self.at += 1 }
    }

    fn use_tree(&mut self, mut path: Names) {
        loop {
            if self.is(0, "{") {
                self.at += 1;
                while self.at < self.tokens.len() && !self.is(0, "}") {
                    self.use_tree(path.clone());
                    self.at += self.is(0, ",") as usize;
                }
                self.at += 1;
                return;
            }
            let Some(name) = self.name(0) else {
                // `*`: from here on, any name may be of there.
                self.at += 1;
                return self.source.uses.push(("*".to_string(), path));
            };
            self.at += 1;
            if name != "self" || path.is_empty() {
                path.push(name);
            }
            if self.is(0, "::") {
                self.at += 1;
                continue;
            }
            let mut bound = path.last().cloned().unwrap_or_default();
            if self.is(0, "as") {
                bound = self.name(1).unwrap_or_default();
                self.at += 2;
            }
            return self.source.uses.push((bound, path));
        }
    }

    fn path(&mut self) {
        let is_first = self.at == 0 || !matches!(&self.tokens[self.at - 1], Token::Code(c) if c == "::" || c == ".");
        let mut path = vec![self.name(0).unwrap_or_default()];
        self.at += 1;
        while self.is(0, "::")
            && let Some(name) = self.name(1)
        {
            path.push(name);
            self.at += 2;
        }
        if is_first && path.len() > 1 {
            self.source.paths.push(path);
        }
    }
}

/// The modules of both crates, and the files of `src/`.
#[derive(Default)]
struct Tree {
    /// From the path, whose first name is the crate's, to the files: one for each architecture where a module is one of several.
    modules: BTreeMap<Names, Vec<String>>,
    files: Vec<(Names, String, Source)>,
}

impl Tree {
    fn read(src: &Path) -> Tree {
        let mut tree = Tree::default();
        for (name, file) in ROOTS {
            tree.add(src, vec![name.to_string()], file.to_string());
        }
        tree
    }

    fn add(&mut self, src: &Path, path: Names, file: String) {
        let text = std::fs::read_to_string(src.join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let source = Reader::read(&text);
        let (directory, name) = file.rsplit_once('/').unwrap_or(("", &file));
        let own = if matches!(name, "mod.rs" | "lib.rs" | "main.rs") { "" } else { name.trim_end_matches(".rs") };
        for (child, named) in &source.children {
            let below =
                |parts: &[&str]| parts.iter().filter(|it| !it.is_empty()).copied().collect::<Vec<_>>().join("/");
            let file = match named {
                Some(named) => below(&[directory, named]),
                None => [format!("{child}.rs"), format!("{child}/mod.rs")]
                    .map(|name| below(&[directory, own, &name]))
                    .into_iter()
                    .find(|file| src.join(file).exists())
                    .unwrap_or_else(|| panic!("{file}: no file of `mod {child}`")),
            };
            self.add(src, [&path[..], std::slice::from_ref(child)].concat(), file);
        }
        self.modules.entry(path.clone()).or_default().push(file.clone());
        self.files.push((path, file, source));
    }

    /// The module that a path in `module` leads to, as far as its names are modules; `None` if it leads out of the crates.
    fn module_of(&self, module: &[String], names: &BTreeMap<&str, &Names>, path: &[String]) -> Option<Names> {
        let mut at = match path[0].as_str() {
            "crate" => module[..1].to_vec(),
            "self" => module.to_vec(),
            "super" => module[..module.len() - 1].to_vec(),
            "ec_security" => path[..1].to_vec(),
            first => match names.get(first) {
                Some(bound) if bound[0] != *first => self.module_of(module, names, bound)?,
                _ => Some([module, &path[..1]].concat()).filter(|child| self.modules.contains_key(child))?,
            },
        };
        for name in &path[1..] {
            match name.as_str() {
                "super" => drop(at.pop()),
                _ => at.push(name.clone()),
            }
            if !self.modules.contains_key(&at) {
                at.pop();
                break;
            }
        }
        Some(at)
    }

    /// Which file uses which, and by what path.
    fn edges(&self) -> Edges {
        let mut edges = BTreeMap::new();
        for (module, file, source) in &self.files {
            let names = source.uses.iter().map(|(bound, path)| (bound.as_str(), path)).collect();
            for path in source.all_paths() {
                for used in self.module_of(module, &names, path).iter().flat_map(|module| &self.modules[module]) {
                    if used != file {
                        edges.entry((file.clone(), used.clone())).or_insert(path.join("::"));
                    }
                }
            }
        }
        edges
    }
}

type Edges = BTreeMap<(String, String), String>;

/// What each file uses, directly or by way of others.
fn reached(edges: &Edges) -> BTreeMap<String, BTreeSet<String>> {
    let mut uses: BTreeMap<&String, Vec<&String>> = BTreeMap::new();
    edges.keys().for_each(|(from, to)| uses.entry(from).or_default().push(to));
    let mut reached: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for &start in uses.keys() {
        let found = reached.entry(start.clone()).or_default();
        let mut next = vec![start];
        while let Some(file) = next.pop() {
            next.extend(uses.get(file).into_iter().flatten().filter(|to| found.insert(to.to_string())));
        }
    }
    reached
}

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Every file of `src/`.
fn all_files(below: &Path, name: &str, files: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(below).expect("a directory").map(|entry| entry.expect("an entry")) {
        let name = format!("{name}{}", entry.file_name().to_str().expect("UTF-8"));
        if entry.path().is_dir() {
            all_files(&entry.path(), &format!("{name}/"), files);
        } else {
            assert!(files.insert(name));
        }
    }
}

/// The list of docs/architecture.md, from top to bottom: `DIRECTORY/ NAME, NAME` or `NAME, NAME`, without `.rs`.
fn documented() -> Vec<String> {
    let text = std::fs::read_to_string(directory("docs/architecture.md")).expect("docs/architecture.md");
    let (_, list) = text.split_once("```modules\n").expect("the list of modules");
    let (list, _) = list.split_once("```").expect("its end");
    let mut files = Vec::new();
    for line in list.lines() {
        let (directory, names) = match line.split_once("/ ") {
            Some((directory, names)) => (format!("{directory}/"), names),
            None => (String::new(), line),
        };
        files.extend(
            names.split(',').map(str::trim).filter(|it| !it.is_empty()).map(|it| format!("{directory}{it}.rs")),
        );
    }
    files
}

#[test]
fn no_circle_of_files() {
    let edges = Tree::read(&directory("src")).edges();
    let reached = reached(&edges);
    let leads_back = |from: &String, to: &String| reached.get(to).is_some_and(|files| files.contains(from));
    let lines: Vec<String> = (edges.iter().filter(|((from, to), _)| leads_back(from, to)))
        .map(|((from, to), path)| format!("{from} uses {to}: {path}"))
        .collect();
    assert!(lines.is_empty(), "files in circles:\n{}", lines.join("\n"));
}

#[test]
fn files_use_what_is_below_them_in_the_documentation() {
    let mut there = BTreeSet::new();
    all_files(&directory("src"), "", &mut there);
    let order = documented();
    let listed: BTreeSet<String> = order.iter().cloned().collect();
    assert_eq!(listed.len(), order.len(), "docs/architecture.md lists a file twice");
    assert_eq!(there.difference(&listed).collect::<Vec<_>>(), [""; 0], "not in docs/architecture.md");
    assert_eq!(listed.difference(&there).collect::<Vec<_>>(), [""; 0], "in docs/architecture.md, but not in src/");

    let tree = Tree::read(&directory("src"));
    let read: BTreeSet<String> = tree.files.iter().map(|(_, file, _)| file.clone()).collect();
    assert_eq!(read, there, "each file is a module of the library or of the command");
    let place = |file: &String| order.iter().position(|it| it == file);
    let up: Vec<String> = (tree.edges().iter())
        .filter(|((from, to), _)| place(from) > place(to))
        .map(|((from, to), path)| format!("{from} uses {to}: {path}"))
        .collect();
    assert!(up.is_empty(), "against the order of docs/architecture.md:\n{}", up.join("\n"));
}

/// The library is built without the standard library, so whatever allocates names `alloc`.
#[test]
fn nothing_that_a_signal_handler_uses_allocates() {
    let tree = Tree::read(&directory("src"));
    let reached = reached(&tree.edges());
    let handler = "threads/handler.rs".to_string();
    let within: BTreeSet<&String> = reached[&handler].iter().chain([&handler]).collect();
    assert!(within.contains(&"sys/futex.rs".to_string()), "{within:?}");
    for (_, file, source) in tree.files.iter().filter(|(_, file, _)| within.contains(file)) {
        let heap = source.all_paths().find(|path| matches!(&*path[0], "alloc" | "std"));
        assert!(heap.is_none(), "{file}, which {handler} uses, uses {}", heap.expect("one").join("::"));
    }
}

#[test]
fn every_kind_of_path_is_seen() {
    let source = Reader::read(
        r##"
        //! crate::not
        #[path = "other.rs"] mod this;
        pub mod child;
        pub(crate) use crate::a::{self, b::{C, d as e}, f::*};
        fn f<'a>(x: &'a super::g::H) -> char { /* crate::not */ let _ = ("crate::not", r#"" crate::not"#, '"', '\'', '{'); ':' }
        macro_rules! m { () => { $crate::i::j() } }
        mod inline { use super::super::k; fn f() { super::child::l(); crate::m!() } }
        #[cfg(test)] #[allow(dead_code)] mod tests { use crate::not; }
        #[cfg(not(test))] impl x::Trait for Vec<crate::n::O> { fn f(&self) { self.field.f::<e::P>() } }
        "##,
    );
    let joined = |paths: &[Names]| paths.iter().map(|path| path.join("::")).collect::<Vec<_>>();
    assert_eq!(source.children, [("this".to_string(), Some("other.rs".to_string())), ("child".to_string(), None)]);
    let uses: Vec<String> = source.uses.iter().map(|(bound, path)| format!("{bound}={}", path.join("::"))).collect();
    assert_eq!(uses, ["a=crate::a", "C=crate::a::b::C", "e=crate::a::b::d", "*=crate::a::f", "_=super::k"]);
    assert_eq!(
        joined(&source.paths),
        ["super::g::H", "crate::i::j", "self::child::l", "crate::m", "x::Trait", "crate::n::O", "e::P"]
    );
}
