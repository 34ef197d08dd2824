//! The last error of each thread: a buffer of the thread's own, behind a key of thread-specific data.

use core::cell::Cell;
use core::ffi::{c_char, c_void};
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering::SeqCst};

use super::message::Message;
use crate::caps::text::CapTextError;
use crate::error::{Error, Status};
use crate::{pin, sys};

/// A thread's last failure.
///
/// The error of a capability text is kept as it is until somebody asks: many callers only want to know whether a text is one, and
/// need not wait for what is wrong with it. From then on the text is made at once, since the caller has its address.
struct LastError {
    message: Message,
    kept: Cell<Option<KeptError>>,
    asked: Cell<bool>,
}

/// An error without the heap.
#[derive(Clone, Copy)]
struct KeptError {
    option: &'static str,
    error: CapTextError,
}

impl LastError {
    const fn none() -> LastError {
        LastError { message: Message::empty(), kept: Cell::new(None), asked: Cell::new(false) }
    }

    fn remember(&self, error: &Error) {
        let kept = match *error {
            Error::CapText { option, error } if !self.asked.get() => Some(KeptError { option, error }),
            _ => None,
        };
        self.kept.set(kept);
        if kept.is_none() {
            self.message.write(error);
        }
    }

    fn text(&self) -> *const c_char {
        self.asked.set(true);
        if let Some(KeptError { option, error }) = self.kept.take() {
            self.message.write(&Error::CapText { option, error });
        }
        self.message.as_ptr()
    }
}

/// The last status of a thread that had no buffer to be had for it; 0 is none.
static WITHOUT_BUFFER: AtomicI32 = AtomicI32::new(0);

/// The key, plus 1; 0 is none yet.
static KEY: AtomicU64 = AtomicU64::new(0);

/// The key; made at the first failure in the process. `None` where none is left, or its destructor could be unmapped.
fn key() -> Option<libc::pthread_key_t> {
    let known = KEY.load(SeqCst);
    if known != 0 {
        return Some((known - 1) as libc::pthread_key_t);
    }
    pin::pin_object().ok()?;
    let mut key = 0;
    // SAFETY: there is memory for the key, and the destructor takes what the key holds.
    if unsafe { libc::pthread_key_create(&mut key, Some(release)) } != 0 {
        return None;
    }
    match KEY.compare_exchange(0, u64::from(key) + 1, SeqCst, SeqCst) {
        Ok(_) => Some(key),
        Err(other) => {
            // SAFETY: made just now, and known to nobody.
            unsafe { libc::pthread_key_delete(key) };
            Some((other - 1) as libc::pthread_key_t)
        }
    }
}

/// At the end of a thread.
unsafe extern "C" fn release(buffer: *mut c_void) {
    // SAFETY: the key holds what `of_this_thread` has mapped, and the thread, the only one that uses it, ends.
    unsafe { sys::unmap(buffer.cast(), size_of::<LastError>()) };
}

/// The calling thread's buffer, if it has one.
fn of_this_thread() -> Option<&'static LastError> {
    let key = KEY.load(SeqCst).checked_sub(1)? as libc::pthread_key_t;
    // SAFETY: a key of ours. What it holds is this thread's alone; no reference to it outlives a call of this module.
    unsafe { libc::pthread_getspecific(key).cast::<LastError>().as_ref() }
}

/// A buffer for the calling thread. Not malloc(3): a failure must not wait for a lock that the caller may hold.
fn new_for_this_thread() -> Option<&'static LastError> {
    // Of dlopen(3) and pthread_setspecific(3).
    let errno = sys::errno();
    let made = map_for_this_thread();
    sys::set_errno(errno);
    made
}

fn map_for_this_thread() -> Option<&'static LastError> {
    let key = key()?;
    let buffer = sys::map(size_of::<LastError>(), false).ok()?.cast::<LastError>();
    // SAFETY: a mapping of our own, so long and aligned to a page.
    unsafe { buffer.write(LastError::none()) };
    // SAFETY: a key of ours.
    if unsafe { libc::pthread_setspecific(key, buffer.cast()) } != 0 {
        // SAFETY: nobody has seen it.
        unsafe { sys::unmap(buffer.cast(), size_of::<LastError>()) };
        return None;
    }
    // SAFETY: as in `of_this_thread`.
    unsafe { buffer.as_ref() }
}

/// Keeps an error as the calling thread's last one.
pub(super) fn remember(error: &Error) {
    match of_this_thread().or_else(new_for_this_thread) {
        Some(buffer) => buffer.remember(error),
        None => WITHOUT_BUFFER.store(error.status() as i32, SeqCst),
    }
}

/// The text of the calling thread's last error; without a buffer, that of the last status for which there was none. A thread that
/// has not failed yet gets its buffer now: a call and the question may be arguments of one function, in any order of evaluation.
pub(super) fn text() -> *const c_char {
    match of_this_thread().or_else(new_for_this_thread) {
        Some(buffer) => buffer.text(),
        None => match WITHOUT_BUFFER.load(SeqCst) {
            0 => c"".as_ptr(),
            status => Status::fixed_text(status).as_ptr(),
        },
    }
}

#[cfg(test)]
mod tests {
    use core::ffi::CStr;

    use super::*;
    use crate::caps;
    use crate::text::Excerpt;

    fn unknown(name: &str) -> Error {
        let text = format!("{name}=p");
        Error::CapText { option: "text", error: caps::text::parse(text.as_bytes(), 40).expect_err("no such name") }
    }

    fn shown(at: *const c_char) -> String {
        // SAFETY: of a Message, which ends with NUL.
        unsafe { CStr::from_ptr(at) }.to_str().expect("UTF-8").to_owned()
    }

    #[test]
    fn the_last_failure_is_told() {
        let other = Error::UnknownUser { word: Excerpt::new(b"nobody-here") };
        for last in [unknown("cap_last"), other.clone()] {
            for before in
                [vec![], vec![unknown("cap_before")], vec![other.clone()], vec![unknown("cap_a"), other.clone()]]
            {
                let here = LastError::none();
                before.iter().for_each(|error| here.remember(error));
                here.remember(&last);
                let at = here.text();
                assert_eq!(shown(at), last.to_string());
                // The address is known now, so the text follows.
                for error in &before {
                    here.remember(error);
                    assert_eq!(shown(at), error.to_string());
                }
                assert_eq!(here.text(), at);
            }
        }
        let none = LastError::none();
        assert_eq!(shown(none.text()), "");
    }

    #[test]
    #[cfg_attr(miri, ignore = "maps memory by a system call of its own")]
    fn each_thread_has_its_own() {
        remember(&unknown("cap_mine"));
        let mine = shown(text());
        let (theirs, address) = std::thread::spawn(|| {
            assert_eq!(shown(text()), "");
            remember(&unknown("cap_theirs"));
            (shown(text()), text() as usize)
        })
        .join()
        .expect("ends");
        assert!(mine.contains("cap_mine") && theirs.contains("cap_theirs"), "{mine} {theirs}");
        assert_eq!(shown(text()), mine);
        assert_ne!(text() as usize, address);
    }
}
