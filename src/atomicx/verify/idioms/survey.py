"""`python -m atomicx idioms`: which ordinary Python operations are atomic here?

Each idiom is a program of two threads. The explorer runs it in every schedule of its bytecodes, and again
with switches only where this interpreter checks for one. Then real threads run it for a while. The verdicts:

    broken                     an order of threads that can come here, or came, breaks it
    atomic here by accident    nothing breaks it here, but nothing promises that it stays so
    atomic by contract         the documentation promises it, and nothing was found against that

Without the GIL every schedule of bytecodes can come, and one call into C may be more than one step, which
only the samples can tell.
"""

from __future__ import annotations

import argparse
import dis
import io
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from ..._terminal import output_width, wrapped
from ..._terminal import seconds as number_of_seconds
from ..litmus import ACCEPTABLE, FORBIDDEN, Litmus, plain_actor
from ..sampling.engine import run
from ..schedules.explorer import Exploration, NotDeterministic, checked, explore
from .containers import CONTAINERS
from .dicts import DICTS
from .idiom import SOURCES, Idiom
from .numbers import NUMBERS
from .sequences import SEQUENCES
from .trial import find

IDIOMS = (*NUMBERS, *DICTS, *SEQUENCES, *CONTAINERS)

BROKEN = "broken"
BY_ACCIDENT = "atomic here by accident"
BY_CONTRACT = "atomic by contract"

SECONDS = 15.0
LEAST_SAMPLING_SECONDS = 0.1
ENOUGH_BROKEN_SAMPLES = 20
SECONDS_OF_GRACE = 60.0
PREEMPTIONS = 2
# Of the report, where it is not printed to a terminal.
WIDTH = 110


def gil_enabled() -> bool:
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


@dataclass(frozen=True)
class Samples:
    """What real threads did with an idiom."""

    samples: int
    broken: int
    trouble: str | None = None
    """Why the run ended early, if it did: an unexpected exception, or a crash."""


@dataclass(frozen=True)
class Finding:
    """The findings about one idiom on this interpreter."""

    idiom: Idiom
    schedules: Exploration
    """With switches before any bytecode that others could notice."""
    here: Exploration
    """With switches only where this interpreter would make one."""
    sampled: Samples

    @property
    def verdict(self) -> str:
        if self.sampled.broken or self.sampled.trouble is not None or not self.here.ok:
            return BROKEN
        if self.schedules.ok and self.idiom.contract:
            return BY_CONTRACT
        return BY_ACCIDENT

    @property
    def why(self) -> str:
        """The evidence for the verdict, in a few words."""
        samples = f"{self.sampled.samples:,} samples"
        if self.verdict == BROKEN and self.idiom.contract:
            return f"{self._broken_by}, though promised: {self.idiom.contract}"
        if self.verdict == BROKEN:
            return self._broken_by
        if self.verdict == BY_CONTRACT:
            return f"promised: {self.idiom.contract}"
        if not self.schedules.ok:
            return "this version does not switch threads in between"
        return f"no schedule breaks it, nor did {samples}"

    @property
    def _broken_by(self) -> str:
        samples = f"{self.sampled.samples:,} samples"
        if self.sampled.trouble is not None:
            return f"seen: {self.sampled.trouble}"
        if self.sampled.broken:
            return f"seen: {self.sampled.broken:,} of {samples}"
        return f"a schedule breaks it (not seen in {samples})"

    def as_json(self) -> dict[str, Any]:
        failure = self.schedules.failure
        return {
            "idiom": self.idiom.code,
            "verdict": self.verdict,
            "why": self.why,
            "contract": self.idiom.contract or None,
            "instead": self.idiom.instead or None,
            "note": self.idiom.note or None,
            "page": self.idiom.page or None,
            "schedules": self.schedules.executions,
            "schedules_complete": self.schedules.complete or failure is not None,
            "breaking_schedule": failure.schedule if failure is not None else None,
            "breaks_where_this_interpreter_switches": not self.here.ok,
            "samples": self.sampled.samples,
            "broken_samples": self.sampled.broken,
            "trouble": self.sampled.trouble,
        }


def examine(idiom: Idiom, seconds: float, seed: int | str | None = None) -> Finding:
    """Explore an idiom, then sample it for `seconds`."""
    return Finding(idiom, *explore_idiom(idiom), sample_idiom(idiom, seconds, seed))


def explore_idiom(idiom: Idiom) -> tuple[Exploration, Exploration]:
    """Run every schedule within the bound: with all switches, and with those that this interpreter makes."""
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


def sample_idiom(idiom: Idiom, seconds: float, seed: int | str | None = None) -> Samples:
    """Run it with real threads, until it was broken often enough to be sure, or for `seconds`."""
    if idiom.crashes:
        return _sample_in_child(idiom, seconds, seed)
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
    if failure is None:
        return Samples(result.samples, result.caught)
    trouble = failure.text if failure.error is None else f"{failure.actor} raised {failure.error!r}"
    return Samples(result.samples, result.caught, trouble)


def _sample_in_child(idiom: Idiom, seconds: float, seed: int | str | None) -> Samples:
    which = idiom.origin or idiom.code
    program = f"from atomicx.verify.idioms.survey import _child; _child({which!r}, {seconds!r}, {seed!r})"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        child = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            timeout=seconds + SECONDS_OF_GRACE,
        )
    except subprocess.TimeoutExpired:
        return Samples(0, 0, "the threads hang")
    if child.returncode:
        status = child.returncode
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        return Samples(0, 0, f"the interpreter crashed ({how})")
    # Its own output comes before.
    samples, broken, trouble = json.loads(child.stdout.splitlines()[-1])
    return Samples(samples, broken, trouble)


def _child(which: str, seconds: float, seed: int | str | None) -> None:
    idiom = next((idiom for idiom in IDIOMS if idiom.code == which), None) or find(which)
    found = sample_idiom(replace(idiom, crashes=False), seconds, seed)
    print("\n" + json.dumps([found.samples, found.broken, found.trouble]))


def _guarded(part: Callable[[Any], Any], raises: tuple[type[BaseException], ...]) -> Callable[[Any], Any]:
    # If nothing is to be caught, use the method itself: a wrapper would be one more place to switch.
    if not raises:
        return part

    def guarded(state: Any) -> Any:
        try:
            return part(state)
        except raises as error:
            return error

    return guarded


def select(pattern: str | None) -> list[Idiom]:
    """Return the idioms whose code contains the pattern, or matches it."""
    if pattern is None:
        return list(IDIOMS)
    return [idiom for idiom in IDIOMS if pattern in idiom.code or fnmatchcase(idiom.code, pattern)]


def examine_all(
    idioms: Sequence[Idiom], seconds: float, progress: Callable[[float, Idiom], None]
) -> Iterator[Finding]:
    """Yield each finding as it comes. The time that the explorer leaves is divided among the samples."""
    started = time.monotonic()
    explored = []
    for number, idiom in enumerate(idioms):
        progress(number / len(idioms) / 2, idiom)
        explored.append(explore_idiom(idiom))
    for number, (idiom, (schedules, here)) in enumerate(zip(idioms, explored, strict=True)):
        progress(0.5 + number / len(idioms) / 2, idiom)
        left = max(0.0, started + seconds - time.monotonic())
        share = max(LEAST_SAMPLING_SECONDS, left / (len(idioms) - number))
        yield Finding(idiom, schedules, here, sample_idiom(idiom, share))


# The report

_MEANINGS = {
    BROKEN: "threads can meet in an order that breaks it here; use the alternative",
    BY_ACCIDENT: "nothing breaks it on this interpreter, but no promise says so: the next version may",
    BY_CONTRACT: "documented, and nothing was found against it",
}
_NOT_CLAIMED = (
    "The programs have two threads; schedules are complete up to two preemptions. Samples that find nothing"
    " prove nothing. Keys and items are str and int: a __hash__, __eq__ or __lt__ written in Python can be"
    " interrupted, and turns one step into many. Several atomic operations together are not atomic."
)


def interpreter() -> str:
    """Return which interpreter the findings are about."""
    gil = "with the GIL" if gil_enabled() else "without the GIL"
    return f"{platform.python_implementation()} {platform.python_version()} {gil}"


def as_text(findings: Sequence[Finding], width: int = WIDTH) -> str:
    """Return the findings by verdict, the worst first, in lines of at most this width where possible."""
    lines = [f"Which operations are atomic on {interpreter()}?"]
    label_width = max((len(finding.idiom.code) for finding in findings), default=0)
    for verdict, meaning in _MEANINGS.items():
        rows = [finding for finding in findings if finding.verdict == verdict]
        if rows:
            lines += ["", *wrapped(f"{verdict.upper()}: {meaning}", width), *_rows(rows, label_width, width)]
    sources = [line for source in SOURCES.splitlines() for line in wrapped(source, width, "    ")]
    lines += ["", *sources, "", *wrapped(_NOT_CLAIMED, width)]
    return "\n".join(lines)


def _rows(findings: Iterable[Finding], label_width: int, width: int) -> Iterator[str]:
    """Yield the lines of each finding: the idiom and what to use instead, and below that the evidence."""
    for finding in findings:
        idiom = finding.idiom
        use = f"use {idiom.instead}" if idiom.instead else ""
        line = f"  {idiom.code:<{label_width}}  {use}".rstrip()
        if len(line) <= width:
            yield line
        else:
            yield f"  {idiom.code}"
            yield from wrapped(f"      {use}", width, "      ")
        yield from wrapped(f"      {'; '.join(filter(None, (finding.why, idiom.note)))}", width, "      ")


def bytecode(idiom: Idiom) -> str:
    """Return the bytecodes of the idiom's parts, on this interpreter."""
    out = io.StringIO()
    a, b = idiom.threads
    for name, part in (("a", a), ("b", b)) if b is not a else (("a and b", a),):
        print(f"  {name}:", file=out)
        dis.dis(part, file=out)
    return out.getvalue().rstrip()


def details(finding: Finding) -> str:
    """Return the bytecode of an idiom, and a schedule that breaks it, if there is one."""
    lines = [f"{finding.idiom.code}", "", bytecode(finding.idiom)]
    here, anywhere = finding.here.failure, finding.schedules.failure
    if here is not None:
        lines += ["", f"Broken by {here}"]
    elif anywhere is not None:
        # A schedule that cannot come here must not read as if it could.
        lines += [
            "",
            "On a version that switches between these bytecodes, which this one does not,",
            str(anywhere),
        ]
    elif finding.verdict == BROKEN:
        lines += ["", "No schedule of bytecodes breaks it: a call into C was not one step."]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit status: 0, or 130 after Ctrl-C. On misuse argparse exits with 2."""
    parser = argparse.ArgumentParser(
        prog="python -m atomicx idioms",
        description="Show which ordinary Python operations are atomic here."
        " Exit status: 0, or 130 after Ctrl-C.",
    )
    parser.add_argument(
        "--seconds", type=number_of_seconds, default=SECONDS, help=f"total time (default: {SECONDS:g})"
    )
    parser.add_argument(
        "--try",
        dest="tried",
        metavar="MODULE:CLASS",
        help="try an idiom of your own: a class with a method per thread, a and b, and holds(a, b), which"
        " is given their results and says whether they could have run one after the other",
    )
    parser.add_argument("--only", metavar="PATTERN", help="only idioms that contain this, or match it")
    parser.add_argument(
        "--bytecode", action="store_true", help="also show the bytecode, and a schedule that breaks it"
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(arguments)
    idioms = select(options.only)
    if options.tried is not None:
        try:
            idioms = [find(options.tried)]
        except ValueError as error:
            parser.error(str(error))
    if not idioms:
        known = "\n  ".join(idiom.code for idiom in IDIOMS)
        parser.error(f"no idiom matches {options.only!r}. There are:\n  {known}")
    findings: list[Finding] = []
    status = 0
    try:
        findings.extend(examine_all(idioms, options.seconds, _progress))
    except KeyboardInterrupt:
        status = 130
    except NotDeterministic as error:
        _progress_ends()
        parser.error(f"{idioms[0].code}: the result depends on more than the order of the threads: {error}")
    _progress_ends()
    if options.json:
        print(json.dumps({"interpreter": interpreter(), "idioms": [f.as_json() for f in findings]}, indent=2))
        return status
    print(as_text(findings, output_width() or WIDTH))
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
