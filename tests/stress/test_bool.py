"""Threads on AtomicBools: many cells in a batch, because each can be won only once."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from support.race import must_be_caught, pause, race, require, stays_whole
from support.split import SPLIT

SIZE = 2000


def setting_has_one_winner(cells: list[Any]) -> None:
    def act() -> int:
        return sum(not cell.test_and_set() for cell in cells)

    require(sum(race(act, act)) == len(cells), "a flag was set first by two threads, or by none")


def exchange_has_one_winner(cells: list[Any]) -> None:
    def act() -> int:
        return sum(not cell.exchange(True) for cell in cells)

    require(sum(race(act, act)) == len(cells), "a flag was set first by two threads, or by none")


def compare_and_set_has_one_winner(cells: list[Any]) -> None:
    def act() -> int:
        return sum(cell.compare_and_set(False, True) for cell in cells)

    require(sum(race(act, act)) == len(cells), "a flag was swapped by two threads, or by none")


def compare_exchange_has_one_winner(cells: list[Any]) -> None:
    def act() -> int:
        return sum(not cell.compare_exchange(False, True) for cell in cells)

    require(sum(race(act, act)) == len(cells), "a flag was swapped by two threads, or by none")


def a_flag_is_a_lock(cells: list[Any]) -> None:
    flag = cells[0]
    inside = [0]

    def act() -> int:
        entered = 0
        for _ in range(SIZE):
            if not flag.test_and_set():
                now = inside[0]
                pause()
                inside[0] = now + 1
                entered += 1
                flag.clear()
        return entered

    require(sum(race(act, act)) == inside[0], "two threads were inside at once")
    require(not flag.load(), "the flag is set, and nobody is inside")


WORKLOADS = [
    setting_has_one_winner,
    exchange_has_one_winner,
    compare_and_set_has_one_winner,
    compare_exchange_has_one_winner,
    a_flag_is_a_lock,
]


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.__name__)
def test_flags(backend: ModuleType, workload: Callable[[list[Any]], None]) -> None:
    stays_whole(workload, lambda: [backend.AtomicBool() for _ in range(SIZE)])
    must_be_caught(workload, lambda: [SPLIT["AtomicBool"]() for _ in range(SIZE)])
