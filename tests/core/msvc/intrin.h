/* intrin.h: for tests, the Visual C++ intrinsics that ax_atomic_msvc.h uses, built from those of gcc and
 * clang.
 *
 * Each has exactly the order that its processor gives it. ThreadSanitizer knows orders but not processors, so
 * it sees where the backend asks for too little: a plain load is relaxed, except on x86 and x64, where no
 * load overtakes another. Intrinsics that a processor lacks are not declared. Define one of _M_X64, _M_IX86,
 * _M_ARM64; for _M_IX86 an __int32 is as long as a pointer is here, since it is used for pointers. */
#ifndef AX_TESTS_INTRIN_H
#define AX_TESTS_INTRIN_H

#include <sched.h>
#include <stdint.h>

#define __int32 intptr_t
#define __int64 long long

static inline long long _InterlockedCompareExchange64(volatile long long *target, long long desired,
                                                      long long expected)
{
    __atomic_compare_exchange_n(target, &expected, desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}

static inline void *_InterlockedCompareExchangePointer(void *volatile *target, void *desired, void *expected)
{
    __atomic_compare_exchange_n(target, &expected, desired, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    return expected;
}

static inline void *_InterlockedExchangePointer(void *volatile *target, void *desired)
{
    return __atomic_exchange_n(target, desired, __ATOMIC_SEQ_CST);
}

#if !defined(_M_IX86)
static inline long long _InterlockedExchange64(volatile long long *target, long long desired)
{
    return __atomic_exchange_n(target, desired, __ATOMIC_SEQ_CST);
}
#endif

#if defined(_M_ARM64)
#define PLAIN_LOAD __ATOMIC_RELAXED

static inline unsigned long long __ldar64(const volatile unsigned long long *target)
{
    return __atomic_load_n(target, __ATOMIC_SEQ_CST);
}
#else
#define PLAIN_LOAD __ATOMIC_ACQUIRE
#endif

/* On x86 a plain load of 64 bits is two loads, and another thread may come in between. */
static inline long long __iso_volatile_load64(const volatile long long *target)
{
#if defined(_M_IX86)
    const volatile int *halves = (const volatile int *)target;
    uint64_t first = (uint32_t)__atomic_load_n(&halves[0], PLAIN_LOAD);
    sched_yield();
    return (long long)(first | (uint64_t)(uint32_t)__atomic_load_n(&halves[1], PLAIN_LOAD) << 32);
#else
    return __atomic_load_n(target, PLAIN_LOAD);
#endif
}

static inline intptr_t __iso_volatile_load32(const volatile intptr_t *target)
{
    return __atomic_load_n(target, PLAIN_LOAD);
}

static inline void _ReadWriteBarrier(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

#endif
