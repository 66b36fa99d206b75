"""The alternatives: the standard library, and packages from PyPI where they are installed.

A row names its operation as atomicx's own cases do, so that equivalents can be compared.
"""

from __future__ import annotations

import atexit
import collections
import itertools
import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import Any

import atomicx

from .harness import Case

STANDARD = "Python"
# Alternatives that return the count start here, so that they return an int of the same size as ours.
LARGE = 1 << 40


class Locked:
    """The counter that people write by hand: an int, a lock, a method."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._value = 0

    def inc(self) -> None:
        with self._lock:
            self._value += 1


class LockedGauge(Locked):
    """The same as a context manager, to count what is in flight."""

    def __enter__(self) -> None:
        with self._lock:
            self._value += 1

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            self._value -= 1


LOCKED = "inc() of a class with a lock and an int"


def standard_cases() -> list[Case]:
    """Return what the standard library offers for the same jobs."""

    def case(
        operation: str, label: str, statement: str, make: Callable[[], dict[str, Any]], note: str = ""
    ) -> Case:
        return Case(STANDARD, (operation,), label, (statement,), make, note=note)

    return [
        case("int.inc", LOCKED, "cell.inc()", lambda: {"cell": Locked()}),
        case(
            "inline.inc",
            "with lock: value += 1",
            "with lock: value += 1",
            lambda: {"lock": threading.Lock(), "value": 0},
        ),
        case(
            "int.fetch_add",
            "next(itertools.count())",
            "next(cell)",
            lambda: {"cell": itertools.count(LARGE)},
        ),
        case(
            "shared.inc",
            "multiprocessing.Value += 1 with its lock",
            "with lock: cell.value += 1",
            _process_value,
        ),
        case(
            "mapping.inc",
            "collections.Counter[key] += 1",
            "cell['key'] += 1",
            lambda: {"cell": collections.Counter()},
            note="not atomic",
        ),
        case(
            "inflight",
            "with a class with a lock and an int",
            "with cell: pass",
            lambda: {"cell": LockedGauge()},
        ),
    ]


def _process_value() -> dict[str, Any]:
    cell = multiprocessing.Value("q", 0)
    return {"cell": cell, "lock": cell.get_lock()}


@dataclass(frozen=True)
class AlternativeRow:
    """One operation of a peer, and the jobs that it does; `make` takes the peer's module."""

    jobs: tuple[str, ...]
    label: str
    statements: tuple[str, ...]
    make: Callable[[Any], dict[str, Any]]


@dataclass(frozen=True)
class Peer:
    """A package with something comparable."""

    name: str
    """As on PyPI."""
    module: str
    rows: tuple[AlternativeRow, ...]

    def cases(self) -> list[Case]:
        """Import the package, and return its operations."""
        module = import_module(self.module)
        return [
            Case(self.name, row.jobs, row.label, row.statements, partial(row.make, module))
            for row in self.rows
        ]


def _rows(
    type_name: str, make: Callable[[Any], Any], *operations: tuple[str, ...]
) -> tuple[AlternativeRow, ...]:
    """Return the rows of one type. Each operation is given as its jobs, in one string, and its calls."""

    def objects(module: Any) -> dict[str, Any]:
        return {"cell": make(module)}

    rows: list[AlternativeRow] = []
    for jobs, *calls in operations:
        statements = tuple(f"cell.{call}" for call in calls)
        rows.append(AlternativeRow(tuple(jobs.split()), f"{type_name}.{calls[0]}", statements, objects))
    return tuple(rows)


def _reference_rows(
    type_name: str, find: Callable[[Any], Any], *operations: tuple[str, ...]
) -> list[AlternativeRow]:
    """Return the same for a type of references. It holds what ours is measured with: an ordinary object,
    whose references are counted, unlike those to None and to small ints."""

    def objects(module: Any) -> dict[str, Any]:
        first, second = object(), object()
        return {"cell": find(module)(first), "first": first, "second": second}

    rows = _rows(type_name, find, *operations)
    return [replace(row, label=row.label.replace("(first)", "(object)"), make=objects) for row in rows]


def _entered(view: Any) -> dict[str, Any]:
    """Enter a context manager until the process ends. Returns what it gives."""
    atexit.register(view.__exit__, None, None, None)
    return {"cell": view.__enter__()}


def _meter(export: Any) -> tuple[Any, Any]:
    """Return a meter of the real SDK, and the reader that collects what it counts."""
    reader = export.InMemoryMetricReader()
    provider = import_module("opentelemetry.sdk.metrics").MeterProvider(metric_readers=[reader])
    return provider.get_meter("benchmark"), reader


def _exponential(export: Any) -> dict[str, Any]:
    """Return a histogram of the real SDK that aggregates in exponential buckets."""
    metrics, view = (
        import_module("opentelemetry.sdk.metrics"),
        import_module("opentelemetry.sdk.metrics.view"),
    )
    views = [view.View(instrument_name="latency", aggregation=view.ExponentialBucketHistogramAggregation())]
    provider = metrics.MeterProvider(metric_readers=[export.InMemoryMetricReader()], views=views)
    return {"cell": provider.get_meter("benchmark").create_histogram("latency")}


def _collected(export: Any, *, observed: bool) -> dict[str, Any]:
    """Return a reader that collects one count: the SDK's own, or one of ours that it observes."""
    meter, reader = _meter(export)
    if observed:
        observation = import_module("opentelemetry.metrics").Observation
        cell = atomicx.Counter(1)
        meter.create_observable_counter("requests", callbacks=[lambda _: [observation(cell.load())]])
    else:
        meter.create_counter("requests").add(1)
    return {"reader": reader}


PEERS = (
    Peer(
        "cereggii",
        "cereggii",
        (
            *_rows(
                "cereggii.AtomicInt64",
                lambda module: module.AtomicInt64(LARGE),
                ("int.inc int.add_fetch", "increment_and_get()"),
                ("int.dec", "decrement_and_get()"),
                ("int.add int.add_fetch_one", "increment_and_get(1)"),
                ("int.fetch_add", "get_and_increment()"),
                ("int.fetch_add_one", "get_and_increment(1)"),
            ),
            *_rows(
                "cereggii.AtomicInt64",
                lambda module: module.AtomicInt64(0),
                ("int.load", "get()"),
                ("int.store", "set(1)"),
                ("int.exchange", "get_and_set(1)"),
                ("int.compare_and_set", "compare_and_set(0, 1)", "compare_and_set(1, 0)"),
            ),
            *_reference_rows(
                "cereggii.AtomicRef",
                lambda module: module.AtomicRef,
                ("ref.load", "get()"),
                ("ref.store", "set(first)", "set(second)"),
                ("ref.exchange", "get_and_set(first)"),
            ),
            *_rows(
                "cereggii.AtomicBool",
                lambda module: module.AtomicBool(False),
                ("bool.load", "get()"),
                ("bool.store", "set(True)"),
                ("bool.test_and_set bool.exchange", "get_and_set(True)"),
                ("bool.compare_and_set", "compare_and_set(False, True)", "compare_and_set(True, False)"),
            ),
        ),
    ),
    Peer(
        "ft_utils",
        "ft_utils.concurrency",
        (
            *_rows(
                "ft_utils.AtomicInt64",
                lambda module: module.AtomicInt64(LARGE),
                ("int.inc int.add_fetch", "incr()"),
                ("int.dec", "decr()"),
            ),
            *_rows(
                "ft_utils.AtomicInt64",
                lambda module: module.AtomicInt64(0),
                ("int.load", "get()"),
                ("int.store", "set(1)"),
            ),
            *_reference_rows(
                "ft_utils.AtomicReference",
                lambda module: module.AtomicReference,
                ("ref.load", "get()"),
                ("ref.store", "set(first)", "set(second)"),
                ("ref.exchange", "exchange(first)"),
            ),
            *_rows(
                "ft_utils.AtomicFlag",
                lambda module: module.AtomicFlag(False),
                ("bool.store", "set(True)"),
            ),
        ),
    ),
    Peer(
        "atomics",
        "atomics",
        (
            *_rows(
                "atomics INT",
                lambda module: module.atomic(width=8, atype=module.INT),
                ("int.inc", "inc()"),
                ("int.dec", "dec()"),
                ("int.add", "add(1)"),
                ("int.load", "load()"),
                ("int.store", "store(1)"),
                ("int.fetch_add", "fetch_inc()"),
                ("int.compare_and_set", "cmpxchg_strong(0, 1)", "cmpxchg_strong(1, 0)"),
            ),
            AlternativeRow(
                ("shared.inc",),
                "atomics INT view.inc()",
                ("cell.inc()",),
                lambda module: _entered(module.atomicview(buffer=bytearray(8), atype=module.INT)),
            ),
        ),
    ),
    Peer(
        "prometheus_client",
        "prometheus_client",
        (
            *_rows(
                "prometheus_client.Counter",
                lambda module: module.Counter("requests", "help", registry=None),
                ("int.inc client.inc", "inc()"),
            ),
            *_rows(
                "prometheus_client.Gauge",
                lambda module: module.Gauge("temperature", "help", registry=None),
                ("float.add", "inc(1.0)"),
                ("float.store", "set(1.0)"),
            ),
            AlternativeRow(
                ("inflight",),
                "with prometheus_client.Gauge.track_inprogress()",
                ("with cell.track_inprogress(): pass",),
                lambda module: {"cell": module.Gauge("in_flight", "help", registry=None)},
            ),
            AlternativeRow(
                ("family.inc",),
                "prometheus_client.Counter.labels(...).inc()",
                ("cell.labels('GET', '200').inc()",),
                lambda module: {
                    "cell": module.Counter("served", "help", ("method", "status"), registry=None)
                },
            ),
            AlternativeRow(
                ("histogram.observe",),
                "prometheus_client.Histogram.observe(x)",
                ("cell.observe(0.3)",),
                lambda module: {"cell": module.Histogram("latency", "help", registry=None)},
            ),
        ),
    ),
    Peer(
        "opentelemetry-sdk",
        "opentelemetry.sdk.metrics.export",
        (
            *_rows(
                "opentelemetry Counter",
                lambda module: _meter(module)[0].create_counter("requests"),
                ("counter.inc", "add(1)"),
                ("family.inc", "add(1, {'method': 'GET', 'status': '200'})"),
            ),
            *_rows(
                "opentelemetry Histogram",
                lambda module: _meter(module)[0].create_histogram("latency"),
                ("histogram.observe", "record(0.3)"),
            ),
            AlternativeRow(
                ("exponential.observe",),
                "opentelemetry Histogram.record(0.3), exponential",
                ("cell.record(0.3)",),
                _exponential,
            ),
            AlternativeRow(
                ("opentelemetry.collect",),
                "opentelemetry reader.collect() of a Counter",
                ("reader.collect()",),
                lambda module: _collected(module, observed=False),
            ),
            AlternativeRow(
                ("opentelemetry.collect",),
                "opentelemetry reader.collect() of an observed atomicx.Counter",
                ("reader.collect()",),
                lambda module: _collected(module, observed=True),
            ),
        ),
    ),
)

# Run in a process of its own, since an import may crash, or switch the GIL on for good.
PROBE = """
import importlib, sys
enabled = getattr(sys, "_is_gil_enabled", lambda: True)
before = enabled()
try:
    importlib.import_module(sys.argv[1])
except ModuleNotFoundError as error:
    print("not installed" if error.name == sys.argv[1].split(".")[0] else f"lacks the module {error.name}")
except Exception as error:
    print(f"its import fails with {type(error).__name__}")
else:
    print("ok" if before == enabled() else "its import switches the GIL on")
"""


def absence(module: str) -> str | None:
    """Return why a module cannot be measured here, or None if it can."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, module], capture_output=True, text=True, check=False, timeout=60
    )
    answer = done.stdout.strip() if done.returncode == 0 else "its import crashes"
    return None if answer == "ok" else answer


def peer_cases(peers: tuple[Peer, ...] = PEERS) -> tuple[list[Case], dict[str, str]]:
    """Return the cases of the peers that are here, and for each other peer why it is not."""
    cases: list[Case] = []
    absent: dict[str, str] = {}
    for peer in peers:
        reason = absence(peer.module)
        if reason is None:
            cases += peer.cases()
        else:
            absent[peer.name] = reason
    return cases, absent
