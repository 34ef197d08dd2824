//! Drops a server's privileges: every thread ends exactly as asked, or an error is returned and nothing changed, or the
//! process is gone.
//!
//! ```no_run
//! use ec_security::Policy;
//!
//! fn become_the_server() -> Result<(), ec_security::Error> {
//!     let mut policy = Policy::new()?;
//!     policy.set(b"user", Some(b"ecuser"))?;
//!     policy.set(b"capabilities", Some(b"cap_net_bind_service+ep"))?;
//!     policy.apply()
//! }
//!
//! if let Err(error) = become_the_server() {
//!     eprintln!("server: {error}");
//!     std::process::exit(1);
//! }
//! ```
//!
//! [`Policy`], [`CapSets`], [`Error`] and [`Status`] are the interface of the crate for Rust. The other modules are internal, and may
//! change. The options are those of `ec_security_policy_set()`, which `include/ec_security.h` and ec_security.conf(5) describe. Texts
//! are bytes: names and paths need not be UTF-8. The crate has three features: `std` (the library for C is built without it), `cli`
//! (the command) and `capi` (the functions of the C interface). A Rust program needs only `std`:
//!
//! ```toml
//! ec_security = { version = "0.1", default-features = false, features = ["std"] }
//! ```
//!
//! This is also the Rust core of the C library `libec_security`. How one call runs:
//!
//! ```text
//!   C caller ──▶ capi ──▶ policy ──▶ config      configuration file ─▶ options
//!                  │        ├────────▶ caps::text  "cap_x+ep"          ─▶ three masks
//!                  │        └────────▶ identity    names               ─▶ ids, groups
//!                  ▼
//!                apply ──▶ plan       target + held ─▶ ordered steps, or why not      (pure)
//!                  │ ├───▶ rehearsal  a child runs the steps: would the kernel agree?
//!                  │ └───▶ threads    every thread stopped; caller commits, then all; each reads itself back
//!                  ▼
//!                 sys       one function per system call
//! ```
//!
//! Modules import only what is below them in this picture. docs/architecture.md has a picture with all files.

#![cfg_attr(not(feature = "std"), no_std)]
#![deny(unsafe_code)]
// Raise, lower and some more are for the C interface only.
#![cfg_attr(not(feature = "capi"), allow(dead_code, unused_imports))]

extern crate alloc;

#[allow(unsafe_code)]
mod alloc_util;
#[allow(unsafe_code)]
pub mod apply;
#[cfg(all(feature = "capi", not(feature = "std")))]
#[allow(unsafe_code)]
mod c_runtime;
#[cfg(feature = "capi")]
#[allow(unsafe_code)]
pub mod capi;
pub mod caps;
pub mod config;
mod effective;
pub mod error;
#[allow(unsafe_code)]
mod execute;
mod id_map;
pub mod identity;
#[allow(unsafe_code)]
mod pin;
pub mod plan;
pub mod policy;
#[forbid(unsafe_code)]
pub mod procfs;
pub mod status;
#[allow(unsafe_code)]
pub mod sys;
mod task_dir;
pub mod text;
#[allow(unsafe_code)]
mod threads;
mod trusted_path;

pub use caps::CapSets;
pub use error::{Error, Status};
pub use policy::Policy;

/// What changes a process, or finds out whether it could be changed. What is said of the C functions of these names holds here too.
impl Policy {
    /// Makes every thread of the process what the policy says. On an error nothing has changed; a failure after the first change
    /// that cannot be undone ends the process.
    ///
    /// # Errors
    ///
    /// What this kernel, this process or another thread stands in the way of; [`Error::status`] is its number.
    pub fn apply(&mut self) -> Result<(), Error> {
        apply::apply(self)
    }

    /// Finds out whether [`Policy::apply`] would work now, and changes nothing.
    ///
    /// # Errors
    ///
    /// What `apply` would return, as far as it can be seen without stopping a thread.
    pub fn check(&mut self) -> Result<(), Error> {
        apply::check(self)
    }
}

/// Reads a text in the format of cap_from_text(3).
impl core::str::FromStr for CapSets {
    type Err = caps::text::CapTextError;

    fn from_str(text: &str) -> Result<CapSets, Self::Err> {
        caps::text::parse(text.as_bytes(), 63)
    }
}

/// The version of this library, as in `Cargo.toml`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
