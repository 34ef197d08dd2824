/* What `make demo` and `make check` are to a user who is not root: tests/as-root run by one, with and without subordinate ids,
 * and where no user namespace can be had. Nothing is built here: the user gets a copy of what is needed, since the tree may
 * lie where only root comes. */

#include "outside.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define TREE "/mnt/tree"
#define NEEDED \
    "Makefile mk Cargo.toml include tests/as-root tests/run tests/packages build/demo build/libec_security.so.0 " \
    "build/outside/drop"

/* A user that every machine has. */
#define PLAIN "nobody"
static uid_t plain_uid;
static gid_t plain_gid;

/* Those of /etc/subuid and /etc/subgid; inside they are 1 and up. */
#define FIRST_SUBORDINATE 100000u
#define SUBORDINATES 65536u
#define SUBORDINATE(id) (FIRST_SUBORDINATE + (id) - 1)

static void become_plain(void)
{
    if (chdir(TREE) || setgroups(0, NULL) || setresgid(plain_gid, plain_gid, plain_gid) ||
        setresuid(plain_uid, plain_uid, plain_uid)) {
        perror("becoming " PLAIN);
        _exit(98);
    }
}

static void give_subordinate_ids(void)
{
    char line[64];
    snprintf(line, sizeof line, PLAIN ":%u:%u\n", FIRST_SUBORDINATE, SUBORDINATES);
    if (!private_mounts() || !private_lines("/etc/subuid", line) || !private_lines("/etc/subgid", line)) {
        perror("/etc/subuid, /etc/subgid");
        _exit(98);
    }
}

static void with_subordinate_ids(void)
{
    give_subordinate_ids();
    become_plain();
}

/* The limit of a user namespace is for those made below it, and the machine's is left alone. */
static bool deny_namespaces(void)
{
    if (!user_namespace())
        return false;
    int fd = open("/proc/sys/user/max_user_namespaces", O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, "0", 1) == 1 && close(fd) == 0;
}

/* With subordinate ids: a process that unshare(1) starts for those, and leaves waiting where it fails, would be seen. */
static void where_none_is_allowed(void)
{
    give_subordinate_ids();
    if (!deny_namespaces()) {
        perror("max_user_namespaces");
        _exit(98);
    }
    become_plain();
}

/* --- what can be tried here ----------------------------------------------------------------------------------------- */

/* What a child of ours is told when it tries; 0 where it succeeds. */
static int error_of(bool (*try)(void))
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(try() ? 0 : errno);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : ECANCELED;
}

static bool makes_a_namespace(void)
{
    become_plain();
    return unshare(CLONE_NEWUSER) == 0;
}

/* False, and the case is skipped, where there is no user to become, or none who may make a user namespace. */
static bool can_be_plain(void)
{
    if (!can_change_ids() || !has_uid(plain_uid) || !has_gid(plain_gid))
        skip("there is no " PLAIN " to become here");
    return !case_finished();
}

static bool can_have_a_namespace(void)
{
    int error = can_be_plain() ? error_of(makes_a_namespace) : 0;
    if (error)
        skip("a plain user gets no user namespace here: %s", strerror(error));
    return !case_finished();
}

/* newuidmap(1) needs root's rights, which it gets by its mode or by capabilities of its file. */
static bool can_have_subordinate_ids(void)
{
    const char *program = "/usr/bin/newuidmap";
    struct stat file;
    struct statvfs system;
    if (!can_have_a_namespace())
        return false;
    if (stat(program, &file) || statvfs(program, &system))
        skip("%s: %s (Debian package uidmap)", program, strerror(errno));
    else if (file.st_uid != 0 || (system.f_flag & ST_NOSUID) || look(getpid())->threads[0].nnp)
        skip("%s gets no rights here", program);
    else if (!has_uid(SUBORDINATE(SUBORDINATES)) || !has_gid(SUBORDINATE(SUBORDINATES)))
        skip("the ids from %u up are not there to be given", FIRST_SUBORDINATE);
    return !case_finished();
}

/* --- the two commands ----------------------------------------------------------------------------------------------- */

static const char *const DEMO_SERVES[] = {"tests/as-root", "build/demo", "--serve", NULL};
/* Nothing is made anew: the demo is told to be old enough, and the make inside `make check` is another program. */
static const char *const MAKE_DEMO[] = {"make", "-o", "build/demo", "demo", NULL};
static const char *const MAKE_CHECK[] = {"make", "check", "MAKE=true", "DEBIAN_PACKAGES=", "CHECKS=build/outside/drop", NULL};
static const char *const AS_ROOT_DEMO[] = {"tests/as-root", "build/demo", NULL};

#define NO_OTHER_ID \
    "not root: running as root of a user namespace that has no other id; for more, give this user ids in /etc/subuid " \
    "and /etc/subgid and install the Debian package uidmap\n"
#define OTHER_IDS "not root: running as root of a user namespace, with subordinate ids\n"
#define CANNOT(command) \
    "make: this needs root, or a kernel that lets users make user namespaces (sysctl kernel.unprivileged_userns_clone," \
    " user.max_user_namespaces); cannot run: " command "\n"

/* Runs it until nobody is left who could print; what is printed must hold each of these, to a NULL. */
static const char *says(const char *const argv[], void (*surroundings)(void), int status, const char *const wanted[])
{
    static char out[16384];
    struct child *child = start_program(argv, surroundings, NULL, out, sizeof out);
    int ended = wait_end(child);
    expect(child && WIFEXITED(ended) && WEXITSTATUS(ended) == status, "%s %s ended with %#x, not status %d: %s", argv[0], argv[1],
           (unsigned)ended, status, out);
    for (; *wanted; wanted++)
        expect(strstr(out, *wanted) != NULL, "%s %s does not say \"%s\": %s", argv[0], argv[1], *wanted, out);
    return out;
}

/* The demo that serves, each of its threads as this namespace sees it. */
static void expect_serves(void (*surroundings)(void), const char *said, unsigned uid, unsigned gid, const unsigned *groups,
                          size_t groups_len)
{
    static char out[16384];
    struct process *self = look(getpid());
    struct child *child = start_program(DEMO_SERVES, surroundings, "until interrupted\n", out, sizeof out);
    expect(!strncmp(out, said, strlen(said)), "it does not begin with \"%s\": %s", said, out);
    if (!child || !expect(strstr(out, "serving as process ") != NULL, "it does not serve: %s", out))
        return;
    struct thread want = after_drop(&self->threads[0], uid, gid, groups, groups_len, BIT(10), BIT(10), 0);
    want.bnd = BIT(10); /* root of its namespace could trim it, whatever the user could */
    expect_threads(look(child->pid), &want, FIELDS_ALL, 5);
    end(child);
}

static void one_id(void *unused)
{
    (void)unused;
    static const unsigned NONE[1];
    if (!can_have_a_namespace())
        return;
    expect_serves(become_plain, NO_OTHER_ID, plain_uid, plain_gid, NONE, 0);
    says(MAKE_DEMO, become_plain, 0,
         (const char *const[]){NO_OTHER_ID, "This user namespace has no other user and group: both stay 0 here",
                               "5 threads, all alike: one capability left of all (the user could not change here)\n", NULL});
    says(MAKE_CHECK, become_plain, 0,
         (const char *const[]){NO_OTHER_ID, "SKIP apply drops every thread: ids cannot be changed here\n",
                               "1 passed, 0 failed, 1 skipped\n", NULL});
}

static void subordinate_ids(void *unused)
{
    (void)unused;
    static const unsigned groups[] = {SUBORDINATE(ECUSER_GID), SUBORDINATE(ECEXTRA_GID), SUBORDINATE(ECLOGS_GID)};
    if (!can_have_subordinate_ids())
        return;
    expect_serves(with_subordinate_ids, OTHER_IDS, SUBORDINATE(ECUSER_UID), SUBORDINATE(ECUSER_GID), groups, 3);
    says(MAKE_DEMO, with_subordinate_ids, 0,
         (const char *const[]){OTHER_IDS, "ec_security_apply(\"ecuser\", \"ecuser\", \"cap_net_bind_service+ep\")",
                               "5 threads, all alike: the user, the group and one capability asked for\n", NULL});
    says(MAKE_CHECK, with_subordinate_ids, 0,
         (const char *const[]){OTHER_IDS, "ok apply drops every thread\n", "2 passed, 0 failed, 0 skipped\n", NULL});
}

static void none_allowed(void *unused)
{
    (void)unused;
    int error = can_be_plain() ? error_of(deny_namespaces) : 0;
    if (error)
        skip("user namespaces cannot be denied to a child here: %s", strerror(error));
    if (case_finished())
        return;
    const char *out = says(AS_ROOT_DEMO, where_none_is_allowed, 1, (const char *const[]){CANNOT("build/demo"), NULL});
    expect(!strcmp(out, CANNOT("build/demo")), "it says more than that: %s", out);
    says(MAKE_DEMO, where_none_is_allowed, 2, (const char *const[]){CANNOT("build/demo"), NULL});
    out = says(MAKE_CHECK, where_none_is_allowed, 2, (const char *const[]){CANNOT("tests/run build/outside/drop"), NULL});
    expect(!strstr(out, "passed") && !strstr(out, "ok "), "something was run: %s", out);
}

int main(int argc, char **argv)
{
    select_cases(argc, argv);
    const struct passwd *plain = getpwnam(PLAIN);
    if (!plain) {
        fprintf(stderr, "there is no user " PLAIN "\n");
        return 70;
    }
    plain_uid = plain->pw_uid;
    plain_gid = plain->pw_gid;
    /* Variables of the make that this runs in are not meant for those below. */
    unsetenv("MAKEFLAGS");
    unsetenv("MFLAGS");
    unsetenv("MAKELEVEL");
    if (!private_users() || mount("tmpfs", "/mnt", "tmpfs", 0, "mode=755") || mkdir(TREE, 0755) ||
        system("cp -R --parents " NEEDED " " TREE " && chmod -R a+rX " TREE)) {
        perror("surroundings");
        return 70;
    }
    test("a plain user without subordinate ids: make demo and make check drop what there is", 30, one_id, NULL);
    test("a plain user with subordinate ids: make demo and make check change users", 30, subordinate_ids, NULL);
    test("a plain user who is denied user namespaces: make demo and make check say what cannot run", 30, none_allowed, NULL);
    return finish();
}
