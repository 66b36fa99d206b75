/* ax_atomic_explorer.h: the contract of ax_atomic.h for the explorer: each operation is one schedule point,
 * and then happens as a whole. Included only by ax_atomic.h.
 *
 * Pointers are identified by their value: programs take their memory from static arenas, so that a block has
 * the same address in every execution. */
#ifndef AX_ATOMIC_EXPLORER_H
#define AX_ATOMIC_EXPLORER_H

#include "explorer.h"

#define AX_ASSERT_FAILED(text) explorer_fail("%s", "assertion failed: " text)

AX_INLINE uint64_t ax_word_load(const ax_word *word)
{
    explorer_point("load", word);
    return explorer_observe(word->bits);
}

AX_INLINE uint64_t ax_word_replace(ax_word *word, const char *operation, uint64_t keep, uint64_t set)
{
    explorer_point(operation, word);
    uint64_t previous = word->bits;
    word->bits = (previous & keep) | set;
    explorer_wrote(word, previous, word->bits);
    return previous;
}

AX_INLINE void ax_word_store(ax_word *word, uint64_t desired)
{
    (void)ax_word_replace(word, "store", 0, desired);
}

AX_INLINE uint64_t ax_word_exchange(ax_word *word, uint64_t desired)
{
    return explorer_observe(ax_word_replace(word, "exchange", 0, desired));
}

AX_INLINE uint64_t ax_word_fetch_or(ax_word *word, uint64_t mask)
{
    return explorer_observe(ax_word_replace(word, "fetch_or", UINT64_MAX, mask));
}

AX_INLINE uint64_t ax_word_fetch_add(ax_word *word, uint64_t delta)
{
    explorer_point("fetch_add", word);
    uint64_t previous = explorer_observe(word->bits);
    word->bits = previous + delta;
    explorer_wrote(word, previous, word->bits);
    return previous;
}

AX_INLINE bool ax_word_compare_exchange(ax_word *word, uint64_t *expected, uint64_t desired)
{
    explorer_point("compare_exchange", word);
    uint64_t found = explorer_observe(word->bits);
    if (found != *expected) {
        *expected = found;
        return false;
    }
    word->bits = desired;
    explorer_wrote(word, found, desired);
    return true;
}

AX_INLINE uint64_t ax_pointer_bits(const void *address)
{
    return explorer_address(address);
}

AX_INLINE void *ax_pointer_load(const ax_pointer *pointer)
{
    explorer_point("load", pointer);
    (void)explorer_observe(ax_pointer_bits(pointer->address));
    return pointer->address;
}

AX_INLINE void *ax_pointer_exchange(ax_pointer *pointer, void *desired)
{
    explorer_point("exchange", pointer);
    void *previous = pointer->address;
    pointer->address = desired;
    explorer_wrote(pointer, ax_pointer_bits(previous), ax_pointer_bits(desired));
    (void)explorer_observe(ax_pointer_bits(previous));
    return previous;
}

AX_INLINE bool ax_pointer_compare_exchange(ax_pointer *pointer, void **expected, void *desired)
{
    explorer_point("compare_exchange", pointer);
    void *found = pointer->address;
    (void)explorer_observe(ax_pointer_bits(found));
    if (found != *expected) {
        *expected = found;
        return false;
    }
    pointer->address = desired;
    explorer_wrote(pointer, ax_pointer_bits(found), ax_pointer_bits(desired));
    return true;
}

#endif
