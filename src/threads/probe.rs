//! Reads from /proc what another thread is doing: whether it can still answer a signal, and what hinders it.

use super::error::ThreadState;
use crate::procfs::{Stat, Status};
use crate::sys;
use crate::task_dir::{self, TaskPath};
use crate::text::{Errno, Excerpt};

/// What /proc says of a thread.
pub(crate) enum ThreadProbe {
    Gone,
    Ended,
    KernelWorker {
        /// Each request carries its submitter's credentials.
        per_request_creds: bool,
    },
    Alive(ThreadState),
}

/// Looks at a thread that has not answered.
pub(crate) fn probe_thread(tasks: &sys::KeptFd, tid: i32) -> ThreadProbe {
    let read_wchan = |stat: &Stat<'_>| {
        let mut buf = [0; 64];
        let wchan = task_dir::read_start(tasks.raw(), &TaskPath::in_task_dir(tid, "wchan"), &mut buf);
        stat.takes_credentials_of_requests(wchan.unwrap_or_default())
    };
    let look = |stat: &Stat<'_>| match stat.state {
        state if state.has_ended() => Err(ThreadProbe::Ended),
        _ if stat.is_kernel_worker() => Err(ThreadProbe::KernelWorker { per_request_creds: read_wchan(stat) }),
        state => Ok(state.0),
    };
    let state = match stat_of(tasks, tid, look) {
        StatOf::Gone => return ThreadProbe::Gone,
        StatOf::Read(Err(probe)) => return probe,
        StatOf::Read(Ok(state)) => state,
        StatOf::Unknown => {
            let wchan = Excerpt::new(b"");
            return ThreadProbe::Alive(ThreadState { state: 0, blocks_signal: false, pending: true, tracer: 0, wchan });
        }
    };
    let status = status_of(tasks, tid).unwrap_or_default();
    ThreadProbe::Alive(ThreadState {
        state,
        blocks_signal: has_signal(status.blocked),
        pending: has_signal(status.pending),
        tracer: status.tracer.unwrap_or(0),
        wchan: task_dir::short_text(tasks.raw(), tid, "wchan"),
    })
}

/// Whether a thread may have the signal pending. Where that cannot be read (no descriptor left, say) it may.
pub(super) fn may_be_pending(tasks: &sys::KeptFd, tid: i32) -> bool {
    match status_of(tasks, tid) {
        Ok(status) => has_signal(status.pending),
        Err(errno) => !is_gone(tasks, errno),
    }
}

/// Whether a thread has ended, as far as /proc says so for sure.
pub(super) fn has_ended_for_sure(tasks: &sys::KeptFd, tid: i32) -> bool {
    matches!(stat_of(tasks, tid, |stat| stat.state.has_ended()), StatOf::Gone | StatOf::Read(true))
}

/// Whether the set*id signal is in a mask of /proc/PID/status.
fn has_signal(mask: Option<u64>) -> bool {
    mask.unwrap_or(0) >> (sys::SIGNAL - 1) & 1 != 0
}

fn status_of(tasks: &sys::KeptFd, tid: i32) -> Result<Status, Errno> {
    let file = task_dir::open(tasks.raw(), &TaskPath::in_task_dir(tid, "status"))?;
    task_dir::read_status(&file, |_| {})
}

/// What the file `stat` of a thread says.
enum StatOf<T> {
    /// There is no such thread.
    Gone,
    /// It may be there: no descriptor is left, say.
    Unknown,
    Read(T),
}

fn stat_of<T>(tasks: &sys::KeptFd, tid: i32, look: impl FnOnce(&Stat<'_>) -> T) -> StatOf<T> {
    let mut buf = [0; 512];
    match task_dir::read_start(tasks.raw(), &TaskPath::in_task_dir(tid, "stat"), &mut buf) {
        Ok(text) => Stat::parse(text).map_or(StatOf::Unknown, |stat| StatOf::Read(look(&stat))),
        Err(errno) if is_gone(tasks, errno) => StatOf::Gone,
        Err(_) => StatOf::Unknown,
    }
}

/// Whether the error of a file of a thread says that the thread has ended. In another directory there is no such file either.
fn is_gone(tasks: &sys::KeptFd, errno: Errno) -> bool {
    matches!(errno, Errno(libc::ENOENT | libc::ESRCH)) && !tasks.is_lost()
}
