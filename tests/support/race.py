"""Makes threads collide, and makes sure that a passing check could have failed.

A workload is a function of one cell: it races threads on it and raises Broken where the cell lost
something. `stays_whole` runs it on the cell under test for a while; `must_be_caught` runs the same
workload on a cell that is broken on purpose, until it is caught.

Free-running threads hardly ever meet inside a window of a few nanoseconds. So the actors of a race are
pinned to distinct cores and leave a gate together, and where a window has to be stretched, napping threads
on an actor's core interrupt it there. With the GIL the switch interval is the shortest there is.
"""

import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

GIL = getattr(sys, "_is_gil_enabled", lambda: True)()
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
# How long the cell under test is raced: a round takes about 2 ms, and most controls are caught in the first
# three. A sanitizer, which slows everything down, can ask for more.
SECONDS = 0.05 * float(os.environ.get("ATOMICX_STRESS", "1"))
# How long a broken cell may stay unnoticed; nearly all are caught in the first rounds.
CAUGHT_WITHIN_SECONDS = 60 * float(os.environ.get("ATOMICX_STRESS", "1"))
FEWEST_ROUNDS = 5
# A round of some workloads takes seconds with the twin: all rounds may take this many times as long.
SLOW = 20
NAP_SECONDS = 50e-6
SWITCH_SECONDS = 1e-6
SPINS_BEFORE_YIELD = 2000


class Broken(AssertionError):
    """A cell lost, doubled or made up something."""


def require(holds: object, message: str) -> None:
    """Assert the condition. The message is made here, because pytest takes minutes to explain long lists."""
    if not holds:
        raise Broken(message)


def pause() -> None:
    """Do nothing. With the GIL the interpreter may switch threads where a function begins: here."""


@contextmanager
def hasty_switching() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def pin(core: int) -> None:
    """Tie the calling thread to one core, if the system can do that."""
    if CORES:
        os.sched_setaffinity(0, {CORES[core % len(CORES)]})


class Gate:
    """Lets all through when the last has come. They spin, because a woken thread would be late."""

    def __init__(self, parties: int) -> None:
        self.parties = parties
        self.arrived: list[None] = []

    def pass_through(self) -> None:
        self.arrived.append(None)
        spins = 0
        while len(self.arrived) < self.parties:
            spins += 1
            if spins > SPINS_BEFORE_YIELD:
                time.sleep(0)


def race(*actors: Callable[[], Any], naps: int = 0) -> list[Any]:
    """Run the actors at once, each on its own thread and core; return their results in order.

    Meanwhile `naps` threads sleep and wake on the first actor's core. An actor's exception is raised here.
    """
    results: list[Any] = [None] * len(actors)
    failures: list[BaseException] = []
    gate = Gate(len(actors))
    finished = threading.Event()

    def act(index: int) -> None:
        pin(index)
        gate.pass_through()
        try:
            results[index] = actors[index]()
        except BaseException as failure:
            failures.append(failure)

    def nap() -> None:
        pin(0)
        while not finished.is_set():
            time.sleep(NAP_SECONDS)

    nappers = [threading.Thread(target=nap) for _ in range(naps)]
    threads = [threading.Thread(target=act, args=(index,)) for index in range(len(actors))]
    with hasty_switching():
        for thread in nappers + threads:
            thread.start()
        for thread in threads:
            thread.join()
        finished.set()
        for thread in nappers:
            thread.join()
    if failures:
        raise failures[0]
    return results


def fits(addition: Callable[[], Any]) -> bool:
    """Return whether an addition succeeds rather than overflows."""
    try:
        addition()
    except OverflowError:
        return False
    return True


def rounds(seconds: float, fewest: int = FEWEST_ROUNDS) -> Iterator[int]:
    """Count rounds until the time is over, but at least `fewest` of them; of slow ones, fewer will do."""
    begun = time.monotonic()
    for count in itertools.count(1):
        yield count - 1
        took = time.monotonic() - begun
        if took >= seconds and (count >= fewest or took >= SLOW * seconds):
            return


def stays_whole(workload: Callable[[Any], None], make: Callable[[], Any], seconds: float = SECONDS) -> None:
    for _ in rounds(seconds):
        workload(make())


def caught(workload: Callable[[Any], None], cell: Any) -> Broken | None:
    try:
        workload(cell)
    except Broken as broken:
        return broken
    return None


def must_be_caught(workload: Callable[[Any], None], make: Callable[[], Any]) -> Broken:
    """Run the workload on broken cells until it raises Broken, and return that."""
    for _ in rounds(CAUGHT_WITHIN_SECONDS):
        if (broken := caught(workload, make())) is not None:
            return broken
    never_caught(workload)


def never_caught(workload: Callable[..., Any]) -> NoReturn:
    raise AssertionError(f"the control of {workload.__name__} was never caught: its passing proves nothing")
