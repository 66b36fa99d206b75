"""Guards and admissions of shared cells: after a release, and in a child that was forked inside the block."""

import mmap
from collections.abc import Callable

import pytest

from atomicx import AtomicInt, SharedInt
from support.marks import NEEDS_C, NEEDS_FORK
from support.shared import fork, shared, status_of

pytestmark = NEEDS_C

NO_BUFFER = "has no buffer"


def mapped() -> SharedInt:
    """Return a cell that forked children share."""
    return SharedInt(mmap.mmap(-1, mmap.PAGESIZE))


def in_a_child(function: Callable[[], None]) -> None:
    assert status_of(fork(function)) == 0


@NEEDS_FORK
def test_a_fork_inside_a_guard() -> None:
    """The child leaves the block too, and does not count down what its parent counted."""
    cell = mapped()
    guard = cell.track()

    def leave() -> None:
        guard.__exit__(None, None, None)
        assert cell.load() == 2
        with guard, guard:  # its own entries count as usual
            assert cell.load() == 4
        assert cell.load() == 2
        guard.__exit__(None, None, None)

    def enter_and_leave() -> None:
        with guard:
            assert cell.load() == 3
        in_a_child(leave)  # a child of a child
        guard.__exit__(None, None, None)

    with guard, guard:
        in_a_child(leave)
        in_a_child(enter_and_leave)
        assert cell.load() == 2
    assert cell.load() == 0


@NEEDS_FORK
@pytest.mark.parametrize("limit", [1, 0], ids=["admitted", "refused"])
def test_a_fork_inside_an_admission(limit: int) -> None:
    cell = mapped()
    guard = cell.admit(limit)

    def leave() -> None:
        guard.__exit__(None, None, None)
        guard.__exit__(None, None, None)
        assert cell.load() == limit
        with guard as admitted:
            assert admitted is False
        guard.__exit__(None, None, None)
        assert cell.load() == limit

    with guard as admitted:
        assert admitted is bool(limit)
        in_a_child(leave)
        assert cell.load() == limit
    assert cell.load() == 0


@NEEDS_FORK
def test_a_fork_inside_the_guards_of_a_cell_of_one_process() -> None:
    """The child has a copy of the cell, with what was counted."""
    cell = AtomicInt()
    guard, admission = cell.track(), cell.admit(9)

    def leave() -> None:
        admission.__exit__(None, None, None)
        guard.__exit__(None, None, None)
        assert cell.load() == 0

    with guard, admission:
        in_a_child(leave)
        assert cell.load() == 2


@NEEDS_FORK
def test_a_guard_that_was_made_before_a_fork() -> None:
    cell = mapped()
    guard, admission = cell.track(), cell.admit(9)

    def use() -> None:
        with guard, admission as admitted:
            assert (admitted, cell.load()) == (True, 2)
        assert cell.load() == 0

    in_a_child(use)
    use()


def test_an_admission_of_a_released_cell() -> None:
    cell = shared(SharedInt)
    guard = cell.admit(5)
    with pytest.raises(ValueError, match=NO_BUFFER), guard:
        cell.release()
    for _ in range(2):
        with pytest.raises(ValueError, match=NO_BUFFER):
            guard.__enter__()
    assert repr(guard) == "<Admission of <released SharedInt>, limit 5>"


def test_what_a_released_cell_shows() -> None:
    cell = shared(SharedInt, 1234)
    assert (str(cell), f"{cell:,d}") == ("1234", "1,234")
    cell.release()
    for show in (str, format):
        with pytest.raises(ValueError, match=NO_BUFFER):
            show(cell)
    assert repr(cell.track()) == "<Guard of <released SharedInt>>"
