"""The end of cells. A cell that the collector has cleared can still be found and loaded: it holds None, not
nothing. A long chain of cells, one inside the other, is released without deep recursion.
"""

import gc
import threading
from contextlib import suppress
from types import ModuleType
from typing import Any

# A twin that was cleared has lost its attributes, like any object of a Python class.
CLEARED_TWIN = AttributeError
CHAIN = 100_000
STACK_BYTES = 1024 * 1024


class Late:
    """Made by a finalizer, so it dies while the collector clears, and looks around then."""

    def __init__(self, base: type, loaded: list[Any]) -> None:
        self.base = base
        self.loaded = loaded

    def __del__(self) -> None:
        # It must not refer to the cell, which would then stay alive; the collector's own list finds it.
        for thing in gc.get_objects():
            if type(thing) is self.base:
                with suppress(CLEARED_TWIN):
                    self.loaded.append(thing.load())


class Early:
    """Part of the garbage: its finalizer runs before anything is cleared."""

    def __init__(self, cell: Any, loaded: list[Any]) -> None:
        self.cell = cell
        self.loaded = loaded

    def __del__(self) -> None:
        self.cell.store(Late(type(self.cell), self.loaded))


def test_a_cleared_cell_still_loads(backend: ModuleType) -> None:
    class Mine(backend.AtomicRef):  # type: ignore[misc, name-defined]
        """A type of its own, so that only this test's cell is found."""

    loaded: list[Any] = []
    cell = Mine()
    cell.early = Early(cell, loaded)
    del cell
    gc.collect()
    gc.collect()
    # If the collector hides what it is clearing, nothing is found.
    assert all(thing is None or isinstance(thing, Late) for thing in loaded)


def test_a_long_chain_of_cells_is_released(backend: ModuleType) -> None:
    """Recursion of this depth would overflow the small stack of the thread, and end the process."""

    def release() -> None:
        chain = None
        for _ in range(CHAIN):
            chain = backend.AtomicRef(chain)
        del chain

    before = threading.stack_size(STACK_BYTES)
    try:
        thread = threading.Thread(target=release)
        thread.start()
    finally:
        threading.stack_size(before)
    thread.join()
