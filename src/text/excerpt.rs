//! Input text in messages: short, quoted, escaped.

#![forbid(unsafe_code)]

use core::fmt;

use super::bounded::BoundedWriter;

/// The beginning of a piece of input for a message: at most 64 bytes, stored inline. `Display` quotes it and escapes what
/// cannot be printed.
#[derive(Clone, Copy)]
pub struct Excerpt {
    bytes: [u8; Excerpt::MAX],
    len: u8,
    cut: bool,
}

impl Excerpt {
    /// Bytes kept.
    pub const MAX: usize = 64;

    /// Keeps the beginning of `text`.
    pub fn new(text: &[u8]) -> Excerpt {
        let len = text.len().min(Excerpt::MAX);
        let mut bytes = [0; Excerpt::MAX];
        bytes[..len].copy_from_slice(&text[..len]);
        Excerpt { bytes, len: len as u8, cut: text.len() > len }
    }

    /// Formats a text and keeps its beginning.
    pub(crate) fn of(text: fmt::Arguments<'_>) -> Excerpt {
        let mut bytes = [0; Excerpt::MAX + 1];
        let mut out = BoundedWriter::new(&mut bytes);
        let _ = fmt::write(&mut out, text);
        let end = out.end();
        Excerpt::new(&bytes[..end])
    }

    /// The bytes kept.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl PartialEq for Excerpt {
    fn eq(&self, other: &Excerpt) -> bool {
        self.bytes() == other.bytes() && self.cut == other.cut
    }
}

impl Eq for Excerpt {}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        write_escaped(f, self.bytes())?;
        f.write_str(if self.cut { "…\"" } else { "\"" })
    }
}

/// Writes a path for a message as [`write_escaped`] does, without the middle where it is long: messages are limited to 1023
/// bytes.
pub fn write_path(f: &mut fmt::Formatter<'_>, path: &[u8]) -> fmt::Result {
    const LONGEST: usize = 256;
    if path.len() <= LONGEST {
        return write_escaped(f, path);
    }
    write_escaped(f, &path[..LONGEST / 2])?;
    f.write_str("…")?;
    write_escaped(f, &path[path.len() - LONGEST / 2..])
}

/// Writes bytes so that a terminal or a log shows just what they are: printable ASCII as it stands, valid UTF-8 beyond
/// ASCII as it stands unless it is a control character, all else as `\n`, `\t`, `\"`, `\\`, `\xNN` or `\u{NNNN}`.
pub fn write_escaped(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    use core::fmt::Write as _;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                c if c.is_control() => write!(f, "\\x{:02x}", c as u32)?,
                c if is_invisible(c) => write!(f, "\\u{{{:04x}}}", c as u32)?,
                c => f.write_char(c)?,
            }
        }
        for b in chunk.invalid() {
            write!(f, "\\x{b:02x}")?;
        }
    }
    Ok(())
}

/// Whether a character shows nothing by itself, or changes how what follows is shown: Unicode's format characters (category Cf) and
/// separators of lines and paragraphs (Zl, Zp), variation selectors, fillers, and the language tags.
fn is_invisible(c: char) -> bool {
    matches!(c as u32,
        0xad | 0x34f | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2 | 0x115f..=0x1160 | 0x17b4..=0x17b5
        | 0x180b..=0x180f | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0
        | 0xfff0..=0xfffb | 0x110bd | 0x110cd | 0x13430..=0x1343f | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0xe0fff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_escaped() {
        for c in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}').chain(
            "\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{61c}\u{feff}\u{2028}\u{2029}\u{2060}\u{ad}\u{e0041}".chars(),
        ) {
            let text = format!("a{c}b");
            assert_eq!(Excerpt::new(text.as_bytes()).to_string(), format!("\"a\\u{{{:04x}}}b\"", c as u32));
        }
        assert_eq!(Excerpt::new("grün\u{85}".as_bytes()).to_string(), "\"grün\\x85\"");
        assert_eq!(Excerpt::new("日本 א".as_bytes()).to_string(), "\"日本 א\"");
    }
}
