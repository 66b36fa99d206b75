"""The commands of `python -m atomicx`, and their options."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from ._installation import REMEDY, is_usable, problems
from ._terminal import UsageError, output_width, seconds
from ._version import __version__

DESCRIPTION = (
    "Atomic cells for CPython: what is installed here, whether it keeps its promises, and what it costs."
)
KINDS = ("int", "float", "bool", "ref", "counter", "histogram", "family")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns the exit status; on wrong usage argparse itself exits with 2."""
    # Each command imports what it needs when it runs, so that `info` is quick and needs nothing.
    parser = argparse.ArgumentParser(prog="python -m atomicx", description=DESCRIPTION)
    parser.add_argument(
        "--version", action="version", version=f"atomicx {__version__}", help="show the version and exit"
    )
    commands = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    info = commands.add_parser("info", help="version, backend, interpreter, and what is lock-free here")
    info.add_argument("--json", action="store_true", help="print it as JSON")
    verify = commands.add_parser("verify", help="test every operation with real threads, on this interpreter")
    _add_verify(verify)
    bench = commands.add_parser("bench", help="what an operation costs here, compared with a lock")
    _add_bench(bench)
    segment = commands.add_parser("segment", help="what is in a segment, and how full it is")
    _add_segment(segment)
    commands.add_parser("idioms", help="which ordinary Python operations are atomic here", add_help=False)
    # What comes after `idioms`, including --help, is left to its own parser.
    options, rest = parser.parse_known_args(arguments)
    if options.command is None and not rest:
        parser.print_help()
        return 0
    if options.command == "idioms":
        from .verify.idioms.survey import main as idioms

        return idioms(rest)
    if rest or options.command is None:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    wrong = problems()
    if wrong:
        print(*(f"warning: {problem}" for problem in (*wrong, REMEDY)), sep="\n", file=sys.stderr)
    if not is_usable():
        return 1
    if options.command == "info":
        from ._info import as_text, facts

        print(json.dumps(facts(), indent=2) if options.json else as_text(facts(), output_width()))
        return 0
    try:
        if options.command == "segment":
            from ._segment_report import segment_command

            return segment_command(options)
        if options.command == "bench":
            from .bench.cli import bench_command

            return bench_command(options)
        from .verify.selfcheck.cli import verify_command

        return verify_command(options)
    except UsageError as error:
        commands.choices[options.command].error(str(error))
    except KeyboardInterrupt:
        # Before the run began, or while its report was being written.
        return 130


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Test every operation of every type: alone in its edge states, racing itself and every other that"
        " changes something, and in litmus tests. Each row also runs a control that is broken on purpose, and"
        " passes only if the control was caught."
        " Exit status: 0 PASS, 1 FAIL, 3 INCONCLUSIVE, 4 INCOMPLETE, 130 after Ctrl-C."
    )
    parser.add_argument("--seconds", type=seconds, default=20.0, help="total time (default: 20)")
    parser.add_argument(
        "--only",
        metavar="PATTERN",
        help="only rows whose name matches: `ref-*`, `int/*/alone`, or a part of a name",
    )
    parser.add_argument("--seed", type=int, help="seed of the noise (default: a new one each time)")
    parser.add_argument("--subject", metavar="PACKAGE:FACTORY", help="test these cells, not atomicx's own")
    parser.add_argument(
        "--kind",
        choices=KINDS,
        metavar="KIND",
        help=f"what the subject is (default: it is guessed, and shown): {', '.join(KINDS)}",
    )
    parser.add_argument(
        "--wraps", action="store_true", help="the subject's integers wrap at 64 bits by design"
    )
    parser.add_argument("--list", action="store_true", help="list the rows, and run nothing")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--verbose", action="store_true", help="show every outcome of every row")


def _add_bench(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Measure operations and, for comparison, the cheapest built-in call, an int with a lock, and other"
        " packages of this kind that are installed. Exit status: 0, or 130 after Ctrl-C."
    )
    parser.add_argument("--seconds", type=seconds, default=10.0, help="total time (default: 10)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--plot", metavar="FILE.svg", help="also write a bar chart to this file")


def _add_segment(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Show everything in a segment, and how full it is. The file is only read."
        " Exit status: 0, 2 if it is not a segment or cannot be read, or 130 after Ctrl-C."
    )
    parser.add_argument("path", metavar="PATH", help="the file of the segment")
    parser.add_argument(
        "--watch",
        nargs="?",
        type=seconds,
        const=2.0,
        metavar="SECONDS",
        help="show it repeatedly, every 2 seconds by default",
    )
    parser.add_argument("--owner", type=int, metavar="UID", help="trust a file that belongs to this user")
