/* Situations: threads that do something all the time that gets in the way, and callers beside the caller. */

#include "situations_threads.h"

#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int noisy;

/* Not before all threads are there, since glibc's broadcast holds the lock that pthread_create needs, and is not fair; and with a moment
 * between that the other's broadcast does not cut short: two that answer each other at once leave nobody time for anything. */
static void *noise_set_ids(void *unused)
{
    (void)unused;
    wait_for(&noisy, 1);
    for (;; nap(1)) {
        if (setresuid((uid_t)-1, (uid_t)-1, (uid_t)-1) < 0)
            complain("setresuid(-1, -1, -1): %s", strerror(errno));
        shared->count++;
    }
    return NULL;
}

static void *noise_malloc(void *unused)
{
    (void)unused;
    for (size_t size = 1;; size = size * 3 % 100003 + 1) {
        free(malloc(size));
        shared->count++;
    }
    return NULL;
}

static void *noise_dlopen(void *unused)
{
    (void)unused;
    for (;;) {
        void *handle = dlopen("libm.so.6", RTLD_NOW);
        if (handle)
            dlclose(handle);
        shared->count++;
    }
    return NULL;
}

static void *noise_names(void *unused)
{
    (void)unused;
    for (;;) {
        if (!getgrnam("eclogs") && !getgrnam("root"))
            complain("getgrnam: %s", strerror(errno));
        shared->count++;
    }
    return NULL;
}

static void *noise_fork(void *unused)
{
    (void)unused;
    for (;;) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        if (pid > 0)
            waitpid(pid, NULL, 0);
        shared->count++;
    }
    return NULL;
}

void *ends(void *unused)
{
    (void)unused;
    pthread_exit(NULL);
}

static void *noise_threads(void *unused)
{
    (void)unused;
    for (;;) {
        pthread_t made;
        if (pthread_create(&made, NULL, ends, NULL) == 0)
            pthread_join(made, NULL);
        shared->count++;
    }
    return NULL;
}

static void *endless(void *unused)
{
    (void)unused;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;)
        ;
    return NULL;
}

static void *noise_cancel(void *unused)
{
    (void)unused;
    for (;;) {
        pthread_t made;
        if (pthread_create(&made, NULL, endless, NULL) == 0) {
            pthread_cancel(made);
            pthread_join(made, NULL);
        }
        shared->count++;
    }
    return NULL;
}

static void noise(void *(*body)(void *))
{
    idle_threads(2);
    thread(body, NULL);
    thread(body, NULL);
    noisy = 1;
    while (shared->count < 10)
        nap(1);
}

static void make_noise_set_ids(void) { noise(noise_set_ids); }
static void make_noise_malloc(void) { noise(noise_malloc); }
static void make_noise_dlopen(void) { noise(noise_dlopen); }
static void make_noise_names(void) { noise(noise_names); }
static void make_noise_fork(void) { noise(noise_fork); }
static void make_noise_threads(void) { noise(noise_threads); }
static void make_noise_cancel(void) { noise(noise_cancel); }

/* What the others do must go on: glibc's broadcast waits for each thread to have taken its signal. */
static void noise_goes_on(void)
{
    int seen = shared->count;
    for (int at = 0; at < 20000 && shared->count < seen + 3; at++)
        nap(1);
    if (shared->count < seen + 3)
        complain("what the others do does not go on after the call");
}

/* All threads parked and let go a number of times, then the drop: more chances for what happens seldom. */
static int many_stops_and_drop(void) { return stops_and_drop(20); }

/* --- callers --------------------------------------------------------------------------------------------------------- */

static void *another_caller(void *unused)
{
    (void)unused;
    wait_for(&shared->flag, 1);
    int status = drop();
    if (status != EC_SECURITY_OK)
        complain("another caller: %d %s", status, ec_security_last_error());
    __atomic_add_fetch(&shared->count, 1, __ATOMIC_SEQ_CST);
    return wait_forever();
}

static void callers(int others)
{
    idle_threads(2);
    for (int at = 0; at < others; at++)
        thread(another_caller, NULL);
}

static void make_two_callers(void) { callers(1); }
static void make_ten_callers(void) { callers(9); }

static int drop_of_many(int others)
{
    shared->flag = 1;
    int status = drop();
    wait_for(&shared->count, others);
    return status;
}

static int drop_of_two(void) { return drop_of_many(1); }
static int drop_of_ten(void) { return drop_of_many(9); }

void situations_of_noise(void)
{
    static const struct situation all[] = {
        SITUATION("others call glibc's setresuid all the time", .make = make_noise_set_ids, .call = many_stops_and_drop,
                  .then = noise_goes_on, .seconds = 120, .outcomes = DONE, .threads = 5),
        SITUATION("others call malloc all the time", .make = make_noise_malloc, .call = many_stops_and_drop,
                  .then = noise_goes_on, .seconds = 120, .outcomes = DONE, .threads = 5),
        SITUATION("others call dlopen and dlclose all the time", .make = make_noise_dlopen, .call = many_stops_and_drop,
                  .then = noise_goes_on, .seconds = 120, .outcomes = DONE, .threads = 5),
        SITUATION("others call getgrnam all the time", .make = make_noise_names, .call = many_stops_and_drop,
                  .then = noise_goes_on, .seconds = 120, .outcomes = DONE, .threads = 5),
        SITUATION("others call fork all the time", .make = make_noise_fork, .call = many_stops_and_drop, .then = noise_goes_on,
                  .seconds = 120, .outcomes = DONE, .threads = 5),
        SITUATION("others call pthread_create and pthread_exit all the time", .make = make_noise_threads,
                  .call = many_stops_and_drop, .then = noise_goes_on, .seconds = 120, .outcomes = DONE, .threads = 5),
        SITUATION("others cancel threads asynchronously all the time", .make = make_noise_cancel, .call = many_stops_and_drop,
                  .then = noise_goes_on, .seconds = 120, .outcomes = DONE, .threads = 5),
        SITUATION("two callers at once", .make = make_two_callers, .call = drop_of_two, .outcomes = DONE, .threads = 4),
        SITUATION("ten callers at once", .make = make_ten_callers, .call = drop_of_ten, .outcomes = DONE, .threads = 12),
    };
    for (size_t at = 0; at < sizeof all / sizeof *all; at++)
        situation(&all[at]);
}
