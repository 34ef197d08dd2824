/* Another thread closes all descriptors during the call, as a thread that becomes a daemon does, and opens files that get their numbers:
 * directories with as many links as the thread list of a process with one thread. The call neither believes what it reads there, nor
 * closes them. */

#include "seccomp.h"
#include "situations.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LEN(array) (sizeof(array) / sizeof *(array))

/* Which numbers were in use before the call: this test's own. And what was opened meanwhile. */
static bool in_use[1024];
static int opened[8];

static void remember_descriptors(void)
{
    for (int fd = 0; fd < (int)LEN(in_use); fd++)
        in_use[fd] = fcntl(fd, F_GETFD) >= 0;
}

static void replace_descriptors(void)
{
    char task[64];
    snprintf(task, sizeof task, "/proc/%d/task", getppid());
    for (int fd = 0; fd < (int)LEN(in_use); fd++)
        if (!in_use[fd])
            close(fd);
    for (size_t at = 0; at < LEN(opened); at++)
        opened[at] = open(task, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void put_away_what_was_opened(void)
{
    for (size_t at = 0; at < LEN(opened) && opened[0]; at++)
        if (close(opened[at]) < 0)
            complain("the call has closed descriptor %d, which another thread had opened", opened[at]);
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
    for (;;)
        pause();
    return NULL;
}

static void make_closer(bool stays_deaf)
{
    remember_descriptors();
    thread(closes_all, stays_deaf ? opened : NULL);
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

#if defined SYS_newfstatat && UINTPTR_MAX > UINT32_MAX
#define HAS_FSTAT
/* The call that the library makes, by libc's name, so that this test knows when. */
static long fstat_awaited;
static void (*at_fstat)(void);

int fstat(int fd, struct stat *out)
{
    if (fstat_awaited && failing_thread == gettid_raw() && --fstat_awaited == 0)
        at_fstat();
    return (int)syscall(SYS_newfstatat, fd, "", out, AT_EMPTY_PATH);
}

/* At the n-th fstat another thread brings a filter for all, and ends: then the caller is alone. */
static volatile int told, filtered;

static void *brings_a_filter(void *unused)
{
    shared->tid = gettid_raw();
    while (!told)
        ;
    filter(SYS_capset, -1, PRETENDS, true);
    filtered = 1;
    return unused;
}

static void have_a_filter_brought(void)
{
    told = 1;
    for (int at = 0; at < 100 && !filtered; at++) /* it may be stopped */
        nap(1);
    for (int at = 0; at < 100 && filtered && state_of(getpid(), shared->tid); at++)
        nap(1);
}

/* What is replaced before it is known counts as the call's own. */
static void close_what_is_left(void)
{
    for (size_t at = 0; at < LEN(opened); at++)
        if (opened[at] > 0)
            close(opened[at]);
}

static int drop_with(void (*meanwhile)(void))
{
    at_fstat = meanwhile;
    fstat_awaited = (long)shared->round + 1;
    failing_thread = gettid_raw();
    int status = drop();
    failing_thread = 0;
    return status;
}

static int drop_with_descriptors_replaced_at_fstat(void) { return drop_with(replace_descriptors); }

/* Of the call's own only the one opened last. */
static void replace_last(void)
{
    char task[64];
    snprintf(task, sizeof task, "/proc/%d/task", getppid());
    int last = (int)LEN(in_use) - 1;
    while (last >= 0 && (in_use[last] || fcntl(last, F_GETFD) < 0))
        last--;
    if (last < 0)
        return;
    opened[0] = open(task, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dup3(opened[0], last, O_CLOEXEC);
    close(opened[0]);
    opened[0] = last;
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
#endif

void promise_of_descriptors(void)
{
#ifdef HAS_FSTAT
    static const struct situation one_replaced = {.name = "the descriptor opened last is another's before the n-th fstat",
                                                  .make = make_idle,
                                                  .call = drop_with_the_last_replaced,
                                                  .then = close_what_is_left,
                                                  .user = "+4711", /* not looked up in a file that was closed */
                                                  .group = "+4712",
                                                  .needs_ids = true,
                                                  .fields = FIELDS_ALL & ~FIELD_GROUPS,
                                                  .outcomes = DONE | REFUSED};
    static const struct situation last = {.name = "the last other thread brings a filter for all at the n-th fstat, and ends",
                                          .make = make_thread_that_ends,
                                          .call = drop_with_a_filter_brought,
                                          .fields = FIELDS_ALL & ~FIELD_SECCOMP,
                                          .meanwhile = FIELD_SECCOMP,
                                          .outcomes = DONE | REFUSED,
                                          .status = EC_SECURITY_EREFUSED};
    static const struct situation replaced = {.name = "all descriptors are closed before the n-th fstat, and others opened",
                                              .make = make_idle,
                                              .call = drop_with_descriptors_replaced_at_fstat,
                                              .then = close_what_is_left,
                                              .user = "+4711", /* not looked up in a file that was closed */
                                              .group = "+4712",
                                              .needs_ids = true,
                                              .fields = FIELDS_ALL & ~FIELD_GROUPS,
                                              .outcomes = DONE | REFUSED};
#endif
    static const struct situation closers[] = {
        {.name = "another thread closes all descriptors during the call, opens others, and hears no signal",
         .make = make_deaf_closer,
         .then = put_away_what_was_opened,
         .outcomes = REFUSED,
         .status = EC_SECURITY_ETHREAD,
         .says = {"another thread has closed file descriptors"},
         .within = 3000,
         .keeps_handler = true},
        {.name = "another thread closes all descriptors during the call, opens others, and stops",
         .make = make_closer_that_stops,
         .then = put_away_what_was_opened,
         .outcomes = REFUSED,
         .status = EC_SECURITY_ETHREAD,
         .says = {"another thread has closed file descriptors"},
         .within = 3000},
    };
    static const struct situation at_any_time = {.name = "all descriptors are closed at the n-th allocation, and others opened",
                                                 .make = make_idle,
                                                 .call = drop_with_descriptors_replaced,
                                                 .then = put_away_what_was_opened,
                                                 .user = "+4711", /* not looked up in a file that was closed */
                                                 .group = "+4712",
                                                 .needs_ids = true,
                                                 .fields = FIELDS_ALL & ~FIELD_GROUPS,
                                                 .outcomes = DONE | REFUSED,
                                                 .status = EC_SECURITY_ETHREAD};
    for (size_t at = 0; at < LEN(closers); at++)
        situation(&closers[at]);
#ifdef HAS_FSTAT
    situation_rounds("all descriptors are closed before the n-th fstat, and others opened, 24 times", 60, &replaced, 24);
    situation_rounds("the descriptor opened last is another's before the n-th fstat, 24 times", 60, &one_replaced, 24);
    situation_rounds("the last other thread brings a filter for all at the n-th fstat, and ends, 24 times", 60, &last, 24);
#endif
    situation_rounds("all descriptors are closed at the n-th allocation, and others opened, 24 times", 60, &at_any_time, 24);
}
