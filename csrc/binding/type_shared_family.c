/* type_shared_family.c: SharedFamily, the type that a Segment returns for metrics with label names. */
#include "shared_family.h"

#include <string.h>

#include "cell.h"
#include "docstrings.h"

/* The values in a subscript: those of a tuple, or a single value. */
static PyObject *const *key_values(PyObject *const *key, Py_ssize_t *count)
{
    if (PyTuple_Check(*key)) {
        *count = PyTuple_GET_SIZE(*key);
        return ((PyTupleObject *)*key)->ob_item;
    }
    *count = 1;
    return key;
}

static PyObject *family_subscript(PyObject *self, PyObject *key)
{
    Py_ssize_t count;
    PyObject *const *values = key_values(&key, &count);
    return shared_family_child(self, values, count);
}

/* `family["GET"] += 1` ends by assigning the child to its own key. */
static int family_assign(PyObject *self, PyObject *key, PyObject *assigned)
{
    if (assigned == NULL) {
        PyErr_SetString(PyExc_TypeError,
                        "'SharedFamily' object does not support item deletion: use remove()");
        return -1;
    }
    PyObject *child = family_subscript(self, key);
    if (child == NULL) {
        return -1;
    }
    Py_DECREF(child);
    if (child != assigned) {
        PyErr_SetString(PyExc_TypeError, "cannot assign to a SharedFamily: it creates its own children");
        return -1;
    }
    return 0;
}

static int family_contains(PyObject *self, PyObject *key)
{
    ax_entry child;
    LabelKey encoded;
    Py_ssize_t count;
    PyObject *const *values = key_values(&key, &count);
    if (!segment_is_open(segment_of(self)) || !shared_family_arity_is(self, count) ||
        !label_key_put_all(&encoded, values, count)) {
        return -1;
    }
    ax_segment_status status = shared_family_find(self, &encoded, CHILD_LOOK, &child);
    if (status == AX_SEGMENT_DAMAGED) {
        shared_family_error(self, status, values, count);
        return -1;
    }
    return status == AX_SEGMENT_FOUND;
}

/* Counting without an object for the child */

static bool kind_has(PyObject *self, const char *method, unsigned kinds)
{
    if ((kinds >> entry_of(self)->kind & 1) != 0) {
        return true;
    }
    PyErr_Format(PyExc_AttributeError, "'SharedFamily' object of kind '%s' has no attribute '%s'",
                 segment_kind_name(entry_of(self)->kind), method);
    return false;
}

#define INTS (1u << AX_KIND_INT)
#define FLOATS (1u << AX_KIND_FLOAT)
#define COUNTERS (1u << AX_KIND_COUNTER)
#define GAUGES (1u << AX_KIND_GAUGE)
#define HISTOGRAMS (1u << AX_KIND_HISTOGRAM)

/* The word of an int or a float; NULL with ValueError. */
static ax_word *value_word(PyObject *self, const ax_entry *child)
{
    Segment *segment = segment_of(self);
    if (!segment_is_open(segment)) {
        return NULL;
    }
    if (segment->readonly) {
        (void)segment_readonly_error();
        return NULL;
    }
    return ax_segment_word(&segment->view, ax_entry_value(child));
}

/* Inline, so that inc() adds a constant. */
AX_INLINE bool child_add(PyObject *self, const ax_entry *child, int64_t delta)
{
    int64_t previous, result;
    if (child->kind != AX_KIND_INT) {
        return segment_add(segment_of(self), child->first_word, delta);
    }
    ax_word *word = value_word(self, child);
    if (word != NULL && !ax_int_apply(word, ax_int_step_add, delta, &previous, &result)) {
        (void)result_overflow();
        return false;
    }
    return word != NULL;
}

static PyObject *none_if(bool done)
{
    return done ? Py_NewRef(Py_None) : NULL;
}

static PyObject *family_inc(PyObject *self, PyObject *const *values, Py_ssize_t count)
{
    ax_entry buffer;
    if (!kind_has(self, "inc", INTS | COUNTERS | GAUGES)) {
        return NULL;
    }
    const ax_entry *child = shared_family_use(self, values, count, CHILD_COUNT, &buffer);
    return none_if(child != NULL && child_add(self, child, 1));
}

static PyObject *family_dec(PyObject *self, PyObject *const *values, Py_ssize_t count)
{
    ax_entry buffer;
    if (!kind_has(self, "dec", INTS | GAUGES)) {
        return NULL;
    }
    const ax_entry *child = shared_family_use(self, values, count, CHILD_COUNT, &buffer);
    return none_if(child != NULL && child_add(self, child, -1));
}

/* Checks the arguments of methods that take a number before the label values. */
static bool has_number(const char *method, Py_ssize_t count)
{
    return count >= 1 || arity_error(method, count, 1, PY_SSIZE_T_MAX);
}

static bool family_change_float(PyObject *self, PyObject *const *args, Py_ssize_t count, bool add)
{
    ax_entry buffer;
    double number, previous, result;
    if (!as_double(args[0], &number)) {
        return false;
    }
    const ax_entry *child = shared_family_use(self, args + 1, count - 1, CHILD_COUNT, &buffer);
    ax_word *word = child == NULL ? NULL : value_word(self, child);
    if (word != NULL && add) {
        ax_float_apply(word, ax_float_step_add, number, &previous, &result);
    } else if (word != NULL) {
        ax_float_store(word, number);
    }
    return word != NULL;
}

static PyObject *family_add(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    ax_entry buffer;
    int64_t delta;
    uint16_t kind = entry_of(self)->kind;
    if (!kind_has(self, "add", INTS | FLOATS | COUNTERS | GAUGES) || !has_number("add", count)) {
        return NULL;
    }
    if (kind == AX_KIND_FLOAT) {
        return none_if(family_change_float(self, args, count, true));
    }
    if (!(kind == AX_KIND_COUNTER ? segment_as_count(args[0], &delta) : as_int64(args[0], &delta))) {
        return NULL;
    }
    const ax_entry *child = shared_family_use(self, args + 1, count - 1, CHILD_COUNT, &buffer);
    return none_if(child != NULL && child_add(self, child, delta));
}

static PyObject *family_store(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    ax_entry buffer;
    int64_t value;
    if (!kind_has(self, "store", INTS | FLOATS | GAUGES) || !has_number("store", count)) {
        return NULL;
    }
    if (entry_of(self)->kind == AX_KIND_FLOAT) {
        return none_if(family_change_float(self, args, count, false));
    }
    if (!as_int64(args[0], &value)) {
        return NULL;
    }
    const ax_entry *child = shared_family_use(self, args + 1, count - 1, CHILD_COUNT, &buffer);
    if (child == NULL || child->kind == AX_KIND_GAUGE) {
        return none_if(child != NULL && segment_store(segment_of(self), child->first_word, value));
    }
    ax_word *word = value_word(self, child);
    if (word != NULL) {
        ax_int_store(word, value);
    }
    return none_if(word != NULL);
}

static PyObject *family_observe(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    ax_entry buffer;
    double value;
    const SegmentCell *head = segment_cell(self);
    if (!kind_has(self, "observe", HISTOGRAMS) || !has_number("observe", count) ||
        !segment_as_observation(args[0], &value)) {
        return NULL;
    }
    const ax_entry *child = shared_family_use(self, args + 1, count - 1, CHILD_COUNT, &buffer);
    return none_if(child != NULL && segment_observe(head->segment, child->first_word, head->bounds,
                                                    head->entry.bound_count, value));
}

/* Returns the guard or timer of a child. */
static PyObject *call_child(PyObject *self, PyObject *const *values, Py_ssize_t count, const char *method)
{
    PyObject *child = shared_family_child(self, values, count);
    PyObject *made = child == NULL ? NULL : PyObject_CallMethod(child, method, NULL);
    Py_XDECREF(child);
    return made;
}

static PyObject *family_track(PyObject *self, PyObject *const *values, Py_ssize_t count)
{
    return kind_has(self, "track", INTS | GAUGES) ? call_child(self, values, count, "track") : NULL;
}

static PyObject *family_time(PyObject *self, PyObject *const *values, Py_ssize_t count)
{
    return kind_has(self, "time", HISTOGRAMS) ? call_child(self, values, count, "time") : NULL;
}

/* Returns the child for label values given by name. */
static PyObject *family_labels(PyObject *self, PyObject *args, PyObject *kwargs)
{
    Py_ssize_t labels = labels_of(self), given = kwargs == NULL ? 0 : PyDict_GET_SIZE(kwargs);
    if (PyTuple_GET_SIZE(args) != 0) {
        PyErr_SetString(PyExc_TypeError, "labels() takes keyword arguments only");
        return NULL;
    }
    PyObject *values = PyTuple_New(labels), *child = NULL;
    Py_ssize_t found = 0;
    for (Py_ssize_t i = 0; values != NULL && kwargs != NULL && i < labels; i++) {
        PyObject *value = PyDict_GetItemWithError(kwargs, PyTuple_GET_ITEM(family_of(self)->label_names, i));
        if (value == NULL) {
            break;
        }
        PyTuple_SET_ITEM(values, i, Py_NewRef(value));
        found++;
    }
    if (values != NULL && !PyErr_Occurred()) {
        if (found == labels && given == labels) {
            child = shared_family_child(self, ((PyTupleObject *)values)->ob_item, labels);
        } else {
            PyErr_Format(PyExc_TypeError, "labels() requires exactly the keyword arguments %R",
                         family_of(self)->label_names);
        }
    }
    Py_XDECREF(values);
    return child;
}

/* All children */

/* Appends (label values, child). */
static bool append_child(PyObject *self, PyObject *list, const ax_entry *child)
{
    const ax_segment *view = &segment_of(self)->view;
    Py_ssize_t labels = labels_of(self);
    PyObject *texts, *item = NULL;
    if (child->offset == entry_of(self)->offset) {
        texts = PyTuple_New(labels);
        for (Py_ssize_t i = 0; texts != NULL && i < labels; i++) {
            PyTuple_SET_ITEM(texts, i, Py_NewRef(family_of(self)->overflow));
        }
    } else {
        unsigned char copy[AX_KEY_BYTES];
        uint32_t used, size = child->key_bytes <= sizeof copy ? child->key_bytes : 0;
        memcpy(copy, ax_entry_key(view, child), size);
        texts = label_key_texts(copy, size, labels, &used);
        if (texts == NULL && !PyErr_ExceptionMatches(PyExc_MemoryError)) {
            PyErr_Clear();
            (void)segment_status_error(segment_of(self), AX_SEGMENT_DAMAGED, NULL);
        }
    }
    PyObject *object = texts == NULL ? NULL : shared_family_child_object(self, child);
    if (object != NULL) {
        item = PyTuple_Pack(2, texts, object);
    }
    bool appended = item != NULL && PyList_Append(list, item) == 0;
    Py_XDECREF(item);
    Py_XDECREF(object);
    Py_XDECREF(texts);
    return appended;
}

/* Calls visit for each child that was not removed, newest first, and at the end for the overflow child if it
 * was used. False with an exception, including when visit returns false. */
static bool children_visit(PyObject *self,
                           bool (*visit)(PyObject *self, const ax_entry *child, void *context), void *context)
{
    Segment *segment = segment_of(self);
    const ax_entry *family = entry_of(self);
    ax_entry child;
    if (!segment_is_open(segment)) {
        return false;
    }
    if ((ax_word_load(ax_entry_state(&segment->view, family)) & AX_STATE_OVERFLOWED) != 0 &&
        family_of(self)->overflow != NULL && !visit(self, family, context)) {
        return false;
    }
    ax_segment_status status = ax_segment_newest_child(&segment->view, family, &child);
    while (status == AX_SEGMENT_FOUND) {
        if (child.kind != family->kind || child.words != family_of(self)->child_words ||
            child.label_count != 0) {
            status = AX_SEGMENT_DAMAGED;
            break;
        }
        if ((child.state & AX_STATE_HIDDEN) == 0 && !visit(self, &child, context)) {
            return false;
        }
        status = ax_segment_older_child(&segment->view, &child, &child);
    }
    if (status == AX_SEGMENT_DAMAGED) {
        (void)segment_status_error(segment, status, NULL);
        return false;
    }
    return true;
}

static bool visit_append(PyObject *self, const ax_entry *child, void *list)
{
    return append_child(self, list, child);
}

static bool visit_count(PyObject *self, const ax_entry *Py_UNUSED(child), void *count)
{
    (void)self;
    ++*(Py_ssize_t *)count;
    return true;
}

static bool visit_hide(PyObject *self, const ax_entry *child, void *Py_UNUSED(context))
{
    bool overflow = child->offset == entry_of(self)->offset;
    shared_family_state_change(segment_of(self), child, overflow ? 0 : AX_STATE_HIDDEN,
                               overflow ? AX_STATE_OVERFLOWED : 0);
    return true;
}

static PyObject *family_items(PyObject *self, PyObject *Py_UNUSED(unused))
{
    PyObject *list = PyList_New(0), *items = NULL;
    if (list != NULL && children_visit(self, visit_append, list) && PyList_Reverse(list) == 0) {
        items = PyObject_GetIter(list);
    }
    Py_XDECREF(list);
    return items;
}

static Py_ssize_t family_length(PyObject *self)
{
    Py_ssize_t count = 0;
    return children_visit(self, visit_count, &count) ? count : -1;
}

static bool family_is_writable(PyObject *self)
{
    return segment_is_open(segment_of(self)) && (!segment_of(self)->readonly || segment_readonly_error());
}

static PyObject *family_clear(PyObject *self, PyObject *Py_UNUSED(unused))
{
    return none_if(family_is_writable(self) && children_visit(self, visit_hide, NULL));
}

static PyObject *family_remove(PyObject *self, PyObject *const *values, Py_ssize_t count)
{
    ax_entry child;
    LabelKey key;
    if (!family_is_writable(self) || !shared_family_arity_is(self, count) ||
        !label_key_put_all(&key, values, count)) {
        return NULL;
    }
    ax_segment_status status = shared_family_find(self, &key, CHILD_LOOK, &child);
    if (status != AX_SEGMENT_FOUND) {
        shared_family_error(self, status, values, count);
        return NULL;
    }
    (void)visit_hide(self, &child, NULL);
    Py_RETURN_NONE;
}

static PyObject *family_label_names(PyObject *self, void *Py_UNUSED(closure))
{
    return Py_NewRef(family_of(self)->label_names);
}

static PyObject *family_overflow(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *overflow = family_of(self)->overflow;
    return Py_NewRef(overflow == NULL ? Py_None : overflow);
}

static PyObject *family_kind(PyObject *self, void *Py_UNUSED(closure))
{
    return PyUnicode_FromString(segment_kind_name(entry_of(self)->kind));
}

static PyObject *family_bounds(PyObject *self, void *Py_UNUSED(closure))
{
    return entry_of(self)->kind == AX_KIND_HISTOGRAM ? segment_bounds_tuple(segment_cell(self))
                                                     : Py_NewRef(Py_None);
}

static PyObject *family_repr(PyObject *self)
{
    PyObject *content =
        PyUnicode_FromFormat("%s, %R", segment_kind_name(entry_of(self)->kind), family_of(self)->label_names);
    return cell_repr(self, content);
}

static PyMethodDef family_methods[] = {
    {"inc", AX_METHOD(family_inc), METH_FASTCALL, DOC_SharedFamily_inc},
    {"dec", AX_METHOD(family_dec), METH_FASTCALL, DOC_SharedFamily_dec},
    {"add", AX_METHOD(family_add), METH_FASTCALL, DOC_SharedFamily_add},
    {"store", AX_METHOD(family_store), METH_FASTCALL, DOC_SharedFamily_store},
    {"observe", AX_METHOD(family_observe), METH_FASTCALL, DOC_SharedFamily_observe},
    {"track", AX_METHOD(family_track), METH_FASTCALL, DOC_SharedFamily_track},
    {"time", AX_METHOD(family_time), METH_FASTCALL, DOC_SharedFamily_time},
    {"labels", AX_METHOD(family_labels), METH_VARARGS | METH_KEYWORDS, DOC_SharedFamily_labels},
    {"items", family_items, METH_NOARGS, DOC_SharedFamily_items},
    {"remove", AX_METHOD(family_remove), METH_FASTCALL, DOC_SharedFamily_remove},
    {"clear", family_clear, METH_NOARGS, DOC_SharedFamily_clear},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, DOC_SharedFamily___class_getitem__},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_SharedFamily___reduce__},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef family_getset[] = {
    {"label_names", family_label_names, NULL, DOC_SharedFamily_label_names, NULL},
    {"overflow", family_overflow, NULL, DOC_SharedFamily_overflow, NULL},
    {"kind", family_kind, NULL, DOC_SharedFamily_kind, NULL},
    {"bounds", family_bounds, NULL, DOC_SharedFamily_bounds, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot family_slots[] = {
    {Py_tp_doc, (void *)DOC_SharedFamily},
    {Py_tp_dealloc, shared_family_dealloc},
    {Py_tp_traverse, shared_family_traverse},
    {Py_tp_clear, shared_family_clear},
    {Py_tp_repr, family_repr},
    {Py_tp_methods, family_methods},
    {Py_tp_getset, family_getset},
    {Py_tp_members, segment_cell_members},
    {Py_mp_subscript, family_subscript},
    {Py_mp_ass_subscript, family_assign},
    {Py_mp_length, family_length},
    {Py_sq_contains, family_contains},
    {0, NULL},
};

PyType_Spec shared_family_spec = {
    .name = "atomicx.SharedFamily",
    .basicsize = sizeof(SharedFamilyObject),
    .flags = SEGMENT_CELL_FLAGS,
    .slots = family_slots,
};
