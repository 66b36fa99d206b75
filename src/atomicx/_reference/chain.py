"""The one compare-and-swap of the pure-Python twin, and the cell that is built on it. It takes no lock.

Its primitive is `dict.setdefault` on a str key: one C call, atomic with the GIL and without it. A cell is a
chain of versions, each with a value and a number one higher than its predecessor's. A version is a dict,
empty while the version is current:

    version.setdefault("next", successor) is successor    the one winner has superseded it

Linearization. A swap happens at that call. A read takes the value first and then looks for a successor: no
successor means that the value was current at that moment. A value never changes while its version is current.

Finding the current version. `head` is where to look first. It may be stale, because a thread may pause before
its store to head, and then put an old version back. So the newest version is also entered in a table, under
its number. The invariant, at every moment:

    the version with the highest number ever entered is in the table, and is current, or has a successor that
    is still linked to it.

It holds for three reasons. Only a thread that saw a higher number in the table removes an entry. The link to
a successor is cut only once the successor has been entered. And a thread that comes too late enters a lower
number, which changes nothing. A thread that meets a superseded version finishes the winner's work (so
supersede may run twice, and late) or, where the link is cut, looks in the table.

Memory. Links are cut because otherwise a thread that pauses in an operation, or is interrupted there by a
signal handler, would keep alive every version made in the meantime. With the cut it keeps two, however long
it pauses, and their values are dropped: an object that was replaced is released at once.

Interruptions. Between any two bytecodes another thread may run, or a signal handler, a finalizer, or a
callback of the garbage collector may use the same cell in the same thread. Each finds the cell as another
thread would. The one step that can run a user's code, dropping the replaced value, comes last.

Progress: lock-free with the GIL. Each pass of a loop that finds a version superseded does so because another
operation has happened since, or moves the head forward. Without the GIL the dict has a mutex of its own.
"""

# The functions here belong to the cell.
# pyright: reportPrivateUsage=false

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from inspect import Signature
    from typing import Any, ClassVar, NoReturn

    from typing_extensions import Self


class Version(dict[str, "Version"]):
    """A value that a cell has, or had. Empty while current, then {"next": successor}, then {"next": CUT}."""

    __slots__ = ("number", "value")
    number: int  # immutable after creation
    value: Any  # immutable while current, then None


# Replaces the link to a successor, which is then found in the table. Never changes.
CUT = Version()


class Unpicklable:
    """The base of classes that can be neither pickled nor copied."""

    __slots__ = ()

    def __reduce__(self, /) -> NoReturn:
        """Raise TypeError, from pickle, copy and deepcopy: a copy would be another cell."""
        raise TypeError(f"cannot pickle or copy {type(self).__name__!r} object: a copy would be another cell")


class InitSignature:
    """Shows __init__'s parameters as those of the class; __new__, which takes anything, would hide them."""

    def __init__(self, new: Callable[..., object]) -> None:
        self.new = new

    def __get__(self, cell: Cell | None, owner: type[Cell]) -> Signature:
        from inspect import signature
        from types import MethodType

        if cell is not None or owner.__new__ is not self.new:
            raise AttributeError("__signature__")
        return signature(MethodType(owner.__init__, owner))


class Cell(Unpicklable):
    """The base of all cells. The functions below are not methods: those are a cell's public operations."""

    __slots__ = ("_Cell__head", "_Cell__table", "__weakref__")
    _Cell__zero: ClassVar[object]  # what a cell holds until __init__ has stored something
    _Cell__head: Version  # where to look first; may be stale
    _Cell__table: dict[int, Version]  # by number; its highest one leads to the current version

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        cell = object.__new__(cls)
        first = Version()
        first.number = 0
        first.value = cls._Cell__zero
        cell._Cell__head = first
        cell._Cell__table = {0: first}
        return cell

    if TYPE_CHECKING:
        __signature__: ClassVar[Signature]  # what the descriptor returns
    else:
        __signature__ = InitSignature(__new__)


def current(cell: Cell) -> tuple[Version, Any]:
    """Return the version that was current at one moment of this call, and its value."""
    while True:
        version = cell._Cell__head
        value = version.value
        successor = version.get("next")
        if successor is None:
            return version, value
        if successor is CUT:
            find_head(cell)
        else:
            supersede(cell, version, successor)


def swap(cell: Cell, version: Version, value: object) -> bool:
    """Add a new version with this value if version is still current. Returns whether it was."""
    successor = Version()
    successor.number = version.number + 1
    successor.value = value
    if version.setdefault("next", successor) is not successor:
        return False
    # The swap has happened, so it must not raise any more, as this call could near the recursion limit or
    # when memory runs out. The next operation will meet the two versions and do the work.
    try:
        supersede(cell, version, successor)
    except (MemoryError, RecursionError):
        return True
    return True


def supersede(cell: Cell, version: Version, successor: Version) -> None:
    """Finish a swap, once version has its successor: run by the winner and by all that meet the two."""
    table = cell._Cell__table
    table[successor.number] = successor
    cell._Cell__head = successor
    version["next"] = CUT
    table.pop(version.number, None)
    if len(table) > 1:
        # Another thread entered an old version too late, or is working here as well.
        forget_superseded(table)
    version.value = None


def find_head(cell: Cell) -> None:
    """Update a stale head."""
    table = cell._Cell__table
    newest = table.get(forget_superseded(table))
    # None if it has been superseded since; then there is a newer one.
    if newest is not None:
        cell._Cell__head = newest


def forget_superseded(table: dict[int, Version]) -> int:
    """Remove every entry except the highest. Returns the highest number."""
    numbers = list(table)  # one C call: no entry that was there throughout is missed
    highest = max(numbers)
    for number in numbers:
        if number < highest:
            table.pop(number, None)
    return highest
