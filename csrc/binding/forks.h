/* forks.h: distinguishes a process from the one that it was forked from, whoever forked it. */
#ifndef AX_FORKS_H
#define AX_FORKS_H

#include <stdbool.h>
#include <stdint.h>

/* Begins to count forks. Once per process is enough; more often does no harm. False with MemoryError. */
bool forks_watch(void);

/* The number of forks between the process that began to count and this one: different in each process of a
 * line of forks. Wait-free. */
uint64_t fork_number(void);

#endif
