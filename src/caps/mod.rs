//! Capabilities, as in capabilities(7): names, sets and the text format.

mod names;
mod set;
pub mod text;

pub use names::{CapNames, NAMES, by_name, name};
pub(crate) use names::{Name, is_word};
pub(crate) use set::NONE;
pub use set::{CapSets, SETGID, SETPCAP, SETUID, SYS_CHROOT, bit, each, up_to};
