//! Places in configuration files.

#![forbid(unsafe_code)]

use core::fmt;

use alloc::sync::Arc;

use crate::text::write_escaped;

/// A place in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file as it was named, or empty for a text.
    pub file: Arc<[u8]>,
    /// Counted from 1.
    pub line: usize,
    /// Counted in bytes from 1.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", FileName(&self.file), self.line, self.column)
    }
}

/// A file's name for a message.
pub(super) struct FileName<'a>(pub(super) &'a [u8]);

impl fmt::Display for FileName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Elide the middle of long names: messages are limited to 1023 bytes.
        const LONGEST: usize = 256;
        match self.0 {
            b"" => f.write_str("(text)"),
            name if name.len() <= LONGEST => write_escaped(f, name),
            name => {
                write_escaped(f, &name[..LONGEST / 2])?;
                f.write_str("…")?;
                write_escaped(f, &name[name.len() - LONGEST / 2..])
            }
        }
    }
}
