//! A descriptor of /proc.

use crate::sys;
use crate::text::Errno;

/// A descriptor of /proc, opened before the program calls chroot(2) by itself.
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

    /// Whether the descriptor is still that of /proc: a daemon that closes all descriptors closes this one too, and the number may be in
    /// use for another file.
    pub(crate) fn is_still_it(&self) -> sys::Result<bool> {
        let Some(fd) = &self.fd else { return Ok(false) };
        // The program may have opened /proc itself, with the same number; but hardly to do nothing there.
        Ok(sys::fstat(fd.raw())?.st_ino == self.inode && sys::is_on_proc(fd.raw())? && sys::may_be_path_only(fd.raw()))
    }
}

impl Drop for ProcFolder {
    fn drop(&mut self) {
        // Not closed if it is invalid or now refers to another file.
        if matches!(self.is_still_it(), Ok(false) | Err(Errno(libc::EBADF)))
            && let Some(fd) = self.fd.take()
        {
            fd.forget();
        }
    }
}
