"""The part of the child process of a subject: find the subject, run its rows, and leave a report."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..._terminal import UsageError, columns, draw
from ..schedules import locks
from . import report
from .access import Access
from .alone import Alone, Difference
from .campaign import Campaign
from .catalogue import WIDE_BUCKETS, Row
from .explored import ExploredTrial, explore_all, explored_trials
from .generated import AloneRow, PairsRow, ThreeRow, rows_of, wide_rows
from .journal import FOUND, Journal
from .rows import LISTING_GIVES_WAY, ROWS, chosen_rows, listed, listing
from .subject import Subject, find
from .trials import AloneTrial, Trial

# A batch of samples that takes longer than this hangs.
PATIENCE_SECONDS = 20.0
# The explorer may take this share of a subject's time.
EXPLORED_SHARE = 0.6

Note = Callable[[str, float], None]


def report_of_subject(
    request: dict[str, Any], note: Note, tell: Callable[[Difference], None]
) -> dict[str, Any]:
    """Do the child's work: find the subject, run its rows, report. What convicts is told at once, too."""
    note(f"importing and making {request['subject']}", 60.0)
    try:
        subject = find(request["subject"], request["kind"], request["wraps"])
        trials = _subject_trials(subject, request, note, tell)
    except (ValueError, UsageError) as error:
        return {"usage": str(error)}
    if request["list"]:
        rows = [trial.row for trial in trials]
        return {
            "json": listed(rows),
            "text": "\n".join(columns(listing(rows), (), request["width"], LISTING_GIVES_WAY)),
            "exit_status": 0,
        }
    campaign = _subject_campaign(subject, trials, request, note)
    shown = report.Report(campaign, request["seed"], subject, request["verbose"])
    text = io.StringIO()
    if request["drawn"]:
        draw(shown.lines(request["width"]), text)
    else:
        text.write(shown.as_text(request["width"]))
    return {
        "json": shown.as_json(),
        "text": text.getvalue().rstrip("\n"),
        "exit_status": campaign.exit_status,
    }


def _subject_campaign(
    subject: Subject, trials: Sequence[Any], request: dict[str, Any], note: Note
) -> Campaign:
    seconds, call_seconds = request["seconds"], request["call_seconds"]

    def progress(share: float, trial: Any) -> None:
        # A turn of a row takes no longer than all the available time, and the batch in which that ends.
        note(trial.row.name, PATIENCE_SECONDS + call_seconds + seconds)

    operations = (
        [] if request["only"] else [(subject.kind.name, row.name) for row in subject.access.operations]
    )
    explored = [trial for trial in trials if isinstance(trial, ExploredTrial)]

    def explore(stop: Callable[[], bool]) -> None:
        explore_all(explored, seconds * EXPLORED_SHARE, lambda text: note(text, 6 * call_seconds), stop)

    campaign = Campaign(
        trials, seconds, progress, stop_when_caught=True, operations=operations, explore=explore
    )
    campaign.run()
    return campaign


def _subject_trials(
    subject: Subject, request: dict[str, Any], note: Note, tell: Callable[[Difference], None]
) -> list[Any]:
    kind, access, seed = subject.kind, subject.access, request["seed"]
    explored = {trial.row.name: trial for trial in explored_trials(kind, access, seed)}
    if subject.wide is not None:
        explored.update(
            (trial.row.name, trial) for trial in explored_trials(WIDE_BUCKETS, subject.wide, seed)
        )
    rows: list[Any] = [
        *rows_of(kind, access, seed, lambda: None),
        *(wide_rows(subject.wide) if subject.wide is not None else ()),
        *(trial.row for trial in explored.values()),
    ]
    chosen = chosen_rows(request["only"], [*rows, *(row for row in ROWS if row.kind.name == kind.name)])
    checks = {
        name: Alone(each, seed, lambda text: note(text, request["call_seconds"]), tell)
        for name, each in ((kind.name, access), (WIDE_BUCKETS.name, subject.wide))
        if each is not None
    }
    controls: dict[str, Any] = {}
    trials: list[Any] = []
    for row in chosen:
        if row.name in explored:
            trials.append(explored[row.name])
        elif isinstance(row, AloneRow):
            trials.append(AloneTrial(row, checks[row.kind.name], seed))
        else:
            trials.append(_sampled(row, subject, seed, controls))
    return trials


def _sampled(row: Row | PairsRow | ThreeRow, subject: Subject, seed: int, controls: dict[str, Any]) -> Trial:
    by_hand = isinstance(row, Row) and subject.narrow is not None
    access: Access = subject.narrow if by_hand and subject.narrow is not None else subject.access
    names = {each.name for each in access.operations}
    if isinstance(row, Row):
        names -= access.adapted
    lacking = sorted(row.needs - names)
    return Trial(
        row,
        access,
        seed,
        hidden=row.hidden(),
        missing=f"{subject.name} has no {', '.join(lacking)}" if lacking else None,
        patience_seconds=PATIENCE_SECONDS,
        controls=controls,
    )


def run(folder: str) -> None:
    """Do the child's work for the request that lies in the folder."""
    # Before the subject is imported: then the locks of its module and of its classes can be explored, too.
    locks.install()
    place = Path(folder)
    journal = Journal(place / "journal")
    request = json.loads((place / "request").read_text())

    def tell(difference: Difference) -> None:
        with (place / FOUND).open("a") as found:
            print(difference, file=found)

    report = report_of_subject(request, journal.write, tell)
    # At once, or not at all: half a report is useless.
    (place / "written").write_text(json.dumps(report))
    os.replace(place / "written", place / "report")
    # Threads of the subject, and what it does when the interpreter ends, do not matter here.
    sys.stderr.flush()
    os._exit(0)
