"""atomicx.prometheus.Collector with bad input: refused when it is registered or, if it appears later, left
out of the page, which both of the library's parsers still accept."""

import math
import warnings
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from support.extras import needs
from support.marks import NEEDS_C

needs("prometheus_client", "prometheus")

from prometheus_client import Counter as LibraryCounter  # noqa: E402
from prometheus_client import generate_latest  # noqa: E402

from atomicx.prometheus import Collector  # noqa: E402
from atomicx.shared import Segment  # noqa: E402
from integrations.page import in_openmetrics, in_text  # noqa: E402


@pytest.fixture
def metrics(backend: ModuleType, registry: Any) -> Collector:
    """Make a registry with one metric, which must keep its place on the page whatever happens."""
    metrics = Collector(registry)
    metrics.counter("good", "G.", backend.Counter(1))
    return metrics


def page(registry: Any) -> set[str]:
    """Return the name and value of each sample, from both parsers, without the times."""
    found = [
        {
            f"{sample.name} {sample.value:g}"
            for family in families
            for sample in family.samples
            if not sample.name.endswith("_created")
        }
        for families in (
            in_text(registry),
            in_openmetrics(registry),
        )
    ]
    assert found[0] == found[1]
    return found[0]


def left_out(registry: Any) -> list[str]:
    """Return the warnings of a scrape; the next scrape has none."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        generate_latest(registry)
        generate_latest(registry)
    assert all(warning.category is RuntimeWarning for warning in warned)
    return [str(warning.message) for warning in warned]


# Refused


async def coroutine() -> float:
    return 1.0


CASES: list[tuple[str, Callable[[ModuleType], object]]] = [
    ("counter", lambda backend: 5),
    ("counter", lambda backend: None),
    ("counter", lambda backend: "G."),
    ("counter", lambda backend: backend.Counter),
    ("counter", lambda backend: backend.Histogram([1])),
    ("counter", lambda backend: backend.AtomicRef()),
    ("counter", lambda backend: backend.AtomicRef(5)),
    ("counter", lambda backend: lambda: 5),
    ("counter", lambda backend: backend.Family),
    ("counter", lambda backend: {"a": backend.Counter()}),
    ("counter", lambda backend: SimpleNamespace(load=lambda: "5 apples")),
    ("counter", lambda backend: family_of(backend, lambda: backend.Histogram([1]))),
    ("histogram", lambda backend: backend.Counter()),
    ("histogram", lambda backend: backend.Histogram),
    ("histogram", lambda backend: [1, 2]),
    ("histogram", lambda backend: family_of(backend, backend.Counter)),
    ("gauge", lambda backend: 5),
    ("gauge", lambda backend: backend.AtomicInt),
    ("gauge", lambda backend: backend.AtomicRef(5)),
    ("gauge", lambda backend: backend.Histogram([1])),
    ("gauge", lambda backend: coroutine),
    ("gauge", lambda backend: lambda argument: 5),
    ("gauge", lambda backend: family_of(backend, lambda: backend.Histogram([1]))),
]


def family_of(backend: ModuleType, factory: Any) -> Any:
    family = backend.Family(factory, "label")
    family["x"]
    return family


@pytest.mark.parametrize(("kind", "make"), CASES)
def test_what_cannot_be_read(
    backend: ModuleType, registry: Any, metrics: Collector, kind: str, make: Any
) -> None:
    with pytest.raises(TypeError, match="'bad'"):
        getattr(metrics, kind)("bad", "B.", make(backend))
    assert page(registry) == {"good_total 1"}


@NEEDS_C
def test_cells_of_a_segment_of_another_kind(registry: Any) -> None:
    segment = Segment.anonymous(100)
    metrics = Collector(registry)
    with pytest.raises(TypeError, match="'bad'"):
        metrics.counter("bad", "B.", segment.histogram("h", [1], "label"))
    with pytest.raises(TypeError, match="'bad'"):
        metrics.histogram("bad", "B.", segment.counter("c", "label"))
    with pytest.raises(TypeError, match="'bad'"):
        metrics.gauge("bad", "B.", segment.histogram("h", [1], "label"))
    assert page(registry) == set()


@pytest.mark.parametrize("kind", ["counter", "gauge", "histogram"])
@pytest.mark.parametrize("documentation", [None, 5, b"B."])
def test_documentation_is_text(
    backend: ModuleType, metrics: Collector, kind: str, documentation: Any
) -> None:
    cell = backend.Histogram([1]) if kind == "histogram" else backend.Counter()
    with pytest.raises(TypeError, match="'bad': documentation must be a str"):
        getattr(metrics, kind)("bad", documentation, cell)
    with pytest.raises(TypeError, match="'bad'"):
        getattr(metrics, kind)("bad", cell, "B.")  # swapped
    with pytest.raises(TypeError, match="'bad': documentation must be encodable in UTF-8"):
        getattr(metrics, kind)("bad", "\udc80", cell)


@pytest.mark.parametrize("unit", ["total", "created", "seconds_total", "info", "count"])
def test_units_that_the_format_makes(backend: ModuleType, metrics: Collector, unit: str) -> None:
    for register in (metrics.counter, metrics.gauge):
        with pytest.raises(TypeError, match=r"'bad_.*itself adds"):
            register("bad", "B.", backend.AtomicInt(), unit=unit)
    with pytest.raises(TypeError, match="'bad': unit must be a str"):
        metrics.gauge("bad", "B.", backend.AtomicInt(), unit=None)
    with pytest.raises(TypeError, match=r"'_total'|''"):
        metrics.counter("_total", "B.", backend.AtomicInt())


def test_names_that_clash_by_their_suffixes(backend: ModuleType, registry: Any, metrics: Collector) -> None:
    LibraryCounter("hits", "H.", registry=registry)
    metrics.gauge("busy_seconds", "B.", backend.AtomicInt())
    for register in (
        lambda: metrics.gauge("hits", "H.", backend.AtomicInt()),
        lambda: metrics.counter("busy", "B.", backend.Counter(), unit="seconds"),
        lambda: metrics.segment({"good_total": backend.AtomicInt()}),
        lambda: metrics.segment({"good_created": backend.AtomicInt()}),
    ):
        with pytest.raises(TypeError, match=r"good|hits|busy"):
            register()
    assert page(registry) == {"good_total 1", "hits_total 0", "busy_seconds 0"}


@pytest.mark.parametrize("source", [5, None, [("a", 1)], Segment, dict])
def test_a_segment_has_items(metrics: Collector, source: Any) -> None:
    with pytest.raises(TypeError, match="expected a Segment"):
        metrics.segment(source)


# Left out


def raising() -> float:
    raise LookupError("the pool is gone")


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (raising, "LookupError: the pool is gone"),
        (lambda: None, "TypeError"),
        (lambda: "many", "ValueError"),
        (lambda: 10**400, "OverflowError"),
    ],
)
def test_gauges_that_raise(registry: Any, metrics: Collector, function: Any, reason: str) -> None:
    metrics.gauge("bad", "B.", function)
    (warning,) = left_out(registry)
    assert "'bad'" in warning and reason in warning
    assert page(registry) == {"good_total 1"}


def test_one_child_that_raises(backend: ModuleType, registry: Any, metrics: Collector) -> None:
    functions = iter([lambda: 1, raising, lambda: 3])
    family = metrics.gauge("some", "S.", backend.Family(lambda: next(functions), "label"))
    for label in "abc":
        family[label]
    (warning,) = left_out(registry)
    assert "'some' ('b',)" in warning
    assert page(registry) == {"good_total 1", "some 1", "some 3"}


def test_children_of_another_type(backend: ModuleType, registry: Any, metrics: Collector) -> None:
    counts = metrics.counter("counts", "C.", backend.Family(lambda: backend.Histogram([1]), "label"))
    times = metrics.histogram("times", "T.", backend.Family(backend.Counter, "label"))
    counts["x"], times["x"]
    assert [warning.split()[0] for warning in left_out(registry)] == ["'counts'", "'times'"]
    assert page(registry) == {"good_total 1"}


@pytest.mark.parametrize("value", [-1.0, -math.inf, math.nan])
def test_totals_that_the_format_does_not_allow(
    backend: ModuleType, registry: Any, metrics: Collector, value: float
) -> None:
    cell = metrics.counter("bad", "B.", backend.AtomicFloat())
    cell.store(value)
    (warning,) = left_out(registry)
    assert "'bad'" in warning
    assert page(registry) == {"good_total 1"}
    cell.store(2)
    assert page(registry) == {"good_total 1", "bad_total 2"}


@pytest.mark.parametrize("values", [[-5.0], [math.inf, -math.inf]])
def test_sums_that_the_format_does_not_allow(
    backend: ModuleType, registry: Any, metrics: Collector, values: list[float]
) -> None:
    histogram = metrics.histogram("odd", "O.", backend.Histogram([1.0]))
    for value in values:
        histogram.observe(value)
    assert page(registry) == {"good_total 1", "odd_bucket 1", f"odd_bucket {len(values)}"}


@pytest.mark.parametrize("values", [("\udc80",), (), ("one", "more")])
def test_labels_that_cannot_be(
    registry: Any, metrics: Collector, backend: ModuleType, values: tuple[str, ...]
) -> None:
    class Odd:
        label_names = ("label",)

        def items(self) -> Any:
            return [(values, backend.Counter(7)), (("ok",), backend.Counter(5))]

    metrics.counter("odd", "O.", Odd())
    (warning,) = left_out(registry)
    assert "'odd'" in warning
    assert page(registry) == {"good_total 1", "odd_total 5"}


def test_names_that_clash_later(registry: Any, metrics: Collector, backend: ModuleType) -> None:
    """Names clash with each other, with other metrics of the registry, and with another collector's."""
    cells = metrics.segment({"jobs_total": backend.AtomicInt(1)})
    LibraryCounter("hits", "H.", registry=registry)
    other = Collector(registry).segment({"more": backend.AtomicInt(2)})
    cells |= dict.fromkeys(
        ["jobs", "jobs_created", "_total", "hits_total", "hits_created", "good", "more", "fine", 5],
        backend.AtomicInt(3),
    )
    other["fine"] = backend.AtomicInt(4)
    expected = {"good_total 1", "jobs_total 1", "hits_total 0", "more 2", "fine 3"}
    warned = left_out(registry)
    assert len(warned) == len(set(warned)) == 9, warned
    for name in ("'jobs'", "'jobs_created'", "'_total'", "'hits_total'", "'good'", "'more'", "'fine'", "5"):
        assert any(warning.startswith(name) for warning in warned), name
    assert page(registry) == expected
    restricted = registry.restricted_registry(["fine", "jobs_total"])
    assert page(restricted) == {"fine 3", "jobs_total 1"}
    with pytest.raises(ValueError, match="fine"):
        LibraryCounter("fine", "F.", registry=registry)


def test_a_name_that_becomes_free(registry: Any, metrics: Collector, backend: ModuleType) -> None:
    cells = metrics.segment({"jobs_total": backend.AtomicInt(1)})
    cells["jobs"] = backend.AtomicInt(2)
    assert left_out(registry)
    assert page(registry) == {"good_total 1", "jobs_total 1"}
    del cells["jobs_total"]
    generate_latest(registry)
    assert page(registry) == {"good_total 1", "jobs 2"}
    cells["jobs"] = backend.AtomicInt(3)  # another cell
    assert page(registry) == {"good_total 1", "jobs 3"}


def test_a_clash_that_is_there_at_once(registry: Any, metrics: Collector, backend: ModuleType) -> None:
    with pytest.warns(RuntimeWarning, match="'requests_total': another metric has this name .left out"):
        metrics.segment({"requests": backend.AtomicInt(1), "requests_total": backend.AtomicInt(2)})
    assert page(registry) == {"good_total 1", "requests 1"}


def test_a_source_that_fails_in_the_middle(registry: Any, metrics: Collector, backend: ModuleType) -> None:
    class Source:
        broken = False

        def items(self) -> Any:
            yield "a", backend.AtomicInt(1)
            if self.broken:
                raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "another process wrote that")
            yield "b", backend.AtomicInt(2)

    source = metrics.segment(Source())
    assert page(registry) == {"good_total 1", "a 1", "b 2"}
    source.broken = True
    (warning,) = left_out(registry)
    assert "'Source'" in warning and "another process wrote that" in warning
    assert page(registry) == {"good_total 1", "a 1", "b 2"}


@NEEDS_C
def test_a_segment_that_is_closed(registry: Any, metrics: Collector) -> None:
    segment = Segment.anonymous(10)
    segment.int("cell").inc()
    metrics.segment(segment)
    assert page(registry) == {"good_total 1", "cell 1"}
    segment.close()
    assert left_out(registry)
    assert page(registry) == {"good_total 1"}


# Times of creation


def created(registry: Any) -> dict[str, float]:
    families = in_openmetrics(registry)
    return {
        sample.labels["label"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == "each_created"
    }


def test_created_of_scrapes_that_overlap(registry: Any, backend: ModuleType) -> None:
    """The second scrape begins and ends while the first is looking, and a child appears in between."""
    cells = {"a": backend.Counter()}
    inner: list[dict[str, float]] = []

    class Family:
        label_names = ("label",)

        def items(self) -> Any:
            found = [((label,), cell) for label, cell in cells.items()]
            if "b" not in cells:
                cells["b"] = backend.Counter()
                inner.append(created(registry))
            return found

    metrics = Collector(registry)
    metrics.counter("each", "E.", Family())
    inner.clear()
    del cells["b"]
    outer = created(registry)
    assert outer == inner[0] == created(registry) and set(outer) == {"a", "b"}


def test_created_when_the_clock_is_set_back(
    registry: Any, backend: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No creation time changes, and a child that is made again has a later one than before."""
    now = 1000.0
    monkeypatch.setattr("atomicx.prometheus.time.time", lambda: now)
    family = Collector(registry).counter("each", "E.", backend.Family(backend.Counter, "label"))
    family["a"].inc()
    now = 2000.0
    assert created(registry) == {"a": 1000.0}
    now = 500.0
    family["b"].inc()
    assert created(registry) == {"a": 1000.0, "b": 2000.0}
    family["c"].inc()
    assert created(registry)["c"] == 2000.0
    for _ in range(2):
        before = created(registry)
        family.remove("b")
        family["b"].inc()
        after = created(registry)
        assert after["a"] == 1000.0 and after["b"] > before["b"]
        assert created(registry) == after


# Unregistering


def test_unregister(registry: Any, metrics: Collector, backend: ModuleType) -> None:
    cell = metrics.counter("a", "A.", backend.Counter(2))
    assert metrics.gauge("b", "B.", cell) is cell
    source = metrics.segment({"c": backend.AtomicInt(3)})
    source["d"] = backend.AtomicInt(4)
    assert page(registry) == {"good_total 1", "a_total 2", "b 2", "c 3", "d 4"}
    metrics.unregister(cell)
    assert page(registry) == {"good_total 1", "c 3", "d 4"}
    metrics.unregister(source)
    assert page(registry) == {"good_total 1"}
    for what in (cell, source, backend.Counter()):
        with pytest.raises(KeyError):
            metrics.unregister(what)
    metrics.counter("a", "A.", cell)
    metrics.segment(source)
    assert page(registry) == {"good_total 1", "a_total 2", "c 3", "d 4"}


def test_close(registry: Any, metrics: Collector, backend: ModuleType) -> None:
    """An application factory may run several times."""
    cell = backend.Counter(2)
    metrics.close()
    assert page(registry) == set()
    for _ in range(2):
        application = Collector(registry)
        application.counter("good", "G.", cell)
        application.segment({"c": backend.AtomicInt(3)})
        assert page(registry) == {"good_total 2", "c 3"}
        application.close()
        application.close()
        assert page(registry) == set()
    metrics.counter("good", "G.", cell)
    assert page(registry) == {"good_total 2"}


def test_a_collector_of_its_own_sees_later_names(registry: Any, backend: ModuleType) -> None:
    metrics = Collector(None)
    cells = metrics.segment({"a": backend.AtomicInt(1)})
    registry.register(metrics)
    cells["b"] = backend.AtomicInt(2)
    assert page(registry) == {"a 1", "b 2"}
    metrics.unregister(cells)
    assert page(registry) == set()
