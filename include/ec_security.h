/* ec_security.h - drop a server's privileges correctly. Made by cbindgen from src/capi/mod.rs; do not edit.
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
 * The promise: after a call that changes privileges, every thread of the process is exactly what was asked for; or an
 * error was returned and nothing about the process changed; or the process is gone. Never anything in between.
 *
 * Conventions: results are int, 0 is success. Outputs are written on success only. Strings are NUL-terminated and need
 * not be UTF-8. NULL where it is not allowed is an error, never a crash. No function prints, except the one line before
 * an abort. errno is left as it was by every function.
 */

#ifndef EC_SECURITY_H
#define EC_SECURITY_H


#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Warns where a result is dropped: whoever does not look does not know what the process is. */
#if defined(__GNUC__)
#define EC_SECURITY_WARN_UNUSED_RESULT __attribute__((warn_unused_result))
#else
#define EC_SECURITY_WARN_UNUSED_RESULT
#endif

#ifdef __cplusplus
extern "C" {
#endif


/**
 * The version of this header; ec_security_version() is that of the library that is loaded.
 */
#define EC_SECURITY_VERSION_MAJOR 0

/**
 * As EC_SECURITY_VERSION_MAJOR.
 */
#define EC_SECURITY_VERSION_MINOR 1

/**
 * As EC_SECURITY_VERSION_MAJOR.
 */
#define EC_SECURITY_VERSION_PATCH 0

/**
 * Success.
 */
#define EC_SECURITY_OK 0

/**
 * An argument is NULL where it must not be, empty, or otherwise unusable.
 */
#define EC_SECURITY_EARGUMENT 1

/**
 * A capability text or a configuration text does not follow its grammar.
 */
#define EC_SECURITY_ESYNTAX 2

/**
 * No such option, or a value the option does not take.
 */
#define EC_SECURITY_EOPTION 3

/**
 * No such user, or a decimal user id that has no entry in the user database, without a group.
 */
#define EC_SECURITY_EUSER 4

/**
 * No such group, or more groups than the kernel takes (NGROUPS_MAX, 65536).
 */
#define EC_SECURITY_EGROUP 5

/**
 * The user or group database could not be read: not the same as "no such name", and worth a retry.
 */
#define EC_SECURITY_ELOOKUP 6

/**
 * The capabilities asked for cannot be had: this kernel lacks one, or this process does not hold it.
 */
#define EC_SECURITY_ECAPABILITY 7

/**
 * The rehearsal was refused: by the kernel, a seccomp filter, a security module, a user namespace or a limit.
 */
#define EC_SECURITY_EREFUSED 8

/**
 * A thread could not be brought along; the message names it and says why.
 */
#define EC_SECURITY_ETHREAD 9

/**
 * /proc is missing, or shows another pid namespace.
 */
#define EC_SECURITY_EPROC 10

/**
 * Called from a signal handler, or while a call is under way in this thread.
 */
#define EC_SECURITY_EBUSY 11

/**
 * Memory, descriptors or processes have run out.
 */
#define EC_SECURITY_ERESOURCE 12

/**
 * A configuration file could not be read, or others than root and the caller may write to it.
 */
#define EC_SECURITY_EFILE 13

/**
 * The configuration holds no `Security` stanza.
 */
#define EC_SECURITY_ENOSTANZA 14

/**
 * The folder for chroot cannot be used.
 */
#define EC_SECURITY_ECHROOT 15

/**
 * No such process, or one that may not be read.
 */
#define EC_SECURITY_ENOPROCESS 16

/**
 * A defect inside this library was caught; nothing was changed.
 */
#define EC_SECURITY_EINTERNAL 17

/**
 * Longest text taken in an argument, in bytes without the terminating NUL: a longer one is EC_SECURITY_EARGUMENT. The texts
 * of ec_security_policy_parse() and ec_security_caps_from_text() may be longer.
 */
#define EC_SECURITY_TEXT_MAX 65535

/**
 * A policy: all options of the `Security` stanza. Opaque; made by ec_security_policy_new(), released by
 * ec_security_policy_free(). Any thread may use a policy, but one at a time; two threads may use two policies.
 */
typedef struct ec_security_policy ec_security_policy;

/**
 * The three sets a capability text describes and capset(2) changes: bit n of each mask is capability number n.
 */
typedef struct ec_security_caps {
    /**
     * What the kernel checks.
     */
    uint64_t effective;
    /**
     * What may be made effective.
     */
    uint64_t permitted;
    /**
     * What programs executed may keep, by their files' inheritable sets.
     */
    uint64_t inheritable;
} ec_security_caps;

/**
 * Becomes `user` and `group`, keeping just the capabilities `caps_text` names, in every thread of the process.
 *
 * On return with 0 every thread has the new ids, groups and capability sets, keep-caps is off, the ambient set is empty,
 * no_new_privs is set, and the bounding set is trimmed to what is permitted or inheritable, if CAP_SETPCAP was held. On
 * return with any other value nothing about the process has changed. If something goes wrong after the first change that
 * cannot be taken back, one line is written to standard error and the process is aborted: there is no state in between.
 *
 * user: a name, or a decimal id (which needs no entry in the user database, but then needs `group`). NULL: user ids and
 * supplementary groups stay as they are. "": EC_SECURITY_EARGUMENT, since a variable not set must not mean "stay root".
 *
 * group: a name or a decimal id. NULL: the user's primary group; without a user, the group ids stay. "":
 * EC_SECURITY_EARGUMENT. With a user, the supplementary groups become those of the group database for it and the group
 * above, as initgroups(3) has it; where the list is already what is wanted, setgroups(2) is not called.
 *
 * caps_text: the text format of cap_from_text(3), for instance "cap_net_bind_service+ep". Exclusive: the permitted,
 * effective and inheritable sets become exactly what it says, whatever was held. NULL or "": nothing is retained.
 *
 * Returns EC_SECURITY_OK (0), or one of EC_SECURITY_E…, of which ec_security_last_error() has the whole story:
 * EARGUMENT, ESYNTAX, EUSER, EGROUP and ELOOKUP for an argument; ECAPABILITY for what this kernel or this process does not
 * have; EREFUSED for what the rehearsal was refused; ETHREAD, EPROC, EBUSY and ERESOURCE for what stood in the way.
 *
 * Threads: may be called from any thread, with any number of others running; two calls at once take turns. The other
 * threads are stopped by a signal libc keeps for itself (33 on Linux) for the time of the call; slow system calls there
 * are restarted as with SA_RESTART (signal(7) lists those that fail with EINTR all the same). Not async-signal-safe:
 * from a signal handler it returns EC_SECURITY_EBUSY. A thread that does not stop within 5 seconds makes the call fail.
 * A forked child may call it, before execve(2) too, but not a child of vfork(2), which shares its parent's memory. pthread_cancel(3) of the calling thread waits for its end.
 *
 * Memory: arguments are copied and stay the caller's; they may lie in the static buffers of getpwnam(3) or getgrnam(3).
 *
 * Needs: CAP_SETUID and CAP_SETGID to change ids, and /proc unless the process has one thread. What is already as asked
 * needs no privilege.
 */
EC_SECURITY_WARN_UNUSED_RESULT
int ec_security_apply(const char *user,
                      const char *group,
                      const char *caps_text);

/**
 * Makes a policy with every option at its default: ids, groups and root folder stay, no capability is retained, the
 * ambient set is emptied, the bounding set is trimmed, no_new_privs is set.
 *
 * The policy opens what it needs of /proc, so that a daemon may make it, chroot(2) by itself, and apply it afterwards.
 * The descriptor has close-on-exec set, and a forked child may use the policy. A host that closes all descriptors may
 * close this one too; /proc is then opened again when it is needed. As long as the policy lives the descriptor leads out of a
 * root folder that the daemon has made for itself: release the policy when it has been applied.
 *
 * Returns the policy, which is the caller's, to be released with ec_security_policy_free(); or NULL when there is no memory
 * for it, with the reason in ec_security_last_error(). Safe in any thread.
 */
struct ec_security_policy *ec_security_policy_new(void);

/**
 * Releases a policy. NULL is allowed and does nothing. What was applied stays applied. No other thread may be using the
 * policy, and nobody may use it afterwards.
 */
void ec_security_policy_free(struct ec_security_policy *policy);

/**
 * Sets one option of a policy, as the `Security` stanza does. Names are case-insensitive; a later value replaces an
 * earlier one; a value is checked, and names are looked up, here and now.
 *
 *     user                   name or decimal id
 *     group                  name or decimal id
 *     capabilities           text of cap_from_text(3), or "keep": the sets stay as each thread has them
 *     optional_capabilities  same format; retained only where held
 *     supplemental_groups    names and decimal ids, separated by blanks or commas: the whole list; "" is the empty list
 *     chroot                 absolute path of a folder that none but root and the caller can write to; every thread's root
 *                            and working directory, also of those that have their own (unshare(2), CLONE_FS)
 *     no_new_privs           on (default) | off
 *     bounding               trim (default) | keep
 *     ambient                names of capabilities that executed programs get, separated by blanks or commas
 *     securebits             names of capabilities(7), such as "noroot noroot_locked", separated by blanks or commas
 *     deadline               seconds that every thread has to stop in, 0.001 to 3600 (default 5)
 *     privileges             the Solaris key of the same stanza: accepted and ignored
 *
 * value: NULL puts the option back to its default. "" is EC_SECURITY_EARGUMENT for user, group and chroot.
 *
 * option, value: copied; they stay the caller's, and may lie in the static buffers of getpwnam(3) or getgrnam(3).
 *
 * Returns EC_SECURITY_OK, or an error; then the policy is as it was. EC_SECURITY_EOPTION for an unknown option (the message
 * has the nearest known one) or a value the option does not take; ESYNTAX for a capability text; EUSER, EGROUP or ELOOKUP
 * for a name; ECHROOT for the folder. policy or option NULL: EC_SECURITY_EARGUMENT.
 *
 * Threads: none is stopped, nothing of the process changes. Not for signal handlers: names may be looked up.
 */
EC_SECURITY_WARN_UNUSED_RESULT
int ec_security_policy_set(struct ec_security_policy *policy,
                           const char *option,
                           const char *value);

/**
 * Sets the options of a policy from the `Security` stanza of a configuration file (ec_security.conf(5)), with all it
 * includes. Other scopes are stepped over. Where several stanzas set an option, the last one counts.
 *
 * path: the file; a relative one is taken from the working directory. The file, and every file included, must not be
 * writable by others than root and the caller. NULL, for path or policy: EC_SECURITY_EARGUMENT.
 *
 * Returns EC_SECURITY_OK; EC_SECURITY_ENOSTANZA when there is no such stanza (a server may take that as it likes);
 * EC_SECURITY_EFILE for a file; EC_SECURITY_ESYNTAX, or what ec_security_policy_set() returns for an option, with a message
 * that begins with FILE:LINE:COLUMN. On any error the policy is as it was. Threads: as for ec_security_policy_set().
 */
EC_SECURITY_WARN_UNUSED_RESULT
int ec_security_policy_load(struct ec_security_policy *policy,
                            const char *path);

/**
 * As ec_security_policy_load(), from a text in memory: a whole configuration file, not only the stanza's inside. Files it
 * includes are looked for in the working directory. The text may be of any length up to 16 MiB, and stays the caller's;
 * messages call it (text). Results, NULL and threads are as there.
 */
EC_SECURITY_WARN_UNUSED_RESULT
int ec_security_policy_parse(struct ec_security_policy *policy,
                             const char *text);

/**
 * Finds out, by rehearsal in a throw-away child, whether ec_security_policy_apply() would work now, and changes nothing.
 * For a server's --check-config. What names mean was found out when they were set.
 *
 * Threads: all are stopped and let go again, as in ec_security_apply(), since whether they can be is part of the answer.
 *
 * Returns EC_SECURITY_OK or what ec_security_policy_apply() would return. policy NULL: EC_SECURITY_EARGUMENT.
 */
EC_SECURITY_WARN_UNUSED_RESULT
int ec_security_policy_check(struct ec_security_policy *policy);

/**
 * Applies a policy to every thread of the process. Promise, threads, signals and errors are those of
 * ec_security_apply(), which is a policy of three options; with a chroot, EC_SECURITY_ECHROOT is one more. The policy stays
 * the caller's and may be applied again. With a chroot it has then closed its descriptor of /proc, which would lead out: to
 * apply again, a process of several threads needs a /proc inside. policy NULL: EC_SECURITY_EARGUMENT.
 */
EC_SECURITY_WARN_UNUSED_RESULT
int ec_security_policy_apply(struct ec_security_policy *policy);

/**
 * Writes what an option of a policy has come to, NUL-terminated, as ec_security_policy_set() takes it. Three more can be asked
 * for, for a server that gives files away before it drops its privileges: `uid`, `gid` and `groups`, as decimal numbers, the last
 * with commas between them. "-1" means that the ids or the list stay, as -1 does in chown(2).
 *
 *     user, group            as they were given; "" when they were not
 *     capabilities           text of cap_to_text(3), or "keep"
 *     optional_capabilities  text of cap_to_text(3)
 *     supplemental_groups    numbers as "+27,+1000", also where they come from the group database; or "keep"
 *     chroot                 as it was given; "" when it was not
 *     ambient, securebits    names with commas between them, or "keep"
 *     deadline               seconds, such as "5" or "0.25"
 *     no_new_privs, bounding, dumpable, parent_death_signal
 *                            the word that stands for the value
 *     privileges             ""
 *
 * buf: at least `len` bytes; NULL only with `len` 0.
 *
 * Returns the length of the whole text without the NUL, as snprintf(3) does: if that is `len` or more, the text was cut to fit.
 * Negative: minus a status, and buf is as it was. EOPTION for an unknown option; EUSER or ELOOKUP when the user's group or groups
 * are asked for and not known; EARGUMENT for policy or option NULL, or buf NULL with a len.
 *
 * Threads: as for ec_security_policy_set().
 */
int ec_security_policy_get(struct ec_security_policy *policy,
                           const char *option,
                           char *buf,
                           size_t len);

/**
 * The whole message of the last failure of a call on a policy: one line, at most 1023 bytes, NUL-terminated; "" when none has
 * failed. For languages whose tasks move between threads, where ec_security_last_error() may be another task's.
 *
 * policy: NULL gives what ec_security_last_error() returns, since ec_security_policy_new() may have failed.
 *
 * The text belongs to the policy. It changes with the next failure of a call on the policy, and ends with
 * ec_security_policy_free(). Any thread may ask, while no other uses the policy.
 */
const char *ec_security_policy_error(const struct ec_security_policy *policy);

/**
 * Reads a capability text in the format of cap_from_text(3): any case of names, numbers, `all`, chained actions.
 *
 * text: NUL-terminated. NULL: EC_SECURITY_EARGUMENT, as cap_from_text(3) has it. "" is three empty sets.
 *
 * out: written on success only. NULL: EC_SECURITY_EARGUMENT.
 *
 * Returns EC_SECURITY_OK, or EC_SECURITY_ESYNTAX with column, word and nearest name in ec_security_last_error(). Takes any
 * number below 64, whether the running kernel has it or not: ec_security_apply() is what refuses those it lacks. The text
 * may be of any length. Allocates nothing; safe in any thread; needs no privilege and changes none.
 */
EC_SECURITY_WARN_UNUSED_RESULT
int ec_security_caps_from_text(const char *text,
                               struct ec_security_caps *out);

/**
 * Writes three sets as cap_to_text(3) does, NUL-terminated: what ec_security_caps_from_text() reads as the same sets.
 *
 * caps: read, and the caller's. NULL: minus EC_SECURITY_EARGUMENT.
 *
 * buf: at least `len` bytes; NULL only with `len` 0.
 *
 * Returns the length of the whole text without the NUL, as snprintf(3) does: if that is `len` or more, the text was cut
 * to fit. 1024 bytes are enough for any sets. Negative: minus a status (caps NULL, or buf NULL with a len); buf is as it
 * was then. Allocates nothing; safe in any thread.
 */
int ec_security_caps_to_text(const struct ec_security_caps *caps,
                             char *buf,
                             size_t len);

/**
 * Writes what each thread of a process holds now, as text, NUL-terminated: one line for the leader and all threads like
 * it, one more for each that differs, and one for each that no call can bring along (kernel workers).
 *
 * pid: a process id; 0 is the calling process.
 *
 * buf: at least `len` bytes; NULL only with `len` 0.
 *
 * Returns the length of the whole text without the NUL, as snprintf(3) does: if that is `len` or more, the text was cut
 * to fit (and may have another length next time: threads come and go). Negative: minus a status: ENOPROCESS for a process
 * that does not exist or may not be read, EPROC without /proc, ERESOURCE, EARGUMENT for buf NULL with a len; buf is as it
 * was then. Stops no thread; allocates; safe in any thread, not in signal handlers.
 */
int ec_security_status(pid_t pid,
                       char *buf,
                       size_t len);

/**
 * Raises capabilities in the calling thread's effective set, within its permitted set, for a server that holds "cap_x+p"
 * and raises it round one call. Other threads, and the other sets, stay as they are.
 *
 * caps_text: clauses that add effective flags only, such as "cap_net_bind_service+e" or "cap_net_raw,cap_net_admin=e".
 * NULL: EC_SECURITY_EARGUMENT.
 *
 * Returns EC_SECURITY_OK (also when it was raised already), or an error; then nothing has changed: ECAPABILITY for one that
 * is not permitted, ESYNTAX or EARGUMENT for the text. Async-signal-safe; allocates nothing; errno is kept.
 */
EC_SECURITY_WARN_UNUSED_RESULT
int ec_security_raise(const char *caps_text);

/**
 * Lowers capabilities in the calling thread's effective set; they stay permitted and can be raised again. The text, the
 * results and the guarantees are those of ec_security_raise(): "cap_net_bind_service+e" names what is to be lowered.
 */
EC_SECURITY_WARN_UNUSED_RESULT
int ec_security_lower(const char *caps_text);

/**
 * The fixed text of a status; "unknown status" of a number that is none. Never NULL, belongs to the library, never freed;
 * safe in any thread and in signal handlers.
 */
const char *ec_security_strerror(int status);

/**
 * The full story of the last failure of a function of this library in the calling thread: what, where, what was expected.
 * One line, at most 1023 bytes, NUL-terminated; "" when none has failed. As errno, it is meaningful after a failure only:
 * success leaves it. Belongs to the library and to the calling thread; the next failure there overwrites it, at the same
 * address, so that a call and this one may be arguments of one function, in any order of evaluation. Async-signal-safe: a
 * handler that fails finds its own story, and leaves it to what it has interrupted, unless that fails after it, or is being
 * told an earlier one; a handler that has not failed may find half of what it has interrupted. In a child of vfork(2) a failure
 * becomes the last error of a thread of the parent.
 */
const char *ec_security_last_error(void);

/**
 * The version of the library that is loaded, such as "0.1.0". Never NULL, belongs to the library, never freed; safe in any
 * thread and in signal handlers.
 */
const char *ec_security_version(void);

#ifdef __cplusplus
}
#endif

#endif /* EC_SECURITY_H */
