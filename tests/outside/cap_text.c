/* The capability texts of the library that was built, next to those of the installed libcap in the same process.
 *
 * Each comparison runs in a process of its own, so that it can run on another kernel, as far as both libraries can tell:
 * both ask prctl(PR_CAPBSET_READ) for the last capability, and a seccomp filter answers for any last capability from 0 to 63.
 *
 * EC_SEED chooses other random texts, EC_COUNT how many (in the main comparison; the default is a little over a million). */

#include "outside.h"
#include "seccomp.h"

#include <ctype.h>
#include <ec_security.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NATIVE 64u /* instead of a last capability: the kernel that runs */
#define TEXT_ROOM 70000

/* --- the random source --------------------------------------------------------------------------------------------- */

static uint64_t random_state;

static uint64_t next(void) /* splitmix64: any will do, as long as a seed gives the same texts again */
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static unsigned below(unsigned n) { return (unsigned)((next() >> 32) * n >> 32); }
static bool percent(unsigned n) { return below(100) < n; }

/* --- texts --------------------------------------------------------------------------------------------------------- */

struct text {
    size_t len;
    char bytes[TEXT_ROOM];
};

static void put(struct text *text, char byte)
{
    if (text->len < TEXT_ROOM - 1)
        text->bytes[text->len++] = byte;
}

static void put_all(struct text *text, const char *more)
{
    while (*more)
        put(text, *more++);
}

static void put_blanks(struct text *text, unsigned least)
{
    static const char blanks[] = "      \t\n\v\f\r";
    unsigned count = least + (percent(15) ? below(4) : 0);
    while (count--)
        put(text, blanks[below(sizeof blanks - 1)]);
}

static void put_flags(struct text *text, unsigned least)
{
    unsigned count = least + below(least ? 3 : 4);
    while (count--)
        put(text, "epi"[below(3)]);
}

static void put_name(struct text *text)
{
    char word[64];
    if (percent(10)) {
        strcpy(word, "all");
    } else if (percent(25)) {
        static const char *const forms[] = {"%u", "0%o", "0x%x", "0X%X", "%02u", "000%o", "0x00%x"};
        unsigned number = percent(97) ? below(64) : percent(50) ? 60 + below(10) : (unsigned)next();
        snprintf(word, sizeof word, forms[below(sizeof forms / sizeof *forms)], number);
        if (percent(1))
            strcat(word, "99999999999999999999");
    } else {
        static char *names[41]; /* libcap allocates each */
        unsigned cap = below(41);
        if (!names[cap])
            names[cap] = cap_to_name((cap_value_t)cap);
        snprintf(word, sizeof word, "%s", names[cap]);
    }
    unsigned how = below(4);
    for (char *c = word; *c; c++)
        if (how == 2 || (how == 3 && percent(50)))
            *c = (char)toupper((unsigned char)*c);
    put_all(text, word);
}

static void put_clause(struct text *text)
{
    if (percent(15)) {
        put(text, '=');
        put_flags(text, 0);
        return;
    }
    put_name(text);
    while (percent(30)) {
        put(text, ',');
        put_name(text);
    }
    switch (below(6)) {
    case 0:
    case 1:
        put(text, '=');
        put_flags(text, 0);
        break;
    case 2:
        put_all(text, percent(50) ? "=+" : "=-");
        put_flags(text, 1);
        break;
    default:
        put(text, percent(65) ? '+' : '-');
        put_flags(text, 1);
    }
    while (percent(25)) {
        put(text, percent(50) ? '+' : '-');
        put_flags(text, 1);
    }
}

/* What a typing error, or an attacker, changes in a text. */
static void mutate(struct text *text)
{
    static const char likely[] = "eipEIP=+-,_ \t\n0123456789xXabcCAP.;:#\"";
    char byte = percent(85) ? likely[below(sizeof likely - 1)] : (char)(1 + below(255));
    size_t at = text->len ? below((unsigned)text->len) : 0;
    size_t span = 1 + below(8);
    switch (below(7)) {
    case 0: /* one more */
    case 1:
        if (text->len < TEXT_ROOM - 1) {
            memmove(text->bytes + at + 1, text->bytes + at, text->len++ - at);
            text->bytes[at] = byte;
        }
        break;
    case 2: /* another */
        if (text->len)
            text->bytes[at] = byte;
        break;
    case 3: /* some left out */
        if (percent(70))
            span = 1;
        if (at + span <= text->len) {
            memmove(text->bytes + at, text->bytes + at + span, text->len - at - span);
            text->len -= span;
        }
        break;
    case 4: /* some twice */
        if (at + span <= text->len && text->len + span < TEXT_ROOM) {
            memmove(text->bytes + at + span, text->bytes + at, text->len - at);
            text->len += span;
        }
        break;
    case 5: /* cut off */
        text->len = at;
        break;
    default: /* swapped */
        if (at + 1 < text->len) {
            char swapped = text->bytes[at];
            text->bytes[at] = text->bytes[at + 1];
            text->bytes[at + 1] = swapped;
        }
    }
}

static void make_text(struct text *text)
{
    text->len = 0;
    if (percent(3)) { /* noise: bytes that mean something, or any */
        static const char some[] = "eip=+-, all0x17_cap_kill";
        bool any = percent(20);
        for (unsigned left = below(40); left; left--)
            put(text, any ? (char)(1 + below(255)) : some[below(sizeof some - 1)]);
    } else {
        /* Now and then as long as any text gets. */
        unsigned clauses = below(20000) == 0 ? 1000 + below(2000) : below(5);
        put_blanks(text, 0);
        while (clauses--) {
            put_clause(text);
            put_blanks(text, clauses ? 1 : 0);
        }
        if (percent(40))
            for (unsigned left = 1 + below(3); left; left--)
                mutate(text);
    }
    text->bytes[text->len] = 0;
}

/* --- both libraries ------------------------------------------------------------------------------------------------ */

struct figures {
    uint64_t accepted, refused, written, differences;
    char first[1200]; /* the first difference */
};

static void escape(const char *text, char *out, size_t len)
{
    size_t at = 0;
    out[0] = 0;
    for (; *text && at + 8 < len; text++) {
        unsigned char c = (unsigned char)*text;
        at += (size_t)snprintf(out + at, len - at, isprint(c) && c != '\\' && c != '"' ? "%c" : "\\x%02x", c);
    }
    if (*text)
        snprintf(out + at, len - at, "...");
}

static void PRINTF_LIKE(3, 4) differs_at(struct figures *figures, const char *text, const char *format, ...)
{
    if (figures->differences++)
        return;
    char shown[300], how[700];
    escape(text, shown, sizeof shown);
    va_list args;
    va_start(args, format);
    vsnprintf(how, sizeof how, format, args);
    va_end(args);
    snprintf(figures->first, sizeof figures->first, "\"%s\": %s", shown, how);
}

static struct ec_security_caps masks(cap_t caps)
{
    struct ec_security_caps out = {0, 0, 0};
    const struct {
        cap_flag_t flag;
        uint64_t *mask;
    } sets[] = {{CAP_EFFECTIVE, &out.effective}, {CAP_PERMITTED, &out.permitted}, {CAP_INHERITABLE, &out.inheritable}};
    for (int set = 0; set < 3; set++)
        for (unsigned cap = 0; cap < 64; cap++) {
            cap_flag_value_t value;
            if (cap_get_flag(caps, (cap_value_t)cap, sets[set].flag, &value)) {
                perror("cap_get_flag");
                exit(70);
            }
            if (value == CAP_SET)
                *sets[set].mask |= BIT(cap);
        }
    return out;
}

static bool same(const struct ec_security_caps *a, const struct ec_security_caps *b)
{
    return a->effective == b->effective && a->permitted == b->permitted && a->inheritable == b->inheritable;
}

/* What ours writes must be what theirs writes, and the length it returns that of the text. */
static void compare_written(const char *of, const struct ec_security_caps *caps, cap_t theirs, struct figures *figures)
{
    char ours[4096];
    memset(ours, '?', sizeof ours);
    ssize_t len;
    char *text = cap_to_text(theirs, &len);
    int returned = ec_security_caps_to_text(caps, ours, sizeof ours);
    if (!text || returned < 0 || (size_t)returned >= sizeof ours || ours[returned] != 0)
        differs_at(figures, of, "to_text returns %d, theirs %s", returned, text ? text : strerror(errno));
    else if (returned != len || strcmp(text, ours))
        differs_at(figures, of, "written as \"%s\" (%d), by libcap as \"%s\" (%zd)", ours, returned, text, len);
    figures->written++;
    if (returned > 0 && text) {
        /* Cut to fit, as snprintf cuts: anywhere, and nothing behind the end is touched. */
        size_t size = below((unsigned)returned + 2);
        char cut[4096];
        memset(cut, '?', sizeof cut);
        int again = ec_security_caps_to_text(caps, size ? cut : NULL, size);
        size_t fits = size ? (size - 1 < (size_t)returned ? size - 1 : (size_t)returned) : 0;
        if (again != returned || memcmp(cut, ours, fits) || (size && cut[fits] != 0) || cut[size ? fits + 1 : 0] != '?')
            differs_at(figures, of, "cut to %zu bytes it is \"%.*s\" (%d)", size, (int)fits + 1, cut, again);
    }
    cap_free(text);
}

static void compare(const char *text, struct figures *figures)
{
    const struct ec_security_caps untouched = {0x1234, 0x5678, 0x9abc};
    struct ec_security_caps ours = untouched;
    int status = ec_security_caps_from_text(text, &ours);
    errno = 0;
    cap_t theirs = cap_from_text(text);
    if (!theirs && errno != EINVAL) {
        perror("cap_from_text");
        exit(70);
    }
    if ((status == EC_SECURITY_OK) != (theirs != NULL)) {
        differs_at(figures, text, "ours: %d %s; libcap: %s", status, status ? ec_security_last_error() : "accepted",
                   theirs ? "accepted" : "refused");
    } else if (!theirs) {
        figures->refused++;
        if (status != EC_SECURITY_ESYNTAX || !same(&ours, &untouched))
            differs_at(figures, text, "refused with %d, or with something written", status);
    } else {
        figures->accepted++;
        struct ec_security_caps want = masks(theirs);
        if (!same(&ours, &want))
            differs_at(figures, text, "e %" PRIx64 " p %" PRIx64 " i %" PRIx64 "; libcap: %" PRIx64 " %" PRIx64 " %" PRIx64,
                       ours.effective, ours.permitted, ours.inheritable, want.effective, want.permitted, want.inheritable);
        compare_written(text, &want, theirs, figures);
    }
    if (theirs)
        cap_free(theirs);
}

static void random_texts(uint64_t count, struct figures *figures)
{
    static struct text text;
    while (count--) {
        make_text(&text);
        compare(text.bytes, figures);
    }
}

/* Masks of every density, and those that share most of their flags: where the first clause of a text is chosen. */
static void random_masks(uint64_t count, struct figures *figures)
{
    cap_t theirs = cap_init();
    while (count--) {
        uint64_t mask[3];
        for (int set = 0; set < 3; set++) {
            mask[set] = next();
            for (unsigned thinner = below(6); thinner; thinner--)
                mask[set] &= next();
            if (percent(30))
                mask[set] = ~mask[set];
            if (percent(10))
                mask[set] = percent(50) ? 0 : UINT64_MAX;
            if (set && percent(40))
                mask[set] = mask[set - 1] ^ (percent(50) ? BIT(below(64)) : 0);
        }
        struct ec_security_caps caps = {.effective = mask[0], .permitted = mask[1], .inheritable = mask[2]};
        const cap_flag_t flags[3] = {CAP_EFFECTIVE, CAP_PERMITTED, CAP_INHERITABLE};
        cap_clear(theirs);
        for (int set = 0; set < 3; set++) {
            /* In two halves: libcap refuses a list of 64. */
            for (unsigned half = 0; half < 64; half += 32) {
                cap_value_t list[32];
                int len = 0;
                for (unsigned cap = half; cap < half + 32; cap++)
                    if (mask[set] & BIT(cap))
                        list[len++] = (cap_value_t)cap;
                if (len && cap_set_flag(theirs, flags[set], len, list, CAP_SET)) {
                    perror("cap_set_flag");
                    exit(70);
                }
            }
        }
        char of[80];
        snprintf(of, sizeof of, "%" PRIx64 " %" PRIx64 " %" PRIx64, mask[0], mask[1], mask[2]);
        compare_written(of, &caps, theirs, figures);

        /* And what is written reads back. */
        char text[4096];
        struct ec_security_caps back;
        ec_security_caps_to_text(&caps, text, sizeof text);
        if (ec_security_caps_from_text(text, &back) != EC_SECURITY_OK || !same(&caps, &back))
            differs_at(figures, of, "written as \"%s\", which does not read back", text);
    }
    cap_free(theirs);
}

/* --- the table ----------------------------------------------------------------------------------------------------- */

#define ROWS 216

static bool unescape(char *text)
{
    char *out = text;
    while (*text) {
        if (*text != '\\') {
            *out++ = *text++;
            continue;
        }
        static const char letters[] = "tnvfr", bytes[] = "\t\n\v\f\r";
        const char *letter = text[1] ? strchr(letters, text[1]) : NULL;
        unsigned hex;
        if (letter) {
            *out++ = bytes[letter - letters];
            text += 2;
        } else if (sscanf(text, "\\x%2x", &hex) == 1) {
            *out++ = (char)hex;
            text += 4;
        } else {
            return false;
        }
    }
    *out = 0;
    return true;
}

/* One row, against the table and against the installed libcap. */
static void table_row(char *row, struct figures *figures)
{
    char *columns[5];
    for (int at = 0; at < 5; at++)
        columns[at] = strsep(&row, "\t");
    char *text = columns[0];
    size_t len = strlen(text);
    bool accepted = strcmp(columns[1], "EINVAL") != 0;
    if (!strcmp(text, "NULL")) {
        struct ec_security_caps out;
        if (accepted || ec_security_caps_from_text(NULL, &out) != EC_SECURITY_EARGUMENT || cap_from_text(NULL))
            differs_at(figures, text, "is not refused");
        figures->refused++;
        return;
    }
    text[len - 1] = 0;
    if (*text++ != '"' || !unescape(text)) {
        differs_at(figures, text, "this row of the table cannot be read");
        return;
    }
    uint64_t before = figures->accepted;
    compare(text, figures);
    if ((figures->accepted > before) != accepted) {
        differs_at(figures, text, "the table says %s", columns[1]);
        return;
    }
    if (!accepted)
        return;
    struct ec_security_caps caps, want = {
                                      .effective = strtoull(columns[1], NULL, 16),
                                      .permitted = strtoull(columns[2], NULL, 16),
                                      .inheritable = strtoull(columns[3], NULL, 16),
                                  };
    char written[4096];
    if (ec_security_caps_from_text(text, &caps) != EC_SECURITY_OK || !same(&caps, &want))
        differs_at(figures, text, "the table has other masks");
    ec_security_caps_to_text(&want, written, sizeof written);
    if (strcmp(written, columns[4]))
        differs_at(figures, text, "written as \"%s\", in the table \"%s\"", written, columns[4]);
}

/* The directory this program stands in is build/outside. */
static FILE *open_table(void)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 64);
    if (len < 0)
        return NULL;
    path[len] = 0;
    *strrchr(path, '/') = 0;
    strcat(path, "/../../tests/data/cap_from_text.tsv");
    return fopen(path, "re");
}

static void table(struct figures *figures)
{
    FILE *file = open_table();
    if (!file) {
        perror("cap_from_text.tsv");
        exit(70);
    }
    char row[4096];
    while (fgets(row, sizeof row, file)) {
        row[strcspn(row, "\n")] = 0;
        if (strncmp(row, "# ", 2))
            table_row(row, figures);
    }
    fclose(file);
}

/* --- a process on a kernel with another last capability ------------------------------------------------------------ */

/* prctl(PR_CAPBSET_READ) succeeds up to `last`, and fails with EINVAL beyond. */
static bool pretend_last_cap(unsigned last)
{
    struct rule rules[] = {{SYS_prctl, {PR_CAPBSET_READ, AT_LEAST(last + 1), ANY}, FAILS_WITH(EINVAL)},
                           CALLS_OF(SYS_prctl, PR_CAPBSET_READ, PRETENDS)};
    return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !seccomp_rules(rules, 2, 0);
}

struct job {
    const char *what; /* table, texts or masks */
    const char *locale;
    unsigned last;
    uint64_t seed, count;
};

/* In a process that executes this program again: libcap asks for the last capability when it is loaded. */
static int work(char **argv)
{
    struct figures figures = {0};
    unsigned last = (unsigned)strtoul(argv[2], NULL, 10);
    random_state = strtoull(argv[3], NULL, 10);
    uint64_t count = strtoull(argv[4], NULL, 10);
    if (!setlocale(LC_ALL, argv[5])) {
        fprintf(stderr, "there is no locale %s\n", argv[5]);
        return 70;
    }
    if (last != NATIVE && (unsigned)cap_max_bits() != last + 1) {
        fprintf(stderr, "libcap takes %d for the last capability instead of %u\n", cap_max_bits() - 1, last);
        return 70;
    }
    if (!strcmp(argv[1], "table"))
        table(&figures);
    else if (!strcmp(argv[1], "texts"))
        random_texts(count, &figures);
    else
        random_masks(count, &figures);
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n%s\n", figures.accepted, figures.refused, figures.written,
           figures.differences, figures.first);
    return 0;
}

static bool run(const struct job *job, struct figures *figures)
{
    memset(figures, 0, sizeof *figures);
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC) < 0)
        return expect(false, "pipe2: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        char last[16], seed[32], count[32];
        snprintf(last, sizeof last, "%u", job->last);
        snprintf(seed, sizeof seed, "%" PRIu64, job->seed);
        snprintf(count, sizeof count, "%" PRIu64, job->count);
        dup2(pipes[1], 1);
        if (job->last != NATIVE && !pretend_last_cap(job->last)) {
            perror("seccomp");
            _exit(70);
        }
        execl("/proc/self/exe", "cap_text", "--work", job->what, last, seed, count, job->locale, (char *)NULL);
        _exit(70);
    }
    close(pipes[1]);
    FILE *from = fdopen(pipes[0], "r");
    bool read = from && fscanf(from, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 "\n", &figures->accepted, &figures->refused,
                               &figures->written, &figures->differences) == 4;
    if (read && figures->differences && !fgets(figures->first, sizeof figures->first, from))
        strcpy(figures->first, "?");
    if (from)
        fclose(from);
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    expect(read && status == 0, "%s with last capability %u: the process ended with status %x", job->what, job->last, status);
    expect(figures->differences == 0, "%s with last capability %u, seed %" PRIu64 ": %" PRIu64 " differences; first %s",
           job->what, job->last, job->seed, figures->differences, figures->first);
    return !case_finished();
}

/* --- cases --------------------------------------------------------------------------------------------------------- */

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static uint64_t seed, count;

static void every_row(void *unused)
{
    (void)unused;
    struct figures figures;
    run(&(struct job){"table", "C", 40, 1, 0}, &figures);
    printf("table: %" PRIu64 " rows accepted, %" PRIu64 " refused, %" PRIu64 " differences\n", figures.accepted, figures.refused,
           figures.differences);
    expect(figures.accepted + figures.refused == ROWS, "%" PRIu64 " rows instead of %d", figures.accepted + figures.refused,
           ROWS);
}

static void expect_good_mixture(const struct figures *figures, uint64_t wanted)
{
    uint64_t texts = figures->accepted + figures->refused;
    expect(texts + figures->differences >= wanted, "only %" PRIu64 " texts instead of %" PRIu64, texts, wanted);
    expect(figures->accepted * 10 >= texts && figures->refused * 10 >= texts,
           "%" PRIu64 " texts accepted, %" PRIu64 " refused: that is no test", figures->accepted, figures->refused);
}

static void texts(void *arg)
{
    const char *locale = arg;
    if (!setlocale(LC_ALL, locale)) {
        skip("there is no locale %s", locale);
        return;
    }
    setlocale(LC_ALL, "C");
    uint64_t here = strcmp(locale, "C") ? count / 10 : count;
    struct figures figures;
    run(&(struct job){"texts", locale, NATIVE, seed, here}, &figures);
    printf("texts, locale %s, seed %" PRIu64 ": %" PRIu64 " accepted, %" PRIu64 " refused, %" PRIu64 " written, %" PRIu64
           " differences\n",
           locale, seed, figures.accepted, figures.refused, figures.written, figures.differences);
    expect_good_mixture(&figures, here);
}

static void written_masks(void *unused)
{
    (void)unused;
    struct figures figures;
    run(&(struct job){"masks", "C", NATIVE, seed, count}, &figures);
    printf("masks, seed %" PRIu64 ": %" PRIu64 " written, %" PRIu64 " differences\n", seed, figures.written, figures.differences);
    expect(figures.written == count, "only %" PRIu64 " masks written", figures.written);
}

static void other_kernels(void *unused)
{
    (void)unused;
    struct figures sum = {0};
    uint64_t each = count / 100;
    for (unsigned last = 0; last < 64; last++) {
        struct figures figures;
        if (!run(&(struct job){"texts", "C", last, seed + last, each}, &figures))
            return;
        sum.accepted += figures.accepted;
        sum.refused += figures.refused;
        sum.written += figures.written;
        if (!run(&(struct job){"masks", "C", last, seed + last, each}, &figures))
            return;
        sum.written += figures.written;
    }
    printf("last capability 0 to 63: %" PRIu64 " accepted, %" PRIu64 " refused, %" PRIu64 " written, 0 differences\n",
           sum.accepted, sum.refused, sum.written);
    expect_good_mixture(&sum, 64 * each);
}

/* What the arguments other than the text can be. */
static void arguments(void *unused)
{
    (void)unused;
    struct ec_security_caps caps = {1, 1, 0};
    char buf[8] = "before";
    expect(ec_security_caps_from_text("=p", NULL) == EC_SECURITY_EARGUMENT, "out NULL");
    expect(strstr(ec_security_last_error(), "out: "), "out NULL: %s", ec_security_last_error());
    expect(ec_security_caps_from_text(NULL, &caps) == EC_SECURITY_EARGUMENT, "text NULL");
    expect(strstr(ec_security_last_error(), "text: "), "text NULL: %s", ec_security_last_error());
    expect(ec_security_caps_to_text(NULL, buf, sizeof buf) == -EC_SECURITY_EARGUMENT, "caps NULL");
    expect(!strcmp(buf, "before"), "caps NULL, and yet something is written");
    expect(ec_security_caps_to_text(&caps, NULL, 1) == -EC_SECURITY_EARGUMENT, "buf NULL with a length");
    expect(ec_security_caps_to_text(&caps, NULL, 0) == 12, "buf NULL without a length");
    expect(ec_security_caps_to_text(&caps, buf, 0) == 12 && !strcmp(buf, "before"), "no length, but written");
    expect(ec_security_caps_from_text("cap_net_bnd_service+ep", &caps) == EC_SECURITY_ESYNTAX, "unknown name");
    expect(!strcmp(ec_security_last_error(),
                   "capabilities: unknown name \"cap_net_bnd_service\" at column 1 (nearest: cap_net_bind_service)"),
           "%s", ec_security_last_error());
    expect(caps.effective == 1 && caps.permitted == 1 && caps.inheritable == 0, "written although it failed");
}

int main(int argc, char **argv)
{
    if (argc == 7 && !strcmp(argv[1], "--work"))
        return work(argv + 1);
    select_cases(argc, argv);
    seed = from_environment("EC_SEED", 20260214);
    count = from_environment("EC_COUNT", 1100000);
    if (count < 1000) {
        fprintf(stderr, "EC_COUNT is less than 1000: that is no test\n");
        return 1;
    }
    test("texts: what the arguments can be", 10, arguments, NULL);
    test("texts: the 216 rows of the table, by libcap and by us", 30, every_row, NULL);
    test("texts: a million random ones, as libcap takes and writes them", 600, texts, (void *)"C");
    test("texts: the same in a UTF-8 locale", 300, texts, (void *)"C.UTF-8");
    test("texts: a million random sets, as libcap writes them", 600, written_masks, NULL);
    test("texts: the same on kernels with another last capability", 600, other_kernels, NULL);
    return finish();
}
