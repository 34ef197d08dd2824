/* Every thread, whatever it waits in: 32 of them in all kinds of waits, while others are made and end all the time; a
 * hundred rounds, and one with 2,000 threads. Each is looked at from outside when the call has returned, and those that are
 * born after it too. */

#include "outside.h"

#include <ec_security.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

/* --- the child: waits ----------------------------------------------------------------------------------------------- */

static void die(const char *what)
{
    perror(what);
    exit(70);
}

#define SMALL_STACK 16384 /* the least pthread_attr_setstacksize(3) takes */
#define STACK (64 * 1024)

static sem_t arrived;
static unsigned early; /* waits that ended, though nothing came that they wait for and SA_RESTART covers them */
static unsigned never; /* a futex that nobody wakes */
static int quiet_pipe[2], quiet_pair[2], listening, polled, lock_holder, lock_waiter;
static pthread_mutex_t held_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t cond_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static mtx_t c11_mutex;
static cnd_t c11_cond;

static void ended_early(void) { __atomic_add_fetch(&early, 1, __ATOMIC_SEQ_CST); }

static void prepare_waits(void)
{
    struct sockaddr_un any = {.sun_family = AF_UNIX}; /* without a name it gets one, see unix(7) */
    char again[32];
    if (sem_init(&arrived, 0, 0) < 0 || pipe(quiet_pipe) < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, quiet_pair) < 0)
        die("pipes");
    listening = socket(AF_UNIX, SOCK_STREAM, 0);
    if (listening < 0 || bind(listening, (struct sockaddr *)&any, sizeof(sa_family_t)) < 0 || listen(listening, 1) < 0)
        die("listen");
    polled = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    if (polled < 0 || epoll_ctl(polled, EPOLL_CTL_ADD, quiet_pipe[0], &event) < 0)
        die("epoll");
    int file = memfd_create("lock", 0);
    snprintf(again, sizeof again, "/proc/self/fd/%d", file);
    lock_holder = open(again, O_RDWR);
    lock_waiter = open(again, O_RDWR);
    if (lock_holder < 0 || lock_waiter < 0 || flock(lock_holder, LOCK_EX) < 0)
        die("flock");
    pthread_mutex_lock(&held_mutex);
    if (mtx_init(&c11_mutex, mtx_plain) != thrd_success || cnd_init(&c11_cond) != thrd_success)
        die("C11 mutex");
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0)
        for (;;)
            pause(); /* killed with the group of the child */
}

static void in_futex(void)
{
    syscall(SYS_futex, &never, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    ended_early();
}

static void in_mutex(void)
{
    pthread_mutex_lock(&held_mutex);
    ended_early();
}

static void in_cond(void)
{
    pthread_mutex_lock(&cond_mutex);
    for (;;)
        pthread_cond_wait(&cond, &cond_mutex);
}

static void in_c11_cond(void)
{
    mtx_lock(&c11_mutex);
    for (;;)
        cnd_wait(&c11_cond, &c11_mutex);
}

static void in_read(void)
{
    char byte;
    if (read(quiet_pipe[0], &byte, 1) != -2)
        ended_early();
}

static void in_recv(void)
{
    char byte;
    if (recv(quiet_pair[0], &byte, 1, 0) != -2)
        ended_early();
}

static void in_accept(void)
{
    accept(listening, NULL, NULL);
    ended_early();
}

static void in_flock(void)
{
    flock(lock_waiter, LOCK_EX);
    ended_early();
}

static void in_waitpid(void)
{
    waitpid(-1, NULL, 0); /* not for the rehearsal's child either */
    ended_early();
}

static void in_poll(void)
{
    struct pollfd quiet = {.fd = quiet_pipe[0], .events = POLLIN};
    for (;;)
        poll(&quiet, 1, -1);
}

static void in_epoll(void)
{
    struct epoll_event event;
    for (;;)
        epoll_wait(polled, &event, 1, -1);
}

static void in_select(void)
{
    for (;;) {
        fd_set quiet;
        FD_ZERO(&quiet);
        FD_SET(quiet_pair[0], &quiet);
        select(quiet_pair[0] + 1, &quiet, NULL, NULL, NULL);
    }
}

static void in_nanosleep(void)
{
    for (;;) {
        struct timespec hour = {.tv_sec = 3600};
        nanosleep(&hour, NULL);
    }
}

static void in_sigwait(void)
{
    sigset_t all;
    int got;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (;;)
        sigwait(&all, &got);
}

static void in_read_with_all_signals_blocked(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    in_read();
}

static void in_pause(void)
{
    for (;;)
        pause();
}

static void pauses(int signal)
{
    (void)signal;
    in_pause();
}

static void use_alternate_stack(void)
{
    stack_t stack = {.ss_size = STACK};
    stack.ss_sp = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack.ss_sp == MAP_FAILED || sigaltstack(&stack, NULL) < 0)
        die("sigaltstack");
}

static void beside_an_alternate_stack(void)
{
    use_alternate_stack();
    in_pause();
}

static void on_an_alternate_stack(void)
{
    use_alternate_stack();
    struct sigaction action = {.sa_handler = pauses, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &action, NULL);
    raise(SIGUSR1);
}

static void running(void)
{
    for (;;)
        ;
}

static void making_system_calls(void)
{
    for (;;)
        syscall(SYS_getppid);
}

enum how { NORMAL, SMALL, C11, BUSY };

static const struct kind {
    void (*wait)(void);
    enum how how;
} KINDS[] = {
    {running, BUSY}, /* the busy ones first: once each is enough */
    {making_system_calls, BUSY},
    {in_futex, NORMAL},
    {in_read, NORMAL},
    {in_poll, NORMAL},
    {in_epoll, NORMAL},
    {in_select, NORMAL},
    {in_sigwait, NORMAL},
    {in_nanosleep, NORMAL},
    {in_accept, NORMAL},
    {in_recv, NORMAL},
    {in_mutex, NORMAL},
    {in_cond, NORMAL},
    {in_flock, NORMAL},
    {in_waitpid, NORMAL},
    {in_pause, SMALL},
    {in_mutex, SMALL},
    {in_poll, SMALL},
    {beside_an_alternate_stack, NORMAL},
    {on_an_alternate_stack, NORMAL},
    {in_read_with_all_signals_blocked, NORMAL},
    {in_c11_cond, C11},
};
#define KINDS_LEN (sizeof KINDS / sizeof *KINDS)

static void *waits(void *arg)
{
    const struct kind *kind = arg;
    sem_post(&arrived);
    kind->wait();
    in_pause();
    return NULL;
}

static int waits_as_c11_has_it(void *arg) { return waits(arg) != NULL; }

/* Creates a thread, however long it takes: where threads come and go there may be none to be had for a moment. */
static pthread_t create(void *(*body)(void *), void *arg, size_t stack, bool detached)
{
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, stack);
    pthread_attr_setdetachstate(&attr, detached ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE);
    int error;
    while ((error = pthread_create(&thread, &attr, body, arg)) == EAGAIN)
        sched_yield();
    if (error) {
        errno = error;
        die("pthread_create");
    }
    pthread_attr_destroy(&attr);
    return thread;
}

static void start_waiting(unsigned len)
{
    prepare_waits();
    for (unsigned at = 0; at < len; at++) {
        const struct kind *kind = &KINDS[at % KINDS_LEN];
        if (kind->how == BUSY && at >= KINDS_LEN)
            kind = &KINDS[2];
        void *arg = (void *)(uintptr_t)kind;
        thrd_t thread;
        if (kind->how != C11)
            create(waits, arg, kind->how == SMALL ? SMALL_STACK : STACK, false);
        else if (thrd_create(&thread, waits_as_c11_has_it, arg) != thrd_success)
            die("thrd_create");
    }
    for (unsigned at = 0; at < len; at++)
        while (sem_wait(&arrived) < 0)
            ;
}

/* --- the child: threads that come and go ---------------------------------------------------------------------------- */

static void *lives_shortly(void *how_long)
{
    if (how_long)
        usleep((useconds_t)(uintptr_t)how_long);
    return NULL;
}

static void *creates_and_joins(void *unused)
{
    for (;;)
        pthread_join(create(lives_shortly, NULL, SMALL_STACK, false), NULL);
    return unused;
}

static unsigned alive;

static void *ends_detached(void *unused)
{
    __atomic_sub_fetch(&alive, 1, __ATOMIC_SEQ_CST);
    return unused;
}

static void *creates_and_detaches(void *unused)
{
    for (;;) {
        __atomic_add_fetch(&alive, 1, __ATOMIC_SEQ_CST);
        create(ends_detached, NULL, SMALL_STACK, true);
        while (__atomic_load_n(&alive, __ATOMIC_SEQ_CST) > 16)
            sched_yield();
    }
    return unused;
}

static void *creates_many_and_joins(void *unused)
{
    for (;;) {
        pthread_t threads[6];
        for (uintptr_t at = 0; at < 6; at++)
            threads[at] = create(lives_shortly, (void *)(at * 50 + 1), SMALL_STACK, false);
        for (int at = 0; at < 6; at++)
            pthread_join(threads[at], NULL);
    }
    return unused;
}

/* Each makes the next and ends. */
static void *makes_the_next(void *unused)
{
    create(makes_the_next, unused, SMALL_STACK, true);
    return NULL;
}

static void start_coming_and_going(void)
{
    create(creates_and_joins, NULL, STACK, true);
    create(creates_and_detaches, NULL, STACK, true);
    create(creates_many_and_joins, NULL, STACK, true);
    create(makes_the_next, NULL, STACK, true);
}

/* --- the child: a round --------------------------------------------------------------------------------------------- */

static const char *user; /* NULL where ids cannot be changed */

static const struct text {
    const char *text;
    uint64_t effective, permitted, inheritable;
} TEXTS[] = {
    {"cap_net_bind_service+ep", BIT(10), BIT(10), 0},
    {NULL, 0, 0, 0},
    {"cap_net_bind_service=p cap_chown=eip", BIT(0), BIT(0) | BIT(10), BIT(0)},
};

struct round {
    unsigned threads;
    bool from_main;
    const struct text *text;
};

static struct {
    sem_t go;
    sem_t done;
    const struct round *round;
    int status;
    char story[1024];
} call;

static void make_call(void)
{
    call.status = ec_security_apply(user, user, call.round->text->text);
    snprintf(call.story, sizeof call.story, "%s", call.status ? ec_security_last_error() : "");
}

static void *calls(void *unused)
{
    while (sem_wait(&call.go) < 0)
        ;
    make_call();
    sem_post(&call.done);
    in_pause();
    return unused;
}

static void plays(void *arg)
{
    call.round = arg;
    sem_init(&call.go, 0, 0);
    sem_init(&call.done, 0, 0);
    create(calls, NULL, STACK, true);
    start_waiting(call.round->threads);
    start_coming_and_going();
    ready();
    if (call.round->from_main) {
        make_call();
    } else {
        sem_post(&call.go);
        while (sem_wait(&call.done) < 0)
            ;
    }
    report(call.status, call.story);
    ready();
    idle_threads(3); /* born after the call, and there to stay */
    report((int)__atomic_load_n(&early, __ATOMIC_SEQ_CST), "waits ended, though SA_RESTART covers them");
}

/* --- the parent ----------------------------------------------------------------------------------------------------- */

struct tally {
    unsigned rounds, too_short;
    unsigned long looked_at, born_after;
    char first[1400];
};

static bool counts(const struct thread *thread) { return !thread->kernel && thread->state != 'Z' && thread->state != 'X'; }

static bool was_there(const struct process *process, pid_t tid)
{
    for (size_t at = 0; at < process->len; at++)
        if (process->threads[at].tid == tid)
            return true;
    return false;
}

/* Whether every thread is as wanted, and all are there that must be. A list of the task directory leaves some out when others end
 * meanwhile (fs/proc/base.c, first_tid), so one that is too short is read again: what is really missing stays so. */
static bool all_are(struct tally *tally, const struct child *child, const struct thread *want, size_t least,
                    struct process **seen, char *why, size_t len)
{
    size_t counted = 0;
    for (int look_again = 0; look_again < 5 && counted < least; look_again++) {
        *seen = look(child->pid);
        counted = 0;
        for (size_t at = 0; at < (*seen)->len; at++) {
            const struct thread *thread = &(*seen)->threads[at];
            char how[900];
            if (!counts(thread))
                continue;
            counted++;
            if (differs(thread, want, FIELDS_ALL, how, sizeof how)) {
                snprintf(why, len, "thread %d %s: %s", thread->tid, thread->name, how);
                return false;
            }
        }
    }
    tally->looked_at += counted;
    snprintf(why, len, "saw %zu threads, where there should be at least %zu", counted, least);
    return counted >= least;
}

static bool play(struct tally *tally, struct round *round, char *why, size_t len)
{
    struct child *child = start(plays, round);
    if (!child) {
        snprintf(why, len, "no child");
        return false;
    }
    size_t least = round->threads + 2 /* main and caller */ + 3 /* makers */;
    struct process *before = look(child->pid);
    struct thread want = after_drop(&before->threads[0], ECUSER_UID, ECUSER_GID, ECUSER_GROUPS, 3, round->text->effective,
                                    round->text->permitted, round->text->inheritable);
    if (!user) {
        memcpy(want.uid, before->threads[0].uid, sizeof want.uid);
        memcpy(want.gid, before->threads[0].gid, sizeof want.gid);
        want.groups = before->threads[0].groups;
        want.groups_len = before->threads[0].groups_len;
    }
    struct answer *answer = release_and_wait(child);
    struct process *after = NULL, *later = NULL;
    bool as_asked = false;
    if (!answer->came || answer->status)
        snprintf(why, len, "apply: %d %s", answer->status, answer->text);
    else
        as_asked = all_are(tally, child, &want, least, &after, why, len);
    if (as_asked) {
        answer = release_and_wait(child);
        as_asked = all_are(tally, child, &want, least + 3, &later, why, len);
        for (size_t at = 0; at < later->len; at++)
            tally->born_after += !was_there(after, later->threads[at].tid);
        if (as_asked && (!answer->came || answer->status)) {
            snprintf(why, len, "%d %s", answer->status, answer->text);
            as_asked = false;
        }
    }
    end(child);
    return as_asked;
}

static unsigned all_rounds, all_short;

static void rounds(void *arg)
{
    const unsigned *wanted = arg; /* rounds, threads */
    struct tally tally = {0, 0, 0, 0, ""};
    for (; tally.rounds < wanted[0] && !case_finished(); tally.rounds++) {
        struct round round = {wanted[1], tally.rounds % 2 == 0, &TEXTS[tally.rounds % (sizeof TEXTS / sizeof *TEXTS)]};
        char why[1200];
        if (!play(&tally, &round, why, sizeof why) && !tally.too_short++)
            snprintf(tally.first, sizeof tally.first, "round %u, called from %s: %s", tally.rounds + 1,
                     round.from_main ? "main" : "another thread", why);
    }
    all_rounds += tally.rounds;
    all_short += tally.too_short;
    printf("%u round%s of %u threads, %u short; %lu threads looked at, %lu of them born after the call\n", tally.rounds,
           tally.rounds == 1 ? "" : "s", wanted[1], tally.too_short, tally.looked_at, tally.born_after);
    expect(tally.rounds == wanted[0] && tally.too_short == 0, "%u of %u rounds are short; %s", tally.too_short, tally.rounds,
           tally.first);
    expect(tally.born_after >= 3ul * tally.rounds, "saw only %lu threads born after the call", tally.born_after);
}

static void needs_ids(void *unused)
{
    (void)unused;
    if (!can_change_ids())
        skip("there is no other id here, so the rounds were made without");
    expect(user != NULL || case_finished(), "the rounds change no id");
}

/* --- errno of the others -------------------------------------------------------------------------------------------- */

#define CHECKED 8

static int errno_pipe[2];
static unsigned errno_changed, errno_stop, errno_turns[CHECKED];

static void *keeps_errno_running(void *arg)
{
    unsigned at = (unsigned)(uintptr_t)arg;
    errno = 5000 + (int)at;
    sem_post(&arrived);
    while (!__atomic_load_n(&errno_stop, __ATOMIC_SEQ_CST)) {
        if (errno != 5000 + (int)at) {
            __atomic_add_fetch(&errno_changed, 1, __ATOMIC_SEQ_CST);
            errno = 5000 + (int)at;
        }
        __atomic_add_fetch(&errno_turns[at], 1, __ATOMIC_SEQ_CST);
    }
    sem_post(&arrived);
    in_pause();
    return NULL;
}

static void *keeps_errno_asleep(void *arg)
{
    int mine = 6000 + (int)(uintptr_t)arg;
    char byte;
    sem_post(&arrived);
    errno = mine;
    ssize_t got = read(errno_pipe[0], &byte, 1); /* restarted, so that it succeeds and leaves errno alone */
    if (got != 1 || errno != mine)
        __atomic_add_fetch(&errno_changed, 1, __ATOMIC_SEQ_CST);
    sem_post(&arrived);
    in_pause();
    return NULL;
}

static void *checks_errno(void *unused)
{
    if (sem_init(&arrived, 0, 0) < 0 || pipe(errno_pipe) < 0)
        die("pipe");
    for (uintptr_t at = 0; at < CHECKED; at++) {
        create(keeps_errno_running, (void *)at, STACK, true);
        create(keeps_errno_asleep, (void *)at, STACK, true);
    }
    for (int at = 0; at < 2 * CHECKED; at++)
        while (sem_wait(&arrived) < 0)
            ;
    usleep(20000); /* so that the readers are in their read */
    unsigned before[CHECKED];
    for (int at = 0; at < CHECKED; at++)
        before[at] = __atomic_load_n(&errno_turns[at], __ATOMIC_SEQ_CST);
    errno = 4242;
    int refused = ec_security_apply("no-such-user-here", NULL, NULL);
    int after_refusal = errno;
    errno = 4243;
    int status = ec_security_apply(user, user, "cap_net_bind_service+ep");
    int after_success = errno;
    /* Each has looked again, after the call. */
    for (int at = 0; at < CHECKED; at++)
        while (__atomic_load_n(&errno_turns[at], __ATOMIC_SEQ_CST) < before[at] + 2)
            sched_yield();
    __atomic_store_n(&errno_stop, 1, __ATOMIC_SEQ_CST);
    if (write(errno_pipe[1], "12345678", CHECKED) != CHECKED)
        die("write");
    for (int at = 0; at < 2 * CHECKED; at++)
        while (sem_wait(&arrived) < 0)
            ;
    char text[200];
    snprintf(text, sizeof text, "refused %d with errno %d, success %d with errno %d, %u changed elsewhere", refused,
             after_refusal, status, after_success, errno_changed);
    report(refused != EC_SECURITY_EUSER || after_refusal != 4242 || status || after_success != 4243 || errno_changed, text);
    in_pause();
    return unused;
}

static void plays_errno(void *unused)
{
    ready();
    create(checks_errno, unused, 256 * 1024, true);
}

static void keeps_errno(void *unused)
{
    struct child *child = start(plays_errno, unused);
    struct process *before = look(child->pid);
    release_and_expect(child, 0);
    struct process *after = look(child->pid);
    expect(after->threads[0].prm == BIT(10) && before->threads[0].prm != BIT(10), "nothing was dropped");
}

/* --- several callers at once ---------------------------------------------------------------------------------------- */

#define CALLERS 6

static pthread_barrier_t at_once;
static int results[CALLERS];

static int calls_at_once(void *arg)
{
    size_t at = (size_t)(uintptr_t)arg;
    pthread_barrier_wait(&at_once);
    results[at] = ec_security_apply(user, user, "cap_net_bind_service+ep");
    sem_post(&arrived);
    in_pause();
    return 0;
}

static void plays_at_once(void *unused)
{
    (void)unused;
    sem_init(&arrived, 0, 0);
    pthread_barrier_init(&at_once, NULL, CALLERS);
    ready();
    for (uintptr_t at = 0; at < CALLERS; at++) {
        thrd_t thread;
        if (thrd_create(&thread, calls_at_once, (void *)at) != thrd_success)
            die("thrd_create");
    }
    for (int at = 0; at < CALLERS; at++)
        while (sem_wait(&arrived) < 0)
            ;
    int status = 0;
    for (int at = 0; at < CALLERS; at++)
        status = status ? status : results[at];
    report(status, "of one of the callers");
}

static void several_at_once(void *unused)
{
    struct child *child = start(plays_at_once, unused);
    struct process *before = look(child->pid);
    struct thread want = after_drop(&before->threads[0], user ? ECUSER_UID : before->threads[0].uid[0],
                                    user ? ECUSER_GID : before->threads[0].gid[0], user ? ECUSER_GROUPS : NULL, 3, BIT(10),
                                    BIT(10), 0);
    release_and_expect(child, 0);
    expect_threads(look(child->pid), &want, FIELDS_ALL, CALLERS + 1);
}

/* Many times a hundred rounds: `make soak`. */
static int soak(unsigned in_all)
{
    unsigned played = 0;
    while (played < in_all) {
        char name[80];
        unsigned hundred[] = {in_all - played < 100 ? in_all - played : 100, 32};
        snprintf(name, sizeof name, "rounds %u to %u of %u", played + 1, played + hundred[0], in_all);
        test(name, 600, rounds, hundred);
        played += hundred[0];
    }
    printf("%u rounds, %u short\n", all_rounds, all_short);
    return finish();
}

int main(int argc, char **argv)
{
    select_cases(argc, argv);
    try_private_users();
    user = can_change_ids() ? "ecuser" : NULL;
    unsigned hundred[] = {100, 32}, crowd[] = {1, 2000};
    if (getenv("SOAK_ROUNDS"))
        return soak((unsigned)strtoul(getenv("SOAK_ROUNDS"), NULL, 10));
    test("100 rounds of 32 threads in different waits, others coming and going", 400, rounds, hundred);
    test("2000 threads in different waits, others coming and going", 120, rounds, crowd);
    test("the rounds change ids", 5, needs_ids, NULL);
    test("errno of every thread stays, and of the caller too", 30, keeps_errno, NULL);
    test("six callers at once, all of them C11 threads", 30, several_at_once, NULL);
    return finish();
}
