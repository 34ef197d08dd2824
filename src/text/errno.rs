//! Error numbers by name.

#![forbid(unsafe_code)]

use core::fmt;

/// An error number. `Display` shows its name, and its meaning if this library is likely to meet it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((_, name)) = NAMES.iter().find(|(number, _)| *number == self.0) else {
            return write!(f, "errno {}", self.0);
        };
        f.write_str(name)?;
        match meaning(self.0) {
            "" => Ok(()),
            text => write!(f, ": {text}"),
        }
    }
}

const fn meaning(errno: i32) -> &'static str {
    match errno {
        libc::EPERM => "operation not permitted",
        libc::ENOENT => "no such file or directory",
        libc::ESRCH => "no such process",
        libc::EINTR => "interrupted",
        libc::EIO => "input/output error",
        libc::EBADF => "bad file descriptor",
        libc::EAGAIN => "temporarily unavailable or over a limit",
        libc::ENOMEM => "out of memory",
        libc::EACCES => "permission denied",
        libc::EFAULT => "bad address",
        libc::EBUSY => "in use",
        libc::EEXIST => "exists already",
        libc::ENODEV => "no such device",
        libc::ENOTDIR => "not a directory",
        libc::EISDIR => "is a directory",
        libc::EINVAL => "invalid argument",
        libc::ENFILE => "the system's file table is full",
        libc::EMFILE => "this process's descriptor table is full",
        libc::EFBIG => "file too large",
        libc::ENOSPC => "no space or limit reached",
        libc::EROFS => "read-only file system",
        libc::EPIPE => "broken pipe",
        libc::ERANGE => "result too large",
        libc::ENAMETOOLONG => "name too long",
        libc::ENOSYS => "not implemented by this kernel, or filtered",
        libc::ELOOP => "too many symbolic links",
        libc::EOVERFLOW => "id not mapped or value too large",
        libc::EUSERS => "too many user namespaces",
        libc::EOPNOTSUPP => "not supported",
        libc::EPROTO => "protocol error",
        libc::ENETDOWN => "network is down",
        libc::ENETUNREACH => "network is unreachable",
        libc::EHOSTUNREACH => "no route to the host",
        libc::ECONNREFUSED => "connection refused",
        libc::ECONNRESET => "connection reset",
        libc::ENOTCONN => "not connected",
        libc::ETIMEDOUT => "timed out",
        libc::ESTALE => "stale file handle",
        libc::EDQUOT => "quota exceeded",
        libc::ECANCELED => "cancelled",
        _ => "",
    }
}

macro_rules! names {
    ($($name:ident)*) => { &[$((libc::$name, stringify!($name))),*] };
}

/// All of include/uapi/asm-generic/errno-base.h and errno.h. An alias (EWOULDBLOCK, ENOTSUP, EDEADLOCK on most architectures) stands
/// behind its first name, or not at all.
const NAMES: &[(i32, &str)] = names! {
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY EEXIST EXDEV ENODEV
    ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG
    ENOLCK ENOSYS ENOTEMPTY ELOOP ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR EXFULL
    ENOANO EBADRQC EBADSLT EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV ESRMNT ECOMM EPROTO EMULTIHOP
    EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD ELIBSCN ELIBMAX ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS
    ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT
    EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN ESHUTDOWN
    ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS ESTALE EUCLEAN ENOTNAM ENAVAIL EISNAM
    EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE
    ERFKILL EHWPOISON EDEADLOCK
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_its_name() {
        // 41 and 58 are the numbers of aliases in include/uapi/asm-generic/errno.h, and stand for nothing of their own.
        for errno in (1..=133).filter(|errno| *errno != 41 && *errno != 58) {
            assert!(Errno(errno).to_string().starts_with('E'), "{}", Errno(errno));
        }
        assert_eq!(Errno(libc::ENOENT).to_string(), "ENOENT: no such file or directory");
        assert_eq!(Errno(libc::EKEYEXPIRED).to_string(), "EKEYEXPIRED");
        assert_eq!(Errno(134).to_string(), "errno 134");
        assert_eq!(Errno(0).to_string(), "errno 0");
    }
}
