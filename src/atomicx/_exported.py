"""What the integrations with systems of metrics ask of what they export: a cell, a Family, a Segment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from . import Family, Histogram, SharedCounter, SharedFamily, SharedHistogram
else:
    from ._backend import SharedCounter

Labels = tuple[str, ...]


class Loads(Protocol):
    """A cell with a number, whatever its type."""

    def load(self) -> float: ...


class Named(Protocol):
    """Cells by name, as an atomicx.shared.Segment has them."""

    def items(self) -> Iterable[tuple[str, Any]]: ...


Counted = TypeVar("Counted", bound="Loads | Family[Loads] | SharedFamily[Loads]")
Gauged = TypeVar(
    "Gauged",
    bound="Loads | Callable[[], float] | Family[Loads | Callable[[], float]] | SharedFamily[Loads]",
)
Observed = TypeVar(
    "Observed", bound="Histogram | Family[Histogram] | SharedHistogram | SharedFamily[SharedHistogram]"
)
NamedCells = TypeVar("NamedCells", bound=Named)


def is_family(source: object) -> bool:
    """Whether it has children by label values, of whichever backend."""
    return hasattr(source, "label_names") and hasattr(source, "items")


def label_names_of(source: Any) -> Labels:
    """The names of a family's labels; a cell has none."""
    return source.label_names if is_family(source) else ()


def cells_of(source: Any) -> Iterable[tuple[Labels, Any]]:
    """The cells that are there now, each with its label values."""
    return source.items() if is_family(source) else [((), source)]


def kind_of(name: str, source: Any) -> str:
    """What a named cell, or family, is exported as: "counter", "gauge" or "histogram".

    A segment's own kinds tell. An int or a float is a counter if its name ends in _total, and else a gauge.
    """
    if hasattr(source, "snapshot") or getattr(source, "kind", "") == "histogram":
        return "histogram"
    if (
        isinstance(source, SharedCounter)
        or getattr(source, "kind", "") == "counter"
        or name.endswith("_total")
    ):
        return "counter"
    return "gauge"


def reading_of(gauge: Any) -> Any:
    """The number that a cell holds, or a function returns, now."""
    return gauge.load() if hasattr(gauge, "load") else gauge()


def check_gauge(source: Any) -> None:
    """TypeError for what is neither of these, and no Family."""
    if not (hasattr(source, "load") or callable(source) or is_family(source)):
        raise TypeError(f"a gauge is a cell or a function, not {type(source).__name__!r}")
