"""Metrics shared by all workers of a server: counters, gauges and histograms, with labels, in one file.

    from atomicx.shared import Segment

    segment = Segment.create("/dev/shm/shop", capacity=1000)  # before the workers are forked
    requests = segment.counter("requests", "method", "status")
    requests.inc("GET", 200)  # in any worker

Nothing here waits for another thread or process, not even to add a new name. A process that is killed, or
interrupted by a signal handler that raises, leaves nothing locked and nothing half made.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import SupportsIndex

    from typing_extensions import Self

    from ._core import SegmentBase, SharedCounter, SharedFamily, SharedGauge, SharedHistogram

    _Path = str | bytes | os.PathLike[str] | os.PathLike[bytes]
else:
    from ._backend import SegmentBase, SharedCounter, SharedFamily, SharedGauge, SharedHistogram

__all__ = ["Segment", "SegmentUsage", "SharedCounter", "SharedFamily", "SharedGauge", "SharedHistogram"]

_ID_BYTES = 16


class SegmentUsage(NamedTuple):
    """How full a segment is, and how many processes use it."""

    series: int
    """Series in use; a histogram with n bounds takes n + 2."""
    capacity: int
    """Series that there is room for."""
    processes: int
    """Processes that can have a stripe of their own."""
    stripes: int
    """Stripes that processes have, or had."""
    alive: int
    """Stripes whose process is alive."""
    name_bytes: int
    """Bytes that names, label values and bounds take."""
    bytes: int
    """Size of the whole file, which never grows."""
    overflowed: int
    """Additions that went to overflow children because there was no room."""


class Segment(SegmentBase):
    """Named metrics in one file, for all processes that open it.

    It may be inherited by any kind of fork, pickled for another process (by its path and its id), or opened
    by processes that share nothing but the path. The file never changes its size. The file system has to be
    local to this machine: /dev/shm on Linux is one without a disk.

    The cell of a name is always the same object, until close(). No descriptor is kept open.
    """

    __slots__ = ()

    def __init__(self, path: _Path, *, readonly: bool = False, owner: SupportsIndex | None = None) -> None:
        """Open the segment at path, like Segment.open(path)."""
        absolute = _absolute(path)
        self._open_file(absolute, absolute, readonly, owner, None)

    @classmethod
    def create(
        cls,
        path: _Path,
        capacity: SupportsIndex,
        *,
        processes: SupportsIndex = 64,
        mode: int = 0o600,
        replace: bool = False,
    ) -> Self:
        """Make the file, with room for capacity series and this many processes. Returns the segment.

        The file is prepared next to the path, with all of its space reserved, and then linked into place, so
        it appears whole or not at all. It gets exactly this mode, whatever the umask. Without replace, an
        existing file raises FileExistsError. With replace, the path is taken over in one step, and processes
        that have the old file open keep it.

        Raises OSError if the file cannot be made, for example for lack of space, and then leaves nothing
        behind; ValueError if capacity is not from 1 to 2**28, or processes not from 1 to 4096; RuntimeError
        without the C module.
        """
        absolute = _absolute(path)
        aside = os.path.join(os.path.dirname(absolute), f".atomicx-{os.urandom(8).hex()}.tmp")
        cls._make_file(absolute, capacity, processes, os.urandom(_ID_BYTES), mode, replace, absolute, aside)
        return cls(absolute, owner=os.geteuid())

    @classmethod
    def open(cls, path: _Path, *, readonly: bool = False, owner: SupportsIndex | None = None) -> Self:
        """Open an existing segment. Returns it.

        With readonly, this process needs no permission to write, and changes nothing: an unknown name raises
        KeyError, a change ValueError.

        Raises OSError if the file cannot be opened (FileNotFoundError, PermissionError); PermissionError also
        if it does not belong to this user, root or owner (a uid), or is a symbolic link or not a regular
        file, since a stranger could have put it there. Raises ValueError if it is not a segment, has a
        damaged header, is truncated, or has another layout; RuntimeError without the C module.
        """
        return cls(path, readonly=readonly, owner=owner)

    @classmethod
    def open_or_create(
        cls,
        path: _Path,
        capacity: SupportsIndex,
        *,
        processes: SupportsIndex = 64,
        mode: int = 0o600,
        owner: SupportsIndex | None = None,
    ) -> Self:
        """Open the segment at path, or make it if there is none. Returns it.

        All workers may call it at once: one of them makes it. An existing segment is opened even if it has
        another capacity. Raises what open() and create() raise.
        """
        while True:
            try:
                return cls.open(path, owner=owner)
            except FileNotFoundError:
                pass
            try:
                return cls.create(path, capacity, processes=processes, mode=mode)
            except FileExistsError:
                # Another process was first. Its file may be gone by now, so look again. open() refuses
                # anything that is not a segment, such as a link that leads nowhere.
                continue

    @classmethod
    def anonymous(cls, capacity: SupportsIndex, *, processes: SupportsIndex = 64) -> Self:
        """Make a segment without a file, for this process and the children that it forks. Returns it.

        It ends with the last of them. Its path is empty, and it cannot be pickled.

        Raises OSError for lack of memory; ValueError as create() does; RuntimeError without the C module.
        """
        segment = cls.__new__(cls)
        segment._map_memory(capacity, processes, os.urandom(_ID_BYTES))
        return segment

    def usage(self) -> SegmentUsage:
        """Return how full the segment is: see SegmentUsage.

        Raises ValueError if the segment is closed or damaged. Never waits.
        """
        return SegmentUsage(*self._usage())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        if not self.path:
            raise TypeError("cannot pickle or copy an anonymous segment: only a fork can share it")
        return _reopen, (type(self), self.path, self._id, self.readonly)

    def __repr__(self) -> str:
        name = repr(self.path) if self.path else "anonymous"
        return f"<{type(self).__name__} {name}, capacity {self.capacity}>"


def _absolute(path: _Path) -> str:
    return os.path.abspath(os.fsdecode(path))


def _reopen(cls: type[Segment], path: str, identity: bytes, readonly: bool) -> Segment:
    """Open the segment that was pickled, and never another that is at its path by now."""
    segment = cls.__new__(cls)
    # The process that pickled it trusted its owner.
    segment._open_file(path, path, readonly, os.stat(path, follow_symlinks=False).st_uid, identity)
    return segment
