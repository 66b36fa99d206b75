/* ax_buckets.c: histograms beyond their first block, and reading them. The argument is in ax_buckets.h. */
#include "ax_buckets.h"

/* What every observation writes begins on its own cache line, after what is only read. */
static size_t buckets_block_size(size_t count, size_t bound_count)
{
    size_t read_mostly = sizeof(ax_buckets) + bound_count * sizeof(double) + count * sizeof(ax_word);
    return read_mostly + AX_CACHE_LINE + ax_cache_lines((1 + count) * sizeof(ax_word));
}

/* Buckets with room for some bounds, of which there may be none. */
static ax_buckets *buckets_new(size_t count, size_t bound_count, const ax_stripe_system *system)
{
    void *block = system->allocate(buckets_block_size(count, bound_count));
    if (block == NULL) {
        return NULL;
    }
    ax_buckets *buckets = block;
    double *bounds = (double *)(buckets + 1);
    buckets->block = block;
    buckets->count = count;
    buckets->bounds = bound_count == 0 ? NULL : bounds;
    buckets->shared = 0;
    while ((count - 1) >> buckets->shared >= 64) {
        buckets->shared++;
    }
    ax_word_store(&buckets->marks, 0);
    buckets->drained = (ax_word *)(bounds + bound_count);
    buckets->first = ax_cache_line_start(buckets->drained + count);
    buckets->stripes.address = NULL;
    ax_word_store(&buckets->first[0], 0);
    for (size_t i = 0; i < count; i++) {
        ax_word_store(&buckets->drained[i], 0);
        ax_word_store(&buckets->first[1 + i], 0);
    }
    return buckets;
}

ax_buckets *ax_buckets_new(const double *bounds, size_t bound_count, const ax_stripe_system *system)
{
    ax_buckets *buckets = buckets_new(bound_count + 1, bound_count, system);
    if (buckets != NULL) {
        memcpy(buckets->bounds, bounds, bound_count * sizeof(double));
    }
    return buckets;
}

ax_buckets *ax_buckets_new_unbounded(size_t count, const ax_stripe_system *system)
{
    return buckets_new(count, 0, system);
}

void ax_buckets_observe_striped(ax_buckets *buckets, size_t bucket, double value, ax_observation left,
                                uint64_t thread, const ax_stripe_system *system)
{
    ax_stripes *stripes = ax_stripes_ensure(&buckets->stripes, 1 + buckets->count, system);
    ax_word *cells = stripes == NULL ? buckets->first : ax_stripe_of(stripes, thread);
    if (left == AX_UNCOUNTED) {
        while (!ax_buckets_try_count(&cells[1 + bucket])) {
        }
    }
    while (!ax_buckets_try_sum(&cells[0], value)) {
    }
}

/* The number of blocks of cells, and each block. Stripes that are published meanwhile may be left out, since
 * what they hold was written after the call began. */
static size_t blocks_count(const ax_stripes *stripes)
{
    return 1 + (stripes == NULL ? 0 : stripes->count);
}

static ax_word *blocks_at(const ax_buckets *buckets, const ax_stripes *stripes, size_t index)
{
    return index == 0 ? buckets->first : ax_stripe_at(stripes, index - 1);
}

double ax_buckets_sum(ax_buckets *buckets)
{
    const ax_stripes *stripes = ax_pointer_load(&buckets->stripes);
    double sum = 0.0;
    for (size_t i = 0; i < blocks_count(stripes); i++) {
        sum += ax_float_load(&blocks_at(buckets, stripes, i)[0]);
    }
    return sum;
}

static double sum_take(ax_buckets *buckets)
{
    const ax_stripes *stripes = ax_pointer_load(&buckets->stripes);
    double sum = 0.0;
    for (size_t i = 0; i < blocks_count(stripes); i++) {
        sum += ax_float_exchange(&blocks_at(buckets, stripes, i)[0], 0.0);
    }
    return sum;
}

/* The cells of a bucket in all blocks: between their sums at the start and at the end of the call. */
static uint64_t counted(ax_buckets *buckets, size_t bucket)
{
    const ax_stripes *stripes = ax_pointer_load(&buckets->stripes);
    uint64_t sum = 0;
    for (size_t i = 0; i < blocks_count(stripes); i++) {
        sum += ax_word_load(&blocks_at(buckets, stripes, i)[1 + bucket]);
    }
    return sum;
}

uint64_t ax_buckets_load(ax_buckets *buckets, size_t bucket)
{
    uint64_t drained = ax_word_load(&buckets->drained[bucket]);
    for (;;) {
        uint64_t sum = counted(buckets, bucket);
        uint64_t drained_after = ax_word_load(&buckets->drained[bucket]);
        if (drained_after == drained) {
            return sum - drained;
        }
        drained = drained_after;
    }
}

/* Takes out a bucket whose reading was prepared. If another drain took it first, reads and prepares it
 * again. */
static void bucket_take(ax_buckets *buckets, size_t bucket, ax_bucket_reading reading,
                        ax_buckets_prepare prepare, void *answer)
{
    while (!ax_word_compare_exchange(&buckets->drained[bucket], &reading.drained, reading.counted)) {
        reading.counted = counted(buckets, bucket);
        if (!prepare(answer, bucket, reading.counted - reading.drained)) {
            (void)prepare(answer, bucket, 0);
            return;
        }
    }
}

static void sum_give_back(ax_buckets *buckets, double sum)
{
    while (!ax_buckets_try_sum(&buckets->first[0], sum)) {
    }
}

bool ax_buckets_drain(ax_buckets *buckets, ax_bucket_reading *readings, ax_buckets_prepare prepare,
                      void *answer, double *sum)
{
    *sum = sum_take(buckets);
    for (size_t i = 0; i < buckets->count; i++) {
        readings[i].drained = ax_word_load(&buckets->drained[i]);
        readings[i].counted = counted(buckets, i);
        if (!prepare(answer, i, readings[i].counted - readings[i].drained)) {
            sum_give_back(buckets, *sum);
            return false;
        }
    }
    for (size_t i = 0; i < buckets->count; i++) {
        bucket_take(buckets, i, readings[i], prepare, answer);
    }
    return true;
}

void ax_buckets_give_back(ax_buckets *buckets, const uint64_t *counts, double sum)
{
    for (size_t i = 0; i < buckets->count; i++) {
        if (counts[i] != 0) {
            uint64_t found = ax_word_load(&buckets->first[1 + i]);
            while (!ax_word_compare_exchange(&buckets->first[1 + i], &found, found + counts[i])) {
            }
        }
    }
    sum_give_back(buckets, sum);
}

size_t ax_buckets_bytes(const ax_buckets *buckets)
{
    size_t bound_count = buckets->bounds == NULL ? 0 : buckets->count - 1;
    return buckets_block_size(buckets->count, bound_count) + ax_stripes_bytes(&buckets->stripes);
}

void ax_buckets_free(ax_buckets *buckets, const ax_stripe_system *system)
{
    ax_stripes_free(&buckets->stripes, system);
    system->release(buckets->block);
}
