/* The policy object: what each option takes, what it comes to in every thread, and that what check refuses is just what apply
 * refuses, natively and in surroundings where less is allowed. */

#include "policy.h"

#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static bool make_directories(void)
{
    if (mount("tmpfs", "/mnt", "tmpfs", 0, "mode=0755") < 0)
        return false;
    umask(022);
    bool made = !mkdir("/mnt/jail", 0755) && !mkdir("/mnt/open", 0755) && !chmod("/mnt/open", 0777) &&
                !mkdir("/mnt/sticky", 0755) && !chmod("/mnt/sticky", 01777) && !mkdir("/mnt/group", 0755) &&
                !chmod("/mnt/group", 0775) && !mkdir("/mnt/other", 0755) && !symlink("jail", "/mnt/link") &&
                !mkfifo("/mnt/fifo", 0644) && !mkdir("/mnt/conf", 0755) && !mkdir("/mnt/conf/d", 0755) &&
                !symlink("a.conf", "/mnt/conf/link") && !symlink("/mnt/conf/a.conf", "/mnt/sticky/link");
    write_file("/mnt/conf/a.conf", "Security { user = root }");
    write_file("/mnt/conf/d/a.conf", "Security { user = root }");
    write_file("/mnt/conf/main.conf", "include a.conf");
    write_file("/mnt/conf/directory.conf", "readonly_include d");
    write_file("/mnt/file", "");
    write_file("/mnt/single.conf", "Security {\n  user = ecuser\n  group = ecuser\n"
                                   "  # Allow binding to privileged ports without requiring a process restart\n"
                                   "  Capabilities = \"cap_net_bind_service+ep\"\n}\n");
    write_file("/mnt/cluster.conf",
               "Security {\n  user = ecuser\n  group = ecuser\n"
               "  Capabilities = \"cap_net_admin+ep cap_net_bind_service+ep cap_net_raw+ep cap_sys_resource+ep\"\n}\n");
    return made;
}

int main(int argc, char **argv)
{
    select_cases(argc, argv);
    if (!private_users() || !make_directories()) {
        perror("surroundings");
        return 70;
    }
    policy_values();
    policy_outcomes();
    policy_files();
    return finish();
}
