/* ax_counter.h: a counter that only counts up, and spreads over stripes once threads contend for it.
 *
 * How to use. Call ax_counter_init, then ax_counter_try_add for every addition. If that returns AX_CONTENDED,
 * call ax_counter_add_striped with a number that differs between threads. ax_counter_load returns the total;
 * ax_counter_drain takes it out. Call ax_counter_free when no other thread can see the counter.
 *
 * Cost. Uncontended, while only one thread counts: one compare-and-swap, and no memory except the struct.
 * Striped: a load from a line that no thread writes, and a compare-and-swap on a line that one thread writes.
 * load and drain read every stripe.
 *
 * Layout. The count lives in cells that only ever grow, in three stages:
 *
 *   first      one cell, until two threads contend for it,
 *   stripes    then one cell per stripe, each on a cache line of its own,
 *   last       then one cell again, once a stripe is full.
 *
 * The top bit of a cell seals it: an addition is a compare-and-swap that fails on a sealed cell and moves on
 * to the next stage. A seal is never removed, and a stage is left for good only when all its cells are
 * sealed. The low 63 bits hold a count modulo 2^63. A drained count is not subtracted from the cells but kept
 * in base, also modulo 2^63:
 *
 *   total = first + stripes + last - base   (mod 2^63),   0 <= total < 2^63.
 *
 * So the total can be any int64 from 0 up, however much has been counted and drained overall.
 *
 * Why no addition leaves the range, and none is refused within it:
 *
 *   - In the first and in the last stage only one cell changes. An addition reads it, then the base, computes
 *     the total, and refuses or swaps. A swap that succeeds proves that the cell did not change, so the total
 *     was right when the base was read; since then the base can only have moved forward, which makes room. A
 *     refusal reads the cell once more, for the same proof: if the cell were stale, a drain might have moved
 *     the base past it, and the difference would not be a total at all.
 *   - The first cell is sealed for striping only while the total is at most 2^62. A stripe holds at most
 *     AX_STRIPE_LIMIT = 2^54, and there are at most AX_MAX_STRIPES = 128 of them, together at most 2^61, so
 *     their sum never needs to be checked. An addition that finds its stripe full seals all stripes, and
 *     counts in the last stage, where the sum of the other cells no longer changes and the check is exact
 *     again.
 *
 * A counter reaches the last stage after 2^54 additions on one stripe (nearly three years at 5 ns each), or
 * with operands of that size, for which one compare-and-swap cell is good enough.
 *
 * Why a load is right. Cells only grow, so their sum, read one by one, lies between the sums at the start and
 * at the end of the reading. The base that is subtracted was read before and after that, and was equal, so it
 * held in between. The result lies between the totals at the start and at the end: an intermediate value
 * (Rinberg and Keidar, "Intermediate Value Linearizability", DISC 2020). A drain moves the base, by
 * compare-and-swap, to the sum that it read: each count lies on exactly one side of that.
 *
 * Weak spot. The two bases are compared modulo 2^63: a load or a drain that is suspended while 2^63 counts
 * are drained would not notice.
 *
 * With AX_SERIALIZED a compare-and-swap never fails, so the counter stays in the first stage: one cell.
 */
#ifndef AX_COUNTER_H
#define AX_COUNTER_H

#include "ax_stripe.h"

#define AX_SEAL (UINT64_C(1) << 63)
#define AX_COUNT_MASK (AX_SEAL - 1)
#define AX_STRIPE_LIMIT (UINT64_C(1) << 54)

typedef struct {
    ax_word first;      /* atomic */
    ax_word base;       /* atomic: what was drained */
    ax_pointer stripes; /* atomic: NULL at first, then an ax_stripes for good */
    ax_word last;       /* atomic */
} ax_counter;

typedef enum { AX_ADDED, AX_OVERFLOW, AX_CONTENDED } ax_addition;

/* Only for a counter that no other thread can see yet.
 *   ensures counter->first.bits == 0 && counter->base.bits == 0 && counter->last.bits == 0
 *   ensures counter->stripes.address == NULL */
AX_INLINE void ax_counter_init(ax_counter *counter)
{
    ax_word_store(&counter->first, 0);
    ax_word_store(&counter->base, 0);
    counter->stripes.address = NULL;
    ax_word_store(&counter->last, 0);
}

/* Adds count <= INT64_MAX in the first stage. AX_OVERFLOW: the total would pass INT64_MAX, nothing changed.
 * AX_CONTENDED: nothing changed; call ax_counter_add_striped. Linearization point: the compare-and-swap, or
 * for AX_OVERFLOW the load of the base. Wait-free. Runs no Python code.
 *   requires count <= AX_COUNT_MASK
 *   given counter_ok(counter)
 *   ensures counter_ok(counter)
 *   ensures (returned == AX_CONTENDED) == sealed(old_counter.first)
 *   ensures (returned == AX_OVERFLOW) == (!sealed(old_counter.first) && old_total + count > INT64_MAX)
 *   ensures added(counter, returned == AX_ADDED ? count : 0) */
AX_INLINE ax_addition ax_counter_try_add(ax_counter *counter, uint64_t count)
{
    AX_ASSERT(count <= AX_COUNT_MASK);
    uint64_t found = ax_word_load(&counter->first);
    if (found & AX_SEAL) {
        return AX_CONTENDED;
    }
    uint64_t total = (found - ax_word_load(&counter->base)) & AX_COUNT_MASK;
    if (count > AX_COUNT_MASK - total) {
        return ax_word_load(&counter->first) == found ? AX_OVERFLOW : AX_CONTENDED;
    }
    uint64_t desired = (found + count) & AX_COUNT_MASK;
    return ax_word_compare_exchange(&counter->first, &found, desired) ? AX_ADDED : AX_CONTENDED;
}

/* Adds count to the stripe of thread. Returns false, and changes nothing, if the stripe is sealed or has no
 * room. One comparison checks both: a sealed cell is greater than any limit. To be called only when the first
 * cell is sealed, because the stripes were published before that. Linearization point: the compare-and-swap.
 * Lock-free. Runs no Python code.
 *   given counter_ok(counter) && sealed(counter->first)
 *   ensures counter_ok(counter)
 *   ensures returned == (count <= AX_STRIPE_LIMIT && old_stripe + count <= AX_STRIPE_LIMIT)
 *   ensures added(counter, returned ? count : 0) */
AX_INLINE bool ax_counter_add_to_stripe(ax_counter *counter, uint64_t count, uint64_t thread)
{
    ax_word *cell = ax_stripe_of(ax_pointer_load(&counter->stripes), thread);
    uint64_t found = ax_word_load(cell);
    do {
        if (count > AX_STRIPE_LIMIT || found > AX_STRIPE_LIMIT - count) {
            return false;
        }
    } while (!ax_word_compare_exchange(cell, &found, found + count));
    return true;
}

/* Like ax_counter_add_striped below, but does not try the thread's stripe first. */
ax_addition ax_counter_add_by_stage(ax_counter *counter, uint64_t count, uint64_t thread,
                                    const ax_stripe_system *system);

/* Adds count <= INT64_MAX in whichever stage the counter is in; thread picks the stripe. Returns AX_ADDED or
 * AX_OVERFLOW. Linearization point: the compare-and-swap on the cell that took the count, or for AX_OVERFLOW
 * the load of the base. Lock-free. Runs no Python code. */
AX_INLINE ax_addition ax_counter_add_striped(ax_counter *counter, uint64_t count, uint64_t thread,
                                             const ax_stripe_system *system)
{
    AX_ASSERT(count <= AX_COUNT_MASK);
    if ((ax_word_load(&counter->first) & AX_SEAL) && ax_counter_add_to_stripe(counter, count, thread)) {
        return AX_ADDED;
    }
    return ax_counter_add_by_stage(counter, count, thread, system);
}

/* Returns the total, or an intermediate value if additions overlap. Lock-free: it starts over only when a
 * drain completed. Runs no Python code. */
int64_t ax_counter_load(ax_counter *counter);

/* Builds the caller's answer for a count that is about to be drained. Returns false if there is no memory. It
 * is called before each attempt, so a failure leaves the count in the counter. */
typedef bool (*ax_counter_prepare)(void *answer, int64_t drained);

/* Takes the total out: the count last prepared is part of no other drain and of no later load. Returns false
 * if it could not be prepared, and then nothing changed. Linearization point: the compare-and-swap of the
 * base. Lock-free, like a load. Runs no Python code, unless prepare does. */
bool ax_counter_drain(ax_counter *counter, ax_counter_prepare prepare, void *answer);

/* Only for a counter that no other thread can see any longer. */
void ax_counter_free(ax_counter *counter, const ax_stripe_system *system);

#endif
