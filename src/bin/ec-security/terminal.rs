//! Text for a terminal: breaks lines at its width, and replaces control characters in names.

use std::env;
use std::fmt::Write as _;

/// Where lines end.
pub(crate) fn width() -> usize {
    let columns = env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    columns.filter(|columns| *columns >= 60).unwrap_or(80)
}

/// Breaks a text at spaces, after commas, and before the `-` of `all-cap_x`. `column` is where it begins, `indent` where
/// its further lines do.
pub(crate) fn wrap(text: &str, mut column: usize, indent: usize, width: usize) -> String {
    let mut out = String::new();
    let mut spaces = 0;
    let mut begun = false;
    let mut rest = text;
    for piece in pieces(text) {
        let word = piece.trim_end_matches(' ');
        let len = word.chars().count();
        // `all-cap_x` is broken only if a line of its own is too short for it.
        let whole = rest.find([' ', ',']).map_or(rest, |end| &rest[..end]).chars().count();
        let starts = !word.starts_with("-cap_") && indent + whole <= width;
        let needs = if starts { whole.max(len) } else { len };
        rest = &rest[piece.len()..];
        if begun && column + spaces + needs > width {
            let _ = write!(out, "\n{:indent$}", "");
            column = indent;
        } else {
            let _ = write!(out, "{:spaces$}", "");
            column += spaces;
        }
        out.push_str(word);
        column += len;
        spaces = piece.len() - word.len();
        begun = true;
    }
    out
}

/// Cuts a text where a line may end. What is cut off keeps the spaces behind it.
fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let end = text
            .char_indices()
            .skip(1)
            .find(|(at, c)| {
                let before = text.as_bytes()[at - 1];
                (matches!(before, b' ' | b',') && *c != ' ')
                    || (*c == '-' && before != b' ' && text[*at..].starts_with("-cap_"))
            })
            .map_or(text.len(), |(at, _)| at);
        let (piece, rest) = text.split_at(end);
        text = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// A name from outside without what would play tricks on a terminal: control characters, and those that change the
/// direction of what follows.
pub(crate) fn clean(name: &[u8]) -> String {
    let is_harmless = |c: char| {
        !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    String::from_utf8_lossy(name).chars().map(|c| if is_harmless(c) { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_where_they_may() {
        assert_eq!(wrap("one two three", 0, 2, 7), "one two\n  three");
        assert_eq!(wrap("cap_a,cap_b,cap_c", 4, 4, 16), "cap_a,cap_b,\n    cap_c");
        assert_eq!(wrap("all-cap_a-cap_b", 0, 2, 9), "all-cap_a\n  -cap_b");
        assert_eq!(wrap("of all-cap_a", 0, 2, 11), "of\n  all-cap_a");
        assert_eq!(wrap("of all-cap_a-cap_b", 0, 2, 9), "of all\n  -cap_a\n  -cap_b");
        assert_eq!(wrap("set-user-ID program", 0, 0, 11), "set-user-ID\nprogram");
        assert_eq!(wrap("much-longer-than-the-line is", 0, 1, 6), "much-longer-than-the-line\n is");
        assert_eq!(wrap("", 0, 1, 6), "");
        assert_eq!(wrap("a  b", 0, 1, 80), "a  b");
        assert_eq!(wrap("\u{e9}\u{e9} \u{e9}", 0, 0, 4), "\u{e9}\u{e9} \u{e9}");
    }

    #[test]
    fn names_play_no_tricks() {
        assert_eq!(clean(b"a\x1b[2Jb\xff"), "a?[2Jb\u{fffd}");
        assert_eq!(clean("a\u{202e}b\u{2066}c\u{200f}".as_bytes()), "a?b?c?");
    }
}
