"""Programs of calls: every schedule of the operations of a Python object, and what its history must be."""

import itertools
import sys
import threading
from typing import Any

import pytest

import atomicx
from atomicx.verify import (
    ATOMIC_INT,
    ATOMIC_REF,
    COUNTER,
    Explorer,
    Model,
    Operation,
    check_counter,
    check_linearizable,
    explore,
    recorded,
    replay,
)
from support.explored import DRAIN, INC, LOAD, SplitInt, convicted, guarded, proved

# Broken objects with one fault each. With the GIL, threads that simply run hide nearly all of them.


class SplitRef:
    """Swaps by a comparison and a store."""

    def __init__(self) -> None:
        self.value: Any = None

    def load(self) -> Any:
        return self.value

    def store(self, value: Any) -> None:
        self.value = value

    def compare_and_set(self, expected: Any, desired: Any) -> bool:
        if self.value is expected:
            self.value = desired
            return True
        return False


class StaleWitness(atomicx.AtomicInt):
    """Swaps as it should, but looks again to report what it found."""

    def compare_exchange(self, expected: int, desired: int) -> int:
        if self.compare_and_set(expected, desired):
            return expected
        return self.load()


class LostDrain(atomicx.AtomicInt):
    """A counter that is drained by a load and a store: what is added in between is lost."""

    def drain(self) -> int:
        count = self.load()
        self.store(0)
        return count


class TwoChildren:
    """A family that makes two children for one label, if two threads ask for it at once."""

    def __init__(self) -> None:
        self.children: dict[str, list[int]] = {}

    def inc(self, label: str) -> None:
        if label not in self.children:
            self.children[label] = []
        self.children[label].append(1)

    def count(self, label: str) -> int:
        return len(self.children.get(label, ()))


class TornItems:
    """Two words that belong together, but are read one after the other."""

    def __init__(self) -> None:
        self.low = self.high = 0

    def put(self, number: int) -> None:
        self.low = number
        self.high = number

    def items(self) -> tuple[int, int]:
        return self.low, self.high


FAMILY = Model(
    "Family",
    (),
    (
        Operation("inc", lambda state, label: ((*state, label), None)),
        Operation("count", lambda state, label: (state, state.count(label))),
    ),
)
ITEMS = Model(
    "Items",
    (0, 0),
    (
        Operation("put", lambda state, number: ((number, number), None)),
        Operation("items", lambda state: (state, state)),
    ),
)
THING = object()

CallCase = tuple[type[Any], list[list[tuple[Any, ...]]], Model, list[tuple[Any, ...]]]
BROKEN: dict[str, CallCase] = {
    "split inc": (SplitInt, [[INC], [INC]], ATOMIC_INT, [LOAD]),
    "split swap": (SplitInt, [[("exchange", 1)], [("exchange", 2)]], ATOMIC_INT, [LOAD]),
    "split compare_exchange": (SplitInt, [[("compare_exchange", 0, 1)]] * 2, ATOMIC_INT, [LOAD]),
    "split compare_and_set of a reference": (
        SplitRef,
        [[("compare_and_set", None, THING)]] * 2,
        ATOMIC_REF,
        [],
    ),
    "stale witness": (
        StaleWitness,
        [[("compare_exchange", 0, 2)], [("store", 5), ("store", 0)]],
        ATOMIC_INT,
        [LOAD],
    ),
    "lost drain": (LostDrain, [[INC], [DRAIN]], COUNTER, [LOAD]),
    "two children for one label": (TwoChildren, [[("inc", "a")], [("inc", "a")]], FAMILY, [("count", "a")]),
    "torn items": (TornItems, [[("put", 1)], [("items",)]], ITEMS, []),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_object_is_convicted(name: str) -> None:
    make, threads, model, after = BROKEN[name]
    exploration = explore(make, threads, model=model, after=after)
    report = convicted(exploration)
    assert f"NOT linearizable as {model.name}" in report
    assert exploration.failure is not None
    assert exploration.failure.history is not None
    again = replay(make, threads, None, exploration.failure.schedule, model=model, after=after)
    assert again is not None
    assert again.schedule == exploration.failure.schedule


@pytest.mark.parametrize("name", BROKEN)
def test_the_same_under_a_lock_is_acquitted(name: str) -> None:
    make, threads, model, after = BROKEN[name]
    if make in (StaleWitness, LostDrain):
        # Their other operations are the cell's own, and no lock guards those.
        make = {StaleWitness: atomicx.AtomicInt, LostDrain: atomicx.Counter}[make]
    else:
        make = guarded(make)
    exploration = explore(make, threads, model=model, after=after, preemptions=None)
    proved(exploration)


def test_atomicx_itself_is_acquitted(backend: Any) -> None:
    calls = [INC, LOAD, ("exchange", 1), ("compare_exchange", 0, 2), ("fetch_add", 3), ("try_add", 1, 1)]
    with Explorer() as explorer:
        for pair in itertools.combinations_with_replacement(calls, 2):
            threads = [[call] for call in pair]
            proved(explorer.explore(backend.AtomicInt, threads, model=ATOMIC_INT, after=[LOAD]))


def test_a_failure_shows_the_calls_the_lines_and_the_history() -> None:
    report = convicted(explore(SplitInt, [[INC], [INC, LOAD]], model=ATOMIC_INT, after=[LOAD]))
    assert "a: inc()" in report
    assert "b: inc(); load()" in report
    assert "self.value += 1" in report
    assert "| inc() -> None" in report
    assert "the check raised" not in report


# What a history records


def test_a_call_that_begins_after_another_has_returned_comes_after_it() -> None:
    """The second thread's calls follow each other; only that makes a stale value wrong."""

    class Lagging:
        """A load returns what the previous load saw."""

        def __init__(self) -> None:
            self.value = self.seen = 0

        def store(self, value: int) -> None:
            self.value = value

        def load(self) -> int:
            seen, self.seen = self.seen, self.value
            return seen

    convicted(explore(Lagging, [[("store", 1)], [("store", 2), LOAD]], model=ATOMIC_INT))
    convicted(explore(Lagging, [[("store", 1), LOAD], [INC]], model=ATOMIC_INT))


@pytest.mark.parametrize("length", [1, 2, 3])
def test_threads_are_let_in_between_calls_that_take_no_step_of_their_own(length: int, backend: Any) -> None:
    orders: set[str] = set()

    def note(_: Any, history: Any) -> None:
        orders.add("".join("ab"[event.thread] for event in history.events))

    threads = [[INC] * length] * 2
    exploration = explore(backend.AtomicInt, threads, note, model=ATOMIC_INT, preemptions=None)
    proved(exploration)
    assert exploration.executions == len(orders) == {1: 2, 2: 6, 3: 20}[length]


def test_before_a_first_step_no_thread_is_let_in_twice() -> None:
    """Coming before a function's first step is the same as coming before the call."""

    class Plain:
        def load(self) -> int:
            return self.value  # type: ignore[attr-defined, no-any-return]

        value = 0

    assert proved(explore(Plain, [[LOAD], [LOAD]], model=ATOMIC_INT, preemptions=None)).executions == 2


def test_before_the_first_step_in_a_function_that_the_operation_calls_others_are_let_in(backend: Any) -> None:
    """By then it has read the value."""
    seen: set[tuple[Any, ...]] = set()

    def twice(value: int) -> int:
        name = threading.current_thread().name
        if name.startswith("explored"):
            seen.add((name, value))
        return value * 2

    def make() -> Any:
        return backend.AtomicInt(1)

    threads = [[("update", twice)], [("update", twice)]]
    proved(explore(make, threads, model=ATOMIC_INT, initial=1, after=[LOAD]))
    assert len(seen) == 4, "each of them was overtaken, and not"


def test_exceptions_are_results() -> None:
    class Once:
        def __init__(self) -> None:
            self.taken = False

        def take(self) -> None:
            if self.taken:
                raise LookupError("taken")
            self.taken = True

    def take(taken: bool) -> tuple[bool, None]:
        if taken:
            raise LookupError
        return True, None

    model = Model("Once", False, (Operation("take", take),))
    proved(explore(guarded(Once), [[("take",)]] * 3, model=model, preemptions=1))
    report = convicted(explore(Once, [[("take",)]] * 2, model=model))
    assert "take() -> None" in report
    missing = Model("Once", False, (Operation("give", lambda taken: (taken, None)),))
    assert "give() raises AttributeError" in convicted(explore(Once, [[("give",)]] * 2, model=missing))


def test_a_thread_that_wants_to_exit_is_convicted() -> None:
    class Exits:
        def load(self) -> int:
            sys.exit(3)

    assert "SystemExit: 3" in convicted(explore(Exits, [[LOAD]] * 2, model=ATOMIC_INT))


def test_calls_before_and_after_belong_to_the_history() -> None:
    threads = [[("fetch_add", 1)]] * 2
    make = atomicx.AtomicInt
    proved(explore(make, threads, model=ATOMIC_INT, before=[("store", 5)], after=[LOAD]))
    # A different initial state has to be given.
    proved(explore(lambda: make(5), threads, model=ATOMIC_INT, initial=5, after=[LOAD]))
    convicted(explore(lambda: make(5), threads, model=ATOMIC_INT, after=[LOAD]))


def test_another_judge() -> None:
    class Striped:
        """Two stripes, read one after the other: the result lies in between, and is not linearizable."""

        def __init__(self) -> None:
            self.stripes = [atomicx.AtomicInt(), atomicx.AtomicInt()]

        def add(self, count: int) -> None:
            self.stripes[count - 1].add(count)

        def load(self) -> int:
            return sum(stripe.load() for stripe in self.stripes)

    threads = [[("add", 1)], [("add", 2)], [LOAD, LOAD]]
    proved(explore(Striped, threads, model=COUNTER, judge=check_counter, after=[LOAD]))
    readers = [[("add", 1)], [("add", 2)], [LOAD], [LOAD]]
    convicted(explore(Striped, readers, model=COUNTER, after=[LOAD]))
    report = convicted(explore(LostDrain, [[INC], [DRAIN]], model=COUNTER, judge=check_counter, after=[LOAD]))
    assert "a load returned 0, but the total was between 1 and 1" in report


def test_a_check_comes_after_the_judge() -> None:
    seen: list[int] = []

    def look(cell: Any, history: Any) -> bool:
        seen.append(len(history))
        return bool(cell.load() == 1)

    failing = explore(atomicx.AtomicInt, [[INC]] * 2, look, model=ATOMIC_INT, after=[LOAD])
    assert "the check returned False" in convicted(failing)
    assert seen == [3]


def test_each_history_is_judged_once() -> None:
    judged: list[Any] = []

    def judge(history: Any) -> bool:
        judged.append(history)
        return True

    def executions_and_judgements(make: Any, *calls: Any) -> tuple[int, int]:
        judged.clear()
        threads = [[call] for call in calls]
        return explore(make, threads, model=ATOMIC_INT, judge=judge).executions, len(judged)

    executions, times = executions_and_judgements(SplitInt, ("exchange", 1), INC)
    assert times < executions
    # Which call was first makes a difference, even if the results are the same.
    assert executions_and_judgements(atomicx.AtomicInt, ("store", 1), ("store", 2)) == (2, 2)
    assert executions_and_judgements(atomicx.AtomicInt, ("store", 1), ("store", 1)) == (2, 2)

    class Objects:
        def load(self) -> Any:
            return object()

    executions, times = executions_and_judgements(Objects, LOAD, LOAD)
    assert times == executions, "two objects are never known to be the same"


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), (0.0, -0.0), ((1,), (True,))])
def test_results_are_told_apart_as_models_tell_them(one: Any, other: Any) -> None:
    """Results that are equal but not the same make two histories, and each of them is judged."""
    judged: list[str] = []

    def judge(history: Any) -> bool:
        judged.append(str(history))
        return True

    class Fickle:
        def __init__(self) -> None:
            self.calls = 0

        def load(self) -> Any:
            self.calls += 1
            return one if self.calls == 1 else other

    explore(Fickle, [[LOAD], [LOAD]], model=ATOMIC_INT, judge=judge)
    assert len(judged) == len(set(judged)) > 2


# Manners


def test_an_explorer_can_be_used_again_and_again() -> None:
    before = threading.active_count()
    explorer = Explorer()
    for _ in range(2):
        for threads in (2, 4, 3):
            proved(
                explorer.explore(
                    atomicx.AtomicInt, [[INC]] * threads, model=ATOMIC_INT, after=[LOAD], preemptions=1
                )
            )
        convicted(explorer.explore(SplitInt, [[INC]] * 2, model=ATOMIC_INT, after=[LOAD]))
        explorer.close()
        assert threading.active_count() == before


def test_recorded_objects_and_calls_agree() -> None:
    """A model judges the same histories, whether threads are sampled or their schedules are explored."""
    cell = recorded(SplitInt())
    cell.inc()
    cell.exchange(4)
    assert check_linearizable(cell.history(), ATOMIC_INT)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"threads": [[INC]]}, ValueError, "expected two to 4 threads, got 1"),
        ({"threads": [[INC], [("increment",)]]}, LookupError, "AtomicInt has no operation 'increment'"),
        (
            {"threads": [[INC], ["inc"]]},
            TypeError,
            "expected a call, a tuple of a name and arguments, got 'inc'",
        ),
        ({"after": [()]}, TypeError, "expected a call"),
        ({"model": None, "threads": [print, print]}, TypeError, "after needs a model"),
    ],
)
def test_wrong_usage(options: dict[str, Any], error: type[Exception], message: str) -> None:
    usual: dict[str, Any] = {"threads": [[INC], [INC]], "model": ATOMIC_INT, "after": [LOAD]}
    with pytest.raises(error, match=message):
        explore(SplitInt, **{**usual, **options})
