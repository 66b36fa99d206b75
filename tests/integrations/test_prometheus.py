"""atomicx.prometheus.Collector: cells as metrics, read back by prometheus_client's own parsers."""

import math
import threading
import warnings
from types import ModuleType
from typing import Any

import pytest

from support.extras import needs
from support.marks import NEEDS_C

needs("prometheus_client", "prometheus")

from prometheus_client import generate_latest  # noqa: E402

from atomicx.prometheus import Collector  # noqa: E402
from atomicx.shared import Segment  # noqa: E402
from integrations.page import Samples, in_openmetrics, in_text, sample, samples_of, scraped, types_of  # noqa: E402


@pytest.fixture
def metrics(registry: Any) -> Collector:
    return Collector(registry)


def test_counters(backend: ModuleType, registry: Any, metrics: Collector) -> None:
    requests = metrics.counter("requests", "Requests served.", backend.Counter())
    total = metrics.counter("bytes_total", "Bytes sent.", backend.AtomicInt(), unit="")
    seconds = metrics.counter("busy", "Time spent.", backend.AtomicFloat(), unit="seconds")
    requests.inc()
    requests.add(2**60)
    total.add(7)
    seconds.add(0.5)
    assert scraped(registry) == {
        sample("requests_total"): 2.0**60,
        sample("bytes_total"): 7.0,
        sample("busy_seconds_total"): 0.5,
    }
    assert types_of(registry) == {
        "requests": ("counter", "Requests served.", ""),
        "bytes": ("counter", "Bytes sent.", ""),
        "busy_seconds": ("counter", "Time spent.", "seconds"),
    }


def test_gauges(backend: ModuleType, registry: Any, metrics: Collector) -> None:
    metrics.gauge("level", "A float.", backend.AtomicFloat(-1.5))
    metrics.gauge("ready", "A flag.", backend.AtomicBool(True))
    metrics.gauge("heat", "A function.", lambda: math.inf, unit="celsius")
    in_flight = metrics.gauge("in_flight", "An integer.", backend.AtomicInt())
    with in_flight.track():
        assert scraped(registry) == {
            sample("level"): -1.5,
            sample("ready"): 1.0,
            sample("heat_celsius"): math.inf,
            sample("in_flight"): 1.0,
        }
    assert scraped(registry)[sample("in_flight")] == 0.0


def test_histograms(backend: ModuleType, registry: Any, metrics: Collector) -> None:
    latency = metrics.histogram("latency", "Time.", backend.Histogram([0.5, 1, 2.5]), unit="seconds")
    for value in (0.5, 0.75, 2, 3, 4):
        latency.observe(value)
    assert scraped(registry) == {
        sample("latency_seconds_bucket", le="0.5"): 1.0,
        sample("latency_seconds_bucket", le="1.0"): 2.0,
        sample("latency_seconds_bucket", le="2.5"): 3.0,
        sample("latency_seconds_bucket", le="+Inf"): 5.0,
        sample("latency_seconds_count"): 5.0,
        sample("latency_seconds_sum"): 10.25,
    }
    assert types_of(registry) == {"latency_seconds": ("histogram", "Time.", "seconds")}


def test_a_histogram_with_a_negative_bound_has_no_sum(
    backend: ModuleType, registry: Any, metrics: Collector
) -> None:
    metrics.histogram("drift", "Either way.", backend.Histogram([-1, 1])).observe(0)
    assert set(scraped(registry)) == {sample("drift_bucket", le=bound) for bound in ("-1.0", "1.0", "+Inf")}


AWKWARD = 'quote " slash \\ line \n umlaut ä {} , = '


def test_families(backend: ModuleType, registry: Any, metrics: Collector) -> None:
    requests = metrics.counter("requests", "All.", backend.Family(backend.Counter, "method", "status"))
    sizes = metrics.gauge("size", "Each.", backend.Family(backend.AtomicInt, "queue"))
    times = metrics.histogram(
        "time", "Each.", backend.Family(lambda: backend.Histogram([1.0]), "path"), unit="seconds"
    )
    assert scraped(registry) == {}
    requests["GET", 200].add(3)
    requests["PUT", "404"].inc()
    sizes[AWKWARD].store(-4)
    times["/"].observe(2)
    assert scraped(registry) == {
        sample("requests_total", method="GET", status="200"): 3.0,
        sample("requests_total", method="PUT", status="404"): 1.0,
        sample("size", queue=AWKWARD): -4.0,
        sample("time_seconds_bucket", path="/", le="1.0"): 0.0,
        sample("time_seconds_bucket", path="/", le="+Inf"): 1.0,
        sample("time_seconds_count", path="/"): 1.0,
        sample("time_seconds_sum", path="/"): 2.0,
    }
    requests.remove("GET", 200)
    assert sample("requests_total", method="GET", status="200") not in scraped(registry)


def test_a_scrape_takes_nothing_out(backend: ModuleType, registry: Any, metrics: Collector) -> None:
    metrics.counter("requests", "All.", backend.Counter()).add(3)
    metrics.histogram("time", "Each.", backend.Histogram([1.0])).observe(2)
    assert scraped(registry) == scraped(registry)
    assert scraped(registry)[sample("requests_total")] == 3.0


def created_in(registry: Any, name: str) -> dict[frozenset[tuple[str, str]], float]:
    found = samples_of(in_openmetrics(registry))
    return {labels: value for (found_name, labels), value in found.items() if found_name == f"{name}_created"}


def test_created(
    backend: ModuleType, registry: Any, metrics: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child began to count after it was looked up and not found; made again, it starts from zero."""
    clock = iter(range(1000, 2000, 100))
    monkeypatch.setattr("atomicx.prometheus.time.time", lambda: float(next(clock)))
    family = metrics.counter("hits", "All.", backend.Family(backend.Counter, "path"))  # 1000
    one, two = (frozenset({("path", name)}) for name in ("a", "b"))
    family["a"].inc()
    assert created_in(registry, "hits") == {one: 1000.0}  # looked at 1100
    family["b"].inc()
    assert created_in(registry, "hits") == {one: 1000.0, two: 1100.0}  # 1200
    family.remove("a")
    family["a"].inc()
    assert created_in(registry, "hits") == {one: 1200.0, two: 1100.0}  # 1300
    family.clear()
    assert created_in(registry, "hits") == {}  # 1400
    family["b"].inc()
    assert created_in(registry, "hits") == {two: 1400.0}
    monkeypatch.undo()
    metrics.histogram("time", "Each.", backend.Histogram([1.0]))
    metrics.gauge("level", "None.", backend.AtomicInt())
    assert len(created_in(registry, "time")) == 1
    assert created_in(registry, "level") == {}


# Names


@pytest.mark.parametrize("kind", ["counter", "gauge", "histogram"])
@pytest.mark.parametrize("name", ["", "1st", "a b", "a-b", "a.b", "ä", 'a"', "a\n", None, 5], ids=repr)
def test_names_that_are_refused(registry: Any, metrics: Collector, kind: str, name: Any) -> None:
    import atomicx

    with pytest.raises(TypeError, match="invalid metric name"):
        getattr(metrics, kind)(
            name, "Help.", atomicx.Histogram([1]) if kind == "histogram" else atomicx.Counter()
        )
    assert generate_latest(registry) == b""


@pytest.mark.parametrize("name", ["x_created", "x_bucket", "x_count", "x_sum", "x_info"])
def test_names_that_the_format_makes(backend: ModuleType, metrics: Collector, name: str) -> None:
    with pytest.raises(TypeError, match="itself adds"):
        metrics.counter(name, "Help.", backend.Counter())
    with pytest.raises(TypeError, match="itself adds"):
        metrics.gauge("x_total", "Help.", backend.AtomicInt())


@pytest.mark.parametrize("label", ["", "a b", "__a", "ä", "1"])
def test_labels_that_are_refused(backend: ModuleType, metrics: Collector, label: str) -> None:
    with pytest.raises(TypeError, match="label"):
        metrics.counter("x", "Help.", backend.Family(backend.Counter, "good", label))


def test_le_is_the_histograms_own(backend: ModuleType, metrics: Collector) -> None:
    metrics.counter("x", "Help.", backend.Family(backend.Counter, "le"))
    with pytest.raises(TypeError, match="label"):
        metrics.histogram("y", "Help.", backend.Family(lambda: backend.Histogram([1]), "le"))


def test_a_unit_that_is_refused(backend: ModuleType, metrics: Collector) -> None:
    with pytest.raises(TypeError, match="unit"):
        metrics.gauge("x", "Help.", backend.AtomicInt(), unit="m/s")


def test_a_gauge_is_something_to_read(metrics: Collector) -> None:
    with pytest.raises(TypeError, match=": expected a "):
        metrics.gauge("x", "Help.", 5)


def test_a_name_is_registered_once(backend: ModuleType, registry: Any, metrics: Collector) -> None:
    metrics.counter("x", "Help.", backend.Counter())
    for again in (
        lambda: metrics.counter("x", "Help.", backend.Counter()),
        lambda: Collector(registry).gauge("x_total".removesuffix("_total"), "Help.", backend.AtomicInt()),
    ):
        with pytest.raises(TypeError, match="'x'") as caught:
            again()
        assert isinstance(caught.value, ValueError)  # as prometheus_client's own
    assert set(scraped(registry)) == {sample("x_total")}


def test_a_collector_of_its_own(backend: ModuleType, registry: Any) -> None:
    """Registered nowhere, it can be registered as a whole, and describes itself without reading a cell."""
    metrics = Collector(None)
    metrics.counter("x", "Help.", backend.Counter()).inc()
    metrics.gauge("y", "Help.", lambda: pytest.fail("a description read a cell") if reading else 1)
    reading = True
    assert [(metric.name, metric.samples) for metric in metrics.describe()] == [("x", []), ("y", [])]
    registry.register(metrics)
    reading = False
    assert scraped(registry) == {sample("x_total"): 1.0, sample("y"): 1.0}
    with pytest.raises(TypeError, match="'x'"):
        Collector(registry).counter("x", "Help.", backend.Counter())


def test_what_is_given_is_given_back(backend: ModuleType, metrics: Collector) -> None:
    counter, gauge, histogram = backend.Counter(), (lambda: 1), backend.Histogram([1])
    assert metrics.counter("a", "Help.", counter) is counter
    assert metrics.gauge("b", "Help.", gauge) is gauge
    assert metrics.histogram("c", "Help.", histogram) is histogram


# Segments: anything whose items() gives names and cells


def test_segment(backend: ModuleType, registry: Any, metrics: Collector) -> None:
    cells = {"requests_total": backend.AtomicInt(3), "level": backend.AtomicFloat(0.5)}
    assert metrics.segment(cells, "Shared.") is cells
    assert scraped(registry) == {sample("requests_total"): 3.0, sample("level"): 0.5}
    cells["later"] = backend.AtomicInt(7)
    assert scraped(registry)[sample("later")] == 7.0
    assert types_of(registry)["requests"] == ("counter", "Shared.", "")
    with pytest.raises(TypeError, match="'level'"):
        metrics.gauge("level", "Taken.", backend.AtomicInt())


def test_a_segment_with_other_names(backend: ModuleType, registry: Any, metrics: Collector) -> None:
    with pytest.raises(TypeError, match="invalid metric name"):
        metrics.segment({"a b": backend.AtomicInt()})
    cells = metrics.segment({"good": backend.AtomicInt(1)})
    cells["not good"] = backend.AtomicInt(2)
    with pytest.warns(RuntimeWarning, match="'not good': invalid metric name .left out"):
        assert scraped(registry) == {sample("good"): 1.0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert scraped(registry) == {sample("good"): 1.0}


@NEEDS_C
def test_a_segment_of_all_kinds(registry: Any, metrics: Collector) -> None:
    """With labels and histograms. Names that another process adds later cost no other metric its scrape."""
    segment = Segment.anonymous(100)
    segment.counter("requests", "method").add(3, "GET")
    segment.gauge("in_flight").store(2)
    segment.histogram("latency", [0.5, 1], "path").observe(0.75, "/")
    segment.int("jobs_total").store(5)
    metrics.segment(segment, "Shared.")
    expected = {
        sample("requests_total", method="GET"): 3.0,
        sample("in_flight"): 2.0,
        sample("latency_bucket", path="/", le="0.5"): 0.0,
        sample("latency_bucket", path="/", le="1.0"): 1.0,
        sample("latency_bucket", path="/", le="+Inf"): 1.0,
        sample("latency_count", path="/"): 1.0,
        sample("latency_sum", path="/"): 0.75,
        sample("jobs_total"): 5.0,
    }
    assert scraped(registry) == expected
    segment.counter("not good").inc()
    segment.int("_total").inc()
    segment.int("requests_total").inc()
    segment.histogram("bounded", [1], "le").observe(1, "x")
    with pytest.warns(RuntimeWarning) as warned:
        assert scraped(registry) == expected
    assert {str(warning.message).split(":")[0] for warning in warned} == {
        "'not good'", "'_total'", "'requests_total'", "'bounded'",
    }  # fmt: skip


def test_scrapes_while_threads_count(backend: ModuleType, registry: Any, metrics: Collector) -> None:
    """No scrape fails, no total decreases, and the last one is exact."""
    requests = metrics.counter("requests", "All.", backend.Family(backend.Counter, "worker"))
    times = metrics.histogram("time", "Each.", backend.Histogram([1.0]))
    rounds = 3000

    def work(name: str) -> None:
        for _ in range(rounds):
            requests[name].inc()
            times.observe(1.0)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    last: Samples = {}
    while any(thread.is_alive() for thread in threads):
        now = scraped_text(registry)
        assert all(now[key] >= value for key, value in last.items())
        last = now
    assert scraped(registry)[sample("time_bucket", le="1.0")] == 3 * rounds
    assert (
        sum(value for (name, _), value in scraped(registry).items() if name == "requests_total") == 3 * rounds
    )


def scraped_text(registry: Any) -> Samples:
    found = samples_of(in_text(registry))
    return {key: value for key, value in found.items() if not key[0].endswith("_created")}
