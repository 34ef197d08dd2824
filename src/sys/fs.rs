//! Files and directories.

use core::ffi::{CStr, c_int, c_long};
use core::mem::MaybeUninit;

use super::call::{Errno, NOTHING_WRITTEN, Result, call};
use super::process::{errno, gettid};

/// An open descriptor, closed when dropped.
#[derive(Debug)]
pub(crate) struct Fd(c_int);

impl Drop for Fd {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours.
        let _ = unsafe { call!(libc::SYS_close, self.0) };
    }
}

impl Fd {
    /// The number.
    pub(crate) fn raw(&self) -> c_int {
        self.0
    }

    /// Gives the descriptor up without closing it: the number may belong to somebody else by now.
    pub(crate) fn forget(self) {
        core::mem::forget(self);
    }
}

/// The working directory, for [`openat`].
pub(crate) const CWD: c_int = libc::AT_FDCWD;

/// openat(2), with close-on-exec.
pub(crate) fn openat(folder: c_int, path: &CStr, flags: c_int) -> Result<Fd> {
    // SAFETY: the path is NUL-terminated.
    unsafe { call!(libc::SYS_openat, folder, path.as_ptr(), flags | libc::O_CLOEXEC, 0) }.map(|fd| Fd(fd as c_int))
}

/// fstat(2).
pub(crate) fn fstat(fd: c_int) -> Result<libc::stat> {
    let mut stat = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: room for one stat; libc's wrapper knows which call this kernel has. It takes no lock.
    if unsafe { libc::fstat(fd, stat.as_mut_ptr()) } != 0 {
        return Err(Errno(errno()));
    }
    // SAFETY: written on success, and zeros are valid for it.
    let stat = unsafe { stat.assume_init() };
    // Every file has a type.
    if stat.st_mode == 0 { Err(NOTHING_WRITTEN) } else { Ok(stat) }
}

/// Device and inode.
pub(crate) type FileId = (u64, u64);

/// The identity of an open file, by a raw call: for parked threads.
pub(crate) fn file_id(fd: c_int) -> Result<FileId> {
    stat_id(fd, c"", libc::AT_EMPTY_PATH)
}

/// The identity of the calling thread's root folder.
pub(crate) fn root_id() -> Result<FileId> {
    stat_id(CWD, c"/", 0)
}

/// The identity of the calling thread's working directory, also where it may not be searched or has been removed.
pub(crate) fn cwd_id() -> Result<FileId> {
    stat_id(CWD, c"", libc::AT_EMPTY_PATH)
}

/// newfstatat(2); libc's struct stat is the kernel's on these architectures.
#[cfg(not(target_arch = "loongarch64"))]
fn stat_id(folder: c_int, path: &CStr, flags: c_int) -> Result<FileId> {
    let mut stat = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: the path is NUL-terminated, and there is room for one stat.
    unsafe { call!(libc::SYS_newfstatat, folder, path.as_ptr(), stat.as_mut_ptr(), flags) }?;
    // SAFETY: written on success, and zeros are valid for it.
    let stat = unsafe { stat.assume_init() };
    if stat.st_mode == 0 { Err(NOTHING_WRITTEN) } else { Ok((stat.st_dev, stat.st_ino)) }
}

/// statx(2), the only one loongarch has.
#[cfg(target_arch = "loongarch64")]
fn stat_id(folder: c_int, path: &CStr, flags: c_int) -> Result<FileId> {
    let mut stat = MaybeUninit::<libc::statx>::zeroed();
    // SAFETY: the path is NUL-terminated, and there is room for one statx.
    unsafe {
        call!(libc::SYS_statx, folder, path.as_ptr(), flags, libc::STATX_INO | libc::STATX_TYPE, stat.as_mut_ptr())
    }?;
    // SAFETY: written on success, and zeros are valid for it.
    let stat = unsafe { stat.assume_init() };
    if stat.stx_mode == 0 {
        return Err(NOTHING_WRITTEN);
    }
    Ok((u64::from(stat.stx_dev_major) << 32 | u64::from(stat.stx_dev_minor), stat.stx_ino))
}

/// Whether the calling thread shares root folder and working directory with another of this process (kcmp(2), KCMP_FS). A
/// thread's own process is always open to it (kernel/ptrace.c, __ptrace_may_access), but a kernel may lack the call: then no.
pub(crate) fn shares_root_with(tid: i32) -> bool {
    const KCMP_FS: c_int = 3;
    // SAFETY: takes numbers.
    let compared = unsafe { call!(libc::SYS_kcmp, gettid(), tid, KCMP_FS, 0, 0) };
    compared == Ok(0)
}

/// Whether the descriptor is on a proc file system (fstatfs(2)).
pub(crate) fn is_on_proc(fd: c_int) -> Result<bool> {
    let mut stat = MaybeUninit::<libc::statfs>::zeroed();
    // SAFETY: room for one statfs.
    if unsafe { libc::fstatfs(fd, stat.as_mut_ptr()) } != 0 {
        return Err(Errno(errno()));
    }
    // SAFETY: written on success, and zeros are valid for it.
    let kind = unsafe { stat.assume_init() }.f_type;
    if kind == 0 {
        return Err(NOTHING_WRITTEN);
    }
    Ok(kind as c_long == libc::PROC_SUPER_MAGIC as c_long)
}

/// read(2).
pub(crate) fn read(fd: c_int, room: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes at most as many bytes as there is room for.
    unsafe { call!(libc::SYS_read, fd, room.as_mut_ptr(), room.len()) }
}

/// write(2).
pub(crate) fn write(fd: c_int, bytes: &[u8]) -> Result<usize> {
    // SAFETY: the kernel reads that many bytes.
    unsafe { call!(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) }
}

/// getdents64(2): the next names of a folder, none at its end.
pub(crate) fn getdents(fd: c_int, room: &mut [u64]) -> Result<Names<'_>> {
    // SAFETY: the kernel writes at most as many bytes as there is room for.
    let len = unsafe { call!(libc::SYS_getdents64, fd, room.as_mut_ptr(), size_of_val(room)) }?;
    // SAFETY: the kernel has written `len` bytes there, and a u64 is eight bytes of any value.
    Ok(Names(unsafe { core::slice::from_raw_parts(room.as_ptr().cast::<u8>(), len) }))
}

/// What getdents64(2) wrote: struct linux_dirent64, that is inode 8, offset 8, length 2, type 1, name with its NUL.
pub(crate) struct Names<'a>(&'a [u8]);

impl Names<'_> {
    /// Whether the folder has come to its end.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> Iterator for Names<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(u16::from_ne_bytes([*self.0.get(16)?, *self.0.get(17)?]));
        let (entry, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        entry.get(19..)?.split(|&byte| byte == 0).next()
    }
}

/// readlinkat(2); how many bytes of the target there was room for.
pub(crate) fn readlinkat(folder: c_int, path: &CStr, room: &mut [u8]) -> Result<usize> {
    // SAFETY: the path is NUL-terminated; the kernel writes at most as many bytes as there is room for.
    unsafe { call!(libc::SYS_readlinkat, folder, path.as_ptr(), room.as_mut_ptr(), room.len()) }
}

/// lseek(2) to the beginning.
pub(crate) fn rewind(fd: c_int) -> Result<()> {
    // SAFETY: takes numbers.
    unsafe { call!(libc::SYS_lseek, fd, 0, libc::SEEK_SET) }.map(drop)
}

/// fchdir(2).
pub(crate) fn fchdir(fd: c_int) -> Result<()> {
    // SAFETY: takes a number.
    unsafe { call!(libc::SYS_fchdir, fd) }.map(drop)
}

/// chroot(2).
pub(crate) fn chroot(path: &CStr) -> Result<()> {
    // SAFETY: the path is NUL-terminated.
    unsafe { call!(libc::SYS_chroot, path.as_ptr()) }.map(drop)
}

/// chdir(2).
pub(crate) fn chdir(path: &CStr) -> Result<()> {
    // SAFETY: the path is NUL-terminated.
    unsafe { call!(libc::SYS_chdir, path.as_ptr()) }.map(drop)
}
