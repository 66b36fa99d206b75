"""What is measured: every package that is here, and the circumstances in which it is measured."""

import os
import sys

from atomicx.bench.alternatives import LOCKED, peer_cases, standard_cases
from atomicx.bench.harness import Case
from atomicx.bench.operations import CALL_ONE, WITH_NEW, own_cases

from . import client, families, outsider, segments, striped
from .floor import NOTHING, floor_cases, floor_module, line_cases, looped

# Also measured in globals and attributes.
ACCESSED = (NOTHING, "AtomicInt.inc()", "AtomicInt.load()", "AtomicRef.load()", "Counter.inc()", LOCKED)
# Also measured with two threads, on one object and on private ones, and with alternatives for these jobs.
THREADED = (
    NOTHING,
    "fresh int()",
    "AtomicInt.inc()",
    "AtomicInt.load()",
    "AtomicInt.fetch_add()",
    "AtomicRef.load()",
    "Counter.inc()",
    "Histogram.observe(x)",
    "ExponentialHistogram.observe(x)",
)
THREADED_JOBS = {"int.inc", "int.fetch_add", "ref.load"}
# Also measured with two threads, in a global, where servers have their counters.
GLOBAL_AND_THREADED = (NOTHING, "AtomicInt.inc()", "Counter.inc()", LOCKED)
# Also called by a loop in C, which avoids the bytecode between two operations.
LOOPED: tuple[tuple[str, str, tuple[object, ...]], ...] = (
    (NOTHING, "nothing", ()),
    (CALL_ONE, "one", (1,)),
    ("fresh int()", "fresh_int", ()),
    ("AtomicInt.inc()", "inc", ()),
    ("AtomicInt.fetch_add()", "fetch_add", ()),
    ("AtomicRef.load()", "load", ()),
    ("Counter.inc()", "inc", ()),
    ("Histogram.observe(x)", "observe", (0.3,)),
    ("ExponentialHistogram.observe(x)", "observe", (0.3,)),
)
# More threads than this machine has cores.
CROWDS = (8, 64)
CROWDED = ("AtomicInt.inc(), loop in C", "Counter.inc(), loop in C")


def has_gil() -> bool:
    return getattr(sys, "_is_gil_enabled", lambda: True)()


def in_pairs(case: Case) -> list[Case]:
    """Return the case with two threads: on one object, and on private ones."""
    return [case.with_threads(2, shared=True), case.with_threads(2, shared=False)]


def basic_cases() -> tuple[list[Case], dict[str, str]]:
    """Return the cases with one thread and local variables, and why a package is absent."""
    peers, absent = peer_cases()
    cases = [*floor_cases(floor_module()), *own_cases(), *standard_cases(), *peers]
    if client.LIBRARY not in absent:
        cases += client.client_cases()
    if outsider.FOLDER.is_dir():
        cases += outsider.outsider_cases()
    else:
        absent[outsider.SUBJECT] = "not installed"
    return cases, absent


# What the targets of labels, guards and stripes compare.
LABELLED = (
    NOTHING,
    WITH_NEW,
    "with AtomicInt.track()",
    "AtomicRef.exchange(object)",
    "Family[a, b].inc()",
    "Family.inc(a, b)",
    "Family.inc(a, 200)",
)


def labelled_cases() -> tuple[list[Case], dict[str, str]]:
    """Return the cases that the targets of labels, guards and stripes need, like cases()."""
    basic, absent = basic_cases()
    by_label = {case.label: case for case in basic}
    (exchange,) = by_label["AtomicRef.exchange(object)"].jobs
    chosen = [case for case in basic if case.label in LABELLED or exchange in case.jobs]
    chosen += [looped(by_label["Counter.inc()"], "inc"), *families.family_cases()]
    if not has_gil():
        chosen += striped.striped_cases(striped.striped_module())
    return chosen, absent


# What the targets of histograms compare.
HISTOGRAMS = (NOTHING, CALL_ONE, "Histogram.observe(x)", "ExponentialHistogram.observe(x)")


def histogram_cases() -> tuple[list[Case], dict[str, str]]:
    """Return the cases that the targets of histograms need, like cases()."""
    basic, absent = basic_cases()
    by_label = {case.label: case for case in basic}
    jobs = {job for label in HISTOGRAMS for job in by_label[label].jobs if job.endswith(".observe")}
    chosen = [case for case in basic if case.label in HISTOGRAMS or not jobs.isdisjoint(case.jobs)]
    for loop in loop_cases({label: by_label[label] for label in HISTOGRAMS}):
        chosen += [loop, *in_pairs(loop)]
    return [*chosen, *families.observing_cases()], absent


def loop_cases(by_label: dict[str, Case]) -> list[Case]:
    """Return those of these cases that are also called by a loop in C, so called, with one thread."""
    return [
        looped(by_label[label], method, *arguments)
        for label, method, arguments in LOOPED
        if label in by_label
    ]


def cases_of_segments() -> list[Case]:
    """Return the cases that the targets of segments need."""
    return [*floor_cases(floor_module()), *segments.segment_cases()]


def cases() -> tuple[list[Case], dict[str, str]]:
    """Return all cases, in the order of the tables, and why a package is absent. Builds what they need."""
    basic, absent = basic_cases()
    by_label = {case.label: case for case in basic}
    loops = loop_cases(by_label)
    threaded = [
        case
        for case in basic
        if case.label in THREADED
        or (case.subject not in ("floor", "atomicx") and not THREADED_JOBS.isdisjoint(case.jobs))
    ]
    varied = [by_label[label].with_global() for label in ACCESSED]
    varied += [by_label[label].with_attribute() for label in ACCESSED]
    varied += [pair for case in threaded for pair in in_pairs(case)]
    varied += [by_label[label].with_global().with_threads(2, shared=True) for label in GLOBAL_AND_THREADED]
    for case in (*line_cases(floor_module()), *loops):
        varied += [case, *in_pairs(case)]
    varied += [
        case.with_threads(crowd, shared=True) for crowd in CROWDS for case in loops if case.label in CROWDED
    ]
    varied += [*families.family_cases(), *families.observing_cases()]
    if hasattr(os, "fork"):
        varied += segments.segment_cases()
    if not has_gil():
        varied += striped.striped_cases(striped.striped_module())
    return [*basic, *varied], absent
