/* Kernels that lack something, as far as a seccomp filter can play one: see docs/kernel-features.md. */

#include "policy_of.h"
#include "seccomp.h"
#include "situations.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void lacks(long number, long argument, int error) { filter(number, argument, SECCOMP_RET_ERRNO | (unsigned)error, true); }

static void no_ambient(void)
{
    idle_threads(2);
    lacks(SYS_prctl, PR_CAP_AMBIENT, EINVAL);
}

static void no_options(int get, int set)
{
    idle_threads(2);
    lacks(SYS_prctl, get, EINVAL);
    lacks(SYS_prctl, set, EINVAL);
}

static void no_nnp(void) { no_options(PR_GET_NO_NEW_PRIVS, PR_SET_NO_NEW_PRIVS); }
static void no_bounding(void) { no_options(PR_CAPBSET_READ, PR_CAPBSET_DROP); }
static void no_securebits(void) { no_options(PR_GET_SECUREBITS, PR_SET_SECUREBITS); }

static void no_version_3(void)
{
    idle_threads(2);
    lacks(SYS_capget, -1, EINVAL);
    lacks(SYS_capset, -1, EINVAL);
}

static void no_queue_to_threads(void) { lacks(SYS_rt_tgsigqueueinfo, -1, ENOSYS); }

static void no_new_calls(void)
{
    idle_threads(2);
    lacks(SYS_kcmp, -1, ENOSYS);
    lacks(SYS_statx, -1, ENOSYS);
    lacks(SYS_prctl, PR_GET_SECCOMP, EINVAL);
}

/* Since Linux 6.14. An older one refuses it, before anything has changed. */
static int with_option(const char *option, const char *value)
{
    return apply_of(
        (const char *const[]){"user", ids() ? "ecuser" : NULL, "capabilities", "cap_net_bind_service+ep", option, value, NULL});
}

static int drop_with_new_securebit(void) { return with_option("securebits", "exec_restrict_file"); }

static void has_new_securebit(void)
{
    if (!kernel_before(6, 14) && prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) != 0x100)
        complain("securebits %#x", (unsigned)prctl(PR_GET_SECUREBITS, 0, 0, 0, 0));
}

static void make_idle(void) { idle_threads(2); }

static void no_timers(void)
{
    idle_threads(2);
    lacks(SYS_timer_create, -1, ENOSYS);
}

/* Of a kernel whose last capability is 37, as before 5.8. */
static void fewer_capabilities(void)
{
    idle_threads(2);
    struct rule rule = {SYS_prctl, {PR_CAPBSET_READ, AT_LEAST(38), ANY}, FAILS_WITH(EINVAL)};
    require(seccomp_rule(rule, SECCOMP_FILTER_FLAG_TSYNC) == 0, "seccomp");
}

static int with_ambient(void) { return with_option("ambient", "cap_net_bind_service"); }

static int with_root(void)
{
    static char directory[] = "/tmp/ec-situations.XXXXXX";
    if (!mkdtemp(directory) || chmod(directory, 0755) < 0)
        complain("mkdtemp: %s", strerror(errno));
    return with_option("chroot", directory);
}

static void remove_root(pid_t pid)
{
    char path[64], root[256];
    snprintf(path, sizeof path, "/proc/%d/root", pid);
    ssize_t len = readlink(path, root, sizeof root - 1);
    root[len > 0 ? len : 0] = 0;
    if (expect(!strncmp(root, "/tmp/ec-situations.", 19), "the root is %s", root))
        rmdir(root);
}

void situations_of_features(void)
{
    const struct situation securebit = SITUATION("a securebit that not every kernel knows", .make = make_idle,
                                                 .call = drop_with_new_securebit, .then = has_new_securebit,
                                                 .outcomes = kernel_before(6, 14) ? REFUSED : DONE,
                                                 .status = EC_SECURITY_EREFUSED, .threads = 3);
    situations_unlisted(securebit.name, 60, &securebit, 1);
    static const struct situation all[] = {
        SITUATION("a kernel without the ambient set", .make = no_ambient, .outcomes = DONE, .threads = 3),
        SITUATION("a kernel without the ambient set, and an ambient capability wanted", .make = no_ambient, .call = with_ambient,
                  .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED, .says = {"PR_CAP_AMBIENT", "EINVAL"}),
        SITUATION("a kernel without no_new_privs", .make = no_nnp, .outcomes = REFUSED, .status = EC_SECURITY_EREFUSED,
                  .says = {"EINVAL"}),
        SITUATION("a kernel without bounding sets of threads", .make = no_bounding, .outcomes = REFUSED,
                  .status = EC_SECURITY_EREFUSED, .says = {"EINVAL"}),
        SITUATION("a kernel without securebits of threads", .make = no_securebits, .outcomes = DONE, .threads = 3),
        SITUATION("a kernel without version 3 of capget and capset", .make = no_version_3, .outcomes = REFUSED,
                  .status = EC_SECURITY_EREFUSED, .says = {"EINVAL"}),
        SITUATION("a kernel without rt_tgsigqueueinfo, one thread", .make = no_queue_to_threads, .outcomes = DONE),
        SITUATION("a kernel without kcmp, statx and PR_GET_SECCOMP, with chroot", .make = no_new_calls, .call = with_root,
                  .after = remove_root, .outcomes = DONE, .threads = 3),
        SITUATION("a kernel without timers of processes", .make = no_timers, .outcomes = DONE, .threads = 3),
        SITUATION("a kernel that lacks the capability asked for", .make = fewer_capabilities, .caps = "cap_perfmon+ep",
                  .outcomes = REFUSED, .status = EC_SECURITY_ECAPABILITY, .says = {"this kernel has no cap_perfmon"}),
    };
    for (size_t at = 0; at < sizeof all / sizeof *all; at++)
        situation(&all[at]);
}
