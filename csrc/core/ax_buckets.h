/* ax_buckets.h: a histogram: the number of observations per bucket, and the sum of their values.
 *
 * How to use. Call ax_buckets_new with strictly increasing bounds, or ax_buckets_new_unbounded if something
 * else finds the bucket of a value (ax_exponential.h). For every observation call ax_buckets_find, then
 * ax_buckets_try_observe. Unless that returns AX_OBSERVED, call ax_buckets_observe_striped with what it
 * returned and a number that differs between threads. ax_buckets_load and ax_buckets_sum read;
 * ax_buckets_drain takes everything out. Call ax_buckets_free when no other thread can see the histogram.
 *
 * Cost. Uncontended: a binary search without branches, and two compare-and-swaps on one contiguous block of
 * cells. Striped: the same on a block that one thread writes. A read visits every block.
 *
 * Layout. A block of cells is the sum, followed by one count per bucket. There is one block until two threads
 * contend for a word in it, and then one more per stripe. All blocks count, whichever one was written. So
 * nothing is sealed, and an observation may put its count in one block and its value in another. Counts only
 * ever grow. What was drained from a bucket is not subtracted from its cells, but kept separately:
 *
 *   count of a bucket = its cells in all blocks - what was drained from it (mod 2^64)
 *
 * A count grows by 1 at a time, so it needs no check: 2^63 observations, at 5 ns each, take more than a
 * thousand years. The sum cannot be drained by keeping a difference, because doubles round, and because an
 * infinity would never leave it. So a drain takes it out of each block, by exchange, and leaves 0.
 *
 * Why the counts are right. An observation is one compare-and-swap that adds 1 to one word. A bucket is read
 * like a counter (ax_counter.h has the argument): the cells, read one by one, add up to what the sum was at
 * some moment in between, and the drained count was the same before and after. So each count lies between its
 * values at the start and at the end of the read, and so does their total, which is therefore exact if
 * nothing overlaps. A drain moves the drained count of a bucket, by compare-and-swap, to the sum that it
 * read: each observation lies on exactly one side of that.
 *
 * Why the sum lags. Count and value are two words, and two words cannot be changed as one. An observation
 * counts first and then adds its value; a reader takes the sum first and then the counts. So each value in
 * the sum belongs to an observation that is in the counts (or in those of an earlier drain). The counts may
 * be ahead of the sum by the observations in progress.
 *
 * Marks. If a few dozen of thousands of buckets are used, not all should be read. So an observation may first
 * call ax_buckets_mark, which sets the bit of its bucket in one word; bits are never cleared. If there are
 * more than 64 buckets, neighbours share a bit. A reader loads the marks after the sum and before the counts,
 * and takes the count of a bucket without a mark for 0. That is right: nothing was counted there when the
 * marks were loaded, since each observation marks before it counts.
 *
 * Weak spot. A drain that runs out of memory puts the sum that it took back. Until then the sum lags by that
 * amount, and what was put back may round differently.
 *
 * With AX_SERIALIZED a compare-and-swap never fails, so there is one block.
 */
#ifndef AX_BUCKETS_H
#define AX_BUCKETS_H

#include "ax_float.h"
#include "ax_stripe.h"

typedef struct {
    void *block;        /* immutable: what the allocator returned, to be freed */
    size_t count;       /* immutable: the number of buckets, one more than bounds */
    double *bounds;     /* immutable: strictly increasing; NULL: something else finds the bucket */
    unsigned shared;    /* immutable: log2 of how many buckets share a mark */
    ax_word marks;      /* atomic: one bit for each group of buckets that was marked */
    ax_word *drained;   /* atomic, one per bucket: what was drained from it */
    ax_word *first;     /* atomic: the block of cells that exists from the start */
    ax_pointer stripes; /* atomic: NULL at first, then an ax_stripes for good */
} ax_buckets;

/* What an observation still has to do. */
typedef enum { AX_OBSERVED, AX_UNCOUNTED, AX_UNSUMMED } ax_observation;

/* Makes a histogram with a copy of the bounds, of which there is at least one. NULL if there is no memory. */
ax_buckets *ax_buckets_new(const double *bounds, size_t bound_count, const ax_stripe_system *system);

/* The same without bounds. There is at least one bucket. */
ax_buckets *ax_buckets_new_unbounded(size_t count, const ax_stripe_system *system);

/* The bucket of value, which is not a NaN: the first one whose bound is not less. There are no branches that
 * depend on the value, because they would be hard to predict.
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

/* The mark of a bucket, a single bit.
 *   requires shared < 64 && bucket >> shared < 64
 *   ensures returned == UINT64_C(1) << (bucket >> shared) */
AX_INLINE uint64_t ax_buckets_mark_of(unsigned shared, size_t bucket)
{
    AX_ASSERT(shared < 64 && bucket >> shared < 64);
    return UINT64_C(1) << (bucket >> shared);
}

/* Marks a bucket. Call it before the observation is counted. Linearization point: the load that finds the
 * mark, or the change that sets it. Wait-free. Runs no Python code. */
AX_INLINE void ax_buckets_mark(ax_buckets *buckets, size_t bucket)
{
    uint64_t mark = ax_buckets_mark_of(buckets->shared, bucket);
    if ((ax_word_load(&buckets->marks) & mark) == 0) {
        (void)ax_word_fetch_or(&buckets->marks, mark);
    }
}

/* Returns the marks. They must be read after the sum and before the counts. Wait-free. Runs no Python code.
 */
AX_INLINE uint64_t ax_buckets_marks(const ax_buckets *buckets)
{
    return ax_word_load(&buckets->marks);
}

/* Whether the marks contain that of a bucket. Reads nothing that changes. */
AX_INLINE bool ax_buckets_is_marked(const ax_buckets *buckets, uint64_t marks, size_t bucket)
{
    return (marks & ax_buckets_mark_of(buckets->shared, bucket)) != 0;
}

/* Adds 1 to a word, or value to a sum. If another thread came in between, returns false and changes nothing.
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

/* Observes value, which belongs in bucket, as long as there are no stripes. Unless it returns AX_OBSERVED,
 * ax_buckets_observe_striped has to do the rest. Linearization points: the compare-and-swap of the count,
 * then that of the sum. Wait-free. Runs no Python code. */
AX_INLINE ax_observation ax_buckets_try_observe(ax_buckets *buckets, size_t bucket, double value)
{
    if (ax_pointer_load(&buckets->stripes) != NULL || !ax_buckets_try_count(&buckets->first[1 + bucket])) {
        return AX_UNCOUNTED;
    }
    return ax_buckets_try_sum(&buckets->first[0], value) ? AX_OBSERVED : AX_UNSUMMED;
}

/* Does the rest of an observation; thread picks the stripe. Linearization points: as above. Lock-free. Runs
 * no Python code. */
void ax_buckets_observe_striped(ax_buckets *buckets, size_t bucket, double value, ax_observation left,
                                uint64_t thread, const ax_stripe_system *system);

/* Returns the sum of the values that were not drained. It must be read before the counts that go with it.
 * Wait-free. Runs no Python code. */
double ax_buckets_sum(ax_buckets *buckets);

/* Returns how many observations of a bucket were not drained, or an intermediate value if some overlap.
 * Lock-free: it starts over only when a drain completed. Runs no Python code. */
uint64_t ax_buckets_load(ax_buckets *buckets, size_t bucket);

/* What a drain read from a bucket. The memory is the caller's, one per bucket. */
typedef struct {
    uint64_t drained; /* before */
    uint64_t counted; /* the sum of the cells */
} ax_bucket_reading;

/* Builds the caller's answer for the count of a bucket. Returns false if there is no memory. It is called for
 * every bucket, and again if another drain came in between; it must not fail for a count of 0. */
typedef bool (*ax_buckets_prepare)(void *answer, size_t bucket, uint64_t count);

/* Takes all counts and the sum out. The counts last prepared are part of no other drain and of no later load;
 * the same holds for the values in the sum. Returns false if the counts could not be prepared, and then
 * nothing was taken. If another drain overtakes this one in a bucket, and the rest of that bucket cannot be
 * prepared, the rest stays there. Linearization points: the exchanges of the sums, then the compare-and-swap
 * of each bucket. Lock-free: a bucket is tried again only when another drain emptied it. Runs no Python code,
 * unless prepare does. */
bool ax_buckets_drain(ax_buckets *buckets, ax_bucket_reading *readings, ax_buckets_prepare prepare,
                      void *answer, double *sum);

/* Puts back what a drain took: a count per bucket, and the sum. Until it returns, a reader may find some of
 * it missing, and the sum may round differently. Linearization points: the compare-and-swaps of the counts,
 * then that of the sum. Lock-free. Runs no Python code. */
void ax_buckets_give_back(ax_buckets *buckets, const uint64_t *counts, double sum);

/* The memory that they take, stripes included, in bytes. Wait-free. Runs no Python code. */
size_t ax_buckets_bytes(const ax_buckets *buckets);

/* Only for buckets that no other thread can see any longer. */
void ax_buckets_free(ax_buckets *buckets, const ax_stripe_system *system);

#endif
