"""Family: what it is given and what it refuses, its representation, and how it dies."""

import copy
import functools
import gc
import pickle
import sys
import weakref
from types import ModuleType
from typing import Any

import pytest

from support.families import Text, requests

# What a family accepts


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        *(
            ((), TypeError),
            ((None, "a"), TypeError),
            ((int,), ValueError),
            ((int, "a", "b", "a"), ValueError),
        ),
        *(((int, 1), TypeError), ((int, "a", None), TypeError), ((int, "a", Text("a")), ValueError)),
        *(((int, "\udfff"), ValueError), ((int, "a", "\U0001f600\ud800"), ValueError)),
    ],
    ids=repr,
)
def test_arguments_that_are_refused(backend: ModuleType, arguments: tuple[Any, ...], error: Any) -> None:
    with pytest.raises(error):
        backend.Family(*arguments)


def test_keywords(backend: ModuleType) -> None:
    for wrong in ({"factory": int}, {"limits": 1}, {"limit": 1, "name": "x"}, {"limit": 1, "overflow": 5}):
        with pytest.raises(TypeError):
            backend.Family(int, "a", **wrong)


def test_what_it_was_given(backend: ModuleType) -> None:
    family = requests(backend)
    assert (family.label_names, family.limit) == (("method", "status"), None)
    assert requests(backend, limit=3).limit == 3
    assert family.overflow is None
    assert requests(backend, limit=3, overflow=Text("rest")).overflow == "rest"
    for name in ("label_names", "limit", "overflow"):
        with pytest.raises(AttributeError):
            setattr(family, name, None)
    with pytest.raises(RuntimeError, match="was already called"):
        family.__init__(int, "a")
    assert family.label_names == ("method", "status")


def test_a_subclass_that_forgets_to_initialise(backend: ModuleType) -> None:
    class Forgetful(backend.Family):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            pass

    family = Forgetful()
    for use in (
        *(lambda: family["a"], lambda: family[()], lambda: family.remove("a"), lambda: repr(family)),
        *(lambda: family.label_names, lambda: family.limit, lambda: family.overflow, lambda: "a" in family),
        *(lambda: family.inc("a"), lambda: family.add(1), lambda: family.labels(), lambda: family.track()),
        lambda: family.__setitem__("a", None),
    ):
        with pytest.raises(RuntimeError, match="was not called"):
            use()


def test_a_factory_of_its_own(backend: ModuleType) -> None:
    class Latencies(backend.Family):  # type: ignore[misc, name-defined]
        def __init__(self, *bounds: float) -> None:
            super().__init__(self.make, "path")
            self.bounds = bounds

        def make(self) -> Any:
            return backend.Histogram(self.bounds)

    family = Latencies(1, 2)
    family["/"].observe(1.5)
    assert family["/"].snapshot().counts == (0, 1, 0)
    reference = weakref.ref(family)
    del family
    gc.collect()
    assert reference() is None, "a bound method and its family are a cycle"


class Maker(tuple):  # type: ignore[type-arg]
    """Holds a family, and cannot be cleared, so only the family itself can be."""

    __slots__ = ()

    def make(self) -> None:
        return None


def test_a_cycle_through_the_factory_alone_is_broken(backend: ModuleType) -> None:
    kept = object()
    before = sys.getrefcount(kept)
    for _ in range(10):
        family = backend.Family.__new__(backend.Family)
        family.__init__(Maker((family, kept)).make, "name")
    del family
    gc.collect()
    assert sys.getrefcount(kept) == before


def test_asking_for_what_is_there_makes_nothing(backend: ModuleType) -> None:
    """Iteration would ask for the children of 0, 1 and so on, and so create them."""
    family = backend.Family(backend.Counter, "code")
    for use in (lambda: iter(family), lambda: list(family)):
        with pytest.raises(TypeError):
            use()
    assert 0 not in family and "0" not in family and ("0",) not in family
    assert len(family) == 0 and list(family.items()) == []
    assert family, "`if family:` asks whether there is a family"


def test_repr(backend: ModuleType) -> None:
    assert repr(backend.Family(len, "a", "b")) == "Family(<built-in function len>, 'a', 'b')"
    full = backend.Family(len, "a", limit=5, overflow="other")
    assert repr(full) == "Family(<built-in function len>, 'a', limit=5, overflow='other')"
    family = backend.Family(dict, "a")
    family["x"], family[2]
    assert repr(family) == "Family(<class 'dict'>, 'a') {('x',): {}, ('2',): {}}"
    for number in range(10):
        family[number]
    assert repr(family).endswith("('8',): {}, ... 1 more}"), repr(family)
    kept: list[Any] = []
    kept.append(backend.Family(functools.partial(len, kept), "a"))
    assert "Family(...)" in repr(kept[0])
    kept.clear()


def test_generic_alias(backend: ModuleType) -> None:
    alias = backend.Family[backend.Counter]
    assert alias.__origin__ is backend.Family
    assert type(alias(backend.Counter, "a")["b"]) is backend.Counter


def test_identity_and_no_copy(backend: ModuleType) -> None:
    one, other = requests(backend), requests(backend)
    assert one == one and one != other
    assert hash(one) == object.__hash__(one)
    for refuse in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="a copy would be another cell"):
            refuse(one)


def test_cycles_are_collected(backend: ModuleType) -> None:
    class Child:
        pass

    family = backend.Family(Child, "name")
    family["a"].family = family
    family[1].family = family
    reference, child = weakref.ref(family), weakref.ref(family["a"])
    del family
    gc.collect()
    assert (reference(), child()) == (None, None)


def test_a_family_dies_with_its_children(backend: ModuleType) -> None:
    family = requests(backend)
    child = weakref.ref(family["GET", 200])
    del family
    gc.collect()
    assert child() is None
