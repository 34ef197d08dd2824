/* drop-NAME KIND THREADS [names] [again]
 *
 * KIND is idle (the threads wait), busy (they compute), or pause (they wait, and two more watch how long they stand still:
 * one that spins, one that epoll wakes every 100 microseconds). With `names` the drop begins with the names; with `again` it is not the
 * first call of its process. Prints one line of `name number` pairs; times are in
 * nanoseconds. Then waits for the end of stdin, so that every thread can be looked at. */

#include "bench.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { PERIOD = 100000, NOTICED = 20000 };

static atomic_uint started;

/* As a pool's thread waits for work. */
static void *idle(void *unused)
{
    (void)unused;
    static atomic_uint work;
    atomic_fetch_add(&started, 1);
    for (;;)
        syscall(SYS_futex, &work, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    return NULL;
}

/* Computes until the drop is over. */
static atomic_bool dropped;

static void *busy(void *unused)
{
    atomic_fetch_add(&started, 1);
    while (!atomic_load_explicit(&dropped, memory_order_relaxed))
        ;
    atomic_fetch_sub(&started, 1);
    return idle(unused);
}

/* How long a watcher has not run. Times before the window opens count nothing; the gap that is under way when it closes
 * counts whole. */
struct pause {
    int64_t longest, total;
};
static struct pause spin_pause, epoll_pause;
static atomic_bool window, watched[2];

static void note(struct pause *pause, int64_t gap)
{
    if (gap > pause->longest)
        pause->longest = gap;
    /* Shorter than what an interrupt takes: it has run. */
    if (gap >= NOTICED)
        pause->total += gap;
}

static void *spin(void *unused)
{
    (void)unused;
    atomic_fetch_add(&started, 1);
    for (int64_t last = bench_now();;) {
        bool open = atomic_load(&window);
        int64_t now = bench_now();
        if (open)
            note(&spin_pause, now - last);
        else if (atomic_load(&watched[0]))
            break;
        last = now;
    }
    atomic_store(&started, 0);
    return NULL;
}

static void *epoll(void *unused)
{
    (void)unused;
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    int set = epoll_create1(EPOLL_CLOEXEC);
    struct itimerspec every = {.it_interval.tv_nsec = PERIOD, .it_value.tv_nsec = PERIOD};
    struct epoll_event event = {.events = EPOLLIN};
    if (timer < 0 || set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, timer, &event) || timerfd_settime(timer, 0, &every, NULL))
        bench_fail("epoll");
    atomic_fetch_add(&started, 1);
    for (int64_t last = bench_now(); !atomic_load(&watched[1]);) {
        uint64_t count;
        if (epoll_wait(set, &event, 1, -1) == 1 && read(timer, &count, sizeof count) < 0)
            bench_fail("read of the timer");
        bool open = atomic_load(&window);
        int64_t now = bench_now();
        if (open && now - last > PERIOD)
            note(&epoll_pause, now - last - PERIOD);
        last = now;
    }
    return NULL;
}

static void start(void *(*body)(void *), unsigned n, pthread_t *last)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    /* Ten thousand of them: what is not touched costs nothing, and guard pages would double the mappings. */
    pthread_attr_setstacksize(&attr, 64 << 10);
    pthread_attr_setguardsize(&attr, 0);
    for (unsigned i = 0; i < n; i++) {
        errno = pthread_create(last, &attr, body, NULL);
        if (errno != 0)
            bench_fail("pthread_create");
    }
}

static void sleep_ms(long ms) { nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL); }

/* What a trace can find the drop by. */
static void mark(void) { close(-4711); }

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    for (char **word = argv + 3; *word; word++) {
        by_names |= strcmp(*word, "names") == 0;
        again |= strcmp(*word, "again") == 0;
    }
    bool pauses = strcmp(argv[1], "pause") == 0;
    unsigned n = (unsigned)strtoul(argv[2], NULL, 10);
    pthread_t thread, watcher[2];
    start(strcmp(argv[1], "busy") == 0 ? busy : idle, n, &thread);
    if (pauses) {
        start(spin, 1, &watcher[0]);
        start(epoll, 1, &watcher[1]);
    }
    way_prepare();
    while (atomic_load(&started) < n + 2 * pauses)
        sleep_ms(1);
    sleep_ms(20 + n / 50);

    if (pauses) {
        atomic_store(&window, true);
        sleep_ms(1);
        spin_pause = epoll_pause = (struct pause){0};
    }
    mark();
    int64_t before = bench_now();
    way_drop();
    int64_t after = bench_now();
    mark();
    atomic_store(&dropped, true);
    if (pauses) {
        /* A gap that began before counts, so each must have run once more. */
        sleep_ms(2);
        atomic_store(&window, false);
        atomic_store(&watched[1], true);
        pthread_join(watcher[1], NULL);
        atomic_store(&watched[0], true);
        pthread_join(watcher[0], NULL);
        printf("drop %lld spin_longest %lld spin_total %lld epoll_longest %lld epoll_total %lld\n", (long long)(after - before),
               (long long)spin_pause.longest, (long long)spin_pause.total, (long long)epoll_pause.longest,
               (long long)epoll_pause.total);
    } else {
        printf("drop %lld\n", (long long)(after - before));
    }
    fflush(stdout);
    char end;
    while (read(0, &end, 1) > 0)
        ;
    _exit(0);
}
