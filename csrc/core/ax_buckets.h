/* ax_buckets.h: a histogram: counts of observations by bucket, and the sum of their values.
 *
 * How to use. ax_buckets_new with strictly increasing bounds. For every observation ax_buckets_find, then
 * ax_buckets_try_observe; unless that answers AX_OBSERVED, ax_buckets_observe_striped with the answer and a
 * number that differs between threads. ax_buckets_load and ax_buckets_sum read, ax_buckets_drain takes out.
 * ax_buckets_free when no other thread can see it.
 *
 * Cost. Uncontended: a binary search without branches, and two compare-and-swaps, on a block of cells that
 * lies together. Striped: the same on a block that one thread writes. A read visits every block.
 *
 * Layout. A block of cells is the sum, and then one count a bucket. There is one block until two threads
 * contend for a word in it, and then one more a stripe; whatever is written in any of them counts. So nothing
 * is sealed, and an observation may put its count in one block and its value in another. Counts only ever
 * grow. What was drained of a bucket is not subtracted, but kept apart:
 *
 *   count of a bucket = its cells in all blocks - what was drained of it   (mod 2^64)
 *
 * A count grows by 1 at a time, so it needs no check: 2^63 observations, at five nanoseconds each, take more
 * than a thousand years. The sum cannot be read by difference, because doubles round, and because an infinity
 * would never leave it: a drain takes it out of each block, by exchange, and leaves 0.
 *
 * Why the counts are whole. An observation is one compare-and-swap that adds 1 to one word. A read of a
 * bucket is one of a counter (ax_counter.h has the argument): the cells, read one by one, sum up to what the
 * sum was at some moment in between, and what was drained was equal before and after. So each count lies
 * between its values at the start and at the end of the read, and so does their total, which is therefore
 * exact where nothing overlaps. A drain moves what was drained of a bucket, by compare-and-swap, to the sum
 * that it read: each observation lies on one side of that, once.
 *
 * Why the sum lags. Count and value are two words, and no two words can be changed as one. An observation
 * counts first and adds its value after, and who reads takes the sum first and the counts after. So a value
 * that is in the sum is one of an observation that is in the counts (or in those of an earlier drain); the
 * counts may be ahead of it, by the observations that are under way.
 *
 * Weak spot. A drain that runs out of memory puts the sum back that it took: meanwhile the sum lags by that,
 * and what was put back may round differently.
 *
 * With AX_SERIALIZED a compare-and-swap never fails, so there is one block.
 */
#ifndef AX_BUCKETS_H
#define AX_BUCKETS_H

#include "ax_float.h"
#include "ax_stripe.h"

typedef struct {
    void *block;        /* immutable: what the allocator gave, to be freed */
    size_t count;       /* immutable: of buckets, one more than bounds */
    double *bounds;     /* immutable: strictly increasing */
    ax_word *drained;   /* atomic, one a bucket: what was drained of it */
    ax_word *first;     /* atomic: the block of cells that is there from the start */
    ax_pointer stripes; /* atomic: NULL, then for good an ax_stripes */
} ax_buckets;

/* What is left to do of an observation. */
typedef enum { AX_OBSERVED, AX_UNCOUNTED, AX_UNSUMMED } ax_observation;

/* With a copy of the bounds, of which there is at least one. NULL if there is no memory. */
ax_buckets *ax_buckets_new(const double *bounds, size_t bound_count, const ax_stripe_system *system);

/* The bucket of value, which is no NaN: the first one whose bound is not less. Without branches that depend
 * on the value: which way they go is hard to predict.
 *   requires !ax_float_is_nan(value)
 *   given buckets_ok(buckets)
 *   ensures returned < buckets->count
 *   ensures returned == buckets->count - 1 || value <= buckets->bounds[returned]
 *   ensures returned == 0 || buckets->bounds[returned - 1] < value */
AX_INLINE size_t ax_buckets_find(const ax_buckets *buckets, double value)
{
    AX_ASSERT(!ax_float_is_nan(value));
    const double *bounds = buckets->bounds;
    size_t start = 0, length = buckets->count - 1;
    while (length > 1) {
        size_t half = length / 2;
        start += bounds[start + half - 1] < value ? half : 0;
        length -= half;
    }
    return start + (bounds[start] < value);
}

/* Adds 1 to a word, or value to a sum, unless another thread came between: false, and nothing changed.
 *   ensures left == found + returned && changes == returned */
AX_INLINE bool ax_buckets_try_count(ax_word *count)
{
    uint64_t found = ax_word_load(count);
    return ax_word_compare_exchange(count, &found, found + 1);
}

/*   ensures changes == returned && (returned || left == found) */
AX_INLINE bool ax_buckets_try_sum(ax_word *sum, double value)
{
    uint64_t found = ax_word_load(sum);
    return ax_word_compare_exchange(sum, &found, ax_float_bits(ax_float_from_bits(found) + value));
}

/* Observes value, which belongs in bucket, as long as there are no stripes. Unless it answers AX_OBSERVED,
 * ax_buckets_observe_striped has to do the rest. Linearization points: the compare-and-swap of the count,
 * and then that of the sum. Wait-free. Runs no Python code. */
AX_INLINE ax_observation ax_buckets_try_observe(ax_buckets *buckets, size_t bucket, double value)
{
    if (ax_pointer_load(&buckets->stripes) != NULL || !ax_buckets_try_count(&buckets->first[1 + bucket])) {
        return AX_UNCOUNTED;
    }
    return ax_buckets_try_sum(&buckets->first[0], value) ? AX_OBSERVED : AX_UNSUMMED;
}

/* Does what is left of an observation; thread picks the stripe. Linearization points: as above. Lock-free.
 * Runs no Python code. */
void ax_buckets_observe_striped(ax_buckets *buckets, size_t bucket, double value, ax_observation left,
                                uint64_t thread, const ax_stripe_system *system);

/* The sum of the values that were not drained. To be read before the counts that go with it. Wait-free. Runs
 * no Python code. */
double ax_buckets_sum(ax_buckets *buckets);

/* How many observations a bucket has that were not drained; an intermediate value where some overlap.
 * Lock-free: it starts over only when a drain completed. Runs no Python code. */
uint64_t ax_buckets_load(ax_buckets *buckets, size_t bucket);

/* What a drain read of a bucket; the caller's memory, one a bucket. */
typedef struct {
    uint64_t drained; /* before */
    uint64_t counted; /* the sum of the cells */
} ax_bucket_reading;

/* Makes what the caller will hand out for the count of a bucket; false if it cannot, for want of memory.
 * Called for every bucket, and again where another drain came between; it must not fail for a count of 0. */
typedef bool (*ax_buckets_prepare)(void *answer, size_t bucket, uint64_t count);

/* Takes all counts out, and the sum. The counts last prepared are in no other drain's, and in no later load;
 * so are the values in the sum. False: they could not be prepared, and nothing was taken. A drain that was
 * overtaken in a bucket by another, and then cannot prepare what is left there, leaves that where it is.
 * Linearization points: the exchanges of the sums, then the compare-and-swap of each bucket. Lock-free: a
 * bucket is tried again only when another drain emptied it. Runs no Python code, unless prepare does. */
bool ax_buckets_drain(ax_buckets *buckets, ax_bucket_reading *readings, ax_buckets_prepare prepare,
                      void *answer, double *sum);

/* What they take, stripes included, in bytes. Wait-free. Runs no Python code. */
size_t ax_buckets_bytes(const ax_buckets *buckets);

/* Only for buckets that no other thread can see any more. */
void ax_buckets_free(ax_buckets *buckets, const ax_stripe_system *system);

#endif
