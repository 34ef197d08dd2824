//! The C interface: parse the arguments, call the core, convert the result. The only `extern "C"` functions, and the text
//! of `include/ec_security.h`, which cbindgen makes from this file and `types.rs`.

// The documentation here is the C header's; what a caller owes stands in it per argument.
#![allow(clippy::missing_safety_doc)]

mod args;
mod boundary;
mod last_error;
mod message;
mod types;

use core::ffi::{CStr, c_char, c_int};
use core::ptr;

use alloc::boxed::Box;

use args::{Handle, bytes, message_of, opt_bytes, policy_ref, unbounded_bytes};
use boundary::{ffi_boundary, policy_call, write_to_buffer};
pub use types::*;

use crate::caps::{self, CapSets};
use crate::error::{Error, Status};
use crate::{apply, effective, status, sys};

/// Changes every thread of the process to `user` and `group`, with the capabilities in `caps_text` and no others.
///
/// When it returns 0, every thread has the new user ids, group ids and capability sets; the keep-caps flag is off; the ambient set is
/// empty; no_new_privs is set. The bounding set is trimmed to the permitted and inheritable sets if CAP_SETPCAP was held. When it
/// returns another value, nothing about the process has changed. If a step fails after the first change that cannot be undone, the
/// function writes one line to standard error and aborts the process.
///
/// user: a name or a decimal id. A decimal id needs no entry in the user database if `group` is given. "+1000" is the id 1000 and is
/// never looked up. NULL: the user ids and the supplementary groups do not change. "": EC_SECURITY_EARGUMENT, because an unset
/// variable must not mean "stay root".
///
/// group: a name or a decimal id, as for user. NULL: the primary group of the user; without a user, the group ids do not change. "":
/// EC_SECURITY_EARGUMENT. With a user, the supplementary groups become the groups of the group database for that user and `group`, as
/// with initgroups(3). setgroups(2) is not called if the list is already correct.
///
/// caps_text: a text in the format of cap_from_text(3), such as "cap_net_bind_service+ep". The permitted, effective and inheritable
/// sets become exactly what the text says. NULL or "": no capability is retained.
///
/// Returns EC_SECURITY_OK (0) or a status; ec_security_last_error() has the message. EARGUMENT, ESYNTAX, EUSER, EGROUP or ELOOKUP: an
/// argument cannot be used. EOPTION: an id is out of range. ECAPABILITY: a capability is not available. EREFUSED: a step was
/// refused. ETHREAD, EPROC, EBUSY or ERESOURCE: the threads could not be changed.
///
/// Threads: any thread may call it, with any number of other threads running. Concurrent calls run one after the other. The call stops
/// the other threads with a signal that the C library reserves for itself (33 with glibc, 34 with musl). System calls that the signal
/// interrupts are restarted as with SA_RESTART; signal(7) lists the calls that fail with EINTR even so. If a thread does not stop
/// within 5 seconds of real time, the call fails. A cancellation request for the calling thread (pthread_cancel(3)) takes effect after
/// the call.
///
/// Not async-signal-safe. It returns EC_SECURITY_EBUSY if it detects that it runs in a signal handler. A child of fork(2) may call it,
/// also before execve(2). A child of vfork(2) must not: it shares the memory of its parent.
///
/// Memory: the arguments are copied. They may be in the static buffers of getpwnam(3) or getgrnam(3). Each other thread needs 6 KiB of
/// stack while it is stopped, and the caller 20 KiB if no name is looked up.
///
/// Needs: CAP_SETUID and CAP_SETGID to change ids; /proc, unless the process has one thread. It needs no privilege if the process
/// already has the requested state.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ec_security_apply(
    user: *const c_char,
    group: *const c_char,
    caps_text: *const c_char,
) -> c_int {
    ffi_boundary(|| {
        // SAFETY: the caller passes NULL or NUL-terminated strings that stay put during the call.
        let (user, group, caps) =
            unsafe { (opt_bytes("user", user)?, opt_bytes("group", group)?, opt_bytes("caps_text", caps_text)?) };
        apply::apply_as(user, group, caps)
    })
}

/// Makes a policy in which every option has its default: the ids, the groups and the root directory do not change, no capability is
/// retained, the ambient set is emptied, the bounding set is trimmed and no_new_privs is set.
///
/// The policy keeps a descriptor of /proc, with close-on-exec set. A daemon may therefore make the policy, call chroot(2), and then
/// apply the policy. A child of fork(2) may use the policy. If the program closes the descriptor, /proc is opened again when it is
/// needed. If the daemon called chroot(2) itself, the descriptor gives access to files outside the new root directory: release the
/// policy after it was applied.
///
/// Returns the policy, which the caller releases with ec_security_policy_free(); or NULL if memory is exhausted:
/// ec_security_last_error() has the message. Safe in any thread.
#[unsafe(no_mangle)]
pub extern "C" fn ec_security_policy_new() -> *mut ec_security_policy {
    let mut made = ptr::null_mut();
    ffi_boundary(|| {
        made = Handle::new()?.cast();
        Ok(())
    });
    made
}

/// Releases a policy. It does not undo what was applied. NULL does nothing. No other thread may be using the policy, and no thread may
/// use it afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ec_security_policy_free(policy: *mut ec_security_policy) {
    if !policy.is_null() {
        ffi_boundary(|| {
            // SAFETY: the pointer came from ec_security_policy_new, and the caller gives it up here.
            drop(unsafe { Box::from_raw(policy.cast::<Handle>()) });
            Ok(())
        });
    }
}

/// Sets one option of a policy, as the `Security` stanza does. Option names are case-insensitive. A later value replaces an earlier
/// one. The value is checked, and names are looked up, before the function returns.
///
///     user                   name, decimal id, or "+" and a decimal id that is never looked up
///     group                  the same
///     capabilities           text of cap_from_text(3); "keep": each thread keeps its sets
///     optional_capabilities  text of cap_from_text(3): capabilities that are retained if they are held
///     supplemental_groups    groups, separated by white space or commas: the whole list; "": the empty list; "keep": unchanged
///     chroot                 absolute path of a directory that only root and the caller can write to; it becomes the root
///                            and working directory of every thread, also of one that has its own (unshare(2), CLONE_FS)
///     no_new_privs           on (default) | off
///     bounding               trim (default) | keep
///     ambient                names of capabilities that executed programs get, separated by white space or commas
///     securebits             names of capabilities(7), such as "noroot noroot_locked", separated by white space or commas;
///                            "keep" (default): unchanged
///     deadline               seconds within which every thread must stop, 0.001 to 3600 (default 5)
///     privileges             the Solaris key of the same stanza: accepted and ignored
///     dumpable               keep (default): the kernel clears the flag when ids change | on: the flag is set again
///     parent_death_signal    clear (default): the kernel clears the signal when ids change | keep: it is set again in every
///                            thread that had one
///
/// The memberships of a user are looked up together with the user, unless supplemental_groups has a value. To avoid that lookup, set
/// supplemental_groups before user; in a stanza the order does not matter.
///
/// If the user database cannot be read, a decimal id is accepted. ec_security_policy_apply() then fails if it needs the primary group
/// or the memberships of the user.
///
/// value: NULL sets the option to its default. "" is EC_SECURITY_EARGUMENT for user, group and chroot.
///
/// option, value: copied. They may be in the static buffers of getpwnam(3) or getgrnam(3).
///
/// Returns EC_SECURITY_OK or an error; on error the policy does not change. EOPTION: the option is unknown (the message has the
/// nearest name), or it does not take the value. ESYNTAX: a capability text does not follow its grammar. EUSER, EGROUP or ELOOKUP: a
/// user or group cannot be resolved. ECHROOT: the directory cannot be used. EARGUMENT: policy or option is NULL.
///
/// Threads: stops none. Changes nothing about the process. Not async-signal-safe.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ec_security_policy_set(
    policy: *mut ec_security_policy,
    option: *const c_char,
    value: *const c_char,
) -> c_int {
    // SAFETY: the caller passes a live policy of ours that no other thread uses now, and NUL-terminated strings.
    unsafe { policy_call(policy, |policy| policy.set(bytes("option", option)?, opt_bytes("value", value)?)) }
}

/// Sets the options of a policy from the `Security` stanza of a configuration file (ec_security.conf(5)) and of the files that it
/// includes. Other blocks are skipped. If several stanzas set an option, the last value counts.
///
/// path: the file. A relative path is taken from the working directory. Only root and the caller may be able to write to the file and
/// to the files that it includes. path or policy NULL: EC_SECURITY_EARGUMENT.
///
/// Returns EC_SECURITY_OK or an error; on error the policy does not change. ENOSTANZA: there is no such stanza; the caller decides
/// whether that is an error. EFILE: a file cannot be used. ESYNTAX, or an error of ec_security_policy_set(): the text or a value is
/// wrong; the message begins with FILE:LINE:COLUMN. Threads: as for ec_security_policy_set().
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ec_security_policy_load(policy: *mut ec_security_policy, path: *const c_char) -> c_int {
    // SAFETY: as for ec_security_policy_set.
    unsafe { policy_call(policy, |policy| policy.load(bytes("path", path)?)) }
}

/// Does the same as ec_security_policy_load(), for a text in memory. The text is a whole configuration file, not only the inside of
/// the stanza. Files that it includes are taken from the working directory. The text may be up to 16 MiB long. The caller keeps it.
/// Error messages name it "(text)".
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ec_security_policy_parse(policy: *mut ec_security_policy, text: *const c_char) -> c_int {
    // SAFETY: as for ec_security_policy_set.
    unsafe { policy_call(policy, |policy| policy.parse(unbounded_bytes("text", text)?)) }
}

/// Tests whether ec_security_policy_apply() would succeed now, for the --check-config of a server. It makes the same system calls in a
/// child process that has its own memory, and changes nothing. It does not look names up again.
///
/// It stops no thread, so it cannot see the securebits, the alternate signal stacks and the seccomp filters of other threads. A
/// refusal beside a call of another thread is tested again, within the deadline. The caller needs 32 KiB of stack.
///
/// Returns EC_SECURITY_OK or what ec_security_policy_apply() would return. policy NULL: EC_SECURITY_EARGUMENT.
///
/// Threads: stops none and signals none.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ec_security_policy_check(policy: *mut ec_security_policy) -> c_int {
    // SAFETY: as for ec_security_policy_set.
    unsafe { policy_call(policy, apply::check) }
}

/// Applies a policy to every thread of the process. Results, threads and signals are as for ec_security_apply(), which applies a
/// policy of three options. If chroot is set, it may also return ECHROOT.
///
/// The caller keeps the policy and may apply it again. If chroot is set, the call closes the policy's descriptor of /proc, which would
/// give access to files outside the new root directory. To apply the policy again, a process with several threads needs /proc in the
/// new root directory. policy NULL: EC_SECURITY_EARGUMENT.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ec_security_policy_apply(policy: *mut ec_security_policy) -> c_int {
    // SAFETY: as for ec_security_policy_set.
    unsafe { policy_call(policy, apply::apply) }
}

/// Writes the value of an option, NUL-terminated, as ec_security_policy_set() takes it. Three more names serve a server that calls
/// chown(2) before it drops its privileges: `uid`, `gid` and `groups` (separated by commas), as decimal numbers. "-1" means that the
/// ids or the list do not change, as in chown(2).
///
///     user, group            as they were set; "" if not set
///     capabilities           text of cap_to_text(3), or "keep"
///     optional_capabilities  text of cap_to_text(3)
///     supplemental_groups    numbers such as "+27,+1000", also if they come from the group database; or "keep"
///     chroot                 as it was set; "" if not set
///     ambient                names, separated by commas; "keep" if it is unchanged because of capabilities = keep
///     securebits             names, separated by commas; or "keep"
///     deadline               seconds, such as "5" or "0.25"
///     privileges             ""
///     no_new_privs, bounding, dumpable, parent_death_signal
///                            one of the words that ec_security_policy_set() lists
///
/// buf: at least `len` bytes. NULL only with `len` 0.
///
/// Returns the length of the whole text without the NUL, as snprintf(3) does. If that is `len` or more, the text was truncated. A
/// negative result is minus a status, and buf does not change: EOPTION, the option is unknown; EUSER or ELOOKUP, the group or the
/// groups of the user are not known; EGROUP, there are too many groups; ERESOURCE; EARGUMENT, policy or option is NULL, or buf is NULL
/// and len is not 0.
///
/// Threads: as for ec_security_policy_set().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ec_security_policy_get(
    policy: *mut ec_security_policy,
    option: *const c_char,
    buf: *mut c_char,
    len: usize,
) -> c_int {
    // SAFETY: the caller vouches for `len` bytes at `buf`; the rest is as for ec_security_policy_set.
    unsafe {
        write_to_buffer(message_of(policy), buf, len, |out| policy_ref(policy)?.get(bytes("option", option)?, out))
    }
}

/// Returns the message of the last call on a policy that failed: one line of at most 1023 bytes, NUL-terminated; "" if none has
/// failed. Use it in languages whose tasks move between threads, where ec_security_last_error() may have the message of another task.
///
/// policy: NULL returns ec_security_last_error(), because ec_security_policy_new() may have failed.
///
/// The text belongs to the policy. It is valid until the next call on the policy that fails, or until ec_security_policy_free(). Any
/// thread may call this function while no other thread uses the policy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ec_security_policy_error(policy: *const ec_security_policy) -> *const c_char {
    // SAFETY: the caller passes NULL, or a live policy that no other thread uses now.
    match unsafe { message_of(policy.cast_mut()).as_ref() } {
        Some(message) => message.as_ptr(),
        None => last_error::text(),
    }
}

/// Reads a capability text in the format of cap_from_text(3): names in any case, numbers, `all`, several operators in a clause.
///
/// text: of any length. NULL: EC_SECURITY_EARGUMENT, as in cap_from_text(3). "": three empty sets.
///
/// out: written only on success. NULL: EC_SECURITY_EARGUMENT.
///
/// Returns EC_SECURITY_OK, or EC_SECURITY_ESYNTAX with the column, the word and the nearest name in ec_security_last_error(). Accepts
/// every number below 64, whether or not the running kernel has such a capability; ec_security_apply() refuses those that the kernel
/// lacks. Does not use the heap. Safe in any thread. Needs no privilege and changes none.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ec_security_caps_from_text(text: *const c_char, out: *mut CapSets) -> c_int {
    ffi_boundary(|| {
        // SAFETY: the caller passes a NUL-terminated string.
        let text = unsafe { unbounded_bytes("text", text)? };
        if out.is_null() {
            return Err(Error::Argument { name: "out", problem: "NULL; pass the address of an ec_security_caps" });
        }
        let caps = caps::text::parse(text, sys::last_cap())
            .map_err(|error| Error::CapText { option: "capabilities", error })?;
        // SAFETY: not NULL, and the caller vouches that it points to an ec_security_caps.
        unsafe { out.write(caps) };
        Ok(())
    })
}

/// Writes three sets as cap_to_text(3) does, NUL-terminated. ec_security_caps_from_text() reads the text as the same sets.
///
/// caps: the sets. NULL: minus EC_SECURITY_EARGUMENT.
///
/// buf: at least `len` bytes. NULL only with `len` 0.
///
/// Returns the length of the whole text without the NUL, as snprintf(3) does. If that is `len` or more, the text was truncated. 1024
/// bytes are enough for any sets. A negative result is minus EC_SECURITY_EARGUMENT (caps is NULL, or buf is NULL and len is not 0),
/// and buf does not change. Does not use the heap. Safe in any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ec_security_caps_to_text(caps: *const CapSets, buf: *mut c_char, len: usize) -> c_int {
    // SAFETY: the caller vouches for `len` bytes at `buf`.
    unsafe {
        write_to_buffer(ptr::null_mut(), buf, len, |out| {
            if caps.is_null() {
                return Err(Error::Argument { name: "caps", problem: "NULL; pass the address of an ec_security_caps" });
            }
            // SAFETY: not NULL, and the caller vouches that it points to an ec_security_caps.
            let caps = caps.read();
            let _ = caps::text::write(&caps, sys::last_cap(), out);
            Ok(())
        })
    }
}

/// Writes the current ids, groups, capability sets and no_new_privs of each thread of a process, as text, NUL-terminated: one line for
/// the main thread and all threads that hold the same, and one line for each other thread. ec_security_status(3) describes the format.
///
/// pid: a process id. 0 is the calling process.
///
/// buf: at least `len` bytes. NULL only with `len` 0.
///
/// Returns the length of the whole text without the NUL, as snprintf(3) does. If that is `len` or more, the text was truncated.
/// Threads start and exit, so the next text may have another length. A negative result is minus a status, and buf does not change:
/// ENOPROCESS, there is no such process or it cannot be read; EPROC, there is no /proc; ERESOURCE; EARGUMENT, buf is NULL and len is
/// not 0.
///
/// Threads: stops none. Safe in any thread. Not async-signal-safe. Uses the heap.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ec_security_status(pid: libc::pid_t, buf: *mut c_char, len: usize) -> c_int {
    // SAFETY: the caller vouches for `len` bytes at `buf`.
    unsafe { write_to_buffer(ptr::null_mut(), buf, len, |out| status::describe(pid, out)) }
}

/// Raises capabilities in the effective set of the calling thread. They must be in its permitted set. A server that holds "cap_x+p"
/// can thus raise the capability for one call. The other sets and the other threads do not change.
///
/// caps_text: clauses that add only the effective flag, such as "cap_net_bind_service+e" or "cap_net_raw,cap_net_admin=e". NULL:
/// EC_SECURITY_EARGUMENT.
///
/// Returns EC_SECURITY_OK, also if the capabilities are already effective; or an error, and nothing has changed. ECAPABILITY: a
/// capability is not permitted. EOPTION: the text has permitted or inheritable flags. ESYNTAX or EARGUMENT: the text cannot be used.
/// EREFUSED: the kernel or a seccomp filter refused the change. Does not use the heap. Not async-signal-safe.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ec_security_raise(caps_text: *const c_char) -> c_int {
    ffi_boundary(|| {
        // SAFETY: the caller passes a NUL-terminated string.
        effective::raise(unsafe { bytes("caps_text", caps_text)? })
    })
}

/// Lowers capabilities in the effective set of the calling thread. They stay permitted and can be raised again.
///
/// caps_text: the capabilities to lower, as for ec_security_raise(): "cap_net_bind_service+e". Returns what ec_security_raise()
/// returns, except ECAPABILITY. Does not use the heap. Not async-signal-safe.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn ec_security_lower(caps_text: *const c_char) -> c_int {
    ffi_boundary(|| {
        // SAFETY: the caller passes a NUL-terminated string.
        effective::lower(unsafe { bytes("caps_text", caps_text)? })
    })
}

/// Returns the fixed text of a status; "unknown status" for any other number. Never NULL. The text belongs to the library and is never
/// freed. Safe in any thread. Async-signal-safe.
#[unsafe(no_mangle)]
pub extern "C" fn ec_security_strerror(status: c_int) -> *const c_char {
    Status::fixed_text(status).as_ptr()
}

/// Returns the message of the last function of this library that failed in the calling thread: what failed, where, and what was
/// expected. One line of at most 1023 bytes, NUL-terminated; "" if none has failed. As with errno, success does not change it.
///
/// The text belongs to the library. It is valid until the next failure in this thread, which writes to the same address, or until the
/// thread ends. If memory or the keys of pthread_key_create(3) are exhausted, a thread has no buffer: the text is then that of
/// ec_security_strerror() for the last failure of any such thread. Safe in any thread. Not async-signal-safe.
#[unsafe(no_mangle)]
pub extern "C" fn ec_security_last_error() -> *const c_char {
    last_error::text()
}

/// Returns the version of the library that is loaded, such as "0.1.0". Never NULL. The text belongs to the library and is never freed.
/// Safe in any thread. Async-signal-safe.
#[unsafe(no_mangle)]
pub extern "C" fn ec_security_version() -> *const c_char {
    const VERSION: &CStr = match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("the version has no NUL inside"),
    };
    VERSION.as_ptr()
}
