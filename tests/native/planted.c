/* Bugs planted for the sanitizers: if a run stays silent about these, its silence proves nothing. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>

/* Written without synchronization by the two threads of race. */
static long shared;

static void *write_shared(void *unused)
{
    (void)unused;
    for (int i = 0; i < 1000; i++) {
        shared += 1;
    }
    return NULL;
}

/* Two threads that write one plain variable. */
static PyObject *race(PyObject *module, PyObject *unused)
{
    pthread_t threads[2];
    (void)module, (void)unused;
    for (int i = 0; i < 2; i++) {
        if (pthread_create(&threads[i], NULL, write_shared, NULL) != 0) {
            abort();
        }
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    return PyLong_FromLong(shared);
}

/* Reads one element past the end of a block. */
static PyObject *past_the_end(PyObject *module, PyObject *unused)
{
    volatile size_t past = 4;
    long *block = calloc(past, sizeof(long));
    (void)module, (void)unused;
    if (block == NULL) {
        return PyErr_NoMemory();
    }
    long read = block[past];
    free(block);
    return PyLong_FromLong(read);
}

/* Reads a Python object's memory after the object was freed. */
static PyObject *after_free(PyObject *module, PyObject *unused)
{
    PyObject *object = PyByteArray_FromStringAndSize("gone", 4);
    (void)module, (void)unused;
    if (object == NULL) {
        return NULL;
    }
    volatile char *content = PyByteArray_AS_STRING(object);
    Py_DECREF(object);
    return PyLong_FromLong(content[0]);
}

/* Adds past the end of a signed type. */
static PyObject *undefined(PyObject *module, PyObject *unused)
{
    volatile int greatest = INT_MAX;
    (void)module, (void)unused;
    return PyLong_FromLong(greatest + 1);
}

static PyMethodDef methods[] = {
    {"race", race, METH_NOARGS, NULL},
    {"past_the_end", past_the_end, METH_NOARGS, NULL},
    {"after_free", after_free, METH_NOARGS, NULL},
    {"undefined", undefined, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "planted", .m_size = 0, .m_methods = methods, .m_slots = slots,
};

PyMODINIT_FUNC PyInit_planted(void)
{
    return PyModuleDef_Init(&definition);
}
