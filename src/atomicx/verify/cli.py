"""`python -m atomicx verify`: choose the rows, run them, show progress, report."""

from __future__ import annotations

import fnmatch
import importlib
import json
import random
import sys
from argparse import Namespace
from collections.abc import Generator
from contextlib import contextmanager

from . import report
from .campaign import Campaign, Progress, Trial
from .catalogue import ROWS, Row
from .outcomes import columns
from .subject import Subject, find


class UsageError(Exception):
    """The command line asks for something that is not there."""


def verify_command(options: Namespace) -> int:
    """Run `verify` as told; returns the exit status. Raises UsageError."""
    subject = None
    if options.subject is not None:
        try:
            subject = find(options.subject)
        except ValueError as error:
            raise UsageError(str(error)) from error
    rows = chosen_rows(options.only, subject)
    if options.list:
        print(json.dumps(listed(rows), indent=2) if options.json else "\n".join(columns(_listing(rows))))
        return 0
    seed = random.SystemRandom().getrandbits(32) if options.seed is None else options.seed
    with shown_progress() as progress:
        campaign = Campaign([_trial(row, subject, seed) for row in rows], options.seconds, progress)
        campaign.run()
    if options.json:
        print(json.dumps(report.as_json(campaign, seed, options.subject), indent=2))
    elif sys.stdout.isatty() and report.has_rich():
        report.draw(campaign, seed, options.subject, options.verbose)
    else:
        print(report.as_text(campaign, seed, options.subject, options.verbose))
    return campaign.exit_status


def chosen_rows(pattern: str | None, subject: Subject | None) -> list[Row]:
    """The rows that match the pattern, and are for the subject's kind of cell."""
    rows = [row for row in ROWS if subject is None or row.kind is subject.kind]
    if pattern is not None:
        rows = [row for row in rows if fnmatch.fnmatchcase(row.name, pattern) or pattern in row.name]
        if not rows:
            raise UsageError(f"no row matches {pattern!r}; --list shows them")
    return rows


def _trial(row: Row, subject: Subject | None, seed: int) -> Trial:
    if subject is not None:
        return subject.trial(row, seed)
    return Trial(row, row.kind.make, seed=seed, hidden=row.hidden())


def listed(rows: list[Row]) -> list[dict[str, str]]:
    """Name, program and control of each row."""
    return [{"name": row.name, "program": str(row.program), "control": row.control.fault} for row in rows]


def _listing(rows: list[Row]) -> list[tuple[str, ...]]:
    return [("row", "program", "control"), *(tuple(entry.values()) for entry in listed(rows))]


@contextmanager
def shown_progress() -> Generator[Progress, None, None]:
    """Shows on stderr what is running: a bar on a terminal, where rich is there, or a line that is rewritten.

    Where stderr is no terminal, a line for every tenth of the time.
    """
    if sys.stderr.isatty() and report.has_rich():
        with _drawn_bar() as progress:
            yield progress
    elif sys.stderr.isatty():
        yield lambda share, trial: _rewrite(f"{share:4.0%} {trial.row.name}")
        _rewrite("")
    else:
        yield _lines()


def _rewrite(line: str) -> None:
    print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)


def _lines() -> Progress:
    last = -1

    def progress(share: float, trial: Trial) -> None:
        nonlocal last
        if int(share * 10) > last:
            last = int(share * 10)
            print(f"verify: {share:4.0%} {trial.row.name}", file=sys.stderr, flush=True)

    return progress


@contextmanager
def _drawn_bar() -> Generator[Progress, None, None]:
    rich = importlib.import_module("rich.progress")
    console = importlib.import_module("rich.console").Console(stderr=True)
    # No thread of its own: it would take turns with the actors.
    with rich.Progress(
        rich.BarColumn(),
        rich.TaskProgressColumn(),
        rich.TextColumn("{task.description}"),
        console=console,
        transient=True,
        auto_refresh=False,
    ) as bar:
        task = bar.add_task("", total=1.0)

        def progress(share: float, trial: Trial) -> None:
            bar.update(task, completed=share, description=trial.row.name, refresh=True)

        yield progress
