"""Plants each bug of the catalogue in a copy of the tree, and fails if the layer that claims it is silent.

    python tests/mutants/gate.py [--only TEXT] [--layer LAYER] [--jobs 2] [--write]

The layers: `explorer` runs tests/core's exhaustive explorer on the mutated core, `threads` its
ThreadSanitizer run, `pytest` builds the extension and runs the tests that the mutant names. Each layer must
also pass on the unchanged tree. A mutant that is caught is killed; one that is not caught in two attempts
survives, and the status is 1. --write makes docs/mutants.md from a run of all mutants; without it the gate
fails at once if that file does not name the same mutants, --list included.

Run it with a free-threaded CPython 3.13: the tests cannot see what the GIL hides. It needs pytest, what the
tests import, and a C compiler. Only --write writes into the checkout.
"""

import argparse
import atexit
import contextlib
import functools
import os
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
TOP = TESTS.parent
sys.path.insert(0, str(TESTS))

from core import run as core_run  # noqa: E402
from mutants.catalogue import MUTANTS  # noqa: E402
from mutants.mutant import Layer, Mutant, StaleMutant  # noqa: E402
from mutants.objects import Objects  # noqa: E402

LAYERS: list[Layer] = ["explorer", "threads", "pytest"]
COPIED = ["csrc", "examples", "src", "tests", "pyproject.toml"]
TABLE = TOP / "docs" / "mutants.md"
# The tests of one mutant take seconds on a machine of their own, and hang if they take longer than this: a
# bug that corrupts memory may do anything. A longer limit would cost time only if a mutant hangs that is not
# known to hang.
PYTEST_SECONDS = 240
# The tests of all mutants, which run beside the mutants: they took 100 to 170 seconds on two cores.
BASELINE_SECONDS = 900
HANG_SECONDS = 15  # for a mutant that is known to hang, in a test that takes seconds
STRESS_OF_SECOND_ATTEMPT = 20
PYTEST_FAILED = 1


class Unusable(Exception):
    """The layer gave no answer: it was not built, or did not run."""


@dataclass(frozen=True)
class Fate:
    mutant: Mutant
    killer: str  # what caught it; empty if it survived
    seconds: float  # from the start of the built layer to its end


def copy(folder: Path) -> Path:
    tree = folder / "tree"
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.pyd", ".*cache", ".hypothesis")
    for name in COPIED:
        source = TOP / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=ignored)
        else:
            shutil.copy(source, tree / name)
    return tree


@functools.cache
def objects_of(layer: Layer) -> Objects:
    """Return the objects that the layer links, compiled from the tree without a mutant."""
    folder = Path(tempfile.mkdtemp(prefix="atomicx-mutant-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if layer == "pytest":
        # Little optimization: it compiles fast, and the bugs show all the same.
        flags = ["-fPIC", "-std=c11", "-O1", "-fvisibility=hidden", f"-I{sysconfig.get_path('include')}"]
        command = [*core_run.compiler(), *flags, "-Icsrc/core", "-Icsrc/binding"]
        patterns = ["csrc/binding/*.c"]  # core.c includes the core
    else:
        flags = ["-std=c11", *shlex.split(core_run.EXPLORER_FLAGS, posix=False)]
        command = [*core_run.compiler(), *flags, "-Itests/core", "-Icsrc/core"]
        patterns = [*core_run.EXPLORER_SOURCES, "csrc/core/*.c"]
    objects = Objects(command, patterns, folder / "objects")
    objects.make(copy(folder), os.cpu_count() or 1)
    return objects


def run_pytest(tree: Path, changed: str, tests: list[str], seconds: float, stress: int) -> tuple[str, float]:
    extension = tree / "src/atomicx" / f"_core{sysconfig.get_config_var('EXT_SUFFIX')}"
    objects_of("pytest").link(tree, changed, extension, "-shared")
    environment = {
        **{name: value for name, value in os.environ.items() if name != "ATOMICX_PURE"},
        "PYTHONPATH": str(tree / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "ATOMICX_STRESS": str(stress),
    }
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    start = time.monotonic()
    # In its own process group: a test that hangs may have children.
    with subprocess.Popen(
        command,
        cwd=tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return f"{tests[0]}, which hangs", time.monotonic() - start
    took = time.monotonic() - start
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # children that the mutant left behind
    if process.returncode == 0:
        return "", took
    if process.returncode < 0:
        return f"a crash of the tests by signal {-process.returncode}", took
    # An error means that a fixture could not import the backend.
    failures = [line.split(" ", 1)[1] for line in said.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    if process.returncode != PYTEST_FAILED or not failures:
        raise Unusable(f"pytest ended with status {process.returncode}:\n{said[-3000:]}")
    return failures[0].split(" - ")[0], took


def run_explorer(tree: Path, changed: str, scripts: str) -> tuple[str, float]:
    explorer = tree / "explore"
    objects_of("explorer").link(tree, changed, explorer)
    start = time.monotonic()
    status, said = core_run.output_of(explorer, "--fail-fast", "--only", scripts)
    took = time.monotonic() - start
    if status == 0:
        return "", took
    if status < 0:
        return f"a crash of the explorer by signal {-status}", took
    failures = [line.removeprefix("FAILED ") for line in said.splitlines() if line.startswith("FAILED ")]
    if not failures:
        raise Unusable(f"the explorer ended with status {status}:\n{said[-3000:]}")
    return failures[0], took


def run_threads(tree: Path) -> tuple[str, float]:
    start = time.monotonic()
    try:
        core_run.threads(tree / "csrc/core", tree)
    except core_run.CheckFailed as failure:
        if "missed the planted race" in str(failure):
            raise Unusable(str(failure)) from None
        killer = "a data race" if core_run.RACE in str(failure) else str(failure).splitlines()[-1]
        return killer, time.monotonic() - start
    return "", time.monotonic() - start


def run_layer(
    layer: Layer, tree: Path, changed: str, tests: list[str], seconds: float = PYTEST_SECONDS, stress: int = 1
) -> tuple[str, float]:
    """Return what the layer found wrong in the tree ("" if nothing), and after how many seconds.

    `changed` is the file that has the mutant ("" if there is none). The tests are node ids for pytest, which
    has this many seconds for them, and for the explorer the beginnings of its scripts' names. Threads race
    for `stress` times as long as usual.
    """
    try:
        if layer == "explorer":
            return run_explorer(tree, changed, *tests)
        if layer == "threads":
            return run_threads(tree)
        return run_pytest(tree, changed, tests, seconds, stress)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        raise Unusable(str(error)) from None


def try_mutant(mutant: Mutant, stress: int = 1) -> Fate:
    with tempfile.TemporaryDirectory(prefix="atomicx-mutant-") as name:
        tree = copy(Path(name))
        file = tree / mutant.file
        file.write_text(mutant.planted(file.read_text()))
        limit = HANG_SECONDS if mutant.hangs else PYTEST_SECONDS
        killer, seconds = run_layer(mutant.layer, tree, mutant.file, list(mutant.tests), limit, stress)
    return Fate(mutant, killer, seconds)


def try_again(mutant: Mutant) -> Fate:
    """Try again, alone and for longer: tests of threads are samples, and mutants compete for the cores."""
    fate = try_mutant(mutant, STRESS_OF_SECOND_ATTEMPT)
    if fate.killer:
        print(f"FLAKY {mutant.name}: only a second attempt caught it, by {fate.killer}", flush=True)
    return fate


def check_baseline(layer: Layer, mutants: list[Mutant]) -> None:
    """Check that the layer finds nothing without a mutant; otherwise its findings would mean nothing."""
    tests = sorted({test for mutant in mutants if mutant.layer == layer for test in mutant.tests})
    tests = [""] if layer == "explorer" else tests
    with tempfile.TemporaryDirectory(prefix="atomicx-mutant-") as name:
        found, seconds = run_layer(layer, copy(Path(name)), "", tests, BASELINE_SECONDS)
    if found:
        raise Unusable(f"the layer {layer} fails without a mutant: {found}")
    print(f"baseline {layer}: nothing found in {seconds:.1f} s", flush=True)


def table(fates: list[Fate]) -> str:
    lines = [
        "# Mutants",
        "",
        "Generated by `python tests/mutants/gate.py --write` on a free-threaded CPython 3.13; do not edit.",
        "Each row is a bug that was planted in a copy of the sources, alone, and what caught it. The gate",
        "fails if one survives. Seconds: from the start of the layer, once built, to its first finding.",
        "",
        f"{len(fates)} mutants, {sum(not fate.killer for fate in fates)} survivors.",
        "",
        "| Mutant | File | Layer | Killed by | Seconds |",
        "|---|---|---|---|---|",
    ]
    for fate in fates:
        mutant = fate.mutant
        killer = fate.killer or "**survived**"
        killer = killer.replace("|", "\\|")
        lines.append(f"| {mutant.name} | `{mutant.file}` | {mutant.layer} | {killer} | {fate.seconds:.1f} |")
    return "\n".join([*lines, ""])


def named_in_table() -> list[str]:
    rows = [line for line in TABLE.read_text().splitlines() if line.startswith("| ") and "`" in line]
    return [row.split(" | ")[0].removeprefix("| ") for row in rows]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="only mutants whose name contains this text")
    parser.add_argument("--layer", choices=LAYERS, action="append", help="only this layer; may be repeated")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time (default: 2)")
    parser.add_argument("--write", action="store_true", help="write docs/mutants.md")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.write and (options.only or options.layer):
        parser.error("--write takes a run of all mutants")
    return options


def main() -> int:
    options = parse()
    layers: list[Layer] = options.layer or LAYERS
    chosen = [mutant for mutant in MUTANTS if mutant.layer in layers and options.only in mutant.name]
    try:
        for mutant in chosen:
            mutant.planted((TOP / mutant.file).read_text())
    except StaleMutant as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if not options.write and named_in_table() != [mutant.name for mutant in MUTANTS]:
        print(f"error: {TABLE.relative_to(TOP)} names other mutants, or in another order", file=sys.stderr)
        return 1
    if options.list:
        print("\n".join(f"{mutant.layer}: {mutant.name}" for mutant in chosen))
        return 0
    if not chosen:
        print("no mutant is chosen", file=sys.stderr)
        return 2
    layers = [layer for layer in LAYERS if any(mutant.layer == layer for mutant in chosen)]
    if "pytest" in layers and getattr(sys, "_is_gil_enabled", lambda: True)():
        print("the layer pytest needs a free-threaded interpreter", file=sys.stderr)
        return 2
    start = time.monotonic()
    fates: list[Fate] = []
    try:
        for layer in layers:
            if layer != "threads":
                objects_of(layer)  # with both cores, and before two jobs ask for them
        with ThreadPoolExecutor(options.jobs) as pool:
            baselines = [pool.submit(check_baseline, layer, chosen) for layer in layers]
            for fate in pool.map(try_mutant, chosen):
                fates.append(fate)
                killer = fate.killer or "SURVIVED"
                print(f"{fate.mutant.name}: {killer} ({fate.seconds:.1f} s)", flush=True)
            for baseline in baselines:
                baseline.result()
        fates = [fate if fate.killer else try_again(fate.mutant) for fate in fates]
    except Unusable as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    survivors = sum(not fate.killer for fate in fates)
    print(f"{len(fates)} mutants, {survivors} survivors, {time.monotonic() - start:.0f} s")
    if options.write:
        TABLE.write_text(table(fates))
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
