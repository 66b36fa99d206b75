"""Memory: no operation leaks, however often it runs, and a failed allocation leaves everything whole."""

import ctypes
import gc
import sys
import weakref
from collections.abc import Callable
from types import ModuleType

from support.child import program
from support.exercises import exercises, uncovered

RUNS = 100
TRIES = 4


def blocks() -> int:
    return sys.getallocatedblocks()


# Only debug builds count all references in the interpreter.
references: Callable[[], int] | None = getattr(sys, "gettotalrefcount", None)
MEASURES = [blocks] if references is None else [blocks, references]


def growth(run: Callable[[], None], measure: Callable[[], int], runs: int = RUNS) -> int:
    """Return by how much the measure grew over `runs` runs: of several tries the result nearest to zero. What
    the interpreter caches for itself grows once; a leak grows every time."""
    grown = []
    for _ in range(TRIES):
        gc.collect()
        before = measure()
        for _ in range(runs):
            run()
        gc.collect()
        grown.append(measure() - before)
        if abs(grown[-1]) < runs // 2:
            break
    return min(grown, key=abs)


def leaks(run: Callable[[], None], runs: int = RUNS) -> bool:
    """Return whether it leaks. A suspect gets more runs: an allocator fills up at first, a leak goes on."""
    return any(
        all(abs(growth(run, measure, count)) >= count // 2 for count in (runs, 10 * runs))
        for measure in MEASURES
    )


def leaking_a_block() -> None:
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(object()))


KEPT = object()


def leaking_a_reference() -> None:
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(KEPT))


def references_to_lasting_things(module: ModuleType) -> dict[str, int]:
    """Count the references to objects that operations hand out or make, and that outlive every run."""
    things = {
        name: getattr(module, name)
        for name in ("AtomicInt", "AtomicFloat", "AtomicRef", "Counter", "Histogram", "Family", "Timer")
    }
    things |= {"None": None, "True": True, "False": False, "NotImplemented": NotImplemented, "KEPT": KEPT}
    return {name: sys.getrefcount(thing) for name, thing in things.items()}


@program(dev=False)
def every_operation_is_exercised(module: ModuleType) -> None:
    assert not uncovered(module), uncovered(module)


@program(dev=False)
def blocks_and_references_stay_flat(module: ModuleType) -> None:
    # Collections need not look at what exists already; it would make them slow.
    gc.freeze()
    assert leaks(leaking_a_block), "a planted leak of blocks was not seen"
    assert leaks(leaking_a_reference) or references is None, "a planted leak of references was not seen"
    found = [str(exercise) for exercise in exercises(module) if leaks(exercise.run)]
    assert not found, f"leaks: {found}"


def fill_the_type_cache() -> None:
    """Fill the interpreter's type cache. Before CPython 3.12 each empty entry holds a reference to None until
    it is used. Which entry that is depends on the address of a name, and on the type."""
    names = [f"{number} {'x' * (number % 50)}" for number in range(4000)]
    for name in names:
        for each in (object, int, float, str, list, dict, set, tuple):
            getattr(each, name, None)


@program(dev=False)
def lasting_things_keep_their_counts(module: ModuleType) -> None:
    """A leaked reference to None or to a type takes no memory; only its reference count shows it."""

    gc.freeze()
    fill_the_type_cache()

    def moved(run: Callable[[], None]) -> dict[str, int]:
        run()
        gc.collect()
        before = references_to_lasting_things(module)
        for _ in range(RUNS):
            run()
        gc.collect()
        after = references_to_lasting_things(module)
        moves = {name: after[name] - before[name] for name in after}
        return {name: move for name, move in moves.items() if abs(move) > RUNS // 2}

    def moved_always(run: Callable[[], None]) -> dict[str, int]:
        """Measure a suspect again: what the interpreter caches moves a count once, a leak every time."""
        suspects = moved(run)
        again = moved(run) if suspects else {}
        return {name: move for name, move in again.items() if name in suspects}

    assert moved_always(leaking_a_reference) == {"KEPT": RUNS}, "a planted leak was not seen"
    wrong = {str(exercise): moved_always(exercise.run) for exercise in exercises(module)}
    wrong = {name: things for name, things in wrong.items() if things}
    assert not wrong, wrong


def holding(module: ModuleType, base: type) -> Callable[[], None]:
    """Make a subclass with an instance that holds cells and itself, and drop all of it."""

    def once() -> None:
        class Sub(base):
            pass

        thing = Sub([Sub])
        integer = module.AtomicInt()
        reference = module.AtomicRef((integer.track(), weakref.ref(thing)))
        reference.__init__([reference, thing])
        thing.me = [thing, reference]

    return once


class Plain:
    """Made like a cell of the twin: a subclass of such a class leaves more behind than a subclass of list."""

    __slots__ = ("__weakref__", "table", "value")

    def __new__(cls, *args: object) -> "Plain":
        plain = object.__new__(cls)
        plain.table = {0: plain}
        return plain

    def __init__(self, value: object) -> None:
        self.value = value


@program(dev=False)
def what_cells_hold_is_released(module: ModuleType) -> None:
    """Free-threaded 3.13 itself leaks with every class: compare with what other subclasses leave."""
    gc.freeze()
    grown = growth(holding(module, module.AtomicRef), blocks)
    other = Plain if module.__name__ == "atomicx._reference" else list
    allowed = growth(holding(module, other), blocks)
    assert grown < allowed + RUNS // 2, f"{grown} blocks, where {other.__name__} leaves {allowed}"
