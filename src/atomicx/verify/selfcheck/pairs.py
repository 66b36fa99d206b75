"""Encounters on real threads: a litmus test that goes through all those of one operation, again and again."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from ..litmus import ACCEPTABLE, FORBIDDEN, Litmus, plain_actor
from .access import Access
from .encounters import Encounter
from .promises import BETWEEN, EITHER, FIRST, SECOND

OUTCOMES = {
    EITHER: ACCEPTABLE("both orders give it"),
    FIRST: ACCEPTABLE("the left one came first"),
    SECOND: ACCEPTABLE("the right one came first"),
    BETWEEN: ACCEPTABLE("a read while it changed"),
    "as promised": ACCEPTABLE("one child for each key"),
}
UNEXPLAINED = FORBIDDEN("neither order gives it")


class _Sample:
    """One encounter, on one cell."""

    __slots__ = ("cell", "encounter", "first", "second")

    def __init__(self, access: Access, encounter: Encounter) -> None:
        self.encounter = encounter
        self.cell = encounter.setup(access)
        self.first, self.second = encounter.calls(access)


def _first(sample: _Sample) -> Any:
    return sample.first(sample.cell)


def _second(sample: _Sample) -> Any:
    return sample.second(sample.cell)


def pairs_litmus(name: str, access: Access, found: list[Encounter]) -> Litmus:
    """Return the litmus test of these encounters."""
    following = cycle(found)

    def observe(sample: _Sample, first: Any, second: Any) -> str:
        explained, wrong = sample.encounter.judged(access, sample.cell, (first, second))
        return f"{sample.encounter}: {wrong}" if explained is None else explained

    return Litmus(
        name=name,
        setup=lambda: _Sample(access, next(following)),
        actors=(plain_actor("first", _first), plain_actor("second", _second)),
        outcomes=OUTCOMES,
        observe=observe,
        show=str,
        unlisted=UNEXPLAINED,
    )
