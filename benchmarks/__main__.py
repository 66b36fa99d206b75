"""What atomicx costs: python -m benchmarks, with a command that --help lists."""

import argparse
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import atomicx
from atomicx._terminal import columns, shown_progress
from atomicx.bench import harness, report
from atomicx.bench.harness import Case, Sampler

from . import results

ROUNDS = 30
SAMPLE_SECONDS = 0.01
INTERRUPTED = 130

Command = Callable[[argparse.Namespace], int]


def whole_seconds(text: str) -> int:
    """Return the seconds for wrk, for argparse: wrk does not say what it does with 0 or less."""
    if not (text.isdecimal() and 0 < int(text) < 10**6):
        raise argparse.ArgumentTypeError(f"expected a whole number of seconds above 0, got {text!r}")
    return int(text)


def run(options: argparse.Namespace) -> int:
    from .cases import cases
    from .footprint import footprint

    if atomicx.backend != "c":
        print("this would measure the pure-Python twin: the C module is not there", file=sys.stderr)
        return 1
    measured, absent = cases()
    with shown_progress("run") as progress:
        taken = measure(measured, options, progress)
    if taken.interrupted:
        return INTERRUPTED
    known = report.records(taken)
    found = {"absent": absent, "footprint": footprint(), "cases": known}
    path = results.write(results.TIMES, results.circumstances() | found, options.output)
    print("\n".join(columns(report.table(known), right=report.NUMBERS)))
    for name, reason in absent.items():
        print(f"absent: {name}: {reason}")
    print(f"written: {path}")
    return 0


def measure(
    cases: list[Case], options: argparse.Namespace, progress: harness.Progress
) -> harness.Measurement:
    """Measure all of the cases in rounds, some of them in processes of their own."""
    from . import client, outsider, segments
    from .apart import ApartProcess

    opened: dict[Callable[[], ApartProcess], ApartProcess] = {}

    def sampler(case: Case, sample_seconds: float) -> Sampler:
        opener = outsider.OutsiderProcess if case.subject == outsider.SUBJECT else client.opener(case)
        if opener is None:
            return (segments.sampler(case) or harness.LocalSampler)(case, sample_seconds)
        if opener not in opened:
            opened[opener] = opener()
        return opened[opener].sampler(case, sample_seconds)

    try:
        return harness.measure(
            cases,
            rounds=options.rounds,
            sample_seconds=options.sample_seconds,
            progress=progress,
            sampler=sampler,
        )
    finally:
        for process in opened.values():
            process.close()


# Each command imports what it needs: `quote` and `targets` need no compiler, only `plot` needs matplotlib.


def peers(options: argparse.Namespace) -> int:
    from .peers import peers

    return peers(options)


def count(options: argparse.Namespace) -> int:
    from .instructions import count

    return count(options)


def variants(options: argparse.Namespace) -> int:
    from . import variants

    with shown_progress("variants") as progress:
        taken = variants.measure(options.rounds, options.sample_seconds, options.only, progress)
    if taken.interrupted:
        return INTERRUPTED
    known = variants.records(taken)
    print("\n".join(columns(variants.table(known))))
    if not options.only:
        content = results.circumstances() | {"cases": known}
        print(f"written: {results.write(results.VARIANTS, content, options.output)}")
    return 0


def print_targets(
    name: str,
    options: argparse.Namespace,
    cases: list[Case],
    absent: dict[str, str],
    footprint: Callable[[], results.ResultsFile] = dict,
) -> int:
    """Measure these cases, then the footprint, and print the targets of this name."""
    from . import targets

    with shown_progress(name) as progress:
        taken = measure(cases, options, progress)
    if taken.interrupted:
        return INTERRUPTED
    found = {"footprint": footprint(), "cases": report.records(taken)}
    print(targets.table(targets.SETS[name], [results.circumstances() | found]), end="")
    for package, reason in absent.items():
        print(f"absent: {package}: {reason}")
    return 0


def histograms(options: argparse.Namespace) -> int:
    from .cases import histogram_cases

    return print_targets("histograms", options, *histogram_cases())


def labels(options: argparse.Namespace) -> int:
    from .cases import labelled_cases
    from .footprint import a_large_family

    measured, absent = labelled_cases()
    return print_targets("labels", options, measured, absent, lambda: {"a_large_family": a_large_family()})


def segments(options: argparse.Namespace) -> int:
    from .cases import cases_of_segments

    return print_targets("segments", options, cases_of_segments(), {})


def services(options: argparse.Namespace) -> int:
    from .services import services

    return services(options)


def scrapes(options: argparse.Namespace) -> int:
    from .scrapes import measure

    content = results.circumstances() | {"cases": measure(options.rounds)}
    print(f"written: {results.write(results.SCRAPES, content, options.output)}")
    return 0


def latencies(options: argparse.Namespace) -> int:
    from .latencies import latencies

    return latencies(options)


def quote(options: argparse.Namespace) -> int:
    from .quote import quote

    return quote(check=options.check)


def targets(options: argparse.Namespace) -> int:
    from .targets import targets

    print(targets(results.read(results.TIMES)), end="")
    return 0


def plot(options: argparse.Namespace) -> int:
    from .plot import plot

    return plot(check=options.check)


def renew(options: argparse.Namespace) -> int:
    """Renew all timings of this interpreter, and the figures and plots in the documents. Returns the first
    status that is not 0. The variants are measured only if there are results for them already."""
    steps: list[Command] = [run, quote]
    if results.path_of(results.VARIANTS, options.output).exists():
        steps.insert(1, variants)
    if importlib.util.find_spec("matplotlib") is None:
        print(
            "not drawn here: matplotlib is not installed; python -m benchmarks plot, with another interpreter"
        )
    else:
        steps.append(plot)
    return next((status for step in steps if (status := step(options))), 0)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What atomicx costs.")
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(name: str, function: Command, help_text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=help_text, description=help_text)
        added.set_defaults(command=function)
        return added

    command("peers", peers, "install the packages to compare with, as many as there are for this interpreter")

    def measuring(name: str, function: Command, help_text: str) -> argparse.ArgumentParser:
        added = command(name, function, help_text)
        added.add_argument("--rounds", type=int, default=ROUNDS)
        added.add_argument(
            "--sample-seconds", type=float, default=SAMPLE_SECONDS, help="length of one sample"
        )
        added.add_argument("--output", type=Path, default=results.FOLDER, help="folder of the results files")
        return added

    renewing = measuring("renew", renew, "run, variants, quote and plot, one after the other")
    renewing.set_defaults(only="", check=False)

    measuring("run", run, "measure with this interpreter, and write a results file")

    counting = command("count", count, "count instructions by callgrind, and write a results file")
    counting.add_argument("--check", action="store_true", help="compare; status 1 if a hot path has grown")
    counting.add_argument("--output", type=Path, default=results.FOLDER, help="folder of the results files")

    trying = measuring(
        "variants", variants, "measure other ways to build the C module, compared with the shipped one"
    )
    trying.add_argument("--only", default="", help="variants whose name contains this; writes no file")

    serving = command("services", services, "run the example services under wrk, and write a results file")
    serving.add_argument("--seconds", type=whole_seconds, default=3, help="whole seconds at each load")
    serving.add_argument("--output", type=Path, default=results.FOLDER, help="folder of the results files")

    for name, function, what in (
        ("histograms", histograms, "histograms"),
        ("labels", labels, "labels, guards and stripes"),
        ("segments", segments, "segments"),
    ):
        few = command(name, function, f"measure the targets of {what} alone; writes no file")
        few.add_argument("--rounds", type=int, default=ROUNDS)
        few.add_argument("--sample-seconds", type=float, default=SAMPLE_SECONDS, help="length of one sample")

    scraping = command("scrapes", scrapes, "scrape what 2,000 workers left, and write a results file")
    scraping.add_argument("--rounds", type=int, default=ROUNDS)
    scraping.add_argument("--output", type=Path, default=results.FOLDER, help="folder of the results files")

    timing = command(
        "latencies", latencies, "compare quantiles of a server's latencies, and write a results file"
    )
    timing.add_argument("--requests", type=int, default=10_000, help="of each client")
    timing.add_argument("--output", type=Path, default=results.FOLDER, help="folder of the results files")

    quoting = command("quote", quote, "put the figures of the results files into the documents")
    quoting.add_argument("--check", action="store_true", help="only compare; status 1 if they differ")

    command("targets", targets, "what we want to reach, and whether the results files reach it")

    plotting = command("plot", plot, "draw the plots of the documents from the results files")
    plotting.add_argument("--check", action="store_true", help="only compare; status 1 if they differ")

    options = parser.parse_args()
    status: int = options.command(options)
    return status


if __name__ == "__main__":
    sys.exit(main())
