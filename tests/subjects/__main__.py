"""Gives each subject to `verify`, and prints a table: the verdict, the time it took, and what convicted it.

    python -m tests.subjects [--seconds 20] [--seeds 1] [--short] [PATTERN ...]

The exit status is 0 if, with every seed, each broken subject was convicted, and no correct one was. With
--short a broken one that was missed gets a second attempt, with another seed: FLAKY if that convicts it.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import subprocess
import sys
import time
from typing import Any

from . import SubjectCase, subjects


def verdict_of(subject: SubjectCase, seconds: float, seed: int) -> tuple[str, float, str]:
    """Return the verdict of `verify`, after how many seconds, and the row and the reason of a FAIL."""
    command = [sys.executable, "-m", "atomicx", "verify", "--subject", subject.name, *subject.options]
    command += ["--json", "--seed", str(seed), "--seconds", f"{seconds:g}"]
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    took = time.monotonic() - begun
    try:
        told: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return "NO REPORT", took, done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""
    failed = [f"{row['name']}: {row['reason']}" for row in told["rows"] if row["verdict"] == "FAIL"]
    open_rows = [row["name"] for row in told["rows"] if row["verdict"] == told["verdict"] != "PASS"]
    reason = next(iter(failed), "") or told.get("trouble") or ", ".join(told["left_out"] or open_rows)
    return told["verdict"], took, " ".join(reason.split())


def is_due(subject: SubjectCase, verdict: str) -> bool:
    """Return whether the verdict is right: FAIL for a broken subject, any other for a correct one."""
    return (verdict == "FAIL") == subject.broken and verdict != "NO REPORT"


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.subjects", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="for each subject (default: 20)")
    parser.add_argument(
        "--seeds", type=int, default=1, help="how many times each, with seeds 1, 2, … (default: 1)"
    )
    parser.add_argument("--short", action="store_true", help="only every eighth of them")
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="only those whose names match")
    options = parser.parse_args()
    chosen = [
        each
        for each in subjects()
        if not options.patterns
        or any(fnmatch.fnmatchcase(each.short, f"*{pattern}*") for pattern in options.patterns)
    ]
    chosen = chosen[::8] if options.short else chosen
    print(f"{'subject':36} {'is':8} {'verdict':13} {'as due':>7} {'seconds, at most':>17}  what convicted")
    wrong = 0
    for each in chosen:
        runs = [verdict_of(each, options.seconds, seed) for seed in range(1, options.seeds + 1)]
        right = sum(is_due(each, verdict) for verdict, _, _ in runs)
        if right < len(runs) and each.broken and options.short:
            verdict, took, reason = verdict_of(each, options.seconds, len(runs) + 1)
            if is_due(each, verdict):
                print(f"FLAKY {each.short}: only a second attempt convicted it, {took:.1f} s: {reason[:110]}")
                continue
        wrong += right < len(runs)
        worst = max(took for _, took, _ in runs)
        verdicts = "/".join(dict.fromkeys(verdict for verdict, _, _ in runs))
        count = f"{right}/{len(runs)}" + ("" if right == len(runs) else " !")
        is_ = "broken" if each.broken else "correct"
        print(
            f"{each.short:36} {is_:8} {verdicts:13} {count:>7} {worst:17.1f}  {runs[0][2][:110]}", flush=True
        )
    print(f"{len(chosen)} subjects, {wrong} not as due")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
