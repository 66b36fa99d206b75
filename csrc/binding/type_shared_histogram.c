/* type_shared_histogram.c: SharedHistogram, the type that Segment.histogram() returns. Its run, in each
 * process's stripe, is the sum of the values followed by a count per bucket. */
#include "segment.h"

#include "cell.h"
#include "docstrings.h"
#include "shared_cell.h"

static PyObject *histogram_observe(PyObject *self, PyObject *argument)
{
    SegmentCell *cell = segment_cell(self);
    double value;
    if (!segment_as_observation(argument, &value) ||
        !segment_observe(cell->segment, cell->entry.first_word, cell->bounds, cell->entry.bound_count,
                         value)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* What a timer calls to observe. */
static bool histogram_record_shared(PyObject *self, double value)
{
    SegmentCell *cell = segment_cell(self);
    return segment_observe(cell->segment, cell->entry.first_word, cell->bounds, cell->entry.bound_count,
                           value);
}

static PyObject *histogram_time(PyObject *self, PyObject *Py_UNUSED(unused))
{
    ModuleState *state = module_state(Py_TYPE(self), segment_cell_dealloc);
    return state == NULL || !segment_is_open(segment_cell(self)->segment)
               ? NULL
               : timer_new(state, self, histogram_record_shared, true);
}

static PyObject *histogram_snapshot(PyObject *self, PyObject *Py_UNUSED(unused))
{
    SegmentCell *cell = segment_cell(self);
    ModuleState *state = module_state(Py_TYPE(self), segment_cell_dealloc);
    if (state == NULL || !segment_is_open(cell->segment)) {
        return NULL;
    }
    const ax_segment *view = &cell->segment->view;
    uint32_t word = cell->entry.first_word;
    /* The sum is read before the counts: it may lag behind them, not lead. */
    PyObject *snapshot = NULL, *sum = PyFloat_FromDouble(ax_segment_sum_doubles(view, word));
    PyObject *counts = sum == NULL ? NULL : PyTuple_New((Py_ssize_t)cell->entry.bound_count + 1);
    for (uint32_t i = 0; counts != NULL && i <= cell->entry.bound_count; i++) {
        PyObject *count = segment_sum_object(ax_segment_sum(view, word + 1 + i));
        if (count == NULL) {
            Py_CLEAR(counts);
        } else {
            PyTuple_SET_ITEM(counts, (Py_ssize_t)i, count);
        }
    }
    if (counts != NULL) {
        PyObject *bounds = segment_bounds_tuple(cell);
        snapshot = bounds == NULL ? NULL : snapshot_new(state, counts, sum, bounds);
        Py_XDECREF(bounds);
    }
    Py_XDECREF(counts);
    Py_XDECREF(sum);
    return snapshot;
}

static PyObject *histogram_bounds(PyObject *self, void *Py_UNUSED(closure))
{
    return segment_bounds_tuple(segment_cell(self));
}

static PyObject *histogram_repr(PyObject *self)
{
    PyObject *bounds = histogram_bounds(self, NULL);
    PyObject *content = bounds == NULL ? NULL : PyObject_Repr(bounds);
    Py_XDECREF(bounds);
    return cell_repr(self, content);
}

static PyMethodDef histogram_methods[] = {
    {"observe", histogram_observe, METH_O, DOC_SharedHistogram_observe},
    {"time", histogram_time, METH_NOARGS, DOC_SharedHistogram_time},
    {"snapshot", histogram_snapshot, METH_NOARGS, DOC_SharedHistogram_snapshot},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_SharedHistogram___reduce__},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef histogram_getset[] = {
    {"bounds", histogram_bounds, NULL, DOC_SharedHistogram_bounds, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot histogram_slots[] = {
    {Py_tp_doc, (void *)DOC_SharedHistogram}, {Py_tp_dealloc, segment_cell_dealloc},
    {Py_tp_traverse, segment_cell_traverse},  {Py_tp_repr, histogram_repr},
    {Py_tp_methods, histogram_methods},       {Py_tp_getset, histogram_getset},
    {Py_tp_members, segment_cell_members},    {0, NULL},
};

PyType_Spec shared_histogram_spec = {
    .name = "atomicx.SharedHistogram",
    .basicsize = sizeof(SegmentCell),
    .flags = SEGMENT_CELL_FLAGS,
    .slots = histogram_slots,
};
