//! Conventions and layouts that several architectures share.

use core::ffi::{c_int, c_void};

/// What a system call gives: a value, or the number of an error.
pub(super) type Outcome = Result<usize, c_int>;

/// What a child made by `clone_call` runs: it must end by exit(2).
pub(crate) type Body = extern "C" fn(*mut c_void) -> c_int;

/// The last 4095 values are errors (include/linux/err.h).
#[inline(always)]
pub(super) fn outcome(value: usize) -> Outcome {
    if value > -4096isize as usize { Err(-(value as isize) as c_int) } else { Ok(value) }
}

/// A signal mask as the kernel has it: signal 1 is the lowest bit of the first word.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SignalMask([usize; 64 / usize::BITS as usize]);

impl SignalMask {
    pub(crate) const NONE: SignalMask = SignalMask([0; 64 / usize::BITS as usize]);
    pub(crate) const ALL: SignalMask = SignalMask([usize::MAX; 64 / usize::BITS as usize]);

    /// Without one signal.
    pub(crate) const fn without(mut self, signal: c_int) -> SignalMask {
        let bit = signal as u32 - 1;
        self.0[(bit / usize::BITS) as usize] &= !(1 << (bit % usize::BITS));
        self
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
        Sigaction { handler: libc::SIG_DFL, flags: 0, restorer: [0; RESTORERS], mask: SignalMask::NONE };
}
