/* What the programs of this directory share, and a server has anyway: threads, children, and coming to its end with a message. */
#ifndef SERVE_H
#define SERVE_H

#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static inline void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
static inline void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

/* The same, with what errno says. */
static inline void die_errno(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
static inline void die_errno(const char *format, ...)
{
    int error = errno;
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, ": %s\n", strerror(error));
    exit(1);
}

/* The one argument that a program takes. */
static inline const char *only_argument(int argc, char **argv, const char *what)
{
    if (argc != 2)
        die("usage: %s %s", argv[0], what);
    return argv[1];
}

static inline struct passwd *getpwnam_or_die(const char *user)
{
    struct passwd *entry = getpwnam(user);
    if (!entry)
        die("no user %s", user);
    return entry;
}

static inline void *wait_for_work(void *unused)
{
    (void)unused;
    for (;;)
        pause();
    return NULL;
}

/* Starts threads that wait. */
static inline void start_pool(int threads)
{
    pthread_t thread;
    while (threads-- > 0)
        if (pthread_create(&thread, NULL, wait_for_work, NULL) != 0)
            die("pthread_create failed");
}

/* Executes a program in a child. */
static inline void start_helper(const char *path)
{
    pid_t child = fork();
    if (child < 0)
        die_errno("fork");
    if (child == 0) {
        execl(path, path, (char *)NULL);
        die_errno("%s", path);
    }
}

/* Says who this is, and whether keep-caps is on, which /proc shows to nobody; then waits to be looked at. A process that has
 * a child ends with it. */
static inline void serve(const char *who)
{
    printf("%s %d %d\n", who, (int)getpid(), prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0));
    fflush(stdout);
    if (wait(NULL) > 0)
        exit(1);
    wait_for_work(NULL);
}

#endif
