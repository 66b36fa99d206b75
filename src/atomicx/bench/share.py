"""The measurements for users: those that need no C compiler, and no package that is not installed."""

from __future__ import annotations

from dataclasses import replace

from .. import _info
from .alternatives import LOCKED, peer_cases, standard_cases
from .harness import Case
from .operations import own_cases

FLOOR = Case(
    "floor",
    ("call",),
    "str.isascii()",
    ("cell.isascii()",),
    lambda: {"cell": "a"},
    note="the cheapest call there is without a C compiler: a built-in method that looks at one bit",
)
HOT = (
    "AtomicInt.inc()",
    "AtomicInt.add(1)",
    "AtomicInt.load()",
    "AtomicInt.store(1)",
    "AtomicInt.fetch_add()",
    "AtomicInt.compare_and_set(a, b)",
    "with AtomicInt.track()",
    "AtomicFloat.add(1.0)",
    "AtomicBool.test_and_set()",
    "AtomicRef.load()",
    "Counter.inc()",
    "Counter.load()",
)
# Also measured with two threads, on one object and on private ones.
THREADED = ("AtomicInt.inc()", "Counter.inc()", LOCKED)


def share() -> tuple[list[Case], dict[str, str]]:
    """Return the cases, and for each package that is left out, why."""
    ours = [replace(case, floor=FLOOR.label) for case in own_cases() if case.label in HOT]
    jobs = {job for case in ours for job in case.jobs}
    peers, absent = peer_cases()
    others = [case for case in [*standard_cases(), *peers] if not jobs.isdisjoint(case.jobs)]
    cases = [FLOOR, *ours, *(replace(case, floor=FLOOR.label) for case in others)]
    if _info.core_count() > 1:
        cases += [
            case.with_threads(2, shared=shared)
            for case in cases
            if case.label in THREADED
            for shared in (True, False)
        ]
    return cases, absent
