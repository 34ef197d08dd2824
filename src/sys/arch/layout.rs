//! Types that the architectures fill in, and what several of them share.

use core::ffi::{c_int, c_long, c_void};
use core::time::Duration;

/// What a system call gives: a value, or the number of an error.
pub(crate) type Outcome = Result<usize, c_int>;

/// What a child made by `clone_call` runs: it must end by exit(2).
pub(crate) type Body = extern "C" fn(*mut c_void) -> c_int;

/// The last 4095 values are errors (include/linux/err.h). Not so on every architecture.
#[inline(always)]
#[allow(dead_code)]
pub(super) fn outcome(value: usize) -> Outcome {
    if value > -4096isize as usize { Err(-(value as isize) as c_int) } else { Ok(value) }
}

/// How mmap(2) takes its six arguments. A number is a constant of libc's.
#[allow(dead_code)]
pub(super) enum Mmap {
    /// As any call. The last is an offset in bytes or in pages; it is 0 here.
    Registers(c_long),
    /// By the address of six longs.
    Memory(c_long),
}

const WORDS: usize = 64 / usize::BITS as usize;

/// A signal mask as the kernel has it: words, the first of which has signal 1 as its lowest bit.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignalMask([usize; WORDS]);

impl SignalMask {
    pub(crate) const ALL: SignalMask = SignalMask([usize::MAX; WORDS]);

    /// Without one signal.
    pub(crate) const fn without(mut self, signal: c_int) -> SignalMask {
        let bit = signal as u32 - 1;
        self.0[(bit / usize::BITS) as usize] &= !(1 << (bit % usize::BITS));
        self
    }
}

impl From<u64> for SignalMask {
    fn from(mask: u64) -> SignalMask {
        SignalMask(core::array::from_fn(|word| (mask >> (word as u32 * usize::BITS)) as usize))
    }
}

impl From<SignalMask> for u64 {
    fn from(SignalMask(words): SignalMask) -> u64 {
        words.iter().enumerate().fold(0, |mask, (word, &bits)| mask | (bits as u64) << (word as u32 * usize::BITS))
    }
}

/// The kernel's struct sigaction, not libc's: with one restorer where asm/signal.h defines SA_RESTORER, else with none
/// (include/linux/signal_types.h).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sigaction<const RESTORERS: usize> {
    pub(crate) handler: usize,
    pub(crate) flags: usize,
    pub(crate) restorer: [usize; RESTORERS],
    pub(crate) mask: SignalMask,
}

impl<const RESTORERS: usize> Sigaction<RESTORERS> {
    pub(crate) const DEFAULT: Self =
        Sigaction { handler: libc::SIG_DFL, flags: 0, restorer: [0; RESTORERS], mask: SignalMask([0; WORDS]) };
}

/// The kernel's timespec of futex(2) and timer_settime(2): two longs. libc's may be of 64 bits on a 32-bit machine, which is for other
/// calls (futex_time64).
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Timespec {
    pub(crate) sec: c_long,
    pub(crate) nsec: c_long,
}

impl From<Duration> for Timespec {
    fn from(time: Duration) -> Timespec {
        Timespec { sec: c_long::try_from(time.as_secs()).unwrap_or(c_long::MAX), nsec: time.subsec_nanos() as c_long }
    }
}

/// The kernel's struct stat64 of fstat64(2), which arm and x86 have alike but for the alignment of 64 bits. libc's may have times of 64
/// bits (musl; glibc where programs are built so), and the fields elsewhere.
#[cfg(target_pointer_width = "32")]
#[repr(C)]
pub(crate) struct Stat {
    pub(crate) st_dev: u64,
    pads: [u32; 2],
    pub(crate) st_mode: u32,
    pub(crate) st_nlink: u32,
    pub(crate) st_uid: u32,
    pub(crate) st_gid: u32,
    rdev: u64,
    pad: u32,
    pub(crate) st_size: i64,
    block_size: u32,
    blocks: u64,
    times: [u32; 6],
    pub(crate) st_ino: u64,
}
