/* A server that executes a set-uid helper. */
#define _GNU_SOURCE
#include "serve.h"

#include <grp.h>
#include <pwd.h>

static void drop_privileges(const char *user)
{
    struct passwd *entry = getpwnam(user);
    if (!entry)
        die("no user %s", user);
    if (initgroups(user, entry->pw_gid) != 0 || setgid(entry->pw_gid) != 0 || setuid(entry->pw_uid) != 0)
        die_errno("changing to %s", user);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        die("usage: helpers-before HELPER");
    drop_privileges("ecuser");
    pid_t child = fork();
    if (child == 0) {
        execl(argv[1], argv[1], (char *)NULL);
        die_errno("%s", argv[1]);
    }
    serve("main");
}
