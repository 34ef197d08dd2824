//! What differs from architecture to architecture. Each has a file with the same items:
//!
//! - `syscall6`: the registers of a system call, and how the kernel tells an error;
//! - `clone_call`, `call_on_stack`, `stack_pointer`: what only assembly can say;
//! - `SA_RESTORER` and `restorer`: the flag and the address of the signal restorer, none where struct sigaction has no place for it.
//!
//! `layout.rs` has what several share.

mod layout;

#[cfg(target_arch = "aarch64")]
#[path = "aarch64.rs"]
mod this;
#[cfg(target_arch = "loongarch64")]
#[path = "loongarch64.rs"]
mod this;
#[cfg(target_arch = "riscv64")]
#[path = "riscv64.rs"]
mod this;
#[cfg(target_arch = "x86_64")]
#[path = "x86_64.rs"]
mod this;

#[cfg(not(any(
    target_arch = "aarch64",
    target_arch = "loongarch64",
    target_arch = "riscv64",
    target_arch = "x86_64"
)))]
compile_error!(
    "libec_security: this architecture has no file in src/sys/arch; docs/architectures.md says what goes in there"
);

pub(crate) use layout::{Body, SignalMask};
#[allow(unused_imports)]
pub(crate) use this::stack_pointer;
pub(super) use this::{call_on_stack, clone_call, syscall6};

/// The kernel's struct sigaction.
pub(crate) type KernelSigaction = layout::Sigaction<{ this::RESTORERS }>;

impl KernelSigaction {
    /// A handler that runs with all signals blocked.
    pub(crate) fn new(handler: usize, flags: usize) -> KernelSigaction {
        KernelSigaction {
            handler,
            flags: flags | this::SA_RESTORER,
            restorer: this::restorer(),
            mask: layout::SignalMask::ALL,
        }
    }

    /// The same with another mask. The signal itself is blocked while the handler runs in any case.
    pub(crate) fn with_mask(self, mask: SignalMask) -> KernelSigaction {
        KernelSigaction { mask, ..self }
    }
}

/// The end of a stack as every architecture wants it: aligned to 16 bytes. Stacks grow down on all of them.
pub(super) fn aligned(top: *mut u8) -> usize {
    top as usize & !15
}
