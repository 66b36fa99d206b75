/* atomicx.h: AtomicInt and Counter for other extensions, without a call through Python.
 *
 * C99 or later, or C++11 or later; the limited API of Python.h is enough. atomicx.get_include() is the folder
 * of this file. There is nothing to link with: an extension asks for a table of functions when it is
 * executed,
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
 * What you own. The table belongs to one interpreter, as the types do that it makes and checks: each
 * interpreter that executes your extension imports its own, so keep it in the state of your module.
 * AtomicX_Import gives you one reference, to table->owner; the table lives as long as you hold it. Your
 * m_traverse calls AtomicX_Visit, your m_free AtomicX_Release (not your m_clear: what runs while the
 * collector clears still finds the table). A cell (AtomicX_Int *, AtomicX_Counter *) is borrowed from its
 * object: hold a reference to the object for as long as you use the cell. What is in a cell is private.
 *
 * Which threads. The functions that take objects need an attached thread state (the GIL, where there is one).
 * The operations take a cell, and never raise, run Python code, or wait. With the GIL they need it too: it is
 * what makes them atomic. Where the table has ATOMICX_DETACHED among its flags, they may be called from any
 * thread, with a thread state or without one. They are all sequentially consistent, and linearizable but for
 * counter_load.
 *
 * Versions. The table only ever grows at its end, so an extension goes on working with every later atomicx,
 * and with an earlier one if that has the members of the header that it was built with. AtomicX_Import looks.
 */
#ifndef ATOMICX_H
#define ATOMICX_H

#include <Python.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ATOMICX_ABI_VERSION 1 /* another one only if the table could not just grow */
#define ATOMICX_CAPSULE "atomicx._core.c_api"

/* What an operation that can be refused returns. It then changed nothing, and set no exception. */
#define ATOMICX_OK 0
#define ATOMICX_OVERFLOW (-1) /* the result would be outside int64 */

/* The flags of a table. */
#define ATOMICX_DETACHED 1u /* operations may be called without an attached thread state */

typedef struct AtomicX_Int AtomicX_Int;         /* the cell of an AtomicInt */
typedef struct AtomicX_Counter AtomicX_Counter; /* the cell of a Counter */

typedef struct AtomicX_API AtomicX_API;
struct AtomicX_API {
    uint32_t abi_version; /* ATOMICX_ABI_VERSION of the atomicx that is installed */
    uint32_t flags;
    size_t struct_size; /* of its table, in bytes */
    PyObject *owner;    /* what AtomicX_Import gives you a reference to */

    /* With an attached thread state. The first argument is the table itself. */

    /* A new AtomicInt; NULL with MemoryError. */
    PyObject *(*int_new)(const AtomicX_API *api, int64_t value);
    /* 1 if object is an AtomicInt or an instance of a subclass, else 0. Always succeeds. */
    int (*int_check)(const AtomicX_API *api, PyObject *object);
    /* The cell of such an object, borrowed from it; NULL with TypeError for any other object. */
    AtomicX_Int *(*int_cell)(const AtomicX_API *api, PyObject *object);

    /* A new Counter; NULL with OverflowError if value is more than INT64_MAX, or with MemoryError. */
    PyObject *(*counter_new)(const AtomicX_API *api, uint64_t value);
    /* The same two for a Counter. */
    int (*counter_check)(const AtomicX_API *api, PyObject *object);
    AtomicX_Counter *(*counter_cell)(const AtomicX_API *api, PyObject *object);

    /* Operations. With the GIL each is wait-free, since nothing comes between. Without it load, store and
     * exchange are wait-free as far as the processor's are, the others lock-free. */

    int64_t (*int_load)(AtomicX_Int *cell);
    void (*int_store)(AtomicX_Int *cell, int64_t value);
    /* Replaces the value; returns the previous one. */
    int64_t (*int_exchange)(AtomicX_Int *cell, int64_t value);
    /* Replaces the value by desired if it equals *expected: did it? (1 or 0). *expected becomes the value
     * found (the witness) either way. Never fails while the values are equal. */
    int (*int_compare_exchange)(AtomicX_Int *cell, int64_t *expected, int64_t desired);
    /* Adds delta: ATOMICX_OK or ATOMICX_OVERFLOW. */
    int (*int_add)(AtomicX_Int *cell, int64_t delta);
    /* The same; *previous becomes the value that was replaced or, with ATOMICX_OVERFLOW, found. */
    int (*int_fetch_add)(AtomicX_Int *cell, int64_t delta, int64_t *previous);

    /* Adds n to the total: ATOMICX_OK or ATOMICX_OVERFLOW. The first that meets another thread's takes memory
     * from malloc, for stripes; without any it counts all the same. */
    int (*counter_add)(AtomicX_Counter *cell, uint64_t n);
    /* The total. One that overlaps additions returns a value between the total at its start and at its end.
     */
    int64_t (*counter_load)(AtomicX_Counter *cell);
};

/* The table of the interpreter that this thread is attached to, and a reference to its owner. NULL with
 * ImportError where there is no atomicx, where it runs without its C module, or where it is too old. */
static inline const AtomicX_API *AtomicX_Import(void)
{
    /* A module of its own, in Python: it says why there is no C module, if there is none. */
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

/* For m_traverse: visits the reference that AtomicX_Import gave. Does nothing for NULL. */
static inline int AtomicX_Visit(const AtomicX_API *api, visitproc visit, void *arg)
{
    return api == NULL ? 0 : visit(api->owner, arg);
}

/* For m_free: gives that reference back, after which the table may be gone. Does nothing for NULL. */
static inline void AtomicX_Release(const AtomicX_API *api)
{
    if (api != NULL) {
        Py_DECREF(api->owner);
    }
}

/* For a function that returns an object: raises the OverflowError that Python's operations raise; returns
 * NULL. Takes an attached thread state. */
static inline PyObject *AtomicX_SetOverflow(void)
{
    PyErr_SetString(PyExc_OverflowError, "result does not fit in a signed 64-bit integer");
    return NULL;
}

#ifdef __cplusplus
}
#endif

#endif
