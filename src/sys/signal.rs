//! Signals.

use core::ffi::c_int;
use core::mem::MaybeUninit;

pub(crate) use super::arch::KernelSigaction;
use super::arch::SignalMask;
use super::call::{NOTHING_WRITTEN, Result, call};

/// The set*id signal, by which threads are stopped. libc keeps those below SIGRTMIN from applications, so no thread blocks them: glibc
/// has 32 (cancellation, timers) and 33 (its set*id broadcast, of which a handler tells the sender by itself); musl has 32 to 34,
/// of which 34 is the one for its own broadcasts.
pub(crate) const SIGNAL: c_int = if cfg!(target_env = "musl") { 34 } else { 33 };

/// rt_sigaction(2): puts an action in place, if given, and returns the one before.
pub(crate) fn sigaction(signal: c_int, action: Option<&KernelSigaction>) -> Result<KernelSigaction> {
    // No handler has this address.
    let mut old = KernelSigaction { handler: usize::MAX, ..KernelSigaction::DEFAULT };
    let new = action.map_or(core::ptr::null(), core::ptr::from_ref);
    // SAFETY: the kernel's own struct, with masks of eight bytes.
    unsafe { call!(libc::SYS_rt_sigaction, signal, new, &raw mut old, 8) }?;
    if old.handler == usize::MAX { Err(NOTHING_WRITTEN) } else { Ok(old) }
}

/// Blocks all signals but SIGSYS, as the caller of a change does, and returns the mask before. A filter's trap (SECCOMP_RET_TRAP) and
/// Syscall User Dispatch hand a system call to the program by SIGSYS, which ends the process where it is blocked (kernel/signal.c,
/// force_sig_info_to_task). Where the program blocks it, it stays blocked: one may be pending.
pub(crate) fn block_all_but_sigsys() -> Result<u64> {
    change_signal_mask(libc::SIG_BLOCK, !(1 << (libc::SIGSYS - 1)))
}

/// rt_sigprocmask(2): sets the calling thread's mask, all 64 signals of it, and returns the one before.
pub(crate) fn set_signal_mask(mask: u64) -> Result<u64> {
    change_signal_mask(libc::SIG_SETMASK, mask)
}

fn change_signal_mask(how: c_int, mask: u64) -> Result<u64> {
    let new = SignalMask::from(mask);
    // No mask has SIGKILL.
    let mut old = SignalMask::from(u64::MAX);
    // SAFETY: masks of eight bytes.
    unsafe { call!(libc::SYS_rt_sigprocmask, how, &raw const new, &raw mut old, 8) }?;
    if old == SignalMask::from(u64::MAX) { Err(NOTHING_WRITTEN) } else { Ok(old.into()) }
}

/// Whether the calling thread runs on its alternate signal stack (sigaltstack(2)).
pub(crate) fn on_alternate_stack() -> bool {
    let mut stack = MaybeUninit::<libc::stack_t>::zeroed();
    // SAFETY: the kernel writes one stack_t, and zeros are valid for it.
    let stack = unsafe {
        let _ = call!(libc::SYS_sigaltstack, 0, stack.as_mut_ptr());
        stack.assume_init()
    };
    stack.ss_flags & libc::SS_ONSTACK != 0
}

/// What a signal of ours carries. The value has only 32 bits on a 32-bit machine; the sender's user id, which is the sender's to say
/// within a process, has as many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Payload {
    /// What tells a copy of the library from others in the process.
    pub(crate) copy: u32,
    pub(crate) slot: u32,
    /// The thread that it was sent to, in si_errno: a handler need not ask, by a call that a filter may kill for.
    pub(crate) tid: i32,
}

/// The beginning of siginfo_t, of a signal that was queued (_rt of include/uapi/asm-generic/siginfo.h): 16 bytes before `pid` on
/// 64-bit machines, 12 on others.
#[repr(C)]
struct Head {
    signo: c_int,
    errno: c_int,
    code: c_int,
    sender: Sender,
}

#[repr(C)]
struct Sender {
    pid: c_int,
    uid: u32,
    value: usize,
}

/// siginfo_t as rt_tgsigqueueinfo(2) takes it and a handler gets it.
#[repr(C)]
pub(crate) struct SigInfo {
    head: Head,
    rest: [usize; REST],
}

const REST: usize = (128 - size_of::<Head>()) / size_of::<usize>();
const _: () = assert!(size_of::<SigInfo>() == 128);

impl SigInfo {
    /// Whose signal it is, and what it carries; `None` where it was not queued.
    pub(crate) fn queued(&self) -> Option<(i32, Payload)> {
        let Sender { pid, uid, value } = self.head.sender;
        (self.head.code == libc::SI_QUEUE)
            .then_some((pid, Payload { copy: uid, slot: value as u32, tid: self.head.errno }))
    }
}

/// rt_tgsigqueueinfo(2): sends the set*id signal to one thread of this process.
pub(crate) fn queue_signal(pid: i32, tid: i32, payload: Payload) -> Result<()> {
    // The kernel copies all 128 bytes, with those that no field has.
    let mut info = MaybeUninit::<SigInfo>::zeroed();
    let at = info.as_mut_ptr();
    // SAFETY: fields of one siginfo, which the kernel then reads.
    unsafe {
        (*at).head.signo = SIGNAL;
        (*at).head.errno = payload.tid;
        (*at).head.code = libc::SI_QUEUE;
        (*at).head.sender.pid = pid;
        (*at).head.sender.uid = payload.copy;
        (*at).head.sender.value = payload.slot as usize;
        call!(libc::SYS_rt_tgsigqueueinfo, pid, tid, SIGNAL, at)
    }
    .map(drop)
}

/// tgkill(2).
pub(crate) fn tgkill(pid: i32, tid: i32, signal: c_int) -> Result<()> {
    // SAFETY: takes numbers.
    unsafe { call!(libc::SYS_tgkill, pid, tid, signal) }.map(drop)
}
