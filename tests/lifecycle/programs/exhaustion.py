"""Each allocation of every operation fails: it happens as a whole, or not at all, with MemoryError."""

import gc
import pickle
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

from lifecycle.programs.memory import leaks
from support.child import program
from support.exercises import Exercise, Refusing, exercises, same_integer, state_of
from support.native import native
from support.race import race

SPARE_NUMBERS = 150
MOST_ALLOCATIONS = 300
SWEEPS = 8
COUNTS = 20_000


def without_allocation_of_its_own(backend: str) -> str | None:
    if backend.endswith("_reference"):
        return "the twin is Python code, in which the interpreter allocates anywhere: no promise"
    return None


def spare_numbers() -> list[Any]:
    """Take the numbers that the interpreter keeps for reuse: while this list lives, a new number has to be
    allocated."""
    return [number for count in range(SPARE_NUMBERS) for number in (10**12 + count, count + 0.5)]


def runs_python(exercise: Exercise) -> bool:
    """Return whether it runs Python code, where an interpreter without memory makes its own mistakes."""
    _, call, arguments = exercise.bound()
    return call is pickle.dumps or any(
        isinstance(part, FunctionType | Refusing) for part in (call, *arguments)
    )


def attempt(exercise: Exercise, n: int, forever: bool) -> tuple[int, str]:
    """Fail the n-th allocation. Return how many were refused, and what is wrong, if anything."""
    allocator = native("allocator")
    cell, call, arguments = exercise.bound()
    before = state_of(cell)
    spare = spare_numbers()
    wrong = ""
    try:
        allocator.failing(n, forever, call, *arguments)
    except MemoryError:
        if state_of(cell) != before:
            wrong = f"{exercise}: allocation {n} failed, and {before!r} became {state_of(cell)!r}"
    except BaseException as failure:
        if exercise.raises is None or not isinstance(failure, exercise.raises):
            raise
    del spare
    return allocator.refusals(), wrong


def sweep(exercise: Exercise, forever: bool) -> list[str]:
    """Fail the first allocation, then the second, and so on until none is left. Return what is wrong."""
    found = []
    for n in range(MOST_ALLOCATIONS):
        refused, wrong = attempt(exercise, n, forever)
        found.append(wrong)
        if not refused:
            return [wrong for wrong in found if wrong]
    return [f"{exercise}: never came to an end"]


def of_c_alone(module: ModuleType) -> list[Exercise]:
    return [exercise for exercise in exercises(module) if not runs_python(exercise)]


def careless_operation() -> Exercise:
    """The control: it changes the value before it makes the result."""
    return Exercise("SplitInt", "fetch_add", lambda: native("broken").SplitInt(10**12), None, (same_integer,))


@program(unless=without_allocation_of_its_own, dev=False)
def an_operation_happens_whole_or_not_at_all(module: ModuleType) -> None:
    assert sweep(careless_operation(), forever=False), "the control was not caught"
    wrong = [
        message
        for exercise in of_c_alone(module)
        for forever in (False, True)
        for message in sweep(exercise, forever)
    ]
    assert not wrong, "\n".join(wrong)


@program(unless=without_allocation_of_its_own, dev=False)
def a_failed_operation_leaks_nothing(module: ModuleType) -> None:
    gc.freeze()

    def failing(exercise: Exercise) -> Callable[[], None]:
        return lambda: [sweep(exercise, forever) for forever in (False, True)] and None

    found = [str(exercise) for exercise in of_c_alone(module) if leaks(failing(exercise), runs=SWEEPS)]
    assert not found, f"leaks: {found}"


@program(unless=without_allocation_of_its_own, dev=False)
def a_counter_without_memory_for_stripes_counts_on(module: ModuleType) -> None:
    """A contended counter asks for more memory. If there is none, it goes on as it is."""
    allocator = native("allocator")
    counter = module.Counter()
    allocator.failing(0, True, counter.inc)

    def count() -> None:
        for _ in range(COUNTS):
            allocator.failing(0, True, counter.inc)

    def count_with_memory() -> None:
        for _ in range(COUNTS):
            counter.inc()

    race(count, count)
    assert counter.load() == 1 + 2 * COUNTS, counter.load()
    race(count_with_memory, count)
    assert counter.load() == 1 + 4 * COUNTS, counter.load()


@program(unless=without_allocation_of_its_own, dev=False)
def a_histogram_without_memory_for_stripes_counts_on(module: ModuleType) -> None:
    allocator = native("allocator")
    histogram = module.Histogram([0.5, 1.5])

    def observe() -> None:
        for _ in range(COUNTS):
            allocator.failing(0, True, histogram.observe, 1.0)

    def observe_with_memory() -> None:
        for _ in range(COUNTS):
            histogram.observe(1.0)

    race(observe, observe)
    assert histogram.snapshot() == ((0, 2 * COUNTS, 0), 2.0 * COUNTS), histogram.snapshot()
    race(observe_with_memory, observe)
    assert histogram.snapshot() == ((0, 4 * COUNTS, 0), 4.0 * COUNTS), histogram.snapshot()


@program(unless=without_allocation_of_its_own, dev=False)
def an_exponential_histogram_without_memory_counts_on(module: ModuleType) -> None:
    allocator = native("allocator")
    histogram = module.ExponentialHistogram(signed=True)
    values = (1.0, -2.0, 0.0, 1e9)
    whole = len(values) * COUNTS // 4

    def observe() -> None:
        for _ in range(COUNTS // 4):
            for value in values:
                allocator.failing(0, True, histogram.observe, value)

    def observe_with_memory() -> None:
        for _ in range(COUNTS // 4):
            for value in values:
                histogram.observe(value)

    race(observe, observe)
    assert histogram.snapshot().count == 2 * whole, histogram.snapshot()
    race(observe_with_memory, observe)
    found = histogram.snapshot()
    assert (found.count, found.zero_count) == (4 * whole, whole), found
    assert found.negative.counts == (whole,) and found.positive.counts[0] == whole, found


# With the allocator that detects the use of uninitialized memory.
@program(unless=without_allocation_of_its_own)
def an_entry_of_a_timer_without_memory_is_none(module: ModuleType) -> None:
    """It is entered completely or not at all, and leaving needs no memory."""
    allocator = native("allocator")
    histogram = module.Histogram([1e9])
    timer = histogram.time()

    def enters(n: int) -> bool:
        try:
            allocator.failing(n, False, timer.__enter__)
        except MemoryError:
            return False
        return True

    with timer:
        tried = [enters(0) for _ in range(MOST_ALLOCATIONS)]  # while there is room, no memory is needed
        assert tried[0] is False or tried.index(False) < MOST_ALLOCATIONS
        tried += [enters(n % 2) for n in range(MOST_ALLOCATIONS)]
        entered, refused = tried.count(True), tried.count(False)
        for _ in range(entered):
            allocator.failing(0, True, timer.__exit__, None, None, None)
        assert refused > 0 and sum(histogram.snapshot().counts) == entered
    assert sum(histogram.snapshot().counts) == entered + 1
    try:
        timer.__exit__()
    except RuntimeError:
        return
    raise AssertionError("an entry that was refused was kept")
