/* segment_process.h: how this process identifies itself to others that have a segment mapped, and which of
 * them are alive.
 *
 * The epoch numbers the processes of a line of forks: it is different in each child, whoever forked it, and
 * stays the same as long as a process lives. It is on a page that the system clears in a fork
 * (MADV_WIPEONFORK); where the system cannot, a pthread_atfork handler clears it.
 *
 * A process is alive if there is a process with its pid (kill) that is not a zombie and has the same start
 * time (/proc). Nothing can be known about a process in another pid namespace, so it counts as alive. Without
 * /proc, a process with a reused pid is taken for the process that had the pid before.
 *
 * Windows has a process.h, which its Python.h includes, so this file cannot have that name.
 */
#ifndef AX_SEGMENT_PROCESS_H
#define AX_SEGMENT_PROCESS_H

#define AX_SHARED_MEMORY
#include "ax_py.h"

#include "ax_segment.h"

#if defined(_WIN32)
#define AX_HAS_SEGMENTS 0
#else
#define AX_HAS_SEGMENTS AX_WORD_IS_LOCK_FREE
#endif

/* Atomic: 0 right after a fork. The pointer is immutable once there is a page. */
extern ax_word *process_epoch_word;

/* Allocates the page, once per process; false with MemoryError. */
bool process_start(void);

/* Gives this process its epoch. */
uint64_t process_epoch_begin(void);

/* The epoch of this process, at most 48 bits. Wait-free. */
AX_INLINE uint64_t process_epoch(void)
{
    uint64_t epoch = ax_word_load(process_epoch_word);
    return epoch != 0 ? epoch : process_epoch_begin();
}

/* This process. Asks the system once per epoch, which takes some ten microseconds. */
ax_process process_self(void);

typedef enum { PROCESS_DEAD, PROCESS_ALIVE, PROCESS_UNSURE } process_state;

/* What can be determined without /proc, in less than a microsecond. UNSURE: there is a process with its
 * pid. */
process_state process_look(const ax_process *process);

/* Asks /proc too, which takes some ten microseconds. */
bool process_is_alive(const ax_process *process);

/* The word in which this process keeps its claim to a stripe of a file, one for all mappings of the file.
 * NULL with MemoryError. */
ax_word *process_claim_of(uint64_t device, uint64_t inode, const uint64_t id[2]);

#endif
