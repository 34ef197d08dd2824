//! What calls share, and the right to change it. It vanishes in the child of a fork, which has none of the threads.

use core::cell::UnsafeCell;
use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64};

use super::session::{Mapping, Session};
use crate::sys;

/// How many threads with a signal of ours pending are remembered.
const MAX_LATE: usize = 256;

/// What calls share, on a page that the child of a fork finds empty.
#[repr(C)]
pub(super) struct Shared {
    /// Process and thread of the call under way, or 0.
    pub(super) owner: AtomicU64,
    /// Counts the beginnings and the ends of calls; what waiting ones sleep on.
    pub(super) calls: AtomicU32,
    /// Whether that call has begun to change threads.
    pub(super) committing: AtomicU32,
    /// Whether the action of the signal is ours.
    pub(super) installed: AtomicU32,
    /// The session that the handler looks at, of this process.
    pub(super) current: AtomicPtr<Session>,
    pub(super) pid: AtomicI32,
    /// Kept for the next call.
    mapping: LockedCell<Mapping>,
    /// Threads that have a signal of ours pending from an earlier call: no second one is sent. 0: free.
    late: [AtomicI32; MAX_LATE],
    /// Whether there were more than can be remembered.
    more_late: AtomicU32,
}

const _: () = assert!(size_of::<Shared>() <= 4096);

/// A value for the thread that has the lock.
struct LockedCell<T>(UnsafeCell<T>);
// SAFETY: get and set take the lock.
unsafe impl<T> Sync for LockedCell<T> {}
impl<T: Copy> LockedCell<T> {
    fn set(&self, _lock: &CallLock, value: T) {
        // SAFETY: only the thread with the lock gets here.
        unsafe { *self.0.get() = value }
    }
    fn get(&self, _lock: &CallLock) -> T {
        // SAFETY: only the thread with the lock gets here.
        unsafe { *self.0.get() }
    }
}

static SHARED: AtomicPtr<Shared> = AtomicPtr::new(core::ptr::null_mut());

/// Where a page cannot be had, or not be wiped (before Linux 4.14): then the child of a fork is told by its process id.
static STATIC: Shared = Shared {
    owner: AtomicU64::new(0),
    calls: AtomicU32::new(0),
    committing: AtomicU32::new(0),
    installed: AtomicU32::new(0),
    current: AtomicPtr::new(core::ptr::null_mut()),
    pid: AtomicI32::new(0),
    mapping: LockedCell(UnsafeCell::new(Mapping::NONE)),
    late: [const { AtomicI32::new(0) }; MAX_LATE],
    more_late: AtomicU32::new(0),
};

/// What calls share, if there has been one.
pub(super) fn shared() -> Option<&'static Shared> {
    // SAFETY: NULL, or a Shared that is never unmapped.
    unsafe { SHARED.load(SeqCst).as_ref() }
}

pub(super) fn shared_or_new() -> &'static Shared {
    if let Some(shared) = shared() {
        return shared;
    }
    let page = sys::map(size_of::<Shared>(), false).ok().filter(|&page| {
        let wiped = sys::wipe_on_fork(page, size_of::<Shared>()).is_ok();
        if !wiped {
            // SAFETY: nobody has seen it.
            unsafe { sys::unmap(page, size_of::<Shared>()) };
        }
        wiped
    });
    // Zeros are a valid Shared: an atomic of any kind, and a mapping that is none.
    let new = page.map_or(core::ptr::from_ref(&STATIC).cast_mut(), |page| page.cast::<Shared>());
    if SHARED.compare_exchange(core::ptr::null_mut(), new, SeqCst, SeqCst).is_err()
        && let Some(page) = page
    {
        // SAFETY: another thread was faster, and nobody has seen this one.
        unsafe { sys::unmap(page, size_of::<Shared>()) };
    }
    shared().unwrap_or(&STATIC)
}

impl Shared {
    /// Whether the child of a fork finds what its parent has left here.
    pub(super) fn outlives_fork(&self) -> bool {
        core::ptr::eq(self, &STATIC)
    }
}

/// The right to stop threads and to commit; given back when dropped. All signals but SIGSYS are blocked while it is held.
pub(crate) struct CallLock {
    pub(super) shared: &'static Shared,
    pub(super) pid: i32,
    pub(super) tid: i32,
}

impl CallLock {
    /// The thread that has it.
    pub(crate) fn tid(&self) -> i32 {
        self.tid
    }

    /// Says that threads are about to be changed: whoever finds this thread dead must end the process.
    pub(crate) fn begin_commit(&self) {
        self.shared.committing.store(1, SeqCst);
    }

    /// Says that all threads are as they should be.
    pub(crate) fn end_commit(&self) {
        self.shared.committing.store(0, SeqCst);
    }

    pub(super) fn mapping(&self) -> Mapping {
        self.shared.mapping.get(self)
    }

    pub(super) fn keep_mapping(&self, mapping: Mapping) {
        self.shared.mapping.set(self, mapping);
    }

    /// Whether a thread may have a signal of ours pending.
    pub(super) fn is_late(&self, tid: i32) -> bool {
        self.shared.late.iter().any(|late| late.load(SeqCst) == tid)
    }

    /// Whether more threads may than can be remembered.
    pub(super) fn more_late(&self) -> bool {
        self.shared.more_late.load(SeqCst) != 0
    }

    /// Whether any may.
    pub(super) fn any_late(&self) -> bool {
        self.more_late() || self.shared.late.iter().any(|late| late.load(SeqCst) != 0)
    }

    /// Remembers a thread that may have a signal of ours pending. Where there are more than can be remembered, each is looked at from
    /// then on, and our action stays where libc has none.
    pub(super) fn remember_late(&self, tid: i32) {
        if self.is_late(tid) {
            return;
        }
        match self.shared.late.iter().find(|late| late.load(SeqCst) == 0) {
            Some(free) => free.store(tid, SeqCst),
            None => self.shared.more_late.store(1, SeqCst),
        }
    }

    pub(super) fn forget_late(&self, tid: i32) {
        self.shared.late.iter().filter(|late| late.load(SeqCst) == tid).for_each(|late| late.store(0, SeqCst));
    }

    /// The threads that may have one.
    pub(super) fn late(&self) -> impl Iterator<Item = i32> {
        self.shared.late.iter().map(|late| late.load(SeqCst)).filter(|&tid| tid != 0)
    }
}

impl Drop for CallLock {
    fn drop(&mut self) {
        self.shared.owner.store(0, SeqCst);
        self.shared.calls.fetch_add(1, SeqCst);
        sys::futex_wake(&self.shared.calls, u32::MAX >> 1);
    }
}
