/* What is no evidence: an id that the kernel shows for every id it has none for, a name that anybody can give, an answer that a filter
 * gives in the kernel's place, and a list of groups that is only nearly the one wanted. */

#include "policy_of.h"
#include "seccomp.h"
#include "situations.h"

#include <errno.h>
#include <grp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define LEN(array) (sizeof(array) / sizeof *(array))

/* --- ids that are shown as the overflow id ---------------------------------------------------------------------------------- */

#define OVERFLOW 65534u
#define NOBODY "+65534"

static const char *no_namespace(void)
{
    const char *why = no_user_namespace();
    return why ? why : has_uid(OVERFLOW) && has_gid(OVERFLOW) ? NULL : "the overflow id is not an id here";
}

/* Root of a user namespace in which it has no id, or 0. */
static void enter(const char *map, const unsigned *groups, size_t len)
{
    require(syscall(SYS_setgroups, len, groups) == 0, "setgroups");
    require(*map ? user_namespace_with(map, map, false) : unshare(CLONE_NEWUSER) == 0, "a user namespace");
    idle_threads(3);
}

static const unsigned nobodys[] = {OVERFLOW}, three[] = {5, 100, 999}, some[] = {27, 999}, two[] = {100, OVERFLOW};

#define ENTERS(name, map, groups) \
    static void name(void) { enter(map, groups, LEN(groups)); }
ENTERS(only_nobody, "65534 65534 1\n", nobodys)
ENTERS(no_map, "", nobodys)
ENTERS(groups_without_id, "0 0 1\n1000 1000 1\n65534 65534 1\n", some)
ENTERS(one_with_id, "0 0 1\n100 100 1\n1000 1000 1\n65534 65534 1\n", three)

/* What is right seen from outside, where every id is shown as it is. */
static int apply_and_want(unsigned id, const char *list, const unsigned *groups, size_t len)
{
    char name[16];
    snprintf(name, sizeof name, "+%u", id);
    shared->want = after_drop(&look(getpid())->threads[0], id, id, NULL, 0, 0, 0, 0);
    shared->want.groups = (unsigned *)groups;
    shared->want.groups_len = len;
    shared->have_want = true;
    return apply_of((const char *const[]){"user", name, "group", name, "supplemental_groups", list, NULL});
}

static int becomes_nobody(void) { return apply_and_want(OVERFLOW, NOBODY, nobodys, LEN(nobodys)); }
static int gets_nobodys_group(void) { return apply_and_want(1000, NOBODY, nobodys, LEN(nobodys)); }
static int gets_two_groups(void) { return apply_and_want(1000, "+100," NOBODY, two, LEN(two)); }

/* As in a root directory without /proc. */
static void is_nobody_without_proc(void)
{
    shared->want = after_drop(&look(getpid())->threads[0], OVERFLOW, OVERFLOW, NULL, 0, 0, 0, 0);
    shared->want.groups = (unsigned *)nobodys;
    shared->want.groups_len = LEN(nobodys);
    shared->have_want = true;
    require(private_mounts() && mount("none", "/proc", "tmpfs", 0, NULL) == 0, "mount over /proc");
    require(syscall(SYS_setgroups, 1, nobodys) == 0 && setresgid(OVERFLOW, OVERFLOW, OVERFLOW) == 0 &&
                setresuid(OVERFLOW, OVERFLOW, OVERFLOW) == 0,
            "nobody");
}

static int stays_nobody(void) { return ec_security_apply(NOBODY, NOBODY, NULL); }

/* The groups are set, and then there is no such user here. */
static int fails_after_the_groups(void)
{
    return apply_of((const char *const[]){"user", "+4711", "group", "+1000", "supplemental_groups", "+100", NULL});
}

/* Outside of user namespaces, who is nobody is nobody: no call is made that the filter would end it for. */
static void is_nobody(void)
{
    require(syscall(SYS_setgroups, 1, nobodys) == 0 && syscall(SYS_setresgid, OVERFLOW, OVERFLOW, OVERFLOW) == 0 &&
                syscall(SYS_setresuid, OVERFLOW, OVERFLOW, OVERFLOW) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0,
            "nobody's ids");
    idle_threads(3);
    const struct rule rules[] = {CALLS(SYS_setgroups, SECCOMP_RET_KILL_PROCESS), CALLS(SYS_setresgid, SECCOMP_RET_KILL_PROCESS),
                                 CALLS(SYS_setresuid, SECCOMP_RET_KILL_PROCESS)};
    require(seccomp_rules(rules, LEN(rules), SECCOMP_FILTER_FLAG_TSYNC) == 0, "seccomp");
}

static const char *no_whole_map(void)
{
    return has_uid(UINT32_MAX - 1) && has_gid(UINT32_MAX - 1) ? NULL : "not every id is one here";
}

/* --- a list of groups that nobody tells ------------------------------------------------------------------------------------------- */

static void make_groups_untold(void)
{
    const struct rule rules_of_groups[] = {{SYS_getgroups, {AT_LEAST(1), ANY, ANY}, FAILS_WITH(EINVAL)}};
    require(syscall(SYS_setgroups, LEN(some), some) == 0, "setgroups");
    require(seccomp_rules(rules_of_groups, LEN(rules_of_groups), SECCOMP_FILTER_FLAG_TSYNC) == 0, "seccomp");
}

static int dry_run_and_call(void)
{
    const char *const options[] = {"user", ids() ? "ecuser" : NULL, "deadline", "0.3", NULL};
    if (check_of(options) == EC_SECURITY_OK)
        complain("check: done");
    return apply_of(options);
}

/* Whoever has made the map of all ids could, and has denied setgroups all the same. */
static void make_whole_map_denied(void)
{
    require(syscall(SYS_setgroups, 0, NULL) == 0, "setgroups");
    require(user_namespace_with("0 0 4294967295\n", "0 0 4294967295\n", true), "a user namespace with all ids");
}

static int keeps_no_groups(void)
{
    return apply_of(
        (const char *const[]){"group", "+4712", "supplemental_groups", "+4712", "capabilities", "cap_net_bind_service+ep", NULL});
}

/* --- a status file of another process, mounted over the caller's ------------------------------------------------------------------ */

static void make_status_of_another(void)
{
    char path[2][64];
    pid_t other = fork();
    if (other == 0) {
        raw_drop(ECUSER_UID, BIT(10));
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        shared->flag = 1;
        for (;;)
            pause();
    }
    wait_for(&shared->flag, 1);
    snprintf(path[0], sizeof path[0], "/proc/%d/status", other);
    snprintf(path[1], sizeof path[1], "/proc/%d/task/%d/status", getpid(), getpid());
    require(private_mounts() && mount(path[0], path[1], NULL, MS_BIND, NULL) == 0, "a mount over the status file");
    idle_threads(2);
}

/* --- filters that answer for the kernel ------------------------------------------------------------------------------------- */

static const struct rule *rules;
static size_t rules_len;
static void (*before_the_filter)(void);

static void hides_its_filter(void)
{
    if (before_the_filter)
        before_the_filter();
    require(seccomp_rules(rules, rules_len, 0) == 0, "seccomp");
}

static void make_hidden(const struct rule *with, size_t len, void (*before)(void))
{
    rules = with;
    rules_len = len;
    before_the_filter = before;
    changed_thread(2, hides_its_filter);
}

#define HIDDEN(name, before, ...) \
    static void name(void) \
    { \
        static const struct rule with[] = {__VA_ARGS__}; \
        make_hidden(with, LEN(with), before); \
    }
#define PRCTL(option, action) {SYS_prctl, {option, ANY, ANY}, action}
#define HAS_NONE PRCTL(PR_GET_SECCOMP, PRETENDS)
#define IS_UNKNOWN PRCTL(PR_GET_SECCOMP, FAILS_WITH(EINVAL))
#define KEEPS_BOUNDING PRCTL(PR_CAPBSET_DROP, PRETENDS), PRCTL(PR_CAPBSET_READ, PRETENDS)

static void keeps_caps(void) { require(prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS, 0, 0, 0) == 0, "PR_SET_SECUREBITS"); }

/* cap_net_bind_service, which is retained. */
static void make_inheritable(void) { require(inherit_caps(BIT(10)), "capset"); }

static void make_ambient(void) { require(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 10, 0, 0) == 0, "PR_CAP_AMBIENT_RAISE"); }

HIDDEN(unknown_and_harmless, NULL, IS_UNKNOWN)
HIDDEN(unknown_and_bounding, NULL, IS_UNKNOWN, KEEPS_BOUNDING)
HIDDEN(none_and_bounding, NULL, HAS_NONE, KEEPS_BOUNDING)
HIDDEN(none_and_securebits, keeps_caps, HAS_NONE, PRCTL(PR_GET_SECUREBITS, FAILS_WITH(EINVAL)))
HIDDEN(none_and_ambient, make_ambient, HAS_NONE, PRCTL(PR_CAP_AMBIENT, FAILS_WITH(EINVAL)))
HIDDEN(none_and_ambient_pretended, make_ambient, HAS_NONE, PRCTL(PR_CAP_AMBIENT, PRETENDS))

/* With the same sets in all, but for the ambient one. */
static void ambient_unknown(void)
{
    make_inheritable();
    none_and_ambient();
}

static void ambient_pretended(void)
{
    make_inheritable();
    none_and_ambient_pretended();
}

static int inherits(void)
{
    shared->want = after_drop(&look(getpid())->threads[0], ECUSER_UID, ECUSER_GID, NULL, 0, BIT(10), BIT(10), BIT(10));
    shared->want.groups = (unsigned *)ECUSER_GROUPS;
    shared->want.groups_len = 3;
    shared->have_want = true;
    return apply_of((const char *const[]){"user", "ecuser", "capabilities", "cap_net_bind_service+eip", NULL});
}

/* --- lists that lack the primary group ---------------------------------------------------------------------------------------- */

static void be_ecuser(const unsigned *groups, size_t len)
{
    require(syscall(SYS_setgroups, len, groups) == 0 && syscall(SYS_setresgid, ECUSER_GID, ECUSER_GID, ECUSER_GID) == 0 &&
                syscall(SYS_setresuid, ECUSER_UID, ECUSER_UID, ECUSER_UID) == 0,
            "ecuser's ids");
}

static void be_ecuser_with_less(void) { be_ecuser(ECUSER_GROUPS + 1, 2); }
static void be_ecuser_with_all(void) { be_ecuser(ECUSER_GROUPS, 3); }

static void thread_lacks_primary(void) { changed_thread(2, be_ecuser_with_less); }

static void caller_lacks_primary(void)
{
    changed_thread(0, be_ecuser_with_all);
    be_ecuser_with_less();
}

static void all_lack_primary(void)
{
    static const unsigned groups[] = {ECEXTRA_GID, ECLOGS_GID};
    changed_thread(0, be_ecuser_with_less);
    be_ecuser(groups, LEN(groups));
    shared->want = after_drop(&look(getpid())->threads[0], ECUSER_UID, ECUSER_GID, NULL, 0, 0, 0, 0);
    shared->want.groups = (unsigned *)groups;
    shared->want.groups_len = LEN(groups);
    shared->have_want = true;
}

static int retains_nothing(void) { return apply_of((const char *const[]){"user", "ecuser", "bounding", "keep", NULL}); }

#define OVERFLOWS(what, make_, call_, ...) \
    {.name = what, .cannot = no_namespace, .needs_ids = true, .make = make_, .call = call_, __VA_ARGS__}
#define HIDES(what, make_, ...) {.name = what, .make = make_, __VA_ARGS__}
#define PRIMARY(what, make_, ...) \
    {.name = what, .needs_ids = true, .make = make_, .call = retains_nothing, .caps = "", __VA_ARGS__}

/* --- another library before libc, as fakeroot and faketime have ------------------------------------------------------------------ */

/* The thread whose calls of these count. They may wait for a lock that a stopped thread holds, and the time may stand still. */
static pid_t asking;

static void count_if_asked(void)
{
    if (asking && asking == gettid_raw())
        shared->count++;
}

int fstat(int fd, struct stat *out)
{
    count_if_asked();
#ifdef SYS_fstat64
    return (int)syscall(SYS_fstat64, fd, out);
#else
    return (int)syscall(SYS_fstat, fd, out);
#endif
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    count_if_asked();
    return (int)syscall(SYS_clock_gettime, clock, now);
}

static int drop_asking_the_kernel(void)
{
    asking = gettid_raw();
    int status = drop();
    asking = 0;
    if (shared->count)
        complain("fstat or clock_gettime was called by name %d times", shared->count);
    return status;
}

static void idle_four(void) { idle_threads(4); }

void promise_of_evidence(void)
{
    static const struct situation all[] = {
        OVERFLOWS("root without an id in its user namespace becomes nobody, whose id it is shown to have", only_nobody,
                  becomes_nobody, .outcomes = DONE, .threads = 4),
        OVERFLOWS("root without an id in its user namespace becomes nobody, who has none there either", no_map, becomes_nobody,
                  .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED, .says = {"65534", "has no id in this user namespace"}),
        OVERFLOWS("groups without an id in the user namespace, and nobody's alone is asked for", groups_without_id,
                  gets_nobodys_group, .outcomes = DONE, .threads = 4),
        OVERFLOWS("groups without an id in the user namespace, and one with, and nobody's and that one are asked for",
                  one_with_id, gets_two_groups, .outcomes = DONE, .threads = 4),
        OVERFLOWS("groups without an id in the user namespace, which could not be put back, and a user without one", one_with_id,
                  fails_after_the_groups, .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED,
                  .says = {"4711", "has no id in this user namespace"}),
        SITUATION("nobody outside of user namespaces, where a filter ends who sets ids or groups", .cannot = no_whole_map,
                  .needs_ids = true, .make = is_nobody, .call = becomes_nobody, .outcomes = DONE, .threads = 4),
        SITUATION("nobody in a root directory without /proc", .cannot = no_whole_map, .needs_ids = true,
                  .make = is_nobody_without_proc, .call = stays_nobody, .outcomes = DONE, .fields = FIELDS_IDS | FIELD_NNP),
        SITUATION("the process's seccomp filter says EINVAL for each list of groups", .make = make_groups_untold,
                  .call = dry_run_and_call, .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED, .says = {"getgroups"},
                  .within = 3000),
        SITUATION("a user namespace of all ids that denies setgroups, and a list that lacks just the primary group",
                  .cannot = no_namespace, .make = make_whole_map_denied, .call = keeps_no_groups, .outcomes = DONE,
                  .fields = FIELDS_CAPS | FIELD_NNP),
        SITUATION("the status file of another process is mounted over the caller's", .needs_ids = true,
                  .make = make_status_of_another, .outcomes = REFUSED, .status = EC_SECURITY_EPROC,
                  .says = {"a file of another process is mounted there"}),
        SITUATION("another library stands before libc's fstat and clock_gettime (fakeroot, faketime)", .make = idle_four,
                  .call = drop_asking_the_kernel, .outcomes = DONE, .threads = 5),
        HIDES("a thread's own filter says that there is no seccomp", unknown_and_harmless, .outcomes = DONE, .threads = 4),
        HIDES("a thread's own filter says that there is no seccomp, and pretends to trim the bounding set", unknown_and_bounding,
              .outcomes = GONE, .names_thread = true, .says = {"PR_CAPBSET_DROP"}),
        HIDES("a thread's own filter says that there is no filter, and pretends to trim the bounding set", none_and_bounding,
              .outcomes = GONE, .names_thread = true, .says = {"PR_CAPBSET_DROP"}),
        HIDES("a thread's own filter says that there is no filter, and that securebits are unknown", none_and_securebits,
              REFUSED_FOR_THREAD("PR_GET_SECUREBITS")),
        HIDES("a thread's own filter says that there is no filter, and that an ambient set is unknown", ambient_unknown,
              .needs_ids = true, .call = inherits, REFUSED_FOR_THREAD("PR_CAP_AMBIENT_IS_SET")),
        HIDES("a thread's own filter says that there is no filter, and that the ambient set is empty", ambient_pretended,
              .needs_ids = true, .call = inherits, REFUSED_FOR_THREAD("PR_CAP_AMBIENT_IS_SET")),
        PRIMARY("the supplementary groups of a thread lack just the primary group, and it cannot set them", thread_lacks_primary,
                REFUSED_FOR_THREAD("cap_setgid")),
        PRIMARY("the supplementary groups of the caller lack just the primary group, those of a thread do not",
                caller_lacks_primary, REFUSED_FOR_THREAD("cap_setgid")),
        PRIMARY("the supplementary groups of all lack just the primary group, and cannot be set", all_lack_primary,
                .outcomes = DONE, .threads = 2),
    };
    for (size_t at = 0; at < LEN(all); at++)
        situation(&all[at]);
}
