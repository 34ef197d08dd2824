/* What may hold a caller: supervisors (SECCOMP_RET_USER_NOTIF) that do not answer, debuggers. No call waits for them for ever, and none
 * ends for a process that was stopped as a whole. And the timer that is to end such a wait, which must not outlive it. */

#include "policy_of.h"
#include "seccomp.h"
#include "situations.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ptrace.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEN(array) (sizeof(array) / sizeof *(array))

static const struct {
    const char *name;
    int number;
    long first; /* argument; -1: any */
} steps[] = {
    {"setgroups", SYS_setgroups, -1},
    {"setresgid", SYS_setresgid, -1},
    {"setresuid", SYS_setresuid, -1},
    {"capset", SYS_capset, -1},
    {"PR_CAPBSET_DROP", SYS_prctl, PR_CAPBSET_DROP},
    {"PR_SET_NO_NEW_PRIVS", SYS_prctl, PR_SET_NO_NEW_PRIVS},
};

enum { NEVER, ONLY_THE_REHEARSAL, WAYS };

/* Of these: which step, how it is answered, and whether there are other threads. */
static struct {
    char name[128];
    unsigned step, way;
    bool threads;
} supervised_of[LEN(steps) * WAYS * 2];
static struct situation supervised[LEN(supervised_of)];

static void make_supervised(void)
{
    size_t at = (size_t)(current - supervised);
    unsigned step = supervised_of[at].step;
    struct rule rule = CALLS_OF(steps[step].number, steps[step].first < 0 ? ANY : (unsigned)steps[step].first,
                                SECCOMP_RET_USER_NOTIF);
    /* The rehearsal's are those of another thread. */
    struct supervisor supervisor = {.only = supervised_of[at].way == NEVER ? 0 : getpid(), .first = 1};
    require(seccomp_supervised(&rule, 1, 0, &supervisor) > 0, "a supervisor");
    if (supervised_of[at].threads)
        idle_threads(4);
}

/* --- a supervisor that stops answering once threads have been stopped ---------------------------------------------------------- */

/* What the caller, its rehearsal, or those that watch it may ask the kernel from then on. */
static const struct {
    const char *name;
    int number;
} later_calls[] = {
    {"lseek", SYS_lseek},
    {"openat", SYS_openat},
    {"read", SYS_read},
    {"close", SYS_close},
    {"fstat", SYS_fstat},
    {"newfstatat", SYS_newfstatat},
    {"getdents64", SYS_getdents64},
    {"prctl", SYS_prctl},
    {"clone", SYS_clone},
    {"wait4", SYS_wait4},
    {"mmap", SYS_mmap},
    {"munmap", SYS_munmap},
    {"capget", SYS_capget},
    {"capset", SYS_capset},
    {"getppid", SYS_getppid},
    {"rt_tgsigqueueinfo", SYS_rt_tgsigqueueinfo},
    {"setresuid", SYS_setresuid},
    {"sched_yield", SYS_sched_yield},
};

static struct {
    char name[96];
    unsigned call;
    bool threads;
} falls_silent_of[LEN(later_calls) * 2];
static struct situation falls_silent[LEN(falls_silent_of)];

/* Stops last: by then the caller has begun, and the others have stopped or are about to. At once, before the caller lets all go for a
 * moment: a call that is held with no thread stopped has no limit. */
static void *silences(void *unused)
{
    (void)unused;
    uint64_t mask = UINT64_C(1) << 32 /* the set*id signal, 33 */;
    struct sched_param first = {.sched_priority = 1};
    (void)!sched_setscheduler(0, SCHED_FIFO, &first); /* where that is allowed */
    require(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, NULL, 8) == 0, "rt_sigprocmask");
    struct pollfd pending = {.fd = (int)syscall(SYS_signalfd4, -1, &mask, 8, O_CLOEXEC), .events = POLLIN};
    require(pending.fd >= 0, "signalfd");
    shared->count = 1;
    while (poll(&pending, 1, -1) != 1)
        ;
    shared->flag = 1;
    require(syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &mask, NULL, 8) == 0, "rt_sigprocmask");
    return wait_forever();
}

static void make_falls_silent(void)
{
    size_t at = (size_t)(current - falls_silent);
    struct rule rule = CALLS(later_calls[falls_silent_of[at].call].number, SECCOMP_RET_USER_NOTIF);
    if (falls_silent_of[at].threads)
        idle_threads(4);
    thread(silences, NULL);
    wait_for(&shared->count, 1);
    struct supervisor supervisor = {.first = 1, .when = &shared->flag};
    require(seccomp_supervised(&rule, 1, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH, &supervisor) > 0,
            "a supervisor");
}

/* --- supervisors that lie, or refuse the second look --------------------------------------------------------------------------------- */

/* getdents64(2) of /proc/self/task, of which nothing is written. */
static void answers_getdents(long long result)
{
    struct rule rule = CALLS(SYS_getdents64, SECCOMP_RET_USER_NOTIF);
    struct supervisor supervisor = {.only = getpid(), .first = 1, .result = result};
    idle_threads(4);
    require(seccomp_supervised(&rule, 1, 0, &supervisor) > 0, "a supervisor");
}

static void getdents_without_end(void) { answers_getdents(24); }
static void getdents_beyond_buffer(void) { answers_getdents(1 << 20); }

/* From the second one on: the look at what has come of a capset(2). */
static void looks_once(void)
{
    struct rule rules[] = {CALLS(SYS_openat, SECCOMP_RET_USER_NOTIF), CALLS(SYS_capget, SECCOMP_RET_USER_NOTIF)};
    struct supervisor supervisor = {.only = getpid(), .first = 2, .error = EPERM};
    require(ec_security_lower("cap_kill+e") == EC_SECURITY_OK, "ec_security_lower");
    require(seccomp_supervised(rules, LEN(rules), 0, &supervisor) > 0, "a supervisor");
}

static int check_only(void)
{
    return check_of((const char *const[]){"user", ids() ? "ecuser" : NULL, "capabilities", "cap_net_bind_service+ep", NULL});
}

static int raise_kill(void) { return ec_security_raise("cap_kill+e"); }
static int lower_chown(void) { return ec_security_lower("cap_chown+e"); }

static const struct situation lying[] = {
    SITUATION("a supervisor answers for the list of threads, without end", .make = getdents_without_end, .outcomes = REFUSED,
              .status = EC_SECURITY_EREFUSED, .threads = 5, .says = {"getdents64", "EIO"}),
    SITUATION("a supervisor answers for the list of threads, with more than there was memory for", .make = getdents_beyond_buffer,
              .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED, .threads = 5, .says = {"getdents64", "EIO"}),
    SITUATION("a supervisor answers for the list of threads, without end, in a check", .make = getdents_without_end,
              .call = check_only, .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED, .threads = 5,
              .says = {"getdents64", "EIO"}),
    SITUATION("a supervisor refuses the second look of a raise", .make = looks_once, .call = raise_kill, .outcomes = REFUSED,
              .status = EC_SECURITY_EREFUSED, .says = {"capget", "EPERM"}),
    SITUATION("a supervisor refuses the second look of a lower", .make = looks_once, .call = lower_chown, .outcomes = REFUSED,
              .status = EC_SECURITY_EREFUSED, .says = {"capget", "EPERM"}),
};

/* --- the only thread that can do anything, beside one that has ended ------------------------------------------------------------- */

static void *is_last(void *unused)
{
    while (state_of(getpid(), getpid()) != 'Z')
        nap(1);
    struct rule rule = CALLS(SYS_capset, SECCOMP_RET_USER_NOTIF);
    struct supervisor supervisor = {.only = gettid_raw(), .first = 1};
    require(seccomp_supervised(&rule, 1, 0, &supervisor) > 0, "a supervisor");
    go_through();
    return unused;
}

static void leader_ends(void)
{
    thread(is_last, NULL);
    pthread_exit(NULL);
}

static const struct situation last = SITUATION("a supervisor answers the rehearsal only, and the only other thread has ended",
                                               .body = leader_ends, .outcomes = GONE, .silent_end = true);

/* --- debuggers ----------------------------------------------------------------------------------------------------- */

static long trace(long request, pid_t pid, unsigned long addr, void *data)
{
    return syscall(SYS_ptrace, request, pid, addr, data);
}

/* Holds the thread that has forked it when it has made setresuid: for so long, with all other threads stopped; or, as long as there is
 * the process, alone. */
static void debug(pid_t pid, unsigned seconds)
{
    long number = -1;
    int status;
    require(trace(PTRACE_SEIZE, pid, 0, (void *)PTRACE_O_TRACESYSGOOD) == 0 && trace(PTRACE_INTERRUPT, pid, 0, NULL) == 0,
            "ptrace");
    shared->flag = 1;
    while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
        int signal = status >> 16 || WSTOPSIG(status) == (SIGTRAP | 0x80) ? 0 : WSTOPSIG(status);
        struct ptrace_syscall_info info = {0};
        if (WSTOPSIG(status) == (SIGTRAP | 0x80))
            trace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info);
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
            number = (long)info.entry.nr;
        if (info.op != PTRACE_SYSCALL_INFO_EXIT || number != SYS_setresuid) {
            trace(PTRACE_SYSCALL, pid, 0, (void *)(long)signal);
            continue;
        }
        shared->count = 1;
        if (!seconds)
            continue; /* until it ends */
        kill(pid, SIGSTOP);
        nap(seconds * 1000);
        kill(pid, SIGCONT);
        trace(PTRACE_DETACH, pid, 0, NULL);
        break;
    }
    _exit(0);
}

static void make_debugged(unsigned seconds)
{
    pid_t self = getpid(), debugger = fork();
    require(debugger >= 0, "fork");
    if (debugger == 0)
        debug(self, seconds);
    wait_for(&shared->flag, 1);
}

static void was_held(void)
{
    if (!shared->count)
        complain("the debugger has not held it");
}

static void make_held_alone(void)
{
    idle_threads(3);
    make_debugged(0);
}

static void make_held_with_all(void)
{
    idle_threads(3);
    filter(SYS_uname, -1, FAILS_WITH(EPERM), true);
    make_debugged(7);
}

static void make_held_one_thread(void)
{
    filter(SYS_uname, -1, FAILS_WITH(EPERM), true);
    make_debugged(7);
}

static const struct situation debugged[] = {
    SITUATION("a debugger holds the caller alone, amid the change", .make = make_held_alone, .needs_ids = true, .outcomes = GONE,
              .says = {"it does not go on"}),
    SITUATION("a debugger holds all threads for 7 seconds amid the change, and there is a filter", .make = make_held_with_all,
              .then = was_held, .needs_ids = true, .outcomes = DONE, .threads = 4),
    SITUATION("a debugger holds the only thread for 7 seconds amid the change, and there is a filter",
              .make = make_held_one_thread, .then = was_held, .needs_ids = true, .outcomes = DONE),
};

/* --- the timer that ends the process, should the caller not come back --------------------------------------------------- */

static void refuses_create(void) { filter(SYS_timer_create, -1, FAILS_WITH(EPERM), true); }
static void kills_at_create(void) { filter(SYS_timer_create, -1, SECCOMP_RET_KILL_PROCESS, true); }
static void refuses_delete(void) { filter(SYS_timer_delete, -1, FAILS_WITH(EPERM), true); }
static void pretends_delete(void) { filter(SYS_timer_delete, -1, PRETENDS, true); }
static void kills_at_delete(void) { filter(SYS_timer_delete, -1, SECCOMP_RET_KILL_PROCESS, true); }

static void no_signals_queued(void)
{
    struct rlimit none = {0, 0};
    require(setrlimit(RLIMIT_SIGPENDING, &none) == 0, "RLIMIT_SIGPENDING");
}

static void filtered_without_queue(void)
{
    no_signals_queued();
    filter(SYS_uname, -1, FAILS_WITH(EPERM), true);
}

static int drop_with_chroot(void)
{
    return apply_of((const char *const[]){"user", ids() ? "ecuser" : NULL, "capabilities", "cap_net_bind_service+ep", "chroot",
                                          "/proc", NULL});
}

/* The limit is 5 seconds. */
static int drop_and_live_on(void)
{
    int status = drop();
    nap(5700);
    return status;
}

static const struct situation timers[] = {
    SITUATION("the process's seccomp filter refuses timer_delete", .make = refuses_delete, .outcomes = REFUSED,
              .status = EC_SECURITY_EREFUSED, .says = {"timer_delete"}),
    SITUATION("the process's seccomp filter pretends that timer_delete worked", .make = pretends_delete, .call = drop_and_live_on,
              .outcomes = DONE),
    SITUATION("the process's seccomp filter kills it at timer_delete", .cannot = dumps_end_callers, .make = kills_at_delete,
              .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED, .says = {"timer_delete"}),
    SITUATION("the process's seccomp filter refuses timer_create, one thread", .make = refuses_create, .outcomes = REFUSED,
              .status = EC_SECURITY_EREFUSED, .says = {"timer_create", "EPERM"}),
    SITUATION("the process's seccomp filter kills it at timer_create, one thread", .cannot = dumps_end_callers,
              .make = kills_at_create, .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED, .says = {"timer_create"}),
    SITUATION("no signal can be queued (RLIMIT_SIGPENDING is 0), one thread under a filter", .make = filtered_without_queue,
              .outcomes = REFUSED, .status = EC_SECURITY_ERESOURCE, .says = {"RLIMIT_SIGPENDING"}),
    SITUATION("no signal can be queued (RLIMIT_SIGPENDING is 0), one thread, with chroot", .make = no_signals_queued,
              .call = drop_with_chroot, .outcomes = REFUSED, .status = EC_SECURITY_ERESOURCE, .says = {"RLIMIT_SIGPENDING"}),
};

void promise_of_supervisors(void)
{
    static const char *const ways[] = {"never answers", "answers the rehearsal only, at"};
    size_t at = 0;
    for (unsigned step = 0; step < LEN(steps); step++)
        for (unsigned way = 0; way < WAYS; way++)
            for (int threads = 0; threads < 2; threads++, at++) {
                supervised_of[at].step = step;
                supervised_of[at].way = way;
                supervised_of[at].threads = threads;
                snprintf(supervised_of[at].name, sizeof supervised_of[at].name, "a supervisor %s %s, %s", ways[way],
                         steps[step].name, threads ? "five threads" : "one thread");
                supervised[at] = (struct situation){.name = supervised_of[at].name,
                                                    .make = make_supervised,
                                                    .needs_ids = true,
                                                    .outcomes = way == NEVER ? REFUSED : GONE,
                                                    .status = EC_SECURITY_EREFUSED,
                                                    .within = 8000,
                                                    .silent_end = !threads};
            }
    situations_unlisted("supervisors that do not answer a step", 120, supervised, LEN(supervised));
    for (at = 0; at < LEN(falls_silent); at++) {
        falls_silent_of[at].call = (unsigned)(at / 2);
        falls_silent_of[at].threads = at % 2;
        snprintf(falls_silent_of[at].name, sizeof falls_silent_of[at].name, "a supervisor falls silent at %s, %s",
                 later_calls[at / 2].name, at % 2 ? "six threads" : "two threads");
        falls_silent[at] = (struct situation){.name = falls_silent_of[at].name,
                                              .make = make_falls_silent,
                                              .outcomes = DONE | REFUSED | GONE,
                                              .status = EC_SECURITY_EREFUSED,
                                              .threads = at % 2 ? 6 : 2};
    }
    situations_unlisted("supervisors that fall silent once threads have been stopped", 120, falls_silent, LEN(falls_silent));
    situations_together("supervisors that lie", 60, lying, LEN(lying));
    situation(&last);
    situations_together("debuggers that hold the caller", 40, debugged, LEN(debugged));
    situations_together("timers that cannot be deleted", 40, timers, LEN(timers));
}
