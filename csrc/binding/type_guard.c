/* type_guard.c: Guard, which AtomicInt.track() and SharedInt.track() return. */
#include "cell.h"

#include <stddef.h>

#include "docstrings.h"
#include "types.h"

typedef struct {
    PyObject_HEAD
    PyObject *cell;     /* an AtomicInt or a SharedInt, owned; immutable after creation */
    guard_count count;  /* adds to it; immutable after creation */
    PyObject *weakrefs; /* owned by the interpreter */
} Guard;

static PyObject *cell_of(PyObject *self)
{
    return ((Guard *)self)->cell;
}

PyObject *guard_new(ModuleState *state, PyObject *cell, guard_count count)
{
    Guard *guard = PyObject_GC_New(Guard, state->guard);
    if (guard == NULL) {
        return NULL;
    }
    guard->cell = Py_NewRef(cell);
    guard->count = count;
    guard->weakrefs = NULL;
    PyObject_GC_Track(guard);
    return (PyObject *)guard;
}

/* There is no tp_clear, as tuples have none: a guard never changes, so every cycle through it leads through
 * some other object that can be cleared. */
static int guard_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(cell_of(self));
    return cell_traverse(self, visit, arg);
}

static void guard_dealloc(PyObject *self)
{
    cell_begin_dealloc(self);
    Py_DECREF(cell_of(self));
    cell_end_dealloc(self);
}

/* Adds 1 or takes it away; false with an exception. */
static bool guard_apply(PyObject *self, int64_t delta)
{
    return ((Guard *)self)->count(cell_of(self), delta);
}

static PyObject *guard_enter(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return guard_apply(self, 1) ? Py_NewRef(cell_of(self)) : NULL;
}

static PyObject *guard_exit(PyObject *self, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs))
{
    if (!guard_apply(self, -1)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *decorate(const char *how, PyObject *with, PyObject *args, PyObject *kwargs)
{
    PyObject *function;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0) {
        PyErr_SetString(PyExc_TypeError, "a decorator takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_UnpackTuple(args, "__call__", 1, 1, &function)) {
        return NULL;
    }
    PyObject *module = PyImport_ImportModule("atomicx._decorator");
    if (module == NULL) {
        return NULL;
    }
    PyObject *wrapped = PyObject_CallMethod(module, how, "OO", with, function);
    Py_DECREF(module);
    return wrapped;
}

static PyObject *guard_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return decorate("wrap", self, args, kwargs);
}

static PyMethodDef guard_methods[] = {
    {"__enter__", guard_enter, METH_NOARGS, DOC_Guard___enter__},
    {"__exit__", AX_METHOD(guard_exit), METH_FASTCALL, DOC_Guard___exit__},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_Guard___reduce__},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef guard_members[] = {
    {"__weaklistoffset__", AX_T_PYSSIZET, offsetof(Guard, weakrefs), AX_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot guard_slots[] = {
    {Py_tp_doc, (void *)DOC_Guard},
    {Py_tp_dealloc, guard_dealloc},
    {Py_tp_traverse, guard_traverse},
    {Py_tp_call, guard_call},
    {Py_tp_methods, guard_methods},
    {Py_tp_members, guard_members},
    {0, NULL},
};

PyType_Spec guard_spec = {
    .name = "atomicx._core.Guard",
    .basicsize = sizeof(Guard),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_HAVE_GC,
    .slots = guard_slots,
};
