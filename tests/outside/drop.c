/* The one call, seen from outside: what it does by default, and that a refusal changes nothing. */

#include "outside.h"

#include <ec_security.h>
#include <stdio.h>

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
    if (!need_ids())
        return;
    struct request request = {"ecuser", "ecuser", "cap_net_bind_service+ep"};
    struct child *child = start(applies, &request);
    struct process *before = look(child->pid);
    struct answer *answer = release_and_wait(child);
    expect(answer->came && answer->status == EC_SECURITY_OK, "apply: %d %s", answer->status, answer->text);
    struct thread want = after_drop(&before->threads[0], ECUSER_UID, ECUSER_GID, ECUSER_GROUPS, 3, BIT(10), BIT(10), 0);
    expect_threads(look(child->pid), &want, FIELDS_ALL, 4);
}

static void refuses(void *unused)
{
    (void)unused;
    struct request request = {"no-such-user-here", NULL, NULL};
    struct child *child = start(applies, &request);
    struct process *before = look(child->pid);
    struct answer *answer = release_and_wait(child);
    expect(answer->came && answer->status == EC_SECURITY_EUSER, "apply: %d %s", answer->status, answer->text);
    expect_unchanged(before, look(child->pid));
}

int main(int argc, char **argv)
{
    select_cases(argc, argv);
    if (!private_users())
        perror("private_users");
    test("apply drops every thread", 20, drops, NULL);
    test("apply refuses an unknown user and changes nothing", 20, refuses, NULL);
    return finish();
}
