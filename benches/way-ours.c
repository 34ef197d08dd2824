/* This library: by names its one call; otherwise a policy whose ids are found before the clock starts, as the other ways get
 * them. */

#include "bench.h"

#include <ec_security.h>
#include <stdio.h>
#include <unistd.h>

static ec_security_policy *policy;

static void check(int status)
{
    if (status != EC_SECURITY_OK) {
        fprintf(stderr, "ours: %s\n", ec_security_last_error());
        _exit(1);
    }
}

static void change_nothing(void)
{
    ec_security_policy *nothing = ec_security_policy_new();
    if (nothing == NULL)
        check(-1);
    check(ec_security_policy_set(nothing, "capabilities", "keep"));
    check(ec_security_policy_set(nothing, "bounding", "keep"));
    check(ec_security_policy_set(nothing, "no_new_privs", "off"));
    check(ec_security_policy_apply(nothing));
    ec_security_policy_free(nothing);
}

void way_prepare(void)
{
    if (again)
        change_nothing();
    if (by_names)
        return;
    policy = ec_security_policy_new();
    if (policy == NULL)
        check(-1);
    check(ec_security_policy_set(policy, "user", "4711"));
    check(ec_security_policy_set(policy, "group", "4712"));
}

void way_drop(void)
{
    if (by_names) {
        check(ec_security_apply(DROP_NAME, DROP_NAME, DROP_CAPS));
        return;
    }
    check(ec_security_policy_set(policy, "capabilities", DROP_CAPS));
    check(ec_security_policy_apply(policy));
}
