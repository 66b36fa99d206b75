"""Where things are in a segment's file, according to docs/segment.md, for tests that damage or forge them."""

import os
import struct
from dataclasses import dataclass
from pathlib import Path

HEADER_BYTES = 256
CURSOR, LAST = 256, 384
OWNER_BYTES = 128
ENTRY_HEADER_BYTES = 128
NEXT = 64


def pid_of(owner: int) -> int:
    return owner & 0x3FFFFF


def namespace_of(owner: int) -> int:
    return owner >> 22 & 0x3FFFFF


def generation_of(owner: int) -> int:
    return owner >> 44


def owner_word(generation: int, namespace: int, pid: int) -> int:
    return generation << 44 | namespace << 22 | pid


@dataclass
class File:
    """The file at a path, read and written while processes have it mapped."""

    path: Path

    def __post_init__(self) -> None:
        with self.path.open("rb") as file:
            numbers = struct.unpack("<11Q", file.read(104)[16:])
        (self.size, self.capacity, self.processes, self.index, self.slots, self.owners, self.heap,
         self.heap_bytes, self.stripes, self.stripe_bytes, self.words) = numbers  # fmt: skip

    def word(self, offset: int) -> int:
        with self.path.open("rb") as file:
            return int.from_bytes(os.pread(file.fileno(), 8, offset), "little")

    def put(self, offset: int, value: int, size: int = 8) -> None:
        with self.path.open("r+b") as file:
            os.pwrite(file.fileno(), (value % 2 ** (8 * size)).to_bytes(size, "little"), offset)

    def owner(self, stripe: int) -> int:
        return self.owners + OWNER_BYTES * stripe

    def stripe_word(self, stripe: int, word: int) -> int:
        return self.stripes + self.stripe_bytes * stripe + 8 * word

    def entries(self) -> list[int]:
        """Return the offsets of the entries, without the root."""
        found, entry = [], self.word(self.heap + NEXT)
        while entry:
            found.append(entry)
            entry = self.word(entry + NEXT)
        return found
