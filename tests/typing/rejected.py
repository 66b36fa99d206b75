"""What type checkers refuse. An ignore that nothing needs is an error, so each line here must be refused.

They read this file, and nothing runs it.
"""
# pyright: reportUnusedExpression=false
# ruff: noqa: B015, B018

import atomicx
from atomicx import (
    AtomicBool,
    AtomicFloat,
    AtomicInt,
    AtomicRef,
    Counter,
    ExponentialHistogram,
    Family,
    FloatCell,
    Histogram,
    IntCell,
    SharedCounter,
    SharedFloat,
    SharedInt,
)
from atomicx.opentelemetry import Collector
from atomicx.prometheus import Collector as PrometheusCollector
from atomicx.shared import Segment


def integers(cell: AtomicInt) -> None:
    AtomicInt(1.5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    AtomicInt("1")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    AtomicInt(None)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    AtomicInt(value=1)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    AtomicInt(1, 2)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    cell.store()  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    cell.store(value=1)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    cell.add()  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    cell.inc(1)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    cell.fetch_max()  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    cell.try_add(1)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    cell.update(5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    cell.update(lambda: 5)  # type: ignore[misc,arg-type] # pyright: ignore[reportArgumentType]
    cell.update(str)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    cell += 0.5  # type: ignore[arg-type] # pyright: ignore[reportOperatorIssue]


def no_hidden_reads(cell: AtomicInt, number: AtomicFloat) -> None:
    cell + 1  # type: ignore[operator] # pyright: ignore[reportOperatorIssue]
    1 + cell  # type: ignore[operator] # pyright: ignore[reportOperatorIssue]
    cell < 1  # type: ignore[operator] # pyright: ignore[reportOperatorIssue]
    "x" * cell  # type: ignore[operator] # pyright: ignore[reportOperatorIssue]
    [1][cell]  # type: ignore[call-overload] # pyright: ignore[reportCallIssue, reportArgumentType]
    number + 1.0  # type: ignore[operator] # pyright: ignore[reportOperatorIssue]
    cell *= 2  # type: ignore[operator,assignment] # pyright: ignore[reportOperatorIssue]


def floats(cell: AtomicFloat) -> None:
    AtomicFloat("1")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    cell.fetch_add()  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    cell.add(None)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    cell.inc()  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    int(cell)  # type: ignore[call-overload] # pyright: ignore[reportArgumentType]


def booleans(cell: AtomicBool) -> None:
    AtomicBool(1)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    cell.store(None)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    cell.test_and_set(True)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]


def references(cell: AtomicRef[int], truth: AtomicRef[bool]) -> None:
    cell.store("1")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    cell.store(None)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    cell.compare_and_set(1, "2")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    cell.update(str)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    number: AtomicRef[int] = truth  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
    wider: AtomicRef[object] = cell  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
    never_none: AtomicRef[int] = AtomicRef()  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
    also_none: AtomicRef[str] = AtomicRef[str]()  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
    AtomicRef[str]().load().upper()  # type: ignore[union-attr] # pyright: ignore[reportOptionalMemberAccess]
    del number, wider, never_none, also_none


def counters(counter: Counter) -> None:
    counter.dec()  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    counter.add(1.0)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    counter -= 1  # type: ignore[operator,assignment] # pyright: ignore[reportOperatorIssue]
    counter.store(1)  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]


def shared_cells(segment: Segment) -> None:
    SharedInt()  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    SharedInt(5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    SharedFloat(bytearray(8), 0.0)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    segment.int("n").add(0.5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    segment.int(5)  # type: ignore[call-overload] # pyright: ignore[reportArgumentType]
    SharedCounter()  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    segment.counter("n").dec()  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    segment.histogram("n")  # type: ignore[call-overload] # pyright: ignore[reportCallIssue]
    local: AtomicInt = segment.int("n")  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
    del local


def guards(cell: AtomicInt) -> None:
    cell.track()(5)  # type: ignore[type-var] # pyright: ignore[reportArgumentType]
    cell.admit()  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    cell.admit(0.5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    cell.try_add(1, limits=5)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    cell.compare_and_set(expected=1)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]

    @cell.track()
    def handle(path: str) -> None: ...

    handle(5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def protocols(counter: Counter) -> None:
    integer: IntCell = AtomicFloat()  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
    number: FloatCell = AtomicInt()  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
    counting: IntCell = counter  # type: ignore[assignment] # pyright: ignore[reportAssignmentType]
    del integer, number, counting


def front() -> None:
    atomicx.Mutex  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]


def histograms(histogram: Histogram) -> None:
    ExponentialHistogram(1.5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    ExponentialHistogram(1, 2.0)  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    ExponentialHistogram().scale = 3  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]
    Histogram()  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    Histogram(1.0)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    histogram.observe("1")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    histogram.bounds = (1.0,)  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]
    histogram.snapshot().sum = 1.0  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]
    histogram.time()(5)  # type: ignore[type-var] # pyright: ignore[reportArgumentType]


def families(family: Family[Counter]) -> None:
    Family(5, "label")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    Family(Counter, 5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    family[1.0]  # type: ignore[index] # pyright: ignore[reportArgumentType]
    family["GET"].dec()  # type: ignore[attr-defined] # pyright: ignore[reportAttributeAccessIssue]
    family["GET"] = 5  # type: ignore[assignment] # pyright: ignore[reportArgumentType]
    family["GET"] += 1.5  # type: ignore[arg-type] # pyright: ignore[reportOperatorIssue]
    del family["GET"]  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    1.5 in family  # type: ignore[operator] # pyright: ignore[reportOperatorIssue]
    family.labels(method=1.5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    family.inc(1.5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    family.add(1.5, "GET")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    family.dec("GET")  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]
    family.store(1, "GET")  # type: ignore[misc, arg-type] # pyright: ignore[reportAttributeAccessIssue]
    family.observe(1.0, "GET")  # type: ignore[misc, arg-type] # pyright: ignore[reportAttributeAccessIssue]
    family.track("GET")  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]
    family.time("GET")  # type: ignore[misc] # pyright: ignore[reportAttributeAccessIssue]
    Family(Counter, "a", limit=1, overflow=5)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    family.remove(1.0)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def collectors(metrics: Collector, theirs: PrometheusCollector, counters: Family[Counter]) -> None:
    metrics.counter("a", "A.", 5)  # type: ignore[type-var] # pyright: ignore[reportArgumentType]
    metrics.counter("a", "A.", lambda: 5)  # type: ignore[type-var] # pyright: ignore[reportArgumentType]
    metrics.counter("a", "A.", Histogram([1.0]))  # type: ignore[type-var] # pyright: ignore[reportArgumentType]
    metrics.up_down_counter("a", "A.", lambda: 5)  # type: ignore[type-var] # pyright: ignore[reportArgumentType]
    metrics.gauge("a", "A.", "a")  # type: ignore[type-var] # pyright: ignore[reportArgumentType]
    metrics.gauge("a", "A.", lambda: "a")  # type: ignore[type-var] # pyright: ignore[reportArgumentType]
    metrics.histogram("a", "A.", Counter())  # type: ignore[type-var] # pyright: ignore[reportArgumentType]
    metrics.histogram("a", "A.", counters)  # type: ignore[type-var] # pyright: ignore[reportArgumentType]
    metrics.segment(5)  # type: ignore[type-var] # pyright: ignore[reportArgumentType]
    metrics.counter("a", "A.", Counter(), 5)  # type: ignore[call-arg, arg-type] # pyright: ignore[reportCallIssue]
    theirs.counter("a", "A.", 5)  # type: ignore[type-var] # pyright: ignore[reportArgumentType]
    theirs.gauge("a", "A.", "a")  # type: ignore[type-var] # pyright: ignore[reportArgumentType]
    theirs.histogram("a", "A.", counters)  # type: ignore[type-var] # pyright: ignore[reportArgumentType]
    theirs.segment(5)  # type: ignore[type-var] # pyright: ignore[reportArgumentType]
