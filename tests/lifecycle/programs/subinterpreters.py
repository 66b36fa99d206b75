"""Subinterpreters, made and destroyed repeatedly, each with its own types and cells."""

import importlib.util
import sys
import threading
import time
from types import ModuleType
from typing import Any

from support.child import program

MADE = 10
AT_ONCE = 2

# Runs inside each interpreter; {name} is the module under test.
INSIDE = """
import threading, {name} as module
from support.cells import Cells, Hammer
cells = Cells(module)
for _ in range(100):
    cells.beat()
threads = [threading.Thread(target=cells.beat) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
cells.check(102)
# Left behind for the end of the interpreter: a cycle, and something to release.
cells.reference.store([cells, cells.reference])
"""


def private_module() -> Any:
    """Return this version's functions for making interpreters, which are public only since 3.14."""
    for name in ("_interpreters", "_xxsubinterpreters"):
        if importlib.util.find_spec(name) is not None:
            return importlib.import_module(name)
    return None


INTERPRETERS = private_module()


def without_interpreters(backend: str) -> str | None:
    return "this Python has no module that makes interpreters" if INTERPRETERS is None else None


def without_own_gil(backend: str) -> str | None:
    if sys.version_info < (3, 12):
        return "before 3.12 all interpreters share one GIL"
    return without_interpreters(backend)


def without_own_gil_at_once(backend: str) -> str | None:
    if sys.version_info[:2] == (3, 12):
        return "3.12 itself corrupts memory when two threads make interpreters at once, whatever runs in them"
    return without_own_gil(backend)


def create(own_gil: bool) -> Any:
    if INTERPRETERS.__name__ == "_interpreters":
        return INTERPRETERS.create("isolated" if own_gil else "legacy")
    return INTERPRETERS.create(isolated=own_gil)


def run(interpreter: Any, source: str) -> None:
    # Older versions raise; newer ones return the exception.
    failure = INTERPRETERS.run_string(interpreter, source)
    assert failure is None, failure.formatted


def live_and_die(own_gil: bool, name: str) -> None:
    interpreter = create(own_gil)
    try:
        run(interpreter, INSIDE.format(name=name))
    finally:
        INTERPRETERS.destroy(interpreter)


@program(unless=without_own_gil)
def with_a_gil_of_their_own(module: ModuleType) -> None:
    for _ in range(MADE):
        live_and_die(True, module.__name__)


@program(unless=without_own_gil_at_once)
def with_a_gil_of_their_own_at_once(module: ModuleType) -> None:
    """Interpreters run truly in parallel, while the main one uses its own cells."""
    finished = []

    def act() -> None:
        for _ in range(MADE // AT_ONCE):
            live_and_die(True, module.__name__)
            finished.append(None)

    threads = [threading.Thread(target=act) for _ in range(AT_ONCE)]
    cell = module.AtomicInt()
    beats = 0
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        cell.inc()
        beats += 1
        time.sleep(0)
    for thread in threads:
        thread.join()
    assert len(finished) == AT_ONCE * (MADE // AT_ONCE)
    assert cell.load() == beats


@program(unless=without_interpreters)
def with_the_shared_gil(module: ModuleType) -> None:
    for _ in range(MADE):
        live_and_die(False, module.__name__)


@program(unless=without_interpreters)
def several_live_together(module: ModuleType) -> None:
    interpreters = [create(own_gil=False) for _ in range(AT_ONCE)]
    for _ in range(3):
        for interpreter in interpreters:
            run(interpreter, INSIDE.format(name=module.__name__))
    for interpreter in interpreters:
        INTERPRETERS.destroy(interpreter)
