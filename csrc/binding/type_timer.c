/* type_timer.c: Timer, the type that time() of a histogram returns.
 *
 * An entry's start time has to be kept until its exit. Many entries may be open at once. Each belongs to the
 * context (contextvars) that entered, because contexts distinguish asyncio tasks as well as threads.
 * ax_entries.h keeps the entries, and decides which one an exit ends: the newest of its own context or, if
 * that has none, the only entry there is. So a thread may finish a generator that another thread began, as
 * long as nobody else is inside; otherwise it is not known which entry is meant, and the exit raises
 * RuntimeError.
 *
 * A timer of a shared histogram keeps the entries of each process separate: those that a forked child finds
 * belong to its parent, which observes them itself.
 */
#include "cell.h"

#include <stddef.h>

#include "ax_entries.h"
#include "docstrings.h"
#include "forks.h"
#include "types.h"

#define SECONDS_PER_NS 1e-9

/* The entries of one process. */
typedef struct visit_list {
    ax_entries entries;
    uint64_t process;         /* its fork_number(); immutable, like the next field */
    struct visit_list *older; /* those of the process that this one was forked from; owned */
} visit_list;

typedef struct {
    PyObject_HEAD
    PyObject *histogram; /* owned; immutable after creation */
    timer_record record; /* observes in the histogram; immutable after creation */
    bool shared;         /* other processes use the histogram too; immutable after creation */
    visit_list visits;   /* those of the process that made the timer */
    ax_pointer newer; /* atomic: those of the process that entered last, if that is another process; otherwise
                         NULL */
    PyObject *weakrefs; /* owned by the interpreter */
} Timer;

static Timer *timer_of(PyObject *self)
{
    return (Timer *)self;
}

PyObject *timer_new(ModuleState *state, PyObject *histogram, timer_record record, bool shared)
{
    Timer *timer = PyObject_GC_New(Timer, state->timer);
    if (timer == NULL) {
        return NULL;
    }
    timer->histogram = Py_NewRef(histogram);
    timer->record = record;
    timer->shared = shared;
    timer->visits = (visit_list){.process = shared ? fork_number() : 0};
    timer->newer = (ax_pointer){NULL};
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
    Timer *timer = timer_of(self);
    cell_begin_dealloc(self);
    visit_list *visits = ax_pointer_load(&timer->newer);
    while (visits != NULL) {
        visit_list *older = visits->older;
        ax_entries_free(&visits->entries, &stripe_system);
        PyMem_RawFree(visits);
        visits = older;
    }
    ax_entries_free(&timer->visits.entries, &stripe_system);
    Py_DECREF(timer->histogram);
    cell_end_dealloc(self);
}

/* The entries of this process; NULL: it has not entered yet. Wait-free. */
static visit_list *visits_here(Timer *timer)
{
    if (!timer->shared || timer->visits.process == fork_number()) {
        return &timer->visits;
    }
    visit_list *visits = ax_pointer_load(&timer->newer);
    return visits != NULL && visits->process == fork_number() ? visits : NULL;
}

/* The same, but makes the list if there is none; NULL if there is no memory. Lock-free. */
static visit_list *visits_ensure(Timer *timer)
{
    visit_list *visits = visits_here(timer);
    if (visits != NULL) {
        return visits;
    }
    visits = PyMem_RawCalloc(1, sizeof(visit_list));
    if (visits == NULL) {
        return NULL;
    }
    visits->process = fork_number();
    void *found = ax_pointer_load(&timer->newer);
    visits->older = found;
    if (!ax_pointer_compare_exchange(&timer->newer, &found, visits)) {
        PyMem_RawFree(visits); /* another thread of this process was faster */
        return found;
    }
    return visits;
}

static PyObject *timer_enter(PyObject *self, PyObject *Py_UNUSED(unused))
{
    Timer *timer = timer_of(self);
    uint64_t context = ax_context_number();
    visit_list *visits = visits_ensure(timer);
    if (context == 0) {
        context = ax_context_begin();
        if (context == 0) {
            return NULL;
        }
    }
    if (visits == NULL ||
        !ax_entries_enter(&visits->entries, context, (uint64_t)ax_clock_ns(), &stripe_system)) {
        return PyErr_NoMemory();
    }
    return Py_NewRef(timer->histogram);
}

static PyObject *timer_exit(PyObject *self, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs))
{
    Timer *timer = timer_of(self);
    uint64_t now = (uint64_t)ax_clock_ns(), start;
    visit_list *visits = visits_here(timer);
    if (visits == NULL || !ax_entries_leave(&visits->entries, ax_context_number(), &start)) {
        if (timer->shared && timer->visits.process != fork_number()) {
            Py_RETURN_NONE; /* it was entered before the fork */
        }
        PyErr_SetString(PyExc_RuntimeError, visits != NULL && ax_word_load(&visits->entries.count) != 0
                                                ? "the timer was not entered in this context, only in others"
                                                : "the timer was not entered");
        return NULL;
    }
    if (!timer->record(timer->histogram, (double)(int64_t)(now - start) * SECONDS_PER_NS)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Each call of the function gets its own timer, because the call may end anywhere, especially that of a
 * generator. */
static PyObject *timer_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    PyObject *time = PyObject_GetAttrString(timer_of(self)->histogram, "time");
    PyObject *wrapped = time == NULL ? NULL : decorate("wrap_each", time, args, kwargs);
    Py_XDECREF(time);
    return wrapped;
}

static PyObject *timer_repr(PyObject *self)
{
    return repr_of(self, "Timer", timer_of(self)->histogram, "");
}

/* __call__ is both a slot and a method: see type_guard.c. */
static PyMethodDef timer_methods[] = {
    {"__enter__", timer_enter, METH_NOARGS, DOC_Timer___enter__},
    {"__exit__", AX_METHOD(timer_exit), METH_FASTCALL, DOC_Timer___exit__},
    {"__call__", AX_METHOD(timer_call), METH_VARARGS | METH_KEYWORDS | METH_COEXIST, DOC_Timer___call__},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_Timer___reduce__},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef timer_members[] = {
    {"__weaklistoffset__", AX_T_PYSSIZET, offsetof(Timer, weakrefs), AX_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot timer_slots[] = {
    {Py_tp_doc, (void *)DOC_Timer},   {Py_tp_dealloc, timer_dealloc},
    {Py_tp_traverse, timer_traverse}, {Py_tp_call, timer_call},
    {Py_tp_repr, timer_repr},         {Py_tp_methods, timer_methods},
    {Py_tp_members, timer_members},   {0, NULL},
};

PyType_Spec timer_spec = {
    .name = "atomicx._core.Timer",
    .basicsize = sizeof(Timer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_HAVE_GC,
    .slots = timer_slots,
};
