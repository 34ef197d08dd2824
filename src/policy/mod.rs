//! The policy: a value for each option of the `Security` stanza, checked when it is set. It is data; `apply` changes the process.

mod from_config;
mod get;
mod options;
mod proc_dir;

use alloc::vec::Vec;

use crate::alloc_util::try_push;
use crate::caps;
use crate::config::{self, Setting};
use crate::error::{Error, Status};
use crate::plan::TargetCaps;
use crate::sys;
use crate::text::BoundedWriter;

use options::Memberships;
pub use options::OPTIONS;
pub(crate) use options::{Options, root_directory};
pub(crate) use proc_dir::ProcDirectory;

/// A value for each option.
pub struct Policy {
    pub(crate) options: Options,
    pub(crate) proc: Option<ProcDirectory>,
}

impl Policy {
    /// Makes a policy with every option at its default, and opens /proc.
    pub fn new() -> Result<Policy, Error> {
        Ok(Policy { options: options::DEFAULTS, proc: ProcDirectory::open().ok().filter(ProcDirectory::is_held) })
    }

    /// Sets an option; `None` sets it to its default.
    pub fn set(&mut self, option: &[u8], value: Option<&[u8]>) -> Result<(), Error> {
        // The value is stored last, after everything that can fail.
        self.options.set(option, value, Memberships::Now)
    }

    fn set_all(&mut self, settings: &[Setting]) -> Result<(), Error> {
        let mut options = self.options.copy()?;
        options.set_all(settings)?;
        self.options = options;
        Ok(())
    }

    /// Sets options from the `Security` stanza of a configuration file.
    pub fn load(&mut self, path: &[u8]) -> Result<(), Error> {
        self.set_all(&config::load(path)?)
    }

    /// The same, but goes on after an error: sets what can be set, and returns everything that is wrong. An error of its own only if
    /// memory or descriptors have run out; nothing is set then.
    pub fn load_with_all_errors(&mut self, path: &[u8]) -> Result<Vec<Error>, Error> {
        let (settings, error) = config::load_up_to_error(path);
        let mut options = self.options.copy()?;
        let mut errors = options.set_what_can_be(&settings)?;
        match error.map(Error::from) {
            None => {}
            Some(error) if error.status() == Status::Resource => return Err(error),
            Some(error) => try_push(&mut errors, error)?,
        }
        self.options = options;
        Ok(errors)
    }

    /// Retains what `ambient` names, but for what is optional: for a program that is to be executed with it.
    pub fn retain_ambient(&mut self) {
        self.options.retain_ambient();
    }

    /// Whether `chroot` is set.
    pub fn changes_root(&self) -> bool {
        self.options.chroot.is_some()
    }

    /// The user id to become, if one is set.
    pub fn uid(&self) -> Option<u32> {
        self.options.uid()
    }

    /// Sets options from the `Security` stanza of a configuration text.
    pub fn parse(&mut self, text: &[u8]) -> Result<(), Error> {
        self.set_all(&config::parse(text)?)
    }

    /// Writes the value of an option, or of `uid`, `gid` or `groups`.
    pub(crate) fn get(&self, option: &[u8], out: &mut BoundedWriter<'_>) -> Result<(), Error> {
        self.options.write(option, out)
    }

    /// A policy with the three options of ec_security_apply().
    pub(crate) fn of_three(user: Option<&[u8]>, group: Option<&[u8]>, caps: Option<&[u8]>) -> Result<Policy, Error> {
        let mut policy = Policy::new()?;
        policy.set(b"user", user)?;
        policy.set(b"group", group)?;
        if let Some(text) = caps {
            // The argument is always a capability text, also if it is "keep".
            let caps = caps::text::parse(text, sys::last_cap()).map_err(options::cap_error("capabilities"))?;
            policy.options.caps = TargetCaps::Exactly(caps);
        }
        Ok(policy)
    }
}
