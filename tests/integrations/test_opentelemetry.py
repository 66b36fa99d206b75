"""atomicx.opentelemetry.Collector: numbers through the real SDK, in both temporalities, and names."""

import logging
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import atomicx
from support.extras import needs
from support.marks import NEEDS_C
from support.shared import shared

needs("opentelemetry.sdk.metrics", "opentelemetry", "opentelemetry-sdk")

from opentelemetry.metrics import NoOpMeter  # noqa: E402

from atomicx.opentelemetry import Collector  # noqa: E402
from integrations.otel import (  # noqa: E402
    CUMULATIVE,
    DELTA,
    KINDS,
    Meter,
    Sdk,
    cell_of,
    collected,
    described,
    folded,
    metrics_in,
    nothing_is_exported,
    point,
    points_in,
)

# Numbers


def test_counters(backend: ModuleType, sdk: Sdk) -> None:
    requests = sdk.metrics.counter("http.requests", "Served.", backend.Counter(), unit="{request}")
    sent = sdk.metrics.counter("sent", "Sent.", backend.AtomicInt(), unit="By")
    busy = sdk.metrics.counter("busy", "Time spent.", backend.AtomicFloat(), unit="s")
    requests.add(2**60)
    sent.add(7)
    for _ in range(2):  # a collection takes nothing out
        assert collected(sdk.cumulative) == {
            point("http.requests"): 2**60,
            point("sent"): 7,
            point("busy"): 0.0,
        }
    deltas = [collected(sdk.delta)]
    requests.inc()
    busy.add(0.5)
    deltas += [collected(sdk.delta), collected(sdk.delta)]
    requests.add(2)
    deltas.append(collected(sdk.delta))
    assert [delta[point("http.requests")] for delta in deltas] == [2**60, 1, 0, 2]
    assert [delta[point("sent")] for delta in deltas] == [7, 0, 0, 0]
    assert [delta[point("busy")] for delta in deltas] == [0.0, 0.5, 0.0, 0.0]
    assert collected(sdk.cumulative)[point("http.requests")] == 2**60 + 3
    metrics = metrics_in(sdk.cumulative.get_metrics_data())
    assert described(metrics) == {
        "http.requests": ("Sum", "Served.", "{request}"),
        "sent": ("Sum", "Sent.", "By"),
        "busy": ("Sum", "Time spent.", "s"),
    }
    assert all(metric.data.is_monotonic for metric in metrics)
    assert {metric.data.aggregation_temporality for metric in metrics} == {CUMULATIVE}
    metrics = metrics_in(sdk.delta.get_metrics_data())
    assert {metric.data.aggregation_temporality for metric in metrics} == {DELTA}


def test_up_down_counters(backend: ModuleType, sdk: Sdk) -> None:
    in_flight = sdk.metrics.up_down_counter("in_flight", "Requests.", backend.AtomicInt())
    balance = sdk.metrics.up_down_counter("balance", "Money.", backend.AtomicFloat(), unit="EUR")
    deltas = []
    with in_flight.track():
        assert collected(sdk.cumulative)[point("in_flight")] == 1
        deltas.append(collected(sdk.delta))
    balance.add(-1.5)
    deltas.append(collected(sdk.delta))
    assert [delta[point("in_flight")] for delta in deltas] == [1, -1]
    assert [delta[point("balance")] for delta in deltas] == [0.0, -1.5]
    metrics = metrics_in(sdk.cumulative.get_metrics_data())
    assert described(metrics) == {
        "in_flight": ("Sum", "Requests.", ""),
        "balance": ("Sum", "Money.", "EUR"),
    }
    assert not any(metric.data.is_monotonic for metric in metrics)
    assert collected(sdk.cumulative) == {point("in_flight"): 0, point("balance"): -1.5}


def test_gauges(backend: ModuleType, sdk: Sdk) -> None:
    sdk.metrics.gauge("level", "A float.", backend.AtomicFloat(-1.5))
    sdk.metrics.gauge("ready", "A flag.", backend.AtomicBool(True))
    sdk.metrics.gauge("size", "An integer.", backend.AtomicInt(5))
    sdk.metrics.gauge("heat", "A function.", lambda: 20.5, unit="Cel")
    sdk.metrics.gauge("huge", "No 64 bits.", lambda: 2**70)
    sizes = sdk.metrics.gauge("sizes", "Each.", backend.Family(backend.AtomicInt, "queue"))
    sizes["a"].store(-4)
    expected = {
        point("level"): -1.5,
        point("ready"): 1,
        point("size"): 5,
        point("heat"): 20.5,
        point("huge"): 2.0**70,
        point("sizes", queue="a"): -4,
    }
    for reader in (sdk.cumulative, sdk.delta, sdk.delta):
        found = collected(reader)
        assert found == expected
        # The encoders distinguish an int, which has to fit into 64 bits, from a float.
        assert {type(found[key]) for key in expected} == {int, float}
        assert [type(found[point(name)]) for name in ("ready", "size", "huge")] == [int, int, float]
    assert {type(metric.data).__name__ for metric in metrics_in(sdk.delta.get_metrics_data())} == {"Gauge"}


def test_a_gauge_that_fails_costs_no_other_its_collection(
    backend: ModuleType, sdk: Sdk, caplog: pytest.LogCaptureFixture
) -> None:
    sdk.metrics.gauge("raises", "None.", lambda: 1 // 0)
    sdk.metrics.gauge("none", "None.", lambda: None)
    sdk.metrics.counter("good", "Counts.", backend.Counter(3))
    with caplog.at_level(logging.ERROR):
        assert collected(sdk.cumulative) == {point("good"): 3}
    assert sorted(record.args[0] for record in caplog.records) == ["none", "raises"]


def test_families(backend: ModuleType, sdk: Sdk) -> None:
    requests = sdk.metrics.counter("requests", "All.", backend.Family(backend.Counter, "method", "status"))
    workers = sdk.metrics.up_down_counter("busy", "Each.", backend.Family(backend.AtomicInt, "pool.name"))
    assert collected(sdk.cumulative) == collected(sdk.delta) == {}
    requests["GET", 200].add(3)
    workers["ä"].dec()
    assert collected(sdk.cumulative) == {
        point("requests", method="GET", status="200"): 3,
        point("busy", **{"pool.name": "ä"}): -1,
    }
    assert collected(sdk.delta)[point("requests", method="GET", status="200")] == 3
    requests["PUT", 404].inc()
    requests["GET", "200"].inc()
    assert collected(sdk.delta) == {
        point("requests", method="GET", status="200"): 1,
        point("requests", method="PUT", status="404"): 1,
        point("busy", **{"pool.name": "ä"}): 0,
    }


@NEEDS_C
def test_shared_cells(sdk: Sdk) -> None:
    counted = sdk.metrics.counter("counted", "Shared.", shared(atomicx.SharedInt, 5))
    sdk.metrics.up_down_counter("level", "Shared.", shared(atomicx.SharedFloat, -0.5))
    assert collected(sdk.delta) == {point("counted"): 5, point("level"): -0.5}
    counted.add(2)
    assert collected(sdk.delta) == {point("counted"): 2, point("level"): 0.0}


# A child that is made again is the same series


def test_a_total_never_goes_back(backend: ModuleType, sdk: Sdk) -> None:
    hits = sdk.metrics.counter("hits", "All.", backend.Family(backend.Counter, "path"))
    times = sdk.metrics.histogram(
        "time", "Each.", backend.Family(lambda: backend.Histogram([1.0]), "path"), unit="s"
    )
    key, whole = point("hits", path="/"), point("time", path="/")
    totals: list[int] = []
    deltas: list[int] = []
    seen: list[Any] = []
    for number in (5, 3, 4):
        hits["/"].add(number)
        times["/"].observe(number)
        totals.append(collected(sdk.cumulative)[key])
        hits["/"].inc()  # counted between a collection and the removal
        removed = points_in(folded(sdk.delta))
        deltas.append(removed[key])
        seen.append(removed[whole])
        hits["/"].inc()
        hits.remove("/")
        times.clear()
        assert key not in collected(sdk.cumulative)
    assert totals == [5, 10, 16]
    assert deltas == [6, 5, 6]
    assert seen == [((0, 1), 5.0), ((0, 1), 3.0), ((0, 1), 4.0)]
    hits["/"].inc()
    times["/"].observe(0.5)
    found = points_in(folded(sdk.cumulative))
    assert found[key] == 5 + 3 + 4 + 3 * 2 + 1
    assert found[whole] == ((1, 3), 12.5)


def test_what_goes_up_and_down_starts_again(backend: ModuleType, sdk: Sdk) -> None:
    for kind in ("up_down_counter", "gauge"):
        family = getattr(sdk.metrics, kind)(kind, "Each.", backend.Family(backend.AtomicInt, "path"))
        for number in (5, 3):
            family["/"].store(number)
            assert collected(sdk.cumulative)[point(kind, path="/")] == number
            family.clear()
            assert point(kind, path="/") not in collected(sdk.cumulative)


def test_two_collections_at_once_add_an_old_child_once(backend: ModuleType) -> None:
    """One collection has listed the old child when the other comes and sees the new one."""
    meter: Any = Meter()

    def observed() -> Any:
        return meter.observe("hits")[frozenset({("path", "/")})]

    class Children:
        label_names = ("path",)
        child = backend.Counter(5)
        interrupted = False

        def items(self) -> Any:
            listed = [(("/",), self.child)]
            if self.interrupted:
                self.interrupted = False
                self.child = backend.Counter(1)
                assert observed() == 6
            return listed

    children = Collector(meter).counter("hits", "All.", Children())
    assert observed() == 5
    children.interrupted = True
    assert [observed(), observed()] == [6, 6]
    assert not children.interrupted


# Names


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name",
    ["", "1st", "a b", "ä", 'a"', "a\n", "_a", "a:b", "x" * 256, None, 5],
    ids=lambda name: repr(name)[:9],
)
def test_names_that_are_refused(backend: ModuleType, sdk: Sdk, kind: str, name: Any) -> None:
    with pytest.raises(TypeError, match="invalid instrument name"):
        getattr(sdk.metrics, kind)(name, "Help.", cell_of(backend, kind))
    assert nothing_is_exported(sdk)


@pytest.mark.parametrize("kind", KINDS)
def test_names_that_are_taken(backend: ModuleType, sdk: Sdk, kind: str) -> None:
    longest = "x" * (255 - len(".bucket") if kind == "histogram" else 255)
    for name in ("a.b_c-d/e9", longest):
        getattr(sdk.metrics, kind)(name, "Help.", cell_of(backend, kind))
    assert {
        name.removesuffix(".bucket").removesuffix(".count").removesuffix(".sum")
        for name, _ in collected(sdk.cumulative)
    } == {"a.b_c-d/e9", longest}


def test_a_name_leaves_room_for_the_parts_of_a_histogram(backend: ModuleType, sdk: Sdk) -> None:
    with pytest.raises(TypeError, match="invalid instrument name"):
        sdk.metrics.histogram("x" * 250, "Help.", backend.Histogram([1.0]))
    assert nothing_is_exported(sdk)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unit", ["ä", "a\n", "x" * 64, None], ids=lambda unit: repr(unit)[:9])
def test_units_that_are_refused(backend: ModuleType, sdk: Sdk, kind: str, unit: Any) -> None:
    with pytest.raises(TypeError, match="invalid unit: "):
        getattr(sdk.metrics, kind)("x", "Help.", cell_of(backend, kind), unit=unit)
    assert nothing_is_exported(sdk)


def test_labels_that_are_refused(backend: ModuleType, sdk: Sdk) -> None:
    with pytest.raises(TypeError, match="label"):
        sdk.metrics.counter("x", "Help.", backend.Family(backend.Counter, "good", ""))
    with pytest.raises(TypeError, match="label"):
        sdk.metrics.histogram("x", "Help.", backend.Family(lambda: backend.Histogram([1.0]), "le"))
    sdk.metrics.counter("x", "Help.", backend.Family(backend.Counter, "le"))["5"].inc()
    assert collected(sdk.cumulative) == {point("x", le="5"): 1}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_a_cell_is_refused(sdk: Sdk, kind: str) -> None:
    with pytest.raises(TypeError, match="'int'"):
        getattr(sdk.metrics, kind)("x", "Help.", 5)
    if kind != "gauge":
        with pytest.raises(TypeError, match="'function'"):
            getattr(sdk.metrics, kind)("x", "Help.", lambda: 5)
    assert nothing_is_exported(sdk)


@pytest.mark.parametrize("kind", KINDS)
def test_a_description_is_text(backend: ModuleType, sdk: Sdk, kind: str) -> None:
    with pytest.raises(TypeError, match="description must be a str"):
        getattr(sdk.metrics, kind)("x", None, cell_of(backend, kind))
    assert nothing_is_exported(sdk)


def test_what_is_given_is_given_back(backend: ModuleType, sdk: Sdk) -> None:
    for kind in KINDS:
        cell = cell_of(backend, kind)
        assert getattr(sdk.metrics, kind)(kind, "Help.", cell) is cell


def test_a_name_is_exported_once(backend: ModuleType, sdk: Sdk) -> None:
    sdk.metrics.counter("x", "Help.", backend.Counter(1))
    sdk.metrics.histogram("y", "Help.", backend.Histogram([1.0]))
    for kind, name in (
        ("counter", "X"),
        ("gauge", "x"),
        ("counter", "y.Sum"),
        ("gauge", "Y"),
        ("histogram", "y"),
        ("histogram", "x"),
    ):
        with pytest.raises(TypeError, match="already exported"):
            getattr(sdk.metrics, kind)(name, "Other.", cell_of(backend, kind))
    assert len(collected(sdk.cumulative)) == 1 + 4


@pytest.mark.parametrize("kind", ["counter", "up_down_counter", "gauge"])
def test_an_instrument_of_the_sdks_is_nobodys_second(backend: ModuleType, sdk: Sdk, kind: str) -> None:
    """The SDK would return the first instrument, and never call the second one's callback."""
    getattr(sdk.meter, f"create_observable_{kind}")("x", None, "s", "Help.")
    with pytest.raises(TypeError, match="this meter already has an instrument "):
        getattr(sdk.metrics, kind)("x", "Help.", backend.AtomicInt(), unit="s")
    getattr(sdk.metrics, kind)("y", "Help.", backend.AtomicInt(1))
    with pytest.raises(TypeError, match="this meter already has an instrument "):
        getattr(Collector(sdk.meter), kind)("y", "Help.", backend.AtomicInt(2))
    assert collected(sdk.cumulative) == {point("y"): 1}


def test_a_histogram_is_exported_whole_or_not_at_all(backend: ModuleType, sdk: Sdk) -> None:
    sdk.meter.create_observable_counter("x.sum", None, "s", "Help.")
    with pytest.raises(TypeError, match=r"this meter already has an instrument 'x\.sum'"):
        sdk.metrics.histogram("x", "Help.", backend.Histogram([1.0]), unit="s")
    assert nothing_is_exported(sdk)


# Segments: anything whose items() gives names and cells


def test_segment(backend: ModuleType, sdk: Sdk) -> None:
    cells = {"Requests_total": backend.AtomicInt(3), "level": backend.AtomicFloat(0.5)}
    assert sdk.metrics.segment(cells, "Shared.") is cells
    assert collected(sdk.cumulative) == {point("requests_total"): 3, point("level"): 0.5}
    cells["later"] = backend.AtomicInt(7)
    assert point("later") not in collected(sdk.cumulative)
    sdk.metrics.segment(cells, "Shared.")
    cells["Requests_total"].inc()
    assert collected(sdk.delta) == {point("requests_total"): 4, point("level"): 0.5, point("later"): 7}
    cells["Requests_total"].inc()
    assert collected(sdk.delta) == {point("requests_total"): 1, point("level"): 0.5, point("later"): 7}
    assert described(metrics_in(sdk.delta.get_metrics_data())) == {
        "requests_total": ("Sum", "Shared.", ""),
        "level": ("Gauge", "Shared.", ""),
        "later": ("Gauge", "Shared.", ""),
    }
    with pytest.raises(TypeError, match="already exported"):
        sdk.metrics.segment({"new": backend.AtomicInt(), "LEVEL": backend.AtomicInt()})
    assert len(collected(sdk.cumulative)) == 3


@pytest.mark.parametrize("name", ["a b", "ä", 5])
def test_a_segment_with_other_names(backend: ModuleType, sdk: Sdk, name: Any) -> None:
    with pytest.raises(TypeError, match="invalid instrument name"):
        sdk.metrics.segment({"good": backend.AtomicInt(), name: backend.AtomicInt()})
    assert nothing_is_exported(sdk)


def test_a_segment_with_a_name_twice(backend: ModuleType) -> None:
    with pytest.raises(TypeError, match="two cells would be exported as 'A'"):
        Collector(NoOpMeter("quiet")).segment({"a": backend.AtomicInt(), "A": backend.AtomicInt()})


@NEEDS_C
def test_a_real_segment(sdk: Sdk, tmp_path: Path) -> None:
    from atomicx.shared import Segment

    segment = Segment.create(tmp_path / "segment", 4)
    segment.int("requests_total").add(3)
    segment.float("level").store(1.5)
    sdk.metrics.segment(segment, "Shared.")
    Segment.open(tmp_path / "segment").int("requests_total").inc()
    assert collected(sdk.delta) == {point("requests_total"): 4, point("level"): 1.5}


@NEEDS_C
def test_a_segment_of_all_kinds(sdk: Sdk) -> None:
    from atomicx.shared import Segment

    segment = Segment.anonymous(100)
    segment.counter("requests", "method").add(3, "GET")
    segment.gauge("in_flight").store(2)
    segment.histogram("latency", [0.5, 1]).observe(0.75)
    sdk.metrics.segment(segment, "Shared.")
    sdk.metrics.segment(segment, "Shared.")
    assert collected(sdk.delta) == {
        point("requests", method="GET"): 3,
        point("in_flight"): 2,
        point("latency.bucket", le="0.5"): 0,
        point("latency.bucket", le="1.0"): 1,
        point("latency.bucket", le="+Inf"): 1,
        point("latency.count"): 1,
        point("latency.sum"): 0.75,
    }


# Unregistering


def test_unregister(backend: ModuleType, sdk: Sdk) -> None:
    """The SDK's instrument stays, reports nothing, and is used again."""
    cell = sdk.metrics.counter("x", "Help.", backend.Counter(1))
    assert sdk.metrics.gauge("y", "Help.", cell) is cell
    sdk.metrics.histogram("z", "Help.", backend.Histogram([1.0]))
    sdk.metrics.unregister(cell)
    assert {name for name, _ in collected(sdk.cumulative)} == {"z.bucket", "z.count", "z.sum"}
    for what in (cell, backend.Counter()):
        with pytest.raises(KeyError):
            sdk.metrics.unregister(what)
    sdk.metrics.counter("X", "Help.", backend.Counter(5))
    sdk.metrics.gauge("y", "Another.", backend.AtomicInt(6))
    assert collected(sdk.cumulative)[point("x")] == 5
    assert collected(sdk.cumulative)[point("y")] == 6
    with pytest.raises(TypeError, match="already exported"):
        sdk.metrics.counter("x", "Help.", backend.Counter())


def test_close(backend: ModuleType, sdk: Sdk) -> None:
    """An application factory may run several times."""
    for number in (1, 2, 3):
        application = Collector(sdk.meter)
        application.counter("x", "Help.", backend.Counter(number))
        application.histogram("y", "Help.", backend.Histogram([1.0])).observe(number)
        application.segment({"level": backend.AtomicInt(number)})
        found = collected(sdk.cumulative)
        assert (found[point("x")], found[point("y.sum")], found[point("level")]) == (number,) * 3
        with pytest.raises(TypeError, match="this meter already has an instrument "):
            Collector(sdk.meter).counter("x", "Help.", backend.Counter())
        application.close()
        application.close()
        assert nothing_is_exported(sdk)


def test_one_child_that_raises(backend: ModuleType, sdk: Sdk) -> None:
    functions = iter([lambda: 1, lambda: 1 / 0, lambda: None, lambda: 3])
    family = sdk.metrics.gauge("some", "Help.", backend.Family(lambda: next(functions), "label"))
    for label in "abcd":
        family[label]
    with pytest.warns(RuntimeWarning, match=r"'some' \('.',\): .* \(left out of the collection\)$") as warned:
        found = collected(sdk.cumulative)
    assert found == {point("some", label="a"): 1, point("some", label="d"): 3}
    assert len(warned) == 1
    assert collected(sdk.delta) == found


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_read_is_named(backend: ModuleType, sdk: Sdk, kind: str) -> None:
    for wrong in (backend.AtomicRef(), type(cell_of(backend, kind)), {"a": 1}):
        with pytest.raises(TypeError, match="'bad'"):
            getattr(sdk.metrics, kind)("bad", "Help.", wrong)
    with pytest.raises(TypeError, match="'bad"):
        getattr(sdk.metrics, kind)("bad", cell_of(backend, kind), "Help.")
    assert nothing_is_exported(sdk)
