/* Filters that come while the call runs, and filters that the process has had from the start: what they refuse, pretend or kill for is
 * found before anything changes. */

#include "policy_of.h"
#include "seccomp.h"
#include "situations.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SETID_SIGNAL 33
#define LEN(array) (sizeof(array) / sizeof *(array))

/* --- another thread installs a filter for all while threads are being stopped ------------------------------------------- */

static const struct rule *meanwhile;
static size_t meanwhile_len;

/* Deaf until the set*id signal waits for it: by then the caller has begun, and this thread is the last to be stopped. */
static void *installs_for_all(void *unused)
{
    (void)unused;
    uint64_t mask = UINT64_C(1) << (SETID_SIGNAL - 1), waiting = 0;
    require(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, NULL, 8) == 0, "rt_sigprocmask");
    shared->flag = 1;
    while (!(waiting & mask))
        require(syscall(SYS_rt_sigpending, &waiting, 8) == 0, "rt_sigpending");
    require(seccomp_rules(meanwhile, meanwhile_len, SECCOMP_FILTER_FLAG_TSYNC) == 0, "seccomp");
    require(syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &mask, NULL, 8) == 0, "rt_sigprocmask");
    return wait_forever();
}

static void make_installer(const struct rule *rules, size_t len)
{
    meanwhile = rules;
    meanwhile_len = len;
    thread_beside(3, installs_for_all, NULL);
}

#define INSTALLER(name, ...) \
    static void name(void) \
    { \
        static const struct rule rules[] = {__VA_ARGS__}; \
        make_installer(rules, LEN(rules)); \
    }
#define ONE(number, action) {number, {ANY, ANY, ANY}, action}
#define OF(number, first, action) {number, {first, ANY, ANY}, action}

INSTALLER(kills_setresuid, ONE(SYS_setresuid, SECCOMP_RET_KILL_THREAD))
INSTALLER(kills_capset, ONE(SYS_capset, SECCOMP_RET_KILL_THREAD))
INSTALLER(kills_process_at_capset, ONE(SYS_capset, SECCOMP_RET_KILL_PROCESS))
INSTALLER(kills_process_at_getresuid, ONE(SYS_getresuid, SECCOMP_RET_KILL_PROCESS))
INSTALLER(traps_setgroups, ONE(SYS_setgroups, SECCOMP_RET_TRAP))
INSTALLER(refuses_setresuid, ONE(SYS_setresuid, FAILS_WITH(EPERM)))
INSTALLER(refuses_nnp, OF(SYS_prctl, PR_SET_NO_NEW_PRIVS, FAILS_WITH(EPERM)))
INSTALLER(pretends_setgroups, ONE(SYS_setgroups, PRETENDS))
INSTALLER(pretends_setresgid, ONE(SYS_setresgid, PRETENDS))
INSTALLER(pretends_setresuid, ONE(SYS_setresuid, PRETENDS))
INSTALLER(pretends_capset, ONE(SYS_capset, PRETENDS))
INSTALLER(pretends_nnp, OF(SYS_prctl, PR_SET_NO_NEW_PRIVS, PRETENDS))
/* For every capability but the last: one look at the last would not find it. */
INSTALLER(pretends_some_drops, {SYS_prctl, {PR_CAPBSET_DROP, AT_LEAST(38), ANY}, SECCOMP_RET_ALLOW},
          OF(SYS_prctl, PR_CAPBSET_DROP, PRETENDS))

/* The caller is as asked already, so that no rehearsal tells. */
static void make_caller_as_asked(const struct rule *rules, size_t len)
{
    make_installer(rules, len);
    raw_drop(ECUSER_UID, BIT(10));
    require(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "PR_SET_NO_NEW_PRIVS");
}

static void pretends_drops_to_others(void)
{
    static const struct rule rules[] = {OF(SYS_prctl, PR_CAPBSET_DROP, PRETENDS)};
    make_caller_as_asked(rules, LEN(rules));
}

static void knows_nothing_of_names(void)
{
    static const struct rule rules[] = {ONE(SYS_uname, FAILS_WITH(EPERM))};
    make_caller_as_asked(rules, LEN(rules));
}

#define COMES(what, make_) \
    SITUATION("a filter that comes for all threads while they are being stopped " what, .make = make_, .needs_ids = true, \
              .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED, .meanwhile = FIELD_SECCOMP)

static const struct situation comes[] = {
    COMES("kills the thread at setresuid", kills_setresuid),
    COMES("kills the thread at capset", kills_capset),
    COMES("kills the process at capset", kills_process_at_capset),
    COMES("traps at setgroups (SIGSYS)", traps_setgroups),
    COMES("refuses setresuid", refuses_setresuid),
    COMES("refuses PR_SET_NO_NEW_PRIVS", refuses_nnp),
    COMES("pretends that setgroups worked", pretends_setgroups),
    COMES("pretends that setresgid worked", pretends_setresgid),
    COMES("pretends that setresuid worked", pretends_setresuid),
    COMES("pretends that capset worked", pretends_capset),
    COMES("pretends that PR_SET_NO_NEW_PRIVS worked", pretends_nnp),
    COMES("pretends that PR_CAPBSET_DROP worked, for all but the last capabilities", pretends_some_drops),
    /* Which only threads ask that no filter looks at. */
    SITUATION("a filter that comes for all threads while they are being stopped kills the process at getresuid",
              .make = kills_process_at_getresuid, .needs_ids = true, .outcomes = DONE, .fields = FIELDS_ALL & ~FIELD_SECCOMP),
    SITUATION("a filter that comes for all threads while they are being stopped, beside a caller that is as asked already",
              .make = knows_nothing_of_names, .needs_ids = true, .outcomes = DONE, .fields = FIELDS_ALL & ~FIELD_SECCOMP,
              .threads = 5),
    SITUATION("the same filter pretends that PR_CAPBSET_DROP worked", .make = pretends_drops_to_others, .needs_ids = true,
              .outcomes = GONE, .says = {"PR_CAPBSET_DROP"}),
};

/* At any time, with many threads, so that the stop takes a while. */
static volatile int started;

static void *installs_some_time(void *unused)
{
    (void)unused;
    static const struct rule rules[] = {ONE(SYS_capset, SECCOMP_RET_KILL_THREAD), ONE(SYS_setgroups, FAILS_WITH(EPERM)),
                                        OF(SYS_prctl, PR_SET_NO_NEW_PRIVS, PRETENDS)};
    struct timespec from, now;
    shared->flag = 1;
    while (!started)
        ;
    clock_gettime(CLOCK_MONOTONIC, &from);
    long wait = (long)(shared->round * 7919 * 13 % 4000000);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - from.tv_sec) * 1000000000 + now.tv_nsec - from.tv_nsec < wait);
    if (seccomp_rules(&rules[shared->round % 3], 1, SECCOMP_FILTER_FLAG_TSYNC) && errno != EPERM) /* after the drop */
        complain("seccomp: %s", strerror(errno));
    return wait_forever();
}

static void make_some_time(void) { thread_beside(100, installs_some_time, NULL); }

static int drop_meanwhile(void)
{
    started = 1;
    return drop();
}

/* --- a process that is its user already, under what a service manager forbids ---------------------------------------------- */

/* systemd's @privileged, without what changes no credentials. */
static const int privileged[] = {SYS_capset,   SYS_chroot,    SYS_setfsgid,  SYS_setfsuid, SYS_setgid, SYS_setgroups,
                                 SYS_setregid, SYS_setresgid, SYS_setresuid, SYS_setreuid, SYS_setuid};

static void is_ecuser_already(unsigned action)
{
    require(!setgroups(3, ECUSER_GROUPS) && !setresgid(ECUSER_GID, ECUSER_GID, ECUSER_GID) &&
                !setresuid(ECUSER_UID, ECUSER_UID, ECUSER_UID) && !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
            "ecuser's ids");
    idle_threads(2);
    struct rule rules[LEN(privileged)];
    for (size_t at = 0; at < LEN(privileged); at++)
        rules[at] = CALLS(privileged[at], action);
    require(seccomp_rules(rules, LEN(rules), SECCOMP_FILTER_FLAG_TSYNC) == 0, "seccomp");
}

static void is_ecuser_or_killed(void) { is_ecuser_already(SECCOMP_RET_KILL_PROCESS); }
static void is_ecuser_or_refused(void) { is_ecuser_already(FAILS_WITH(EPERM)); }
static void is_ecuser_or_lied_to(void) { is_ecuser_already(PRETENDS); }

static const struct situation already[] = {
    SITUATION("what is asked for is so already, and a filter kills for every call that changes credentials",
              .make = is_ecuser_or_killed, .needs_ids = true, .caps = "", .outcomes = DONE, .threads = 3),
    SITUATION("what is asked for is so already, and a filter refuses every call that changes credentials",
              .make = is_ecuser_or_refused, .needs_ids = true, .caps = "", .outcomes = DONE, .threads = 3),
    SITUATION("what is asked for is so already, and a filter pretends that every call that changes credentials works",
              .make = is_ecuser_or_lied_to, .needs_ids = true, .caps = "", .outcomes = DONE, .threads = 3),
};

/* --- a filter that hides what is held ---------------------------------------------------------------------------------------- */

static void hides(long number, long first)
{
    idle_threads(2);
    filter(number, first, PRETENDS, true);
}

static void hides_capget(void) { hides(SYS_capget, -1); }
static void hides_getgroups(void) { hides(SYS_getgroups, -1); }
static void hides_bounding(void) { hides(SYS_prctl, PR_CAPBSET_READ); }
static void hides_securebits(void) { hides(SYS_prctl, PR_GET_SECUREBITS); }
static void hides_nnp(void) { hides(SYS_prctl, PR_GET_NO_NEW_PRIVS); }
static void hides_getresuid(void) { hides(SYS_getresuid, -1); }
static void hides_getresgid(void) { hides(SYS_getresgid, -1); }
static void hides_mode(void)
{
    idle_threads(2);
    filter(SYS_prctl, PR_GET_SECCOMP, PRETENDS, true);
    filter(SYS_setresuid, -1, PRETENDS, true);
}

/* The list that was there lacks the primary group alone. Who has no CAP_SETGID may leave it so, but not who has made the call. */
static void lacks_primary(void)
{
    gid_t others[LEN(ECUSER_GROUPS)];
    size_t len = 0;
    for (size_t at = 0; at < LEN(ECUSER_GROUPS); at++)
        if (ECUSER_GROUPS[at] != ECUSER_GID)
            others[len++] = ECUSER_GROUPS[at];
    require(len == LEN(ECUSER_GROUPS) - 1 && !setgroups(len, others), "setgroups");
    idle_threads(2);
}

static void lacks_primary_for_good(void)
{
    lacks_primary();
    filter(SYS_setgroups, -1, PRETENDS, true);
}

static void *with_filter(void *rules)
{
    require(seccomp_rules(rules, 2, 0) == 0, "seccomp");
    shared->flag = 1;
    return wait_forever();
}

static void another_with_filter(const struct rule *rules)
{
    thread(with_filter, (void *)rules);
    wait_for(&shared->flag, 1);
}

static void another_lacks_primary_for_good(void)
{
    static const struct rule rules[] = {ONE(SYS_setgroups, PRETENDS), ONE(SYS_chroot, PRETENDS)};
    lacks_primary();
    another_with_filter(rules);
}

static void another_hides_mode(void)
{
    static const struct rule rules[] = {OF(SYS_prctl, PR_GET_SECCOMP, PRETENDS), ONE(SYS_capset, PRETENDS)};
    another_with_filter(rules);
}

/* It is the one to write the line before the end, and is killed at that. */
static void another_killed_at_its_line(void)
{
    static const struct rule rules[] = {ONE(SYS_capset, FAILS_WITH(EPERM)), ONE(SYS_timer_create, SECCOMP_RET_KILL_THREAD)};
    another_with_filter(rules);
}

static void another_killed_when_counted(void)
{
    static const struct rule rules[] = {ONE(SYS_futex, SECCOMP_RET_KILL_THREAD), ONE(SYS_chroot, PRETENDS)};
    another_with_filter(rules);
}

static void hides_number_of_threads(void)
{
    require(private_mounts() && mount("none", "/proc", "tmpfs", 0, NULL) == 0, "mount over /proc");
    hides(SYS_unshare, -1);
}

/* What is held is read in /proc, which no filter hides: done, or refused; never success with anything kept. */
static const struct situation hidden[] = {
    SITUATION("capget", .make = hides_capget, .outcomes = DONE | REFUSED, .threads = 3),
    SITUATION("capget, all to be given up", .make = hides_capget, .caps = "", .outcomes = DONE | REFUSED, .threads = 3),
    SITUATION("getgroups", .make = hides_getgroups, .outcomes = DONE | REFUSED, .threads = 3),
    SITUATION("PR_CAPBSET_READ", .make = hides_bounding, .outcomes = DONE | REFUSED, .threads = 3),
    SITUATION("PR_GET_SECUREBITS", .make = hides_securebits, .outcomes = DONE | REFUSED, .threads = 3),
    SITUATION("PR_GET_NO_NEW_PRIVS", .make = hides_nnp, .outcomes = DONE | REFUSED, .threads = 3),
    SITUATION("getresuid", .make = hides_getresuid, .outcomes = DONE | REFUSED, .threads = 3),
    SITUATION("getresgid", .make = hides_getresgid, .outcomes = DONE | REFUSED, .threads = 3),
    SITUATION("PR_GET_SECCOMP, and another pretends", .make = hides_mode, .outcomes = REFUSED, .threads = 3),
    SITUATION("PR_GET_SECCOMP of another thread, and one pretends that capset worked", .make = another_hides_mode,
              .needs_ids = true, .outcomes = GONE, .says = {"capset"}, .threads = 2),
    SITUATION("PR_GET_SECCOMP of another thread, and one pretends that capset made effective what it keeps",
              .make = another_hides_mode, .caps = "all=ep cap_sys_resource-ep", .needs_ids = true, .outcomes = GONE,
              .says = {"capset"}, .threads = 2),
    SITUATION("that setgroups has not added the primary group", .make = lacks_primary_for_good, .needs_ids = true,
              .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED, .says = {"setgroups"}, .threads = 3),
    SITUATION("that setgroups of another thread has not added the primary group", .make = another_lacks_primary_for_good,
              .needs_ids = true, .outcomes = GONE, .says = {"setgroups"}, .threads = 4),
    SITUATION("which thread cannot follow, by killing it before it says so", .make = another_killed_at_its_line,
              .needs_ids = true, .outcomes = GONE, .says = {"aborting"}, .threads = 2),
    SITUATION("that a thread has been killed when it had stopped", .make = another_killed_when_counted, .outcomes = GONE,
              .says = {"was killed"}, .threads = 2),
    SITUATION("that there are other threads, without /proc", .make = hides_number_of_threads, .outcomes = REFUSED,
              .status = EC_SECURITY_EPROC, .threads = 3),
};

/* --- a thread whose own filter says that there is none ------------------------------------------------------------------------ */

static const struct rule *own_rules;
static size_t own_len;

static void hides_its_filter(void) { require(seccomp_rules(own_rules, own_len, 0) == 0, "seccomp"); }

#define HIDDEN_FILTER(name, ...) \
    static void name(void) \
    { \
        static const struct rule rules[] = {OF(SYS_prctl, PR_GET_SECCOMP, PRETENDS), __VA_ARGS__}; \
        own_rules = rules; \
        own_len = LEN(rules); \
        changed_thread(2, hides_its_filter); \
    }

HIDDEN_FILTER(own_capset, ONE(SYS_capset, PRETENDS))
HIDDEN_FILTER(own_setgroups, ONE(SYS_setgroups, PRETENDS))
HIDDEN_FILTER(own_setresgid, ONE(SYS_setresgid, PRETENDS))
HIDDEN_FILTER(own_setresuid, ONE(SYS_setresuid, PRETENDS))
HIDDEN_FILTER(own_bounding, OF(SYS_prctl, PR_CAPBSET_DROP, PRETENDS))
HIDDEN_FILTER(own_keep_caps, OF(SYS_prctl, PR_SET_KEEPCAPS, PRETENDS))
HIDDEN_FILTER(own_nnp, OF(SYS_prctl, PR_SET_NO_NEW_PRIVS, PRETENDS))
HIDDEN_FILTER(own_prctl, ONE(SYS_prctl, PRETENDS), ONE(SYS_capset, PRETENDS))
HIDDEN_FILTER(own_all, ONE(SYS_prctl, PRETENDS), ONE(SYS_capset, PRETENDS), ONE(SYS_setgroups, PRETENDS),
              ONE(SYS_setresgid, PRETENDS), ONE(SYS_setresuid, PRETENDS))

#define ANY_OUTCOME(name_, make_) \
    {.name = "a thread whose filter hides itself and pretends " name_, \
     .make = make_, \
     .outcomes = DONE | REFUSED | GONE, \
     .threads = 4}

static const struct situation hiding[] = {
    ANY_OUTCOME("capset", own_capset),
    ANY_OUTCOME("setgroups", own_setgroups),
    ANY_OUTCOME("setresgid", own_setresgid),
    ANY_OUTCOME("setresuid", own_setresuid),
    ANY_OUTCOME("PR_CAPBSET_DROP", own_bounding),
    ANY_OUTCOME("PR_SET_KEEPCAPS", own_keep_caps),
    ANY_OUTCOME("PR_SET_NO_NEW_PRIVS", own_nnp),
    ANY_OUTCOME("prctl and capset", own_prctl),
    ANY_OUTCOME("all that changes credentials", own_all),
};

/* --- the dumpable flag and the parent-death signal ---------------------------------------------------------------------------- */

static const struct {
    const char *name;
    unsigned action;
} ways[] = {
    {"refuses", FAILS_WITH(EPERM)},
    {"pretends", PRETENDS},
    {"kills the process at", SECCOMP_RET_KILL_PROCESS},
    {"kills the thread at", SECCOMP_RET_KILL_THREAD},
    {"traps at", SECCOMP_RET_TRAP},
};

/* Which value of the flag cannot be set, and what is asked for. */
enum { ANY_VALUE, ONLY_1, VALUES };
enum { PLAIN, REFUSED_LATER, DUMPABLE, FLAG_AIMS };

static struct {
    char name[160];
    unsigned way, value, aim;
    bool threads;
} flag_of[LEN(ways) * VALUES * FLAG_AIMS * 2];
static struct situation flags[LEN(flag_of)];

static void make_flag(void)
{
    size_t at = (size_t)(current - flags);
    struct rule rules[] = {
        {SYS_prctl, {PR_SET_DUMPABLE, flag_of[at].value == ONLY_1 ? 1 : ANY, ANY}, ways[flag_of[at].way].action},
        {flag_of[at].aim == REFUSED_LATER ? SYS_capset : SYS_uname, {ANY, ANY, ANY}, FAILS_WITH(EPERM)},
    };
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    if (flag_of[at].threads)
        idle_threads(2);
    require(seccomp_rules(rules, LEN(rules), SECCOMP_FILTER_FLAG_TSYNC) == 0, "seccomp");
}

static int drop_with_flag(void)
{
    size_t at = (size_t)(current - flags);
    return apply_of((const char *const[]){"user", "ecuser", "capabilities", "cap_net_bind_service+ep", "dumpable",
                                          flag_of[at].aim == DUMPABLE ? "on" : NULL, NULL});
}

static void flag_is_kept(void)
{
    size_t at = (size_t)(current - flags);
    /* Done, the flag is as the kernel leaves it but with dumpable=on, which none of these can have. */
    if (flag_of[at].aim != PLAIN && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 1)
        complain("the dumpable flag has gone");
}

/* A filter that pretends to set 1 alone is found when the flag is to be put back: then the process ends. */
static void make_flags(void)
{
    size_t at = 0;
    for (unsigned way = 0; way < LEN(ways); way++)
        for (unsigned value = 0; value < VALUES; value++)
            for (unsigned aim = 0; aim < FLAG_AIMS; aim++)
                for (int threads = 0; threads < 2; threads++, at++) {
                    static const char *const aims[] = {"", ", and capset is refused", ", and dumpable is on"};
                    bool lost = ways[way].action == PRETENDS && value == ONLY_1 && aim != PLAIN;
                    flag_of[at].way = way;
                    flag_of[at].value = value;
                    flag_of[at].aim = aim;
                    flag_of[at].threads = threads;
                    snprintf(flag_of[at].name, sizeof flag_of[at].name, "a filter %s PR_SET_DUMPABLE%s%s, %s", ways[way].name,
                             value == ONLY_1 ? " of 1" : "", aims[aim], threads ? "three threads" : "one thread");
                    flags[at] = (struct situation){.name = flag_of[at].name,
                                                   .cannot = ways[way].action == SECCOMP_RET_KILL_PROCESS ? dumps_end_callers
                                                                                                          : NULL,
                                                   .make = make_flag,
                                                   .call = drop_with_flag,
                                                   .then = flag_is_kept,
                                                   .needs_ids = true,
                                                   .outcomes = lost           ? GONE
                                                               : aim == PLAIN ? DONE
                                                                              : REFUSED,
                                                   .status = EC_SECURITY_EREFUSED,
                                                   .threads = threads ? 3 : 1};
                }
}

/* A process that other processes of its user may attach to belongs to that user in /proc (proc(5)); the attached one could write to the
 * memory that it has in common with others, or take its descriptors. */
static void may_be_attached_to(pid_t asker)
{
    char path[64];
    struct stat status, directory;
    snprintf(path, sizeof path, "/proc/%d", asker);
    bool seen = stat(path, &directory) == 0;
    strcat(path, "/status");
    if (!seen || stat(path, &status) != 0) {
        shared->milliseconds = -1000;
        return;
    }
    /* The first belongs to the effective user id whatever the flag is. */
    if (directory.st_uid != 0) {
        shared->count++;
        shared->milliseconds += status.st_uid == directory.st_uid;
    }
}

static void watched(void)
{
    static const struct supervisor supervisor = {.only = -1, .look = may_be_attached_to};
    static const struct rule rules[] = {ONE(SYS_exit, SECCOMP_RET_USER_NOTIF), ONE(SYS_capset, SECCOMP_RET_USER_NOTIF)};
    require(seccomp_supervised(rules, LEN(rules), 0, &supervisor) > 0, "a supervisor");
}

static void make_watched_children(void)
{
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    watched();
    idle_threads(2);
}

static int check_and_drop_dumpable(void)
{
    static const char *const pairs[] = {"user", "ecuser", "capabilities", "cap_net_bind_service+ep", "dumpable", "on", NULL};
    int status = check_of(pairs);
    if (status != EC_SECURITY_OK)
        complain("check: %s", ec_security_last_error());
    int of_check = shared->count;
    status = apply_of(pairs);
    if (!of_check || shared->count == of_check)
        complain("not seen: %d in the check, %d in all", of_check, shared->count);
    return status;
}

static void nobody_could_attach_and_flag_is(int dumpable)
{
    if (shared->count == 0 || shared->milliseconds != 0)
        complain("%d of %d times a process of the user's could attach", shared->milliseconds, shared->count);
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != dumpable)
        complain("the dumpable flag is not %d", dumpable);
}

static void nobody_could_attach(void) { nobody_could_attach_and_flag_is(1); }
static void nobody_could_attach_and_flag_has_gone(void) { nobody_could_attach_and_flag_is(0); }

static void make_user_with_all(uid_t real_and_saved)
{
    uint32_t header[2] = {0x20080522, 0}, sets[6];
    prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    require(syscall(SYS_setgroups, 0, NULL) == 0 && syscall(SYS_setresgid, ECUSER_GID, ECUSER_GID, ECUSER_GID) == 0 &&
                syscall(SYS_setresuid, real_and_saved, ECUSER_UID, real_and_saved) == 0,
            "ids");
    require(syscall(SYS_capget, header, sets) == 0, "capget");
    sets[0] = sets[1];
    sets[3] = sets[4];
    require(syscall(SYS_capset, header, sets) == 0, "capset");
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/* As a service manager starts it: the user already, with capabilities that no other process of the user has. */
static void make_service(void)
{
    make_user_with_all(ECUSER_UID);
    changed_thread(0, watched);
}

static void make_root_as_user(void)
{
    make_user_with_all(0);
    changed_thread(0, watched);
}

static void make_watched_service(void)
{
    make_user_with_all(ECUSER_UID);
    watched();
    idle_threads(2);
}

/* The rehearsal's child has the user's ids when it comes to its last capset(2). */
static void kills_child(pid_t asker)
{
    if (asker != shared->tid && shared->count < 3) {
        shared->count++;
        kill(asker, SIGKILL);
    }
}

/* Not at once, and each time. */
static void holds_and_kills_child(pid_t asker)
{
    if (asker != shared->tid) {
        nap(700);
        kill(asker, SIGKILL);
    }
}

static void supervise_children(const struct supervisor *supervisor)
{
    static const struct rule rules[] = {ONE(SYS_capset, SECCOMP_RET_USER_NOTIF)};
    shared->tid = getpid();
    require(seccomp_supervised(rules, LEN(rules), 0, supervisor) > 0, "a supervisor");
}

static void make_killed_children(void)
{
    static const struct supervisor supervisor = {.only = -1, .look = kills_child};
    supervise_children(&supervisor);
}

static void make_held_children(void)
{
    static const struct supervisor supervisor = {.only = -1, .look = holds_and_kills_child};
    supervise_children(&supervisor);
}

static int drop_in_a_second(void) { return drop_within("1"); }

static void three_were_killed(void)
{
    if (shared->count != 3)
        complain("%d were killed", shared->count);
}

static const struct rule loses_signal[] = {OF(SYS_prctl, PR_SET_PDEATHSIG, PRETENDS), ONE(SYS_chroot, PRETENDS)};

static void make_signal_lost(void)
{
    idle_threads(2);
    prctl(PR_SET_PDEATHSIG, SIGUSR1);
    require(seccomp_rules(loses_signal, LEN(loses_signal), SECCOMP_FILTER_FLAG_TSYNC) == 0, "seccomp");
}

static void *has_signal_lost(void *rules)
{
    prctl(PR_SET_PDEATHSIG, SIGUSR1);
    return with_filter(rules);
}

static void make_another_signal_lost(void)
{
    thread(has_signal_lost, (void *)loses_signal);
    wait_for(&shared->flag, 1);
}

static int drop_with_signal(void)
{
    return apply_of(
        (const char *const[]){"user", "ecuser", "capabilities", "cap_net_bind_service+ep", "parent_death_signal", "keep", NULL});
}

static void signal_is_kept(void)
{
    int signal = 0;
    if (prctl(PR_GET_PDEATHSIG, &signal, 0, 0, 0) || signal != SIGUSR1)
        complain("the parent-death signal has gone");
}

static const struct situation signals[] = {
    SITUATION("PR_SET_PDEATHSIG of all threads", .make = make_signal_lost, .call = drop_with_signal, .then = signal_is_kept,
              .needs_ids = true, .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED, .says = {"PR_SET_PDEATHSIG"}, .threads = 3),
    SITUATION("PR_SET_PDEATHSIG of another thread", .make = make_another_signal_lost, .call = drop_with_signal, .needs_ids = true,
              .outcomes = GONE, .says = {"no effect of", "PR_SET_PDEATHSIG"}, .threads = 2),
};

/* --- a change of the effective set that is pretended ----------------------------------------------------------------------------- */

static void make_pretended_raise(void)
{
    require(ec_security_lower("cap_kill+e") == EC_SECURITY_OK, "lower");
    filter(SYS_capset, -1, PRETENDS, true);
}

static int raise_and_drop(void)
{
    if (ec_security_raise("cap_kill+e") != EC_SECURITY_EREFUSED || !strstr(ec_security_last_error(), "did not take effect"))
        complain("raise: %s", ec_security_last_error());
    return drop();
}

static const struct situation pretended_raise = SITUATION("the process's seccomp filter pretends a raise of the effective set",
                                                          .make = make_pretended_raise, .call = raise_and_drop,
                                                          .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED);

void promise_of_filters(void)
{
    situation(&pretended_raise);
    static const struct situation some_time = SITUATION("a filter that comes for all threads some time during the call",
                                                        .make = make_some_time, .call = drop_meanwhile, .needs_ids = true,
                                                        .outcomes = DONE | REFUSED | GONE, .meanwhile = FIELD_SECCOMP,
                                                        .threads = 100);
    situations_together("filters that come for all threads while they are being stopped", 60, comes, LEN(comes));
    situation_rounds("a filter that comes for all threads some time during the call, 120 times", 400, &some_time, 120);
    situations_together("filters over what is so already", 60, already, LEN(already));
    static const struct situation attached[] = {
        SITUATION("dumpable is on, and processes of the user would attach to the rehearsal", .make = make_watched_children,
                  .call = check_and_drop_dumpable, .then = nobody_could_attach, .needs_ids = true, .outcomes = DONE,
                  .threads = 3),
        SITUATION("the user already, with capabilities, and processes of the user would attach amid the change",
                  .make = make_service, .then = nobody_could_attach, .needs_ids = true, .outcomes = DONE, .threads = 2),
        SITUATION("the user already, dumpable is on, and processes of the user would attach to the rehearsal",
                  .make = make_watched_service, .call = check_and_drop_dumpable, .then = nobody_could_attach, .needs_ids = true,
                  .outcomes = DONE, .threads = 3),
        SITUATION("processes of the user kill the rehearsal, three times", .make = make_killed_children,
                  .then = three_were_killed, .needs_ids = true, .outcomes = DONE),
        SITUATION("processes of the user hold the rehearsal and kill it, each time", .make = make_held_children,
                  .call = drop_in_a_second, .needs_ids = true, .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED,
                  .within = 4000),
        SITUATION("root as the user for a time, and processes of the user would attach amid the change",
                  .make = make_root_as_user, .then = nobody_could_attach_and_flag_has_gone, .needs_ids = true, .outcomes = DONE,
                  .threads = 2),
    };
    for (size_t at = 0; at < LEN(attached); at++)
        situation(&attached[at]);
    make_flags();
    situations_unlisted("filters over the dumpable flag", 120, flags, LEN(flags));
    situations_unlisted("filters that pretend to set the parent-death signal", 60, signals, LEN(signals));
    situations_unlisted("filters that hide what is held", 60, hidden, LEN(hidden));
    situations_unlisted("filters of a thread's own that hide themselves", 60, hiding, LEN(hiding));
}
