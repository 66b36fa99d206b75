/* memory.h: the system of the striped algorithms, for the explorer: blocks that a script may have used up,
 * and freed blocks that are given out again. */
#ifndef MEMORY_H
#define MEMORY_H

#include "ax_stripe.h"

extern const ax_stripe_system memory_system;

/* All blocks are free and zero, so many of them may be used, and so many stripes are wanted. */
void memory_reset(int blocks, size_t stripes);
int memory_in_use(void); /* how many blocks */

#endif
