"""Threads on one Histogram: no observation is lost, drained twice, or seen where it did not happen."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

import atomicx
from support.race import must_be_caught, pause, race, require, stays_whole

SIZE = 2000
BOUNDS = (1.0, 2.0)
VALUES = (1.0, 2.0, 4.0)  # one per bucket


class SplitHistogram:
    """Every change is a read, followed by a write."""

    def __init__(self) -> None:
        self.state = atomicx.HistogramSnapshot((0, 0, 0), 0.0)

    def observe(self, value: float) -> None:
        counts, total = self.state
        pause()
        bucket = VALUES.index(value)
        self.state = atomicx.HistogramSnapshot(
            tuple(count + (index == bucket) for index, count in enumerate(counts)), total + value
        )

    def snapshot(self) -> atomicx.HistogramSnapshot:
        return self.state

    def drain(self) -> atomicx.HistogramSnapshot:
        taken = self.state
        pause()
        self.state = atomicx.HistogramSnapshot((0, 0, 0), 0.0)
        return taken


class StaleBase:
    """Keeps drained counts apart from counted ones, and does not check whether they moved meanwhile."""

    def __init__(self) -> None:
        self.counted = 0
        self.drained = 0

    def observe(self, value: float) -> None:
        self.counted += 1

    def snapshot(self) -> atomicx.HistogramSnapshot:
        drained = self.drained
        pause()
        return atomicx.HistogramSnapshot((self.counted - drained, 0, 0), 0.0)

    def drain(self) -> None:
        self.drained = self.counted


class LeadingSum(SplitHistogram):
    """Adds the value first, and counts it afterwards."""

    def __init__(self) -> None:
        self.total = 0.0
        self.counts = [0, 0, 0]

    def observe(self, value: float) -> None:
        self.total += value
        pause()
        self.counts[VALUES.index(value)] += 1

    def snapshot(self) -> atomicx.HistogramSnapshot:
        return atomicx.HistogramSnapshot(tuple(self.counts), self.total)


def observations_are_all_counted(histogram: Any) -> None:
    def act() -> None:
        mine = histogram
        for _ in range(SIZE):
            for value in VALUES:
                mine.observe(value)

    race(act, act, act)
    require(
        histogram.snapshot() == ((3 * SIZE,) * 3, 3 * SIZE * sum(VALUES)),
        "an observation was lost or doubled",
    )


def one_drains_what_others_observe(histogram: Any) -> None:
    done: list[None] = []

    def drain() -> list[Any]:
        taken = [histogram.drain() for _ in range(SIZE)]
        done.append(None)
        return taken

    def observe() -> int:
        rounds = 0
        while not done:
            for value in VALUES:
                histogram.observe(value)
            rounds += 1
        return rounds

    taken, *rounds = race(drain, observe, observe)
    taken.append(histogram.drain())
    counts = [sum(column) for column in zip(*(part.counts for part in taken), strict=True)]
    require(counts == [sum(rounds)] * 3, "an observation was drained twice, or never")
    require(
        sum(part.sum for part in taken) == sum(rounds) * sum(VALUES), "a value was drained twice, or never"
    )
    require(histogram.snapshot() == ((0, 0, 0), 0.0), "a drained histogram does not start at 0")


def all_observe_and_drain(histogram: Any) -> None:
    def act() -> list[Any]:
        taken = []
        for _ in range(SIZE):
            histogram.observe(1.0)
            taken.append(histogram.drain())
        return taken

    one, other = race(act, act)
    taken = [*one, *other, histogram.drain()]
    require(sum(part.counts[0] for part in taken) == 2 * SIZE, "an observation was drained twice, or never")
    require(sum(part.sum for part in taken) == 2 * SIZE, "a value was drained twice, or never")


def snapshots_lie_between(histogram: Any) -> None:
    """Each bucket has at least what had been observed before, and at most what had begun; and no value
    appears without its observation."""
    begun = [0, 0]
    finished = [0, 0]

    def observing(index: int) -> Callable[[], None]:
        def act() -> None:
            for count in range(1, SIZE + 1):
                begun[index] = count
                histogram.observe(VALUES[index])
                finished[index] = count

        return act

    def look() -> tuple[bool, bool]:
        bounded = lagging = True
        while sum(finished) < 2 * SIZE:
            least = list(finished)
            counts, total = histogram.snapshot()
            bounded = bounded and all(
                low <= seen <= high for low, seen, high in zip(least, counts, begun, strict=False)
            )
            lagging = lagging and total <= counts[0] * VALUES[0] + counts[1] * VALUES[1]
        return bounded, lagging

    bounded, lagging = race(look, observing(0), observing(1), naps=2)[0]
    require(bounded, "a snapshot missed a finished observation, or made one up")
    require(lagging, "a value is in the sum, and its observation is not in the counts")


def snapshots_see_nothing_that_was_drained(histogram: Any) -> None:
    done: list[None] = []

    def act() -> None:
        for _ in range(5 * SIZE):
            histogram.observe(1.0)
            histogram.drain()
        done.append(None)

    def look() -> bool:
        right = True
        while not done:
            right = right and 0 <= histogram.snapshot().counts[0] <= 1
        return right

    require(race(look, act, naps=4)[0], "a snapshot returned observations that had been drained")


@pytest.mark.parametrize(
    ("workload", "controls"),
    [
        (observations_are_all_counted, [SplitHistogram]),
        (one_drains_what_others_observe, [SplitHistogram]),
        (all_observe_and_drain, [SplitHistogram]),
        (snapshots_lie_between, [SplitHistogram, LeadingSum]),
        (snapshots_see_nothing_that_was_drained, [StaleBase]),
    ],
    ids=lambda parameter: "-".join(
        each.__name__ for each in (parameter if isinstance(parameter, list) else [parameter])
    ),
)
def test_histogram(
    backend: ModuleType, workload: Callable[[Any], None], controls: list[Callable[[], Any]]
) -> None:
    stays_whole(workload, lambda: backend.Histogram(BOUNDS))
    for control in controls:
        must_be_caught(workload, control)
