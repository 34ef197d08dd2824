//! Why a policy could not be applied.

use core::fmt;

use crate::plan::Step;
use crate::sys;
use crate::text::Errno;

/// Why the caller's own commit or its rehearsal failed; nothing was changed, or all was undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// A step was refused.
    #[error("{step} refused ({errno})")]
    Refused {
        /// The call.
        step: Step,
        /// The reason given.
        errno: Errno,
    },
    /// A step succeeded, and its effect was missing.
    #[error("{step} reported success but did not take effect (a seccomp filter that lies?)")]
    NoEffect {
        /// The call.
        step: Step,
    },
    /// The rehearsal's child was killed at a step, or before the first.
    #[error("the rehearsal was killed{} {} ({}?)", By(*.signal), At(*.step), killer(*.signal))]
    Killed {
        /// The call.
        step: Option<Step>,
        /// What killed it; 0: another part of the program has taken its wait status.
        signal: i32,
    },
    /// The rehearsal's child did not end in time.
    #[error("the rehearsal hung at {step} and was killed (does a seccomp supervisor or a file system not answer?)")]
    Hung {
        /// The call under way.
        step: Step,
    },
    /// Nothing could end the call, should it hang.
    #[error(transparent)]
    NoTimer(#[from] NoTimer),
    /// A child of an earlier rehearsal has not ended.
    #[error("process {pid}, the child of an earlier rehearsal, was killed and has not ended (see its wchan in /proc)")]
    EarlierChild {
        /// Its process id.
        pid: i32,
    },
    /// A child would be the first process of a new pid namespace, whose end ends the namespace.
    #[error(
        "a child process must test the calls, but it would be process 1 of the pid namespace that this thread has created \
         (unshare(2), CLONE_NEWPID), and its exit would end the namespace; call before unshare(2), or in a child"
    )]
    NewPidNamespace,
    /// clone(2) for the rehearsal failed.
    #[error("clone for the rehearsal failed ({errno}{})", clone_hint(.errno))]
    Clone {
        /// The reason given.
        errno: Errno,
    },
    /// A system call that the rehearsal needs.
    #[error("{call} failed ({errno})")]
    System {
        /// The call.
        call: &'static str,
        /// The reason given.
        errno: Errno,
    },
}

/// Why there is no timer that ends a call which hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot create the timer that ends a call that hangs ({})", TimerProblem(*.errno))]
pub struct NoTimer {
    /// What timer_create(2), timer_settime(2) or timer_delete(2) said; `None`: a filter kills for one of them.
    pub errno: Option<Errno>,
}

struct TimerProblem(Option<Errno>);

impl fmt::Display for TimerProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(errno @ Errno(libc::EAGAIN)) => {
                write!(f, "{errno}; the limit of queued signals, RLIMIT_SIGPENDING, is reached")
            }
            Some(errno) => {
                write!(f, "{errno}; a seccomp filter must allow timer_create, timer_settime and timer_delete")
            }
            None => f.write_str("a seccomp filter kills for timer_create, timer_settime or timer_delete"),
        }
    }
}

/// Where the rehearsal's child was.
struct At(Option<Step>);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(step) => write!(f, "at {step}"),
            None => f.write_str("before its first step"),
        }
    }
}

/// What killed it, where that is known.
struct By(i32);

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { Ok(()) } else { write!(f, " by signal {}", self.0) }
    }
}

/// Who kills by a signal.
fn killer(signal: i32) -> &'static str {
    if signal == libc::SIGKILL { "another process of the user, or lack of memory" } else { "seccomp filter" }
}

fn clone_hint(errno: &Errno) -> &'static str {
    match errno.0 {
        libc::EAGAIN if sys::is_of_deadline_class() => "; a thread of SCHED_DEADLINE cannot have children (sched(7))",
        libc::EAGAIN => {
            "; the limit of processes is reached: pids.max of the cgroup, TasksMax= of the unit, --pids-limit of the container, or \
             RLIMIT_NPROC of the user"
        }
        _ => "",
    }
}
