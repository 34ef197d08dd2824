/* What the header says of memory that has run out, where no apply is involved: tests/outside/faults.c has those. */

#include "outside.h"
#include "own_malloc.h"

#include <ec_security.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile bool none_left;
static volatile unsigned refused;

/* The allocation that fails, counted from 1, 0 for none; and whether all after it do. */
static volatile unsigned fails_at, asked;
static volatile bool fails_on;

static bool memory_refused(void)
{
    bool fails = none_left || (fails_at && (++asked == fails_at || (fails_on && asked > fails_at)));
    refused += fails;
    return fails;
}

static void makes_policy(void *unused)
{
    (void)unused;
    ready();
    none_left = true;
    ec_security_policy *policy = ec_security_policy_new();
    none_left = false;
    report(policy ? 1 : 0, ec_security_last_error());
    ready();
    policy = ec_security_policy_new();
    int status = ec_security_policy_set(policy, "bounding", "keep");
    ec_security_policy_free(policy);
    report(policy ? status : -1, refused ? "malloc had been asked" : "malloc had not been asked");
}

static void policy_without_memory(void *unused)
{
    (void)unused;
    struct child *child = start(makes_policy, NULL);
    struct answer *answer = release_and_wait(child);
    expect(answer->came && answer->status == 0 && strstr(answer->text, "memory"), "policy_new: %d %s", answer->status,
           answer->text);
    answer = release_and_wait(child);
    expect(answer->came && answer->status == 0 && strcmp(answer->text, "malloc had been asked") == 0, "with memory again: %d %s",
           answer->status, answer->text);
}

/* --- a configuration is read ------------------------------------------------------------------------------------------------- */

/* Numbers and "+" alone: glibc's lookups of names end the process without memory. */
#define SETTINGS \
    "user = +11 group = (\"+12\") supplemental_groups = (+13 +14) capabilities = (cap_chown+ep cap_kill+ep) chroot = /mnt/link"

static const struct {
    const char *name, *file, *text, *chroot;
    int status;        /* with memory */
    const char *error; /* the beginning of the message */
} READS[] = {
    {"a file that includes", "/mnt/all.conf", NULL, NULL, EC_SECURITY_OK, NULL},
    {"a text", NULL, "Security { " SETTINGS " }", NULL, EC_SECURITY_OK, NULL},
    {"a text that includes", NULL, "server { a = [ b ] } include /mnt/one.conf", NULL, EC_SECURITY_OK, NULL},
    {"an option of an included file", "/mnt/option.conf", NULL, NULL, EC_SECURITY_EOPTION, "/mnt/bad/b:1:"},
    {"an item of a list", NULL, "Security { capabilities = (cap_kill+p cap_kil+p) }", NULL, EC_SECURITY_ESYNTAX, "(text):1:39: "},
    {"a list of an unknown option", NULL, "Security { grup = (a b) }", NULL, EC_SECURITY_EOPTION, "(text):1:12: "},
    {"a text that leaves the grammar", NULL, "Security { user = }", NULL, EC_SECURITY_ESYNTAX, "(text):1:19: "},
    {"a file that includes itself", "/mnt/loop.conf", NULL, NULL, EC_SECURITY_EFILE, "/mnt/back.conf:1:"},
    {"an included file that is missing", NULL, "include /mnt/link/missing", NULL, EC_SECURITY_EFILE, "(text):1:9: include: "},
    {"no stanza", NULL, "a { Security { } } Securty { }", NULL, EC_SECURITY_ENOSTANZA, "(text): no Security stanza"},
    {"the option chroot", NULL, NULL, "/mnt/link", EC_SECURITY_OK, NULL},
    {"the option chroot, of a directory that is missing", NULL, NULL, "/mnt/link/missing", EC_SECURITY_ECHROOT,
     "chroot: \"/mnt/link/missing\": "},
};

static const char *const BEFORE[][2] = {
    {"user", "+7"}, {"group", "+8"}, {"supplemental_groups", "+9"}, {"capabilities", "cap_fowner=p"}, {"chroot", "/usr"},
};
enum { OPTIONS_BEFORE = sizeof BEFORE / sizeof *BEFORE };

static bool is_as_before(ec_security_policy *policy)
{
    for (int at = 0; at < OPTIONS_BEFORE; at++) {
        char value[256];
        if (ec_security_policy_get(policy, BEFORE[at][0], value, sizeof value) < 0 || strcmp(value, BEFORE[at][1]) != 0)
            return false;
    }
    return true;
}

static ec_security_policy *policy_before(void)
{
    ec_security_policy *policy = ec_security_policy_new();
    for (int at = 0; at < OPTIONS_BEFORE; at++)
        if (ec_security_policy_set(policy, BEFORE[at][0], BEFORE[at][1]) != EC_SECURITY_OK)
            return NULL;
    return policy;
}

/* Reads a row while an allocation fails. False, with the complaint, where that ends otherwise than it may. */
static bool reads(size_t row, unsigned allocation, char *complaint, size_t len)
{
    ec_security_policy *policy = policy_before();
    refused = asked = 0;
    fails_at = allocation;
    int status = READS[row].file   ? ec_security_policy_load(policy, READS[row].file)
                 : READS[row].text ? ec_security_policy_parse(policy, READS[row].text)
                                   : ec_security_policy_set(policy, "chroot", READS[row].chroot);
    fails_at = 0;
    const char *error = ec_security_last_error();
    bool right = status == EC_SECURITY_OK || (READS[row].error && strstr(error, READS[row].error) == error);
    bool ran_out = status != EC_SECURITY_OK && strstr(error, "out of memory");
    right = ran_out ? refused && status == EC_SECURITY_ERESOURCE : right && status == READS[row].status;
    bool kept = is_as_before(policy);
    snprintf(complaint, len, "allocation %u%s: %d %s; the policy is %s", allocation, fails_on ? " and on" : "", status,
             status ? error : "", kept ? "as it was" : "another");
    ec_security_policy_free(policy);
    return right && kept == (status != EC_SECURITY_OK);
}

static bool write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    return file && fputs(text, file) >= 0 && fclose(file) == 0;
}

static bool make_files(void)
{
    umask(022);
    return private_mounts() && mount("tmpfs", "/mnt", "tmpfs", 0, "mode=0755") == 0 && mkdir("/mnt/all", 0755) == 0 &&
           mkdir("/mnt/bad", 0755) == 0 && mkdir("/mnt/jail", 0755) == 0 && symlink("jail", "/mnt/link") == 0 &&
           write_file("/mnt/all/a", "server { listen = ( 80 443 ) }") &&
           write_file("/mnt/all/b", "Security { include /mnt/part.conf }") && write_file("/mnt/part.conf", SETTINGS) &&
           write_file("/mnt/one.conf", "Security { " SETTINGS " }") && write_file("/mnt/all.conf", "readonly_include all") &&
           write_file("/mnt/bad/a", "server { }") && write_file("/mnt/bad/b", "Security { user = +11 usr = +12 }") &&
           write_file("/mnt/option.conf", "include bad") && write_file("/mnt/loop.conf", "include back.conf") &&
           write_file("/mnt/back.conf", "include loop.conf");
}

/* Reports how many allocations failed, one at a time, each alone and then each with all after it. */
static void reads_without_memory(void *row)
{
    char complaint[1024] = "surroundings";
    unsigned made[2] = {0, 0};
    bool right = make_files();
    for (int on = 0; on < 2; on++) {
        fails_on = on;
        while (right) {
            right = reads(*(size_t *)row, made[on] + 1, complaint, sizeof complaint);
            if (!refused)
                break;
            made[on]++;
        }
    }
    ready();
    report(right && made[0] == made[1] ? (int)made[0] : -1, complaint);
}

/* Each allocation of a call fails in turn: ERESOURCE, or what the call returns with memory; on an error the policy is what it was. */
static void reads_or_refuses(void *row)
{
    struct child *child = start(reads_without_memory, row);
    if (!child)
        return;
    struct answer *answer = release_and_wait(child);
    if (expect(answer->came && answer->status > 1, "%d failed; %s", answer->status, answer->text))
        printf("    allocations of the call, each failed: %d\n", answer->status);
}

int main(int argc, char **argv)
{
    select_cases(argc, argv);
    for (size_t at = 0; at < sizeof READS / sizeof *READS; at++) {
        char name[160];
        snprintf(name, sizeof name, "each allocation fails: %s", READS[at].name);
        test(name, 30, reads_or_refuses, &at);
    }
    test("policy_new without memory returns NULL and says why", 30, policy_without_memory, NULL);
    return finish();
}
