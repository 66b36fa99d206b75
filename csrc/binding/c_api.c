/* c_api.c: the table of functions for other extensions, and the capsule that holds it.
 *
 * The table is in the capsule, the capsule is in the module's state, and an extension that uses the table has
 * a reference to the module. None of these edges hides a cycle from the collector, since none of them leads
 * back: the table's reference to the module is borrowed.
 */
#include "c_api.h"

#include <stddef.h>

#include "word_cell.h"

#include "ax_int.h"
#include "counter_cell.h"

/* By relative path, so that compiling these sources needs no include path for it. */
#include "../../src/atomicx/include/atomicx.h"

static ModuleState *state_of(const AtomicX_API *api)
{
    return PyModule_GetState(api->owner);
}

static void refuse(const char *wanted, PyObject *object)
{
    PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(object), "__name__");
    if (name != NULL) {
        PyErr_Format(PyExc_TypeError, "expected an atomicx.%s, not '%S'", wanted, name);
        Py_DECREF(name);
    }
}

/* An AtomicX_Int is the object's word, and an AtomicX_Counter its ax_counter. */

static ax_word *word_in(AtomicX_Int *cell)
{
    return (ax_word *)(void *)cell;
}

static ax_counter *counter_in(AtomicX_Counter *cell)
{
    return (ax_counter *)(void *)cell;
}

static PyObject *api_int_new(const AtomicX_API *api, int64_t value)
{
    PyObject *self = PyType_GenericAlloc(state_of(api)->integer, 0);
    if (self != NULL) {
        ax_int_store(word_of(self), value);
    }
    return self;
}

static int api_int_check(const AtomicX_API *api, PyObject *object)
{
    return PyObject_TypeCheck(object, state_of(api)->integer);
}

static AtomicX_Int *api_int_cell(const AtomicX_API *api, PyObject *object)
{
    if (!api_int_check(api, object)) {
        refuse("AtomicInt", object);
        return NULL;
    }
    return (AtomicX_Int *)(void *)word_of(object);
}

static PyObject *api_counter_new(const AtomicX_API *api, uint64_t value)
{
    if (value > INT64_MAX) {
        return result_overflow();
    }
    PyObject *self = counter_new(state_of(api)->counter, NULL, NULL);
    if (self != NULL) {
        (void)counter_apply(counter_of(self), value); /* a new counter has room for it */
    }
    return self;
}

static int api_counter_check(const AtomicX_API *api, PyObject *object)
{
    return PyObject_TypeCheck(object, state_of(api)->counter);
}

static AtomicX_Counter *api_counter_cell(const AtomicX_API *api, PyObject *object)
{
    if (!api_counter_check(api, object)) {
        refuse("Counter", object);
        return NULL;
    }
    return (AtomicX_Counter *)(void *)counter_of(object);
}

/* The operations. They touch only the cell, and nothing that belongs to the interpreter, so they need no
 * thread state. */

static int64_t api_int_load(AtomicX_Int *cell)
{
    return ax_int_load(word_in(cell));
}

static void api_int_store(AtomicX_Int *cell, int64_t value)
{
    ax_int_store(word_in(cell), value);
}

static int64_t api_int_exchange(AtomicX_Int *cell, int64_t value)
{
    return (int64_t)ax_word_exchange(word_in(cell), (uint64_t)value);
}

static int api_int_compare_exchange(AtomicX_Int *cell, int64_t *expected, int64_t desired)
{
    return ax_int_compare_exchange(word_in(cell), expected, desired);
}

static int api_int_fetch_add(AtomicX_Int *cell, int64_t delta, int64_t *previous)
{
    int64_t result;
    bool added = ax_int_apply(word_in(cell), ax_int_step_add, delta, previous, &result);
    return added ? ATOMICX_OK : ATOMICX_OVERFLOW;
}

static int api_int_add(AtomicX_Int *cell, int64_t delta)
{
    int64_t previous;
    return api_int_fetch_add(cell, delta, &previous);
}

static int api_counter_add(AtomicX_Counter *cell, uint64_t n)
{
    return n <= INT64_MAX && counter_apply(counter_in(cell), n) == AX_ADDED ? ATOMICX_OK : ATOMICX_OVERFLOW;
}

static int64_t api_counter_load(AtomicX_Counter *cell)
{
    return ax_counter_load(counter_in(cell));
}

/* A template: each module's table differs only in its owner. */
static const AtomicX_API table = {
    .abi_version = ATOMICX_ABI_VERSION,
    .flags = AX_SERIALIZED ? 0 : ATOMICX_DETACHED,
    .struct_size = sizeof(AtomicX_API),
    .int_new = api_int_new,
    .int_check = api_int_check,
    .int_cell = api_int_cell,
    .counter_new = api_counter_new,
    .counter_check = api_counter_check,
    .counter_cell = api_counter_cell,
    .int_load = api_int_load,
    .int_store = api_int_store,
    .int_exchange = api_int_exchange,
    .int_compare_exchange = api_int_compare_exchange,
    .int_add = api_int_add,
    .int_fetch_add = api_int_fetch_add,
    .counter_add = api_counter_add,
    .counter_load = api_counter_load,
};

static void capsule_free(PyObject *capsule)
{
    PyMem_Free(PyCapsule_GetPointer(capsule, PyCapsule_GetName(capsule)));
}

static PyObject *capsule_new(PyObject *module)
{
    AtomicX_API *api = PyMem_Malloc(sizeof(AtomicX_API));
    if (api == NULL) {
        return PyErr_NoMemory();
    }
    *api = table;
    api->owner = module;
    PyObject *capsule = PyCapsule_New(api, ATOMICX_CAPSULE, capsule_free);
    if (capsule == NULL) {
        PyMem_Free(api);
    }
    return capsule;
}

bool c_api_init(PyObject *module, ModuleState *state)
{
    state->integer = (PyTypeObject *)PyObject_GetAttrString(module, "AtomicInt");
    if (state->integer == NULL) {
        return false;
    }
    state->counter = (PyTypeObject *)PyObject_GetAttrString(module, "Counter");
    state->c_api = state->counter == NULL ? NULL : capsule_new(module);
    return state->c_api != NULL && PyModule_AddObjectRef(module, "c_api", state->c_api) == 0;
}

void c_api_free(ModuleState *state)
{
    if (state->c_api != NULL) {
        (void)PyCapsule_SetName(state->c_api, NULL);
        Py_CLEAR(state->c_api);
    }
}
