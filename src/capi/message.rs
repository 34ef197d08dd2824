//! The text of an error, for C.

use core::cell::UnsafeCell;
use core::ffi::c_char;
use core::fmt::Write as _;

use crate::error::Error;
use crate::text::BoundedWriter;

/// Bytes of a message with its NUL.
const LEN: usize = 1024;

/// One line, NUL-terminated; what does not fit is cut. In a cell, since the caller has the address while it is written anew.
pub(super) struct Message(UnsafeCell<[u8; LEN]>);

impl Message {
    pub(super) const fn empty() -> Message {
        Message(UnsafeCell::new([0; LEN]))
    }

    pub(super) fn write(&self, error: &Error) {
        // SAFETY: one thread at a time has a message, and the reference does not outlive this call.
        let text = unsafe { &mut *self.0.get() };
        let mut out = BoundedWriter::new(&mut text[..LEN - 1]);
        let _ = write!(out, "{error}");
        let end = out.end();
        text[end] = 0;
    }

    pub(super) fn as_ptr(&self) -> *const c_char {
        self.0.get().cast_const().cast()
    }
}
