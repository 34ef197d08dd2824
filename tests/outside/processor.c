/* What differs from architecture to architecture: ids of all 32 bits, errors, signal actions and masks, stacks, seen from outside. */

#include "outside.h"
#include "seccomp.h"

#include <ec_security.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#define THREADS 8

struct request {
    const char *user, *group, *groups, *caps;
    int refused; /* a system call that a seccomp filter refuses, or 0 */
    const char *deadline;
    bool alone; /* without other threads, and without /proc: the kernel is asked for the ids, one call each */
};

static ec_security_policy *policy_of(const struct request *request)
{
    ec_security_policy *policy = ec_security_policy_new();
    const char *options[][2] = {
        {"user", request->user},         {"group", request->group},       {"supplemental_groups", request->groups},
        {"capabilities", request->caps}, {"deadline", request->deadline},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i][1] != NULL && ec_security_policy_set(policy, options[i][0], options[i][1]) != 0) {
            fprintf(stderr, "%s: %s\n", options[i][0], ec_security_last_error());
            abort();
        }
    return policy;
}

static void applies(void *arg)
{
    const struct request *request = arg;
    if (request->refused != 0) {
        struct rule rule = CALLS(request->refused, FAILS_WITH(EPERM));
        if (seccomp_rule(rule, 0) != 0)
            abort();
    }
    if (request->alone && (!private_mounts() || umount2("/proc", MNT_DETACH) != 0))
        abort();
    if (!request->alone)
        idle_threads(THREADS - 1);
    ec_security_policy *policy = policy_of(request);
    for (;;) {
        ready();
        int status = ec_security_policy_apply(policy);
        report(status, ec_security_last_error());
    }
}

static void ids_arrive(const unsigned ids[4], bool alone)
{
    if (!need_uid(4294967290u))
        return;
    char user[16], group[16], groups[64];
    snprintf(user, sizeof user, "%u", ids[0]);
    snprintf(group, sizeof group, "%u", ids[1]);
    snprintf(groups, sizeof groups, "%u %u", ids[2], ids[3]);
    struct request request = {user, group, groups, "cap_net_bind_service+ep", 0, NULL, alone};
    struct child *child = start(applies, &request);
    struct process *before = look(child->pid);
    struct thread want = after_drop(&before->threads[0], ids[0], ids[1], &ids[2], 2, BIT(10), BIT(10), 0);
    /* Once more: what is held must be read as it is, or the call asks for what it has not the right to. */
    for (int times = 0; times < 2; times++) {
        release_and_expect(child, EC_SECURITY_OK);
        expect_threads(look(child->pid), &want, FIELDS_ALL, alone ? 1 : THREADS);
        want.bnd = BIT(10);
    }
}

static void ids_arrive_whole(void *ids) { ids_arrive(ids, false); }

static void ids_arrive_without_proc(void *ids) { ids_arrive(ids, true); }

static void changes_nothing(void *arg)
{
    struct request *request = arg;
    struct child *child = start(applies, request);
    struct process *before = look(child->pid);
    struct answer *answer = release_and_wait(child);
    expect(answer->came && answer->status != EC_SECURITY_OK, "apply: %d %s", answer->status, answer->text);
    if (request->refused != 0)
        expect(strstr(answer->text, "EPERM") != NULL, "apply: %d %s", answer->status, answer->text);
    expect_unchanged(before, look(child->pid));
}

static void unknown_names(void *unused)
{
    (void)unused;
    struct request request = {"65534", "65534", NULL, NULL, 0, NULL, false};
    struct child *child = start(applies, &request);
    struct process *before = look(child->pid);
    end(child);
    expect(before != NULL, "nothing seen");
    struct {
        const char *user, *caps;
        int status;
    } const wrong[] = {
        {"65534", "cap_nonsense+ep", EC_SECURITY_ESYNTAX},
        {"no-such-user-here", "", EC_SECURITY_EUSER},
    };
    uid_t ids[3];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int status = ec_security_apply(wrong[i].user, NULL, wrong[i].caps);
        expect(status == wrong[i].status, "%s, %s: %d %s", wrong[i].user, wrong[i].caps, status, ec_security_last_error());
        expect(getresuid(&ids[0], &ids[1], &ids[2]) == 0 && ids[0] == getuid(), "ids have changed");
    }
}

/* The kernel's struct sigaction of a signal that libc keeps for itself, whatever its layout. */
static void action_of(int number, unsigned char out[64])
{
    memset(out, 0xa5, 64);
    syscall(SYS_rt_sigaction, number, NULL, out, 8);
}

static long joins_in(void *unused)
{
    (void)unused;
    return 1;
}

static void keeps_actions(void *unused)
{
    (void)unused;
    struct worker_pool *others = start_workers(THREADS - 1);
    /* libc installs its own action for its set*id signal, with all that the layout has a place for. */
    gid_t gid = getegid();
    int first = setegid(gid);
    unsigned char before[65][64], after[64];
    for (int number = 1; number <= 64; number++)
        action_of(number, before[number]);
    ready();
    int status = ec_security_apply(NULL, NULL, "cap_setgid,cap_setuid+ep");
    char text[512];
    snprintf(text, sizeof text, "apply: %d %s", status, status != 0 ? ec_security_last_error() : "");
    for (int number = 1; number <= 64; number++) {
        action_of(number, after);
        if (memcmp(before[number], after, sizeof after) != 0) {
            status = -1;
            snprintf(text, sizeof text, "the action of signal %d is another one now", number);
        }
    }
    /* libc's broadcast reaches every thread. */
    if (first != 0 || setegid(gid) != 0) {
        status = -1;
        snprintf(text, sizeof text, "setegid failed");
    }
    if (each(others, joins_in, NULL) != THREADS - 1)
        status = -1;
    report(status, text);
}

static void actions_are_put_back(void *unused)
{
    (void)unused;
    release_and_expect(start(keeps_actions, NULL), 0);
}

static long blocks_everything(void *unused)
{
    (void)unused;
    /* 8 bytes of ones: all signals, those of libc as well. */
    unsigned char mask[8];
    memset(mask, 0xff, sizeof mask);
    return syscall(SYS_rt_sigprocmask, SIG_SETMASK, mask, NULL, sizeof mask);
}

static void waits_for_a_deaf_thread(void *arg)
{
    struct worker_pool *deaf = start_workers(1);
    each(deaf, blocks_everything, NULL);
    applies(arg);
}

/* Every signal but SIGKILL and SIGSTOP, which no mask has. */
#define ALL_SIGNALS (~(BIT(SIGKILL - 1) | BIT(SIGSTOP - 1)))

static void stopped_threads_block_all(void *unused)
{
    (void)unused;
    struct request request = {NULL, NULL, NULL, "", 0, "3", false};
    struct child *child = start(waits_for_a_deaf_thread, &request);
    struct process *before = look(child->pid);
    unsigned open = 0, stopped = 0;
    for (size_t i = 0; i < before->len; i++)
        open += before->threads[i].blocked != ALL_SIGNALS;
    expect(open >= THREADS, "only %u threads have signals open before", open);
    release(child);
    for (int tries = 0; tries < 20 && stopped != before->len; tries++) {
        usleep(100000);
        struct process *during = look(child->pid);
        stopped = 0;
        for (size_t i = 0; i < during->len; i++)
            /* The caller leaves SIGSYS open, by which a sandbox answers. */
            stopped += during->threads[i].blocked == (i == 0 ? ALL_SIGNALS & ~BIT(SIGSYS - 1) : ALL_SIGNALS);
    }
    expect(stopped == before->len, "%u of %zu threads block every signal while they are stopped", stopped, before->len);
    struct answer *answer = wait_report(child);
    expect(answer->came && answer->status == EC_SECURITY_ETHREAD, "apply: %d %s", answer->status, answer->text);
    expect_unchanged(before, look(child->pid));
}

/* --- libc's own broadcast --- */

static volatile int toggling, stop;

static void *toggles(void *unused)
{
    while (!stop) {
        (void)!seteuid(1);
        (void)!seteuid(0);
        toggling = 1;
    }
    toggling = 0;
    for (;;)
        pause();
    return unused;
}

static void applies_beside(void *arg)
{
    pthread_t thread;
    idle_threads(THREADS - 2);
    if (pthread_create(&thread, NULL, toggles, NULL) != 0)
        abort();
    while (!toggling)
        usleep(100);
    ready();
    ec_security_policy *policy = policy_of(arg);
    int status = ec_security_policy_apply(policy);
    char text[1024];
    snprintf(text, sizeof text, "%s", status != 0 ? ec_security_last_error() : "");
    stop = 1;
    for (int tries = 0; toggling && tries < 10000; tries++)
        usleep(1000);
    report(toggling ? -1 : status, toggling ? "seteuid does not return" : text);
}

#define ROUNDS 20

static void libc_changes_ids_beside(void *unused)
{
    (void)unused;
    if (!need_ids())
        return;
    struct request request = {"65534", "65534", "", "cap_net_bind_service+ep", 0, "1", false};
    unsigned done = 0, refused = 0, gone = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct child *child = start(applies_beside, &request);
        struct answer *answer = release_and_wait(child);
        struct process *after = answer->came ? look(child->pid) : NULL;
        if (after == NULL) {
            /* glibc ends a process in which its threads disagree. */
            gone++;
            expect(answer->wait_status != -1, "neither an answer nor the end");
        } else if (answer->status == EC_SECURITY_OK) {
            done++;
            struct thread want = after_drop(&after->threads[0], 65534, 65534, &(unsigned){0}, 0, BIT(10), BIT(10), 0);
            expect_threads(after, &want, FIELDS_ALL & ~FIELD_BND, THREADS);
        } else {
            refused++;
            expect(answer->status != -1, "%s", answer->text);
            for (size_t i = 0; i < after->len; i++)
                expect(after->threads[i].uid[0] == 0 && after->threads[i].uid[1] == 0 && after->threads[i].nnp == 0 &&
                           after->threads[i].prm == after->threads[0].prm && after->threads[i].prm != BIT(10),
                       "refused (%s), and a thread has changed", answer->text);
        }
        end(child);
    }
    printf("    libc's seteuid beside: %u times done, %u refused, %u the process is gone\n", done, refused, gone);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const unsigned above_29[] = {0x20000001u, 0x30000001u, 1000000007u, 0x40000001u};
    static const unsigned like_errors[] = {4294967290u, 4294967258u, 4294963201u, 4294967294u};
    struct request setresuid = {"65534", "65534", NULL, "cap_net_bind_service+ep", SYS_setresuid, NULL, false};
    select_cases(argc, argv);
    try_private_users();
    test("ids above 2^29 arrive whole in eight threads, twice", 30, ids_arrive_whole, (void *)above_29);
    test("ids that look like errors arrive whole in eight threads, twice", 30, ids_arrive_whole, (void *)like_errors);
    test("ids that look like errors arrive without /proc, twice", 30, ids_arrive_without_proc, (void *)like_errors);
    test("unknown names change nothing", 20, unknown_names, NULL);
    test("setresuid refused by a filter: an error, and nothing has changed", 20, changes_nothing, &setresuid);
    test("signal actions are put back, whatever their layout", 20, actions_are_put_back, NULL);
    test("stopped threads block all 64 signals", 20, stopped_threads_block_all, NULL);
    test("another thread calls libc's seteuid all the time: all as asked, or nothing", 120, libc_changes_ids_beside, NULL);
    return finish();
}
