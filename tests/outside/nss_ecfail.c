/* A source for nsswitch.conf(5) that fails as the environment variable EC_NSS says: "unavail 5" is NSS_STATUS_UNAVAIL with
 * errno 5. */

#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum nss_status failing(int *error)
{
    const char *how = getenv("EC_NSS");
    char word[16] = "unavail";
    int number = EIO;
    if (how)
        sscanf(how, "%15s %d", word, &number);
    errno = *error = number;
    return !strcmp(word, "tryagain") ? NSS_STATUS_TRYAGAIN
           : !strcmp(word, "notfound") ? NSS_STATUS_NOTFOUND
                                       : NSS_STATUS_UNAVAIL;
}

enum nss_status _nss_ecfail_getpwnam_r(const char *name, struct passwd *entry, char *buf, size_t len, int *error);
enum nss_status _nss_ecfail_getpwnam_r(const char *name, struct passwd *entry, char *buf, size_t len, int *error)
{
    (void)name, (void)entry, (void)buf, (void)len;
    return failing(error);
}

enum nss_status _nss_ecfail_getpwuid_r(uid_t uid, struct passwd *entry, char *buf, size_t len, int *error);
enum nss_status _nss_ecfail_getpwuid_r(uid_t uid, struct passwd *entry, char *buf, size_t len, int *error)
{
    (void)uid, (void)entry, (void)buf, (void)len;
    return failing(error);
}

enum nss_status _nss_ecfail_getgrnam_r(const char *name, struct group *entry, char *buf, size_t len, int *error);
enum nss_status _nss_ecfail_getgrnam_r(const char *name, struct group *entry, char *buf, size_t len, int *error)
{
    (void)name, (void)entry, (void)buf, (void)len;
    return failing(error);
}

enum nss_status _nss_ecfail_getgrgid_r(gid_t gid, struct group *entry, char *buf, size_t len, int *error);
enum nss_status _nss_ecfail_getgrgid_r(gid_t gid, struct group *entry, char *buf, size_t len, int *error)
{
    (void)gid, (void)entry, (void)buf, (void)len;
    return failing(error);
}

enum nss_status _nss_ecfail_initgroups_dyn(const char *user, gid_t group, long *start, long *size, gid_t **groups,
                                           long limit, int *error);
enum nss_status _nss_ecfail_initgroups_dyn(const char *user, gid_t group, long *start, long *size, gid_t **groups,
                                           long limit, int *error)
{
    (void)user, (void)group, (void)start, (void)size, (void)groups, (void)limit;
    return failing(error);
}
