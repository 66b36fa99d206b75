"""Every operation of every type as a call, including its error paths, for the memory programs to repeat.

They are made from the rows of `atomicx.verify.spec`, with arguments for each kind; the row says what raises.
Members without a row, and paths that the rows do not reach, are added by hand. Arguments are made anew for
each run, and are never small integers: so a reference that leaks, or that is released too often, shows as one
object more or less in memory.
"""

import copy
import operator
import pickle
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from types import ModuleType
from typing import Any

from atomicx.verify.spec.cells import ALL, MODELS
from atomicx.verify.spec.histograms import exponential, histogram
from atomicx.verify.spec.kinds import (
    DOUBLE,
    DOUBLE_FUNCTION,
    FINITE,
    INT64,
    INT_FUNCTION,
    LABEL,
    OBJECT,
    OBJECT_FUNCTION,
    OBSERVATION,
    TRUTH,
)
from atomicx.verify.spec.model import ArgumentKind, Model, Operation


def same_integer() -> int:
    return int("1000000000000")


def other_integer() -> int:
    return int("1000000000007")


def same_float() -> float:
    return float("1234.5")


def other_float() -> float:
    return float("4321.25")


def too_large() -> int:
    return int("9" * 40)


def to_the_end() -> int:
    return int("9223372036854775807")


def negative() -> int:
    return int("-1000000000000")


def text() -> str:
    return "".join(["not", " ", "a number"])


def thing() -> object:
    return object()


class Refusing:
    """Raises whenever it is converted."""

    def __index__(self) -> int:
        raise LookupError("refused")

    def __float__(self) -> float:
        raise LookupError("refused")


def refuse(*_: object) -> Any:
    raise LookupError("refused")


@dataclass(frozen=True)
class Exercise:
    """One call. `name` is the member or the operator of the type that it covers."""

    type_name: str
    name: str
    make: Callable[[], Any]
    # Takes the cell first; None means the method of that name.
    call: Callable[..., Any] | None
    arguments: tuple[Callable[[], Any], ...] = ()
    raises: type[BaseException] | None = None

    def __str__(self) -> str:
        failing = f" ({self.raises.__name__})" if self.raises else ""
        return f"{self.type_name}.{self.name}{failing}"

    def bound(self) -> tuple[Any, Callable[..., Any], tuple[Any, ...]]:
        """Make a new cell; return it, the function to call, and its arguments."""
        cell = self.make()
        arguments = tuple(argument() for argument in self.arguments)
        if self.name == "__new__":
            return cell, type(cell), arguments
        if self.call is None:
            return cell, getattr(cell, self.name), arguments
        return cell, self.call, (cell, *arguments)

    def run(self) -> None:
        _, call, arguments = self.bound()
        try:
            call(*arguments)
        except BaseException as failure:
            if self.raises is None or not isinstance(failure, self.raises):
                raise
        else:
            if self.raises is not None:
                raise AssertionError(f"{self} raised nothing")


# For each kind: makers of accepted arguments, and of arguments that may be refused; the rows say which are.
Makers = tuple[Callable[[], Any], ...]
ACCEPTED: dict[ArgumentKind, Makers] = {
    INT64: (same_integer, other_integer),
    DOUBLE: (same_float, other_integer),
    OBSERVATION: (same_float, other_integer),
    FINITE: (same_float, other_integer),
    TRUTH: (lambda: True, lambda: False),
    OBJECT: (thing,),
    LABEL: (text, same_integer),
    INT_FUNCTION: (lambda: operator.neg,),
    DOUBLE_FUNCTION: (lambda: operator.neg,),
    OBJECT_FUNCTION: (lambda: repr,),
}
DOUBTFUL: dict[ArgumentKind, Makers] = {
    INT64: (text, too_large, Refusing, to_the_end, negative),
    DOUBLE: (text, Refusing),
    OBSERVATION: (text, Refusing, lambda: float("nan")),
    FINITE: (text, Refusing, lambda: float("nan"), lambda: float("inf"), negative),
    TRUTH: (other_integer, text),
    OBJECT: (),
    LABEL: (same_float,),
    INT_FUNCTION: (lambda: refuse, lambda: repr, text),
    DOUBLE_FUNCTION: (lambda: refuse, lambda: repr, text),
    OBJECT_FUNCTION: (lambda: refuse, text),
}

# Counts beyond the small ints that the interpreter keeps, so that a snapshot allocates.
OBSERVATIONS = 300
HISTOGRAM = histogram((same_float(), other_float()))
EXPONENTIAL = exponential(0, 1024.0, 8192.0, False, (same_float(), other_float() / 2, other_float()))
USED_HERE = {model.name: model for model in (HISTOGRAM, EXPONENTIAL)}


def initial_state(model: Model) -> Any:
    """Return what a cell holds before each exercise: nothing that the interpreter keeps for itself."""
    if model is HISTOGRAM:
        return (OBSERVATIONS, 0, 0), OBSERVATIONS * same_float()
    if model is EXPONENTIAL:
        return (0, OBSERVATIONS, 0, 0), OBSERVATIONS * same_float()
    if model.name == "Family":
        return (((text(), str(same_integer())), same_integer()),)
    kind = model["store" if "store" in model.rows else "__init__"].parameters
    assert kind is not None
    return ACCEPTED[kind[0].kind][0]()


def accepted(row: Operation) -> Iterator[Makers]:
    """Yield every combination of usual arguments."""
    kinds = [parameter.kind for parameter in row.parameters or ()]
    for count in range(row.fewest, row.most + 1):
        yield from product(*(ACCEPTED[kind] for kind in kinds[:count]))


def doubtful(row: Operation) -> Iterator[Makers]:
    """Yield usual arguments, each in turn replaced by one that may be refused."""
    kinds = [parameter.kind for parameter in row.parameters or ()]
    usual = tuple(ACCEPTED[kind][0] for kind in kinds)
    for position, kind in enumerate(kinds):
        for maker in DOUBTFUL[kind]:
            yield (*usual[:position], maker, *usual[position + 1 :])


def exercises_of(model: Model, module: ModuleType) -> Iterator[Exercise]:
    for row in model.operations:
        cases = [(makers, raised(model, row, makers)) for makers in accepted(row)]
        cases += [(makers, error) for makers in doubtful(row) if (error := raised(model, row, makers))]
        if row.fewest and row.written is None and not any(each.variadic for each in row.parameters or ()):
            cases.append(((), TypeError))
        for makers, error in cases:
            yield Exercise(model.name, row.name, maker_of(model, module), row.written, makers, error)


def maker_of(model: Model, module: ModuleType) -> Callable[[], Any]:
    return lambda: model.make(module, initial_state(model))


def raised(model: Model, row: Operation, makers: Makers) -> type[BaseException] | None:
    try:
        row.take(initial_state(model), tuple(maker() for maker in makers))
    except Exception as error:
        return type(error)
    return None


# What no row covers: name, how to call it if it is not a method, makers of its arguments, what it raises.


def integer_extras() -> Iterator[tuple[Any, ...]]:
    yield "track", None, ()
    yield "track", enter_and_leave, ()
    yield "track", raise_inside, (), LookupError
    yield "track", decorate, ()
    yield "admit", None, (same_integer,)
    yield "admit", None, (text,), TypeError
    yield "admit", enter_and_leave_admissions, ()
    yield "__str__", str, ()
    yield "__format__", None, (lambda: ">24",)
    yield "__format__", None, (other_integer,), TypeError


def enter_and_leave(cell: Any) -> None:
    guard = cell.track()
    with guard as entered, guard:
        assert entered is cell
    repr(guard)


def enter_and_leave_admissions(cell: Any) -> None:
    guard = cell.admit(2**60)
    with guard, cell.admit(0) as admitted:
        assert not admitted
    repr(guard)


def raise_inside(cell: Any) -> None:
    with cell.track():
        raise LookupError


def decorate(cell: Any) -> None:
    assert cell.track()(len)([]) == 0


def ref_extras() -> Iterator[tuple[Any, ...]]:
    yield "store", store_itself, ()
    for name in ("compare_and_set", "compare_exchange"):
        yield name, swapping(name), (thing,)
    yield "__class_getitem__", lambda cell, name: type(cell)[name], (text,)


def store_itself(cell: Any) -> None:
    cell.store(cell)
    repr(cell)
    cell.store(None)


def swapping(name: str) -> Callable[..., Any]:
    def call(cell: Any, desired: object) -> None:
        getattr(cell, name)(cell.load(), desired)

    return call


def histogram_extras() -> Iterator[tuple[Any, ...]]:
    yield "__init__", None, (lambda: [1.0],), RuntimeError
    yield "__init__", None, (lambda: [2.0, 1.0],), ValueError
    yield "__init__", None, (lambda: [text()],), TypeError
    yield "__init__", None, (thing,), TypeError
    yield from timer_extras()


def exponential_extras() -> Iterator[tuple[Any, ...]]:
    yield "__init__", None, (), RuntimeError
    for scale, error in (
        (other_integer, ValueError),
        (too_large, ValueError),
        (text, TypeError),
        (Refusing, LookupError),
    ):
        yield "__init__", None, (scale,), error
    for name in ("smallest", "largest"):
        for value, error in ((negative, ValueError), (text, TypeError), (Refusing, LookupError)):
            yield "__init__", initialize_with(name), (value,), error
    yield "__init__", initialize_with("smallest"), (lambda: 0.0,), RuntimeError
    yield "__init__", lambda cell: cell.__init__(20), (), ValueError
    yield "observe", observe_on_both_sides, ()
    yield from timer_extras()


def initialize_with(name: str) -> Callable[..., Any]:
    return lambda cell, value: cell.__init__(**{name: value})


def observe_on_both_sides(histogram: Any) -> None:
    other = type(histogram)(signed=True)
    for value in (same_float(), -same_float(), 0.0):
        other.observe(value)
    other.snapshot()
    repr(other)
    other.drain()


def timer_extras() -> Iterator[tuple[Any, ...]]:
    yield "time", None, ()
    yield "time", enter_a_timer, ()
    yield "time", raise_in_a_timer, (), LookupError
    yield "time", decorate_with_a_timer, ()


def enter_a_timer(histogram: Any) -> None:
    timer = histogram.time()
    with timer as entered, timer, timer:
        assert entered is histogram
    repr(timer)


def raise_in_a_timer(histogram: Any) -> None:
    timer = histogram.time()
    with timer, timer:
        raise LookupError


def decorate_with_a_timer(histogram: Any) -> None:
    assert histogram.time()(len)([]) == 0


def same_key() -> tuple[Any, ...]:
    return text(), same_integer()


def same_key_otherwise() -> tuple[Any, ...]:
    return text(), str(same_integer())


def other_key() -> tuple[Any, ...]:
    return text(), other_integer()


def other_text() -> str:
    return "/".join(["the", "rest"])


class Child:
    """A child class written in Python."""

    def inc(self) -> None:
        pass

    def observe(self, value: Any) -> None:
        pass

    def time(self) -> str:
        return text()


def family_extras() -> Iterator[tuple[Any, ...]]:
    for key in (same_key, same_key_otherwise, other_key):
        yield "__getitem__", operator.getitem, (key,)
        yield "__setitem__", add_in_place, (key,)
        yield "labels", by_name, (key,)
        yield "inc", spread("inc"), (key,)
        yield "add", spread("add"), (key, same_integer)
        yield "store", spread("store"), (key, same_integer)
    yield "__getitem__", operator.getitem, (lambda: (text(), True),)
    yield "__getitem__", operator.getitem, (text,), ValueError
    yield "__getitem__", operator.getitem, (lambda: (text(), same_float()),), TypeError
    yield "__getitem__", operator.getitem, (lambda: (text(), "\ud800"),), ValueError
    yield "__getitem__", fill, (), ValueError
    yield "__getitem__", make_with, (lambda: refuse,), LookupError
    yield "__contains__", operator.contains, (text,), ValueError
    yield "__setitem__", assign_thing, (same_key,), TypeError
    yield "__setitem__", assign_thing, (text,), ValueError
    yield "__setitem__", assign_removed, (same_key,)
    yield "__delitem__", operator.delitem, (same_key,), TypeError
    yield "__class_getitem__", None, (thing,)
    yield "labels", by_wrong_name, (), TypeError
    yield "labels", by_position, (same_key,), TypeError
    yield "inc", None, (text, lambda: True)
    yield "inc", None, (text,), ValueError
    yield "inc", of_another_class, ()
    yield "add", None, (same_float, text, same_integer), TypeError
    yield "add", None, (too_large, text, same_integer), OverflowError
    yield "add", None, (to_the_end, text, same_integer), OverflowError
    yield "add", None, (), TypeError
    yield "store", None, (text, text, same_integer), TypeError
    yield "observe", None, (same_float, text, same_integer), AttributeError
    yield "observe", observe_in_another, ()
    yield "track", enter_by_labels, (same_key,)
    yield "time", None, (text, same_integer), AttributeError
    yield "overflow", past_the_limit, ()
    yield "items", None, ()
    yield "items", lambda family: list(family.items()), ()
    yield "remove", None, (text,), ValueError
    yield "__init__", None, (lambda: int, text), RuntimeError
    yield "__init__", None, (lambda: int, text, text), ValueError
    yield "__init__", None, (lambda: int, same_integer), TypeError
    yield "__init__", None, (text, text), TypeError


def spread(name: str) -> Callable[..., Any]:
    return lambda family, key, *amount: getattr(family, name)(*amount, *key)


def add_in_place(family: Any, key: Any) -> None:
    family[key] += 1


def assign_thing(family: Any, key: Any) -> None:
    family[key] = thing()


def assign_removed(family: Any, key: Any) -> None:
    other = type(family)(type(family[key]), *family.label_names)
    child = other[key]
    other.clear()
    other[key] = child


def by_name(family: Any, key: tuple[Any, ...]) -> Any:
    return family.labels(**dict(zip(family.label_names, key, strict=True)))


def by_wrong_name(family: Any) -> Any:
    return family.labels(**{other_text(): 1})


def by_position(family: Any, key: tuple[Any, ...]) -> Any:
    return family.labels(*key)


def enter_by_labels(family: Any, key: tuple[Any, ...]) -> None:
    with family.track(*key):
        pass


def observe_in_another(family: Any) -> None:
    other = type(family)(Child, text())
    other.observe(same_float(), same_integer())
    other.time(same_integer())


def past_the_limit(family: Any) -> None:
    full = type(family)(type(family[same_key()]), text(), limit=1, overflow=other_text())
    for number in range(3):
        full.inc(number)


def of_another_class(family: Any) -> None:
    others = type(family)(Child, text())
    others.inc(same_integer())
    others.inc(same_integer())


def fill(family: Any) -> None:
    for status in range(4):
        family[text(), status]


def make_with(family: Any, factory: Any) -> None:
    type(family)(factory, text())[same_integer()]


def buffer() -> bytearray:
    return bytearray(8)


def released(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return the call, made on another cell that has been released."""

    def on_another(cell: Any) -> Any:
        other = type(cell)(buffer())
        other.release()
        return call(other)

    return on_another


def shared_extras() -> Iterator[tuple[Any, ...]]:
    yield "__init__", None, (buffer,), ValueError
    for make, error in (
        (lambda: b"read-only", TypeError),
        (text, TypeError),
        (lambda: bytearray(7), ValueError),
    ):
        yield "__new__", None, (make,), error
    yield "__new__", None, (buffer,)
    yield "__new__", None, (buffer, lambda: 0)
    yield "__new__", None, (buffer, other_integer), ValueError
    yield "__new__", None, (buffer, Refusing), LookupError
    yield "__new__", None, (), TypeError
    yield "release", released(lambda cell: cell.release()), ()
    for name in ("load", "inc", "add", "exchange", "fetch_add", "compare_exchange", "update"):
        arguments = {"load": (), "inc": (), "compare_exchange": (1, 2), "update": (operator.neg,)}.get(
            name, (1,)
        )
        yield (
            name,
            released(lambda cell, name=name, given=arguments: operate(cell, name, given)),
            (),
            ValueError,
        )
    yield "__repr__", released(repr), ()


def operate(cell: Any, name: str, arguments: tuple[Any, ...]) -> None:
    # Floats have no inc; the error is the same.
    getattr(cell, name if hasattr(cell, name) else "load")(*arguments)


def common_extras(module: ModuleType) -> Iterator[tuple[Any, ...]]:
    yield "__hash__", hash, ()
    yield "__eq__", operator.eq, (thing,)
    yield "__weakref__", weakref.ref, ()
    yield "__reduce__", pickle.dumps, (), TypeError
    yield "__reduce__", copy.copy, (), TypeError
    yield "__reduce__", copy.deepcopy, (), TypeError
    yield "__reduce__", None, (), TypeError
    yield "enable_deferred_refcount", module.enable_deferred_refcount, ()


def local_extras() -> Iterator[tuple[Any, ...]]:
    yield "__new__", None, ()
    yield "__new__", None, (thing, thing), TypeError


EXTRAS: dict[str, Callable[[], Iterator[tuple[Any, ...]]]] = {
    "AtomicInt": integer_extras,
    "AtomicRef": ref_extras,
    "Histogram": histogram_extras,
    "ExponentialHistogram": exponential_extras,
    "Family": family_extras,
    "SharedInt": lambda: iter((*integer_extras(), *shared_extras())),
    "SharedFloat": shared_extras,
}


def models_of(module: ModuleType) -> list[Model]:
    """The twin has no shared cells."""
    shared = () if module.__name__ == "atomicx._core" else ("SharedInt", "SharedFloat")
    return [USED_HERE.get(model.name, model) for model in ALL if model.name not in shared]


def exercises(module: ModuleType) -> list[Exercise]:
    found: list[Exercise] = []
    for model in models_of(module):
        found += exercises_of(model, module)
        extras = [*EXTRAS.get(model.name, lambda: iter(()))(), *common_extras(module)]
        if "__init__" in model.rows:
            extras += local_extras()
        for name, call, arguments, *raises in extras:
            found.append(Exercise(model.name, name, maker_of(model, module), call, arguments, *raises))
    return found


def state_of(cell: Any) -> Any:
    """Return the state that a failing operation must leave unchanged."""
    name = type(cell).__name__
    model = USED_HERE.get(name) or MODELS.get(name)
    return model.read(cell) if model else cell.load()


def uncovered(module: ModuleType) -> set[str]:
    """Return the public members and operators of the types that no exercise covers."""
    covered = {(exercise.type_name, exercise.name) for exercise in exercises(module)}
    operators = {row.name for model in ALL for row in model.operations}
    members = {
        (model.name, name)
        for model in models_of(module)
        for name in dir(getattr(module, model.name))
        if not name.startswith("_") or (name in operators and name not in dir(object))
    }
    return {f"{type_name}.{name}" for type_name, name in members - covered}
