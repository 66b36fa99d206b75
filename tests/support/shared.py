"""Shared by the tests of shared cells: how they make cells and processes."""

import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

CHILD_SECONDS = 60


def shared(cell_type: Any, value: Any = 0) -> Any:
    """Return a cell of a shared type over eight bytes that nothing else uses."""
    cell = cell_type(bytearray(8))
    cell.store(value)
    return cell


def plain_fork() -> int:
    """Call os.fork without its warning about threads, which can be an error since 3.15.

    faulthandler watches for hangs in a thread, which that warning counts.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*multi-threaded", DeprecationWarning)
        return os.fork()


def fork(function: Callable[[], None]) -> int:
    """Start a child process that runs the function and ends, with status 0 if it returned. Return its id."""
    child = plain_fork()
    if child:
        return child
    status = 1
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(CHILD_SECONDS)  # the alarm ends a child that hangs, and its status shows it
        function()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def status_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def maker(backend: Any, type_name: str) -> Callable[[], Any]:
    """Return a maker of cells of this type that hold 0, shared or not."""
    cell_type = getattr(backend, type_name)
    return (lambda: shared(cell_type)) if type_name.startswith("Shared") else cell_type


@contextmanager
def ends_within(seconds: int) -> Iterator[None]:
    """Interrupt what would wait for ever, so that it fails."""

    def interrupt(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
