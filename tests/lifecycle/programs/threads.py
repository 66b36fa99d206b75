"""Thousands of threads that start and end, and threads that are still running when the interpreter ends."""

import atexit
import threading
import time
from types import ModuleType

from support.cells import Cells, Hammer
from support.child import program

BORN = 3000
AT_ONCE = 20


@program()
def thousands_are_born_and_gone(module: ModuleType) -> None:
    cells = Cells(module)
    for _ in range(0, BORN, AT_ONCE):
        threads = [threading.Thread(target=cells.beat) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    cells.check(BORN)


@program()
def what_a_thread_leaves_behind_uses_the_cells(module: ModuleType) -> None:
    """Thread-local objects die when most of their thread is already gone."""
    cells = Cells(module)
    local = threading.local()

    class Last:
        def __del__(self) -> None:
            cells.beat()

    def count() -> None:
        local.last = Last()
        cells.beat()

    for _ in range(0, BORN // 10, AT_ONCE):
        threads = [threading.Thread(target=count) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    cells.check(2 * (BORN // 10))


@program()
def daemons_count_while_the_interpreter_ends(module: ModuleType) -> None:
    cells = Cells(module)
    hammer = Hammer(cells, threads=4, daemon=True)
    hammer.__enter__()
    time.sleep(0.1)
    atexit.register(cells.beat)


LEFT_BEHIND = []


@program()
def cells_outlive_their_module_at_the_end(module: ModuleType) -> None:
    """Module globals are cleared in an unspecified order, and finalizers still use the cells then."""

    class Last:
        def __init__(self) -> None:
            self.cells = Cells(module)
            self.reference = module.AtomicRef(self)

        def __del__(self) -> None:
            self.cells.beat()
            self.cells.check(1)
            self.reference.store(None)

    LEFT_BEHIND.append(Last())
