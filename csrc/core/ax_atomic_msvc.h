/* ax_atomic_msvc.h: the contract of ax_atomic.h for Visual C++. Only ax_atomic.h includes it.
 *
 * Writes are interlocked functions. Each changes its 64 bits at once and is a full barrier, on x86, x64 and
 * ARM64 alike. A store is an exchange, because a plain store could still be pending when a later load is
 * done.
 *
 * A load must not be torn, and must come before everything that follows it:
 *
 *   - ARM64: __ldar64, a load-acquire, which also stays behind the barrier of an earlier write. ARM64EC
 *     defines _M_X64 too, although it runs ARM instructions, so ARM is checked first.
 *
 *   - x64: a plain load, which the processor keeps in order. __iso_volatile_load64 is a plain load whatever
 *     /volatile says, and _ReadWriteBarrier keeps the compiler from moving anything across it.
 *
 *   - x86: the same for a pointer. A plain load of a word would be two loads, so it is a compare-and-swap
 *     (cmpxchg8b) that writes nothing new. There is no 64-bit exchange either, so an exchange is a loop of
 *     compare-and-swaps.
 */
#ifndef AX_ATOMIC_MSVC_H
#define AX_ATOMIC_MSVC_H

#include <intrin.h>
#include <stddef.h>

#if !(defined(_M_ARM64) || defined(_M_ARM64EC) || defined(_M_X64) || defined(_M_IX86))
#error "atomicx knows no atomic operations for this processor"
#endif

AX_INLINE uint64_t ax_word_load(const ax_word *word)
{
#if defined(_M_ARM64) || defined(_M_ARM64EC)
    return __ldar64((volatile unsigned __int64 *)&word->bits);
#elif defined(_M_X64)
    uint64_t bits = (uint64_t)__iso_volatile_load64((const volatile __int64 *)&word->bits);
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

AX_INLINE uint64_t ax_word_fetch_add(ax_word *word, uint64_t delta)
{
    uint64_t found = ax_word_load(word);
    while (!ax_word_compare_exchange(word, &found, found + delta)) {
    }
    return found;
}

AX_INLINE void *ax_pointer_load(const ax_pointer *pointer)
{
#if defined(_M_ARM64) || defined(_M_ARM64EC)
    return (void *)__ldar64((volatile unsigned __int64 *)&pointer->address);
#else
#if defined(_M_X64)
    void *address = (void *)__iso_volatile_load64((const volatile __int64 *)&pointer->address);
#else
    void *address = (void *)__iso_volatile_load32((const volatile __int32 *)&pointer->address);
#endif
    _ReadWriteBarrier();
    return address;
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
