/* family_children.c: the children of a Family: finding, making, removing and listing them. */
#include "family.h"

#include "ax_int.h"
#include "ax_ref.h"

/* The table's view of objects. */

static void object_keep(void *object)
{
    Py_INCREF((PyObject *)object);
}

static void object_release(void *object)
{
    Py_DECREF((PyObject *)object);
}

static bool object_matches(const void *query, const void *labels)
{
    return labels_match(query, labels);
}

const ax_table_model family_model = {
    .matches = object_matches,
    .keep = object_keep,
    .release = object_release,
    .allocate = PyMem_RawMalloc,
    .free = PyMem_RawFree,
};

/* Requests */

bool labels_ask(PyObject *self, PyObject *const *values, Py_ssize_t count, LabelRequest *request)
{
    request->definition = family_definition(self);
    if (request->definition == NULL) {
        return false;
    }
    request->labels = labels_new(values, count, request->definition->labels);
    if (request->labels == NULL) {
        return false;
    }
    request->allocated = NULL;
    if (count > MOST_PLAIN_LABELS) {
        request->allocated = PyMem_New(LabelView, (size_t)count);
        if (request->allocated == NULL) {
            Py_DECREF(request->labels);
            PyErr_NoMemory();
            return false;
        }
    }
    labels_view_all(&family_of(self)->state->hash_key, request->labels,
                    request->allocated == NULL ? request->views : request->allocated, &request->query);
    return true;
}

void labels_done(LabelRequest *request)
{
    PyMem_Free(request->allocated);
    Py_DECREF(request->labels);
}

/* The values in a key: those of a tuple, or the key itself. */
AX_INLINE PyObject *const *key_values(PyObject *const *key, Py_ssize_t *count)
{
    if (PyTuple_Check(*key)) {
        *count = PyTuple_GET_SIZE(*key);
        return ((PyTupleObject *)*key)->ob_item;
    }
    *count = 1;
    return key;
}

/* Children that `+=` may assign.
 *
 * `family["GET"] += 1` gets the child, adds, and assigns the child to the same labels. Another thread may
 * have removed it in between. So a family notes, without a reference, which children it made and removed
 * last: a number computed from the child's address and its labels' hash. If nobody else holds a child when it
 * is removed, its note is deleted before its memory can be reused for another object. Wait-free; runs no
 * Python code. */

static uint64_t child_number(Family *family, PyObject *child, uint64_t hash)
{
    const ax_hash_key *key = &family->state->hash_key;
    return ax_hash_fold((uint64_t)(uintptr_t)child ^ key->first, hash ^ key->second) | 1;
}

static uint64_t next_number(ax_word *word)
{
    int64_t previous, result;
    (void)ax_int_apply(word, ax_int_step_add, 1, &previous, &result);
    return (uint64_t)previous;
}

static void child_note(Family *family, PyObject *child, uint64_t hash)
{
    uint64_t place = next_number(&family->noted) % REMEMBERED_CHILDREN;
    ax_word_store(&family->known[place], child_number(family, child, hash));
}

static void child_strike(Family *family, PyObject *child, uint64_t hash)
{
    uint64_t number = child_number(family, child, hash);
    for (size_t i = 0; i < REMEMBERED_CHILDREN; i++) {
        uint64_t expected = number;
        (void)ax_word_compare_exchange(&family->known[i], &expected, 0);
    }
}

static bool child_is_noted(Family *family, PyObject *child, uint64_t hash)
{
    uint64_t number = child_number(family, child, hash);
    for (size_t i = 0; i < REMEMBERED_CHILDREN; i++) {
        if (ax_word_load(&family->known[i]) == number) {
            return true;
        }
    }
    return false;
}

/* Releases a child that was removed. The caller has the last reference, unless somebody else uses the
 * child. */
static void child_let_go(Family *family, PyObject *child, uint64_t hash)
{
    if (Py_REFCNT(child) == 1) {
        child_strike(family, child, hash);
    }
    Py_DECREF(child);
}

/* Finding */

AX_NOINLINE const ax_table_entry *family_find_overflow(
    Family *family, ax_section *section, const FamilyDefinition *definition, const LabelQuery *query)
{
    bool full = false;
    const ax_table_entry *entry = ax_table_find_or_full(&family->table, section, query->hash, query,
                                                        labels_match, definition->limit, &full);
    const LabelQuery *overflow = &definition->overflow_query;
    if (entry != NULL || !full || !labels_are_encodable(query)) {
        return entry;
    }
    return ax_table_find(&family->table, section, overflow->hash, overflow, labels_match);
}

/* A new reference to the child in which the labels count; NULL, without an exception, if there is none. */
AX_INLINE PyObject *child_find(Family *family, const FamilyDefinition *definition, const LabelQuery *query)
{
    ax_section section = ax_section_enter(section_thread());
    const ax_table_entry *entry = family_find(family, &section, definition, query);
    PyObject *child = entry == NULL ? NULL : Py_NewRef((PyObject *)entry->value);
    ax_section_leave(section);
    family_collect(family);
    return child;
}

/* The same, but only for the labels' own child. */
static PyObject *child_find_own(Family *family, const LabelQuery *query)
{
    ax_section section = ax_section_enter(section_thread());
    const ax_table_entry *entry = ax_table_find(&family->table, &section, query->hash, query, labels_match);
    PyObject *child = entry == NULL ? NULL : Py_NewRef((PyObject *)entry->value);
    ax_section_leave(section);
    family_collect(family);
    return child;
}

/* Looks the labels up, at one moment: 1 with a new reference to their child, 0 if there is room for one, -1
 * if there is no room. */
static int child_look_up(Family *family, const FamilyDefinition *definition, const LabelQuery *query,
                         bool exempt, PyObject **child)
{
    bool full = false;
    ax_section section = ax_section_enter(section_thread());
    const ax_table_entry *entry = ax_table_find_or_full(&family->table, &section, query->hash, query,
                                                        labels_match, exempt ? 0 : definition->limit, &full);
    *child = entry == NULL ? NULL : Py_NewRef((PyObject *)entry->value);
    ax_section_leave(section);
    return entry != NULL ? 1 : full ? -1 : 0;
}

/* Enters a child. 1: with a new reference to the child that is there now, this one or another thread's; -1:
 * there is no room; -2: with MemoryError, and nothing changed. */
static int child_enter(Family *family, const FamilyDefinition *definition, const LabelQuery *query,
                       PyObject *labels, bool exempt, PyObject *child, PyObject **entered)
{
    ax_table_addition addition = {
        .hash = query->hash,
        .query = query,
        .key = labels,
        .value = child,
        .limit = definition->limit,
        .exempt = exempt,
    };
    void *found = NULL;
    if (AX_SECTIONS_OVERLAP) {
        child_note(family, child, query->hash); /* first: another thread may find and remove it at once */
    }
    switch (ax_table_insert(&family->table, &family_model, section_thread(), &addition, &found)) {
    case AX_TABLE_DONE:
        *entered = Py_NewRef(child);
        return 1;
    case AX_TABLE_PRESENT:
        *entered = found;
        return 1;
    case AX_TABLE_FULL:
        return -1;
    default:
        PyErr_NoMemory();
        return -2;
    }
}

static void full_error(const FamilyDefinition *definition, PyObject *labels)
{
    PyObject *described = family_described(definition);
    if (described != NULL) {
        PyErr_Format(PyExc_ValueError, "%U is full: limit %llu, cannot add %R", described,
                     (unsigned long long)definition->limit, labels);
        Py_DECREF(described);
    }
}

/* A new reference to what the factory makes. Holds a reference to the factory, since the code that it runs
 * may let the collector clear the family. */
static PyObject *child_new(const FamilyDefinition *definition)
{
    PyObject *factory = ax_ref_load((ax_pointer *)&definition->factory);
    PyObject *child = PyObject_CallNoArgs(factory);
    Py_DECREF(factory);
    return child;
}

PyObject *family_make(PyObject *self, const LabelRequest *request)
{
    Family *family = family_of(self);
    const FamilyDefinition *definition = request->definition;
    const LabelQuery *query = &request->query, *overflow = &definition->overflow_query;
    PyObject *labels = request->labels, *made = NULL, *child = NULL;
    int status;
    do {
        bool exempt = definition->overflow != NULL && query->hash == overflow->hash &&
                      labels_match(query, definition->overflow_labels);
        status = child_look_up(family, definition, query, exempt, &child);
        if (status == 0 && made == NULL && (made = child_new(definition)) == NULL) {
            return NULL;
        }
        if (status == 0) {
            status = child_enter(family, definition, query, labels, exempt, made, &child);
        }
        if (status == -1 && definition->overflow != NULL) {
            query = overflow; /* it is exempt from the limit, so it is not refused */
            labels = definition->overflow_labels;
            status = 0;
        }
    } while (status == 0);
    Py_XDECREF(made); /* the child, or a superfluous product */
    if (status == -1) {
        full_error(definition, labels);
    }
    return child;
}

/* For labels that labels_view does not accept, or that have no child yet. */
AX_NOINLINE static PyObject *child_ask(PyObject *self, PyObject *const *values, Py_ssize_t count)
{
    LabelRequest request;
    if (!labels_ask(self, values, count, &request)) {
        return NULL;
    }
    PyObject *child = child_find(family_of(self), request.definition, &request.query);
    if (child == NULL) {
        child = family_make(self, &request);
    }
    labels_done(&request);
    return child;
}

PyObject *family_child(PyObject *self, PyObject *const *values, Py_ssize_t count)
{
    Family *family = family_of(self);
    const FamilyDefinition *definition = definition_of(family);
    LabelBuffer buffer;
    LabelQuery query;
    if (definition != NULL && count == definition->labels &&
        labels_view(&family->state->hash_key, values, count, &buffer, &query)) {
        PyObject *child = child_find(family, definition, &query);
        if (child != NULL) {
            return child;
        }
    }
    return child_ask(self, values, count);
}

PyObject *family_subscript(PyObject *self, PyObject *key)
{
    Py_ssize_t count;
    PyObject *const *values = key_values(&key, &count);
    return family_child(self, values, count);
}

/* Whether the labels have their own child and, if child is not NULL, whether it is that child. */
static bool has_child(Family *family, const LabelQuery *query, PyObject *child)
{
    ax_section section = ax_section_enter(section_thread());
    const ax_table_entry *entry = ax_table_find(&family->table, &section, query->hash, query, labels_match);
    bool has = entry != NULL && (child == NULL || entry->value == child);
    ax_section_leave(section);
    family_collect(family);
    return has;
}

/* The same for values that labels_view accepts; false for others. */
static bool has_plain(PyObject *self, PyObject *const *values, Py_ssize_t count, PyObject *child)
{
    Family *family = family_of(self);
    const FamilyDefinition *definition = definition_of(family);
    LabelBuffer buffer;
    LabelQuery query;
    return definition != NULL && count == definition->labels &&
           labels_view(&family->state->hash_key, values, count, &buffer, &query) &&
           has_child(family, &query, child);
}

int family_contains(PyObject *self, PyObject *key)
{
    Py_ssize_t count;
    PyObject *const *values = key_values(&key, &count);
    LabelRequest request;
    if (has_plain(self, values, count, NULL)) {
        return 1;
    }
    if (!labels_ask(self, values, count, &request)) {
        return -1;
    }
    bool has = has_child(family_of(self), &request.query, NULL);
    labels_done(&request);
    return has;
}

Py_ssize_t family_length(PyObject *self)
{
    return (Py_ssize_t)ax_table_count(&family_of(self)->table, section_thread());
}

/* Whether the family returned child for these labels: it is their own child or the overflow child, or was so
 * until recently. */
static bool was_handed_out(Family *family, const LabelRequest *request, PyObject *child)
{
    const LabelQuery *overflow =
        request->definition->overflow == NULL ? NULL : &request->definition->overflow_query;
    return has_child(family, &request->query, child) ||
           (overflow != NULL && has_child(family, overflow, child)) ||
           child_is_noted(family, child, request->query.hash) ||
           (overflow != NULL && child_is_noted(family, child, overflow->hash));
}

int family_assign(PyObject *self, PyObject *key, PyObject *child)
{
    Py_ssize_t count;
    PyObject *const *values = key_values(&key, &count);
    LabelRequest request;
    if (child == NULL) {
        PyErr_SetString(PyExc_TypeError, "'Family' object does not support item deletion: use remove()");
        return -1;
    }
    if (has_plain(self, values, count, child)) {
        return 0;
    }
    if (!labels_ask(self, values, count, &request)) {
        return -1;
    }
    bool accepted = was_handed_out(family_of(self), &request, child);
    PyObject *described = accepted ? NULL : family_described(request.definition);
    if (described != NULL) {
        PyErr_Format(PyExc_TypeError, "cannot assign '%.200s' object to %R: %U creates its own children",
                     Py_TYPE(child)->tp_name, request.labels, described);
        Py_DECREF(described);
    }
    labels_done(&request);
    return accepted ? 0 : -1;
}

/* Removing */

/* Sets KeyError with the labels as its only argument. */
static void missing_error(PyObject *labels)
{
    PyObject *args = PyTuple_Pack(1, labels);
    if (args != NULL) {
        PyErr_SetObject(PyExc_KeyError, args);
        Py_DECREF(args);
    }
}

PyObject *family_remove(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    Family *family = family_of(self);
    LabelRequest request;
    if (!labels_ask(self, args, nargs, &request)) {
        return NULL;
    }
    const LabelQuery *query = &request.query;
    ax_table_change change = AX_TABLE_ABSENT;
    PyObject *child = child_find_own(family, query);
    if (child != NULL) {
        child_note(family, child, query->hash); /* before it is removed, so that it is always recognised */
        change = ax_table_remove(&family->table, &family_model, section_thread(), query->hash, query);
        child_let_go(family, child, query->hash);
    }
    if (change == AX_TABLE_ABSENT) {
        missing_error(request.labels);
    } else if (change == AX_TABLE_NO_MEMORY) {
        PyErr_NoMemory();
    }
    labels_done(&request);
    return change == AX_TABLE_DONE ? Py_NewRef(Py_None) : NULL;
}

/* The items at one moment, in the order in which they were made. */
typedef struct {
    ax_table_item *items; /* each owns references to its labels and its child */
    size_t count;
} Children;

static int made_before(const void *one, const void *other)
{
    uint64_t first = ((const ax_table_item *)one)->order, second = ((const ax_table_item *)other)->order;
    return first < second ? -1 : first > second;
}

/* False, without an exception, if there is no memory. */
static bool children_take(PyObject *self, Children *children)
{
    Family *family = family_of(self);
    children->items = NULL;
    children->count = 0;
    for (;;) {
        size_t capacity = (size_t)ax_table_count(&family->table, section_thread()) + 1;
        children->items = PyMem_RawMalloc(capacity * sizeof(ax_table_item));
        if (children->items == NULL) {
            return false;
        }
        children->count =
            ax_table_snapshot(&family->table, &family_model, section_thread(), children->items, capacity);
        if (children->count <= capacity) {
            break;
        }
        PyMem_RawFree(children->items);
    }
    qsort(children->items, children->count, sizeof(ax_table_item), made_before);
    return true;
}

static void children_release(Children *children)
{
    for (size_t i = 0; i < children->count; i++) {
        Py_DECREF((PyObject *)children->items[i].key);
        Py_DECREF((PyObject *)children->items[i].value);
    }
    PyMem_RawFree(children->items);
}

/* If there is no memory for the list of removed children, they are not noted, and a `+=` that overlaps
 * raises. */
PyObject *family_clear(PyObject *self, PyObject *Py_UNUSED(unused))
{
    Family *family = family_of(self);
    const ax_hash_key *key = &family->state->hash_key;
    Children going;
    (void)children_take(self, &going);
    for (size_t i = 0; i < going.count; i++) {
        child_note(family, going.items[i].value, labels_hash(key, going.items[i].key));
    }
    ax_table_clear(&family->table, &family_model);
    for (size_t i = 0; i < going.count; i++) {
        uint64_t hash = labels_hash(key, going.items[i].key);
        if (going.count > REMEMBERED_CHILDREN && Py_REFCNT((PyObject *)going.items[i].value) > 1) {
            child_note(family, going.items[i].value, hash); /* its first note may be overwritten by now */
        }
        Py_DECREF((PyObject *)going.items[i].key);
        child_let_go(family, going.items[i].value, hash);
    }
    PyMem_RawFree(going.items);
    Py_RETURN_NONE;
}

static PyObject *item_new(const ax_table_item *item)
{
    return PyTuple_Pack(2, (PyObject *)item->key, (PyObject *)item->value);
}

PyObject *family_items(PyObject *self, PyObject *Py_UNUSED(unused))
{
    Children children;
    if (!children_take(self, &children)) {
        return PyErr_NoMemory();
    }
    PyObject *items = PyTuple_New((Py_ssize_t)children.count);
    for (size_t i = 0; items != NULL && i < children.count; i++) {
        PyObject *item = item_new(&children.items[i]);
        if (item == NULL) {
            Py_CLEAR(items);
        } else {
            PyTuple_SET_ITEM(items, (Py_ssize_t)i, item);
        }
    }
    children_release(&children);
    PyObject *iterator = items == NULL ? NULL : PyObject_GetIter(items);
    Py_XDECREF(items);
    return iterator;
}

/* How many children a repr shows. */
#define SHOWN_CHILDREN 10

/* Adds an item to the inside of a dict's repr; steals text. NULL with an exception set. */
static PyObject *contents_add(PyObject *text, const ax_table_item *item)
{
    PyObject *longer =
        text == NULL ? NULL
                     : PyUnicode_FromFormat("%U%s%R: %R", text, PyUnicode_GET_LENGTH(text) == 0 ? "" : ", ",
                                            (PyObject *)item->key, (PyObject *)item->value);
    Py_XDECREF(text);
    return longer;
}

PyObject *family_contents(PyObject *self)
{
    Children children;
    if (!children_take(self, &children)) {
        return PyErr_NoMemory();
    }
    size_t shown = children.count < SHOWN_CHILDREN ? children.count : SHOWN_CHILDREN;
    PyObject *text = PyUnicode_FromString("");
    for (size_t i = 0; i < shown; i++) {
        text = contents_add(text, &children.items[i]);
    }
    if (text != NULL && shown > 0) {
        PyObject *braced = children.count == shown
                               ? PyUnicode_FromFormat(" {%U}", text)
                               : PyUnicode_FromFormat(" {%U, ... %zu more}", text, children.count - shown);
        Py_SETREF(text, braced);
    }
    children_release(&children);
    return text;
}
