/* The capability is permitted, and effective only round the call that needs it. */
#include "ondemand.h"

#include <grp.h>
#include <pwd.h>
#include <sys/capability.h>

static void set_effective(cap_flag_value_t value)
{
    const cap_value_t needed = CAP_NET_RAW;
    cap_t caps = cap_get_proc();
    if (!caps || cap_set_flag(caps, CAP_EFFECTIVE, 1, &needed, value) != 0 || cap_set_proc(caps) != 0)
        die_errno("cap_net_raw");
    cap_free(caps);
}

static void drop_privileges(const char *user)
{
    const cap_value_t needed = CAP_NET_RAW;
    struct passwd *entry = getpwnam_or_die(user);
    if (prctl(PR_SET_KEEPCAPS, 1) != 0)
        die_errno("PR_SET_KEEPCAPS");
    if (initgroups(user, entry->pw_gid) != 0 || setregid(entry->pw_gid, entry->pw_gid) != 0 ||
        setreuid(entry->pw_uid, entry->pw_uid) != 0)
        die_errno("changing to %s", user);
    if (prctl(PR_SET_KEEPCAPS, 0) != 0)
        die_errno("PR_SET_KEEPCAPS");
    cap_t caps = cap_init();
    if (!caps || cap_set_flag(caps, CAP_PERMITTED, 1, &needed, CAP_SET) != 0 || cap_set_proc(caps) != 0)
        die_errno("cap_set_proc");
    cap_free(caps);
}

static int open_raw_socket(void)
{
    set_effective(CAP_SET);
    int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
    set_effective(CAP_CLEAR);
    return fd;
}
