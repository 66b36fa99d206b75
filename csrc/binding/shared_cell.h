/* shared_cell.h: a cell whose word is in another object's buffer, which other processes may have mapped too:
 * SharedInt and SharedFloat. It must be included first, because it requests atomics that hold between
 * processes.
 *
 * Life. The cell holds its buffer until release(), the collector's tp_clear, or its own end, whichever comes
 * first, and gives it back once. Operations and release() may run at once, in any order:
 *
 * - Where calls of this process never overlap (AX_SERIALIZED), an operation is over before a release begins.
 *   It is enough to check whether the gate is open.
 * - Elsewhere an operation is counted while it uses the word. release() closes the gate, waits for the
 *   operations inside, which run no Python code, and gives the buffer back. See ax_gate.h.
 *
 * PyBuffer_Release can run Python code: it is called once, when nobody is inside. */
#ifndef AX_SHARED_CELL_H
#define AX_SHARED_CELL_H

#include "segment.h" /* first: it requests the atomics, and ax_segment.h checks that it got them */

#include "ax_gate.h"

typedef struct {
    PyObject_HEAD
    ax_word gate;       /* atomic: open while the word may be used */
    ax_word *word;      /* atomic, in the buffer; the pointer is immutable while the gate is open */
    Py_buffer buffer;   /* owned by the caller that claimed the gate; at the end, by the one that is told to
                           give it back */
    Segment *segment;   /* the segment whose memory the buffer is; the buffer keeps it alive. NULL: another
                           object's memory */
    PyObject *weakrefs; /* owned by the interpreter */
} SharedCell;

/* Gives the buffer back. May run any Python code. */
void shared_give_back(PyObject *self);

/* Sets ValueError, because the cell holds no buffer. */
void shared_no_buffer(void);

#define CELL_IS_SHARED true
#define CELL_OWN_WORD(self) NULL
#define CELL_DEALLOC shared_dealloc

/* Whether a cell of a segment may be used. False with ValueError, and then the cell was left. */
bool shared_segment_allows(PyObject *self, bool change);

/* What int_operations.h and float_operations.h require. */
AX_INLINE bool cell_enter_for(PyObject *self, ax_word **word, bool change)
{
    SharedCell *cell = (SharedCell *)self;
    if (!(AX_SERIALIZED ? ax_gate_is_open(&cell->gate) : ax_gate_enter(&cell->gate))) {
        shared_no_buffer();
        return false;
    }
    *word = cell->word;
    return cell->segment == NULL || shared_segment_allows(self, change);
}

AX_INLINE bool cell_enter(PyObject *self, ax_word **word)
{
    return cell_enter_for(self, word, true);
}

AX_INLINE bool cell_enter_to_read(PyObject *self, ax_word **word)
{
    return cell_enter_for(self, word, false);
}

AX_INLINE void cell_leave(PyObject *self)
{
    if (!AX_SERIALIZED && ax_gate_leave(&((SharedCell *)self)->gate)) {
        shared_give_back(self);
    }
}

/* Does nothing: threads contend for the gate of such a cell first, and its buffer is meant for sharing
 * between processes, which do not share a reference count. */
AX_INLINE void cell_contended(PyObject *self)
{
    (void)self;
}

extern PyMemberDef shared_cell_members[]; /* immutable: the offset of the list of weak references */

/* Slots (shared_init still needs a format), and the method release. */
int shared_init(PyObject *self, PyObject *args, PyObject *kwargs, const char *format); /* "O|O:TYPE" */
int shared_traverse(PyObject *self, visitproc visit, void *arg);
int shared_clear(PyObject *self);
void shared_dealloc(PyObject *self);
PyObject *shared_release(PyObject *self, PyObject *unused);

/* The repr of a cell with this content (stolen). The content is NULL with ValueError if the cell was
 * released. */
PyObject *shared_repr(PyObject *self, PyObject *content);

#endif
