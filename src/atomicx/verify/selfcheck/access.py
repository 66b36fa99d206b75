"""How the cells of one type are made, called and read: atomicx's own, and any others by their own names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..spec.model import ITSELF, Arguments, Model, Operation, raises

UNREADABLE: Any = type("Unreadable", (), {"__repr__": lambda self: "unreadable"})()


@dataclass(frozen=True, eq=False)
class Access:
    """One type of cell: its specification, how to make one in a state, and its names for the operations."""

    model: Model
    make: Callable[[Any], Any]
    read: Callable[[Any], Any] | None = None
    """Returns what a cell holds, in the terms of the specification; None if it cannot be read."""
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    lacks: frozenset[str] = frozenset()
    """Operations of the specification that the cells do not have."""

    adapted: frozenset[str] = frozenset()
    """Operations that are not called as the specification says: properties, keyword-only arguments, and
    an increment without an operand."""

    unlimited: bool = False
    """For families that cannot be given a limit."""
    wraps: bool = False
    """For integers that wrap around by design: not judged where the specification raises OverflowError."""

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The operations that the cells have."""
        return tuple(row for row in self.model.operations if row.name not in self.lacks)

    def call(self, row: Operation, cell: Any, arguments: Arguments) -> Any:
        """Do the operation. Raises what it raises."""
        if row.written is not None:
            return row.written(cell, *arguments)
        return getattr(cell, self.names.get(row.name, row.name))(*arguments)

    def call_by_name(self, row: Operation, cell: Any, arguments: Arguments, by_place: int = 0) -> Any:
        """Do the same, with all arguments after the first `by_place` passed by name, the last one first."""
        names = [parameter.name for parameter in row.parameters or ()]
        named = dict(reversed(list(zip(names, arguments, strict=False))[by_place:]))
        return getattr(cell, self.names.get(row.name, row.name))(*arguments[:by_place], **named)

    def outcome(self, row: Operation, cell: Any, arguments: Arguments) -> Any:
        """Return the result. An error is a result too, and the cell itself is ITSELF."""
        try:
            result = self.call(row, cell, arguments)
        except Exception as error:
            return raises(error)
        return ITSELF if result is cell else result

    def state(self, cell: Any) -> Any:
        """Return what the cell holds, or UNREADABLE."""
        return UNREADABLE if self.read is None else self.read(cell)


def has_raised(result: Any) -> bool:
    """Return whether a result stands for an error."""
    return type(result) is tuple and len(result) == 2 and isinstance(result[0], str) and result[0] == "raises"


OVERFLOW = ("raises", "OverflowError")


def shown(value: Any) -> str:
    """Return a value as text. Functions by their names: the address in their repr differs from run to run."""
    try:
        return str(getattr(value, "__name__", None) or repr(value))
    except Exception as error:
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"


def written(row: Operation, arguments: Arguments, by_place: int | None = None) -> str:
    """Return a call as it would be written; if `by_place` is given, all arguments after those are named."""
    values = list(map(shown, arguments))
    if by_place is not None:
        names = [parameter.name for parameter in row.parameters or ()]
        named = [f"{name}={value}" for name, value in zip(names, values, strict=False)][by_place:]
        values[by_place:] = reversed(named)
    return f"{row.name}({', '.join(values)})"


def told(result: Any, state: Any = UNREADABLE) -> str:
    """Return the result of a call as text, and what the cell holds then."""
    what = f"raises {result[1]}" if has_raised(result) else f"returns {shown(result)}"
    return what if state is UNREADABLE else f"{what} and leaves {shown(state)}"
