"""Bugs in the binding of Family."""

from mutants.mutant import Mutant

TYPE = "csrc/binding/type_family.c"
LABELS = "csrc/binding/family_labels.c"
VIEWS = "csrc/binding/family_labels.h"
CHILDREN = "csrc/binding/family_children.c"
OPERATIONS = "csrc/binding/family_operations.c"


def tested(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(f"family: {name}", file, old, new, "pytest", tests)


def family(test: str) -> str:
    return f"tests/test_family.py::{test}"


def itself(test: str) -> str:
    return f"tests/test_family_object.py::{test}"


def operation(test: str) -> str:
    return f"tests/test_family_operations.py::{test}"


def child(test: str) -> str:
    return f"tests/test_family_children.py::{test}"


FLAT = "tests/lifecycle/test_lifecycle.py::test_program[c-memory.blocks_and_references_stay_flat]"

MUTANTS = [
    tested(
        "a float is taken for the int that it is equal to",
        LABELS,
        "    } else if (PyLong_Check(value)) {\n        number = ",
        "    } else if (PyFloat_Check(value)) {\n"
        "        *view = digits_view((int64_t)PyFloat_AS_DOUBLE(value), digits);\n"
        "    } else if (PyLong_Check(value)) {\n        number = ",
        family("test_values_of_other_types"),
    ),
    tested(
        "a subclass is asked what it says of itself",
        LABELS,
        "        return PyLong_Type.tp_repr(value);",
        "        return PyObject_Str(value);",
        family("test_spellings_of_one_child"),
    ),
    tested(
        "the sign of an int is lost",
        LABELS,
        "        *--start = '-';\n",
        "        (void)start;\n",
        family("test_what_looks_alike_is_not_the_same"),
    ),
    tested(
        "an int of more than 64 bits is cut off",
        LABELS,
        "    return overflow == 0;",
        "    return true;",
        family("test_what_looks_alike_is_not_the_same"),
    ),
    tested(
        "str of two widths with the same bytes are equal",
        VIEWS,
        "    return view->bytes == other.bytes && view->kind == other.kind &&",
        "    return view->bytes == other.bytes &&",
        family("test_str_whose_bytes_are_the_same"),
    ),
    tested(
        "what another thread entered is not returned",
        CHILDREN,
        "        *entered = found;\n",
        "        Py_DECREF((PyObject *)found);\n        *entered = Py_NewRef(child);\n",
        family("test_a_factory_that_uses_the_family"),
    ),
    tested(
        "the limit is only checked before the factory runs",
        CHILDREN,
        "        .limit = definition->limit,\n",
        "        .limit = 0,\n",
        family("test_a_factory_that_fills_the_family"),
    ),
    tested(
        "the factory runs for a child that there is no room for",
        CHILDREN,
        "exempt ? 0 : definition->limit, &full);",
        "0, &full);\n    (void)definition;\n    (void)exempt;",
        family("test_limit"),
    ),
    tested(
        "labels count in the overflow child though there is room",
        CHILDREN,
        "    if (entry != NULL || !full || !labels",
        "    if (entry != NULL || !labels",
        child("test_overflow_child"),
    ),
    tested(
        "what UTF-8 cannot encode counts in the overflow child",
        CHILDREN,
        " || !labels_are_encodable(query)) {",
        ") {",
        operation("test_what_utf_8_cannot_encode"),
    ),
    tested(
        "a child that was removed is not recognised",
        CHILDREN,
        "        child_note(family, child, query->hash); /* before",
        "        /* before",
        child("test_in_place_addition_to_an_old_child_that_is_removed_meanwhile"),
    ),
    tested(
        "a child that died is recognised",
        CHILDREN,
        "    if (Py_REFCNT(child) == 1) {",
        "    if (false) {",
        child("test_a_child_that_died_is_not_taken_for_another"),
    ),
    tested(
        "any child may be assigned",
        CHILDREN,
        "entry->value == child);",
        "entry->value != NULL);",
        child("test_what_may_be_assigned"),
    ),
    tested(
        "items come in any order",
        CHILDREN,
        "    qsort(children->items, children->count, sizeof(ax_table_item), made_before);\n",
        "    (void)made_before;\n",
        family("test_items_come_in_the_order_of_making"),
    ),
    tested(
        "a removed child is leaked",
        CHILDREN,
        "        child_strike(family, child, hash);\n    }\n    Py_DECREF(child);\n",
        "        child_strike(family, child, hash);\n    }\n",
        FLAT,
    ),
    tested(
        "the collector is not told its children",
        TYPE,
        "ax_table_visit(&family_of(self)->table, (int (*)(void *, void *))visit, arg);",
        "0;",
        itself("test_cycles_are_collected"),
    ),
    tested(
        "the collector leaves its factory",
        TYPE,
        "    if (definition != NULL) {\n        Py_DECREF(ax_ref",
        "    if (false) {\n        Py_DECREF(ax_ref",
        itself("test_a_cycle_through_the_factory_alone_is_broken"),
    ),
    tested(
        "a subclass of Counter is counted past its override",
        OPERATIONS,
        "    if (type == state->counter) {",
        "    if (PyType_IsSubtype(type, state->counter)) {",
        operation("test_an_override_is_called"),
    ),
    tested(
        "a negative amount is added to a Counter",
        OPERATIONS,
        "amount->is_integer && amount->integer >= 0) {",
        "amount->is_integer) {",
        operation("test_what_the_child_refuses"),
    ),
    tested(
        "an overflow is not noticed",
        OPERATIONS,
        "    return outcome == CHILD_OVERFLOW ? result_overflow()",
        "    return outcome == CHILD_OVERFLOW ? Py_NewRef(Py_None)",
        operation("test_overflow"),
    ),
    tested(
        "a child that was called is leaked",
        OPERATIONS,
        "given == NULL ? 1 : 2, NULL);\n    Py_DECREF(child);\n",
        "given == NULL ? 1 : 2, NULL);\n",
        FLAT,
    ),
    tested(
        "labels by name are taken in the order in which they are written",
        OPERATIONS,
        "        values[label] = given[i];",
        "        values[i] = given[i];",
        child("test_labels_by_name"),
    ),
]
