/* A capability in all three sets, so that programs executed have it too: which they do not. */
#define _GNU_SOURCE
#include "serve.h"

#include <grp.h>
#include <pwd.h>
#include <sys/capability.h>

static void drop_privileges(const char *user)
{
    struct passwd *entry = getpwnam(user);
    if (!entry)
        die("no user %s", user);
    if (prctl(PR_SET_KEEPCAPS, 1) != 0)
        die_errno("PR_SET_KEEPCAPS");
    if (initgroups(user, entry->pw_gid) != 0 || setgid(entry->pw_gid) != 0 || setuid(entry->pw_uid) != 0)
        die_errno("changing to %s", user);
    cap_t caps = cap_from_text("cap_net_bind_service=eip");
    if (!caps || cap_set_proc(caps) != 0)
        die_errno("cap_set_proc");
    cap_free(caps);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        die("usage: children-before HELPER");
    drop_privileges("ecuser");
    pid_t child = fork();
    if (child == 0) {
        execl(argv[1], argv[1], (char *)NULL);
        die_errno("%s", argv[1]);
    }
    serve("main");
}
