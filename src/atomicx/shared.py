"""Counters that all workers of a server share: named cells in one file.

    from atomicx.shared import Segment

    segment = Segment.create("/dev/shm/shop", capacity=100)  # before the workers are forked
    requests = segment.int("requests")
    requests.inc()  # in any of them

A cell is a SharedInt or a SharedFloat, so counting and reading take no lock and wait for nobody. Only to make
a cell, under a name that no process has used before, takes a lock; the system takes it from a process that
dies.
"""

from __future__ import annotations

import mmap
import operator
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from . import AtomicRef, SharedFloat, SharedInt
from ._segment_file import (
    ENTRY_BYTES,
    MOST_ENTRIES,
    TABLE_OFFSET,
    create_file,
    file_bytes,
    identity_of,
    locked,
    open_file,
)

if TYPE_CHECKING:
    from typing import SupportsIndex

    from typing_extensions import Self

    _Offset = int  # in the class, `int` is a method
    _Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]

__all__ = ["Segment"]

Cell = SharedInt | SharedFloat
_Cell = TypeVar("_Cell", SharedInt, SharedFloat)

# An entry: the value, what kind of cell it is, the name in UTF-8 with zeros after it. The kind is written
# last, by one atomic store: who finds it finds the name, and what a killed writer left is not there.
_KIND_OFFSET = 8
_NAME_OFFSET = 16
NAME_BYTES = ENTRY_BYTES - _NAME_OFFSET
_FREE = 0
_TYPES: dict[int, type[SharedInt] | type[SharedFloat]] = {1: SharedInt, 2: SharedFloat}
_KINDS = {made: kind for kind, made in _TYPES.items()}


class _Open(NamedTuple):
    """An open segment: its memory, and the cells of the entries read so far, in their order.

    Cells are only ever added, by setdefault: one C call, atomic with the GIL and without it. (Without it,
    that is the dict's own mutex: a child should not be forked in that moment, and then ask for a cell.)
    """

    memory: mmap.mmap
    cells: dict[str, Cell]


class Segment:
    """Named cells in one file, for all processes that open it: `Segment.create` or `Segment.open` makes one.

    It may be inherited by a fork, pickled for another process (by its absolute path), or opened by processes
    that share nothing but the path. The file never changes its size. The file system has to be of this
    machine: /dev/shm on Linux is one without a disk.

    Counting and reading never wait. To make a new cell waits for others that do the same. The cell of a name
    is always the same object, until close().
    """

    _open: AtomicRef[_Open | None]

    path: str
    """Absolute."""

    def __init__(self, path: _Path) -> None:
        """The same as Segment.open(path)."""
        _check_platform()
        self.path = _absolute(path)
        file, self.capacity = open_file(self.path)
        try:
            self._identity = identity_of(file)
            memory = mmap.mmap(file, file_bytes(self.capacity))
        finally:
            os.close(file)
        self._open = AtomicRef(_Open(memory, {}))

    @classmethod
    def create(cls, path: _Path, capacity: SupportsIndex) -> Self:
        """Make the file, with room for so many names, all of it zeros. Returns the segment.

        It is made aside, reserved whole, and then linked into place: so it appears whole or not at all, and
        replaces no file. Raises FileExistsError if there is one (Segment.open may be what you want then),
        another OSError if it cannot be made, as for want of space; ValueError if capacity is less than 1 or
        beyond 2**32; RuntimeError without the C module.
        """
        _check_platform()
        entries = operator.index(capacity)
        if not 1 <= entries <= MOST_ENTRIES:
            raise ValueError(f"the capacity must be from 1 to {MOST_ENTRIES}, not {entries}")
        create_file(_absolute(path), entries)
        return cls(path)

    @classmethod
    def open(cls, path: _Path) -> Self:
        """Open a segment that is there. Returns it.

        Raises OSError if the file cannot be opened for reading and writing (FileNotFoundError,
        PermissionError), ValueError if it is no segment, is damaged, truncated or of a newer layout,
        RuntimeError without the C module.
        """
        return cls(path)

    def int(self, name: str) -> SharedInt:
        """Return the integer of this name, which begins at 0.

        Raises TypeError if it is the name of a float; ValueError if it is a new name and the segment is full,
        if it is empty, has a NUL character, or takes more than 240 bytes in UTF-8, or if the segment is
        closed; OSError if it is new and the file is gone. Lock-free if this process has used the name before.
        """
        return self._cell(name, SharedInt)

    def float(self, name: str) -> SharedFloat:
        """Return the float of this name, which begins at 0.0.

        Raises TypeError if it is the name of an integer; else as `int` does. Lock-free if this process has
        used the name before.
        """
        return self._cell(name, SharedFloat)

    def items(self) -> Iterator[tuple[str, Cell]]:
        """Iterate over (name, cell), whichever process made them, in the order in which they were made.

        Raises ValueError if the segment is closed. Takes no lock.
        """
        return iter(list(self._up_to_date().cells.items()))

    def close(self) -> None:
        """Release all cells that came from here, and let the memory go. The file stays. Returns None.

        Afterwards each operation of theirs, and every method but this one, raises ValueError.
        """
        last = self._open.exchange(None)
        if last is not None:
            # The memory itself goes with the last reference to it.
            _release(last)

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        return type(self), (self.path,)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.path!r})"

    def _cell(self, name: str, wanted: type[_Cell]) -> _Cell:
        cell = self._now().cells.get(name)
        if cell is None:
            cell = self._find_or_make(name, wanted)
        if not isinstance(cell, wanted):
            raise TypeError(f"{name!r} is the name of a cell of the other kind, {type(cell).__name__}")
        return cell

    def _now(self) -> _Open:
        now = self._open.load()
        if now is None:
            raise ValueError("the segment is closed")
        return now

    def _find_or_make(self, name: str, wanted: type[_Cell]) -> Cell:
        encoded = _encoded(name)
        cell = self._up_to_date().cells.get(name)
        if cell is None:
            with locked(self.path, self._identity):
                # All that were made are seen now, and no other process makes one meanwhile.
                memory, cells = self._up_to_date()
                if name not in cells:
                    if len(cells) == self.capacity:
                        raise ValueError(f"the segment is full: it has room for {self.capacity} names")
                    _write_entry(memory, _place(len(cells)), encoded, _KINDS[wanted])
            cell = self._up_to_date().cells[name]
        return cell

    def _up_to_date(self) -> _Open:
        """What is open, with the cells of all entries that are in the file by now."""
        now = self._now()
        for index in range(len(now.cells), self.capacity):
            entry = self._entry(now.memory, _place(index))
            if entry is None:
                break
            now.cells.setdefault(*entry)  # another thread may have been first
            if len(now.cells) <= index:
                raise ValueError(f"{self.path!r} is damaged: two entries have one name")
        if self._open.load() is None:
            # A thread that closes it may have come too early to release what was added here.
            _release(now)
        return now

    def _entry(self, memory: mmap.mmap, place: _Offset) -> tuple[str, Cell] | None:
        """The name in the entry at place, and a cell for it; None if it is free."""
        published = SharedInt(memory, place + _KIND_OFFSET)
        kind = published.load()
        published.release()
        if kind == _FREE:
            return None
        name = memory[place + _NAME_OFFSET : place + ENTRY_BYTES].rstrip(b"\0")
        if kind not in _TYPES or not name:
            raise ValueError(f"{self.path!r} is damaged: the entry at {place} has no kind, or no name")
        return name.decode(), _TYPES[kind](memory, place)


def _absolute(path: _Path) -> str:
    return os.path.abspath(os.fsdecode(path))


def _place(index: int) -> int:
    return TABLE_OFFSET + ENTRY_BYTES * index


def _write_entry(memory: mmap.mmap, place: int, name: bytes, kind: int) -> None:
    memory[place + _NAME_OFFSET : place + ENTRY_BYTES] = name.ljust(NAME_BYTES, b"\0")
    published = SharedInt(memory, place + _KIND_OFFSET)
    published.store(kind)
    published.release()


def _release(last: _Open) -> None:
    for cell in list(last.cells.values()):
        cell.release()


def _encoded(name: object) -> bytes:
    if not isinstance(name, str):
        raise TypeError(f"a name is a str, not {type(name).__name__!r}")
    encoded = name.encode()
    if not 1 <= len(encoded) <= NAME_BYTES or b"\0" in encoded:
        raise ValueError(f"a name has 1 to {NAME_BYTES} bytes in UTF-8, and none of them is 0: {name!r}")
    return encoded


def _check_platform() -> None:
    """RuntimeError where no cell can be shared, before anything is made."""
    SharedInt(bytearray(8))
    if sys.byteorder != "little":
        raise RuntimeError("the numbers in a segment are little-endian, and this machine's are not")
