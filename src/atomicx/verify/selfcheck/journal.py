"""What a child process is about to do, where its parent can read it when the child is gone.

The journal is a small file that both have mapped. An entry is a text, and how long it may take; the child
writes one before each thing that it does, which costs it a microsecond.
"""

from __future__ import annotations

import struct
from mmap import mmap
from pathlib import Path

_HEAD = struct.Struct("<QdI")
SIZE = 4096
# The file beside it, in which the child writes down each difference that convicts, as soon as it is found.
FOUND = "found"


class Journal:
    """One side of it: the child writes, the parent reads."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("r+b")
        self._map = mmap(self._file.fileno(), SIZE)
        self._number = 0

    @staticmethod
    def create(path: Path) -> Journal:
        """A new one, of the parent."""
        path.write_bytes(bytes(SIZE))
        return Journal(path)

    def write(self, text: str, seconds: float) -> None:
        """Note what comes next, and how many seconds it may take."""
        self._number += 1
        data = text.encode(errors="backslashreplace")[: SIZE - _HEAD.size]
        self._map[_HEAD.size : _HEAD.size + len(data)] = data
        _HEAD.pack_into(self._map, 0, self._number, seconds, len(data))

    def read(self) -> tuple[int, float, str]:
        """The number of the last entry, its seconds and its text."""
        number, seconds, length = _HEAD.unpack_from(self._map)
        return number, seconds, self._map[_HEAD.size : _HEAD.size + length].decode(errors="replace")

    def close(self) -> None:
        self._map.close()
        self._file.close()
