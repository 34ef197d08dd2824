/* Supervisors (SECCOMP_RET_USER_NOTIF) that do not answer: no call waits for them for ever. */

#include "policy_of.h"
#include "seccomp.h"
#include "situations.h"

#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LEN(array) (sizeof(array) / sizeof *(array))

static const struct {
    const char *name;
    int number;
    long first; /* argument; -1: any */
} steps[] = {
    {"setgroups", SYS_setgroups, -1},
    {"setresgid", SYS_setresgid, -1},
    {"setresuid", SYS_setresuid, -1},
    {"capset", SYS_capset, -1},
    {"PR_CAPBSET_DROP", SYS_prctl, PR_CAPBSET_DROP},
    {"PR_SET_NO_NEW_PRIVS", SYS_prctl, PR_SET_NO_NEW_PRIVS},
};

enum { NEVER, ONLY_THE_REHEARSAL, WAYS };

/* Of these: which step, how it is answered, and whether there are other threads. */
static struct {
    char name[128];
    unsigned step, way;
    bool threads;
} supervised_of[LEN(steps) * WAYS * 2];
static struct situation supervised[LEN(supervised_of)];

static void make_supervised(void)
{
    size_t at = (size_t)(current - supervised);
    unsigned step = supervised_of[at].step;
    struct rule rule = CALLS_OF(steps[step].number, steps[step].first < 0 ? ANY : (unsigned)steps[step].first,
                                SECCOMP_RET_USER_NOTIF);
    /* The rehearsal's are those of another thread. */
    struct supervisor supervisor = {.only = supervised_of[at].way == NEVER ? 0 : getpid(), .first = 1};
    must(seccomp_supervised(&rule, 1, 0, &supervisor) > 0, "a supervisor");
    if (supervised_of[at].threads)
        idle_threads(4);
}

void promise_of_supervisors(void)
{
    static const char *const ways[] = {"never answers", "answers the rehearsal only, at"};
    size_t at = 0;
    for (unsigned step = 0; step < LEN(steps); step++)
        for (unsigned way = 0; way < WAYS; way++)
            for (int threads = 0; threads < 2; threads++, at++) {
                supervised_of[at].step = step;
                supervised_of[at].way = way;
                supervised_of[at].threads = threads;
                snprintf(supervised_of[at].name, sizeof supervised_of[at].name, "a supervisor %s %s, %s", ways[way],
                         steps[step].name, threads ? "five threads" : "one thread");
                supervised[at] = (struct situation){.name = supervised_of[at].name,
                                                    .make = make_supervised,
                                                    .needs_ids = true,
                                                    .outcomes = way == NEVER ? REFUSED : GONE,
                                                    .status = EC_SECURITY_EREFUSED,
                                                    .within = 8000,
                                                    .silent_end = !threads};
            }
    situations_unlisted("supervisors that do not answer a step", 120, supervised, LEN(supervised));
}
