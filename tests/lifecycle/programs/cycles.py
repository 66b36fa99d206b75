"""Cycles through cells are collected; threads may read while the collector clears."""

import ctypes
import gc
import threading
import weakref
from contextlib import suppress
from types import ModuleType
from typing import Any

from support.child import program

NUMBERS = ["AtomicInt", "AtomicFloat", "AtomicBool", "Counter"]


class Plain:
    pass


@program()
def cycles_through_a_reference_are_collected(module: ModuleType) -> None:
    class Sub(module.AtomicRef):  # type: ignore[name-defined, misc]
        pass

    def itself() -> Any:
        cell = module.AtomicRef()
        cell.store(cell)
        return cell

    def through_a_list() -> Any:
        cell = module.AtomicRef()
        cell.store([cell])
        return cell

    def through_another() -> Any:
        cell, other = module.AtomicRef(), module.AtomicRef()
        cell.store(other)
        other.store(cell)
        return cell

    def through_its_method() -> Any:
        cell = module.AtomicRef()
        cell.store(cell.load)
        return cell

    def through_an_attribute() -> Any:
        cell = Sub()
        cell.me = cell
        return cell

    def subclass_itself() -> Any:
        cell = Sub()
        cell.store(cell)
        return cell

    for make in (
        itself, through_a_list, through_another, through_its_method, through_an_attribute, subclass_itself
    ):  # fmt: skip
        watcher = weakref.ref(make())
        gc.collect()
        assert watcher() is None, make.__name__


@program()
def cycles_through_subclasses_of_numbers_are_collected(module: ModuleType) -> None:
    for name in NUMBERS:
        base = getattr(module, name)

        class Sub(base):  # type: ignore[misc, valid-type]
            pass

        cell = Sub()
        cell.me = cell
        watcher = weakref.ref(cell)
        type_watcher = weakref.ref(Sub)
        del cell
        gc.collect()
        assert watcher() is None, name
        del Sub
        gc.collect()
        assert type_watcher() is None, f"the type of {name}'s subclass"


@program()
def cycles_through_guards_are_collected(module: ModuleType) -> None:
    class Sub(module.AtomicInt):  # type: ignore[name-defined, misc]
        pass

    cell = Sub()
    cell.guard = cell.track()
    reference = module.AtomicRef(cell.guard)
    cell.reference = reference

    @cell.track()
    def tracked() -> None:
        pass

    cell.tracked = tracked
    tracked()
    with cell.guard:
        assert cell.load() == 1
    watchers = [weakref.ref(thing) for thing in (cell, reference, tracked)]
    del cell, reference, tracked
    gc.collect()
    assert [watcher() for watcher in watchers] == [None] * 3


@program()
def what_is_not_in_a_cycle_dies_at_once(module: ModuleType) -> None:
    gc.disable()
    for name in ("AtomicInt", "AtomicFloat", "AtomicBool", "AtomicRef"):
        cell = getattr(module, name)()
        watcher = weakref.ref(cell)
        del cell
        assert watcher() is None, name
    plain = Plain()
    watcher = weakref.ref(plain)
    cell = module.AtomicRef(plain)
    del plain
    assert cell.load() is watcher()
    cell.__init__(None)
    assert watcher() is None, "a cell that was initialised again kept its object"


@program()
def subclasses_are_whole(module: ModuleType) -> None:
    for name in [*NUMBERS, "AtomicRef"]:
        base = getattr(module, name)
        dead = []

        class Slotted(base):  # type: ignore[misc, valid-type]
            __slots__ = ("extra",)

        class Mortal(base):  # type: ignore[misc, valid-type]
            def __del__(self, dead: list[Any] = dead) -> None:
                dead.append(self.load())

        slotted = Slotted()
        slotted.extra = Plain()
        extra = weakref.ref(slotted.extra)
        watcher = weakref.ref(slotted)
        assert not hasattr(slotted, "__dict__")
        slotted.load()
        del slotted
        gc.collect()
        assert extra() is None and watcher() is None, name

        mortal = Mortal()
        mortal.anything = Plain()
        watcher = weakref.ref(mortal.anything)
        expected = mortal.load()
        del mortal
        gc.collect()
        assert dead == [expected] and watcher() is None, name


@program()
def a_subclass_can_resurrect_its_cell(module: ModuleType) -> None:
    risen = []

    class Phoenix(module.AtomicRef):  # type: ignore[name-defined, misc]
        def __del__(self) -> None:
            risen.append(self)

    cell = Phoenix(Plain())
    cell.me = cell
    del cell
    gc.collect()
    [cell] = risen
    watcher = weakref.ref(cell.load())
    assert isinstance(watcher(), Plain)
    cell.store(None)
    assert watcher() is None


@program()
def a_cleared_cell_can_still_be_read(module: ModuleType) -> None:
    """While the collector clears a cell, releasing its object may run code; here that code reads the cell."""
    cleared = [AttributeError] if module.__name__.endswith("_reference") else []
    seen = []
    address = 0

    # A capsule's destructor runs when the capsule goes and, unlike __del__, not before the clearing begins.
    @ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
    def read(_: Any) -> None:
        # The collector holds the cell meanwhile, but Python code has no path that leads to it.
        cell = ctypes.cast(address, ctypes.py_object).value
        with suppress(*cleared):
            seen.append(cell.load())

    make_capsule = ctypes.pythonapi.PyCapsule_New
    make_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    make_capsule.restype = ctypes.py_object
    gc.disable()
    for _ in range(100):
        cell = module.AtomicRef()
        address = id(cell)
        # A tuple cannot be cleared, so the cell has to be.
        cell.store((cell, make_capsule(1, None, read)))
        del cell
        gc.collect()
    assert seen == [None] * 100 or cleared, seen


@program()
def the_collector_clears_while_threads_read(module: ModuleType) -> None:
    """The readers reach garbage as a debugger does: through the collector's own list of objects."""
    stopped = False
    base = module.AtomicRef
    # A twin that was cleared has lost its attributes, like any object of a Python class.
    cleared = [AttributeError] if module.__name__.endswith("_reference") else []

    def read() -> None:
        while not stopped:
            for thing in gc.get_objects():
                if isinstance(thing, base):
                    with suppress(*cleared):
                        thing.load()
                        thing.compare_and_set(thing, None)

    readers = [threading.Thread(target=read) for _ in range(2)]
    gc.freeze()
    for reader in readers:
        reader.start()
    for _ in range(100):
        for _ in range(20):
            cell = base()
            other = base([cell, Plain()])
            cell.store(other)
        del cell, other
        gc.collect()
    stopped = True
    for reader in readers:
        reader.join()


@program()
def the_collector_looks_while_threads_change(module: ModuleType) -> None:
    cell = module.AtomicRef()
    stopped = False

    def store() -> None:
        while not stopped:
            cycle = Plain()
            cycle.cell = cell
            cycle.me = cycle
            cell.store(cycle)

    def load() -> None:
        while not stopped:
            cell.load()

    threads = [threading.Thread(target=target) for target in (store, store, load)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        gc.collect()
    stopped = True
    for thread in threads:
        thread.join()
    watcher = weakref.ref(cell.load())
    cell.store(None)
    gc.collect()
    assert watcher() is None
