//! Limits for one configuration: bytes, files, nesting, settings.

#![forbid(unsafe_code)]

/// Bytes in one file, or in a text.
pub const MAX_FILE: usize = 16 << 20;
/// Bytes in a file and all it includes.
pub const MAX_BYTES: usize = 64 << 20;
/// Files and directories opened, and directory entries examined, in one reading.
pub const MAX_FILES: usize = 4096;
/// Files that include one another, the first counted.
pub const MAX_DEPTH: usize = 16;
/// Blocks and arrays within each other, through all files.
pub const MAX_NESTING: usize = 256;
/// Options, and items in lists, in all stanzas together.
pub const MAX_SETTINGS: usize = 1 << 18;
