#include "seccomp.h"

#include <errno.h>
#include <linux/filter.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RULES_MAX 16
#define PER_RULE (2 + 2 * 3 + 1)

/* An argument's lower half. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define ARGUMENT(at) (unsigned)(offsetof(struct seccomp_data, args) + (at) * 8 + 4)
#else
#define ARGUMENT(at) (unsigned)(offsetof(struct seccomp_data, args) + (at) * 8)
#endif

int seccomp_rules(const struct rule *rules, size_t len, unsigned flags)
{
    struct sock_filter code[RULES_MAX * PER_RULE + 1];
    size_t have = 0;
    if (len > RULES_MAX) {
        errno = E2BIG;
        return -1;
    }
    for (size_t at = 0; at < len; at++) {
        const struct rule *rule = &rules[at];
        unsigned given = 0;
        for (unsigned arg = 0; arg < 3; arg++)
            given += rule->args[arg] != ANY;
        /* Each test that fails goes on behind the rule's return. */
        unsigned char rest = (unsigned char)(2 * given + 1);
        code[have++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
        code[have++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)rule->number, 0, rest);
        for (unsigned arg = 0; arg < 3; arg++) {
            if (rule->args[arg] == ANY)
                continue;
            rest = (unsigned char)(rest - 2);
            code[have++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ARGUMENT(arg));
            unsigned short test = rule->args[arg] >> 32 ? BPF_JGE : BPF_JEQ;
            code[have++] = (struct sock_filter)BPF_JUMP(BPF_JMP | test | BPF_K, (unsigned)rule->args[arg], 0, rest);
        }
        code[have++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, rule->action);
    }
    code[have++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {(unsigned short)have, code};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static void supervise(int listener, const struct supervisor *supervisor)
{
    /* Whoever waits for the end of the caller by a socket or pipe must not wait for this process, which may outlive it: a caller that
     * has given up its rights ends without a parent-death signal to a process of root's. */
    for (int fd = 3; fd < 1024; fd++)
        if (fd != listener)
            close(fd);
    for (unsigned number = 0;;) {
        struct seccomp_notif asked;
        memset(&asked, 0, sizeof asked);
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0) {
            if (errno == EINTR || errno == ENOENT) /* the thread that asked has gone */
                continue;
            _exit(0);
        }
        if (supervisor->look)
            supervisor->look((pid_t)asked.pid);
        struct seccomp_notif_resp answer = {.id = asked.id};
        bool counts = (!supervisor->only || (pid_t)asked.pid == supervisor->only) && (!supervisor->when || *supervisor->when);
        number += counts;
        if (counts && number >= supervisor->first && (!supervisor->many || number < supervisor->first + supervisor->many)) {
            if (!supervisor->error && !supervisor->result)
                continue;
            answer.error = -supervisor->error;
            answer.val = supervisor->result;
        } else {
            answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        }
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) < 0 && errno != ENOENT)
            _exit(0);
    }
}

pid_t seccomp_supervised(const struct rule *rules, size_t len, unsigned flags, const struct supervisor *supervisor)
{
    /* The supervisor is not under the filter. It has the table of descriptors in common with its parent until it has the listener. */
    enum { NONE = -2 };
    volatile int *shared_number = mmap(NULL, sizeof *shared_number, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared_number == MAP_FAILED)
        return -1;
    *shared_number = NONE;
    pid_t pid = fork_with(CLONE_FILES);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (*shared_number == NONE)
            usleep(100);
        int listener = *shared_number;
        if (listener < 0 || unshare(CLONE_FILES) < 0)
            _exit(1);
        *shared_number = NONE;
        supervise(listener, supervisor);
    }
    if (pid < 0)
        return -1;
    int listener = seccomp_rules(rules, len, flags | SECCOMP_FILTER_FLAG_NEW_LISTENER);
    *shared_number = listener;
    if (listener < 0)
        return -1;
    while (*shared_number != NONE)
        usleep(100);
    close(listener);
    return pid;
}
