//! The action of the set*id signal while a call is under way.
//!
//! Several copies of this library may be in one process: static in the program, shared in a plug-in. The mask of the action is a mark
//! by which they know each other, and that never changes its meaning: no one else's has all signals but the signal itself. While a
//! copy finds the mark, a call of another copy is under way.

use core::cell::UnsafeCell;
use core::sync::atomic::Ordering::{Release, SeqCst};

use super::handler::{self, PREVIOUS_FLAGS, PREVIOUS_HANDLER};
use super::shared::{CallLock, Shared};
use crate::sys::{self, KernelSigaction, SIGNAL, SignalMask};

struct Previous(UnsafeCell<KernelSigaction>);
// SAFETY: reached only by the thread that has the call lock.
unsafe impl Sync for Previous {}
static PREVIOUS: Previous = Previous(UnsafeCell::new(KernelSigaction::DEFAULT));

const UNDER_WAY: SignalMask = SignalMask::ALL.without(SIGNAL);

fn ours() -> KernelSigaction {
    let flags = (libc::SA_RESTART | libc::SA_ONSTACK) as usize;
    KernelSigaction::new(handler::address(), flags)
}

/// Whether a call of another copy of the library is under way. The kernel takes SIGKILL and SIGSTOP out of a mask.
fn is_another_call(action: &KernelSigaction) -> bool {
    action.handler != ours().handler
        && action.flags & libc::SA_ONSTACK as usize != 0
        && action.mask == UNDER_WAY.without(libc::SIGKILL).without(libc::SIGSTOP)
}

/// Puts our action in place. Says whether it is; it is not while a call of another copy is under way.
pub(super) fn install(lock: &CallLock) -> sys::Result<bool> {
    let ours = ours().with_mask(UNDER_WAY);
    let before = sys::sigaction(SIGNAL, None)?;
    if is_another_call(&before) {
        return Ok(false);
    }
    if before.handler != ours.handler {
        PREVIOUS_HANDLER.store(before.handler, Release);
        PREVIOUS_FLAGS.store(before.flags, Release);
        // SAFETY: this thread has the call lock.
        unsafe { *PREVIOUS.0.get() = before };
    }
    let replaced = sys::sigaction(SIGNAL, Some(&ours))?;
    if is_another_call(&replaced) {
        // It came in between the look and the change.
        let _ = sys::retry_restore(|| sys::sigaction(SIGNAL, Some(&replaced)));
        return Ok(false);
    }
    lock.shared.installed.store(1, SeqCst);
    Ok(true)
}

/// Puts the action before ours back. `keep_ours`: a signal of ours may still come, and would end the process where there is no
/// handler; then ours stays, without the mark. libc's handler ignores it.
pub(super) fn restore(shared: &Shared, keep_ours: bool) {
    if shared.installed.swap(0, SeqCst) != 1 {
        return;
    }
    // Ours only: with the first pthread_create(3), libc puts its own in place.
    let now = sys::retry_restore(|| sys::sigaction(SIGNAL, None));
    if now.is_ok_and(|now| now.handler != ours().handler) {
        return;
    }
    // SAFETY: this thread has the call lock.
    let previous = unsafe { *PREVIOUS.0.get() };
    let has_handler = previous.handler != libc::SIG_DFL;
    let action = if keep_ours && !has_handler { ours() } else { previous };
    let _ = sys::retry_restore(|| sys::sigaction(SIGNAL, Some(&action)));
}
