//! The id maps of this user namespace, and the overflow ids. The kernel shows the overflow id for every id that the namespace does
//! not map (user_namespaces(7)). So an overflow id identifies a user only if the namespace maps every id.

#![forbid(unsafe_code)]

use core::ffi::CStr;

use crate::procfs::decimal;
use crate::sys;
use crate::text::Errno;

/// Whose ids.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ids {
    User,
    Group,
}

/// The beginning of a map: lines of the first id here, the first outside, and how many.
pub(crate) struct IdMap {
    text: [u8; 512],
    len: usize,
}

impl IdMap {
    /// `proc` is a descriptor of /proc; without, it is looked for at its path.
    pub(crate) fn read(proc: Option<&sys::Fd>, ids: Ids) -> Result<IdMap, Errno> {
        let path = if ids == Ids::User { c"/proc/self/uid_map" } else { c"/proc/self/gid_map" };
        let mut map = IdMap { text: [0; 512], len: 0 };
        map.len = read_file(proc, path, &mut map.text)?;
        Ok(map)
    }

    fn ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut numbers = numbers(self.text.get(..self.len).unwrap_or_default());
        core::iter::from_fn(move || {
            let (first, _, count) = (numbers.next()?, numbers.next()?, numbers.next()?);
            Some((first, count))
        })
    }

    /// Whether every id there is has one here, as outside of user namespaces: no two ranges overlap, on either side
    /// (kernel/user_namespace.c, mappings_overlap), and -1 is no id.
    pub(crate) fn is_whole(&self) -> bool {
        self.ranges().fold(0, |sum: u64, (_, count)| sum.saturating_add(count)) >= u64::from(u32::MAX)
    }

    /// Whether something has this id here, or may have it: the map may be longer.
    pub(crate) fn contains(&self, id: u32) -> bool {
        self.len == self.text.len()
            || self.ranges().any(|(first, count)| u64::from(id).checked_sub(first).is_some_and(|offset| offset < count))
    }
}

/// An overflow id that stands for ids without one here.
#[derive(Clone, Copy)]
pub(crate) struct Overflow {
    pub(crate) id: u32,
    /// Whether somebody may have it as an id, too.
    pub(crate) may_be_real: bool,
    /// Whether /proc tells that ids lack one here; else it is only not known that none does.
    pub(crate) told: bool,
}

/// The overflow id, where it stands for ids without one here. Without /proc, and where that does not tell, it may do so anywhere.
pub(crate) fn overflow(proc: Option<&sys::Fd>, ids: Ids) -> Option<Overflow> {
    // proc_sys_kernel(5)
    const DEFAULT: u32 = 65534;
    let map = match IdMap::read(proc, ids) {
        Ok(map) if map.is_whole() => return None,
        // A kernel without user namespaces.
        Err(Errno(libc::ENOENT)) if open(proc, c"/proc/self/status").is_ok() => return None,
        map => map,
    };
    let path = if ids == Ids::User { c"/proc/sys/kernel/overflowuid" } else { c"/proc/sys/kernel/overflowgid" };
    let mut text = [0; 32];
    let told = read_file(proc, path, &mut text).ok().and_then(|len| numbers(text.get(..len)?).next());
    let id = told.and_then(|id| u32::try_from(id).ok()).unwrap_or(DEFAULT);
    Some(Overflow { id, told: map.is_ok(), may_be_real: map.map_or(true, |map| map.contains(id)) })
}

/// Not by a directory opened for it: a child forked by another thread would have that open.
fn open(proc: Option<&sys::Fd>, path: &CStr) -> Result<sys::Fd, Errno> {
    let below = path.to_bytes_with_nul().strip_prefix(b"/proc/").and_then(|path| CStr::from_bytes_with_nul(path).ok());
    let file = match (proc, below) {
        (Some(proc), Some(below)) => sys::openat(proc.raw(), below, libc::O_RDONLY)?,
        _ => sys::openat(sys::CWD, path, libc::O_RDONLY)?,
    };
    // Another file system may cover it.
    if sys::is_on_proc(file.raw())? { Ok(file) } else { Err(Errno(libc::EIO)) }
}

fn read_file(proc: Option<&sys::Fd>, path: &CStr, text: &mut [u8]) -> Result<usize, Errno> {
    let file = open(proc, path)?;
    // One read(2) returns as much as there is of such a file, or is asked for.
    Ok(sys::read(file.raw(), text)?.min(text.len()))
}

fn numbers(text: &[u8]) -> impl Iterator<Item = u64> {
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map_while(decimal)
}
