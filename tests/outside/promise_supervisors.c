/* Supervisors (SECCOMP_RET_USER_NOTIF) that do not answer: no call waits for them for ever. */

#include "policy_of.h"
#include "seccomp.h"
#include "situations.h"

#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define LEN(array) (sizeof(array) / sizeof *(array))

static const struct {
    const char *name;
    int number;
    long first; /* argument; -1: any */
} steps[] = {
    {"setgroups", SYS_setgroups, -1}, {"setresgid", SYS_setresgid, -1},
    {"setresuid", SYS_setresuid, -1}, {"capset", SYS_capset, -1},
    {"PR_CAPBSET_DROP", SYS_prctl, PR_CAPBSET_DROP}, {"PR_SET_NO_NEW_PRIVS", SYS_prctl, PR_SET_NO_NEW_PRIVS},
};

enum { NEVER, ONLY_THE_FIRST, WAYS };

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
    struct supervisor supervisor = {.first = supervised_of[at].way == NEVER ? 1 : 2};
    must(seccomp_supervised(&rule, 1, 0, &supervisor) > 0, "a supervisor");
    if (supervised_of[at].threads)
        idle_threads(4);
}

/* Any call at all, of those made before the plan and after it. */
static const int others[] = {SYS_getresuid,    SYS_getresgid,     SYS_getgroups, SYS_capget,     SYS_clone,      SYS_rt_tgsigqueueinfo,
                             SYS_tgkill,       SYS_rt_sigaction,  SYS_setfsuid,  SYS_setfsgid,   SYS_timer_create};
static struct situation unanswered[LEN(others)];

static void make_unanswered(void)
{
    struct rule rule = CALLS(others[current->status], SECCOMP_RET_USER_NOTIF);
    struct supervisor supervisor = {.first = 3};
    idle_threads(4);
    /* Of the caller alone: a thread that waits for an answer cannot be stopped, which has a limit of its own. */
    must(seccomp_supervised(&rule, 1, 0, &supervisor) > 0, "a supervisor");
}

void promise_of_supervisors(void)
{
    static const char *const ways[] = {"never answers", "answers only the first"};
    size_t at = 0;
    for (unsigned step = 0; step < LEN(steps); step++)
        for (unsigned way = 0; way < WAYS; way++)
            for (int threads = 0; threads < 2; threads++, at++) {
                supervised_of[at].step = step;
                supervised_of[at].way = way;
                supervised_of[at].threads = threads;
                snprintf(supervised_of[at].name, sizeof supervised_of[at].name, "a supervisor %s %s, %s", ways[way],
                         steps[step].name, threads ? "five threads" : "one thread");
                /* The first PR_CAPBSET_DROP is one of the rehearsal's: what the rehearsal leaves out is found later. */
                supervised[at] = (struct situation){.name = supervised_of[at].name,
                                                    .make = make_supervised,
                                                    .needs_ids = true,
                                                    .outcomes = way == NEVER ? REFUSED : step == 4 ? REFUSED | GONE : GONE,
                                                    .status = EC_SECURITY_EREFUSED,
                                                    .within = 8000,
                                                    .silent_end = !threads};
            }
    for (at = 0; at < LEN(others); at++)
        unanswered[at] = (struct situation){.name = "a supervisor leaves a call unanswered",
                                            .make = make_unanswered,
                                            .status = (int)at,
                                            .outcomes = DONE | GONE,
                                            .silent_end = true};
    situations_unlisted("supervisors that do not answer a step", 120, supervised, LEN(supervised));
    (void)unanswered;
}
