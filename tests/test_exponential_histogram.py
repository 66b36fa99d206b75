"""ExponentialHistogram: which bucket a value falls into, what a snapshot tells, and what is refused."""

import copy
import gc
import math
import pickle
import random
import struct
import tracemalloc
import weakref
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import atomicx
from atomicx import ExponentialHistogramSnapshot
from atomicx._boundaries import boundary
from atomicx._exponential import in_use
from atomicx.verify.spec.histograms import exponent_of
from model.edges import Float, Index, Refusal
from support.marks import NEEDS_C

LEAST, GREATEST = 5e-324, 1.7976931348623157e308
SCALES = range(-10, 21)
# Those whose buckets cover all doubles, and those that leave room for a few octaves or less.
WHOLE = [scale for scale in SCALES if scale <= 3]


def snapshot_of(
    positive: tuple[int, tuple[int, ...]] = (0, ()),
    negative: tuple[int, tuple[int, ...]] = (0, ()),
    **fields: Any,
) -> ExponentialHistogramSnapshot:
    given = {"scale": 0, "sum": 0.0, "zero_count": 0, "zero_threshold": 1e-6, **fields}
    return ExponentialHistogramSnapshot(**given, positive=positive, negative=negative)


def offset_of(histogram: Any, value: float) -> int:
    """Observe value, and return the index of the one bucket that counted it."""
    histogram.observe(value)
    snapshot = histogram.drain()
    assert snapshot.count == 1 and snapshot.zero_count == 0, snapshot
    side = snapshot.positive if value > 0 else snapshot.negative
    assert side.counts == (1,), snapshot
    return int(side.offset)


def any_double(dice: random.Random) -> float:
    return float(struct.unpack("<d", struct.pack("<Q", dice.randrange(1, 0x7FF << 52)))[0])


# The bucket


@pytest.mark.parametrize("scale", WHOLE)
def test_every_double_is_in_its_bucket(backend: ModuleType, scale: int) -> None:
    """Compared with integers of any size: base**i < value to the power of 2**scale, without a logarithm."""
    histogram = backend.ExponentialHistogram(scale, smallest=0, largest=GREATEST)
    dice = random.Random(scale)
    values = [LEAST, 2 * LEAST, 3 * LEAST, 2.2250738585072014e-308, 2.225073858507201e-308, 1.0, GREATEST]
    values += [any_double(dice) for _ in range(60)]
    values += [random.Random(n).randrange(1, 1 << 52) * LEAST for n in range(20)]  # subnormal
    for value in list(values):
        # The boundaries that are next to it.
        index = exponent_of(scale, value)
        values += [boundary(scale, index), boundary(scale, index + 1)]
    for value in values:
        for near in (math.nextafter(value, 0.0), value, math.nextafter(value, math.inf)):
            if 0.0 < near < math.inf:
                assert offset_of(histogram, near) == exponent_of(scale, near), near.hex()


@pytest.mark.parametrize("scale", SCALES)
def test_powers_of_two_end_their_buckets(backend: ModuleType, scale: int) -> None:
    """They are boundaries at every scale from 0 up, so the next double belongs to the next bucket."""
    # The next double above a subnormal is too far away for buckets that are very fine.
    for exponent in (*((-1074, -1073, -1040) if scale <= 10 else ()), -1022, -1021, -5, 0, 1, 52, 1022, 1023):
        power = math.ldexp(1.0, exponent)
        above = math.nextafter(power, math.inf)
        histogram = backend.ExponentialHistogram(scale, smallest=math.nextafter(power, 0.0), largest=above)
        index = (exponent << scale) - 1 if scale >= 0 else (exponent - 1) >> -scale
        assert offset_of(histogram, power) == index
        if exponent >= -1022:
            assert offset_of(histogram, above) == (index + 1 if scale >= 0 else exponent >> -scale)


@pytest.mark.parametrize("scale", [5, 8, 9, 13, 14, 15, 20])
def test_fine_buckets_meet_at_their_boundaries(backend: ModuleType, scale: int) -> None:
    """The boundary, rounded down, is the last double of its bucket."""
    first = (3 << scale) + (5 << scale) // 7
    low, high = boundary(scale, first), boundary(scale, first + 1000)
    histogram = backend.ExponentialHistogram(scale, smallest=low, largest=high)
    for index in range(first, first + 1000, 37):
        end = boundary(scale, index + 1)
        assert offset_of(histogram, end) == index
        assert offset_of(histogram, math.nextafter(boundary(scale, index), math.inf)) == index


def test_boundaries_are_rounded_down() -> None:
    """To the power of 2**scale, a boundary is at most the power of two; the next double is above it."""
    for scale in (1, 2, 4, 6):
        steps = 1 << scale
        for index in (*range(-3 * steps, 3 * steps), -1000 * steps + 1, 1000 * steps + steps - 1):
            for value, reached in (
                (found := boundary(scale, index), True),
                (math.nextafter(found, 9e307), False),
            ):
                numerator, denominator = value.as_integer_ratio()
                exact = numerator**steps * 2 ** max(-index, 0) <= denominator**steps * 2 ** max(index, 0)
                assert exact is reached, (scale, index)
    assert boundary(0, -1075) == boundary(4, -1074 * 16 - 1) == boundary(-10, -2) == 0.0
    assert boundary(0, -1074) == LEAST and boundary(1, -1074 * 2 + 3) == 2 * LEAST
    assert boundary(0, 1024) == boundary(-10, 1) == boundary(3, 1024 * 8) == GREATEST


def test_negative_values_have_buckets_of_their_own(backend: ModuleType) -> None:
    histogram = backend.ExponentialHistogram(2, signed=True)
    for value in (0.3, 1.0, 5.0, 1e6, 2e6):
        assert offset_of(histogram, -value) == offset_of(histogram, value)
    for value in (-4.0, -4.0, -1.5, 0.0, 3.0):
        histogram.observe(value)
    snapshot = histogram.snapshot()
    assert (snapshot.count, snapshot.zero_count, snapshot.sum) == (5, 1, -6.5)
    assert (snapshot.negative.offset, snapshot.negative.counts) == (2, (1, 0, 0, 0, 0, 2))
    assert (snapshot.positive.offset, snapshot.positive.counts) == (6, (1,))


def test_what_counts_as_zero(backend: ModuleType) -> None:
    for signed in (False, True):
        histogram = backend.ExponentialHistogram(smallest=0.25, signed=signed)
        for value in (0, 0.0, -0.0, LEAST, 0.25, -0.25, -1e-9):
            histogram.observe(value)
        snapshot = histogram.snapshot()
        assert (snapshot.count, snapshot.zero_count, snapshot.zero_threshold) == (7, 7, 0.25)
        assert snapshot.positive.counts == snapshot.negative.counts == ()
        assert snapshot.sum == LEAST - 1e-9
        histogram.drain()
        assert offset_of(histogram, math.nextafter(0.25, 1)) == -32


def test_only_zero_counts_as_zero_if_smallest_is_zero(backend: ModuleType) -> None:
    histogram = backend.ExponentialHistogram(0, smallest=-0.0, largest=1)
    assert math.copysign(1.0, histogram.smallest) == 1.0
    assert offset_of(histogram, LEAST) == -1075
    histogram.observe(0)
    histogram.observe(-0.0)
    assert histogram.snapshot().zero_count == 2


def test_larger_values_count_in_the_outermost_bucket(backend: ModuleType) -> None:
    histogram = backend.ExponentialHistogram(0, largest=100, signed=True)
    for value in (100, 128.5, 1e9, GREATEST):
        assert offset_of(histogram, value) == offset_of(histogram, -value) == 6
        assert offset_of(histogram, -value) == 6


def test_values_of_all_kinds(backend: ModuleType) -> None:
    histogram = backend.ExponentialHistogram(0)
    for value, index in ((1, -1), (True, -1), (Index(2), 0), (Float(0.25), -3), (10**300, 19), (1e300, 19)):
        assert histogram.observe(value) is None
        assert histogram.drain().positive.offset == index


# What is refused


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, Float(math.nan)], ids=repr)
@pytest.mark.parametrize("signed", [False, True])
def test_only_finite_values_are_counted(backend: ModuleType, signed: bool, value: Any) -> None:
    histogram = backend.ExponentialHistogram(signed=signed)
    number = float(value)
    with pytest.raises(ValueError, match=rf"^an ExponentialHistogram has no bucket for {number!r}$"):
        histogram.observe(value)
    assert histogram.snapshot() == snapshot_of(scale=4)


@pytest.mark.parametrize("value", [-1.1e-6, -1.0, -GREATEST], ids=repr)
def test_negative_values_are_refused_unless_signed(backend: ModuleType, value: float) -> None:
    histogram = backend.ExponentialHistogram()
    message = f"^an ExponentialHistogram that is not signed has no bucket for {value!r}$".replace("+", r"\+")
    with pytest.raises(ValueError, match=message):
        histogram.observe(value)
    assert histogram.snapshot() == snapshot_of(scale=4)


@pytest.mark.parametrize("value", ["1", None, 1j, b"1", [1]], ids=repr)
def test_what_is_not_a_number_is_refused(backend: ModuleType, value: Any) -> None:
    histogram = backend.ExponentialHistogram()
    for refused in (
        lambda: histogram.observe(value),
        lambda: backend.ExponentialHistogram(value),
        lambda: backend.ExponentialHistogram(smallest=value),
        lambda: backend.ExponentialHistogram(largest=value),
    ):
        with pytest.raises(TypeError):
            refused()
    assert histogram.snapshot().count == 0


def test_a_conversion_that_raises_counts_nothing(backend: ModuleType) -> None:
    histogram = backend.ExponentialHistogram()
    error = Refusal()
    with pytest.raises(Refusal) as raised:
        histogram.observe(Float(error))
    assert raised.value is error
    with pytest.raises(OverflowError):
        histogram.observe(10**400)
    assert histogram.snapshot().count == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scale": -11}, "scale must be from -10 to 20, not -11"),
        ({"scale": 21}, "scale must be from -10 to 20, not 21"),
        ({"scale": 2**100}, f"scale must be from -10 to 20, not {2**100}"),
        ({"scale": -(2**63)}, f"scale must be from -10 to 20, not {-(2**63)}"),
        ({"smallest": -LEAST}, "smallest must be finite and at least 0, not -5e-324"),
        ({"smallest": math.inf}, "smallest must be finite and at least 0, not inf"),
        ({"smallest": math.nan}, "smallest must be finite and at least 0, not nan"),
        ({"largest": 1e-6}, "largest must be finite and greater than smallest, not 1e-06"),
        ({"largest": math.inf}, "largest must be finite and greater than smallest, not inf"),
        ({"largest": math.nan}, "largest must be finite and greater than smallest, not nan"),
        ({"largest": -1}, "largest must be finite and greater than smallest, not -1.0"),
        ({"scale": 21, "smallest": -1.0, "largest": -2.0}, "scale must be from -10 to 20, not 21"),
        ({"scale": 10}, "an ExponentialHistogram has at most 20000 buckets, not 40820"),
        ({"scale": 9, "signed": True}, "an ExponentialHistogram has at most 20000 buckets, not 40820"),
    ],
    ids=str,
)
def test_what_it_cannot_be_made_with(backend: ModuleType, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as raised:
        backend.ExponentialHistogram(**arguments)
    assert str(raised.value) == message


def test_twenty_thousand_buckets(backend: ModuleType) -> None:
    """The limit counts both sides, and not the count of zeros."""
    for scale, buckets, signed in ((10, 20_000, False), (10, 10_000, True), (20, 20_000, False)):
        low = boundary(scale, 7)
        most = backend.ExponentialHistogram(
            scale, smallest=low, largest=boundary(scale, 7 + buckets), signed=signed
        )
        assert offset_of(most, most.largest) == 7 + buckets - 1
        more = math.nextafter(most.largest, math.inf)
        number = buckets + 1 if not signed else 2 * (buckets + 1)
        with pytest.raises(ValueError, match=f"at most 20000 buckets, not {number}$"):
            backend.ExponentialHistogram(scale, smallest=low, largest=more, signed=signed)


def test_arguments(backend: ModuleType) -> None:
    histogram = backend.ExponentialHistogram(Index(3), smallest=0, largest=Float(8.0), signed=1)
    shape = (histogram.scale, histogram.smallest, histogram.largest, histogram.signed)
    assert shape == (3, 0.0, 8.0, True)
    assert [type(each) for each in shape] == [int, float, float, bool]
    assert backend.ExponentialHistogram(scale=5).scale == 5
    for wrong in (
        lambda: backend.ExponentialHistogram(4, 1e-6),
        lambda: backend.ExponentialHistogram(4.0),
        lambda: backend.ExponentialHistogram(bounds=[1]),
        lambda: backend.ExponentialHistogram(4, scale=4),
    ):
        with pytest.raises(TypeError):
            wrong()
    for method in (histogram.observe, histogram.snapshot, histogram.drain, histogram.time):
        with pytest.raises(TypeError):
            method(1, 2)
        with pytest.raises(TypeError):
            method(value=1)
    for name in ("scale", "smallest", "largest", "signed"):
        with pytest.raises(AttributeError):
            setattr(histogram, name, 1)


def test_it_is_initialised_once(backend: ModuleType) -> None:
    histogram = backend.ExponentialHistogram(0)
    histogram.observe(1)
    with pytest.raises(RuntimeError, match=r"^ExponentialHistogram.__init__\(\) was already called$"):
        histogram.__init__(1)
    with pytest.raises(ValueError):
        histogram.__init__(50)
    assert (histogram.scale, histogram.snapshot().count) == (0, 1)


def test_a_subclass_that_forgets_to_initialise(backend: ModuleType) -> None:
    class Forgetful(backend.ExponentialHistogram):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            pass

    histogram = Forgetful()
    for use in (
        *(lambda: histogram.observe(1), histogram.snapshot, histogram.drain, histogram.time),
        *(lambda: histogram.scale, lambda: histogram.smallest, lambda: histogram.largest),
        *(lambda: histogram.signed, lambda: repr(histogram), lambda: histogram.observe(math.nan)),
    ):
        with pytest.raises(RuntimeError, match=r"^ExponentialHistogram.__init__\(\) was not called$"):
            use()
    with pytest.raises(TypeError):
        histogram.observe("1")


# Like other cells


def test_a_subclass_and_its_timer(backend: ModuleType) -> None:
    class Latency(backend.ExponentialHistogram):  # type: ignore[misc, name-defined]
        def __init__(self, name: str) -> None:
            super().__init__(2, smallest=1e-12, largest=1e12)
            self.name = name

    latency = Latency("requests")
    latency.observe(0.5)
    with latency.time() as entered:
        assert entered is latency
    assert latency.time()(len)([]) == 0
    with pytest.raises(LookupError), latency.time():
        raise LookupError
    assert latency.drain().count == 4
    assert repr(latency) == (
        "Latency(scale=2, smallest=1e-12, largest=1000000000000.0, signed=False, count=0, sum=0.0)"
    )


def test_repr(backend: ModuleType) -> None:
    histogram = backend.ExponentialHistogram()
    histogram.observe(2.5)
    assert repr(histogram) == (
        "ExponentialHistogram(scale=4, smallest=1e-06, largest=1000000.0, signed=False, count=1, sum=2.5)"
    )
    assert repr(histogram.time()) == f"<Timer of {histogram!r}>"


def test_a_child_of_a_family(backend: ModuleType) -> None:
    family = backend.Family(lambda: backend.ExponentialHistogram(0), "route", limit=1, overflow="other")
    family.observe(3, "/")
    family["/"].observe(5)
    family.observe(1, "/more")
    with family.time("/"):
        pass
    assert family["/"].snapshot().count == 3
    assert family["other"].snapshot().positive == atomicx.ExponentialBuckets(-1, (1,))
    with pytest.raises(ValueError):
        family.observe(-1, "/")


def test_identity_and_lifetime(backend: ModuleType) -> None:
    one, other = backend.ExponentialHistogram(), backend.ExponentialHistogram()
    assert one == one and one != other
    assert hash(one) == object.__hash__(one)
    reference = weakref.ref(one)
    del one
    gc.collect()  # deferred reference counting leaves the last release to the collector
    assert reference() is None
    for refuse in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="a copy would be another cell"):
            refuse(other)


def test_each_observation_is_in_exactly_one_drain(backend: ModuleType) -> None:
    histogram = backend.ExponentialHistogram(0)
    drained = []
    for step in range(100):
        histogram.observe(step % 3)
        if step % 7 == 0:
            drained.append(histogram.drain())
    drained.append(histogram.drain())
    assert [sum(part.zero_count for part in drained), sum(part.count for part in drained)] == [34, 100]
    assert sum(part.sum for part in drained) == sum(step % 3 for step in range(100))
    assert histogram.drain() == histogram.snapshot() == snapshot_of()


def test_a_drain_that_cannot_answer_takes_nothing_out(
    backend: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    histogram = backend.ExponentialHistogram(0, signed=True)
    for value in (0.0, 3.0, -5.0):
        histogram.observe(value)
    before = histogram.snapshot()
    with monkeypatch.context() as patched:
        patched.setattr(ExponentialHistogramSnapshot, "__init__", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            histogram.drain()
    assert histogram.snapshot() == before
    assert histogram.drain() == before


def test_a_drained_sum_does_not_spoil_the_next(backend: ModuleType) -> None:
    histogram = backend.ExponentialHistogram(0, largest=GREATEST, signed=True)
    for value in (GREATEST, GREATEST, -GREATEST):
        histogram.observe(value)
    assert histogram.drain().sum == math.inf
    histogram.observe(0.5)
    assert histogram.snapshot().sum == 0.5


@given(
    scale=st.integers(-10, 2),
    steps=st.lists(
        st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["snapshot", "drain"])),
        max_size=40,
    ),
)
def test_against_a_model(backend: ModuleType, scale: int, steps: list[Any]) -> None:
    histogram = backend.ExponentialHistogram(scale, smallest=1e-300, largest=1e300, signed=True)
    observed: list[float] = []
    for step in steps:
        if isinstance(step, float):
            histogram.observe(step)
            observed.append(step)
            continue
        found = getattr(histogram, step)()
        expected: dict[Any, int] = {}
        for value in observed:
            place: Any = 0
            if abs(value) > 1e-300:
                place = (value > 0, exponent_of(scale, min(abs(value), 1e300)))
            expected[place] = expected.get(place, 0) + 1
        counted = {(True, index): n for index, n in in_use(found.positive) if n}
        counted |= {(False, index): n for index, n in in_use(found.negative) if n}
        if found.zero_count:
            counted[0] = found.zero_count  # type: ignore[index]
        assert counted == expected and found.count == len(observed)
        total = 0.0
        for value in observed:
            total += value
        assert found.sum == total or (math.isnan(found.sum) and math.isnan(total))
        if step == "drain":
            observed.clear()


# Snapshots


def test_a_snapshot(backend: ModuleType) -> None:
    histogram = backend.ExponentialHistogram(1, signed=True)
    empty = histogram.snapshot()
    for value in (0, 1, 1, 4, -2):
        histogram.observe(value)
    for snapshot in (histogram.snapshot(), histogram.drain()):
        assert type(snapshot) is atomicx.ExponentialHistogramSnapshot
        assert repr(snapshot) == (
            "ExponentialHistogramSnapshot(scale=1, sum=4.0, zero_count=1, zero_threshold=1e-06,"
            " positive=ExponentialBuckets(offset=-1, counts=(2, 0, 0, 0, 1)),"
            " negative=ExponentialBuckets(offset=1, counts=(1,)))"
        )
        assert snapshot == snapshot_of((-1, (2, 0, 0, 0, 1)), (1, (1,)), scale=1, sum=4.0, zero_count=1)
        assert snapshot != empty and snapshot != snapshot.count
        again = [pickle.loads(pickle.dumps(snapshot, p)) for p in range(pickle.HIGHEST_PROTOCOL + 1)]
        again += [copy.copy(snapshot), copy.deepcopy(snapshot)]
        assert {*again} == {snapshot} and {type(each) for each in again} == {type(snapshot)}
        match snapshot:
            case atomicx.ExponentialHistogramSnapshot(scale, total, zeros):
                assert (scale, total, zeros) == (1, 4.0, 1)
        for thing, name in ((snapshot, "sum"), (snapshot.positive, "offset"), (snapshot, "more")):
            with pytest.raises(AttributeError, match="does not change"):
                setattr(thing, name, 1)
            with pytest.raises(AttributeError, match="does not change"):
                delattr(thing, name)
    assert empty == snapshot_of(scale=1) and empty.count == 0


@pytest.mark.parametrize("scale", [0, 4, 10])
@pytest.mark.parametrize("signed", [False, True])
def test_a_snapshot_of_buckets_far_apart(backend: ModuleType, scale: int, signed: bool) -> None:
    """Whatever lies between them, and wherever the groups of buckets that share a mark begin."""
    low = boundary(scale, 7)
    buckets = 9_000 if scale == 10 else 300
    histogram = backend.ExponentialHistogram(
        scale, smallest=low, largest=boundary(scale, 7 + buckets), signed=signed
    )
    dice = random.Random(scale)
    for _ in range(12):
        places = sorted(
            dice.sample(range(buckets), dice.randrange(4)) + dice.choice(([], [0], [buckets - 1]))
        )
        expected: list[tuple[int, tuple[int, ...]]] = []
        for sign in (1, -1) if signed else (1,):
            for place in places:
                histogram.observe(sign * boundary(scale, 7 + place + 1))
            first, last = (places[0], places[-1]) if places else (0, -1)
            counts = tuple(places.count(place) for place in range(first, last + 1))
            expected.append((7 + first if counts else 0, counts))
        for snapshot in (histogram.snapshot(), histogram.drain()):
            sides = (snapshot.positive, snapshot.negative)[: len(expected)]
            assert [(side.offset, side.counts) for side in sides] == expected
            assert snapshot.count == len(places) * len(expected) and snapshot.zero_count == 0


@NEEDS_C
def test_a_snapshot_takes_memory_for_the_buckets_in_use_only() -> None:
    """It reads no others either."""
    low, high = boundary(10, 0), boundary(10, 20_000)
    histogram = atomicx.ExponentialHistogram(10, smallest=low, largest=high)
    tracemalloc.start()
    try:
        for used in (0, 1):
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            histogram.snapshot()
            _, peak = tracemalloc.get_traced_memory()
            # Reading all buckets would take 160,000 bytes. At this size 512 of them share a mark.
            assert peak - before < 2_000 + used * 512 * 8
            histogram.observe(2.0)
    finally:
        tracemalloc.stop()


def test_a_snapshot_made_by_hand_is_trimmed() -> None:
    snapshot = snapshot_of((-2, (0, 0, 3, 0, 4, 0)), (7, (0, 0)))
    assert (snapshot.positive.offset, snapshot.positive.counts, snapshot.count) == (0, (3, 0, 4), 7)
    assert (snapshot.negative.offset, snapshot.negative.counts) == (0, ())


@pytest.mark.parametrize("scale", [0, 2, 4, 7])
@pytest.mark.parametrize("signed", [False, True])
def test_quantiles_are_within_the_stated_error(backend: ModuleType, scale: int, signed: bool) -> None:
    dice = random.Random(scale)
    histogram = backend.ExponentialHistogram(scale, signed=signed)
    values = [dice.lognormvariate(-3, 2) * (dice.choice((1, -1)) if signed else 1) for _ in range(800)]
    values += [0.0] * 40
    for value in values:
        histogram.observe(value)
    snapshot, ordered = histogram.snapshot(), sorted(values)
    error = 2 ** (2**-scale / 2) - 1
    for q in (0.0, 1e-9, 0.01, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1.0):
        exact = ordered[max(0, math.ceil(q * len(ordered)) - 1)]
        assert abs(snapshot.quantile(q) - exact) <= error * abs(exact) * (1 + 1e-12), q


def test_quantile() -> None:
    snapshot = snapshot_of((0, (1, 0, 2)), (3, (1,)), zero_count=4)
    found = [snapshot.quantile(q) for q in (0, 1 / 8, 0.126, 5 / 8, 0.626, 6 / 8, 0.751, 1)]
    assert found == [-(2**3.5), -(2**3.5), 0.0, 0.0, 2**0.5, 2**0.5, 2**2.5, 2**2.5]
    assert math.isnan(snapshot_of().quantile(0.5))
    assert snapshot_of((-1075, (1,))).quantile(0.5) == LEAST
    assert snapshot_of((0, (1,)), scale=-10).quantile(0.5) == 2.0**512
    assert snapshot_of((1, (1,)), scale=-10).quantile(0.5) == GREATEST
    assert snapshot_of((-2, (1,)), scale=-10).quantile(0.5) == LEAST


@pytest.mark.parametrize("q", [-0.001, 1.001, math.inf, math.nan, 2], ids=repr)
def test_no_such_quantile(q: float) -> None:
    for snapshot in (snapshot_of(), snapshot_of((0, (1,)))):
        with pytest.raises(ValueError, match=r"^q must be in \[0, 1\], not "):
            snapshot.quantile(q)
        with pytest.raises(TypeError):
            snapshot.quantile("0.5")  # type: ignore[arg-type]


@pytest.mark.parametrize("signed", [False, True])
def test_downscaling_is_like_a_smaller_scale_from_the_start(backend: ModuleType, signed: bool) -> None:
    dice = random.Random(3)
    values = [dice.lognormvariate(0, 4) * (dice.choice((1, -1)) if signed else 1) for _ in range(200)]
    histograms = [backend.ExponentialHistogram(scale, signed=signed) for scale in range(-10, 6)]
    for value in (*values, 0.0):
        for histogram in histograms:
            histogram.observe(value)
    *others, fine = (histogram.snapshot() for histogram in histograms)
    for other in others:
        assert fine.downscale(other.scale) == other
        assert fine.downscale(3).downscale(min(other.scale, 3)) == fine.downscale(min(other.scale, 3))
        assert other.merge(fine) == fine.merge(other) == other.merge(other)
    assert fine.downscale(Index(5)) == fine
    for wrong in (6, -11, 100):
        with pytest.raises(ValueError, match=f"^to_scale must be from -10 to 5, not {wrong}$"):
            fine.downscale(wrong)
    with pytest.raises(TypeError):
        fine.downscale(1.5)


def test_merging(backend: ModuleType) -> None:
    one, other, both = (backend.ExponentialHistogram(2, signed=True) for _ in range(3))
    for step, value in enumerate((1, 2, -3, 0, 0, 100, -1e-3, 7)):
        for histogram in (one if step % 2 else other, both):
            histogram.observe(value)
    assert one.snapshot().merge(other.snapshot()) == both.snapshot()
    assert one.snapshot().merge(snapshot_of(scale=2)) == one.snapshot()
    with pytest.raises(ValueError, match=r"different zero thresholds: 1e-06 and 0.5$"):
        one.snapshot().merge(snapshot_of(zero_threshold=0.5))
    with pytest.raises(TypeError, match=r"^expected an ExponentialHistogramSnapshot, got 'tuple'$"):
        one.snapshot().merge(())  # type: ignore[arg-type]
