"""Metrics that all workers of a server share: counters, gauges and histograms, with labels, in one file.

    from atomicx.shared import Segment

    segment = Segment.create("/dev/shm/shop", capacity=1000)  # before the workers are forked
    requests = segment.counter("requests", "method", "status")
    requests.inc("GET", 200)  # in any of them

Nothing here waits for another thread or process, not even to make a new name: a process that is killed, or
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
    """How full a segment is, and who uses it."""

    series: int
    """That are taken; a histogram of n bounds takes n + 2."""
    capacity: int
    """For how many there is room."""
    processes: int
    """How many processes can have a stripe of their own."""
    stripes: int
    """That processes have, or had."""
    alive: int
    """Stripes whose process is alive."""
    name_bytes: int
    """That names, label values and bounds take."""
    bytes: int
    """Of the whole file, which never grows."""
    overflowed: int
    """Additions that went to overflow children, because there was no room."""


class Segment(SegmentBase):
    """Named metrics in one file, for all processes that open it.

    It may be inherited by a fork, whoever forks, pickled for another process (by its path and its id), or
    opened by processes that share nothing but the path. The file never changes its size. The file system has
    to be of this machine: /dev/shm on Linux is one without a disk.

    The cell of a name is always the same object, until close(). No descriptor is kept open.
    """

    __slots__ = ()

    def __init__(self, path: _Path, *, readonly: bool = False, owner: SupportsIndex | None = None) -> None:
        """The same as Segment.open(path)."""
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
        """Make the file, with room for so many series and processes. Returns the segment.

        It is prepared beside the path, all of its space reserved, and then linked into place: so it appears
        whole or not at all. mode is what it says, whatever the umask. Without replace, no file is replaced:
        FileExistsError. With it, the path is taken over in one step, and those who have the old file keep it.

        Raises OSError if the file cannot be made, as for want of space, and then nothing is left; ValueError
        for a capacity that is not from 1 to 2**28, or processes not from 1 to 4096; RuntimeError without the
        C module.
        """
        absolute = _absolute(path)
        aside = os.path.join(os.path.dirname(absolute), f".atomicx-{os.urandom(8).hex()}.tmp")
        cls._make_file(absolute, capacity, processes, os.urandom(_ID_BYTES), mode, replace, absolute, aside)
        return cls(absolute, owner=os.geteuid())

    @classmethod
    def open(cls, path: _Path, *, readonly: bool = False, owner: SupportsIndex | None = None) -> Self:
        """Open a segment that is there. Returns it.

        With readonly, this process needs no permission to write, and changes nothing: a name that is not
        there is a KeyError, a change a ValueError.

        Raises OSError if the file cannot be opened (FileNotFoundError, PermissionError); PermissionError also
        if it belongs to neither this user nor root nor owner (a uid), or is a symbolic link or not a regular
        file: a stranger could have put it there. Raises ValueError if it is not a segment, is damaged or
        truncated, or has another layout; RuntimeError without the C module.
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
        """Open the segment under the path, or make it if there is none. Returns it.

        All workers may call it at once: one of them makes it. If there is one with another capacity, that is
        opened. Raises as open() and create().
        """
        while True:
            try:
                return cls.open(path, owner=owner)
            except FileNotFoundError:
                pass
            try:
                return cls.create(path, capacity, processes=processes, mode=mode)
            except FileExistsError:
                # Another process was first; and if that one is gone by now, look again. What is not a
                # segment, as a link that leads nowhere, is refused by open().
                continue

    @classmethod
    def anonymous(cls, capacity: SupportsIndex, *, processes: SupportsIndex = 64) -> Self:
        """Make a segment without a file, for this process and the children that it forks. Returns it.

        It goes with the last of them. Its path is empty, and it cannot be pickled.

        Raises OSError for want of memory; ValueError as create(); RuntimeError without the C module.
        """
        segment = cls.__new__(cls)
        segment._map_memory(capacity, processes, os.urandom(_ID_BYTES))
        return segment

    def usage(self) -> SegmentUsage:
        """Return how full it is: see SegmentUsage.

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
    """Open the segment that was pickled, and no other that is under its path by now."""
    segment = cls.__new__(cls)
    # Whoever pickled it has trusted its owner.
    segment._open_file(path, path, readonly, os.stat(path, follow_symlinks=False).st_uid, identity)
    return segment
