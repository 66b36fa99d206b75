"""Builds and loads floor.c for this interpreter, and provides the floors as cases."""

import atexit
import functools
import importlib.util
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from atomicx.bench.harness import Case

SOURCE = Path(__file__).with_name("floor.c")
SUBJECT = "floor"
NOTHING = "nothing()"

BUILD = """
import sys
from setuptools import Extension, setup
source, target = sys.argv[1:]
flags = ["/std:c11", "/experimental:c11atomics"] if sys.platform == "win32" else ["-std=c11"]
setup(
    name="floor",
    ext_modules=[Extension("floor", [source], extra_compile_args=flags)],
    script_args=["--quiet", "build_ext", "--build-lib", target, "--build-temp", target],
)
"""


def built(folder: Path) -> Path:
    """Build the extension in this folder, and return its path. Needs setuptools and a C compiler."""
    # The compiler and the flags are those of the interpreter, as for atomicx itself.
    command = [sys.executable, "-c", BUILD, str(SOURCE), str(folder)]
    subprocess.run(command, cwd=folder, check=True, env=os.environ | {"PYTHONWARNINGS": ""})
    (path,) = (path for pattern in ("floor*.so", "floor*.pyd") for path in folder.glob(pattern))
    return path


def load(path: Path) -> ModuleType:
    """Load the module at this path."""
    spec = importlib.util.spec_from_file_location("floor", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def floor_module() -> ModuleType:
    """Build and load floor.c, in a folder that is removed when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="atomicx-floor-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return load(built(folder))


def floor_cases(module: ModuleType) -> list[Case]:
    """Return one case for each calling convention and kind of result."""
    new = module.Floor

    def case(label: str, statement: str) -> Case:
        return Case(SUBJECT, ("floor",), label, (statement,), lambda: {"cell": new()})

    return [
        case(NOTHING, "cell.nothing()"),
        case("one(1)", "cell.one(1)"),
        case("many(1)", "cell.many(1)"),
        case("many(0, 1)", "cell.many(0, 1)"),
        case("fresh int()", "cell.fresh_int()"),
        case("fresh int(1)", "cell.fresh_int(1)"),
        case("fresh float()", "cell.fresh_float()"),
        case("with an empty guard", "with cell: pass"),
        case("with a new empty guard", "with cell.guard(): pass"),
    ]


# The turns of a loop in C, without bytecode between two operations.
TURNS = 10_000


def line_cases(module: ModuleType) -> list[Case]:
    """Return cases of atomic additions by a loop in C, with the GIL released."""
    new = module.Line

    def case(label: str, method: str) -> Case:
        statement = f"cell.{method}({TURNS})"
        return Case(SUBJECT, (label,), label, (statement,), lambda: {"cell": new()}, operations=TURNS)

    return [case("bare loop of atomic adds", "add"), case("bare loop of compare-and-swaps", "swap")]


def looped(case: Case, method: str, *arguments: object) -> Case:
    """Return the case with its method called by a loop in C, without bytecode between two calls.

    Each thread puts the arguments into a tuple of its own. `repeat` counts a reference to it in every turn,
    and threads that share a cell would contend for that count too.
    """
    make: Callable[[], dict[str, Any]] = case.make

    def objects() -> dict[str, Any]:
        cell = make()["cell"]
        return {
            "method": getattr(cell, method),
            "arguments": arguments,
            "starmap": itertools.starmap,
            "repeat": itertools.repeat,
            "deque": deque,
        }

    return Case(
        case.subject,
        tuple(f"{job} looped" for job in case.jobs),
        f"{case.label}, loop in C",
        (f"deque(starmap(method, repeat((*arguments,), {TURNS})), 0)",),
        objects,
        floor=case.floor and f"{case.floor}, loop in C",
        operations=TURNS,
    )
