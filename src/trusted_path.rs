//! Opens a path that only root and the caller can redirect. A user who can rename a component of a path decides where the path leads.
//! So each directory from `/` on is checked before a name is looked up in it. Symbolic links are followed one by one, because the
//! directories on their paths must be checked too.
//!
//! Each component is opened (O_PATH, O_NOFOLLOW) and then checked through its descriptor, so that no component can be exchanged
//! between the check and the use.

#![forbid(unsafe_code)]

use core::ffi::CStr;
use core::fmt;

use alloc::vec::Vec;

use crate::alloc_util::{OutOfMemory, try_extend, try_to_vec, try_vec_of};
use crate::id_map::{self, Ids, Overflow};
use crate::sys::{self, Fd};
use crate::text::{Errno, write_path};

/// As many as the kernel follows (path_resolution(7)).
const MAX_LINKS: usize = 40;
const MAX_PATH: usize = libc::PATH_MAX as usize;
const OTHERS_WRITE: u32 = 0o022;

/// Why a component of a path cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathProblem {
    /// A call on it failed.
    #[error("{0}")]
    System(Errno),
    /// Others than root and the caller can write to it.
    #[error("others can write to it (mode {mode:04o}, owner {owner}): chmod go-w")]
    Writable {
        /// Permission bits.
        mode: u32,
        /// User id that owns it.
        owner: u32,
    },
    /// Neither root nor the caller owns it, so that its owner can change it, or rename it in a sticky directory.
    #[error("belongs to another user (mode {mode:04o}, owner {owner}): chown root")]
    Owner {
        /// Permission bits.
        mode: u32,
        /// User id that owns it.
        owner: u32,
    },
    /// As [`Owner`](PathProblem::Owner), and the owner has no id in this user namespace, where no chown(2) can be made.
    #[error(
        "{} (mode {mode:04o}, shown as owner {owner}): map the owner's id (--uidmap; see /proc/self/uid_map), or chown it, from \
         outside, to the id that root has in the map",
        if *.certain { "its owner has no id in this user namespace" }
        else { "belongs to another user, who may have no id in this user namespace" }
    )]
    OwnerWithoutId {
        /// Permission bits.
        mode: u32,
        /// The overflow id (proc(5)), which stands for every such owner.
        owner: u32,
        /// Not where a user here has the overflow id.
        certain: bool,
    },
    /// A link of /proc, which leads to whatever the process behind it has open.
    #[error("is a link of /proc, which can lead anywhere: write the path that it stands for")]
    ProcLink,
    /// The working directory, from which a relative path starts, has no path of its own.
    #[error(
        "the working directory was removed, is hidden by a mount, or is outside the root directory: write an absolute path"
    )]
    WorkingDirectory,
}

/// The component at fault, as a path, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathError {
    /// Empty where it is the whole path.
    pub component: Vec<u8>,
    /// What is wrong with it.
    pub problem: PathProblem,
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.component.is_empty() {
            write_path(f, &self.component)?;
            f.write_str(": ")?;
        }
        fmt::Display::fmt(&self.problem, f)
    }
}

impl core::error::Error for PathError {}

impl PathProblem {
    /// Whether nothing is wrong with the path itself: memory or descriptors have run out.
    pub(crate) fn has_run_out(self) -> bool {
        matches!(self, PathProblem::System(Errno(libc::ENOMEM | libc::EMFILE | libc::ENFILE)))
    }
}

/// Where a path leads.
pub(crate) struct Target {
    /// O_PATH descriptor.
    pub(crate) fd: Fd,
    pub(crate) stat: sys::Stat,
    /// The directory that it is in, already checked, and its name there; `None` for a directory, which has `.`.
    entry: Option<(Fd, Name)>,
}

impl Target {
    pub(crate) fn is_directory(&self) -> bool {
        is(&self.stat, libc::S_IFDIR)
    }

    /// Opens the file or directory itself. What had the name may have been exchanged meanwhile, by those who are trusted:
    /// a file is to be checked anew with [`check_file`].
    pub(crate) fn reopen(&self, flags: i32) -> Result<Fd, PathProblem> {
        let flags = flags | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        match &self.entry {
            Some((directory, name)) => sys::openat(directory.raw(), name.c_str(), flags),
            None => sys::openat(self.fd.raw(), c".", flags),
        }
        .map_err(PathProblem::System)
    }
}

/// Opens what a path leads to, with O_PATH.
pub(crate) fn open(path: &[u8]) -> Result<Target, PathError> {
    let mut walk = match Walk::new() {
        Ok(walk) => walk,
        Err(problem) => return Err(PathError { component: Vec::new(), problem }),
    };
    walk.run(path).map_err(|problem| {
        if walk.shown == path || problem == PathProblem::WorkingDirectory {
            walk.shown.clear();
        }
        PathError { component: walk.shown, problem }
    })
}

/// Whether only root and the caller can write to an open file. The group bits tell of access control lists too: there they
/// are the mask, the most that any entry grants (acl(5)).
pub(crate) fn check_file(stat: &sys::Stat) -> Result<(), PathProblem> {
    let caller = Caller::new()?;
    if !caller.owns(stat) {
        return Err(owner_problem(stat, caller.owner_id(stat)));
    }
    not_writable(stat)
}

/// Whether the mode lets nobody but the owner write.
pub(crate) fn not_writable(stat: &sys::Stat) -> Result<(), PathProblem> {
    if stat.st_mode & OTHERS_WRITE == 0 {
        return Ok(());
    }
    Err(PathProblem::Writable { mode: stat.st_mode & 0o7777, owner: stat.st_uid })
}

fn owner_problem(stat: &sys::Stat, id: OwnerId) -> PathProblem {
    let (mode, owner) = (stat.st_mode & 0o7777, stat.st_uid);
    match id {
        OwnerId::Here => PathProblem::Owner { mode, owner },
        id => PathProblem::OwnerWithoutId { mode, owner, certain: id == OwnerId::NotHere },
    }
}

fn is(stat: &sys::Stat, kind: libc::mode_t) -> bool {
    stat.st_mode & libc::S_IFMT == kind
}

fn stat_of(fd: &Fd) -> Result<sys::Stat, PathProblem> {
    sys::fstat(fd.raw()).map_err(PathProblem::System)
}

impl From<OutOfMemory> for PathProblem {
    fn from(_: OutOfMemory) -> PathProblem {
        PathProblem::System(Errno(libc::ENOMEM))
    }
}

/// A name in a directory, NUL-terminated.
struct Name([u8; Name::MAX + 1]);

impl Name {
    /// NAME_MAX.
    const MAX: usize = 255;

    fn new(name: &[u8]) -> Result<Name, PathProblem> {
        let mut buf = [0; Name::MAX + 1];
        if name.len() > Name::MAX {
            return Err(PathProblem::System(Errno(libc::ENAMETOOLONG)));
        }
        buf[..name.len()].copy_from_slice(name);
        Ok(Name(buf))
    }

    fn c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}

/// Who is trusted.
struct Caller {
    /// Not the real user id: in a set-user-ID program that is whoever started it.
    effective: u32,
    /// What stat(2) shows of every owner without an id here.
    overflow: Option<Overflow>,
}

impl Caller {
    fn new() -> Result<Caller, PathProblem> {
        let [_, effective, _] = sys::getresuid().map_err(PathProblem::System)?;
        Ok(Caller { effective, overflow: id_map::overflow(None, Ids::User).filter(|overflow| overflow.told) })
    }

    /// An owner without an id here is nobody's equal, whatever it is shown as.
    fn owns(&self, stat: &sys::Stat) -> bool {
        [0, self.effective].contains(&stat.st_uid) && self.owner_id(stat) == OwnerId::Here
    }

    fn owner_id(&self, stat: &sys::Stat) -> OwnerId {
        match self.overflow {
            Some(Overflow { id, may_be_real: false, .. }) if stat.st_uid == id => OwnerId::NotHere,
            Some(Overflow { id, .. }) if stat.st_uid == id => OwnerId::CannotTell,
            _ => OwnerId::Here,
        }
    }

    /// The same of a directory. Where its owner has none it may be entered: `/` and `/home` of a process that is root of a namespace
    /// which a plain user has made are such directories. No process of this namespace or of one below it can have the owner's id, and
    /// no capability counts for what has an owner without an id (kernel/capability.c, privileged_wrt_inode_uidgid), so with a mode that
    /// lets others not write, nobody here can change the directory; whoever made the namespace could do so from outside, and anything
    /// else to the process, too.
    ///
    /// Not so for what is named in a sticky directory that others can write to, since outside anybody may have made it.
    ///
    /// Where the overflow id is a real one too, the kernel is asked: O_NOATIME is for the owner and for CAP_FOWNER over an owner with
    /// an id here (open(2); fs/inode.c, inode_owner_or_capable), so to a caller with CAP_FOWNER it is refused (EPERM) just where the
    /// owner has none.
    fn directory_owner_id(&self, fd: &Fd, stat: &sys::Stat) -> Result<OwnerId, PathProblem> {
        const CAP_FOWNER: u64 = 1 << 3;
        let id = self.owner_id(stat);
        if id != OwnerId::CannotTell || sys::capget().map_err(PathProblem::System)?.effective & CAP_FOWNER == 0 {
            return Ok(id);
        }
        let asked = sys::openat(fd.raw(), c".", libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOATIME);
        Ok(if matches!(asked, Err(Errno(libc::EPERM))) { OwnerId::NotHere } else { OwnerId::Here })
    }
}

struct Walk {
    caller: Caller,
    directory: Fd,
    /// Whether others can add names to that directory, though not take away or rename what is not theirs (S_ISVTX).
    sticky: bool,
    /// The path to what is being looked at, for a message.
    shown: Vec<u8>,
    links: usize,
}

impl Walk {
    fn new() -> Result<Walk, PathProblem> {
        let directory = open_root()?;
        Ok(Walk { caller: Caller::new()?, directory, sticky: false, shown: Vec::new(), links: 0 })
    }

    fn run(&mut self, path: &[u8]) -> Result<Target, PathProblem> {
        let refused = match path {
            // An empty path names nothing (path_resolution(7)).
            b"" => Some(libc::ENOENT),
            path if path.len() >= MAX_PATH => Some(libc::ENAMETOOLONG),
            path if path.contains(&0) => Some(libc::EINVAL),
            _ => None,
        };
        if let Some(errno) = refused {
            return Err(PathProblem::System(Errno(errno)));
        }
        self.go_to_root()?;
        if !path.starts_with(b"/") {
            self.go_to_working_directory()?;
        }
        self.follow(path)
    }

    fn go_to_root(&mut self) -> Result<(), PathProblem> {
        self.shown.clear();
        try_extend(&mut self.shown, b"/")?;
        self.enter(open_root()?, false)
    }

    /// By its path from the root, every component of which is checked, rather than upwards from it: a component that others
    /// could rename is an error that names it, and with none of them the path cannot come to lead elsewhere.
    fn go_to_working_directory(&mut self) -> Result<(), PathProblem> {
        let mut path = try_vec_of(0, MAX_PATH)?;
        let len = sys::getcwd(&mut path).map_err(|errno| match errno {
            Errno(libc::ENOENT) => PathProblem::WorkingDirectory,
            errno => PathProblem::System(errno),
        })?;
        path.truncate(len);
        // getcwd(2) has "(unreachable)" before what is outside of the root.
        if !path.starts_with(b"/") {
            return Err(PathProblem::WorkingDirectory);
        }
        self.follow(&path)?;
        let here = sys::cwd_id().map_err(PathProblem::System)?;
        if sys::file_id(self.directory.raw()) != Ok(here) {
            return Err(PathProblem::WorkingDirectory);
        }
        // What follows is shown as it was written.
        self.shown.clear();
        Ok(())
    }

    fn follow(&mut self, path: &[u8]) -> Result<Target, PathProblem> {
        let mut rest = try_to_vec(path)?;
        let mut at = 0;
        loop {
            at += rest[at..].iter().take_while(|&&byte| byte == b'/').count();
            if at == rest.len() {
                return self.here();
            }
            let end = rest[at..].iter().position(|&byte| byte == b'/').map_or(rest.len(), |slash| at + slash);
            let name = &rest[at..end];
            at = end;
            if name == b"." {
                continue;
            }
            let shown = self.shown.len();
            if shown > 0 && !self.shown.ends_with(b"/") {
                try_extend(&mut self.shown, b"/")?;
            }
            try_extend(&mut self.shown, name)?;
            let name = Name::new(name)?;
            if name.c_str() == c".." {
                let parent = self.open(name.c_str(), libc::O_DIRECTORY)?;
                self.enter(parent, false)?;
                continue;
            }
            // O_DIRECTORY has an automounter mount what belongs there.
            let fd = match self.open(name.c_str(), libc::O_NOFOLLOW | libc::O_DIRECTORY) {
                // A link or a file. Linux says ENOTDIR of both; of a link, ELOOP is as good (open(2)).
                Err(PathProblem::System(Errno(libc::ENOTDIR | libc::ELOOP))) => {
                    self.open(name.c_str(), libc::O_NOFOLLOW)?
                }
                opened => opened?,
            };
            let stat = stat_of(&fd)?;
            if is(&stat, libc::S_IFDIR) {
                self.enter(fd, self.sticky)?;
                if at == rest.len() {
                    return self.here();
                }
                continue;
            }
            if is(&stat, libc::S_IFLNK) && sys::is_on_proc(fd.raw()).map_err(PathProblem::System)? {
                return Err(PathProblem::ProcLink);
            }
            // Elsewhere nobody else can have put it there.
            if self.sticky && !self.caller.owns(&stat) {
                return Err(owner_problem(&stat, self.caller.owner_id(&stat)));
            }
            if !is(&stat, libc::S_IFLNK) {
                if at < rest.len() {
                    return Err(PathProblem::System(Errno(libc::ENOTDIR)));
                }
                let directory = self.open(c".", libc::O_DIRECTORY)?;
                return Ok(Target { fd, stat, entry: Some((directory, name)) });
            }
            self.links += 1;
            if self.links > MAX_LINKS {
                return Err(PathProblem::System(Errno(libc::ELOOP)));
            }
            let mut target = read_link(&fd)?;
            try_extend(&mut target, &rest[at..])?;
            if target.starts_with(b"/") {
                self.go_to_root()?;
            } else {
                self.shown.truncate(shown);
            }
            (rest, at) = (target, 0);
        }
    }

    /// The directory reached.
    fn here(&self) -> Result<Target, PathProblem> {
        let fd = self.open(c".", libc::O_DIRECTORY)?;
        let stat = stat_of(&fd)?;
        Ok(Target { fd, stat, entry: None })
    }

    fn open(&self, name: &CStr, flags: i32) -> Result<Fd, PathProblem> {
        sys::openat(self.directory.raw(), name, libc::O_PATH | flags).map_err(PathProblem::System)
    }

    /// Makes a directory the one to look names up in, if nobody else decides what they are there. `in_sticky`: it is itself
    /// a name in a directory where others may put names.
    fn enter(&mut self, fd: Fd, in_sticky: bool) -> Result<(), PathProblem> {
        let stat = stat_of(&fd)?;
        if !self.caller.owns(&stat) {
            let id = self.caller.directory_owner_id(&fd, &stat)?;
            if in_sticky || id != OwnerId::NotHere {
                return Err(owner_problem(&stat, id));
            }
        }
        let sticky = stat.st_mode & libc::S_ISVTX != 0;
        if !sticky {
            not_writable(&stat)?;
        }
        self.sticky = sticky && stat.st_mode & OTHERS_WRITE != 0;
        self.directory = fd;
        Ok(())
    }
}

fn open_root() -> Result<Fd, PathProblem> {
    sys::openat(sys::CWD, c"/", libc::O_PATH | libc::O_DIRECTORY).map_err(PathProblem::System)
}

fn read_link(link: &Fd) -> Result<Vec<u8>, PathProblem> {
    let mut target = try_vec_of(0, MAX_PATH)?;
    let len = sys::readlinkat(link.raw(), c"", &mut target).map_err(PathProblem::System)?;
    target.truncate(len);
    if target.is_empty() { Err(PathProblem::System(Errno(libc::ENOENT))) } else { Ok(target) }
}

/// Whether an owner has an id in this user namespace.
#[derive(Clone, Copy, PartialEq, Eq)]
enum OwnerId {
    Here,
    /// user_namespaces(7): stat(2) shows the overflow id for every such owner.
    NotHere,
    /// The overflow id is a real one here too.
    CannotTell,
}
