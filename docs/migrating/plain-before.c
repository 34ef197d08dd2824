/* No groups, then the group, then the user; nothing of root is kept. */
#include "main.h"

#include <grp.h>
#include <pwd.h>

static void drop_privileges(const char *user)
{
    struct passwd *entry = getpwnam_or_die(user);
    if (setgroups(0, NULL) != 0)
        die_errno("setgroups");
    if (setgid(entry->pw_gid) != 0)
        die_errno("setgid");
    if (setuid(entry->pw_uid) != 0)
        die_errno("setuid");
}
