/* The lookups that code by hand makes, in the order of initgroups(3)'s callers. */

#include "bench.h"

#include <grp.h>
#include <pwd.h>
#include <stddef.h>

bool by_names, again;

void account_find(struct account *account)
{
    if (!by_names) {
        *account = (struct account){.uid = DROP_UID, .gid = DROP_GID, .groups = {DROP_GID}, .n = 1};
        return;
    }
    const struct passwd *user = getpwnam(DROP_NAME);
    if (user == NULL)
        bench_fail("getpwnam");
    account->uid = user->pw_uid;
    const struct group *group = getgrnam(DROP_NAME);
    if (group == NULL)
        bench_fail("getgrnam");
    account->gid = group->gr_gid;
    account->n = sizeof account->groups / sizeof account->groups[0];
    if (getgrouplist(DROP_NAME, account->gid, account->groups, &account->n) < 0)
        bench_fail("getgrouplist");
}
