//! The parts of messages. Imports nothing of this crate; every other module may import it.

#![forbid(unsafe_code)]

mod bounded;
mod errno;
mod excerpt;
mod suggest;

pub(crate) use bounded::BoundedWriter;
pub use errno::Errno;
pub use excerpt::{Excerpt, write_escaped, write_path};
pub(crate) use suggest::Suggestion;
pub use suggest::nearest;
