/* ax_exponential.h: which bucket of an exponential histogram counts a value. The counts are in ax_buckets.h.
 *
 * How to use. Call ax_exponential_count for the number of buckets, and ax_exponential_new if they are few
 * enough. For every observation call ax_exponential_find; then count in `buckets` as ax_buckets.h says.
 *
 * Buckets. Let base be 2^(2^-scale). The bucket with the index i holds base^i < |value| <= base^(i+1), for
 * any integer i: this is OpenTelemetry's mapping. Bucket 0 of `buckets` counts what is not larger than
 * smallest. The next `count` buckets are those with the indexes from `index` on, and hold positive values. If
 * the histogram is signed, as many follow, in the same order, for negative values. Values larger than largest
 * are in the last bucket of their sign.
 *
 * Cost. A look-up and a comparison, without a search and without floating-point arithmetic. The tables have a
 * word for each bucket of an octave, and two bytes for each cell, at most.
 *
 * Keys. For a number 2^E * (1 + fraction) let its key be (E + 1075) * 2^52 + fraction * 2^52, an integer that
 * is positive and at most 2099 * 2^52. Keys increase with the numbers. For a normal number the key is its
 * bits plus a constant; a subnormal one is shifted until it is normal. That is exact, and does not depend on
 * whether the processor takes subnormal numbers for 0.
 *
 * Bounds. The key of a bound base^i is rounded down to an integer, so for a number's key "not larger than the
 * bound" remains exact. For scale > 0, bounds repeat in each octave: i = E * 2^scale + j with 0 <= j <
 * 2^scale has the significand 2^(j / 2^scale), whose 52 bits fraction_of computes, as the product of the
 * roots 2^(1/2), 2^(1/4), … that the binary digits of j name. It computes with 96 bits. There are at most 20
 * factors, each too small by less than 2^-96 of itself, and 19 products, rounded down by no more than that:
 * the result is too small by less than 2^-89, and 2^-37 of the last of the 52 bits. Among all 2^20 bounds
 * none is that close above an integer: the closest is more than 2^-22 above. So all are rounded correctly
 * (tests/core/run.py computes them with Python's integers). For scale <= 0 the bounds are powers of two.
 *
 * Look-up. `origin` is the key of the first number above smallest. The keys of the bounds repeat with the
 * period 2^52, or 2^(52 - scale) if scale is negative. So the tables have the bounds of one period that
 * begins at the origin, or of less if the range is smaller. A period is divided into cells of 2^(51 - scale)
 * keys. Two bounds differ by at least 2^52 * (base - 1) - 1 keys, which is more than 0.69 * 2^(52 - scale) -
 * 1 and so more than a cell. Hence there is at most one bound in a cell. `ranks` says how many bounds are
 * before it, and one comparison says on which side of its bound the key is.
 */
#ifndef AX_EXPONENTIAL_H
#define AX_EXPONENTIAL_H

#include "ax_buckets.h"

#define AX_LEAST_SCALE (-10)
#define AX_MOST_SCALE 20
/* The most buckets of both signs, so that a rank fits into 16 bits. */
#define AX_EXPONENTIAL_MOST 20000

#define AX_SIGN (UINT64_C(1) << 63)
#define AX_FRACTION ((UINT64_C(1) << 52) - 1)
#define AX_OCTAVE (UINT64_C(1) << 52)

typedef struct {
    ax_buckets *buckets; /* immutable: owned */
    uint64_t smallest;   /* immutable, as all of these: the bits of smallest and largest */
    uint64_t largest;
    uint64_t origin;      /* the key of the first number above smallest */
    uint64_t period_mask; /* the distance after which the bounds repeat, a power of two, less 1 */
    uint64_t *bounds;     /* the distances of the bounds of a period from the origin, then UINT64_MAX */
    uint16_t *ranks;      /* for each cell of a period: how many bounds are before it */
    unsigned period_bits; /* log2 of the period */
    unsigned cell_bits;   /* log2 of the size of a cell */
    unsigned rank_bits;   /* log2 of the number of bounds in a period */
    int scale;
    int64_t index; /* of the first bucket */
    size_t count;  /* the number of buckets of one sign */
    bool is_signed;
} ax_exponential;

/* How many buckets of one sign it takes. The bounds are bits of doubles, smallest < largest < infinity. */
uint64_t ax_exponential_count(int scale, uint64_t smallest, uint64_t largest);

/* Makes a histogram with at most AX_EXPONENTIAL_MOST buckets. NULL if there is no memory. */
ax_exponential *ax_exponential_new(int scale, uint64_t smallest, uint64_t largest, bool is_signed,
                                   const ax_stripe_system *system);

/* The key of a positive number, from its bits.
 *   requires magnitude != 0 && magnitude < AX_SIGN
 *   ensures returned == key_of(magnitude) */
AX_INLINE uint64_t ax_exponential_key(uint64_t magnitude)
{
    AX_ASSERT(magnitude != 0 && magnitude < AX_SIGN);
    if (magnitude >= AX_OCTAVE) {
        return magnitude + 52 * AX_OCTAVE;
    }
    uint64_t exponent = 53;
    for (unsigned step = 32; step > 0; step /= 2) {
        if (magnitude >> (53 - step) == 0) {
            magnitude <<= step;
            exponent -= step;
        }
    }
    return exponent * AX_OCTAVE + (magnitude & AX_FRACTION);
}

/* How many bounds are before the key at this distance from the origin. The caller passes no distance beyond
 * that of largest.
 *   given tables_ok(exponential) && distance <= MOST_DISTANCE
 *   ensures returned == bounds_before(distance)
 *   ensures returned == 0 || bound_of(returned - 1) < distance
 *   ensures distance <= bound_of(returned)
 *   ensures any_distance > distance || bounds_before(any_distance) <= returned */
AX_INLINE size_t ax_exponential_rank(const ax_exponential *exponential, uint64_t distance)
{
    uint64_t within = distance & exponential->period_mask;
    size_t rank = exponential->ranks[within >> exponential->cell_bits];
    rank += exponential->bounds[rank] < within;
    return rank + ((size_t)(distance >> exponential->period_bits) << exponential->rank_bits);
}

/* The bucket of value, which is neither a NaN nor, unless the histogram is signed, less than -smallest. */
AX_INLINE size_t ax_exponential_find(const ax_exponential *exponential, double value)
{
    uint64_t bits = ax_float_bits(value), magnitude = bits & ~AX_SIGN;
    if (magnitude <= exponential->smallest) {
        return 0;
    }
    if (magnitude > exponential->largest) {
        magnitude = exponential->largest;
    }
    size_t rank = ax_exponential_rank(exponential, ax_exponential_key(magnitude) - exponential->origin);
    return 1 + rank + (bits & AX_SIGN ? exponential->count : 0);
}

/* The memory that it takes, buckets and stripes included, in bytes. Wait-free. Runs no Python code. */
size_t ax_exponential_bytes(const ax_exponential *exponential);

/* Only for a histogram that no other thread can see any longer. */
void ax_exponential_free(ax_exponential *exponential, const ax_stripe_system *system);

#endif
