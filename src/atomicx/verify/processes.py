"""Litmus tests whose actors are processes: what `verify` tries on cells that processes share.

A batch is as in the engine, but that its actors are children, forked for it, which have the states' memory in
common and send what they saw through a pipe. Processes run at once with the GIL too, so that it hides nothing
here: a cell that is atomic among the threads of one process alone is caught.
"""

from __future__ import annotations

import os
import pickle
import selectors
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from itertools import cycle
from mmap import mmap
from typing import Any

import atomicx

from .. import SharedFloat, SharedInt
from .catalogue import Control, Kind, Row
from .controls import BufferedCell, ReorderedCell, in_memory, split
from .engine import BATCH, MOST_LEGS, BatchNoise, Failure, Meeting, Walk, pin_to_core
from .hardware import STORE_BUFFERING
from .histories.models import ATOMIC_FLOAT, ATOMIC_INT, Model
from .litmus import Actor
from .programs import Program

# Two cells of one state on cache lines of their own, as those of a segment are.
CELL_BYTES = 128
MOST_CELLS = 2


class Processes:
    """The actors of one run: children, each of them forked for a batch, and gone after it."""

    failure: Failure | None = None

    def __init__(self, actors: tuple[Actor, ...], patience_seconds: float) -> None:
        self._actors = actors
        self._patience_seconds = patience_seconds
        self._memory = mmap(-1, 8 * len(actors))
        self._arrived = memoryview(self._memory).cast("q")

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self._arrived.release()
        self._memory.close()

    def run(self, states: list[Any], plan: BatchNoise) -> list[list[Any]]:
        for me in range(len(self._actors)):
            self._arrived[me] = 0
        children: list[tuple[int, int]] = []
        try:
            children.extend(self._start(me, states, walk) for me, walk in enumerate(plan.walks))
            return self._columns([pipe for _, pipe in children])
        finally:
            for process, pipe in children:
                os.close(pipe)
                os.kill(process, signal.SIGKILL)  # who has sent its column has no more to do
                os.waitpid(process, 0)

    def _start(self, me: int, states: list[Any], walk: Walk) -> tuple[int, int]:
        """Returns the child, and where its column comes from."""
        receiver, sender = os.pipe()
        with warnings.catch_warnings():
            # Of threads that the child does not have: whoever else there is, the child needs nobody.
            warnings.simplefilter("ignore", DeprecationWarning)
            process = os.fork()
        if process:
            os.close(sender)
            return process, receiver
        try:
            with open(sender, "wb") as pipe:
                pickle.dump(self._act(me, states, walk), pipe)
        finally:
            os._exit(0)

    def _act(self, me: int, states: list[Any], walk: Walk) -> list[Any] | str:
        """The column of an actor, or what it raised."""
        try:
            pin_to_core(me)
            column: list[Any] = [None] * len(states)
            body = self._actors[me].prepare()
            Meeting(self._arrived).walk(me, MOST_LEGS, body, states, column, walk)
            return column
        except BaseException as error:
            self._arrived[me] = 2 * MOST_LEGS  # the others must not wait for this one
            return "".join(traceback.format_exception(error)).rstrip()

    def _columns(self, pipes: list[int]) -> list[list[Any]]:
        columns: list[list[Any]] = []
        for actor, sent in zip(self._actors, self._received(pipes), strict=True):
            column = pickle.loads(sent) if sent else f"did not end within {self._patience_seconds:g} s"
            if isinstance(column, str):
                self.failure = self.failure or Failure(actor.name, None, column)
            else:
                columns.append(column)
        return columns

    def _received(self, pipes: list[int]) -> list[bytes]:
        """All that comes through each of the pipes until it ends; nothing, of one that does not in time."""
        received: dict[int, list[bytes]] = {pipe: [] for pipe in pipes}
        ended: set[int] = set()
        until = time.monotonic() + self._patience_seconds
        with selectors.DefaultSelector() as selector:
            for pipe in pipes:
                selector.register(pipe, selectors.EVENT_READ)
            while selector.get_map() and (left := until - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    if part := os.read(key.fd, 2**16):
                        received[key.fd].append(part)
                    else:
                        selector.unregister(key.fd)
                        ended.add(key.fd)
        return [b"".join(received[pipe]) if pipe in ended else b"" for pipe in pipes]


class InSharedMemory:
    """Makes cells one after the other in a memory that forked children have too; of one batch at a time."""

    def __init__(self, cell_type: Any) -> None:
        self._cell_type = cell_type
        self._memory: mmap | None = None
        self._places = cycle(range(0, CELL_BYTES * MOST_CELLS * BATCH, CELL_BYTES))

    def __call__(self, value: Any) -> Any:
        if self._memory is None:
            self._memory = mmap(-1, CELL_BYTES * MOST_CELLS * BATCH)
        cell = self._cell_type(self._memory, next(self._places))
        cell.store(value)
        return cell


# The controls


def split_in_shared_memory(model: Model, cell_type: Any) -> Callable[[Any], Any]:
    """Makes cells that read what lies in the shared memory, take the step, and write it back."""
    base = split(model)

    def start(self: Any, memory: mmap, place: int) -> None:
        self.cell = cell_type(memory, place)

    def load(self: Any) -> Any:
        return self.cell.load()

    def store(self: Any, value: Any) -> None:
        self.cell.store(value)

    body = {"__slots__": ("cell",), "__init__": start, "state": property(load, store)}
    return InSharedMemory(type(f"Shared{base.__name__}", (base,), body))


class _SharedValue:
    """For controls that keep a value: it lies in shared memory, all else they have does not."""

    __slots__ = ()
    make = InSharedMemory(SharedInt)
    cell: SharedInt

    @property
    def value(self) -> int:
        return self.cell.load()

    @value.setter
    def value(self, value: int) -> None:
        self.cell.store(value)


class SharedReorderedCell(_SharedValue, ReorderedCell):
    """A process's second store overtakes its first."""

    __slots__ = ("cell",)

    def __init__(self, memory: Any, value: Any) -> None:
        self.cell = self.make(value)
        super().__init__(memory, value)


class SharedBufferedCell(_SharedValue, BufferedCell):
    """A store waits in its process's buffer until that process has loaded something."""

    __slots__ = ("cell",)

    def __init__(self, memory: Any, value: Any) -> None:
        self.cell = self.make(value)
        super().__init__(memory, value)


# The rows


def no_processes() -> str | None:
    """Why these rows cannot be tried here, or None."""
    if atomicx.backend != "c":
        return "the pure-Python twin has no cells that processes share"
    if not hasattr(os, "fork"):
        return f"{sys.platform} has no fork, by which the actors would become processes"
    return None


INT = Kind("shared-int", InSharedMemory(SharedInt), ATOMIC_INT)
FLOAT = Kind("shared-float", InSharedMemory(SharedFloat), ATOMIC_FLOAT)
_SPLIT_INT = split_in_shared_memory(ATOMIC_INT, SharedInt)
_SPLIT_FLOAT = split_in_shared_memory(ATOMIC_FLOAT, SharedFloat)


def _row(kind: Kind, name: str, program: Program, control: Control) -> Row:
    return Row(f"{kind.name}-{name}", kind, program, control, hidden=no_processes, crew_of=Processes)


def _split(kind: Kind, name: str, start: Any, *actors: str) -> Row:
    program = Program(f"x = {start}", actors, "z = x.load()")
    made = _SPLIT_INT if kind is INT else _SPLIT_FLOAT
    return _row(kind, name, program, Control("split: a read of the memory, then a write", lambda: made))


ROWS: tuple[Row, ...] = (
    _split(INT, "add", 0, "x.add(1)", "x.add(2)"),
    _split(INT, "inc-dec", 0, "x.inc()", "x.dec()"),
    _split(INT, "fetch-add", 0, "a = x.fetch_add(1)", "b = x.fetch_add(1)", "c = x.fetch_add(1)"),
    _split(INT, "exchange", 0, "a = x.exchange(1)", "b = x.exchange(2)"),
    _split(INT, "compare-and-set", 0, "a = x.compare_and_set(0, 1)", "b = x.compare_and_set(0, 2)"),
    _split(INT, "try-add", 0, "a = x.try_add(1, 1)", "b = x.try_add(1, 1)"),
    _split(INT, "update", 1, "a = x.update(twice)", "b = x.fetch_update(minus_one)"),
    _row(
        INT,
        "message-passing",
        Program("x = 0; y = 0", ("x.store(1); y.store(1)", "a = y.load(); b = x.load()")),
        Control("the second store overtakes the first", in_memory(SharedReorderedCell)),
    ),
    _row(
        INT,
        "store-buffering",
        STORE_BUFFERING,
        Control("a store waits in its process's buffer", in_memory(SharedBufferedCell)),
    ),
    _split(FLOAT, "add", 0.0, "x.add(0.5)", "x.add(2.0)"),
    _split(FLOAT, "fetch-add", 0.0, "a = x.fetch_add(1.5)", "b = x.fetch_sub(0.5)"),
    _split(FLOAT, "exchange", 0.0, "a = x.exchange(1.5)", "b = x.exchange(2.5)"),
)
