/* Lower bounds for costs: C methods that do nothing, and atomic additions without Python around them. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdatomic.h>
#include <stdint.h>

#define LINE 128 /* two cache lines, since processors fetch them in pairs */

/* Empty methods, one per calling convention, and methods that only make an object. */

static PyObject *floor_nothing(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    Py_RETURN_NONE;
}

static PyObject *floor_one(PyObject *self, PyObject *argument)
{
    (void)self, (void)argument;
    Py_RETURN_NONE;
}

static PyObject *floor_many(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    (void)self, (void)args, (void)nargs;
    Py_RETURN_NONE;
}

static PyObject *floor_fresh_int(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    (void)self, (void)args, (void)nargs;
    return PyLong_FromLongLong(INT64_C(1) << 40);
}

static PyObject *floor_fresh_float(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    return PyFloat_FromDouble(0.5);
}

/* A context manager that does nothing. Returns the object itself, which is enough for a lower bound. */
static PyObject *floor_guard(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyType_GenericAlloc(Py_TYPE(self), 0);
}

static PyObject *floor_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    Py_INCREF(self);
    return self;
}

static PyMethodDef floor_methods[] = {
    {"nothing", floor_nothing, METH_NOARGS, NULL},
    {"one", floor_one, METH_O, NULL},
    {"many", (PyCFunction)(void (*)(void))floor_many, METH_FASTCALL, NULL},
    {"fresh_int", (PyCFunction)(void (*)(void))floor_fresh_int, METH_FASTCALL, NULL},
    {"fresh_float", floor_fresh_float, METH_NOARGS, NULL},
    {"guard", floor_guard, METH_NOARGS, NULL},
    {"__enter__", floor_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))floor_many, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot floor_slots[] = {
    {Py_tp_methods, floor_methods},
    {0, NULL},
};

static PyType_Spec floor_spec = {
    .name = "floor.Floor",
    .basicsize = sizeof(PyObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = floor_slots,
};

/* A word for threads to add to, alone on its cache lines. */
typedef struct {
    PyObject_HEAD
    char memory[3 * LINE];
} Line;

static _Atomic(int64_t) *word_of(PyObject *self)
{
    uintptr_t address = (uintptr_t)((Line *)self)->memory;
    return (_Atomic(int64_t) *)((address + 2 * LINE - 1) / LINE * LINE);
}

/* Adds 1 the given number of times, with the GIL released. */
static PyObject *line_add(PyObject *self, PyObject *argument)
{
    long times = PyLong_AsLong(argument);
    if (times == -1 && PyErr_Occurred()) {
        return NULL;
    }
    _Atomic(int64_t) *word = word_of(self);
    Py_BEGIN_ALLOW_THREADS
    for (long done = 0; done < times; ++done) {
        atomic_fetch_add(word, 1);
    }
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* The same with a load and a compare-and-swap, which an addition that may be refused needs. */
static PyObject *line_swap(PyObject *self, PyObject *argument)
{
    long times = PyLong_AsLong(argument);
    if (times == -1 && PyErr_Occurred()) {
        return NULL;
    }
    _Atomic(int64_t) *word = word_of(self);
    Py_BEGIN_ALLOW_THREADS
    for (long done = 0; done < times; ++done) {
        int64_t found = atomic_load(word);
        while (!atomic_compare_exchange_weak(word, &found, found + 1)) {
        }
    }
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyMethodDef line_methods[] = {
    {"add", line_add, METH_O, NULL},
    {"swap", line_swap, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot line_slots[] = {
    {Py_tp_methods, line_methods},
    {0, NULL},
};

static PyType_Spec line_spec = {
    .name = "floor.Line",
    .basicsize = sizeof(Line),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = line_slots,
};

/* Where callgrind dumps its counts: the benchmark passes it this function's name. */
#if defined(__GNUC__)
__attribute__((noinline))
#endif
static PyObject *floor_mark(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"mark", floor_mark, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static int add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type == NULL) {
        return -1;
    }
    int status = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return status;
}

static int execute(PyObject *module)
{
    return add_type(module, &floor_spec) < 0 || add_type(module, &line_spec) < 0 ? -1 : 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "floor", .m_size = 0, .m_methods = functions, .m_slots = slots,
};

PyMODINIT_FUNC PyInit_floor(void)
{
    return PyModuleDef_Init(&definition);
}
