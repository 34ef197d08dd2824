/* The name is resolved, then comes chroot, then the groups, whose file is no longer there: that is only warned of. */
#define _GNU_SOURCE
#include "serve.h"

#include <grp.h>
#include <pwd.h>

static void drop_privileges(const char *user, const char *directory)
{
    struct passwd *entry = getpwnam_or_die(user);
    uid_t uid = entry->pw_uid;
    gid_t gid = entry->pw_gid;
    if (chroot(directory) != 0)
        die_errno("chroot");
    if (initgroups(user, gid) != 0)
        perror("initgroups");
    if (setresgid(gid, gid, gid) != 0)
        die_errno("setresgid");
    if (setresuid(uid, uid, uid) != 0)
        die_errno("setresuid");
}

int main(int argc, char **argv)
{
    drop_privileges("ecuser", only_argument(argc, argv, "DIRECTORY"));
    start_pool(2);
    serve("main");
}
