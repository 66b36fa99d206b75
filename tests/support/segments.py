"""Shared by the tests of segments: cells of each kind, changed and read alike."""

from typing import Any

from atomicx import SharedCounter, SharedFloat, SharedGauge, SharedHistogram, SharedInt
from atomicx.shared import Segment

NAME_BYTES = 240
KINDS = {
    "int": SharedInt,
    "float": SharedFloat,
    "counter": SharedCounter,
    "gauge": SharedGauge,
    "histogram": SharedHistogram,
}


def make(segment: Segment, kind: str, name: str, *label_names: str, **options: Any) -> Any:
    """Return a cell or a family of this kind; a histogram has the bounds 1 and 2."""
    bounds = ([1.0, 2.0],) if kind == "histogram" else ()
    return getattr(segment, kind)(name, *bounds, *label_names, **options)


def change(cell: Any, by: int = 1) -> None:
    cell.observe(by) if isinstance(cell, SharedHistogram) else cell.add(by)


def value(cell: Any) -> Any:
    return cell.snapshot() if isinstance(cell, SharedHistogram) else cell.load()


def counts(segment: Segment) -> dict[str, Any]:
    return {name: value(cell) for name, cell in segment.items()}
