/* A dry run signals nobody: threads that could not bear the signal, or would not take it, are as before. An apply beside a thread that it
 * has killed is neither done nor refused. */

#include "policy_of.h"
#include "seccomp.h"
#include "situations.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LEN(array) (sizeof(array) / sizeof *(array))

/* --- workers -------------------------------------------------------------------------------------------------------------- */

/* Every call that a stopped thread may make, but rt_sigreturn, without which no thread survives a signal: its sandbox allows the rest. */
static const int calls_of_the_stopped[] = {SYS_getresuid,      SYS_getresgid, SYS_getgroups, SYS_gettid,
                                           SYS_getpid,         SYS_futex,     SYS_capget,    SYS_prctl,
                                           SYS_rt_sigprocmask, SYS_openat,    SYS_tgkill,    SYS_sigaltstack};
static unsigned sandbox_action;

static void enters_a_sandbox(void)
{
    struct rule rules[LEN(calls_of_the_stopped)];
    for (size_t at = 0; at < LEN(rules); at++)
        rules[at] = CALLS(calls_of_the_stopped[at], sandbox_action);
    require(seccomp_rules(rules, LEN(rules), 0) == 0, "seccomp");
}

static void make_sandboxed(unsigned action)
{
    sandbox_action = action;
    changed_thread(2, enters_a_sandbox);
}

static void killed_alone(void) { make_sandboxed(SECCOMP_RET_KILL_THREAD); }
static void killed_with_all(void) { make_sandboxed(SECCOMP_RET_KILL_PROCESS); }
static void trapped(void) { make_sandboxed(SECCOMP_RET_TRAP); }
static void refused(void) { make_sandboxed(FAILS_WITH(EPERM)); }
static void lied_to(void) { make_sandboxed(PRETENDS); }

/* SECCOMP_MODE_STRICT: read, write, exit and rt_sigreturn. */
static int strict_pipe[2];

static void *is_strict(void *unused)
{
    char byte;
    shared->tid = gettid_raw();
    shared->flag = 1;
    require(syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) == 0, "SECCOMP_MODE_STRICT");
    for (;;)
        syscall(SYS_read, strict_pipe[0], &byte, 1);
    return unused;
}

static void strict(void)
{
    struct thread worker = {0};
    require(pipe(strict_pipe) == 0, "pipe");
    thread_beside(2, is_strict, NULL);
    while (look_thread(getpid(), shared->tid, &worker) && worker.seccomp != 1)
        nap(1);
}

/* Blocks the signal by a raw call: what were sent to it would wait. */
static void *is_deaf(void *unused)
{
    (void)unused;
    uint64_t mask = UINT64_MAX;
    require(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8) == 0, "rt_sigprocmask");
    shared->tid = gettid_raw();
    shared->flag = 1;
    wait_for(&shared->flag, 2);
    uint64_t waiting = 0;
    require(syscall(SYS_rt_sigpending, &waiting, 8) == 0, "rt_sigpending");
    if (waiting)
        complain("signals %llx were sent to a thread", (unsigned long long)waiting);
    shared->flag = 3;
    return wait_forever();
}

static void deaf(void) { thread_beside(2, is_deaf, NULL); }

static void deaf_got_nothing(void)
{
    shared->flag = 2;
    wait_for(&shared->flag, 3);
}

/* Waits that no signal interrupts, since none has come: SA_RESTART does not cover nanosleep(2). */
static void *counts_interruptions(void *unused)
{
    struct timespec hour = {3600, 0};
    shared->tid = gettid_raw();
    shared->flag = 1;
    while (nanosleep(&hour, NULL) < 0)
        shared->count++;
    return unused;
}

static void sleeping(void)
{
    thread_beside(2, counts_interruptions, NULL);
    while (state_of(getpid(), shared->tid) != 'S')
        nap(1);
}

static void nobody_woke(void)
{
    nap(20);
    if (shared->count)
        complain("a sleeping thread was interrupted %d times", shared->count);
}

static void make_under_filter(void)
{
    filter(SYS_uname, -1, FAILS_WITH(EPERM), false); /* so that there is one, inherited by all */
    sleeping();
}

/* --- the dry run ------------------------------------------------------------------------------------------------------------ */

/* What is right after it is what was before; its groups are compared where it is refused. */
static int dry_run(void)
{
    shared->want = look(getpid())->threads[0];
    shared->have_want = true;
    return check_of((const char *const[]){"user", ids() ? "ecuser" : NULL, "capabilities", "cap_net_bind_service+ep", NULL});
}

static int ten_dry_runs(void)
{
    int status = dry_run();
    for (int at = 0; at < 9 && status == EC_SECURITY_OK; at++)
        status = dry_run();
    return status;
}

static void worker_lives(pid_t pid)
{
    expect(state_of(pid, shared->tid) && state_of(pid, shared->tid) != 'Z', "%s: the worker has gone", current->name);
}

/* Beside calls that change ids and groups to and fro, a dry run of either change works at any time. */
static const char *const to_and_fro[2][11] = {
    {"user", "+4713", "group", "+4713", "supplemental_groups", "4714", "capabilities",
     "cap_setuid,cap_setgid,cap_setpcap,cap_net_bind_service+ep", NULL},
    {"user", "+4715", "group", "+4715", "supplemental_groups", "4716", "capabilities",
     "cap_setuid,cap_setgid,cap_setpcap,cap_net_bind_service+ep", NULL},
};
#define CHECKERS 3

static void *checks_beside(void *unused)
{
    for (unsigned at = 0; !shared->flag; at++)
        if (check_of(to_and_fro[at % 2]) != EC_SECURITY_OK)
            complain("a dry run beside calls: %s", ec_security_last_error());
    __atomic_add_fetch(&shared->count, 1, __ATOMIC_SEQ_CST);
    return unused;
}

static int changes_beside_dry_runs(void)
{
    int status = EC_SECURITY_OK;
    for (int at = 0; at < CHECKERS; at++)
        thread(checks_beside, NULL);
    for (int at = 0; at < 400 && status == EC_SECURITY_OK; at++)
        status = apply_of(to_and_fro[at % 2]);
    shared->flag = 1;
    wait_for(&shared->count, CHECKERS);
    return status == EC_SECURITY_OK ? drop() : status;
}

static void make_idle(void) { idle_threads(2); }

#define DRY(what, make_, ...) \
    {.name = "a dry run beside a thread " what, \
     .make = make_, \
     .call = ten_dry_runs, \
     .after = worker_lives, \
     .outcomes = DONE, \
     .fields = FIELDS_ALL & ~FIELD_GROUPS, \
     .threads = 4, \
     __VA_ARGS__}

#define LIVE(what, make_, outcomes_) \
    {.name = "a call beside a thread " what, .make = make_, .call = refusable_drop, .outcomes = outcomes_}

void promise_of_dry_runs(void)
{
    static const struct situation dry[] = {
        DRY("whose filter kills it for what a stopped thread does", killed_alone),
        DRY("whose filter kills the process for what a stopped thread does", killed_with_all),
        DRY("whose filter traps what a stopped thread does (SIGSYS)", trapped),
        DRY("whose filter refuses what a stopped thread does", refused),
        DRY("whose filter pretends what a stopped thread does", lied_to),
        DRY("in SECCOMP_MODE_STRICT", strict),
        DRY("that sleeps", sleeping, .then = nobody_woke),
        DRY("that sleeps, under a filter", make_under_filter, .then = nobody_woke),
    };
    static const struct situation unheard = SITUATION("a dry run beside a thread that blocks the signal", .make = deaf,
                                                      .call = dry_run, .then = deaf_got_nothing, .after = worker_lives,
                                                      .outcomes = DONE | REFUSED, .fields = FIELDS_ALL & ~FIELD_GROUPS);
    static const struct situation beside = SITUATION("dry runs beside calls that change ids and groups", .make = make_idle,
                                                     .call = changes_beside_dry_runs, .outcomes = DONE, .threads = 3,
                                                     .needs_ids = true);
    static const struct situation live[] = {
        LIVE("whose filter kills it for what a stopped thread does", killed_alone, GONE),
        LIVE("whose filter refuses what a stopped thread does", refused, REFUSED | GONE),
        LIVE("whose filter pretends what a stopped thread does", lied_to, REFUSED | GONE),
        LIVE("in SECCOMP_MODE_STRICT", strict, GONE | REFUSED),
    };
    for (size_t at = 0; at < LEN(dry); at++)
        situation(&dry[at]);
    situation(&beside);
    situations_unlisted(unheard.name, 30, &unheard, 1);
    situations_unlisted("calls beside threads that cannot bear to be stopped", 60, live, LEN(live));
}
