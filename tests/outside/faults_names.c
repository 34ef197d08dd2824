/* Names of calls, of the ways in which they fail, and of faults; see faults.h. */

#include "faults.h"

#include <errno.h>
#include <elf.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

const char *const where_names[WHERES] = {"caller", "one", "others", "rehearsal", "all"};
const char *const outcome_names[OUTCOMES] = {"done", "unchanged", "dead", "dead in libc", "IN BETWEEN", "HANG", "not reached"};

static const struct {
    long number;
    const char *name;
} call_names[] = {
#define CALL(name) {SYS_##name, #name}
    /* clang-format off */
    CALL(read), CALL(write), CALL(close), CALL(fstat), CALL(lseek), CALL(mmap), CALL(munmap), CALL(mprotect), CALL(brk),
    CALL(rt_sigaction), CALL(rt_sigprocmask), CALL(rt_sigreturn), CALL(pread64), CALL(clone), CALL(exit), CALL(exit_group),
    CALL(wait4), CALL(waitid), CALL(fcntl), CALL(fchdir), CALL(chdir), CALL(chroot), CALL(getpid), CALL(gettid),
    CALL(geteuid), CALL(getresuid), CALL(getresgid), CALL(setresuid), CALL(setresgid), CALL(setfsuid), CALL(setfsgid),
    CALL(getgroups), CALL(setgroups), CALL(capget), CALL(capset), CALL(prctl), CALL(futex), CALL(openat), CALL(getdents64),
    CALL(newfstatat), CALL(fstatfs), CALL(statx), CALL(sigaltstack), CALL(rt_tgsigqueueinfo), CALL(tgkill), CALL(unshare),
    CALL(timer_create), CALL(timer_settime), CALL(clock_gettime), CALL(readlinkat), CALL(socket), CALL(connect),
    CALL(sendto), CALL(kcmp), CALL(madvise), CALL(getrandom), CALL(sched_yield), CALL(clock_nanosleep), CALL(uname),
    CALL(sysinfo), CALL(prlimit64), CALL(rseq), CALL(set_robust_list), CALL(set_tid_address), CALL(clone3), CALL(seccomp),
    /* clang-format on */
    {MALLOC, "malloc"},
};

static const struct {
    uint32_t sub;
    const char *name;
} prctl_names[] = {
#define OPTION(name) {PR_##name, #name}
    OPTION(CAPBSET_READ),  OPTION(CAPBSET_DROP),     OPTION(GET_SECUREBITS),   OPTION(SET_SECUREBITS), OPTION(GET_KEEPCAPS),
    OPTION(SET_KEEPCAPS),  OPTION(GET_NO_NEW_PRIVS), OPTION(SET_NO_NEW_PRIVS), OPTION(GET_DUMPABLE),   OPTION(SET_DUMPABLE),
    OPTION(GET_PDEATHSIG), OPTION(SET_PDEATHSIG),    OPTION(GET_SECCOMP),
#define AMBIENT(name) {PR_CAP_AMBIENT | PR_CAP_AMBIENT_##name << 16, "AMBIENT_" #name}
    AMBIENT(IS_SET),       AMBIENT(RAISE),           AMBIENT(LOWER),           AMBIENT(CLEAR_ALL),
};

static const struct {
    uint32_t sub;
    const char *name;
} futex_names[] = {{FUTEX_WAIT, "WAIT"}, {FUTEX_WAKE, "WAKE"}, {FUTEX_WAIT_BITSET, "WAIT_BITSET"}};

static const struct {
    int number;
    const char *name;
} errno_names[] = {
#define ERRNO(name) {name, #name}
    ERRNO(EPERM),  ERRNO(ENOENT), ERRNO(ESRCH),  ERRNO(EINTR),  ERRNO(EIO),    ERRNO(EAGAIN), ERRNO(ENOMEM),
    ERRNO(EACCES), ERRNO(EINVAL), ERRNO(ENFILE), ERRNO(EMFILE), ERRNO(ENOSYS), ERRNO(EFAULT), ERRNO(ENOSPC),
};

const char *key_name(key_t_ key)
{
    static char text[64];
    long number = (long)(key >> 32);
    uint32_t sub = (uint32_t)key;
    snprintf(text, sizeof text, "%ld", number);
    for (size_t at = 0; at < LEN(call_names); at++)
        if (call_names[at].number == number)
            snprintf(text, sizeof text, "%s", call_names[at].name);
    size_t len = strlen(text);
    if (number == SYS_prctl) {
        snprintf(text + len, sizeof text - len, ":%u", sub);
        for (size_t at = 0; at < LEN(prctl_names); at++)
            if (prctl_names[at].sub == sub)
                snprintf(text + len, sizeof text - len, ":%s", prctl_names[at].name);
    } else if (number == SYS_futex) {
        snprintf(text + len, sizeof text - len, ":%u", sub);
        for (size_t at = 0; at < LEN(futex_names); at++)
            if (futex_names[at].sub == sub)
                snprintf(text + len, sizeof text - len, ":%s", futex_names[at].name);
    }
    return text;
}

const char *way_name(struct way way)
{
    static char text[48];
    const char *name = "?";
    for (size_t at = 0; at < LEN(errno_names); at++)
        if (errno_names[at].number == way.number)
            name = errno_names[at].name;
    static const char *const words[] =
        {[FAILS] = "",    [LIES] = "lies",   [HOLDS] = "holds-",     [KILLS] = "kills-",
         [ENDS] = "ends", [HIDES] = "hides", [FILTERED] = "filter-", [FILTERED_DIES] = "filter-kills"};
    char number[16];
    snprintf(number, sizeof number, "%d", way.number);
    bool has_name = way.how == FAILS || way.how == FILTERED, has_number = way.how == HOLDS || way.how == KILLS;
    snprintf(text, sizeof text, "%s%s", words[way.how], has_name ? name : has_number ? number : "");
    return text;
}

key_t_ key_of(uint64_t number, const uint64_t args[6])
{
    uint32_t sub = 0;
    if (number == SYS_prctl)
        sub = (uint32_t)args[0] | (args[0] == PR_CAP_AMBIENT ? (uint32_t)args[1] << 16 : 0);
    else if (number == SYS_futex)
        sub = (uint32_t)args[1] & FUTEX_CMD_MASK;
    return KEY(number, sub);
}

void fault_name(const struct fault *fault, char *out, size_t len)
{
    int have = snprintf(out, len, "%s %s %s %u", scenes[fault->scene].name, where_names[fault->where], key_name(fault->key),
                        fault->n);
    have += snprintf(out + have, len - (size_t)have, " %s%s", way_name(fault->way), fault->from ? " from" : "");
    if (fault->then)
        snprintf(out + have, len - (size_t)have, " then %s", key_name(fault->then));
}

static key_t_ key_of_name(const char *name)
{
    const char *colon = strchr(name, ':');
    key_t_ found = 0;
    for (size_t at = 0; at < LEN(call_names) && !found; at++) {
        long number = call_names[at].number;
        for (size_t sub = 0; sub < LEN(prctl_names) && number == SYS_prctl && colon; sub++)
            if (!strcmp(key_name(KEY(number, prctl_names[sub].sub)), name))
                found = KEY(number, prctl_names[sub].sub);
        for (size_t sub = 0; sub < LEN(futex_names) && number == SYS_futex && colon; sub++)
            if (!strcmp(key_name(KEY(number, futex_names[sub].sub)), name))
                found = KEY(number, futex_names[sub].sub);
        if (!colon && !strcmp(key_name(KEY(number, 0)), name))
            found = KEY(number, 0);
    }
    return found;
}

bool parse_fault(char **words, int len, struct fault *fault)
{
    if (len < 5)
        return false;
    memset(fault, 0, sizeof *fault);
    fault->scene = -1;
    for (size_t at = 0; at < SCENES; at++)
        if (!strcmp(scenes[at].name, words[0]))
            fault->scene = (int)at;
    fault->where = WHERES;
    for (int at = 0; at < WHERES; at++)
        if (!strcmp(where_names[at], words[1]))
            fault->where = (enum where)at;
    fault->n = (unsigned)strtoul(words[3], NULL, 10);
    fault->from = len > 5 && !strcmp(words[5], "from");
    if (fault->scene < 0 || fault->where == WHERES)
        return false;
    fault->key = key_of_name(words[2]);
    if (len > 6 && !strcmp(words[5], "then") && !(fault->then = key_of_name(words[6])))
        return false;
    struct way tries[] = {{LIES, 0},         {HOLDS, 30},        {HOLDS, 900},       {KILLS, SIGKILL}, {KILLS, SIGSYS},
                          {FILTERED, EPERM}, {FILTERED, ENOSYS}, {FILTERED_DIES, 0}, {ENDS, 0},        {HIDES, 0}};
    bool known = false;
    for (size_t at = 0; at < LEN(tries); at++)
        if (!strcmp(way_name(tries[at]), words[4])) {
            fault->way = tries[at];
            known = true;
        }
    for (size_t at = 0; at < LEN(errno_names); at++)
        if (!strcmp(errno_names[at].name, words[4])) {
            fault->way = (struct way){FAILS, errno_names[at].number};
            known = true;
        }
    return known && (fault->key || !strcmp(words[2], "read"));
}
