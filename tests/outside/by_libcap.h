/* A drop written by hand with libcap's own functions, each of which libpsx makes in every thread. The program has to be linked with
 * both statically, and with its pthread_create(3) wrapped, or libpsx(3) does not know the threads. */

#ifndef BY_LIBCAP_H
#define BY_LIBCAP_H

#include <stdbool.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/types.h>

/* Retains so many capabilities, permitted and effective. Without `ids`, the user and the groups stay. The number of the step that
 * failed, or 0; errno is its. */
static int drop_by_libcap(bool ids, uid_t uid, gid_t gid, size_t groups_len, const gid_t *groups, int retained_len,
                          const cap_value_t *retained)
{
    for (cap_value_t cap = 0; cap < cap_max_bits(); cap++) {
        bool stays = false;
        for (int at = 0; at < retained_len; at++)
            stays |= retained[at] == cap;
        if (!stays && cap_get_bound(cap) == 1 && cap_drop_bound(cap) < 0)
            return 1;
    }
    if (cap_reset_ambient() < 0)
        return 2;
    if (ids && (cap_setgroups(gid, groups_len, groups) < 0 || cap_setuid(uid) < 0))
        return 3;
    cap_t caps = cap_init();
    if (!caps ||
        (retained_len && (cap_set_flag(caps, CAP_PERMITTED, retained_len, retained, CAP_SET) < 0 ||
                          cap_set_flag(caps, CAP_EFFECTIVE, retained_len, retained, CAP_SET) < 0)) ||
        cap_set_proc(caps) < 0)
        return 4;
    cap_free(caps);
    return cap_prctlw(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0) < 0 ? 5 : 0;
}

#endif
