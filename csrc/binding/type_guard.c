/* type_guard.c: Guard, the type that track() of a cell returns.
 *
 * A guard of a private cell remembers nothing between entry and exit. A forked child has a copy of the cell,
 * with everything counted in it, and counts down in its copy what its parent counted up.
 *
 * A fork does not copy a shared cell: what the parent counted up, only the parent may count down. So the
 * guard of a shared cell remembers how many times it was entered, and in which process (fork_number). In any
 * other process it was not entered, and the exit does nothing.
 */
#include "cell.h"

#include <stddef.h>

#include "ax_int.h"
#include "docstrings.h"
#include "forks.h"
#include "types.h"

typedef struct {
    PyObject_HEAD
    PyObject *cell;     /* owned; immutable after creation, like all fields up to weakrefs */
    ax_word *word;      /* the word of a private cell, atomic; NULL: the cell is shared */
    guard_count count;  /* adds to a shared cell */
    uint64_t maker;     /* for a shared cell: the fork_number() of the process that made the guard */
    PyObject *weakrefs; /* owned by the interpreter */
    ax_word entries; /* atomic; for a shared cell: the number of entries, and the fork_number() of the process
                        that entered */
} Guard;

enum { ENTRIES_BITS = 32 };

#define ENTRIES_MASK ((UINT64_C(1) << ENTRIES_BITS) - 1)

static Guard *guard_of(PyObject *self)
{
    return (Guard *)self;
}

/* Whether the collector has to track the guard of a cell. An untracked cell refers to no object, so no cycle
 * leads through its guard. (Types of cells have no tp_is_gc.) */
AX_INLINE bool is_tracked(PyObject *cell)
{
    return PyType_IS_GC(Py_TYPE(cell));
}

PyObject *guard_new(ModuleState *state, PyObject *cell, ax_word *word)
{
    bool tracked = is_tracked(cell);
    Guard *guard =
        tracked ? PyObject_GC_New(Guard, state->guard) : PyObject_New(Guard, state->untracked_guard);
    if (guard == NULL) {
        return NULL;
    }
    guard->cell = Py_NewRef(cell);
    guard->word = word;
    guard->weakrefs = NULL;
    if (tracked) {
        PyObject_GC_Track(guard);
    }
    return (PyObject *)guard;
}

PyObject *guard_new_shared(ModuleState *state, PyObject *cell, guard_count count)
{
    PyObject *self = guard_new(state, cell, NULL);
    if (self != NULL) {
        guard_of(self)->count =
            count; /* no other code has the guard yet, and its traversal does not read this */
        guard_of(self)->maker = fork_number();
        ax_word_store(&guard_of(self)->entries, 0);
    }
    return self;
}

/* There is no tp_clear, as for tuples: a guard never changes, so every cycle through it leads through some
 * other object that can be cleared. */
static int guard_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(guard_of(self)->cell);
    return cell_traverse(self, visit, arg);
}

static void guard_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject *cell = guard_of(self)->cell;
    bool tracked = is_tracked(cell);
    if (tracked) {
        PyObject_GC_UnTrack(self);
    }
    if (guard_of(self)->weakrefs != NULL) {
        PyObject_ClearWeakRefs(self);
    }
    if (tracked) {
        PyObject_GC_Del(self);
    } else {
        PyObject_Free(self);
    }
    Py_DECREF(type);
    Py_DECREF(cell); /* last, as it may run any code */
}

/* Adds an entry in this process. Entries of another process, which are there after a fork, do not count. */
static void entries_add(Guard *guard)
{
    uint64_t here = fork_number() << ENTRIES_BITS;
    uint64_t found = ax_word_load(&guard->entries), wanted;
    do {
        wanted = (found & ~ENTRIES_MASK) == here ? found + 1 : here + 1;
    } while (!ax_word_compare_exchange(&guard->entries, &found, wanted));
}

/* Removes an entry of this process. False: there is none, and the guard comes from another process. */
static bool entries_take(Guard *guard)
{
    uint64_t here = fork_number() << ENTRIES_BITS;
    uint64_t found = ax_word_load(&guard->entries);
    do {
        if (found <= here || found > here + ENTRIES_MASK) {
            return guard->maker == fork_number(); /* an exit without an entry counts down, as for any guard */
        }
    } while (!ax_word_compare_exchange(&guard->entries, &found, found - 1));
    return true;
}

/* Changes the word of a private cell; false with OverflowError. */
AX_INLINE bool add_to_word(ax_word *word, ax_int_step step)
{
    int64_t previous, result;
    if (!ax_int_apply(word, step, 1, &previous, &result)) {
        (void)result_overflow();
        return false;
    }
    return true;
}

AX_NOINLINE static PyObject *guard_enter_shared(Guard *guard)
{
    if (!guard->count(guard->cell, 1)) {
        return NULL;
    }
    entries_add(guard);
    return Py_NewRef(guard->cell);
}

static PyObject *guard_enter(PyObject *self, PyObject *Py_UNUSED(unused))
{
    Guard *guard = guard_of(self);
    if (guard->word == NULL) {
        return guard_enter_shared(guard);
    }
    return add_to_word(guard->word, ax_int_step_add) ? Py_NewRef(guard->cell) : NULL;
}

AX_NOINLINE static PyObject *guard_exit_shared(Guard *guard)
{
    if (entries_take(guard) && !guard->count(guard->cell, -1)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *guard_exit(PyObject *self, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs))
{
    Guard *guard = guard_of(self);
    if (guard->word == NULL) {
        return guard_exit_shared(guard);
    }
    if (!add_to_word(guard->word, ax_int_step_sub)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

PyObject *decorate(const char *how, PyObject *with, PyObject *args, PyObject *kwargs)
{
    PyObject *function;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0) {
        PyErr_SetString(PyExc_TypeError, "a decorator takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_UnpackTuple(args, "__call__", 1, 1, &function)) {
        return NULL;
    }
    PyObject *module = PyImport_ImportModule("atomicx._decorator");
    if (module == NULL) {
        return NULL;
    }
    PyObject *wrapped = PyObject_CallMethod(module, how, "OO", with, function);
    Py_DECREF(module);
    return wrapped;
}

static PyObject *guard_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    return decorate("wrap", self, args, kwargs);
}

PyObject *repr_of(PyObject *self, const char *type, PyObject *cell, const char *tail)
{
    int entered = Py_ReprEnter(self);
    if (entered != 0) {
        return entered < 0 ? NULL : PyUnicode_FromFormat("<%s of ...%s>", type, tail);
    }
    PyObject *repr = PyUnicode_FromFormat("<%s of %R%s>", type, cell, tail);
    Py_ReprLeave(self);
    return repr;
}

static PyObject *guard_repr(PyObject *self)
{
    return repr_of(self, "Guard", guard_of(self)->cell, "");
}

/* __call__ is both a slot and a method, so that help() has its docstring and parameters. */
static PyMethodDef guard_methods[] = {
    {"__enter__", guard_enter, METH_NOARGS, DOC_Guard___enter__},
    {"__exit__", AX_METHOD(guard_exit), METH_FASTCALL, DOC_Guard___exit__},
    {"__call__", AX_METHOD(guard_call), METH_VARARGS | METH_KEYWORDS | METH_COEXIST, DOC_Guard___call__},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_Guard___reduce__},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef guard_members[] = {
    {"__weaklistoffset__", AX_T_PYSSIZET, offsetof(Guard, weakrefs), AX_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* clang-format off */

/* The slots of both types; the collector tracks only one of them. */
#define GUARD_SLOTS \
    {Py_tp_doc, (void *)DOC_Guard}, \
    {Py_tp_dealloc, guard_dealloc}, \
    {Py_tp_call, guard_call}, \
    {Py_tp_repr, guard_repr}, \
    {Py_tp_methods, guard_methods}, \
    {Py_tp_members, guard_members},

/* clang-format on */

#define GUARD_FLAGS Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION

static PyType_Slot guard_slots[] = {
    GUARD_SLOTS
    {Py_tp_traverse, guard_traverse},
    {0, NULL},
};

PyType_Spec guard_spec = {
    .name = "atomicx._core.Guard",
    .basicsize = sizeof(Guard),
    .flags = GUARD_FLAGS | Py_TPFLAGS_HAVE_GC,
    .slots = guard_slots,
};

static PyType_Slot untracked_guard_slots[] = {
    GUARD_SLOTS
    {0, NULL},
};

PyType_Spec untracked_guard_spec = {
    .name = "atomicx._core.Guard",
    .basicsize = sizeof(Guard),
    .flags = GUARD_FLAGS,
    .slots = untracked_guard_slots,
};
