//! Reads what a thread holds. /proc/TID/status is the evidence, for two reasons: capget(2) shows only what a security module lets the
//! thread see (a profile of AppArmor masks the sets), and a seccomp filter may answer prctl(2) in the kernel's place. A thread
//! without a filter uses system calls, which are faster. The result of capget(2) is then used only as far as it agrees with what
//! /proc shows for the caller.

use super::context::{Context, Unknown};
use super::groups::{GroupComparison, GroupMatch, compare_own};
use crate::caps::{self, CapSets};
use crate::plan::{Credentials, TargetCaps};
use crate::procfs::Status;
use crate::text::Errno;
use crate::{sys, task_dir};

/// A call that could not tell what a thread holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call} failed ({errno})")]
pub struct ReadError {
    /// The call.
    pub call: &'static str,
    /// What it said.
    pub errno: Errno,
}

fn by(call: &'static str) -> impl Fn(Errno) -> ReadError {
    move |errno| ReadError { call, errno }
}

pub(super) const READING_DIRECTORIES: &str = "statx of the root and the working directory";

/// Where the calling thread finds its own status file.
pub(crate) enum OwnStatus<'a> {
    /// Opened before.
    Open {
        /// The file.
        file: &'a sys::Fd,
        /// The thread.
        tid: i32,
    },
    /// Below this descriptor of /proc.
    InProc(&'a sys::Fd),
    /// There is no /proc.
    Nowhere,
}

/// What reading the caller tells.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) held: Credentials,
    /// How the groups compare with those wanted, where a list is wanted.
    pub(crate) groups: GroupMatch,
    /// Whether a seccomp filter may look at the thread: unless /proc says that none does.
    pub(crate) filtered: bool,
    /// Whether /proc was read.
    pub(crate) from_proc: bool,
    pub(crate) unknown: Unknown,
    /// Whether /proc says that somebody traces the thread.
    pub(crate) traced: bool,
}

/// What the calling thread holds, be it the caller or a rehearsal's child. `after`: when the steps have been made.
pub(crate) fn read_caller(ctx: &Context<'_>, own: &OwnStatus<'_>, after: bool) -> Result<Reading, ReadError> {
    let mut groups = comparison(ctx);
    let status = match own {
        OwnStatus::Open { file, tid } => {
            let status = task_dir::read_status(file, |group| groups.take(group));
            if let Ok(status) = &status {
                is_of(*tid, status)?;
            }
            status
        }
        OwnStatus::InProc(proc) => sys::openat(proc.raw(), c"self/status", libc::O_RDONLY)
            .and_then(|file| task_dir::read_status(&file, |group| groups.take(group))),
        OwnStatus::Nowhere => Ok(Status::default()),
    };
    let status = status.map_err(by("reading /proc/thread-self/status"))?;
    let mut reading = from_status(ctx, &status, &groups)?;
    let bits = sys::securebits();
    reading.unknown.securebits = is_unknown(&bits);
    reading.held.securebits = unless_unknown(bits, 0, SECUREBITS)?;
    if let Some(root) = ctx.root {
        let held = &mut reading.held;
        (held.root_as_wanted, held.cwd_as_wanted) = root.read(after).map_err(by(READING_DIRECTORIES))?;
    }
    Ok(reading)
}

/// Refuses a status file of another thread: one may be mounted over the one that was opened.
fn is_of(tid: i32, status: &Status) -> Result<(), ReadError> {
    match status.own_tid {
        Some(other) if other != tid => Err(ReadError {
            call: "reading /proc/self/task/TID/status, over which that of another is mounted,",
            errno: Errno(libc::ESRCH),
        }),
        _ => Ok(()),
    }
}

/// What a status file says; what it lacks is asked of the kernel, about the calling thread. Securebits and directories are not there.
fn from_status(ctx: &Context<'_>, status: &Status, compared: &GroupComparison<'_>) -> Result<Reading, ReadError> {
    let from_proc = status.caps().is_some();
    let uids = match status.uids {
        Some(uids) => uids,
        None => own_uids()?,
    };
    let gids = match status.gids {
        Some(gids) => gids,
        None => own_gids()?,
    };
    let (groups, groups_can_return) = match status.groups {
        _ if !ctx.target.groups => (GroupMatch::Same, true),
        Some(_) => (compared.outcome(), compared.all_known()),
        None => compare_own(comparison(ctx), ctx.buffer).map_err(by("getgroups"))?,
    };
    let caps = match status.caps() {
        Some(caps) => caps,
        None => sys::capget().map_err(by("capget"))?,
    };
    let all = caps::up_to(ctx.target.last_cap);
    let bounding = match status.bounding {
        Some(bounding) => bounding & all,
        None => own_bounding(all)?,
    };
    let ambient = match status.ambient {
        Some(ambient) => ambient,
        // Linux 4.3 to say so, since when the line is there; gVisor has no ambient set.
        None if from_proc => 0,
        None => own_ambient(caps.permitted & caps.inheritable, true)?,
    };
    let no_new_privs = match status.no_new_privs {
        Some(on) => on,
        None => own_no_new_privs()?,
    };
    Ok(Reading {
        held: Credentials {
            uids,
            gids,
            groups_as_wanted: as_wanted(ctx, groups),
            groups_can_return,
            root_as_wanted: true,
            cwd_as_wanted: true,
            caps,
            bounding,
            ambient,
            securebits: 0,
            no_new_privs,
        },
        groups,
        // A kernel without seccomp has no such line.
        filtered: !from_proc || status.seccomp.is_some_and(|mode| mode != 0),
        from_proc,
        unknown: Unknown {
            seccomp: from_proc && status.seccomp.is_none(),
            ambient: from_proc && status.ambient.is_none(),
            securebits: false,
        },
        traced: status.tracer.is_some_and(|tracer| tracer != 0),
    })
}

fn comparison<'a>(ctx: &Context<'a>) -> GroupComparison<'a> {
    GroupComparison::new(ctx.groups, ctx.target.gid, ctx.overflow_group)
}

fn as_wanted(ctx: &Context<'_>, groups: GroupMatch) -> bool {
    groups == GroupMatch::Same && !ctx.groups_in_doubt
}

/// What another thread holds that has been stopped, or runs (a dry run). Its securebits are not in there.
pub(crate) fn read_other(ctx: &Context<'_>, file: &sys::Fd, tid: i32) -> Result<(Credentials, Status), ReadError> {
    let mut groups = comparison(ctx);
    let status =
        task_dir::read_status(file, |group| groups.take(group)).map_err(by("reading /proc/self/task/TID/status"))?;
    is_of(tid, &status)?;
    // What would be asked of the calling thread instead must not count for another.
    if status.uids.is_none() || status.gids.is_none() || status.bounding.is_none() || status.groups.is_none() {
        return Err(ReadError { call: "reading /proc/self/task/TID/status", errno: Errno(libc::EIO) });
    }
    Ok((from_status(ctx, &status, &groups)?.held, status))
}

/// Which part of a stopped thread's state it asks the kernel for itself.
pub(crate) struct Scope {
    /// Of the bounding set, of which the kernel tells one capability a call (prctl(2), PR_CAPBSET_READ).
    pub(super) bounding: u64,
    /// What the rest of it is taken to be.
    pub(super) assumed_bounding: u64,
    /// Of the ambient set.
    pub(super) ambient: u64,
    /// The file-system ids. A change of the three others makes them the effective ones (kernel/sys.c, __sys_setresuid and
    /// __sys_setresgid), so where one is to come, or has come, they need not be asked for.
    pub(super) fsuid: bool,
    pub(super) fsgid: bool,
}

/// What the calling thread holds, asked of the kernel: it must have no filter. `before`: its securebits, where nothing has been changed
/// yet. `None` then: that does not tell, since capget(2) shows something else than the caller holds, or the sets are to be kept as they
/// are.
pub(crate) fn credentials_of(
    ctx: &Context<'_>,
    before: Option<u32>,
    scope: impl FnOnce([u32; 3], [u32; 3], &CapSets) -> Scope,
) -> Result<Option<Credentials>, ReadError> {
    let uids = sys::getresuid().map_err(by("getresuid"))?;
    let gids = sys::getresgid().map_err(by("getresgid"))?;
    let caps = sys::capget().map_err(by("capget"))?;
    if before.is_some() && (ctx.target.caps == TargetCaps::Keep || ctx.caller_caps != Some(caps)) {
        return Ok(None);
    }
    let scope = scope(uids, gids, &caps);
    let (groups, groups_can_return) = if ctx.target.groups {
        compare_own(comparison(ctx), ctx.buffer).map_err(by("getgroups"))?
    } else {
        (GroupMatch::Same, true)
    };
    // A change of the other ids sets it. So where it cannot be told, it is none, and that change is made.
    let or_none = |id: Result<u32, Errno>| id.unwrap_or(u32::MAX);
    let all = caps::up_to(ctx.target.last_cap);
    let mut held = Credentials {
        uids: [uids[0], uids[1], uids[2], if scope.fsuid { or_none(sys::getfsuid()) } else { uids[1] }],
        gids: [gids[0], gids[1], gids[2], if scope.fsgid { or_none(sys::getfsgid()) } else { gids[1] }],
        groups_as_wanted: as_wanted(ctx, groups),
        groups_can_return,
        root_as_wanted: true,
        cwd_as_wanted: true,
        caps,
        bounding: scope.assumed_bounding & all & !scope.bounding | own_bounding(all & scope.bounding)?,
        ambient: own_ambient(scope.ambient, ctx.unknown.ambient)?,
        securebits: before.map_or_else(|| securebits(ctx), Ok)?,
        no_new_privs: own_no_new_privs()?,
    };
    if let Some(root) = ctx.root {
        (held.root_as_wanted, held.cwd_as_wanted) = root.read(before.is_none()).map_err(by(READING_DIRECTORIES))?;
    }
    Ok(Some(held))
}

// ---- one call each --------------------------------------------------------------------------------------------------

/// What a kernel does not know it does not have (gVisor lacks several).
fn unless_unknown<T>(result: Result<T, Errno>, absent: T, call: &'static str) -> Result<T, ReadError> {
    if is_unknown(&result) { Ok(absent) } else { result.map_err(by(call)) }
}

fn is_unknown<T>(result: &Result<T, Errno>) -> bool {
    matches!(result, Err(Errno(libc::EINVAL | libc::ENOSYS)))
}

fn own_uids() -> Result<[u32; 4], ReadError> {
    let [real, effective, saved] = sys::getresuid().map_err(by("getresuid"))?;
    Ok([real, effective, saved, own_fsuid(effective)?])
}

fn own_gids() -> Result<[u32; 4], ReadError> {
    let [real, effective, saved] = sys::getresgid().map_err(by("getresgid"))?;
    Ok([real, effective, saved, own_fsgid(effective)?])
}

fn own_fsuid(effective: u32) -> Result<u32, ReadError> {
    unless_unknown(sys::getfsuid(), effective, "setfsuid")
}

fn own_fsgid(effective: u32) -> Result<u32, ReadError> {
    unless_unknown(sys::getfsgid(), effective, "setfsgid")
}

fn own_bounding(asked: u64) -> Result<u64, ReadError> {
    let mut bounding = 0;
    for cap in caps::each(asked) {
        if sys::bounding_has(cap).map_err(by("prctl(PR_CAPBSET_READ)"))? {
            bounding |= caps::bit(cap);
        }
    }
    Ok(bounding)
}

const AMBIENT: &str = "prctl(PR_CAP_AMBIENT_IS_SET)";

/// `may_lack`: the kernel may know no ambient set.
fn own_ambient(asked: u64, may_lack: bool) -> Result<u64, ReadError> {
    let mut ambient = 0;
    for cap in caps::each(asked) {
        let has = match sys::ambient_has(cap) {
            has if may_lack => unless_unknown(has, false, AMBIENT)?,
            has => has.map_err(by(AMBIENT))?,
        };
        if has {
            ambient |= caps::bit(cap);
        }
    }
    // A filter may answer for every capability; of one that no kernel has, it has to say so.
    if !may_lack && ambient != asked && sys::ambient_has(caps::NONE) != Err(Errno(libc::EINVAL)) {
        return Err(by(AMBIENT)(Errno(libc::EIO)));
    }
    Ok(ambient)
}

const SECUREBITS: &str = "prctl(PR_GET_SECUREBITS)";

/// Those of a thread that follows.
pub(super) fn securebits(ctx: &Context<'_>) -> Result<u32, ReadError> {
    let bits = sys::securebits();
    if ctx.unknown.securebits { unless_unknown(bits, 0, SECUREBITS) } else { bits.map_err(by(SECUREBITS)) }
}

fn own_no_new_privs() -> Result<bool, ReadError> {
    unless_unknown(sys::no_new_privs(), false, "prctl(PR_GET_NO_NEW_PRIVS)")
}
