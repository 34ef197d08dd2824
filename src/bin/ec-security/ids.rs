//! Names of user and group ids.

use std::cell::RefCell;
use std::collections::HashMap;

use ec_security::identity::nss;

use crate::terminal::clean;

type NameCache = RefCell<HashMap<u32, Option<String>>>;

thread_local! {
    /// A list of processes asks for the same few again and again, and a directory service may be far away.
    static USERS: NameCache = RefCell::default();
    static GROUPS: NameCache = RefCell::default();
}

/// The name of a user, if the database has one and can be read.
pub(crate) fn user_name(uid: u32) -> Option<String> {
    USERS.with_borrow_mut(|known| {
        let look_up = || Some(clean(nss::user_by_id(uid).ok()??.name.as_bytes()));
        known.entry(uid).or_insert_with(look_up).clone()
    })
}

/// The same of a group.
pub(crate) fn group_name(gid: u32) -> Option<String> {
    GROUPS.with_borrow_mut(|known| {
        let look_up = || Some(clean(nss::group_by_id(gid).ok()??.name.as_bytes()));
        known.entry(gid).or_insert_with(look_up).clone()
    })
}

/// A number, and the name behind it.
pub(crate) fn with_name(id: u32, name: fn(u32) -> Option<String>) -> String {
    match name(id) {
        Some(name) => format!("{id} {name}"),
        None => id.to_string(),
    }
}

/// The same of the four ids of a thread: once where they are the same.
pub(crate) fn with_names(ids: &[u32; 4], name: fn(u32) -> Option<String>) -> String {
    let [real, effective, saved, file_system] = *ids;
    if [effective, saved, file_system] == [real; 3] {
        return with_name(real, name);
    }
    let [real, effective, saved, file_system] = ids.map(|id| with_name(id, name));
    format!("real {real}, effective {effective}, saved {saved}, file system {file_system}")
}

/// A list of groups with their names.
pub(crate) fn group_names(groups: &[u32]) -> String {
    let groups: Vec<String> = groups.iter().map(|group| with_name(*group, group_name)).collect();
    if groups.is_empty() { "none".into() } else { groups.join(", ") }
}
