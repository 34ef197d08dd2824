/* Users and groups: databases of every size and in every state, each in a mount namespace of its own, and what
 * ec_security_apply() makes of them, seen from outside. */

#include "outside.h"
#include "policy_of.h"
#include "seccomp.h"

#include <ec_security.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUPS_MAX 65536u /* NGROUPS_MAX, include/uapi/linux/limits.h */
#define FIRST 100000u     /* of the many groups */

#define PASSWD "root:x:0:0:root:/root:/bin/sh\necuser:x:4711:4712:of the tests:/nonexistent:/bin/false\n"
#define GROUP "root:x:0:\necuser:x:4712:\necextra:x:4713:ecuser\neclogs:x:4714:nobody,ecuser\n"

/* --- databases ----------------------------------------------------------------------------------------------------- */

#define UNSAID "unsaid"
#define FAILING "passwd: files ecfail\ngroup: files ecfail\n"

struct database {
    const char *path;
    char *text;
    size_t len;
};

struct scenario {
    const char *user, *group;
    const char *list; /* of supplementary groups; then a stanza says all that. UNSAID: it says nothing of them */
    /* What stands in the databases; `more` is written behind what is always there. */
    const char *more_passwd, *more_group, *nsswitch;
    void (*write_passwd)(FILE *), (*write_group)(FILE *);
    void (*change)(void); /* in the child, after that */
    bool only_more;       /* nothing is always there */
    bool by_options;      /* no stanza: the list is the first option to be set */
    /* What comes of it. */
    int status;
    const char *says; /* a part of the message */
    unsigned uid, gid;
    const unsigned *groups; /* in ascending order */
    size_t groups_len;
    unsigned many; /* so many more, from FIRST */
    bool keeps_groups;
};

static void require(bool done, const char *what)
{
    if (!done) {
        perror(what);
        _exit(70);
    }
}

static void put_in_place(const char *path, const char *begin, const char *more, void (*write_more)(FILE *))
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    require(out != NULL, "open_memstream");
    fputs(begin, out);
    if (more)
        fputs(more, out);
    if (write_more)
        write_more(out);
    require(!fclose(out) && private_file(path, text), path);
    free(text);
}

static void surroundings(const struct scenario *scenario)
{
    require(private_mounts(), "private_mounts");
    put_in_place("/etc/passwd", scenario->only_more ? "" : PASSWD, scenario->more_passwd, scenario->write_passwd);
    put_in_place("/etc/group", scenario->only_more ? "" : GROUP, scenario->more_group, scenario->write_group);
    put_in_place("/etc/nsswitch.conf", scenario->nsswitch ? scenario->nsswitch : "passwd: files\ngroup: files\n", NULL, NULL);
    if (scenario->change)
        scenario->change();
}

static void applies(void *arg)
{
    const struct scenario *scenario = arg;
    surroundings(scenario);
    ready();
    if (!scenario->list) {
        report(ec_security_apply(scenario->user, scenario->group, NULL), ec_security_last_error());
        return;
    }
    if (scenario->by_options) {
        const char *const options[] =
            {"supplemental_groups", scenario->list, "user", scenario->user, "group", scenario->group, NULL};
        report(apply_of(options), ec_security_last_error());
        return;
    }
    char stanza[500];
    bool says = strcmp(scenario->list, UNSAID) != 0;
    snprintf(stanza, sizeof stanza, "Security { user = %s group = %s %s%s%s }", scenario->user, scenario->group,
             says ? "supplemental_groups = \"" : "", says ? scenario->list : "", says ? "\"" : "");
    ec_security_policy *policy = ec_security_policy_new();
    int status = ec_security_policy_parse(policy, stanza);
    if (!status)
        status = ec_security_policy_apply(policy);
    report(status, ec_security_policy_error(policy));
}

static void expect_outcome(struct child *child, const struct scenario *scenario)
{
    struct process *before = look(child->pid);
    struct answer *answer = release_and_expect(child, scenario->status);
    struct process *after = look(child->pid);
    if (case_finished())
        return;
    if (scenario->status != EC_SECURITY_OK) {
        expect_unchanged(before, after);
        expect(strstr(answer->text, scenario->says), "%s, instead of %s", answer->text, scenario->says);
        return;
    }
    size_t len = scenario->groups_len + scenario->many;
    unsigned *groups = calloc(len + 1, sizeof *groups);
    for (size_t at = 0; at < len; at++)
        groups[at] = at < scenario->groups_len ? scenario->groups[at] : FIRST + (unsigned)(at - scenario->groups_len);
    const struct thread *was = &before->threads[0];
    struct thread want = scenario->keeps_groups
                             ? after_drop(was, scenario->uid, scenario->gid, was->groups, was->groups_len, 0, 0, 0)
                             : after_drop(was, scenario->uid, scenario->gid, groups, len, 0, 0, 0);
    free(groups);
    expect_threads(after, &want, FIELDS_ALL, 1);
}

static void outcome(void *arg)
{
    struct scenario *scenario = arg;
    if (scenario->status == EC_SECURITY_OK && (!can_change_ids() || !has_uid(scenario->uid) || !has_gid(scenario->gid) ||
                                               (scenario->many && !has_gid(FIRST + scenario->many)))) {
        skip("ids cannot be changed here");
        return;
    }
    struct child *child = start(applies, scenario);
    if (child)
        expect_outcome(child, scenario);
}

/* --- what is written ----------------------------------------------------------------------------------------------- */

static void many_members(FILE *out)
{
    fprintf(out, "ecbig:x:4720:");
    for (int at = 0; at < 20000; at++)
        fprintf(out, "member%05d,", at);
    fprintf(out, "ecuser\n");
}

static void long_entry(FILE *out)
{
    fprintf(out, "eclong:x:4711:4712:");
    for (int at = 0; at < 100000; at++)
        fputc('a' + at % 26, out);
    fprintf(out, ":/nonexistent:/bin/false\n");
}

static void groups_of_ecuser(FILE *out, unsigned count)
{
    for (unsigned at = 0; at < count; at++)
        fprintf(out, "many%u:x:%u:ecuser\n", at, FIRST + at);
}

static void groups_1000(FILE *out) { groups_of_ecuser(out, 1000); }
static void groups_65000(FILE *out) { groups_of_ecuser(out, 65000); }
/* With 4712, 4713 and 4714 just as many as the kernel takes, and one more. */
static void groups_most(FILE *out) { groups_of_ecuser(out, GROUPS_MAX - 3); }
static void groups_too_many(FILE *out) { groups_of_ecuser(out, GROUPS_MAX - 2); }

/* --- what is changed ----------------------------------------------------------------------------------------------- */

/* Root, but not above the permissions of files. */
static void obey_permissions(void)
{
    cap_t caps = cap_get_proc();
    cap_value_t less[2] = {CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH};
    require(caps && !cap_set_flag(caps, CAP_PERMITTED, 2, less, CAP_CLEAR) &&
                !cap_set_flag(caps, CAP_EFFECTIVE, 2, less, CAP_CLEAR) && !cap_set_proc(caps),
            "cap_set_proc");
    cap_free(caps);
}

static void unreadable_passwd(void)
{
    require(!chmod("/etc/passwd", 0), "chmod");
    obey_permissions();
}

static void unreadable_group(void)
{
    require(!chmod("/etc/group", 0), "chmod");
    obey_permissions();
}

static void no_etc(void) { require(!mount("none", "/etc", "tmpfs", 0, NULL), "mount"); }

static void no_descriptors(void)
{
    int lowest = dup(0);
    require(lowest >= 0, "dup");
    close(lowest);
    struct rlimit limit = {(rlim_t)lowest, (rlim_t)lowest};
    require(!setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

/* tests/outside/nss_ecfail.c reads this when it is asked. */
static void fails_with_eio(void) { setenv("EC_NSS", "unavail 5", 1); }
static void fails_with_etimedout(void) { setenv("EC_NSS", "unavail 110", 1); }
static void asks_to_try_again(void) { setenv("EC_NSS", "tryagain 11", 1); }
static void is_interrupted_for_ever(void) { setenv("EC_NSS", "tryagain 4", 1); }
static void has_no_memory(void) { setenv("EC_NSS", "unavail 12", 1); }
static void finds_nothing(void) { setenv("EC_NSS", "notfound 0", 1); }
static void changes_twice(void) { setenv("EC_NSS", "changes 2", 1); }
static void changes_all_the_time(void) { setenv("EC_NSS", "changes 1000", 1); }
static void has_no_server(void) { setenv("EC_NSS", "unavail 2", 1); }
static void refuses_connections(void) { setenv("EC_NSS", "unavail 111", 1); }
static void hangs(void) { setenv("EC_NSS", "hangs 0", 1); }

/* /etc with nothing but a line of nsswitch.conf. */
static void etc_with(const char *nsswitch)
{
    no_etc();
    FILE *out = fopen("/etc/nsswitch.conf", "we");
    require(out && fputs(nsswitch, out) >= 0 && !fclose(out), "/etc/nsswitch.conf");
}

static void no_databases_but_hosts(void) { etc_with("hosts: files dns\n"); }

static void no_databases_and_no_server(void)
{
    has_no_server();
    etc_with(FAILING);
}

/* fstat(3) says of every file that it is not there. */
static void hides_lengths(void)
{
    struct rule rules[] = {CALLS(SYS_newfstatat, FAILS_WITH(ENOENT)), CALLS(SYS_fstat, FAILS_WITH(ENOENT))};
    require(seccomp_rules(rules, 2, 0) == 0, "seccomp");
}

static void unreadable_group_and_nothing(void)
{
    finds_nothing();
    unreadable_group();
}

static void unreadable_passwd_and_nothing(void)
{
    finds_nothing();
    unreadable_passwd();
}

/* --- strings that lie in the C library's own buffers --------------------------------------------------------------- */

static void applies_static(void *arg)
{
    surroundings(arg);
    ready();
    struct passwd *user = getpwnam("ecuser");
    struct group *group = getgrnam("ecextra");
    require(user && group, "getpwnam or getgrnam");
    char kept[200];
    int status = ec_security_apply(user->pw_name, group->gr_name, NULL);
    /* The buffers are the caller's still. */
    snprintf(kept, sizeof kept, "%s %u %u %s %u %s; %s", user->pw_name, user->pw_uid, user->pw_gid, group->gr_name, group->gr_gid,
             group->gr_mem[0] ? group->gr_mem[0] : "", ec_security_last_error());
    report(status, kept);
}

static void static_buffers(void *unused)
{
    (void)unused;
    struct scenario scenario = {0};
    struct child *child = start_with_ids(applies_static, &scenario);
    if (!child)
        return;
    struct answer *answer = release_and_expect(child, 0);
    expect(!strncmp(answer->text, "ecuser 4711 4712 ecextra 4713 ecuser;", 37), "afterwards: %s", answer->text);
    const unsigned groups[2] = {ECEXTRA_GID, ECLOGS_GID};
    struct thread want = after_drop(&child->before->threads[0], ECUSER_UID, ECEXTRA_GID, groups, 2, 0, 0, 0);
    expect_threads(look(child->pid), &want, FIELDS_ALL, 1);
}

/* --- the table ----------------------------------------------------------------------------------------------------- */

#define IDS(...) .groups = (const unsigned[]){__VA_ARGS__}, .groups_len = sizeof((unsigned[]){__VA_ARGS__}) / sizeof(unsigned)
#define BECOMES(uid_, gid_, ...) .uid = uid_, .gid = gid_, IDS(__VA_ARGS__)
#define REFUSES(status_, says_) .status = EC_SECURITY_##status_, .says = says_
#define LOOKUP_FAILS(option, name, error) REFUSES(ELOOKUP, option ": the lookup of \"" name "\" failed (" error)
#define SECOND_SOURCE(change_) .nsswitch = FAILING, .change = change_
#define NO_ID_SAYS "\" is not a decimal id from 0 to 4294967294"

/* Longer than a name can be: a module of NSS that put it on its stack would end the process. */
static char long_name[5000];

static struct row {
    const char *name;
    struct scenario scenario;
} rows[] = {
    /* sizes */
    {"a group with 20,001 members, asked for",
     {"ecuser", "ecbig", .write_group = many_members, BECOMES(4711, 4720, 4713, 4714, 4720)}},
    {"a group with 20,001 members, as one of the list",
     {"ecuser", NULL, .write_group = many_members, BECOMES(4711, 4712, 4712, 4713, 4714, 4720)}},
    {"a user entry of 100,000 characters", {"eclong", "ecextra", .write_passwd = long_entry, BECOMES(4711, 4713, 4713)}},
    {"a user in 1,000 groups", {"ecuser", NULL, .write_group = groups_1000, BECOMES(4711, 4712, 4712, 4713, 4714), .many = 1000}},
    {"a user in 65,000 groups",
     {"ecuser", NULL, .write_group = groups_65000, BECOMES(4711, 4712, 4712, 4713, 4714), .many = 65000}},
    {"a user in 65,536 groups, the most there can be",
     {"ecuser", NULL, .write_group = groups_most, BECOMES(4711, 4712, 4712, 4713, 4714), .many = GROUPS_MAX - 3}},
    {"a user in 65,537 groups",
     {"ecuser", NULL, .write_group = groups_too_many,
      REFUSES(EGROUP, "user: 65537 groups, but the kernel takes at most 65536 (NGROUPS_MAX)")}},
    {"a user listed twice in a group, and in the primary one",
     {"ecuser", NULL, .more_group = "ectwice:x:4721:ecuser,ecuser\necagain:x:4721:ecuser\necown:x:4712:ecuser\n",
      BECOMES(4711, 4712, 4712, 4713, 4714, 4721)}},

    /* numbers */
    {"the number of a user with an entry", {"4711", NULL, BECOMES(4711, 4712, 4712, 4713, 4714)}},
    {"a number with leading zeros", {"0004711", "0004713", BECOMES(4711, 4713, 4713, 4714)}},
    {"the number of a user without an entry, with a group", {"54321", "54322", BECOMES(54321, 54322, 54322)}},
    {"the number of a user without an entry, with a group's name", {"54321", "ecextra", BECOMES(54321, 4713, 4713)}},
    {"the number of a user without an entry or a group",
     {"54321", NULL,
      REFUSES(EUSER, "user: id 54321 has no entry in the user database, so its group is not known: set group as well")}},
    {"the highest id", {"4294967294", "4294967294", BECOMES(4294967294u, 4294967294u, 4294967294u)}},
    {"user 4294967295", {"4294967295", "0", REFUSES(EOPTION, "user: \"4294967295" NO_ID_SAYS)}},
    {"user 4294967296", {"4294967296", "0", REFUSES(EOPTION, "user: \"4294967296" NO_ID_SAYS)}},
    {"user 18446744073709551616", {"18446744073709551616", "0", REFUSES(EOPTION, "user: \"18446744073709551616" NO_ID_SAYS)}},
    {"user -1", {"-1", "0", REFUSES(EUSER, "user: no user \"-1\"")}},
    {"user +4711, which is not looked up", {"+4711", "0", BECOMES(4711, 0, 0)}},
    {"user +4711 without a group", {"+4711", NULL, REFUSES(EUSER, "user: id 4711 has no entry")}},
    {"user +4294967295", {"+4294967295", "0", REFUSES(EOPTION, "user: \"+4294967295" NO_ID_SAYS)}},
    {"user +ecuser", {"+ecuser", "0", REFUSES(EOPTION, "user: \"+ecuser" NO_ID_SAYS)}},
    {"user +", {"+", "0", REFUSES(EOPTION, "user: \"+" NO_ID_SAYS)}},
    {"user and group in one",
     {"ecuser:ecuser", NULL,
      REFUSES(EOPTION, "user: \"ecuser:ecuser\" is not the name of a user: `group` is an option of its own")}},
    {"user with a blank before it", {" 4711", "0", REFUSES(EUSER, "user: no user \" 4711\"")}},
    {"user with a blank after it", {"4711 ", "0", REFUSES(EUSER, "user: no user \"4711 \"")}},
    {"user 0x0", {"0x0", "0", REFUSES(EUSER, "user: no user \"0x0\"")}},
    {"user \"\"", {"", "0", REFUSES(EARGUMENT, "user: empty")}},
    {"group 4294967295", {"ecuser", "4294967295", REFUSES(EOPTION, "group: \"4294967295" NO_ID_SAYS)}},
    {"group 4294967296", {"ecuser", "4294967296", REFUSES(EOPTION, "group: \"4294967296" NO_ID_SAYS)}},
    {"group -1", {"ecuser", "-1", REFUSES(EGROUP, "group: no group \"-1\"")}},
    {"group +4713, which is not looked up", {"ecuser", "+4713", BECOMES(4711, 4713, 4713, 4714)}},
    {"group +", {"ecuser", "+", REFUSES(EOPTION, "group: \"+" NO_ID_SAYS)}},
    {"a list with numbers that are not looked up",
     {"ecuser", "ecuser", "+5000, +4713 eclogs", .more_group = "5000:x:5001:\n", BECOMES(4711, 4712, 4713, 4714, 5000)}},
    {"a number that is a name without its sign",
     {"+4000", "+5000", "", .more_passwd = "4000:x:4001:4002:::\n", .more_group = "5000:x:5001:\n", .uid = 4000, .gid = 5000}},
    {"group with a blank after it", {"ecuser", "4712 ", REFUSES(EGROUP, "group: no group \"4712 \"")}},
    {"group \"\"", {"ecuser", "", REFUSES(EARGUMENT, "group: empty")}},
    {"a user that the database gives the id 4294967295",
     {"ecminus", NULL, .more_passwd = "ecminus:x:4294967295:4712:::\n",
      REFUSES(EOPTION, "user: \"ecminus\" is not a user to become")}},
    {"a user that the database gives the group 4294967295",
     {"ecminus", NULL, .more_passwd = "ecminus:x:4711:4294967295:::\n",
      REFUSES(EOPTION, "user: \"ecminus\" is not a user to become")}},
    {"a group that the database gives the id 4294967295",
     {"ecuser", "ecminus", .more_group = "ecminus:x:4294967295:\n",
      REFUSES(EOPTION, "group: \"ecminus\" is not a group to be in")}},
    {"a list of groups with the id 4294967295, which nobody can be in",
     {"ecuser", NULL, .more_group = "ecminus:x:4294967295:ecuser\n", BECOMES(4711, 4712, 4712, 4713, 4714)}},

    /* names */
    {"a user and a group with names of digits",
     {"4000", "5000", .more_passwd = "4000:x:4001:4002:::\n", .more_group = "5000:x:5001:\nmore:x:5002:4000\n",
      BECOMES(4001, 5001, 5001, 5002)}},
    {"the id of a user with a name of digits",
     {"4001", NULL, .more_passwd = "4000:x:4001:4002:::\n", .more_group = "more:x:5002:4000\n", BECOMES(4001, 4002, 4002, 5002)}},
    {"names that are not UTF-8",
     {"\xe9"
      "c\xff",
      "\xff\xfe",
      .more_passwd = "\xe9"
                     "c\xff:x:4100:4101:::\n",
      .more_group = "\xff\xfe:x:4102:\nmore:x:4103:\xe9"
                    "c\xff\n",
      BECOMES(4100, 4102, 4102, 4103)}},
    {"a user that is not UTF-8 and not there",
     {"\xe9"
      "c\xff",
      NULL, REFUSES(EUSER, "user: no user \"\\xe9c\\xff\" in the user database")}},
    {"a group that is not there",
     {"ecuser", "no such group", REFUSES(EGROUP, "group: no group \"no such group\" in the group database")}},
    {"names in another case", {"ECUSER", NULL, REFUSES(EUSER, "user: no user \"ECUSER\"")}},
    {"a user whose group has no entry", {"eclone", NULL, .more_passwd = "eclone:x:4110:4111:::\n", BECOMES(4110, 4111, 4111)}},
    {"a user twice in the database: the first counts",
     {"ectwo", NULL, .more_passwd = "ectwo:x:4120:4121:::\nectwo:x:4122:4123:::\n", BECOMES(4120, 4121, 4121)}},

    /* sources that fail, which is not "not found" */
    {"a user database that cannot be read",
     {"ecuser", NULL, .change = unreadable_passwd, LOOKUP_FAILS("user", "ecuser", "EACCES")}},
    {"a group database that cannot be read, for a group",
     {NULL, "ecextra", .change = unreadable_group, LOOKUP_FAILS("group", "ecextra", "EACCES")}},
    {"a group database that cannot be read, for the list",
     {"ecuser", NULL, .change = unreadable_group, LOOKUP_FAILS("user", "ecuser", "EACCES")}},
    {"a group database that cannot be read, for the list, one source behind it",
     {"ecuser", NULL, SECOND_SOURCE(unreadable_group), LOOKUP_FAILS("user", "ecuser", "")}},
    {"a group database that cannot be read, before a source that finds nothing",
     {"ecuser", NULL, SECOND_SOURCE(unreadable_group_and_nothing), LOOKUP_FAILS("user", "ecuser", "EACCES")}},
    {"a user database that cannot be read, before a source that finds nothing",
     {"4711", "4712", SECOND_SOURCE(unreadable_passwd_and_nothing), LOOKUP_FAILS("user", "4711", "EACCES")}},
    {"databases whose length is not told, numbers",
     {"4711", "4712", .change = hides_lengths, LOOKUP_FAILS("user", "4711", "ENOENT")}},
    {"no databases at all, numbers", {"4711", "4712", .change = no_etc, BECOMES(4711, 4712, 4712)}},
    {"no databases at all, a number without a group",
     {"4711", NULL, .change = no_etc, REFUSES(EUSER, "user: id 4711 has no entry")}},
    {"no databases at all, a name", {"ecuser", NULL, .change = no_etc, REFUSES(EUSER, "user: no user \"ecuser\"")}},
    {"no databases, and sources named for others, a number",
     {"4711", "4712", .change = no_databases_but_hosts, BECOMES(4711, 4712, 4712)}},
    {"no databases, and sources named for others, a name",
     {"ecuser", NULL, .change = no_databases_but_hosts, REFUSES(EUSER, "user: no user \"ecuser\"")}},
    {"no databases, and a second source whose server does not run",
     {"ecuser", NULL, .change = no_databases_and_no_server, LOOKUP_FAILS("user", "ecuser", "ENOENT")}},
    {"empty databases", {"ecuser", NULL, .only_more = true, REFUSES(EUSER, "user: no user \"ecuser\"")}},
    {"no descriptor left", {"ecuser", NULL, .change = no_descriptors, LOOKUP_FAILS("user", "ecuser", "EMFILE")}},
    {"a second source fails with EIO",
     {"no-such-user", NULL, SECOND_SOURCE(fails_with_eio), LOOKUP_FAILS("user", "no-such-user", "EIO")}},
    {"a second source times out",
     {"no-such-user", NULL, SECOND_SOURCE(fails_with_etimedout), LOOKUP_FAILS("user", "no-such-user", "ETIMEDOUT")}},
    {"a second source says: try again",
     {"no-such-user", NULL, SECOND_SOURCE(asks_to_try_again), LOOKUP_FAILS("user", "no-such-user", "EAGAIN")}},
    {"a second source is interrupted each time",
     {"no-such-user", NULL, SECOND_SOURCE(is_interrupted_for_ever), LOOKUP_FAILS("user", "no-such-user", "EINTR")}},
    {"a second source has no memory", {"no-such-user", NULL, SECOND_SOURCE(has_no_memory), REFUSES(ERESOURCE, "out of memory")}},
    {"a second source fails for a number",
     {"54321", "54322", SECOND_SOURCE(fails_with_eio), LOOKUP_FAILS("user", "54321", "EIO")}},
    {"a word of 4999 bytes is no user: a second source, which fails, is not asked",
     {long_name, NULL, SECOND_SOURCE(fails_with_eio), REFUSES(EUSER, "user: no user \"aaaa")}},
    {"a word of 4999 bytes is no group: a second source, which fails, is not asked",
     {NULL, long_name, SECOND_SOURCE(fails_with_eio), REFUSES(EGROUP, "group: no group \"aaaa")}},
    {"a second source fails for a group",
     {NULL, "no-such-group", SECOND_SOURCE(fails_with_eio), LOOKUP_FAILS("group", "no-such-group", "EIO")}},
    {"a second source fails for the list",
     {"ecuser", NULL, SECOND_SOURCE(fails_with_eio), LOOKUP_FAILS("user", "ecuser", "EIO")}},
    {"a second source says: try again, for the list of a user in no group",
     {"eclone", NULL, .more_passwd = "eclone:x:4110:4111:::\n", SECOND_SOURCE(asks_to_try_again),
      LOOKUP_FAILS("user", "eclone", "EAGAIN")}},
    {"the list changes while it is read", {"ecuser", NULL, SECOND_SOURCE(changes_twice), BECOMES(4711, 4712, 4712, 4713, 4714)}},
    {"the list changes all the time",
     {"ecuser", NULL, SECOND_SOURCE(changes_all_the_time), LOOKUP_FAILS("user", "ecuser", "EAGAIN")}},
    {"a second source finds nothing, for a user",
     {"no-such-user", NULL, SECOND_SOURCE(finds_nothing), REFUSES(EUSER, "user: no user \"no-such-user\"")}},
    {"a second source finds nothing, for the list",
     {"ecuser", NULL, SECOND_SOURCE(finds_nothing), BECOMES(4711, 4712, 4712, 4713, 4714)}},
    {"a second source whose server does not run",
     {"no-such-user", NULL, SECOND_SOURCE(has_no_server), LOOKUP_FAILS("user", "no-such-user", "ENOENT")}},
    {"a second source whose server does not run, for a group",
     {NULL, "no-such-group", SECOND_SOURCE(has_no_server), LOOKUP_FAILS("group", "no-such-group", "ENOENT")}},
    {"a second source that refuses connections",
     {"no-such-user", NULL, SECOND_SOURCE(refuses_connections), LOOKUP_FAILS("user", "no-such-user", "ECONNREFUSED")}},
    {"a second source fails, and numbers need nothing of it",
     {"54321", "54322", "4713", SECOND_SOURCE(fails_with_eio), BECOMES(54321, 54322, 4713)}},
    {"a second source fails, and a list is given",
     {"ecuser", "ecuser", "eclogs", SECOND_SOURCE(fails_with_eio), BECOMES(4711, 4712, 4714)}},
    {"a second source hangs for the list, and a list is given",
     {"ecuser", "ecuser", "eclogs", SECOND_SOURCE(hangs), BECOMES(4711, 4712, 4714)}},
    {"a second source hangs for the list, and the list stays",
     {"ecuser", "ecuser", "keep", SECOND_SOURCE(hangs), .keeps_groups = true, .uid = 4711, .gid = 4712}},
    {"a second source hangs for the list, which is set before the user",
     {"ecuser", "ecuser", "eclogs", SECOND_SOURCE(hangs), .by_options = true, BECOMES(4711, 4712, 4714)}},
    {"a second source hangs for the list, which is set to stay before the user",
     {"ecuser", "ecuser", "keep", SECOND_SOURCE(hangs), .by_options = true, .keeps_groups = true, .uid = 4711, .gid = 4712}},
    {"a second source fails for the list that a stanza leaves to the database",
     {"ecuser", "ecuser", UNSAID, SECOND_SOURCE(fails_with_eio), LOOKUP_FAILS("(text):1:19: user", "ecuser", "EIO")}},
    {"a list whose first name is keep",
     {"ecuser", "ecuser", "Keep it", SECOND_SOURCE(fails_with_eio), LOOKUP_FAILS("supplemental_groups", "Keep", "EIO")}},
    {"a second source whose server does not run, for the list",
     {"ecuser", NULL, SECOND_SOURCE(has_no_server), BECOMES(4711, 4712, 4712, 4713, 4714)}},
};

/* libc finds tests/outside/nss_ecfail.c, which stands beside this program, by LD_LIBRARY_PATH as it was at the start. */
static void start_again_with_own_sources(char **argv)
{
    char directory[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", directory, sizeof directory - 1);
    require(len > 0, "/proc/self/exe");
    directory[len] = 0;
    *strrchr(directory, '/') = 0;
    const char *set = getenv("LD_LIBRARY_PATH");
    if (set && !strcmp(set, directory))
        return;
    setenv("LD_LIBRARY_PATH", directory, 1);
    execv("/proc/self/exe", argv);
    require(false, "execv");
}

int main(int argc, char **argv)
{
    memset(long_name, 'a', sizeof long_name - 1);
    start_again_with_own_sources(argv);
    select_cases(argc, argv);
    for (size_t at = 0; at < sizeof rows / sizeof *rows; at++) {
        char name[200];
        snprintf(name, sizeof name, "identity: %s", rows[at].name);
        test(name, 120, outcome, &rows[at].scenario);
    }
    test("identity: names in the buffers of getpwnam and getgrnam", 20, static_buffers, NULL);
    return finish();
}
