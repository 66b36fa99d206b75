"""Every operation of every type as a call, with its error paths: what the memory programs repeat.

Arguments are made anew for each run, and are never small integers: so a reference that leaks, or that is
released too often, is an object more or less in memory, and shows.
"""

import copy
import functools
import operator
import pickle
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any


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
    """Raises wherever it is converted."""

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
    # Takes the cell first; None is the method of that name.
    call: Callable[..., Any] | None
    arguments: tuple[Callable[[], Any], ...] = ()
    raises: type[BaseException] | None = None

    def __str__(self) -> str:
        failing = f" ({self.raises.__name__})" if self.raises else ""
        return f"{self.type_name}.{self.name}{failing}"

    def bound(self) -> tuple[Any, Callable[..., Any], tuple[Any, ...]]:
        """A new cell, what is to be called, and with which arguments."""
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


def integer_rows() -> Iterator[tuple[Any, ...]]:
    """Name, how it is called if it is no method, the makers of its arguments, what it raises."""
    for name in ("load", "inc", "dec", "fetch_add", "fetch_sub", "add_fetch", "sub_fetch"):
        yield name, None, ()
    for name in (
        "store", "exchange", "add", "fetch_add", "fetch_sub", "fetch_and", "fetch_or", "fetch_xor",
        "fetch_max", "fetch_min", "add_fetch", "sub_fetch", "fetch_inc_mod", "advance", "__init__",
    ):  # fmt: skip
        yield name, None, (other_integer,)
        yield name, None, (text,), TypeError
        yield name, None, (too_large,), OverflowError
        yield name, None, (Refusing,), LookupError
    for name in ("add", "fetch_add", "add_fetch"):
        yield name, None, (to_the_end,), OverflowError
    yield "fetch_inc_mod", None, (negative,), ValueError
    for name in ("compare_and_set", "compare_exchange"):
        yield name, None, (same_integer, other_integer)
        yield name, None, (other_integer, same_integer)
        yield name, None, (same_integer, too_large), OverflowError
        yield name, None, (same_integer,), TypeError
    yield "try_add", None, (other_integer, to_the_end)
    yield "try_add", None, (other_integer, same_integer)
    yield "try_add", None, (other_integer, text), TypeError
    for name in ("update", "fetch_update"):
        yield name, None, (lambda: operator.neg,)
        yield name, None, (lambda: refuse,), LookupError
        yield name, None, (lambda: repr,), TypeError
        yield name, None, (text,), TypeError
    for name in ("iadd", "isub", "iand", "ior", "ixor"):
        yield f"__{name}__", getattr(operator, name), (other_integer,)
        yield f"__{name}__", getattr(operator, name), (text,), TypeError
    yield "__iadd__", operator.iadd, (to_the_end,), OverflowError
    yield "__int__", int, ()
    yield "__bool__", bool, ()
    yield "track", None, ()
    yield "track", enter_and_leave, ()
    yield "track", raise_inside, (), LookupError
    yield "track", decorate, ()


def enter_and_leave(cell: Any) -> None:
    guard = cell.track()
    with guard as entered, guard:
        assert entered is cell
    repr(guard)


def raise_inside(cell: Any) -> None:
    with cell.track():
        raise LookupError


def decorate(cell: Any) -> None:
    assert cell.track()(len)([]) == 0


def float_rows() -> Iterator[tuple[Any, ...]]:
    yield "load", None, ()
    for name in (
        "store", "exchange", "add", "fetch_add", "fetch_sub", "add_fetch", "sub_fetch", "fetch_max",
        "fetch_min", "__init__",
    ):  # fmt: skip
        yield name, None, (other_float,)
        yield name, None, (other_integer,)
        yield name, None, (text,), TypeError
        yield name, None, (Refusing,), LookupError
    for name in ("compare_and_set", "compare_exchange"):
        yield name, None, (same_float, other_float)
        yield name, None, (other_float, same_float)
        yield name, None, (same_float, text), TypeError
        yield name, None, (same_float,), TypeError
    for name in ("update", "fetch_update"):
        yield name, None, (lambda: operator.neg,)
        yield name, None, (lambda: refuse,), LookupError
        yield name, None, (lambda: repr,), TypeError
    for name in ("iadd", "isub"):
        yield f"__{name}__", getattr(operator, name), (other_float,)
        yield f"__{name}__", getattr(operator, name), (text,), TypeError
    yield "__float__", float, ()
    yield "__bool__", bool, ()


def bool_rows() -> Iterator[tuple[Any, ...]]:
    for name in ("load", "test_and_set", "clear"):
        yield name, None, ()
    for name in ("store", "exchange", "__init__"):
        yield name, None, (lambda: True,)
        yield name, None, (other_integer,), TypeError
    for name in ("compare_and_set", "compare_exchange"):
        yield name, None, (lambda: True, lambda: False)
        yield name, None, (lambda: False, lambda: True)
        yield name, None, (lambda: False, text), TypeError
    yield "__bool__", bool, ()


def ref_rows() -> Iterator[tuple[Any, ...]]:
    yield "load", None, ()
    for name in ("store", "exchange", "__init__"):
        yield name, None, (thing,)
    yield "store", store_itself, ()
    for name in ("compare_and_set", "compare_exchange"):
        yield name, None, (thing, thing)
        yield name, swapping(name), (thing,)
        yield name, None, (thing,), TypeError
    for name in ("update", "fetch_update"):
        yield name, None, (lambda: repr,)
        yield name, None, (lambda: refuse,), LookupError
    yield "__class_getitem__", lambda cell, name: type(cell)[name], (text,)


def store_itself(cell: Any) -> None:
    cell.store(cell)
    repr(cell)
    cell.store(None)


def swapping(name: str) -> Callable[..., Any]:
    def call(cell: Any, desired: object) -> None:
        getattr(cell, name)(cell.load(), desired)

    return call


def counter_rows() -> Iterator[tuple[Any, ...]]:
    for name in ("load", "inc", "drain"):
        yield name, None, ()
    for name in ("add", "__init__"):
        yield name, None, (other_integer,)
        yield name, None, (negative,), ValueError
        yield name, None, (text,), TypeError
        yield name, None, (too_large,), OverflowError
        yield name, None, (Refusing,), LookupError
    yield "add", None, (to_the_end,), OverflowError
    yield "__iadd__", operator.iadd, (other_integer,)
    yield "__iadd__", operator.iadd, (text,), TypeError
    yield "__int__", int, ()
    yield "__bool__", bool, ()


# Counts past the small ints that the interpreter keeps, so that a snapshot allocates.
OBSERVATIONS = 300


def histogram_of(module: ModuleType) -> Any:
    histogram = module.Histogram([same_float(), other_float()])
    for _ in range(OBSERVATIONS):
        histogram.observe(1.0)
    return histogram


def histogram_rows() -> Iterator[tuple[Any, ...]]:
    for name in ("snapshot", "drain", "time"):
        yield name, None, ()
    yield "bounds", operator.attrgetter("bounds"), ()
    for argument in (same_float, other_integer, to_the_end):
        yield "observe", None, (argument,)
    yield "observe", None, (text,), TypeError
    yield "observe", None, (lambda: float("nan"),), ValueError
    yield "observe", None, (Refusing,), LookupError
    yield "__init__", None, (lambda: [1.0],), RuntimeError
    yield "__init__", None, (lambda: [2.0, 1.0],), ValueError
    yield "__init__", None, (lambda: [text()],), TypeError
    yield "__init__", None, (thing,), TypeError
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


def family_of(module: ModuleType) -> Any:
    family = module.Family(module.Counter, text(), "status", limit=2)
    family[text(), same_integer()].inc()
    return family


def same_key() -> tuple[Any, ...]:
    return text(), same_integer()


def same_key_otherwise() -> tuple[Any, ...]:
    return text(), str(same_integer())


def other_key() -> tuple[Any, ...]:
    return text(), other_integer()


def family_rows() -> Iterator[tuple[Any, ...]]:
    for key in (same_key, same_key_otherwise, other_key):
        yield "__getitem__", operator.getitem, (key,)
    yield "__getitem__", operator.getitem, (lambda: (text(), True),)
    yield "__getitem__", operator.getitem, (text,), ValueError
    yield "__getitem__", operator.getitem, (lambda: (text(), same_float()),), TypeError
    yield "__getitem__", fill, (), ValueError
    yield "__getitem__", make_with, (lambda: refuse,), LookupError
    yield "__class_getitem__", None, (thing,)
    yield "items", None, ()
    yield "items", lambda family: list(family.items()), ()
    yield "clear", None, ()
    yield "remove", None, (text, same_integer)
    yield "remove", None, (text, other_integer), KeyError
    yield "remove", None, (text,), ValueError
    yield "remove", None, (text, same_float), TypeError
    yield "label_names", operator.attrgetter("label_names"), ()
    yield "limit", operator.attrgetter("limit"), ()
    yield "__init__", None, (lambda: int, text), RuntimeError
    yield "__init__", None, (lambda: int, text, text), ValueError
    yield "__init__", None, (lambda: int, same_integer), TypeError
    yield "__init__", None, (text, text), TypeError


def fill(family: Any) -> None:
    for status in range(3):
        family[text(), status]


def make_with(family: Any, factory: Any) -> None:
    type(family)(factory, text())[same_integer()]


def buffer() -> bytearray:
    return bytearray(8)


def released(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The call on another cell, that was released."""

    def on_another(cell: Any) -> Any:
        other = type(cell)(buffer())
        other.release()
        return call(other)

    return on_another


def shared_rows() -> Iterator[tuple[Any, ...]]:
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


def without(rows: Iterator[tuple[Any, ...]], name: str) -> Iterator[tuple[Any, ...]]:
    return (row for row in rows if row[0] != name)


def shared_integer_rows() -> Iterator[tuple[Any, ...]]:
    yield from without(integer_rows(), "__init__")
    yield from shared_rows()


def shared_float_rows() -> Iterator[tuple[Any, ...]]:
    yield from without(float_rows(), "__init__")
    yield from shared_rows()


def common_rows(module: ModuleType) -> Iterator[tuple[Any, ...]]:
    yield "__repr__", repr, ()
    yield "__hash__", hash, ()
    yield "__eq__", operator.eq, (thing,)
    yield "__weakref__", weakref.ref, ()
    yield "__reduce__", pickle.dumps, (), TypeError
    yield "__reduce__", copy.copy, (), TypeError
    yield "__reduce__", copy.deepcopy, (), TypeError
    yield "__reduce__", None, (), TypeError
    yield "enable_deferred_refcount", module.enable_deferred_refcount, ()


TYPES: dict[str, tuple[Callable[[], Iterator[tuple[Any, ...]]], Callable[[], Any]]] = {
    "AtomicInt": (integer_rows, same_integer),
    "AtomicFloat": (float_rows, same_float),
    "AtomicBool": (bool_rows, lambda: True),
    "AtomicRef": (ref_rows, thing),
    "Counter": (counter_rows, same_integer),
}
# Those that are made of more than a value.
OTHERS: dict[str, tuple[Callable[[], Iterator[tuple[Any, ...]]], Callable[[ModuleType], Any]]] = {
    "Histogram": (histogram_rows, histogram_of),
    "Family": (family_rows, family_of),
}


def state_of(cell: Any) -> Any:
    """What an operation that fails must leave as it was."""
    if hasattr(cell, "snapshot"):
        return cell.snapshot()
    return list(cell.items()) if hasattr(cell, "items") else cell.load()


# Which the twin has not.
SHARED_TYPES = {
    "SharedInt": (shared_integer_rows, same_integer),
    "SharedFloat": (shared_float_rows, same_float),
}


def types_of(
    module: ModuleType,
) -> dict[str, tuple[Callable[[], Iterator[tuple[Any, ...]]], Callable[[], Any]]]:
    return TYPES | SHARED_TYPES if module.__name__ == "atomicx._core" else TYPES


def local_rows() -> Iterator[tuple[Any, ...]]:
    yield "__new__", None, ()
    yield "__new__", None, (thing, thing), TypeError


def exercises(module: ModuleType) -> list[Exercise]:
    found = []
    for type_name, (rows, initial) in types_of(module).items():
        cell_type = getattr(module, type_name)

        def make(cell_type: Any = cell_type, initial: Callable[[], Any] = initial) -> Any:
            if cell_type.__name__ not in SHARED_TYPES:
                return cell_type(initial())
            cell = cell_type(buffer())
            cell.store(initial())
            return cell

        if type_name in TYPES:
            for name, call, arguments, *raises in local_rows():
                found.append(Exercise(type_name, name, make, call, arguments, *raises))
        for name, call, arguments, *raises in [*rows(), *common_rows(module)]:
            found.append(Exercise(type_name, name, make, call, arguments, *raises))
    for type_name, (rows, made) in OTHERS.items():
        make_other = functools.partial(made, module)
        for name, call, arguments, *raises in [*rows(), *common_rows(module)]:
            found.append(Exercise(type_name, name, make_other, call, arguments, *raises))
    return found


def uncovered(module: ModuleType) -> set[str]:
    """Public members and operators of the types that no exercise covers."""
    covered = {(exercise.type_name, exercise.name) for exercise in exercises(module)}
    operators = {
        "__iadd__",
        "__isub__",
        "__iand__",
        "__ior__",
        "__ixor__",
        "__int__",
        "__float__",
        "__bool__",
        "__getitem__",
    }
    members = {
        (type_name, name)
        for type_name in (*types_of(module), *OTHERS)
        for name in dir(getattr(module, type_name))
        if not name.startswith("_") or name in operators
    }
    return {f"{type_name}.{name}" for type_name, name in members - covered}
