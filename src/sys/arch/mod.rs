//! What differs from architecture to architecture. Each has a file with the same items:
//!
//! - `calls`: `syscall6`, the registers of a system call, and `clone_call`, a child on a stack of its own; `outcome`: how the kernel tells
//!   an error;
//! - `RESTORER`: what returns from a signal handler;
//! - `handler_code`: how a signal handler begins, before anything is pushed: see `handler_entry`.
//!
//! `layout.rs` has the types of these and what several architectures share, `numbers.rs` the calls whose plain number is not the one
//! to make. docs/architectures.md says how to add an architecture.

mod layout;
pub(super) mod numbers;

#[cfg(target_arch = "aarch64")]
#[path = "aarch64.rs"]
mod this;
#[cfg(target_arch = "arm")]
#[path = "arm.rs"]
mod this;
#[cfg(target_arch = "loongarch64")]
#[path = "loongarch64.rs"]
mod this;
#[cfg(all(target_arch = "powerpc64", target_endian = "little"))]
#[path = "powerpc64.rs"]
mod this;
#[cfg(target_arch = "riscv64")]
#[path = "riscv64.rs"]
mod this;
#[cfg(target_arch = "s390x")]
#[path = "s390x.rs"]
mod this;
#[cfg(target_arch = "x86")]
#[path = "x86.rs"]
mod this;
#[cfg(all(target_arch = "x86_64", target_pointer_width = "64"))]
#[path = "x86_64.rs"]
mod this;

#[cfg(not(any(
    target_arch = "aarch64",
    target_arch = "arm",
    target_arch = "loongarch64",
    all(target_arch = "powerpc64", target_endian = "little"),
    target_arch = "riscv64",
    target_arch = "s390x",
    target_arch = "x86",
    all(target_arch = "x86_64", target_pointer_width = "64"),
)))]
compile_error!(
    "libec_security: this architecture has no file in src/sys/arch; docs/architectures.md says what goes in there"
);

use core::ffi::c_int;

pub(super) use layout::Outcome;
use layout::Restorer;
#[cfg(target_pointer_width = "32")]
pub(crate) use layout::Stat;
pub(crate) use layout::{Body, SignalMask, Timespec};
pub(crate) use this::handler_entry_code;
pub(super) use this::{clone_call, syscall6};

#[cfg(target_arch = "x86_64")]
pub(crate) use this::is_under_valgrind;

/// Asked on x86-64 only.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn is_under_valgrind() -> bool {
    false
}

/// How many restorers struct sigaction has a place for.
const RESTORERS: usize = if matches!(this::RESTORER, Restorer::Absent) { 0 } else { 1 };

/// The kernel's struct sigaction.
pub(crate) type KernelSigaction = layout::Sigaction<RESTORERS>;

impl KernelSigaction {
    /// A handler that runs with all signals blocked. It has the frame that rt_sigreturn(2) takes: without SA_SIGINFO i386 has another
    /// (arch/x86/kernel/signal_32.c).
    pub(crate) fn new(handler: usize, flags: usize) -> KernelSigaction {
        // The flag has this value wherever there is code of ours (asm/signal.h).
        const SA_RESTORER: usize = 0x0400_0000;
        let (flag, restorer) = match this::RESTORER {
            Restorer::Code(code) => (SA_RESTORER, code as *const () as usize),
            _ => (0, 0),
        };
        let flags = flags | flag | libc::SA_SIGINFO as usize;
        KernelSigaction { handler, flags, restorer: [restorer; RESTORERS], mask: SignalMask::ALL }
    }

    /// The same with another mask. The signal itself is blocked while the handler runs in any case.
    pub(crate) fn with_mask(self, mask: SignalMask) -> KernelSigaction {
        KernelSigaction { mask, ..self }
    }
}

/// mmap(2) of a new mapping that is no file's, where the kernel likes.
pub(super) fn map_anonymous(bytes: usize, access: c_int, flags: c_int) -> Outcome {
    let mut arguments = [0, bytes, access as usize, flags as usize, usize::MAX, 0];
    let longs = arguments;
    // The call of this number takes the address of six longs (arch/s390/kernel/syscall.c, old_mmap).
    if cfg!(target_arch = "s390x") {
        arguments[0] = longs.as_ptr() as usize;
    }
    // SAFETY: a mapping where nothing is; six longs that stay until the call returns.
    unsafe { syscall6(numbers::SYS_mmap as usize, arguments) }
}

/// The end of a stack as every architecture wants it: aligned to 16 bytes. Stacks grow down on all of them.
pub(super) fn aligned(top: *mut u8) -> usize {
    top as usize & !15
}

/// Defines a function that gives the entry of a signal handler which calls `$handler`, on a stack of its own where the thread's
/// alternate one has less than `$needed` bytes left: nothing may be pushed before that is known. Where there is no alternate stack its
/// size is 0. Without memory the signal is lost. The entry preserves the registers that a function preserves, because another
/// handler may call it. With a stack of its own it does not: there is no place to save them, and rt_sigreturn(2) restores them.
macro_rules! handler_entry {
    ($name:ident, $handler:path, $needed:expr, $spare:expr) => {
        core::arch::global_asm!(
            ".pushsection .text.ec_handler_entry,\"ax\",%progbits",
            ".p2align 4",
            ".hidden ec_handler_entry",
            ".globl ec_handler_entry",
            ".type ec_handler_entry,%function",
            "ec_handler_entry:",
            $crate::sys::arch::handler_entry_code!(),
            ".size ec_handler_entry, .-ec_handler_entry",
            ".popsection",
            handler = sym $handler,
            needed = const $needed,
            spare = const $spare,
        );

        fn $name() -> usize {
            unsafe extern "C" {
                fn ec_handler_entry();
            }
            ec_handler_entry as *const () as usize
        }
    };
}
pub(crate) use handler_entry;
