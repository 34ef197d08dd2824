//! What a call gathers before anything changes, and what it says of a refusal by it.

use alloc::vec::Vec;
use core::mem::ManuallyDrop;
use core::time::Duration;

use super::hint::Situation;
use crate::alloc_util::{try_box, try_to_vec, try_vec_of, try_with_capacity};
use crate::error::Error;
use crate::execute::{
    self, Context, Directories, GroupMatch, OwnStatus, ReadError, Reading, Root, SharedBuffer, Unknown,
};
use crate::id_map::Ids;
use crate::plan::{self, Target};
use crate::policy::{Policy, ProcDirectory, root_directory};
use crate::task_dir::{self, TaskPath};
use crate::text::Errno;
use crate::threads::StopError;
use crate::{caps, id_map, pin, sys};

/// All that a call allocates, looks up and opens: before anything changes.
pub(super) struct Input<'p> {
    pub(super) target: Target,
    /// The supplementary groups wanted, sorted, without duplicates.
    groups: Vec<u32>,
    /// Those without the primary group.
    groups_but_primary: Vec<u32>,
    /// The overflow id, where it is known that groups may be shown as it.
    overflow_group: Option<u32>,
    pub(super) deadline: Duration,
    /// Of /proc.
    pub(super) proc: Option<&'p sys::KeptFd>,
    /// Of /proc/self/task.
    pub(super) tasks: Option<sys::KeptFd>,
    /// The calling thread's status file.
    status: Option<sys::KeptFd>,
    /// The calling thread.
    tid: i32,
    root: Option<Root>,
}

/// Counts how often the list of groups had grown since memory for it was got. A filter may say so each time.
pub(super) fn count_longer_list(so_far: &mut u32) -> Result<(), Error> {
    const MAX: u32 = 1000;
    *so_far += 1;
    if *so_far < MAX { Ok(()) } else { Err(no_groups(Errno(libc::EINVAL))) }
}

/// The caller's supplementary groups.
pub(super) struct OldGroups {
    /// All of them, sorted, as often as they were given.
    pub(super) all: Vec<u32>,
    /// Those, each once.
    pub(super) distinct: Vec<u32>,
}

impl OldGroups {
    /// None, with memory for as many as there are now.
    pub(super) fn with_capacity() -> Result<OldGroups, Error> {
        let count = sys::getgroups(&mut []).map_err(no_groups)?;
        Ok(OldGroups { all: try_with_capacity(count)?, distinct: try_with_capacity(count)? })
    }

    /// Reads them, without the heap: other threads may be stopped. Says whether they fit, since there may be more by now.
    pub(super) fn read(&mut self) -> Result<bool, Error> {
        let capacity = self.all.capacity().min(self.distinct.capacity());
        self.all.resize(capacity, 0);
        let count = match sys::getgroups(&mut self.all) {
            Err(Errno(libc::EINVAL)) => return Ok(false),
            count => count.map_err(no_groups)?,
        };
        // Without any memory it is the kernel's count.
        if count > capacity {
            return Ok(false);
        }
        self.all.truncate(count);
        self.all.sort_unstable();
        self.distinct.clear();
        self.distinct.extend_from_slice(&self.all);
        self.distinct.dedup();
        Ok(true)
    }
}

fn no_groups(errno: Errno) -> Error {
    Error::System { call: "getgroups", errno }
}

impl Input<'_> {
    pub(super) fn gather(policy: &mut Policy) -> Result<Input<'_>, Error> {
        // Before a handler is installed.
        pin::pin_object()
            .map_err(|errno| Error::System { call: "dlopen of the object that holds the library", errno })?;
        let (mut target, groups) = policy.options.target()?;
        let mut groups_but_primary = try_to_vec(&groups)?;
        groups_but_primary.retain(|&group| Some(group) != target.gid);
        let found = find_proc(policy);
        let policy = &*policy;
        let (proc, tasks) = open_tasks(policy, found)?;
        let proc_fd = proc.map(|proc| &**proc);
        let mut overflow_group = None;
        if target.uid.is_some() {
            target.overflow_uid = id_map::overflow(proc_fd, Ids::User).map(|overflow| overflow.id);
        }
        if target.gid.is_some() || target.groups {
            let overflow = id_map::overflow(proc_fd, Ids::Group);
            target.overflow_gid = overflow.map(|overflow| overflow.id);
            // Without /proc a list that is shown as wanted counts as it: the ids, which are set all the same, fail where they lack one here.
            overflow_group = overflow.filter(|overflow| overflow.told).map(|overflow| overflow.id);
        }
        let status = match &tasks {
            Some(tasks) => Some(open_own_status(tasks, proc_fd)?),
            None => None,
        };
        let root = root(policy)?;
        let deadline = policy.options.deadline;
        Ok(Input {
            target,
            groups,
            groups_but_primary,
            overflow_group,
            deadline,
            proc,
            tasks,
            status,
            tid: sys::gettid(),
            root,
        })
    }

    /// Memory for any list of groups that is to be compared, and one more.
    pub(super) fn group_buffer(&self, old: &OldGroups) -> Result<Vec<u32>, Error> {
        Ok(try_vec_of(0, self.groups.len().max(old.all.capacity()) + 1)?)
    }

    /// Whether another thread has closed a descriptor of this call. What was read by its number since may be of another file.
    pub(super) fn has_lost_descriptors(&self) -> bool {
        [self.proc, self.tasks.as_ref(), self.status.as_ref()].into_iter().flatten().any(sys::KeptFd::is_lost)
    }

    /// Whether there is no other thread: then none comes.
    pub(super) fn is_alone(&self) -> bool {
        self.tasks.as_ref().is_none_or(|tasks| task_dir::thread_count(tasks) == Ok(1))
    }

    pub(super) fn own_status(&self) -> OwnStatus<'_> {
        self.status.as_deref().map_or(OwnStatus::Nowhere, |file| OwnStatus::Open { file, tid: self.tid })
    }

    /// Reads the caller, and completes what is wanted by what it holds.
    pub(super) fn context<'a>(
        &'a self,
        target: Target,
        buffer: &'a SharedBuffer<'a>,
    ) -> Result<(Context<'a>, Reading), Error> {
        let mut ctx = Context {
            target,
            groups: &self.groups,
            buffer,
            root: self.root.as_ref(),
            caller_filtered: true,
            caller_caps: None,
            caller_bounding: 0,
            groups_in_doubt: self.overflow_group.is_some_and(|id| self.groups.binary_search(&id).is_ok()),
            overflow_group: self.overflow_group,
            unknown: Unknown::default(),
        };
        let own = self.own_status();
        let mut caller = match execute::read_caller(&ctx, &own, false) {
            Err(ReadError { errno: Errno(libc::ESRCH), .. }) => return Err(StopError::FOREIGN_PROC.into()),
            caller => caller?,
        };
        // A list that lacks only the primary group is as good where it cannot be set. Then it is the one that all threads are to have.
        let can_set = || caller.held.caps.permitted & caps::bit(caps::SETGID) != 0 && !self.setgroups_is_denied();
        if caller.groups == GroupMatch::LacksPrimary && !can_set() {
            ctx.groups = &self.groups_but_primary;
            ctx.groups_in_doubt &= target.gid != target.overflow_gid;
            caller = execute::read_caller(&ctx, &own, false)?;
        }
        ctx.target = ctx.target.resolve_for_caller(&caller.held);
        ctx.caller_filtered = caller.filtered;
        ctx.caller_caps = caller.from_proc.then_some(caller.held.caps);
        ctx.caller_bounding = caller.held.bounding;
        ctx.unknown = caller.unknown;
        Ok((ctx, caller))
    }

    /// Whether setgroups(2) is denied in this user namespace (user_namespaces(7), /proc/PID/setgroups).
    fn setgroups_is_denied(&self) -> bool {
        let mut buf = [0; 8];
        let file = self.proc.map(|proc| sys::openat(proc.raw(), c"self/setgroups", libc::O_RDONLY));
        match file {
            Some(Ok(file)) => match sys::read(file.raw(), &mut buf) {
                Ok(len) => buf[..len.min(8)].starts_with(b"deny"),
                Err(_) => false,
            },
            _ => false,
        }
    }
}

/// Opens /proc again where the policy's descriptor of it was closed.
fn find_proc(policy: &mut Policy) -> Result<(), Errno> {
    if policy.proc.as_ref().and_then(ProcDirectory::fd).is_none() {
        // Before the new one is opened, which may get its number.
        drop(policy.proc.take());
        policy.proc = Some(ProcDirectory::open()?);
    }
    Ok(())
}

/// Opens the thread list of this process, below /proc; neither where it has one thread for sure and no /proc.
fn open_tasks(policy: &Policy, found: Result<(), Errno>) -> Result<(Option<&sys::KeptFd>, Option<sys::KeptFd>), Error> {
    let open = || {
        found?;
        let proc = policy.proc.as_ref().and_then(ProcDirectory::last_fd).ok_or(Errno(libc::ENOENT))?;
        let tasks = sys::openat(proc.raw(), c"self/task", libc::O_RDONLY | libc::O_DIRECTORY)?;
        // From here on it is known; before, another thread may have closed it.
        let tasks = sys::KeptFd::new(tasks)?;
        // Another file system may cover it.
        if sys::is_on_proc(tasks.raw())? { Ok((proc, tasks)) } else { Err(Errno(libc::ENOENT)) }
    };
    match open() {
        Ok((proc, tasks)) => Ok((Some(proc), Some(tasks))),
        Err(_) if sys::is_single_threaded_for_sure() => Ok((None, None)),
        Err(errno) => Err(StopError::NoTaskDir { errno }.into()),
    }
}

fn open_own_status(tasks: &sys::KeptFd, proc: Option<&sys::Fd>) -> Result<sys::KeptFd, Error> {
    let path = TaskPath::in_task_dir(sys::gettid(), "status");
    let by_id = sys::openat(tasks.raw(), path.as_c_str(), libc::O_RDONLY);
    match (by_id, proc) {
        (Ok(status), _) => Ok(status),
        (Err(Errno(libc::ENOENT)), _) if tasks.is_lost() => return Err(StopError::LostDescriptors.into()),
        // A /proc of another pid namespace has another id for this thread. Or the list is another process's.
        (Err(Errno(libc::ENOENT)), Some(proc)) if sys::is_single_threaded_for_sure() => {
            sys::openat(proc.raw(), c"thread-self/status", libc::O_RDONLY)
        }
        (Err(Errno(libc::ENOENT)), _) => return Err(StopError::FOREIGN_PROC.into()),
        (Err(errno), _) => Err(errno),
    }
    .and_then(sys::KeptFd::new)
    .map_err(|errno| Error::System { call: "opening /proc/thread-self/status", errno })
}

/// Opens what the chroot needs.
fn root(policy: &Policy) -> Result<Option<Root>, Error> {
    let system = |call| move |errno| Error::System { call, errno };
    let Some(chroot) = &policy.options.chroot else { return Ok(None) };
    let is_inside = chroot.entered.is_some_and(|entered| sys::root_id().is_ok_and(|root| root.may_be(&entered)));
    let directory = root_directory(if is_inside { c"/" } else { &chroot.path })?;
    let id = sys::file_id(directory.raw()).map_err(system("statx of the directory for chroot"))?;
    Ok(Some(Root { directory: ManuallyDrop::new(directory), id, caller: sys::gettid() }))
}

/// The caller's directories. Opening the working directory needs permission to search it.
pub(super) fn way_back() -> Result<Directories, ReadError> {
    Directories::of_caller().map_err(|errno| ReadError {
        call: "opening / and the working directory (call chdir(\"/\") before, if it cannot be searched)",
        errno,
    })
}

/// Adds to a refusal what an operator can do about it, if anything that can be read tells.
pub(super) fn with_hint(
    error: Error,
    input: &Input<'_>,
    ctx: &Context<'_>,
    caller: &Reading,
    old: &OldGroups,
) -> Error {
    let situation = Situation {
        missing: plan::missing_capabilities(&ctx.target, &caller.held),
        bounding: caller.held.bounding,
        filtered: caller.filtered,
        permitted: caller.held.caps.permitted,
        overflow_uid: ctx.target.overflow_uid,
        overflow_gid: ctx.target.overflow_gid,
        setgroups_is_denied: input.setgroups_is_denied(),
        groups_held: &old.distinct,
        groups_wanted: &input.groups,
        proc: input.proc.map(|proc| &**proc),
    };
    let hint = match &error {
        Error::Plan(refusal) => situation.hint_for_refusal(refusal),
        Error::Apply(error) => situation.hint_for_step(error),
        _ => None,
    };
    match hint {
        // Without memory for it, the hint is left out.
        Some(hint) => match try_box(error) {
            Ok(error) => Error::Explained { error, hint },
            Err(error) => error,
        },
        None => error,
    }
}

/// What the kernel clears when ids change, and is to be set again after the plan: the parent-death signal or 0, and whether the
/// process is dumpable. Nothing is asked that is not needed, since a filter may kill for it.
pub(super) fn to_set_again(target: &Target, has_work: bool) -> Result<(i32, bool), ReadError> {
    let signal = if has_work && target.keep_parent_death_signal {
        sys::parent_death_signal().map_err(|errno| ReadError { call: "prctl(PR_GET_PDEATHSIG)", errno })?
    } else {
        0
    };
    Ok((signal, target.keep_dumpable && sys::dumpable() == Ok(1)))
}
