/* ax_atomic.h: every access that atomicx makes to memory which threads share.
 *
 * The contract, whatever the backend:
 *
 *   ax_word       64 bits, eight-byte aligned.
 *   ax_pointer    a pointer.
 *
 *   *_load              returns the value.
 *   *_store             replaces it.
 *   *_exchange          replaces it and returns the previous value.
 *   *_compare_exchange  if the value equals *expected, replaces it by desired and returns true;
 *                       otherwise writes the value found into *expected and returns false. Strong: it
 *                       never fails while the values are equal.
 *   ax_word_fetch_or    sets bits and returns the previous value.
 *
 * Every operation is sequentially consistent: all of them, over all cells, appear in one total order that
 * agrees with the order in each thread. Nothing in the core asks for less. On x86-64 a weaker order would
 * buy nothing for a load or a read-modify-write; on ARMv8.1 and later it would save little, and each use
 * would need its own argument. Every operation is lock-free (a compile-time assertion in each backend that
 * has something to assert), and none of them can run Python code: the core knows no Python.
 *
 * The backends:
 *
 *   AX_ATOMIC_BACKEND   a header named by the build: the model checker's instrumented one.
 *   ax_atomic_serial.h  plain memory accesses, where the includer defines AX_SERIALIZED to 1: it promises
 *                       that calls into the core never overlap. CPython's GIL is such a promise for cells
 *                       private to a process, since a C call is never interrupted by another thread.
 *   ax_atomic_gnu.h     gcc and clang.
 *   ax_atomic_msvc.h    Visual C++, which has no _Atomic in C.
 */
#ifndef AX_ATOMIC_H
#define AX_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    _Alignas(8) uint64_t bits; /* atomic: only the functions of the backend touch it */
} ax_word;

typedef struct {
    void *address; /* atomic: only the functions of the backend touch it */
} ax_pointer;

#if defined(__GNUC__) || defined(__clang__)
#define AX_INLINE static inline __attribute__((always_inline, unused))
#elif defined(_MSC_VER)
#define AX_INLINE static __forceinline
#else
#define AX_INLINE static inline
#endif

#if defined(AX_ATOMIC_BACKEND)
#include AX_ATOMIC_BACKEND
#elif defined(AX_SERIALIZED) && AX_SERIALIZED
#include "ax_atomic_serial.h"
#elif defined(__GNUC__) || defined(__clang__)
#include "ax_atomic_gnu.h"
#elif defined(_MSC_VER)
#include "ax_atomic_msvc.h"
#else
#error "atomicx knows no atomic operations for this compiler"
#endif

#endif
