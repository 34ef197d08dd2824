//! The text of an error, for C.

use core::ffi::c_char;
use core::fmt::Write as _;

use crate::error::Error;
use crate::text::BoundedWriter;

/// Bytes of a message with its NUL.
const LEN: usize = 1024;

/// One line, NUL-terminated; what does not fit is cut.
pub(super) struct Message([u8; LEN]);

impl Message {
    pub(super) const EMPTY: Message = Message([0; LEN]);

    pub(super) fn write(&mut self, error: &Error) {
        let mut out = BoundedWriter::new(&mut self.0[..LEN - 1]);
        let _ = write!(out, "{error}");
        let end = out.end();
        self.0[end] = 0;
    }

    pub(super) fn as_ptr(&self) -> *const c_char {
        self.0.as_ptr().cast()
    }
}
