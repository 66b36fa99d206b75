/* ax_atomic_msvc.h: the contract of ax_atomic.h for Visual C++. Included by ax_atomic.h alone.
 *
 * Writes are interlocked functions: each changes its 64 bits as one and is a full barrier, on x86, x64 and
 * ARM64 alike. A store is an exchange, because a plain one could still be on its way when a later load is
 * done.
 *
 * What is left to a load is not to be torn, and to come before all that follows it:
 *
 *   ARM64   __ldar64: a load-acquire, which also stays behind the barrier of an earlier write. ARM64EC
 * defines _M_X64 too, though it runs ARM's instructions: so ARM is asked for first. x64     a plain load,
 * which the processor keeps in order. __iso_volatile_load64 is one whatever /volatile says, and
 * _ReadWriteBarrier keeps the compiler from moving anything across. x86     the same for a pointer. Of a word
 * a plain load would be two: a compare-and-swap (cmpxchg8b) that writes nothing new. Nor is there an exchange
 * of 64 bits: a loop of compare-and-swaps is one.
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
