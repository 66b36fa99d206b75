/* ax_counter.c: the stages of a counter past the first. The algorithm and its proof are in ax_counter.h. */
#include "ax_counter.h"

/* Past this total the first cell is not sealed: the stripes would not have room to count unchecked. */
#define AX_STRIPING_LIMIT (UINT64_C(1) << 62)

static uint64_t count_of(uint64_t cell)
{
    return cell & AX_COUNT_MASK;
}

/* The largest power of two up to wanted, at least 1 and at most AX_MAX_STRIPES. */
static size_t stripe_count(size_t wanted)
{
    size_t count = 1;
    while (count < AX_MAX_STRIPES && count * 2 <= wanted) {
        count *= 2;
    }
    return count;
}

static ax_stripes *stripes_new(const ax_counter_system *system)
{
    size_t count = stripe_count(system->stripe_count());
    /* One line more than the cells need, to align them; the head of the block holds the description. */
    size_t head = (sizeof(ax_stripes) + AX_CACHE_LINE - 1) / AX_CACHE_LINE * AX_CACHE_LINE;
    void *block = system->allocate(head + AX_CACHE_LINE + count * sizeof(ax_stripe));
    if (block == NULL) {
        return NULL;
    }
    uintptr_t start = ((uintptr_t)block + head + AX_CACHE_LINE - 1) / AX_CACHE_LINE * AX_CACHE_LINE;
    ax_stripes *stripes = block;
    stripes->block = block;
    stripes->cells = (ax_stripe *)start;
    stripes->count = count;
    for (size_t i = 0; i < count; i++) {
        ax_word_store(&stripes->cells[i].cell, 0);
    }
    return stripes;
}

/* Makes the stripes, once; false where there is no memory. The thread that loses the race to publish its
 * stripes frees them: nobody has seen them. */
static bool stripes_ensure(ax_counter *counter, const ax_counter_system *system)
{
    if (ax_pointer_load(&counter->stripes) != NULL) {
        return true;
    }
    ax_stripes *stripes = stripes_new(system);
    if (stripes == NULL) {
        return false;
    }
    void *found = NULL;
    if (!ax_pointer_compare_exchange(&counter->stripes, &found, stripes)) {
        system->release(stripes->block);
    }
    return true;
}

/* Seals every stripe, and returns the sum of the first cell and the stripes, which stands still from then
 * on. Several threads may do so at once: a seal is set once, and each gets the same sum. */
static uint64_t stripes_seal(ax_counter *counter)
{
    ax_stripes *stripes = ax_pointer_load(&counter->stripes);
    uint64_t sum = count_of(ax_word_load(&counter->first));
    for (size_t i = 0; i < stripes->count; i++) {
        sum += count_of(ax_word_fetch_or(&stripes->cells[i].cell, AX_SEAL));
    }
    return sum;
}

/* True if the stripe took the count; false if it is sealed, or has no room for it. */
static bool stripe_add(ax_word *cell, uint64_t count)
{
    uint64_t found = ax_word_load(cell);
    do {
        if ((found & AX_SEAL) || count > AX_STRIPE_LIMIT - found) {
            return false;
        }
    } while (!ax_word_compare_exchange(cell, &found, found + count));
    return true;
}

static ax_addition last_add(ax_counter *counter, uint64_t count)
{
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

/* Leaves the first stage, if there is memory for the next one and room to count in it unchecked. */
static void first_seal(ax_counter *counter, const ax_counter_system *system)
{
    if (!stripes_ensure(counter, system)) {
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

ax_addition ax_counter_add_striped(ax_counter *counter, uint64_t count, uint64_t thread,
                                   const ax_counter_system *system)
{
    while (!(ax_word_load(&counter->first) & AX_SEAL)) {
        first_seal(counter, system);
        ax_addition addition = ax_counter_try_add(counter, count);
        if (addition != AX_CONTENDED) {
            return addition;
        }
    }
    ax_stripes *stripes = ax_pointer_load(&counter->stripes); /* published before the seal was set */
    if (stripe_add(&stripes->cells[thread & (stripes->count - 1)].cell, count)) {
        return AX_ADDED;
    }
    return last_add(counter, count);
}

/* The sum of all cells, modulo 2^63: between the sums at the start and at the end of the call. */
static uint64_t cells_sum(ax_counter *counter)
{
    uint64_t sum = count_of(ax_word_load(&counter->first));
    ax_stripes *stripes = ax_pointer_load(&counter->stripes);
    if (stripes != NULL) {
        for (size_t i = 0; i < stripes->count; i++) {
            sum += count_of(ax_word_load(&stripes->cells[i].cell));
        }
    }
    sum += ax_word_load(&counter->last);
    return sum & AX_COUNT_MASK;
}

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

void ax_counter_free(ax_counter *counter, const ax_counter_system *system)
{
    ax_stripes *stripes = ax_pointer_load(&counter->stripes);
    if (stripes != NULL) {
        system->release(stripes->block);
    }
}
