//! Files that the child of a fork(2) has open without wanting to: made by another thread amid a call, it inherits what the call has
//! open, and a directory outside of its own root leads out of it (chroot(2)). So a call notes them, and the child's next call closes
//! those that are still there.

use core::ffi::c_int;
use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64};
use core::time::Duration;

use super::futex::now;
use super::memory::{map, unmap, wipe_on_fork};
use super::process::sched_yield;

/// What more are not noted.
const MOST: usize = 128;
/// How long a note is kept after the file was closed: a fork copies the descriptors before the memory (kernel/fork.c, copy_process), so
/// that the child may find open what was closed when the notes were copied.
const KEPT: Duration = Duration::from_secs(2);

struct Note {
    /// FREE, BUSY, or the descriptor.
    fd: AtomicI32,
    device: AtomicU64,
    inode: AtomicU64,
    path_only: AtomicU32,
    /// When it was closed, in nanoseconds of CLOCK_MONOTONIC; 0: it is open.
    closed: AtomicU64,
}

const FREE: c_int = -1;
const BUSY: c_int = -2;

static NOTES: [Note; MOST] = [const {
    Note {
        fd: AtomicI32::new(FREE),
        device: AtomicU64::new(0),
        inode: AtomicU64::new(0),
        path_only: AtomicU32::new(0),
        closed: AtomicU64::new(0),
    }
}; MOST];

/// Where the search for a place begins.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// On a page that the child of a fork finds zeroed, one of the states below. NULL: there is none yet.
static STATE: AtomicPtr<AtomicU32> = AtomicPtr::new(core::ptr::null_mut());
/// The notes are another process's, if there are any.
const INHERITED: u32 = 0;
const CLOSING: u32 = 1;
const OURS: u32 = 2;

/// What is noted of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
    /// Whether it was opened with O_PATH.
    pub(super) path_only: bool,
}

/// Notes a file that is open. The place of the note, if there is one.
pub(super) fn note(fd: c_int, identity: Identity) -> Option<usize> {
    let claim = |place: &usize| {
        let note = &NOTES[*place];
        let found = note.fd.load(SeqCst);
        let free = found == FREE || (found >= 0 && note.closed.load(SeqCst) != 0);
        free && note.fd.compare_exchange(found, BUSY, SeqCst, SeqCst).is_ok()
    };
    let start = NEXT.fetch_add(1, SeqCst) as usize;
    let place = (start..start + MOST).map(|place| place % MOST).find(claim)?;
    let note = &NOTES[place];
    note.device.store(identity.device, SeqCst);
    note.inode.store(identity.inode, SeqCst);
    note.path_only.store(u32::from(identity.path_only), SeqCst);
    note.closed.store(0, SeqCst);
    note.fd.store(fd, SeqCst);
    Some(place)
}

/// The descriptor is closed, or somebody else's.
pub(super) fn forget(place: usize) {
    NOTES[place].closed.store((now().as_nanos() as u64).max(1), SeqCst);
}

fn state() -> Option<&'static AtomicU32> {
    // SAFETY: NULL, or a page that is never unmapped.
    let known = || unsafe { STATE.load(SeqCst).as_ref() };
    if let Some(state) = known() {
        return Some(state);
    }
    let page = map(size_of::<AtomicU32>(), false).ok()?;
    if wipe_on_fork(page, size_of::<AtomicU32>()).is_err()
        || STATE.compare_exchange(core::ptr::null_mut(), page.cast(), SeqCst, SeqCst).is_err()
    {
        // SAFETY: nobody has seen it.
        unsafe { unmap(page, size_of::<AtomicU32>()) };
    }
    known()
}

/// In the child of a fork, hands what its parent had noted to `close`, once; nothing can be noted before.
pub(super) fn clear(close: impl Fn(c_int, Identity)) {
    let Some(state) = state() else { return };
    while state.load(SeqCst) != OURS {
        if state.compare_exchange(INHERITED, CLOSING, SeqCst, SeqCst).is_err() {
            sched_yield();
            continue;
        }
        let oldest = now().saturating_sub(KEPT).as_nanos() as u64;
        for note in &NOTES {
            let (fd, closed) = (note.fd.load(SeqCst), note.closed.load(SeqCst));
            if fd >= 0 && (closed == 0 || closed > oldest) {
                let (device, inode) = (note.device.load(SeqCst), note.inode.load(SeqCst));
                close(fd, Identity { device, inode, path_only: note.path_only.load(SeqCst) != 0 });
            }
            note.fd.store(FREE, SeqCst);
        }
        state.store(OURS, SeqCst);
    }
}
