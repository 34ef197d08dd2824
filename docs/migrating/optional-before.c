/* Each of two capabilities is kept if it is there. */
#include "main.h"

#include <grp.h>
#include <pwd.h>
#include <sys/capability.h>

static void keep_if_held(cap_t held, cap_t kept, cap_value_t cap)
{
    cap_flag_value_t permitted = CAP_CLEAR;
    if (cap_get_flag(held, cap, CAP_PERMITTED, &permitted) != 0)
        die_errno("cap_get_flag");
    if (permitted == CAP_SET && (cap_set_flag(kept, CAP_PERMITTED, 1, &cap, CAP_SET) != 0 ||
                                 cap_set_flag(kept, CAP_EFFECTIVE, 1, &cap, CAP_SET) != 0))
        die_errno("cap_set_flag");
}

static void drop_privileges(const char *user)
{
    struct passwd *entry = getpwnam_or_die(user);
    cap_t held = cap_get_proc(), kept = cap_init();
    if (!held || !kept)
        die_errno("capabilities");
    keep_if_held(held, kept, CAP_NET_BIND_SERVICE);
    keep_if_held(held, kept, CAP_SYS_NICE);
    if (prctl(PR_SET_KEEPCAPS, 1) != 0)
        die_errno("PR_SET_KEEPCAPS");
    if (initgroups(user, entry->pw_gid) != 0 || setgid(entry->pw_gid) != 0 || setuid(entry->pw_uid) != 0)
        die_errno("changing to %s", user);
    if (cap_set_proc(kept) != 0)
        die_errno("cap_set_proc");
    if (prctl(PR_SET_KEEPCAPS, 0) != 0)
        die_errno("PR_SET_KEEPCAPS");
    cap_free(held);
    cap_free(kept);
}
