//! Files and directories.

use core::ffi::{CStr, c_int, c_long};
use core::mem::{ManuallyDrop, MaybeUninit};
use core::time::Duration;

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

    /// Takes over an open descriptor.
    pub(crate) fn from_raw(fd: c_int) -> Fd {
        Fd(fd)
    }
}

/// A descriptor of /proc that is kept while other threads run: one of them may close it (a close of all descriptors), and open another file,
/// which gets its number.
#[derive(Debug)]
pub(crate) struct KeptFd {
    fd: ManuallyDrop<Fd>,
    id: (u64, u64),
}

impl KeptFd {
    pub(crate) fn new(fd: Fd) -> Result<KeptFd> {
        let id = id_of(fd.raw())?;
        Ok(KeptFd { fd: ManuallyDrop::new(fd), id })
    }

    /// fstat(2); EBADF also where the number is another file's by now.
    pub(crate) fn stat(&self) -> Result<Stat> {
        let stat = fstat(self.raw())?;
        if device_and_inode(&stat) == self.id { Ok(stat) } else { Err(Errno(libc::EBADF)) }
    }

    /// Its device and inode.
    pub(crate) fn id(&self) -> (u64, u64) {
        self.id
    }

    /// Gives it up without closing it.
    pub(crate) fn forget(self) {
        core::mem::forget(self);
    }

    /// Whether it was closed.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self.stat(), Err(Errno(libc::EBADF)))
    }
}

impl core::ops::Deref for KeptFd {
    type Target = Fd;
    fn deref(&self) -> &Fd {
        &self.fd
    }
}

impl Drop for KeptFd {
    fn drop(&mut self) {
        // The number is not ours to close otherwise.
        if !self.is_lost() {
            // SAFETY: not used again.
            unsafe { ManuallyDrop::drop(&mut self.fd) }
        }
    }
}

/// Device and inode of an open file, as [`KeptFd::id`].
pub(crate) fn id_of(fd: c_int) -> Result<(u64, u64)> {
    fstat(fd).map(|stat| device_and_inode(&stat))
}

// The types differ from one architecture to another.
#[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
fn device_and_inode(stat: &Stat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}

/// The working directory, for [`openat`].
pub(crate) const CWD: c_int = libc::AT_FDCWD;

/// openat(2), with close-on-exec.
pub(crate) fn openat(dirfd: c_int, path: &CStr, flags: c_int) -> Result<Fd> {
    // SAFETY: the path is NUL-terminated.
    unsafe { call!(libc::SYS_openat, dirfd, path.as_ptr(), flags | libc::O_CLOEXEC, 0) }
        .map(|fd| Fd::from_raw(fd as c_int))
}

// Of 64 bits everywhere: glibc's plain ones fail with EOVERFLOW on a 32-bit machine, for a large file system.
#[cfg(not(all(target_env = "gnu", target_pointer_width = "32")))]
use libc::{fstatfs as libc_fstatfs, statfs as StatFs};
#[cfg(all(target_env = "gnu", target_pointer_width = "32"))]
use libc::{fstatfs64 as libc_fstatfs, statfs64 as StatFs};

/// libc's struct is the kernel's.
#[cfg(target_pointer_width = "64")]
pub(crate) use libc::stat as Stat;

#[cfg(target_pointer_width = "32")]
pub(crate) use super::arch::Stat;

/// Not through libc: another library may replace its function (fakeroot), and take a lock that a stopped thread holds.
#[cfg(not(target_arch = "loongarch64"))]
fn ask_fstat(fd: c_int, stat: *mut Stat) -> Result<()> {
    // SAFETY: there is room for one struct of the kernel's.
    unsafe { call!(super::arch::numbers::SYS_fstat, fd, stat) }.map(drop)
}

/// The kernel has no such call before Linux 6.11.
#[cfg(target_arch = "loongarch64")]
fn ask_fstat(fd: c_int, stat: *mut Stat) -> Result<()> {
    // SAFETY: room for one stat.
    if unsafe { libc::fstat(fd, stat) } == 0 { Ok(()) } else { Err(Errno(errno())) }
}

/// fstat(2).
pub(crate) fn fstat(fd: c_int) -> Result<Stat> {
    let mut stat = MaybeUninit::<Stat>::zeroed();
    ask_fstat(fd, stat.as_mut_ptr())?;
    // SAFETY: written on success, and zeros are valid for it.
    let stat = unsafe { stat.assume_init() };
    // Every file has a type.
    if stat.st_mode == 0 { Err(NOTHING_WRITTEN) } else { Ok(stat) }
}

/// Which directory it is: a bind mount is another one than its source. Compared only while a descriptor of each is open, or it is
/// somebody's root: the numbers are given away again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: (u32, u32),
    inode: u64,
    /// Of statx(2), STATX_MNT_ID, since Linux 5.8.
    mount: Option<u64>,
}

impl FileId {
    /// Whether both are one directory, or that cannot be told since the kernel does not say which mount they are on.
    pub(crate) fn may_be(&self, other: &FileId) -> bool {
        let mounts_differ = matches!((self.mount, other.mount), (Some(a), Some(b)) if a != b);
        self.device == other.device && self.inode == other.inode && !mounts_differ
    }

    /// Whether both are one directory for sure.
    pub(crate) fn is(&self, other: &FileId) -> bool {
        self.mount.is_some() && self == other
    }
}

/// The identity of an open file, by a raw call: for stopped threads.
pub(crate) fn file_id(fd: c_int) -> Result<FileId> {
    identity(fd, c"", libc::AT_EMPTY_PATH)
}

/// The identity of the calling thread's root directory.
pub(crate) fn root_id() -> Result<FileId> {
    identity(CWD, c"/", 0)
}

/// The identity of the calling thread's working directory, also where it may not be searched or has been removed.
pub(crate) fn cwd_id() -> Result<FileId> {
    identity(CWD, c"", libc::AT_EMPTY_PATH)
}

/// Have statx(2) and newfstatat(2) tell what the kernel knows: the server of a file system (FUSE, NFS) may never answer. Since Linux 4.11.
const DONT_SYNC: c_int = 0x4000;

/// statx(2), since Linux 4.11. Filters of its time do not know it, and then newfstatat(2) tells all but the mount.
fn identity(directory: c_int, path: &CStr, flags: c_int) -> Result<FileId> {
    const MNT_ID: u32 = 0x1000;
    let mut stat = MaybeUninit::<libc::statx>::zeroed();
    let wanted = libc::STATX_INO | libc::STATX_TYPE | MNT_ID;
    // SAFETY: the path is NUL-terminated, and there is room for one statx.
    let done =
        unsafe { call!(libc::SYS_statx, directory, path.as_ptr(), flags | DONT_SYNC, wanted, stat.as_mut_ptr()) };
    // SAFETY: zeros are valid for it.
    let stat = unsafe { stat.assume_init() };
    if done.is_err() || stat.stx_mode == 0 {
        return identity_without_mount(directory, path, flags);
    }
    let mount = (stat.stx_mask & MNT_ID != 0).then_some(stat.stx_mnt_id);
    Ok(FileId { device: (stat.stx_dev_major, stat.stx_dev_minor), inode: stat.stx_ino, mount })
}

#[cfg(not(target_arch = "loongarch64"))]
fn identity_without_mount(directory: c_int, path: &CStr, flags: c_int) -> Result<FileId> {
    let mut stat = MaybeUninit::<Stat>::zeroed();
    let mut ask = |flags| {
        // SAFETY: the path is NUL-terminated, and there is room for one struct of the kernel's.
        unsafe { call!(super::arch::numbers::SYS_newfstatat, directory, path.as_ptr(), stat.as_mut_ptr(), flags) }
    };
    match ask(flags | DONT_SYNC) {
        // An older kernel does not know the flag.
        Err(Errno(libc::EINVAL)) => ask(flags),
        asked => asked,
    }?;
    // SAFETY: written on success, and zeros are valid for it.
    let stat = unsafe { stat.assume_init() };
    if stat.st_mode == 0 {
        return Err(NOTHING_WRITTEN);
    }
    let device = (libc::major(stat.st_dev), libc::minor(stat.st_dev));
    Ok(FileId { device, inode: stat.st_ino, mount: None })
}

/// Only statx(2) serves here.
#[cfg(target_arch = "loongarch64")]
fn identity_without_mount(_: c_int, _: &CStr, _: c_int) -> Result<FileId> {
    Err(NOTHING_WRITTEN)
}

/// What threads may share, or have of their own (clone(2), CLONE_FS and CLONE_FILES).
#[derive(Clone, Copy)]
pub(crate) enum Resource {
    /// Root and working directory.
    Directories,
    /// The table of descriptors.
    Descriptors,
}

/// Whether the calling thread shares that with another of this process (kcmp(2)). A thread's own process is always open to it
/// (kernel/ptrace.c, __ptrace_may_access), but a kernel or a filter may lack the call.
pub(crate) fn shares(resource: Resource, tid: i32) -> Result<bool> {
    const KCMP_FILES: c_int = 2;
    const KCMP_FS: c_int = 3;
    let kind = match resource {
        Resource::Directories => KCMP_FS,
        Resource::Descriptors => KCMP_FILES,
    };
    // SAFETY: takes numbers.
    unsafe { call!(libc::SYS_kcmp, gettid(), tid, kind, 0, 0) }.map(|order| order == 0)
}

/// Whether the descriptor of a directory was opened with O_PATH (fcntl(2), F_GETFL), or that cannot be told: a filter may answer 0,
/// which the kernel does not, since it tells O_DIRECTORY.
pub(crate) fn may_be_path_only(fd: c_int) -> bool {
    // SAFETY: takes numbers.
    let flags = unsafe { call!(libc::SYS_fcntl, fd, libc::F_GETFL, 0) };
    !matches!(flags, Ok(flags) if flags != 0 && flags as c_int & libc::O_PATH == 0)
}

/// A copy of the descriptor, with close-on-exec, and with a number of at least `lowest` (fcntl(2), F_DUPFD_CLOEXEC).
pub(crate) fn duplicate(fd: c_int, lowest: c_int) -> Result<Fd> {
    // SAFETY: takes numbers.
    unsafe { call!(libc::SYS_fcntl, fd, libc::F_DUPFD_CLOEXEC, lowest) }.map(|fd| Fd::from_raw(fd as c_int))
}

/// Whether the descriptor is on a proc file system (fstatfs(2)).
pub(crate) fn is_on_proc(fd: c_int) -> Result<bool> {
    let mut stat = MaybeUninit::<StatFs>::zeroed();
    // SAFETY: room for one statfs.
    if unsafe { libc_fstatfs(fd, stat.as_mut_ptr()) } != 0 {
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
pub(crate) fn read(fd: c_int, buf: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes at most as many bytes as there is room for.
    unsafe { call!(libc::SYS_read, fd, buf.as_mut_ptr(), buf.len()) }
}

/// poll(2) for room to write: whether there is some before the time is up. ppoll(2), since some architectures have no other.
pub(crate) fn wait_until_writable(fd: c_int, at_most: Duration) -> bool {
    let mut poll = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    let limit = super::arch::Timespec::from(at_most);
    // SAFETY: one pollfd, and a time; no mask of signals.
    let ready = unsafe { call!(libc::SYS_ppoll, &raw mut poll, 1, &raw const limit, 0, 8) };
    // Where it cannot be asked, the write is tried.
    ready.map_or_else(|errno| errno.0 != libc::EINTR, |count| count > 0)
}

/// write(2).
pub(crate) fn write(fd: c_int, bytes: &[u8]) -> Result<usize> {
    // SAFETY: the kernel reads that many bytes.
    unsafe { call!(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) }
}

/// getdents64(2): the next names of a directory, none at its end.
pub(crate) fn getdents(fd: c_int, buf: &mut [u64]) -> Result<Names<'_>> {
    // A seccomp supervisor may report success without writing, each time. The first length is then still 0.
    buf[2] = 0;
    // SAFETY: the kernel writes at most as many bytes as there is room for.
    let len = unsafe { call!(libc::SYS_getdents64, fd, buf.as_mut_ptr(), size_of_val(buf)) }?;
    if len > size_of_val(buf) || (len != 0 && buf[2] == 0) {
        return Err(NOTHING_WRITTEN);
    }
    // SAFETY: so many bytes are there, and a u64 is eight bytes of any value.
    Ok(Names(unsafe { core::slice::from_raw_parts(buf.as_ptr().cast::<u8>(), len) }))
}

/// What getdents64(2) wrote: struct linux_dirent64, that is inode 8, offset 8, length 2, type 1, name with its NUL.
pub(crate) struct Names<'a>(&'a [u8]);

impl Names<'_> {
    /// Whether the directory has come to its end.
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

/// getcwd(2): how many bytes the working directory's path has, without its NUL.
pub(crate) fn getcwd(buf: &mut [u8]) -> Result<usize> {
    // SAFETY: the kernel writes at most as many bytes as it is told there is space for.
    let len = unsafe { call!(libc::SYS_getcwd, buf.as_mut_ptr(), buf.len()) }?;
    len.checked_sub(1).ok_or(NOTHING_WRITTEN)
}

/// readlinkat(2); how many bytes of the target there was room for.
pub(crate) fn readlinkat(dirfd: c_int, path: &CStr, buf: &mut [u8]) -> Result<usize> {
    // SAFETY: the path is NUL-terminated; the kernel writes at most as many bytes as there is room for.
    unsafe { call!(libc::SYS_readlinkat, dirfd, path.as_ptr(), buf.as_mut_ptr(), buf.len()) }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The struct that fstat(2) fills in is read as the kernel writes it: statx(2) has one for all.
    #[test]
    fn fstat_agrees_with_statx() {
        let file = openat(CWD, c"Cargo.toml", libc::O_RDONLY).expect("openat");
        let stat = fstat(file.raw()).expect("fstat");
        let mut statx = MaybeUninit::<libc::statx>::zeroed();
        let (flags, wanted) = (libc::AT_EMPTY_PATH, libc::STATX_BASIC_STATS);
        // SAFETY: the path is NUL-terminated, and there is room for one statx.
        unsafe { call!(libc::SYS_statx, file.raw(), c"".as_ptr(), flags, wanted, statx.as_mut_ptr()) }.expect("statx");
        // SAFETY: written.
        let statx = unsafe { statx.assume_init() };
        assert_eq!(
            (stat.st_ino, stat.st_size as u64, stat.st_mode, stat.st_nlink as u32, stat.st_uid, stat.st_gid),
            (statx.stx_ino, statx.stx_size, statx.stx_mode.into(), statx.stx_nlink, statx.stx_uid, statx.stx_gid)
        );
    }
}
