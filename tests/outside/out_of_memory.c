/* What the header says of memory that has run out, where no apply is involved: tests/outside/faults.c has those. */

#include "outside.h"

#include <ec_security.h>
#include <stdlib.h>
#include <string.h>

/* The library's malloc is this one, since a program's own comes first; glibc's is behind it. */
extern void *__libc_malloc(size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_calloc(size_t count, size_t size);

static volatile bool none_left;
static volatile unsigned refused;

void *malloc(size_t size) { return none_left ? (refused++, NULL) : __libc_malloc(size); }
void *realloc(void *old, size_t size) { return none_left ? (refused++, NULL) : __libc_realloc(old, size); }
void *calloc(size_t count, size_t size) { return none_left ? (refused++, NULL) : __libc_calloc(count, size); }

static void makes_policy(void *unused)
{
    (void)unused;
    ready();
    none_left = true;
    ec_security_policy *policy = ec_security_policy_new();
    none_left = false;
    report(policy ? 1 : 0, ec_security_last_error());
    ready();
    policy = ec_security_policy_new();
    int status = ec_security_policy_set(policy, "bounding", "keep");
    ec_security_policy_free(policy);
    report(policy ? status : -1, refused ? "malloc had been asked" : "malloc had not been asked");
}

static void policy_without_memory(void *unused)
{
    (void)unused;
    struct child *child = start(makes_policy, NULL);
    struct answer *answer = release_and_wait(child);
    expect(answer->came && answer->status == 0 && strstr(answer->text, "memory"), "policy_new: %d %s", answer->status,
           answer->text);
    answer = release_and_wait(child);
    expect(answer->came && answer->status == 0 && strcmp(answer->text, "malloc had been asked") == 0, "with memory again: %d %s",
           answer->status, answer->text);
}

int main(int argc, char **argv)
{
    select_cases(argc, argv);
    test("policy_new without memory returns NULL and says why", 30, policy_without_memory, NULL);
    return finish();
}
