/* The chroot option: every thread is inside afterwards and nothing leads out, or nothing has changed. */

#include "outside.h"
#include "policy_of.h"
#include "seccomp.h"

#include <dirent.h>
#include <ec_security.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- looking ------------------------------------------------------------------------------------------------------- */

static void link_of(pid_t pid, pid_t tid, const char *what, char out[256])
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/%s", pid, tid, what);
    ssize_t len = readlink(path, out, 255);
    out[len < 0 ? 0 : len] = 0;
}

static void expect_roots(pid_t pid, size_t least, const char *root, const char *cwd)
{
    struct process *seen = look(pid);
    expect(seen->len >= least, "%zu threads", seen->len);
    for (size_t at = 0; at < seen->len; at++) {
        char is[2][256];
        link_of(pid, seen->threads[at].tid, "root", is[0]);
        link_of(pid, seen->threads[at].tid, "cwd", is[1]);
        expect(!strcmp(is[0], root) && !strcmp(is[1], cwd), "thread %zu of %zu: root %s, working directory %s", at, seen->len,
               is[0], is[1]);
    }
}

/* The descriptors of one thread, whose table may be its own: "3 /proc, 4 …". */
static char *descriptors(pid_t pid, pid_t tid)
{
    static char rooms[4][4096];
    static int turn;
    char *text = rooms[turn = (turn + 1) % 4], path[64];
    size_t have = 0;
    text[0] = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/fd", pid, tid);
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char name[400], to[256];
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        ssize_t len = readlink(name, to, sizeof to);
        if (len > 0)
            have += (size_t)snprintf(text + have, sizeof rooms[0] - have, "%s %.*s, ", entry->d_name, (int)len, to);
    }
    if (directory)
        closedir(directory);
    return text;
}

/* --- what the child does ------------------------------------------------------------------------------------------- */

static ec_security_policy *policy;

static void set(const char *option, const char *value)
{
    if (ec_security_policy_set(policy, option, value)) {
        fprintf(stderr, "%s = %s: %s\n", option, value, ec_security_last_error());
        _exit(80);
    }
}

static long unshares(void *flags)
{
    if (unshare(*(int *)flags))
        _exit(83);
    return 0;
}

static long gives_up_chroot(void *unused)
{
    (void)unused;
    return !give_up_caps(BIT(CAP_SYS_CHROOT));
}

/* How many ways out this thread finds. */
static long ways_out(void *unused)
{
    (void)unused;
    struct stat root, up, here;
    long found = 0;
    if (stat("/", &root) || stat("/..", &up) || stat("..", &here))
        return 100;
    found += up.st_ino != root.st_ino || up.st_dev != root.st_dev;
    found += here.st_ino != root.st_ino || here.st_dev != root.st_dev;
    for (int at = 0; at < 20; at++)
        if (chdir(".."))
            found += 10;
    found += stat(".", &here) || here.st_ino != root.st_ino;
    found += !access("/etc/passwd", F_OK) || !access("../../../../etc/passwd", F_OK) || !access("/mnt", F_OK);
    found += access("/inside", F_OK) != 0;
    /* A descriptor of a directory is the classic way out. */
    for (int fd = 0; fd < 256; fd++)
        if (fstat(fd, &up) == 0 && S_ISDIR(up.st_mode) && (up.st_ino != root.st_ino || up.st_dev != root.st_dev))
            found += 1000;
    return found;
}

struct plan {
    const char *directory, *user, *caps;
    int others;        /* what one more thread unshares */
    bool lacks_chroot; /* and that it has given up CAP_SYS_CHROOT */
    bool alone, no_chroot, gone, in_namespace;
    bool shut; /* the working directory, to the effective user id */
    int status;
    const char *text;
};

static void goes_inside(void *arg)
{
    struct plan *plan = arg;
    if (chdir("/mnt/work"))
        _exit(84);
    if (plan->in_namespace && !user_namespace())
        _exit(89);
    if (plan->gone && (mkdir("gone", 0755) || chdir("gone") || rmdir("/mnt/work/gone")))
        _exit(85);
    if (plan->no_chroot && !give_up_caps(BIT(CAP_SYS_CHROOT)))
        _exit(81);
    if (plan->shut && (chdir("/mnt/closed") || syscall(SYS_setresuid, -1, ECUSER_UID, -1)))
        _exit(90);
    struct worker_pool *others = plan->alone ? NULL : start_workers(2), *one = NULL;
    if (plan->others || plan->lacks_chroot) {
        one = start_workers(1);
        if (plan->others)
            each(one, unshares, &plan->others);
        if (plan->lacks_chroot)
            each(one, gives_up_chroot, NULL);
    }
    ready();
    policy = ec_security_policy_new();
    set("chroot", plan->directory);
    set("user", plan->user);
    set("capabilities", plan->caps);
    report_status(ec_security_policy_check(policy));
    ready();
    report_status(ec_security_policy_apply(policy));
    ready();
    report((int)(ways_out(NULL) + (others ? each(others, ways_out, NULL) : 0) + (one ? each(one, ways_out, NULL) : 0)), "");
}

static void inside(void *arg)
{
    struct plan *plan = arg;
    if (plan->user && !need_ids())
        return;
    struct child *child = start(goes_inside, arg);
    if (!child)
        return;
    size_t threads = (plan->alone ? 1 : 3) + (plan->others || plan->lacks_chroot);
    const char *before_cwd = plan->gone ? "/mnt/work/gone (deleted)" : plan->shut ? "/mnt/closed" : "/mnt/work";
    struct process *before = look(child->pid);
    char *fds[2] = {descriptors(child->pid, child->pid), ""};
    expect_roots(child->pid, threads, "/", before_cwd);

    struct answer *check = release_and_expect(child, plan->status);
    expect_unchanged(before, look(child->pid));
    expect_roots(child->pid, threads, "/", before_cwd);

    struct answer *apply = release_and_expect(child, plan->status);
    expect(!strcmp(check->text, apply->text), "check: %s; apply: %s", check->text, apply->text);
    if (plan->status) {
        expect(strstr(apply->text, plan->text) != NULL, "apply: %s", apply->text);
        expect_unchanged(before, look(child->pid));
        expect_roots(child->pid, threads, "/", before_cwd);
        return;
    }
    expect_roots(child->pid, threads, plan->directory, plan->directory);
    struct thread *was = &before->threads[0], want;
    uint64_t caps = *plan->caps ? BIT(10) : 0;
    want = plan->user ? after_drop(was, ECUSER_UID, ECUSER_GID, ECUSER_GROUPS, 3, caps, caps, 0)
                      : after_drop(was, was->uid[0], was->gid[0], NULL, 0, caps, caps, 0);
    expect_threads(look(child->pid), &want, FIELDS_ALL, threads);
    fds[1] = descriptors(child->pid, child->pid);
    expect(!strcmp(fds[0], fds[1]), "descriptors before: %s after: %s", fds[0], fds[1]);
    struct answer *out = release_and_wait(child);
    /* Where the user cannot search, nothing can be looked for; and out of / there is no way. */
    bool looks = strcmp(plan->directory, "/mnt/closed") && strcmp(plan->directory, "/");
    expect(out->came && (out->status == 0 || !looks), "%d ways out", out->status);
}

/* --- undone -------------------------------------------------------------------------------------------------------- */

/* A filter that asks a supervisor about one call: the rehearsal is let through, the first try of the caller is refused. */
struct refused {
    const char *name;
    int number;
    long first_argument; /* -1: any */
    const char *options[4][2];
};

/* Asks a supervisor about one call. */
static bool ask_about(int number, long first_argument)
{
    struct rule rule = CALLS_OF(number, first_argument < 0 ? ANY : (unsigned)first_argument, SECCOMP_RET_USER_NOTIF);
    struct supervisor supervisor = {.only = getpid(), .first = 1, .many = 1, .error = EPERM};
    return seccomp_supervised(&rule, 1, 0, &supervisor) > 0;
}

struct undone {
    struct refused refused;
    bool gone, own_root;
};

static void is_refused_late(void *arg)
{
    struct undone *undone = arg;
    if (chdir("/mnt/work"))
        _exit(84);
    if (undone->gone && (mkdir("gone", 0755) || chdir("gone") || rmdir("/mnt/work/gone")))
        _exit(85);
    /* The kernel keeps duplicates. */
    gid_t groups[] = {9, 5, 9, 5, 9};
    if (syscall(SYS_setgroups, 5, groups))
        _exit(88);
    bool asks = ask_about(undone->refused.number, undone->refused.first_argument);
    int error = errno;
    start_workers(2);
    int flags = CLONE_FS;
    if (undone->own_root)
        each(start_workers(1), unshares, &flags);
    ready();
    if (!asks) {
        report(-2, strerror(error));
        return;
    }
    policy = ec_security_policy_new();
    set("chroot", "/mnt/jail");
    for (int at = 0; at < 4 && undone->refused.options[at][0]; at++)
        set(undone->refused.options[at][0], undone->refused.options[at][1]);
    int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int status = ec_security_policy_apply(policy), death = 0;
    const char *text = status ? ec_security_last_error() : "";
    prctl(PR_GET_PDEATHSIG, &death);
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != dumpable)
        text = "the dumpable flag has changed";
    if (death != SIGKILL)
        text = "the parent-death signal has changed";
    report(status, text);
    ready();
    /* The supervisor refuses only once. */
    report_status(ec_security_policy_apply(policy));
}

static void is_undone(void *arg)
{
    struct undone *undone = arg;
    struct child *child = start_with_ids(is_refused_late, arg);
    if (!child)
        return;
    const char *cwd = undone->gone ? "/mnt/work/gone (deleted)" : "/mnt/work";
    size_t threads = undone->own_root ? 4 : 3;
    expect_roots(child->pid, threads, "/", cwd);
    struct answer *answer = release_and_wait(child);
    if (skip_for(answer, -2, "seccomp listener"))
        return;
    expect(answer->came && answer->status == EC_SECURITY_EREFUSED && strstr(answer->text, "refused (EPERM"), "%d %s",
           answer->status, answer->text);
    expect_unchanged(child->before, look(child->pid));
    expect_roots(child->pid, threads, "/", cwd);
    release_and_expect(child, 0);
    expect_roots(child->pid, threads, "/mnt/jail", "/mnt/jail");
}

/* --- a daemon's own chroot ----------------------------------------------------------------------------------------- */

struct own {
    bool first; /* the policy is made first */
    bool threads, again;
    int status;
};

static void has_chrooted(void *arg)
{
    struct own *own = arg;
    if (own->first) {
        policy = ec_security_policy_new();
        set("user", "ecuser");
        set("supplemental_groups", "ecextra 8");
        set("supplemental_groups", NULL);
        set("capabilities", "cap_net_bind_service+ep");
    }
    if (own->threads)
        idle_threads(3);
    if (own->again) {
        set("chroot", "/mnt/jail");
        set("capabilities", "cap_net_bind_service,cap_kill+ep");
        if (ec_security_policy_apply(policy))
            _exit(86);
        set("capabilities", "cap_net_bind_service+ep");
    } else if (chroot("/mnt/jail") || chdir("/")) {
        _exit(87);
    }
    if (!own->first) {
        policy = ec_security_policy_new();
        set("user", "4711");
        set("group", "4712");
        set("supplemental_groups", "4712 4713 4714");
        set("capabilities", "cap_net_bind_service+ep");
    }
    ready();
    report_status(ec_security_policy_apply(policy));
}

static void own_chroot(void *arg)
{
    struct own *own = arg;
    struct child *child = start_with_ids(has_chrooted, arg);
    if (!child)
        return;
    release_and_expect(child, own->status);
    if (own->status) {
        expect_unchanged(child->before, look(child->pid));
        return;
    }
    struct thread want = after_drop(&child->before->threads[0], ECUSER_UID, ECUSER_GID, ECUSER_GROUPS, 3, BIT(10), BIT(10), 0);
    if (own->again)
        want.bnd = BIT(10) | BIT(5); /* trimmed the first time; without CAP_SETPCAP it stays */
    expect_threads(look(child->pid), &want, FIELDS_ALL, own->threads ? 4 : 1);
    expect_roots(child->pid, 1, "/mnt/jail", "/mnt/jail");
}

/* Two directories, one after the other; and the first set once more in between, which means what it meant then. */
static void enters_twice(void *unused)
{
    (void)unused;
    policy = ec_security_policy_new();
    set("capabilities", "cap_sys_chroot+ep");
    set("chroot", "/mnt/jail");
    if (ec_security_policy_apply(policy))
        _exit(86);
    set("chroot", "/mnt/jail");
    if (ec_security_policy_apply(policy))
        _exit(87);
    set("chroot", "/inner");
    ready();
    report_status(ec_security_policy_apply(policy));
}

static void two_directories(void *unused)
{
    (void)unused;
    struct child *child = start(enters_twice, NULL);
    if (!child)
        return;
    look(child->pid);
    expect_roots(child->pid, 1, "/mnt/jail", "/mnt/jail");
    release_and_expect(child, 0);
    expect_roots(child->pid, 1, "/mnt/jail/inner", "/mnt/jail/inner");
}

/* Policies that are still there: a master loads one for each kind of worker, and each worker applies its own. */
static void has_other_policies(void *unused)
{
    (void)unused;
    ec_security_policy *others[300];
    for (size_t at = 0; at < 300; at++)
        others[at] = ec_security_policy_new();
    policy = ec_security_policy_new();
    set("user", "ecuser");
    set("chroot", "/mnt/jail");
    if (ec_security_policy_set(others[299], "capabilities", "") != EC_SECURITY_OK)
        _exit(88);
    /* The program has closed the first one's, and has a file of its own with the number. */
    int number = 2, own = open("/proc/self/status", O_PATH | O_CLOEXEC);
    char path[64], link[16] = "";
    while (strcmp(link, "/proc")) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", ++number);
        ssize_t len = readlink(path, link, sizeof link - 1);
        link[len > 0 ? len : 0] = 0;
    }
    if (own < 0 || dup2(own, number) != number)
        _exit(89);
    ready();
    int status = ec_security_policy_apply(policy);
    report(status, status                       ? ec_security_last_error()
                   : fcntl(number, F_GETFD) < 0 ? "the program's own descriptor was closed"
                                                : "");
    ready();
    /* They can still be used. One that opens /proc again, and one that finds none. */
    for (size_t at = 0; at < 299; at++)
        ec_security_policy_free(others[at]);
    status = ec_security_policy_apply(others[299]);
    report(status, status ? ec_security_last_error() : "");
}

static void other_policies(void *unused)
{
    (void)unused;
    struct child *child = start(has_other_policies, NULL);
    if (!child)
        return;
    expect(strstr(descriptors(child->pid, child->pid), " /proc, ") != NULL, "no policy holds /proc: %s",
           descriptors(child->pid, child->pid));
    for (int times = 0; times < 2; times++) {
        struct answer *answer = release_and_wait(child);
        expect(answer->came && answer->status == EC_SECURITY_OK && !answer->text[0], "apply %d: %d %s", times, answer->status,
               answer->text);
        expect(strstr(descriptors(child->pid, child->pid), " /proc, ") == NULL, "this leads out: %s",
               descriptors(child->pid, child->pid));
    }
}

/* --- what changes between set and apply ------------------------------------------------------------------------------ */

static void finds_it_open(void *unused)
{
    (void)unused;
    policy = ec_security_policy_new();
    set("chroot", "/mnt/changes");
    chmod("/mnt/changes", 0777);
    ready();
    int status = ec_security_policy_apply(policy);
    report(status, ec_security_last_error());
}

static void changed_meanwhile(void *unused)
{
    (void)unused;
    chmod("/mnt/changes", 0755);
    struct child *child = start(finds_it_open, NULL);
    struct process *before = look(child->pid);
    struct answer *answer = release_and_wait(child);
    expect(answer->status == EC_SECURITY_ECHROOT && strstr(answer->text, "others can write to it"), "%d %s", answer->status,
           answer->text);
    expect_unchanged(before, look(child->pid));
    expect_roots(child->pid, 1, "/", "/");
}

static bool make_directories(void)
{
    if (mount("tmpfs", "/mnt", "tmpfs", 0, "mode=0755") < 0)
        return false;
    umask(022);
    int made = mkdir("/mnt/jail", 0755) || mkdir("/mnt/jail/inner", 0755) || mkdir("/mnt/work", 0755) ||
               mkdir("/mnt/closed", 0700) || mkdir("/mnt/changes", 0755) || chdir("/");
    for (int at = 0; at < 2; at++) {
        int fd = open(at ? "/mnt/closed/inside" : "/mnt/jail/inside", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
        made |= fd < 0 || close(fd);
    }
    return !made;
}

int main(int argc, char **argv)
{
    select_cases(argc, argv);
    if (!private_users() || !make_directories()) {
        perror("surroundings");
        return 70;
    }
    static struct {
        const char *name;
        struct plan plan;
    } plans[] = {
        {"chroot: by itself", {"/mnt/jail", NULL, "", .alone = true}},
        {"chroot: every thread", {"/mnt/jail", NULL, "", .others = 0}},
        {"chroot: with a user", {"/mnt/jail", "ecuser", "cap_net_bind_service+ep", .others = 0}},
        {"chroot: a directory that the user cannot search", {"/mnt/closed", "ecuser", "", .others = 0}},
        {"chroot: a working directory that is gone", {"/mnt/jail", "ecuser", "", .gone = true}},
        {"chroot: a thread with a root of its own", {"/mnt/jail", "ecuser", "cap_net_bind_service+ep", .others = CLONE_FS}},
        {"chroot: a thread with descriptors of its own", {"/mnt/jail", "ecuser", "", .others = CLONE_FILES}},
        {"chroot: a thread without cap_sys_chroot", {"/mnt/jail", "ecuser", "", .lacks_chroot = true}},
        {"chroot: a thread with a root and descriptors of its own is refused",
         {"/mnt/jail", "ecuser", "", .others = CLONE_FS | CLONE_FILES, .status = EC_SECURITY_ETHREAD,
          .text = "has its own root directory and its own descriptors"}},
        {"chroot: a thread with a root of its own, without cap_sys_chroot, is refused",
         {"/mnt/jail", "ecuser", "", .others = CLONE_FS, .lacks_chroot = true, .status = EC_SECURITY_ETHREAD,
          .text = "cannot change the root directory: chroot needs cap_sys_chroot"}},
        {"chroot: the root there is, without cap_sys_chroot", {"/", NULL, "", .no_chroot = true}},
        {"chroot: from a working directory that the caller may not search it is refused",
         {"/mnt/jail", "ecuser", "", .shut = true, .status = EC_SECURITY_EREFUSED,
          .text = "opening / and the working directory (call chdir(\"/\") before, if it cannot be searched) failed (EACCES"}},
        {"chroot: in a user namespace", {"/mnt/jail", "ecuser", "cap_net_bind_service+ep", .in_namespace = true}},
        {"chroot: without cap_sys_chroot it is refused",
         {"/mnt/jail", NULL, "", .no_chroot = true, .status = EC_SECURITY_EREFUSED,
          .text = "cannot change the root directory: chroot needs cap_sys_chroot, which is not held"}},
    };
    for (size_t at = 0; at < sizeof plans / sizeof *plans; at++)
        test(plans[at].name, 30, inside, &plans[at].plan);

    static const struct refused refused[] = {
        {"chroot", SYS_chroot, -1, {{"user", "ecuser"}}},
        {"chdir", SYS_chdir, -1, {{"user", "ecuser"}}},
        {"setgroups", SYS_setgroups, -1, {{"user", "ecuser"}}},
        {"setresgid", SYS_setresgid, -1, {{"user", "ecuser"}}},
        {"setresuid", SYS_setresuid, -1, {{"user", "ecuser"}}},
        {"PR_SET_KEEPCAPS", SYS_prctl, PR_SET_KEEPCAPS, {{"user", "ecuser"}}},
        {"PR_CAPBSET_DROP", SYS_prctl, PR_CAPBSET_DROP, {{"user", "ecuser"}}},
        {"capset", SYS_capset, -1, {{"user", "ecuser"}}},
        {"PR_SET_SECUREBITS", SYS_prctl, PR_SET_SECUREBITS, {{"user", "ecuser"}, {"bounding", "keep"}, {"securebits", "noroot"}}},
    };
    for (size_t at = 0; at < sizeof refused / sizeof *refused; at++) {
        char name[96];
        snprintf(name, sizeof name, "chroot: undone when %s is refused in the commit", refused[at].name);
        struct undone undone = {refused[at], at % 2 == 1, at % 3 == 2};
        test(name, 30, is_undone, &undone);
    }

    static struct own owns[] = {{true, true, false, EC_SECURITY_OK},
                                {false, true, false, EC_SECURITY_EPROC},
                                {false, false, false, EC_SECURITY_OK},
                                {true, false, true, EC_SECURITY_OK}};
    test("chroot: the daemon's own, policy made before, threads, no /proc inside", 30, own_chroot, &owns[0]);
    test("chroot: the daemon's own, policy made after, threads, no /proc inside", 30, own_chroot, &owns[1]);
    test("chroot: the daemon's own, policy made after, one thread", 30, own_chroot, &owns[2]);
    test("chroot: the same policy twice", 30, own_chroot, &owns[3]);
    test("chroot: one policy, and two directories one after the other", 30, two_directories, NULL);
    test("chroot: other policies hold no descriptor of /proc afterwards", 30, other_policies, NULL);
    test("chroot: a directory opened to others before the apply", 30, changed_meanwhile, NULL);
    return finish();
}
