//! Input text in messages: short, quoted, escaped.

#![forbid(unsafe_code)]

use core::fmt;

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

/// Writes bytes so that a terminal or a log shows just what they are: printable ASCII as it stands, valid UTF-8 beyond
/// ASCII as it stands unless it is a control character, all else as `\n`, `\t`, `\"`, `\\` or `\xNN`.
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
                c => f.write_char(c)?,
            }
        }
        for b in chunk.invalid() {
            write!(f, "\\x{b:02x}")?;
        }
    }
    Ok(())
}
