/* Refused calls leave nothing behind: descriptors, mappings, queued signals, the signal's action, the dumpable flag, the parent-death
 * signal, timers, children and memory are as they were. LEAKS=10000 tries each kind that often (make soak). */

#include "policy_of.h"
#include "seccomp.h"
#include "situations.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEN(array) (sizeof(array) / sizeof *(array))
#define SETID_SIGNAL 33
#define MEMORY_KB 200
#define MANY_DEAF 400

struct holdings {
    long descriptors, mappings, queued, timers, threads, children, dumpable, death_signal, memory_kb;
    unsigned char action[32];
    uint64_t mask;
};

static char text[1 << 18];

/* A file of /proc, by raw calls into memory of our own: what is measured must not be changed by that. */
static char *read_proc(const char *path)
{
    size_t have = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (ssize_t got; fd >= 0 && have < sizeof text - 1 && (got = read(fd, text + have, sizeof text - 1 - have)) > 0;)
        have += (size_t)got;
    if (fd >= 0)
        close(fd);
    text[have] = 0;
    return text;
}

static long lines_of(const char *path)
{
    long lines = 0;
    for (const char *c = read_proc(path); *c; c++)
        lines += *c == '\n';
    return lines;
}

static long field_of(const char *name)
{
    const char *found = strstr(read_proc("/proc/thread-self/status"), name);
    require(found, name);
    return strtol(found + strlen(name), NULL, 10);
}

static long entries_of(const char *path)
{
    char list[4096];
    long many = 0;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (long got; (got = syscall(SYS_getdents64, fd, list, sizeof list)) > 0;)
        for (long at = 0; at < got; at += *(unsigned short *)(list + at + 16))
            many++;
    close(fd);
    return many;
}

static void take(struct holdings *out)
{
    int signal = 0;
    memset(out, 0, sizeof *out);
    out->descriptors = entries_of("/proc/thread-self/fd");
    out->mappings = lines_of("/proc/thread-self/maps");
    /* Those of other processes of the user are counted with them before Linux 5.14, whatever their user namespace (kernel/ucount.c). */
    out->queued = kernel_before(5, 14) ? 0 : field_of("\nSigQ:");
    out->timers = lines_of("/proc/self/timers");
    out->threads = entries_of("/proc/self/task");
    out->children = (long)strlen(read_proc("/proc/thread-self/children"));
    out->dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_GET_PDEATHSIG, &signal);
    out->death_signal = signal;
    out->memory_kb = field_of("\nVmRSS:");
    require(syscall(SYS_rt_sigaction, SETID_SIGNAL, NULL, out->action, 8) == 0, "rt_sigaction");
    require(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &out->mask, 8) == 0, "rt_sigprocmask");
}

static unsigned times(unsigned usual)
{
    const char *asked = getenv("LEAKS");
    return asked ? (unsigned)strtoul(asked, NULL, 10) : usual;
}

/* Some calls first, by which what is kept for good is there; then many, which must add nothing. */
static int repeated(int (*call)(void), unsigned usual)
{
    struct holdings before, after;
    unsigned many = times(usual);
    int status = 0;
    for (int at = 0; at < 5; at++)
        status = call();
    take(&before);
    take(&before); /* the first look has touched memory of its own */
    unsigned starved = 0;
    for (unsigned at = 0; at < many; at++) {
        int got = call();
        /* A thread that gets no processor before the deadline is a refusal too, and leaves nothing either. */
        starved += got != status && got == EC_SECURITY_ETHREAD;
        if ((got != status && got != EC_SECURITY_ETHREAD) || starved > many / 10)
            complain("call %u ended another way: %s", at, ec_security_last_error());
    }
    take(&after);
    const struct {
        const char *name;
        long was, is;
    } all[] = {
        {"descriptors", before.descriptors, after.descriptors},
        {"mappings", before.mappings, after.mappings},
        {"queued signals", before.queued, after.queued},
        {"timers", before.timers, after.timers},
        {"threads", before.threads, after.threads},
        {"children", before.children, after.children},
        {"the dumpable flag", before.dumpable, after.dumpable},
        {"the parent-death signal", before.death_signal, after.death_signal},
    };
    for (size_t at = 0; at < LEN(all); at++)
        if (all[at].was != all[at].is)
            complain("%u calls: %s %ld became %ld", many, all[at].name, all[at].was, all[at].is);
    if (after.memory_kb > before.memory_kb + MEMORY_KB)
        complain("%u calls: %ld kB of memory became %ld", many, before.memory_kb, after.memory_kb);
    if (memcmp(before.action, after.action, sizeof before.action) || before.mask != after.mask)
        complain("%u calls: the signal's action or the mask is another", many);
    return status;
}

/* Queued signals are counted for a user of a user namespace, all its processes together: one of our own, in which there is no other. */
static void own_user(void) { require(user_namespace(), "a user namespace"); }

static void make_threads(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    idle_threads(3);
}

static void make_idle(void)
{
    own_user();
    make_threads();
}

static int unknown_user(void) { return ec_security_apply("no-such-user-here", NULL, NULL); }
static int unknown_capability(void) { return ec_security_apply(NULL, NULL, "cap_of_nobody+ep"); }
static int not_in_the_plan(void) { return ec_security_apply("ecuser", NULL, "cap_sys_resource,cap_kill+ep"); }
static int short_drop(void) { return drop_within("0.002"); }
static int drop_of_a_moment(void) { return drop_within("0.5"); } /* long enough to stop threads on a busy machine */
static int dry(void)
{
    int status = check_of((const char *const[]){"user", ids() ? "ecuser" : NULL, NULL});
    return status ? status : EC_SECURITY_EREFUSED; /* nothing is to change */
}

static int no_such_users(void) { return repeated(unknown_user, 1000); }
static int no_such_capabilities(void) { return repeated(unknown_capability, 1000); }
static int not_in_plans(void) { return repeated(not_in_the_plan, 500); }
static int refused_by_filter(void) { return repeated(drop, 500); }
static int unheard(void) { return repeated(short_drop, 200); }
/* Each takes more than a second: with LEAKS ten processes make a tenth of that number each. */
static int unanswered(void)
{
    const char *asked = getenv("LEAKS");
    char tenth[24];
    snprintf(tenth, sizeof tenth, "%lu", asked ? (strtoul(asked, NULL, 10) + 9) / 10 : 0);
    if (asked)
        setenv("LEAKS", tenth, 1);
    return repeated(drop_of_a_moment, 5);
}
static int dry_runs(void) { return repeated(dry, 500); }

static void lacks_a_capability(void)
{
    own_user();
    prctl(PR_CAPBSET_DROP, 24 /* CAP_SYS_RESOURCE */, 0, 0, 0);
    require(give_up_caps(BIT(24)), "capset");
    make_threads();
}

static void refused_at_capset(void)
{
    make_idle();
    filter(SYS_capset, -1, FAILS_WITH(EPERM), true);
}

static void killed_at_capset(void)
{
    make_idle();
    filter(SYS_capset, -1, SECCOMP_RET_KILL_PROCESS, true);
}

static void block_the_signal(void)
{
    uint64_t mask = UINT64_C(1) << (SETID_SIGNAL - 1);
    require(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, NULL, 8) == 0, "rt_sigprocmask");
}

static void has_a_deaf_thread(void)
{
    make_idle();
    changed_thread(0, block_the_signal);
}

/* More of them than the library remembers. */
static void *is_one_of_many(void *unused)
{
    (void)unused;
    block_the_signal();
    __atomic_add_fetch(&shared->count, 1, __ATOMIC_SEQ_CST);
    return wait_forever();
}

static void many_deaf(void)
{
    own_user();
    for (int at = 0; at < MANY_DEAF; at++)
        thread(is_one_of_many, NULL);
    wait_for(&shared->count, MANY_DEAF);
}

static int five_calls(void)
{
    int status = EC_SECURITY_OK;
    for (int at = 0; at < 5; at++)
        status = drop_within("0.1");
    long queued = field_of("\nSigQ:");
    if (queued > MANY_DEAF + 8)
        complain("%ld signals are queued for %d threads", queued, MANY_DEAF);
    return status;
}

static void has_a_silent_supervisor(void)
{
    static const struct rule rule = {SYS_setresuid, {ANY, ANY, ANY}, SECCOMP_RET_USER_NOTIF};
    static const struct supervisor silent = {.first = 1};
    own_user();
    require(seccomp_supervised(&rule, 1, 0, &silent) > 0, "a supervisor");
    make_threads();
}

#define REPEATED(what, make_, call_, status_) \
    SITUATION(what, .cannot = no_user_namespace, .needs_ids = true, .make = make_, .call = call_, .outcomes = REFUSED, \
              .status = status_)

void promise_of_leaks(void)
{
    static const struct situation all[] = {
        REPEATED("an unknown user, many times", make_idle, no_such_users, EC_SECURITY_EUSER),
        REPEATED("an unknown capability, many times", make_idle, no_such_capabilities, EC_SECURITY_ESYNTAX),
        REPEATED("a capability that is not held, many times", lacks_a_capability, not_in_plans, EC_SECURITY_ECAPABILITY),
        REPEATED("a filter refuses capset, many times", refused_at_capset, refused_by_filter, EC_SECURITY_EREFUSED),
        REPEATED("a filter kills at capset, many times", killed_at_capset, refused_by_filter, EC_SECURITY_EREFUSED),
        REPEATED("a thread blocks the signal, many times", has_a_deaf_thread, unheard, EC_SECURITY_ETHREAD),
        REPEATED("a dry run, many times", make_idle, dry_runs, EC_SECURITY_EREFUSED),
    };
    static const struct situation deaf = {.name = "400 threads block the signal, and five calls",
                                          .cannot = no_user_namespace,
                                          .needs_ids = true,
                                          .make = many_deaf,
                                          .call = five_calls,
                                          .outcomes = REFUSED,
                                          .status = EC_SECURITY_ETHREAD,
                                          .threads = MANY_DEAF + 1,
                                          .keeps_handler = true};
    static struct situation unanswered_ones[10];
    size_t processes = getenv("LEAKS") ? LEN(unanswered_ones) : 1;
    for (size_t at = 0; at < processes; at++)
        unanswered_ones[at] = (struct situation)REPEATED("a supervisor never answers, many times", has_a_silent_supervisor,
                                                         unanswered, EC_SECURITY_EREFUSED);
    situations_unlisted("refused calls leave nothing behind", getenv("LEAKS") ? 7000 : 120, all, LEN(all));
    situation(&deaf);
    situations_unlisted("calls that a supervisor never answers leave nothing behind", getenv("LEAKS") ? 7000 : 120,
                        unanswered_ones, processes);
}
