//! Ids, capabilities and the flags of prctl(2): of the calling thread alone. Raw, since libc's own set*id would stop all threads by
//! itself.

use core::ffi::c_int;
use core::sync::atomic::AtomicU8;
use core::sync::atomic::Ordering::Relaxed;

use super::arch::numbers;
use super::call::{Errno, NOTHING_WRITTEN, Result, call};
use crate::caps::CapSets;

/// The effective user id, or one that is none. Not by geteuid(2): on a 32-bit machine ids from 0xfffff001 look like errors there.
pub fn geteuid() -> u32 {
    getresuid().map_or(u32::MAX, |[_, euid, _]| euid)
}

/// getresuid(2): real, effective, saved.
pub fn getresuid() -> Result<[u32; 3]> {
    let mut ids = [u32::MAX; 3];
    let at = ids.as_mut_ptr();
    // SAFETY: three places of the type the call writes.
    unsafe { call!(numbers::SYS_getresuid, at, at.add(1), at.add(2)) }?;
    Ok(ids)
}

/// getresgid(2): real, effective, saved.
pub(crate) fn getresgid() -> Result<[u32; 3]> {
    let mut ids = [u32::MAX; 3];
    let at = ids.as_mut_ptr();
    // SAFETY: three places of the type the call writes.
    unsafe { call!(numbers::SYS_getresgid, at, at.add(1), at.add(2)) }?;
    Ok(ids)
}

/// The file-system user id: setfsuid(2) with an id that is none changes nothing and returns the one in force.
pub(crate) fn getfsuid() -> Result<u32> {
    // SAFETY: takes a number.
    returned_id(unsafe { call!(numbers::SYS_setfsuid, u32::MAX) }, getresuid)
}

/// The file-system group id, as [`getfsuid`].
pub(crate) fn getfsgid() -> Result<u32> {
    // SAFETY: takes a number.
    returned_id(unsafe { call!(numbers::SYS_setfsgid, u32::MAX) }, getresgid)
}

/// An id that a call returned. On a 32-bit machine those from 0xfffff001 cannot be told from errors; one that the thread has as its
/// effective id is no error, since the file-system id follows that (credentials(7)).
fn returned_id(result: Result<usize>, ids: fn() -> Result<[u32; 3]>) -> Result<u32> {
    match result {
        Err(Errno(errno)) if usize::BITS == 32 && ids().is_ok_and(|ids| ids[1] == -errno as u32) => Ok(-errno as u32),
        result => result.map(|id| id as u32),
    }
}

/// Whether the id is in force now, where what the call returned, the one before, may only look like an error.
fn replaced_id(result: Result<usize>, id: u32, now: fn() -> Result<u32>) -> Result<()> {
    match result {
        Err(_) if usize::BITS == 32 && now() == Ok(id) => Ok(()),
        result => result.map(drop),
    }
}

/// setresuid(2) on the calling thread alone.
pub(crate) fn setresuid(ids: [u32; 3]) -> Result<()> {
    // SAFETY: takes numbers.
    unsafe { call!(numbers::SYS_setresuid, ids[0], ids[1], ids[2]) }.map(drop)
}

/// setresgid(2) on the calling thread alone.
pub(crate) fn setresgid(ids: [u32; 3]) -> Result<()> {
    // SAFETY: takes numbers.
    unsafe { call!(numbers::SYS_setresgid, ids[0], ids[1], ids[2]) }.map(drop)
}

/// setfsuid(2), for putting back an id that differed from the effective one.
pub(crate) fn setfsuid(id: u32) -> Result<()> {
    // SAFETY: takes a number.
    replaced_id(unsafe { call!(numbers::SYS_setfsuid, id) }, id, getfsuid)
}

/// setfsgid(2), as [`setfsuid`].
pub(crate) fn setfsgid(id: u32) -> Result<()> {
    // SAFETY: takes a number.
    replaced_id(unsafe { call!(numbers::SYS_setfsgid, id) }, id, getfsgid)
}

/// getgroups(2): how many there are; with room for them, they are written.
pub(crate) fn getgroups(buf: &mut [u32]) -> Result<usize> {
    // SAFETY: the kernel writes at most as many ids as it is told there is room for.
    unsafe { call!(numbers::SYS_getgroups, buf.len(), buf.as_mut_ptr()) }
}

/// setgroups(2) on the calling thread alone.
pub(crate) fn setgroups(groups: &[u32]) -> Result<()> {
    // SAFETY: the kernel reads that many ids.
    unsafe { call!(numbers::SYS_setgroups, groups.len(), groups.as_ptr()) }.map(drop)
}

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

/// Whether no seccomp filter looks at the calling thread, as far as prctl(2) tells: a filter may answer 0 in the kernel's place, so
/// that an answer which is written to memory has to come as well. `unknown`: the kernel may have no seccomp, and answers EINVAL then.
pub(crate) fn has_no_filter(unknown: bool) -> bool {
    let mode = prctl(libc::PR_GET_SECCOMP, 0, 0);
    (mode == Ok(0) || (unknown && mode == Err(Errno(libc::EINVAL)))) && parent_death_signal().is_ok()
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
    // No signal has this number.
    let mut signal: c_int = -1;
    // SAFETY: the kernel writes one int.
    unsafe { call!(libc::SYS_prctl, libc::PR_GET_PDEATHSIG, &raw mut signal, 0, 0, 0) }?;
    if signal == -1 { Err(NOTHING_WRITTEN) } else { Ok(signal) }
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
    let mut last = (crate::caps::NAMES.len() - 1) as u8;
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
