"""Every row of the tables, from every edge state, with every edge value, on both backends."""

import importlib
import inspect
import threading
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from types import ModuleType
from typing import Any

import pytest

from atomicx.verify.spec.cells import ALL, CELLS, COUNTER
from atomicx.verify.spec.histograms import exponential, histogram
from atomicx.verify.spec.kinds import DOUBLE, FINITE, INT64, INT64_MAX, OBSERVATION, to_int64
from atomicx.verify.spec.model import REQUIRED, Model, Operation
from model.check import check_operation, describe
from model.edges import EDGES, Refusal, edge_arguments, parameters_of

# Bounds at the edges of doubles.
FINER = histogram((-1.0, 0.0, 5e-324, 1e308))
# Eight octaves to a bucket, from the subnormals up, and there are none for negative values.
BYTES = exponential(
    -3, 0.0, 1.7e308, False, [2.0**exponent for exponent in range(-1072, 1024, 8)] + [1.5e308]
)
MODELS_TRIED = (*ALL, FINER, BYTES)
ROWS = [(model, operation) for model in MODELS_TRIED for operation in model.operations]

# What the built-in numbers and containers can do and a plain object cannot.
OPERATORS = {name for builtin in (complex, float, int, set, list, dict) for name in dir(builtin)}
OPERATORS -= {"__class_getitem__", *dir(object)}

METHODS = [
    (model, operation)
    for model, operation in ROWS
    if operation.written is None and not any(parameter.variadic for parameter in parameters_of(operation))
]
CONVERTING = [
    (model, operation, position)
    for model, operation in ROWS
    for position, parameter in enumerate(parameters_of(operation))
    if parameter.kind.runs_code
]


def name_of(value: object) -> str:
    return value.name if isinstance(value, Operation) else str(value)


@pytest.mark.parametrize("model", ALL, ids=name_of)
def test_every_method_has_its_row(backend: ModuleType, model: Model) -> None:
    cell_type = getattr(backend, model.name)
    methods = {name for name in dir(cell_type) if not name.startswith("_")}
    assert methods == {row.name for row in model.operations if row.is_public and row.name.isidentifier()}


@pytest.mark.parametrize("model", ALL, ids=name_of)
def test_every_operator_has_its_row(backend: ModuleType, model: Model) -> None:
    """The operators and conversions are exactly those of the table."""
    cell_type = getattr(backend, model.name)
    defined = {
        name for base in cell_type.__mro__ for name, member in vars(base).items() if member is not None
    }
    assert defined & OPERATORS == {operation.name for operation in model.operations} & OPERATORS


@pytest.mark.parametrize(("model", "operation"), ROWS, ids=name_of)
def test_edge_values(backend: ModuleType, model: Model, operation: Operation) -> None:
    for state in model.edge_states:
        for args in edge_arguments(operation):
            check_operation(model, operation, model.make(backend, state), state, args)


@pytest.mark.parametrize("operation", COUNTER.operations, ids=name_of)
def test_edge_values_after_a_drain(backend: ModuleType, operation: Operation) -> None:
    """A counter that was filled to its limit, and drained, counts like a new one."""
    for state in COUNTER.edge_states:
        for args in edge_arguments(operation):
            counter = backend.Counter(2**63 - 1)
            assert counter.drain() == 2**63 - 1
            counter.add(state)
            check_operation(COUNTER, operation, counter, state, args)


def count_of(argument: Any) -> int:
    try:
        return to_int64(argument)
    except BaseException:
        return 0


def contended_counters(backend: ModuleType) -> list[Any]:
    """Return drained counters that two threads have contended for.

    Without the GIL the C module's counter starts to use its stripes when threads meet in it. They do not meet
    in every counter, hence several.
    """
    # The twin has no stages to go through, and is slow.
    number, times = (4, 100_000) if backend.__name__ == "atomicx._core" else (1, 1_000)
    counters = [backend.Counter() for _ in range(number)]
    start = threading.Barrier(2)

    def count() -> None:
        for counter in counters:
            start.wait()
            for _ in range(times):
                counter.inc()

    threads = [threading.Thread(target=count) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [counter.drain() for counter in counters] == [2 * times] * number
    return counters


@pytest.mark.parametrize("largest", [1000, INT64_MAX], ids=["small", "every"])
@pytest.mark.parametrize("operation", COUNTER.operations, ids=name_of)
def test_edge_values_after_contention(backend: ModuleType, operation: Operation, largest: int) -> None:
    """A counter that was contended counts like a new one.

    Small counts leave it in the stage that contention brought it to; the others take it on to the last stage,
    from a different state for each counter.
    """
    for position, counter in enumerate(contended_counters(backend)):
        for state in COUNTER.edge_states[position:] + COUNTER.edge_states[:position]:
            for args in edge_arguments(operation):
                if max(state, *map(count_of, args), 0) <= largest:
                    counter.add(state)
                    check_operation(COUNTER, operation, counter, state, args)
                    counter.drain()


@pytest.mark.parametrize("model", CELLS, ids=name_of)
def test_construction(backend: ModuleType, model: Model) -> None:
    """A new cell holds what `__init__` stores, or no cell is made."""
    cell_type = getattr(backend, model.name)
    init = model["__init__"]
    construct = Operation("construct", init.step, (), cell_type.__init__, init.parameters)
    for args in edge_arguments(construct):
        check_operation(model, construct, cell_type.__new__(cell_type), model.initial, args)
        try:
            cell = cell_type(*args)
        except BaseException as error:
            with pytest.raises(type(error)):
                construct.take(model.initial, args)
        else:
            state, _ = construct.take(model.initial, args)
            assert model.same(state, model.read(cell)), describe(model, construct, model.initial, args)


class Meddling:
    """A number whose conversion first changes the very cell that waits for it."""

    def __init__(self, cell: Any, change: Any, number: Any) -> None:
        self.cell = cell
        self.change = change
        self.number = number

    def convert(self) -> Any:
        self.change(self.cell)
        return self.number


class MeddlingIndex(Meddling):
    def __index__(self) -> Any:
        return self.convert()


class MeddlingFloat(Meddling):
    def __float__(self) -> Any:
        return self.convert()


MEDDLING = {INT64: MeddlingIndex, DOUBLE: MeddlingFloat, OBSERVATION: MeddlingFloat, FINITE: MeddlingFloat}
PLAIN = {
    INT64: (0, 1, -1, 3, 2**63 - 1, -(2**63)),
    DOUBLE: (0.0, -0.0, 1.5, -1.0),
    OBSERVATION: (0.0, 1.0, 1.5),
    FINITE: (0.0, 1.0, 1.5, -1.0),
}


def plain_arguments(operation: Operation) -> Iterator[tuple[Any, ...]]:
    return product(*(PLAIN[parameter.kind] for parameter in parameters_of(operation)))


def meddle(
    operation: Operation, position: int, plain: tuple[Any, ...], cell: Any, change: Any
) -> tuple[Any, ...]:
    """Return the plain arguments, one of them replaced by an object whose conversion runs `change`."""
    meddling = MEDDLING[parameters_of(operation)[position].kind](cell, change, plain[position])
    return (*plain[:position], meddling, *plain[position + 1 :])


@pytest.mark.parametrize(("model", "operation", "position"), CONVERTING, ids=name_of)
def test_conversion_that_changes_the_cell(
    backend: ModuleType, model: Model, operation: Operation, position: int
) -> None:
    """The operation comes after the conversion, as a whole: it finds what the conversion left."""
    for before, after in product(model.edge_states[:3], model.edge_states):
        for plain in plain_arguments(operation):
            cell = model.make(backend, before)

            def change(cell: Any, after: Any = after) -> None:
                model.put(cell, after)

            args = meddle(operation, position, plain, cell, change)
            check_operation(model, operation, cell, after, args, means=plain)


@pytest.mark.parametrize(("model", "operation", "position"), CONVERTING, ids=name_of)
def test_conversion_that_runs_the_same_operation(
    backend: ModuleType, model: Model, operation: Operation, position: int
) -> None:
    """The operation inside the conversion is complete before the one outside begins."""
    for before in model.edge_states:
        for plain in plain_arguments(operation):
            try:
                between, _ = operation.take(before, plain)
            except (OverflowError, ValueError):
                continue
            if between != between:
                continue  # A computed NaN: the model cannot know its bits.
            cell = model.make(backend, before)

            def change(cell: Any, before: Any = before, plain: tuple[Any, ...] = plain) -> None:
                check_operation(model, operation, cell, before, plain)

            args = meddle(operation, position, plain, cell, change)
            check_operation(model, operation, cell, between, args, means=plain)


@pytest.mark.parametrize(("model", "operation", "position"), CONVERTING, ids=name_of)
def test_conversion_that_changes_the_cell_and_raises(
    backend: ModuleType, model: Model, operation: Operation, position: int
) -> None:
    """Only the conversion's own change remains."""
    refusal = Refusal("after the change")
    for after in model.edge_states:
        for plain in plain_arguments(operation):
            cell = model.make(backend, model.initial)

            def change(cell: Any, after: Any = after) -> None:
                model.put(cell, after)
                raise refusal.with_traceback(None)

            args = meddle(operation, position, plain, cell, change)
            with pytest.raises(Refusal) as raised:
                operation.call(cell, args)
            assert raised.value is refusal
            assert model.same(after, model.read(cell))


@pytest.mark.parametrize(("model", "operation"), METHODS, ids=name_of)
def test_number_of_arguments(backend: ModuleType, model: Model, operation: Operation) -> None:
    cell = model.make(backend, model.edge_states[1])
    method = getattr(cell, operation.name)
    valid = [next(iter(EDGES[parameter.kind])) for parameter in parameters_of(operation)]
    wrong = [valid[:count] for count in range(operation.fewest)] + [[*valid, 0], [*valid, 0, 0]]
    for args in wrong:
        with pytest.raises(TypeError):
            method(*args)
    assert model.same(model.edge_states[1], model.read(cell))


@pytest.mark.parametrize(("model", "operation"), METHODS, ids=name_of)
def test_arguments_are_positional(backend: ModuleType, model: Model, operation: Operation) -> None:
    cell = model.make(backend, model.edge_states[1])
    method = getattr(cell, operation.name)
    valid = [next(iter(EDGES[parameter.kind])) for parameter in parameters_of(operation)]
    for position, parameter in enumerate(parameters_of(operation)):
        if not parameter.keyword:
            with pytest.raises(TypeError):
                method(*valid[:position], **{parameter.name: valid[position]})
    with pytest.raises(TypeError):
        method(*valid, nonsense=1)
    assert model.same(model.edge_states[1], model.read(cell))


@pytest.mark.parametrize("model", MODELS_TRIED, ids=name_of)
def test_arguments_by_name(backend: ModuleType, model: Model) -> None:
    """They mean the same as by position, in any order."""
    for operation in model.operations:
        names = [parameter.name for parameter in parameters_of(operation)]
        keywords = [parameter.name for parameter in parameters_of(operation) if parameter.keyword]

        def by_name(
            cell: Any, *args: Any, name: str = operation.name, names: Any = names, keywords: Any = keywords
        ) -> Any:
            given = dict(zip(names, args, strict=False))
            named = {each: given.pop(each) for each in reversed(keywords) if each in given}
            return getattr(cell, name)(*given.values(), **named)

        for state, args in product(model.edge_states, operation.arguments if keywords else ()):
            cell = model.make(backend, state)
            check_operation(model, replace(operation, written=by_name), cell, state, args)


VARIADIC = [
    (model, operation)
    for model, operation in ROWS
    if any(parameter.variadic for parameter in parameters_of(operation)) and operation.written is None
]


@pytest.mark.parametrize(("model", "operation"), VARIADIC, ids=name_of)
def test_number_of_values(backend: ModuleType, model: Model, operation: Operation) -> None:
    cell = model.make(backend, model.edge_states[1])
    valid = [next(iter(EDGES[parameter.kind])) for parameter in parameters_of(operation)]
    for wrong in (valid[:-1], [*valid, "more"]):
        with pytest.raises(ValueError):
            getattr(cell, operation.name)(*wrong)
    assert model.same(model.edge_states[1], model.read(cell))


@pytest.mark.twin
@pytest.mark.parametrize(("model", "operation"), [*METHODS, *VARIADIC], ids=name_of)
def test_the_signature_is_that_of_the_table(model: Model, operation: Operation) -> None:
    """Checked for the twin; tests/test_parity.py shows that the C module's is the same."""
    method = getattr(getattr(importlib.import_module("atomicx._reference"), model.name), operation.name)
    _, *found = inspect.signature(method).parameters.values()
    expected = parameters_of(operation)
    if any(each.variadic for each in expected):
        found, expected = [each for each in found if each.kind is not each.VAR_POSITIONAL], ()
    assert [(each.name, REQUIRED if each.default is each.empty else each.default) for each in found] == [
        (each.name, each.default) for each in expected
    ]
    assert [each.kind is each.POSITIONAL_OR_KEYWORD for each in found] == [each.keyword for each in expected]
