"""Bugs of guards, admissions, timers and their decorators, in the C module, its core and the twin."""

from mutants.mutant import Mutant

GUARD = "csrc/binding/type_guard.c"
ADMISSION = "csrc/binding/type_admission.c"
TIMER = "csrc/binding/type_timer.c"
CELL = "csrc/binding/cell.c"
ENTRIES_H = "csrc/core/ax_entries.h"
ENTRIES = "csrc/core/ax_entries.c"
DECORATOR = "src/atomicx/_decorator.py"
SNAPSHOT = "src/atomicx/_snapshot.py"
TWIN_GUARD = "src/atomicx/_reference/type_guard.py"
TWIN_TIMER = "src/atomicx/_reference/type_timer.py"


def tested(name: str, file: str, old: str, new: str, *tests: str) -> Mutant:
    return Mutant(name, file, old, new, "pytest", tests)


def explored(name: str, file: str, old: str, new: str) -> Mutant:
    return Mutant(f"entries: {name}", file, old, new, "explorer", ["entries"])


GUARDS = [
    tested(
        "binding: a guard does not count down",
        GUARD,
        "    if (!add_to_word(guard->word, ax_int_step_sub)) {",
        "    if (false) {",
        "tests/test_guard.py::test_with_block",
        "tests/test_guard.py::test_decorated_function",
    ),
    tested(
        "binding: a guard that cannot count up lets its block run",
        GUARD,
        "    return add_to_word(guard->word, ax_int_step_add) ? Py_NewRef(guard->cell) : NULL;",
        "    (void)add_to_word(guard->word, ax_int_step_add);\n    PyErr_Clear();\n"
        "    return Py_NewRef(guard->cell);",
        "tests/test_guard.py::test_overflow_on_entry_keeps_the_block_out",
    ),
    tested(
        "binding: the collector does not know a guard of a cell that it knows",
        GUARD,
        "    if (tracked) {\n        PyObject_GC_Track(guard);",
        "    if (false) {\n        PyObject_GC_Track(guard);",
        "tests/test_guard.py::test_cycle_through_a_guard_is_collected",
    ),
    tested(
        "binding: a guard of a shared cell counts down in a forked child",
        GUARD,
        "            return guard->maker == fork_number();",
        "            return true;",
        "tests/shared/test_guards.py",
    ),
    tested(
        "admission: it counts down what it has not counted",
        ADMISSION,
        "(found & ADMITTED) == 0 || admission->count",
        "admission->count",
        "tests/test_admit.py::test_admitted_up_to_the_limit",
    ),
    tested(
        "admission: it can be entered twice",
        ADMISSION,
        "        if ((found & ~(uint64_t)(ADMITTED | LEAVING)) == entered) {",
        "        if (false) {",
        "tests/test_admit.py::test_entered_twice",
    ),
    tested(
        "admission: one that could not count stays entered",
        ADMISSION,
        "        ax_word_store(&admission->state, 0);\n        return NULL;",
        "        return NULL;",
        "tests/shared/test_guards.py::test_an_admission_of_a_released_cell",
    ),
    tested(
        "admission: a child counts down what its parent counted",
        ADMISSION,
        "(admission->shared ? fork_number() << PROCESS : 0)",
        "(uint64_t)0",
        "tests/shared/test_guards.py",
    ),
    tested(
        "binding: an operand by name takes the place of another",
        CELL,
        "        if (pair[place] != NULL) {",
        "        if (false) {",
        "tests/test_cells.py::test_wrong_names",
    ),
    tested(
        "twin: an admission is entered twice",
        TWIN_GUARD,
        "        if entered is not None or not swap(",
        "        if not swap(",
        "tests/test_admit.py::test_entered_twice",
    ),
]

TIMERS = [
    explored(
        "the owner is read before the start",
        ENTRIES,
        "    uint64_t start = ax_word_load(&place->start); /* before the owner: see ax_entries.h */\n"
        "    if (!any && ax_word_load(&place->owner) != owner) {\n        return;\n    }\n",
        "    if (!any && ax_word_load(&place->owner) != owner) {\n        return;\n    }\n"
        "    uint64_t start = ax_word_load(&place->start);\n",
    ),
    explored(
        "an entry is taken whether or not it is still there",
        ENTRIES_H,
        "    if (!ax_word_compare_exchange(&place->start, &start, 0)) {\n        return false;\n    }\n",
        "    (void)ax_word_exchange(&place->start, 0);\n",
    ),
    explored(
        "an entry is counted after it is there",
        ENTRIES_H,
        "    ax_entries_recount(entries, 1);\n    if (!ax_word",
        "    if (!ax_word",
    ),
    explored(
        "one of two entries is taken elsewhere",
        ENTRIES,
        " || ax_word_load(&entries->count) != 1",
        "",
    ),
    explored(
        "the oldest entry is left first",
        ENTRIES,
        "    if (start > seen->start && (!any || seen->place == NULL)) {",
        "    if (start != 0 && seen->place == NULL) {",
    ),
    explored(
        "a block that another thread was first to make leaks",
        ENTRIES,
        "        system->release(block); /* nobody has seen it */",
        "        (void)system;",
    ),
    explored(
        "a place is taken by a store",
        ENTRIES,
        "found == 0 && ax_word_compare_exchange(&block->places[i].owner, &found, owner)",
        "found == 0 && (ax_word_store(&block->places[i].owner, owner), true)",
    ),
    tested(
        "timer: all entries are one context's",
        TIMER,
        "    uint64_t context = ax_context_number();\n    visit_list",
        "    uint64_t context = 1;\n    visit_list",
        "tests/test_timer.py::test_threads_take_turns_with_one_timer",
        "tests/test_timer.py::test_entries_nest",
    ),
    tested(
        "timer: further places are not freed",
        TIMER,
        "    ax_entries_free(&timer->visits.entries, &stripe_system);\n    Py_DECREF",
        "    Py_DECREF",
        "tests/test_memory.py",
        "tests/lifecycle/test_lifecycle.py::test_program[c-memory.blocks_and_references_stay_flat]",
    ),
    tested(
        "twin: an exit ends the entry of any context",
        TWIN_TIMER,
        "        except ValueError:  # another context's\n            return False",
        "        except ValueError:  # another context's\n            return True",
        "tests/test_timer.py",
    ),
]

DECORATORS = [
    tested(
        "decorator: the return value of a generator is lost",
        DECORATOR,
        "                        return stopped.value\n",
        "                        return None\n",
        "tests/test_generators.py",
    ),
    tested(
        "decorator: what is thrown into an async generator stays outside",
        DECORATOR,
        "                        step = inner.athrow(thrown)",
        "                        raise",
        "tests/test_generators.py",
    ),
    tested(
        "decorator: what is sent to an async generator is lost",
        DECORATOR,
        "                        step = inner.asend(sent)",
        "                        step = inner.asend(None)",
        "tests/test_generators.py",
    ),
    tested(
        "decorator: the event loop closes the inner generator too",
        DECORATOR,
        "    set_asyncgen_hooks(None, None)\n",
        "",
        "tests/test_generators.py::test_an_async_generator_that_is_left_to_the_event_loop",
    ),
    tested(
        "decorator: a thrown exception is kept by the frame",
        DECORATOR,
        "                        step = None  # it may hold",
        "                        pass  # it may hold",
        "tests/test_generators.py::test_a_thrown_exception_is_not_kept",
    ),
    tested(
        "snapshot: a first bucket below zero begins at zero",
        SNAPSHOT,
        "        if bucket == 0 and bounds[0] <= 0:",
        "        if False:",
        "tests/test_histogram.py::test_quantile",
    ),
    tested(
        "snapshot: one with a field replaced forgets its bounds",
        SNAPSHOT,
        "**fields}, bounds=self.bounds)",
        "**fields})",
        "tests/test_histogram.py::test_a_snapshot_knows_its_bounds",
    ),
]

MUTANTS = GUARDS + TIMERS + DECORATORS
