"""Threads on one AtomicRef: each object is returned as often as it was stored, and its count stays exact."""

import sys
import threading
from collections.abc import Callable, Iterator
from itertools import chain
from types import ModuleType
from typing import Any

import pytest

from support.race import must_be_caught, race, require, stays_whole
from support.split import SPLIT, MiscountingRef

SIZE = 2000
MEETING_SECONDS = 10  # in which two threads that are started together have to overlap, on any machine


class Stored:
    """A plain object: it is not immortal, and its count is not deferred."""

    def __init__(self, number: int = 0) -> None:
        self.number = number


def exchange_chain_is_whole(cell: Any) -> None:
    def acting(first: int) -> Callable[[], list[Stored]]:
        return lambda: [cell.exchange(Stored(number)) for number in range(first, first + SIZE)]

    returned = [*chain(*race(acting(0), acting(SIZE))), cell.load()]
    numbers = sorted(stored.number for stored in returned if stored is not None)
    require(numbers == list(range(2 * SIZE)), "an object was returned twice, or never")
    require(returned.count(None) == 1, "the first value was returned twice, or never")


def compare_and_set_pushes_whole(cell: Any) -> None:
    def acting(first: int) -> Callable[[], None]:
        def act() -> None:
            for number in range(first, first + SIZE):
                while True:
                    head = cell.load()
                    if cell.compare_and_set(head, (number, head)):
                        break

        return act

    race(acting(0), acting(SIZE))
    require(sorted(pushed(cell)) == list(range(2 * SIZE)), "a push was lost")


def the_witness_tells_who_pushed(cell: Any) -> None:
    def acting(first: int) -> Callable[[], None]:
        def act() -> None:
            head = cell.load()
            for number in range(first, first + SIZE):
                node = (number, head)
                while (witness := cell.compare_exchange(head, node)) is not head:
                    head = witness
                    node = (number, head)
                head = node

        return act

    race(acting(0), acting(SIZE))
    require(sorted(pushed(cell)) == list(range(2 * SIZE)), "a push was lost")


def update_pushes_whole(cell: Any) -> None:
    def acting(first: int) -> Callable[[], None]:
        def act() -> None:
            for number in range(first, first + SIZE):
                cell.update(lambda head, number=number: (number, head))

        return act

    race(acting(0), acting(SIZE))
    require(sorted(pushed(cell)) == list(range(2 * SIZE)), "a push was lost")


def fetch_update_pushes_whole(cell: Any) -> None:
    def acting(first: int) -> Callable[[], None]:
        def act() -> None:
            for number in range(first, first + SIZE):
                cell.fetch_update(lambda head, number=number: (number, head))

        return act

    race(acting(0), acting(SIZE))
    require(sorted(pushed(cell)) == list(range(2 * SIZE)), "a push was lost")


def pushed(cell: Any) -> Iterator[int]:
    """Return the numbers in the linked list, taking it apart: so its release does not nest deeply."""
    node = cell.exchange(None)
    while node is not None:
        number, node = node
        yield number


WORKLOADS = [
    exchange_chain_is_whole,
    compare_and_set_pushes_whole,
    the_witness_tells_who_pushed,
    update_pushes_whole,
    fetch_update_pushes_whole,
]


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.__name__)
def test_reference(backend: ModuleType, workload: Callable[[Any], None]) -> None:
    stays_whole(workload, backend.AtomicRef)
    must_be_caught(workload, SPLIT["AtomicRef"])


def toggling(make: Callable[[Stored, Stored], Any], full: bool) -> Callable[[Any], None]:
    """Three threads toggle two objects through one cell; the control can only compare and set."""

    def counts_stay_exact(_: Any) -> None:
        one, other = Stored(1), Stored(2)
        cell = make(one, other)
        before = sys.getrefcount(one), sys.getrefcount(other)

        def act() -> None:
            for _ in range(SIZE):
                cell.compare_and_set(one, other)
                cell.compare_and_set(other, one)
                if full:
                    cell.exchange(other)
                    cell.compare_exchange(other, one)
                    cell.load()
                    cell.store(other)
                    cell.update(lambda now: one if now is other else other)

        race(act, act, act)
        # However the race ended, the second of these two swaps brings the first object back.
        cell.compare_and_set(other, one)
        after = sys.getrefcount(one), sys.getrefcount(other)
        require(after == before, f"reference counts {before} became {after}")

    return counts_stay_exact


def test_reference_counts_stay_exact(backend: ModuleType) -> None:
    stays_whole(toggling(lambda one, other: backend.AtomicRef(one), full=True), lambda: None)
    must_be_caught(
        toggling(lambda one, other: MiscountingRef(one, [other], spare=10 * SIZE), full=False), lambda: None
    )


class Mortal:
    """Reports its death to the list that it was given."""

    def __init__(self, dead: list[int], number: int) -> None:
        self.dead = dead
        self.number = number

    def __del__(self) -> None:
        self.dead.append(self.number)


def dropping(make: Callable[[], Any]) -> Callable[[Any], None]:
    def each_object_dies_once(_: Any) -> None:
        cell = make()
        dead: list[int] = []

        def storing(first: int) -> Callable[[], None]:
            def act() -> None:
                for number in range(first, first + SIZE):
                    cell.store(Mortal(dead, number))

            return act

        def drop() -> None:
            for _ in range(SIZE):
                cell.exchange(None)

        def look() -> None:
            for _ in range(SIZE):
                cell.load()

        def initialise() -> None:
            for number in range(2 * SIZE, 3 * SIZE):
                cell.__init__(Mortal(dead, number))

        race(storing(0), storing(SIZE), initialise, drop, look)
        cell.store(None)
        require(sorted(dead) == list(range(3 * SIZE)), "an object died twice, or never")

    return each_object_dies_once


class Hoarder(SPLIT["AtomicRef"]):
    """Never releases the object that another thread stored during its own first store().

    The first store() waits for the other, so catching this takes no luck: it is caught in the first round,
    provided that the stores of two threads overlap at all.
    """

    def __new__(cls, value: Any = None) -> Any:  # __init__ is one of the operations
        cell = super().__new__(cls)
        cell.first, cell.met, cell.kept = threading.Lock(), threading.Event(), None
        return cell

    def store(self, value: Any) -> None:
        if self.first.acquire(blocking=False):
            self.met.wait(MEETING_SECONDS)
            self.met.set()  # values stored from now on did not meet this store
        elif not self.met.is_set():
            self.kept = value
            self.met.set()
        super().store(value)


def test_each_object_dies_once(backend: ModuleType) -> None:
    stays_whole(dropping(backend.AtomicRef), lambda: None)
    must_be_caught(dropping(Hoarder), lambda: None)
