//! The directory that becomes the root.

use crate::sys;
use crate::text::Errno;

/// The directory to become the root, and the way back.
pub(crate) struct Root {
    pub(crate) directory: sys::Fd,
    pub(crate) id: sys::FileId,
    pub(crate) old_root: sys::Fd,
    pub(crate) old_cwd: sys::Fd,
    /// Whose descriptors these are.
    pub(crate) caller: i32,
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

    /// Goes back to where the caller was, and makes sure of it.
    pub(super) fn restore(&self, root_too: bool) -> Result<bool, Errno> {
        if root_too {
            sys::fchdir(self.old_root.raw())?;
            // What denied the way in (a security module) denies the way back too, which is not needed then.
            if let Err(errno) = sys::chroot(c".")
                && !sys::root_id()?.is(&sys::file_id(self.old_root.raw())?)
            {
                return Err(errno);
            }
        }
        sys::fchdir(self.old_cwd.raw())?;
        let root = sys::root_id()?.may_be(&sys::file_id(self.old_root.raw())?);
        let cwd = sys::cwd_id()?.may_be(&sys::file_id(self.old_cwd.raw())?);
        Ok(root && cwd)
    }
}
