"""What a mutant is: one bug, planted in a copy of one file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Layer = Literal["explorer", "threads", "pytest"]


class StaleMutant(Exception):
    """The sources have changed, so that a mutant can no longer be planted; its text is to be brought up."""


@dataclass(frozen=True)
class Mutant:
    """A bug, and the layer that claims to see it."""

    name: str  # what is wrong, in a few words
    file: str  # in the repository
    old: str  # occurs there exactly once
    new: str
    layer: Layer
    tests: Sequence[str] = ()  # the node ids that claim it, or the explorer's scripts; threads has none
    hangs: bool = False  # its tests do not fail, they do not end: do not wait for long

    def planted(self, text: str) -> str:
        found = text.count(self.old)
        if found != 1:
            raise StaleMutant(f"{self.name}: its text occurs {found} times in {self.file}, and not once")
        return text.replace(self.old, self.new)
