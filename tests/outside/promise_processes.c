/* Processes beside the one that calls: children in namespaces of their own, one that shares its memory, the first of a namespace that
 * cannot say its last line, file systems that no longer answer, a second copy of the library. */

#include "policy_of.h"
#include "seccomp.h"
#include "situations.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LEN(array) (sizeof(array) / sizeof *(array))

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static bool can_unshare(int flags)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(unshare(flags) ? 1 : 0);
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status == 0;
}

static const char *no_pid_namespace(void)
{
    return can_unshare(CLONE_NEWPID | CLONE_NEWNS) ? NULL : "no pid namespace can be made here";
}

static const char *no_time_namespace(void)
{
    return can_unshare(CLONE_NEWTIME) ? NULL : "no time namespace can be made here (Linux 5.6)";
}

/* Runs `body` as process 1 of a namespace; its end becomes the end of this process. */
static void as_process_1(void (*body)(void))
{
    int pipes[2];
    require(pipe2(pipes, O_CLOEXEC) == 0 && unshare(CLONE_NEWPID) == 0, "unshare(CLONE_NEWPID)");
    pid_t inner = fork();
    require(inner >= 0, "fork");
    if (inner == 0) {
        char byte;
        require(private_mounts() && mount("proc", "/proc", "proc", 0, NULL) == 0 && read(pipes[0], &byte, 1) == 1, "/proc");
        body();
        go_through();
        park_forever();
    }
    shared->subject = inner; /* its number as seen from here */
    int status;
    require(write(pipes[1], "x", 1) == 1, "pipe");
    while (waitpid(inner, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status)) {
        signal(WTERMSIG(status), SIG_DFL);
        kill(getpid(), WTERMSIG(status));
    }
    _exit(WEXITSTATUS(status));
}

/* --- process 1 here, and a child that is process 1 of another namespace ------------------------------------------------------ */

/* With a moment between, in which the other thread comes to the end of its fork: a signal starts that again (kernel/fork.c). */
static void *stops_always(void *unused)
{
    for (;; nap(2)) {
        if (stop_all() != EC_SECURITY_OK && !shared->flag)
            complain("stop_all: %s", ec_security_last_error());
        shared->count++;
    }
    return unused;
}

static void children_with_the_same_number(void)
{
    thread(stops_always, NULL);
    while (shared->count < 3)
        nap(1);
    for (int at = 0; at < 60; at++) {
        pid_t pid = fork_with(CLONE_NEWPID);
        require(pid >= 0, "clone(CLONE_NEWPID)");
        if (pid == 0)
            _exit(getpid() == 1 && drop_within("2") == EC_SECURITY_OK ? 0 : 1);
        int status = -1;
        for (int ms = 0; ms < 15000 && waitpid(pid, &status, WNOHANG) == 0; ms++)
            nap(1);
        if (status == -1)
            complain("a child with the same number waits for ever");
        else if (status)
            complain("a child with the same number was refused: %#x", status);
        kill(pid, SIGKILL);
        if (status)
            break;
    }
    shared->flag = 1; /* the drop is near, after which the other is refused */
}

static void same_number(void) { as_process_1(children_with_the_same_number); }

/* --- children are to be made in a new pid namespace --------------------------------------------------------------------------- */

static void new_namespace(void)
{
    idle_threads(2); /* from then on no thread can be made */
    require(unshare(CLONE_NEWPID) == 0, "unshare(CLONE_NEWPID)");
}

static void new_namespace_alone(void) { require(unshare(CLONE_NEWPID) == 0, "unshare(CLONE_NEWPID)"); }

/* From then on no child may share the memory. */
static void new_time_namespace(void)
{
    idle_threads(2);
    require(unshare(CLONE_NEWTIME) == 0, "unshare(CLONE_NEWTIME)");
    filter(SYS_uname, -1, FAILS_WITH(EPERM), true);
}

static void new_namespace_filtered(void)
{
    new_namespace();
    filter(SYS_uname, -1, FAILS_WITH(EPERM), true);
}

static int dry_run_and_drop(void)
{
    (void)!check_of(
        (const char *const[]){"user", ids() ? "ecuser" : NULL, NULL}); /* done, or refused: it must not make process 1 */
    return drop();
}

static void forks_still(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(getpid() == 1 ? 0 : 1);
    int status = -1;
    if (pid < 0) {
        complain("fork after the call: %s", strerror(errno));
        return;
    }
    waitpid(pid, &status, 0);
    if (status)
        complain("the first child after the call is not process 1");
}

/* --- a process that shares its memory with another ----------------------------------------------------------------------------- */

static char vm_stack[256 * 1024] __attribute__((aligned(16)));

static int shares_memory(void *unused)
{
    (void)unused;
    shared->subject = (pid_t)syscall(SYS_getpid);
    go_through();
    park_forever();
    return 0;
}

static int drop_and_reason(void)
{
    int status = drop();
    if (status && strstr(ec_security_last_error(), "pid namespace"))
        complain("the reason is another: %s", ec_security_last_error());
    return status;
}

static void is_sharer(void)
{
    /* Its thread-local storage is that of this thread, which waits. */
    pid_t pid = clone(shares_memory, vm_stack + sizeof vm_stack, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
    require(pid > 0, "clone(CLONE_VM)");
}

/* The process beside that shares the memory does nothing, and must not be taken for a thread. */
static int sleeps_beside(void *unused)
{
    (void)unused;
    for (;;)
        syscall(SYS_rt_sigsuspend, (uint64_t[]){0}, 8);
    return 0;
}

static void make_sharer_beside(void)
{
    idle_threads(2);
    require(clone(sleeps_beside, vm_stack + sizeof vm_stack, CLONE_VM | SIGCHLD, NULL) > 0, "clone(CLONE_VM)");
}

/* --- SCHED_DEADLINE, which a thread cannot hand on ------------------------------------------------------------------------------ */

static const char *no_deadlines(void) { return child_can(schedule_by_deadline) ? NULL : "SCHED_DEADLINE cannot be had here"; }

static void make_deadline(void)
{
    idle_threads(2);
    require(schedule_by_deadline(), "sched_setattr");
}

static void make_deadline_filtered(void)
{
    idle_threads(2);
    filter(SYS_uname, -1, FAILS_WITH(EPERM), true);
    require(schedule_by_deadline(), "sched_setattr");
}

/* --- standard error takes no line ------------------------------------------------------------------------------------------------- */

static void dies_at_capset(void) { filter(SYS_capset, -1, SECCOMP_RET_KILL_THREAD, false); }

static void fill_standard_error(void)
{
    int pipes[2];
    static const char block[4096];
    require(pipe(pipes) == 0 && dup2(pipes[1], 2) == 2 && fcntl(2, F_SETFL, O_NONBLOCK) == 0, "a pipe");
    while (write(2, block, sizeof block) > 0 || write(2, block, 1) > 0)
        ;
    require(fcntl(2, F_SETFL, 0) == 0, "O_NONBLOCK");
    changed_thread(2, dies_at_capset);
}

static void process_1_with_full_stderr(void) { as_process_1(fill_standard_error); }

/* --- a file system that no longer answers --------------------------------------------------------------------------------------- */

/* Takes no request any more once this is not 0. */
static volatile int *silent;
static bool answers_flush;
static unsigned attributes_hold;   /* seconds */
static unsigned accesses_answered; /* 0: all */

/* Answers what opening a file takes, and nothing when it is closed (FLUSH): as a network file system whose network is gone. */
static void serve(int device)
{
    pid_t parent = getppid();
    static char request[1 << 17];
    for (;;) {
        struct pollfd poll_of = {.fd = device, .events = POLLIN};
        if (poll(&poll_of, 1, 10) == 0 || *silent) {
            nap(*silent ? 10 : 0);
            /* PR_SET_PDEATHSIG is not for a parent that has dropped: it may not signal root's processes. */
            if (getppid() != parent)
                _exit(0);
            continue;
        }
        if (read(device, request, sizeof request) < 0) {
            if (errno == ENODEV)
                _exit(0);
            continue;
        }
        const struct fuse_in_header *in = (const void *)request;
        struct {
            struct fuse_out_header header;
            union {
                struct fuse_init_out init;
                struct fuse_entry_out entry;
                struct fuse_attr_out attr;
                struct fuse_open_out open;
            } u;
        } out;
        memset(&out, 0, sizeof out);
        size_t len = 0;
        switch (in->opcode) {
        case FUSE_INIT:
            out.u.init = (struct fuse_init_out){.major = 7, .minor = 31, .max_write = 4096};
            len = sizeof out.u.init;
            break;
        case FUSE_LOOKUP:
            out.u.entry.nodeid = out.u.entry.attr.ino = 2;
            out.u.entry.attr.mode = S_IFREG | 0644;
            out.u.entry.attr.nlink = 1;
            len = sizeof out.u.entry;
            break;
        case FUSE_GETATTR:
            out.u.attr.attr_valid = attributes_hold;
            out.u.attr.attr.ino = in->nodeid;
            out.u.attr.attr.mode = in->nodeid == 1 ? S_IFDIR | 0755 : S_IFREG | 0644;
            out.u.attr.attr.nlink = 1;
            len = sizeof out.u.attr;
            break;
        case FUSE_OPEN:
            len = sizeof out.u.open;
            break;
        case FUSE_ACCESS:
            if (accesses_answered && --accesses_answered == 0) {
                *silent = 1;
                continue;
            }
            break;
        case FUSE_RELEASE:
            break;
        case FUSE_FLUSH:
            if (!answers_flush)
                continue;
            out.header.error = -ENOSYS; /* then it is not asked again */
            break;
        case FUSE_FORGET:
        case FUSE_BATCH_FORGET:
        case FUSE_INTERRUPT:
            continue;
        default:
            out.header.error = -ENOSYS;
        }
        out.header.unique = in->unique;
        out.header.len = (unsigned)(sizeof out.header + len);
        if (write(device, &out, out.header.len) < 0 && errno == ENODEV)
            _exit(0);
    }
}

static bool mount_of_silence_with(const char *more, pid_t *server)
{
    char options[128];
    int device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    silent = mmap(NULL, sizeof *silent, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (silent == MAP_FAILED)
        return false;
    snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other%s", device, more);
    if (device < 0 || !private_mounts() || mount("fuse", "/mnt", "fuse", 0, options) < 0)
        return false;
    *server = fork();
    if (*server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(device);
    }
    close(device);
    return *server > 0;
}

static bool mount_of_silence(pid_t *server) { return mount_of_silence_with("", server); }

static const char *no_fuse(void)
{
    pid_t pid = fork(), server;
    if (pid == 0)
        _exit(mount_of_silence(&server) ? (kill(server, SIGKILL), 0) : 1);
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status ? "no FUSE here" : NULL;
}

static void make_silence(void)
{
    pid_t server;
    require(mount_of_silence(&server) && open("/mnt/file", O_RDWR) >= 0, "a file of a FUSE file system");
    idle_threads(2);
}

static void make_silence_filtered(void)
{
    make_silence();
    filter(SYS_uname, -1, FAILS_WITH(EPERM), true);
}

static void fall_silent(void)
{
    *silent = 1;
    nap(50);
}

/* The write of the line is interrupted by SIGKILL alone. */
static void make_silent_standard_error(void)
{
    pid_t server;
    answers_flush = true;
    require(mount_of_silence(&server) && dup2(open("/mnt/file", O_WRONLY | O_APPEND), 2) == 2 && close(dup(2)) == 0,
            "a file of a FUSE file system");
    changed_thread(2, dies_at_capset);
    fall_silent();
}

/* Each look at it asks the server, and so does each search in it. */
static void make_silent_directory(void)
{
    pid_t server;
    require(mount_of_silence_with(",default_permissions", &server) && chdir("/mnt") == 0, "a directory of a FUSE file system");
    idle_threads(2);
    fall_silent();
}

/* With one thread. */
static void make_silent_directory_alone(void)
{
    pid_t server;
    require(mount_of_silence_with(",default_permissions", &server) && chdir("/mnt") == 0, "a directory of a FUSE file system");
    filter(SYS_uname, -1, FAILS_WITH(EPERM), true);
    fall_silent();
}

static void make_silent_directory_filtered(void)
{
    make_silent_directory();
    filter(SYS_uname, -1, FAILS_WITH(EPERM), true);
}

static int chroot_to(const char *path, int (*call)(const char *const[]))
{
    return call((const char *const[]){"user", ids() ? "ecuser" : NULL, "capabilities", "cap_net_bind_service+ep", "chroot", path,
                                      "deadline", "2", NULL});
}

static int leaves_silence(void) { return chroot_to("/usr", apply_of); }
static int would_leave_silence(void) { return chroot_to("/usr", check_of); }

/* What it is is known; whether it may be searched (FUSE_ACCESS) is asked each time. */
static void make_silent_root_alone(void)
{
    pid_t server;
    struct stat known;
    attributes_hold = 1000;
    require(mount_of_silence(&server) && stat("/mnt", &known) == 0, "a directory of a FUSE file system");
    fall_silent();
}

static void make_silent_root(void)
{
    make_silent_root_alone();
    idle_threads(2);
}

static void make_silent_root_filtered(void)
{
    make_silent_root();
    filter(SYS_uname, -1, FAILS_WITH(EPERM), true);
}

/* In the rehearsal; by its end, what is known of the directory is out of date. */
static void make_root_that_falls_silent(void)
{
    pid_t server;
    struct stat known;
    attributes_hold = 1;
    accesses_answered = 1;
    require(mount_of_silence(&server) && stat("/mnt", &known) == 0, "a directory of a FUSE file system");
    idle_threads(2);
    filter(SYS_uname, -1, FAILS_WITH(EPERM), true);
}

static int enters_silence(void) { return chroot_to("/mnt", apply_of); }

/* --- a second copy of the library ------------------------------------------------------------------------------------------------ */

static char copy[] = "/tmp/libec_security.XXXXXX";
static struct {
    ec_security_policy *(*new)(void);
    int (*set)(ec_security_policy *, const char *, const char *);
    int (*apply)(ec_security_policy *);
    void (*free)(ec_security_policy *);
    const char *(*error)(void);
} other;
static pthread_barrier_t at_once;

static void load_copy(void)
{
    Dl_info info;
    char command[512];
    void *symbol = dlsym(RTLD_DEFAULT, "ec_security_apply");
    int fd = mkstemp(copy);
    require(fd >= 0 && symbol && dladdr(symbol, &info), "the library");
    close(fd);
    snprintf(command, sizeof command, "cp '%s' '%s'", info.dli_fname, copy);
    require(system(command) == 0, command);
    void *handle = dlopen(copy, RTLD_NOW | RTLD_LOCAL);
    unlink(copy);
    require(handle, "dlopen");
    *(void **)&other.new = dlsym(handle, "ec_security_policy_new");
    *(void **)&other.set = dlsym(handle, "ec_security_policy_set");
    *(void **)&other.apply = dlsym(handle, "ec_security_policy_apply");
    *(void **)&other.free = dlsym(handle, "ec_security_policy_free");
    *(void **)&other.error = dlsym(handle, "ec_security_last_error");
    require(other.apply && other.apply != ec_security_policy_apply, "another copy");
}

static void make_copy(void)
{
    load_copy();
    idle_threads(4);
}

static void make_copy_and_bare_thread(void)
{
    load_copy();
    deaf_bare_thread(300);
}

static int stop_by_copy(const char *deadline, char *error, size_t len)
{
    ec_security_policy *policy = other.new();
    int status = other.set(policy, "capabilities", "keep");
    status = status ? status : other.set(policy, "deadline", deadline);
    status = status ? status : other.set(policy, "bounding", "keep");
    status = status ? status : other.set(policy, "no_new_privs", "off");
    status = status ? status : other.apply(policy);
    snprintf(error, len, "%s", status ? other.error() : "");
    other.free(policy);
    return status;
}

static void expect_reason(const char *who, int status, const char *error, long milliseconds)
{
    if (milliseconds > 3000)
        complain("%s took %ld ms: %d %s", who, milliseconds, status, error);
    if (status && !strstr(error, "copy"))
        complain("%s gives another reason: %d %s", who, status, error);
}

static void *calls_the_copy(void *unused)
{
    for (;;) {
        char error[512];
        struct timespec from, to;
        pthread_barrier_wait(&at_once);
        clock_gettime(CLOCK_MONOTONIC, &from);
        int status = stop_by_copy("5", error, sizeof error);
        clock_gettime(CLOCK_MONOTONIC, &to);
        expect_reason("the copy", status, error, (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000);
        pthread_barrier_wait(&at_once);
    }
    return unused;
}

/* The copy's signal is pending in the thread when this one's comes, and is heard before it. */
static int drop_after_copy_has_failed(void)
{
    char error[512];
    if (stop_by_copy("0.1", error, sizeof error) != EC_SECURITY_ETHREAD)
        complain("the copy was not refused: %s", error);
    shared->flag = 1;
    return drop_within("3");
}

static int drop_after_both_at_once(void)
{
    pthread_barrier_init(&at_once, NULL, 2);
    thread(calls_the_copy, NULL);
    for (int round = 0; round < 40 && !shared->complaint[0]; round++) {
        struct timespec from, to;
        pthread_barrier_wait(&at_once);
        clock_gettime(CLOCK_MONOTONIC, &from);
        int status = stop_all();
        clock_gettime(CLOCK_MONOTONIC, &to);
        expect_reason("the library", status, ec_security_last_error(),
                      (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000);
        pthread_barrier_wait(&at_once);
    }
    return drop();
}

void promise_of_processes(void)
{
    static const struct situation all[] = {
        SITUATION("process 1, and children that are process 1 of namespaces of their own, made amid calls",
                  .cannot = no_pid_namespace, .body = same_number, .outcomes = DONE, .threads = 2),
        SITUATION("children are to be made in a new pid namespace", .cannot = no_pid_namespace, .make = new_namespace,
                  .call = dry_run_and_drop, .then = forks_still, .outcomes = DONE, .threads = 3),
        SITUATION("children are to be made in a new pid namespace, one thread", .cannot = no_pid_namespace,
                  .make = new_namespace_alone, .call = dry_run_and_drop, .then = forks_still, .outcomes = DONE),
        SITUATION("children are to be made in a new pid namespace, and there is a filter", .cannot = no_pid_namespace,
                  .make = new_namespace_filtered, .call = dry_run_and_drop, .then = forks_still, .outcomes = REFUSED,
                  .says = {"pid namespace"}),
        SITUATION("children are to be in a new time namespace, under a seccomp filter", .cannot = no_time_namespace,
                  .make = new_time_namespace, .outcomes = DONE, .threads = 3),
        SITUATION("a process shares the memory of the caller's", .make = make_sharer_beside, .outcomes = DONE, .threads = 3),
        SITUATION("the caller is scheduled by SCHED_DEADLINE", .cannot = no_deadlines, .make = make_deadline, .outcomes = DONE,
                  .threads = 3),
        SITUATION("the caller is scheduled by SCHED_DEADLINE, and there is a filter", .cannot = no_deadlines,
                  .make = make_deadline_filtered, .outcomes = REFUSED, .says = {"SCHED_DEADLINE"}),
        SITUATION("a file of a file system that does not answer is open", .cannot = no_fuse, .make = make_silence,
                  .call = dry_run_and_drop, .outcomes = DONE, .threads = 3, .within = 4000),
        SITUATION("a file of a file system that does not answer is open, and there is a filter", .cannot = no_fuse,
                  .make = make_silence_filtered, .call = dry_run_and_drop, .outcomes = DONE, .threads = 3, .within = 4000),
        SITUATION("a thread dies amid the change, and standard error is a full pipe", .make = fill_standard_error,
                  .outcomes = GONE, .line_lost = true),
        SITUATION("a thread of process 1 dies amid the change, and standard error is a full pipe", .cannot = no_pid_namespace,
                  .body = process_1_with_full_stderr, .outcomes = GONE, .line_lost = true),
        SITUATION("a thread dies amid the change, and standard error is a file of a file system that does not answer",
                  .cannot = no_fuse, .make = make_silent_standard_error, .outcomes = GONE, .line_lost = true, .seconds = 30),
        SITUATION("two copies of the library, called at the same time", .make = make_copy, .call = drop_after_both_at_once,
                  .outcomes = DONE, .threads = 6, .seconds = 120),
        SITUATION("a signal of another copy's call, which was refused, comes during this one's, and libc has no handler",
                  .make = make_copy_and_bare_thread, .call = drop_after_copy_has_failed, .outcomes = DONE, .threads = 2,
                  .keeps_handler = true),
    };
    static const struct situation silence[] = {
        SITUATION("chroot, and the working directory is of a file system that does not answer", .cannot = no_fuse,
                  .make = make_silent_directory, .call = leaves_silence, .outcomes = GONE, .says = {"it does not go on"}),
        SITUATION("chroot, and the working directory is of a file system that does not answer, and there is a filter",
                  .cannot = no_fuse, .make = make_silent_directory_filtered, .call = leaves_silence, .outcomes = GONE,
                  .says = {"it does not go on"}),
        SITUATION("chroot, the working directory is of a file system that does not answer, there is a filter, one thread",
                  .cannot = no_fuse, .make = make_silent_directory_alone, .call = leaves_silence, .outcomes = GONE,
                  .silent_end = true),
        SITUATION("chroot, and the working directory is of a file system that does not answer, in a check", .cannot = no_fuse,
                  .make = make_silent_directory, .call = would_leave_silence, .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED,
                  .says = {"hung at chroot"}, .within = 9000),
        SITUATION("chroot to a directory of a file system that does not answer", .cannot = no_fuse, .make = make_silent_root,
                  .call = enters_silence, .outcomes = GONE, .says = {"it does not go on"}),
        SITUATION("chroot to a directory of a file system that does not answer, one thread", .cannot = no_fuse,
                  .make = make_silent_root_alone, .call = enters_silence, .outcomes = GONE, .silent_end = true),
        SITUATION("chroot to a directory of a file system that falls silent in the rehearsal", .cannot = no_fuse,
                  .make = make_root_that_falls_silent, .call = enters_silence, .needs_ids = true, .outcomes = REFUSED,
                  .status = EC_SECURITY_EREFUSED, .says = {"chroot"}),
        SITUATION("chroot to a directory of a file system that does not answer, and there is a filter", .cannot = no_fuse,
                  .make = make_silent_root_filtered, .call = enters_silence, .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED,
                  .says = {"hung at"}, .within = 6000),
    };
    static const struct situation sharer = SITUATION("the caller is a process that shares another's memory", .body = is_sharer,
                                                     .call = drop_and_reason, .outcomes = DONE | REFUSED);
    for (size_t at = 0; at < LEN(all); at++)
        situation(&all[at]);
    situations_together("directories of a file system that does not answer", 30, silence, LEN(silence));
    situations_unlisted(sharer.name, 30, &sharer, 1);
}
