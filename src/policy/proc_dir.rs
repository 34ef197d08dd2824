//! A descriptor of /proc.

use crate::sys;
use crate::text::Errno;

/// A descriptor of /proc, opened before the program calls chroot(2) by itself.
pub(crate) struct ProcDirectory(pub(crate) Option<sys::KeptFd>);

impl ProcDirectory {
    pub(crate) fn open() -> Result<ProcDirectory, Errno> {
        let fd = sys::KeptFd::new(sys::openat(sys::CWD, c"/proc", libc::O_PATH | libc::O_DIRECTORY)?)?;
        if sys::is_on_proc(fd.raw())? { Ok(ProcDirectory(Some(fd))) } else { Err(Errno(libc::ENOENT)) }
    }

    /// The descriptor, if it is still that of /proc: a daemon that closes all descriptors closes this one too, and the number may be in
    /// use for another file.
    pub(crate) fn fd(&self) -> Option<&sys::KeptFd> {
        let fd = self.0.as_ref()?;
        // The program may have opened /proc itself, with the same number; but hardly to do nothing there.
        (fd.stat().is_ok() && sys::may_be_path_only(fd.raw())).then_some(fd)
    }
}

impl Drop for ProcDirectory {
    fn drop(&mut self) {
        // The program's own, with the same number.
        if let Some(fd) = self.0.take_if(|fd| !sys::may_be_path_only(fd.raw())) {
            fd.forget();
        }
    }
}
