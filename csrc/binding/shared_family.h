/* shared_family.h: a SharedFamily, and how it finds a child.
 *
 * The index of the segment takes label values to a series, for all processes, so there is no table of them in
 * a process: a hit encodes the values, looks the index up, and counts in the words that the entry names. The
 * objects of children are made only for those who ask for one.
 *
 * The family's own entry has a run of words too, unless it was made with overflow=None: that is the overflow
 * child, which is there before the segment can be full.
 */
#ifndef AX_SHARED_FAMILY_H
#define AX_SHARED_FAMILY_H

#include "segment.h"

#include "label_cache.h"
#include "label_key.h"

typedef struct {
    SegmentCell head;            /* the entry of the family, and the bounds of its children */
    PyObject *label_names;       /* a tuple of str; immutable, as all until overflow_child */
    PyObject *overflow;          /* a str; NULL: it has no overflow child */
    unsigned char *overflow_key; /* the key that the overflow child would have; NULL: too long for a key */
    uint32_t overflow_bytes;
    uint32_t child_words;
    ax_pointer cache;          /* atomic: see label_cache.h */
    ax_pointer overflow_child; /* atomic: its object, once somebody asked for it */
} SharedFamilyObject;

AX_INLINE SharedFamilyObject *family_of(PyObject *self)
{
    return (SharedFamilyObject *)self;
}

AX_INLINE Segment *segment_of(PyObject *self)
{
    return segment_cell(self)->segment;
}

AX_INLINE const ax_entry *entry_of(PyObject *self)
{
    return &segment_cell(self)->entry;
}

AX_INLINE Py_ssize_t labels_of(PyObject *self)
{
    return entry_of(self)->label_count;
}

/* What a call wants of a child that is not there: nothing, the object, or to count. */
typedef enum { CHILD_LOOK, CHILD_ASK, CHILD_COUNT } child_use;

/* False with ValueError: not as many values as labels. */
bool shared_family_arity_is(PyObject *self, Py_ssize_t count);

/* Finds a child, or makes it: FOUND, MADE, MISSING, FULL, DAMAGED. Lock-free; runs no Python code. */
ax_segment_status shared_family_find(PyObject *self, const LabelKey *key, child_use use, ax_entry *child);

/* Sets the exception for a status other than FOUND and MADE. */
void shared_family_error(PyObject *self, ax_segment_status status, PyObject *const *values, Py_ssize_t count);

/* Finds, or makes, the child for these values, past the cache: the entry, which was put into *buffer; NULL
 * with an exception. */
const ax_entry *shared_family_use_index(PyObject *self, PyObject *const *values, Py_ssize_t count,
                                        child_use use, ax_entry *buffer);

/* The same. A hit of the cache runs no Python code, and does not look whether the segment is open. */
AX_INLINE const ax_entry *shared_family_use(PyObject *self, PyObject *const *values, Py_ssize_t count,
                                            child_use use, ax_entry *buffer)
{
    SharedFamilyObject *family = family_of(self);
    uint64_t hash;
    if (label_cache_hash(values, count, &hash)) {
        const label_record *record = label_cache_find(&family->cache, hash, values, count);
        if (record != NULL && (ax_word_load(ax_entry_state(&family->head.segment->view, &record->entry)) &
                               AX_STATE_HIDDEN) == 0) {
            return &record->entry;
        }
    }
    return shared_family_use_index(self, values, count, use, buffer);
}

/* Sets and clears bits of the state of an entry. Lock-free. */
void shared_family_state_change(Segment *segment, const ax_entry *entry, uint64_t set, uint64_t clear);

/* The object for a child, which was found, or for label values: a new reference, or NULL with an exception.
 */
PyObject *shared_family_child_object(PyObject *self, const ax_entry *child);
PyObject *shared_family_child(PyObject *self, PyObject *const *values, Py_ssize_t count);

/* Slots. */
int shared_family_traverse(PyObject *self, visitproc visit, void *arg);
int shared_family_clear(PyObject *self);
void shared_family_dealloc(PyObject *self);

#endif
