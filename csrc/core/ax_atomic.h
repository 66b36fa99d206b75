/* ax_atomic.h: every access that atomicx makes to memory that threads share.
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
 *   ax_word_fetch_add   adds, modulo 2^64, and returns the previous value.
 *
 * Every operation is sequentially consistent: all of them, over all cells, appear in one total order that
 * agrees with the order in each thread. Nothing in the core uses a weaker order. On x86-64 a weaker order
 * would gain nothing for a load or a read-modify-write; on ARMv8.1 and later it would save little, and each
 * use would need its own argument. Every operation is lock-free (asserted at compile time in each backend
 * that has something to assert), and none of them can run Python code: the core knows nothing of Python.
 *
 * The backends:
 *
 *   AX_ATOMIC_BACKEND   a header that the build names: the model checker's instrumented one.
 *   ax_atomic_serial.h  plain memory accesses, if the includer defines AX_SERIALIZED as 1. That promises
 *                       that calls into the core never overlap. CPython's GIL gives this promise for cells
 *                       private to a process, since another thread never interrupts a C call.
 *   ax_atomic_gnu.h     gcc and clang.
 *   ax_atomic_msvc.h    Visual C++, which has no _Atomic in C.
 *
 * A promise made by one process does not cover memory that another process has mapped too. Code that works on
 * shared memory defines AX_SHARED_MEMORY before it includes anything, and gets real atomics whatever
 * AX_SERIALIZED says.
 *
 * AX_WORD_IS_LOCK_FREE is 1 where the processor changes a word in one step. Elsewhere the compiler's library
 * would take a lock that belongs to one process and does not exclude other processes. So no cell may be made
 * in shared memory there, and the code for shared memory is compiled with plain accesses, only so that it
 * links. Cells of one process need AX_SERIALIZED there; without it, nothing compiles. A build may define
 * AX_WORD_IS_LOCK_FREE as 0 to test all of this.
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
#define AX_NOINLINE __attribute__((noinline))
#elif defined(_MSC_VER)
#define AX_INLINE static __forceinline
#define AX_NOINLINE __declspec(noinline)
#else
#define AX_INLINE static inline
#define AX_NOINLINE
#endif

#if !defined(AX_WORD_IS_LOCK_FREE)
#if defined(__GCC_ATOMIC_LLONG_LOCK_FREE) /* gcc and clang: 0 means never, 1 sometimes, 2 always */
#define AX_WORD_IS_LOCK_FREE (__GCC_ATOMIC_LLONG_LOCK_FREE == 2)
#else /* Visual C++: all its target processors have a 64-bit compare-and-swap */
#define AX_WORD_IS_LOCK_FREE 1
#endif
#endif

#if defined(AX_SHARED_MEMORY)
#define AX_HOLDS_BETWEEN_PROCESSES /* a later AX_SHARED_MEMORY would change nothing */
#define AX_PLAIN_ACCESSES (!AX_WORD_IS_LOCK_FREE)
#elif defined(AX_SERIALIZED)
#define AX_PLAIN_ACCESSES AX_SERIALIZED
#else
#define AX_PLAIN_ACCESSES 0
#endif

#if defined(AX_ATOMIC_BACKEND)
#include AX_ATOMIC_BACKEND
#elif AX_PLAIN_ACCESSES
#include "ax_atomic_serial.h"
#elif defined(__GNUC__) || defined(__clang__)
#include "ax_atomic_gnu.h"
#elif defined(_MSC_VER)
#include "ax_atomic_msvc.h"
#else
#error "atomicx knows no atomic operations for this compiler"
#endif

/* Evaluated by a loop whose compare-and-swap on a word failed, before it tries again: another thread has just
 * changed the word. An includer of ax_int.h or ax_float.h may define AX_CONTENDED before them to record this;
 * it must not touch the word. It costs nothing if nothing fails. */
#define AX_TRY_AGAIN(word) (AX_CONTENDED(word), true)

#include "ax_assert.h" /* after the backend, which may define how an assertion fails */

#endif
