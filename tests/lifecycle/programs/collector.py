"""Garbage collection callbacks, finalizers and weak reference callbacks that use the cells already in use."""

import gc
import threading
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

from support.cells import Cells
from support.child import program

BEATS = 3000


class Trash:
    """A cycle, so that only the collector frees it."""

    def __init__(self, at_end: Callable[[], None]) -> None:
        self.cycle = self
        self.at_end = at_end

    def __del__(self) -> None:
        self.at_end()


class Tally:
    """Beats the cells, and counts how often. The collector may run in any thread, or within itself."""

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        self.beats: list[None] = []

    def __call__(self, *_: object) -> None:
        self.cells.beat()
        self.beats.append(None)


@program()
def callbacks_use_the_cells(module: ModuleType) -> None:
    cells = Cells(module)
    tally = Tally(cells)
    gc.callbacks.append(tally)
    gc.set_threshold(10)
    kept = []
    for _ in range(BEATS):
        cells.beat()
        kept.append([])
        # Creating a cell is an allocation that the collector sees, so it may start inside.
        module.AtomicRef(kept)
    gc.collect()
    gc.callbacks.remove(tally)
    assert len(tally.beats) > 2, "the collector never ran in between"
    cells.check(BEATS + len(tally.beats))


@program()
def finalizers_use_the_cells(module: ModuleType) -> None:
    cells = Cells(module)
    tally = Tally(cells)
    gc.set_threshold(10)
    for _ in range(BEATS):
        Trash(tally)
        cells.beat()
    gc.collect()
    assert len(tally.beats) == BEATS
    cells.check(2 * BEATS)


@program()
def weak_reference_callbacks_use_the_cells(module: ModuleType) -> None:
    cells = Cells(module)
    tally = Tally(cells)
    gc.set_threshold(10)
    watchers = []
    for _ in range(BEATS):
        trash = Trash(lambda: None)
        watchers.append(weakref.ref(trash, tally))
        del trash
        cells.beat()
    gc.collect()
    assert len(tally.beats) == BEATS
    cells.check(2 * BEATS)


@program()
def threads_collect_while_threads_count(module: ModuleType) -> None:
    cells = Cells(module)
    tally = Tally(cells)

    def count() -> None:
        for _ in range(BEATS // 10):
            Trash(tally)
            cells.beat()

    def collect() -> None:
        while any(thread.is_alive() for thread in counting):
            gc.collect()

    counting = [threading.Thread(target=count) for _ in range(3)]
    for thread in counting:
        thread.start()
    collect()
    for thread in counting:
        thread.join()
    gc.collect()
    assert len(tally.beats) == 3 * (BEATS // 10)
    cells.check(2 * len(tally.beats))


class Successor:
    """When it dies, it puts another of its kind into the cell that released it, while the budget lasts."""

    def __init__(self, act: Callable[["Successor"], Any], budget: list[None], log: list[str]) -> None:
        self.act = act
        self.budget = budget
        self.log = log
        log.append("made")

    def __del__(self) -> None:
        self.log.append("dead")
        if self.budget:
            self.budget.pop()
            self.act(Successor(self.act, self.budget, self.log))


@program()
def a_replaced_object_uses_the_reference_that_dropped_it(module: ModuleType) -> None:
    cell = module.AtomicRef()

    def swap(successor: Successor) -> None:
        while not cell.compare_and_set(cell.load(), successor):
            pass

    def witness(successor: Successor) -> None:
        while cell.compare_exchange(before := cell.load(), successor) is not before:
            pass

    acts: list[Callable[[Successor], Any]] = [
        cell.store,
        cell.exchange,
        cell.__init__,
        swap,
        witness,
        lambda successor: cell.update(lambda _: successor),
        lambda successor: cell.fetch_update(lambda _: successor),
    ]
    for act in acts:
        log: list[str] = []
        budget: list[None] = [None] * 50
        cell.store(Successor(act, budget, log))
        act(Successor(act, budget, log))
        cell.store(None)
        assert not budget and cell.load() is None
        assert log.count("made") == log.count("dead") == 52, log


@program()
def a_weak_reference_callback_uses_the_reference_that_dropped_it(module: ModuleType) -> None:
    cell = module.AtomicRef()
    called = []

    class Watched:
        pass

    def callback(_: object) -> None:
        called.append(None)
        while not cell.compare_and_set(now := cell.load(), now):
            pass
        cell.exchange(cell.load())

    watchers = []
    for _ in range(BEATS):
        watched = Watched()
        watchers.append(weakref.ref(watched, callback))
        cell.store(watched)
        del watched
    cell.store(None)
    assert len(called) == BEATS


@program()
def a_dying_cell_is_used_by_what_it_drops(module: ModuleType) -> None:
    """The cell loses its last reference; then its object dies, and reaches for it by a weak reference."""
    dead = []

    class Last:
        def __init__(self, cell: Any) -> None:
            self.cell = weakref.ref(cell)

        def __del__(self) -> None:
            dead.append(self.cell())

    for _ in range(BEATS):
        cell = module.AtomicRef()
        cell.store(Last(cell))
        del cell
    assert dead == [None] * BEATS


@program()
def threads_drop_objects_that_use_the_reference(module: ModuleType) -> None:
    cell = module.AtomicRef()
    dead = module.AtomicInt()

    class Mortal:
        def __del__(self) -> None:
            cell.load()
            cell.compare_and_set(self, None)
            dead.inc()

    def store() -> None:
        for _ in range(BEATS):
            cell.store(Mortal())

    threads = [threading.Thread(target=store) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cell.store(None)
    assert dead.load() == 3 * BEATS, dead.load()
