"""The pure-Python twin alone: interrupted between any two bytecodes, interleaved with another thread, and its
memory. Its operations are ordinary Python code, so all this can be tried in order, not left to chance."""

import contextlib
import faulthandler
import gc
import inspect
import itertools
import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from atomicx import _reference as twin
from atomicx._reference import chain
from atomicx._reference.chain import CUT, Version

pytestmark = pytest.mark.twin

SOURCES = str(Path(twin.__file__).parent)

WATCHDOG_SECONDS = 300

INT_OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "load": lambda cell: cell.load(),
    "store": lambda cell: cell.store(100),
    "exchange": lambda cell: cell.exchange(200),
    "inc": lambda cell: cell.inc(),
    "fetch_add": lambda cell: cell.fetch_add(10),
    "compare_and_set": lambda cell: cell.compare_and_set(5, 50),
    "compare_exchange": lambda cell: cell.compare_exchange(5, 60),
    "fetch_max": lambda cell: cell.fetch_max(7),
    "try_add": lambda cell: cell.try_add(3, 8),
    "fetch_inc_mod": lambda cell: cell.fetch_inc_mod(6),
    "update": lambda cell: cell.update(lambda value: value * 2),
    "iadd": lambda cell: cell.__iadd__(4) is cell,
    "again": lambda cell: cell.__init__(9),
}


@pytest.fixture(autouse=True)
def watchdog(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """End the run, and say where, if an operation loops, as on a chain that lost its newest version."""
    with capfd.disabled():
        stderr = os.dup(2)
    faulthandler.dump_traceback_later(WATCHDOG_SECONDS, exit=True, file=stderr)
    yield
    faulthandler.cancel_dump_traceback_later()
    os.close(stderr)


def is_twins(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(SOURCES)


def interrupted(operation: Callable[[], Any], at: int, interruption: Callable[[], Any]) -> tuple[Any, bool]:
    """Run the operation, interrupted before one of the twin's bytecodes, as a signal handler might.

    Return the operation's result, and whether it had that many bytecodes.
    """
    countdown = itertools.count(at, -1)
    reached = False

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal reached
        if not is_twins(frame):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            left = next(countdown)
            assert left > -10_000, "the operation does not end"
            if left == 0:
                reached = True
                interruption()
        return trace

    before = sys.gettrace()
    # 3.12 checks whether any frame asks for bytecodes at the moment when the tracer is set.
    sys._getframe().f_trace_opcodes = True
    sys.settrace(trace)
    try:
        result = operation()
    finally:
        sys.settrace(before)
    return result, reached


def in_sequence(*operations: Callable[[Any], Any]) -> tuple[Any, ...]:
    cell = twin.AtomicInt(5)
    return (*(operation(cell) for operation in operations), cell.load())


@pytest.mark.parametrize("inner", ["load", "store", "fetch_add", "compare_and_set"])
@pytest.mark.parametrize("outer", INT_OPERATIONS)
def test_interrupted_before_any_bytecode(outer: str, inner: str) -> None:
    """The interrupted operation behaves as if it had come before the other, or after it."""
    one, other = INT_OPERATIONS[outer], INT_OPERATIONS[inner]
    first, second, value = in_sequence(one, other)
    then_second, then_first, then_value = in_sequence(other, one)
    allowed = {(first, second, value), (then_first, then_second, then_value)}
    seen = set()
    for at in itertools.count():
        cell = twin.AtomicInt(5)
        inner_results: list[Any] = []
        result, reached = interrupted(
            lambda cell=cell: one(cell), at, lambda cell=cell, kept=inner_results: kept.append(other(cell))
        )
        if not reached:
            break
        seen.add((result, *inner_results, cell.load()))
        check_tidy(cell)
    assert at > 20, "the interruptions were not seen"
    # The first bytecode still comes before the operation, and the last one after it, so both must be seen.
    assert seen == allowed


HISTOGRAMS: dict[str, tuple[Callable[[Any, int], None], Callable[[Any], int]]] = {
    "Histogram": (lambda cell, number: cell.__init__([number]), lambda cell: int(cell.bounds[0])),
    "ExponentialHistogram": (lambda cell, number: cell.__init__(number), lambda cell: cell.scale),
}


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_one_of_two_that_initialise_wins(name: str) -> None:
    """The other one is told, and neither leaves anything of its own in the winner's histogram."""
    initialise, shape_of = HISTOGRAMS[name]
    seen = set()
    for at in itertools.count():
        cell = getattr(twin, name).__new__(getattr(twin, name))
        done: list[int] = []

        def try_to_initialise(number: int, cell: Any = cell, done: list[int] = done) -> None:
            with contextlib.suppress(RuntimeError):
                initialise(cell, number)
                done.append(number)

        _, reached = interrupted(partial(try_to_initialise, 1), at, partial(try_to_initialise, 3))
        if not reached:
            break
        assert done == [shape_of(cell)]
        seen.update(done)
    assert seen == {1, 3}


def check_tidy(cell: Any) -> None:
    """After the next write the table has only the current version."""
    cell.__init__(1)
    version, _ = chain.current(cell)
    assert list(cell._Cell__table.values()) == [version]
    assert cell._Cell__head is version


def versions_alive() -> int:
    return sum(type(found) is Version and found is not CUT for found in gc.get_objects())


def test_an_interrupted_operation_keeps_few_versions() -> None:
    """However much is done meanwhile: a thread may pause for long in the middle of an operation."""
    cell = twin.AtomicInt()
    outside = versions_alive()
    most = 0

    def work() -> None:
        nonlocal most
        for _ in range(40):
            cell.inc()
        most = max(most, versions_alive())

    for at in itertools.count():
        _, reached = interrupted(cell.inc, at, work)
        if not reached:
            break
    assert cell.load() == at * 41 + 1
    # The current one, and the two that the interrupted operation holds.
    assert most - outside <= 2, "the current version, and the two that the interrupted operation holds"


class Item:
    """An object to hold and to watch with a weak reference."""


@pytest.mark.parametrize("inner", ["store", "exchange", "compare_and_set"])
@pytest.mark.parametrize("outer", ["store", "exchange", "compare_and_set", "load"])
def test_replaced_objects_go_at_once(outer: str, inner: str) -> None:
    """When the operations have returned, the objects are gone: no further operation has to clean up."""

    def perform(name: str, cell: Any, old: Any, new: Any) -> None:
        if name == "load":
            cell.load()
        else:
            getattr(cell, name)(*((old, new) if name == "compare_and_set" else (new,)))

    for at in itertools.count():
        objects = [Item() for _ in range(3)]
        looks = [weakref.ref(item) for item in objects]
        cell = twin.AtomicRef(objects[0])
        _, reached = interrupted(
            lambda cell=cell, objects=objects: perform(outer, cell, objects[0], objects[1]),
            at,
            lambda cell=cell, objects=objects: perform(inner, cell, objects[0], objects[2]),
        )
        if not reached:
            break
        objects.clear()
        alive = [look() for look in looks if look() is not None]
        held = cell.load()
        assert alive == [held]
        del alive
        count = sys.getrefcount(held)
        cell.store(None)
        assert sys.getrefcount(held) == count - 1
        del held
        assert [look() for look in looks] == [None] * 3


class Turns:
    """Two threads, one of which runs at a time; they switch at chosen lines of chain.py."""

    def __init__(self, schedule: tuple[int, ...], actors: list[Callable[[], Any]]) -> None:
        self.left = list(schedule)
        self.actors = actors
        self.results: list[Any] = [None] * len(actors)
        self.running = [True] * len(actors)
        self.may_run = [threading.Semaphore(0) for _ in actors]
        self.switches = 0

    def line(self, number: int) -> None:
        """Called before a line of chain.py runs."""
        if not self.left or not self.running[1 - number]:
            return
        if self.left[0] > 0:
            self.left[0] -= 1
            return
        del self.left[0]
        self.switches += 1
        self.may_run[1 - number].release()
        assert self.may_run[number].acquire(timeout=60)

    def act(self, number: int) -> None:
        def trace(frame: FrameType, event: str, argument: object) -> Any:
            if frame.f_code.co_filename != chain.__file__:
                return None if not is_twins(frame) else trace
            if event == "line":
                self.line(number)
            return trace

        assert self.may_run[number].acquire(timeout=60)
        sys.settrace(trace)
        try:
            self.results[number] = self.actors[number]()
        finally:
            sys.settrace(None)
            self.running[number] = False
            self.may_run[1 - number].release()

    def run(self) -> list[Any]:
        threads = [threading.Thread(target=self.act, args=(number,)) for number in range(len(self.actors))]
        for thread in threads:
            thread.start()
        self.may_run[0].release()
        for thread in threads:
            thread.join()
        return self.results


def add_times(cell: Any, times: int) -> list[int]:
    return [cell.fetch_add() for _ in range(times)]


def test_interleaved_by_lines() -> None:
    """One thread adds once and the other twice; they switch before any line of the first, then before any
    line of the second, and perhaps once more. No line of chain.py has two accesses to their shared state."""
    complete = 0
    for lengths in itertools.product(range(24), range(54), (5, 99)):
        cell = twin.AtomicInt()
        turns = Turns(lengths, [partial(add_times, cell, 1), partial(add_times, cell, 2)])
        one, other = turns.run()
        assert sorted(one + other) == [0, 1, 2], lengths
        assert other == sorted(other), lengths
        complete += turns.switches == 3
        check_tidy(cell)
    assert complete > 500


def test_no_line_of_the_chain_has_two_shared_accesses() -> None:
    """The test above relies on this."""
    accesses = ("._Cell__head", "._Cell__table", ".value", ".get(", ".setdefault(", ".pop(", "[", "list(")
    for function in (chain.current, chain.swap, chain.supersede, chain.find_head, chain.forget_superseded):
        lines = inspect.getsource(function).splitlines()[1:]
        for line in lines:
            assert sum(line.count(access) for access in accesses) <= 1, line


@pytest.mark.parametrize("operation", ["inc", "fetch_add", "drain"])
def test_near_the_recursion_limit(operation: str) -> None:
    """An operation that raises RecursionError has not happened, and one that happened does not raise."""
    cell = twin.Counter() if operation == "drain" else twin.AtomicInt()
    act = getattr(cell, operation)
    performed = 0

    def descend(frames: int) -> None:
        nonlocal performed
        if frames:
            return descend(frames - 1)
        act()
        performed += 1

    limit = sys.getrecursionlimit()
    depth = len(inspect.stack())
    for frames in range(limit - depth - 30, limit - depth):
        with contextlib.suppress(RecursionError):
            descend(frames)
    assert 0 < performed < 30
    assert chain.current(cell)[0].number - 1 == performed


def test_memory_is_flat() -> None:
    cell = twin.AtomicInt()
    for _ in range(1000):
        cell.inc()
    gc.collect()
    blocks = sys.getallocatedblocks()
    for _ in range(20_000):
        cell.inc()
    gc.collect()
    assert sys.getallocatedblocks() - blocks < 200
    check_tidy(cell)
