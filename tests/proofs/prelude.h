/* prelude.h: the names that contracts may use, and arguments that may be anything. Included after the core.
 *
 * Numbers are compared in 128 bits, where no sum of two overflows. */
#ifndef PROOFS_PRELUDE_H
#define PROOFS_PRELUDE_H

#include "ax_buckets.h"
#include "ax_counter.h"
#include "ax_exponential.h"
#include "ax_float.h"
#include "ax_gate.h"
#include "ax_int.h"

#include "ax_counter.c"
#if defined(PROOF_OF_ax_stripe_c)
#include "ax_stripe.c"
#endif
#if defined(PROOF_OF_ax_exponential_c)
#include "ax_exponential.c"
#endif

#if !defined(STRIPES)
#define STRIPES 0
#endif
#if !defined(SCALE)
#define SCALE 0
#endif

typedef __int128 wide;

enum { MOST_STRIPES = 2, MOST_BUCKETS = 8 };

int64_t nondet_int64_t(void);
size_t nondet_size_t(void);
unsigned nondet_unsigned(void);

static bool fits(wide number)
{
    return INT64_MIN <= number && number <= INT64_MAX;
}

/* Doubles: made from bits through a union, a different way than the core's. */
typedef union {
    double value;
    uint64_t bits;
} Double;

static double float_of(uint64_t bits)
{
    Double number = {.bits = bits};
    return number.value;
}

static uint64_t float_bits_of(double value)
{
    Double number = {.value = value};
    return number.bits;
}

static bool same_bits(double one, double other)
{
    return float_bits_of(one) == float_bits_of(other);
}

/* For results of arithmetic, where the processor chooses the bits of a NaN. */
static bool same_float(double one, double other)
{
    return (one != one && other != other) || same_bits(one, other);
}

static double any_double(void)
{
    return float_of(nondet_uint64_t());
}

/* A sum by the core's own step, which is proved separately: the solver cannot do both at once.
 */
static bool sum_fits(uint64_t value, int64_t delta)
{
    int64_t result;
    return ax_int_step_add((int64_t)value, delta, &result);
}

static int64_t sum_of(uint64_t value, int64_t delta)
{
    int64_t result = 0;
    (void)ax_int_step_add((int64_t)value, delta, &result);
    return result;
}

/* Steps that answer anything, and remember what they were last asked, and their answer. */
static struct {
    int64_t value, operand, result;
    bool accepted;
} asked;

static bool any_int_step(int64_t value, int64_t operand, int64_t *result)
{
    asked.value = value;
    asked.operand = operand;
    asked.result = *result = nondet_int64_t();
    asked.accepted = nondet_bool();
    return asked.accepted;
}

static struct {
    double value, operand, result;
} asked_float;

static double any_float_step(double value, double operand)
{
    asked_float.value = value;
    asked_float.operand = operand;
    asked_float.result = any_double();
    return asked_float.result;
}

/* What the caller prepared to hand out, and whether it could. */
static struct {
    bool worked;
    int64_t previous, result;
} prepared_for;

static bool prepare_anything(void *answer, int64_t previous, int64_t result)
{
    (void)answer;
    prepared_for.worked = nondet_bool();
    prepared_for.previous = previous;
    prepared_for.result = result;
    return prepared_for.worked;
}

static struct {
    bool worked;
    uint64_t count;
} drained;

static bool prepare_count(void *answer, int64_t count)
{
    (void)answer;
    drained.worked = nondet_bool();
    drained.count = (uint64_t)count;
    return drained.worked;
}

/* Stripes, STRIPES of them, filled with anything. They are adjacent: the distance between them changes none
 * of the sums. */
static ax_word stripe_words[MOST_STRIPES];
static ax_stripes the_stripes;

static ax_stripes *stripes_of(size_t count)
{
    the_stripes.start = (char *)stripe_words;
    the_stripes.size = sizeof(ax_word);
    the_stripes.count = count;
    return &the_stripes;
}

static ax_stripes *any_stripes(void)
{
    for (int i = 0; i < MOST_STRIPES; i++) {
        stripe_words[i].bits = nondet_uint64_t();
    }
    return stripes_of(nondet_bool() ? 1 : MOST_STRIPES);
}

static const ax_stripe_system any_system;

#if !defined(PROOF_OF_ax_stripe_c)
/* Replaces the function in ax_stripe.c: returns the existing stripes, or new ones that hold zeros, or no
 * memory. */
ax_stripes *ax_stripes_ensure(ax_pointer *slot, size_t words, const ax_stripe_system *system)
{
    (void)words;
    (void)system;
    if (slot->address == NULL && nondet_bool()) {
        stripe_words[0].bits = stripe_words[1].bits = 0;
        slot->address = stripes_of(MOST_STRIPES);
    }
    return slot->address;
}
#endif

/* A counter in any stage. */
static ax_counter the_counter;

static ax_counter *any_counter(void)
{
    the_counter.first.bits = nondet_uint64_t();
    the_counter.base.bits = nondet_uint64_t();
    the_counter.last.bits = nondet_uint64_t();
    stripe_words[0].bits = STRIPES > 0 ? nondet_uint64_t() : 0;
    stripe_words[1].bits = STRIPES > 1 ? nondet_uint64_t() : 0;
    the_counter.stripes.address = STRIPES == 0 ? NULL : stripes_of(STRIPES);
    return &the_counter;
}

static bool sealed(ax_word cell)
{
    return (cell.bits & AX_SEAL) != 0;
}

static bool all_sealed(const ax_counter *counter)
{
    return sealed(counter->first) && counter->stripes.address != NULL && sealed(stripe_words[0]) &&
           (the_stripes.count == 1 || sealed(stripe_words[1]));
}

static uint64_t count_in(ax_word cell)
{
    return cell.bits & AX_COUNT_MASK;
}

static uint64_t striped(void)
{
    return count_in(stripe_words[0]) + count_in(stripe_words[1]);
}

/* As the header defines it: modulo 2^63. */
static uint64_t total(const ax_counter *counter)
{
    uint64_t cells = count_in(counter->first) + count_in(stripe_words[0]) + count_in(stripe_words[1]);
    return (cells + counter->last.bits - counter->base.bits) & AX_COUNT_MASK;
}

/* The counter before the call: the cells, the stripes. */
static ax_counter old_counter;
static ax_word old_words[MOST_STRIPES];

static bool same_count(ax_word one, ax_word other)
{
    return count_in(one) == count_in(other);
}

static bool grew(ax_word before, ax_word after, uint64_t count)
{
    return count_in(after) == ((before.bits + count) & AX_COUNT_MASK);
}

/* Exactly one cell grew by count, or none if count is 0; seals are ignored. So the total grew by count modulo
 * 2^63. The contracts say separately that it does not pass 2^63. */
static bool added(const ax_counter *counter, uint64_t count)
{
    bool first = same_count(old_counter.first, counter->first),
         last = same_count(old_counter.last, counter->last);
    bool one = same_count(old_words[0], stripe_words[0]), other = same_count(old_words[1], stripe_words[1]);
    return old_counter.base.bits == counter->base.bits &&
           ((one && other && last && grew(old_counter.first, counter->first, count)) ||
            (first && other && last && grew(old_words[0], stripe_words[0], count)) ||
            (first && one && last && grew(old_words[1], stripe_words[1], count)) ||
            (first && one && other && grew(old_counter.last, counter->last, count)));
}

static bool kept(const ax_counter *counter)
{
    return added(counter, 0);
}

static bool cells_kept(const ax_counter *counter)
{
    return counter->first.bits == old_counter.first.bits && counter->last.bits == old_counter.last.bits &&
           stripe_words[0].bits == old_words[0].bits && stripe_words[1].bits == old_words[1].bits;
}

/* The states that a counter can be in: see the stages in ax_counter.h. */
static bool counter_ok(const ax_counter *counter)
{
    if (counter->base.bits > AX_COUNT_MASK || counter->last.bits > AX_COUNT_MASK ||
        count_in(stripe_words[0]) > AX_STRIPE_LIMIT || count_in(stripe_words[1]) > AX_STRIPE_LIMIT) {
        return false;
    }
    if (!sealed(counter->first)) {
        return stripe_words[0].bits == 0 && stripe_words[1].bits == 0 && counter->last.bits == 0;
    }
    if (all_sealed(counter)) {
        return true;
    }
    /* Sealed at a total of at most 2^62; drains since then took at most that and what the stripes have.
     */
    uint64_t without_stripes = (counter->first.bits - counter->base.bits) & AX_COUNT_MASK;
    return counter->stripes.address != NULL && counter->last.bits == 0 &&
           (without_stripes <= AX_STRIPING_LIMIT || without_stripes >= AX_SEAL - striped());
}

/* Buckets: up to MOST_BUCKETS, with any bounds that a Histogram accepts. */
static struct {
    ax_buckets buckets;
    double bounds[MOST_BUCKETS - 1];
} bucket_memory;

static ax_buckets *any_buckets(void)
{
    bucket_memory.buckets.bounds = bucket_memory.bounds;
    bucket_memory.buckets.count = nondet_size_t();
    for (int i = 0; i < MOST_BUCKETS - 1; i++) {
        bucket_memory.bounds[i] = any_double();
    }
    return &bucket_memory.buckets;
}

/* At least one bound, none a NaN, strictly increasing. */
static bool buckets_ok(const ax_buckets *buckets)
{
    if (buckets->count < 2 || buckets->count > MOST_BUCKETS || buckets->bounds[0] != buckets->bounds[0]) {
        return false;
    }
    for (int i = 1; i < MOST_BUCKETS - 1; i++) {
        if ((size_t)i < buckets->count - 1 && !(buckets->bounds[i - 1] < buckets->bounds[i])) {
            return false;
        }
    }
    return true;
}

/* The key of a positive number in another way: a subnormal number is 2^-1074 times its bits, as a number. */
static uint64_t key_of(uint64_t magnitude)
{
    return magnitude >= AX_OCTAVE ? magnitude + 52 * AX_OCTAVE
                                  : float_bits_of((double)(int64_t)magnitude) - 1022 * AX_OCTAVE;
}

/* An exponential histogram with any bounds that differ by more than a cell. */
#define PERIOD_BITS (52 - (SCALE < 0 ? SCALE : 0))
#define BOUNDS (1 << (SCALE > 0 ? SCALE : 0))
#define MOST_DISTANCE (2099 * AX_OCTAVE)

static ax_exponential the_exponential;
static uint64_t its_bounds[BOUNDS + 1], any_distance;
static uint16_t its_ranks[2 * BOUNDS];

static ax_exponential *any_exponential(void)
{
    any_distance = nondet_uint64_t();
    the_exponential.period_bits = PERIOD_BITS;
    the_exponential.period_mask = (UINT64_C(1) << PERIOD_BITS) - 1;
    the_exponential.cell_bits = 51 - SCALE;
    the_exponential.rank_bits = SCALE > 0 ? SCALE : 0;
    the_exponential.bounds = its_bounds;
    the_exponential.ranks = its_ranks;
    for (int i = 0; i < BOUNDS; i++) {
        its_bounds[i] = nondet_uint64_t();
    }
    its_bounds[BOUNDS] = UINT64_MAX;
    for (int i = 0; i < 2 * BOUNDS; i++) {
        its_ranks[i] = (uint16_t)nondet_uint64_t();
    }
    return &the_exponential;
}

/* How many bounds are before a distance: in the first period, in all periods. */
static uint64_t bounds_within(uint64_t distance)
{
    uint64_t before = 0;
    for (int i = 0; i < BOUNDS; i++) {
        before += its_bounds[i] < distance;
    }
    return before;
}

static uint64_t bounds_before(uint64_t distance)
{
    return (distance >> PERIOD_BITS) * BOUNDS + bounds_within(distance & ((UINT64_C(1) << PERIOD_BITS) - 1));
}

/* The distance of the bound of this rank, in whichever period. */
static uint64_t bound_of(uint64_t rank)
{
    return (rank / BOUNDS << PERIOD_BITS) + its_bounds[rank % BOUNDS];
}

static bool tables_ok(const ax_exponential *exponential)
{
    (void)exponential;
    for (int i = 0; i < BOUNDS; i++) {
        if (its_bounds[i] >> PERIOD_BITS != 0 ||
            (i > 0 && (its_bounds[i] < its_bounds[i - 1] ||
                       its_bounds[i] - its_bounds[i - 1] <= UINT64_C(1) << (51 - SCALE)))) {
            return false;
        }
    }
    for (uint64_t cell = 0; cell < 2 * BOUNDS; cell++) {
        if (its_ranks[cell] != bounds_within(cell << (51 - SCALE))) {
            return false;
        }
    }
    return true;
}

#endif
