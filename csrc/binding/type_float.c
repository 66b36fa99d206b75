/* type_float.c: AtomicFloat. */
#include "word_cell.h"

#include "float_operations.h"
#include "types.h"

static int float_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *argument;
    double value = 0.0;
    int given = cell_init_argument("AtomicFloat", args, kwargs, &argument);
    if (given < 0 || (given && !as_double(argument, &value))) {
        return -1;
    }
    return float_write(self, value) ? 0 : -1;
}

static PyObject *float_repr(PyObject *self)
{
    return cell_repr(self, float_float(self));
}

static PyMethodDef float_methods[] = {
    FLOAT_METHODS
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_AtomicFloat___reduce__},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot float_slots[] = {
    {Py_tp_doc, (void *)DOC_AtomicFloat},
    {Py_tp_new, PyType_GenericNew}, /* zero at first; ignores the arguments, which float_init checks */
    {Py_tp_init, float_init},
    {Py_tp_dealloc, cell_dealloc},
    {Py_tp_traverse, cell_traverse},
    {Py_tp_repr, float_repr},
    {Py_tp_methods, float_methods},
    {Py_tp_members, word_cell_members},
    FLOAT_SLOTS
    {0, NULL},
};

PyType_Spec float_spec = {
    .name = "atomicx.AtomicFloat",
    .basicsize = sizeof(WordCell),
    .flags = AX_TPFLAGS_CELL,
    .slots = float_slots,
};
