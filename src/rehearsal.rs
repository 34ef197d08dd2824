//! The plan run by a throw-away child that shares this process's memory (nothing is copied, however large the process),
//! has ids, root folder and descriptors of its own, and that no SIGCHLD announces.

use core::cell::UnsafeCell;
use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use core::time::Duration;

use crate::commit::{self, Extent, Fault, Script};
use crate::error::{Errno, Error};
use crate::plan::{Plan, Step};
use crate::sys;

const STACK: usize = 64 << 10;

#[repr(align(16))]
struct Stack(UnsafeCell<[u8; STACK]>);

// SAFETY: used by one child at a time: rehearsals happen under the rendezvous' turn, and the caller waits for the child.
unsafe impl Sync for Stack {}

static CHILD_STACK: Stack = Stack(UnsafeCell::new([0; STACK]));

/// What the child reports, on a page that is shared even where a tool turns the child into a fork.
#[repr(C)]
struct Report {
    /// The number of the step under way.
    progress: AtomicU32,
    /// 0 while running, else one of those below.
    outcome: AtomicU32,
    errno: AtomicI32,
    /// Whether it has found that no seccomp filter looks at it.
    unfiltered: AtomicU32,
    /// Steps beyond the plan: which part of the read-back differed, by its place in `Step::all_kinds`.
    differs: UnsafeCell<Step>,
}

const DONE: u32 = 1;
const REFUSED: u32 = 2;
const DIFFERS: u32 = 3;

/// Instead of the number of a step: asking whether there is a seccomp filter.
const ASKING: u32 = u32::MAX;
/// Instead of the number of a step: seeing to it that no core is dumped.
const HIDING: u32 = u32::MAX - 1;

struct Job<'a> {
    script: &'a Script<'a>,
    plan: &'a Plan,
    report: *mut Report,
    deadline: Duration,
    /// Whether to ask first if a seccomp filter is there, since without one some calls stand for others.
    ask_for_filter: bool,
    /// Whether to go without a core dump: it would be of the caller's memory, and before Linux 5.16 it ends all processes that
    /// share the memory, the caller with them (fs/coredump.c, zap_threads). A filter that kills has one dumped.
    hide: bool,
}

extern "C" fn child(argument: *mut c_void) -> c_int {
    // SAFETY: `rehearse` passes a Job that outlives the child, which it waits for.
    let job = unsafe { &*argument.cast::<Job<'_>>() };
    // SAFETY: the page is mapped until the child is gone, and only the child writes to it now.
    let report = unsafe { &*job.report };
    // Without a timer a hanging step would hang the caller: better refused than that.
    let outcome = match sys::kill_me_after(job.deadline) {
        Err(errno) => Err(Fault { step: Step::ReadBack, errno }),
        Ok(()) => {
            if job.hide {
                report.progress.store(HIDING, Ordering::Relaxed);
                let _ = sys::set_dumpable(0);
            }
            report.progress.store(ASKING, Ordering::Relaxed);
            let unfiltered = job.ask_for_filter && sys::seccomp_mode() == Ok(0);
            report.unfiltered.store(u32::from(unfiltered), Ordering::Relaxed);
            let extent = if unfiltered { Extent::OneDrop } else { Extent::Filtered };
            commit::make(job.script, job.plan, extent, &report.progress)
        }
    };
    let code = match outcome {
        Ok(()) => DONE,
        Err(fault) => {
            report.errno.store(fault.errno.0, Ordering::Relaxed);
            // SAFETY: only the child writes, and the parent reads when the child is gone.
            unsafe { *report.differs.get() = fault.step };
            if fault.errno == Fault::NO_EFFECT { DIFFERS } else { REFUSED }
        }
    };
    report.outcome.store(code, Ordering::Release);
    sys::exit(0)
}

/// Runs the plan in a child, and says whether it has found that no seccomp filter looks at the caller. All signals must be blocked,
/// and the caller must have the rendezvous' turn.
pub(crate) fn rehearse(script: &Script<'_>, plan: &Plan, deadline: Duration) -> Result<bool, Error> {
    match rehearse_once(script, plan, deadline, true, true)? {
        Ended::Well { unfiltered } => Ok(unfiltered),
        // A filter that kills for what comes before the plan need not kill for the plan.
        Ended::Asking => rehearse_once(script, plan, deadline, false, true).map(|_| false),
        Ended::Hiding => rehearse_once(script, plan, deadline, false, false).map(|_| false),
    }
}

enum Ended {
    Well { unfiltered: bool },
    Asking,
    Hiding,
}

fn rehearse_once(
    script: &Script<'_>,
    plan: &Plan,
    deadline: Duration,
    ask_for_filter: bool,
    hide: bool,
) -> Result<Ended, Error> {
    let system = |call| move |errno| Error::System { call, errno };
    let page = sys::map(4096, true).map_err(system("mmap for the rehearsal"))?;
    let report = page.cast::<Report>();
    // SAFETY: a fresh page, large enough and aligned for a Report.
    unsafe { (&raw mut (*report).differs).write(UnsafeCell::new(Step::ReadBack)) };
    let dumpable = sys::dumpable().unwrap_or(1);
    // 2 cannot be put back (prctl(2), PR_SET_DUMPABLE).
    let hide = hide && dumpable == 1;
    let job = Job { script, plan, report, deadline, ask_for_filter, hide };
    // SAFETY: see `Stack`.
    let stack = unsafe { &mut *CHILD_STACK.0.get() };
    // SAFETY: the stack is the child's alone; it ends by exit and makes raw system calls only.
    let cloned = unsafe { sys::clone_vfork(stack, child, (&raw const job).cast_mut().cast()) };
    let result = match cloned {
        Err(errno) => Err(Error::System { call: "clone for the rehearsal", errno }),
        Ok(pid) => {
            // Somebody's waitpid(-1, __WALL) may have taken it: the page tells all the same.
            let status = sys::wait_for(pid).ok();
            // SAFETY: the child is gone, the page is ours alone.
            let seen = unsafe { &*report };
            let at = seen.progress.load(Ordering::Relaxed);
            let under_way = plan.steps().nth(at as usize).unwrap_or(Step::ReadBack);
            let errno = Errno(seen.errno.load(Ordering::Relaxed));
            // SAFETY: as above.
            let step = unsafe { *seen.differs.get() };
            match seen.outcome.load(Ordering::Acquire) {
                DONE => Ok(Ended::Well { unfiltered: seen.unfiltered.load(Ordering::Relaxed) != 0 }),
                DIFFERS => Err(Error::NotAsAsked { step }),
                REFUSED => Err(Error::Refused { step, errno }),
                _ if at == HIDING => Ok(Ended::Hiding),
                _ if at == ASKING && ask_for_filter => Ok(Ended::Asking),
                _ => {
                    let signal = status.map_or(0, |status| status & 0x7f);
                    if signal == libc::SIGKILL || signal == libc::SIGALRM {
                        Err(Error::RehearsalHung { step: under_way })
                    } else {
                        Err(Error::Killed { step: under_way, signal })
                    }
                }
            }
        }
    };
    // The kernel keeps this flag with the memory; the child has cleared it, and so does a change of ids (kernel/cred.c,
    // commit_creds).
    if sys::dumpable() != Ok(dumpable) && dumpable < 2 {
        let _ = sys::set_dumpable(dumpable);
    }
    // SAFETY: the child is gone, so nobody uses the page.
    unsafe { sys::unmap(page, 4096) };
    result
}
