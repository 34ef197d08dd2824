//! Why threads could not be stopped.

use core::fmt;

use crate::execute::{Problem, ReadError};
use crate::plan::Refusal;
use crate::text::{Errno, Excerpt};

/// Why threads could not be stopped; nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    /// A system call failed.
    #[error("{call} failed ({errno})")]
    System {
        /// The call and what it was for.
        call: &'static str,
        /// The reason the kernel gave.
        errno: Errno,
    },
    /// A thread cannot be stopped, or could not follow.
    #[error("thread {tid}{}: {problem}", Named(.comm))]
    Thread {
        /// The thread's id.
        tid: i32,
        /// Its name in /proc.
        comm: Excerpt,
        /// What hinders it.
        problem: ThreadProblem,
    },
    /// Threads were created faster than they could be stopped.
    #[error("threads are created faster than they can be stopped ({stopped} were stopped when the deadline was over)")]
    ThreadsKeepComing {
        /// How many were stopped.
        stopped: usize,
    },
    /// /proc cannot be used.
    #[error("/proc: {problem}")]
    Proc {
        /// What is wrong with it, and what to do.
        problem: &'static str,
    },
    /// The threads of this process cannot be listed, and it has more than one.
    #[error(
        "/proc: cannot list this process's threads, and it has more than one ({errno}{hint}); mount /proc of its own pid namespace, or \
         make the policy before chroot",
        hint = proc_hint(.errno)
    )]
    NoTaskDir {
        /// The reason the kernel gave.
        errno: Errno,
    },
    /// Another thread has closed the descriptors of this call.
    #[error(
        "another thread has closed file descriptors of this call (close_range(2), or a loop over all descriptors?); close them \
         before or after the call"
    )]
    LostDescriptors,
    /// Called where it must not be, or while another call is under way.
    #[error("{problem}")]
    Busy {
        /// Where.
        problem: &'static str,
    },
}

/// What hinders a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThreadProblem {
    /// It did not stop within the deadline.
    #[error("did not stop within the deadline ({0})")]
    Deadline(ThreadState),
    /// It is a worker of the kernel that keeps the credentials it was made with.
    #[error(
        "is a kernel worker that keeps the credentials of its creator (for io_uring submission polling, vhost or KVM); close its \
         ring or device, or open it after the drop"
    )]
    KernelWorker,
    /// It holds something else than the caller, and there is no plan for it.
    #[error("holds other credentials than the caller and cannot be changed as requested: {0}")]
    Plan(Refusal),
    /// Its own state cannot be read.
    #[error("its credentials cannot be read: {0}")]
    Read(ReadError),
    /// It shares neither root directory nor descriptors with the caller.
    #[error(
        "has its own root directory and its own descriptors (unshare(2), CLONE_FS and CLONE_FILES), so its root directory cannot be changed"
    )]
    PrivateRoot,
    /// It cannot be sent a signal.
    #[error("cannot be signalled ({0}{hint})", hint = signal_hint(.0))]
    Signal(Errno),
}

impl From<Problem> for ThreadProblem {
    fn from(problem: Problem) -> ThreadProblem {
        match problem {
            Problem::Read(error) => ThreadProblem::Read(error),
            Problem::Plan(refusal) => ThreadProblem::Plan(refusal),
            Problem::PrivateRoot => ThreadProblem::PrivateRoot,
        }
    }
}

fn proc_hint(errno: &Errno) -> &'static str {
    match errno.0 {
        libc::EACCES | libc::EPERM => "; Landlock or another security module denies it",
        _ => "",
    }
}

fn signal_hint(errno: &Errno) -> &'static str {
    match errno.0 {
        libc::EAGAIN => "; the limit of queued signals, RLIMIT_SIGPENDING, is reached",
        libc::EACCES | libc::EPERM => "; a security module or a seccomp filter denies signals within the process",
        _ => "",
    }
}

/// What /proc says of a thread that has not stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadState {
    /// proc_pid_stat(5), state; 0 where it cannot be read.
    pub state: u8,
    /// Whether it blocks the signal.
    pub blocks_signal: bool,
    /// Whether the signal is pending.
    pub pending: bool,
    /// What traces it, or 0.
    pub tracer: i32,
    /// The kernel function it sleeps in, where /proc tells.
    pub wchan: Excerpt,
}

impl fmt::Display for ThreadState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.tracer != 0 && matches!(self.state, b't' | b'T') {
            return write!(f, "stopped by its tracer, process {}", self.tracer);
        }
        // posix_spawn(3), too, blocks all signals while it waits for its child in vfork(2).
        if self.blocks_signal && self.state != b'D' {
            return f.write_str("it blocks the set*id signal by a raw system call");
        }
        if self.tracer != 0 {
            write!(f, "traced by process {}, which may suppress its signals; ", self.tracer)?;
        }
        match self.state {
            b'R' => f.write_str("running")?,
            b'S' => f.write_str("asleep")?,
            b'D' => f.write_str("in an uninterruptible wait: vfork, a dead disk or network file system?")?,
            b'T' => f.write_str("stopped by a signal")?,
            b't' => f.write_str("stopped by a tracer")?,
            0 => f.write_str("its state cannot be read")?,
            c => write!(f, "state {}", char::from(c))?,
        }
        if !self.wchan.bytes().is_empty() && self.wchan.bytes() != b"0" {
            write!(f, ", waits in {}", self.wchan)?;
        }
        Ok(())
    }
}

/// The name of a thread, if /proc told it.
struct Named<'a>(&'a Excerpt);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.bytes().is_empty() { Ok(()) } else { write!(f, " {}", self.0) }
    }
}

impl StopError {
    /// Of a system call that failed.
    pub(super) fn system(call: &'static str) -> impl Fn(Errno) -> StopError {
        move |errno| StopError::System { call, errno }
    }

    pub(crate) const FOREIGN_PROC: StopError = StopError::Proc {
        problem: "it belongs to another pid namespace, or a file of another process is mounted there; mount the /proc of this pid namespace, and make \
                  the policy after that",
    };
}
