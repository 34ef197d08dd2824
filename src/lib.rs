//! Drops a server's privileges: every thread ends exactly as asked, or an error is returned and nothing changed, or the
//! process is gone.
//!
//! This is the Rust core of the C library `libec_security`; the interface for users is `include/ec_security.h`. How one
//! call runs:
//!
//! ```text
//!   C caller ──▶ ffi ──▶ policy ──▶ config      configuration file ─▶ options
//!                          │ ├────▶ cap_text    "cap_x+ep"          ─▶ three masks
//!                          │ └────▶ identity    names               ─▶ ids, groups
//!                          ▼
//!                        plan       wanted + held ─▶ ordered steps, or why not      (pure)
//!                          ▼
//!                        rehearsal  a throw-away child runs the steps: would the kernel agree?
//!                          ▼
//!                        rendezvous every thread parked; caller commits, then all; each reads itself back
//!                          ▼
//!                        sys        one function per system call
//! ```
//!
//! Imports go down this picture only; `text` is under all of it.

#![cfg_attr(not(feature = "std"), no_std)]
#![deny(unsafe_code)]

extern crate alloc;

pub mod cap_sets;
pub mod cap_text;
#[allow(unsafe_code)]
mod commit;
pub mod config;
pub mod error;
#[allow(unsafe_code)]
pub mod ffi;
pub mod identity;
pub mod plan;
pub mod policy;
#[forbid(unsafe_code)]
pub mod procfs;
#[allow(unsafe_code)]
mod rehearsal;
#[allow(unsafe_code)]
mod rendezvous;
pub mod status;
#[allow(unsafe_code)]
pub mod sys;
pub mod text;

pub use config as stanza;

/// The version of this library, as in `Cargo.toml`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
