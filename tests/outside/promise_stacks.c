/* Alternate signal stacks of every size that the kernel takes, and callers on stacks whose bottom is nothing: no byte below a stack is
 * written, and no stack is walked. */

#include "policy_of.h"
#include "seccomp.h"
#include "situations.h"

#include <alloca.h>
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define LEN(array) (sizeof(array) / sizeof *(array))
#define BELOW (64 * 1024)
#define CANARY 0x5a

static void takes_it(int signal) { (void)signal; }

/* Whether the kernel can put the frame of a signal on a stack of this size: tried, since it depends on the registers in use, and
 * AT_MINSIGSTKSZ is what it may come to. */
static bool takes_a_signal(size_t size)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        stack_t stack = {.ss_sp = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), .ss_size = size};
        struct sigaction action = {.sa_handler = takes_it, .sa_flags = SA_ONSTACK};
        if (sigaltstack(&stack, NULL) || sigaction(SIGUSR1, &action, NULL))
            _exit(1);
        raise(SIGUSR1);
        _exit(0);
    }
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status == 0;
}

static size_t smallest(void)
{
    size_t size = 2048; /* the least that sigaltstack(2) takes on some architectures */
    while (!takes_a_signal(size))
        size += 64;
    return size;
}

enum { CANARIES, GUARD, NESTED, KINDS };

static struct {
    size_t size;
    int kind;
} stacks[192];
static struct situation sizes[LEN(stacks)];
static char *area; /* shared with the parent: BELOW bytes, the stack above them */

static void *has_a_stack(void *unused)
{
    (void)unused;
    size_t at = (size_t)(current - sizes);
    stack_t stack = {.ss_sp = area + BELOW, .ss_size = stacks[at].size};
    require(sigaltstack(&stack, NULL) == 0, "sigaltstack");
    shared->flag = 1;
    return wait_forever();
}

static void make_stack(void)
{
    size_t at = (size_t)(current - sizes);
    area = mmap(NULL, BELOW + stacks[at].size + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require(area != MAP_FAILED, "mmap");
    memset(area, CANARY, BELOW + stacks[at].size);
    require(stacks[at].kind != GUARD || mprotect(area, BELOW, PROT_NONE) == 0, "mprotect");
    thread_beside(2, has_a_stack, NULL);
}

/* On the alternate stack already, in a handler that has left this much of it. */
static void *volatile lowest;

__attribute__((noinline)) static void handler_goes_deep(int signal)
{
    char here;
    size_t left = stacks[current - sizes].size, used = (size_t)(&here - (area + BELOW));
    (void)signal;
    lowest = alloca(used > left ? used - left : 1);
    shared->flag = 1;
    for (;;)
        pause();
}

#define NESTED_STACK (64 * 1024)

static void *is_on_its_stack(void *unused)
{
    stack_t stack = {.ss_sp = area + BELOW, .ss_size = NESTED_STACK};
    struct sigaction action = {.sa_handler = handler_goes_deep, .sa_flags = SA_ONSTACK};
    require(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0, "sigaltstack");
    raise(SIGUSR1);
    return unused;
}

static void make_nested(void)
{
    area = mmap(NULL, BELOW + NESTED_STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    require(area != MAP_FAILED, "mmap");
    memset(area, CANARY, BELOW);
    thread_beside(2, is_on_its_stack, NULL);
}

static void nothing_below(void)
{
    size_t at = (size_t)(current - sizes);
    for (size_t byte = 0; byte < BELOW && stacks[at].kind != GUARD; byte++)
        if (area[byte] != CANARY) {
            complain("%zu bytes below a stack of %zu were written (kind %d)", BELOW - byte, stacks[at].size, stacks[at].kind);
            return;
        }
}

/* --- callers ----------------------------------------------------------------------------------------------------------------- */

static ucontext_t back, coroutine;

static void goes_through(void)
{
    go_through();
    for (;;)
        pause();
}

static void on_coroutine(size_t size)
{
    idle_threads(2);
    require(getcontext(&coroutine) == 0, "getcontext");
    coroutine.uc_stack.ss_sp = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    coroutine.uc_stack.ss_size = size;
    coroutine.uc_link = &back;
    makecontext(&coroutine, goes_through, 0);
    swapcontext(&back, &coroutine);
}

static void coroutine_of_32k(void) { on_coroutine(32 * 1024); }
static void coroutine_of_256k(void) { on_coroutine(256 * 1024); }

/* Where a test knows how to change stacks without a call. */
#if defined(__x86_64__) || defined(__aarch64__)
#define BARE_STACKS 1
/* What stands where the function's return address is to be looked for: it is never used. */
static void on_bare_stack(unsigned long word)
{
    size_t size = 256 * 1024;
    char *stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    unsigned long *top = (unsigned long *)(stack + size - 64);
    require(stack != MAP_FAILED, "mmap");
    idle_threads(2);
    top[-1] = top[-2] = 0;
    top[-3] = word;
#if defined(__x86_64__)
    __asm__ volatile("xor %%ebp, %%ebp\n\tmov %0, %%rsp\n\tjmp *%1" ::"r"(top - 3), "r"(goes_through) : "memory");
#else
    __asm__ volatile("mov x29, xzr\n\tmov x30, %2\n\tmov sp, %0\n\tbr %1" ::"r"(top - 4), "r"(goes_through), "r"(word)
                     : "memory");
#endif
    __builtin_unreachable();
}

static void bottom_0(void) { on_bare_stack(0); }
static void bottom_1(void) { on_bare_stack(1); }
static void bottom_far(void) { on_bare_stack(0xdeadbeef); }
static void bottom_wild(void) { on_bare_stack(0xa5a5a5a5a5a5a5a5ul); }
#endif

/* --- how much of its stack a caller needs ------------------------------------------------------------------------------------ */

#define STACK_OF_CALLER (256 * 1024)

static ec_security_policy *by_number;

static int applies_three(void) { return ec_security_apply("+4713", "+4714", "cap_net_bind_service+ep"); }
static int applies_policy(void) { return ec_security_policy_apply(by_number); }
static int checks_policy(void) { return ec_security_policy_check(by_number); }

static const struct need {
    const char *name;
    int (*call)(void);
    unsigned documented; /* ec_security_apply(3) and ec_security_policy(3), in bytes */
} needs[] = {{"ec_security_apply", applies_three, 20 * 1024},
             {"ec_security_policy_apply", applies_policy, 20 * 1024},
             {"ec_security_policy_check", checks_policy, 32 * 1024}};

/* What the caller is beside, for each of them. */
enum { PLAIN, FILTERED, REFUSED_BY_FILTER, NOT_HELD, DEAF_THREAD, SURROUNDINGS };
static const char *const surroundings[] = {"", ", under a filter", ", refused by a filter",
                                           ", without a capability that it is to keep",
                                           ", beside a thread that blocks the signal"};
static volatile int is_deaf;

struct measurement {
    const struct need *need;
    int beside, status;
    unsigned bytes;
    char *stack;
};

/* What is below this function is filled before the call, and looked at after it. */
static void *calls_on_a_known_stack(void *arg)
{
    struct measurement *it = arg;
    volatile char *low = it->stack, *here = __builtin_frame_address(0), *high = here - 512;
    for (volatile char *at = low; at < high; at++)
        *at = CANARY;
    it->status = it->need->call();
    while (low < high && *low == CANARY)
        low++;
    it->bytes = (unsigned)(here - low);
    return NULL;
}

static void *blocks_the_signal(void *unused)
{
    (void)unused;
    uint64_t mask = UINT64_MAX;
    if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8))
        _exit(81);
    is_deaf = 1;
    return wait_forever();
}

static void measures(void *arg)
{
    static const char *const options[][2] = {{"supplemental_groups", "4715 4716"},
                                             {"user", "+4713"},
                                             {"group", "+4714"},
                                             {"capabilities", "cap_net_bind_service,cap_kill+ep"},
                                             {"ambient", "cap_kill"},
                                             {"chroot", "/mnt"},
                                             {"securebits", "noroot"},
                                             {"dumpable", "on"},
                                             {"parent_death_signal", "keep"},
                                             {"deadline", "0.3"}};
    struct measurement *it = arg;
    pthread_t made;
    pthread_attr_t attr;
    idle_threads(20);
    by_number = ec_security_policy_new();
    for (size_t at = 0; at < LEN(options); at++)
        if (ec_security_policy_set(by_number, options[at][0], options[at][1]) != EC_SECURITY_OK)
            _exit(82);
    if (it->beside == DEAF_THREAD) {
        thread(blocks_the_signal, NULL);
        wait_for(&is_deaf, 1);
    }
    if (it->beside == NOT_HELD && !give_up_caps(BIT(CAP_NET_BIND_SERVICE)))
        _exit(83);
    if (it->beside == FILTERED || it->beside == REFUSED_BY_FILTER)
        filter(it->beside == FILTERED ? SYS_uname : SYS_capset, -1, FAILS_WITH(EPERM), true);
    it->stack = mmap(NULL, STACK_OF_CALLER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pthread_attr_init(&attr);
    ready();
    if (it->stack == MAP_FAILED || pthread_attr_setstack(&attr, it->stack, STACK_OF_CALLER) ||
        pthread_create(&made, &attr, calls_on_a_known_stack, it) || pthread_join(made, NULL))
        _exit(84);
    char text[32];
    snprintf(text, sizeof text, "%u", it->bytes);
    report(it->status, text);
}

static void stack_is_as_documented(void *arg)
{
    if (!need_ids())
        return;
    for (int beside = 0; beside < SURROUNDINGS; beside++) {
        struct measurement it = {.need = arg, .beside = beside};
        struct child *child = start(measures, &it);
        struct answer *answer = child ? release_and_wait(child) : NULL;
        if (!answer || !expect(answer->came, "%s%s: %s", it.need->name, surroundings[beside], answer->text))
            return;
        unsigned bytes = (unsigned)strtoul(answer->text, NULL, 10);
        printf("    %s%s: status %d, %u bytes of stack\n", it.need->name, surroundings[beside], answer->status, bytes);
        expect((answer->status == EC_SECURITY_OK) == (beside == PLAIN || beside == FILTERED), "%s%s: status %d", it.need->name,
               surroundings[beside], answer->status);
        expect(bytes > 1024 && bytes <= it.need->documented, "%s%s needs %u bytes of stack, and %u are documented", it.need->name,
               surroundings[beside], bytes, it.need->documented);
    }
}

void promise_of_stacks(void)
{
    size_t many = 0, frame = smallest();
    for (int kind = 0; kind < KINDS; kind++)
        for (size_t more = 0; more <= 12288 && many < LEN(stacks); more += more < 5120 ? 128 : 1024, many++) {
            stacks[many].size = frame + more + (kind == NESTED ? 256 : 0);
            stacks[many].kind = kind;
            /* A page more than the kernel's own need is enough. */
            sizes[many] = (struct situation){.name = "a thread has an alternate stack of its own",
                                             .make = kind == NESTED ? make_nested : make_stack,
                                             .then = nothing_below,
                                             .outcomes = more >= 4096 ? DONE : DONE | REFUSED,
                                             .status = EC_SECURITY_ETHREAD,
                                             .threads = 4};
        }
    situations_unlisted("alternate stacks of every size, with and without a guard page, and with a handler on them", 120, sizes,
                        many);

    static const struct situation callers[] = {
        SITUATION("the caller is a coroutine with a stack of 32 KiB", .body = coroutine_of_32k, .outcomes = DONE, .threads = 3),
        SITUATION("the caller is a coroutine with a stack of 256 KiB", .body = coroutine_of_256k, .outcomes = DONE, .threads = 3),
#ifdef BARE_STACKS
        SITUATION("the caller's stack ends with 0 for a return address", .body = bottom_0, .outcomes = DONE, .threads = 3),
        SITUATION("the caller's stack ends with 1 for a return address", .body = bottom_1, .outcomes = DONE, .threads = 3),
        SITUATION("the caller's stack ends with an address where nothing is", .body = bottom_far, .outcomes = DONE, .threads = 3),
        SITUATION("the caller's stack ends with no address at all", .body = bottom_wild, .outcomes = DONE, .threads = 3),
#endif
    };
    for (size_t at = 0; at < LEN(callers); at++)
        situation(&callers[at]);
    for (size_t at = 0; at < LEN(needs); at++) {
        char name[96];
        snprintf(name, sizeof name, "the stack that a caller of %s needs is as documented", needs[at].name);
        test(name, 60, stack_is_as_documented, (void *)&needs[at]);
    }
}
