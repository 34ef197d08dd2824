//! The last error of each thread.

use core::cell::UnsafeCell;
use core::ffi::c_char;
use core::fmt::Write as _;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU8, AtomicU32, Ordering::SeqCst, compiler_fence};

use crate::caps::text::CapTextError;
use crate::error::Error;
use crate::sys;
use crate::text::BoundedWriter;

/// Room for a message and its NUL.
const LAST_ERROR_ROOM: usize = 1024;
const _: () = assert!(size_of::<LastError>() <= sys::PAGE_TEXT && align_of::<LastError>() <= 16);

/// A thread's last failure, on its page. Zeros are valid: none.
///
/// Whoever has asked once has the address of the text, and may look there after any failure, so that the text is made then.
/// Until somebody asks, the error of a capability text is kept as it is: a caller that only wants to know whether a text is
/// one need not wait for what is wrong with it.
///
/// A signal handler may come in anywhere, and fail or ask. What it has written over is written again, so that both find their
/// text whole; one that asks without having failed may find half of what it has interrupted, never without an end: the last byte
/// is always NUL. What is kept it leaves alone while that is written or read.
#[repr(C)]
pub(super) struct LastError {
    text: UnsafeCell<[u8; LAST_ERROR_ROOM]>,
    /// How often it has been written.
    writes: AtomicU32,
    state: AtomicU8,
    kept: UnsafeCell<MaybeUninit<KeptError>>,
}

/// An error without the heap.
#[derive(Clone, Copy)]
struct KeptError {
    option: &'static str,
    error: CapTextError,
}

impl LastError {
    /// The text is that of the last failure, and nobody has asked for it.
    const WRITTEN: u8 = 0;
    /// Nobody has asked, and the last failure is kept.
    const KEPT: u8 = 1;
    /// It is being kept.
    const BUSY: u8 = 2;
    /// The text is that of the last failure, for ever.
    const ASKED: u8 = 3;

    pub(super) fn of_this_thread() -> Option<&'static LastError> {
        // SAFETY: a page has room for it, suitably aligned; pages begin as zeros, and are never unmapped. Other threads see
        // none but their own, so that what is not atomic is this thread's.
        sys::page_for_this_thread().map(|page| unsafe { &*page.text().cast::<LastError>() })
    }

    pub(super) fn remember(&self, error: &Error) {
        if let Error::CapText { option, error } = *error
            && self.keep(KeptError { option, error })
        {
            return;
        }
        let _ = self.turns(LastError::KEPT, LastError::WRITTEN);
        self.write(error);
        // What a signal handler has kept meanwhile came before this was told.
        let _ = self.turns(LastError::KEPT, LastError::WRITTEN);
    }

    /// Keeps an error, if nobody has asked yet.
    fn keep(&self, error: KeptError) -> bool {
        let begins = self.turns(LastError::WRITTEN, LastError::BUSY) || self.turns(LastError::KEPT, LastError::BUSY);
        if !begins {
            return false;
        }
        // SAFETY: this thread's; a signal handler that finds it busy neither reads nor writes it.
        unsafe { (*self.kept.get()).write(error) };
        self.turns(LastError::BUSY, LastError::KEPT)
    }

    /// The text, made now if it is not yet.
    pub(super) fn read(&self) -> *const c_char {
        if self.state.swap(LastError::ASKED, SeqCst) == LastError::KEPT {
            // SAFETY: written before, and never again.
            let KeptError { option, error } = unsafe { (*self.kept.get()).assume_init() };
            self.write(&Error::CapText { option, error });
        }
        self.text.get().cast::<c_char>().cast_const()
    }

    fn turns(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, SeqCst, SeqCst).is_ok()
    }

    fn write(&self, error: &Error) {
        loop {
            let turn = self.writes.fetch_add(1, SeqCst).wrapping_add(1);
            // SAFETY: this thread's, and no reference to it outlives this block.
            let bytes = unsafe { &mut *self.text.get() };
            let mut out = BoundedWriter::new(&mut bytes[..LAST_ERROR_ROOM - 1]);
            let _ = write!(out, "{error}");
            let end = out.end();
            bytes[end] = 0;
            compiler_fence(SeqCst);
            if self.writes.load(SeqCst) == turn {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::ffi::CStr;

    use crate::caps;
    use crate::text::Excerpt;

    fn fresh() -> LastError {
        LastError {
            text: UnsafeCell::new([0; LAST_ERROR_ROOM]),
            writes: AtomicU32::new(0),
            state: AtomicU8::new(LastError::WRITTEN),
            kept: UnsafeCell::new(MaybeUninit::zeroed()),
        }
    }

    fn unknown(name: &str) -> Error {
        let text = format!("{name}=p");
        Error::CapText { option: "text", error: caps::text::parse(text.as_bytes(), 40).expect_err("no such name") }
    }

    fn text(at: *const c_char) -> String {
        // SAFETY: of a LastError, which ends with NUL.
        unsafe { CStr::from_ptr(at) }.to_str().expect("ASCII").to_owned()
    }

    #[test]
    fn the_last_failure_is_told() {
        let other = Error::UnknownUser { word: Excerpt::new(b"nobody-here") };
        for last in [unknown("cap_last"), other.clone()] {
            for before in
                [vec![], vec![unknown("cap_before")], vec![other.clone()], vec![unknown("cap_a"), other.clone()]]
            {
                let here = fresh();
                before.iter().for_each(|error| here.remember(error));
                here.remember(&last);
                let at = here.read();
                assert_eq!(text(at), last.to_string());
                // Who has asked once needs not ask again.
                for error in &before {
                    here.remember(error);
                    assert_eq!(text(at), error.to_string());
                }
                assert_eq!(here.read(), at);
            }
        }
        assert_eq!(text(fresh().read()), "");
    }

    #[test]
    fn a_signal_handler_may_come_in_while_an_error_is_kept() {
        let here = fresh();
        here.state.store(LastError::BUSY, SeqCst);
        here.remember(&unknown("cap_in_handler"));
        assert_eq!(here.state.load(SeqCst), LastError::BUSY, "the keeping goes on");
        assert_eq!(text(here.text.get().cast()), unknown("cap_in_handler").to_string(), "written at once");
        here.remember(&Error::OutOfMemory);
        assert_eq!(here.state.load(SeqCst), LastError::BUSY);
        assert_eq!(text(here.read()), Error::OutOfMemory.to_string(), "what is kept is not looked at");
        assert!(!here.turns(LastError::BUSY, LastError::KEPT), "so that it is written at once");
    }
}
