/* memory.h: the memory system of the striped algorithms, for the explorer. A script can limit how many blocks
 * there are, and freed blocks are given out again. */
#ifndef MEMORY_H
#define MEMORY_H

#include "ax_stripe.h"

extern const ax_stripe_system memory_system;

/* Frees and zeroes all blocks; sets how many of them may be used, and how many stripes are wanted. */
void memory_reset(int blocks, size_t stripes);
int memory_in_use(void); /* how many blocks */

#endif
