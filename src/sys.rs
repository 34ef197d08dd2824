//! One function per system call or libc call; nothing else talks to libc. Those a parked thread or a rehearsal makes are
//! raw: libc's own set*id would broadcast to all threads by itself, and any libc call may touch errno.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_int, c_long, c_void};
use core::mem::MaybeUninit;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64};
use core::time::Duration;

use crate::cap_sets::CapSets;
use crate::text::Errno;

pub mod nss;
pub(crate) mod raw;
#[cfg(not(feature = "std"))]
mod runtime;

pub(crate) use raw::KernelSigaction;
use raw::call;

/// A result of a call: what it gives, or the errno.
pub type Result<T> = core::result::Result<T, Errno>;

/// What is said of a call that succeeds and writes nothing, as under a seccomp filter that pretends.
const NOTHING_WRITTEN: Errno = Errno(libc::EIO);

/// How often a call that says EINTR is made again.
const INTERRUPTIONS: u32 = 1000;

/// Makes a call again when it says EINTR, within reason: who is interrupted for ever has a filter that says so.
fn uninterrupted<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    let mut interruptions = 0;
    loop {
        match call() {
            Err(Errno(libc::EINTR)) if interruptions < INTERRUPTIONS => interruptions += 1,
            result => return result,
        }
    }
}

/// Makes a call that puts something back a few times, if need be: to give up at once would be worse than a call too many.
pub(crate) fn insist<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 0..3 {
        if let Ok(done) = call() {
            return Ok(done);
        }
    }
    call()
}

// ---- the calling thread's errno -------------------------------------------------------------------------------------

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

// ---- ids ------------------------------------------------------------------------------------------------------------

/// getpid(2), without any cache: true in a child of a raw clone as well.
pub(crate) fn getpid() -> i32 {
    // SAFETY: takes nothing.
    unsafe { call!(libc::SYS_getpid) }.unwrap_or(0) as i32
}

/// gettid(2).
pub(crate) fn gettid() -> i32 {
    // SAFETY: takes nothing.
    unsafe { call!(libc::SYS_gettid) }.unwrap_or(0) as i32
}

/// geteuid(2).
pub fn geteuid() -> u32 {
    // SAFETY: takes nothing.
    unsafe { call!(libc::SYS_geteuid) }.unwrap_or(u32::MAX as usize) as u32
}

/// getresuid(2): real, effective, saved.
pub fn getresuid() -> Result<[u32; 3]> {
    let mut ids = [u32::MAX; 3];
    let at = ids.as_mut_ptr();
    // SAFETY: three places of the type the call writes.
    unsafe { call!(libc::SYS_getresuid, at, at.add(1), at.add(2)) }?;
    Ok(ids)
}

/// getresgid(2): real, effective, saved.
pub(crate) fn getresgid() -> Result<[u32; 3]> {
    let mut ids = [u32::MAX; 3];
    let at = ids.as_mut_ptr();
    // SAFETY: three places of the type the call writes.
    unsafe { call!(libc::SYS_getresgid, at, at.add(1), at.add(2)) }?;
    Ok(ids)
}

/// The file-system user id: setfsuid(2) with an id that is none changes nothing and returns the one in force.
pub(crate) fn getfsuid() -> Result<u32> {
    // SAFETY: takes a number.
    unsafe { call!(libc::SYS_setfsuid, u32::MAX) }.map(|id| id as u32)
}

/// The file-system group id, as [`getfsuid`].
pub(crate) fn getfsgid() -> Result<u32> {
    // SAFETY: takes a number.
    unsafe { call!(libc::SYS_setfsgid, u32::MAX) }.map(|id| id as u32)
}

/// setresuid(2) on the calling thread alone.
pub(crate) fn setresuid(ids: [u32; 3]) -> Result<()> {
    // SAFETY: takes numbers.
    unsafe { call!(libc::SYS_setresuid, ids[0], ids[1], ids[2]) }.map(drop)
}

/// setresgid(2) on the calling thread alone.
pub(crate) fn setresgid(ids: [u32; 3]) -> Result<()> {
    // SAFETY: takes numbers.
    unsafe { call!(libc::SYS_setresgid, ids[0], ids[1], ids[2]) }.map(drop)
}

/// setfsuid(2), for putting back an id that differed from the effective one.
pub(crate) fn setfsuid(id: u32) -> Result<()> {
    // SAFETY: takes a number.
    unsafe { call!(libc::SYS_setfsuid, id) }.map(drop)
}

/// setfsgid(2), as [`setfsuid`].
pub(crate) fn setfsgid(id: u32) -> Result<()> {
    // SAFETY: takes a number.
    unsafe { call!(libc::SYS_setfsgid, id) }.map(drop)
}

/// getgroups(2): how many there are; with room for them, they are written.
pub(crate) fn getgroups(room: &mut [u32]) -> Result<usize> {
    // SAFETY: the kernel writes at most as many ids as it is told there is room for.
    unsafe { call!(libc::SYS_getgroups, room.len(), room.as_mut_ptr()) }
}

/// setgroups(2) on the calling thread alone.
pub(crate) fn setgroups(groups: &[u32]) -> Result<()> {
    // SAFETY: the kernel reads that many ids.
    unsafe { call!(libc::SYS_setgroups, groups.len(), groups.as_ptr()) }.map(drop)
}

// ---- capabilities ---------------------------------------------------------------------------------------------------

const LINUX_CAPABILITY_VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct CapHeader {
    version: u32,
    pid: c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// capget(2) of the calling thread.
pub(crate) fn capget() -> Result<CapSets> {
    let mut header = CapHeader { version: LINUX_CAPABILITY_VERSION_3, pid: 0 };
    // No kernel has all 64: should the call lie, that cannot be taken for an answer.
    let mut data = [CapData { effective: u32::MAX, permitted: u32::MAX, inheritable: u32::MAX }; 2];
    // SAFETY: header and two data elements, as version 3 takes them.
    unsafe { call!(libc::SYS_capget, &raw mut header, data.as_mut_ptr()) }?;
    let join = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    Ok(CapSets {
        effective: join(data[0].effective, data[1].effective),
        permitted: join(data[0].permitted, data[1].permitted),
        inheritable: join(data[0].inheritable, data[1].inheritable),
    })
}

/// capset(2) on the calling thread.
pub(crate) fn capset(caps: &CapSets) -> Result<()> {
    let mut header = CapHeader { version: LINUX_CAPABILITY_VERSION_3, pid: 0 };
    let half = |shift: u32| CapData {
        effective: (caps.effective >> shift) as u32,
        permitted: (caps.permitted >> shift) as u32,
        inheritable: (caps.inheritable >> shift) as u32,
    };
    let data = [half(0), half(32)];
    // SAFETY: header and two data elements, as version 3 takes them.
    unsafe { call!(libc::SYS_capset, &raw mut header, data.as_ptr()) }.map(drop)
}

fn prctl(option: c_int, a: usize, b: usize) -> Result<usize> {
    // SAFETY: the options used here take numbers.
    unsafe { call!(libc::SYS_prctl, option, a, b, 0, 0) }
}

/// prctl(PR_CAPBSET_READ).
pub(crate) fn bounding_has(cap: u8) -> Result<bool> {
    prctl(libc::PR_CAPBSET_READ, usize::from(cap), 0).map(|has| has != 0)
}

/// prctl(PR_CAPBSET_DROP).
pub(crate) fn bounding_drop(cap: u8) -> Result<()> {
    prctl(libc::PR_CAPBSET_DROP, usize::from(cap), 0).map(drop)
}

/// prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET).
pub(crate) fn ambient_has(cap: u8) -> Result<bool> {
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_IS_SET as usize, usize::from(cap)).map(|has| has != 0)
}

/// prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE).
pub(crate) fn ambient_raise(cap: u8) -> Result<()> {
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE as usize, usize::from(cap)).map(drop)
}

/// prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER).
pub(crate) fn ambient_lower(cap: u8) -> Result<()> {
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_LOWER as usize, usize::from(cap)).map(drop)
}

/// prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL).
pub(crate) fn ambient_clear() -> Result<()> {
    prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL as usize, 0).map(drop)
}

/// prctl(PR_GET_SECUREBITS).
pub fn securebits() -> Result<u32> {
    prctl(libc::PR_GET_SECUREBITS, 0, 0).map(|bits| bits as u32)
}

/// prctl(PR_SET_SECUREBITS).
pub(crate) fn set_securebits(bits: u32) -> Result<()> {
    prctl(libc::PR_SET_SECUREBITS, bits as usize, 0).map(drop)
}

/// prctl(PR_SET_KEEPCAPS).
pub(crate) fn set_keep_caps(on: bool) -> Result<()> {
    prctl(libc::PR_SET_KEEPCAPS, usize::from(on), 0).map(drop)
}

/// prctl(PR_GET_NO_NEW_PRIVS).
pub fn no_new_privs() -> Result<bool> {
    prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0).map(|on| on != 0)
}

/// prctl(PR_SET_NO_NEW_PRIVS).
pub(crate) fn set_no_new_privs() -> Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0).map(drop)
}

/// prctl(PR_GET_SECCOMP): 0 without a filter. A filter may kill for it.
pub(crate) fn seccomp_mode() -> Result<usize> {
    prctl(libc::PR_GET_SECCOMP, 0, 0)
}

/// prctl(PR_GET_DUMPABLE).
pub(crate) fn dumpable() -> Result<usize> {
    prctl(libc::PR_GET_DUMPABLE, 0, 0)
}

/// prctl(PR_SET_DUMPABLE).
pub(crate) fn set_dumpable(value: usize) -> Result<()> {
    prctl(libc::PR_SET_DUMPABLE, value, 0).map(drop)
}

/// prctl(PR_GET_PDEATHSIG).
pub(crate) fn parent_death_signal() -> Result<c_int> {
    let mut signal: c_int = 0;
    // SAFETY: the kernel writes one int.
    unsafe { call!(libc::SYS_prctl, libc::PR_GET_PDEATHSIG, &raw mut signal, 0, 0, 0) }?;
    Ok(signal)
}

/// prctl(PR_SET_PDEATHSIG).
pub(crate) fn set_parent_death_signal(signal: c_int) -> Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, signal as usize, 0).map(drop)
}

/// The running kernel's last capability, found once by asking for each (capabilities(7), PR_CAPBSET_READ: EINVAL for a
/// number the kernel does not have).
pub fn last_cap() -> u8 {
    const UNKNOWN: u8 = u8::MAX;
    static LAST: AtomicU8 = AtomicU8::new(UNKNOWN);
    let known = LAST.load(Relaxed);
    if known != UNKNOWN {
        return known;
    }
    let mut last = (crate::cap_sets::NAMES.len() - 1) as u8;
    if cfg!(miri) {
        return last;
    }
    if bounding_has(last).is_ok() {
        while last < 63 && bounding_has(last + 1).is_ok() {
            last += 1;
        }
    } else if bounding_has(0).is_ok() {
        while bounding_has(last).is_err() {
            last -= 1;
        }
    }
    LAST.store(last, Relaxed);
    last
}

// ---- files ----------------------------------------------------------------------------------------------------------

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

// ---- signals --------------------------------------------------------------------------------------------------------

/// The signal of the rendezvous. libc keeps those below SIGRTMIN from applications, so no thread blocks them: glibc has 32
/// (cancellation, timers) and 33 (its set*id broadcast, of which a handler tells the sender by itself); musl has 32 to 34,
/// of which 34 is the one for its own broadcasts.
pub(crate) const SIGNAL: c_int = if cfg!(target_env = "musl") { 34 } else { 33 };

/// rt_sigaction(2): puts an action in place, if given, and returns the one before.
pub(crate) fn sigaction(signal: c_int, action: Option<&KernelSigaction>) -> Result<KernelSigaction> {
    // No handler has this address.
    let mut old = KernelSigaction { handler: usize::MAX, ..KernelSigaction::DEFAULT };
    let new = action.map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: the kernel's own struct, with masks of eight bytes.
    unsafe { call!(libc::SYS_rt_sigaction, signal, new, &raw mut old, 8) }?;
    if old.handler == usize::MAX { Err(NOTHING_WRITTEN) } else { Ok(old) }
}

/// rt_sigprocmask(2): sets the calling thread's mask, all 64 signals of it, and returns the one before.
pub(crate) fn set_signal_mask(mask: u64) -> Result<u64> {
    // No mask has SIGKILL.
    let mut old = u64::MAX;
    // SAFETY: masks of eight bytes.
    unsafe { call!(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, &raw mut old, 8) }?;
    if old == u64::MAX { Err(NOTHING_WRITTEN) } else { Ok(old) }
}

/// Whether the calling thread runs on its alternate signal stack (sigaltstack(2)).
pub(crate) fn on_alternate_stack() -> bool {
    let mut stack = MaybeUninit::<libc::stack_t>::zeroed();
    // SAFETY: the kernel writes one stack_t, and zeros are valid for it.
    let stack = unsafe {
        let _ = call!(libc::SYS_sigaltstack, 0, stack.as_mut_ptr());
        stack.assume_init()
    };
    stack.ss_flags & libc::SS_ONSTACK != 0
}

/// siginfo_t as rt_tgsigqueueinfo(2) takes it and a handler gets it on 64-bit Linux.
#[repr(C)]
pub(crate) struct SigInfo {
    pub(crate) signo: c_int,
    pub(crate) errno: c_int,
    pub(crate) code: c_int,
    _pad: c_int,
    pub(crate) pid: c_int,
    pub(crate) uid: u32,
    pub(crate) value: u64,
    _rest: [u64; 12],
}

const _: () = assert!(size_of::<SigInfo>() == 128);

/// rt_tgsigqueueinfo(2): sends the rendezvous' signal to one thread, with a value.
pub(crate) fn queue_signal(pid: i32, tid: i32, value: u64) -> Result<()> {
    let info = SigInfo { signo: SIGNAL, errno: 0, code: libc::SI_QUEUE, _pad: 0, pid, uid: 0, value, _rest: [0; 12] };
    // SAFETY: the kernel reads one siginfo of 128 bytes.
    unsafe { call!(libc::SYS_rt_tgsigqueueinfo, pid, tid, SIGNAL, &raw const info) }.map(drop)
}

/// tgkill(2).
pub(crate) fn tgkill(pid: i32, tid: i32, signal: c_int) -> Result<()> {
    // SAFETY: takes numbers.
    unsafe { call!(libc::SYS_tgkill, pid, tid, signal) }.map(drop)
}

/// Whether the calling code was reached from a signal handler, as far as unwind tables tell: one of the frames below is a
/// signal frame, which unwinders mark by the address not being that of a call.
pub(crate) fn below_is_signal_frame() -> bool {
    #[repr(C)]
    struct Context {
        _private: [u8; 0],
    }
    unsafe extern "C" {
        fn _Unwind_Backtrace(trace: extern "C" fn(*mut Context, *mut c_void) -> c_int, data: *mut c_void) -> c_int;
        fn _Unwind_GetIPInfo(context: *mut Context, before: *mut c_int) -> usize;
    }
    const MOST_FRAMES: u32 = 256;
    struct Seen {
        frames: u32,
        signal: bool,
    }
    extern "C" fn frame(context: *mut Context, data: *mut c_void) -> c_int {
        const GO_ON: c_int = 0;
        const STOP: c_int = 4;
        // SAFETY: `data` is the `Seen` handed to _Unwind_Backtrace below, which nobody else uses meanwhile.
        let seen = unsafe { &mut *data.cast::<Seen>() };
        let mut before: c_int = 0;
        // SAFETY: the context the unwinder gave, and room for an int.
        let at = unsafe { _Unwind_GetIPInfo(context, &raw mut before) };
        seen.frames += 1;
        seen.signal = before != 0 && seen.frames > 1;
        if at == 0 || seen.signal || seen.frames > MOST_FRAMES { STOP } else { GO_ON }
    }
    let mut seen = Seen { frames: 0, signal: false };
    if cfg!(miri) {
        return false;
    }
    // SAFETY: the callback does not unwind, and `seen` outlives the call.
    unsafe { _Unwind_Backtrace(frame, (&raw mut seen).cast()) };
    seen.signal
}

// ---- threads --------------------------------------------------------------------------------------------------------

/// Switches pthread cancellation off in the calling thread; returns what it was.
pub(crate) fn disable_cancellation() -> c_int {
    let mut old = 0;
    // SAFETY: room for one int.
    unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut old) };
    old
}

/// Puts cancellation back.
pub(crate) fn restore_cancellation(old: c_int) {
    let mut unused = 0;
    // SAFETY: a state that `disable_cancellation` returned.
    unsafe { pthread_setcancelstate(old, &raw mut unused) };
}

const PTHREAD_CANCEL_DISABLE: c_int = 1;

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, old: *mut c_int) -> c_int;
}

/// futex(2), FUTEX_WAIT_PRIVATE with a time relative to now: returns when woken, when the word differs, or in time.
pub(crate) fn futex_wait(word: &AtomicU32, expected: u32, at_most: Option<Duration>) {
    let limit = at_most.map(timespec);
    let limit = limit.as_ref().map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: the word is ours and aligned; the time is a timespec or NULL. Every result means: look again.
    let _ =
        unsafe { call!(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG, expected, limit) };
}

/// futex(2), FUTEX_WAKE_PRIVATE.
pub(crate) fn futex_wake(word: &AtomicU32, how_many: u32) {
    // SAFETY: the word is ours and aligned.
    let _ = unsafe { call!(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG, how_many) };
}

fn timespec(time: Duration) -> libc::timespec {
    // SAFETY: zeros are valid for a timespec, whatever padding this libc gives it.
    let mut spec: libc::timespec = unsafe { MaybeUninit::zeroed().assume_init() };
    spec.tv_sec = time.as_secs() as libc::time_t;
    spec.tv_nsec = c_long::from(time.subsec_nanos() as i32);
    spec
}

/// clock_gettime(2), CLOCK_MONOTONIC.
pub(crate) fn now() -> Duration {
    let mut spec = timespec(Duration::ZERO);
    // SAFETY: room for one timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut spec) };
    Duration::new(spec.tv_sec as u64, spec.tv_nsec as u32)
}

/// unshare(CLONE_THREAD), which changes nothing and succeeds only for a process with one thread (kernel/fork.c,
/// check_unshare_flags).
pub(crate) fn is_single_threaded_for_sure() -> bool {
    // SAFETY: takes a number.
    unsafe { call!(libc::SYS_unshare, libc::CLONE_THREAD) }.is_ok()
}

// ---- processes ------------------------------------------------------------------------------------------------------

/// clone(2) of a child that shares this process's memory and that the calling thread waits for until it is gone
/// (CLONE_VM, CLONE_VFORK: the one pair that instrumenting run-times know too), and that no SIGCHLD announces. Root folder,
/// descriptors, signal handlers and ids are its own copies.
///
/// # Safety
/// `stack` is the child's alone while it runs. `body` must end by [`exit`], and touch neither libc nor thread-local data.
pub(crate) unsafe fn clone_vfork(stack: &mut [u8], body: raw::Body, argument: *mut c_void) -> Result<i32> {
    // Stacks grow down on every architecture above, and want 16 bytes' alignment.
    let top = stack.as_mut_ptr_range().end.map_addr(|at| at & !15);
    // SAFETY: the caller's promise about stack and body.
    unsafe { raw::clone_call(libc::CLONE_VM | libc::CLONE_VFORK, top, body, argument) }
}

/// wait4(2) for a child that no SIGCHLD announces. Gives its status, or ECHILD when somebody else took it.
pub(crate) fn wait_for(pid: i32) -> Result<c_int> {
    let mut status: c_int = 0;
    let mut failures = 0;
    loop {
        // SAFETY: room for one int. Its caller has all signals blocked.
        match uninterrupted(|| unsafe { call!(libc::SYS_wait4, pid, &raw mut status, libc::__WALL, 0) }) {
            // It would be left for ever.
            Err(errno) if errno.0 != libc::ECHILD && failures < 3 => failures += 1,
            Err(errno) => return Err(errno),
            // A filter that lies waits for nobody.
            Ok(0) if failures < 3 => failures += 1,
            Ok(_) => return Ok(status),
        }
    }
}

/// Has the calling process killed after a time, whatever it is doing then: by SIGKILL, or, where there is no such timer or no
/// signal can be queued (RLIMIT_SIGPENDING; timer_create(2) reserves one), by SIGALRM, which is unblocked for that.
pub(crate) fn kill_me_after(time: Duration) -> Result<()> {
    // SAFETY: zeros are valid for a sigevent.
    let mut event: libc::sigevent = unsafe { MaybeUninit::zeroed().assume_init() };
    event.sigev_notify = libc::SIGEV_SIGNAL;
    event.sigev_signo = libc::SIGKILL;
    let mut timer: c_int = 0;
    // SAFETY: a sigevent, and room for the kernel's timer id, an int.
    let made = unsafe { call!(libc::SYS_timer_create, libc::CLOCK_MONOTONIC, &raw const event, &raw mut timer) };
    if made.is_err() {
        sigaction(libc::SIGALRM, Some(&KernelSigaction::DEFAULT))?;
        set_signal_mask(!(1 << (libc::SIGALRM - 1)))?;
        let at_least = time.max(Duration::from_micros(1));
        let spec = [0, 0, at_least.as_secs() as c_long, c_long::from(at_least.subsec_micros() as i32)];
        // SAFETY: an itimerval is two timevals: interval and value.
        return unsafe { call!(libc::SYS_setitimer, libc::ITIMER_REAL, spec.as_ptr(), 0) }.map(drop);
    }
    let spec = [timespec(Duration::ZERO), timespec(time)];
    // SAFETY: an itimerspec is two timespecs: interval and value.
    unsafe { call!(libc::SYS_timer_settime, timer, 0, spec.as_ptr(), 0) }.map(drop)
}

/// exit(2): ends the calling process or thread at once.
pub(crate) fn exit(code: c_int) -> ! {
    loop {
        // SAFETY: takes a number, and does not return.
        let _ = unsafe { call!(libc::SYS_exit, code) };
    }
}

/// Ends the process as abort(3) does, without libc: SIGABRT at its default, and exit_group(2) should that not do.
pub(crate) fn abort() -> ! {
    let _ = sigaction(libc::SIGABRT, Some(&KernelSigaction::DEFAULT));
    let _ = set_signal_mask(!(1 << (libc::SIGABRT - 1)));
    let _ = tgkill(getpid(), gettid(), libc::SIGABRT);
    loop {
        // SAFETY: takes a number, and does not return.
        let _ = unsafe { call!(libc::SYS_exit_group, 134) };
    }
}

/// The end of the process, with one line on standard error that says why. Neither memory nor locks are needed, so threads may
/// be parked.
pub(crate) fn die(why: core::fmt::Arguments<'_>) -> ! {
    struct Line([u8; 1024], usize);
    impl core::fmt::Write for Line {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            let fits = text.len().min(self.0.len() - 1 - self.1);
            self.0[self.1..self.1 + fits].copy_from_slice(&text.as_bytes()[..fits]);
            self.1 += fits;
            Ok(())
        }
    }
    static DYING: AtomicU32 = AtomicU32::new(0);
    const A_MOMENT: Duration = Duration::from_secs(5);
    if DYING.swap(1, SeqCst) != 0 {
        // Another thread is about to end the process; one line is enough.
        futex_wait(&DYING, 1, Some(A_MOMENT));
        abort();
    }
    // Whoever should read standard error may not, and a full pipe must not keep the process alive.
    let _ = kill_me_after(A_MOMENT);
    let mut line = Line([0; 1024], 0);
    let _ = core::fmt::write(&mut line, format_args!("libec_security: {why}"));
    let end = line.1;
    // one line, whatever the reason holds
    for byte in &mut line.0[..end] {
        if *byte == b'\n' {
            *byte = b' ';
        }
    }
    line.0[end] = b'\n';
    let _ = write(2, &line.0[..=end]);
    abort()
}

// ---- a page a thread ------------------------------------------------------------------------------------------------

/// Memory of one thread, kept from its first failure on. No destructor runs at thread exit, since that would need libc's
/// help and a lock: the page of a thread that has ended goes to the next thread that needs one.
#[repr(C)]
pub(crate) struct Page {
    /// Its process and its thread. The same memory may be that of another process: in the child of a fork, or of vfork(2).
    owner: AtomicU64,
    next: *mut Page,
    /// In which child of a fork; see [`generation`].
    generation: AtomicU32,
    text: Text,
}

#[repr(C, align(16))]
struct Text(UnsafeCell<[u8; PAGE_TEXT]>);

/// Bytes of text on a page.
pub(crate) const PAGE_TEXT: usize = 4096 - 32;
const _: () = assert!(size_of::<Page>() == 4096);

static PAGES: AtomicPtr<Page> = AtomicPtr::new(core::ptr::null_mut());

/// What [`Page::owner`] holds: process and thread, whose numbers are below 2^22 (PID_MAX_LIMIT, include/linux/threads.h), and how
/// often the page has changed hands, lest a thread that was long in between takes a new owner for the old one of that number.
#[derive(Clone, Copy)]
struct Owner(u64);

impl Owner {
    /// It is being cleared for its next owner, or is not to be had at all.
    const CLEARED: Owner = Owner(0);

    fn new(pid: u32, tid: u32) -> Owner {
        Owner(u64::from(pid) << 42 | u64::from(tid) << 20)
    }

    /// Instead of a thread: whoever of the process wants one may have it.
    fn nobody(pid: u32) -> Owner {
        Owner::new(pid, 0)
    }

    fn pid(self) -> u32 {
        (self.0 >> 42) as u32
    }

    fn tid(self) -> u32 {
        (self.0 >> 20) as u32 & 0x3f_ffff
    }

    fn is(self, other: Owner) -> bool {
        self.0 >> 20 == other.0 >> 20
    }

    fn next(self, new: Owner) -> Owner {
        Owner(new.0 >> 20 << 20 | self.0.wrapping_add(1) & 0xf_ffff)
    }

    /// Whether the thread has ended, as far as the calling one can tell: it must be of the same process.
    fn is_gone(self) -> bool {
        self.tid() == 0 || tgkill(self.pid() as i32, self.tid() as i32, 0) == Err(Errno(libc::ESRCH))
    }
}

impl Page {
    /// Where its text begins.
    pub(crate) fn text(&self) -> *mut u8 {
        self.text.0.get().cast()
    }

    fn owner(&self) -> Owner {
        Owner(self.owner.load(SeqCst))
    }

    /// Gives it to `new`, if it is `old`'s still.
    fn pass(&self, old: Owner, new: Owner) -> bool {
        self.owner.compare_exchange(old.0, old.next(new).0, SeqCst, SeqCst).is_ok()
    }

    fn is_of(&self, generation: u32) -> bool {
        self.generation.load(SeqCst) == generation
    }

    /// The page that a thread of this process has left, all zeros again. What seems to be the calling thread's is an ended one's of
    /// the same number, or a signal handler has come in and got it: `is_without` tells.
    fn left_behind(pid: u32, mine: Owner, generation: u32, is_without: impl Fn() -> bool) -> Option<&'static Page> {
        let mut at = PAGES.load(SeqCst);
        // SAFETY: NULL, or a page; pages are never unmapped, and `next` does not change once a page is in the list.
        while let Some(page) = unsafe { at.as_ref() } {
            let owner = page.owner();
            // Of another process nobody knows here which of its threads are still there.
            if page.is_of(generation)
                && owner.pid() == pid
                && (if owner.is(mine) { is_without() } else { owner.is_gone() })
                && page.pass(owner, Owner::CLEARED)
            {
                // SAFETY: nobody uses the page, and its text is so long. As a new one it begins with zeros.
                unsafe { page.text().write_bytes(0, PAGE_TEXT) };
                page.owner.store(owner.next(Owner::CLEARED).next(mine).0, SeqCst);
                return Some(page);
            }
            at = page.next;
        }
        None
    }

    fn new(owner: Owner, generation: u32) -> Option<&'static Page> {
        let new = map(size_of::<Page>(), false).ok()?.cast::<Page>();
        // SAFETY: a fresh page of zeros, which are a valid Page, reached by nobody else yet.
        let page = unsafe {
            (*new).owner.store(owner.0, SeqCst);
            (*new).generation.store(generation, SeqCst);
            &*new
        };
        let mut first = PAGES.load(SeqCst);
        loop {
            // SAFETY: not in the list yet, so nobody else reads it.
            unsafe { (*new).next = first };
            match PAGES.compare_exchange(first, new, SeqCst, SeqCst) {
                Ok(_) => return Some(page),
                Err(now) => first = now,
            }
        }
    }
}

/// Another number in the child of a fork than in its parent, even where both have the same process id: in pid namespaces of
/// their own, or one after the other. Always the same where the kernel cannot do that (before Linux 4.14).
fn generation() -> u32 {
    static ALWAYS: AtomicU32 = AtomicU32::new(1);
    static LAST: AtomicU32 = AtomicU32::new(0);
    /// Where the number is; the child of a fork finds zeros there (madvise(2), MADV_WIPEONFORK).
    static MARK: AtomicPtr<AtomicU32> = AtomicPtr::new(core::ptr::null_mut());
    let mut mark = MARK.load(SeqCst);
    if mark.is_null() {
        let wiped = map(size_of::<Page>(), false).ok().and_then(|page| {
            // SAFETY: a mapping of our own, which nobody uses yet.
            let done = unsafe { call!(libc::SYS_madvise, page, size_of::<Page>(), libc::MADV_WIPEONFORK) };
            if done.is_err() {
                // SAFETY: as above.
                unsafe { unmap(page, size_of::<Page>()) };
            }
            done.ok().map(|_| page.cast::<AtomicU32>())
        });
        let new = wiped.unwrap_or(core::ptr::from_ref(&ALWAYS).cast_mut());
        mark = match MARK.compare_exchange(mark, new, SeqCst, SeqCst) {
            Ok(_) => new,
            Err(now) => {
                if wiped.is_some() {
                    // SAFETY: nobody else has seen it.
                    unsafe { unmap(new.cast(), size_of::<Page>()) };
                }
                now
            }
        };
    }
    // SAFETY: one of the two, and neither is unmapped.
    let mark = unsafe { &*mark };
    match mark.load(SeqCst) {
        0 => {
            let new = LAST.fetch_add(1, SeqCst) + 1;
            mark.compare_exchange(0, new, SeqCst, SeqCst).map_or_else(|now| now, |_| new)
        }
        number => number,
    }
}

unsafe extern "C" {
    /// The address of the calling thread's pointer (thread_pointer.c).
    safe fn ec_security_thread_pointer() -> *mut *mut Page;
}

/// The calling thread's page; one is made, or found, where it has none. Safe in signal handlers, which may come in anywhere, and
/// may fork.
pub(crate) fn page_for_this_thread() -> Option<&'static Page> {
    // SAFETY: the pointer is the calling thread's own, and lives as long as the thread.
    let own = unsafe { AtomicPtr::from_ptr(ec_security_thread_pointer()) };
    loop {
        // Before the numbers: a handler that forks makes it the old one then, which fits no page of the child.
        let generation = generation();
        let (pid, tid) = (getpid() as u32, gettid() as u32);
        // A filter may forbid to ask for them. Such a thread's page is its own for ever.
        let numbered = pid != 0 && tid != 0;
        let mine = if numbered { Owner::new(pid, tid) } else { Owner::CLEARED };
        let before = own.load(SeqCst);
        // SAFETY: NULL, or a page; pages are never unmapped.
        if let Some(page) = unsafe { before.as_ref() } {
            let owner = page.owner();
            let here = page.is_of(generation);
            if !numbered || (here && owner.is(mine)) {
                return Some(page);
            }
            // In the child of a fork the page stays the thread's, which has another number now. A signal handler that has come in
            // may have said so already.
            if !owner.is(Owner::CLEARED) && (!here || owner.pid() != pid || owner.is_gone()) {
                if page.pass(owner, mine) || page.owner().is(mine) {
                    page.generation.store(generation, SeqCst);
                    return Some(page);
                }
                continue;
            }
        }
        let left_behind =
            if numbered { Page::left_behind(pid, mine, generation, || own.load(SeqCst) == before) } else { None };
        let page = left_behind.or_else(|| Page::new(mine, generation))?;
        return match own.compare_exchange(before, core::ptr::from_ref(page).cast_mut(), SeqCst, SeqCst) {
            Ok(_) => Some(page),
            // A signal handler has come in and has got one, and perhaps given away its address. It may be the same. Or another
            // handler has come into that one, so that the first has given this page away, and it is another thread's.
            Err(now) => {
                let owner = page.owner();
                if !core::ptr::eq(now, page) && owner.is(mine) {
                    page.pass(owner, Owner::nobody(pid));
                }
                // SAFETY: as above.
                unsafe { now.as_ref() }
            }
        };
    }
}

// ---- memory ---------------------------------------------------------------------------------------------------------

/// mmap(2): zeroed pages of our own, shared with children if asked.
pub(crate) fn map(bytes: usize, shared: bool) -> Result<*mut u8> {
    let kind = if shared { libc::MAP_SHARED } else { libc::MAP_PRIVATE };
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping, where the kernel likes.
    unsafe { call!(libc::SYS_mmap, 0, bytes, access, kind | libc::MAP_ANONYMOUS, -1isize, 0) }.map(|at| at as *mut u8)
}

/// munmap(2).
///
/// # Safety
/// Nobody uses these pages any more.
pub(crate) unsafe fn unmap(at: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise.
    let _ = unsafe { call!(libc::SYS_munmap, at, bytes) };
}
