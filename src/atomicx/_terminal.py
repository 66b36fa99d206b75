"""Terminal output of the commands: progress while they run, aligned columns, and lines that fit the width."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import shutil
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any

Progress = Callable[[float, str], None]
"""Called with the share that is done, and what is running."""

SECONDS_BETWEEN_UPDATES = 0.1
# A column that is cut to less than this says too little.
LEAST_WIDTH = 12


class UsageError(Exception):
    """The command line asks for something that does not exist."""


def seconds(text: str) -> float:
    """Return the number of seconds given to an option. For argparse."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    # NaN is not above 0 either. A time that is too long to wait for would fail later, in the middle.
    if not 0 < number <= threading.TIMEOUT_MAX:
        raise argparse.ArgumentTypeError(f"expected a number of seconds above 0, got {text!r}")
    return number


def has_rich() -> bool:
    """Return whether rich, the extra `cli`, is installed."""
    return importlib.util.find_spec("rich") is not None


def output_width() -> int | None:
    """Return the width of the terminal, or COLUMNS if it is set. None for a pipe, whose lines may be long."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS"):
        return shutil.get_terminal_size().columns
    return None


def columns(
    rows: Sequence[Sequence[str]],
    right: Sequence[int] = (),
    width: int | None = None,
    give_way: Sequence[int] = (),
) -> list[str]:
    """Return lines of aligned columns; those at the indexes `right` are aligned to the right.

    Where the lines would exceed the width, the columns at the indexes `give_way` do so, in this order: a text
    is cut, with an ellipsis; a column that would be too narrow then, or is aligned to the right, is left out.
    """
    widths = {index: max(map(len, column)) for index, column in enumerate(zip(*rows, strict=True))}
    for index in give_way:
        excess = 0 if width is None else sum(widths.values()) + 2 * (len(widths) - 1) - width
        if excess <= 0:
            break
        if index in right or widths[index] - excess < LEAST_WIDTH:
            del widths[index]
        else:
            widths[index] -= excess

    def line(row: Sequence[str]) -> str:
        cells = (
            row[index].rjust(most) if index in right else cut(row[index], most).ljust(most)
            for index, most in widths.items()
        )
        return "  ".join(cells).rstrip()

    return [line(row) for row in rows]


def cut(text: str, width: int) -> str:
    """Return the text, cut to the width, with an ellipsis if something is missing."""
    return text if len(text) <= width else f"{text[: width - 1].rstrip()}…"


def wrapped(text: str, width: int | None, indent: str = "") -> list[str]:
    """Return a paragraph as lines of this width; the lines after the first begin with the indent."""
    if width is None or len(text) <= width:
        return [text]
    return textwrap.wrap(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def draw(lines: Iterable[tuple[str, str]], file: Any = None) -> None:
    """Print lines, each with its style, in colour: with rich."""
    console = importlib.import_module("rich.console").Console(
        highlight=False,
        markup=False,
        emoji=False,
        file=file,
        force_terminal=True if file is not None else None,
    )
    for line, style in lines:
        console.print(line, style=style or None, soft_wrap=True)


@contextmanager
def shown_progress(command: str) -> Generator[Progress, None, None]:
    """Show on stderr what is running: on a terminal as a bar if rich is installed, else as a rewritten line.

    If stderr is not a terminal, print one line for every tenth of the way.
    """
    if not sys.stderr.isatty():
        yield _lines(command)
    elif has_rich():
        with _drawn_bar() as progress:
            yield progress
    else:
        yield _now_and_then(lambda share, what: _rewrite(f"{share:4.0%} {what}"))
        _rewrite("")


def _rewrite(line: str) -> None:
    # A line that wraps could not be rewritten: its beginning would stay.
    width = shutil.get_terminal_size().columns
    print(f"\r\x1b[K{cut(line, width - 1)}", end="", file=sys.stderr, flush=True)


def _lines(command: str) -> Progress:
    last = -1

    def progress(share: float, what: str) -> None:
        nonlocal last
        if int(share * 10) > last:
            last = int(share * 10)
            print(f"{command}: {share:4.0%} {what}", file=sys.stderr, flush=True)

    return progress


def _now_and_then(show: Progress) -> Progress:
    """Return the same, but called so rarely that drawing does not disturb what runs."""
    due = 0.0

    def progress(share: float, what: str) -> None:
        nonlocal due
        now = time.monotonic()
        if now >= due:
            due = now + SECONDS_BETWEEN_UPDATES
            show(share, what)

    return progress


@contextmanager
def _drawn_bar() -> Generator[Progress, None, None]:
    rich = importlib.import_module("rich.progress")
    console = importlib.import_module("rich.console").Console(stderr=True)
    # No thread of its own: it would compete with what runs.
    with rich.Progress(
        rich.BarColumn(),
        rich.TaskProgressColumn(),
        rich.TextColumn("{task.description}"),
        console=console,
        transient=True,
        auto_refresh=False,
    ) as bar:
        task = bar.add_task("", total=1.0)
        yield _now_and_then(
            lambda share, what: bar.update(task, completed=share, description=what, refresh=True)
        )
