/* The floor: every thread is parked once by one signal, the caller makes the system calls of the drop, lets the others go,
 * and they make them too. No look before, no look back, no rehearsal, no deadline, no care for anything unusual: no way to
 * drop that stops all threads before the first change can do less. */

#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct account account;
static unsigned last_cap;
static uint64_t bounding;

/* Each on a cache line of its own. */
/* How many wait for each that has been let go. All at once, they would stand in each other's way; one by one, a core would have
 * nothing to do whenever the next is slow to wake. */
enum { FAN = 4 };

#define APART __attribute__((aligned(64)))
static struct {
    atomic_uint parked APART;
    atomic_uint go APART;
    atomic_uint left APART;
    unsigned others APART;
} meeting;

static void set_caps(unsigned caps)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{.effective = caps, .permitted = caps}};
    if (syscall(SYS_capset, &header, data))
        bench_fail("floor: capset");
}

static void drop(void)
{
    if (syscall(SYS_setgroups, account.n, account.groups) || syscall(SYS_setresgid, account.gid, account.gid, account.gid) ||
        syscall(SYS_prctl, PR_SET_KEEPCAPS, 1, 0, 0, 0) || syscall(SYS_setresuid, account.uid, account.uid, account.uid))
        bench_fail("floor: ids");
    set_caps(1 << CAP_SETPCAP | 1 << DROP_CAP);
    for (unsigned cap = 0; cap <= last_cap; cap++) {
        if (bounding >> cap & 1 && syscall(SYS_prctl, PR_CAPBSET_DROP, cap, 0, 0, 0))
            bench_fail("floor: bounding");
    }
    if (syscall(SYS_prctl, PR_SET_KEEPCAPS, 0, 0, 0, 0))
        bench_fail("floor: keep-caps");
    set_caps(1 << DROP_CAP);
    if (syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        bench_fail("floor: no_new_privs");
}

static void futex_wait(atomic_uint *word, unsigned value) { syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0); }

static void futex_wake(atomic_uint *word, unsigned n) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0); }

static void park(int signal)
{
    (void)signal;
    int before = errno;
    if (atomic_fetch_add(&meeting.parked, 1) + 1 == meeting.others)
        futex_wake(&meeting.parked, 1);
    while (atomic_load_explicit(&meeting.go, memory_order_acquire) == 0)
        futex_wait(&meeting.go, 0);
    drop();
    futex_wake(&meeting.go, FAN);
    if (atomic_fetch_add(&meeting.left, 1) + 1 == meeting.others)
        futex_wake(&meeting.left, 1);
    errno = before;
}

void way_prepare(void)
{
    /* What is the same for all is no part of the floor. */
    while (prctl(PR_CAPBSET_READ, last_cap + 1, 0, 0, 0) >= 0)
        last_cap++;
    for (unsigned cap = 0; cap <= last_cap; cap++) {
        if (cap != DROP_CAP && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
            bounding |= UINT64_C(1) << cap;
    }
    struct sigaction action = {.sa_handler = park, .sa_flags = SA_RESTART | SA_ONSTACK};
    if (sigaction(SIGRTMIN, &action, NULL))
        bench_fail("floor: sigaction");
}

struct entry {
    uint64_t ino;
    int64_t off;
    uint16_t len;
    uint8_t type;
    char name[];
};

void way_drop(void)
{
    static char names[32 << 10] __attribute__((aligned(8)));
    static pid_t tids[64 << 10];
    account_find(&account);
    pid_t pid = getpid(), self = gettid();
    int tasks = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tasks < 0)
        bench_fail("floor: /proc/self/task");
    unsigned n = 0;
    long got;
    while ((got = syscall(SYS_getdents64, tasks, names, sizeof names)) > 0) {
        for (long at = 0; at < got; at += ((struct entry *)(names + at))->len) {
            pid_t tid = 0;
            for (const char *digit = ((struct entry *)(names + at))->name; *digit >= '0' && *digit <= '9'; digit++)
                tid = tid * 10 + (*digit - '0');
            if (tid != 0 && tid != self && n < sizeof tids / sizeof tids[0])
                tids[n++] = tid;
        }
    }
    close(tasks);
    meeting.others = n;
    for (unsigned i = 0; i < n; i++) {
        if (syscall(SYS_tgkill, pid, tids[i], SIGRTMIN))
            bench_fail("floor: tgkill");
    }
    for (unsigned seen; (seen = atomic_load(&meeting.parked)) < n;)
        futex_wait(&meeting.parked, seen);
    drop();
    atomic_store(&meeting.go, 1);
    futex_wake(&meeting.go, FAN);
    for (unsigned seen; (seen = atomic_load(&meeting.left)) < n;)
        futex_wait(&meeting.left, seen);
}
