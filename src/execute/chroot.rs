//! The directory that becomes the root.

use core::mem::ManuallyDrop;

use crate::sys;
use crate::text::Errno;

/// The directory to become the root.
pub(crate) struct Root {
    pub(crate) directory: ManuallyDrop<sys::Fd>,
    pub(crate) id: sys::FileId,
    /// Whose descriptor this is.
    pub(crate) caller: i32,
}

impl Drop for Root {
    fn drop(&mut self) {
        // Another thread may have closed it, and opened another file with its number. The server of its file system is not asked.
        if self.has_directory() {
            // SAFETY: not used again.
            unsafe { ManuallyDrop::drop(&mut self.directory) }
        }
    }
}

impl Root {
    /// Whether the calling thread's root and working directory are the one wanted. Where the kernel does not tell mounts
    /// apart, they count as another before the change, and as the one wanted afterwards.
    pub(super) fn read(&self, after: bool) -> Result<(bool, bool), Errno> {
        let wanted = |found: sys::FileId| if after { found.may_be(&self.id) } else { found.is(&self.id) };
        Ok((wanted(sys::root_id()?), wanted(sys::cwd_id()?)))
    }

    /// Whether the calling thread has the descriptor: one with a table of its own may have another file of that number.
    pub(super) fn has_directory(&self) -> bool {
        sys::file_id(self.directory.raw()).is_ok_and(|found| found.may_be(&self.id))
    }

    /// Enters it.
    pub(super) fn enter(&self) -> Result<(), Errno> {
        if !self.has_directory() {
            return Err(Errno(libc::EBADF));
        }
        sys::fchdir(self.directory.raw())?;
        sys::chroot(c".")?;
        sys::chdir(c"/")
    }
}

/// The root and working directory that the caller has, and its way back to them.
pub(crate) struct Directories {
    root: sys::Fd,
    cwd: sys::Fd,
}

impl Directories {
    /// All other threads must be stopped: they share both, and the child of a fork by one of them would inherit the way back.
    pub(crate) fn of_caller() -> Result<Directories, Errno> {
        let open = |path| sys::openat(sys::CWD, path, libc::O_PATH);
        Ok(Directories { root: open(c"/")?, cwd: open(c".")? })
    }

    /// Goes back there, and makes sure of it.
    pub(super) fn restore(&self, root_too: bool) -> Result<bool, Errno> {
        if root_too {
            sys::fchdir(self.root.raw())?;
            // What denied the way in (a security module) denies the way back too, which is not needed then.
            if let Err(errno) = sys::chroot(c".")
                && !sys::root_id()?.is(&sys::file_id(self.root.raw())?)
            {
                return Err(errno);
            }
        }
        sys::fchdir(self.cwd.raw())?;
        let root = sys::root_id()?.may_be(&sys::file_id(self.root.raw())?);
        let cwd = sys::cwd_id()?.may_be(&sys::file_id(self.cwd.raw())?);
        Ok(root && cwd)
    }
}
