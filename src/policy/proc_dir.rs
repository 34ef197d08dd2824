//! A descriptor of /proc.

use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::{AtomicU32, AtomicU64};

use crate::sys;
use crate::text::Errno;

/// The descriptors of all policies, so that a call of one can close those of the others. Without a lock, since a thread may fork amid a
/// change. Each is a note: the number in the lower half, and what is left of device and inode above, since the program may have closed
/// it, and the number be another file's.
static HELD: [AtomicU64; 256] = [const { AtomicU64::new(FREE) }; 256];
/// No policy's. No policy has the descriptor 0.
const FREE: u64 = 0;
/// It is being closed.
const CLOSING: u64 = 1 << 63;
/// How often `close_all` was called.
static CLOSINGS: AtomicU32 = AtomicU32::new(0);

fn note(fd: i32, (device, inode): (u64, u64)) -> u64 {
    (device ^ inode.rotate_left(20)) << 32 & (CLOSING - 1) | u64::from(fd.cast_unsigned())
}

fn fd_of(note: u64) -> i32 {
    note as i32
}

/// A descriptor of /proc, opened before the program calls chroot(2) by itself.
pub(crate) struct ProcDirectory {
    fd: Option<sys::KeptFd>,
    /// Its item of `HELD`; `None`: there are more policies.
    held: Option<&'static AtomicU64>,
}

impl ProcDirectory {
    pub(crate) fn open() -> Result<ProcDirectory, Errno> {
        loop {
            let closings = ProcDirectory::closings();
            let fd = sys::openat(sys::CWD, c"/proc", libc::O_PATH | libc::O_DIRECTORY)?;
            // A daemon that has closed 0, 1 and 2 is about to open something there.
            let fd = sys::KeptFd::new(if fd.raw() < 3 { sys::duplicate(fd.raw(), 3)? } else { fd })?;
            if !sys::is_on_proc(fd.raw())? {
                return Err(Errno(libc::ENOENT));
            }
            let note = note(fd.raw(), fd.id());
            let held = HELD.iter().find(|item| item.compare_exchange(FREE, note, SeqCst, SeqCst).is_ok());
            let directory = ProcDirectory { fd: Some(fd), held };
            // It may have been opened before the root changed, and been missed.
            if ProcDirectory::closings() == closings {
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

    /// How often those of all policies have been closed.
    pub(crate) fn closings() -> u32 {
        CLOSINGS.load(SeqCst)
    }

    /// Closes those of all policies. A policy that needs it opens /proc again.
    pub(crate) fn close_all() {
        CLOSINGS.fetch_add(1, SeqCst);
        for item in &HELD {
            let held = item.load(SeqCst);
            if held == FREE
                || held & CLOSING != 0
                || item.compare_exchange(held, held | CLOSING, SeqCst, SeqCst).is_err()
            {
                continue;
            }
            let fd = fd_of(held);
            if sys::id_of(fd).is_ok_and(|id| note(fd, id) == held) && sys::may_be_path_only(fd) {
                drop(sys::Fd::from_raw(fd));
            }
            // Unless its policy has gone meanwhile. The note stays: in another table of descriptors it may be open, as in the parent of a
            // vfork(2), which has the same memory.
            let _ = item.compare_exchange(held | CLOSING, held, SeqCst, SeqCst);
        }
    }
}

impl Drop for ProcDirectory {
    fn drop(&mut self) {
        let was = self.held.map_or(FREE, |item| item.swap(FREE, SeqCst));
        // Where it was closed, the number may be another policy's by now, or of the program's own.
        let is_lost = |fd: &mut sys::KeptFd| {
            was & CLOSING != 0
                || HELD.iter().any(|item| fd_of(item.load(SeqCst)) == fd.raw())
                || !sys::may_be_path_only(fd.raw())
        };
        if let Some(fd) = self.fd.take_if(is_lost) {
            fd.forget();
        }
    }
}
