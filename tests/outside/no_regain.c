/* After the drop there is no way back, from any thread: not by ids, sets, ambient, keep-caps, securebits, a set-uid program,
 * a user namespace, nor by a second call. And what was retained works in every thread. */

#include "outside.h"

#include <ec_security.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NET_BIND 10
#define THREADS 4 /* of the pool; the main thread tries as well */

static const char *user;                       /* NULL where ids cannot be changed */
static int no_place, no_net;                   /* the errno why there is none */
static char place[] = "/tmp/no_regain.XXXXXX"; /* a tmpfs of our own, where set-uid counts */

/* --- the child: dropped, with workers ------------------------------------------------------------------------------ */

static struct worker_pool *people;
static char what[900]; /* what succeeded, though it must not */

static void dropped(const char *caps)
{
    people = start_workers(THREADS);
    idle_threads(2);
    int status = ec_security_apply(user, user, caps);
    if (status)
        report(status, ec_security_last_error()); /* which start() takes for a failure */
}

/* Runs it in each thread of the pool, then here. */
static long everywhere(long (*function)(void *), void *arg) { return each(people, function, arg) + function(arg); }

/* Counts one for a call that did not fail. */
static long PRINTF_LIKE(2, 3) must_fail(long result, const char *format, ...)
{
    if (result < 0)
        return 0;
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return 1;
}

/* --- attempts: each returns how much of it succeeded that must not -------------------------------------------------- */

/* set*id(2), setres*id(2) and setre*id(2), of users or of groups: `kind` is u or g. */
static long every_id(char kind, long set, long set_res, long set_re)
{
    long back = must_fail(syscall(set, 0), "set%cid(0)", kind);
    for (int mask = 1; mask < 8; mask++) {
        int r = mask & 1 ? 0 : -1, e = mask & 2 ? 0 : -1, s = mask & 4 ? 0 : -1;
        back += must_fail(syscall(set_res, r, e, s), "setres%cid(%d, %d, %d)", kind, r, e, s);
        if (!(mask & 4))
            back += must_fail(syscall(set_re, r, e), "setre%cid(%d, %d)", kind, r, e);
    }
    return back;
}

static long user_ids(void *unused)
{
    (void)unused;
    return every_id('u', SYS_setuid, SYS_setresuid, SYS_setreuid);
}

static long group_ids(void *unused)
{
    (void)unused;
    return every_id('g', SYS_setgid, SYS_setresgid, SYS_setregid);
}

/* These two return the id before, whether they did anything or not. */
static long file_system_ids(void *unused)
{
    (void)unused;
    setfsuid(0);
    setfsgid(0);
    long back = must_fail(setfsuid((uid_t)-1) == 0 ? 0 : -1, "setfsuid(0)");
    return back + must_fail(setfsgid((gid_t)-1) == 0 ? 0 : -1, "setfsgid(0)");
}

static long groups(void *unused)
{
    (void)unused;
    gid_t root = 0, more[4] = {ECUSER_GID, ECEXTRA_GID, ECLOGS_GID, 0};
    return must_fail(syscall(SYS_setgroups, 1, &root), "setgroups of root's") +
           must_fail(syscall(SYS_setgroups, 4, more), "setgroups of one more") +
           must_fail(syscall(SYS_setgroups, 0, NULL), "setgroups of none"); /* a group may also deny, so none may go */
}

/* As programs do it: glibc tells all threads to make the call. */
static long by_the_c_library(void *unused)
{
    (void)unused;
    gid_t root = 0;
    return must_fail(setuid(0), "setuid(0)") + must_fail(seteuid(0), "seteuid(0)") + must_fail(setreuid(0, 0), "setreuid(0, 0)") +
           must_fail(setresuid(0, 0, 0), "setresuid(0, 0, 0)") + must_fail(setgid(0), "setgid(0)") +
           must_fail(setegid(0), "setegid(0)") + must_fail(setresgid(0, 0, 0), "setresgid(0, 0, 0)") +
           must_fail(setgroups(1, &root), "setgroups") + must_fail(initgroups("root", 0), "initgroups");
}

static long sets(void *unused)
{
    (void)unused;
    static const char *const NAMES[] = {"effective", "permitted", "inheritable", "every set"};
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct held[2], data[2];
    long back = 0;
    if (syscall(SYS_capget, &header, held) < 0)
        return must_fail(0, "capget cannot tell what is held");
    for (unsigned cap = 0; cap <= last_cap() + 1; cap++)
        for (int set = 0; set < 4 && cap != NET_BIND; set++) {
            unsigned bit = cap > last_cap() ? ~0u : 1u << cap % 32;
            unsigned half = cap / 32 % 2;
            memcpy(data, held, sizeof data);
            data[half].effective |= set == 0 || set == 3 ? bit : 0;
            data[half].permitted |= set == 1 || set == 3 ? bit : 0;
            data[half].inheritable |= set == 2 || set == 3 ? bit : 0;
            header.pid = 0;
            back += must_fail(syscall(SYS_capset, &header, data), "capset of capability %u in %s", cap, NAMES[set]);
        }
    header.pid = getppid();
    return back + must_fail(syscall(SYS_capset, &header, held), "capset of another process");
}

static long ambient(void *unused)
{
    (void)unused;
    long back = 0;
    for (unsigned cap = 0; cap <= last_cap(); cap++)
        back += must_fail(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0), "raising ambient %u", cap);
    return back;
}

static long keep_caps(void *unused)
{
    (void)unused;
    if (prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0) != 0)
        return must_fail(0, "keep-caps was left on");
    long back = must_fail(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0 ? -1 : 0, "keep-caps cannot be tried");
    back += must_fail(syscall(SYS_setuid, 0), "setuid(0) with keep-caps");
    back += must_fail(syscall(SYS_setresuid, 0, 0, 0), "setresuid(0, 0, 0) with keep-caps");
    syscall(SYS_setresuid, ECUSER_UID, ECUSER_UID, ECUSER_UID); /* allowed, and nothing to gain */
    return back;
}

static long securebits(void *unused)
{
    (void)unused;
    long back = 0;
    for (int bit = 0; bit < 8; bit++)
        back += must_fail(prctl(PR_SET_SECUREBITS, 1 << bit, 0, 0, 0), "securebit %d", bit);
    back += must_fail(prctl(PR_SET_SECUREBITS, 0xff, 0, 0, 0), "every securebit");
    return back + must_fail(prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) == 0 ? -1 : 0, "securebits are set");
}

static long no_new_privs(void *unused)
{
    (void)unused;
    long back = must_fail(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? -1 : 0, "no_new_privs is not set");
    back += must_fail(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), "no_new_privs off again");
    return back + must_fail(prctl(PR_CAPBSET_DROP, NET_BIND, 0, 0, 0), "a change of the bounding set");
}

/* The process above is root still: whoever could reach into it would be root. */
static long reaching_into_root(void *unused)
{
    (void)unused;
    char path[64], byte = 0;
    pid_t parent = getppid();
    struct iovec here = {&byte, 1}, there = {(void *)(uintptr_t)&place, 1};
    long back = must_fail(ptrace(PTRACE_SEIZE, parent, NULL, NULL), "ptrace(PTRACE_SEIZE)");
    back += must_fail(ptrace(PTRACE_ATTACH, parent, NULL, NULL), "ptrace(PTRACE_ATTACH)");
    back += must_fail(process_vm_writev(parent, &here, 1, &there, 1, 0), "process_vm_writev");
    snprintf(path, sizeof path, "/proc/%d/mem", parent);
    back += must_fail(open(path, O_RDWR | O_CLOEXEC), "open of %s", path);
    snprintf(path, sizeof path, "/proc/%d/ns/user", parent);
    back += must_fail(open(path, O_RDONLY | O_CLOEXEC), "open of %s", path);
    return back + must_fail(kill(parent, 0), "kill");
}

static long acting_as_root(void *unused)
{
    (void)unused;
    char path[64], name[65] = "";
    gethostname(name, sizeof name - 1);
    snprintf(path, sizeof path, "%s/secret", place);
    long back = no_place ? 0 : must_fail(open(path, O_RDONLY | O_CLOEXEC), "open of a file of root's");
    back += must_fail(open("/etc/passwd", O_WRONLY | O_CLOEXEC), "open of /etc/passwd for writing");
    back += must_fail(chroot("/"), "chroot");
    back += must_fail(mount(NULL, "/", NULL, MS_PRIVATE, NULL), "mount");
    back += must_fail(sethostname(name, strlen(name)), "sethostname");
    return back + must_fail(syscall(SYS_unshare, CLONE_NEWNET), "unshare of the network");
}

static const struct attempt {
    const char *name;
    long (*make)(void *);
    bool needs_ids; /* where no other id can be had, root's is still there, and these mean nothing */
} ATTEMPTS[] = {
    {"no way back by user ids", user_ids, true},
    {"no way back by group ids", group_ids, true},
    {"no way back by file-system ids", file_system_ids, true},
    {"no way back by supplementary groups", groups, true},
    {"no way back by the C library's own calls", by_the_c_library, true},
    {"no way back by capset, each capability, each set", sets, false},
    {"no way back by the ambient set", ambient, false},
    {"no way back by keep-caps", keep_caps, true},
    {"no way back by securebits", securebits, false},
    {"no way back by no_new_privs or the bounding set", no_new_privs, false},
    {"no reaching into a process of root's", reaching_into_root, true},
    {"no acting as root", acting_as_root, true},
};

static void tries(void *arg)
{
    const struct attempt *attempt = arg;
    dropped("cap_net_bind_service+ep");
    ready();
    long back = everywhere(attempt->make, NULL);
    report((int)back, what);
}

static struct thread wanted(uint64_t effective, uint64_t permitted)
{
    /* This process is what the child was before its drop. */
    struct thread *self = &look(getpid())->threads[0];
    return user ? after_drop(self, ECUSER_UID, ECUSER_GID, ECUSER_GROUPS, 3, effective, permitted, 0)
                : after_drop(self, self->uid[0], self->gid[0], NULL, 0, effective, permitted, 0);
}

static void one_attempt(void *arg)
{
    const struct attempt *attempt = arg;
    if (attempt->needs_ids && !user) {
        skip("ids cannot be changed here");
        return;
    }
    struct child *child = start(tries, arg);
    if (!child)
        return;
    struct thread want = wanted(BIT(NET_BIND), BIT(NET_BIND));
    expect_threads(look(child->pid), &want, FIELDS_ALL, THREADS + 3);
    struct answer *answer = release_and_wait(child);
    expect(answer->came && answer->status == 0, "%d calls succeeded; one is %s", answer->status, answer->text);
    expect_threads(look(child->pid), &want, FIELDS_ALL, THREADS + 3);
}

/* --- what was retained works ---------------------------------------------------------------------------------------- */

static long binds(void *unused)
{
    (void)unused;
    static int port = 81; /* one thread at a time gets here */
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    address.sin_port = htons((uint16_t)port++);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1) < 0) {
        snprintf(what, sizeof what, "port %d: %s", port - 1, strerror(errno));
        return errno == EACCES ? 1 : 1000;
    }
    return 0;
}

static void binds_everywhere(void *caps)
{
    dropped(caps);
    ready();
    report((int)everywhere(binds, NULL), what);
}

static void low_ports(void *unused)
{
    (void)unused;
    if (no_net) {
        skip("no network namespace of our own: %s", strerror(no_net));
        return;
    }
    release_and_expect(start(binds_everywhere, "cap_net_bind_service+ep"), 0);
    release_and_expect(start(binds_everywhere, ""), THREADS + 1);
}

/* --- programs that would make root of anybody ----------------------------------------------------------------------- */

static const struct program {
    const char *name, *file;
} PROGRAMS[] = {
    {"a set-uid-root program gives nothing back", "set-uid"},
    {"a set-gid-root program gives nothing back", "set-gid"},
    {"a program with file capabilities gives nothing back", "file-caps"},
};

/* Three copies of print_creds, and a file that is root's. */
static bool make_place(void)
{
    char from[PATH_MAX], path[PATH_MAX];
    beside_program("print_creds", from);
    if (!mkdtemp(place) || mount("tmpfs", place, "tmpfs", 0, "mode=0755") < 0)
        return false;
    for (size_t at = 0; at < sizeof PROGRAMS / sizeof *PROGRAMS; at++) {
        char buf[65536];
        ssize_t got;
        snprintf(path, sizeof path, "%s/%s", place, PROGRAMS[at].file);
        int in = open(from, O_RDONLY | O_CLOEXEC), out = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
        if (in < 0 || out < 0)
            return false;
        while ((got = read(in, buf, sizeof buf)) > 0)
            if (write(out, buf, (size_t)got) != got)
                return false;
        close(in);
        close(out);
    }
    snprintf(path, sizeof path, "%s/set-uid", place);
    if (chmod(path, 04755) < 0)
        return false;
    snprintf(path, sizeof path, "%s/set-gid", place);
    if (chmod(path, 02755) < 0)
        return false;
    /* linux/capability.h: cap_setuid permitted and effective */
    struct vfs_cap_data caps = {.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE};
    caps.data[0].permitted = 1u << 7;
    snprintf(path, sizeof path, "%s/file-caps", place);
    if (setxattr(path, "security.capability", &caps, sizeof caps, 0) < 0)
        return false;
    snprintf(path, sizeof path, "%s/secret", place);
    int secret = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    return secret >= 0 && close(secret) == 0;
}

static pid_t maker;

static void put_place_away(void)
{
    if (getpid() != maker)
        return; /* a child of this process */
    umount2(place, MNT_DETACH);
    rmdir(place);
}

/* Executes a program in a forked child, reports its pid, and what it says of itself. */
static long executes(void *file)
{
    int in[2], out[2];
    char path[PATH_MAX], line[600];
    ready();
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0) {
        report(-1, strerror(errno));
        return 1;
    }
    snprintf(path, sizeof path, "%s/%s", place, (const char *)file);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        execl(path, path, (char *)NULL);
        dprintf(1, "refused: %s\n", strerror(errno));
        for (;;)
            pause();
    }
    close(in[0]);
    close(out[1]);
    size_t have = 0;
    ssize_t got;
    while (have < sizeof line - 1 && (got = read(out[0], line + have, sizeof line - 1 - have)) > 0) {
        have += (size_t)got;
        if (line[have - 1] == '\n')
            break;
    }
    line[have] = 0;
    report(have ? pid : -1, have ? line : "the program said nothing");
    return 0; /* the program runs until this child is killed, with its group */
}

static void executes_everywhere(void *file)
{
    dropped("cap_net_bind_service+ep");
    everywhere(executes, file);
}

/* The bounding set would let it through: no_new_privs alone has to do. */
static void executes_everywhere_unbounded(void *file)
{
    people = start_workers(THREADS);
    idle_threads(2);
    ec_security_policy *policy = ec_security_policy_new();
    int status = user ? ec_security_policy_set(policy, "user", user) : 0;
    status = status ? status : ec_security_policy_set(policy, "capabilities", "cap_net_bind_service+ep");
    status = status ? status : ec_security_policy_set(policy, "bounding", "keep");
    status = status ? status : ec_security_policy_apply(policy);
    if (status)
        report(status, ec_security_last_error());
    everywhere(executes, file);
}

static void programs(void *arg)
{
    const struct program *program = arg;
    if (no_place) {
        skip("no file system of our own: %s", strerror(no_place));
        return;
    }
    struct thread want = wanted(BIT(NET_BIND), BIT(NET_BIND));
    struct child *child = NULL;
    for (int at = 0; at < 2 * (THREADS + 1); at++) {
        bool unbounded = at > THREADS;
        if (at % (THREADS + 1) == 0)
            child = start(unbounded ? executes_everywhere_unbounded : executes_everywhere, (void *)(uintptr_t)program->file);
        if (unbounded)
            want.bnd = look(getpid())->threads[0].bnd;
        struct answer *answer = release_and_wait(child);
        if (!expect(answer->came && answer->status > 0, "%d %s", answer->status, answer->text))
            return;
        struct thread *it = &look(answer->status)->threads[0];
        bool refused = !strncmp(answer->text, "refused", 7); /* it still is what it was */
        want.prm = want.eff = refused ? BIT(NET_BIND) : user ? 0 : it->prm & BIT(NET_BIND);
        expect_threads(look(answer->status), &want, FIELDS_ALL, 1);
        /* execve(2): EPERM, where a program is to have capabilities at once that the bounding set denies. */
        expect(!refused || (!unbounded && !strcmp(program->file, "file-caps")), "%s", answer->text);
        if (refused)
            continue;
        unsigned r, e, s, f, gr, ge, gs, gf;
        unsigned long long permitted, effective;
        int fields = sscanf(answer->text, "uid %u %u %u %u gid %u %u %u %u permitted %llx effective %llx", &r, &e, &s, &f, &gr,
                            &ge, &gs, &gf, &permitted, &effective);
        expect(fields == 10 && r == want.uid[0] && e == r && s == r && f == r && gr == want.gid[0] && ge == gr && gs == gr &&
                   gf == gr && !((permitted | effective) & ~BIT(NET_BIND)),
               "the program says: %s", answer->text);
    }
}

/* With no_new_privs off the same programs do give something: else the cases above would prove nothing. */
static void executes_with_new_privileges(void *file)
{
    ec_security_policy *policy = ec_security_policy_new();
    int status = ec_security_policy_set(policy, "user", user);
    status = status ? status : ec_security_policy_set(policy, "no_new_privs", "off");
    status = status ? status : ec_security_policy_set(policy, "bounding", "keep");
    status = status ? status : ec_security_policy_apply(policy);
    if (status)
        report(status, ec_security_last_error());
    executes(file);
}

static void programs_can_be_allowed(void *unused)
{
    (void)unused;
    if (!user || no_place) {
        skip(user ? "no file system of our own" : "ids cannot be changed here");
        return;
    }
    for (size_t at = 0; at < sizeof PROGRAMS / sizeof *PROGRAMS; at++) {
        struct answer *answer = release_and_wait(start(executes_with_new_privileges, (void *)(uintptr_t)PROGRAMS[at].file));
        if (!expect(answer->came && answer->status > 0, "%d %s", answer->status, answer->text))
            return;
        struct thread *it = &look(answer->status)->threads[0];
        bool gives = at == 0 ? it->uid[1] == 0 && it->eff == it->bnd : at == 1 ? it->gid[1] == 0 : it->eff == BIT(7);
        expect(gives, "%s, by a policy that allows it, does not: %s", PROGRAMS[at].file, answer->text);
    }
}

/* --- a user namespace ----------------------------------------------------------------------------------------------- */

static bool writes(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return done;
}

/* Every capability in there is good for nothing outside. In a forked child, since threads cannot make a namespace. */
static long enters_a_user_namespace(void *unused)
{
    (void)unused;
    int out[2];
    ready();
    if (pipe(out) < 0) {
        report(-1, strerror(errno));
        return 1;
    }
    pid_t daemon = getppid(), pid = fork();
    if (pid == 0) {
        char path[64], map[32], said = 'r';
        gid_t root = 0;
        if (unshare(CLONE_NEWUSER) == 0) {
            snprintf(map, sizeof map, "0 %u 1", ECUSER_UID);
            snprintf(path, sizeof path, "%s/secret", place);
            bool out_again = writes("/proc/self/uid_map", "0 0 1\n") || setresuid(0, 0, 0) == 0 ||
                             writes("/proc/self/gid_map", "0 0 1\n") || setgroups(1, &root) == 0 || open(path, O_RDONLY) >= 0 ||
                             kill(daemon, 0) == 0;
            /* Root inside, by the one map that is allowed. */
            out_again |= writes("/proc/self/uid_map", map) && setresuid(0, 0, 0) == 0 &&
                         (open(path, O_RDONLY) >= 0 || kill(daemon, 0) == 0 || chroot("/proc/1/root") == 0);
            said = out_again ? 'b' : 'i';
        }
        if (write(out[1], &said, 1) < 0)
            _exit(74);
        for (;;)
            pause();
    }
    char said = '?';
    close(out[1]);
    if (read(out[0], &said, 1) != 1 || said == '?')
        report(-1, "no word from the namespace");
    else
        report(said == 'b' ? -1 : pid, said == 'b' ? "it gave something back" : said == 'i' ? "inside" : "refused");
    close(out[0]);
    return 0;
}

static void enters_everywhere(void *unused)
{
    dropped("cap_net_bind_service+ep");
    everywhere(enters_a_user_namespace, unused);
}

static void namespaces(void *unused)
{
    if (!user || no_place) {
        skip(user ? "no file system of our own" : "ids cannot be changed here");
        return;
    }
    struct thread want = wanted(BIT(NET_BIND), BIT(NET_BIND));
    struct child *child = start(enters_everywhere, unused);
    for (int at = 0; at < THREADS + 1 && child; at++) {
        struct answer *answer = release_and_wait(child);
        if (!expect(answer->came && answer->status > 0, "%d %s", answer->status, answer->text))
            return;
        /* Its sets are those of the namespace; what it is to us has stayed. */
        expect_threads(look(answer->status), &want, FIELDS_IDS | FIELD_NNP, 1);
    }
}

/* --- a second call -------------------------------------------------------------------------------------------------- */

static long narrows(void *caps)
{
    int status = ec_security_apply(NULL, NULL, caps);
    if (status)
        snprintf(what, sizeof what, "%s", ec_security_last_error());
    return status;
}

static void drops_thrice(void *unused)
{
    (void)unused;
    dropped("cap_net_bind_service,cap_chown+ep");
    ready();
    report((int)each(people, narrows, "cap_net_bind_service+p"), what); /* the first narrows, the others find it so */
    ready();
    report((int)narrows(NULL), what);
    ready();
    report(ec_security_apply(user, user, NULL), ec_security_last_error()); /* as it is already */
}

static void second_narrows(void *unused)
{
    struct child *child = start(drops_thrice, unused);
    if (!child)
        return;
    struct thread want = wanted(BIT(0) | BIT(NET_BIND), BIT(0) | BIT(NET_BIND));
    expect_threads(look(child->pid), &want, FIELDS_ALL, THREADS + 3);
    static const uint64_t PERMITTED[] = {BIT(NET_BIND), 0, 0};
    for (int at = 0; at < 3; at++) {
        struct answer *answer = release_and_wait(child);
        expect(answer->came && answer->status == 0, "call %d: %d %s", at + 2, answer->status, answer->text);
        want.eff = 0;
        want.prm = PERMITTED[at]; /* the bounding set stays: CAP_SETPCAP has gone */
        expect_threads(look(child->pid), &want, FIELDS_ALL, THREADS + 3);
    }
}

static const struct request {
    bool needs_ids;
    const char *user, *group, *caps;
    const char *option, *value; /* for those that take a policy */
} WIDER[] = {
    {true, "root", NULL, NULL, NULL, NULL},
    {true, "0", "0", "cap_net_bind_service+ep", NULL, NULL},
    {true, "0", "0", "all=eip", NULL, NULL},
    {true, "4715", "ecuser", NULL, NULL, NULL},
    {true, NULL, "0", "cap_net_bind_service+ep", NULL, NULL},
    {true, NULL, "eclogs", "cap_net_bind_service+ep", NULL, NULL},
    {false, NULL, NULL, "cap_setuid+ep", NULL, NULL},
    {false, NULL, NULL, "cap_net_bind_service,cap_chown+ep", NULL, NULL},
    {false, NULL, NULL, "cap_net_bind_service+ep cap_chown+i", NULL, NULL},
    {false, NULL, NULL, "all=eip", NULL, NULL},
    {true, NULL, NULL, "keep", "supplemental_groups", "0"},
    {true, NULL, NULL, "keep", "supplemental_groups", ""},
    {false, NULL, NULL, "keep", "ambient", "cap_chown"},
    {false, NULL, NULL, "keep", "securebits", "noroot"},
    {false, NULL, NULL, "keep", "chroot", place},
};

static int makes(const struct request *request)
{
    if (!request->option)
        return ec_security_apply(request->user, request->group, request->caps);
    ec_security_policy *policy = ec_security_policy_new();
    int status = ec_security_policy_set(policy, "capabilities", request->caps);
    status = status ? status : ec_security_policy_set(policy, request->option, request->value);
    if (status == EC_SECURITY_OK)
        status = ec_security_policy_apply(policy);
    ec_security_policy_free(policy);
    return status;
}

static long widens(void *unused)
{
    (void)unused;
    long back = 0;
    for (size_t at = 0; at < sizeof WIDER / sizeof *WIDER; at++) {
        if ((WIDER[at].needs_ids && !user) || (WIDER[at].value == place && no_place))
            continue;
        int status = makes(&WIDER[at]);
        if (status != EC_SECURITY_EREFUSED && status != EC_SECURITY_ECAPABILITY) {
            snprintf(what, sizeof what, "request %zu: %d %s", at, status, status ? ec_security_last_error() : "");
            back++;
        }
    }
    return back;
}

static const struct attempt WIDENING = {"a second call that widens is refused, and changes nothing", widens, false};

int main(int argc, char **argv)
{
    select_cases(argc, argv);
    try_private_users();
    user = can_change_ids() ? "ecuser" : NULL;
    no_net = private_net() ? 0 : errno;
    no_place = make_place() ? 0 : errno;
    maker = getpid();
    atexit(put_place_away);
    for (size_t at = 0; at < sizeof ATTEMPTS / sizeof *ATTEMPTS; at++)
        test(ATTEMPTS[at].name, 30, one_attempt, (void *)(uintptr_t)&ATTEMPTS[at]);
    for (size_t at = 0; at < sizeof PROGRAMS / sizeof *PROGRAMS; at++)
        test(PROGRAMS[at].name, 30, programs, (void *)(uintptr_t)&PROGRAMS[at]);
    test("programs that give something, where a policy allows it", 30, programs_can_be_allowed, NULL);
    test("a user namespace gives nothing back outside of it", 30, namespaces, NULL);
    test("a second call narrows", 30, second_narrows, NULL);
    test(WIDENING.name, 60, one_attempt, (void *)(uintptr_t)&WIDENING);
    test("a low port is bound on every thread, and on none without the capability", 30, low_ports, NULL);
    return finish();
}
