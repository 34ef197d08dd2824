/* Allocation functions that ask the program that includes this whether a call is refused, which may also count it. A program's own
 * come before glibc's, for the library and for glibc too; glibc keeps its own under other names for just this. */

#ifndef OWN_MALLOC_H
#define OWN_MALLOC_H

#include "outside.h"

#include <errno.h>

static bool memory_refused(void);

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

void *malloc(size_t size) { return memory_refused() ? no_memory() : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return memory_refused() ? no_memory() : __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { return memory_refused() ? no_memory() : __libc_realloc(old, size); }
void *memalign(size_t align, size_t size);
void *memalign(size_t align, size_t size) { return memory_refused() ? no_memory() : __libc_memalign(align, size); }
void *aligned_alloc(size_t align, size_t size) { return memalign(align, size); }

/* It leaves errno alone (posix_memalign(3)). */
int posix_memalign(void **out, size_t align, size_t size)
{
    int saved = errno;
    void *got = memalign(align, size);
    errno = saved;
    if (!got)
        return ENOMEM;
    *out = got;
    return 0;
}

#endif
