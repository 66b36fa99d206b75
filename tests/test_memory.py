"""What the C module's cells allocate: sys.getsizeof() reports all of it, and all of it is given back."""

import gc
import os
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from support.race import GIL, race, rounds

pytestmark = pytest.mark.skipif(
    os.environ.get("ATOMICX_PURE") == "1",
    reason="ATOMICX_PURE=1 leaves out the C module, and the twin allocates as all Python code does",
)


@pytest.fixture(autouse=True)
def tracing() -> Iterator[None]:
    tracemalloc.start()
    yield
    tracemalloc.stop()


def traced_after(function: Callable[..., Any], lines: int) -> int:
    """Return how many of the bytes allocated `lines` lines after the function's first line still exist."""
    gc.collect()
    found = tracemalloc.take_snapshot().statistics("lineno")
    here = [line for line in found if line.traceback[0].filename == __file__]
    number = function.__code__.co_firstlineno + lines
    return sum(line.size for line in here if line.traceback[0].lineno == number)


def counting() -> tuple[Any, Any]:
    from atomicx._core import Counter

    counter = Counter()
    return counter, counter


def observing() -> tuple[Any, Any]:
    from atomicx._core import Histogram

    histogram = Histogram([1.0])
    return histogram, SimpleNamespace(inc=partial(histogram.observe, 0.5))


def observing_without_bounds() -> tuple[Any, Any]:
    from atomicx._core import ExponentialHistogram

    histogram = ExponentialHistogram(0)
    return histogram, SimpleNamespace(inc=partial(histogram.observe, 0.5))


def count(counter: Any) -> None:
    for _ in range(20_000):
        counter.inc()


def stripes_made() -> int:
    """Return the size in bytes: of an addition's allocations only stripes remain."""
    return traced_after(count, 2)


@pytest.mark.skipif(GIL, reason="with the GIL nothing has stripes")
@pytest.mark.parametrize("make", [counting, observing, observing_without_bounds])
def test_stripes(make: Callable[[], tuple[Any, Any]]) -> None:
    for _ in rounds(60):
        cell, counter = make()
        plain = sys.getsizeof(cell)
        race(partial(count, counter), partial(count, counter))
        if stripes := stripes_made():
            break
    assert stripes, "two threads never met"
    assert sys.getsizeof(cell) - plain == stripes
    del cell, counter
    assert stripes_made() == 0


def histogram_of(bound_count: int) -> Any:
    from atomicx._core import Histogram

    bounds = [float(bound) for bound in range(bound_count)]
    return Histogram(bounds)


@pytest.mark.parametrize("bound_count", [2, 7, 100])
def test_buckets(bound_count: int) -> None:
    least = histogram_of(1)
    traced = traced_after(histogram_of, 4)
    histogram = histogram_of(bound_count)
    more = traced_after(histogram_of, 4) - 2 * traced
    assert sys.getsizeof(histogram) - sys.getsizeof(least) == more
    del least, histogram
    assert traced_after(histogram_of, 4) == 0


def crowded_timer() -> Any:
    from atomicx._core import Histogram

    timer = Histogram([1.0]).time()
    with timer, timer, timer:
        return timer


def test_places_of_a_timer() -> None:
    """Overlapping entries take memory of their own, which is freed with the timer."""
    timer = crowded_timer()
    gc.collect()
    assert traced_after(crowded_timer, 4) > 0
    del timer
    gc.collect()
    assert traced_after(crowded_timer, 4) == 0


def test_size_without_buckets() -> None:
    from atomicx._core import Counter, ExponentialHistogram, Histogram

    for cls in (Counter, ExponentialHistogram, Histogram):
        assert cls.__new__(cls).__sizeof__() == cls.__basicsize__
