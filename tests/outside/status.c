/* ec_security_status against what the harness sees of a process made to differ; ec_security_raise and _lower, in a signal handler
 * that interrupts malloc as well. */

#include "outside.h"

#include <ec_security.h>
#include <errno.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <signal.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* --- allocation is counted ------------------------------------------------------------------------------------------ */

static volatile unsigned long allocations;

#ifdef __GLIBC__
#include "own_malloc.h"

static bool memory_refused(void)
{
    allocations++;
    return false;
}
#endif

/* --- what the text must be ------------------------------------------------------------------------------------------ */

static char expected[16384];
static size_t have;

static void PRINTF_LIKE(1, 2) add(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    have += (size_t)vsnprintf(expected + have, sizeof expected - have, format, args);
    va_end(args);
}

static void add_ids(const char *name, const unsigned id[4])
{
    if (id[0] == id[1] && id[0] == id[2] && id[0] == id[3])
        add("%s=%u ", name, id[0]);
    else
        add("%s=%u/%u/%u/%u ", name, id[0], id[1], id[2], id[3]);
}

static void add_set(const char *name, uint64_t set)
{
    uint64_t all = all_caps(), missing = all & ~set;
    bool by_missing = __builtin_popcountll(missing) < __builtin_popcountll(set);
    const char *between = by_missing ? "-" : "";
    add("%s=%s", name, set == 0 ? "none" : by_missing ? "all" : "");
    for (unsigned cap = 0; cap <= last_cap(); cap++)
        if (set && ((by_missing ? missing : set) & BIT(cap))) {
            char *known = cap_to_name((cap_value_t)cap);
            add("%s%s", between, known);
            cap_free(known);
            between = by_missing ? "-" : ",";
        }
    add(" ");
}

static void add_thread(const struct thread *thread)
{
    add_ids("uid", thread->uid);
    add_ids("gid", thread->gid);
    add("groups=%s", thread->groups_len ? "" : "none");
    for (size_t at = 0; at < thread->groups_len; at++)
        add("%s%u", at ? "," : "", thread->groups[at]);
    add(" ");
    add_set("permitted", thread->prm);
    add_set("effective", thread->eff);
    add_set("inheritable", thread->inh);
    add_set("bounding", thread->bnd);
    add_set("ambient", thread->amb);
    add("no_new_privs=%s\n", thread->nnp ? "on" : "off");
}

/* One line for the first thread that runs and all like it, then one for each other, in order of id. */
static const char *expect_text(const struct process *process)
{
    have = 0;
    expected[0] = 0;
    const struct thread *first = NULL;
    size_t alike = 0;
    char how[8];
    for (size_t at = 0; at < process->len; at++) {
        const struct thread *thread = &process->threads[at];
        if (thread->state == 'Z' || thread->kernel)
            continue;
        first = first ? first : thread;
        alike += !differs(thread, first, FIELDS_ALL, how, sizeof how);
    }
    if (first) {
        add("%zu thread%s: ", alike, alike == 1 ? "" : "s");
        add_thread(first);
    }
    for (size_t at = 0; at < process->len; at++) {
        const struct thread *thread = &process->threads[at];
        if (thread->state != 'Z' && !thread->kernel && !differs(thread, first, FIELDS_ALL, how, sizeof how))
            continue;
        add("thread %d \"%s\": ", thread->tid, thread->name);
        if (thread->state == 'Z') {
            add("exited\n");
            continue;
        }
        if (thread->kernel)
            add("kernel worker, %s: ",
                strncmp(thread->name, "iou-wrk-", 8) ? "cannot be changed" : "takes each request's credentials");
        add_thread(thread);
    }
    return expected;
}

static void expect_status(pid_t pid, const char *part)
{
    static char text[16384], cut[64];
    const char *want = expect_text(look(pid));
    int len = ec_security_status(pid, text, sizeof text);
    expect(len == (int)strlen(want) && !strcmp(text, want), "%d: said\n%s where it is\n%s", len, text, want);
    expect(strstr(text, part) != NULL, "%s", text);
    expect(ec_security_status(pid, NULL, 0) == len, "a length of its own for NULL");
    memset(cut, 'x', sizeof cut);
    expect(ec_security_status(pid, cut, 33) == len && !cut[32] && !strncmp(cut, want, 32) && cut[33] == 'x', "cut: %.40s", cut);
}

/* --- processes to look at ------------------------------------------------------------------------------------------- */

enum { RUNS_ALIKE, LACKS_ONE, AMBIENT, OTHER_USER, GROUPS, NAMED, ALL_KINDS };

static long becomes(void *arg)
{
    gid_t groups[3] = {30, 10, 20};
    switch (*(int *)arg) {
    case LACKS_ONE:
        return !give_up_caps(BIT(CAP_KILL));
    case AMBIENT:
        return !inherit_caps(BIT(CAP_CHOWN)) || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0);
    case OTHER_USER:
        return syscall(SYS_setresgid, 7, 8, 9) || syscall(SYS_setresuid, 1000, 0, 0);
    case GROUPS:
        return syscall(SYS_setgroups, 3, groups) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
               prctl(PR_CAPBSET_DROP, CAP_KILL, 0, 0, 0);
    case NAMED:
        return !give_up_caps(BIT(CAP_FOWNER)) || prctl(PR_SET_NAME, "a b (c) d", 0, 0, 0);
    }
    return 0;
}

static void is_of_all_kinds(void *arg)
{
    bool differs = *(bool *)arg;
    idle_threads(3);
    for (int kind = LACKS_ONE; differs && kind < ALL_KINDS; kind++)
        if (each(start_workers(1), becomes, &kind))
            _exit(82);
    ready();
    static char text[16384];
    if (prctl(PR_SET_SECUREBITS, 3, 0, 0, 0))
        _exit(83);
    int len = ec_security_status(0, text, sizeof text);
    /* The last line alone fits into a report. */
    char *last = len > 0 ? text + len - 1 : text;
    while (last > text && last[-1] != '\n')
        last--;
    report(len, last);
}

static void of_all_kinds(void *arg)
{
    if (!need_uid(1000))
        return;
    struct child *child = start(is_of_all_kinds, arg);
    if (!child)
        return;
    expect_status(child->pid, "");
    struct answer *own = release_and_wait(child);
    struct process *seen = look(child->pid);
    const char *want = expect_text(seen);
    char line[128];
    snprintf(line, sizeof line, "thread %d \"%s\": securebits=noroot,noroot_locked\n", child->pid, seen->threads[0].name);
    expect(!strcmp(own->text, line), "securebits: %s", own->text);
    expect(own->status == (int)(strlen(want) + strlen(line)), "its own text has %d bytes", own->status);
}

/* The main thread ends, the others go on. */
static void *goes_on(void *unused)
{
    (void)unused;
    ready();
    report(0, "");
    park_forever();
    return NULL;
}

static void has_no_leader(void *unused)
{
    (void)unused;
    pthread_t thread;
    idle_threads(2);
    if (pthread_create(&thread, NULL, goes_on, NULL))
        _exit(84);
    pthread_exit(NULL);
}

static void no_leader(void *unused)
{
    (void)unused;
    struct child *child = start(has_no_leader, NULL);
    if (!child)
        return;
    struct thread leader;
    while (look_thread(child->pid, child->pid, &leader) && leader.state != 'Z')
        usleep(1000);
    expect(leader.state == 'Z', "the leader is in state %c", leader.state);
    expect_status(child->pid, "exited\n");
}

/* A worker of the kernel that keeps the credentials it was made with. */
static void has_a_worker(void *unused)
{
    (void)unused;
    struct io_uring_params params;
    memset(&params, 0, sizeof params);
    params.flags = IORING_SETUP_SQPOLL;
    params.sq_thread_idle = 60000;
    long ring = syscall(SYS_io_uring_setup, 4, &params);
    int error = errno;
    ready();
    report(ring < 0 ? -1 : 0, strerror(error));
}

static void a_worker(void *unused)
{
    (void)unused;
    struct child *child = start(has_a_worker, NULL);
    struct answer *answer = release_and_wait(child);
    if (skip_for(answer, -1, "io_uring"))
        return;
    /* io_sq_thread() in io_uring/sqpoll.c gives itself its name when it first runs: until then it has its maker's. */
    struct process *seen;
    do
        seen = look(child->pid);
    while (!case_finished() && seen->len == 2 && strncmp(seen->threads[1].name, "iou-sqp-", 8));
    expect(seen->len == 2 && seen->threads[1].kernel, "there is no worker among %zu threads", seen->len);
    expect_status(child->pid, "\": kernel worker, cannot be changed: uid=");
}

/* --- what cannot be looked at --------------------------------------------------------------------------------------- */

static void no_process(void *unused)
{
    (void)unused;
    char text[64] = "as it was";
    struct child *child = start(has_no_leader, NULL);
    if (!child)
        return;
    pid_t gone = child->pid;
    end(child);
    expect(ec_security_status(gone, text, sizeof text) == -EC_SECURITY_ENOPROCESS, "%s", text);
    expect(!strcmp(text, "as it was"), "written on failure: %s", text);
    expect(strstr(ec_security_last_error(), "ESRCH: no such process"), "%s", ec_security_last_error());
    expect(ec_security_status(-1, text, sizeof text) == -EC_SECURITY_ENOPROCESS, "pid -1");
    expect(ec_security_status(0x7fffffff, text, sizeof text) == -EC_SECURITY_ENOPROCESS, "pid 2^31-1");
    expect(ec_security_status(0, NULL, 5) == -EC_SECURITY_EARGUMENT, "NULL with a length");
    expect(ec_security_status(0, NULL, 0) > 0, "NULL without a length");
}

static void is_kept_out(void *unused)
{
    (void)unused;
    pid_t other = getppid();
    bool done = !unshare(CLONE_NEWNS) && !mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) &&
                !mount("proc", "/proc", "proc", 0, "hidepid=1");
    int error = errno;
    ready();
    if (!done) {
        report(-1, strerror(error));
        return;
    }
    if (ec_security_apply("ecuser", NULL, NULL)) {
        report(-2, ec_security_last_error());
        return;
    }
    char text[4096];
    int len = ec_security_status(other, text, sizeof text);
    report(len, ec_security_last_error());
}

static void kept_out(void *unused)
{
    (void)unused;
    if (!need_ids())
        return;
    struct answer *answer = release_and_wait(start(is_kept_out, NULL));
    if (skip_for(answer, -1, "/proc with hidepid"))
        return;
    char want[64];
    snprintf(want, sizeof want, "process %d: EPERM", getpid());
    expect(answer->status == -EC_SECURITY_ENOPROCESS && strstr(answer->text, want), "%d %s", answer->status, answer->text);
}

/* --- raise and lower -------------------------------------------------------------------------------------------------- */

static void raises(void *unused)
{
    (void)unused;
    idle_threads(3);
#ifdef __GLIBC__
    unsigned long none = allocations;
    ec_security_policy_free(ec_security_policy_new());
    if (allocations == none)
        _exit(87); /* the count does not count */
#endif
    for (unsigned cap = 0; cap <= last_cap(); cap++)
        prctl(PR_CAPBSET_DROP, cap == CAP_KILL ? (long)last_cap() + 1 : (long)cap, 0, 0, 0);
    if (ec_security_apply(NULL, NULL, "cap_net_bind_service,cap_net_raw,cap_bpf+p cap_kill+i"))
        _exit(85);
    ready();
    errno = 77;
    unsigned long before = allocations;
    int status = ec_security_raise("cap_net_bind_service,39+e");
    status += ec_security_raise("cap_bpf+e");
    report(status || errno != 77 || allocations != before, ec_security_last_error());
    ready();
    status = ec_security_lower("CAP_NET_BIND_SERVICE=e");
    status += ec_security_lower("cap_chown,cap_net_bind_service+e"); /* what is down already */
    report(status || errno != 77 || allocations != before, ec_security_last_error());
    ready();
#define EFFECTIVE_ONLY "capabilities: raise and lower change the effective set only; write clauses such as cap_net_raw+e"
    static const struct {
        const char *text;
        int status;
        const char *error;
    } bad[] = {
        {"cap_net_raw,cap_chown+e", EC_SECURITY_ECAPABILITY, "cannot raise cap_chown: not in this thread's permitted set"},
        {"cap_net_raw+ep", EC_SECURITY_EOPTION, EFFECTIVE_ONLY},
        {"cap_net_raw+i", EC_SECURITY_EOPTION, EFFECTIVE_ONLY},
        {"cap_net_rawe", EC_SECURITY_ESYNTAX, NULL},
        {NULL, EC_SECURITY_EARGUMENT, "caps_text: NULL; a string is needed"},
    };
    char wrong[256] = "";
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++) {
        int got = ec_security_raise(bad[at].text);
        if (got != bad[at].status || (bad[at].error && strcmp(ec_security_last_error(), bad[at].error)))
            snprintf(wrong, sizeof wrong, "raise %s: %d %s", bad[at].text, got, ec_security_last_error());
        got = ec_security_lower(bad[at].text);
        if (at > 0 && got != bad[at].status)
            snprintf(wrong, sizeof wrong, "lower %s: %d %s", bad[at].text, got, ec_security_last_error());
    }
    if (ec_security_raise("") || ec_security_lower(""))
        snprintf(wrong, sizeof wrong, "nothing at all is refused");
    report(wrong[0] || errno != 77 || allocations != before, wrong);
}

static void raise_and_lower(void *unused)
{
    (void)unused;
    struct child *child = start(raises, NULL);
    if (!child)
        return;
    struct process *before = look(child->pid);
    struct thread want = before->threads[0];
    if (!(want.prm & BIT(39))) {
        skip("this kernel has no cap_bpf, or it is not held");
        return;
    }
    static const uint64_t effective[] = {BIT(10) | BIT(39), BIT(39), BIT(39)};
    for (int at = 0; at < 3; at++) {
        release_and_expect(child, 0);
        struct process *after = look(child->pid);
        want.eff = effective[at];
        char how[256];
        expect(!differs(&after->threads[0], &want, FIELDS_ALL, how, sizeof how), "step %d: %s", at, how);
        after->threads[0] = before->threads[0]; /* all the others are as they were */
        expect_unchanged(before, after);
    }
}

static volatile sig_atomic_t interrupted, inside, failed;

static void handler(int signal)
{
    (void)signal;
    unsigned long before = allocations;
    interrupted++;
    if (ec_security_raise("cap_net_raw+e") || ec_security_lower("cap_net_raw+e") || !ec_security_raise("cap_chown+e") ||
        allocations != before)
        failed++;
}

static void is_interrupted(void *unused)
{
    (void)unused;
    if (ec_security_apply(NULL, NULL, "cap_net_raw+p"))
        _exit(86);
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    sigaction(SIGPROF, &action, NULL);
    ready();
    struct itimerval timer = {{0, 500}, {0, 500}};
    setitimer(ITIMER_PROF, &timer, NULL);
    /* Hundreds of times in the middle of malloc and free, whose lock is held then. */
    void *some[64] = {0};
    while (interrupted < 200)
        for (int at = 0; at < 64; at++) {
            free(some[at]);
            some[at] = malloc((size_t)(at * 97 % 5000 + 1));
        }
    timer.it_value.tv_usec = 0;
    setitimer(ITIMER_PROF, &timer, NULL);
    report(failed, "");
}

static void in_a_handler(void *unused)
{
    (void)unused;
    struct child *child = start(is_interrupted, NULL);
    struct answer *answer = release_and_wait(child);
    expect(answer->came && answer->status == 0, "%d of the handler's runs failed: %s", answer->status, answer->text);
    struct process *after = look(child->pid);
    expect(after->threads[0].eff == 0 && after->threads[0].prm == BIT(13), "effective %llx",
           (unsigned long long)after->threads[0].eff);
}

int main(int argc, char **argv)
{
    select_cases(argc, argv);
    try_private_users();
    bool one = false, all = true;
    test("status: threads alike", 20, of_all_kinds, &one);
    test("status: threads that differ", 20, of_all_kinds, &all);
    test("status: a leader that has exited", 20, no_leader, NULL);
    test("status: a kernel worker", 20, a_worker, NULL);
    test("status: no such process", 20, no_process, NULL);
    test("status: a process that may not be read", 20, kept_out, NULL);
    test("raise and lower: the calling thread's effective set", 20, raise_and_lower, NULL);
    test("raise and lower: in a handler that interrupts malloc", 60, in_a_handler, NULL);
    return finish();
}
