/* libcap with libpsx, each step by libcap's own function, which libpsx makes in every thread. Linked statically, with
 * pthread_create wrapped, as its pkg-config file says: with the dynamic link line of its manual page it does nothing. */

#include "bench.h"

#include <stddef.h>
#include <sys/capability.h>
#include <sys/prctl.h>

void way_prepare(void) {}

void way_drop(void)
{
    struct account to;
    account_find(&to);
    cap_t final = cap_from_text(DROP_CAPS), working = cap_from_text("cap_setpcap,cap_net_bind_service+ep");
    if (working == NULL || final == NULL)
        bench_fail("cap_from_text");
    if (cap_setgroups(to.gid, (size_t)to.n, to.groups) || cap_setuid(to.uid))
        bench_fail("ids");
    if (cap_set_proc(working))
        bench_fail("cap_set_proc");
    for (cap_value_t cap = 0; cap < cap_max_bits(); cap++) {
        if (cap != DROP_CAP && cap_get_bound(cap) > 0 && cap_drop_bound(cap))
            bench_fail("cap_drop_bound");
    }
    if (cap_reset_ambient() || cap_set_proc(final) || cap_prctlw(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0))
        bench_fail("the last steps");
    cap_free(working);
    cap_free(final);
}
