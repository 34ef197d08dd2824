/* The server stays root; each session is a child that drops for good. */
#include "serve.h"

#include <grp.h>
#include <pwd.h>

static void session(const char *user, gid_t gid, uid_t uid, const char *directory)
{
    if (initgroups(user, gid) != 0)
        die_errno("initgroups");
    if (chroot(directory) != 0 || chdir("/") != 0)
        die_errno("chroot");
    if (setgid(gid) != 0 || setuid(uid) != 0)
        die_errno("changing to %s", user);
    serve("session");
}

int main(int argc, char **argv)
{
    const char *directory = only_argument(argc, argv, "DIRECTORY");
    struct passwd *entry = getpwnam_or_die("ecuser");
    start_pool(2);
    pid_t child = fork();
    if (child < 0)
        die_errno("fork");
    if (child == 0)
        session("ecuser", entry->pw_gid, entry->pw_uid, directory);
    serve("main");
}
