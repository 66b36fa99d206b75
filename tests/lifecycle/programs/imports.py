"""Importing atomicx: the GIL stays off, and a second import shares nothing with the first."""

import gc
import importlib
import sys
import threading
import weakref
from types import ModuleType

from support.cells import Cells
from support.child import program
from support.race import GIL

AGAIN = 30


def with_the_gil(backend: str) -> str | None:
    return "this build has the GIL, so importing cannot switch it on" if GIL else None


@program(unless=with_the_gil)
def the_gil_stays_off(module: ModuleType) -> None:
    assert not sys._is_gil_enabled()


def import_again(name: str) -> ModuleType:
    for loaded in [loaded for loaded in sys.modules if loaded.partition(".")[0] == "atomicx"]:
        del sys.modules[loaded]
    return importlib.import_module(name)


@program()
def a_second_import_is_independent(module: ModuleType) -> None:
    cells = Cells(module)
    for _ in range(AGAIN):
        again = import_again(module.__name__)
        assert again is not module
        for name in ("AtomicInt", "AtomicFloat", "AtomicBool", "AtomicRef", "Counter"):
            assert getattr(again, name) is not getattr(module, name), name
            assert not isinstance(getattr(again, name)(), getattr(module, name)), name
        others = Cells(again)
        others.beat()
        others.check(1)
        cells.beat()
    cells.check(AGAIN)


@program()
def a_module_that_nobody_uses_is_freed(module: ModuleType) -> None:
    gc.disable()  # the collection below has to be the only one: once the cell is gone, nothing holds its type
    again = import_again(module.__name__)
    watchers = [weakref.ref(again.AtomicInt), weakref.ref(again.AtomicRef), weakref.ref(again.Counter)]
    cell = again.AtomicRef()
    cell.store(cell)
    del again, cell
    import_again(module.__name__)
    gc.collect()
    assert [watcher() for watcher in watchers] == [None] * 3


@program()
def cells_outlive_their_module(module: ModuleType) -> None:
    cells = Cells(import_again(module.__name__))
    import_again(module.__name__)
    gc.collect()
    cells.beat()
    cells.check(1)


@program()
def threads_import_at_once(module: ModuleType) -> None:
    for loaded in [loaded for loaded in sys.modules if loaded.partition(".")[0] == "atomicx"]:
        del sys.modules[loaded]
    found = []

    def load() -> None:
        again = importlib.import_module(module.__name__)
        cells = Cells(again)
        cells.beat()
        cells.check(1)
        found.append(again)

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(map(id, found))) == 1
