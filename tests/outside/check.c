/* ec_security_policy_check against ec_security_policy_apply where one system call is denied, or a thread cannot be stopped:
 * both refuse, in the same words, and nothing has changed. */

#include "outside.h"
#include "seccomp.h"

#include <ec_security.h>
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum how { WITH_EPERM, WITH_ENOSYS, LIES, KILLS };

struct denied {
    const char *name;
    int number;
    long first, second; /* arguments; -1: any */
    enum how how;
    int status;
    const char *text;
    bool only_in_apply; /* which stops threads: a check does not see it */
};

static bool deny(const struct denied *denied)
{
    unsigned action = denied->how == KILLS        ? SECCOMP_RET_KILL_PROCESS
                      : denied->how == LIES       ? SECCOMP_RET_ERRNO
                      : denied->how == WITH_EPERM ? SECCOMP_RET_ERRNO | EPERM
                                                  : SECCOMP_RET_ERRNO | ENOSYS;
    struct rule rule = {denied->number,
                        {denied->first < 0 ? ANY : (unsigned)denied->first, denied->second < 0 ? ANY : (unsigned)denied->second,
                         ANY},
                        action};
    return seccomp_rule(rule, SECCOMP_FILTER_FLAG_TSYNC) == 0;
}

static ec_security_policy *everything(void)
{
    static const char *const options[][2] = {
        {"user", "ecuser"},
        {"capabilities", "cap_net_bind_service,cap_kill+ep cap_chown+i"},
        {"chroot", "/mnt/jail"},
        {"ambient", "cap_kill"},
        {"securebits", "noroot noroot_locked"},
        {"parent_death_signal", "keep"},
        {"dumpable", "on"},
    };
    ec_security_policy *policy = ec_security_policy_new();
    for (size_t at = 0; at < sizeof options / sizeof *options; at++)
        if (!policy || ec_security_policy_set(policy, options[at][0], options[at][1]))
            _exit(80);
    return policy;
}

static volatile sig_atomic_t children_announced;
static void announced(int signal)
{
    (void)signal;
    children_announced++;
}

static void checks_and_applies(ec_security_policy *policy)
{
    struct sigaction action = {.sa_handler = announced}, after;
    sigaction(SIGCHLD, &action, NULL);
    int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    ready();
    int status = ec_security_policy_check(policy);
    char text[1024];
    snprintf(text, sizeof text, "%s", status ? ec_security_last_error() : "");
    report(status, text);
    ready();
    status = ec_security_policy_apply(policy);
    snprintf(text, sizeof text, "%s", status ? ec_security_last_error() : "");
    sigaction(SIGCHLD, NULL, &after);
    if (status && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != dumpable)
        snprintf(text, sizeof text, "the dumpable flag has changed");
    if (children_announced || after.sa_handler != announced)
        snprintf(text, sizeof text, "SIGCHLD has come, or has another handler");
    report(status, text);
}

static void is_denied(void *arg)
{
    ec_security_policy *policy = everything();
    idle_threads(3);
    /* A first failure, so that this thread has memory for the text of the next one. */
    if (ec_security_policy_set(policy, "no such option", "") != EC_SECURITY_EOPTION || !deny(arg))
        _exit(81);
    checks_and_applies(policy);
}

static void refused_by_both(struct child *child, int status, const char *word, bool only_in_apply)
{
    struct process *before = look(child->pid);
    struct answer *check = release_and_wait(child);
    if (only_in_apply)
        expect(check->came && check->status == EC_SECURITY_OK, "check: %d %s", check->status, check->text);
    else
        expect(check->came && check->status == status && strstr(check->text, word), "check: %d %s", check->status, check->text);
    expect_unchanged(before, look(child->pid));
    char said[1024];
    snprintf(said, sizeof said, "%s", check->text);
    struct answer *apply = release_and_wait(child);
    expect(apply->came && apply->status == status && strstr(apply->text, word), "apply: %d %s", apply->status, apply->text);
    if (!only_in_apply)
        expect(!strcmp(apply->text, said), "apply: %s; check: %s", apply->text, said);
    if (status)
        expect_unchanged(before, look(child->pid));
    char path[64], link[256] = "";
    snprintf(path, sizeof path, "/proc/%d/root", child->pid);
    expect(readlink(path, link, sizeof link - 1) > 0 && !strcmp(link, status ? "/" : "/mnt/jail"), "root directory %s", link);
}

/* A child, and how its check and its apply refuse; EC_SECURITY_OK where both do not. */
struct same {
    void (*body)(void *);
    int status;
    const char *word;
};

static void same_refusal(void *arg)
{
    const struct same *same = arg;
    struct child *child = start_with_ids(same->body, NULL);
    if (child)
        refused_by_both(child, same->status, same->word, false);
}

static void one_call_denied(void *arg)
{
    struct denied *denied = arg;
    struct child *child = start_with_ids(is_denied, arg);
    if (child)
        refused_by_both(child, denied->status, denied->text, denied->only_in_apply);
}

/* What an apply needs for its way back: it may end there, and the check says so before. */
static void flag_cannot_be_set(void *arg)
{
    struct denied *denied = arg;
    struct child *child = start_with_ids(is_denied, arg);
    if (!child)
        return;
    struct answer *check = release_and_expect(child, denied->status);
    expect(strstr(check->text, denied->text), "check: %s", check->text);
    expect_unchanged(child->before, look(child->pid));
}

/* A thread that nobody can stop: it blocks the signal by a raw call. */
static long blocks_everything(void *unused)
{
    (void)unused;
    uint64_t all = UINT64_MAX;
    return syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8);
}

static void has_a_deaf_thread(void *unused)
{
    (void)unused;
    ec_security_policy *policy = everything();
    if (ec_security_policy_set(policy, "deadline", "0.3"))
        _exit(82);
    idle_threads(2);
    each(start_workers(1), blocks_everything, NULL);
    checks_and_applies(policy);
}

/* A thread that holds less than the caller, and so cannot follow. */
static long loses_setuid(void *unused)
{
    (void)unused;
    return !give_up_caps(BIT(CAP_SETUID));
}

static void has_a_poor_thread(void *unused)
{
    (void)unused;
    ec_security_policy *policy = everything();
    idle_threads(2);
    if (each(start_workers(1), loses_setuid, NULL))
        _exit(83);
    checks_and_applies(policy);
}

static void is_fine(void *unused)
{
    (void)unused;
    ec_security_policy *policy = everything();
    idle_threads(3);
    checks_and_applies(policy);
}

/* In a handler on an alternate stack, both are refused. */
static volatile sig_atomic_t handled[2];
static ec_security_policy *in_handler;
static void handler(int signal)
{
    (void)signal;
    handled[0] = ec_security_policy_check(in_handler);
    handled[1] = ec_security_policy_apply(in_handler);
}

static void calls_in_handler(void *unused)
{
    (void)unused;
    in_handler = everything();
    static char stack[65536];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    sigaltstack(&alternate, NULL);
    sigaction(SIGUSR1, &action, NULL);
    idle_threads(2);
    ready();
    raise(SIGUSR1);
    report(handled[0] * 100 + handled[1], ec_security_last_error());
}

static void in_a_handler(void *unused)
{
    (void)unused;
    struct child *child = start_with_ids(calls_in_handler, NULL);
    if (!child)
        return;
    release_and_expect(child, EC_SECURITY_EBUSY * 101);
    expect_unchanged(child->before, look(child->pid));
}

/* What a rendezvous maps is unmapped by the next at the latest. */
static void checks_often(void *unused)
{
    (void)unused;
    ec_security_policy *policy = everything();
    idle_threads(3);
    /* Not the default: one of two hundred rehearsals may take longer than that on an emulated machine. */
    int status = ec_security_policy_set(policy, "deadline", "60");
    if (status == EC_SECURITY_OK)
        status = ec_security_policy_check(policy);
    ready();
    for (int at = 0; at < 200 && status == EC_SECURITY_OK; at++)
        status = ec_security_policy_check(policy);
    report(status, ec_security_last_error());
}

/* proc_pid_statm(5): the first number, in pages. */
static long pages_of(pid_t pid)
{
    char path[64];
    long pages = -1;
    snprintf(path, sizeof path, "/proc/%d/statm", pid);
    FILE *file = fopen(path, "re");
    expect(file && fscanf(file, "%ld", &pages) == 1, "%s: %s", path, strerror(errno));
    if (file)
        fclose(file);
    return pages;
}

static void leaves_nothing_mapped(void *unused)
{
    (void)unused;
    struct child *child = start_with_ids(checks_often, NULL);
    if (!child)
        return;
    long before = pages_of(child->pid);
    release_and_expect(child, EC_SECURITY_OK);
    long more = pages_of(child->pid) - before;
    expect(more < 200, "%ld more pages are mapped after 200 checks", more);
}

/* --- where no child can be made, or finds itself without memory that it needs ----------------------------------------------------- */

static bool in_new_namespace(void) { return unshare(CLONE_NEWPID) == 0; }

static bool without_processes(void)
{
    /* No limit for user 0, and none for these two (kernel/fork.c, copy_process). */
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    struct rlimit none = {0, 0};
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || syscall(SYS_setresuid, 4713, 4713, 4713) || syscall(SYS_capget, &header, data))
        return false;
    data[0].permitted &= ~(1u << CAP_SYS_ADMIN | 1u << CAP_SYS_RESOURCE);
    data[0].effective = data[0].permitted;
    data[1].effective = data[1].permitted;
    return syscall(SYS_capset, &header, data) == 0 && setrlimit(RLIMIT_NPROC, &none) == 0;
}

/* What children get of the memory in which an object lies: nothing, or again all. */
static bool keep_from_children(const void *object, int advice)
{
    unsigned long from, to, address = (unsigned long)object;
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps && fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx", &from, &to) == 2 && from <= address && address < to) {
            fclose(maps);
            return madvise((void *)from, to - from, advice) == 0;
        }
    return false;
}

static bool without_stack(void) { return keep_from_children(__builtin_frame_address(0), MADV_DONTFORK); }

static bool without_heap(void)
{
    void *volatile object = malloc(100);
    return keep_from_children(object, MADV_DONTFORK);
}

struct childless {
    const char *name;
    bool (*make)(void);
    int status;
    const char
        *filtered; /* how an apply refuses where a filter is active; NULL: it does not, since its child shares all memory */
    bool is_filtered;
};

static void has_no_child(void *arg)
{
    const struct childless *it = arg;
    struct rule rule = CALLS(SYS_uname, FAILS_WITH(EPERM));
    ec_security_policy *policy = everything();
    idle_threads(2); /* in a new pid namespace no thread can be made */
    if (ec_security_policy_set(policy, "no such option", "") != EC_SECURITY_EOPTION ||
        (it->is_filtered && seccomp_rule(rule, SECCOMP_FILTER_FLAG_TSYNC)) || !it->make())
        _exit(84);
    checks_and_applies(policy);
}

static void no_child(void *arg)
{
    const struct childless *it = arg;
    if (!can_change_ids() || !child_can(it->make)) {
        skip("cannot be made here");
        return;
    }
    struct child *child = start(has_no_child, arg);
    if (child)
        refused_by_both(child, it->is_filtered ? it->status : EC_SECURITY_OK, it->is_filtered ? it->filtered : "", false);
}

int main(int argc, char **argv)
{
    select_cases(argc, argv);
    if (!private_users() || mount("tmpfs", "/mnt", "tmpfs", 0, "mode=0755") < 0 || mkdir("/mnt/jail", 0755) < 0 ||
        chdir("/") < 0) {
        perror("surroundings");
        return 70;
    }
    struct same fine = {is_fine, EC_SECURITY_OK, ""};
    test("check: nothing denied", 20, same_refusal, &fine);
    static const struct {
        const char *name;
        int number;
        long first, second;
        const char *step;
        bool always_lied_to; /* a lie shows in the read-back, or else it is a lie about nothing */
    } calls[] = {
        {"fchdir", SYS_fchdir, -1, -1, "chroot", true},
        {"chroot", SYS_chroot, -1, -1, "chroot", true},
        {"chdir", SYS_chdir, -1, -1, "chroot", false},
        {"setgroups", SYS_setgroups, -1, -1, "setgroups", true},
        {"setresgid", SYS_setresgid, -1, -1, "setresgid(4712, 4712, 4712)", true},
        {"setresuid", SYS_setresuid, -1, -1, "setresuid(4711, 4711, 4711)", true},
        {"PR_SET_KEEPCAPS", SYS_prctl, PR_SET_KEEPCAPS, 1, "prctl(PR_SET_KEEPCAPS, 1)", false},
        {"capset", SYS_capset, -1, -1, "capset", false},
        {"PR_CAPBSET_DROP", SYS_prctl, PR_CAPBSET_DROP, 21, "prctl(PR_CAPBSET_DROP) of", true},
        {"PR_CAP_AMBIENT_RAISE", SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, "prctl(PR_CAP_AMBIENT_RAISE) of cap_kill",
         true},
        {"PR_SET_SECUREBITS", SYS_prctl, PR_SET_SECUREBITS, -1, "prctl(PR_SET_SECUREBITS, 0x3)", true},
        {"PR_SET_NO_NEW_PRIVS", SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, "prctl(PR_SET_NO_NEW_PRIVS)", true},
        /* The one that start() has set. */
        {"PR_SET_PDEATHSIG", SYS_prctl, PR_SET_PDEATHSIG, -1, "prctl(PR_SET_PDEATHSIG, 9)", false},
    };
    static const char *const HOW[] = {"denied with EPERM", "denied with ENOSYS", "lied about", "deadly"};
    for (size_t at = 0; at < sizeof calls / sizeof *calls; at++)
        for (int how = WITH_EPERM; how <= KILLS; how++) {
            if (how == LIES && !calls[at].always_lied_to)
                continue;
            char name[96], text[160];
            snprintf(name, sizeof name, "check: %s %s", calls[at].name, HOW[how]);
            snprintf(text, sizeof text, "%s%s", calls[at].step,
                     how == WITH_EPERM && !strcmp(calls[at].step, "capset") ? " (" : "");
            struct denied denied = {name, calls[at].number, calls[at].first, calls[at].second, how, EC_SECURITY_EREFUSED, text,
                                    false};
            test(name, 30, one_call_denied, &denied);
        }
    for (int how = WITH_EPERM; how <= KILLS; how++) {
        static const char *const names[] = {"check: PR_SET_DUMPABLE denied with EPERM",
                                            "check: PR_SET_DUMPABLE denied with ENOSYS", "", "check: PR_SET_DUMPABLE deadly"};
        struct denied denied = {names[how], SYS_prctl, PR_SET_DUMPABLE, 1, how, EC_SECURITY_EREFUSED, "prctl(PR_SET_DUMPABLE, 1)",
                                false};
        if (how != LIES)
            test(names[how], 30, flag_cannot_be_set, &denied);
    }
    /* What is read before the plan is made. */
    static const struct denied reads[] = {
        {"check: capget denied", SYS_capget, -1, -1, WITH_EPERM, EC_SECURITY_OK, "", false},
        {"check: PR_CAPBSET_READ denied", SYS_prctl, PR_CAPBSET_READ, 3, WITH_EPERM, EC_SECURITY_OK, "", false},
        {"check: PR_GET_SECUREBITS denied", SYS_prctl, PR_GET_SECUREBITS, -1, WITH_EPERM, EC_SECURITY_EREFUSED,
         "prctl(PR_GET_SECUREBITS) failed (EPERM", false},
        {"check: getgroups denied", SYS_getgroups, -1, -1, WITH_ENOSYS, EC_SECURITY_EREFUSED, "getgroups failed (ENOSYS", false},
        {"check: clone denied", SYS_clone, -1, -1, WITH_EPERM, EC_SECURITY_EREFUSED, "clone for the rehearsal failed (EPERM",
         false},
        {"check: rt_tgsigqueueinfo denied", SYS_rt_tgsigqueueinfo, -1, -1, WITH_EPERM, EC_SECURITY_ETHREAD,
         "cannot be signalled (EPERM", true},
    };
    for (size_t at = 0; at < sizeof reads / sizeof *reads; at++) {
        struct denied denied = reads[at];
        test(denied.name, 30, one_call_denied, &denied);
    }
    static const struct childless childless[] = {
        {"children go to a new pid namespace", in_new_namespace, EC_SECURITY_EREFUSED, "would be process 1 of the pid namespace",
         false},
        {"no more processes (RLIMIT_NPROC)", without_processes, EC_SECURITY_ERESOURCE, "clone for the rehearsal failed (EAGAIN",
         false},
        {"SCHED_DEADLINE", schedule_by_deadline, EC_SECURITY_ERESOURCE, "a thread of SCHED_DEADLINE cannot have children", false},
        {"a stack that children do not get", without_stack, 0, NULL, false},
        {"a heap that children do not get", without_heap, 0, NULL, false},
    };
    for (size_t at = 0; at < 2 * (sizeof childless / sizeof *childless); at++) {
        struct childless it = childless[at / 2];
        char name[96];
        it.is_filtered = at % 2;
        snprintf(name, sizeof name, "check: %s%s", it.name, it.is_filtered ? ", and a filter" : "");
        if (!it.is_filtered || it.filtered)
            test(name, 30, no_child, &it);
    }
    struct same deaf = {has_a_deaf_thread, EC_SECURITY_ETHREAD, "it blocks the set*id signal by a raw system call"};
    test("check: a thread that cannot be stopped", 30, same_refusal, &deaf);
    struct same poor = {has_a_poor_thread, EC_SECURITY_ETHREAD,
                        "holds other credentials than the caller and cannot be changed as requested: cannot become user 4711: "
                        "setresuid needs cap_setuid, which is not held"};
    test("check: a thread that cannot follow", 30, same_refusal, &poor);
    test("check: 200 in a row leave nothing mapped", 30, leaves_nothing_mapped, NULL);
    test("check: in a signal handler", 20, in_a_handler, NULL);
    return finish();
}
