/* The harness itself: that it sees what is there, tells apart what differs, and fails what hangs, dies or expects nothing.
 * Nothing of the library runs here. */

#include "outside.h"

#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void waits(void *unused)
{
    (void)unused;
    idle_threads(5);
    ready();
    report(7, "seven");
}

static void sees_every_thread(void *unused)
{
    (void)unused;
    struct child *child = start(waits, NULL);
    struct answer *answer = release_and_wait(child);
    expect(answer->came && answer->status == 7 && !strcmp(answer->text, "seven"), "%s", answer->text);
    struct process *seen = look(child->pid);
    expect(seen->len == 6, "saw %zu threads of 6", seen->len);
    expect(seen->threads[0].tid == child->pid, "the leader is not first");
    expect_threads(seen, &seen->threads[0], FIELDS_ALL, 6);
    expect_unchanged(seen, look(child->pid));
    struct process *self = look(getpid());
    expect(self->threads[0].uid[1] == geteuid(), "saw effective uid %u", self->threads[0].uid[1]);
    char how[256];
    expect(!differs(&seen->threads[0], &self->threads[0], FIELDS_ALL, how, sizeof how), "a fork differs: %s", how);
}

/* Changes one thread by raw calls, field by field; the look must tell just that field. */
static long change_one(void *what)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    gid_t group = 12345;
    syscall(SYS_capget, &header, data);
    switch (*(unsigned *)what) {
    case FIELD_UID:
        return syscall(SYS_setresuid, -1, -1, 1);
    case FIELD_GID:
        return syscall(SYS_setresgid, -1, 1, -1);
    case FIELD_GROUPS:
        return syscall(SYS_setgroups, 1, &group);
    case FIELD_INH:
        data[0].inheritable ^= 1;
        return syscall(SYS_capset, &header, data);
    case FIELD_PRM:
        data[0].permitted &= ~1u;
        data[0].effective &= ~1u;
        return syscall(SYS_capset, &header, data);
    case FIELD_EFF:
        data[0].effective &= ~1u;
        return syscall(SYS_capset, &header, data);
    case FIELD_BND:
        return prctl(PR_CAPBSET_DROP, 0, 0, 0, 0);
    case FIELD_AMB:
        data[0].inheritable |= 1;
        return syscall(SYS_capset, &header, data) || prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, 0, 0, 0);
    case FIELD_NNP:
        return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    }
    return -1;
}

static void changes_one(void *what)
{
    idle_threads(1);
    struct worker_pool *one = start_workers(1);
    idle_threads(1);
    ready();
    long result = each(one, change_one, what);
    report(result ? 1 : 0, strerror(errno));
}

static void tells_the_field(void *what)
{
    unsigned field = *(unsigned *)what;
    if (field & FIELDS_IDS && !need_ids())
        return;
    struct child *child = start(changes_one, what);
    struct process *before = look(child->pid);
    release_and_expect(child, 0);
    struct process *after = look(child->pid);
    expect(before->len == 4 && after->len == 4, "saw %zu and %zu threads of 4", before->len, after->len);
    unsigned changed = 0;
    for (size_t at = 0; at < after->len; at++) {
        char how[512];
        unsigned found = differs(&after->threads[at], &before->threads[at], FIELDS_ALL, how, sizeof how);
        changed += found != 0;
        unsigned also = field == FIELD_AMB ? FIELD_INH : field == FIELD_PRM ? FIELD_EFF : 0;
        expect(!found || found == (field | also), "told field %x for %x: %s", found, field, how);
        expect(!found || strlen(how) > 8, "nothing said of what differs");
    }
    expect(changed == 1, "%u of 4 threads seem changed, where 1 was", changed);
}

/* --- a case that must fail is run in a process of its own, and its line read --- */

static void expects_nothing(void *unused) { (void)unused; }

static void hangs(void *unused)
{
    (void)unused;
    ready();
    for (;;)
        pause();
}

static void case_hangs(void *unused)
{
    (void)unused;
    struct answer *answer = release_and_wait(start(hangs, NULL));
    expect(!answer->came, "an answer came");
}

static void dies(void *unused)
{
    (void)unused;
    ready();
    abort();
}

static void case_dies(void *unused)
{
    (void)unused;
    struct answer *answer = release_and_wait(start(dies, NULL));
    expect(answer->came, "%s", answer->text);
}

static void dies_early(void *unused)
{
    (void)unused;
    _exit(5);
}

static void case_dies_early(void *unused)
{
    (void)unused;
    start(dies_early, NULL);
}

static void case_spins(void *unused)
{
    (void)unused;
    for (volatile int forever = 1; forever;)
        ;
}

static struct child *one_changed(unsigned what)
{
    struct child *child = start(changes_one, &what);
    child->before = look(child->pid);
    release_and_wait(child);
    return child;
}

static void case_differs(void *unused)
{
    (void)unused;
    struct child *child = one_changed(FIELD_NNP);
    expect_unchanged(child->before, look(child->pid));
}

static void case_one_thread_differs(void *unused)
{
    (void)unused;
    struct child *child = one_changed(FIELD_BND);
    expect_threads(look(child->pid), &child->before->threads[0], FIELDS_ALL, 4);
}

static void case_too_few(void *unused)
{
    (void)unused;
    struct process *self = look(getpid());
    expect_threads(self, &self->threads[0], FIELDS_ALL, 2);
}

static void case_skips(void *unused)
{
    (void)unused;
    skip("not today");
    expect(false, "must not count any more");
}

static void case_of_no_name(void *unused)
{
    (void)unused;
    static char *words[] = {"harness", "no name has this", NULL};
    select_cases(2, words);
    expect(true, "is chosen already");
}

struct bad {
    const char *name;
    void (*body)(void *);
    const char *line; /* the beginning of it */
    const char *word; /* and what it must hold */
    int status;
};

static void is_told(void *arg)
{
    const struct bad *bad = arg;
    int pipes[2];
    expect(pipe(pipes) == 0, "pipe: %s", strerror(errno));
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipes[1], 1);
        dup2(pipes[1], 2);
        close(pipes[0]);
        close(pipes[1]);
        test("x", 1, bad->body, NULL);
        exit(finish());
    }
    close(pipes[1]);
    char text[4096] = "";
    size_t have = 0;
    for (ssize_t got; (got = read(pipes[0], text + have, sizeof text - 1 - have)) > 0;)
        have += (size_t)got;
    close(pipes[0]);
    int status = -1;
    waitpid(pid, &status, 0);
    expect(!strncmp(text, bad->line, strlen(bad->line)) && strstr(text, bad->word), "said \"%s\"", text);
    expect(WIFEXITED(status) && WEXITSTATUS(status) == bad->status, "wait status %x", (unsigned)status);
}

static void in_user_namespace(void *unused)
{
    (void)unused;
    bool done = user_namespace();
    int error = errno;
    ready();
    report(done ? 0 : 1, strerror(error));
}

static void user_namespace_has_all(void *unused)
{
    (void)unused;
    struct child *child = start(in_user_namespace, NULL);
    struct answer *answer = release_and_wait(child);
    if (skip_for(answer, 1, "user namespace"))
        return;
    struct process *seen = look(child->pid);
    struct thread *thread = &seen->threads[0];
    expect(thread->prm == all_caps() && thread->eff == all_caps() && thread->bnd == all_caps(), "permitted %llx, bounding %llx",
           (unsigned long long)thread->prm, (unsigned long long)thread->bnd);
    expect(thread->uid[0] == 0, "uid %u", thread->uid[0]);
}

static void finds_ecuser(void *unused)
{
    (void)unused;
    struct passwd *user = getpwnam("ecuser");
    struct group *group = getgrnam("eclogs");
    if (!expect(user && group, "there is no ecuser or no eclogs"))
        return;
    expect(user->pw_uid == ECUSER_UID && user->pw_gid == ECUSER_GID, "ecuser is %u, %u", user->pw_uid, user->pw_gid);
    expect(group->gr_gid == ECLOGS_GID, "eclogs is %u", group->gr_gid);
    gid_t groups[8];
    int len = 8;
    getgrouplist("ecuser", ECUSER_GID, groups, &len);
    expect(len == 3, "ecuser is in %d groups", len);
    expect(getpwnam("root") != NULL, "root has gone");
}

/* Stands for the machine, whose file a package then replaces: by rename(2), as useradd(8) does. */
static void replaces_the_file(void *unused)
{
    (void)unused;
    int pipes[2][2];
    bool made = private_users() && pipe(pipes[0]) == 0 && pipe(pipes[1]) == 0;
    pid_t pid = fork();
    char byte;
    if (pid == 0) {
        bool had = private_users() && getpwnam("ecuser");
        if (write(pipes[0][1], had ? "y" : "n", 1) != 1 || read(pipes[1][0], &byte, 1) != 1)
            _exit(74);
        _exit(had && getpwnam("ecuser") ? 0 : 1);
    }
    made = made && read(pipes[0][0], &byte, 1) == 1 && byte == 'y';
    ready();
    FILE *fresh = fopen("/etc/passwd.new", "we");
    bool replaced = fresh && fputs("root:x:0:0::/:/bin/sh\n", fresh) >= 0 && fclose(fresh) == 0 &&
                    rename("/etc/passwd.new", "/etc/passwd") == 0;
    int status = -1;
    if (write(pipes[1][1], "x", 1) != 1)
        status = -2;
    waitpid(pid, &status, 0);
    report(!made ? 1 : !replaced || getpwnam("ecuser") ? 2 : status ? 3 : 0, "");
}

static void replaced_on_the_machine(void *unused)
{
    (void)unused;
    struct answer *answer = release_and_wait(start(replaces_the_file, NULL));
    expect(answer->came && answer->status == 0, "%s",
           answer->status == 1   ? "no users of our own"
           : answer->status == 2 ? "the file was not replaced"
                                 : "ecuser has gone with the machine's file");
}

static void alone_on_the_net(void *unused)
{
    (void)unused;
    bool done = private_net();
    int error = errno;
    ready();
    if (!done) {
        report(1, strerror(error));
        return;
    }
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(80)};
    bool bound = bind(fd, (struct sockaddr *)&to, sizeof to) == 0;
    report(bound ? 0 : 2, strerror(errno));
}

static void private_net_has_free_ports(void *unused)
{
    (void)unused;
    struct answer *answer = release_and_wait(start(alone_on_the_net, NULL));
    skip_for(answer, 1, "network namespace");
    expect(answer->came && answer->status == 0, "port 80: %s", answer->text);
}

int main(int argc, char **argv)
{
    select_cases(argc, argv);
    bool users = private_users();
    test("harness sees every thread", 10, sees_every_thread, NULL);

    static const struct {
        unsigned field;
        const char *name;
    } fields[] = {
        {FIELD_UID, "harness tells one thread's Uid"},        {FIELD_GID, "harness tells one thread's Gid"},
        {FIELD_GROUPS, "harness tells one thread's Groups"},  {FIELD_INH, "harness tells one thread's CapInh"},
        {FIELD_PRM, "harness tells one thread's CapPrm"},     {FIELD_EFF, "harness tells one thread's CapEff"},
        {FIELD_BND, "harness tells one thread's CapBnd"},     {FIELD_AMB, "harness tells one thread's CapAmb"},
        {FIELD_NNP, "harness tells one thread's NoNewPrivs"},
    };
    for (size_t at = 0; at < sizeof fields / sizeof *fields; at++) {
        unsigned field = fields[at].field;
        test(fields[at].name, 10, tells_the_field, &field);
    }

    static struct bad bads[] = {
        {"harness fails a case that expects nothing", expects_nothing, "FAIL x: ", "nothing", 1},
        {"harness fails a child that hangs", case_hangs, "FAIL x: ", "within 1 s", 1},
        {"harness fails a child that dies", case_dies, "FAIL x: ", "signal 6", 1},
        {"harness fails a child that dies early", case_dies_early, "FAIL x: ", "status 5", 1},
        {"harness fails a case that spins", case_spins, "FAIL x: ", "hangs", 1},
        {"harness fails what has changed", case_differs, "FAIL x: ", "NoNewPrivs 1, not 0", 1},
        {"harness fails one thread of many", case_one_thread_differs, "FAIL x: ", "1 of 4 threads", 1},
        {"harness fails too few threads", case_too_few, "FAIL x: ", "saw 1 threads", 1},
        {"harness fails for a word that no case has in its name", case_of_no_name, "ok x", "name with \"no name has this\"", 1},
        {"harness counts a skip as a skip", case_skips, "SKIP x: ", "not today", 0},
    };
    for (size_t at = 0; at < sizeof bads / sizeof *bads; at++)
        test(bads[at].name, 30, is_told, &bads[at]);

    test("harness: a user namespace holds every capability", 10, user_namespace_has_all, NULL);
    if (users) {
        test("harness: ecuser is there", 10, finds_ecuser, NULL);
        test("harness: ecuser stays when the machine's file is replaced", 10, replaced_on_the_machine, NULL);
    } else {
        printf("SKIP harness: ecuser is there: no mount namespace here\n");
    }
    test("harness: loopback alone", 10, private_net_has_free_ports, NULL);
    return finish();
}
