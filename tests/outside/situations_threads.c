/* Situations that other threads make. */

#include "policy_of.h"
#include "situations.h"

#include <linux/futex.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* So many that the library signals them by guessing their numbers, without reading the task folder first. */
#define MANY_IDLE 20

/* --- threads that cannot be stopped --------------------------------------------------------------------------------- */

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
    idle_threads(MANY_IDLE);
    thread(blocks, &mask);
    wait_for(&shared->flag, 1);
}

static void make_blocker(void) { make_blocker_of(UINT64_MAX); }
static void make_blocker_of_one(void) { make_blocker_of(UINT64_C(1) << 32); /* the borrowed one, 33 */ }

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
    for (;;)
        pause();
    return NULL;
}

static void make_vfork_for_good(void)
{
    idle_threads(2);
    thread(in_vfork, (void *)1000000L);
    wait_for(&shared->flag, 1);
}

static void make_vfork_for_a_while(void)
{
    idle_threads(2);
    thread(in_vfork, (void *)300L);
    wait_for(&shared->flag, 1);
}

/* A page that nobody fills in: a read(2) into it waits in the kernel for ever, deaf to signals that do not kill. */
static void *in_page_fault(void *page)
{
    int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    shared->tid = gettid_raw();
    shared->flag = 1;
    if (read(zero, page, 1) < 0)
        _exit(74);
    for (;;)
        pause();
    return NULL;
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

static bool write_file(const char *folder, const char *name, const char *text)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
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
    idle_threads(2);
    thread(busy, NULL);
    wait_for(&shared->flag, 1);
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

static void *waits(void *out)
{
    *(pid_t *)out = gettid_raw();
    __atomic_add_fetch(&shared->count, 1, __ATOMIC_SEQ_CST);
    for (;;)
        pause();
    return NULL;
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
    for (;;)
        pause();
    return NULL;
}

static uint64_t stop_at;

static void traced_until(long call)
{
    stop_at = (uint64_t)call;
    idle_threads(2);
    thread(stops_in_handler, NULL);
    wait_for(&shared->flag, 1);
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
        /* Only when its tracer has taken notice has a thread gone, and its process with it. */
        waitpid(shared->tid, &status, __WALL);
        _exit(0);
    }
    wait_for(&shared->flag, 2);
}

static void make_stopped_amid_parking(void) { traced_until(SYS_getresuid); }
static void make_stopped_amid_change(void) { traced_until(SYS_capset); }
static void make_traced_and_stopped(void) { traced(false, true, false); }
static void make_traced_and_running(void) { traced(true, false, true); }
static void make_traced_and_deaf(void) { traced(false, false, false); }

/* A traced thread that has ended stays in the list until its tracer takes notice: here at the moment when the library counts the
 * threads, with another born since it listed them. As many as it knows, then, but not the same. */
static void *ends_when_told(void *unused)
{
    (void)unused;
    shared->tid = gettid_raw();
    wait_for(&shared->flag, 1);
    syscall(SYS_exit, 0);
    return NULL;
}

static void mask_all_signals(uint64_t mask) { syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8); }

static void *is_born(void *unused)
{
    static pid_t tid;
    (void)unused;
    mask_all_signals(0);
    return waits(&tid);
}

/* Deaf, as are those that it creates, and gone before anybody can wait for it. */
static void *creates_its_heir(void *over)
{
    mask_all_signals(UINT64_MAX);
    shared->flag = 1;
    nap(2);
    if (*(volatile int *)over)
        shared->flag = 2;
    else
        thread(creates_its_heir, over);
    return NULL;
}

static void *ends_with_its_signal(void *unused)
{
    mask_all_signals(UINT64_MAX);
    shared->flag = 1;
    for (uint64_t waiting = 0; !waiting;)
        require(syscall(SYS_rt_sigpending, &waiting, 8) == 0, "rt_sigpending");
    return unused;
}

static void make_some_idle(void) { idle_threads(MANY_IDLE); }

/* The last of them ends when it has its signal; whoever looks only when the deadline is over comes too late. */
static void make_300_and_one_ends(void)
{
    idle_threads(299);
    thread(ends_with_its_signal, NULL);
    wait_for(&shared->flag, 1);
}

static int drop_within_a_minute(void) { return drop_within("60"); }

/* Takes the signal out of the queue, so that it never gets to the handler. */
static void *takes_the_signal(void *unused)
{
    (void)unused;
    uint64_t borrowed = UINT64_C(1) << 32;
    mask_all_signals(UINT64_MAX);
    shared->flag = 1;
    require(syscall(SYS_rt_sigtimedwait, &borrowed, NULL, NULL, 8) == 33, "rt_sigtimedwait");
    shared->count++;
    mask_all_signals(0);
    for (;;)
        pause();
    return NULL;
}

static void make_taker(void)
{
    idle_threads(2);
    thread(takes_the_signal, NULL);
    wait_for(&shared->flag, 1);
}

static void was_taken(void)
{
    if (shared->count != 1)
        complain("the signal was taken %d times", shared->count);
}

/* Each hears its signal a while after the one before it. */
static void *hears_in_turn(void *turn)
{
    mask_all_signals(UINT64_MAX);
    shared->count++;
    wait_for(&shared->flag, 1);
    nap(300 * (unsigned)(uintptr_t)turn);
    mask_all_signals(0);
    for (;;)
        pause();
    return NULL;
}

static void make_one_after_another(void)
{
    for (uintptr_t turn = 1; turn <= 10; turn++) {
        thread(hears_in_turn, (void *)turn);
        wait_for(&shared->count, (int)turn);
    }
}

/* Twice the deadline in all, and never near it without another that has parked. */
static int drop_one_after_another(void)
{
    shared->flag = 1;
    return drop_within("0.3");
}

static int drop_amid_heirs(void)
{
    static volatile int over;
    thread(creates_its_heir, (void *)&over);
    wait_for(&shared->flag, 1);
    int status = drop_within("0.1");
    over = 1;
    wait_for(&shared->flag, 2);
    return status;
}

/* Deaf as long as that takes, as a thread is that is inside clone(2). */
static void *creates_when_told(void *unused)
{
    (void)unused;
    mask_all_signals(UINT64_MAX);
    wait_for(&shared->flag, 3);
    thread(is_born, NULL);
    wait_for(&shared->count, 1);
    mask_all_signals(0);
    for (;;)
        pause();
    return NULL;
}

static bool is_fstat(uint64_t call)
{
#ifdef SYS_fstat
    if (call == SYS_fstat)
        return true;
#endif
#ifdef SYS_newfstatat
    if (call == SYS_newfstatat)
        return true;
#endif
    return call == SYS_statx;
}

static void births_tracer(pid_t caller, pid_t ending)
{
    int status;
    bool signalled = false, at_end = false;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (ptrace(PTRACE_SEIZE, ending, 0, 0) < 0 || ptrace(PTRACE_SEIZE, caller, 0, PTRACE_O_TRACESYSGOOD) < 0)
        _exit(75);
    shared->flag = 1;
    while (state_of(caller, ending) != 'Z')
        nap(1);
    if (ptrace(PTRACE_INTERRUPT, caller, 0, 0) < 0)
        _exit(75);
    shared->flag = 2;
    for (;;) {
        struct __ptrace_syscall_info info;
        if (waitpid(caller, &status, __WALL) != caller || !WIFSTOPPED(status))
            _exit(75);
        memset(&info, 0, sizeof info);
        if (WSTOPSIG(status) == (SIGTRAP | 0x80))
            ptrace(PTRACE_GET_SYSCALL_INFO, caller, sizeof info, &info);
        if (info.op == PTRACE_SYSCALL_INFO_EXIT && signalled && at_end && shared->flag == 2) {
            shared->flag = 3;
            wait_for(&shared->count, 1);
        } else if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
            signalled |= info.entry.nr == SYS_rt_tgsigqueueinfo;
            at_end = info.entry.nr == SYS_getdents64;
            if (shared->flag == 3 && is_fstat(info.entry.nr)) {
                if (waitpid(ending, &status, __WALL) != ending)
                    _exit(75);
                shared->flag = 4; /* before the caller can go on and be asked */
                ptrace(PTRACE_DETACH, caller, 0, 0);
                _exit(0);
            }
        }
        bool of_its_own = status >> 16 == 0 && WSTOPSIG(status) != (SIGTRAP | 0x80);
        ptrace(PTRACE_SYSCALL, caller, 0, of_its_own ? WSTOPSIG(status) : 0);
    }
}

static void make_births(void)
{
    thread(ends_when_told, NULL);
    thread(creates_when_told, NULL);
    while (!shared->tid)
        nap(1);
    pid_t self = getpid();
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    if (fork() == 0)
        births_tracer(self, shared->tid);
    while (shared->flag < 2)
        nap(1);
}

static void was_born(void)
{
    if (shared->flag != 4)
        complain("the tracer has come to %d only", shared->flag);
}

/* --- threads that hold something else ------------------------------------------------------------------------------- */

struct raw_caps {
    struct {
        uint32_t version;
        int pid;
    } header;
    struct {
        uint32_t effective, permitted, inheritable;
    } data[2];
};

static void set_raw_caps(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
    struct raw_caps caps = {{0x20080522, 0},
                            {{(uint32_t)effective, (uint32_t)permitted, (uint32_t)inheritable},
                             {(uint32_t)(effective >> 32), (uint32_t)(permitted >> 32), (uint32_t)(inheritable >> 32)}}};
    require(syscall(SYS_capset, &caps.header, caps.data) == 0, "capset");
}

void raw_drop(unsigned uid, uint64_t keep)
{
    for (unsigned cap = 0; cap <= last_cap(); cap++)
        if (!(keep & BIT(cap)))
            require(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0, "PR_CAPBSET_DROP");
    if (ids()) {
        unsigned groups[3] = {ECUSER_GID, ECEXTRA_GID, ECLOGS_GID};
        require(syscall(SYS_setgroups, 3, groups) == 0, "setgroups");
        require(syscall(SYS_setresgid, ECUSER_GID, ECUSER_GID, ECUSER_GID) == 0, "setresgid");
        require(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0, "PR_SET_KEEPCAPS");
        require(syscall(SYS_setresuid, uid, uid, uid) == 0, "setresuid");
        require(prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) == 0, "PR_SET_KEEPCAPS");
    }
    set_raw_caps(keep, keep, 0);
}

static void *drops_by_itself(void *unused)
{
    (void)unused;
    shared->tid = gettid_raw();
    raw_drop(ECUSER_UID, BIT(10));
    shared->flag = 1;
    for (;;)
        pause();
    return NULL;
}

static void *drops_all_by_itself(void *unused)
{
    (void)unused;
    shared->tid = gettid_raw();
    raw_drop(ECUSER_UID, 0);
    shared->flag = 1;
    for (;;)
        pause();
    return NULL;
}

static void *becomes_another(void *unused)
{
    (void)unused;
    shared->tid = gettid_raw();
    raw_drop(65534, BIT(10));
    shared->flag = 1;
    for (;;)
        pause();
    return NULL;
}

static void make_dropped_thread(void)
{
    idle_threads(2);
    thread(drops_by_itself, NULL);
    wait_for(&shared->flag, 1);
}

static void make_bare_thread(void)
{
    idle_threads(2);
    thread(drops_all_by_itself, NULL);
    wait_for(&shared->flag, 1);
}

static void make_other_thread(void)
{
    idle_threads(2);
    thread(becomes_another, NULL);
    wait_for(&shared->flag, 1);
}

static long filtered_call, filtered_argument;
static unsigned filter_action;

static void *filters_itself(void *unused)
{
    (void)unused;
    shared->tid = gettid_raw();
    filter(filtered_call, filtered_argument, filter_action, false);
    shared->flag = 1;
    for (;;)
        pause();
    return NULL;
}

static void make_filter(long call, long argument, unsigned action)
{
    filtered_call = call;
    filtered_argument = argument;
    filter_action = action;
    /* More than the caller looks after at a time: the filtered one is the last. */
    idle_threads(80);
    thread(filters_itself, NULL);
    wait_for(&shared->flag, 1);
}

static void make_filter_capset(void) { make_filter(SYS_capset, -1, SECCOMP_RET_ERRNO | EPERM); }
static void make_filter_bounding(void) { make_filter(SYS_prctl, PR_CAPBSET_DROP, SECCOMP_RET_ERRNO | EPERM); }
static void make_filter_lies(void) { make_filter(SYS_prctl, PR_SET_NO_NEW_PRIVS, SECCOMP_RET_ERRNO | 0); }
static void make_filter_kills_thread(void) { make_filter(SYS_capset, -1, SECCOMP_RET_KILL_THREAD); }
static void make_filter_kills_look(void) { make_filter(SYS_getresuid, -1, SECCOMP_RET_KILL_THREAD); }
static void make_filter_refuses_look(void) { make_filter(SYS_getresuid, -1, SECCOMP_RET_ERRNO | EPERM); }
/* The first time it waits is for the others, one of which comes late; nothing else waits before. */
static int drop_killed_amid(void)
{
    shared->tid = gettid_raw();
    filter_by(SYS_futex, 1, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, SECCOMP_RET_KILL_THREAD, false);
    return drop();
}

/* Not by the leader, which would stay in the list of threads as a zombie. */
static void *calls_beside(void *unused)
{
    (void)unused;
    go_through();
    return NULL;
}

static void killed_amid_beside(void)
{
    make_vfork_for_a_while();
    thread(calls_beside, NULL);
    for (;;)
        pause();
}

/* The others wait for longer than they sleep before they look whether the caller is still there. */
static int drop_with_a_filter(void)
{
    filter(SYS_uname, -1, SECCOMP_RET_ERRNO | EPERM, false);
    return drop();
}

static void make_filter_futex(void) { make_filter(SYS_futex, -1, SECCOMP_RET_ERRNO | EPERM); }

static char new_root[] = "/tmp/ec-situations.XXXXXX";

static void *unshares_fs(void *unused)
{
    (void)unused;
    shared->tid = gettid_raw();
    require(unshare(CLONE_FS) == 0, "unshare");
    shared->flag = 1;
    for (;;)
        pause();
    return NULL;
}

static void make_unshared_fs(void)
{
    require(mkdtemp(new_root) != NULL && chmod(new_root, 0755) == 0, "mkdtemp");
    idle_threads(2);
    thread(unshares_fs, NULL);
    wait_for(&shared->flag, 1);
}

static int drop_with_root(void)
{
    return apply_of((const char *const[]){"chroot", new_root, "user", ids() ? "ecuser" : NULL, "capabilities",
                                          "cap_net_bind_service+ep", NULL});
}

static void roots_are_alike(pid_t pid)
{
    char path[64], leader[256], other[256];
    snprintf(path, sizeof path, "/proc/%d/root", pid);
    ssize_t len = readlink(path, leader, sizeof leader - 1);
    leader[len > 0 ? len : 0] = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/root", pid, shared->tid);
    len = readlink(path, other, sizeof other - 1);
    other[len > 0 ? len : 0] = 0;
    expect(!strncmp(leader, "/tmp/ec-situations.", 19), "the root of the process is %s", leader);
    expect(!strcmp(leader, other), "the root of the thread is %s, that of the process %s", other, leader);
    rmdir(leader);
}

static void *unshares_files(void *unused)
{
    (void)unused;
    shared->tid = gettid_raw();
    require(unshare(CLONE_FILES) == 0, "unshare");
    for (int fd = 3; fd < 64; fd++)
        close(fd);
    shared->flag = 1;
    for (;;)
        pause();
    return NULL;
}

static void make_unshared_files(void)
{
    idle_threads(2);
    thread(unshares_files, NULL);
    wait_for(&shared->flag, 1);
}

/* --- threads that come and go, and that do other things -------------------------------------------------------------- */

static volatile int noisy;

/* Not before all threads are there, since glibc's broadcast holds the lock that pthread_create needs, and is not fair; and with a moment
 * between that the other's broadcast does not cut short: two that answer each other at once leave nobody time for anything. */
static void *noise_set_ids(void *unused)
{
    (void)unused;
    wait_for(&noisy, 1);
    for (;; nap(1)) {
        if (setresuid((uid_t)-1, (uid_t)-1, (uid_t)-1) < 0)
            complain("setresuid(-1, -1, -1): %s", strerror(errno));
        shared->count++;
    }
    return NULL;
}

static void *noise_malloc(void *unused)
{
    (void)unused;
    for (size_t size = 1;; size = size * 3 % 100003 + 1) {
        free(malloc(size));
        shared->count++;
    }
    return NULL;
}

static void *noise_dlopen(void *unused)
{
    (void)unused;
    for (;;) {
        void *handle = dlopen("libm.so.6", RTLD_NOW);
        if (handle)
            dlclose(handle);
        shared->count++;
    }
    return NULL;
}

static void *noise_names(void *unused)
{
    (void)unused;
    for (;;) {
        if (!getgrnam("eclogs") && !getgrnam("root"))
            complain("getgrnam: %s", strerror(errno));
        shared->count++;
    }
    return NULL;
}

static void *noise_fork(void *unused)
{
    (void)unused;
    for (;;) {
        pid_t pid = fork();
        if (pid == 0)
            _exit(0);
        if (pid > 0)
            waitpid(pid, NULL, 0);
        shared->count++;
    }
    return NULL;
}

static void *ends(void *unused)
{
    (void)unused;
    pthread_exit(NULL);
}

static void *noise_threads(void *unused)
{
    (void)unused;
    for (;;) {
        pthread_t made;
        if (pthread_create(&made, NULL, ends, NULL) == 0)
            pthread_join(made, NULL);
        shared->count++;
    }
    return NULL;
}

static void *endless(void *unused)
{
    (void)unused;
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    for (;;)
        ;
    return NULL;
}

static void *noise_cancel(void *unused)
{
    (void)unused;
    for (;;) {
        pthread_t made;
        if (pthread_create(&made, NULL, endless, NULL) == 0) {
            pthread_cancel(made);
            pthread_join(made, NULL);
        }
        shared->count++;
    }
    return NULL;
}

static void noise(void *(*body)(void *))
{
    idle_threads(2);
    thread(body, NULL);
    thread(body, NULL);
    noisy = 1;
    while (shared->count < 10)
        nap(1);
}

static void make_noise_set_ids(void) { noise(noise_set_ids); }
static void make_noise_malloc(void) { noise(noise_malloc); }
static void make_noise_dlopen(void) { noise(noise_dlopen); }
static void make_noise_names(void) { noise(noise_names); }
static void make_noise_fork(void) { noise(noise_fork); }
static void make_noise_threads(void) { noise(noise_threads); }
static void make_noise_cancel(void) { noise(noise_cancel); }

/* What the others do must go on: glibc's broadcast waits for each thread to have taken its signal. */
static void noise_goes_on(void)
{
    int seen = shared->count;
    for (int at = 0; at < 20000 && shared->count < seen + 3; at++)
        nap(1);
    if (shared->count < seen + 3)
        complain("what the others do does not go on after the call");
}

/* All threads parked and let go a number of times, then the drop: more chances for what happens seldom. */
static int many_stops_and_drop(void)
{
    for (int at = 0; at < 20; at++) {
        int status = stop_all();
        if (status != EC_SECURITY_OK)
            return status;
    }
    return drop();
}

/* --- callers --------------------------------------------------------------------------------------------------------- */

static void *another_caller(void *unused)
{
    (void)unused;
    wait_for(&shared->flag, 1);
    int status = drop();
    if (status != EC_SECURITY_OK)
        complain("another caller: %d %s", status, ec_security_last_error());
    __atomic_add_fetch(&shared->count, 1, __ATOMIC_SEQ_CST);
    for (;;)
        pause();
    return NULL;
}

static void callers(int others)
{
    idle_threads(2);
    for (int at = 0; at < others; at++)
        thread(another_caller, NULL);
}

static void make_two_callers(void) { callers(1); }
static void make_ten_callers(void) { callers(9); }

static int drop_of_many(int others)
{
    shared->flag = 1;
    int status = drop();
    wait_for(&shared->count, others);
    return status;
}

static int drop_of_two(void) { return drop_of_many(1); }
static int drop_of_ten(void) { return drop_of_many(9); }

static int cancelled_drop(void)
{
    pthread_cancel(pthread_self());
    int status = drop();
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    if (state != PTHREAD_CANCEL_ENABLE)
        complain("cancellation was enabled before the call and is not afterwards");
    return status;
}

/* --- io_uring -------------------------------------------------------------------------------------------------------- */

static const char *no_ring(void)
{
    struct io_uring_params params = {0};
    int fd = (int)syscall(SYS_io_uring_setup, 4, &params);
    if (fd < 0)
        return "no io_uring here (sysctl kernel.io_uring_disabled, or a seccomp filter)";
    close(fd);
    return NULL;
}

static struct ring {
    int fd;
    struct io_uring_params params;
    char *sq, *cq;
    struct io_uring_sqe *entries;
} ring;

static void make_ring(unsigned flags, unsigned idle)
{
    ring.params.flags = flags;
    ring.params.sq_thread_idle = idle;
    ring.fd = (int)syscall(SYS_io_uring_setup, 4, &ring.params);
    require(ring.fd >= 0, "io_uring_setup");
    ring.sq = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQ_RING);
    ring.cq = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_CQ_RING);
    ring.entries = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.fd, IORING_OFF_SQES);
    require(ring.sq != MAP_FAILED && ring.cq != MAP_FAILED && ring.entries != MAP_FAILED, "mmap of the ring");
}

/* A worker names itself when it first runs, and has its maker's name until then. */
static pid_t worker_named(const char *begin)
{
    for (;; nap(1)) {
        struct process *seen = look(getpid());
        for (size_t at = 0; at < seen->len; at++)
            if (seen->threads[at].kernel && !strncmp(seen->threads[at].name, begin, strlen(begin)))
                return seen->threads[at].tid;
    }
}

static int ring_pipe[2];
static char ring_byte;

static void make_ring_with_worker(void)
{
    make_ring(0, 0);
    require(pipe(ring_pipe) == 0, "pipe");
    /* IOSQE_ASYNC: given to a worker at once, which waits there. */
    ring.entries[0] = (struct io_uring_sqe){.opcode = IORING_OP_READ,
                                            .flags = IOSQE_ASYNC,
                                            .fd = ring_pipe[0],
                                            .addr = (uintptr_t)&ring_byte,
                                            .len = 1,
                                            .user_data = 7};
    unsigned *tail = (unsigned *)(ring.sq + ring.params.sq_off.tail);
    unsigned *array = (unsigned *)(ring.sq + ring.params.sq_off.array);
    array[*tail & *(unsigned *)(ring.sq + ring.params.sq_off.ring_mask)] = 0;
    __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
    require(syscall(SYS_io_uring_enter, ring.fd, 1, 0, 0, NULL, 0) == 1, "io_uring_enter");
    idle_threads(MANY_IDLE);
    worker_named("iou-wrk-");
}

static void ring_still_works(void)
{
    unsigned *tail = (unsigned *)(ring.cq + ring.params.cq_off.tail);
    if (write(ring_pipe[1], "x", 1) != 1)
        complain("write: %s", strerror(errno));
    if (syscall(SYS_io_uring_enter, ring.fd, 0, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
        complain("io_uring_enter after the drop: %s", strerror(errno));
    struct io_uring_cqe *done = (struct io_uring_cqe *)(ring.cq + ring.params.cq_off.cqes);
    if (__atomic_load_n(tail, __ATOMIC_ACQUIRE) != 1 || done->user_data != 7 || done->res != 1 || ring_byte != 'x')
        complain("the request under way was not completed: tail %u, result %d", *tail, done->res);
}

static void make_polling_ring(void)
{
    make_ring(IORING_SETUP_SQPOLL, 100000);
    idle_threads(MANY_IDLE);
    shared->tid = worker_named("iou-sqp-");
}

static const char *no_ring_or_wchan(void)
{
    return no_ring()                             ? no_ring()
           : access("/proc/kallsyms", F_OK) == 0 ? NULL
                                                 : "no kernel symbols here, so that wchan tells nothing";
}

/* Asleep after a millisecond, which is when the kernel tells what it is. */
static void make_renamed_ring(void)
{
    make_ring(IORING_SETUP_SQPOLL, 1);
    idle_threads(MANY_IDLE);
    shared->tid = worker_named("iou-sqp-");
    char path[64], wchan[64] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/comm", shared->tid);
    int comm = open(path, O_WRONLY | O_CLOEXEC);
    require(comm >= 0 && write(comm, "iou-wrk-7", 9) == 9, path);
    close(comm);
    snprintf(path, sizeof path, "/proc/self/task/%d/wchan", shared->tid);
    for (int tries = 0; tries < 5000 && strncmp(wchan, "io_sq_thread", 12); tries++) {
        nap(1);
        int file = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t len = file < 0 ? -1 : read(file, wchan, sizeof wchan - 1);
        require(len >= 0, path);
        wchan[len] = 0;
        close(file);
    }
    require(!strncmp(wchan, "io_sq_thread", 12), "the polling thread does not fall asleep");
}

static int close_ring_and_drop(void)
{
    int status = refusable_drop();
    if (status != EC_SECURITY_ETHREAD)
        complain("with the ring open: %d", status);
    munmap(ring.sq, 4096);
    munmap(ring.cq, 4096);
    munmap(ring.entries, 4096);
    close(ring.fd);
    while (state_of(getpid(), shared->tid))
        nap(1);
    return drop();
}

/* --- many, and small ------------------------------------------------------------------------------------------------- */

static unsigned most = 20000;

static unsigned long number_in(const char *path)
{
    unsigned long found = 0;
    FILE *file = fopen(path, "re");
    if (file && fscanf(file, "%lu", &found) != 1) /* "max" */
        found = 0;
    if (file)
        fclose(file);
    return found ? found : ULONG_MAX;
}

/* 20,000, or what this machine's limits leave room for beside a thousand threads of others. */
static const char *no_room_for_many(void)
{
    unsigned long room = number_in("/proc/sys/kernel/pid_max");
    const unsigned long others[] = {number_in("/proc/sys/kernel/threads-max"), number_in("/sys/fs/cgroup/pids.max"),
                                    number_in("/sys/fs/cgroup/pids/pids.max")};
    for (size_t at = 0; at < sizeof others / sizeof *others; at++)
        room = others[at] < room ? others[at] : room;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_cur < room)
        room = limit.rlim_cur;
    if (room < 6000)
        return "the limits of this machine leave no room for 5,000 threads";
    if (room < most + 1000)
        most = (unsigned)room - 1000;
    printf("    %u threads\n", most);
    return NULL;
}

static void make_many(void) { idle_threads(most - 1); }

static void make_300(void) { idle_threads(299); }
static void make_2000(void) { idle_threads(1999); }

static void make_2000_apart(void)
{
    for (int at = 0; at < 1999; at++) {
        idle_threads(1);
        thread(ends, NULL);
    }
}

/* Whoever has parked is given more time than the deadline: the process must not end for it. */
static int drop_within_a_millisecond(void)
{
    for (int at = 0; at < 200; at++) {
        int status = drop_within("0.001");
        if (status == EC_SECURITY_OK)
            return status;
        if (status != EC_SECURITY_ETHREAD)
            complain("within a millisecond: %d %s", status, ec_security_last_error());
        shared->count++;
    }
    return drop();
}

static unsigned stack_used;

/* How much of a 16 KiB stack the handler needs: what is below this function is filled beforehand. */
static void *on_a_small_stack(void *unused)
{
    (void)unused;
    volatile char *here = __builtin_frame_address(0);
    pthread_attr_t attr;
    void *bottom;
    size_t size;
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstack(&attr, &bottom, &size);
    pthread_attr_destroy(&attr);
    volatile char *low = bottom, *high = here - 512;
    for (volatile char *at = low; at < high; at++)
        *at = 0x5a;
    shared->flag = 1;
    while (__atomic_load_n(&shared->flag, __ATOMIC_SEQ_CST) == 1)
        ;
    volatile char *at = low;
    while (at < high && *at == 0x5a)
        at++;
    stack_used = (unsigned)(here - at);
    shared->flag = 3;
    for (;;)
        pause();
    return NULL;
}

static void make_small_stacks(void)
{
    idle_threads(50);
    pthread_t made;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 16384);
    require(pthread_create(&made, &attr, on_a_small_stack, NULL) == 0, "pthread_create");
    wait_for(&shared->flag, 1);
}

static void small_stack_was_enough(void)
{
    shared->flag = 2;
    wait_for(&shared->flag, 3);
    shared->count = (int)stack_used;
    /* What the kernel itself puts there, for the registers: 0.8 to 11 KiB, by processor. */
    unsigned long frame = getauxval(51);
#ifdef _SC_MINSIGSTKSZ
    frame = sysconf(_SC_MINSIGSTKSZ) > 0 ? (unsigned long)sysconf(_SC_MINSIGSTKSZ) : 2048;
#endif
    /* Before Linux 5.14 the kernel does not say, and libc's own sum is some bytes short (getauxval(3), AT_MINSIGSTKSZ). */
    if (stack_used > frame + (getauxval(51) ? 3072 : 3328))
        complain("the handler used %u bytes of stack, of which %lu are the kernel's", stack_used, frame);
}

static void tell_stack(pid_t pid)
{
    (void)pid;
    printf("    stack used in a parked thread: %d bytes\n", shared->count);
}

static volatile int errno_rounds;

static void *keeps_errno(void *unused)
{
    (void)unused;
    errno = 4242;
    __atomic_add_fetch(&shared->count, 1, __ATOMIC_SEQ_CST);
    while (!shared->flag) {
        if (errno != 4242)
            complain("errno of another thread became %d", errno);
        errno_rounds++;
    }
    if (errno != 4242)
        complain("errno of another thread became %d", errno);
    __atomic_add_fetch(&shared->count, 1, __ATOMIC_SEQ_CST);
    for (;;)
        pause();
    return NULL;
}

static void make_errno(void)
{
    thread(keeps_errno, NULL);
    thread(keeps_errno, NULL);
    wait_for(&shared->count, 2);
    errno = 77;
}

static int drop_and_look_at_errno(void)
{
    errno = 77;
    int status = drop();
    if (errno != 77)
        complain("errno of the caller became %d", errno);
    return status;
}

static void errno_was_kept(void)
{
    shared->flag = 1;
    wait_for(&shared->count, 4);
}

void situations_of_threads(void)
{
    static const struct situation all[] = {
        {.name = "the leader thread has exited", .body = leader_exits, .outcomes = DONE, .threads = MANY_IDLE + 1},
        {.name = "a thread blocks all signals by a raw rt_sigprocmask call",
         .make = make_blocker,
         .call = drop_in_good_time,
         .outcomes = REFUSED,
         .status = EC_SECURITY_ETHREAD,
         .names_thread = true,
         .says = {"blocks the set*id signal by a raw system call"}},
        {.name = "a thread blocks just the borrowed signal by a raw rt_sigprocmask call",
         .make = make_blocker_of_one,
         .call = refusable_drop,
         .outcomes = REFUSED,
         .status = EC_SECURITY_ETHREAD,
         .names_thread = true,
         .says = {"blocks the set*id signal by a raw system call"}},
        {.name = "a thread is stopped by its tracer",
         .make = make_traced_and_stopped,
         .call = refusable_drop,
         .outcomes = REFUSED,
         .status = EC_SECURITY_ETHREAD,
         .names_thread = true,
         .says = {"stopped by its tracer, process "}},
        {.name = "a thread is stopped by its tracer in the middle of being parked",
         .make = make_stopped_amid_parking,
         .call = refusable_drop,
         .outcomes = GONE,
         .names_thread = true,
         .says = {"was stopped while it looked at itself"}},
        {.name = "a thread is stopped by its tracer in the middle of the change",
         .make = make_stopped_amid_change,
         .outcomes = GONE,
         .names_thread = true,
         .says = {"cannot be completed", "did not finish in time (stopped by its tracer, process "}},
        {.name = "the whole process is traced, and the tracer hands signals on",
         .make = make_traced_and_running,
         .outcomes = DONE,
         .threads = 4},
        {.name = "a tracer swallows a thread's signals",
         .make = make_traced_and_deaf,
         .call = refusable_drop,
         .outcomes = REFUSED,
         .status = EC_SECURITY_ETHREAD,
         .names_thread = true,
         .says = {"did not stop within the deadline", "trace"}},
        {.name = "a thread is inside vfork, whose child does not end",
         .make = make_vfork_for_good,
         .call = refusable_drop,
         .outcomes = REFUSED,
         .status = EC_SECURITY_ETHREAD,
         .names_thread = true,
         .says = {"vfork"}},
        {.name = "a thread is inside vfork, whose child ends in time",
         .make = make_vfork_for_a_while,
         .outcomes = DONE,
         .threads = 4},
        {.name = "a thread waits in the kernel and hears no signal",
         .cannot = no_userfaultfd,
         .make = make_page_fault,
         .call = refusable_drop,
         .outcomes = REFUSED,
         .status = EC_SECURITY_ETHREAD,
         .names_thread = true,
         .says = {"did not stop within the deadline"}},
        {.name = "a thread is frozen by its control group",
         .cannot = no_freezer,
         .make = make_frozen,
         .call = refusable_drop,
         .then = call_is_over,
         .beside = thaw,
         .outcomes = REFUSED,
         .status = EC_SECURITY_ETHREAD,
         .names_thread = true,
         .says = {"did not stop within the deadline"}},
        {.name = "a thread has dropped by itself, to just what is asked for",
         .make = make_dropped_thread,
         .outcomes = DONE,
         .threads = 4},
        {.name = "a thread that has ended leaves the list just when another is born",
         .make = make_births,
         .then = was_born,
         .outcomes = DONE,
         .threads = 3},
        {.name = "deaf threads come and go, each the last one's heir, so that never all are parked",
         .make = make_some_idle,
         .call = drop_amid_heirs,
         .outcomes = REFUSED,
         .status = EC_SECURITY_ETHREAD,
         .says = {"threads are created faster than they can be stopped"},
         .or_says = "did not stop within the deadline"},
        {.name = "threads stop one after another, all of them later than the deadline",
         .make = make_one_after_another,
         .call = drop_one_after_another,
         .outcomes = REFUSED,
         .status = EC_SECURITY_ETHREAD,
         .says = {"did not stop within the deadline"}},
        {.name = "one of 300 threads ends when it has its signal",
         .make = make_300_and_one_ends,
         .call = drop_within_a_minute,
         .seconds = 30,
         .outcomes = DONE,
         .threads = 300},
        {.name = "a thread takes the borrowed signal by a raw rt_sigtimedwait call, once",
         .make = make_taker,
         .then = was_taken,
         .outcomes = DONE,
         .threads = 4},
        {.name = "a thread has dropped by itself, and holds less than is asked for",
         .make = make_bare_thread,
         .outcomes = REFUSED,
         .status = EC_SECURITY_ETHREAD,
         .names_thread = true,
         .says = {"holds other credentials than the caller and cannot follow"}},
        {.name = "a thread has become another user, and cannot change back",
         .needs_ids = true,
         .make = make_other_thread,
         .outcomes = REFUSED,
         .status = EC_SECURITY_ETHREAD,
         .names_thread = true,
         .says = {"holds other credentials than the caller and cannot follow"}},
        {.name = "a thread's own seccomp filter refuses capset",
         .make = make_filter_capset,
         .outcomes = GONE,
         .names_thread = true,
         .says = {"EPERM", "from capset"}},
        {.name = "a thread's own seccomp filter refuses PR_CAPBSET_DROP",
         .make = make_filter_bounding,
         .outcomes = GONE,
         .names_thread = true,
         .says = {"EPERM", "PR_CAPBSET_DROP"}},
        {.name = "a thread's own seccomp filter pretends that PR_SET_NO_NEW_PRIVS worked",
         .make = make_filter_lies,
         .outcomes = GONE,
         .names_thread = true,
         .says = {"no effect of", "PR_SET_NO_NEW_PRIVS"}},
        {.name = "a thread's own seccomp filter kills the thread at capset",
         .make = make_filter_kills_thread,
         .call = refusable_drop,
         .outcomes = GONE,
         .names_thread = true,
         .says = {"was killed while it was stopped"}},
        {.name = "a thread's own seccomp filter kills the thread when it looks at itself",
         .make = make_filter_kills_look,
         .call = refusable_drop,
         .outcomes = DONE | REFUSED,
         .status = EC_SECURITY_ETHREAD,
         .threads = 3},
        {.name = "a thread's own seccomp filter refuses that it looks at itself",
         .make = make_filter_refuses_look,
         .outcomes = DONE,
         .threads = 4},
        {.name = "the calling thread's own seccomp filter kills it while the others are parked",
         .make = make_vfork_for_a_while,
         .call = drop_killed_amid,
         .outcomes = GONE,
         .names_thread = true,
         .says = {"it is the one that called"}},
        {.name = "the calling thread is not the leader, and its own seccomp filter kills it while the others are parked",
         .body = killed_amid_beside,
         .call = drop_killed_amid,
         .outcomes = GONE,
         .names_thread = true,
         .says = {"it is the one that called"}},
        {.name = "the calling thread has a seccomp filter, and others wait long for one that comes late",
         .make = make_vfork_for_a_while,
         .call = drop_with_a_filter,
         .outcomes = DONE,
         .threads = 4},
        {.name = "a thread's own seccomp filter refuses futex",
         .make = make_filter_futex,
         .outcomes = DONE,
         .fields = FIELDS_ALL,
         .threads = 4},
        {.name = "a thread has unshared root and working directory, with chroot",
         .make = make_unshared_fs,
         .call = drop_with_root,
         .after = roots_are_alike,
         .outcomes = DONE,
         .threads = 4},
        {.name = "a thread has unshared its descriptors and closed them",
         .make = make_unshared_files,
         .outcomes = DONE,
         .threads = 4},
        {.name = "others call glibc's setresuid all the time",
         .make = make_noise_set_ids,
         .call = many_stops_and_drop,
         .then = noise_goes_on,
         .seconds = 120,
         .outcomes = DONE,
         .threads = 5},
        {.name = "others call malloc all the time",
         .make = make_noise_malloc,
         .call = many_stops_and_drop,
         .then = noise_goes_on,
         .seconds = 120,
         .outcomes = DONE,
         .threads = 5},
        {.name = "others call dlopen and dlclose all the time",
         .make = make_noise_dlopen,
         .call = many_stops_and_drop,
         .then = noise_goes_on,
         .seconds = 120,
         .outcomes = DONE,
         .threads = 5},
        {.name = "others call getgrnam all the time",
         .make = make_noise_names,
         .call = many_stops_and_drop,
         .then = noise_goes_on,
         .seconds = 120,
         .outcomes = DONE,
         .threads = 5},
        {.name = "others call fork all the time",
         .make = make_noise_fork,
         .call = many_stops_and_drop,
         .then = noise_goes_on,
         .seconds = 120,
         .outcomes = DONE,
         .threads = 5},
        {.name = "others call pthread_create and pthread_exit all the time",
         .make = make_noise_threads,
         .call = many_stops_and_drop,
         .then = noise_goes_on,
         .seconds = 120,
         .outcomes = DONE,
         .threads = 5},
        {.name = "others cancel threads asynchronously all the time",
         .make = make_noise_cancel,
         .call = many_stops_and_drop,
         .then = noise_goes_on,
         .seconds = 120,
         .outcomes = DONE,
         .threads = 5},
        {.name = "the caller has been cancelled",
         .make = make_errno,
         .call = cancelled_drop,
         .then = errno_was_kept,
         .outcomes = DONE,
         .threads = 3},
        {.name = "two callers at once", .make = make_two_callers, .call = drop_of_two, .outcomes = DONE, .threads = 4},
        {.name = "ten callers at once", .make = make_ten_callers, .call = drop_of_ten, .outcomes = DONE, .threads = 12},
        {.name = "io_uring with an ordinary worker",
         .cannot = no_ring,
         .make = make_ring_with_worker,
         .then = ring_still_works,
         .outcomes = DONE,
         .threads = MANY_IDLE + 1},
        {.name = "io_uring with a submission-polling thread",
         .cannot = no_ring,
         .make = make_polling_ring,
         .outcomes = REFUSED,
         .status = EC_SECURITY_ETHREAD,
         .names_thread = true,
         .says = {"iou-sqp-", "io_uring submission-polling thread", "close its ring"}},
        {.name = "io_uring with a submission-polling thread, asleep, under the name of an ordinary worker",
         .cannot = no_ring_or_wchan,
         .make = make_renamed_ring,
         .outcomes = REFUSED,
         .status = EC_SECURITY_ETHREAD,
         .names_thread = true,
         .says = {"iou-wrk-7", "io_uring submission-polling thread"}},
        {.name = "io_uring with a submission-polling thread, called again with the ring closed",
         .cannot = no_ring,
         .make = make_polling_ring,
         .call = close_ring_and_drop,
         .outcomes = DONE,
         .threads = MANY_IDLE + 1},
        {.name = "stacks of 16 KiB",
         .make = make_small_stacks,
         .then = small_stack_was_enough,
         .after = tell_stack,
         .outcomes = DONE,
         .threads = 52},
        {.name = "a deadline of a millisecond, and another call until it is done",
         .make = make_300,
         .call = drop_within_a_millisecond,
         .outcomes = DONE,
         .threads = 300},
        {.name = "300 threads", .make = make_300, .outcomes = DONE, .threads = 300},
        {.name = "2,000 threads", .make = make_2000, .outcomes = DONE, .threads = 2000, .seconds = 120},
        {.name = "2,000 threads whose numbers are not in a row",
         .make = make_2000_apart,
         .outcomes = DONE,
         .threads = 2000,
         .seconds = 120},
        {.name = "errno of every thread is kept",
         .make = make_errno,
         .call = drop_and_look_at_errno,
         .then = errno_was_kept,
         .outcomes = DONE,
         .threads = 3},
    };
    for (size_t at = 0; at < sizeof all / sizeof *all; at++)
        situation(&all[at]);
    /* By itself, for `make soak`: it takes too long for every day. */
    static const struct situation many = {.name = "20,000 threads, or as many as there is room for",
                                          .cannot = no_room_for_many,
                                          .make = make_many,
                                          .outcomes = DONE,
                                          .threads = 5000,
                                          .seconds = 600};
    if (getenv("SITUATIONS_MANY"))
        situation(&many);
}
