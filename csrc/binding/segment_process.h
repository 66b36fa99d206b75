/* segment_process.h: what this process is to others that have a segment mapped, and which of them are alive.
 *
 * The epoch numbers the processes of a line of forks: it is another one in each child, whoever forked it, and
 * the same for as long as a process lives. It lies on a page that the system empties in a fork
 * (MADV_WIPEONFORK), and pthread_atfork empties it where the system cannot.
 *
 * A process is alive if there is a process with its pid (kill), which is not a zombie and was started when
 * it was (/proc). Of a process in another pid namespace nothing can be known: it counts as alive. Where there
 * is no /proc, a pid that was reused passes for the process that had it before.
 *
 * Windows has a process.h, which its Python.h includes: this file cannot have that name.
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

/* Gets the page, once per process; false with MemoryError. */
bool process_start(void);

/* Gives this process its epoch. */
uint64_t process_epoch_begin(void);

/* Wait-free. At most 48 bits. */
AX_INLINE uint64_t process_epoch(void)
{
    uint64_t epoch = ax_word_load(process_epoch_word);
    return epoch != 0 ? epoch : process_epoch_begin();
}

/* This process. Asks the system once per epoch, some ten microseconds. */
ax_process process_self(void);

typedef enum { PROCESS_DEAD, PROCESS_ALIVE, PROCESS_UNSURE } process_state;

/* What can be said without /proc, in less than a microsecond. UNSURE: there is a process with its pid. */
process_state process_look(const ax_process *process);

/* Asks /proc too: some ten microseconds. */
bool process_is_alive(const ax_process *process);

/* The word in which this process keeps its claim to a stripe of a file, one for all mappings of the file.
 * NULL with MemoryError. */
ax_word *process_claim_of(uint64_t device, uint64_t inode, const uint64_t id[2]);

#endif
