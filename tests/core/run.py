"""Builds and runs the checks of the C core as shipped; a front door for people, tests and the mutant gate.

    python tests/core/run.py explore [--deep] [--only TEXT] [--self-test]
    python tests/core/run.py threads          the core under ThreadSanitizer, and its planted race
    python tests/core/run.py table            the table compared with a list, under AddressSanitizer
    python tests/core/run.py sections         the table in churn, and in processes that fork
    python tests/core/run.py bounds [SCALE]   the bounds of exponential buckets, by Python's integers
    python tests/core/run.py herd [OUTPUT]    the litmus tests under RC11, by herd7; or judge its output
    python tests/core/run.py machine [--flags FLAGS] [--under COMMAND]
                                              the backend and the core under threads, compiled by
                                              $CC with FLAGS, run by COMMAND: an emulator

Each ends with status 0 if it passed. `--core FOLDER` takes the sources of the core from another folder.
"""

import argparse
import array
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORE = HERE.parent.parent / "csrc" / "core"
LITMUS = HERE / "litmus"

WARNINGS = "-Wall -Wextra -Wshadow -Wstrict-prototypes -Wno-missing-field-initializers"
# Fibers jump between stacks, which the checks of _FORTIFY_SOURCE mistake for an error.
EXPLORER_FLAGS = (
    '-O1 -g -U_FORTIFY_SOURCE -DAX_CHECKED=1 -DAX_ATOMIC_BACKEND="ax_atomic_explorer.h" -DAX_SECTION_SLOTS=2'
)
EXPLORER_SOURCES = [
    "tests/core/ex*.c",
    "tests/core/subject*.c",
    "tests/core/objects.c",
    "tests/core/memory.c",
]
HAMMER_FLAGS = "-O1 -g -pthread -fsanitize=thread"
TABLE_FLAGS = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover"
TABLE_SEEDS = 2
MACHINE_FLAGS = "-O2 -pthread"
HAMMER_SECONDS = 120
CHECKS = ["explore", "threads", "table", "sections", "bounds", "herd", "machine"]
RACE = "WARNING: ThreadSanitizer: data race"


class CheckFailed(Exception):
    """A check of the core did not pass; the message says which and why."""


def compiler() -> list[str]:
    """Return the C compiler: $CC, or the system's. Raises RuntimeError if there is none."""
    for name in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        command = shlex.split(name)
        if command and shutil.which(command[0]):
            return command
    raise RuntimeError("there is no C compiler: set CC, or install gcc or clang")


def compile_c(core: Path, target: Path, sources: list[Path], flags: str) -> Path:
    command = [*compiler(), "-std=c11", *WARNINGS.split(), *shlex.split(flags, posix=False)]
    command += [f"-I{HERE}", f"-I{core}", *map(str, sources), "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{target.name} did not compile:\n{done.stderr}")
    return target


def build_explorer(core: Path, folder: Path) -> Path:
    sources = [path for pattern in EXPLORER_SOURCES for path in HERE.parent.parent.glob(pattern)]
    return compile_c(core, folder / "explore", [*sources, *core.glob("*.c")], EXPLORER_FLAGS)


def build_threads(core: Path, folder: Path, name: str, flags: str) -> Path:
    return compile_c(core, folder / name, [HERE / f"{name}.c", *core.glob("*.c")], flags)


def output_of(*command: str | Path) -> tuple[int, str]:
    done = subprocess.run(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=HAMMER_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout


def threads(core: Path, folder: Path) -> str:
    """Run the core under ThreadSanitizer. It must be silent there, and see the planted race."""
    hammer = build_threads(core, folder, "hammer", HAMMER_FLAGS)
    _, planted = output_of(hammer, "--planted")
    if RACE not in planted:
        raise CheckFailed(
            f"ThreadSanitizer missed the planted race, so its silence means nothing:\n{planted}"
        )
    lines = ""
    for program in (hammer, build_threads(core, folder, "table_threads", HAMMER_FLAGS)):
        status, said = output_of(program)
        if status or RACE in said:
            raise CheckFailed(f"{program.name}, status {status}:\n{said}")
        lines += said
    return f"{lines}the planted race was reported\n"


def table(core: Path, folder: Path) -> str:
    """Compare the table with a list, with the GIL's promise and without it."""
    lines = ""
    for serialized in (0, 1):
        flags = f"{TABLE_FLAGS} -DAX_SERIALIZED={serialized}"
        program = compile_c(core, folder / f"table{serialized}", [HERE / "table.c", *core.glob("*.c")], flags)
        for seed in range(TABLE_SEEDS):
            status, said = output_of(program, str(seed))
            if status:
                raise CheckFailed(f"{program.name}, status {status}:\n{said}")
            lines += said
    return lines


def sections(core: Path, folder: Path) -> str:
    """Run the table under churn, and in processes that fork. There it must fail without its fork handler."""
    lines = ""
    program = build_threads(core, folder, "table_threads", MACHINE_FLAGS)
    for mode in ("--churn", "--fork"):
        status, said = output_of(program, mode)
        if status:
            raise CheckFailed(f"{program.name} {mode}, status {status}:\n{said}")
        lines += said
    status, said = output_of(program, "--fork-unforgotten")
    if status != 1 or "sections of threads that do not exist held up memory" not in said:
        raise CheckFailed(f"no fork found a thread in its section, status {status}:\n{said}")
    return f"{lines}without ax_sections_forget, memory was held up, as it has to be\n"


def bounds_of(scale: int) -> list[int]:
    """Return what `bounds SCALE` has to write: the bounds up to 2, less 1, times 2**52; or that of 2**k."""
    if scale <= 0:
        return [1 << -scale << 52]
    precision = 256  # each step is too small by less than 2**-255, and there are fewer than 64 of them
    root, roots = 2 << precision, []
    for _ in range(scale):
        root = math.isqrt(root << precision)
        roots.append(root)
    exact = [1 << precision]
    for root in reversed(roots):
        exact += [bound * root >> precision for bound in exact]
    unsure = 1 << (precision - 200)
    if any(bound << 52 & ((1 << precision) - 1) > (1 << precision) - (unsure << 52) for bound in exact):
        raise RuntimeError("a bound is too close to an integer to round it down")
    return [*((bound >> (precision - 52)) - (1 << 52) for bound in exact[1:]), 1 << 52]


def bounds(core: Path, folder: Path, scales: Sequence[int]) -> str:
    """Compare the bounds of exponential buckets with those that Python's integers give, and the indexes."""
    sources = [HERE / "bounds.c", core / "ax_buckets.c", core / "ax_stripe.c"]
    program = compile_c(core, folder / "bounds", sources, "-O2 -DAX_CHECKED=1")
    lines = ""
    for scale in scales:
        done = subprocess.run([program, str(scale)], capture_output=True, check=False)
        if done.returncode:
            raise CheckFailed(f"bounds {scale}, status {done.returncode}: {done.stderr.decode()}")
        if array.array("Q", done.stdout).tolist() != bounds_of(scale):
            raise CheckFailed(f"bounds {scale}: not all are rounded down from what Python's integers give")
        lines += f"{len(done.stdout) // 8} bounds of scale {scale} are exact\n"
    return lines


def machine(core: Path, folder: Path, flags: str, under: str) -> str:
    """Run the backend and the core under threads, maybe for another machine; first split additions."""
    flags = f"{MACHINE_FLAGS} {flags}"
    backend = compile_c(core, folder / "backend", [HERE / "backend.c"], flags)
    hammer = build_threads(core, folder, "hammer", flags)
    table_threads = build_threads(core, folder, "table_threads", flags)
    emulator = shlex.split(under)
    status, said = output_of(*emulator, backend, "--split")
    if status != 1 or "a split addition was lost" not in said:
        raise CheckFailed(f"threads did not get between a load and a store, status {status}:\n{said}")
    lines = "a split addition was lost, as it has to be\n"
    for program in (backend, hammer, table_threads):
        status, said = output_of(*emulator, program)
        if status or RACE in said:
            raise CheckFailed(f"{program.name}, status {status}:\n{said}")
        lines += said
    return lines


def run_herd() -> str:
    if shutil.which("herd7") is None:
        raise RuntimeError("there is no herd7: install herdtools7")
    files = sorted(map(str, LITMUS.glob("*.litmus")))
    return subprocess.run(
        ["herd7", "-model", "rc11.cat", *files], stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def judge_herd(output: str) -> str:
    """Check that each ordered outcome never happens, and that the same with a weaker order sometimes does."""
    observed = dict(re.findall(r"^Observation (\S+) (\w+)", output, re.MULTILINE))
    expected = {
        path.stem: "Never" if path.stem.endswith("-ordered") else "Sometimes"
        for path in LITMUS.glob("*.litmus")
    }
    lines = [f"{name}: {observed.get(name)}, expected {expected[name]}\n" for name in sorted(expected)]
    if observed != expected:
        raise CheckFailed(f"other outcomes than expected:\n{''.join(lines)}")
    return "".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("check", choices=CHECKS)
    parser.add_argument(
        "output", nargs="?", help="herd: what herd7 printed, run elsewhere; bounds: one scale, not all"
    )
    parser.add_argument("--core", type=Path, default=CORE)
    parser.add_argument("--flags", default="", help="machine: further flags for the compiler")
    parser.add_argument("--under", default="", help="machine: the command that runs the programs")
    options, rest = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            if options.check == "explore":
                explorer = build_explorer(options.core, Path(folder))
                return subprocess.run([explorer, *rest], check=False).returncode
            if rest:
                parser.error(f"unknown arguments: {' '.join(rest)}")
            checks = {"threads": threads, "table": table, "sections": sections}
            if options.check in checks:
                print(checks[options.check](options.core, Path(folder)), end="")
            elif options.check == "bounds":
                scales = [int(options.output)] if options.output else range(-10, 21)
                print(bounds(options.core, Path(folder), scales), end="")
            elif options.check == "machine":
                print(machine(options.core, Path(folder), options.flags, options.under), end="")
            else:
                print(judge_herd(Path(options.output).read_text() if options.output else run_herd()), end="")
        except CheckFailed as failure:
            print(f"FAILED {options.check}: {failure}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
