/* What each thread is as seen from outside, and whether that is as asked, or as before; see faults.h. */

#include "faults.h"

#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const fields[FIELDS] = {"Uid",    "Gid",    "Groups", "CapInh",     "CapPrm",  "CapEff",
                                           "CapBnd", "CapAmb", "SigBlk", "NoNewPrivs", "Seccomp", "State"};

size_t slurp(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        out[0] = 0;
        return 0;
    }
    size_t have = 0;
    for (ssize_t got; have < size - 1 && (got = read(fd, out + have, size - 1 - have)) > 0;)
        have += (size_t)got;
    close(fd);
    out[have] = 0;
    return have;
}

void value(const char *status, const char *key, char *out, size_t size)
{
    size_t len = strlen(key);
    const char *at = status;
    for (; at && (strncmp(at, key, len) || at[len] != ':'); at = at ? at + 1 : NULL)
        if (!(at = strchr(at, '\n')))
            break;
    if (!at) {
        snprintf(out, size, "(no %s)", key);
        return;
    }
    at += len + 1;
    at += strspn(at, " \t");
    size_t end = strcspn(at, "\n");
    while (end && at[end - 1] == ' ')
        end--;
    snprintf(out, size, "%.*s", (int)(end < size ? end : size - 1), at);
}

static int ascending(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

void take(pid_t pid, struct snapshot *out)
{
    static char status[8192];
    char path[128], word[200];
    memset(out, 0, sizeof *out);
    for (int at = 0; at < THREADS; at++) {
        snprintf(path, sizeof path, "/proc/%d/task/%d/status", pid, shared->tids[at]);
        slurp(path, status, sizeof status);
        for (int field = 0; field < FIELDS; field++)
            value(status, fields[field], out->threads[at][field], sizeof out->threads[at][field]);
        snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, shared->tids[at]);
        size_t len = strlen(out->children);
        slurp(path, out->children + len, sizeof out->children - len);
    }
    static const char *const of_process[] = {"SigIgn", "SigCgt", "Threads"};
    for (size_t at = 0; at < LEN(of_process); at++) {
        value(status, of_process[at], word, sizeof word);
        size_t len = strlen(out->actions);
        snprintf(out->actions + len, sizeof out->actions - len, "%s ", word);
    }
    struct stat stat_;
    snprintf(path, sizeof path, "/proc/%d/root/.", pid);
    if (stat(path, &stat_) == 0) {
        out->root_dev = stat_.st_dev;
        out->root_ino = stat_.st_ino;
    }
    snprintf(path, sizeof path, "/proc/%d/cwd/.", pid);
    if (stat(path, &stat_) == 0) {
        out->cwd_dev = stat_.st_dev;
        out->cwd_ino = stat_.st_ino;
    }
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *fds = opendir(path);
    char *names[64];
    size_t len = 0;
    for (struct dirent *entry; fds && (entry = readdir(fds)) && len < LEN(names);) {
        char target[160];
        snprintf(path, sizeof path, "/proc/%d/fd/%.20s", pid, entry->d_name);
        ssize_t got = readlink(path, target, sizeof target - 1);
        if (got < 0)
            continue;
        target[got] = 0;
        if (asprintf(&names[len], "%.20s=%s ", entry->d_name, target) > 0)
            len++;
    }
    if (fds)
        closedir(fds);
    else
        snprintf(out->descriptors, sizeof out->descriptors, "(cannot be read)");
    qsort(names, len, sizeof *names, ascending);
    for (size_t at = 0; at < len; at++) {
        size_t have = strlen(out->descriptors);
        snprintf(out->descriptors + have, sizeof out->descriptors - have, "%s", names[at]);
        free(names[at]);
    }
}

const char *who(int at) { return at == 0 ? "the caller" : at == 1 ? "thread 1" : at == 2 ? "thread 2" : "thread 3"; }

bool PRINTF_LIKE(2, 3) say(char out[400], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(out, 400, format, args);
    va_end(args);
    return false;
}

/* Everything but what a drop is meant to change. */
static bool same_process(const struct snapshot *was, const struct snapshot *is, unsigned lenient, char out[400])
{
    if (strcmp(was->actions, is->actions))
        return say(out, "signal actions or threads: %s, not %s", is->actions, was->actions);
    if (strcmp(was->descriptors, is->descriptors) && !(lenient & (DESCRIPTORS | RETURNING)))
        return say(out, "descriptors: %.150s, not %.150s", is->descriptors, was->descriptors);
    if (strcmp(was->children, is->children) && !(lenient & CHILD))
        return say(out, "a child is left: %s", is->children);
    for (int at = 0; at < THREADS; at++) {
        if (strcmp(was->threads[at][BLOCKED], is->threads[at][BLOCKED]) && !(lenient & (MASKS | RETURNING)))
            return say(out, "%s blocks %s, not %s", who(at), is->threads[at][BLOCKED], was->threads[at][BLOCKED]);
        if (strcmp(was->threads[at][SECCOMP], is->threads[at][SECCOMP]))
            return say(out, "%s: seccomp %s", who(at), is->threads[at][SECCOMP]);
    }
    return true;
}

static bool same_threads(const struct snapshot *was, const struct snapshot *is, char out[400])
{
    for (int at = 0; at < THREADS; at++)
        for (int field = 0; field < COMPARED; field++)
            if (field != BLOCKED && strcmp(was->threads[at][field], is->threads[at][field]))
                return say(out, "%s of %s is %.100s, not %.100s", fields[field], who(at), is->threads[at][field],
                           was->threads[at][field]);
    return true;
}

bool is_unchanged(const struct snapshot *was, const struct snapshot *is, unsigned lenient, char out[400])
{
    if (!same_threads(was, is, out) || !same_process(was, is, lenient, out))
        return false;
    if (was->root_dev != is->root_dev || was->root_ino != is->root_ino)
        return say(out, "another root directory");
    if (was->cwd_dev != is->cwd_dev || was->cwd_ino != is->cwd_ino)
        return say(out, "another working directory");
    return true;
}

bool trim_denied;

/* Threads that a fault has ended when they had followed, which is a matter of time: nothing of them is left to be compared. */
static bool gone[THREADS];

bool is_as_asked(const struct snapshot *was, const struct snapshot *is, unsigned lenient, char out[400])
{
    struct want wanted = scene->want, *want = &wanted;
    wanted.trim = wanted.trim && !trim_denied;
    struct snapshot goal = *was;
    for (int at = 0; at < THREADS; at++) {
        char(*thread)[640] = goal.threads[at];
        uint64_t prm = strtoull(thread[PRM], NULL, 16), bnd = strtoull(thread[BND], NULL, 16);
        if (want->ids) {
            unsigned gid = !strncmp(scene->name, "ambient", 7) ? ECLOGS_GID : ECUSER_GID;
            snprintf(thread[UID], sizeof thread[UID], "%u\t%u\t%u\t%u", ECUSER_UID, ECUSER_UID, ECUSER_UID, ECUSER_UID);
            snprintf(thread[GID], sizeof thread[GID], "%u\t%u\t%u\t%u", gid, gid, gid, gid);
        }
        if (want->groups)
            snprintf(thread[GROUPS], sizeof thread[GROUPS], "%s", want->groups);
        if (want->caps) {
            snprintf(thread[EFF], sizeof thread[EFF], "%016llx", (unsigned long long)want->eff);
            snprintf(thread[PRM], sizeof thread[PRM], "%016llx", (unsigned long long)want->prm);
            snprintf(thread[INH], sizeof thread[INH], "%016llx", (unsigned long long)want->inh);
            snprintf(thread[AMB], sizeof thread[AMB], "%016llx", (unsigned long long)want->amb);
        }
        if (want->trim && (prm & BIT(8) /* cap_setpcap */))
            snprintf(thread[BND], sizeof thread[BND], "%016llx", (unsigned long long)(bnd & (want->prm | want->inh)));
        if (want->nnp)
            strcpy(thread[NNP], "1");
        strcpy(thread[SECCOMP], is->threads[at][SECCOMP]);
    }
    struct snapshot seen = *is;
    for (int at = 0; at < THREADS; at++) {
        gone[at] = shared->ended && !strncmp(is->threads[at][UID], "(no ", 4);
        if (gone[at]) {
            memcpy(seen.threads[at], goal.threads[at], sizeof seen.threads[at]);
            strcpy(seen.actions, was->actions);
        }
    }
    if (!same_threads(&goal, &seen, out) || !same_process(was, &seen, lenient, out))
        return false;
    struct stat root;
    if (stat(want->root ? directory : "/", &root) < 0 || root.st_dev != is->root_dev || root.st_ino != is->root_ino)
        return say(out, "the root directory is not the one asked for");
    if (want->root ? is->cwd_ino != root.st_ino : is->cwd_ino != was->cwd_ino)
        return say(out, "the working directory is not the one asked for");
    return true;
}

bool probes_agree(bool done, unsigned lenient, char out[400])
{
    for (int at = 0; at < THREADS; at++) {
        const struct probe *was = &shared->before[at], *is = &shared->after[at];
        if (done && gone[at])
            continue;
        if (!is->errno_kept)
            return say(out, "%s: errno has changed", who(at));
        if (was->mask != is->mask && !(lenient & MASKS))
            return say(out, "%s: signal mask %llx", who(at), (unsigned long long)is->mask);
        if (memcmp(was->action, is->action, sizeof is->action) && !(lenient & ACTION))
            return say(out, "the action of signal 33 is another");
        long securebits = done && scene->want.securebits >= 0 ? scene->want.securebits : was->securebits;
        if (is->securebits != securebits)
            return say(out, "%s: securebits %lx, not %lx", who(at), is->securebits, securebits);
        if (!done && was->dumpable != is->dumpable)
            return say(out, "dumpable %ld, not %ld", is->dumpable, was->dumpable);
        /* prctl(2), PR_SET_PDEATHSIG: a change of ids clears it */
        if (!done && was->death_signal != is->death_signal)
            return say(out, "%s: death signal %ld, not %ld", who(at), is->death_signal, was->death_signal);
    }
    return true;
}

/* One line that names step, thread and errno. */
bool is_last_line(const char *text, char out[400])
{
    const char *newline = strchr(text, '\n');
    if (!newline || newline[1])
        return say(out, "not one line on standard error: \"%.250s\"", text);
    if (strncmp(text, "libec_security: aborting: ", 26))
        return say(out, "another line on standard error: \"%.250s\"", text);
    const char *thread = strstr(text, " thread ");
    char *after = NULL;
    pid_t tid = thread ? (pid_t)strtol(thread + 8, &after, 10) : 0;
    bool known = false;
    for (int at = 0; at < THREADS; at++)
        known |= tid == shared->tids[at];
    if (!known)
        return say(out, "the line names no thread: \"%.250s\"", text);
    bool killed = !strncmp(after, ": it was killed", 15) || !strncmp(after, " was killed while it was stopped", 32) ||
                  !strncmp(after, " was stopped while it looked at itself", 38);
    if (strncmp(after, ": E", 3) && strncmp(after, ": errno ", 8) && strncmp(after, ": no effect of ", 15) && !killed)
        return say(out, "the line names no errno: \"%.250s\"", text);
    if (!killed && !strstr(after, " of ") && !strstr(after, ", from "))
        return say(out, "the line names no step: \"%.250s\"", text);
    return true;
}
