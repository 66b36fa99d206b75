/* Everything in atomicx.h, with one Python function each, and loops over it for threads to race in. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "atomicx.h"

typedef struct {
    const AtomicX_API *atomicx;
} State;

static const AtomicX_API *table_of(PyObject *module)
{
    return ((State *)PyModule_GetState(module))->atomicx;
}

static PyObject *flags(PyObject *module, PyObject *Py_UNUSED(unused))
{
    return PyLong_FromUnsignedLong(table_of(module)->flags);
}

static PyObject *owner(PyObject *module, PyObject *Py_UNUSED(unused))
{
    return Py_NewRef(table_of(module)->owner);
}

static PyObject *int_new(PyObject *module, PyObject *args)
{
    long long value;
    if (!PyArg_ParseTuple(args, "L", &value)) {
        return NULL;
    }
    return table_of(module)->int_new(table_of(module), value);
}

static PyObject *int_check(PyObject *module, PyObject *object)
{
    return PyLong_FromLong(table_of(module)->int_check(table_of(module), object));
}

static AtomicX_Int *int_cell(PyObject *module, PyObject *object)
{
    return table_of(module)->int_cell(table_of(module), object);
}

static PyObject *int_load(PyObject *module, PyObject *object)
{
    AtomicX_Int *cell = int_cell(module, object);
    return cell == NULL ? NULL : PyLong_FromLongLong(table_of(module)->int_load(cell));
}

static PyObject *int_store(PyObject *module, PyObject *args)
{
    PyObject *object;
    long long value;
    AtomicX_Int *cell;
    if (!PyArg_ParseTuple(args, "OL", &object, &value) || (cell = int_cell(module, object)) == NULL) {
        return NULL;
    }
    table_of(module)->int_store(cell, value);
    Py_RETURN_NONE;
}

static PyObject *int_exchange(PyObject *module, PyObject *args)
{
    PyObject *object;
    long long value;
    AtomicX_Int *cell;
    if (!PyArg_ParseTuple(args, "OL", &object, &value) || (cell = int_cell(module, object)) == NULL) {
        return NULL;
    }
    return PyLong_FromLongLong(table_of(module)->int_exchange(cell, value));
}

/* (did it swap, the witness) */
static PyObject *int_compare_exchange(PyObject *module, PyObject *args)
{
    PyObject *object;
    long long expected, desired;
    AtomicX_Int *cell;
    if (!PyArg_ParseTuple(args, "OLL", &object, &expected, &desired) ||
        (cell = int_cell(module, object)) == NULL) {
        return NULL;
    }
    int64_t witness = expected;
    int swapped = table_of(module)->int_compare_exchange(cell, &witness, desired);
    return Py_BuildValue("iL", swapped, (long long)witness);
}

static PyObject *int_add(PyObject *module, PyObject *args)
{
    PyObject *object;
    long long delta;
    AtomicX_Int *cell;
    if (!PyArg_ParseTuple(args, "OL", &object, &delta) || (cell = int_cell(module, object)) == NULL) {
        return NULL;
    }
    if (table_of(module)->int_add(cell, delta) != ATOMICX_OK) {
        return AtomicX_SetOverflow();
    }
    Py_RETURN_NONE;
}

/* (status, previous): a refused operation raises nothing. */
static PyObject *int_fetch_add(PyObject *module, PyObject *args)
{
    PyObject *object;
    long long delta;
    AtomicX_Int *cell;
    if (!PyArg_ParseTuple(args, "OL", &object, &delta) || (cell = int_cell(module, object)) == NULL) {
        return NULL;
    }
    int64_t previous = 0;
    int status = table_of(module)->int_fetch_add(cell, delta, &previous);
    return Py_BuildValue("iL", status, (long long)previous);
}

static PyObject *counter_new(PyObject *module, PyObject *args)
{
    unsigned long long value;
    if (!PyArg_ParseTuple(args, "K", &value)) {
        return NULL;
    }
    return table_of(module)->counter_new(table_of(module), value);
}

static PyObject *counter_check(PyObject *module, PyObject *object)
{
    return PyLong_FromLong(table_of(module)->counter_check(table_of(module), object));
}

static AtomicX_Counter *counter_cell(PyObject *module, PyObject *object)
{
    return table_of(module)->counter_cell(table_of(module), object);
}

static PyObject *counter_add(PyObject *module, PyObject *args)
{
    PyObject *object;
    unsigned long long n;
    AtomicX_Counter *cell;
    if (!PyArg_ParseTuple(args, "OK", &object, &n) || (cell = counter_cell(module, object)) == NULL) {
        return NULL;
    }
    if (table_of(module)->counter_add(cell, n) != ATOMICX_OK) {
        return AtomicX_SetOverflow();
    }
    Py_RETURN_NONE;
}

static PyObject *counter_load(PyObject *module, PyObject *object)
{
    AtomicX_Counter *cell = counter_cell(module, object);
    return cell == NULL ? NULL : PyLong_FromLongLong(table_of(module)->counter_load(cell));
}

/* A round moves one from the first cell to the second and counts it, by every changing operation. */
typedef struct {
    const AtomicX_API *atomicx;
    AtomicX_Int *from, *to;
    AtomicX_Counter *counter;
    long rounds;
    PyThread_type_lock finished; /* for a thread without a thread state: released at its end */
} Work;

static void work(const Work *work)
{
    const AtomicX_API *atomicx = work->atomicx;
    for (long i = 0; i < work->rounds; i++) {
        int64_t previous, value = atomicx->int_load(work->from);
        while (!atomicx->int_compare_exchange(work->from, &value, value - 1)) {
        }
        (void)(i % 2 ? atomicx->int_add(work->to, 1) : atomicx->int_fetch_add(work->to, 1, &previous));
        (void)atomicx->counter_add(work->counter, 1);
    }
}

/* The same with split additions, which a test of races has to catch. */
static void split_work(const Work *work)
{
    for (long i = 0; i < work->rounds; i++) {
        work->atomicx->int_store(work->from, work->atomicx->int_load(work->from) - 1);
        work->atomicx->int_store(work->to, work->atomicx->int_load(work->to) + 1);
        (void)work->atomicx->counter_add(work->counter, 1);
    }
}

static void run_detached(void *given)
{
    const Work *task = given;
    work(task);
    PyThread_release_lock(task->finished);
}

/* race(from, to, counter, rounds, how): "attached"; "split"; "detached", with the thread state released; or
 * "stateless", in a thread that never had one. */
static PyObject *race(PyObject *module, PyObject *args)
{
    PyObject *from, *to, *counter;
    const char *how;
    Work task = {.atomicx = table_of(module)};
    if (!PyArg_ParseTuple(args, "OOOls", &from, &to, &counter, &task.rounds, &how) ||
        (task.from = int_cell(module, from)) == NULL || (task.to = int_cell(module, to)) == NULL ||
        (task.counter = counter_cell(module, counter)) == NULL) {
        return NULL;
    }
    if (strcmp(how, "attached") == 0) {
        work(&task);
    } else if (strcmp(how, "split") == 0) {
        split_work(&task);
    } else if (!(task.atomicx->flags & ATOMICX_DETACHED)) {
        PyErr_SetString(PyExc_RuntimeError, "the operations need the GIL");
        return NULL;
    } else if (strcmp(how, "detached") == 0) {
        Py_BEGIN_ALLOW_THREADS
        work(&task);
        Py_END_ALLOW_THREADS
    } else {
        task.finished = PyThread_allocate_lock();
        if (task.finished == NULL) {
            return PyErr_NoMemory();
        }
        PyThread_acquire_lock(task.finished, WAIT_LOCK);
        unsigned long thread = PyThread_start_new_thread(run_detached, &task);
        if (thread != PYTHREAD_INVALID_THREAD_ID) {
            Py_BEGIN_ALLOW_THREADS
            PyThread_acquire_lock(task.finished, WAIT_LOCK);
            Py_END_ALLOW_THREADS
        }
        PyThread_release_lock(task.finished);
        PyThread_free_lock(task.finished);
        if (thread == PYTHREAD_INVALID_THREAD_ID) {
            PyErr_SetString(PyExc_RuntimeError, "no thread");
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"flags", flags, METH_NOARGS, NULL},
    {"owner", owner, METH_NOARGS, NULL},
    {"int_new", int_new, METH_VARARGS, NULL},
    {"int_check", int_check, METH_O, NULL},
    {"int_load", int_load, METH_O, NULL},
    {"int_store", int_store, METH_VARARGS, NULL},
    {"int_exchange", int_exchange, METH_VARARGS, NULL},
    {"int_compare_exchange", int_compare_exchange, METH_VARARGS, NULL},
    {"int_add", int_add, METH_VARARGS, NULL},
    {"int_fetch_add", int_fetch_add, METH_VARARGS, NULL},
    {"counter_new", counter_new, METH_VARARGS, NULL},
    {"counter_check", counter_check, METH_O, NULL},
    {"counter_add", counter_add, METH_VARARGS, NULL},
    {"counter_load", counter_load, METH_O, NULL},
    {"race", race, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static int execute(PyObject *module)
{
    State *state = PyModule_GetState(module);
    state->atomicx = AtomicX_Import();
    return state->atomicx == NULL ? -1 : 0;
}

static int traverse(PyObject *module, visitproc visit, void *arg)
{
    return AtomicX_Visit(((State *)PyModule_GetState(module))->atomicx, visit, arg);
}

static void finalize(void *module)
{
    AtomicX_Release(((State *)PyModule_GetState(module))->atomicx);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, execute},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "c_api",      .m_size = sizeof(State), .m_methods = methods,
    .m_slots = slots,      .m_traverse = traverse, .m_free = finalize,
};

PyMODINIT_FUNC PyInit_c_api(void)
{
    return PyModuleDef_Init(&definition);
}
