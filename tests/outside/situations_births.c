/* Situations: threads that are born, end, or take the signal while the call is under way. */

#include "situations_threads.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

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
static void *creates_its_successor(void *over)
{
    mask_all_signals(UINT64_MAX);
    shared->flag = 1;
    nap(2);
    if (*(volatile int *)over)
        shared->flag = 2;
    else
        thread(creates_its_successor, over);
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
static void make_300_and_one_ends(void) { thread_beside(299, ends_with_its_signal, NULL); }

static int drop_within_a_minute(void) { return drop_within("60"); }

/* Takes the signal out of the queue, so that it never gets to the handler. */
static void *takes_the_signal(void *unused)
{
    (void)unused;
    uint64_t setid_signal = UINT64_C(1) << 32;
    mask_all_signals(UINT64_MAX);
    shared->flag = 1;
    require(syscall(SYS_rt_sigtimedwait, &setid_signal, NULL, NULL, 8) == 33, "rt_sigtimedwait");
    shared->count++;
    mask_all_signals(0);
    return wait_forever();
}

static void make_taker(void) { thread_beside(2, takes_the_signal, NULL); }

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
    return wait_forever();
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

static int drop_amid_successors(void)
{
    static volatile int over;
    thread(creates_its_successor, (void *)&over);
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
    return wait_forever();
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

void situations_of_births(void)
{
    static const struct situation all[] = {
        SITUATION("a thread that has ended leaves the list just when another is born", .make = make_births, .then = was_born,
                  .outcomes = DONE, .threads = 3),
        SITUATION("threads that block the signal replace one another, so that never all are stopped", .make = make_some_idle,
                  .call = drop_amid_successors, .outcomes = REFUSED, .status = EC_SECURITY_ETHREAD,
                  .says = {"threads are created faster than they can be stopped"}, .or_says = "did not stop within the deadline"),
        SITUATION("threads stop one after another, all of them later than the deadline", .make = make_one_after_another,
                  .call = drop_one_after_another, .outcomes = REFUSED, .status = EC_SECURITY_ETHREAD,
                  .says = {"did not stop within the deadline"}),
        SITUATION("one of 300 threads ends when it has its signal", .make = make_300_and_one_ends, .call = drop_within_a_minute,
                  .seconds = 30, .outcomes = DONE, .threads = 300),
        SITUATION("a thread takes the set*id signal by a raw rt_sigtimedwait call, once", .make = make_taker, .then = was_taken,
                  .outcomes = DONE, .threads = 4),
    };
    for (size_t at = 0; at < sizeof all / sizeof *all; at++)
        situation(&all[at]);
}
