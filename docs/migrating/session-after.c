/* The policy is made before fork, while names may be looked up and memory had; the child only applies it. */
#include "serve.h"

#include <ec_security.h>

static void session(ec_security_policy *policy)
{
    if (ec_security_policy_apply(policy) != EC_SECURITY_OK)
        die("%s", ec_security_last_error());
    serve("session");
}

int main(int argc, char **argv)
{
    const char *directory = only_argument(argc, argv, "DIRECTORY");
    ec_security_policy *policy = ec_security_policy_new();
    if (!policy || ec_security_policy_set(policy, "user", "ecuser") ||
        ec_security_policy_set(policy, "chroot", directory))
        die("%s", ec_security_last_error());
    start_pool(2);
    pid_t child = fork();
    if (child < 0)
        die_errno("fork");
    if (child == 0)
        session(policy);
    serve("main");
}
