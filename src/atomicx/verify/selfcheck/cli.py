"""`python -m atomicx verify`: choose the rows, run them, show progress, report."""

from __future__ import annotations

import json
import random
import sys
import time
from argparse import Namespace
from collections.abc import Iterable
from typing import Any

from ..._terminal import UsageError, columns, draw, has_rich, output_width, shown_progress
from . import report
from .alone import Alone
from .campaign import Campaign
from .catalogue import MORE_BUCKETS, WIDE_BUCKETS
from .child import in_child
from .generated import AloneRow, rows_of, wide_rows
from .rows import KINDS, LISTING_GIVES_WAY, ROWS, AnyRow, chosen_rows, listed, listing
from .shared_rows import no_processes
from .trials import AloneTrial, Trial


def verify_command(options: Namespace) -> int:
    """Run `verify` with these options; return the exit status. Raises UsageError."""
    seed = random.SystemRandom().getrandbits(32) if options.seed is None else options.seed
    if options.subject is not None:
        return _subject_command(options, seed)
    if options.kind is not None or options.wraps:
        raise UsageError("--kind and --wraps need --subject")
    rows = chosen_rows(options.only, (*ROWS, *_generated(seed)))
    if options.list:
        table = columns(listing(rows), (), output_width(), LISTING_GIVES_WAY)
        print(json.dumps(listed(rows), indent=2) if options.json else "\n".join(table))
        return 0
    operations = (
        []
        if options.only
        else [
            (row.kind.name, row.operation.name)
            for row in rows
            if isinstance(row, AloneRow) and row.hidden() is None
        ]
    )
    with shown_progress("verify") as progress:
        campaign = Campaign(
            _trials(rows, seed),
            options.seconds,
            lambda share, trial: progress(share, trial.row.name),
            operations=operations,
        )
        campaign.run()
    shown = report.Report(campaign, seed, None, options.verbose)
    if options.json:
        print(json.dumps(shown.as_json(), indent=2))
    elif sys.stdout.isatty() and has_rich():
        draw(shown.lines(output_width()))
    else:
        print(shown.as_text(output_width()))
    return campaign.exit_status


def _generated(seed: int) -> Iterable[AnyRow]:
    for kind in KINDS:
        hidden = no_processes if kind.name.startswith("shared-") else lambda: None
        yield from rows_of(kind, kind.access, seed, hidden)
        if kind is MORE_BUCKETS:
            yield from wide_rows(WIDE_BUCKETS.access)


def _trials(rows: Iterable[AnyRow], seed: int) -> list[Trial | AloneTrial]:
    checks: dict[str, Alone] = {}
    controls: dict[str, Any] = {}
    trials: list[Trial | AloneTrial] = []
    for row in rows:
        access = row.kind.access
        if isinstance(row, AloneRow):
            check = checks.setdefault(row.kind.name, Alone(access, seed))
            trials.append(AloneTrial(row, check, seed, hidden=row.hidden()))
        else:
            trials.append(Trial(row, access, seed, hidden=row.hidden(), controls=controls))
    return trials


# Subjects


def _subject_command(options: Namespace, seed: int) -> int:
    request = {
        "subject": options.subject,
        "kind": options.kind,
        "wraps": options.wraps,
        "only": options.only,
        "list": options.list,
        "seed": seed,
        "seconds": options.seconds,
        "verbose": options.verbose,
        "drawn": sys.stdout.isatty() and has_rich() and not options.json,
        "width": output_width(),
    }
    begun = time.monotonic()
    with shown_progress("verify") as progress:
        ended = in_child(
            request, lambda text: progress(min(1.0, (time.monotonic() - begun) / options.seconds), text[:60])
        )
    told = ended.report
    if told is None:
        told = report.of_the_dead(request, ended)
    if "usage" in told:
        raise UsageError(told["usage"])
    print(json.dumps(told["json"], indent=2) if options.json else told["text"])
    return int(told["exit_status"])
