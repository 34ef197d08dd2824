/* What the tests of privilege share: they look at a process from outside, through /proc, and never ask it what it is.
 *
 * A test program is a row of cases. Each case prints one line, `ok NAME`, `FAIL NAME: why` or `SKIP NAME: why`, has a
 * deadline, and fails if it has expected nothing at all:
 *
 *     static void drops(void *unused)                                  // runs in a child of its own
 *     {
 *         idle_threads(3);
 *         ready();                                                     // the parent looks, then says go
 *         report(ec_security_apply("ecuser", NULL, NULL), ec_security_last_error());
 *     }                                                                // coming to the end: stays until killed
 *
 *     static void case_drops(void *unused)                             // runs in the parent
 *     {
 *         struct child *child = start(drops, NULL);
 *         struct process *before = look(child->pid);
 *         struct answer *answer = release_and_wait(child);
 *         struct process *after = look(child->pid);
 *         expect(answer->came && answer->status == 0, "apply: %s", answer->text);
 *         struct thread want = after_drop(&before->threads[0], ECUSER_UID, ECUSER_GID, NULL, 0, 0, 0, 0);
 *         expect_threads(after, &want, FIELDS_ALL, 4);
 *     }                                                                // what was started and looked at is put away
 *
 *     int main(void)
 *     {
 *         private_users();
 *         test("drops", 10, case_drops, NULL);
 *         return finish();
 *     }
 *
 * Everything the parent's side hands out (children, looks, answers) lives until the end of the case. */

#ifndef OUTSIDE_H
#define OUTSIDE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>

/* On i386 and arm the plain numbers are those of calls that know 16 bits of an id, or of an mmap of old:
 * what is meant here is the others. */
#ifdef SYS_setresuid32
#undef SYS_getresuid
#define SYS_getresuid SYS_getresuid32
#undef SYS_getresgid
#define SYS_getresgid SYS_getresgid32
#undef SYS_setresuid
#define SYS_setresuid SYS_setresuid32
#undef SYS_setresgid
#define SYS_setresgid SYS_setresgid32
#undef SYS_setfsuid
#define SYS_setfsuid SYS_setfsuid32
#undef SYS_setfsgid
#define SYS_setfsgid SYS_setfsgid32
#undef SYS_setuid
#define SYS_setuid SYS_setuid32
#undef SYS_setgid
#define SYS_setgid SYS_setgid32
#undef SYS_setreuid
#define SYS_setreuid SYS_setreuid32
#undef SYS_setregid
#define SYS_setregid SYS_setregid32
#undef SYS_getgroups
#define SYS_getgroups SYS_getgroups32
#undef SYS_setgroups
#define SYS_setgroups SYS_setgroups32
#endif
#ifdef SYS_mmap2
#undef SYS_mmap
#define SYS_mmap SYS_mmap2
#endif
#if !defined(SYS_newfstatat) && defined(SYS_fstatat64)
#define SYS_newfstatat SYS_fstatat64
#endif

#define PRINTF_LIKE(at, first) __attribute__((format(printf, at, first)))

/* --- cases --------------------------------------------------------------------------------------------------------- */

/* How many times longer than elsewhere something may take on this machine: EC_SLOWER in the environment, or 1. */
unsigned slower(void);

/* Runs one case and prints its line. After so many seconds, times slower(), the children are killed and the case has failed. */
void test(const char *name, unsigned seconds, void (*body)(void *), void *arg);

/* The exit status of main: 0 when no case has failed, there was at least one, and each word given to select_cases() has found one. */
int finish(void);

/* The case has failed, or cannot run here. The first words count; the case goes on to its end. */
void fail(const char *format, ...) PRINTF_LIKE(1, 2);
void skip(const char *format, ...) PRINTF_LIKE(1, 2);

/* Whether the case has failed or been skipped already. */
bool case_finished(void);

/* A case that makes no expectation fails. Yields whether it held. */
bool expect_at(const char *file, int line, bool held, const char *format, ...) PRINTF_LIKE(4, 5);
#define expect(held, ...) expect_at(__FILE__, __LINE__, (held), __VA_ARGS__)

/* Only those cases whose name contains one of the words behind argv[0], where there are any. To be called first in main. */
void select_cases(int argc, char **argv);

/* --- the parent's side --------------------------------------------------------------------------------------------- */

struct child {
    pid_t pid; /* also its process group */
    int to, from;
    bool ended;
    int wait_status;        /* once ended */
    struct process *before; /* what it was when it was ready: set by start_with_ids() */
};

/* Forks a child, in a process group of its own, that runs body; returns when it says ready(). The case has failed if
 * it ends or says nothing before. */
struct child *start(void (*body)(void *), void *arg);

/* The same where ids can be changed, with a look at the child; else the case is skipped, and NULL. */
struct child *start_with_ids(void (*body)(void *), void *arg);

struct answer {
    bool came;       /* else the child has ended without a report, or the deadline is over */
    int status;      /* the number reported */
    int wait_status; /* if it did not come: as of waitpid, or -1 where the child still runs */
    char text[1024];
};

/* Lets a child that is ready go on, and waits for its next report. It may be called again for a child that says ready()
 * more than once. */
struct answer *release_and_wait(struct child *child);

/* The same, and expects that this number is reported. */
struct answer *release_and_expect_at(const char *file, int line, struct child *child, int status);
#define release_and_expect(child, status) release_and_expect_at(__FILE__, __LINE__, child, status)

/* Whether this number was reported because something is not here that the child needs: the case is skipped. */
bool skip_for(const struct answer *answer, int status, const char *what);

/* Lets it go on without waiting; waits for a report without letting anything go. */
void release(struct child *child);
struct answer *wait_report(struct child *child);

/* Waits until a child ends by itself, at most until the deadline; its wait status, or -1. */
int wait_end(struct child *child);

/* Kills a child and all of its group. Done by itself at the end of a case. With EC_CHILDREN_END in the environment the child
 * may end by itself before, for tools that tell at the end of a process what it has lost. */
void end(struct child *child);

/* Starts a child that becomes another program, and reads what that prints, errors too, up to a line with `last`, or to its end where
 * that is NULL. The child calls surroundings(), if there is one, before it becomes that. */
struct child *start_program(const char *const argv[], void (*surroundings)(void), const char *last, char *out, size_t len);

/* --- the child's side ---------------------------------------------------------------------------------------------- */

/* Tells the parent, and waits until it says go. */
void ready(void);

/* Sends a number and a text. */
void report(int status, const char *text);

/* Waits for ever, other threads with it, until the parent kills this process or has gone. */
void park_forever(void) __attribute__((noreturn));

/* Starts n threads that wait, with the smallest stacks there are, and returns when all of them do. */
void idle_threads(unsigned n);

/* Threads that can be told what to do: each() runs a function in every one of them, one after the other, and returns the
 * sum of what it returned. */
struct worker_pool *start_workers(unsigned n);
long each(struct worker_pool *pool, long (*function)(void *), void *arg);

/* --- looking ------------------------------------------------------------------------------------------------------- */

/* One thread, from /proc/PID/task/TID/status and stat. */
struct thread {
    pid_t tid;
    char name[17];
    char state;      /* R, S, D, Z, T, t, … */
    bool kernel;     /* a worker of the kernel: io_uring's, for instance */
    unsigned uid[4]; /* real, effective, saved, file system */
    unsigned gid[4];
    size_t groups_len;
    unsigned *groups; /* in ascending order, as the kernel keeps them */
    uint64_t inh, prm, eff, bnd, amb;
    int nnp;
    int seccomp;
    int threads;      /* how many there are, as this thread's status says */
    uint64_t blocked; /* signals it blocks: bit n-1 is signal n */
    int tracer;
};

struct process {
    pid_t pid;
    size_t len;
    struct thread *threads; /* in order of tid, the leader first */
};

/* Reads every thread. Those that end meanwhile are left out. NULL, and the case has failed, if there is no such process. */
struct process *look(pid_t pid);

/* Reads one thread; false if it has ended. */
bool look_thread(pid_t pid, pid_t tid, struct thread *out);

enum {
    FIELD_UID = 1,
    FIELD_GID = 2,
    FIELD_GROUPS = 4,
    FIELD_INH = 8,
    FIELD_PRM = 16,
    FIELD_EFF = 32,
    FIELD_BND = 64,
    FIELD_AMB = 128,
    FIELD_NNP = 256,
    FIELD_SECCOMP = 512,
    FIELDS_IDS = FIELD_UID | FIELD_GID | FIELD_GROUPS,
    FIELDS_CAPS = FIELD_INH | FIELD_PRM | FIELD_EFF | FIELD_BND | FIELD_AMB,
    FIELDS_ALL = FIELDS_IDS | FIELDS_CAPS | FIELD_NNP,
};

/* The fields in which two threads differ. What differs is written to `out`, as "CapPrm 3, not 1; NoNewPrivs 0, not 1". */
unsigned differs(const struct thread *got, const struct thread *want, unsigned fields, char *out, size_t len);

/* Expects at least `least` threads, each of them as wanted. Workers of the kernel and zombies are not counted. */
void expect_threads_at(const char *file, int line, const struct process *got, const struct thread *want, unsigned fields,
                       size_t least);
#define expect_threads(got, want, fields, least) expect_threads_at(__FILE__, __LINE__, got, want, fields, least)

/* Expects every thread that was there before to be there, as it was in every field, or in these. */
void expect_unchanged_at(const char *file, int line, const struct process *before, const struct process *after, unsigned fields);
#define expect_unchanged_in(before, after, fields) expect_unchanged_at(__FILE__, __LINE__, before, after, fields)
#define expect_unchanged(before, after) expect_unchanged_in(before, after, FIELDS_ALL | FIELD_SECCOMP)

/* What a thread must be after a drop with every option at its default: all user ids `uid`, all group ids `gid`, these
 * groups, these three sets, no ambient set, no_new_privs, and the bounding set of bounding_after(). groups == NULL means
 * that they stay as they were. The groups are the caller's. */
struct thread after_drop(const struct thread *before, unsigned uid, unsigned gid, const unsigned *groups, size_t groups_len,
                         uint64_t effective, uint64_t permitted, uint64_t inheritable);

/* Trimmed to what is permitted or inheritable, if CAP_SETPCAP was held; else as it was. */
uint64_t bounding_after(const struct thread *before, uint64_t permitted, uint64_t inheritable);

/* --- surroundings -------------------------------------------------------------------------------------------------- */

/* The user of private_users(), whose primary group is ecuser, and who is a member of ecextra and eclogs. */
#define ECUSER_UID 4711u
#define ECUSER_GID 4712u
#define ECEXTRA_GID 4713u
#define ECLOGS_GID 4714u
extern const unsigned ECUSER_GROUPS[3]; /* as initgroups makes them: 4712, 4713, 4714 */

/* Gives this process a mount namespace in which /etc is a directory of its own: links to what the machine has there, and files
 * passwd and group that hold the users of the machine and `ecuser`.
 * Call it before there are threads. False, with errno, where it cannot be had. */
bool private_users(void);

/* The same, and says why where it cannot be had: what needs other ids is skipped then, case by case. */
void try_private_users(void);

/* A mount namespace in which nothing propagates out; private_users() does this by itself. */
bool private_mounts(void);

/* There, gives a file of /etc this text, or puts a copy of it with more lines at its end in its place. What becomes of the machine's
 * file meanwhile changes nothing. */
bool private_file(const char *path, const char *text);
bool private_lines(const char *path, const char *more);

/* A network namespace with nothing but loopback, up: every port is free. */
bool private_net(void);

/* A user namespace in which this process is root and holds every capability, in the bounding set too. The maps are those
 * of the namespace left, one to one; single_id maps root only (what an unprivileged user can have); deny_setgroups is
 * what goes with that. Call it in a child that has no threads. False, with errno, where it cannot be had. */
bool user_namespace(void);
bool user_namespace_of(bool single_id, bool deny_setgroups);

/* The same with maps of one's own, as user_namespaces(7) has them. */
bool user_namespace_with(const char *uid_map, const char *gid_map, bool deny_setgroups);

/* Puts the calling thread under SCHED_DEADLINE, of which it can make no child (sched_setattr(2)). */
bool schedule_by_deadline(void);

/* Whether an id is mapped in this user namespace, so that one can become it. */
bool has_uid(unsigned uid);
bool has_gid(unsigned gid);

/* Whether this process is root with CAP_SETUID and CAP_SETGID, and ids other than 0 exist: else a case must be skipped. */
bool can_change_ids(void);

/* The same; where it cannot be, or where this id is not mapped, the case is skipped. */
bool need_ids(void);
bool need_uid(unsigned uid);

/* The highest capability of the running kernel, and the mask of 0 to there. */
unsigned last_cap(void);
uint64_t all_caps(void);

/* By raw calls, of the calling thread alone: these leave its permitted and effective set, or join its inheritable set. False,
 * with errno, where the kernel refuses. */
bool give_up_caps(uint64_t caps);
bool inherit_caps(uint64_t caps);

/* Whether a child can do what cannot be undone. */
bool child_can(bool (*make)(void));

/* fork(2) by a raw call, with these flags of clone(2) more. */
pid_t fork_with(unsigned long flags);

/* The path of a file in the directory of this program, of PATH_MAX bytes. */
void beside_program(const char *name, char *path);
#define BIT(cap) (UINT64_C(1) << (cap))

#endif
