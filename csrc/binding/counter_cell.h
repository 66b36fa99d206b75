/* counter_cell.h: a Counter, for its methods and for the C API. */
#ifndef AX_COUNTER_CELL_H
#define AX_COUNTER_CELL_H

#include "cell.h"

#include "ax_counter.h"

typedef struct {
    PyObject_HEAD
    ax_counter counter;
    PyObject *weakrefs; /* owned by the interpreter */
} CounterCell;

static inline ax_counter *counter_of(PyObject *self)
{
    return &((CounterCell *)self)->counter;
}

/* Completes an addition that the first cell may have left undone: AX_ADDED or AX_OVERFLOW. Runs no Python
 * code, and sets no exception. */
AX_INLINE ax_addition counter_settle(ax_counter *counter, uint64_t count, ax_addition addition)
{
    return addition == AX_CONTENDED ? ax_counter_add_striped(counter, count, thread_number(), &stripe_system)
                                    : addition;
}

/* Adds count <= INT64_MAX. Returns AX_ADDED or AX_OVERFLOW. Runs no Python code, and sets no exception. */
AX_INLINE ax_addition counter_apply(ax_counter *counter, uint64_t count)
{
    return counter_settle(counter, count, ax_counter_try_add(counter, count));
}

/* Slot: makes a Counter that holds zero; ignores the constructor's arguments. */
PyObject *counter_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);

#endif
