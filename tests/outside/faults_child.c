/* The process that makes the call, with its threads; see faults.h. */

#include "faults.h"
#include "own_malloc.h"
#include "seccomp.h"

#include <ec_security.h>
#include <errno.h>
#include <elf.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A system call that leaves errno alone. */
#if defined(__x86_64__)
static long raw(long number, long a, long b, long c, long d)
{
    register long r10 __asm__("r10") = d;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
    return result;
}
#elif defined(__aarch64__)
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
#error "the tracee makes no system call of its own on this architecture"
#endif

struct shared *shared;
int seized[2], told[2];

/* Memory is asked for through these, by the library as by libc's lookups. */
static __thread bool counts_memory;

static bool memory_refused(void)
{
    if (!counts_memory)
        return false;
    unsigned n = ++shared->memory;
    if (!shared->memory_n || n < shared->memory_n || (n > shared->memory_n && !shared->memory_from))
        return false;
    return true;
}

/* The orders of the other threads. */
static volatile uint32_t order; /* 1: probe before; 2: probe after */
static volatile uint32_t answered;

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

void child_main(void)
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
