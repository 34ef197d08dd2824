//! Drops a server's privileges: every thread ends exactly as asked, or an error is returned and nothing changed, or the
//! process is gone.
//!
//! This is the Rust core of the C library `libec_security`; the interface for users is `include/ec_security.h`. How one
//! call runs:
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
//! Imports go down this picture only; `text` and `alloc_util` are under all of it.

#![cfg_attr(not(feature = "std"), no_std)]
#![deny(unsafe_code)]

extern crate alloc;

mod alloc_util;
#[allow(unsafe_code)]
pub mod apply;
#[cfg(not(feature = "std"))]
#[allow(unsafe_code)]
mod c_runtime;
#[allow(unsafe_code)]
pub mod capi;
pub mod caps;
pub mod config;
mod effective;
pub mod error;
#[allow(unsafe_code)]
mod execute;
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

// Old names, until all code uses the new ones.
pub use caps as cap_sets;
pub use caps::text as cap_text;
pub use config as stanza;

/// The version of this library, as in `Cargo.toml`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
