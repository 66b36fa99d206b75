/* type_shared_float.c: SharedFloat: the operations of AtomicFloat on eight bytes of another object's
 * buffer. */
#include "shared_cell.h"

#include "float_operations.h"
#include "types.h"

static int shared_float_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return shared_init(self, args, kwargs, "O|O:SharedFloat");
}

static PyObject *shared_float_repr(PyObject *self)
{
    return shared_repr(self, float_float(self));
}

static PyMethodDef shared_float_methods[] = {
    FLOAT_METHODS
    {"release", shared_release, METH_NOARGS, DOC_SharedFloat_release},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_SharedFloat___reduce__},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot shared_float_slots[] = {
    {Py_tp_doc, (void *)DOC_SharedFloat},
    {Py_tp_new, PyType_GenericNew}, /* without a buffer yet; ignores the arguments, which the init checks */
    {Py_tp_init, shared_float_init},
    {Py_tp_dealloc, shared_dealloc},
    {Py_tp_traverse, shared_traverse},
    {Py_tp_clear, shared_clear},
    {Py_tp_repr, shared_float_repr},
    {Py_tp_methods, shared_float_methods},
    {Py_tp_members, shared_cell_members},
    FLOAT_SLOTS
    {0, NULL},
};

PyType_Spec shared_float_spec = {
    .name = "atomicx.SharedFloat",
    .basicsize = sizeof(SharedCell),
    .flags = AX_TPFLAGS_CELL | Py_TPFLAGS_HAVE_GC,
    .slots = shared_float_slots,
};
