/* The demo server: worker threads that wait for requests, then the drop, then a port below 1024 and a request on it.
 *
 *   demo [--serve] [FILE]
 *
 *   --serve   goes on serving until it is interrupted, so that it can be looked at from outside
 *   FILE      what to become is read from the Security stanza of a configuration file
 *
 * The library's part is in become(); all else is what a server has anyway, and what shows you the threads. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <ec_security.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORKERS 4
#define CAPS "cap_net_bind_service+ep"

static int listener = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t opened = PTHREAD_COND_INITIALIZER;

static void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
static void die(const char *format, ...)
{
    va_list args;
    fflush(stdout);
    fprintf(stderr, "demo: ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\n");
    exit(1);
}

/* --- the call this is all about ------------------------------------------------------------------------------------- */

/* Becomes another user with one capability left, in every thread. It ends the server where that cannot be had: nothing
 * has changed then, and going on as root is what one wanted to avoid. */
static void become(const char *user, const char *group)
{
    if (ec_security_apply(user, group, CAPS) != EC_SECURITY_OK)
        die("%s", ec_security_last_error());
}

/* The same from the `Security` stanza of a configuration file. */
static void become_as_in(const char *file)
{
    ec_security_policy *policy = ec_security_policy_new();
    if (!policy || ec_security_policy_load(policy, file) != EC_SECURITY_OK || ec_security_policy_apply(policy) != EC_SECURITY_OK)
        die("%s", ec_security_last_error());
    ec_security_policy_free(policy);
}

/* --- the server ----------------------------------------------------------------------------------------------------- */

/* After the drop: tries to become root again and to get a capability back, as an intruder would. What comes back? */
static const char *way_back(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2];
    if (geteuid() != 0 && syscall(SYS_setresuid, 0, 0, 0) == 0)
        return "user id 0";
    if (syscall(SYS_capget, &header, sets) != 0)
        return "an error of capget";
    sets[0].permitted |= 1u << CAP_SETUID;
    sets[0].effective |= 1u << CAP_SETUID;
    if (syscall(SYS_capset, &header, sets) == 0)
        return "cap_setuid";
    return NULL;
}

static void answer(int client)
{
    char request[512], text[256];
    ssize_t got = read(client, request, sizeof request);
    const char *back = way_back();
    if (got < 5 || memcmp(request, "GET /", 5) != 0)
        snprintf(text, sizeof text, "HTTP/1.0 400 Bad Request\r\n\r\n");
    else
        snprintf(text, sizeof text,
                 "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n"
                 "answered by thread %ld, uid %ld; way back to root: %s\n",
                 syscall(SYS_gettid), syscall(SYS_geteuid), back ? back : "none");
    if (write(client, text, strlen(text)) < 0)
        perror("demo: write");
    close(client);
}

static void *worker(void *name)
{
    pthread_setname_np(pthread_self(), name);
    pthread_mutex_lock(&lock);
    while (listener < 0)
        pthread_cond_wait(&opened, &lock);
    pthread_mutex_unlock(&lock);
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client >= 0)
            answer(client);
    }
    return NULL;
}

/* Binds the lowest free port from 80 up; 0 and errno where that is denied. */
static unsigned short bind_low_port(int fd)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (unsigned short port = 80; port < 1024; port++) {
        at.sin_port = htons(port);
        if (bind(fd, (struct sockaddr *)&at, sizeof at) == 0)
            return port;
        if (errno != EADDRINUSE)
            return 0;
    }
    return 0;
}

static void request(unsigned short port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char text[512];
    size_t got = 0;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) != 0 || write(fd, "GET / HTTP/1.0\r\n\r\n", 18) != 18)
        die("cannot send a request to port %d: %s", port, strerror(errno));
    for (ssize_t n; got < sizeof text - 1 && (n = read(fd, text + got, sizeof text - 1 - got)) > 0;)
        got += (size_t)n;
    close(fd);
    text[got] = '\0';
    char *body = strstr(text, "\r\n\r\n");
    if (strncmp(text, "HTTP/1.0 200 OK", 15) != 0 || !body)
        die("no proper answer from port %d", port);
    printf("  GET http://127.0.0.1:%d/  ->  200 OK, %s", port, body + 4);
    if (!strstr(body, "root: none"))
        die("there is a way back");
}

/* --- what each thread is, for the tables ---------------------------------------------------------------------------- */

struct row {
    char uid[48], gid[48], groups[64], caps[160];
    int bounding, ambient, no_new_privs;
};

/* Four ids: one where they are alike. */
static void ids(char *out, size_t len, const char *value)
{
    unsigned real, effective, saved, file;
    if (sscanf(value, "%u %u %u %u", &real, &effective, &saved, &file) != 4)
        die("cannot read \"%s\" in /proc", value);
    if (real == effective && real == saved && real == file)
        snprintf(out, len, "%u", real);
    else
        snprintf(out, len, "%u/%u/%u/%u", real, effective, saved, file);
}

static int read_row(const char *tid, char *name, size_t len, struct row *row)
{
    char path[64], line[4096];
    ec_security_caps caps = {0, 0, 0};
    memset(row, 0, sizeof *row);
    snprintf(path, sizeof path, "/proc/self/task/%.20s/status", tid);
    FILE *in = fopen(path, "r");
    if (!in)
        return 0;
    while (fgets(line, sizeof line, in)) {
        char *value = strchr(line, ':');
        if (!value)
            continue;
        *value++ = '\0';
        value += strspn(value, " \t");
        value[strcspn(value, "\n")] = '\0';
        if (strcmp(line, "Name") == 0)
            snprintf(name, len, "%s", value);
        else if (strcmp(line, "Uid") == 0)
            ids(row->uid, sizeof row->uid, value);
        else if (strcmp(line, "Gid") == 0)
            ids(row->gid, sizeof row->gid, value);
        else if (strcmp(line, "Groups") == 0) {
            for (size_t end = strlen(value); end > 0 && value[end - 1] == ' ';)
                value[--end] = '\0';
            snprintf(row->groups, sizeof row->groups, "%.63s", *value ? value : "none");
        } else if (strcmp(line, "CapInh") == 0)
            caps.inheritable = strtoull(value, NULL, 16);
        else if (strcmp(line, "CapPrm") == 0)
            caps.permitted = strtoull(value, NULL, 16);
        else if (strcmp(line, "CapEff") == 0)
            caps.effective = strtoull(value, NULL, 16);
        else if (strcmp(line, "CapBnd") == 0)
            row->bounding = __builtin_popcountll(strtoull(value, NULL, 16));
        else if (strcmp(line, "CapAmb") == 0)
            row->ambient = __builtin_popcountll(strtoull(value, NULL, 16));
        else if (strcmp(line, "NoNewPrivs") == 0)
            row->no_new_privs = atoi(value);
    }
    fclose(in);
    ec_security_caps_to_text(&caps, row->caps, sizeof row->caps);
    return 1;
}

/* Prints every thread and what it is, and yields how many there are; 0 if they are not all alike. */
static int table(const char *title, struct row *first)
{
    int rows = 0, alike = 1;
    struct row row;
    char name[32];
    DIR *directory = opendir("/proc/self/task");
    if (!directory)
        die("cannot read /proc/self/task: %s", strerror(errno));
    printf("%s\n  %-7s %-9s %-6s %-6s %-14s %-31s %8s %7s %12s\n", title, "thread", "name", "uid", "gid", "groups",
           "capabilities", "bounding", "ambient", "no_new_privs");
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] == '.' || !read_row(entry->d_name, name, sizeof name, &row))
            continue;
        if (rows++ == 0)
            *first = row;
        else if (memcmp(first, &row, sizeof row) != 0)
            alike = 0;
        printf("  %-7s %-9s %-6s %-6s %-14s %-31s %8d %7d %12s\n", entry->d_name, name, row.uid, row.gid, row.groups, row.caps,
               row.bounding, row.ambient, row.no_new_privs ? "yes" : "no");
    }
    closedir(directory);
    printf("\n");
    return alike ? rows : 0;
}

/* --- surroundings: what a machine or a user namespace may lack ------------------------------------------------------- */

/* Whether a user namespace has this id; outside of any, the map holds all of them. */
static int has_id(const char *map, unsigned id)
{
    unsigned inside, outside, length;
    int found = 0;
    FILE *in = fopen(map, "r");
    while (in && !found && fscanf(in, "%u %u %u", &inside, &outside, &length) == 3)
        found = id >= inside && id - inside < length;
    if (in)
        fclose(in);
    return found;
}

/* Root of a user namespace has no say over the ports of the machine's network: it gets a network of its own. */
static void own_network_if_needed(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    unsigned short port = bind_low_port(fd);
    close(fd);
    if (port > 0 || (errno != EACCES && errno != EADDRINUSE))
        return;
    struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    if (unshare(CLONE_NEWNET) != 0 || (fd = socket(AF_INET, SOCK_DGRAM, 0)) < 0 || ioctl(fd, SIOCSIFFLAGS, &loopback) != 0)
        die("no port below 1024 can be bound here, not even before the drop: run this as root");
    close(fd);
    printf("No port below 1024 can be bound on this machine's network: this is shown in a network namespace of its own.\n");
}

int main(int argc, char **argv)
{
    static char names[WORKERS][24];
    struct row before, after;
    int serve = argc > 1 && strcmp(argv[1], "--serve") == 0;
    const char *file = argv[1 + serve], *user = NULL, *group = NULL;

    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("libec_security %s: a server with %d worker threads drops its privileges\n", ec_security_version(), WORKERS);
    if (argc > 2 + serve)
        die("usage: demo [--serve] [FILE]");
    if (geteuid() != 0)
        die("run this as root, or with tests/as-root; as user %u there is nothing to drop", geteuid());
    own_network_if_needed();
    for (int i = 0; i < WORKERS; i++) {
        pthread_t thread;
        snprintf(names[i], sizeof names[i], "worker %d", i + 1);
        if (pthread_create(&thread, NULL, worker, names[i]) != 0)
            die("cannot create a thread");
    }
    usleep(20000); /* until they have their names */
    table("\nbefore:", &before);

    if (file) {
        printf("  applying the Security stanza of %s\n", file);
        become_as_in(file);
    } else {
        struct passwd *found = getpwnam("ecuser");
        if (found && getgrnam("ecuser"))
            group = "ecuser";
        else
            found = getpwnam("nobody");
        if (found && has_id("/proc/self/uid_map", found->pw_uid) && has_id("/proc/self/gid_map", found->pw_gid))
            user = found->pw_name;
        if (!user)
            group = NULL;
        if (!user)
            printf("  This user namespace has no other user and group: both stay 0 here, and only the capabilities go.\n"
                   "  As root of the machine, or with ids in /etc/subuid and /etc/subgid, the user changes as well.\n");
        else if (!group)
            printf("  There is no user \"ecuser\" with a group here: it becomes \"%s\" and its group instead.\n", user);
        printf("  ec_security_apply(%s%s%s, %s%s%s, \"" CAPS "\")\n", user ? "\"" : "", user ? user : "NULL", user ? "\"" : "",
               group ? "\"" : "", group ? group : "NULL", group ? "\"" : "");
        become(user, group);
    }

    int threads = table("\nafter:", &after);
    if (threads != WORKERS + 1)
        die("the threads are not alike after the drop");
    if (!file &&
        (strcmp(after.caps, "cap_net_bind_service=ep") != 0 || !after.no_new_privs || (user && strcmp(after.uid, "0") == 0)))
        die("the state is not the one asked for");

    int fd = socket(AF_INET, SOCK_STREAM, 0);
    unsigned short port = bind_low_port(fd);
    if (port == 0)
        die("cannot bind a port below 1024 after the drop: %s", strerror(errno));
    if (listen(fd, 8) != 0)
        die("cannot listen on port %d: %s", port, strerror(errno));
    pthread_mutex_lock(&lock);
    listener = fd;
    pthread_cond_broadcast(&opened);
    pthread_mutex_unlock(&lock);
    printf("  bound 127.0.0.1:%d, a port below 1024, after the drop\n", port);
    for (int i = 0; i < WORKERS; i++)
        request(port);
    printf("\n%d threads, all alike: %s\n", threads,
           user || file ? "the user, the group and one capability asked for"
                        : "one capability left of all (the user could not change here)");
    if (serve) {
        printf("serving as process %d until interrupted\n", getpid());
        for (;;)
            pause();
    }
    return 0;
}
