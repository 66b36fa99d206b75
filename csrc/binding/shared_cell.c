/* shared_cell.c: see shared_cell.h. */
#include "shared_cell.h"

#include <stddef.h>

#include "cell.h"

/* The maximum time release() waits for operations in flight, in ms. They take nanoseconds, unless the system
 * takes their core away. Only operations counted by mistake, in a forked process, last longer. */
enum { MOST_NAPS = 1000 };

PyMemberDef shared_cell_members[] = {
    {"__weaklistoffset__", AX_T_PYSSIZET, offsetof(SharedCell, weakrefs), AX_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

void shared_no_buffer(void)
{
    PyErr_SetString(PyExc_ValueError, "the cell has no buffer: it was released, or never got one");
}

void shared_give_back(PyObject *self)
{
    PyBuffer_Release(&((SharedCell *)self)->buffer);
}

/* Sets *word to the eight bytes at offset; false with TypeError or ValueError. */
static bool find_word(const Py_buffer *buffer, Py_ssize_t offset, bool may_be_readonly, ax_word **word)
{
    if (buffer->readonly && !may_be_readonly) {
        PyErr_SetString(PyExc_TypeError, "a shared cell needs a writable buffer");
        return false;
    }
    if (!PyBuffer_IsContiguous(buffer, 'C')) {
        PyErr_SetString(PyExc_ValueError, "a shared cell needs a contiguous buffer");
        return false;
    }
    if (offset < 0 || buffer->len < (Py_ssize_t)sizeof(ax_word) ||
        offset > buffer->len - (Py_ssize_t)sizeof(ax_word)) {
        PyErr_Format(PyExc_ValueError,
                     "a shared cell needs 8 bytes: offset %zd is out of range for a buffer of %zd bytes",
                     offset, buffer->len);
        return false;
    }
    char *address = (char *)buffer->buf + offset;
    if ((uintptr_t)address % sizeof(ax_word) != 0) {
        PyErr_Format(PyExc_ValueError, "the address at offset %zd is not a multiple of 8", offset);
        return false;
    }
    *word = (ax_word *)(void *)address;
    return true;
}

/* Acquires the buffer; false with an exception, and nothing acquired. May run any Python code. */
static bool take_buffer(SharedCell *cell, PyObject *exporter, Py_ssize_t offset)
{
    /* Accepts read-only buffers too: exporters refuse in different ways, but all report read-only in the same
     * way. */
    if (PyObject_GetBuffer(exporter, &cell->buffer, PyBUF_STRIDED_RO) < 0) {
        return false;
    }
    /* A segment knows by itself whether it may be changed. */
    ModuleState *state = module_state(Py_TYPE(cell), shared_dealloc);
    cell->segment =
        state != NULL && PyObject_TypeCheck(exporter, state->segment) ? (Segment *)exporter : NULL;
    if (state == NULL || !find_word(&cell->buffer, offset, cell->segment != NULL, &cell->word)) {
        PyBuffer_Release(&cell->buffer);
        return false;
    }
    return true;
}

bool shared_segment_allows(PyObject *self, bool change)
{
    Segment *segment = ((SharedCell *)self)->segment;
    if (segment_is_open(segment) && (!change || !segment->readonly || segment_readonly_error())) {
        return true;
    }
    cell_leave(self);
    return false;
}

int shared_init(PyObject *self, PyObject *args, PyObject *kwargs, const char *format)
{
    static char *names[] = {"buffer", "offset", NULL};
    SharedCell *cell = (SharedCell *)self;
    PyObject *exporter, *place = NULL;
    Py_ssize_t offset = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, names, &exporter, &place)) {
        return -1;
    }
    if (!AX_WORD_IS_LOCK_FREE) {
        PyErr_SetString(PyExc_RuntimeError,
                        "64-bit atomic operations take a lock on this platform, which "
                        "does not exclude other processes: shared cells are not available");
        return -1;
    }
    if (place != NULL) {
        offset = PyNumber_AsSsize_t(place, NULL); /* clipped to a value that no buffer is long enough for */
        if (offset == -1 && PyErr_Occurred()) {
            return -1;
        }
    }
    if (!ax_gate_claim(&cell->gate)) {
        PyErr_SetString(PyExc_ValueError, "the cell already has a buffer");
        return -1;
    }
    if (!take_buffer(cell, exporter, offset)) {
        ax_gate_disclaim(&cell->gate);
        return -1;
    }
    ax_gate_open(&cell->gate);
    return 0;
}

int shared_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(((SharedCell *)self)->buffer.obj);
    return cell_traverse(self, visit, arg);
}

/* Does not wait: hardly anything still uses a cell that the collector clears. */
int shared_clear(PyObject *self)
{
    ax_word *gate = &((SharedCell *)self)->gate;
    if (ax_gate_close(gate) && ax_gate_settle(gate)) {
        shared_give_back(self);
    }
    return 0;
}

void shared_dealloc(PyObject *self)
{
    cell_begin_dealloc(self);
    /* Operations hold a reference, so none is in flight. */
    if (ax_gate_abandon(&((SharedCell *)self)->gate)) {
        shared_give_back(self);
    }
    cell_end_dealloc(self);
}

/* Gives the buffer back before it returns, so that the caller can close the map, but never waits forever. */
PyObject *shared_release(PyObject *self, PyObject *Py_UNUSED(unused))
{
    ax_word *gate = &((SharedCell *)self)->gate;
    if (!ax_gate_close(gate)) {
        Py_RETURN_NONE;
    }
    for (int naps = 0; !ax_gate_is_empty(gate) && naps < MOST_NAPS; naps++) {
        Py_BEGIN_ALLOW_THREADS
        ax_nap();
        Py_END_ALLOW_THREADS
    }
    if (ax_gate_settle(gate)) {
        shared_give_back(self);
    }
    Py_RETURN_NONE;
}

PyObject *shared_repr(PyObject *self, PyObject *content)
{
    if (content != NULL || !PyErr_ExceptionMatches(PyExc_ValueError)) {
        return cell_repr(self, content);
    }
    PyErr_Clear();
    PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(self), "__name__");
    PyObject *repr = name == NULL ? NULL : PyUnicode_FromFormat("<released %S>", name);
    Py_XDECREF(name);
    return repr;
}
