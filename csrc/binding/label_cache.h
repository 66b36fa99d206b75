/* label_cache.h: takes label values to the entry of their series, in one process, without a look at the file.
 *
 * It only ever grows, up to LABEL_CACHE_MOST records, and nothing in it changes: so a reader needs no
 * protection, and a fork at any moment leaves it whole. A record may be lost while the table is made larger,
 * or be there twice; whoever misses it asks the index of the segment, which knows. Lock-free; runs no Python
 * code, since it only deals with values that are exactly str or int.
 */
#ifndef AX_LABEL_CACHE_H
#define AX_LABEL_CACHE_H

#define AX_SHARED_MEMORY
#include "ax_py.h"

#include "ax_segment.h"

enum { LABEL_CACHE_MOST = 8192 };

/* Immutable. */
typedef struct {
    ax_entry entry; /* as it was checked */
    uint64_t hash;
    Py_ssize_t count;
    PyObject *values[]; /* owned; each exactly a str or an int */
} label_record;

typedef struct label_table {
    struct label_table *smaller; /* which it replaced; immutable */
    uint64_t mask;               /* immutable */
    ax_word used;                /* atomic */
    ax_pointer records[];        /* atomic: NULL, and then for good a record */
} label_table;

/* The hash of the values; false if one is not exactly a str or a small int. */
AX_INLINE bool label_cache_hash(PyObject *const *values, Py_ssize_t count, uint64_t *hash)
{
    uint64_t mixed = (uint64_t)count;
    for (Py_ssize_t i = 0; i < count; i++) {
        int64_t number;
        if (PyUnicode_CheckExact(values[i])) {
            number = PyObject_Hash(values[i]); /* of an exact str: never fails, and is kept in it */
        } else if (!ax_long_read(values[i], &number)) {
            return false;
        }
        mixed = (mixed ^ (uint64_t)number) * UINT64_C(0x9E3779B97F4A7C15);
        mixed ^= mixed >> 32;
    }
    *hash = mixed;
    return true;
}

/* Whether two values are the same; each is exactly a str or an int. */
bool label_value_equal(PyObject *one, PyObject *other);

AX_INLINE bool label_record_is(const label_record *record, uint64_t hash, PyObject *const *values,
                               Py_ssize_t count)
{
    if (record->hash != hash || record->count != count) {
        return false;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        if (record->values[i] != values[i] && !label_value_equal(record->values[i], values[i])) {
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

/* Enters a record, if there is memory for it. */
void label_cache_add(ax_pointer *cache, uint64_t hash, PyObject *const *values, Py_ssize_t count,
                     const ax_entry *entry);

/* When nobody can see it any more. */
void label_cache_free(ax_pointer *cache);

#endif
