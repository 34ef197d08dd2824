/* Which faults are tried; see faults.h. */

#include "faults.h"

#include <errno.h>
#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

struct catalog catalogs[SCENES];

struct fault *faults;
size_t faults_len;
static size_t faults_room;

static void add_fault(struct fault fault)
{
    if (faults_len == faults_room) {
        faults_room = faults_room ? faults_room * 2 : 4096;
        faults = realloc(faults, faults_room * sizeof *faults);
        if (!faults)
            exit(70);
    }
    faults[faults_len++] = fault;
}

/* What makes no sense to be tried. A call that ends the thread or the handler cannot fail, and code behind it is never
 * reached; a mapping at address 0 or a descriptor that is somebody's already is
 * none that a kernel would give. */
static bool can_lie(key_t_ key)
{
    return !number_is(key, SYS_mmap) && !number_is(key, SYS_brk) && !number_is(key, MALLOC) && !number_is(key, SYS_openat) &&
           !number_is(key, SYS_socket);
}

static bool can_fail(key_t_ key) { return !number_is(key, SYS_rt_sigreturn); }

static const int errnos[] = {EPERM, ENOSYS, EINVAL, ENOMEM, EAGAIN, EINTR};
static const int errnos_of_files[] = {EPERM, ENOSYS, EMFILE, ENFILE, EACCES, EIO, ENOENT, ENOMEM, EINTR};

/* glibc's fstat(3) is one of the two. */
static bool is_stat(key_t_ key) { return number_is(key, SYS_newfstatat) || number_is(key, SYS_fstat); }

static size_t ways(key_t_ key, enum where where, bool rehearsed, struct way out[24])
{
    size_t len = 0;
    if (number_is(key, MALLOC)) {
        out[len++] = (struct way){FAILS, ENOMEM};
        return len;
    }
    bool of_files = number_is(key, SYS_openat) || number_is(key, SYS_read) || number_is(key, SYS_getdents64) || is_stat(key) ||
                    number_is(key, SYS_socket) || number_is(key, SYS_connect);
    if (of_files)
        for (size_t at = 0; at < LEN(errnos_of_files); at++)
            out[len++] = (struct way){FAILS, errnos_of_files[at]};
    else
        for (size_t at = 0; at < LEN(errnos); at++)
            out[len++] = (struct way){FAILS, errnos[at]};
    if (can_lie(key) && rehearsed)
        out[len++] = (struct way){LIES, 0};
    if (where == REHEARSAL) {
        out[len++] = (struct way){KILLS, SIGKILL};
        out[len++] = (struct way){KILLS, SIGSYS};
    }
    if (where == ONE)
        out[len++] = (struct way){ENDS, 0};
    return len;
}

/* Evenly spread and always the same. */
static uint32_t mixed(uint64_t x)
{
    x ^= x >> 31;
    x *= 0x9e3779b97f4a7c15u;
    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9u;
    return (uint32_t)(x >> 32);
}

unsigned uses(const struct catalog *catalog, enum where where, key_t_ key)
{
    unsigned most = 0;
    for (size_t at = 0; at < catalog->len; at++) {
        int role = catalog->entries[at].role;
        struct fault probe = {.where = where};
        if (catalog->entries[at].key == key && strikes(&probe, role) && catalog->entries[at].n > most)
            most = catalog->entries[at].n;
    }
    return most;
}

bool in_plan(key_t_ key)
{
    uint32_t sub = (uint32_t)key & 0xffff;
    return number_is(key, SYS_setresuid) || number_is(key, SYS_setresgid) || number_is(key, SYS_setgroups) ||
           number_is(key, SYS_capset) ||
           (number_is(key, SYS_prctl) &&
            (sub == PR_CAPBSET_DROP || sub == PR_SET_SECUREBITS || sub == PR_SET_NO_NEW_PRIVS || sub == PR_SET_KEEPCAPS ||
             key == KEY(SYS_prctl, PR_CAP_AMBIENT | PR_CAP_AMBIENT_CLEAR_ALL << 16) ||
             key == KEY(SYS_prctl, PR_CAP_AMBIENT | PR_CAP_AMBIENT_RAISE << 16)));
}

/* What the caller may be refused, and what it takes to go back. */
static bool is_step(key_t_ key) { return in_plan(key) || number_is(key, SYS_chroot) || number_is(key, SYS_fchdir); }

static const key_t_ steps_back[] = {
    KEY(SYS_setresuid, 0),
    KEY(SYS_setresgid, 0),
    KEY(SYS_setgroups, 0),
    KEY(SYS_capset, 0),
    KEY(SYS_chroot, 0),
    KEY(SYS_fchdir, 0),
    KEY(SYS_setfsuid, 0),
    KEY(SYS_setfsgid, 0),
    KEY(SYS_prctl, PR_SET_KEEPCAPS),
    KEY(SYS_prctl, PR_SET_SECUREBITS),
    KEY(SYS_prctl, PR_SET_DUMPABLE),
    KEY(SYS_prctl, PR_SET_PDEATHSIG),
    KEY(SYS_prctl, PR_CAP_AMBIENT | PR_CAP_AMBIENT_RAISE << 16),
    KEY(SYS_prctl, PR_CAP_AMBIENT | PR_CAP_AMBIENT_CLEAR_ALL << 16),
    KEY(SYS_prctl, PR_CAP_AMBIENT | PR_CAP_AMBIENT_LOWER << 16),
};

/* How often a call is made while threads are waited for depends on the time: what every run does counts, or once. */
void merge(struct catalog *into, const struct catalog *from)
{
    for (size_t at = 0; at < from->len; at++) {
        size_t found = 0;
        while (found < into->len &&
               (into->entries[found].role != from->entries[at].role || into->entries[found].key != from->entries[at].key))
            found++;
        if (found == into->len)
            note(into, from->entries[at].role, from->entries[at].key, from->entries[at].n);
        else if (from->entries[at].n < into->entries[found].n)
            into->entries[found].n = from->entries[at].n;
    }
}

/* Refusals that come each time the caller tries, in place. */
bool is_refused_for_good(const struct fault *fault)
{
    key_t_ key = fault->key;
    /* Not capset: what comes before it is undone by capset as well. */
    bool probed = number_is(key, SYS_setresuid) || number_is(key, SYS_setresgid) || number_is(key, SYS_setgroups) ||
                  key == KEY(SYS_prctl, PR_SET_SECUREBITS);
    return probed && fault->where == CALLER && fault->n == 1 && fault->from && fault->way.how == FAILS &&
           fault->way.number == EPERM && !scenes[fault->scene].rehearsed && !fault->then;
}

void list_faults(int at, bool all)
{
    const struct catalog *catalog = &catalogs[at];
    for (enum where where = 0; where < WHERES; where++)
        for (size_t entry = 0; entry < catalog->len; entry++) {
            key_t_ key = catalog->entries[entry].key;
            struct fault probe = {.where = where};
            /* each call once per place, however many roles make it */
            bool first = strikes(&probe, catalog->entries[entry].role);
            for (size_t before = 0; first && before < entry; before++)
                first = catalog->entries[before].key != key || !strikes(&probe, catalog->entries[before].role);
            if (!first || !can_fail(key) || (number_is(key, MALLOC) && where != CALLER))
                continue;
            unsigned most = uses(catalog, where, key);
            struct way out[24];
            size_t len = ways(key, where, scenes[at].rehearsed, out);
            for (unsigned n = 1; n <= most; n++) {
                uint32_t turn = mixed((uint64_t)at << 40 ^ (uint64_t)where << 36 ^ key << 12 ^ n);
                /* The first scene is tried whole; of the others, what is alike in all is tried in part. */
                bool of_lookups = where == CALLER && number_is(key, SYS_read) && n <= 14;
                unsigned spared = scenes[at].rehearsed ? 7 : 3;
                if (!all && at > 0 && !in_plan(key) && !of_lookups && n > 1 && n < most && turn >> 8 & spared)
                    continue;
                for (size_t way = 0; way < len; way++) {
                    struct fault fault = {(int)at, where, key, n, out[way], false, 0};
                    /* Of what each call of a plan is looked at for, a lie is the test. */
                    bool lie = out[way].how == LIES && in_plan(key) && (n == 1 || n == most);
                    /* A filter kills for the first wait, if for any. */
                    if (out[way].how == ENDS && number_is(key, SYS_futex) && n > 1)
                        continue;
                    if (all || lie || out[way].how == ENDS || turn % len == way)
                        add_fault(fault);
                    fault.from = true;
                    /* A way on which every use fails from some use on is a filter's, or a limit's. */
                    if (out[way].how == LIES && number_is(key, SYS_prctl) && (uint32_t)key == PR_CAPBSET_READ)
                        continue; /* no, for every capability, is an answer: nobody could tell */
                    /* The C library takes a file that cannot be read on for one that ends there, and "no such file" of one that it has
                     * open for none; and who waits must not for ever. */
                    bool persists = where == CALLER && (number_is(key, SYS_read) || is_stat(key) || number_is(key, SYS_wait4));
                    if (out[way].how != KILLS && out[way].how != ENDS &&
                        (persists || (all ? way == turn % len || in_plan(key) : turn % (4 * len) == way)))
                        add_fault(fault);
                }
                /* Held for shorter, or where the scene has a short deadline, for longer than that. */
                if (!number_is(key, MALLOC) && where != EVERYWHERE && where != ALL_OTHERS && (all ? turn % 8 < 1 : turn % 64 < 1))
                    add_fault((struct fault){at, where, key, n, {HOLDS, 30}, false, 0});
                if (scenes[at].long_holds && !number_is(key, MALLOC) && where != EVERYWHERE && where != ALL_OTHERS &&
                    (all ? turn % 4 < 1 || n == 1 : turn % 64 < 2 || (n == 1 && turn % 4 < 1)))
                    add_fault((struct fault){at, where, key, n, {HOLDS, 900}, false, 0});
            }
            if (where == EVERYWHERE && key == KEY(SYS_capget, 0)) {
                add_fault((struct fault){at, where, key, 1, {HIDES, 0}, true, 0});
                add_fault((struct fault){at, CALLER, key, 1, {HIDES, 0}, true, 0});
                add_fault((struct fault){at, ONE, key, 1, {HIDES, 0}, true, 0});
            }
            /* Each step refused, and then each step back. */
            for (unsigned n = 1; where == CALLER && !scenes[at].rehearsed && is_step(key) && n <= most; n++) {
                uint32_t turn = mixed((uint64_t)at << 40 ^ key << 12 ^ n);
                if (!all && n > 1 && n < most && turn % 8)
                    continue;
                for (size_t back = 0; back < LEN(steps_back); back++)
                    add_fault((struct fault){at, where, key, n, {FAILS, EPERM}, false, steps_back[back]});
            }
            struct fault for_good = {at, where, key, 1, {FAILS, EPERM}, true, 0};
            if (is_refused_for_good(&for_good))
                add_fault(for_good);
            /* A filter of one thread's own, which neither rehearsal nor caller have. */
            if (where == ONE && in_plan(key)) {
                add_fault((struct fault){at, where, key, 1, {FILTERED, EPERM}, false, 0});
                add_fault((struct fault){at, where, key, 1, {FILTERED, ENOSYS}, false, 0});
                if (scenes[at].long_holds)
                    add_fault((struct fault){at, where, key, 1, {FILTERED_DIES, 0}, false, 0});
            }
        }
}
