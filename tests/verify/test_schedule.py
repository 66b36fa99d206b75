"""The explorer of schedules: what it must find, and what it must prove."""

import gc
import math
import sys
import threading
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from atomicx.verify import ACCEPTABLE, actor, litmus, observer
from atomicx.verify.schedules.explorer import (
    Exploration,
    NotDeterministic,
    assert_all_schedules,
    checked,
    every,
    explore,
    explore_litmus,
    replay,
)

Check = Callable[[Any, tuple[Any, ...]], Any]


class Box:
    """The state that the programs below share."""

    def __init__(self) -> None:
        self.value = 0
        self.items: list[int] = []
        self.lock = threading.Lock()
        self.other = threading.Lock()


def add(box: Box) -> None:
    box.value += 1


def load_then_store(box: Box) -> None:
    value = box.value
    box.value = value + 1


def counted(expected: int) -> Check:
    def check(box: Box, _: Any) -> None:
        # No assert: pytest would put the address of the box into the message.
        if box.value != expected:
            raise AssertionError(f"{box.value} counted instead of {expected}")

    return check


# What it must find


@pytest.mark.parametrize("body", [add, load_then_store])
def test_it_finds_the_lost_update_and_shows_it(body: Any) -> None:
    exploration = explore(Box, [body, body], counted(2))
    failure = exploration.failure
    assert failure is not None
    assert not exploration.ok
    assert failure.preemptions == 1, "the failure it shows has as few preemptions as there can be"
    shown = str(failure)
    assert "1 counted instead of 2" in shown
    assert f"a: {body.__name__}" in shown
    assert "STORE_ATTR value" in shown or body is load_then_store
    assert failure.schedule in shown
    # The columns: one thread's line stands to the right of the other's.
    source = "box.value += 1" if body is add else "box.value = value + 1"
    columns = {line.index(source) for line in shown.splitlines() if source in line}
    assert len(columns) == 2


def test_a_failure_can_be_replayed_from_its_schedule() -> None:
    failure = explore(Box, [add, add], counted(2)).failure
    assert failure is not None
    assert replay(Box, [add, add], counted(2), failure.schedule) == failure
    assert replay(Box, [add, add], counted(2), "ab") is None
    assert replay(Box, [add, add], counted(2), "ba") is None
    assert replay(Box, [add, add], counted(2), "a") is None, "what is not said goes on by itself"


@pytest.mark.parametrize("schedule", ["", "c", "a3x", "3a", "A"])
def test_what_is_not_a_schedule_is_refused(schedule: str) -> None:
    with pytest.raises(ValueError, match="not a schedule"):
        replay(Box, [add, add], None, schedule)


@pytest.mark.parametrize("schedule", ["a99b", "aba"])
def test_a_schedule_that_does_not_fit_is_refused(schedule: str) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        replay(Box, [add, add], None, schedule)


def test_exploring_twice_gives_the_same() -> None:
    assert explore(Box, [add, add], counted(2)) == explore(Box, [add, add], counted(2))


def test_it_finds_check_then_act() -> None:
    def claim(box: Box) -> bool:
        if not box.items:
            box.items.append(1)
            return True
        return False

    exploration = explore(Box, [claim, claim], lambda box, results: results.count(True) == 1)
    assert exploration.failure is not None
    assert "(True, True)" in str(exploration)


def test_a_failure_that_takes_two_preemptions_needs_that_bound() -> None:
    """One thread has to be interrupted twice, each time by another thread."""

    def pass_gates(box: Box) -> bool:
        shut = box.value == 0
        half_open = box.value == 1
        open_wide = box.value == 2
        return shut and half_open and open_wide

    def open_gate(box: Box) -> None:
        box.value += 1

    threads = [pass_gates, open_gate, open_gate]

    def kept_out(box: Box, results: tuple[Any, ...]) -> bool:
        return results[0] is False

    assert_all_schedules(Box, threads, kept_out, preemptions=1)
    two = explore(Box, threads, kept_out, preemptions=2)
    assert two.failure is not None
    assert two.failure.preemptions == 2


def test_an_exception_is_a_failure_unless_it_is_expected() -> None:
    def pop(box: Box) -> int:
        return box.items.pop()

    def setup() -> Box:
        box = Box()
        box.items.append(5)
        return box

    failure = explore(setup, [pop, pop]).failure
    assert failure is not None
    assert isinstance(failure.error, IndexError)
    assert "b raised IndexError" in str(failure)

    def one_each(box: Box, results: tuple[Any, ...]) -> None:
        assert sorted(isinstance(result, IndexError) for result in results) == [False, True]
        assert 5 in results

    assert_all_schedules(setup, [pop, pop], one_each, raises=(IndexError,))


# What it must prove


def test_an_atomic_counter_passes_every_schedule(backend: Any) -> None:
    def inc(cell: Any) -> None:
        cell.inc()
        cell.inc()

    exploration = assert_all_schedules(
        backend.AtomicInt, [inc, inc], lambda cell, _: cell.load() == 4, preemptions=None
    )
    assert exploration.complete
    assert exploration.executions > 10


def test_an_atomic_cell_used_as_if_it_were_not_loses_updates(backend: Any) -> None:
    def load_store(cell: Any) -> None:
        cell.store(cell.load() + 1)

    failure = explore(backend.AtomicInt, [load_store, load_store], lambda cell, _: cell.load() == 2).failure
    assert failure is not None
    assert "cell.store(cell.load() + 1)" in str(failure)


def test_try_add_bounds_where_check_then_act_does_not(backend: Any) -> None:
    def check_then_act(cell: Any) -> bool:
        if cell.load() < 1:
            cell.inc()
            return True
        return False

    def bounded(cell: Any) -> bool:
        return bool(cell.try_add(1, 1))

    def within(cell: Any, _: Any) -> bool:
        return bool(cell.load() <= 1)

    assert explore(backend.AtomicInt, [check_then_act] * 2, within).failure is not None
    assert_all_schedules(backend.AtomicInt, [bounded] * 3, within)


def test_update_is_tried_again_when_its_function_was_overtaken(backend: Any) -> None:
    def double(cell: Any) -> None:
        cell.update(lambda value: value * 2 + 1)

    exploration = assert_all_schedules(
        backend.AtomicInt, [double, double], lambda cell, _: cell.load() == 3, preemptions=None
    )
    assert exploration.executions > 2


def test_a_lock_makes_it_pass() -> None:
    def locked(box: Box) -> None:
        with box.lock:
            box.value += 1

    assert_all_schedules(Box, [locked] * 2, counted(2), preemptions=None)
    assert_all_schedules(Box, [locked] * 3, counted(3))


def test_variables_of_closures_are_shared_and_keep_what_others_stored() -> None:
    class Closure:
        def __init__(self) -> None:
            total = 0
            done = False

            def add() -> None:
                nonlocal total
                total += 1

            def finish() -> None:
                nonlocal done
                done = True

            self.add, self.total = add, lambda: total
            self.finish, self.done = finish, lambda: done

    def add(closure: Closure) -> None:
        closure.add()

    def finish(closure: Closure) -> None:
        closure.finish()

    def look(closure: Closure) -> bool:
        return closure.done()

    assert explore(Closure, [add, add], lambda closure, _: closure.total() == 2).failure is not None
    # sys.settrace alone would write the old value back when it goes on where it paused before the look.
    assert_all_schedules(Closure, [finish, look], lambda closure, _: closure.done(), preemptions=None)


def test_which_thread_goes_on_after_another_has_ended_is_tried_both_ways() -> None:
    orders: list[str] = []

    def append(name: str) -> Callable[[list[str]], None]:
        return lambda log: log.append(name)

    assert_all_schedules(
        list,
        [append("a"), append("b"), append("c")],
        lambda log, _: orders.append("".join(log)),
        preemptions=0,
    )
    assert sorted(orders) == ["abc", "acb", "bac", "bca", "cab", "cba"]


def test_c_code_that_calls_back_can_be_interrupted_there() -> None:
    """A key function without its own noticeable bytecode; the list is empty while it is sorted."""

    def sort(items: list[int]) -> None:
        items.sort(key=lambda item: item)

    def look(items: list[int]) -> int:
        return len(items)

    failure = explore(lambda: [2, 1], [sort, look], lambda items, results: results[1] == 2).failure
    assert failure is not None
    assert "(None, 0)" in failure.reason


def test_every_order_is_run_and_none_twice() -> None:
    """Two threads of three steps each can be merged in 20 ways."""
    seen: list[str] = []

    # One noticeable bytecode in each line; the name is a local one.
    def first(log: list[str]) -> None:
        log += "a"
        log += "a"
        log += "a"

    def second(log: list[str]) -> None:
        log += "b"
        log += "b"
        log += "b"

    def note(log: list[str], _: Any) -> None:
        seen.append("".join(log))

    exploration = assert_all_schedules(list, [first, second], note, preemptions=None)
    assert exploration.executions == len(seen) == len(set(seen)) == math.comb(6, 3)


# Manners


def test_it_leaves_everything_as_it_was() -> None:
    def nothing(frame: Any, event: str, arg: Any) -> None:
        return None

    before = threading.active_count(), threading.Lock, threading.RLock, gc.isenabled()
    outer = sys.gettrace()
    sys.settrace(nothing)
    try:
        explore(Box, [add, add], counted(2))
        assert sys.gettrace() is nothing, "the caller's trace function is the caller's"
    finally:
        sys.settrace(outer)
    assert (threading.active_count(), threading.Lock, threading.RLock, gc.isenabled()) == before
    if sys.version_info >= (3, 12):
        names = [sys.monitoring.get_tool(tool) for tool in range(6)]
        assert "atomicx.verify.schedules.explorer" not in names


def test_what_the_setup_or_a_thread_breaks_does_not_break_the_explorer() -> None:
    def refuse() -> Box:
        raise LookupError("no state")

    before = threading.active_count()
    with pytest.raises(LookupError, match="no state"):
        explore(refuse, [add, add])

    def leave(box: Box) -> None:
        sys.exit(3)

    failure = explore(Box, [leave, add]).failure
    assert failure is not None
    assert "SystemExit: 3" in failure.reason
    assert threading.active_count() == before


def test_other_threads_are_left_alone() -> None:
    stop = threading.Event()
    alive = []

    def bystander() -> None:
        while not stop.wait(0.001):
            alive.append(threading.Lock())

    thread = threading.Thread(target=bystander)
    thread.start()
    try:
        assert explore(Box, [add, add], counted(2)).failure is not None
    finally:
        stop.set()
        thread.join()
    assert all(type(lock) is type(alive[0]) for lock in alive)
    assert not alive or type(alive[0]) is type(threading.Lock())


def test_a_program_that_remembers_earlier_runs_is_refused() -> None:
    runs: list[int] = []

    def setup() -> Box:
        runs.append(1)
        return Box()

    def fickle(box: Box) -> None:
        if len(runs) < 3:
            box.value += 1
            box.value += 1
        box.value += 1

    with pytest.raises(NotDeterministic):
        explore(setup, [fickle, fickle])


@pytest.mark.parametrize("number", [0, 1, 5])
def test_it_takes_two_to_four_threads(number: int) -> None:
    with pytest.raises(ValueError, match="expected two to 4 threads"):
        explore(Box, [add] * number)


def test_running_out_of_executions_is_not_a_proof() -> None:
    def much(box: Box) -> None:
        for _ in range(5):
            box.items.append(1)

    exploration = explore(Box, [much, much], most_executions=20)
    assert exploration == Exploration(20, False, 2, None, exploration.longest)
    assert "NOT ALL" in str(exploration)
    with pytest.raises(AssertionError, match="NOT ALL"):
        assert_all_schedules(Box, [much, much], most_executions=20)


def test_every_bytecode_finds_no_more_but_tries_more() -> None:
    def inc(box: Box) -> None:
        with box.lock:
            box.value += 1

    some = assert_all_schedules(Box, [inc, inc], counted(2), preemptions=1)
    more = assert_all_schedules(Box, [inc, inc], counted(2), preemptions=1, switches=every)
    assert more.executions > some.executions
    assert explore(Box, [add, add], counted(2), switches=every).failure is not None


def test_where_the_interpreter_looks_for_a_switch_is_not_everywhere() -> None:
    """With the GIL `x += 1` is atomic, by accident; with a call between the read and the write it is not."""

    def pause() -> None:
        pass

    def read_pause_write(box: Box) -> None:
        value = box.value
        pause()
        box.value = value + 1

    def read_loop_write(box: Box) -> None:
        value = box.value
        for _ in (1, 2):
            value = value + 0
        box.value = value + 1

    assert_all_schedules(Box, [add, add], counted(2), switches=checked, preemptions=None)
    assert_all_schedules(Box, [load_then_store, load_then_store], counted(2), switches=checked)
    assert explore(Box, [read_pause_write] * 2, counted(2), switches=checked).failure is not None
    assert explore(Box, [read_loop_write] * 2, counted(2), switches=checked).failure is not None


def test_a_litmus_test_can_be_explored(backend: Any) -> None:
    class Counting:
        make: Callable[[], Any]
        outcomes: ClassVar[dict[int, Any]] = {2: ACCEPTABLE("both are counted")}

        def __init__(self) -> None:
            self.cell = self.make()

        @actor
        def first(self) -> None:
            self.count()

        @actor
        def second(self) -> None:
            self.count()

        @observer
        def total(self, first: None, second: None) -> int:
            return int(self.cell.load())

        def count(self) -> None:
            self.cell.inc()

    @litmus
    class Atomic(Counting):
        make = backend.AtomicInt

    @litmus
    class Split(Counting):
        make = backend.AtomicInt

        def count(self) -> None:
            self.cell.store(self.cell.load() + 1)

    exploration = explore_litmus(Atomic)
    assert exploration.complete
    failure = explore_litmus(Split).failure
    assert failure is not None
    assert "Split: 1 is forbidden" in str(failure)
    assert "a: first" in str(failure)
