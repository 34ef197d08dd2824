//! Error numbers by name.

#![forbid(unsafe_code)]

use core::fmt;

/// An errno, shown as its name and what it means.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.0 {
            libc::EPERM => "EPERM: operation not permitted",
            libc::ENOENT => "ENOENT: no such file or directory",
            libc::ESRCH => "ESRCH: no such process",
            libc::EINTR => "EINTR: interrupted",
            libc::EIO => "EIO: input/output error",
            libc::EAGAIN => "EAGAIN: temporarily unavailable or over a limit",
            libc::ENOMEM => "ENOMEM: out of memory",
            libc::EACCES => "EACCES: permission denied",
            libc::EFAULT => "EFAULT: bad address",
            libc::EEXIST => "EEXIST: exists already",
            libc::ENOTDIR => "ENOTDIR: not a directory",
            libc::EISDIR => "EISDIR: is a directory",
            libc::EINVAL => "EINVAL: invalid argument",
            libc::ENFILE => "ENFILE: the system's file table is full",
            libc::EMFILE => "EMFILE: this process's descriptor table is full",
            libc::ENOSPC => "ENOSPC: no space or limit reached",
            libc::EROFS => "EROFS: read-only file system",
            libc::ERANGE => "ERANGE: result too large",
            libc::ENAMETOOLONG => "ENAMETOOLONG: name too long",
            libc::ENOSYS => "ENOSYS: not implemented by this kernel, or filtered",
            libc::ELOOP => "ELOOP: too many symbolic links",
            libc::EOVERFLOW => "EOVERFLOW: id not mapped or value too large",
            libc::EUSERS => "EUSERS: too many user namespaces",
            libc::ETIMEDOUT => "ETIMEDOUT: timed out",
            other => return write!(f, "errno {other}"),
        };
        f.write_str(text)
    }
}
