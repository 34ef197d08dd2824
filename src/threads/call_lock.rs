//! One call at a time in a process. What a call leaves here vanishes in the child of a fork, which has none of the threads.

use core::cell::UnsafeCell;
use core::ffi::c_int;
use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64};
use core::time::Duration;

use super::error::StopError;
use super::session::{Mapping, Session};
use super::{handler, signal_action};
use crate::text::Errno;
use crate::{sys, task_dir};

/// How many threads with a signal of ours pending are remembered.
const MOST_LATE: usize = 256;

/// What calls share, on a page that the child of a fork finds empty.
#[repr(C)]
pub(super) struct Shared {
    /// Process and thread of the call under way, or 0.
    owner: AtomicU64,
    /// Counts the calls; what waiting ones sleep on.
    calls: AtomicU32,
    /// Whether that call has begun to change threads.
    committing: AtomicU32,
    /// Whether the action of the signal is ours.
    pub(super) installed: AtomicU32,
    /// The session that the handler looks at, of this process.
    pub(super) current: AtomicPtr<Session>,
    pub(super) pid: AtomicI32,
    /// Kept for the next call.
    mapping: LockedCell<Mapping>,
    /// Threads that have a signal of ours pending from an earlier call: no second one is sent. 0: free.
    late: [AtomicI32; MOST_LATE],
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
    late: [const { AtomicI32::new(0) }; MOST_LATE],
};

/// What calls share, if there has been one.
pub(super) fn shared() -> Option<&'static Shared> {
    // SAFETY: NULL, or a Shared that is never unmapped.
    unsafe { SHARED.load(SeqCst).as_ref() }
}

fn shared_or_new() -> &'static Shared {
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

/// The right to stop threads and to commit; given back when dropped. All signals are blocked while it is held.
pub(crate) struct CallLock {
    pub(super) shared: &'static Shared,
    pub(super) pid: i32,
    pub(super) tid: i32,
}

impl CallLock {
    /// Takes the lock with all signals blocked; puts the mask before into `mask`. While it waits, signals are not blocked: the call
    /// that has the lock must be able to stop this thread.
    ///
    /// Gives up after `limit`: the id of an owner that has ended may be another thread's by now.
    pub(crate) fn take(tasks: Option<&sys::Fd>, limit: Duration, mask: &mut u64) -> Result<CallLock, StopError> {
        const LOOK_AGAIN: Duration = Duration::from_millis(100);
        let system = |call| move |errno| StopError::System { call, errno };
        let (pid, tid) = (sys::getpid(), sys::gettid());
        if pid == 0 || tid == 0 {
            return Err(StopError::System { call: "getpid or gettid", errno: Errno(libc::ENOSYS) });
        }
        let shared = shared_or_new();
        let mine = owner_of(pid, tid);
        let start = sys::now();
        loop {
            let seen = shared.calls.load(SeqCst);
            *mask = sys::set_signal_mask(u64::MAX).map_err(system("rt_sigprocmask"))?;
            let owner = match shared.owner.compare_exchange(0, mine, SeqCst, SeqCst) {
                Ok(_) => return Ok(CallLock { shared, pid, tid }),
                Err(owner) => owner,
            };
            // A child of a fork, where the page was not wiped: the owner is not here.
            let left_by_parent = core::ptr::eq(shared, &STATIC) && owner >> 32 != pid as u64;
            if owner != mine
                && (left_by_parent || shared.is_dead(owner, tasks))
                && shared.owner.compare_exchange(owner, mine, SeqCst, SeqCst).is_ok()
            {
                let lock = CallLock { shared, pid, tid };
                shared.clear_after(owner, left_by_parent, &lock);
                return Ok(lock);
            }
            sys::insist(|| sys::set_signal_mask(*mask)).map_err(system("rt_sigprocmask"))?;
            if owner == mine {
                return Err(StopError::Busy { problem: "called while a call is under way in this thread" });
            }
            if sys::now().saturating_sub(start) > limit {
                return Err(StopError::Busy { problem: "the call of another thread has not ended in time" });
            }
            sys::futex_wait(&shared.calls, seen, Some(LOOK_AGAIN));
        }
    }

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

    /// Whether any may.
    pub(super) fn any_late(&self) -> bool {
        self.shared.late.iter().any(|late| late.load(SeqCst) != 0)
    }

    /// Remembers a thread that may have a signal of ours pending. With more than there is room for, some get a second one.
    pub(super) fn remember_late(&self, tid: i32) {
        if !self.is_late(tid)
            && let Some(free) = self.shared.late.iter().find(|late| late.load(SeqCst) == 0)
        {
            free.store(tid, SeqCst);
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

fn owner_of(pid: i32, tid: i32) -> u64 {
    (pid as u64) << 32 | tid as u64
}

impl Shared {
    /// Whether the thread of a call has ended: a filter of its own may have killed it.
    fn is_dead(&self, owner: u64, tasks: Option<&sys::Fd>) -> bool {
        let (pid, tid) = ((owner >> 32) as c_int, owner as u32 as c_int);
        task_dir::has_ended(tasks.map_or(sys::CWD, sys::Fd::raw), pid, tid)
    }

    /// Takes over from a call whose thread has ended.
    fn clear_after(&self, owner: u64, left_by_parent: bool, lock: &CallLock) {
        if !left_by_parent && self.committing.load(SeqCst) != 0 {
            sys::die(format_args!("{} {}: it is the one that called, and it has ended", handler::WHY, owner as u32))
        }
        self.committing.store(0, SeqCst);
        // Threads that it has stopped have seen its end, and have ended the process; so there are none.
        self.current.store(core::ptr::null_mut(), SeqCst);
        self.mapping.set(lock, Mapping::NONE);
        signal_action::restore(self, true);
    }
}
