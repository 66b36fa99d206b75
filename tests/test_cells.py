"""What all types have in common: identity, subclasses, weak references, and refused operations."""

import copy
import gc
import operator
import pickle
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from atomicx.verify.spec.cells import (
    ATOMIC_BOOL,
    ATOMIC_FLOAT,
    ATOMIC_INT,
    ATOMIC_REF,
    CELLS,
    COUNTER,
    SHARED_CELLS,
    SHARED_FLOAT,
    SHARED_INT,
)
from atomicx.verify.spec.model import Model
from model.check import check_operation
from model.edges import edge_arguments

every_type = pytest.mark.parametrize("model", (*CELLS, *SHARED_CELLS), ids=str)
# The types that are made from a value; tests/shared covers how the others are made.
every_local_type = pytest.mark.parametrize("model", CELLS, ids=str)

# A value that a cell of the type can hold and that is not its zero.
VALUE = {
    "AtomicInt": 7,
    "AtomicFloat": 2.5,
    "AtomicBool": True,
    "AtomicRef": [1],
    "Counter": 7,
    "SharedInt": 7,
    "SharedFloat": 2.5,
}


def type_of(backend: ModuleType, model: Model) -> Any:
    return getattr(backend, model.name)


def cell_of(backend: ModuleType, model: Model) -> Any:
    return model.make(backend, VALUE[model.name])


@every_type
def test_equality_and_hash_are_identity(backend: ModuleType, model: Model) -> None:
    one, other = cell_of(backend, model), cell_of(backend, model)
    assert one == one
    assert one != other
    assert hash(one) == object.__hash__(one)
    assert {one: "one", other: "other"}[one] == "one"
    assert one != VALUE[model.name]


@every_type
@pytest.mark.parametrize("compare", [operator.lt, operator.le, operator.gt, operator.ge])
def test_there_is_no_order(backend: ModuleType, model: Model, compare: Callable[..., Any]) -> None:
    with pytest.raises(TypeError):
        compare(cell_of(backend, model), cell_of(backend, model))


@every_type
@pytest.mark.parametrize(
    "compute",
    [*(operator.add, operator.sub, operator.mul, operator.mod, operator.pow), operator.lshift, operator.or_],
)
def test_there_are_no_binary_operators(
    backend: ModuleType, model: Model, compute: Callable[..., Any]
) -> None:
    """They would hide a read."""
    cell = cell_of(backend, model)
    for other in (1, 1.5, "text", cell_of(backend, model)):
        with pytest.raises(TypeError):
            compute(cell, other)
        with pytest.raises(TypeError):
            compute(other, cell)


@every_type
@pytest.mark.parametrize("convert", [operator.index, range, bytes, "text".__mul__, len, iter])
def test_there_are_no_other_conversions(
    backend: ModuleType, model: Model, convert: Callable[..., Any]
) -> None:
    with pytest.raises(TypeError):
        convert(cell_of(backend, model))


@pytest.mark.parametrize("model", [ATOMIC_FLOAT, ATOMIC_BOOL, ATOMIC_REF, SHARED_FLOAT], ids=str)
def test_no_int(backend: ModuleType, model: Model) -> None:
    with pytest.raises(TypeError):
        int(cell_of(backend, model))


@pytest.mark.parametrize("model", [ATOMIC_INT, ATOMIC_BOOL, ATOMIC_REF, COUNTER, SHARED_INT], ids=str)
def test_no_float(backend: ModuleType, model: Model) -> None:
    with pytest.raises(TypeError):
        float(cell_of(backend, model))


@every_type
@pytest.mark.parametrize(
    "in_place",
    [operator.imul, operator.ifloordiv, operator.itruediv, operator.imod, operator.ipow, operator.ilshift],
)
def test_other_in_place_operators(backend: ModuleType, model: Model, in_place: Callable[..., Any]) -> None:
    cell = cell_of(backend, model)
    with pytest.raises(TypeError):
        in_place(cell, 2)
    assert model.same(VALUE[model.name], cell.load())


@every_type
def test_a_cell_is_not_an_operand(backend: ModuleType, model: Model) -> None:
    cell: Any = cell_of(backend, model)
    for total in (1, 1.5, "text", (), None):
        with pytest.raises(TypeError):
            total += cell
    assert model.same(VALUE[model.name], cell.load())


@pytest.mark.parametrize("model", [ATOMIC_INT, ATOMIC_BOOL, COUNTER], ids=str)
def test_a_cell_is_not_a_value_of_its_own_type(backend: ModuleType, model: Model) -> None:
    """Storing one cell in another would hide a read."""
    with pytest.raises(TypeError):
        type_of(backend, model)(cell_of(backend, model))


# Creation


@every_local_type
def test_new_takes_anything_and_makes_a_zero_cell(backend: ModuleType, model: Model) -> None:
    cell_type = type_of(backend, model)
    cell = cell_type.__new__(cell_type, "anything", 1, key=2)
    assert model.same(model.initial, cell.load())


@every_local_type
def test_init_again_is_a_store(backend: ModuleType, model: Model) -> None:
    cell = cell_of(backend, model)
    assert cell.__init__() is None
    assert model.same(model.initial, cell.load())
    cell.__init__(VALUE[model.name])
    assert model.same(VALUE[model.name], cell.load())


@every_local_type
def test_no_keyword_arguments(backend: ModuleType, model: Model) -> None:
    with pytest.raises(TypeError):
        type_of(backend, model)(value=VALUE[model.name])
    with pytest.raises(TypeError):
        type_of(backend, model)(VALUE[model.name], VALUE[model.name])


@every_type
def test_no_attributes_of_ones_own(backend: ModuleType, model: Model) -> None:
    cell = cell_of(backend, model)
    assert not hasattr(cell, "__dict__")
    with pytest.raises(AttributeError):
        cell.colour = "red"


# Subclasses


@every_local_type
def test_subclass_with_an_init_of_its_own(backend: ModuleType, model: Model) -> None:
    value = VALUE[model.name]

    class Named(type_of(backend, model)):  # type: ignore[misc]
        def __init__(self, name: str, *, unit: str) -> None:
            super().__init__(value)
            self.name = name
            self.unit = unit

    cell = Named("requests", unit="1")
    assert (cell.name, cell.unit) == ("requests", "1")
    assert model.same(value, cell.load())


@every_local_type
def test_subclass_that_never_initialises(backend: ModuleType, model: Model) -> None:
    class Silent(type_of(backend, model)):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            pass

    assert model.same(model.initial, Silent("anything", key=1).load())
    for operation in model.operations:
        if operation.is_public:
            check_operation(model, operation, Silent(), model.initial, next(edge_arguments(operation)))


@every_local_type
def test_subclass_with_slots(backend: ModuleType, model: Model) -> None:
    class Slotted(type_of(backend, model)):  # type: ignore[misc]
        __slots__ = ("name",)

    cell = Slotted(VALUE[model.name])
    cell.name = "slot"
    assert not hasattr(cell, "__dict__")
    assert cell.name == "slot"
    assert model.same(VALUE[model.name], cell.load())


@every_local_type
def test_subclass_with_other_bases(backend: ModuleType, model: Model) -> None:
    class Mixin:
        def shown(self) -> str:
            return f"<{self!r}>"

    class Mixed(Mixin, type_of(backend, model)):  # type: ignore[misc]
        pass

    cell = Mixed(VALUE[model.name])
    assert isinstance(cell, type_of(backend, model))
    assert cell.shown() == f"<{cell!r}>"


@every_local_type
def test_overridden_method(backend: ModuleType, model: Model) -> None:
    class Loud(type_of(backend, model)):  # type: ignore[misc]
        def load(self) -> Any:
            return ("loud", super().load())

    cell = Loud(VALUE[model.name])
    assert cell.load() == ("loud", VALUE[model.name])


@every_local_type
def test_subclass_repr_says_its_name(backend: ModuleType, model: Model) -> None:
    class Derived(type_of(backend, model)):  # type: ignore[misc]
        pass

    assert repr(Derived(VALUE[model.name])) == f"Derived({VALUE[model.name]!r})"


# Weak references and the collector


@every_type
def test_weak_reference(backend: ModuleType, model: Model) -> None:
    cell = cell_of(backend, model)
    seen = []
    reference = weakref.ref(cell, seen.append)
    assert reference() is cell
    del cell
    # Deferred reference counting leaves the last release to the collector.
    gc.collect()
    assert reference() is None
    assert seen == [reference]


@every_local_type
def test_cycle_through_a_subclass(backend: ModuleType, model: Model) -> None:
    class Node(type_of(backend, model)):  # type: ignore[misc]
        pass

    cell = Node()
    cell.me = cell
    reference = weakref.ref(cell)
    del cell
    gc.collect()
    assert reference() is None


# Copies are refused


@every_type
def test_no_pickle(backend: ModuleType, model: Model) -> None:
    cell = cell_of(backend, model)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(cell, protocol)


@every_type
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy])
def test_no_copy(backend: ModuleType, model: Model, duplicate: Callable[[Any], Any]) -> None:
    """A copy would be a second counter that looks like the first."""
    with pytest.raises(TypeError):
        duplicate(cell_of(backend, model))


class Shelf:
    """Lets pickle find a subclass by its name, so that only the cell itself can refuse."""


@every_local_type
@pytest.mark.parametrize("slots", [None, (), ("name",)], ids=["dict", "no slots", "slots"])
def test_subclasses_have_no_copy_either(
    backend: ModuleType, model: Model, slots: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    body: dict[str, Any] = {"__module__": __name__, "__qualname__": "Shelf.Derived"}
    if slots is not None:
        body["__slots__"] = slots
    derived: Any = type("Derived", (type_of(backend, model),), body)
    monkeypatch.setattr(Shelf, "Derived", derived, raising=False)
    cell = derived(VALUE[model.name])
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(cell, protocol)
    for duplicate in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            duplicate(cell)


class Nameless(type):
    """Its classes have a number instead of a name."""

    __name__ = property(lambda cls: 5)  # type: ignore[assignment]


@every_local_type
def test_a_type_whose_name_is_not_a_str(backend: ModuleType, model: Model) -> None:
    cell = Nameless("Mine", (type_of(backend, model),), {})()
    assert repr(cell).startswith("5(")
    with pytest.raises(TypeError, match=r"cannot pickle or copy '?5'? object"):
        copy.copy(cell)


def test_a_flag_of_a_type_whose_name_is_not_a_str(backend: ModuleType) -> None:
    with pytest.raises(TypeError, match=r"takes True or False, not '?5"):
        backend.AtomicBool().store(Nameless("Mine", (), {})())


# Formatting, as in f-strings

SHOWN = [("AtomicInt", 1234567), ("AtomicFloat", 1234.5), ("AtomicBool", True), ("Counter", 1234567)]


@pytest.mark.parametrize(("name", "value"), SHOWN)
def test_str_and_format_are_those_of_the_value(backend: ModuleType, name: str, value: Any) -> None:
    cell = getattr(backend, name)(value)
    assert str(cell) == f"{cell}" == "%s" % cell == str(value)  # noqa: UP031 - that is what is tested
    assert f"{cell!r}" == f"{name}({value!r})"
    for spec in ("", ">20", ",", "010.3f"):
        assert format(cell, spec) == format(value, spec)
    with pytest.raises(ValueError):
        format(cell, "no such spec")
    with pytest.raises(TypeError, match=r"^__format__\(\) argument must be str, not int$"):
        cell.__format__(5)


def test_the_value_is_read_once(backend: ModuleType) -> None:
    class Read(backend.AtomicInt):  # type: ignore[misc, name-defined]
        def load(self) -> int:
            raise AssertionError("the value itself is shown, whatever load() is")

    assert f"{Read(5):03d}{Read(6)!s}" == "0056"


def test_a_reference_shows_itself(backend: ModuleType) -> None:
    """Showing the object would hide that there is a cell."""
    assert str(backend.AtomicRef(5)) == f"{backend.AtomicRef(5)}" == "AtomicRef(5)"


# Operands by name

NAMED = [
    *(
        (name, method)
        for name in ("AtomicInt", "AtomicFloat", "AtomicBool", "AtomicRef")
        for method in ("compare_and_set", "compare_exchange")
    ),
    ("AtomicInt", "try_add"),
]


@pytest.mark.parametrize(("name", "method"), NAMED)
def test_wrong_names(backend: ModuleType, name: str, method: str) -> None:
    cell = getattr(backend, name)()
    call, before = getattr(cell, method), cell.load()
    first, second = ("delta", "limit") if method == "try_add" else ("expected", "desired")
    value = True if name == "AtomicBool" else 1
    for args, kwargs, message in [
        ((), {}, "missing"),
        ((value,), {}, rf"missing .*'{second}'"),
        ((), {second: value}, rf"missing .*'{first}'"),
        ((value,), {first: value}, rf"'{first}'"),
        ((value, value), {second: value}, rf"'{second}'"),
        ((value,), {"wanted": value}, r"unexpected keyword argument 'wanted'"),
        ((value, value), {"": value}, r"unexpected keyword argument ''"),
        ((value, value, value), {}, r"takes"),
        ((value, value, value), {first: value}, r"multiple values|takes"),
    ]:
        with pytest.raises(TypeError, match=message):
            call(*args, **kwargs)
    assert cell.load() == before
