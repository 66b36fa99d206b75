"""`python -m atomicx segment PATH` shows what is in a segment, and how full it is."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import SharedCounter, SharedFloat, SharedGauge, SharedHistogram, SharedInt
from ._terminal import UsageError, output_width, wrapped
from .shared import Segment

if TYPE_CHECKING:
    import argparse

_KINDS: dict[type, str] = {
    SharedInt: "int",
    SharedFloat: "float",
    SharedCounter: "counter",
    SharedGauge: "gauge",
    SharedHistogram: "histogram",
}


def segment_command(options: argparse.Namespace) -> int:
    """Show a segment, once or repeatedly. Returns the exit status."""
    try:
        segment = Segment.open(options.path, readonly=True, owner=options.owner)
        print(report(segment, output_width()))
        while options.watch is not None:
            sys.stdout.flush()
            time.sleep(options.watch)
            print(f"\n{report(segment, output_width())}")
    except BrokenPipeError:
        raise  # from print(): no fault of the file
    except OSError as error:
        raise UsageError(f"{options.path!r}: {error.strerror or error}") from None
    except (ValueError, RuntimeError) as error:
        raise UsageError(str(error)) from None
    return 0


def report(segment: Segment, width: int | None = None) -> str:
    """Return everything there is to know about a segment, as lines of text."""
    usage = segment.usage()
    lines = [
        _written(segment.path),
        f"  series      {usage.series} of {usage.capacity} ({usage.series / usage.capacity:.0%})",
        f"  stripes     {usage.alive} alive, {usage.stripes} used, of {usage.processes}",
        f"  size        {usage.bytes} bytes, {usage.name_bytes} of them for names and labels",
        f"  overflowed  {usage.overflowed} additions, for lack of room",
        *(line for name, cell in segment.items() for line in _lines(_written(name), cell)),
        *(_part_line(*series) for series in segment._parts()),
    ]
    return "\n".join(part for line in lines for part in wrapped(line, width, "    "))


def _written(name: str) -> str:
    """Return a name as it is, or quoted if it has characters that a terminal would obey."""
    return name if name.isprintable() else repr(name)


def _lines(name: str, cell: Any) -> Iterator[str]:
    kind = next((kind for made, kind in _KINDS.items() if isinstance(cell, made)), None)
    if kind is not None:
        yield f"{kind:9} {name} {_value(cell)}"
        return
    # A family.
    for labels, child in cell.items():
        pairs = zip(map(_written, cell.label_names), labels, strict=True)
        text = ", ".join(f"{label}={value!r}" for label, value in pairs)
        yield f"{cell.kind:9} {name}{{{text}}} {_value(child)}"
    if len(cell) == 0:
        yield f"{cell.kind:9} {name}{{{', '.join(map(_written, cell.label_names))}}} no series"


def _part_line(metric: bytes, series: bytes, value: float | list[tuple[int, float, float, bool]]) -> str:
    """Return the line of a value of prometheus_client: its name and labels as in the key, which is JSON."""
    name = _written(series.decode(errors="replace"))
    if not isinstance(value, list):
        return f"{'total':9} {name} {value:g}"
    parts = [f"pid {pid}: {part:g}{'' if alive else ' (dead)'}" for pid, part, _, alive in value]
    return f"{'part':9} {name} {', '.join(parts) or 'of no process'}"


def _value(cell: Any) -> str:
    if not isinstance(cell, SharedHistogram):
        return str(cell.load())
    snapshot = cell.snapshot()
    buckets = [f"<={bound:g}: {count}" for bound, count in zip(cell.bounds, snapshot.counts, strict=False)]
    return f"{', '.join(buckets)}, more: {snapshot.counts[-1]}; sum {snapshot.sum:g}"
