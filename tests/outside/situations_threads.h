/* What the situations that other threads make have in common. */

#ifndef SITUATIONS_THREADS_H
#define SITUATIONS_THREADS_H

#include "situations.h"

/* So many that the library signals them by guessing their numbers, without reading the task directory first. */
#define MANY_IDLE 20

void *waits(void *tid); /* a thread that writes its number there, counts itself in shared->count, and waits */
void *ends(void *unused);
void make_vfork_for_a_while(void);

#endif
