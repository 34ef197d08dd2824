/* Seccomp filters for the tests: what they do with which system calls. */

#ifndef SECCOMP_H
#define SECCOMP_H

#include "outside.h"

#include <linux/seccomp.h>

/* What an argument may be, by its lower half: anything, or no less than a number; else it is the number. */
#define ANY UINT64_MAX
#define AT_LEAST(number) (UINT64_C(1) << 32 | (number))

/* Calls with this number and these first arguments. */
struct rule {
    long number;
    uint64_t args[3];
    unsigned action; /* SECCOMP_RET_…, with an errno where that takes one */
};

/* A rule for a call whatever its arguments are, or with one that is given. */
#define CALLS(number, action) ((struct rule){number, {ANY, ANY, ANY}, action})
#define CALLS_OF(number, first, action) ((struct rule){number, {first, ANY, ANY}, action})

/* Lies: says that the call was made, which it was not. */
#define PRETENDS SECCOMP_RET_ERRNO
#define FAILS_WITH(error) (SECCOMP_RET_ERRNO | (error))

/* Puts a filter in place by which the first rule that fits decides, and any other call is made. For the calling thread, or as `flags` of
 * SECCOMP_SET_MODE_FILTER say. no_new_privs stays as it is: without CAP_SYS_ADMIN it has to be set before. What seccomp(2) returns. */
int seccomp_rules(const struct rule *rules, size_t len, unsigned flags);
#define seccomp_rule(rule, flags) seccomp_rules(&(rule), 1, flags)

/* What a supervisor does with the calls that a filter asks it about. */
struct supervisor {
    pid_t only;           /* of this thread; 0: of any. Calls of others are made */
    unsigned first, many; /* from this one on, the first being 1, so many; 0: all. Others are made */
    int error;            /* they get this error; 0: see the next */
    long long result;     /* they get this result, and nothing is done; 0: no answer, for ever */
    volatile int *when;   /* none is counted before this is not 0; NULL: all are */
    void (*look)(pid_t);  /* is called with the thread, which waits meanwhile; NULL: none */
};

/* Starts a supervisor, a process beside, for rules with SECCOMP_RET_USER_NOTIF. Its pid, or -1. It ends with the calling thread. */
pid_t seccomp_supervised(const struct rule *rules, size_t len, unsigned flags, const struct supervisor *supervisor);

#endif
