/* What other threads do to the process while the call runs is theirs, and stays: nothing is put back over it, or written back from before.
 * Besides, the deadline of a call is real time. */

#include "policy_of.h"
#include "seccomp.h"
#include "situations.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LEN(array) (sizeof(array) / sizeof *(array))
#define SETID_SIGNAL 33

static long nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000 + now.tv_nsec;
}

/* --- the dumpable flag --------------------------------------------------------------------------------------------------- */

/* Rounds: the flag is set, the call begins, and another thread clears it some time later. */
static volatile int told;
static volatile long delay;

static void *clears_dumpable(void *unused)
{
    for (int round = 1;; round++) {
        while (told != round)
            if (told < 0)
                for (;;)
                    pause();
        long from = nanoseconds();
        while (nanoseconds() - from < delay)
            ;
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        told = -round - 1;
        while (told < 0)
            sched_yield();
    }
    return unused;
}

static void dumpable_rounds(int (*call)(void), unsigned rounds)
{
    unsigned lost = 0;
    thread(clears_dumpable, NULL);
    long from = nanoseconds();
    call();
    long takes = nanoseconds() - from;
    takes = takes < 2000000 ? takes : 2000000;
    for (unsigned round = 1; round <= rounds; round++) {
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
        delay = (long)(takes * 5 / 4 * (long)round / (long)rounds);
        told = (int)round;
        call();
        while (told != -(int)round - 1)
            sched_yield();
        lost += prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0;
    }
    if (lost)
        complain("the dumpable flag was set again in %u of %u rounds", lost, rounds);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static int dry(void)
{
    return check_of((const char *const[]){"user", ids() ? "ecuser" : NULL, "capabilities", "cap_net_bind_service+ep", NULL});
}

static int deaf_drop(void) { return drop_within("0.02"); }

static int dry_runs_and_drop(void)
{
    dumpable_rounds(dry, 300);
    return drop();
}

static int drops_and_drop(void)
{
    dumpable_rounds(drop, 150);
    return drop();
}

static int deaf_drops(void)
{
    dumpable_rounds(deaf_drop, 40);
    return deaf_drop();
}

static void make_idle(void) { idle_threads(2); }

static void make_refused(void)
{
    idle_threads(2);
    filter(SYS_capset, -1, FAILS_WITH(EPERM), true);
}

static void *is_deaf(void *unused)
{
    (void)unused;
    uint64_t mask = UINT64_C(1) << (SETID_SIGNAL - 1);
    require(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, NULL, 8) == 0, "rt_sigprocmask");
    shared->count++;
    return wait_forever();
}

static void make_deaf(void)
{
    idle_threads(2);
    thread(is_deaf, NULL);
    wait_for(&shared->count, 1);
}

/* --- a thread that raises and lowers --------------------------------------------------------------------------------------- */

#define SOME "cap_net_raw,cap_net_admin,cap_net_bind_service,cap_kill,cap_setuid,cap_setgid,cap_setpcap"
#define NET_RAW BIT(13)
static volatile int stop_raising, has_stopped;

static void *raises_and_lowers(void *unused)
{
    shared->tid = gettid_raw();
    for (;;) {
        if (stop_raising) {
            has_stopped = 1;
            while (stop_raising)
                sched_yield();
            has_stopped = 0;
        }
        if (!ec_security_raise("cap_net_raw+e"))
            (void)!ec_security_lower("cap_net_raw+e");
    }
    return unused;
}

static void make_raiser(void)
{
    require(!ec_security_apply(NULL, NULL, SOME "=eip"), "the first call");
    thread(raises_and_lowers, NULL);
    while (!shared->tid)
        nap(1);
}

/* Nobody raises anything but cap_net_raw, and it is given up in the end. */
static int narrow_beside(void)
{
    for (int round = 0; round < 300; round++) {
        int status = ec_security_apply(NULL, NULL, SOME "=p");
        if (status)
            return status;
        stop_raising = 1;
        while (!has_stopped)
            sched_yield();
        struct thread worker;
        require(look_thread(getpid(), shared->tid, &worker), "the worker");
        if (worker.inh || (worker.eff & ~NET_RAW)) {
            complain("round %d: a call has said 0, and a thread holds %llx effective and %llx inheritable", round,
                     (unsigned long long)worker.eff, (unsigned long long)worker.inh);
            break;
        }
        require(!ec_security_apply(NULL, NULL, SOME "=eip"), "a call that widens");
        stop_raising = 0;
        while (has_stopped)
            sched_yield();
    }
    stop_raising = 1;
    while (!has_stopped)
        sched_yield();
    return drop();
}

/* --- glibc's own broadcast -------------------------------------------------------------------------------------------------- */

static void *toggles(void *unused)
{
    (void)unused;
    for (int at = 0; shared->flag != 1; at++) {
        (void)!seteuid(1);
        (void)!seteuid(0);
        shared->count = at;
    }
    shared->flag = 2;
    return wait_forever();
}

/* Or glibc ends the process: before the report. */
static void stops_toggling(void)
{
    shared->flag = 1;
    wait_for(&shared->flag, 2);
}

static void make_toggler(void)
{
    idle_threads(5);
    thread(toggles, NULL);
    while (shared->count < 1)
        sched_yield();
    usleep(shared->round * 7919 % 3000);
}

/* --- what a refused call puts back --------------------------------------------------------------------------------------------- */

/* A caller that is refused after it has changed itself, beside what another thread does with success: a user that the user namespace
 * does not have. */
static ec_security_policy *refused, *other[2];
static volatile int tried;

static ec_security_policy *policy_with(const char *const pairs[])
{
    ec_security_policy *policy = ec_security_policy_new();
    static const char *const kept[] = {"capabilities", "keep", "bounding", "keep", "no_new_privs", "off"};
    for (size_t at = 0; at < LEN(kept); at += 2)
        require(!ec_security_policy_set(policy, kept[at], kept[at + 1]), kept[at]);
    for (size_t at = 0; pairs[at]; at += 2)
        require(!ec_security_policy_set(policy, pairs[at], pairs[at + 1]), pairs[at]);
    return policy;
}

static void *is_refused(void *unused)
{
    shared->tid = gettid_raw();
    for (int round = 1;; round++) {
        while (told != round)
            sched_yield();
        int status = ec_security_policy_apply(refused);
        if (status != EC_SECURITY_EREFUSED)
            complain("round %d: %d (%s) instead of a refusal", round, status, ec_security_last_error());
        tried = round;
    }
    return unused;
}

static void some_ids(const char *const pairs[])
{
    const unsigned groups[] = {0, 27, 999};
    require(syscall(SYS_setgroups, 3, groups) == 0, "setgroups");
    require(user_namespace_with("0 0 2000\n", "0 0 2000\n", false), "a user namespace with some ids");
    refused = policy_with(pairs);
    other[0] = policy_with((const char *const[]){"supplemental_groups", "+100", NULL});
    other[1] = policy_with((const char *const[]){"supplemental_groups", "+101", NULL});
    thread(is_refused, NULL);
}

static void refused_with_groups(void)
{
    some_ids((const char *const[]){"user", "+4242", "group", "+5", "supplemental_groups", "+7", NULL});
}

static void refused_with_chroot(void)
{
    some_ids((const char *const[]){"user", "+4242", "group", "+5", "supplemental_groups", "keep", "chroot", "/bin", NULL});
}

static bool moves(int round) { return chdir(round % 2 ? "/proc" : "/") == 0; }
static bool changes_groups(int round) { return ec_security_policy_apply(other[round % 2]) == EC_SECURITY_OK; }

static bool is_moved(int round, pid_t tid)
{
    char path[64], cwd[64] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/cwd", tid);
    return readlink(path, cwd, sizeof cwd - 1) > 0 && !strcmp(cwd, round % 2 ? "/proc" : "/");
}

static bool has_groups(int round, pid_t tid)
{
    struct thread found;
    return look_thread(getpid(), tid, &found) && found.groups_len == 1 && found.groups[0] == 100u + (unsigned)(round % 2);
}

static int beside_refused(bool (*change)(int), bool (*changed)(int, pid_t))
{
    for (int round = 1; round <= 600; round++) {
        long from = nanoseconds();
        told = round;
        while (nanoseconds() - from < round % 100 * 5000)
            ;
        bool done = change(round);
        while (tried != round)
            sched_yield();
        if (!done || !changed(round, getpid()) || !changed(round, shared->tid)) {
            complain("round %d: what another thread did %s", round,
                     done ? "was taken back by a call that was refused" : "failed");
            break;
        }
    }
    return ec_security_policy_apply(refused);
}

static int groups_beside_refused(void) { return beside_refused(changes_groups, has_groups); }
static int moves_beside_refused(void) { return beside_refused(moves, is_moved); }

/* --- a thread that may not read the time-stamp counter ---------------------------------------------------------------------------- */

static const char *no_counter(void)
{
#ifdef PR_TSC_SIGSEGV
    int mode;
    if (prctl(PR_GET_TSC, &mode, 0, 0, 0) == 0)
        return NULL;
#endif
    return "this architecture has no PR_SET_TSC";
}

static void *reads_no_counter(void *unused)
{
    (void)unused;
    require(prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0) == 0, "PR_SET_TSC");
    shared->count++;
    return wait_forever();
}

static void make_without_counter(void)
{
    thread(reads_no_counter, NULL);
    wait_for(&shared->count, 1);
}

/* --- a thread that cannot stop before one goes on that has ------------------------------------------------------------------------ */

/* As pthread_create(3) has it where the new thread is to have an affinity: it is born with all signals blocked, and waits for a lock that
 * its maker has. */
static volatile int locked, waits;

static void *holds_lock(void *unused)
{
    (void)unused;
    locked = 1;
    while (!waits)
        sched_yield();
    shared->count++;
    pause(); /* until a signal was handled */
    locked = 0;
    return wait_forever();
}

static void *waits_for_lock(void *unused)
{
    (void)unused;
    uint64_t mask = UINT64_C(1) << (SETID_SIGNAL - 1);
    require(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, NULL, 8) == 0, "rt_sigprocmask");
    waits = 1;
    while (locked)
        nap(1);
    require(syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &mask, NULL, 8) == 0, "rt_sigprocmask");
    return wait_forever();
}

static void make_interlocked(void)
{
    idle_threads(2);
    locked = 1;
    thread(holds_lock, NULL);
    thread(waits_for_lock, NULL);
    wait_for(&shared->count, 1);
    nap(20);
}

/* glibc's own, all the time. */
static void *returns(void *unused) { return unused; }

static void *makes_threads_with_affinity(void *unused)
{
    cpu_set_t any;
    pthread_attr_t attr;
    require(sched_getaffinity(0, sizeof any, &any) == 0 && pthread_attr_init(&attr) == 0 &&
                pthread_attr_setaffinity_np(&attr, sizeof any, &any) == 0,
            "an affinity");
    for (shared->flag = 1;;) {
        pthread_t made;
        if (pthread_create(&made, &attr, returns, NULL) == 0)
            pthread_join(made, NULL);
    }
    return unused;
}

static void make_maker(void)
{
    thread(makes_threads_with_affinity, NULL);
    wait_for(&shared->flag, 1);
}

static int many_calls(void)
{
    for (int at = 0; at < 400; at++) {
        int status = stop_all();
        if (status)
            return status;
    }
    return drop();
}

/* --- execve ------------------------------------------------------------------------------------------------------------------- */

static void *executes(void *unused)
{
    struct timespec wait = {0, (long)(shared->round * 104729 % 900000)};
    while (!told)
        ;
    nanosleep(&wait, NULL);
    dup2(2, 1);
    char path[PATH_MAX];
    beside_program("print_creds", path);
    execl(path, "print_creds", NULL);
    require(false, path);
    return unused;
}

static void make_executor(void)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    require(null >= 0 && dup2(null, 0) == 0, "/dev/null");
    idle_threads(6);
    thread(executes, NULL);
}

static int drop_beside(void)
{
    told = 1;
    int status = drop();
    for (;;) /* until the image is another */
        pause();
    return status;
}

/* --- the deadline ------------------------------------------------------------------------------------------------------------- */

static int within_a_millisecond(void) { return drop_within("0.001"); }
static int within_a_tenth(void) { return drop_within("0.1"); }
static int within_a_second(void) { return drop_within("1"); }

/* The process is stopped as a whole five times, each for longer than any limit has a quarter. */
static void make_deaf_and_stopped(void)
{
    make_deaf();
    pid_t self = getpid(), pid = fork();
    require(pid >= 0, "fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        wait_for(&shared->flag, 1);
        for (int at = 0; at < 5; at++) {
            nap(at ? 1 : 100);
            kill(self, SIGSTOP);
            nap(1600);
            kill(self, SIGCONT);
        }
        _exit(0);
    }
}

static int drop_and_be_stopped(void)
{
    shared->flag = 1;
    return drop_within("0.3");
}

/* Each would stop in time after the one before it, and all together far too late. */
static void *stops_in_turn(void *turn)
{
    uint64_t mask = UINT64_MAX;
    require(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8) == 0, "rt_sigprocmask");
    __atomic_add_fetch(&shared->count, 1, __ATOMIC_SEQ_CST);
    for (uint64_t waiting = 0; !waiting;) {
        require(syscall(SYS_rt_sigpending, &waiting, 8) == 0, "rt_sigpending");
        nap(1);
    }
    nap(250 * (unsigned)(uintptr_t)turn);
    mask = 0;
    require(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8) == 0, "rt_sigprocmask");
    return wait_forever();
}

static void make_many_turns(void)
{
    for (uintptr_t turn = 1; turn <= 30; turn++)
        thread(stops_in_turn, (void *)turn);
    wait_for(&shared->count, 30);
}

static int within_three_tenths(void) { return drop_within("0.3"); }

static void make_many_deaf(void)
{
    idle_threads(100);
    for (int at = 0; at < 100; at++)
        thread(is_deaf, NULL);
    while (shared->count < 90) /* counted without a lock */
        nap(1);
    nap(20);
}

#define DUMPABLE(what, make_, call_, ...) \
    {.name = "another thread clears the dumpable flag during " what, .make = make_, .call = call_, __VA_ARGS__}
#define IN_TIME(what, make_, call_, within_) \
    SITUATION("a deadline of " what, .make = make_, .call = call_, .within = within_, .outcomes = REFUSED, \
              .status = EC_SECURITY_ETHREAD)

void promise_of_others(void)
{
    static const struct situation meanwhile[] = {
        SITUATION("a thread blocks the signal until one goes on that has stopped", .make = make_interlocked, .outcomes = DONE,
                  .within = 2500, .threads = 5),
        SITUATION("another thread calls pthread_create with an affinity all the time", .make = make_maker, .call = many_calls,
                  .outcomes = DONE, .threads = 2),
        SITUATION("a thread may not read the time-stamp counter (PR_SET_TSC)", .cannot = no_counter, .make = make_without_counter,
                  .outcomes = DONE, .threads = 2),
        DUMPABLE("a dry run", make_idle, dry_runs_and_drop, .outcomes = DONE, .threads = 4),
        DUMPABLE("a call that a filter refuses", make_refused, drops_and_drop, .outcomes = REFUSED,
                 .status = EC_SECURITY_EREFUSED),
        DUMPABLE("a call that another thread does not hear", make_deaf, deaf_drops, .outcomes = REFUSED,
                 .status = EC_SECURITY_ETHREAD),
        SITUATION("another thread raises and lowers a capability all the time", .make = make_raiser, .call = narrow_beside,
                  .outcomes = DONE, .threads = 2),
        SITUATION("another thread's call changes the groups beside one that is refused late", .make = refused_with_groups,
                  .call = groups_beside_refused, .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED, .meanwhile = FIELD_GROUPS),
        SITUATION("another thread changes the working directory beside a call with chroot that is refused late",
                  .make = refused_with_chroot, .call = moves_beside_refused, .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED,
                  .meanwhile = FIELD_GROUPS),
    };
    /* What a call may take, beside what the machine withholds: a second and a half more than the deadline. */
    static const struct situation in_time[] = {
        SITUATION("a thread that blocks the signal, and the process is stopped again and again", .make = make_deaf_and_stopped,
                  .call = drop_and_be_stopped, .outcomes = REFUSED, .status = EC_SECURITY_ETHREAD),
        IN_TIME("a millisecond, and a thread that blocks the signal", make_deaf, within_a_millisecond, 1500),
        IN_TIME("a tenth of a second, and a thread that blocks the signal", make_deaf, within_a_tenth, 1600),
        IN_TIME("a second, and a thread that blocks the signal", make_deaf, within_a_second, 2500),
        IN_TIME("a tenth of a second, and a hundred threads that block the signal", make_many_deaf, within_a_tenth, 1600),
        IN_TIME("0.3 seconds, and thirty threads that stop one after another, each in time", make_many_turns, within_three_tenths,
                1800),
    };
    static const struct situation toggler = SITUATION("another thread calls glibc's seteuid all the time", .needs_ids = true,
                                                      .make = make_toggler, .then = stops_toggling,
                                                      .outcomes = DONE | REFUSED | GONE, .meanwhile = FIELD_UID | FIELDS_CAPS,
                                                      .libc_may_abort = true, .threads = 7);
    static const struct situation executor = SITUATION("another thread executes a program", .needs_ids = true,
                                                       .make = make_executor, .call = drop_beside, .becomes_print_creds = true,
                                                       .outcomes = DONE | REFUSED | GONE);
    for (size_t at = 0; at < LEN(meanwhile); at++)
        situation(&meanwhile[at]);
    situations_together("deadlines are real time", 60, in_time, LEN(in_time));
    situation_rounds("another thread calls glibc's seteuid all the time, 60 times", 120, &toggler, 60);
    situation_rounds("another thread executes a program during the call, 120 times", 120, &executor, 120);
}
