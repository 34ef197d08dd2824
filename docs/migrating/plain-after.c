/* The user, with the groups of the group database; nothing of root is kept. */
#include "main.h"

#include <ec_security.h>

static void drop_privileges(const char *user)
{
    if (ec_security_apply(user, NULL, NULL) != EC_SECURITY_OK)
        die("%s", ec_security_last_error());
}
