"""Many processes count in one segment, inherited or found by its path, and none of their counts is lost."""

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

from atomicx import SharedInt
from atomicx.shared import Segment
from lifecycle.programs.forks import FORK_WARNING
from support.child import program
from support.race import GIL, hasty_switching
from support.shared import fork, status_of

PROCESSES = 8
COUNTS = 100_000
KILLS = 200
NAMING_KILLS = 100
FORKS = 200
CHILD_COUNTS = 50


def without_fork(backend: str) -> str | None:
    return None if hasattr(os, "fork") else f"{sys.platform} has no fork"


def without_fork_among_makers(backend: str) -> str | None:
    if not GIL:
        return "without the GIL to make a cell takes a dict's lock, and is documented as not safe in a fork"
    return without_fork(backend)


@contextmanager
def segment_of(capacity: int) -> Iterator[Segment]:
    with tempfile.TemporaryDirectory() as folder:
        yield Segment.create(os.path.join(folder, "segment"), capacity)


def count(segment: Segment) -> None:
    integer, real = segment.int("int"), segment.float("float")
    for _ in range(COUNTS):
        integer.inc()
        real.add(0.5)


def check(segment: Segment) -> None:
    assert segment.int("int").load() == PROCESSES * COUNTS
    assert segment.float("float").load() == PROCESSES * COUNTS / 2
    assert [name for name, _ in segment.items()] == ["int", "float"]


@program(unless=without_fork, dev=False)
def forked_processes_count(module: ModuleType) -> None:
    with segment_of(2) as segment:
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
    """They share nothing but the path."""
    with segment_of(2) as segment:
        command = [sys.executable, "-c", SPAWNED, segment.path]
        children = [subprocess.Popen(command) for _ in range(PROCESSES)]
        assert [child.wait() for child in children] == [0] * PROCESSES
        check(segment)


@program(unless=without_fork, dev=False)
def killed_processes_lose_nothing(module: ModuleType) -> None:
    """Each worker counts in a cell of all and then in its own, until it is killed, wherever that is."""
    with segment_of(KILLS + 1) as segment:
        total = segment.int("total")

        def work(name: str) -> None:
            mine = segment.int(name)
            while True:
                total.inc()
                mine.inc()

        chance = random.Random(1)
        for number in range(KILLS):
            child = fork(lambda number=number: work(str(number)))  # type: ignore[misc]
            time.sleep(chance.random() * 0.004)
            os.kill(child, signal.SIGKILL)
            assert status_of(child) == -signal.SIGKILL
        mine = [cell.load() for name, cell in segment.items() if name != "total"]
        # Killed between the two, a worker has counted one more in the cell of all.
        assert sum(mine) <= total.load() <= sum(mine) + KILLS
        assert sum(1 for number in mine if number) > KILLS // 4, "hardly any worker came to count"


@program(unless=without_fork, dev=False)
def processes_killed_while_they_make_cells_leave_whole_names(module: ModuleType) -> None:
    """Two at once, so that one of them may wait for the lock of a dead one."""
    with segment_of(50_000) as segment:

        def work(prefix: str) -> None:
            for number in range(10_000):
                segment.int(f"{prefix}:{number}:{'x' * (number % 200)}").inc()

        chance = random.Random(2)
        for number in range(0, NAMING_KILLS, 2):
            children = [fork(lambda prefix=prefix: work(str(prefix))) for prefix in (number, number + 1)]
            for child in children:
                time.sleep(chance.random() * 0.01)
                os.kill(child, signal.SIGKILL)
            assert {status_of(child) for child in children} <= {-signal.SIGKILL}
        names = dict(Segment.open(segment.path).items())
        for name, cell in names.items():
            _, number, rest = name.split(":")
            assert rest == "x" * (int(number) % 200)
            assert cell.load() in (0, 1)
        assert len(names) > NAMING_KILLS, "hardly any worker came to make a cell"
        assert segment.int("after all").add_fetch() == 1


@program(unless=without_fork, dev=False, ignored_warnings=(FORK_WARNING,))
def children_of_counting_threads_count(module: ModuleType) -> None:
    with segment_of(FORKS + 2) as segment, hasty_switching():
        total, named = segment.int("total"), segment.int("named")
        beats = [0, 0, 0]
        stopped = False

        # As arguments: without the GIL a variable of the function around has a lock, which a child may find
        # taken.
        def beat(me: int, total: SharedInt = total) -> None:
            while not stopped:
                total.inc()
                beats[me] += 1

        def child(number: int, total: SharedInt = total) -> None:
            for _ in range(CHILD_COUNTS):
                total.inc()
            segment.int(f"child {number}").inc()
            assert segment.int("named") is named
            named.inc()

        threads = [threading.Thread(target=beat, args=(me,)) for me in range(len(beats))]
        for thread in threads:
            thread.start()
        try:
            for number in range(FORKS):
                status = status_of(fork(lambda number=number: child(number)))  # type: ignore[misc]
                assert status == 0, f"child {number} ended with {status}"
        finally:
            stopped = True
            for thread in threads:
                thread.join()
        assert total.load() == sum(beats) + FORKS * CHILD_COUNTS
        assert named.load() == FORKS
        assert sum(1 for name, cell in segment.items() if name.startswith("child ") and cell.load()) == FORKS


@program(unless=without_fork_among_makers, dev=False, ignored_warnings=(FORK_WARNING,))
def children_of_naming_threads_make_cells(module: ModuleType) -> None:
    """A child may be forked while another thread holds the lock, which must not stay with the child."""
    with segment_of(100_000) as segment, hasty_switching():
        stopped = False

        def name_cells(me: int) -> None:
            number = 0
            while not stopped and number < 20_000:
                segment.int(f"{me}:{number}").inc()
                number += 1

        def child(number: int) -> None:
            segment.int(f"child {number}").inc()

        threads = [threading.Thread(target=name_cells, args=(me,)) for me in range(2)]
        for thread in threads:
            thread.start()
        try:
            for number in range(FORKS // 4):
                status = status_of(fork(lambda number=number: child(number)))  # type: ignore[misc]
                assert status == 0, f"child {number} ended with {status}"
        finally:
            stopped = True
            for thread in threads:
                thread.join()
        assert all(cell.load() == 1 for _, cell in segment.items())
