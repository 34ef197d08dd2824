/* A source for nsswitch.conf(5) that fails as the environment variable EC_NSS says: "unavail 5" is NSS_STATUS_UNAVAIL with
 * errno 5. "hangs" never returns when it is asked for the groups of a user. With "changes 3" it has every user in a group that is another one each time, three times, and in none from then on. */

#include "nss_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum nss_status failing(int *error)
{
    const char *how = getenv("EC_NSS");
    char word[16] = "unavail";
    int number = EIO;
    if (how)
        sscanf(how, "%15s %d", word, &number);
    errno = *error = number;
    return !strcmp(word, "tryagain") ? NSS_STATUS_TRYAGAIN : !strcmp(word, "notfound") ? NSS_STATUS_NOTFOUND : NSS_STATUS_UNAVAIL;
}

NSS_LOOKUPS(_nss_ecfail, failing)

enum nss_status _nss_ecfail_initgroups_dyn(const char *user, gid_t group, long *start, long *size, gid_t **groups, long limit,
                                           int *error);
enum nss_status _nss_ecfail_initgroups_dyn(const char *user, gid_t group, long *start, long *size, gid_t **groups, long limit,
                                           int *error)
{
    static int asked;
    const char *how = getenv("EC_NSS");
    int times;
    (void)user, (void)group, (void)limit;
    if (how && !strncmp(how, "hangs", 5))
        for (;;)
            pause();
    if (!how || sscanf(how, "changes %d", &times) != 1)
        return failing(error);
    if (asked++ < times) {
        if (*start == *size) {
            gid_t *more = realloc(*groups, (size_t)(*size + 16) * sizeof **groups);
            if (!more)
                return NSS_STATUS_TRYAGAIN;
            *groups = more;
            *size += 16;
        }
        (*groups)[(*start)++] = (gid_t)(5000 + asked);
    }
    return NSS_STATUS_SUCCESS;
}
