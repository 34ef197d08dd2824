//! Users and groups, by name or decimal id, through the reentrant calls of the C library (so that NSS modules count).
//!
//! A word is looked up as a name first, and is an id only if no entry has that name and all of it is digits: what
//! POSIX says of chown(1). The id 4294967295 is refused whatever it came from: to setresuid(2) it means "leave as it
//! is", so a server would stay root.

#[allow(unsafe_code)]
pub mod nss;

use alloc::ffi::CString;
use alloc::vec::Vec;

use crate::alloc_util::try_cstring;
use crate::error::Error;
use crate::text::{Errno, Excerpt};
use nss::Failure;

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
    pub name: CString,
}

/// The most supplementary groups the kernel takes (NGROUPS_MAX, include/uapi/linux/limits.h).
pub const MAX_GROUPS: usize = 65536;

/// (uid_t)-1 and (gid_t)-1.
const NO_ID: u32 = u32::MAX;

/// Looks up a user by name, or takes a decimal id.
pub fn user(word: &[u8]) -> Result<User, Error> {
    const OPTION: &str = "user";
    let fail = |failure| look_up_error(OPTION, word, failure);
    let mut entry = match c_name(OPTION, word)? {
        Some(name) => nss::user_by_name(&name).map_err(fail)?,
        None => None,
    };
    let mut id = None;
    if entry.is_none() {
        let Some(uid) = decimal(OPTION, word)? else {
            return Err(Error::UnknownUser { word: Excerpt::new(word) });
        };
        id = Some(uid);
        entry = nss::user_by_id(uid).map_err(fail)?;
    }
    let Some(entry) = entry else {
        let uid = id.ok_or(Error::Internal { what: "a user without id or entry" })?;
        return Ok(User { uid, entry: None });
    };
    if entry.uid == NO_ID || entry.gid == NO_ID {
        return Err(Error::OptionValue {
            option: OPTION,
            word: Excerpt::new(word),
            expected: "a user to become: the user database gives it the id 4294967295, which means \"unchanged\"",
        });
    }
    // Asked for by number: whatever the look-up came back with, the number stands.
    Ok(User { uid: id.unwrap_or(entry.uid), entry: Some(Entry { gid: entry.gid, name: entry.name }) })
}

/// Looks up a group by name, or takes a decimal id. `option` is what errors call it.
pub fn group(option: &'static str, word: &[u8]) -> Result<u32, Error> {
    let entry = match c_name(option, word)? {
        Some(name) => nss::group_by_name(&name).map_err(|failure| look_up_error(option, word, failure))?,
        None => None,
    };
    match entry {
        Some(entry) if entry.gid == NO_ID => Err(Error::OptionValue {
            option,
            word: Excerpt::new(word),
            expected: "a group to be in: the group database gives it the id 4294967295, which means \"unchanged\"",
        }),
        Some(entry) => Ok(entry.gid),
        None => match decimal(option, word)? {
            Some(gid) => Ok(gid),
            None => Err(Error::UnknownGroup { option, word: Excerpt::new(word) }),
        },
    }
}

/// The groups the database has `entry` as a member of, the primary one only if it is listed there: what initgroups(3) adds
/// to the group it is given. Sorted, without duplicates.
pub fn memberships(entry: &Entry) -> Result<Vec<u32>, Error> {
    let fail = |failure| look_up_error("user", entry.name.to_bytes(), failure);
    // The call wants a group to put in; with one that is none, what is left is the memberships, whatever the group will be.
    let list = || -> Result<Vec<u32>, Error> {
        let mut groups = nss::group_list(&entry.name, NO_ID).map_err(fail)?;
        groups.sort_unstable();
        groups.dedup();
        Ok(groups)
    };
    // A database that cannot be read is left out, and getgrouplist(3) has no way to say so. What twice is the same counts.
    let mut groups = list()?;
    let mut tries = 0;
    loop {
        let again = list()?;
        if again == groups {
            break;
        }
        tries += 1;
        if tries == 5 {
            return Err(fail(Failure::Errno(libc::EAGAIN)));
        }
        groups = again;
    }
    if groups == [NO_ID] {
        // In no group at all: then the database must at least answer.
        nss::group_by_id(entry.gid).map_err(fail)?;
    }
    if let Some(at) = groups.iter().position(|&group| group == NO_ID) {
        groups.swap_remove(at);
    }
    checked_group_list("user", groups)
}

/// Sorts, folds duplicates and checks the kernel's limit. `option` is what an error calls the list.
pub fn checked_group_list(option: &'static str, mut groups: Vec<u32>) -> Result<Vec<u32>, Error> {
    groups.sort_unstable();
    groups.dedup();
    if groups.last() == Some(&NO_ID) {
        return Err(Error::OptionValue { option, word: Excerpt::new(b"4294967295"), expected: IDS });
    }
    if groups.len() > MAX_GROUPS {
        return Err(Error::TooManyGroups { option, count: groups.len(), max: MAX_GROUPS });
    }
    Ok(groups)
}

const IDS: &str = "a decimal id from 0 to 4294967294";

/// An id, if all of the word is digits.
fn decimal(option: &'static str, word: &[u8]) -> Result<Option<u32>, Error> {
    if word.is_empty() || !word.iter().all(u8::is_ascii_digit) {
        return Ok(None);
    }
    let id = word
        .iter()
        .try_fold(0u32, |id, digit| id.checked_mul(10)?.checked_add(u32::from(digit - b'0')))
        .filter(|id| *id != NO_ID);
    match id {
        Some(id) => Ok(Some(id)),
        None => Err(Error::OptionValue { option, word: Excerpt::new(word), expected: IDS }),
    }
}

/// The word as the C library takes it; nothing where it cannot be a name, having a NUL inside.
fn c_name(option: &'static str, word: &[u8]) -> Result<Option<CString>, Error> {
    if word.is_empty() {
        return Err(Error::Argument { name: option, problem: "empty; give a name or a decimal id" });
    }
    Ok(try_cstring(word)?)
}

fn look_up_error(option: &'static str, word: &[u8], failure: Failure) -> Error {
    match failure {
        Failure::OutOfMemory => Error::OutOfMemory,
        Failure::Errno(errno) => Error::LookUp { option, word: Excerpt::new(word), errno: Errno(errno) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_ids() {
        let rows: [(&[u8], Option<Option<u32>>); 14] = [
            (b"0", Some(Some(0))),
            (b"00", Some(Some(0))),
            (b"007", Some(Some(7))),
            (b"65534", Some(Some(65534))),
            (b"4294967294", Some(Some(u32::MAX - 1))),
            (b"4294967295", None),
            (b"4294967296", None),
            (b"99999999999999999999999999", None),
            (b"-1", Some(None)),
            (b"+1", Some(None)),
            (b" 1", Some(None)),
            (b"1 ", Some(None)),
            (b"0x10", Some(None)),
            (b"", Some(None)),
        ];
        for (word, expected) in rows {
            let found = decimal("user", word);
            match expected {
                Some(id) => assert_eq!(found, Ok(id), "{}", word.escape_ascii()),
                None => assert!(matches!(found, Err(Error::OptionValue { .. })), "{}", word.escape_ascii()),
            }
        }
    }

    #[test]
    fn lists_are_sorted_and_folded_and_bounded() {
        assert_eq!(checked_group_list("user", alloc::vec![8, 0, 8, 3]), Ok(alloc::vec![0, 3, 8]));
        let most: Vec<u32> = (0..MAX_GROUPS as u32).chain([5]).collect();
        assert_eq!(checked_group_list("user", most).map(|list| list.len()), Ok(MAX_GROUPS));
        let more: Vec<u32> = (0..=MAX_GROUPS as u32).collect();
        assert_eq!(
            checked_group_list("supplemental_groups", more),
            Err(Error::TooManyGroups { option: "supplemental_groups", count: MAX_GROUPS + 1, max: MAX_GROUPS })
        );
        assert!(matches!(checked_group_list("user", alloc::vec![NO_ID]), Err(Error::OptionValue { .. })));
    }

    #[test]
    fn names_come_before_numbers_and_nul_is_no_name() {
        assert_eq!(user(b"root").map(|user| user.uid), Ok(0));
        assert_eq!(user(b"0").map(|user| user.entry.map(|entry| entry.name)), Ok(Some(c"root".into())));
        assert_eq!(user(b"4000000123"), Ok(User { uid: 4_000_000_123, entry: None }));
        assert_eq!(group("group", b"root"), Ok(0));
        assert_eq!(group("group", b"4000000123"), Ok(4_000_000_123));
        assert!(matches!(user(b"ro\0ot"), Err(Error::UnknownUser { .. })));
        assert!(matches!(group("group", b"no such group"), Err(Error::UnknownGroup { .. })));
        assert!(matches!(user(b""), Err(Error::Argument { .. })));
        assert!(matches!(user(b"4294967295"), Err(Error::OptionValue { .. })));
        assert!(matches!(user(&[b'x'; 100_000]), Err(Error::UnknownUser { .. })));
    }

    #[test]
    fn what_is_said_of_bad_words() {
        let long = [b'x'; 70];
        let shown = format!("user: no user \"{}…\" in the user database", "x".repeat(64));
        let users: [(&[u8], &str); 8] = [
            (b"", "user: empty; give a name or a decimal id"),
            (b"no such user", "user: no user \"no such user\" in the user database"),
            (b"-1", "user: no user \"-1\" in the user database"),
            (b"\xe9\n", "user: no user \"\\xe9\\n\" in the user database"),
            (b"a\0b", "user: no user \"a\\x00b\" in the user database"),
            (b"4294967295", "user: \"4294967295\" is not a decimal id from 0 to 4294967294"),
            (b"99999999999", "user: \"99999999999\" is not a decimal id from 0 to 4294967294"),
            (&long, &shown),
        ];
        for (word, said) in users {
            assert_eq!(user(word).expect_err("no user").to_string(), said);
        }
        let groups: [(&[u8], &str); 5] = [
            (b"", "supplemental_groups: empty; give a name or a decimal id"),
            (b"no such group", "supplemental_groups: no group \"no such group\" in the group database"),
            (b"a\0b", "supplemental_groups: no group \"a\\x00b\" in the group database"),
            (b"4294967295", "supplemental_groups: \"4294967295\" is not a decimal id from 0 to 4294967294"),
            (b"4294967296", "supplemental_groups: \"4294967296\" is not a decimal id from 0 to 4294967294"),
        ];
        for (word, said) in groups {
            assert_eq!(group("supplemental_groups", word).expect_err("no group").to_string(), said);
        }
        let many = (0..=MAX_GROUPS as u32).collect();
        assert_eq!(
            checked_group_list("user", many).expect_err("too many").to_string(),
            "user: 65537 groups, but the kernel takes at most 65536 (NGROUPS_MAX)"
        );
        assert_eq!(look_up_error("user", b"x", Failure::OutOfMemory), Error::OutOfMemory);
        assert_eq!(
            look_up_error("group", b"x", Failure::Errno(libc::EIO)).to_string(),
            "group: looking up \"x\" failed (EIO: input/output error)"
        );
    }

    #[test]
    fn memberships_are_those_of_the_group_database() {
        // Whoever the machine's users are, nobody is in a group for being asked for by a name that is not there.
        let stranger = Entry { gid: 0, name: c"no such user".into() };
        assert_eq!(memberships(&stranger), Ok(Vec::new()));
    }
}
