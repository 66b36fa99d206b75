/* ax_stripe.c: see ax_stripe.h. */
#include "ax_stripe.h"

/* The largest power of two up to wanted, at least 1 and at most AX_MAX_STRIPES.
 *   ensures 1 <= returned && returned <= AX_MAX_STRIPES && (returned & (returned - 1)) == 0
 *   ensures returned <= wanted || returned == 1
 *   ensures wanted / 2 < returned || returned == AX_MAX_STRIPES */
static size_t stripe_count(size_t wanted)
{
    size_t count = 1;
    while (count < AX_MAX_STRIPES && count * 2 <= wanted) {
        count *= 2;
    }
    return count;
}

/* One line more than the stripes need, to align them. The block begins with the ax_stripes. */
static size_t stripes_block_size(size_t count, size_t size)
{
    return sizeof(ax_stripes) + AX_CACHE_LINE + count * size;
}

static ax_stripes *stripes_new(size_t words, const ax_stripe_system *system)
{
    size_t count = stripe_count(system->stripe_count()), size = ax_cache_lines(words * sizeof(ax_word));
    void *block = system->allocate(stripes_block_size(count, size));
    if (block == NULL) {
        return NULL;
    }
    ax_stripes *stripes = block;
    stripes->block = block;
    stripes->start = ax_cache_line_start(stripes + 1);
    stripes->size = size;
    stripes->count = count;
    for (size_t i = 0; i < count; i++) {
        for (size_t word = 0; word < words; word++) {
            ax_word_store(&ax_stripe_at(stripes, i)[word], 0);
        }
    }
    return stripes;
}

ax_stripes *ax_stripes_ensure(ax_pointer *slot, size_t words, const ax_stripe_system *system)
{
    void *found = ax_pointer_load(slot);
    if (found != NULL) {
        return found;
    }
    ax_stripes *stripes = stripes_new(words, system);
    if (stripes == NULL) {
        return NULL;
    }
    if (!ax_pointer_compare_exchange(slot, &found, stripes)) {
        system->release(stripes->block);
        return found;
    }
    return stripes;
}

size_t ax_stripes_bytes(const ax_pointer *slot)
{
    const ax_stripes *stripes = ax_pointer_load(slot);
    return stripes == NULL ? 0 : stripes_block_size(stripes->count, stripes->size);
}

void ax_stripes_free(ax_pointer *slot, const ax_stripe_system *system)
{
    ax_stripes *stripes = ax_pointer_load(slot);
    if (stripes != NULL) {
        system->release(stripes->block);
    }
}
