/* ec_security.h - drop the privileges of a server. Made by cbindgen from src/capi/; do not edit.
 *
 * libec_security, MIT OR Apache-2.0. Link with `pkg-config --cflags --libs ec_security`.
 *
 *     #include <ec_security.h>
 *     ...
 *     if (ec_security_apply("ecuser", "ecuser", "cap_net_bind_service+ep") != EC_SECURITY_OK) {
 *         fprintf(stderr, "%s\n", ec_security_last_error());
 *         exit(1);
 *     }
 *
 * After a call that changes privileges, one of three things is true: every thread of the process has exactly the state that
 * was asked for; or the call returned an error, and nothing about the process has changed; or the process has ended.
 *
 * Conventions: a function that returns int returns 0 on success and a status on failure. The three functions that write a
 * text into a buffer return the length of the text, or minus a status. Outputs are written only on success. Strings are
 * NUL-terminated and need not be UTF-8. A NULL that the function does not allow is an error. No function prints anything,
 * except one line before it ends the process. No function changes errno.
 */

#ifndef EC_SECURITY_H
#define EC_SECURITY_H


#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Makes the compiler warn if the result of a call is not used. */
#if defined(__GNUC__)
#define EC_SECURITY_WARN_UNUSED_RESULT __attribute__((warn_unused_result))
#else
#define EC_SECURITY_WARN_UNUSED_RESULT
#endif

#ifdef __cplusplus
extern "C" {
#endif


/**
 * The version of this header. ec_security_version() returns the version of the library that is loaded.
 */
#define EC_SECURITY_VERSION_MAJOR 0

/**
 * See EC_SECURITY_VERSION_MAJOR.
 */
#define EC_SECURITY_VERSION_MINOR 1

/**
 * See EC_SECURITY_VERSION_MAJOR.
 */
#define EC_SECURITY_VERSION_PATCH 0

/**
 * Success.
 */
#define EC_SECURITY_OK 0

/**
 * An argument is NULL where it must not be, or is empty, too long or otherwise unusable.
 */
#define EC_SECURITY_EARGUMENT 1

/**
 * A capability text or a configuration text does not follow its grammar.
 */
#define EC_SECURITY_ESYNTAX 2

/**
 * There is no such option, or it does not take this value.
 */
#define EC_SECURITY_EOPTION 3

/**
 * There is no such user, or a user id has no entry in the user database and no group is given.
 */
#define EC_SECURITY_EUSER 4

/**
 * There is no such group, or there are more groups than the kernel accepts (NGROUPS_MAX, 65536).
 */
#define EC_SECURITY_EGROUP 5

/**
 * The user or group database could not be read. The name may exist; a later call may succeed.
 */
#define EC_SECURITY_ELOOKUP 6

/**
 * A capability asked for does not exist in this kernel, or this process does not hold it, or a rule of capabilities(7) forbids the
 * requested sets or securebits.
 */
#define EC_SECURITY_ECAPABILITY 7

/**
 * A system call that the change needs is refused by the kernel, a seccomp filter, a security module, a user namespace or a limit.
 */
#define EC_SECURITY_EREFUSED 8

/**
 * A thread could not be stopped, or cannot be changed. The message has the reason and, if it is one thread, its id and name.
 */
#define EC_SECURITY_ETHREAD 9

/**
 * /proc is needed, but it is missing, cannot be read, or belongs to another pid namespace.
 */
#define EC_SECURITY_EPROC 10

/**
 * Called from a signal handler; or another call of this thread is in progress; or the call of another thread, or of another copy of
 * the library in this process, does not end in time.
 */
#define EC_SECURITY_EBUSY 11

/**
 * Out of memory, file descriptors, processes or queued signals.
 */
#define EC_SECURITY_ERESOURCE 12

/**
 * A configuration file cannot be read, exceeds a limit, or includes itself; or users other than root and the caller can write to it.
 */
#define EC_SECURITY_EFILE 13

/**
 * The configuration has no `Security` stanza.
 */
#define EC_SECURITY_ENOSTANZA 14

/**
 * The directory for chroot cannot be used.
 */
#define EC_SECURITY_ECHROOT 15

/**
 * There is no such process, or it cannot be read.
 */
#define EC_SECURITY_ENOPROCESS 16

/**
 * The library detected a defect in itself. End the process: its credentials are unknown.
 */
#define EC_SECURITY_EINTERNAL 17

/**
 * The longest string that an argument accepts, in bytes without the terminating NUL. For a longer one, the function returns
 * EC_SECURITY_EARGUMENT. The texts of ec_security_policy_parse() and ec_security_caps_from_text() may be longer.
 */
#define EC_SECURITY_TEXT_MAX 65535

/**
 * A policy: a value for each option of the `Security` stanza. The type is opaque. ec_security_policy_new() makes a policy, and
 * ec_security_policy_free() releases it. Any thread may use a policy, but only one thread at a time.
 */
typedef struct ec_security_policy ec_security_policy;

/**
 * The three sets that a capability text describes and capset(2) changes. Bit n of a mask is capability number n.
 */
typedef struct ec_security_caps {
    /**
     * The capabilities that the kernel checks.
     */
    uint64_t effective;
    /**
     * The capabilities that may be made effective.
     */
    uint64_t permitted;
    /**
     * The capabilities that an executed program may keep, if the inheritable set of its file has them.
     */
    uint64_t inheritable;
} ec_security_caps;

/**
 * Changes every thread of the process to `user` and `group`, with the capabilities in `caps_text` and no others.
 *
 * When it returns 0, every thread has the new user ids, group ids and capability sets; the keep-caps flag is off; the ambient set is
 * empty; no_new_privs is set. The bounding set is trimmed to the permitted and inheritable sets if CAP_SETPCAP was held and no
 * security module denies its use. When the function returns another value, nothing about the process has changed. If a system call
 * fails after the first change that cannot be undone, the process writes one line to standard error and ends. ec_security_apply(3)
 * lists the cases in which it ends without the line.
 *
 * user: a name or a decimal id. A decimal id needs no entry in the user database if `group` is given. "+1000" is the id 1000 and is
 * never looked up. NULL: the user ids and the supplementary groups do not change. "": EC_SECURITY_EARGUMENT, because an unset
 * variable must not mean "stay root".
 *
 * group: a name or a decimal id, as for user. NULL: the primary group of the user; without a user, the group ids do not change. "":
 * EC_SECURITY_EARGUMENT. With a user, the supplementary groups become `group` and the groups that the group database lists for the
 * user, as with initgroups(3). If the list is already correct, setgroups(2) is not called.
 *
 * caps_text: a text in the format of cap_from_text(3), such as "cap_net_bind_service+ep". The permitted, effective and inheritable
 * sets become exactly what the text says. NULL or "": no capability is retained.
 *
 * Returns EC_SECURITY_OK (0) or a status; ec_security_last_error() has the message. EARGUMENT, ESYNTAX, EUSER, EGROUP or ELOOKUP: an
 * argument cannot be used. EOPTION: an id is malformed or above 4294967294, or user contains a colon. ECAPABILITY: a capability is
 * not available. EREFUSED: a system call is refused. ETHREAD, EPROC, EBUSY or ERESOURCE: the threads could not be changed.
 *
 * Threads: any thread may call it, with any number of other threads running. Concurrent calls run one after the other. The call
 * stops the other threads with a signal that the C library reserves for itself (33 with glibc, 34 with musl). Interrupted system
 * calls are restarted, as with SA_RESTART. signal(7) lists the calls that are not restarted and fail with EINTR. If a thread does
 * not stop within 5 seconds of real time, the call fails. A cancellation request for the calling thread (pthread_cancel(3)) takes
 * effect after the call.
 *
 * Not async-signal-safe. The function returns EC_SECURITY_EBUSY if it detects that it runs in a signal handler. A child of fork(2)
 * may call it, also before execve(2). If the parent had several threads, the child must not look up names: make a policy before
 * fork(2), and apply it in the child. A child of vfork(2) must not call it, because the child shares the memory of its parent.
 *
 * Memory: the arguments are copied. They may be in the static buffers of getpwnam(3) or getgrnam(3). Each other thread needs 7 KiB
 * of stack while it is stopped, and 15 KiB if it uses the tiles of AMX. The caller needs 20 KiB of stack; a lookup of a name may need more.
 *
 * Needs: CAP_SETUID and CAP_SETGID to change ids; /proc, unless the process has one thread. No privilege is needed if the process
 * already has the requested state.
 */
EC_SECURITY_WARN_UNUSED_RESULT
int ec_security_apply(const char *user,
                      const char *group,
                      const char *caps_text);

/**
 * Makes a policy in which every option has its default: the ids, the groups and the root directory do not change, no capability is
 * retained, the ambient set is emptied, the bounding set is trimmed and no_new_privs is set.
 *
 * The policy keeps a descriptor of /proc, with close-on-exec set, unless 256 other policies do. A daemon may therefore make the
 * policy, call chroot(2), and then apply the policy. A child of fork(2) may use the policy. If the program closes the descriptor,
 * /proc is opened again when it is needed. If the daemon called chroot(2) itself, the descriptor gives access to files outside the
 * new root directory. Release the policy as soon as it is applied.
 *
 * Returns the policy. The caller releases it with ec_security_policy_free(). Returns NULL if memory is exhausted;
 * ec_security_last_error() then has the message. Safe in any thread.
 */
struct ec_security_policy *ec_security_policy_new(void);

/**
 * Releases a policy. It does not undo what was applied. NULL does nothing. No other thread may be using the policy, and no thread may
 * use it afterwards.
 */
void ec_security_policy_free(struct ec_security_policy *policy);

/**
 * Sets one option of a policy, as the `Security` stanza does. Option names are case-insensitive. A later value replaces an earlier
 * one. The value is checked, and names are looked up, before the function returns.
 *
 *     user                   name, decimal id, or "+" and a decimal id that is never looked up
 *     group                  the same
 *     capabilities           text of cap_from_text(3); "keep": each thread keeps its sets
 *     optional_capabilities  text of cap_from_text(3): capabilities that are retained if they are held
 *     supplemental_groups    the whole list of groups, separated by white space or commas; "": the empty list; "keep": the list
 *                            does not change
 *     chroot                 absolute path of a directory that only root and the caller can write to; it becomes the root
 *                            and working directory of every thread, also of a thread with its own (unshare(2), CLONE_FS); a
 *                            thread that has its own descriptors too (CLONE_FILES) is an error
 *     no_new_privs           on (default) | off
 *     bounding               trim (default) | keep
 *     ambient                names of capabilities that executed programs get, separated by white space or commas
 *     securebits             securebits of capabilities(7) without "SECBIT_", in any case, separated by white space or commas,
 *                            such as "noroot noroot_locked"; "keep" (default): they do not change
 *     deadline               seconds within which every thread must stop, 0.001 to 3600 (default 5)
 *     privileges             the Solaris key of the same stanza: accepted and ignored
 *     dumpable               keep (default): if the kernel clears the flag, because ids change, it stays cleared |
 *                            on: the flag is set again
 *     parent_death_signal    clear (default): if the kernel clears the signal, because ids change, it stays cleared |
 *                            keep: the signal is set again in every thread that had one
 *
 * The groups of a user are looked up together with the user, unless supplemental_groups has a value. To avoid that lookup, set
 * supplemental_groups before user. In a stanza, the order of the options does not matter.
 *
 * If the user database cannot be read, a decimal id is accepted. ec_security_policy_apply() then fails with ELOOKUP if it needs the
 * primary group or the other groups of the user.
 *
 * value: NULL sets the option to its default. "" is EC_SECURITY_EARGUMENT for user, group and chroot.
 *
 * option, value: copied. They may be in the static buffers of getpwnam(3) or getgrnam(3).
 *
 * Returns EC_SECURITY_OK or an error; on error the policy does not change. EOPTION: the option is unknown (the message has the
 * nearest name), or it does not take the value. ESYNTAX: a capability text does not follow its grammar. EUSER, EGROUP or ELOOKUP: a
 * user or group cannot be resolved. ECHROOT: the directory cannot be used. ERESOURCE: memory or file descriptors are exhausted.
 * EARGUMENT: policy or option is NULL, or a string is too long, or value is "" where that is not allowed.
 *
 * Threads: the function stops none, and changes nothing about the process. Not async-signal-safe.
 */
EC_SECURITY_WARN_UNUSED_RESULT
int ec_security_policy_set(struct ec_security_policy *policy,
                           const char *option,
                           const char *value);

/**
 * Reads the `Security` stanza of a configuration file (ec_security.conf(5)), and sets the options that it names. Stanzas in included
 * files are read as well. Other blocks are skipped. If several stanzas set an option, the last value counts.
 *
 * path: the file. A relative path starts at the working directory. Nobody but root and the caller may be able to write to the file
 * or to a file that it includes. If path or policy is NULL: EC_SECURITY_EARGUMENT.
 *
 * Returns EC_SECURITY_OK or an error; on error the policy does not change. ENOSTANZA: there is no such stanza; the caller decides
 * whether that is an error. EFILE: a file cannot be used. ESYNTAX: the text does not follow the grammar. A status of
 * ec_security_policy_set(): a value is wrong. For the last two, the message begins with FILE:LINE:COLUMN. Threads: as for
 * ec_security_policy_set().
 */
EC_SECURITY_WARN_UNUSED_RESULT
int ec_security_policy_load(struct ec_security_policy *policy,
                            const char *path);

/**
 * Does the same as ec_security_policy_load(), for a text in memory. The text is a whole configuration file, not only the inside of
 * the stanza. A relative name of an included file starts at the working directory. The text may be up to 16 MiB long; for a longer
 * text, the function returns EC_SECURITY_EFILE. The caller keeps the text. Error messages call it "(text)".
 */
EC_SECURITY_WARN_UNUSED_RESULT
int ec_security_policy_parse(struct ec_security_policy *policy,
                             const char *text);

/**
 * Tests whether ec_security_policy_apply() would succeed now. Use it for an option such as --check-config of a server. The function
 * makes the same system calls in a child process that has its own memory. It changes nothing, and does not look names up again.
 *
 * It stops no thread, so it cannot see the securebits, the alternate signal stacks and the seccomp filters of other threads. If it
 * finds a refusal while another thread changes the process with this library, it tests again, until the deadline. The caller needs
 * 32 KiB of stack.
 *
 * Returns EC_SECURITY_OK or what ec_security_policy_apply() would return. policy NULL: EC_SECURITY_EARGUMENT.
 *
 * Threads: the function stops no thread and signals none.
 */
EC_SECURITY_WARN_UNUSED_RESULT
int ec_security_policy_check(struct ec_security_policy *policy);

/**
 * Applies a policy to every thread of the process. Results, threads and signals are as for ec_security_apply(), which applies a
 * policy of three options. If chroot is set, the result may also be ECHROOT.
 *
 * The caller keeps the policy and may apply it again. If chroot is set, the call closes the descriptor of /proc of every policy of
 * this copy of the library, because it would give access to files outside the new root directory. To apply any of them afterwards, a
 * process with several threads needs /proc in the new root directory. A thread with a descriptor table of its own (unshare(2),
 * CLONE_FILES) keeps its copies. policy NULL: EC_SECURITY_EARGUMENT.
 */
EC_SECURITY_WARN_UNUSED_RESULT
int ec_security_policy_apply(struct ec_security_policy *policy);

/**
 * Writes the value of an option, NUL-terminated, in the form that ec_security_policy_set() takes. A server that calls chown(2)
 * before the drop can read three more names: `uid` and `gid`, which are decimal numbers, and `groups`, which is a list of decimal
 * numbers separated by commas. "-1" means no change, as in chown(2).
 *
 *     user, group            as they were set; "" if not set
 *     capabilities           text of cap_to_text(3), or "keep"
 *     optional_capabilities  text of cap_to_text(3)
 *     supplemental_groups    numbers such as "+27,+1000", also if they come from the group database; or "keep"
 *     chroot                 as it was set; "" if not set
 *     ambient                names, separated by commas; "keep" if ambient is not set and capabilities is "keep": the set does not
 *                            change (ec_security_policy_set() does not take this word)
 *     securebits             names, separated by commas; or "keep"
 *     deadline               seconds, such as "5" or "0.25"
 *     privileges             ""
 *     no_new_privs, bounding, dumpable, parent_death_signal
 *                            one of the words that ec_security_policy_set() lists
 *
 * buf: a buffer of at least `len` bytes. NULL is allowed if `len` is 0.
 *
 * Returns the length of the whole text without the NUL, as snprintf(3) does. If that is `len` or more, the text was truncated. On
 * failure, returns minus a status and leaves buf as it is. EOPTION: the option is unknown. EUSER or ELOOKUP: the primary group or
 * the other groups of the user are not known. EGROUP: there are too many groups. ERESOURCE: memory is exhausted. EARGUMENT: policy
 * or option is NULL, or option is too long, or buf is NULL and len is not 0.
 *
 * Threads: as for ec_security_policy_set().
 */
int ec_security_policy_get(struct ec_security_policy *policy,
                           const char *option,
                           char *buf,
                           size_t len);

/**
 * Returns the message of the last failed call on a policy: one line of at most 1023 bytes, NUL-terminated. Returns "" if no call has
 * failed. Use it in languages whose tasks move between threads, where ec_security_last_error() may have the message of another task.
 *
 * policy: if it is NULL, the function returns what ec_security_last_error() returns. A program can thus pass the result of
 * ec_security_policy_new(), which is NULL on failure.
 *
 * The text belongs to the policy. It is valid until the next call on the policy that fails, or until ec_security_policy_free(). Any
 * thread may call this function while no other thread uses the policy.
 */
const char *ec_security_policy_error(const struct ec_security_policy *policy);

/**
 * Reads a capability text in the format of cap_from_text(3): names in any case, numbers, `all`, several operators in a clause.
 *
 * text: of any length. NULL: EC_SECURITY_EARGUMENT, as in cap_from_text(3). "": three empty sets.
 *
 * out: written only on success. NULL: EC_SECURITY_EARGUMENT.
 *
 * Returns EC_SECURITY_OK, EC_SECURITY_EARGUMENT or EC_SECURITY_ESYNTAX. For ESYNTAX, ec_security_last_error() has the column, the
 * word and the nearest name. The function accepts every number below 64, also if the running kernel has no such capability;
 * ec_security_apply() refuses a capability that the kernel does not have. Does not use the heap. Safe in any thread. Needs no
 * privilege and changes none.
 */
EC_SECURITY_WARN_UNUSED_RESULT
int ec_security_caps_from_text(const char *text,
                               struct ec_security_caps *out);

/**
 * Writes three sets as text, NUL-terminated, in the form of cap_to_text(3). ec_security_caps_from_text() reads this text as the same
 * sets.
 *
 * caps: the sets. NULL: minus EC_SECURITY_EARGUMENT.
 *
 * buf: a buffer of at least `len` bytes. NULL is allowed if `len` is 0.
 *
 * Returns the length of the whole text without the NUL, as snprintf(3) does. If that is `len` or more, the text was truncated. 1024
 * bytes are enough for any sets. A negative result is minus EC_SECURITY_EARGUMENT (caps is NULL, or buf is NULL and len is not 0),
 * and buf does not change. Does not use the heap. Safe in any thread.
 */
int ec_security_caps_to_text(const struct ec_security_caps *caps,
                             char *buf,
                             size_t len);

/**
 * Writes the current ids, groups, capability sets and no_new_privs of each thread of a process, as NUL-terminated text. The main
 * thread and all threads that hold the same share one line. Each other thread has its own line. ec_security_status(3) describes the
 * format.
 *
 * pid: a process id. 0 is the calling process.
 *
 * buf: a buffer of at least `len` bytes. NULL is allowed if `len` is 0.
 *
 * Returns the length of the whole text without the NUL, as snprintf(3) does. If that is `len` or more, the text was truncated.
 * Threads start and exit, so the next text may have another length. On failure, returns minus a status and leaves buf as it is.
 * ENOPROCESS: there is no such process, or it cannot be read. EPROC: /proc is missing or belongs to another pid namespace.
 * ERESOURCE: memory or file descriptors are exhausted. EARGUMENT: buf is NULL and len is not 0.
 *
 * Threads: stops none. Safe in any thread. Not async-signal-safe. Uses the heap.
 */
int ec_security_status(pid_t pid,
                       char *buf,
                       size_t len);

/**
 * Raises capabilities in the effective set of the calling thread. They must be in its permitted set. A server that holds "cap_x+p"
 * can thus raise the capability for one call. The other sets and the other threads do not change.
 *
 * caps_text: clauses that add only the effective flag, such as "cap_net_bind_service+e" or "cap_net_raw,cap_net_admin=e". NULL:
 * EC_SECURITY_EARGUMENT.
 *
 * Returns EC_SECURITY_OK, also if the capabilities are already effective; or an error, and nothing has changed. ECAPABILITY: a
 * capability is not permitted. EOPTION: the text has permitted or inheritable flags. ESYNTAX or EARGUMENT: the text cannot be used.
 * EREFUSED: the kernel or a seccomp filter refused the change. Does not use the heap. Not async-signal-safe.
 */
EC_SECURITY_WARN_UNUSED_RESULT
int ec_security_raise(const char *caps_text);

/**
 * Lowers capabilities in the effective set of the calling thread. They stay permitted and can be raised again.
 *
 * caps_text: the same text as for ec_security_raise(), also with a plus sign: "cap_net_bind_service+e" lowers this capability.
 * Returns what ec_security_raise() returns, except ECAPABILITY. Does not use the heap. Not async-signal-safe.
 */
EC_SECURITY_WARN_UNUSED_RESULT
int ec_security_lower(const char *caps_text);

/**
 * Returns the fixed text of a status, or "unknown status" for any other number. The result is never NULL. The text belongs to the
 * library and is never freed. Safe in any thread. Async-signal-safe.
 */
const char *ec_security_strerror(int status);

/**
 * Returns the message of the last failure of this library in the calling thread: what failed, where, and what was expected. It is
 * one line of at most 1023 bytes, NUL-terminated. Returns "" if nothing has failed. As with errno, success does not change the
 * message.
 *
 * The text belongs to the library. It is valid until the next failure in this thread, which writes to the same address, or until the
 * thread ends. If memory or the keys of pthread_key_create(3) are exhausted, a thread has no buffer. The function then returns the
 * ec_security_strerror() text of the last failure of any thread without a buffer. Safe in any thread. Not async-signal-safe.
 */
const char *ec_security_last_error(void);

/**
 * Returns the version of the library that is loaded, such as "0.1.0". Never NULL. The text belongs to the library and is never freed.
 * Safe in any thread. Async-signal-safe.
 */
const char *ec_security_version(void);

#ifdef __cplusplus
}
#endif

#endif /* EC_SECURITY_H */
