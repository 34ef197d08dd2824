/* Runs every situation, prints which outcome each had, and holds that against docs/situations.md. See situations.h. */

#include "seccomp.h"
#include "situations.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct shared *shared;
const struct situation *current;
static bool with_ids;
static int standard_error = -1;

#define MOST 160
static struct {
    const char *name;
    const char *outcome; /* NULL: failed or skipped */
} rows[MOST];
static size_t rows_len, in_between;

bool ids(void) { return with_ids; }

/* --- the child's side ---------------------------------------------------------------------------------------------- */

static const char *user(void) { return current->user ? current->user : with_ids ? "ecuser" : NULL; }
static const char *caps(void) { return current->caps ? current->caps : "cap_net_bind_service+ep"; }

int drop(void) { return ec_security_apply(user(), current->group, caps()); }

int drop_within(const char *seconds)
{
    ec_security_policy *policy = ec_security_policy_new();
    int status = policy ? EC_SECURITY_OK : EC_SECURITY_ERESOURCE;
    const char *const options[][2] = {
        {"user", user()}, {"group", current->group}, {"capabilities", caps()}, {"deadline", seconds}};
    for (size_t at = 0; at < sizeof options / sizeof *options && status == EC_SECURITY_OK; at++)
        status = ec_security_policy_set(policy, options[at][0], options[at][1]);
    if (status == EC_SECURITY_OK)
        status = ec_security_policy_apply(policy);
    ec_security_policy_free(policy);
    return status;
}

int refusable_drop(void) { return drop_within("0.5"); }

void go_through(void)
{
    ready();
    int status = current->call ? current->call() : drop();
    static char text[1024];
    snprintf(text, sizeof text, "%s", ec_security_last_error() ? ec_security_last_error() : "");
    if (current->then)
        current->then();
    report(status, text);
}

static void child(void *unused)
{
    (void)unused;
    dup2(standard_error, 2);
    if (current->body) {
        current->body();
        return;
    }
    if (current->make)
        current->make();
    go_through();
}

void complain(const char *format, ...)
{
    if (shared->complaint[0])
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(shared->complaint, sizeof shared->complaint, format, args);
    va_end(args);
}

void must(bool held, const char *what)
{
    if (held)
        return;
    complain("cannot be made: %s: %s", what, strerror(errno));
    _exit(73);
}

void thread(void *(*body)(void *), void *arg)
{
    pthread_t made;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 * 1024);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    errno = pthread_create(&made, &attr, body, arg);
    must(errno == 0, "pthread_create");
    pthread_attr_destroy(&attr);
}

void nap(unsigned milliseconds)
{
    struct timespec left = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}

void wait_for(volatile int *word, int value)
{
    while (__atomic_load_n(word, __ATOMIC_SEQ_CST) != value)
        nap(1);
}

pid_t gettid_raw(void) { return (pid_t)syscall(SYS_gettid); }

char state_of(pid_t pid, pid_t tid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[len > 0 ? len : 0] = 0;
    const char *close = strrchr(text, ')');
    return close ? close[2] : 0;
}

void filter(long number, long argument, unsigned action, bool sync)
{
    filter_by(number, 0, argument, action, sync);
}

void filter_by(long number, unsigned which, long argument, unsigned action, bool sync)
{
    struct rule rule = CALLS(number, action);
    if (argument != -1)
        rule.args[which] = (unsigned)argument;
    /* Without no_new_privs, as root may: it would be a change already. */
    must(seccomp_rule(rule, sync ? SECCOMP_FILTER_FLAG_TSYNC : 0) == 0, "seccomp");
}

/* --- memory that runs out ------------------------------------------------------------------------------------------ */

/* glibc's own, under the names it keeps for just this. */
void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

volatile long fail_at, allocations;
volatile pid_t failing_thread;

static bool runs_out(void)
{
    if (!failing_thread || failing_thread != gettid_raw())
        return false;
    if (++allocations != fail_at)
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size) { return runs_out() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return runs_out() ? NULL : __libc_calloc(count, size); }
void *realloc(void *at, size_t size) { return runs_out() ? NULL : __libc_realloc(at, size); }
void *memalign(size_t align, size_t size) { return runs_out() ? NULL : __libc_memalign(align, size); }
void *aligned_alloc(size_t align, size_t size) { return memalign(align, size); }
int posix_memalign(void **out, size_t align, size_t size)
{
    void *at = memalign(align, size);
    if (!at)
        return ENOMEM;
    *out = at;
    return 0;
}

/* --- the parent's side --------------------------------------------------------------------------------------------- */

/* Facts of the whole process that an error must leave alone. */
struct facts {
    char caught[32], ignored[32];
    size_t descriptors;
    char root[256];
};

static void look_at_facts(pid_t pid, struct facts *out)
{
    char path[64], line[256];
    memset(out, 0, sizeof *out);
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *status = fopen(path, "re");
    while (status && fgets(line, sizeof line, status)) {
        if (sscanf(line, "SigCgt: %31s", out->caught) != 1)
            sscanf(line, "SigIgn: %31s", out->ignored);
    }
    if (status)
        fclose(status);
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        out->descriptors += entry->d_name[0] != '.';
    if (folder)
        closedir(folder);
    snprintf(path, sizeof path, "/proc/%d/root", pid);
    ssize_t len = readlink(path, out->root, sizeof out->root - 1);
    out->root[len > 0 ? len : 0] = 0;
}

static size_t lines_said(char *text, size_t room)
{
    ssize_t len = pread(standard_error, text, room - 1, 0);
    text[len > 0 ? len : 0] = 0;
    size_t lines = 0;
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    return lines;
}

static const char *name_of(enum outcome outcome)
{
    return outcome == DONE ? "done on every thread" : outcome == REFUSED ? "error, nothing changed" : "process gone, one line";
}

static void says(const char *text)
{
    for (size_t at = 0; at < sizeof current->says / sizeof *current->says && current->says[at]; at++)
        expect(strstr(text, current->says[at]), "\"%s\" is not in: %s", current->says[at], text);
    if (current->names_thread) {
        char name[32];
        snprintf(name, sizeof name, "thread %d", shared->tid);
        expect(shared->tid && strstr(text, name), "\"%s\" is not in: %s", name, text);
    }
}

static bool there(pid_t pid) { return kill(pid, 0) == 0 && state_of(pid, pid) != 0; }

static void run_one(void *unused)
{
    (void)unused;
    const char *why = current->needs_ids && !with_ids ? "ids cannot be changed here" : NULL;
    if (!why && current->cannot)
        why = current->cannot();
    if (why) {
        skip("%s", why);
        return;
    }
    memset(shared, 0, sizeof *shared);
    if (ftruncate(standard_error, 0) < 0 || lseek(standard_error, 0, SEEK_SET) < 0)
        fail("memfd: %s", strerror(errno));
    struct child *child_of_ours = start(child, NULL);
    if (!child_of_ours) {
        char said[512];
        lines_said(said, sizeof said);
        fprintf(stderr, "%s: %s%s\n", current->name, shared->complaint, said);
        return;
    }
    pid_t pid = shared->subject ? shared->subject : child_of_ours->pid;
    struct process *before = look(pid);
    struct facts facts_before, facts_after;
    look_at_facts(pid, &facts_before);
    go_on(child_of_ours);
    if (current->beside)
        current->beside(pid);
    struct answer *answer = hear(child_of_ours);

    enum outcome outcome;
    char said[1024];
    size_t lines = lines_said(said, sizeof said);
    if (!answer->came) {
        outcome = GONE;
        bool aborted = WIFSIGNALED(answer->wait_status) && WTERMSIG(answer->wait_status) == SIGABRT;
        if (answer->wait_status == -1 || !aborted) {
            in_between++;
            expect(false, "none of the three outcomes: %s; it said: %s", answer->text, said);
            return;
        }
        expect(lines == 1 && !strncmp(said, "libec_security: ", 16), "the abort came with %zu lines: %s", lines, said);
        says(said);
    } else if (!there(pid)) {
        expect(false, "the process has reported %d %s, and has gone", answer->status, answer->text);
        return;
    } else if (answer->status == EC_SECURITY_OK) {
        outcome = DONE;
        struct process *after = look(pid);
        uint64_t bits = current->caps && !*current->caps ? 0 : BIT(10);
        struct thread want = shared->have_want
                                 ? shared->want
                                 : after_drop(&before->threads[0], with_ids ? ECUSER_UID : before->threads[0].uid[0],
                                              with_ids ? ECUSER_GID : before->threads[0].gid[0],
                                              with_ids ? ECUSER_GROUPS : NULL, 3, bits, bits, 0);
        expect_threads(after, &want, current->fields ? current->fields : FIELDS_ALL, current->threads ? current->threads : 1);
        in_between += over();
        expect(lines == 0, "nothing was to be said, but: %s", said);
    } else {
        outcome = REFUSED;
        expect_unchanged(before, look(pid));
        in_between += over();
        look_at_facts(pid, &facts_after);
        expect(!memcmp(&facts_before, &facts_after, sizeof facts_before),
               "handlers %s, ignored %s, %zu descriptors, root %s became %s, %s, %zu, %s", facts_before.caught,
               facts_before.ignored, facts_before.descriptors, facts_before.root, facts_after.caught, facts_after.ignored,
               facts_after.descriptors, facts_after.root);
        expect(lines == 0, "nothing was to be said, but: %s", said);
        expect(answer->status == current->status || !(current->outcomes & REFUSED), "status %d (%s), not %d",
               answer->status, answer->text, current->status);
        if (current->outcomes & REFUSED)
            says(answer->text);
    }
    expect(outcome & current->outcomes, "%s (%s), which is not the outcome expected", name_of(outcome), answer->text);
    expect(!shared->complaint[0], "%s", shared->complaint);
    if (current->after)
        current->after(pid);
    if (getenv("SITUATIONS_VERBOSE"))
        printf("    %s: %s\n", name_of(outcome), answer->came ? answer->text : said);
    if (!over())
        rows[rows_len - 1].outcome = name_of(outcome);
}

void situation(const struct situation *it)
{
    if (rows_len == MOST) {
        fprintf(stderr, "more than %d situations\n", MOST);
        exit(70);
    }
    rows[rows_len++].name = it->name;
    current = it;
    test(it->name, it->seconds ? it->seconds : 60, run_one, NULL);
}

static void documented(void *unused)
{
    (void)unused;
    FILE *file = fopen("docs/situations.md", "re");
    if (!expect(file, "docs/situations.md: %s (to be run from the top folder)", strerror(errno)))
        return;
    static char text[1 << 17];
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
    for (size_t at = 0; at < rows_len; at++) {
        char row[512];
        snprintf(row, sizeof row, "\n| %s |", rows[at].name);
        const char *found = strstr(text, row);
        if (!expect(found, "no row for: %s", rows[at].name) || !rows[at].outcome)
            continue;
        snprintf(row, sizeof row, "| %s | %s |", rows[at].name, rows[at].outcome);
        expect(!strncmp(found + 1, row, strlen(row)), "the row of \"%s\" does not say \"%s\"", rows[at].name,
               rows[at].outcome);
    }
    /* What is written there must have been tried. */
    size_t described = 0;
    const char *known[] = {name_of(DONE), name_of(REFUSED), name_of(GONE)};
    for (const char *line = text; line; line = strchr(line + 1, '\n'))
        for (size_t at = 0; at < 3; at++) {
            const char *line_end = strchr(line + 1, '\n');
            const char *cell = strstr(line, known[at]);
            if (line[1] == '|' && cell && line_end && cell < line_end && cell[-1] == ' ' && cell[-2] == '|') {
                described++;
                break;
            }
        }
    expect(described == rows_len + 1, "%zu rows there, %zu situations here, and one of make soak", described, rows_len);
}

int main(int argc, char **argv)
{
    only(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!private_users())
        perror("private_users");
    with_ids = can_change_ids();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    standard_error = memfd_create("standard error", MFD_CLOEXEC);
    if (shared == MAP_FAILED || standard_error < 0) {
        perror("situations");
        return 70;
    }
    /* SITUATIONS_OF=tsplf: of threads, signals, processes, limits, features; fewer letters for some of the groups. */
    const char *groups = getenv("SITUATIONS_OF") ? getenv("SITUATIONS_OF") : "tsplf";
    if (strchr(groups, 't'))
        situations_of_threads();
    if (strchr(groups, 's'))
        situations_of_signals();
    if (strchr(groups, 'p'))
        situations_of_processes();
    if (strchr(groups, 'l'))
        situations_of_limits();
    if (strchr(groups, 'f'))
        situations_of_features();
    if (argc < 2 && strlen(groups) == 5 && !getenv("SITUATIONS_MANY"))
        test("docs/situations.md has every situation with its outcome", 10, documented, NULL);
    size_t done = 0, refused = 0, gone = 0;
    printf("\n");
    for (size_t at = 0; at < rows_len; at++) {
        const char *outcome = rows[at].outcome;
        if (argc > 1 && !strstr(rows[at].name, argv[1]))
            continue;
        printf("  %-86s %s\n", rows[at].name, outcome ? outcome : "failed or skipped");
        done += outcome == name_of(DONE);
        refused += outcome == name_of(REFUSED);
        gone += outcome == name_of(GONE);
    }
    printf("  %zu situations: %zu done on every thread, %zu errors with nothing changed, %zu gone, %zu in between or hanging\n",
           done + refused + gone + in_between, done, refused, gone, in_between);
    return finish();
}
