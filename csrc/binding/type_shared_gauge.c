/* type_shared_gauge.c: SharedGauge, the type that Segment.gauge() returns. Each process owns a part, in its
 * stripe; a load adds up the parts of the living processes. */
#include "segment.h"

#include "cell.h"
#include "docstrings.h"
#include "shared_cell.h"

static bool gauge_count(PyObject *self, int64_t delta)
{
    SegmentCell *cell = segment_cell(self);
    return segment_add(cell->segment, cell->entry.first_word, delta);
}

static PyObject *gauge_inc(PyObject *self, PyObject *Py_UNUSED(unused))
{
    if (!gauge_count(self, 1)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *gauge_dec(PyObject *self, PyObject *Py_UNUSED(unused))
{
    if (!gauge_count(self, -1)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Subtracting INT64_MIN cannot be done by adding its negative, which does not fit. */
static bool gauge_add_or_subtract(PyObject *self, PyObject *argument, bool subtract)
{
    int64_t delta;
    if (!as_int64(argument, &delta)) {
        return false;
    }
    if (subtract && delta == INT64_MIN) {
        (void)result_overflow();
        return false;
    }
    return gauge_count(self, subtract ? -delta : delta);
}

static PyObject *gauge_add(PyObject *self, PyObject *argument)
{
    if (!gauge_add_or_subtract(self, argument, false)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *gauge_iadd(PyObject *self, PyObject *argument)
{
    return gauge_add_or_subtract(self, argument, false) ? Py_NewRef(self) : NULL;
}

static PyObject *gauge_isub(PyObject *self, PyObject *argument)
{
    return gauge_add_or_subtract(self, argument, true) ? Py_NewRef(self) : NULL;
}

static PyObject *gauge_store(PyObject *self, PyObject *argument)
{
    SegmentCell *cell = segment_cell(self);
    int64_t value;
    if (!as_int64(argument, &value) || !segment_store(cell->segment, cell->entry.first_word, value)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static bool gauge_read(PyObject *self, ax_sum *sum)
{
    SegmentCell *cell = segment_cell(self);
    if (!segment_is_open(cell->segment)) {
        return false;
    }
    *sum = ax_segment_sum_living(&cell->segment->view, cell->entry.first_word, segment_owner_is_alive,
                                 cell->segment);
    return true;
}

static PyObject *gauge_load(PyObject *self, PyObject *Py_UNUSED(unused))
{
    ax_sum sum;
    return gauge_read(self, &sum) ? segment_sum_object(sum) : NULL;
}

static PyObject *gauge_track(PyObject *self, PyObject *Py_UNUSED(unused))
{
    ModuleState *state = module_state(Py_TYPE(self), segment_cell_dealloc);
    return state == NULL ? NULL : guard_new_shared(state, self, gauge_count);
}

/* Checks the limit against the sum, so processes that admit at the same moment may together pass it. */
static bool gauge_try_count(PyObject *self, int64_t limit, bool *admitted)
{
    ax_sum sum;
    if (!gauge_read(self, &sum)) {
        return false;
    }
    *admitted = sum.high < 0 || (ax_sum_fits(sum) && (int64_t)sum.low < limit);
    return !*admitted || gauge_count(self, 1);
}

static PyObject *gauge_admit(PyObject *self, PyObject *argument)
{
    int64_t limit;
    ModuleState *state =
        as_int64(argument, &limit) ? module_state(Py_TYPE(self), segment_cell_dealloc) : NULL;
    return state == NULL ? NULL : admission_new(state, self, gauge_try_count, gauge_count, limit, true);
}

static PyObject *gauge_int(PyObject *self)
{
    return gauge_load(self, NULL);
}

static PyObject *gauge_str(PyObject *self)
{
    return cell_str(gauge_int(self));
}

static PyObject *gauge_format(PyObject *self, PyObject *spec)
{
    return cell_format(gauge_int(self), spec);
}

static int gauge_bool(PyObject *self)
{
    ax_sum sum;
    return gauge_read(self, &sum) ? (sum.high | (int64_t)sum.low) != 0 : -1;
}

static PyObject *gauge_repr(PyObject *self)
{
    return shared_repr(self, gauge_int(self));
}

static PyMethodDef gauge_methods[] = {
    {"inc", gauge_inc, METH_NOARGS, DOC_SharedGauge_inc},
    {"dec", gauge_dec, METH_NOARGS, DOC_SharedGauge_dec},
    {"add", gauge_add, METH_O, DOC_SharedGauge_add},
    {"store", gauge_store, METH_O, DOC_SharedGauge_store},
    {"load", gauge_load, METH_NOARGS, DOC_SharedGauge_load},
    {"track", gauge_track, METH_NOARGS, DOC_SharedGauge_track},
    {"admit", gauge_admit, METH_O, DOC_SharedGauge_admit},
    {"__format__", gauge_format, METH_O, DOC_CELL_FORMAT},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_SharedGauge___reduce__},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot gauge_slots[] = {
    {Py_tp_doc, (void *)DOC_SharedGauge},
    {Py_tp_dealloc, segment_cell_dealloc},
    {Py_tp_traverse, segment_cell_traverse},
    {Py_tp_repr, gauge_repr},
    {Py_tp_str, gauge_str},
    {Py_tp_methods, gauge_methods},
    {Py_tp_members, segment_cell_members},
    {Py_nb_int, gauge_int},
    {Py_nb_bool, gauge_bool},
    {Py_nb_inplace_add, gauge_iadd},
    {Py_nb_inplace_subtract, gauge_isub},
    {0, NULL},
};

PyType_Spec shared_gauge_spec = {
    .name = "atomicx.SharedGauge",
    .basicsize = sizeof(SegmentCell),
    .flags = SEGMENT_CELL_FLAGS,
    .slots = gauge_slots,
};
