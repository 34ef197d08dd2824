/* The sequence written by hand on libcap, as careful servers have it, completed to the same state. Linked without libpsx it
 * changes the calling thread's capabilities only, so it is measured with no other thread. */

#include "bench.h"

#include <stddef.h>
#include <grp.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

void way_prepare(void) {}

void way_drop(void)
{
    struct account to;
    account_find(&to);
    if (setgroups((size_t)to.n, to.groups) || setresgid(to.gid, to.gid, to.gid) || prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) ||
        setresuid(to.uid, to.uid, to.uid) || prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0))
        bench_fail("ids");
    cap_t working = cap_from_text("cap_setpcap,cap_net_bind_service+ep"), final = cap_from_text(DROP_CAPS);
    if (working == NULL || final == NULL || cap_set_proc(working))
        bench_fail("cap_set_proc");
    for (cap_value_t cap = 0; cap < cap_max_bits(); cap++) {
        if (cap != DROP_CAP && cap_get_bound(cap) > 0 && cap_drop_bound(cap))
            bench_fail("cap_drop_bound");
    }
    if (cap_reset_ambient() || cap_set_proc(final) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        bench_fail("the last steps");
    cap_free(working);
    cap_free(final);
}
