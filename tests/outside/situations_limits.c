/* Situations in which something has run out: descriptors, processes, address space, memory, thread numbers. */

#include "policy_of.h"
#include "situations.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* --- descriptors -------------------------------------------------------------------------------------------------------------- */

/* Leaves room for `left` more descriptors. */
static void fill_descriptors(int left)
{
    struct rlimit limit = {64, 64};
    require(setrlimit(RLIMIT_NOFILE, &limit) == 0, "RLIMIT_NOFILE");
    int last = -1;
    for (int fd; (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;)
        last = fd;
    require(errno == EMFILE && last > left, "a full table");
    for (int at = 0; at < left; at++)
        close(last - at);
}

static void no_descriptor(void)
{
    idle_threads(2);
    fill_descriptors(0);
}

static int drop_without_names(void) { return apply_of((const char *const[]){"capabilities", "cap_net_bind_service+ep", NULL}); }

/* A drop with none of something left, with one, two …, each in a child of its own: it ends with status 0 where it is done, with 1
 * where it is refused as it should be. */
static int drop_with_each(int most, const char *what, void (*drop_with)(int left))
{
    int status = -1;
    for (int left = 0; left <= most; left++) {
        pid_t pid = fork();
        if (pid == 0) {
            idle_threads(2);
            drop_with(left);
        }
        waitpid(pid, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
            complain("%d %s left: wait status %x", left, what, (unsigned)status);
        shared->count += status != 0;
    }
    if (status)
        complain("not done with %d %s left", most, what);
    return drop();
}

static void drop_with_descriptors(int left)
{
    fill_descriptors(left);
    int status = drop();
    const char *text = ec_security_last_error();
    if (status == EC_SECURITY_OK)
        _exit(0);
    if (!strstr(text, "EMFILE"))
        complain("%d descriptors left: %d %s", left, status, text);
    struct process *seen = look(getpid());
    if (seen && seen->len && seen->threads[0].nnp)
        complain("%d descriptors left: refused, and yet changed", left);
    _exit(status == EC_SECURITY_ERESOURCE || status == EC_SECURITY_ELOOKUP ? 1 : 2);
}

static int each_number_of_descriptors(void) { return drop_with_each(11, "descriptors", drop_with_descriptors); }

static void tell_refusals(pid_t pid)
{
    (void)pid;
    printf("    refused before it was done: %d times\n", shared->count);
}

/* --- processes ------------------------------------------------------------------------------------------------------------------ */

static void at_process_limit(void)
{
    idle_threads(2);
    /* Root is not held to the limit, and neither is who has CAP_SYS_ADMIN or CAP_SYS_RESOURCE (kernel/fork.c). */
    if (ec_security_apply("nobody", NULL, "cap_setuid,cap_setgid,cap_net_bind_service+ep") != EC_SECURITY_OK)
        require(false, ec_security_last_error());
    struct rlimit none = {1, 1};
    require(setrlimit(RLIMIT_NPROC, &none) == 0, "RLIMIT_NPROC");
}

static void at_process_limit_with_filter(void)
{
    at_process_limit();
    filter(SYS_personality, -1, SECCOMP_RET_ERRNO | EPERM, true);
}

/* --- memory --------------------------------------------------------------------------------------------------------------------- */

static void drop_with_pages(int left)
{
    unsigned long have = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    require(file && fscanf(file, "%lu", &have) == 1, "statm");
    fclose(file);
    rlim_t bytes = (rlim_t)(have + (unsigned long)left) * 4096;
    struct rlimit limit = {bytes, bytes};
    require(setrlimit(RLIMIT_AS, &limit) == 0, "RLIMIT_AS");
    int status = drop();
    if (status == EC_SECURITY_OK)
        _exit(0);
    const char *text = ec_security_last_error();
    /* Without a page for the text, the status has to do. */
    if (status != EC_SECURITY_ERESOURCE || (*text && !strstr(text, "out of memory") && !strstr(text, "ENOMEM")))
        complain("%d pages left: %d %s", left, status, text);
    _exit(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0 ? 1 : 2);
}

static int each_size_of_memory(void) { return drop_with_each(59, "pages", drop_with_pages); }

/* Each allocation of a call fails once, each in a child. With `theirs`, glibc's lookup of names may end the process, before
 * anything is changed: without memory glibc 2.36 runs into an assertion or a NULL pointer, or finds nobody. */
static int each_allocation(int (*call)(void), bool theirs)
{
    long made = 0;
    int aborts = 0, words = memfd_create("words of glibc", MFD_CLOEXEC);
    for (long at = 0; at <= made; at++) {
        if (ftruncate(words, 0) < 0 || lseek(words, 0, SEEK_SET) < 0)
            complain("memfd: %s", strerror(errno));
        pid_t pid = fork();
        if (pid == 0) {
            if (theirs)
                dup2(words, 2);
            idle_threads(2);
            fail_at = at;
            failing_thread = gettid_raw();
            int status = call();
            failing_thread = 0;
            if (at == 0)
                shared->count = (int)allocations;
            if (status == EC_SECURITY_OK)
                _exit(0);
            if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 0)
                complain("allocation %ld: refused, and yet changed", at);
            const char *text = ec_security_last_error();
            bool nobody = status == EC_SECURITY_EUSER || status == EC_SECURITY_EGROUP;
            bool plain = status == EC_SECURITY_ERESOURCE || status == EC_SECURITY_ELOOKUP;
            if (!(theirs && nobody) && !(plain && (strstr(text, "out of memory") || strstr(text, "ENOMEM"))))
                complain("allocation %ld: %d %s", at, status, text);
            _exit(1);
        }
        int status;
        waitpid(pid, &status, 0);
        char said[256];
        ssize_t len = pread(words, said, sizeof said - 1, 0);
        said[len > 0 ? len : 0] = 0;
        if (theirs && (WIFSIGNALED(status) || strstr(said, "thread-local data: ABORT")) && !strstr(said, "libec_security"))
            aborts++;
        else if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
            complain("allocation %ld: wait status %x %s", at, (unsigned)status, said);
        if (at == 0)
            made = shared->count;
    }
    if (made < 2)
        complain("%ld allocations in a call: none was counted?", made);
    shared->flag = aborts;
    return call();
}

static int each_allocation_of_ours(void) { return each_allocation(drop_without_names, false); }
static int each_allocation_of_names(void) { return each_allocation(drop, true); }

static void tell_allocations(pid_t pid)
{
    (void)pid;
    printf("    allocations of a call, each failed once: %d; glibc's lookup of names ended the process: %d times\n",
           shared->count, shared->flag);
}

static void make_bare_thread(void) { deaf_bare_thread(0); }

static int drop_in_a_second(void) { return drop_within("1"); }

static void takes_descriptors(pid_t pid)
{
    struct rlimit none = {0, 0};
    nap(400);
    expect(prlimit(pid, RLIMIT_NOFILE, &none, NULL) == 0, "prlimit: %s", strerror(errno));
}

static void hears_late(pid_t pid)
{
    shared->flag = 1;
    nap(100);
    char state = state_of(pid, pid);
    expect(state && state != 'Z', "the signal that came after the call has ended the process");
}

static void idle_two(void) { idle_threads(2); }

void situations_of_limits(void)
{
    static const struct situation all[] = {
        SITUATION("the descriptor table is full (RLIMIT_NOFILE)", .make = no_descriptor, .call = drop_without_names,
                  .outcomes = REFUSED, .status = EC_SECURITY_ERESOURCE, .says = {"EMFILE"}),
        SITUATION("room for 0 to 11 more descriptors", .make = idle_two, .call = each_number_of_descriptors,
                  .after = tell_refusals, .outcomes = DONE, .threads = 3),
        SITUATION("no descriptor is left when a call is called off, and a thread hears its signal later",
                  .make = make_bare_thread, .call = drop_in_a_second, .beside = takes_descriptors, .after = hears_late,
                  .outcomes = REFUSED, .status = EC_SECURITY_ETHREAD, .says = {"within the deadline"}, .threads = 2,
                  .keeps_handler = true),
        SITUATION("no more processes (RLIMIT_NPROC)", .needs_ids = true, .make = at_process_limit, .outcomes = DONE,
                  .threads = 3),
        SITUATION("no more processes (RLIMIT_NPROC), under a seccomp filter", .needs_ids = true,
                  .make = at_process_limit_with_filter, .outcomes = REFUSED, .status = EC_SECURITY_ERESOURCE,
                  .says = {"clone", "EAGAIN", "RLIMIT_NPROC"}),
        SITUATION("address space for 0 to 59 more pages (RLIMIT_AS)", .make = idle_two, .call = each_size_of_memory,
                  .after = tell_refusals, .outcomes = DONE, .threads = 3),
        SITUATION("out of memory at each allocation, names looked up", .needs_ids = true, .make = idle_two,
                  .call = each_allocation_of_names, .after = tell_allocations, .outcomes = DONE, .threads = 3),
        SITUATION("out of memory at each allocation, nothing looked up", .make = idle_two, .call = each_allocation_of_ours,
                  .after = tell_allocations, .outcomes = DONE, .threads = 3, .fields = FIELDS_CAPS | FIELD_NNP),
    };
    for (size_t at = 0; at < sizeof all / sizeof *all; at++)
        situation(&all[at]);
}
