/* Callers that end in the middle of a call: killed by a filter of their own, with the turn of the process, or with other threads stopped.
 * Nobody waits for them for ever. */

#include "policy_of.h"
#include "seccomp.h"
#include "situations.h"

#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LEN(array) (sizeof(array) / sizeof *(array))

/* --- a caller killed at any of its system calls, and then another calls ---------------------------------------------------- */

/* Not mmap and munmap: a thread that malloc(3) makes them for dies with a lock of libc's. */
static const int calls_of_a_caller[] = {
    SYS_getgroups,      SYS_clone,        SYS_capget,     SYS_capset,
    SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_futex,      SYS_getpid,
    SYS_gettid,         SYS_tgkill,       SYS_getdents64, SYS_openat,
    SYS_read,           SYS_close,        SYS_prctl,      SYS_rt_tgsigqueueinfo,
    SYS_setresuid,      SYS_setresgid,    SYS_setgroups,  SYS_getresuid,
    SYS_getresgid,      SYS_setfsuid,     SYS_setfsgid,   SYS_timer_create,
    SYS_timer_settime,  SYS_wait4,        SYS_fstat,      SYS_statx,
    SYS_newfstatat,     SYS_fchdir,       SYS_chroot,     SYS_getppid,
    SYS_kcmp,           SYS_pread64,      SYS_lseek,      SYS_sigaltstack,
    SYS_kill,           SYS_fcntl,        SYS_unshare,
};

static int killed_at(void) { return calls_of_a_caller[current->status]; }

static void *is_killed(void *unused)
{
    (void)unused;
    shared->tid = gettid_raw();
    filter(killed_at(), -1, SECCOMP_RET_KILL_THREAD, false);
    /* By number, without a lookup: that would be under locks of libc's. */
    (void)!apply_of((const char *const[]){"user", "4711", "group", "4712", "supplemental_groups", "4712 4713 4714",
                                          "capabilities", "cap_net_bind_service+ep", "deadline", "1", NULL});
    shared->flag = 1; /* made no such call */
    return wait_forever();
}

static void until_it_has_ended(void)
{
    while (!shared->tid)
        nap(1);
    for (char state; !shared->flag && (state = state_of(getpid(), shared->tid)) && state != 'Z';)
        nap(1);
}

static int drop_after_a_death(void)
{
    thread(is_killed, NULL);
    until_it_has_ended();
    return drop();
}

static void make_idle(void) { idle_threads(3); }

/* The same with the leader as the one that is killed: it stays in the list as a zombie. */
static void *calls_after_the_leader(void *unused)
{
    (void)unused;
    go_through();
    return NULL;
}

static int drop_after_the_leader(void)
{
    shared->count = 1;
    until_it_has_ended();
    return drop();
}

static void leader_is_killed(void)
{
    idle_threads(3);
    thread(calls_after_the_leader, NULL);
    wait_for(&shared->count, 1);
    is_killed(NULL);
}

static struct situation killed[2 * LEN(calls_of_a_caller)];
static char names[LEN(killed)][80];

/* --- killed while the others are stopped, which have something of their own -------------------------------------------------- */

static void *has_its_own(void *what)
{
    require(unshare((int)(intptr_t)what) == 0, "unshare");
    for (int fd = 3; ((int)(intptr_t)what & CLONE_FILES) && fd < 100; fd++)
        close(fd);
    shared->count++;
    return wait_forever();
}

static int others_have;

/* One that stops late, so that the caller waits for it, which its filter kills it for. */
static void *stops_late(void *unused)
{
    (void)unused;
    uint64_t mask = UINT64_MAX;
    require(unshare(others_have) == 0 && syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8) == 0, "rt_sigprocmask");
    for (int fd = 3; (others_have & CLONE_FILES) && fd < 100; fd++)
        close(fd);
    shared->count++;
    for (uint64_t waiting = 0; !waiting;)
        require(syscall(SYS_rt_sigpending, &waiting, 8) == 0, "rt_sigpending");
    nap(200);
    mask = 0;
    require(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8) == 0, "rt_sigprocmask");
    return wait_forever();
}

static void make_others(void)
{
    for (int at = 0; at < 3; at++)
        thread(has_its_own, (void *)(intptr_t)others_have);
    wait_for(&shared->count, 3);
    thread(stops_late, NULL);
    wait_for(&shared->count, 4);
}

static void others_with_files(void) { others_have = CLONE_FILES, make_others(); }
static void others_with_fs(void) { others_have = CLONE_FS, make_others(); }
static void others_with_both(void) { others_have = CLONE_FILES | CLONE_FS, make_others(); }

static int drop_killed_waiting(void)
{
    shared->tid = gettid_raw();
    filter_by(SYS_futex, 1, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, SECCOMP_RET_KILL_THREAD, false);
    filter_by(SYS_futex, 1, FUTEX_WAIT, SECCOMP_RET_KILL_THREAD, false);
    filter_by(SYS_futex, 1, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, SECCOMP_RET_KILL_THREAD, false);
    filter_by(SYS_futex, 1, FUTEX_WAIT_BITSET, SECCOMP_RET_KILL_THREAD, false);
    return drop();
}

static void beside_with_files(void)
{
    others_with_files();
    go_through_beside();
}

#define KILLED(what, ...) \
    {.name = "the caller is killed by its filter while the others are stopped, " what, \
     .call = drop_killed_waiting, \
     .outcomes = GONE, \
     .names_thread = true, \
     __VA_ARGS__}

static const struct situation own[] = {
    KILLED("which have descriptor tables of their own", .make = others_with_files),
    KILLED("which have root and working directory of their own", .make = others_with_fs),
    KILLED("which have both of their own", .make = others_with_both),
    KILLED("which have descriptor tables of their own, and is not the leader", .body = beside_with_files),
};

void promise_of_callers(void)
{
    for (size_t at = 0; at < LEN(killed); at++) {
        bool leader = at >= LEN(calls_of_a_caller);
        snprintf(names[at], sizeof names[at], "%s is killed at system call %d, then another calls",
                 leader ? "the leader" : "a thread", calls_of_a_caller[at % LEN(calls_of_a_caller)]);
        bool arms_timer = calls_of_a_caller[at % LEN(calls_of_a_caller)] == SYS_timer_create;
        killed[at] = (struct situation){.name = names[at],
                                        .cannot = arms_timer ? dumps_end_callers : NULL,
                                        .make = leader ? NULL : make_idle,
                                        .body = leader ? leader_is_killed : NULL,
                                        .call = leader ? drop_after_the_leader : drop_after_a_death,
                                        /* of the call that kills; a refusal is none of the outcomes */
                                        .status = (int)(at % LEN(calls_of_a_caller)),
                                        .outcomes = DONE | GONE,
                                        .within = 9000};
    }
    situations_unlisted("a caller is killed at any of its calls, and then another calls", 240, killed, LEN(killed));
    situations_together("callers killed while threads with tables of their own are stopped", 60, own, LEN(own));
}
