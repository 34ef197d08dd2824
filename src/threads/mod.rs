//! All threads stopped at the same time, once; the caller commits first, then all; each is looked at afterwards.
//!
//! No thread goes back to its own work before all have committed, so that code of the program never runs in a thread that has
//! dropped beside one that has not; and a busy thread does not keep the processor from those still to come.

mod abort;
mod call_lock;
mod deadline;
mod error;
mod handler;
mod probe;
mod session;
mod shared;
mod signal_action;
mod stop;

pub(crate) use abort::die_of;
pub(crate) use call_lock::CallsSeen;
pub use error::{StopError, ThreadProblem, ThreadState};
pub(crate) use probe::{ThreadProbe, probe_thread};
pub(crate) use shared::CallLock;
pub(crate) use stop::{StoppedThreads, stop_all};
