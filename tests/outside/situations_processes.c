/* Situations that the process itself is in: its /proc, its namespaces, its parents, its seccomp filter, its securebits. */

#include "policy_of.h"
#include "situations.h"

#include <dlfcn.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- /proc ---------------------------------------------------------------------------------------------------------------- */

static void hide_proc(void)
{
    require(private_mounts(), "a mount namespace");
    /* Covered, where it cannot be taken away: a namespace below the one that mounted it. */
    if (umount2("/proc", MNT_DETACH) < 0)
        require(mount("none", "/proc", "tmpfs", 0, NULL) == 0, "mount over /proc");
}

static void hide_proc_and_have_threads(void)
{
    hide_proc();
    idle_threads(2);
}

static void sleep_for_ever(void)
{
    for (;;)
        pause();
}

/* The caller is process 1 of a new namespace; /proc is that of the one outside, unless its own is mounted. */
static void foreign_proc(void (*make)(void), bool mounts)
{
    int pipes[2];
    require(pipe(pipes) == 0, "pipe");
    pid_t middle = fork();
    if (middle == 0) {
        require(unshare(CLONE_NEWPID) == 0, "unshare(CLONE_NEWPID)");
        pid_t inner = fork(); /* its number as seen from here: the namespace outside */
        if (inner > 0) {
            if (write(pipes[1], &inner, sizeof inner) != sizeof inner)
                _exit(76);
            sleep_for_ever();
        }
        require(inner == 0, "fork");
        if (mounts)
            require(private_mounts() && mount("proc", "/proc", "proc", 0, NULL) == 0, "mount of /proc");
        if (make)
            make();
        wait_for(&shared->flag, 1);
        go_through();
        park_forever();
    }
    pid_t inner;
    require(read(pipes[0], &inner, sizeof inner) == sizeof inner, "the number of the inner process");
    shared->subject = inner;
    shared->flag = 1;
    sleep_for_ever();
}

static pid_t number_outside(void)
{
    char text[16] = "";
    require(readlink("/proc/self", text, sizeof text - 1) > 0, "readlink of /proc/self");
    return (pid_t)strtol(text, NULL, 10);
}

/* The numbers that /proc has for the caller's threads are those of other threads of its own. */
static void foreign_proc_with_the_same_numbers(void)
{
    int pipes[2];
    require(pipe(pipes) == 0, "pipe");
    if (fork() == 0) {
        require(unshare(CLONE_NEWPID) == 0, "unshare(CLONE_NEWPID)");
        if (fork() == 0) {
            FILE *last = fopen("/proc/sys/kernel/ns_last_pid", "w");
            require(last && fprintf(last, "%d", number_outside() + 20) > 0 && fclose(last) == 0, "ns_last_pid");
            if (fork() == 0) {
                pid_t number = number_outside();
                require(write(pipes[1], &number, sizeof number) == sizeof number, "write to the pipe");
                idle_threads(60);
                wait_for(&shared->flag, 1);
                go_through();
                park_forever();
            }
        }
        sleep_for_ever();
    }
    require(read(pipes[0], &shared->subject, sizeof shared->subject) == sizeof shared->subject, "the number of the caller");
    shared->flag = 1;
    sleep_for_ever();
}

static void two_threads(void) { idle_threads(2); }
static void foreign_proc_threads(void) { foreign_proc(two_threads, false); }
static void foreign_proc_alone(void) { foreign_proc(NULL, false); }
static void own_proc_threads(void) { foreign_proc(two_threads, true); }

static void next_number(pid_t number)
{
    FILE *last = fopen("/proc/sys/kernel/ns_last_pid", "we");
    require(last && fprintf(last, "%d", number - 1) > 0 && fclose(last) == 0, "ns_last_pid");
}

/* Numbers with the same lower bits, more of them than those of two threads. */
static void numbers_alike(void)
{
    for (pid_t number = 1000; number < 1000 + 5 * 4096; number += 4096) {
        next_number(number);
        idle_threads(1);
        require(state_of(getpid(), number), "a thread with a number of one's choice");
    }
}

static void own_proc_numbers_alike(void) { foreign_proc(numbers_alike, true); }

/* A thread ends when it has its signal, and another gets its number; both that one and whoever creates it hear the signal late, so that
 * the caller has noticed the end. In a namespace of its own, since nobody else may take the number. */
static volatile pid_t number_of_ended, number_of_successor;

static void set_mask(uint64_t mask) { require(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8) == 0, "rt_sigprocmask"); }

static void *ends_with_its_signal(void *unused)
{
    set_mask(UINT64_MAX);
    number_of_ended = gettid_raw();
    for (uint64_t waiting = 0; !waiting;)
        require(syscall(SYS_rt_sigpending, &waiting, 8) == 0, "rt_sigpending");
    return unused;
}

static void *gets_its_number(void *unused)
{
    (void)unused;
    number_of_successor = gettid_raw();
    set_mask(0);
    return wait_forever();
}

static volatile bool is_deaf;

static void *gives_number_away(void *unused)
{
    (void)unused;
    set_mask(UINT64_MAX);
    is_deaf = true;
    while (state_of(getpid(), number_of_ended))
        nap(1);
    nap(50);
    next_number(number_of_ended);
    thread(gets_its_number, NULL);
    while (!number_of_successor)
        nap(1);
    if (number_of_successor != number_of_ended)
        complain("the successor of %d got %d", number_of_ended, number_of_successor);
    set_mask(0);
    return wait_forever();
}

static void number_changes_hands(void)
{
    idle_threads(2);
    thread(ends_with_its_signal, NULL);
    while (!number_of_ended)
        nap(1);
    thread(gives_number_away, NULL);
    while (!is_deaf)
        nap(1);
}

static void own_proc_same_number(void) { foreign_proc(number_changes_hands, true); }

/* --- children ---------------------------------------------------------------------------------------------------------------- */

enum way { FORK, UNDERSCORE_FORK, RAW_CLONE };

static pid_t child_by(enum way way)
{
    static pid_t (*underscore_fork)(void);
    switch (way) {
    case FORK:
        return fork();
    case UNDERSCORE_FORK:
        *(void **)&underscore_fork = dlsym(RTLD_DEFAULT, "_Fork");
        return underscore_fork ? underscore_fork() : -1;
    case RAW_CLONE:
        return fork_with(0);
    }
    return -1;
}

static const char *no_underscore_fork(void)
{
    return dlsym(RTLD_DEFAULT, "_Fork") ? NULL : "this libc has no _Fork (glibc 2.34)";
}

/* A child of a process with threads makes the call; the parent must stay as it is. */
static void in_child_by(enum way way, bool used_before)
{
    idle_threads(2);
    if (used_before)
        require(stop_all() == EC_SECURITY_OK, "the first use");
    pid_t pid = child_by(way);
    require(pid >= 0, "fork");
    if (pid == 0) {
        /* fork(3) gives a child that may have threads again; the other ways say nothing about that. */
        if (way == FORK)
            idle_threads(2);
        wait_for(&shared->flag, 1);
        go_through();
        park_forever();
    }
    shared->subject = pid;
    shared->tid = getpid();
    shared->flag = 1;
    for (;;)
        pause();
}

static void fork_before(void) { in_child_by(FORK, false); }
static void fork_after(void) { in_child_by(FORK, true); }
static void underscore_before(void) { in_child_by(UNDERSCORE_FORK, false); }
static void underscore_after(void) { in_child_by(UNDERSCORE_FORK, true); }
static void clone_before(void) { in_child_by(RAW_CLONE, false); }
static void clone_after(void) { in_child_by(RAW_CLONE, true); }

static void parent_is_as_before(pid_t pid)
{
    (void)pid;
    struct process *parent = look(shared->tid);
    struct process *self = look(getpid()); /* the test itself, of which the parent is a copy */
    expect_threads(parent, &self->threads[0], FIELDS_ALL, 3);
}

static void *stops_always(void *unused)
{
    (void)unused;
    for (;;) {
        if (stop_all() != EC_SECURITY_OK)
            complain("stop_all: %s", ec_security_last_error());
        shared->count++;
    }
    return NULL;
}

/* Children made while a call is under way in another thread: what that has begun is not theirs. */
static void forks_amid_calls(void)
{
    idle_threads(2);
    thread(stops_always, NULL);
    while (shared->count < 3)
        nap(1);
    for (int at = 0; at < 60; at++) {
        pid_t pid = child_by(at & 1 ? FORK : RAW_CLONE);
        require(pid >= 0, "fork");
        if (pid == 0)
            _exit(drop_within("5") == EC_SECURITY_OK ? 0 : 1);
        int status;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            complain("child %d, forked amid a call: wait status %x", at, (unsigned)status);
    }
}

/* --- user namespaces ---------------------------------------------------------------------------------------------------------- */

const char *no_user_namespace(void) { return child_can(user_namespace) ? NULL : "no user namespace can be made here"; }

/* Reads its own state, which is what the test compares with: only the sets are to change. */
static void want_as_it_is(uint64_t caps)
{
    shared->have_want = true;
    shared->want = look(getpid())->threads[0];
    shared->want.eff = shared->want.prm = caps;
    shared->want.inh = 0;
    shared->want.bnd = bounding_after(&look(getpid())->threads[0], caps, 0);
    shared->want.nnp = 1;
    shared->want.groups_len = 0; /* not compared: the list is in this process's memory */
}

static void in_setgroups_denied(void)
{
    require(user_namespace_of(true, true), "a user namespace");
    idle_threads(2);
    want_as_it_is(BIT(10));
}

static void in_single_id(void)
{
    require(user_namespace_of(true, false), "a user namespace");
    idle_threads(2);
}

static int own_user_with_groups_denied(void)
{
    /* What already is so needs no call: the list is that of the namespace's maker, and stays. */
    return ec_security_apply(NULL, "0", "cap_net_bind_service+ep");
}

static int other_groups(void) { return apply_of((const char *const[]){"supplemental_groups", "0 1 2 3", NULL}); }
static int unmapped_user(void) { return ec_security_apply("4711", "0", ""); }
static int unmapped_group(void) { return ec_security_apply(NULL, "4712", ""); }

/* --- securebits ---------------------------------------------------------------------------------------------------------------- */

static void with_bits(unsigned bits)
{
    idle_threads(0);
    require(prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) == 0, "PR_SET_SECUREBITS");
    idle_threads(2);
}

static const char *no_setpcap(void) { return prctl(PR_CAPBSET_READ, 8) == 1 ? NULL : "no CAP_SETPCAP here"; }

static void bits_noroot(void) { with_bits(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED); }
static void bits_noroot_off(void) { with_bits(SECBIT_NOROOT_LOCKED); }
static void bits_no_fixup(void) { with_bits(SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED); }
static void bits_no_fixup_off(void) { with_bits(SECBIT_NO_SETUID_FIXUP_LOCKED); }
static void bits_keep_on(void) { with_bits(SECBIT_KEEP_CAPS | SECBIT_KEEP_CAPS_LOCKED); }
static void bits_keep_off(void) { with_bits(SECBIT_KEEP_CAPS_LOCKED); }
static void bits_ambient(void) { with_bits(SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED); }
static void bits_ambient_off(void) { with_bits(SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED); }

static int ambient_drop(void)
{
    return apply_of((const char *const[]){"user", ids() ? "ecuser" : NULL, "capabilities", "cap_net_bind_service+ep", "ambient",
                                          "cap_net_bind_service", NULL});
}

static int bits_drop(void) { return apply_of((const char *const[]){"securebits", "noroot noroot_locked", NULL}); }

/* --- filters of the whole process ---------------------------------------------------------------------------------------------- */

static void filtered(long number, long argument, unsigned action)
{
    idle_threads(2);
    filter(number, argument, action, true);
}

static void kills_at_capset(void) { filtered(SYS_capset, -1, SECCOMP_RET_KILL_PROCESS); }
static void kills_at_nnp(void) { filtered(SYS_prctl, PR_SET_NO_NEW_PRIVS, SECCOMP_RET_KILL_PROCESS); }
static void kills_thread_at_capset(void) { filtered(SYS_capset, -1, SECCOMP_RET_KILL_THREAD); }
static void traps_at_capset(void) { filtered(SYS_capset, -1, SECCOMP_RET_TRAP); }

/* As a broker does; what it answers with is the number of the call, which is where the result is to be. */
static void answers_for_the_kernel(int signal) { shared->count += signal == SIGSYS; }

static void traps_at_getppid(void)
{
    struct sigaction broker = {.sa_handler = answers_for_the_kernel};
    require(sigaction(SIGSYS, &broker, NULL) == 0, "sigaction");
    filtered(SYS_getppid, -1, SECCOMP_RET_TRAP);
}

static void was_asked(void)
{
    if (shared->count == 0)
        complain("the handler was not asked");
}
static void refuses_capset(void) { filtered(SYS_capset, -1, SECCOMP_RET_ERRNO | EACCES); }
static void lies_at_capset(void) { filtered(SYS_capset, -1, SECCOMP_RET_ERRNO | 0); }
static void lies_at_setresuid(void) { filtered(SYS_setresuid, -1, SECCOMP_RET_ERRNO | 0); }
/* What comes before the first step: arming a timer, asking for no core dump, asking for a filter. */
static void kills_twice_and_refuses_capset(void)
{
    filtered(SYS_prctl, PR_SET_DUMPABLE, SECCOMP_RET_KILL_PROCESS);
    filter(SYS_capset, -1, SECCOMP_RET_ERRNO | EACCES, true);
    filter(SYS_prctl, PR_GET_SECCOMP, SECCOMP_RET_KILL_PROCESS, true);
}
/* The ids stay, so that nobody has to put the dumpable flag back. */
static int drop_capabilities(void) { return ec_security_apply(NULL, NULL, "cap_chown+ep"); }
static void kills_at_timer(void) { filtered(SYS_timer_create, -1, SECCOMP_RET_KILL_PROCESS); }
static void refuses_timers(void)
{
    filtered(SYS_timer_create, -1, SECCOMP_RET_ERRNO | EACCES);
    filter(SYS_setitimer, -1, SECCOMP_RET_ERRNO | EACCES, true);
}
static void refuses_clone(void) { filtered(SYS_clone, -1, SECCOMP_RET_ERRNO | EPERM); }
static void refuses_signals(void) { filtered(SYS_rt_tgsigqueueinfo, -1, SECCOMP_RET_ERRNO | ENOSYS); }

/* The calling thread's own: what runs in others needs to know who it is. */
static void says_pid_0(void) { filter(SYS_getpid, -1, SECCOMP_RET_ERRNO | 0, false); }
static void says_tid_0(void) { filter(SYS_gettid, -1, SECCOMP_RET_ERRNO | 0, false); }

/* --- again ---------------------------------------------------------------------------------------------------------------------- */

static void drop_once(const char *caps)
{
    idle_threads(2);
    if (ec_security_apply(ids() ? "ecuser" : NULL, NULL, caps) != EC_SECURITY_OK)
        require(false, ec_security_last_error());
}

static void with_two_capabilities(void)
{
    drop_once("cap_net_bind_service,cap_chown+ep");
    /* The bounding set stays: CAP_SETPCAP has gone with the first call. */
    want_as_it_is(BIT(10));
}

static void with_one_capability(void) { drop_once("cap_net_bind_service+ep"); }

void situations_of_processes(void)
{
    static const struct situation all[] = {
        SITUATION("no /proc, one thread", .make = hide_proc, .outcomes = DONE, .user = "4711", .group = "4712", .needs_ids = true,
                  .fields = FIELDS_ALL & ~FIELD_GROUPS),
        SITUATION("no /proc, more threads", .make = hide_proc_and_have_threads, .outcomes = REFUSED, .status = EC_SECURITY_EPROC,
                  .says = {"/proc", "mount"}),
        SITUATION("/proc of another pid namespace, more threads", .body = foreign_proc_threads, .outcomes = REFUSED,
                  .status = EC_SECURITY_EPROC, .says = {"another pid namespace"}),
        SITUATION("/proc of another pid namespace, which has the same numbers for other threads",
                  .body = foreign_proc_with_the_same_numbers, .outcomes = REFUSED, .status = EC_SECURITY_EPROC,
                  .says = {"another pid namespace"}),
        SITUATION("/proc of another pid namespace, one thread", .body = foreign_proc_alone, .outcomes = DONE),
        SITUATION("a pid namespace of its own, with its /proc", .body = own_proc_threads, .outcomes = DONE, .threads = 3),
        SITUATION("threads whose numbers have the same lower bits", .body = own_proc_numbers_alike, .outcomes = DONE,
                  .threads = 6),
        SITUATION("a thread ends during the call, and its number is given to a new one", .body = own_proc_same_number,
                  .outcomes = DONE, .threads = 5),
        SITUATION("a child of fork, before a first use", .body = fork_before, .after = parent_is_as_before, .outcomes = DONE,
                  .threads = 3),
        SITUATION("a child of fork, after a first use", .body = fork_after, .after = parent_is_as_before, .outcomes = DONE,
                  .threads = 3),
        SITUATION("a child of _Fork, before a first use", .cannot = no_underscore_fork, .body = underscore_before,
                  .after = parent_is_as_before, .outcomes = DONE),
        SITUATION("a child of _Fork, after a first use", .cannot = no_underscore_fork, .body = underscore_after,
                  .after = parent_is_as_before, .outcomes = DONE),
        SITUATION("a child of raw clone, before a first use", .body = clone_before, .after = parent_is_as_before,
                  .outcomes = DONE),
        SITUATION("a child of raw clone, after a first use", .body = clone_after, .after = parent_is_as_before, .outcomes = DONE),
        SITUATION("children forked amid calls of another thread", .make = forks_amid_calls, .outcomes = DONE, .threads = 4),
        SITUATION("a second call that narrows", .make = with_two_capabilities, .outcomes = DONE, .threads = 3,
                  .fields = FIELDS_ALL & ~FIELD_GROUPS),
        SITUATION("a second call that widens", .make = with_one_capability, .caps = "cap_net_bind_service,cap_chown+ep",
                  .outcomes = REFUSED, .status = EC_SECURITY_ECAPABILITY, .says = {"cap_chown"}),
        SITUATION("a second call for another user", .needs_ids = true, .make = with_one_capability, .user = "nobody",
                  .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED, .says = {"cap_setgid", "not held"}),
        SITUATION("a user namespace that denies setgroups", .cannot = no_user_namespace, .make = in_setgroups_denied,
                  .call = other_groups, .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED, .says = {"setgroups"}),
        SITUATION("a user namespace that denies setgroups, where the list stays", .cannot = no_user_namespace,
                  .make = in_setgroups_denied, .call = own_user_with_groups_denied, .outcomes = DONE, .threads = 3,
                  .fields = FIELDS_ALL & ~FIELD_GROUPS),
        SITUATION("a user namespace without the user", .cannot = no_user_namespace, .make = in_single_id, .call = unmapped_user,
                  .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED),
        SITUATION("a user namespace without the group", .cannot = no_user_namespace, .make = in_single_id, .call = unmapped_group,
                  .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED, .says = {"setresgid"}),
        SITUATION("securebit noroot locked on", .cannot = no_setpcap, .make = bits_noroot, .outcomes = DONE, .threads = 3),
        SITUATION("securebit noroot locked off, and wanted on", .cannot = no_setpcap, .make = bits_noroot_off, .call = bits_drop,
                  .outcomes = REFUSED, .status = EC_SECURITY_ECAPABILITY, .says = {"securebits", "lock"}),
        SITUATION("securebit no_setuid_fixup locked on", .cannot = no_setpcap, .make = bits_no_fixup, .outcomes = DONE,
                  .threads = 3),
        SITUATION("securebit no_setuid_fixup locked off", .cannot = no_setpcap, .make = bits_no_fixup_off, .outcomes = DONE,
                  .threads = 3),
        SITUATION("securebit keep_caps locked on", .cannot = no_setpcap, .make = bits_keep_on, .outcomes = REFUSED,
                  .status = EC_SECURITY_ECAPABILITY, .says = {"keep_caps is locked on"}),
        SITUATION("securebit keep_caps locked off, and a capability to be kept", .needs_ids = true, .cannot = no_setpcap,
                  .make = bits_keep_off, .outcomes = REFUSED, .status = EC_SECURITY_ECAPABILITY,
                  .says = {"keep_caps is locked off"}),
        SITUATION("securebit keep_caps locked off, and nothing to be kept", .cannot = no_setpcap, .make = bits_keep_off,
                  .caps = "", .outcomes = DONE, .threads = 3),
        SITUATION("securebit no_cap_ambient_raise locked on, and an ambient capability wanted", .cannot = no_setpcap,
                  .make = bits_ambient, .call = ambient_drop, .outcomes = REFUSED, .status = EC_SECURITY_ECAPABILITY,
                  .says = {"no_cap_ambient_raise"}),
        SITUATION("securebit no_cap_ambient_raise locked on", .cannot = no_setpcap, .make = bits_ambient, .outcomes = DONE,
                  .threads = 3),
        SITUATION("securebit no_cap_ambient_raise locked off", .cannot = no_setpcap, .make = bits_ambient_off, .outcomes = DONE,
                  .threads = 3),
        SITUATION("the process's seccomp filter kills it at capset", .make = kills_at_capset, .outcomes = REFUSED,
                  .status = EC_SECURITY_EREFUSED, .says = {"capset", "killed", "seccomp"}),
        SITUATION("the process's seccomp filter kills it at PR_SET_NO_NEW_PRIVS", .make = kills_at_nnp, .outcomes = REFUSED,
                  .status = EC_SECURITY_EREFUSED, .says = {"PR_SET_NO_NEW_PRIVS", "killed"}),
        SITUATION("the process's seccomp filter kills the thread at capset", .make = kills_thread_at_capset, .outcomes = REFUSED,
                  .status = EC_SECURITY_EREFUSED, .says = {"capset", "killed"}),
        SITUATION("the process's seccomp filter traps at capset (SIGSYS)", .make = traps_at_capset, .outcomes = REFUSED,
                  .status = EC_SECURITY_EREFUSED, .says = {"capset"}),
        SITUATION("the process's seccomp filter traps at getppid, and a handler answers", .make = traps_at_getppid,
                  .then = was_asked, .outcomes = DONE),
        SITUATION("the process's seccomp filter refuses capset", .make = refuses_capset, .outcomes = REFUSED,
                  .status = EC_SECURITY_EREFUSED, .says = {"capset", "EACCES"}),
        SITUATION("the process's seccomp filter kills it twice before the rehearsal's first step, and refuses capset",
                  .cannot = dumps_end_callers, .make = kills_twice_and_refuses_capset, .call = drop_capabilities,
                  .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED, .says = {"capset", "EACCES"}),
        SITUATION("the process's seccomp filter kills it at timer_create", .cannot = dumps_end_callers, .make = kills_at_timer,
                  .outcomes = DONE, .threads = 3),
        SITUATION("the process's seccomp filter refuses timers", .make = refuses_timers, .outcomes = DONE, .threads = 3),
        SITUATION("the process's seccomp filter pretends that capset worked", .make = lies_at_capset, .outcomes = REFUSED,
                  .status = EC_SECURITY_EREFUSED),
        SITUATION("the process's seccomp filter pretends that setresuid worked", .needs_ids = true, .make = lies_at_setresuid,
                  .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED, .says = {"setresuid", "did not take effect"}),
        SITUATION("the caller's seccomp filter says that its process is 0", .make = says_pid_0, .outcomes = REFUSED,
                  .status = EC_SECURITY_EREFUSED, .says = {"getpid or gettid"}),
        SITUATION("the caller's seccomp filter says that its thread is 0", .make = says_tid_0, .outcomes = REFUSED,
                  .status = EC_SECURITY_EREFUSED, .says = {"getpid or gettid"}),
        SITUATION("the process's seccomp filter refuses clone", .make = refuses_clone, .outcomes = REFUSED,
                  .status = EC_SECURITY_EREFUSED, .says = {"clone"}),
        SITUATION("the process's seccomp filter refuses rt_tgsigqueueinfo", .make = refuses_signals, .outcomes = REFUSED,
                  .status = EC_SECURITY_ETHREAD, .says = {"cannot be signalled", "ENOSYS"}),
    };
    for (size_t at = 0; at < sizeof all / sizeof *all; at++)
        situation(&all[at]);
}
