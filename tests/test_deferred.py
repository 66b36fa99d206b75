"""enable_deferred_refcount(): it returns the same object and breaks nothing, whatever it is given."""

import gc
import sys
import weakref
from types import ModuleType
from typing import Any

import pytest

from atomicx.verify.spec.cells import CELLS
from atomicx.verify.spec.model import Model


class Thing:
    """Tracked by the collector, and weakly referenceable."""


@pytest.mark.parametrize(
    "value",
    [*(None, True, 1, 2**100, 1.5, "text", b"", (), (1, [2]), [1], {"a": 1}, {1}), Thing, Thing(), len, sys],
    ids=lambda value: type(value).__name__,
)
def test_the_same_object_comes_back(backend: ModuleType, value: Any) -> None:
    assert backend.enable_deferred_refcount(value) is value
    assert backend.enable_deferred_refcount(value) is value


@pytest.mark.parametrize("model", CELLS, ids=str)
def test_cells_work_on(backend: ModuleType, model: Model) -> None:
    cell = getattr(backend, model.name)()
    assert backend.enable_deferred_refcount(cell) is cell
    assert model.same(model.initial, cell.load())


@pytest.mark.parametrize("model", CELLS, ids=str)
def test_it_is_freed_by_the_collector_at_the_latest(backend: ModuleType, model: Model) -> None:
    cell = backend.enable_deferred_refcount(getattr(backend, model.name)())
    thing = backend.enable_deferred_refcount(Thing())
    references = [weakref.ref(cell), weakref.ref(thing)]
    del cell, thing
    gc.collect()
    assert [reference() for reference in references] == [None, None]


def test_what_the_collector_untracks_is_freed_all_the_same(backend: ModuleType) -> None:
    """Only the collector frees an object with a deferred count, and only if it still tracks the object by
    then. It untracks tuples that hold nothing tracked, so those must not get a deferred count."""
    freed = []

    class Last(int):  # without slots or a dict the collector does not track it
        __slots__ = ()

        def __del__(self) -> None:
            freed.append(int(self))

    values: list[Any] = [(Last(1),), (Last(2), (Last(3),)), {"key": Last(4)}]
    for value in values:
        assert backend.enable_deferred_refcount(value) is value
    gc.collect()  # untracks
    del value
    values.clear()
    gc.collect()
    assert sorted(freed) == [1, 2, 3, 4]


def test_exactly_one_positional_argument(backend: ModuleType) -> None:
    with pytest.raises(TypeError):
        backend.enable_deferred_refcount()
    with pytest.raises(TypeError):
        backend.enable_deferred_refcount(Thing(), Thing())
    with pytest.raises(TypeError):
        backend.enable_deferred_refcount(object=Thing())
