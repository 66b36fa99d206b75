"""The results, as rows with their ratios: as text, as a table drawn by rich, and as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import atomicx

from .._info import facts
from .._terminal import columns, wrapped
from .alternatives import LOCKED
from .harness import Case, Measurement, Timing
from .operations import SUBJECT

Record = dict[str, Any]

HEADINGS = ("operation", "ns", "quartiles", "of floor", "a lock", "2 threads")
NUMBERS = (1, 2, 3, 4, 5)
GIVE_WAY = (2, 3, 5, 4)
STYLES = {SUBJECT: "green", "floor": "dim"}
NOT_MEASURED = "-"


def records(measured: Measurement) -> list[Record]:
    """Return what is known about each case, in a form for JSON. A ratio to a case without timing is None."""
    timings = measured.timings
    return [_record(case, measured.cases, timings) for case in measured.cases]


def _record(case: Case, cases: Iterable[Case], timings: dict[str, Timing]) -> Record:
    timing = timings.get(case.name)
    best = _fastest_alternative(case, cases, timings)
    floor = case.floor and replace(case, label=case.floor).name
    one = case.with_threads(1, shared=True).name
    return {
        "name": case.name,
        "label": case.label,
        "subject": case.subject,
        "jobs": list(case.jobs),
        "access": case.access,
        "threads": case.threads,
        "shared": case.shared,
        "note": case.note,
        "median_ns": timing and timing.median_ns,
        "lower_quartile_ns": timing and timing.lower_quartile_ns,
        "upper_quartile_ns": timing and timing.upper_quartile_ns,
        "samples": timing.samples if timing else 0,
        "floor": floor if floor in timings else None,
        "of_floor": _ratio(timing, timings.get(floor)),
        "alternative": best,
        "of_alternative": _ratio(timing, timings.get(best or "")),
        # How much work the threads do together in the time in which one alone does 1.
        "throughput": _ratio(timings.get(one), timing, case.threads) if case.threads > 1 else None,
    }


def _ratio(above: Timing | None, below: Timing | None, times: int = 1) -> float | None:
    if above is None or below is None:
        return None
    return round(times * above.median_ns / below.median_ns, 3)


def _fastest_alternative(case: Case, cases: Iterable[Case], timings: dict[str, Timing]) -> str | None:
    """Return the name of the fastest equivalent from another package; None for a case that is not ours."""
    if case.subject != SUBJECT:
        return None
    others = [
        other.name
        for other in cases
        if other.subject not in (SUBJECT, "floor") and other.name in timings and case.equivalent(other)
    ]
    return min(others, key=lambda name: timings[name].median_ns, default=None)


def heading(seconds: float) -> list[str]:
    """Return lines that say what is measured, and where."""
    known = facts()
    lines = [
        f"atomicx {known['version']}, backend {known['backend']}: {known['interpreter']}, {known['gil']},"
        f" {known['cores']} cores, {known['platform']}, {seconds:g} s"
    ]
    if atomicx.backend == "python":
        lines.append("This is the pure-Python twin. The C module, which is much faster, is not in use here.")
    return lines


def title() -> str:
    """Return the same in a few words, for a chart."""
    known = facts()
    what = "atomicx" if known["backend"] == "c" else "atomicx's pure-Python twin"
    return f"{what} {known['version']} on {known['interpreter']}, {known['gil']}"


def table_row(record: Record, lock_ns: float | None) -> tuple[str, ...]:
    """Return a record as a line of the table. A row with more threads is named below the one with one."""
    median_ns = record["median_ns"]
    name = record["name"] if record["threads"] == 1 else f"  {_variant(record)}"
    if median_ns is None:
        return (name, *[NOT_MEASURED] * (len(HEADINGS) - 1))
    lock = lock_ns / median_ns if lock_ns and record["threads"] == 1 else None
    return (
        name,
        f"{median_ns:,.1f}",
        f"{record['lower_quartile_ns']:,.1f} to {record['upper_quartile_ns']:,.1f}",
        _times(record["of_floor"]),
        _times(lock),
        _times(record["throughput"]),
    )


def _variant(record: Record) -> str:
    return str(record["name"]).removeprefix(f"{record['label']}, ")


def _times(ratio: float | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio:,.0f} x" if ratio >= 100 else f"{ratio:.2f} x" if ratio < 10 else f"{ratio:.1f} x"


def grouped(known: Iterable[Record]) -> list[Record]:
    """Return the records with those of the same operation next to each other."""
    groups: dict[str, list[Record]] = {}
    for record in known:
        groups.setdefault(record["label"], []).append(record)
    return [record for group in groups.values() for record in group]


def table(known: list[Record]) -> list[tuple[str, ...]]:
    """Return the lines of the table, under their headings."""
    lock_ns = next((record["median_ns"] for record in known if record["name"] == LOCKED), None)
    return [HEADINGS, *(table_row(record, lock_ns) for record in known)]


def footnotes(measured: Measurement, absent: dict[str, str], headings: str) -> list[str]:
    """Return the notes that the table needs to be read correctly, under those headings that it has."""
    columns_explained = {
        "ns": f"nanoseconds per operation and thread, the median of {_samples(measured)} samples.",
        "of floor": "the time relative to that of the cheapest call.",
        "a lock": f"how many times as long {LOCKED} takes.",
        "2 threads": "the work they do together, where one thread alone does 1 x.",
    }
    lines = [f"{name}: {text}" for name, text in columns_explained.items() if name in headings]
    lines += [f"{case.label}: {case.note}." for case in measured.cases if case.note]
    if absent:
        lines.append("Left out: " + "; ".join(f"{name} ({reason})" for name, reason in absent.items()) + ".")
    if measured.interrupted:
        lines.append("Stopped by Ctrl-C: these are the samples taken until then.")
    return lines


def _samples(measured: Measurement) -> str:
    counts = sorted({len(taken) for taken in measured.samples_ns.values()} or {0})
    return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def lines(
    measured: Measurement, absent: dict[str, str], seconds: float, width: int | None = None
) -> list[tuple[str, str]]:
    """Return the lines of the report, each with its style, as wide as `width` where they can be."""
    known = grouped(records(measured))
    headings, *rows = columns(table(known), NUMBERS, width, GIVE_WAY)
    styles = [STYLES.get(record["subject"], "") for record in known]
    return [
        *((line, "") for text in heading(seconds) for line in wrapped(text, width)),
        ("", ""),
        (headings, ""),
        *zip(rows, styles, strict=True),
        ("", ""),
        *(
            (line, "dim")
            for text in footnotes(measured, absent, headings)
            for line in wrapped(text, width, "  ")
        ),
    ]


def as_text(measured: Measurement, absent: dict[str, str], seconds: float, width: int | None = None) -> str:
    """Return the whole report as plain text."""
    return "\n".join(line for line, _ in lines(measured, absent, seconds, width))


def as_json(measured: Measurement, absent: dict[str, str], seconds: float) -> dict[str, Any]:
    """Return the whole report in a form for JSON."""
    return {
        **facts(),
        "seconds": seconds,
        "switch_interval": sys.getswitchinterval(),
        "interrupted": measured.interrupted,
        "absent": absent,
        "cases": records(measured),
    }
