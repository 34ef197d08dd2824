/* Capabilities without a library, and one more for as long as the user is changed. */
#include "main.h"

#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/syscall.h>

static void set_caps(unsigned mask)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{.effective = mask, .permitted = mask}};
    if (syscall(SYS_capset, &header, data) != 0)
        die_errno("capset");
}

static void drop_privileges(const char *user)
{
    struct passwd *entry = getpwnam_or_die(user);
    unsigned mask = 1u << CAP_NET_ADMIN | 1u << CAP_NET_RAW | 1u << CAP_NET_BIND_SERVICE;
    if (setgroups(0, NULL) != 0 || setgid(entry->pw_gid) != 0)
        die_errno("changing to the group of %s", user);
    set_caps(mask | 1u << CAP_SETUID);
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
        die_errno("PR_SET_KEEPCAPS");
    if (setuid(entry->pw_uid) != 0)
        die_errno("setuid");
    set_caps(mask);
}
