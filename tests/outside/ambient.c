/* What executed programs get: the ambient set, with and without no_new_privs; set-uid programs; and a start under a service
 * manager that has done part of the work. The programs are real ones, and say what /proc/self/status says of them. */

#include "outside.h"
#include "policy_of.h"

#include <ec_security.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS_MAX 6

/* Runs a program with the arguments of cat /proc/self/status, and picks what matters of what it says. */
static int says_of_itself(const char *program, char *out, size_t len)
{
    int pipes[2];
    if (pipe(pipes))
        return 1;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipes[1], 1);
        close(pipes[0]);
        close(pipes[1]);
        execl(program, "cat", "/proc/self/status", (char *)NULL);
        _exit(127);
    }
    close(pipes[1]);
    FILE *from = fdopen(pipes[0], "r");
    char line[4096], text[64];
    size_t have = 0;
    while (from && fgets(line, sizeof line, from)) {
        unsigned long long mask;
        unsigned r, e, s, f;
        text[0] = 0;
        if (sscanf(line, "Uid: %u %u %u %u", &r, &e, &s, &f) == 4)
            snprintf(text, sizeof text, "uid %u/%u/%u/%u", r, e, s, f);
        else if (!strncmp(line, "Cap", 3) && sscanf(line + 7, " %llx", &mask) == 1)
            snprintf(text, sizeof text, " %.3s %llx", line + 3, mask);
        else if (sscanf(line, "NoNewPrivs: %u", &r) == 1)
            snprintf(text, sizeof text, " nnp %u", r);
        have += (size_t)snprintf(out + have, len - have, "%s", text);
    }
    if (from)
        fclose(from);
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}

struct run {
    const char *name, *program;
    const char *set[OPTIONS_MAX][2];
    unsigned real, effective;
    uint64_t held, ambient; /* permitted and effective; inheritable and ambient */
    bool bounded;           /* the bounding set is what apply trims it to, else that of before */
    uint64_t bounding;
    bool all_of_bounding; /* held is the bounding set of before */
    int nnp;
};

static void applies_and_executes(void *arg)
{
    const struct run *run = arg;
    idle_threads(2);
    ready();
    ec_security_policy *policy = ec_security_policy_new();
    int status = 0;
    for (int at = 0; at < OPTIONS_MAX && run->set[at][0] && !status; at++)
        status = ec_security_policy_set(policy, run->set[at][0], run->set[at][1]);
    if (status || ec_security_policy_apply(policy)) {
        report(-2, ec_security_last_error());
        return;
    }
    ec_security_policy_free(policy);
    char text[512] = "";
    status = says_of_itself(run->program, text, sizeof text);
    report(status, text);
}

static void executed(void *arg)
{
    const struct run *run = arg;
    struct child *child = start_with_ids(applies_and_executes, arg);
    if (!child)
        return;
    struct answer *answer = release_and_expect(child, 0);
    const struct thread *was = &child->before->threads[0];
    uint64_t bounding = run->bounded ? run->bounding : was->bnd, held = run->all_of_bounding ? was->bnd : run->held;
    char want[512];
    snprintf(want, sizeof want, "uid %u/%u/%u/%u Inh %llx Prm %llx Eff %llx Bnd %llx Amb %llx nnp %d", run->real, run->effective,
             run->effective, run->effective, (unsigned long long)run->ambient, (unsigned long long)held, (unsigned long long)held,
             (unsigned long long)bounding, (unsigned long long)run->ambient, run->nnp);
    expect(!strcmp(answer->text, want), "is %s, not %s", answer->text, want);
}

/* --- a service manager's start ------------------------------------------------------------------------------------- */

struct managed {
    const char *user, *caps, *ambient;
    int status;
    const char *text;
    uint64_t effective, permitted, inheritable, is_ambient;
};

/* As a service manager leaves it: already the user, one ambient capability, nothing else. */
static void start_managed(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{BIT(10), BIT(10), BIT(10)}, {0, 0, 0}};
    gid_t groups[3] = {ECLOGS_GID, ECUSER_GID, ECEXTRA_GID};
    if (setgroups(3, groups) || setresgid(ECUSER_GID, ECUSER_GID, ECUSER_GID) || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) ||
        setresuid(ECUSER_UID, ECUSER_UID, ECUSER_UID) || syscall(SYS_capset, &header, data) ||
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 10, 0, 0) || prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0))
        _exit(80);
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void runs_managed(void *arg)
{
    const struct managed *managed = arg;
    start_managed();
    idle_threads(3);
    ec_security_policy *policy = ec_security_policy_new();
    ready();
    if ((managed->user && ec_security_policy_set(policy, "user", managed->user)) ||
        ec_security_policy_set(policy, "capabilities", managed->caps) ||
        (managed->ambient && ec_security_policy_set(policy, "ambient", managed->ambient))) {
        report(-2, ec_security_last_error());
        return;
    }
    int check = ec_security_policy_check(policy), status = ec_security_policy_apply(policy);
    report(check == status ? status : -3, status ? ec_security_last_error() : "");
    ready();
    report_status(ec_security_policy_apply(policy));
    ec_security_policy_free(policy);
}

static void managed_start(void *arg)
{
    const struct managed *managed = arg;
    struct child *child = start_with_ids(runs_managed, arg);
    if (!child)
        return;
    const struct thread *was = &child->before->threads[0];
    expect(was->uid[1] == ECUSER_UID && was->prm == BIT(10) && was->amb == BIT(10), "the start is another");
    struct answer *answer = release_and_expect(child, managed->status);
    struct process *after = look(child->pid);
    if (managed->status) {
        expect(!strncmp(answer->text, managed->text, strlen(managed->text)), "%s", answer->text);
        expect_unchanged(child->before, after);
        return;
    }
    struct thread want = after_drop(was, ECUSER_UID, ECUSER_GID, ECUSER_GROUPS, 3, managed->effective, managed->permitted,
                                    managed->inheritable);
    want.amb = managed->is_ambient;
    expect(want.bnd == was->bnd, "without CAP_SETPCAP the bounding set stays");
    expect_threads(after, &want, FIELDS_ALL, 4);
    release_and_expect(child, 0);
    expect_unchanged(after, look(child->pid));
}

static bool copy(const char *from, const char *to, mode_t mode)
{
    char buf[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    ssize_t got = -1;
    while (in >= 0 && out >= 0 && (got = read(in, buf, sizeof buf)) > 0)
        if (write(out, buf, (size_t)got) != got)
            return false;
    return got == 0 && !close(in) && !close(out) && !chmod(to, mode);
}

int main(int argc, char **argv)
{
    select_cases(argc, argv);
    if (!private_users() || mount("tmpfs", "/mnt", "tmpfs", 0, "mode=0755") < 0 || !copy("/bin/cat", "/mnt/set-uid-cat", 04755)) {
        perror("surroundings");
        return 70;
    }
    static struct run runs[] = {
        {.name = "executed: nothing is ambient",
         .program = "/bin/cat",
         .set = {{"user", "ecuser"}, {"capabilities", "cap_net_bind_service,cap_kill+ep"}},
         .real = ECUSER_UID,
         .effective = ECUSER_UID,
         .bounded = true,
         .bounding = BIT(10) | BIT(5),
         .nnp = 1},
        {.name = "executed: ambient, with no_new_privs",
         .program = "/bin/cat",
         .set = {{"user", "ecuser"}, {"capabilities", "cap_net_bind_service,cap_kill+ep"}, {"ambient", "cap_kill"}},
         .real = ECUSER_UID,
         .effective = ECUSER_UID,
         .held = BIT(5),
         .ambient = BIT(5),
         .bounded = true,
         .bounding = BIT(10) | BIT(5),
         .nnp = 1},
        {.name = "executed: ambient, without no_new_privs",
         .program = "/bin/cat",
         .set = {{"user", "ecuser"},
                 {"capabilities", "cap_net_bind_service+ep cap_kill+p"},
                 {"ambient", "cap_kill"},
                 {"no_new_privs", "off"}},
         .real = ECUSER_UID,
         .effective = ECUSER_UID,
         .held = BIT(5),
         .ambient = BIT(5),
         .bounded = true,
         .bounding = BIT(10) | BIT(5)},
        {.name = "executed: two ambient, one of them above 31, bounding kept",
         .program = "/bin/cat",
         .set = {{"user", "ecuser"},
                 {"capabilities", "cap_kill,cap_bpf+ep"},
                 {"ambient", "cap_kill,cap_bpf"},
                 {"bounding", "keep"},
                 {"no_new_privs", "off"}},
         .real = ECUSER_UID,
         .effective = ECUSER_UID,
         .held = BIT(5) | BIT(39),
         .ambient = BIT(5) | BIT(39)},
        {.name = "executed: root without capabilities gets none back",
         .program = "/bin/cat",
         .set = {{"capabilities", ""}, {"no_new_privs", "off"}},
         .bounded = true},
        {.name = "executed: root with noroot and bounding kept gets none back",
         .program = "/bin/cat",
         .set = {{"capabilities", ""}, {"no_new_privs", "off"}, {"bounding", "keep"}, {"securebits", "noroot noroot_locked"}}},
        {.name = "executed: a set-uid program, with no_new_privs, is none",
         .program = "/mnt/set-uid-cat",
         .set = {{"user", "ecuser"}, {"bounding", "keep"}},
         .real = ECUSER_UID,
         .effective = ECUSER_UID,
         .nnp = 1},
        {.name = "executed: a set-uid program, with no_new_privs = off, has no more than the bounding set",
         .program = "/mnt/set-uid-cat",
         .set = {{"user", "ecuser"}, {"no_new_privs", "off"}, {"capabilities", "cap_kill+p"}},
         .real = ECUSER_UID,
         .held = BIT(5),
         .bounded = true,
         .bounding = BIT(5)},
        {.name = "executed: a set-uid program, with no_new_privs = off and bounding = keep, works",
         .program = "/mnt/set-uid-cat",
         .set = {{"user", "ecuser"}, {"no_new_privs", "off"}, {"bounding", "keep"}},
         .real = ECUSER_UID,
         .all_of_bounding = true},
    };
    for (size_t at = 0; at < sizeof runs / sizeof *runs; at++)
        test(runs[at].name, 30, executed, &runs[at]);

    static struct managed starts[] = {
        {"ecuser", "cap_net_bind_service+ep", NULL, 0, "", BIT(10), BIT(10), 0, 0},
        {"4711", "cap_net_bind_service+p", NULL, 0, "", 0, BIT(10), 0, 0},
        {"ecuser", "cap_net_bind_service+ep", "cap_net_bind_service", 0, "", BIT(10), BIT(10), BIT(10), BIT(10)},
        {NULL, "keep", NULL, 0, "", BIT(10), BIT(10), BIT(10), BIT(10)},
        {"ecuser", "", NULL, 0, "", 0, 0, 0, 0},
        {"ecuser", "cap_net_bind_service,cap_net_raw+ep", NULL, EC_SECURITY_ECAPABILITY,
         "cannot retain cap_net_raw: not in this process's permitted set: ", 0, 0, 0, 0},
        {"root", "cap_net_bind_service+ep", NULL, EC_SECURITY_EREFUSED,
         "cannot change the supplementary groups: setgroups needs cap_setgid, which is not held", 0, 0, 0, 0},
    };
    for (size_t at = 0; at < sizeof starts / sizeof *starts; at++) {
        char name[160];
        snprintf(name, sizeof name, "service manager: user %s, capabilities \"%s\"%s",
                 starts[at].user ? starts[at].user : "not given", starts[at].caps, starts[at].ambient ? ", ambient" : "");
        test(name, 30, managed_start, &starts[at]);
    }
    return finish();
}
