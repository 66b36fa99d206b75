/* shared_cell.h: a cell whose word lies in somebody's buffer, which other processes may have mapped too:
 * SharedInt and SharedFloat. To be included first: it asks for the atomics that hold between processes.
 *
 * Life. The cell holds its buffer until release(), the collector's tp_clear, or its own end, whichever comes
 * first, and gives it back once. Operations and release() may come at once, in any order:
 *
 * - Where calls of this process never overlap (AX_SERIALIZED), an operation is over before a release begins.
 *   To look whether the gate is open is enough.
 * - Elsewhere an operation is counted while it uses the word. release() closes the gate, waits for those that
 *   are inside, which run no Python code, and gives the buffer back. See ax_gate.h.
 *
 * PyBuffer_Release can run Python code: it is called once, when nobody is inside. */
#ifndef AX_SHARED_CELL_H
#define AX_SHARED_CELL_H

#if defined(AX_ATOMIC_H) && !defined(AX_SHARED_MEMORY)
#error "shared_cell.h comes first: the atomics of one process have been included already"
#endif
#include "segment.h"

#include "ax_gate.h"

typedef struct {
    PyObject_HEAD
    ax_word gate;       /* atomic: open while the word may be used */
    ax_word *word;      /* atomic, in the buffer; the pointer is immutable while the gate is open */
    Py_buffer buffer;   /* owned by who claimed the gate, and at the end by who is told to give it back */
    Segment *segment;   /* whose memory the buffer is, and which that holds; NULL: somebody else's */
    PyObject *weakrefs; /* owned by the interpreter */
} SharedCell;

/* Gives the buffer back. Runs any Python code. */
void shared_give_back(PyObject *self);

/* Sets ValueError: the cell holds no buffer. */
void shared_no_buffer(void);

#define CELL_IS_SHARED true
#define CELL_OWN_WORD(self) NULL
#define CELL_DEALLOC shared_dealloc

/* Whether a cell of a segment may be used; false with ValueError, and the cell was left. */
bool shared_segment_allows(PyObject *self, bool change);

/* What int_operations.h and float_operations.h ask for. */
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

/* Takes no note: a call of such a cell is contended for its gate first, and its buffer is mapped to be shared
 * by processes, which have no count in common. */
AX_INLINE void cell_contended(PyObject *self)
{
    (void)self;
}

extern PyMemberDef shared_cell_members[]; /* immutable: the place of the list of weak references */

/* Slots, one of them all but whole, and the method release. */
int shared_init(PyObject *self, PyObject *args, PyObject *kwargs, const char *format); /* "O|O:TYPE" */
int shared_traverse(PyObject *self, visitproc visit, void *arg);
int shared_clear(PyObject *self);
void shared_dealloc(PyObject *self);
PyObject *shared_release(PyObject *self, PyObject *unused);

/* The repr of a cell with this content (stolen), or with none: NULL and ValueError, if it was released. */
PyObject *shared_repr(PyObject *self, PyObject *content);

#endif
