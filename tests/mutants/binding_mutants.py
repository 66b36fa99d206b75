"""Bugs of the extension, and of the core in it, claimed by tests of behaviour, stress and lifecycle."""

from mutants import family_mutants
from mutants.mutant import Mutant

CELL = "csrc/binding/cell.c"
PY = "csrc/binding/ax_py.h"
INT = "csrc/binding/int_operations.h"
APPLIED = "csrc/binding/int_apply.h"
FLOAT = "csrc/binding/float_operations.h"
BOOL = "csrc/binding/type_bool.c"
REF = "csrc/binding/type_ref.c"
COUNTER = "csrc/binding/type_counter.c"
HISTOGRAM = "csrc/binding/type_histogram.c"
EXPONENTIAL = "csrc/binding/type_exponential_histogram.c"


def tested(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, file, old, new, "pytest", tests)


def lives(program: str) -> str:
    return f"tests/lifecycle/test_lifecycle.py::test_program[c-{program}]"


FLAT = lives("memory.blocks_and_references_stay_flat")

CONVERSION = [
    tested(
        "binding: store does not check whether its value was converted",
        INT,
        """    int64_t value;
    if (!as_int64(argument, &value) || !int_write(self, value)) {
""",
        """    int64_t value = 0;
    (void)as_int64(argument, &value);
    PyErr_Clear();
    if (!int_write(self, value)) {
""",
        "tests/test_int.py::test_message_of_a_value_that_does_not_fit",
        "tests/test_operations.py::test_edge_values",
    ),
    tested(
        "binding: an int that is too large is stored as -1",
        CELL,
        "    if (converted == -1 && (overflow || PyErr_Occurred())) {",
        "    if (converted == -1 && !overflow && PyErr_Occurred()) {",
        "tests/test_operations.py::test_edge_values",
    ),
    tested(
        "binding: an in-place operator answers NotImplemented",
        APPLIED,
        """ would rebind the name. */
    if (!as_int64(argument, &operand) ||""",
        """ would rebind the name. */
    if (!as_int64(argument, &operand)) {
        PyErr_Clear();
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (""",
        "tests/test_int.py::test_in_place_operator_never_rebinds_the_name",
    ),
    tested(
        "binding: AtomicBool takes any int",
        BOOL,
        "    return *flag || object == Py_False;",
        "    return *flag || PyLong_Check(object);",
        "tests/test_operations.py::test_edge_values",
    ),
    tested(
        "binding: Counter counts down",
        COUNTER,
        "    if (value < 0) {",
        "    if (value < INT64_MIN / 2) {",
        "tests/test_counter.py::test_negative_counts_are_refused",
    ),
    tested(
        "binding: fetch_inc_mod takes modulus 0",
        INT,
        "    if (answer.modulus < 1) {",
        "    if (answer.modulus < 0) {",
        "tests/test_int.py::test_message_of_a_modulus",
    ),
]

LOOPS = [
    tested(
        "binding: update ignores whether its swap succeeded",
        INT,
        "        if (swapped) {\n            return true;",
        "        if (tried) {\n            return true;",
        "tests/test_int.py::test_update_starts_over_when_the_cell_changed",
    ),
    tested(
        "binding: a float's update ignores whether its swap succeeded",
        FLOAT,
        "        if (swapped) {\n            return true;",
        "        if (tried) {\n            return true;",
        "tests/stress/test_numbers.py::test_number",
    ),
    Mutant(
        "binding: an update that defeats itself cannot be interrupted",
        CELL,
        "    return PyErr_CheckSignals() == 0;",
        "    return true;",
        "pytest",
        [lives("signals.updates_that_defeat_themselves_can_be_interrupted")],
        hangs=True,
    ),
    tested(
        "binding: a counter that is initialised again keeps its count",
        COUNTER,
        "    (void)ax_counter_drain(counter_of(self), no_answer, NULL);",
        "    (void)no_answer;\n",
        "tests/test_counter.py::test_init_again_starts_over",
    ),
]

REFERENCES = [
    tested(
        "binding: update leaks a result that is not an int",
        INT,
        "    bool converted = as_int64(returned, desired);\n    Py_DECREF(returned);\n",
        "    bool converted = as_int64(returned, desired);\n"
        "    if (converted) {\n        Py_DECREF(returned);\n    }\n",
        FLAT,
    ),
    tested(
        "binding: an update of an int that raises leaks its function's argument",
        INT,
        "            Py_XDECREF(*previous);\n",
        "",
        FLAT,
    ),
    tested(
        "binding: an update that starts over leaks its first result",
        INT,
        "        Py_DECREF(*result);\n        cell_contended(self);\n",
        "        cell_contended(self);\n",
        "tests/test_retries.py",
    ),
    tested(
        "binding: a compare_exchange that fails leaks what it wanted to store",
        REF,
        "    if (witness != expected) {\n        Py_DECREF(desired);\n    }\n",
        "",
        "tests/test_ref.py::test_a_failed_swap_keeps_neither_operand",
        FLAT,
    ),
    tested(
        "binding: a swap that fails drops the expected object",
        REF,
        "    Py_DECREF(swapped ? expected : desired);",
        "    Py_DECREF(expected);",
        "tests/test_ref.py::test_a_failed_swap_keeps_neither_operand",
    ),
    tested(
        "binding: an update that raises leaks the object it began with",
        REF,
        "        if (*result == NULL) {\n            Py_DECREF(*previous);\n",
        "        if (*result == NULL) {\n",
        "tests/test_ref.py::test_update_passes_exceptions_through",
        FLAT,
    ),
    tested(
        "binding: an update of a reference that starts over leaks the object it began with",
        REF,
        "        Py_DECREF(*previous);\n        Py_DECREF(*result);\n        ax_enable",
        "        Py_DECREF(*result);\n        ax_enable",
        "tests/test_retries.py",
    ),
    tested(
        "binding: a stored object is counted twice",
        REF,
        "    Py_DECREF(ax_ref_exchange(slot_of(self), Py_NewRef(object)));",
        "    Py_DECREF(ax_ref_exchange(slot_of(self), Py_NewRef(Py_NewRef(object))));",
        "tests/test_ref.py::test_the_cell_keeps_its_object_and_dies_with_it",
    ),
    tested(
        "binding: a replaced object is released before the swap is complete",
        REF,
        "    Py_DECREF(ax_ref_exchange(slot_of(self), Py_NewRef(object)));",
        "    ax_pointer *slot = slot_of(self);\n"
        "    Py_DECREF((PyObject *)ax_pointer_load(slot));\n"
        "    (void)ax_ref_exchange(slot, Py_NewRef(object));",
        "tests/test_ref.py::test_the_destructor_of_a_replaced_object_finds_the_new_one",
    ),
    tested(
        "binding: the collector leaves NULL in a cell",
        REF,
        "    ref_replace(self, Py_None);\n    return 0;\n}\n\n/* The trashcan",
        "    Py_XDECREF((PyObject *)ax_pointer_exchange(slot_of(self), NULL));\n"
        "    return 0;\n}\n\n/* The trashcan",
        "tests/test_clearing.py",
    ),
    tested(
        "binding: the collector is not told what a cell holds",
        REF,
        "    Py_VISIT(object);\n",
        "    (void)object;\n",
        "tests/test_ref.py::test_the_collector_knows_the_cell",
        "tests/test_ref.py::test_cycle_through_a_cell_is_collected",
    ),
    tested(
        "binding: a dying cell leaks its object",
        REF,
        "    Py_XDECREF((PyObject *)ax_pointer_exchange(slot_of(self), NULL));\n    cell_end_dealloc(self);",
        "    cell_end_dealloc(self);",
        "tests/test_ref.py::test_the_cell_keeps_its_object_and_dies_with_it",
    ),
    tested(
        "binding: a long chain of cells is released by recursion",
        REF,
        """    Py_TRASHCAN_BEGIN(self, ref_dealloc)
    cell_begin_dealloc(self);
    Py_XDECREF((PyObject *)ax_pointer_exchange(slot_of(self), NULL));
    cell_end_dealloc(self);
    Py_TRASHCAN_END
""",
        """    cell_begin_dealloc(self);
    Py_XDECREF((PyObject *)ax_pointer_exchange(slot_of(self), NULL));
    cell_end_dealloc(self);
""",
        "tests/test_clearing.py",
    ),
    tested(
        "binding: weak references outlive their cell",
        CELL,
        "    PyObject_ClearWeakRefs(self);\n",
        "",
        "tests/test_cells.py::test_weak_reference",
    ),
    tested(
        "binding: a cell leaks its type",
        CELL,
        "    type->tp_free(self);\n    Py_DECREF(type);\n",
        "    type->tp_free(self);\n",
        lives("memory.lasting_things_keep_their_counts"),
        lives("imports.a_module_that_nobody_uses_is_freed"),
    ),
    tested(
        "binding: the collector is not told a cell's type",
        CELL,
        "    Py_VISIT(Py_TYPE(self));\n",
        "    (void)self, (void)visit, (void)arg;\n",
        lives("cycles.cycles_through_subclasses_of_numbers_are_collected"),
        lives("imports.a_module_that_nobody_uses_is_freed"),
    ),
    tested(
        "binding: a counter leaks its stripes",
        COUNTER,
        "    ax_counter_free(counter_of(self), &stripe_system);\n",
        "",
        "tests/test_memory.py",
    ),
    tested(
        "binding: a counter does not tell the size of its stripes",
        COUNTER,
        "cell_sizeof(self, ax_stripes_bytes(&counter_of(self)->stripes))",
        "cell_sizeof(self, 0)",
        "tests/test_memory.py",
    ),
    tested(
        "binding: importing the module turns the GIL on",
        PY,
        " {Py_mod_gil, Py_MOD_GIL_NOT_USED},",
        "",
        "tests/test_bool.py",
    ),
]

METRICS = [
    tested(
        "histogram: a value on a bound goes above it",
        "csrc/core/ax_buckets.h",
        "    return start + (bounds[start] < value);",
        "    return start + (bounds[start] <= value);",
        "tests/test_histogram.py::test_every_bucket_has_its_values",
    ),
    tested(
        "histogram: the search leaves its last bound out",
        "csrc/core/ax_buckets.h",
        "    while (length > 1) {",
        "    while (length > 2) {",
        "tests/test_histogram.py::test_every_bucket_has_its_values",
    ),
    tested(
        "histogram: NaN is counted",
        HISTOGRAM,
        "    if (ax_float_is_nan(value)) {",
        "    if (false) {",
        "tests/test_histogram.py::test_nan_is_counted_nowhere",
    ),
    tested(
        "histogram: bounds may be equal",
        HISTOGRAM,
        "bounds[i] <= bounds[i - 1]",
        "bounds[i] < bounds[i - 1]",
        "tests/test_histogram.py::test_bounds_that_are_refused",
    ),
    tested(
        "histogram: initialised again, it forgets its counts",
        HISTOGRAM,
        "    if (!ax_pointer_compare_exchange(&((HistogramCell *)self)->buckets, &found, buckets)) {",
        "    found = ax_pointer_exchange(&((HistogramCell *)self)->buckets, buckets);\n    if (false) {",
        "tests/test_histogram.py::test_bounds_cannot_be_changed",
    ),
    tested(
        "histogram: a drain makes its answer after it has drained",
        HISTOGRAM,
        "    if (snapshot != NULL && !drain_into(buckets, counts, sum)) {\n"
        "        Py_CLEAR(snapshot);\n    }\n",
        "    Py_CLEAR(snapshot);\n    if (counts != NULL && drain_into(buckets, counts, sum)) {\n"
        "        snapshot = snapshot_of(state, buckets, counts, sum);\n    }\n",
        lives("exhaustion.an_operation_happens_whole_or_not_at_all"),
    ),
    tested(
        "histogram: a dying histogram leaks its buckets",
        HISTOGRAM,
        "    if (buckets != NULL) {\n        ax_buckets_free(buckets, &stripe_system);\n    }\n    cell_end",
        "    (void)buckets;\n    cell_end",
        "tests/test_memory.py",
    ),
    tested(
        "exponential histogram: an observation does not mark its bucket",
        EXPONENTIAL,
        "    ax_buckets_mark(exponential->buckets, bucket);\n",
        "",
        "tests/test_exponential_histogram.py::test_negative_values_have_buckets_of_their_own",
    ),
    tested(
        "exponential histogram: infinities are counted",
        EXPONENTIAL,
        "magnitude >= INFINITY_BITS ||",
        "magnitude > INFINITY_BITS ||",
        "tests/test_exponential_histogram.py::test_only_finite_values_are_counted",
    ),
    tested(
        "exponential histogram: negative values are counted although it is not signed",
        EXPONENTIAL,
        "((bits & AX_SIGN) != 0 && !exponential->is_signed && magnitude > exponential->smallest)",
        "false",
        "tests/test_exponential_histogram.py::test_negative_values_are_refused_unless_signed",
    ),
    tested(
        "exponential histogram: negative values are read one bucket off",
        EXPONENTIAL,
        "side_new(reading, 1 + count, exponential->is_signed",
        "side_new(reading, count, exponential->is_signed",
        "tests/test_exponential_histogram.py::test_negative_values_have_buckets_of_their_own",
    ),
    tested(
        "exponential histogram: all groups of buckets are read into the same place",
        EXPONENTIAL,
        "        reading->starts[group] = room;\n",
        "        reading->starts[group] = 0;\n",
        "tests/test_exponential_histogram.py::test_a_snapshot_of_buckets_far_apart",
    ),
    tested(
        "exponential histogram: to trim a snapshot skips a group too many",
        EXPONENTIAL,
        "(((*start - 1) >> reading->shared) + 1) << reading->shared",
        "(((*start - 1) >> reading->shared) + 2) << reading->shared",
        "tests/test_exponential_histogram.py::test_a_snapshot_of_buckets_far_apart",
    ),
    tested(
        "exponential histogram: a snapshot makes room for all buckets",
        EXPONENTIAL,
        "reading_init(reading, buckets, ax_buckets_marks(buckets))",
        "reading_init(reading, buckets, UINT64_MAX)",
        "tests/test_exponential_histogram.py::test_a_snapshot_takes_memory_for_the_buckets_in_use_only",
    ),
    tested(
        "exponential histogram: a drain that fails loses what it took",
        EXPONENTIAL,
        "        ax_buckets_give_back(buckets, reading->counts, reading->sum);\n",
        "",
        "tests/test_exponential_histogram.py::test_a_drain_that_cannot_answer_takes_nothing_out",
    ),
    tested(
        "exponential histogram: initialised again, it forgets",
        EXPONENTIAL,
        "    if (!ax_pointer_compare_exchange(&((ExponentialCell *)self)->exponential, &found, "
        "exponential)) {",
        "    found = ax_pointer_exchange(&((ExponentialCell *)self)->exponential, exponential);\n"
        "    if (false) {",
        "tests/test_exponential_histogram.py::test_it_is_initialised_once",
    ),
    tested(
        "exponential histogram: a dying one leaks its buckets",
        EXPONENTIAL,
        "    if (exponential != NULL) {\n        ax_exponential_free(exponential, &stripe_system);\n    }\n"
        "    cell_end",
        "    (void)exponential;\n    cell_end",
        "tests/test_memory.py::test_stripes",
    ),
    *family_mutants.MUTANTS,
]

# Free-threaded 3.13 only: its reference counts, and what a reader can do with an object that is being freed.
WITHOUT_THE_GIL = [
    tested(
        "no GIL: no second look at the slot",
        "csrc/core/ax_ref.h",
        "        if (ax_pointer_load(slot) == found) {",
        "        if (true) {",
        "tests/stress/test_phantom.py",
    ),
    tested(
        "no GIL: an object of count zero is taken",
        PY,
        "        if (shared == 0 || shared == _Py_REF_MERGED) {",
        "        if (false) {",
        "tests/stress/test_phantom.py",
        "tests/stress/test_ref.py",
    ),
    Mutant(
        "no GIL: objects are not marked before they are shared",
        PY,
        "    while ((shared & _Py_REF_SHARED_FLAG_MASK) == 0 &&",
        "    while (false && (shared & _Py_REF_SHARED_FLAG_MASK) == 0 &&",
        "pytest",
        ["tests/stress/test_ref.py::test_reference"],
        hangs=True,  # a load of another thread's object never gets its reference
    ),
    tested(
        "no GIL: the cells take the plain accesses of a build with the GIL",
        PY,
        "#define AX_SERIALIZED 0",
        "#define AX_SERIALIZED 1",
        "tests/stress/test_numbers.py",
    ),
]

MUTANTS = CONVERSION + LOOPS + REFERENCES + METRICS + WITHOUT_THE_GIL
