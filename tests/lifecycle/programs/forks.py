"""Fork while threads use the cells: only the forking thread lives on in the child, and it keeps counting."""

import os
import signal
import sys
import threading
import traceback
from types import ModuleType

from support.cells import Cells, Hammer
from support.child import program
from support.race import GIL, hasty_switching

FORKS = 25
BEATS = 50
CHILD_SECONDS = 60
# CPython warns about every fork in a process with threads, whatever they do.
FORK_WARNING = ":This process:DeprecationWarning"


def without_fork(backend: str) -> str | None:
    if not hasattr(os, "fork"):
        return f"{sys.platform} has no fork"
    if not GIL and backend.endswith("_reference"):
        return "without the GIL the twin stands on the dict's lock, and is documented as not safe in a fork"
    return None


def count_on(cells: Cells) -> None:
    """In the child the counts are exact, from what it found, first alone and then with threads."""
    before = cells.loads()
    for _ in range(BEATS):
        cells.beat()
    threads = [threading.Thread(target=cells.beat) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    after = cells.loads()
    expected = {name: value + BEATS + 2 for name, value in before.items()}
    assert after == expected, f"{before} became {after}"
    drained = cells.counter.drain()
    assert drained == after["counter"] and cells.counter.load() == 0


def status_of_a_child(cells: Cells) -> int:
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    # An alarm ends a child that hangs, and its status shows it.
    signal.alarm(CHILD_SECONDS)
    status = 1
    try:
        count_on(cells)
        status = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


@program(unless=without_fork, ignored_warnings=(FORK_WARNING,))
def children_count_on(module: ModuleType) -> None:
    cells = Cells(module)
    with hasty_switching(), Hammer(cells, threads=3) as hammer:
        for _ in range(FORKS):
            status = status_of_a_child(cells)
            assert status == 0, f"a child ended with {status}"
    cells.check(sum(hammer.beats))


@program(unless=without_fork, ignored_warnings=(FORK_WARNING,))
def children_of_threads_count_on(module: ModuleType) -> None:
    """The forking thread becomes the child's main thread, and must keep its own stripe."""
    cells = Cells(module)
    statuses = []

    def fork() -> None:
        for _ in range(10):
            cells.beat()
            statuses.append(status_of_a_child(cells))

    with Hammer(cells, threads=1) as hammer:
        threads = [threading.Thread(target=fork) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == [0] * 20, statuses
    cells.check(sum(hammer.beats) + 20)
