//! The constants and the opaque type of the C interface. The documentation here is the C header's.

use core::ffi::c_int;

use crate::error::Status;

/// The version of this header. ec_security_version() returns the version of the library that is loaded.
pub const EC_SECURITY_VERSION_MAJOR: c_int = 0;
/// See EC_SECURITY_VERSION_MAJOR.
pub const EC_SECURITY_VERSION_MINOR: c_int = 1;
/// See EC_SECURITY_VERSION_MAJOR.
pub const EC_SECURITY_VERSION_PATCH: c_int = 0;

const _: () = {
    const fn number(text: &str) -> c_int {
        match c_int::from_str_radix(text, 10) {
            Ok(number) => number,
            Err(_) => panic!("the parts of the version are numbers"),
        }
    }

    assert!(number(env!("CARGO_PKG_VERSION_MAJOR")) == EC_SECURITY_VERSION_MAJOR);
    assert!(number(env!("CARGO_PKG_VERSION_MINOR")) == EC_SECURITY_VERSION_MINOR);
    assert!(number(env!("CARGO_PKG_VERSION_PATCH")) == EC_SECURITY_VERSION_PATCH);
};

/// Success.
pub const EC_SECURITY_OK: c_int = 0;
/// An argument is NULL where it must not be, or is empty, too long or otherwise unusable.
pub const EC_SECURITY_EARGUMENT: c_int = 1;
/// A capability text or a configuration text does not follow its grammar.
pub const EC_SECURITY_ESYNTAX: c_int = 2;
/// There is no such option, or it does not take this value.
pub const EC_SECURITY_EOPTION: c_int = 3;
/// There is no such user, or a user id has no entry in the user database and no group is given.
pub const EC_SECURITY_EUSER: c_int = 4;
/// There is no such group, or there are more groups than the kernel accepts (NGROUPS_MAX, 65536).
pub const EC_SECURITY_EGROUP: c_int = 5;
/// The user or group database could not be read. The name may exist; a later call may succeed.
pub const EC_SECURITY_ELOOKUP: c_int = 6;
/// A capability asked for does not exist in this kernel, or this process does not hold it, or a rule of capabilities(7) forbids the
/// requested sets or securebits.
pub const EC_SECURITY_ECAPABILITY: c_int = 7;
/// A system call that the change needs is refused by the kernel, a seccomp filter, a security module, a user namespace or a limit.
pub const EC_SECURITY_EREFUSED: c_int = 8;
/// A thread could not be stopped, or cannot be changed. The message has the reason and, if it is one thread, its id and name.
pub const EC_SECURITY_ETHREAD: c_int = 9;
/// /proc is needed, but it is missing, cannot be read, or belongs to another pid namespace.
pub const EC_SECURITY_EPROC: c_int = 10;
/// Called from a signal handler; or another call of this thread is in progress; or the call of another thread, or of another copy of
/// the library in this process, does not end in time.
pub const EC_SECURITY_EBUSY: c_int = 11;
/// Out of memory, file descriptors, processes or queued signals.
pub const EC_SECURITY_ERESOURCE: c_int = 12;
/// A configuration file cannot be read, exceeds a limit, or includes itself; or users other than root and the caller can write to it.
pub const EC_SECURITY_EFILE: c_int = 13;
/// The configuration has no `Security` stanza.
pub const EC_SECURITY_ENOSTANZA: c_int = 14;
/// The directory for chroot cannot be used.
pub const EC_SECURITY_ECHROOT: c_int = 15;
/// There is no such process, or it cannot be read.
pub const EC_SECURITY_ENOPROCESS: c_int = 16;
/// The library detected a defect in itself. End the process: its credentials are unknown.
pub const EC_SECURITY_EINTERNAL: c_int = 17;

const _: () = {
    assert!(Status::Internal as c_int == EC_SECURITY_EINTERNAL);
    assert!(Status::ALL.len() as c_int == EC_SECURITY_EINTERNAL + 1);
};

/// The longest string that an argument accepts, in bytes without the terminating NUL. For a longer one, the function returns
/// EC_SECURITY_EARGUMENT. The texts of ec_security_policy_parse() and ec_security_caps_from_text() may be longer.
pub const EC_SECURITY_TEXT_MAX: usize = 65535;

/// A policy: a value for each option of the `Security` stanza. The type is opaque. ec_security_policy_new() makes a policy, and
/// ec_security_policy_free() releases it. Any thread may use a policy, but only one thread at a time.
#[allow(non_camel_case_types)]
pub struct ec_security_policy {
    // A name for C only: behind such a pointer is a Policy.
    _opaque: [u8; 0],
}
