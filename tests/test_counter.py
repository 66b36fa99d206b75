"""Counter beyond its table: drains, the limit of its values, and what it refuses."""

from types import ModuleType
from typing import Any

import pytest

from atomicx.verify.spec.kinds import INT64_MAX
from model.edges import Index, Reflected, ReflectedIndex


@pytest.mark.parametrize("value", [-1, -(2**63), Index(-1)], ids=repr)
def test_negative_counts_are_refused(backend: ModuleType, value: Any) -> None:
    with pytest.raises(ValueError):
        backend.Counter(value)
    counter = backend.Counter(3)
    with pytest.raises(ValueError):
        counter.add(value)
    with pytest.raises(ValueError):
        counter += value
    with pytest.raises(ValueError):
        counter.__init__(value)
    assert counter.load() == 3


def test_message_of_a_total_that_does_not_fit(backend: ModuleType) -> None:
    counter = backend.Counter(INT64_MAX)
    for call in (counter.inc, lambda: counter.add(1), lambda: counter.add(INT64_MAX)):
        with pytest.raises(OverflowError, match=r"^result does not fit in a signed 64-bit integer$"):
            call()
    with pytest.raises(OverflowError, match=r"^value does not fit in a signed 64-bit integer$"):
        counter.add(2**63)
    assert counter.load() == INT64_MAX
    counter.add(0)
    assert counter.load() == INT64_MAX


def test_a_drain_makes_room_again(backend: ModuleType) -> None:
    """However often the counter was full: drained counts do not use up the limit."""
    counter = backend.Counter(INT64_MAX)
    for _ in range(5):
        assert counter.drain() == INT64_MAX
        assert counter.load() == 0
        counter.add(INT64_MAX - 1)
        counter.inc()
        with pytest.raises(OverflowError):
            counter.inc()
        assert counter.load() == INT64_MAX
    assert counter.drain() == INT64_MAX
    counter.add(5)
    assert counter.load() == 5


def test_each_count_is_in_exactly_one_drain(backend: ModuleType) -> None:
    counter = backend.Counter(10)
    drained = []
    for step in range(100):
        counter.inc()
        counter.add(step)
        if step % 7 == 0:
            drained.append(counter.drain())
    assert sum(drained) + counter.load() == 10 + 100 + sum(range(100))
    rest = counter.load()
    assert counter.drain() == rest
    assert counter.drain() == 0


def test_init_again_starts_over(backend: ModuleType) -> None:
    counter = backend.Counter(INT64_MAX)
    counter.__init__(2)
    assert counter.load() == 2
    counter.__init__()
    assert counter.load() == 0
    counter.add(INT64_MAX)
    assert counter.drain() == INT64_MAX


def test_in_place_operator_never_rebinds_the_name(backend: ModuleType) -> None:
    name = counter = backend.Counter(5)
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        name += Reflected()
    with pytest.raises(TypeError):
        name -= 1
    name += ReflectedIndex(3)
    assert name is counter
    assert counter.load() == 8
