/* family_labels.h: the label values of a Family: as callers write them, as they are searched, and as they are
 * stored.
 *
 * A child is stored under its labels: a tuple of exact str, in which an int is represented by its decimal
 * digits. A search uses a query that only points to the characters. So finding a child under labels that were
 * made at run time makes no object, takes no reference, and calls nothing that could wait: it uses neither
 * str's own hash, which is cached in the object, nor its comparison. */
#ifndef AX_FAMILY_LABELS_H
#define AX_FAMILY_LABELS_H

#include "cell.h"

#include "ax_hash.h"

/* Up to this many label values are searched without allocating. */
#define MOST_PLAIN_LABELS 8

/* One label value: two are equal if and only if kind, bytes and what data points to are equal. */
typedef struct {
    const void *data; /* a zero byte follows it */
    size_t bytes;
    unsigned kind; /* bytes per character */
} LabelView;

/* A view of a str that is ready. For a subclass, a view of its stored value, whatever its methods say. */
AX_INLINE LabelView label_view_any(PyObject *text)
{
    unsigned kind = (unsigned)PyUnicode_KIND(text);
    return (LabelView){PyUnicode_DATA(text), (size_t)PyUnicode_GET_LENGTH(text) * kind, kind};
}

/* The same for an exact str: nearly all are ASCII, and those have their data at a fixed place. */
AX_INLINE LabelView label_view(PyObject *text)
{
    return ax_text_is_ascii(text) ? (LabelView){(PyASCIIObject *)text + 1, (size_t)PyUnicode_GET_LENGTH(text),
                                                PyUnicode_1BYTE_KIND}
                                  : label_view_any(text);
}

/* A search key. */
typedef struct {
    const LabelView *views;
    Py_ssize_t count;
    uint64_t hash;
} LabelQuery;

/* Storage for a query of few labels, and for the digits of its ints. */
typedef struct {
    LabelView views[MOST_PLAIN_LABELS];
    char digits[MOST_PLAIN_LABELS][24];
} LabelBuffer;

/* Whether count bytes are equal, each followed by a zero. Labels are short: two reads, which may overlap,
 * cost less than a call. */
AX_INLINE bool label_bytes_are(const void *data, const void *others, size_t count)
{
    const unsigned char *one = data, *other = others;
    if (count < 4) {
        return count == 0 || (ax_hash_read_2(one) == ax_hash_read_2(other) &&
                              ax_hash_read_2(one + count - 1) == ax_hash_read_2(other + count - 1));
    }
    if (count < 8) {
        return ax_hash_read_4(one) == ax_hash_read_4(other) &&
               ax_hash_read_4(one + count - 4) == ax_hash_read_4(other + count - 4);
    }
    if (count <= 16) {
        return ax_hash_read_8(one) == ax_hash_read_8(other) &&
               ax_hash_read_8(one + count - 8) == ax_hash_read_8(other + count - 8);
    }
    return one == other || memcmp(one, other, count) == 0;
}

/* Whether a view is equal to an exact str that is ready. */
AX_INLINE bool label_is(const LabelView *view, PyObject *text)
{
    LabelView other = label_view(text);
    return view->bytes == other.bytes && view->kind == other.kind &&
           label_bytes_are(view->data, other.data, other.bytes);
}

/* Whether a LabelQuery is for these labels, a tuple of the same length: the table's matches function. Runs no
 * Python code. */
AX_INLINE bool labels_match(const void *searched, const void *labels)
{
    const LabelQuery *query = searched;
    PyObject *const *texts = ((const PyTupleObject *)labels)->ob_item;
    for (Py_ssize_t i = 0; i < query->count; i++) {
        if (!label_is(&query->views[i], texts[i])) {
            return false;
        }
    }
    return true;
}

/* A view of a str of a subclass, or of the decimal digits of an int, which are written into digits. For a
 * subclass, the stored value counts: True is 1, and an enum member is its value. False: value is something
 * else, or an int that does not fit in 64 bits. */
bool label_view_other(PyObject *value, char digits[24], LabelView *view);

/* Makes a query for str and int values. False, without an exception: there are too many, they are too large,
 * or they have other types, and labels_new has to handle them. Runs no Python code. */
AX_INLINE bool labels_view(const ax_hash_key *key, PyObject *const *values, Py_ssize_t count,
                           LabelBuffer *buffer, LabelQuery *query)
{
    if (count < 1 || count > MOST_PLAIN_LABELS) {
        return false;
    }
    uint64_t hash = ax_hash_begin(key);
    for (Py_ssize_t i = 0; i < count; i++) {
        LabelView view;
        if (PyUnicode_CheckExact(values[i]) && ax_text_is_ready(values[i])) {
            view = label_view(values[i]);
            buffer->views[i] = view;
        } else if (label_view_other(values[i], buffer->digits[i], &buffer->views[i])) {
            view = buffer->views[i];
        } else {
            return false;
        }
        hash = ax_hash_add(key, hash, view.data, view.bytes);
    }
    query->views = buffer->views;
    query->count = count;
    query->hash = hash;
    return true;
}

/* The hash of labels that labels_new made. */
uint64_t labels_hash(const ax_hash_key *key, PyObject *labels);

/* Makes a query for such labels in views, of which there must be enough. */
void labels_view_all(const ax_hash_key *key, PyObject *labels, LabelView *views, LabelQuery *query);

/* Whether UTF-8 can encode all of them. No family contains a label that it cannot encode. */
bool labels_are_encodable(const LabelQuery *query);

/* The label values as a tuple of exact str; NULL with TypeError, or with ValueError if their number is not
 * `wanted`, or if UTF-8 cannot encode them. */
PyObject *labels_new(PyObject *const *values, Py_ssize_t count, Py_ssize_t wanted);

/* Returns text as an exact str that UTF-8 can encode; NULL with a ValueError that calls it `what`. */
PyObject *label_from_text(const char *what, PyObject *text);

#endif
