/* A source for nsswitch.conf(5) that answers "no" to every name and id, and never answers what groups a user is in. */

#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stddef.h>
#include <unistd.h>

static enum nss_status no(int *error)
{
    errno = *error = ENOENT;
    return NSS_STATUS_NOTFOUND;
}

enum nss_status _nss_hang_getpwnam_r(const char *name, struct passwd *entry, char *buf, size_t len, int *error);
enum nss_status _nss_hang_getpwnam_r(const char *name, struct passwd *entry, char *buf, size_t len, int *error)
{
    (void)name, (void)entry, (void)buf, (void)len;
    return no(error);
}

enum nss_status _nss_hang_getpwuid_r(uid_t uid, struct passwd *entry, char *buf, size_t len, int *error);
enum nss_status _nss_hang_getpwuid_r(uid_t uid, struct passwd *entry, char *buf, size_t len, int *error)
{
    (void)uid, (void)entry, (void)buf, (void)len;
    return no(error);
}

enum nss_status _nss_hang_getgrnam_r(const char *name, struct group *entry, char *buf, size_t len, int *error);
enum nss_status _nss_hang_getgrnam_r(const char *name, struct group *entry, char *buf, size_t len, int *error)
{
    (void)name, (void)entry, (void)buf, (void)len;
    return no(error);
}

enum nss_status _nss_hang_getgrgid_r(gid_t gid, struct group *entry, char *buf, size_t len, int *error);
enum nss_status _nss_hang_getgrgid_r(gid_t gid, struct group *entry, char *buf, size_t len, int *error)
{
    (void)gid, (void)entry, (void)buf, (void)len;
    return no(error);
}

enum nss_status _nss_hang_initgroups_dyn(const char *user, gid_t group, long *start, long *size, gid_t **groups, long limit, int *error);
enum nss_status _nss_hang_initgroups_dyn(const char *user, gid_t group, long *start, long *size, gid_t **groups, long limit, int *error)
{
    (void)user, (void)group, (void)start, (void)size, (void)groups, (void)limit;
    for (;;)
        pause();
    return no(error);
}
