"""admit(limit): a block is counted while inside, or refused, and afterwards everything is as before."""

import contextlib
import copy
import gc
import pickle
import threading
import weakref
from types import ModuleType
from typing import Any

import pytest

from atomicx.verify.spec.kinds import INT64_MAX, INT64_MIN


def test_admitted_up_to_the_limit(backend: ModuleType) -> None:
    in_flight = backend.AtomicInt()
    with in_flight.admit(2) as first, in_flight.admit(2) as second:
        assert (first, second, in_flight.load()) == (True, True, 2)
        with in_flight.admit(2) as third:
            assert (third, in_flight.load()) == (False, 2)
        assert in_flight.load() == 2
    assert in_flight.load() == 0


@pytest.mark.parametrize("limit", [0, 1], ids=["refused", "admitted"])
@pytest.mark.parametrize("error", [LookupError("x"), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_a_block_that_raises(backend: ModuleType, error: BaseException, limit: int) -> None:
    in_flight = backend.AtomicInt()
    with pytest.raises(type(error)) as raised, in_flight.admit(limit):
        assert in_flight.load() == limit
        raise error
    assert raised.value is error
    assert in_flight.load() == 0


def test_what_the_protocol_asks(backend: ModuleType) -> None:
    guard = backend.AtomicInt().admit(1)
    assert guard.__enter__() is True
    assert guard.__exit__(None, None, None) is None
    assert backend.AtomicInt(1).admit(1).__enter__() is False


def test_usable_again_after_its_block(backend: ModuleType) -> None:
    in_flight = backend.AtomicInt()
    guard = in_flight.admit(1)
    for others in (0, 1, 0):
        in_flight.store(others)
        with guard as admitted:
            assert admitted is (others == 0)
        assert in_flight.load() == others


@pytest.mark.parametrize("limit", [0, 1], ids=["refused", "admitted"])
def test_entered_twice(backend: ModuleType, limit: int) -> None:
    in_flight = backend.AtomicInt()
    guard = in_flight.admit(limit)
    with guard:
        with pytest.raises(RuntimeError, match=r"^this admit\(\) guard is already entered$"), guard:
            raise AssertionError("entered twice")
        assert in_flight.load() == limit
    assert in_flight.load() == 0
    with guard as admitted:
        assert admitted is bool(limit)


def test_left_without_an_entry(backend: ModuleType) -> None:
    in_flight = backend.AtomicInt(5)
    guard = in_flight.admit(9)
    for _ in range(2):
        with pytest.raises(RuntimeError, match=r"^this admit\(\) guard was not entered$"):
            guard.__exit__(None, None, None)
        assert in_flight.load() == 5
        with guard:
            pass


def test_each_call_makes_one(backend: ModuleType) -> None:
    in_flight = backend.AtomicInt()
    assert in_flight.admit(1) is not in_flight.admit(1)


class Index:
    def __index__(self) -> int:
        return 1


@pytest.mark.parametrize("limit", [1, True, Index()], ids=["int", "bool", "index"])
def test_what_is_a_limit(backend: ModuleType, limit: Any) -> None:
    in_flight = backend.AtomicInt()
    with in_flight.admit(limit) as first, in_flight.admit(limit) as second:
        assert (first, second) == (True, False)


@pytest.mark.parametrize("limit", [1.0, None, "1", 2**63, -(2**63) - 1], ids=repr)
def test_errors_are_those_of_try_add(backend: ModuleType, limit: Any) -> None:
    cell = backend.AtomicInt()
    with pytest.raises((TypeError, OverflowError)) as expected:
        cell.try_add(1, limit)
    with pytest.raises(expected.type) as raised:
        cell.admit(limit)
    if expected.type is OverflowError:
        assert str(raised.value) == str(expected.value)


@pytest.mark.parametrize("value", [INT64_MAX, INT64_MIN])
def test_at_the_edges(backend: ModuleType, value: int) -> None:
    cell = backend.AtomicInt(value)
    with cell.admit(INT64_MAX) as admitted:
        assert admitted is (value == INT64_MIN)
    with cell.admit(INT64_MIN) as admitted:
        assert admitted is False
    assert cell.load() == value


def test_an_exit_that_overflows_is_heard_and_ends_the_block(backend: ModuleType) -> None:
    cell = backend.AtomicInt()
    guard = cell.admit(1)
    with pytest.raises(OverflowError), guard:
        cell.store(INT64_MIN)
    assert cell.load() == INT64_MIN
    with guard:
        pass


def test_it_is_not_a_decorator(backend: ModuleType) -> None:
    guard = backend.AtomicInt().admit(1)
    for call in (lambda: guard(len), guard, lambda: guard(1, 2, three=3)):
        with pytest.raises(TypeError, match=r"^admit\(\) cannot be used as a decorator: write 'with "):
            call()


def test_it_keeps_its_cell_and_a_cycle_is_collected(backend: ModuleType) -> None:
    class Cell(backend.AtomicInt):  # type: ignore[misc, name-defined]
        pass

    cell = Cell()
    reference = weakref.ref(cell)
    guard = cell.admit(1)
    del cell
    gc.collect()
    with guard:
        cell = reference()
        assert cell is not None
        assert cell.load() == 1
    cell.guard = guard
    del cell, guard
    gc.collect()
    assert reference() is None


def test_it_cannot_be_copied(backend: ModuleType) -> None:
    guard = backend.AtomicInt().admit(1)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError):
            pickle.dumps(guard, protocol)
    for duplicate in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            duplicate(guard)


def test_repr(backend: ModuleType) -> None:
    assert repr(backend.AtomicInt(5).admit(100)) == "<Admission of AtomicInt(5), limit 100>"


def test_threads_never_pass_the_limit(backend: ModuleType) -> None:
    limit, rounds = 2, 2000
    in_flight, most, admissions = backend.AtomicInt(), backend.AtomicInt(), backend.AtomicInt()

    def act() -> None:
        guard = in_flight.admit(limit)
        for _ in range(rounds):
            with guard as admitted:
                if admitted:
                    admissions.inc()
                    most.fetch_max(in_flight.load())

    threads = [threading.Thread(target=act) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert in_flight.load() == 0
    assert 1 <= most.load() <= limit
    assert admissions.load() >= limit


def test_threads_that_enter_one_admission(backend: ModuleType) -> None:
    """One thread is inside at a time; the others are refused, and count nothing."""
    in_flight = backend.AtomicInt()
    guard = in_flight.admit(1)
    rounds, entered = 2000, backend.AtomicInt()
    inside = backend.AtomicInt()

    def enter() -> None:
        with guard as admitted:
            assert admitted
            assert inside.add_fetch() == 1
            inside.dec()

    def act() -> None:
        for _ in range(rounds):
            with contextlib.suppress(RuntimeError):
                enter()
                entered.inc()

    threads = [threading.Thread(target=act) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (in_flight.load(), inside.load()) == (0, 0)
    assert entered.load() > 0
