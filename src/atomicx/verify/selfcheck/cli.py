"""`python -m atomicx verify`: choose the rows, run them, show progress, report."""

from __future__ import annotations

import fnmatch
import json
import random
import sys
from argparse import Namespace

from ..._terminal import UsageError, columns, has_rich, shown_progress
from . import report
from .campaign import Campaign, Trial
from .catalogue import ROWS as ROWS_OF_THREADS
from .catalogue import Row
from .shared_rows import ROWS as ROWS_OF_PROCESSES
from .subject import Subject, find

ROWS = (*ROWS_OF_THREADS, *ROWS_OF_PROCESSES)


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
    trials = [_trial(row, subject, seed) for row in rows]
    with shown_progress("verify") as progress:
        campaign = Campaign(trials, options.seconds, lambda share, trial: progress(share, trial.row.name))
        campaign.run()
    if options.json:
        print(json.dumps(report.as_json(campaign, seed, options.subject), indent=2))
    elif sys.stdout.isatty() and has_rich():
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
