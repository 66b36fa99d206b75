"""Anybody's atomic integer or reference as the subject: `--subject package:factory`.

The factory is called with a starting value and returns a cell. The cell's methods have the names of
AtomicInt's and AtomicRef's, or one of the other names below; what it lacks is not run, and said to be
missing. Where a method differs in more than its name, write a small adapter and name that instead.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .campaign import Trial
from .catalogue import INT, REF, CellKind, Row

# What others call the same operations.
OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "load": ("get",),
    "store": ("set",),
    "exchange": ("swap", "get_and_set"),
    "compare_and_set": ("compare_and_swap", "cas"),
    "compare_exchange": ("compare_and_exchange",),
    "inc": ("increment", "incr"),
    "dec": ("decrement", "decr"),
    "fetch_add": ("get_and_add", "get_and_increment"),
    "fetch_sub": ("get_and_sub", "get_and_decrement"),
    "add_fetch": ("add_and_get", "increment_and_get"),
    "sub_fetch": ("sub_and_get", "decrement_and_get"),
    "fetch_update": ("get_and_update",),
    "update": ("update_and_get",),
}
# What objects have that are not cells, too.
OF_ANY_OBJECT = ("__init__", "__bool__", "__int__", "__float__", "__repr__")
# Any of these makes it an integer.
ARITHMETIC = ("add", "inc", "fetch_add", "add_fetch")


@dataclass(frozen=True)
class Subject:
    """A cell to try: where it comes from, how one is made, which kind it is, and its names for operations."""

    name: str
    make: Callable[[Any], Any]
    kind: CellKind
    names: dict[str, str]

    def trial(self, row: Row, seed: int) -> Trial:
        """This row with these cells; what it lacks is named."""
        missing = sorted(row.program.needs - self.names.keys())
        return Trial(
            row,
            self.make,
            {ours: theirs for ours, theirs in self.names.items() if ours != theirs},
            seed,
            hidden=row.hidden(),
            missing=f"{self.name} has no {', '.join(missing)}" if missing else None,
        )


def find(spelled: str) -> Subject:
    """The subject that `package.module:factory` names.

    Raises ValueError, with the reason, if there is no such factory, or it makes nothing to be tried.
    """
    module, _, path = spelled.partition(":")
    if not module or not path:
        raise ValueError(f"{spelled!r} is not of the form package:factory")
    try:
        make: Any = importlib.import_module(module)
        for part in path.split("."):
            make = getattr(make, part)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{spelled}: {error}") from error
    try:
        cell: Any = make(0)
    except Exception as error:
        raise ValueError(f"{spelled}(0) raised {type(error).__name__}: {error}") from error
    names = _names(cell)
    if not names:
        raise ValueError(f"{spelled}(0) is a {type(cell).__name__} without any of {', '.join(known())}")
    kind = INT if any(name in names for name in ARITHMETIC) else REF
    return Subject(spelled, make, kind, names)


def _names(cell: Any) -> dict[str, str]:
    """Our name and its own, for each operation that the cell has."""
    found: dict[str, str] = {}
    for row in INT.model.operations:
        own = next((name for name in (row.name, *OTHER_NAMES.get(row.name, ())) if hasattr(cell, name)), None)
        if own is not None and row.atomic and row.name not in OF_ANY_OBJECT:
            found[row.name] = own
    return found


def known() -> list[str]:
    """The methods that a cell may have."""
    return [
        row.name for row in INT.model.operations if row.is_public and row.atomic and row.name.isidentifier()
    ]
