"""Values of prometheus_client's metrics in a Segment, and the collector that reads them."""

# prometheus_client is only partly typed.
# pyright: standard

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, cast

from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from . import AtomicRef
from ._exported import warn_while_serving
from ._prometheus_values import AtomicValue

if TYPE_CHECKING:
    from typing_extensions import Self

    from ._core import SharedPart
    from .shared import Segment
else:
    from ._backend import SharedPart

_INFINITY = ("le", "+Inf")
# The types of prometheus_client's metrics, and what the names of series add to that of their metric.
_SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum"),
    "summary": ("_count", "_sum"),
}
# What a page may show besides the series.
_ADDED = {
    "counter": ("_created",),
    "gauge": (),
    "histogram": ("_count", "_created"),
    "summary": ("_count", "_created"),
}
# A process makes the series of a histogram in less time than this, unless it is killed or there is no room.
_MAKING_S = 1.0
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
# A metric's key has room for 4,096 bytes. JSON writes a character in at most six.
_HELP_BYTES_MAX = 3000
_HELP_CHARACTERS_SURE = _HELP_BYTES_MAX // 6


def _encode(what: list[object]) -> bytes:
    """Return a key. Raises ValueError for text that UTF-8 cannot encode, and that would spoil every page."""
    return json.dumps(what, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _shortened(help_text: object) -> str:
    """Return the help text as a str, cut where a metric's key would have no room for it.

    It may be any object with a str, such as a translation that is looked up late.
    """
    text = str(help_text)
    while len(text) > _HELP_CHARACTERS_SURE and len(_encode([text])) > _HELP_BYTES_MAX:
        text = f"{text[: len(text) * 3 // 4]}…"
    return text


class _Once:
    """Remembers what was warned about."""

    def __init__(self) -> None:
        self._seen: AtomicRef[frozenset[str]] = AtomicRef(frozenset())

    def warn(self, what: str, message: str) -> None:
        """Issue a RuntimeWarning, unless there was one for the same thing."""
        if what not in self._seen.fetch_update(lambda seen: seen | {what}):
            warn_while_serving(message, stacklevel=4)


class AtomicSegmentValue(SharedPart):
    """Replaces prometheus_client's value after install(segment=segment).

    It is a double in this process's stripe of the segment: inc() is one C call. A forked child, however it
    was forked, takes a stripe of its own at its first update. get() returns the part of this process for a
    gauge, and for all other metrics the total of all processes, which reset() resets.

    If the segment has no room for a series, or its labels are too long, a RuntimeWarning names its metric
    once, and the series counts in memory, where no scrape sees it: it gets an AtomicValue. A help text is cut
    after 3,000 bytes. Once the segment is closed, nothing is counted, with one RuntimeWarning, and get()
    raises ValueError.
    """

    __slots__ = ()
    _multiprocess = True
    _segment: ClassVar[Segment]
    _warned: ClassVar[_Once]

    def __new__(
        cls,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: Iterable[str],
        labelvalues: Iterable[str],
        help_text: str,
        multiprocess_mode: str = "",
        **options: object,
    ) -> Self:
        try:
            metric = b"\0" + _encode([typ, metric_name, multiprocess_mode, _shortened(help_text)])
            series = _encode([name, dict(zip(labelnames, labelvalues, strict=False))])
            return super().__new__(cls, cls._segment, metric, series, typ == "gauge")
        except ValueError as error:
            cls._warned.warn(metric_name, f"series of {metric_name!r} are left out of the segment: {error}")
            return cast("Self", AtomicValue())

    inc = SharedPart.add
    get = SharedPart.load

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Replace the value, and the time, which gauges of the mode mostrecent use."""
        self.store(value, timestamp or 0.0)

    def set_exemplar(self, exemplar: object) -> None:
        """Do nothing, like the library's values in files."""

    def get_exemplar(self) -> None:
        """Return None."""


def class_of_segment(segment: Segment) -> type[AtomicSegmentValue]:
    """Return a class of values in this segment. Raises TypeError or ValueError if it cannot have them."""
    from .shared import Segment

    if not isinstance(segment, Segment):
        raise TypeError(f"expected a Segment, got {type(segment).__name__!r}")
    segment.usage()  # a ValueError if it is closed
    if segment.readonly:
        raise ValueError(f"{segment!r} was opened read-only, so no metric can count in it")
    parts = {"__slots__": (), "_segment": segment, "_warned": _Once()}
    return type(AtomicSegmentValue.__name__, (AtomicSegmentValue,), parts)


def is_open(segment: Segment) -> bool:
    """Return whether metrics can still count in a segment."""
    try:
        segment.usage()
    except ValueError:
        return False
    return True


class _Page:
    """The metrics of one scrape, and all names that they take."""

    def __init__(self) -> None:
        self.metrics: dict[str, Any] = {}
        self._taken: dict[str, str] = {}
        self._parsed: dict[bytes, Any] = {}

    def parsed(self, key: bytes) -> Any:
        """Return what a metric's key says, parsed once per page. Raises ValueError or RecursionError."""
        found = self._parsed.get(key)
        if found is None:
            found = self._parsed[key] = json.loads(key[1:])
        return found

    def metric(self, typ: str, name: str, help_text: str) -> Any:
        """Return the metric of this name, made if it is new. Raises ValueError if another is in the way."""
        found = self.metrics.get(name)
        if found is None:
            names = [name, *(name + suffix for suffix in (*_SUFFIXES[typ], *_ADDED[typ]))]
            if clashing := [each for each in names if each in self._taken]:
                raise ValueError(f"it clashes with the {self._taken[clashing[0]]} in the segment")
            found = self.metrics[name] = Metric(name, help_text, typ)
            self._taken |= dict.fromkeys(names, f"{typ} {name!r}")
        if found.type != typ:
            raise ValueError(f"the type of {name!r} is {found.type} elsewhere in the segment")
        return found


class SegmentCollector:
    """Exports the metrics that all processes keep in a segment: SegmentCollector(segment).

    It replaces prometheus_client's MultiProcessCollector after install(segment=segment), and answers like it:
    register it with a registry that has no other metrics of these names. The segment may be read-only.

    Counters, summaries and histograms are totals over all processes that ever counted. Gauges of the live
    modes are those of living processes; nothing has to mark a process dead. Gauges of the other modes are
    those of the living processes and of dead ones whose stripe no other process has taken over yet, whereas
    MultiProcessCollector keeps them for ever.

    What cannot be exported is left out, with one RuntimeWarning per metric: a histogram without its last
    bucket, for which there was no room, a count that is not a number, or not a whole one where observations
    are counted, and a second metric that has another type but the same name, or whose name clashes with that
    of a series, such as the gauge 'h_sum' with the histogram 'h'. As in a Collector, a sum that is negative
    or not a number is left out; so are sum and count of a histogram that has such a sum or a negative bound.
    OpenMetrics forbids them.
    """

    def __init__(self, segment: Segment) -> None:
        if not hasattr(MultiProcessCollector, "_accumulate_metrics"):
            raise RuntimeError("the MultiProcessCollector of this prometheus_client is not as expected")
        self._segment = segment
        self._warned = _Once()
        # By metric and labels, the histograms that the last scrape left out, and when one first did.
        self._incomplete: dict[tuple[str, Any], float] = {}
        segment._parts()  # raises what a scrape would raise

    def collect(self) -> Iterable[Metric]:
        """Return all metrics, with their current samples. Raises ValueError if the segment is closed."""
        page = _Page()
        for series in self._segment._parts():
            self._add_or_leave_out(page, *series)
        now = time.monotonic()
        incomplete = {
            (metric.name, labels): self._incomplete.get((metric.name, labels), now)
            for metric in page.metrics.values()
            if metric.type == "histogram"
            for labels in _keep_complete(metric)
        }
        # A process may be making one right now, and several scrapes at once may see that: a later one tells.
        for name in sorted({name for (name, _), first in incomplete.items() if now - first >= _MAKING_S}):
            self._warned.warn(name, f"a histogram of {name!r} has no last bucket, or no sum: left out")
        self._incomplete = incomplete
        library: Any = MultiProcessCollector
        found: Iterable[Metric] = library._accumulate_metrics(page.metrics, True)
        return [_as_openmetrics_allows(metric) for metric in found]

    def _add_or_leave_out(self, page: _Page, key: bytes, series: bytes, value: Any) -> None:
        try:
            self._add(page, key, series, value)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            # Another program may have written anything.
            self._warned.warn(repr(key), f"{key!r} is left out of a scrape: {error}")

    def _add(self, page: _Page, key: bytes, series: bytes, value: Any) -> None:
        typ, metric_name, mode, help_text = page.parsed(key)
        name, labels = json.loads(series)
        _check(typ, metric_name, help_text, name, labels)
        if typ != "gauge" and not name.endswith("_sum"):
            value = _count(value, whole=typ != "counter")
        samples = list(_samples(mode, labels, value))
        if not samples:
            return
        metric = page.metric(typ, metric_name, help_text)
        metric._multiprocess_mode = mode
        for sample in samples:
            metric.add_sample(name, *sample)


def _count(value: float, *, whole: bool) -> float:
    """Return the count. Raises ValueError if it is not a number, or has to be whole and is not."""
    if math.isnan(value):
        raise ValueError("the count is not a number")
    if whole and not float(value).is_integer():
        raise ValueError(f"the count is not whole: {value}")
    return max(
        value, 0.0
    )  # what is counted and reset while the stripes are read may be missing in only one of them


def _as_openmetrics_allows(metric: Any) -> Metric:
    """Put the samples of each histogram and summary next to each other, which the parsers of older releases
    demand. Leave out sums, as the docstring of SegmentCollector says. Returns the metric."""
    if metric.type in ("histogram", "summary"):
        groups: dict[Any, list[Any]] = {}
        for sample in metric.samples:
            groups.setdefault(_without_le(sample.labels.items()), []).append(sample)
        allowed = _allowed_of_histogram if metric.type == "histogram" else _allowed_of_summary
        metric.samples = [sample for group in groups.values() for sample in allowed(metric.name, group)]
    return cast("Metric", metric)


def _allowed_of_histogram(name: str, samples: list[Any]) -> list[Any]:
    if all(sample.value >= 0 and float(sample.labels.get("le", 0)) >= 0 for sample in samples):
        return samples
    return [sample for sample in samples if sample.name not in (f"{name}_sum", f"{name}_count")]


def _allowed_of_summary(name: str, samples: list[Any]) -> list[Any]:
    return [sample for sample in samples if sample.name != f"{name}_sum" or sample.value >= 0]


def _keep_complete(metric: Any) -> set[Any]:
    """Leave out the histograms without a last bucket, or without a sum, which no parser accepts. Returns the
    labels of these."""
    with_sum = {sample.labels for sample in metric.samples if sample.name == f"{metric.name}_sum"}
    with_last = {_without_le(sample.labels) for sample in metric.samples if _INFINITY in sample.labels}
    complete = with_sum & with_last
    found = {_without_le(sample.labels) for sample in metric.samples} - complete
    metric.samples = [sample for sample in metric.samples if _without_le(sample.labels) in complete]
    return found


def _check(typ: str, metric_name: str, help_text: str, name: str, labels: dict[str, str]) -> None:
    """Raise ValueError, TypeError or AttributeError for what would spoil the whole page."""
    texts = (metric_name, help_text, name, *labels, *labels.values())
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("expected names, help and label values to be str")
    "".join(texts).encode()
    if typ not in _SUFFIXES:
        raise ValueError(f"{typ!r} is not a type that counts in a segment")
    if name not in [metric_name + suffix for suffix in _SUFFIXES[typ]]:
        raise ValueError(f"{name!r} is not a series of the {typ} {metric_name!r}")
    for label in labels:
        _check_label_name(label)
    if typ == "histogram" and name.endswith("_bucket") != ("le" in labels):
        raise ValueError(f"{name!r}: expected le to be a label of the buckets")
    if typ == "histogram" and math.isnan(float(labels.get("le", 0))):
        raise ValueError(f"{name!r}: le is not a number")


def _check_label_name(label: str) -> None:
    if not label or label.startswith("__"):
        raise ValueError(f"invalid label name: {label!r}")
    if not _LABEL_NAME.fullmatch(label):
        # Whether other characters are allowed depends on the release of the library, and on its settings,
        # which are the same for the names of metrics, except that those may have colons.
        Metric(label.replace(":", " "), "", "unknown")


def _samples(mode: str, labels: dict[str, str], value: Any) -> Iterator[tuple[Any, ...]]:
    """Yield (labels, value, time) as _accumulate_metrics() expects them."""
    ordered = tuple(sorted(labels.items()))
    if not isinstance(value, list):
        yield ordered, value
        return
    # The living come last: under a pid that was used twice, theirs is the value that counts.
    for pid, part, when, alive in sorted(value, key=lambda each: each[3]):
        if alive or not mode.startswith("live"):
            yield (*ordered, ("pid", str(pid))), part, when


def _without_le(labels: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple(label for label in labels if label[0] != "le")
