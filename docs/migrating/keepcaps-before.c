/* keep-caps, the change of user, then the capabilities that a text names. */
#include "serve.h"

#include <grp.h>
#include <pwd.h>
#include <sys/capability.h>

static void drop_privileges(const char *user, const char *text)
{
    struct passwd *entry = getpwnam_or_die(user);
    if (prctl(PR_SET_KEEPCAPS, 1) != 0)
        die_errno("PR_SET_KEEPCAPS");
    if (setgroups(0, NULL) != 0 || setgid(entry->pw_gid) != 0 || setuid(entry->pw_uid) != 0)
        die_errno("changing to %s", user);
    cap_t caps = cap_from_text(text);
    if (!caps)
        die_errno("cap_from_text");
    if (cap_set_proc(caps) != 0)
        die_errno("cap_set_proc");
    cap_free(caps);
}

int main(void)
{
    drop_privileges("ecuser", "cap_net_bind_service,cap_sys_time=ep");
    start_pool(2);
    serve("main");
}
