"""The end of cells: one that the collector has cleared can still be found, and loads: it holds None, not
nothing; a long chain of cells, one in the other, is released without a deep recursion; and a counter gives
back its stripes.
"""

import gc
import threading
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from support.race import GIL, rounds

# A twin that was cleared has lost its attributes, as any object of a Python class.
CLEARED_TWIN = AttributeError
CHAIN = 100_000
STACK_BYTES = 1024 * 1024


class Late:
    """Made by a finalizer, so it dies while the collector clears, and looks around then."""

    def __init__(self, base: type, loaded: list[Any]) -> None:
        self.base = base
        self.loaded = loaded

    def __del__(self) -> None:
        # It must not refer to the cell, which would live on; the collector's own list finds it.
        for thing in gc.get_objects():
            if type(thing) is self.base:
                with suppress(CLEARED_TWIN):
                    self.loaded.append(thing.load())


class Early:
    """Part of the garbage: its finalizer runs before anything is cleared."""

    def __init__(self, cell: Any, loaded: list[Any]) -> None:
        self.cell = cell
        self.loaded = loaded

    def __del__(self) -> None:
        self.cell.store(Late(type(self.cell), self.loaded))


def test_a_cleared_cell_still_loads(backend: ModuleType) -> None:
    class Mine(backend.AtomicRef):  # type: ignore[misc, name-defined]
        """A type of its own, so that only this test's cell is found."""

    loaded: list[Any] = []
    cell = Mine()
    cell.early = Early(cell, loaded)
    del cell
    gc.collect()
    gc.collect()
    # Where the collector hides what it is clearing there is nothing to be found.
    assert all(thing is None or isinstance(thing, Late) for thing in loaded)


def test_a_long_chain_of_cells_is_released(backend: ModuleType) -> None:
    """A recursion of this depth would overflow the small stack of the thread, and end the process."""

    def release() -> None:
        chain = None
        for _ in range(CHAIN):
            chain = backend.AtomicRef(chain)
        del chain

    before = threading.stack_size(STACK_BYTES)
    try:
        thread = threading.Thread(target=release)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()


def count(counter: Any) -> None:
    for _ in range(20_000):
        counter.inc()


def traced_in_count() -> int:
    """How many bytes that count allocated are there still: of an addition, only stripes last."""
    gc.collect()
    lines = tracemalloc.take_snapshot().statistics("lineno")
    first = count.__code__.co_firstlineno
    here = [line for line in lines if line.traceback[0].filename == __file__]
    return sum(line.size for line in here if line.traceback[0].lineno == first + 2)


def counting() -> Any:
    from atomicx._core import Counter

    return Counter()


def observing() -> Any:
    from atomicx._core import Histogram

    return SimpleNamespace(inc=partial(Histogram([1.0]).observe, 0.5))


@pytest.mark.skipif(GIL, reason="with the GIL nothing has stripes")
@pytest.mark.parametrize("make", [counting, observing])
def test_stripes_are_given_back(make: Callable[[], Any]) -> None:
    tracemalloc.start()
    try:
        for _ in rounds(60):
            counter = make()
            threads = [threading.Thread(target=count, args=(counter,)) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if striped := traced_in_count():
                break
        assert striped, "two threads never met in a counter"
        del counter, threads, thread
        assert traced_in_count() == 0
    finally:
        tracemalloc.stop()
