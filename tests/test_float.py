"""AtomicFloat beyond its table: bits, NaN, and the loops that must end."""

import math
from types import ModuleType
from typing import Any

import pytest

from atomicx.verify.spec.kinds import bits, from_bits
from model.edges import Float, Reflected

QUIET = from_bits(0x7FF8_0000_0000_0000)
OTHER_QUIET = from_bits(0x7FF8_0000_0000_0001)


@pytest.mark.parametrize("value", ["1.0", None, b"1", 1j, []], ids=repr)
def test_message_for_what_is_not_a_number(backend: ModuleType, value: Any) -> None:
    with pytest.raises(TypeError, match=rf"^must be real number, not {type(value).__name__}$"):
        backend.AtomicFloat(value)


@pytest.mark.parametrize("value", [0.0, -0.0, QUIET, OTHER_QUIET, -QUIET, 5e-324, -math.inf], ids=repr)
def test_every_bit_is_kept(backend: ModuleType, value: float) -> None:
    cell = backend.AtomicFloat(value)
    assert bits(cell.load()) == bits(value)
    assert bits(cell.exchange(1.0)) == bits(value)
    cell.store(value)
    assert bits(float(cell)) == bits(value)
    assert bits(cell.compare_exchange(value, 2.0)) == bits(value)
    assert cell.load() == 2.0


def test_comparison_is_by_bits(backend: ModuleType) -> None:
    cell = backend.AtomicFloat(-0.0)
    assert not cell.compare_and_set(0.0, 1.0)
    assert cell.compare_and_set(-0.0, QUIET)
    assert not cell.compare_and_set(OTHER_QUIET, 1.0)
    assert not cell.compare_and_set(-QUIET, 1.0)
    assert cell.compare_and_set(QUIET, 1.0)
    assert cell.load() == 1.0


@pytest.mark.parametrize("name", ["update", "fetch_update"])
def test_update_ends_over_nan(backend: ModuleType, name: str) -> None:
    cell = backend.AtomicFloat(QUIET)
    seen = []

    def function(value: float) -> float:
        seen.append(value)
        assert len(seen) == 1, "the same NaN was not recognised"
        return 1.0

    getattr(cell, name)(function)
    assert cell.load() == 1.0


@pytest.mark.parametrize(
    "name", ["fetch_add", "fetch_sub", "add_fetch", "sub_fetch", "fetch_max", "fetch_min", "add"]
)
def test_operations_end_over_nan(backend: ModuleType, name: str) -> None:
    cell = backend.AtomicFloat(QUIET)
    getattr(cell, name)(QUIET)
    assert math.isnan(cell.load())


def test_update_starts_over_when_the_sign_of_zero_changed(backend: ModuleType) -> None:
    cell = backend.AtomicFloat(0.0)
    seen = []

    def function(value: float) -> float:
        seen.append(math.copysign(1.0, value))
        if len(seen) == 1:
            cell.store(-0.0)
        return 3.0

    assert cell.update(function) == 3.0
    assert seen == [1.0, -1.0]


def test_update_passes_exceptions_through(backend: ModuleType) -> None:
    cell = backend.AtomicFloat(1.5)
    error = KeyboardInterrupt("now")

    def function(value: float) -> float:
        raise error

    with pytest.raises(KeyboardInterrupt) as raised:
        cell.update(function)
    assert raised.value is error
    assert cell.load() == 1.5


def test_maximum_and_minimum_prefer_a_number(backend: ModuleType) -> None:
    for name in ("fetch_max", "fetch_min"):
        cell = backend.AtomicFloat(QUIET)
        getattr(cell, name)(-1.0)
        assert cell.load() == -1.0
        getattr(cell, name)(QUIET)
        assert cell.load() == -1.0


def test_zeros_tie_and_the_cell_stays(backend: ModuleType) -> None:
    for name in ("fetch_max", "fetch_min"):
        for stays, operand in ((0.0, -0.0), (-0.0, 0.0)):
            cell = backend.AtomicFloat(stays)
            getattr(cell, name)(operand)
            assert bits(cell.load()) == bits(stays)


def test_results_are_plain_floats(backend: ModuleType) -> None:
    cell = backend.AtomicFloat(True)
    assert type(cell.load()) is float
    assert type(cell.exchange(2)) is float
    assert type(cell.update(lambda value: 3)) is float
    assert type(cell.fetch_update(lambda value: Float(4.0))) is float
    assert cell.load() == 4.0


def test_in_place_operator_never_rebinds_the_name(backend: ModuleType) -> None:
    name = cell = backend.AtomicFloat(5.0)
    with pytest.raises(TypeError, match="must be real number"):
        name += Reflected()
    with pytest.raises(TypeError, match="must be real number"):
        name -= Reflected()
    name += 0.5
    name -= 1
    assert name is cell
    assert cell.load() == 4.5


def test_sum_goes_to_infinity_as_floats_do(backend: ModuleType) -> None:
    cell = backend.AtomicFloat(1.7976931348623157e308)
    cell.add(1.7976931348623157e308)
    assert cell.load() == math.inf
