/* ax_buckets.c: histograms beyond their first block, and reading them. The argument is in ax_buckets.h. */
#include "ax_buckets.h"

/* What every observation writes begins on its own cache line, after what is only read. */
static size_t buckets_block_size(size_t bound_count)
{
    size_t count = bound_count + 1;
    size_t read_mostly = sizeof(ax_buckets) + bound_count * sizeof(double) + count * sizeof(ax_word);
    return read_mostly + AX_CACHE_LINE + ax_cache_lines((1 + count) * sizeof(ax_word));
}

ax_buckets *ax_buckets_new(const double *bounds, size_t bound_count, const ax_stripe_system *system)
{
    size_t count = bound_count + 1;
    void *block = system->allocate(buckets_block_size(bound_count));
    if (block == NULL) {
        return NULL;
    }
    ax_buckets *buckets = block;
    buckets->block = block;
    buckets->count = count;
    buckets->bounds = (double *)(buckets + 1);
    buckets->drained = (ax_word *)(buckets->bounds + bound_count);
    buckets->first = ax_cache_line_start(buckets->drained + count);
    buckets->stripes.address = NULL;
    memcpy(buckets->bounds, bounds, bound_count * sizeof(double));
    ax_word_store(&buckets->first[0], 0);
    for (size_t i = 0; i < count; i++) {
        ax_word_store(&buckets->drained[i], 0);
        ax_word_store(&buckets->first[1 + i], 0);
    }
    return buckets;
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

bool ax_buckets_drain(ax_buckets *buckets, ax_bucket_reading *readings, ax_buckets_prepare prepare,
                      void *answer, double *sum)
{
    *sum = sum_take(buckets);
    for (size_t i = 0; i < buckets->count; i++) {
        readings[i].drained = ax_word_load(&buckets->drained[i]);
        readings[i].counted = counted(buckets, i);
        if (!prepare(answer, i, readings[i].counted - readings[i].drained)) {
            while (!ax_buckets_try_sum(&buckets->first[0], *sum)) {
            }
            return false;
        }
    }
    for (size_t i = 0; i < buckets->count; i++) {
        bucket_take(buckets, i, readings[i], prepare, answer);
    }
    return true;
}

size_t ax_buckets_bytes(const ax_buckets *buckets)
{
    return buckets_block_size(buckets->count - 1) + ax_stripes_bytes(&buckets->stripes);
}

void ax_buckets_free(ax_buckets *buckets, const ax_stripe_system *system)
{
    ax_stripes_free(&buckets->stripes, system);
    system->release(buckets->block);
}
