//! The way from C into Rust and back: panics stop here, errors become statuses, text goes into the caller's buffer.

use core::ffi::{c_char, c_int};
use core::{ptr, slice};

use super::args::{message_of, policy_ref};
use super::ec_security_policy;
use super::last_error;
use super::message::Message;
use crate::error::{Error, Status};
use crate::policy::Policy;
use crate::sys;
use crate::text::BoundedWriter;

/// Where Rust's standard library is linked, a panic of this library is caught and becomes an error; in the C library, which
/// does without, it ends the process with one line. Either way it goes no further.
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

/// Runs `body`; turns its error into a status and this thread's last error. No panic gets past it, and errno is kept.
pub(super) fn ffi_boundary(body: impl FnOnce() -> Result<(), Error>) -> c_int {
    // SAFETY: no message.
    unsafe { ffi_boundary_for(ptr::null_mut(), body) }
}

/// As [`ffi_boundary`], and the error becomes that of an object as well.
///
/// # Safety
/// `message` is NULL or one that nobody else uses now.
unsafe fn ffi_boundary_for(message: *mut Message, body: impl FnOnce() -> Result<(), Error>) -> c_int {
    let errno = sys::errno();
    // A thread cancelled in a look-up would leave the turn taken, and unwind through frames that cannot.
    let cancellation = sys::disable_cancellation();
    let status = match catch_panic(body) {
        Ok(()) => Status::Ok,
        Err(error) => {
            last_error::remember(&error);
            // SAFETY: the caller's promise; `body` is over.
            if let Some(message) = unsafe { message.as_mut() } {
                message.write(&error);
            }
            error.status()
        }
    };
    sys::restore_cancellation(cancellation);
    sys::set_errno(errno);
    status as c_int
}

/// Runs `body` on a policy, which keeps the error as well.
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
        let room: &mut [u8] = if len == 0 {
            &mut []
        } else {
            // Some pass SIZE_MAX for "as much as it takes", and no slice is that long; no text is longer than the result tells.
            let len = len.min(c_int::MAX as usize);
            // SAFETY: not NULL here, and the caller vouches for `len` bytes.
            unsafe { slice::from_raw_parts_mut(buf.cast::<u8>(), len) }
        };
        let keep = room.first().copied();
        let (text, end) = room.split_at_mut(room.len().saturating_sub(1));
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
                if let (Some(first), Some(keep)) = (room.first_mut(), keep) {
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
