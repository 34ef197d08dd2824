//! What the threads of one call share.
//!
//! Memory order: everything a stopped thread reads (context, slots) is written before the signal that makes it look, and the
//! signal's delivery orders that; what it writes (its slot, a problem) is published by the SeqCst increments of `stopped` and
//! `done`, which the caller reads before it looks there. `phase` and `gate` are stored before a futex wake and loaded after it.

use core::cell::UnsafeCell;
use core::ffi::c_int;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicU32, AtomicU64};
use core::time::Duration;

use super::error::ThreadProblem;
use crate::execute::{Context, Seen};
use crate::plan::Credentials;
use crate::sys;

/// What stopped threads are to do.
pub(super) struct Phase;
impl Phase {
    pub(super) const WAIT: u32 = 0;
    pub(super) const COMMIT: u32 = 1;
    pub(super) const RELEASE: u32 = 2;
}

/// Whether threads that have committed may go back to their work.
pub(super) struct Gate;
impl Gate {
    pub(super) const CLOSED: u32 = 0;
    pub(super) const OPEN: u32 = 1;
}

/// Number of wake-up chains the caller starts. Each woken thread wakes another before its own work: a caller that woke all would be
/// at it for as long as their work takes, and all would come for the same processors at once.
pub(super) const WAKE_CHAINS: u32 = 4;
/// Threads woken by each that leaves.
pub(super) const WAKE_FANOUT: u32 = 2;
pub(super) const ALL: u32 = u32::MAX >> 1;

/// What is known of one thread.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The slot is not in use.
    Unused = 0,
    /// Its signal was sent.
    Signalled = 1,
    /// It is in the handler.
    Entered = 2,
    /// It takes no signal, and needs none.
    Skipped = 3,
    Dead = 4,
    /// Its signal was sent and not answered when the call was called off.
    Cancelled = 5,
    /// It has planned and is counted as stopped. One that ends while it is `Entered` or `Stopped` was killed in the handler.
    Stopped = 6,
    /// It has committed, and waits at the gate.
    Committed = 7,
    /// It has left the session's memory.
    Left = 8,
}

/// One thread.
#[repr(C, align(64))]
pub(super) struct Slot {
    pub(super) tid: AtomicI32,
    state: AtomicU32,
    /// The scan that last saw it.
    pub(super) scan: AtomicU32,
    /// Whether its signal still has to be sent: the queue was full.
    pub(super) queue_full: AtomicU32,
    /// How often its signal was found to be neither pending nor answered.
    pub(super) missed: AtomicU32,
    /// Where the caller reads its state.
    pub(super) read_by_caller: AtomicPtr<ReadByCaller>,
}

/// What a thread has seen of itself, and what the caller has read of it.
pub(super) struct ReadByCaller {
    pub(super) seen: Seen,
    pub(super) held: UnsafeCell<Option<Credentials>>,
}

impl ReadByCaller {
    pub(super) fn new(seen: Seen) -> ReadByCaller {
        ReadByCaller { seen, held: UnsafeCell::new(None) }
    }
}

impl Slot {
    pub(super) fn state(&self) -> u32 {
        self.state.load(SeqCst)
    }

    pub(super) fn is(&self, state: State) -> bool {
        self.state() == state as u32
    }

    pub(super) fn is_in_handler(&self) -> bool {
        self.is(State::Entered) || self.is(State::Stopped)
    }

    pub(super) fn set(&self, state: State) {
        self.state.store(state as u32, SeqCst);
    }

    /// Says whether it was `from`.
    pub(super) fn change(&self, from: State, to: State) -> bool {
        self.state.compare_exchange(from as u32, to as u32, SeqCst, SeqCst).is_ok()
    }

    /// As new.
    fn clear(&self) {
        self.set(State::Unused);
        self.tid.store(0, Relaxed);
        self.scan.store(0, Relaxed);
        self.queue_full.store(0, Relaxed);
        self.missed.store(0, Relaxed);
        self.read_by_caller.store(core::ptr::null_mut(), Relaxed);
    }
}

/// A word on a cache line of its own.
#[repr(C, align(64))]
pub(super) struct CacheLine(AtomicU32);

impl core::ops::Deref for CacheLine {
    type Target = AtomicU32;
    fn deref(&self) -> &AtomicU32 {
        &self.0
    }
}

#[repr(C)]
pub(super) struct Session {
    /// The caller's descriptor of /proc/self/task.
    pub(super) tasks: c_int,
    pub(super) pid: i32,
    /// The thread that calls.
    pub(super) caller: i32,
    // What many wait on and what many count up have a cache line each.
    pub(super) phase: CacheLine,
    pub(super) gate: CacheLine,
    pub(super) stopped: CacheLine,
    pub(super) done: CacheLine,
    pub(super) left: CacheLine,
    /// The count of stopped threads that the caller waits for.
    pub(super) awaited: AtomicU32,
    /// What the caller sleeps on while threads are being stopped.
    pub(super) caller_futex: AtomicU32,
    /// Whether a filter may look at the caller.
    pub(super) caller_filtered: bool,
    /// How long the caller may take for what it does next, in nanoseconds.
    caller_limit: AtomicU64,
    /// Counts what it has done so far.
    pub(super) caller_progress: AtomicU32,
    /// Whether a thread that follows has set ids.
    pub(super) sets_ids: AtomicU32,
    pub(super) problems: AtomicU32,
    /// The first of them, and whose it is.
    pub(super) problem: UnsafeCell<Option<(i32, ThreadProblem)>>,
    pub(super) context: *const Context<'static>,
    pub(super) capacity: usize,
    /// How many of the slots are in use.
    pub(super) used: AtomicU32,
    table_len: usize,
}

impl Session {
    const SLOTS_AT: usize = size_of::<Session>().next_multiple_of(align_of::<Slot>());

    pub(super) fn slots(&self) -> &[Slot] {
        // SAFETY: a session is followed by as many slots in its mapping.
        unsafe {
            let base = core::ptr::from_ref(self).cast::<u8>();
            core::slice::from_raw_parts(base.add(Session::SLOTS_AT).cast::<Slot>(), self.capacity)
        }
    }

    /// From thread id to slot + 1: open addressing. Written by the caller.
    pub(super) fn table(&self) -> &[AtomicU32] {
        // SAFETY: the slots are followed by the table.
        unsafe {
            let base = core::ptr::from_ref(self).cast::<u8>();
            let at = Session::SLOTS_AT + self.capacity * size_of::<Slot>();
            core::slice::from_raw_parts(base.add(at).cast::<AtomicU32>(), self.table_len)
        }
    }

    /// Where a thread is in the table, or would be.
    pub(super) fn place_of(&self, tid: i32) -> usize {
        let mask = self.table_len - 1;
        let mut at = (tid as usize).wrapping_mul(0x9e37_79b1) & mask;
        loop {
            match self.table()[at].load(SeqCst) {
                0 => return at,
                index if self.slots()[index as usize - 1].tid.load(Relaxed) == tid => return at,
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// The slot of a thread: `hint` is what its signal carries, which may be one of an earlier call.
    pub(super) fn slot_of(&self, tid: i32, hint: usize) -> Option<&Slot> {
        let slots = self.slots();
        if let Some(slot) = slots.get(hint)
            && slot.tid.load(SeqCst) == tid
        {
            return Some(slot);
        }
        match self.table()[self.place_of(tid)].load(SeqCst) {
            0 => None,
            index => slots.get(index as usize - 1),
        }
    }

    pub(super) fn wake_caller(&self) {
        self.caller_futex.fetch_add(1, SeqCst);
        sys::futex_wake(&self.caller_futex, 1);
    }

    pub(super) fn caller_limit(&self) -> Duration {
        Duration::from_nanos(self.caller_limit.load(SeqCst))
    }

    /// Gives the caller so long from now on.
    pub(super) fn limit_caller(&self, limit: Duration) {
        self.caller_limit.store(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX), SeqCst);
        self.tell_progress();
    }

    /// Gives the caller as long once more.
    pub(super) fn tell_progress(&self) {
        self.caller_progress.fetch_add(1, SeqCst);
    }
}

/// The memory of a session, and a buffer for names of the directory behind it. Kept from call to call, and never unmapped: nothing
/// tells when the last handler has left that came late. Each is twice as large as the one before, so that all take twice the last.
#[derive(Clone, Copy)]
pub(super) struct Mapping {
    at: *mut u8,
    capacity: usize,
}

const NAMES: usize = 32 << 10;

impl Mapping {
    pub(super) const NONE: Mapping = Mapping { at: core::ptr::null_mut(), capacity: 0 };

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    fn table_len(capacity: usize) -> usize {
        (capacity * 2).next_power_of_two()
    }

    fn names_at(capacity: usize) -> usize {
        let table = Session::SLOTS_AT + capacity * size_of::<Slot>();
        (table + Mapping::table_len(capacity) * 4).next_multiple_of(8)
    }

    pub(super) fn new(capacity: usize) -> sys::Result<Mapping> {
        let capacity = capacity.next_power_of_two();
        let bytes = (Mapping::names_at(capacity) + NAMES).next_multiple_of(4096);
        Ok(Mapping { at: sys::map(bytes, false)?, capacity })
    }

    /// The session of the last call, if there was one.
    pub(super) fn session(&self) -> Option<&'static Session> {
        // SAFETY: NULL, or a mapping that begins with a session. It is never unmapped.
        unsafe { self.at.cast::<Session>().as_ref() }
    }

    /// Starts a session there.
    ///
    /// # Safety
    /// No thread uses the last one: all have left it.
    pub(super) unsafe fn start(
        &self,
        pid: i32,
        caller: i32,
        tasks: c_int,
        context: *const Context<'static>,
        caller_filtered: bool,
        limit: Duration,
    ) -> (&'static Session, &'static mut [u64]) {
        let line = || CacheLine(AtomicU32::new(0));
        // SAFETY: the mapping is large enough for the parts, which do not overlap. Zeros are valid slots and table entries, as those
        // of an earlier session are. A late handler that looks here meanwhile finds no slot of its own, or one that is not signalled.
        unsafe {
            let session = self.at.cast::<Session>();
            session.write(Session {
                tasks,
                pid,
                caller,
                phase: line(),
                gate: line(),
                stopped: line(),
                done: line(),
                left: line(),
                awaited: AtomicU32::new(u32::MAX),
                caller_futex: AtomicU32::new(0),
                caller_filtered,
                caller_limit: AtomicU64::new(limit.as_nanos() as u64),
                caller_progress: AtomicU32::new(0),
                sets_ids: AtomicU32::new(0),
                problems: AtomicU32::new(0),
                problem: UnsafeCell::new(None),
                context,
                capacity: self.capacity,
                used: AtomicU32::new(0),
                table_len: Mapping::table_len(self.capacity),
            });
            let names = self.at.add(Mapping::names_at(self.capacity)).cast::<u64>();
            (&*session, core::slice::from_raw_parts_mut(names, NAMES / 8))
        }
    }

    /// Makes the slots that the last session has used, and the table, as new again.
    pub(super) fn clear(&self) {
        let Some(session) = self.session() else { return };
        let used = session.used.load(Relaxed) as usize;
        session.table().iter().for_each(|entry| entry.store(0, Relaxed));
        session.slots()[..used].iter().for_each(Slot::clear);
    }
}
