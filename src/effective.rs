//! The calling thread's effective set, within what it may use.

use crate::caps::{CapSets, text};
use crate::error::Error;
use crate::sys;

fn effective_only(text: &[u8]) -> Result<u64, Error> {
    let caps = text::parse(text, sys::last_cap()).map_err(|error| Error::CapText { option: "capabilities", error })?;
    if caps.permitted != 0 || caps.inheritable != 0 {
        return Err(Error::EffectiveOnly);
    }
    Ok(caps.effective)
}

fn set_effective(change: impl FnOnce(&CapSets) -> Result<u64, Error>) -> Result<(), Error> {
    let system = |call| move |errno| Error::System { call, errno };
    let now = sys::capget().map_err(system("capget"))?;
    let effective = change(&now)?;
    if effective == now.effective {
        return Ok(());
    }
    sys::capset(&CapSets { effective, ..now }).map_err(system("capset"))
}

/// Raises in the calling thread's effective set.
pub(crate) fn raise(text: &[u8]) -> Result<(), Error> {
    let mask = effective_only(text)?;
    set_effective(|now| {
        let missing = mask & !now.permitted;
        if missing != 0 { Err(Error::CannotRaise { missing }) } else { Ok(now.effective | mask) }
    })
}

/// Lowers in the calling thread's effective set.
pub(crate) fn lower(text: &[u8]) -> Result<(), Error> {
    let mask = effective_only(text)?;
    set_effective(|now| Ok(now.effective & !mask))
}
