//! Users and groups, by name or decimal id, through the reentrant functions of the C library, which ask its NSS modules.
//!
//! A word is looked up as a name first. If no entry has that name and the word consists of digits, the word is an id, as POSIX
//! defines it for chown(1). A word with a plus sign before the digits is always an id. The id 4294967295 is refused, because
//! setresuid(2) leaves an id unchanged for it, and a server would stay root.

#[allow(unsafe_code)]
pub mod nss;

use alloc::ffi::CString;
use alloc::vec::Vec;

use crate::alloc_util::try_cstring;
use crate::error::Error;
use crate::text::{Errno, Excerpt};
pub use nss::Failure;

/// A user, as the database or the digits say.
#[derive(Debug, PartialEq, Eq)]
pub struct User {
    /// The user id.
    pub uid: u32,
    /// Primary group and name.
    pub entry: Lookup,
}

/// The result of a lookup in the user database.
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup {
    /// There is an entry.
    Found(Entry),
    /// There is no entry.
    None,
    /// The database cannot be read. That is an error only if the entry is needed.
    Failed(Failure),
}

/// The fields of an entry that are used, besides the id.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// The primary group.
    pub gid: u32,
    /// The name, as the group database lists members.
    pub name: CString,
}

impl User {
    /// A copy.
    pub(crate) fn copy(&self) -> Result<User, Error> {
        let entry = match &self.entry {
            Lookup::Found(Entry { gid, name }) => match try_cstring(name.as_bytes())? {
                Some(name) => Lookup::Found(Entry { gid: *gid, name }),
                None => Lookup::None,
            },
            Lookup::None => Lookup::None,
            Lookup::Failed(failure) => Lookup::Failed(*failure),
        };
        Ok(User { uid: self.uid, entry })
    }

    /// The error for [`Lookup::Failed`] if the entry is needed.
    pub(crate) fn lookup_failed(&self, failure: Failure) -> Error {
        lookup_error("user", Excerpt::of(format_args!("{}", self.uid)), failure)
    }
}

/// The most supplementary groups the kernel takes (NGROUPS_MAX, include/uapi/linux/limits.h).
pub const MAX_GROUPS: usize = 65536;

/// (uid_t)-1 and (gid_t)-1.
const NO_ID: u32 = u32::MAX;

/// Looks up a user by name, or takes a decimal id; with a `+` before it the id is not looked up.
pub fn user(word: &[u8]) -> Result<User, Error> {
    const OPTION: &str = "user";
    if let Some(uid) = signed(OPTION, word)? {
        return Ok(User { uid, entry: Lookup::None });
    }
    let fail = |failure| lookup_error(OPTION, Excerpt::new(word), failure);
    let by_name = match c_name(OPTION, word)? {
        Some(name) => nss::user_by_name(&name),
        None => Ok(None),
    };
    let (found, id) = match (by_name, decimal(OPTION, word)) {
        (Ok(Some(entry)), _) => (entry, None),
        (Ok(None), Ok(None)) => return Err(unknown_user(word)),
        (Err(failure), Ok(None) | Err(_)) => return Err(fail(failure)),
        (Ok(None), Err(error)) => return Err(error),
        (_, Ok(Some(uid))) => match nss::user_by_id(uid) {
            Ok(Some(entry)) => (entry, Some(uid)),
            Ok(None) => return Ok(User { uid, entry: Lookup::None }),
            Err(failure) => return Ok(User { uid, entry: Lookup::Failed(failure) }),
        },
    };
    if found.uid == NO_ID || found.gid == NO_ID {
        return Err(Error::OptionValue {
            option: OPTION,
            word: Excerpt::new(word),
            expected: "a user to become: the user database gives it the id 4294967295, which means \"unchanged\"",
        });
    }
    // A number that was given stays, whatever id the entry has.
    let entry = Lookup::Found(Entry { gid: found.gid, name: found.name });
    Ok(User { uid: id.unwrap_or(found.uid), entry })
}

/// As [`user`], for a group. `option` is the name that errors use.
pub fn group(option: &'static str, word: &[u8]) -> Result<u32, Error> {
    if let Some(gid) = signed(option, word)? {
        return Ok(gid);
    }
    let by_name = match c_name(option, word)? {
        Some(name) => nss::group_by_name(&name),
        None => Ok(None),
    };
    match (by_name, decimal(option, word)) {
        (Ok(Some(entry)), _) if entry.gid == NO_ID => Err(Error::OptionValue {
            option,
            word: Excerpt::new(word),
            expected: "a group to be in: the group database gives it the id 4294967295, which means \"unchanged\"",
        }),
        (Ok(Some(entry)), _) => Ok(entry.gid),
        // A number needs no entry.
        (_, Ok(Some(gid))) => Ok(gid),
        (Ok(None), Ok(None)) => Err(Error::UnknownGroup { option, word: Excerpt::new(word) }),
        (Ok(None), Err(error)) => Err(error),
        (Err(failure), _) => Err(lookup_error(option, Excerpt::new(word), failure)),
    }
}

/// The groups that have `entry` as a member in the group database, sorted, without duplicates: those that initgroups(3) adds to the group
/// that it is given. The primary group is among them only if it lists the user.
pub fn memberships(entry: &Entry) -> Result<Vec<u32>, Error> {
    let fail = |failure| lookup_error("user", Excerpt::new(entry.name.to_bytes()), failure);
    // getgrouplist(3) adds the group that it is given. (gid_t)-1 is no group, and is removed below.
    let list = || -> Result<Vec<u32>, Error> {
        let mut groups = nss::group_list(&entry.name, NO_ID).map_err(fail)?;
        groups.sort_unstable();
        groups.dedup();
        Ok(groups)
    };
    // getgrouplist(3) silently skips a source that cannot be read, so two equal answers are required.
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
        // No group at all: make sure that the database can be read.
        nss::group_by_id(entry.gid).map_err(fail)?;
    }
    if let Some(at) = groups.iter().position(|&group| group == NO_ID) {
        groups.swap_remove(at);
    }
    checked_group_list("user", groups)
}

/// Sorts a list, removes duplicates and checks the limit of the kernel. `option` is the name that errors use.
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

/// The id of `+123`, which chown(1) takes for a number that is never looked up.
fn signed(option: &'static str, word: &[u8]) -> Result<Option<u32>, Error> {
    let Some(digits) = word.strip_prefix(b"+") else { return Ok(None) };
    match decimal(option, digits) {
        Ok(Some(id)) => Ok(Some(id)),
        _ => Err(Error::OptionValue { option, word: Excerpt::new(word), expected: IDS }),
    }
}

fn unknown_user(word: &[u8]) -> Error {
    if word.contains(&b':') {
        return Error::OptionValue {
            option: "user",
            word: Excerpt::new(word),
            expected: "the name of a user: `group` is an option of its own",
        };
    }
    Error::UnknownUser { word: Excerpt::new(word) }
}

/// The word as a C string; `None` if it cannot be a name: it has a NUL inside, or is longer than 4096 bytes. useradd(8) takes 32
/// bytes. Modules of NSS copy a name to the stack.
fn c_name(option: &'static str, word: &[u8]) -> Result<Option<CString>, Error> {
    const LONGEST: usize = 4096;
    if word.is_empty() {
        return Err(Error::Argument { name: option, problem: "empty; give a name or a decimal id" });
    }
    if word.len() > LONGEST {
        return Ok(None);
    }
    Ok(try_cstring(word)?)
}

fn lookup_error(option: &'static str, word: Excerpt, failure: Failure) -> Error {
    match failure {
        Failure::OutOfMemory => Error::OutOfMemory,
        Failure::Errno(errno) => Error::LookUp { option, word, errno: Errno(errno) },
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
        assert_eq!(
            user(b"0").map(|user| matches!(user.entry, Lookup::Found(entry) if *entry.name == *c"root")),
            Ok(true)
        );
        assert_eq!(user(b"4000000123"), Ok(User { uid: 4_000_000_123, entry: Lookup::None }));
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
        assert_eq!(lookup_error("user", Excerpt::new(b"x"), Failure::OutOfMemory), Error::OutOfMemory);
        assert_eq!(
            lookup_error("group", Excerpt::new(b"x"), Failure::Errno(libc::EIO)).to_string(),
            "group: the lookup of \"x\" failed (EIO: input/output error): a source named in /etc/nsswitch.conf cannot be read or reached"
        );
    }

    #[test]
    fn memberships_are_those_of_the_group_database() {
        // Whoever the machine's users are, nobody is in a group for being asked for by a name that is not there.
        let stranger = Entry { gid: 0, name: c"no such user".into() };
        assert_eq!(memberships(&stranger), Ok(Vec::new()));
    }
}
