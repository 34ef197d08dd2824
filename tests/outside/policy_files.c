/* A policy that is loaded from a file: whose file, which errors, as many groups as there can be. */

#include "policy.h"
#include "policy_of.h"

#include <ec_security.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (!file || fputs(text, file) < 0 || fclose(file)) {
        perror(path);
        exit(70);
    }
    chmod(path, 0644);
}

/* A file that somebody else owns, or whose directory or link does: who owns can write. */
static void others_files(void *unused)
{
    (void)unused;
    static const struct {
        const char *owned, *file, *error;
    } rows[] = {
        {"/mnt/conf/a.conf", "/mnt/conf/a.conf", "/mnt/conf/a.conf: belongs to another user (mode 0644, owner 4711): chown root"},
        {"/mnt/conf", "/mnt/conf/a.conf", "/mnt/conf: belongs to another user (mode 0755, owner 4711): chown root"},
        {"/mnt/conf/a.conf", "/mnt/conf/main.conf",
         "/mnt/conf/main.conf:1:9: include: /mnt/conf/a.conf: belongs to another user (mode 0644, owner 4711): chown root"},
        {"/mnt/conf/d", "/mnt/conf/directory.conf",
         "/mnt/conf/directory.conf:1:18: include: /mnt/conf/d: belongs to another user (mode 0755, owner 4711): chown root"},
        {"/mnt/sticky/link", "/mnt/sticky/link", "/mnt/sticky/link: belongs to another user (mode 0777, owner 4711): chown root"},
        {"/mnt/conf/link", "/mnt/conf/link", NULL}, /* nobody else can have put it there */
        {"/mnt/conf", "/mnt/sticky/link", "/mnt/conf: belongs to another user (mode 0755, owner 4711): chown root"},
    };
    if (!has_uid(ECUSER_UID) || !can_change_ids()) {
        skip("no other id here");
        return;
    }
    ec_security_policy *policy = ec_security_policy_new();
    for (size_t at = 0; at < sizeof rows / sizeof *rows; at++) {
        expect(ec_security_policy_load(policy, rows[at].file) == 0, "%s before: %s", rows[at].file, ec_security_last_error());
        expect(lchown(rows[at].owned, ECUSER_UID, 0) == 0, "lchown %s: %s", rows[at].owned, strerror(errno));
        int status = ec_security_policy_load(policy, rows[at].file);
        if (rows[at].error)
            expect(status == EC_SECURITY_EFILE && !strcmp(ec_security_last_error(), rows[at].error), "%s: %d %s", rows[at].file,
                   status, ec_security_last_error());
        else
            expect(status == 0, "%s: %d %s", rows[at].file, status, ec_security_last_error());
        expect(lchown(rows[at].owned, 0, 0) == 0, "lchown back: %s", strerror(errno));
    }
    ec_security_policy_free(policy);
}

struct from_file {
    const char *path;
    bool in_namespace;
    uint64_t caps; /* that it asks for */
};

static void loads_and_applies(void *arg)
{
    const struct from_file *from = arg;
    if (from->in_namespace && !user_namespace())
        _exit(92);
    idle_threads(3);
    ec_security_policy *policy = ec_security_policy_new();
    int loaded = ec_security_policy_load(policy, from->path);
    ready();
    if (loaded) {
        report(loaded, ec_security_last_error());
        return;
    }
    report_status(ec_security_policy_apply(policy));
    ec_security_policy_free(policy);
}

/* Both examples of the document this library began with. */
static void document(void *arg)
{
    const struct from_file *from = arg;
    struct child *child = start_with_ids(loads_and_applies, arg);
    if (!child)
        return;
    release_and_expect(child, 0);
    struct thread want = after_drop(&child->before->threads[0], ECUSER_UID, ECUSER_GID, ECUSER_GROUPS, 3, from->caps, from->caps,
                                    0);
    expect_threads(look(child->pid), &want, FIELDS_ALL, 4);
}

/* What a file says wrong, in the words of the whole way through: place, option, word. On any error the policy is as it was. */
static void file_errors(void *unused)
{
    (void)unused;
    static const struct {
        const char *text;
        int status;
        const char *error;
    } files[] = {
        {"Security { user = root\n  user = no-such-user }", EC_SECURITY_EUSER,
         "/mnt/bad.conf:2:10: user: no user \"no-such-user\" in the user database"},
        {"Security {\n\tcapabilites = \"\" }", EC_SECURITY_EOPTION,
         "/mnt/bad.conf:2:2: unknown option \"capabilites\" (nearest: capabilities)"},
        {"Security {\n\tcapabilites = ( a b ) }", EC_SECURITY_EOPTION,
         "/mnt/bad.conf:2:2: unknown option \"capabilites\" (nearest: capabilities)"},
        {"Security { supplemental_groups = ( root\n  no-such-group ) }", EC_SECURITY_EGROUP,
         "/mnt/bad.conf:2:3: supplemental_groups: no group \"no-such-group\" in the group database"},
        {"Security { supplemental_groups = ( \"root root\" ) }", EC_SECURITY_EGROUP,
         "/mnt/bad.conf:1:36: supplemental_groups: no group \"root root\" in the group database"},
        {"Security { capabilities = ( \"cap_chown+ep\" \"cap_chwon+ep\" ) }", EC_SECURITY_ESYNTAX,
         "/mnt/bad.conf:1:44: capabilities: unknown name \"cap_chwon\" at column 1 (nearest: cap_chown)"},
        {"Security { user = ( root root ) }", EC_SECURITY_EOPTION,
         "/mnt/bad.conf:1:19: user: \"(\" is not one value: it takes no list"},
        {"Security { user = ( ) }", EC_SECURITY_EOPTION, "/mnt/bad.conf:1:19: user: \"(\" is not one value: it takes no list"},
        {"Security { user = \"\" }", EC_SECURITY_EARGUMENT,
         "/mnt/bad.conf:1:19: user: empty: leave it out, or pass NULL, to keep the current one"},
        {"Listen \":25\" { }", EC_SECURITY_ENOSTANZA, "/mnt/bad.conf: no Security stanza"},
        {"Security { user = root", EC_SECURITY_ESYNTAX, "/mnt/bad.conf:1:10: \"{\": expected } before the end of the file"},
    };
    ec_security_policy *policy = ec_security_policy_new();
    expect(ec_security_policy_set(policy, "capabilities", "keep") == 0, "%s", ec_security_last_error());
    expect(ec_security_policy_set(policy, "no_new_privs", "off") == 0, "%s", ec_security_last_error());
    expect(ec_security_policy_set(policy, "bounding", "keep") == 0, "%s", ec_security_last_error());
    for (size_t at = 0; at < sizeof files / sizeof *files; at++) {
        write_file("/mnt/bad.conf", files[at].text);
        int status = ec_security_policy_load(policy, "/mnt/bad.conf");
        expect(status == files[at].status && !strcmp(ec_security_last_error(), files[at].error), "%s: %d %s", files[at].text,
               status, ec_security_last_error());
        char text[256];
        snprintf(text, sizeof text, "(text)%s", files[at].error + strlen("/mnt/bad.conf"));
        status = ec_security_policy_parse(policy, files[at].text);
        expect(status == files[at].status && !strcmp(ec_security_last_error(), text), "%s: %d %s", files[at].text, status,
               ec_security_last_error());
    }
    /* Had any of them left a user behind, this would change something. */
    struct process *before = look(getpid());
    expect(ec_security_policy_apply(policy) == 0, "%s", ec_security_last_error());
    expect_unchanged(before, look(getpid()));
    ec_security_policy_free(policy);
}

/* More groups than a text of 65535 bytes can name come from a file: up to NGROUPS_MAX, and one more. By number alone: without the sign each
 * would be looked up as a name first. */
static void most_groups(void *arg)
{
    unsigned count = *(unsigned *)arg;
    if (!can_change_ids() || !has_gid(70000)) {
        skip("group ids cannot be had here");
        return;
    }
    FILE *file = fopen("/mnt/groups.conf", "we");
    fprintf(file, "Security { supplemental_groups = (\n");
    for (unsigned group = count; group > 0; group--)
        fprintf(file, "+%u\n", group);
    fprintf(file, "1 2 3 ) }\n");
    fclose(file);
    struct from_file from = {"/mnt/groups.conf", false, 0};
    struct child *child = start(loads_and_applies, &from);
    struct process *before = look(child->pid);
    struct answer *answer = release_and_wait(child);
    if (count > 65536) {
        expect(answer->status == EC_SECURITY_EGROUP &&
                   !strcmp(answer->text, "/mnt/groups.conf:1:34: supplemental_groups: 65537 groups, but the kernel takes at "
                                         "most 65536 (NGROUPS_MAX)"),
               "%d %s", answer->status, answer->text);
        expect_unchanged(before, look(child->pid));
        return;
    }
    expect(answer->came && answer->status == 0, "%d %s", answer->status, answer->text);
    unsigned *groups = malloc(count * sizeof *groups);
    for (unsigned at = 0; at < count; at++)
        groups[at] = at + 1;
    struct thread want = after_drop(&before->threads[0], 0, 0, groups, count, 0, 0, 0);
    expect_threads(look(child->pid), &want, FIELDS_ALL, 4);
    free(groups);
}

void policy_files(void)
{
    test("policy: somebody else's file is not read", 10, others_files, NULL);
    struct from_file single = {"/mnt/single.conf", false, BIT(10)};
    struct from_file cluster = {"/mnt/cluster.conf", true, BIT(10) | BIT(12) | BIT(13) | BIT(24)};
    test("policy: the document's single node, from a file", 20, document, &single);
    test("policy: the document's cluster node, from a file", 20, document, &cluster);
    test("policy: errors in files and texts", 20, file_errors, NULL);
    unsigned most = 65536, more = 65537;
    test("policy: as many groups as the kernel takes", 120, most_groups, &most);
    test("policy: one group more than the kernel takes", 120, most_groups, &more);
}
