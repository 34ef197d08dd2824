/* Situations: threads that cannot be stopped, for a while or for good. */

#include "situations_threads.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void *caller_thread(void *unused)
{
    (void)unused;
    while (state_of(getpid(), getpid()) != 'Z')
        nap(1);
    go_through();
    park_forever();
    return NULL;
}

static void leader_exits(void)
{
    idle_threads(MANY_IDLE);
    thread(caller_thread, NULL);
    pthread_exit(NULL);
}

static void *blocks(void *mask)
{
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, mask, NULL, 8);
    shared->tid = gettid_raw();
    shared->flag = 1;
    for (;;)
        syscall(SYS_ppoll, NULL, 0, NULL, NULL, 8);
    return NULL;
}

/* Not refused before the deadline is over. Later it may be, since time in which the machine does other things does not count. */
static int drop_in_good_time(void)
{
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    int status = refusable_drop();
    clock_gettime(CLOCK_MONOTONIC, &end);
    double took = (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    if (took < 0.4)
        complain("with a deadline of 0.5 s this took %.1f s", took);
    return status;
}

static void make_blocker_of(uint64_t signals)
{
    static uint64_t mask;
    mask = signals;
    thread_beside(MANY_IDLE, blocks, &mask);
}

static void make_blocker(void) { make_blocker_of(UINT64_MAX); }
static void make_blocker_of_one(void) { make_blocker_of(UINT64_C(1) << 32); /* the set*id signal, 33 */ }

static void *in_vfork(void *milliseconds)
{
    shared->tid = gettid_raw();
    static long time;
    time = (long)milliseconds;
    if (vfork() == 0) {
        shared->flag = 1;
        nap((unsigned)time);
        _exit(0);
    }
    return wait_forever();
}

static void make_vfork_for_good(void) { thread_beside(2, in_vfork, (void *)1000000L); }

void make_vfork_for_a_while(void) { thread_beside(2, in_vfork, (void *)300L); }

/* A page that nobody fills in: a read(2) into it waits in the kernel for ever, deaf to signals that do not kill. */
static void *in_page_fault(void *page)
{
    int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    shared->tid = gettid_raw();
    shared->flag = 1;
    if (read(zero, page, 1) < 0)
        _exit(74);
    return wait_forever();
}

static int fault_descriptor(void)
{
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    struct uffdio_api api = {.api = UFFD_API};
    if (fd >= 0 && ioctl(fd, UFFDIO_API, &api) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static const char *no_userfaultfd(void)
{
    int fd = fault_descriptor();
    if (fd < 0)
        return "no userfaultfd(2) that catches the kernel's own accesses";
    close(fd);
    return NULL;
}

static void make_page_fault(void)
{
    int fd = fault_descriptor();
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct uffdio_register range = {.range = {(uintptr_t)page, 4096}, .mode = UFFDIO_REGISTER_MODE_MISSING};
    struct uffd_msg told;
    require(fd >= 0 && page != MAP_FAILED && ioctl(fd, UFFDIO_REGISTER, &range) == 0, "userfaultfd");
    idle_threads(2);
    thread(in_page_fault, page);
    require(read(fd, &told, sizeof told) == sizeof told, "a page fault");
}

/* A group that is to be frozen: of version 1 it takes threads as it is; of version 2 it is a threaded one below one that the
 * whole process is in. */
static char freezer[320], group[256], home[256];
static bool version_2;

static bool write_file(const char *directory, const char *name, const char *text)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return done;
}

static const char *no_freezer(void)
{
    version_2 = false;
    snprintf(home, sizeof home, "/sys/fs/cgroup/freezer");
    snprintf(freezer, sizeof freezer, "%s/ec-situations-%d", home, getpid());
    if (mkdir(freezer, 0755) == 0)
        return NULL;
    version_2 = true;
    char line[128], own[128] = "";
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "0::%127s", own);
    if (file)
        fclose(file);
    static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    for (size_t at = 0; *own && at < 2; at++) {
        snprintf(home, sizeof home, "%s%s", mounts[at], own[1] ? own : "");
        snprintf(group, sizeof group, "%.200s/ec-situations-%d", home, getpid());
        snprintf(freezer, sizeof freezer, "%s/frozen", group);
        if (access(mounts[at], F_OK) == 0 && mkdir(group, 0755) == 0) {
            if (mkdir(freezer, 0755) == 0 && write_file(freezer, "cgroup.type", "threaded"))
                return NULL;
            rmdir(freezer);
            rmdir(group);
        }
    }
    return "no control group can be made here that freezes single threads";
}

static void *busy(void *unused)
{
    (void)unused;
    shared->tid = gettid_raw();
    shared->flag = 1;
    for (;;)
        shared->count++;
    return NULL;
}

static void make_frozen(void)
{
    char number[16];
    thread_beside(2, busy, NULL);
    snprintf(number, sizeof number, "%d", getpid());
    require(!version_2 || write_file(group, "cgroup.procs", number), group);
    snprintf(number, sizeof number, "%d", shared->tid);
    require(write_file(freezer, version_2 ? "cgroup.threads" : "tasks", number), freezer);
    require(version_2 ? write_file(freezer, "cgroup.freeze", "1") : write_file(freezer, "freezer.state", "FROZEN"), freezer);
    for (int at = 0; at < 5000 && state_of(getpid(), shared->tid) == 'R'; at++)
        nap(1);
}

static void call_is_over(void) { shared->flag = 2; }

/* By the parent, since nothing else could: not even SIGKILL ends what is frozen. */
static void thaw(pid_t pid)
{
    char number[16];
    for (int at = 0; at < 20000 && shared->flag != 2; at++)
        nap(1);
    bool thawed = version_2 ? write_file(freezer, "cgroup.freeze", "0") : write_file(freezer, "freezer.state", "THAWED");
    expect(thawed, "%s: %s", freezer, strerror(errno));
    snprintf(number, sizeof number, "%d", version_2 ? pid : shared->tid);
    if (!write_file(home, version_2 ? "cgroup.procs" : "tasks", number))
        fail("%s: %s", home, strerror(errno));
    for (int at = 0; at < 5000 && rmdir(freezer) < 0 && errno == EBUSY; at++)
        nap(1);
    for (int at = 0; version_2 && at < 5000 && rmdir(group) < 0 && errno == EBUSY; at++)
        nap(1);
}

/* A process beside that traces `tid`, or all threads, from before the call. `hands_on` is what it does with signals. */
static void tracer(pid_t pid, const pid_t *tids, size_t len, bool stops, bool hands_on)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t at = 0; at < len; at++)
        if (ptrace(PTRACE_SEIZE, tids[at], 0, 0) < 0)
            _exit(75);
    if (stops) {
        int status;
        if (ptrace(PTRACE_INTERRUPT, tids[0], 0, 0) < 0 || waitpid(tids[0], &status, __WALL) != tids[0])
            _exit(75);
        shared->flag = 2;
        for (;;)
            pause();
    }
    shared->flag = 2;
    for (;;) {
        int status;
        pid_t tid = waitpid(-1, &status, __WALL);
        if (tid < 0)
            _exit(0);
        if (WIFSTOPPED(status)) {
            shared->count++;
            ptrace(PTRACE_CONT, tid, 0, hands_on ? WSTOPSIG(status) : 0);
        }
    }
    (void)pid;
}

void *waits(void *out)
{
    *(pid_t *)out = gettid_raw();
    __atomic_add_fetch(&shared->count, 1, __ATOMIC_SEQ_CST);
    return wait_forever();
}

static void traced(bool all, bool stops, bool hands_on)
{
    static pid_t tids[4];
    for (int at = 0; at < 3; at++)
        thread(waits, &tids[at]);
    wait_for(&shared->count, 3);
    tids[3] = getpid();
    shared->tid = tids[0];
    pid_t self = getpid();
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    pid_t beside = fork();
    if (beside == 0)
        tracer(self, tids, all ? 4 : 1, stops, hands_on);
    wait_for(&shared->flag, 2);
}

/* Lets the thread go on into the handler, and stops it for good at the first system call there. */
static void *stops_in_handler(void *unused)
{
    (void)unused;
    shared->tid = gettid_raw();
    shared->flag = 1;
    return wait_forever();
}

static uint64_t stop_at;
static unsigned held_for; /* milliseconds; 0: for good */

static void traced_until(long call)
{
    stop_at = (uint64_t)call;
    thread_beside(2, stops_in_handler, NULL);
    while (state_of(getpid(), shared->tid) != 'S')
        nap(1);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    if (fork() == 0) {
        int status;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (ptrace(PTRACE_SEIZE, shared->tid, 0, PTRACE_O_TRACESYSGOOD) < 0)
            _exit(75);
        shared->flag = 2;
        if (waitpid(shared->tid, &status, __WALL) != shared->tid || !WIFSTOPPED(status))
            _exit(75);
        ptrace(PTRACE_SYSCALL, shared->tid, 0, WSTOPSIG(status));
        for (;;) {
            struct __ptrace_syscall_info info;
            if (waitpid(shared->tid, &status, __WALL) != shared->tid)
                _exit(75);
            if (ptrace(PTRACE_GET_SYSCALL_INFO, shared->tid, sizeof info, &info) > 0 && info.op == PTRACE_SYSCALL_INFO_ENTRY &&
                info.entry.nr == stop_at)
                break;
            ptrace(PTRACE_SYSCALL, shared->tid, 0, 0);
        }
        if (held_for) {
            nap(held_for);
            ptrace(PTRACE_DETACH, shared->tid, 0, 0);
            _exit(0);
        }
        /* Only when its tracer has taken notice has a thread gone, and its process with it. */
        waitpid(shared->tid, &status, __WALL);
        _exit(0);
    }
    wait_for(&shared->flag, 2);
}

static void make_stopped_amid_parking(void) { traced_until(SYS_getresuid); }
static void make_stopped_amid_change(void) { traced_until(SYS_capset); }

static void make_held_amid_change(void)
{
    held_for = 6500;
    traced_until(SYS_capset);
}

static int drop_in_ten_seconds(void) { return drop_within("10"); }

static void make_traced_and_stopped(void) { traced(false, true, false); }
static void make_traced_and_running(void) { traced(true, false, true); }
static void make_traced_and_deaf(void) { traced(false, false, false); }

void situations_of_unstoppable_threads(void)
{
    static const struct situation all[] = {
        SITUATION("the leader thread has exited", .body = leader_exits, .outcomes = DONE, .threads = MANY_IDLE + 1),
        SITUATION("a thread blocks all signals by a raw rt_sigprocmask call", .make = make_blocker, .call = drop_in_good_time,
                  REFUSED_FOR_THREAD("blocks the set*id signal by a raw system call")),
        SITUATION("a thread blocks just the set*id signal by a raw rt_sigprocmask call", .make = make_blocker_of_one,
                  .call = refusable_drop, REFUSED_FOR_THREAD("blocks the set*id signal by a raw system call")),
        SITUATION("a thread is stopped by its tracer", .make = make_traced_and_stopped, .call = refusable_drop,
                  REFUSED_FOR_THREAD("stopped by its tracer, process ")),
        SITUATION("a thread is stopped by its tracer in the middle of being parked", .make = make_stopped_amid_parking,
                  .call = refusable_drop, .outcomes = GONE, .names_thread = true,
                  .says = {"was stopped while it looked at itself"}),
        SITUATION("a thread is stopped by its tracer in the middle of the change", .make = make_stopped_amid_change,
                  .outcomes = GONE, .names_thread = true,
                  .says = {"cannot be completed", "did not finish in time (stopped by its tracer, process "}),
        SITUATION("a thread is held by its tracer for 6.5 seconds in the middle of the change, and the deadline is 10",
                  .make = make_held_amid_change, .call = drop_in_ten_seconds, .outcomes = DONE, .threads = 4),
        SITUATION("the whole process is traced, and the tracer hands signals on", .make = make_traced_and_running,
                  .outcomes = DONE, .threads = 4),
        SITUATION("a tracer swallows a thread's signals", .make = make_traced_and_deaf, .call = refusable_drop,
                  REFUSED_FOR_THREAD("did not stop within the deadline", "trace")),
        SITUATION("a thread is inside vfork, whose child does not end", .make = make_vfork_for_good, .call = refusable_drop,
                  REFUSED_FOR_THREAD("vfork")),
        SITUATION("a thread is inside vfork, whose child ends in time", .make = make_vfork_for_a_while, .outcomes = DONE,
                  .threads = 4),
        SITUATION("a thread waits in the kernel and hears no signal", .cannot = no_userfaultfd, .make = make_page_fault,
                  .call = refusable_drop, REFUSED_FOR_THREAD("did not stop within the deadline")),
        SITUATION("a thread is frozen by its control group", .cannot = no_freezer, .make = make_frozen, .call = refusable_drop,
                  .then = call_is_over, .beside = thaw, REFUSED_FOR_THREAD("did not stop within the deadline")),
    };
    for (size_t at = 0; at < sizeof all / sizeof *all; at++)
        situation(&all[at]);
}
