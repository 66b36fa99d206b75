/* label_cache.c: see label_cache.h. */
#include "label_cache.h"

enum { FIRST_SIZE = 16 };

/* At most half of a table is in use, so every search ends. */
static bool table_has_room(label_table *table)
{
    uint64_t used = ax_word_load(&table->used);
    do {
        if (used >= (table->mask + 1) / 2) {
            return false;
        }
    } while (!ax_word_compare_exchange(&table->used, &used, used + 1));
    return true;
}

/* Puts a record into a table that has room for it. */
static void table_put(label_table *table, label_record *record)
{
    for (uint64_t place = record->hash;; place++) {
        void *none = NULL;
        if (ax_pointer_compare_exchange(&table->records[place & table->mask], &none, record)) {
            return;
        }
    }
}

static label_table *table_new(label_table *smaller)
{
    uint64_t size = smaller == NULL ? FIRST_SIZE : 4 * (smaller->mask + 1);
    label_table *table = PyMem_RawCalloc(1, sizeof *table + (size_t)size * sizeof(ax_pointer));
    if (table == NULL) {
        return NULL;
    }
    table->smaller = smaller;
    table->mask = size - 1;
    for (uint64_t i = 0; smaller != NULL && i <= smaller->mask; i++) {
        label_record *record = ax_pointer_load(&smaller->records[i]);
        if (record != NULL && table_has_room(table)) {
            table_put(table, record);
        }
    }
    return table;
}

/* A table with room for one more record; NULL if there is none. */
static label_table *table_for_one(ax_pointer *cache)
{
    for (;;) {
        void *found = ax_pointer_load(cache);
        label_table *table = found;
        if (table != NULL && table_has_room(table)) {
            return table;
        }
        if (table != NULL && table->mask + 1 >= 2 * LABEL_CACHE_MOST) {
            return NULL;
        }
        label_table *larger = table_new(table);
        if (larger == NULL) {
            return NULL;
        }
        if (!ax_pointer_compare_exchange(cache, &found, larger)) {
            PyMem_RawFree(larger); /* another thread made one first */
        }
    }
}

void label_cache_add(ax_pointer *cache, uint64_t hash, PyObject *const *values, Py_ssize_t count,
                     const ax_entry *entry)
{
    label_table *table = table_for_one(cache);
    label_record *record =
        table == NULL ? NULL : PyMem_RawMalloc(sizeof *record + (size_t)count * sizeof(PyObject *));
    if (record == NULL) {
        return;
    }
    record->entry = *entry;
    record->hash = hash;
    record->count = count;
    for (Py_ssize_t i = 0; i < count; i++) {
        record->values[i] = Py_NewRef(values[i]);
    }
    table_put(table, record);
}

static void record_free(label_record *record)
{
    for (Py_ssize_t i = 0; i < record->count; i++) {
        Py_DECREF(record->values[i]);
    }
    PyMem_RawFree(record);
}

/* Whether the table has this record, which is alive. */
static bool table_has(const label_table *table, const label_record *wanted)
{
    for (uint64_t place = wanted->hash;; place++) {
        const label_record *record = ax_pointer_load(&table->records[place & table->mask]);
        if (record == NULL || record == wanted) {
            return record != NULL;
        }
    }
}

/* Frees a table, the tables that it replaced, and their records, except those that the larger table also has,
 * which frees them. The oldest table goes first. So the records of a table are alive until its turn, and
 * table_has may read them. A record that was put into a table after the table was copied is not in any larger
 * one. */
static void table_free(label_table *table, const label_table *larger)
{
    if (table->smaller != NULL) {
        table_free(table->smaller, table);
    }
    for (uint64_t i = 0; i <= table->mask; i++) {
        label_record *record = ax_pointer_load(&table->records[i]);
        if (record != NULL && (larger == NULL || !table_has(larger, record))) {
            record_free(record);
        }
    }
    PyMem_RawFree(table);
}

void label_cache_free(ax_pointer *cache)
{
    label_table *newest = ax_pointer_exchange(cache, NULL);
    if (newest != NULL) {
        table_free(newest, NULL);
    }
}
