//! A plan on the calling thread: read what it holds, make the steps, read back, undo. Raw system calls only: this runs in
//! parked threads and in the rehearsal.

use core::marker::PhantomData;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::caps::{self as cap_sets, CapSets};
use crate::error::ThreadProblem;
use crate::plan::{self, Credentials, PlanKind, Plan, Step, Target, TargetCaps};
use crate::sys;
use crate::text::Errno;

/// A step that failed, and why. Errno 0: the call said yes, and yet the effect is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) step: Step,
    pub(crate) errno: Errno,
}

impl Fault {
    pub(crate) const NO_EFFECT: Errno = Errno(0);
}

/// The folder to become the root, and the way back.
pub(crate) struct Root {
    pub(crate) folder: sys::Fd,
    pub(crate) id: sys::FileId,
    pub(crate) old_root: sys::Fd,
    pub(crate) old_cwd: sys::Fd,
    /// Whose descriptors these are.
    pub(crate) caller: i32,
}

impl Root {
    /// Notes whether the calling thread's root and working directory are the folder.
    fn look(&self, held: &mut Credentials) -> Result<(), Errno> {
        held.root_as_wanted = sys::root_id()? == self.id;
        held.cwd_as_wanted = sys::cwd_id()? == self.id;
        Ok(())
    }

    /// Enters it. A thread with descriptors of its own must not enter whatever has the folder's number there.
    fn enter(&self) -> Result<(), Errno> {
        if sys::file_id(self.folder.raw())? != self.id {
            return Err(Errno(libc::EBADF));
        }
        sys::fchdir(self.folder.raw())?;
        sys::chroot(c".")?;
        sys::chdir(c"/")
    }

    /// Goes back to where the caller was, and makes sure of it.
    fn leave(&self, root_too: bool) -> Result<bool, Errno> {
        if root_too {
            sys::fchdir(self.old_root.raw())?;
            sys::chroot(c".")?;
        }
        sys::fchdir(self.old_cwd.raw())?;
        Ok(sys::root_id()? == sys::file_id(self.old_root.raw())? && sys::cwd_id()? == sys::file_id(self.old_cwd.raw())?)
    }
}

/// What is to be done, the same for every thread.
pub(crate) struct Script<'a> {
    pub(crate) wanted: Target,
    /// The supplementary groups wanted, sorted, without duplicates; counts only with `wanted.groups`.
    pub(crate) groups: &'a [u32],
    /// Where lists too long for the stack are read.
    pub(crate) scratch: &'a Scratch<'a>,
    pub(crate) root: Option<&'a Root>,
    /// The caller's bounding set, when it has looked: what the others' is taken to be where it does not matter.
    pub(crate) caller_bounding: u64,
    /// Whether the rehearsal has found that no seccomp filter looks at the caller.
    pub(crate) unfiltered: bool,
}

/// One room for long group lists, used by one thread at a time. A thread in it has all its signals blocked.
pub(crate) struct Scratch<'a> {
    busy: AtomicU32,
    at: *mut u32,
    len: usize,
    borrowed: PhantomData<&'a [u32]>,
}

// SAFETY: the room is reached only by the thread that made `busy` 1.
unsafe impl Sync for Scratch<'_> {}

impl<'a> Scratch<'a> {
    pub(crate) fn new(room: &'a mut [u32]) -> Scratch<'a> {
        Scratch { busy: AtomicU32::new(0), at: room.as_mut_ptr(), len: room.len(), borrowed: PhantomData }
    }

    fn with<R>(&self, body: impl FnOnce(&mut [u32]) -> R) -> R {
        // 0 free, 1 in use, 2 in use and somebody may wait
        let mut seen = 1;
        while self.busy.compare_exchange(0, seen, Ordering::Acquire, Ordering::Relaxed).is_err() {
            seen = 2;
            if self.busy.swap(2, Ordering::Acquire) == 0 {
                break;
            }
            sys::futex_wait(&self.busy, 2, None);
        }
        // SAFETY: `busy` was 0 and is not any more: no other thread is in here, and the borrow lasts as long as `self`.
        let result = body(unsafe { core::slice::from_raw_parts_mut(self.at, self.len) });
        if self.busy.swap(0, Ordering::Release) == 2 {
            sys::futex_wake(&self.busy, 1);
        }
        result
    }
}

/// Lists up to this length are compared on the stack.
const SHORT_LIST: usize = 32;

/// Whether the calling thread's supplementary groups are these.
fn groups_are(wanted: &[u32], scratch: &Scratch<'_>) -> Result<bool, Errno> {
    let same = |room: &mut [u32], count: Result<usize, Errno>| -> Result<bool, Errno> {
        let count = match count {
            // more than there is room for, and there is room for more than are wanted
            Err(Errno(libc::EINVAL)) => return Ok(false),
            other => other?,
        };
        // The kernel sorts by its own ids, which a user namespace may map in another order.
        let held = &mut room[..count];
        held.sort_unstable();
        let mut distinct = 0;
        for at in 0..count {
            if at == 0 || held[at] != held[at - 1] {
                if wanted.get(distinct) != Some(&held[at]) {
                    return Ok(false);
                }
                distinct += 1;
            }
        }
        Ok(distinct == wanted.len())
    };
    // Most lists are short, and one call then tells both how many there are and which.
    let mut short = [0; SHORT_LIST];
    match sys::getgroups(&mut short) {
        Ok(count) => same(&mut short[..count], Ok(count)),
        Err(Errno(libc::EINVAL)) => scratch.with(|room| {
            let count = sys::getgroups(room);
            same(room, count)
        }),
        Err(errno) => Err(errno),
    }
}

/// What is asked for of a thread's state, where asking takes a call of its own.
struct Asked {
    /// Of the bounding set, of which the kernel tells one capability a call (prctl(2), PR_CAPBSET_READ).
    bounding: u64,
    /// What the rest of it is taken to be.
    others: u64,
    /// The file-system ids. A change of the three others makes them the effective ones (kernel/sys.c, __sys_setresuid and
    /// __sys_setresgid), so where one is to come, or has come, they need not be asked for.
    fsuid: bool,
    fsgid: bool,
}

impl Asked {
    const ALL: Asked = Asked { bounding: u64::MAX, others: 0, fsuid: true, fsgid: true };
}

/// What the calling thread holds.
pub(crate) fn held(script: &Script<'_>) -> Result<Credentials, Errno> {
    held_with(script, |_, _, _| Asked::ALL)
}

/// What another thread holds, as far as it matters for its plan: a capability that the caller has in its bounding set, and
/// that is to be dropped, can be dropped whether it is there or not.
fn held_by_another(script: &Script<'_>) -> Result<Credentials, Errno> {
    let wanted = &script.wanted;
    held_with(script, |uids, gids, caps| {
        let others = script.caller_bounding;
        let bounding = match wanted.caps {
            TargetCaps::Exactly(exactly) if !wanted.trim_bounding => {
                Some(exactly.inheritable | wanted.ambient.unwrap_or(0))
            }
            TargetCaps::Exactly(exactly) if caps.permitted & cap_sets::bit(cap_sets::SETPCAP) != 0 => {
                Some(exactly.permitted | exactly.inheritable | wanted.ambient.unwrap_or(0) | !others)
            }
            _ => None,
        };
        let stays = |wanted: Option<u32>, ids| wanted.is_none_or(|id| ids == [id; 3]);
        Asked {
            bounding: bounding.unwrap_or(u64::MAX),
            others,
            fsuid: stays(wanted.uid, uids),
            fsgid: stays(wanted.gid, gids),
        }
    })
}

fn held_with(script: &Script<'_>, asked: impl FnOnce([u32; 3], [u32; 3], &CapSets) -> Asked) -> Result<Credentials, Errno> {
    let [ruid, euid, suid] = sys::getresuid()?;
    let [rgid, egid, sgid] = sys::getresgid()?;
    let caps = sys::capget()?;
    let asked = asked([ruid, euid, suid], [rgid, egid, sgid], &caps);
    let fsuid = if asked.fsuid { sys::getfsuid()? } else { euid };
    let fsgid = if asked.fsgid { sys::getfsgid()? } else { egid };
    let groups_as_wanted = !script.wanted.groups || groups_are(script.groups, script.scratch)?;
    let all = cap_sets::up_to(script.wanted.last_cap);
    let mut bounding = asked.others & all & !asked.bounding;
    for cap in cap_sets::each(all & asked.bounding) {
        if sys::bounding_has(cap)? {
            bounding |= cap_sets::bit(cap);
        }
    }
    // An ambient capability is always permitted and inheritable (capabilities(7)), so most need not be asked for.
    let mut ambient = 0;
    for cap in cap_sets::each(caps.permitted & caps.inheritable) {
        match sys::ambient_has(cap) {
            Ok(true) => ambient |= cap_sets::bit(cap),
            Ok(false) => {}
            // before Linux 4.3 there is no ambient set
            Err(Errno(libc::EINVAL)) => break,
            Err(errno) => return Err(errno),
        }
    }
    let mut held = Credentials {
        uids: [ruid, euid, suid, fsuid],
        gids: [rgid, egid, sgid, fsgid],
        groups_as_wanted,
        caps,
        bounding,
        ambient,
        securebits: sys::securebits()?,
        no_new_privs: sys::no_new_privs()?,
        root_as_wanted: true,
        cwd_as_wanted: true,
    };
    if let Some(root) = script.root {
        root.look(&mut held)?;
    }
    Ok(held)
}

/// What a parked thread knows before the caller has changed anything.
#[derive(Clone, Copy)]
pub(crate) struct Ahead {
    held: Credentials,
    plan: Plan,
    extent: Extent,
}

/// Looks at what a parked thread holds, and plans for it.
#[inline(never)]
pub(crate) fn look_ahead(script: &Script<'_>) -> Result<Ahead, ThreadProblem> {
    let held = held_by_another(script).map_err(ThreadProblem::State)?;
    let mut expected = held;
    if let Some(root) = script.root
        && !held.root_as_wanted
    {
        let has_folder = sys::file_id(root.folder.raw()) == Ok(root.id);
        let may = held.caps.permitted & cap_sets::bit(cap_sets::SYS_CHROOT) != 0;
        // Most threads are moved by the caller's step; asked only where it matters, since filters may not know this call.
        if !(has_folder && may) && sys::shares_root_with(root.caller) {
            expected.root_as_wanted = true;
            expected.cwd_as_wanted = true;
        } else if !has_folder {
            return Err(ThreadProblem::OwnRoot);
        }
    }
    let plan = plan::plan(&script.wanted, &expected, PlanKind::Follower).map_err(ThreadProblem::Plan)?;
    Ok(Ahead { held, plan, extent: Extent::of_another(script) })
}

impl Ahead {
    /// Plans again once the caller has committed, where that may have changed what this thread has: its root folder.
    fn catch_up(&mut self, script: &Script<'_>) -> Result<(), Fault> {
        let Some(root) = script.root else { return Ok(()) };
        let fault = |errno| Fault { step: Step::Chroot, errno };
        root.look(&mut self.held).map_err(fault)?;
        self.plan = plan::plan(&script.wanted, &self.held, PlanKind::Follower).map_err(|_| fault(Errno(libc::EPERM)))?;
        Ok(())
    }
}

/// What a parked thread does once the caller has committed: its plan, and a look at whether it is where that leads.
#[inline(never)]
pub(crate) fn follow(script: &Script<'_>, ahead: &mut Ahead) -> Result<(), Fault> {
    ahead.catch_up(script)?;
    make(script, &ahead.plan, ahead.extent, &AtomicU32::new(0))
}

/// The whole plan on the calling thread, and a look at whether it is where the plan leads.
pub(crate) fn make(script: &Script<'_>, plan: &Plan, extent: Extent, progress: &AtomicU32) -> Result<(), Fault> {
    run(script, plan, extent, progress)?;
    verify(script, plan, extent)
}

/// A call a capability. A fault names the one that was refused, not all that were to follow.
fn each_of(mask: u64, call: fn(u8) -> sys::Result<()>, step: fn(u64) -> Step) -> Result<(), Fault> {
    cap_sets::each(mask).try_for_each(|cap| call(cap).map_err(|errno| Fault { step: step(cap_sets::bit(cap)), errno }))
}

fn step(script: &Script<'_>, step: Step) -> Result<(), Fault> {
    let done = match step {
        Step::DropBounding(mask) => return each_of(mask, sys::bounding_drop, Step::DropBounding),
        Step::LowerAmbient(mask) => return each_of(mask, sys::ambient_lower, Step::LowerAmbient),
        Step::RaiseAmbient(mask) => return each_of(mask, sys::ambient_raise, Step::RaiseAmbient),
        Step::RaiseEffective(caps) | Step::WorkingSets(caps) | Step::CapSet(caps) => sys::capset(&caps),
        Step::Chroot => script.root.map_or(Err(Errno(libc::EINVAL)), Root::enter),
        Step::ChangeFolder => sys::chdir(c"/"),
        Step::SetGroups => sys::setgroups(script.groups),
        Step::SetResGid(gid) => sys::setresgid([gid; 3]),
        Step::KeepCaps(on) => sys::set_keep_caps(on),
        Step::SetResUid(uid) => sys::setresuid([uid; 3]),
        Step::ClearAmbient => sys::ambient_clear(),
        Step::SecureBits(bits) => sys::set_securebits(bits),
        Step::NoNewPrivs => sys::set_no_new_privs(),
        Step::ReadBack => Ok(()),
    };
    done.map_err(|errno| Fault { step, errno })
}

/// How much of a plan is made, and of what is made looked at: what the kernel says of its own calls is so, while a seccomp filter
/// may refuse any of them, or say that it was done (seccomp(2), SECCOMP_RET_ERRNO with an errno of 0).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All of it, by a thread that a filter looks at.
    Filtered,
    /// All of it, by a thread that none looks at. Of the capabilities dropped from the bounding set, a call each, the last is
    /// looked at; the others went the same way before it.
    Unfiltered,
    /// A rehearsal that no filter looks at: of the capabilities to be dropped only the first, which the kernel allows or denies
    /// as it does all others (security/commoncap.c, cap_prctl_drop).
    OneDrop,
}

impl Extent {
    /// That of another thread than the caller, which may have a filter of its own.
    fn of_another(script: &Script<'_>) -> Extent {
        if script.unfiltered && sys::seccomp_mode() == Ok(0) { Extent::Unfiltered } else { Extent::Filtered }
    }

    /// Which of the capabilities to be dropped are dropped.
    fn dropped(self, mask: u64) -> u64 {
        match self {
            Extent::Filtered | Extent::Unfiltered => mask,
            Extent::OneDrop => first_of(mask),
        }
    }

    /// Which of the bounding set are looked at afterwards, where `mask` was to be dropped.
    fn looked_at(self, mask: u64) -> u64 {
        match self {
            Extent::Filtered => u64::MAX,
            Extent::Unfiltered => mask.checked_ilog2().map_or(0, |last| 1 << last),
            Extent::OneDrop => first_of(mask),
        }
    }
}

fn first_of(mask: u64) -> u64 {
    mask & mask.wrapping_neg()
}

/// Makes the steps of a plan in order. `progress` is told the number of the step under way.
fn run(script: &Script<'_>, plan: &Plan, extent: Extent, progress: &AtomicU32) -> Result<(), Fault> {
    for (at, it) in plan.steps().enumerate() {
        progress.store(at as u32, Ordering::Relaxed);
        let it = if let Step::DropBounding(mask) = it { Step::DropBounding(extent.dropped(mask)) } else { it };
        step(script, it)?;
    }
    progress.store(plan.steps().len() as u32, Ordering::Relaxed);
    Ok(())
}

/// Reads the calling thread's state back and compares it with where its plan leads.
fn verify(script: &Script<'_>, plan: &Plan, extent: Extent) -> Result<(), Fault> {
    let goal = &plan.goal;
    let made = |wanted| extent != Extent::Filtered && plan.steps().any(|step| step == wanted);
    let asked = Asked {
        bounding: if script.wanted.trim_bounding { extent.looked_at(plan.dropped()) } else { 0 },
        others: goal.bounding,
        fsuid: !made(Step::SetResUid(goal.uids[0])),
        fsgid: !made(Step::SetResGid(goal.gids[0])),
    };
    let found = held_with(script, |_, _, _| asked).map_err(|errno| Fault { step: Step::ReadBack, errno })?;
    match plan::first_mismatch(goal, &found) {
        None => Ok(()),
        Some(step) => Err(Fault { step, errno: Fault::NO_EFFECT }),
    }
}

/// What the caller had before, beyond [`Credentials`], for putting it back.
pub(crate) struct Before<'a> {
    pub(crate) held: Credentials,
    /// Its supplementary groups, all of them, in order, as often as they were given.
    pub(crate) groups: &'a [u32],
    /// Those, each once.
    pub(crate) distinct_groups: &'a [u32],
    pub(crate) parent_death_signal: i32,
    /// The dumpable flag, which the kernel keeps with the memory.
    pub(crate) dumpable: usize,
}

/// Puts the calling thread back to what it was, if nothing irreversible has happened, and says whether it is.
pub(crate) fn undo(script: &Script<'_>, plan: &Plan, failed_at: usize, before: &Before<'_>) -> bool {
    let done = |wanted: fn(Step) -> bool| plan.steps().take(failed_at).any(wanted);
    if failed_at > plan.reversible() {
        return false;
    }
    let was = &before.held;
    // Each may fail where nothing was changed; what counts is the look at the end.
    if let Ok(now) = sys::capget() {
        let _ = sys::capset(&CapSets { effective: now.permitted, ..now });
    }
    // With any id of root's given up, its capabilities go too, unless keep-caps is on.
    let _ = sys::setresuid([was.uids[0], was.uids[1], was.uids[2]]);
    if let Ok(now) = sys::capget() {
        let _ = sys::capset(&CapSets { effective: now.permitted, ..now });
    }
    let _ = sys::setresgid([was.gids[0], was.gids[1], was.gids[2]]);
    if was.gids[3] != was.gids[1] {
        let _ = sys::setfsgid(was.gids[3]);
    }
    if done(|step| step == Step::SetGroups) {
        let _ = sys::setgroups(before.groups);
    }
    let moved = |step| matches!(step, Step::Chroot | Step::ChangeFolder);
    if plan.steps().take(failed_at + 1).any(moved)
        && let Some(root) = script.root
        && root.leave(plan.steps().any(|step| step == Step::Chroot)) != Ok(true)
    {
        return false;
    }
    if was.uids[3] != was.uids[1] {
        let _ = sys::setfsuid(was.uids[3]);
    }
    if let Ok(now) = sys::securebits() {
        if now != was.securebits {
            let _ = sys::set_keep_caps(was.securebits & (1 << 4) != 0);
        }
        if sys::securebits() != Ok(was.securebits) {
            let _ = sys::set_securebits(was.securebits);
        }
    }
    let _ = sys::capset(&was.caps);
    if was.ambient != 0 {
        let _ = cap_sets::each(was.ambient).try_for_each(sys::ambient_raise);
    }
    let _ = sys::set_parent_death_signal(before.parent_death_signal);
    // kernel/cred.c, commit_creds, has cleared it; 2 cannot be set, and is what it clears it to where it was 2
    if before.dumpable < 2 && sys::dumpable() != Ok(before.dumpable) {
        let _ = sys::set_dumpable(before.dumpable);
    }
    // The groups before count as those wanted for this look.
    let as_before = Script {
        wanted: Target { groups: true, ..script.wanted },
        groups: before.distinct_groups,
        scratch: script.scratch,
        root: None,
        caller_bounding: 0,
        unfiltered: false,
    };
    let mut goal = *was;
    goal.groups_as_wanted = true;
    goal.root_as_wanted = true;
    goal.cwd_as_wanted = true;
    matches!(held(&as_before), Ok(now) if plan::first_mismatch(&goal, &now).is_none())
}
