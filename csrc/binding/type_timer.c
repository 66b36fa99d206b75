/* type_timer.c: Timer, which Histogram.time() returns.
 *
 * What an entry has to remember until its exit is when it was. A timer that is entered once at a time, as
 * nearly all are, keeps that itself. While it does, and for as long as it has other entries, a further entry
 * is kept in the context (contextvars) of whoever enters: each thread has one of its own, and so has each
 * task of asyncio, so that an exit finds the entry that belongs to it however threads and tasks take turns.
 *
 * There the entries of all timers are a linked list, the innermost first: [timer, start, outer entry]. An
 * entry that was left has None for its timer. Contexts are copied, and then share their entries; but an
 * entry that a context began with is never taken for one of its own: as long as it has not been left, the
 * timer has other entries, and who enters in the copy gets an entry there too, in front of it.
 */
#include "cell.h"

#include <stddef.h>

#include "ax_int.h"
#include "docstrings.h"
#include "types.h"

#define SECONDS_PER_NS 1e-9

typedef struct {
    PyObject_HEAD
    PyObject *histogram; /* owned; immutable after creation */
    ax_word start;  /* atomic: when the entry kept here was, in nanoseconds and 1 more; 0: there is none */
    ax_word others; /* atomic: how many entries are kept in contexts */
    PyObject *weakrefs; /* owned by the interpreter */
} Timer;

enum { ENTRY_TIMER, ENTRY_START, ENTRY_OUTER };

static Timer *timer_of(PyObject *self)
{
    return (Timer *)self;
}

PyObject *timer_new(ModuleState *state, PyObject *histogram)
{
    Timer *timer = PyObject_GC_New(Timer, state->timer);
    if (timer == NULL) {
        return NULL;
    }
    timer->histogram = Py_NewRef(histogram);
    ax_word_store(&timer->start, 0);
    ax_word_store(&timer->others, 0);
    timer->weakrefs = NULL;
    PyObject_GC_Track(timer);
    return (PyObject *)timer;
}

/* There is no tp_clear: see type_guard.c. */
static int timer_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(timer_of(self)->histogram);
    return cell_traverse(self, visit, arg);
}

static void timer_dealloc(PyObject *self)
{
    cell_begin_dealloc(self);
    Py_DECREF(timer_of(self)->histogram);
    cell_end_dealloc(self);
}

static void others_change(PyObject *self, ax_int_step step)
{
    int64_t previous, result;
    (void)ax_int_apply(&timer_of(self)->others, step, 1, &previous, &result); /* as many as fit in memory */
}

/* Replaces *entry by the first one, from it outwards, that is owner's (NULL: anybody's), or by None. Returns
 * whether there is one, or -1 with an exception set and *entry NULL. */
static int entry_find(PyObject **entry, PyObject *owner)
{
    while (*entry != Py_None) {
        PyObject *timer = ax_list_get(*entry, ENTRY_TIMER);
        bool found = owner == NULL ? timer != Py_None : timer == owner;
        PyObject *outer = timer == NULL || found ? NULL : ax_list_get(*entry, ENTRY_OUTER);
        Py_XDECREF(timer);
        if (found && timer != NULL) {
            return 1;
        }
        Py_SETREF(*entry, outer);
        if (outer == NULL) {
            return -1;
        }
    }
    return 0;
}

/* A list of an entry's parts; takes over the reference to outer. NULL with MemoryError. By way of a tuple:
 * without memory for its items, PyList_New of free-threaded 3.13 releases what it has not set. */
static PyObject *entry_new(PyObject *self, int64_t start, PyObject *outer)
{
    PyObject *parts = Py_BuildValue("(OLN)", self, (long long)start, outer);
    PyObject *entry = parts == NULL ? NULL : PySequence_List(parts);
    Py_XDECREF(parts);
    return entry;
}

/* Puts an entry into the context, in front of those that were not left; false with an exception set, and then
 * there is none. */
static bool context_enter(PyObject *self, int64_t now)
{
    ModuleState *state = PyType_GetModuleState(Py_TYPE(self));
    PyObject *outer;
    if (state == NULL || PyContextVar_Get(state->entries, Py_None, &outer) < 0 ||
        entry_find(&outer, NULL) < 0) {
        return false;
    }
    PyObject *entry = entry_new(self, now, outer);
    PyObject *token = entry == NULL ? NULL : PyContextVar_Set(state->entries, entry);
    Py_XDECREF(entry);
    Py_XDECREF(token);
    if (token == NULL) {
        return false;
    }
    others_change(self, ax_int_step_add);
    return true;
}

/* Leaves the innermost entry that this context has: 1 with its start, 0 if it has none, or -1 with an
 * exception set. Needs no memory: the entry stays in the context, without its timer, until the next is put
 * there. */
static int context_leave(PyObject *self, int64_t *start)
{
    ModuleState *state = PyType_GetModuleState(Py_TYPE(self));
    PyObject *entry;
    if (state == NULL || PyContextVar_Get(state->entries, Py_None, &entry) < 0) {
        return -1;
    }
    int found = entry_find(&entry, self);
    if (found > 0) {
        PyObject *number = ax_list_get(entry, ENTRY_START);
        *start = number == NULL ? -1 : PyLong_AsLongLong(number);
        Py_XDECREF(number);
        found = number == NULL || PyList_SetItem(entry, ENTRY_TIMER, Py_NewRef(Py_None)) < 0 ? -1 : 1;
    }
    if (found > 0) {
        others_change(self, ax_int_step_sub);
    }
    Py_XDECREF(entry);
    return found;
}

static PyObject *timer_enter(PyObject *self, PyObject *Py_UNUSED(unused))
{
    uint64_t none = 0;
    int64_t now = ax_clock_ns();
    if (ax_word_load(&timer_of(self)->others) != 0 ||
        !ax_word_compare_exchange(&timer_of(self)->start, &none, (uint64_t)now + 1)) {
        if (!context_enter(self, now)) {
            return NULL;
        }
    }
    return Py_NewRef(timer_of(self)->histogram);
}

static PyObject *timer_exit(PyObject *self, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs))
{
    int64_t now = ax_clock_ns(), start = 0;
    int found = ax_word_load(&timer_of(self)->others) == 0 ? 0 : context_leave(self, &start);
    if (found < 0) {
        return NULL;
    }
    if (found == 0) {
        uint64_t kept = ax_word_exchange(&timer_of(self)->start, 0);
        if (kept == 0) {
            PyErr_SetString(PyExc_RuntimeError, "the timer was not entered");
            return NULL;
        }
        start = (int64_t)(kept - 1);
    }
    histogram_record(timer_of(self)->histogram, (double)(now - start) * SECONDS_PER_NS);
    Py_RETURN_NONE;
}

/* Each call of the function gets a timer of its own, which is the fast way. */
static PyObject *timer_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *time = PyObject_GetAttrString(timer_of(self)->histogram, "time");
    PyObject *wrapped = time == NULL ? NULL : decorate("wrap_each", time, args, kwargs);
    Py_XDECREF(time);
    return wrapped;
}

static PyMethodDef timer_methods[] = {
    {"__enter__", timer_enter, METH_NOARGS, DOC_Timer___enter__},
    {"__exit__", AX_METHOD(timer_exit), METH_FASTCALL, DOC_Timer___exit__},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_Timer___reduce__},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef timer_members[] = {
    {"__weaklistoffset__", AX_T_PYSSIZET, offsetof(Timer, weakrefs), AX_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot timer_slots[] = {
    {Py_tp_doc, (void *)DOC_Timer},
    {Py_tp_dealloc, timer_dealloc},
    {Py_tp_traverse, timer_traverse},
    {Py_tp_call, timer_call},
    {Py_tp_methods, timer_methods},
    {Py_tp_members, timer_members},
    {0, NULL},
};

PyType_Spec timer_spec = {
    .name = "atomicx._core.Timer",
    .basicsize = sizeof(Timer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_HAVE_GC,
    .slots = timer_slots,
};
