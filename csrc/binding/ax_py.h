/* ax_py.h: Python.h, the core's view of it, and every difference between versions and builds of CPython.
 *
 * This is the only file that names PY_VERSION_HEX or Py_GIL_DISABLED. It must be included first.
 */
#ifndef AX_PY_H
#define AX_PY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if PY_VERSION_HEX < 0x030B0000
#include <longintrepr.h> /* in Python.h from 3.11 on */
#endif
#if PY_VERSION_HEX < 0x030C0000
#include <structmember.h>
#define AX_T_PYSSIZET T_PYSSIZET
#define AX_READONLY READONLY
#else
#define AX_T_PYSSIZET Py_T_PYSSIZET
#define AX_READONLY Py_READONLY
#endif

/* With the GIL a C call is atomic: no other thread runs between two accesses of a call into the core, and a
 * signal handler waits for the interpreter's loop. (Other processes do not wait: see AX_SHARED_MEMORY.) */
#ifdef Py_GIL_DISABLED
#define AX_SERIALIZED 0
#else
#define AX_SERIALIZED 1
#endif

/* A debug build of CPython checks what the core requires of the binding: see ax_assert.h. */
#if defined(Py_DEBUG) && !defined(AX_CHECKED)
#define AX_CHECKED 1
#endif

#include "ax_atomic.h"

#if defined(_MSC_VER)
#define AX_THREAD_LOCAL __declspec(thread)
#else
#define AX_THREAD_LOCAL _Thread_local
#endif

/* For a thread-local variable of a few bytes on a hot path: it is at a fixed offset from the thread pointer,
 * where a shared library would otherwise call a function of the loader. The loader places it in the space
 * that glibc reserves for libraries that are loaded late. Other C libraries reserve nothing and would refuse
 * to load the module. */
#if defined(__ELF__) && defined(__GLIBC__) && defined(__GNUC__)
#define AX_THREAD_LOCAL_NEAR __attribute__((tls_model("initial-exec")))
#else
#define AX_THREAD_LOCAL_NEAR
#endif

/* How the C module was built, for bug reports. */
#define AX_STRING_OF(token) #token
#define AX_STRING(macro) AX_STRING_OF(macro)
#if defined(__clang__)
#define AX_COMPILER "clang " AX_STRING(__clang_major__) "." AX_STRING(__clang_minor__)
#elif defined(__GNUC__)
#define AX_COMPILER "gcc " AX_STRING(__GNUC__) "." AX_STRING(__GNUC_MINOR__)
#elif defined(_MSC_VER)
#define AX_COMPILER "msvc " AX_STRING(_MSC_VER)
#else
#define AX_COMPILER "unknown"
#endif
#if defined(__OPTIMIZE__) || (defined(_MSC_VER) && !defined(_DEBUG))
#define AX_OPTIMIZED "optimized"
#else
#define AX_OPTIMIZED "not optimized"
#endif
#if defined(NDEBUG)
#define AX_ASSERTIONS "assertions off"
#else
#define AX_ASSERTIONS "assertions on"
#endif
#define AX_BUILD AX_OPTIMIZED ", " AX_ASSERTIONS ", for CPython " PY_VERSION

#if defined(_WIN32)
#include <windows.h>
#else
#include <pthread.h>
#include <time.h>
#include <unistd.h>
#endif

/* The number of processors, at least 1. */
static inline size_t ax_cpu_count(void)
{
#if defined(_WIN32)
    long count = (long)GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
#else
    long count = sysconf(_SC_NPROCESSORS_ONLN);
#endif
    return count < 1 ? 1 : (size_t)count;
}

/* Has the system call a function in each child of a fork, before fork() returns there, even if C code forks.
 * False if there is no memory. */
static inline bool ax_call_in_forked_children(void (*function)(void))
{
#if defined(_WIN32)
    (void)function; /* processes do not fork */
    return true;
#else
    return pthread_atfork(NULL, NULL, function) == 0;
#endif
}

/* A monotonic clock in nanoseconds: that of time.perf_counter(). */
static inline int64_t ax_clock_ns(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyTime_t now;
    return PyTime_PerfCounterRaw(&now) == 0 ? now : 0; /* fails only if there is no such clock */
#elif defined(_WIN32)
    LARGE_INTEGER ticks, frequency;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&frequency);
    int64_t seconds = ticks.QuadPart / frequency.QuadPart, rest = ticks.QuadPart % frequency.QuadPart;
    return seconds * 1000000000 + rest * 1000000000 / frequency.QuadPart;
#elif defined(__APPLE__)
    return (int64_t)clock_gettime_nsec_np(CLOCK_UPTIME_RAW);
#else
    struct timespec now;
    return clock_gettime(CLOCK_MONOTONIC, &now) == 0 ? (int64_t)now.tv_sec * 1000000000 + now.tv_nsec : 0;
#endif
}

/* Sleeps for about a millisecond, or less if a signal comes. */
static inline void ax_nap(void)
{
#if defined(_WIN32)
    Sleep(1);
#else
    struct timespec millisecond = {.tv_sec = 0, .tv_nsec = 1000000};
    (void)nanosleep(&millisecond, NULL);
#endif
}

/* The number of the calling thread, which picks its stripe. The thread need not have a thread state. Thread
 * states are numbered in order of creation, so threads made together get different numbers. The system's
 * thread identifier is usually an address; the multiplication mixes the bits that differ into the low
 * ones. */
static inline uint64_t ax_thread_number(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    PyThreadState *state = PyThreadState_GetUnchecked();
    if (state == NULL) {
        return (PyThread_get_thread_ident() * UINT64_C(0x9E3779B97F4A7C15)) >> 32;
    }
#else
    PyThreadState *state = PyThreadState_Get();
#endif
    return PyThreadState_GetID(state);
}

/* A number for the thread's current context (contextvars): no other context has it while this one lives. 0:
 * the thread has no context yet. The field is public, and the same in all versions. */
static inline uint64_t ax_context_number(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return (uint64_t)(uintptr_t)PyThreadState_GetUnchecked()->context;
#else
    return (uint64_t)(uintptr_t)PyThreadState_Get()->context;
#endif
}

/* Gives the thread a context, and returns its number; 0 with MemoryError. Copying the current context creates
 * it if there is none. */
static inline uint64_t ax_context_begin(void)
{
    PyObject *copy = PyContext_CopyCurrent();
    if (copy == NULL) {
        return 0;
    }
    Py_DECREF(copy);
    return ax_context_number();
}

/* Casts a method with a calling convention other than METH_NOARGS and METH_O to the type in PyMethodDef. */
#define AX_METHOD(function) ((PyCFunction)(void (*)(void))(function))

/* Reads, without a call, an exact int (not a subclass) of at most one digit. False: object is anything
 * else. */
static inline bool ax_long_read(PyObject *object, int64_t *value)
{
    if (!PyLong_CheckExact(object)) {
        return false;
    }
#if PY_VERSION_HEX >= 0x030C0000
    const PyLongObject *number = (const PyLongObject *)object;
    if (!PyUnstable_Long_IsCompact(number)) {
        return false;
    }
    *value = PyUnstable_Long_CompactValue(number);
#else
    Py_ssize_t digits = Py_SIZE(object); /* negative for negative numbers */
    if (digits < -1 || digits > 1) {
        return false;
    }
    *value = digits * (int64_t)((PyLongObject *)object)->ob_digit[0];
#endif
    return true;
}

/* The module made from definition to which type, or one of its base types, belongs: borrowed from the type.
 * NULL with TypeError if there is none. */
static inline PyObject *ax_module_of(PyTypeObject *type, PyModuleDef *definition)
{
#if PY_VERSION_HEX >= 0x030B0000
    return PyType_GetModuleByDef(type, definition);
#else
    /* A C type is on the tp_base chain of every type that derives from it. */
    for (; type != NULL; type = type->tp_base) {
        PyObject *module =
            PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) ? ((PyHeapTypeObject *)type)->ht_module : NULL;
        if (module != NULL && PyModule_GetDef(module) == definition) {
            return module;
        }
    }
    PyErr_SetString(PyExc_TypeError, "the type belongs to another module");
    return NULL;
#endif
}

/* Deferred reference counting needs types that the collector tracks, and exists from free-threaded 3.14 on.
 * There tracking costs no memory; elsewhere it would cost 16 bytes per cell for nothing. */
#if defined(Py_GIL_DISABLED) && PY_VERSION_HEX >= 0x030E0000
#define AX_TPFLAGS_TRACKED Py_TPFLAGS_HAVE_GC
#else
#define AX_TPFLAGS_TRACKED 0
#endif

#define AX_TPFLAGS_CELL \
    (Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE | AX_TPFLAGS_TRACKED)

#if PY_VERSION_HEX >= 0x030D0000
#define AX_SLOT_MULTIPLE_INTERPRETERS \
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED}, {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#elif PY_VERSION_HEX >= 0x030C0000
#define AX_SLOT_MULTIPLE_INTERPRETERS {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#else
#define AX_SLOT_MULTIPLE_INTERPRETERS
#endif

/* Whether the collector may untrack object later. On free-threaded builds it untracks exact tuples whose
 * contents it does not track (gc_maybe_untrack in Python/gc_free_threading.c of 3.14 and 3.15), and a comment
 * there says that it might untrack other immutable containers, of which frozendict is the only one so far. It
 * never untracks dicts, which are tracked from birth since 3.14, nor instances of a subclass, whose exact
 * type is different. */
static inline bool ax_may_be_untracked(PyObject *object)
{
#if defined(PyFrozenDict_CheckExact) /* since 3.15 */
    if (PyFrozenDict_CheckExact(object)) {
        return true;
    }
#endif
    return PyTuple_CheckExact(object);
}

/* Makes reference counting of object deferred, if that exists and the collector tracks object and will keep
 * tracking it: only the collector frees such an object, and only if it tracks it. The caller holds a
 * reference. Takes effect once, from any thread. */
static inline void ax_enable_deferred_refcount(PyObject *object)
{
#if defined(Py_GIL_DISABLED) && PY_VERSION_HEX >= 0x030E0000
    if (PyObject_GC_IsTracked(object) && !ax_may_be_untracked(object)) {
        (void)PyUnstable_Object_EnableDeferredRefcount(object); /* 0: it is already deferred */
    }
#else
    (void)object;
#endif
}

/* Whether a cell defers its own reference count when it sees that threads contend for it: on builds where
 * counts can be deferred. What only such a cell has is wrapped in the macro, since elsewhere there is nothing
 * to defer. A build may define this as 1 to test the same code where the deferral itself does nothing. */
#if !defined(AX_NOTICES_SHARING)
#if defined(Py_GIL_DISABLED) && PY_VERSION_HEX >= 0x030E0000
#define AX_NOTICES_SHARING 1
#else
#define AX_NOTICES_SHARING 0
#endif
#endif
#if AX_NOTICES_SHARING
#define AX_WHERE_SHARING_IS_NOTICED(...) __VA_ARGS__
#else
#define AX_WHERE_SHARING_IS_NOTICED(...)
#endif

/* Whether a str has its characters. Before 3.12, a str from a deprecated function may not have them yet. */
static inline bool ax_text_is_ready(PyObject *text)
{
#if PY_VERSION_HEX < 0x030C0000
    return PyUnicode_IS_READY(text);
#else
    (void)text;
    return true;
#endif
}

/* Whether an exact str that is ready has only ASCII characters, right after its PyASCIIObject. From 3.12 on
 * only a subclass can have them elsewhere. */
static inline bool ax_text_is_ascii(PyObject *text)
{
#if PY_VERSION_HEX < 0x030C0000
    const PyASCIIObject *object = (const PyASCIIObject *)text;
    return object->state.ascii && object->state.compact; /* one test of both bits */
#else
    return PyUnicode_IS_ASCII(text);
#endif
}

/* The hash of an exact str that is ready: never fails. With the GIL a hash that is known is read without a
 * call; without it, other threads may be writing it. */
static inline Py_hash_t ax_text_hash(PyObject *text)
{
#ifndef Py_GIL_DISABLED
    Py_hash_t known = ((PyASCIIObject *)text)->hash;
    if (known != -1) {
        return known;
    }
#endif
    return PyObject_Hash(text);
}

/* Gives a str its characters; false with MemoryError. */
static inline bool ax_text_prepare(PyObject *text)
{
#if PY_VERSION_HEX < 0x030C0000
    return PyUnicode_READY(text) == 0;
#else
    (void)text;
    return true;
#endif
}

/* The object model for ax_ref.h, which says what each function promises. */
typedef PyObject ax_object;

static inline void ax_object_release(ax_object *object)
{
    Py_DECREF(object);
}

#if !defined(Py_GIL_DISABLED)

static inline void ax_object_share(ax_object *object)
{
    (void)object;
}

static inline bool ax_object_try_acquire(ax_object *object)
{
    Py_INCREF(object);
    return true;
}

#elif PY_VERSION_HEX >= 0x030E0000

static inline void ax_object_share(ax_object *object)
{
    PyUnstable_EnableTryIncRef(object);
}

static inline bool ax_object_try_acquire(ax_object *object)
{
    return PyUnstable_TryIncRef(object) != 0;
}

#else

/* Free-threaded 3.13: does what the two functions above do in 3.14, on the public fields of PyObject.
 *
 * An object belongs to the thread that made it, which counts in ob_ref_local; all other threads count in
 * ob_ref_shared, whose low bits hold a state. If the state is zero, the owner frees the object without
 * checking ob_ref_shared, so no other thread may count up from zero there. The state MAYBE_WEAKREF makes the
 * owner check it, with a compare-and-swap that ends in MERGED; from then on a count of zero is final. */

static inline void ax_object_share(ax_object *object)
{
    if (_Py_atomic_load_uint32_relaxed(&object->ob_ref_local) == _Py_IMMORTAL_REFCNT_LOCAL) {
        return;
    }
    Py_ssize_t shared = _Py_atomic_load_ssize_relaxed(&object->ob_ref_shared);
    while ((shared & _Py_REF_SHARED_FLAG_MASK) == 0 &&
           !_Py_atomic_compare_exchange_ssize(&object->ob_ref_shared, &shared,
                                              shared | _Py_REF_MAYBE_WEAKREF)) {
    }
}

static inline bool ax_object_try_acquire(ax_object *object)
{
    if (_Py_atomic_load_uint32_relaxed(&object->ob_ref_local) == _Py_IMMORTAL_REFCNT_LOCAL) {
        return true;
    }
    if (_Py_atomic_load_uintptr_relaxed(&object->ob_tid) == _Py_ThreadId()) {
        /* Only its owner ends the life of such an object, and this thread is the owner. */
        Py_INCREF(object);
        return true;
    }
    Py_ssize_t shared = _Py_atomic_load_ssize_relaxed(&object->ob_ref_shared);
    do {
        if (shared == 0 || shared == _Py_REF_MERGED) {
            return false;
        }
    } while (!_Py_atomic_compare_exchange_ssize(&object->ob_ref_shared, &shared,
                                                shared + (1 << _Py_REF_SHARED_SHIFT)));
#ifdef Py_REF_DEBUG
    /* Debug builds keep a total of all references, to which only Py_INCREF adds. So count once more with it,
     * and take the first one back. */
    Py_INCREF(object);
    (void)_Py_atomic_add_ssize(&object->ob_ref_shared, -(1 << _Py_REF_SHARED_SHIFT));
#endif
    return true;
}

#endif

#endif
