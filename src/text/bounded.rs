//! A writer into a buffer of fixed size.

use core::fmt;

/// Writes as much as fits and counts the whole text. Cuts between bytes, as snprintf(3) does.
pub(crate) struct BoundedWriter<'a> {
    buf: &'a mut [u8],
    len: usize,
}

impl<'a> BoundedWriter<'a> {
    pub(crate) fn new(buf: &'a mut [u8]) -> BoundedWriter<'a> {
        BoundedWriter { buf, len: 0 }
    }

    /// The length of the whole text, including the part that did not fit.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The length of the part that was written.
    pub(crate) fn end(&self) -> usize {
        self.len.min(self.buf.len())
    }
}

impl BoundedWriter<'_> {
    /// As `write_str`, of bytes that need not be UTF-8.
    pub(crate) fn write_bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        let start = self.end();
        let fits = bytes.len().min(self.buf.len() - start);
        self.buf[start..start + fits].copy_from_slice(&bytes[..fits]);
        self.len += bytes.len();
        Ok(())
    }
}

impl fmt::Write for BoundedWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write_bytes(text.as_bytes())
    }
}
