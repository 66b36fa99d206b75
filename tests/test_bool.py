"""AtomicBool beyond its table."""

from types import ModuleType
from typing import Any

import pytest


@pytest.mark.parametrize("value", [0, 1, 1.0, None, "True", object()], ids=lambda value: type(value).__name__)
def test_message_for_what_is_not_a_truth_value(backend: ModuleType, value: Any) -> None:
    message = rf"^AtomicBool takes True or False, not '{type(value).__name__}'$"
    with pytest.raises(TypeError, match=message):
        backend.AtomicBool(value)
    cell = backend.AtomicBool(True)
    for call in (cell.store, cell.exchange, lambda value: cell.compare_and_set(value, False)):
        with pytest.raises(TypeError, match=message):
            call(value)
    assert cell.load() is True


def test_another_bool_is_told_by_its_module(backend: ModuleType) -> None:
    """Named like numpy.bool: a message that "bool" is not accepted would not help."""
    other = type("bool", (), {"__module__": "numpy"})()
    with pytest.raises(TypeError, match=r"^AtomicBool takes True or False, not 'numpy\.bool'$"):
        backend.AtomicBool(other)


def test_truth_of_a_value_is_not_asked(backend: ModuleType) -> None:
    class Loud:
        def __bool__(self) -> bool:
            raise AssertionError("asked")

    with pytest.raises(TypeError):
        backend.AtomicBool(Loud())


def test_only_one_wins(backend: ModuleType) -> None:
    started = backend.AtomicBool()
    assert [started.test_and_set() for _ in range(3)] == [False, True, True]
    assert started.clear() is None
    assert not started
    assert started.compare_exchange(True, True) is False
    assert not started
    assert started.compare_exchange(False, True) is False
    assert started
