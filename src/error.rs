//! All errors of a call, gathered from the modules, and the statuses of the C interface.
//!
//! An error holds values: the step, its arguments, the errno. `Display` makes the message, and [`Error::status`] the status. A message
//! says what was found, where, what was expected and, where that helps, what to do.
//!
//! The text of a message is in the `error` attribute of its variant: here, or in the module that the error comes from. What depends on
//! the process (a capability outside the bounding set, a seccomp filter) is a [`Hint`]: apply/hint.rs finds it, and
//! [`Error::Explained`] appends it to the message.

use crate::alloc_util::OutOfMemory;
pub use crate::apply::error::{ApplyError, NoTimer};
pub use crate::apply::hint::Hint;
use crate::caps::CapNames;
use crate::caps::text::CapTextError;
use crate::config::{FileError, FileProblem, Place, StanzaError};
pub use crate::execute::ReadError;
use crate::plan::Refusal;
use crate::text::Suggestion;
pub use crate::text::{Errno, Excerpt};
pub use crate::threads::{StopError, ThreadProblem, ThreadState};
pub use crate::trusted_path::{PathError, PathProblem};

/// The results of the C interface. Append-only: a number never changes its meaning.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// An argument is NULL, empty or otherwise unusable.
    Argument = 1,
    /// A capability text or a configuration text does not follow its grammar.
    Syntax = 2,
    /// No such option, or a value the option does not take.
    Option = 3,
    /// No such user, or a user id without an entry and without a group.
    User = 4,
    /// No such group, or a list of groups that is too long.
    Group = 5,
    /// The user or group database could not be read.
    LookUp = 6,
    /// The capabilities asked for cannot be had here.
    Capability = 7,
    /// The rehearsal was refused by the kernel, a seccomp filter, a security module, a user namespace or a limit.
    Refused = 8,
    /// A thread could not be stopped, or cannot be changed.
    Thread = 9,
    /// /proc is missing, or is not this process's.
    Proc = 10,
    /// Called again while a call is under way in this thread, or from a signal handler.
    Busy = 11,
    /// Memory, descriptors or processes have run out.
    Resource = 12,
    /// A file could not be read, or others may write to it.
    File = 13,
    /// The file has no `Security` stanza.
    NoStanza = 14,
    /// The directory for chroot cannot be used.
    Chroot = 15,
    /// No such process.
    NoProcess = 16,
    /// A defect of this library was caught.
    Internal = 17,
}

impl Status {
    /// Every status, in order of number.
    pub const ALL: [Status; 18] = [
        Status::Ok,
        Status::Argument,
        Status::Syntax,
        Status::Option,
        Status::User,
        Status::Group,
        Status::LookUp,
        Status::Capability,
        Status::Refused,
        Status::Thread,
        Status::Proc,
        Status::Busy,
        Status::Resource,
        Status::File,
        Status::NoStanza,
        Status::Chroot,
        Status::NoProcess,
        Status::Internal,
    ];

    /// As [`Status::text`], of any number.
    pub fn fixed_text(number: i32) -> &'static core::ffi::CStr {
        match usize::try_from(number).ok().and_then(|at| Status::ALL.get(at)) {
            Some(status) => status.text(),
            None => c"unknown status",
        }
    }

    /// One line for this status, NUL-terminated, never freed.
    pub const fn text(self) -> &'static core::ffi::CStr {
        match self {
            Status::Ok => c"success",
            Status::Argument => c"an argument is NULL, empty or unusable",
            Status::Syntax => c"the text does not follow its grammar",
            Status::Option => c"unknown option, or a value it does not take",
            Status::User => c"unknown user, or a user id without an entry and without a group",
            Status::Group => c"unknown group, or too many groups",
            Status::LookUp => c"the user or group database could not be read",
            Status::Capability => c"a capability asked for is not available",
            Status::Refused => c"refused by the kernel, seccomp, a security module, a user namespace or a limit",
            Status::Thread => c"a thread could not be stopped, or cannot be changed",
            Status::Proc => c"/proc is missing or shows another process",
            Status::Busy => c"called from a signal handler, or while another call is in progress",
            Status::Resource => c"out of memory, descriptors or processes",
            Status::File => c"the file cannot be read, or other users can write to it",
            Status::NoStanza => c"the file has no Security stanza",
            Status::Chroot => c"the chroot directory cannot be used",
            Status::NoProcess => c"no such process",
            Status::Internal => c"defect in libec_security",
        }
    }
}

/// Every error of a call: something failed before a change that cannot be undone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument that cannot be used.
    #[error("{name}: {problem}")]
    Argument {
        /// The argument's or option's name.
        name: &'static str,
        /// What is wrong, and what to do.
        problem: &'static str,
    },
    /// An option's name that is not known.
    #[error("unknown option {word}{}", Suggestion(*.nearest))]
    UnknownOption {
        /// As it was written.
        word: Excerpt,
        /// The known name that is closest to it.
        nearest: Option<&'static str>,
    },
    /// A value its option does not take.
    #[error("{option}: {word} is not {expected}")]
    OptionValue {
        /// The option's name.
        option: &'static str,
        /// The value, or the part of it that is wrong.
        word: Excerpt,
        /// What the option takes.
        expected: &'static str,
    },
    /// A capability text that does not parse.
    #[error("{option}: {error}")]
    CapText {
        /// The option or argument that holds the text.
        option: &'static str,
        /// Column, word and what was expected.
        error: CapTextError,
    },
    /// No such user.
    #[error("user: no user {word} in the user database")]
    UnknownUser {
        /// As it was written.
        word: Excerpt,
    },
    /// A user id with no entry, and no group given.
    #[error("user: id {uid} has no entry in the user database, so its group is not known: set group as well")]
    UserNeedsGroup {
        /// The id.
        uid: u32,
    },
    /// No such group.
    #[error("{option}: no group {word} in the group database")]
    UnknownGroup {
        /// `group` or `supplemental_groups`.
        option: &'static str,
        /// As it was written.
        word: Excerpt,
    },
    /// More groups than the kernel takes.
    #[error("{option}: {count} groups, but the kernel takes at most {max} (NGROUPS_MAX)")]
    TooManyGroups {
        /// Where the list came from.
        option: &'static str,
        /// How many there were.
        count: usize,
        /// How many are allowed.
        max: usize,
    },
    /// A database that could not be read. The name may exist.
    #[error(
        "{option}: the lookup of {word} failed ({errno}): a source named in /etc/nsswitch.conf cannot be read or reached"
    )]
    LookUp {
        /// `user`, `group` or `supplemental_groups`.
        option: &'static str,
        /// The name looked up.
        word: Excerpt,
        /// What the lookup returned.
        errno: Errno,
    },
    /// The plan says it cannot work.
    #[error(transparent)]
    Plan(#[from] Refusal),
    /// A call that reads credentials failed.
    #[error(
        "{0}; nothing was changed (if a seccomp filter is active, such as SystemCallFilter= of a unit, it must allow that call)"
    )]
    Read(#[from] ReadError),
    /// The caller's own commit or its rehearsal was refused; all was undone.
    #[error("{0}; nothing was changed")]
    Apply(#[from] ApplyError),
    /// What was refused, and what an operator can do about it.
    #[error("{error}: {hint}")]
    Explained {
        /// What was refused.
        error: alloc::boxed::Box<Error>,
        /// What to do.
        hint: Hint,
    },
    /// Threads could not be stopped.
    #[error("{0}; nothing was changed")]
    Stop(#[from] StopError),
    /// A system call needed before any change failed.
    #[error("{call} failed ({errno}); nothing was changed")]
    System {
        /// The call and what it was for.
        call: &'static str,
        /// The reason the kernel gave.
        errno: Errno,
    },
    /// Memory has run out.
    #[error("out of memory; nothing was changed")]
    OutOfMemory,
    /// /proc cannot be used.
    #[error("/proc: {problem}")]
    NoProc {
        /// What is wrong with it, and what to do.
        problem: &'static str,
    },
    /// Called where it must not be.
    #[error("{problem}; nothing was changed")]
    Busy {
        /// Where it was called.
        problem: &'static str,
    },
    /// The directory for chroot cannot be used.
    #[error("chroot: {path}: {problem}")]
    Chroot {
        /// The path as it was written.
        path: Excerpt,
        /// What is wrong with it.
        problem: ChrootProblem,
    },
    /// No such process, or one that may not be read.
    #[error("process {pid}: {errno}")]
    NoProcess {
        /// The process id asked for.
        pid: i32,
        /// Why it cannot be read.
        errno: Errno,
    },
    /// Capabilities to be raised that the calling thread does not hold.
    #[error("cannot raise {}: not in this thread's permitted set", CapNames(*.missing))]
    CannotRaise {
        /// Those missing.
        missing: u64,
    },
    /// A text for raise or lower that asks for more than the effective set.
    #[error("capabilities: raise and lower change the effective set only; write clauses such as cap_net_raw+e")]
    EffectiveOnly,
    /// Something wrong in a configuration file; says where.
    #[error(transparent)]
    Stanza(StanzaError),
    /// A value in a configuration file that its option does not take; says where.
    #[error("{place}: {error}")]
    At {
        /// file:line:column
        place: Place,
        /// What is wrong there.
        error: alloc::boxed::Box<Error>,
    },
    /// A defect of this library.
    #[error("defect in libec_security ({what})")]
    Internal {
        /// What was found to be impossible.
        what: &'static str,
    },
}

/// Why a directory cannot become the root directory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChrootProblem {
    /// It cannot be opened, or others decide what it is.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Not given from the root.
    #[error("is not an absolute path")]
    Relative,
    /// Exists, but is something else.
    #[error("is not a directory")]
    NotDirectory,
}

impl Error {
    /// The number the C interface returns for this error.
    pub fn status(&self) -> Status {
        match self {
            Error::Argument { .. } => Status::Argument,
            Error::UnknownOption { .. } | Error::OptionValue { .. } | Error::EffectiveOnly => Status::Option,
            Error::CapText { .. } => Status::Syntax,
            Error::UnknownUser { .. } | Error::UserNeedsGroup { .. } => Status::User,
            Error::UnknownGroup { .. } | Error::TooManyGroups { .. } => Status::Group,
            Error::LookUp { .. } => Status::LookUp,
            Error::Plan(refusal) if refusal.is_identity_change() => Status::Refused,
            Error::Plan(_) | Error::CannotRaise { .. } => Status::Capability,
            Error::Read(error) => system_status(error.errno),
            Error::Apply(ApplyError::System { errno, .. } | ApplyError::Clone { errno }) => system_status(*errno),
            Error::Apply(ApplyError::NoTimer(NoTimer { errno: Some(errno) })) => system_status(*errno),
            Error::Apply(ApplyError::EarlierChild { .. }) => Status::Resource,
            Error::Apply(_) => Status::Refused,
            Error::Stop(StopError::System { errno, .. }) | Error::System { errno, .. } => system_status(*errno),
            Error::Stop(
                StopError::Thread { .. } | StopError::ThreadsKeepComing { .. } | StopError::LostDescriptors,
            ) => Status::Thread,
            Error::Stop(StopError::NoTaskDir { errno: Errno(libc::EMFILE | libc::ENFILE | libc::ENOMEM) }) => {
                Status::Resource
            }
            Error::Stop(StopError::Proc { .. } | StopError::NoTaskDir { .. }) | Error::NoProc { .. } => Status::Proc,
            Error::Stop(StopError::Busy { .. }) => Status::Busy,
            Error::OutOfMemory => Status::Resource,
            Error::Busy { .. } => Status::Busy,
            Error::Chroot { problem: ChrootProblem::Path(error), .. } if error.problem.has_run_out() => {
                Status::Resource
            }
            Error::Chroot { .. } => Status::Chroot,
            Error::NoProcess { .. } => Status::NoProcess,
            Error::Stanza(error) => stanza_status(error),
            Error::At { error, .. } | Error::Explained { error, .. } => error.status(),
            Error::Internal { .. } => Status::Internal,
        }
    }
}

fn system_status(errno: Errno) -> Status {
    match errno.0 {
        libc::ENOMEM | libc::EMFILE | libc::ENFILE | libc::EAGAIN | libc::ENOSPC => Status::Resource,
        _ => Status::Refused,
    }
}

fn stanza_status(error: &StanzaError) -> Status {
    match error {
        StanzaError::Syntax(_) => Status::Syntax,
        StanzaError::File(FileError { problem: FileProblem::Path(problem), .. }) if problem.has_run_out() => {
            Status::Resource
        }
        StanzaError::File(_) => Status::File,
        StanzaError::OutOfMemory => Status::Resource,
        StanzaError::NoStanza { .. } => Status::NoStanza,
    }
}

impl From<StanzaError> for Error {
    fn from(error: StanzaError) -> Error {
        match error {
            StanzaError::OutOfMemory => Error::OutOfMemory,
            error => Error::Stanza(error),
        }
    }
}

impl From<OutOfMemory> for Error {
    fn from(_: OutOfMemory) -> Error {
        Error::OutOfMemory
    }
}
