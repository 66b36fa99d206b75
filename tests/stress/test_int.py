"""Threads on one AtomicInt or SharedInt: the operations that only integers have, and the limits of int64."""

from collections import Counter as Tally
from collections.abc import Callable
from itertools import chain, pairwise
from types import ModuleType
from typing import Any

import pytest

from support.marks import NARROW_SPLITS_SHOW
from support.native import native
from support.race import fits, must_be_caught, race, require, stays_whole
from support.shared import maker
from support.split import INT64_MAX, INT64_MIN, SPLIT, LateCheck

SIZE = 2000


def inc_and_dec_are_all_counted(cell: Any) -> None:
    def act() -> None:
        for _ in range(SIZE):
            cell.inc()
            cell.dec()
            cell.inc()

    race(act, act)
    require(cell.load() == 2 * SIZE, "an inc or a dec was lost")


def each_thread_keeps_its_bit(cell: Any) -> None:
    def acting(bit: int) -> Callable[[], bool]:
        def act() -> bool:
            kept = True
            for _ in range(SIZE):
                kept = kept and not cell.fetch_or(bit) & bit
                kept = kept and bool(cell.fetch_and(~bit) & bit)
                kept = kept and not cell.fetch_xor(bit) & bit
                kept = kept and bool(cell.fetch_xor(bit) & bit)
            return kept

        return act

    require(all(race(acting(1), acting(2))), "a thread's bit was changed by the other thread")


def each_thread_keeps_its_bit_in_place(cell: Any) -> None:
    def acting(bit: int) -> Callable[[], bool]:
        def act() -> bool:
            mine = cell
            kept = True
            for _ in range(SIZE):
                mine |= bit
                kept = kept and bool(mine.load() & bit)
                mine &= ~bit
                kept = kept and not mine.load() & bit
                mine ^= bit
                kept = kept and bool(mine.load() & bit)
                mine ^= bit
                kept = kept and not mine.load() & bit
            return kept

        return act

    require(all(race(acting(1), acting(2))), "a thread's bit was changed by the other thread")


def try_add_fills_up_to_the_limit(cell: Any) -> None:
    def act() -> int:
        return sum(cell.try_add(1, SIZE) for _ in range(SIZE))

    require(sum(race(act, act)) == SIZE, "more additions succeeded than the limit allows, or fewer")
    require(cell.load() == SIZE, "the limit was passed, or not reached")


def try_add_empties_down_to_the_limit(cell: Any) -> None:
    def act() -> int:
        return sum(cell.try_add(-1, -SIZE) for _ in range(SIZE))

    require(sum(race(act, act)) == SIZE, "more additions succeeded than the limit allows, or fewer")
    require(cell.load() == -SIZE, "the limit was passed, or not reached")


def try_add_bounds_what_is_in_flight(cell: Any) -> None:
    def act() -> bool:
        bounded = True
        for _ in range(SIZE):
            if cell.try_add(1, 2):
                bounded = bounded and 1 <= cell.load() <= 2 and cell.try_add(-1, 0)
        return bounded

    require(all(race(act, act, act)), "more than the limit were in flight, or fewer than there were")
    require(cell.load() == 0, "what was taken was not given back")


def fetch_inc_mod_is_balanced(cell: Any) -> None:
    modulus = 7

    def act() -> list[int]:
        return [cell.fetch_inc_mod(modulus) for _ in range(SIZE)]

    taken = Tally(chain(*race(act, act)))
    fair = {index: 2 * SIZE // modulus + (index < 2 * SIZE % modulus) for index in range(modulus)}
    require(taken == fair, "an index was taken too often")
    require(cell.load() == 2 * SIZE % modulus, "the next index is wrong")


def advance_is_unique_and_increasing(cell: Any) -> None:
    def acting(step: int) -> Callable[[], list[int]]:
        return lambda: [cell.advance(candidate) for candidate in range(0, step * SIZE, step)]

    one, other = race(acting(1), acting(2))
    require(all(a < b for a, b in pairwise(one)), "a thread's values do not increase")
    require(all(a < b for a, b in pairwise(other)), "a thread's values do not increase")
    require(not set(one) & set(other), "two threads got one value")


def track_ends_where_it_began(cell: Any) -> None:
    shared = cell.track()

    def act() -> bool:
        counted = True
        for _ in range(SIZE // 2):
            with cell.track():
                counted = counted and 1 <= cell.load() <= 2
        return counted

    def share() -> bool:
        counted = True
        for _ in range(SIZE // 2):
            with shared:
                counted = counted and 1 <= cell.load() <= 2
        return counted

    require(all(race(act, share)), "somebody in flight was not counted")
    require(cell.load() == 0, "the count is not back at zero")


WORKLOADS = [
    inc_and_dec_are_all_counted,
    each_thread_keeps_its_bit,
    each_thread_keeps_its_bit_in_place,
    try_add_fills_up_to_the_limit,
    try_add_empties_down_to_the_limit,
    try_add_bounds_what_is_in_flight,
    fetch_inc_mod_is_balanced,
    advance_is_unique_and_increasing,
    track_ends_where_it_began,
]


@pytest.mark.parametrize("type_name", ["AtomicInt", "SharedInt"])
@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.__name__)
def test_integer(backend: ModuleType, type_name: str, workload: Callable[[Any], None]) -> None:
    stays_whole(workload, maker(backend, type_name))
    must_be_caught(workload, SPLIT[type_name])


@NARROW_SPLITS_SHOW
def test_a_split_inside_one_c_call_is_caught() -> None:
    """The same workload detects a window of a few nanoseconds too."""
    must_be_caught(inc_and_dec_are_all_counted, native("broken").SplitInt)


def nobody_sees_a_wrapped_value(cell: Any, delta: int) -> None:
    """`delta` is 1 or -1, and there is room for SIZE of them before the limit of int64."""
    first = cell.load()
    last = first + SIZE * delta
    done: list[None] = []

    def add() -> int:
        successes = sum(fits(lambda: cell.fetch_add(delta)) for _ in range(SIZE))
        done.append(None)
        return successes

    def look() -> bool:
        inside = True
        while len(done) < 2:
            inside = inside and min(first, last) <= cell.load() <= max(first, last)
        return inside

    one, other, inside = race(add, add, look)
    require(inside, "a wrapped value was seen")
    require(one + other == SIZE, "an addition failed too early, or too late")
    require(cell.load() == last, "the sum of the successes is wrong")


@pytest.mark.parametrize(
    ("first", "delta"), [(INT64_MAX - SIZE, 1), (INT64_MIN + SIZE, -1)], ids=["upper", "lower"]
)
def test_overflow_is_exact_under_contention(backend: ModuleType, first: int, delta: int) -> None:
    def workload(cell: Any) -> None:
        nobody_sees_a_wrapped_value(cell, delta)

    stays_whole(workload, lambda: backend.AtomicInt(first))
    must_be_caught(workload, lambda: LateCheck(first))


@NARROW_SPLITS_SHOW
def test_a_late_check_inside_one_c_call_is_caught() -> None:
    """The same workload detects a window of a few nanoseconds too."""
    must_be_caught(
        lambda cell: nobody_sees_a_wrapped_value(cell, 1),
        lambda: native("broken").LateCheck(INT64_MAX - SIZE),
    )
