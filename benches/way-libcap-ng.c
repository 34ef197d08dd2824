/* libcap-ng's one call, as its manual page has it. It changes the ids in every thread (the C library does), capabilities in
 * the calling thread only, and empties the bounding set and the list of groups where this library leaves what was asked for:
 * it does not reach the same state. */

#include "bench.h"

#include <cap-ng.h>
#include <sys/prctl.h>

void way_prepare(void) {}

void way_drop(void)
{
    capng_clear(CAPNG_SELECT_ALL);
    if (capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_BIND_SERVICE) ||
        capng_change_id(DROP_UID, DROP_GID, CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING | CAPNG_CLEAR_AMBIENT) ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        bench_fail("libcap-ng");
}
