"""Cells to try `python -m atomicx verify --subject` on: correct ones, and broken ones with one fault each.

`python -m tests.subjects` gives each of them to `verify` and prints a table of the verdicts and the time
they took.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass

CORRECT = {
    "correct_cells": ("LockInt", "SlottedInt", "LockFloat", "LockBool", "LockRef"),
    "correct_unusual": (
        *(
            "GeneratorGuards",
            "SpinningFloat",
            "VersionedInt",
            "CopyingFamily",
            "ServedRef",
            "ShardedHistogram",
        ),
    ),
    "correct_styles": (
        *("SetdefaultRef", "ServingInt", "QueueInt", "PollingQueueInt", "KeywordInt", "PropertyRef"),
        *("DataInt", "MadeInt", "ArrayFloat", "OneAtATimeInt", "ImpatientInt", "ImpatientFamily"),
        *("ForwardingInt", "partial_ref"),
    ),
    "correct_metrics": ("LockCounter", "StripedCounter", "LockHistogram", "LockFamily"),
    "correct_buckets": ("LockExponentialHistogram",),
    "adapted": (
        *("AtomicInt", "AtomicFloat", "AtomicBool", "AtomicRef", "Counter", "Family", "Histogram"),
        "ExponentialHistogram",
        *("NamedInt", "counter_of_zero"),
    ),
}
BROKEN = (
    *("broken_ints", "broken_others", "broken_subtly", "broken_cunningly"),
    *("broken_together", "broken_buckets", "broken_in_threads", "broken_by_surprise"),
)


@dataclass(frozen=True)
class SubjectCase:
    """A subject for `verify`, and whether it must be convicted."""

    name: str
    broken: bool
    options: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        """The name without the package."""
        return self.name.removeprefix("tests.subjects.")


def subjects() -> list[SubjectCase]:
    """Return all subjects, the correct ones first."""
    found = [
        SubjectCase(f"{__name__}.{module}:{name}", False)
        for module, names in CORRECT.items()
        for name in names
    ]
    found.append(SubjectCase(f"{__name__}.correct_cells:WrappingInt", False, ("--wraps",)))
    for module in BROKEN:
        place = importlib.import_module(f"{__name__}.{module}")
        found += [
            SubjectCase(f"{__name__}.{module}:{name}", True)
            for name, value in vars(place).items()
            if isinstance(value, type) and value.__module__ == place.__name__ and not name.startswith("_")
        ]
    return found
