/* A capability in all three sets, so that programs executed have it too: which they do not. */
#include "main.h"

#include <grp.h>
#include <pwd.h>
#include <sys/capability.h>

static void drop_privileges(const char *user)
{
    struct passwd *entry = getpwnam_or_die(user);
    if (prctl(PR_SET_KEEPCAPS, 1) != 0)
        die_errno("PR_SET_KEEPCAPS");
    if (initgroups(user, entry->pw_gid) != 0 || setgid(entry->pw_gid) != 0 || setuid(entry->pw_uid) != 0)
        die_errno("changing to %s", user);
    cap_t caps = cap_from_text("cap_net_bind_service=eip");
    if (!caps || cap_set_proc(caps) != 0)
        die_errno("cap_set_proc");
    cap_free(caps);
}
