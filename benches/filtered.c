/* filtered RULES PROGRAM [WORD...]: runs a program under a seccomp filter, as a container's runtime does.
 *
 * Each line of RULES is ACTION NAME [ARGUMENT OPERATION VALUE [MASK]]...: ACTION is `allow` or the number of an error; NAME is that of a
 * system call, or `default` for all others, which comes first; OPERATION is EQ, NE or MASKED_EQ. Calls that this architecture lacks are left out. */

#include "bench.h"

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint32_t action_of(const char *word)
{
    return strcmp(word, "allow") == 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO((uint32_t)atoi(word));
}

static void check(int result)
{
    errno = -result;
    if (result < 0)
        bench_fail("libseccomp");
}

static void add(scmp_filter_ctx filter, uint32_t action, int number, char *rest)
{
    struct scmp_arg_cmp args[6];
    unsigned n = 0;
    for (char *word = strtok(rest, " \n"); word && n < 6; word = strtok(NULL, " \n"), n++) {
        unsigned at = (unsigned)atoi(word);
        const char *operation = strtok(NULL, " \n"), *value = strtok(NULL, " \n"), *of_mask = "0";
        bool masked = operation && strcmp(operation, "MASKED_EQ") == 0;
        if (masked)
            of_mask = strtok(NULL, " \n");
        if (value == NULL || of_mask == NULL)
            bench_fail("a rule is cut");
        enum scmp_compare compare = masked ? SCMP_CMP_MASKED_EQ : strcmp(operation, "NE") == 0 ? SCMP_CMP_NE : SCMP_CMP_EQ;
        args[n] = (struct scmp_arg_cmp){at, compare, strtoull(value, NULL, 0), strtoull(of_mask, NULL, 0)};
    }
    check(seccomp_rule_add_array(filter, action, number, n, args));
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    FILE *rules = fopen(argv[1], "r");
    if (rules == NULL)
        bench_fail(argv[1]);
    scmp_filter_ctx filter = NULL;
    char line[256];
    while (fgets(line, sizeof line, rules)) {
        char action[16], name[64];
        int length = 0;
        if (sscanf(line, "%15s %63s%n", action, name, &length) != 2)
            bench_fail("a rule is cut");
        if (strcmp(name, "default") == 0) {
            filter = seccomp_init(action_of(action));
            if (filter == NULL)
                bench_fail("seccomp_init");
            check(seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0));
            continue;
        }
        int number = seccomp_syscall_resolve_name(name);
        if (number >= 0)
            add(filter, action_of(action), number, line + length);
    }
    fclose(rules);
    check(seccomp_load(filter));
    seccomp_release(filter);
    execv(argv[2], argv + 2);
    bench_fail(argv[2]);
}
