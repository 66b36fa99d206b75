"""What type checkers make of the public API. They read this file, and nothing runs it."""

# pyright: reportUnusedExpression=false

import asyncio
import mmap
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from opentelemetry.metrics import get_meter
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, MetricExportResult, MetricsData
from typing_extensions import assert_type

import atomicx
from atomicx import (
    AtomicBool,
    AtomicFloat,
    AtomicInt,
    AtomicRef,
    Counter,
    ExponentialHistogram,
    ExponentialHistogramSnapshot,
    Family,
    FloatCell,
    Histogram,
    HistogramSnapshot,
    IntCell,
    SharedCounter,
    SharedFamily,
    SharedFloat,
    SharedGauge,
    SharedHistogram,
    SharedInt,
    enable_deferred_refcount,
)
from atomicx.opentelemetry import Collector, HistogramFolding, fold_histograms
from atomicx.prometheus import Collector as PrometheusCollector
from atomicx.shared import Segment


class Index:
    def __index__(self) -> int:
        return 1


def front() -> None:
    assert_type(atomicx.backend, str)
    assert_type(atomicx.__version__, str)
    assert_type(enable_deferred_refcount([1]), list[int])


def integers(cell: AtomicInt) -> None:
    AtomicInt(), AtomicInt(5), AtomicInt(True), AtomicInt(Index())
    assert_type(cell.load(), int)
    cell.store(Index())
    assert_type(cell.exchange(1), int)
    assert_type(cell.compare_and_set(1, 2), bool)
    assert_type(cell.compare_exchange(1, 2), int)
    cell.inc()
    cell.dec()
    cell.add(True)
    assert_type(cell.fetch_add(), int)
    assert_type(cell.fetch_add(1), int)
    assert_type(cell.fetch_sub(), int)
    assert_type(cell.fetch_and(1), int)
    assert_type(cell.fetch_or(1), int)
    assert_type(cell.fetch_xor(1), int)
    assert_type(cell.fetch_max(1), int)
    assert_type(cell.fetch_min(1), int)
    assert_type(cell.add_fetch(), int)
    assert_type(cell.sub_fetch(), int)
    assert_type(cell.try_add(1, 10), bool)
    assert_type(cell.fetch_inc_mod(3), int)
    assert_type(cell.advance(1), int)
    assert_type(cell.update(lambda value: value + 1), int)
    assert_type(cell.fetch_update(lambda value: Index()), int)
    assert_type(int(cell), int)
    assert_type(bool(cell), bool)
    cell += 1
    cell -= Index()
    cell &= 1
    cell |= 1
    cell ^= 1
    assert_type(cell, AtomicInt)


class Requests(AtomicInt):
    def __init__(self, name: str) -> None:
        super().__init__(0)
        self.name = name


def guards(cell: AtomicInt, requests: Requests) -> None:
    guard = cell.track()
    with guard as entered:
        assert_type(entered, AtomicInt)
    with requests.track() as entered_requests:
        assert_type(entered_requests.name, str)

    @cell.track()
    def handle(path: str, *, retries: int = 0) -> bytes:
        return path.encode() * retries

    @guard
    async def fetch(path: str) -> bytes:
        return path.encode()

    @guard
    def rows(path: str) -> Iterator[bytes]:
        yield path.encode()

    @requests.track()
    async def events(path: str) -> AsyncIterator[bytes]:
        yield path.encode()

    with cell.admit(100) as admitted:
        assert_type(admitted, bool)
    assert_type(next(rows("/")), bytes)
    stream: Callable[[str], AsyncIterator[bytes]] = events
    assert_type(cell.compare_and_set(expected=1, desired=2), bool)
    assert_type(cell.compare_exchange(desired=1, expected=2), int)
    assert_type(cell.try_add(1, limit=5), bool)
    assert_type(f"{cell:,d}", str)
    del stream
    assert_type(handle("/", retries=1), bytes)
    callback: Callable[[str], Awaitable[bytes]] = fetch
    assert_type(asyncio.run(fetch("/")), bytes)
    del callback


def subclasses(requests: Requests) -> None:
    requests += 1
    assert_type(requests, Requests)
    assert_type(requests.name, str)


def floats(cell: AtomicFloat) -> None:
    AtomicFloat(), AtomicFloat(5), AtomicFloat(Decimal(5)), AtomicFloat(Fraction(1, 2)), AtomicFloat(Index())
    assert_type(cell.load(), float)
    cell.store(1)
    assert_type(cell.exchange(1.5), float)
    assert_type(cell.compare_and_set(1, 2), bool)
    assert_type(cell.compare_exchange(1, 2), float)
    cell.add(0.5)
    assert_type(cell.fetch_add(1), float)
    assert_type(cell.fetch_sub(1), float)
    assert_type(cell.add_fetch(1), float)
    assert_type(cell.sub_fetch(1), float)
    assert_type(cell.fetch_max(1), float)
    assert_type(cell.fetch_min(1), float)
    assert_type(cell.update(lambda value: value / 2), float)
    assert_type(cell.fetch_update(lambda value: Decimal(value)), float)
    assert_type(float(cell), float)
    assert_type(bool(cell), bool)
    cell += 0.5
    cell -= 1
    assert_type(cell, AtomicFloat)


def booleans(cell: AtomicBool) -> None:
    AtomicBool(), AtomicBool(True)
    assert_type(cell.load(), bool)
    cell.store(False)
    assert_type(cell.exchange(True), bool)
    assert_type(cell.compare_and_set(True, False), bool)
    assert_type(cell.compare_exchange(True, False), bool)
    assert_type(cell.test_and_set(), bool)
    cell.clear()
    assert_type(bool(cell), bool)


def references(config: AtomicRef[dict[str, int]]) -> None:
    assert_type(config.load(), dict[str, int])
    config.store({})
    assert_type(config.exchange({"a": 1}), dict[str, int])
    # Compared by identity: whatever was loaded elsewhere may be asked for.
    assert_type(config.compare_and_set(None, {}), bool)
    assert_type(config.compare_exchange(object(), {}), dict[str, int])
    assert_type(config.update(lambda old: {**old, "b": 2}), dict[str, int])
    assert_type(config.fetch_update(lambda old: {**old, "b": 2}), dict[str, int])


def empty_references() -> None:
    assert_type(AtomicRef(5), AtomicRef[int])
    maybe: AtomicRef[int | None] = AtomicRef()
    assert_type(maybe.load(), int | None)
    maybe.store(5)
    also: AtomicRef[str | None] = AtomicRef[str | None]()
    assert_type(also.exchange("x"), str | None)
    assert_type(AtomicRef(), AtomicRef[Any | None])
    assert_type(AtomicRef[str](), AtomicRef[Any | None])
    assert_type(AtomicRef[float](5).load(), float)
    assert_type(AtomicRef(None), AtomicRef[None])


class Latest(AtomicRef[bytes]): ...


class Choice(AtomicRef[int | None]): ...


class Setting(AtomicRef[int]):
    def __init__(self, name: str) -> None:
        super().__init__(0)
        self.name = name


def derived_references(latest: Latest) -> None:
    assert_type(latest.load(), bytes)
    assert_type(Choice(), Choice)
    assert_type(Setting("limit"), Setting)
    assert_type(Setting("limit").load(), int)


def counters(counter: Counter) -> None:
    Counter(), Counter(5)
    counter.inc()
    counter.add(5)
    assert_type(counter.load(), int)
    assert_type(counter.drain(), int)
    assert_type(int(counter), int)
    assert_type(bool(counter), bool)
    counter += Index()
    assert_type(counter, Counter)


def shared_cells(memory: mmap.mmap) -> None:
    integer = SharedInt(memory)
    SharedInt(bytearray(8)), SharedInt(memoryview(memory), offset=8), SharedInt(buffer=memory, offset=Index())
    assert_type(integer.fetch_add(), int)
    integer += 1
    assert_type(integer, SharedInt)
    with integer.track() as entered:
        assert_type(entered, SharedInt)
    real = SharedFloat(memory, 8)
    real -= 0.5
    assert_type(real.update(lambda value: value / 2), float)
    assert_type(integer.load() + real.load(), float)
    integer.release()
    real.release()


def segments(path: Path) -> None:
    segment = Segment.create(path, capacity=10)
    assert_type(segment, Segment)
    assert_type(Segment.open("path"), Segment)
    assert_type(segment.int("requests"), SharedInt)
    assert_type(segment.float("seconds"), SharedFloat)
    assert_type(segment.counter("requests"), SharedCounter)
    assert_type(segment.gauge(name="in_flight"), SharedGauge)
    assert_type(segment.histogram("latency", [0.1, 1]), SharedHistogram)
    family = segment.counter("by_route", "route", "status", overflow=None)
    assert_type(family, SharedFamily[SharedCounter])
    assert_type(family["GET", 200], SharedCounter)
    assert_type(family.labels(route="GET", status=200), SharedCounter)
    family["GET", 200] += 1
    family.inc("GET", 200)
    family.add(5, "GET", "200")
    assert_type(segment.histogram("times", bounds=[1], label_name="route"), SharedFamily[SharedHistogram])
    assert_type(segment.histogram("times", [1], "route").bounds, tuple[float, ...] | None)
    assert_type(segment.usage().series, int)
    assert_type(Segment.open_or_create(path, 10, processes=8, mode=0o666), Segment)
    assert_type(Segment.anonymous(10), Segment)
    with segment as entered, segment.gauge("in_flight").track() as gauge:
        assert_type(entered, Segment)
        assert_type(gauge, SharedGauge)
    for name, cell in segment.items():
        assert_type(name, str)
        if isinstance(cell, SharedFamily):
            assert_type(cell.kind, str)
        else:
            assert_type(cell, SharedInt | SharedFloat | SharedCounter | SharedGauge | SharedHistogram)
    assert_type(segment.path, str)
    assert_type(segment.capacity, int)
    segment.close()


def count_anywhere(cell: IntCell) -> IntCell:
    cell.inc()
    cell += 1
    with cell.track() as entered:
        assert_type(entered.load(), int)
    return cell


def add_anywhere(cell: FloatCell) -> float:
    cell += 1
    return cell.update(lambda value: value * 2) + float(cell)


def protocols(requests: Requests) -> None:
    count_anywhere(AtomicInt())
    count_anywhere(requests)
    count_anywhere(SharedInt(bytearray(8)))
    add_anywhere(AtomicFloat())
    add_anywhere(SharedFloat(bytearray(8)))


def count_without_bounds(histogram: ExponentialHistogram) -> None:
    assert_type(ExponentialHistogram(), ExponentialHistogram)
    ExponentialHistogram(Index(), smallest=0, largest=1.5, signed=True)
    histogram.observe(0.5)
    histogram.observe(1)
    with histogram.time() as entered:
        assert_type(entered, ExponentialHistogram)
    snapshot = histogram.snapshot()
    assert_type(snapshot, ExponentialHistogramSnapshot)
    assert_type(histogram.drain(), ExponentialHistogramSnapshot)
    assert_type(snapshot.quantile(0.5), float)
    assert_type(snapshot.downscale(2).merge(snapshot), ExponentialHistogramSnapshot)
    assert_type(snapshot.positive.counts, tuple[int, ...])
    assert_type(snapshot.negative.offset, int)
    assert_type((histogram.scale, histogram.signed, snapshot.count), tuple[int, bool, int])
    family = Family(lambda: ExponentialHistogram(3), "route")
    family.observe(0.5, "/")
    assert_type(family["/"].smallest, float)


class Latency(Histogram):
    def __init__(self, name: str) -> None:
        super().__init__([0.1, 1])
        self.name = name


def histograms(histogram: Histogram, latency: Latency) -> None:
    Histogram([1.0, Decimal(2), Index()]), Histogram(bounds=range(3))
    assert_type(histogram.bounds, tuple[float, ...])
    histogram.observe(Fraction(1, 2))
    assert_type(histogram.snapshot(), HistogramSnapshot)
    counts, total = histogram.drain()
    assert_type(counts, tuple[int, ...])
    assert_type(total, float)
    assert_type(histogram.snapshot().counts, tuple[int, ...])
    with histogram.time() as entered:
        assert_type(entered, Histogram)
    with latency.time() as same:
        assert_type(same, Latency)

    @histogram.time()
    def handler(value: int) -> str:
        return str(value)

    assert_type(handler(1), str)

    @histogram.time()
    async def coroutine(value: int) -> str:
        return str(value)

    assert_type(asyncio.run(coroutine(1)), str)


def families() -> None:
    requests = Family(Counter, "method", "status", limit=10)
    assert_type(requests, Family[Counter])
    assert_type(requests["GET", 200], Counter)
    assert_type(Family(lambda: Histogram([1.0]), "path")["/"], Histogram)
    for labels, child in requests.items():
        assert_type(labels, tuple[str, ...])
        assert_type(child, Counter)
    requests.remove("GET", 200)
    requests.clear()
    assert_type(requests.label_names, tuple[str, ...])
    assert_type(requests.limit, int | None)
    assert_type(requests.overflow, str | None)
    assert_type(requests.labels(method="GET", status=200), Counter)
    assert_type(len(requests), int)
    assert_type(("GET", 200) in requests, bool)
    requests["GET", 200] += 1
    requests.inc("GET", 200)
    requests.add(Index(), "GET", 200)
    covariant: Family[object] = requests
    del covariant
    levels = Family(AtomicFloat, "room", limit=10, overflow="other")
    levels.add(1, "hall")
    levels.store(0.5, "hall")
    in_flight = Family(AtomicInt, "route")
    in_flight.dec("/")
    with in_flight.track("/") as cell:
        assert_type(cell, AtomicInt)
    latency = Family(lambda: Histogram([1.0]), "route")
    latency.observe(0.5, "/")
    with latency.time("/") as histogram:
        assert_type(histogram, Histogram)
    assert_type(latency.time("/")(len)([]), int)


def prometheus(metrics: PrometheusCollector, segment: Segment, shared: SharedInt) -> None:
    assert_type(metrics.counter("a", "A.", Counter()), Counter)
    assert_type(metrics.counter("b", "B.", Family(Counter, "label"), unit="bytes"), Family[Counter])
    assert_type(metrics.gauge("c", "C.", AtomicBool()), AtomicBool)
    metrics.gauge("d", "D.", lambda: 5)
    assert_type(metrics.histogram("e", "E.", Histogram([1.0])), Histogram)
    assert_type(metrics.segment(segment), Segment)
    assert_type(metrics.counter("f", "F.", shared), SharedInt)


def opentelemetry(metrics: Collector, segment: Segment, shared: SharedFloat) -> None:
    assert_type(metrics.counter("a", "A.", Counter()), Counter)
    assert_type(metrics.counter("b", "B.", Family(Counter, "label"), unit="By"), Family[Counter])
    assert_type(metrics.up_down_counter("c", "C.", AtomicInt()), AtomicInt)
    assert_type(metrics.gauge("d", "D.", AtomicFloat()), AtomicFloat)
    metrics.gauge("e", "E.", lambda: 0.5)
    assert_type(metrics.histogram("f", "F.", Histogram([1.0]), unit="s"), Histogram)
    times = Family(lambda: Histogram([1.0]), "label")
    assert_type(metrics.histogram("g", "G.", times), Family[Histogram])
    assert_type(metrics.segment(segment, "Shared."), Segment)
    metrics.segment({"h": AtomicInt()})
    assert_type(metrics.counter("i", "I.", shared), SharedFloat)
    Collector(get_meter("name"))


class Exporter(HistogramFolding, ConsoleMetricExporter):
    pass


def folding(data: MetricsData) -> None:
    assert_type(fold_histograms(data), MetricsData)
    assert_type(Exporter().export(data), MetricExportResult)
