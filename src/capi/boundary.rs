//! The boundary between C and Rust: catches panics, turns errors into statuses, writes text into buffers of the caller.

use core::ffi::{c_char, c_int};
use core::{ptr, slice};

use super::args::{message_of, policy_ref};
use super::last_error;
use super::message::Message;
use super::types::ec_security_policy;
use crate::error::{Error, Status};
use crate::policy::Policy;
use crate::sys;
use crate::text::BoundedWriter;

/// With Rust's standard library, catches a panic and turns it into an error. The C library is built without it; there a panic ends the
/// process with one line.
fn catch_panic(body: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    #[cfg(feature = "std")]
    {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(body))
            .unwrap_or(Err(Error::Internal { what: "a panic was caught at the C boundary" }))
    }
    #[cfg(not(feature = "std"))]
    {
        body()
    }
}

/// Runs `body`, and makes its error a status and the last error of this thread. Catches panics and keeps errno.
pub(super) fn ffi_boundary(body: impl FnOnce() -> Result<(), Error>) -> c_int {
    // SAFETY: no message.
    unsafe { ffi_boundary_for(ptr::null_mut(), body) }
}

/// As [`ffi_boundary`]; also writes the error to the message of an object.
///
/// # Safety
/// `message` is NULL or one that nobody else uses now.
unsafe fn ffi_boundary_for(message: *mut Message, body: impl FnOnce() -> Result<(), Error>) -> c_int {
    let errno = sys::errno();
    // A thread that is cancelled during a lookup would keep the call lock, and unwind through frames of Rust.
    let cancellation = sys::disable_cancellation();
    let status = match catch_panic(body) {
        Ok(()) => Status::Ok,
        Err(error) => {
            last_error::remember(&error);
            // SAFETY: the caller's promise; `body` is over.
            if let Some(message) = unsafe { message.as_ref() } {
                message.write(&error);
            }
            error.status()
        }
    };
    sys::restore_cancellation(cancellation);
    sys::set_errno(errno);
    status as c_int
}

/// Runs `body` on a policy; the policy keeps the error as well.
///
/// # Safety
/// `policy` is NULL or a live policy that no other thread uses now.
pub(super) unsafe fn policy_call(
    policy: *mut ec_security_policy,
    body: impl FnOnce(&mut Policy) -> Result<(), Error>,
) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { ffi_boundary_for(message_of(policy), || body(policy_ref(policy)?)) }
}

/// Runs `body` with a writer into a C buffer, and returns the length as snprintf does.
///
/// # Safety
/// `buf` is NULL or has `len` writable bytes. `message` is as for [`ffi_boundary_for`].
pub(super) unsafe fn write_to_buffer(
    message: *mut Message,
    buf: *mut c_char,
    len: usize,
    body: impl FnOnce(&mut BoundedWriter<'_>) -> Result<(), Error>,
) -> c_int {
    let mut total = 0;
    let fill = || {
        if buf.is_null() && len > 0 {
            return Err(Error::Argument { name: "buf", problem: "NULL, but len is not 0" });
        }
        // Outputs are untouched on failure, so what does not fit is counted, and what fits is written when all went well:
        // a first pass would see another state than a second one.
        let bytes: &mut [u8] = if len == 0 {
            &mut []
        } else {
            // A caller may pass SIZE_MAX, but no slice is so long, and no text is longer than INT_MAX.
            let len = len.min(c_int::MAX as usize);
            // SAFETY: not NULL here, and the caller vouches for `len` bytes.
            unsafe { slice::from_raw_parts_mut(buf.cast::<u8>(), len) }
        };
        let keep = bytes.first().copied();
        let (text, end) = bytes.split_at_mut(bytes.len().saturating_sub(1));
        let mut out = BoundedWriter::new(text);
        let result = body(&mut out);
        match result {
            Ok(()) => {
                total = out.len();
                let at = out.end();
                if at < text.len() {
                    text[at] = 0;
                } else if let Some(last) = end.first_mut() {
                    *last = 0;
                }
                Ok(())
            }
            Err(error) => {
                if let (Some(first), Some(keep)) = (bytes.first_mut(), keep) {
                    *first = keep;
                }
                Err(error)
            }
        }
    };
    // SAFETY: the caller's promise.
    let status = unsafe { ffi_boundary_for(message, fill) };
    if status == 0 { c_int::try_from(total).unwrap_or(c_int::MAX) } else { -status }
}
