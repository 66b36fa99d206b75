"""The files of prometheus_client's multiprocess mode, with room that is sure to be there."""

# What prometheus_client leaves without types is not for us to say.
# pyright: standard

from __future__ import annotations

import errno
import os
from typing import Any

from prometheus_client.mmap_dict import MmapedDict

_FIRST_BYTES = 1 << 16  # as many as the library begins with
# Of an entry, besides its key: its length, padding, the value and the time.
_ENTRY_BYTES = 4 + 8 + 16


def _reserve(descriptor: int, offset: int, count: int) -> None:
    """Have the file system provide room, or raise OSError. Without it, writing to mapped memory for which
    there is no room kills the process."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, offset, count)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        # This file system cannot say: then it is as with the library.


class MultiProcessFile(MmapedDict):
    """A file of the library's, for values that others keep a view of. The caller has a lock."""

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
                os.unlink(filename)  # an empty file would cost everybody the scrape
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
        """The memory and the place of a value, which is entered if it is not there."""
        this: Any = self
        this.read_value(key)
        return this._m, this._positions[key]

    def forget(self) -> None:
        """Close the descriptor of a file of the parent process. Its memory goes with the cells in it."""
        this: Any = self
        this._f.close()

    def close(self) -> None:
        """Close it. The memory goes with the last cell in it."""
        this: Any = self
        this._m = None
        this._f.close()
