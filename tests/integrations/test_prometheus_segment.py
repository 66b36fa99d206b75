"""install(segment=...) and SegmentCollector, side by side with the library's files and MultiProcessCollector.

Each test runs in a process of its own, and prints nothing if all is well.
"""

import os
from pathlib import Path

import pytest

import atomicx
from support.extras import needs

needs("prometheus_client", "prometheus")

from integrations.segment_programs import START, TWICE, check  # noqa: E402

pytestmark = pytest.mark.skipif(
    atomicx.backend != "c" or not hasattr(os, "fork"), reason="a segment needs the C module, and POSIX"
)

MODES = [
    "all",
    "liveall",
    "min",
    "livemin",
    "max",
    "livemax",
    "sum",
    "livesum",
    "mostrecent",
    "livemostrecent",
]


# Side by side


@pytest.mark.parametrize("fork", ["os.fork", "fork_in_c"])
def test_gauges_of_all_modes(fork: str, tmp_path: Path) -> None:
    """With children that set, that only count elsewhere, that do nothing, and that have children."""
    check(
        TWICE
        + f"""
gauges = {{mode: Twice(client.Gauge, "g_" + mode, "G.", multiprocess_mode=mode) for mode in {MODES}}}
labelled = {{mode: Twice(client.Gauge, "l_" + mode, "L.", ["x"], multiprocess_mode=mode) for mode in {MODES}}}
counter = Twice(client.Counter, "c", "C.")
agree()
times = itertools.count(1)
def update(value):
    for mode, gauge in gauges.items():
        gauge.set(value)
        labelled[mode].labels("one").set(-value)
        labelled[mode].labels(str(value)).set(value)
        if "recent" not in mode:
            gauge.inc(0.25)
            gauge.dec(2)
update(5)
assert len(agree()) == 11 + 2 * len({MODES})
def work():
    update(7)
    child = Child(lambda: gauges["all"].set(-3), {fork}).work()
    agree()
    child.end()
    mark_process_dead(child.pid)
    agree()
children = [
    Child(lambda: update(100), {fork}),
    Child(lambda: update(-100), {fork}),
    Child(lambda: counter.inc(), {fork}),
    Child(lambda: labelled["min"].labels("new").set(4), {fork}),
    Child(work, {fork}),
    Child(None, {fork}),
]
for child in children:
    child.work()
    agree()
update(6)
page = agree()
assert len([key for key in page if key[2] == "g_all"]) == 7, page  # in none of them nothing was counted
for child in children:
    child.end()
    mark_process_dead(child.pid)
    agree()
page = agree()
assert len([key for key in page if key[2] == "g_liveall"]) == 1, page
assert len([key for key in page if key[2] == "g_all"]) == 7, page
""",
        tmp_path,
    )


def test_counters_summaries_and_histograms(tmp_path: Path) -> None:
    check(
        TWICE
        + """
counter = Twice(client.Counter, "c", 'The "help" \\\\ of\\nc, ü.', ["b", "a"])
summary = Twice(client.Summary, "s", "S.", unit="seconds")
histogram = Twice(client.Histogram, "h", "H.", buckets=(0.1, 1, 2.5), labelnames=["path"])
plain = Twice(client.Histogram, "p", "P.")
Twice(client.Info, "i", "I.").info({"version": "1"})
Twice(client.Enum, "e", "E.", states=["up", "down"]).state("down")
agree()
def work():
    for number in range(20):
        counter.labels('"x"\\n\\\\', "ü").inc(0.5)
        counter.labels(str(number % 3), "").inc()
        summary.observe(number)
        histogram.labels("/").observe(number / 8)
        plain.observe(number / 128)
work()
for generation in range(3):
    children = [Child(work), Child(work, fork_in_c), Child()]
    for child in children:
        child.work()
        agree()
    for child in children:
        child.end()
found = agree()
# Of the nine children that ended, six had counted; each generation took the stripes of the one before.
assert segment.usage().stripes == 3, segment.usage()
(total,) = (value for key, value in found.items() if key[2] == "h_count")
assert total == 7 * 20, found
""",
        tmp_path,
    )


def test_a_metric_that_is_made_in_a_child(tmp_path: Path) -> None:
    check(
        TWICE
        + """
gauge = Twice(client.Gauge, "g", "G.", multiprocess_mode="min")
gauge.set(7)
agree()
child = Child(lambda: Twice(client.Counter, "late", "L.")).work()
assert agree() == {("G.", "gauge", "g"): 0.0, ("L.", "counter", "late_total"): 0.0}
child.end()
Twice(client.Counter, "late", "L.").inc()
agree()
""",
        tmp_path,
    )


# What a segment does by itself


def test_a_killed_worker_and_the_one_that_takes_over() -> None:
    """No hook runs. Its counts stay, its live gauges vanish at once, the others when its stripe is taken."""
    check(
        START
        + """
segment = Segment.anonymous(200, processes=2)
install(segment=segment)
counter = client.Counter("c", "C.")
histogram = client.Histogram("h", "H.", buckets=[1])
live = client.Gauge("live", "L.", multiprocess_mode="livesum")
all_of_them = client.Gauge("all", "A.")
highest = client.Gauge("highest", "H.", multiprocess_mode="max")
def work():
    counter.inc(1.5)
    histogram.observe(0.5)
    live.inc()
    all_of_them.set(9)
    highest.set(9)
for number in range(1, 5):
    child = Child(work).work()
    found = scraped(segment)
    assert (found["c_total",], found["h_sum",], found["h_count",]) == (1.5 * number, 0.5 * number, number)
    assert found["live",] == 1.0, found
    child.kill()
    found = scraped(segment)
    assert (found["c_total",], found["h_bucket", "+Inf"]) == (1.5 * number, number), found
    assert found["live",] == 0.0 and found["highest",] == 9.0, found
Child(lambda: counter.inc()).work().kill()
found = scraped(segment)
assert found["c_total",] == 7.0 and found["highest",] == 0.0, found
assert segment.usage().stripes == 2
""",
    )


def test_a_child_that_counts_nothing_changes_nothing() -> None:
    check(
        START
        + """
segment = Segment.anonymous(200)
install(segment=segment)
lowest = client.Gauge("lowest", "L.", multiprocess_mode="min")
lowest.set(123)
counter = client.Counter("c", "C.")
counter.inc()
def read():
    assert lowest._value.get() == 0.0 and counter._value.get() == 1.0
    assert scraped(segment) == {("lowest",): 123.0, ("c_total",): 1.0}
before = segment.usage(), bytes(memoryview(segment))
for fork in (os.fork, fork_in_c):
    Child(read, fork).work().end()
subprocess.run(["true"], preexec_fn=os.setsid, check=True)
assert before == (segment.usage(), bytes(memoryview(segment)))
""",
    )


def test_a_full_segment() -> None:
    """It warns once for each metric and counts on; what is on the page is complete."""
    check(
        START
        + """
segment = Segment.anonymous(40)
warnings.simplefilter("always")
with warnings.catch_warnings(record=True) as warned:
    install(segment=segment)
    counter = client.Counter("c", "C.", ["x"])
    for number in range(20):
        counter.labels(str(number)).inc()
    histogram = client.Histogram("h", "H.", ["x"])
    histogram.labels("a").observe(1)
    for _ in range(2):
        histogram.labels("b").observe(1)
        histogram.labels("c").observe(1)
        counter.labels("late").inc(2)
        counter.labels("later").inc(2)
    gauge = client.Gauge("g", "G.")
    gauge.set(5)
    time.monotonic = itertools.count().__next__  # a second passes between two scrapes
    found = scraped(segment)
messages = [str(warning.message) for warning in warned]
assert "nearly full" in messages[0] and len(messages) == 5, messages
for name, message in zip("hcg", messages[1:]):
    assert message.startswith(f"series of {name!r} are left out of the segment: the segment is full"), message
assert messages[4].startswith("a histogram of 'h' has no last bucket"), messages
assert len(found) == 20 + 17 and found["h_count", "a"] == 1, found
assert counter.labels("late")._value.get() == 4.0 and type(gauge._value) is AtomicValue
""",
    )


def test_labels_and_text_that_do_not_fit() -> None:
    check(
        START
        + """
segment = Segment.anonymous(2000)
install(segment=segment)
warnings.simplefilter("always")
with warnings.catch_warnings(record=True) as warned:
    counter = client.Counter("c", "C.", ["x"])
    for _ in range(2):
        counter.labels("long" * 2000).inc()
        counter.labels("ü" * 1000).inc()
        counter.labels("surrogate \\ud800").inc()
(warning,) = warned
assert "the key of a series must have 1 to 4096 bytes" in str(warning.message), warning
assert scraped(segment) == {("c_total", "ü" * 1000): 2.0}
""",
    )


def test_more_processes_than_stripes() -> None:
    """Counters are exact. Gauges, whose parts could not be told apart, are not counted, with a warning."""
    check(
        START
        + """
segment = Segment.anonymous(200, processes=1)
install(segment=segment)
counter = client.Counter("c", "C.")
gauges = [client.Gauge(f"g{number}", "G.", multiprocess_mode="sum") for number in range(2)]
counter.inc()
gauges[0].set(1)
def work():
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        for _ in range(2):
            counter.inc()
            for gauge in gauges:
                gauge.set(10)
                gauge.inc()
        client.Gauge("late", "L.").set(1)
    (warning,) = warned
    assert "an anonymous segment has no stripe for this process: all 1" in str(warning.message), warning
    assert gauges[0]._value.get() == 0.0
Child(work).work().end()
found = scraped(segment)
assert found == {("c_total",): 3.0, ("g0",): 1.0, ("g1",): 0.0}, found
""",
    )


def test_threads_and_a_signal_handler() -> None:
    """An addition is one atomic operation, for counters and for gauges."""
    check(
        START
        + """
segment = Segment.anonymous(200)
install(segment=segment)
counter = client.Counter("c", "C.")
gauge = client.Gauge("g", "G.", multiprocess_mode="sum")
handled = 0
def handle(*_):
    global handled
    handled += 1
    counter.inc(0.25)
    gauge.dec(0.25)
signal.signal(signal.SIGALRM, handle)
sys.setswitchinterval(1e-6)
def work():
    for _ in range(2000):
        counter.inc(0.5)
        gauge.inc(0.5)
def all_threads():
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    for thread in threads:
        thread.join()
    signal.setitimer(signal.ITIMER_REAL, 0)
all_threads()
expected = 4 * 2000 * 0.5
assert scraped(segment) == {
    ("c_total",): expected + handled / 4, ("g",): expected - handled / 4}, (scraped(segment), handled)
""",
    )


def test_processes_that_share_only_the_path(tmp_path: Path) -> None:
    """Each worker opens the segment; an exporter without permission to write reads it."""
    check(
        START
        + f"""
path = {str(tmp_path / "segment")!r}
worker = '''
import sys, prometheus_client as client
from atomicx.prometheus import install
from atomicx.shared import Segment
install(segment=Segment.open_or_create(sys.argv[1], 300))
client.Counter("c", "C.", ["x"]).labels("a").inc()
client.Gauge("g", "G.", multiprocess_mode="mostrecent").set(float(sys.argv[2]))
'''
for number in range(3):
    subprocess.run([sys.executable, "-c", worker, path, str(number)], check=True)
reader = Segment.open(path, readonly=True)
assert scraped(reader) == {{("c_total", "a"): 3.0, ("g",): 2.0}}, scraped(reader)
assert reader.usage().stripes == 1
try:
    install(segment=reader)
except ValueError as error:
    assert "read-only" in str(error), error
else:
    raise AssertionError
""",
    )


def test_what_a_value_answers() -> None:
    check(
        START
        + """
segment = Segment.anonymous(200)
install(segment=segment)
registry = client.CollectorRegistry()
counter = client.Counter("c", "C.", registry=registry)
gauge = client.Gauge("g", "G.", multiprocess_mode="sum", registry=registry)
counter.inc(2, exemplar={"trace": "1"})
gauge.set(3)
Child(lambda: (counter.inc(4), gauge.set(5))).work().end()
assert counter._value.get() == 6.0 and gauge._value.get() == 3.0
assert counter._value.get_exemplar() is None and counter._value._multiprocess
assert registry.get_sample_value("c_total") == 6.0 and registry.get_sample_value("g") == 3.0
assert scraped(segment) == {("c_total",): 6.0, ("g",): 8.0}
if hasattr(counter, "reset"):
    counter.reset()
    assert counter._value.get() == 0.0 and scraped(segment)["c_total",] == 0.0
    counter.inc()
    assert scraped(segment)["c_total",] == 1.0
again = client.Counter("c", "C.", registry=None)
again.inc()
assert counter._value.get() == again._value.get()
segment.close()
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for _ in range(2):  # a metric must not fail a request
        counter.inc()
        gauge.set(1)
(warning,) = warned
assert "an anonymous segment is closed: what its metrics count from now on is lost" in str(warning.message)
for operation in (counter._value.get, gauge._value.get):
    try:
        operation()
    except ValueError as error:
        assert "the segment is closed" in str(error), error
    else:
        raise AssertionError
""",
    )


# install()


def test_install_after_metrics_and_twice(tmp_path: Path) -> None:
    check(
        START
        + f"""
before = client.Counter("before", "B.")
segment, other = Segment.create({str(tmp_path / "segment")!r}, 100), Segment.anonymous(100)
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    install(segment=segment)
    install(segment=segment)
    install(segment=Segment.open(segment.path))
    install()
(warning,) = warned
assert warning.category is RuntimeWarning and warning.filename == "<string>", warning
assert str(warning.message) == "metrics made before install() keep their values, outside the segment: before"
try:
    install(segment=other)
except RuntimeError as error:
    assert "install() was already called with another segment" in str(error), error
else:
    raise AssertionError
client.Counter("after", "A.").inc()
before.inc()
assert scraped(segment) == {{("after_total",): 1.0}} and before._value.get() == 1.0
""",
    )


def test_install_replaces_an_install_without_a_segment(tmp_path: Path) -> None:
    check(
        START
        + """
install()
segment = Segment.anonymous(100)
install(segment=segment)
client.Counter("c", "C.").inc()
assert scraped(segment) == {("c_total",): 1.0} and os.listdir(os.environ["PROMETHEUS_MULTIPROC_DIR"]) == []
if hasattr(values, "close_all_multiprocess_files"):
    values.close_all_multiprocess_files()
client.Counter("d", "D.").inc()
assert len(scraped(segment)) == 2
""",
        tmp_path,
    )


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("'/dev/shm/path'", "TypeError: expected a Segment, got 'str'"),
        ("closed", "ValueError: the segment is closed"),
    ],
)
def test_install_refuses(given: str, error: str) -> None:
    check(
        START
        + f"""
before = values.ValueClass
closed = Segment.anonymous(10)
closed.close()
try:
    install(segment={given})
except Exception as error:
    assert f"{{type(error).__name__}}: {{error}}" == {error!r}, error
else:
    raise AssertionError
assert values.ValueClass is before
try:
    SegmentCollector(closed)
except ValueError:
    pass
else:
    raise AssertionError
""",
    )


# The same segment for other things


def test_metrics_beside_the_cells_of_a_segment(tmp_path: Path) -> None:
    check(
        START
        + f"""
from atomicx.prometheus import Collector
segment = Segment.create({str(tmp_path / "segment")!r}, 100)
install(segment=segment)
segment.counter("c").inc()
client.Counter("c", "C.", ["x"], registry=None).labels("a").inc()
client.Gauge("g", "G.", registry=None).set(2)
assert [name for name, _ in segment.items()] == ["c"]
registry = registry_of(SegmentCollector(segment))
assert len(page_of(registry)) == 2
own = client.CollectorRegistry()
Collector(own).segment(segment)
assert len(page_of(own)) == 1
shown = subprocess.run(
    [sys.executable, "-m", "atomicx", "segment", segment.path], capture_output=True, text=True, check=True)
assert shown.stdout.splitlines()[-3:] == [
    "counter   c 1",
    'total     ["c_total",{{"x":"a"}}] 1',
    f'part      ["g",{{{{}}}}] pid {{os.getpid()}}: 2',
], shown.stdout
""",
    )


def test_what_cannot_be_exported_is_left_out() -> None:
    """Another program may have written anything; the rest stays on the page."""
    check(
        START
        + """
segment = Segment.anonymous(100)
install(segment=segment)
client.Counter("good", "G.").inc()
put(segment, ["gauge", "good", "sum", "G."], ["good", {}], True)
put(segment, ["counter", "", "", "N."], ["_total", {}])
put(segment, ["counter", "n", "", "N."], ["n_total", {"label": 1}])
put(segment, ["counter", "n", "", "N."], ["n_total", []])
put(segment, ["unheard of", "n", "", "N."], ["n", {}])
put(segment, "x", "y")
SharedPart(segment, b"\\0", b"{", False)
collector = SegmentCollector(segment)
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for _ in range(2):
        assert [len(metric.samples) for metric in collector.collect()] == [1]
assert len(warned) == 6, [str(warning.message) for warning in warned]
assert "the type of 'good' is counter elsewhere in the segment" in str(warned[0].message), warned[0]
assert page_of(registry_of(collector)) == {("G.", "counter", "good_total"): 1.0}
""",
    )
