"""Threads on one Counter: no count is lost, drained twice, or seen out of bounds."""

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from support.race import fits, must_be_caught, race, require, stays_whole
from support.split import INT64_MAX, SPLIT, ForgetfulCounter, LateCheck, StaleBase

SIZE = 2000
THREADS_BORN = 2000
BORN_AT_ONCE = 20


def additions_are_all_counted(counter: Any) -> None:
    def act() -> None:
        mine = counter
        for _ in range(SIZE):
            mine.inc()
            mine.add(5)
            mine += 3

    race(act, act, act)
    require(counter.load() == 3 * SIZE * 9, "an addition was lost")


def one_drains_what_others_count(counter: Any) -> None:
    done: list[None] = []

    def drain() -> list[int]:
        taken = [counter.drain() for _ in range(SIZE)]
        done.append(None)
        return taken

    def add() -> int:
        rounds = 0
        while not done:
            counter.inc()
            counter.add(2)
            rounds += 1
        return 3 * rounds

    taken, *added = race(drain, add, add)
    require(min(taken) >= 0, "a drain gave a negative count")
    left = counter.load()
    require(sum(taken) + left == sum(added), "a count was drained twice, or never")
    require(counter.drain() == left, "the last drain is not what was left")
    require(counter.load() == 0, "a drained counter does not start at 0")


def all_count_and_drain(counter: Any) -> None:
    """Nearly every drain finds something, so that two at once would both report it."""

    def act() -> int:
        taken = 0
        for _ in range(SIZE):
            counter.inc()
            taken += counter.drain()
        return taken

    require(sum(race(act, act)) + counter.drain() == 2 * SIZE, "a count was drained twice, or never")


def loads_lie_between(counter: Any) -> None:
    """A load returns at least the total at its start and at most the total at its end, and never less
    than an earlier load of the same thread."""
    begun = [0, 0]
    finished = [0, 0]

    def adding(index: int) -> Callable[[], None]:
        def act() -> None:
            for count in range(1, SIZE + 1):
                begun[index] = count
                counter.inc()
                finished[index] = count

        return act

    def look() -> tuple[bool, bool]:
        bounded = monotone = True
        last = 0
        while sum(finished) < 2 * SIZE:
            least = sum(finished)
            seen = counter.load()
            bounded = bounded and least <= seen <= sum(begun)
            monotone = monotone and last <= seen
            last = seen
        return bounded, monotone

    bounded, monotone = race(look, adding(0), adding(1))[0]
    require(bounded, "a load missed a finished addition, or made one up")
    require(monotone, "a load returned less than the one before")


def loads_see_nothing_that_was_drained(counter: Any) -> None:
    """One thread counts one and takes it out again, so a load must never see more than one. The window is a
    few nanoseconds between two reads, so naps on the reader's core have to stretch it."""
    done: list[None] = []

    def act() -> None:
        for _ in range(10 * SIZE):
            counter.inc()
            counter.drain()
        done.append(None)

    def look() -> bool:
        right = True
        while not done:
            right = right and 0 <= counter.load() <= 1
        return right

    require(race(look, act, naps=4)[0], "a load returned counts that had been drained")


@pytest.mark.parametrize(
    ("workload", "control"),
    [
        (additions_are_all_counted, SPLIT["Counter"]),
        (one_drains_what_others_count, SPLIT["Counter"]),
        (all_count_and_drain, SPLIT["Counter"]),
        (loads_lie_between, SPLIT["Counter"]),
        (loads_see_nothing_that_was_drained, StaleBase),
    ],
    ids=lambda parameter: parameter.__name__,
)
def test_counter(backend: ModuleType, workload: Callable[[Any], None], control: Callable[[], Any]) -> None:
    stays_whole(workload, backend.Counter)
    must_be_caught(workload, control)


def no_total_passes_the_end(counter: Any) -> None:
    """There is room for SIZE more counts; twice as many are tried."""
    first = counter.load()
    done: list[None] = []

    def add() -> int:
        successes = sum(fits(lambda: counter.add(1)) for _ in range(SIZE))
        done.append(None)
        return successes

    def look() -> bool:
        inside = True
        while len(done) < 2:
            inside = inside and first <= counter.load() <= INT64_MAX
        return inside

    one, other, inside = race(add, add, look)
    require(inside, "a wrapped total was seen")
    require(one + other == SIZE, "an addition failed too early, or too late")
    require(counter.load() == INT64_MAX, "the total is not the sum of the successes")


def test_overflow_is_exact_under_contention(backend: ModuleType) -> None:
    stays_whole(no_total_passes_the_end, lambda: backend.Counter(INT64_MAX - SIZE))
    must_be_caught(no_total_passes_the_end, lambda: LateCheck(INT64_MAX - SIZE))


def threads_come_and_go(counter: Any) -> None:
    def count() -> None:
        counter.inc()
        counter.inc()

    for _ in range(0, THREADS_BORN, BORN_AT_ONCE):
        threads = [threading.Thread(target=count) for _ in range(BORN_AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    require(counter.load() == 2 * THREADS_BORN, "the counts of a thread went with it")


def test_counts_outlive_their_threads(backend: ModuleType) -> None:
    threads_come_and_go(backend.Counter())
    must_be_caught(threads_come_and_go, ForgetfulCounter)
