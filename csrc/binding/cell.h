/* cell.h: what the types share: slots, arguments, results. */
#ifndef AX_CELL_H
#define AX_CELL_H

#include "ax_py.h"
#include "ax_stripe.h"

/* Slots. Traversal visits only the type: a word holds no object. */
int cell_traverse(PyObject *self, visitproc visit, void *arg);
void cell_dealloc(PyObject *self);

/* Untracks a dying object and clears its weak references, before its fields are released. */
void cell_begin_dealloc(PyObject *self);
/* Frees the object, after its fields were released. */
void cell_end_dealloc(PyObject *self);

/* `__reduce__`: TypeError. Needed because the inherited method would copy a subclass by calling its
 * constructor with the cell, or by its __dict__ alone. */
PyObject *cell_reduce(PyObject *self, PyObject *unused);

/* `__sizeof__` of a cell that allocated this many bytes. */
PyObject *cell_sizeof(PyObject *self, size_t allocated);

#define DOC_CELL_SIZEOF \
    "__sizeof__($self, /)\n--\n\nReturn the size of the cell in bytes, with all that it has allocated."

/* The repr of a cell: the name of its type, and content (stolen; may be NULL with an exception set). */
PyObject *cell_repr(PyObject *self, PyObject *content);

/* The constructor's one optional positional argument: 1 and a borrowed *value, 0 if there is none, or -1 with
 * a TypeError. */
int cell_init_argument(const char *type, PyObject *args, PyObject *kwargs, PyObject **value);

/* `str(cell)` and `format(cell, spec)`: those of content, the value read once (stolen; may be NULL with an
 * exception set). Both may run any Python code; the cell has been left by then. */
PyObject *cell_str(PyObject *content);
PyObject *cell_format(PyObject *content, PyObject *spec);

#define DOC_CELL_FORMAT \
    "__format__($self, format_spec, /)\n--\n\nReturn the value, read once and formatted as format_spec " \
    "says."

/* A method with two operands: the function that takes them in order, its name and their names. */
typedef struct {
    PyObject *(*method)(PyObject *self, PyObject *const *pair);
    const char *name, *first, *second;
} pair_method;

/* Calls such a method with operands given by position or by name; NULL with TypeError, or with what the
 * method raised. Not needed if the operands were given by position and have the usual types. */
PyObject *call_with_pair(const pair_method *method, PyObject *self, PyObject *const *args, Py_ssize_t nargs,
                         PyObject *kwnames);

AX_INLINE bool is_pair(Py_ssize_t nargs, PyObject *kwnames)
{
    return nargs == 2 && kwnames == NULL;
}

#define AX_PAIR METH_FASTCALL | METH_KEYWORDS

/* Sets the TypeError of a METH_FASTCALL method that takes from least to most arguments; returns false. */
bool arity_error(const char *method, Py_ssize_t given, Py_ssize_t least, Py_ssize_t most);

/* True if the number of arguments is in range; otherwise sets a TypeError. */
AX_INLINE bool check_arity(const char *method, Py_ssize_t given, Py_ssize_t least, Py_ssize_t most)
{
    return (given >= least && given <= most) || arity_error(method, given, least, most);
}

/* Converts with __index__, which may run any Python code. False: TypeError, OverflowError, or what
 * __index__ raised. */
bool as_int64_by_index(PyObject *object, int64_t *value);

/* The same, but without a call for small ints, which most operands are. */
AX_INLINE bool as_int64(PyObject *object, int64_t *value)
{
    return ax_long_read(object, value) || as_int64_by_index(object, value);
}

/* Converts with __float__ or __index__, which may run any Python code. False: an exception is set. */
bool as_double_by_call(PyObject *object, double *value);

/* The same, but without a call for floats, which most operands are. */
AX_INLINE bool as_double(PyObject *object, double *value)
{
    if (PyFloat_CheckExact(object)) {
        *value = PyFloat_AS_DOUBLE(object);
        return true;
    }
    return as_double_by_call(object, value);
}

/* The result object of an operation that changes something is made before the change, so that an operation
 * that runs out of memory changes nothing. Puts a new int into *(PyObject **)answer, which holds NULL or the
 * result of a failed attempt; false with MemoryError. */
AX_INLINE bool prepare_int(void *answer, int64_t value)
{
    PyObject **slot = answer;
    Py_XDECREF(*slot);
    *slot = PyLong_FromLongLong(value);
    return *slot != NULL;
}

/* The same for floats: a new float, to be filled in before any other code sees it; NULL with MemoryError. */
PyObject *prepare_float(void);
PyObject *fill_float(PyObject *prepared, double value);

AX_INLINE PyObject *bool_object(bool value)
{
    return Py_NewRef(value ? Py_True : Py_False);
}

/* The allocator and the number of stripes for the striped types. */
extern const ax_stripe_system stripe_system;

/* The number of the calling thread, which picks its stripe: what ax_thread_number() returned when the thread
 * first asked. The thread keeps it, whatever becomes of its thread state. */
extern AX_THREAD_LOCAL uint64_t known_thread_number
    AX_THREAD_LOCAL_NEAR; /* owned by the thread: 0 until first asked for */
uint64_t thread_number_learn(void);

AX_INLINE uint64_t thread_number(void)
{
    uint64_t number = known_thread_number;
    return number != 0 ? number : thread_number_learn();
}

/* Sets OverflowError for a result outside int64; returns NULL. */
PyObject *result_overflow(void);

/* To be called when a compare-and-swap around a user's function failed. Lets other threads and signal
 * handlers run, so that a function that itself changes the cell on each call can be interrupted. False: a
 * signal handler raised. */
bool before_retry(void);

#endif
