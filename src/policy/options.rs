//! The options: the values that each one takes, and the target state that follows from all of them.

use core::ffi::CStr;
use core::time::Duration;

use alloc::ffi::CString;
use alloc::vec::Vec;

use crate::alloc_util::{try_cstring, try_push, try_to_vec};
use crate::caps::CapSets;
use crate::caps::text::{self, CapTextError};
use crate::error::{ChrootProblem, Error, PathError};
use crate::identity::{self, Lookup};
use crate::plan::{SECUREBITS, Target, TargetCaps};
use crate::sys;
use crate::text::{Excerpt, nearest};
use crate::trusted_path;

/// The option names, in the order of the manual. Append-only.
pub const OPTIONS: [&str; 14] = [
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
    "dumpable",
    "parent_death_signal",
];

const DEADLINE: Duration = Duration::from_secs(5);

/// A user. Names are looked up when the option is set, because the databases may not be reachable when the policy is applied.
pub(super) struct User {
    /// The value as it was set.
    pub(super) word: CString,
    pub(super) user: identity::User,
    /// The groups that the user is a member of. `None` while `supplemental_groups` has a value: the lookup is not needed then, and may
    /// be slow or fail.
    memberships: Option<Vec<u32>>,
}

impl User {
    fn look_up(word: &[u8]) -> Result<User, Error> {
        let user = identity::user(word)?;
        Ok(User { word: nul_free("user", word)?, user, memberships: None })
    }

    fn copy(&self) -> Result<User, Error> {
        let memberships = match &self.memberships {
            None => None,
            Some(groups) => Some(try_to_vec(groups)?),
        };
        Ok(User { word: nul_free("user", self.word.as_bytes())?, user: self.user.copy()?, memberships })
    }

    /// Looks up the memberships if they are not known yet. A user without an entry has none.
    fn look_up_memberships(&mut self) -> Result<(), Error> {
        if self.memberships.is_none() {
            self.memberships = Some(match &self.user.entry {
                Lookup::Found(entry) => identity::memberships(entry)?,
                Lookup::None | Lookup::Failed(_) => Vec::new(),
            });
        }
        Ok(())
    }
}

/// A group, as it was set and as a number.
pub(super) struct Group {
    pub(super) word: CString,
    gid: u32,
}

/// The value of `supplemental_groups`.
pub(super) enum Groups {
    /// The groups of the group database for the user; without a user, the list stays.
    Default,
    /// The list stays (`supplemental_groups = keep`).
    Keep,
    /// Exactly these groups.
    List(Vec<u32>),
}

/// When the memberships of a user are looked up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Memberships {
    /// Before `set` returns.
    Now,
    /// By [`Options::look_up_memberships`], after all options of a file.
    Later,
}

/// The directory that is to become the root directory.
pub(crate) struct Chroot {
    pub(crate) path: CString,
    /// What it was when it became that. Inside it, the path means another directory.
    pub(crate) entered: Option<sys::FileId>,
}

/// What the options are set to.
pub(crate) struct Options {
    pub(super) user: Option<User>,
    pub(super) group: Option<Group>,
    pub(crate) caps: TargetCaps,
    pub(super) optional: CapSets,
    pub(super) supplemental_groups: Groups,
    pub(crate) chroot: Option<Chroot>,
    pub(super) no_new_privs: bool,
    pub(super) trim_bounding: bool,
    pub(super) ambient: Option<u64>,
    pub(super) securebits: Option<u32>,
    pub(crate) deadline: Duration,
    /// Whether the dumpable flag, which the kernel clears with a change of ids, is set again.
    pub(crate) dumpable: bool,
    /// Whether the parent-death signal, which the kernel clears with a change of ids, is set again.
    pub(crate) keep_parent_death_signal: bool,
}

pub(super) const DEFAULTS: Options = Options {
    user: None,
    group: None,
    caps: TargetCaps::Exactly(CapSets::EMPTY),
    optional: CapSets::EMPTY,
    supplemental_groups: Groups::Default,
    chroot: None,
    no_new_privs: true,
    trim_bounding: true,
    ambient: None,
    securebits: None,
    deadline: DEADLINE,
    dumpable: false,
    keep_parent_death_signal: false,
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
    // Digits, and a fraction of at most nine digits.
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

fn group_list<'a>(names: impl Iterator<Item = &'a [u8]>) -> Result<Vec<u32>, Error> {
    let mut groups = Vec::new();
    for name in names {
        try_push(&mut groups, identity::group("supplemental_groups", name)?)?;
    }
    identity::checked_group_list("supplemental_groups", groups)
}

/// Opens the directory that becomes the root directory, and checks that only root and the caller can write to it or replace it.
pub(crate) fn root_directory(path: &CStr) -> Result<sys::Fd, Error> {
    let bad = |problem| Error::Chroot { path: Excerpt::new(path.to_bytes()), problem };
    if path.to_bytes().first() != Some(&b'/') {
        return Err(bad(ChrootProblem::Relative));
    }
    let target = trusted_path::open(path.to_bytes()).map_err(|error| bad(error.into()))?;
    if !target.is_directory() {
        return Err(bad(ChrootProblem::NotDirectory));
    }
    // Here the sticky bit is not enough: others could still fill it.
    trusted_path::not_writable(&target.stat)
        .map_err(|problem| bad(PathError { component: Vec::new(), problem }.into()))?;
    Ok(target.fd)
}

impl Options {
    /// See [`Policy::retain_ambient`](super::Policy::retain_ambient).
    pub(super) fn retain_ambient(&mut self) {
        if let (Some(ambient), TargetCaps::Exactly(caps)) = (self.ambient, &mut self.caps) {
            let required = ambient & !self.optional.permitted;
            caps.permitted |= required;
            caps.effective |= required;
        }
    }

    pub(super) fn uid(&self) -> Option<u32> {
        self.user.as_ref().map(|user| user.user.uid)
    }

    pub(super) fn set(&mut self, option: &[u8], value: Option<&[u8]>, when: Memberships) -> Result<(), Error> {
        let Some(name) = canonical_name(option) else {
            return Err(unknown_option(option));
        };
        let last_cap = sys::last_cap();
        match (name, value) {
            ("user", None) => self.user = None,
            ("user", Some(value)) => {
                let mut user = User::look_up(not_empty("user", value)?)?;
                if when == Memberships::Now && matches!(self.supplemental_groups, Groups::Default) {
                    user.look_up_memberships()?;
                }
                self.user = Some(user);
            }
            ("group", None) => self.group = None,
            ("group", Some(value)) => {
                let gid = identity::group("group", not_empty("group", value)?)?;
                self.group = Some(Group { word: nul_free("group", value)?, gid });
            }
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
            ("supplemental_groups", None) => {
                if when == Memberships::Now
                    && let Some(user) = &mut self.user
                {
                    user.look_up_memberships()?;
                }
                self.supplemental_groups = Groups::Default;
            }
            ("supplemental_groups", Some(value)) if value.trim_ascii().eq_ignore_ascii_case(b"keep") => {
                self.supplemental_groups = Groups::Keep;
            }
            ("supplemental_groups", Some(value)) => {
                self.supplemental_groups = Groups::List(group_list(words(value))?);
            }
            ("chroot", None) => self.chroot = None,
            ("chroot", Some(value)) => {
                let path = nul_free("chroot", not_empty("chroot", value)?)?;
                let has_entered = |chroot: &Chroot| chroot.entered.is_some() && chroot.path == path;
                // The same path set again is no other directory.
                if !self.chroot.as_ref().is_some_and(has_entered) {
                    root_directory(&path)?;
                    self.chroot = Some(Chroot { path, entered: None });
                }
            }
            ("no_new_privs", None) => self.no_new_privs = true,
            ("no_new_privs", Some(value)) => self.no_new_privs = on_or_off("no_new_privs", value)?,
            ("bounding", None) => self.trim_bounding = true,
            ("bounding", Some(value)) if value.eq_ignore_ascii_case(b"trim") => self.trim_bounding = true,
            ("bounding", Some(value)) if value.eq_ignore_ascii_case(b"keep") => self.trim_bounding = false,
            ("bounding", Some(value)) => return Err(not_one_of("bounding", value, "trim or keep")),
            ("ambient", None) => self.ambient = None,
            ("ambient", Some(value)) => {
                self.ambient = Some(text::parse_names(value, last_cap).map_err(cap_error("ambient"))?);
            }
            ("securebits", None) => self.securebits = None,
            ("securebits", Some(value)) if value.eq_ignore_ascii_case(b"keep") => self.securebits = None,
            ("securebits", Some(value)) => self.securebits = Some(securebits(value)?),
            ("deadline", None) => self.deadline = DEADLINE,
            ("deadline", Some(value)) => self.deadline = deadline(value)?,
            ("dumpable", None) => self.dumpable = false,
            ("dumpable", Some(value)) if value.eq_ignore_ascii_case(b"keep") => self.dumpable = false,
            ("dumpable", Some(value)) if value.eq_ignore_ascii_case(b"on") => self.dumpable = true,
            ("dumpable", Some(value)) => return Err(not_one_of("dumpable", value, "keep or on")),
            ("parent_death_signal", None) => self.keep_parent_death_signal = false,
            ("parent_death_signal", Some(value)) if value.eq_ignore_ascii_case(b"clear") => {
                self.keep_parent_death_signal = false;
            }
            ("parent_death_signal", Some(value)) if value.eq_ignore_ascii_case(b"keep") => {
                self.keep_parent_death_signal = true;
            }
            ("parent_death_signal", Some(value)) => {
                return Err(not_one_of("parent_death_signal", value, "clear or keep"));
            }
            ("privileges", _) => {}
            _ => return Err(Error::Internal { what: "an option that nothing sets" }),
        }
        Ok(())
    }

    /// Sets the list of supplementary groups.
    pub(super) fn set_groups(&mut self, groups: Vec<u32>) -> Result<(), Error> {
        self.supplemental_groups = Groups::List(identity::checked_group_list("supplemental_groups", groups)?);
        Ok(())
    }

    /// Looks up the memberships after [`Memberships::Later`], if they are needed.
    pub(super) fn look_up_memberships(&mut self) -> Result<(), Error> {
        match (&self.supplemental_groups, &mut self.user) {
            (Groups::Default, Some(user)) => user.look_up_memberships(),
            _ => Ok(()),
        }
    }

    pub(super) fn copy(&self) -> Result<Options, Error> {
        let user = self.user.as_ref().map(User::copy).transpose()?;
        let group = match &self.group {
            None => None,
            Some(Group { word, gid }) => Some(Group { word: nul_free("group", word.as_bytes())?, gid: *gid }),
        };
        let supplemental_groups = match &self.supplemental_groups {
            Groups::Default => Groups::Default,
            Groups::Keep => Groups::Keep,
            Groups::List(groups) => Groups::List(try_to_vec(groups)?),
        };
        let chroot = match &self.chroot {
            None => None,
            Some(Chroot { path, entered }) => {
                Some(Chroot { path: nul_free("chroot", path.as_bytes())?, entered: *entered })
            }
        };
        Ok(Options { user, group, supplemental_groups, chroot, ..*self })
    }

    /// The group ids wanted.
    pub(super) fn gid(&self) -> Result<Option<u32>, Error> {
        match (&self.group, &self.user) {
            (Some(group), _) => Ok(Some(group.gid)),
            (None, None) => Ok(None),
            (None, Some(User { user, .. })) => match &user.entry {
                Lookup::Found(entry) => Ok(Some(entry.gid)),
                Lookup::None => Err(Error::UserNeedsGroup { uid: user.uid }),
                Lookup::Failed(failure) => Err(user.lookup_failed(*failure)),
            },
        }
    }

    /// The supplementary groups wanted.
    pub(super) fn groups(&self) -> Result<Option<Vec<u32>>, Error> {
        match (&self.supplemental_groups, &self.user) {
            (Groups::List(groups), _) => Ok(Some(try_to_vec(groups)?)),
            (Groups::Keep, _) | (Groups::Default, None) => Ok(None),
            (Groups::Default, Some(User { user, memberships, .. })) => {
                if let Lookup::Failed(failure) = &user.entry {
                    return Err(user.lookup_failed(*failure));
                }
                // As initgroups(3): the primary group, and the groups that the user is a member of.
                let mut groups = try_to_vec(memberships.as_deref().unwrap_or_default())?;
                if let Some(gid) = self.gid()? {
                    try_push(&mut groups, gid)?;
                }
                Ok(Some(identity::checked_group_list("user", groups)?))
            }
        }
    }

    /// The target state, and the list of supplementary groups.
    pub(crate) fn target(&self) -> Result<(Target, Vec<u32>), Error> {
        let uid = self.user.as_ref().map(|user| user.user.uid);
        let gid = self.gid()?;
        let groups = self.groups()?;
        let target = Target {
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
            keep_parent_death_signal: self.keep_parent_death_signal,
            keep_dumpable: self.dumpable,
            last_cap: sys::last_cap(),
            overflow_uid: None,
            overflow_gid: None,
        };
        Ok((target, groups.unwrap_or_default()))
    }
}

fn not_empty<'a>(name: &'static str, value: &'a [u8]) -> Result<&'a [u8], Error> {
    if value.is_empty() {
        return Err(Error::Argument { name, problem: "empty: leave it out, or pass NULL, to keep the current one" });
    }
    Ok(value)
}

fn not_one_of(option: &'static str, value: &[u8], expected: &'static str) -> Error {
    Error::OptionValue { option, word: Excerpt::new(value), expected }
}

fn nul_free(name: &'static str, text: &[u8]) -> Result<CString, Error> {
    try_cstring(text)?.ok_or(Error::Argument { name, problem: "holds a NUL byte" })
}

/// The name of the option, as the manual writes it.
pub(super) fn canonical_name(word: &[u8]) -> Option<&'static str> {
    OPTIONS.into_iter().find(|name| name.as_bytes().eq_ignore_ascii_case(word))
}

pub(super) fn unknown_option(word: &[u8]) -> Error {
    Error::UnknownOption { word: Excerpt::new(word), nearest: nearest_option(word) }
}

/// The option that was probably meant, also if the word is the name that another program uses.
fn nearest_option(word: &[u8]) -> Option<&'static str> {
    const ELSEWHERE: [(&str, &str); 10] = [
        ("NoNewPrivileges", "no_new_privs"),
        ("no_new_privileges", "no_new_privs"),
        ("CapabilityBoundingSet", "bounding"),
        ("bounding_set", "bounding"),
        ("AmbientCapabilities", "ambient"),
        ("ambient_capabilities", "ambient"),
        ("SupplementaryGroups", "supplemental_groups"),
        ("RootDirectory", "chroot"),
        ("caps", "capabilities"),
        ("groups", "supplemental_groups"),
    ];
    let theirs = ELSEWHERE.into_iter().find(|(theirs, _)| theirs.as_bytes().eq_ignore_ascii_case(word));
    theirs.map(|(_, ours)| ours).or_else(|| nearest(word, OPTIONS.into_iter())).or_else(|| {
        let near = nearest(word, ELSEWHERE.into_iter().map(|(theirs, _)| theirs))?;
        ELSEWHERE.into_iter().find(|(theirs, _)| *theirs == near).map(|(_, ours)| ours)
    })
}
