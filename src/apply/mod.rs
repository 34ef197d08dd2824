//! From a policy to every thread of the process.

pub(crate) mod execute;
mod rehearsal;

use alloc::vec::Vec;
use core::time::Duration;

use crate::alloc_util::{try_to_vec, try_vec_of};
use crate::error::Error;
use crate::plan::{self, Credentials, PlanKind};
use crate::policy::{Policy, ProcFolder, root_folder};
use crate::text::Errno;
use crate::{pin, sys, threads};

use execute::{Before, Root, Scratch, Script};

/// How long the rehearsal may take at least, since the deadline is one for threads to stop in.
const REHEARSAL_DEADLINE: Duration = Duration::from_secs(1);

/// Whether [`apply`] would work; changes nothing.
pub fn check(policy: &mut Policy) -> Result<(), Error> {
    not_in_a_handler()?;
    run(policy, false)
}

/// Applies a policy to every thread.
pub fn apply(policy: &mut Policy) -> Result<(), Error> {
    not_in_a_handler()?;
    run(policy, true)?;
    if policy.options.chroot.is_some() {
        policy.entered = sys::root_id().ok();
        // Outside of the new root, this descriptor would lead out of it.
        policy.proc = None;
    }
    Ok(())
}

/// The one call: a policy of three options.
pub fn apply_as(user: Option<&[u8]>, group: Option<&[u8]>, caps: Option<&[u8]>) -> Result<(), Error> {
    not_in_a_handler()?;
    apply(&mut Policy::of_three(user, group, caps)?)
}

/// Opens what the chroot needs.
fn root(policy: &Policy) -> Result<Option<Root>, Error> {
    let system = |call| move |errno| Error::System { call, errno };
    let Some(path) = &policy.options.chroot else { return Ok(None) };
    let is_inside = policy.entered.is_some() && sys::root_id().ok() == policy.entered;
    let folder = root_folder(if is_inside { c"/" } else { path.as_c_str() })?;
    let id = sys::file_id(folder.raw()).map_err(system("fstat of the folder for chroot"))?;
    let old_root = sys::openat(sys::CWD, c"/", libc::O_PATH).map_err(system("opening /"))?;
    let old_cwd = sys::openat(sys::CWD, c".", libc::O_PATH).map_err(system("opening the working directory"))?;
    Ok(Some(Root { folder, id, old_root, old_cwd, caller: sys::gettid() }))
}

/// The thread list of this process, or `None` where it has one thread for sure and no /proc.
fn tasks(policy: &mut Policy) -> Result<Option<sys::Fd>, Error> {
    let mut why = Errno(libc::ENOENT);
    if !policy.proc.as_ref().is_some_and(|proc| proc.is_still_it() == Ok(true)) {
        policy.proc = ProcFolder::open().map_err(|errno| why = errno).ok();
    }
    let opened = match policy.proc.as_ref().and_then(|proc| proc.fd.as_ref()) {
        Some(proc) => sys::openat(proc.raw(), c"self/task", libc::O_RDONLY | libc::O_DIRECTORY),
        None => Err(why),
    };
    match opened {
        Ok(tasks) => Ok(Some(tasks)),
        Err(Errno(errno)) if matches!(errno, libc::EMFILE | libc::ENFILE | libc::ENOMEM) => {
            if sys::is_single_threaded_for_sure() {
                return Ok(None);
            }
            Err(Error::System { call: "opening /proc/self/task", errno: Errno(errno) })
        }
        Err(_) if sys::is_single_threaded_for_sure() => Ok(None),
        Err(_) => Err(Error::Proc {
            problem: "cannot list this process's threads, and it has more than one; mount /proc of its own pid namespace, or make the policy before chroot",
        }),
    }
}

fn run(policy: &mut Policy, commit: bool) -> Result<(), Error> {
    // Before a handler is installed.
    pin::pin_object().map_err(|errno| Error::System { call: "dlopen of the object that holds the library", errno })?;
    // Look-ups, allocations and opens: all before anything changes.
    let (wanted, groups) = policy.options.wanted()?;
    let _turn = threads::Turn::take()?;
    let tasks = tasks(policy)?;
    let system = |call| move |errno| Error::System { call, errno };
    let root = root(policy)?;
    let old_groups = current_groups()?;
    let mut distinct_groups = try_to_vec(&old_groups)?;
    distinct_groups.dedup();
    let longest = groups.len().max(old_groups.len()) + 1;
    let mut room = try_vec_of(0, longest)?;
    let scratch = Scratch::new(&mut room);
    let mut script = Script {
        wanted,
        groups: &groups,
        scratch: &scratch,
        root: root.as_ref(),
        caller_bounding: 0,
        unfiltered: false,
    };

    // libc's own broadcast, and any handler, could change the caller between the look and the commit.
    let mask = sys::set_signal_mask(u64::MAX).map_err(system("rt_sigprocmask"))?;
    let result =
        run_blocked(&mut script, [&old_groups, &distinct_groups], tasks.as_ref(), policy.options.deadline, commit);
    let _ = sys::insist(|| sys::set_signal_mask(mask));
    result
}

/// A handler may have interrupted malloc(3) or the loader with a lock held, so this comes before anything that allocates.
/// Not every handler has signals blocked (SA_NODEFER), so the mask tells nothing.
fn not_in_a_handler() -> Result<(), Error> {
    if sys::on_alternate_stack() || sys::below_is_signal_frame() {
        return Err(Error::Busy { problem: "called from a signal handler" });
    }
    Ok(())
}

fn run_blocked(
    script: &mut Script<'_>,
    [groups, distinct_groups]: [&[u32]; 2],
    tasks: Option<&sys::Fd>,
    deadline: Duration,
    commit: bool,
) -> Result<(), Error> {
    let held: Credentials =
        execute::held(script).map_err(|errno| Error::System { call: "reading the caller's state", errno })?;
    script.wanted = script.wanted.resolve_for_caller(&held);
    script.caller_bounding = held.bounding;
    let plan = plan::plan(&script.wanted, &held, PlanKind::Caller)?;
    if plan.steps().len() != 0 {
        script.unfiltered = rehearsal::rehearse(script, &plan, deadline.max(REHEARSAL_DEADLINE))?;
    }
    let before = Before {
        held,
        groups,
        distinct_groups,
        parent_death_signal: sys::parent_death_signal().unwrap_or(0),
        dumpable: sys::dumpable().unwrap_or(1),
    };
    threads::meet(&threads::Caller { script, plan: &plan, before: &before, tasks, deadline, commit })
}

/// The caller's supplementary groups, all of them.
fn current_groups() -> Result<Vec<u32>, Error> {
    let system = |errno| Error::System { call: "getgroups", errno };
    let count = sys::getgroups(&mut []).map_err(system)?;
    let mut groups = try_vec_of(0, count)?;
    let count = if count == 0 { 0 } else { sys::getgroups(&mut groups).map_err(system)? };
    groups.truncate(count);
    groups.sort_unstable();
    Ok(groups)
}
