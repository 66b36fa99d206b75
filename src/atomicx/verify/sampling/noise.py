"""The noise of a litmus test: how its actors walk through each batch of states, drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

BATCH = 1024
LEG_SIZES = (4, 8, 16, 32)


@dataclass(frozen=True)
class Walk:
    """One actor's way through a batch, in legs. Between legs it naps, or looks out for the others."""

    legs: tuple[list[int], ...]
    meet: bool = False


@dataclass(frozen=True)
class BatchNoise:
    """How a batch is run: a walk for each actor, and whether the nappers are awake."""

    walks: tuple[Walk, ...]
    nappers: bool

    def within(self, size: int) -> BatchNoise:
        """Return the same noise for a batch of fewer states."""
        walks = (
            replace(walk, legs=tuple([index for index in leg if index < size] for leg in walk.legs))
            for walk in self.walks
        )
        return BatchNoise(tuple(walks), self.nappers)


def noise(seed: int | str, actors: int) -> Iterator[BatchNoise]:
    """Yield the noise of one batch after another, without end. The same seed gives the same noise."""
    chance = random.Random(seed)
    forward = list(range(BATCH))
    in_step = [Walk(_legs(forward, size), meet=True) for size in LEG_SIZES]
    while True:
        style = chance.random()
        if style < 0.7:
            walks = [chance.choice(in_step)] * actors
        elif style < 0.8:
            walks = [_shifted(forward, chance.randrange(8)) for _ in range(actors)]
        elif style < 0.9:
            walks = [Walk((forward[::-1] if index % 2 else forward,)) for index in range(actors)]
        else:
            walks = [_resting(forward, chance.randrange(BATCH)) for _ in range(actors)]
        yield BatchNoise(tuple(walks), nappers=chance.random() < 0.5)


def _legs(order: list[int], size: int) -> tuple[list[int], ...]:
    return tuple(order[start : start + size] for start in range(0, len(order), size))


def _shifted(order: list[int], by: int) -> Walk:
    return Walk((order[by:] + order[:by],))


def _resting(order: list[int], after: int) -> Walk:
    return Walk((order[:after], order[after:]))
