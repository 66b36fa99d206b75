"""install(segment=...) and SegmentCollector where something went wrong: closed segments, what others wrote.

Each test runs in a process of its own, and prints nothing if all is well.
"""

import os
from pathlib import Path

import pytest

import atomicx
from support.extras import needs

needs("prometheus_client", "prometheus")

from integrations.segment_programs import START, check  # noqa: E402

pytestmark = pytest.mark.skipif(
    atomicx.backend != "c" or not hasattr(os, "fork"), reason="a segment needs the C module, and POSIX"
)


def test_install_after_the_segment_was_closed(tmp_path: Path) -> None:
    """The same file, opened again, or another: metrics must not go on counting in the closed one."""
    check(
        START
        + f"""
path = {str(tmp_path / "segment")!r}
segment = Segment.create(path, 100)
install(segment=segment)
client.Counter("before", "B.")
segment.close()
again, other = Segment.open(path), Segment.anonymous(100)
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    install(segment=again)
    client.Counter("c", "C.").inc()
    again_found = scraped(again)
    again.close()
    install(segment=other)
    client.Counter("d", "D.").inc()
assert again_found == {{("before_total",): 0.0, ("c_total",): 1.0}}, again_found
assert scraped(other) == {{("d_total",): 1.0}}, scraped(other)
assert [str(warning.message) for warning in warned] == [
    f"metrics made before install() keep their values, outside the segment: {{name}}"
    for name in ("before", "c")
], warned
""",
    )


def test_what_would_spoil_the_page_is_left_out() -> None:
    """Bounds, texts and names that another program wrote: each made the whole scrape fail, or the parser."""
    check(
        START
        + """
segment = Segment.anonymous(100)
install(segment=segment)
client.Counter("good", "G.", ["x"]).labels("a").inc()
client.Histogram("whole", "W.", buckets=[1]).observe(0.5)
for number, le in enumerate(("abc", "nan", "")):
    put(segment, ["histogram", f"h{number}", "", "H."], [f"h{number}_bucket", {"le": le}])
    put(segment, ["histogram", f"h{number}", "", "H."], [f"h{number}_bucket", {"le": "+Inf"}])
    put(segment, ["histogram", f"h{number}", "", "H."], [f"h{number}_sum", {}])
put(segment, ["histogram", "j", "", "J."], ["j_bucket", {"le": "+Inf"}])
put(segment, ["histogram", "i", "", "I."], ["i_sum", {"le": "+Inf"}])
put(segment, ["gauge", "s", "all", "S."], ["s", {"x": "\\ud800"}], True)
put(segment, ["counter", "t", "", "T \\ud800."], ["t_total", {}])
put(segment, ["counter", "u", "", None], ["u_total", {}])
put(segment, ["counter", "v", "", "V."], ["v_total 1\\nevil", {}])
put(segment, ["counter", "w", "", "W."], ["w", {}])
put(segment, ["counter", "y", "", "Y."], ["y_total", {"": "x"}])
for name, count in ("half", 0.5), ("endless", float("inf")):
    put(segment, ["summary", name, "", "S."], [f"{name}_count", {}]).add(count)
    put(segment, ["histogram", f"h_{name}", "", "H."], [f"h_{name}_sum", {}])
    put(segment, ["histogram", f"h_{name}", "", "H."], [f"h_{name}_bucket", {"le": "+Inf"}]).add(count)
put(segment, ["counter", "z", "", "Z."], ["z_total", {"a b": "x"}])  # some releases write it as a_b
SharedPart(segment, b"\\0" + b"[" * 4000, b"x", False)
collector = SegmentCollector(segment)
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    time.monotonic = itertools.count().__next__  # a second passes between two scrapes
    page = page_of(registry_of(collector))
assert len(warned) in (18, 19), [str(warning.message) for warning in warned]
names = {name for _, _, name, *_ in page} - {"z_total"}
assert names == {
    "good_total", "whole_bucket", "whole_count", "whole_sum", *("h0_bucket", "h1_bucket", "h2_bucket"),
    *("h0_count", "h1_count", "h2_count"), *("h0_sum", "h1_sum", "h2_sum")}, names
""",
    )


def test_a_histogram_that_is_being_made() -> None:
    """A scrape may come between two of its buckets, and so may another one, at the same moment. That is worth
    a warning only if a later one finds it too."""
    check(
        START
        + """
segment = Segment.anonymous(100)
def make(name, **labels):
    put(segment, ["histogram", name.rpartition("_")[0], "", "H."], [name, labels])
collector = SegmentCollector(segment)
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    make("h_sum")
    now = time.monotonic()
    time.monotonic = lambda: now
    make("h_bucket", le="1.0")
    for _ in range(3):
        assert [metric.samples for metric in collector.collect()] == [[]]
    make("h_bucket", le="+Inf")
    make("killed_sum")
    assert sorted(len(metric.samples) for metric in collector.collect()) == [0, 4]
    assert not warned, warned[0]
    now += 1
    for _ in range(2):
        assert sorted(len(metric.samples) for metric in collector.collect()) == [0, 4]
(warning,) = warned
assert "a histogram of 'killed' has no last bucket" in str(warning.message), warning
""",
    )


def test_a_counter_that_was_reset_is_not_below_zero() -> None:
    """The total was -2.8e-17, since the parts of two processes were rounded in another order."""
    check(
        START
        + """
segment = Segment.anonymous(100)
install(segment=segment)
counter = client.Counter("c", "C.")
if hasattr(counter, "reset"):
    counter.inc(0.1)
    Child(lambda: counter.inc(0.2)).work().end()
    counter.reset()
    assert scraped(segment) == {("c_total",): 0.0}, scraped(segment)
""",
    )


def test_help_that_is_long_or_no_str() -> None:
    """It is cut, or its str is taken: the metric is not lost, and making a child does not raise."""
    check(
        START
        + """
class Translated:
    def __str__(self):
        return "Übersetzt"
segment = Segment.anonymous(100)
install(segment=segment)
for name, text in (("a", "text " * 2000), ("b", "\\x01" * 2000), ("c", "😀" * 700), ("d", "e" * 3000)):
    client.Counter(name, text, registry=None).inc()
    client.Counter(name, text, registry=None).inc()
client.Counter("translated", Translated(), ["x"], registry=None).labels("1").inc()
page = page_of(registry_of(SegmentCollector(segment)))
assert {name: value for (_, _, name, *_), value in page.items()} == {
    "a_total": 2.0, "b_total": 2.0, "c_total": 2.0, "d_total": 2.0, "translated_total": 1.0}, page
texts = {name: text for text, _, name, *_ in page}
assert texts["a_total"].startswith("text text") and texts["a_total"].endswith("…"), texts
assert texts["c_total"] == "😀" * 700 and texts["translated_total"] == "Übersetzt", texts
""",
    )


def test_sums_and_counts_that_openmetrics_forbids() -> None:
    """One infinite or missing number in a request made the page of all metrics one that no parser accepts."""
    check(
        START
        + """
inf, nan = float("inf"), float("nan")
segment = Segment.anonymous(200)
install(segment=segment)
counter = client.Counter("c", "C.", ["x"])
counter.labels("good").inc()
counter.labels("nan").inc(nan)
for name, kind in (("s", client.Summary), ("h", client.Histogram)):
    metric = kind(name, "M.", ["x"], **{"buckets": [1]} if kind is client.Histogram else {})
    for value in (nan, -2, 0.5, inf):
        metric.labels(str(value)).observe(value)
client.Summary("t", "T.", ["le"]).labels("any").observe(1)
client.Histogram("below", "B.", buckets=[-1, 1]).observe(0.5)
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    found = scraped(segment)
(warning,) = warned
assert "'nan'" not in str(warning.message) and "the count is not a number" in str(warning.message), warning
assert {key: value for key, value in found.items() if not key[0].endswith("_bucket")} == {
    ("c_total", "good"): 1.0,
    **{("s_count", str(value)): 1.0 for value in (nan, -2, 0.5, inf)},
    ("s_sum", "0.5"): 0.5, ("s_sum", "inf"): inf, ("t_count", "any"): 1.0, ("t_sum", "any"): 1.0,
    ("h_count", "0.5"): 1.0, ("h_sum", "0.5"): 0.5, ("h_count", "inf"): 1.0, ("h_sum", "inf"): inf}, found
buckets = {key for key in found if key[0].endswith("_bucket")}
assert len(buckets) == 4 * 2 + 3, buckets
""",
    )


def test_a_counter_that_was_infinite_can_be_reset() -> None:
    check(
        START
        + """
segment = Segment.anonymous(100)
install(segment=segment)
counter = client.Counter("c", "C.")
if hasattr(counter, "reset"):
    counter.inc(float("inf"))
    counter.reset()
    counter.inc(2)
    assert scraped(segment) == {("c_total",): 2.0}, scraped(segment)
""",
    )


def test_samples_of_a_histogram_are_next_to_each_other() -> None:
    """All sums came first. The parser of the oldest release refused that; so it did summaries that two
    processes made at once."""
    check(
        START
        + """
segment = Segment.anonymous(100)
install(segment=segment)
histogram = client.Histogram("h", "H.", ["x"], buckets=[1])
histogram.labels("b").observe(1)
histogram.labels("a").observe(2)
for series in ("s_count", {"x": "a"}), ("s_count", {"x": "b"}), ("s_sum", {"x": "a"}), ("s_sum", {"x": "b"}):
    put(segment, ["summary", "s", "", "S."], series)
scraped(segment)  # which has parsed it
of_both = [[(s.name, s.labels["x"]) for s in m.samples] for m in SegmentCollector(segment).collect()]
for samples in of_both:
    half = len(samples) // 2
    assert len({x for _, x in samples[:half]}) == len({x for _, x in samples[half:]}) == 1, samples
    assert {name for name, _ in samples[:half]} == {name for name, _ in samples[half:]}, samples
""",
    )


def test_names_that_clash_with_those_of_series() -> None:
    """Metrics of other registries, or of other processes: the page of all of them was refused for it."""
    check(
        START
        + """
segment = Segment.anonymous(200)
install(segment=segment)
made = [("c", client.Counter), ("s", client.Summary), ("h", client.Histogram), ("g", client.Gauge)]
for name, kind in made:
    kind(name, "D.", registry=None)
clashing = ["c_total", "c_created", "s_sum", "s_count", "h_sum", "h_bucket", "h_count"]
for name in clashing:
    client.Gauge(name, "D.", registry=None, multiprocess_mode="max")
client.Gauge("c_count", "Not a series of a counter.", registry=None, multiprocess_mode="max")
put(segment, ["info", "i", "", "I."], ["i_info", {}])
put(segment, ["counter", "g_total", "", "G."], ["g_total_total", {}])  # a name of its own
put(segment, ["gauge", "late_total", "max", "L."], ["late_total", {}], True)
put(segment, ["counter", "late", "", "L."], ["late_total", {}])
collector = SegmentCollector(segment)
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    pages = [page_of(registry_of(collector)) for _ in range(2)]
messages = [str(warning.message) for warning in warned]
assert len(messages) == len(clashing) + 2, messages
assert "it clashes with the counter 'c' in the segment" in messages[0], messages
assert "it clashes with the gauge 'late_total' in the segment" in messages[-1], messages
names = {name for page in pages for _, _, name, *_ in page}
assert names == {"c_total", "c_count", "s_count", "s_sum", "h_bucket", "h_count", "h_sum", "g",
    "g_total_total", "late_total"}, names
""",
    )


def test_warnings_that_are_errors_fail_neither_a_request_nor_a_scrape() -> None:
    check(
        START
        + """
import contextlib, io
segment = Segment.anonymous(40)
install(segment=segment)
counters = [client.Counter(f"c{number}", "C.", ["x"]) for number in range(4)]
put(segment, ["counter", "w", "", "W."], ["w", {}])
said = io.StringIO()
warnings.simplefilter("error")
with contextlib.redirect_stderr(said):
    for number in range(20):
        for counter in counters:
            counter.labels(str(number)).inc()
    found = scraped(segment)
assert 30 < len(found) < 80 and set(found.values()) == {1.0}, found
for what in "left out of the segment", "left out of a scrape":
    assert what in said.getvalue(), said.getvalue()
""",
    )
