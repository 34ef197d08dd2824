//! The value of an option, as text.

use core::fmt::{self, Write as _};
use core::time::Duration;

use super::options::{OPTIONS, Options, unknown_option};
use crate::caps::{self, CapSets};
use crate::error::Error;
use crate::plan::{SECUREBITS, TargetCaps};
use crate::sys;
use crate::text::BoundedWriter;

/// Names that can be read but not set: the numbers of users and groups.
pub(super) const NUMBERS: [&str; 3] = ["uid", "gid", "groups"];

/// "Unchanged", as in chown(2) and setresuid(2).
const STAYS: &str = "-1";

fn listed<T: fmt::Display>(out: &mut BoundedWriter<'_>, sign: &str, items: impl Iterator<Item = T>) -> fmt::Result {
    let mut between = "";
    for item in items {
        write!(out, "{between}{sign}{item}")?;
        between = ",";
    }
    Ok(())
}

fn cap_text(out: &mut BoundedWriter<'_>, caps: &CapSets) -> fmt::Result {
    caps::text::write(caps, sys::last_cap(), out)
}

fn seconds(out: &mut BoundedWriter<'_>, time: Duration) -> fmt::Result {
    write!(out, "{}", time.as_secs())?;
    let (mut rest, mut digits) = (time.subsec_nanos(), 9);
    if rest == 0 {
        return Ok(());
    }
    while rest % 10 == 0 {
        rest /= 10;
        digits -= 1;
    }
    write!(out, ".{rest:0digits$}")
}

impl Options {
    /// Writes the value of an option or of one of [`NUMBERS`]. Case does not count.
    pub(super) fn write(&self, word: &[u8], out: &mut BoundedWriter<'_>) -> Result<(), Error> {
        let Some(name) = OPTIONS.into_iter().chain(NUMBERS).find(|known| known.as_bytes().eq_ignore_ascii_case(word))
        else {
            return Err(unknown_option(word));
        };
        // A BoundedWriter never fails.
        let _ = match name {
            "user" => self.user.as_ref().map_or(Ok(()), |user| out.write_bytes(user.word.as_bytes())),
            "group" => self.group.as_ref().map_or(Ok(()), |group| out.write_bytes(group.word.as_bytes())),
            "uid" => match &self.user {
                Some(user) => write!(out, "{}", user.user.uid),
                None => out.write_str(STAYS),
            },
            "gid" => match self.gid()? {
                Some(gid) => write!(out, "{gid}"),
                None => out.write_str(STAYS),
            },
            "groups" => match self.groups()? {
                Some(groups) => listed(out, "", groups.iter()),
                None => out.write_str(STAYS),
            },
            "supplemental_groups" => match self.groups()? {
                Some(groups) => listed(out, "+", groups.iter()),
                None => out.write_str("keep"),
            },
            "capabilities" => match self.caps {
                TargetCaps::Keep => out.write_str("keep"),
                TargetCaps::Exactly(caps) => cap_text(out, &caps),
            },
            "optional_capabilities" => cap_text(out, &self.optional),
            "ambient" => match self.ambient {
                Some(mask) => caps::text::write_names(out, mask),
                None if self.caps == TargetCaps::Keep => out.write_str("keep"),
                None => Ok(()),
            },
            "chroot" => self.chroot.as_ref().map_or(Ok(()), |chroot| out.write_bytes(chroot.path.as_bytes())),
            "no_new_privs" => out.write_str(if self.no_new_privs { "on" } else { "off" }),
            "bounding" => out.write_str(if self.trim_bounding { "trim" } else { "keep" }),
            "securebits" => match self.securebits {
                None => out.write_str("keep"),
                Some(bits) => {
                    listed(out, "", SECUREBITS.iter().filter(|(_, bit)| bits & bit != 0).map(|(name, _)| name))
                }
            },
            "deadline" => seconds(out, self.deadline),
            "dumpable" => out.write_str(if self.dumpable { "on" } else { "keep" }),
            "parent_death_signal" => out.write_str(if self.keep_parent_death_signal { "keep" } else { "clear" }),
            _ => Ok(()),
        };
        Ok(())
    }
}
