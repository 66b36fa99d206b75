"""atomicx.opentelemetry: a histogram as three counters, and folded back into one histogram."""

from types import ModuleType
from typing import Any

import pytest

from support.extras import needs

needs("opentelemetry.sdk.metrics", "opentelemetry", "opentelemetry-sdk")

from opentelemetry.metrics import Observation  # noqa: E402
from opentelemetry.sdk.metrics import MeterProvider, ObservableCounter, export  # noqa: E402
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View  # noqa: E402

from atomicx.opentelemetry import Collector, HistogramFolding, fold_histograms  # noqa: E402
from integrations.otel import (  # noqa: E402
    CUMULATIVE,
    DELTA,
    Meter,
    Sdk,
    collected,
    described,
    folded,
    metrics_in,
    point,
    points_in,
)


def test_a_histogram_is_three_counters(backend: ModuleType, sdk: Sdk) -> None:
    latency = sdk.metrics.histogram("latency", "Time.", backend.Histogram([0.5, 1, 2.5]), unit="s")
    for value in (0.5, 0.75, 2, 3, 4):
        latency.observe(value)
    expected = {
        point("latency.bucket", le="0.5"): 1,
        point("latency.bucket", le="1.0"): 2,
        point("latency.bucket", le="2.5"): 3,
        point("latency.bucket", le="+Inf"): 5,
        point("latency.count"): 5,
        point("latency.sum"): 10.25,
    }
    assert collected(sdk.cumulative) == collected(sdk.delta) == expected
    latency.observe(0.25)
    assert collected(sdk.delta) == dict.fromkeys(expected, 1) | {point("latency.sum"): 0.25}
    metrics = metrics_in(sdk.cumulative.get_metrics_data())
    assert all(metric.data.is_monotonic for metric in metrics)
    assert described(metrics) == {
        "latency.bucket": ("Sum", "Time.", "{observation}"),
        "latency.count": ("Sum", "Time.", "{observation}"),
        "latency.sum": ("Sum", "Time.", "s"),
    }


def test_a_folded_histogram_is_the_sdks(backend: ModuleType) -> None:
    """It equals one of the SDK's own that observed the same, except for the least and the greatest value."""
    bounds = [0.5, 1, 2.5]
    sdk = Sdk(View(instrument_name="theirs", aggregation=ExplicitBucketHistogramAggregation(bounds)))
    theirs = sdk.meter.create_histogram("theirs", "s", "Time.")
    family = sdk.metrics.histogram(
        "ours", "Time.", backend.Family(lambda: backend.Histogram(bounds), "path"), unit="s"
    )
    alone = sdk.metrics.histogram("alone", "Time.", backend.Histogram(bounds), unit="s")
    for values in ((0.5, 0.75, 3), (2.5, 9, 0.1, 1), (7,)):
        for value in values:
            alone.observe(value)
            theirs.record(value)
            for path in ("/a", "/b"):
                family[path].observe(value)
                theirs.record(value, {"path": path})
        for reader, temporality in ((sdk.cumulative, CUMULATIVE), (sdk.delta, DELTA)):
            metrics = folded(reader)
            assert described(metrics) == dict.fromkeys(
                ("theirs", "ours", "alone"), ("Histogram", "Time.", "s")
            )
            assert {metric.data.aggregation_temporality for metric in metrics} == {temporality}
            points = {
                (metric.name, one.attributes.get("path")): one
                for metric in metrics
                for one in metric.data.data_points
            }
            assert len(points) == 6
            for (name, path), ours in points.items():
                same = points["theirs", path]
                for field in ("attributes", "count", "bucket_counts", "explicit_bounds"):
                    assert getattr(ours, field) == getattr(same, field)
                assert ours.sum == pytest.approx(same.sum)
                assert ours.start_time_unix_nano <= ours.time_unix_nano == same.time_unix_nano
                assert name == "theirs" or (ours.min, ours.max) == (None, None)
    sdk.provider.shutdown()


def test_the_others_stay_where_they_are(backend: ModuleType, sdk: Sdk) -> None:
    for name in ("a", "b", "c"):
        if name == "b":
            sdk.metrics.histogram(name, "Time.", backend.Histogram([1.0]))
        else:
            sdk.metrics.counter(name, "Counts.", backend.Counter())
    data = sdk.cumulative.get_metrics_data()
    once = fold_histograms(data)
    assert [metric.name for metric in metrics_in(once)] == ["a", "b", "c"]
    (whole,) = metrics_in(once)[1].data.data_points
    buckets = metrics_in(data)[1].data.data_points
    assert (whole.start_time_unix_nano, whole.time_unix_nano) in {
        (bucket.start_time_unix_nano, bucket.time_unix_nano) for bucket in buckets
    }
    assert (metrics_in(once)[0], metrics_in(once)[2]) == (metrics_in(data)[0], metrics_in(data)[-1])
    assert fold_histograms(once) == once
    assert [metric.name for metric in metrics_in(data)] == ["a", "b.bucket", "b.count", "b.sum", "c"]


def test_a_histogram_with_a_negative_bound_has_no_sum(backend: ModuleType, sdk: Sdk) -> None:
    sdk.metrics.histogram("drift", "Either way.", backend.Histogram([-1, 1]), unit="s").observe(0)
    assert {name for name, _ in collected(sdk.cumulative)} == {"drift.bucket", "drift.count"}
    assert points_in(folded(sdk.cumulative)) == {point("drift"): ((0, 1, 0), None)}


def test_a_collection_has_one_snapshot(backend: ModuleType, sdk: Sdk) -> None:
    """What is observed during a collection is in all of its counters, or in none."""

    class Busy:
        bounds = (1.0,)
        inner = backend.Histogram([1.0])

        def snapshot(self) -> Any:
            self.inner.observe(1)
            return self.inner.snapshot()

    sdk.metrics.histogram("busy", "Never the same twice.", Busy())
    for number, reader in enumerate((sdk.cumulative, sdk.delta, sdk.cumulative), 1):
        found = collected(reader)
        assert {
            found[point("busy.count")],
            found[point("busy.sum")],
            found[point("busy.bucket", le="1.0")],
        } == {number}
    # Even where a reader asks for only one of them, it is not an old value.
    meter: Any = Meter()
    Collector(meter).histogram("busy", "Never the same twice.", Busy())
    assert [meter.observe("busy.sum")[frozenset()] for _ in range(3)] == [4, 5, 6]


@pytest.mark.parametrize(
    "view",
    [
        View(instrument_name="time.bucket", attribute_keys=set()),
        View(instrument_name="time.bucket", name="elsewhere.bucket"),
        View(instrument_name="time.count", name="elsewhere"),
        View(instrument_name="time.count", attribute_keys=set()),
        View(instrument_name="time.sum", attribute_keys=set()),
        View(instrument_name="more.bucket", name="time.bucket"),
    ],
    ids=["bounds", "bucket", "count", "label of the count", "label of the sum", "two of a name"],
)
def test_what_a_view_has_changed_is_not_folded(
    backend: ModuleType, view: View, caplog: pytest.LogCaptureFixture
) -> None:
    sdk = Sdk(view)
    family = backend.Family(lambda: backend.Histogram([1.0]), "path")
    for name in ("time", "more"):
        sdk.metrics.histogram(name, "Each.", family)
    family["/"].observe(1)
    family["/a"].observe(2)
    data = sdk.delta.get_metrics_data()
    found = {metric.name for metric in metrics_in(fold_histograms(data))}
    assert "time" not in found
    changed = points_in(metrics_in(data))
    assert {name for name, _ in changed if not name.startswith("more")} <= found
    assert "more" in found or "more.bucket" not in {name for name, _ in changed}
    sdk.provider.shutdown()


@pytest.mark.skipif(not hasattr(export, "CardinalityLimits"), reason="this release of the SDK has no limit")
def test_what_the_sdk_has_merged_is_not_folded(backend: ModuleType) -> None:
    """With one warning, since the SDK does not give any."""
    name = f"time.{backend.__name__}"  # one that no other test has
    sets = 5  # of attributes: two children with two buckets, and one of a third
    reader = export.InMemoryMetricReader(cardinality_limits={ObservableCounter: sets})
    provider = MeterProvider([reader], shutdown_on_exit=False)
    family = Collector(provider.get_meter("tests")).histogram(
        name, "Each.", backend.Family(lambda: backend.Histogram([1.0]), "path")
    )
    family["/a"].observe(1)
    family["/b"].observe(1)
    assert {metric.name for metric in folded(reader)} == {name}
    family["/c"].observe(1)
    with pytest.warns(
        RuntimeWarning, match=f"'{name}' stays counters: .* raise cardinality_limits"
    ) as warned:
        for _ in range(2):
            assert {metric.name for metric in folded(reader)} == {
                f"{name}.{part}" for part in ("bucket", "count", "sum")
            }
    assert len(warned) == 1
    provider.shutdown()


def test_counters_of_others_are_not_folded(sdk: Sdk) -> None:
    """Names like ours, but with other bounds, with counts that do not add up, or that are not counters."""

    def create(name: str, *observations: Observation, kind: str = "counter") -> None:
        getattr(sdk.meter, f"create_observable_{kind}")(name, [lambda options: observations])

    def rung(bound: Any, count: int) -> Observation:
        return Observation(count, {"le": bound})

    cases = {
        "no_bound": [Observation(1), rung("+Inf", 1)],
        "word": [rung("much", 1), rung("+Inf", 1)],
        "open": [rung("1.0", 1)],
        "down": [rung("1.0", 2), rung("+Inf", 1)],
        "wrong": [rung("1.0", 2), rung("+Inf", 2)],
        "more": [Observation(1, {"le": "+Inf", "of": (1, 2)})],
    }
    for name, rungs in cases.items():
        create(f"{name}.bucket", *rungs)
        create(f"{name}.count", Observation(1))
    create("gauge.bucket", rung("+Inf", 1), kind="gauge")
    create("gauge.count", Observation(1))
    create("updown.bucket", rung("+Inf", 1))
    create("updown.count", Observation(1), kind="up_down_counter")
    create("mixed.bucket", rung("+Inf", 1))
    sdk.meter.create_counter("mixed.count").add(1)  # its temporality differs from the others in this reader
    create("taken.bucket", rung("+Inf", 1))
    create("taken.count", Observation(1))
    create("taken", Observation(1), kind="gauge")
    create("alone.bucket", rung("+Inf", 1))
    create("good.bucket", rung("+Inf", 1))
    create("good.count", Observation(1))
    data = sdk.delta.get_metrics_data()
    names = {metric.name for metric in metrics_in(data)}
    assert len(names) == 2 * (len(cases) + 5) + 2
    found = {metric.name for metric in metrics_in(fold_histograms(data))}
    assert found == names - {"good.bucket", "good.count"} | {"good"}


class Reader(HistogramFolding, export.InMemoryMetricReader):
    """Keeps what it receives, and has no export(), like PrometheusMetricReader."""


class Exported(export.MetricExporter):
    def __init__(self) -> None:
        super().__init__()
        self.batches: list[Any] = []

    def export(self, metrics_data: Any, timeout_millis: float = 10_000, **options: Any) -> Any:
        self.batches.append(metrics_data)
        return export.MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 30_000, **options: Any) -> None:
        pass


class Periodic(HistogramFolding, export.PeriodicExportingMetricReader):
    """Hands on to an exporter that does not fold."""


def test_a_reader_folds(backend: ModuleType) -> None:
    exporter = Exported()
    reader, periodic = Reader(), Periodic(exporter, export_interval_millis=10**9)
    provider = MeterProvider([reader, periodic], shutdown_on_exit=False)
    Collector(provider.get_meter("shop")).histogram("latency", "L.", backend.Histogram([0.5])).observe(0.25)
    periodic.collect()
    for data in (reader.get_metrics_data(), exporter.batches[0]):
        (metric,) = metrics_in(data)
        (found,) = metric.data.data_points
        assert (metric.name, found.bucket_counts, found.sum) == ("latency", (1, 0), 0.25)
    provider.shutdown()


def test_folding_that_would_have_no_effect() -> None:
    with pytest.raises(TypeError, match="'Wrong' must derive from HistogramFolding first"):
        type("Wrong", (export.InMemoryMetricReader, HistogramFolding), {})
    with pytest.raises(TypeError, match="'Wrong' must derive from HistogramFolding first"):
        type("Wrong", (Exported, HistogramFolding), {})
    with pytest.raises(
        TypeError, match=r"'Wrong' must also derive.* no other base has export\(\) or _receive_metrics\(\)"
    ):
        type("Wrong", (HistogramFolding, dict), {})
    with pytest.raises(TypeError, match="'Wrong' must also derive from an exporter"):
        type("Wrong", (HistogramFolding,), {"export": Exported.export})
    own = type("Own", (HistogramFolding,), {})
    type("Right", (own, Exported), {})
    type("Right", (own, export.InMemoryMetricReader), {"export": Exported.export})
