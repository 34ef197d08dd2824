/* Situations: many threads, small stacks, and what each thread keeps. */

#include "situations_threads.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <unistd.h>

static unsigned most = 20000;

static unsigned long number_in(const char *path)
{
    unsigned long found = 0;
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%lu", &found) != 1) /* "max" */
        found = 0;
    if (file)
        fclose(file);
    return found ? found : ULONG_MAX;
}

/* 20,000, or what this machine's limits leave room for beside a thousand threads of others. */
static const char *too_few_allowed(void)
{
    unsigned long possible = number_in("/proc/sys/kernel/pid_max");
    const unsigned long others[] = {number_in("/proc/sys/kernel/threads-max"), number_in("/sys/fs/cgroup/pids.max"),
                                    number_in("/sys/fs/cgroup/pids/pids.max")};
    for (size_t at = 0; at < sizeof others / sizeof *others; at++)
        possible = others[at] < possible ? others[at] : possible;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_cur < possible)
        possible = limit.rlim_cur;
    if (possible < 6000)
        return "the limits of this machine leave no room for 5,000 threads";
    if (possible < most + 1000)
        most = (unsigned)possible - 1000;
    printf("    %u threads\n", most);
    return NULL;
}

static void make_many(void) { idle_threads(most - 1); }

static void make_300(void) { idle_threads(299); }
static void make_2000(void) { idle_threads(1999); }

static void make_2000_apart(void)
{
    for (int at = 0; at < 1999; at++) {
        idle_threads(1);
        thread(ends, NULL);
    }
}

/* Whoever has parked is given more time than the deadline: the process must not end for it. */
static int drop_within_a_millisecond(void)
{
    for (int at = 0; at < 200; at++) {
        int status = drop_within("0.001");
        if (status == EC_SECURITY_OK)
            return status;
        if (status != EC_SECURITY_ETHREAD)
            complain("within a millisecond: %d %s", status, ec_security_last_error());
        shared->count++;
    }
    return drop();
}

static unsigned stack_used;

/* How much of a 16 KiB stack the handler needs: what is below this function is filled beforehand. */
static void *on_a_small_stack(void *unused)
{
    (void)unused;
    volatile char *here = __builtin_frame_address(0);
    pthread_attr_t attr;
    void *bottom;
    size_t size;
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstack(&attr, &bottom, &size);
    pthread_attr_destroy(&attr);
    volatile char *low = bottom, *high = here - 512;
    for (volatile char *at = low; at < high; at++)
        *at = 0x5a;
    shared->flag = 1;
    while (__atomic_load_n(&shared->flag, __ATOMIC_SEQ_CST) == 1)
        ;
    volatile char *at = low;
    while (at < high && *at == 0x5a)
        at++;
    stack_used = (unsigned)(here - at);
    shared->flag = 3;
    return wait_forever();
}

static void make_small_stacks(void)
{
    idle_threads(50);
    pthread_t made;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 16384);
    require(pthread_create(&made, &attr, on_a_small_stack, NULL) == 0, "pthread_create");
    wait_for(&shared->flag, 1);
}

static void small_stack_was_enough(void)
{
    shared->flag = 2;
    wait_for(&shared->flag, 3);
    shared->count = (int)stack_used;
    /* What the kernel itself puts there, for the registers: 0.8 to 11 KiB, by processor. */
    unsigned long frame = getauxval(51);
#ifdef _SC_MINSIGSTKSZ
    frame = sysconf(_SC_MINSIGSTKSZ) > 0 ? (unsigned long)sysconf(_SC_MINSIGSTKSZ) : 2048;
#endif
    /* Before Linux 5.14 the kernel does not say, and libc's own sum is some bytes short (getauxval(3), AT_MINSIGSTKSZ). */
    if (stack_used > frame + (getauxval(51) ? 3072 : 3328))
        complain("the handler used %u bytes of stack, of which %lu are the kernel's", stack_used, frame);
}

static void tell_stack(pid_t pid)
{
    (void)pid;
    printf("    stack used in a parked thread: %d bytes\n", shared->count);
}

static volatile int errno_rounds;

static void *keeps_errno(void *unused)
{
    (void)unused;
    errno = 4242;
    __atomic_add_fetch(&shared->count, 1, __ATOMIC_SEQ_CST);
    while (!shared->flag) {
        if (errno != 4242)
            complain("errno of another thread became %d", errno);
        errno_rounds++;
    }
    if (errno != 4242)
        complain("errno of another thread became %d", errno);
    __atomic_add_fetch(&shared->count, 1, __ATOMIC_SEQ_CST);
    return wait_forever();
}

static void make_errno(void)
{
    thread(keeps_errno, NULL);
    thread(keeps_errno, NULL);
    wait_for(&shared->count, 2);
    errno = 77;
}

static int drop_and_look_at_errno(void)
{
    errno = 77;
    int status = drop();
    if (errno != 77)
        complain("errno of the caller became %d", errno);
    return status;
}

static void errno_was_kept(void)
{
    shared->flag = 1;
    wait_for(&shared->count, 4);
}

static int cancelled_drop(void)
{
    pthread_cancel(pthread_self());
    int status = drop();
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    if (state != PTHREAD_CANCEL_ENABLE)
        complain("cancellation was enabled before the call and is not afterwards");
    return status;
}

void situations_of_many_threads(void)
{
    static const struct situation all[] = {
        SITUATION("the caller has been cancelled", .make = make_errno, .call = cancelled_drop, .then = errno_was_kept,
                  .outcomes = DONE, .threads = 3),
        SITUATION("stacks of 16 KiB", .make = make_small_stacks, .then = small_stack_was_enough, .after = tell_stack,
                  .outcomes = DONE, .threads = 52),
        SITUATION("a deadline of a millisecond, and another call until it is done", .make = make_300,
                  .call = drop_within_a_millisecond, .outcomes = DONE, .threads = 300),
        SITUATION("300 threads", .make = make_300, .outcomes = DONE, .threads = 300),
        SITUATION("2,000 threads", .make = make_2000, .outcomes = DONE, .threads = 2000, .seconds = 120),
        SITUATION("2,000 threads whose numbers are not in a row", .make = make_2000_apart, .outcomes = DONE, .threads = 2000,
                  .seconds = 120),
        SITUATION("errno of every thread is kept", .make = make_errno, .call = drop_and_look_at_errno, .then = errno_was_kept,
                  .outcomes = DONE, .threads = 3),
    };
    for (size_t at = 0; at < sizeof all / sizeof *all; at++)
        situation(&all[at]);
    /* By itself, for `make soak`: it takes too long for every day. */
    static const struct situation many = SITUATION("20,000 threads, or as many as there is room for", .cannot = too_few_allowed,
                                                   .make = make_many, .outcomes = DONE, .threads = 5000, .seconds = 600);
    if (getenv("SITUATIONS_MANY"))
        situation(&many);
}
