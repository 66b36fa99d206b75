/* type_bool.c: AtomicBool, a word that holds 0 or 1. */
#include "cell.h"

#include "docstrings.h"
#include "types.h"
#include "word_cell.h"

/* Takes True and False themselves: 1, "no" or a list would hide a mistake. Runs no Python code. */
static bool as_flag(PyObject *object, uint64_t *flag)
{
    if (!PyBool_Check(object)) {
        PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(object), "__name__");
        if (name != NULL) {
            PyErr_Format(PyExc_TypeError, "AtomicBool takes True or False, not '%S'", name);
            Py_DECREF(name);
        }
        return false;
    }
    *flag = object == Py_True;
    return true;
}

static int bool_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *argument;
    uint64_t flag = 0;
    int given = cell_init_argument("AtomicBool", args, kwargs, &argument);
    if (given < 0 || (given && !as_flag(argument, &flag))) {
        return -1;
    }
    ax_word_store(word_of(self), flag);
    return 0;
}

static PyObject *bool_load(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return bool_object(ax_word_load(word_of(self)));
}

static PyObject *bool_store(PyObject *self, PyObject *argument)
{
    uint64_t flag;
    if (!as_flag(argument, &flag)) {
        return NULL;
    }
    ax_word_store(word_of(self), flag);
    Py_RETURN_NONE;
}

static PyObject *bool_exchange(PyObject *self, PyObject *argument)
{
    uint64_t flag;
    if (!as_flag(argument, &flag)) {
        return NULL;
    }
    return bool_object(ax_word_exchange(word_of(self), flag));
}

/* Compares and swaps: true with *swapped, and the value found in *witness. */
static bool bool_swap(const char *method, PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                      uint64_t *witness, bool *swapped)
{
    uint64_t desired;
    if (!check_arity(method, nargs, 2, 2) || !as_flag(args[0], witness) || !as_flag(args[1], &desired)) {
        return false;
    }
    *swapped = ax_word_compare_exchange(word_of(self), witness, desired);
    return true;
}

static PyObject *bool_compare_and_set(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t witness;
    bool swapped;
    return bool_swap("compare_and_set", self, args, nargs, &witness, &swapped) ? bool_object(swapped) : NULL;
}

static PyObject *bool_compare_exchange(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    uint64_t witness;
    bool swapped;
    return bool_swap("compare_exchange", self, args, nargs, &witness, &swapped) ? bool_object(witness) : NULL;
}

static PyObject *bool_test_and_set(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return bool_object(ax_word_exchange(word_of(self), 1));
}

static PyObject *bool_clear(PyObject *self, PyObject *Py_UNUSED(unused))
{
    ax_word_store(word_of(self), 0);
    Py_RETURN_NONE;
}

static int bool_bool(PyObject *self)
{
    return ax_word_load(word_of(self)) != 0;
}

static PyObject *bool_repr(PyObject *self)
{
    return cell_repr(self, bool_load(self, NULL));
}

static PyMethodDef bool_methods[] = {
    {"load", bool_load, METH_NOARGS, DOC_AtomicBool_load},
    {"store", bool_store, METH_O, DOC_AtomicBool_store},
    {"exchange", bool_exchange, METH_O, DOC_AtomicBool_exchange},
    {"compare_and_set", AX_METHOD(bool_compare_and_set), METH_FASTCALL, DOC_AtomicBool_compare_and_set},
    {"compare_exchange", AX_METHOD(bool_compare_exchange), METH_FASTCALL, DOC_AtomicBool_compare_exchange},
    {"test_and_set", bool_test_and_set, METH_NOARGS, DOC_AtomicBool_test_and_set},
    {"clear", bool_clear, METH_NOARGS, DOC_AtomicBool_clear},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_AtomicBool___reduce__},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot bool_slots[] = {
    {Py_tp_doc, (void *)DOC_AtomicBool},
    {Py_tp_new, PyType_GenericNew}, /* False; ignores the arguments, which bool_init checks */
    {Py_tp_init, bool_init},
    {Py_tp_dealloc, cell_dealloc},
    {Py_tp_traverse, cell_traverse},
    {Py_tp_repr, bool_repr},
    {Py_tp_methods, bool_methods},
    {Py_tp_members, word_cell_members},
    {Py_nb_bool, bool_bool},
    {0, NULL},
};

PyType_Spec bool_spec = {
    .name = "atomicx.AtomicBool",
    .basicsize = sizeof(WordCell),
    .flags = AX_TPFLAGS_CELL,
    .slots = bool_slots,
};
