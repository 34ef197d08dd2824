/* One run of a scene, with a fault or without; see faults.h. */

#include "faults.h"
#include "seccomp.h"

#include <ec_security.h>
#include <errno.h>
#include <fcntl.h>
#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A run that has not ended by then hangs. The library's own deadline is 5 s, it may need two of them, and its looks into /proc are slow when
 * traced. */
#define HANG_SECONDS 60

#if defined(__x86_64__)
/* Skips the system call a tracee is about to make; result is what it will see. */
static void set_result(pid_t tid, long result, bool skip)
{
    struct user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, tid, NULL, &regs) < 0)
        return;
    if (skip)
        regs.orig_rax = (unsigned long long)-1;
    regs.rax = (unsigned long long)result;
    ptrace(PTRACE_SETREGS, tid, NULL, &regs);
}

/* Has a tracee that is about to make a system call end its thread instead. */
static void set_exit(pid_t tid)
{
    struct user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, tid, NULL, &regs) < 0)
        return;
    regs.orig_rax = SYS_exit;
    regs.rdi = 0;
    ptrace(PTRACE_SETREGS, tid, NULL, &regs);
}
#elif defined(__aarch64__)
static void set_result(pid_t tid, long result, bool skip)
{
    struct user_regs_struct regs;
    struct iovec all = {&regs, sizeof regs};
    int none = -1;
    struct iovec number = {&none, sizeof none};
    if (skip)
        ptrace(PTRACE_SETREGSET, tid, NT_ARM_SYSTEM_CALL, &number);
    if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &all) < 0)
        return;
    regs.regs[0] = (unsigned long long)result;
    ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &all);
}

static void set_exit(pid_t tid)
{
    struct user_regs_struct regs;
    struct iovec all = {&regs, sizeof regs};
    int exit_ = SYS_exit;
    struct iovec number = {&exit_, sizeof exit_};
    ptrace(PTRACE_SETREGSET, tid, NT_ARM_SYSTEM_CALL, &number);
    if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &all) < 0)
        return;
    regs.regs[0] = 0;
    ptrace(PTRACE_SETREGSET, tid, NT_PRSTATUS, &all);
}
#else
#error "the tracer knows no way to skip a system call of a tracee on this architecture"
#endif

struct count {
    key_t_ key;
    unsigned n;
};

struct tracee {
    pid_t tid;
    int role; /* 0 the caller, 1 to 3 the others, 4 the rehearsal */
    bool gone, holding, inside;
    struct timespec until;
    bool replaced;
    long result;
    uint64_t hides; /* where the sets are that it has asked for */
    size_t counts_len;
    struct count counts[160];
};

void note(struct catalog *catalog, int role, key_t_ key, unsigned n)
{
    for (size_t at = 0; at < catalog->len; at++)
        if (catalog->entries[at].role == role && catalog->entries[at].key == key) {
            if (n > catalog->entries[at].n)
                catalog->entries[at].n = n;
            return;
        }
    if (catalog->len < LEN(catalog->entries)) {
        catalog->entries[catalog->len].role = role;
        catalog->entries[catalog->len].key = key;
        catalog->entries[catalog->len].n = n;
        catalog->len++;
    }
}

static struct tracee tracees[64];
static size_t tracees_len;
static volatile sig_atomic_t ticked;
void tick(int signal) { (void)signal, ticked = 1; }

bool strikes(const struct fault *fault, int role)
{
    switch (fault->where) {
    case CALLER:
        return role == 0;
    case ONE:
        return role == 2;
    case ALL_OTHERS:
        return role >= 1 && role < THREADS;
    case REHEARSAL:
        return role == REHEARSING;
    default:
        return role >= 0;
    }
}

long since(const struct timespec *then)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - then->tv_sec) * 1000 + (now.tv_nsec - then->tv_nsec) / 1000000;
}

static struct tracee *tracee_of(pid_t pid, pid_t tid)
{
    for (size_t at = 0; at < tracees_len; at++)
        if (tracees[at].tid == tid && !tracees[at].gone)
            return &tracees[at];
    if (tracees_len == LEN(tracees))
        return NULL;
    struct tracee *tracee = &tracees[tracees_len++];
    memset(tracee, 0, sizeof *tracee);
    tracee->tid = tid;
    tracee->role = -1;
    if (tgkill(pid, tid, 0) < 0)
        tracee->role = REHEARSING;
    return tracee;
}

static unsigned counted(struct tracee *tracee, key_t_ key)
{
    for (size_t at = 0; at < tracee->counts_len; at++)
        if (tracee->counts[at].key == key)
            return ++tracee->counts[at].n;
    if (tracee->counts_len == LEN(tracee->counts))
        return 0;
    tracee->counts[tracee->counts_len++] = (struct count){key, 1};
    return 1;
}

/* Waits until the other threads sleep, so that a run's calls are the library's. */
static void settle(pid_t pid)
{
    for (int tries = 0; tries < 50000; tries++) {
        bool asleep = true;
        for (int at = 1; at < THREADS; at++) {
            char path[64], text[512];
            snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, shared->tids[at]);
            slurp(path, text, sizeof text);
            const char *state = strrchr(text, ')');
            asleep &= state && state[1] && state[2] == 'S';
        }
        if (asleep)
            return;
        usleep(200);
    }
}

bool verbose;

static unsigned leniency(const struct fault *fault)
{
    long number = fault ? (long)(fault->key >> 32) : -1;
    if (number == SYS_close)
        return DESCRIPTORS;
    if (number == SYS_wait4 && fault->from)
        return CHILD;
    if (number == SYS_rt_sigprocmask && fault->from)
        return MASKS;
    if (number == SYS_rt_sigaction && fault->from)
        return ACTION;
    /* the signal is said to be sent, or is taken without an answer: another one is sent, and the first may still come */
    if ((number == SYS_rt_tgsigqueueinfo && fault->way.how == LIES) ||
        ((number == SYS_getpid || number == SYS_gettid) && fault->where != CALLER))
        return ACTION;
    return 0;
}

/* The file whose code a stopped thread is in. */
static void code_of(pid_t tid, char *out, size_t len)
{
    struct user_regs_struct regs;
    struct iovec all = {&regs, sizeof regs};
    char path[64], line[512];
    out[0] = 0;
    if (ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &all) < 0)
        return;
#if defined(__x86_64__)
    unsigned long at = regs.rip;
#else
    unsigned long at = regs.pc;
#endif
    snprintf(path, sizeof path, "/proc/%d/maps", tid);
    FILE *maps = fopen(path, "re");
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        int name = 0;
        if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %n", &from, &to, &name) >= 2 && at >= from && at < to) {
            const char *slash = strrchr(line + name, '/');
            snprintf(out, len, "%.*s", (int)strcspn(slash ? slash + 1 : line + name, "\n"), slash ? slash + 1 : line + name);
        }
    }
    if (maps)
        fclose(maps);
}

/* libc and the modules it loads end the process by themselves where memory or a lock fails them in a lookup. That is
 * before anything has changed, and no library could prevent it. */
static bool is_libc(const char *file)
{
    return !strncmp(file, "libc.so", 7) || !strncmp(file, "libnss_", 7) || !strncmp(file, "ld-linux", 8);
}

/* The effective and the permitted set of capget(2), which has two structures of three words. */
static void hide(pid_t tid, uint64_t at)
{
    static const uint32_t none[2] = {0, 0};
    for (uint64_t half = 0; at && half < 2; half++) {
        struct iovec from = {(void *)(uintptr_t)none, sizeof none}, to = {(void *)(uintptr_t)(at + 12 * half), sizeof none};
        process_vm_writev(tid, &from, 1, &to, 1, 0);
    }
}

/* Whether a thread is in our handler, and not in its own work. */
static bool is_in_library(pid_t tid)
{
    char file[200];
    code_of(tid, file, sizeof file);
    return !strncmp(file, "libec_security", 14);
}

struct result run(const struct fault *fault, struct catalog *catalog)
{
    struct result result = {.outcome = BETWEEN};
    static struct snapshot before, after;
    struct timespec start;
    bool fired = false, window = false, ended = false, hung = false;
    int wait_status = 0, finished = 0;
    char said[4096] = "";
    bool bad_at_return = false;
    bool prepared = false; /* whether the call has come to its rehearsal, or to other threads */
    bool struck_others_code = false;
    unsigned lenient = 0;
    char fatal_in[200] = "";
    trim_denied = fault && fault->key == KEY(SYS_prctl, PR_CAPBSET_DROP) &&
                  (fault->where == CALLER || fault->where == EVERYWHERE) && fault->way.how == FAILS &&
                  fault->way.number == EPERM && fault->n == 1;

    clock_gettime(CLOCK_MONOTONIC, &start);
    memset(shared, 0, sizeof *shared);
    tracees_len = 0;
    if (fault && fault->key == KEY(MALLOC, 0)) {
        shared->memory_n = fault->n;
        shared->memory_from = fault->from;
    }
    if (fault && fault->way.how >= FILTERED) {
        shared->filter_key = fault->key;
        shared->filter_result = fault->way.how == FILTERED ? SECCOMP_RET_ERRNO | (unsigned)fault->way.number
                                                           : SECCOMP_RET_KILL_THREAD;
        fired = true;
    }
    /* Whether calls still have to be looked at once a fault has struck: not where it was the only one. */
    bool struck_first = false, undo_refused = false;
    bool once = fault && !fault->then && !fault->from && fault->where != ALL_OTHERS && fault->where != EVERYWHERE;
    bool watch = !fault || fault->way.how < FILTERED, struck = false;
    /* Stops at every call cost time: after the one fault there are none. */
    if (pipe2(seized, O_CLOEXEC) < 0 || pipe2(told, O_CLOEXEC | O_NONBLOCK) < 0) {
        say(result.text, "pipe: %s", strerror(errno));
        return result;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        child_main();
        _exit(64);
    }
    close(seized[0]);
    close(told[1]);
    if (pid < 0 || ptrace(PTRACE_SEIZE, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) < 0) {
        say(result.text, "cannot trace: %s", strerror(errno));
        if (pid > 0)
            kill(pid, SIGKILL);
        while (waitpid(-1, NULL, __WALL) > 0)
            ;
        close(seized[1]);
        close(told[0]);
        return result;
    }
    if (write(seized[1], "x", 1) != 1)
        kill(pid, SIGKILL);
    close(seized[1]);
    struct tracee *leader = tracee_of(pid, pid);
    leader->role = -1;

    while (!ended) {
        int status;
        pid_t tid = waitpid(-1, &status, __WALL);
        if (tid < 0 && errno == EINTR) {
            ticked = 0;
            if (since(&start) > HANG_SECONDS * 1000 * slower()) {
                hung = true;
                break;
            }
            for (size_t at = 0; at < tracees_len; at++)
                if (tracees[at].holding && since(&tracees[at].until) >= 0) {
                    tracees[at].holding = false;
                    ptrace(window && watch && !struck ? PTRACE_SYSCALL : PTRACE_CONT, tracees[at].tid, NULL, 0);
                }
            continue;
        }
        if (tid < 0)
            break; /* cannot be: the leader is waited for first */
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (tid == pid) {
                wait_status = status;
                break;
            }
            struct tracee *tracee = tracee_of(pid, tid);
            if (tracee)
                tracee->gone = true;
            continue;
        }
        struct tracee *tracee = tracee_of(pid, tid);
        int signal = WSTOPSIG(status), event = status >> 16, pass = 0;
        if (!tracee) {
            ptrace(PTRACE_CONT, tid, NULL, 0);
            continue;
        }
        if (signal == (SIGTRAP | 0x80)) {
            struct __ptrace_syscall_info info;
            if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) > 0) {
                if (info.op == PTRACE_SYSCALL_INFO_ENTRY && window && (tracee->role || shared->mark == BEGIN)) {
                    uint64_t args[6];
                    for (int at = 0; at < 6; at++)
                        args[at] = info.entry.args[at];
                    key_t_ key = key_of(info.entry.nr, args);
                    unsigned n = counted(tracee, key);
                    prepared |= tracee->role == 0 && (number_is(key, SYS_clone) || number_is(key, SYS_rt_tgsigqueueinfo));
                    if (verbose)
                        fprintf(stderr, "  %d %s %u\n", tracee->role, key_name(key), n);
                    if (catalog && tracee->role >= 0)
                        note(catalog, tracee->role, key, n);
                    if (fault && watch && !struck && !(fault->then && struck_first) && fault->key == key &&
                        strikes(fault, tracee->role) && (n == fault->n || (fault->from && n >= fault->n)) &&
                        (fault->way.how != ENDS || is_in_library(tid))) {
                        fired = true;
                        if (tracee->role == 0 && !prepared && number_is(key, SYS_rt_sigprocmask)) {
                            char file[200];
                            code_of(tid, file, sizeof file);
                            struck_others_code |= is_libc(file);
                        }
                        switch (fault->way.how) {
                        case FAILS:
                        case LIES:
                            tracee->result = fault->way.how == FAILS ? -fault->way.number : 0;
                            tracee->replaced = true;
                            set_result(tid, tracee->result, true);
                            break;
                        case HOLDS:
                            clock_gettime(CLOCK_MONOTONIC, &tracee->until);
                            tracee->until.tv_nsec += fault->way.number * 1000000L;
                            tracee->until.tv_sec += tracee->until.tv_nsec / 1000000000;
                            tracee->until.tv_nsec %= 1000000000;
                            tracee->holding = true;
                            break;
                        case KILLS:
                            kill(tid, fault->way.number);
                            break;
                        case ENDS:
                            set_exit(tid);
                            shared->ended++;
                            break;
                        case HIDES:
                            tracee->hides = args[1];
                            break;
                        default:
                            break;
                        }
                    } else if (fault && fault->then && struck_first && tracee->role == 0 && key == fault->then) {
                        tracee->result = -EPERM;
                        tracee->replaced = undo_refused = true;
                        set_result(tid, tracee->result, true);
                    }
                } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && tracee->hides) {
                    hide(tid, tracee->hides);
                    tracee->hides = 0;
                } else if (info.op == PTRACE_SYSCALL_INFO_EXIT && tracee->replaced) {
                    set_result(tid, tracee->result, false);
                    struck_first = true;
                    if (once)
                        struck = true;
                    tracee->replaced = false;
                }
            }
        } else if (event) {
            /* a thread or child made, or its first stop: nothing to be done */
        } else if (signal == SIGSTOP && shared->mark <= BEGIN) {
            if (shared->mark == SET_UP) {
                ptrace(PTRACE_SETOPTIONS, tid, NULL,
                       PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                           PTRACE_O_TRACEVFORK);
            } else {
                settle(pid);
                for (size_t at = 0; at < tracees_len; at++)
                    for (int role = 0; role < THREADS; role++)
                        if (tracees[at].tid == shared->tids[role])
                            tracees[at].role = role;
                take(pid, &before);
                window = true;
                /* those that sleep in a call would be seen from their next stop on, which a signal brings */
            }
        } else if (signal == SIGSTOP) {
            window = false;
            take(pid, &after);
            char how[400] = "";
            /* a module of libc's that is lied to about a mask puts another one back */
            lenient = leniency(fault) | (struck_others_code ? MASKS : 0) | (finished ? 0 : RETURNING) |
                      (shared->status == EC_SECURITY_ETHREAD ? ACTION : 0);
            bool right = shared->status == EC_SECURITY_OK ? is_as_asked(&before, &after, lenient, how)
                                                          : is_unchanged(&before, &after, lenient, how);
            if (!right && !bad_at_return) {
                bad_at_return = true;
                snprintf(result.text, sizeof result.text, "status %d and yet%s: %.330s", shared->status,
                         finished ? " afterwards" : "", how);
            }
            if (!finished++) {
                for (size_t at = 0; at < tracees_len; at++)
                    if (tracees[at].holding && tracees[at].tid != tid) {
                        tracees[at].holding = false;
                        ptrace(PTRACE_CONT, tracees[at].tid, NULL, 0);
                    }
            } else {
                ended = true;
            }
        } else {
            pass = signal;
            if ((signal == SIGSEGV || signal == SIGABRT || signal == SIGBUS) && !fatal_in[0])
                code_of(tid, fatal_in, sizeof fatal_in);
        }
        if (!ended && !tracee->holding)
            ptrace(window && watch && !struck ? PTRACE_SYSCALL : PTRACE_CONT, tid, NULL, pass);
    }

    if (hung) {
        char where[200] = "";
        for (int at = 0; at < THREADS; at++) {
            char path[64], text[64];
            snprintf(path, sizeof path, "/proc/%d/task/%d/wchan", pid, shared->tids[at]);
            slurp(path, text, sizeof text);
            size_t len = strlen(where);
            snprintf(where + len, sizeof where - len, "%s%s in %s", at ? ", " : "", who(at), text);
        }
        say(result.text, "%s the call had %s: %s", finished ? "after" : "while", finished ? "returned" : "not returned", where);
    }
    /* Only what has not been waited for yet: another number may be somebody else's by now. Threads go with their process. */
    for (size_t at = 0; at < tracees_len; at++)
        if (!tracees[at].gone && tracees[at].role == REHEARSING)
            kill(tracees[at].tid, SIGKILL);
    if (ended || hung)
        kill(pid, SIGKILL);
    while (waitpid(-1, NULL, __WALL) > 0 || errno == EINTR)
        ;
    ssize_t got = read(told[0], said, sizeof said - 1);
    said[got > 0 ? got : 0] = 0;
    close(told[0]);
    if (fault && fault->key == KEY(MALLOC, 0))
        fired = shared->memory >= fault->n;
    if (catalog && shared->memory)
        note(catalog, 0, KEY(MALLOC, 0), shared->memory);

    if (hung) {
        result.outcome = HANG;
    } else if (ended) {
        char how[400] = "";
        if (bad_at_return) {
            result.outcome = BETWEEN;
        } else if (!probes_agree(shared->status == EC_SECURITY_OK, lenient, how)) {
            say(result.text, "status %d and yet: %.330s", shared->status, how);
        } else if (said[0]) {
            say(result.text, "status %d and yet on standard error: \"%.300s\"", shared->status, said);
        } else {
            result.outcome = shared->status == EC_SECURITY_OK ? DONE : UNCHANGED;
            snprintf(result.text, sizeof result.text, "%d %.380s", shared->status, shared->text);
        }
    } else if (!prepared && strncmp(said, "libec_security", 14) &&
               ((WIFSIGNALED(wait_status) && is_libc(fatal_in) && !strstr(said, "memory allocation of")) ||
                !strncmp(said, "cannot allocate memory for thread-local data: ABORT", 51))) {
        result.outcome = LIBC;
        say(result.text, "in %s: %.300s", fatal_in, said);
    } else if ((WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGABRT) ||
               (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) && !strncmp(said, "libec_security: ", 16))) {
        if (is_last_line(said, result.text)) {
            result.outcome = DEAD;
            snprintf(result.text, sizeof result.text, "%.*s", (int)strcspn(said, "\n"), said);
        }
    } else if (WIFSIGNALED(wait_status)) {
        say(result.text, "killed by signal %d in %s, with \"%.200s\" on standard error", WTERMSIG(wait_status), fatal_in, said);
    } else {
        say(result.text, "exited with %d, and \"%.250s\" on standard error", WEXITSTATUS(wait_status), said);
    }
    if (shared->filter_errno)
        say(result.text, "no filter could be installed: %s", strerror(shared->filter_errno)), result.outcome = BETWEEN;
    if (fault && !fired && result.outcome == DONE)
        result.outcome = NOT_REACHED;
    if (fault && fault->then && !undo_refused && result.outcome != BETWEEN && result.outcome != HANG)
        result.outcome = NOT_REACHED; /* nothing of the kind had to be undone */
    result.milliseconds = (unsigned)since(&start);
    return result;
}
