//! What is wanted: every option of the `Security` stanza, checked when it is set; and the way from there to every thread.

use crate::error::Error;

/// All options.
pub struct Policy {}

impl Policy {
    /// Every option at its default; opens what is needed of /proc.
    pub fn new() -> Result<Policy, Error> {
        Ok(Policy {})
    }

    /// Sets an option; `None` puts it back to its default.
    pub fn set(&mut self, option: &[u8], value: Option<&[u8]>) -> Result<(), Error> {
        let _ = (option, value);
        Ok(())
    }

    /// Sets options from the `Security` stanza of a configuration file.
    pub fn load(&mut self, path: &[u8]) -> Result<(), Error> {
        let _ = path;
        Ok(())
    }

    /// Sets options from the `Security` stanza of a configuration text.
    pub fn parse(&mut self, text: &[u8]) -> Result<(), Error> {
        let _ = text;
        Ok(())
    }

    /// Whether [`Policy::apply`] would work; changes nothing.
    pub fn check(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Applies to every thread.
    pub fn apply(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// A policy on the heap, for C.
pub fn boxed() -> Result<*mut Policy, Error> {
    Ok(alloc::boxed::Box::into_raw(alloc::boxed::Box::new(Policy::new()?)))
}

/// The one call: a policy of three options.
pub fn apply(user: Option<&[u8]>, group: Option<&[u8]>, caps: Option<&[u8]>) -> Result<(), Error> {
    let _ = (user, group, caps);
    Ok(())
}

/// Raises in the calling thread's effective set.
pub fn raise(text: &[u8]) -> Result<(), Error> {
    let _ = text;
    Ok(())
}

/// Lowers in the calling thread's effective set.
pub fn lower(text: &[u8]) -> Result<(), Error> {
    let _ = text;
    Ok(())
}
