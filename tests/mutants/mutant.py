"""A mutant: one bug, planted in a copy of one file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Layer = Literal["explorer", "threads", "pytest"]


class StaleMutant(Exception):
    """The sources have changed, so that a mutant can no longer be planted; its text has to be updated."""


@dataclass(frozen=True)
class Mutant:
    """A bug, and the layer that claims to detect it."""

    name: str  # what is wrong, in a few words
    file: str  # in the repository
    old: str  # occurs exactly once there
    new: str
    layer: Layer
    tests: Sequence[str] = ()  # the node ids that claim it, or the explorer's scripts; empty for threads
    hangs: bool = False  # its tests do not fail but never end: do not wait long

    def planted(self, text: str) -> str:
        found = text.count(self.old)
        if found != 1:
            raise StaleMutant(f"{self.name}: its text occurs {found} times in {self.file}, and not once")
        return text.replace(self.old, self.new)


def explored(name: str, file: str, old: str, new: str) -> Mutant:
    subject = name.split(" ")[0]  # the explorer's scripts have the same name
    return Mutant(name, file, old, new, "explorer", [subject])
