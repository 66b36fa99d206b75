/* linescan: counts the lines of large buffers, in many threads at once, in atomicx cells.
 *
 *     scanner = Scanner()                     or Scanner(lines=a_counter, longest=an_int, active=an_int)
 *     scanner.scan(data)                      the number of lines in data
 *     scanner.lines.load()                    of all calls so far, while they run too
 *
 * The loop over the bytes runs without the GIL. After each chunk it publishes what it found, without a call
 * through Python and, if atomicx allows it, without a thread state.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stddef.h>
#include <structmember.h>

#include "atomicx.h"

#define CHUNK_BYTES 65536

typedef struct {
    const AtomicX_API *atomicx; /* holds a reference to the table's owner */
} State;

typedef struct {
    PyObject_HEAD
    const AtomicX_API *atomicx; /* borrowed from the module, which the type keeps alive */
    PyObject *lines;            /* owned; a Counter */
    PyObject *longest;          /* owned; an AtomicInt */
    PyObject *active;           /* owned; an AtomicInt */
    AtomicX_Counter *lines_cell;
    AtomicX_Int *longest_cell; /* borrowed, like the other cells, from the object above */
    AtomicX_Int *active_cell;
} Scanner;

typedef struct {
    uint64_t lines;
    int64_t length;  /* of the current line */
    int64_t longest; /* of the lines that have ended */
} Found;

static void scan_chunk(const char *bytes, Py_ssize_t size, Found *found)
{
    for (Py_ssize_t i = 0; i < size; i++) {
        if (bytes[i] != '\n') {
            found->length++;
            continue;
        }
        found->lines++;
        if (found->length > found->longest) {
            found->longest = found->length;
        }
        found->length = 0;
    }
}

static int publish(const Scanner *self, const Found *found, uint64_t lines)
{
    const AtomicX_API *atomicx = self->atomicx;
    int64_t longest = atomicx->int_load(self->longest_cell);
    while (longest < found->longest &&
           !atomicx->int_compare_exchange(self->longest_cell, &longest, found->longest)) {
        /* another thread came between, and longest is now what it left */
    }
    return atomicx->counter_add(self->lines_cell, lines);
}

/* Detaches this thread, and attaches it again to publish if the cells need that. */
static int scan_all(const Scanner *self, const char *bytes, Py_ssize_t size, Found *found)
{
    int detached = (self->atomicx->flags & ATOMICX_DETACHED) != 0;
    int status = ATOMICX_OK;
    PyThreadState *thread = PyEval_SaveThread();
    while (size > 0 && status == ATOMICX_OK) {
        Py_ssize_t chunk = size < CHUNK_BYTES ? size : CHUNK_BYTES;
        uint64_t before = found->lines;
        scan_chunk(bytes, chunk, found);
        if (!detached) {
            PyEval_RestoreThread(thread);
        }
        status = publish(self, found, found->lines - before);
        if (!detached) {
            thread = PyEval_SaveThread();
        }
        bytes += chunk;
        size -= chunk;
    }
    PyEval_RestoreThread(thread);
    return status;
}

static PyObject *scanner_scan(PyObject *object, PyObject *data)
{
    Scanner *self = (Scanner *)object;
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    Found found = {0, 0, 0};
    int status = self->atomicx->int_add(self->active_cell, 1);
    if (status == ATOMICX_OK) {
        status = scan_all(self, view.buf, view.len, &found);
        (void)self->atomicx->int_add(self->active_cell, -1);
    }
    PyBuffer_Release(&view);
    return status == ATOMICX_OK ? PyLong_FromUnsignedLongLong(found.lines) : AtomicX_SetOverflow();
}

static PyObject *scanner_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *const names[] = {"lines", "longest", "active", NULL};
    PyObject *lines = Py_None, *longest = Py_None, *active = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OOO:Scanner", (char **)names, &lines, &longest,
                                     &active)) {
        return NULL;
    }
    const AtomicX_API *atomicx = ((State *)PyType_GetModuleState(type))->atomicx;
    Scanner *self = (Scanner *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->atomicx = atomicx;
    self->lines = lines == Py_None ? atomicx->counter_new(atomicx, 0) : Py_NewRef(lines);
    self->longest = longest == Py_None ? atomicx->int_new(atomicx, 0) : Py_NewRef(longest);
    self->active = active == Py_None ? atomicx->int_new(atomicx, 0) : Py_NewRef(active);
    if (self->lines == NULL || self->longest == NULL || self->active == NULL ||
        (self->lines_cell = atomicx->counter_cell(atomicx, self->lines)) == NULL ||
        (self->longest_cell = atomicx->int_cell(atomicx, self->longest)) == NULL ||
        (self->active_cell = atomicx->int_cell(atomicx, self->active)) == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

/* There is no tp_clear: it would leave a reachable scanner whose cells have lost their objects. */
static int scanner_traverse(PyObject *object, visitproc visit, void *arg)
{
    Scanner *self = (Scanner *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->lines);
    Py_VISIT(self->longest);
    Py_VISIT(self->active);
    return 0;
}

static void scanner_dealloc(PyObject *object)
{
    Scanner *self = (Scanner *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    Py_XDECREF(self->lines);
    Py_XDECREF(self->longest);
    Py_XDECREF(self->active);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef scanner_methods[] = {
    {"scan", scanner_scan, METH_O, "Count the lines in a bytes-like object. Returns their number, an int."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef scanner_members[] = {
    {"lines", T_OBJECT_EX, offsetof(Scanner, lines), READONLY, "a Counter: the lines found so far"},
    {"longest", T_OBJECT_EX, offsetof(Scanner, longest), READONLY, "an AtomicInt: bytes of the longest line"},
    {"active", T_OBJECT_EX, offsetof(Scanner, active), READONLY, "an AtomicInt: scans that run now"},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot scanner_slots[] = {
    {Py_tp_doc, "Scanner(lines=None, longest=None, active=None): counts lines, into new or given cells."},
    {Py_tp_new, scanner_new},
    {Py_tp_traverse, scanner_traverse},
    {Py_tp_dealloc, scanner_dealloc},
    {Py_tp_methods, scanner_methods},
    {Py_tp_members, scanner_members},
    {0, NULL},
};

static PyType_Spec scanner_spec = {
    .name = "linescan.Scanner",
    .basicsize = sizeof(Scanner),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = scanner_slots,
};

static int module_exec(PyObject *module)
{
    State *state = PyModule_GetState(module);
    state->atomicx = AtomicX_Import();
    if (state->atomicx == NULL) {
        return -1;
    }
    PyObject *type = PyType_FromModuleAndSpec(module, &scanner_spec, NULL);
    int status = type == NULL ? -1 : PyModule_AddType(module, (PyTypeObject *)type);
    Py_XDECREF(type);
    return status;
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    return AtomicX_Visit(state->atomicx, visit, arg);
}

static void module_free(void *module)
{
    State *state = PyModule_GetState(module);
    AtomicX_Release(state->atomicx);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,   .m_name = "linescan",          .m_size = sizeof(State),
    .m_slots = module_slots, .m_traverse = module_traverse, .m_free = module_free,
};

PyMODINIT_FUNC PyInit_linescan(void)
{
    return PyModuleDef_Init(&module_definition);
}
