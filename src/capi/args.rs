//! Borrows the arguments of the C interface, and rejects those that cannot be used.

use core::ffi::{CStr, c_char};
use core::{ptr, slice};

use alloc::boxed::Box;

use super::message::Message;
use super::types::{EC_SECURITY_TEXT_MAX, ec_security_policy};
use crate::alloc_util::try_box;
use crate::error::Error;
use crate::policy::Policy;

/// Borrows a string: `None` for NULL; an error if it is longer than [`EC_SECURITY_TEXT_MAX`].
///
/// # Safety
/// `pointer` is NULL or points to a NUL-terminated string that nobody changes during `'a`.
pub(super) unsafe fn opt_bytes<'a>(name: &'static str, pointer: *const c_char) -> Result<Option<&'a [u8]>, Error> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise; strnlen reads at most one byte more than the longest text taken.
    let len = unsafe { libc::strnlen(pointer, EC_SECURITY_TEXT_MAX + 1) };
    if len > EC_SECURITY_TEXT_MAX {
        return Err(Error::Argument { name, problem: "longer than 65535 bytes" });
    }
    // SAFETY: strnlen found `len` bytes there before a NUL.
    Ok(Some(unsafe { slice::from_raw_parts(pointer.cast::<u8>(), len) }))
}

/// As [`opt_bytes`]; NULL is an error.
///
/// # Safety
/// As [`opt_bytes`].
pub(super) unsafe fn bytes<'a>(name: &'static str, pointer: *const c_char) -> Result<&'a [u8], Error> {
    // SAFETY: the caller's promise.
    unsafe { opt_bytes(name, pointer) }?.ok_or(Error::Argument { name, problem: "NULL; a string is needed" })
}

/// As [`bytes`], for a string of any length.
///
/// # Safety
/// As [`opt_bytes`].
pub(super) unsafe fn unbounded_bytes<'a>(name: &'static str, pointer: *const c_char) -> Result<&'a [u8], Error> {
    if pointer.is_null() {
        return Err(Error::Argument { name, problem: "NULL; a string is needed" });
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { CStr::from_ptr(pointer) }.to_bytes())
}

/// The object behind a pointer to a policy.
pub(super) struct Handle {
    pub(super) policy: Policy,
    /// The message of the last call on the policy that failed.
    pub(super) message: Message,
}

impl Handle {
    /// Makes one on the heap.
    pub(super) fn new() -> Result<*mut Handle, Error> {
        let handle = Handle { policy: Policy::new()?, message: Message::empty() };
        try_box(handle).map(Box::into_raw).map_err(|_| Error::OutOfMemory)
    }
}

/// The message of a policy; NULL if the policy is NULL.
pub(super) fn message_of(policy: *mut ec_security_policy) -> *mut Message {
    if policy.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: not NULL, so the pointer came from ec_security_policy_new. No reference is made.
    unsafe { &raw mut (*policy.cast::<Handle>()).message }
}

/// # Safety
/// `policy` is NULL or a live policy that no other thread uses now.
pub(super) unsafe fn policy_ref<'a>(policy: *mut ec_security_policy) -> Result<&'a mut Policy, Error> {
    if policy.is_null() {
        return Err(Error::Argument { name: "policy", problem: "NULL; make one with ec_security_policy_new" });
    }
    // SAFETY: the caller's promise.
    Ok(unsafe { &mut (*policy.cast::<Handle>()).policy })
}
