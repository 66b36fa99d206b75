/* bounds.c: the bounds of exponential buckets, as the core computes them, for run.py to compare.
 *
 *   bounds SCALE      the keys of the bounds from 1 to 2, or of the first bound after 1, less the key of 1
 *
 * First it checks buckets in all octaves, subnormal numbers included: that a bound is the last number of its
 * bucket, by index_of and by the tables of a histogram around it. Status 1, with a message, if one is not. */
#include "ax_exponential.c"

#include <stdio.h>
#include <stdlib.h>

static size_t one(void)
{
    return 1;
}

static const ax_stripe_system memory = {malloc, free, one};

static void require(bool holds, const char *what, int scale, int64_t index)
{
    if (!holds) {
        fprintf(stderr, "scale %d, index %lld: %s\n", scale, (long long)index, what);
        exit(1);
    }
}

/* The bits of a number, from its key, rounded down to one if it is subnormal. */
static uint64_t magnitude_of(uint64_t key)
{
    if (key >= 53 * AX_OCTAVE) {
        return key - 52 * AX_OCTAVE;
    }
    return (AX_OCTAVE | (key & AX_FRACTION)) >> (53 - key / AX_OCTAVE);
}

static void check_found(const ax_exponential *made, uint64_t magnitude)
{
    int64_t found = made->index + (int64_t)ax_exponential_find(made, ax_float_from_bits(magnitude)) - 1;
    int64_t index = index_of(made->scale, ax_exponential_key(magnitude));
    require(found == index, "a number at its end is in another bucket by the tables", made->scale, index);
}

/* Whether the tables of a histogram of a few buckets put the numbers on both sides of a bound where index_of
 * has them. */
static void check_tables(int scale, int64_t index)
{
    uint64_t start = bound_key(scale, index - 2), end = bound_key(scale, index + 3);
    if (start < AX_OCTAVE || start > end || end >= 2099 * AX_OCTAVE) {
        return; /* these are not numbers */
    }
    uint64_t smallest = magnitude_of(start), bound = magnitude_of(bound_key(scale, index + 1));
    uint64_t largest = magnitude_of(end);
    if (smallest < bound && bound < largest) {
        uint64_t key = bound_key(scale, index + 1);
        require(ax_exponential_key(bound) <= key && ax_exponential_key(bound + 1) > key,
                "a number at its end has another key", scale, index);
        ax_exponential *made = ax_exponential_new(scale, smallest, largest, false, &memory);
        require(made != NULL, "no memory", scale, index);
        check_found(made, bound);
        check_found(made, bound + 1);
        ax_exponential_free(made, &memory);
    }
}

static void check_bucket(int scale, int64_t index)
{
    uint64_t key = bound_key(scale, index + 1);
    require(index_of(scale, key) == index, "its bound is not in it", scale, index);
    require(index_of(scale, key + 1) == index + 1, "more than its bound is in it", scale, index);
    check_tables(scale, index);
}

int main(int argc, char **argv)
{
    int scale = argc > 1 ? atoi(argv[1]) : 0;
    int64_t in_octave = INT64_C(1) << (scale > 0 ? scale : 0), octaves = INT64_C(1)
                                                                         << (scale < 0 ? -scale : 0);
    int64_t step = 1 + in_octave / 16;
    for (int64_t index = -1074 / octaves * in_octave; index < 1024 / octaves * in_octave; index += step) {
        check_bucket(scale, index);
    }
    for (int64_t i = 0; i < in_octave; i++) {
        uint64_t key = bound_key(scale, i + 1) - KEY_OF_ONE;
        fwrite(&key, sizeof key, 1, stdout);
    }
    return 0;
}
