//! Stopping all threads, and letting them follow or go.

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::time::Duration;

use super::abort::{die_of, die_of_held_thread, die_of_killed_thread, die_of_slow_thread};
use super::deadline::Deadline;
use super::error::{StopError, ThreadProblem};
use super::handler::copy_of_library;
use super::probe::{ThreadProbe, has_ended_for_sure, may_be_pending, probe_thread};
use super::session::{ALL, Gate, Mapping, Phase, ReadByCaller, Session, Slot, State, WAKE_CHAINS};
use super::shared::CallLock;
use super::signal_action;
use crate::execute::{self, Context, Fault, Seen};
use crate::plan::{Credentials, PlanKind, Step};
use crate::sys::{self, Payload};
use crate::task_dir::{self, TaskPath};
use crate::text::Errno;

const SLICE: Duration = Duration::from_millis(1);
/// Looks into /proc in a slice without progress.
const PROBES_PER_SLICE: usize = 64;
/// Looks that find the signal neither pending nor answered, until it counts as lost.
const LOST_AFTER: u32 = 50;
/// After how long without progress all threads are let go for a moment, the first time; then twice as long each time.
const LET_GO_AFTER: Duration = Duration::from_millis(20);
/// How long a stopped thread may take at least to follow, or to leave: the deadline is for stopping, and may be a millisecond. Also how
/// long the caller may take to let them go.
const PATIENCE: Duration = Duration::from_secs(5);

/// All threads stopped. When dropped, those that have not been told to commit go on, nothing changed.
pub(crate) struct StoppedThreads<'a> {
    stopper: Option<Stopper<'a>>,
}

/// Stops all threads but the caller. All signals must be blocked. `Ok(None)`: a call of another copy of the library is under way.
pub(crate) fn stop_all<'a>(
    lock: &'a CallLock,
    ctx: &'a Context<'a>,
    tasks: Option<&'a sys::KeptFd>,
    limit: Duration,
) -> Result<Option<StoppedThreads<'a>>, StopError> {
    let alone = StoppedThreads { stopper: None };
    let Some(tasks) = tasks else { return Ok(Some(alone)) };
    let threads = task_dir::thread_count(tasks).map_err(StopError::system("fstat of /proc/self/task"))?;
    if threads == 1 {
        // The caller, and whoever could create another is the caller.
        return Ok(Some(alone));
    }
    if !signal_action::install(lock).map_err(StopError::system("rt_sigaction"))? {
        return Ok(None);
    }
    let mut deadline = Deadline::new(limit);
    let mut capacity = threads * 2 + 256;
    let mut let_go_after = LET_GO_AFTER;
    loop {
        let mut stopper = match Stopper::new(lock, ctx, tasks, capacity, limit.max(PATIENCE)) {
            Ok(stopper) => stopper,
            Err(error) => {
                signal_action::restore(lock.shared, lock.any_late());
                return Err(error);
            }
        };
        match stopper.stop(&mut deadline, let_go_after) {
            Ok(()) => return Ok(Some(StoppedThreads { stopper: Some(stopper) })),
            Err(Failure::TooManyThreads) => {
                capacity = stopper.session.capacity * 4;
                stopper.release();
            }
            Err(Failure::Interlocked) => {
                stopper.release();
                // As long as they have stood still, so that the program has half of the time.
                let word = AtomicU32::new(0);
                deadline.wait(let_go_after.min(SLICE * 100), |slice| sys::futex_wait(&word, 0, Some(slice)));
                let_go_after *= 2;
            }
            Err(Failure::Because(error)) => {
                stopper.release();
                stopper.end();
                return Err(error);
            }
        }
    }
}

impl StoppedThreads<'_> {
    /// Whether any thread watches the caller: those that have ended, and workers of the kernel, do not.
    pub(crate) fn watch(&self) -> bool {
        self.stopper.as_ref().is_some_and(|stopper| stopper.session.stopped.load(SeqCst) != 0)
    }

    /// Reads what threads hold that cannot tell by themselves, and plans for them.
    pub(crate) fn read_for_threads(&self) -> Result<(), StopError> {
        let Some(stopper) = &self.stopper else { return Ok(()) };
        for (slot, read) in stopper.read_by_caller() {
            stopper.session.tell_progress();
            let tid = slot.tid.load(Relaxed);
            let problem = |problem| stopper.refusal(tid, problem);
            let held = stopper.read(stopper.ctx, tid).map_err(|error| problem(ThreadProblem::Read(error)))?;
            if let Err(error) = read.seen.plan(stopper.ctx, held, PlanKind::FilteredFollower) {
                return Err(problem(error.into()));
            }
            // SAFETY: its thread reads that only after the phase has changed.
            unsafe { *read.held.get() = Some(held) };
        }
        Ok(())
    }

    /// Tells the watching threads how long the caller may take for what it does next. A debugger may hold it alone, and a system call
    /// may wait for a supervisor or for the server of a file system.
    pub(crate) fn limit_caller(&self, limit: Duration) {
        if let Some(stopper) = &self.stopper {
            stopper.session.limit_caller(limit);
        }
    }

    /// Has all threads follow; returns when they have, and lets them go when `last` has been done, which is told whether one of them has
    /// set ids. The caller's limit stays.
    pub(crate) fn commit(mut self, last: impl FnOnce(bool)) {
        let Some(stopper) = &mut self.stopper else {
            last(false);
            return;
        };
        let stopped = stopper.session.stopped.load(SeqCst);
        stopper.session.awaited.store(stopped, SeqCst);
        stopper.session.phase.store(Phase::COMMIT, SeqCst);
        sys::futex_wake(&stopper.session.phase, WAKE_CHAINS);
        stopper.wait_until_done(stopped);
        stopper.verify_read_by_caller();
        last(stopper.session.sets_ids.load(SeqCst) != 0);
        stopper.session.gate.store(Gate::OPEN, SeqCst);
        sys::futex_wake(&stopper.session.gate, WAKE_CHAINS);
        stopper.end();
        self.stopper = None;
    }
}

impl Drop for StoppedThreads<'_> {
    fn drop(&mut self) {
        if let Some(stopper) = &mut self.stopper {
            stopper.release();
            stopper.end();
        }
    }
}

/// Everything about stopping threads that only the caller needs.
struct Stopper<'a> {
    lock: &'a CallLock,
    ctx: &'a Context<'a>,
    tasks: &'a sys::KeptFd,
    session: &'static Session,
    names: &'static mut [u64],
    used: usize,
    scan: u32,
    /// How long is waited for a stopped thread.
    patience: Duration,
}

/// Why threads could not be stopped.
enum Failure {
    /// There are more than the session has slots for.
    TooManyThreads,
    /// One that does not stop may wait for one that has: all are to be let go for a moment.
    Interlocked,
    Because(StopError),
}

impl From<StopError> for Failure {
    fn from(error: StopError) -> Failure {
        Failure::Because(error)
    }
}

impl<'a> Stopper<'a> {
    fn new(
        lock: &'a CallLock,
        ctx: &'a Context<'a>,
        tasks: &'a sys::KeptFd,
        capacity: usize,
        patience: Duration,
    ) -> Result<Stopper<'a>, StopError> {
        let kept = lock.mapping();
        // Longer than a short deadline: the memory of one that is not left is never used again.
        let free = have_all_left(&kept, &mut Deadline::new(SLICE * 200));
        let mapping = if free && kept.capacity() >= capacity {
            kept.clear();
            kept
        } else {
            let new = Mapping::new(capacity).map_err(StopError::system("mmap for the list of threads"))?;
            lock.keep_mapping(new);
            new
        };
        let context = core::ptr::from_ref(ctx).cast::<Context<'static>>();
        // SAFETY: all threads have left the last session, or it is a fresh mapping.
        let (session, names) =
            unsafe { mapping.start(lock.pid, lock.tid, tasks.raw(), context, ctx.caller_filtered, patience) };
        lock.shared.pid.store(lock.pid, SeqCst);
        lock.shared.current.store(core::ptr::from_ref(session).cast_mut(), SeqCst);
        Ok(Stopper { lock, ctx, tasks, session, names, used: 0, scan: 0, patience })
    }

    /// Stops every thread there is, or says why not. A thread that is born meanwhile makes the count differ, and is found by the next scan.
    fn stop(&mut self, deadline: &mut Deadline, let_go_after: Duration) -> Result<(), Failure> {
        let mut quiet = 0;
        let mut pause = Duration::from_micros(50);
        let mut guessed = self.signal_consecutive_tids()?;
        loop {
            // What was guessed stands for the first scan; the count tells whether it was enough.
            let new = core::mem::take(&mut guessed) || self.scan_tasks()?;
            self.wait_until_stopped(deadline, let_go_after)?;
            let skipped =
                self.slots().iter().filter(|slot| slot.is(State::Skipped) && slot.scan.load(Relaxed) == self.scan);
            let known = 1 + self.session.stopped.load(SeqCst) as usize + skipped.count();
            let count = self.thread_count()?;
            quiet = if new { 0 } else { quiet + 1 };
            // The count is exact. Where /proc has none to give (0), two scans that find nothing new have to do.
            if (count == known && self.recheck_skipped()) || (count == 0 && quiet >= 2) {
                break;
            }
            if count < known {
                (0..self.used).for_each(|index| self.die_if_killed_in_handler(index));
            }
            if deadline.is_over() {
                let stopped = self.session.stopped.load(SeqCst) as usize;
                return Err(StopError::ThreadsKeepComing { stopped }.into());
            }
            if !new {
                self.proc_matches_pid_namespace()?;
                let futex = &self.session.caller_futex;
                deadline.wait(pause, |slice| sys::futex_wait(futex, futex.load(SeqCst), Some(slice)));
                pause = (pause * 2).min(SLICE);
            }
        }
        // SAFETY: written, if at all, before its thread was counted as stopped, and all are.
        if let Some((tid, problem)) = unsafe { *self.session.problem.get() } {
            return Err(self.refusal(tid, problem).into());
        }
        Ok(())
    }

    fn thread_count(&self) -> Result<usize, StopError> {
        task_dir::thread_count(self.tasks).map_err(StopError::system("fstat of /proc/self/task"))
    }

    /// Signals threads before the directory is read, which costs more than the signals: threads created one after the other mostly
    /// have consecutive ids. Says whether that has found as many as there are.
    fn signal_consecutive_tids(&mut self) -> Result<bool, Failure> {
        const WORTH_IT: usize = 16;
        let count = self.thread_count()?;
        if count < WORTH_IT || !self.proc_matches_pid_namespace()? {
            return Ok(false);
        }
        self.scan += 1;
        let mut missed = 0;
        // The first thread's id is the process's. Ids of other processes' threads are told by the kernel (ESRCH).
        for tid in self.lock.pid..=i32::MAX {
            if self.used - missed + 1 == count {
                return Ok(true);
            }
            if missed > count / 8 {
                break;
            }
            if tid != self.lock.tid {
                // A refusal is for the scan to tell, of a thread that is there.
                if self.track_thread(tid).is_err() {
                    break;
                }
                missed += usize::from(self.slots()[self.used - 1].is(State::Dead));
            }
        }
        Ok(false)
    }

    /// Whether /proc counts as this process does: then a thread has one id there (proc_pid_status(5), NSpid). Says so where the
    /// kernel tells, since Linux 4.1; refuses a /proc of another pid namespace, which may have this thread's id too.
    fn proc_matches_pid_namespace(&self) -> Result<bool, StopError> {
        let mut buf = [0; 1024];
        let path = TaskPath::in_task_dir(self.lock.tid, "status");
        let text = task_dir::read_start(self.tasks.raw(), &path, &mut buf).unwrap_or_default();
        match text.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"NSpid:\t")) {
            Some(ids) if ids.contains(&b'\t') => Err(StopError::FOREIGN_PROC),
            ids => Ok(ids.is_some()),
        }
    }

    /// Whether those skipped in this scan were there when the threads were counted: one that had ended by then would stand for one
    /// that is new and not stopped. One that has ended is looked for again, since its id may be given away.
    fn recheck_skipped(&self) -> bool {
        let mut all = true;
        for slot in self.slots().iter().filter(|slot| slot.is(State::Skipped) && slot.scan.load(Relaxed) == self.scan) {
            let probe = probe_thread(self.tasks, slot.tid.load(Relaxed));
            if !matches!(probe, ThreadProbe::Ended | ThreadProbe::KernelWorker { per_request_creds: true }) {
                slot.set(State::Dead);
                all = false;
            }
        }
        all
    }

    fn slots(&self) -> &'static [Slot] {
        &self.session.slots()[..self.used]
    }

    fn refusal(&self, tid: i32, problem: ThreadProblem) -> StopError {
        StopError::Thread { tid, comm: task_dir::short_text(self.tasks.raw(), tid, "comm"), problem }
    }

    /// Reads the directory once and signals what has not been signalled yet. Says whether there was any.
    fn scan_tasks(&mut self) -> Result<bool, Failure> {
        self.scan += 1;
        let mut new = false;
        let mut self_seen = false;
        sys::rewind(self.tasks.raw()).map_err(StopError::system("lseek of /proc/self/task"))?;
        loop {
            // Out of `self` meanwhile, which signalling needs as a whole.
            let buf = core::mem::take(&mut self.names);
            let names =
                sys::getdents(self.tasks.raw(), buf).map_err(StopError::system("getdents64 of /proc/self/task"))?;
            if names.is_empty() {
                self.names = buf;
                break;
            }
            for name in names {
                let Some(tid) = task_dir::tid_of_entry(name) else { continue };
                if tid == self.lock.tid {
                    self_seen = true;
                } else {
                    new |= self.track_thread(tid)?;
                }
            }
            self.names = buf;
        }
        if !self_seen {
            return Err(StopError::FOREIGN_PROC.into());
        }
        Ok(new)
    }

    /// Makes sure that a thread found has been signalled. Says whether it was new.
    fn track_thread(&mut self, tid: i32) -> Result<bool, Failure> {
        let place = self.session.place_of(tid);
        let entry = &self.session.table()[place];
        let index = entry.load(SeqCst) as usize;
        if index != 0 {
            let slot = &self.slots()[index - 1];
            slot.scan.store(self.scan, Relaxed);
            if !slot.is(State::Dead) {
                return Ok(false);
            }
            // The id was given to a new thread.
            slot.set(State::Signalled);
            return self.signal(index - 1).map(|()| true);
        }
        if self.used == self.session.capacity {
            return Err(Failure::TooManyThreads);
        }
        let index = self.used;
        self.used += 1;
        self.session.used.store(self.used as u32, SeqCst);
        let slot = &self.slots()[index];
        slot.tid.store(tid, SeqCst);
        slot.scan.store(self.scan, Relaxed);
        slot.set(State::Signalled);
        entry.store(index as u32 + 1, SeqCst);
        // One signal is enough: that of an earlier call is as good. One that is not pending may be on its way into the handler, so that
        // the second stays pending; `end` looks for that.
        if (self.lock.more_late() || self.lock.is_late(tid)) && may_be_pending(self.tasks, tid) {
            return Ok(true);
        }
        self.signal(index).map(|()| true)
    }

    fn signal(&self, index: usize) -> Result<(), Failure> {
        let slot = &self.slots()[index];
        let tid = slot.tid.load(Relaxed);
        slot.queue_full.store(0, Relaxed);
        let payload = Payload { copy: copy_of_library(), slot: index as u32, tid };
        match sys::queue_signal(self.lock.pid, tid, payload) {
            Ok(()) => Ok(()),
            // It has ended.
            Err(Errno(libc::ESRCH)) => {
                slot.set(State::Dead);
                Ok(())
            }
            // RLIMIT_SIGPENDING: again when others have taken theirs.
            Err(Errno(libc::EAGAIN)) => {
                slot.queue_full.store(1, Relaxed);
                Ok(())
            }
            Err(errno) => {
                slot.set(State::Dead);
                Err(self.refusal(tid, ThreadProblem::Signal(errno)).into())
            }
        }
    }

    /// Waits until every thread signalled has stopped, has ended or is known not to take part.
    fn wait_until_stopped(&mut self, deadline: &mut Deadline, let_go_after: Duration) -> Result<(), Failure> {
        let mut last_stopped = u32::MAX;
        let mut next = 0;
        let mut last_progress = sys::now();
        loop {
            self.session.tell_progress();
            let awaited =
                self.slots().iter().filter(|slot| slot.is(State::Signalled) || slot.is_in_handler()).count() as u32;
            self.session.awaited.store(awaited, SeqCst);
            let futex = &self.session.caller_futex;
            let seen = futex.load(SeqCst);
            if self.session.stopped.load(SeqCst) >= awaited {
                return Ok(());
            }
            let late = deadline.is_over();
            if !late {
                deadline.wait(SLICE, |slice| sys::futex_wait(futex, seen, Some(slice)));
            }
            let stopped = self.session.stopped.load(SeqCst);
            self.send_unsent()?;
            if stopped != last_stopped && !late {
                last_stopped = stopped;
                last_progress = sys::now();
                continue;
            }
            // Nothing found there would be of this process.
            self.thread_count()?;
            // A few at a time: reading /proc for thousands would take longer than they need to stop.
            for _ in 0..self.used.min(PROBES_PER_SLICE) {
                next = if next + 1 < self.used { next + 1 } else { 0 };
                let may_wait_for_another = self.check_unresponsive(next)?;
                if may_wait_for_another && !late && sys::now().saturating_sub(last_progress) > let_go_after {
                    self.remember_all_late();
                    return Err(Failure::Interlocked);
                }
            }
            if late {
                // All of them, since the one that is to blame may not have been looked at yet. Others may just be slow.
                let mut slow = None;
                for index in 0..self.used {
                    self.session.tell_progress();
                    self.check_unresponsive(index)?;
                    let slot = &self.slots()[index];
                    let waits = |slot: &Slot| slot.is(State::Signalled) || slot.is(State::Entered);
                    // One that has `Entered` was stopped in the handler, before it could be counted.
                    if waits(slot)
                        && let ThreadProbe::Alive(mut state) = probe_thread(self.tasks, slot.tid.load(Relaxed))
                        && waits(slot)
                    {
                        // In the handler it blocks every signal.
                        state.blocks_signal &= slot.is(State::Signalled);
                        let problem = match slot.queue_full.load(Relaxed) {
                            1 => ThreadProblem::Signal(Errno(libc::EAGAIN)),
                            _ => ThreadProblem::Deadline(state),
                        };
                        let may_be_slow = problem == ThreadProblem::Deadline(state)
                            && matches!(state.state, b'R' | b'S')
                            && !state.blocks_signal
                            && state.tracer == 0;
                        let refusal = self.refusal(slot.tid.load(Relaxed), problem);
                        if !may_be_slow {
                            return Err(refusal.into());
                        }
                        slow.get_or_insert(refusal);
                    }
                }
                if let Some(refusal) = slow {
                    return Err(refusal.into());
                }
            }
        }
    }

    fn send_unsent(&self) -> Result<(), Failure> {
        for (index, slot) in self.slots().iter().enumerate() {
            if slot.queue_full.load(Relaxed) == 1 && slot.is(State::Signalled) {
                self.signal(index)?;
            }
        }
        Ok(())
    }

    /// Remembers those that have a signal pending: it may come when nobody waits for it.
    fn remember_all_late(&self) {
        let unanswered = |slot: &&Slot| slot.is(State::Signalled) && slot.queue_full.load(Relaxed) == 0;
        self.slots().iter().filter(unanswered).for_each(|slot| self.lock.remember_late(slot.tid.load(Relaxed)));
    }

    /// Looks at a thread that has not answered: whether it still can, and whether it has lost its signal. Says whether it may wait for
    /// a thread that has stopped: a lock of libc's, say (pthread_create(3) with an affinity).
    fn check_unresponsive(&mut self, index: usize) -> Result<bool, Failure> {
        self.die_if_killed_in_handler(index);
        let slot = &self.slots()[index];
        if !slot.is(State::Signalled) || slot.queue_full.load(Relaxed) == 1 {
            return Ok(false);
        }
        let tid = slot.tid.load(Relaxed);
        match probe_thread(self.tasks, tid) {
            ThreadProbe::Gone => slot.set(State::Dead),
            // Neither comes back to where handlers run, so the signal is never answered.
            ThreadProbe::Ended | ThreadProbe::KernelWorker { per_request_creds: true } => {
                slot.change(State::Signalled, State::Skipped);
            }
            ThreadProbe::KernelWorker { per_request_creds: false } => {
                return Err(self.refusal(tid, ThreadProblem::KernelWorker).into());
            }
            ThreadProbe::Alive(state) => {
                // Something may have taken the signal: a raw sigtimedwait(2), a debugger, another handler.
                let seen = slot.missed.fetch_add(u32::from(!state.pending), Relaxed);
                if !state.pending && seen >= LOST_AFTER && slot.is(State::Signalled) {
                    slot.missed.store(0, Relaxed);
                    // It may come all the same, and late.
                    self.lock.remember_late(tid);
                    self.signal(index)?;
                }
                return Ok(state.blocks_signal || state.state == b'D');
            }
        }
        Ok(false)
    }

    /// A thread that has ended inside our handler was killed by its own seccomp filter for a call made there.
    fn die_if_killed_in_handler(&self, index: usize) {
        let slot = &self.slots()[index];
        let tid = slot.tid.load(Relaxed);
        if slot.is_in_handler()
            && has_ended_for_sure(self.tasks, tid)
            // It may have left and ended in good order since.
            && slot.is_in_handler()
        {
            die_of_killed_thread(tid)
        }
    }

    /// Waits until every stopped thread has committed. One that does not come back is the end.
    fn wait_until_done(&mut self, stopped: u32) {
        let mut last = 0;
        let mut next = 0;
        let mut deadline = Deadline::new(self.patience);
        loop {
            let done = self.session.done.load(SeqCst);
            if done >= stopped {
                return;
            }
            if done != last {
                last = done;
                deadline = Deadline::new(self.patience);
            }
            let futex = &self.session.done;
            deadline.wait(SLICE * 10, |slice| sys::futex_wait(futex, done, Some(slice)));
            if self.session.done.load(SeqCst) >= stopped {
                return;
            }
            // Those that were to wake others may be stopped by a debugger.
            sys::futex_wake(&self.session.phase, WAKE_CHAINS);
            if deadline.is_over() {
                let stuck = self.slots().iter().find(|slot| slot.is(State::Stopped));
                let tid = stuck.map_or(0, |slot| slot.tid.load(Relaxed));
                if let ThreadProbe::Alive(mut state) = probe_thread(self.tasks, tid) {
                    // The handler blocks it, and that is not the reason.
                    state.blocks_signal = false;
                    die_of_slow_thread(tid, state)
                }
                die_of(tid, Fault::new(Step::ReadBack, Errno(libc::ETIMEDOUT)));
            }
            for _ in 0..self.used.min(PROBES_PER_SLICE) {
                next = if next + 1 < self.used { next + 1 } else { 0 };
                self.die_if_killed_in_handler(next);
            }
        }
    }

    /// The threads of which the caller reads the state, and what they have seen of themselves.
    fn read_by_caller(&self) -> impl Iterator<Item = (&'static Slot, &ReadByCaller)> {
        self.slots().iter().filter_map(|slot| {
            // SAFETY: NULL, or on the stack of a thread that is stopped.
            let read = unsafe { slot.read_by_caller.load(SeqCst).as_ref() }?;
            (slot.is(State::Stopped) || slot.is(State::Committed)).then_some((slot, read))
        })
    }

    fn read(&self, ctx: &Context<'_>, tid: i32) -> Result<Credentials, execute::ReadError> {
        let path = TaskPath::in_task_dir(tid, "status");
        let file = task_dir::open(self.tasks.raw(), &path)
            .map_err(|errno| execute::ReadError { call: "opening /proc/self/task/TID/status", errno })?;
        execute::read_other(ctx, &file, tid).map(|(held, _)| held)
    }

    /// Compares what /proc says of those threads with where their plans lead.
    fn verify_read_by_caller(&self) {
        for (slot, read) in self.read_by_caller() {
            self.session.tell_progress();
            let tid = slot.tid.load(Relaxed);
            // SAFETY: written by the caller, and only read since.
            let Some(held) = (unsafe { *read.held.get() }) else { continue };
            if let Err(fault) = self.verify_other(tid, &read.seen, held) {
                die_of(tid, fault)
            }
        }
    }

    /// The same of one of them, which held that before.
    fn verify_other(&self, tid: i32, seen: &Seen, held: Credentials) -> Result<(), Fault> {
        let plan = seen
            .plan(self.ctx, held, PlanKind::FilteredFollower)
            .map_err(|_| Fault::new(Step::ReadBack, Errno(libc::EPERM)))?;
        let found = self.read(&self.ctx.after(), tid).map_err(|error| Fault::new(Step::ReadBack, error.errno))?;
        // The securebits the thread has looked at itself.
        execute::compare(&plan.goal, &Credentials { securebits: plan.goal.securebits, ..found })
    }

    /// Lets all go, nothing changed.
    fn release(&mut self) {
        self.session.limit_caller(self.patience);
        // Those on their way here are waited for a moment: only a signal that was answered cannot come later.
        let on_the_way = |slot: &Slot| {
            slot.is(State::Signalled)
                && slot.queue_full.load(Relaxed) == 0
                && !self.lock.is_late(slot.tid.load(Relaxed))
        };
        let mut deadline = Deadline::new(SLICE * 50);
        while self.slots().iter().any(on_the_way) && !deadline.is_over() {
            self.session.tell_progress();
            let futex = &self.session.caller_futex;
            deadline.wait(SLICE, |slice| sys::futex_wait(futex, futex.load(SeqCst), Some(slice)));
        }
        let mut answered = 0;
        for slot in self.slots() {
            if slot.change(State::Signalled, State::Cancelled) {
                if slot.queue_full.load(Relaxed) == 0 {
                    self.lock.remember_late(slot.tid.load(Relaxed));
                }
            } else if slot.is_in_handler() || slot.is(State::Left) {
                answered += 1;
            }
        }
        // One with a filter may have been killed since it was counted. Looked for while there are threads that watch.
        let filtered = |slot: &Slot| slot.is(State::Stopped) && !slot.read_by_caller.load(SeqCst).is_null();
        for index in (0..self.used).filter(|&index| filtered(&self.slots()[index])) {
            self.session.tell_progress();
            self.die_if_killed_in_handler(index);
        }
        self.session.awaited.store(answered, SeqCst);
        self.session.phase.store(Phase::RELEASE, SeqCst);
        sys::futex_wake(&self.session.phase, ALL);
        // The context is on the caller's stack: whoever has answered must be past reading it before it goes.
        let mut next = 0;
        let mut last = 0;
        let mut deadline = Deadline::new(self.patience);
        loop {
            self.session.tell_progress();
            let futex = &self.session.caller_futex;
            let seen = futex.load(SeqCst);
            let stopped = self.session.stopped.load(SeqCst);
            if stopped >= answered {
                break;
            }
            // Long lists of groups are compared by one thread after the other.
            if stopped != last {
                last = stopped;
                deadline = Deadline::new(self.patience);
            }
            deadline.wait(SLICE, |slice| sys::futex_wait(futex, seen, Some(slice)));
            if deadline.is_over() {
                let stuck = self.slots().iter().find(|slot| slot.is(State::Entered));
                let tid = stuck.map_or(0, |slot| slot.tid.load(Relaxed));
                die_of_held_thread(tid)
            }
            for _ in 0..self.used.min(PROBES_PER_SLICE) {
                next = if next + 1 < self.used { next + 1 } else { 0 };
                self.die_if_killed_in_handler(next);
            }
        }
    }

    /// The end of the session: the handler has nothing to look at any more.
    fn end(&mut self) {
        self.lock.shared.current.store(core::ptr::null_mut(), SeqCst);
        for tid in self.lock.late() {
            if !may_be_pending(self.tasks, tid) {
                self.lock.forget_late(tid);
            }
        }
        signal_action::restore(self.lock.shared, self.lock.any_late());
    }
}

/// Whether all threads have left the session of an earlier call; those on their way are waited for.
fn have_all_left(mapping: &Mapping, deadline: &mut Deadline) -> bool {
    let Some(session) = mapping.session() else { return true };
    let awaited = session.awaited.load(SeqCst);
    loop {
        let left = session.left.load(SeqCst);
        // A session that was called off before all threads were counted has no count to wait for.
        if left >= awaited || session.used.load(SeqCst) == 0 {
            return true;
        }
        if deadline.is_over() {
            return false;
        }
        deadline.wait(SLICE, |slice| sys::futex_wait(&session.left, left, Some(slice)));
    }
}
