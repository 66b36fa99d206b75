"""Programs: functions that run in an interpreter of their own and have to end it in good order.

A program takes the module under test. It fails if it raises, if the process ends with a status other than 0,
if anything at all is written to standard error, or if it never ends.
"""

import faulthandler
import importlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import atomicx
from support.native import DIRECTORY, directory

TESTS = Path(__file__).parent.parent
PACKAGE = Path(atomicx.__file__).parent.parent
HANG_SECONDS = 300
FINISHED = "finished"


@dataclass(frozen=True)
class ChildProgram:
    function: Callable[[ModuleType], None]
    # Returns the reason why this program cannot run on a backend here, or None.
    unless: Callable[[str], str | None]
    # Development mode checks the heap, but also slows everything down.
    dev: bool
    ignored_warnings: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.function.__module__.rpartition('.')[2]}.{self.function.__name__}"


def always(backend: str) -> None:
    return None


def program(
    unless: Callable[[str], str | None] = always, dev: bool = True, ignored_warnings: tuple[str, ...] = ()
) -> Callable[[Callable[[ModuleType], None]], ChildProgram]:
    def decorate(function: Callable[[ModuleType], None]) -> ChildProgram:
        return ChildProgram(function, unless, dev, ignored_warnings)

    return decorate


def programs(module_name: str) -> list[ChildProgram]:
    module = importlib.import_module(module_name)
    return [value for value in vars(module).values() if isinstance(value, ChildProgram)]


def run(what: ChildProgram, backend: str) -> None:
    """Run a program in a process of its own, and assert that it ended well."""
    command = [sys.executable, *(["-X", "dev"] if what.dev else []), "-W", "error"]
    for warning in what.ignored_warnings:
        command += ["-W", f"ignore{warning}"]
    command += ["-m", "support.child", what.function.__module__, what.function.__name__, backend]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(TESTS), str(PACKAGE)]),
        "ATOMICX_PURE": "0" if backend.endswith("_core") else "1",
        DIRECTORY: directory(),
    }
    # A report about a broken heap may contain bytes of it, which need not be text.
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        errors="backslashreplace",
        timeout=2 * HANG_SECONDS,
        check=False,
    )
    # On one line, since the summary of a test run shows no more than the first.
    assert (done.returncode, done.stderr) == (0, ""), f"status {done.returncode}, {done.stderr[-4000:]!r}"
    assert done.stdout == f"{FINISHED}\n", f"the program did not come to its end: {done.stdout!r}"


def main(module_name: str, program_name: str, backend: str) -> None:
    faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
    what = getattr(importlib.import_module(module_name), program_name)
    what.function(importlib.import_module(backend))
    faulthandler.cancel_dump_traceback_later()
    print(FINISHED, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
