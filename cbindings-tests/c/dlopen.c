/* As drop.c, through dlopen(3): for a server that must also start where the library is not installed.
 *
 *     cc -pthread dlopen.c $(pkg-config --cflags ec_security) -ldl */
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <ec_security.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The name with the 0: what is behind it will always take these calls. Without it, it is for those who compile. */
#define LIBRARY "libec_security.so.0"

/* The types are the header's, so that the compiler checks the calls (C23 and GNU C: typeof would do it as well). */
static int (*apply)(const char *user, const char *group, const char *caps_text);
static const char *(*last_error)(void);
static const char *(*strerror_of)(int status);

static int load(void)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return 0;
    /* By way of a pointer to the pointer: ISO C has no conversion from void * to a function, POSIX promises that it works. */
    *(void **)(&apply) = dlsym(library, "ec_security_apply");
    *(void **)(&last_error) = dlsym(library, "ec_security_last_error");
    *(void **)(&strerror_of) = dlsym(library, "ec_security_strerror");
    return apply && last_error && strerror_of;
}

static void *wait_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

static const char *or_null(const char *arg) { return strcmp(arg, "-") == 0 ? NULL : arg; }

int main(int argc, char **argv)
{
    int status, i;
    pthread_t thread;

    if (argc != 4) {
        fprintf(stderr, "usage: %s USER GROUP CAPS, - for NULL; Enter drops, once more Enter ends\n", argv[0]);
        return 2;
    }
    for (i = 0; i < 3; i++)
        if (pthread_create(&thread, NULL, wait_for_ever, NULL) != 0)
            return 2;
    puts("ready");
    fflush(stdout);
    getchar();

    if (!load()) {
        printf("refused: %s\n", dlerror());
        return 2;
    }
    status = apply(or_null(argv[1]), or_null(argv[2]), or_null(argv[3]));
    if (status == EC_SECURITY_OK)
        puts("dropped");
    else
        printf("refused: %s: %s\n", strerror_of(status), last_error());
    fflush(stdout);
    getchar();
    return status == EC_SECURITY_OK ? 0 : 1;
}
