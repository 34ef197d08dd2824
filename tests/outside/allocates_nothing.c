/* Capability texts are read and written without the heap: every way to it is counted here, the library's calls too. So are
 * those of ec_security_raise() and _lower(), which may be called from signal handlers. */

#include "outside.h"
#include "own_malloc.h"

#include <ec_security.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long calls;

static bool memory_refused(void)
{
    calls++;
    return false;
}

void __libc_free(void *);
void free(void *old)
{
    if (old)
        calls++;
    __libc_free(old);
}

static void counts(void *unused)
{
    (void)unused;
    unsigned long before = calls;
    ec_security_policy *policy = ec_security_policy_new();
    expect(policy != NULL, "%s", ec_security_last_error());
    expect(calls > before, "a policy is on the heap, and yet nothing was counted");
    before = calls;
    ec_security_policy_free(policy);
    expect(calls > before, "a policy was freed, and nothing was counted");
}

static const char *const good[] = {
    "",
    " \t\n",
    "=",
    "cap_net_bind_service+ep",
    "CAP_NET_ADMIN,cap_net_raw=eip cap_sys_admin-ep all=+p-e",
    "0,0x3f,077,41=p =ep cap_chown-ep",
    "=eip",
};

static void reads(void *unused)
{
    (void)unused;
    struct ec_security_caps caps;
    char text[2048];
    int status = 0;
    unsigned long before = calls;
    for (size_t at = 0; at < sizeof good / sizeof *good; at++) {
        status |= ec_security_caps_from_text(good[at], &caps);
        status |= ec_security_caps_to_text(&caps, text, sizeof text) < 0;
        status |= ec_security_caps_to_text(&caps, text, 5) < 0;
        status |= ec_security_caps_to_text(&caps, NULL, 0) < 0;
    }
    unsigned long during = calls - before;
    expect(status == 0, "%s", ec_security_last_error());
    expect(during == 0, "%lu calls of malloc and its kin", during);
}

/* A text of a megabyte: no copy is made of it. */
static void reads_a_long_one(void *unused)
{
    (void)unused;
    static char text[(1 << 20) + 1];
    static const char clause[] = "cap_net_bind_service,41+ep-i ";
    size_t len = sizeof clause - 1;
    memset(text, ' ', sizeof text - 1);
    for (size_t at = 0; at + len < sizeof text; at += len)
        memcpy(text + at, clause, len);
    struct ec_security_caps caps;
    unsigned long before = calls;
    int status = ec_security_caps_from_text(text, &caps);
    unsigned long during = calls - before;
    expect(status == EC_SECURITY_OK, "%s", ec_security_last_error());
    expect(caps.effective == (BIT(10) | BIT(41)) && caps.permitted == caps.effective && !caps.inheritable, "other sets");
    expect(during == 0, "%lu calls of malloc and its kin", during);
}

static void raises(void *unused)
{
    (void)unused;
    unsigned long before = calls;
    int status = ec_security_lower("cap_kill+e");
    status |= ec_security_raise("cap_kill+e");
    unsigned long during = calls - before;
    expect(status == 0, "%s", ec_security_last_error());
    expect(during == 0, "%lu calls of malloc and its kin", during);
}

static void refuses(void *unused)
{
    (void)unused;
    static const char *const bad[] = {"cap_net_bnd_service+ep", "cap_kill", "64=p", "cap_kill=\xff", "08=p", "+ep"};
    struct ec_security_caps caps;
    int accepted = 0;
    unsigned long before = calls;
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++) {
        accepted += ec_security_caps_from_text(bad[at], &caps) == EC_SECURITY_OK;
        accepted += strlen(ec_security_last_error()) == 0;
    }
    unsigned long during = calls - before;
    expect(accepted == 0, "%d accepted, or refused without a word", accepted);
    expect(during == 0, "%lu calls of malloc and its kin", during);
}

int main(int argc, char **argv)
{
    select_cases(argc, argv);
    /* First, so that whatever a first call sets up is seen too. */
    test("no allocation: texts are read and written", 10, reads, NULL);
    test("no allocation: a megabyte of text", 10, reads_a_long_one, NULL);
    test("no allocation: raise and lower", 10, raises, NULL);
    test("no allocation: texts are refused, with a message", 10, refuses, NULL);
    test("no allocation: what is on the heap is counted", 10, counts, NULL);
    return finish();
}
