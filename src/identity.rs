//! Users and groups, by name or decimal id, through the reentrant calls of the C library (so that NSS modules count).

use crate::error::Error;

/// A user as the database or the digits have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The user id.
    pub uid: u32,
    /// Primary group and name, where the database has an entry.
    pub entry: Option<Entry>,
}

/// What the database says of a user beyond the id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The primary group.
    pub gid: u32,
    /// The name, which the group database knows members by.
    pub name: alloc::ffi::CString,
}

/// Looks up a user by name, or takes a decimal id.
pub fn user(word: &[u8]) -> Result<User, Error> {
    let _ = word;
    Err(Error::OutOfMemory)
}

/// Looks up a group by name, or takes a decimal id. `option` is what errors call it.
pub fn group(option: &'static str, word: &[u8]) -> Result<u32, Error> {
    let _ = (option, word);
    Err(Error::OutOfMemory)
}

/// The supplementary groups initgroups(3) would set for `entry` with `gid` as the group: sorted, duplicates folded.
pub fn supplementary_groups(entry: &Entry, gid: u32) -> Result<alloc::vec::Vec<u32>, Error> {
    let _ = (entry, gid);
    Err(Error::OutOfMemory)
}

/// Sorts, folds duplicates and checks the kernel's limit. `option` is what an error calls the list.
pub fn checked_group_list(option: &'static str, groups: alloc::vec::Vec<u32>) -> Result<alloc::vec::Vec<u32>, Error> {
    let _ = option;
    Ok(groups)
}
