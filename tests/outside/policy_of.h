/* A policy from pairs of option and value, to a NULL; an option whose value is NULL is left out. What came of a call. */

#ifndef POLICY_OF_H
#define POLICY_OF_H

#include "outside.h"

#include <ec_security.h>

static inline int with_policy_of(const char *const pairs[], int (*call)(ec_security_policy *))
{
    ec_security_policy *policy = ec_security_policy_new();
    int status = policy ? EC_SECURITY_OK : EC_SECURITY_ERESOURCE;
    for (size_t at = 0; pairs[at] && status == EC_SECURITY_OK; at += 2)
        if (pairs[at + 1])
            status = ec_security_policy_set(policy, pairs[at], pairs[at + 1]);
    if (status == EC_SECURITY_OK)
        status = call(policy);
    ec_security_policy_free(policy);
    return status;
}

static inline int apply_of(const char *const pairs[]) { return with_policy_of(pairs, ec_security_policy_apply); }
static inline int check_of(const char *const pairs[]) { return with_policy_of(pairs, ec_security_policy_check); }

/* What a child reports of a call: its status, and the text where that is an error. */
static inline void report_status(int status) { report(status, status ? ec_security_last_error() : ""); }

#endif
