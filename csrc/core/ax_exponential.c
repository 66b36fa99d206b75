/* ax_exponential.c: the bounds of exponential buckets, and the tables made of them. See ax_exponential.h. */
#include "ax_exponential.h"

#define LIMBS 3 /* of 32 bits, the least significant one first */
#define KEY_OF_ONE (1075 * AX_OCTAVE)

/* 2^(2^-k) - 1 for k = 1, 2, …, 20, times 2^96, rounded down. tests/core/run.py computes the same. */
static const uint32_t roots[AX_MOST_SCALE][LIMBS] = {
    {0xB2FB1366, 0xF3BCC908, 0x6A09E667}, {0x8D5A4630, 0x1B7152DE, 0x306FE0A3},
    {0xF7C8C50E, 0xD517ADCD, 0x172B83C7}, {0x8B92B718, 0x9890F629, 0x0B5586CF},
    {0x7C548EB6, 0x585743AE, 0x059B0D31}, {0xF7CACA4F, 0x78060EE6, 0x02C9A3E7},
    {0x4A66AE33, 0xB33356D8, 0x0163DA9F}, {0x29AB13EC, 0xABCBED61, 0x00B1AFA5},
    {0xFF19D294, 0xA1C09EA1, 0x0058C86D}, {0x6D21BFC8, 0x2E8CEC50, 0x002C605E},
    {0x28BCA9C5, 0x04051FA1, 0x00162F39}, {0x38E31671, 0xFFDC76BA, 0x000B175E},
    {0x6CACD4B1, 0x1FB9F96D, 0x00058BA0}, {0xD0985C34, 0x37DA9491, 0x0002C5CC},
    {0x54457D59, 0x25EE0547, 0x000162E5}, {0x0618BF4A, 0x55775C04, 0x0000B172},
    {0x2EED81E9, 0x1B5BC9AE, 0x000058B9}, {0xA4D7C8AC, 0x89D5EC6C, 0x00002C5C},
    {0x060E02D8, 0x43F4F831, 0x0000162E}, {0xD9F890EA, 0x21BCFC99, 0x00000B17},
};

/* A number from 1 up to, and not including, 2: what follows its binary point. */
typedef struct {
    uint32_t limbs[LIMBS];
} mantissa;

/* (1 + one) * (1 + other), which must be less than 2, rounded down. */
static mantissa product_of(mantissa one, const uint32_t *other)
{
    uint32_t product[2 * LIMBS] = {0};
    for (size_t i = 0; i < LIMBS; i++) {
        uint64_t carry = 0;
        for (size_t j = 0; j < LIMBS; j++) {
            carry += (uint64_t)one.limbs[i] * other[j] + product[i + j];
            product[i + j] = (uint32_t)carry;
            carry >>= 32;
        }
        product[i + LIMBS] = (uint32_t)carry;
    }
    uint64_t carry = 0;
    for (size_t i = 0; i < LIMBS; i++) {
        carry += (uint64_t)one.limbs[i] + other[i] + product[LIMBS + i];
        one.limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    AX_ASSERT(carry == 0);
    return one;
}

/* Its first 52 bits. */
static uint64_t fraction_of(mantissa number)
{
    return (uint64_t)number.limbs[LIMBS - 1] << 20 | number.limbs[LIMBS - 2] >> 12;
}

/* The key of the bound base^index. */
static uint64_t bound_key(int scale, int64_t index)
{
    if (scale <= 0) {
        return KEY_OF_ONE + ((uint64_t)index << -scale) * AX_OCTAVE;
    }
    uint64_t octave = KEY_OF_ONE / AX_OCTAVE * (UINT64_C(1) << scale) + (uint64_t)index;
    mantissa bound = {{0}};
    for (int k = 1; k <= scale; k++) {
        if (octave >> (scale - k) & 1) {
            bound = product_of(bound, roots[k - 1]);
        }
    }
    return (octave >> scale) * AX_OCTAVE + fraction_of(bound);
}

/* The index of the bucket for a key. For scale > 0 the digits of the bound below it are found one by one. */
static int64_t index_of(int scale, uint64_t key)
{
    int64_t octave = (int64_t)((key - 1) / AX_OCTAVE) - (int64_t)(KEY_OF_ONE / AX_OCTAVE);
    if (scale <= 0) {
        int64_t octaves = INT64_C(1) << -scale;
        return (octave >= 0 ? octave : octave - (octaves - 1)) / octaves;
    }
    uint64_t fraction = ((key - 1) & AX_FRACTION) + 1;
    int64_t digits = 0;
    mantissa bound = {{0}};
    for (int k = 1; k <= scale; k++) {
        mantissa higher = product_of(bound, roots[k - 1]);
        digits *= 2;
        if (fraction_of(higher) < fraction) {
            bound = higher;
            digits++;
        }
    }
    return octave * (INT64_C(1) << scale) + digits;
}

/* The first number above one that is not negative: its bits are the next. */
static int64_t first_index(int scale, uint64_t smallest)
{
    return index_of(scale, ax_exponential_key(smallest + 1));
}

uint64_t ax_exponential_count(int scale, uint64_t smallest, uint64_t largest)
{
    AX_ASSERT(scale >= AX_LEAST_SCALE && scale <= AX_MOST_SCALE && smallest < largest);
    return (uint64_t)(index_of(scale, ax_exponential_key(largest)) - first_index(scale, smallest)) + 1;
}

/* The sizes of the tables: the bounds, with the last one that is larger than all, and the cells. */
static size_t bounds_size(const ax_exponential *exponential)
{
    size_t in_period = (size_t)1 << exponential->rank_bits;
    return 1 + (in_period < exponential->count ? in_period : exponential->count);
}

static size_t ranks_size(const ax_exponential *exponential)
{
    uint64_t most = ax_exponential_key(exponential->largest) - exponential->origin;
    most = most < exponential->period_mask ? most : exponential->period_mask;
    return (size_t)(most >> exponential->cell_bits) + 1;
}

static size_t exponential_block_size(const ax_exponential *exponential)
{
    return sizeof(ax_exponential) + bounds_size(exponential) * sizeof(uint64_t) +
           ranks_size(exponential) * sizeof(uint16_t);
}

static void fill_tables(ax_exponential *exponential)
{
    size_t last = bounds_size(exponential) - 1, cells = ranks_size(exponential), rank = 0;
    for (size_t i = 0; i < last; i++) {
        uint64_t key = bound_key(exponential->scale, exponential->index + 1 + (int64_t)i);
        exponential->bounds[i] = key - exponential->origin;
    }
    exponential->bounds[last] = UINT64_MAX;
    for (size_t cell = 0; cell < cells; cell++) {
        while (exponential->bounds[rank] < (uint64_t)cell << exponential->cell_bits) {
            rank++;
        }
        exponential->ranks[cell] = (uint16_t)rank;
    }
}

ax_exponential *ax_exponential_new(int scale, uint64_t smallest, uint64_t largest, bool is_signed,
                                   const ax_stripe_system *system)
{
    unsigned period_bits = 52 + (unsigned)(scale < 0 ? -scale : 0);
    ax_exponential made = {
        .smallest = smallest,
        .largest = largest,
        .origin = ax_exponential_key(smallest + 1),
        .period_mask = (UINT64_C(1) << period_bits) - 1,
        .period_bits = period_bits,
        .cell_bits = (unsigned)(51 - scale),
        .rank_bits = (unsigned)(scale > 0 ? scale : 0),
        .scale = scale,
        .index = first_index(scale, smallest),
        .count = (size_t)ax_exponential_count(scale, smallest, largest),
        .is_signed = is_signed,
    };
    size_t signs = is_signed ? 2 : 1;
    AX_ASSERT(made.count <= AX_EXPONENTIAL_MOST / signs);
    made.buckets = ax_buckets_new_unbounded(1 + signs * made.count, system);
    ax_exponential *exponential =
        made.buckets == NULL ? NULL : system->allocate(exponential_block_size(&made));
    if (exponential == NULL) {
        if (made.buckets != NULL) {
            ax_buckets_free(made.buckets, system);
        }
        return NULL;
    }
    made.bounds = (uint64_t *)(exponential + 1);
    made.ranks = (uint16_t *)(made.bounds + bounds_size(&made));
    *exponential = made;
    fill_tables(exponential);
    return exponential;
}

size_t ax_exponential_bytes(const ax_exponential *exponential)
{
    return exponential_block_size(exponential) + ax_buckets_bytes(exponential->buckets);
}

void ax_exponential_free(ax_exponential *exponential, const ax_stripe_system *system)
{
    ax_buckets_free(exponential->buckets, system);
    system->release(exponential);
}
