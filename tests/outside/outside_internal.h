/* What the files of the harness share among themselves, and nobody else includes. Its interface is outside.h. */

#ifndef OUTSIDE_INTERNAL_H
#define OUTSIDE_INTERNAL_H

#include "outside.h"

#include <signal.h>
#include <time.h>

/* --- outside.c ----------------------------------------------------------------------------------------------------- */

enum verdict { PASSED, FAILED, SKIPPED };

#define CHILDREN_MAX 2048

/* The case under way. */
struct now {
    const char *name;
    enum verdict verdict;
    char why[2048];
    unsigned long expectations;
    volatile sig_atomic_t expired; /* how often the alarm has gone off */
    struct timespec deadline;
    struct child *children[CHILDREN_MAX];
    volatile sig_atomic_t children_len;
    struct allocation *allocations;
};
extern struct now now;

/* Ends the test program, with errno as the reason. */
void die(const char *what) __attribute__((noreturn));

/* Memory, zero, that is freed at the end of the case. */
void *case_alloc(size_t size);

/* --- outside_look.c ------------------------------------------------------------------------------------------------ */

/* A whole file of any length, with a NUL behind it; NULL, with errno, where it cannot be read. To be freed. */
char *whole_file(const char *path, size_t *len);

/* A field of /proc/PID/status that is a hexadecimal mask. */
uint64_t mask(const char *status, const char *key);

/* A text that is put together in a buffer, and cut where that ends. */
struct text {
    char *buf;
    size_t len, have;
};

void PRINTF_LIKE(2, 3) add(struct text *out, const char *format, ...);

#endif
