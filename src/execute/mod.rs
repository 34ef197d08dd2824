//! Executes a plan in the calling thread: reads what it holds, makes the steps, reads back, undoes the steps. Uses raw system calls
//! only, because it runs in stopped threads and in the child of the rehearsal.

mod chroot;
mod context;
mod follower;
mod groups;
mod read;
mod rollback;
mod steps;

pub(crate) use chroot::{Directories, Root};
pub(crate) use context::{Context, Unknown};
pub(crate) use follower::{PreparedFollower, Problem, Seen, commit_follower, prepare};
pub(crate) use groups::{GroupMatch, SharedBuffer};
pub use read::ReadError;
pub(crate) use read::{OwnStatus, Reading, read_caller, read_other};
pub(crate) use rollback::{Snapshot, leaves_directories, undo};
pub(crate) use steps::{
    Fault, StepError, compare, keep_parent_death_signal, run_plan, run_plan_not_dumpable, run_plan_probing,
    set_dumpable, set_parent_death_signal, verify,
};
