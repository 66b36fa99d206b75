/* shared_family.c: see shared_family.h. */
#include "shared_family.h"

#include <string.h>

#include "cell.h"

/* Reads the label names and the overflow child's text from the entry; false with an exception. */
static bool family_read_labels(SharedFamilyObject *family)
{
    const ax_entry *entry = &family->head.entry;
    const ax_segment *view = &family->head.segment->view;
    unsigned char *copy = PyMem_Malloc(entry->label_bytes + 1u);
    if (copy == NULL) {
        PyErr_NoMemory();
        return false;
    }
    memcpy(copy, ax_entry_labels(view, entry), entry->label_bytes);
    uint32_t used = 0, more = 0;
    PyObject *overflow = NULL;
    family->label_names = label_key_texts(copy, entry->label_bytes, entry->label_count, &used);
    if (family->label_names != NULL && (entry->mode & AX_MODE_OVERFLOW) != 0) {
        overflow = label_key_texts(copy + used, entry->label_bytes - used, 1, &more);
        if (overflow != NULL) {
            family->overflow = Py_NewRef(PyTuple_GET_ITEM(overflow, 0));
        }
    }
    PyMem_Free(copy);
    bool sound = family->label_names != NULL &&
                 ((entry->mode & AX_MODE_OVERFLOW) == 0) == (entry->words == 0) &&
                 (family->overflow != NULL) == (entry->words != 0);
    Py_XDECREF(overflow);
    if (!sound && !PyErr_ExceptionMatches(PyExc_MemoryError)) {
        PyErr_Clear();
        (void)segment_status_error(family->head.segment, AX_SEGMENT_DAMAGED, NULL);
    }
    return sound;
}

/* Sets the key that the overflow child would have. */
static bool family_set_overflow_key(SharedFamilyObject *family)
{
    LabelKey key = {.used = 0};
    if (family->overflow == NULL) {
        return true;
    }
    for (uint16_t i = 0; i < family->head.entry.label_count; i++) {
        if (!label_key_put_value(&key, family->overflow)) {
            return false;
        }
    }
    if (key.too_long) {
        return true; /* then no key can be equal to it */
    }
    family->overflow_key = PyMem_RawMalloc(key.used + 1u);
    if (family->overflow_key == NULL) {
        PyErr_NoMemory();
        return false;
    }
    memcpy(family->overflow_key, key.bytes, key.used);
    family->overflow_bytes = key.used;
    return true;
}

PyObject *shared_family_new(Segment *segment, const ax_entry *entry)
{
    ModuleState *state = module_state_of_derived(Py_TYPE(segment));
    if (state == NULL) {
        return NULL;
    }
    PyObject *self = state->shared_family->tp_alloc(state->shared_family, 0);
    if (self == NULL) {
        return NULL;
    }
    SharedFamilyObject *family = family_of(self);
    if (!segment_cell_init(&family->head, segment, entry, entry) || !family_read_labels(family) ||
        !family_set_overflow_key(family)) {
        Py_DECREF(self);
        return NULL;
    }
    family->child_words = entry->kind == AX_KIND_HISTOGRAM ? entry->bound_count + 2 : 1;
    ax_enable_deferred_refcount(self);
    return self;
}

int shared_family_traverse(PyObject *self, visitproc visit, void *arg)
{
    PyObject *child = ax_pointer_load(&family_of(self)->overflow_child);
    Py_VISIT(child);
    Py_VISIT(family_of(self)->label_names);
    return segment_cell_traverse(self, visit, arg);
}

int shared_family_clear(PyObject *self)
{
    Py_XDECREF((PyObject *)ax_pointer_exchange(&family_of(self)->overflow_child, NULL));
    return 0;
}

void shared_family_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self); /* first, since releasing the child can run any code, and so the collector */
    (void)shared_family_clear(self);
    Py_XDECREF(family_of(self)->label_names);
    Py_XDECREF(family_of(self)->overflow);
    PyMem_RawFree(family_of(self)->overflow_key);
    label_cache_free(&family_of(self)->cache);
    segment_cell_dealloc(self);
}

/* Finding a child */

bool shared_family_arity_is(PyObject *self, Py_ssize_t count)
{
    Py_ssize_t labels = labels_of(self);
    if (count != labels) {
        PyErr_Format(PyExc_ValueError, "%zd label value%s for %zd label%s", count, count == 1 ? "" : "s",
                     labels, labels == 1 ? "" : "s");
        return false;
    }
    return true;
}

static bool is_overflow_key(PyObject *self, const LabelKey *key)
{
    const SharedFamilyObject *family = family_of(self);
    return family->overflow_key != NULL && !key->too_long && key->used == family->overflow_bytes &&
           memcmp(key->bytes, family->overflow_key, key->used) == 0;
}

/* Clears the bit of a removed child, or sets that of a used overflow child. */
void shared_family_state_change(Segment *segment, const ax_entry *entry, uint64_t set, uint64_t clear)
{
    ax_word *state = ax_entry_state(&segment->view, entry);
    uint64_t found = ax_word_load(state);
    while (((found | set) & ~clear) != found &&
           !ax_word_compare_exchange(state, &found, (found | set) & ~clear)) {
    }
}

/* If there is no room: uses the overflow child, if there is one. */
static ax_segment_status use_overflow(PyObject *self, child_use use, bool past_room, ax_entry *child)
{
    Segment *segment = segment_of(self);
    if (family_of(self)->overflow == NULL) {
        return AX_SEGMENT_FULL;
    }
    *child = *entry_of(self);
    if (!segment->readonly) {
        shared_family_state_change(segment, child, AX_STATE_OVERFLOWED, 0);
        if (past_room && use == CHILD_COUNT && !segment_add(segment, AX_OVERFLOW_WORD, 1)) {
            PyErr_Clear(); /* closed, or full at 2**63: what follows reports that */
        }
    }
    return AX_SEGMENT_FOUND;
}

/* Checks a child that was found, since anyone who may write to the file can have written it, and shows it
 * again if it was removed. Returns FOUND, MISSING or DAMAGED. Lock-free. */
static ax_segment_status child_found(PyObject *self, bool makes, const ax_entry *child)
{
    if (child->kind != entry_of(self)->kind || child->words != family_of(self)->child_words ||
        child->label_count != 0) {
        return AX_SEGMENT_DAMAGED;
    }
    if ((child->state & AX_STATE_HIDDEN) == 0) {
        return AX_SEGMENT_FOUND;
    }
    if (makes) {
        shared_family_state_change(segment_of(self), child, 0, AX_STATE_HIDDEN);
    }
    return makes ? AX_SEGMENT_FOUND : AX_SEGMENT_MISSING;
}

/* Returns FOUND, MADE, MISSING, FULL or DAMAGED. Lock-free, and runs no Python code except for a warning. */
ax_segment_status shared_family_find(PyObject *self, const LabelKey *key, child_use use, ax_entry *child)
{
    Segment *segment = segment_of(self);
    const ax_entry *family = entry_of(self);
    ax_wanted wanted = {.key = key->bytes,
                        .key_bytes = key->used,
                        .parent = family->offset,
                        .kind = family->kind,
                        .words = family_of(self)->child_words};
    bool makes = use != CHILD_LOOK && !segment->readonly;
    ax_segment_status status =
        key->too_long ? AX_SEGMENT_MISSING : ax_segment_find(&segment->view, &wanted, child);
    if (status == AX_SEGMENT_FOUND) {
        return child_found(self, makes, child);
    }
    if (status != AX_SEGMENT_MISSING) {
        return status;
    }
    if (is_overflow_key(self, key)) {
        uint64_t state = ax_word_load(ax_entry_state(&segment->view, family));
        return makes || (state & AX_STATE_OVERFLOWED) != 0 ? use_overflow(self, use, false, child)
                                                           : AX_SEGMENT_MISSING;
    }
    if (!makes) {
        return AX_SEGMENT_MISSING;
    }
    status = key->too_long ? AX_SEGMENT_FULL
                           : ax_segment_make(&segment->view, &wanted, segment_spare(segment), child);
    if (status == AX_SEGMENT_FOUND) {
        return child_found(self, makes, child); /* making it found more than looking for it */
    }
    return status == AX_SEGMENT_FULL ? use_overflow(self, use, true, child) : status;
}

/* Sets the exception for a status other than FOUND and MADE. */
void shared_family_error(PyObject *self, ax_segment_status status, PyObject *const *values, Py_ssize_t count)
{
    LabelKey key;
    uint32_t used;
    PyObject *texts = NULL;
    if (label_key_put_all(&key, values, count)) {
        texts = key.too_long ? PyTuple_New(0) : label_key_texts(key.bytes, key.used, count, &used);
    }
    if (texts == NULL) {
        return;
    }
    if (key.too_long && status == AX_SEGMENT_FULL) {
        PyErr_Format(PyExc_ValueError, "label values must fit in %d bytes of UTF-8",
                     AX_KEY_BYTES - 2 * (int)count);
    } else if (status == AX_SEGMENT_MISSING) {
        PyObject *args = PyTuple_Pack(1, texts);
        if (args != NULL) {
            PyErr_SetObject(PyExc_KeyError, args);
            Py_DECREF(args);
        }
    } else {
        (void)segment_status_error(segment_of(self), status, texts);
    }
    Py_DECREF(texts);
}

const ax_entry *shared_family_use_index(PyObject *self, PyObject *const *values, Py_ssize_t count,
                                        child_use use, ax_entry *buffer)
{
    LabelKey key;
    uint64_t hash;
    if (!segment_is_open(segment_of(self)) || !shared_family_arity_is(self, count) ||
        !label_key_put_all(&key, values, count)) {
        return NULL;
    }
    ax_segment_status status = shared_family_find(self, &key, use, buffer);
    if (status == AX_SEGMENT_MADE) {
        if (!segment_warn(segment_of(self), buffer)) {
            if (use != CHILD_COUNT) {
                return NULL;
            }
            PyErr_WriteUnraisable(self); /* a full segment never fails a request, whatever the filters */
        }
    } else if (status != AX_SEGMENT_FOUND) {
        shared_family_error(self, status, values, count);
        return NULL;
    }
    if (buffer->offset != entry_of(self)->offset && label_cache_hash(values, count, &hash) &&
        label_cache_find(&family_of(self)->cache, hash, values, count) == NULL) {
        label_cache_add(&family_of(self)->cache, hash, values, count, buffer);
    }
    return buffer;
}

/* The object of a child: a new reference, or NULL with an exception. */
PyObject *shared_family_child_object(PyObject *self, const ax_entry *child)
{
    Segment *segment = segment_of(self);
    if (child->offset != entry_of(self)->offset) {
        return segment_object(segment, child, entry_of(self));
    }
    ax_pointer *slot = &family_of(self)->overflow_child;
    PyObject *kept = segment_kept(slot);
    if (kept != NULL) {
        return kept;
    }
    PyObject *made = segment_cell_new(segment, child, child);
    return made == NULL ? NULL : segment_keep(slot, made);
}

PyObject *shared_family_child(PyObject *self, PyObject *const *values, Py_ssize_t count)
{
    ax_entry buffer;
    const ax_entry *child =
        segment_is_open(segment_of(self)) ? shared_family_use(self, values, count, CHILD_ASK, &buffer) : NULL;
    return child == NULL ? NULL : shared_family_child_object(self, child);
}
