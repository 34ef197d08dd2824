/* The promise under fault: a tracer makes single system calls of the library fail, lie, or take long, or ends the thread that makes them,
 * in the caller, in one other thread, in all others, in the rehearsing child, or in all of them, and then looks at every thread from outside.
 * Each scene is played in both ways of a call: in place, and, under a filter that forbids nothing that matters, rehearsed. In place, what
 * is undone after a refusal is made to fail too.
 * There are three outcomes, and whatever is none of them is a failure:
 *
 *     done       0 was returned, and every thread is exactly as asked
 *     unchanged  an error was returned, and everything is as it was: every thread, its errno and its death signal; root and
 *                working directory, signal actions, descriptors, the dumpable flag; and no child is left behind
 *     dead       the process is gone by SIGABRT, with one line on standard error that names step, thread and errno
 *
 * Which calls there are is found by tracing a run without a fault, so a call added to the library is covered by itself. The
 * call's own lookups (open, read, mmap … of the user database) and malloc are among them.
 *
 *     faults              every use of every call once, with one of the ways to fail in turn, and of those two in five: for `make check`
 *     faults --all        every use of every call in every way
 *     faults --first      every use of every call once, and stops at the first failure; --scene NAME, or EC_SCENE in the environment, takes
 *                         one scene only, and all of that
 *     faults --one SCENE WHERE CALL N HOW [from | then CALL]      one of them, as a line of the table names it, told in full
 *     faults --table FILE also writes a line per fault to FILE: scene, where, call, n, how, outcome, milliseconds, more */

#include "faults.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct board {
    volatile size_t next;
    volatile bool stopped; /* with --first, at the first that is none of the three */
    struct result results[];
};

static struct result run_one(const struct fault *fault)
{
    scene = &scenes[fault->scene];
    struct result result = run(fault, NULL);
    /* What the rehearsal is refused must not be tried in earnest. */
    if (fault->where == REHEARSAL && in_plan(fault->key) && fault->way.how == FAILS && result.outcome != UNCHANGED &&
        result.outcome != NOT_REACHED) {
        struct result wrong = {.outcome = BETWEEN, .milliseconds = result.milliseconds};
        say(wrong.text, "the rehearsal was refused, and yet %s: %.300s", outcome_names[result.outcome], result.text);
        return wrong;
    }
    /* What the kernel refuses each time, in place, is found by a probe, while all can be undone. */
    if (is_refused_for_good(fault) && result.outcome == DEAD) {
        struct result wrong = {.outcome = BETWEEN, .milliseconds = result.milliseconds};
        say(wrong.text, "the process has ended where the call could have been refused: %.300s", result.text);
        return wrong;
    }
    return result;
}

static unsigned failures, shown;

static void fails(const char *what, const char *why)
{
    failures++;
    if (shown++ < 40)
        printf("FAIL %s: %s\n", what, why);
}

int main(int argc, char **argv)
{
    double_scenes();
    bool all = false;
    char *table = NULL;
    struct fault one;
    bool only_one = false, first = false;
    const char *scene_chosen = getenv("EC_SCENE");
    for (int at = 1; at < argc; at++) {
        if (!strcmp(argv[at], "--all")) {
            all = true;
        } else if (!strcmp(argv[at], "--first")) {
            first = true;
        } else if (!strcmp(argv[at], "--table") && at + 1 < argc) {
            table = argv[++at];
        } else if (!strcmp(argv[at], "--scene") && at + 1 < argc) {
            scene_chosen = argv[++at];
        } else if (!strcmp(argv[at], "--one") && parse_fault(argv + at + 1, argc - at - 1, &one)) {
            only_one = true;
            break;
        } else {
            fprintf(stderr,
                    "usage: faults [--all] [--first] [--scene NAME] [--table FILE] [--one SCENE WHERE CALL N HOW [from]]\n");
            return 2;
        }
    }
    try_private_users();
    if (!mkdtemp(directory) || chmod(directory, 0755) < 0) {
        perror(directory);
        return 1;
    }
    struct sigaction action = {.sa_handler = tick};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval timer = {{0, 10000}, {0, 10000}};
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return 70;
    setitimer(ITIMER_REAL, &timer, NULL);

    if (only_one) {
        char name[200];
        verbose = true;
        fault_name(&one, name, sizeof name);
        struct result result = run_one(&one);
        printf("%s: %s, %u ms: %s\n", name, outcome_names[result.outcome], result.milliseconds, result.text);
        rmdir(directory);
        return result.outcome == BETWEEN || result.outcome == HANG;
    }

    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    unsigned scenes_run = 0;
    for (size_t at = 0; at < SCENES; at++) {
        char why[200], name[200];
        if (scene_chosen && strcmp(scene_chosen, scenes[at].name))
            continue;
        scene = &scenes[at];
        if (!can_run(scene, why)) {
            printf("SKIP faults in \"%s\": %s\n", scene->name, why);
            continue;
        }
        scenes_run++;
        snprintf(name, sizeof name, "a run of \"%s\" without a fault (%s)", scene->name, scene->what);
        bool done = true;
        for (int time = 0; time < 3 && done; time++) {
            struct catalog catalog = {0};
            struct result result = run(NULL, &catalog);
            merge(&catalogs[at], &catalog);
            done = result.outcome == DONE;
            if (!done)
                fails(name, result.text);
        }
        /* a list that lacks the plan's own calls would make for an empty test */
        if (done && !uses(&catalogs[at], ALL_OTHERS, KEY(SYS_capset, 0)))
            fails(name, "no capset was seen in another thread");
        else if (done && scene->rehearsed && !uses(&catalogs[at], REHEARSAL, KEY(SYS_capset, 0)))
            fails(name, "no capset was seen in the rehearsal");
        else if (done && !scene->rehearsed && strncmp(scene->name, "userns", 6) &&
                 uses(&catalogs[at], REHEARSAL, KEY(SYS_capset, 0)))
            fails(name, "there is a rehearsal, though there is no filter");
        else if (done)
            printf("ok %s\n", name);
        if (done)
            list_faults((int)at, all);
    }
    if (!all && !first && !scene_chosen) {
        size_t kept = 0;
        for (size_t at = 0; at < faults_len; at++)
            if (at % 5 < 2)
                faults[kept++] = faults[at];
        faults_len = kept;
    }
    fflush(stdout);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL);

    struct board *board = mmap(NULL, sizeof *board + faults_len * sizeof board->results[0], PROT_READ | PROT_WRITE,
                               MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED)
        return 70;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    pid_t workers[16];
    /* twice as many, since some faults are waited for */
    int workers_len = cores < 1 ? 2 : cores > 8 ? 16 : 2 * (int)cores;
    for (int at = 0; at < workers_len; at++) {
        workers[at] = fork();
        if (workers[at])
            continue;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED)
            _exit(70);
        setitimer(ITIMER_REAL, &timer, NULL);
        for (size_t next; !board->stopped && (next = __atomic_fetch_add(&board->next, 1, __ATOMIC_SEQ_CST)) < faults_len;) {
            board->results[next].outcome = HANG; /* should the tracer itself die */
            strcpy(board->results[next].text, "the tracer has died");
            board->results[next] = run_one(&faults[next]);
            if (first && (board->results[next].outcome == BETWEEN || board->results[next].outcome == HANG))
                board->stopped = true;
        }
        _exit(0);
    }
    for (int at = 0; at < workers_len; at++)
        while (waitpid(workers[at], NULL, 0) < 0 && errno == EINTR)
            ;
    rmdir(directory);

    FILE *out = table ? fopen(table, "w") : NULL;
    if (out)
        fprintf(out, "scene\twhere\tcall\tn\thow\tfrom\toutcome\tms\tmore\n");
    unsigned counts[WHERES][OUTCOMES] = {{0}}, totals[OUTCOMES] = {0};
    unsigned by_scene[SCENES][OUTCOMES] = {{0}};
    for (size_t at = 0; at < faults_len; at++) {
        const struct fault *fault = &faults[at];
        struct result *result = &board->results[at];
        if (at >= board->next && board->stopped) {
            result->outcome = NOT_REACHED;
        } else if (at >= board->next) {
            result->outcome = HANG;
            strcpy(result->text, "not tried: the tracers have died");
        }
        for (char *c = result->text; *c; c++)
            if (*c == '\n' || *c == '\t')
                *c = ' ';
        counts[fault->where][result->outcome]++;
        by_scene[fault->scene][result->outcome]++;
        totals[result->outcome]++;
        if (result->outcome == BETWEEN || result->outcome == HANG) {
            char name[200], why[512];
            fault_name(fault, name, sizeof name);
            snprintf(why, sizeof why, "%s: %s", outcome_names[result->outcome], result->text);
            fails(name, why);
        }
        if (out) {
            fprintf(out, "%s\t%s\t%s\t%u\t", scenes[fault->scene].name, where_names[fault->where], key_name(fault->key),
                    fault->n);
            fprintf(out, "%s\t%s\t%s\t%u\t%s\n", way_name(fault->way), fault->from ? "from" : "once",
                    outcome_names[result->outcome], result->milliseconds, result->text);
        }
    }
    if (out)
        fclose(out);
    if (shown > 40)
        printf("… and %u more\n", shown - 40);
    for (size_t at = 0; at < SCENES; at++) {
        unsigned *count = by_scene[at];
        unsigned tried = count[DONE] + count[UNCHANGED] + count[DEAD] + count[LIBC] + count[BETWEEN] + count[HANG];
        if (tried && !count[BETWEEN] && !count[HANG])
            printf("ok faults in \"%s\": %u tried, %u done, %u unchanged, %u dead, %u dead in libc\n", scenes[at].name, tried,
                   count[DONE], count[UNCHANGED], count[DEAD], count[LIBC]);
    }
    unsigned tried = totals[DONE] + totals[UNCHANGED] + totals[DEAD] + totals[LIBC] + totals[BETWEEN] + totals[HANG];
    printf("faults  %-10s %6s %6s %9s %6s %8s %10s %5s\n", "where", "tried", "done", "unchanged", "dead", "in libc", "in between",
           "hang");
    for (int at = 0; at < WHERES; at++) {
        unsigned *count = counts[at];
        printf("faults  %-10s %6u %6u %9u %6u %8u %10u %5u\n", where_names[at],
               count[DONE] + count[UNCHANGED] + count[DEAD] + count[LIBC] + count[BETWEEN] + count[HANG], count[DONE],
               count[UNCHANGED], count[DEAD], count[LIBC], count[BETWEEN], count[HANG]);
    }
    printf("faults: %u tried, %u done, %u unchanged, %u dead, %u dead in libc before any change, %u in between, %u hangs "
           "(%u more not reached; %u scenes, %ld s)\n",
           tried, totals[DONE], totals[UNCHANGED], totals[DEAD], totals[LIBC], totals[BETWEEN], totals[HANG], totals[NOT_REACHED],
           scenes_run, since(&start) / 1000);
    if (!scene_chosen && !first && scenes_run == SCENES && tried < (all ? 12000 : 6000))
        fails("faults: at least 6,000, or 12,000 of all", "fewer were tried");
    if (!scenes_run)
        fails("faults", "no scene could be run");
    return failures != 0;
}
