/* type_counter.c: Counter. */
#include "counter_cell.h"

#include <stddef.h>

#include "docstrings.h"
#include "types.h"

static bool as_count(PyObject *object, uint64_t *count)
{
    int64_t value;
    if (!as_int64(object, &value)) {
        return false;
    }
    if (value < 0) {
        PyErr_Format(PyExc_ValueError, "a Counter can only count up, not by %lld", (long long)value);
        return false;
    }
    *count = (uint64_t)value;
    return true;
}

/* Adds beyond the first cell. Out of line and tail-called, so the fast path needs no frame. */
AX_NOINLINE static PyObject *counter_count_striped(ax_counter *counter, uint64_t count, ax_addition addition)
{
    if (counter_settle(counter, count, addition) == AX_OVERFLOW) {
        return result_overflow();
    }
    Py_RETURN_NONE;
}

/* Returns None, or NULL with OverflowError. Runs no Python code except to set the exception. */
static inline PyObject *counter_count(PyObject *self, uint64_t count)
{
    ax_addition addition = ax_counter_try_add(counter_of(self), count);
    if (addition != AX_ADDED) {
        return counter_count_striped(counter_of(self), count, addition);
    }
    Py_RETURN_NONE;
}

/* The same, but returns a bool: false with OverflowError. */
static bool counter_counts(PyObject *self, uint64_t count)
{
    if (counter_apply(counter_of(self), count) == AX_OVERFLOW) {
        (void)result_overflow();
        return false;
    }
    return true;
}

PyObject *counter_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyObject *self = type->tp_alloc(type, 0);
    if (self != NULL) {
        ax_counter_init(counter_of(self));
        ax_enable_deferred_refcount(self); /* a counter is meant to be shared */
    }
    return self;
}

static bool no_answer(void *Py_UNUSED(answer), int64_t Py_UNUSED(drained))
{
    return true;
}

static int counter_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *argument;
    uint64_t value = 0;
    int given = cell_init_argument("Counter", args, kwargs, &argument);
    if (given < 0 || (given && !as_count(argument, &value))) {
        return -1;
    }
    (void)ax_counter_drain(counter_of(self), no_answer, NULL); /* 0, unless __init__ is called again */
    return counter_counts(self, value) ? 0 : -1;
}

static void counter_dealloc(PyObject *self)
{
    cell_begin_dealloc(self);
    ax_counter_free(counter_of(self), &stripe_system);
    cell_end_dealloc(self);
}

static PyObject *counter_inc(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return counter_count(self, 1);
}

static PyObject *counter_add(PyObject *self, PyObject *argument)
{
    uint64_t count;
    return as_count(argument, &count) ? counter_count(self, count) : NULL;
}

/* Raises TypeError and never returns NotImplemented: the right operand's own addition would rebind the
 * name. */
static PyObject *counter_iadd(PyObject *self, PyObject *argument)
{
    uint64_t count;
    return as_count(argument, &count) && counter_counts(self, count) ? Py_NewRef(self) : NULL;
}

static PyObject *counter_load(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return PyLong_FromLongLong(ax_counter_load(counter_of(self)));
}

static PyObject *counter_drain(PyObject *self, PyObject *Py_UNUSED(unused))
{
    PyObject *answer = NULL;
    (void)ax_counter_drain(counter_of(self), prepare_int, &answer); /* false: answer is NULL */
    return answer;
}

static PyObject *counter_int(PyObject *self)
{
    return counter_load(self, NULL);
}

static int counter_bool(PyObject *self)
{
    return ax_counter_load(counter_of(self)) != 0;
}

static PyObject *counter_repr(PyObject *self)
{
    return cell_repr(self, counter_int(self));
}

static PyObject *counter_str(PyObject *self)
{
    return cell_str(counter_int(self));
}

static PyObject *counter_format(PyObject *self, PyObject *spec)
{
    return cell_format(counter_int(self), spec);
}

static PyObject *counter_sizeof(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return cell_sizeof(self, ax_stripes_bytes(&counter_of(self)->stripes));
}

static PyMethodDef counter_methods[] = {
    {"inc", counter_inc, METH_NOARGS, DOC_Counter_inc},
    {"add", counter_add, METH_O, DOC_Counter_add},
    {"load", counter_load, METH_NOARGS, DOC_Counter_load},
    {"drain", counter_drain, METH_NOARGS, DOC_Counter_drain},
    {"__format__", counter_format, METH_O, DOC_CELL_FORMAT},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_Counter___reduce__},
    {"__sizeof__", counter_sizeof, METH_NOARGS, DOC_CELL_SIZEOF},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef counter_members[] = {
    {"__weaklistoffset__", AX_T_PYSSIZET, offsetof(CounterCell, weakrefs), AX_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot counter_slots[] = {
    {Py_tp_doc, (void *)DOC_Counter},
    {Py_tp_new, counter_new}, /* zero at first; ignores the arguments, which counter_init checks */
    {Py_tp_init, counter_init},
    {Py_tp_dealloc, counter_dealloc},
    {Py_tp_traverse, cell_traverse},
    {Py_tp_repr, counter_repr},
    {Py_tp_str, counter_str},
    {Py_tp_methods, counter_methods},
    {Py_tp_members, counter_members},
    {Py_nb_int, counter_int},
    {Py_nb_bool, counter_bool},
    {Py_nb_inplace_add, counter_iadd},
    {0, NULL},
};

PyType_Spec counter_spec = {
    .name = "atomicx.Counter",
    .basicsize = sizeof(CounterCell),
    .flags = AX_TPFLAGS_CELL,
    .slots = counter_slots,
};
