//! All threads parked at the same time, once; the caller commits first, then all; each reads itself back.
//!
//! Memory order: everything a parked thread reads (script, slots) is written before the signal that makes it look, and the
//! signal's delivery orders that; what it writes (its slot, a problem) is published by the SeqCst increments of `parked` and
//! `done`, which the caller reads before it looks there. `phase` and `gate` are stored before a futex wake and loaded after it.
//! `left` is a thread's last access to the session: the caller may unmap it as soon as it has seen the last increment.
//!
//! No thread goes back to its own work before all have committed, so that code of the host never runs in a thread that has
//! dropped beside one that has not; and a busy thread does not keep the processor from those still to come.

use core::cell::UnsafeCell;
use core::ffi::{CStr, c_int, c_void};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize};
use core::time::Duration;

use crate::apply::execute::{self as commit, Before, Extent, Fault, Script};
use crate::error::{Doing, Error, ThreadProblem};
use crate::plan::{Plan, Step};
use crate::sys::{self, KernelSigaction, Payload, SigInfo};
use crate::text::{Errno, Excerpt as Word};

// ---- one caller at a time -------------------------------------------------------------------------------------------

/// Who has the turn: pid and tid, or 0.
static OWNER: AtomicU64 = AtomicU64::new(0);
static TURNS: AtomicU32 = AtomicU32::new(0);

/// The right to rehearse and to commit; given back when dropped.
pub(crate) struct Turn(());

impl Turn {
    pub(crate) fn take() -> Result<Turn, Error> {
        let (pid, tid) = (sys::getpid(), sys::gettid());
        if pid == 0 || tid == 0 {
            return Err(Error::System { call: "getpid or gettid", errno: Errno(libc::ENOSYS) });
        }
        let mine = (pid as u64) << 32 | tid as u64;
        loop {
            let seen = TURNS.load(SeqCst);
            match OWNER.compare_exchange(0, mine, SeqCst, SeqCst) {
                Ok(_) => return Ok(Turn(())),
                Err(owner) if owner == mine => {
                    return Err(Error::Busy { problem: "called while a call is under way in this thread" });
                }
                // a child of a fork that happened during a call: its owner is not here
                Err(owner) if owner >> 32 != pid as u64 => {
                    if OWNER.compare_exchange(owner, mine, SeqCst, SeqCst).is_ok() {
                        return Ok(Turn(()));
                    }
                }
                Err(_) => sys::futex_wait(&TURNS, seen, Some(Duration::from_secs(1))),
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        OWNER.store(0, SeqCst);
        TURNS.fetch_add(1, SeqCst);
        sys::futex_wake(&TURNS, u32::MAX >> 1);
    }
}

// ---- the session: all that parked threads share ---------------------------------------------------------------------

const PARK: u32 = 0;
const GO: u32 = 1;
const RELEASE: u32 = 2;

const SHUT: u32 = 0;
const OPEN: u32 = 1;

/// How many the caller lets go. Each of them wakes another before its own work: a caller that woke all would be at it for as long
/// as their work takes, and all would come for the same processors at once.
const CHAINS: u32 = 4;
/// How many each wakes in its turn when it leaves: nobody comes back to see whether all have.
const FAN: u32 = 2;
const ALL: u32 = u32::MAX >> 1;

// 0: the slot is not used yet
const SIGNALLED: u32 = 1;
const PARKED: u32 = 2;
const SKIPPED: u32 = 3;
const DEAD: u32 = 4;
const CANCELLED: u32 = 5;
/// Parked and counted. One that ends while it is PARKED was killed in the handler, by a seccomp filter of its own.
const COUNTED: u32 = 6;
/// Has committed, and waits at the gate.
const COMMITTED: u32 = 7;
/// Has left the session's memory.
const LEFT: u32 = 8;

/// One thread.
#[repr(C, align(64))]
struct Slot {
    tid: AtomicI32,
    state: AtomicU32,
    /// The sweep that last saw it.
    sweep: AtomicU32,
    /// Whether its signal still has to be sent (the queue was full).
    unsent: AtomicU32,
    /// How often its signal was found to be neither pending nor answered.
    lost: AtomicU32,
}

/// A word on a cache line of its own.
#[repr(C, align(64))]
struct Line(AtomicU32);

impl Line {
    const fn new(value: u32) -> Line {
        Line(AtomicU32::new(value))
    }
}

impl core::ops::Deref for Line {
    type Target = AtomicU32;
    fn deref(&self) -> &AtomicU32 {
        &self.0
    }
}

#[repr(C)]
struct Session {
    generation: u32,
    pid: i32,
    /// The thread that calls.
    caller: i32,
    /// The caller's descriptor of /proc/self/task.
    tasks: c_int,
    // What many wait on and what many count up stand apart, each on a line of the cache.
    phase: Line,
    gate: Line,
    parked: Line,
    done: Line,
    /// The count of parked threads that the caller waits for.
    target: AtomicU32,
    problems: AtomicU32,
    /// The first of them, and whose it is.
    problem: UnsafeCell<Option<(i32, ThreadProblem)>>,
    left: Line,
    /// What the caller sleeps on while threads are being parked.
    bell: AtomicU32,
    script: *const Script<'static>,
    slots: *const Slot,
    capacity: usize,
}

/// The process that the handler answers to.
static PID: AtomicI32 = AtomicI32::new(0);
static CURRENT: AtomicPtr<Session> = AtomicPtr::new(core::ptr::null_mut());
static GENERATION: AtomicU32 = AtomicU32::new(0);

// The action of the signal before ours, for signals that are not ours.
static PREVIOUS_HANDLER: AtomicUsize = AtomicUsize::new(0);
static PREVIOUS_FLAGS: AtomicUsize = AtomicUsize::new(0);
static INSTALLED: AtomicU32 = AtomicU32::new(0);

extern "C" fn handler(signal: c_int, info: *mut SigInfo, context: *mut c_void) {
    // SAFETY: the kernel passes a siginfo to a handler installed with SA_SIGINFO.
    let queued = unsafe { (*info).queued() };
    // Before the session is looked at: when a signal of somebody else's comes, it may just be unmapped.
    let Some(payload) = queued.filter(|&(pid, _)| pid == PID.load(SeqCst)).map(|(_, payload)| payload) else {
        chain(signal, info, context);
        return;
    };
    // SAFETY: a session is unmapped only when every signal sent for it was answered; else it stays for ever.
    let Some(session) = (unsafe { CURRENT.load(SeqCst).as_ref() }) else { return };
    if payload.generation != session.generation {
        return;
    }
    let index = payload.slot as usize;
    if index >= session.capacity {
        return;
    }
    // SAFETY: within the slots of the session.
    let slot = unsafe { &*session.slots.add(index) };
    let tid = sys::gettid();
    if slot.tid.load(Acquire) != tid || slot.state.compare_exchange(SIGNALLED, PARKED, SeqCst, SeqCst).is_err() {
        return;
    }
    park(session, slot, tid);
}

/// Hands a signal that is not ours to whoever had it before.
fn chain(signal: c_int, info: *mut SigInfo, context: *mut c_void) {
    let previous = PREVIOUS_HANDLER.load(Acquire);
    if previous == libc::SIG_DFL || previous == libc::SIG_IGN {
        return;
    }
    if PREVIOUS_FLAGS.load(Acquire) & libc::SA_SIGINFO as usize != 0 {
        // SAFETY: the address that the kernel would have called, in the form its flags tell.
        let previous: extern "C" fn(c_int, *mut SigInfo, *mut c_void) = unsafe { core::mem::transmute(previous) };
        previous(signal, info, context);
    } else {
        // SAFETY: as above.
        let previous: extern "C" fn(c_int) = unsafe { core::mem::transmute(previous) };
        previous(signal);
    }
}

fn park(session: &Session, slot: &Slot, tid: i32) {
    // SAFETY: the caller keeps the script until every thread that answered is counted as parked, and, should it go on, as done.
    let script = unsafe { &*session.script };
    let of_a_filtered_caller = !script.unfiltered;
    let mut planned = commit::look_ahead(script);
    if let Err(problem) = planned
        && session.problems.fetch_add(1, SeqCst) == 0
    {
        // SAFETY: only the first gets here; the caller reads it after `parked` has counted this thread.
        unsafe { *session.problem.get() = Some((tid, problem)) };
    }
    slot.state.store(COUNTED, SeqCst);
    let before = session.parked.fetch_add(1, SeqCst);
    if before + 1 == session.target.load(SeqCst) {
        ring(session);
    }
    let mut watch = Watch { nth: before, of_a_filtered_caller, sleeps: 0 };
    let mut phase = session.phase.load(SeqCst);
    while phase == PARK {
        watch.sleep(session, &session.phase, PARK);
        phase = session.phase.load(SeqCst);
    }
    sys::futex_wake(&session.phase, 1);
    if phase == GO
        && let Ok(ahead) = &mut planned
    {
        if let Err(fault) = commit::follow(script, ahead) {
            die(tid, fault);
        }
        slot.state.store(COMMITTED, SeqCst);
        if session.done.fetch_add(1, SeqCst) + 1 == session.target.load(SeqCst) {
            sys::futex_wake(&session.done, 1);
        }
        while session.gate.load(SeqCst) == SHUT {
            watch.sleep(session, &session.gate, SHUT);
        }
        sys::futex_wake(&session.gate, FAN);
    }
    slot.state.store(LEFT, SeqCst);
    session.left.fetch_add(1, SeqCst);
}

/// A parked thread's sleep, with an eye on the caller.
struct Watch {
    /// How many were parked before this one.
    nth: u32,
    /// A seccomp filter may kill the caller alone, and then nobody knows how far it has come, and nobody would ever let the
    /// others go.
    of_a_filtered_caller: bool,
    sleeps: u32,
}

impl Watch {
    /// Returns when woken, or after a while. A few wake up by themselves: should a wake-up be lost, a filter's doing, they go all
    /// the same, and wake the others.
    fn sleep(&mut self, session: &Session, word: &AtomicU32, value: u32) {
        let timed = self.nth < WATCHERS || self.of_a_filtered_caller;
        sys::futex_wait(word, value, timed.then_some(LOOK_AGAIN));
        self.sleeps += 1;
        // Of thousands not all look at once. And the caller may have ended in good order, having let this thread go.
        if self.of_a_filtered_caller
            && self.sleeps > self.nth / WATCHERS
            && word.load(SeqCst) == value
            && has_ended(session)
            && word.load(SeqCst) == value
        {
            sys::die(format_args!(
                "{WHY} {}: it is the one that called, and it was killed (by a seccomp filter?)",
                session.caller
            ))
        }
    }
}

/// Whether the caller has ended, be it only as a leader that stays as a zombie. By calls that it has made under its filter, which
/// may kill for others.
fn has_ended(session: &Session) -> bool {
    let mut room = [0; 256];
    match read_of(session.tasks, session.caller, c"stat", &mut room) {
        Ok(len) => stat_of(&room[..len]).is_some_and(|stat| stat.has_ended()),
        // Not there, or a descriptor that is another in this thread.
        Err(Errno(libc::ENOENT | libc::ESRCH)) => {
            sys::tgkill(session.pid, session.caller, 0) == Err(Errno(libc::ESRCH))
        }
        Err(_) => false,
    }
}

fn ring(session: &Session) {
    session.bell.fetch_add(1, SeqCst);
    sys::futex_wake(&session.bell, 1);
}

/// The end of the process: something differs after a change that cannot be taken back.
pub(crate) fn die(tid: i32, fault: Fault) -> ! {
    let Fault { step, errno } = fault;
    // The step comes last: it may be a list of forty names, and the line may be cut.
    if errno == Fault::NO_EFFECT {
        sys::die(format_args!("{WHY} {tid}: no effect of {step}"))
    }
    sys::die(format_args!("{WHY} {tid}: {errno}, from {step}"))
}

const WHY: &str = "aborting: the change of privileges that has begun cannot be completed on thread";

// ---- the caller -----------------------------------------------------------------------------------------------------

/// What the caller of the rendezvous brings.
pub(crate) struct Caller<'a> {
    pub(crate) script: &'a Script<'a>,
    pub(crate) plan: &'a Plan,
    pub(crate) before: &'a Before<'a>,
    /// /proc/self/task, or `None` where there is no /proc and the process has one thread for sure.
    pub(crate) tasks: Option<&'a sys::Fd>,
    pub(crate) deadline: Duration,
    /// False for a look only: all threads are parked, plan, and are let go again.
    pub(crate) commit: bool,
}

const SLICE: Duration = Duration::from_millis(1);

/// How many of the parked threads wake up by themselves, while the others just sleep: a timer costs more than the sleep.
const WATCHERS: u32 = 4;
/// How long those sleep at most.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A deadline in time that this thread was there to wait: while the whole process is stopped (SIGSTOP, a debugger, a frozen
/// cgroup), no thread can answer, so that must not count.
struct Patience {
    left: Duration,
}

impl Patience {
    fn new(deadline: Duration) -> Patience {
        Patience { left: deadline }
    }

    /// Takes off what a wait for `slice` took; says whether patience has come to its end.
    fn spend(&mut self, time: Duration, slice: Duration) -> bool {
        self.left = self.left.saturating_sub(time.min(slice * 2));
        self.left.is_zero()
    }
}
/// Looks into /proc in a slice without progress.
const LOOKS: usize = 64;
/// Looks that find the signal neither pending nor answered, until it counts as lost.
const LOST_AFTER: u32 = 50;

/// The number of threads, by the link count of the task folder (fs/proc/base.c, proc_task_getattr).
fn thread_count(tasks: &sys::Fd) -> Result<usize, Error> {
    let stat = sys::fstat(tasks.raw()).map_err(|errno| Error::System { call: "fstat of /proc/self/task", errno })?;
    Ok((stat.st_nlink as usize).saturating_sub(2))
}

/// Parks all threads, commits and lets them go. All signals must be blocked, and the turn taken.
pub(crate) fn meet(caller: &Caller<'_>) -> Result<(), Error> {
    let Some(tasks) = caller.tasks else {
        return if caller.commit { commit_alone(caller) } else { Ok(()) };
    };
    let threads = thread_count(tasks)?;
    if threads == 1 {
        // The caller, and whoever could make another is the caller.
        return if caller.commit { commit_alone(caller) } else { Ok(()) };
    }
    let_retired_go(caller.deadline);
    let mut room = threads * 2 + 256;
    loop {
        match meet_with_room(caller, tasks, room)? {
            Some(()) => return Ok(()),
            None => room *= 4,
        }
    }
}

fn commit_alone(caller: &Caller<'_>) -> Result<(), Error> {
    let progress = AtomicU32::new(0);
    let extent = if caller.script.unfiltered { Extent::Unfiltered } else { Extent::Filtered };
    let Err(fault) = commit::make(caller.script, caller.plan, extent, &progress) else { return Ok(()) };
    let at = progress.load(Relaxed) as usize;
    if commit::undo(caller.script, caller.plan, at, caller.before) {
        if fault.errno == Fault::NO_EFFECT {
            return Err(Error::NotAsAsked { step: fault.step });
        }
        return Err(Error::Refused { step: fault.step, errno: fault.errno });
    }
    die(sys::gettid(), fault)
}

/// Everything about one rendezvous that only the caller needs.
struct Meeting<'a> {
    caller: &'a Caller<'a>,
    tasks: &'a sys::Fd,
    session: &'a Session,
    slots: &'a [Slot],
    /// Open addressing from tid to slot + 1.
    table: &'a mut [u32],
    names: &'a mut [u64],
    used: usize,
    pid: i32,
    tid: i32,
    sweep: u32,
    /// Whether a signal may still come that no slot answers for: then nothing may be unmapped.
    outstanding: bool,
    start: Duration,
}

/// How a rendezvous that has to be called off ends.
enum Off {
    NoRoom,
    Because(Error),
}

fn meet_with_room(caller: &Caller<'_>, tasks: &sys::Fd, capacity: usize) -> Result<Option<()>, Error> {
    const NAMES: usize = 32 << 10;
    let table_len = (capacity * 2).next_power_of_two();
    let slots_at = size_of::<Session>().next_multiple_of(align_of::<Slot>());
    let table_at = slots_at + capacity * size_of::<Slot>();
    let names_at = (table_at + table_len * 4).next_multiple_of(8);
    let bytes = (names_at + NAMES).next_multiple_of(4096);
    let memory = sys::map(bytes, false).map_err(|errno| Error::System { call: "mmap for the rendezvous", errno })?;
    // The thread that has the turn is this one.
    let turn = OWNER.load(SeqCst);
    let (pid, tid) = ((turn >> 32) as i32, turn as u32 as i32);
    let mut generation = GENERATION.fetch_add(1, SeqCst).wrapping_add(1);
    if generation == 0 {
        generation = GENERATION.fetch_add(1, SeqCst).wrapping_add(1);
    }
    // SAFETY: a fresh mapping of zeros, in which the parts laid out above do not overlap; zeros are valid slots (tid 0,
    // no state, not sent, not lost), table entries and names.
    let (session, slots, table, names) = unsafe {
        let slots = memory.add(slots_at).cast::<Slot>();
        let session = memory.cast::<Session>();
        session.write(Session {
            generation,
            pid,
            caller: tid,
            tasks: tasks.raw(),
            phase: Line::new(PARK),
            gate: Line::new(SHUT),
            parked: Line::new(0),
            done: Line::new(0),
            target: AtomicU32::new(u32::MAX),
            problems: AtomicU32::new(0),
            problem: UnsafeCell::new(None),
            left: Line::new(0),
            bell: AtomicU32::new(0),
            script: core::ptr::from_ref(caller.script).cast(),
            slots,
            capacity,
        });
        (
            &*session,
            core::slice::from_raw_parts(slots, capacity),
            core::slice::from_raw_parts_mut(memory.add(table_at).cast::<u32>(), table_len),
            core::slice::from_raw_parts_mut(memory.add(names_at).cast::<u64>(), NAMES / 8),
        )
    };
    let mut meeting = Meeting {
        caller,
        tasks,
        session,
        slots,
        table,
        names,
        used: 0,
        pid,
        tid,
        sweep: 0,
        outstanding: false,
        start: sys::now(),
    };
    PID.store(pid, SeqCst);
    let result = install().map_err(Off::Because).and_then(|()| {
        CURRENT.store(core::ptr::from_ref(session).cast_mut(), SeqCst);
        meeting.gather()
    });
    let mut let_go = result.is_err() || !caller.commit;
    let result = result.and_then(|()| {
        if !caller.commit {
            return Ok(());
        }
        let parked = session.parked.load(SeqCst);
        session.target.store(parked, SeqCst);
        if let Err(error) = commit_alone(caller) {
            let_go = true;
            return Err(Off::Because(error));
        }
        session.phase.store(GO, SeqCst);
        sys::futex_wake(&session.phase, CHAINS);
        meeting.wait_until_done(parked);
        session.gate.store(OPEN, SeqCst);
        sys::futex_wake(&session.gate, CHAINS);
        Ok(())
    });
    if let_go {
        meeting.release();
    }
    let outstanding = meeting.outstanding;
    CURRENT.store(core::ptr::null_mut(), SeqCst);
    if !outstanding {
        restore();
        // Threads leave when they get a processor, which the caller need not wait for.
        RETIRED.set(Retired { memory, bytes, pid });
        let_retired_go(Duration::ZERO);
    }
    match result {
        Ok(()) => Ok(Some(())),
        Err(Off::NoRoom) => Ok(None),
        Err(Off::Because(error)) => Err(error),
    }
}

fn install() -> Result<(), Error> {
    let flags = (libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK) as usize;
    let entry: extern "C" fn(c_int, *mut SigInfo, *mut c_void) = handler;
    let ours = KernelSigaction::new(entry as usize, flags);
    let system = |errno| Error::System { call: "rt_sigaction", errno };
    let before = sys::sigaction(sys::SIGNAL, None).map_err(system)?;
    if before.handler != ours.handler {
        PREVIOUS_HANDLER.store(before.handler, Release);
        PREVIOUS_FLAGS.store(before.flags, Release);
        PREVIOUS.set(before);
        sys::sigaction(sys::SIGNAL, Some(&ours)).map_err(system)?;
    }
    INSTALLED.store(1, Release);
    Ok(())
}

/// A value for whoever has the turn.
struct OfTheTurn<T>(UnsafeCell<T>);
// SAFETY: reached only by the thread that has the turn.
unsafe impl<T> Sync for OfTheTurn<T> {}
impl<T: Copy> OfTheTurn<T> {
    fn set(&self, value: T) {
        // SAFETY: only the thread with the turn gets here.
        unsafe { *self.0.get() = value }
    }
    fn get(&self) -> T {
        // SAFETY: only the thread with the turn gets here.
        unsafe { *self.0.get() }
    }
}
static PREVIOUS: OfTheTurn<KernelSigaction> = OfTheTurn(UnsafeCell::new(KernelSigaction::DEFAULT));

/// The last session, which threads on their way out may still read.
#[derive(Clone, Copy)]
struct Retired {
    memory: *mut u8,
    bytes: usize,
    pid: i32,
}
const NONE: Retired = Retired { memory: core::ptr::null_mut(), bytes: 0, pid: 0 };
static RETIRED: OfTheTurn<Retired> = OfTheTurn(UnsafeCell::new(NONE));

/// Unmaps the last session if all have left it. With the patience of a deadline, waits for that; a session that somebody stays
/// in even then is kept for ever.
fn let_retired_go(deadline: Duration) {
    let Retired { memory, bytes, pid } = RETIRED.get();
    if memory.is_null() {
        return;
    }
    // SAFETY: set with a session that is still mapped.
    let session = unsafe { &*memory.cast::<Session>() };
    let target = session.target.load(SeqCst);
    let mut patience = Patience::new(deadline);
    loop {
        let left = session.left.load(SeqCst);
        if pid != sys::getpid() {
            // The child of a fork, or of somebody who shares memory with it.
            RETIRED.set(NONE);
            return;
        }
        if left >= target {
            RETIRED.set(NONE);
            // SAFETY: every signal sent was answered, and every thread that answered has left.
            unsafe { sys::unmap(memory, bytes) };
            return;
        }
        if patience.left.is_zero() {
            if !deadline.is_zero() {
                RETIRED.set(NONE);
            }
            return;
        }
        let slice = sys::now();
        sys::futex_wait(&session.left, left, Some(SLICE));
        patience.spend(sys::now().saturating_sub(slice), SLICE);
    }
}

fn restore() {
    // Ours only: with the first pthread_create(3), libc puts its own in place.
    let ours: extern "C" fn(c_int, *mut SigInfo, *mut c_void) = handler;
    let now = sys::insist(|| sys::sigaction(sys::SIGNAL, None));
    let is_ours = now.map_or(true, |now| now.handler == ours as usize);
    if INSTALLED.swap(0, SeqCst) == 1 && is_ours {
        let _ = sys::insist(|| sys::sigaction(sys::SIGNAL, Some(&PREVIOUS.get())));
    }
}

impl Meeting<'_> {
    /// Parks every thread there is, or says why not.
    fn gather(&mut self) -> Result<(), Off> {
        let mut quiet = 0;
        let mut pause = Duration::from_micros(50);
        let mut guessed = self.guess()?;
        loop {
            // What was guessed stands for the first sweep; the count tells whether it was enough.
            let new = core::mem::take(&mut guessed) || self.sweep()?;
            self.wait_until_parked()?;
            let skipped = self
                .each_used()
                .filter(|slot| slot.state.load(Relaxed) == SKIPPED && slot.sweep.load(Relaxed) == self.sweep);
            let known = 1 + self.session.parked.load(SeqCst) as usize + skipped.count();
            let count = thread_count(self.tasks).map_err(Off::Because)?;
            quiet = if new { 0 } else { quiet + 1 };
            // The count is exact. Where /proc has none to give (0), two sweeps that find nothing new have to do.
            if (count == known && self.skipped_are_there()) || (count == 0 && quiet >= 2) {
                break;
            }
            if sys::now().saturating_sub(self.start) > self.caller.deadline * 4 {
                let parked = self.session.parked.load(SeqCst) as usize;
                return Err(Off::Because(Error::ThreadsKeepComing { parked }));
            }
            if !new {
                self.counts_as_here()?;
                sys::futex_wait(&self.session.bell, self.session.bell.load(SeqCst), Some(pause));
                pause = (pause * 2).min(SLICE);
            }
        }
        // SAFETY: written, if at all, before its thread was counted as parked, and all are.
        if let Some((tid, problem)) = unsafe { *self.session.problem.get() } {
            return Err(Off::Because(self.refusal(tid, problem)));
        }
        Ok(())
    }

    /// Signals threads before reading the task folder, which costs more than the signals: threads made one after the other
    /// mostly have numbers one after the other. Says whether that has found as many as there are.
    fn guess(&mut self) -> Result<bool, Off> {
        const WORTH_IT: usize = 16;
        let count = thread_count(self.tasks).map_err(Off::Because)?;
        if count < WORTH_IT || !self.counts_as_here()? {
            return Ok(false);
        }
        self.sweep += 1;
        let mut missed = 0;
        // The first thread's number is the process's. Numbers of other processes' threads are told by the kernel (ESRCH).
        for tid in self.pid..=i32::MAX {
            if self.used - missed + 1 == count {
                return Ok(true);
            }
            if missed > count / 8 {
                break;
            }
            if tid != self.tid {
                // A refusal is for the sweep to tell, of a thread that is there.
                if self.meet(tid).is_err() {
                    break;
                }
                missed += usize::from(self.slots[self.used - 1].state.load(SeqCst) == DEAD);
            }
        }
        Ok(false)
    }

    /// Whether /proc counts as this process does: then a thread has one number there (proc_pid_status(5), NSpid). Says so where the
    /// kernel tells, since Linux 4.1; refuses a /proc of another pid namespace, which may have this thread's number too.
    fn counts_as_here(&self) -> Result<bool, Off> {
        let mut room = [0; 4096];
        let len = read_of(self.tasks.raw(), self.tid, c"status", &mut room).unwrap_or(0);
        let mut lines = room[..len].split(|&byte| byte == b'\n');
        match lines.find_map(|line| line.strip_prefix(b"NSpid:\t")) {
            Some(numbers) if numbers.contains(&b'\t') => Err(Off::Because(FOREIGN_PROC)),
            numbers => Ok(numbers.is_some()),
        }
    }

    /// Whether those skipped in this sweep were there when the threads were counted: one that had ended by then would stand
    /// for one that is new and not parked. One that has ended is looked for again, since its number may be given away.
    fn skipped_are_there(&self) -> bool {
        let skipped = self
            .each_used()
            .filter(|slot| slot.state.load(Relaxed) == SKIPPED && slot.sweep.load(Relaxed) == self.sweep);
        let mut all = true;
        for slot in skipped {
            if !matches!(
                self.look_at(slot.tid.load(Relaxed)),
                Look::Ended | Look::Worker { carries_credentials: false }
            ) {
                slot.state.store(DEAD, SeqCst);
                all = false;
            }
        }
        all
    }

    fn each_used(&self) -> impl Iterator<Item = &Slot> {
        self.slots[..self.used].iter()
    }

    fn refusal(&self, tid: i32, problem: ThreadProblem) -> Error {
        Error::Thread { tid, comm: self.text_of(tid, c"comm"), problem }
    }

    /// Reads the task folder once and signals what it has not signalled yet. Says whether there was any.
    fn sweep(&mut self) -> Result<bool, Off> {
        let system = |call| move |errno| Off::Because(Error::System { call, errno });
        self.sweep += 1;
        let mut new = false;
        let mut self_seen = false;
        sys::rewind(self.tasks.raw()).map_err(system("lseek of /proc/self/task"))?;
        loop {
            // Out of `self` meanwhile, which signalling needs as a whole.
            let room = core::mem::take(&mut self.names);
            let names = sys::getdents(self.tasks.raw(), room).map_err(system("getdents64 of /proc/self/task"))?;
            if names.is_empty() {
                self.names = room;
                break;
            }
            for name in names {
                // "." and ".." become 0
                let digits = name.iter().take_while(|byte| byte.is_ascii_digit());
                let tid = digits.fold(0i32, |tid, &byte| tid.wrapping_mul(10).wrapping_add(i32::from(byte - b'0')));
                if tid == self.tid {
                    self_seen = true;
                } else if tid != 0 {
                    new |= self.meet(tid)?;
                }
            }
            self.names = room;
        }
        if !self_seen {
            return Err(Off::Because(FOREIGN_PROC));
        }
        Ok(new)
    }

    /// Makes sure that a thread found has been signalled. Says whether it was new.
    fn meet(&mut self, tid: i32) -> Result<bool, Off> {
        let mask = self.table.len() - 1;
        let mut at = (tid as usize).wrapping_mul(0x9e37_79b1) & mask;
        loop {
            match self.table[at] {
                0 => break,
                index => {
                    let slot = &self.slots[index as usize - 1];
                    if slot.tid.load(Relaxed) == tid {
                        slot.sweep.store(self.sweep, Relaxed);
                        if slot.state.load(SeqCst) == DEAD {
                            // the number was given to a new thread
                            slot.state.store(SIGNALLED, SeqCst);
                            return self.signal(index as usize - 1).map(|()| true);
                        }
                        return Ok(false);
                    }
                }
            }
            at = (at + 1) & mask;
        }
        if self.used == self.slots.len() {
            return Err(Off::NoRoom);
        }
        let index = self.used;
        self.used += 1;
        self.table[at] = index as u32 + 1;
        let slot = &self.slots[index];
        slot.tid.store(tid, SeqCst);
        slot.sweep.store(self.sweep, Relaxed);
        slot.state.store(SIGNALLED, SeqCst);
        self.signal(index).map(|()| true)
    }

    fn signal(&self, index: usize) -> Result<(), Off> {
        let slot = &self.slots[index];
        let tid = slot.tid.load(Relaxed);
        slot.unsent.store(0, Relaxed);
        match sys::queue_signal(self.pid, tid, Payload { generation: self.session.generation, slot: index as u32 }) {
            Ok(()) => Ok(()),
            // it has ended
            Err(Errno(libc::ESRCH)) => {
                slot.state.store(DEAD, SeqCst);
                Ok(())
            }
            // the queue is full (RLIMIT_SIGPENDING): again when others have taken theirs
            Err(Errno(libc::EAGAIN)) => {
                slot.unsent.store(1, Relaxed);
                Ok(())
            }
            Err(errno) => {
                slot.state.store(DEAD, SeqCst);
                Err(Off::Because(self.refusal(tid, ThreadProblem::Signal(errno))))
            }
        }
    }

    /// Waits until every thread signalled is parked, has ended or is known not to take part.
    fn wait_until_parked(&mut self) -> Result<(), Off> {
        let deadline = self.caller.deadline;
        let (mut patience, mut in_all) = (Patience::new(deadline), Patience::new(deadline * 10));
        let mut last_parked = u32::MAX;
        let mut next = 0;
        loop {
            let target =
                self.each_used().filter(|slot| matches!(slot.state.load(SeqCst), SIGNALLED | PARKED | COUNTED)).count()
                    as u32;
            self.session.target.store(target, SeqCst);
            let bell = self.session.bell.load(SeqCst);
            if self.session.parked.load(SeqCst) >= target {
                return Ok(());
            }
            let slice = sys::now();
            sys::futex_wait(&self.session.bell, bell, Some(SLICE));
            let slice = sys::now().saturating_sub(slice);
            let late = patience.spend(slice, SLICE) | in_all.spend(slice, SLICE);
            let parked = self.session.parked.load(SeqCst);
            if parked != last_parked && !late {
                last_parked = parked;
                patience = Patience::new(deadline);
                if parked < target {
                    self.send_unsent()?;
                }
                continue;
            }
            self.send_unsent()?;
            // A few at a time: reading /proc for thousands would take longer than they need to park.
            for _ in 0..self.used.min(LOOKS) {
                next = if next + 1 < self.used { next + 1 } else { 0 };
                self.look_after(next)?;
            }
            if late {
                // All of them, since the one that is to blame may not have been looked at yet.
                for index in 0..self.used {
                    self.look_after(index)?;
                    let slot = &self.slots[index];
                    // One that is PARKED was stopped in the handler, before it could be counted.
                    if matches!(slot.state.load(SeqCst), SIGNALLED | PARKED)
                        && let Look::Alive(doing) = self.look_at(slot.tid.load(Relaxed))
                        && matches!(slot.state.load(SeqCst), SIGNALLED | PARKED)
                    {
                        let problem = match slot.unsent.load(Relaxed) {
                            1 => ThreadProblem::Signal(Errno(libc::EAGAIN)),
                            _ => ThreadProblem::Deadline(doing),
                        };
                        return Err(Off::Because(self.refusal(slot.tid.load(Relaxed), problem)));
                    }
                }
            }
        }
    }

    fn send_unsent(&self) -> Result<(), Off> {
        for (index, slot) in self.each_used().enumerate() {
            if slot.unsent.load(Relaxed) == 1 && slot.state.load(SeqCst) == SIGNALLED {
                self.signal(index)?;
            }
        }
        Ok(())
    }

    /// Looks at a thread that has not answered: whether it still can, and whether it has lost its signal.
    fn look_after(&mut self, index: usize) -> Result<(), Off> {
        self.bury(index);
        let slot = &self.slots[index];
        if slot.state.load(SeqCst) != SIGNALLED || slot.unsent.load(Relaxed) == 1 {
            return Ok(());
        }
        let tid = slot.tid.load(Relaxed);
        match self.look_at(tid) {
            Look::Gone => slot.state.store(DEAD, SeqCst),
            // Neither comes back to where handlers run, so the signal is never answered.
            Look::Ended | Look::Worker { carries_credentials: false } => {
                let _ = slot.state.compare_exchange(SIGNALLED, SKIPPED, SeqCst, SeqCst);
            }
            Look::Worker { carries_credentials: true } => {
                return Err(Off::Because(self.refusal(tid, ThreadProblem::KernelWorker)));
            }
            Look::Alive(doing) => {
                // Somebody may have taken the signal: a raw sigtimedwait(2), a debugger, another handler. One that was seen
                // before is sent again; then it may come twice, and late.
                let seen = slot.lost.fetch_add(u32::from(!doing.pending), Relaxed);
                if !doing.pending && seen >= LOST_AFTER && slot.state.load(SeqCst) == SIGNALLED {
                    slot.lost.store(0, Relaxed);
                    self.outstanding = true;
                    return self.signal(index);
                }
            }
        }
        Ok(())
    }

    /// The deadline is for parking, and may be a millisecond; one that has parked is given longer before the process ends.
    fn patience_with_parked(&self) -> Patience {
        Patience::new(self.caller.deadline.max(Duration::from_secs(5)))
    }

    /// Whether a thread has ended inside our handler: its own seccomp filter kills it for a call made there.
    fn ended_inside(&self, index: usize) -> bool {
        let slot = &self.slots[index];
        matches!(slot.state.load(SeqCst), PARKED | COUNTED)
            && matches!(self.look_at(slot.tid.load(Relaxed)), Look::Gone | Look::Ended)
            // it may have left and ended in good order since
            && matches!(slot.state.load(SeqCst), PARKED | COUNTED)
    }

    /// Takes out of the count, before anything changes, a thread that has ended inside our handler.
    fn bury(&self, index: usize) -> bool {
        let slot = &self.slots[index];
        let state = slot.state.load(SeqCst);
        let ended = self.ended_inside(index);
        if ended {
            slot.state.store(DEAD, SeqCst);
            if state == COUNTED {
                self.session.parked.fetch_sub(1, SeqCst);
            }
        }
        ended
    }

    /// Waits until every parked thread has committed. One that does not come back is the end.
    fn wait_until_done(&mut self, parked: u32) {
        let mut last = 0;
        let mut next = 0;
        let mut patience = self.patience_with_parked();
        loop {
            let done = self.session.done.load(SeqCst);
            if done >= parked {
                return;
            }
            if done != last {
                last = done;
                patience = self.patience_with_parked();
            }
            let slice = sys::now();
            sys::futex_wait(&self.session.done, done, Some(SLICE * 10));
            // Those that were to wake others may be stopped by a debugger.
            sys::futex_wake(&self.session.phase, CHAINS);
            if patience.spend(sys::now().saturating_sub(slice), SLICE * 10) {
                let tid = self
                    .each_used()
                    .find(|slot| slot.state.load(Relaxed) == COUNTED)
                    .map_or(0, |slot| slot.tid.load(Relaxed));
                if let Look::Alive(doing) = self.look_at(tid) {
                    sys::die(format_args!("{WHY} {tid}: it comes to no end ({doing})"))
                }
                die(tid, Fault { step: Step::ReadBack, errno: Errno(libc::ETIMEDOUT) });
            }
            for _ in 0..self.used.min(LOOKS) {
                next = if next + 1 < self.used { next + 1 } else { 0 };
                if self.ended_inside(next) {
                    // What it held (locks, memory half written) is nobody's now.
                    let tid = self.slots[next].tid.load(Relaxed);
                    sys::die(format_args!("{WHY} {tid}: it was killed (by a seccomp filter of its own?)"))
                }
            }
        }
    }

    /// Lets all go, nothing changed.
    fn release(&mut self) {
        // Those on their way here are waited for a moment: only a signal that was answered cannot come later.
        let mut patience = Patience::new(SLICE * 50);
        while self.each_used().any(|slot| slot.state.load(SeqCst) == SIGNALLED && slot.unsent.load(Relaxed) == 0) {
            let slice = sys::now();
            sys::futex_wait(&self.session.bell, self.session.bell.load(SeqCst), Some(SLICE));
            if patience.spend(sys::now().saturating_sub(slice), SLICE) {
                break;
            }
        }
        let mut answered = 0;
        for slot in self.each_used() {
            match slot.state.compare_exchange(SIGNALLED, CANCELLED, SeqCst, SeqCst) {
                Ok(_) => {}
                Err(PARKED | COUNTED | LEFT) => answered += 1,
                Err(_) => {}
            }
        }
        if self.each_used().any(|slot| slot.state.load(Relaxed) == CANCELLED) {
            self.outstanding = true;
        }
        self.session.target.store(answered, SeqCst);
        self.session.phase.store(RELEASE, SeqCst);
        sys::futex_wake(&self.session.phase, ALL);
        // The script is on the caller's stack: whoever has answered must be past reading it before it goes.
        let mut next = 0;
        let mut patience = self.patience_with_parked();
        loop {
            let bell = self.session.bell.load(SeqCst);
            if self.session.parked.load(SeqCst) >= answered {
                break;
            }
            let slice = sys::now();
            sys::futex_wait(&self.session.bell, bell, Some(SLICE));
            if patience.spend(sys::now().saturating_sub(slice), SLICE) {
                let stuck = self.each_used().find(|slot| slot.state.load(SeqCst) == PARKED);
                let tid = stuck.map_or(0, |slot| slot.tid.load(Relaxed));
                sys::die(format_args!(
                    "aborting: thread {tid} was stopped while it looked at itself (by a debugger?) and cannot be let go; \
                     nothing was changed"
                ))
            }
            for _ in 0..self.used.min(LOOKS) {
                next = if next + 1 < self.used { next + 1 } else { 0 };
                answered -= u32::from(self.bury(next));
            }
        }
        // As many as will leave.
        self.session.target.store(answered, SeqCst);
    }

    fn text_of(&self, tid: i32, what: &CStr) -> Word {
        let mut room = [0; 128];
        let len = read_of(self.tasks.raw(), tid, what, &mut room).unwrap_or(0);
        let text = &room[..len];
        Word::new(text.strip_suffix(b"\n").unwrap_or(text))
    }

    /// What /proc says of a thread that has not answered.
    fn look_at(&self, tid: i32) -> Look {
        let mut room = [0; 1024];
        let unknown = Doing { state: 0, blocks_signal: false, tracer: 0, pending: true, wchan: Word::new(b"") };
        let len = match read_of(self.tasks.raw(), tid, c"stat", &mut room) {
            Ok(len) => len,
            Err(Errno(libc::ENOENT | libc::ESRCH)) => return Look::Gone,
            // No descriptor left, say: it may be there.
            Err(_) => return Look::Alive(unknown),
        };
        let Some(stat) = stat_of(&room[..len]) else { return Look::Alive(unknown) };
        if stat.has_ended() {
            return Look::Ended;
        }
        // include/linux/sched.h: PF_IO_WORKER 0x10, PF_USER_WORKER 0x4000
        if stat.flags & 0x4010 != 0 {
            return Look::Worker { carries_credentials: !stat.name.starts_with(b"iou-wrk-") };
        }
        let mut status = [0; 4096];
        let len = read_of(self.tasks.raw(), tid, c"status", &mut status).unwrap_or(0);
        let mut doing = Doing {
            state: stat.state,
            blocks_signal: false,
            tracer: 0,
            pending: false,
            wchan: self.text_of(tid, c"wchan"),
        };
        for line in status[..len].split(|&byte| byte == b'\n') {
            if let Some(number) = line.strip_prefix(b"TracerPid:\t") {
                doing.tracer = number
                    .iter()
                    .fold(0i32, |sum, &byte| sum.wrapping_mul(10).wrapping_add(i32::from(byte.wrapping_sub(b'0'))));
            } else if let Some(mask) = line.strip_prefix(b"SigBlk:\t") {
                doing.blocks_signal = has_signal(mask);
            } else if let Some(mask) = line.strip_prefix(b"SigPnd:\t") {
                doing.pending = has_signal(mask);
            }
        }
        Look::Alive(doing)
    }
}

/// Reads the beginning of a file of a thread's folder.
fn read_of(tasks: c_int, tid: i32, what: &CStr, room: &mut [u8]) -> Result<usize, Errno> {
    let mut path = [0u8; 48];
    let mut at = 0;
    let mut digits = [0u8; 12];
    let mut left = tid.unsigned_abs();
    let mut n = 0;
    while left > 0 || n == 0 {
        digits[n] = b'0' + (left % 10) as u8;
        left /= 10;
        n += 1;
    }
    for digit in digits[..n].iter().rev() {
        path[at] = *digit;
        at += 1;
    }
    path[at] = b'/';
    at += 1;
    for &byte in what.to_bytes() {
        path[at] = byte;
        at += 1;
    }
    let path = CStr::from_bytes_until_nul(&path).map_err(|_| Errno(libc::ENAMETOOLONG))?;
    let file = sys::openat(tasks, path, libc::O_RDONLY)?;
    let mut len = 0;
    while len < room.len() {
        match sys::read(file.raw(), &mut room[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(errno) if len == 0 => return Err(errno),
            Err(_) => break,
        }
    }
    Ok(len)
}

/// What is needed of a thread's stat file.
struct Stat<'a> {
    name: &'a [u8],
    state: u8,
    flags: u64,
}

impl Stat<'_> {
    fn has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// proc_pid_stat(5): the name stands in parentheses and may hold any; then state, and the flags as field 9.
fn stat_of(text: &[u8]) -> Option<Stat<'_>> {
    let close = text.iter().rposition(|&byte| byte == b')')?;
    let open = text.iter().position(|&byte| byte == b'(').unwrap_or(0);
    let name = text.get(open + 1..close).unwrap_or(b"");
    let mut fields = text.get(close + 2..).unwrap_or(b"").split(|&byte| byte == b' ');
    let state = fields.next().and_then(|field| field.first().copied()).unwrap_or(0);
    let flags = fields.nth(5).map_or(0, |field| {
        field.iter().fold(0u64, |sum, &byte| sum.wrapping_mul(10).wrapping_add(u64::from(byte.wrapping_sub(b'0'))))
    });
    Some(Stat { name, state, flags })
}

/// Whether a mask of /proc/PID/status has the rendezvous' signal.
fn has_signal(mask: &[u8]) -> bool {
    let mask = mask.iter().fold(0u64, |sum, &byte| sum << 4 | u64::from(char::from(byte).to_digit(16).unwrap_or(0)));
    mask >> (sys::SIGNAL - 1) & 1 != 0
}

const FOREIGN_PROC: Error =
    Error::Proc { problem: "it shows another pid namespace, and not the numbers this process has; mount this one's" };

enum Look {
    Gone,
    Ended,
    Worker { carries_credentials: bool },
    Alive(Doing),
}
