"""The parts of a segment, which Python alone cannot make: see type_shared.py.

The classes exist for introspection: members, signatures and docstrings. Those of SegmentBase serve
atomicx.shared.Segment, which derives from it.
"""

from __future__ import annotations

from types import GenericAlias

from .chain import Unpicklable
from .type_shared import missing_core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, NoReturn, SupportsFloat, SupportsIndex

    from typing_extensions import Self

    from .._snapshot import HistogramSnapshot
    from .type_guard import Admission, Guard
    from .type_timer import Timer

    _Integer = SupportsIndex
    _Real = SupportsFloat | SupportsIndex


class MadeBySegment(Unpicklable):
    """What the cells of segments have in common."""

    __slots__ = ("__weakref__",)

    def __new__(cls, *args: object, **kwargs: object) -> NoReturn:
        raise missing_core(cls.__name__)


class SharedCounter(MadeBySegment):
    """A counter of a Segment, which only counts up. Segment.counter() returns it.

    Each process counts in a stripe of its own, so two processes share no cache line. What a process has
    counted is kept when it ends, however it ends. load() adds up the stripes; like a Counter's, a load that
    overlaps additions returns a value between the total at its start and the total at its end.

    No operation waits for a thread or a process. After Segment.close() each one raises ValueError.
    """

    __slots__ = ()
    __module__ = "atomicx"

    def inc(self, /) -> None:
        """Count one. Returns None.

        Raises ValueError if the segment is closed or read-only; OverflowError if what this process has
        counted does not fit in 64 bits. Lock-free.
        """

    def add(self, count: _Integer, /) -> None:
        """Count this many at once, 0 or more. Returns None.

        Raises ValueError if count is negative, or the segment is closed or read-only; OverflowError if what
        this process has counted does not fit in 64 bits. Lock-free.
        """

    def load(self, /) -> int:
        """Return the total of all processes that ever counted.

        It may exceed 64 bits if several processes have counted that much. Raises ValueError if the segment is
        closed. Wait-free.
        """
        raise NotImplementedError

    def __int__(self, /) -> int:
        raise NotImplementedError

    def __str__(self, /) -> str:
        raise NotImplementedError

    def __format__(self, format_spec: str, /) -> str:
        raise NotImplementedError

    def __bool__(self, /) -> bool:
        raise NotImplementedError

    def __iadd__(self, count: _Integer, /) -> Self:
        return self


class SharedGauge(MadeBySegment):
    """A gauge of a Segment, which goes up and down. Segment.gauge() returns it.

    Each process owns a part of it, and the value is the sum of the parts of the living processes: what a
    killed worker had in flight disappears by itself.

    A process that found no free stripe in the segment changes a common part instead, which stays when the
    process ends.
    No operation waits for a thread or a process. After Segment.close() each one raises ValueError.
    """

    __slots__ = ()
    __module__ = "atomicx"

    def inc(self, /) -> None:
        """Add one to this process's part. Returns None.

        Raises ValueError if the segment is closed or read-only; OverflowError if the part does not fit in 64
        bits. Lock-free.
        """

    def dec(self, /) -> None:
        """Subtract one from this process's part. Returns None.

        Raises ValueError if the segment is closed or read-only; OverflowError if the part does not fit in 64
        bits. Lock-free.
        """

    def add(self, delta: _Integer, /) -> None:
        """Add delta, which may be negative, to this process's part. Returns None.

        Raises ValueError if the segment is closed or read-only; OverflowError if the part does not fit in 64
        bits. Lock-free.
        """

    def store(self, value: _Integer, /) -> None:
        """Replace this process's part. Returns None.

        Raises ValueError if the segment is closed or read-only, or if this process has no stripe of its own
        because there are more processes than stripes. Lock-free.
        """

    def load(self, /) -> int:
        """Return the sum of the parts of all living processes.

        For each part that is not 0 it asks the system whether the process lives. That takes less than a
        microsecond each, or about ten microseconds if it last asked more than 10 ms ago. Raises ValueError if
        the segment is closed. Never waits.
        """
        raise NotImplementedError

    def track(self, /) -> Guard:
        """Return a guard that adds one on entry and subtracts one on exit.

        It is a context manager and a decorator, and may be entered again while it is entered. Leaving it in
        a process that did not enter it, such as a child that was forked inside the block, does nothing.
        """
        raise NotImplementedError

    def admit(self, limit: _Integer, /) -> Admission:
        """Return an admission: a context manager that adds one unless that would pass limit.

        Entering it gives True if it added and False if not; the exit subtracts what was added. The limit is
        compared with the sum, so processes that are admitted at the same moment may together pass it: for an
        exact limit use Segment.int(). Raises OverflowError if limit does not fit in 64 bits.
        """
        raise NotImplementedError

    def __int__(self, /) -> int:
        raise NotImplementedError

    def __str__(self, /) -> str:
        raise NotImplementedError

    def __format__(self, format_spec: str, /) -> str:
        raise NotImplementedError

    def __bool__(self, /) -> bool:
        raise NotImplementedError

    def __iadd__(self, delta: _Integer, /) -> Self:
        return self

    def __isub__(self, delta: _Integer, /) -> Self:
        return self


class SharedHistogram(MadeBySegment):
    """A histogram of a Segment. Segment.histogram() returns it.

    It is like Histogram, with one stripe per process like SharedCounter. If a process is killed in the middle
    of an observation, that may be in the counts and not in the sum.

    No operation waits for a thread or a process. After Segment.close() each one raises ValueError.
    """

    __slots__ = ()
    __module__ = "atomicx"

    def observe(self, value: _Real, /) -> None:
        """Count value in its bucket, and add it to the sum. Returns None.

        Raises ValueError if value is NaN, or the segment is closed or read-only. Lock-free.
        """

    def time(self, /) -> Timer:
        """Return a timer, which observes the seconds from its entry to its exit, even if the block raises.

        It is a context manager and a decorator. Leaving it in a process that did not enter it, such as a
        child that was forked inside the block, does nothing. Raises ValueError if the segment is closed.
        """
        raise NotImplementedError

    def snapshot(self, /) -> HistogramSnapshot:
        """Return the counts of all processes, per bucket and not cumulative, and the sum of the values.

        The sum may lag behind the counts by the observations under way. Raises ValueError if the segment is
        closed. Wait-free.
        """
        raise NotImplementedError

    @property
    def bounds(self) -> tuple[float, ...]:
        """The bounds, as a tuple of floats."""
        raise NotImplementedError


class SharedFamily(MadeBySegment):
    """Cells of a Segment by label values. Segment's methods return it if they are given label names.

    It works like Family: family["GET", 200] is the child for these values, and inc(), add() and the others
    count in a child without handing it out. All processes see the same children. Label values are str or int;
    200 and "200" are the same.

    If the segment has no room for one more child, or the label values are too long, the count goes to the
    overflow child, whose label values are all "other" (or the given overflow): a full segment never fails a
    request. Room for that child is reserved from the start. With overflow=None such a call raises ValueError.

    No operation waits for a thread or a process. After Segment.close() each one raises ValueError.
    """

    __slots__ = ()
    __module__ = "atomicx"

    def __class_getitem__(cls, item: Any, /) -> GenericAlias:
        """Return a generic alias: SharedFamily[SharedCounter], for type checkers."""
        return GenericAlias(cls, item)

    def __getitem__(self, key: str | int | tuple[str | int, ...], /) -> Any:
        raise NotImplementedError

    def __setitem__(self, key: str | int | tuple[str | int, ...], child: Any, /) -> None:
        raise NotImplementedError

    def __delitem__(self, key: str | int | tuple[str | int, ...], /) -> None:
        raise NotImplementedError

    def __contains__(self, key: str | int | tuple[str | int, ...], /) -> bool:
        raise NotImplementedError

    def __len__(self, /) -> int:
        raise NotImplementedError

    def inc(self, /, *values: str | int) -> None:
        """Add one to the child for these label values. Returns None.

        Raises AttributeError if the children have no inc(); TypeError or ValueError for values that are not
        label values; else as the child. Lock-free.
        """

    def dec(self, /, *values: str | int) -> None:
        """Subtract one from the child for these label values. Returns None.

        Raises AttributeError if the children have no dec(); TypeError or ValueError for values that are not
        label values; else as the child. Lock-free.
        """

    def add(self, amount: Any, /, *values: str | int) -> None:
        """Add amount to the child for these label values. Returns None.

        Raises AttributeError if the children have no add(); TypeError or ValueError for values that are not
        label values; else as the child. Lock-free.
        """

    def store(self, value: Any, /, *values: str | int) -> None:
        """Replace the value of the child for these label values. Returns None.

        Raises AttributeError if the children have no store(); TypeError or ValueError for values that are not
        label values; else as the child. Lock-free.
        """

    def observe(self, value: _Real, /, *values: str | int) -> None:
        """Observe value in the child for these label values. Returns None.

        Raises AttributeError if the children have no observe(); TypeError or ValueError for values that are
        not label values; else as the child. Lock-free.
        """

    def track(self, /, *values: str | int) -> Guard:
        """Return a guard of the child for these label values.

        Raises AttributeError if the children have no track(). Lock-free.
        """
        raise NotImplementedError

    def time(self, /, *values: str | int) -> Timer:
        """Return a timer of the child for these label values.

        Raises AttributeError if the children have no time(). Lock-free.
        """
        raise NotImplementedError

    def labels(self, /, **by_name: str | int) -> Any:
        """Return the child for label values given by name: family.labels(method="GET", status=200).

        Raises TypeError unless exactly the family's label names are given. Lock-free.
        """
        raise NotImplementedError

    def items(self, /) -> Iterator[tuple[tuple[str, ...], Any]]:
        """Return an iterator over the children, each with its label values, in order of creation.

        The overflow child comes last, once something has been counted in it. Raises ValueError if the segment
        is closed or damaged. Never waits.
        """
        raise NotImplementedError

    def remove(self, /, *values: str | int) -> None:
        """Hide the child for these label values. Returns None.

        It frees no room, and a child that is used again continues its total. Raises KeyError if there is no
        such child, ValueError if the segment is closed or read-only. Lock-free.
        """

    def clear(self, /) -> None:
        """Hide all children. Returns None.

        Raises ValueError if the segment is closed or read-only. Never waits.
        """

    @property
    def label_names(self) -> tuple[str, ...]:
        """The label names, as a tuple of str."""
        raise NotImplementedError

    @property
    def overflow(self) -> str | None:
        """The value of every label of the overflow child, or None."""
        raise NotImplementedError

    @property
    def kind(self) -> str:
        """The kind of the children: "int", "float", "counter", "gauge" or "histogram"."""
        raise NotImplementedError

    @property
    def bounds(self) -> tuple[float, ...] | None:
        """The bounds of the children, as a tuple of floats; None unless they are histograms."""
        raise NotImplementedError


class SharedPart(MadeBySegment):
    """A double in this process's stripe of a segment: SharedPart(segment, metric, key, apart).

    It belongs to the series with this key, of the metric with that key. The segment gives the keys no
    meaning. Both have up to 4,096 bytes, and that of the metric begins with a NUL.

    With apart false, the series is the sum over all processes that ever counted. With apart true, each
    process has a part of its own, until another process takes over its stripe. A process has a part from the
    moment that it makes one; a forked child has one as soon as it counts anything in this segment.

    Raises ValueError if the segment is full, closed or damaged, or a key is too long; KeyError if the series
    is new and the segment is read-only. No operation waits for a thread or a process.
    """

    __slots__ = ()
    __module__ = "atomicx._reference"

    def add(self, amount: _Real, /) -> None:
        """Add amount to the part of this process. Returns None.

        A process without a stripe adds to a common part of a sum. It cannot have a part of its own, and
        issues a RuntimeWarning about that once. Once the segment is closed, nothing is counted, with one
        RuntimeWarning. Raises ValueError if the segment is read-only. Lock-free.
        """

    def store(self, value: _Real, time: _Real = 0.0, /) -> None:
        """Replace the part of this process, and its time; of a sum, adjust it so that the total is value.

        Returns None. A process without a stripe, or with a closed segment, issues a warning once, as in
        add(). Raises ValueError if the segment is read-only. Lock-free.
        """

    def load(self, /) -> float:
        """Return the part of this process, 0.0 if it has none; of a sum, the total of all processes.

        Raises ValueError if the segment is closed. Wait-free.
        """
        raise NotImplementedError


class SegmentBase:
    """The base of atomicx.shared.Segment: the part of it that is written in C."""

    __slots__ = ("__weakref__",)
    __module__ = "atomicx._reference"

    def __new__(cls, *args: object, **kwargs: object) -> NoReturn:
        raise missing_core(cls.__name__)

    def int(self, /, name: str, *label_names: str, overflow: str | None = "other") -> Any:
        """Return the SharedInt of this name, which starts at 0; with label names, a SharedFamily of them.

        It is one word for all processes, linearizable: for limits, ids, and exact decisions.

        Raises TypeError if the name exists with another kind or other label names; ValueError if it is empty,
        contains a NUL, or takes more than 240 bytes in UTF-8, if there is no room for it, or if the segment
        is closed or damaged; KeyError if it is new and the segment is read-only. Issues a RuntimeWarning once
        when 90 % of the room is taken. Lock-free.
        """

    def float(self, /, name: str, *label_names: str, overflow: str | None = "other") -> Any:
        """Return the SharedFloat of this name, which starts at 0.0; with label names, a SharedFamily of them.

        It is one word for all processes, linearizable. Raises and warns as int() does. Lock-free.
        """

    def counter(self, /, name: str, *label_names: str, overflow: str | None = "other") -> Any:
        """Return the SharedCounter of this name; with label names, a SharedFamily of them.

        Raises and warns as int() does. Lock-free.
        """

    def gauge(self, /, name: str, *label_names: str, overflow: str | None = "other") -> Any:
        """Return the SharedGauge of this name; with label names, a SharedFamily of them.

        Raises and warns as int() does. Lock-free.
        """

    def histogram(self, /, name: str, bounds: Any, *label_names: str, overflow: str | None = "other") -> Any:
        """Return the SharedHistogram of this name and these bounds; with label names, a SharedFamily of them.

        bounds holds at least one real number; all are finite and strictly increasing, else ValueError. A
        histogram with n bounds takes the room of n + 2 names. Raises TypeError if the name exists with other
        bounds; otherwise it raises and warns as int() does. Lock-free.
        """

    def items(self, /) -> Iterator[tuple[str, Any]]:
        """Return an iterator over (name, cell or family), whichever process made them, in order of creation.

        Raises ValueError if the segment is closed or damaged. Never waits.
        """
        raise NotImplementedError

    def close(self, /) -> None:
        """Release all cells that came from this segment. The file stays. Returns None.

        Afterwards every operation on them, and every method except this one, raises ValueError. The memory is
        freed with the last cell. Never waits.
        """

    @property
    def path(self) -> str:
        """The absolute path of the file; empty if the segment is anonymous."""
        raise NotImplementedError

    @property
    def capacity(self) -> Any:
        """The number of series that there is room for."""
        raise NotImplementedError

    @property
    def processes(self) -> Any:
        """The number of processes that can have a stripe of their own at a time."""
        raise NotImplementedError

    @property
    def readonly(self) -> bool:
        """Whether it was opened read-only."""
        raise NotImplementedError

    @property
    def _id(self) -> bytes:
        """The random id of the segment, 16 bytes."""
        raise NotImplementedError

    def _open_file(self, /, *arguments: Any) -> None:
        """Map the file at a path: (path, path, readonly, owner, id)."""

    def _map_memory(self, /, *arguments: Any) -> None:
        """Map memory without a file: (capacity, processes, id)."""

    def _usage(self, /) -> Any:
        """Return the fields of usage()."""

    def _parts(self, /) -> Any:
        """Return a list of all series of SharedParts: (metric, key, total), or for parts of processes
        (metric, key, [(pid, value, time, alive), ...]).
        """

    @classmethod
    def _make_file(cls, *arguments: Any) -> None:
        """Make a file: (path, capacity, processes, id, mode, replace, path, temporary path)."""
        raise missing_core("Segment")
