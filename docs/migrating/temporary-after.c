/* What the change itself needs is used during the call and gone after it. An empty list of groups stays an empty list. */
#include "main.h"

#include <ec_security.h>

static void drop_privileges(const char *user)
{
    ec_security_policy *policy = ec_security_policy_new();
    if (!policy || ec_security_policy_set(policy, "user", user) ||
        ec_security_policy_set(policy, "supplemental_groups", "") ||
        ec_security_policy_set(policy, "capabilities", "cap_net_admin,cap_net_raw,cap_net_bind_service=ep") ||
        ec_security_policy_apply(policy))
        die("%s", ec_security_last_error());
    ec_security_policy_free(policy);
}
