/* Makes the n-th allocation of one call fail, in every domain of the interpreter's allocators.

   The hooks pass everything on to the allocators they found, and refuse only in a thread that is inside
   `failing`. Once installed they stay: memory may be freed through them until the process ends. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#ifdef _MSC_VER
#define THREAD_LOCAL __declspec(thread)
#else
#define THREAD_LOCAL _Thread_local
#endif

enum { DISARMED = -1 };

static THREAD_LOCAL Py_ssize_t allocations_left = DISARMED;
static THREAD_LOCAL Py_ssize_t refused;
static THREAD_LOCAL int refuse_all_after;

static const PyMemAllocatorDomain domains[] = {PYMEM_DOMAIN_RAW, PYMEM_DOMAIN_MEM, PYMEM_DOMAIN_OBJ};
static PyMemAllocatorEx found[3];
static int installed;

static int refuse(void)
{
    if (allocations_left == DISARMED)
        return 0;
    if (allocations_left > 0) {
        allocations_left--;
        return 0;
    }
    refused++;
    if (!refuse_all_after)
        allocations_left = DISARMED;
    return 1;
}

static void *hook_malloc(void *context, size_t size)
{
    PyMemAllocatorEx *next = context;
    return refuse() ? NULL : next->malloc(next->ctx, size);
}

static void *hook_calloc(void *context, size_t count, size_t size)
{
    PyMemAllocatorEx *next = context;
    return refuse() ? NULL : next->calloc(next->ctx, count, size);
}

static void *hook_realloc(void *context, void *memory, size_t size)
{
    PyMemAllocatorEx *next = context;
    return refuse() ? NULL : next->realloc(next->ctx, memory, size);
}

static void hook_free(void *context, void *memory)
{
    PyMemAllocatorEx *next = context;
    next->free(next->ctx, memory);
}

/* Installed at import: then no other thread calls `failing`, which would find the hooks themselves.
 */
static int install(PyObject *module)
{
    (void)module;
    if (installed)
        return 0;
    for (int index = 0; index < 3; index++) {
        PyMem_GetAllocator(domains[index], &found[index]);
        PyMemAllocatorEx hooked = {&found[index], hook_malloc, hook_calloc, hook_realloc, hook_free};
        PyMem_SetAllocator(domains[index], &hooked);
    }
    installed = 1;
    return 0;
}

/* failing(n, forever, callable, *args): callable(*args) with its n-th allocation refused, counting from 0; if
   `forever` is true, all later ones too. */
static PyObject *failing(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    (void)module;
    if (count < 3) {
        PyErr_SetString(PyExc_TypeError, "failing(n, forever, callable, *args)");
        return NULL;
    }
    Py_ssize_t n = PyLong_AsSsize_t(args[0]);
    int forever = PyObject_IsTrue(args[1]);
    if (PyErr_Occurred())
        return NULL;
    refused = 0;
    refuse_all_after = forever;
    allocations_left = n;
    PyObject *result = PyObject_Vectorcall(args[2], args + 3, (size_t)(count - 3), NULL);
    allocations_left = DISARMED;
    return result;
}

/* refusals(): how many allocations the last call of `failing` in this thread refused. */
static PyObject *refusals(PyObject *module, PyObject *unused)
{
    (void)module;
    (void)unused;
    return PyLong_FromSsize_t(refused);
}

static PyMethodDef methods[] = {
    {"failing", (PyCFunction)(void (*)(void))failing, METH_FASTCALL, NULL},
    {"refusals", refusals, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, install},
#ifdef Py_MOD_GIL_NOT_USED
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "allocator", .m_size = 0, .m_methods = methods, .m_slots = slots,
};

PyMODINIT_FUNC PyInit_allocator(void)
{
    return PyModuleDef_Init(&definition);
}
