//! The options: what each takes, and what they come to together.

use core::ffi::CStr;
use core::time::Duration;

use alloc::ffi::CString;
use alloc::vec::Vec;

use crate::alloc_util::{try_cstring, try_push, try_to_vec};
use crate::caps::CapSets;
use crate::caps::text::{self, CapTextError};
use crate::error::{ChrootProblem, Error};
use crate::plan::{SECUREBITS, Target, TargetCaps};
use crate::text::{Excerpt, nearest};
use crate::{identity, sys};

/// The option names, in the order of the manual. Append-only.
pub const OPTIONS: [&str; 12] = [
    "user",
    "group",
    "capabilities",
    "optional_capabilities",
    "supplemental_groups",
    "chroot",
    "no_new_privs",
    "bounding",
    "ambient",
    "securebits",
    "deadline",
    "privileges",
];

const DEADLINE: Duration = Duration::from_secs(5);

/// Names are looked up when an option is set: the databases may be out of reach when the policy is applied.
pub(super) struct User {
    uid: u32,
    /// Primary group, and the groups the user is a member of, where the database has an entry.
    groups: Option<(u32, Vec<u32>)>,
}

pub(crate) struct Options {
    user: Option<User>,
    group: Option<u32>,
    pub(crate) caps: TargetCaps,
    optional: CapSets,
    pub(crate) supplemental_groups: Option<Vec<u32>>,
    pub(crate) chroot: Option<CString>,
    no_new_privs: bool,
    trim_bounding: bool,
    ambient: Option<u64>,
    securebits: Option<u32>,
    pub(crate) deadline: Duration,
}

pub(super) const DEFAULTS: Options = Options {
    user: None,
    group: None,
    caps: TargetCaps::Exactly(CapSets::EMPTY),
    optional: CapSets::EMPTY,
    supplemental_groups: None,
    chroot: None,
    no_new_privs: true,
    trim_bounding: true,
    ambient: None,
    securebits: None,
    deadline: DEADLINE,
};

pub(crate) fn cap_error(option: &'static str) -> impl Fn(CapTextError) -> Error {
    move |error| Error::CapText { option, error }
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| byte.is_ascii_whitespace() || *byte == b',').filter(|word| !word.is_empty())
}

fn on_or_off(option: &'static str, value: &[u8]) -> Result<bool, Error> {
    for (word, on) in [
        ("on", true),
        ("off", false),
        ("true", true),
        ("false", false),
        ("yes", true),
        ("no", false),
        ("1", true),
        ("0", false),
    ] {
        if value.eq_ignore_ascii_case(word.as_bytes()) {
            return Ok(on);
        }
    }
    Err(Error::OptionValue { option, word: Excerpt::new(value), expected: "on or off" })
}

fn deadline(value: &[u8]) -> Result<Duration, Error> {
    // Digits, and up to nine of a fraction.
    let parse = |text: &[u8]| {
        let mut parts = text.splitn(2, |&byte| byte == b'.');
        let (whole, fraction) = (parts.next()?, parts.next().unwrap_or(b""));
        let digits = whole.len() + fraction.len();
        if digits == 0 || whole.len() > 9 || fraction.len() > 9 {
            return None;
        }
        let number = |digits: &[u8]| {
            digits.iter().try_fold(0u64, |sum, &byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
        };
        let nanos = number(fraction)? * 10u64.pow(9 - fraction.len() as u32);
        Some(Duration::from_secs(number(whole)?) + Duration::from_nanos(nanos))
    };
    match parse(value.trim_ascii()) {
        Some(time) if (Duration::from_millis(1)..=Duration::from_secs(3600)).contains(&time) => Ok(time),
        _ => Err(Error::OptionValue {
            option: "deadline",
            word: Excerpt::new(value),
            expected: "a number of seconds from 0.001 to 3600",
        }),
    }
}

fn securebits(value: &[u8]) -> Result<u32, Error> {
    let mut bits = 0;
    for word in words(value) {
        match SECUREBITS.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word)) {
            Some((name, _)) if *name == "keep_caps" => {
                return Err(Error::OptionValue {
                    option: "securebits",
                    word: Excerpt::new(word),
                    expected: "allowed: keep-caps is always off after a drop",
                });
            }
            Some((_, bit)) => bits |= bit,
            None => {
                return Err(Error::OptionValue {
                    option: "securebits",
                    word: Excerpt::new(word),
                    expected: "a securebit: noroot, no_setuid_fixup, no_cap_ambient_raise, exec_restrict_file, exec_deny_interactive, one of these with _locked, or keep_caps_locked",
                });
            }
        }
    }
    Ok(bits)
}

fn user(word: &[u8]) -> Result<User, Error> {
    let identity::User { uid, entry } = identity::user(word)?;
    let groups = match entry {
        Some(entry) => Some((entry.gid, identity::memberships(&entry)?)),
        None => None,
    };
    Ok(User { uid, groups })
}

fn group_list<'a>(names: impl Iterator<Item = &'a [u8]>) -> Result<Vec<u32>, Error> {
    let mut groups = Vec::new();
    for name in names {
        try_push(&mut groups, identity::group("supplemental_groups", name)?)?;
    }
    identity::checked_group_list("supplemental_groups", groups)
}

/// Opens a folder to become the root and makes sure it is one that nobody else can fill.
pub(crate) fn root_folder(path: &CStr) -> Result<sys::Fd, Error> {
    let bad = |problem| Error::Chroot { path: Excerpt::new(path.to_bytes()), problem };
    if path.to_bytes().first() != Some(&b'/') {
        return Err(bad(ChrootProblem::Relative));
    }
    let fd = sys::openat(sys::CWD, path, libc::O_PATH).map_err(|errno| bad(ChrootProblem::System(errno)))?;
    let stat = sys::fstat(fd.raw()).map_err(|errno| bad(ChrootProblem::System(errno)))?;
    if stat.st_mode & libc::S_IFMT != libc::S_IFDIR {
        return Err(bad(ChrootProblem::NotFolder));
    }
    if stat.st_mode & 0o022 != 0 || (stat.st_uid != 0 && stat.st_uid != sys::geteuid()) {
        return Err(bad(ChrootProblem::Writable { mode: (stat.st_mode & 0o7777) as u32, owner: stat.st_uid }));
    }
    Ok(fd)
}

impl Options {
    pub(super) fn set(&mut self, option: &[u8], value: Option<&[u8]>) -> Result<(), Error> {
        let Some(name) = known(option) else {
            return Err(Error::UnknownOption { word: Excerpt::new(option), nearest: nearest_option(option) });
        };
        let last_cap = sys::last_cap();
        match (name, value) {
            ("user", None) => self.user = None,
            ("user", Some(value)) => self.user = Some(user(not_empty("user", value)?)?),
            ("group", None) => self.group = None,
            ("group", Some(value)) => self.group = Some(identity::group("group", not_empty("group", value)?)?),
            ("capabilities", None) => self.caps = DEFAULTS.caps,
            ("capabilities", Some(value)) if value.eq_ignore_ascii_case(b"keep") => self.caps = TargetCaps::Keep,
            ("capabilities", Some(value)) => {
                self.caps = TargetCaps::Exactly(text::parse(value, last_cap).map_err(cap_error("capabilities"))?);
            }
            ("optional_capabilities", None) => self.optional = CapSets::EMPTY,
            ("optional_capabilities", Some(value)) => {
                let caps = text::parse(value, last_cap).map_err(cap_error("optional_capabilities"))?;
                if caps.effective & !caps.permitted != 0 {
                    return Err(Error::OptionValue {
                        option: "optional_capabilities",
                        word: Excerpt::new(value),
                        expected: "permitted where it is effective; write +ep instead of +e",
                    });
                }
                self.optional = caps;
            }
            ("supplemental_groups", None) => self.supplemental_groups = None,
            ("supplemental_groups", Some(value)) => self.supplemental_groups = Some(group_list(words(value))?),
            ("chroot", None) => self.chroot = None,
            ("chroot", Some(value)) => {
                let path = path_of(not_empty("chroot", value)?)?;
                root_folder(&path)?;
                self.chroot = Some(path);
            }
            ("no_new_privs", None) => self.no_new_privs = true,
            ("no_new_privs", Some(value)) => self.no_new_privs = on_or_off("no_new_privs", value)?,
            ("bounding", None) => self.trim_bounding = true,
            ("bounding", Some(value)) if value.eq_ignore_ascii_case(b"trim") => self.trim_bounding = true,
            ("bounding", Some(value)) if value.eq_ignore_ascii_case(b"keep") => self.trim_bounding = false,
            ("bounding", Some(value)) => {
                return Err(Error::OptionValue {
                    option: "bounding",
                    word: Excerpt::new(value),
                    expected: "trim or keep",
                });
            }
            ("ambient", None) => self.ambient = None,
            ("ambient", Some(value)) => {
                self.ambient = Some(text::parse_names(value, last_cap).map_err(cap_error("ambient"))?);
            }
            ("securebits", None) => self.securebits = None,
            ("securebits", Some(value)) => self.securebits = Some(securebits(value)?),
            ("deadline", None) => self.deadline = DEADLINE,
            ("deadline", Some(value)) => self.deadline = deadline(value)?,
            _ => {}
        }
        Ok(())
    }

    pub(super) fn copy(&self) -> Result<Options, Error> {
        let user = match &self.user {
            None => None,
            Some(User { uid, groups: None }) => Some(User { uid: *uid, groups: None }),
            Some(User { uid, groups: Some((primary, memberships)) }) => {
                Some(User { uid: *uid, groups: Some((*primary, try_to_vec(memberships)?)) })
            }
        };
        let supplemental_groups = match &self.supplemental_groups {
            None => None,
            Some(groups) => Some(try_to_vec(groups)?),
        };
        let chroot = match &self.chroot {
            None => None,
            Some(path) => Some(path_of(path.as_bytes())?),
        };
        Ok(Options { user, supplemental_groups, chroot, ..*self })
    }

    pub(crate) fn wanted(&self) -> Result<(Target, Vec<u32>), Error> {
        let mut uid = None;
        let mut gid = self.group;
        let mut groups = match &self.supplemental_groups {
            Some(groups) => Some(try_to_vec(groups)?),
            None => None,
        };
        if let Some(user) = &self.user {
            uid = Some(user.uid);
            let primary = match (&user.groups, self.group) {
                (_, Some(group)) => group,
                (Some((primary, _)), None) => *primary,
                (None, None) => return Err(Error::UserNeedsGroup { uid: user.uid }),
            };
            gid = Some(primary);
            if groups.is_none() {
                // as initgroups(3) has it: the primary group first, then those the user is a member of
                let mut all = match &user.groups {
                    Some((_, memberships)) => try_to_vec(memberships)?,
                    None => Vec::new(),
                };
                try_push(&mut all, primary)?;
                groups = Some(identity::checked_group_list("user", all)?);
            }
        }
        let wanted = Target {
            uid,
            gid,
            groups: groups.is_some(),
            caps: self.caps,
            optional: self.optional,
            ambient: self.ambient,
            trim_bounding: self.trim_bounding,
            require_trim: false,
            securebits: self.securebits,
            no_new_privs: self.no_new_privs,
            last_cap: sys::last_cap(),
        };
        Ok((wanted, groups.unwrap_or_default()))
    }
}

fn not_empty<'a>(name: &'static str, value: &'a [u8]) -> Result<&'a [u8], Error> {
    if value.is_empty() {
        return Err(Error::Argument { name, problem: "empty; leave it out (NULL) to keep what is" });
    }
    Ok(value)
}

fn path_of(path: &[u8]) -> Result<CString, Error> {
    try_cstring(path)?.ok_or(Error::Argument { name: "chroot", problem: "holds a NUL byte" })
}

/// The option of that name.
pub(super) fn known(word: &[u8]) -> Option<&'static str> {
    OPTIONS.into_iter().find(|name| name.as_bytes().eq_ignore_ascii_case(word))
}

/// The known option that was probably meant. Those of other programs are known as well.
fn nearest_option(word: &[u8]) -> Option<&'static str> {
    const ELSEWHERE: [(&str, &str); 8] = [
        ("NoNewPrivileges", "no_new_privs"),
        ("no_new_privileges", "no_new_privs"),
        ("CapabilityBoundingSet", "bounding"),
        ("bounding_set", "bounding"),
        ("AmbientCapabilities", "ambient"),
        ("ambient_capabilities", "ambient"),
        ("SupplementaryGroups", "supplemental_groups"),
        ("RootDirectory", "chroot"),
    ];
    nearest(word, OPTIONS.into_iter()).or_else(|| {
        let near = nearest(word, ELSEWHERE.into_iter().map(|(theirs, _)| theirs))?;
        ELSEWHERE.into_iter().find(|(theirs, _)| *theirs == near).map(|(_, ours)| ours)
    })
}
