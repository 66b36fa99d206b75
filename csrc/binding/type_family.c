/* type_family.c: the type Family, and its arguments. See family.h for how it works. */
#include "family.h"

#include <stddef.h>
#include <stdlib.h>

#include "ax_ref.h"
#include "docstrings.h"

const FamilyDefinition *family_definition(PyObject *self)
{
    const FamilyDefinition *definition = definition_of(family_of(self));
    if (definition == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "Family.__init__() was not called");
    }
    return definition;
}

PyObject *family_described(const FamilyDefinition *definition)
{
    return definition->labels == 1
               ? PyUnicode_FromFormat("family (%R)", PyTuple_GET_ITEM(definition->names, 0))
               : PyUnicode_FromFormat("family %R", definition->names);
}

static PyObject *family_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    ModuleState *state = module_state_of_derived(type);
    PyObject *self =
        state == NULL ? NULL : type->tp_alloc(type, 0); /* zeroed: no definition, no children noted */
    if (self != NULL) {
        family_of(self)->state = state;
        ax_table_init(&family_of(self)->table);
        ax_enable_deferred_refcount(self); /* a family is meant to be shared */
    }
    return self;
}

/* The label names after the factory in args; NULL with an exception set. */
static PyObject *label_names_new(PyObject *args)
{
    Py_ssize_t count = PyTuple_GET_SIZE(args) - 1;
    if (count < 1) {
        PyErr_SetString(PyExc_ValueError, "a Family needs at least one label name");
        return NULL;
    }
    PyObject *names = PyTuple_New(count);
    PyObject *distinct = names == NULL ? NULL : PySet_New(NULL);
    for (Py_ssize_t i = 0; distinct != NULL && i < count; i++) {
        PyObject *name = PyTuple_GET_ITEM(args, i + 1);
        if (!PyUnicode_Check(name)) {
            PyErr_Format(PyExc_TypeError, "a label name must be a str, not '%.200s'", Py_TYPE(name)->tp_name);
            Py_CLEAR(distinct);
        } else if ((name = label_from_text("a label name", name)) == NULL) {
            Py_CLEAR(distinct);
        } else {
            PyTuple_SET_ITEM(names, i, name);
            if (PySet_Add(distinct, name) < 0) {
                Py_CLEAR(distinct);
            }
        }
    }
    if (distinct != NULL && PySet_GET_SIZE(distinct) != count) {
        PyErr_SetString(PyExc_ValueError, "the label names of a Family must be distinct");
        Py_CLEAR(distinct);
    }
    if (distinct == NULL) {
        Py_CLEAR(names);
    }
    Py_XDECREF(distinct);
    return names;
}

/* Converts the keyword argument limit; 0 for None. False with an exception set. */
static bool limit_from(PyObject *given, uint64_t *limit)
{
    int64_t value;
    *limit = 0;
    if (given == Py_None) {
        return true;
    }
    if (!as_int64(given, &value)) {
        return false;
    }
    if (value < 1) {
        PyErr_SetString(PyExc_ValueError, "limit must be at least 1");
        return false;
    }
    *limit = (uint64_t)value;
    return true;
}

/* Converts the keyword argument overflow; NULL for None. False with an exception set. */
static bool overflow_from(PyObject *given, uint64_t limit, PyObject **overflow)
{
    *overflow = NULL;
    if (given == Py_None) {
        return true;
    }
    if (!PyUnicode_Check(given)) {
        PyErr_Format(PyExc_TypeError, "overflow must be a str or None, not '%.200s'",
                     Py_TYPE(given)->tp_name);
        return false;
    }
    if (limit == 0) {
        PyErr_SetString(PyExc_ValueError, "overflow needs a limit");
        return false;
    }
    *overflow = label_from_text("overflow", given);
    return *overflow != NULL;
}

/* Converts the keyword arguments; false with an exception set. *overflow is a new reference, or NULL. */
static bool options_from(PyObject *kwargs, uint64_t *limit, PyObject **overflow)
{
    PyObject *none = PyTuple_New(0), *given_limit = Py_None, *given_overflow = Py_None;
    char *keywords[] = {"limit", "overflow", NULL};
    bool parsed = none != NULL && PyArg_ParseTupleAndKeywords(none, kwargs, "|OO:Family", keywords,
                                                              &given_limit, &given_overflow);
    Py_XDECREF(none);
    return parsed && limit_from(given_limit, limit) && overflow_from(given_overflow, *limit, overflow);
}

/* A tuple with text once per label. */
static PyObject *overflow_labels_new(PyObject *text, Py_ssize_t labels)
{
    PyObject *tuple = PyTuple_New(labels);
    for (Py_ssize_t i = 0; tuple != NULL && i < labels; i++) {
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(text));
    }
    return tuple;
}

static void definition_free(FamilyDefinition *definition)
{
    Py_XDECREF((PyObject *)ax_pointer_exchange(&definition->factory, NULL));
    Py_XDECREF(definition->names);
    Py_XDECREF(definition->overflow);
    Py_XDECREF(definition->overflow_labels);
    PyMem_Free(definition);
}

/* Steals names, and overflow, which may be NULL; NULL with MemoryError. */
static FamilyDefinition *definition_new(PyObject *self, PyObject *factory, PyObject *names, uint64_t limit,
                                        PyObject *overflow)
{
    Py_ssize_t labels = PyTuple_GET_SIZE(names);
    size_t views = overflow == NULL ? 0 : (size_t)labels * sizeof(LabelView);
    PyObject *overflow_labels = overflow == NULL ? NULL : overflow_labels_new(overflow, labels);
    FamilyDefinition *definition = overflow != NULL && overflow_labels == NULL
                                       ? NULL
                                       : PyMem_Calloc(1, sizeof(FamilyDefinition) + views);
    if (definition == NULL) {
        Py_XDECREF(overflow_labels);
        Py_XDECREF(overflow);
        Py_DECREF(names);
        PyErr_NoMemory();
        return NULL;
    }
    ax_ref_init(&definition->factory, Py_NewRef(factory));
    definition->names = names;
    definition->labels = labels;
    definition->limit = limit;
    definition->overflow = overflow;
    definition->overflow_labels = overflow_labels;
    if (overflow_labels != NULL) {
        labels_view_all(&family_of(self)->state->hash_key, overflow_labels, definition->overflow_views,
                        &definition->overflow_query);
    }
    return definition;
}

static int family_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_GET_SIZE(args) == 0 || !PyCallable_Check(PyTuple_GET_ITEM(args, 0))) {
        PyErr_SetString(PyExc_TypeError,
                        "the first argument of Family() must be a callable that creates a child");
        return -1;
    }
    uint64_t limit;
    PyObject *overflow, *names = label_names_new(args);
    if (names == NULL) {
        return -1;
    }
    if (!options_from(kwargs, &limit, &overflow)) {
        Py_DECREF(names);
        return -1;
    }
    FamilyDefinition *definition = definition_new(self, PyTuple_GET_ITEM(args, 0), names, limit, overflow);
    void *found = NULL;
    if (definition == NULL) {
        return -1;
    }
    if (!ax_pointer_compare_exchange(&family_of(self)->definition, &found, definition)) {
        definition_free(definition);
        PyErr_SetString(PyExc_RuntimeError, "Family.__init__() was already called");
        return -1;
    }
    return 0;
}

static int family_traverse(PyObject *self, visitproc visit, void *arg)
{
    /* Without the GIL the collector has stopped all threads, and no thread stops in a section. */
    const FamilyDefinition *definition = definition_of(family_of(self));
    if (definition != NULL) {
        PyObject *factory = ax_pointer_load(&definition->factory);
        Py_VISIT(factory);
        Py_VISIT(definition->names);
        Py_VISIT(definition->overflow_labels);
    }
    int visited = ax_table_visit(&family_of(self)->table, (int (*)(void *, void *))visit, arg);
    return visited != 0 ? visited : cell_traverse(self, visit, arg);
}

/* Afterwards a finalizer can still use the family, but its factory is None. */
static int family_clear_cycle(PyObject *self)
{
    FamilyDefinition *definition = ax_pointer_load(&family_of(self)->definition);
    ax_table_clear(&family_of(self)->table, &family_model);
    if (definition != NULL) {
        Py_DECREF(ax_ref_exchange(&definition->factory, Py_NewRef(Py_None)));
    }
    return 0;
}

/* The trashcan turns the release of a long chain of nested families from a recursion into a loop. */
static void family_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, family_dealloc)
    cell_begin_dealloc(self);
    ax_table_free(&family_of(self)->table, &family_model);
    FamilyDefinition *definition = ax_pointer_exchange(&family_of(self)->definition, NULL);
    if (definition != NULL) {
        definition_free(definition);
    }
    cell_end_dealloc(self);
    Py_TRASHCAN_END
}

static PyObject *family_get_label_names(PyObject *self, void *Py_UNUSED(closure))
{
    const FamilyDefinition *definition = family_definition(self);
    return definition == NULL ? NULL : Py_NewRef(definition->names);
}

static PyObject *family_get_limit(PyObject *self, void *Py_UNUSED(closure))
{
    const FamilyDefinition *definition = family_definition(self);
    if (definition == NULL) {
        return NULL;
    }
    return definition->limit == 0 ? Py_NewRef(Py_None) : PyLong_FromUnsignedLongLong(definition->limit);
}

static PyObject *family_get_overflow(PyObject *self, void *Py_UNUSED(closure))
{
    const FamilyDefinition *definition = family_definition(self);
    if (definition == NULL) {
        return NULL;
    }
    return Py_NewRef(definition->overflow == NULL ? Py_None : definition->overflow);
}

/* The arguments as source text; NULL with an exception set. */
static PyObject *family_arguments(const FamilyDefinition *definition)
{
    PyObject *factory = ax_ref_load((ax_pointer *)&definition->factory);
    PyObject *text = PyObject_Repr(factory);
    Py_DECREF(factory);
    for (Py_ssize_t i = 0; text != NULL && i < definition->labels; i++) {
        Py_SETREF(text, PyUnicode_FromFormat("%U, %R", text, PyTuple_GET_ITEM(definition->names, i)));
    }
    if (text != NULL && definition->limit != 0) {
        unsigned long long limit = definition->limit;
        Py_SETREF(text, PyUnicode_FromFormat("%U, limit=%llu", text, limit));
    }
    if (text != NULL && definition->overflow != NULL) {
        Py_SETREF(text, PyUnicode_FromFormat("%U, overflow=%R", text, definition->overflow));
    }
    return text;
}

/* The arguments and the children. */
static PyObject *family_shown(PyObject *self, const FamilyDefinition *definition)
{
    PyObject *arguments = cell_repr(self, family_arguments(definition));
    PyObject *contents = arguments == NULL ? NULL : family_contents(self);
    PyObject *shown = contents == NULL ? NULL : PyUnicode_Concat(arguments, contents);
    Py_XDECREF(contents);
    Py_XDECREF(arguments);
    return shown;
}

static PyObject *family_repr(PyObject *self)
{
    const FamilyDefinition *definition = family_definition(self);
    if (definition == NULL) {
        return NULL;
    }
    int entered = Py_ReprEnter(self);
    if (entered != 0) {
        return entered < 0 ? NULL : cell_repr(self, PyUnicode_FromString("..."));
    }
    PyObject *repr = family_shown(self, definition);
    Py_ReprLeave(self);
    return repr;
}

/* True even without children: `if family:` asks whether there is a family. */
static int family_bool(PyObject *Py_UNUSED(self))
{
    return 1;
}

static PyObject *family_sizeof(PyObject *self, PyObject *Py_UNUSED(unused))
{
    const FamilyDefinition *definition = definition_of(family_of(self));
    size_t views = definition == NULL || definition->overflow == NULL ? 0 : (size_t)definition->labels;
    return cell_sizeof(self, ax_table_bytes(&family_of(self)->table, section_thread()) +
                                 (definition == NULL ? 0 : sizeof *definition) + views * sizeof(LabelView));
}

static PyMethodDef family_methods[] = {
    {"labels", AX_METHOD(family_labels), METH_FASTCALL | METH_KEYWORDS, DOC_Family_labels},
    {"inc", AX_METHOD(family_inc), METH_FASTCALL, DOC_Family_inc},
    {"dec", AX_METHOD(family_dec), METH_FASTCALL, DOC_Family_dec},
    {"add", AX_METHOD(family_add), METH_FASTCALL, DOC_Family_add},
    {"store", AX_METHOD(family_store), METH_FASTCALL, DOC_Family_store},
    {"observe", AX_METHOD(family_observe), METH_FASTCALL, DOC_Family_observe},
    {"track", AX_METHOD(family_track), METH_FASTCALL, DOC_Family_track},
    {"time", AX_METHOD(family_time), METH_FASTCALL, DOC_Family_time},
    {"items", family_items, METH_NOARGS, DOC_Family_items},
    {"remove", AX_METHOD(family_remove), METH_FASTCALL, DOC_Family_remove},
    {"clear", family_clear, METH_NOARGS, DOC_Family_clear},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, DOC_Family___class_getitem__},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_Family___reduce__},
    {"__sizeof__", family_sizeof, METH_NOARGS, DOC_CELL_SIZEOF},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef family_getset[] = {
    {"label_names", family_get_label_names, NULL, DOC_Family_label_names, NULL},
    {"limit", family_get_limit, NULL, DOC_Family_limit, NULL},
    {"overflow", family_get_overflow, NULL, DOC_Family_overflow, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef family_members[] = {
    {"__weaklistoffset__", AX_T_PYSSIZET, offsetof(Family, weakrefs), AX_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot family_slots[] = {
    {Py_tp_doc, (void *)DOC_Family},
    {Py_tp_new, family_new}, /* no definition yet; ignores the arguments, which family_init takes */
    {Py_tp_init, family_init},
    {Py_tp_dealloc, family_dealloc},
    {Py_tp_traverse, family_traverse},
    {Py_tp_clear, family_clear_cycle},
    {Py_tp_repr, family_repr},
    {Py_tp_methods, family_methods},
    {Py_tp_getset, family_getset},
    {Py_tp_members, family_members},
    {Py_nb_bool, family_bool},
    {Py_mp_subscript, family_subscript},
    {Py_mp_ass_subscript, family_assign},
    {Py_mp_length, family_length},
    {Py_sq_contains, family_contains},
    {0, NULL},
};

PyType_Spec family_spec = {
    .name = "atomicx.Family",
    .basicsize = sizeof(Family),
    .flags = AX_TPFLAGS_CELL | Py_TPFLAGS_HAVE_GC,
    .slots = family_slots,
};
