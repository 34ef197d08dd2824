//! What messages are made of. Imports nothing of this crate: every other module may use it.

#![forbid(unsafe_code)]

mod errno;
mod excerpt;

pub use errno::Errno;
pub use excerpt::{Excerpt, write_escaped};
