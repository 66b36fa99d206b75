"""`python -m atomicx bench`: measure, show progress, report."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path

from .._terminal import UsageError, draw, has_rich, output_width, shown_progress
from . import chart, report
from .harness import Measurement, measure
from .operations import SUBJECT
from .share import share

ROUNDS = 15
INTERRUPTED = 130


def bench_command(options: Namespace) -> int:
    """Run `bench` with these options. Returns the exit status. Raises UsageError."""
    plot = None if options.plot is None else _plot_path(options.plot)
    cases, absent = share()
    with shown_progress("bench") as progress:
        # Calibration takes one share of the time, about as long as a round.
        sample_seconds = options.seconds / ((ROUNDS + 1) * len(cases))
        measured = measure(cases, rounds=ROUNDS, sample_seconds=sample_seconds, progress=progress)
    if options.json:
        print(json.dumps(report.as_json(measured, absent, options.seconds), indent=2))
    elif sys.stdout.isatty() and has_rich():
        draw(report.lines(measured, absent, options.seconds, output_width()))
    else:
        print(report.as_text(measured, absent, options.seconds, output_width()))
    if plot is not None and measured.timings:
        plot.write_text(drawn(measured), encoding="utf-8")
        print(f"bench: plot written to {plot}", file=sys.stderr)
    return INTERRUPTED if measured.interrupted else 0


def _plot_path(text: str) -> Path:
    """Return the plot's path. Checked before anything is measured rather than afterwards."""
    path = Path(text)
    if path.suffix != ".svg":
        raise UsageError(f"the name of the plot must end in .svg: {text!r}")
    if path.is_dir():
        raise UsageError(f"{text!r} is a directory")
    if not path.parent.is_dir():
        raise UsageError(f"no such directory: {str(path.parent)!r}")
    return path


def drawn(measured: Measurement) -> str:
    """Return the chart of what was measured with one thread."""
    colors = {SUBJECT: chart.OURS, "floor": chart.FLOOR}
    timings = measured.timings
    bars = [
        chart.Bar(case.label, timings[case.name].median_ns, colors.get(case.subject, chart.OTHERS))
        for case in measured.cases
        if case.threads == 1 and case.name in timings
    ]
    return chart.draw(report.title(), "nanoseconds per operation, one thread", bars)
