"""`python -m atomicx idioms`: which ordinary Python operations are atomic here?

Each idiom is a program of two threads. The explorer runs it in every schedule of its bytecodes, and again with
switches only where this interpreter looks for one; then real threads run it for a while. A verdict is one of:

    broken                     an order of threads breaks it that can come here, or came
    atomic here by accident    nothing breaks it here, but nothing promises that it stays so
    atomic by contract         the documentation promises it, and nothing was found against that

Without the GIL each schedule of bytecodes can come, and what is one call into C may be more than one step, which
only the samples can tell.
"""

from __future__ import annotations

import argparse
import dis
import io
import json
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from . import idioms_of_containers, idioms_of_numbers
from .engine import run
from .idiom import IDIOMS, Idiom
from .litmus import ACCEPTABLE, FORBIDDEN, Litmus, plain_actor
from .schedule import Exploration, checked, explore

# They fill the table when they are imported.
_TABLES = (idioms_of_numbers, idioms_of_containers)

BROKEN = "broken"
BY_ACCIDENT = "atomic here by accident"
BY_CONTRACT = "atomic by contract"

SECONDS = 12.0
LEAST_SAMPLING_SECONDS = 0.1
ENOUGH_BROKEN_SAMPLES = 20
PREEMPTIONS = 2


def gil_enabled() -> bool:
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


@dataclass(frozen=True)
class Finding:
    """What was found about an idiom on this interpreter."""

    idiom: Idiom
    schedules: Exploration
    """With switches before any bytecode that others could notice."""
    here: Exploration
    """With switches only where this interpreter would make one."""
    samples: int
    broken_samples: int
    trouble: str | None

    @property
    def verdict(self) -> str:
        if self.broken_samples or self.trouble is not None or not self.here.ok:
            return BROKEN
        if self.schedules.ok and self.idiom.contract:
            return BY_CONTRACT
        return BY_ACCIDENT

    @property
    def why(self) -> str:
        """The evidence for the verdict in a few words."""
        if self.broken_samples:
            return f"seen: {self.broken_samples:,} of {self.samples:,} samples"
        if self.trouble is not None:
            return f"seen: {self.trouble}"
        if not self.here.ok:
            return f"a schedule breaks it; not seen in {self.samples:,} samples"
        if self.verdict == BY_CONTRACT:
            return self.idiom.contract
        if not self.schedules.ok:
            return "between these bytecodes this version does not switch"
        return "one call into C" if gil_enabled() else f"no failure in {self.samples:,} samples"

    def as_json(self) -> dict[str, Any]:
        failure = self.schedules.failure
        return {
            "idiom": self.idiom.code,
            "verdict": self.verdict,
            "why": self.why,
            "contract": self.idiom.contract or None,
            "instead": self.idiom.instead or None,
            "note": self.idiom.note or None,
            "schedules": self.schedules.executions,
            "schedules_complete": self.schedules.complete or failure is not None,
            "breaking_schedule": failure.schedule if failure is not None else None,
            "breaks_where_this_interpreter_switches": not self.here.ok,
            "samples": self.samples,
            "broken_samples": self.broken_samples,
            "trouble": self.trouble,
        }


def examine(idiom: Idiom, seconds: float, seed: int | str | None = None) -> Finding:
    """Explore an idiom, then sample it for so many seconds."""
    schedules, here = explore_idiom(idiom)
    return sample_idiom(idiom, schedules, here, seconds, seed)


def explore_idiom(idiom: Idiom) -> tuple[Exploration, Exploration]:
    """Every schedule within the bound: of all switches, and of those that this interpreter makes."""
    schedules = explore(
        idiom.program, idiom.threads, idiom.holds, preemptions=PREEMPTIONS, raises=idiom.raises
    )
    if schedules.ok or not gil_enabled():
        return schedules, schedules
    here = explore(
        idiom.program,
        idiom.threads,
        idiom.holds,
        preemptions=PREEMPTIONS,
        raises=idiom.raises,
        switches=checked,
    )
    return schedules, here


def sample_idiom(
    idiom: Idiom, schedules: Exploration, here: Exploration, seconds: float, seed: int | str | None = None
) -> Finding:
    """Run it with real threads, until it was broken often enough to be sure, or for so many seconds."""
    a, b = (_guarded(part, idiom.raises) for part in idiom.threads)
    test = Litmus(
        name=idiom.code,
        setup=idiom.program,
        actors=(plain_actor("a", a), plain_actor("b", b)),
        outcomes={True: ACCEPTABLE("it held"), False: FORBIDDEN("it broke")},
        observe=lambda state, *results: idiom.holds(state, results),
    )
    result = run(test, seconds=seconds, seed=seed, stop_when_caught=ENOUGH_BROKEN_SAMPLES)
    if result.interrupted:
        raise KeyboardInterrupt
    failure = result.failure
    trouble = None if failure is None else f"{failure.error!r}" if failure.error is not None else failure.text
    return Finding(idiom, schedules, here, result.samples, result.caught, trouble)


def _guarded(part: Callable[[Any], Any], raises: tuple[type[BaseException], ...]) -> Callable[[Any], Any]:
    # The method itself where nothing is to be caught: a function around it would be one more place to switch.
    if not raises:
        return part

    def guarded(state: Any) -> Any:
        try:
            return part(state)
        except raises as error:
            return error

    return guarded


def select(pattern: str | None) -> list[Idiom]:
    """The idioms whose code contains the pattern, or matches it."""
    if pattern is None:
        return list(IDIOMS)
    return [idiom for idiom in IDIOMS if pattern in idiom.code or fnmatchcase(idiom.code, pattern)]


def examine_all(
    idioms: Sequence[Idiom], seconds: float, progress: Callable[[float, Idiom], None]
) -> Iterator[Finding]:
    """Each finding as it comes. What the explorer leaves of the time is divided among the samples."""
    started = time.monotonic()
    explored = []
    for number, idiom in enumerate(idioms):
        progress(number / len(idioms) / 2, idiom)
        explored.append(explore_idiom(idiom))
    for number, (idiom, (schedules, here)) in enumerate(zip(idioms, explored, strict=True)):
        progress(0.5 + number / len(idioms) / 2, idiom)
        left = max(0.0, started + seconds - time.monotonic())
        share = max(LEAST_SAMPLING_SECONDS, left / (len(idioms) - number))
        yield sample_idiom(idiom, schedules, here, share)


# The report

_MEANINGS = {
    BROKEN: "an order of threads that can come here breaks it; take the other",
    BY_ACCIDENT: "nothing breaks it on this interpreter, and nothing promises that: the next version may",
    BY_CONTRACT: "documented, and nothing was found against it",
}
_NOT_CLAIMED = """\
The programs have two threads; schedules are complete up to two preemptions. Samples that find nothing prove
nothing. Keys and items are str and int: where a __hash__, __eq__ or __lt__ is written in Python, it is bytecode
that can be interrupted, and what was one step is many. Operations that are atomic one by one are not together."""


def interpreter() -> str:
    """Which interpreter the findings are about."""
    gil = "with the GIL" if gil_enabled() else "without the GIL"
    return f"{platform.python_implementation()} {platform.python_version()} {gil}"


def as_text(findings: Sequence[Finding]) -> str:
    """The findings by verdict, the worst first."""
    lines = [f"Which operations are atomic on {interpreter()}?"]
    for verdict, meaning in _MEANINGS.items():
        rows = [finding for finding in findings if finding.verdict == verdict]
        if rows:
            lines += ["", f"{verdict.upper()}: {meaning}", *_rows(rows)]
    lines += ["", _NOT_CLAIMED]
    return "\n".join(lines)


def _rows(findings: Iterable[Finding]) -> Iterator[str]:
    for finding in findings:
        idiom = finding.idiom
        yield f"  {idiom.code:<44}{finding.why}"
        for label, text in (("instead: ", idiom.instead), ("", idiom.note)):
            if text:
                yield f"  {'':<44}{label}{text}"


def bytecode(idiom: Idiom) -> str:
    """The bytecodes of its parts, on this interpreter."""
    out = io.StringIO()
    a, b = idiom.threads
    for name, part in (("a", a), ("b", b)) if b is not a else (("a and b", a),):
        print(f"  {name}:", file=out)
        dis.dis(part, file=out)
    return out.getvalue().rstrip()


def details(finding: Finding) -> str:
    """The bytecode of an idiom, and a schedule that breaks it, if there is one."""
    lines = [f"{finding.idiom.code}", "", bytecode(finding.idiom)]
    failure = finding.schedules.failure
    if failure is not None:
        lines += ["", f"Broken by {failure}"]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command. Returns the exit status: 0, or 130 after Ctrl-C; argparse exits with 2 on wrong usage."""
    parser = argparse.ArgumentParser(
        prog="python -m atomicx idioms", description="Which ordinary Python operations are atomic here?"
    )
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"in all (default: {SECONDS:g})")
    parser.add_argument("--only", metavar="PATTERN", help="those whose code contains this, or matches it")
    parser.add_argument(
        "--bytecode", action="store_true", help="show the bytecode, and schedules that break it"
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args(arguments)
    idioms = select(options.only)
    if not idioms:
        parser.error(
            f"no idiom matches {options.only!r}; there are: {', '.join(idiom.code for idiom in IDIOMS)}"
        )
    if not options.seconds > 0:
        parser.error("--seconds must be positive")
    findings: list[Finding] = []
    status = 0
    try:
        findings.extend(examine_all(idioms, options.seconds, _progress))
    except KeyboardInterrupt:
        status = 130
    _progress_ends()
    if options.json:
        print(json.dumps({"interpreter": interpreter(), "idioms": [f.as_json() for f in findings]}, indent=2))
        return status
    print(as_text(findings))
    if options.bytecode:
        for finding in findings:
            print(f"\n{'-' * 80}\n{details(finding)}")
    if status:
        print(f"\ninterrupted: {len(findings)} of {len(idioms)} idioms", file=sys.stderr)
    return status


def _progress(share: float, idiom: Idiom) -> None:
    if sys.stderr.isatty():
        print(f"\r\x1b[K{share:4.0%} {idiom.code}", end="", file=sys.stderr, flush=True)


def _progress_ends() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
