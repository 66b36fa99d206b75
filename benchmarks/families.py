"""Counting under labels that are made at run time, by one thread and by two, on one family or on two."""

from collections import deque
from collections.abc import Callable
from itertools import repeat, starmap
from typing import Any

import atomicx
from atomicx.bench.harness import Case
from atomicx.bench.operations import SUBJECT, run_time

from .floor import TURNS

# Each of two threads has a family of its own, or both share one. Each thread has its own bound method and
# labels.
OWN, ONE = "own family", "one family"
BOUND, LOOP = "bound Family.inc(a, b)", "Family.inc(a, b), loop in C"
OBSERVING = "Family.observe(x, a, b) of ExponentialHistogram, loop in C"


def _family(child: Callable[[], Any]) -> Any:
    return atomicx.Family(child, "method", "status")


def _objects(family: Any) -> dict[str, Any]:
    labels = run_time("GET"), run_time("200")
    family.labels(method="GET", status="200")  # makes the child
    return {
        "inc": family.inc,
        "observe": family.observe,
        "method": labels[0],
        "status": labels[1],
        "labels": labels,
        "observation": (0.3, *labels),
        "starmap": starmap,
        "repeat": repeat,
        "deque": deque,
    }


def _cases(label: str, child: Callable[[], Any], statement: str, operations: int) -> list[Case]:
    one = _family(child)

    def own() -> dict[str, Any]:
        return _objects(_family(child))

    def common() -> dict[str, Any]:
        return _objects(one)

    makers: tuple[tuple[str, Callable[[], dict[str, Any]]], ...] = ((OWN, own), (ONE, common))
    return [
        Case(SUBJECT, (), f"{label}, {whose}", (statement,), make, operations=operations).with_threads(
            threads, shared=False
        )
        for whose, make in makers
        for threads in (1, 2)
    ]


def _looped(method: str, arguments: str) -> str:
    return f"deque(starmap({method}, repeat({arguments}, {TURNS})), 0)"


def family_cases() -> list[Case]:
    return [
        *_cases(BOUND, atomicx.Counter, "inc(method, status)", 1),
        *_cases(LOOP, atomicx.Counter, _looped("inc", "labels"), TURNS),
    ]


def observing_cases() -> list[Case]:
    """Return the cases that observe in a family of histograms."""
    return _cases(OBSERVING, atomicx.ExponentialHistogram, _looped("observe", "observation"), TURNS)
