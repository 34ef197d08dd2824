/* rehearsal MIB: how long a check takes in a process that large, whose one thread is the caller; and how long a fork takes
 * there, which is what a rehearsal by fork would cost. Prints `name nanoseconds` pairs. */

#include "bench.h"

#include <ec_security.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    size_t bytes = strtoul(argv[1], NULL, 10) << 20;
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        bench_fail("mmap");
    /* Small pages, as a heap that grew slowly has them: the most page tables. */
    madvise(memory, bytes, MADV_NOHUGEPAGE);
    if (madvise(memory, bytes, MADV_POPULATE_WRITE)) {
        for (size_t at = 0; at < bytes; at += 4096)
            memory[at] = 1;
    }
    ec_security_policy *policy = ec_security_policy_new();
    if (policy == NULL || ec_security_policy_set(policy, "user", "4711") || ec_security_policy_set(policy, "group", "4712") ||
        ec_security_policy_set(policy, "capabilities", DROP_CAPS))
        bench_fail(ec_security_last_error());
    int64_t start = bench_now();
    if (ec_security_policy_check(policy))
        bench_fail(ec_security_last_error());
    int64_t first = bench_now();
    if (ec_security_policy_check(policy))
        bench_fail(ec_security_last_error());
    int64_t again = bench_now();
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    if (child < 0 || waitpid(child, NULL, 0) != child)
        bench_fail("fork");
    printf("first %lld again %lld fork %lld\n", (long long)(first - start), (long long)(again - first),
           (long long)(bench_now() - again));
    return 0;
}
