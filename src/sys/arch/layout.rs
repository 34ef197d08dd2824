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

/// Defines `syscall6` and `clone_call`: which registers they use, and how they give what `outcome` takes. The block is unsafe code; what
/// clone(2) makes has the stack given, and does not leave the block.
macro_rules! calls {
    (
        $(#[$call_registers:meta])*
        syscall6($number:ident, $a:ident) -> $($result:ident),+ $call:block

        $(#[$clone_registers:meta])*
        clone_call($flags:ident, $top:ident, $body:ident, $argument:ident, $child_tid:ident) -> $($cloned:ident),+ $clone:block
    ) => {
        $(#[$call_registers])*
        #[inline(always)]
        pub(crate) unsafe fn syscall6($number: usize, $a: [usize; 6]) -> $crate::sys::arch::layout::Outcome {
            #[allow(unused_imports)]
            use core::arch::asm;
            let ($($result,)+);
            // SAFETY: the registers are those that the kernel uses, by the documentation named at the head of the file.
            unsafe { $call }
            outcome($($result),+)
        }

        $(#[$clone_registers])*
        #[inline(always)]
        pub(crate) unsafe fn clone_call(
            $flags: usize,
            $top: usize,
            $body: $crate::sys::arch::layout::Body,
            $argument: *mut core::ffi::c_void,
            $child_tid: *mut i32,
        ) -> $crate::sys::arch::layout::Outcome {
            #[allow(unused_imports)]
            use core::arch::asm;
            let ($($cloned,)+);
            // SAFETY: as above; the new process has the stack given, and does not leave the block.
            unsafe { $clone }
            outcome($($cloned),+)
        }
    };
}
pub(super) use calls;

/// Defines the code of `handler_entry`, a line of assembler each.
macro_rules! handler_code {
    ($($line:literal),+ $(,)?) => {
        macro_rules! handler_entry_code {
            () => { concat!($($line, "\n"),+) };
        }
        pub(crate) use handler_entry_code;
    };
}
pub(super) use handler_code;

/// What returns from a signal handler.
#[allow(dead_code)]
pub(super) enum Restorer {
    /// struct sigaction has no place for one: asm/signal.h does not define SA_RESTORER.
    Absent,
    /// It has, and the kernel has code of its own, or the vDSO has.
    Unused,
    /// This code.
    Code(unsafe extern "C" fn()),
}

/// Defines `ec_restore_rt`, whose bytes are given.
#[allow(unused_macros)]
macro_rules! restorer_code {
    ($bytes:literal) => {
        core::arch::global_asm!(
            ".pushsection .text.ec_restore_rt,\"ax\",@progbits",
            ".balign 16",
            "nop",
            ".globl ec_restore_rt",
            ".hidden ec_restore_rt",
            ".type ec_restore_rt,@function",
            "ec_restore_rt:",
            concat!(".byte ", $bytes),
            ".size ec_restore_rt, .-ec_restore_rt",
            ".popsection",
        );

        unsafe extern "C" {
            fn ec_restore_rt();
        }
    };
}
#[allow(unused_imports)]
pub(super) use restorer_code;

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
