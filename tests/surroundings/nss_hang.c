/* A source for nsswitch.conf(5) that answers "no" to every name and id, and never answers what groups a user is in. */

#include "../outside/nss_source.h"

#include <errno.h>
#include <unistd.h>

static enum nss_status no(int *error)
{
    errno = *error = ENOENT;
    return NSS_STATUS_NOTFOUND;
}

NSS_LOOKUPS(_nss_hang, no)

enum nss_status _nss_hang_initgroups_dyn(const char *user, gid_t group, long *start, long *size, gid_t **groups, long limit, int *error);
enum nss_status _nss_hang_initgroups_dyn(const char *user, gid_t group, long *start, long *size, gid_t **groups, long limit, int *error)
{
    (void)user, (void)group, (void)start, (void)size, (void)groups, (void)limit;
    for (;;)
        pause();
    return no(error);
}
