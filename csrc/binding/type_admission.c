/* type_admission.c: Admission, the type that admit(limit) of a cell returns.
 *
 * One word holds everything that changes: whether the admission is entered, in which process, and whether it
 * has counted. Entering changes the word from "not entered" by a compare-and-swap, and then tries to count.
 * Leaving marks it as leaving by another compare-and-swap, then counts down what was counted up, and only
 * then resets the word. So if two exits meet, only one counts down; an admission that is entered cannot be
 * entered again; and the next entry finds the count without the one that has left.
 *
 * After a fork, a word that the parent wrote belongs to the parent: in the child, the admission of a shared
 * cell is not entered. The admission of a private cell is still entered, since the child has a copy of both.
 */
#include "cell.h"

#include <stddef.h>

#include "docstrings.h"
#include "forks.h"
#include "types.h"

typedef struct {
    PyObject_HEAD
    PyObject *cell;      /* owned; immutable after creation, like all fields up to state */
    guard_try try_count; /* adds one to the cell unless that would pass the limit */
    guard_count count;   /* adds to the cell */
    int64_t limit;
    bool shared;        /* other processes use the cell too */
    uint64_t maker;     /* for a shared cell: the fork_number() of the process that made the admission */
    ax_word state;      /* atomic: 0; or the process and ENTERED, and possibly one of the other flags */
    PyObject *weakrefs; /* owned by the interpreter */
} Admission;

enum { ENTERED = 1, ADMITTED = 2, LEAVING = 4, PROCESS = 3 }; /* three flags; the shift of the process */

static Admission *admission_of(PyObject *self)
{
    return (Admission *)self;
}

PyObject *admission_new(ModuleState *state, PyObject *cell, guard_try try_count, guard_count count,
                        int64_t limit, bool shared)
{
    Admission *admission = PyObject_GC_New(Admission, state->admission);
    if (admission == NULL) {
        return NULL;
    }
    admission->cell = Py_NewRef(cell);
    admission->try_count = try_count;
    admission->count = count;
    admission->limit = limit;
    admission->shared = shared;
    admission->maker = shared ? fork_number() : 0;
    ax_word_store(&admission->state, 0);
    admission->weakrefs = NULL;
    PyObject_GC_Track(admission);
    return (PyObject *)admission;
}

/* There is no tp_clear: see type_guard.c. */
static int admission_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(admission_of(self)->cell);
    return cell_traverse(self, visit, arg);
}

static void admission_dealloc(PyObject *self)
{
    cell_begin_dealloc(self);
    Py_DECREF(admission_of(self)->cell);
    cell_end_dealloc(self);
}

/* The state of an admission that was entered here and has counted nothing. */
static uint64_t entered_here(const Admission *admission)
{
    return (admission->shared ? fork_number() << PROCESS : 0) | ENTERED;
}

static PyObject *admission_enter(PyObject *self, PyObject *Py_UNUSED(unused))
{
    Admission *admission = admission_of(self);
    uint64_t entered = entered_here(admission), found = ax_word_load(&admission->state);
    do {
        if ((found & ~(uint64_t)(ADMITTED | LEAVING)) == entered) {
            PyErr_SetString(PyExc_RuntimeError, "this admit() guard is already entered");
            return NULL;
        }
    } while (!ax_word_compare_exchange(&admission->state, &found, entered));
    bool admitted = false;
    if (!admission->try_count(admission->cell, admission->limit, &admitted)) {
        ax_word_store(&admission->state, 0);
        return NULL;
    }
    if (admitted) {
        ax_word_store(&admission->state, entered | ADMITTED);
    }
    return bool_object(admitted);
}

static PyObject *admission_exit(PyObject *self, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs))
{
    Admission *admission = admission_of(self);
    uint64_t entered = entered_here(admission), found = ax_word_load(&admission->state);
    do {
        if ((found & ~(uint64_t)ADMITTED) != entered) {
            if (admission->shared && admission->maker != fork_number()) {
                Py_RETURN_NONE; /* it was entered before the fork */
            }
            PyErr_SetString(PyExc_RuntimeError, "this admit() guard was not entered");
            return NULL;
        }
    } while (!ax_word_compare_exchange(&admission->state, &found, entered | LEAVING));
    bool left = (found & ADMITTED) == 0 || admission->count(admission->cell, -1);
    ax_word_store(&admission->state, 0);
    if (!left) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Without this, `@cell.admit(1)` would only report that an Admission is not callable, and not what to write
 * instead. */
static PyObject *admission_call(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(args),
                                PyObject *Py_UNUSED(kwargs))
{
    PyErr_SetString(PyExc_TypeError,
                    "admit() cannot be used as a decorator: write 'with cell.admit(limit) as admitted:'");
    return NULL;
}

static PyObject *admission_repr(PyObject *self)
{
    char tail[40];
    (void)snprintf(tail, sizeof tail, ", limit %lld", (long long)admission_of(self)->limit);
    return repr_of(self, "Admission", admission_of(self)->cell, tail);
}

static PyMethodDef admission_methods[] = {
    {"__enter__", admission_enter, METH_NOARGS, DOC_Admission___enter__},
    {"__exit__", AX_METHOD(admission_exit), METH_FASTCALL, DOC_Admission___exit__},
    {"__call__", AX_METHOD(admission_call), METH_VARARGS | METH_KEYWORDS | METH_COEXIST,
     DOC_Admission___call__},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_Admission___reduce__},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef admission_members[] = {
    {"__weaklistoffset__", AX_T_PYSSIZET, offsetof(Admission, weakrefs), AX_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot admission_slots[] = {
    {Py_tp_doc, (void *)DOC_Admission},   {Py_tp_dealloc, admission_dealloc},
    {Py_tp_traverse, admission_traverse}, {Py_tp_call, admission_call},
    {Py_tp_repr, admission_repr},         {Py_tp_methods, admission_methods},
    {Py_tp_members, admission_members},   {0, NULL},
};

PyType_Spec admission_spec = {
    .name = "atomicx._core.Admission",
    .basicsize = sizeof(Admission),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_HAVE_GC,
    .slots = admission_slots,
};
