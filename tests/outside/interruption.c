/* What a program sees in its other threads while one calls ec_security_apply(): which waiting system calls fail with EINTR,
 * and which go on. Measured call by call, each by a thread that waits in it by a raw system call, beside the same for
 * setresuid(2) by glibc in a process with threads, for one call by libpsx, and for a signal whose handler has SA_RESTART and one that has not.
 *
 * docs/interruption.md holds the table; this fails where the table there is not what is measured. */

#include "outside.h"

#include <ec_security.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/psx_syscall.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LEN(array) (sizeof(array) / sizeof *(array))

/* Waits that have a limit have this one; it is not come to. What has not been interrupted has gone on. */
/* Far longer than a case takes, on a busy machine too. */
#define WAIT_MS 20000

static int pipe_empty[2], pipe_full[2], pair[2], listener, backlog, epoll_fd, event_fd, timer_fd, inotify_fd, lock_fd;
static int queue = -1, semaphores = -1;
static char fifo[64], path[64];
static pid_t sleeper;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static sem_t semaphore;

static struct timespec in(long ms) { return (struct timespec){ms / 1000, ms % 1000 * 1000000}; }

static struct timespec at(clockid_t clock, long ms)
{
    struct timespec now;
    clock_gettime(clock, &now);
    now.tv_nsec += ms * 1000000;
    now.tv_sec += now.tv_nsec / 1000000000;
    now.tv_nsec %= 1000000000;
    return now;
}

/* Each returns 0 or an errno. */
static int result(long value) { return value < 0 ? errno : 0; }
static int reads(void)
{
    char c;
    return result(read(pipe_empty[0], &c, 1));
}
static int writes(void) { return result(write(pipe_full[1], "x", 1)); }
static int polls(void)
{
    struct pollfd fd = {pair[0], POLLIN, 0};
    return result(poll(&fd, 1, WAIT_MS));
}
static int ppolls(void)
{
    struct pollfd fd = {pair[0], POLLIN, 0};
    struct timespec time = in(WAIT_MS);
    return result(ppoll(&fd, 1, &time, NULL));
}
static int selects(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pair[0], &set);
    struct timeval time = {WAIT_MS / 1000, 0};
    return result(select(pair[0] + 1, &set, NULL, NULL, &time));
}
static int pselects(void)
{
    fd_set set;
    FD_ZERO(&set);
    FD_SET(pair[0], &set);
    struct timespec time = in(WAIT_MS);
    return result(pselect(pair[0] + 1, &set, NULL, NULL, &time, NULL));
}
static int epoll_waits(void)
{
    struct epoll_event event;
    return result(epoll_wait(epoll_fd, &event, 1, WAIT_MS));
}
static int nanosleeps(void)
{
    struct timespec time = in(WAIT_MS);
    return result(nanosleep(&time, NULL));
}
static int clock_nanosleeps(void)
{
    struct timespec time = in(WAIT_MS);
    return clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}
static int clock_nanosleeps_until(void)
{
    struct timespec time = at(CLOCK_MONOTONIC, WAIT_MS);
    return clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}
static int usleeps(void) { return result(usleep(WAIT_MS * 1000)); }
/* What is left, in whole seconds: of a sleep(1) that is cut short it returns 0. */
static int sleeps(void) { return sleep(WAIT_MS / 1000) ? EINTR : 0; }
static int futex_waits(void)
{
    static uint32_t word;
    struct timespec time = in(WAIT_MS);
    long got = syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &time);
    return got < 0 && errno == ETIMEDOUT ? 0 : result(got);
}
static int cond_timedwaits(void)
{
    struct timespec time = at(CLOCK_REALTIME, WAIT_MS);
    pthread_mutex_lock(&mutex);
    int error = pthread_cond_timedwait(&condition, &mutex, &time);
    pthread_mutex_unlock(&mutex);
    return error == ETIMEDOUT ? 0 : error ? error : EINTR; /* 0 would be a wake-up that nobody sent */
}
static int mutex_timedlocks(void)
{
    static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_trylock(&held);
    struct timespec time = at(CLOCK_REALTIME, WAIT_MS);
    int error = pthread_mutex_timedlock(&held, &time);
    return error == ETIMEDOUT ? 0 : error;
}
static int sem_timedwaits(void)
{
    struct timespec time = at(CLOCK_REALTIME, WAIT_MS);
    int got = sem_timedwait(&semaphore, &time);
    return got < 0 && errno == ETIMEDOUT ? 0 : result(got);
}
static int accepts(void)
{
    int fd = accept(listener, NULL, NULL);
    return result(fd);
}
static int accepts_limited(void)
{
    int fd = accept(backlog, NULL, NULL);
    return fd < 0 && errno == EAGAIN ? 0 : result(fd);
}
/* A Unix socket whose queue of connections is full makes connect(2) wait. */
static int connects(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int error = result(connect(fd, (struct sockaddr *)&address, sizeof address));
    close(fd);
    return error;
}
static int recvs(void)
{
    char c;
    return result(recv(pair[1], &c, 1, 0));
}
static int recvs_limited(void)
{
    int fds[2];
    char c;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return errno;
    struct timeval time = {WAIT_MS / 1000, 0};
    setsockopt(fds[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    ssize_t got = recv(fds[0], &c, 1, 0);
    int error = got < 0 && errno == EAGAIN ? 0 : result(got);
    close(fds[0]);
    close(fds[1]);
    return error;
}
static int sends_limited(void)
{
    int fds[2];
    static char much[1 << 16];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return errno;
    while (send(fds[0], much, sizeof much, MSG_DONTWAIT) > 0)
        ;
    struct timeval time = {WAIT_MS / 1000, 0};
    setsockopt(fds[0], SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
    ssize_t got = send(fds[0], much, 1, 0);
    int error = got < 0 && errno == EAGAIN ? 0 : result(got);
    close(fds[0]);
    close(fds[1]);
    return error;
}
static int sigtimedwaits(void)
{
    sigset_t set;
    struct timespec time = in(WAIT_MS);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    int got = sigtimedwait(&set, NULL, &time);
    return got < 0 && errno == EAGAIN ? 0 : result(got);
}
/* glibc's sigwaitinfo(3) and sigwait(3) call again after EINTR, so the call itself is made. */
static int sigwaits(void)
{
    uint64_t set = 1 << (SIGUSR1 - 1);
    return result(syscall(SYS_rt_sigtimedwait, &set, NULL, NULL, 8));
}
static int pauses(void) { return result(pause()); }
static int sigsuspends(void)
{
    sigset_t set;
    sigemptyset(&set);
    return result(sigsuspend(&set));
}
static int msgrcvs(void)
{
    struct {
        long kind;
        char text[8];
    } message;
    return result(msgrcv(queue, &message, sizeof message.text, 0, 0));
}
static int semops(void)
{
    struct sembuf take = {0, -1, 0};
    return result(semop(semaphores, &take, 1));
}
static int semtimedops(void)
{
    struct sembuf take = {1, -1, 0};
    struct timespec time = in(WAIT_MS);
    int got = (int)syscall(SYS_semtimedop, semaphores, &take, 1, &time);
    return got < 0 && errno == EAGAIN ? 0 : result(got);
}
static int io_getevents_(void)
{
    unsigned long context = 0;
    char event[32];
    struct timespec time = in(WAIT_MS);
    if (syscall(SYS_io_setup, 1, &context) < 0)
        return errno == ENOSYS ? ENOSYS : errno;
    int error = result(syscall(SYS_io_getevents, context, 1, 1, event, &time));
    syscall(SYS_io_destroy, context);
    return error;
}
static int opens_fifo(void)
{
    int fd = open(fifo, O_RDONLY | O_CLOEXEC);
    int error = result(fd);
    close(fd);
    return error;
}
/* By another open file description, which has to wait for the lock. */
static int locks(long (*lock)(int))
{
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", lock_fd);
    int fd = open(name, O_RDWR | O_CLOEXEC);
    int error = result(lock(fd));
    close(fd);
    return error;
}
static long exclusively(int fd) { return flock(fd, LOCK_EX); }
static int flocks(void) { return locks(exclusively); }
static long for_writing(int fd)
{
    struct flock lock = {.l_type = F_WRLCK};
    return fcntl(fd, F_OFD_SETLKW, &lock);
}
static int fcntl_locks(void) { return locks(for_writing); }
static int wait4s(void) { return result(waitpid(sleeper, NULL, 0)); }
static int eventfd_reads(void)
{
    uint64_t value;
    return result(read(event_fd, &value, sizeof value));
}
static int timerfd_reads(void)
{
    uint64_t value;
    return result(read(timer_fd, &value, sizeof value));
}
static int inotify_reads(void)
{
    char event[64];
    return result(read(inotify_fd, event, sizeof event));
}

static const struct {
    const char *name;
    int (*wait)(void);
} calls[] = {
    {"read (pipe)", reads},
    {"write (full pipe)", writes},
    {"open (FIFO)", opens_fifo},
    {"flock", flocks},
    {"fcntl (F_OFD_SETLKW)", fcntl_locks},
    {"wait4", wait4s},
    {"accept", accepts},
    {"accept (SO_RCVTIMEO)", accepts_limited},
    {"connect", connects},
    {"recv", recvs},
    {"recv (SO_RCVTIMEO)", recvs_limited},
    {"send (SO_SNDTIMEO)", sends_limited},
    {"read (eventfd)", eventfd_reads},
    {"read (timerfd)", timerfd_reads},
    {"read (inotify)", inotify_reads},
    {"poll", polls},
    {"ppoll", ppolls},
    {"select", selects},
    {"pselect", pselects},
    {"epoll_wait", epoll_waits},
    {"nanosleep", nanosleeps},
    {"clock_nanosleep (relative)", clock_nanosleeps},
    {"clock_nanosleep (absolute)", clock_nanosleeps_until},
    {"usleep", usleeps},
    {"sleep", sleeps},
    {"futex (FUTEX_WAIT)", futex_waits},
    {"pthread_cond_timedwait", cond_timedwaits},
    {"pthread_mutex_timedlock", mutex_timedlocks},
    {"sem_timedwait", sem_timedwaits},
    {"sigtimedwait", sigtimedwaits},
    {"rt_sigtimedwait without a limit", sigwaits},
    {"pause", pauses},
    {"sigsuspend", sigsuspends},
    {"msgrcv", msgrcvs},
    {"semop", semops},
    {"semtimedop", semtimedops},
    {"io_getevents", io_getevents_},
};

enum agent { OURS, GLIBC, PSX, RESTART, PLAIN, AGENTS };
static const char *const agent_names[AGENTS] = {"ec_security_apply", "glibc setresuid", "libpsx", "handler with SA_RESTART",
                                                "handler without"};

/* What each thread has come to: 0 it waits; 1 + errno. */
static volatile int outcome[LEN(calls)];
static volatile pid_t tids[LEN(calls)];

static void *waits(void *arg)
{
    size_t which = (size_t)(intptr_t)arg;
    tids[which] = (pid_t)syscall(SYS_gettid);
    outcome[which] = 1 + calls[which].wait();
    for (;;)
        pause();
    return NULL;
}

static void nothing(int signal) { (void)signal; }

static bool prepare(void)
{
    char directory[] = "/tmp/interruption.XXXXXX";
    static char much[1 << 16];
    if (!mkdtemp(directory))
        return false;
    snprintf(fifo, sizeof fifo, "%s/fifo", directory);
    snprintf(path, sizeof path, "%s/socket", directory);
    bool fine = mkfifo(fifo, 0600) == 0 && pipe2(pipe_empty, O_CLOEXEC) == 0 && pipe2(pipe_full, O_CLOEXEC) == 0 &&
                socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0;
    fcntl(pipe_full[1], F_SETFL, O_NONBLOCK);
    while (write(pipe_full[1], much, sizeof much) > 0)
        ;
    while (write(pipe_full[1], much, 1) > 0)
        ;
    fcntl(pipe_full[1], F_SETFL, 0);
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fine &= bind(listener, (struct sockaddr *)&any, sizeof any) == 0 && listen(listener, 1) == 0;
    backlog = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval time = {WAIT_MS / 1000, 0};
    setsockopt(backlog, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    fine &= bind(backlog, (struct sockaddr *)&any, sizeof any) == 0 && listen(backlog, 1) == 0;
    int local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    fine &= bind(local, (struct sockaddr *)&address, sizeof address) == 0 && listen(local, 0) == 0;
    for (int full = 0; fine && !full;) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        full = connect(fd, (struct sockaddr *)&address, sizeof address) < 0;
    }
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    event_fd = eventfd(0, EFD_CLOEXEC);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    inotify_fd = inotify_init1(IN_CLOEXEC);
    char file[80];
    snprintf(file, sizeof file, "%s/lock", directory);
    lock_fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    struct flock lock = {.l_type = F_WRLCK};
    fine &= lock_fd >= 0 && flock(lock_fd, LOCK_EX) == 0 && fcntl(lock_fd, F_OFD_SETLK, &lock) == 0;
    queue = msgget(IPC_PRIVATE, 0600);
    semaphores = semget(IPC_PRIVATE, 2, 0600);
    fine &= queue >= 0 && semaphores >= 0 && sem_init(&semaphore, 0, 0) == 0;
    sleeper = fork();
    if (sleeper == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return fine;
}

/* Waits until every thread sleeps, outside of a handler (which would block its signal: SIGUSR2, or one that libc hides), and still
 * does a while later. */
static void until_all_wait(void)
{
    for (int times = 0; times < 3;) {
        bool all = true;
        for (size_t which = 0; which < LEN(calls); which++) {
            struct thread thread;
            all = all && tids[which] && look_thread(getpid(), tids[which], &thread) && thread.state == 'S' &&
                  !(thread.blocked & (BIT(SIGUSR2 - 1) | BIT(32 - 1) | BIT(33 - 1) | BIT(34 - 1)));
        }
        times = all ? times + 1 : 0;
        usleep(10000);
    }
}

static void child(void *arg)
{
    enum agent agent = *(enum agent *)arg;
    if (!prepare()) {
        ready();
        report(1000, strerror(errno));
        return;
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    struct sigaction action = {.sa_handler = nothing, .sa_flags = agent == RESTART ? SA_RESTART : 0};
    sigaction(SIGUSR2, &action, NULL);
    for (size_t which = 0; which < LEN(calls); which++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, waits, (void *)(intptr_t)which))
            _exit(80);
    }
    until_all_wait();
    char text[1024] = "";
    for (size_t which = 0; which < LEN(calls); which++)
        if (outcome[which])
            snprintf(text, sizeof text, "%s had ended before: %s", calls[which].name, strerror(outcome[which] - 1));
    int status = 0;
    switch (agent) {
    case OURS:
        status = ec_security_apply(NULL, NULL, NULL);
        break;
    case GLIBC:
        status = setresuid(geteuid(), geteuid(), geteuid());
        break;
    case PSX:
        status = (int)psx_syscall3(SYS_setresuid, -1, -1, -1);
        break;
    default:
        for (size_t which = 0; which < LEN(calls); which++)
            tgkill(getpid(), tids[which], SIGUSR2);
    }
    until_all_wait();
    /* one letter a call: r goes on, E has failed with EINTR, ? with something else */
    size_t len = strlen(text);
    ready();
    if (!len)
        for (size_t which = 0; which < LEN(calls); which++)
            text[len++] = !outcome[which] ? 'r' : outcome[which] == 1 + EINTR ? 'E' : '?';
    if (!status)
        text[len] = 0;
    else
        snprintf(text, sizeof text, "the call failed: %s", ec_security_last_error());
    msgctl(queue, IPC_RMID, NULL);
    semctl(semaphores, 0, IPC_RMID);
    unlink(fifo);
    unlink(path);
    char *slash = strrchr(fifo, '/');
    strcpy(slash, "/lock");
    unlink(fifo);
    *slash = 0;
    rmdir(fifo);
    kill(sleeper, SIGKILL);
    report(status, text);
}

static char measured[AGENTS][LEN(calls) + 1];

static void measures(void *arg)
{
    enum agent agent = *(enum agent *)arg;
    struct child *one = start(child, arg);
    struct answer *answer = release_and_wait(one);
    if (!expect(answer->came && answer->status == 0 && strlen(answer->text) == LEN(calls), "%s", answer->text))
        return;
    strcpy(measured[agent], answer->text);
    for (size_t which = 0; which < LEN(calls); which++)
        expect(answer->text[which] != '?', "%s ended with another error than EINTR", calls[which].name);
}

/* The table of the document, line by line: `| name | goes on | EINTR | …`. */
static void is_documented(void *arg)
{
    const char *document = arg;
    FILE *file = fopen(document, "re");
    if (!expect(file != NULL, "%s: %s", document, strerror(errno)))
        return;
    bool seen[LEN(calls)] = {false};
    char line[512];
    while (fgets(line, sizeof line, file))
        for (size_t which = 0; which < LEN(calls); which++) {
            char begin[96], row[512];
            int len = snprintf(begin, sizeof begin, "| %s |", calls[which].name);
            if (strncmp(line, begin, (size_t)len))
                continue;
            seen[which] = true;
            int have = snprintf(row, sizeof row, "%s", begin);
            for (int agent = 0; agent < AGENTS; agent++)
                have += snprintf(row + have, sizeof row - (size_t)have, " %s |",
                                 measured[agent][which] == 'E' ? "EINTR" : "goes on");
            line[strcspn(line, "\n")] = 0;
            expect(!strcmp(line, row), "%s says \"%s\", but measured is \"%s\"", document, line, row);
        }
    fclose(file);
    for (size_t which = 0; which < LEN(calls); which++)
        expect(seen[which], "%s does not list %s", document, calls[which].name);
}

/* What sets the library apart from any other signal: nothing. */
static void as_restart(void *unused)
{
    (void)unused;
    for (size_t which = 0; which < LEN(calls); which++)
        expect(measured[OURS][which] == measured[RESTART][which], "%s: %c, and %c with SA_RESTART", calls[which].name,
               measured[OURS][which], measured[RESTART][which]);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--table")) {
        for (enum agent agent = 0; agent < AGENTS; agent++)
            test("measured", 20, measures, &agent);
        printf("| call |");
        for (int agent = 0; agent < AGENTS; agent++)
            printf(" %s |", agent_names[agent]);
        printf("\n| --- | --- | --- | --- | --- | --- |\n");
        for (size_t which = 0; which < LEN(calls); which++) {
            printf("| %s |", calls[which].name);
            for (int agent = 0; agent < AGENTS; agent++)
                printf(" %s |", measured[agent][which] == 'E' ? "EINTR" : "goes on");
            printf("\n");
        }
        return finish();
    }
    static const char *const names[AGENTS] = {"interruption by ec_security_apply measured",
                                              "interruption by glibc's setresuid measured", "interruption by libpsx measured",
                                              "interruption by a handler with SA_RESTART measured",
                                              "interruption by a handler without it measured"};
    for (enum agent agent = 0; agent < AGENTS; agent++)
        test(names[agent], 60, measures, &agent);
    test("interruption is that of any handler with SA_RESTART", 5, as_restart, NULL);
    test("interruption is as docs/interruption.md has it", 5, is_documented, (void *)"docs/interruption.md");
    unsigned ours = 0, plain = 0, glibc = 0, psx = 0;
    for (size_t which = 0; which < LEN(calls); which++) {
        ours += measured[OURS][which] == 'E';
        glibc += measured[GLIBC][which] == 'E';
        psx += measured[PSX][which] == 'E';
        plain += measured[PLAIN][which] == 'E';
    }
    printf("interruption: of %zu calls, EINTR in %u by ec_security_apply, %u by glibc's setresuid, %u by libpsx, %u without "
           "SA_RESTART\n",
           LEN(calls), ours, glibc, psx, plain);
    return finish();
}
