"""What the integrations with metrics systems require of the cell, Family or Segment that they export."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from . import ExponentialHistogram, Family, Histogram, SharedCounter, SharedFamily, SharedHistogram

    _Observing = Histogram | ExponentialHistogram
else:
    from ._backend import SharedCounter

Labels = tuple[str, ...]


class RefusedMetric(TypeError, ValueError):
    """A metric with a name, unit, label or description that it cannot have.

    Whatever is refused at registration is a TypeError. This is a ValueError too, as prometheus_client's
    own errors are.
    """


def warn_while_serving(message: str, stacklevel: int) -> None:
    """Issue a RuntimeWarning for the caller at this level, as warnings.warn() counts them.

    If the filters make it an error, it is printed instead: it must fail neither a request nor a scrape.
    """
    try:
        warnings.warn(message, RuntimeWarning, stacklevel=stacklevel + 1)
    except RuntimeWarning:
        import traceback  # rarely needed, and large

        traceback.print_exc()


class Loads(Protocol):
    """A cell with a number, whatever its type."""

    def load(self) -> float: ...


class Named(Protocol):
    """Cells by name, like an atomicx.shared.Segment."""

    def items(self) -> Iterable[tuple[str, Any]]: ...


Counted = TypeVar("Counted", bound="Loads | Family[Loads] | SharedFamily[Loads]")
Gauged = TypeVar(
    "Gauged",
    bound="Loads | Callable[[], float] | Family[Loads | Callable[[], float]] | SharedFamily[Loads]",
)
Observed = TypeVar(
    "Observed", bound="_Observing | Family[_Observing] | SharedHistogram | SharedFamily[SharedHistogram]"
)
NamedCells = TypeVar("NamedCells", bound=Named)


def is_family(source: object) -> bool:
    """Return whether source has children by label values, in either backend."""
    return not isinstance(source, type) and hasattr(source, "label_names") and hasattr(source, "items")


def is_exponential(histogram: Any) -> bool:
    """Return whether a histogram has a scale, and no bounds."""
    return not hasattr(histogram, "bounds")


def label_names_of(source: Any) -> Labels:
    """Return the names of a family's labels; a cell has none."""
    return source.label_names if is_family(source) else ()


def cells_of(source: Any) -> Iterable[tuple[Labels, Any]]:
    """Return the current cells, each with its label values."""
    return source.items() if is_family(source) else [((), source)]


def kind_of(name: str, source: Any) -> str:
    """Return what a named cell or family is exported as: "counter", "gauge" or "histogram".

    A segment's cell is exported as its own kind. An int or a float is a counter if its name ends in _total,
    and otherwise a gauge.
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
    """Return the number that a cell holds, or a function returns, now."""
    return gauge.load() if hasattr(gauge, "load") else gauge()


def _told(source: object) -> str:
    return f"the class {source.__name__!r}" if isinstance(source, type) else repr(type(source).__name__)


def _is_reference(source: object) -> bool:
    return any(
        kind.__name__ == "AtomicRef" and kind.__module__.partition(".")[0] == __package__
        for kind in type(source).__mro__
    )


def _has(source: object, operation: str) -> bool:
    return (
        not isinstance(source, type)
        and not _is_reference(source)
        and callable(getattr(source, operation, None))
    )


def _read(name: str, cell: Any) -> None:
    try:
        float(cell.load())
    except Exception as error:
        raise TypeError(f"{name!r}: cannot read a number from {_told(cell)}: {error}") from error


def _check_children(name: str, family: Any, check: Callable[[str, Any], None]) -> None:
    for labels, child in family.items():
        if is_family(child):
            raise TypeError(f"{name!r}: expected a cell for {labels}, got {_told(child)}")
        check(name, child)


def _check_family_of_numbers(name: str, family: Any, check: Callable[[str, Any], None]) -> None:
    if getattr(family, "kind", "") == "histogram":
        raise TypeError(f"{name!r}: expected cells with load(), got a family of histograms")
    _check_children(name, family, check)


def check_counted(name: str, source: Any) -> None:
    """Raise TypeError, naming the metric, unless source is a cell with a number, or a Family of these."""
    if is_family(source):
        _check_family_of_numbers(name, source, check_counted)
    elif _has(source, "load"):
        _read(name, source)
    else:
        raise TypeError(f"{name!r}: expected a cell with load(), or a Family, got {_told(source)}")


def check_observed(name: str, source: Any) -> None:
    """Raise TypeError, naming the metric, unless source is a histogram, or a Family of histograms."""
    if is_family(source):
        if getattr(source, "kind", "histogram") != "histogram":
            raise TypeError(
                f"{name!r}: expected a family of histograms, got a family of kind {source.kind!r}"
            )
        _check_children(name, source, check_observed)
    elif not (_has(source, "snapshot") and (hasattr(source, "bounds") or hasattr(source, "scale"))):
        raise TypeError(
            f"{name!r}: expected a Histogram, ExponentialHistogram, or Family of them, got {_told(source)}"
        )


def check_gauge(name: str, source: Any) -> None:
    """Raise TypeError, naming the metric, unless source is a cell with a number, a function that can be
    called without arguments, or a Family of these."""
    if is_family(source):
        _check_family_of_numbers(name, source, check_gauge)
        return
    if _has(source, "load"):
        _read(name, source)
        return
    if not callable(source) or isinstance(source, type) or hasattr(source, "load"):
        raise TypeError(f"{name!r}: expected a cell with load(), a function or a Family, got {_told(source)}")
    if inspect.iscoroutinefunction(source):
        raise TypeError(f"{name!r}: expected a function that returns a number, got a coroutine function")
    try:
        signature = inspect.signature(source)
    except (TypeError, ValueError):
        return  # the signature is unknown
    try:
        signature.bind()
    except TypeError as error:
        raise TypeError(
            f"{name!r}: expected a function that can be called without arguments: {error}"
        ) from None


def check_description(name: str, what: str, text: object) -> None:
    """Raise TypeError if text is not a str, RefusedMetric if UTF-8 cannot encode it."""
    if not isinstance(text, str):
        raise TypeError(f"{name!r}: {what} must be a str, not {_told(text)}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RefusedMetric(f"{name!r}: {what} must be encodable in UTF-8: {error}") from None


def check_named(source: object) -> None:
    """Raise TypeError unless source yields cells with their names."""
    if isinstance(source, type) or is_family(source) or not callable(getattr(source, "items", None)):
        raise TypeError(f"expected a Segment, whose items() yield (name, cell), got {_told(source)}")
