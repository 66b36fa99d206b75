/* type_shared_counter.c: SharedCounter, the type that Segment.counter() returns. Each process counts in its
 * own stripe; a load adds them up. */
#include "segment.h"

#include "cell.h"
#include "docstrings.h"
#include "shared_cell.h"

static bool counter_counts(PyObject *self, int64_t count)
{
    SegmentCell *cell = segment_cell(self);
    return segment_add(cell->segment, cell->entry.first_word, count);
}

static PyObject *counter_inc(PyObject *self, PyObject *Py_UNUSED(unused))
{
    if (!counter_counts(self, 1)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *counter_add(PyObject *self, PyObject *argument)
{
    int64_t count;
    if (!segment_as_count(argument, &count) || !counter_counts(self, count)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *counter_iadd(PyObject *self, PyObject *argument)
{
    int64_t count;
    return segment_as_count(argument, &count) && counter_counts(self, count) ? Py_NewRef(self) : NULL;
}

static bool counter_read(PyObject *self, ax_sum *sum)
{
    SegmentCell *cell = segment_cell(self);
    if (!segment_is_open(cell->segment)) {
        return false;
    }
    *sum = ax_segment_sum(&cell->segment->view, cell->entry.first_word);
    return true;
}

static PyObject *counter_load(PyObject *self, PyObject *Py_UNUSED(unused))
{
    ax_sum sum;
    return counter_read(self, &sum) ? segment_sum_object(sum) : NULL;
}

static PyObject *counter_int(PyObject *self)
{
    return counter_load(self, NULL);
}

static PyObject *counter_str(PyObject *self)
{
    return cell_str(counter_int(self));
}

static PyObject *counter_format(PyObject *self, PyObject *spec)
{
    return cell_format(counter_int(self), spec);
}

static int counter_bool(PyObject *self)
{
    ax_sum sum;
    return counter_read(self, &sum) ? (sum.high | (int64_t)sum.low) != 0 : -1;
}

static PyObject *counter_repr(PyObject *self)
{
    return shared_repr(self, counter_int(self));
}

static PyMethodDef counter_methods[] = {
    {"inc", counter_inc, METH_NOARGS, DOC_SharedCounter_inc},
    {"add", counter_add, METH_O, DOC_SharedCounter_add},
    {"load", counter_load, METH_NOARGS, DOC_SharedCounter_load},
    {"__format__", counter_format, METH_O, DOC_CELL_FORMAT},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_SharedCounter___reduce__},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot counter_slots[] = {
    {Py_tp_doc, (void *)DOC_SharedCounter},
    {Py_tp_dealloc, segment_cell_dealloc},
    {Py_tp_traverse, segment_cell_traverse},
    {Py_tp_repr, counter_repr},
    {Py_tp_str, counter_str},
    {Py_tp_methods, counter_methods},
    {Py_tp_members, segment_cell_members},
    {Py_nb_int, counter_int},
    {Py_nb_bool, counter_bool},
    {Py_nb_inplace_add, counter_iadd},
    {0, NULL},
};

PyType_Spec shared_counter_spec = {
    .name = "atomicx.SharedCounter",
    .basicsize = sizeof(SegmentCell),
    .flags = SEGMENT_CELL_FLAGS,
    .slots = counter_slots,
};
