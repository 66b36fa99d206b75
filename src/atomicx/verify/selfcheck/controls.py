"""Cells that are broken on purpose, each in one way in which some real cell was broken.

A check that has never failed says nothing. So every row of the catalogue is run on one of these as well, in
the same conditions, and counts only if the fault showed.

Where memory plays a part, hardware is modelled in software, so that the fault is there on any machine: a
store that waits in its thread's buffer, stores that leave in the wrong order, a store that reaches one reader
before another.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from threading import get_ident
from typing import Any

from ... import AtomicInt, AtomicRef
from ..sampling.crew import NAP_SECONDS
from ..sampling.programs import Mortal
from ..spec.cells import ATOMIC_INT
from ..spec.kinds import INT64_MAX, INT64_MIN
from ..spec.model import ITSELF, Model, Operation

SLOW_SHARE = 1 / 16


def split(model: Model) -> type[Any]:
    """Return a cell made from its specification alone: it reads the state, takes the step, and writes back.

    It is exact as long as one thread uses it, and is used that way to find the acceptable outcomes. With more
    threads, anything others did between the read and the write is lost.
    """
    methods = {
        row.name: _split_method(row)
        for row in model.operations
        if row.name.isidentifier() and row.atomic and row.name not in ("__init__", "__repr__")
    }

    def start(self: Any, value: Any = model.initial) -> None:
        self.state = value

    return type(f"Split{model.name}", (), {"__slots__": ("state",), "__init__": start, **methods})


def _split_method(row: Operation) -> Callable[..., Any]:
    convert, step = row.convert, row.step

    def method(self: Any, *arguments: Any) -> Any:
        values = convert(arguments)
        before = self.state
        after, result = step(before, *values)
        if after is not before:
            self.state = after
        return self if result is ITSELF else result

    return method


SplitInt = split(ATOMIC_INT)


class LateCheckInt:
    """Adds first and checks for overflow afterwards, so that others see the sum wrapped."""

    __slots__ = ("state",)

    def __init__(self, value: int) -> None:
        self.state = value

    def load(self) -> int:
        return self.state

    def add(self, delta: int) -> None:
        total = self.state + delta
        self.state = (total - INT64_MIN) % 2**64 + INT64_MIN
        self._check(total, delta)

    def _check(self, total: int, delta: int) -> None:
        if not INT64_MIN <= total <= INT64_MAX:
            self.state = total - delta
            raise OverflowError


class _WrongWitness:
    """A compare-and-swap that fails, and then reads again to find the value that made it fail."""

    __slots__ = ("_cell",)
    make: Callable[[Any], Any]

    def __init__(self, value: Any) -> None:
        self._cell = type(self).make(value)

    def load(self) -> Any:
        return self._cell.load()

    def exchange(self, value: Any) -> Any:
        return self._cell.exchange(value)

    def compare_exchange(self, expected: Any, desired: Any) -> Any:
        if self._cell.compare_and_set(expected, desired):
            return expected
        return self.load()


class WrongWitnessInt(_WrongWitness):
    __slots__ = ()
    make = AtomicInt


class WrongWitnessRef(_WrongWitness):
    __slots__ = ()
    make = AtomicRef


class _Memory:
    """What the cells of one state share."""

    __slots__ = ("held", "nearest", "slow")

    def __init__(self) -> None:
        self.held: dict[int, tuple[Any, Any]] = {}
        self.nearest: dict[int, _MemoryCell] = {}
        self.slow = random.random() < SLOW_SHARE

    def release(self) -> None:
        """Let out the store that this thread holds back."""
        held = self.held.pop(get_ident(), None)
        if held is not None:
            cell, value = held
            cell.value = value


class _MemoryCell:
    __slots__ = ("memory", "value")
    memory: _Memory
    value: Any

    def __init__(self, memory: _Memory, value: Any) -> None:
        self.memory = memory
        self.value = value

    def hold(self, value: Any) -> None:
        self.memory.held[get_ident()] = self, value

    def load(self) -> Any:
        return self.value


class BufferedCell(_MemoryCell):
    """A store waits in its thread's buffer until that thread has loaded something: a missing fence."""

    __slots__ = ()

    def store(self, value: Any) -> None:
        self.hold(value)

    def load(self) -> Any:
        value = self.value
        self.memory.release()
        return value


class ReorderedCell(_MemoryCell):
    """A thread's second store overtakes its first: a missing release."""

    __slots__ = ()

    def store(self, value: Any) -> None:
        if get_ident() not in self.memory.held:
            self.hold(value)
        else:
            self.value = value
            self.memory.release()


class NearFirstCell(_MemoryCell):
    """A store reaches the readers near the cell before the others: memory without a single order.

    A reader is near the cell that it reads first. Four threads seldom meet on two cores, so in a few states
    the store is held up on its way.
    """

    __slots__ = ("far",)

    def __init__(self, memory: _Memory, value: Any) -> None:
        super().__init__(memory, value)
        self.far = value

    def store(self, value: Any) -> None:
        self.value = value
        if self.memory.slow:
            time.sleep(NAP_SECONDS)
        self.far = value

    def load(self) -> Any:
        nearest = self.memory.nearest.setdefault(get_ident(), self)
        return self.value if nearest is self else self.far


class ForgetfulCell:
    """A store goes from copy to copy, and so does a reader: a value that it saw may be gone again."""

    __slots__ = ("_copies", "_turns")

    def __init__(self, value: int) -> None:
        self._copies = [value] * 4
        self._turns = 0

    def inc(self) -> None:
        value = self._copies[0] + 1
        for index in range(len(self._copies)):
            self._reach(index, value)

    def _reach(self, index: int, value: int) -> None:
        self._copies[index] = value

    def load(self) -> int:
        self._turns += 1
        return self._copies[0 if self._turns % 2 else -1]


def in_memory(cell: type[_MemoryCell]) -> Callable[[], Callable[[Any], Any]]:
    """Return a maker of these cells: those of one state share their memory."""

    def make_memory() -> Callable[[Any], Any]:
        memory = _Memory()
        return lambda value: cell(memory, value)

    return make_memory


class _Box:
    __slots__ = ("content", "references")

    def __init__(self, content: Any) -> None:
        self.content = content
        self.references = 1


class RecyclingRef:
    """Reads the slot, then what it points to, and does not check the slot again.

    Meanwhile the memory may have been freed and used again, for an object stored elsewhere. A box stands for
    the memory; the boxes that one state's references free are used again by them.
    """

    __slots__ = ("_box", "_free")

    def __init__(self, free: list[_Box], content: Any) -> None:
        self._free = free
        self._box = _Box(content)

    def store(self, content: Any) -> None:
        box = self._free.pop() if self._free else _Box(None)
        box.content = content
        old, self._box = self._box, box
        self._free.append(old)

    def load(self) -> Any:
        box = self._box
        self._count_reference(box)
        return box.content

    def _count_reference(self, box: _Box) -> None:
        box.references += 1


def recycling() -> Callable[[Any], Any]:
    free: list[_Box] = []
    return lambda content: RecyclingRef(free, content)


class UncountedRef:
    """A load counts no reference, so an object that another thread takes out is freed under its reader."""

    __slots__ = ("_content",)

    def __init__(self, content: Any) -> None:
        self._content = content

    def load(self) -> Any:
        return self._borrowed(self._content)

    def _borrowed(self, content: Any) -> Any:
        return content

    def store(self, content: Any) -> None:
        self.exchange(content)

    def exchange(self, content: Any) -> Any:
        old, self._content = self._content, content
        if isinstance(old, Mortal):
            old.freed = True
        return old


class TwoWordCounter:
    """Counts in one word and carries into another, and is read one word after the other."""

    __slots__ = ("_carried", "_new")

    def __init__(self, value: int) -> None:
        self._carried = value
        self._new = 0

    def inc(self) -> None:
        self._new += 1
        self._carried += self._new
        self._settle()

    def _settle(self) -> None:
        self._new = 0

    def load(self) -> int:
        return self._carried + self._not_yet_carried()

    def _not_yet_carried(self) -> int:
        return self._new


class LeadingHistogram:
    """Adds an observation's value to the sum, and counts it afterwards."""

    __slots__ = ("_counts", "_sum")

    def __init__(self, state: tuple[tuple[int, int], float]) -> None:
        self._counts, self._sum = state

    def observe(self, value: float) -> None:
        self._sum += value
        self._count(value)

    def _count(self, value: float) -> None:
        low, high = self._counts
        self._counts = (low + (value <= 1.0), high + (value > 1.0))

    def snapshot(self) -> tuple[tuple[int, int], float]:
        return self._counts, self._sum
