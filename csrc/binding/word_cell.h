/* word_cell.h: a cell with a word of its own: AtomicInt, AtomicFloat and AtomicBool. */
#ifndef AX_WORD_CELL_H
#define AX_WORD_CELL_H

#if defined(AX_INT_H) || defined(AX_FLOAT_H)
#error "word_cell.h comes first: it says what a loop of ax_int.h or ax_float.h does when it is contended"
#endif

#include <stddef.h>

#include "ax_py.h"

#include "types.h"

/* A cell that threads contend for is worth a deferred count, since then its count would be contended even
 * more. The evidence is free: a loop whose compare-and-swap failed. It asks once. */
typedef struct {
    PyObject_HEAD
    ax_word value;                                           /* atomic */
    AX_WHERE_SHARING_IS_NOTICED(ax_word sharing_is_noticed;) /* atomic: 0, then for good 1 */
    PyObject *weakrefs;                                      /* owned by the interpreter */
} WordCell;

/* Defers the count of a cell that was seen to be contended, the first time. The caller's operation holds a
 * reference, so the cell is alive. Wait-free, and runs no Python code. */
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

/* What int_operations.h and float_operations.h ask for. The word lives as long as the cell, and who calls an
 * operation holds that: so there is nothing to do, and nothing is left of these when they are inlined. */
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

extern PyMemberDef word_cell_members[]; /* immutable: the place of the list of weak references */

#endif
