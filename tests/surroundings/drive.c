/* Drops privileges in the surrounding it is started in, and judges each drop from outside:
 *
 *     drive [--threads 0,8] [--user NAME] [--chroot DIR] [--proc DIR] [--filter] [--landlock] [--attr TEXT] [TEST]...
 *     drive --dropped [OPTION or TEST]...
 *
 * --dropped: executes itself after a drop that retains cap_net_bind_service.
 * --attr: what the child writes to /proc/self/attr/current, to enter a profile or a domain of a security module.
 * Each test runs in a forked child with so many idle threads. The parent reads /proc/PID/task/TID/status of every thread before
 * and after the call. A field that this /proc does not have (gVisor has few), or a /proc that is not there, is told by each
 * thread itself, by the system calls that read; the line then says "(told by the threads: FIELDS)". One line a test:
 *
 *     drive TEST THREADS done [NOTE]
 *     drive TEST THREADS status N MESSAGE
 *     drive TEST THREADS gone signal N: WHAT IT WROTE TO STDERR
 *     drive TEST THREADS IN BETWEEN: what differs
 *     drive TEST THREADS HANGS
 *
 * A second program, drive-libcap, has the tests C1 and C4 as well: T1 and T4 written by hand with libcap and libpsx.
 *
 * "done": every thread is exactly as asked. "status": every thread is exactly as it was. */

#include "policy_of.h"
#include "seccomp.h"
/* After _GNU_SOURCE, which policy_of.h defines. */
#ifdef BY_LIBCAP
#include "by_libcap.h"
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 64
#define GROUPS_MAX 256

/* --- what a thread is ------------------------------------------------------------------------------------------------- */

enum { UID, GID, GROUPS, INH, PRM, EFF, BND, AMB, NNP, FIELDS };
static const char *const FIELD_NAMES[FIELDS] = {"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs"};

struct state {
    pid_t tid;
    unsigned have;       /* a bit for each field that is known */
    unsigned uid[4], gid[4];
    unsigned ids_len;    /* 4 where the file-system id is known, else 3 */
    unsigned groups_len, groups[GROUPS_MAX];
    uint64_t mask[FIELDS]; /* INH to NNP */
};

struct states {
    unsigned len;
    unsigned told; /* fields that the threads told themselves */
    struct state threads[THREADS_MAX + 1];
};

/* Shared between the parent and the child. */
static struct shared {
    unsigned threads;
    struct state self[THREADS_MAX + 1];
    int status;
    bool inside_chroot, may_drop_bounding, setgroups_denied;
    char message[1100];
} *shared;

static const char *proc = "/proc";

static bool parse_status(const char *path, struct state *out)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    char line[8192], *at;
    memset(out, 0, sizeof *out);
    out->ids_len = 4;
    while (fgets(line, sizeof line, file)) {
        unsigned long long mask;
        for (int field = INH; field < FIELDS; field++) {
            size_t len = strlen(FIELD_NAMES[field]);
            if (strncmp(line, FIELD_NAMES[field], len) == 0 && line[len] == ':' && sscanf(line + len + 1, "%llx", &mask) == 1) {
                out->mask[field] = mask;
                out->have |= 1u << field;
            }
        }
        if (sscanf(line, "Uid: %u %u %u %u", &out->uid[0], &out->uid[1], &out->uid[2], &out->uid[3]) == 4)
            out->have |= 1u << UID;
        if (sscanf(line, "Gid: %u %u %u %u", &out->gid[0], &out->gid[1], &out->gid[2], &out->gid[3]) == 4)
            out->have |= 1u << GID;
        if (strncmp(line, "Groups:", 7) == 0) {
            at = line + 7;
            for (char *end; out->groups_len < GROUPS_MAX; at = end) {
                unsigned long group = strtoul(at, &end, 10);
                if (end == at)
                    break;
                out->groups[out->groups_len++] = (unsigned)group;
            }
            out->have |= 1u << GROUPS;
        }
    }
    fclose(file);
    return true;
}

/* What the calling thread is, by system calls that no filter for services forbids. */
static void tell_self(struct state *out)
{
    memset(out, 0, sizeof *out);
    out->tid = (pid_t)syscall(SYS_gettid);
    out->ids_len = 3;
    if (syscall(SYS_getresuid, &out->uid[0], &out->uid[1], &out->uid[2]) == 0)
        out->have |= 1u << UID;
    if (syscall(SYS_getresgid, &out->gid[0], &out->gid[1], &out->gid[2]) == 0)
        out->have |= 1u << GID;
    long len = syscall(SYS_getgroups, GROUPS_MAX, out->groups);
    if (len >= 0) {
        out->groups_len = (unsigned)len;
        out->have |= 1u << GROUPS;
    }
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) == 0) {
        out->mask[EFF] = data[0].effective | (uint64_t)data[1].effective << 32;
        out->mask[PRM] = data[0].permitted | (uint64_t)data[1].permitted << 32;
        out->mask[INH] = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
        out->have |= 1u << EFF | 1u << PRM | 1u << INH;
    }
    for (int cap = 0; cap < 64; cap++) {
        int is = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
        if (is < 0)
            break;
        out->have |= 1u << BND;
        out->mask[BND] |= is ? BIT(cap) : 0;
    }
    for (int cap = 0; cap < 64; cap++) {
        int is = prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, cap, 0, 0);
        if (is < 0)
            break;
        out->have |= 1u << AMB;
        out->mask[AMB] |= is ? BIT(cap) : 0;
    }
    int nnp = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    if (nnp >= 0) {
        out->mask[NNP] = (uint64_t)nnp;
        out->have |= 1u << NNP;
    }
}

static int in_order(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return (x > y) - (x < y);
}

/* Fields that this source knows and that one does not. */
static void complete(struct state *out, const struct state *from)
{
    unsigned more = from->have & ~out->have;
    if (more & 1u << UID)
        memcpy(out->uid, from->uid, sizeof out->uid);
    if (more & 1u << GID)
        memcpy(out->gid, from->gid, sizeof out->gid);
    if (more & 1u << GROUPS) {
        memcpy(out->groups, from->groups, sizeof out->groups);
        out->groups_len = from->groups_len;
    }
    if (more & (1u << UID | 1u << GID))
        out->ids_len = from->ids_len;
    for (int field = INH; field < FIELDS; field++)
        if (more & 1u << field)
            out->mask[field] = from->mask[field];
    out->have |= more;
}

static void look_at(pid_t pid, struct states *out)
{
    char path[512];
    memset(out, 0, sizeof *out);
    snprintf(path, sizeof path, "%s/%d/task", proc, (int)pid);
    DIR *tasks = opendir(path);
    for (struct dirent *entry; tasks && (entry = readdir(tasks));) {
        if (entry->d_name[0] == '.' || out->len > THREADS_MAX)
            continue;
        snprintf(path, sizeof path, "%s/%d/task/%.20s/status", proc, (int)pid, entry->d_name);
        if (parse_status(path, &out->threads[out->len]))
            out->threads[out->len++].tid = atoi(entry->d_name);
    }
    if (tasks)
        closedir(tasks);
    /* What /proc did not say, the threads have. Where /proc has no threads, nor has it some that are not ours. */
    if (out->len == 0) {
        out->len = shared->threads + 1;
        for (unsigned at = 0; at < out->len; at++)
            out->threads[at].tid = shared->self[at].tid;
    }
    for (unsigned at = 0; at < out->len; at++) {
        struct state *thread = &out->threads[at];
        for (unsigned own = 0; own <= shared->threads; own++)
            if (shared->self[own].tid == thread->tid) {
                out->told |= shared->self[own].have & ~thread->have;
                complete(thread, &shared->self[own]);
            }
        qsort(thread->groups, thread->groups_len, sizeof thread->groups[0], in_order);
    }
}

/* What differs between two threads, in words; "" if nothing does. */
static void differences(const struct state *got, const struct state *want, char *out, size_t len)
{
    size_t used = 0;
    out[0] = '\0';
#define SAY(...) (used += (size_t)snprintf(out + used, used < len ? len - used : 0, __VA_ARGS__))
    for (int field = 0; field < FIELDS; field++) {
        if (!(got->have & want->have & 1u << field)) {
            if ((got->have ^ want->have) & 1u << field)
                SAY("%s cannot be read any more; ", FIELD_NAMES[field]);
            continue;
        }
        unsigned ids = got->ids_len < want->ids_len ? got->ids_len : want->ids_len;
        if (field == UID && memcmp(got->uid, want->uid, ids * sizeof(unsigned)))
            SAY("Uid %u %u %u %u, not %u %u %u %u; ", got->uid[0], got->uid[1], got->uid[2], got->uid[3], want->uid[0], want->uid[1],
                want->uid[2], want->uid[3]);
        else if (field == GID && memcmp(got->gid, want->gid, ids * sizeof(unsigned)))
            SAY("Gid %u %u %u %u, not %u %u %u %u; ", got->gid[0], got->gid[1], got->gid[2], got->gid[3], want->gid[0], want->gid[1],
                want->gid[2], want->gid[3]);
        else if (field == GROUPS && (got->groups_len != want->groups_len || memcmp(got->groups, want->groups, got->groups_len * sizeof(unsigned))))
            SAY("%u groups (first %u), not %u (first %u); ", got->groups_len, got->groups_len ? got->groups[0] : 0, want->groups_len,
                want->groups_len ? want->groups[0] : 0);
        else if (field >= INH && got->mask[field] != want->mask[field])
            SAY("%s %llx, not %llx; ", FIELD_NAMES[field], (unsigned long long)got->mask[field], (unsigned long long)want->mask[field]);
    }
#undef SAY
    if (used > len)
        out[len - 1] = '\0';
}

/* --- the tests -------------------------------------------------------------------------------------------------------- */

static const char *user_name = "ecuser", *chroot_dir = "/srv/ecroot";
static unsigned user_uid, user_gid;
static char uid_text[16], gid_text[16];
static char libcap_message[128];

struct want {
    bool user;              /* the ids and the groups become the user's */
    bool groups_stay;
    uint64_t caps;          /* permitted and effective */
    bool optional;          /* those of them that are held */
    bool ambient;           /* inheritable and ambient too */
    bool bounding_stays, nnp_stays, chroot;
    bool groups_none;
    unsigned id;            /* another id than the user's */
};

#define NET_BIND "cap_net_bind_service+ep"

#define OPTIONS(...) apply_of((const char *const[]){__VA_ARGS__, NULL})

static int names(void) { return ec_security_apply(user_name, NULL, NET_BIND); }
static int ids(void) { return ec_security_apply(uid_text, gid_text, NET_BIND); }
static int stays(void) { return ec_security_apply(NULL, NULL, NET_BIND); }
static int nothing(void) { return ec_security_apply(user_name, NULL, ""); }
static int sys_time(void) { return ec_security_apply(user_name, NULL, "cap_sys_time+ep"); }
static int all_null(void) { return ec_security_apply(NULL, NULL, NULL); }
static int optional(void)
{
    return OPTIONS("user", user_name, "optional_capabilities", "cap_sys_time+ep", "bounding", "keep", "no_new_privs", "off");
}
static int ambient(void)
{
    return OPTIONS("user", user_name, "capabilities", "cap_net_bind_service+eip", "ambient", "cap_net_bind_service");
}
static int chrooted(void) { return OPTIONS("user", user_name, "capabilities", NET_BIND, "chroot", chroot_dir); }
#ifdef BY_LIBCAP
static int by_libcap(int retained_len)
{
    const gid_t group = user_gid;
    const cap_value_t retained = CAP_NET_BIND_SERVICE;
    int step = drop_by_libcap(true, user_uid, user_gid, 1, &group, retained_len, &retained);
    snprintf(libcap_message, sizeof libcap_message, "libcap, step %d: %s", step, strerror(errno));
    return step;
}
static int libcap_names(void) { return by_libcap(1); }
static int libcap_nothing(void) { return by_libcap(0); }
#endif
static int groups_keep(void) { return OPTIONS("user", user_name, "supplemental_groups", "keep"); }

/* Of users and groups that are looked up in a directory. */
static int user_missing(void) { return ec_security_apply("ecmissing", NULL, NULL); }
static int group_missing(void) { return ec_security_apply(user_name, "ecmissing", NULL); }
/* In a stanza, in which the user may come first. */
static int groups_given(void)
{
    char stanza[256];
    snprintf(stanza, sizeof stanza, "Security { user = %s supplemental_groups = \"\" }", user_name);
    ec_security_policy *policy = ec_security_policy_new();
    int status = policy ? ec_security_policy_parse(policy, stanza) : EC_SECURITY_ERESOURCE;
    return status ? status : ec_security_policy_apply(policy);
}
static int plus(void) { return OPTIONS("user", "+12345", "group", "+12345", "supplemental_groups", ""); }
static int number(void) { return OPTIONS("user", "12345", "group", "12345", "supplemental_groups", ""); }

#define BIND BIT(CAP_NET_BIND_SERVICE)
#define TIME BIT(CAP_SYS_TIME)
static const struct test {
    const char *name;
    int (*call)(void);
    struct want want;
} TESTS[] = {
    {"T1", names, {.user = true, .caps = BIND}},
    {"T2", ids, {.user = true, .caps = BIND}},
    {"T3", stays, {.caps = BIND}},
    {"T4", nothing, {.user = true}},
    {"T5", sys_time, {.user = true, .caps = TIME}},
    {"T6", all_null, {.caps = 0}},
    {"T7", optional, {.user = true, .caps = TIME, .optional = true, .bounding_stays = true, .nnp_stays = true}},
    {"T8", ambient, {.user = true, .caps = BIND, .ambient = true}},
    {"T9", chrooted, {.user = true, .caps = BIND, .chroot = true}},
    {"T10", groups_keep, {.user = true, .groups_stay = true}},
#ifdef BY_LIBCAP
    {"C1", libcap_names, {.user = true, .caps = BIND}},
    {"C4", libcap_nothing, {.user = true}},
#endif
    {"L1", user_missing, {.user = true}},
    {"L2", group_missing, {.user = true}},
    {"L3", groups_given, {.user = true, .groups_none = true}},
    {"L4", nothing, {.user = true}},
    {"L5", plus, {.user = true, .groups_none = true, .id = 12345}},
    {"L6", number, {.user = true, .groups_none = true, .id = 12345}},
};

/* Whether PR_CAPBSET_DROP is allowed at all, which a security module may deny to who holds CAP_SETPCAP: of a capability that
 * does not exist it is EINVAL then, else EPERM (cap_prctl_drop in security/commoncap.c). */
static bool probe_bounding(void) { return prctl(PR_CAPBSET_DROP, 63, 0, 0, 0) == 0 || errno != EPERM; }

/* Whether this user namespace was made without setgroups(2): user_namespaces(7). */
static bool setgroups_denied(void)
{
    char word[8] = "";
    FILE *file = fopen("/proc/self/setgroups", "re");
    bool denied = file && fscanf(file, "%7s", word) == 1 && strcmp(word, "deny") == 0;
    if (file)
        fclose(file);
    return denied;
}

static struct state wanted(const struct test *test, const struct state *before, const struct state *after)
{
    const struct want *want = &test->want;
    struct state out = *before;
    uint64_t held = before->mask[PRM];
    if (want->user) {
        for (int at = 0; at < 4; at++) {
            out.uid[at] = want->id ? want->id : user_uid;
            out.gid[at] = want->id ? want->id : user_gid;
        }
        /* A list that lacks only the primary group is as wanted where it cannot be set: the process is in that group anyway. */
        bool can_set = held & BIT(CAP_SETGID) && !shared->setgroups_denied;
        bool lacks_primary = before->groups_len == 0 && after->groups_len == 0 && !can_set;
        if (want->groups_none)
            out.groups_len = 0;
        else if (!want->groups_stay && !lacks_primary) {
            out.groups_len = 1;
            out.groups[0] = user_gid;
        }
    }
    uint64_t caps = want->optional ? want->caps & held : want->caps;
    out.mask[EFF] = out.mask[PRM] = caps;
    out.mask[INH] = out.mask[AMB] = want->ambient ? caps : 0;
    if (!want->bounding_stays && held & BIT(CAP_SETPCAP) && shared->may_drop_bounding)
        out.mask[BND] = before->mask[BND] & caps;
    if (!want->nnp_stays)
        out.mask[NNP] = 1;
    return out;
}

/* --- the child -------------------------------------------------------------------------------------------------------- */

static bool with_filter, with_landlock;
static const char *attr_text;
static pthread_barrier_t tell, told;

static void *idle(void *slot)
{
    for (;;) {
        pthread_barrier_wait(&tell);
        tell_self(slot);
        pthread_barrier_wait(&told);
    }
    return NULL;
}

static void tell_all(void)
{
    if (shared->threads)
        pthread_barrier_wait(&tell);
    tell_self(&shared->self[0]);
    if (shared->threads)
        pthread_barrier_wait(&told);
}

/* A filter that lets a drop pass, as many sandboxes have: swapon(2) is refused. */
static bool filter(void) { return seccomp_rule(CALLS(SYS_swapon, FAILS_WITH(EPERM)), 0) == 0; }

/* Everything may be read but what is below /proc. */
static bool landlock(void)
{
    static const char *const readable[] = {"/etc", "/usr", "/lib", "/lib64", "/srv", "/dev", "/run", "/tmp", "/var"};
    struct landlock_ruleset_attr attr = {.handled_access_fs = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
    if (ruleset < 0)
        return false;
    for (size_t at = 0; at < sizeof readable / sizeof readable[0]; at++) {
        struct landlock_path_beneath_attr rule = {.allowed_access = attr.handled_access_fs, .parent_fd = open(readable[at], O_PATH | O_CLOEXEC)};
        if (rule.parent_fd >= 0 && syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
            return false;
        close(rule.parent_fd);
    }
    if (syscall(SYS_landlock_restrict_self, ruleset, 0)) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_landlock_restrict_self, ruleset, 0))
            return false;
    }
    close(ruleset);
    return true;
}

static bool attr_current(void)
{
    int fd = open("/proc/self/attr/current", O_WRONLY | O_CLOEXEC);
    ssize_t written = fd < 0 ? -1 : write(fd, attr_text, strlen(attr_text));
    close(fd);
    return written == (ssize_t)strlen(attr_text);
}

enum { READY = 'r', OVER = 'o', CANNOT = 'c' };

/* `ended` is where its leaving is seen, `to` and `from` carry a byte each time. */
static void child(const struct test *test, int from, int to)
{
    char byte = READY;
    if ((attr_text && !attr_current()) || (with_landlock && !landlock()) || (with_filter && !filter())) {
        snprintf(shared->message, sizeof shared->message, "the surrounding cannot be made: %s", strerror(errno));
        byte = CANNOT;
    }
    shared->may_drop_bounding = probe_bounding();
    shared->setgroups_denied = setgroups_denied();
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 65536);
    pthread_barrier_init(&tell, NULL, shared->threads + 1);
    pthread_barrier_init(&told, NULL, shared->threads + 1);
    for (unsigned at = 1; at <= shared->threads; at++) {
        pthread_t thread;
        int error = pthread_create(&thread, &attr, idle, &shared->self[at]);
        if (error) {
            snprintf(shared->message, sizeof shared->message, "pthread_create: %s", strerror(error));
            shared->threads = at - 1;
            byte = CANNOT;
            break;
        }
    }
    if (byte == READY)
        tell_all();
    if (write(to, &byte, 1) != 1 || read(from, &byte, 1) != 1)
        _exit(70);
    shared->status = test->call();
    snprintf(shared->message, sizeof shared->message, "%s", !shared->status ? "" : libcap_message[0] ? libcap_message : ec_security_last_error());
    shared->inside_chroot = access("/inside", F_OK) == 0;
    tell_all();
    byte = OVER;
    if (write(to, &byte, 1) != 1 || read(from, &byte, 1) != 1)
        _exit(70);
    _exit(0);
}

/* --- the parent ------------------------------------------------------------------------------------------------------- */

/* One byte of the child's, or 0 where it has ended, or -1 where nothing comes in time. */
static int next_byte(int from)
{
    struct pollfd poll_of = {.fd = from, .events = POLLIN};
    char byte;
    if (poll(&poll_of, 1, 60 * 1000) <= 0)
        return -1;
    return read(from, &byte, 1) == 1 ? byte : 0;
}

static const char *one_line(char *text)
{
    for (char *at = text; *at; at++)
        if (*at == '\n' || *at == '\r')
            *at = ' ';
    return text;
}

static struct states before, after;

static bool unchanged(char *why, size_t len)
{
    char what[1024];
    for (unsigned at = 0; at < before.len; at++) {
        const struct state *now = NULL;
        for (unsigned of = 0; of < after.len; of++)
            if (after.threads[of].tid == before.threads[at].tid)
                now = &after.threads[of];
        if (!now) {
            snprintf(why, len, "thread %d has gone", (int)before.threads[at].tid);
            return false;
        }
        differences(now, &before.threads[at], what, sizeof what);
        if (what[0]) {
            snprintf(why, len, "thread %d: %s", (int)now->tid, what);
            return false;
        }
    }
    if (shared->inside_chroot) {
        snprintf(why, len, "the root directory has changed");
        return false;
    }
    return true;
}

static bool as_asked(const struct test *test, char *why, size_t len)
{
    char what[1024];
    for (unsigned at = 0; at < after.len; at++) {
        struct state want = wanted(test, &before.threads[0], &after.threads[at]);
        differences(&after.threads[at], &want, what, sizeof what);
        if (what[0]) {
            snprintf(why, len, "thread %d: %s", (int)after.threads[at].tid, what);
            return false;
        }
    }
    if (after.len < shared->threads + 1) {
        snprintf(why, len, "%u threads, not %u", after.len, shared->threads + 1);
        return false;
    }
    if (test->want.chroot != shared->inside_chroot) {
        snprintf(why, len, "the root directory is %s", shared->inside_chroot ? "another" : "the old one");
        return false;
    }
    return true;
}

static void run(const struct test *test, unsigned threads)
{
    int to[2], from[2], errors[2];
    memset(shared, 0, sizeof *shared);
    shared->threads = threads;
    if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC) || pipe2(errors, O_CLOEXEC)) {
        printf("drive %s %u CANNOT: pipe: %s\n", test->name, threads, strerror(errno));
        return;
    }
    printf("drive %s %u ", test->name, threads);
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) {
        printf("CANNOT: fork: %s\n", strerror(errno));
        return;
    }
    if (pid == 0) {
        close(to[1]);
        close(from[0]);
        dup2(errors[1], 2);
        child(test, to[0], from[1]);
    }
    close(to[0]);
    close(from[1]);
    close(errors[1]);
    char why[2048], line[1024];
    int heard = next_byte(from[0]), status = 0;
    if (heard == CANNOT)
        printf("CANNOT: %s\n", shared->message);
    else if (heard != READY)
        printf("CANNOT: the child does not become ready\n");
    else {
        look_at(pid, &before);
        heard = write(to[1], "g", 1) == 1 ? next_byte(from[0]) : 0;
        if (heard == OVER) {
            look_at(pid, &after);
            char note[256] = "";
            size_t used = 0;
            for (int field = 0; field < FIELDS; field++)
                if (after.told & 1u << field)
                    used += (size_t)snprintf(note + used, sizeof note - used, "%s%s", used ? " " : " (told by the threads: ", FIELD_NAMES[field]);
            if (used)
                snprintf(note + used, sizeof note - used, ")");
            if (shared->status == 0) {
                if (!as_asked(test, why, sizeof why))
                    printf("IN BETWEEN: 0, and %s%s\n", why, note);
                else {
                    bool full = !test->want.bounding_stays && before.threads[0].mask[PRM] & BIT(CAP_SETPCAP) && !shared->may_drop_bounding;
                    printf("done%s%s\n", full ? " (the bounding set is as before)" : "", note);
                }
            } else if (!unchanged(why, sizeof why))
                printf("IN BETWEEN: status %d, and %s (%s)%s\n", shared->status, why, one_line(shared->message), note);
            else
                printf("status %d %s%s\n", shared->status, one_line(shared->message), note);
        } else if (heard < 0)
            printf("HANGS\n");
        else if (waitpid(pid, &status, 0) == pid) {
            ssize_t len = read(errors[0], line, sizeof line - 1);
            line[len > 0 ? len : 0] = '\0';
            printf("gone %s %d: %s\n", WIFSIGNALED(status) ? "signal" : "exit", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
                   line[0] ? one_line(line) : "without a line");
            pid = -1;
        }
    }
    fflush(stdout);
    close(to[1]);
    close(from[0]);
    close(errors[0]);
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
}

int main(int argc, char **argv)
{
    const char *threads = "0,8";
    int at = 1;
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && strcmp(argv[1], "--dropped") == 0) {
        if (names())
            fprintf(stderr, "drive: %s\n", ec_security_last_error());
        else
            execv("/proc/self/exe", argv + 1);
        return 2;
    }
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        if (strcmp(argv[at], "--filter") == 0)
            with_filter = true;
        else if (strcmp(argv[at], "--landlock") == 0)
            with_landlock = true;
        else if (at + 1 < argc && strcmp(argv[at], "--threads") == 0)
            threads = argv[++at];
        else if (at + 1 < argc && strcmp(argv[at], "--user") == 0)
            user_name = argv[++at];
        else if (at + 1 < argc && strcmp(argv[at], "--chroot") == 0)
            chroot_dir = argv[++at];
        else if (at + 1 < argc && strcmp(argv[at], "--attr") == 0)
            attr_text = argv[++at];
        else if (at + 1 < argc && strcmp(argv[at], "--proc") == 0)
            proc = argv[++at];
        else {
            fprintf(stderr, "drive: what is %s?\n", argv[at]);
            return 2;
        }
    }
    struct passwd *user = getpwnam(user_name);
    if (!user) {
        fprintf(stderr, "drive: there is no user %s here\n", user_name);
        return 2;
    }
    user_uid = user->pw_uid;
    user_gid = user->pw_gid;
    snprintf(uid_text, sizeof uid_text, "%u", user_uid);
    snprintf(gid_text, sizeof gid_text, "%u", user_gid);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("drive: mmap");
        return 2;
    }
    for (const char *number = threads; number; number = strchr(number, ',') ? strchr(number, ',') + 1 : NULL) {
        unsigned count = (unsigned)atoi(number);
        if (count > THREADS_MAX)
            return 2;
        for (size_t test = 0; test < sizeof TESTS / sizeof TESTS[0]; test++) {
            bool chosen = at == argc && TESTS[test].name[0] == 'T';
            for (int word = at; word < argc; word++)
                chosen |= strcmp(argv[word], TESTS[test].name) == 0;
            if (chosen)
                run(&TESTS[test], count);
        }
    }
    return 0;
}
