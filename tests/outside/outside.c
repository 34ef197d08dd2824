/* Cases: one is run, judged and told in a line. outside.h has the interface. */

#include "outside_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

void die(const char *what)
{
    fprintf(stderr, "outside: %s: %s\n", what, strerror(errno));
    exit(70);
}

struct now now;

static char *const *chosen; /* to a NULL */
static bool *chosen_found;  /* which of them a case has in its name */
static unsigned long cases, failures;

/* What is handed out in a case and put away at its end. */
struct allocation {
    struct allocation *next;
    char bytes[] __attribute__((aligned(16)));
};

void *case_alloc(size_t size)
{
    struct allocation *made = calloc(1, sizeof *made + size);
    if (!made)
        die("calloc");
    made->next = now.allocations;
    now.allocations = made;
    return made->bytes;
}

static void verdict(enum verdict verdict, const char *format, va_list args)
{
    if (now.verdict != PASSED)
        return;
    now.verdict = verdict;
    vsnprintf(now.why, sizeof now.why, format, args);
    /* One line a case, whatever the text holds. */
    for (char *c = now.why; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
}

void fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    verdict(FAILED, format, args);
    va_end(args);
}

void skip(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    verdict(SKIPPED, format, args);
    va_end(args);
}

bool case_finished(void) { return now.verdict != PASSED; }

bool expect_at(const char *file, int line, bool held, const char *format, ...)
{
    now.expectations++;
    if (held)
        return true;
    char text[1536];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *slash = strrchr(file, '/');
    fail("%s (%s:%d)", text, slash ? slash + 1 : file, line);
    return false;
}

/* Killing is all that a signal handler may do here: the case then sees its children gone, and ends by itself. */
static void expire(int signal)
{
    (void)signal;
    int saved = errno;
    now.expired++;
    for (int at = 0; at < now.children_len; at++)
        if (!now.children[at]->ended)
            kill(-now.children[at]->pid, SIGKILL);
    if (now.expired > 5) {
        static const char said[] = ": the deadline is over, and the test itself hangs\n";
        if (write(1, "FAIL ", 5) < 0 || write(1, now.name, strlen(now.name)) < 0 || write(1, said, sizeof said - 1) < 0)
            _exit(71);
        _exit(1);
    }
    errno = saved;
}

static void set_alarm(unsigned seconds)
{
    struct itimerval timer = {.it_value.tv_sec = seconds, .it_interval.tv_sec = seconds ? 1 : 0};
    if (setitimer(ITIMER_REAL, &timer, NULL) < 0)
        die("setitimer");
}

void select_cases(int argc, char **argv)
{
    chosen = argc > 1 ? argv + 1 : NULL;
    if (chosen && !(chosen_found = calloc((size_t)argc, sizeof *chosen_found)))
        die("calloc");
}

static bool is_chosen(const char *name)
{
    bool found = !chosen;
    for (size_t at = 0; chosen && chosen[at]; at++)
        if (strstr(name, chosen[at]))
            found = chosen_found[at] = true;
    return found;
}

unsigned slower(void)
{
    const char *times = getenv("EC_SLOWER");
    return times && atoi(times) > 0 ? (unsigned)atoi(times) : 1;
}

void test(const char *name, unsigned seconds, void (*body)(void *), void *arg)
{
    if (!is_chosen(name))
        return;
    seconds *= slower();
    memset(&now, 0, sizeof now);
    now.name = name;
    struct sigaction action = {.sa_handler = expire};
    sigaction(SIGALRM, &action, NULL);
    clock_gettime(CLOCK_MONOTONIC, &now.deadline);
    now.deadline.tv_sec += seconds;
    set_alarm(seconds);

    body(arg);

    set_alarm(0);
    for (int at = 0; at < now.children_len; at++)
        end(now.children[at]);
    while (now.allocations) {
        struct allocation *next = now.allocations->next;
        free(now.allocations);
        now.allocations = next;
    }
    if (now.expired && now.verdict != FAILED) {
        now.verdict = PASSED;
        fail("not done within %u s", seconds);
    } else if (now.expired) {
        size_t len = strlen(now.why);
        snprintf(now.why + len, sizeof now.why - len, "; not done within %u s", seconds);
    }
    if (now.verdict == PASSED && now.expectations == 0)
        fail("the case has expected nothing");

    cases++;
    switch (now.verdict) {
    case PASSED:
        printf("ok %s\n", name);
        break;
    case SKIPPED:
        printf("SKIP %s: %s\n", name, now.why);
        break;
    case FAILED:
        failures++;
        printf("FAIL %s: %s\n", name, now.why);
        break;
    }
    fflush(stdout);
}

int finish(void)
{
    bool all_found = cases > 0;
    if (!cases && !chosen)
        fprintf(stderr, "no case\n");
    for (size_t at = 0; chosen && chosen[at]; at++)
        if (!chosen_found[at]) {
            fprintf(stderr, "no case has a name with \"%s\"\n", chosen[at]);
            all_found = false;
        }
    return failures || !all_found ? 1 : 0;
}
