/* Threads run already. glibc takes the change of ids to all of them. */
#define _GNU_SOURCE
#include "serve.h"

#include <grp.h>
#include <pwd.h>

static void drop_privileges(const char *user)
{
    struct passwd *entry = getpwnam_or_die(user);
    uid_t uid = entry->pw_uid;
    if (geteuid() != uid && initgroups(user, entry->pw_gid) != 0)
        die_errno("initgroups");
    if (setgid(entry->pw_gid) != 0)
        die_errno("setgid");
    if (setresuid(uid, uid, uid) != 0)
        die_errno("setresuid");
}

int main(void)
{
    start_pool(3);
    drop_privileges("ecuser");
    serve("main");
}
