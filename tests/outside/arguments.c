/* Arguments nobody should pass, to every function: the documented error, outputs and errno as they were, no crash, and,
 * looked at from outside, nothing about any thread changed.
 *
 *     arguments              each group of checks in a child that a parent looks at
 *     arguments --here       the same checks in this very process, for tools that watch a process (valgrind, sanitizers)
 *     arguments --here drop  and a drop with threads at the end
 */

#include "outside.h"

#include <ec_security.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- checks: counted in the process that makes them ----------------------------------------------------------------- */

static unsigned checks, wrong;
static char first_wrong[900];

static bool PRINTF_LIKE(3, 4) check_at(int line, bool held, const char *format, ...)
{
    checks++;
    if (!held && !wrong++) {
        va_list args;
        va_start(args, format);
        int len = snprintf(first_wrong, sizeof first_wrong, "line %d: ", line);
        vsnprintf(first_wrong + len, sizeof first_wrong - (size_t)len, format, args);
        va_end(args);
    }
    return held;
}
#define check(held, ...) check_at(__LINE__, (held), __VA_ARGS__)

#define MARK 77

/* CALL(f(x)): the result of f(x), and a check that errno is as it was before. */
static int call_at(int line, int result, const char *what)
{
    int found = errno;
    check_at(line, found == MARK, "%s: errno was %d and is %d", what, MARK, found);
    return result;
}
#define CALL(call) (errno = MARK, call_at(__LINE__, (call), #call))

/* One line, not longer than documented, nothing that upsets a terminal. */
static bool one_line(const char *text)
{
    size_t len = strlen(text);
    for (size_t at = 0; at < len; at++)
        if ((unsigned char)text[at] < 0x20 || text[at] == 0x7f)
            return false;
    return len > 0 && len <= 1023;
}

static void returned_at(int line, int got, int want, const char *what)
{
    check_at(line, got == want, "%s: %d, not %d (%s)", what, got, want, ec_security_last_error());
    if (got)
        check_at(line, one_line(ec_security_last_error()), "%s: the story is not one line: %s", what, ec_security_last_error());
}
/* RETURNS(f(x), status): that is what f(x) returns. */
#define RETURNS(call, status) returned_at(__LINE__, CALL(call), (status), #call)

static void *buffer_of(size_t len)
{
    void *buf = malloc(len);
    if (!buf) {
        perror("malloc");
        exit(70);
    }
    return buf;
}

/* --- strings at the edge of what is mapped -------------------------------------------------------------------------- */

static size_t page(void) { return (size_t)sysconf(_SC_PAGESIZE); }

static size_t whole_pages(size_t len) { return len ? (len + page() - 1) / page() * page() : page(); }

/* Room for len bytes between two pages that nobody can touch, against the upper one, or else against the lower one. */
static char *walled(size_t len, bool upper)
{
    size_t whole = whole_pages(len);
    char *at = mmap(NULL, whole + 2 * page(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || mprotect(at, page(), PROT_NONE) || mprotect(at + page() + whole, page(), PROT_NONE)) {
        perror("mmap");
        exit(70);
    }
    return at + page() + (upper ? whole - len : 0);
}

static void unwall(char *buf, size_t len, bool upper)
{
    size_t whole = whole_pages(len);
    munmap(buf - (upper ? whole - len : 0) - page(), whole + 2 * page());
}

/* A string of `times` times `text`. */
static char *walled_text(const char *text, size_t times, bool upper)
{
    size_t unit = strlen(text), len = unit * times;
    char *buf = walled(len + 1, upper);
    for (size_t n = 0; n < times; n++)
        memcpy(buf + n * unit, text, unit);
    buf[len] = 0;
    return buf;
}

/* --- texts ---------------------------------------------------------------------------------------------------------- */

#define MIB (1u << 20)

/* The results, short enough for a table; NOT: not called with this. */
enum {
    NOT = -1,
    OK = EC_SECURITY_OK,
    ARGUMENT = EC_SECURITY_EARGUMENT,
    SYNTAX = EC_SECURITY_ESYNTAX,
    OPTION = EC_SECURITY_EOPTION,
    USER = EC_SECURITY_EUSER,
    GROUP = EC_SECURITY_EGROUP,
    CAPABILITY = EC_SECURITY_ECAPABILITY,
    NO_FILE = EC_SECURITY_EFILE,
    NO_STANZA = EC_SECURITY_ENOSTANZA,
};

/* A text, how often it is repeated, and what each function says of it. */
static const struct text {
    const char *text;
    unsigned times;
    int user, group, caps; /* of ec_security_apply() */
    int from_text, raise, option, path, parse;
} TEXTS[] = {
    {"", 1, ARGUMENT, ARGUMENT, NOT, OK, OK, OPTION, NO_FILE, NO_STANZA},
    {" ", 1, USER, GROUP, NOT, OK, OK, OPTION, NO_FILE, NO_STANZA},
    {"\n", 1, USER, GROUP, NOT, OK, OK, OPTION, NO_FILE, NO_STANZA},
    {"no-such-thing-here", 1, USER, GROUP, SYNTAX, SYNTAX, SYNTAX, OPTION, NO_FILE, SYNTAX},
    {"%s%n%5000d", 1, USER, GROUP, SYNTAX, SYNTAX, SYNTAX, OPTION, NO_FILE, SYNTAX},
    {"\xff\xfe\x80", 1, USER, GROUP, SYNTAX, SYNTAX, SYNTAX, OPTION, NO_FILE, SYNTAX},
    {"caf\xe9", 1, USER, GROUP, SYNTAX, SYNTAX, SYNTAX, OPTION, NO_FILE, SYNTAX},
    {"cap_chown+e\xc3", 1, USER, GROUP, SYNTAX, SYNTAX, SYNTAX, OPTION, NO_FILE, SYNTAX},
    {"\x01\x1b[31m\x7f", 1, USER, GROUP, SYNTAX, SYNTAX, SYNTAX, OPTION, NO_FILE, SYNTAX},
    {"-1", 1, USER, GROUP, SYNTAX, SYNTAX, SYNTAX, OPTION, NO_FILE, SYNTAX},
    {"4294967295", 1, OPTION, OPTION, SYNTAX, SYNTAX, SYNTAX, OPTION, NO_FILE, SYNTAX},
    {"4294967296", 1, OPTION, OPTION, SYNTAX, SYNTAX, SYNTAX, OPTION, NO_FILE, SYNTAX},
    {"64+e", 1, USER, GROUP, SYNTAX, SYNTAX, SYNTAX, OPTION, NO_FILE, SYNTAX},
    {"63+ep", 1, USER, GROUP, CAPABILITY, OK, OPTION, OPTION, NO_FILE, SYNTAX},
    {"cap_chown+e", 1, USER, GROUP, CAPABILITY, OK, NOT, OPTION, NO_FILE, SYNTAX},
    {"a", EC_SECURITY_TEXT_MAX, USER, GROUP, SYNTAX, SYNTAX, SYNTAX, OPTION, NO_FILE, SYNTAX},
    {"a", EC_SECURITY_TEXT_MAX + 1, ARGUMENT, ARGUMENT, ARGUMENT, SYNTAX, ARGUMENT, ARGUMENT, ARGUMENT, SYNTAX},
    {"a", MIB, ARGUMENT, ARGUMENT, ARGUMENT, SYNTAX, ARGUMENT, ARGUMENT, ARGUMENT, SYNTAX},
    {"\xff", MIB, ARGUMENT, ARGUMENT, ARGUMENT, SYNTAX, ARGUMENT, ARGUMENT, ARGUMENT, SYNTAX},
    {" ", MIB, ARGUMENT, ARGUMENT, ARGUMENT, OK, ARGUMENT, ARGUMENT, ARGUMENT, NO_STANZA},
    {"cap_chown=e ", MIB / 12, ARGUMENT, ARGUMENT, ARGUMENT, OK, ARGUMENT, ARGUMENT, ARGUMENT, NO_STANZA},
    {"0", MIB, ARGUMENT, ARGUMENT, ARGUMENT, SYNTAX, ARGUMENT, ARGUMENT, ARGUMENT, SYNTAX},
    {"{", MIB, ARGUMENT, ARGUMENT, ARGUMENT, SYNTAX, ARGUMENT, ARGUMENT, ARGUMENT, SYNTAX},
};
#define TEXTS_LEN (sizeof TEXTS / sizeof *TEXTS)

static bool same_caps(const ec_security_caps *a, const ec_security_caps *b)
{
    return a->effective == b->effective && a->permitted == b->permitted && a->inheritable == b->inheritable;
}

static const ec_security_caps CANARY = {0x1111111111111111, 0x2222222222222222, 0x3333333333333333};

static ec_security_policy *fresh(void)
{
    errno = MARK;
    ec_security_policy *policy = ec_security_policy_new();
    check(errno == MARK, "policy_new: errno is %d", errno);
    if (!check(policy != NULL, "policy_new: %s", ec_security_last_error()))
        exit(70);
    return policy;
}

static void free_policy(ec_security_policy *policy)
{
    errno = MARK;
    ec_security_policy_free(policy);
    check(errno == MARK, "policy_free: errno is %d", errno);
}

static void says(const struct text *row, const char *function, int got, int want)
{
    int found = errno;
    char shown[24];
    snprintf(shown, sizeof shown, "%.16s", row->text);
    for (char *c = shown; *c; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f)
            *c = '?';
    check(found == MARK, "%s(\"%s\" x %u): errno is %d", function, shown, row->times, found);
    check(got == want, "%s(\"%s\" x %u): %d, not %d (%s)", function, shown, row->times, got, want, ec_security_last_error());
    if (got)
        check(one_line(ec_security_last_error()), "%s(\"%s\" x %u): the story is not one line", function, shown, row->times);
}

static void texts(void)
{
    for (size_t at = 0; at < TEXTS_LEN; at++)
        for (int upper = 0; upper < 2; upper++) {
            const struct text *row = &TEXTS[at];
            char *text = walled_text(row->text, row->times, upper);
            size_t size = strlen(row->text) * row->times + 1;
#define SAYS(field, call) \
    if (row->field != NOT) \
    says(row, #field, (errno = MARK, (call)), row->field)
            SAYS(user, ec_security_apply(text, NULL, NULL));
            SAYS(user, ec_security_apply(text, "0", "cap_chown+ep"));
            SAYS(group, ec_security_apply(NULL, text, NULL));
            SAYS(group, ec_security_apply("0", text, NULL));
            SAYS(caps, ec_security_apply(NULL, NULL, text));
            SAYS(caps, ec_security_apply("0", "0", text));
            ec_security_caps caps = CANARY;
            SAYS(from_text, ec_security_caps_from_text(text, &caps));
            check(same_caps(&caps, &CANARY) == (row->from_text != 0), "from_text, row %zu: an output %s", at,
                  row->from_text ? "though it was refused" : "is missing");
            SAYS(raise, ec_security_raise(text));
            SAYS(raise, ec_security_lower(text));
            ec_security_policy *policy = fresh();
            SAYS(option, ec_security_policy_set(policy, text, "x"));
            SAYS(option, ec_security_policy_set(policy, text, NULL));
            SAYS(user, ec_security_policy_set(policy, "user", text));
            SAYS(group, ec_security_policy_set(policy, "group", text));
            SAYS(path, ec_security_policy_load(policy, text));
            SAYS(parse, ec_security_policy_parse(policy, text));
#undef SAYS
            free_policy(policy);
            unwall(text, size, upper);
        }
}

/* --- NULL ----------------------------------------------------------------------------------------------------------- */

static void nulls(void)
{
    RETURNS(ec_security_policy_set(NULL, "user", "root"), EC_SECURITY_EARGUMENT);
    RETURNS(ec_security_policy_set(NULL, NULL, NULL), EC_SECURITY_EARGUMENT);
    RETURNS(ec_security_policy_load(NULL, "/dev/null"), EC_SECURITY_EARGUMENT);
    RETURNS(ec_security_policy_load(NULL, NULL), EC_SECURITY_EARGUMENT);
    RETURNS(ec_security_policy_parse(NULL, ""), EC_SECURITY_EARGUMENT);
    RETURNS(ec_security_policy_parse(NULL, NULL), EC_SECURITY_EARGUMENT);
    RETURNS(ec_security_policy_check(NULL), EC_SECURITY_EARGUMENT);
    RETURNS(ec_security_policy_apply(NULL), EC_SECURITY_EARGUMENT);
    free_policy(NULL);
    ec_security_policy *policy = fresh();
    RETURNS(ec_security_policy_set(policy, NULL, "x"), EC_SECURITY_EARGUMENT);
    RETURNS(ec_security_policy_set(policy, NULL, NULL), EC_SECURITY_EARGUMENT);
    RETURNS(ec_security_policy_load(policy, NULL), EC_SECURITY_EARGUMENT);
    RETURNS(ec_security_policy_parse(policy, NULL), EC_SECURITY_EARGUMENT);
    free_policy(policy);
    ec_security_caps caps = CANARY;
    RETURNS(ec_security_caps_from_text(NULL, &caps), EC_SECURITY_EARGUMENT);
    RETURNS(ec_security_caps_from_text("cap_chown+e", NULL), EC_SECURITY_EARGUMENT);
    RETURNS(ec_security_caps_from_text(NULL, NULL), EC_SECURITY_EARGUMENT);
    check(same_caps(&caps, &CANARY), "from_text(NULL) wrote to its output");
    RETURNS(ec_security_raise(NULL), EC_SECURITY_EARGUMENT);
    RETURNS(ec_security_lower(NULL), EC_SECURITY_EARGUMENT);
    char buf[32];
    memset(buf, 'x', sizeof buf);
    RETURNS(ec_security_caps_to_text(NULL, buf, sizeof buf), -EC_SECURITY_EARGUMENT);
    RETURNS(ec_security_caps_to_text(NULL, NULL, 0), -EC_SECURITY_EARGUMENT);
    RETURNS(ec_security_caps_to_text(NULL, NULL, 5), -EC_SECURITY_EARGUMENT);
    RETURNS(ec_security_caps_to_text(&caps, NULL, 1), -EC_SECURITY_EARGUMENT);
    RETURNS(ec_security_caps_to_text(&caps, NULL, SIZE_MAX), -EC_SECURITY_EARGUMENT);
    RETURNS(ec_security_status(0, NULL, 1), -EC_SECURITY_EARGUMENT);
    RETURNS(ec_security_status(-1, NULL, 1), -EC_SECURITY_EARGUMENT);
    for (size_t at = 0; at < sizeof buf; at++)
        check(buf[at] == 'x', "a refused to_text wrote to byte %zu of its buffer", at);
}

/* --- buffers, as snprintf has it ------------------------------------------------------------------------------------ */

typedef int writer(char *buf, size_t len);

static int writes_caps(char *buf, size_t len)
{
    const ec_security_caps caps = {BIT(10) | BIT(62), BIT(10) | BIT(0) | BIT(62), BIT(3)};
    return ec_security_caps_to_text(&caps, buf, len);
}

static int writes_nothing(char *buf, size_t len)
{
    const ec_security_caps caps = {0, 0, 0};
    return ec_security_caps_to_text(&caps, buf, len);
}

static int writes_status(char *buf, size_t len) { return ec_security_status(0, buf, len); }

static void as_snprintf(writer *write, const char *name)
{
    char whole[8192];
    int full = CALL(write(whole, sizeof whole));
    if (!check(full > 0 && (size_t)full < sizeof whole && strlen(whole) == (size_t)full, "%s: %d, and the text has %zu bytes",
               name, full, strlen(whole)))
        return;
    check(CALL(write(NULL, 0)) == full, "%s(NULL, 0) does not give the length", name);
    size_t lens[] = {0, 1, 2, (size_t)full / 2 + 1, (size_t)full - 1, (size_t)full, (size_t)full + 1, (size_t)full + 100};
    for (size_t at = 0; at < sizeof lens / sizeof *lens; at++)
        for (int upper = 0; upper < 2; upper++) {
            size_t len = lens[at];
            char *buf = walled(len, upper); /* one byte too far is the end */
            memset(buf, 'x', len);
            int got = CALL(write(buf, len));
            check(got == full, "%s with a buffer of %zu: %d, not %d", name, len, got, full);
            if (len) {
                size_t fits = len > (size_t)full ? (size_t)full : len - 1;
                check(strnlen(buf, len) == fits, "%s with a buffer of %zu: %zu bytes, not %zu", name, len, strnlen(buf, len),
                      fits);
                check(!memcmp(buf, whole, fits), "%s with a buffer of %zu: \"%.*s\"", name, len, (int)fits, buf);
                for (size_t rest = fits + 1; rest < len; rest++)
                    check(buf[rest] == 'x', "%s with a buffer of %zu: byte %zu, behind the end, was written", name, len, rest);
            }
            unwall(buf, len, upper);
        }
    char untouched[4] = "xyz";
    check(CALL(write(untouched, 0)) == full && !memcmp(untouched, "xyz", 4), "%s with no buffer wrote", name);
    /* Some pass this for "as much as it takes". */
    char *large = buffer_of(sizeof whole);
    check(CALL(write(large, SIZE_MAX)) == full && !strcmp(large, whole), "%s with a buffer without end", name);
    free(large);
}

static void buffers(void)
{
    as_snprintf(writes_caps, "caps_to_text");
    as_snprintf(writes_nothing, "caps_to_text of nothing");
    as_snprintf(writes_status, "status");
    char buf[32];
    memset(buf, 'x', sizeof buf);
    RETURNS(ec_security_status(-1, buf, sizeof buf), -EC_SECURITY_ENOPROCESS);
    RETURNS(ec_security_status(INT_MIN, buf, sizeof buf), -EC_SECURITY_ENOPROCESS);
    RETURNS(ec_security_status(INT_MAX, buf, sizeof buf), -EC_SECURITY_ENOPROCESS);
    RETURNS(ec_security_status(INT_MAX, NULL, 0), -EC_SECURITY_ENOPROCESS);
    for (size_t at = 0; at < sizeof buf; at++)
        check(buf[at] == 'x', "a refused status wrote to byte %zu of its buffer", at);

    /* There and back, for every bit of every set. */
    for (unsigned cap = 0; cap < 64; cap++)
        for (int set = 0; set < 3; set++) {
            ec_security_caps caps = {set == 0 ? BIT(cap) : 0, set == 1 ? BIT(cap) : 0, set == 2 ? BIT(cap) : 0};
            ec_security_caps back = CANARY;
            char text[4096];
            int len = CALL(ec_security_caps_to_text(&caps, text, sizeof text));
            check(len > 0 && (size_t)len < sizeof text, "to_text of capability %u: %d", cap, len);
            int status = CALL(ec_security_caps_from_text(text, &back));
            check(status == 0 && same_caps(&caps, &back), "\"%s\" is not the way back to capability %u", text, cap);
        }
}

/* --- options -------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *option;
    int empty, garbage;
} OPTIONS[] = {
    {"user", ARGUMENT, USER},
    {"group", ARGUMENT, GROUP},
    {"capabilities", OK, SYNTAX},
    {"optional_capabilities", OK, SYNTAX},
    {"supplemental_groups", OK, GROUP},
    {"chroot", ARGUMENT, EC_SECURITY_ECHROOT},
    {"no_new_privs", OPTION, OPTION},
    {"bounding", OPTION, OPTION},
    {"ambient", OK, SYNTAX},
    {"securebits", OK, OPTION},
    {"deadline", OPTION, OPTION},
    {"privileges", OK, OK},
};

/* No user of any machine: a policy that names it, without a group, is refused with a text that names it. */
#define NOBODYS_ID "123454321"

static void option_values(void)
{
    char *long_value = buffer_of(MIB + 1);
    memset(long_value, 'v', MIB);
    long_value[MIB] = 0;
    static const char *const GARBAGE[] = {"no-such-value", "\xff\xfe", "caf\xe9", "%n", "\x1b[0m", "v\xc3\x28"};
    for (size_t at = 0; at < sizeof OPTIONS / sizeof *OPTIONS; at++) {
        const char *option = OPTIONS[at].option;
        ec_security_policy *policy = fresh();
        RETURNS(ec_security_policy_set(policy, "user", NOBODYS_ID), OK);
        for (int upper = 0; upper < 2; upper++) {
            char *empty = walled_text("", 1, upper);
            returned_at(__LINE__, CALL(ec_security_policy_set(policy, option, empty)), OPTIONS[at].empty, option);
            unwall(empty, 1, upper);
            for (size_t which = 0; which < sizeof GARBAGE / sizeof *GARBAGE; which++) {
                char *garbage = walled_text(GARBAGE[which], 1, upper);
                int got = CALL(ec_security_policy_set(policy, option, garbage));
                returned_at(__LINE__, got, OPTIONS[at].garbage, option);
                unwall(garbage, strlen(GARBAGE[which]) + 1, upper);
            }
        }
        returned_at(__LINE__, CALL(ec_security_policy_set(policy, option, long_value)), ARGUMENT, option);
        returned_at(__LINE__, CALL(ec_security_policy_check(policy)), USER, option);
        check(strstr(ec_security_last_error(), NOBODYS_ID) != NULL, "%s: the user of the policy has changed: %s", option,
              ec_security_last_error());
        returned_at(__LINE__, CALL(ec_security_policy_set(policy, option, NULL)), OK, option);
        free_policy(policy);
    }
    free(long_value);

    /* What is read before the error counts as little as what is behind it. */
    ec_security_policy *policy = fresh();
    RETURNS(ec_security_policy_parse(policy, "Security {\n user = " NOBODYS_ID "\n deadline = soon\n}\n"), OPTION);
    RETURNS(ec_security_policy_parse(policy, "Security {\n user = " NOBODYS_ID "\n"), SYNTAX);
    RETURNS(ec_security_policy_check(policy), OK);
    RETURNS(ec_security_policy_set(policy, "capabilities", "cap_chown+e"), OK);
    RETURNS(ec_security_policy_set(policy, "capabilities", "cap_chown+x"), SYNTAX);
    RETURNS(ec_security_policy_check(policy), CAPABILITY);
    free_policy(policy);

    /* A policy text may have 16 MiB, and no more. */
    const size_t most = 16u << 20;
    const char *stanza = "Security {\n user = " NOBODYS_ID "\n}\n";
    char *text = buffer_of(most + 2);
    memset(text, '\n', most + 1);
    memcpy(text, stanza, strlen(stanza));
    text[most] = 0;
    policy = fresh();
    RETURNS(ec_security_policy_parse(policy, text), OK);
    text[most] = '\n';
    text[most + 1] = 0;
    int longer = CALL(ec_security_policy_parse(policy, text));
    check(longer != 0, "a text longer than 16 MiB was taken");
    RETURNS(ec_security_policy_check(policy), USER);
    free_policy(policy);
    free(text);
}

/* --- files ---------------------------------------------------------------------------------------------------------- */

static void files(void)
{
    char directory[] = "/tmp/arguments.XXXXXX", path[64];
    if (!mkdtemp(directory)) {
        perror(directory);
        exit(70);
    }
    ec_security_policy *policy = fresh();
    RETURNS(ec_security_policy_load(policy, "/no/such/file"), EC_SECURITY_EFILE);
    RETURNS(ec_security_policy_load(policy, "/dev/zero"), EC_SECURITY_EFILE);
    RETURNS(ec_security_policy_load(policy, "/proc/self/mem"), EC_SECURITY_EFILE);
    snprintf(path, sizeof path, "%s/fifo", directory);
    check(mkfifo(path, 0600) == 0, "mkfifo: %s", strerror(errno));
    RETURNS(ec_security_policy_load(policy, path), EC_SECURITY_EFILE); /* and does not wait for a writer */
    unlink(path);
    snprintf(path, sizeof path, "%s/file", directory);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    check(fd >= 0, "%s: %s", path, strerror(errno));
    RETURNS(ec_security_policy_load(policy, path), EC_SECURITY_ENOSTANZA);
    static const char NOT_UTF8[] = "Security {\n user = \"\xff\xff\"\n}\n";
    check(write(fd, NOT_UTF8, sizeof NOT_UTF8 - 1) == (ssize_t)sizeof NOT_UTF8 - 1, "write: %s", strerror(errno));
    RETURNS(ec_security_policy_load(policy, path), EC_SECURITY_EUSER);
    fchmod(fd, 0666);
    RETURNS(ec_security_policy_load(policy, path), EC_SECURITY_EFILE);
    close(fd);
    unlink(path);
    rmdir(directory);
    RETURNS(ec_security_policy_check(policy), OK);
    free_policy(policy);
}

/* --- texts of the library ------------------------------------------------------------------------------------------- */

static void fixed_texts(void)
{
    const int ALL[] = {
        EC_SECURITY_OK,      EC_SECURITY_EARGUMENT,  EC_SECURITY_ESYNTAX,     EC_SECURITY_EOPTION,  EC_SECURITY_EUSER,
        EC_SECURITY_EGROUP,  EC_SECURITY_ELOOKUP,    EC_SECURITY_ECAPABILITY, EC_SECURITY_EREFUSED, EC_SECURITY_ETHREAD,
        EC_SECURITY_EPROC,   EC_SECURITY_EBUSY,      EC_SECURITY_ERESOURCE,   EC_SECURITY_EFILE,    EC_SECURITY_ENOSTANZA,
        EC_SECURITY_ECHROOT, EC_SECURITY_ENOPROCESS, EC_SECURITY_EINTERNAL,
    };
    const int LEN = sizeof ALL / sizeof *ALL;
    const char *unknown = ec_security_strerror(-1);
    check(unknown && one_line(unknown), "strerror(-1)");
    for (int at = 0; at < LEN; at++) {
        errno = MARK;
        const char *text = ec_security_strerror(ALL[at]);
        check(errno == MARK, "strerror(%d): errno is %d", ALL[at], errno);
        check(ALL[at] == at, "status %d has the number %d", at, ALL[at]); /* they are part of the ABI */
        check(text && one_line(text) && strcmp(text, unknown), "strerror(%d): %s", at, text ? text : "(null)");
        for (int other = 0; other < at; other++)
            check(strcmp(text, ec_security_strerror(other)) != 0, "strerror(%d) and (%d) are the same", at, other);
        check(text == ec_security_strerror(at), "strerror(%d) is not fixed", at);
    }
    const int NONE[] = {LEN, LEN + 1, 255, 256, 1 << 16, INT_MAX, INT_MIN, -1, -EC_SECURITY_EUSER};
    for (size_t at = 0; at < sizeof NONE / sizeof *NONE; at++) {
        const char *text = ec_security_strerror(NONE[at]);
        check(text && !strcmp(text, unknown), "strerror(%d): %s", NONE[at], text ? text : "(null)");
    }
    errno = MARK;
    const char *version = ec_security_version();
    check(errno == MARK && version && !strcmp(version, EC_TEST_VERSION), "version: %s, not " EC_TEST_VERSION,
          version ? version : "(null)");
}

/* --- the last error ------------------------------------------------------------------------------------------------- */

static void *fails_elsewhere(void *arg)
{
    const char **elsewhere = arg;
    errno = MARK;
    const char *text = ec_security_last_error();
    check(errno == MARK, "last_error: errno is %d", errno);
    check(text && !*text, "a new thread has the last error \"%s\"", text ? text : "(null)");
    RETURNS(ec_security_raise("cap_elsewhere+e"), EC_SECURITY_ESYNTAX);
    check(strstr(ec_security_last_error(), "cap_elsewhere") != NULL, "last error: %s", ec_security_last_error());
    *elsewhere = ec_security_last_error();
    return NULL;
}

/* Fails without asking why, in a thread of its own: `arg` says how, one letter a failure. Then it asks. */
static void *fails_unasked(void *arg)
{
    const char *how = arg;
    bool caps = false;
    for (; *how; how++) {
        caps = *how == 'c';
        if (ec_security_raise(caps ? "cap_unasked+e" : NULL) != (caps ? EC_SECURITY_ESYNTAX : EC_SECURITY_EARGUMENT))
            exit(70);
    }
    const char *text = ec_security_last_error();
    check(strstr(text, caps ? "cap_unasked" : "NULL") != NULL, "failures %s: last error: %s", (char *)arg, text);
    if (ec_security_raise("cap_asked+e") != EC_SECURITY_ESYNTAX)
        exit(70);
    check(strstr(text, "cap_asked") != NULL, "failures %s: after the next one it is still %s", (char *)arg, text);
    return NULL;
}

/* Fails, and nobody asks why. */
static void *fails_for_nobody(void *arg)
{
    (void)arg;
    if (ec_security_raise("cap_nobody+e") != EC_SECURITY_ESYNTAX)
        exit(70);
    return NULL;
}

static void *has_not_failed(void *arg)
{
    (void)arg;
    const char *text = ec_security_last_error();
    check(!*text, "a new thread has the last error \"%s\"", text);
    return NULL;
}

static long pages_mapped(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long pages = 0;
    if (!file || fscanf(file, "%ld", &pages) != 1)
        exit(70);
    fclose(file);
    return pages;
}

/* Threads that end leave nothing. */
static void last_errors_of_many(void)
{
    long before = 0;
    for (int i = 0; i < 520; i++) {
        pthread_t thread;
        if (i == 20)
            before = pages_mapped();
        if (pthread_create(&thread, NULL, i % 2 ? has_not_failed : fails_for_nobody, NULL) || pthread_join(thread, NULL))
            exit(70);
    }
    long after = pages_mapped();
#ifdef __SANITIZE_ADDRESS__
    after = before; /* which keeps the memory of threads that have ended */
#endif
    check(after - before < 20, "500 threads that ended have left %ld pages", after - before);
}

static void last_errors_in_threads(void)
{
    last_errors_of_many();
    static char *const HOW[] = {"c", "cc", "n", "cn", "nc", "cnc"};
    pthread_t thread;
    for (size_t i = 0; i < sizeof HOW / sizeof *HOW; i++)
        if (pthread_create(&thread, NULL, fails_unasked, HOW[i]) || pthread_join(thread, NULL))
            exit(70);
}

/* In the child of a fork, the thread that forked keeps its last error, and another has its own. */
static void *fails_in_a_child(void *arg)
{
    (void)arg;
    const char *text = ec_security_last_error();
    bool none = !*text;
    if (ec_security_raise("cap_of_thread+e") != EC_SECURITY_ESYNTAX)
        _exit(70);
    return none && strstr(ec_security_last_error(), "cap_of_thread") ? (void *)ec_security_last_error() : NULL;
}

static int two_in_a_child(void)
{
    const char *text = ec_security_last_error();
    if (!strstr(text, "cap_before_fork"))
        return 1;
    if (ec_security_raise("cap_of_main+e") != EC_SECURITY_ESYNTAX)
        return 70;
    pthread_t thread;
    void *of_thread = NULL;
    if (pthread_create(&thread, NULL, fails_in_a_child, NULL) || pthread_join(thread, &of_thread))
        return 70;
    return !of_thread ? 2 : of_thread == text ? 3 : !strstr(ec_security_last_error(), "cap_of_main") ? 4 : 0;
}

static void last_errors_in_forks(void)
{
    RETURNS(ec_security_raise("cap_before_fork+e"), EC_SECURITY_ESYNTAX);
    const char *text = ec_security_last_error();
    pid_t pid = fork();
    if (!pid)
        _exit(two_in_a_child());
    int status = 0;
    check(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "last errors in the child of a fork: status %#x", status);
    check(strstr(text, "cap_before_fork") != NULL, "the child of a fork made it \"%s\"", text);
}

/* Without a key of thread-specific data there is no buffer: the fixed text of the status has to do. */
static void last_errors_without_keys(void)
{
    pid_t pid = fork();
    if (!pid) {
        pthread_key_t key;
        while (!pthread_key_create(&key, NULL))
            ;
        bool none = !*ec_security_last_error();
        int status = ec_security_raise("cap_elsewhere+e");
        _exit(!none                                                                              ? 1
              : status != EC_SECURITY_ESYNTAX                                                    ? 2
              : strcmp(ec_security_last_error(), ec_security_strerror(EC_SECURITY_ESYNTAX)) != 0 ? 3
                                                                                                 : 0);
    }
    int status = 0;
    check(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0, "a last error without a key: status %#x", status);
}

static void last_errors(void)
{
    RETURNS(ec_security_apply("no-such-user-here", NULL, NULL), EC_SECURITY_EUSER);
    const char *mine = ec_security_last_error(), *elsewhere = NULL;
    char before[1024];
    snprintf(before, sizeof before, "%s", mine);
    check(strstr(mine, "no-such-user-here") != NULL, "last error: %s", mine);
    pthread_t thread;
    if (pthread_create(&thread, NULL, fails_elsewhere, &elsewhere) || pthread_join(thread, NULL))
        exit(70);
    check(elsewhere != mine, "two threads share their last error");
    check(!strcmp(ec_security_last_error(), before), "another thread's failure made it %s", ec_security_last_error());
    ec_security_caps caps;
    RETURNS(ec_security_caps_from_text("cap_chown+e", &caps), OK);
    check(!strcmp(ec_security_last_error(), before), "success made it \"%s\"", ec_security_last_error());
    check(ec_security_last_error() == mine, "it has moved");
    RETURNS(ec_security_raise(NULL), EC_SECURITY_EARGUMENT);
    check(strcmp(ec_security_last_error(), before) != 0, "a second failure left the first one's text");

    /* The longest word there can be, in what is shown as four characters a byte. */
    char *word = buffer_of(EC_SECURITY_TEXT_MAX + 1);
    memset(word, 0x80, EC_SECURITY_TEXT_MAX);
    word[EC_SECURITY_TEXT_MAX] = 0;
    RETURNS(ec_security_raise(word), EC_SECURITY_ESYNTAX);
    RETURNS(ec_security_apply(word, NULL, NULL), EC_SECURITY_EUSER);
    free(word);
}

/* --- the two ways to run them --------------------------------------------------------------------------------------- */

static const struct group {
    const char *name;
    void (*checks)(void);
    bool needs_new_process; /* in which nothing has failed yet */
} GROUPS[] = {
    {.name = "NULL is an error, and no crash", .checks = nulls},
    {.name = "empty, long and non-UTF-8 texts, at the edge of a page", .checks = texts},
    {.name = "buffers follow snprintf, and stay as they were on failure", .checks = buffers},
    {.name = "options take no garbage, and keep what they had", .checks = option_values},
    {.name = "files that are none", .checks = files},
    {.name = "strerror for every number, and the version", .checks = fixed_texts},
    {.name = "without a key, last_error is the text of the status",
     .checks = last_errors_without_keys,
     .needs_new_process = true},
    {.name = "last_error belongs to its thread", .checks = last_errors},
    {.name = "last_error tells the last failure, whenever it is asked", .checks = last_errors_in_threads},
    {.name = "in the child of a fork too, each thread has its own", .checks = last_errors_in_forks},
};
#define GROUPS_LEN (sizeof GROUPS / sizeof *GROUPS)

static void in_child(void *arg)
{
    const struct group *group = arg;
    idle_threads(3);
    ready();
    group->checks();
    report(wrong ? 1 : checks ? 0 : 2, wrong ? first_wrong : "no check was made");
}

static void one_group(void *arg)
{
    struct child *child = start(in_child, arg);
    struct process *before = look(child->pid);
    release_and_expect(child, 0);
    struct process *after = look(child->pid);
    expect_unchanged(before, after);
    expect(before->len == after->len, "%zu threads before, %zu after", before->len, after->len);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool leave;

static void *waits(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&lock);
    while (!leave)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* A drop of a process with threads, which end and are joined afterwards, so that nothing counts as lost. */
static void small_drop(void)
{
    pthread_t threads[4];
    for (int at = 0; at < 4; at++)
        if (pthread_create(&threads[at], NULL, waits, NULL))
            exit(70);
    const char *id = can_change_ids() ? "4711" : NULL;
    RETURNS(ec_security_apply(id, id, "cap_net_bind_service+ep"), OK);
    char status[1024];
    int len = ec_security_status(0, status, sizeof status);
    check(len > 0 && (size_t)len < sizeof status && !strncmp(status, "5 threads: ", 11) &&
              strstr(status, " permitted=cap_net_bind_service ") && (!id || strstr(status, " uid=4711 gid=4711 ")),
          "after the drop: %s", status);
    RETURNS(ec_security_lower("cap_net_bind_service+e"), OK);
    RETURNS(ec_security_raise("cap_net_bind_service+e"), OK);
    RETURNS(ec_security_raise("cap_chown+e"), EC_SECURITY_ECAPABILITY);
    RETURNS(ec_security_apply(NULL, NULL, "cap_chown+ep"), EC_SECURITY_ECAPABILITY);
    RETURNS(ec_security_apply(NULL, NULL, ""), OK);
    pthread_mutex_lock(&lock);
    leave = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (int at = 0; at < 4; at++)
        pthread_join(threads[at], NULL);
}

static int here(bool drop)
{
    for (size_t at = 0; at < GROUPS_LEN; at++)
        if (!GROUPS[at].needs_new_process)
            GROUPS[at].checks();
    if (drop)
        small_drop();
    if (wrong)
        printf("%u of %u checks are wrong; %s\n", wrong, checks, first_wrong);
    else
        printf("%u checks\n", checks);
    return wrong || !checks ? 1 : 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--here"))
        return here(argc > 2 && !strcmp(argv[2], "drop"));
    select_cases(argc, argv);
    for (size_t at = 0; at < GROUPS_LEN; at++)
        test(GROUPS[at].name, 120, one_group, (void *)(uintptr_t)&GROUPS[at]);
    return finish();
}
