#include "outside.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const unsigned ECUSER_GROUPS[3] = {ECUSER_GID, ECEXTRA_GID, ECLOGS_GID};

static void die(const char *what)
{
    fprintf(stderr, "outside: %s: %s\n", what, strerror(errno));
    exit(70);
}

/* --- cases --------------------------------------------------------------------------------------------------------- */

enum verdict { PASSED, FAILED, SKIPPED };

#define CHILDREN_MAX 2048

static struct {
    const char *name;
    enum verdict verdict;
    char why[2048];
    unsigned long expectations;
    volatile sig_atomic_t expired; /* how often the alarm has gone off */
    struct timespec deadline;
    struct child *children[CHILDREN_MAX];
    volatile sig_atomic_t children_len;
    struct allocation *allocations;
} now;

static char *const *chosen; /* to a NULL */
static bool *chosen_found;  /* which of them a case has in its name */
static unsigned long cases, failures;

/* What is handed out in a case and put away at its end. */
struct allocation {
    struct allocation *next;
    char bytes[] __attribute__((aligned(16)));
};

static void *case_alloc(size_t size)
{
    struct allocation *made = calloc(1, sizeof *made + size);
    if (!made)
        die("calloc");
    made->next = now.allocations;
    now.allocations = made;
    return made->bytes;
}

static void verdict(enum verdict verdict, const char *format, va_list args)
{
    if (now.verdict != PASSED)
        return;
    now.verdict = verdict;
    vsnprintf(now.why, sizeof now.why, format, args);
    /* One line a case, whatever the text holds. */
    for (char *c = now.why; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
}

void fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    verdict(FAILED, format, args);
    va_end(args);
}

void skip(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    verdict(SKIPPED, format, args);
    va_end(args);
}

bool case_finished(void) { return now.verdict != PASSED; }

bool expect_at(const char *file, int line, bool held, const char *format, ...)
{
    now.expectations++;
    if (held)
        return true;
    char text[1536];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    const char *slash = strrchr(file, '/');
    fail("%s (%s:%d)", text, slash ? slash + 1 : file, line);
    return false;
}

/* Killing is all that a signal handler may do here: the case then sees its children gone, and ends by itself. */
static void expire(int signal)
{
    (void)signal;
    int saved = errno;
    now.expired++;
    for (int at = 0; at < now.children_len; at++)
        if (!now.children[at]->ended)
            kill(-now.children[at]->pid, SIGKILL);
    if (now.expired > 5) {
        static const char said[] = ": the deadline is over, and the test itself hangs\n";
        if (write(1, "FAIL ", 5) < 0 || write(1, now.name, strlen(now.name)) < 0 || write(1, said, sizeof said - 1) < 0)
            _exit(71);
        _exit(1);
    }
    errno = saved;
}

static void set_alarm(unsigned seconds)
{
    struct itimerval timer = {.it_value.tv_sec = seconds, .it_interval.tv_sec = seconds ? 1 : 0};
    if (setitimer(ITIMER_REAL, &timer, NULL) < 0)
        die("setitimer");
}

void select_cases(int argc, char **argv)
{
    chosen = argc > 1 ? argv + 1 : NULL;
    if (chosen && !(chosen_found = calloc((size_t)argc, sizeof *chosen_found)))
        die("calloc");
}

static bool is_chosen(const char *name)
{
    bool found = !chosen;
    for (size_t at = 0; chosen && chosen[at]; at++)
        if (strstr(name, chosen[at]))
            found = chosen_found[at] = true;
    return found;
}

unsigned slower(void)
{
    const char *times = getenv("EC_SLOWER");
    return times && atoi(times) > 0 ? (unsigned)atoi(times) : 1;
}

void test(const char *name, unsigned seconds, void (*body)(void *), void *arg)
{
    if (!is_chosen(name))
        return;
    seconds *= slower();
    memset(&now, 0, sizeof now);
    now.name = name;
    struct sigaction action = {.sa_handler = expire};
    sigaction(SIGALRM, &action, NULL);
    clock_gettime(CLOCK_MONOTONIC, &now.deadline);
    now.deadline.tv_sec += seconds;
    set_alarm(seconds);

    body(arg);

    set_alarm(0);
    for (int at = 0; at < now.children_len; at++)
        end(now.children[at]);
    while (now.allocations) {
        struct allocation *next = now.allocations->next;
        free(now.allocations);
        now.allocations = next;
    }
    if (now.expired && now.verdict != FAILED) {
        now.verdict = PASSED;
        fail("not done within %u s", seconds);
    } else if (now.expired) {
        size_t len = strlen(now.why);
        snprintf(now.why + len, sizeof now.why - len, "; not done within %u s", seconds);
    }
    if (now.verdict == PASSED && now.expectations == 0)
        fail("the case has expected nothing");

    cases++;
    switch (now.verdict) {
    case PASSED:
        printf("ok %s\n", name);
        break;
    case SKIPPED:
        printf("SKIP %s: %s\n", name, now.why);
        break;
    case FAILED:
        failures++;
        printf("FAIL %s: %s\n", name, now.why);
        break;
    }
    fflush(stdout);
}

int finish(void)
{
    bool all_found = cases > 0;
    if (!cases && !chosen)
        fprintf(stderr, "no case\n");
    for (size_t at = 0; chosen && chosen[at]; at++)
        if (!chosen_found[at]) {
            fprintf(stderr, "no case has a name with \"%s\"\n", chosen[at]);
            all_found = false;
        }
    return failures || !all_found ? 1 : 0;
}

/* --- the two sides ------------------------------------------------------------------------------------------------- */

enum kind { READY = 'R', GO = 'G', REPORT = 'A' };

struct message {
    char kind;
    int status;
    char text[sizeof((struct answer *)0)->text];
};

/* Of the child: its end of the socket. */
static int side = -1;

static void send_message(int to, const struct message *message)
{
    size_t size = message->kind == REPORT ? sizeof *message : offsetof(struct message, text);
    while (send(to, message, size, MSG_NOSIGNAL) < 0)
        if (errno != EINTR)
            return; /* the other side has gone, which it sees by itself */
}

/* Of the parent: false when the child has gone or the deadline is over. */
static bool receive(struct child *child, struct message *message)
{
    while (!now.expired) {
        struct pollfd poll_fd = {.fd = child->from, .events = POLLIN};
        int polled = poll(&poll_fd, 1, 1000);
        if (polled < 0 && errno != EINTR)
            die("poll");
        if (polled <= 0)
            continue;
        ssize_t got = recv(child->from, message, sizeof *message, 0);
        if (got < 0 && errno == EINTR)
            continue;
        return got > 0;
    }
    return false;
}

static void told_to_go(void)
{
    struct message message;
    for (;;) {
        ssize_t got = recv(side, &message, sizeof message, 0);
        if (got > 0 && message.kind == GO)
            return;
        if (got == 0 || (got < 0 && errno != EINTR))
            _exit(72); /* the parent has gone */
    }
}

void ready(void)
{
    struct message message = {.kind = READY};
    send_message(side, &message);
    told_to_go();
}

void report(int status, const char *text)
{
    struct message message = {.kind = REPORT, .status = status};
    snprintf(message.text, sizeof message.text, "%s", text ? text : "(null)");
    send_message(side, &message);
}

void park_forever(void)
{
    for (;;)
        told_to_go();
}

static void reap(struct child *child, int flags)
{
    if (!child->ended && waitpid(child->pid, &child->wait_status, flags) == child->pid)
        child->ended = true;
}

static const char *how_it_ended(const struct child *child)
{
    static char text[80];
    if (!child->ended)
        return "still runs";
    if (WIFSIGNALED(child->wait_status))
        snprintf(text, sizeof text, "was killed by signal %d (%s)", WTERMSIG(child->wait_status),
                 strsignal(WTERMSIG(child->wait_status)));
    else
        snprintf(text, sizeof text, "ended with status %d", WEXITSTATUS(child->wait_status));
    return text;
}

struct child *start(void (*body)(void *), void *arg)
{
    if (now.children_len == CHILDREN_MAX) {
        fail("more than %d children in one case", CHILDREN_MAX);
        return NULL;
    }
    int sides[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sides) < 0)
        die("socketpair");
    struct child *child = case_alloc(sizeof *child);
    fflush(NULL);
    sigset_t alarm, before;
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    sigprocmask(SIG_BLOCK, &alarm, &before);
    child->pid = fork();
    if (child->pid < 0)
        die("fork");
    if (child->pid == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGALRM, SIG_DFL);
        sigprocmask(SIG_SETMASK, &before, NULL);
        for (int at = 0; at < now.children_len; at++)
            if (!now.children[at]->ended)
                close(now.children[at]->from);
        close(sides[0]);
        side = sides[1];
        body(arg);
        park_forever();
    }
    setpgid(child->pid, child->pid);
    close(sides[1]);
    child->to = child->from = sides[0];
    now.children[now.children_len] = child;
    now.children_len++;
    sigprocmask(SIG_SETMASK, &before, NULL);

    struct message message;
    if (receive(child, &message) && message.kind == READY)
        return child;
    if (!now.expired && message.kind == REPORT)
        fail("the child reported %d (%s) before it was ready", message.status, message.text);
    if (!now.expired)
        wait_end(child);
    fail("the child never was ready: it %s", how_it_ended(child));
    return NULL;
}

void release(struct child *child)
{
    if (!child)
        return;
    struct message message = {.kind = GO};
    send_message(child->to, &message);
}

struct answer *wait_report(struct child *child)
{
    struct answer *answer = case_alloc(sizeof *answer);
    answer->wait_status = -1;
    if (!child) {
        snprintf(answer->text, sizeof answer->text, "there is no child");
        return answer;
    }
    struct message message;
    while (receive(child, &message)) {
        if (message.kind != REPORT)
            continue; /* ready again */
        answer->came = true;
        answer->status = message.status;
        memcpy(answer->text, message.text, sizeof answer->text);
        return answer;
    }
    if (!now.expired)
        wait_end(child);
    if (child->ended)
        answer->wait_status = child->wait_status;
    snprintf(answer->text, sizeof answer->text, "no report came: the child %s%s", how_it_ended(child),
             now.expired ? "; the deadline is over" : "");
    answer->status = -1;
    return answer;
}

struct answer *release_and_wait(struct child *child)
{
    release(child);
    return wait_report(child);
}

int wait_end(struct child *child)
{
    if (!child)
        return -1;
    while (!child->ended && !now.expired) {
        reap(child, WNOHANG);
        if (!child->ended)
            usleep(1000);
    }
    return child->ended ? child->wait_status : -1;
}

/* The child in park_forever() sees its parent gone, and ends. Who waits elsewhere is killed all the same. */
static void end_by_itself(struct child *child)
{
    close(child->from);
    child->from = child->to = -1;
    for (int ms = 0; ms < 5000 && !child->ended; ms++) {
        reap(child, WNOHANG);
        usleep(1000);
    }
}

void end(struct child *child)
{
    /* Once only: later, the number may be that of somebody else's group. */
    if (!child || (child->ended && child->from < 0))
        return;
    if (!child->ended && child->from >= 0 && getenv("EC_CHILDREN_END"))
        end_by_itself(child);
    kill(-child->pid, SIGKILL); /* grandchildren too, even if the child has ended */
    if (!child->ended) {
        kill(child->pid, SIGKILL);
        kill(-child->pid, SIGCONT);
        reap(child, 0);
    }
    if (child->from >= 0)
        close(child->from);
    child->from = child->to = -1;
}

/* --- a child that becomes another program ---------------------------------------------------------------------------- */

struct program {
    const char *const *argv;
    void (*surroundings)(void);
    int output; /* where it writes to */
};

static void becomes_program(void *arg)
{
    struct program *program = arg;
    if (program->surroundings)
        program->surroundings();
    ready();
    dup2(program->output, 1);
    dup2(program->output, 2);
    execvp(program->argv[0], (char *const *)program->argv);
    dprintf(1, "cannot execute %s: %s\n", program->argv[0], strerror(errno));
    _exit(99);
}

struct child *start_program(const char *const argv[], void (*surroundings)(void), const char *last, char *out, size_t len)
{
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC) < 0)
        die("pipe2");
    struct program program = {argv, surroundings, pipes[1]};
    struct child *child = start(becomes_program, &program);
    close(pipes[1]);
    release(child);
    size_t got = 0;
    out[0] = 0;
    for (ssize_t n;
         child && got < len - 1 && (!last || !strstr(out, last)) && (n = read(pipes[0], out + got, len - 1 - got)) != 0;) {
        if (n < 0 && errno != EINTR)
            break;
        got += n > 0 ? (size_t)n : 0;
        out[got] = 0;
    }
    close(pipes[0]);
    return child;
}

/* --- threads of the child ------------------------------------------------------------------------------------------ */

static sem_t arrived;

static void *idle(void *unused)
{
    (void)unused;
    sem_post(&arrived);
    for (;;)
        pause();
    return NULL;
}

static void start_thread(pthread_t *thread, void *(*body)(void *), void *arg, size_t stack)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    if (stack)
        pthread_attr_setstacksize(&attr, stack);
    int error = pthread_create(thread, &attr, body, arg);
    if (error) {
        errno = error;
        die("pthread_create");
    }
    pthread_attr_destroy(&attr);
}

void idle_threads(unsigned n)
{
    pthread_t thread;
    if (sem_init(&arrived, 0, 0) < 0)
        die("sem_init");
    for (unsigned at = 0; at < n; at++)
        start_thread(&thread, idle, NULL, 16384);
    for (unsigned at = 0; at < n; at++)
        while (sem_wait(&arrived) < 0)
            ;
}

struct worker {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    long (*function)(void *);
    void *arg;
    long result;
};

struct worker_pool {
    unsigned len;
    struct worker workers[];
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    pthread_mutex_lock(&worker->lock);
    for (;;) {
        while (!worker->function)
            pthread_cond_wait(&worker->changed, &worker->lock);
        worker->result = worker->function(worker->arg);
        worker->function = NULL;
        pthread_cond_broadcast(&worker->changed);
    }
    return NULL;
}

struct worker_pool *start_workers(unsigned n)
{
    struct worker_pool *made = calloc(1, sizeof *made + n * sizeof made->workers[0]);
    if (!made)
        die("calloc");
    made->len = n;
    for (unsigned at = 0; at < n; at++) {
        pthread_t thread;
        pthread_mutex_init(&made->workers[at].lock, NULL);
        pthread_cond_init(&made->workers[at].changed, NULL);
        start_thread(&thread, work, &made->workers[at], 256 * 1024);
    }
    return made;
}

long each(struct worker_pool *pool, long (*function)(void *), void *arg)
{
    long sum = 0;
    for (unsigned at = 0; at < pool->len; at++) {
        struct worker *worker = &pool->workers[at];
        pthread_mutex_lock(&worker->lock);
        worker->function = function;
        worker->arg = arg;
        pthread_cond_broadcast(&worker->changed);
        while (worker->function)
            pthread_cond_wait(&worker->changed, &worker->lock);
        sum += worker->result;
        pthread_mutex_unlock(&worker->lock);
    }
    return sum;
}

/* --- looking ------------------------------------------------------------------------------------------------------- */

/* A whole file of any length, with a NUL behind it; NULL, with errno, where it cannot be read. To be freed. */
static char *whole_file(const char *path, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    size_t room = 4096, have = 0;
    char *text = malloc(room);
    for (;;) {
        if (!text)
            die("malloc");
        ssize_t got = read(fd, text + have, room - 1 - have);
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
        if (room - 1 - have < 2048)
            text = realloc(text, room *= 2);
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

static uint64_t mask(const char *status, const char *key) { return strtoull(field(status, key), NULL, 16); }

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
    DIR *folder = opendir(path);
    struct process *seen = case_alloc(sizeof *seen);
    seen->pid = pid;
    if (!folder) {
        int why = errno;
        siginfo_t info = {0};
        waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT);
        fail("%s: %s (its end: code %d, status %d)", path, strerror(why), info.si_code, info.si_status);
        seen->threads = case_alloc(sizeof *seen->threads); /* something to point at: the case has failed already */
        return seen;
    }
    size_t room = 0;
    struct thread *threads = NULL;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        if (seen->len == room) {
            room = room ? room * 2 : 64;
            threads = realloc(threads, room * sizeof *threads);
            if (!threads)
                die("realloc");
        }
        if (look_thread(pid, (pid_t)strtol(entry->d_name, NULL, 10), &threads[seen->len]))
            seen->len++;
    }
    closedir(folder);
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

struct text {
    char *room;
    size_t len, have;
};

static void PRINTF_LIKE(2, 3) add(struct text *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (out->have < out->len) {
        int more = vsnprintf(out->room + out->have, out->len - out->have, format, args);
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

/* --- surroundings -------------------------------------------------------------------------------------------------- */

/* Whether /etc of this mount namespace is a directory of our own already. */
static bool own_etc;

bool private_mounts(void)
{
    if (unshare(CLONE_NEWNS) < 0)
        return false;
    own_etc = false;
    return mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0;
}

/* A symbolic link at `to` for an entry of the machine's /etc. One that is a link is copied, since it may be relative. */
static bool link_entry(int machine, const char *name, const char *to)
{
    char target[PATH_MAX];
    ssize_t len = readlinkat(machine, name, target, sizeof target - 1);
    if (len < 0 && errno == ENOENT)
        return true; /* a temporary file of a package manager's */
    if (len < 0)
        len = snprintf(target, sizeof target, ".machine/%s", name);
    target[len] = 0;
    return symlink(target, to) == 0;
}

/* A tmpfs of links over /etc. A file of ours must not be mounted on the machine's own: rename(2) by a package that adds a user takes
 * such a mount away. */
static bool private_etc(void)
{
    if (own_etc)
        return true;
    char path[PATH_MAX], machine[] = "/tmp/outside.XXXXXX";
    if (!mkdtemp(machine))
        return false;
    bool done = mount("/etc", machine, "none", MS_BIND | MS_REC, NULL) == 0 &&
                mount("tmpfs", "/etc", "tmpfs", 0, "mode=0755") == 0 && mkdir("/etc/.machine", 0755) == 0 &&
                mount(machine, "/etc/.machine", "none", MS_MOVE, NULL) == 0;
    int saved = errno;
    rmdir(machine);
    errno = saved;
    DIR *entries = done ? opendir("/etc/.machine") : NULL;
    done = entries != NULL;
    for (struct dirent *entry; done && (entry = readdir(entries));) {
        snprintf(path, sizeof path, "/etc/%s", entry->d_name);
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") && strcmp(entry->d_name, ".machine"))
            done = link_entry(dirfd(entries), entry->d_name, path);
    }
    saved = errno;
    if (entries)
        closedir(entries);
    errno = saved;
    return own_etc = done;
}

bool private_file(const char *path, const char *text)
{
    if (!private_etc())
        return false;
    if (unlink(path) < 0 && errno != ENOENT) /* a link to the machine's */
        return false;
    FILE *out = fopen(path, "wex");
    if (!out)
        return false;
    bool done = fputs(text, out) >= 0;
    done = fchmod(fileno(out), 0644) == 0 && done;
    return fclose(out) == 0 && done;
}

/* Lines that begin with one of our own names are left out. */
bool private_lines(const char *path, const char *more)
{
    char *had = whole_file(path, NULL), *text = NULL;
    size_t len;
    FILE *out = had ? open_memstream(&text, &len) : NULL;
    if (!out) {
        free(had);
        return false;
    }
    for (char *line = had, *next; *line; line = next) {
        char *line_end = strchr(line, '\n');
        next = line_end ? line_end + 1 : line + strlen(line);
        if (strncmp(line, "ecuser:", 7) && strncmp(line, "ecextra:", 8) && strncmp(line, "eclogs:", 7))
            fprintf(out, "%.*s%s", (int)(next - line), line, line_end ? "" : "\n");
    }
    fputs(more, out);
    bool done = fclose(out) == 0 && private_file(path, text);
    int saved = errno;
    free(had);
    free(text);
    errno = saved;
    return done;
}

bool private_users(void)
{
    return private_mounts() && private_lines("/etc/passwd", "ecuser:x:4711:4712:of the tests:/nonexistent:/bin/false\n") &&
           private_lines("/etc/group", "ecuser:x:4712:\necextra:x:4713:ecuser\neclogs:x:4714:nobody,ecuser\n");
}

bool private_net(void)
{
    if (unshare(CLONE_NEWNET) < 0)
        return false;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    struct ifreq request = {.ifr_name = "lo"};
    bool done = ioctl(fd, SIOCGIFFLAGS, &request) == 0;
    request.ifr_flags |= IFF_UP;
    done = done && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    int saved = errno;
    close(fd);
    errno = saved;
    return done;
}

static int write_file(pid_t pid, const char *name, const char *text)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int error = write(fd, text, strlen(text)) < 0 ? errno : 0;
    close(fd);
    return error;
}

/* The map of this namespace, one to one, for one below it. */
static bool one_to_one(const char *name, char *out, size_t len)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/%s", name);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    struct text text = {out, len, 0};
    unsigned inside, outside, count;
    while (fscanf(file, "%u %u %u", &inside, &outside, &count) == 3)
        add(&text, "%u %u %u\n", inside, inside, count);
    fclose(file);
    return text.have > 0 && text.have < len;
}

bool user_namespace_of(bool single_id, bool deny_setgroups)
{
    char uid_map[1024], gid_map[1024];
    if (single_id) {
        snprintf(uid_map, sizeof uid_map, "0 %u 1\n", geteuid());
        snprintf(gid_map, sizeof gid_map, "0 %u 1\n", getegid());
    } else if (!one_to_one("uid_map", uid_map, sizeof uid_map) || !one_to_one("gid_map", gid_map, sizeof gid_map)) {
        errno = ENOTSUP;
        return false;
    }
    if (!user_namespace_with(uid_map, gid_map, deny_setgroups))
        return false;
    return single_id || (setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0);
}

bool user_namespace_with(const char *uid_map, const char *gid_map, bool deny_setgroups)
{
    /* A process that stays outside writes the maps: from inside one may map oneself only. */
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC) < 0)
        return false;
    pid_t self = getpid();
    pid_t outside = fork();
    if (outside < 0)
        return false;
    if (outside == 0) {
        char byte;
        close(pipes[1]);
        if (read(pipes[0], &byte, 1) != 1)
            _exit(ECANCELED);
        int error = deny_setgroups ? write_file(self, "setgroups", "deny") : 0;
        error = error ? error : write_file(self, "uid_map", uid_map);
        error = error ? error : write_file(self, "gid_map", gid_map);
        _exit(error);
    }
    close(pipes[0]);
    int error = unshare(CLONE_NEWUSER) < 0 ? errno : 0;
    if (!error && write(pipes[1], "x", 1) != 1)
        error = errno;
    close(pipes[1]);
    int status;
    while (waitpid(outside, &status, 0) < 0 && errno == EINTR)
        ;
    if (!error)
        error = WIFEXITED(status) ? WEXITSTATUS(status) : ECANCELED;
    errno = error;
    return !error;
}

bool user_namespace(void) { return user_namespace_of(false, false); }

bool schedule_by_deadline(void)
{
    /* struct sched_attr of linux/sched/types.h, which glibc's <sched.h> does not go with */
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attr = {.size = sizeof attr,
              .policy = 6 /* SCHED_DEADLINE */,
              .runtime = 10000000,
              .deadline = 30000000,
              .period = 30000000};
    return syscall(SYS_sched_setattr, 0, &attr, 0) == 0;
}

static bool maps(const char *name, unsigned id)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/%s", name);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    unsigned inside, outside, count;
    bool found = false;
    while (fscanf(file, "%u %u %u", &inside, &outside, &count) == 3)
        found |= id >= inside && id - inside < count;
    fclose(file);
    return found;
}

bool has_uid(unsigned uid) { return maps("uid_map", uid); }
bool has_gid(unsigned gid) { return maps("gid_map", gid); }

bool can_change_ids(void)
{
    char *status = whole_file("/proc/self/status", NULL);
    if (!status)
        return false;
    uint64_t effective = mask(status, "CapEff");
    free(status);
    return (effective & BIT(6)) && (effective & BIT(7)) && has_uid(ECUSER_UID) && has_gid(ECLOGS_GID);
}

unsigned last_cap(void)
{
    FILE *file = fopen("/proc/sys/kernel/cap_last_cap", "re");
    unsigned last;
    if (!file || fscanf(file, "%u", &last) != 1)
        die("/proc/sys/kernel/cap_last_cap");
    fclose(file);
    return last;
}

uint64_t all_caps(void) { return last_cap() >= 63 ? UINT64_MAX : BIT(last_cap() + 1) - 1; }
