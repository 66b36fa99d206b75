"""The linearizability checker against brute force, and both backends against the checker."""

import random
import sys
from collections.abc import Callable
from functools import partial
from itertools import permutations
from typing import Any

import pytest

from atomicx.verify.histories.drive import exercise
from atomicx.verify.histories.history import UNKNOWN, Event, History, precedes
from atomicx.verify.histories.linearizability import Undecided, assert_linearizable, check_linearizable
from atomicx.verify.spec.cells import (
    ALL,
    ATOMIC_FLOAT,
    ATOMIC_INT,
    ATOMIC_REF,
    CELLS,
    COUNTER,
)
from atomicx.verify.spec.model import Model, Promise

GIL = getattr(sys, "_is_gil_enabled", lambda: True)()


# The checker, against every permutation


def brute_force(events: list[Event], model: Model) -> bool:
    """Return whether some order respects precedence and explains each result. Tries all orders."""
    pending = [event for event in events if event.pending]
    required = [event for event in events if not event.pending]
    for choice in range(1 << len(pending)):
        chosen = required + [event for number, event in enumerate(pending) if choice >> number & 1]
        if any(explains(order, model) for order in permutations(chosen)):
            return True
    return False


def explains(order: tuple[Event, ...], model: Model) -> bool:
    for position, event in enumerate(order):
        for later in order[position + 1 :]:
            if precedes(later, event) or (later.thread == event.thread and later.invoked < event.invoked):
                return False
    state = model.initial
    for event in order:
        state, result = model[event.operation].apply(state, event.arguments)
        if event.result is not UNKNOWN and not model.agrees(model[event.operation], result, event.result):
            return False
    return True


def random_history(model: Model, dice: random.Random) -> list[Event]:
    """Make a history that an atomic cell could have shown or, with some results spoiled, perhaps no cell."""
    threads = dice.randint(2, 3)
    rows = [row for row in model.operations if row.arguments and row.atomic]
    # Few kinds of operation, so that results can depend on each other.
    rows = dice.sample(rows, min(len(rows), dice.randint(2, 4)))
    free_at = [0] * threads
    state: Any = model.initial
    events = []
    for number in range(dice.randint(2, 5)):
        instant = 10 * (number + 1)
        candidates = [thread for thread in range(threads) if free_at[thread] < instant]
        if not candidates:
            continue
        thread = dice.choice(candidates)
        invoked = dice.randint(max(free_at[thread], instant - 25), instant)
        responded = instant + dice.randint(0, 25)
        row = dice.choice(rows)
        arguments = dice.choice(row.arguments)
        state, result = row.apply(state, arguments)
        event = Event(invoked, responded, thread, row.name, arguments, result)
        if dice.random() < 0.1 and not any(event.pending for event in events):
            # No other event of this thread can follow.
            event, responded = event._replace(responded=None, result=UNKNOWN), 10**6
        free_at[thread] = responded + 1
        events.append(event)
    if dice.random() < 0.7:
        # Swap results of operations of one kind, as when an update is lost or done twice.
        finished = [number for number, event in enumerate(events) if not event.pending]
        if len(finished) >= 2:
            one, other = dice.sample(finished, 2)
            if events[one].operation == events[other].operation:
                first, second = events[one].result, events[other].result
                events[one] = events[one]._replace(result=second if dice.random() < 0.7 else first)
                events[other] = events[other]._replace(result=first)
    return events


@pytest.mark.parametrize("model", CELLS, ids=str)
@pytest.mark.one_run
def test_the_search_agrees_with_every_permutation(model: Model) -> None:
    seen = {True: 0, False: 0}
    for seed in range(3000):
        dice = random.Random(f"{model.name} {seed}")
        events = random_history(model, dice)
        expected = brute_force(events, model)
        verdict = check_linearizable(History.of(events), model)
        assert verdict.ok == expected, f"seed {seed}: brute force says {expected}\n{History.of(events)}"
        seen[expected] += 1
        if verdict.order is not None:
            assert explains(verdict.order, model), "the order that it found is none"
        else:
            assert verdict.failing is not None
            if len(events) <= 4:
                check_failing(verdict.failing, History.of(events), model)
    assert seen[True] > 200, seen
    assert seen[False] > 40, seen


def check_failing(failing: History, whole: History, model: Model) -> None:
    """Check that no order explains what is left, whether or not the rest happened, with any result."""
    required = list(failing.events)
    free = [event for event in whole.events if event not in required]
    assert len(required) + len(free) == len(whole)
    for choice in range(1 << len(free)):
        chosen = [event._replace(result=UNKNOWN) for number, event in enumerate(free) if choice >> number & 1]
        orders = permutations([*required, *chosen])
        assert not any(explains(order, model) for order in orders), str(failing)


@pytest.mark.one_run
def test_the_report_shows_the_few_operations_that_matter() -> None:
    events = [Event(10 * n, 10 * n + 5, 2, "fetch_or", (0,), 0) for n in range(30)]
    events += [Event(400, 420, 0, "fetch_add", (1,), 0), Event(405, 425, 1, "fetch_add", (1,), 0)]
    events += [Event(1000 + 10 * n, 1000 + 10 * n + 5, 2, "load", (), 1) for n in range(30)]
    verdict = check_linearizable(History.of(events), ATOMIC_INT)
    assert not verdict
    report = str(verdict)
    assert "NOT linearizable as AtomicInt, starting from 0: 62 operations of 3 threads" in report
    assert report.count("fetch_add(1) -> 0") == 2
    assert "fetch_or" not in report
    assert "60 more" in report
    with pytest.raises(AssertionError, match="NOT linearizable"):
        assert_linearizable(History.of(events), ATOMIC_INT)


@pytest.mark.one_run
def test_the_report_leaves_out_what_was_over_by_then() -> None:
    """The first store cannot explain the load, since it came before the second one."""
    verdict = check_linearizable(
        History.of(
            [
                Event(0, 5, 0, "store", (7,), None),
                Event(10, 15, 0, "store", (1,), None),
                Event(20, 25, 1, "load", (), 7),
            ]
        ),
        ATOMIC_INT,
    )
    assert verdict.failing is not None
    assert [str(event) for event in verdict.failing.events] == ["store(1) -> None", "load() -> 7"]


@pytest.mark.one_run
def test_a_long_history_of_three_threads_is_searched_quickly() -> None:
    dice = random.Random(5)
    state: Any = 0
    events = []
    for number in range(3000):
        row = ATOMIC_INT[dice.choice(("fetch_add", "exchange", "load"))]
        arguments = dice.choice(row.arguments)
        state, result = row.apply(state, arguments)
        events.append(Event(10 * number - 9, 10 * number + 9, number % 3, row.name, arguments, result))
    assert check_linearizable(History.of(events), ATOMIC_INT)


def test_the_initial_state_can_be_given() -> None:
    events = History.of([Event(0, 1, 0, "load", (), 7)])
    assert not check_linearizable(events, ATOMIC_INT)
    assert check_linearizable(events, ATOMIC_INT, initial=7)


@pytest.mark.one_run
def test_a_search_that_takes_too_long_says_so() -> None:
    events = [Event(0, 100, n, "store", (n,), None) for n in range(12)] + [Event(0, 100, 20, "load", (), -1)]
    with pytest.raises(Undecided):
        check_linearizable(History.of(events), ATOMIC_INT, most_states=1000)


def test_truth_is_not_one_and_references_are_compared_by_identity() -> None:
    one = History.of([Event(0, 1, 0, "compare_and_set", (0, 1), 1)])
    assert not check_linearizable(one, ATOMIC_INT)
    assert check_linearizable(History.of([one.events[0]._replace(result=True)]), ATOMIC_INT)
    thing, twin = [1], [1]
    store = Event(0, 1, 0, "store", (thing,), None)
    assert check_linearizable(History.of([store, Event(2, 3, 0, "load", (), thing)]), ATOMIC_REF)
    assert not check_linearizable(History.of([store, Event(2, 3, 0, "load", (), twin)]), ATOMIC_REF)
    minus = History.of([Event(0, 1, 0, "load", (), -0.0)])
    assert not check_linearizable(minus, ATOMIC_FLOAT)


# Real threads


ATTEMPTS = 160


def demand(make: Callable[[], Any], model: Model, overlapping: int, **options: Any) -> None:
    """Exercise the cell until enough operations overlapped; fewer mean nothing, and fail."""
    seen = 0
    for seed in range(ATTEMPTS):
        report = exercise(make, model, seed=seed, overlap_floor=0, **options)
        assert report.verdict is None, str(report)
        assert report.trouble is None, str(report)
        seen += report.overlapping
        if seen >= overlapping:
            return
    pytest.fail(f"too little overlap to mean something: {seen} operations in {ATTEMPTS} runs")


LINEARIZABLE = [model for model in ALL if model.promise is Promise.LINEARIZABLE]
every_model = pytest.mark.parametrize("model", LINEARIZABLE, ids=str)


@every_model
@pytest.mark.parametrize("threads", [2, 3])
def test_random_programs_of_all_operations_are_linearizable(backend: Any, model: Model, threads: int) -> None:
    demand(partial(model.make, backend, model.initial), model, 100, threads=threads, histories=2048)


@every_model
def test_each_operation_among_loads_and_exchanges_is_linearizable(backend: Any, model: Model) -> None:
    """Three kinds of operation meet far more often than thirty do."""
    for row in model.operations:
        if row.arguments and row.atomic:
            only = (row.name, "load", "exchange")
            demand(partial(model.make, backend, model.initial), model, 2, only=only, histories=64)


class Slot:
    """A cell that is not atomic: each operation is a read and a write, with a call between them.

    With the GIL the interpreter may switch threads where a function begins, and only there.
    """

    def __init__(self, value: Any = 0) -> None:
        self.value = value

    def load(self) -> Any:
        return self.value

    def store(self, value: Any) -> None:
        self.value = value

    def exchange(self, value: Any) -> Any:
        previous = self.value
        self.store(value)
        return previous


class SplitAdd(Slot):
    def fetch_add(self, delta: int = 1) -> int:
        previous = self.value
        self.store(previous + delta)
        return int(previous)


class SplitSwap(Slot):
    def compare_and_set(self, expected: int, desired: int) -> bool:
        if self.load() != expected:
            return False
        self.store(desired)
        return True


class WrongWitness(Slot):
    """Swaps correctly, but reads the witness a second time."""

    def __init__(self, atomic_int: Callable[[], Any]) -> None:
        self.cell = atomic_int()

    def load(self) -> int:
        return int(self.cell.load())

    def exchange(self, value: int) -> int:
        return int(self.cell.exchange(value))

    def compare_exchange(self, expected: int, desired: int) -> int:
        if self.cell.compare_and_set(expected, desired):
            return expected
        witness = self.load()
        # The real one would return what it found: never the expected value, unless it swapped.
        return witness


@pytest.mark.parametrize(
    ("broken", "only"),
    [
        (SplitAdd, ("fetch_add", "load")),
        (SplitSwap, ("compare_and_set", "load")),
        (Slot, ("exchange", "load")),
        (WrongWitness, ("compare_exchange", "exchange")),
    ],
)
def test_a_broken_cell_is_caught(backend: Any, broken: Any, only: tuple[str, ...]) -> None:
    make = partial(broken, backend.AtomicInt) if broken is WrongWitness else broken
    report = exercise(make, ATOMIC_INT, only=only, seconds=60, seed=3, overlap_floor=0)
    assert report.bad, f"not caught: {report}"
    assert report.verdict is not None
    assert report.verdict.failing is not None
    assert len(report.verdict.failing) < len(report.verdict.history), str(report)
    assert "NOT linearizable" in str(report)


def test_too_little_overlap_is_a_failure() -> None:
    report = exercise(Slot, ATOMIC_INT, only=("load",), histories=64, seed=1, overlap_floor=1.01)
    assert not report.ok
    assert "too little overlap to mean something" in str(report)


def test_a_cell_that_breaks_down_ends_the_run_with_its_reason() -> None:
    class Dies(Slot):
        def load(self) -> Any:
            raise SystemExit("worn out")

    report = exercise(Dies, ATOMIC_INT, only=("load",), histories=64, seed=1)
    assert not report.ok
    assert report.trouble is not None
    assert "worn out" in str(report)


def test_a_counter_alone_is_linearizable_with_the_gil() -> None:
    assert COUNTER["drain"].apply(5, ()) == (0, 5)
    with pytest.raises(ValueError, match="nothing to do"):
        exercise(Slot, COUNTER, only=("nonsense",))
