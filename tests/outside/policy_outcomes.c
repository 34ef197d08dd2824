/* What each option comes to in every thread, natively and in surroundings where less is allowed; what a change of ids clears. */

#include "policy.h"
#include "policy_of.h"
#include "seccomp.h"

#include <dirent.h>
#include <ec_security.h>
#include <errno.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

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
#define NOT_CAPABLE(says) .status = EC_SECURITY_ECAPABILITY, .text = (says)

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
     NOT_CAPABLE("cap_chown effective without being permitted; write +ep instead of +e")},
    {"what the kernel lacks", {{"user", "ecuser"}, {"capabilities", "63+p"}}, NOT_CAPABLE(NULL)},
    {"ambient beyond permitted",
     {{"user", "ecuser"}, {"capabilities", "cap_chown+ep"}, {"ambient", "cap_chown cap_kill"}},
     NOT_CAPABLE("cannot make cap_kill ambient: not among the permitted capabilities asked for")},
    {"a securebit that is locked",
     {{"user", "ecuser"}, {"securebits", "noroot"}},
     .before_securebits = 0x3,
     NOT_CAPABLE("cannot change securebits from 0x3 to 0x1: a securebit that would change is locked")},
    {"ambient where raising is off",
     {{"capabilities", "cap_chown+ep"}, {"ambient", "cap_chown"}},
     .before_securebits = 0x40,
     NOT_CAPABLE("cannot make cap_chown ambient: securebit no_cap_ambient_raise is set")},
    {"what must survive where keep-caps is locked off",
     {{"user", "ecuser"}, {"capabilities", "cap_chown+p"}},
     .before_securebits = 0x20,
     NOT_CAPABLE("cannot retain cap_chown across the change of user: securebit keep_caps is locked off")},
};

/* Surroundings. */
enum place { NATIVE, USER_NAMESPACE, SETGROUPS_DENIED, NO_SETPCAP, NO_SETUID, PLACES };
static const char *const PLACE[PLACES] = {"natively", "in a user namespace", "with setgroups denied", "without cap_setpcap",
                                          "without cap_setuid"};

struct job {
    const struct row *row;
    enum place place;
};

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
    if (job->place == NO_SETPCAP && !give_up_caps(BIT(CAP_SETPCAP)))
        _exit(90);
    if (job->place == NO_SETUID && !give_up_caps(BIT(CAP_SETUID)))
        _exit(91);
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
    report_status(status);
    ready();
    report_status(ec_security_policy_apply(policy));
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
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char name[400];
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        ssize_t len = readlink(name, link, sizeof link - 1);
        if (len > 0)
            have += (size_t)snprintf(text + have, sizeof both[0] - have, "fd %s %.*s\n", entry->d_name, (int)len, link);
    }
    if (directory)
        closedir(directory);
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
    if (!need_uid(4998))
        return;
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

    struct answer *apply = release_and_wait(child);
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
    if (!need_uid(4998))
        return;
    struct job job = {NULL, REFUSED[at].place};
    for (size_t n = 0; n < sizeof rows / sizeof *rows; n++)
        if (!strcmp(rows[n].name, REFUSED[at].row))
            job.row = &rows[n];
    struct answer *check = release_and_expect(start(sets_and_applies, &job), REFUSED[at].status);
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
    if (!need_ids())
        return;
    struct answer *answer = release_and_wait(start(changes_ids, arg));
    int dumpable = answer->status % 10, wanted = it->keeps ? 3 * SIGUSR2 : 0;
    expect(answer->came && answer->status / 10 == wanted, "%d %s", answer->status, answer->text);
    expect(it->keeps ? dumpable == 1 : dumpable != 1, "dumpable is %d", dumpable);
}

void policy_outcomes(void)
{
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
    static struct cleared cleared[] = {
        {"what a change of ids clears is cleared", false, false},
        {"dumpable and parent_death_signal are kept", false, true},
        {"dumpable and parent_death_signal are kept, under a seccomp filter", true, true},
    };
    for (size_t at = 0; at < sizeof cleared / sizeof *cleared; at++)
        test(cleared[at].name, 30, clears, &cleared[at]);
}
