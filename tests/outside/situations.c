/* Runs every situation, prints which outcome each had, and holds that against docs/situations.md. See situations.h. */

#include "own_malloc.h"
#include "policy_of.h"
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
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct shared *shared;
const struct situation *current;
static bool with_ids;
static int standard_error = -1;

#define MOST 400
static struct {
    const char *name;
    const char *outcome; /* NULL: failed or skipped */
    bool chosen;         /* its case was */
} rows[MOST];
static size_t rows_len, in_between;
#define NO_ROW SIZE_MAX
static unsigned seen[GONE + 1]; /* how often each outcome, of those that run together */

bool ids(void) { return with_ids; }

/* --- the child's side ---------------------------------------------------------------------------------------------- */

static const char *user(void) { return current->user ? current->user : with_ids ? "ecuser" : NULL; }
static const char *caps(void) { return current->caps ? current->caps : "cap_net_bind_service+ep"; }

int drop(void) { return ec_security_apply(user(), current->group, caps()); }

int drop_within(const char *seconds)
{
    return apply_of(
        (const char *const[]){"user", user(), "group", current->group, "capabilities", caps(), "deadline", seconds, NULL});
}

int stop_all_within(const char *seconds)
{
    return apply_of(
        (const char *const[]){"capabilities", "keep", "bounding", "keep", "no_new_privs", "off", "deadline", seconds, NULL});
}

int stop_all(void) { return stop_all_within(NULL); }

int stops_and_drop(unsigned stops)
{
    int status = EC_SECURITY_OK;
    for (unsigned at = 0; at < stops && status == EC_SECURITY_OK; at++)
        status = stop_all();
    return status == EC_SECURITY_OK ? drop() : status;
}

int refusable_drop(void) { return drop_within("0.5"); }

void go_through(void)
{
    ready();
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    int status = current->call ? current->call() : drop();
    clock_gettime(CLOCK_MONOTONIC, &to);
    if (current->within)
        shared->milliseconds = (int)((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000);
    static char text[1024];
    snprintf(text, sizeof text, "%s", ec_security_last_error() ? ec_security_last_error() : "");
    if (current->then)
        current->then();
    report(status, text);
}

static void *goes_through(void *unused)
{
    go_through();
    return unused;
}

void go_through_beside(void)
{
    thread(goes_through, NULL);
    wait_forever();
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

void require(bool held, const char *what)
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
    require(errno == 0, "pthread_create");
    pthread_attr_destroy(&attr);
}

/* A thread that libc knows nothing of, so that libc has no handler for the set*id signal. */
static char bare_stack[1 << 16] __attribute__((aligned(16)));
static struct timespec heard_later;

static int is_bare(void *unused)
{
    uint64_t mask = UINT64_C(1) << 32;
    struct timespec moment = {0, 1000000};
    syscall(SYS_rt_sigprocmask, SIG_BLOCK, &mask, NULL, 8);
    shared->count = 1;
    while (shared->flag == 0)
        syscall(SYS_nanosleep, &moment, NULL);
    syscall(SYS_nanosleep, &heard_later, NULL);
    syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &mask, NULL, 8);
    for (;;)
        syscall(SYS_nanosleep, &moment, NULL);
    return unused != NULL;
}

void deaf_bare_thread(unsigned later)
{
    int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
    heard_later.tv_nsec = (long)later * 1000000;
    require(clone(is_bare, bare_stack + sizeof bare_stack, flags, NULL) > 0, "clone");
    wait_for(&shared->count, 1);
}

bool is_fstat(uint64_t call)
{
#ifdef SYS_fstat
    if (call == SYS_fstat)
        return true;
#endif
#ifdef SYS_fstat64
    if (call == SYS_fstat64)
        return true;
#endif
#ifdef SYS_newfstatat
    if (call == SYS_newfstatat)
        return true;
#endif
    return call == SYS_statx;
}

/* Until a moment, not for a time: what is left of a time grows by the timer slack with each signal, so that signals in quick
 * succession make it endless. */
void nap(unsigned milliseconds)
{
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    long nanoseconds = end.tv_nsec + (long)(milliseconds % 1000) * 1000000;
    end.tv_sec += milliseconds / 1000 + nanoseconds / 1000000000;
    end.tv_nsec = nanoseconds % 1000000000;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) == EINTR)
        ;
}

void wait_for(volatile int *word, int value)
{
    while (__atomic_load_n(word, __ATOMIC_SEQ_CST) != value)
        nap(1);
}

void *wait_forever(void)
{
    for (;;)
        pause();
    return NULL;
}

void thread_beside(unsigned idle, void *(*body)(void *), void *arg)
{
    idle_threads(idle);
    thread(body, arg);
    wait_for(&shared->flag, 1);
}

static void *changes_itself(void *change)
{
    shared->tid = gettid_raw();
    (*(void (**)(void))change)();
    shared->flag = 1;
    return wait_forever();
}

void changed_thread(unsigned idle, void (*change)(void)) { thread_beside(idle, changes_itself, &change); }

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

void filter(long number, long argument, unsigned action, bool sync) { filter_by(number, 0, argument, action, sync); }

void filter_by(long number, unsigned which, long argument, unsigned action, bool sync)
{
    struct rule rule = CALLS(number, action);
    if (argument != -1)
        rule.args[which] = (unsigned)argument;
    /* Without no_new_privs, as root may: it would be a change already. */
    require(seccomp_rule(rule, sync ? SECCOMP_FILTER_FLAG_TSYNC : 0) == 0, "seccomp");
}

/* --- memory that runs out ------------------------------------------------------------------------------------------ */

volatile long fail_at, allocations;
volatile pid_t failing_thread;
void (*instead_of_failing)(void);

static bool memory_refused(void)
{
    if (!failing_thread || failing_thread != gettid_raw())
        return false;
    if (++allocations != fail_at)
        return false;
    if (instead_of_failing) {
        instead_of_failing();
        return false;
    }
    return true;
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
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        out->descriptors += entry->d_name[0] != '.';
    if (directory)
        closedir(directory);
    snprintf(path, sizeof path, "/proc/%d/root", pid);
    ssize_t len = readlink(path, out->root, sizeof out->root - 1);
    out->root[len > 0 ? len : 0] = 0;
}

static size_t lines_said(char *text, size_t size)
{
    ssize_t len = pread(standard_error, text, size - 1, 0);
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

bool kernel_before(unsigned major, unsigned minor)
{
    struct utsname kernel;
    unsigned has_major = 0, has_minor = 0;
    require(uname(&kernel) == 0 && sscanf(kernel.release, "%u.%u", &has_major, &has_minor) == 2, "uname");
    return has_major < major || (has_major == major && has_minor < minor);
}

/* A core dump ends everything that shares the memory (fs/coredump.c), before the rehearsal's child can see to it that there is
 * none. */
const char *dumps_end_callers(void) { return kernel_before(5, 16) ? "before Linux 5.16 this filter ends the caller too" : NULL; }

static void says(const char *text)
{
    for (size_t at = 0; at < sizeof current->says / sizeof *current->says && current->says[at]; at++)
        expect(strstr(text, current->says[at]) || (at == 0 && current->or_says && strstr(text, current->or_says)),
               "\"%s\" is not in: %s", current->says[at], text);
    if (current->names_thread) {
        char name[32];
        snprintf(name, sizeof name, "thread %d", shared->tid);
        expect(shared->tid && strstr(text, name), "\"%s\" is not in: %s", name, text);
    }
}

static bool there(pid_t pid) { return kill(pid, 0) == 0 && state_of(pid, pid) != 0; }

/* One that has been begun: what parent and child share, and the child. */
struct begun {
    const struct situation *it;
    struct shared *shared;
    int standard_error;
    struct child *child;
    pid_t pid;
    struct process *before;
    struct facts facts;
    size_t row;
};

static void take_up(const struct begun *begun)
{
    current = begun->it;
    shared = begun->shared;
    standard_error = begun->standard_error;
}

/* Whether it can be made here, and the process waits for the word to make its call. */
static bool begin(struct begun *begun, const struct situation *it, unsigned round)
{
    begun->it = it;
    begun->shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    begun->standard_error = memfd_create("standard error", MFD_CLOEXEC);
    take_up(begun);
    if (shared == MAP_FAILED || standard_error < 0) {
        fail("memory to share: %s", strerror(errno));
        return false;
    }
    shared->round = round;
    begun->child = start(child, NULL);
    if (!begun->child) {
        char said[512];
        lines_said(said, sizeof said);
        fail("%s cannot be made: %s%s", it->name, shared->complaint, said);
        return false;
    }
    begun->pid = shared->subject ? shared->subject : begun->child->pid;
    begun->before = look(begun->pid);
    look_at_facts(begun->pid, &begun->facts);
    return true;
}

static bool said_as_promised(const struct answer *answer, const char *said, size_t lines)
{
    int ended = answer->wait_status;
    if (WIFSIGNALED(ended) && WTERMSIG(ended) == SIGKILL && (current->silent_end || current->line_lost))
        return expect(lines == 0 || current->line_lost, "%s: killed in silence, but with: %s", current->name, said);
    if (WIFSIGNALED(ended) && WTERMSIG(ended) == SIGABRT && current->libc_may_abort && !lines)
        return true;
    /* By exit_group(2) where no signal would do it. */
    bool aborted = (WIFSIGNALED(ended) && WTERMSIG(ended) == SIGABRT) || (WIFEXITED(ended) && WEXITSTATUS(ended) != 0);
    if (!expect(ended != -1 && aborted, "%s: none of the three outcomes: %s; it said: %s", current->name, answer->text, said))
        return false;
    if (current->line_lost)
        return true;
    return expect(lines == 1 && !strncmp(said, "libec_security: ", 16), "%s: the end came with %zu lines: %s", current->name,
                  lines, said);
}

/* Another image, which is as the process was, or as asked: all or nothing there too. Or the process has ended on the way to it, by the
 * set*id signal, which a new image has no handler for (docs/situations.md). */
static bool is_as_print_creds_says(const struct answer *answer, const struct process *before, const char *said)
{
    const struct thread *was = &before->threads[0];
    char as_before[256], as_asked[256];
    if (WIFSIGNALED(answer->wait_status))
        return expect(WTERMSIG(answer->wait_status) == 33 || WTERMSIG(answer->wait_status) == SIGABRT, "%s: %s", current->name,
                      answer->text);
    snprintf(as_before, sizeof as_before, "uid 0 0 0 0 gid 0 0 0 0 permitted %016llx effective %016llx secure",
             (unsigned long long)was->prm, (unsigned long long)was->eff);
    snprintf(as_asked, sizeof as_asked, "uid %u %u %u %u gid %u %u %u %u permitted %016x effective %016x secure", ECUSER_UID,
             ECUSER_UID, ECUSER_UID, ECUSER_UID, ECUSER_GID, ECUSER_GID, ECUSER_GID, ECUSER_GID, 0, 0);
    seen[strstr(said, as_asked) ? DONE : REFUSED]++;
    return expect(strstr(said, as_before) || strstr(said, as_asked), "%s: %s; it said: %s", current->name, answer->text, said);
}

/* Lets it make its call, and holds what came of it against what is right. */
static void conclude(struct begun *begun)
{
    take_up(begun);
    pid_t pid = begun->pid;
    struct process *before = begun->before;
    struct facts facts_after;
    struct answer *answer = wait_report(begun->child);
    enum outcome outcome;
    char said[1024];
    size_t lines = lines_said(said, sizeof said);
    if (current->becomes_print_creds && (answer->came || is_as_print_creds_says(answer, before, said))) {
        expect(!answer->came, "%s: the process has reported %d %s", current->name, answer->status, answer->text);
        return;
    }
    if (!answer->came) {
        outcome = GONE;
        if (!said_as_promised(answer, said, lines)) {
            in_between++;
            return;
        }
        if (lines)
            says(said);
    } else if (!there(pid)) {
        expect(false, "%s: the process has reported %d %s, and has gone", current->name, answer->status, answer->text);
        return;
    } else if (answer->status == EC_SECURITY_OK) {
        outcome = DONE;
        struct process *after = look(pid);
        uint64_t bits = current->caps && !*current->caps ? 0 : BIT(10);
        struct thread want = shared->have_want
                                 ? shared->want
                                 : after_drop(&before->threads[0], with_ids ? ECUSER_UID : before->threads[0].uid[0],
                                              with_ids ? ECUSER_GID : before->threads[0].gid[0], with_ids ? ECUSER_GROUPS : NULL,
                                              3, bits, bits, 0);
        expect_threads(after, &want, current->fields ? current->fields : FIELDS_ALL, current->threads ? current->threads : 1);
        in_between += case_finished();
        expect(lines == 0, "nothing was to be said, but: %s", said);
    } else {
        outcome = REFUSED;
        expect_unchanged_in(before, look(pid), (FIELDS_ALL | FIELD_SECCOMP) & ~current->meanwhile);
        in_between += case_finished();
        look_at_facts(pid, &facts_after);
        const struct facts *was = &begun->facts;
        if (current->keeps_handler)
            memcpy(facts_after.caught, was->caught, sizeof was->caught);
        expect(!memcmp(was, &facts_after, sizeof facts_after),
               "handlers %s, ignored %s, %zu descriptors, root %s became %s, %s, %zu, %s", was->caught, was->ignored,
               was->descriptors, was->root, facts_after.caught, facts_after.ignored, facts_after.descriptors, facts_after.root);
        expect(lines == 0, "nothing was to be said, but: %s", said);
        expect(answer->status == current->status || !current->status || !(current->outcomes & REFUSED), "status %d (%s), not %d",
               answer->status, answer->text, current->status);
        if (current->outcomes & REFUSED)
            says(answer->text);
    }
    expect(outcome & current->outcomes, "%s: %s (%s), which is not the outcome expected", current->name, name_of(outcome),
           answer->came ? answer->text : said);
    expect(!shared->complaint[0], "%s: %s", current->name, shared->complaint);
    int within = current->within * (int)slower();
    expect(!shared->milliseconds || shared->milliseconds <= within, "%s: the call took %d ms, and not at most %d", current->name,
           shared->milliseconds, within);
    if (current->after)
        current->after(pid);
    if (getenv("SITUATIONS_VERBOSE"))
        printf("    %s: %s: %s\n", current->name, name_of(outcome), answer->came ? answer->text : said);
    if (!case_finished() && begun->row != NO_ROW)
        rows[begun->row].outcome = name_of(outcome);
    seen[outcome]++;
}

static const char *why_not(const struct situation *it)
{
    const char *why = it->needs_ids && !with_ids ? "ids cannot be changed here" : NULL;
    return why || !it->cannot ? why : it->cannot();
}

static void put_away(struct begun *begun)
{
    end(begun->child);
    close(begun->standard_error);
    munmap(begun->shared, sizeof *begun->shared);
}

static void run_one(void *arg)
{
    struct begun begun = {.row = rows_len - 1};
    const struct situation *it = arg;
    const char *why = why_not(it);
    rows[begun.row].chosen = true;
    if (why) {
        skip("%s", why);
        return;
    }
    if (!begin(&begun, it, 0))
        return;
    release(begun.child);
    if (it->beside)
        it->beside(begun.pid);
    conclude(&begun);
    put_away(&begun);
}

static size_t add_row(const struct situation *it)
{
    if (rows_len == MOST) {
        fprintf(stderr, "more than %d situations\n", MOST);
        exit(70);
    }
    rows[rows_len].name = it->name;
    return rows_len++;
}

void situation(const struct situation *it)
{
    add_row(it);
    test(it->name, it->seconds ? it->seconds : 60, run_one, (void *)it);
}

struct together {
    const struct situation *all;
    size_t len, first_row; /* NO_ROW: none has one */
    unsigned rounds;       /* else the first alone, so often */
};

#define AT_ONCE 12

static void run_together(void *arg)
{
    struct together *together = arg;
    struct begun begun[AT_ONCE];
    size_t all = together->rounds ? together->rounds : together->len, tried = 0;
    memset(seen, 0, sizeof seen);
    for (size_t at = 0; together->first_row != NO_ROW && at < all; at++)
        rows[together->first_row + at].chosen = true;
    for (size_t first = 0; first < all && !case_finished(); first += AT_ONCE) {
        size_t many = 0;
        for (size_t at = first; at < all && at < first + AT_ONCE && !case_finished(); at++) {
            const struct situation *it = &together->all[together->rounds ? 0 : at];
            const char *why = why_not(it);
            if (why)
                printf("  %s: cannot be made here: %s\n", it->name, why);
            begun[many].row = together->first_row == NO_ROW ? NO_ROW : together->first_row + at;
            many += !why && begin(&begun[many], it, (unsigned)at);
        }
        for (size_t at = 0; at < many; at++)
            release(begun[at].child);
        for (size_t at = 0; at < many; at++) {
            conclude(&begun[at]);
            put_away(&begun[at]);
        }
        tried += many;
    }
    if (!tried && !case_finished())
        skip("none can be made here");
    if (together->first_row == NO_ROW && !case_finished())
        printf("  %zu: %u done, %u refused, %u gone\n", tried, seen[DONE], seen[REFUSED], seen[GONE]);
}

void situations_together(const char *name, unsigned seconds, const struct situation *all, size_t len)
{
    struct together together = {all, len, rows_len, 0};
    for (size_t at = 0; at < len; at++)
        add_row(&all[at]);
    test(name, seconds, run_together, &together);
}

void situations_unlisted(const char *name, unsigned seconds, const struct situation *all, size_t len)
{
    struct together together = {all, len, NO_ROW, 0};
    test(name, seconds, run_together, &together);
}

void situation_rounds(const char *name, unsigned seconds, const struct situation *it, unsigned rounds)
{
    struct together together = {it, 1, NO_ROW, rounds};
    test(name, seconds, run_together, &together);
}

static void documented(void *unused)
{
    (void)unused;
    FILE *file = fopen("docs/situations.md", "re");
    if (!expect(file, "docs/situations.md: %s (to be run from the top directory)", strerror(errno)))
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
        expect(!strncmp(found + 1, row, strlen(row)), "the row of \"%s\" does not say \"%s\"", rows[at].name, rows[at].outcome);
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
    /* Some are of amd64 alone. */
#ifdef __x86_64__
    bool all = described == rows_len + 1;
#else
    bool all = described > rows_len;
#endif
    expect(all, "%zu rows there, %zu situations here, and one of make soak", described, rows_len);
}

#define LEN(array) (sizeof(array) / sizeof *(array))

/* A group is of one file or of several. */
static const struct group {
    const char *name;
    void (*run)(void);
} groups[] = {
    {"threads", situations_of_unstoppable_threads},
    {"threads", situations_of_births},
    {"threads", situations_of_other_credentials},
    {"threads", situations_of_noise},
    {"threads", situations_of_io_uring},
    {"threads", situations_of_many_threads},
    {"signals", situations_of_signals},
    {"processes", situations_of_processes},
    {"limits", situations_of_limits},
    {"features", situations_of_features},
    {"filters", promise_of_filters},
    {"callers", promise_of_callers},
    {"supervisors", promise_of_supervisors},
    {"roots", promise_of_roots},
    {"dry-runs", promise_of_dry_runs},
    {"stacks", promise_of_stacks},
    {"others", promise_of_others},
    {"processes-beside", promise_of_processes},
    {"leaks", promise_of_leaks},
    {"evidence", promise_of_evidence},
    {"descriptors", promise_of_descriptors},
};

/* SITUATIONS_OF=threads,signals: some of the groups only. False where there is no group of such a name. */
static bool run_groups(const char *only_of)
{
    bool wanted[LEN(groups)];
    for (size_t at = 0; at < LEN(groups); at++)
        wanted[at] = !only_of;
    for (const char *name = only_of; name; name = strchr(name, ',') ? strchr(name, ',') + 1 : NULL) {
        size_t len = strcspn(name, ","), found = 0;
        for (size_t at = 0; at < LEN(groups); at++)
            if (strlen(groups[at].name) == len && !strncmp(groups[at].name, name, len)) {
                wanted[at] = true;
                found++;
            }
        if (!found) {
            fprintf(stderr, "SITUATIONS_OF: there is no group \"%.*s\"; the groups are", (int)len, name);
            for (size_t at = 0; at < LEN(groups); at++)
                if (!at || strcmp(groups[at].name, groups[at - 1].name))
                    fprintf(stderr, " %s", groups[at].name);
            fprintf(stderr, "\n");
            return false;
        }
    }
    for (size_t at = 0; at < LEN(groups); at++)
        if (wanted[at])
            groups[at].run();
    return true;
}

int main(int argc, char **argv)
{
    select_cases(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    try_private_users();
    with_ids = can_change_ids();
    const char *only_of = getenv("SITUATIONS_OF");
    if (!run_groups(only_of))
        return 2;
    if (argc < 2 && !only_of && !getenv("SITUATIONS_MANY"))
        test("docs/situations.md has every situation with its outcome", 10, documented, NULL);
    size_t done = 0, refused = 0, gone = 0;
    printf("\n");
    for (size_t at = 0; at < rows_len; at++) {
        const char *outcome = rows[at].outcome;
        if (!rows[at].chosen)
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
