/* shared_family.h: a SharedFamily, and how it finds a child.
 *
 * The segment's index maps label values to a series, for all processes, so a process needs no table of
 * children. A hit encodes the values, looks them up in the index, and counts in the words that the entry
 * names. An object for a child is made only when a caller asks for it.
 *
 * The family's own entry has a run of words too, unless it was made with overflow=None: that is the overflow
 * child, which exists before the segment can be full.
 */
#ifndef AX_SHARED_FAMILY_H
#define AX_SHARED_FAMILY_H

#include "segment.h"

#include "label_cache.h"
#include "label_key.h"

typedef struct {
    SegmentCell head;            /* the entry of the family, and the bounds of its children */
    PyObject *label_names;       /* a tuple of str; immutable, like all fields up to child_words */
    PyObject *overflow;          /* a str; NULL: it has no overflow child */
    unsigned char *overflow_key; /* the key that the overflow child would have; NULL: too long for a key */
    uint32_t overflow_bytes;
    uint32_t child_words;
    ax_pointer cache;          /* atomic: see label_cache.h */
    ax_pointer overflow_child; /* atomic: its object, once a caller asked for it */
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

/* What a call does if a child is missing: nothing, makes it for its object, or makes it to count. */
typedef enum { CHILD_LOOK, CHILD_ASK, CHILD_COUNT } child_use;

/* False with ValueError if the number of values differs from the number of labels. */
bool shared_family_arity_is(PyObject *self, Py_ssize_t count);

/* Finds a child, or makes it: FOUND, MADE, MISSING, FULL or DAMAGED. Lock-free; runs no Python code. */
ax_segment_status shared_family_find(PyObject *self, const LabelKey *key, child_use use, ax_entry *child);

/* Sets the exception for a status other than FOUND and MADE. */
void shared_family_error(PyObject *self, ax_segment_status status, PyObject *const *values, Py_ssize_t count);

/* Finds or makes the child for these values, bypassing the cache. Returns the entry, stored in *buffer; NULL
 * with an exception. */
const ax_entry *shared_family_use_index(PyObject *self, PyObject *const *values, Py_ssize_t count,
                                        child_use use, ax_entry *buffer);

/* The same, but tries the cache first. A cache hit runs no Python code, and does not check whether the
 * segment is open. */
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

/* The object of a child that was found, or of the child for label values: a new reference, or NULL with an
 * exception. */
PyObject *shared_family_child_object(PyObject *self, const ax_entry *child);
PyObject *shared_family_child(PyObject *self, PyObject *const *values, Py_ssize_t count);

/* Slots. */
int shared_family_traverse(PyObject *self, visitproc visit, void *arg);
int shared_family_clear(PyObject *self);
void shared_family_dealloc(PyObject *self);

#endif
