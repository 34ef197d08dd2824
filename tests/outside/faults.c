/* The promise under fault: a tracer makes single system calls of the library fail, lie, or take long, or ends the thread that makes them,
 * in the caller, in one other thread, in all others, in the rehearsing child, or in all of them, and then looks at every thread from outside.
 * Each scene is played in both ways of a call: in place, and, under a filter that forbids nothing that matters, rehearsed. In place, what
 * is undone after a refusal is made to fail too.
 * There are three outcomes, and whatever is none of them is a failure:
 *
 *     done       0 was returned, and every thread is exactly as asked
 *     unchanged  an error was returned, and everything is as it was: every thread, its errno and its death signal; root and
 *                working folder, signal actions, descriptors, the dumpable flag; and no child is left behind
 *     dead       the process is gone by SIGABRT, with one line on standard error that names step, thread and errno
 *
 * Which calls there are is found by tracing a run without a fault, so a call added to the library is covered by itself. The
 * call's own look-ups (open, read, mmap … of the user database) and malloc are among them.
 *
 *     faults              every use of every call once, with one of the ways to fail in turn, and of those two in five: for `make check`
 *     faults --all        every use of every call in every way
 *     faults --first      every use of every call once, and stops at the first failure; --scene NAME, or EC_SCENE in the environment, takes
 *                         one scene only, and all of that
 *     faults --one SCENE WHERE CALL N HOW [from | then CALL]      one of them, as a line of the table names it, told in full
 *     faults --table FILE also writes a line per fault to FILE: scene, where, call, n, how, outcome, milliseconds, more */

#include "outside.h"
#include "policy_of.h"
#include "seccomp.h"

#include <ec_security.h>
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <elf.h>
#include <grp.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LEN(array) (sizeof(array) / sizeof *(array))

/* Other threads than the caller. */
#define OTHERS 3
#define THREADS (OTHERS + 1)

/* A run that has not ended by then hangs. The library's own deadline is 5 s, it may need two of them, and its looks into /proc are slow when
 * traced. */
#define HANG_SECONDS 60

/* --- the architecture ---------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
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

/* A system call that leaves errno alone. */
static long raw(long number, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
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

static long raw(long number, long a, long b, long c, long d)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
    return x0;
}
#else
#error "the tracer knows no way to skip a system call of a tracee on this architecture"
#endif

/* --- a fault ------------------------------------------------------------------------------------------------------- */

/* Where it strikes. */
enum where { CALLER, ONE, ALL_OTHERS, REHEARSAL, EVERYWHERE, WHERES };
static const char *const where_names[WHERES] = {"caller", "one", "others", "rehearsal", "all"};

/* A call: its number, and for those that are many in one, which of them. */
typedef uint64_t key_t_;
#define KEY(number, sub) ((key_t_)(number) << 32 | (uint32_t)(sub))
#define MALLOC 100000

enum how {
    FAILS,
    LIES,
    HOLDS,
    KILLS, /* the process */
    ENDS,  /* the thread alone, as a filter of its own does (SECCOMP_RET_KILL_THREAD) */
    HIDES, /* capget: shows no capability effective or permitted, as a security module may */
    FILTERED,
    FILTERED_DIES
};

struct way {
    enum how how;
    int number; /* FAILS, FILTERED: errno; HOLDS: milliseconds; KILLS: signal */
};

struct fault {
    int scene;
    enum where where;
    key_t_ key;
    unsigned n;
    struct way way;
    bool from;   /* the n-th use and all later ones */
    key_t_ then; /* in the caller, all uses of this after that fail with EPERM, or 0: what is to be undone cannot be */
};

enum outcome { DONE, UNCHANGED, DEAD, LIBC, BETWEEN, HANG, NOT_REACHED, OUTCOMES };
static const char *const outcome_names[OUTCOMES] = {"done",       "unchanged", "dead",       "dead in libc",
                                                    "IN BETWEEN", "HANG",      "not reached"};

struct result {
    enum outcome outcome;
    unsigned milliseconds;
    char text[400];
};

/* --- names --------------------------------------------------------------------------------------------------------- */

static const struct {
    long number;
    const char *name;
} call_names[] = {
#define CALL(name) {SYS_##name, #name}
    /* clang-format off */
    CALL(read), CALL(write), CALL(close), CALL(fstat), CALL(lseek), CALL(mmap), CALL(munmap), CALL(mprotect), CALL(brk),
    CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(pread64), CALL(clone), CALL(exit), CALL(exit_group),
    CALL(wait4), CALL(waitid), CALL(fcntl), CALL(fchdir), CALL(chdir), CALL(chroot), CALL(getpid), CALL(gettid),
    CALL(geteuid), CALL(getresuid), CALL(getresgid), CALL(setresuid), CALL(setresgid), CALL(setfsuid), CALL(setfsgid),
    CALL(getgroups), CALL(setgroups), CALL(capget), CALL(capset), CALL(prctl), CALL(futex), CALL(openat), CALL(getdents64),
    CALL(newfstatat), CALL(fstatfs), CALL(statx), CALL(sigaltstack), CALL(rt_tgsigqueueinfo), CALL(tgkill), CALL(unshare),
    CALL(timer_create), CALL(timer_settime), CALL(clock_gettime), CALL(readlinkat), CALL(socket), CALL(connect),
    CALL(sendto), CALL(kcmp), CALL(madvise), CALL(getrandom), CALL(sched_yield), CALL(clock_nanosleep), CALL(uname),
    CALL(sysinfo), CALL(prlimit64), CALL(rseq), CALL(set_robust_list), CALL(set_tid_address), CALL(clone3), CALL(seccomp),
    /* clang-format on */
    {MALLOC, "malloc"},
};

static const struct {
    uint32_t sub;
    const char *name;
} prctl_names[] = {
#define OPTION(name) {PR_##name, #name}
    OPTION(CAPBSET_READ),  OPTION(CAPBSET_DROP),     OPTION(GET_SECUREBITS),   OPTION(SET_SECUREBITS), OPTION(GET_KEEPCAPS),
    OPTION(SET_KEEPCAPS),  OPTION(GET_NO_NEW_PRIVS), OPTION(SET_NO_NEW_PRIVS), OPTION(GET_DUMPABLE),   OPTION(SET_DUMPABLE),
    OPTION(GET_PDEATHSIG), OPTION(SET_PDEATHSIG),    OPTION(GET_SECCOMP),
#define AMBIENT(name) {PR_CAP_AMBIENT | PR_CAP_AMBIENT_##name << 16, "AMBIENT_" #name}
    AMBIENT(IS_SET),       AMBIENT(RAISE),           AMBIENT(LOWER),           AMBIENT(CLEAR_ALL),
};

static const struct {
    uint32_t sub;
    const char *name;
} futex_names[] = {{FUTEX_WAIT, "WAIT"}, {FUTEX_WAKE, "WAKE"}, {FUTEX_WAIT_BITSET, "WAIT_BITSET"}};

static const struct {
    int number;
    const char *name;
} errno_names[] = {
#define ERRNO(name) {name, #name}
    ERRNO(EPERM),  ERRNO(ENOENT), ERRNO(ESRCH),  ERRNO(EINTR),  ERRNO(EIO),    ERRNO(EAGAIN), ERRNO(ENOMEM),
    ERRNO(EACCES), ERRNO(EINVAL), ERRNO(ENFILE), ERRNO(EMFILE), ERRNO(ENOSYS), ERRNO(EFAULT), ERRNO(ENOSPC),
};

static const char *key_name(key_t_ key)
{
    static char text[64];
    long number = (long)(key >> 32);
    uint32_t sub = (uint32_t)key;
    snprintf(text, sizeof text, "%ld", number);
    for (size_t at = 0; at < LEN(call_names); at++)
        if (call_names[at].number == number)
            snprintf(text, sizeof text, "%s", call_names[at].name);
    size_t len = strlen(text);
    if (number == SYS_prctl) {
        snprintf(text + len, sizeof text - len, ":%u", sub);
        for (size_t at = 0; at < LEN(prctl_names); at++)
            if (prctl_names[at].sub == sub)
                snprintf(text + len, sizeof text - len, ":%s", prctl_names[at].name);
    } else if (number == SYS_futex) {
        snprintf(text + len, sizeof text - len, ":%u", sub);
        for (size_t at = 0; at < LEN(futex_names); at++)
            if (futex_names[at].sub == sub)
                snprintf(text + len, sizeof text - len, ":%s", futex_names[at].name);
    }
    return text;
}

static const char *way_name(struct way way)
{
    static char text[48];
    const char *name = NULL;
    for (size_t at = 0; at < LEN(errno_names); at++)
        if (errno_names[at].number == way.number)
            name = errno_names[at].name;
    switch (way.how) {
    case FAILS:
        snprintf(text, sizeof text, "%s", name ? name : "?");
        break;
    case LIES:
        snprintf(text, sizeof text, "lies");
        break;
    case HOLDS:
        snprintf(text, sizeof text, "holds-%d", way.number);
        break;
    case KILLS:
        snprintf(text, sizeof text, "kills-%d", way.number);
        break;
    case ENDS:
        snprintf(text, sizeof text, "ends");
        break;
    case HIDES:
        snprintf(text, sizeof text, "hides");
        break;
    case FILTERED:
        snprintf(text, sizeof text, "filter-%s", name ? name : "?");
        break;
    case FILTERED_DIES:
        snprintf(text, sizeof text, "filter-kills");
        break;
    }
    return text;
}

static key_t_ key_of(uint64_t number, const uint64_t args[6])
{
    uint32_t sub = 0;
    if (number == SYS_prctl)
        sub = (uint32_t)args[0] | (args[0] == PR_CAP_AMBIENT ? (uint32_t)args[1] << 16 : 0);
    else if (number == SYS_futex)
        sub = (uint32_t)args[1] & FUTEX_CMD_MASK;
    return KEY(number, sub);
}

static bool number_is(key_t_ key, long number) { return (long)(key >> 32) == number; }

/* --- scenes: what the process is, and what it asks for ------------------------------------------------------------- */

struct want {
    bool ids;           /* those of ecuser, else they stay */
    const char *groups; /* as /proc/PID/status has them, or NULL: they stay */
    bool caps;          /* the three sets below, else they stay */
    uint64_t eff, prm, inh, amb;
    bool trim, nnp;
    int securebits; /* or -1: they stay */
    bool root;      /* the folder of the tests */
};

struct scene {
    const char *name, *what;
    void (*prepare)(void); /* in the child, while it has one thread; or NULL */
    int (*before)(void);   /* by the caller, when there are threads: what must have happened before; or NULL */
    int (*call)(void);
    struct want want;
    int caller; /* which thread calls: 0 is the main one */
    bool needs_ids;
    uint64_t needs_caps;
    bool rehearsed;  /* there is a filter, of uname(2) */
    bool long_holds; /* whether its deadline is short enough to keep threads longer than that */
};

#define BIND BIT(10) /* cap_net_bind_service */
#define CHOWN BIT(0) /* cap_chown */

static char folder[] = "/tmp/faults.XXXXXX";

static int calls_drop(void) { return ec_security_apply("ecuser", "ecuser", "cap_net_bind_service+ep"); }
static int calls_two(void) { return ec_security_apply("ecuser", "ecuser", "cap_net_bind_service,cap_chown+ep"); }
static int calls_caps(void) { return ec_security_apply(NULL, NULL, "cap_chown+ep"); }

static int calls_chroot(void)
{
    return apply_of((const char *const[]){"user", "ecuser", "capabilities", "cap_net_bind_service+p", "supplemental_groups",
                                          "ecextra, eclogs", "chroot", folder, "securebits", "noroot noroot_locked", "deadline",
                                          "3", NULL});
}

static int calls_ambient(void)
{
    return apply_of((const char *const[]){"user", "4711", "group", "4714", "capabilities", "cap_net_bind_service,cap_chown+ep",
                                          "optional_capabilities", "cap_kill+p", "ambient", "cap_net_bind_service cap_chown",
                                          "deadline", "3", NULL});
}

/* Nothing in it is final, so that all of it can be undone. */
static int calls_reversible(void)
{
    return apply_of((const char *const[]){"user", "ecuser", "capabilities", "cap_chown+eip", "bounding", "keep", "no_new_privs",
                                          "off", "chroot", folder, "deadline", "3", NULL});
}

static int calls_quick(void)
{
    return apply_of((const char *const[]){"user", "ecuser", "capabilities", "cap_net_bind_service+ep", "deadline", "0.4", NULL});
}

/* More groups than are compared on the stack. */
static void holds_many_groups(void)
{
    gid_t groups[100];
    for (unsigned at = 0; at < LEN(groups); at++)
        groups[at] = 5000 + at;
    if (setgroups(LEN(groups), groups) < 0)
        perror("setgroups");
}

static void is_in_user_namespace(void)
{
    if (!user_namespace())
        perror("user_namespace");
}

static const struct scene bases[] = {
    {.name = "drop",
     .what = "ec_security_apply from root: user, group, one capability",
     .call = calls_drop,
     .want = {.ids = true,
              .groups = "4712 4713 4714",
              .caps = true,
              .eff = BIND,
              .prm = BIND,
              .trim = true,
              .nnp = true,
              .securebits = -1},
     .needs_ids = true,
     .needs_caps = BIND},
    {.name = "chroot",
     .what = "policy: chroot, supplementary groups, locked securebits",
     .call = calls_chroot,
     .want = {.ids = true,
              .groups = "4713 4714",
              .caps = true,
              .prm = BIND,
              .trim = true,
              .nnp = true,
              .securebits = 3,
              .root = true},
     .needs_ids = true,
     .needs_caps = BIND},
    {.name = "narrow",
     .what = "a second call that gives up one capability of two",
     .before = calls_two,
     .call = calls_drop,
     .want = {.ids = true, .groups = "4712 4713 4714", .caps = true, .eff = BIND, .prm = BIND, .nnp = true, .securebits = -1},
     .needs_ids = true,
     .needs_caps = BIND | CHOWN},
    {.name = "userns",
     .what = "the drop as root of a user namespace",
     .prepare = is_in_user_namespace,
     .call = calls_drop,
     .want = {.ids = true,
              .groups = "4712 4713 4714",
              .caps = true,
              .eff = BIND,
              .prm = BIND,
              .trim = true,
              .nnp = true,
              .securebits = -1},
     .needs_ids = true},
    {.name = "ambient",
     .what = "policy: ids by number, ambient and optional capabilities",
     .call = calls_ambient,
     .want = {.ids = true,
              .groups = "4713 4714",
              .caps = true,
              .eff = BIND | CHOWN,
              .prm = BIND | CHOWN | BIT(5),
              .inh = BIND | CHOWN,
              .amb = BIND | CHOWN,
              .trim = true,
              .nnp = true,
              .securebits = -1},
     .needs_ids = true,
     .needs_caps = BIND | CHOWN | BIT(5)},
    {.name = "reversible",
     .what = "policy with nothing final in it, from 100 groups, by another than the main thread",
     .prepare = holds_many_groups,
     .call = calls_reversible,
     .want = {.ids = true,
              .groups = "4712 4713 4714",
              .caps = true,
              .eff = CHOWN,
              .prm = CHOWN,
              .inh = CHOWN,
              .securebits = -1,
              .root = true},
     .caller = 2,
     .needs_ids = true,
     .needs_caps = CHOWN},
    {.name = "quick",
     .what = "the drop by another than the main thread, with a deadline of 0.4 s",
     .call = calls_quick,
     .want = {.ids = true,
              .groups = "4712 4713 4714",
              .caps = true,
              .eff = BIND,
              .prm = BIND,
              .trim = true,
              .nnp = true,
              .securebits = -1},
     .caller = 1,
     .needs_ids = true,
     .needs_caps = BIND,
     .long_holds = true},
    {.name = "caps",
     .what = "capabilities alone, ids stay",
     .call = calls_caps,
     .want = {.caps = true, .eff = CHOWN, .prm = CHOWN, .trim = true, .nnp = true, .securebits = -1},
     .needs_caps = CHOWN},
};

/* Each in place, and each again with a filter, so that it is rehearsed: what the tracer has the kernel say falsely is a filter's lie, which
 * there can be only where there is one. */
static struct scene scenes[2 * LEN(bases)];

static void double_scenes(void)
{
    for (size_t at = 0; at < LEN(bases); at++) {
        char *name;
        scenes[at] = scenes[LEN(bases) + at] = bases[at];
        if (asprintf(&name, "%s-rehearsed", bases[at].name) < 0)
            exit(70);
        scenes[LEN(bases) + at].name = name;
        scenes[LEN(bases) + at].rehearsed = true;
    }
}

/* --- the child ----------------------------------------------------------------------------------------------------- */

/* What a thread says of itself that /proc does not tell: it asks the kernel by system calls of its own. */
struct probe {
    long securebits, dumpable, death_signal;
    uint64_t mask;
    unsigned char action[32]; /* of signal 33: handler, flags, restorer or mask */
    int errno_kept;
};

/* Written by the child, read by the tracer. */
struct shared {
    volatile int mark; /* the last one; from END on, calls are no longer the library's */
    volatile pid_t pid;
    volatile int status;
    char text[512];
    volatile pid_t tids[THREADS]; /* the caller first */
    struct probe before[THREADS], after[THREADS];
    volatile unsigned memory;   /* how often memory was asked for by the caller during the call */
    volatile unsigned memory_n; /* the use that fails, or 0 */
    volatile bool memory_from;
    /* a seccomp filter for the thread with index 2 */
    volatile uint32_t filter_result;
    volatile uint64_t filter_key;
    volatile int filter_errno;
    volatile uint32_t ended; /* other threads that a fault has ended */
};

static struct shared *shared;
static int seized[2], told[2];

/* Memory is asked for through these, by the library as by libc's look-ups. */
static __thread bool counts_memory;
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static bool memory_refused(void)
{
    if (!counts_memory)
        return false;
    unsigned n = ++shared->memory;
    if (!shared->memory_n || n < shared->memory_n || (n > shared->memory_n && !shared->memory_from))
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size) { return memory_refused() ? NULL : __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return memory_refused() ? NULL : __libc_calloc(n, size); }
void *realloc(void *old, size_t size) { return memory_refused() ? NULL : __libc_realloc(old, size); }
void *aligned_alloc(size_t align, size_t size) { return memory_refused() ? NULL : __libc_memalign(align, size); }
int posix_memalign(void **out, size_t align, size_t size)
{
    int saved = errno;
    void *got = memory_refused() ? NULL : __libc_memalign(align, size);
    errno = saved;
    if (!got)
        return ENOMEM;
    *out = got;
    return 0;
}

/* The orders of the other threads. */
static volatile uint32_t order; /* 1: probe before; 2: probe after */
static volatile uint32_t answered;

enum mark { SET_UP = 1, BEGIN, END, FINAL };

/* Stops the calling thread for the tracer to see. SIGSTOP, since a fault may have left all else blocked. */
static void mark(enum mark which)
{
    shared->mark = which;
    raw(SYS_tgkill, shared->pid, raw(SYS_gettid, 0, 0, 0, 0), SIGSTOP, 0);
}

static void probes(struct probe *out, int errno_set)
{
    out->errno_kept = errno == errno_set;
    out->securebits = raw(SYS_prctl, PR_GET_SECUREBITS, 0, 0, 0);
    out->dumpable = raw(SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0);
    int signal = 0;
    raw(SYS_prctl, PR_GET_PDEATHSIG, (long)&signal, 0, 0);
    out->death_signal = signal;
    raw(SYS_rt_sigprocmask, SIG_SETMASK, 0, (long)&out->mask, 8);
    raw(SYS_rt_sigaction, 33, 0, (long)out->action, 8);
}

static void install_filter(void)
{
    uint32_t number = (uint32_t)(shared->filter_key >> 32), sub = (uint32_t)shared->filter_key;
    struct rule rule = CALLS_OF(number, number == SYS_prctl ? sub & 0xffff : ANY, shared->filter_result);
    if (seccomp_rule(rule, 0) == 0)
        return;
    /* without CAP_SYS_ADMIN one must not be able to gain anything by executing */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (seccomp_rule(rule, 0) < 0)
        shared->filter_errno = errno;
}

static void *serves(void *arg)
{
    int at = (int)(intptr_t)arg;
    shared->tids[at] = (pid_t)raw(SYS_gettid, 0, 0, 0, 0);
    raw(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
    if (at == 2 && shared->filter_result)
        install_filter();
    errno = 1000 + at;
    __atomic_add_fetch(&answered, 1, __ATOMIC_SEQ_CST);
    for (uint32_t seen = 0;;) {
        raw(SYS_futex, (long)&order, FUTEX_WAIT, seen, 0);
        uint32_t now = __atomic_load_n(&order, __ATOMIC_SEQ_CST);
        if (now == seen)
            continue;
        seen = now;
        probes(now == 1 ? &shared->before[at] : &shared->after[at], 1000 + at);
        __atomic_add_fetch(&answered, 1, __ATOMIC_SEQ_CST);
    }
    return NULL;
}

static void ask(uint32_t what)
{
    __atomic_store_n(&answered, 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&order, what, __ATOMIC_SEQ_CST);
    raw(SYS_futex, (long)&order, FUTEX_WAKE, INT_MAX, 0);
    while (__atomic_load_n(&answered, __ATOMIC_SEQ_CST) < OTHERS - shared->ended)
        raw(SYS_sched_yield, 0, 0, 0, 0);
}

static const struct scene *scene;

/* The caller's whole life. */
static void *calls(void *unused)
{
    (void)unused;
    shared->tids[0] = (pid_t)raw(SYS_gettid, 0, 0, 0, 0);
    raw(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
    while (__atomic_load_n(&answered, __ATOMIC_SEQ_CST) < OTHERS)
        raw(SYS_sched_yield, 0, 0, 0, 0);
    if (scene->before && scene->before() != EC_SECURITY_OK) {
        fprintf(stderr, "what must come before failed: %s\n", ec_security_last_error());
        _exit(60);
    }
    if (scene->before) /* the change of ids has cleared it */
        raw(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0);
    uint64_t some = 1 << (SIGUSR1 - 1);
    raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&some, 0, 8);
    errno = 1000;
    ask(1);
    probes(&shared->before[0], 1000);
    mark(BEGIN);
    counts_memory = true;
    shared->status = scene->call();
    counts_memory = false;
    mark(END);
    ask(2);
    probes(&shared->after[0], 1000);
    snprintf(shared->text, sizeof shared->text, "%s", shared->status ? ec_security_last_error() : "");
    mark(FINAL);
    for (;;)
        raw(SYS_futex, (long)&order, FUTEX_WAIT, 2, 0);
    return NULL;
}

static void child_main(void)
{
    char byte;
    setpgid(0, 0);
    dup2(told[1], 2);
    close(told[0]);
    close(told[1]);
    close(seized[1]);
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    if (read(seized[0], &byte, 1) != 1)
        _exit(61);
    close(seized[0]);
    if (scene->prepare)
        scene->prepare();
    struct rule harmless = CALLS(SYS_uname, FAILS_WITH(EPERM));
    if (scene->rehearsed && seccomp_rule(harmless, 0) < 0)
        _exit(65);
    if (chdir("/usr") < 0)
        _exit(62);
    shared->pid = getpid();
    mark(SET_UP);
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 << 10);
    /* The main thread has index 0, or, where another calls, that one's place. */
    for (int at = 1; at < THREADS; at++)
        if (pthread_create(&thread, &attr, at == scene->caller ? calls : serves, (void *)(intptr_t)at))
            _exit(63);
    if (scene->caller == 0)
        calls(NULL);
    serves((void *)(intptr_t)scene->caller);
}

/* --- looking from outside ------------------------------------------------------------------------------------------ */

static const char *const fields[] = {"Uid",    "Gid",    "Groups", "CapInh",     "CapPrm",  "CapEff",
                                     "CapBnd", "CapAmb", "SigBlk", "NoNewPrivs", "Seccomp", "State"};
enum { UID, GID, GROUPS, INH, PRM, EFF, BND, AMB, BLOCKED, NNP, SECCOMP, STATE, FIELDS };
#define COMPARED STATE /* those before it */

struct snapshot {
    char threads[THREADS][FIELDS][640];
    dev_t root_dev, cwd_dev;
    ino_t root_ino, cwd_ino;
    char actions[200]; /* SigIgn, SigCgt, Threads */
    char descriptors[1024];
    char children[128];
};

static size_t slurp(const char *path, char *out, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        out[0] = 0;
        return 0;
    }
    size_t have = 0;
    for (ssize_t got; have < room - 1 && (got = read(fd, out + have, room - 1 - have)) > 0;)
        have += (size_t)got;
    close(fd);
    out[have] = 0;
    return have;
}

static void value(const char *status, const char *key, char *out, size_t room)
{
    size_t len = strlen(key);
    const char *at = status;
    for (; at && (strncmp(at, key, len) || at[len] != ':'); at = at ? at + 1 : NULL)
        if (!(at = strchr(at, '\n')))
            break;
    if (!at) {
        snprintf(out, room, "(no %s)", key);
        return;
    }
    at += len + 1;
    at += strspn(at, " \t");
    size_t end = strcspn(at, "\n");
    while (end && at[end - 1] == ' ')
        end--;
    snprintf(out, room, "%.*s", (int)(end < room ? end : room - 1), at);
}

static int ascending(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void take(pid_t pid, struct snapshot *out)
{
    static char status[8192];
    char path[128], word[200];
    memset(out, 0, sizeof *out);
    for (int at = 0; at < THREADS; at++) {
        snprintf(path, sizeof path, "/proc/%d/task/%d/status", pid, shared->tids[at]);
        slurp(path, status, sizeof status);
        for (int field = 0; field < FIELDS; field++)
            value(status, fields[field], out->threads[at][field], sizeof out->threads[at][field]);
        snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, shared->tids[at]);
        size_t len = strlen(out->children);
        slurp(path, out->children + len, sizeof out->children - len);
    }
    static const char *const of_process[] = {"SigIgn", "SigCgt", "Threads"};
    for (size_t at = 0; at < LEN(of_process); at++) {
        value(status, of_process[at], word, sizeof word);
        size_t len = strlen(out->actions);
        snprintf(out->actions + len, sizeof out->actions - len, "%s ", word);
    }
    struct stat stat_;
    snprintf(path, sizeof path, "/proc/%d/root/.", pid);
    if (stat(path, &stat_) == 0) {
        out->root_dev = stat_.st_dev;
        out->root_ino = stat_.st_ino;
    }
    snprintf(path, sizeof path, "/proc/%d/cwd/.", pid);
    if (stat(path, &stat_) == 0) {
        out->cwd_dev = stat_.st_dev;
        out->cwd_ino = stat_.st_ino;
    }
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *fds = opendir(path);
    char *names[64];
    size_t len = 0;
    for (struct dirent *entry; fds && (entry = readdir(fds)) && len < LEN(names);) {
        char target[160];
        snprintf(path, sizeof path, "/proc/%d/fd/%.20s", pid, entry->d_name);
        ssize_t got = readlink(path, target, sizeof target - 1);
        if (got < 0)
            continue;
        target[got] = 0;
        if (asprintf(&names[len], "%.20s=%s ", entry->d_name, target) > 0)
            len++;
    }
    if (fds)
        closedir(fds);
    else
        snprintf(out->descriptors, sizeof out->descriptors, "(cannot be read)");
    qsort(names, len, sizeof *names, ascending);
    for (size_t at = 0; at < len; at++) {
        size_t have = strlen(out->descriptors);
        snprintf(out->descriptors + have, sizeof out->descriptors - have, "%s", names[at]);
        free(names[at]);
    }
}

static const char *who(int at) { return at == 0 ? "the caller" : at == 1 ? "thread 1" : at == 2 ? "thread 2" : "thread 3"; }

static bool PRINTF_LIKE(2, 3) say(char out[400], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(out, 400, format, args);
    va_end(args);
    return false;
}

/* What cannot be asked for: a call that puts something back, and is made to fail, has not put it back. */
enum {
    DESCRIPTORS = 1, /* close */
    CHILD = 2,       /* wait4 for ever */
    MASKS = 4,       /* rt_sigprocmask for ever */
    ACTION = 8,      /* rt_sigaction for ever; or a thread has not taken its signal yet, which must not kill it then */
    /* Not a fault: when the call returns, other threads may be about to leave the handler, or look there whether the caller lives. */
    RETURNING = 16,
};

/* Everything but what a drop is meant to change. */
static bool same_process(const struct snapshot *was, const struct snapshot *is, unsigned lenient, char out[400])
{
    if (strcmp(was->actions, is->actions))
        return say(out, "signal actions or threads: %s, not %s", is->actions, was->actions);
    if (strcmp(was->descriptors, is->descriptors) && !(lenient & (DESCRIPTORS | RETURNING)))
        return say(out, "descriptors: %.150s, not %.150s", is->descriptors, was->descriptors);
    if (strcmp(was->children, is->children) && !(lenient & CHILD))
        return say(out, "a child is left: %s", is->children);
    for (int at = 0; at < THREADS; at++) {
        if (strcmp(was->threads[at][BLOCKED], is->threads[at][BLOCKED]) && !(lenient & (MASKS | RETURNING)))
            return say(out, "%s blocks %s, not %s", who(at), is->threads[at][BLOCKED], was->threads[at][BLOCKED]);
        if (strcmp(was->threads[at][SECCOMP], is->threads[at][SECCOMP]))
            return say(out, "%s: seccomp %s", who(at), is->threads[at][SECCOMP]);
    }
    return true;
}

static bool same_threads(const struct snapshot *was, const struct snapshot *is, char out[400])
{
    for (int at = 0; at < THREADS; at++)
        for (int field = 0; field < COMPARED; field++)
            if (field != BLOCKED && strcmp(was->threads[at][field], is->threads[at][field]))
                return say(out, "%s of %s is %.100s, not %.100s", fields[field], who(at), is->threads[at][field],
                           was->threads[at][field]);
    return true;
}

static bool is_unchanged(const struct snapshot *was, const struct snapshot *is, unsigned lenient, char out[400])
{
    if (!same_threads(was, is, out) || !same_process(was, is, lenient, out))
        return false;
    if (was->root_dev != is->root_dev || was->root_ino != is->root_ino)
        return say(out, "another root directory");
    if (was->cwd_dev != is->cwd_dev || was->cwd_ino != is->cwd_ino)
        return say(out, "another working folder");
    return true;
}

/* Where the first drop is refused, the bounding set stays: a security module may deny it (ec_security_apply(3)). */
static bool trim_denied;

static bool is_as_asked(const struct snapshot *was, const struct snapshot *is, unsigned lenient, char out[400])
{
    struct want wanted = scene->want, *want = &wanted;
    wanted.trim = wanted.trim && !trim_denied;
    struct snapshot goal = *was;
    for (int at = 0; at < THREADS; at++) {
        char(*thread)[640] = goal.threads[at];
        uint64_t prm = strtoull(thread[PRM], NULL, 16), bnd = strtoull(thread[BND], NULL, 16);
        if (want->ids) {
            unsigned gid = !strncmp(scene->name, "ambient", 7) ? ECLOGS_GID : ECUSER_GID;
            snprintf(thread[UID], sizeof thread[UID], "%u\t%u\t%u\t%u", ECUSER_UID, ECUSER_UID, ECUSER_UID, ECUSER_UID);
            snprintf(thread[GID], sizeof thread[GID], "%u\t%u\t%u\t%u", gid, gid, gid, gid);
        }
        if (want->groups)
            snprintf(thread[GROUPS], sizeof thread[GROUPS], "%s", want->groups);
        if (want->caps) {
            snprintf(thread[EFF], sizeof thread[EFF], "%016llx", (unsigned long long)want->eff);
            snprintf(thread[PRM], sizeof thread[PRM], "%016llx", (unsigned long long)want->prm);
            snprintf(thread[INH], sizeof thread[INH], "%016llx", (unsigned long long)want->inh);
            snprintf(thread[AMB], sizeof thread[AMB], "%016llx", (unsigned long long)want->amb);
        }
        if (want->trim && (prm & BIT(8) /* cap_setpcap */))
            snprintf(thread[BND], sizeof thread[BND], "%016llx", (unsigned long long)(bnd & (want->prm | want->inh)));
        if (want->nnp)
            strcpy(thread[NNP], "1");
        strcpy(thread[SECCOMP], is->threads[at][SECCOMP]);
    }
    if (!same_threads(&goal, is, out) || !same_process(was, is, lenient, out))
        return false;
    struct stat root;
    if (stat(want->root ? folder : "/", &root) < 0 || root.st_dev != is->root_dev || root.st_ino != is->root_ino)
        return say(out, "the root directory is not the one asked for");
    if (want->root ? is->cwd_ino != root.st_ino : is->cwd_ino != was->cwd_ino)
        return say(out, "the working folder is not the one asked for");
    return true;
}

static bool probes_agree(bool done, unsigned lenient, char out[400])
{
    for (int at = 0; at < THREADS; at++) {
        const struct probe *was = &shared->before[at], *is = &shared->after[at];
        if (!is->errno_kept)
            return say(out, "%s: errno has changed", who(at));
        if (was->mask != is->mask && !(lenient & MASKS))
            return say(out, "%s: signal mask %llx", who(at), (unsigned long long)is->mask);
        if (memcmp(was->action, is->action, sizeof is->action) && !(lenient & ACTION))
            return say(out, "the action of signal 33 is another");
        long securebits = done && scene->want.securebits >= 0 ? scene->want.securebits : was->securebits;
        if (is->securebits != securebits)
            return say(out, "%s: securebits %lx, not %lx", who(at), is->securebits, securebits);
        if (!done && was->dumpable != is->dumpable)
            return say(out, "dumpable %ld, not %ld", is->dumpable, was->dumpable);
        /* prctl(2), PR_SET_PDEATHSIG: a change of ids clears it */
        if (!done && was->death_signal != is->death_signal)
            return say(out, "%s: death signal %ld, not %ld", who(at), is->death_signal, was->death_signal);
    }
    return true;
}

/* One line that names step, thread and errno. */
static bool is_last_line(const char *text, char out[400])
{
    const char *newline = strchr(text, '\n');
    if (!newline || newline[1])
        return say(out, "not one line on standard error: \"%.250s\"", text);
    if (strncmp(text, "libec_security: aborting: ", 26))
        return say(out, "another line on standard error: \"%.250s\"", text);
    const char *thread = strstr(text, " thread ");
    char *after = NULL;
    pid_t tid = thread ? (pid_t)strtol(thread + 8, &after, 10) : 0;
    bool known = false;
    for (int at = 0; at < THREADS; at++)
        known |= tid == shared->tids[at];
    if (!known)
        return say(out, "the line names no thread: \"%.250s\"", text);
    bool killed = !strncmp(after, ": it was killed", 15) || !strncmp(after, " was killed while it was stopped", 32) ||
                  !strncmp(after, " was stopped while it looked at itself", 38);
    if (strncmp(after, ": E", 3) && strncmp(after, ": errno ", 8) && strncmp(after, ": no effect of ", 15) && !killed)
        return say(out, "the line names no errno: \"%.250s\"", text);
    if (!killed && !strstr(after, " of ") && !strstr(after, ", from "))
        return say(out, "the line names no step: \"%.250s\"", text);
    return true;
}

/* --- the tracer ---------------------------------------------------------------------------------------------------- */

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

#define REHEARSING THREADS

/* What a run without a fault does: how often each call is made in each role. */
struct catalog {
    size_t len;
    struct {
        int role;
        key_t_ key;
        unsigned n;
    } entries[1024];
};

static void note(struct catalog *catalog, int role, key_t_ key, unsigned n)
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
static void tick(int signal) { (void)signal, ticked = 1; }

static bool strikes(const struct fault *fault, int role)
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

static long since(const struct timespec *then)
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

static bool verbose;

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

/* libc and the modules it loads end the process by themselves where memory or a lock fails them in a look-up. That is
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

static struct result run(const struct fault *fault, struct catalog *catalog)
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

/* --- the faults to be tried ---------------------------------------------------------------------------------------- */

static struct catalog catalogs[LEN(scenes)];

static struct fault *faults;
static size_t faults_len, faults_room;

static void add_fault(struct fault fault)
{
    if (faults_len == faults_room) {
        faults_room = faults_room ? faults_room * 2 : 4096;
        faults = realloc(faults, faults_room * sizeof *faults);
        if (!faults)
            exit(70);
    }
    faults[faults_len++] = fault;
}

/* What makes no sense to be tried. A call that ends the thread or the handler cannot fail, and code behind it is never
 * reached; a mapping at address 0 or a descriptor that is somebody's already is
 * none that a kernel would give. */
static bool can_lie(key_t_ key)
{
    return !number_is(key, SYS_mmap) && !number_is(key, SYS_brk) && !number_is(key, MALLOC) && !number_is(key, SYS_openat) &&
           !number_is(key, SYS_socket);
}

static bool can_fail(key_t_ key) { return !number_is(key, SYS_rt_sigreturn); }

static const int errnos[] = {EPERM, ENOSYS, EINVAL, ENOMEM, EAGAIN, EINTR};
static const int errnos_of_files[] = {EPERM, ENOSYS, EMFILE, ENFILE, EACCES, EIO, ENOENT, ENOMEM, EINTR};

/* glibc's fstat(3) is one of the two. */
static bool is_stat(key_t_ key) { return number_is(key, SYS_newfstatat) || number_is(key, SYS_fstat); }

static size_t ways(key_t_ key, enum where where, bool rehearsed, struct way out[24])
{
    size_t len = 0;
    if (number_is(key, MALLOC)) {
        out[len++] = (struct way){FAILS, ENOMEM};
        return len;
    }
    bool of_files = number_is(key, SYS_openat) || number_is(key, SYS_read) || number_is(key, SYS_getdents64) || is_stat(key) ||
                    number_is(key, SYS_socket) || number_is(key, SYS_connect);
    if (of_files)
        for (size_t at = 0; at < LEN(errnos_of_files); at++)
            out[len++] = (struct way){FAILS, errnos_of_files[at]};
    else
        for (size_t at = 0; at < LEN(errnos); at++)
            out[len++] = (struct way){FAILS, errnos[at]};
    if (can_lie(key) && rehearsed)
        out[len++] = (struct way){LIES, 0};
    if (where == REHEARSAL) {
        out[len++] = (struct way){KILLS, SIGKILL};
        out[len++] = (struct way){KILLS, SIGSYS};
    }
    if (where == ONE)
        out[len++] = (struct way){ENDS, 0};
    return len;
}

/* Evenly spread and always the same. */
static uint32_t mixed(uint64_t x)
{
    x ^= x >> 31;
    x *= 0x9e3779b97f4a7c15u;
    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9u;
    return (uint32_t)(x >> 32);
}

static unsigned uses(const struct catalog *catalog, enum where where, key_t_ key)
{
    unsigned most = 0;
    for (size_t at = 0; at < catalog->len; at++) {
        int role = catalog->entries[at].role;
        struct fault probe = {.where = where};
        if (catalog->entries[at].key == key && strikes(&probe, role) && catalog->entries[at].n > most)
            most = catalog->entries[at].n;
    }
    return most;
}

static bool in_plan(key_t_ key)
{
    uint32_t sub = (uint32_t)key & 0xffff;
    return number_is(key, SYS_setresuid) || number_is(key, SYS_setresgid) || number_is(key, SYS_setgroups) ||
           number_is(key, SYS_capset) ||
           (number_is(key, SYS_prctl) &&
            (sub == PR_CAPBSET_DROP || sub == PR_SET_SECUREBITS || sub == PR_SET_NO_NEW_PRIVS || sub == PR_SET_KEEPCAPS ||
             key == KEY(SYS_prctl, PR_CAP_AMBIENT | PR_CAP_AMBIENT_CLEAR_ALL << 16) ||
             key == KEY(SYS_prctl, PR_CAP_AMBIENT | PR_CAP_AMBIENT_RAISE << 16)));
}

/* What the caller may be refused, and what it takes to go back. */
static bool is_step(key_t_ key) { return in_plan(key) || number_is(key, SYS_chroot) || number_is(key, SYS_fchdir); }

static const key_t_ steps_back[] = {
    KEY(SYS_setresuid, 0),
    KEY(SYS_setresgid, 0),
    KEY(SYS_setgroups, 0),
    KEY(SYS_capset, 0),
    KEY(SYS_chroot, 0),
    KEY(SYS_fchdir, 0),
    KEY(SYS_setfsuid, 0),
    KEY(SYS_setfsgid, 0),
    KEY(SYS_prctl, PR_SET_KEEPCAPS),
    KEY(SYS_prctl, PR_SET_SECUREBITS),
    KEY(SYS_prctl, PR_SET_DUMPABLE),
    KEY(SYS_prctl, PR_SET_PDEATHSIG),
    KEY(SYS_prctl, PR_CAP_AMBIENT | PR_CAP_AMBIENT_RAISE << 16),
    KEY(SYS_prctl, PR_CAP_AMBIENT | PR_CAP_AMBIENT_CLEAR_ALL << 16),
    KEY(SYS_prctl, PR_CAP_AMBIENT | PR_CAP_AMBIENT_LOWER << 16),
};

/* How often a call is made while threads are waited for depends on the time: what every run does counts, or once. */
static void merge(struct catalog *into, const struct catalog *from)
{
    for (size_t at = 0; at < from->len; at++) {
        size_t found = 0;
        while (found < into->len &&
               (into->entries[found].role != from->entries[at].role || into->entries[found].key != from->entries[at].key))
            found++;
        if (found == into->len)
            note(into, from->entries[at].role, from->entries[at].key, from->entries[at].n);
        else if (from->entries[at].n < into->entries[found].n)
            into->entries[found].n = from->entries[at].n;
    }
}

/* Refusals that come each time the caller tries, in place. */
static bool is_refused_for_good(const struct fault *fault)
{
    key_t_ key = fault->key;
    /* Not capset: what comes before it is undone by capset as well. */
    bool probed = number_is(key, SYS_setresuid) || number_is(key, SYS_setresgid) || number_is(key, SYS_setgroups) ||
                  key == KEY(SYS_prctl, PR_SET_SECUREBITS);
    return probed && fault->where == CALLER && fault->n == 1 && fault->from && fault->way.how == FAILS &&
           fault->way.number == EPERM && !scenes[fault->scene].rehearsed && !fault->then;
}

static void list_faults(int at, bool all)
{
    const struct catalog *catalog = &catalogs[at];
    for (enum where where = 0; where < WHERES; where++)
        for (size_t entry = 0; entry < catalog->len; entry++) {
            key_t_ key = catalog->entries[entry].key;
            struct fault probe = {.where = where};
            /* each call once per place, however many roles make it */
            bool first = strikes(&probe, catalog->entries[entry].role);
            for (size_t before = 0; first && before < entry; before++)
                first = catalog->entries[before].key != key || !strikes(&probe, catalog->entries[before].role);
            if (!first || !can_fail(key) || (number_is(key, MALLOC) && where != CALLER))
                continue;
            unsigned most = uses(catalog, where, key);
            struct way out[24];
            size_t len = ways(key, where, scenes[at].rehearsed, out);
            for (unsigned n = 1; n <= most; n++) {
                uint32_t turn = mixed((uint64_t)at << 40 ^ (uint64_t)where << 36 ^ key << 12 ^ n);
                /* The first scene is tried whole; of the others, what is alike in all is tried in part. */
                bool of_look_ups = where == CALLER && number_is(key, SYS_read) && n <= 14;
                unsigned spared = scenes[at].rehearsed ? 7 : 3;
                if (!all && at > 0 && !in_plan(key) && !of_look_ups && n > 1 && n < most && turn >> 8 & spared)
                    continue;
                for (size_t way = 0; way < len; way++) {
                    struct fault fault = {(int)at, where, key, n, out[way], false, 0};
                    /* Of what each call of a plan is looked at for, a lie is the test. */
                    bool lie = out[way].how == LIES && in_plan(key) && (n == 1 || n == most);
                    /* A filter kills for the first wait, if for any. */
                    if (out[way].how == ENDS && number_is(key, SYS_futex) && n > 1)
                        continue;
                    if (all || lie || out[way].how == ENDS || turn % len == way)
                        add_fault(fault);
                    fault.from = true;
                    /* A way on which every use fails from some use on is a filter's, or a limit's. */
                    if (out[way].how == LIES && number_is(key, SYS_prctl) && (uint32_t)key == PR_CAPBSET_READ)
                        continue; /* no, for every capability, is an answer: nobody could tell */
                    /* The C library takes a file that cannot be read on for one that ends there, and "no such file" of one that it has
                     * open for none; and who waits must not for ever. */
                    bool persists = where == CALLER && (number_is(key, SYS_read) || is_stat(key) || number_is(key, SYS_wait4));
                    if (out[way].how != KILLS && out[way].how != ENDS &&
                        (persists || (all ? way == turn % len || in_plan(key) : turn % (4 * len) == way)))
                        add_fault(fault);
                }
                /* Held for shorter, or where the scene has a short deadline, for longer than that. */
                if (!number_is(key, MALLOC) && where != EVERYWHERE && where != ALL_OTHERS && (all ? turn % 8 < 1 : turn % 64 < 1))
                    add_fault((struct fault){at, where, key, n, {HOLDS, 30}, false, 0});
                if (scenes[at].long_holds && !number_is(key, MALLOC) && where != EVERYWHERE && where != ALL_OTHERS &&
                    (all ? turn % 4 < 1 || n == 1 : turn % 64 < 2 || (n == 1 && turn % 4 < 1)))
                    add_fault((struct fault){at, where, key, n, {HOLDS, 900}, false, 0});
            }
            if (where == EVERYWHERE && key == KEY(SYS_capget, 0)) {
                add_fault((struct fault){at, where, key, 1, {HIDES, 0}, true, 0});
                add_fault((struct fault){at, CALLER, key, 1, {HIDES, 0}, true, 0});
                add_fault((struct fault){at, ONE, key, 1, {HIDES, 0}, true, 0});
            }
            /* Each step refused, and then each step back. */
            for (unsigned n = 1; where == CALLER && !scenes[at].rehearsed && is_step(key) && n <= most; n++) {
                uint32_t turn = mixed((uint64_t)at << 40 ^ key << 12 ^ n);
                if (!all && n > 1 && n < most && turn % 8)
                    continue;
                for (size_t back = 0; back < LEN(steps_back); back++)
                    add_fault((struct fault){at, where, key, n, {FAILS, EPERM}, false, steps_back[back]});
            }
            struct fault for_good = {at, where, key, 1, {FAILS, EPERM}, true, 0};
            if (is_refused_for_good(&for_good))
                add_fault(for_good);
            /* A filter of one thread's own, which neither rehearsal nor caller have. */
            if (where == ONE && in_plan(key)) {
                add_fault((struct fault){at, where, key, 1, {FILTERED, EPERM}, false, 0});
                add_fault((struct fault){at, where, key, 1, {FILTERED, ENOSYS}, false, 0});
                if (scenes[at].long_holds)
                    add_fault((struct fault){at, where, key, 1, {FILTERED_DIES, 0}, false, 0});
            }
        }
}

/* --- the whole of it ----------------------------------------------------------------------------------------------- */

struct board {
    volatile size_t next;
    volatile bool stopped; /* with --first, at the first that is none of the three */
    struct result results[];
};

static void fault_name(const struct fault *fault, char *out, size_t len)
{
    int have = snprintf(out, len, "%s %s %s %u", scenes[fault->scene].name, where_names[fault->where], key_name(fault->key),
                        fault->n);
    have += snprintf(out + have, len - (size_t)have, " %s%s", way_name(fault->way), fault->from ? " from" : "");
    if (fault->then)
        snprintf(out + have, len - (size_t)have, " then %s", key_name(fault->then));
}

static struct result run_one(const struct fault *fault)
{
    scene = &scenes[fault->scene];
    struct result result = run(fault, NULL);
    /* What the rehearsal is refused must not be tried in earnest. */
    if (fault->where == REHEARSAL && in_plan(fault->key) && fault->way.how == FAILS && result.outcome != UNCHANGED &&
        result.outcome != NOT_REACHED) {
        struct result wrong = {.outcome = BETWEEN, .milliseconds = result.milliseconds};
        say(wrong.text, "the rehearsal was refused, and yet %s: %.300s", outcome_names[result.outcome], result.text);
        return wrong;
    }
    /* What the kernel refuses each time, in place, is found by a probe, while all can be undone. */
    if (is_refused_for_good(fault) && result.outcome == DEAD) {
        struct result wrong = {.outcome = BETWEEN, .milliseconds = result.milliseconds};
        say(wrong.text, "the process has ended where the call could have been refused: %.300s", result.text);
        return wrong;
    }
    return result;
}

static key_t_ key_of_name(const char *name)
{
    const char *colon = strchr(name, ':');
    key_t_ found = 0;
    for (size_t at = 0; at < LEN(call_names) && !found; at++) {
        long number = call_names[at].number;
        for (size_t sub = 0; sub < LEN(prctl_names) && number == SYS_prctl && colon; sub++)
            if (!strcmp(key_name(KEY(number, prctl_names[sub].sub)), name))
                found = KEY(number, prctl_names[sub].sub);
        for (size_t sub = 0; sub < LEN(futex_names) && number == SYS_futex && colon; sub++)
            if (!strcmp(key_name(KEY(number, futex_names[sub].sub)), name))
                found = KEY(number, futex_names[sub].sub);
        if (!colon && !strcmp(key_name(KEY(number, 0)), name))
            found = KEY(number, 0);
    }
    return found;
}

static bool parse_fault(char **words, int len, struct fault *fault)
{
    if (len < 5)
        return false;
    memset(fault, 0, sizeof *fault);
    fault->scene = -1;
    for (size_t at = 0; at < LEN(scenes); at++)
        if (!strcmp(scenes[at].name, words[0]))
            fault->scene = (int)at;
    fault->where = WHERES;
    for (int at = 0; at < WHERES; at++)
        if (!strcmp(where_names[at], words[1]))
            fault->where = (enum where)at;
    fault->n = (unsigned)strtoul(words[3], NULL, 10);
    fault->from = len > 5 && !strcmp(words[5], "from");
    if (fault->scene < 0 || fault->where == WHERES)
        return false;
    fault->key = key_of_name(words[2]);
    if (len > 6 && !strcmp(words[5], "then") && !(fault->then = key_of_name(words[6])))
        return false;
    struct way tries[] = {{LIES, 0},         {HOLDS, 30},        {HOLDS, 900},       {KILLS, SIGKILL}, {KILLS, SIGSYS},
                          {FILTERED, EPERM}, {FILTERED, ENOSYS}, {FILTERED_DIES, 0}, {ENDS, 0},        {HIDES, 0}};
    bool known = false;
    for (size_t at = 0; at < LEN(tries); at++)
        if (!strcmp(way_name(tries[at]), words[4])) {
            fault->way = tries[at];
            known = true;
        }
    for (size_t at = 0; at < LEN(errno_names); at++)
        if (!strcmp(errno_names[at].name, words[4])) {
            fault->way = (struct way){FAILS, errno_names[at].number};
            known = true;
        }
    return known && (fault->key || !strcmp(words[2], "read"));
}

static unsigned failures, shown;

static void fails(const char *what, const char *why)
{
    failures++;
    if (shown++ < 40)
        printf("FAIL %s: %s\n", what, why);
}

static bool can_run(const struct scene *it, char why[200])
{
    char status[8192], prm[64];
    slurp("/proc/self/status", status, sizeof status);
    value(status, "CapPrm", prm, sizeof prm);
    if (it->needs_ids && !can_change_ids()) {
        snprintf(why, 200, "ids cannot be changed here");
        return false;
    }
    if (~strtoull(prm, NULL, 16) & it->needs_caps) {
        snprintf(why, 200, "capabilities %llx are not all held here", (unsigned long long)it->needs_caps);
        return false;
    }
    if (it->prepare == is_in_user_namespace) {
        pid_t pid = fork();
        int status_ = -1;
        if (pid == 0)
            _exit(user_namespace() ? 0 : 1);
        while (waitpid(pid, &status_, 0) < 0 && errno == EINTR)
            ;
        if (status_) {
            snprintf(why, 200, "no user namespace here");
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    double_scenes();
    bool all = false;
    char *table = NULL;
    struct fault one;
    bool only_one = false, first = false;
    const char *scene_chosen = getenv("EC_SCENE");
    for (int at = 1; at < argc; at++) {
        if (!strcmp(argv[at], "--all")) {
            all = true;
        } else if (!strcmp(argv[at], "--first")) {
            first = true;
        } else if (!strcmp(argv[at], "--table") && at + 1 < argc) {
            table = argv[++at];
        } else if (!strcmp(argv[at], "--scene") && at + 1 < argc) {
            scene_chosen = argv[++at];
        } else if (!strcmp(argv[at], "--one") && parse_fault(argv + at + 1, argc - at - 1, &one)) {
            only_one = true;
            break;
        } else {
            fprintf(stderr,
                    "usage: faults [--all] [--first] [--scene NAME] [--table FILE] [--one SCENE WHERE CALL N HOW [from]]\n");
            return 2;
        }
    }
    if (!private_users())
        perror("private_users");
    if (!mkdtemp(folder) || chmod(folder, 0755) < 0) {
        perror(folder);
        return 1;
    }
    struct sigaction action = {.sa_handler = tick};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval timer = {{0, 10000}, {0, 10000}};
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 70;
    setitimer(ITIMER_REAL, &timer, NULL);

    if (only_one) {
        char name[200];
        verbose = true;
        fault_name(&one, name, sizeof name);
        struct result result = run_one(&one);
        printf("%s: %s, %u ms: %s\n", name, outcome_names[result.outcome], result.milliseconds, result.text);
        rmdir(folder);
        return result.outcome == BETWEEN || result.outcome == HANG;
    }

    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    unsigned scenes_run = 0;
    for (size_t at = 0; at < LEN(scenes); at++) {
        char why[200], name[200];
        if (scene_chosen && strcmp(scene_chosen, scenes[at].name))
            continue;
        scene = &scenes[at];
        if (!can_run(scene, why)) {
            printf("SKIP faults in \"%s\": %s\n", scene->name, why);
            continue;
        }
        scenes_run++;
        snprintf(name, sizeof name, "a run of \"%s\" without a fault (%s)", scene->name, scene->what);
        bool done = true;
        for (int time = 0; time < 3 && done; time++) {
            struct catalog catalog = {0};
            struct result result = run(NULL, &catalog);
            merge(&catalogs[at], &catalog);
            done = result.outcome == DONE;
            if (!done)
                fails(name, result.text);
        }
        /* a list that lacks the plan's own calls would make for an empty test */
        if (done && !uses(&catalogs[at], ALL_OTHERS, KEY(SYS_capset, 0)))
            fails(name, "no capset was seen in another thread");
        else if (done && scene->rehearsed && !uses(&catalogs[at], REHEARSAL, KEY(SYS_capset, 0)))
            fails(name, "no capset was seen in the rehearsal");
        else if (done && !scene->rehearsed && strncmp(scene->name, "userns", 6) &&
                 uses(&catalogs[at], REHEARSAL, KEY(SYS_capset, 0)))
            fails(name, "there is a rehearsal, though there is no filter");
        else if (done)
            printf("ok %s\n", name);
        if (done)
            list_faults((int)at, all);
    }
    if (!all && !first && !scene_chosen) {
        size_t kept = 0;
        for (size_t at = 0; at < faults_len; at++)
            if (at % 5 < 2)
                faults[kept++] = faults[at];
        faults_len = kept;
    }
    fflush(stdout);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);

    struct board *board = mmap(NULL, sizeof *board + faults_len * sizeof board->results[0], PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED)
        return 70;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    pid_t workers[16];
    /* twice as many, since some faults are waited for */
    int workers_len = cores < 1 ? 2 : cores > 8 ? 16 : 2 * (int)cores;
    for (int at = 0; at < workers_len; at++) {
        workers[at] = fork();
        if (workers[at])
            continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED)
            _exit(70);
        setitimer(ITIMER_REAL, &timer, NULL);
        for (size_t next; !board->stopped && (next = __atomic_fetch_add(&board->next, 1, __ATOMIC_SEQ_CST)) < faults_len;) {
            board->results[next].outcome = HANG; /* should the tracer itself die */
            strcpy(board->results[next].text, "the tracer has died");
            board->results[next] = run_one(&faults[next]);
            if (first && (board->results[next].outcome == BETWEEN || board->results[next].outcome == HANG))
                board->stopped = true;
        }
        _exit(0);
    }
    for (int at = 0; at < workers_len; at++)
        while (waitpid(workers[at], NULL, 0) < 0 && errno == EINTR)
            ;
    rmdir(folder);

    FILE *out = table ? fopen(table, "w") : NULL;
    if (out)
        fprintf(out, "scene\twhere\tcall\tn\thow\tfrom\toutcome\tms\tmore\n");
    unsigned counts[WHERES][OUTCOMES] = {{0}}, totals[OUTCOMES] = {0};
    unsigned by_scene[LEN(scenes)][OUTCOMES] = {{0}};
    for (size_t at = 0; at < faults_len; at++) {
        const struct fault *fault = &faults[at];
        struct result *result = &board->results[at];
        if (at >= board->next && board->stopped) {
            result->outcome = NOT_REACHED;
        } else if (at >= board->next) {
            result->outcome = HANG;
            strcpy(result->text, "not tried: the tracers have died");
        }
        for (char *c = result->text; *c; c++)
            if (*c == '\n' || *c == '\t')
                *c = ' ';
        counts[fault->where][result->outcome]++;
        by_scene[fault->scene][result->outcome]++;
        totals[result->outcome]++;
        if (result->outcome == BETWEEN || result->outcome == HANG) {
            char name[200], why[512];
            fault_name(fault, name, sizeof name);
            snprintf(why, sizeof why, "%s: %s", outcome_names[result->outcome], result->text);
            fails(name, why);
        }
        if (out) {
            fprintf(out, "%s\t%s\t%s\t%u\t", scenes[fault->scene].name, where_names[fault->where], key_name(fault->key),
                    fault->n);
            fprintf(out, "%s\t%s\t%s\t%u\t%s\n", way_name(fault->way), fault->from ? "from" : "once",
                    outcome_names[result->outcome], result->milliseconds, result->text);
        }
    }
    if (out)
        fclose(out);
    if (shown > 40)
        printf("… and %u more\n", shown - 40);
    for (size_t at = 0; at < LEN(scenes); at++) {
        unsigned *count = by_scene[at];
        unsigned tried = count[DONE] + count[UNCHANGED] + count[DEAD] + count[LIBC] + count[BETWEEN] + count[HANG];
        if (tried && !count[BETWEEN] && !count[HANG])
            printf("ok faults in \"%s\": %u tried, %u done, %u unchanged, %u dead, %u dead in libc\n", scenes[at].name, tried,
                   count[DONE], count[UNCHANGED], count[DEAD], count[LIBC]);
    }
    unsigned tried = totals[DONE] + totals[UNCHANGED] + totals[DEAD] + totals[LIBC] + totals[BETWEEN] + totals[HANG];
    printf("faults  %-10s %6s %6s %9s %6s %8s %10s %5s\n", "where", "tried", "done", "unchanged", "dead", "in libc", "in between",
           "hang");
    for (int at = 0; at < WHERES; at++) {
        unsigned *count = counts[at];
        printf("faults  %-10s %6u %6u %9u %6u %8u %10u %5u\n", where_names[at],
               count[DONE] + count[UNCHANGED] + count[DEAD] + count[LIBC] + count[BETWEEN] + count[HANG], count[DONE],
               count[UNCHANGED], count[DEAD], count[LIBC], count[BETWEEN], count[HANG]);
    }
    printf("faults: %u tried, %u done, %u unchanged, %u dead, %u dead in libc before any change, %u in between, %u hangs "
           "(%u more not reached; %u scenes, %ld s)\n",
           tried, totals[DONE], totals[UNCHANGED], totals[DEAD], totals[LIBC], totals[BETWEEN], totals[HANG], totals[NOT_REACHED],
           scenes_run, since(&start) / 1000);
    if (!scene_chosen && !first && scenes_run == LEN(scenes) && tried < (all ? 12000 : 6000))
        fails("faults: at least 6,000, or 12,000 of all", "fewer were tried");
    if (!scenes_run)
        fails("faults", "no scene could be run");
    return failures != 0;
}
