/* This library: a policy whose names are looked up before the clock starts, as the other ways get ids. */

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

void way_prepare(void)
{
    policy = ec_security_policy_new();
    if (policy == NULL)
        check(-1);
    check(ec_security_policy_set(policy, "user", "4711"));
    check(ec_security_policy_set(policy, "group", "4712"));
}

void way_drop(void)
{
    check(ec_security_policy_set(policy, "capabilities", DROP_CAPS));
    check(ec_security_policy_apply(policy));
}
