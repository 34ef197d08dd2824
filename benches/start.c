/* start PROGRAM: how long it takes from posix_spawn to the end of a program. Prints `start nanoseconds`. */

#include "bench.h"

#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>

int main(int argc, char **argv, char **environ)
{
    if (argc != 2)
        return 2;
    pid_t child;
    int status;
    int64_t start = bench_now();
    if (posix_spawn(&child, argv[1], NULL, NULL, argv + 1, environ) || waitpid(child, &status, 0) != child || status != 0)
        bench_fail(argv[1]);
    printf("start %lld\n", (long long)(bench_now() - start));
    return 0;
}
