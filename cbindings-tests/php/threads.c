/* Threads for runtimes that have none: what a library that such a program loads may start behind its back (a resolver, a
 * message queue). They compute and wait, and never rest. Linked -z nodelete: PHP unloads what it has loaded when it ends. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>

#define MOST 16

int threads_start(int n);
uint64_t threads_done(int number);
int threads_listen(int number, int port);

static struct worker {
    int number;
    uint64_t done;
    int port;   /* to listen on, or 0 */
    int answer; /* 0, an errno, or -1 while there is none */
} workers[MOST];

/* On a port of 127.0.0.1, for as long as the process lives. 0 or the errno. */
static int listen_on(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 5) < 0)
        return errno;
    return 0;
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    for (;;) {
        for (volatile int n = 0; n < 100000; n++)
            ;
        if (worker->number % 2)
            poll(NULL, 0, 1);
        __atomic_fetch_add(&worker->done, 1, __ATOMIC_SEQ_CST);
        int port = __atomic_exchange_n(&worker->port, 0, __ATOMIC_SEQ_CST);
        if (port)
            __atomic_store_n(&worker->answer, listen_on(port), __ATOMIC_SEQ_CST);
    }
    return NULL;
}

/* Starts n threads; 0, or what pthread_create returned. */
int threads_start(int n)
{
    for (int number = 0; number < n && number < MOST; number++) {
        pthread_t thread;
        workers[number].number = number;
        int error = pthread_create(&thread, NULL, work, &workers[number]);
        if (error)
            return error;
        pthread_detach(thread);
    }
    return 0;
}

/* How often a thread has gone round. */
uint64_t threads_done(int number) { return __atomic_load_n(&workers[number].done, __ATOMIC_SEQ_CST); }

/* Has a thread listen on a port; 0 or the errno. */
int threads_listen(int number, int port)
{
    __atomic_store_n(&workers[number].answer, -1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&workers[number].port, port, __ATOMIC_SEQ_CST);
    int answer;
    while ((answer = __atomic_load_n(&workers[number].answer, __ATOMIC_SEQ_CST)) < 0)
        poll(NULL, 0, 1);
    return answer;
}
