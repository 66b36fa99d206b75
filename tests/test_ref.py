"""AtomicRef beyond its table: identity, the collector, repr, and its generic alias."""

import gc
import types
import weakref
from types import ModuleType
from typing import Any

import pytest


class Thing:
    """Something that can be weakly referenced."""


class NeverEqual:
    def __eq__(self, other: object) -> bool:
        raise AssertionError("an AtomicRef compares by identity")

    __hash__ = None  # type: ignore[assignment]


def test_equality_is_never_asked(backend: ModuleType) -> None:
    one, other = NeverEqual(), NeverEqual()
    cell = backend.AtomicRef(one)
    assert not cell.compare_and_set(other, None)
    assert cell.compare_exchange(other, None) is one
    assert cell.compare_and_set(one, other)
    assert cell.update(lambda value: value) is other
    assert cell.load() is other


def test_a_cell_is_true_whatever_it_holds(backend: ModuleType) -> None:
    assert backend.AtomicRef(None)
    assert backend.AtomicRef(0)


@pytest.mark.parametrize("name", ["update", "fetch_update"])
def test_update_starts_over_when_the_object_changed(backend: ModuleType, name: str) -> None:
    first, second, third = Thing(), Thing(), Thing()
    cell = backend.AtomicRef(first)
    seen = []

    def function(value: Thing) -> Thing:
        seen.append(value)
        if len(seen) == 1:
            cell.store(second)
        return third

    assert getattr(cell, name)(function) is {"update": third, "fetch_update": second}[name]
    assert seen == [first, second]
    assert cell.load() is third


def test_update_passes_exceptions_through(backend: ModuleType) -> None:
    thing = Thing()
    cell = backend.AtomicRef(thing)
    error = SystemExit(3)

    def function(value: Thing) -> Thing:
        raise error

    with pytest.raises(SystemExit) as raised:
        cell.update(function)
    assert raised.value is error
    assert cell.load() is thing


def test_stack_of_immutable_nodes(backend: ModuleType) -> None:
    head = backend.AtomicRef()
    for item in range(3):
        head.update(lambda node, item=item: (item, node))
    taken = []
    while (node := head.fetch_update(lambda node: node and node[1])) is not None:
        taken.append(node[0])
    assert taken == [2, 1, 0]


# Which objects are kept alive, and for how long


@pytest.mark.parametrize(
    "replace",
    [
        lambda cell, old: cell.store(None),
        lambda cell, old: cell.exchange(None) and None,
        lambda cell, old: cell.compare_and_set(old(), None) and None,
        lambda cell, old: cell.compare_exchange(old(), None) and None,
        lambda cell, old: cell.update(lambda value: None),
        lambda cell, old: cell.fetch_update(lambda value: None) and None,
        lambda cell, old: cell.__init__(),
    ],
    ids=["store", "exchange", "compare_and_set", "compare_exchange", "update", "fetch_update", "init"],
)
def test_a_replaced_object_is_let_go(backend: ModuleType, replace: Any) -> None:
    cell = backend.AtomicRef(Thing())
    reference = weakref.ref(cell.load())
    assert reference() is not None
    replace(cell, reference)
    assert cell.load() is None
    assert reference() is None


def test_a_failed_swap_keeps_neither_operand(backend: ModuleType) -> None:
    cell = backend.AtomicRef()
    expected, desired = Thing(), Thing()
    references = [weakref.ref(expected), weakref.ref(desired)]
    assert not cell.compare_and_set(expected, desired)
    assert cell.compare_exchange(expected, desired) is None
    del expected, desired
    assert [reference() for reference in references] == [None, None]


def test_the_cell_keeps_its_object_and_dies_with_it(backend: ModuleType) -> None:
    cell = backend.AtomicRef(Thing())
    reference = weakref.ref(cell.load())
    gc.collect()
    assert reference() is not None
    del cell
    assert reference() is None


def test_the_destructor_of_a_replaced_object_finds_the_new_one(backend: ModuleType) -> None:
    """The object is released after the swap, never inside it."""
    cell = backend.AtomicRef()
    found = []

    class Dying:
        def __del__(self) -> None:
            found.append(cell.load())
            cell.store("from the destructor")

    cell.store(Dying())
    cell.store("new")
    assert found == ["new"]
    assert cell.load() == "from the destructor"
    cell.store(Dying())
    assert cell.exchange("newer") is not None
    assert found == ["new", "newer"]
    assert cell.load() == "from the destructor"


def test_cycle_through_a_cell_is_collected(backend: ModuleType) -> None:
    thing: Any = Thing()
    thing.cell = backend.AtomicRef(thing)
    references = [weakref.ref(thing), weakref.ref(thing.cell)]
    del thing
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_cell_that_holds_itself_is_collected(backend: ModuleType) -> None:
    cell = backend.AtomicRef()
    cell.store(cell)
    reference = weakref.ref(cell)
    del cell
    gc.collect()
    assert reference() is None


def test_the_collector_knows_the_cell(backend: ModuleType) -> None:
    assert gc.is_tracked(backend.AtomicRef([]))


# repr


def test_repr_of_a_cell_that_holds_itself(backend: ModuleType) -> None:
    cell = backend.AtomicRef()
    cell.store(cell)
    assert repr(cell) == "AtomicRef(AtomicRef(...))"
    cell.store([cell])
    assert repr(cell) == "AtomicRef([AtomicRef(...)])"
    # The guard is down again.
    assert repr(cell) == "AtomicRef([AtomicRef(...)])"
    cell.store(None)


def test_repr_passes_exceptions_through(backend: ModuleType) -> None:
    class Shy:
        def __repr__(self) -> str:
            raise LookupError("no repr")

    cell = backend.AtomicRef(Shy())
    for _ in range(2):
        with pytest.raises(LookupError):
            repr(cell)
    cell.store(1)
    assert repr(cell) == "AtomicRef(1)"


def test_repr_of_an_object_that_changes_the_cell(backend: ModuleType) -> None:
    cell = backend.AtomicRef()

    class Restless:
        def __repr__(self) -> str:
            cell.store(None)
            return "Restless()"

    cell.store(Restless())
    assert repr(cell) == "AtomicRef(Restless())"
    assert repr(cell) == "AtomicRef(None)"


# The type parameter


def test_generic_alias(backend: ModuleType) -> None:
    alias = backend.AtomicRef[int]
    assert type(alias) is types.GenericAlias
    assert alias.__origin__ is backend.AtomicRef
    assert alias.__args__ == (int,)
    cell = alias(5)
    assert type(cell) is backend.AtomicRef
    assert cell.load() == 5


def test_subclass_of_the_alias(backend: ModuleType) -> None:
    class IntRef(backend.AtomicRef[int]):  # type: ignore[misc,name-defined]
        pass

    assert issubclass(IntRef, backend.AtomicRef)
    assert IntRef(5).load() == 5
