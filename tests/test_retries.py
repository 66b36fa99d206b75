"""An update that starts over, because its function changed the cell, leaks nothing of the first attempt."""

import gc
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

RUNS = 500
TRIES = 5


def fresh_int(seed: int) -> int:
    return 10**12 + seed


def fresh_float(seed: int) -> float:
    return 0.5 + seed


def fresh_list(seed: int) -> list[int]:
    return [seed]


def growth(run: Callable[[int], None]) -> int:
    """Return by how many blocks memory grew over RUNS runs: the least of several tries, since the interpreter
    caches. One try without a leak is enough."""
    grown = []
    for _ in range(TRIES):
        gc.collect()
        before = sys.getallocatedblocks()
        for seed in range(RUNS):
            run(seed)
        gc.collect()
        grown.append(sys.getallocatedblocks() - before)
        if grown[-1] < RUNS // 2:
            break
    return min(grown)


@pytest.mark.parametrize("name", ["update", "fetch_update"])
@pytest.mark.parametrize(
    ("cell_type", "fresh"),
    [("AtomicInt", fresh_int), ("AtomicFloat", fresh_float), ("AtomicRef", fresh_list)],
)
def test_an_update_that_starts_over_leaks_nothing(
    backend: ModuleType, cell_type: str, fresh: Callable[[int], Any], name: str
) -> None:
    cell = getattr(backend, cell_type)(fresh(0))
    update = getattr(cell, name)

    def run(seed: int) -> None:
        attempts = 0

        def function(_: object) -> Any:
            nonlocal attempts
            attempts += 1
            if attempts == 1:
                cell.store(fresh(RUNS + seed))  # a value that the cell does not hold
            return fresh(seed)

        update(function)
        assert attempts == 2

    assert growth(run) < RUNS // 2
