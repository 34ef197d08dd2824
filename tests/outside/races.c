/* Data races in the library itself, for ThreadSanitizer: `make check-tsan` builds this and the Rust side with it. It ends a
 * process at its first report.
 *
 * ThreadSanitizer is not made for handlers that it does not know of, so this keeps to what it can follow:
 *   - A thread that the handler stops must not be within the sanitizer's own code, whose locks the handler would wait for, and
 *     not in a blocking call of the C library, where the sanitizer sees memory but no atomics, and takes all for races. Those
 *     here sleep by a raw system call, or work in code that is not watched.
 *   - Its own thread, which has no room for what a handler does, is sent away.
 * So two callers at once, and threads that come and go meanwhile, are for thread_stress.c and situations_*.c alone. */

#include "outside.h"

#include <ec_security.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOT_WATCHED __attribute__((no_sanitize("thread"), noinline))
#define SLEEPING 12
#define WORKING 4

/* Of the sanitizer: its own thread ends. Without the sanitizer there is none. */
extern void __sanitizer_sandbox_on_notify(void *) __attribute__((weak));

static volatile unsigned arrived, worked;

static NOT_WATCHED void *sleeps(void *unused)
{
    __atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
    for (;;)
        syscall(SYS_ppoll, NULL, 0, NULL, NULL, 0);
    return unused;
}

static NOT_WATCHED void *works(void *unused)
{
    __atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
    for (;;)
        worked++;
    return unused;
}

/* Holds less than the caller, and sleeps. */
static NOT_WATCHED void *lacks_setuid(void *unused)
{
    uint32_t header[2] = {0x20080522, 0}, data[6];
    if (syscall(SYS_capget, header, data))
        _exit(80);
    data[0] &= ~(UINT32_C(1) << 7);
    data[1] &= ~(UINT32_C(1) << 7);
    if (syscall(SYS_capset, header, data))
        _exit(81);
    return sleeps(unused);
}

static void threads(unsigned n, void *(*body)(void *))
{
    unsigned before = __atomic_load_n(&arrived, __ATOMIC_SEQ_CST);
    for (unsigned at = 0; at < n; at++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, body, NULL))
            _exit(82);
    }
    while (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < before + n)
        usleep(1000);
}

/* Until there are just these and the caller: a thread that has been joined is still there for a moment. */
static void alone_with(unsigned n)
{
    struct stat directory;
    if (__sanitizer_sandbox_on_notify)
        __sanitizer_sandbox_on_notify(NULL);
    while (stat("/proc/self/task", &directory) == 0 && directory.st_nlink != 2 + 1 + n)
        usleep(1000);
}

/* --- drops ---------------------------------------------------------------------------------------------------------- */

static void drops(void *unused)
{
    (void)unused;
    threads(SLEEPING, sleeps);
    threads(WORKING, works);
    alone_with(SLEEPING + WORKING);
    ready();
    report(ec_security_apply("ecuser", "ecuser", "cap_net_bind_service,cap_kill+ep"), ec_security_last_error());
    ready();
    report(ec_security_apply(NULL, NULL, "cap_net_bind_service+ep"), ec_security_last_error());
}

static void case_drops(void *unused)
{
    (void)unused;
    struct child *child = start_with_ids(drops, NULL);
    if (!child)
        return;
    const uint64_t held[2] = {BIT(10) | BIT(5), BIT(10)};
    for (int at = 0; at < 2; at++) {
        release_and_expect(child, 0);
        struct thread want = after_drop(&child->before->threads[0], ECUSER_UID, ECUSER_GID, ECUSER_GROUPS, 3, held[at], held[at],
                                        0);
        want.bnd = BIT(10) | BIT(5); /* trimmed the first time; then CAP_SETPCAP is gone */
        expect_threads(look(child->pid), &want, FIELDS_ALL, 1 + SLEEPING + WORKING);
    }
}

/* Another thread says why not, and the caller reads that. */
static void is_refused(void *unused)
{
    (void)unused;
    threads(SLEEPING, sleeps);
    threads(1, lacks_setuid);
    threads(WORKING, works);
    alone_with(SLEEPING + 1 + WORKING);
    ready();
    report(ec_security_apply("ecuser", "ecuser", NULL), ec_security_last_error());
}

static void case_refused(void *unused)
{
    (void)unused;
    struct child *child = start_with_ids(is_refused, NULL);
    if (!child)
        return;
    struct answer *answer = release_and_expect(child, EC_SECURITY_ETHREAD);
    expect(strstr(answer->text, "cannot be changed"), "%s", answer->text);
    expect_unchanged(child->before, look(child->pid));
}

/* --- all that stops nobody, in many threads at once ------------------------------------------------------------------ */

static void *uses_all(void *arg)
{
    const char *wrong = arg;
    unsigned long failures = 0;
    for (int round = 0; round < 20; round++) {
        ec_security_caps caps;
        char text[4096];
        ec_security_policy *policy = ec_security_policy_new();
        failures += !policy;
        failures += ec_security_policy_set(policy, "user", "ecuser") != 0;
        failures += ec_security_policy_set(policy, "group", wrong) != EC_SECURITY_EGROUP;
        failures += !strstr(ec_security_last_error(), wrong);
        failures += ec_security_policy_parse(policy, "Security {\n group = ecextra\n}\n") != 0;
        ec_security_policy_free(policy);
        failures += ec_security_caps_from_text("all=p cap_chown-p", &caps) != 0;
        failures += ec_security_caps_to_text(&caps, text, sizeof text) <= 0;
        failures += ec_security_status(0, text, sizeof text) <= 0;
        failures += ec_security_lower("cap_chown+e") != 0;
        failures += ec_security_raise("cap_chown+e") != 0;
        failures += !*ec_security_strerror(EC_SECURITY_EUSER) || !*ec_security_version();
    }
    return (void *)failures;
}

static void all_at_once(void *unused)
{
    (void)unused;
    static char wrong[8][32];
    pthread_t thread[8];
    unsigned long failures = 0;
    ready();
    for (int at = 0; at < 8; at++) {
        snprintf(wrong[at], sizeof wrong[at], "no-such-group-%d", at);
        if (pthread_create(&thread[at], NULL, uses_all, wrong[at]))
            _exit(82);
    }
    for (int at = 0; at < 8; at++) {
        void *result;
        pthread_join(thread[at], &result);
        failures += (unsigned long)result;
    }
    report((int)failures, "");
}

static void case_all_at_once(void *unused)
{
    (void)unused;
    struct answer *answer = release_and_wait(start(all_at_once, NULL));
    expect(answer->came && answer->status == 0, "%d calls have failed: %s", answer->status, answer->text);
}

int main(int argc, char **argv)
{
    select_cases(argc, argv);
    try_private_users();
    test("races: drops, with threads asleep and at work", 60, case_drops, NULL);
    test("races: refused for the sake of another thread", 60, case_refused, NULL);
    test("races: everything else, in eight threads at once", 60, case_all_at_once, NULL);
    return finish();
}
