/* word_cell.h: a cell with a word of its own: AtomicInt, AtomicFloat and AtomicBool. */
#ifndef AX_WORD_CELL_H
#define AX_WORD_CELL_H

#include "ax_py.h"

#include "types.h"

typedef struct {
    PyObject_HEAD
    ax_word value;      /* atomic */
    PyObject *weakrefs; /* owned by the interpreter */
} WordCell;

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

extern PyMemberDef word_cell_members[]; /* immutable: the place of the list of weak references */

#endif
