/* What the parts of the program faults share; faults.c says what it does. Its parts: faults_names.c (the names of calls and of ways to
 * fail), faults_scenes.c (what the process is, and what it asks for), faults_child.c (the process that is traced), faults_look.c (what
 * it is from outside, and whether that is right), faults_tracer.c (a run), faults_list.c (which faults are tried). */

#ifndef FAULTS_H
#define FAULTS_H

#include "outside.h"

#include <signal.h>
#include <sys/stat.h>
#include <time.h>

#define LEN(array) (sizeof(array) / sizeof *(array))

/* Other threads than the caller. */
#define OTHERS 3
#define THREADS (OTHERS + 1)

/* --- a fault ------------------------------------------------------------------------------------------------------- */

/* Where it strikes. */
enum where { CALLER, ONE, ALL_OTHERS, REHEARSAL, EVERYWHERE, WHERES };

/* A call: its number, and for those that are many in one, which of them. */
typedef uint64_t key_t_;
#define KEY(number, sub) ((key_t_)(number) << 32 | (uint32_t)(sub))
#define MALLOC 100000

enum how {
    FAILS,
    LIES,
    HOLDS,
    KILLS, /* the process */
    ENDS,  /* the thread alone, as a filter of its own does (SECCOMP_RET_KILL_THREAD) */
    HIDES, /* capget: shows no capability effective or permitted, as a security module may */
    FILTERED,
    FILTERED_DIES
};

struct way {
    enum how how;
    int number; /* FAILS, FILTERED: errno; HOLDS: milliseconds; KILLS: signal */
};

struct fault {
    int scene;
    enum where where;
    key_t_ key;
    unsigned n;
    struct way way;
    bool from;   /* the n-th use and all later ones */
    key_t_ then; /* in the caller, all uses of this after that fail with EPERM, or 0: what is to be undone cannot be */
};

enum outcome { DONE, UNCHANGED, DEAD, LIBC, BETWEEN, HANG, NOT_REACHED, OUTCOMES };

struct result {
    enum outcome outcome;
    unsigned milliseconds;
    char text[400];
};

/* --- faults_names.c ------------------------------------------------------------------------------------------------ */

extern const char *const where_names[WHERES], *const outcome_names[OUTCOMES];
const char *key_name(key_t_ key);
const char *way_name(struct way way);
key_t_ key_of(uint64_t number, const uint64_t args[6]);
static inline bool number_is(key_t_ key, long number) { return (long)(key >> 32) == number; }

/* A fault as a line of the table names it, and back; false where the words name none. */
void fault_name(const struct fault *fault, char *out, size_t len);
bool parse_fault(char **words, int len, struct fault *fault);

/* --- faults_scenes.c ----------------------------------------------------------------------------------------------- */

struct want {
    bool ids;           /* those of ecuser, else they stay */
    const char *groups; /* as /proc/PID/status has them, or NULL: they stay */
    bool caps;          /* the three sets below, else they stay */
    uint64_t eff, prm, inh, amb;
    bool trim, nnp;
    int securebits; /* or -1: they stay */
    bool root;      /* the directory of the tests */
};

struct scene {
    const char *name, *what;
    void (*prepare)(void); /* in the child, while it has one thread; or NULL */
    int (*before)(void);   /* by the caller, when there are threads: what must have happened before; or NULL */
    int (*call)(void);
    struct want want;
    int caller; /* which thread calls: 0 is the main one */
    bool needs_ids;
    uint64_t needs_caps;
    bool rehearsed;  /* there is a filter, of uname(2) */
    bool long_holds; /* whether its deadline is short enough to keep threads longer than that */
};

/* Eight, each in place and each again with a filter. */
#define SCENES 16
extern struct scene scenes[SCENES];
extern const struct scene *scene; /* the one under way */
extern char directory[];

void double_scenes(void);
bool can_run(const struct scene *it, char why[200]);

/* --- faults_child.c ------------------------------------------------------------------------------------------------ */

/* What a thread says of itself that /proc does not tell: it asks the kernel by system calls of its own. */
struct probe {
    long securebits, dumpable, death_signal;
    uint64_t mask;
    unsigned char action[32]; /* of signal 33: handler, flags, restorer or mask */
    int errno_kept;
};

/* Written by the child, read by the tracer. */
struct shared {
    volatile int mark; /* the last one; from END on, calls are no longer the library's */
    volatile pid_t pid;
    volatile int status;
    char text[512];
    volatile pid_t tids[THREADS]; /* the caller first */
    struct probe before[THREADS], after[THREADS];
    volatile unsigned memory;   /* how often memory was asked for by the caller during the call */
    volatile unsigned memory_n; /* the use that fails, or 0 */
    volatile bool memory_from;
    /* a seccomp filter for the thread with index 2 */
    volatile uint32_t filter_result;
    volatile uint64_t filter_key;
    volatile int filter_errno;
    volatile uint32_t ended; /* other threads that a fault has ended */
};

extern struct shared *shared;
extern int seized[2], told[2];

enum mark { SET_UP = 1, BEGIN, END, FINAL };

void child_main(void);

/* --- faults_look.c ------------------------------------------------------------------------------------------------- */

enum { UID, GID, GROUPS, INH, PRM, EFF, BND, AMB, BLOCKED, NNP, SECCOMP, STATE, FIELDS };
#define COMPARED STATE /* those before it */

struct snapshot {
    char threads[THREADS][FIELDS][640];
    dev_t root_dev, cwd_dev;
    ino_t root_ino, cwd_ino;
    char actions[200]; /* SigIgn, SigCgt, Threads */
    char descriptors[1024];
    char children[128];
};

/* What cannot be asked for: a call that puts something back, and is made to fail, has not put it back. */
enum {
    DESCRIPTORS = 1, /* close */
    CHILD = 2,       /* wait4 for ever */
    MASKS = 4,       /* rt_sigprocmask for ever */
    ACTION = 8,      /* rt_sigaction for ever; or a thread has not taken its signal yet, which must not kill it then */
    /* Not a fault: when the call returns, other threads may be about to leave the handler, or look there whether the caller lives. */
    RETURNING = 16,
};

/* Where the first drop is refused, the bounding set stays: a security module may deny it (ec_security_apply(3)). */
extern bool trim_denied;

size_t slurp(const char *path, char *out, size_t size);
void value(const char *status, const char *key, char *out, size_t size);
void take(pid_t pid, struct snapshot *out);
const char *who(int at);
bool PRINTF_LIKE(2, 3) say(char out[400], const char *format, ...);
bool is_unchanged(const struct snapshot *was, const struct snapshot *is, unsigned lenient, char out[400]);
bool is_as_asked(const struct snapshot *was, const struct snapshot *is, unsigned lenient, char out[400]);
bool probes_agree(bool done, unsigned lenient, char out[400]);
bool is_last_line(const char *text, char out[400]);

/* --- faults_tracer.c ----------------------------------------------------------------------------------------------- */

#define REHEARSING THREADS

/* What a run without a fault does: how often each call is made in each role. */
struct catalog {
    size_t len;
    struct {
        int role;
        key_t_ key;
        unsigned n;
    } entries[1024];
};

extern bool verbose;

void note(struct catalog *catalog, int role, key_t_ key, unsigned n);
void tick(int signal);
bool strikes(const struct fault *fault, int role);
long since(const struct timespec *then);
struct result run(const struct fault *fault, struct catalog *catalog);

/* --- faults_list.c ------------------------------------------------------------------------------------------------- */

extern struct catalog catalogs[SCENES];
extern struct fault *faults;
extern size_t faults_len;

unsigned uses(const struct catalog *catalog, enum where where, key_t_ key);
bool in_plan(key_t_ key);
void merge(struct catalog *into, const struct catalog *from);
bool is_refused_for_good(const struct fault *fault);
void list_faults(int at, bool all);

#endif
