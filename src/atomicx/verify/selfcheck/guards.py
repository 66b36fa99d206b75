"""Guards of other people's cells: what `track()` and `admit()` return may be any context manager.

A guard that is made from a generator is for one block, and leaves it as soon as nothing refers to the guard.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..spec.model import Operation
from ..spec.rows import raise_inside
from .access import has_raised

Read = Callable[[Any], Any]


def guarding(rows: dict[str, Operation], cell: Any, read: Read | None) -> dict[str, Operation | None]:
    """Return the rows of guards, adapted to cells like this one; None for what their guards cannot do."""
    found: dict[str, Operation | None] = {}
    if "track" in rows and read is not None:
        found["track"] = replace(rows["track"], written=_counting(read))
    arguments: dict[str, tuple[Any, ...]] = {"track": (), "admit": (0,)}
    for name in arguments.keys() & rows.keys():
        if _is_for_one_block(cell, name, arguments[name]):
            enter = f"{name}().__enter__"
            can_keep = hasattr(cell, "__dict__")
            found[enter] = (
                replace(rows[enter], written=_entering(name), same=_same_answer) if can_keep else None
            )
            found[f"{name}().__exit__"] = None
        elif (enter := f"{name}().__enter__") in rows:
            found[enter] = replace(rows[enter], same=_same_answer)
    return found


def _is_for_one_block(cell: Any, name: str, arguments: tuple[Any, ...]) -> bool:
    """Return whether the guard is made by `contextlib.contextmanager`."""
    try:
        return hasattr(getattr(cell, name)(*arguments), "gen")
    except Exception:
        return False  # which its row shows


def _counting(read: Read) -> Callable[[Any], Any]:
    def count_inside(cell: Any) -> Any:
        raise_inside(cell.track())
        with cell.track():
            return read(cell)

    return count_inside


def _entering(name: str) -> Callable[..., Any]:
    """Return a function that enters a guard, and keeps it for as long as the cell."""

    def enter(cell: Any, *arguments: Any) -> Any:
        guard = getattr(cell, name)(*arguments)
        vars(cell).setdefault("_guards_of_verify", []).append(guard)
        return guard.__enter__()

    return enter


def _same_answer(expected: Any, found: Any) -> bool:
    """Return whether both raise the same, or admit the same. What `with cell.track() as x` gives is open."""
    if has_raised(expected) or has_raised(found):
        return bool(expected == found)
    return bool(expected) is bool(found) if isinstance(expected, bool) else True
