/* family.h: a Family, for the files that implement it: type_family.c has its arguments and the type,
 * family_children.c its children, family_operations.c the operations that it forwards to them.
 *
 * The children are in a lock-free table (ax_table.h), under their labels. A search runs in a section; the
 * child is used, or a reference to it is taken, inside that section. Nothing inside runs Python code: the
 * factory is called, and objects are released, when nothing is held. So the factory may use the family, take
 * as long as it likes, and raise, and no other thread waits for it. Two threads may both call it for the same
 * labels. The table takes one product; the other thread drops its own, and returns the one in the table. */
#ifndef AX_FAMILY_H
#define AX_FAMILY_H

#include "family_labels.h"

#include "ax_table.h"
#include "types.h"

/* How many recently made or removed children a family recognises when `+=` assigns one. */
#define REMEMBERED_CHILDREN 64

/* The arguments of a family. */
typedef struct {
    ax_pointer factory;        /* atomic: owns a reference */
    PyObject *names;           /* a tuple of exact str; immutable, like all the following */
    Py_ssize_t labels;         /* the number of label names */
    uint64_t limit;            /* the maximum number of children; 0: any number */
    PyObject *overflow;        /* an exact str, or NULL */
    PyObject *overflow_labels; /* a tuple with overflow once per label, or NULL */
    LabelQuery overflow_query;
    LabelView overflow_views[];
} FamilyDefinition;

typedef struct {
    PyObject_HEAD
    ax_table table;
    ax_pointer definition; /* atomic: NULL until __init__ has run, then a FamilyDefinition for good */
    ModuleState *state;    /* immutable after creation: the type keeps its module alive */
    PyObject *weakrefs;    /* owned by the interpreter */
    ax_word noted;         /* atomic: how many children were noted in known */
    ax_word known[REMEMBERED_CHILDREN]; /* atomic: see child_note() */
} Family;

static inline Family *family_of(PyObject *self)
{
    return (Family *)self;
}

/* NULL if a subclass has not called __init__. */
AX_INLINE const FamilyDefinition *definition_of(Family *family)
{
    return ax_pointer_load(&family->definition);
}

/* The same; NULL with RuntimeError. */
const FamilyDefinition *family_definition(PyObject *self);

/* How errors describe the family: by its label names. A new str; NULL with MemoryError. */
PyObject *family_described(const FamilyDefinition *definition);

extern const ax_table_model family_model;

/* The thread's number, if sections need one. */
AX_INLINE uint64_t section_thread(void)
{
    return AX_SECTIONS_OVERLAP ? thread_number() : 0;
}

/* Releases what was removed and could not be released at the time. To be called after a section, since it may
 * run any code. */
AX_INLINE void family_collect(Family *family)
{
    if (ax_table_has_retired(&family->table)) {
        ax_table_collect(&family->table, &family_model);
    }
}

/* In a section: the overflow child, if the labels have no child and the family is full; otherwise the labels'
 * own child, or NULL. */
const ax_table_entry *family_find_overflow(Family *family, ax_section *section,
                                           const FamilyDefinition *definition, const LabelQuery *query);

/* In a section: the child in which the labels count; NULL: it has to be made. */
AX_INLINE const ax_table_entry *family_find(Family *family, ax_section *section,
                                            const FamilyDefinition *definition, const LabelQuery *query)
{
    const ax_table_entry *entry = ax_table_find(&family->table, section, query->hash, query, labels_match);
    return entry != NULL || definition->overflow == NULL
               ? entry
               : family_find_overflow(family, section, definition, query);
}

/* Labels of any kind, and a query for them. */
typedef struct {
    const FamilyDefinition *definition;
    PyObject *labels; /* owned */
    LabelQuery query;
    LabelView *allocated; /* owned: NULL if the views below suffice */
    LabelView views[MOST_PLAIN_LABELS];
} LabelRequest;

/* True: request must be passed to labels_done(). False: an exception is set. */
bool labels_ask(PyObject *self, PyObject *const *values, Py_ssize_t count, LabelRequest *request);
void labels_done(LabelRequest *request);

/* A new reference to the child in which the labels count. Makes it if there is none; NULL with an exception
 * set. */
PyObject *family_make(PyObject *self, const LabelRequest *request);

/* The same, from label values. */
PyObject *family_child(PyObject *self, PyObject *const *values, Py_ssize_t count);

/* Slots and methods that type_family.c lists. */
PyObject *family_subscript(PyObject *self, PyObject *key);
int family_assign(PyObject *self, PyObject *key, PyObject *child);
int family_contains(PyObject *self, PyObject *key);
Py_ssize_t family_length(PyObject *self);
PyObject *family_remove(PyObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *family_clear(PyObject *self, PyObject *unused);
PyObject *family_items(PyObject *self, PyObject *unused);
/* The first children and their labels, joined by ", " in braces; empty if there are no children. */
PyObject *family_contents(PyObject *self);

PyObject *family_labels(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *family_inc(PyObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *family_dec(PyObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *family_add(PyObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *family_store(PyObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *family_observe(PyObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *family_track(PyObject *self, PyObject *const *args, Py_ssize_t nargs);
PyObject *family_time(PyObject *self, PyObject *const *args, Py_ssize_t nargs);

#endif
