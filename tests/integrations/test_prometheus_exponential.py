"""atomicx.prometheus: an exponential histogram as a classic one with derived bounds, and as a native one."""

import inspect
import math
from types import ModuleType
from typing import Any

import pytest

from support.extras import needs

needs("prometheus_client", "prometheus")

from prometheus_client import CollectorRegistry, generate_latest  # noqa: E402
from prometheus_client.openmetrics import exposition, parser  # noqa: E402
from prometheus_client.samples import Sample  # noqa: E402

from atomicx._prometheus_buckets import BOUNDS_MAX, classic_buckets  # noqa: E402
from atomicx.prometheus import Collector  # noqa: E402
from integrations.page import sample, scraped, types_of  # noqa: E402

HAS_NATIVE = "native_histogram" in Sample._fields
VALUES = (0, -2.5, 0.25, 0.3, -0.25, 1, -1, 1.5, 4, -4, -4.5, 5, 60, 64, 65, -65, 1e9, -1e9)


def test_derived_bounds(backend: ModuleType) -> None:
    registry = CollectorRegistry()
    histogram = backend.ExponentialHistogram(0, smallest=0.25, largest=64)
    latency = Collector(registry).histogram("latency", "Time.", histogram, unit="seconds")
    for value in VALUES:
        if value > -0.3:
            latency.observe(value)
    bounds = {"0.25": 3, "0.5": 4, "1.0": 5, "2.0": 6, "4.0": 7, "8.0": 8, "16.0": 8, "32.0": 8, "+Inf": 12}
    expected = {sample("latency_seconds_bucket", le=bound): float(n) for bound, n in bounds.items()}
    total = sum(value for value in VALUES if value > -0.3)
    assert scraped(registry) == expected | {
        sample("latency_seconds_count"): 12.0,
        sample("latency_seconds_sum"): total,
    }
    assert types_of(registry) == {"latency_seconds": ("histogram", "Time.", "seconds")}


def test_a_signed_one_has_no_sum(backend: ModuleType) -> None:
    registry = CollectorRegistry()
    Collector(registry).histogram("drift", "D.", backend.ExponentialHistogram(0, signed=True)).observe(-1)
    assert {name for name, _ in scraped(registry)} == {"drift_bucket"}


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("scale", [-10, -4, -1, 0, 3, 6])
def test_each_bound_counts_exactly_what_is_not_above_it(
    backend: ModuleType, scale: int, signed: bool
) -> None:
    histogram = backend.ExponentialHistogram(scale, smallest=0.25, largest=64, signed=signed)
    before = [bound for bound, _ in classic_buckets(histogram, histogram.snapshot())]
    values = [value for value in VALUES if signed or value >= -0.25]
    values += [math.nextafter(bound, way) for bound in before[:-1] for way in (-math.inf, bound, math.inf)]
    values = [value for value in values if signed or value >= -0.25]
    for value in values:
        histogram.observe(value)
    found = classic_buckets(histogram, histogram.snapshot())
    assert found == [(bound, sum(value <= bound for value in values)) for bound in before]
    assert before == sorted(set(before)) and before[-1] == math.inf
    assert len(before) - 1 <= BOUNDS_MAX
    assert (before[0] < 0) is signed


def test_the_number_of_bounds_is_limited(backend: ModuleType) -> None:
    for shape, number in (({}, 80), ({"signed": True}, 80), ({"scale": 8}, 80), ({"smallest": 0}, 70)):
        histogram = backend.ExponentialHistogram(**shape)
        bounds = [bound for bound, _ in classic_buckets(histogram, histogram.snapshot())]
        assert len(bounds) - 1 == number, (shape, len(bounds))
        assert bounds.index(histogram.smallest) == (0 if not histogram.signed else number // 2)


def test_a_family(backend: ModuleType) -> None:
    registry = CollectorRegistry()
    family = Collector(registry).histogram(
        "time", "T.", backend.Family(lambda: backend.ExponentialHistogram(-10), "path")
    )
    family.observe(0.5, "/")
    family.observe(2, "/")
    assert scraped(registry) == {
        sample("time_bucket", path="/", le="1e-06"): 0.0,
        sample("time_bucket", path="/", le="1.0"): 1.0,
        sample("time_bucket", path="/", le="+Inf"): 2.0,
        sample("time_count", path="/"): 2.0,
        sample("time_sum", path="/"): 2.5,
    }


@pytest.mark.skipif(not HAS_NATIVE, reason="this release of prometheus_client has no native histograms")
def test_a_native_histogram(backend: ModuleType) -> None:
    """What prometheus_client writes and reads back: its bucket i ends at base**i."""
    registry = CollectorRegistry()
    metrics = Collector(registry, native_histograms=True)
    wide = metrics.histogram("wide", "W.", backend.ExponentialHistogram(-5))
    wide.observe(1)
    named = backend.ExponentialHistogram(0)
    metrics.segment({"named": named})
    named.observe(3)
    fine = metrics.histogram(
        "fine", "F.", backend.ExponentialHistogram(9, smallest=0.5, largest=4, signed=True)
    )
    for value in (0, 1, 1, 1.001, -2):
        fine.observe(value)
    versions = {"version": "2.0.0"} if "version" in signature_of(exposition.generate_latest) else {}
    text = exposition.generate_latest(registry, **versions).decode()
    samples = {
        one.name: one.native_histogram
        for family in parser.text_string_to_metric_families(text)
        for one in family.samples
        if one.native_histogram is not None
    }
    assert samples.keys() == {"fine", "named"}
    found = samples["fine"]
    told = (found.count_value, found.sum_value, found.schema, found.zero_threshold, found.zero_count)
    assert told == (5, 1.001 + 0 + 1 + 1 - 2, 8, 0.5, 1)
    assert [tuple(span) for span in found.pos_spans] == [(0, 2)]
    assert ([*found.pos_deltas], [*found.neg_deltas]) == ([2, -1], [1])
    assert [tuple(span) for span in found.neg_spans] == [(256, 1)]
    assert "\nfine 5.0\n" in generate_latest(registry).decode()


def signature_of(function: Any) -> Any:
    return inspect.signature(function).parameters


@pytest.mark.skipif(HAS_NATIVE, reason="this release of prometheus_client has native histograms")
def test_without_native_histograms() -> None:
    with pytest.raises(ValueError, match="has no native histograms"):
        Collector(None, native_histograms=True)
