/* What the process is, and what it asks for; see faults.h. */

#include "faults.h"
#include "policy_of.h"

#include <ec_security.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BIND BIT(10) /* cap_net_bind_service */
#define CHOWN BIT(0) /* cap_chown */

char directory[] = "/tmp/faults.XXXXXX";

static int calls_drop(void) { return ec_security_apply("ecuser", "ecuser", "cap_net_bind_service+ep"); }
static int calls_two(void) { return ec_security_apply("ecuser", "ecuser", "cap_net_bind_service,cap_chown+ep"); }
static int calls_caps(void) { return ec_security_apply(NULL, NULL, "cap_chown+ep"); }

static int calls_chroot(void)
{
    return apply_of((const char *const[]){"user", "ecuser", "capabilities", "cap_net_bind_service+p", "supplemental_groups",
                                          "ecextra, eclogs", "chroot", directory, "securebits", "noroot noroot_locked",
                                          "deadline", "3", NULL});
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
                                          "off", "chroot", directory, "deadline", "3", NULL});
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

const struct scene *scene;

#define SCENE(name_, what_, ...) {.name = name_, .what = what_, __VA_ARGS__}
#define WANT(...) .want = {__VA_ARGS__}

static const struct scene bases[] = {
    SCENE("drop", "ec_security_apply from root: user, group, one capability", .call = calls_drop,
          WANT(.ids = true, .groups = "4712 4713 4714", .caps = true, .eff = BIND, .prm = BIND, .trim = true, .nnp = true,
               .securebits = -1),
          .needs_ids = true, .needs_caps = BIND),
    SCENE("chroot", "policy: chroot, supplementary groups, locked securebits", .call = calls_chroot,
          WANT(.ids = true, .groups = "4713 4714", .caps = true, .prm = BIND, .trim = true, .nnp = true, .securebits = 3,
               .root = true),
          .needs_ids = true, .needs_caps = BIND),
    SCENE("narrow", "a second call that gives up one capability of two", .before = calls_two, .call = calls_drop,
          WANT(.ids = true, .groups = "4712 4713 4714", .caps = true, .eff = BIND, .prm = BIND, .nnp = true, .securebits = -1),
          .needs_ids = true, .needs_caps = BIND | CHOWN),
    SCENE("userns", "the drop as root of a user namespace", .prepare = is_in_user_namespace, .call = calls_drop,
          WANT(.ids = true, .groups = "4712 4713 4714", .caps = true, .eff = BIND, .prm = BIND, .trim = true, .nnp = true,
               .securebits = -1),
          .needs_ids = true),
    SCENE("ambient", "policy: ids by number, ambient and optional capabilities", .call = calls_ambient,
          WANT(.ids = true, .groups = "4713 4714", .caps = true, .eff = BIND | CHOWN, .prm = BIND | CHOWN | BIT(5),
               .inh = BIND | CHOWN, .amb = BIND | CHOWN, .trim = true, .nnp = true, .securebits = -1),
          .needs_ids = true, .needs_caps = BIND | CHOWN | BIT(5)),
    SCENE("reversible", "policy with nothing final in it, from 100 groups, by another than the main thread",
          .prepare = holds_many_groups, .call = calls_reversible,
          WANT(.ids = true, .groups = "4712 4713 4714", .caps = true, .eff = CHOWN, .prm = CHOWN, .inh = CHOWN, .securebits = -1,
               .root = true),
          .caller = 2, .needs_ids = true, .needs_caps = CHOWN),
    SCENE("quick", "the drop by another than the main thread, with a deadline of 0.4 s", .call = calls_quick,
          WANT(.ids = true, .groups = "4712 4713 4714", .caps = true, .eff = BIND, .prm = BIND, .trim = true, .nnp = true,
               .securebits = -1),
          .caller = 1, .needs_ids = true, .needs_caps = BIND, .long_holds = true),
    SCENE("caps", "capabilities alone, ids stay", .call = calls_caps,
          WANT(.caps = true, .eff = CHOWN, .prm = CHOWN, .trim = true, .nnp = true, .securebits = -1), .needs_caps = CHOWN),
};

/* Each in place, and each again with a filter, so that it is rehearsed: what the tracer has the kernel say falsely is a filter's lie, which
 * there can be only where there is one. */
struct scene scenes[SCENES];
typedef char each_twice[SCENES == 2 * LEN(bases) ? 1 : -1];

void double_scenes(void)
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

bool can_run(const struct scene *it, char why[200])
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
    if (it->prepare == is_in_user_namespace && !child_can(user_namespace)) {
        snprintf(why, 200, "no user namespace here");
        return false;
    }
    return true;
}
