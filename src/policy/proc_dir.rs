//! A descriptor of /proc.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use core::sync::atomic::{AtomicI32, AtomicU32};

use crate::sys;
use crate::text::Errno;

/// No policy's.
const FREE: i32 = -1;
/// Still a policy's, which does not know that it was closed.
const CLOSED: i32 = -2;

/// The descriptors of all policies, so that a call of one can close those of the others; or one of the numbers above. Without a lock,
/// since a thread may fork amid a change.
static HELD: [AtomicI32; 256] = [const { AtomicI32::new(FREE) }; 256];
/// How often `close_all` was called.
static CLOSINGS: AtomicU32 = AtomicU32::new(0);

/// A descriptor of /proc, opened before the program calls chroot(2) by itself.
pub(crate) struct ProcDirectory {
    fd: Option<sys::KeptFd>,
    /// Its item of `HELD`; `None`: there are more policies.
    held: Option<&'static AtomicI32>,
}

impl ProcDirectory {
    pub(crate) fn open() -> Result<ProcDirectory, Errno> {
        loop {
            let closings = CLOSINGS.load(Acquire);
            let fd = sys::openat(sys::CWD, c"/proc", libc::O_PATH | libc::O_DIRECTORY)?;
            // A daemon that has closed 0, 1 and 2 is about to open something there.
            let fd = sys::KeptFd::new(if fd.raw() < 3 { sys::duplicate(fd.raw(), 3)? } else { fd })?;
            if !sys::is_on_proc(fd.raw())? {
                return Err(Errno(libc::ENOENT));
            }
            let held = HELD.iter().find(|item| item.compare_exchange(FREE, fd.raw(), AcqRel, Relaxed).is_ok());
            let directory = ProcDirectory { fd: Some(fd), held };
            // It may have been opened before the root changed, and been missed.
            if CLOSINGS.load(Acquire) == closings {
                return Ok(directory);
            }
        }
    }

    /// Whether a call of another policy can close it. Else it is not to be kept.
    pub(crate) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// The descriptor, if it is still that of /proc: a daemon that closes all descriptors closes this one too, and the number may be in
    /// use for another file.
    pub(crate) fn fd(&self) -> Option<&sys::KeptFd> {
        let fd = self.fd.as_ref()?;
        // The program may have opened /proc itself, with the same number; but hardly to do nothing there.
        (fd.stat().is_ok() && sys::may_be_path_only(fd.raw())).then_some(fd)
    }

    /// The same without a look.
    pub(crate) fn last_fd(&self) -> Option<&sys::KeptFd> {
        self.fd.as_ref()
    }

    /// Closes those of all policies. A policy that needs it opens /proc again.
    pub(crate) fn close_all() {
        CLOSINGS.fetch_add(1, AcqRel);
        for item in &HELD {
            let fd = item.load(Acquire);
            if fd >= 0
                && item.compare_exchange(fd, CLOSED, AcqRel, Relaxed).is_ok()
                && sys::is_on_proc(fd) != Ok(false)
                && sys::may_be_path_only(fd)
            {
                drop(sys::Fd::from_raw(fd));
            }
        }
    }
}

impl Drop for ProcDirectory {
    fn drop(&mut self) {
        let is_closed = self.held.is_some_and(|item| item.swap(FREE, AcqRel) == CLOSED);
        // The number may be of the program's own.
        if let Some(fd) = self.fd.take_if(|fd| is_closed || !sys::may_be_path_only(fd.raw())) {
            fd.forget();
        }
    }
}
