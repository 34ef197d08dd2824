/* Situations that signals make. */

#include "situations.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

/* The signal that the library borrows: glibc's for its own set*id. libc's sigaction(3) refuses to touch it. */
#define SETID_SIGNAL 33

struct kernel_action {
    void (*handler)(int);
    unsigned long flags;
#if !defined __riscv && !defined __loongarch__
    void (*restorer)(void);
#endif
    unsigned long mask[8 / sizeof(long)];
};

static struct kernel_action raw_action(const struct kernel_action *set)
{
    struct kernel_action was;
    memset(&was, 0, sizeof was);
    require(syscall(SYS_rt_sigaction, SETID_SIGNAL, set, &was, 8) == 0, "rt_sigaction");
    return was;
}

/* --- the caller in a handler ------------------------------------------------------------------------------------------ */

static volatile int status_in_handler;

static void calls(int signal)
{
    (void)signal;
    status_in_handler = drop();
}

static void handles(int flags, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    require(sigaction(SIGUSR1, &action, NULL) == 0, "sigaction");
    idle_threads(2);
}

static int drop_in_handler(void)
{
    raise(SIGUSR1);
    return status_in_handler;
}

static void alternate_stack(void)
{
    static char stack[65536];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    require(sigaltstack(&alternate, NULL) == 0, "sigaltstack");
    handles(SA_ONSTACK, calls);
}

static void idle_two(void) { idle_threads(2); }

/* --- storms ----------------------------------------------------------------------------------------------------------- */

static void counts_signal(int signal)
{
    (void)signal;
    __atomic_add_fetch(&shared->count, 1, __ATOMIC_SEQ_CST);
}

static pthread_t targets[3];

static void *takes_signals(void *unused)
{
    (void)unused;
    for (;;)
        usleep(200);
    return NULL;
}

static void *sends_signals(void *unused)
{
    (void)unused;
    for (unsigned at = 0;; at++) {
        pthread_kill(targets[at % 3], at & 1 ? SIGUSR1 : SIGRTMIN + 1);
        kill(getpid(), SIGUSR2);
    }
    return NULL;
}

static void make_storm(void)
{
    struct sigaction action = {.sa_handler = counts_signal};
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    sigaction(SIGRTMIN + 1, &action, NULL);
    for (size_t at = 0; at < 3; at++)
        require(pthread_create(&targets[at], NULL, takes_signals, NULL) == 0, "pthread_create");
    thread(sends_signals, NULL);
    while (shared->count < 10)
        nap(1);
}

static int ten_stops_and_drop(void) { return stops_and_drop(10); }

/* Whether a signal to the process, not to one thread, has not been taken yet. */
static bool is_pending_to(pid_t pid, int signal)
{
    char path[64], status[4096];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, status, sizeof status - 1);
    close(fd);
    status[len > 0 ? len : 0] = 0;
    const char *pending = strstr(status, "ShdPnd:");
    return pending && strtoull(pending + strlen("ShdPnd:"), NULL, 16) >> (signal - 1) & 1;
}

/* The set*id signal itself, from a process beside, all the time. */
static void storm_of_setid_signals(void)
{
    pid_t self = getpid();
    if (fork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            kill(self, SETID_SIGNAL);
            /* They are queued. If they came faster than they can be taken, which they would on a slow machine, nothing else would ever
             * run there. */
            if (++shared->count % 16 == 0) {
                do {
                    nap(1);
                } while (is_pending_to(self, SETID_SIGNAL));
            }
        }
    }
    while (shared->count < 10)
        nap(1);
}

static void make_storm_of_setid_signals(void)
{
    idle_threads(3);
    storm_of_setid_signals();
}

static void stop_and_continue(pid_t pid)
{
    for (int at = 0; at < 40; at++) {
        kill(pid, SIGSTOP);
        nap(5);
        kill(pid, SIGCONT);
        usleep(500 + 137 * (useconds_t)at);
    }
}

static int stops_for(int milliseconds, const char *deadline)
{
    struct timespec from, now;
    clock_gettime(CLOCK_MONOTONIC, &from);
    do {
        int status = stop_all_within(deadline);
        if (status != EC_SECURITY_OK)
            return status;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 < milliseconds);
    return drop();
}

static int stops_while_stopped(void) { return stops_for(400, NULL); }

/* Stopped for longer than the deadline, and continued: the time stopped must not count. */
static void stop_for_long(pid_t pid)
{
    nap(30);
    kill(pid, SIGSTOP);
    nap(1200);
    kill(pid, SIGCONT);
}

static int stops_with_short_deadline(void) { return stops_for(2000, "0.5"); }

/* --- the queue --------------------------------------------------------------------------------------------------------- */

static void make_no_queue(void)
{
    idle_threads(2);
    struct rlimit none = {0, 0};
    require(setrlimit(RLIMIT_SIGPENDING, &none) == 0, "RLIMIT_SIGPENDING");
}

static void *drains_later(void *unused)
{
    (void)unused;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 2);
    wait_for(&shared->flag, 1);
    nap(200);
    while (sigtimedwait(&set, NULL, &(struct timespec){0, 0}) > 0)
        ;
    return wait_forever();
}

static void make_full_queue(void)
{
    struct rlimit few = {50, 50};
    require(setrlimit(RLIMIT_SIGPENDING, &few) == 0, "RLIMIT_SIGPENDING");
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 2);
    sigprocmask(SIG_BLOCK, &set, NULL);
    idle_threads(2);
    thread(drains_later, NULL);
    int sent = 0;
    while (sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_int = sent}) == 0 && sent < 100)
        sent++;
    require(sent < 100, "a full queue");
}

static int drop_with_full_queue(void)
{
    shared->flag = 1;
    return drop();
}

/* --- SIGSYS, which the call leaves open --------------------------------------------------------------------------------- */

static void make_sigsys_pending(void)
{
    idle_threads(2);
    uint64_t mask = 1ull << (SIGSYS - 1);
    require(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, NULL, 8) == 0, "rt_sigprocmask");
    syscall(SYS_tgkill, getpid(), gettid_raw(), SIGSYS);
}

static int lower_and_drop(void)
{
    if (ec_security_lower("cap_kill+e") != EC_SECURITY_OK)
        complain("%s", ec_security_last_error());
    return drop();
}

static void sigsys_is_pending(void)
{
    uint64_t mask = 0, waiting = 0;
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8);
    syscall(SYS_rt_sigpending, &waiting, 8);
    if (mask != 1ull << (SIGSYS - 1) || !(waiting >> (SIGSYS - 1) & 1))
        complain("the mask became %#llx, with %#llx pending", (unsigned long long)mask, (unsigned long long)waiting);
}

/* --- the handler of before --------------------------------------------------------------------------------------------- */

static struct kernel_action action_before;

static void *takes_setid_signal(void *unused)
{
    (void)unused;
    shared->tid = gettid_raw();
    shared->flag = 1;
    for (;;) {
        int seen = shared->count;
        syscall(SYS_tgkill, getpid(), shared->tid, SETID_SIGNAL);
        /* It is taken on the way back from the call, whoever has the handler then. */
        if (shared->count == seen)
            complain("a signal of others was swallowed");
    }
    return NULL;
}

/* It is told what it is told by the kernel, and not only the number. */
static void counts_told_signal(int signal, siginfo_t *info, void *context)
{
    if (signal != SETID_SIGNAL || info->si_signo != SETID_SIGNAL || info->si_code != SI_TKILL || info->si_pid != getpid() ||
        sigismember(&((ucontext_t *)context)->uc_sigmask, SIGKILL))
        complain("a handler of before was not told what the kernel tells");
    shared->count++;
}

static bool told;

static void make_own_handler(void)
{
    idle_threads(2);
    /* After the first thread: glibc puts its own in place then. The restorer is glibc's. */
    action_before = raw_action(NULL);
    action_before.handler = counts_signal;
    action_before.flags &= ~(unsigned long)SA_SIGINFO;
    if (told) {
        action_before.handler = (void (*)(int))(uintptr_t)counts_told_signal;
        action_before.flags |= SA_SIGINFO;
    } else if (sizeof(long) == 4) {
        /* On a 32-bit machine the frame is another, and so is what it returns by: the kernel's own. */
        action_before.flags &= ~0x04000000ul /* SA_RESTORER */;
    }
    raw_action(&action_before);
    thread(takes_setid_signal, NULL);
    wait_for(&shared->flag, 1);
}

static void make_storm_of_ignored(void)
{
    idle_threads(3);
    action_before = raw_action(NULL);
    action_before.handler = SIG_IGN;
    raw_action(&action_before);
    storm_of_setid_signals();
}

static void action_is_back(void)
{
    struct kernel_action now = raw_action(NULL);
    if (memcmp(&now, &action_before, sizeof now))
        complain("the handler of before is not back");
}

static void make_own_told_handler(void)
{
    told = true;
    make_own_handler();
}

static void handler_is_back(void)
{
    action_is_back();
    int seen = shared->count;
    for (int at = 0; at < 2000 && shared->count == seen; at++)
        nap(1);
    if (shared->count == seen)
        complain("signals of others do not arrive any more");
}

static int checks_and_count(void)
{
    int seen = shared->count;
    int status = ten_stops_and_drop();
    if (shared->count == seen)
        complain("no signal of others has arrived during the calls");
    return status;
}

/* An action that somebody sets while the call is under way, and that hands on to the one it has found. */
static struct kernel_action action_amid;

static void hands_on(int signal, siginfo_t *info, void *context)
{
    shared->count++;
#ifdef __x86_64__
    /* What a function keeps for its caller. */
    register uintptr_t rbx __asm__("rbx") = 1, r12 __asm__("r12") = 2, r13 __asm__("r13") = 3, r14 __asm__("r14") = 4,
                           r15 __asm__("r15") = 5;
    __asm__ volatile("" : "+r"(rbx), "+r"(r12), "+r"(r13), "+r"(r14), "+r"(r15));
    ((void (*)(int, siginfo_t *, void *))(uintptr_t)action_amid.handler)(signal, info, context);
    __asm__ volatile("" : "+r"(rbx), "+r"(r12), "+r"(r13), "+r"(r14), "+r"(r15));
    if (rbx != 1 || r12 != 2 || r13 != 3 || r14 != 4 || r15 != 5)
        complain("the handler has not kept the registers of its caller");
#else
    ((void (*)(int, siginfo_t *, void *))(uintptr_t)action_amid.handler)(signal, info, context);
#endif
}

static void *sets_action_amid(void *unused)
{
    (void)unused;
    uint64_t all = UINT64_MAX, none = 0, waiting = 0;
    require(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8) == 0, "rt_sigprocmask");
    shared->flag = 1;
    while (!(waiting >> (SETID_SIGNAL - 1) & 1))
        require(syscall(SYS_rt_sigpending, &waiting, 8) == 0, "rt_sigpending");
    action_amid = raw_action(NULL);
    action_before = action_amid;
    action_before.handler = (void (*)(int))(uintptr_t)hands_on;
    raw_action(&action_before);
    require(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8) == 0, "rt_sigprocmask");
    return wait_forever();
}

static void make_action_amid(void) { thread_beside(2, sets_action_amid, NULL); }

static void action_amid_stays(void)
{
    struct kernel_action now = raw_action(NULL);
    if (memcmp(&now, &action_before, sizeof now))
        complain("an action that was set during the call has been replaced");
    if (!shared->count)
        complain("the action that was set during the call was never taken");
}

static void glibc_sets_ids(void)
{
    /* A broadcast of glibc's, by the set*id signal. */
    if (setresuid((uid_t)-1, (uid_t)-1, (uid_t)-1) < 0)
        complain("setresuid after the call: %s", strerror(errno));
}

/* --- more threads with a signal pending than the library remembers ------------------------------------------------------- */

enum { MANY_LATE = 400, REMEMBERED = 256 };

static void *hears_late(void *second)
{
    uint64_t mask = UINT64_C(1) << (SETID_SIGNAL - 1);
    require(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, NULL, 8) == 0, "rt_sigprocmask");
    __atomic_add_fetch(&shared->count, 1, __ATOMIC_SEQ_CST);
    while (shared->flag < (second ? 2 : 1))
        nap(10);
    require(syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &mask, NULL, 8) == 0, "rt_sigprocmask");
    __atomic_add_fetch(&shared->count, 1, __ATOMIC_SEQ_CST);
    return wait_forever();
}

static void make_many_late(void)
{
    static const struct kernel_action none;
    idle_threads(1);
    for (int at = 0; at < MANY_LATE; at++)
        thread(hears_late, at < REMEMBERED ? NULL : &told);
    wait_for(&shared->count, MANY_LATE);
    raw_action(&none); /* libc has put its own in place with the first thread */
}

/* The second and the third call are refused before they have found all threads. */
static int refused_before_they_hear(void)
{
    (void)!drop_within("0.1");
    filter(SYS_rt_tgsigqueueinfo, -1, SECCOMP_RET_ERRNO | EPERM, false);
    (void)!drop_within("0.1");
    shared->flag = 1;
    wait_for(&shared->count, MANY_LATE + REMEMBERED);
    int status = drop_within("0.1");
    shared->flag = 2;
    wait_for(&shared->count, 2 * MANY_LATE);
    return status;
}

/* --- dlopen, use, dlclose ------------------------------------------------------------------------------------------------ */

static char copy[] = "/tmp/libec_security.XXXXXX";

/* A file of its own, so that the one this program is linked with does not stand in for it. */
static void copy_library(void)
{
    Dl_info info;
    void *symbol = dlsym(RTLD_DEFAULT, "ec_security_apply");
    require(symbol && dladdr(symbol, &info), "dladdr");
    int from = open(info.dli_fname, O_RDONLY | O_CLOEXEC), to = mkostemp(copy, O_CLOEXEC);
    require(from >= 0 && to >= 0, info.dli_fname);
    char block[65536];
    for (ssize_t got; (got = read(from, block, sizeof block)) > 0;)
        require(write(to, block, (size_t)got) == got, copy);
    close(from);
    close(to);
}

static void make_plug_in(void)
{
    copy_library();
    idle_threads(3);
}

static int drop_by_plug_in(void)
{
    void *handle = dlopen(copy, RTLD_NOW | RTLD_LOCAL);
    unlink(copy);
    if (!handle) {
        complain("%s", dlerror());
        return -1;
    }
    int (*apply)(const char *, const char *, const char *);
    *(void **)&apply = dlsym(handle, "ec_security_apply");
    if (apply == ec_security_apply)
        complain("dlopen has given the library that was there already");
    int status = apply(ids() ? "ecuser" : NULL, NULL, "cap_net_bind_service+ep");
    dlclose(handle);
    glibc_sets_ids();
    return status;
}

/* --- children that others wait for --------------------------------------------------------------------------------------- */

static void sees_child(int signal)
{
    (void)signal;
    complain("SIGCHLD has come");
}

static void *waits_for_any(void *unused)
{
    (void)unused;
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, 0);
        if (pid > 0)
            complain("waitpid(-1) has seen a child");
        shared->count++;
    }
    return NULL;
}

static void make_waiter(void)
{
    struct sigaction action = {.sa_handler = sees_child};
    sigaction(SIGCHLD, &action, NULL);
    thread(waits_for_any, NULL);
    idle_threads(2);
}

static void *ends_on_death(void *unused)
{
    (void)unused;
    return wait_forever();
}

static void make_parent_signal(void)
{
    thread(ends_on_death, NULL);
    prctl(PR_SET_PDEATHSIG, SIGUSR2);
    prctl(PR_SET_DUMPABLE, 1);
    /* A refusal by the rehearsal, in which the ids have changed already. */
    filter(SYS_prctl, PR_SET_NO_NEW_PRIVS, SECCOMP_RET_ERRNO | EPERM, true);
}

static int refused_keeps_flags(void)
{
    int status = drop(), sig = 0;
    prctl(PR_GET_PDEATHSIG, &sig);
    if (sig != SIGUSR2)
        complain("the parent-death signal became %d", sig);
    if (prctl(PR_GET_DUMPABLE) != 1)
        complain("dumpable became %d", prctl(PR_GET_DUMPABLE));
    return status;
}

void situations_of_signals(void)
{
    static const struct situation all[] = {
        SITUATION("the caller is inside a signal handler on an alternate stack", .make = alternate_stack, .call = drop_in_handler,
                  .outcomes = REFUSED, .status = EC_SECURITY_EBUSY, .says = {"signal handler"}),
        SITUATION("signals storm, without SA_RESTART", .make = make_storm, .call = ten_stops_and_drop, .outcomes = DONE,
                  .threads = 5),
        SITUATION("another process sends the set*id signal all the time", .make = make_storm_of_setid_signals,
                  .call = ten_stops_and_drop, .outcomes = DONE, .threads = 4),
        SITUATION("the set*id signal is ignored, and another process sends it all the time", .make = make_storm_of_ignored,
                  .call = ten_stops_and_drop, .then = action_is_back, .outcomes = DONE, .threads = 4),
        SITUATION("the whole process is stopped and continued all the time", .make = idle_two, .call = stops_while_stopped,
                  .beside = stop_and_continue, .outcomes = DONE, .threads = 3),
        SITUATION("the whole process is stopped for longer than the deadline, and continued", .make = idle_two,
                  .call = stops_with_short_deadline, .beside = stop_for_long, .outcomes = DONE, .threads = 3),
        SITUATION("no signal can be queued (RLIMIT_SIGPENDING is 0)", .make = make_no_queue, .call = refusable_drop,
                  .outcomes = REFUSED, .status = EC_SECURITY_ETHREAD, .says = {"RLIMIT_SIGPENDING"}),
        SITUATION("the queue of signals is full, and is emptied later", .make = make_full_queue, .call = drop_with_full_queue,
                  .outcomes = DONE, .threads = 4),
        SITUATION("SIGSYS is blocked and pending", .make = make_sigsys_pending, .call = lower_and_drop, .then = sigsys_is_pending,
                  .outcomes = DONE, .threads = 3),
        SITUATION("the set*id signal had a handler: put back, and called meanwhile", .make = make_own_handler,
                  .call = checks_and_count, .then = handler_is_back, .outcomes = DONE, .threads = 4),
        SITUATION("the set*id signal had a handler with SA_SIGINFO: told what the kernel tells", .make = make_own_told_handler,
                  .call = checks_and_count, .then = handler_is_back, .outcomes = DONE, .threads = 4),
        SITUATION("somebody sets another action of the set*id signal during the call, which hands on: it stays",
                  .make = make_action_amid, .then = action_amid_stays, .outcomes = DONE, .threads = 4),
        SITUATION("400 threads hear their signal after two more calls, which have not found them all", .make = make_many_late,
                  .call = refused_before_they_hear, .outcomes = REFUSED, .status = EC_SECURITY_ETHREAD,
                  .says = {"cannot be signalled"}, .threads = MANY_LATE + 2, .meanwhile = FIELD_SECCOMP, .keeps_handler = true),
        SITUATION("glibc's setresuid afterwards", .make = idle_two, .then = glibc_sets_ids, .outcomes = DONE, .threads = 3),
        SITUATION("dlopen, use, dlclose, then glibc's setresuid", .make = make_plug_in, .call = drop_by_plug_in, .outcomes = DONE,
                  .threads = 4),
        SITUATION("a SIGCHLD handler and waitpid(-1) see nothing", .make = make_waiter, .call = ten_stops_and_drop,
                  .outcomes = DONE, .threads = 4),
        SITUATION("a refusal leaves dumpable flag and parent-death signal", .make = make_parent_signal,
                  .call = refused_keeps_flags, .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED,
                  .says = {"PR_SET_NO_NEW_PRIVS"}),
    };
    for (size_t at = 0; at < sizeof all / sizeof *all; at++)
        situation(&all[at]);
}
