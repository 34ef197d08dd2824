//! What is wanted: every option of the `Security` stanza, checked when it is set; and the way from there to every thread.

use alloc::boxed::Box;
use alloc::ffi::CString;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::time::Duration;

use crate::cap_sets::{self, CapSets};
use crate::commit::{self, Before, Root, Scratch, Script};
use crate::config::{self, Place, Setting, Value};
use crate::error::{ChrootProblem, Errno, Error, Word};
use crate::identity;
use crate::plan::{self, Held, Order, SECUREBITS, Wanted, WantedCaps};
use crate::{cap_text, rehearsal, rendezvous, sys};

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
/// How long the rehearsal may take at least, since the deadline is one for threads to stop in.
const REHEARSAL_DEADLINE: Duration = Duration::from_secs(1);

/// All options.
pub struct Policy {
    options: Options,
    proc: Option<ProcFolder>,
    /// The folder that `chroot` has made the root: its path leads elsewhere from there.
    entered: Option<sys::FileId>,
}

/// Names are looked up when an option is set: the databases may be out of reach when the policy is applied.
struct User {
    uid: u32,
    /// Primary group, and the groups the user is a member of, where the database has an entry.
    groups: Option<(u32, Vec<u32>)>,
}

struct Options {
    user: Option<User>,
    group: Option<u32>,
    caps: WantedCaps,
    optional: CapSets,
    supplemental_groups: Option<Vec<u32>>,
    chroot: Option<CString>,
    no_new_privs: bool,
    trim_bounding: bool,
    ambient: Option<u64>,
    securebits: Option<u32>,
    deadline: Duration,
}

const DEFAULTS: Options = Options {
    user: None,
    group: None,
    caps: WantedCaps::Exactly(CapSets::EMPTY),
    optional: CapSets::EMPTY,
    supplemental_groups: None,
    chroot: None,
    no_new_privs: true,
    trim_bounding: true,
    ambient: None,
    securebits: None,
    deadline: DEADLINE,
};

/// /proc, held open from before any chroot of the host's own.
struct ProcFolder {
    fd: Option<sys::Fd>,
    inode: u64,
}

impl ProcFolder {
    fn open() -> Result<ProcFolder, Errno> {
        let fd = sys::openat(sys::CWD, c"/proc", libc::O_PATH | libc::O_DIRECTORY)?;
        let inode = sys::fstat(fd.raw())?.st_ino;
        if !sys::is_on_proc(fd.raw())? {
            return Err(Errno(libc::ENOENT));
        }
        Ok(ProcFolder { fd: Some(fd), inode })
    }

    /// A host that closes all descriptors to become a daemon closes this one too, and may have given its number away.
    fn is_still_it(&self) -> sys::Result<bool> {
        let Some(fd) = &self.fd else { return Ok(false) };
        Ok(sys::fstat(fd.raw())?.st_ino == self.inode && sys::is_on_proc(fd.raw())?)
    }
}

impl Drop for ProcFolder {
    fn drop(&mut self) {
        // Closed, unless it is known to be somebody else's or nobody's: a look that fails for another reason tells nothing.
        if matches!(self.is_still_it(), Ok(false) | Err(Errno(libc::EBADF)))
            && let Some(fd) = self.fd.take()
        {
            fd.forget();
        }
    }
}

fn cap_error(option: &'static str) -> impl Fn(cap_text::CapTextError) -> Error {
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
    Err(Error::OptionValue { option, word: Word::new(value), expected: "on or off" })
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
            word: Word::new(value),
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
                    word: Word::new(word),
                    expected: "allowed: keep-caps is always off after a drop",
                });
            }
            Some((_, bit)) => bits |= bit,
            None => {
                return Err(Error::OptionValue {
                    option: "securebits",
                    word: Word::new(word),
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
        push(&mut groups, identity::group("supplemental_groups", name)?)?;
    }
    identity::checked_group_list("supplemental_groups", groups)
}

fn push<T>(list: &mut Vec<T>, item: T) -> Result<(), Error> {
    list.try_reserve(1).map_err(|_| Error::OutOfMemory)?;
    list.push(item);
    Ok(())
}

/// Opens a folder to become the root and makes sure it is one that nobody else can fill.
fn root_folder(path: &CStr) -> Result<sys::Fd, Error> {
    let bad = |problem| Error::Chroot { path: Word::new(path.to_bytes()), problem };
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
    fn set(&mut self, option: &[u8], value: Option<&[u8]>) -> Result<(), Error> {
        let Some(name) = known(option) else {
            return Err(Error::UnknownOption { word: Word::new(option), nearest: nearest_option(option) });
        };
        let last_cap = sys::last_cap();
        match (name, value) {
            ("user", None) => self.user = None,
            ("user", Some(value)) => self.user = Some(user(not_empty("user", value)?)?),
            ("group", None) => self.group = None,
            ("group", Some(value)) => self.group = Some(identity::group("group", not_empty("group", value)?)?),
            ("capabilities", None) => self.caps = DEFAULTS.caps,
            ("capabilities", Some(value)) if value.eq_ignore_ascii_case(b"keep") => self.caps = WantedCaps::Keep,
            ("capabilities", Some(value)) => {
                self.caps = WantedCaps::Exactly(cap_text::parse(value, last_cap).map_err(cap_error("capabilities"))?);
            }
            ("optional_capabilities", None) => self.optional = CapSets::EMPTY,
            ("optional_capabilities", Some(value)) => {
                let caps = cap_text::parse(value, last_cap).map_err(cap_error("optional_capabilities"))?;
                if caps.effective & !caps.permitted != 0 {
                    return Err(Error::OptionValue {
                        option: "optional_capabilities",
                        word: Word::new(value),
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
                    word: Word::new(value),
                    expected: "trim or keep",
                });
            }
            ("ambient", None) => self.ambient = None,
            ("ambient", Some(value)) => {
                self.ambient = Some(cap_text::parse_names(value, last_cap).map_err(cap_error("ambient"))?);
            }
            ("securebits", None) => self.securebits = None,
            ("securebits", Some(value)) => self.securebits = Some(securebits(value)?),
            ("deadline", None) => self.deadline = DEADLINE,
            ("deadline", Some(value)) => self.deadline = deadline(value)?,
            _ => {}
        }
        Ok(())
    }

    /// One setting of a configuration file.
    fn set_from(&mut self, setting: &Setting) -> Result<(), Error> {
        let at = |place: &Place| {
            let place = Box::new(place.clone());
            move |error| match error {
                Error::UnknownOption { .. } => {
                    Error::At { place: Box::new(setting.key_place.clone()), error: Box::new(error) }
                }
                error => Error::At { place, error: Box::new(error) },
            }
        };
        let items = match &setting.value {
            Value::One(value) => return self.set(&setting.key, Some(value)).map_err(at(&setting.value_place)),
            Value::List(items) => items,
        };
        let is = |name: &str| name.as_bytes().eq_ignore_ascii_case(&setting.key);
        if is("supplemental_groups") {
            // Each item is a name: some have blanks.
            let mut groups = Vec::new();
            for (item, place) in items {
                let group = identity::group("supplemental_groups", item).map_err(at(place))?;
                push(&mut groups, group).map_err(at(place))?;
            }
            let groups =
                identity::checked_group_list("supplemental_groups", groups).map_err(at(&setting.value_place))?;
            self.supplemental_groups = Some(groups);
            return Ok(());
        }
        match items.as_slice() {
            [(item, place)] => self.set(&setting.key, Some(item)).map_err(at(place)),
            _ if is("capabilities")
                || is("optional_capabilities")
                || is("ambient")
                || is("securebits")
                || is("privileges") =>
            {
                // Each by itself first, for the place of what is wrong; then all of them, as one text.
                let mut joined = Vec::new();
                for (item, place) in items {
                    let mut alone = DEFAULTS;
                    alone.set(&setting.key, Some(item)).map_err(at(place))?;
                    joined.try_reserve(item.len() + 1).map_err(|_| at(place)(Error::OutOfMemory))?;
                    joined.extend_from_slice(item);
                    joined.push(b' ');
                }
                self.set(&setting.key, Some(&joined)).map_err(at(&setting.value_place))
            }
            _ => {
                let Some(name) = known(&setting.key) else {
                    return self.set(&setting.key, None).map_err(at(&setting.key_place));
                };
                let error =
                    Error::OptionValue { option: name, word: Word::new(b"("), expected: "one value: it takes no list" };
                Err(at(&setting.value_place)(error))
            }
        }
    }

    fn copy(&self) -> Result<Options, Error> {
        let user = match &self.user {
            None => None,
            Some(User { uid, groups: None }) => Some(User { uid: *uid, groups: None }),
            Some(User { uid, groups: Some((primary, memberships)) }) => {
                Some(User { uid: *uid, groups: Some((*primary, copied(memberships)?)) })
            }
        };
        let supplemental_groups = match &self.supplemental_groups {
            None => None,
            Some(groups) => Some(copied(groups)?),
        };
        let chroot = match &self.chroot {
            None => None,
            Some(path) => Some(path_of(path.as_bytes())?),
        };
        Ok(Options { user, supplemental_groups, chroot, ..*self })
    }

    fn wanted(&self) -> Result<(Wanted, Vec<u32>), Error> {
        let mut uid = None;
        let mut gid = self.group;
        let mut groups = match &self.supplemental_groups {
            Some(groups) => Some(copied(groups)?),
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
                    Some((_, memberships)) => copied(memberships)?,
                    None => Vec::new(),
                };
                push(&mut all, primary)?;
                groups = Some(identity::checked_group_list("user", all)?);
            }
        }
        let wanted = Wanted {
            uid,
            gid,
            groups: groups.is_some(),
            caps: self.caps,
            optional: self.optional,
            ambient: self.ambient,
            trim_bounding: self.trim_bounding,
            must_trim: false,
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
    let mut copy = Vec::new();
    copy.try_reserve_exact(path.len() + 1).map_err(|_| Error::OutOfMemory)?;
    copy.extend_from_slice(path);
    copy.push(0);
    CString::from_vec_with_nul(copy).map_err(|_| Error::Argument { name: "chroot", problem: "holds a NUL byte" })
}

fn copied(list: &[u32]) -> Result<Vec<u32>, Error> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(list.len() + 1).map_err(|_| Error::OutOfMemory)?;
    copy.extend_from_slice(list);
    Ok(copy)
}

/// The option of that name.
fn known(word: &[u8]) -> Option<&'static str> {
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
    cap_sets::nearest(word, OPTIONS.into_iter()).or_else(|| {
        let near = cap_sets::nearest(word, ELSEWHERE.into_iter().map(|(theirs, _)| theirs))?;
        ELSEWHERE.into_iter().find(|(theirs, _)| *theirs == near).map(|(_, ours)| ours)
    })
}

impl Policy {
    /// Every option at its default; opens what is needed of /proc.
    pub fn new() -> Result<Policy, Error> {
        Ok(Policy { options: DEFAULTS, proc: ProcFolder::open().ok(), entered: None })
    }

    /// Sets an option; `None` puts it back to its default.
    pub fn set(&mut self, option: &[u8], value: Option<&[u8]>) -> Result<(), Error> {
        // An option is stored as the last thing, when nothing can go wrong any more.
        self.options.set(option, value)
    }

    fn set_all(&mut self, settings: &[Setting]) -> Result<(), Error> {
        let mut options = self.options.copy()?;
        for setting in settings {
            options.set_from(setting)?;
        }
        self.options = options;
        Ok(())
    }

    /// Sets options from the `Security` stanza of a configuration file.
    pub fn load(&mut self, path: &[u8]) -> Result<(), Error> {
        self.set_all(&config::load(path)?)
    }

    /// Sets options from the `Security` stanza of a configuration text.
    pub fn parse(&mut self, text: &[u8]) -> Result<(), Error> {
        self.set_all(&config::parse(text)?)
    }

    /// Whether [`Policy::apply`] would work; changes nothing.
    pub fn check(&mut self) -> Result<(), Error> {
        not_in_a_handler()?;
        self.run(false)
    }

    /// Applies to every thread.
    pub fn apply(&mut self) -> Result<(), Error> {
        not_in_a_handler()?;
        self.run(true)?;
        if self.options.chroot.is_some() {
            self.entered = sys::root_id().ok();
            // Outside of the new root, this descriptor would lead out of it.
            self.proc = None;
        }
        Ok(())
    }

    /// Opens what the chroot needs.
    fn root(&self) -> Result<Option<Root>, Error> {
        let system = |call| move |errno| Error::System { call, errno };
        let Some(path) = &self.options.chroot else { return Ok(None) };
        let is_inside = self.entered.is_some() && sys::root_id().ok() == self.entered;
        let folder = root_folder(if is_inside { c"/" } else { path.as_c_str() })?;
        let id = sys::file_id(folder.raw()).map_err(system("fstat of the folder for chroot"))?;
        let old_root = sys::openat(sys::CWD, c"/", libc::O_PATH).map_err(system("opening /"))?;
        let old_cwd = sys::openat(sys::CWD, c".", libc::O_PATH).map_err(system("opening the working directory"))?;
        Ok(Some(Root { folder, id, old_root, old_cwd, caller: sys::gettid() }))
    }

    /// The thread list of this process, or `None` where it has one thread for sure and no /proc.
    fn tasks(&mut self) -> Result<Option<sys::Fd>, Error> {
        let mut why = Errno(libc::ENOENT);
        if !self.proc.as_ref().is_some_and(|proc| proc.is_still_it() == Ok(true)) {
            self.proc = ProcFolder::open().map_err(|errno| why = errno).ok();
        }
        let opened = match self.proc.as_ref().and_then(|proc| proc.fd.as_ref()) {
            Some(proc) => sys::openat(proc.raw(), c"self/task", libc::O_RDONLY | libc::O_DIRECTORY),
            None => Err(why),
        };
        match opened {
            Ok(tasks) => Ok(Some(tasks)),
            Err(Errno(errno)) if matches!(errno, libc::EMFILE | libc::ENFILE | libc::ENOMEM) => {
                if sys::is_single_threaded_for_sure() {
                    return Ok(None);
                }
                Err(Error::System { call: "opening /proc/self/task", errno: Errno(errno) })
            }
            Err(_) if sys::is_single_threaded_for_sure() => Ok(None),
            Err(_) => Err(Error::Proc {
                problem: "cannot list this process's threads, and it has more than one; mount /proc of its own pid namespace, or make the policy before chroot",
            }),
        }
    }

    fn run(&mut self, commit: bool) -> Result<(), Error> {
        // Look-ups, allocations and opens: all before anything changes.
        let (wanted, groups) = self.options.wanted()?;
        let _turn = rendezvous::Turn::take()?;
        let tasks = self.tasks()?;
        let system = |call| move |errno| Error::System { call, errno };
        let root = self.root()?;
        let old_groups = current_groups()?;
        let mut distinct_groups = copied(&old_groups)?;
        distinct_groups.dedup();
        let longest = groups.len().max(old_groups.len()) + 1;
        let mut room = Vec::new();
        room.try_reserve_exact(longest).map_err(|_| Error::OutOfMemory)?;
        room.resize(longest, 0);
        let scratch = Scratch::new(&mut room);
        let mut script = Script {
            wanted,
            groups: &groups,
            scratch: &scratch,
            root: root.as_ref(),
            caller_bounding: 0,
            unfiltered: false,
        };

        // libc's own broadcast, and any handler, could change the caller between the look and the commit.
        let mask = sys::set_signal_mask(u64::MAX).map_err(system("rt_sigprocmask"))?;
        let result =
            run_blocked(&mut script, [&old_groups, &distinct_groups], tasks.as_ref(), self.options.deadline, commit);
        let _ = sys::insist(|| sys::set_signal_mask(mask));
        result
    }
}

/// A handler may have interrupted malloc(3) or the loader with a lock held, so this comes before anything that allocates.
/// Not every handler has signals blocked (SA_NODEFER), so the mask tells nothing.
fn not_in_a_handler() -> Result<(), Error> {
    if sys::on_alternate_stack() || sys::below_is_signal_frame() {
        return Err(Error::Busy { problem: "called from a signal handler" });
    }
    Ok(())
}

fn run_blocked(
    script: &mut Script<'_>,
    [groups, distinct_groups]: [&[u32]; 2],
    tasks: Option<&sys::Fd>,
    deadline: Duration,
    commit: bool,
) -> Result<(), Error> {
    let held: Held =
        commit::held(script).map_err(|errno| Error::System { call: "reading the caller's state", errno })?;
    script.wanted = script.wanted.settled_for(&held);
    script.caller_bounding = held.bounding;
    let plan = plan::plan(&script.wanted, &held, Order::Undoable)?;
    if plan.steps().len() != 0 {
        script.unfiltered = rehearsal::rehearse(script, &plan, deadline.max(REHEARSAL_DEADLINE))?;
    }
    let before = Before {
        held,
        groups,
        distinct_groups,
        parent_death_signal: sys::parent_death_signal().unwrap_or(0),
        dumpable: sys::dumpable().unwrap_or(1),
    };
    rendezvous::meet(&rendezvous::Caller { script, plan: &plan, before: &before, tasks, deadline, commit })
}

/// The caller's supplementary groups, all of them.
fn current_groups() -> Result<Vec<u32>, Error> {
    let system = |errno| Error::System { call: "getgroups", errno };
    let count = sys::getgroups(&mut []).map_err(system)?;
    let mut groups = Vec::new();
    groups.try_reserve_exact(count).map_err(|_| Error::OutOfMemory)?;
    groups.resize(count, 0);
    let count = if count == 0 { 0 } else { sys::getgroups(&mut groups).map_err(system)? };
    groups.truncate(count);
    groups.sort_unstable();
    Ok(groups)
}

/// A policy on the heap, for C.
pub fn boxed() -> Result<*mut Policy, Error> {
    // Box::new would end the process where memory has run out. A slice of one has the layout of the one.
    let mut room = Vec::new();
    room.try_reserve_exact(1).map_err(|_| Error::OutOfMemory)?;
    room.push(Policy::new()?);
    Ok(Box::into_raw(room.into_boxed_slice()).cast())
}

/// The one call: a policy of three options.
pub fn apply(user: Option<&[u8]>, group: Option<&[u8]>, caps: Option<&[u8]>) -> Result<(), Error> {
    not_in_a_handler()?;
    let mut policy = Policy::new()?;
    policy.set(b"user", user)?;
    policy.set(b"group", group)?;
    match caps {
        // as an argument this is a capability text, and only that
        Some(text) => {
            let caps = cap_text::parse(text, sys::last_cap()).map_err(cap_error("capabilities"))?;
            policy.options.caps = WantedCaps::Exactly(caps);
        }
        None => policy.options.caps = WantedCaps::Exactly(CapSets::EMPTY),
    }
    policy.run(true)
}

fn effective_only(text: &[u8]) -> Result<u64, Error> {
    let caps = cap_text::parse(text, sys::last_cap()).map_err(cap_error("capabilities"))?;
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
pub fn raise(text: &[u8]) -> Result<(), Error> {
    let mask = effective_only(text)?;
    set_effective(|now| {
        let missing = mask & !now.permitted;
        if missing != 0 { Err(Error::CannotRaise { missing }) } else { Ok(now.effective | mask) }
    })
}

/// Lowers in the calling thread's effective set.
pub fn lower(text: &[u8]) -> Result<(), Error> {
    let mask = effective_only(text)?;
    set_effective(|now| Ok(now.effective & !mask))
}
