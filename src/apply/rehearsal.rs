//! The plan run by a throw-away child that shares this process's memory (nothing is copied, however large the process),
//! has ids, root folder and descriptors of its own, and that no SIGCHLD announces.

use core::cell::UnsafeCell;
use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use core::time::Duration;

use super::execute::{self as commit, Extent, Fault, Script};
use crate::error::Error;
use crate::plan::{Plan, Step};
use crate::sys;
use crate::text::Errno;

const STACK: usize = 64 << 10;

/// What the child works with. The stack ends where the report begins, so that both are mostly on one page.
#[repr(C, align(16))]
struct Room {
    stack: UnsafeCell<[u8; STACK]>,
    report: UnsafeCell<MaybeUninit<Report>>,
}

// SAFETY: used by one child at a time: rehearsals happen under the rendezvous' turn, and the caller waits for the child.
unsafe impl Sync for Room {}

static ROOM: Room = Room { stack: UnsafeCell::new([0; STACK]), report: UnsafeCell::new(MaybeUninit::uninit()) };

/// What the child reports.
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

impl Report {
    /// Makes a new one there.
    ///
    /// # Safety
    /// There is room for one, that nobody uses now or for any other thing while the result is used.
    unsafe fn at<'a>(place: *mut Report) -> &'a Report {
        // SAFETY: the caller's promise.
        unsafe {
            place.write(Report {
                progress: AtomicU32::new(NOT_BEGUN),
                outcome: AtomicU32::new(0),
                errno: AtomicI32::new(0),
                unfiltered: AtomicU32::new(0),
                differs: UnsafeCell::new(Step::ReadBack),
            });
            &*place
        }
    }
}

const DONE: u32 = 1;
const REFUSED: u32 = 2;
const DIFFERS: u32 = 3;

/// Instead of the number of a step: asking whether there is a seccomp filter.
const ASKING: u32 = u32::MAX;
/// Instead of the number of a step: seeing to it that no core is dumped.
const HIDING: u32 = u32::MAX - 1;
/// Instead of the number of a step: the child has told nothing yet.
const NOT_BEGUN: u32 = u32::MAX - 2;
/// Instead of the number of a step: seeing to it that the child ends.
const TIMING: u32 = u32::MAX - 3;

struct Job<'a> {
    script: &'a Script<'a>,
    plan: &'a Plan,
    report: &'a Report,
    deadline: Duration,
    /// Whether to ask first if a seccomp filter is there, since without one some calls stand for others.
    ask_for_filter: bool,
    /// Whether to go without a core dump: it would be of the caller's memory, and before Linux 5.16 it ends all processes that
    /// share the memory, the caller with them (fs/coredump.c, zap_threads). A filter that kills has one dumped.
    hide: bool,
    /// The flag that says so, as it was.
    dumpable: usize,
}

extern "C" fn child(argument: *mut c_void) -> c_int {
    // SAFETY: `rehearse` passes a Job that outlives the child, which it waits for.
    let job = unsafe { &*argument.cast::<Job<'_>>() };
    let report = job.report;
    report.progress.store(TIMING, Ordering::Relaxed);
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
    // A filter that kills for what comes before the plan need not kill for the plan.
    let (mut ask, mut hide) = (true, true);
    loop {
        match rehearse_once(script, plan, deadline, ask, hide)? {
            Ended::Well { unfiltered } => return Ok(unfiltered),
            Ended::Asking => ask = false,
            Ended::Hiding => hide = false,
        }
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
    let dumpable = sys::dumpable().unwrap_or(1);
    // 2 cannot be put back (prctl(2), PR_SET_DUMPABLE).
    let hide = hide && dumpable == 1;
    // SAFETY: see `Room`.
    let report = unsafe { Report::at(ROOM.report.get().cast()) };
    let job = Job { script, plan, report, deadline, ask_for_filter, hide, dumpable };
    let status = run(&job)?;
    if report.progress.load(Ordering::Relaxed) != NOT_BEGUN {
        return job.ended(status);
    }
    // A tool that has made a fork of the clone (valgrind does) has given the child a memory of its own. A page that is shared with
    // such a child too costs more than the rest of a clone, so it is not the first choice.
    let page = sys::map(4096, true).map_err(|errno| Error::System { call: "mmap for the rehearsal", errno })?;
    // SAFETY: a fresh page, large enough and aligned for a Report.
    let job = Job { report: unsafe { Report::at(page.cast()) }, ..job };
    let ended = run(&job).and_then(|status| job.ended(status));
    // SAFETY: the child is gone, so nobody uses the page.
    unsafe { sys::unmap(page, 4096) };
    ended
}

/// Has a child do the job, and waits for its end. Its wait status, or `None` where somebody's waitpid(-1, __WALL) has taken it.
fn run(job: &Job<'_>) -> Result<Option<c_int>, Error> {
    // SAFETY: see `Room`.
    let stack = unsafe { &mut *ROOM.stack.get() };
    // SAFETY: the stack is the child's alone; it ends by exit and makes raw system calls only.
    let cloned = unsafe { sys::clone_vfork(stack, child, core::ptr::from_ref(job).cast_mut().cast()) };
    let ended = match cloned {
        Err(errno) => Err(Error::System { call: "clone for the rehearsal", errno }),
        Ok(pid) => Ok(sys::wait_for(pid).ok()),
    };
    // The kernel keeps this flag with the memory; the child has cleared it, and so does a change of ids (kernel/cred.c,
    // commit_creds).
    if job.dumpable < 2 && sys::dumpable() != Ok(job.dumpable) {
        let _ = sys::set_dumpable(job.dumpable);
    }
    ended
}

impl Job<'_> {
    /// What the report and the wait status say, with the child gone.
    fn ended(&self, status: Option<c_int>) -> Result<Ended, Error> {
        let report = self.report;
        let at = report.progress.load(Ordering::Relaxed);
        let under_way = self.plan.steps().nth(at as usize).unwrap_or(Step::ReadBack);
        let errno = Errno(report.errno.load(Ordering::Relaxed));
        // SAFETY: only the child has written there, and it is gone.
        let step = unsafe { *report.differs.get() };
        match report.outcome.load(Ordering::Acquire) {
            DONE => Ok(Ended::Well { unfiltered: report.unfiltered.load(Ordering::Relaxed) != 0 }),
            DIFFERS => Err(Error::NotAsAsked { step }),
            REFUSED if at == TIMING => Err(Error::System { call: "arming the timer of the rehearsal", errno }),
            REFUSED => Err(Error::Refused { step, errno }),
            _ if at == HIDING => Ok(Ended::Hiding),
            _ if at == ASKING && self.ask_for_filter => Ok(Ended::Asking),
            _ => {
                let signal = status.map_or(0, |status| status & 0x7f);
                if matches!(at, NOT_BEGUN | TIMING | ASKING) {
                    Err(Error::KilledBefore { signal })
                } else if signal == libc::SIGKILL || signal == libc::SIGALRM {
                    Err(Error::RehearsalHung { step: under_way })
                } else {
                    Err(Error::Killed { step: under_way, signal })
                }
            }
        }
    }
}
