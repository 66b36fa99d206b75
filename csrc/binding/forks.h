/* forks.h: tells a process from the one that it was forked from, whoever forked it. */
#ifndef AX_FORKS_H
#define AX_FORKS_H

#include <stdbool.h>
#include <stdint.h>

/* Begins to count; once per process is enough, more often does no harm. False with MemoryError. */
bool forks_watch(void);

/* How many forks lie between this process and the one that began to count: another number in each process of
 * a line of forks. Wait-free. */
uint64_t fork_number(void);

#endif
