"""Signal handlers that raise at any moment: an interrupted step can be repeated, and nothing is left."""

import os
import random
import signal
import sys
import tempfile
from collections.abc import Callable
from types import FrameType, ModuleType
from typing import Any

from atomicx.shared import Segment
from support.child import program

ENOUGH = 500  # steps that a signal at a random instant has interrupted


class Interrupted(Exception):
    """Raised as by Ctrl-C, or by celery's soft time limit."""


def without_timer(backend: str) -> str | None:
    return None if hasattr(signal, "setitimer") else f"{sys.platform} has no setitimer"


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


class Workload:
    """Creates, opens, names, counts and closes; each step may be interrupted and started again."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.path = os.path.join(folder, "segment")
        self.segment = Segment.create(self.path, 100_000)
        self.number = 0

    def step(self) -> None:
        self.number += 1
        with Segment.open_or_create(self.path, 10) as segment:
            segment.counter("c").inc()
            segment.gauge("g").store(1)
            segment.histogram("h", [1]).observe(1)
            segment.int(f"n{self.number}").inc()
            segment.counter("family", "a").inc(self.number)
            with segment.gauge("flying").track(), segment.histogram("h", [1]).time():
                pass
            segment.usage()
        Segment.anonymous(10).close()
        another = os.path.join(self.folder, "another")
        Segment.create(another, 5, replace=True).close()
        os.unlink(another)

    def check(self) -> None:
        assert os.listdir(self.folder) in (["segment"], ["segment", "another"], ["another", "segment"])
        names = [name for name, _ in self.segment.items()]
        assert len(names) == len(set(names))
        assert self.segment.gauge("flying").load() in (0, 1)
        assert self.segment.usage().stripes == 1
        labels = [label for label, _ in self.segment.counter("family", "a").items()]
        assert len(labels) == len(set(labels))


@program(unless=without_timer, dev=False)
def signals_at_random_instants(module: ModuleType) -> None:
    def interrupt(*_: object) -> None:
        raise Interrupted

    chance, interrupted = random.Random(1), 0
    with tempfile.TemporaryDirectory() as folder:
        work = Workload(folder)
        before = descriptors()
        signal.signal(signal.SIGALRM, interrupt)
        while interrupted < ENOUGH:
            interrupted += interrupted_at(chance.uniform(2e-6, 6e-4), work.step)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        work.check()
        assert descriptors() == before


@program(dev=False)
def an_exception_at_every_opcode(module: ModuleType) -> None:
    """An exception as from a signal handler, once at each step of the interpreter inside atomicx."""
    with tempfile.TemporaryDirectory() as folder:
        work = Workload(folder)
        before = descriptors()
        raised = 0
        while interrupted_after(raised, work.step):
            raised += 1
        assert raised > 100, raised
        assert descriptors() == before
        work.check()


def interrupted_at(seconds: float, step: Callable[[], None]) -> bool:
    """Return whether a signal after this many seconds interrupted the step."""
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            step()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Interrupted:
        return True
    return False


def interrupted_after(opcodes: int, step: Callable[[], None]) -> bool:
    """Return whether an exception after that many opcodes inside atomicx interrupted the step."""
    seen = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal seen
        if frame.f_globals.get("__name__", "").split(".")[0] != "atomicx":
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            seen += 1
            if seen > opcodes:
                sys.settrace(None)
                raise Interrupted
        return trace

    # 3.12 checks whether any frame asks for opcodes at the moment when the tracer is set.
    sys._getframe().f_trace_opcodes = True
    sys.settrace(trace)
    try:
        step()
    except Interrupted:
        return True
    finally:
        sys.settrace(None)
    return False
