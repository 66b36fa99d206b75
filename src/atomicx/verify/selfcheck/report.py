"""A campaign as text, as a table drawn by rich if that is installed, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..._info import facts
from ..._terminal import columns, wrapped
from ..sampling.engine import Result
from ..sampling.outcomes import outcome_rows
from .campaign import Campaign, Verdict
from .child import Ended
from .explored import ExploredTrial
from .subject import Subject
from .trials import AloneTrial, AnyTrial

HEADINGS = ("row", "verdict", "samples", "95 % bound", "outcomes", "control caught")
NUMBERS = (2, 3)
# First the outcomes give way, then the control, the bound and the samples; the row and its verdict never do.
GIVE_WAY = (4, 5, 3, 2)
COLORS = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.INCOMPLETE: "yellow",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.NOT_APPLICABLE: "dim",
    Verdict.NOT_OBSERVABLE: "dim",
    Verdict.NOT_RUN: "dim",
}
NOT_CLAIMED = (
    "Not claimed: a proof. These are samples of one interpreter on one machine. The bound is for faults "
    "that strike all samples alike; rarer faults, other programs and other processors may show more."
)


Shown = AnyTrial | ExploredTrial


def table_rows(trials: Sequence[Shown], verbose: bool) -> list[tuple[tuple[str, ...], Verdict]]:
    """Return the lines of the table and their verdicts: one for each trial.

    Those that were made from the specification and passed are grouped together, unless verbose.
    """
    lines: list[tuple[tuple[str, ...], Verdict]] = []
    together: dict[tuple[str, str, Verdict], list[Shown]] = {}
    for trial in trials:
        name = trial.row.name.split("/")
        if len(name) != 3 or verbose or trial.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
            lines.append((table_row(trial), trial.verdict))
        else:
            together.setdefault((name[0], name[2], trial.verdict), []).append(trial)
    for (kind, sort, verdict), group in together.items():
        lines.append((_together(f"{kind}/*/{sort}", verdict, group), verdict))
    return lines


def table_row(trial: Shown) -> tuple[str, ...]:
    """Return a trial as a line of the table."""
    return (
        trial.row.name,
        trial.verdict.value,
        f"{trial.samples:,}" if trial.samples else "-",
        f"< {trial.bound:.1e}" if trial.bound else "-",
        _seen(trial),
        _control(trial),
    )


def _together(name: str, verdict: Verdict, group: list[Shown]) -> tuple[str, ...]:
    samples = sum(trial.samples for trial in group)
    bounds = [trial.bound for trial in group if trial.bound]
    caught = sum(1 for trial in group if isinstance(trial, AloneTrial) or not _lacks_control(trial))
    faults = list(dict.fromkeys(trial.row.control.fault for trial in group))
    return (
        name,
        verdict.value,
        f"{samples:,}" if samples else "-",
        f"< {max(bounds):.1e}" if bounds else "-",
        f"{len(group)} operation{'' if len(group) == 1 else 's'}",
        f"{caught} of {len(group)}: {faults[0]}" if caught else faults[0],
    )


def _lacks_control(trial: Shown) -> bool:
    return trial.control is None or not trial.control.caught


def _seen(trial: Shown) -> str:
    """Return how many of the possible outcomes did come."""
    if isinstance(trial, ExploredTrial):
        return f"{trial.explored} pairs"
    if trial.subject is None:
        return "-"
    outcomes = trial.subject.test.outcomes
    allowed = len(outcomes) if not callable(outcomes) else 0
    seen = len(trial.subject.counts) - len(trial.subject.forbidden)
    return f"{seen} of {allowed}"


def _control(trial: Shown) -> str:
    fault = trial.row.control.fault
    if isinstance(trial, ExploredTrial):
        return fault
    if isinstance(trial, AloneTrial):
        return f"yes: {fault}" if trial.caught else "-"
    control = trial.control
    if control is None:
        return "-"
    if not control.caught:
        return f"0 of {control.samples:,}: {fault}"
    return f"1 in {control.samples / control.caught:,.0f}: {fault}"


def details(trial: Shown, replay: str, verbose: bool, width: int | None = None) -> list[str]:
    """Return what the table has no room for: why a row did not pass; if verbose, every row's outcomes.

    A command that is to be copied stays on one line.
    """
    failed = trial.verdict is Verdict.FAIL
    lines: list[str] = []
    if verbose or (trial.reason and (failed or not _is_generated(trial))):
        reason = f"{trial.row.name}: {trial.verdict.value}{': ' if trial.reason else ''}{trial.reason}"
        lines += [line for part in reason.split("\n") for line in wrapped(part, width, "  ")]
    if isinstance(trial, AloneTrial) and trial.note is not None:
        lines += wrapped(f"{trial.row.name}: noted, not a failure: {trial.note}", width, "  ")
    if failed:
        again = "again (the noise repeats, the machine's scheduling does not)" if trial.subject else "again"
        lines.append(f"  {again}: {replay}")
    if trial.subject is not None and (failed or verbose):
        lines.append(f"  {trial.row.program}")
        lines += _outcomes("subject", trial.subject, width)
        if verbose and trial.control is not None:
            lines += _outcomes("control", trial.control, width)
    return lines


def _is_generated(trial: Shown) -> bool:
    return trial.row.name.count("/") == 2


# A row made from the specification may have a different one for each pair.
MOST_FORBIDDEN = 4


def _outcomes(what: str, result: Result, width: int | None) -> list[str]:
    rows = outcome_rows(result)
    forbidden = [row for row in rows if row[2] == "FORBIDDEN"]
    # The shortest are the easiest to understand.
    left_out = sorted(forbidden, key=lambda row: len(row[0]))[MOST_FORBIDDEN:]
    shown = [row for row in rows if row not in left_out]
    room = None if width is None else width - 4
    table = columns([(what, "samples", "expectation", ""), *shown], (1,), room, (3,))
    lines = [f"    {line}" for line in table]
    return [*lines, f"    and {len(left_out)} more that are forbidden"] if left_out else lines


WHAT_TO_DO = {
    Verdict.INCONCLUSIVE: ("What to do: run it again on a less busy machine, or with more --seconds."),
    Verdict.INCOMPLETE: (
        "What to do: run it again with more --seconds. No row could run these operations, so nothing is known"
        " of them."
    ),
}


class Report:
    """The report on a campaign."""

    def __init__(self, campaign: Campaign, seed: int, subject: Subject | None, verbose: bool) -> None:
        self.campaign = campaign
        self.seed = seed
        self.subject = subject
        self.verbose = verbose

    def again(self, trial: Shown) -> str:
        """Return the command that runs one row with the same noise."""
        words = ["python -m atomicx verify", f"--only {trial.row.name}", f"--seed {trial.seed}"]
        words.append(f"--seconds {self.campaign.seconds:g}")
        if self.subject is not None:
            words.append(f"--subject {self.subject.name} --kind {self.subject.kind.name}")
            words += ["--wraps"] if self.subject.access.wraps else []
        return " ".join(words)

    def verdict_line(self) -> str:
        """Return the overall verdict, and how many rows got which verdict."""
        campaign = self.campaign
        tally = ", ".join(
            f"{count} {verdict.value}"
            for verdict in Verdict
            if (count := sum(trial.verdict is verdict for trial in campaign.trials))
        )
        stopped = "stopped by Ctrl-C; " if campaign.interrupted else ""
        return f"{campaign.verdict.value}: {stopped}{tally}"

    def lines(self, width: int | None = None) -> list[tuple[str, str]]:
        """Return the lines of the report, each with its style, as wide as `width` where they can be."""

        def paragraphs(texts: Iterable[str], style: str = "") -> list[tuple[str, str]]:
            return [(line, style) for text in texts for line in wrapped(text, width)]

        rows = table_rows(self.campaign.trials, self.verbose)
        heading, *table = columns([HEADINGS, *(cells for cells, _ in rows)], NUMBERS, width, GIVE_WAY)
        return [
            *paragraphs(self._heading()),
            ("", ""),
            (heading, ""),
            *((line, COLORS[verdict]) for line, (_, verdict) in zip(table, rows, strict=True)),
            ("", ""),
            *((line, "") for line in self._details(width)),
            *paragraphs([self.verdict_line()], COLORS[self.campaign.verdict]),
            *paragraphs(self._advice()),
            *paragraphs([NOT_CLAIMED], "dim"),
        ]

    def as_text(self, width: int | None = None) -> str:
        """Return the whole report as plain text."""
        return "\n".join(line for line, _ in self.lines(width))

    def as_json(self) -> dict[str, Any]:
        """Return the whole report in the types that JSON has."""
        campaign, subject = self.campaign, self.subject
        return {
            **facts(),
            "subject": None if subject is None else subject.name,
            "kind": None if subject is None else subject.kind.name,
            "lacks": [] if subject is None else subject.missing,
            "seed": self.seed,
            "seconds": campaign.seconds,
            "interrupted": campaign.interrupted,
            "verdict": campaign.verdict.value,
            "left_out": campaign.left_out,
            "exit_status": campaign.exit_status,
            "rows": [_json_row(trial, self.again(trial)) for trial in campaign.trials],
            "not_claimed": NOT_CLAIMED,
        }

    def _heading(self) -> list[str]:
        """Return what is tried, where, and with which seed."""
        subject = self.subject
        lines = _heading(self.seed, None if subject is None else subject.name)
        if subject is not None:
            lines.append(f"tested as kind {subject.kind.name}: {subject.because}; --kind chooses another")
            if subject.missing:
                lines.append(f"missing, so not tested: {', '.join(subject.missing)}")
            if subject.others:
                lines.append(f"not in the specification, so not tested: {', '.join(subject.others)}")
        return lines

    def _details(self, width: int | None) -> list[str]:
        lines = [
            line
            for trial in self.campaign.trials
            for line in details(trial, self.again(trial), self.verbose, width)
        ]
        return [*lines, ""] if lines else []

    def _looks_wrapped(self) -> bool:
        if self.subject is None or self.subject.kind.name != "int" or self.subject.access.wraps:
            return False
        found = [trial.difference for trial in self.campaign.trials if isinstance(trial, AloneTrial)]
        return any(each is not None and "raises OverflowError" in each.expected for each in found)

    def _advice(self) -> list[str]:
        verdict = self.campaign.verdict
        lines = [WHAT_TO_DO[verdict]] if verdict in WHAT_TO_DO and not self.campaign.interrupted else []
        if self._looks_wrapped():
            lines.append(
                "What to do: if these integers wrap around at 64 bits by design, say so with --wraps."
            )
        if verdict is Verdict.INCOMPLETE:
            lines.append(f"left out: {', '.join(self.campaign.left_out)}")
        return lines


def _heading(seed: int, subject: str | None) -> list[str]:
    known = facts()
    what = f"subject {subject}" if subject else f"backend {known['backend']}"
    return [
        f"atomicx {known['version']}, {what}: {known['interpreter']}, {known['gil']}, {known['cores']} cores,"
        f" {known['platform']}, seed {seed}"
    ]


def of_the_dead(request: Mapping[str, Any], ended: Ended) -> dict[str, Any]:
    """Return the report of a subject that ended its process before it could report."""
    subject, seed = request["subject"], request["seed"]
    words = [f"python -m atomicx verify --subject {subject} --seed {seed} --seconds {request['seconds']:g}"]
    words += [f"--kind {request['kind']}"] if request["kind"] else []
    words += [f"--only {request['only']}"] if request["only"] else []
    words += ["--wraps"] if request["wraps"] else []
    again = " ".join(words)
    verdict, trouble = Verdict.FAIL.value, ended.trouble
    lines = [*_heading(seed, subject), "", *ended.found, f"the subject {trouble}", f"  again: {again}", ""]
    lines.append(f"{verdict}: {trouble}")
    told = {
        **facts(),
        "subject": subject,
        "kind": request["kind"],
        "lacks": [],
        "seed": seed,
        "seconds": request["seconds"],
        "interrupted": False,
        "verdict": verdict,
        "left_out": [],
        "exit_status": 1,
        "rows": [],
        "trouble": trouble,
        "found": ended.found,
        "replay": again,
        "not_claimed": NOT_CLAIMED,
    }
    lines += wrapped(NOT_CLAIMED, request["width"])
    return {"json": told, "text": "\n".join(lines), "exit_status": 1}


def _json_row(trial: Shown, again: str) -> dict[str, Any]:
    return {
        "name": trial.row.name,
        "program": str(trial.row.program),
        "fault": trial.row.control.fault,
        "verdict": trial.verdict.value,
        "reason": trial.reason,
        "samples": trial.samples,
        "bound": trial.bound,
        "confidence": None if trial.bound is None else "95 %",
        "replay": again,
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
