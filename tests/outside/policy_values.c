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
#define NO_SECONDS "is not a number of seconds from 0.001 to 3600"

static void values(void *unused)
{
    (void)unused;
    static const struct {
        const char *option, *value;
        int status;
        const char *text;
    } rows[] = {
        {"user", "root", EC_SECURITY_OK, NULL},
        {"user", "0", EC_SECURITY_OK, NULL},
        {"user", "4294967294", EC_SECURITY_OK, NULL},
        {"user", "", EC_SECURITY_EARGUMENT, "user: empty: leave it out, or pass NULL, to keep the current one"},
        {"user", "no-such-user", EC_SECURITY_EUSER, "user: no user \"no-such-user\" in the user database"},
        {"user", "4294967295", EC_SECURITY_EOPTION, "user: \"4294967295\" is not a decimal id from 0 to 4294967294"},
        {"user", "4294967296", EC_SECURITY_EOPTION, "user: \"4294967296\" is not a decimal id from 0 to 4294967294"},
        {"user", "-1", EC_SECURITY_EUSER, "user: no user \"-1\" in the user database"},
        {"user", " root", EC_SECURITY_EUSER, "user: no user \" root\" in the user database"},
        {"user", "root ", EC_SECURITY_EUSER, "user: no user \"root \" in the user database"},
        {"user", "0x0", EC_SECURITY_EUSER, "user: no user \"0x0\" in the user database"},
        {"user", "+0", EC_SECURITY_OK, NULL},
        {"user", "+x", EC_SECURITY_EOPTION, "user: \"+x\" is not a decimal id from 0 to 4294967294"},
        {"user", "nobody:nogroup", EC_SECURITY_EOPTION,
         "user: \"nobody:nogroup\" is not the name of a user: `group` is an option of its own"},
        {"user", "ro\xe2\x80\xaeot", EC_SECURITY_EUSER, "user: no user \"ro\\u{202e}ot\" in the user database"},
        {"user", "1e3", EC_SECURITY_EUSER, "user: no user \"1e3\" in the user database"},
        {"group", "root", EC_SECURITY_OK, NULL},
        {"group", "0", EC_SECURITY_OK, NULL},
        {"group", "4294967294", EC_SECURITY_OK, NULL},
        {"group", "", EC_SECURITY_EARGUMENT, "group: empty: leave it out, or pass NULL, to keep the current one"},
        {"group", "no-such-group", EC_SECURITY_EGROUP, "group: no group \"no-such-group\" in the group database"},
        {"group", "4294967295", EC_SECURITY_EOPTION, "group: \"4294967295\" is not a decimal id from 0 to 4294967294"},
        {"group", "-1", EC_SECURITY_EGROUP, "group: no group \"-1\" in the group database"},
        {"group", "root root", EC_SECURITY_EGROUP, "group: no group \"root root\" in the group database"},
        {"capabilities", "", EC_SECURITY_OK, NULL},
        {"capabilities", "keep", EC_SECURITY_OK, NULL},
        {"capabilities", "KEEP", EC_SECURITY_OK, NULL},
        {"capabilities", "cap_net_bind_service+ep", EC_SECURITY_OK, NULL},
        {"capabilities", "all=", EC_SECURITY_OK, NULL},
        {"capabilities", "=ep", EC_SECURITY_OK, NULL},
        {"capabilities", "cap_chown", EC_SECURITY_ESYNTAX,
         "capabilities: text ends early at column 10, expected =, + or - and flags right after the capabilities, "
         "as in cap_chown+ep"},
        {"capabilities", "cap_nett_raw+ep", EC_SECURITY_ESYNTAX,
         "capabilities: unknown name \"cap_nett_raw\" at column 1 (nearest: cap_net_raw)"},
        {"capabilities", "cap_chown+x", EC_SECURITY_ESYNTAX,
         "capabilities: unexpected \"x\" at column 11, expected one or more of the flags e, i and p (lower case)"},
        {"capabilities", "keep ", EC_SECURITY_ESYNTAX, "capabilities: unknown name \"keep\" at column 1"},
        {"capabilities", "cap_chown+ep,", EC_SECURITY_ESYNTAX,
         "capabilities: unexpected \",\" at column 13, expected flags e, i and p (lower case), then +, - or a blank "
         "before the next clause"},
        {"capabilities", "63+p", EC_SECURITY_OK, NULL},
        {"optional_capabilities", "", EC_SECURITY_OK, NULL},
        {"optional_capabilities", "cap_sys_resource+ep", EC_SECURITY_OK, NULL},
        {"optional_capabilities", "cap_sys_resource+p", EC_SECURITY_OK, NULL},
        {"optional_capabilities", "cap_sys_resource+i", EC_SECURITY_OK, NULL},
        {"optional_capabilities", "cap_sys_resource+e", EC_SECURITY_EOPTION,
         "optional_capabilities: \"cap_sys_resource+e\" is not permitted where it is effective; write +ep instead of +e"},
        {"optional_capabilities", "keep", EC_SECURITY_ESYNTAX, "optional_capabilities: unknown name \"keep\" at column 1"},
        {"optional_capabilities", "cap_foo+ep", EC_SECURITY_ESYNTAX,
         "optional_capabilities: unknown name \"cap_foo\" at column 1"},
        {"supplemental_groups", "", EC_SECURITY_OK, NULL},
        {"supplemental_groups", " , ,", EC_SECURITY_OK, NULL},
        {"supplemental_groups", " Keep ", EC_SECURITY_OK, NULL},
        {"supplemental_groups", "+0,+4711", EC_SECURITY_OK, NULL},
        {"supplemental_groups", "root", EC_SECURITY_OK, NULL},
        {"supplemental_groups", "0,0 0", EC_SECURITY_OK, NULL},
        {"supplemental_groups", "root 4711,17", EC_SECURITY_OK, NULL},
        {"supplemental_groups", "root no-such-group", EC_SECURITY_EGROUP,
         "supplemental_groups: no group \"no-such-group\" in the group database"},
        {"supplemental_groups", "4294967295", EC_SECURITY_EOPTION,
         "supplemental_groups: \"4294967295\" is not a decimal id from 0 to 4294967294"},
        {"supplemental_groups", "4294967294", EC_SECURITY_OK, NULL},
        {"supplemental_groups", "1;2", EC_SECURITY_EGROUP, "supplemental_groups: no group \"1;2\" in the group database"},
        {"chroot", "", EC_SECURITY_EARGUMENT, "chroot: empty: leave it out, or pass NULL, to keep the current one"},
        {"chroot", "relative", EC_SECURITY_ECHROOT, "chroot: \"relative\": is not an absolute path"},
        {"chroot", "/nonexistent/x", EC_SECURITY_ECHROOT,
         "chroot: \"/nonexistent/x\": /nonexistent: ENOENT: no such file or directory"},
        {"no_new_privs", "on", EC_SECURITY_OK, NULL},
        {"no_new_privs", "OFF", EC_SECURITY_OK, NULL},
        {"no_new_privs", "true", EC_SECURITY_OK, NULL},
        {"no_new_privs", "no", EC_SECURITY_OK, NULL},
        {"no_new_privs", "1", EC_SECURITY_OK, NULL},
        {"no_new_privs", "0", EC_SECURITY_OK, NULL},
        {"no_new_privs", "", EC_SECURITY_EOPTION, "no_new_privs: \"\" is not on or off"},
        {"no_new_privs", "2", EC_SECURITY_EOPTION, "no_new_privs: \"2\" is not on or off"},
        {"no_new_privs", "enable", EC_SECURITY_EOPTION, "no_new_privs: \"enable\" is not on or off"},
        {"no_new_privs", " on", EC_SECURITY_EOPTION, "no_new_privs: \" on\" is not on or off"},
        {"bounding", "trim", EC_SECURITY_OK, NULL},
        {"bounding", "Keep", EC_SECURITY_OK, NULL},
        {"bounding", "", EC_SECURITY_EOPTION, "bounding: \"\" is not trim or keep"},
        {"bounding", "drop", EC_SECURITY_EOPTION, "bounding: \"drop\" is not trim or keep"},
        {"ambient", "", EC_SECURITY_OK, NULL},
        {"ambient", "cap_net_bind_service", EC_SECURITY_OK, NULL},
        {"ambient", "CAP_CHOWN,cap_kill  cap_fowner", EC_SECURITY_OK, NULL},
        {"ambient", "10", EC_SECURITY_OK, NULL},
        {"ambient", "all", EC_SECURITY_OK, NULL},
        {"ambient", "cap_chown+ep", EC_SECURITY_ESYNTAX,
         "ambient: unexpected \"+\" at column 10, expected capabilities or \"all\", with blanks or commas between them"},
        {"ambient", "cap_foo", EC_SECURITY_ESYNTAX, "ambient: unknown name \"cap_foo\" at column 1"},
        {"ambient", "net_raw", EC_SECURITY_ESYNTAX, "ambient: unknown name \"net_raw\" at column 1 (nearest: cap_net_raw)"},
        {"ambient", "64", EC_SECURITY_ESYNTAX, "ambient: capability number \"64\" at column 1 is too large, expected 0 to 63"},
        {"securebits", "", EC_SECURITY_OK, NULL},
        {"securebits", "noroot", EC_SECURITY_OK, NULL},
        {"securebits", "NOROOT noroot_locked,no_setuid_fixup no_setuid_fixup_locked", EC_SECURITY_OK, NULL},
        {"securebits", "keep_caps", EC_SECURITY_EOPTION,
         "securebits: \"keep_caps\" is not allowed: keep-caps is always off after a drop"},
        {"securebits", "keep_caps_locked", EC_SECURITY_OK, NULL},
        {"securebits", "no_cap_ambient_raise_locked", EC_SECURITY_OK, NULL},
        {"securebits", "exec_restrict_file", EC_SECURITY_OK, NULL},
        {"securebits", "SECBIT_NOROOT", EC_SECURITY_EOPTION, "securebits: \"SECBIT_NOROOT\"" NO_SECUREBIT},
        {"securebits", "1", EC_SECURITY_EOPTION, "securebits: \"1\"" NO_SECUREBIT},
        {"securebits", "noroot noroott", EC_SECURITY_EOPTION, "securebits: \"noroott\"" NO_SECUREBIT},
        {"securebits", "keep", EC_SECURITY_OK, NULL},
        {"dumpable", "keep", EC_SECURITY_OK, NULL},
        {"dumpable", "On", EC_SECURITY_OK, NULL},
        {"dumpable", "off", EC_SECURITY_EOPTION, "dumpable: \"off\" is not keep or on"},
        {"parent_death_signal", "clear", EC_SECURITY_OK, NULL},
        {"parent_death_signal", "KEEP", EC_SECURITY_OK, NULL},
        {"parent_death_signal", "9", EC_SECURITY_EOPTION, "parent_death_signal: \"9\" is not clear or keep"},
        {"deadline", "1", EC_SECURITY_OK, NULL},
        {"deadline", "0.001", EC_SECURITY_OK, NULL},
        {"deadline", "3600", EC_SECURITY_OK, NULL},
        {"deadline", "5.5", EC_SECURITY_OK, NULL},
        {"deadline", ".5", EC_SECURITY_OK, NULL},
        {"deadline", "5.", EC_SECURITY_OK, NULL},
        {"deadline", "", EC_SECURITY_EOPTION, "deadline: \"\" " NO_SECONDS},
        {"deadline", "0", EC_SECURITY_EOPTION, "deadline: \"0\" " NO_SECONDS},
        {"deadline", "0.0009", EC_SECURITY_EOPTION, "deadline: \"0.0009\" " NO_SECONDS},
        {"deadline", "3600.1", EC_SECURITY_EOPTION, "deadline: \"3600.1\" " NO_SECONDS},
        {"deadline", "-1", EC_SECURITY_EOPTION, "deadline: \"-1\" " NO_SECONDS},
        {"deadline", "1e3", EC_SECURITY_EOPTION, "deadline: \"1e3\" " NO_SECONDS},
        {"deadline", "five", EC_SECURITY_EOPTION, "deadline: \"five\" " NO_SECONDS},
        {"deadline", "inf", EC_SECURITY_EOPTION, "deadline: \"inf\" " NO_SECONDS},
        {"deadline", ".", EC_SECURITY_EOPTION, "deadline: \".\" " NO_SECONDS},
        {"deadline", "1.2.3", EC_SECURITY_EOPTION, "deadline: \"1.2.3\" " NO_SECONDS},
        {"deadline", "0.0010000001", EC_SECURITY_EOPTION, "deadline: \"0.0010000001\" " NO_SECONDS},
        {"deadline", "99999999999999999999", EC_SECURITY_EOPTION, "deadline: \"99999999999999999999\" " NO_SECONDS},
        {"privileges", "", EC_SECURITY_OK, NULL},
        {"privileges", "basic net_privaddr", EC_SECURITY_OK, NULL},
        {"USER", "", EC_SECURITY_EARGUMENT, "user: empty: leave it out, or pass NULL, to keep the current one"},
        {"Supplemental_Groups", "", EC_SECURITY_OK, NULL},
        {"capabilites", "", EC_SECURITY_EOPTION, "unknown option \"capabilites\" (nearest: capabilities)"},
        {"usr", "", EC_SECURITY_EOPTION, "unknown option \"usr\" (nearest: user)"},
        {"grp", "", EC_SECURITY_EOPTION, "unknown option \"grp\" (nearest: group)"},
        {"no_new_privileges", "", EC_SECURITY_EOPTION, "unknown option \"no_new_privileges\" (nearest: no_new_privs)"},
        {"NoNewPrivileges", "", EC_SECURITY_EOPTION, "unknown option \"NoNewPrivileges\" (nearest: no_new_privs)"},
        {"supplementary_groups", "", EC_SECURITY_EOPTION,
         "unknown option \"supplementary_groups\" (nearest: supplemental_groups)"},
        {"SupplementaryGroups", "", EC_SECURITY_EOPTION, "unknown option \"SupplementaryGroups\" (nearest: supplemental_groups)"},
        {"AmbientCapabilities", "", EC_SECURITY_EOPTION, "unknown option \"AmbientCapabilities\" (nearest: ambient)"},
        {"caps", "", EC_SECURITY_EOPTION, "unknown option \"caps\" (nearest: capabilities)"},
        {"groups", "", EC_SECURITY_EOPTION, "unknown option \"groups\" (nearest: supplemental_groups)"},
        {"chrot", "", EC_SECURITY_EOPTION, "unknown option \"chrot\" (nearest: chroot)"},
        {"securebit", "", EC_SECURITY_EOPTION, "unknown option \"securebit\" (nearest: securebits)"},
        {"", "", EC_SECURITY_EOPTION, "unknown option \"\""},
        {"user ", "", EC_SECURITY_EOPTION, "unknown option \"user \" (nearest: user)"},
        {"xyzzy", "", EC_SECURITY_EOPTION, "unknown option \"xyzzy\""},
        {"privilege", "", EC_SECURITY_EOPTION, "unknown option \"privilege\" (nearest: privileges)"},
        {"no-new-privs", "", EC_SECURITY_EOPTION, "unknown option \"no-new-privs\" (nearest: no_new_privs)"},
        {"CapabilityBoundingSet", "", EC_SECURITY_EOPTION, "unknown option \"CapabilityBoundingSet\" (nearest: bounding)"},
        {"chroot", "/", EC_SECURITY_OK, NULL},
        {"chroot", "/mnt/jail", EC_SECURITY_OK, NULL},
        {"chroot", "/mnt/./jail/../jail/", EC_SECURITY_OK, NULL},
        {"chroot", "/mnt/link", EC_SECURITY_OK, NULL},
        {"chroot", "/mnt/file", EC_SECURITY_ECHROOT, "chroot: \"/mnt/file\": is not a directory"},
        {"chroot", "/mnt/file/x", EC_SECURITY_ECHROOT, "chroot: \"/mnt/file/x\": /mnt/file: ENOTDIR: not a directory"},
        {"chroot", "/mnt/fifo", EC_SECURITY_ECHROOT, "chroot: \"/mnt/fifo\": is not a directory"},
        {"chroot", "/mnt/open", EC_SECURITY_ECHROOT,
         "chroot: \"/mnt/open\": others can write to it (mode 0777, owner 0): chmod go-w"},
        {"chroot", "/mnt/sticky", EC_SECURITY_ECHROOT,
         "chroot: \"/mnt/sticky\": others can write to it (mode 1777, owner 0): chmod go-w"},
        {"chroot", "/mnt/group", EC_SECURITY_ECHROOT,
         "chroot: \"/mnt/group\": others can write to it (mode 0775, owner 0): chmod go-w"},
    };
    ec_security_policy *policy = ec_security_policy_new();
    if (!expect(policy != NULL, "policy_new: %s", ec_security_last_error()))
        return;
    for (size_t at = 0; at < sizeof rows / sizeof *rows; at++) {
        int status = ec_security_policy_set(policy, rows[at].option, rows[at].value);
        const char *text = status ? ec_security_last_error() : "";
        expect(status == rows[at].status, "%s = \"%s\": %d %s", rows[at].option, rows[at].value, status, text);
        if (rows[at].text)
            expect(!strcmp(text, rows[at].text), "%s = \"%s\": %s", rows[at].option, rows[at].value, text);
        expect(ec_security_policy_set(policy, rows[at].option, NULL) ==
                   (rows[at].text && strstr(rows[at].text, "unknown option") ? EC_SECURITY_EOPTION : EC_SECURITY_OK),
               "%s = NULL: %s", rows[at].option, ec_security_last_error());
    }
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
    for (size_t at = 0; at < sizeof rows / sizeof *rows; at++) {
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
        {"gid", EC_SECURITY_EUSER,
         "user: id 4998 has no entry in the user database, so its group is not known: set group as well"},
        {"groups", EC_SECURITY_EUSER,
         "user: id 4998 has no entry in the user database, so its group is not known: set group as well"},
        {NULL, EC_SECURITY_EARGUMENT, "option: NULL; a string is needed"},
    };
    expect(ec_security_policy_set(policy, "user", "4998") == 0, "%s", ec_security_policy_error(policy));
    for (size_t at = 0; at < sizeof rows / sizeof *rows; at++) {
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
    test("policy: its descriptor of /proc may be closed", 20, closed_descriptor_of_proc, NULL);
    test("policy: what cannot be asked for, and each policy's error", 20, get_errors, NULL);
    test("policy: somebody else's directory is no root", 10, others_directory, NULL);
}
