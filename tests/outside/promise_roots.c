/* The root directory is a directory of a mount: a bind mount of it is another, whatever its flags are. */

#include "policy_of.h"
#include "seccomp.h"
#include "situations.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
/* musl before 1.2.4 has no statx. */
#ifndef STATX_INO
#include <linux/stat.h>
#endif

#define LEN(array) (sizeof(array) / sizeof *(array))
/* A file system of this process's own, so that nothing is left behind; its jail is a directory on the machine's root file system. */
#define PLACE "/mnt"
#define JAIL PLACE "/jail"

/* Device, inode and mount of a directory. */
struct place {
    uint64_t inode, mount;
    unsigned major, minor;
};

static bool place_of(const char *path, struct place *out)
{
    struct statx got;
    if (syscall(SYS_statx, AT_FDCWD, path, AT_NO_AUTOMOUNT, STATX_INO | STATX_MNT_ID, &got) < 0 || !(got.stx_mask & STATX_MNT_ID))
        return false;
    *out = (struct place){got.stx_ino, got.stx_mnt_id, got.stx_dev_major, got.stx_dev_minor};
    return true;
}

static const char *no_mount_ids(void)
{
    struct place root;
    return place_of("/", &root) ? NULL : "statx(2) of this kernel tells no mounts (Linux 5.8)";
}

static struct place *wanted; /* shared with the parent */

static void mounted(const char *source, unsigned long flags)
{
    require(private_mounts() && mount("tmpfs", PLACE, "tmpfs", 0, "mode=0755") == 0 && mkdir(JAIL, 0755) == 0,
            "a place to mount on");
    require(mount(source, JAIL, NULL, MS_BIND, NULL) == 0, "a bind mount");
    require(!flags || mount(NULL, JAIL, NULL, MS_REMOUNT | MS_BIND | flags, NULL) == 0, "its flags");
    require(place_of(JAIL, wanted), "statx");
}

static void bind_of_root(unsigned long flags)
{
    mounted("/", flags);
    idle_threads(3);
}

static void plain(void) { bind_of_root(0); }
static void read_only(void) { bind_of_root(MS_RDONLY); }
static void no_suid(void) { bind_of_root(MS_NOSUID); }
static void no_dev(void) { bind_of_root(MS_NODEV); }
static void no_exec(void) { bind_of_root(MS_NOEXEC); }
static void all_flags(void) { bind_of_root(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC); }

static void bind_of_bind(void)
{
    mounted("/", MS_RDONLY);
    require(mkdir(PLACE "/again", 0755) == 0 && mount(JAIL, PLACE "/again", NULL, MS_BIND, NULL) == 0 &&
                mount(NULL, PLACE "/again", NULL, MS_REMOUNT | MS_BIND | MS_NOSUID, NULL) == 0 &&
                place_of(PLACE "/again", wanted),
            "a bind mount of a bind mount");
    idle_threads(3);
}

/* What is mounted on the root directory itself is another mount than the one that the process is in. */
static void over_itself(void)
{
    mounted("/", 0);
    require(mkdir(PLACE "/dir", 0755) == 0 && mount(PLACE "/dir", PLACE "/dir", NULL, MS_BIND, NULL) == 0 &&
                chroot(PLACE "/dir") == 0 && chdir("/") == 0,
            "chroot");
    require(mkdir("/jail", 0755) == 0 && mount("/", "/jail", NULL, MS_BIND, NULL) == 0 &&
                mount(NULL, "/jail", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0 && place_of("/jail", wanted),
            "a bind mount of the root directory in it");
}

/* One thread is in the source already. */
static void enters_the_source(void)
{
    require(unshare(CLONE_FS) == 0 && chroot(PLACE "/dir") == 0 && chdir("/") == 0, "a root directory of its own");
}

static void thread_in_source(void)
{
    require(private_mounts() && mount("tmpfs", PLACE, "tmpfs", 0, "mode=0755") == 0 && mkdir(JAIL, 0755) == 0 &&
                mkdir(PLACE "/dir", 0755) == 0 && mount(PLACE "/dir", JAIL, NULL, MS_BIND, NULL) == 0 &&
                mount(NULL, JAIL, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL) == 0 && place_of(JAIL, wanted),
            "a bind mount");
    changed_thread(2, enters_the_source);
}

static void without_statx(void)
{
    read_only();
    filter(SYS_statx, -1, FAILS_WITH(ENOSYS), true);
}

/* By number: inside of a chroot there are no users. */
static int enter(const char *path)
{
    return apply_of((const char *const[]){"chroot", path, "user", ids() ? "4711" : NULL, "group", ids() ? "4712" : NULL,
                                          "supplemental_groups", ids() ? "4712 4713 4714" : NULL, "capabilities",
                                          "cap_net_bind_service+ep", NULL});
}

static int enter_jail(void) { return enter(JAIL); }
static int enter_again(void) { return enter(PLACE "/again"); }
static int enter_from_within(void) { return enter("/jail"); }

static void roots_are_the_mount(pid_t pid)
{
    struct process *seen = look(pid);
    for (size_t at = 0; at < seen->len; at++) {
        char path[64];
        struct place root = {0}, cwd = {0};
        snprintf(path, sizeof path, "/proc/%d/task/%d/root", pid, seen->threads[at].tid);
        bool there = place_of(path, &root);
        snprintf(path, sizeof path, "/proc/%d/task/%d/cwd", pid, seen->threads[at].tid);
        expect(there && place_of(path, &cwd), "%s: %s: %s", current->name, path, strerror(errno));
        expect(!memcmp(&root, wanted, sizeof root),
               "%s: the root directory of thread %zu is inode %llu of mount %llu, not %llu of %llu", current->name, at,
               (unsigned long long)root.inode, (unsigned long long)root.mount, (unsigned long long)wanted->inode,
               (unsigned long long)wanted->mount);
        expect(!memcmp(&cwd, wanted, sizeof cwd), "%s: the working directory of thread %zu is another", current->name, at);
    }
}

/* Refused late: what was entered is left again, to the mounts that there were. The supervisor refuses the caller alone, once. */
static struct place *had; /* root and working directory */

static void supervised_at(int number)
{
    struct rule rule = CALLS(number, SECCOMP_RET_USER_NOTIF);
    struct supervisor supervisor = {.only = getpid(), .first = 1, .many = 1, .error = EPERM};
    mounted("/", MS_RDONLY);
    require(mkdir(PLACE "/work", 0755) == 0 && mount("/", PLACE "/work", NULL, MS_BIND, NULL) == 0 &&
                chdir(PLACE "/work/bin") == 0,
            "a working directory in a bind mount");
    require(seccomp_supervised(&rule, 1, 0, &supervisor) > 0, "a supervisor");
    require(place_of("/", &had[0]) && place_of(".", &had[1]), "statx");
    idle_threads(2);
}

static void refused_at_setgroups(void) { supervised_at(SYS_setgroups); }
static void refused_at_setresuid(void) { supervised_at(SYS_setresuid); }

static void roots_are_as_before(pid_t pid)
{
    struct process *seen = look(pid);
    for (size_t at = 0; at < seen->len; at++)
        for (int which = 0; which < 2; which++) {
            char path[64];
            struct place is;
            snprintf(path, sizeof path, "/proc/%d/task/%d/%s", pid, seen->threads[at].tid, which ? "cwd" : "root");
            expect(place_of(path, &is) && !memcmp(&is, &had[which], sizeof is), "%s: %s is another", current->name, path);
        }
}

#define ENTERS(what, make_, call_) \
    SITUATION("chroot to a bind mount of the root directory" what, .cannot = no_mount_ids, .make = make_, .call = call_, \
              .after = roots_are_the_mount, .outcomes = DONE)

void promise_of_roots(void)
{
    static const struct situation all[] = {
        ENTERS("", plain, enter_jail),
        ENTERS(", read-only", read_only, enter_jail),
        ENTERS(", nosuid", no_suid, enter_jail),
        ENTERS(", nodev", no_dev, enter_jail),
        ENTERS(", noexec", no_exec, enter_jail),
        ENTERS(", with every flag", all_flags, enter_jail),
        ENTERS(" that is a bind mount itself", bind_of_bind, enter_again),
        ENTERS(", from inside of a chroot", over_itself, enter_from_within),
        ENTERS(", which one thread is in already", thread_in_source, enter_jail),
        ENTERS(", where statx is not there", without_statx, enter_jail),
        SITUATION("chroot to a bind mount, refused at setgroups", .cannot = no_mount_ids, .needs_ids = true,
                  .make = refused_at_setgroups, .call = enter_jail, .after = roots_are_as_before, .outcomes = REFUSED,
                  .status = EC_SECURITY_EREFUSED),
        SITUATION("chroot to a bind mount, refused at setresuid", .cannot = no_mount_ids, .needs_ids = true,
                  .make = refused_at_setresuid, .call = enter_jail, .after = roots_are_as_before, .outcomes = REFUSED,
                  .status = EC_SECURITY_EREFUSED),
    };
    wanted = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    had = (struct place *)((char *)wanted + 2048);
    for (size_t at = 0; at < LEN(all); at++)
        situation(&all[at]);
}
