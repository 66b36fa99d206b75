/* ax_atomic_gnu.h: the contract of ax_atomic.h for gcc and clang. Only ax_atomic.h includes it. */
#ifndef AX_ATOMIC_GNU_H
#define AX_ATOMIC_GNU_H

_Static_assert(__atomic_always_lock_free(sizeof(uint64_t), 0) && AX_WORD_IS_LOCK_FREE,
               "64-bit atomics must be lock-free");
_Static_assert(__atomic_always_lock_free(sizeof(void *), 0), "pointer atomics must be lock-free");

AX_INLINE uint64_t ax_word_load(const ax_word *word)
{
    return __atomic_load_n(&word->bits, __ATOMIC_SEQ_CST);
}

AX_INLINE void ax_word_store(ax_word *word, uint64_t desired)
{
    __atomic_store_n(&word->bits, desired, __ATOMIC_SEQ_CST);
}

AX_INLINE uint64_t ax_word_exchange(ax_word *word, uint64_t desired)
{
    return __atomic_exchange_n(&word->bits, desired, __ATOMIC_SEQ_CST);
}

AX_INLINE bool ax_word_compare_exchange(ax_word *word, uint64_t *expected, uint64_t desired)
{
    return __atomic_compare_exchange_n(&word->bits, expected, desired, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

AX_INLINE uint64_t ax_word_fetch_or(ax_word *word, uint64_t mask)
{
    return __atomic_fetch_or(&word->bits, mask, __ATOMIC_SEQ_CST);
}

AX_INLINE uint64_t ax_word_fetch_add(ax_word *word, uint64_t delta)
{
    return __atomic_fetch_add(&word->bits, delta, __ATOMIC_SEQ_CST);
}

AX_INLINE void *ax_pointer_load(const ax_pointer *pointer)
{
    return __atomic_load_n(&pointer->address, __ATOMIC_SEQ_CST);
}

AX_INLINE void *ax_pointer_exchange(ax_pointer *pointer, void *desired)
{
    return __atomic_exchange_n(&pointer->address, desired, __ATOMIC_SEQ_CST);
}

AX_INLINE bool ax_pointer_compare_exchange(ax_pointer *pointer, void **expected, void *desired)
{
    return __atomic_compare_exchange_n(&pointer->address, expected, desired, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

#endif
