//! The fuzzers' corpora replayed, and texts made from them by chance, without a nightly compiler: what fuzz/checks says
//! must hold for each. The chance is the same each time, unless EC_SECURITY_SEED is a number.

use std::fs;
use std::panic;
use std::path::Path;

use chance::Chance;

#[path = "../fuzz/checks/cap_text.rs"]
mod cap_text;
mod chance;
#[path = "../fuzz/checks/stanza.rs"]
mod stanza;

/// How many texts are made by chance.
const MADE: usize = 20_000;
/// Bytes of the longest of them.
const LONGEST: usize = 4096;

impl Chance {
    fn new() -> Chance {
        let seed = std::env::var("EC_SECURITY_SEED").ok();
        Chance(seed.map_or(0x9e37_79b9_7f4a_7c15, |seed| seed.parse::<u64>().expect("a number") | 1))
    }

    /// A number below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Part of one text or all of it.
    fn part<'t>(&mut self, texts: &'t [Vec<u8>]) -> &'t [u8] {
        let text = &texts[self.below(texts.len())];
        let [a, b] = [self.below(text.len() + 1), self.below(text.len() + 1)];
        if self.below(2) == 0 { text } else { &text[a.min(b)..a.max(b)] }
    }
}

fn corpus(name: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Runs the check on a text; where it panics, says on which.
fn held(name: &str, text: &[u8], check: fn(&[u8])) {
    if let Err(cause) = panic::catch_unwind(|| check(text)) {
        eprintln!("{name}: \"{}\"", text.escape_ascii());
        panic::resume_unwind(cause);
    }
}

fn replay(name: &str, check: fn(&[u8])) {
    let files = corpus(name);
    // A corpus that has lost its files would hold anything.
    assert!((50..400).contains(&files.len()), "{} files in the corpus of {name}", files.len());
    for (file, text) in &files {
        held(file, text, check);
    }
    let texts: Vec<_> = files.into_iter().map(|(_, text)| text).collect();
    let mut chance = Chance::new();
    for _ in 0..MADE {
        let mut made = chance.part(&texts).to_vec();
        for _ in 0..chance.below(4) {
            let at = chance.below(made.len() + 1);
            match chance.below(4) {
                0 => made.truncate(at),
                1 => made.insert(at, chance.next() as u8),
                2 if at < made.len() => made[at] ^= 1 << chance.below(8),
                _ => {
                    let part = chance.part(&texts).to_vec();
                    made.splice(at..at, part);
                }
            }
        }
        made.truncate(LONGEST);
        held("made by chance", &made, check);
    }
}

#[test]
fn cap_texts() {
    replay("cap_text", cap_text::check);
}

#[test]
fn stanzas() {
    stanza::set_up();
    replay("stanza", stanza::check);
    stanza::clean_up();
}
