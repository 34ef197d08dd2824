/* Names are resolved as they are set; the directory is entered, and made the working directory, as part of the one call. */
#include "serve.h"

#include <ec_security.h>

static void drop_privileges(const char *user, const char *directory)
{
    ec_security_policy *policy = ec_security_policy_new();
    if (!policy || ec_security_policy_set(policy, "user", user) ||
        ec_security_policy_set(policy, "chroot", directory) || ec_security_policy_apply(policy))
        die("%s", ec_security_last_error());
    ec_security_policy_free(policy);
}

int main(int argc, char **argv)
{
    drop_privileges("ecuser", only_argument(argc, argv, "DIRECTORY"));
    start_pool(2);
    serve("main");
}
