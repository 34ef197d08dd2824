/* text WHOSE: how long one call takes to read each text of capabilities, `ours` or `libcap`. Prints `name nanoseconds`
 * pairs, the least of some batches. Each library fails on the same texts, or this ends with an error. */

#include "bench.h"

#include <ec_security.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>

enum { BATCHES = 5, BATCH_NS = 2000000 };

static bool ours(const char *text)
{
    ec_security_caps caps;
    return ec_security_caps_from_text(text, &caps) == EC_SECURITY_OK;
}

static bool libcaps(const char *text)
{
    cap_t caps = cap_from_text(text);
    return caps != NULL && cap_free(caps) == 0;
}

static double ns_per_call(bool (*read)(const char *), const char *text, bool good)
{
    double least = 1e18;
    long calls = 1;
    for (int batch = 0; batch < BATCHES;) {
        int64_t start = bench_now();
        for (long i = 0; i < calls; i++) {
            if (read(text) != good)
                bench_fail(text);
        }
        int64_t took = bench_now() - start;
        if (took < BATCH_NS) {
            calls *= 2;
            continue;
        }
        double each = (double)took / calls;
        least = each < least ? each : least;
        batch++;
    }
    return least;
}

/* Every name in one clause, the last in the kernel's order first: what a search from the front likes least. */
static char *every_name(void)
{
    static char text[4096];
    for (int cap = cap_max_bits() - 1; cap >= 0; cap--) {
        char *name = cap_to_name(cap);
        if (name == NULL)
            bench_fail("cap_to_name");
        strcat(strcat(text, text[0] != '\0' ? "," : ""), name);
        cap_free(name);
    }
    return strcat(text, "=eip");
}

/* One clause a capability, each with chained actions: the same for all, or each unlike those around it, which a reader that
 * knows again what it has just read does not help. */
static char *every_clause(char *text, bool alike)
{
    static const char *const actions[] = {"=eip-i+i-e", "+p-e+ie-ip", "=ip+e-i+ie", "+eip-e-i+e", "=p+i-p+ei+p"};
    for (int cap = 0; cap < cap_max_bits(); cap++) {
        char *name = cap_to_name(cap);
        if (name == NULL)
            bench_fail("cap_to_name");
        strcat(strcat(strcat(text, text[0] != '\0' ? " " : ""), name), actions[alike ? 0 : cap % 5]);
        cap_free(name);
    }
    return text;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    bool (*read)(const char *) = strcmp(argv[1], "ours") == 0 ? ours : libcaps;
    const struct {
        const char *name, *text;
        bool good;
    } texts[] = {
        {"stanza-single", "cap_net_bind_service+ep", true},
        {"stanza-cluster", "cap_net_admin+ep cap_net_bind_service+ep cap_net_raw+ep cap_sys_resource+ep", true},
        {"nothing", "=", true},
        {"all", "all=eip", true},
        {"last-name", "cap_checkpoint_restore=ep", true},
        {"every-name", every_name(), true},
        {"every-clause", every_clause((char[8192]){""}, true), true},
        {"every-clause-unlike", every_clause((char[8192]){""}, false), true},
        {"unknown-name", "cap_net_bind_servic+ep", false},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        printf("%s %.1f ", texts[i].name, ns_per_call(read, texts[i].text, texts[i].good));
    putchar('\n');
    return 0;
}
