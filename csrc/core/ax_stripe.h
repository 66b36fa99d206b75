/* ax_stripe.h: memory that threads write side by side, each on cache lines of its own.
 *
 * How to use. A counter begins with its own cells. When two threads contend for them, it calls
 * ax_stripes_ensure, and from then on each thread writes in the stripe that its number picks. A reader adds
 * up the stripes. So what is written must be a sum, in which the order does not matter.
 *
 * Cost. Nothing until the first contention, then one block. Two threads may share a stripe, so a write is
 * still a compare-and-swap, but on a line that other threads hardly ever write.
 *
 * Publication. The block is filled with zeros, and then published by a compare-and-swap from NULL. The loser
 * of that race frees its own block, which no other thread has seen. A published block stays until the owner
 * is freed, so a thread that found it may write to it for as long as the owner lives.
 */
#ifndef AX_STRIPE_H
#define AX_STRIPE_H

#include <stddef.h>

#include "ax_atomic.h"

#define AX_MAX_STRIPES 128
#define AX_CACHE_LINE 64

typedef struct {
    void *block;  /* immutable after creation: what the allocator returned, to be freed */
    char *start;  /* immutable after creation: the first stripe, aligned to a cache line */
    size_t size;  /* immutable after creation: the size of a stripe in bytes, whole cache lines */
    size_t count; /* immutable after creation: the number of stripes, a power of two */
} ax_stripes;

/* How to allocate and release stripes, and how many are wanted. stripe_count is called once per owner, when
 * it is first contended. allocate returns NULL if there is no memory; the owner then goes on with what it
 * has. */
typedef struct {
    void *(*allocate)(size_t size);
    void (*release)(void *block);
    size_t (*stripe_count)(void);
} ax_stripe_system;

/* A size in bytes, rounded up to whole cache lines; an address, rounded up to the start of one.
 *   requires size <= SIZE_MAX - AX_CACHE_LINE
 *   ensures returned >= size && returned - size < AX_CACHE_LINE && returned % AX_CACHE_LINE == 0 */
AX_INLINE size_t ax_cache_lines(size_t size)
{
    AX_ASSERT(size <= SIZE_MAX - AX_CACHE_LINE);
    return (size + AX_CACHE_LINE - 1) / AX_CACHE_LINE * AX_CACHE_LINE;
}

AX_INLINE void *ax_cache_line_start(void *address)
{
    return (void *)(((uintptr_t)address + AX_CACHE_LINE - 1) / AX_CACHE_LINE * AX_CACHE_LINE);
}

/* The words of a stripe. */
AX_INLINE ax_word *ax_stripe_at(const ax_stripes *stripes, size_t index)
{
    return (ax_word *)(void *)(stripes->start + index * stripes->size);
}

/* The stripe of a thread: every number has one.
 *   requires stripes->count != 0 && (stripes->count & (stripes->count - 1)) == 0
 *   ensures (char *)returned >= stripes->start
 *   ensures (size_t)((char *)returned - stripes->start) % stripes->size == 0
 *   ensures (size_t)((char *)returned - stripes->start) / stripes->size == thread % stripes->count */
AX_INLINE ax_word *ax_stripe_of(const ax_stripes *stripes, uint64_t thread)
{
    AX_ASSERT(stripes->count != 0 && (stripes->count & (stripes->count - 1)) == 0);
    return ax_stripe_at(stripes, (size_t)thread & (stripes->count - 1));
}

/* Returns the stripes in slot, each of `words` words. Makes them if there are none; NULL if there is no
 * memory. Lock-free. Runs no Python code. */
ax_stripes *ax_stripes_ensure(ax_pointer *slot, size_t words, const ax_stripe_system *system);

/* The memory of the stripes in slot, in bytes; 0 if there are none. Wait-free. Runs no Python code. */
size_t ax_stripes_bytes(const ax_pointer *slot);

/* Only for an owner that no other thread can see any longer. */
void ax_stripes_free(ax_pointer *slot, const ax_stripe_system *system);

#endif
