/* No groups, then the group, then the user; nothing of root is kept. */
#define _GNU_SOURCE
#include "serve.h"

#include <grp.h>
#include <pwd.h>

static void drop_privileges(const char *user)
{
    struct passwd *entry = getpwnam(user);
    if (!entry)
        die("no user %s", user);
    if (setgroups(0, NULL) != 0)
        die_errno("setgroups");
    if (setgid(entry->pw_gid) != 0)
        die_errno("setgid");
    if (setuid(entry->pw_uid) != 0)
        die_errno("setuid");
}

int main(void)
{
    drop_privileges("ecuser");
    start_pool(2);
    serve("main");
}
