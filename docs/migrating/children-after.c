/* Programs executed have what is ambient. */
#include "main.h"

#include <ec_security.h>

static void drop_privileges(const char *user)
{
    ec_security_policy *policy = ec_security_policy_new();
    if (!policy || ec_security_policy_set(policy, "user", user) ||
        ec_security_policy_set(policy, "capabilities", "cap_net_bind_service=eip") ||
        ec_security_policy_set(policy, "ambient", "cap_net_bind_service") || ec_security_policy_apply(policy))
        die("%s", ec_security_last_error());
    ec_security_policy_free(policy);
}
