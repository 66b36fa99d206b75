/* word_cell.h: a cell with its own word: AtomicInt, AtomicFloat and AtomicBool. */
#ifndef AX_WORD_CELL_H
#define AX_WORD_CELL_H

#if defined(AX_INT_H) || defined(AX_FLOAT_H)
#error "word_cell.h comes first: it says what a loop of ax_int.h or ax_float.h does when it is contended"
#endif

#include <stddef.h>

#include "ax_py.h"

#include "types.h"

/* If threads contend for a cell, its reference count is contended even more, so deferring the count pays off.
 * Detecting this is free: a loop's compare-and-swap failed. The cell asks for deferral once. */
typedef struct {
    PyObject_HEAD
    ax_word value;                                           /* atomic */
    AX_WHERE_SHARING_IS_NOTICED(ax_word sharing_is_noticed;) /* atomic: 0, then 1 for good */
    PyObject *weakrefs;                                      /* owned by the interpreter */
} WordCell;

/* Defers the reference count of a cell the first time it is seen to be contended. The caller's operation
 * holds a reference, so the cell is alive. Wait-free, and runs no Python code. */
void word_cell_contended(WordCell *cell);

/* What a loop of the core does before it tries again: see AX_TRY_AGAIN. */
#define AX_CONTENDED(word) \
    (AX_WHERE_SHARING_IS_NOTICED( \
        word_cell_contended((WordCell *)(void *)((char *)(word) - offsetof(WordCell, value))), )(void)( \
        word))

static inline ax_word *word_of(PyObject *self)
{
    return &((WordCell *)self)->value;
}

#define CELL_IS_SHARED false
#define CELL_OWN_WORD(self) word_of(self)
#define CELL_DEALLOC cell_dealloc

/* What int_operations.h and float_operations.h require. The word lives as long as the cell, and the caller of
 * an operation holds a reference to the cell. So these do nothing, and compile to nothing when inlined. */
AX_INLINE bool cell_enter(PyObject *self, ax_word **word)
{
    *word = word_of(self);
    return true;
}

AX_INLINE bool cell_enter_to_read(PyObject *self, ax_word **word)
{
    return cell_enter(self, word);
}

AX_INLINE void cell_leave(PyObject *self)
{
    (void)self;
}

/* After a failed swap around a user's function. */
AX_INLINE void cell_contended(PyObject *self)
{
    AX_CONTENDED(word_of(self));
}

extern PyMemberDef word_cell_members[]; /* immutable: the offset of the list of weak references */

#endif
