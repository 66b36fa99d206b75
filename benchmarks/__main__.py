"""python -m benchmarks run | quote"""

import argparse
import sys
from pathlib import Path

import atomicx

from . import cases, harness, quote, results


def run(arguments: argparse.Namespace) -> int:
    if atomicx.backend != "c":
        print("this would measure the pure-Python twin: the C module is not there", file=sys.stderr)
        return 1
    measured = cases.cases()

    def progress(done: int) -> None:
        print(f"\rround {done} of {arguments.rounds}", end="", file=sys.stderr, flush=True)

    timings = harness.measure(
        measured, rounds=arguments.rounds, sample_seconds=arguments.sample_seconds, progress=progress
    )
    print(file=sys.stderr)
    path = results.write(results.report(measured, timings), arguments.output)
    width = max(len(case.label) for case in measured)
    for case in measured:
        print(f"{case.label:<{width}}  {timings[case.name].median_ns:8.1f} ns")
    print(f"written: {path}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What atomicx costs.")
    commands = parser.add_subparsers(required=True)

    measuring = commands.add_parser("run", help="measure with this interpreter, and write a results file")
    measuring.add_argument("--rounds", type=int, default=60)
    measuring.add_argument("--sample-seconds", type=float, default=0.02, help="length of one sample")
    measuring.add_argument("--output", type=Path, default=results.FOLDER, help="folder of the results files")
    measuring.set_defaults(command=run)

    quoting = commands.add_parser("quote", help="put the figures of the results files into the documents")
    quoting.add_argument("--check", action="store_true", help="only compare; status 1 if they differ")
    quoting.set_defaults(command=lambda arguments: quote.quote(check=arguments.check))

    arguments = parser.parse_args()
    status: int = arguments.command(arguments)
    return status


if __name__ == "__main__":
    sys.exit(main())
