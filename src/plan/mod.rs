//! From what is wanted and what a thread holds to the ordered steps between them. Pure: nothing here asks the system or
//! allocates, so that a stopped thread can plan for itself in a signal handler.
//!
//! `goal` finds the state at the end, or says what the kernel would refuse; `order` finds the steps to it.
//!
//! Each rule says where it comes from: the manual pages of section 7, or the kernel's kernel/sys.c and security/commoncap.c.

mod goal;
mod order;
mod refusal;
mod state;
mod step;

pub use goal::missing_capabilities;
pub use order::{MAX_STEPS, Plan, PlanKind, Probe, plan};
pub use refusal::Refusal;
pub(crate) use state::KEEP_CAPS;
pub use state::{Credentials, SECUREBITS, Target, TargetCaps};
pub use step::{Step, first_mismatch};
