/* ax_atomic_serial.h: the contract of ax_atomic.h for an includer that promises that calls never overlap.
 * Only ax_atomic.h includes it.
 *
 * Plain accesses suffice: no other thread looks between two of them. A compare-and-swap loop over these
 * functions compiles to a load, a computation and a store, since the compiler sees that nothing came in
 * between.
 */
#ifndef AX_ATOMIC_SERIAL_H
#define AX_ATOMIC_SERIAL_H

AX_INLINE uint64_t ax_word_load(const ax_word *word)
{
    return word->bits;
}

AX_INLINE void ax_word_store(ax_word *word, uint64_t desired)
{
    word->bits = desired;
}

AX_INLINE uint64_t ax_word_exchange(ax_word *word, uint64_t desired)
{
    uint64_t previous = word->bits;
    word->bits = desired;
    return previous;
}

AX_INLINE bool ax_word_compare_exchange(ax_word *word, uint64_t *expected, uint64_t desired)
{
    if (word->bits != *expected) {
        *expected = word->bits;
        return false;
    }
    word->bits = desired;
    return true;
}

AX_INLINE uint64_t ax_word_fetch_or(ax_word *word, uint64_t mask)
{
    uint64_t previous = word->bits;
    word->bits = previous | mask;
    return previous;
}

AX_INLINE uint64_t ax_word_fetch_add(ax_word *word, uint64_t delta)
{
    uint64_t previous = word->bits;
    word->bits = previous + delta;
    return previous;
}

AX_INLINE void *ax_pointer_load(const ax_pointer *pointer)
{
    return pointer->address;
}

AX_INLINE void *ax_pointer_exchange(ax_pointer *pointer, void *desired)
{
    void *previous = pointer->address;
    pointer->address = desired;
    return previous;
}

AX_INLINE bool ax_pointer_compare_exchange(ax_pointer *pointer, void **expected, void *desired)
{
    if (pointer->address != *expected) {
        *expected = pointer->address;
        return false;
    }
    pointer->address = desired;
    return true;
}

#endif
