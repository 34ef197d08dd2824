/* Users, namespaces and files that a test has for itself, and what the machine allows. outside.h has the interface. */

#include "outside_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

const unsigned ECUSER_GROUPS[3] = {ECUSER_GID, ECEXTRA_GID, ECLOGS_GID};

/* Whether /etc of this mount namespace is a directory of our own already. */
static bool own_etc;

bool private_mounts(void)
{
    if (unshare(CLONE_NEWNS) < 0)
        return false;
    own_etc = false;
    return mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0;
}

/* A symbolic link at `to` for an entry of the machine's /etc. One that is a link is copied, since it may be relative. */
static bool link_entry(int machine, const char *name, const char *to)
{
    char target[PATH_MAX];
    ssize_t len = readlinkat(machine, name, target, sizeof target - 1);
    if (len < 0 && errno == ENOENT)
        return true; /* a temporary file of a package manager's */
    if (len < 0)
        len = snprintf(target, sizeof target, ".machine/%s", name);
    target[len] = 0;
    return symlink(target, to) == 0;
}

/* A tmpfs of links over /etc. A file of ours must not be mounted on the machine's own: rename(2) by a package that adds a user takes
 * such a mount away. */
static bool private_etc(void)
{
    if (own_etc)
        return true;
    char path[PATH_MAX], machine[] = "/tmp/outside.XXXXXX";
    if (!mkdtemp(machine))
        return false;
    bool done = mount("/etc", machine, "none", MS_BIND | MS_REC, NULL) == 0 &&
                mount("tmpfs", "/etc", "tmpfs", 0, "mode=0755") == 0 && mkdir("/etc/.machine", 0755) == 0 &&
                mount(machine, "/etc/.machine", "none", MS_MOVE, NULL) == 0;
    int saved = errno;
    rmdir(machine);
    errno = saved;
    DIR *entries = done ? opendir("/etc/.machine") : NULL;
    done = entries != NULL;
    for (struct dirent *entry; done && (entry = readdir(entries));) {
        snprintf(path, sizeof path, "/etc/%s", entry->d_name);
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") && strcmp(entry->d_name, ".machine"))
            done = link_entry(dirfd(entries), entry->d_name, path);
    }
    saved = errno;
    if (entries)
        closedir(entries);
    errno = saved;
    return own_etc = done;
}

void try_private_users(void)
{
    if (!private_users())
        perror("private_users");
}

bool private_file(const char *path, const char *text)
{
    if (!private_etc())
        return false;
    if (unlink(path) < 0 && errno != ENOENT) /* a link to the machine's */
        return false;
    FILE *out = fopen(path, "wex");
    if (!out)
        return false;
    bool done = fputs(text, out) >= 0;
    done = fchmod(fileno(out), 0644) == 0 && done;
    return fclose(out) == 0 && done;
}

/* Lines that begin with one of our own names are left out. */
bool private_lines(const char *path, const char *more)
{
    char *had = whole_file(path, NULL), *text = NULL;
    size_t len;
    FILE *out = had ? open_memstream(&text, &len) : NULL;
    if (!out) {
        free(had);
        return false;
    }
    for (char *line = had, *next; *line; line = next) {
        char *line_end = strchr(line, '\n');
        next = line_end ? line_end + 1 : line + strlen(line);
        if (strncmp(line, "ecuser:", 7) && strncmp(line, "ecextra:", 8) && strncmp(line, "eclogs:", 7))
            fprintf(out, "%.*s%s", (int)(next - line), line, line_end ? "" : "\n");
    }
    fputs(more, out);
    bool done = fclose(out) == 0 && private_file(path, text);
    int saved = errno;
    free(had);
    free(text);
    errno = saved;
    return done;
}

bool private_users(void)
{
    return private_mounts() && private_lines("/etc/passwd", "ecuser:x:4711:4712:of the tests:/nonexistent:/bin/false\n") &&
           private_lines("/etc/group", "ecuser:x:4712:\necextra:x:4713:ecuser\neclogs:x:4714:nobody,ecuser\n");
}

bool private_net(void)
{
    if (unshare(CLONE_NEWNET) < 0)
        return false;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    struct ifreq request = {.ifr_name = "lo"};
    bool done = ioctl(fd, SIOCGIFFLAGS, &request) == 0;
    request.ifr_flags |= IFF_UP;
    done = done && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    int saved = errno;
    close(fd);
    errno = saved;
    return done;
}

static int write_file(pid_t pid, const char *name, const char *text)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    int error = write(fd, text, strlen(text)) < 0 ? errno : 0;
    close(fd);
    return error;
}

/* The map of this namespace, one to one, for one below it. */
static bool one_to_one(const char *name, char *out, size_t len)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/%s", name);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    struct text text = {out, len, 0};
    unsigned inside, outside, count;
    while (fscanf(file, "%u %u %u", &inside, &outside, &count) == 3)
        add(&text, "%u %u %u\n", inside, inside, count);
    fclose(file);
    return text.have > 0 && text.have < len;
}

bool user_namespace_of(bool single_id, bool deny_setgroups)
{
    char uid_map[1024], gid_map[1024];
    if (single_id) {
        snprintf(uid_map, sizeof uid_map, "0 %u 1\n", geteuid());
        snprintf(gid_map, sizeof gid_map, "0 %u 1\n", getegid());
    } else if (!one_to_one("uid_map", uid_map, sizeof uid_map) || !one_to_one("gid_map", gid_map, sizeof gid_map)) {
        errno = ENOTSUP;
        return false;
    }
    if (!user_namespace_with(uid_map, gid_map, deny_setgroups))
        return false;
    return single_id || (setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0);
}

bool user_namespace_with(const char *uid_map, const char *gid_map, bool deny_setgroups)
{
    /* A process that stays outside writes the maps: from inside one may map oneself only. */
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC) < 0)
        return false;
    pid_t self = getpid();
    pid_t outside = fork();
    if (outside < 0)
        return false;
    if (outside == 0) {
        char byte;
        close(pipes[1]);
        if (read(pipes[0], &byte, 1) != 1)
            _exit(ECANCELED);
        int error = deny_setgroups ? write_file(self, "setgroups", "deny") : 0;
        error = error ? error : write_file(self, "uid_map", uid_map);
        error = error ? error : write_file(self, "gid_map", gid_map);
        _exit(error);
    }
    close(pipes[0]);
    int error = unshare(CLONE_NEWUSER) < 0 ? errno : 0;
    if (!error && write(pipes[1], "x", 1) != 1)
        error = errno;
    close(pipes[1]);
    int status;
    while (waitpid(outside, &status, 0) < 0 && errno == EINTR)
        ;
    if (!error)
        error = WIFEXITED(status) ? WEXITSTATUS(status) : ECANCELED;
    errno = error;
    return !error;
}

bool user_namespace(void) { return user_namespace_of(false, false); }

bool schedule_by_deadline(void)
{
    /* struct sched_attr of linux/sched/types.h, which glibc's <sched.h> does not go with */
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } attr = {.size = sizeof attr,
              .policy = 6 /* SCHED_DEADLINE */,
              .runtime = 10000000,
              .deadline = 30000000,
              .period = 30000000};
    return syscall(SYS_sched_setattr, 0, &attr, 0) == 0;
}

static bool maps(const char *name, unsigned id)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/%s", name);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    unsigned inside, outside, count;
    bool found = false;
    while (fscanf(file, "%u %u %u", &inside, &outside, &count) == 3)
        found |= id >= inside && id - inside < count;
    fclose(file);
    return found;
}

bool has_uid(unsigned uid) { return maps("uid_map", uid); }
bool has_gid(unsigned gid) { return maps("gid_map", gid); }

bool can_change_ids(void)
{
    char *status = whole_file("/proc/self/status", NULL);
    if (!status)
        return false;
    uint64_t effective = mask(status, "CapEff");
    free(status);
    return (effective & BIT(6)) && (effective & BIT(7)) && has_uid(ECUSER_UID) && has_gid(ECLOGS_GID);
}

bool need_uid(unsigned uid)
{
    bool can = can_change_ids() && has_uid(uid);
    if (!can)
        skip("ids cannot be changed here");
    return can;
}

bool need_ids(void) { return need_uid(ECUSER_UID); }

unsigned last_cap(void)
{
    FILE *file = fopen("/proc/sys/kernel/cap_last_cap", "re");
    unsigned last;
    if (!file || fscanf(file, "%u", &last) != 1)
        die("/proc/sys/kernel/cap_last_cap");
    fclose(file);
    return last;
}

uint64_t all_caps(void) { return last_cap() >= 63 ? UINT64_MAX : BIT(last_cap() + 1) - 1; }

static bool change_caps(uint64_t lost, uint64_t inherited)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data))
        return false;
    for (int half = 0; half < 2; half++) {
        data[half].effective &= ~(uint32_t)(lost >> 32 * half);
        data[half].permitted &= ~(uint32_t)(lost >> 32 * half);
        data[half].inheritable |= (uint32_t)(inherited >> 32 * half);
    }
    return syscall(SYS_capset, &header, data) == 0;
}

bool give_up_caps(uint64_t caps) { return change_caps(caps, 0); }
bool inherit_caps(uint64_t caps) { return change_caps(0, caps); }

bool child_can(bool (*make)(void))
{
    int status = -1;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        _exit(make() ? 0 : 1);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status == 0;
}

void beside_program(const char *name, char *path)
{
    ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 1 - strlen(name));
    if (len < 0)
        die("/proc/self/exe");
    path[len] = 0;
    strcpy(strrchr(path, '/') + 1, name);
}

pid_t fork_with(unsigned long flags)
{
#ifdef __s390x__
    /* The stack comes first (clone(2)). */
    return (pid_t)syscall(SYS_clone, 0, flags | SIGCHLD, 0, 0, 0);
#else
    return (pid_t)syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
#endif
}
