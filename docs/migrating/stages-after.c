/* Two stages are two calls, of which the second narrows. */
#include "serve.h"

#include <ec_security.h>

static void drop_privileges(const char *user)
{
    if (ec_security_apply(user, NULL, "cap_sys_chroot+ep") != EC_SECURITY_OK)
        die("%s", ec_security_last_error());
}

static void enter(const char *directory)
{
    ec_security_policy *policy = ec_security_policy_new();
    if (!policy || ec_security_policy_set(policy, "chroot", directory) || ec_security_policy_apply(policy))
        die("%s", ec_security_last_error());
    ec_security_policy_free(policy);
}

int main(int argc, char **argv)
{
    drop_privileges("ecuser");
    enter(only_argument(argc, argv, "DIRECTORY"));
    start_pool(2);
    serve("main");
}
