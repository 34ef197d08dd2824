/* A server that executes a set-uid helper. */
#include "main.h"

#include <grp.h>
#include <pwd.h>

static void drop_privileges(const char *user)
{
    struct passwd *entry = getpwnam_or_die(user);
    if (initgroups(user, entry->pw_gid) != 0 || setgid(entry->pw_gid) != 0 || setuid(entry->pw_uid) != 0)
        die_errno("changing to %s", user);
}
