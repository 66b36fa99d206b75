/* ax_counter.c: the stages of a counter after the first. The algorithm and its proof are in ax_counter.h. */
#include "ax_counter.h"

/* Above this total the first cell is not sealed: the stripes would not have room to count unchecked. */
#define AX_STRIPING_LIMIT (UINT64_C(1) << 62)

_Static_assert(AX_MAX_STRIPES <= (UINT64_C(1) << 61) / AX_STRIPE_LIMIT, "full stripes have to fit");

/*   ensures returned <= INT64_MAX && (returned | (cell & AX_SEAL)) == cell */
static uint64_t count_of(uint64_t cell)
{
    return cell & AX_COUNT_MASK;
}

/* Seals every stripe, and returns the sum of the first cell and the stripes, which never changes after that.
 * Several threads may do so at once: a seal is set once, and each thread gets the same sum.
 *   given counter_ok(counter) && sealed(counter->first)
 *   ensures counter_ok(counter) && all_sealed(counter) && kept(counter)
 *   ensures ((returned + counter->last.bits - counter->base.bits) & AX_COUNT_MASK) == old_total */
static uint64_t stripes_seal(ax_counter *counter)
{
    ax_stripes *stripes = ax_pointer_load(&counter->stripes);
    uint64_t sum = count_of(ax_word_load(&counter->first));
    for (size_t i = 0; i < stripes->count; i++) {
        sum += count_of(ax_word_fetch_or(ax_stripe_at(stripes, i), AX_SEAL));
    }
    return sum;
}

/* Adds in the last stage, and begins that stage if no other thread has.
 *   requires count <= AX_COUNT_MASK
 *   given counter_ok(counter) && sealed(counter->first)
 *   ensures counter_ok(counter) && all_sealed(counter)
 *   ensures returned == (old_total + count > INT64_MAX ? AX_OVERFLOW : AX_ADDED)
 *   ensures added(counter, returned == AX_ADDED ? count : 0) */
static ax_addition last_add(ax_counter *counter, uint64_t count)
{
    AX_ASSERT(count <= AX_COUNT_MASK);
    uint64_t others = stripes_seal(counter);
    for (;;) {
        uint64_t found = ax_word_load(&counter->last);
        uint64_t total = (others + found - ax_word_load(&counter->base)) & AX_COUNT_MASK;
        if (count > AX_COUNT_MASK - total) {
            if (ax_word_load(&counter->last) == found) {
                return AX_OVERFLOW;
            }
        } else if (ax_word_compare_exchange(&counter->last, &found, (found + count) & AX_COUNT_MASK)) {
            return AX_ADDED;
        }
    }
}

/* Leaves the first stage, if there is memory for the next stage and room to count in it unchecked.
 *   given counter_ok(counter)
 *   ensures counter_ok(counter) && kept(counter)
 *   ensures !sealed(counter->first) || sealed(old_counter.first) || old_total <= AX_STRIPING_LIMIT */
static void first_seal(ax_counter *counter, const ax_stripe_system *system)
{
    if (ax_stripes_ensure(&counter->stripes, 1, system) == NULL) {
        return;
    }
    uint64_t found = ax_word_load(&counter->first);
    while (!(found & AX_SEAL)) {
        uint64_t total = (found - ax_word_load(&counter->base)) & AX_COUNT_MASK;
        if (total > AX_STRIPING_LIMIT) {
            return;
        }
        if (ax_word_compare_exchange(&counter->first, &found, found | AX_SEAL)) {
            return;
        }
    }
}

ax_addition ax_counter_add_by_stage(ax_counter *counter, uint64_t count, uint64_t thread,
                                    const ax_stripe_system *system)
{
    AX_ASSERT(count <= AX_COUNT_MASK);
    while (!(ax_word_load(&counter->first) & AX_SEAL)) {
        first_seal(counter, system);
        ax_addition addition = ax_counter_try_add(counter, count);
        if (addition != AX_CONTENDED) {
            return addition;
        }
    }
    return ax_counter_add_to_stripe(counter, count, thread) ? AX_ADDED : last_add(counter, count);
}

/* The sum of all cells, modulo 2^63: between the sums at the start and at the end of the call.
 *   given counter_ok(counter)
 *   ensures ((returned - counter->base.bits) & AX_COUNT_MASK) == old_total && changes == 0 */
static uint64_t cells_sum(ax_counter *counter)
{
    uint64_t sum = count_of(ax_word_load(&counter->first));
    ax_stripes *stripes = ax_pointer_load(&counter->stripes);
    if (stripes != NULL) {
        for (size_t i = 0; i < stripes->count; i++) {
            sum += count_of(ax_word_load(ax_stripe_at(stripes, i)));
        }
    }
    sum += ax_word_load(&counter->last);
    return sum & AX_COUNT_MASK;
}

/*   given counter_ok(counter)
 *   ensures returned >= 0 && (uint64_t)returned == old_total && changes == 0 */
int64_t ax_counter_load(ax_counter *counter)
{
    uint64_t base = ax_word_load(&counter->base);
    for (;;) {
        uint64_t sum = cells_sum(counter);
        uint64_t base_after = ax_word_load(&counter->base);
        if (base_after == base) {
            return (int64_t)((sum - base) & AX_COUNT_MASK);
        }
        base = base_after;
    }
}

/*   given counter_ok(counter)
 *   ensures drained.count == old_total && returned == drained.worked && changes == returned
 *   ensures total(counter) == (returned ? 0 : old_total) && cells_kept(counter) */
bool ax_counter_drain(ax_counter *counter, ax_counter_prepare prepare, void *answer)
{
    uint64_t base = ax_word_load(&counter->base);
    for (;;) {
        uint64_t sum = cells_sum(counter);
        if (!prepare(answer, (int64_t)((sum - base) & AX_COUNT_MASK))) {
            return false;
        }
        if (ax_word_compare_exchange(&counter->base, &base, sum)) {
            return true;
        }
    }
}

void ax_counter_free(ax_counter *counter, const ax_stripe_system *system)
{
    ax_stripes_free(&counter->stripes, system);
}
