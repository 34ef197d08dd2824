/* What no_regain executes from a file system that honours set-uid: says what it is, and waits until its standard input ends. It
 * links nothing but libc, so that it runs with AT_SECURE too. */

#define _GNU_SOURCE
#include <linux/capability.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
    uid_t r, e, s;
    gid_t gr, ge, gs;
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    if (getresuid(&r, &e, &s) || getresgid(&gr, &ge, &gs) || syscall(SYS_capget, &header, data))
        return 1;
    printf("uid %u %u %u %u gid %u %u %u %u permitted %08x%08x effective %08x%08x secure %lu\n", r, e, s,
           (unsigned)setfsuid((uid_t)-1), gr, ge, gs, (unsigned)setfsgid((gid_t)-1), data[1].permitted, data[0].permitted,
           data[1].effective, data[0].effective, getauxval(AT_SECURE));
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0)
        ;
    return 0;
}
