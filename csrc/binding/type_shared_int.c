/* type_shared_int.c: SharedInt: the operations of AtomicInt on eight bytes of another object's buffer. */
#include "shared_cell.h"

#include "int_operations.h"

static int shared_int_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return shared_init(self, args, kwargs, "O|O:SharedInt");
}

static PyObject *shared_int_repr(PyObject *self)
{
    return shared_repr(self, int_int(self));
}

static PyMethodDef shared_int_methods[] = {
    INT_METHODS
    {"release", shared_release, METH_NOARGS, DOC_SharedInt_release},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_SharedInt___reduce__},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot shared_int_slots[] = {
    {Py_tp_doc, (void *)DOC_SharedInt},
    {Py_tp_new, PyType_GenericNew}, /* without a buffer yet; ignores the arguments, which the init checks */
    {Py_tp_init, shared_int_init},
    {Py_tp_dealloc, shared_dealloc},
    {Py_tp_traverse, shared_traverse},
    {Py_tp_clear, shared_clear},
    {Py_tp_repr, shared_int_repr},
    {Py_tp_methods, shared_int_methods},
    {Py_tp_members, shared_cell_members},
    INT_SLOTS
    {0, NULL},
};

PyType_Spec shared_int_spec = {
    .name = "atomicx.SharedInt",
    .basicsize = sizeof(SharedCell),
    .flags = AX_TPFLAGS_CELL | Py_TPFLAGS_HAVE_GC,
    .slots = shared_int_slots,
};
