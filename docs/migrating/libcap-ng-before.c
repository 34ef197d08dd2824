/* libcap-ng's change of ids and capabilities, with flags for groups and bounding set. */
#include "main.h"

#include <cap-ng.h>
#include <pwd.h>

static void drop_privileges(const char *user)
{
    struct passwd *entry = getpwnam_or_die(user);
    capng_clear(CAPNG_SELECT_BOTH);
    if (capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_BIND_SERVICE) != 0)
        die("capng_update failed");
    int error = capng_change_id((int)entry->pw_uid, (int)entry->pw_gid, CAPNG_INIT_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
    if (error != 0)
        die("capng_change_id: %d", error);
}
