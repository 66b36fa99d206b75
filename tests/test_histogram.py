"""Histogram: which bucket a value falls into, what a snapshot and a drain are, and what is refused."""

import copy
import gc
import math
import pickle
import weakref
from bisect import bisect_left
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import atomicx
from model.edges import Float, Index, Refusal

BOUNDS = (-1.0, 0.0, 0.5, 1.0, 2.5, 10.0, 1e300)


def empty(bounds: Iterable[float]) -> tuple[tuple[int, ...], float]:
    return (0,) * (len(tuple(bounds)) + 1), 0.0


def test_a_new_histogram_is_empty(backend: ModuleType) -> None:
    histogram = backend.Histogram(BOUNDS)
    assert histogram.bounds == BOUNDS
    assert histogram.snapshot() == empty(BOUNDS)
    assert histogram.drain() == empty(BOUNDS)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33])
def test_every_bucket_has_its_values(backend: ModuleType, count: int) -> None:
    """A bound belongs to the bucket below it, and its neighbours on either side where they should."""
    bounds = [float(3 * number) for number in range(count)]
    for index, bound in enumerate(bounds):
        for value, bucket in (
            (math.nextafter(bound, -math.inf), index),
            (bound, index),
            (math.nextafter(bound, math.inf), index + 1),
        ):
            histogram = backend.Histogram(bounds)
            histogram.observe(value)
            counts = histogram.snapshot().counts
            assert counts.index(1) == bucket, f"{value!r} is in bucket {counts.index(1)} of {bounds}"
            assert sum(counts) == 1


@pytest.mark.parametrize(
    ("value", "bucket"),
    [
        *((-math.inf, 0), (math.inf, 7), (-0.0, 1), (0.0, 1), (5e-324, 2), (1.7976931348623157e308, 7)),
        *((1, 3), (True, 3), (Index(2), 4), (Float(0.25), 2), (10**300, 6)),
    ],
    ids=repr,
)
def test_values_of_all_kinds(backend: ModuleType, value: Any, bucket: int) -> None:
    histogram = backend.Histogram(BOUNDS)
    assert histogram.observe(value) is None
    assert histogram.snapshot().counts[bucket] == 1


def test_the_sum_is_that_of_the_values(backend: ModuleType) -> None:
    histogram = backend.Histogram(BOUNDS)
    for value in (0.5, 2, -4.25, 1e-3):
        histogram.observe(value)
    assert histogram.snapshot().sum == 0.5 + 2 - 4.25 + 1e-3
    assert type(histogram.snapshot().sum) is float


def test_an_infinity_goes_with_its_drain(backend: ModuleType) -> None:
    """A sum that was infinite or NaN must not poison the next one."""
    histogram = backend.Histogram(BOUNDS)
    histogram.observe(math.inf)
    histogram.observe(-math.inf)
    drained = histogram.drain()
    assert math.isnan(drained.sum) and sum(drained.counts) == 2
    histogram.observe(0.5)
    assert histogram.snapshot().sum == 0.5


@pytest.mark.parametrize("value", [math.nan, -math.nan, Float(math.nan)], ids=repr)
def test_nan_is_counted_nowhere(backend: ModuleType, value: Any) -> None:
    histogram = backend.Histogram(BOUNDS)
    with pytest.raises(ValueError, match=r"^a Histogram has no bucket for NaN$"):
        histogram.observe(value)
    assert histogram.snapshot() == empty(BOUNDS)


@pytest.mark.parametrize("value", ["1", None, 1j, b"1", [1]], ids=repr)
def test_what_is_not_a_number_is_refused(backend: ModuleType, value: Any) -> None:
    histogram = backend.Histogram(BOUNDS)
    with pytest.raises(TypeError):
        histogram.observe(value)
    with pytest.raises(TypeError):
        backend.Histogram([value])
    assert histogram.snapshot() == empty(BOUNDS)


def test_a_conversion_that_raises_counts_nothing(backend: ModuleType) -> None:
    histogram = backend.Histogram(BOUNDS)
    error = Refusal()
    with pytest.raises(Refusal) as raised:
        histogram.observe(Float(error))
    assert raised.value is error
    with pytest.raises(OverflowError):
        histogram.observe(10**400)
    assert histogram.snapshot() == empty(BOUNDS)


def test_a_conversion_that_observes_comes_first(backend: ModuleType) -> None:
    histogram = backend.Histogram(BOUNDS)

    class Nosy:
        def __float__(self) -> float:
            histogram.observe(0.5)
            return 2.0

    histogram.observe(Nosy())
    assert histogram.snapshot() == ((0, 0, 1, 0, 1, 0, 0, 0), 2.5)


@pytest.mark.parametrize(
    "bounds",
    [
        *([], (), [math.nan], [math.inf], [-math.inf], [1.0, 1.0], [2.0, 1.0], [1.0, math.nan, 2.0]),
        *([0.0, -0.0], [1.0, 2.0, math.inf], [2**60, 2**60 + 1]),
    ],
    ids=repr,
)
def test_bounds_that_are_refused(backend: ModuleType, bounds: list[float]) -> None:
    with pytest.raises(ValueError, match="Histogram"):
        backend.Histogram(bounds)


@pytest.mark.parametrize("bounds", [None, 1.0, "ab", [[1.0]]], ids=repr)
def test_bounds_of_another_type(backend: ModuleType, bounds: Any) -> None:
    with pytest.raises(TypeError):
        backend.Histogram(bounds)


def test_bounds_are_taken_from_any_iterable(backend: ModuleType) -> None:
    for bounds in ([1, 2, 3], (1.0, Index(2), Float(3.0)), iter([1, 2, 3]), range(1, 4), {1: 0, 2: 0, 3: 0}):
        histogram = backend.Histogram(bounds)
        assert histogram.bounds == (1.0, 2.0, 3.0)
        assert {type(bound) for bound in histogram.bounds} == {float}
    assert backend.Histogram(bounds=[1]).bounds == (1.0,)


def test_arguments(backend: ModuleType) -> None:
    for wrong in (
        lambda: backend.Histogram(),
        lambda: backend.Histogram([1], [2]),
        lambda: backend.Histogram(b=1),
    ):
        with pytest.raises(TypeError):
            wrong()
    histogram = backend.Histogram([1])
    for method in (histogram.observe, histogram.snapshot, histogram.drain, histogram.time):
        with pytest.raises(TypeError):
            method(1, 2)
        with pytest.raises(TypeError):
            method(value=1)
    with pytest.raises(TypeError):
        histogram.observe()


def test_bounds_cannot_be_changed(backend: ModuleType) -> None:
    histogram = backend.Histogram([1])
    with pytest.raises(AttributeError):
        histogram.bounds = (2.0,)
    histogram.observe(1)
    with pytest.raises(RuntimeError, match="was already called"):
        histogram.__init__([1])
    with pytest.raises(ValueError):
        histogram.__init__([])
    assert histogram.snapshot() == ((1, 0), 1.0)


def test_a_subclass_that_forgets_to_initialise(backend: ModuleType) -> None:
    class Forgetful(backend.Histogram):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            pass

    histogram = Forgetful()
    for use in (
        *(lambda: histogram.observe(1), histogram.snapshot, histogram.drain, histogram.time),
        *(lambda: histogram.bounds, lambda: repr(histogram)),
    ):
        with pytest.raises(RuntimeError, match="was not called"):
            use()


def test_a_subclass(backend: ModuleType) -> None:
    class Latency(backend.Histogram):  # type: ignore[misc, name-defined]
        def __init__(self, name: str) -> None:
            super().__init__([0.1, 1])
            self.name = name

    latency = Latency("requests")
    latency.observe(0.5)
    with latency.time() as entered:
        assert entered is latency
    assert sum(latency.drain().counts) == 2
    assert repr(latency) == "Latency((0.1, 1.0), count=0, sum=0.0)"


def test_repr(backend: ModuleType) -> None:
    assert repr(backend.Histogram([0.5, 2])) == "Histogram((0.5, 2.0), count=0, sum=0.0)"


# Snapshots


def test_a_snapshot_knows_its_bounds(backend: ModuleType) -> None:
    histogram = backend.Histogram([0.5, 2])
    for value in (0.1, 1, 1, 9):
        histogram.observe(value)
    for snapshot in (histogram.snapshot(), histogram.drain(), histogram.snapshot()):
        assert snapshot.bounds == histogram.bounds == (0.5, 2.0)
        assert snapshot.count == sum(snapshot.counts)
        assert len(snapshot) == 2
        again = [pickle.loads(pickle.dumps(snapshot, p)) for p in range(pickle.HIGHEST_PROTOCOL + 1)]
        again += [copy.copy(snapshot), copy.deepcopy(snapshot), snapshot._replace(sum=1.0)]
        assert {each.bounds for each in again} == {(0.5, 2.0)}
        with pytest.raises(AttributeError):
            snapshot.bounds = ()
        with pytest.raises(AttributeError):
            snapshot.count = 3
        with pytest.raises(TypeError, match="bounds"):
            snapshot._replace(bounds=())


def test_snapshots_are_equal_whatever_their_bounds(backend: ModuleType) -> None:
    one, other = backend.Histogram([0.5]).snapshot(), backend.Histogram([2]).snapshot()
    assert one == other == ((0, 0), 0.0)
    assert hash(one) == hash(other)


def test_a_snapshot_made_by_hand() -> None:
    bare = atomicx.HistogramSnapshot((1, 2), 3.0)
    assert (bare.bounds, bare.count) == ((), 3)
    with pytest.raises(ValueError, match=r"^this snapshot has no bounds$"):
        bare.quantile(0.5)
    assert atomicx.HistogramSnapshot((1, 2), 3.0, bounds=[1.0]).bounds == (1.0,)


def snapshot_of(bounds: list[float], counts: list[int]) -> atomicx.HistogramSnapshot:
    return atomicx.HistogramSnapshot(tuple(counts), 0.0, tuple(bounds))


# What Prometheus 2 and 3 compute from the same cumulative buckets, by the rules of bucketQuantile().
@pytest.mark.parametrize(
    ("bounds", "counts", "q", "expected"),
    [
        ([1.0, 2.0], [1, 2, 3], 0.0, 0.0),  # the first bucket begins at 0
        ([1.0, 2.0], [1, 2, 3], 1 / 12, 0.5),
        ([1.0, 2.0], [1, 2, 3], 1 / 6, 1.0),
        ([1.0, 2.0], [1, 2, 3], 1 / 3, 1.5),
        ([1.0, 2.0], [1, 2, 3], 0.5, 2.0),
        ([1.0, 2.0], [1, 2, 3], 0.51, 2.0),  # above the last bound
        ([1.0, 2.0], [1, 2, 3], 1.0, 2.0),
        ([-2.0, -1.0], [4, 4, 0], 0.25, -2.0),  # a first bound that is not positive
        ([0.0, 1.0], [4, 4, 0], 0.5, 0.0),
        ([-2.0, -1.0], [4, 4, 0], 0.75, -1.5),
        ([1.0, 2.0, 4.0], [0, 0, 2, 0], 0.5, 3.0),  # empty buckets before
        ([1.0, 2.0, 4.0], [2, 0, 2, 0], 0.5, 1.0),
        ([1.0], [0, 5], 0.1, 1.0),
        ([1.0], [5, 0], 1.0, 1.0),
        ([1.0, 2.0], [0, 1, 0], 0.0, math.nan),  # 0 of 0 observations, in Go
        ([0.0, 2.0], [0, 1, 0], 0.0, 0.0),
        ([1.0, 2.0], [0, 0, 0], 0.5, math.nan),  # nothing was observed
        ([1.0, 2.0], [10**13, 1, 10**13], 0.500000000000025, 2.0),  # 1 in 10**13 makes no difference
    ],
)
def test_quantile(bounds: list[float], counts: list[int], q: float, expected: float) -> None:
    assert snapshot_of(bounds, counts).quantile(q) == pytest.approx(expected, rel=1e-12, abs=0, nan_ok=True)


@pytest.mark.parametrize("q", [-0.001, 1.001, math.inf, -math.inf, math.nan, 2], ids=repr)
def test_quantiles_that_are_refused(q: float) -> None:
    with pytest.raises(ValueError, match=r"^q must be in \[0, 1\], not "):
        snapshot_of([1.0], [1, 1]).quantile(q)
    with pytest.raises(ValueError):
        snapshot_of([1.0], [0, 0]).quantile(q)


@pytest.mark.parametrize("q", ["0.5", None, 1j], ids=repr)
def test_no_number_for_a_quantile(q: Any) -> None:
    with pytest.raises(TypeError):
        snapshot_of([1.0], [1, 1]).quantile(q)


def test_a_snapshot_is_a_named_tuple(backend: ModuleType) -> None:
    histogram = backend.Histogram([1.0])
    histogram.observe(0.5)
    for snapshot in (histogram.snapshot(), histogram.drain()):
        assert type(snapshot) is atomicx.HistogramSnapshot
        counts, total = snapshot
        assert (counts, total) == (snapshot.counts, snapshot.sum) == ((1, 0), 0.5)
        assert type(counts) is tuple
        assert snapshot == ((1, 0), 0.5) and hash(snapshot) == hash(((1, 0), 0.5))
        assert repr(snapshot) == "HistogramSnapshot(counts=(1, 0), sum=0.5)"
        assert snapshot._fields == ("counts", "sum") == type(snapshot).__match_args__
        assert snapshot._asdict() == {"counts": (1, 0), "sum": 0.5}
        assert snapshot._replace(sum=2.0) == ((1, 0), 2.0)
        assert snapshot._make([(1, 0), 0.5]) == snapshot
        assert type(snapshot)(counts=(1, 0), sum=0.5) == snapshot
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            again = pickle.loads(pickle.dumps(snapshot, protocol))
            assert type(again) is type(snapshot) and again == snapshot
        assert copy.deepcopy(snapshot) == copy.copy(snapshot) == snapshot
        with pytest.raises(AttributeError):
            snapshot.sum = 1.0
        with pytest.raises((TypeError, ValueError)):
            snapshot._replace(total=1.0)


def test_a_snapshot_does_not_change(backend: ModuleType) -> None:
    histogram = backend.Histogram([1.0])
    snapshot = histogram.snapshot()
    histogram.observe(0.5)
    assert snapshot == ((0, 0), 0.0)


def test_each_observation_is_in_exactly_one_drain(backend: ModuleType) -> None:
    histogram = backend.Histogram([1.0])
    drained = []
    for step in range(100):
        histogram.observe(step % 3)
        if step % 7 == 0:
            drained.append(histogram.drain())
    drained.append(histogram.drain())
    assert sum(sum(part.counts) for part in drained) == 100
    assert sum(part.sum for part in drained) == sum(step % 3 for step in range(100))
    assert histogram.drain() == ((0, 0), 0.0)


@given(
    bounds=st.lists(
        st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40, unique=True
    ).map(sorted),
    steps=st.lists(
        st.one_of(st.floats(allow_nan=False), st.sampled_from(["snapshot", "drain"])), max_size=60
    ),
)
def test_against_a_model(backend: ModuleType, bounds: list[float], steps: list[Any]) -> None:
    histogram = backend.Histogram(bounds)
    counts, total = [0] * (len(bounds) + 1), 0.0
    for step in steps:
        if isinstance(step, float):
            histogram.observe(step)
            counts[bisect_left(bounds, step)] += 1
            total += step
        else:
            found = getattr(histogram, step)()
            assert found.counts == tuple(counts)
            assert found.sum == total or (math.isnan(found.sum) and math.isnan(total))
            if step == "drain":
                counts, total = [0] * (len(bounds) + 1), 0.0


# Like other cells


def test_identity_and_lifetime(backend: ModuleType) -> None:
    one, other = backend.Histogram([1]), backend.Histogram([1])
    assert one == one and one != other
    assert hash(one) == object.__hash__(one)
    reference = weakref.ref(one)
    del one
    gc.collect()  # deferred reference counting leaves the last release to the collector
    assert reference() is None


def test_no_copy(backend: ModuleType) -> None:
    histogram = backend.Histogram([1])
    for refuse in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="a copy would be another cell"):
            refuse(histogram)
