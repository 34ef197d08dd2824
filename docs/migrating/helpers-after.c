/* A server that executes a set-uid helper: two of the defaults would keep it from becoming root. */
#include "main.h"

#include <ec_security.h>

static void drop_privileges(const char *user)
{
    ec_security_policy *policy = ec_security_policy_new();
    if (!policy || ec_security_policy_set(policy, "user", user) ||
        ec_security_policy_set(policy, "no_new_privs", "off") || ec_security_policy_set(policy, "bounding", "keep") ||
        ec_security_policy_apply(policy))
        die("%s", ec_security_last_error());
    ec_security_policy_free(policy);
}
