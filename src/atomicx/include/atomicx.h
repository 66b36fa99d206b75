/* atomicx.h: AtomicInt and Counter for other extensions, without calls through Python.
 *
 * C99 or later, or C++11 or later; the limited API of Python.h is enough. atomicx.get_include() returns the
 * folder of this file. There is nothing to link with: an extension imports a table of functions when its
 * module is executed,
 *
 *     state->atomicx = AtomicX_Import();              NULL with ImportError: let your own import fail
 *
 * and calls through it:
 *
 *     AtomicX_Int *hits = state->atomicx->int_cell(state->atomicx, object);       NULL with TypeError
 *     if (state->atomicx->int_add(hits, 1) != ATOMICX_OK) {
 *         return AtomicX_SetOverflow();
 *     }
 *
 * What you own. The table belongs to one interpreter, like the types that it makes and checks. Each
 * interpreter that executes your extension imports its own table, so keep it in your module's state.
 * AtomicX_Import gives you one reference, to table->owner; the table lives as long as you hold that
 * reference. Your m_traverse calls AtomicX_Visit, and your m_free calls AtomicX_Release (not your m_clear, so
 * that code that runs while the collector clears still finds the table). A cell (AtomicX_Int *,
 * AtomicX_Counter *) is borrowed from its object: hold a reference to the object for as long as you use the
 * cell. The contents of a cell are private.
 *
 * Which threads. The functions that take objects need an attached thread state (the GIL, where there is one).
 * The operations take a cell, and never raise, run Python code, or wait. With the GIL they need a thread
 * state too, because the GIL is what makes them atomic. If the table's flags include ATOMICX_DETACHED, any
 * thread may call them, with or without a thread state. All of them are sequentially consistent, and all
 * except counter_load are linearizable.
 *
 * Versions. The table only ever grows at its end. So an extension keeps working with every later atomicx, and
 * with an earlier one if that has all members of the header that the extension was built with. AtomicX_Import
 * checks this.
 */
#ifndef ATOMICX_H
#define ATOMICX_H

#include <Python.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ATOMICX_ABI_VERSION 1 /* changes only if the table could not simply grow */
#define ATOMICX_CAPSULE "atomicx._core.c_api"

/* The results of an operation that can be refused. If it is refused, it changed nothing and set no
 * exception. */
#define ATOMICX_OK 0
#define ATOMICX_OVERFLOW (-1) /* the result would be outside int64 */

/* The flags of a table. */
#define ATOMICX_DETACHED 1u /* operations may be called without an attached thread state */

typedef struct AtomicX_Int AtomicX_Int;         /* the cell of an AtomicInt */
typedef struct AtomicX_Counter AtomicX_Counter; /* the cell of a Counter */

typedef struct AtomicX_API AtomicX_API;
struct AtomicX_API {
    uint32_t abi_version; /* ATOMICX_ABI_VERSION of the installed atomicx */
    uint32_t flags;
    size_t struct_size; /* the size of its table in bytes */
    PyObject *owner;    /* the object to which AtomicX_Import gives you a reference */

    /* With an attached thread state. The first argument is the table itself. */

    /* A new AtomicInt; NULL with MemoryError. */
    PyObject *(*int_new)(const AtomicX_API *api, int64_t value);
    /* 1 if object is an AtomicInt or an instance of a subclass, otherwise 0. Always succeeds. */
    int (*int_check)(const AtomicX_API *api, PyObject *object);
    /* The cell of such an object, borrowed from it; NULL with TypeError for any other object. */
    AtomicX_Int *(*int_cell)(const AtomicX_API *api, PyObject *object);

    /* A new Counter; NULL with OverflowError if value is more than INT64_MAX, or with MemoryError. */
    PyObject *(*counter_new)(const AtomicX_API *api, uint64_t value);
    /* The same two functions for a Counter. */
    int (*counter_check)(const AtomicX_API *api, PyObject *object);
    AtomicX_Counter *(*counter_cell)(const AtomicX_API *api, PyObject *object);

    /* Operations. With the GIL each is wait-free, since nothing comes in between. Without it, load, store and
     * exchange are wait-free if the processor's are, and the others are lock-free. */

    int64_t (*int_load)(AtomicX_Int *cell);
    void (*int_store)(AtomicX_Int *cell, int64_t value);
    /* Replaces the value; returns the previous one. */
    int64_t (*int_exchange)(AtomicX_Int *cell, int64_t value);
    /* Replaces the value by desired if it equals *expected; returns 1 if it did, otherwise 0. Either way,
     * *expected becomes the value found (the witness). Never fails while the values are equal. */
    int (*int_compare_exchange)(AtomicX_Int *cell, int64_t *expected, int64_t desired);
    /* Adds delta. Returns ATOMICX_OK or ATOMICX_OVERFLOW. */
    int (*int_add)(AtomicX_Int *cell, int64_t delta);
    /* The same. *previous becomes the value that was replaced or, with ATOMICX_OVERFLOW, the value found. */
    int (*int_fetch_add)(AtomicX_Int *cell, int64_t delta, int64_t *previous);

    /* Adds n to the total. Returns ATOMICX_OK or ATOMICX_OVERFLOW. The first addition that contends with
     * another thread's allocates memory for stripes with malloc; if there is none, it counts all the same. */
    int (*counter_add)(AtomicX_Counter *cell, uint64_t n);
    /* Returns the total. If it overlaps additions, it returns a value between the totals at its start and at
     * its end. */
    int64_t (*counter_load)(AtomicX_Counter *cell);
};

/* Returns the table of the interpreter to which this thread is attached, with a reference to its owner. NULL
 * with ImportError if there is no atomicx, if it runs without its C module, or if it is too old. */
static inline const AtomicX_API *AtomicX_Import(void)
{
    /* A separate Python module, which says why there is no C module if there is none. */
    PyObject *gate = PyImport_ImportModule("atomicx._c_api");
    PyObject *owner = gate == NULL ? NULL : PyObject_GetAttrString(gate, "core");
    PyObject *capsule = owner == NULL ? NULL : PyObject_GetAttrString(owner, "c_api");
    const AtomicX_API *api =
        capsule == NULL ? NULL : (const AtomicX_API *)PyCapsule_GetPointer(capsule, ATOMICX_CAPSULE);
    if (api != NULL && api->abi_version != ATOMICX_ABI_VERSION) {
        PyErr_Format(PyExc_ImportError,
                     "this extension was built for version %d of the C API of atomicx, and the one that is "
                     "installed has version %d: build the extension again",
                     (int)ATOMICX_ABI_VERSION, (int)api->abi_version);
        api = NULL;
    }
    if (api != NULL && api->struct_size < sizeof(AtomicX_API)) {
        PyErr_Format(
            PyExc_ImportError,
            "this extension was built with a newer atomicx than the one that is installed: its table "
            "has %zd bytes, that of the installed one %zd: install a newer atomicx",
            (Py_ssize_t)sizeof(AtomicX_API), (Py_ssize_t)api->struct_size);
        api = NULL;
    }
    Py_XDECREF(capsule);
    Py_XDECREF(gate);
    if (api == NULL) {
        Py_XDECREF(owner);
    }
    return api;
}

/* For m_traverse: visits the reference that AtomicX_Import returned. Does nothing for NULL. */
static inline int AtomicX_Visit(const AtomicX_API *api, visitproc visit, void *arg)
{
    return api == NULL ? 0 : visit(api->owner, arg);
}

/* For m_free: releases that reference, after which the table may be gone. Does nothing for NULL. */
static inline void AtomicX_Release(const AtomicX_API *api)
{
    if (api != NULL) {
        Py_DECREF(api->owner);
    }
}

/* For a function that returns an object: sets the OverflowError that the Python operations raise, and returns
 * NULL. Needs an attached thread state. */
static inline PyObject *AtomicX_SetOverflow(void)
{
    PyErr_SetString(PyExc_OverflowError, "result does not fit in a signed 64-bit integer");
    return NULL;
}

#ifdef __cplusplus
}
#endif

#endif
