/* The child of a case: the words between it and its parent, the program it becomes, its threads. outside.h has the interface. */

#include "outside_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

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
    return child; /* something to point at: the case has failed already */
}

struct child *start_with_ids(void (*body)(void *), void *arg)
{
    struct child *child = need_ids() ? start(body, arg) : NULL;
    if (child)
        child->before = look(child->pid);
    return child;
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

struct answer *release_and_expect_at(const char *file, int line, struct child *child, int status)
{
    struct answer *answer = release_and_wait(child);
    expect_at(file, line, answer->came && answer->status == status, "%d %s", answer->status, answer->text);
    return answer;
}

bool skip_for(const struct answer *answer, int status, const char *what)
{
    bool lacks = answer->came && answer->status == status;
    if (lacks)
        skip("no %s here: %s", what, answer->text);
    return lacks;
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
