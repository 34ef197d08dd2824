//! The reader of the `Security { … }` stanza in a server's configuration file.
//!
//! ```text
//!   file     :=  item*
//!   item     :=  Security { option* }  |  include name  |  readonly_include name  |  anything else that is balanced
//!   option   :=  key = value  |  include name  |  readonly_include name
//!   value    :=  word  |  "…"  |  '…'  |  ( name* )
//!   key, name := word | "…" | '…'
//! ```
//!
//! White space and line ends only separate. `#` starts a comment that ends with the line. `/* … */` is a comment anywhere outside
//! quotes, and does not nest. A quoted string may span lines. There are no escapes, so each kind of quote may hold the other. Keys,
//! block words and `include` are case-insensitive.
//!
//! A stanza is read only at the top level of the file, or of a file that is included at the top level. A block named `Security`
//! within another block belongs to that block. A file that is included inside a `Security` stanza is part of the stanza.
//!
//! Outside stanzas, everything that is balanced is skipped, so that no syntax of the server prevents its start. An unbalanced brace,
//! or an item without its value before `Security {`, could hide a stanza, or make a stanza of something else. If the reader cannot
//! tell, it returns an error.
//!
//! The reader accepts no file that other users could have written ([`trusted_file`]). No input makes it recurse, read a text twice,
//! or hold more than [`limits`] allows.
//!
//! The modules, each of which imports only those below it:
//!
//! ```text
//!   include        files that include files
//!   parser         tokens to settings        trusted_file   paths to texts
//!   lexer          bytes to tokens
//!   error, place, limits
//! ```

#![forbid(unsafe_code)]

use alloc::vec::Vec;

mod error;
mod include;
mod lexer;
mod limits;
mod parser;
mod place;
mod trusted_file;

pub use crate::alloc_util::TryArc;
pub use error::{FileError, FileProblem, Found, StanzaError, SyntaxError};
pub use limits::{MAX_BYTES, MAX_DEPTH, MAX_FILE, MAX_FILES, MAX_NESTING, MAX_SETTINGS};
pub use parser::{Setting, Value};
pub use place::Place;

/// Reads a file and all it includes.
pub fn load(path: &[u8]) -> Result<Vec<Setting>, StanzaError> {
    include::read_file(path)
}

/// Reads a file and all it includes, up to the first error: what was read before it, and the error.
pub fn load_up_to_error(path: &[u8]) -> (Vec<Setting>, Option<StanzaError>) {
    include::read_file_up_to_error(path)
}

/// Reads a text; what it includes is looked for in the working directory.
pub fn parse(text: &[u8]) -> Result<Vec<Setting>, StanzaError> {
    include::read_text(text)
}
