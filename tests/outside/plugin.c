/* A copy of the static library inside a plug-in that is loaded, used and unloaded: the code that the kernel and the C library call
 * by address (a signal handler, a destructor of thread-specific data) must stay mapped. */

#include "outside.h"

#include <dlfcn.h>
#include <ec_security.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[4096];

/* plugin_so.c's functions: a status, and its message in `message`. */
typedef int call(char *message, size_t len);

static void *loaded(const char *name, call **function)
{
    void *handle = dlopen(path, RTLD_NOW);
    *function = handle ? (call *)(uintptr_t)dlsym(handle, name) : NULL;
    if (!*function) {
        report(-1, dlerror());
        pause();
    }
    return handle;
}

static void drops_again_and_again(void *unused)
{
    (void)unused;
    idle_threads(50);
    ready();
    for (int round = 0; round < 200; round++) {
        char message[1024];
        call *drop;
        void *handle = loaded("plugin_drop", &drop);
        int status = drop(message, sizeof message);
        if (status) {
            report(status, message);
            return;
        }
        dlclose(handle);
    }
    report(0, "");
}

static void *fails_and_unloads(void *message)
{
    call *raise_unknown;
    void *handle = loaded("plugin_fail", &raise_unknown);
    int status = raise_unknown(message, 1024);
    dlclose(handle);
    return (void *)(intptr_t)status;
}

static void fails_in_a_thread(void *unused)
{
    (void)unused;
    ready();
    char message[1024];
    pthread_t thread;
    void *status;
    if (pthread_create(&thread, NULL, fails_and_unloads, message) || pthread_join(thread, &status)) {
        report(-1, "no thread");
        return;
    }
    report((int)(intptr_t)status, message);
}

static void drops(void *unused)
{
    (void)unused;
    struct answer *answer = release_and_wait(start(drops_again_and_again, NULL));
    expect(answer->came && answer->status == 0, "200 drops by a plug-in: %d %s", answer->status, answer->text);
}

static void fails(void *unused)
{
    (void)unused;
    struct answer *answer = release_and_wait(start(fails_in_a_thread, NULL));
    expect(answer->came && answer->status == EC_SECURITY_ESYNTAX && strstr(answer->text, "cap_no_such"),
           "a failure in a plug-in: %d %s", answer->status, answer->text);
}

int main(int argc, char **argv)
{
    select_cases(argc, argv);
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - sizeof "_so.so");
    if (len < 0)
        return 70;
    snprintf(path + len, sizeof "_so.so", "_so.so");
    test("a plug-in drops and is unloaded, 200 times", 60, drops, NULL);
    test("a plug-in fails and is unloaded before its thread ends", 20, fails, NULL);
    return finish();
}
