/* Situations: threads that hold something else than the caller: credentials, a seccomp filter, a root directory. */

#include "policy_of.h"
#include "situations_threads.h"

#include <linux/futex.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

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

static void keeps_one(void) { raw_drop(ECUSER_UID, BIT(10)); }
static void keeps_none(void) { raw_drop(ECUSER_UID, 0); }
static void becomes_another(void) { raw_drop(65534, BIT(10)); }

static void make_dropped_thread(void) { changed_thread(2, keeps_one); }
static void make_bare_thread(void) { changed_thread(2, keeps_none); }
static void make_other_thread(void) { changed_thread(2, becomes_another); }

static long filtered_call, filtered_argument;
static unsigned filter_action;

static void filters_itself(void) { filter(filtered_call, filtered_argument, filter_action, false); }

static void make_filter(long call, long argument, unsigned action)
{
    filtered_call = call;
    filtered_argument = argument;
    filter_action = action;
    /* More than the caller looks after at a time: the filtered one is the last. */
    changed_thread(80, filters_itself);
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

/* A leader would stay in the list of threads as a zombie. */
static void killed_amid_beside(void)
{
    make_vfork_for_a_while();
    go_through_beside();
}

/* The others wait for longer than they sleep before they look whether the caller is still there. */
static int drop_with_a_filter(void)
{
    filter(SYS_uname, -1, SECCOMP_RET_ERRNO | EPERM, false);
    return drop();
}

static void make_filter_futex(void) { make_filter(SYS_futex, -1, SECCOMP_RET_ERRNO | EPERM); }

static char new_root[] = "/tmp/ec-situations.XXXXXX";

static void unshares_fs(void) { require(unshare(CLONE_FS) == 0, "unshare"); }

static void make_unshared_fs(void)
{
    require(mkdtemp(new_root) != NULL && chmod(new_root, 0755) == 0, "mkdtemp");
    changed_thread(2, unshares_fs);
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

static void unshares_files(void)
{
    require(unshare(CLONE_FILES) == 0, "unshare");
    for (int fd = 3; fd < 64; fd++)
        close(fd);
}

static void make_unshared_files(void) { changed_thread(2, unshares_files); }

void situations_of_other_credentials(void)
{
    static const struct situation all[] = {
        SITUATION("a thread has dropped by itself, to just what is asked for", .make = make_dropped_thread, .outcomes = DONE,
                  .threads = 4),
        SITUATION("a thread has dropped by itself, and holds less than is asked for", .make = make_bare_thread,
                  REFUSED_FOR_THREAD("holds other credentials than the caller and cannot be changed")),
        SITUATION("a thread has become another user, and cannot change back", .needs_ids = true, .make = make_other_thread,
                  REFUSED_FOR_THREAD("holds other credentials than the caller and cannot be changed")),
        SITUATION("a thread's own seccomp filter refuses capset", .make = make_filter_capset, .outcomes = GONE,
                  .names_thread = true, .says = {"EPERM", "from capset"}),
        SITUATION("a thread's own seccomp filter refuses PR_CAPBSET_DROP", .make = make_filter_bounding, .outcomes = GONE,
                  .names_thread = true, .says = {"EPERM", "PR_CAPBSET_DROP"}),
        SITUATION("a thread's own seccomp filter pretends that PR_SET_NO_NEW_PRIVS worked", .make = make_filter_lies,
                  .outcomes = GONE, .names_thread = true, .says = {"no effect of", "PR_SET_NO_NEW_PRIVS"}),
        SITUATION("a thread's own seccomp filter kills the thread at capset", .make = make_filter_kills_thread,
                  .call = refusable_drop, .outcomes = GONE, .names_thread = true, .says = {"was killed while it was stopped"}),
        SITUATION("a thread's own seccomp filter kills the thread when it looks at itself", .make = make_filter_kills_look,
                  .call = refusable_drop, .outcomes = DONE | REFUSED, .status = EC_SECURITY_ETHREAD, .threads = 3),
        SITUATION("a thread's own seccomp filter refuses that it looks at itself", .make = make_filter_refuses_look,
                  .outcomes = DONE, .threads = 4),
        SITUATION("the calling thread's own seccomp filter kills it while the others are parked", .make = make_vfork_for_a_while,
                  .call = drop_killed_amid, .outcomes = GONE, .names_thread = true, .says = {"it is the one that called"}),
        SITUATION("the calling thread is not the leader, and its own seccomp filter kills it while the others are parked",
                  .body = killed_amid_beside, .call = drop_killed_amid, .outcomes = GONE, .names_thread = true,
                  .says = {"it is the one that called"}),
        SITUATION("the calling thread has a seccomp filter, and others wait long for one that comes late",
                  .make = make_vfork_for_a_while, .call = drop_with_a_filter, .outcomes = DONE, .threads = 4),
        SITUATION("a thread's own seccomp filter refuses futex", .make = make_filter_futex, .outcomes = DONE,
                  .fields = FIELDS_ALL, .threads = 4),
        SITUATION("a thread has unshared root and working directory, with chroot", .make = make_unshared_fs,
                  .call = drop_with_root, .after = roots_are_alike, .outcomes = DONE, .threads = 4),
        SITUATION("a thread has unshared its descriptors and closed them", .make = make_unshared_files, .outcomes = DONE,
                  .threads = 4),
    };
    for (size_t at = 0; at < sizeof all / sizeof *all; at++)
        situation(&all[at]);
}
