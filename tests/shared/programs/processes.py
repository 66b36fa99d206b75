"""Many processes count in one segment, inherited or found by its path, and no count is lost."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from atomicx import SharedCounter, SharedFamily, SharedInt
from atomicx.shared import Segment
from lifecycle.programs.forks import FORK_WARNING
from support.child import program
from support.race import hasty_switching
from support.shared import fork, status_of

PROCESSES = 8
COUNTS = 30_000
CROWDED_COUNTS = 100_000
KILLS = 100
NAMING_KILLS = 50
NAMES = 500  # made by each worker, and as many label values
FORKS = 100
CHILD_COUNTS = 50


def without_fork(backend: str) -> str | None:
    return None if hasattr(os, "fork") else f"{sys.platform} has no fork"


@contextmanager
def segment_of(capacity: int, processes: int = 64) -> Iterator[Segment]:
    with tempfile.TemporaryDirectory() as folder:
        yield Segment.create(os.path.join(folder, "segment"), capacity, processes=processes)


def kill_some_time(child: int, chance: random.Random, longest: float) -> None:
    """Kill it at a random instant: in Python, in C, or in the kernel."""
    time.sleep(chance.random() * longest)
    os.kill(child, signal.SIGKILL)
    assert status_of(child) == -signal.SIGKILL


def count(segment: Segment) -> None:
    integer, real, counter = segment.int("int"), segment.float("float"), segment.counter("counter")
    family, histogram = segment.counter("family", "a"), segment.histogram("histogram", [0.5, 1])
    gauge, inc = segment.gauge("gauge"), segment.int("crowded").inc
    for _ in range(CROWDED_COUNTS):
        inc()  # and nothing else, so that processes meet in it
    for number in range(COUNTS):
        integer.inc()
        real.add(0.5)
        counter.inc()
        family.inc(number % 3)
        histogram.observe(1)
        gauge.inc()


def check(segment: Segment) -> None:
    total = PROCESSES * COUNTS
    assert segment.int("int").load() == total
    assert segment.float("float").load() == total / 2
    assert segment.counter("counter").load() == total
    assert sum(child.load() for _, child in segment.counter("family", "a").items()) == total
    assert segment.histogram("histogram", [0.5, 1]).snapshot() == ((0, total, 0), total)
    assert segment.gauge("gauge").load() == 0
    assert segment.int("crowded").load() == PROCESSES * CROWDED_COUNTS
    assert len(list(segment.items())) == 7


@program(unless=without_fork, dev=False)
def forked_processes_count(module: ModuleType) -> None:
    with segment_of(20) as segment:
        children = [fork(lambda: count(segment)) for _ in range(PROCESSES)]
        assert [status_of(child) for child in children] == [0] * PROCESSES
        check(segment)


SPAWNED = """
import sys
from atomicx.shared import Segment
from shared.programs.processes import count
count(Segment.open(sys.argv[1]))
"""


@program(dev=False)
def spawned_processes_count(module: ModuleType) -> None:
    """They share only the path."""
    with segment_of(20) as segment:
        command = [sys.executable, "-c", SPAWNED, segment.path]
        children = [subprocess.Popen(command) for _ in range(PROCESSES)]
        assert [child.wait() for child in children] == [0] * PROCESSES
        check(segment)


@program(unless=without_fork, dev=False)
def killed_processes_lose_nothing(module: ModuleType) -> None:
    """Each worker counts in a common counter and then in its own, until it is killed, wherever it is."""
    with segment_of(2 * KILLS + 20) as segment:
        total, gauge = segment.counter("total"), segment.gauge("gauge")
        histogram = segment.histogram("histogram", [1])
        by_worker = segment.counter("by worker", "worker")

        def work(name: int) -> None:
            while True:
                total.inc()
                by_worker.inc(name)
                gauge.inc()
                histogram.observe(1)

        chance = random.Random(1)
        for number in range(KILLS):
            child = fork(lambda number=number: work(number))  # type: ignore[misc]
            kill_some_time(child, chance, 0.004)
        mine = [cell.load() for _, cell in by_worker.items()]
        # If killed between the two, a worker has counted one more in the common counter.
        assert sum(mine) <= total.load() <= sum(mine) + KILLS
        assert sum(histogram.snapshot().counts) <= sum(mine) <= sum(histogram.snapshot().counts) + KILLS
        assert 0 <= sum(histogram.snapshot().counts) - histogram.snapshot().sum <= KILLS
        assert gauge.load() == 0
        assert segment.usage().stripes == 1
        assert sum(1 for number in mine if number) > KILLS // 4, "hardly any worker came to count"


@program(unless=without_fork, dev=False)
def processes_killed_while_they_make_cells_leave_whole_names(module: ModuleType) -> None:
    # Enough room for everything even if no worker is killed early: a segment that is nearly full warns.
    with segment_of(3 * NAMES * NAMING_KILLS, 4) as segment:

        def work(prefix: str) -> None:
            for number in range(NAMES):
                segment.int(f"{prefix}:{number}:{'x' * (number % 60)}").inc()
                segment.counter(f"{prefix}", "number").inc(number)
            time.sleep(60)

        chance = random.Random(2)
        for number in range(0, NAMING_KILLS, 2):
            children = [fork(lambda prefix=prefix: work(str(prefix))) for prefix in (number, number + 1)]  # type: ignore[misc]
            for child in children:
                kill_some_time(child, chance, 0.006)
        names = 0
        for name, cell in Segment.open(segment.path).items():
            names += 1
            if ":" in name:
                _, number, rest = name.split(":")
                assert rest == "x" * (int(number) % 60)
                assert isinstance(cell, SharedInt) and cell.load() in (0, 1)
            else:
                assert isinstance(cell, SharedFamily)
                labels = [int(label) for (label,), child in cell.items() if child.load() <= 1]
                assert labels == list(range(len(cell)))
        assert names > NAMING_KILLS, "hardly any worker came to make a cell"
        assert segment.int("after all").add_fetch() == 1


@program(unless=without_fork, dev=False)
def processes_killed_while_they_create_and_open(module: ModuleType) -> None:
    """The path has a whole segment, or nothing; a temporary file that was being prepared may remain."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "segment")

        def work() -> None:
            while True:
                with Segment.open_or_create(path, 50) as segment:
                    segment.counter("c").inc()
                Segment.create(path, 60, replace=True).close()

        chance = random.Random(3)
        opened = 0
        for _ in range(NAMING_KILLS):
            kill_some_time(fork(work), chance, 0.01)
            if os.path.exists(path):
                with Segment.open(path) as segment:
                    opened += 1
                    segment.counter("c").inc()
                if chance.random() < 0.5:
                    os.unlink(path)
        assert opened > NAMING_KILLS // 4
        left = [name for name in os.listdir(folder) if name != "segment"]
        assert all(name.startswith(".atomicx-") and name.endswith(".tmp") for name in left)
        assert len(left) <= NAMING_KILLS


@program(unless=without_fork, dev=False, ignored_warnings=(FORK_WARNING,))
def children_of_threads_count_and_make_cells(module: ModuleType) -> None:
    statuses = fork_while_threads_count(FORKS)
    assert statuses == [0] * FORKS, statuses


def fork_while_threads_count(forks: int) -> list[int]:
    """Fork children that count, look up names and make new ones while threads do. Return their statuses."""
    with segment_of(120_000, 4) as segment, hasty_switching():
        total, named, family = segment.counter("total"), segment.int("named"), segment.counter("family", "a")
        beats = [0, 0, 0]
        stopped = False

        # As arguments: without the GIL a variable of the enclosing function has a lock, which a child may
        # find taken.
        def beat(me: int, segment: Segment = segment, total: SharedCounter = total) -> None:
            number = 0
            while not stopped:
                total.inc()
                beats[me] += 1
                number += 1
                if number < 15_000:
                    segment.int(f"{me}:{number}").inc()
                    family.inc(f"{me}:{number}")

        def child(
            number: int,
            segment: Segment = segment,
            total: SharedCounter = total,
            named: SharedInt = named,
            family: SharedFamily[SharedCounter] = family,
        ) -> None:
            for _ in range(CHILD_COUNTS):
                total.inc()
            segment.int(f"child {number}").inc()
            family.inc(f"child {number}")
            assert segment.int("named") is named
            assert segment.counter("family", "a") is family
            named.inc()

        threads = [threading.Thread(target=beat, args=(me,)) for me in range(len(beats))]
        for thread in threads:
            thread.start()
        try:
            statuses = [
                status_of(fork(lambda number=number: child(number)))  # type: ignore[misc]
                for number in range(forks)
            ]
        finally:
            stopped = True
            for thread in threads:
                thread.join()
        if any(statuses):
            return statuses
        assert total.load() == sum(beats) + forks * CHILD_COUNTS
        assert named.load() == forks
        children = [cell for name, cell in segment.items() if name.startswith("child ")]
        assert [cell.load() for cell in children if isinstance(cell, SharedInt)] == [1] * forks
        assert all(f"child {number}" in family for number in range(forks))
        return statuses
