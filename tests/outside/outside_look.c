/* What every thread of a process is, from /proc, and whether that is as wanted. outside.h has the interface. */

#include "outside_internal.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

char *whole_file(const char *path, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    size_t capacity = 4096, have = 0;
    char *text = malloc(capacity);
    for (;;) {
        if (!text)
            die("malloc");
        ssize_t got = read(fd, text + have, capacity - 1 - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int saved = errno;
            free(text);
            close(fd);
            errno = saved;
            return NULL;
        }
        if (got == 0)
            break;
        have += (size_t)got;
        if (capacity - 1 - have < 2048)
            text = realloc(text, capacity *= 2);
    }
    close(fd);
    text[have] = 0;
    if (len)
        *len = have;
    return text;
}

/* The text behind "\nKEY:" and blanks; a field that is missing ends the test, since it must not be taken for a zero. */
static const char *field(const char *status, const char *key)
{
    size_t len = strlen(key);
    for (const char *at = status; at; at = strchr(at, '\n')) {
        if (*at == '\n')
            at++;
        if (!strncmp(at, key, len) && at[len] == ':') {
            at += len + 1;
            while (*at == ' ' || *at == '\t')
                at++;
            return at;
        }
    }
    fprintf(stderr, "outside: /proc/PID/status has no field %s\n", key);
    exit(70);
}

static unsigned long number(const char *status, const char *key) { return strtoul(field(status, key), NULL, 10); }

uint64_t mask(const char *status, const char *key) { return strtoull(field(status, key), NULL, 16); }

static void four(const char *status, const char *key, unsigned out[4])
{
    if (sscanf(field(status, key), "%u %u %u %u", &out[0], &out[1], &out[2], &out[3]) != 4) {
        fprintf(stderr, "outside: %s in /proc/PID/status does not hold four numbers\n", key);
        exit(70);
    }
}

static int ascending(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return (x > y) - (x < y);
}

bool look_thread(pid_t pid, pid_t tid, struct thread *out)
{
    char path[64];
    memset(out, 0, sizeof *out);
    snprintf(path, sizeof path, "/proc/%d/task/%d/status", pid, tid);
    char *status = whole_file(path, NULL);
    if (!status)
        return false;
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, tid);
    char *stat = whole_file(path, NULL);
    if (!stat) {
        free(status);
        return false;
    }
    out->tid = tid;
    sscanf(field(status, "Name"), "%16[^\n]", out->name);
    out->state = *field(status, "State");
    four(status, "Uid", out->uid);
    four(status, "Gid", out->gid);
    const char *groups = field(status, "Groups");
    const char *line_end = strchr(groups, '\n');
    out->groups = case_alloc(((size_t)(line_end - groups) / 2 + 1) * sizeof *out->groups);
    for (char *rest; groups < line_end; groups = rest) {
        unsigned long group = strtoul(groups, &rest, 10);
        if (rest == groups || rest > line_end)
            break;
        out->groups[out->groups_len++] = (unsigned)group;
    }
    qsort(out->groups, out->groups_len, sizeof *out->groups, ascending);
    out->inh = mask(status, "CapInh");
    out->prm = mask(status, "CapPrm");
    out->eff = mask(status, "CapEff");
    out->bnd = mask(status, "CapBnd");
    out->amb = mask(status, "CapAmb");
    out->nnp = (int)number(status, "NoNewPrivs");
    out->seccomp = (int)number(status, "Seccomp");
    out->threads = (int)number(status, "Threads");
    out->tracer = (int)number(status, "TracerPid");
    out->blocked = mask(status, "SigBlk");
    /* Field 9 of stat: PF_IO_WORKER 0x10 and PF_USER_WORKER 0x4000 (include/linux/sched.h). The name, field 2, may hold
     * anything, but is the only one that ends in a parenthesis. */
    unsigned flags = 0;
    const char *behind_name = strrchr(stat, ')');
    if (!behind_name || sscanf(behind_name + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) != 1)
        die("/proc/PID/stat");
    out->kernel = (flags & (0x10u | 0x4000u)) != 0;
    free(status);
    free(stat);
    return true;
}

static pid_t leader; /* for the order; qsort takes no argument */

static int leader_first(const void *a, const void *b)
{
    pid_t x = ((const struct thread *)a)->tid, y = ((const struct thread *)b)->tid;
    if ((x == leader) != (y == leader))
        return x == leader ? -1 : 1;
    return (x > y) - (x < y);
}

struct process *look(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *directory = opendir(path);
    struct process *seen = case_alloc(sizeof *seen);
    seen->pid = pid;
    if (!directory) {
        int why = errno;
        siginfo_t info = {0};
        waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
        fail("%s: %s (its end: code %d, status %d)", path, strerror(why), info.si_code, info.si_status);
        seen->threads = case_alloc(sizeof *seen->threads); /* something to point at: the case has failed already */
        return seen;
    }
    size_t capacity = 0;
    struct thread *threads = NULL;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        if (seen->len == capacity) {
            capacity = capacity ? capacity * 2 : 64;
            threads = realloc(threads, capacity * sizeof *threads);
            if (!threads)
                die("realloc");
        }
        if (look_thread(pid, (pid_t)strtol(entry->d_name, NULL, 10), &threads[seen->len]))
            seen->len++;
    }
    closedir(directory);
    seen->threads = case_alloc((seen->len + 1) * sizeof *threads);
    if (seen->len)
        memcpy(seen->threads, threads, seen->len * sizeof *threads);
    free(threads);
    leader = pid;
    qsort(seen->threads, seen->len, sizeof *seen->threads, leader_first);
    if (!seen->len)
        fail("%s lists no thread", path);
    return seen;
}

/* --- comparing ----------------------------------------------------------------------------------------------------- */

void PRINTF_LIKE(2, 3) add(struct text *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (out->have < out->len) {
        int more = vsnprintf(out->buf + out->have, out->len - out->have, format, args);
        out->have += more > 0 ? (size_t)more : 0;
    }
    va_end(args);
}

static void add_groups(struct text *out, const unsigned *groups, size_t len)
{
    if (!len)
        add(out, "none");
    for (size_t at = 0; at < len && at < 12; at++)
        add(out, "%s%u", at ? " " : "", groups[at]);
    if (len > 12)
        add(out, " … (%zu of them)", len);
}

static bool same_groups(const struct thread *a, const struct thread *b)
{
    if (a->groups_len != b->groups_len)
        return false;
    size_t size = a->groups_len * sizeof *a->groups;
    unsigned *x = malloc(size + 1), *y = malloc(size + 1);
    if (!x || !y)
        die("malloc");
    if (size) {
        memcpy(x, a->groups, size);
        memcpy(y, b->groups, size);
    }
    qsort(x, a->groups_len, sizeof *x, ascending);
    qsort(y, a->groups_len, sizeof *y, ascending);
    bool same = !size || !memcmp(x, y, size);
    free(x);
    free(y);
    return same;
}

unsigned differs(const struct thread *got, const struct thread *want, unsigned fields, char *out, size_t len)
{
    struct text text = {out, len, 0};
    unsigned found = 0;
    if (len)
        out[0] = 0;
    const struct {
        unsigned field;
        const char *name;
        const unsigned *got, *want;
    } ids[] = {
        {FIELD_UID, "Uid", got->uid, want->uid},
        {FIELD_GID, "Gid", got->gid, want->gid},
    };
    for (size_t at = 0; at < sizeof ids / sizeof *ids; at++)
        if ((fields & ids[at].field) && memcmp(ids[at].got, ids[at].want, 4 * sizeof(unsigned))) {
            const unsigned *g = ids[at].got, *w = ids[at].want;
            add(&text, "%s%s %u %u %u %u, not %u %u %u %u", found ? "; " : "", ids[at].name, g[0], g[1], g[2], g[3], w[0], w[1],
                w[2], w[3]);
            found |= ids[at].field;
        }
    if ((fields & FIELD_GROUPS) && !same_groups(got, want)) {
        add(&text, "%sGroups ", found ? "; " : "");
        add_groups(&text, got->groups, got->groups_len);
        add(&text, ", not ");
        add_groups(&text, want->groups, want->groups_len);
        found |= FIELD_GROUPS;
    }
    const struct {
        unsigned field;
        const char *name;
        uint64_t got, want;
    } sets[] = {
        {FIELD_INH, "CapInh", got->inh, want->inh}, {FIELD_PRM, "CapPrm", got->prm, want->prm},
        {FIELD_EFF, "CapEff", got->eff, want->eff}, {FIELD_BND, "CapBnd", got->bnd, want->bnd},
        {FIELD_AMB, "CapAmb", got->amb, want->amb},
    };
    for (size_t at = 0; at < sizeof sets / sizeof *sets; at++)
        if ((fields & sets[at].field) && sets[at].got != sets[at].want) {
            add(&text, "%s%s %llx, not %llx", found ? "; " : "", sets[at].name, (unsigned long long)sets[at].got,
                (unsigned long long)sets[at].want);
            found |= sets[at].field;
        }
    if ((fields & FIELD_NNP) && got->nnp != want->nnp) {
        add(&text, "%sNoNewPrivs %d, not %d", found ? "; " : "", got->nnp, want->nnp);
        found |= FIELD_NNP;
    }
    if ((fields & FIELD_SECCOMP) && got->seccomp != want->seccomp) {
        add(&text, "%sSeccomp %d, not %d", found ? "; " : "", got->seccomp, want->seccomp);
        found |= FIELD_SECCOMP;
    }
    return found;
}

static bool counts(const struct thread *thread) { return !thread->kernel && thread->state != 'Z' && thread->state != 'X'; }

void expect_threads_at(const char *file, int line, const struct process *got, const struct thread *want, unsigned fields,
                       size_t least)
{
    size_t counted = 0, wrong = 0;
    char first[1024] = "";
    for (size_t at = 0; at < got->len; at++) {
        char how[900];
        if (!counts(&got->threads[at]))
            continue;
        counted++;
        if (differs(&got->threads[at], want, fields, how, sizeof how) && !wrong++)
            snprintf(first, sizeof first, "thread %d %s%s: %s", got->threads[at].tid, got->threads[at].name,
                     at ? "" : " (leader)", how);
    }
    expect_at(file, line, !wrong, "%zu of %zu threads are not as asked; %s", wrong, counted, first);
    expect_at(file, line, counted >= least && counted > 0, "saw %zu threads, where there should be at least %zu", counted, least);
}

void expect_unchanged_at(const char *file, int line, const struct process *before, const struct process *after, unsigned fields)
{
    expect_at(file, line, before->len > 0 && after->len > 0, "there is nothing to compare");
    size_t there = 0;
    for (size_t at = 0; at < before->len; at++) {
        const struct thread *was = &before->threads[at];
        while (there < after->len && leader_first(&after->threads[there], was) < 0)
            there++;
        char how[900] = "";
        bool found = there < after->len && after->threads[there].tid == was->tid;
        if (!expect_at(file, line, found, "thread %d %s has gone", was->tid, was->name))
            return;
        bool same = !differs(&after->threads[there], was, fields, how, sizeof how);
        if (!expect_at(file, line, same, "thread %d %s has changed: %s", was->tid, was->name, how))
            return;
    }
}

struct thread after_drop(const struct thread *before, unsigned uid, unsigned gid, const unsigned *groups, size_t groups_len,
                         uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
    struct thread want = *before;
    for (int at = 0; at < 4; at++) {
        want.uid[at] = uid;
        want.gid[at] = gid;
    }
    if (groups) {
        want.groups_len = groups_len;
        want.groups = case_alloc((groups_len + 1) * sizeof *groups);
        memcpy(want.groups, groups, groups_len * sizeof *groups);
    }
    want.eff = effective;
    want.prm = permitted;
    want.inh = inheritable;
    want.amb = 0;
    want.nnp = 1;
    want.bnd = bounding_after(before, permitted, inheritable);
    return want;
}

uint64_t bounding_after(const struct thread *before, uint64_t permitted, uint64_t inheritable)
{
    return before->prm & BIT(8) /* CAP_SETPCAP */ ? before->bnd & (permitted | inheritable) : before->bnd;
}
