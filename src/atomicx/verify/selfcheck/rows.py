"""The rows of `verify`: all that there are, and those that are asked for."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from ..._terminal import UsageError
from .catalogue import BOOL, CHILDREN, COUNT, FLOAT, GROWING_BUCKETS, INT, MORE_BUCKETS, REF, CellKind, Row
from .catalogue import ROWS as ROWS_OF_THREADS
from .explored import ExploredRow
from .generated import AloneRow, PairsRow, ThreeRow
from .shared_rows import FLOAT as SHARED_FLOAT
from .shared_rows import INT as SHARED_INT
from .shared_rows import ROWS as ROWS_OF_PROCESSES

ROWS: Sequence[Row] = (*ROWS_OF_THREADS, *ROWS_OF_PROCESSES)
"""The rows that are written by hand."""
KINDS: Sequence[CellKind] = (
    *(INT, FLOAT, BOOL, REF, COUNT, MORE_BUCKETS, GROWING_BUCKETS, CHILDREN),
    *(SHARED_INT, SHARED_FLOAT),
)
"""The types whose rows are made from the specification."""

AnyRow = Row | AloneRow | PairsRow | ThreeRow


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Chosen = TypeVar("Chosen", bound=_Named)


def chosen_rows(pattern: str | None, rows: Iterable[Chosen]) -> list[Chosen]:
    """Return the rows that match the pattern."""
    if pattern is None:
        return list(rows)
    found = [row for row in rows if fnmatch.fnmatchcase(row.name, pattern) or pattern in row.name]
    if not found:
        raise UsageError(f"no row matches {pattern!r}; --list shows them")
    return found


def listed(rows: Iterable[AnyRow | ExploredRow]) -> list[dict[str, str]]:
    """Return name, program and control of each row."""
    return [{"name": row.name, "program": str(row.program), "control": row.control.fault} for row in rows]


LISTING_GIVES_WAY = (2, 1)
"""The columns of a listing that give way where it is too wide: never the name."""


def listing(rows: Iterable[AnyRow | ExploredRow]) -> list[tuple[str, ...]]:
    return [("row", "program", "control"), *(tuple(entry.values()) for entry in listed(rows))]
