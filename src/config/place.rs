//! Places in configuration files.

#![forbid(unsafe_code)]

use core::fmt;

use alloc::vec::Vec;

use crate::alloc_util::TryArc;
use crate::text::write_path;

/// A place in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file as it was named, or empty for a text.
    pub file: TryArc<Vec<u8>>,
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
        if self.0.is_empty() { f.write_str("(text)") } else { write_path(f, self.0) }
    }
}
