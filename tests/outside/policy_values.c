/* What each option of a policy takes, and what the policy says of it. */

#include "policy.h"

#include <ec_security.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NO_SECUREBIT \
    " is not a securebit: noroot, no_setuid_fixup, no_cap_ambient_raise, exec_restrict_file, exec_deny_interactive, " \
    "one of these with _locked, or keep_caps_locked"
#define EMPTY "empty: leave it out, or pass NULL, to keep the current one"
#define NO_ID "\"%s\" is not a decimal id from 0 to 4294967294"
#define NO_ENTRY "user: id 4998 has no entry in the user database, so its group is not known: set group as well"
#define NO_GROUP "no group \"%s\" in the group database"
#define NO_NAME "unknown name \"%s\" at column 1"
#define OPEN_TO_OTHERS(mode) "\"%s\": others can write to it (mode " mode ", owner 0): chmod go-w"
#define LEN(array) (sizeof(array) / sizeof *(array))

/* What an option takes. */
static const struct {
    const char *option, *values[10];
} TAKEN[] = {
    {"user", {"root", "0", "4294967294", "+0"}},
    {"group", {"root", "0", "4294967294"}},
    {"capabilities", {"", "keep", "KEEP", "cap_net_bind_service+ep", "all=", "=ep", "63+p"}},
    {"optional_capabilities", {"", "cap_sys_resource+ep", "cap_sys_resource+p", "cap_sys_resource+i"}},
    {"supplemental_groups", {"", " , ,", " Keep ", "+0,+4711", "root", "0,0 0", "root 4711,17", "4294967294"}},
    {"chroot", {"/", "/mnt/jail", "/mnt/./jail/../jail/", "/mnt/link"}},
    {"no_new_privs", {"on", "OFF", "true", "no", "1", "0"}},
    {"bounding", {"trim", "Keep"}},
    {"ambient", {"", "cap_net_bind_service", "CAP_CHOWN,cap_kill  cap_fowner", "10", "all"}},
    {"securebits",
     {"", "noroot", "NOROOT noroot_locked,no_setuid_fixup no_setuid_fixup_locked", "keep_caps_locked",
      "no_cap_ambient_raise_locked", "exec_restrict_file", "keep"}},
    {"dumpable", {"keep", "On"}},
    {"parent_death_signal", {"clear", "KEEP"}},
    {"deadline", {"1", "0.001", "3600", "5.5", ".5", "5."}},
    {"privileges", {"", "basic net_privaddr"}},
    {"Supplemental_Groups", {""}},
};

/* What it refuses, and what it says behind the option's name: %s is the value. */
static const struct {
    const char *option;
    int status;
    const char *text, *values[14];
} REFUSED[] = {
    {"user", EC_SECURITY_EARGUMENT, EMPTY, {""}},
    {"user", EC_SECURITY_EUSER, "no user \"%s\" in the user database", {"no-such-user", "-1", " root", "root ", "0x0", "1e3"}},
    {"user", EC_SECURITY_EUSER, "no user \"ro\\u{202e}ot\" in the user database", {"ro\xe2\x80\xaeot"}},
    {"user", EC_SECURITY_EOPTION, NO_ID, {"4294967295", "4294967296", "+x"}},
    {"user", EC_SECURITY_EOPTION, "\"%s\" is not the name of a user: `group` is an option of its own", {"nobody:nogroup"}},
    {"group", EC_SECURITY_EARGUMENT, EMPTY, {""}},
    {"group", EC_SECURITY_EGROUP, NO_GROUP, {"no-such-group", "-1", "root root"}},
    {"group", EC_SECURITY_EOPTION, NO_ID, {"4294967295"}},
    {"capabilities",
     EC_SECURITY_ESYNTAX,
     "text ends early at column 10, expected =, + or - and flags right after the capabilities, as in cap_chown+ep",
     {"cap_chown"}},
    {"capabilities",
     EC_SECURITY_ESYNTAX,
     "unknown name \"cap_nett_raw\" at column 1 (nearest: cap_net_raw)",
     {"cap_nett_raw+ep"}},
    {"capabilities",
     EC_SECURITY_ESYNTAX,
     "unexpected \"x\" at column 11, expected one or more of the flags e, i and p (lower case)",
     {"cap_chown+x"}},
    {"capabilities", EC_SECURITY_ESYNTAX, "unknown name \"keep\" at column 1", {"keep "}},
    {"capabilities",
     EC_SECURITY_ESYNTAX,
     "unexpected \",\" at column 13, expected flags e, i and p (lower case), then +, - or a blank before the next clause",
     {"cap_chown+ep,"}},
    {"optional_capabilities",
     EC_SECURITY_EOPTION,
     "\"%s\" is not permitted where it is effective; write +ep instead of +e",
     {"cap_sys_resource+e"}},
    {"optional_capabilities", EC_SECURITY_ESYNTAX, NO_NAME, {"keep"}},
    {"optional_capabilities", EC_SECURITY_ESYNTAX, "unknown name \"cap_foo\" at column 1", {"cap_foo+ep"}},
    {"supplemental_groups", EC_SECURITY_EGROUP, "no group \"no-such-group\" in the group database", {"root no-such-group"}},
    {"supplemental_groups", EC_SECURITY_EOPTION, NO_ID, {"4294967295"}},
    {"supplemental_groups", EC_SECURITY_EGROUP, NO_GROUP, {"1;2"}},
    {"chroot", EC_SECURITY_EARGUMENT, EMPTY, {""}},
    {"chroot", EC_SECURITY_ECHROOT, "\"%s\": is not an absolute path", {"relative"}},
    {"chroot", EC_SECURITY_ECHROOT, "\"%s\": /nonexistent: ENOENT: no such file or directory", {"/nonexistent/x"}},
    {"chroot", EC_SECURITY_ECHROOT, "\"%s\": is not a directory", {"/mnt/file", "/mnt/fifo"}},
    {"chroot", EC_SECURITY_ECHROOT, "\"%s\": /mnt/file: ENOTDIR: not a directory", {"/mnt/file/x"}},
    {"chroot", EC_SECURITY_ECHROOT, OPEN_TO_OTHERS("0777"), {"/mnt/open"}},
    {"chroot", EC_SECURITY_ECHROOT, OPEN_TO_OTHERS("1777"), {"/mnt/sticky"}},
    {"chroot", EC_SECURITY_ECHROOT, OPEN_TO_OTHERS("0775"), {"/mnt/group"}},
    {"no_new_privs", EC_SECURITY_EOPTION, "\"%s\" is not on or off", {"", "2", "enable", " on"}},
    {"bounding", EC_SECURITY_EOPTION, "\"%s\" is not trim or keep", {"", "drop"}},
    {"ambient",
     EC_SECURITY_ESYNTAX,
     "unexpected \"+\" at column 10, expected capabilities or \"all\", with blanks or commas between them",
     {"cap_chown+ep"}},
    {"ambient", EC_SECURITY_ESYNTAX, NO_NAME, {"cap_foo"}},
    {"ambient", EC_SECURITY_ESYNTAX, NO_NAME " (nearest: cap_net_raw)", {"net_raw"}},
    {"ambient", EC_SECURITY_ESYNTAX, "capability number \"%s\" at column 1 is too large, expected 0 to 63", {"64"}},
    {"securebits", EC_SECURITY_EOPTION, "\"%s\" is not allowed: keep-caps is always off after a drop", {"keep_caps"}},
    {"securebits", EC_SECURITY_EOPTION, "\"%s\"" NO_SECUREBIT, {"SECBIT_NOROOT", "1"}},
    {"securebits", EC_SECURITY_EOPTION, "\"noroott\"" NO_SECUREBIT, {"noroot noroott"}},
    {"dumpable", EC_SECURITY_EOPTION, "\"%s\" is not keep or on", {"off"}},
    {"parent_death_signal", EC_SECURITY_EOPTION, "\"%s\" is not clear or keep", {"9"}},
    {"deadline",
     EC_SECURITY_EOPTION,
     "\"%s\" is not a number of seconds from 0.001 to 3600",
     {"", "0", "0.0009", "3600.1", "-1", "1e3", "five", "inf", ".", "1.2.3", "0.0010000001", "99999999999999999999"}},
};

/* What is no option, and the nearest that is one, if any is near. */
static const char *const UNKNOWN[][2] = {
    {"capabilites", "capabilities"},
    {"usr", "user"},
    {"grp", "group"},
    {"no_new_privileges", "no_new_privs"},
    {"NoNewPrivileges", "no_new_privs"},
    {"supplementary_groups", "supplemental_groups"},
    {"SupplementaryGroups", "supplemental_groups"},
    {"AmbientCapabilities", "ambient"},
    {"caps", "capabilities"},
    {"groups", "supplemental_groups"},
    {"chrot", "chroot"},
    {"securebit", "securebits"},
    {"", NULL},
    {"user ", "user"},
    {"xyzzy", NULL},
    {"privilege", "privileges"},
    {"no-new-privs", "no_new_privs"},
    {"CapabilityBoundingSet", "bounding"},
};

static void expect_set(ec_security_policy *policy, const char *option, const char *value, int status, const char *text)
{
    int got = ec_security_policy_set(policy, option, value);
    const char *said = got ? ec_security_last_error() : "";
    expect(got == status && !strcmp(said, text), "%s = \"%s\": %d %s", option, value, got, said);
    got = ec_security_policy_set(policy, option, NULL);
    expect(got == (strstr(text, "unknown option") ? EC_SECURITY_EOPTION : EC_SECURITY_OK), "%s = NULL: %s", option,
           ec_security_last_error());
}

static void values(void *unused)
{
    (void)unused;
    ec_security_policy *policy = ec_security_policy_new();
    if (!expect(policy != NULL, "policy_new: %s", ec_security_last_error()))
        return;
    char text[512];
    for (size_t at = 0; at < LEN(TAKEN); at++)
        for (const char *const *value = TAKEN[at].values; *value; value++)
            expect_set(policy, TAKEN[at].option, *value, EC_SECURITY_OK, "");
    for (size_t at = 0; at < LEN(REFUSED); at++)
        for (const char *const *value = REFUSED[at].values; *value; value++) {
            int len = snprintf(text, sizeof text, "%s: ", REFUSED[at].option);
            snprintf(text + len, sizeof text - (size_t)len, REFUSED[at].text, *value);
            expect_set(policy, REFUSED[at].option, *value, REFUSED[at].status, text);
        }
    for (size_t at = 0; at < LEN(UNKNOWN); at++) {
        const char *nearest = UNKNOWN[at][1];
        snprintf(text, sizeof text, "unknown option \"%s\"%s%s%s", UNKNOWN[at][0], nearest ? " (nearest: " : "",
                 nearest ? nearest : "", nearest ? ")" : "");
        expect_set(policy, UNKNOWN[at][0], "", EC_SECURITY_EOPTION, text);
    }
    expect_set(policy, "USER", "", EC_SECURITY_EARGUMENT, "user: " EMPTY);
    expect(ec_security_policy_set(policy, NULL, "x") == EC_SECURITY_EARGUMENT, "option NULL");
    expect(ec_security_policy_set(NULL, "user", "root") == EC_SECURITY_EARGUMENT, "policy NULL");
    expect(ec_security_policy_check(NULL) == EC_SECURITY_EARGUMENT, "check of NULL");
    expect(ec_security_policy_apply(NULL) == EC_SECURITY_EARGUMENT, "apply of NULL");
    expect(ec_security_policy_load(NULL, "x") == EC_SECURITY_EARGUMENT, "load into NULL");
    expect(ec_security_policy_load(policy, NULL) == EC_SECURITY_EARGUMENT, "load of NULL");
    expect(ec_security_policy_parse(policy, NULL) == EC_SECURITY_EARGUMENT, "parse of NULL");
    ec_security_policy_free(policy);
    ec_security_policy_free(NULL);
}

/* What an option has come to, and the last failure of a policy. */
static void gets(void *unused)
{
    (void)unused;
    static const struct {
        const char *set[4][2], *option, *text;
    } rows[] = {
        {{{0}}, "user", ""},
        {{{0}}, "group", ""},
        {{{0}}, "uid", "-1"},
        {{{0}}, "gid", "-1"},
        {{{0}}, "groups", "-1"},
        {{{0}}, "capabilities", "="},
        {{{0}}, "optional_capabilities", "="},
        {{{0}}, "supplemental_groups", "keep"},
        {{{0}}, "chroot", ""},
        {{{0}}, "no_new_privs", "on"},
        {{{0}}, "bounding", "trim"},
        {{{0}}, "ambient", ""},
        {{{0}}, "securebits", "keep"},
        {{{0}}, "deadline", "5"},
        {{{0}}, "privileges", ""},
        {{{0}}, "dumpable", "keep"},
        {{{0}}, "parent_death_signal", "clear"},
        {{{"user", "ecuser"}}, "USER", "ecuser"},
        {{{"user", "ecuser"}}, "uid", "4711"},
        {{{"user", "ecuser"}}, "gid", "4712"},
        {{{"user", "ecuser"}}, "groups", "4712,4713,4714"},
        {{{"user", "ecuser"}}, "supplemental_groups", "+4712,+4713,+4714"},
        {{{"user", "ecuser"}, {"group", "eclogs"}}, "gid", "4714"},
        {{{"user", "ecuser"}, {"group", "eclogs"}}, "group", "eclogs"},
        {{{"user", "ecuser"}, {"group", "eclogs"}}, "groups", "4713,4714"},
        {{{"user", "ecuser"}, {"supplemental_groups", ""}}, "groups", ""},
        {{{"user", "ecuser"}, {"supplemental_groups", "keep"}}, "groups", "-1"},
        {{{"supplemental_groups", ""}, {"user", "ecuser"}, {"supplemental_groups", NULL}}, "groups", "4712,4713,4714"},
        {{{"supplemental_groups", "eclogs 8"}}, "supplemental_groups", "+8,+4714"},
        {{{"user", "+4998"}, {"group", "+4999"}}, "groups", "4999"},
        {{{"user", "+4998"}}, "uid", "4998"},
        {{{"user", "+4998"}}, "user", "+4998"},
        {{{"capabilities", "keep"}}, "capabilities", "keep"},
        {{{"capabilities", "keep"}}, "ambient", "keep"},
        {{{"capabilities", "cap_net_raw+ep"}}, "capabilities", "cap_net_raw=ep"},
        {{{"optional_capabilities", "cap_kill+p"}}, "optional_capabilities", "cap_kill=p"},
        {{{"ambient", "CAP_KILL cap_chown 63"}}, "ambient", "cap_chown,cap_kill,63"},
        {{{"securebits", "noroot_locked noroot"}}, "securebits", "noroot,noroot_locked"},
        {{{"securebits", ""}}, "securebits", ""},
        {{{"chroot", "/mnt/jail"}}, "chroot", "/mnt/jail"},
        {{{"no_new_privs", "no"}}, "no_new_privs", "off"},
        {{{"bounding", "KEEP"}}, "bounding", "keep"},
        {{{"deadline", "0.250"}}, "deadline", "0.25"},
        {{{"deadline", "3.000000001"}}, "deadline", "3.000000001"},
        {{{"deadline", "10"}}, "deadline", "10"},
        {{{"dumpable", "ON"}}, "dumpable", "on"},
        {{{"parent_death_signal", "Keep"}}, "parent_death_signal", "keep"},
    };
    for (size_t at = 0; at < LEN(rows); at++) {
        ec_security_policy *policy = ec_security_policy_new();
        for (size_t nth = 0; rows[at].set[nth][0]; nth++)
            expect(ec_security_policy_set(policy, rows[at].set[nth][0], rows[at].set[nth][1]) == 0, "row %zu: %s", at,
                   ec_security_policy_error(policy));
        char text[200] = "untouched", cut[4] = "abc";
        int want = (int)strlen(rows[at].text), len = ec_security_policy_get(policy, rows[at].option, text, sizeof text);
        expect(len == want && !strcmp(text, rows[at].text), "row %zu: %s is \"%s\" (%d), not \"%s\"", at, rows[at].option, text,
               len, rows[at].text);
        expect(ec_security_policy_get(policy, rows[at].option, NULL, 0) == want, "row %zu: the length alone", at);
        expect(ec_security_policy_get(policy, rows[at].option, cut, sizeof cut) == want && !strncmp(cut, rows[at].text, 3) &&
                   strlen(cut) == (want < 3 ? (size_t)want : 3),
               "row %zu: cut to \"%.3s\"", at, cut);
        /* It is what set takes, and comes to the same. */
        static const char *const NUMBERS = " uid gid groups ";
        char key[40];
        snprintf(key, sizeof key, " %s ", rows[at].option);
        bool unset = !want && strcmp(rows[at].option, "securebits") && strcmp(rows[at].option, "ambient") &&
                     strcmp(rows[at].option, "privileges");
        if (!strstr(NUMBERS, key) && !unset && !(strstr(key, "ambient") && !strcmp(text, "keep"))) {
            char again[200] = "";
            expect(ec_security_policy_set(policy, rows[at].option, text) == 0 &&
                       ec_security_policy_get(policy, rows[at].option, again, sizeof again) == want && !strcmp(again, text),
                   "row %zu: set to \"%s\", it is \"%s\": %s", at, text, again, ec_security_policy_error(policy));
        }
        expect(!*ec_security_policy_error(policy), "row %zu: an error without a failure: %s", at,
               ec_security_policy_error(policy));
        ec_security_policy_free(policy);
    }
}

/* A daemon closes all descriptors, and opens /proc itself: the number is the program's then. */
static void descriptor_of_proc(void *unused)
{
    (void)unused;
    ec_security_policy *policy = ec_security_policy_new();
    char path[64], link[16] = "";
    int fd = 64;
    while (strcmp(link, "/proc") && --fd > 2) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t len = readlink(path, link, sizeof link - 1);
        link[len > 0 ? len : 0] = 0;
    }
    if (!expect(fd > 2, "a policy has no descriptor of /proc"))
        return;
    int own = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    expect(own >= 0 && dup2(own, fd) == fd, "/proc: %s", strerror(errno));
    ec_security_policy_free(policy);
    expect(fcntl(fd, F_GETFD) >= 0, "ec_security_policy_free has closed the program's own descriptor of /proc");
    close(fd);
    close(own);
}

/* A daemon closes 0, 1 and 2, and opens /dev/null three times for them. */
static void standard_descriptors(void *unused)
{
    (void)unused;
    int kept[3];
    for (int fd = 0; fd < 3; fd++) {
        kept[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 10);
        close(fd);
    }
    ec_security_policy *policy = ec_security_policy_new();
    int opened[3];
    for (int fd = 0; fd < 3; fd++)
        opened[fd] = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++)
        dup2(kept[fd], fd);
    expect(opened[0] == 0 && opened[1] == 1 && opened[2] == 2, "they became %d, %d and %d", opened[0], opened[1], opened[2]);
    ec_security_policy_free(policy);
}

/* A daemon closes all descriptors: /proc is opened again, and gets the number that it had. */
static void *waits(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static void closed_descriptor_of_proc(void *unused)
{
    (void)unused;
    pthread_t thread;
    ec_security_policy *policy = ec_security_policy_new();
    for (int fd = 3; fd < 64; fd++) {
        char path[64], link[16] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t len = readlink(path, link, sizeof link - 1);
        if (len == 5 && !memcmp(link, "/proc", 5))
            close(fd);
    }
    expect(pthread_create(&thread, NULL, waits, NULL) == 0, "pthread_create");
    for (int at = 0; at < 3; at++)
        expect(ec_security_policy_check(policy) == EC_SECURITY_OK, "check %d: %s", at, ec_security_policy_error(policy));
    ec_security_policy_free(policy);
}

static void get_errors(void *unused)
{
    (void)unused;
    char buf[] = "as it is";
    ec_security_policy *policy = ec_security_policy_new(), *other = ec_security_policy_new();
    expect(!*ec_security_policy_error(policy), "a new policy has the error %s", ec_security_policy_error(policy));
    static const struct {
        const char *option;
        int status;
        const char *text;
    } rows[] = {
        {"usr", EC_SECURITY_EOPTION, "unknown option \"usr\" (nearest: user)"},
        {"gid", EC_SECURITY_EUSER, NO_ENTRY},
        {"groups", EC_SECURITY_EUSER, NO_ENTRY},
        {NULL, EC_SECURITY_EARGUMENT, "option: NULL; a string is needed"},
    };
    expect(ec_security_policy_set(policy, "user", "4998") == 0, "%s", ec_security_policy_error(policy));
    for (size_t at = 0; at < LEN(rows); at++) {
        expect(ec_security_policy_get(policy, rows[at].option, buf, sizeof buf) == -rows[at].status, "row %zu", at);
        expect(!strcmp(ec_security_policy_error(policy), rows[at].text), "row %zu: %s", at, ec_security_policy_error(policy));
        expect(!strcmp(ec_security_last_error(), rows[at].text), "row %zu: last error %s", at, ec_security_last_error());
        expect(!memcmp(buf, "as it is", sizeof buf), "row %zu: a failure wrote to the buffer", at);
    }
    expect(ec_security_policy_get(policy, "user", NULL, 1) == -EC_SECURITY_EARGUMENT, "a buffer of NULL");
    expect(ec_security_policy_get(NULL, "user", buf, sizeof buf) == -EC_SECURITY_EARGUMENT, "a policy of NULL");
    expect(!strcmp(ec_security_policy_error(NULL), ec_security_last_error()) && *ec_security_last_error(),
           "the error of NULL is \"%s\"", ec_security_policy_error(NULL));

    /* Each policy has its own, and success leaves it. */
    expect(ec_security_policy_set(policy, "bounding", "drop") == EC_SECURITY_EOPTION, "bounding = drop");
    expect(ec_security_policy_parse(other, "Security { no_such = 1 }") == EC_SECURITY_EOPTION, "no_such");
    expect(ec_security_policy_set(policy, "bounding", "keep") == EC_SECURITY_OK, "bounding = keep");
    expect(!strcmp(ec_security_policy_error(policy), "bounding: \"drop\" is not trim or keep"), "%s",
           ec_security_policy_error(policy));
    expect(!strcmp(ec_security_policy_error(other), "(text):1:12: unknown option \"no_such\""), "%s",
           ec_security_policy_error(other));
    expect(ec_security_policy_check(policy) == EC_SECURITY_EUSER && strstr(ec_security_policy_error(policy), "4998"), "check: %s",
           ec_security_policy_error(policy));
    ec_security_policy_free(policy);
    ec_security_policy_free(other);
}

/* The directory of somebody else; needs a second id. */
static void others_directory(void *unused)
{
    (void)unused;
    if (chown("/mnt/other", ECUSER_UID, 0) < 0) {
        skip("no other id here: %s", strerror(errno));
        return;
    }
    ec_security_policy *policy = ec_security_policy_new();
    expect(ec_security_policy_set(policy, "chroot", "/mnt/other") == EC_SECURITY_ECHROOT, "taken");
    expect(!strcmp(ec_security_last_error(),
                   "chroot: \"/mnt/other\": belongs to another user (mode 0755, owner 4711): chown root"),
           "%s", ec_security_last_error());
    ec_security_policy_free(policy);
}

void policy_values(void)
{
    test("policy: values of every option", 20, values, NULL);
    test("policy: what options have come to", 20, gets, NULL);
    test("policy: a descriptor that has the number of the policy's own is left open", 20, descriptor_of_proc, NULL);
    test("policy: it holds none of the standard descriptors", 20, standard_descriptors, NULL);
    test("policy: its descriptor of /proc may be closed", 20, closed_descriptor_of_proc, NULL);
    test("policy: what cannot be asked for, and each policy's error", 20, get_errors, NULL);
    test("policy: somebody else's directory is no root", 10, others_directory, NULL);
}
