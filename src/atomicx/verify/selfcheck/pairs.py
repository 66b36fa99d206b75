"""Encounters on real threads: a litmus test that goes through all those of one operation, again and again.

Three threads have one test for all operations of a type.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from typing import Any

from ..litmus import ACCEPTABLE, FORBIDDEN, Litmus, plain_actor
from .access import Access
from .encounters import Encounter
from .promises import BETWEEN, EITHER, FIRST, SECOND

SOME_ORDER = "in some order"
OUTCOMES = {
    EITHER: ACCEPTABLE("both orders give it"),
    FIRST: ACCEPTABLE("the left one came first"),
    SECOND: ACCEPTABLE("the right one came first"),
    BETWEEN: ACCEPTABLE("a read while it changed"),
    "as promised": ACCEPTABLE("one child for each key"),
    SOME_ORDER: ACCEPTABLE("one of their orders gives it"),
}
UNEXPLAINED = FORBIDDEN("neither order gives it")


class _Sample:
    """One encounter, on one cell."""

    __slots__ = ("calls", "cell", "encounter")

    def __init__(self, access: Access, encounter: Encounter) -> None:
        self.encounter = encounter
        self.cell = encounter.setup(access)
        self.calls = encounter.calls(access)


def _first(sample: _Sample) -> Any:
    return sample.calls[0](sample.cell)


def _second(sample: _Sample) -> Any:
    return sample.calls[1](sample.cell)


def _third(sample: _Sample) -> Any:
    return sample.calls[2](sample.cell)


def pairs_litmus(name: str, access: Access, found: Sequence[Encounter]) -> Litmus:
    """Return the litmus test of these encounters."""
    following = cycle(found)

    def observe(sample: _Sample, *results: Any) -> str:
        explained, wrong = sample.encounter.judged(access, sample.cell, results)
        if explained is None:
            return f"{sample.encounter}: {wrong}"
        return explained if explained in OUTCOMES else SOME_ORDER

    bodies = {"first": _first, "second": _second, "third": _third}

    return Litmus(
        name=name,
        setup=lambda: _Sample(access, next(following)),
        actors=tuple(plain_actor(*each) for each in list(bodies.items())[: len(found[0].operations)]),
        outcomes=OUTCOMES,
        observe=observe,
        show=str,
        unlisted=UNEXPLAINED,
    )
