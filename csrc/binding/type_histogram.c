/* type_histogram.c: Histogram. */
#include "bucket_cell.h"

#include <math.h>
#include <stddef.h>

#include "docstrings.h"

typedef struct {
    PyObject_HEAD
    ax_pointer buckets; /* atomic: NULL until __init__ has run, then an ax_buckets for good */
    PyObject *weakrefs; /* owned by the interpreter */
} HistogramCell;

/* NULL with RuntimeError if a subclass has not called __init__. */
static inline ax_buckets *buckets_of(PyObject *self)
{
    ax_buckets *buckets = ax_pointer_load(&((HistogramCell *)self)->buckets);
    if (buckets == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "Histogram.__init__() was not called");
    }
    return buckets;
}

static PyObject *histogram_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyObject *self = type->tp_alloc(type, 0); /* zeroed: no buckets */
    if (self != NULL) {
        ax_enable_deferred_refcount(self); /* a histogram is meant to be shared */
    }
    return self;
}

bool as_histogram_bounds(PyObject *items, double *bounds)
{
    Py_ssize_t count = PyTuple_GET_SIZE(items);
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!as_double(PyTuple_GET_ITEM(items, i), &bounds[i])) {
            return false;
        }
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!isfinite(bounds[i]) || (i > 0 && bounds[i] <= bounds[i - 1])) {
            PyErr_SetString(PyExc_ValueError,
                            "the bounds of a Histogram must be finite and strictly increasing");
            return false;
        }
    }
    return true;
}

/* The buckets for these bounds; NULL with an exception set. */
static ax_buckets *buckets_new(PyObject *items)
{
    size_t count = (size_t)PyTuple_GET_SIZE(items);
    if (count == 0) {
        PyErr_SetString(PyExc_ValueError, "a Histogram needs at least one bound");
        return NULL;
    }
    double *bounds = PyMem_New(double, count);
    if (bounds == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    ax_buckets *buckets = NULL;
    if (as_histogram_bounds(items, bounds)) {
        buckets = ax_buckets_new(bounds, count, &stripe_system);
        if (buckets == NULL) {
            PyErr_NoMemory();
        }
    }
    PyMem_Free(bounds);
    return buckets;
}

static int histogram_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    char *keywords[] = {"bounds", NULL};
    PyObject *bounds;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Histogram", keywords, &bounds)) {
        return -1;
    }
    PyObject *items = PySequence_Tuple(bounds);
    if (items == NULL) {
        return -1;
    }
    ax_buckets *buckets = buckets_new(items);
    Py_DECREF(items);
    if (buckets == NULL) {
        return -1;
    }
    void *found = NULL;
    if (!ax_pointer_compare_exchange(&((HistogramCell *)self)->buckets, &found, buckets)) {
        ax_buckets_free(buckets, &stripe_system);
        PyErr_SetString(PyExc_RuntimeError, "Histogram.__init__() was already called");
        return -1;
    }
    return 0;
}

static void histogram_dealloc(PyObject *self)
{
    cell_begin_dealloc(self);
    ax_buckets *buckets = ax_pointer_load(&((HistogramCell *)self)->buckets);
    if (buckets != NULL) {
        ax_buckets_free(buckets, &stripe_system);
    }
    cell_end_dealloc(self);
}

AX_INLINE void histogram_count(ax_buckets *buckets, double value)
{
    buckets_observe(buckets, ax_buckets_find(buckets, value), value);
}

/* What a timer calls to observe: the buckets were already there when the timer was made. */
static bool histogram_record(PyObject *self, double seconds)
{
    histogram_count(ax_pointer_load(&((HistogramCell *)self)->buckets), seconds);
    return true;
}

bool histogram_try_record(PyObject *self, double value)
{
    ax_buckets *buckets = ax_pointer_load(&((HistogramCell *)self)->buckets);
    if (buckets == NULL || ax_float_is_nan(value)) {
        return false;
    }
    histogram_count(buckets, value);
    return true;
}

static PyObject *histogram_observe(PyObject *self, PyObject *argument)
{
    double value;
    if (PyFloat_CheckExact(argument)) {
        value = PyFloat_AS_DOUBLE(argument);
    } else if (!as_double(argument, &value)) {
        return NULL;
    }
    ax_buckets *buckets = buckets_of(self);
    if (buckets == NULL) {
        return NULL;
    }
    if (ax_float_is_nan(value)) {
        PyErr_SetString(PyExc_ValueError, "a Histogram has no bucket for NaN");
        return NULL;
    }
    histogram_count(buckets, value);
    Py_RETURN_NONE;
}

static PyObject *histogram_time(PyObject *self, PyTypeObject *definer, PyObject *const *Py_UNUSED(args),
                                Py_ssize_t nargs, PyObject *kwnames)
{
    ModuleState *state = state_for("time", definer, nargs, kwnames);
    return state == NULL || buckets_of(self) == NULL ? NULL : timer_new(state, self, histogram_record, false);
}

/* Puts the count of a bucket into a tuple that no other code has seen. */
static bool put_count(void *tuple, size_t bucket, uint64_t count)
{
    PyObject *number = PyLong_FromUnsignedLongLong(count); /* never fails for 0 */
    if (number == NULL) {
        return false;
    }
    PyObject *before = PyTuple_GET_ITEM((PyObject *)tuple, (Py_ssize_t)bucket);
    PyTuple_SET_ITEM((PyObject *)tuple, (Py_ssize_t)bucket, number);
    Py_DECREF(before);
    return true;
}

/* A tuple with a zero per bucket; NULL with MemoryError. */
static PyObject *counts_new(const ax_buckets *buckets)
{
    PyObject *counts = PyTuple_New((Py_ssize_t)buckets->count);
    for (size_t i = 0; counts != NULL && i < buckets->count; i++) {
        PyTuple_SET_ITEM(counts, (Py_ssize_t)i, PyLong_FromLong(0)); /* never fails */
    }
    return counts;
}

/* Makes the snapshot without calling a Python function: a tuple, with its bounds in the __dict__. */
PyObject *snapshot_new(ModuleState *state, PyObject *counts, PyObject *sum, PyObject *bounds)
{
    PyObject *pair = PyTuple_Pack(2, counts, sum);
    PyObject *args = pair == NULL ? NULL : PyTuple_Pack(1, pair);
    PyObject *snapshot = args == NULL ? NULL : PyTuple_Type.tp_new(state->snapshot, args, NULL);
    PyObject *attributes = snapshot == NULL ? NULL : PyObject_GenericGetDict(snapshot, NULL);
    if (attributes == NULL || PyDict_SetItemString(attributes, "bounds", bounds) < 0) {
        Py_CLEAR(snapshot);
    }
    Py_XDECREF(attributes);
    Py_XDECREF(args);
    Py_XDECREF(pair);
    return snapshot;
}

/* A tuple of the bounds; NULL with MemoryError. */
static PyObject *bounds_new(const ax_buckets *buckets)
{
    PyObject *bounds = PyTuple_New((Py_ssize_t)buckets->count - 1);
    for (Py_ssize_t i = 0; bounds != NULL && i < (Py_ssize_t)buckets->count - 1; i++) {
        PyObject *bound = PyFloat_FromDouble(buckets->bounds[i]);
        if (bound == NULL) {
            Py_CLEAR(bounds);
        } else {
            PyTuple_SET_ITEM(bounds, i, bound);
        }
    }
    return bounds;
}

/* A snapshot with this histogram's bounds; NULL with MemoryError. */
static PyObject *snapshot_of(ModuleState *state, const ax_buckets *buckets, PyObject *counts, PyObject *sum)
{
    PyObject *bounds = bounds_new(buckets);
    PyObject *snapshot = bounds == NULL ? NULL : snapshot_new(state, counts, sum, bounds);
    Py_XDECREF(bounds);
    return snapshot;
}

static PyObject *histogram_snapshot(PyObject *self, PyTypeObject *definer, PyObject *const *Py_UNUSED(args),
                                    Py_ssize_t nargs, PyObject *kwnames)
{
    ModuleState *state = state_for("snapshot", definer, nargs, kwnames);
    ax_buckets *buckets = state == NULL ? NULL : buckets_of(self);
    if (buckets == NULL) {
        return NULL;
    }
    PyObject *snapshot = NULL;
    PyObject *sum = PyFloat_FromDouble(ax_buckets_sum(buckets)); /* before the counts: it may lag, not lead */
    PyObject *counts = sum == NULL ? NULL : counts_new(buckets);
    bool filled = counts != NULL;
    for (size_t i = 0; filled && i < buckets->count; i++) {
        filled = put_count(counts, i, ax_buckets_load(buckets, i));
    }
    if (filled) {
        snapshot = snapshot_of(state, buckets, counts, sum);
    }
    Py_XDECREF(counts);
    Py_XDECREF(sum);
    return snapshot;
}

/* Drains into counts and sum, a prepared float; false with MemoryError. */
static bool drain_into(ax_buckets *buckets, PyObject *counts, PyObject *sum)
{
    ax_bucket_reading *readings = PyMem_New(ax_bucket_reading, buckets->count);
    if (readings == NULL) {
        PyErr_NoMemory();
        return false;
    }
    double taken;
    bool drained = ax_buckets_drain(buckets, readings, put_count, counts, &taken);
    PyMem_Free(readings);
    if (drained) {
        PyErr_Clear(); /* the error of a bucket that was left for the next drain */
        (void)fill_float(sum, taken);
    }
    return drained;
}

static PyObject *histogram_drain(PyObject *self, PyTypeObject *definer, PyObject *const *Py_UNUSED(args),
                                 Py_ssize_t nargs, PyObject *kwnames)
{
    ModuleState *state = state_for("drain", definer, nargs, kwnames);
    ax_buckets *buckets = state == NULL ? NULL : buckets_of(self);
    if (buckets == NULL) {
        return NULL;
    }
    /* Everything that is returned is allocated before anything is taken. */
    PyObject *sum = prepare_float();
    PyObject *counts = sum == NULL ? NULL : counts_new(buckets);
    PyObject *snapshot = counts == NULL ? NULL : snapshot_of(state, buckets, counts, sum);
    if (snapshot != NULL && !drain_into(buckets, counts, sum)) {
        Py_CLEAR(snapshot);
    }
    Py_XDECREF(counts);
    Py_XDECREF(sum);
    return snapshot;
}

static PyObject *histogram_bounds(PyObject *self, void *Py_UNUSED(closure))
{
    ax_buckets *buckets = buckets_of(self);
    return buckets == NULL ? NULL : bounds_new(buckets);
}

static PyObject *histogram_repr(PyObject *self)
{
    ax_buckets *buckets = buckets_of(self);
    if (buckets == NULL) {
        return NULL;
    }
    PyObject *sum = PyFloat_FromDouble(ax_buckets_sum(buckets));
    PyObject *bounds = sum == NULL ? NULL : bounds_new(buckets);
    uint64_t count = 0;
    for (size_t i = 0; i < buckets->count; i++) {
        count += ax_buckets_load(buckets, i);
    }
    PyObject *content = bounds == NULL ? NULL
                                       : PyUnicode_FromFormat("%R, count=%llu, sum=%R", bounds,
                                                              (unsigned long long)count, sum);
    Py_XDECREF(bounds);
    Py_XDECREF(sum);
    return cell_repr(self, content);
}

static PyObject *histogram_sizeof(PyObject *self, PyObject *Py_UNUSED(unused))
{
    const ax_buckets *buckets = ax_pointer_load(&((HistogramCell *)self)->buckets);
    return cell_sizeof(self, buckets == NULL ? 0 : ax_buckets_bytes(buckets));
}

static PyMethodDef histogram_methods[] = {
    {"observe", histogram_observe, METH_O, DOC_Histogram_observe},
    {"time", AX_METHOD(histogram_time), BUCKETS_METHOD, DOC_Histogram_time},
    {"snapshot", AX_METHOD(histogram_snapshot), BUCKETS_METHOD, DOC_Histogram_snapshot},
    {"drain", AX_METHOD(histogram_drain), BUCKETS_METHOD, DOC_Histogram_drain},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_Histogram___reduce__},
    {"__sizeof__", histogram_sizeof, METH_NOARGS, DOC_CELL_SIZEOF},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef histogram_getset[] = {
    {"bounds", histogram_bounds, NULL, DOC_Histogram_bounds, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef histogram_members[] = {
    {"__weaklistoffset__", AX_T_PYSSIZET, offsetof(HistogramCell, weakrefs), AX_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot histogram_slots[] = {
    {Py_tp_doc, (void *)DOC_Histogram},
    {Py_tp_new, histogram_new}, /* no bounds yet; ignores the arguments, which histogram_init takes */
    {Py_tp_init, histogram_init},
    {Py_tp_dealloc, histogram_dealloc},
    {Py_tp_traverse, cell_traverse},
    {Py_tp_repr, histogram_repr},
    {Py_tp_methods, histogram_methods},
    {Py_tp_getset, histogram_getset},
    {Py_tp_members, histogram_members},
    {0, NULL},
};

PyType_Spec histogram_spec = {
    .name = "atomicx.Histogram",
    .basicsize = sizeof(HistogramCell),
    .flags = AX_TPFLAGS_CELL,
    .slots = histogram_slots,
};
