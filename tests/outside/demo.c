/* The demo server of cbindings-tests/c, which a newcomer sees first: what it prints, and whether that is so. */

#include "outside.h"

#include <arpa/inet.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEMO "build/demo"
#define LINE_MAX_COLUMNS 110
#define THREADS 5

/* Runs the demo, with up to two arguments. */
struct run {
    const char *argument[2];
    void (*surroundings)(void); /* what the child does to itself before it becomes the demo */
};

static struct child *run_demo(const struct run *run, const char *last, char *out, size_t len)
{
    const char *const argv[] = {DEMO, run->argument[0], run->argument[1], NULL};
    return start_program(argv, run->surroundings, last, out, len);
}

static size_t count(const char *text, const char *word)
{
    size_t found = 0;
    for (const char *at = text; (at = strstr(at, word)); at += strlen(word))
        found++;
    return found;
}

static void expect_text(const char *out, const char *word, size_t times)
{
    expect(count(out, word) == times, "\"%s\" is printed %zu times, not %zu, in: %s", word, count(out, word), times, out);
}

static void expect_readable(const char *out)
{
    for (const char *line = out; *line;) {
        size_t columns = strcspn(line, "\n");
        expect(columns <= LINE_MAX_COLUMNS, "a line of %zu columns: %.*s", columns, (int)columns, line);
        line += columns + (line[columns] == '\n');
    }
}

/* Asks the server from outside; true if it answers that there is no way back. */
static bool answers(unsigned port)
{
    char text[512] = "";
    size_t got = 0;
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((unsigned short)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0 && write(fd, "GET / HTTP/1.0\r\n\r\n", 18) == 18)
        for (ssize_t n; got < sizeof text - 1 && (n = read(fd, text + got, sizeof text - 1 - got)) > 0;)
            got += (size_t)n;
    close(fd);
    return strstr(text, "200 OK") && strstr(text, "way back to root: none");
}

/* The demo that still serves: every thread from outside, its port, its table. */
static void expect_served(struct child *child, const char *out, const struct thread *want, unsigned fields)
{
    const char *bound = strstr(out, "bound 127.0.0.1:");
    unsigned port = bound ? (unsigned)atoi(bound + 16) : 0;
    if (!child || !expect(port > 0 && port < 1024, "no port below 1024 in: %s", out))
        return;
    expect_threads(look(child->pid), want, fields, THREADS);
    expect_text(out, " cap_net_bind_service=ep ", THREADS);
    expect_text(out, "200 OK, answered by thread ", 4);
    expect_text(out, "way back to root: none", 4);
    expect_text(out, "5 threads, all alike", 1);
    expect_readable(out);
    end(child);
}

static void expect_demo(struct run *run, const char *call, const struct thread *want, unsigned fields, bool connectable)
{
    static char out[16384];
    struct child *child = run_demo(run, "until interrupted\n", out, sizeof out);
    expect_text(out, call, 1);
    const char *bound = strstr(out, "bound 127.0.0.1:");
    if (connectable)
        expect(bound && answers((unsigned)atoi(bound + 16)), "no answer to a request from outside; it said: %s", out);
    expect_served(child, out, want, fields);
}

static struct thread after(unsigned uid, unsigned gid, const unsigned *groups, size_t groups_len)
{
    struct process *self = look(getpid());
    return after_drop(&self->threads[0], uid, gid, groups, groups_len, BIT(10), BIT(10), 0);
}

static void as_ecuser(void *unused)
{
    (void)unused;
    if (!need_ids())
        return;
    struct run run = {.argument = {"--serve"}};
    struct thread want = after(ECUSER_UID, ECUSER_GID, ECUSER_GROUPS, 3);
    expect_demo(&run, "ec_security_apply(\"ecuser\", \"ecuser\", \"cap_net_bind_service+ep\")", &want, FIELDS_ALL, true);
}

static const char nobody_only[] = "root:x:0:0:root:/root:/bin/sh\nnobody:x:%u:%u:nobody:/nonexistent:/bin/false\n";
static void without_ecuser(void)
{
    char passwd[256];
    snprintf(passwd, sizeof passwd, nobody_only, ECEXTRA_GID, ECEXTRA_GID);
    if (!private_mounts() || !private_file("/etc/passwd", passwd))
        perror("/etc/passwd");
}

static void as_nobody(void *unused)
{
    (void)unused;
    if (!need_ids())
        return;
    struct run run = {.argument = {"--serve"}, .surroundings = without_ecuser};
    unsigned groups[] = {ECEXTRA_GID, ECLOGS_GID}; /* nobody is a member of eclogs */
    struct thread want = after(ECEXTRA_GID, ECEXTRA_GID, groups, 2);
    expect_demo(&run, "ec_security_apply(\"nobody\", NULL, \"cap_net_bind_service+ep\")", &want, FIELDS_ALL, true);
}

static void in_namespace(void)
{
    if (!user_namespace_of(true, true))
        perror("user_namespace_of");
}

/* What a user without subordinate ids gets. It says that the user does not change, and needs a network of its own. */
static void with_one_id(void *unused)
{
    (void)unused;
    struct run run = {.argument = {"--serve"}, .surroundings = in_namespace};
    struct process *self = look(getpid());
    struct thread want = after_drop(&self->threads[0], self->threads[0].uid[0], self->threads[0].gid[0], NULL, 0, BIT(10),
                                    BIT(10), 0);
    want.bnd = BIT(10); /* it holds CAP_SETPCAP there */
    expect_demo(&run, "ec_security_apply(NULL, NULL, \"cap_net_bind_service+ep\")", &want, FIELD_UID | FIELDS_CAPS | FIELD_NNP,
                false);
    static char out[16384];
    run.argument[0] = NULL;
    struct child *child = run_demo(&run, NULL, out, sizeof out);
    expect(child && wait_end(child) == 0, "it ends with %d: %s", child ? child->wait_status : -1, out);
    expect_text(out, "This user namespace has no other user and group: both stay 0 here", 1);
    expect_text(out, "a network namespace of its own", 1);
    expect_text(out, "(the user could not change here)", 1);
}

static void stanza(const char *user, const char *option, char *path, size_t len)
{
    /* Not in /tmp: root of a user namespace cannot know whose that is, and then the library does not trust it. */
    snprintf(path, len, "build/demo-stanza-XXXXXX");
    int fd = mkstemp(path);
    dprintf(fd, "Security {\n  user = %s\n  %s = \"cap_net_bind_service+ep\"\n}\n", user, option);
    close(fd);
}

static void from_file(void *unused)
{
    (void)unused;
    if (!need_ids())
        return;
    char path[64];
    stanza("ecuser", "Capabilities", path, sizeof path);
    struct run run = {.argument = {"--serve", path}};
    struct thread want = after(ECUSER_UID, ECUSER_GID, ECUSER_GROUPS, 3);
    expect_demo(&run, "applying the Security stanza of", &want, FIELDS_ALL, true);
    unlink(path);
}

/* Where it is refused, the library's message is the last line, there is no second table, and the status tells. */
static void refused(void *unused)
{
    (void)unused;
    static char out[16384];
    char path[64];
    stanza("ecuser", "Capabilites", path, sizeof path);
    struct run run = {.argument = {path}};
    struct child *child = run_demo(&run, NULL, out, sizeof out);
    int ended = child ? wait_end(child) : -1;
    expect(WIFEXITED(ended) && WEXITSTATUS(ended) == 1, "it ended with %#x: %s", ended, out);
    expect_text(out, "Capabilites", 1);
    expect_text(out, "before:\n", 1);
    expect_text(out, "after:\n", 0);
    unlink(path);
}

int main(int argc, char **argv)
{
    select_cases(argc, argv);
    try_private_users();
    if (!private_net())
        perror("private_net");
    test("demo: as ecuser, every thread from outside, a low port served", 30, as_ecuser, NULL);
    test("demo: where there is no ecuser it says so and becomes nobody", 30, as_nobody, NULL);
    test("demo: in a user namespace with one id it says what stays and drops the rest", 30, with_one_id, NULL);
    test("demo: from a configuration file", 30, from_file, NULL);
    test("demo: refused, it prints the library's message and ends with 1", 30, refused, NULL);
    return finish();
}
