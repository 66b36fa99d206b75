/* type_int.c: AtomicInt. */
#include "word_cell.h"

#include "int_operations.h"

static int int_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *argument;
    int64_t value = 0;
    int given = cell_init_argument("AtomicInt", args, kwargs, &argument);
    if (given < 0 || (given && !as_int64(argument, &value))) {
        return -1;
    }
    return int_write(self, value) ? 0 : -1;
}

static PyObject *int_repr(PyObject *self)
{
    return cell_repr(self, int_int(self));
}

static PyMethodDef int_methods[] = {
    INT_METHODS
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_AtomicInt___reduce__},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot int_slots[] = {
    {Py_tp_doc, (void *)DOC_AtomicInt},
    {Py_tp_new, PyType_GenericNew}, /* zero at first; ignores the arguments, which int_init checks */
    {Py_tp_init, int_init},
    {Py_tp_dealloc, cell_dealloc},
    {Py_tp_traverse, cell_traverse},
    {Py_tp_repr, int_repr},
    {Py_tp_methods, int_methods},
    {Py_tp_members, word_cell_members},
    INT_SLOTS
    {0, NULL},
};

PyType_Spec int_spec = {
    .name = "atomicx.AtomicInt",
    .basicsize = sizeof(WordCell),
    .flags = AX_TPFLAGS_CELL,
    .slots = int_slots,
};
