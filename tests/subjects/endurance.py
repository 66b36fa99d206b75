"""Runs `verify` with many seeds, in the conditions in which newcomers run it, and all the subjects.

    python -m tests.subjects.endurance [--seeds 20] [--to FILE.json] [--without-subjects]
        [--without-verify] [--minutes M]

The conditions: unchanged, on one CPU, next to three spinning processes, and with the twin. It prints a table,
and writes it as JSON after each run; how many seeds each subject got stands there. The exit status is 0 if
every run of `verify` said PASS, and each subject got the right verdict.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from . import subjects
from .__main__ import is_due, verdict_of

SPINNING = 3


@contextmanager
def spinning(count: int) -> Iterator[None]:
    """Run `count` processes that do nothing but keep a CPU busy."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for each in busy:
            each.kill()
            each.wait()


def on_one_cpu() -> None:
    """Keep this process, and the processes it starts, on one CPU."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


CONDITIONS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "one CPU": {"preexec_fn": on_one_cpu},
    f"{SPINNING} processes spin": {"spinning": SPINNING},
    "the twin": {"env": {"ATOMICX_PURE": "1"}},
}


def run_once(seed: int, options: dict[str, Any]) -> tuple[str, float]:
    """Return the verdict of one run, and the seconds that it took."""
    command = [sys.executable, "-m", "atomicx", "verify", "--json", "--seed", str(seed)]
    begun = time.monotonic()
    with spinning(options.get("spinning", 0)):
        done = subprocess.run(
            command,
            capture_output=True,
            check=False,
            env={**os.environ, **options.get("env", {})},
            preexec_fn=options.get("preexec_fn"),
        )
    took = time.monotonic() - begun
    try:
        return str(json.loads(done.stdout)["verdict"]), took
    except ValueError:
        return f"status {done.returncode}", took


def verify_in(name: str, options: dict[str, Any], seeds: int) -> dict[str, Any]:
    """Return how often `verify` came to which verdict in a condition."""
    runs = [run_once(seed, options) for seed in range(1, seeds + 1)]
    verdicts = Counter(verdict for verdict, _ in runs)
    longest = max(took for _, took in runs)
    told = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
    print(f"verify, {name}: {told} of {seeds}; {longest:.0f} s at most", flush=True)
    return {"condition": name, "runs": seeds, "verdicts": dict(verdicts), "longest_s": round(longest, 1)}


def subjects_in_turns(seeds: int, until: float, keep: Callable[[list[dict[str, Any]]], None]) -> bool:
    """Give every subject to `verify` with one seed, then with the next; return whether all were right.

    The broken ones come first: they take only a few seconds each.

    `keep` is called with the results so far after each run, so they are complete up to wherever this ends.
    """
    told: dict[str, dict[str, Any]] = {}
    for seed in range(1, seeds + 1):
        for subject in sorted(subjects(), key=lambda each: not each.broken):
            if time.monotonic() > until:
                return False
            verdict, took, _ = verdict_of(subject, 20.0, seed)
            entry = told.setdefault(
                subject.short,
                {
                    "subject": subject.short,
                    "broken": subject.broken,
                    "seeds": 0,
                    "as_due": 0,
                    "longest_s": 0.0,
                },
            )
            entry["seeds"] += 1
            entry["as_due"] += is_due(subject, verdict)
            entry["longest_s"] = round(max(entry["longest_s"], took), 1)
            print(f"{subject.short}, seed {seed}: {verdict}, {took:.1f} s", flush=True)
            keep(list(told.values()))
    return all(entry["as_due"] == entry["seeds"] for entry in told.values())


@cache
def machine() -> Any:
    """Return what `python -m atomicx info` says of this interpreter and machine."""
    command = [sys.executable, "-m", "atomicx", "info", "--json"]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def written_to(place: Path | None, seeds: int, conditions: list[dict[str, Any]], told: list[Any]) -> None:
    """Write the results there, if given."""
    if place is None:
        return
    facts, load = machine(), round(os.getloadavg()[2], 1)
    report = {"facts": facts, "seeds": seeds, "load": load, "verify": conditions, "subjects": told}
    place.write_text(json.dumps(report, indent=2) + "\n")


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.subjects.endurance", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="runs of each (default: 20)")
    parser.add_argument("--to", type=Path, metavar="FILE.json", help="write the results there")
    parser.add_argument("--without-subjects", action="store_true", help="only verify itself")
    parser.add_argument("--without-verify", action="store_true", help="only the subjects")
    parser.add_argument("--minutes", type=float, default=math.inf, help="start no subject after this time")
    options = parser.parse_args()
    until = time.monotonic() + 60 * options.minutes
    chosen = {} if options.without_verify else CONDITIONS
    conditions = [verify_in(name, each, options.seeds) for name, each in chosen.items()]
    written_to(options.to, options.seeds, conditions, [])
    good = all(each["verdicts"] == {"PASS": options.seeds} for each in conditions)
    if not options.without_subjects:
        good = (
            subjects_in_turns(
                options.seeds, until, lambda told: written_to(options.to, options.seeds, conditions, told)
            )
            and good
        )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
