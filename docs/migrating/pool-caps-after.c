/* Threads run already. All of them are changed, capabilities too. */
#include "serve.h"

#include <ec_security.h>

static void drop_privileges(const char *user, const char *text)
{
    if (ec_security_apply(user, NULL, text) != EC_SECURITY_OK)
        die("%s", ec_security_last_error());
}

int main(void)
{
    start_pool(3);
    drop_privileges("ecuser", "cap_net_bind_service+ep");
    serve("main");
}
