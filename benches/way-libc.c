/* The C library's set*id functions, as most servers have it: ids and groups in every thread; no capability is kept, the
 * bounding set stays, no_new_privs is not set. It does not reach the same state. */

#include "bench.h"

#include <grp.h>
#include <unistd.h>

void way_prepare(void) {}

void way_drop(void)
{
    gid_t group = DROP_GID;
    if (setgroups(1, &group) || setresgid(DROP_GID, DROP_GID, DROP_GID) || setresuid(DROP_UID, DROP_UID, DROP_UID))
        bench_fail("ids");
}
