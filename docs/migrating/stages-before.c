/* Two stages: the user first, keeping what chroot needs; then, once the server has read what it needs, the directory. */
#define _GNU_SOURCE
#include "serve.h"

#include <grp.h>
#include <pwd.h>
#include <sys/capability.h>

static void set_caps(const char *text)
{
    cap_t caps = cap_from_text(text);
    if (!caps || cap_set_proc(caps) != 0)
        die_errno("cap_set_proc");
    cap_free(caps);
}

static void drop_privileges(const char *user)
{
    struct passwd *entry = getpwnam_or_die(user);
    if (initgroups(user, entry->pw_gid) != 0)
        die_errno("initgroups");
    if (setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) != 0)
        die_errno("setresgid");
    if (prctl(PR_SET_KEEPCAPS, 1) != 0)
        die_errno("PR_SET_KEEPCAPS");
    if (setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) != 0)
        die_errno("setresuid");
    set_caps("cap_sys_chroot+ep");
}

static void enter(const char *directory)
{
    if (chroot(directory) != 0 || chdir("/") != 0)
        die_errno("chroot");
    set_caps("");
}

int main(int argc, char **argv)
{
    drop_privileges("ecuser");
    enter(only_argument(argc, argv, "DIRECTORY"));
    start_pool(2);
    serve("main");
}
