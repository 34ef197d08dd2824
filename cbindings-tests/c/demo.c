/* The demo server: worker threads, then the drop, then a low port, and every thread before and after.
 *
 *   demo                 ec_security_apply("ecuser", "ecuser", "cap_net_bind_service+ep"), or another user that exists
 *   demo FILE            the same from the Security stanza of a configuration file
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <ec_security.h>
#include <errno.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WORKERS 4

static int listener = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ready = PTHREAD_COND_INITIALIZER;

static void *worker(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    while (listener < 0)
        pthread_cond_wait(&ready, &lock);
    pthread_mutex_unlock(&lock);
    for (;;) {
        char request[512];
        int c = accept(listener, NULL, NULL);
        if (c < 0)
            continue;
        ssize_t n = read(c, request, sizeof request - 1);
        const char *answer = n > 4 && memcmp(request, "GET ", 4) == 0
                                 ? "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nserved after the drop\n"
                                 : "HTTP/1.0 400 Bad Request\r\n\r\n";
        if (write(c, answer, strlen(answer)) < 0)
            perror("write");
        close(c);
    }
    return NULL;
}

struct fields {
    char uid[64], gid[64], groups[256], caps[5][32], nnp[8];
};

static void read_thread(const char *tid, struct fields *f)
{
    static const char *const names[5] = {"CapPrm", "CapEff", "CapInh", "CapBnd", "CapAmb"};
    char path[64], line[4096], key[32], value[256];
    snprintf(path, sizeof path, "/proc/self/task/%.20s/status", tid);
    memset(f, 0, sizeof *f);
    FILE *in = fopen(path, "r");
    if (!in)
        return;
    while (fgets(line, sizeof line, in)) {
        if (sscanf(line, "%31[^:]:%*[ \t]%255[^\n]", key, value) < 2)
            continue;
        unsigned r, e, s, fs;
        if (sscanf(value, "%u %u %u %u", &r, &e, &s, &fs) == 4 && strcmp(key, "Uid") == 0)
            snprintf(f->uid, sizeof f->uid, "%u,%u,%u,%u", r, e, s, fs);
        else if (sscanf(value, "%u %u %u %u", &r, &e, &s, &fs) == 4 && strcmp(key, "Gid") == 0)
            snprintf(f->gid, sizeof f->gid, "%u,%u,%u,%u", r, e, s, fs);
        else if (strcmp(key, "Groups") == 0)
            snprintf(f->groups, sizeof f->groups, "%s", value);
        else if (strcmp(key, "NoNewPrivs") == 0)
            snprintf(f->nnp, sizeof f->nnp, "%.7s", value);
        for (int i = 0; i < 5; i++)
            if (strcmp(key, names[i]) == 0)
                snprintf(f->caps[i], sizeof f->caps[i], "%.31s", value);
    }
    fclose(in);
}

/* Prints every thread; returns how many there are, or -1 if one differs from the first. */
static int table(const char *title, struct fields *first)
{
    int n = 0, alike = 1;
    struct fields f;
    DIR *d = opendir("/proc/self/task");
    if (!d)
        return -1;
    printf("%s\n  %-8s %-24s %-24s %-16s %-16s %-16s %-16s %-16s %s\n", title, "thread", "uid r,e,s,fs", "gid r,e,s,fs",
           "permitted", "effective", "inheritable", "bounding", "ambient", "nnp groups");
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.')
            continue;
        read_thread(e->d_name, &f);
        if (n++ == 0)
            *first = f;
        else if (memcmp(first, &f, sizeof f) != 0)
            alike = 0;
        printf("  %-8s %-24s %-24s %-16s %-16s %-16s %-16s %-16s %-3s %s\n", e->d_name, f.uid, f.gid, f.caps[0], f.caps[1],
               f.caps[2], f.caps[3], f.caps[4], f.nnp, f.groups);
    }
    closedir(d);
    return alike ? n : -1;
}

static int die(const char *what)
{
    fprintf(stderr, "demo: %s\n", what);
    return 1;
}

int main(int argc, char **argv)
{
    struct fields before, after;
    const char *user = "ecuser", *group = "ecuser", *caps = "cap_net_bind_service+ep";

    for (int i = 0; i < WORKERS; i++) {
        pthread_t t;
        if (pthread_create(&t, NULL, worker, NULL) != 0)
            return die("cannot create a thread");
    }
    table("before:", &before);

    int status;
    if (argc > 1) {
        printf("\napplying the Security stanza of %s\n", argv[1]);
        ec_security_policy *policy = ec_security_policy_new();
        if (!policy)
            return die(ec_security_last_error());
        status = ec_security_policy_load(policy, argv[1]);
        if (status == EC_SECURITY_OK)
            status = ec_security_policy_apply(policy);
        ec_security_policy_free(policy);
    } else {
        if (!getpwnam(user)) {
            printf("\n(no user \"ecuser\" here: \"nobody\" and its group instead)\n");
            user = "nobody";
            group = NULL;
        }
        printf("\nec_security_apply(\"%s\", %s%s%s, \"%s\")\n", user, group ? "\"" : "", group ? group : "NULL",
               group ? "\"" : "", caps);
        status = ec_security_apply(user, group, caps);
    }
    if (status != EC_SECURITY_OK)
        return die(ec_security_last_error());

    int threads = table("\nafter:", &after);
    if (threads != WORKERS + 1)
        return die("not every thread is alike after the drop");
    if (strcmp(after.caps[0], "0000000000000400") != 0 || strcmp(after.caps[1], "0000000000000400") != 0 ||
        strcmp(after.nnp, "1") != 0 || strncmp(after.uid, "0,", 2) == 0)
        return die("the state is not the one asked for");

    int s = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int port;
    for (port = 80; port < 1024; port++) {
        at.sin_port = htons((unsigned short)port);
        if (bind(s, (struct sockaddr *)&at, sizeof at) == 0)
            break;
        if (errno != EADDRINUSE)
            return die("cannot bind a port below 1024 after the drop");
    }
    if (port == 1024 || listen(s, 8) != 0)
        return die("cannot listen");
    pthread_mutex_lock(&lock);
    listener = s;
    pthread_cond_broadcast(&ready);
    pthread_mutex_unlock(&lock);

    char answer[512] = "";
    size_t got = 0;
    int c = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c, (struct sockaddr *)&at, sizeof at) != 0 || write(c, "GET / HTTP/1.0\r\n\r\n", 18) != 18)
        return die("cannot connect to myself");
    for (ssize_t n; got < sizeof answer - 1 && (n = read(c, answer + got, sizeof answer - 1 - got)) > 0;)
        got += (size_t)n;
    if (!strstr(answer, "200 OK"))
        return die("no answer");
    printf("\n%d threads, all alike; bound 127.0.0.1:%d after the drop and answered a request: 200 OK\n", threads, port);
    return 0;
}
