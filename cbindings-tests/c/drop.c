/* The one call in a program with threads: drop USER GROUP CAPS, where "-" stands for NULL.
 *
 *     cc -pthread drop.c $(pkg-config --cflags --libs ec_security) */
#define _POSIX_C_SOURCE 200809L
#include <ec_security.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
    getchar(); /* whoever looks from outside has looked */

    status = ec_security_apply(or_null(argv[1]), or_null(argv[2]), or_null(argv[3]));
    if (status == EC_SECURITY_OK)
        puts("dropped");
    else
        printf("refused: %s: %s\n", ec_security_strerror(status), ec_security_last_error());
    fflush(stdout);
    getchar();
    return status == EC_SECURITY_OK ? 0 : 1;
}
