"""Counting under labels that are made at run time, by one thread and by two, on one family or on two."""

from collections import deque
from collections.abc import Callable
from itertools import repeat, starmap
from typing import Any

import atomicx
from atomicx.bench.harness import Case
from atomicx.bench.operations import SUBJECT, labelled, run_time

from .floor import TURNS

# Each of two threads has a family of its own, or both share one. Each thread has its own bound method and
# labels.
OWN, ONE = "own family", "one family"
BOUND, LOOP = "bound Family.inc(a, b)", "Family.inc(a, b), loop in C"


def _objects(family: Any) -> dict[str, Any]:
    labels = run_time("GET"), run_time("200")
    family.inc("GET", "200")
    return {
        "inc": family.inc,
        "method": labels[0],
        "status": labels[1],
        "labels": labels,
        "starmap": starmap,
        "repeat": repeat,
        "deque": deque,
    }


def _cases(label: str, statement: str, operations: int) -> list[Case]:
    one = atomicx.Family(atomicx.Counter, "method", "status")

    def own() -> dict[str, Any]:
        return _objects(labelled()["cell"])

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


def family_cases() -> list[Case]:
    return [
        *_cases(BOUND, "inc(method, status)", 1),
        *_cases(LOOP, f"deque(starmap(inc, repeat(labels, {TURNS})), 0)", TURNS),
    ]
