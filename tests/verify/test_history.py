"""Recording histories, drawing them, and the checks of long ones; each check with what it must reject."""

import random
import threading
from contextlib import suppress
from itertools import count
from typing import Any

import pytest

from atomicx.verify import ATOMIC_INT, ITSELF, Model, Operation
from atomicx.verify.histories.forced_order import check_counter, check_forced_order
from atomicx.verify.histories.history import UNKNOWN, Event, History, precedes, recorded
from atomicx.verify.histories.linearizability import check_linearizable
from atomicx.verify.spec.cells import CELLS


def event(
    invoked: int, responded: int | None, thread: int, operation: str, *arguments: Any, gives: Any
) -> Event:
    return Event(invoked, responded, thread, operation, arguments, gives)


def history(*events: Event) -> History:
    return History.of(events)


# Recording


class Plain:
    """Make a recorded cell for one thread."""

    def __init__(self) -> None:
        self.value = 0

    def add_fetch(self, delta: int) -> int:
        self.value += delta
        return self.value

    def refuse(self) -> None:
        raise LookupError("no")

    def interrupt(self) -> None:
        raise KeyboardInterrupt

    def __iadd__(self, delta: int) -> "Plain":
        self.value += delta
        return self

    def __int__(self) -> int:
        return self.value

    def __len__(self) -> int:
        return 3


def test_each_call_is_recorded_with_its_result_in_order() -> None:
    cell = recorded(Plain(), clock=count(10).__next__)
    assert cell.add_fetch(2) == 2
    with pytest.raises(LookupError):
        cell.refuse()
    before = cell
    cell += 3
    assert cell is before
    assert int(cell) == 5
    assert len(cell) == 3
    assert cell.value == 5, "an attribute that is not a method is passed through"
    assert list(cell.history().events) == [
        event(10, 11, 0, "add_fetch", 2, gives=2),
        event(12, 13, 0, "refuse", gives=("raises", "LookupError")),
        event(14, 15, 0, "__iadd__", 3, gives=ITSELF),
        event(16, 17, 0, "__int__", gives=5),
        event(18, 19, 0, "__len__", gives=3),
    ]


def test_what_the_target_lacks_is_missing_from_the_recorder_too() -> None:
    cell = recorded(object())
    with pytest.raises(TypeError):
        len(cell)
    with pytest.raises(AttributeError):
        cell.load()


def test_an_operation_that_was_interrupted_stays_pending() -> None:
    cell = recorded(Plain())
    with pytest.raises(KeyboardInterrupt):
        cell.interrupt()
    (only,) = cell.history().events
    assert only.pending
    assert only.result is UNKNOWN


def test_an_operation_under_way_is_pending_and_threads_are_told_apart() -> None:
    class Slow:
        def wait(self) -> str:
            entered.set()
            assert leave.wait(30)
            return "done"

    entered, leave = threading.Event(), threading.Event()
    cell = recorded(Slow())
    thread = threading.Thread(target=cell.wait)
    thread.start()
    assert entered.wait(30)
    (underway,) = cell.history().events
    assert underway.pending
    leave.set()
    thread.join()
    leave.set()
    cell.wait()
    first, second = cell.history().events
    assert (first.result, second.result) == ("done", "done")
    assert precedes(first, second)
    assert first.thread != second.thread


def test_the_guard_of_track_is_recorded_as_two_operations(backend: Any) -> None:
    cell = recorded(backend.AtomicInt())
    with cell.track() as inside:
        assert inside is cell
        cell.inc()
    names = [event.operation for event in cell.history().events]
    assert names == ["track().__enter__", "inc", "track().__exit__"]
    assert check_linearizable(cell.history(), ATOMIC_INT)


def test_the_guard_of_admit_is_recorded_if_it_counts(backend: Any) -> None:
    cell = recorded(backend.AtomicInt())
    with cell.admit(1) as admitted, cell.admit(1) as refused:
        assert (admitted, refused) == (True, False)
    recordings = [(event.operation, event.arguments, event.result) for event in cell.history().events]
    assert recordings == [
        ("admit().__enter__", (1,), True),
        ("admit().__enter__", (1,), False),
        ("track().__exit__", (), None),
    ]
    assert check_linearizable(cell.history(), ATOMIC_INT)


@pytest.mark.parametrize("model", CELLS, ids=str)
def test_every_operation_of_the_table_can_be_recorded_and_agrees(backend: Any, model: Model) -> None:
    cell = recorded(model.make(backend, model.initial))
    dice = random.Random(1)
    # A recorder has its own repr, str and format.
    texts = {"__repr__", "__str__", "__format__"}
    rows = [row for row in model.operations if row.arguments and row.atomic and row.name not in texts]
    unmade = 0  # admissions that were refused before there was a guard to enter
    for _ in range(5):
        for row in rows:
            arguments = dice.choice(row.arguments)
            unmade += (row.name, arguments) == ("admit().__enter__", (2**64,))
            with suppress(OverflowError, ValueError):
                row.call(cell, arguments)
    assert len(cell.history()) == 5 * len(rows) - unmade
    verdict = check_linearizable(cell.history(), model)
    assert verdict, str(verdict)


# Precedence, overlap and drawing


def test_a_tie_is_overlap_except_within_a_thread() -> None:
    one = event(0, 5, 0, "exchange", 1, gives=0)
    other = event(5, 9, 1, "exchange", 2, gives=1)
    assert not precedes(one, other)
    assert history(one, other).overlapping == 2
    # The same clock readings: two threads may come in either order, one thread only in the order it had.
    late = event(5, 9, 1, "load", gives=0)
    assert check_linearizable(history(one, late), ATOMIC_INT)
    assert not check_linearizable(history(one, late._replace(thread=0)), ATOMIC_INT)


def test_overlap_counts_operations_of_different_threads_only() -> None:
    nested = history(event(0, 9, 0, "inc", gives=None), event(3, 4, 0, "inc", gives=None))
    assert nested.overlapping == 0
    assert len(nested.lanes()) == 2
    apart = history(event(0, 1, 0, "inc", gives=None), event(2, 3, 1, "inc", gives=None))
    assert apart.overlapping == 0
    three = history(
        event(0, 9, 0, "inc", gives=None),
        event(3, 4, 1, "inc", gives=None),
        event(10, 11, 1, "inc", gives=None),
    )
    assert three.overlapping == 2


def test_the_timeline_shows_what_overlaps() -> None:
    drawn = str(
        history(
            event(100, 900, 0, "fetch_add", 1, gives=0),
            event(200, 300, 1, "fetch_add", 1, gives=0),
            event(1000, None, 1, "store", 7, gives=UNKNOWN),
        )
    )
    first, second = drawn.splitlines()
    assert first.startswith("thread 0")
    assert second.startswith("thread 1")
    assert "fetch_add(1) -> 0" in first
    assert "store(7)" in second
    assert second.endswith("...")
    assert first.index("|") < second.index("|") < second.index("|", second.index("|") + 1) < first.rindex("|")


def test_a_wide_timeline_goes_on_below() -> None:
    events = [event(10 * n, 10 * n + 5, n % 2, "exchange", n + 1, gives=n) for n in range(20)]
    drawn = str(history(*events))
    assert max(map(len, drawn.splitlines())) <= 110
    assert drawn.count("thread 0") == drawn.count("thread 1") > 1
    for number in range(20):
        assert f"exchange({number + 1})" in drawn.replace("\nthread 0  ", "") or number, drawn


# Long histories whose order is forced


def climbing(length: int, dice: random.Random, threads: int = 3) -> list[Event]:
    """Return a correct history: instants in a row, and intervals around them that may overlap."""
    value, events = 0, []
    busy_until = [0] * threads
    for number in range(length):
        instant = 100 * (number + 1)
        thread = min(range(threads), key=lambda n: (busy_until[n] > instant, dice.random()))
        invoked = max(instant - dice.randrange(1, 250), busy_until[thread] + 1)
        responded = instant + dice.randrange(1, 250)
        if invoked >= instant:
            continue
        busy_until[thread] = responded
        kind = dice.choice(
            ("fetch_add", "add_fetch", "compare_and_set", "compare_exchange", "load", "fails", "witness")
        )
        delta = dice.choice((1, 2, 5))
        if kind == "fetch_add":
            row = (kind, (delta,), value)
        elif kind == "add_fetch":
            row = (kind, (delta,), value + delta)
        elif kind == "compare_and_set":
            row = (kind, (value, value + delta), True)
        elif kind == "compare_exchange":
            row = (kind, (value, value + delta), value)
        elif kind == "load":
            row, delta = (kind, (), value), 0
        elif kind == "fails":
            row, delta = ("compare_and_set", (value - 1, value + 9), False), 0
        else:
            row, delta = ("compare_exchange", (value + 3, value + 9), value), 0
        value += delta
        events.append(Event(invoked, responded, thread, *row))
    return events


def swapping(length: int, dice: random.Random) -> list[Event]:
    events = climbing(length, dice)
    value = 0
    for number, old in enumerate(events):
        new = ((number + 1) * 7919) % 104729
        row = dice.choice(
            (
                ("exchange", (new,), value),
                ("compare_and_set", (value, new), True),
                ("compare_exchange", (value, new), value),
                ("load", (), value),
            )
        )
        if row[0] != "load":
            value = new
        events[number] = Event(old.invoked, old.responded, old.thread, *row)
    return events


@pytest.mark.one_run
@pytest.mark.parametrize("make", [climbing, swapping])
def test_long_correct_histories_pass(make: Any) -> None:
    for seed in range(20):
        events = make(400, random.Random(seed))
        verdict = check_forced_order(History.of(events))
        assert verdict, f"seed {seed}: {verdict}"


@pytest.mark.one_run
@pytest.mark.parametrize("make", [climbing, swapping])
def test_the_forced_order_agrees_with_the_search(make: Any) -> None:
    """Compared on histories short enough for the search, both correct and spoiled ones."""
    verdicts = []
    for seed in range(3000):
        dice = random.Random(seed)
        events = make(dice.randint(3, 9), dice)
        if seed % 4:
            spoiled = dice.randrange(len(events))
            victim = events[spoiled]
            shift = dice.choice((-150, 150, 0))
            assert victim.responded is not None
            result = victim.result
            if not shift:
                result = not result if isinstance(result, bool) else result + dice.choice((-1, 1, 2))
            events[spoiled] = victim._replace(
                invoked=victim.invoked + shift, responded=victim.responded + shift, result=result
            )
        # Each gets its own lane: a shift may have made a thread overlap itself.
        events = [event._replace(thread=number) for number, event in enumerate(events)]
        forced = bool(check_forced_order(History.of(events)))
        searched = bool(check_linearizable(History.of(events), ATOMIC_INT))
        assert forced == searched, f"seed {seed}: forced {forced}, searched {searched}\n{History.of(events)}"
        verdicts.append(forced)
    assert verdicts.count(True) > 500
    assert verdicts.count(False) > 500


@pytest.mark.one_run
def test_a_million_operations_take_seconds_not_hours() -> None:
    dice = random.Random(0)
    events = climbing(60_000, dice)
    assert check_forced_order(History.of(events))
    spoiled = list(events)
    middle = next(n for n in range(len(events) // 2, len(events)) if events[n].operation == "fetch_add")
    spoiled[middle] = events[middle]._replace(result=events[middle].result + 1)
    verdict = check_forced_order(History.of(spoiled))
    assert not verdict
    assert verdict.failing


def test_a_doubled_value_names_both_operations() -> None:
    verdict = check_forced_order(
        history(event(0, 9, 0, "fetch_add", 1, gives=0), event(1, 8, 1, "fetch_add", 1, gives=0))
    )
    assert not verdict
    assert "found the same 0" in str(verdict)
    assert str(verdict).count("fetch_add(1) -> 0") == 2


def test_a_read_may_overlap_a_write_at_a_single_instant() -> None:
    add = event(0, 10, 0, "fetch_add", 1, gives=0)
    load = event(10, 12, 1, "load", gives=0)
    assert check_forced_order(history(add, load))
    assert not check_forced_order(history(add, load._replace(invoked=11)))
    early = event(-5, 0, 1, "load", gives=1)
    assert check_forced_order(history(add, early))
    assert not check_forced_order(history(add, early._replace(responded=-1)))


def test_reads_that_follow_each_other_do_not_go_back() -> None:
    adds = [event(0, 100, thread, "fetch_add", 1, gives=thread) for thread in (0, 1)]
    for second, allowed in ((2, True), (1, False), (0, False)):
        loads = [event(10, 20, 2, "load", gives=2), event(30, 40, 3, "load", gives=second)]
        assert bool(check_forced_order(history(*adds, *loads))) == allowed
        assert bool(check_linearizable(history(*adds, *loads), ATOMIC_INT)) == allowed


def test_a_swap_that_failed_needs_a_moment_when_the_value_was_another() -> None:
    add = event(0, 100, 0, "fetch_add", 1, gives=0)
    failed = event(10, 20, 1, "compare_and_set", 0, 5, gives=False)
    assert check_forced_order(history(add, failed)), "after the addition"
    assert check_forced_order(history(add, failed._replace(arguments=(1, 5)))), "before it"
    load = event(30, 40, 2, "load", gives=0)
    assert not check_forced_order(history(add, failed, load)), "the addition came later, as the load shows"
    assert not check_forced_order(history(failed))


def test_a_wrong_final_value_is_noticed() -> None:
    events = [event(0, 9, 0, "fetch_add", 1, gives=0)]
    assert check_forced_order(history(*events), final=1)
    assert not check_forced_order(history(*events), final=2)


@pytest.mark.parametrize(
    "events",
    [
        [event(0, 1, 0, "fetch_add", 0, gives=0)],
        [event(0, 1, 0, "fetch_add", -1, gives=0)],
        [event(0, 1, 0, "exchange", 1, gives=0), event(2, 3, 0, "exchange", 1, gives=1)],
        [event(0, 1, 0, "exchange", 0, gives=0)],
        [event(0, 1, 0, "exchange", 5, gives=0), event(2, 3, 0, "fetch_add", 1, gives=5)],
        [event(0, 1, 0, "store", 1, gives=None)],
        [event(0, None, 0, "fetch_add", 1, gives=UNKNOWN)],
        [event(0, 1, 0, "fetch_add", 1, gives=("raises", "OverflowError"))],
    ],
)
def test_an_order_that_is_not_forced_is_refused(events: list[Event]) -> None:
    with pytest.raises(ValueError, match=r"force|pending|raises"):
        check_forced_order(history(*events))


# Counter


def test_an_intermediate_value_is_allowed_and_no_other() -> None:
    adds = [event(0, 100, 0, "add", 5, gives=None), event(0, 10, 1, "inc", gives=None)]
    for value, allowed in ((0, False), (1, True), (3, True), (6, True), (7, False)):
        verdict = check_counter(history(*adds, event(20, 30, 2, "load", gives=value)))
        assert bool(verdict) == allowed, f"load -> {value}: {verdict}"


def test_two_readers_may_disagree_about_the_order_of_two_additions() -> None:
    """Not linearizable, but correct for a Counter."""
    adds = [event(0, 100, 0, "add", 1, gives=None), event(0, 100, 1, "add", 2, gives=None)]
    loads = [event(20, 30, 2, "load", gives=1), event(20, 30, 3, "load", gives=2)]
    assert check_counter(history(*adds, *loads))


def test_loads_do_not_go_back() -> None:
    adds = [event(0, 100, 0, "add", 5, gives=None)]
    back = [event(20, 30, 1, "load", gives=5), event(40, 50, 2, "load", gives=4)]
    assert not check_counter(history(*adds, *back))
    assert check_counter(history(*adds, *(load._replace(invoked=20, responded=50) for load in back)))


def test_each_count_is_in_exactly_one_drain() -> None:
    adds = [event(0, 10, 0, "add", 5, gives=None), event(20, 60, 0, "add", 2, gives=None)]
    good = [event(30, 40, 1, "drain", gives=5), event(70, 80, 1, "drain", gives=2)]
    assert check_counter(history(*adds, *good), final=0)
    for first, second, final in ((5, 2, 1), (5, 1, 0), (4, 3, 0), (7, 2, 0), (8, 0, 0), (-1, 8, 0)):
        drains = [good[0]._replace(result=first), good[1]._replace(result=second)]
        assert not check_counter(history(*adds, *drains), final=final), (first, second, final)


def test_a_pending_addition_may_have_counted_or_not() -> None:
    adds = [event(0, 10, 0, "inc", gives=None), event(5, None, 1, "add", 5, gives=UNKNOWN)]
    for final, allowed in ((0, False), (1, True), (6, True), (7, False)):
        assert bool(check_counter(history(*adds), final=final)) == allowed


def test_a_real_counter_under_threads(backend: Any) -> None:
    cell = recorded(backend.Counter())
    drained = []

    def add() -> None:
        for _ in range(300):
            cell.inc()
            cell.add(3)

    def drain() -> None:
        drained.extend(cell.drain() for _ in range(100))

    def load() -> None:
        for _ in range(200):
            cell.load()

    for others in ((load,), (load, drain)):
        threads = [threading.Thread(target=target) for target in (add, add, *others)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        verdict = check_counter(cell.history(), final=cell.load())
        assert verdict, str(verdict)
    assert sum(drained) + cell.load() == 2 * 2 * 300 * 4
    lost = cell.history().events[-1]
    assert not check_counter(cell.history(), final=cell.load() + 1), lost


# User-defined models


def test_a_model_of_ones_own() -> None:
    stack = Model(
        "Stack",
        (),
        (
            Operation("push", lambda items, item: ((*items, item), None), ((1,),)),
            Operation("pop", lambda items: (items[:-1], items[-1]), ((),)),
        ),
    )
    push = event(0, 1, 0, "push", 4, gives=None)
    assert check_linearizable(history(push, event(2, 3, 1, "pop", gives=4)), stack)
    empty = event(2, 3, 1, "pop", gives=("raises", "IndexError"))
    assert not check_linearizable(history(push, empty), stack)
    assert check_linearizable(history(push, empty._replace(invoked=0)), stack)
    with pytest.raises(LookupError, match="Stack has no operation 'peek'"):
        check_linearizable(history(event(0, 1, 0, "peek", gives=None)), stack)
