/* ax_atomic_msvc.h: the contract of ax_atomic.h for Visual C++. Included by ax_atomic.h alone.
 *
 * The interlocked functions are full barriers on x86-64 and on ARM64. A load is an interlocked operation
 * that changes nothing where the processor could tear or reorder a plain one (32-bit x86, ARM64); on x86-64
 * a volatile load is a plain one that the compiler may not move, and the processor keeps it in order.
 */
#ifndef AX_ATOMIC_MSVC_H
#define AX_ATOMIC_MSVC_H

#include <intrin.h>

AX_INLINE uint64_t ax_word_load(const ax_word *word)
{
#if defined(_M_X64)
    uint64_t bits = *(const volatile uint64_t *)&word->bits;
    _ReadWriteBarrier();
    return bits;
#else
    return (uint64_t)_InterlockedCompareExchange64((volatile __int64 *)&word->bits, 0, 0);
#endif
}

AX_INLINE bool ax_word_compare_exchange(ax_word *word, uint64_t *expected, uint64_t desired)
{
    uint64_t found = (uint64_t)_InterlockedCompareExchange64((volatile __int64 *)&word->bits,
                                                             (__int64)desired, (__int64)*expected);
    bool swapped = found == *expected;
    *expected = found;
    return swapped;
}

AX_INLINE uint64_t ax_word_exchange(ax_word *word, uint64_t desired)
{
#if defined(_M_IX86)
    uint64_t found = ax_word_load(word);
    while (!ax_word_compare_exchange(word, &found, desired)) {
    }
    return found;
#else
    return (uint64_t)_InterlockedExchange64((volatile __int64 *)&word->bits, (__int64)desired);
#endif
}

AX_INLINE void ax_word_store(ax_word *word, uint64_t desired)
{
    (void)ax_word_exchange(word, desired);
}

AX_INLINE uint64_t ax_word_fetch_or(ax_word *word, uint64_t mask)
{
    uint64_t found = ax_word_load(word);
    while (!ax_word_compare_exchange(word, &found, found | mask)) {
    }
    return found;
}

AX_INLINE void *ax_pointer_load(const ax_pointer *pointer)
{
#if defined(_M_X64) || defined(_M_IX86)
    void *address = *(void *const volatile *)&pointer->address;
    _ReadWriteBarrier();
    return address;
#else
    return _InterlockedCompareExchangePointer((void *volatile *)&pointer->address, NULL, NULL);
#endif
}

AX_INLINE void *ax_pointer_exchange(ax_pointer *pointer, void *desired)
{
    return _InterlockedExchangePointer((void *volatile *)&pointer->address, desired);
}

AX_INLINE bool ax_pointer_compare_exchange(ax_pointer *pointer, void **expected, void *desired)
{
    void *found = _InterlockedCompareExchangePointer((void *volatile *)&pointer->address, desired, *expected);
    bool swapped = found == *expected;
    *expected = found;
    return swapped;
}

#endif
