/* A drop-in for what careful daemons write by hand: the same users, groups and texts through hand-rolled code with libcap,
 * and through ec_security_apply(). Both children end with the same Uid, Gid, Groups, CapInh, CapPrm and CapEff, or both
 * refuse; ours, when it refuses, is as it was. Where the two differ by contract, the difference is listed in `contract`
 * with its reason, and is expected just as strictly.
 *
 * Natively, in a user namespace with all ids, and in one with a single id and setgroups denied. */

#include "outside.h"

#include <ec_security.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILL 5
#define NET_BIND_SERVICE 10
#define NET_RAW 13
#define SYS_TIME 25

/* --- what a daemon's author writes --------------------------------------------------------------------------------- */

struct request {
    const char *user, *group, *text;
};

static bool digits(const char *word, unsigned *id)
{
    if (!*word || word[strspn(word, "0123456789")])
        return false;
    errno = 0;
    unsigned long long number = strtoull(word, NULL, 10);
    if (errno || number > 4294967294u)
        return false;
    *id = (unsigned)number;
    return true;
}

/* NULL when done, else the step that did not work; errno says why. Such a daemon then ends. */
static const char *hand_rolled(const struct request *request)
{
    unsigned uid = 0, gid = 0;
    char name[256] = "";
    bool has_gid = false;
    if (request->user) {
        struct passwd *entry = getpwnam(request->user);
        if (!entry) {
            if (!digits(request->user, &uid))
                return "no such user";
            entry = getpwuid(uid);
        }
        if (entry) {
            uid = entry->pw_uid;
            gid = entry->pw_gid;
            has_gid = true;
            snprintf(name, sizeof name, "%s", entry->pw_name);
        }
    }
    if (request->group) {
        struct group *entry = getgrnam(request->group);
        if (entry)
            gid = entry->gr_gid;
        else if (!digits(request->group, &gid))
            return "no such group";
        has_gid = true;
    }
    if (request->user && !has_gid)
        return "no group";
    cap_t caps = cap_from_text(request->text ? request->text : "");
    if (!caps)
        return "cap_from_text";

    if (request->user && *name && initgroups(name, gid))
        return "initgroups";
    if (request->user && !*name && setgroups(1, &gid))
        return "setgroups";
    if (has_gid && setresgid(gid, gid, gid))
        return "setresgid";
    if (request->user) {
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0))
            return "PR_SET_KEEPCAPS";
        if (setresuid(uid, uid, uid))
            return "setresuid";
    }
    if (cap_set_proc(caps))
        return "cap_set_proc";
    if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0))
        return "PR_SET_KEEPCAPS";
    cap_free(caps);
    return NULL;
}

/* --- what both start from ------------------------------------------------------------------------------------------ */

enum state {
    ROOT,    /* root, with what root holds here */
    REDUCED, /* root without NET_RAW and SYS_TIME, but both in the bounding set; NET_RAW inheritable; other groups */
    ECUSER,  /* ecuser already, without capabilities */
    SERVICE, /* the same with NET_BIND_SERVICE ambient, as a service manager starts it */
};
static const char *const states[] = {"root", "root with less", "ecuser", "ecuser with an ambient capability"};

static void require(bool done, const char *what)
{
    if (!done) {
        perror(what);
        _exit(70);
    }
}

static void set_caps(const char *text)
{
    cap_t caps = cap_from_text(text);
    require(caps && !cap_set_proc(caps), text);
    cap_free(caps);
}

static void become(enum state state)
{
    if (state == REDUCED) {
        unsigned groups[2] = {0, ECLOGS_GID};
        require(!setgroups(2, groups), "setgroups");
        cap_t caps = cap_get_proc();
        cap_value_t less[2] = {NET_RAW, SYS_TIME};
        require(caps && !cap_set_flag(caps, CAP_PERMITTED, 2, less, CAP_CLEAR) &&
                    !cap_set_flag(caps, CAP_EFFECTIVE, 2, less, CAP_CLEAR) &&
                    !cap_set_flag(caps, CAP_INHERITABLE, 1, less, CAP_SET) && !cap_set_proc(caps),
                "cap_set_proc");
        cap_free(caps);
    }
    if (state == ECUSER || state == SERVICE) {
        require(!setgroups(3, ECUSER_GROUPS) && !setresgid(ECUSER_GID, ECUSER_GID, ECUSER_GID), "group ids");
        require(!prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) && !setresuid(ECUSER_UID, ECUSER_UID, ECUSER_UID), "user ids");
        set_caps(state == SERVICE ? "cap_net_bind_service=eip" : "");
        require(!prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0), "PR_SET_KEEPCAPS");
        if (state == SERVICE)
            require(!prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, NET_BIND_SERVICE, 0, 0), "PR_CAP_AMBIENT_RAISE");
    }
}

struct job {
    enum state state;
    struct request request;
};

static void by_hand(void *arg)
{
    const struct job *job = arg;
    become(job->state);
    ready();
    errno = 0;
    const char *step = hand_rolled(&job->request);
    char text[200];
    snprintf(text, sizeof text, "%s: %s", step ? step : "done", strerror(errno));
    report(step != NULL, text);
}

static void by_us(void *arg)
{
    const struct job *job = arg;
    become(job->state);
    ready();
    int status = ec_security_apply(job->request.user, job->request.group, job->request.text);
    report(status, ec_security_last_error());
}

/* --- where they differ by contract --------------------------------------------------------------------------------- */

static bool denied; /* whether this user namespace denies setgroups(2) */

static struct ec_security_caps masks(const char *text)
{
    struct ec_security_caps out = {0, 0, 0};
    cap_t caps = cap_from_text(text ? text : "");
    for (unsigned cap = 0; caps && cap < 64; cap++) {
        cap_flag_value_t value;
        if (!cap_get_flag(caps, (cap_value_t)cap, CAP_EFFECTIVE, &value) && value == CAP_SET)
            out.effective |= BIT(cap);
        if (!cap_get_flag(caps, (cap_value_t)cap, CAP_PERMITTED, &value) && value == CAP_SET)
            out.permitted |= BIT(cap);
        if (!cap_get_flag(caps, (cap_value_t)cap, CAP_INHERITABLE, &value) && value == CAP_SET)
            out.inheritable |= BIT(cap);
    }
    if (caps)
        cap_free(caps);
    return out;
}

static bool parses(const char *text)
{
    cap_t caps = cap_from_text(text ? text : "");
    if (caps)
        cap_free(caps);
    return caps != NULL;
}

static bool is(const char *word, const char *other) { return word == other || (word && other && !strcmp(word, other)); }

static bool above_the_last(const struct job *job, const struct thread *before)
{
    (void)before;
    struct ec_security_caps caps = masks(job->request.text);
    return ((caps.effective | caps.permitted | caps.inheritable) & ~all_caps()) != 0;
}

static bool inheritable_by_setpcap(const struct job *job, const struct thread *before)
{
    struct ec_security_caps caps = masks(job->request.text);
    uint64_t more = caps.inheritable & ~(before->inh | before->prm);
    return job->state == REDUCED && more && !(more & ~before->bnd) && !(caps.permitted & ~before->prm) &&
           is(job->request.user, "ecuser") && !job->request.group;
}

static bool ecuser_already(const struct job *job, const struct thread *before)
{
    struct ec_security_caps caps = masks(job->request.text);
    return (job->state == ECUSER || job->state == SERVICE) &&
           (is(job->request.user, "ecuser") || is(job->request.user, "4711")) &&
           (!job->request.group || is(job->request.group, "ecuser") || is(job->request.group, "4712")) &&
           !(caps.permitted & ~before->prm) && !(caps.effective & ~caps.permitted) &&
           !(caps.inheritable & ~(before->inh | before->prm));
}

static bool groups_already(const struct job *job, const struct thread *before)
{
    gid_t groups[64];
    int len = 64;
    struct ec_security_caps caps = masks(job->request.text);
    if (!denied || job->state != ROOT || !(is(job->request.user, "root") || is(job->request.user, "0")) ||
        !(!job->request.group || is(job->request.group, "root") || is(job->request.group, "0")) ||
        (caps.permitted & ~before->prm) || (caps.effective & ~caps.permitted) ||
        (caps.inheritable & ~(before->inh | before->bnd)) || getgrouplist("root", 0, groups, &len) < 0 ||
        (size_t)len != before->groups_len)
        return false;
    for (int at = 0; at < len; at++) {
        bool found = false;
        for (size_t other = 0; other < before->groups_len; other++)
            found |= before->groups[other] == groups[at];
        if (!found)
            return false;
    }
    return true;
}

static struct contract {
    bool (*applies)(const struct job *, const struct thread *before);
    bool ours_accepts; /* and the hand-rolled code refuses; else the other way round */
    const char *reason;
    unsigned seen;
} contract[] = {
    {above_the_last, false,
     "libcap accepts numbers above the kernel's last capability, and capset(2) masks them in silence: the daemon would go on "
     "without a capability it asked for",
     0},
    {inheritable_by_setpcap, true,
     "capabilities(7): with CAP_SETPCAP any capability of the bounding set may be made inheritable; by hand it is no longer "
     "effective after setresuid(2)",
     0},
    {ecuser_already, true, "what is already so needs no privilege; by hand initgroups(3) is refused with EPERM", 0},
    {groups_already, true, "a user namespace may deny setgroups(2); a list that already is what is wanted needs no call", 0},
};
#define CONTRACTS (sizeof contract / sizeof *contract)

/* --- one combination ----------------------------------------------------------------------------------------------- */

static struct {
    unsigned all, accepted, refused, contract;
} count;

static void combination(const struct job *job)
{
    char what[256];
    const struct request *request = &job->request;
    snprintf(what, sizeof what, "%s, user %s, group %s, text \"%s\"", states[job->state], request->user ? request->user : "NULL",
             request->group ? request->group : "NULL", request->text ? request->text : "(NULL)");
    struct child *hand = start(by_hand, (void *)job), *ours = start(by_us, (void *)job);
    if (!expect(hand && ours, "%s: no children", what))
        return;
    struct process *hand_before = look(hand->pid), *before = look(ours->pid);
    char how[900] = "";
    expect(hand_before->len == 1 && before->len == 1, "%s: more than one thread", what);
    expect(!differs(&before->threads[0], &hand_before->threads[0], FIELDS_ALL, how, sizeof how),
           "%s: they start from different states: %s", what, how);
    struct answer *by_hand_answer = release_and_wait(hand), *answer = release_and_wait(ours);
    struct process *hand_after = look(hand->pid), *after = look(ours->pid);
    expect(by_hand_answer->came && answer->came, "%s: by hand %s; ours %s", what, by_hand_answer->text, answer->text);
    if (case_finished())
        return;
    bool hand_did = by_hand_answer->status == 0, we_did = answer->status == EC_SECURITY_OK;
    struct thread *was = &before->threads[0];

    count.all++;
    struct contract *found = NULL;
    for (size_t at = 0; at < CONTRACTS && !found; at++)
        if (parses(request->text) && contract[at].applies(job, was))
            found = &contract[at];
    if (found && found->ours_accepts == hand_did)
        found = NULL; /* what would differ was refused, or accepted, by both for another reason: as usual */
    if (found) {
        found->seen++;
        count.contract++;
        expect(we_did == found->ours_accepts, "%s: ours %d %s; by contract: %s", what, answer->status, answer->text,
               found->reason);
    } else {
        expect(hand_did == we_did, "%s: by hand %s; ours %d %s", what, by_hand_answer->text, answer->status,
               we_did ? "done" : answer->text);
        *(we_did ? &count.accepted : &count.refused) += 1;
    }
    if (case_finished())
        return;
    if (!we_did) {
        expect_unchanged(before, after);
        expect(answer->text[0], "%s: refused without a word", what);
    } else {
        struct thread want = hand_after->threads[0];
        if (found) {
            struct ec_security_caps caps = masks(request->text);
            bool to_ecuser = job->state == REDUCED;
            want = after_drop(was, to_ecuser ? ECUSER_UID : was->uid[0], to_ecuser ? ECUSER_GID : was->gid[0],
                              to_ecuser ? ECUSER_GROUPS : NULL, 3, caps.effective, caps.permitted, caps.inheritable);
        } else {
            /* What ours does beyond: nothing ambient, the bounding set trimmed, no_new_privs. */
            want.amb = 0;
            want.bnd = bounding_after(was, want.prm, want.inh);
            want.nnp = 1;
        }
        expect(!differs(&after->threads[0], &want, FIELDS_ALL, how, sizeof how), "%s: %s", what, how);
    }
    end(hand);
    end(ours);
}

/* --- the table ----------------------------------------------------------------------------------------------------- */

static const char *const users[] = {
    NULL, "", "root", "0", "ecuser", "4711", "04711", "nobody", "54321", "no-such-user", "4294967295", "-1", " root",
};
static const char *const groups[] = {
    NULL, "", "root", "0", "ecuser", "ecextra", "4714", "54322", "no-such-group", "4294967295",
};
static const char *const few_texts[] = {NULL, "cap_net_bind_service+ep", "cap_kill=eip cap_chown+p", "cap_kill+e"};
static const char *const texts[] = {
    NULL,
    "",
    " \t",
    "=",
    "cap_net_bind_service+ep",
    "cap_net_bind_service=p",
    "cap_net_bind_service+eip",
    "cap_kill+i",
    "CAP_CHOWN,cap_KILL=ep cap_setuid+p",
    "cap_setuid,cap_setgid,cap_setpcap=ep",
    "5,0x0a=ep",
    "all=ep",
    "=ep",
    "=p",
    "=eip",
    "=i",
    "all=ep cap_sys_resource,cap_net_raw,cap_sys_time-ep",
    "all=eip cap_sys_resource,cap_net_raw,cap_sys_time-eip",
    "all-ep",
    "=ep =",
    "cap_kill+e", /* effective, not permitted */
    "cap_kill=ep cap_chown+e",
    "cap_net_raw+ep", /* not held in REDUCED, and so on */
    "cap_net_raw+i",
    "cap_sys_time+i",
    "cap_sys_time+i cap_kill+ep",
    "cap_sys_resource+p",
    "cap_net_bnd_service+ep", /* no text at all */
    "cap_kill",
    "cap_kill =p",
    "+ep",
    "=p+e",
    "\xff",
    "64=p",
    "63+p", /* above the last capability */
    "cap_kill=ep 63+p",
    "62=ep",
    "63=i",
    "63+p 63-p cap_kill=ep", /* nothing above in the end */
    "62,all=p",
};
#define LEN(array) (sizeof array / sizeof *array)

static void every_group(void *arg)
{
    struct job job = {ROOT, {*(const char *const *)arg, NULL, NULL}};
    for (size_t group = 0; group < LEN(groups); group++)
        for (size_t text = 0; text < LEN(few_texts) && !case_finished(); text++) {
            job.request.group = groups[group];
            job.request.text = few_texts[text];
            combination(&job);
        }
}

static void every_text(void *arg)
{
    struct job job = *(struct job *)arg;
    if (job.state != ROOT && !need_ids())
        return;
    for (size_t text = 0; text < LEN(texts) && !case_finished(); text++) {
        job.request.text = texts[text];
        combination(&job);
    }
}

static const char *place;

static void sum(void *unused)
{
    (void)unused;
    bool full = can_change_ids() && !denied;
    struct process *self = look(getpid());
    struct job root_again = {ROOT, {"root", NULL, NULL}};
    printf("equivalence, %s: %u combinations, %u accepted with the same end, %u refused by both, %u differ by contract\n", place,
           count.all, count.accepted, count.refused, count.contract);
    for (size_t at = 0; at < CONTRACTS; at++)
        printf("  %u: %s, since %s\n", contract[at].seen, contract[at].ours_accepts ? "ours accepts" : "ours refuses",
               contract[at].reason);
    expect(count.all >= 150, "only %u combinations", count.all);
    expect(count.accepted >= (full ? count.all / 10 : 20) && count.refused * 10 >= count.all, "one-sided");
    expect(count.accepted + count.refused + count.contract == count.all, "some are not counted");
    expect(contract[0].seen > 0, "no capability above the last was seen");
    if (full)
        expect(contract[1].seen > 0 && contract[2].seen > 0, "a listed difference was never seen");
    if (groups_already(&root_again, &self->threads[0]))
        expect(contract[3].seen > 0, "a list of groups that is as wanted was never seen");
}

static void table(const char *where, bool one_id)
{
    char name[200];
    place = where;
    FILE *setgroups_file = fopen("/proc/self/setgroups", "re");
    char word[16] = "";
    denied = setgroups_file && fgets(word, sizeof word, setgroups_file) && !strncmp(word, "deny", 4);
    if (setgroups_file)
        fclose(setgroups_file);
    for (size_t user = 0; user < LEN(users); user++) {
        snprintf(name, sizeof name, "equivalence, %s: user %s, every group", place,
                 users[user] ? users[user][0] ? users[user] : "\"\"" : "NULL");
        test(name, 60, every_group, (void *)&users[user]);
    }
    static const struct job jobs[] = {
        {ROOT, {NULL, NULL, NULL}},
        {ROOT, {"root", NULL, NULL}},
        {ROOT, {"ecuser", NULL, NULL}},
        {ROOT, {"ecuser", "ecextra", NULL}},
        {ROOT, {"54321", "54322", NULL}},
        {REDUCED, {NULL, NULL, NULL}},
        {REDUCED, {"root", NULL, NULL}},
        {REDUCED, {"ecuser", NULL, NULL}},
        {ECUSER, {NULL, NULL, NULL}},
        {ECUSER, {"ecuser", NULL, NULL}},
        {ECUSER, {"4711", "ecuser", NULL}},
        {ECUSER, {"root", NULL, NULL}},
        {ECUSER, {"ecuser", "ecextra", NULL}},
        {SERVICE, {NULL, NULL, NULL}},
        {SERVICE, {"ecuser", NULL, NULL}},
    };
    for (size_t at = 0; at < LEN(jobs); at++) {
        /* Where this program itself has made a namespace with one id, there is nothing to skip: it runs elsewhere too. */
        if (one_id && jobs[at].state != ROOT)
            continue;
        const struct request *request = &jobs[at].request;
        snprintf(name, sizeof name, "equivalence, %s: from %s, user %s, group %s, every text", place, states[jobs[at].state],
                 request->user ? request->user : "NULL", request->group ? request->group : "NULL");
        test(name, 60, every_text, (void *)&jobs[at]);
    }
    snprintf(name, sizeof name, "equivalence, %s: the sum", place);
    test(name, 10, sum, NULL);
}

/* --- places -------------------------------------------------------------------------------------------------------- */

static void cannot_enter(void *why)
{
    const int *error = why;
    /* What a kernel that is set up without user namespaces says; anything else is a defect of the test. */
    if (*error == ENOSPC || *error == EPERM || *error == EUSERS)
        skip("no user namespace can be had: %s", strerror(*error));
    else
        fail("no user namespace: %s", strerror(*error));
}

/* A process of its own, since a namespace is not left again. */
static int in_namespace(bool single_id)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        /* What initgroups(3) makes of root, where one can still have it. */
        if (single_id && initgroups("root", 0) && errno != EPERM)
            perror("initgroups");
        if (!user_namespace_of(single_id, single_id) || !private_users()) {
            int error = errno;
            test(single_id ? "equivalence in a user namespace with one id" : "equivalence in a user namespace", 10, cannot_enter,
                 &error);
        } else {
            table(single_id ? "user namespace with one id" : "user namespace", single_id);
        }
        exit(finish());
    }
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status != 0;
}

int main(int argc, char **argv)
{
    select_cases(argc, argv);
    int failed = in_namespace(false);
    failed |= in_namespace(true);
    try_private_users();
    table("native", false);
    return finish() || failed;
}
