"""Measures cases side by side: in one process, in rounds, in an order shuffled anew for each round.

So a temporary disturbance of the machine affects every case alike, and each case gets every neighbour. A
sample is the time of one operation in one round: some statements unrolled in a loop. The median and the
quartiles over the rounds are kept. The loop's own share is not subtracted: the floor pays it too.

With several threads each does the same work, on a core of its own where the system lets it choose and there
are enough. The clock runs from the first thread's start to the last one's end, so the slowest counts.

This file needs only the standard library, so a separate process can load it alone, and measure there what
cannot be imported together with this package.
"""

from __future__ import annotations

import gc
import os
import random
import statistics
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter_ns
from typing import Any, Protocol

UNROLLED = 10
# To calibrate a case, its loop is doubled until it takes this long, or a sample's time if that is shorter.
CALIBRATION_NS = 1e6

Objects = dict[str, Any]
# Takes a range, and the objects unless they are global. Returns its start and end times.
Loop = Callable[..., tuple[int, int]]

PROGRAM = """
def loop(repeats, {parameters}):
    begin = clock()
    for _ in repeats:
        {body}
    return begin, clock()
"""


@dataclass(frozen=True)
class Case:
    """One operation, and the data for its row in a table.

    Each statement performs `operations` operations, and uses the names in the dict that `make` returns, as
    local or as global variables. Several threads share the result of `make`, or each makes its own.
    """

    subject: str
    jobs: tuple[str, ...]
    """What it does, whatever its library calls it. Cases that share a job are equivalents of each other."""
    label: str
    statements: tuple[str, ...]
    make: Callable[[], Objects]
    floor: str = ""
    """The label of the case with the least possible cost of this one, in the same circumstances."""
    operations: int = 1
    access: str = "local"
    threads: int = 1
    shared: bool = True
    note: str = ""

    @property
    def name(self) -> str:
        """The label, and how the case differs from one thread and local variables."""
        parts = [self.label]
        if self.access != "local":
            parts.append(f"{self.access} access")
        if self.threads > 1:
            parts.append(f"{self.threads} threads, {'one object' if self.shared else 'private objects'}")
        return ", ".join(parts)

    def equivalent(self, other: Case) -> bool:
        """Return whether the two do the same job in the same circumstances."""
        alike = (self.access, self.threads, self.shared) == (other.access, other.threads, other.shared)
        return alike and not {*self.jobs}.isdisjoint(other.jobs)

    def with_threads(self, threads: int, *, shared: bool) -> Case:
        return replace(self, threads=threads, shared=shared)

    def with_global(self) -> Case:
        return replace(self, access="global")

    def with_attribute(self) -> Case:
        """Return the same case on `holder.cell`, as a method writes `self.cell`."""
        statements = tuple(statement.replace("cell.", "holder.cell.") for statement in self.statements)
        if statements == self.statements:
            raise ValueError(f"{self.name} does not use a cell")
        make = self.make
        return replace(
            self, access="attribute", statements=statements, make=lambda: {"holder": _Holder(make()["cell"])}
        )


class _Holder:
    def __init__(self, cell: object) -> None:
        self.cell = cell


@dataclass(frozen=True)
class Timing:
    """Nanoseconds per operation of one thread: with two threads, each performs one in that time."""

    median_ns: float
    lower_quartile_ns: float
    upper_quartile_ns: float
    samples: int


class Sampler(Protocol):
    """One case, ready to run and take samples."""

    @property
    def case(self) -> Case: ...

    def sample_ns(self) -> float:
        """Return the nanoseconds per operation, measured once."""
        ...

    def close(self) -> None: ...


def compiled(case: Case, objects: Objects) -> tuple[Loop, int]:
    """Return the loop, and the number of operations that one turn of it performs."""
    if case.operations == 1:
        assert UNROLLED % len(case.statements) == 0, case.name
        lines = case.statements * (UNROLLED // len(case.statements))
    else:
        lines = case.statements
    names: Objects = {"clock": perf_counter_ns}
    local = case.access != "global"
    if not local:
        names.update(objects)
    source = PROGRAM.format(parameters=", ".join(objects if local else ()), body="\n        ".join(lines))
    # Compiled first: exec of a string records a Ctrl-C as uncaught, and then the process ends by the signal,
    # although it is caught further out.
    exec(compile(source, f"<{case.name}>", "exec"), names)
    return names["loop"], len(lines) * case.operations


class LocalSampler:
    """A case in this process, with one thread or with several."""

    def __init__(self, case: Case, sample_seconds: float) -> None:
        self.case = case
        self._shared = case.make()
        self._loop, self._operations = compiled(case, self._shared)
        self._objects = self._shared if case.access != "global" else {}
        self._repeats = self._calibrated(sample_seconds * 1e9)

    def sample_ns(self) -> float:
        return self._span_ns() / (self._repeats * self._operations)

    def close(self) -> None:
        """Do nothing, since nothing here outlives the sampler."""

    def _calibrated(self, wanted_ns: float) -> int:
        # Always with one thread: over so short a time, several would mostly measure the start of a thread.
        # More than two threads share the time that two would get.
        wanted_ns *= min(1.0, 2 / self.case.threads)
        repeats, taken_ns = 1, 0
        while taken_ns < min(CALIBRATION_NS, wanted_ns):
            repeats *= 2
            begin, end = self._loop(range(repeats), **self._objects)
            taken_ns = end - begin
        return max(1, round(repeats * wanted_ns / taken_ns))

    def _span_ns(self) -> int:
        if self.case.threads == 1:
            begin, end = self._loop(range(self._repeats), **self._objects)
            return end - begin
        spans = in_threads(self.case.threads, self._prepare)
        return max(end for _, end in spans) - min(begin for begin, _ in spans)

    def _prepare(self) -> Callable[[], tuple[int, int]]:
        # The thread that uses a private object makes it: without the GIL an object's first owner counts its
        # references more cheaply than other threads do.
        objects = self._objects if self.case.shared else self.case.make()
        loop, repeats = self._loop, range(self._repeats)
        return lambda: loop(repeats, **objects)


def in_threads(count: int, prepare: Callable[[], Callable[[], tuple[int, int]]]) -> list[tuple[int, int]]:
    """Return what each thread measured. All are prepared and pinned before the first one starts."""
    gate = threading.Barrier(count)
    spans: list[tuple[int, int]] = []
    errors: list[BaseException] = []
    cores = cores_for(count)

    def work(index: int) -> None:
        try:
            if cores:
                os.sched_setaffinity(0, {cores[index]})
            run = prepare()
            gate.wait()
            spans.append(run())
        except threading.BrokenBarrierError:
            pass  # the thread that broke it has reported why
        except BaseException as error:
            errors.append(error)
            gate.abort()

    threads = [threading.Thread(target=work, args=(index,), daemon=True) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return spans


def cores_for(threads: int) -> list[int]:
    """Return a core for each thread, or none if the system does not let us choose, or has fewer."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    cores = sorted(os.sched_getaffinity(0))
    return cores[:threads] if len(cores) >= threads else []


Progress = Callable[[float, str], None]
MakeSampler = Callable[[Case, float], Sampler]


@dataclass
class Measurement:
    """The cases, and the samples of each; after an interruption some cases may have none."""

    cases: list[Case]
    samples_ns: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    interrupted: bool = False

    @property
    def timings(self) -> dict[str, Timing]:
        """By the name of the case."""
        return {name: timing(taken) for name, taken in self.samples_ns.items() if taken}


def measure(
    cases: Iterable[Case],
    *,
    rounds: int,
    sample_seconds: float,
    progress: Progress,
    sampler: MakeSampler = LocalSampler,
) -> Measurement:
    """Measure the cases. `progress` is called with the share that is done, and what runs. Ctrl-C ends it
    early, with the samples taken so far."""
    measured = Measurement(list(cases))
    samplers: list[Sampler] = []
    steps = (rounds + 1) * len(measured.cases)
    done = 0
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for case in measured.cases:
            progress(done / steps, f"calibrating {case.name}")
            samplers.append(sampler(case, sample_seconds))
            measured.samples_ns[case.name] = []
            done += 1
        for number in range(1, rounds + 1):
            random.shuffle(samplers)
            for ready in samplers:
                progress(done / steps, f"round {number} of {rounds}")
                measured.samples_ns[ready.case.name].append(ready.sample_ns())
                done += 1
    except KeyboardInterrupt:
        measured.interrupted = True
    finally:
        if collecting:
            gc.enable()
        for ready in samplers:
            ready.close()
    return measured


def timing(samples_ns: Sequence[float]) -> Timing:
    """Return the median and the quartiles of one or more samples."""
    if len(samples_ns) == 1:
        lower = median = upper = samples_ns[0]
    else:
        lower, median, upper = statistics.quantiles(samples_ns, n=4, method="inclusive")
    return Timing(round(median, 2), round(lower, 2), round(upper, 2), len(samples_ns))
