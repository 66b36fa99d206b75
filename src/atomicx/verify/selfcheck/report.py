"""A campaign as text, as a table drawn by rich where that is installed, and as JSON."""

from __future__ import annotations

import importlib
from typing import Any

from ..._info import facts
from ..._terminal import columns
from ..sampling.engine import Result
from ..sampling.outcomes import outcome_rows
from .campaign import Campaign, Trial, Verdict

HEADINGS = ("row", "verdict", "samples", "95 % bound", "outcomes", "control")
NUMBERS = (2, 3)
COLORS = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NOT_OBSERVABLE: "dim",
    Verdict.NOT_RUN: "dim",
}
NOT_CLAIMED = (
    "Not claimed: a proof. These are samples of one interpreter on one machine. The bound is for faults\n"
    "that strike all samples alike; rarer faults, other programs and other processors may tell more."
)


def table_row(trial: Trial) -> tuple[str, ...]:
    """A trial as a line of the table."""
    return (
        trial.row.name,
        trial.verdict.value,
        f"{trial.samples:,}" if trial.samples else "-",
        f"< {trial.bound:.1e}" if trial.bound else "-",
        _seen(trial),
        _control(trial),
    )


def _seen(trial: Trial) -> str:
    """How many of the outcomes that may come did come."""
    if trial.subject is None:
        return "-"
    outcomes = trial.subject.test.outcomes
    allowed = len(outcomes) if not callable(outcomes) else 0
    seen = len(trial.subject.counts) - len(trial.subject.forbidden)
    return f"{seen} of {allowed}"


def _control(trial: Trial) -> str:
    control = trial.control
    if control is None:
        return "-"
    if not control.caught:
        return f"silent in {control.samples:,}: {trial.row.control.fault}"
    return f"caught 1 in {control.samples / control.caught:,.0f}: {trial.row.control.fault}"


def details(trial: Trial, replay: str, verbose: bool) -> list[str]:
    """What the table has no room for: why a row is no pass, and, if verbose, what came of every row."""
    failed = trial.verdict is Verdict.FAIL
    lines: list[str] = []
    if trial.reason or verbose:
        lines.append(f"{trial.row.name}: {trial.verdict.value}{': ' if trial.reason else ''}{trial.reason}")
    if failed:
        lines.append(f"  again (the noise repeats, the machine's scheduling does not): {replay}")
    if trial.subject is not None and (failed or verbose):
        lines.append(f"  {trial.row.program}")
        lines += _outcomes("subject", trial.subject)
        if verbose and trial.control is not None:
            lines += _outcomes("control", trial.control)
    return lines


def _outcomes(what: str, result: Result) -> list[str]:
    rows = [(what, "samples", "expectation", ""), *outcome_rows(result)]
    return [f"    {line}" for line in columns(rows, right=(1,))]


def replayed(campaign: Campaign, trial: Trial, subject: str | None) -> str:
    """The command that runs one row with the same noise."""
    words = ["python -m atomicx verify", f"--only {trial.row.name}", f"--seed {trial.seed}"]
    words += [f"--seconds {campaign.seconds:g}"]
    return " ".join([*words, f"--subject {subject}"] if subject else words)


def verdict_line(campaign: Campaign) -> str:
    """The verdict of the whole, and how many rows came to which."""
    tally = ", ".join(
        f"{count} {verdict.value}"
        for verdict in Verdict
        if (count := sum(trial.verdict is verdict for trial in campaign.trials))
    )
    stopped = "stopped by Ctrl-C; " if campaign.interrupted else ""
    return f"{campaign.verdict.value}: {stopped}{tally}"


def heading(seed: int, subject: str | None) -> list[str]:
    """What is tried, where, and with which seed."""
    known = facts()
    what = f"subject {subject}" if subject else f"backend {known['backend']}"
    return [
        f"atomicx {known['version']}, {what}: {known['interpreter']}, {known['gil']}, {known['cores']} cores,"
        f" {known['platform']}, seed {seed}"
    ]


def as_text(campaign: Campaign, seed: int, subject: str | None, verbose: bool) -> str:
    """The whole report as plain text."""
    lines = [*heading(seed, subject), ""]
    lines += columns([HEADINGS, *map(table_row, campaign.trials)], right=NUMBERS)
    explained = _all_details(campaign, subject, verbose)
    return "\n".join([*lines, "", *explained, verdict_line(campaign), NOT_CLAIMED])


def _all_details(campaign: Campaign, subject: str | None, verbose: bool) -> list[str]:
    lines = [
        line
        for trial in campaign.trials
        for line in details(trial, replayed(campaign, trial, subject), verbose)
    ]
    return [*lines, ""] if lines else []


def draw(campaign: Campaign, seed: int, subject: str | None, verbose: bool) -> None:
    """The same on a terminal, drawn by rich."""
    console = importlib.import_module("rich.console").Console(highlight=False)
    table = importlib.import_module("rich.table").Table(box=importlib.import_module("rich.box").SIMPLE_HEAD)
    for index, name in enumerate(HEADINGS):
        table.add_column(name, justify="right" if index in NUMBERS else "left", no_wrap=index < 4)
    for trial in campaign.trials:
        table.add_row(*table_row(trial), style=COLORS[trial.verdict])
    console.print("\n".join(heading(seed, subject)), markup=False)
    console.print(table)
    for line in _all_details(campaign, subject, verbose):
        console.print(line, markup=False)
    console.print(verdict_line(campaign), style=COLORS[campaign.verdict], markup=False)
    console.print(NOT_CLAIMED, style="dim", markup=False)


def as_json(campaign: Campaign, seed: int, subject: str | None) -> dict[str, Any]:
    """The whole report as what JSON can hold."""
    return {
        **facts(),
        "subject": subject,
        "seed": seed,
        "seconds": campaign.seconds,
        "interrupted": campaign.interrupted,
        "verdict": campaign.verdict.value,
        "exit_status": campaign.exit_status,
        "rows": [_json_row(campaign, trial, subject) for trial in campaign.trials],
        "not_claimed": NOT_CLAIMED,
    }


def _json_row(campaign: Campaign, trial: Trial, subject: str | None) -> dict[str, Any]:
    return {
        "name": trial.row.name,
        "program": str(trial.row.program),
        "fault": trial.row.control.fault,
        "verdict": trial.verdict.value,
        "reason": trial.reason,
        "bound": trial.bound,
        "confidence": None if trial.bound is None else "95 %",
        "replay": replayed(campaign, trial, subject),
        "result": _json_result(trial.subject),
        "control": _json_result(trial.control),
    }


def _json_result(result: Result | None) -> dict[str, Any] | None:
    if result is None:
        return None
    return {
        "samples": result.samples,
        "forbidden": result.caught,
        "seconds": round(result.seconds, 3),
        "failure": None if result.failure is None else str(result.failure),
        "outcomes": [
            {
                "outcome": result.test.show(outcome),
                "samples": count,
                "grade": expected.grade.value,
                "note": expected.note,
            }
            for outcome, count, expected in result.graded
        ],
    }
