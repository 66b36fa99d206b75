/* label_cache.h: maps label values to the entry of their series, within one process, without reading the
 * file.
 *
 * It only ever grows, up to LABEL_CACHE_MOST records, and nothing in it changes. So a reader needs no
 * protection, and a fork at any moment leaves it consistent. While the table is made larger, a record may be
 * lost, or be there twice. A reader that misses a record looks in the segment's index, which has every entry.
 * Lock-free; runs no Python code, since it only deals with values that are exactly str or int.
 */
#ifndef AX_LABEL_CACHE_H
#define AX_LABEL_CACHE_H

#define AX_SHARED_MEMORY
#include "ax_py.h"

#include "ax_segment.h"
#include "family_labels.h"

enum { LABEL_CACHE_MOST = 8192 };

/* Immutable. */
typedef struct {
    ax_entry entry; /* a checked copy */
    uint64_t hash;
    Py_ssize_t count;
    PyObject *values[]; /* owned; each exactly a str or an int */
} label_record;

typedef struct label_table {
    struct label_table *smaller; /* the table that this one replaced; immutable */
    uint64_t mask;               /* immutable */
    ax_word used;                /* atomic */
    ax_pointer records[];        /* atomic: NULL, then a record for good */
} label_table;

/* Computes the hash of the values; false if one is not exactly a str or a small int. */
AX_INLINE bool label_cache_hash(PyObject *const *values, Py_ssize_t count, uint64_t *hash)
{
    uint64_t mixed = (uint64_t)count;
    for (Py_ssize_t i = 0; i < count; i++) {
        int64_t number;
        if (PyUnicode_CheckExact(values[i]) && ax_text_is_ready(values[i])) {
            number = ax_text_hash(values[i]);
        } else if (!ax_long_read(values[i], &number)) {
            return false;
        }
        mixed = (mixed ^ (uint64_t)number) * UINT64_C(0x9E3779B97F4A7C15);
    }
    *hash = mixed ^ mixed >> 32;
    return true;
}

/* Whether two values, each exactly a str whose hash is known or an int, are the same. */
AX_INLINE bool label_value_is(PyObject *one, PyObject *other)
{
    int64_t number, same;
    if (PyUnicode_CheckExact(one) && PyUnicode_CheckExact(other)) {
        LabelView view = label_view(one);
        return label_is(&view, other);
    }
    return ax_long_read(one, &number) && ax_long_read(other, &same) && number == same;
}

AX_INLINE bool label_record_is(const label_record *record, uint64_t hash, PyObject *const *values,
                               Py_ssize_t count)
{
    if (record->hash != hash || record->count != count) {
        return false;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (record->values[i] != values[i] && !label_value_is(record->values[i], values[i])) {
            return false;
        }
    }
    return true;
}

/* The record of these values, or NULL. */
AX_INLINE const label_record *label_cache_find(const ax_pointer *cache, uint64_t hash,
                                               PyObject *const *values, Py_ssize_t count)
{
    const label_table *table = ax_pointer_load(cache);
    for (uint64_t place = hash; table != NULL; place++) {
        const label_record *record = ax_pointer_load(&table->records[place & table->mask]);
        if (record == NULL || label_record_is(record, hash, values, count)) {
            return record;
        }
    }
    return NULL;
}

/* Adds a record, if there is memory for it. */
void label_cache_add(ax_pointer *cache, uint64_t hash, PyObject *const *values, Py_ssize_t count,
                     const ax_entry *entry);

/* Only for a cache that no other thread can see any longer. */
void label_cache_free(ax_pointer *cache);

#endif
