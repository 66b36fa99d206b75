/* type_family.c: Family.
 *
 * Two dicts. `children` takes a key, as the caller wrote it, to the child: the one look-up of a hit. Its
 * canonical keys have only str: a str for one label, a tuple of them for more. A further spelling (an int, or
 * a tuple with an int in it) is entered when it was first used, so that it is a hit the next time.
 * `spellings` takes each canonical key to a list of its further spellings, so that a child goes with all of
 * them; it also tells how many children there are.
 *
 * Keys are only ever made of exact str, int and tuple objects, whose hash and comparison run no Python code.
 * What else is allowed, an instance of a subclass, is made into its canonical key each time.
 *
 * The dicts change together, inside the exclusion, where no Python code runs and nothing is released that
 * could run any: the factory is called outside. So it may use the family, take as long as it likes, and
 * raise, and nobody waits for it; and two threads may both call it. The one who comes second with what it
 * made drops that, and takes the first one's. The limit is looked at where a child is entered, so it holds
 * exactly.
 *
 * With the GIL the exclusion is no lock. Without it, it is a mutex that is held for a few dict operations,
 * which have a mutex of their own as well; a hit takes neither.
 */
#include "cell.h"

#include <stddef.h>

#include "ax_ref.h"
#include "docstrings.h"
#include "types.h"

/* Further spellings of one child that are kept. With many labels there are more, and they are slower. */
#define MOST_SPELLINGS 16

typedef struct {
    PyObject_HEAD
    ax_pointer factory;    /* atomic: NULL until __init__ has run; owns a reference */
    PyObject *label_names; /* a tuple of str; immutable once there is a factory */
    Py_ssize_t labels;     /* how many; immutable once there is a factory */
    int64_t limit;         /* children at most, 0: any number; immutable once there is a factory */
    PyObject *children;    /* a dict; the pointer is immutable after creation */
    PyObject *spellings;   /* a dict; the pointer is immutable after creation */
    ax_exclusion changing; /* held around changes of the two dicts */
    PyObject *weakrefs;    /* owned by the interpreter */
} Family;

static Family *family_of(PyObject *self)
{
    return (Family *)self;
}

/* Whether __init__ was called; else a RuntimeError is set. Once there is a factory, there always is one. */
static bool is_defined(PyObject *self)
{
    if (ax_pointer_load(&family_of(self)->factory) == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "Family.__init__() was not called");
        return false;
    }
    return true;
}

/* A new reference to the factory of a family that has one: what it runs can let the collector clear it. */
static PyObject *factory_of(PyObject *self)
{
    return ax_ref_load(&family_of(self)->factory);
}

static PyObject *family_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    PyObject *self = type->tp_alloc(type, 0); /* zeroed: no factory */
    if (self == NULL) {
        return NULL;
    }
    family_of(self)->children = PyDict_New();
    family_of(self)->spellings = PyDict_New();
    if (family_of(self)->children == NULL || family_of(self)->spellings == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    ax_enable_deferred_refcount(self); /* a family is there to be shared */
    return self;
}

/* The label names behind the factory in args; NULL with an exception set. */
static PyObject *label_names_new(PyObject *args)
{
    Py_ssize_t count = PyTuple_GET_SIZE(args) - 1;
    if (count < 1) {
        PyErr_SetString(PyExc_ValueError, "a Family has at least one label name");
        return NULL;
    }
    PyObject *names = PyTuple_New(count);
    PyObject *distinct = names == NULL ? NULL : PySet_New(NULL);
    for (Py_ssize_t i = 0; distinct != NULL && i < count; i++) {
        PyObject *name = PyTuple_GET_ITEM(args, i + 1);
        if (!PyUnicode_Check(name)) {
            PyErr_Format(PyExc_TypeError, "a label name is a str, not '%.200s'", Py_TYPE(name)->tp_name);
            Py_CLEAR(distinct);
        } else if ((name = PyUnicode_FromObject(name)) == NULL) {
            Py_CLEAR(distinct);
        } else {
            PyTuple_SET_ITEM(names, i, name);
            if (PySet_Add(distinct, name) < 0) {
                Py_CLEAR(distinct);
            }
        }
    }
    if (distinct != NULL && PySet_GET_SIZE(distinct) != count) {
        PyErr_SetString(PyExc_ValueError, "the label names of a Family are distinct");
        Py_CLEAR(distinct);
    }
    if (distinct == NULL) {
        Py_CLEAR(names);
    }
    Py_XDECREF(distinct);
    return names;
}

/* The keyword argument limit, 0 for None; false with an exception set. */
static bool limit_from(PyObject *kwargs, int64_t *limit)
{
    PyObject *none = PyTuple_New(0), *given = Py_None;
    char *keywords[] = {"limit", NULL};
    bool parsed = none != NULL && PyArg_ParseTupleAndKeywords(none, kwargs, "|O:Family", keywords, &given);
    Py_XDECREF(none);
    *limit = 0;
    if (!parsed || given == Py_None) {
        return parsed;
    }
    if (!as_int64(given, limit)) {
        return false;
    }
    if (*limit < 1) {
        PyErr_SetString(PyExc_ValueError, "limit must be at least 1");
        return false;
    }
    return true;
}

/* Sets what is given once; false with RuntimeError if it was. Steals names. */
static bool family_define(PyObject *self, PyObject *factory, PyObject *names, int64_t limit)
{
    Family *family = family_of(self);
    bool first;
    ax_exclusion_begin(&family_of(self)->changing);
    first = ax_pointer_load(&family->factory) == NULL;
    if (first) {
        family->label_names = names;
        family->labels = PyTuple_GET_SIZE(names);
        family->limit = limit;
        (void)ax_ref_exchange(&family->factory, Py_NewRef(factory));
    }
    ax_exclusion_end(&family_of(self)->changing);
    if (!first) {
        Py_DECREF(names);
        PyErr_SetString(PyExc_RuntimeError, "Family.__init__() was called before");
    }
    return first;
}

static int family_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    if (PyTuple_GET_SIZE(args) == 0 || !PyCallable_Check(PyTuple_GET_ITEM(args, 0))) {
        PyErr_SetString(PyExc_TypeError, "the first argument of Family() is a factory, which is called");
        return -1;
    }
    int64_t limit;
    PyObject *names = label_names_new(args);
    if (names == NULL) {
        return -1;
    }
    if (!limit_from(kwargs, &limit)) {
        Py_DECREF(names);
        return -1;
    }
    return family_define(self, PyTuple_GET_ITEM(args, 0), names, limit) ? 0 : -1;
}

static int family_traverse(PyObject *self, visitproc visit, void *arg)
{
    PyObject *factory = ax_pointer_load(&family_of(self)->factory);
    Py_VISIT(factory);
    Py_VISIT(family_of(self)->label_names);
    Py_VISIT(family_of(self)->children);
    Py_VISIT(family_of(self)->spellings);
    return cell_traverse(self, visit, arg);
}

/* Empties both dicts; false with MemoryError, and nothing changed. The children are released after that: it
 * can run Python code. A copy holds them meanwhile, not a list: free-threaded 3.13 frees a list's memory
 * twice where PyList_New() has a list and no memory for its items. */
static bool family_empty(PyObject *self)
{
    PyObject *held;
    ax_exclusion_begin(&family_of(self)->changing);
    held = PyDict_Copy(family_of(self)->children);
    if (held != NULL) {
        PyDict_Clear(family_of(self)->spellings);
        PyDict_Clear(family_of(self)->children);
    }
    ax_exclusion_end(&family_of(self)->changing);
    Py_XDECREF(held);
    return held != NULL;
}

/* Leaves a family that a finalizer can still use, but whose factory is None. */
static int family_clear_cycle(PyObject *self)
{
    if (family_of(self)->children != NULL && family_of(self)->spellings != NULL && !family_empty(self)) {
        PyErr_Clear(); /* no memory: the collector will be back */
    }
    if (ax_pointer_load(&family_of(self)->factory) != NULL) {
        Py_DECREF(ax_ref_exchange(&family_of(self)->factory, Py_NewRef(Py_None)));
    }
    return 0;
}

static void family_dealloc(PyObject *self)
{
    cell_begin_dealloc(self);
    Py_XDECREF((PyObject *)ax_pointer_exchange(&family_of(self)->factory, NULL));
    Py_XDECREF(family_of(self)->label_names);
    Py_XDECREF(family_of(self)->children);
    Py_XDECREF(family_of(self)->spellings);
    cell_end_dealloc(self);
}

/* A str for a label value; NULL with an exception set. A subclass counts by what it holds, whatever its own
 * __str__ says: True is 1, and a member of an enumeration its value. */
static PyObject *label_text(PyObject *value)
{
    if (PyUnicode_Check(value)) {
        return PyUnicode_FromObject(value);
    }
    if (PyLong_Check(value)) {
        return PyLong_Type.tp_repr(value);
    }
    PyErr_Format(PyExc_TypeError, "a label value is a str or an int, not '%.200s'", Py_TYPE(value)->tp_name);
    return NULL;
}

/* The values as a tuple of str; NULL with an exception set. */
static PyObject *label_texts(PyObject *const *values, Py_ssize_t count)
{
    PyObject *texts = PyTuple_New(count);
    for (Py_ssize_t i = 0; texts != NULL && i < count; i++) {
        PyObject *text = label_text(values[i]);
        if (text == NULL) {
            Py_CLEAR(texts);
        } else {
            PyTuple_SET_ITEM(texts, i, text);
        }
    }
    return texts;
}

/* The canonical key for these values; NULL with an exception set. */
static PyObject *canonical_key(PyObject *self, PyObject *const *values, Py_ssize_t count)
{
    Py_ssize_t labels = family_of(self)->labels;
    if (count != labels) {
        PyErr_Format(PyExc_ValueError, "%zd label value%s for %zd label%s", count, count == 1 ? "" : "s",
                     labels, labels == 1 ? "" : "s");
        return NULL;
    }
    return labels == 1 ? label_text(values[0]) : label_texts(values, count);
}

static bool is_plain(PyObject *value)
{
    return PyUnicode_CheckExact(value) || PyLong_CheckExact(value);
}

/* Whether a key is one that `children` may have, of types that run no code when they are looked up. A float
 * or True must not get that far: they are equal to ints. */
static bool key_is_plain(PyObject *self, PyObject *key)
{
    if (!PyTuple_CheckExact(key)) {
        return is_plain(key) && family_of(self)->labels == 1;
    }
    Py_ssize_t count = PyTuple_GET_SIZE(key);
    for (Py_ssize_t i = 0; i < count; i++) {
        if (!is_plain(PyTuple_GET_ITEM(key, i))) {
            return false;
        }
    }
    return true;
}

static bool is_full(PyObject *self)
{
    return family_of(self)->limit != 0 && PyDict_Size(family_of(self)->spellings) >= family_of(self)->limit;
}

/* Enters a child, inside the exclusion: 1 with a new reference to the child that is there now, 0 if the
 * family is full, or -1 with an exception set, and nothing changed. */
static int publish(PyObject *self, PyObject *canonical, PyObject *child, PyObject *further,
                   PyObject **published)
{
    PyObject *children = family_of(self)->children, *spellings = family_of(self)->spellings;
    int found = ax_dict_get(children, canonical, published);
    if (found != 0 || is_full(self)) {
        return found;
    }
    if (PyDict_SetItem(spellings, canonical, further) < 0) {
        return -1;
    }
    if (PyDict_SetItem(children, canonical, child) < 0) {
        PyErr_Clear();
        if (PyDict_DelItem(spellings, canonical) == 0) {
            PyErr_NoMemory();
        }
        return -1;
    }
    *published = Py_NewRef(child);
    return 1;
}

static PyObject *full_error(PyObject *self)
{
    PyErr_Format(PyExc_ValueError, "this Family has its limit of %lld children",
                 (long long)family_of(self)->limit);
    return NULL;
}

/* A new reference to the child for a canonical key that has none; NULL with an exception set. */
static PyObject *family_make(PyObject *self, PyObject *canonical)
{
    if (is_full(self)) {
        return full_error(self); /* and the factory need not run */
    }
    PyObject *factory = factory_of(self);
    PyObject *child = PyObject_CallNoArgs(factory);
    Py_DECREF(factory);
    PyObject *further = child == NULL ? NULL : PyList_New(0);
    PyObject *published = NULL;
    int status = -1;
    if (further != NULL) {
        ax_exclusion_begin(&family_of(self)->changing);
        status = publish(self, canonical, child, further, &published);
        ax_exclusion_end(&family_of(self)->changing);
    }
    Py_XDECREF(further);
    Py_XDECREF(child);
    return status == 0 ? full_error(self) : published;
}

/* Enters a further spelling of a child, inside the exclusion, if *present, a new reference to the child that
 * is there now, is that one. */
static void spelling_enter(PyObject *self, PyObject *canonical, PyObject *key, PyObject *child,
                           PyObject **present)
{
    PyObject *children = family_of(self)->children, *further = NULL;
    if (ax_dict_get(children, canonical, present) > 0 && *present == child &&
        PyDict_Contains(children, key) == 0 &&
        ax_dict_get(family_of(self)->spellings, canonical, &further) > 0 &&
        PyList_GET_SIZE(further) < MOST_SPELLINGS && PyList_Append(further, key) == 0) {
        (void)PyDict_SetItem(children, key, child);
    }
    Py_XDECREF(further); /* its dict has another one */
}

/* Makes a hit of this spelling the next time. Without memory it stays as slow as it was. */
static void spelling_remember(PyObject *self, PyObject *canonical, PyObject *key, PyObject *child)
{
    PyObject *present = NULL;
    ax_exclusion_begin(&family_of(self)->changing);
    spelling_enter(self, canonical, key, child, &present);
    ax_exclusion_end(&family_of(self)->changing);
    Py_XDECREF(present);
    PyErr_Clear();
}

/* What is no hit: another spelling, a key of other types, a wrong one, or a child that is to be made. */
static PyObject *family_miss(PyObject *self, PyObject *key, bool plain)
{
    if (!is_defined(self)) {
        return NULL;
    }
    bool several = PyTuple_Check(key);
    PyObject *canonical = canonical_key(self, several ? ((PyTupleObject *)key)->ob_item : &key,
                                        several ? PyTuple_GET_SIZE(key) : 1);
    if (canonical == NULL) {
        return NULL;
    }
    PyObject *child;
    int found = ax_dict_get(family_of(self)->children, canonical, &child);
    if (found == 0) {
        child = family_make(self, canonical);
    }
    if (child != NULL && plain) {
        spelling_remember(self, canonical, key, child);
    }
    Py_DECREF(canonical);
    return child;
}

static PyObject *family_subscript(PyObject *self, PyObject *key)
{
    PyObject *child;
    bool plain = key_is_plain(self, key);
    if (plain && ax_dict_get(family_of(self)->children, key, &child) != 0) {
        return child; /* NULL with an exception set, if that is what happened */
    }
    return family_miss(self, key, plain);
}

/* Takes a child out, inside the exclusion, under all its spellings: 1 with references to it and to the list
 * of them, 0 if there is none, or -1 with an exception set. */
static int take_out(PyObject *self, PyObject *canonical, PyObject **child, PyObject **further)
{
    PyObject *children = family_of(self)->children, *spellings = family_of(self)->spellings;
    int found = ax_dict_get(children, canonical, child);
    if (found <= 0) {
        return found;
    }
    if (ax_dict_get(spellings, canonical, further) <= 0 || PyDict_DelItem(spellings, canonical) < 0 ||
        PyDict_DelItem(children, canonical) < 0) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(*further); i++) {
        PyObject *key = PyList_GET_ITEM(*further, i);
        int present = PyDict_Contains(children, key);
        if (present < 0 || (present > 0 && PyDict_DelItem(children, key) < 0)) {
            return -1;
        }
    }
    return 1;
}

/* KeyError with the values as a tuple, whatever the number of them. */
static void missing_error(PyObject *const *values, Py_ssize_t count)
{
    PyObject *texts = label_texts(values, count);
    PyObject *args = texts == NULL ? NULL : PyTuple_Pack(1, texts);
    if (args != NULL) {
        PyErr_SetObject(PyExc_KeyError, args);
    }
    Py_XDECREF(args);
    Py_XDECREF(texts);
}

static PyObject *family_remove(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    PyObject *canonical = is_defined(self) ? canonical_key(self, args, nargs) : NULL;
    if (canonical == NULL) {
        return NULL;
    }
    PyObject *child = NULL, *further = NULL;
    int status;
    ax_exclusion_begin(&family_of(self)->changing);
    status = take_out(self, canonical, &child, &further);
    ax_exclusion_end(&family_of(self)->changing);
    Py_XDECREF(further);
    Py_XDECREF(child);
    Py_DECREF(canonical);
    if (status > 0) {
        Py_RETURN_NONE;
    }
    if (status == 0) {
        missing_error(args, nargs);
    }
    return NULL;
}

static PyObject *family_clear(PyObject *self, PyObject *Py_UNUSED(unused))
{
    if (!family_empty(self)) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Appends the labels, as a tuple, and the child, if this key is the canonical one. */
static int append_item(PyObject *list, PyObject *key, PyObject *child)
{
    PyObject *labels;
    if (PyUnicode_CheckExact(key)) {
        labels = PyTuple_Pack(1, key);
    } else {
        for (Py_ssize_t i = 0; PyTuple_CheckExact(key) && i < PyTuple_GET_SIZE(key); i++) {
            if (!PyUnicode_CheckExact(PyTuple_GET_ITEM(key, i))) {
                return 0;
            }
        }
        if (!PyTuple_CheckExact(key) || PyTuple_GET_SIZE(key) == 1) {
            return 0; /* a further spelling of one label: an int, or a tuple */
        }
        labels = Py_NewRef(key);
    }
    PyObject *item = labels == NULL ? NULL : PyTuple_Pack(2, labels, child);
    int status = item == NULL ? -1 : PyList_Append(list, item);
    Py_XDECREF(item);
    Py_XDECREF(labels);
    return status;
}

static PyObject *family_items(PyObject *self, PyObject *Py_UNUSED(unused))
{
    PyObject *children = PyDict_Copy(family_of(self)->children); /* at one moment */
    PyObject *list = children == NULL ? NULL : PyList_New(0);
    PyObject *key, *child;
    Py_ssize_t place = 0;
    while (list != NULL && PyDict_Next(children, &place, &key, &child)) {
        if (append_item(list, key, child) < 0) {
            Py_CLEAR(list);
        }
    }
    PyObject *items = list == NULL ? NULL : PyObject_GetIter(list);
    Py_XDECREF(list);
    Py_XDECREF(children);
    return items;
}

static PyObject *family_label_names(PyObject *self, void *Py_UNUSED(closure))
{
    return is_defined(self) ? Py_NewRef(family_of(self)->label_names) : NULL;
}

static PyObject *family_limit(PyObject *self, void *Py_UNUSED(closure))
{
    if (!is_defined(self)) {
        return NULL;
    }
    return family_of(self)->limit == 0 ? Py_NewRef(Py_None) : PyLong_FromLongLong(family_of(self)->limit);
}

/* The arguments, as they would be written; NULL with an exception set. */
static PyObject *family_content(PyObject *self)
{
    if (!is_defined(self)) {
        return NULL;
    }
    PyObject *factory = factory_of(self);
    PyObject *content = PyObject_Repr(factory);
    Py_DECREF(factory);
    for (Py_ssize_t i = 0; content != NULL && i < family_of(self)->labels; i++) {
        PyObject *name = PyTuple_GET_ITEM(family_of(self)->label_names, i);
        Py_SETREF(content, PyUnicode_FromFormat("%U, %R", content, name));
    }
    if (content != NULL && family_of(self)->limit != 0) {
        long long limit = family_of(self)->limit;
        Py_SETREF(content, PyUnicode_FromFormat("%U, limit=%lld", content, limit));
    }
    return content;
}

static PyObject *family_repr(PyObject *self)
{
    int entered = Py_ReprEnter(self);
    if (entered != 0) {
        return entered < 0 ? NULL : cell_repr(self, PyUnicode_FromString("..."));
    }
    PyObject *repr = cell_repr(self, family_content(self));
    Py_ReprLeave(self);
    return repr;
}

static PyMethodDef family_methods[] = {
    {"items", family_items, METH_NOARGS, DOC_Family_items},
    {"remove", AX_METHOD(family_remove), METH_FASTCALL, DOC_Family_remove},
    {"clear", family_clear, METH_NOARGS, DOC_Family_clear},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, DOC_Family___class_getitem__},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_Family___reduce__},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef family_getset[] = {
    {"label_names", family_label_names, NULL, DOC_Family_label_names, NULL},
    {"limit", family_limit, NULL, DOC_Family_limit, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef family_members[] = {
    {"__weaklistoffset__", AX_T_PYSSIZET, offsetof(Family, weakrefs), AX_READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot family_slots[] = {
    {Py_tp_doc, (void *)DOC_Family},
    {Py_tp_new, family_new}, /* no factory; ignores the arguments, which family_init takes */
    {Py_tp_init, family_init},
    {Py_tp_dealloc, family_dealloc},
    {Py_tp_traverse, family_traverse},
    {Py_tp_clear, family_clear_cycle},
    {Py_tp_repr, family_repr},
    {Py_tp_methods, family_methods},
    {Py_tp_getset, family_getset},
    {Py_tp_members, family_members},
    {Py_mp_subscript, family_subscript},
    {0, NULL},
};

PyType_Spec family_spec = {
    .name = "atomicx.Family",
    .basicsize = sizeof(Family),
    .flags = AX_TPFLAGS_CELL | Py_TPFLAGS_HAVE_GC,
    .slots = family_slots,
};
