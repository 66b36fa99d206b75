"""Correct subjects that are built on atomicx's own cells, and so are written in C."""

from atomicx import (
    AtomicBool,
    AtomicFloat,
    AtomicInt,
    AtomicRef,
    Counter,
    ExponentialHistogram,
    Family,
    Histogram,
)

__all__ = [
    "AtomicBool",
    "AtomicFloat",
    "AtomicInt",
    "AtomicRef",
    "Counter",
    "ExponentialHistogram",
    "Family",
    "Histogram",
]


class NamedInt(AtomicInt):
    """A subclass with an additional operation."""

    def increment(self) -> int:
        return self.add_fetch(1)


def counter_of_zero() -> Counter:
    """A factory that takes no value."""
    return Counter()
