//! Memory of our own.

use super::arch::map_anonymous;
use super::call::{Errno, Result, call};

/// mmap(2): zeroed pages of our own, shared with children if asked.
pub(crate) fn map(bytes: usize, shared: bool) -> Result<*mut u8> {
    let kind = if shared { libc::MAP_SHARED } else { libc::MAP_PRIVATE };
    let access = libc::PROT_READ | libc::PROT_WRITE;
    map_anonymous(bytes, access, kind | libc::MAP_ANONYMOUS).map(|at| at as *mut u8).map_err(Errno)
}

/// munmap(2).
///
/// # Safety
/// Nobody uses these pages any more.
pub(crate) unsafe fn unmap(at: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise.
    let _ = unsafe { call!(libc::SYS_munmap, at, bytes) };
}

/// madvise(2), MADV_WIPEONFORK, since Linux 4.14: the child of a fork finds zeros in these pages.
pub(crate) fn wipe_on_fork(at: *mut u8, bytes: usize) -> Result<()> {
    // SAFETY: pages of our own; what they hold in this process stays.
    unsafe { call!(libc::SYS_madvise, at, bytes, libc::MADV_WIPEONFORK) }.map(drop)
}
