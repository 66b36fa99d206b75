"""Terminal output of the commands: progress while they run, and aligned columns."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

Progress = Callable[[float, str], None]
"""Called with the share that is done, and what is running."""

SECONDS_BETWEEN_UPDATES = 0.1


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


def columns(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Return lines of aligned columns; those at the indexes `right` are aligned to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        cells = (
            cell.rjust(width) if index in right else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join(cells).rstrip()

    return [line(row) for row in rows]


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
    print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


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
