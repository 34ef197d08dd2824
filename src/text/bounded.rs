//! A writer into a buffer of fixed size.

use core::fmt;

/// Writes what fits and counts all of it. Cuts between bytes, as snprintf(3) does.
pub(crate) struct BoundedWriter<'a> {
    buf: &'a mut [u8],
    len: usize,
}

impl<'a> BoundedWriter<'a> {
    pub(crate) fn new(buf: &'a mut [u8]) -> BoundedWriter<'a> {
        BoundedWriter { buf, len: 0 }
    }

    /// The length of the whole text, also of what did not fit.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The length of what was written.
    pub(crate) fn end(&self) -> usize {
        self.len.min(self.buf.len())
    }
}

impl fmt::Write for BoundedWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let start = self.end();
        let fits = text.len().min(self.buf.len() - start);
        self.buf[start..start + fits].copy_from_slice(&text.as_bytes()[..fits]);
        self.len += text.len();
        Ok(())
    }
}
