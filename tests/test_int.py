"""AtomicInt beyond its table: its repr and messages, what update() calls, and what operators leave alone."""

import operator
from types import ModuleType
from typing import Any

import pytest

from atomicx.verify.spec.kinds import INT64_MAX, INT64_MIN
from model.edges import Index, Reflected, ReflectedIndex

IN_PLACE = [operator.iadd, operator.isub, operator.iand, operator.ior, operator.ixor]


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, 2**100, Index(2**63)], ids=repr)
def test_message_of_a_value_that_does_not_fit(backend: ModuleType, value: Any) -> None:
    with pytest.raises(OverflowError, match=r"^value does not fit in a signed 64-bit integer$"):
        backend.AtomicInt(value)


def test_message_of_a_result_that_does_not_fit(backend: ModuleType) -> None:
    cell = backend.AtomicInt(INT64_MAX)
    with pytest.raises(OverflowError, match=r"^result does not fit in a signed 64-bit integer$"):
        cell.inc()
    assert cell.load() == INT64_MAX


def test_message_of_a_float(backend: ModuleType) -> None:
    with pytest.raises(TypeError, match=r"^'float' object cannot be interpreted as an integer$"):
        backend.AtomicInt(1.0)


def test_message_of_a_modulus(backend: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"^modulus must be at least 1$"):
        backend.AtomicInt().fetch_inc_mod(0)


@pytest.mark.parametrize("in_place", IN_PLACE)
@pytest.mark.parametrize("operand", [1.0, "1", None, Reflected()], ids=repr)
def test_in_place_operator_never_rebinds_the_name(backend: ModuleType, in_place: Any, operand: Any) -> None:
    """The cell itself refuses: the operand's reflected operator is not called."""
    cell = backend.AtomicInt(5)
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        in_place(cell, operand)
    assert cell.load() == 5


def test_in_place_operator_takes_an_operand_that_would_reflect(backend: ModuleType) -> None:
    name = cell = backend.AtomicInt(5)
    name += ReflectedIndex(3)
    assert name is cell
    assert cell.load() == 8


def test_in_place_operators_in_containers(backend: ModuleType) -> None:
    cell = backend.AtomicInt()
    cells = {"hits": cell}
    cells["hits"] += 2
    assert cells["hits"] is cell
    assert cell.load() == 2


def test_results_are_plain_ints(backend: ModuleType) -> None:
    cell = backend.AtomicInt(True)
    assert type(cell.load()) is int
    assert type(cell.exchange(False)) is int
    assert type(cell.update(lambda value: True)) is int
    assert type(int(cell)) is int


def test_update_calls_its_function_once_with_the_value(backend: ModuleType) -> None:
    cell = backend.AtomicInt(20)
    seen = []

    def double(value: int) -> int:
        seen.append(value)
        return value * 2

    assert cell.update(double) == 40
    assert cell.fetch_update(double) == 40
    assert cell.load() == 80
    assert seen == [20, 40]


@pytest.mark.parametrize("name", ["update", "fetch_update"])
def test_update_starts_over_when_the_cell_changed(backend: ModuleType, name: str) -> None:
    cell = backend.AtomicInt(1)
    seen = []

    def double(value: int) -> int:
        seen.append(value)
        if len(seen) < 4:
            cell.inc()
        return value * 2

    assert getattr(cell, name)(double) == {"update": 8, "fetch_update": 4}[name]
    assert seen == [1, 2, 3, 4]
    assert cell.load() == 8


def test_update_does_not_mind_a_change_and_its_undoing(backend: ModuleType) -> None:
    cell = backend.AtomicInt(1)
    seen = []

    def double(value: int) -> int:
        seen.append(value)
        cell.inc()
        cell.dec()
        return value * 2

    assert cell.update(double) == 2
    assert seen == [1]


def test_update_starts_over_when_converting_its_result_changed_the_cell(backend: ModuleType) -> None:
    cell = backend.AtomicInt(1)
    changes = iter([10, 20])

    class Result:
        def __init__(self, value: int) -> None:
            self.value = value

        def __index__(self) -> int:
            cell.store(next(changes, self.value))
            return self.value + 1

    # The third time the conversion stores what the cell already holds, so nothing prevents the swap.
    assert cell.update(Result) == 21
    assert cell.load() == 21


def test_update_inside_update(backend: ModuleType) -> None:
    cell = backend.AtomicInt(1)
    seen = []

    def outer(value: int) -> int:
        seen.append(value)
        if len(seen) == 1:
            assert cell.update(lambda inner: inner + 10) == 11
        return value + 1

    assert cell.update(outer) == 12
    assert seen == [1, 11]


def test_update_that_gives_up_keeps_what_its_function_did(backend: ModuleType) -> None:
    cell = backend.AtomicInt(1)
    error = LookupError("enough")

    def function(value: int) -> int:
        cell.store(5)
        raise error

    with pytest.raises(LookupError) as raised:
        cell.update(function)
    assert raised.value is error
    assert cell.load() == 5


def test_pool_of_permits(backend: ModuleType) -> None:
    in_flight = backend.AtomicInt()
    assert [in_flight.try_add(1, 3) for _ in range(5)] == [True, True, True, False, False]
    assert [in_flight.try_add(-1, 0) for _ in range(5)] == [True, True, True, False, False]
    assert in_flight.load() == 0


def test_round_robin_over_a_pool_that_shrinks(backend: ModuleType) -> None:
    turn = backend.AtomicInt()
    assert [turn.fetch_inc_mod(3) for _ in range(5)] == [0, 1, 2, 0, 1]
    assert [turn.fetch_inc_mod(2) for _ in range(3)] == [0, 1, 0]
    turn.store(INT64_MIN)
    assert turn.fetch_inc_mod(INT64_MAX) == 0
    turn.store(INT64_MAX - 1)
    assert turn.fetch_inc_mod(INT64_MAX) == INT64_MAX - 1
    assert turn.load() == 0


def test_timestamps_that_never_repeat(backend: ModuleType) -> None:
    clock = backend.AtomicInt()
    assert [clock.advance(now) for now in (100, 100, 99, 105, 103)] == [100, 101, 102, 105, 106]
