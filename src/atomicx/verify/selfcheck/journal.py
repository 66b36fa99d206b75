"""What a child process is about to do, recorded where its parent can read it when the child is gone.

The journal is a small file that both have mapped. An entry is a text, and how long that step may take. The
child writes one before each thing that it does, which costs it a microsecond or two.

The number of an entry is odd while it is being written. So the parent never takes the old text for the new
entry, nor a time limit that is not there yet.
"""

from __future__ import annotations

import struct
import time
from mmap import mmap
from pathlib import Path

_NUMBER = struct.Struct("<Q")
_HEAD = struct.Struct("<dI")
_START = _NUMBER.size + _HEAD.size
# A writer that is stopped in the middle leaves half an entry.
MOST_READINGS = 100
SIZE = 4096
# The file next to it, in which the child records each difference that convicts, as soon as it is found.
FOUND = "found"


class Journal:
    """One side of the journal: the child writes, the parent reads."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("r+b")
        self._map = mmap(self._file.fileno(), SIZE)
        self._number = 0
        self._last = 0, 0.0, ""

    @staticmethod
    def create(path: Path) -> Journal:
        """Create a new one, for the parent."""
        path.write_bytes(bytes(SIZE))
        return Journal(path)

    def write(self, text: str, seconds: float) -> None:
        """Note what comes next, and how many seconds it may take."""
        data = text.encode(errors="backslashreplace")[: SIZE - _START]
        _NUMBER.pack_into(self._map, 0, self._number + 1)
        _HEAD.pack_into(self._map, _NUMBER.size, seconds, len(data))
        self._map[_START : _START + len(data)] = data
        self._number += 2
        _NUMBER.pack_into(self._map, 0, self._number)

    def read(self) -> tuple[int, float, str]:
        """Return the number of the last whole entry, its seconds and its text."""
        for _ in range(MOST_READINGS):
            (number,) = _NUMBER.unpack_from(self._map)
            seconds, length = _HEAD.unpack_from(self._map, _NUMBER.size)
            text = self._map[_START : _START + length]
            if number % 2 == 0 and _NUMBER.unpack_from(self._map) == (number,):
                self._last = number, seconds, text.decode(errors="replace")
                break
            time.sleep(0)
        return self._last

    def close(self) -> None:
        self._map.close()
        self._file.close()
