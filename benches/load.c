/* load LIBRARY FUNCTION TEXT: how long dlopen, the first call of FUNCTION(TEXT, buf) and dlclose take together, and how much
 * memory of its own the process has more before dlclose. Prints `name number` pairs: nanoseconds, and KiB. */

#include "bench.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static long private_dirty(void)
{
    char text[4096];
    int file = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
    ssize_t len = read(file, text, sizeof text - 1);
    if (file < 0 || len < 0)
        bench_fail("smaps_rollup");
    close(file);
    text[len] = '\0';
    char *at = strstr(text, "Private_Dirty:");
    return at != NULL ? strtol(at + strlen("Private_Dirty:"), NULL, 10) : 0;
}

/* Sets that neither library overruns. */
static unsigned long buf[16];

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    /* Twice, so that what the look itself dirties is there before. */
    private_dirty();
    long before = private_dirty();
    int64_t start = bench_now();
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    int64_t opened = bench_now();
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    long (*call)(const char *, void *);
    *(void **)&call = dlsym(library, argv[2]);
    if (call == NULL)
        bench_fail(argv[2]);
    call(argv[3], buf);
    int64_t called = bench_now();
    long after = private_dirty();
    int64_t closing = bench_now();
    dlclose(library);
    int64_t closed = bench_now();
    printf("dlopen %lld all %lld dirty %ld\n", (long long)(opened - start), (long long)(called - start + closed - closing),
           after - before);
    return 0;
}
