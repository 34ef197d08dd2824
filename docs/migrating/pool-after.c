/* Threads run already. All of them are changed. */
#include "serve.h"

#include <ec_security.h>

static void drop_privileges(const char *user)
{
    if (ec_security_apply(user, NULL, NULL) != EC_SECURITY_OK)
        die("%s", ec_security_last_error());
}

int main(void)
{
    start_pool(3);
    drop_privileges("ecuser");
    serve("main");
}
