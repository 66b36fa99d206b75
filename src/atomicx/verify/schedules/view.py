"""Draws a schedule: the source lines in the order in which they ran, one column per thread."""

from __future__ import annotations

import dis
import linecache
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import CodeType

from .stepping import ScheduleStep

WIDEST = 110
NARROWEST_COLUMN = 28


@dataclass
class _Row:
    """What a thread did within one line, without interruption."""

    thread: int
    code: CodeType
    line: int | None
    call: str = ""
    offsets: list[int] = field(default_factory=list)

    def is_same_line(self, other: _Row) -> bool:
        return (self.thread, self.code, self.line, self.call) == (
            other.thread,
            other.code,
            other.line,
            other.call,
        )


def columns(steps: Iterable[ScheduleStep], headings: Sequence[str]) -> str:
    """Draw the schedule in columns. An interrupted line shows which of its bytecodes ran where."""
    rows = _rows(steps)
    width = max(NARROWEST_COLUMN, (WIDEST - 2 * (len(headings) - 1)) // len(headings))
    files = {os.path.basename(row.code.co_filename) for row in rows if not row.call}
    lines = ["  ".join(heading.ljust(width) for heading in headings).rstrip()]
    split = _split(rows)
    for number, row in enumerate(rows):
        indent = " " * ((width + 2) * row.thread)
        if row.call:
            lines.append(f"{indent}{row.call}")
            continue
        place = f"{row.line}" if len(files) == 1 else f"{os.path.basename(row.code.co_filename)}:{row.line}"
        source = linecache.getline(row.code.co_filename, row.line or 0).strip() or f"in {row.code.co_name}"
        # A long line may extend over the columns to its right: its row holds nothing else.
        lines.append(f"{indent}{place:>4}  {source}")
        if number in split:
            lines += [f"{indent}        {name}" for name in _names(row)]
    return "\n".join(lines)


def _rows(steps: Iterable[ScheduleStep]) -> list[_Row]:
    rows: list[_Row] = []
    for step in steps:
        row = _Row(step.thread, step.code, _line(step.code, step.offset), step.call)
        if not rows or not rows[-1].is_same_line(row):
            rows.append(row)
        rows[-1].offsets.append(step.offset)
    return rows


def _split(rows: list[_Row]) -> set[int]:
    """Return the rows of lines that another thread interrupted."""
    split: set[int] = set()
    previous: dict[int, int] = {}
    for number, row in enumerate(rows):
        before = previous.get(row.thread)
        if before is not None and before != number - 1 and rows[before].is_same_line(row):
            split.update((before, number))
        previous[row.thread] = number
    return split


def _line(code: CodeType, offset: int) -> int | None:
    for start, end, line in code.co_lines():
        if start <= offset < end:
            return line
    return None


def _names(row: _Row) -> list[str]:
    wanted = set(row.offsets)
    return [
        f"{instruction.opname} {instruction.argrepr}".rstrip()
        for instruction in dis.get_instructions(row.code)
        if instruction.offset in wanted
    ]
