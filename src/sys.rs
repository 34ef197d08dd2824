//! One function per system call or libc call; nothing else talks to libc.

/// The running kernel's last capability.
pub fn last_cap() -> u8 {
    40
}

/// The calling thread's errno.
pub fn errno() -> i32 {
    // SAFETY: libc gives the address of the calling thread's errno, valid as long as the thread lives.
    unsafe { *libc::__errno_location() }
}

/// Sets the calling thread's errno.
pub fn set_errno(errno: i32) {
    // SAFETY: as in `errno`.
    unsafe { *libc::__errno_location() = errno }
}

pub mod nss;
