"""Runs `verify` with many seeds, in the conditions in which newcomers run it, and all the subjects.

    python -m tests.subjects.endurance [--seeds 20] [--to FILE.json] [--without-subjects]

The conditions: unchanged, on one CPU, next to three spinning processes, and with the twin. It prints a table,
and writes it as JSON. The exit status is 0 if every run of `verify` said PASS, and each subject got the right
verdict.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import subjects
from .__main__ import verdict_of

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


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.subjects.endurance", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="runs of each (default: 20)")
    parser.add_argument("--to", type=Path, metavar="FILE.json", help="write the results there")
    parser.add_argument("--without-subjects", action="store_true", help="only verify itself")
    options = parser.parse_args()
    conditions = [verify_in(name, each, options.seeds) for name, each in CONDITIONS.items()]
    good = all(each["verdicts"] == {"PASS": options.seeds} for each in conditions)
    told = []
    for subject in [] if options.without_subjects else subjects():
        runs = [verdict_of(subject, 20.0, seed) for seed in range(1, options.seeds + 1)]
        due = sum((verdict == "FAIL") == subject.broken for verdict, _, _ in runs)
        longest = max(took for _, took, _ in runs)
        good = good and due == options.seeds
        print(f"{subject.short}: {due} of {options.seeds} as due; {longest:.0f} s at most", flush=True)
        told.append({"subject": subject.short, "broken": subject.broken, "as_due": due, "longest_s": longest})
    if options.to is not None:
        facts = json.loads(
            subprocess.run(
                [sys.executable, "-m", "atomicx", "info", "--json"], capture_output=True, check=True
            ).stdout
        )
        report = {"facts": facts, "seeds": options.seeds, "verify": conditions, "subjects": told}
        options.to.write_text(json.dumps(report, indent=2) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
