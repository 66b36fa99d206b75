/* family_labels.c: see family_labels.h. */
#include "family_labels.h"

/* Writes the decimal digits of value, and a zero, to the end of digits. */
static LabelView digits_view(int64_t value, char digits[24])
{
    char *end = digits + 23, *start = end;
    uint64_t rest = value < 0 ? (uint64_t)0 - (uint64_t)value : (uint64_t)value;
    *end = '\0';
    do {
        *--start = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0) {
        *--start = '-';
    }
    return (LabelView){start, (size_t)(end - start), PyUnicode_1BYTE_KIND};
}

bool label_view_other(PyObject *value, char digits[24], LabelView *view)
{
    int overflow = 0;
    int64_t number;
    if (ax_long_read(value, &number)) {
        *view = digits_view(number, digits);
    } else if (PyLong_Check(value)) {
        number = PyLong_AsLongLongAndOverflow(value, &overflow); /* for an int this raises nothing */
        *view = digits_view(number, digits);
    } else if (PyUnicode_Check(value) && ax_text_is_ready(value)) {
        *view = label_view_any(value);
    } else {
        return false;
    }
    return overflow == 0;
}

uint64_t labels_hash(const ax_hash_key *key, PyObject *labels)
{
    uint64_t hash = ax_hash_begin(key);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(labels); i++) {
        LabelView view = label_view(PyTuple_GET_ITEM(labels, i));
        hash = ax_hash_add(key, hash, view.data, view.bytes);
    }
    return hash;
}

void labels_view_all(const ax_hash_key *key, PyObject *labels, LabelView *views, LabelQuery *query)
{
    query->views = views;
    query->count = PyTuple_GET_SIZE(labels);
    query->hash = labels_hash(key, labels);
    for (Py_ssize_t i = 0; i < query->count; i++) {
        views[i] = label_view(PyTuple_GET_ITEM(labels, i));
    }
}

/* UTF-8 cannot encode surrogates, and no one-byte character is a surrogate. */
static bool is_encodable(const LabelView *view)
{
    for (size_t i = 0; view->kind > 1 && i < view->bytes / view->kind; i++) {
        if (Py_UNICODE_IS_SURROGATE(PyUnicode_READ(view->kind, view->data, i))) {
            return false;
        }
    }
    return true;
}

bool labels_are_encodable(const LabelQuery *query)
{
    for (Py_ssize_t i = 0; i < query->count; i++) {
        if (!is_encodable(&query->views[i])) {
            return false;
        }
    }
    return true;
}

PyObject *label_from_text(const char *what, PyObject *given)
{
    PyObject *text = PyUnicode_FromObject(given);
    if (text == NULL || !ax_text_prepare(text)) {
        Py_XDECREF(text);
        return NULL;
    }
    LabelView view = label_view(text);
    if (!is_encodable(&view)) {
        PyErr_Format(PyExc_ValueError, "%s must be encodable in UTF-8, got %R", what, text);
        Py_CLEAR(text);
    }
    return text;
}

/* A str for a label value; NULL with an exception set. For a subclass, its stored value counts, whatever its
 * own __str__ says: True is 1, and an enum member is its value. */
static PyObject *label_from(PyObject *value)
{
    if (PyUnicode_Check(value)) {
        return label_from_text("a label value", value);
    }
    if (PyLong_Check(value)) {
        return PyLong_Type.tp_repr(value);
    }
    PyErr_Format(PyExc_TypeError, "a label value must be a str or an int, not '%.200s'",
                 Py_TYPE(value)->tp_name);
    return NULL;
}

PyObject *labels_new(PyObject *const *values, Py_ssize_t count, Py_ssize_t wanted)
{
    if (count != wanted) {
        PyErr_Format(PyExc_ValueError, "%zd label value%s for %zd label%s", count, count == 1 ? "" : "s",
                     wanted, wanted == 1 ? "" : "s");
        return NULL;
    }
    PyObject *labels = PyTuple_New(count);
    for (Py_ssize_t i = 0; labels != NULL && i < count; i++) {
        PyObject *text = label_from(values[i]);
        if (text == NULL) {
            Py_CLEAR(labels);
        } else {
            PyTuple_SET_ITEM(labels, i, text);
        }
    }
    return labels;
}
