/* What the programs that measure a drop share: drop.c makes the threads, calls the way, tells how long it took, and stays
 * until the driver has looked at every thread through /proc. Each way-NAME.c is one way to drop. */

#ifndef BENCH_H
#define BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What every way has to reach, in every thread: these ids, the group's id as the only supplementary group, this capability
 * permitted and effective and no other, a bounding set of just that, nothing inheritable or ambient, no_new_privs. */
#define DROP_UID 4711
#define DROP_GID 4712
#define DROP_CAPS "cap_net_bind_service+ep"
#define DROP_CAP 10

/* With by_names, user and group have this name, and looking them up is part of the drop: the account of benches/etc, which is in
 * two more groups. Its ids are others, so that an id that was not looked up shows. */
#define DROP_NAME "ecbench"
extern bool by_names;

/* Whether the way has been called before, for a change of nothing; this library alone knows that. */
extern bool again;

struct account {
    uid_t uid;
    gid_t gid;
    gid_t groups[16];
    int n;
};

/* By names by what the C library has for it; otherwise the constants. */
void account_find(struct account *account);

/* What can be had before the clock starts: names looked up, a policy made. */
void way_prepare(void);

/* The drop, from the text of the capabilities on. Must not return when it fails. */
void way_drop(void);

/* Ends the process with a line on stderr. */
void bench_fail(const char *what) __attribute__((noreturn));

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t bench_now(void);

#endif
