"""Counting in a Segment by one process and by two; finding, reading and opening what other processes made."""

import atexit
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from atomicx.bench.harness import Case, LocalSampler, Objects, cores_for
from atomicx.bench.operations import BOUNDS, SUBJECT, run_time
from atomicx.shared import Segment

from .floor import NOTHING

JOB = "segment"  # the jobs of all these cases begin with it
COUNTER = "SharedCounter.inc()"
TWO_PROCESSES = f"{COUNTER}, two processes"
FAMILY = "SharedFamily.inc('GET', '200')"
MADE_LABELS = "SharedFamily.inc(a, b)"
HISTOGRAM = "SharedHistogram.observe(x)"
FIND = "finding a child that another process made"
READ = "reading a series over 64 stripes"
OPEN = "opening a segment of 10,000 series"
FOUND, SERIES, STRIPES, OPENED = 1000, 1000, 64, 10_000


def _in_child(function: Callable[[], object]) -> int:
    """Start a child process that calls the function. Return its pid."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        function()
        status = 0
    finally:
        os._exit(status)


def _join(child: int) -> None:
    if os.waitpid(child, 0)[1]:
        raise RuntimeError("a process of the measurement failed")


def _file(series: int) -> str:
    """Return the path of a segment that another process made, with a family of this many series."""
    folder = tempfile.mkdtemp(prefix="atomicx-segment-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = str(Path(folder) / "segment")

    def fill() -> None:
        family = Segment.create(path, 2 * series).counter("c", "label")
        for number in range(series):
            family.inc(str(number))

    _join(_in_child(fill))
    return path


def _counter() -> Objects:
    return {"cell": Segment.anonymous(100).counter("c")}


def _family() -> Objects:
    family = Segment.anonymous(100).counter("c", "method", "status")
    family.inc("GET", "200")
    return {"cell": family, "method": run_time("GET"), "status": run_time("200")}


def _histogram() -> Objects:
    return {"cell": Segment.anonymous(100).histogram("h", BOUNDS)}


def _found() -> Objects:
    labels = [str(number) for number in range(FOUND)]
    return {"open": Segment.open, "path": _file(FOUND), "labels": labels, "deque": deque}


def _read() -> Objects:
    """Make a segment in which every stripe has an owner, and counts of every series."""
    segment = Segment.anonymous(2 * SERIES, processes=STRIPES)
    family = segment.counter("c", "label")
    labels = [str(number) for number in range(SERIES)]
    ends, end = os.pipe()

    def count() -> None:
        os.close(end)
        for label in labels:
            family.inc(label)
        done.inc()
        os.read(ends, 1)  # nobody takes over the stripe of a living process

    done = segment.int("done")
    children = [_in_child(count) for _ in range(STRIPES)]
    while done.load() < STRIPES:
        os.sched_yield()
    os.close(end)
    for child in children:
        _join(child)
    os.close(ends)
    if segment.usage().stripes != STRIPES:
        raise RuntimeError(f"{segment.usage().stripes} stripes were used, not {STRIPES}")
    return {"family": family, "segment": segment}


def _opened() -> Objects:
    return {"open": Segment.open, "path": _file(OPENED)}


def segment_cases() -> list[Case]:
    """Return the cases. Making their objects needs POSIX and the C module."""

    def case(
        job: str,
        label: str,
        statement: str,
        make: Callable[[], Objects],
        floor: str = "",
        operations: int = 1,
    ) -> Case:
        return Case(SUBJECT, (f"{JOB}.{job}",), label, (statement,), make, floor=floor, operations=operations)

    find = "with open(path) as segment: deque(map(segment.counter('c', 'label').__getitem__, labels), 0)"
    counting = case("inc", COUNTER, "cell.inc()", _counter, NOTHING)
    return [
        counting,
        replace(counting, label=TWO_PROCESSES, jobs=(f"{JOB}.inc by two processes",)),
        case("family", FAMILY, "cell.inc('GET', '200')", _family, NOTHING),
        case("made labels", MADE_LABELS, "cell.inc(method, status)", _family, NOTHING),
        case("observe", HISTOGRAM, "cell.observe(0.3)", _histogram, "one(1)"),
        case("find", FIND, find, _found, operations=FOUND),
        case("read", READ, "for _, child in family.items(): child.load()", _read, operations=SERIES),
        case("open", OPEN, "open(path).close()", _opened),
    ]


class TwoProcesses(LocalSampler):
    """Two processes at once that count in one cell, each on a core of its own."""

    def _span_ns(self) -> int:
        # A gate in memory that both processes share; perf_counter_ns is the same clock in both.
        segment = Segment.anonymous(10)
        ready, begins, ends = (segment.int(name) for name in ("ready", "begins", "ends"))
        cores = cores_for(2)
        before = os.sched_getaffinity(0) if cores else set[int]()

        def run(index: int) -> tuple[int, int]:
            if cores:
                os.sched_setaffinity(0, {cores[index]})
            self._loop(range(1), **self._objects)  # takes the stripe
            ready.inc()
            while ready.load() < 2:
                pass
            begin, end = self._loop(range(self._repeats), **self._objects)
            return begin, end

        def other_process() -> None:
            begin, end = run(1)
            begins.store(begin)
            ends.store(end)

        child = _in_child(other_process)
        try:
            begin, end = run(0)
        finally:
            if cores:
                os.sched_setaffinity(0, before)
        _join(child)
        return max(end, ends.load()) - min(begin, begins.load())


def sampler(case: Case) -> Callable[[Case, float], Any] | None:
    """Return the sampler of a case that needs one of its own."""
    return TwoProcesses if case.label == TWO_PROCESSES else None
