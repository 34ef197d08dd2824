//! The reentrant lookups of the C library: the static buffers of getpwnam(3) and the like are left alone.
//!
//! getpwnam_r(3) and the like return an error number. Their manual page lists error numbers that mean "not found" on some systems, but
//! not with glibc or musl: there 0 without a result means "no such entry", and an error number means that the last source could not be
//! reached. (glibc, nss/getXXbyYY_r.c: NSS_STATUS_NOTFOUND becomes 0, NSS_STATUS_UNAVAIL the errno of the module. With the modules of
//! Debian 12 for sssd, nslcd and winbind, that is ENOENT while the daemon does not run; the module of systemd returns 0.)
//!
//! glibc does not report that a source failed if another source follows (nsswitch.conf(5)). So after "no such entry", /etc/passwd or
//! /etc/group is read as well, which is a source nearly everywhere. getgrouplist(3) cannot report an error at all, so errno is
//! checked after it. If the daemon of a source does not run, that is no error there, because a local user must be able to start
//! without the directory.

use core::ffi::{CStr, c_char, c_int};
use core::{mem, ptr};

use alloc::ffi::CString;
use alloc::vec::Vec;

use crate::alloc_util::{OutOfMemory, try_cstring};
use crate::sys::{self, INTERRUPTIONS};
use crate::text::Errno;

/// Why a lookup failed. The name may exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Out of memory.
    OutOfMemory,
    /// The error number that the C library returned.
    Errno(c_int),
}

/// The fields of an entry of the user database that are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passwd {
    /// The name, as the database has it.
    pub name: CString,
    /// The user id.
    pub uid: u32,
    /// The primary group.
    pub gid: u32,
}

/// The fields of an entry that set the environment of a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The name, as the database has it.
    pub name: CString,
    /// The home directory.
    pub home: CString,
    /// The shell; empty means /bin/sh.
    pub shell: CString,
}

/// The fields of an entry of the group database that are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The name, as the database has it.
    pub name: CString,
    /// The group id.
    pub gid: u32,
}

impl From<OutOfMemory> for Failure {
    fn from(_: OutOfMemory) -> Failure {
        Failure::OutOfMemory
    }
}

const FIRST_CAPACITY: usize = 1 << 10;
/// The largest buffer tried. Only as much of it is touched as the entry needs.
const MAX_CAPACITY: usize = 512 << 20;
/// The longest list tried; no kernel takes so many groups.
const MAX_LIST: usize = 1 << 24;

/// The file that is a source, and the name of the database in nsswitch.conf(5).
const PASSWD: (&CStr, &[u8]) = (c"/etc/passwd", b"passwd");
const GROUP: (&CStr, &[u8]) = (c"/etc/group", b"group");

/// getpwnam_r(3).
pub fn user_by_name(name: &CStr) -> Result<Option<Passwd>, Failure> {
    // SAFETY: `name` ends in NUL.
    unsafe { look_up(PASSWD, libc::getpwnam_r, name.as_ptr(), passwd) }
}

/// getpwuid_r(3).
pub fn user_by_id(uid: u32) -> Result<Option<Passwd>, Failure> {
    // SAFETY: the key is an id.
    unsafe { look_up(PASSWD, libc::getpwuid_r, uid, passwd) }
}

/// getpwuid_r(3), for what [`Passwd`] leaves out.
pub fn login_by_id(uid: u32) -> Result<Option<Login>, Failure> {
    let login = |entry: &libc::passwd| {
        let (name, home, shell) = (copied(entry.pw_name)?, copied(entry.pw_dir)?, copied(entry.pw_shell)?);
        Ok(Login { name, home, shell })
    };
    // SAFETY: the key is an id.
    unsafe { look_up(PASSWD, libc::getpwuid_r, uid, login) }
}

/// getgrnam_r(3).
pub fn group_by_name(name: &CStr) -> Result<Option<Group>, Failure> {
    // SAFETY: `name` ends in NUL.
    unsafe { look_up(GROUP, libc::getgrnam_r, name.as_ptr(), group) }
}

/// getgrgid_r(3).
pub fn group_by_id(gid: u32) -> Result<Option<Group>, Failure> {
    // SAFETY: the key is an id.
    unsafe { look_up(GROUP, libc::getgrgid_r, gid, group) }
}

/// getgrouplist(3): the groups that `name` is a member of, and `gid`, in any order, perhaps with duplicates.
pub fn group_list(name: &CStr, gid: u32) -> Result<Vec<u32>, Failure> {
    readable(GROUP.0)?;
    let mut capacity: usize = 64;
    let mut interruptions = 0;
    loop {
        let mut list = Vec::<u32>::new();
        list.try_reserve_exact(capacity).map_err(|_| Failure::OutOfMemory)?;
        let mut count = c_int::try_from(capacity).map_err(|_| Failure::OutOfMemory)?;
        sys::set_errno(0);
        // SAFETY: `name` ends in NUL; there is room for `count` ids at the list's pointer; `count` is ours to be written.
        let returned = unsafe { libc::getgrouplist(name.as_ptr(), gid, list.as_mut_ptr(), &mut count) };
        let errno = sys::errno();
        let count = usize::try_from(count).unwrap_or(0);
        // If a database cannot be opened, glibc returns the primary group alone.
        match errno {
            libc::EINTR if interruptions < INTERRUPTIONS => {
                interruptions += 1;
                continue;
            }
            libc::EMFILE | libc::ENFILE | libc::EIO | libc::EINTR | libc::ETIMEDOUT => {
                return Err(Failure::Errno(errno));
            }
            libc::ENOMEM => return Err(Failure::OutOfMemory),
            _ => {}
        }
        if returned >= 0 && count <= capacity {
            // SAFETY: getgrouplist has written `count` ids, which is within the capacity.
            unsafe { list.set_len(count) };
            return Ok(list);
        }
        if count <= capacity && errno != 0 && errno != libc::ERANGE {
            return Err(Failure::Errno(errno));
        }
        // The list was too short. glibc returns the length needed; musl and old versions do not, so the buffer also doubles.
        capacity = capacity.saturating_mul(2).max(count);
        if capacity > MAX_LIST {
            return Err(Failure::Errno(libc::ERANGE));
        }
    }
}

/// One of the four functions.
type Lookup<K, E> = unsafe extern "C" fn(K, *mut E, *mut c_char, usize, *mut *mut E) -> c_int;

/// Calls one of the four functions, with larger and larger buffers. `E` is `passwd` or `group`: plain data, for which all zeros is a
/// valid value.
///
/// # Safety
///
/// `key` must be what the function takes: an id, or a name that ends in NUL.
unsafe fn look_up<K: Copy, E: PlainEntry, T>(
    (file, database): (&CStr, &[u8]),
    call: Lookup<K, E>,
    key: K,
    take: impl Fn(&E) -> Result<T, Failure>,
) -> Result<Option<T>, Failure> {
    let mut capacity = FIRST_CAPACITY;
    let mut interruptions = 0;
    let mut missed = false;
    loop {
        let mut buf = Vec::<u8>::new();
        buf.try_reserve_exact(capacity).map_err(|_| Failure::OutOfMemory)?;
        // SAFETY: see `E` above; `PlainEntry` is implemented for those two only.
        let mut entry: E = unsafe { mem::zeroed() };
        let mut result = ptr::null_mut();
        // SAFETY: the caller vouches for `key`; the entry and the result are ours to be written, and `buf` has that capacity.
        let error = unsafe { call(key, &mut entry, buf.as_mut_ptr().cast(), capacity, &mut result) };
        match error {
            0 if !result.is_null() => return take(&entry).map(Some),
            // Accepted only after two equal answers: glibc also answers "no such entry" if one source fails for a moment and the
            // next one has no such entry.
            0 if !missed => missed = true,
            0 => return readable(file).map(|()| None),
            libc::ENOENT if is_missing_only_source(file, database)? => return Ok(None),
            libc::EINTR if interruptions < INTERRUPTIONS => interruptions += 1,
            libc::ERANGE if capacity < MAX_CAPACITY => capacity *= 2,
            libc::ENOMEM => return Err(Failure::OutOfMemory),
            errno => return Err(Failure::Errno(errno)),
        }
    }
}

/// Whether the file is the only source, and missing, as in a container with one program: then there are no entries, and that is no
/// failure.
fn is_missing_only_source(file: &CStr, database: &[u8]) -> Result<bool, Failure> {
    match sys::retry_eintr(|| sys::openat(sys::CWD, file, libc::O_PATH)) {
        Err(Errno(libc::ENOENT)) => {}
        _ => return Ok(false),
    }
    // musl has no other sources.
    if cfg!(target_env = "musl") {
        return Ok(true);
    }
    let mut text = Vec::new();
    match sys::retry_eintr(|| sys::openat(sys::CWD, c"/etc/nsswitch.conf", libc::O_RDONLY)) {
        Ok(fd) => {
            let mut part = [0; 4096];
            // A longer file is not a real one.
            while text.len() < 1 << 20 {
                match sys::retry_eintr(|| sys::read(fd.raw(), &mut part)) {
                    Ok(0) => return Ok(!names_other_source(&text, database)),
                    Ok(len) => {
                        text.try_reserve(len).map_err(|_| Failure::OutOfMemory)?;
                        text.extend_from_slice(&part[..len]);
                    }
                    Err(_) => return Ok(false),
                }
            }
            Ok(false)
        }
        Err(Errno(libc::ENOENT)) => Ok(true),
        Err(_) => Ok(false),
    }
}

/// Whether nsswitch.conf(5) names a source other than `files` for a database. Without a line for it, `files` is the source.
fn names_other_source(text: &[u8], database: &[u8]) -> bool {
    let mut lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_start);
    let Some(line) = lines.find_map(|line| line.strip_prefix(database)?.trim_ascii_start().strip_prefix(b":")) else {
        return false;
    };
    let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
    let mut in_brackets = false;
    line.split(u8::is_ascii_whitespace).any(|word| {
        let is_action = in_brackets || word.starts_with(b"[");
        in_brackets = is_action && !word.ends_with(b"]");
        !is_action && !word.is_empty() && word != b"files"
    })
}

/// An error if the file exists but cannot be read: "no such entry" means nothing then.
fn readable(file: &CStr) -> Result<(), Failure> {
    match sys::retry_eintr(|| sys::openat(sys::CWD, file, libc::O_RDONLY)) {
        Ok(fd) => read_through(&fd),
        Err(Errno(libc::ENOENT | libc::ENOTDIR)) => Ok(()),
        Err(errno) => Err(errno),
    }
    .map_err(|errno| if errno == Errno(libc::ENOMEM) { Failure::OutOfMemory } else { Failure::Errno(errno.0) })
}

/// Reads a file to its end. The C library does that too, but takes a read error for the end.
fn read_through(fd: &sys::Fd) -> Result<(), Errno> {
    let mut read = 0;
    // The file may change meanwhile.
    for _ in 0..3 {
        let mut buf = [0; 4096];
        loop {
            match sys::retry_eintr(|| sys::read(fd.raw(), &mut buf))? {
                0 => break,
                len => read += len as u64,
            }
        }
        // A special file reports the size 0; its end is where read(2) returns 0.
        if u64::try_from(sys::fstat(fd.raw())?.st_size).is_ok_and(|len| len <= read) {
            return Ok(());
        }
    }
    Err(Errno(libc::EIO))
}

trait PlainEntry {}
impl PlainEntry for libc::passwd {}
impl PlainEntry for libc::group {}

fn passwd(entry: &libc::passwd) -> Result<Passwd, Failure> {
    Ok(Passwd { name: copied(entry.pw_name)?, uid: entry.pw_uid, gid: entry.pw_gid })
}

fn group(entry: &libc::group) -> Result<Group, Failure> {
    Ok(Group { name: copied(entry.gr_name)?, gid: entry.gr_gid })
}

/// Copies a name out of the buffer of the lookup.
fn copied(name: *const c_char) -> Result<CString, Failure> {
    if name.is_null() {
        return Ok(CString::default());
    }
    // SAFETY: a successful lookup leaves a NUL-terminated string in the buffer, which `look_up` keeps during `take`.
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes();
    try_cstring(bytes)?.ok_or(Failure::Errno(libc::EINVAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_nsswitch_conf() {
        for (text, other) in [
            ("", false),
            ("hosts: files dns\n", false),
            ("passwd: files\n", false),
            ("  passwd :\tfiles [NOTFOUND=return]  # sss\n", false),
            ("passwd: files [UNAVAIL=continue NOTFOUND=continue] files", false),
            ("passwd: files systemd\n", true),
            ("group: sss\npasswd: files\n", false),
            ("#passwd: sss\npasswd: sss files", true),
            ("passwd: files [SUCCESS=merge] sss", true),
            ("passwd_compat: nis\n", false),
        ] {
            assert_eq!(names_other_source(text.as_bytes(), b"passwd"), other, "{text}");
        }
    }
}
