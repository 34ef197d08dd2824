/* The one call, seen from outside: what it does by default, and that a refusal changes nothing. */

#include "outside.h"

#include <ec_security.h>

struct request {
    const char *user, *group, *caps;
};

static void applies(void *arg)
{
    const struct request *request = arg;
    idle_threads(3);
    ready();
    report(ec_security_apply(request->user, request->group, request->caps), ec_security_last_error());
}

static void drops(void *unused)
{
    (void)unused;
    struct request request = {"ecuser", "ecuser", "cap_net_bind_service+ep"};
    struct child *child = start_with_ids(applies, &request);
    if (!child)
        return;
    release_and_expect(child, EC_SECURITY_OK);
    struct thread want = after_drop(&child->before->threads[0], ECUSER_UID, ECUSER_GID, ECUSER_GROUPS, 3, BIT(10), BIT(10), 0);
    expect_threads(look(child->pid), &want, FIELDS_ALL, 4);
}

static void refuses(void *unused)
{
    (void)unused;
    struct request request = {"no-such-user-here", NULL, NULL};
    struct child *child = start(applies, &request);
    struct process *before = look(child->pid);
    release_and_expect(child, EC_SECURITY_EUSER);
    expect_unchanged(before, look(child->pid));
}

int main(int argc, char **argv)
{
    select_cases(argc, argv);
    try_private_users();
    test("apply drops every thread", 20, drops, NULL);
    test("apply refuses an unknown user and changes nothing", 20, refuses, NULL);
    return finish();
}
