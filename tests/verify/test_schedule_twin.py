"""The pure-Python twin, stepped through by the explorer: each of its bytecodes is a step here.

So this proves, within the bounds, that no order of two threads makes it lose, double or invent a value.
"""

from collections.abc import Callable
from typing import Any

import pytest

import atomicx._reference as twin
from atomicx.verify.schedules.explorer import assert_all_schedules, explore

pytestmark = pytest.mark.twin


def twin_inc(cell: Any) -> None:
    cell.inc()


def twin_swap(value: int) -> Callable[[Any], Any]:
    def exchange(cell: Any) -> Any:
        return cell.exchange(value)

    return exchange


def whole_chain(cell: Any, results: tuple[Any, ...]) -> None:
    """Check that every value is found by exactly one operation, or is left at the end."""
    assert sorted([*results, cell.load()]) == [0, 1, 2]


def test_two_incs_of_the_twin_in_every_schedule() -> None:
    """Each of the twin's bytecodes is a step here: with up to two preemptions no schedule loses a count."""
    exploration = assert_all_schedules(
        twin.AtomicInt, [twin_inc, twin_inc], lambda cell, _: cell.load() == 2, step_into=[twin]
    )
    assert exploration.longest > 30, "it was not stepped through"


def test_two_exchanges_of_the_twin_in_every_schedule() -> None:
    assert_all_schedules(twin.AtomicInt, [twin_swap(1), twin_swap(2)], whole_chain, step_into=[twin])


def test_a_reader_of_the_twin_sees_values_in_their_order() -> None:
    def read(cell: Any) -> tuple[int, int]:
        return cell.load(), cell.load()

    def in_order(cell: Any, results: tuple[Any, ...]) -> bool:
        (first, second), _ = results
        return 0 <= first <= second <= 1

    assert_all_schedules(twin.AtomicInt, [read, twin_inc], in_order, step_into=[twin])


class Forgetful(dict):  # type: ignore[type-arg]
    """A link that is set in two steps: the read and the write of a setdefault that is not atomic."""

    def setdefault(self, key: Any, value: Any = None) -> Any:
        if key not in self:
            self[key] = value
        return self[key]


def test_a_twin_whose_link_is_set_in_two_steps_is_caught() -> None:
    class Link:
        def __init__(self, value: int) -> None:
            self.value = value
            self.next = Forgetful()

    class Cell:
        def __init__(self) -> None:
            self.head = Link(0)

        def load(self) -> int:
            while "next" in self.head.next:
                self.head = self.head.next["next"]
            return self.head.value

        def inc(self) -> None:
            while True:
                value = self.load()
                head, new = self.head, Link(value + 1)
                if head.next.setdefault("next", new) is new:
                    return

    failure = explore(Cell, [twin_inc, twin_inc], lambda cell, _: cell.load() == 2).failure
    assert failure is not None
