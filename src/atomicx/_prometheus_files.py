"""The files of prometheus_client's multiprocess mode, with disk space that is reserved in advance."""

# prometheus_client is only partly typed.
# pyright: standard

from __future__ import annotations

import errno
import os
from typing import Any

from prometheus_client.mmap_dict import MmapedDict

_FIRST_BYTES = 1 << 16  # the size that the library starts with
# The size of an entry without its key: length, padding, value and time.
_ENTRY_BYTES = 4 + 8 + 16


def _reserve(descriptor: int, offset: int, count: int) -> None:
    """Have the file system reserve the space, or raise OSError. Without this, writing to mapped memory that
    has no space behind it kills the process."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, offset, count)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        # This file system cannot reserve space: then we do as the library does.


class MultiProcessFile(MmapedDict):
    """One of the library's files, for values that other objects keep a view of. The caller holds a lock."""

    def __init__(self, filename: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
        try:
            descriptor = os.open(filename, flags, 0o666)
        except FileExistsError:
            pass
        else:
            try:
                _reserve(descriptor, 0, _ENTRY_BYTES)
                os.ftruncate(descriptor, _FIRST_BYTES)
            except OSError as error:
                os.unlink(filename)  # an empty file would make every process's scrape fail
                error.filename = filename
                raise
            finally:
                os.close(descriptor)
        init: Any = super().__init__
        init(filename)

    def _init_value(self, key: str) -> None:
        this: Any = self
        _reserve(this._f.fileno(), this._used, len(key.encode()) + _ENTRY_BYTES)
        enter: Any = super()._init_value
        enter(key)

    def find(self, key: str) -> tuple[Any, int]:
        """Return the memory and the position of a value, which is added if it is missing."""
        this: Any = self
        this.read_value(key)
        return this._m, this._positions[key]

    def forget(self) -> None:
        """Close the descriptor of the parent process's file. Its memory is freed with the cells in it."""
        this: Any = self
        this._f.close()

    def close(self) -> None:
        """Close the file. The memory is freed with the last cell in it."""
        this: Any = self
        this._m = None
        this._f.close()
