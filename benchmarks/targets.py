"""Our targets, and whether the results files meet them. Targets that are not met are explained by hand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from atomicx.bench.alternatives import LOCKED
from atomicx.bench.operations import SUBJECT, WITH_NEW

from . import families, segments
from .client import INSTALLED, INSTALLED_FILES, STOCK, STOCK_FILES
from .floor import NOTHING
from .model import STRIPED
from .results import ResultsFile

# Returns a figure from a results file, or None if it has none.
Figure = Callable[[ResultsFile], float | None]

FRESH = "fresh int()"
ONE, PRIVATE = ", 2 threads, one object", ", 2 threads, private objects"
OBSERVE, OBSERVE_EXPONENTIAL = "Histogram.observe(x)", "ExponentialHistogram.observe(x)"


@dataclass(frozen=True)
class Target:
    """A figure, and its limits with and without the GIL: None where there is no target."""

    what: str
    figure: Figure
    unit: str
    with_gil: float | None
    without_gil: float | None
    at_least: bool = False

    def limit(self, result: ResultsFile) -> float | None:
        return self.with_gil if result["interpreter"]["gil"] else self.without_gil

    def met(self, result: ResultsFile) -> bool | None:
        """Return whether the target is met; None where there is no limit, or nothing was measured."""
        figure, limit = self.figure(result), self.limit(result)
        if figure is None or limit is None:
            return None
        return figure >= limit if self.at_least else figure <= limit


def nanoseconds(result: ResultsFile, name: str) -> float | None:
    return next((case["median_ns"] for case in result["cases"] if case["name"] == name), None)


def ratio(name: str, of: str) -> Figure:
    """Return the figure for the ratio of one case's time to another's."""

    def figure(result: ResultsFile) -> float | None:
        above, below = nanoseconds(result, name), nanoseconds(result, of)
        return None if above is None or below is None else above / below

    return figure


def recorded(name: str, key: str) -> Figure:
    """Return the figure that the record of a case has under a key."""
    return lambda result: next((case[key] for case in result["cases"] if case["name"] == name), None)


def compared(result: ResultsFile) -> list[dict[str, Any]]:
    """Return our operations with an equivalent in another package, for one thread and local variables."""
    return [
        case
        for case in result["cases"]
        if case["subject"] == SUBJECT
        and case["of_alternative"] is not None
        and (case["threads"], case["access"]) == (1, "local")
    ]


def slowest(result: ResultsFile) -> float | None:
    """Return our worst ratio to the fastest equivalent, with 1 where the two are within their spread."""
    ratios = [
        min(case["of_alternative"], 1) if within_spread(case, result) else case["of_alternative"]
        for case in compared(result)
    ]
    return max(ratios, default=None)


def within_spread(case: dict[str, Any], result: ResultsFile) -> bool:
    """Return whether the middle halves of the samples of a case and its fastest equivalent overlap."""
    other = next(each for each in result["cases"] if each["name"] == case["alternative"])
    later, earlier = max(case, other, key=_lower), min(case, other, key=_lower)
    overlap: bool = later["lower_quartile_ns"] <= earlier["upper_quartile_ns"]
    return overlap


def _lower(case: dict[str, Any]) -> float:
    quartile: float = case["lower_quartile_ns"]
    return quartile


def of_bare_loop(result: ResultsFile) -> float | None:
    """Return two threads' fetch_add on one cell, minus call and result, relative to additions in C."""
    whole = nanoseconds(result, f"AtomicInt.fetch_add(), loop in C{ONE}")
    call = nanoseconds(result, f"{FRESH}, loop in C{PRIVATE}")
    bare = nanoseconds(result, f"bare loop of atomic adds{ONE}")
    return None if whole is None or call is None or bare is None else (whole - call) / bare


def crowd(result: ResultsFile) -> float | None:
    """Return the throughput of 64 threads on one counter, relative to that of two."""
    many = recorded("Counter.inc(), loop in C, 64 threads, one object", "throughput")(result)
    two = recorded(f"Counter.inc(), loop in C{ONE}", "throughput")(result)
    return None if many is None or two is None else many / two


FLOOR, FRESH_FLOOR, TIMES = "x floor", "x floor of a fresh int", "x"


def _of_floor(label: str, limit: float) -> Target:
    return Target(f"`{label}`", ratio(label, NOTHING), FLOOR, limit, limit)


def _of_fresh(label: str) -> Target:
    return Target(f"`{label}`", ratio(label, FRESH), FRESH_FLOOR, 1.2, 1.2)


def _faster(what: str, theirs: str, ours: str, with_gil: float, without_gil: float) -> Target:
    return Target(what, ratio(theirs, ours), "x as fast", with_gil, without_gil, at_least=True)


def _scales(what: str, name: str) -> Target:
    return Target(what, recorded(name, "throughput"), "x one thread", None, 1.8, at_least=True)


def _family_scales(what: str, label: str) -> Target:
    own, one = (f"{label}, {whose}{PRIVATE}" for whose in (families.OWN, families.ONE))
    return Target(what, ratio(own, one), "x the throughput", None, 0.95, at_least=True)


def large_family(key: str, scale: float = 1) -> Figure:
    """Return a figure of the footprint, for the family of 100,000 children."""

    def figure(result: ResultsFile) -> float | None:
        found = result["footprint"].get("a_large_family", {}).get(key)
        return None if found is None else found * scale

    return figure


def two_processes(result: ResultsFile) -> float | None:
    """Return the work of two processes together in the time in which one alone does 1."""
    one, both = nanoseconds(result, segments.COUNTER), nanoseconds(result, segments.TWO_PROCESSES)
    return None if one is None or both is None else 2 * one / both


def scaled(name: str, scale: float) -> Figure:
    """Return the figure for the time of a case in another unit."""

    def figure(result: ResultsFile) -> float | None:
        found = nanoseconds(result, name)
        return None if found is None else found * scale

    return figure


# Those of segments, which `python -m benchmarks segments` measures alone.
SEGMENTS = (
    _of_floor(segments.COUNTER, 1.3),
    Target("the same by two processes", two_processes, "x one process", 1.9, 1.9, at_least=True),
    _of_floor(segments.FAMILY, 3),
    Target("the same with labels made at run time", ratio(segments.MADE_LABELS, NOTHING), FLOOR, None, None),
    _of_floor(segments.HISTOGRAM, 3),
    Target(
        "finding a child of a `SharedFamily` that another process made",
        scaled(segments.FIND, 1e-3),
        "µs",
        2,
        2,
    ),
    Target("reading 1,000 series over 64 stripes", scaled(segments.READ, 1e-3), "ms", 5, 5),
    Target(segments.OPEN, scaled(segments.OPEN, 1e-6), "ms", 20, 20),
)


def _share_of_private(label: str) -> Figure:
    """Return the figure for two threads' throughput on one cell, relative to that on private cells."""
    return ratio(f"{label}, loop in C{PRIVATE}", f"{label}, loop in C{ONE}")


# Those of histograms, which `python -m benchmarks histograms` measures alone.
HISTOGRAMS = (
    Target("`Histogram.observe(x)`", ratio(OBSERVE, NOTHING), FLOOR, 3, None),
    Target("`ExponentialHistogram.observe(x)`", ratio(OBSERVE_EXPONENTIAL, NOTHING), FLOOR, 3, 1.5),
    Target(
        "`ExponentialHistogram.observe(x)` against `Histogram.observe(x)`",
        ratio(OBSERVE_EXPONENTIAL, OBSERVE),
        TIMES,
        None,
        None,
    ),
    _faster(
        "`Histogram.observe(x)` against prometheus_client's",
        "prometheus_client.Histogram.observe(x)",
        OBSERVE,
        15,
        15,
    ),
    Target(
        "`Histogram.observe(x)` against OpenTelemetry's `record(x)`",
        ratio("opentelemetry Histogram.record(0.3)", OBSERVE),
        "x as fast",
        None,
        None,
        at_least=True,
    ),
    Target(
        "`ExponentialHistogram.observe(x)` against OpenTelemetry's `record(x)`, exponential",
        ratio("opentelemetry Histogram.record(0.3), exponential", OBSERVE_EXPONENTIAL),
        "x as fast",
        None,
        None,
        at_least=True,
    ),
    *(
        Target(
            f"`{label}`, two threads, one cell against one each, loop in C",
            _share_of_private(label),
            "x the throughput",
            None,
            0.95,
            at_least=True,
        )
        for label in (OBSERVE, OBSERVE_EXPONENTIAL)
    ),
    _family_scales(
        "`family.observe(x, a, b)`, two threads, one family against one each, loop in C", families.OBSERVING
    ),
)

# Those of labels, guards and stripes, which `python -m benchmarks labels` measures alone.
LABELS = (
    Target("`family[a, b].inc()`", ratio("Family[a, b].inc()", NOTHING), FLOOR, 4.3, 2.5),
    Target(
        "`family.inc(a, b)` with labels made at run time",
        ratio("Family.inc(a, b)", NOTHING),
        FLOOR,
        2.6,
        1.6,
    ),
    Target(
        "the same with an int label, against that",
        ratio("Family.inc(a, 200)", "Family.inc(a, b)"),
        TIMES,
        1.5,
        1.5,
    ),
    _family_scales("`family.inc(a, b)`, two threads, one family against one each, loop in C", families.LOOP),
    _family_scales("the same by Python code, with a bound `inc` for each thread", families.BOUND),
    Target(
        "`Counter.inc()` in stripes, one thread, against the single cell, loop in C",
        ratio(f"{STRIPED}, loop in C", "Counter.inc(), loop in C"),
        TIMES,
        None,
        1.1,
    ),
    Target(
        "`with cell.track()` against a new empty guard",
        ratio("with AtomicInt.track()", WITH_NEW),
        TIMES,
        1.05,
        1.05,
    ),
    Target(
        "`AtomicRef.exchange()` against the fastest equivalent",
        recorded("AtomicRef.exchange(object)", "of_alternative"),
        TIMES,
        1,
        1,
    ),
    Target(
        "ten labels in a family of 100,000 children against ten",
        large_family("same_ten_ratio"),
        TIMES,
        1.2,
        1.2,
    ),
    Target("the longest pause while it grows", large_family("longest_make_ns", 1e-6), "ms", 10, 10),
    Target("memory for each of its children", large_family("bytes"), "bytes", None, None),
)

TARGETS = (
    _of_floor("AtomicInt.inc()", 1.10),
    _of_floor("AtomicInt.dec()", 1.10),
    _of_floor("AtomicInt.add(1)", 1.6),
    _of_floor("AtomicInt.load()", 1.2),
    _of_floor("AtomicInt.store(1)", 1.5),
    _of_fresh("AtomicInt.fetch_add()"),
    _of_fresh("AtomicInt.add_fetch()"),
    _of_fresh("AtomicInt.load() of a large value"),
    _of_floor("AtomicInt.compare_and_set(a, b)", 2.6),
    _of_floor("Counter.inc()", 1.15),
    _of_floor("AtomicFloat.add(1.0)", 1.6),
    _of_floor("AtomicBool.test_and_set()", 1.15),
    _of_floor("AtomicRef.load()", 1.15),
    _faster("`AtomicInt.inc()` against a lock and an int", LOCKED, "AtomicInt.inc()", 15, 5),
    Target("every operation against the fastest equivalent, the worst", slowest, TIMES, 1, 1),
    *HISTOGRAMS,
    _faster(
        "`family[a, b].inc()` against prometheus_client's `labels(a, b).inc()`",
        "prometheus_client.Counter.labels(...).inc()",
        "Family[a, b].inc()",
        8,
        8,
    ),
    *LABELS,
    _faster("a prometheus_client `Counter.inc()` after `install()`, against before", STOCK, INSTALLED, 2, 2),
    _faster("the same in its multiprocess mode", STOCK_FILES, INSTALLED_FILES, 5, 5),
    _faster(
        "`SharedInt.inc()` against multiprocessing.Value with its lock",
        "multiprocessing.Value += 1 with its lock",
        "SharedInt.inc()",
        20,
        20,
    ),
    _scales("`Counter.inc()`, two threads, private objects", f"Counter.inc(){PRIVATE}"),
    _scales("the same by a loop in C", f"Counter.inc(), loop in C{PRIVATE}"),
    _scales(
        "`Counter.inc()`, two threads, one object in stripes, loop in C", f"Counter.inc(), loop in C{ONE}"
    ),
    _scales("the same against one thread on a counter that is in stripes", f"{STRIPED}, loop in C{ONE}"),
    _scales("one object in stripes, by Python code", f"Counter.inc(){ONE}"),
    Target(
        "`AtomicInt.fetch_add()`, two threads, one cell, against the fastest equivalent",
        recorded(f"AtomicInt.fetch_add(){ONE}", "of_alternative"),
        TIMES,
        None,
        1,
    ),
    Target("the same, less the call, against bare atomic additions in C", of_bare_loop, TIMES, None, 1.3),
    Target(
        "`AtomicRef.load()`, two threads, one cell, against the fastest equivalent",
        recorded(f"AtomicRef.load(){ONE}", "of_alternative"),
        TIMES,
        None,
        1,
    ),
    Target(
        "`Counter.inc()`, 64 threads against 2, loop in C", crowd, "x the throughput", 0.5, 0.5, at_least=True
    ),
    *SEGMENTS,
    Target("`import atomicx`", lambda result: result["footprint"]["import_ms"], "ms", 3, 3),
    Target(
        "modules that it adds",
        lambda result: len(result["footprint"]["import_adds"]),
        "",
        0,
        0,
    ),
    Target(
        "size of an AtomicInt",
        lambda result: result["footprint"]["size_bytes"]["AtomicInt"],
        "bytes",
        40,
        None,
    ),
)

# What a command of the same name measures alone.
SETS = {"histograms": HISTOGRAMS, "labels": LABELS, "segments": SEGMENTS}


def targets(known: list[ResultsFile]) -> str:
    """Return the table, and below it our operations that are slower than an equivalent."""
    return table(TARGETS, known) + "".join(slower(result) for result in known)


def table(rows: Sequence[Target], known: list[ResultsFile]) -> str:
    head = ["what", "target", *(f"CPython {result['interpreter']['name']}" for result in known)]
    body = [[target.what, wanted(target), *(reached(target, result) for result in known)] for target in rows]
    rule = ["---", "---", *["---:"] * len(known)]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in (head, rule, *body))


def wanted(target: Target) -> str:
    """Return the limit in words."""
    side = "at least" if target.at_least else "at most"
    limits = [limit for limit in (target.with_gil, target.without_gil) if limit is not None]
    if not limits:
        return "none"
    figures = " or ".join(f"{limit:g}" for limit in dict.fromkeys(limits))
    where = {(True, False): ", with the GIL", (False, True): ", without the GIL"}
    condition = where.get((target.with_gil is not None, target.without_gil is not None), "")
    if len({*limits}) == 2:
        condition = " (with the GIL, without)"
    return f"{side} {figures} {target.unit}".rstrip() + condition


def reached(target: Target, result: ResultsFile) -> str:
    """Return the figure, and whether the target is met: bold where it is not."""
    figure, met = target.figure(result), target.met(result)
    if figure is None:
        return "not measured"
    text = f"{figure:.2f}" if figure % 1 else f"{figure:g}"
    if met is None:
        return f"({text})"
    return f"{text}, met" if met else f"**{text}, not met**"


def slower(result: ResultsFile) -> str:
    """Return which of our operations are slower than an equivalent, if any."""
    known = [
        f"`{case['name']}` {case['of_alternative']:.2f} x `{case['alternative']}`"
        + (" (within the spread)" if within_spread(case, result) else "")
        for case in compared(result)
        if case["of_alternative"] > 1
    ]
    if not known:
        return ""
    return f"\nSlower than an equivalent on CPython {result['interpreter']['name']}: {'; '.join(known)}.\n"
