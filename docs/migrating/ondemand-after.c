/* The capability is permitted, and effective only round the call that needs it. */
#include "ondemand.h"

#include <ec_security.h>

static void drop_privileges(const char *user)
{
    if (ec_security_apply(user, NULL, "cap_net_raw+p") != EC_SECURITY_OK)
        die("%s", ec_security_last_error());
}

static int open_raw_socket(void)
{
    if (ec_security_raise("cap_net_raw+e") != EC_SECURITY_OK)
        die("%s", ec_security_last_error());
    int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
    if (ec_security_lower("cap_net_raw+e") != EC_SECURITY_OK)
        die("%s", ec_security_last_error());
    return fd;
}
