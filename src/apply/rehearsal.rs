//! The plan run by a throw-away child, so that the kernel itself, with whatever filters it, says whether it would work.
//!
//! Before a commit the child shares this process's memory and descriptors: nothing is copied, however large the process, and its end
//! closes nothing. All other threads are stopped then. A change of ids clears the dumpable flag, which the kernel keeps with the memory.
//! So the child has a memory of its own for a dry run, when other threads run, and where the flag could not be put back: a filter
//! refuses that, pretends it, or kills for it.

use core::cell::UnsafeCell;
use core::ffi::{c_int, c_void};
use core::mem::ManuallyDrop;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use core::sync::atomic::{AtomicI32, AtomicU32};
use core::time::Duration;

use super::error::{ApplyError, NoTimer};
use crate::execute::{self, Context, Fault, OwnStatus, StepError};
use crate::plan::{Plan, Step};
use crate::sys::{self, Timer};
use crate::task_dir::TaskPath;
use crate::text::Errno;

/// How long the rehearsal may take at least, since the deadline is one for threads to stop in.
pub(super) const REHEARSAL_DEADLINE: Duration = Duration::from_secs(1);

/// Whose memory the child has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    /// The caller's, where its dumpable flag can be put back. All other threads must be stopped.
    Shared,
    /// A copy.
    Own,
}

/// What a rehearsal that succeeds tells besides.
pub(super) struct Learned {
    /// Whether the dumpable flag can be set.
    pub(super) dumpable: bool,
}

pub(super) struct Rehearsal<'a> {
    pub(super) ctx: &'a Context<'a>,
    pub(super) plan: &'a Plan,
    /// Of /proc, where there is one.
    pub(super) proc: Option<&'a sys::Fd>,
    /// The child's at first; it may turn out that it must have its own.
    pub(super) memory: Memory,
    pub(super) limit: Duration,
    /// Whether the commit is to have a timer: one that can be had, and ended.
    pub(super) needs_timer: bool,
    /// A step beyond the plan: prctl(PR_SET_PDEATHSIG), if not 0.
    pub(super) parent_death_signal: i32,
    /// A step beyond the plan, which is tried before it: prctl(PR_SET_DUMPABLE, 1).
    pub(super) dumpable: bool,
}

/// How often it is tried again where other processes have killed the child.
const MOST_KILLS: u32 = 10;

/// How much later than the limit a child is killed that its timer has not ended, and how long it may take to end then, in parts.
const GRACE: Duration = Duration::from_millis(500);

const STACK: usize = 64 << 10;

#[repr(C, align(16))]
struct Stack(UnsafeCell<[u8; STACK]>);
// SAFETY: used by one child at a time: rehearsals happen under the call lock, and STUCK says whose it still is.
unsafe impl Sync for Stack {}
static CHILD_STACK: Stack = Stack(UnsafeCell::new([0; STACK]));

/// A child that was killed and has not ended: the stack is its, for now. 0: none.
static STUCK: AtomicI32 = AtomicI32::new(0);

/// What the child reports: a page that is shared with a child of any kind, also where a tool makes a fork of each clone (valgrind).
#[repr(C)]
struct Report {
    /// 1 while the child runs; the kernel clears it at the end (CLONE_CHILD_CLEARTID).
    running: AtomicU32,
    /// The number of the step under way, or one of those below.
    progress: AtomicU32,
    /// 0 while running, else one of those below.
    outcome: AtomicU32,
    errno: AtomicI32,
    /// The child's status file, or one of those below. The parent has opened it: the child may be killed by other processes of the user
    /// at any time, and what it opens and closes is the parent's too.
    status: AtomicU32,
    /// The step at fault.
    step: UnsafeCell<Step>,
}

/// The page, until the rehearsal is over.
struct ReportPage(*mut Report);

impl ReportPage {
    fn new() -> Result<ReportPage, ApplyError> {
        let page = sys::map(size_of::<Report>(), true)
            .map_err(|errno| ApplyError::System { call: "mmap for the rehearsal", errno })?;
        Ok(ReportPage(page.cast()))
    }

    /// As new. No child may use it.
    fn clear(&self) -> &Report {
        // SAFETY: a page of our own, large enough and aligned.
        unsafe {
            self.0.write(Report {
                running: AtomicU32::new(1),
                progress: AtomicU32::new(NOT_BEGUN),
                outcome: AtomicU32::new(0),
                errno: AtomicI32::new(0),
                status: AtomicU32::new(NOT_YET),
                step: UnsafeCell::new(Step::ReadBack),
            });
            &*self.0
        }
    }
}

impl Drop for ReportPage {
    fn drop(&mut self) {
        // A child that is still there may write to it.
        if STUCK.load(SeqCst) == 0 {
            // SAFETY: the child is gone.
            unsafe { sys::unmap(self.0.cast(), size_of::<Report>()) };
        }
    }
}

/// Instead of a descriptor: there is none yet.
const NOT_YET: u32 = u32::MAX;
/// Instead of a descriptor: it could not be opened.
const NONE: u32 = u32::MAX - 1;

const DONE: u32 = 1;
const REFUSED: u32 = 2;
const NO_EFFECT: u32 = 3;

/// Instead of the number of a step: the child has told nothing yet.
const NOT_BEGUN: u32 = u32::MAX;
/// Instead of the number of a step: it sees to it that it ends.
const ARMING_TIMER: u32 = u32::MAX - 1;
/// Instead of the number of a step: it sees to it that no core is dumped.
const DISABLING_CORE: u32 = u32::MAX - 2;
/// Instead of the number of a step: it sets the parent-death signal.
const KEEPING_SIGNAL: u32 = u32::MAX - 3;
/// Instead of the number of a step: it sets the dumpable flag.
const KEEPING_DUMPABLE: u32 = u32::MAX - 4;

/// What comes before the plan. A filter that kills for that need not kill for the plan, and then the child goes without.
#[derive(Clone, Copy)]
struct Preparation {
    /// The caller may be killed, or not be allowed to signal a child with other ids.
    timer: bool,
    /// No core dump: it would be of the caller's memory, and before Linux 5.16 it ends all processes that share the memory, the
    /// caller with them (fs/coredump.c, zap_threads). A filter that kills has one dumped.
    no_core: bool,
    memory: Memory,
}

struct RehearsalJob<'a> {
    rehearsal: &'a Rehearsal<'a>,
    report: &'a Report,
    preparation: Preparation,
}

extern "C" fn child(argument: *mut c_void) -> c_int {
    // SAFETY: `run_child` passes a RehearsalJob that outlives the child, which it waits for; a child that it gives up has been killed.
    let job = unsafe { &*argument.cast::<RehearsalJob<'_>>() };
    let report = job.report;
    let code = match job.run() {
        Ok(()) => DONE,
        Err(fault) => {
            // SAFETY: only the child writes, and the parent reads when the outcome is there.
            unsafe { *report.step.get() = fault.step };
            match fault.error {
                StepError::NoEffect => NO_EFFECT,
                StepError::Errno(errno) => {
                    report.errno.store(errno.0, Relaxed);
                    REFUSED
                }
                StepError::TrimDenied => REFUSED,
            }
        }
    };
    report.outcome.store(code, Release);
    sys::exit(0)
}

impl RehearsalJob<'_> {
    fn run(&self) -> Result<(), Fault> {
        let Rehearsal { ctx, plan, proc, limit, parent_death_signal, dumpable, .. } = *self.rehearsal;
        let report = self.report;
        let refused = |step| move |errno| Fault::new(step, errno);
        let clear_dumpable = || {
            sys::set_dumpable(0).map_err(refused(Step::Dumpable))?;
            if sys::dumpable() == Ok(0) { Ok(()) } else { Err(Fault::no_effect(Step::Dumpable)) }
        };
        if self.preparation.timer {
            report.progress.store(ARMING_TIMER, Relaxed);
            // The caller's is to be ended when the commit is done; then it is too late to learn that it cannot be.
            let tried = Timer::that_kills(limit).and_then(Timer::end).and_then(|()| Timer::that_kills(limit));
            core::mem::forget(tried.map_err(refused(Step::ReadBack))?);
        }
        if self.preparation.no_core {
            report.progress.store(DISABLING_CORE, Relaxed);
            if self.preparation.memory == Memory::Shared {
                // What it is, and is to be put back to: a filter may refuse that alone.
                sys::set_dumpable(1).map_err(refused(Step::Dumpable))?;
            }
            clear_dumpable()?;
        }
        if dumpable {
            // Before the ids change, and taken back: the user's own processes may attach to a process with their ids that may be dumped.
            // This one has the caller's memory, or a copy, and its descriptors.
            report.progress.store(KEEPING_DUMPABLE, Relaxed);
            clear_dumpable()?;
            execute::set_dumpable()?;
            clear_dumpable()?;
        }
        if self.preparation.memory == Memory::Own
            && let Some(at) = plan.steps().position(execute::leaves_directories)
        {
            // A dry run opens the working directory afterwards. Where the server of its file system does not answer, that is found
            // here: the child has a limit.
            report.progress.store(at as u32, Relaxed);
            let _ = sys::readlinkat(sys::CWD, c".", &mut [0]);
        }
        let run_plan = if self.preparation.no_core { execute::run_plan_not_dumpable } else { execute::run_plan };
        run_plan(ctx, plan, &report.progress)?;
        if parent_death_signal != 0 {
            report.progress.store(KEEPING_SIGNAL, Relaxed);
            execute::set_parent_death_signal(parent_death_signal)?;
        }
        report.progress.store(plan.steps().len() as u32, Relaxed);
        let Some(proc) = proc else { return execute::verify(ctx, plan, &OwnStatus::Nowhere) };
        if let Some(file) = self.status_file() {
            let own = OwnStatus::Open { file: &file, tid: sys::gettid() };
            match execute::verify(ctx, plan, &own) {
                // It is another process's: /proc is of another pid namespace.
                Err(fault) if fault == Fault::new(Step::ReadBack, Errno(libc::ESRCH)) => {}
                result => return result,
            }
        }
        execute::verify(ctx, plan, &OwnStatus::InProc(proc))
    }

    /// The child's status file, which the parent opens meanwhile, and closes.
    fn status_file(&self) -> Option<ManuallyDrop<sys::Fd>> {
        let start = sys::now();
        while sys::now().saturating_sub(start) < self.rehearsal.limit {
            match self.report.status.load(Acquire) {
                NOT_YET => sys::futex_wait(&self.report.status, NOT_YET, Some(Duration::from_micros(50))),
                NONE => break,
                fd => return Some(ManuallyDrop::new(sys::Fd::from_raw(fd as c_int))),
            }
        }
        None
    }
}

/// Whether the plan must be seen to work before the caller makes it: under a seccomp filter, and where a step may be refused after one
/// that cannot be undone.
pub(super) fn needs_rehearsal(filtered: bool, plan: &Plan) -> bool {
    filtered || plan.must_be_rehearsed()
}

impl Rehearsal<'_> {
    /// Runs the plan in a child, or in several, one after the other: `begins` is told of each how long it may take. All signals must be
    /// blocked, and the call lock taken.
    pub(super) fn run(&self, begins: impl Fn(Duration)) -> Result<Learned, ApplyError> {
        if let Some(proc) = self.proc
            && child_would_be_init(proc)
        {
            return Err(ApplyError::NewPidNamespace);
        }
        // What reads otherwise cannot be put back (2: prctl(2), PR_SET_DUMPABLE), or may be a filter's answer.
        let memory = if sys::dumpable() == Ok(1) { self.memory } else { Memory::Own };
        let stuck = STUCK.load(SeqCst);
        if stuck != 0 && memory == Memory::Shared {
            match sys::reap(stuck) {
                Ok(None) => return Err(ApplyError::EarlierChild { pid: stuck }),
                _ => STUCK.store(0, SeqCst),
            }
        }
        let page = ReportPage::new()?;
        let mut preparation = Preparation { timer: true, no_core: true, memory };
        let mut kills = 0;
        let begun = sys::now();
        loop {
            let job = RehearsalJob { rehearsal: self, report: page.clear(), preparation };
            begins(self.limit + GRACE * 3);
            let status = match job.run_child() {
                // Where children are to have another time namespace, none may share the memory (kernel/fork.c, copy_process).
                Err(ApplyError::Clone { errno: Errno(libc::EINVAL) }) if preparation.memory == Memory::Shared => {
                    preparation.memory = Memory::Own;
                    continue;
                }
                status => status?,
            };
            let at = job.report.progress.load(Relaxed);
            let outcome = job.report.outcome.load(Acquire);
            match at {
                ARMING_TIMER if preparation.timer => {
                    if self.needs_timer {
                        let said = (outcome == REFUSED).then(|| Errno(job.report.errno.load(Relaxed)));
                        return Err(NoTimer { errno: said }.into());
                    }
                    preparation.timer = false;
                }
                DISABLING_CORE if preparation.no_core => {
                    preparation = Preparation { no_core: false, memory: Memory::Own, ..preparation }
                }
                _ => {
                    // Before its time: other processes of the user may kill it as soon as it has the user's ids.
                    let killed_by_others = outcome == 0
                        && status.is_some_and(|status| status & 0x7f == libc::SIGKILL)
                        && sys::now().saturating_sub(begun) < self.limit;
                    if killed_by_others && kills < MOST_KILLS {
                        kills += 1;
                        continue;
                    }
                    let learned = Learned { dumpable: preparation.memory == Memory::Shared };
                    return job.result(at, outcome, status, killed_by_others).map(|()| learned);
                }
            }
        }
    }
}

impl RehearsalJob<'_> {
    /// Has a child do the job, and waits for its end. Its wait status, or `None` where somebody's waitpid(-1, __WALL) has taken it.
    fn run_child(&self) -> Result<Option<c_int>, ApplyError> {
        let flags = match self.preparation.memory {
            // It knows a plain fork, and ends the process for what it does not know.
            _ if sys::is_under_valgrind() => 0,
            Memory::Shared => libc::CLONE_FILES | libc::CLONE_VM | libc::CLONE_CHILD_CLEARTID,
            Memory::Own => libc::CLONE_FILES,
        };
        let argument = core::ptr::from_ref(self).cast_mut().cast();
        let word = self.report.running.as_ptr().cast::<i32>();
        // No handler of the program runs in the child.
        let mask = sys::set_signal_mask(u64::MAX)
            .map_err(|errno| ApplyError::System { call: "rt_sigprocmask for the rehearsal", errno })?;
        // SAFETY: the stack is the child's alone, or its copy is; the child ends by exit and makes raw system calls only.
        let cloned = unsafe {
            let top = CHILD_STACK.0.get().cast::<u8>().add(STACK);
            sys::clone_call(flags, top, child, argument, word)
        };
        let _ = sys::retry_restore(|| sys::set_signal_mask(mask));
        let pid = cloned.map_err(|errno| ApplyError::Clone { errno })?;
        let status = match self.rehearsal.proc {
            // Another table of descriptors is not filled in by this one.
            Some(proc) if flags & libc::CLONE_FILES != 0 => {
                let file = sys::openat(proc.raw(), TaskPath::in_task_dir(pid, "status").as_c_str(), libc::O_RDONLY);
                // Other threads run beside a dry run, and may close it.
                file.and_then(sys::KeptFd::new).ok()
            }
            _ => None,
        };
        self.report.status.store(status.as_ref().map_or(NONE, |file| file.raw().cast_unsigned()), Release);
        sys::futex_wake(&self.report.status, 1);
        let ended = self.wait_for(pid);
        drop(status);
        match ended {
            Ok(status) => Ok(status),
            Err(step) => {
                if self.preparation.memory == Memory::Shared {
                    STUCK.store(pid, SeqCst);
                }
                Err(ApplyError::Hung { step })
            }
        }
    }

    /// Waits for the child's end, within limits; `Err`: it was killed, and has not ended.
    fn wait_for(&self, pid: i32) -> Result<Option<c_int>, Step> {
        let start = sys::now();
        let mut pause = Duration::from_micros(20);
        let mut yields = 0;
        let mut killed = false;
        loop {
            match sys::reap(pid) {
                Ok(Some(status)) => return Ok(Some(status)),
                Err(Errno(libc::ECHILD)) => return Ok(None),
                _ => {}
            }
            let passed = sys::now().saturating_sub(start);
            let limit = self.rehearsal.limit;
            if passed > limit + GRACE && !killed {
                // Its own timer has not ended it.
                let _ = sys::kill(pid, libc::SIGKILL);
                killed = true;
            }
            if passed > limit + GRACE * 3 {
                return Err(self.step_under_way());
            }
            let shares = self.preparation.memory == Memory::Shared;
            if shares && self.report.running.load(SeqCst) != 0 {
                // The kernel wakes this thread when the child has ended.
                sys::futex_wait_for_child(&self.report.running, 1, Some(Duration::from_millis(5)));
            } else if yields < 8 {
                // It is about to be one that can be waited for.
                yields += 1;
                sys::sched_yield();
            } else {
                sys::futex_wait(&self.report.running, self.report.running.load(SeqCst), Some(pause));
                pause = (pause * 2).min(Duration::from_millis(1));
            }
        }
    }

    fn step_under_way(&self) -> Step {
        match self.report.progress.load(Relaxed) {
            KEEPING_SIGNAL => Step::ParentDeathSignal(self.rehearsal.parent_death_signal),
            KEEPING_DUMPABLE => Step::Dumpable,
            at => self.rehearsal.plan.steps().nth(at as usize).unwrap_or(Step::ReadBack),
        }
    }

    /// What the report and the wait status say, with the child gone.
    fn result(&self, at: u32, outcome: u32, status: Option<c_int>, killed_by_others: bool) -> Result<(), ApplyError> {
        let report = self.report;
        let errno = Errno(report.errno.load(Relaxed));
        // SAFETY: only the child has written there, and it is gone.
        let step = unsafe { *report.step.get() };
        match outcome {
            DONE => Ok(()),
            NO_EFFECT => Err(ApplyError::NoEffect { step }),
            REFUSED => Err(ApplyError::Refused { step, errno }),
            _ => {
                let signal = status.map_or(0, |status| status & 0x7f);
                if matches!(at, NOT_BEGUN | ARMING_TIMER | DISABLING_CORE) {
                    Err(ApplyError::Killed { step: None, signal })
                } else if signal == libc::SIGKILL && !killed_by_others {
                    Err(ApplyError::Hung { step: self.step_under_way() })
                } else {
                    Err(ApplyError::Killed { step: Some(self.step_under_way()), signal })
                }
            }
        }
    }
}

/// A timer that ends the process after `limit`. A kernel without timers has none; a filter has to allow it.
pub(super) fn limit_alone(limit: Duration, filtered: bool) -> Result<Option<Timer>, NoTimer> {
    match Timer::that_kills(limit) {
        Err(Errno(libc::ENOSYS)) if !filtered => Ok(None),
        timer => timer.map(Some).map_err(|errno| NoTimer { errno: Some(errno) }),
    }
}

/// Whether a child of this thread would be the first process of a new pid namespace (pid_namespaces(7)): the namespace for children is
/// another than its own, or has no process yet, which is when its link cannot be read (fs/nsfs.c, pidns_for_children_get).
fn child_would_be_init(proc: &sys::Fd) -> bool {
    let read = |path, buf: &mut [u8; 64]| sys::readlinkat(proc.raw(), path, buf).map(|len| len.min(64));
    let (mut own, mut children) = ([0; 64], [0; 64]);
    let Ok(own_len) = read(c"thread-self/ns/pid", &mut own) else { return false };
    match read(c"thread-self/ns/pid_for_children", &mut children) {
        Ok(len) => own[..own_len] != children[..len],
        // Before Linux 4.12 there is no such link.
        Err(Errno(libc::ENOENT)) => {
            let flags = libc::O_PATH | libc::O_NOFOLLOW;
            sys::openat(proc.raw(), c"thread-self/ns/pid_for_children", flags).is_ok()
        }
        Err(_) => false,
    }
}
