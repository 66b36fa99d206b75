"""atomicx.opentelemetry: exponential histograms, compared with the SDK's own and with its mapping."""

import importlib
import math
import random
import warnings
from collections import Counter
from importlib.metadata import version
from types import ModuleType
from typing import Any

import pytest

from support.extras import needs

needs("opentelemetry.sdk.metrics", "opentelemetry", "opentelemetry-sdk")

from opentelemetry.metrics import Observation  # noqa: E402
from opentelemetry.sdk.metrics import MeterProvider, ObservableCounter, export  # noqa: E402
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View  # noqa: E402

from atomicx._boundaries import boundary  # noqa: E402
from atomicx._exponential import in_use  # noqa: E402
from atomicx.opentelemetry import Collector, HistogramFolding, fold_histograms  # noqa: E402
from integrations.otel import (  # noqa: E402
    CUMULATIVE,
    DELTA,
    Sdk,
    collected,
    described,
    folded,
    metrics_in,
    point,
)

# In early releases a cumulative point forgets what was collected before, and a zero counts in a bucket too.
IS_EARLY = tuple(map(int, version("opentelemetry-sdk").split(".")[:2])) < (1, 30)


def test_an_exponential_histogram_is_three_counters(backend: ModuleType, sdk: Sdk) -> None:
    latency = sdk.metrics.histogram("latency", "Time.", backend.ExponentialHistogram(0), unit="s")
    for value in (0, 0.75, 3, 4):
        latency.observe(value)
    expected = {
        point("latency.bucket", exponential_bucket="scale=0 zero"): 1,
        point("latency.bucket", exponential_bucket="scale=0 positive=-1"): 1,
        point("latency.bucket", exponential_bucket="scale=0 positive=1"): 2,
        point("latency.count"): 4,
        point("latency.sum"): 7.75,
    }
    assert collected(sdk.cumulative) == collected(sdk.delta) == expected
    latency.observe(3)
    latency.observe(16)
    changed = {
        point("latency.bucket", exponential_bucket="scale=0 positive=1"): 1,
        point("latency.bucket", exponential_bucket="scale=0 positive=3"): 1,
        point("latency.count"): 2,
        point("latency.sum"): 19,
    }
    assert collected(sdk.delta) == dict.fromkeys(expected, 0) | changed
    assert described(metrics_in(sdk.cumulative.get_metrics_data())) == {
        "latency.bucket": ("Sum", "Time.", "{observation}"),
        "latency.count": ("Sum", "Time.", "{observation}"),
        "latency.sum": ("Sum", "Time.", "s"),
    }


@pytest.mark.skipif(not hasattr(export, "CardinalityLimits"), reason="this release of the SDK has no limit")
def test_a_higher_limit_is_no_advice_for_what_stays_counters(backend: ModuleType) -> None:
    """A reader that folds no exponential histograms said so, and took the warning from one that does."""
    name = f"latency.{backend.__name__}"  # one that no other test has
    reader = export.InMemoryMetricReader(cardinality_limits={ObservableCounter: 3})
    provider = MeterProvider([reader], shutdown_on_exit=False)
    histogram = Collector(provider.get_meter("tests")).histogram(
        name, "Time.", backend.ExponentialHistogram(0)
    )
    for exponent in range(6):
        histogram.observe(2.0**exponent)
    data = reader.get_metrics_data()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert name not in {metric.name for metric in metrics_in(fold_histograms(data, exponential=False))}
    with pytest.warns(RuntimeWarning, match=f"'{name}' stays counters"):
        assert name not in {metric.name for metric in metrics_in(fold_histograms(data))}
    provider.shutdown()


@pytest.mark.skipif(IS_EARLY, reason="the exponential histograms of this release of the SDK are wrong")
@pytest.mark.parametrize("signed", [False, True])
def test_a_folded_exponential_histogram_is_the_sdks(backend: ModuleType, signed: bool) -> None:
    """It equals one of the SDK's own that observed the same, except for the least and the greatest value."""
    sdk = Sdk(View(instrument_name="theirs", aggregation=ExponentialBucketHistogramAggregation(max_scale=4)))
    theirs = sdk.meter.create_histogram("theirs", "s", "Time.")

    def make() -> Any:
        return backend.ExponentialHistogram(4, signed=signed)

    family = sdk.metrics.histogram("ours", "Time.", backend.Family(make, "path"), unit="s")
    alone = sdk.metrics.histogram("alone", "Time.", make(), unit="s")
    sign = -1 if signed else 1  # the SDK leaves out negative values
    for values in ((0.5, 0.75, 3), (2.5, 9, 0.1, 1, 0), (7,)):
        for value in values:
            alone.observe(sign * value)
            theirs.record(value)
            for path in ("/a", "/b"):
                family[path].observe(sign * value)
                theirs.record(value, {"path": path})
        for reader, temporality in ((sdk.cumulative, CUMULATIVE), (sdk.delta, DELTA)):
            metrics = folded(reader)
            names = ("theirs", "ours", "alone")
            unit = "" if signed else "s"  # of a sum, which has none if negative values are counted
            assert described(metrics) == {
                name: ("ExponentialHistogram", "Time.", "s" if name == "theirs" else unit) for name in names
            }
            assert {metric.data.aggregation_temporality for metric in metrics} == {temporality}
            points = {
                (metric.name, one.attributes.get("path")): one
                for metric in metrics
                for one in metric.data.data_points
            }
            assert len(points) == 6
            for (name, path), ours in points.items():
                if name == "theirs":
                    continue
                same = points["theirs", path]
                for field in ("attributes", "count", "scale", "zero_count", "flags"):
                    assert getattr(ours, field) == getattr(same, field)
                used, unused = (ours.negative, ours.positive) if signed else (ours.positive, ours.negative)
                assert (used.offset, trimmed(used)) == (same.positive.offset, trimmed(same.positive))
                assert tuple(unused.bucket_counts) == ()
                assert ours.sum == (None if signed else pytest.approx(same.sum))
                assert ours.start_time_unix_nano <= ours.time_unix_nano == same.time_unix_nano
                assert (ours.min, ours.max) == (None, None)
    sdk.provider.shutdown()


def trimmed(buckets: Any) -> list[int]:
    counts = list(buckets.bucket_counts)
    while counts and not counts[-1]:
        counts.pop()
    return counts


def test_a_child_that_is_made_anew_continues(backend: ModuleType, sdk: Sdk) -> None:
    family = sdk.metrics.histogram(
        "time", "Each.", backend.Family(lambda: backend.ExponentialHistogram(0), "path")
    )
    family.observe(3, "/")
    family.observe(0.75, "/")
    assert len(folded(sdk.cumulative)) == 1
    family.remove("/")
    family.observe(3, "/")
    family.observe(100, "/")
    (metric,) = folded(sdk.cumulative)
    (found,) = metric.data.data_points
    assert (found.count, found.sum, found.positive.offset) == (4, 106.75, -1)
    assert tuple(found.positive.bucket_counts) == (1, 0, 2, 0, 0, 0, 0, 1)


def test_a_label_must_not_be_that_of_the_buckets(backend: ModuleType, sdk: Sdk) -> None:
    family = backend.Family(backend.ExponentialHistogram, "exponential_bucket")
    with pytest.raises(ValueError, match=r"^'x': invalid label name: 'exponential_bucket'$"):
        sdk.metrics.histogram("x", "Help.", family)
    assert collected(sdk.cumulative) == {}


def test_counters_that_do_not_fit_together_are_not_folded(sdk: Sdk) -> None:
    cases = {
        "of_two_scales": {"scale=0 zero": 1, "scale=1 positive=0": 1},
        "too_few": {"scale=0 zero": 1},
        "of_two_kinds": {"scale=0 zero": 1, "+Inf": 1},
        "unknown": {"scale=0 zero": 1, "scale=0 above=0": 1},
        "good": {"scale=0 zero": 1, "scale=0 positive=0": 1},
    }
    for name, buckets in cases.items():
        observations = [Observation(n, {"exponential_bucket": text}) for text, n in buckets.items()]
        for part, observed in ((".bucket", observations), (".count", [Observation(2)])):
            sdk.meter.create_observable_counter(name + part, [lambda options, observed=observed: observed])
    data = sdk.cumulative.get_metrics_data()
    names = {metric.name for metric in metrics_in(data)}
    found = {metric.name for metric in metrics_in(fold_histograms(data))}
    assert found == names - {"good.bucket", "good.count"} | {"good"}


class LikePrometheus(export.InMemoryMetricReader):
    """Translates as PrometheusMetricReader does: any other point than a histogram's must have a value."""

    __module__ = "opentelemetry.exporter.prometheus"

    def page(self) -> dict[str, list[Any]]:
        return {
            metric.name: [
                one.bucket_counts if isinstance(one, export.HistogramDataPoint) else one.value
                for one in metric.data.data_points
            ]
            for metric in metrics_in(self.get_metrics_data())
        }


def test_a_reader_for_prometheus_gets_no_exponential_histogram(backend: ModuleType) -> None:
    """It would raise, and the page of all metrics would be lost."""

    class Reader(HistogramFolding, LikePrometheus):
        pass

    class Derived(Reader):
        pass

    readers = Reader(), Derived()
    provider = MeterProvider(readers, shutdown_on_exit=False)
    metrics = Collector(provider.get_meter("shop"))
    metrics.histogram("latency", "L.", backend.ExponentialHistogram(0)).observe(3)
    metrics.histogram("size", "S.", backend.Histogram([4])).observe(3)
    for reader in readers:
        assert reader.page() == {
            "latency.bucket": [0, 1],
            "latency.count": [1],
            "latency.sum": [3.0],
            "size": [(1, 0)],
        }
    provider.shutdown()


# The SDK's mapping of values to buckets


def their_mapping(scale: int) -> Any:
    package = "opentelemetry.sdk.metrics._internal.exponential_histogram.mapping"
    kind = "Logarithm" if scale > 0 else "Exponent"
    return getattr(importlib.import_module(f"{package}.{kind.lower()}_mapping"), f"{kind}Mapping")(scale)


@pytest.mark.parametrize("scale", range(-10, 21))
def test_values_are_mapped_as_the_sdk_does(backend: ModuleType, scale: int) -> None:
    """Only next to a boundary may they differ: there the SDK's logarithm is rounded, and ours is exact."""
    number = 10_000 if backend.__name__ == "atomicx._core" else 200
    dice = random.Random(scale)
    octaves = min(2040, 19_000 >> scale if scale > 0 else 2040)
    least = -1021 if octaves == 2040 else -octaves // 2
    if octaves:
        values = [math.ldexp(1 + dice.random(), least + dice.randrange(octaves)) for _ in range(number)]
    else:
        share = 19_000 / 2**scale
        values = [2.0 ** (3 + share * dice.random()) for _ in range(number)]
    histogram = backend.ExponentialHistogram(scale, smallest=min(values) / (1 + 1e-9), largest=max(values))
    mapping = their_mapping(scale)
    expected: Counter[int] = Counter()
    for value in values:
        histogram.observe(value)
        expected[mapping.map_to_index(value)] += 1
    found = Counter({index: count for index, count in in_use(histogram.snapshot().positive) if count})
    assert found.total() == number
    differing = (found - expected) + (expected - found)
    # A logarithm of up to 2**10 octaves is rounded to about 2**-43 of an octave. The rest is found exactly.
    for index in differing:
        ends = [boundary(scale, index), boundary(scale, index + 1)]
        gaps = [abs(value / end - 1) for value in values for end in ends]
        assert min(gaps) <= 2.0**-41
