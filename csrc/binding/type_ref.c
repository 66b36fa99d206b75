/* type_ref.c: AtomicRef. */
#include "cell.h"

#include <stddef.h>

#include "ax_ref.h"
#include "docstrings.h"
#include "types.h"

typedef struct {
    PyObject_HEAD
    ax_pointer slot;    /* atomic; owns a reference, and is never NULL once ref_new has returned */
    PyObject *weakrefs; /* owned by the interpreter */
} RefCell;

static ax_pointer *slot_of(PyObject *self)
{
    return &((RefCell *)self)->slot;
}

/* Puts object in, and then releases the object that was there. The release comes after the swap, since it may
 * run any code. */
static void ref_replace(PyObject *self, PyObject *object)
{
    Py_DECREF(ax_ref_exchange(slot_of(self), Py_NewRef(object)));
}

static PyObject *ref_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyObject *self = type->tp_alloc(type, 0);
    if (self != NULL) {
        ax_ref_init(slot_of(self), Py_NewRef(Py_None));
    }
    return self;
}

static int ref_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *value;
    int given = cell_init_argument("AtomicRef", args, kwargs, &value);
    if (given < 0) {
        return -1;
    }
    ref_replace(self, given ? value : Py_None);
    return 0;
}

static int ref_traverse(PyObject *self, visitproc visit, void *arg)
{
    /* The collector reads the slot like any thread. It may run before ref_new has filled the slot. */
    PyObject *object = ax_pointer_load(slot_of(self));
    Py_VISIT(object);
    return cell_traverse(self, visit, arg);
}

/* Leaves None, not NULL: a finalizer may still load from the cell, and another thread may hold a reference to
 * it. */
static int ref_clear(PyObject *self)
{
    ref_replace(self, Py_None);
    return 0;
}

/* The trashcan turns the release of a long chain of nested cells from a recursion into a loop. */
static void ref_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, ref_dealloc)
    cell_begin_dealloc(self);
    Py_XDECREF((PyObject *)ax_pointer_exchange(slot_of(self), NULL));
    cell_end_dealloc(self);
    Py_TRASHCAN_END
}

static PyObject *ref_load(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return ax_ref_load(slot_of(self));
}

static PyObject *ref_store(PyObject *self, PyObject *value)
{
    ref_replace(self, value);
    Py_RETURN_NONE;
}

static PyObject *ref_exchange(PyObject *self, PyObject *value)
{
    return ax_ref_exchange(slot_of(self), Py_NewRef(value));
}

/* Swaps if the slot holds expected, and adjusts the references either way. */
static bool ref_swap(PyObject *self, PyObject *expected, PyObject *desired)
{
    Py_INCREF(desired);
    bool swapped = ax_ref_compare_and_set(slot_of(self), expected, desired);
    Py_DECREF(swapped ? expected : desired);
    return swapped;
}

static PyObject *ref_compare_and_set_pair(PyObject *self, PyObject *const *pair)
{
    return bool_object(ref_swap(self, pair[0], pair[1]));
}

static const pair_method ref_compare_and_set_method = {ref_compare_and_set_pair, "compare_and_set",
                                                       "expected", "desired"};

static PyObject *ref_compare_and_set(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                     PyObject *kwnames)
{
    return is_pair(nargs, kwnames) ? ref_compare_and_set_pair(self, args)
                                   : call_with_pair(&ref_compare_and_set_method, self, args, nargs, kwnames);
}

static PyObject *ref_compare_exchange_pair(PyObject *self, PyObject *const *pair)
{
    PyObject *expected = pair[0], *desired = Py_NewRef(pair[1]);
    PyObject *witness = ax_ref_compare_exchange(slot_of(self), expected, desired);
    if (witness != expected) {
        Py_DECREF(desired);
    }
    return witness;
}

static const pair_method ref_compare_exchange_method = {ref_compare_exchange_pair, "compare_exchange",
                                                        "expected", "desired"};

static PyObject *ref_compare_exchange(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                      PyObject *kwnames)
{
    return is_pair(nargs, kwnames) ? ref_compare_exchange_pair(self, args)
                                   : call_with_pair(&ref_compare_exchange_method, self, args, nargs, kwnames);
}

/* Replaces the object by function(object), and retries until no other change came in between. Holds only
 * references while the function runs. True with references to the replaced object and to the new one. */
static bool ref_update_with(PyObject *self, PyObject *function, PyObject **previous, PyObject **result)
{
    for (;;) {
        *previous = ax_ref_load(slot_of(self));
        *result = PyObject_CallOneArg(function, *previous);
        if (*result == NULL) {
            Py_DECREF(*previous);
            return false;
        }
        if (ref_swap(self, *previous, *result)) {
            return true;
        }
        Py_DECREF(*previous);
        Py_DECREF(*result);
        ax_enable_deferred_refcount(self); /* threads contend for the cell; it takes effect once */
        if (!before_retry()) {
            return false;
        }
    }
}

static PyObject *ref_update(PyObject *self, PyObject *function)
{
    PyObject *previous, *result;
    if (!ref_update_with(self, function, &previous, &result)) {
        return NULL;
    }
    Py_DECREF(previous);
    return result;
}

static PyObject *ref_fetch_update(PyObject *self, PyObject *function)
{
    PyObject *previous, *result;
    if (!ref_update_with(self, function, &previous, &result)) {
        return NULL;
    }
    Py_DECREF(result);
    return previous;
}

static PyObject *ref_repr(PyObject *self)
{
    int entered = Py_ReprEnter(self);
    if (entered != 0) {
        return entered < 0 ? NULL : cell_repr(self, PyUnicode_FromString("..."));
    }
    PyObject *object = ax_ref_load(slot_of(self));
    PyObject *content = PyObject_Repr(object);
    Py_DECREF(object);
    PyObject *repr = cell_repr(self, content);
    Py_ReprLeave(self);
    return repr;
}

static PyMethodDef ref_methods[] = {
    {"load", ref_load, METH_NOARGS, DOC_AtomicRef_load},
    {"store", ref_store, METH_O, DOC_AtomicRef_store},
    {"exchange", ref_exchange, METH_O, DOC_AtomicRef_exchange},
    {"compare_and_set", AX_METHOD(ref_compare_and_set), AX_PAIR, DOC_AtomicRef_compare_and_set},
    {"compare_exchange", AX_METHOD(ref_compare_exchange), AX_PAIR, DOC_AtomicRef_compare_exchange},
    {"update", ref_update, METH_O, DOC_AtomicRef_update},
    {"fetch_update", ref_fetch_update, METH_O, DOC_AtomicRef_fetch_update},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, DOC_AtomicRef___class_getitem__},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_AtomicRef___reduce__},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef ref_members[] = {
    {"__weaklistoffset__", AX_T_PYSSIZET, offsetof(RefCell, weakrefs), AX_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot ref_slots[] = {
    {Py_tp_doc, (void *)DOC_AtomicRef},
    {Py_tp_new, ref_new}, /* None at first; ignores the arguments, which ref_init checks */
    {Py_tp_init, ref_init},
    {Py_tp_dealloc, ref_dealloc},
    {Py_tp_traverse, ref_traverse},
    {Py_tp_clear, ref_clear},
    {Py_tp_repr, ref_repr},
    {Py_tp_methods, ref_methods},
    {Py_tp_members, ref_members},
    {0, NULL},
};

PyType_Spec ref_spec = {
    .name = "atomicx.AtomicRef",
    .basicsize = sizeof(RefCell),
    .flags = AX_TPFLAGS_CELL | Py_TPFLAGS_HAVE_GC,
    .slots = ref_slots,
};
