"""Counts the instructions of an operation with callgrind: a figure that does not drift.

A loop is run for two lengths, and the difference is counted, so the start of the interpreter and of the loop
cancels out. An operation's own part is compared with the committed results: its instructions minus those of
an empty method that is called in the same way. So another interpreter of the same version, built by another
compiler, hardly matters. Another compiler for the C module does matter: see `judge`.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from atomicx.bench.operations import own_cases

from . import results
from .beside import cases_beside
from .floor import built
from .results import ResultsFile

# Operations that must not grow unnoticed.
HOT = (
    "AtomicInt.inc()",
    "AtomicInt.dec()",
    "AtomicInt.add(1)",
    "AtomicInt.load()",
    "AtomicInt.store(1)",
    "AtomicInt.fetch_add()",
    "AtomicInt.add_fetch()",
    "AtomicInt.compare_and_set(a, b)",
    "with AtomicInt.track()",
    "AtomicFloat.add(1.0)",
    "AtomicBool.test_and_set()",
    "AtomicRef.load()",
    "Counter.inc()",
    "Histogram.observe(x)",
    "ExponentialHistogram.observe(x)",
    "Family[a, b].inc()",
    "Family.inc(a, b)",
    "Family.inc(a, 200)",
)
# The tolerated growth of the own part, as a share of it. The counts repeat to a hundredth.
SAME_COMPILER = 0.03
# Another compiler arranges the same code in its own way.
OTHER_COMPILER = 0.25
# In instructions: growth by less than one does not come from the code, but from the data it works on.
LEAST = 0.5
# Making and freeing an object that the collector tracks varies with its address, by up to 1 % of the whole,
# so here the tolerated share is of the whole.
MAKES_AN_OBJECT = ("with AtomicInt.track()",)

TOTAL = re.compile(r"^(?:totals|summary): (\d+)", re.MULTILINE)


class Uncounted(Exception):
    """Callgrind could not count here."""


def counts(*, beside: bool) -> dict[str, float]:
    """Return the instructions of one operation, by the name of the case, on request also those of
    `cases_beside`."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise Uncounted("valgrind is not installed")
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "out"
        command = [valgrind, "--tool=callgrind", "--dump-before=floor_mark", f"--callgrind-out-file={output}"]
        command += [sys.executable, "-m", "benchmarks.instructions_process", str(built(Path(folder)))]
        command += ["beside"] if beside else []
        if (setarch := shutil.which("setarch")) is not None:
            command[:0] = [setarch, "--addr-no-randomize"]  # addresses decide the order of some look-ups
        done = subprocess.run(
            command,
            cwd=results.TOP,
            env=os.environ | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Uncounted(f"callgrind ended with status {done.returncode}:\n{done.stderr}")
        return per_operation(json.loads(done.stdout), [total(output, part) for part in parts(output)])


def parts(output: Path) -> range:
    """Return the numbers of the files that callgrind wrote: one before each mark, and one at the end."""
    return range(1, 1 + sum(1 for _ in output.parent.glob(f"{output.name}.*")))


def total(output: Path, part: int) -> int:
    """Return all instructions of a part."""
    found = TOTAL.findall(Path(f"{output}.{part}").read_text())
    if not found:
        raise Uncounted(f"no total in part {part} of what callgrind wrote")
    return int(found[-1])


def per_operation(ran: list[tuple[str, int]], totals: list[int]) -> dict[str, float]:
    """Return the minimum of each case.

    `ran` gives for each run its case, and by how many operations its two loops differ. `totals` are those of
    the parts, each of which ends at a mark: three per run, the second and the third being its loops.
    """
    if len(totals) < 3 * len(ran):
        raise Uncounted(f"{len(ran)} runs, but only {len(totals)} parts")
    least: dict[str, float] = {}
    for index, (name, count) in enumerate(ran):
        counted = round((totals[3 * index + 2] - totals[3 * index + 1]) / count, 2)
        least[name] = min(counted, least.get(name, counted))
    return least


def recorded(counted: dict[str, float]) -> list[ResultsFile]:
    """Return one record per case: its instructions, its own part of them where it has a floor, and for
    `cases_beside` the name of our operation."""
    others = cases_beside()
    floors = {case.name: case.floor or None for case in (*own_cases(), *(case for case, _ in others))}
    records = [_record(name, counted, floors.get(name)) for name in counted]
    ours = {case.name: name for case, name in others}
    return [each | ({"beside": ours[each["name"]]} if each["name"] in ours else {}) for each in records]


def _record(name: str, counted: dict[str, float], floor: str | None) -> ResultsFile:
    own = None if floor is None else round(counted[name] - counted[floor], 2)
    return {"name": name, "instructions": counted[name], "floor": floor, "own": own}


@dataclass(frozen=True)
class Comparison:
    """The result of the comparison with the committed results."""

    lines: list[str]
    grown: list[str]


def judge(before: ResultsFile, now: ResultsFile) -> Comparison:
    """Compare the hot paths of two results.

    With the same version of the interpreter, the same compiler and the same flags, the counts are the same to
    the instruction unless the code changed, and growth of more than 3 % fails. Otherwise they are not
    comparable to the instruction; then growth of more than 25 % fails, and the verdict says so.
    """
    same = made_by(before) == made_by(now)
    limit = SAME_COMPILER if same else OTHER_COMPILER
    lines = []
    if not same:
        lines.append(
            f"here {made_by(now)}; the committed results: {made_by(before)}. The counts are not comparable to"
            f" the instruction, so only growth of more than {limit:.0%} fails"
        )
    grown = []
    known = {case["name"]: case for case in before["cases"]}
    for case in now["cases"]:
        name = case["name"]
        if name not in HOT:
            continue
        if name not in known:
            lines.append(f"{name}: {case['own']} own instructions, not in the committed results")
            grown.append(name)
            continue
        growth = case["own"] - known[name]["own"]
        part = known[name]["instructions" if name in MAKES_AN_OBJECT else "own"]
        bad = growth > max(LEAST, limit * abs(part))
        lines.append(
            f"{name}: {case['instructions']} instructions, {case['own']} its own, were {known[name]['own']}"
            + (f": GROWN by {growth:.2f}" if bad else "")
        )
        if bad:
            grown.append(name)
    missing = {*HOT} - {case["name"] for case in now["cases"]}
    return Comparison(
        [*lines, *(f"{name}: not counted" for name in sorted(missing))], [*grown, *sorted(missing)]
    )


def made_by(result: ResultsFile) -> str:
    """Return the interpreter, the compiler and its flags."""
    interpreter = result["interpreter"]
    flags = " ".join(interpreter["flags"].values())
    return f"CPython {interpreter['version']} and {result['atomicx']['compiler']} {flags}"


def count(options: argparse.Namespace) -> int:
    """Count, and write a results file or compare with it. Returns the exit status."""
    try:
        counted = counts(beside=not options.check)
    except Uncounted as error:
        print(f"not counted: {error}", file=sys.stderr)
        return 1
    now = results.circumstances() | {"cases": recorded(counted)}
    if not options.check:
        path = results.write(results.INSTRUCTIONS, now, options.output)
        for case in now["cases"]:
            own = "" if case["own"] is None else f"{case['own']:10.2f} its own"
            print(f"{case['name']:<36} {case['instructions']:10.2f} {own}")
        print(f"written: {path}")
        return 0
    path = results.path_of(results.INSTRUCTIONS, options.output)
    if not path.exists():
        print(f"no {path.name} to compare with: python -m benchmarks count", file=sys.stderr)
        return 1
    verdict = judge(json.loads(path.read_text()), now)
    print("\n".join(verdict.lines))
    if verdict.grown:
        print(f"grown: {', '.join(verdict.grown)}; if that is meant: python -m benchmarks count")
        return 1
    print(f"ok: no hot path on {now['interpreter']['name']} has grown")
    return 0
