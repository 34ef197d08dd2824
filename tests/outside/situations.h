/* Situations: what a process may be in when the call comes. Each ends in one of three outcomes, and in the one expected:
 * done on every thread; an error, and nothing changed; or the process gone by abort, with one line on standard error. */

#ifndef SITUATIONS_H
#define SITUATIONS_H

#include "outside.h"

#include <ec_security.h>
#include <stdio.h>

enum outcome { DONE = 1, REFUSED = 2, GONE = 4 };

struct situation {
    const char *name;
    const char *(*cannot)(void);     /* why it cannot be made here, or NULL; in the parent */
    void (*make)(void);              /* in the child, before the parent looks for the first time */
    void (*body)(void);              /* instead of make: has to come to go_through() by itself */
    int (*call)(void);               /* instead of drop() */
    void (*then)(void);              /* in the child, after the call has been reported; see complain() */
    void (*beside)(pid_t);           /* in the parent, while the call runs */
    void (*after)(pid_t);            /* in the parent, with the call over */
    unsigned outcomes;               /* those that are right here */
    int status;                      /* of a refusal */
    const char *says[3];             /* what its text, or the line before the end, has to hold */
    const char *or_says;             /* instead of the first of them: where it is chance which is found first */
    bool names_thread;               /* … and "thread N" of shared->tid */
    unsigned threads;                /* at least so many are looked at; 1 unless set */
    unsigned seconds;                /* 60 unless set */
    bool needs_ids;                  /* nothing to try where there is no other id */
    const char *user, *group, *caps; /* as asked for; ecuser's unless set */
    unsigned fields;                 /* those compared when done; all unless set */
    int within;                      /* at most so many milliseconds for the call that comes back; no limit unless set */
    unsigned meanwhile;              /* fields that others change while the call runs: not compared where nothing is to change */
    bool silent_end;                 /* the end may be by SIGKILL and without a line */
    bool libc_may_abort;             /* the end may be libc's own abort, without a line of ours */
    bool becomes_print_creds;        /* the process ends as build/outside/print_creds, which says on standard error what it is */
    bool line_lost;                  /* standard error takes no line */
    bool keeps_handler;              /* a signal of ours may still come, and libc has no handler for it */
};

/* A row of a table of situations; what it does not say is 0. */
#define SITUATION(name_, ...) {.name = name_, __VA_ARGS__}
/* In a row: a thread is named that is in the way; and what the text has to hold. */
#define REFUSED_FOR_THREAD(...) .outcomes = REFUSED, .status = EC_SECURITY_ETHREAD, .names_thread = true, .says = {__VA_ARGS__}

void situation(const struct situation *it);

/* A number of them at the same time, as one case: for those that take a deadline each. None has a `beside`. */
void situations_together(const char *name, unsigned seconds, const struct situation *all, size_t len);

/* The same for those that may end in one way or another, and have no row in docs/situations.md. */
void situations_unlisted(const char *name, unsigned seconds, const struct situation *all, size_t len);

/* One of them, `rounds` times, some at the same time; shared->round tells them apart. */
void situation_rounds(const char *name, unsigned seconds, const struct situation *it, unsigned rounds);

/* What parent and child share. */
struct shared {
    pid_t subject;      /* the process that makes the call, if it is not the child itself */
    volatile pid_t tid; /* the thread that is in the way */
    volatile int flag, count, milliseconds;
    unsigned round;
    char complaint[512];
    /* The sets asked for, where they are not those of the request. */
    bool have_want;
    struct thread want;
};
extern struct shared *shared;

/* The situation under way. */
extern const struct situation *current;

/* In the child. */
void go_through(void);                                    /* ready, call, report, and then */
void go_through_beside(void);                             /* the same, but not by the leader, which waits */
void complain(const char *format, ...) PRINTF_LIKE(1, 2); /* something is wrong that only the inside can see */
int drop(void);                                           /* ec_security_apply, as asked for */
int drop_within(const char *seconds);                     /* the same with a deadline */
int refusable_drop(void);                                 /* with a short deadline */
int stop_all_within(const char *seconds);
int stop_all(void);                            /* a call that stops every thread, and changes nothing */
int stops_and_drop(unsigned stops);            /* so many of them, then the drop */
void require(bool held, const char *what);     /* else the child ends: the situation could not be made */
void thread(void *(*body)(void *), void *arg); /* detached */
void deaf_bare_thread(unsigned later);         /* by clone(2); it hears the set*id signal so many ms after shared->flag is set */
void raw_drop(unsigned uid, uint64_t keep);    /* of the calling thread alone, to what is asked for, by its own system calls */
bool is_fstat(uint64_t call);                  /* by the number of one of the system calls that may serve for it */
void wait_for(volatile int *word, int value);  /* until it has the value */
void nap(unsigned milliseconds);
void *wait_forever(void); /* the end of a thread that stays */
void thread_beside(unsigned idle, void *(*body)(void *),
                   void *arg);                            /* and idle ones; returns when it has set shared->flag to 1 */
void changed_thread(unsigned idle, void (*change)(void)); /* the same of shared->tid, which changes itself, and stays */
pid_t gettid_raw(void);
char state_of(pid_t pid, pid_t tid); /* the letter of /proc/PID/task/TID/stat, 0 if there is none */
bool kernel_before(unsigned major, unsigned minor);
const char *dumps_end_callers(void); /* why a filter that kills the rehearsal ends the caller too, or NULL */
const char *no_user_namespace(void); /* why none can be made here, or NULL */
bool ids(void);                      /* whether the request names a user */

/* A seccomp filter for the calling thread (all threads with `sync`): `action` for a system call, where its first argument
 * is `argument` unless that is -1. */
void filter(long number, long argument, unsigned action, bool sync);
void filter_by(long number, unsigned which, long argument, unsigned action, bool sync); /* the same for argument `which` */

/* malloc and its like fail from the n-th call on, once, in the thread that asks: 0 switches that off. */
extern volatile long fail_at;
extern volatile long allocations;
extern volatile pid_t failing_thread;
extern void (*instead_of_failing)(void); /* is called then, if it is not NULL */

void situations_of_unstoppable_threads(void);
void situations_of_births(void);
void situations_of_other_credentials(void);
void situations_of_noise(void);
void situations_of_io_uring(void);
void situations_of_many_threads(void);
void situations_of_signals(void);
void situations_of_processes(void);
void situations_of_limits(void);
void situations_of_features(void);
void promise_of_filters(void);
void promise_of_callers(void);
void promise_of_supervisors(void);
void promise_of_roots(void);
void promise_of_dry_runs(void);
void promise_of_stacks(void);
void promise_of_others(void);
void promise_of_processes(void);
void promise_of_leaks(void);
void promise_of_evidence(void);
void promise_of_descriptors(void);

#endif
