/* cell.c: see cell.h. */
#include "cell.h"

#include <stddef.h>

#include "word_cell.h"

PyMemberDef word_cell_members[] = {
    {"__weaklistoffset__", AX_T_PYSSIZET, offsetof(WordCell, weakrefs), AX_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

void word_cell_contended(WordCell *cell)
{
    AX_WHERE_SHARING_IS_NOTICED(if (ax_word_load(&cell->sharing_is_noticed) == 0) {
        ax_word_store(&cell->sharing_is_noticed, 1);
        ax_enable_deferred_refcount((PyObject *)cell); /* two threads may call this: it takes effect once */
    })
    (void)cell;
}

int cell_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return 0;
}

void cell_begin_dealloc(PyObject *self)
{
    if (PyType_IS_GC(Py_TYPE(self))) {
        PyObject_GC_UnTrack(self);
    }
    PyObject_ClearWeakRefs(self);
}

void cell_end_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

void cell_dealloc(PyObject *self)
{
    cell_begin_dealloc(self);
    cell_end_dealloc(self);
}

/* A metaclass may make __name__ any object, so it is formatted with %S here and elsewhere. */
PyObject *cell_reduce(PyObject *self, PyObject *Py_UNUSED(unused))
{
    PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(self), "__name__");
    if (name != NULL) {
        PyErr_Format(PyExc_TypeError, "cannot pickle or copy '%S' object: a copy would be another cell",
                     name);
        Py_DECREF(name);
    }
    return NULL;
}

PyObject *cell_sizeof(PyObject *self, size_t allocated)
{
    return PyLong_FromSize_t((size_t)Py_TYPE(self)->tp_basicsize + allocated);
}

PyObject *cell_repr(PyObject *self, PyObject *content)
{
    if (content == NULL) {
        return NULL;
    }
    PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(self), "__name__");
    PyObject *repr = name == NULL ? NULL : PyUnicode_FromFormat("%S(%S)", name, content);
    Py_XDECREF(name);
    Py_DECREF(content);
    return repr;
}

PyObject *cell_str(PyObject *content)
{
    PyObject *text = content == NULL ? NULL : PyObject_Str(content);
    Py_XDECREF(content);
    return text;
}

PyObject *cell_format(PyObject *content, PyObject *spec)
{
    PyObject *text = NULL;
    if (content != NULL && !PyUnicode_Check(spec)) {
        PyErr_Format(PyExc_TypeError, "__format__() argument must be str, not %.200s",
                     Py_TYPE(spec)->tp_name);
    } else if (content != NULL) {
        text = PyObject_Format(content, spec);
    }
    Py_XDECREF(content);
    return text;
}

/* The index in the pair of the argument with this name; -1 if there is none. */
static int place_by_name(const pair_method *method, PyObject *name)
{
    if (PyUnicode_CompareWithASCIIString(name, method->first) == 0) {
        return 0;
    }
    return PyUnicode_CompareWithASCIIString(name, method->second) == 0 ? 1 : -1;
}

/* Puts the arguments given by name into the pair; false with TypeError. */
static bool place_names(const pair_method *method, PyObject *const *named, PyObject *kwnames, PyObject **pair)
{
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(kwnames); i++) {
        PyObject *name = PyTuple_GET_ITEM(kwnames, i);
        int place = place_by_name(method, name);
        if (place < 0) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", method->name, name);
            return false;
        }
        if (pair[place] != NULL) {
            PyErr_Format(PyExc_TypeError, "argument for %s() given by name ('%U') and position (%d)",
                         method->name, name, place + 1);
            return false;
        }
        pair[place] = named[i];
    }
    return true;
}

PyObject *call_with_pair(const pair_method *method, PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kwnames)
{
    PyObject *pair[2] = {nargs > 0 ? args[0] : NULL, nargs > 1 ? args[1] : NULL};
    if (nargs > 2) {
        (void)arity_error(method->name, nargs + (kwnames == NULL ? 0 : PyTuple_GET_SIZE(kwnames)), 2, 2);
        return NULL;
    }
    if (kwnames != NULL && !place_names(method, args + nargs, kwnames, pair)) {
        return NULL;
    }
    for (int place = 0; place < 2; place++) {
        if (pair[place] == NULL) {
            PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s' (pos %d)", method->name,
                         place == 0 ? method->first : method->second, place + 1);
            return NULL;
        }
    }
    return method->method(self, pair);
}

int cell_init_argument(const char *type, PyObject *args, PyObject *kwargs, PyObject **value)
{
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0) {
        PyErr_Format(PyExc_TypeError, "%s() takes no keyword arguments", type);
        return -1;
    }
    *value = NULL;
    if (!PyArg_UnpackTuple(args, type, 0, 1, value)) {
        return -1;
    }
    return *value != NULL;
}

bool arity_error(const char *method, Py_ssize_t given, Py_ssize_t least, Py_ssize_t most)
{
    Py_ssize_t bound = given < least ? least : most;
    PyErr_Format(PyExc_TypeError, "%s() takes %s %zd argument%s (%zd given)", method,
                 least == most ? "exactly" : (given < least ? "at least" : "at most"), bound,
                 bound == 1 ? "" : "s", given);
    return false;
}

bool as_int64_by_index(PyObject *object, int64_t *value)
{
    int overflow;
    long long converted = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (converted == -1 && (overflow || PyErr_Occurred())) {
        if (overflow) {
            PyErr_SetString(PyExc_OverflowError, "value does not fit in a signed 64-bit integer");
        }
        return false;
    }
    *value = converted;
    return true;
}

bool as_double_by_call(PyObject *object, double *value)
{
    *value = PyFloat_AsDouble(object);
    return *value != -1.0 || !PyErr_Occurred();
}

PyObject *prepare_float(void)
{
    return PyFloat_FromDouble(0.0);
}

PyObject *fill_float(PyObject *prepared, double value)
{
    ((PyFloatObject *)prepared)->ob_fval = value;
    return prepared;
}

PyObject *result_overflow(void)
{
    PyErr_SetString(PyExc_OverflowError, "result does not fit in a signed 64-bit integer");
    return NULL;
}

/* Twice the number of processors: threads that share a stripe cost each other a cache-line transfer, so a few
 * free stripes are worth their memory. */
static size_t wanted_stripes(void)
{
    return 2 * ax_cpu_count();
}

/* Stripes come from the C library's allocator, which needs no thread state and never calls back. */
const ax_stripe_system stripe_system = {
    .allocate = PyMem_RawMalloc,
    .release = PyMem_RawFree,
    .stripe_count = wanted_stripes,
};

AX_THREAD_LOCAL uint64_t known_thread_number;

uint64_t thread_number_learn(void)
{
    known_thread_number = ax_thread_number() + 1; /* 0 means not known */
    return known_thread_number;
}

bool before_retry(void)
{
    Py_BEGIN_ALLOW_THREADS
    Py_END_ALLOW_THREADS
    return PyErr_CheckSignals() == 0;
}
