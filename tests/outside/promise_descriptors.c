/* Another thread closes all descriptors during the call, as a thread that becomes a daemon does, and opens files that get their numbers:
 * directories with as many links as the thread list of a process with one thread. The call neither believes what it reads there, nor
 * closes them. */

#include "seccomp.h"
#include "situations.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEN(array) (sizeof(array) / sizeof *(array))

/* Which numbers were in use before the call: this test's own. And a process with one thread. */
static bool in_use[1024];
static pid_t other_process;

/* What caller, tracer and another thread tell each other, and the descriptors that were opened meanwhile. */
enum { OPENED = 8 };
static struct {
    volatile int traced, calling, acted, told, filtered;
    int opened[OPENED];
} *between;

static void make_between(void)
{
    between = mmap(NULL, sizeof *between, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    require(between != MAP_FAILED, "mmap");
    memset(between->opened, -1, sizeof between->opened);
}

static void remember_descriptors(void)
{
    make_between();
    other_process = getppid();
    for (int fd = 0; fd < (int)LEN(in_use); fd++)
        in_use[fd] = fcntl(fd, F_GETFD) >= 0;
}

static void replace_descriptors(void)
{
    char task[64];
    snprintf(task, sizeof task, "/proc/%d/task", other_process);
    for (int fd = 0; fd < (int)LEN(in_use); fd++)
        if (!in_use[fd])
            close(fd);
    for (size_t at = 0; at < OPENED; at++)
        between->opened[at] = open(task, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void put_away_what_was_opened(void)
{
    for (size_t at = 0; at < OPENED; at++)
        if (between->opened[at] >= 0 && close(between->opened[at]) < 0)
            complain("the call has closed descriptor %d, which another thread had opened", between->opened[at]);
}

static void *closes_all(void *stays_deaf)
{
    uint64_t mask = UINT64_MAX;
    require(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8) == 0, "rt_sigprocmask");
    shared->flag = 1;
    for (uint64_t waiting = 0; !waiting;)
        require(syscall(SYS_rt_sigpending, &waiting, 8) == 0, "rt_sigpending");
    replace_descriptors();
    mask = stays_deaf ? mask : 0;
    require(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8) == 0, "rt_sigprocmask");
    return wait_forever();
}

static void make_closer(bool stays_deaf)
{
    remember_descriptors();
    thread(closes_all, stays_deaf ? between : NULL);
    wait_for(&shared->flag, 1);
}

static void make_deaf_closer(void) { make_closer(true); }
static void make_closer_that_stops(void) { make_closer(false); }

/* At an allocation of the call: that is where it is known to be. */
static void make_idle(void)
{
    remember_descriptors();
    idle_threads(1);
}

static int drop_with_descriptors_replaced(void)
{
    instead_of_failing = replace_descriptors;
    fail_at = (long)shared->round + 1;
    failing_thread = gettid_raw();
    int status = drop();
    failing_thread = 0;
    instead_of_failing = NULL;
    return status;
}

/* --- at the n-th fstat of the call ---------------------------------------------------------------------------------------------- */

/* In a process of its own that has the table of descriptors in common with the caller. */
static void trace_until_fstat(pid_t caller, long number, void (*at_fstat)(void))
{
    int status;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (ptrace(PTRACE_SEIZE, caller, 0, PTRACE_O_TRACESYSGOOD) < 0 || ptrace(PTRACE_INTERRUPT, caller, 0, 0) < 0)
        _exit(75);
    between->traced = 1;
    while (waitpid(caller, &status, __WALL) == caller && WIFSTOPPED(status)) {
        bool of_call = WSTOPSIG(status) == (SIGTRAP | 0x80);
        struct __ptrace_syscall_info info = {0};
        if (of_call && between->calling && ptrace(PTRACE_GET_SYSCALL_INFO, caller, sizeof info, &info) > 0 &&
            info.op == PTRACE_SYSCALL_INFO_ENTRY && is_fstat(info.entry.nr) && --number == 0) {
            between->acted = 1;
            at_fstat();
            ptrace(PTRACE_DETACH, caller, 0, 0);
            break;
        }
        ptrace(PTRACE_SYSCALL, caller, 0, of_call || status >> 16 ? 0 : WSTOPSIG(status));
    }
    _exit(0);
}

/* At the n-th fstat another thread brings a filter for all, and ends: then the caller is alone. */
static void *brings_a_filter(void *unused)
{
    shared->tid = gettid_raw();
    while (!between->told)
        ;
    filter(SYS_capset, -1, PRETENDS, true);
    between->filtered = 1;
    return unused;
}

static void have_a_filter_brought(void)
{
    between->told = 1;
    for (int at = 0; at < 100 && !between->filtered; at++) /* it may be stopped */
        nap(1);
    for (int at = 0; at < 100 && between->filtered && state_of(getppid(), shared->tid); at++)
        nap(1);
}

/* What is replaced before it is known counts as the call's own. */
static void close_what_is_left(void)
{
    for (size_t at = 0; at < OPENED; at++)
        if (between->opened[at] >= 0)
            close(between->opened[at]);
}

static int drop_with(void (*meanwhile)(void))
{
    pid_t caller = getpid();
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    pid_t tracer = fork_with(CLONE_FILES);
    require(tracer >= 0, "clone");
    if (tracer == 0)
        trace_until_fstat(caller, (long)shared->round + 1, meanwhile);
    wait_for(&between->traced, 1);
    between->calling = 1;
    int status = drop();
    between->calling = 0;
    if (shared->round == 0 && !between->acted)
        complain("no call of fstat was seen");
    return status;
}

static int drop_with_descriptors_replaced_at_fstat(void) { return drop_with(replace_descriptors); }

/* Of the call's own only the one opened last. */
static void replace_last(void)
{
    char task[64];
    snprintf(task, sizeof task, "/proc/%d/task", other_process);
    int last = (int)LEN(in_use) - 1;
    while (last >= 0 && (in_use[last] || fcntl(last, F_GETFD) < 0))
        last--;
    if (last < 0)
        return;
    between->opened[0] = open(task, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dup3(between->opened[0], last, O_CLOEXEC);
    close(between->opened[0]);
    between->opened[0] = last;
}

static int drop_with_the_last_replaced(void) { return drop_with(replace_last); }

static void *ends(void *unused)
{
    shared->tid = gettid_raw();
    return unused;
}

/* The first thread that glibc makes has it install its handler. */
static void make_thread_that_ends(void)
{
    make_between();
    thread(ends, NULL);
    while (!shared->tid || state_of(getpid(), shared->tid))
        nap(1);
    shared->tid = 0;
}

static int drop_with_a_filter_brought(void)
{
    thread(brings_a_filter, NULL);
    while (!shared->tid)
        nap(1);
    return drop_with(have_a_filter_brought);
}

void promise_of_descriptors(void)
{
    static const struct situation one_replaced = SITUATION("the descriptor opened last is another's before the n-th fstat",
                                                           .make = make_idle, .call = drop_with_the_last_replaced,
                                                           .then = close_what_is_left,
                                                           .user = "+4711", /* not looked up in a file that was closed */
                                                           .group = "+4712", .needs_ids = true,
                                                           .fields = FIELDS_ALL & ~FIELD_GROUPS, .outcomes = DONE | REFUSED);
    static const struct situation last = SITUATION("the last other thread brings a filter for all at the n-th fstat, and ends",
                                                   .make = make_thread_that_ends, .call = drop_with_a_filter_brought,
                                                   .user = "+4711", /* libc's lookups would count */
                                                   .group = "+4712", .needs_ids = true,
                                                   .fields = FIELDS_ALL & ~(FIELD_SECCOMP | FIELD_GROUPS),
                                                   .meanwhile = FIELD_SECCOMP, .outcomes = DONE | REFUSED,
                                                   .status = EC_SECURITY_EREFUSED);
    static const struct situation replaced = SITUATION("all descriptors are closed before the n-th fstat, and others opened",
                                                       .make = make_idle, .call = drop_with_descriptors_replaced_at_fstat,
                                                       .then = close_what_is_left,
                                                       .user = "+4711", /* not looked up in a file that was closed */
                                                       .group = "+4712", .needs_ids = true, .fields = FIELDS_ALL & ~FIELD_GROUPS,
                                                       .outcomes = DONE | REFUSED);
    static const struct situation closers[] = {
        SITUATION("another thread closes all descriptors during the call, opens others, and hears no signal",
                  .make = make_deaf_closer, .then = put_away_what_was_opened, .outcomes = REFUSED, .status = EC_SECURITY_ETHREAD,
                  .says = {"another thread has closed file descriptors"}, .within = 3000, .keeps_handler = true),
        SITUATION("another thread closes all descriptors during the call, opens others, and stops",
                  .make = make_closer_that_stops, .then = put_away_what_was_opened, .outcomes = REFUSED,
                  .status = EC_SECURITY_ETHREAD, .says = {"another thread has closed file descriptors"}, .within = 3000),
    };
    static const struct situation at_any_time = SITUATION("all descriptors are closed at the n-th allocation, and others opened",
                                                          .make = make_idle, .call = drop_with_descriptors_replaced,
                                                          .then = put_away_what_was_opened,
                                                          .user = "+4711", /* not looked up in a file that was closed */
                                                          .group = "+4712", .needs_ids = true,
                                                          .fields = FIELDS_ALL & ~FIELD_GROUPS, .outcomes = DONE | REFUSED,
                                                          .status = EC_SECURITY_ETHREAD);
    for (size_t at = 0; at < LEN(closers); at++)
        situation(&closers[at]);
    situation_rounds("all descriptors are closed before the n-th fstat, and others opened, 24 times", 60, &replaced, 24);
    situation_rounds("the descriptor opened last is another's before the n-th fstat, 24 times", 60, &one_replaced, 24);
    situation_rounds("the last other thread brings a filter for all at the n-th fstat, and ends, 24 times", 60, &last, 24);
    situation_rounds("all descriptors are closed at the n-th allocation, and others opened, 24 times", 60, &at_any_time, 24);
}
