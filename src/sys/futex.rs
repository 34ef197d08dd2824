//! futex(2), and the time.

use core::ffi::c_int;
use core::sync::atomic::AtomicU32;
use core::time::Duration;

use super::arch::Timespec;
use super::call::call;
use super::vdso;

/// futex(2), FUTEX_WAIT_PRIVATE with a time relative to now: returns when woken, when the word differs, or in time.
pub(crate) fn futex_wait(word: &AtomicU32, expected: u32, at_most: Option<Duration>) {
    wait(word, libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG, expected, at_most);
}

/// The same for a word that the kernel clears at the end of a child (CLONE_CHILD_CLEARTID): its wake-up is not of the private kind
/// (kernel/fork.c, mm_release).
#[allow(dead_code)]
pub(crate) fn futex_wait_for_child(word: &AtomicU32, expected: u32, at_most: Option<Duration>) {
    wait(word, libc::FUTEX_WAIT, expected, at_most);
}

fn wait(word: &AtomicU32, how: c_int, expected: u32, at_most: Option<Duration>) {
    let limit = at_most.map(Timespec::from);
    let limit = limit.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: the word is ours and aligned; the time is a timespec or NULL. Every result means: look again.
    let _ = unsafe { call!(libc::SYS_futex, word.as_ptr(), how, expected, limit) };
}

/// futex(2), FUTEX_WAKE_PRIVATE.
pub(crate) fn futex_wake(word: &AtomicU32, how_many: u32) {
    // SAFETY: the word is ours and aligned.
    let _ = unsafe { call!(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, how_many) };
}

/// clock_gettime(2), CLOCK_MONOTONIC_COARSE: of a few milliseconds (a tick of the kernel). The vDSO tells it without a system call, which
/// a filter may refuse or hold, and without the time-stamp counter, which prctl(2), PR_SET_TSC, denies to a thread.
pub(crate) fn now() -> Duration {
    const CLOCK: c_int = libc::CLOCK_MONOTONIC_COARSE;
    let mut time = Timespec { sec: 0, nsec: 0 };
    let told = match vdso::clock_gettime() {
        // SAFETY: room for one timespec.
        Some(tell) => unsafe { tell(CLOCK, &raw mut time) == 0 },
        None => false,
    };
    if !told {
        // SAFETY: as above.
        let _ = unsafe { call!(libc::SYS_clock_gettime, CLOCK, &raw mut time) };
    }
    Duration::new(time.sec as u64, time.nsec as u32)
}
