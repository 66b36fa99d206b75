"""Programs of calls that wait for locks, hang or do not end, and explorations that are bounded."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import atomicx
from atomicx.verify import ATOMIC_INT, Explorer, explore
from support.explored import INC, LOAD, SplitInt, convicted, guarded, proved


def test_a_deadlock_is_convicted() -> None:
    class Crossed:
        def __init__(self) -> None:
            self.one, self.other = threading.Lock(), threading.Lock()

        def inc(self) -> None:
            with self.one, self.other:
                pass

        def dec(self) -> None:
            with self.other, self.one:
                pass

    assert "deadlock" in convicted(explore(Crossed, [[INC], [("dec",)]], model=ATOMIC_INT))


def test_what_never_ends_is_convicted() -> None:
    class Endless:
        def load(self) -> int:
            while True:
                self.value = 0

    report = convicted(explore(Endless, [[LOAD]] * 2, model=ATOMIC_INT, most_steps=300))
    assert "does not end within 300 steps" in report


def test_what_never_comes_back_is_convicted_and_the_next_program_explored() -> None:
    never = threading.Lock()

    class Asleep(SplitInt):
        def load(self) -> int:
            with never:
                return 0

    with never, Explorer(hang_seconds=0.2) as explorer:
        hanging = explorer.explore(Asleep, [[LOAD]] * 2, model=ATOMIC_INT)
        assert "hangs" in convicted(hanging)
        proved(explorer.explore(atomicx.AtomicInt, [[INC]] * 2, model=ATOMIC_INT, after=[LOAD]))


def test_waiting_for_a_lock_from_before_is_not_evidence() -> None:
    """The thread that holds it is paused by the exploration, and by nothing else."""
    real = threading.Lock()

    class Locked(SplitInt):
        def inc(self) -> None:
            with real:
                self.value += 1

    exploration = explore(Locked, [[INC]] * 2, model=ATOMIC_INT, after=[LOAD], hang_seconds=0.2)
    assert exploration.failure is not None
    assert "hangs" in exploration.failure.reason
    assert not exploration.failure.conclusive
    assert not exploration.complete


MODULE = """
import threading
from threading import Lock, RLock
from _thread import allocate_lock

LOCK = {lock}


class Locked:
    lock = LOCK

    def __init__(self):
        self.value = 0

    def inc(self):
        with LOCK:
            self.value += 1

    def dec(self):
        with self.lock:
            self.value -= 1

    def load(self):
        return self.value
"""
PROGRAM = """
from atomicx.verify.schedules import locks

locks.install()
import threading
from locked_subject import LOCK, Locked
from atomicx.verify import ATOMIC_INT, Explorer

def inc(cell):
    for _ in range(200):
        cell.inc()

# As real locks, before and after.
for _ in range(2):
    cell = Locked()
    threads = [threading.Thread(target=inc, args=(cell,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cell.value == 800
    assert LOCK.acquire(timeout=5)
    attempt = threading.Thread(target=lambda: print(LOCK.acquire(timeout=0.01)))
    attempt.start()
    attempt.join()
    LOCK.release()
    with Explorer(hang_seconds=5) as explorer:
        for calls in ("inc", "inc"), ("inc", "dec"), ("dec", "dec"):
            print(explorer.explore(
                Locked, [[(name,)] for name in calls], model=ATOMIC_INT, after=[("load",)], preemptions=None
            ))
"""


@pytest.mark.parametrize(
    "lock", ["threading.Lock()", "Lock()", "RLock()", "allocate_lock()", "threading.RLock()"]
)
def test_locks_of_modules_and_classes_are_explored_after_install(lock: str, tmp_path: Path) -> None:
    (tmp_path / "locked_subject.py").write_text(MODULE.format(lock=lock))
    (tmp_path / "program.py").write_text(PROGRAM)
    sources = str(Path(atomicx.__file__).parent.parent)
    ran = subprocess.run(
        [sys.executable, tmp_path / "program.py"],
        env={**os.environ, "PYTHONPATH": sources},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    lines = ran.stdout.splitlines()
    assert len(lines) == 8, ran.stdout + ran.stderr
    assert lines[0] == lines[4] == "False", "another thread has it"
    explored = [*lines[1:4], *lines[5:]]
    assert all(line.startswith("holds in ") and ": all with any" in line for line in explored), ran.stdout


def test_it_can_be_bounded_in_time() -> None:
    started = time.monotonic()
    threads = [[INC] * 20] * 3
    make = guarded(SplitInt)
    exploration = explore(make, threads, model=ATOMIC_INT, seconds=0.3, preemptions=None)
    assert exploration.ok
    assert not exploration.complete
    assert exploration.executions > 0
    assert time.monotonic() - started < 60
