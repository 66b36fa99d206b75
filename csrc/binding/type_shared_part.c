/* type_shared_part.c: SharedPart, what this process has counted in a series of doubles. The values of
 * prometheus_client's metrics, after install(segment=...), are such parts.
 *
 * A series of totals is summed over all stripes: a counter. A series of parts is read separately for each
 * process, with the time at which the part was set: a gauge. A process that forks after it made a part passes
 * it on: the child's part begins, with 0, when the child takes its stripe. For that, the mapping remembers in
 * a bit map which series it made parts of.
 */
#include "segment.h"

#include <math.h>
#include <stddef.h>

#include "cell.h"
#include "docstrings.h"
#include "shared_cell.h"

enum { BITS = 64 };

/* Begins the parts of one word of the bit map in a stripe. */
static void parts_begin(ax_word *stripe, size_t index, uint64_t bits)
{
    for (uint32_t bit = 0; bits != 0; bit++, bits >>= 1) {
        if ((bits & 1) != 0) {
            ax_part_begin(stripe + index * BITS + bit);
        }
    }
}

void segment_parts_begin(Segment *segment, ax_word *stripe)
{
    ax_word *known = ax_pointer_load(&segment->parts);
    if (known == NULL || stripe == ax_segment_stripe_word(&segment->view, 0, 0)) {
        return;
    }
    for (size_t i = 0; i <= segment->view.words / BITS; i++) {
        parts_begin(stripe, i, ax_word_load(&known[i]));
    }
}

/* Enters the series in the bit map; false with MemoryError. */
static bool part_remember(Segment *segment, uint32_t word)
{
    ax_word *known = ax_pointer_load(&segment->parts);
    if (known == NULL) {
        void *none = NULL;
        known = PyMem_RawCalloc((size_t)segment->view.words / BITS + 1, sizeof *known);
        if (known == NULL) {
            PyErr_NoMemory();
            return false;
        }
        if (!ax_pointer_compare_exchange(&segment->parts, &none, known)) {
            PyMem_RawFree(known);
            known = none;
        }
    }
    uint64_t bits = ax_word_load(&known[word / BITS]);
    while (!ax_word_compare_exchange(&known[word / BITS], &bits, bits | UINT64_C(1) << word % BITS)) {
    }
    return true;
}

/* Gives a warning about the segment; whatever the filters, it fails no request. Steals text, which may be
 * NULL with an exception. */
static void warn(Segment *segment, PyObject *text)
{
    if (text == NULL || PyErr_WarnFormat(PyExc_RuntimeWarning, 1, "%U", text) < 0) {
        PyErr_WriteUnraisable((PyObject *)segment);
    }
    Py_XDECREF(text);
}

/* Whether a warning is due, which is given once. */
static bool is_first(ax_word *warned)
{
    uint64_t unwarned = 0;
    return ax_word_compare_exchange(warned, &unwarned, 1);
}

/* Whether this process can have a part in the stripe. If not, it is warned once. */
static bool stripe_is_own(Segment *segment, const ax_word *stripe)
{
    if (stripe != ax_segment_stripe_word(&segment->view, 0, 0)) {
        return true;
    }
    if (is_first(&segment->warned_of_parts)) {
        PyObject *where = segment_name(segment);
        warn(segment,
             where == NULL
                 ? NULL
                 : PyUnicode_FromFormat("%U has no stripe for this process: all %llu belong to living "
                                        "processes, and its gauges are not counted",
                                        where, (unsigned long long)segment->view.processes));
        Py_XDECREF(where);
    }
    return false;
}

/* Replaces the exception of a closed segment by a warning, given once: a metric must not fail the request
 * that it counts. False, and the exception stays, if the segment is not closed. */
static bool close_is_forgiven(Segment *segment)
{
    if (ax_word_load(&segment->state) != SEGMENT_CLOSED) {
        return false;
    }
    PyErr_Clear();
    if (is_first(&segment->warned_of_close)) {
        PyObject *where = segment_name(segment);
        warn(segment,
             where == NULL
                 ? NULL
                 : PyUnicode_FromFormat("%U is closed: what its metrics count from now on is lost", where));
        Py_XDECREF(where);
    }
    return true;
}

/* The run in the stripe of this process. NULL: with an exception if *failed, else there is nothing to do. */
static ax_word *part_run(PyObject *self, bool *failed)
{
    SegmentCell *cell = segment_cell(self);
    ax_word *stripe = segment_stripe(cell->segment);
    *failed = stripe == NULL && !close_is_forgiven(cell->segment);
    if (stripe == NULL || (ax_kind_is_owned(cell->entry.kind) && !stripe_is_own(cell->segment, stripe))) {
        return NULL;
    }
    return stripe + cell->entry.first_word;
}

static PyObject *part_add(PyObject *self, PyObject *argument)
{
    double amount, before, after;
    bool failed;
    if (!as_double(argument, &amount)) {
        return NULL;
    }
    ax_word *run = part_run(self, &failed);
    if (run != NULL) {
        ax_float_apply(run, ax_float_step_add, amount, &before, &after);
    }
    return failed ? NULL : Py_NewRef(Py_None);
}

/* What the stripes of processes add to a total, in the order of ax_segment_sum_doubles. A run that is not
 * finite is emptied first: whatever is added to it, the total would never be finite again. */
static double sum_of_processes(const ax_segment *view, uint32_t word)
{
    double sum = 0.0;
    for (uint64_t stripe = 1; stripe <= view->processes; stripe++) {
        ax_word *run = ax_segment_stripe_word(view, stripe, word);
        uint64_t bits = ax_word_load(run);
        if (isfinite(ax_float_from_bits(bits)) || !ax_word_compare_exchange(run, &bits, 0)) {
            sum += ax_float_from_bits(bits);
        }
    }
    return sum;
}

/* Makes a total the given value, by what stripe 0 adds to it. All processes share that stripe, so if two
 * store at once, neither takes off what the other has taken off already. Linearization point: the
 * compare-and-swap. Lock-free. */
static void total_store(const ax_segment *view, uint32_t word, double value)
{
    ax_word *common = ax_segment_stripe_word(view, 0, word);
    uint64_t found = ax_word_load(common);
    double rest;
    do {
        rest = value - sum_of_processes(view, word);
        if (isfinite(value) && !isfinite(rest)) {
            rest = 0.0; /* somebody has just added an infinity, or the sum is too large for a double */
        }
    } while (!ax_word_compare_exchange(common, &found, ax_float_bits(rest)));
}

static PyObject *part_store(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    SegmentCell *cell = segment_cell(self);
    double value, time = 0.0;
    bool failed;
    if (!check_arity("store", count, 1, 2) || !as_double(args[0], &value) ||
        (count == 2 && !as_double(args[1], &time))) {
        return NULL;
    }
    ax_word *run = part_run(self, &failed);
    if (run != NULL && ax_kind_is_owned(cell->entry.kind)) {
        ax_part_store(run, value, time);
    } else if (run != NULL) {
        total_store(&cell->segment->view, cell->entry.first_word, value);
    }
    return failed ? NULL : Py_NewRef(Py_None);
}

/* A process that only reads takes no stripe. */
static PyObject *part_load(PyObject *self, PyObject *Py_UNUSED(unused))
{
    SegmentCell *cell = segment_cell(self);
    const ax_segment *view = &cell->segment->view;
    if (!segment_is_open(cell->segment)) {
        return NULL;
    }
    if (!ax_kind_is_owned(cell->entry.kind)) {
        return PyFloat_FromDouble(ax_segment_sum_doubles(view, cell->entry.first_word));
    }
    uint64_t claim = ax_word_load(cell->segment->claim), stripe = claim & 0xffff;
    if (claim >> 16 != process_epoch() || stripe == 0) {
        return PyFloat_FromDouble(0.0);
    }
    return PyFloat_FromDouble(ax_float_load(ax_segment_stripe_word(view, stripe, cell->entry.first_word)));
}

/* Making a part */

/* Finds or makes the entry of a series; false with an exception. */
static bool series_find(Segment *segment, const ax_wanted *wanted, PyObject *name, ax_entry *entry)
{
    ax_segment_status status = segment->readonly
                                   ? ax_segment_find(&segment->view, wanted, entry)
                                   : ax_segment_make(&segment->view, wanted, segment_spare(segment), entry);
    if (status != AX_SEGMENT_FOUND && status != AX_SEGMENT_MADE) {
        (void)segment_status_error(segment, status, name);
        return false;
    }
    if (entry->kind != wanted->kind || entry->words != wanted->words) {
        PyErr_Format(PyExc_ValueError, "%R is of kind %s in this segment, not %s", name,
                     segment_kind_name(entry->kind), segment_kind_name(wanted->kind));
        return false;
    }
    if (status == AX_SEGMENT_MADE && !segment_warn(segment, entry)) {
        PyErr_WriteUnraisable((PyObject *)segment); /* it is made, and the warning fails no request */
    }
    return true;
}

/* Sets the key of a series, or of its metric, to what a bytes object contains; false with an exception. */
static bool series_key(ax_wanted *wanted, PyObject *key, const char *what)
{
    if (!PyBytes_Check(key)) {
        PyErr_Format(PyExc_TypeError, "the key of a %s must be bytes, not '%.200s'", what,
                     Py_TYPE(key)->tp_name);
        return false;
    }
    if (PyBytes_GET_SIZE(key) < 1 || PyBytes_GET_SIZE(key) > AX_METRIC_KEY_BYTES) {
        PyErr_Format(PyExc_ValueError, "the key of a %s must have 1 to %d bytes, not %zd", what,
                     AX_METRIC_KEY_BYTES, PyBytes_GET_SIZE(key));
        return false;
    }
    wanted->key = (const unsigned char *)PyBytes_AS_STRING(key);
    wanted->key_bytes = (uint32_t)PyBytes_GET_SIZE(key);
    return true;
}

/* The key of a metric begins with a NUL, which no name has. */
static bool part_find(Segment *segment, PyObject *metric, PyObject *key, bool owned, ax_entry *entry)
{
    ax_wanted wanted = {.kind = owned ? AX_KIND_PART : AX_KIND_TOTAL};
    if (!series_key(&wanted, metric, "metric")) {
        return false;
    }
    if (wanted.key[0] != 0) {
        PyErr_Format(PyExc_ValueError, "the key of a metric must begin with a NUL: %R", metric);
        return false;
    }
    if (!series_find(segment, &wanted, metric, entry) || !series_key(&wanted, key, "series")) {
        return false;
    }
    wanted.parent = entry->offset;
    wanted.words = owned ? 2 : 1;
    return series_find(segment, &wanted, key, entry);
}

/* Takes (segment, key of the metric, key of the series, whether each process has a part of its own). */
static PyObject *part_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *segment, *metric, *key;
    int owned;
    ModuleState *state = module_state(type, segment_cell_dealloc);
    if (state == NULL) {
        return NULL;
    }
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) != 0) {
        PyErr_SetString(PyExc_TypeError, "SharedPart() takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O!OOp:SharedPart", state->segment, &segment, &metric, &key, &owned) ||
        !segment_is_open((Segment *)segment)) {
        return NULL;
    }
    ax_entry entry;
    if (!part_find((Segment *)segment, metric, key, owned != 0, &entry)) {
        return NULL;
    }
    PyObject *self = type->tp_alloc(type, 0);
    bool failed = false;
    if (self == NULL || !segment_cell_init(segment_cell(self), (Segment *)segment, &entry, &entry) ||
        (owned && !part_remember((Segment *)segment, entry.first_word))) {
        Py_XDECREF(self);
        return NULL;
    }
    ax_word *run = ((Segment *)segment)->readonly ? NULL : part_run(self, &failed);
    if (run != NULL && owned) {
        ax_part_begin(run); /* if the process had its stripe before, that did not begin this part */
    }
    if (failed) {
        Py_DECREF(self);
        return NULL;
    }
    ax_enable_deferred_refcount(self); /* a cell is meant to be shared */
    return self;
}

/* Reading all of them */

/* Who owned a stripe when the reading began. */
typedef struct {
    uint64_t owner; /* 0: nobody, or it was changing hands */
    bool alive;
} stripe_owner;

static stripe_owner *owners_look(Segment *segment)
{
    stripe_owner *owners = PyMem_New(stripe_owner, (size_t)segment->view.processes + 1);
    if (owners == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    owners[0] = (stripe_owner){0, false};
    for (uint64_t stripe = 1; stripe <= segment->view.processes; stripe++) {
        uint64_t owner = ax_word_load(ax_segment_owner(&segment->view, stripe));
        bool settled = ax_owner_is_settled(owner);
        owners[stripe] =
            (stripe_owner){settled ? owner : 0, settled && segment_owner_is_alive(segment, stripe, owner)};
    }
    return owners;
}

/* A list of (pid, value, time, whether the process is alive); NULL with an exception. */
static PyObject *parts_list(Segment *segment, const stripe_owner *owners, const ax_entry *entry)
{
    PyObject *list = PyList_New(0);
    ax_part part;
    for (uint64_t stripe = 1; list != NULL && stripe <= segment->view.processes; stripe++) {
        uint64_t owner = owners[stripe].owner;
        if (owner == 0 || !ax_segment_part(&segment->view, stripe, owner, entry->first_word, &part)) {
            continue;
        }
        PyObject *item = Py_BuildValue("(kddO)", (unsigned long)ax_owner_pid(owner), part.value, part.time,
                                       owners[stripe].alive ? Py_True : Py_False);
        if (item == NULL || PyList_Append(list, item) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *key_bytes(Segment *segment, const ax_entry *entry)
{
    return PyBytes_FromStringAndSize((const char *)ax_entry_key(&segment->view, entry), entry->key_bytes);
}

/* Appends (key of the metric, key, value); the value is a float for a total, else a list. False with an
 * exception. */
static bool append_series(Segment *segment, const stripe_owner *owners, const ax_entry *entry, PyObject *list)
{
    ax_entry parent;
    if (!ax_entry_read(&segment->view, entry->parent, &parent) || parent.kind != entry->kind) {
        (void)segment_status_error(segment, AX_SEGMENT_DAMAGED, NULL);
        return false;
    }
    PyObject *metric = key_bytes(segment, &parent), *key = key_bytes(segment, entry);
    PyObject *value = ax_kind_is_owned(entry->kind)
                          ? parts_list(segment, owners, entry)
                          : PyFloat_FromDouble(ax_segment_sum_doubles(&segment->view, entry->first_word));
    PyObject *item =
        metric == NULL || key == NULL || value == NULL ? NULL : PyTuple_Pack(3, metric, key, value);
    bool appended = item != NULL && PyList_Append(list, item) == 0;
    Py_XDECREF(item);
    Py_XDECREF(value);
    Py_XDECREF(key);
    Py_XDECREF(metric);
    return appended;
}

PyObject *segment_parts(PyObject *self, PyObject *Py_UNUSED(unused))
{
    Segment *segment = (Segment *)self;
    ax_entry entry;
    if (!segment_is_open(segment)) {
        return NULL;
    }
    stripe_owner *owners = owners_look(segment);
    PyObject *list = owners == NULL ? NULL : PyList_New(0);
    ax_segment_status status = ax_segment_root(&segment->view, &entry);
    bool going = list != NULL;
    while (going && status == AX_SEGMENT_FOUND) {
        status = ax_segment_next(&segment->view, &entry, &entry);
        going = status != AX_SEGMENT_FOUND || entry.kind < AX_KIND_TOTAL || entry.parent == 0 ||
                append_series(segment, owners, &entry, list);
    }
    if (going && status == AX_SEGMENT_DAMAGED) {
        (void)segment_status_error(segment, status, NULL);
        going = false;
    }
    if (!going) {
        Py_CLEAR(list);
    }
    PyMem_Free(owners);
    return list;
}

static PyMethodDef part_methods[] = {
    {"add", part_add, METH_O, DOC_SharedPart_add},
    {"store", AX_METHOD(part_store), METH_FASTCALL, DOC_SharedPart_store},
    {"load", part_load, METH_NOARGS, DOC_SharedPart_load},
    {"__reduce__", cell_reduce, METH_NOARGS, DOC_SharedPart___reduce__},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot part_slots[] = {
    {Py_tp_doc, (void *)DOC_SharedPart},
    {Py_tp_new, part_new},
    {Py_tp_dealloc, segment_cell_dealloc},
    {Py_tp_traverse, segment_cell_traverse},
    {Py_tp_methods, part_methods},
    {Py_tp_members, segment_cell_members},
    {0, NULL},
};

PyType_Spec shared_part_spec = {
    .name = "atomicx._core.SharedPart",
    .basicsize = sizeof(SegmentCell),
    .flags = AX_TPFLAGS_CELL | Py_TPFLAGS_HAVE_GC,
    .slots = part_slots,
};
