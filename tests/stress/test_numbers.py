"""Threads on one integer or one float, shared between processes or not: the operations that both types have.

The floats are whole numbers below 2**53, so that every sum is exact.
"""

from collections.abc import Callable
from itertools import chain
from types import ModuleType
from typing import Any

import pytest

from support.marks import NARROW_SPLITS_SHOW
from support.native import native
from support.race import must_be_caught, race, require, stays_whole
from support.shared import maker
from support.split import SPLIT

SIZE = 2000


def sums_are_exact(cell: Any) -> None:
    def act() -> None:
        mine = cell
        for _ in range(SIZE):
            mine.add(3)
            mine += 7
            mine.fetch_add(5)
            mine.fetch_sub(2)
            mine.add_fetch(11)
            mine.sub_fetch(1)
            mine -= 4

    race(act, act)
    require(cell.load() == 2 * SIZE * (3 + 7 + 5 - 2 + 11 - 1 - 4), "a sum is not what was added")


def fetch_add_hands_out_each_value_once(cell: Any) -> None:
    def act() -> list[Any]:
        return [cell.fetch_add(1) for _ in range(SIZE)]

    taken = sorted(chain(*race(act, act)))
    require(taken == list(range(2 * SIZE)), "fetch_add gave a value twice, or never")


def fetch_sub_hands_out_each_value_once(cell: Any) -> None:
    def act() -> list[Any]:
        return [-cell.fetch_sub(1) for _ in range(SIZE)]

    taken = sorted(chain(*race(act, act)))
    require(taken == list(range(2 * SIZE)), "fetch_sub gave a value twice, or never")


def add_fetch_hands_out_each_value_once(cell: Any) -> None:
    def act() -> list[Any]:
        return [cell.add_fetch(1) for _ in range(SIZE)]

    taken = sorted(chain(*race(act, act)))
    require(taken == list(range(1, 2 * SIZE + 1)), "add_fetch gave a value twice, or never")


def sub_fetch_hands_out_each_value_once(cell: Any) -> None:
    def act() -> list[Any]:
        return [-cell.sub_fetch(1) for _ in range(SIZE)]

    taken = sorted(chain(*race(act, act)))
    require(taken == list(range(1, 2 * SIZE + 1)), "sub_fetch gave a value twice, or never")


def exchange_chain_is_whole(cell: Any) -> None:
    def acting(first: int) -> Callable[[], list[Any]]:
        return lambda: [cell.exchange(value) for value in range(first, first + SIZE)]

    returned = sorted([*chain(*race(acting(1), acting(1 + SIZE))), cell.load()])
    require(returned == list(range(2 * SIZE + 1)), "a value was returned twice, or never")


def compare_and_set_counts(cell: Any) -> None:
    def act() -> None:
        for _ in range(SIZE):
            while True:
                now = cell.load()
                if cell.compare_and_set(now, now + 1):
                    break

    race(act, act)
    require(cell.load() == 2 * SIZE, "two swaps of one value succeeded")


def the_witness_tells_who_swapped(cell: Any) -> None:
    def act() -> None:
        now = cell.load()
        for _ in range(SIZE):
            while (witness := cell.compare_exchange(now, now + 1)) != now:
                now = witness
            now += 1

    race(act, act)
    require(cell.load() == 2 * SIZE, "a witness said swapped where nothing was")


def fetch_max_never_goes_back(cell: Any) -> None:
    def acting(parity: int) -> Callable[[], bool]:
        def act() -> bool:
            last = 0
            steady = True
            for candidate in range(parity, 2 * SIZE, 2):
                before = cell.fetch_max(candidate)
                steady = steady and last <= before
                last = max(before, candidate)
            return steady

        return act

    require(all(race(acting(0), acting(1))), "fetch_max lost a greater value")
    require(cell.load() == 2 * SIZE - 1, "the greatest value is not there")


def fetch_min_never_goes_back(cell: Any) -> None:
    def acting(parity: int) -> Callable[[], bool]:
        def act() -> bool:
            last = 0
            steady = True
            for candidate in range(parity, 2 * SIZE, 2):
                before = cell.fetch_min(-candidate)
                steady = steady and before <= last
                last = min(before, -candidate)
            return steady

        return act

    require(all(race(acting(0), acting(1))), "fetch_min lost a smaller value")
    require(cell.load() == 1 - 2 * SIZE, "the smallest value is not there")


def update_hands_out_each_value_once(cell: Any) -> None:
    def act() -> list[Any]:
        return [cell.update(lambda now: now + 1) for _ in range(SIZE)]

    taken = sorted(chain(*race(act, act)))
    require(taken == list(range(1, 2 * SIZE + 1)), "update gave a value twice, or never")


def fetch_update_hands_out_each_value_once(cell: Any) -> None:
    def act() -> list[Any]:
        return [cell.fetch_update(lambda now: now + 1) for _ in range(SIZE)]

    taken = sorted(chain(*race(act, act)))
    require(taken == list(range(2 * SIZE)), "fetch_update gave a value twice, or never")


def loads_keep_up_with_additions(cell: Any) -> None:
    """A load sees everything that was finished before it, and nothing that had not begun when it ended."""
    begun = [0]
    finished = [0]

    def add() -> None:
        for count in range(1, SIZE + 1):
            begun[0] = count
            cell.add(1)
            finished[0] = count

    def take_and_give_back() -> None:
        for _ in range(SIZE):
            cell.fetch_add(0)

    def look() -> bool:
        right = True
        while finished[0] < SIZE:
            least = finished[0]
            seen = cell.load()
            right = right and least <= seen <= begun[0]
        return right

    require(race(add, look, take_and_give_back)[1], "a load missed a finished addition, or made one up")


WORKLOADS = [
    sums_are_exact,
    fetch_add_hands_out_each_value_once,
    fetch_sub_hands_out_each_value_once,
    add_fetch_hands_out_each_value_once,
    sub_fetch_hands_out_each_value_once,
    exchange_chain_is_whole,
    compare_and_set_counts,
    the_witness_tells_who_swapped,
    fetch_max_never_goes_back,
    fetch_min_never_goes_back,
    update_hands_out_each_value_once,
    fetch_update_hands_out_each_value_once,
    loads_keep_up_with_additions,
]


@pytest.mark.parametrize("type_name", ["AtomicInt", "AtomicFloat", "SharedInt", "SharedFloat"])
@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.__name__)
def test_number(backend: ModuleType, type_name: str, workload: Callable[[Any], None]) -> None:
    stays_whole(workload, maker(backend, type_name))
    must_be_caught(workload, SPLIT[type_name])


@NARROW_SPLITS_SHOW
@pytest.mark.parametrize(
    "workload",
    [fetch_add_hands_out_each_value_once, exchange_chain_is_whole, compare_and_set_counts],
    ids=lambda workload: workload.__name__,
)
def test_a_split_inside_one_c_call_is_caught(workload: Callable[[Any], None]) -> None:
    """The same workloads detect a window of a few nanoseconds too."""
    must_be_caught(workload, native("broken").SplitInt)
