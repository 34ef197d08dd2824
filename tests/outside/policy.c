/* The policy object: what each option takes, what it comes to in every thread, and that what check refuses is just what apply
 * refuses, natively and in surroundings where less is allowed. */

#include "outside.h"
#include "seccomp.h"

#include <dirent.h>
#include <ec_security.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* --- what each option takes ---------------------------------------------------------------------------------------- */

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

/* The folder of somebody else; needs a second id. */
static void others_folder(void *unused)
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

/* A file that somebody else owns, or whose folder or link does: who owns can write. */
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
        {"/mnt/conf/d", "/mnt/conf/folder.conf",
         "/mnt/conf/folder.conf:1:18: include: /mnt/conf/d: belongs to another user (mode 0755, owner 4711): chown root"},
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

/* --- what each option comes to ------------------------------------------------------------------------------------- */

#define OPTIONS_MAX 6
#define STAYS UINT32_MAX
#define ALL_HELD UINT64_MAX

struct row {
    const char *name;
    const char *set[OPTIONS_MAX][2];
    /* Where this is natively refused. */
    int status;
    const char *text;
    unsigned before_securebits; /* put in place first */
    /* The end, where it is not: STAYS, or an id. Groups: NULL stay. */
    unsigned uid, gid;
    const unsigned *groups;
    size_t groups_len;
    uint64_t effective, permitted, inheritable, ambient, optional;
    bool keeps_caps, keeps_bounding, may_gain;
    unsigned securebits;
};

#define IDS(u, g, list) .uid = (u), .gid = (g), .groups = (list), .groups_len = sizeof(list) / sizeof *(list)
#define SAME .uid = STAYS, .gid = STAYS
#define CAPS(e, p, i) .effective = (e), .permitted = (p), .inheritable = (i)

static const unsigned EXTRA[] = {ECEXTRA_GID, ECLOGS_GID};
static const unsigned ONE[] = {4999};
static const unsigned LIST[] = {8, ECEXTRA_GID, ECLOGS_GID};
static const unsigned NONE[1];

static const struct row rows[] = {
    {"nothing", {{0}}, SAME},
    {"user", {{"user", "ecuser"}}, IDS(ECUSER_UID, ECUSER_GID, ECUSER_GROUPS)},
    {"user by number", {{"User", "4711"}}, IDS(ECUSER_UID, ECUSER_GID, ECUSER_GROUPS)},
    {"group", {{"group", "ecextra"}}, .uid = STAYS, .gid = ECEXTRA_GID},
    {"user and group", {{"user", "ecuser"}, {"group", "ecextra"}}, IDS(ECUSER_UID, ECEXTRA_GID, EXTRA)},
    {"user without an entry", {{"user", "4998"}, {"group", "4999"}}, IDS(4998, 4999, ONE)},
    {"user without an entry or group",
     {{"user", "4998"}},
     .status = EC_SECURITY_EUSER,
     .text = "user: id 4998 has no entry in the user database, so its group is not known: set group as well"},
    {"groups alone", {{"supplemental_groups", "ecextra 8,  eclogs ecextra 0008 4713"}}, IDS(STAYS, STAYS, LIST)},
    {"no groups", {{"supplemental_groups", ""}}, .uid = STAYS, .gid = STAYS, .groups = NONE},
    {"user and groups", {{"user", "ecuser"}, {"supplemental_groups", "8 eclogs ecextra"}}, IDS(ECUSER_UID, ECUSER_GID, LIST)},
    {"user and no groups",
     {{"supplemental_groups", ""}, {"user", "ecuser"}},
     .uid = ECUSER_UID,
     .gid = ECUSER_GID,
     .groups = NONE},
    {"a later value", {{"user", "root"}, {"user", "ecuser"}}, IDS(ECUSER_UID, ECUSER_GID, ECUSER_GROUPS)},
    {"one capability", {{"capabilities", "cap_net_bind_service+ep"}}, SAME, CAPS(BIT(10), BIT(10), 0)},
    {"flags by themselves",
     {{"capabilities", "cap_chown+p cap_kill+i cap_net_raw+eip"}},
     SAME,
     CAPS(BIT(13), BIT(0) | BIT(13), BIT(5) | BIT(13))},
    {"inheritable alone, across the change of user",
     {{"user", "ecuser"}, {"capabilities", "cap_kill+i"}, {"bounding", "keep"}},
     IDS(ECUSER_UID, ECUSER_GID, ECUSER_GROUPS),
     CAPS(0, 0, BIT(5)),
     .keeps_bounding = true},
    {"capabilities = keep", {{"capabilities", "keep"}}, SAME, .keeps_caps = true},
    {"capabilities = keep, across the change of user",
     {{"capabilities", "Keep"}, {"user", "ecuser"}},
     IDS(ECUSER_UID, ECUSER_GID, ECUSER_GROUPS),
     .keeps_caps = true},
    {"optional capabilities",
     {{"user", "ecuser"}, {"capabilities", "cap_chown+ep"}, {"optional_capabilities", "cap_sys_resource+ep cap_net_raw+p"}},
     IDS(ECUSER_UID, ECUSER_GID, ECUSER_GROUPS),
     CAPS(BIT(0) | BIT(24), BIT(0) | BIT(24) | BIT(13), 0),
     .optional = BIT(24) | BIT(13)},
    {"no_new_privs = off", {{"no_new_privs", "off"}}, SAME, .may_gain = true},
    {"bounding = keep", {{"bounding", "keep"}}, SAME, .keeps_bounding = true},
    {"bounding with what is kept",
     {{"user", "ecuser"}, {"capabilities", "cap_chown+p cap_kill+i"}},
     IDS(ECUSER_UID, ECUSER_GID, ECUSER_GROUPS),
     CAPS(0, BIT(0), BIT(5))},
    {"ambient",
     {{"user", "ecuser"}, {"capabilities", "cap_net_bind_service+ep cap_chown+p"}, {"ambient", "cap_net_bind_service"}},
     IDS(ECUSER_UID, ECUSER_GID, ECUSER_GROUPS),
     CAPS(BIT(10), BIT(10) | BIT(0), BIT(10)),
     .ambient = BIT(10)},
    {"ambient of what is kept",
     {{"capabilities", "keep"}, {"ambient", "CAP_CHOWN,cap_kill"}, {"user", "ecuser"}},
     IDS(ECUSER_UID, ECUSER_GID, ECUSER_GROUPS),
     CAPS(0, 0, BIT(0) | BIT(5)),
     .ambient = BIT(0) | BIT(5),
     .keeps_caps = true},
    {"securebits", {{"securebits", "noroot noroot_locked,no_setuid_fixup"}}, SAME, .securebits = 0x7},
    {"securebits across the change of user",
     {{"user", "ecuser"}, {"securebits", "no_setuid_fixup_locked no_setuid_fixup keep_caps_locked"}},
     IDS(ECUSER_UID, ECUSER_GID, ECUSER_GROUPS),
     .securebits = 0x2c},
    {"securebits after ambient",
     {{"ambient", "cap_kill"},
      {"capabilities", "cap_kill+p"},
      {"securebits", "no_cap_ambient_raise no_cap_ambient_raise_locked"}},
     SAME,
     CAPS(0, BIT(5), BIT(5)),
     .ambient = BIT(5),
     .securebits = 0xc0},
    {"keep-caps locked off, and the change of user",
     {{"user", "ecuser"}, {"capabilities", "cap_kill+i"}, {"securebits", "keep_caps_locked noroot"}},
     IDS(ECUSER_UID, ECUSER_GID, ECUSER_GROUPS),
     CAPS(0, 0, BIT(5)),
     .before_securebits = 0x20,
     .securebits = 0x21},
    {"all of it",
     {{"user", "ecuser"},
      {"supplemental_groups", "8 eclogs ecextra"},
      {"capabilities", "cap_net_raw,cap_chown+ep"},
      {"ambient", "cap_net_raw"},
      {"securebits", "noroot noroot_locked"},
      {"no_new_privs", "off"}},
     IDS(ECUSER_UID, ECUSER_GID, LIST),
     CAPS(BIT(13) | BIT(0), BIT(13) | BIT(0), BIT(13)),
     .ambient = BIT(13),
     .securebits = 0x3,
     .may_gain = true},
    {"privileges and deadline", {{"privileges", "basic net_privaddr"}, {"deadline", "2.5"}}, SAME},
    {"effective without permitted",
     {{"capabilities", "cap_chown+e"}},
     .status = EC_SECURITY_ECAPABILITY,
     .text = "cap_chown effective without being permitted; write +ep instead of +e"},
    {"what the kernel lacks", {{"user", "ecuser"}, {"capabilities", "63+p"}}, .status = EC_SECURITY_ECAPABILITY, .text = NULL},
    {"ambient beyond permitted",
     {{"user", "ecuser"}, {"capabilities", "cap_chown+ep"}, {"ambient", "cap_chown cap_kill"}},
     .status = EC_SECURITY_ECAPABILITY,
     .text = "cannot make cap_kill ambient: not among the permitted capabilities asked for"},
    {"a securebit that is locked",
     {{"user", "ecuser"}, {"securebits", "noroot"}},
     .before_securebits = 0x3,
     .status = EC_SECURITY_ECAPABILITY,
     .text = "cannot change securebits from 0x3 to 0x1: a lock is set on what would change"},
    {"ambient where raising is off",
     {{"capabilities", "cap_chown+ep"}, {"ambient", "cap_chown"}},
     .before_securebits = 0x40,
     .status = EC_SECURITY_ECAPABILITY,
     .text = "cannot make cap_chown ambient: securebit no_cap_ambient_raise is set"},
    {"what must survive where keep-caps is locked off",
     {{"user", "ecuser"}, {"capabilities", "cap_chown+p"}},
     .before_securebits = 0x20,
     .status = EC_SECURITY_ECAPABILITY,
     .text = "cannot retain cap_chown across the change of user: securebit keep_caps is locked off"},
};

/* Surroundings. */
enum place { NATIVE, USER_NAMESPACE, SETGROUPS_DENIED, NO_SETPCAP, NO_SETUID, PLACES };
static const char *const PLACE[PLACES] = {"natively", "in a user namespace", "with setgroups denied", "without cap_setpcap",
                                          "without cap_setuid"};

struct job {
    const struct row *row;
    enum place place;
};

static void give_up(unsigned cap)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data))
        _exit(90);
    data[0].effective &= ~(1u << cap);
    data[0].permitted &= ~(1u << cap);
    if (syscall(SYS_capset, &header, data))
        _exit(91);
}

static long securebits_are(void *want) { return prctl(PR_GET_SECUREBITS, 0, 0, 0, 0) != (long)*(const unsigned *)want; }

static void sets_and_applies(void *arg)
{
    const struct job *job = arg;
    if (job->place == USER_NAMESPACE && !user_namespace())
        _exit(92);
    if (job->place == SETGROUPS_DENIED && !user_namespace_of(false, true))
        _exit(93);
    if (job->row->before_securebits && prctl(PR_SET_SECUREBITS, job->row->before_securebits, 0, 0, 0))
        _exit(94);
    if (job->place == NO_SETPCAP)
        give_up(8);
    if (job->place == NO_SETUID)
        give_up(7);
    struct worker_pool *others = start_workers(3);
    ec_security_policy *policy = ec_security_policy_new();
    for (int at = 0; at < OPTIONS_MAX && job->row->set[at][0]; at++)
        if (ec_security_policy_set(policy, job->row->set[at][0], job->row->set[at][1])) {
            ready();
            report(-2, ec_security_last_error());
            return;
        }
    ready();
    int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    int status = ec_security_policy_check(policy);
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != dumpable)
        report(-3, "check has changed the dumpable flag");
    report(status, status ? ec_security_last_error() : "");
    ready();
    status = ec_security_policy_apply(policy);
    report(status, status ? ec_security_last_error() : "");
    ready();
    unsigned securebits = status ? job->row->before_securebits : job->row->securebits;
    report((int)(each(others, securebits_are, &securebits) + securebits_are(&securebits)), "securebits");
    ec_security_policy_free(policy);
}

/* What may change besides what every thread holds: root, working directory, descriptors, signals, children. */
static char *around(pid_t pid)
{
    static char both[2][8192];
    static int turn;
    char *text = both[turn ^= 1];
    size_t have = 0;
    char path[64], link[256];
    const char *const links[] = {"root", "cwd"};
    for (int at = 0; at < 2; at++) {
        snprintf(path, sizeof path, "/proc/%d/%s", pid, links[at]);
        ssize_t len = readlink(path, link, sizeof link - 1);
        have += (size_t)snprintf(text + have, sizeof both[0] - have, "%s %.*s\n", links[at], (int)(len > 0 ? len : 0), link);
    }
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char name[400];
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        ssize_t len = readlink(name, link, sizeof link - 1);
        if (len > 0)
            have += (size_t)snprintf(text + have, sizeof both[0] - have, "fd %s %.*s\n", entry->d_name, (int)len, link);
    }
    if (folder)
        closedir(folder);
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "re");
    char line[512];
    while (file && fgets(line, sizeof line, file))
        if ((!strncmp(line, "Sig", 3) && line[3] != 'Q') || !strncmp(line, "Shd", 3) || !strncmp(line, "Umask", 5))
            have += (size_t)snprintf(text + have, sizeof both[0] - have, "%s", line);
    if (file)
        fclose(file);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, pid);
    file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        have += (size_t)snprintf(text + have, sizeof both[0] - have, "children %s\n", line);
    if (file)
        fclose(file);
    return text;
}

static void comes_to(void *arg)
{
    const struct job *job = arg;
    const struct row *row = job->row;
    if (!can_change_ids() || !has_uid(4998)) {
        skip("ids cannot be changed here");
        return;
    }
    struct child *child = start(sets_and_applies, arg);
    if (!child)
        return;
    struct process *before = look(child->pid);
    char *around_before = around(child->pid);
    struct answer *check = release_and_wait(child);
    expect(check->came && check->status >= 0, "check: %d %s", check->status, check->text);
    expect_unchanged(before, look(child->pid));
    char *around_after = around(child->pid);
    expect(!strcmp(around_before, around_after), "check has changed something:\n%s\n%s", around_before, around_after);
    around_before = around_after;

    release(child); /* past the second ready() */
    struct answer *apply = wait_report(child);
    expect(apply->came, "apply: %s", apply->text);
    expect(check->status == apply->status && !strcmp(check->text, apply->text), "check: %d %s; apply: %d %s", check->status,
           check->text, apply->status, apply->text);
    struct process *after = look(child->pid);
    const struct thread *was = &before->threads[0];
    bool lacks_optional_only = row->permitted & ~row->optional & ~was->prm;
    if (job->place == NATIVE || job->place == USER_NAMESPACE) {
        int status = lacks_optional_only ? EC_SECURITY_ECAPABILITY : row->status;
        expect(apply->status == status, "apply: %d %s", apply->status, apply->text);
        if (row->text)
            expect(!strcmp(apply->text, row->text), "apply: %s", apply->text);
    }
    around_after = around(child->pid);
    expect(!strcmp(around_before, around_after), "apply has changed more than asked:\n%s\n%s", around_before, around_after);
    if (apply->status) {
        expect_unchanged(before, after);
    } else {
        uint64_t there = ~row->optional | was->prm;
        struct thread want = after_drop(was, row->uid, row->gid, row->groups, row->groups_len, row->effective & there,
                                        row->permitted & there, row->inheritable);
        /* A list that lacks only the primary group is as wanted where it cannot be set. */
        if (job->place == SETGROUPS_DENIED && row->groups == ONE)
            want.groups_len = 0;
        if (row->uid == STAYS)
            memcpy(want.uid, was->uid, sizeof want.uid);
        if (row->gid == STAYS)
            memcpy(want.gid, was->gid, sizeof want.gid);
        if (row->keeps_caps) {
            want.eff = was->eff;
            want.prm = was->prm;
            want.inh = was->inh | row->inheritable;
        }
        want.bnd = row->keeps_bounding ? was->bnd : bounding_after(was, want.prm, want.inh);
        want.amb = row->ambient;
        want.nnp = !row->may_gain;
        expect_threads(after, &want, FIELDS_ALL, 4);
    }
    struct answer *bits = release_and_wait(child);
    expect(bits->came && bits->status == 0, "%d threads have other securebits", bits->status);
}

/* Which of these rows are refused in surroundings where less is allowed. */
static const struct {
    enum place place;
    const char *row;
    int status;
    const char *word;
} REFUSED[] = {
    {SETGROUPS_DENIED, "user", EC_SECURITY_EREFUSED, "setgroups refused (EPERM"},
    {SETGROUPS_DENIED, "group", EC_SECURITY_OK, ""},
    {NO_SETPCAP, "securebits", EC_SECURITY_ECAPABILITY, "cap_setpcap is not held"},
    {NO_SETPCAP, "user", EC_SECURITY_OK, ""},
    {NO_SETPCAP, "ambient", EC_SECURITY_OK, ""},
    {NO_SETUID, "user", EC_SECURITY_EREFUSED, "cannot become user 4711: setresuid needs cap_setuid, which is not held"},
    {NO_SETUID, "groups alone", EC_SECURITY_OK, ""},
};

static void less_is_allowed(void *arg)
{
    size_t at = *(size_t *)arg;
    if (!can_change_ids() || !has_uid(4998)) {
        skip("ids cannot be changed here");
        return;
    }
    struct job job = {NULL, REFUSED[at].place};
    for (size_t n = 0; n < sizeof rows / sizeof *rows; n++)
        if (!strcmp(rows[n].name, REFUSED[at].row))
            job.row = &rows[n];
    struct answer *check = release_and_wait(start(sets_and_applies, &job));
    expect(check->came && check->status == REFUSED[at].status, "%d %s", check->status, check->text);
    expect(strstr(check->text, REFUSED[at].word) != NULL, "%s", check->text);
}

/* --- what a change of ids clears ------------------------------------------------------------------------------------------ */

struct cleared {
    const char *name;
    bool filtered, keeps;
};

static long sets_signal(void *signal) { return prctl(PR_SET_PDEATHSIG, *(int *)signal); }

static long has_signal(void *unused)
{
    (void)unused;
    int signal = -1;
    prctl(PR_GET_PDEATHSIG, &signal);
    return signal;
}

/* The sum of both threads' parent-death signals and of the caller's, and the dumpable flag: what prctl(2) tells only inside. */
static void changes_ids(void *arg)
{
    const struct cleared *it = arg;
    int signal = SIGUSR2;
    struct worker_pool *others = start_workers(2);
    long failed = each(others, sets_signal, &signal) + sets_signal(&signal);
    struct rule harmless = CALLS(SYS_personality, FAILS_WITH(EPERM));
    if (it->filtered)
        failed += seccomp_rule(harmless, 0) != 0;
    ec_security_policy *policy = ec_security_policy_new();
    failed += ec_security_policy_set(policy, "user", "ecuser");
    if (it->keeps)
        failed += ec_security_policy_set(policy, "dumpable", "on") +
                  ec_security_policy_set(policy, "parent_death_signal", "keep");
    ready();
    int status = failed ? 90 : ec_security_policy_apply(policy);
    long all = each(others, has_signal, NULL) + has_signal(NULL);
    report(status * 1000 + (int)all * 10 + prctl(PR_GET_DUMPABLE), ec_security_last_error());
}

static void clears(void *arg)
{
    const struct cleared *it = arg;
    if (!can_change_ids()) {
        skip("ids cannot be changed here");
        return;
    }
    struct answer *answer = release_and_wait(start(changes_ids, arg));
    int dumpable = answer->status % 10, wanted = it->keeps ? 3 * SIGUSR2 : 0;
    expect(answer->came && answer->status / 10 == wanted, "%d %s", answer->status, answer->text);
    expect(it->keeps ? dumpable == 1 : dumpable != 1, "dumpable is %d", dumpable);
}

/* --- files --------------------------------------------------------------------------------------------------------- */

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    if (!file || fputs(text, file) < 0 || fclose(file)) {
        perror(path);
        exit(70);
    }
    chmod(path, 0644);
}

struct from_file {
    const char *path;
    bool in_namespace;
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
    int status = ec_security_policy_apply(policy);
    report(status, status ? ec_security_last_error() : "");
    ec_security_policy_free(policy);
}

/* Both examples of the document this library began with. */
static void document_single(void *unused)
{
    (void)unused;
    if (!can_change_ids()) {
        skip("ids cannot be changed here");
        return;
    }
    struct from_file from = {"/mnt/single.conf", false};
    struct child *child = start(loads_and_applies, &from);
    struct process *before = look(child->pid);
    struct answer *answer = release_and_wait(child);
    expect(answer->came && answer->status == 0, "%d %s", answer->status, answer->text);
    struct thread want = after_drop(&before->threads[0], ECUSER_UID, ECUSER_GID, ECUSER_GROUPS, 3, BIT(10), BIT(10), 0);
    expect_threads(look(child->pid), &want, FIELDS_ALL, 4);
}

static void document_cluster(void *unused)
{
    (void)unused;
    if (!can_change_ids()) {
        skip("ids cannot be changed here");
        return;
    }
    struct from_file from = {"/mnt/cluster.conf", true};
    struct child *child = start(loads_and_applies, &from);
    if (!child)
        return;
    struct process *before = look(child->pid);
    struct answer *answer = release_and_wait(child);
    expect(answer->came && answer->status == 0, "%d %s", answer->status, answer->text);
    uint64_t caps = BIT(10) | BIT(12) | BIT(13) | BIT(24);
    struct thread want = after_drop(&before->threads[0], ECUSER_UID, ECUSER_GID, ECUSER_GROUPS, 3, caps, caps, 0);
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

/* More groups than a text of 65535 bytes can name come from a file: up to NGROUPS_MAX, and one more. */
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
        fprintf(file, "%u\n", group);
    fprintf(file, "1 2 3 ) }\n");
    fclose(file);
    struct from_file from = {"/mnt/groups.conf", false};
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

/* --- all of it ----------------------------------------------------------------------------------------------------- */

static bool room(void)
{
    if (mount("tmpfs", "/mnt", "tmpfs", 0, "mode=0755") < 0)
        return false;
    umask(022);
    bool made = !mkdir("/mnt/jail", 0755) && !mkdir("/mnt/open", 0755) && !chmod("/mnt/open", 0777) &&
                !mkdir("/mnt/sticky", 0755) && !chmod("/mnt/sticky", 01777) && !mkdir("/mnt/group", 0755) &&
                !chmod("/mnt/group", 0775) && !mkdir("/mnt/other", 0755) && !symlink("jail", "/mnt/link") &&
                !mkfifo("/mnt/fifo", 0644) && !mkdir("/mnt/conf", 0755) && !mkdir("/mnt/conf/d", 0755) &&
                !symlink("a.conf", "/mnt/conf/link") && !symlink("/mnt/conf/a.conf", "/mnt/sticky/link");
    write_file("/mnt/conf/a.conf", "Security { user = root }");
    write_file("/mnt/conf/d/a.conf", "Security { user = root }");
    write_file("/mnt/conf/main.conf", "include a.conf");
    write_file("/mnt/conf/folder.conf", "readonly_include d");
    write_file("/mnt/file", "");
    write_file("/mnt/single.conf", "Security {\n  user = ecuser\n  group = ecuser\n"
                                   "  # Allow binding to privileged ports without requiring a process restart\n"
                                   "  Capabilities = \"cap_net_bind_service+ep\"\n}\n");
    write_file("/mnt/cluster.conf",
               "Security {\n  user = ecuser\n  group = ecuser\n"
               "  Capabilities = \"cap_net_admin+ep cap_net_bind_service+ep cap_net_raw+ep cap_sys_resource+ep\"\n}\n");
    return made;
}

int main(int argc, char **argv)
{
    select_cases(argc, argv);
    if (!private_users() || !room()) {
        perror("surroundings");
        return 70;
    }
    test("policy: values of every option", 20, values, NULL);
    test("policy: what options have come to", 20, gets, NULL);
    test("policy: a descriptor that has the number of the policy's own is left open", 20, descriptor_of_proc, NULL);
    test("policy: its descriptor of /proc may be closed", 20, closed_descriptor_of_proc, NULL);
    test("policy: what cannot be asked for, and each policy's error", 20, get_errors, NULL);
    test("policy: somebody else's folder is no root", 10, others_folder, NULL);
    test("policy: somebody else's file is not read", 10, others_files, NULL);
    for (int place = 0; place < PLACES; place++)
        for (size_t at = 0; at < sizeof rows / sizeof *rows; at++) {
            char name[160];
            snprintf(name, sizeof name, "policy: %s, %s", rows[at].name, PLACE[place]);
            struct job job = {&rows[at], place};
            test(name, 60, comes_to, &job);
        }
    for (size_t at = 0; at < sizeof REFUSED / sizeof *REFUSED; at++) {
        char name[160];
        snprintf(name, sizeof name, "policy: %s %s: %s", REFUSED[at].row, PLACE[REFUSED[at].place],
                 REFUSED[at].status ? "is refused" : "goes");
        test(name, 60, less_is_allowed, &at);
    }
    test("policy: the document's single node, from a file", 20, document_single, NULL);
    test("policy: the document's cluster node, from a file", 20, document_cluster, NULL);
    test("policy: errors in files and texts", 20, file_errors, NULL);
    unsigned most = 65536, more = 65537;
    test("policy: as many groups as the kernel takes", 60, most_groups, &most);
    test("policy: one group more than the kernel takes", 60, most_groups, &more);
    static struct cleared cleared[] = {
        {"what a change of ids clears is cleared", false, false},
        {"dumpable and parent_death_signal are kept", false, true},
        {"dumpable and parent_death_signal are kept, under a seccomp filter", true, true},
    };
    for (size_t at = 0; at < sizeof cleared / sizeof *cleared; at++)
        test(cleared[at].name, 30, clears, &cleared[at]);
    return finish();
}
