"""The rows whose actors are processes: what `verify` tries on cells that processes share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from itertools import cycle
from mmap import mmap
from typing import Any

import atomicx

from ... import SharedFloat, SharedInt
from ..sampling.noise import BATCH
from ..sampling.processes import Processes
from ..sampling.programs import Program
from ..spec.cells import ATOMIC_FLOAT, ATOMIC_INT, SHARED_FLOAT, SHARED_INT
from ..spec.model import Model
from .catalogue import CellKind, Control, Row
from .controls import BufferedCell, ReorderedCell, in_memory, split
from .hardware import STORE_BUFFERING

# Two cells of one state, on separate cache lines, like those of a segment.
CELL_BYTES = 128
MOST_CELLS = 2


class InSharedMemory:
    """Makes cells one after the other in memory that forked children share; those of one batch at a time."""

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
    """Return a maker of cells that read what is in the shared memory, take the step, and write it back."""
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
    """For controls that keep a value: it is in shared memory, everything else they have is not."""

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
    """Return why these rows cannot be tried here, or None."""
    if atomicx.backend != "c":
        return "the pure-Python twin has no cells that processes share"
    if not hasattr(os, "fork"):
        return f"{sys.platform} has no fork, by which the actors would become processes"
    return None


INT = CellKind("shared-int", InSharedMemory(SharedInt), SHARED_INT)
FLOAT = CellKind("shared-float", InSharedMemory(SharedFloat), SHARED_FLOAT)
_SPLIT_INT = split_in_shared_memory(ATOMIC_INT, SharedInt)
_SPLIT_FLOAT = split_in_shared_memory(ATOMIC_FLOAT, SharedFloat)


def _row(kind: CellKind, name: str, program: Program, control: Control) -> Row:
    return Row(f"{kind.name}-{name}", kind, program, control, hidden=no_processes, crew_of=Processes)


def _split(kind: CellKind, name: str, start: Any, *actors: str) -> Row:
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
