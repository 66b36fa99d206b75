"""Bugs of the C API and of its header, claimed by the tests that use them from other extensions."""

from mutants.mutant import Mutant

C_API = "csrc/binding/c_api.c"
MODULE = "csrc/binding/module.c"
PY = "csrc/binding/ax_py.h"
HEADER = "src/atomicx/include/atomicx.h"

TESTS = "tests/test_c_api.py"


def tested(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(f"c api: {name}", file, old, new, "pytest", tests)


def lives(program: str) -> str:
    return f"tests/lifecycle/test_lifecycle.py::test_program[c-c_api.{program}]"


MUTANTS = [
    tested(
        "an addition is split",
        C_API,
        "    bool added = ax_int_apply(word_in(cell), ax_int_step_add, delta, previous, &result);\n",
        "    *previous = ax_int_load(word_in(cell));\n"
        "    bool added = ax_int_step_add(*previous, delta, &result);\n"
        "    ax_int_store(word_in(cell), added ? result : *previous);\n",
        f"{TESTS}::test_threads_that_count_in_c",
    ),
    tested(
        "an overflow is checked for after it has happened",
        C_API,
        "    bool added = ax_int_apply(word_in(cell), ax_int_step_add, delta, previous, &result);\n",
        "    bool added = ax_int_apply(word_in(cell), ax_int_step_add, delta, previous, &result);\n"
        "    ax_int_store(word_in(cell), result);\n",
        f"{TESTS}::test_an_integer_that_would_overflow_stays",
    ),
    tested(
        "a counter is made without what does not fit",
        C_API,
        "    if (value > INT64_MAX) {",
        "    if (false) {",
        f"{TESTS}::test_a_counter_is_not_made_with_what_does_not_fit",
    ),
    tested(
        "the witness is not returned",
        C_API,
        "    return ax_int_compare_exchange(word_in(cell), expected, desired);",
        "    int64_t found = *expected;\n    return ax_int_compare_exchange(word_in(cell), &found, desired);",
        f"{TESTS}::test_operations_on_integers",
    ),
    tested(
        "any object has the cell of an AtomicInt",
        C_API,
        "    if (!api_int_check(api, object)) {",
        "    if (false && !api_int_check(api, object)) {",
        f"{TESTS}::test_a_wrong_object_is_refused_before_anything_happens",
    ),
    tested(
        "an instance of a subclass is refused",
        C_API,
        "    return PyObject_TypeCheck(object, state_of(api)->integer);",
        "    return Py_IS_TYPE(object, state_of(api)->integer);",
        f"{TESTS}::test_which_objects_are_taken",
    ),
    tested(
        "a thread without a thread state is asked for its number",
        PY,
        "    if (state == NULL) {\n        return (Py",
        "    if (false) {\n        return (Py",
        f"{TESTS}::test_threads_that_count_without_a_thread_state",
    ),
    tested(
        "the table outlives its module",
        C_API,
        "        (void)PyCapsule_SetName(state->c_api, NULL);\n",
        "",
        lives("a_capsule_that_outlives_its_module_is_useless"),
    ),
    tested(
        "the collector is not told a type that the table makes",
        MODULE,
        "    Py_VISIT(state->integer);\n",
        "",
        lives("an_extension_that_nobody_uses_lets_its_atomicx_go"),
        "tests/lifecycle/test_lifecycle.py::test_program[c-imports.a_module_that_nobody_uses_is_freed]",
    ),
    tested(
        "a newer header is taken",
        HEADER,
        "    if (api != NULL && api->struct_size < sizeof(AtomicX_API)) {",
        "    if (0) {",
        f"{TESTS}::test_another_header_is_refused",
    ),
    tested(
        "another version is taken",
        HEADER,
        "    if (api != NULL && api->abi_version != ATOMICX_ABI_VERSION) {",
        "    if (0) {",
        f"{TESTS}::test_another_header_is_refused",
    ),
    tested(
        "an extension never lets its atomicx go",
        HEADER,
        "        Py_DECREF(api->owner);\n",
        "",
        lives("an_extension_that_nobody_uses_lets_its_atomicx_go"),
    ),
    tested(
        "an older header is refused",
        HEADER,
        "api->struct_size < sizeof(AtomicX_API)) {",
        "api->struct_size != sizeof(AtomicX_API)) {",
        f"{TESTS}::test_an_older_header_works",
    ),
]
