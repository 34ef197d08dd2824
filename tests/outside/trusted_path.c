/* Paths of configuration files and of chroot: whoever can rename a component decides what the path leads to. Each layout is
 * tried with both. */

#include "outside.h"
#include "policy_of.h"

#include <ec_security.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OTHER ECUSER_UID
#define OVERFLOW 65534u

/* --- layouts ------------------------------------------------------------------------------------------------------- */

/* One directory, or with a target one link. Paths are below the case's own directory; so is a target after @. */
struct entry {
    const char *path;
    unsigned mode, owner;
    const char *target;
};

#define DIRECTORY(path, mode, owner) {path, mode, owner, NULL}
#define LINK(path, owner, target) {path, 0777, owner, target}

struct layout {
    const char *name;
    struct entry entries[6];
    const char *path;  /* what becomes the root, and holds the configuration file; from / it is taken as it is */
    const char *error; /* that follows the case's own directory, or a path from /; NULL where both are taken */
};

static char top[64];

/* One of the last eight texts made. */
PRINTF_LIKE(1, 2) static const char *text_of(const char *format, ...)
{
    static char buffers[8][2048];
    static int turn;
    char *buf = buffers[turn = (turn + 1) % 8];
    va_list list;
    va_start(list, format);
    vsnprintf(buf, sizeof buffers[0], format, list);
    va_end(list);
    return buf;
}

static const char *in_top(const char *path) { return path[0] == '/' ? path : text_of("%s/%s", top, path); }

static bool make(const struct layout *layout)
{
    static int made;
    snprintf(top, sizeof top, "/mnt/%d", ++made);
    bool done = mkdir(top, 0755) == 0;
    for (const struct entry *entry = layout->entries; entry->path; entry++) {
        const char *target = entry->target;
        if (target)
            done = done && symlink(target[0] == '@' ? in_top(target + 1) : target, in_top(entry->path)) == 0;
        else
            done = done && mkdir(in_top(entry->path), 0755) == 0;
    }
    /* A link of /proc could lead out of /mnt. */
    if (!layout->error || !strstr(layout->error, "/proc")) {
        int fd = open(text_of("%s/a.conf", in_top(layout->path)), O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
        done = done && (fd >= 0 ? write(fd, "Security { user = root }", 24) == 24 : errno == ELOOP);
        if (fd >= 0)
            close(fd);
    }
    for (const struct entry *entry = layout->entries; entry->path; entry++) {
        done = done && lchown(in_top(entry->path), entry->owner, 0) == 0;
        done = done && (entry->target || chmod(in_top(entry->path), entry->mode) == 0);
    }
    return expect(done, "%s: %s", layout->name, strerror(errno));
}

static void is_taken(void *arg)
{
    const struct layout *layout = arg;
    for (const struct entry *entry = layout->entries; entry->path; entry++)
        if (!has_uid(entry->owner)) {
            skip("no other id here");
            return;
        }
    if (!make(layout))
        return;
    const char *path = in_top(layout->path), *error = layout->error ? in_top(layout->error) : "";
    /* The component is left out where it is the path itself. */
    size_t len = strlen(path);
    bool whole = !strncmp(error, path, len) && error[len] == ':';
    const char *chroot_error = text_of("chroot: \"%s\": %s", path, whole ? error + len + 2 : error);

    ec_security_policy *policy = ec_security_policy_new();
    int status = ec_security_policy_load(policy, text_of("%s/a.conf", path));
    const char *text = status ? ec_security_last_error() : "";
    expect(status == (layout->error ? EC_SECURITY_EFILE : EC_SECURITY_OK) && !strcmp(text, error), "load: %d %s", status, text);
    status = ec_security_policy_set(policy, "chroot", path);
    text = status ? ec_security_last_error() : "";
    expect(status == (layout->error ? EC_SECURITY_ECHROOT : EC_SECURITY_OK), "chroot: %d %s", status, text);
    expect(!strcmp(text, layout->error ? chroot_error : ""), "chroot: %s", text);
    ec_security_policy_free(policy);
}

#define BELONGS(mode) ": belongs to another user (mode " mode ", owner 4711): chown root"
#define WRITABLE(mode) ": others can write to it (mode " mode ", owner 0): chmod go-w"
#define PROC_LINK ": is a link of /proc, which can lead anywhere: write the path that it stands for"

static struct layout layouts[] = {
    {"all root's", {DIRECTORY("srv", 0755, 0), DIRECTORY("srv/jail", 0755, 0)}, "srv/jail", NULL},
    {"the directory is another's", {DIRECTORY("jail", 0755, OTHER)}, "jail", "jail" BELONGS("0755")},
    {"the parent is another's",
     {DIRECTORY("srv", 0755, OTHER), DIRECTORY("srv/jail", 0755, 0)},
     "srv/jail",
     "srv" BELONGS("0755")},
    {"the parent is another's, who lets nobody else in",
     {DIRECTORY("srv", 0700, OTHER), DIRECTORY("srv/jail", 0755, 0)},
     "srv/jail",
     "srv" BELONGS("0700")},
    {"the grandparent is another's",
     {DIRECTORY("a", 0755, OTHER), DIRECTORY("a/b", 0755, 0), DIRECTORY("a/b/jail", 0755, 0)},
     "a/b/jail",
     "a" BELONGS("0755")},
    {"the grandparent is the group's",
     {DIRECTORY("a", 0775, 0), DIRECTORY("a/b", 0755, 0), DIRECTORY("a/b/jail", 0755, 0)},
     "a/b/jail",
     "a" WRITABLE("0775")},
    {"the grandparent is everybody's",
     {DIRECTORY("a", 0757, 0), DIRECTORY("a/b", 0755, 0), DIRECTORY("a/b/jail", 0755, 0)},
     "a/b/jail",
     "a" WRITABLE("0757")},
    {"in a sticky directory, root's own", {DIRECTORY("tmp", 01777, 0), DIRECTORY("tmp/jail", 0755, 0)}, "tmp/jail", NULL},
    {"in a sticky directory, root's own directory in root's own",
     {DIRECTORY("tmp", 01777, 0), DIRECTORY("tmp/x", 0700, 0), DIRECTORY("tmp/x/jail", 0755, 0)},
     "tmp/x/jail",
     NULL},
    {"in a sticky directory, in another's",
     {DIRECTORY("tmp", 01777, 0), DIRECTORY("tmp/x", 0755, OTHER), DIRECTORY("tmp/x/jail", 0755, 0)},
     "tmp/x/jail",
     "tmp/x" BELONGS("0755")},
    {"in another's sticky directory",
     {DIRECTORY("tmp", 01777, OTHER), DIRECTORY("tmp/jail", 0755, 0)},
     "tmp/jail",
     "tmp" BELONGS("1777")},
    {"sticky, but its parent is everybody's",
     {DIRECTORY("a", 0777, 0), DIRECTORY("a/tmp", 01777, 0), DIRECTORY("a/tmp/jail", 0755, 0)},
     "a/tmp/jail",
     "a" WRITABLE("0777")},
    {"a link in a directory of root's, whoever made the link",
     {DIRECTORY("real", 0755, 0), DIRECTORY("real/jail", 0755, 0), LINK("link", OTHER, "real")},
     "link/jail",
     NULL},
    {"a link of root's in a sticky directory",
     {DIRECTORY("real", 0755, 0), DIRECTORY("real/jail", 0755, 0), DIRECTORY("tmp", 01777, 0), LINK("tmp/link", 0, "@real")},
     "tmp/link/jail",
     NULL},
    {"another's link in a sticky directory",
     {DIRECTORY("real", 0755, 0), DIRECTORY("real/jail", 0755, 0), DIRECTORY("tmp", 01777, 0), LINK("tmp/link", OTHER, "@real")},
     "tmp/link/jail",
     "tmp/link" BELONGS("0777")},
    {"a link in another's directory",
     {DIRECTORY("real", 0755, 0), DIRECTORY("real/jail", 0755, 0), DIRECTORY("a", 0755, OTHER), LINK("a/link", 0, "@real")},
     "a/link/jail",
     "a" BELONGS("0755")},
    {"a link in the middle to a directory in everybody's",
     {DIRECTORY("open", 0777, 0), DIRECTORY("open/x", 0755, 0), DIRECTORY("open/x/jail", 0755, 0), LINK("link", 0, "open/x")},
     "link/jail",
     "open" WRITABLE("0777")},
    {"an absolute link to a directory in everybody's",
     {DIRECTORY("open", 0777, 0), DIRECTORY("open/x", 0755, 0), DIRECTORY("open/x/jail", 0755, 0), LINK("link", 0, "@open/x")},
     "link/jail",
     "open" WRITABLE("0777")},
    {"a link at the end to a directory in everybody's",
     {DIRECTORY("open", 0777, 0), DIRECTORY("open/jail", 0755, 0), LINK("link", 0, "open/jail")},
     "link",
     "open" WRITABLE("0777")},
    {"a link to a link to a directory in everybody's",
     {DIRECTORY("open", 0777, 0), DIRECTORY("open/jail", 0755, 0), LINK("one", 0, "two"), LINK("two", 0, "./open//jail/")},
     "one",
     "open" WRITABLE("0777")},
    {"a relative link upwards",
     {DIRECTORY("real", 0755, 0), DIRECTORY("real/jail", 0755, 0), DIRECTORY("x", 0755, 0), LINK("x/link", 0, "../real")},
     "x/link/jail",
     NULL},
    {"a relative link upwards and into everybody's",
     {DIRECTORY("open", 0777, 0), DIRECTORY("open/jail", 0755, 0), DIRECTORY("x", 0755, 0), LINK("x/link", 0, "../open")},
     "x/link/jail",
     "x/../open" WRITABLE("0777")},
    {"into everybody's and out again by ..",
     {DIRECTORY("open", 0777, 0), DIRECTORY("open/x", 0755, 0), DIRECTORY("srv", 0755, 0), DIRECTORY("srv/jail", 0755, 0)},
     "open/x/../../srv/jail",
     "open" WRITABLE("0777")},
    {"a link and .. lead to the real parent",
     {DIRECTORY("a", 0755, 0), DIRECTORY("a/b", 0755, 0), DIRECTORY("a/jail", 0755, 0), LINK("link", 0, "a/b"),
      DIRECTORY("jail", 0777, 0)},
     "link/../jail",
     NULL},
    {"a link and .. lead to a real parent that is everybody's",
     {DIRECTORY("a", 0777, 0), DIRECTORY("a/b", 0755, 0), DIRECTORY("a/jail", 0755, 0), LINK("link", 0, "a/b"),
      DIRECTORY("jail", 0755, 0)},
     "link/../jail",
     "a" WRITABLE("0777")},
    {"a link to itself", {LINK("link", 0, "link")}, "link", "link: ELOOP: too many symbolic links"},
    {"above the root is the root", {DIRECTORY("jail", 0755, 0)}, "../../../../../..//mnt/./", NULL},
    {"the root by /proc/self/root", {DIRECTORY("jail", 0755, 0)}, "/proc/self/root/mnt", "/proc/self" PROC_LINK},
    {"the root by /proc/1/root", {DIRECTORY("jail", 0755, 0)}, "/proc/1/root/mnt", "/proc/1/root" PROC_LINK},
    {"the working directory by /proc/thread-self/cwd",
     {DIRECTORY("jail", 0755, 0)},
     "/proc/thread-self/cwd",
     "/proc/thread-self" PROC_LINK},
    {"a link to a link of /proc", {LINK("link", 0, "/proc/1/cwd")}, "link/mnt", "/proc/1/cwd" PROC_LINK},
};

/* --- between set and apply, and before ----------------------------------------------------------------------------- */

/* As the case's directory's owner: another thing in its place. */
static bool swapped(const char *directory, const char *target)
{
    pid_t pid = fork();
    if (pid == 0) {
        _exit(setresuid(OTHER, OTHER, OTHER) || rename(directory, text_of("%s.old", directory)) || symlink(target, directory));
    }
    int status;
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static void applies_after_swap(void *unused)
{
    (void)unused;
    ec_security_policy *policy = ec_security_policy_new();
    if (ec_security_policy_set(policy, "chroot", in_top("srv/jail")))
        _exit(80);
    ready();
    report_status(ec_security_policy_check(policy));
    ready();
    report_status(ec_security_policy_apply(policy));
}

static void swap_before_apply(void *unused)
{
    (void)unused;
    static const struct layout layout = {"swap", {DIRECTORY("srv", 0755, 0), DIRECTORY("srv/jail", 0755, 0)}, "srv/jail", NULL};
    if (!need_ids() || !make(&layout))
        return;
    struct child *child = start(applies_after_swap, NULL);
    struct process *before = look(child->pid);
    expect(chown(in_top("srv"), OTHER, 0) == 0 && swapped(in_top("srv/jail"), "/"), "swap: %s", strerror(errno));
    const char *want = text_of("chroot: \"%s\": %s" BELONGS("0755"), in_top("srv/jail"), in_top("srv"));
    for (int at = 0; at < 2; at++) {
        struct answer *answer = release_and_wait(child);
        expect(answer->came && answer->status == EC_SECURITY_ECHROOT && !strcmp(answer->text, want), "%s: %d %s",
               at ? "apply" : "check", answer->status, answer->text);
        expect_unchanged(before, look(child->pid));
    }
    /* The same swap before a policy is made. */
    ec_security_policy *policy = ec_security_policy_new();
    expect(ec_security_policy_set(policy, "chroot", in_top("srv/jail")) == EC_SECURITY_ECHROOT, "set");
    ec_security_policy_free(policy);
}

/* --- relative paths -------------------------------------------------------------------------------------------------- */

enum where { STAYS, REMOVED, COVERED, OUTSIDE_OF_ROOT };

struct relative {
    const char *name;
    struct layout layout; /* its path is the working directory */
    enum where where;
    const char *error;
};

static void loads_from_here(void *arg)
{
    const struct relative *relative = arg;
    const char *here = in_top(relative->layout.path);
    if (chdir(here))
        _exit(80);
    if (relative->where == REMOVED && (unlink("a.conf") || rmdir(here)))
        _exit(81);
    if (relative->where == COVERED && mount("tmpfs", here, "tmpfs", 0, "mode=0755"))
        _exit(82);
    if (relative->where == OUTSIDE_OF_ROOT && chroot("/mnt/empty"))
        _exit(83);
    ready();
    ec_security_policy *policy = ec_security_policy_new();
    report_status(ec_security_policy_load(policy, "a.conf"));
}

static void loads_relative(void *arg)
{
    const struct relative *relative = arg;
    if (relative->layout.entries[0].owner && !has_uid(relative->layout.entries[0].owner)) {
        skip("no other id here");
        return;
    }
    if (!make(&relative->layout))
        return;
    struct child *child = start(loads_from_here, arg);
    struct answer *answer = child ? release_and_wait(child) : NULL;
    if (!answer)
        return;
    const char *error = !relative->error ? "" : relative->where == STAYS ? in_top(relative->error) : relative->error;
    expect(answer->came && answer->status == (relative->error ? EC_SECURITY_EFILE : EC_SECURITY_OK) &&
               !strcmp(answer->text, error),
           "%d %s", answer->status, answer->text);
}

#define NO_PATH \
    "a.conf: the working directory was removed, is hidden by a mount, or is outside the root directory: write an absolute path"

static struct relative relatives[] = {
    {"from a working directory of root's", {"", {DIRECTORY("a", 0755, 0)}, "a", NULL}, STAYS, NULL},
    {"from a working directory in another's",
     {"", {DIRECTORY("a", 0755, OTHER), DIRECTORY("a/b", 0755, 0), DIRECTORY("a/b/c", 0755, 0)}, "a/b/c", NULL},
     STAYS,
     "a" BELONGS("0755")},
    {"from a working directory that is everybody's", {"", {DIRECTORY("a", 0777, 0)}, "a", NULL}, STAYS, "a" WRITABLE("0777")},
    {"from a working directory that is removed", {"", {DIRECTORY("a", 0755, 0)}, "a", NULL}, REMOVED, NO_PATH},
    {"from a working directory that is covered", {"", {DIRECTORY("a", 0755, 0)}, "a", NULL}, COVERED, NO_PATH},
    {"from a working directory outside of the root", {"", {DIRECTORY("a", 0755, 0)}, "a", NULL}, OUTSIDE_OF_ROOT, NO_PATH},
};

/* --- who the caller is ----------------------------------------------------------------------------------------------- */

static struct layout of_other = {"", {DIRECTORY("home", 0755, OTHER)}, "home", NULL};

/* The real user of a set-user-ID program is whoever has started it. */
static void loads_as_set_user_id(void *effective)
{
    if (setresuid(OTHER, *(uid_t *)effective, 0))
        _exit(82);
    ready();
    ec_security_policy *policy = ec_security_policy_new();
    report_status(ec_security_policy_load(policy, text_of("%s/a.conf", in_top(of_other.path))));
}

static void set_user_id(void *effective)
{
    if (!can_change_ids() || !has_uid(OTHER)) {
        skip("no other id here");
        return;
    }
    bool trusted = *(uid_t *)effective == OTHER;
    if (!make(&of_other))
        return;
    struct child *child = start(loads_as_set_user_id, effective);
    struct answer *answer = release_and_wait(child);
    expect(answer->came && answer->status == (trusted ? EC_SECURITY_OK : EC_SECURITY_EFILE) &&
               !strcmp(answer->text, trusted ? "" : in_top("home: belongs to another user (mode 0755, owner 4711): chown root")),
           "%d %s", answer->status, answer->text);
}

/* --- owners without an id -------------------------------------------------------------------------------------------- */

struct unmapped {
    const char *name;
    struct layout layout;
    bool overflow_is_mapped, no_fowner;
    const char *error;
    unsigned file_owner;
    bool as_nobody;
};

static void loads_in_namespace(void *arg)
{
    const struct unmapped *unmapped = arg;
    const char *map = unmapped->overflow_is_mapped ? "0 0 1\n65534 65534 1\n" : "0 0 1\n";
    if (!user_namespace_with(map, map, false)) {
        ready();
        report(-2, strerror(errno));
        return;
    }
    if (unmapped->no_fowner) {
        struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
        struct __user_cap_data_struct data[2];
        if (syscall(SYS_capget, &header, data))
            _exit(80);
        data[0].effective &= ~(1u << CAP_FOWNER);
        if (syscall(SYS_capset, &header, data))
            _exit(81);
    }
    /* Shown as the same as an owner without an id. */
    if (unmapped->as_nobody && setresuid(OVERFLOW, OVERFLOW, OVERFLOW))
        _exit(82);
    ready();
    ec_security_policy *policy = ec_security_policy_new();
    report_status(ec_security_policy_load(policy, text_of("%s/a.conf", in_top(unmapped->layout.path))));
}

static void owner_without_id(void *arg)
{
    struct unmapped *unmapped = arg;
    if (!can_change_ids() || !has_uid(OVERFLOW)) {
        skip("no other id here");
        return;
    }
    if (!make(&unmapped->layout))
        return;
    const char *file = text_of("%s/a.conf", in_top(unmapped->layout.path));
    if (!expect(lchown(file, unmapped->file_owner, 0) == 0, "%s: %s", file, strerror(errno)))
        return;
    struct child *child = start(loads_in_namespace, arg);
    struct answer *answer = child ? release_and_wait(child) : NULL;
    if (!answer || skip_for(answer, -2, "user namespace"))
        return;
    expect(answer->came && answer->status == (unmapped->error ? EC_SECURITY_EFILE : EC_SECURITY_OK) &&
               !strcmp(answer->text, unmapped->error ? in_top(unmapped->error) : ""),
           "%d %s", answer->status, answer->text);
}

#define SHOWN_AS_NOBODY(mode) \
    " (mode " mode ", shown as owner 65534): map the owner's id (--uidmap; see /proc/self/uid_map), or chown it, from outside, " \
    "to the id that root has in the map"
#define WITHOUT_ID(mode) ": its owner has no id in this user namespace" SHOWN_AS_NOBODY(mode)
#define PERHAPS_WITHOUT_ID(mode) ": belongs to another user, who may have no id in this user namespace" SHOWN_AS_NOBODY(mode)

static struct unmapped unmappeds[] = {
    {"a directory of an owner without an id",
     {"", {DIRECTORY("home", 0755, OTHER), DIRECTORY("home/x", 0755, 0)}, "home/x", NULL},
     false,
     false,
     NULL,
     0,
     false},
    {"a directory of an owner without an id, where the overflow id is nobody's",
     {"", {DIRECTORY("home", 0755, OTHER), DIRECTORY("home/x", 0755, 0)}, "home/x", NULL},
     true,
     false,
     NULL,
     0,
     false},
    {"a directory of nobody's",
     {"", {DIRECTORY("home", 0755, OVERFLOW), DIRECTORY("home/x", 0755, 0)}, "home/x", NULL},
     true,
     false,
     "home: belongs to another user (mode 0755, owner 65534): chown root",
     0,
     false},
    {"a directory of somebody's, to a caller who cannot tell whose",
     {"", {DIRECTORY("home", 0755, OTHER), DIRECTORY("home/x", 0755, 0)}, "home/x", NULL},
     true,
     true,
     "home" PERHAPS_WITHOUT_ID("0755"),
     0,
     false},
    {"a directory of an owner without an id that others can write to",
     {"", {DIRECTORY("home", 0775, OTHER), DIRECTORY("home/x", 0755, 0)}, "home/x", NULL},
     false,
     false,
     "home: others can write to it (mode 0775, owner 65534): chmod go-w",
     0,
     false},
    {"a sticky directory of an owner without an id",
     {"", {DIRECTORY("tmp", 01777, OTHER), DIRECTORY("tmp/x", 0755, 0)}, "tmp/x", NULL},
     false,
     false,
     NULL,
     0,
     false},
    {"a directory of an owner without an id in a sticky directory",
     {"", {DIRECTORY("tmp", 01777, 0), DIRECTORY("tmp/x", 0755, OTHER)}, "tmp/x", NULL},
     false,
     false,
     "tmp/x" WITHOUT_ID("0755"),
     0,
     false},
    {"a file of an owner without an id",
     {"", {DIRECTORY("x", 0755, 0)}, "x", NULL},
     false,
     false,
     "x/a.conf" WITHOUT_ID("0644"),
     OTHER,
     false},
    {"a file of an owner without an id, where the overflow id is nobody's",
     {"", {DIRECTORY("x", 0755, 0)}, "x", NULL},
     true,
     false,
     "x/a.conf" PERHAPS_WITHOUT_ID("0644"),
     OTHER,
     false},
    {"a file of an owner without an id, to nobody",
     {"", {DIRECTORY("x", 0755, 0)}, "x", NULL},
     true,
     false,
     "x/a.conf" PERHAPS_WITHOUT_ID("0644"),
     OTHER,
     true},
    {"a directory of an owner without an id, to nobody",
     {"", {DIRECTORY("home", 0755, OTHER), DIRECTORY("home/x", 0755, 0)}, "home/x", NULL},
     true,
     false,
     "home" PERHAPS_WITHOUT_ID("0755"),
     0,
     true},
    {"a file of root's, to nobody", {"", {DIRECTORY("x", 0755, 0)}, "x", NULL}, true, false, NULL, 0, true},
};

int main(int argc, char **argv)
{
    select_cases(argc, argv);
    umask(022);
    if (!private_users() || mount("tmpfs", "/mnt", "tmpfs", 0, "mode=0755") < 0 || mkdir("/mnt/empty", 0755) < 0) {
        perror("surroundings");
        return 70;
    }
    char name[2048];
    for (size_t at = 0; at < sizeof layouts / sizeof *layouts; at++)
        test(strcpy(name, text_of("path: %s", layouts[at].name)), 30, is_taken, &layouts[at]);
    test("path: swapped by the parent's owner between set and apply", 30, swap_before_apply, NULL);
    for (size_t at = 0; at < sizeof relatives / sizeof *relatives; at++)
        test(strcpy(name, text_of("path: %s", relatives[at].name)), 30, loads_relative, &relatives[at]);
    uid_t root = 0, other = OTHER;
    test("path: a directory of the real user's, who is not the effective one", 30, set_user_id, &root);
    test("path: a directory of the effective user's", 30, set_user_id, &other);
    for (size_t at = 0; at < sizeof unmappeds / sizeof *unmappeds; at++)
        test(strcpy(name, text_of("path: %s", unmappeds[at].name)), 30, owner_without_id, &unmappeds[at]);
    return finish();
}
