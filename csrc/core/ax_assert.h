/* ax_assert.h: what a function of the core requires of its caller, checked where that costs users nothing.
 *
 * AX_ASSERT(condition) is on where AX_CHECKED is 1: in the explorer, in the proofs, and in the module for a
 * debug build of CPython (or any build with -DAX_CHECKED=1). Elsewhere it compiles to nothing: the compiler
 * checks the names and types in the condition, and never evaluates it.
 *
 * A failed assertion calls AX_ASSERT_FAILED, which the backends of the explorer and of the proofs define to
 * report it in their own way. A failure is a bug in the caller, so a debug build reports it and aborts.
 *
 * Contracts. The comment before a function states in C what the function promises:
 *
 *   requires EXPRESSION   of the caller; the function's body asserts the same expression
 *   given EXPRESSION      also of the caller, but not asserted: a check would be another atomic access. Other
 *                         threads keep it true as well
 *   ensures EXPRESSION    of the function, whatever the arguments
 *
 * tests/proofs turns each contract into a proof for all arguments and all contents of the cell, and its
 * prelude.h defines the names that a contract may use besides the parameters: `returned`; `old_NAME`, what
 * *NAME was before the call; `found` and `left`, what the last access found in a word and left in it;
 * `changes`, how many times the call changed one. Every function in a file with contracts has one, or a
 * reason not to, in tests/proofs/contracts.py. */
#ifndef AX_ASSERT_H
#define AX_ASSERT_H

#if !defined(AX_CHECKED)
#define AX_CHECKED 0
#endif

#if AX_CHECKED && !defined(AX_ASSERT_FAILED)
#include <stdio.h>
#include <stdlib.h>

#define AX_ASSERT_FAILED(text) \
    (fprintf(stderr, "atomicx: %s:%d: assertion failed: %s\n", __FILE__, __LINE__, text), abort())
#endif

#if AX_CHECKED
#define AX_ASSERT(condition) ((condition) ? (void)0 : AX_ASSERT_FAILED(#condition))
#else
#define AX_ASSERT(condition) ((void)sizeof(condition))
#endif

#endif
