//! One call at a time in a process: how a call gets its turn.

use core::ffi::c_int;
use core::sync::atomic::Ordering::SeqCst;
use core::time::Duration;

use super::abort::die_of_ended_caller;
use super::error::StopError;
use super::session::Mapping;
use super::shared::{CallLock, Shared, shared, shared_or_new};
use super::signal_action;
use crate::text::Errno;
use crate::{sys, task_dir};

impl CallLock {
    /// Takes the lock with all signals blocked but SIGSYS; puts the mask before into `mask`. While it waits, signals are not blocked:
    /// the call that has the lock must be able to stop this thread.
    ///
    /// Gives up after `limit`: the id of an owner that has ended may be another thread's by now.
    pub(crate) fn take(tasks: Option<&sys::Fd>, limit: Duration, mask: &mut u64) -> Result<CallLock, StopError> {
        const POLL_INTERVAL: Duration = Duration::from_millis(100);
        let (pid, tid) = (sys::getpid(), sys::gettid());
        if pid == 0 || tid == 0 {
            return Err(StopError::system("getpid or gettid")(Errno(libc::ENOSYS)));
        }
        let shared = shared_or_new();
        let mine = owner_of(pid, tid);
        let start = sys::now();
        loop {
            let seen = shared.calls.load(SeqCst);
            *mask = sys::block_all_but_sigsys().map_err(StopError::system("rt_sigprocmask"))?;
            let owner = match shared.owner.compare_exchange(0, mine, SeqCst, SeqCst) {
                Ok(_) => return Ok(CallLock::of(shared, pid, tid)),
                Err(owner) => owner,
            };
            // A child of a fork, where the page was not wiped: the owner is not here.
            let left_by_parent = shared.outlives_fork() && owner >> 32 != pid as u64;
            if owner != mine
                && (left_by_parent || shared.is_dead(owner, tasks))
                && shared.owner.compare_exchange(owner, mine, SeqCst, SeqCst).is_ok()
            {
                let lock = CallLock::of(shared, pid, tid);
                shared.clear_after(owner, left_by_parent, &lock);
                return Ok(lock);
            }
            sys::retry_restore(|| sys::set_signal_mask(*mask)).map_err(StopError::system("rt_sigprocmask"))?;
            if owner == mine {
                return Err(StopError::Busy { problem: "called while a call is under way in this thread" });
            }
            if sys::now().saturating_sub(start) > limit {
                return Err(StopError::Busy { problem: "the call of another thread has not ended in time" });
            }
            sys::futex_wait(&shared.calls, seen, Some(POLL_INTERVAL));
        }
    }
}

impl CallLock {
    /// The thread is the owner.
    fn of(shared: &'static Shared, pid: i32, tid: i32) -> CallLock {
        shared.calls.fetch_add(1, SeqCst);
        CallLock { shared, pid, tid }
    }
}

/// The calls of this process at one moment, for one that reads its threads without stopping any.
pub(crate) struct CallsSeen {
    /// Of `Shared::calls`, read before `under_way`: a call whose beginning is not counted yet is seen under way, or counted later.
    count: u32,
    under_way: bool,
}

impl CallsSeen {
    pub(crate) fn now() -> CallsSeen {
        let Some(shared) = shared() else { return CallsSeen { count: 0, under_way: false } };
        let count = shared.calls.load(SeqCst);
        CallsSeen { count, under_way: shared.is_under_way() }
    }

    /// Whether a call was under way at any time since. Waits for the end of the one that is, but no longer than `limit`.
    pub(crate) fn disturbed(&self, limit: Duration) -> bool {
        const POLL_INTERVAL: Duration = Duration::from_millis(10);
        let Some(shared) = shared() else { return false };
        let start = sys::now();
        loop {
            let seen = shared.calls.load(SeqCst);
            if !shared.is_under_way() {
                return self.under_way || seen != self.count;
            }
            if sys::now().saturating_sub(start) >= limit {
                return true;
            }
            sys::futex_wait(&shared.calls, seen, Some(POLL_INTERVAL));
        }
    }
}

fn owner_of(pid: i32, tid: i32) -> u64 {
    (pid as u64) << 32 | tid as u64
}

impl Shared {
    /// Whether a thread of this process that is there still has a call under way.
    fn is_under_way(&self) -> bool {
        let owner = self.owner.load(SeqCst);
        owner != 0 && owner >> 32 == sys::getpid() as u64 && !self.is_dead(owner, None)
    }

    /// Whether the thread of a call has ended: a filter of its own may have killed it.
    fn is_dead(&self, owner: u64, tasks: Option<&sys::Fd>) -> bool {
        let (pid, tid) = ((owner >> 32) as c_int, owner as u32 as c_int);
        task_dir::has_ended(tasks.map(sys::Fd::raw), pid, tid)
    }

    /// Takes over from a call whose thread has ended.
    fn clear_after(&self, owner: u64, left_by_parent: bool, lock: &CallLock) {
        if !left_by_parent && self.committing.load(SeqCst) != 0 {
            die_of_ended_caller(owner as u32 as i32)
        }
        self.committing.store(0, SeqCst);
        // Threads that it has stopped have seen its end, and have ended the process; so there are none.
        self.current.store(core::ptr::null_mut(), SeqCst);
        lock.keep_mapping(Mapping::NONE);
        signal_action::restore(self, true);
    }
}
