/* type_bool.c: AtomicBool, a word that holds 0 or 1. */
#include "cell.h"

#include "docstrings.h"
#include "types.h"
#include "word_cell.h"

/* The name of a type, qualified by its module if it is another type called bool, like numpy's. NULL with an
 * exception. */
static PyObject *name_of(PyTypeObject *type)
{
    PyObject *name = PyObject_GetAttrString((PyObject *)type, "__name__");
    if (name == NULL || !PyUnicode_Check(name) || PyUnicode_CompareWithASCIIString(name, "bool") != 0) {
        return name;
    }
    PyObject *home = PyObject_GetAttrString((PyObject *)type, "__module__");
    Py_SETREF(name, home == NULL ? NULL : PyUnicode_FromFormat("%S.%S", home, name));
    Py_XDECREF(home);
    return name;
}

/* Sets a TypeError that names what was given instead of a flag; returns false. Runs the code of a metaclass,
 * if any. */
static bool flag_error(PyObject *object)
{
    PyObject *name = name_of(Py_TYPE(object));
    if (name != NULL) {
        PyErr_Format(PyExc_TypeError, "AtomicBool takes True or False, not '%S'", name);
        Py_DECREF(name);
    }
    return false;
}

/* Accepts only True and False: accepting 1, "no" or a list would hide a mistake. */
AX_INLINE bool read_flag(PyObject *object, uint64_t *flag)
{
    *flag = object == Py_True;
    return *flag || object == Py_False;
}

AX_INLINE bool as_flag(PyObject *object, uint64_t *flag)
{
    return read_flag(object, flag) || flag_error(object);
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

/* Two flags, given by position. */
AX_INLINE bool read_pair(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, uint64_t *first,
                         uint64_t *second)
{
    return is_pair(nargs, kwnames) && read_flag(args[0], first) && read_flag(args[1], second);
}

static PyObject *bool_compare_and_set_pair(PyObject *self, PyObject *const *pair)
{
    uint64_t expected, desired;
    if (!as_flag(pair[0], &expected) || !as_flag(pair[1], &desired)) {
        return NULL;
    }
    return bool_object(ax_word_compare_exchange(word_of(self), &expected, desired));
}

static const pair_method bool_compare_and_set_method = {bool_compare_and_set_pair, "compare_and_set",
                                                        "expected", "desired"};

static PyObject *bool_compare_and_set(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                      PyObject *kwnames)
{
    uint64_t expected, desired;
    if (!read_pair(args, nargs, kwnames, &expected, &desired)) {
        return call_with_pair(&bool_compare_and_set_method, self, args, nargs, kwnames);
    }
    return bool_object(ax_word_compare_exchange(word_of(self), &expected, desired));
}

static PyObject *bool_compare_exchange_pair(PyObject *self, PyObject *const *pair)
{
    uint64_t witness, desired;
    if (!as_flag(pair[0], &witness) || !as_flag(pair[1], &desired)) {
        return NULL;
    }
    (void)ax_word_compare_exchange(word_of(self), &witness, desired);
    return bool_object(witness);
}

static const pair_method bool_compare_exchange_method = {bool_compare_exchange_pair, "compare_exchange",
                                                         "expected", "desired"};

static PyObject *bool_compare_exchange(PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                                       PyObject *kwnames)
{
    uint64_t witness, desired;
    if (!read_pair(args, nargs, kwnames, &witness, &desired)) {
        return call_with_pair(&bool_compare_exchange_method, self, args, nargs, kwnames);
    }
    (void)ax_word_compare_exchange(word_of(self), &witness, desired);
    return bool_object(witness);
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

static PyObject *bool_str(PyObject *self)
{
    return cell_str(bool_load(self, NULL));
}

static PyObject *bool_format(PyObject *self, PyObject *spec)
{
    return cell_format(bool_load(self, NULL), spec);
}

static PyMethodDef bool_methods[] = {
    {"load", bool_load, METH_NOARGS, DOC_AtomicBool_load},
    {"store", bool_store, METH_O, DOC_AtomicBool_store},
    {"exchange", bool_exchange, METH_O, DOC_AtomicBool_exchange},
    {"compare_and_set", AX_METHOD(bool_compare_and_set), AX_PAIR, DOC_AtomicBool_compare_and_set},
    {"compare_exchange", AX_METHOD(bool_compare_exchange), AX_PAIR, DOC_AtomicBool_compare_exchange},
    {"test_and_set", bool_test_and_set, METH_NOARGS, DOC_AtomicBool_test_and_set},
    {"clear", bool_clear, METH_NOARGS, DOC_AtomicBool_clear},
    {"__format__", bool_format, METH_O, DOC_CELL_FORMAT},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_AtomicBool___reduce__},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot bool_slots[] = {
    {Py_tp_doc, (void *)DOC_AtomicBool},
    {Py_tp_new, PyType_GenericNew}, /* False at first; ignores the arguments, which bool_init checks */
    {Py_tp_init, bool_init},
    {Py_tp_dealloc, cell_dealloc},
    {Py_tp_traverse, cell_traverse},
    {Py_tp_repr, bool_repr},
    {Py_tp_str, bool_str},
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
