"""Signal handlers that raise, and kills, at any moment: the step can be repeated, and nothing is left."""

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
from support.shared import fork, status_of

ENOUGH = 500  # steps that a signal at a random instant has interrupted


class Interrupted(Exception):
    """Raised as by Ctrl-C, or by celery's soft time limit."""


def without_timer(backend: str) -> str | None:
    return None if hasattr(signal, "setitimer") else f"{sys.platform} has no setitimer"


def without_fork(backend: str) -> str | None:
    return None if hasattr(os, "fork") else f"{sys.platform} has no fork"


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
    assert interrupt_at_random(ENOUGH) >= ENOUGH


def interrupt_at_random(enough: int) -> int:
    """Let handlers raise at random instants until enough steps were interrupted. Return how many were."""

    def interrupt(*_: object) -> None:
        raise Interrupted

    chance, interrupted = random.Random(1), 0
    with tempfile.TemporaryDirectory() as folder:
        work = Workload(folder)
        before = descriptors()
        signal.signal(signal.SIGALRM, interrupt)
        while interrupted < enough:
            interrupted += interrupted_at(chance.uniform(2e-6, 6e-4), work.step)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        work.check()
        assert descriptors() == before
    return interrupted


@program(dev=False)
def an_exception_at_every_opcode(module: ModuleType) -> None:
    """An exception as from a signal handler, once at each step of the interpreter inside atomicx."""
    raised = raise_at_every_opcode()
    assert raised > 100, raised


def raise_at_every_opcode() -> int:
    """Repeat the step with an exception at its first opcode, its second, and so on. Return how many."""
    with tempfile.TemporaryDirectory() as folder:
        work = Workload(folder)
        before = descriptors()
        raised = 0
        while interrupted_after(raised, work.step):
            raised += 1
        assert descriptors() == before
        work.check()
    return raised


@program(unless=without_fork, dev=False)
def a_kill_at_every_opcode(module: ModuleType) -> None:
    """Workers that are killed, one at each step of the interpreter inside atomicx."""
    killed = kill_at_every_opcode()
    assert killed > 100, killed


def kill_at_every_opcode() -> int:
    """Kill a worker at the first opcode of the step, the next at its second, and so on. Return how many."""
    with tempfile.TemporaryDirectory() as folder:
        work = Workload(folder)
        counter, gauges = work.segment.counter("c"), [work.segment.gauge(name) for name in ("g", "flying")]
        counted, status = [0], -signal.SIGKILL
        while status == -signal.SIGKILL:
            before = counter.load()
            status = status_of(fork(lambda: killed_after(len(counted), work.step)))
            assert [gauge.load() for gauge in gauges] == [0, 0], "a gauge of a dead worker"
            counted.append(counter.load() - before)
            work.number += 1
        assert status == 0, status
        # The opcodes are the same each time: from the one that counts on, each worker has counted once.
        assert counted == sorted(counted) and set(counted) == {0, 1}
        work.check()
        return len(counted) - 2  # less the first, which is not a worker, and the last, which was not killed


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

    def interrupt() -> None:
        raise Interrupted

    try:
        call_after(opcodes, interrupt, step)
    except Interrupted:
        return True
    return False


def killed_after(opcodes: int, step: Callable[[], None]) -> None:
    """Take the step in this process, but be killed after that many opcodes inside atomicx."""
    call_after(opcodes, lambda: os.kill(os.getpid(), signal.SIGKILL), step)


def call_after(opcodes: int, function: Callable[[], None], step: Callable[[], None]) -> None:
    """Take the step, and call the function after that many opcodes inside atomicx."""
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
                function()
        return trace

    # 3.12 checks whether any frame asks for opcodes at the moment when the tracer is set.
    sys._getframe().f_trace_opcodes = True
    sys.settrace(trace)
    try:
        step()
    finally:
        sys.settrace(None)
