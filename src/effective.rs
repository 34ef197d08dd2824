//! Changes to the effective set of the calling thread.
//!
//! All signals but SIGSYS are blocked between the read and the write: a call that stops this thread in between would have its work
//! undone by the write. What is written back is what /proc says is held, because a security module may mask what capget(2) shows.

use crate::apply::error::ApplyError;
use crate::caps::{CapSets, text};
use crate::error::Error;
use crate::plan::Step;
use crate::text::Errno;
use crate::{sys, task_dir};

fn effective_only(text: &[u8]) -> Result<u64, Error> {
    let caps = text::parse(text, sys::last_cap()).map_err(|error| Error::CapText { option: "capabilities", error })?;
    if caps.permitted != 0 || caps.inheritable != 0 {
        return Err(Error::EffectiveOnly);
    }
    Ok(caps.effective)
}

/// What the calling thread holds, and whether a seccomp filter may pretend a change. Without /proc, what capget(2) shows has to do.
fn held() -> Result<(CapSets, bool), Error> {
    let status = sys::openat(sys::CWD, c"/proc/thread-self/status", libc::O_RDONLY).and_then(|file| {
        if sys::is_on_proc(file.raw())? { task_dir::read_status(&file, |_| {}) } else { Err(Errno(libc::ENOENT)) }
    });
    match status.ok().and_then(|status| Some((status.caps()?, status.seccomp.is_some_and(|mode| mode != 0)))) {
        Some(held) => Ok(held),
        None => sys::capget().map(|caps| (caps, true)).map_err(|errno| Error::System { call: "capget", errno }),
    }
}

fn set_effective(change: impl FnOnce(&CapSets) -> Result<u64, Error>) -> Result<(), Error> {
    let system = |call| move |errno| Error::System { call, errno };
    let mask = sys::block_all_but_sigsys().map_err(system("rt_sigprocmask"))?;
    let done = held().and_then(|(now, filtered)| {
        let effective = change(&now)?;
        if effective == now.effective {
            return Ok(());
        }
        sys::capset(&CapSets { effective, ..now }).map_err(system("capset"))?;
        let put_back = |error| {
            let _ = sys::capset(&now);
            error
        };
        if filtered && held().map_err(put_back)?.0.effective != effective {
            return Err(Error::Apply(ApplyError::NoEffect { step: Step::CapSet(CapSets { effective, ..now }) }));
        }
        Ok(())
    });
    let _ = sys::retry_restore(|| sys::set_signal_mask(mask));
    done
}

/// Raises capabilities in the effective set of the calling thread.
pub(crate) fn raise(text: &[u8]) -> Result<(), Error> {
    let mask = effective_only(text)?;
    set_effective(|now| {
        let missing = mask & !now.permitted;
        if missing != 0 { Err(Error::CannotRaise { missing }) } else { Ok(now.effective | mask) }
    })
}

/// Lowers capabilities in the effective set of the calling thread.
pub(crate) fn lower(text: &[u8]) -> Result<(), Error> {
    let mask = effective_only(text)?;
    set_effective(|now| Ok(now.effective & !mask))
}
