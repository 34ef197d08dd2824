//! /proc, held open.

use crate::sys;
use crate::text::Errno;

/// /proc, held open from before any chroot of the host's own.
pub(crate) struct ProcFolder {
    pub(crate) fd: Option<sys::Fd>,
    inode: u64,
}

impl ProcFolder {
    pub(crate) fn open() -> Result<ProcFolder, Errno> {
        let fd = sys::openat(sys::CWD, c"/proc", libc::O_PATH | libc::O_DIRECTORY)?;
        let inode = sys::fstat(fd.raw())?.st_ino;
        if !sys::is_on_proc(fd.raw())? {
            return Err(Errno(libc::ENOENT));
        }
        Ok(ProcFolder { fd: Some(fd), inode })
    }

    /// A host that closes all descriptors to become a daemon closes this one too, and may have given its number away.
    pub(crate) fn is_still_it(&self) -> sys::Result<bool> {
        let Some(fd) = &self.fd else { return Ok(false) };
        Ok(sys::fstat(fd.raw())?.st_ino == self.inode && sys::is_on_proc(fd.raw())?)
    }
}

impl Drop for ProcFolder {
    fn drop(&mut self) {
        // Closed, unless it is known to be somebody else's or nobody's: a look that fails for another reason tells nothing.
        if matches!(self.is_still_it(), Ok(false) | Err(Errno(libc::EBADF)))
            && let Some(fd) = self.fd.take()
        {
            fd.forget();
        }
    }
}
