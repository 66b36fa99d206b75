"""install(): prometheus_client's own metrics with atomic values, and with its own, which must fail.

Each test that changes the library runs in a process of its own.
"""

import os
import sys
from pathlib import Path

import pytest

import atomicx
from support.extras import needs

needs("prometheus_client", "prometheus")

from integrations.process import run  # noqa: E402

needs_shared_cells = pytest.mark.skipif(
    not hasattr(atomicx, "SharedFloat") or atomicx.backend != "c",
    reason="multiprocess mode needs SharedFloat, and the C module",
)
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason=f"{sys.platform} has no fork")


def check(source: str, folder: Path | None = None) -> None:
    done = run("-c", source, folder=folder)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


INSTALLED = """
import prometheus_client as client
from prometheus_client import values
from atomicx.prometheus import {value}, install
install()
install()
assert values.ValueClass is {value}
"""

# All metrics of the library, with the effect of each method on a value.
EVERY_METRIC = """
registry = client.CollectorRegistry()
counter = client.Counter("c", "C.", ["label"], registry=registry)
counter.labels("x").inc()
counter.labels("x").inc(2.5)
counter.labels("y").inc(1, exemplar={"id": "z"})
counter.labels("y").reset()
gauge = client.Gauge("g", "G.", registry=registry)
gauge.set(5)
gauge.inc()
gauge.dec(2)
with gauge.track_inprogress():
    assert gauge._value.get() == 5
summary = client.Summary("s", "S.", registry=registry)
summary.observe(2)
with summary.time():
    pass
summary._sum.set(2.0)
histogram = client.Histogram("h", "H.", buckets=[1, 2], registry=registry)
for value in (0.5, 1.5, 99):
    histogram.observe(value)
client.Info("i", "I.", registry=registry).info({"version": "1"})
client.Enum("e", "E.", states=["on", "off"], registry=registry).state("off")
def samples():
    return {
        (sample.name, *sample.labels.values()): sample.value
        for metric in registry.collect() for sample in metric.samples if not sample.name.endswith("_created")
    }
expected = {
    ("c_total", "x"): 3.5, ("c_total", "y"): 0.0, ("g",): 4.0, ("s_count",): 2.0, ("s_sum",): 2.0,
    ("h_bucket", "1.0"): 1.0, ("h_bucket", "2.0"): 2.0, ("h_bucket", "+Inf"): 3.0, ("h_count",): 3.0,
    ("h_sum",): 101.0, ("i_info", "1"): 1.0, ("e", "on"): 0.0, ("e", "off"): 1.0,
}
assert samples() == expected, samples()
client.generate_latest(registry)
"""


def test_every_metric_of_the_library() -> None:
    check(INSTALLED.format(value="AtomicValue") + EVERY_METRIC)


def test_exemplars() -> None:
    check(
        INSTALLED.format(value="AtomicValue")
        + """
value = AtomicValue("counter", "c", "c_total", (), (), "C.")
assert value.get_exemplar() is None
value.set_exemplar("one")
assert value.get_exemplar() == "one"
value.set(3, timestamp=5.0)
value.inc(0.5)
assert value.get() == 3.5
"""
    )


def test_a_metric_that_was_there_keeps_its_value() -> None:
    check(
        """
import warnings
import prometheus_client as client
before = client.Counter("before", "B.")
before.inc(3)
labelled = client.Histogram("labelled", "L.", ["x"], registry=None)
labelled.labels("1")
without_values = client.Gauge("without_values", "W.", ["x"])
from atomicx.prometheus import AtomicValue, install
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    install()
    install()
(warning,) = warned
assert warning.category is RuntimeWarning and warning.filename == "<string>", warning
assert str(warning.message) == "metrics made before install() keep the library's values: before, labelled"
after = client.Counter("after", "A.")
before.inc()
after.inc()
assert not isinstance(before._value, AtomicValue) and before._value.get() == 4
assert isinstance(after._value, AtomicValue) and after._value.get() == 1
"""
    )


REFUSED = """
import atomicx._prometheus_install as ours
from prometheus_client import values
before = values.ValueClass
{change}
try:
    ours.install()
except RuntimeError as error:
    assert {text!r} in str(error), error
else:
    raise AssertionError("install() did not refuse")
assert values.ValueClass is before
"""


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("ours._version = lambda: (0, 19)", "supports prometheus_client 0.20 to 0.26, not 0.19"),
        ("ours._version = lambda: (1, 0)", "not 1.0"),
        ("del values.MutexValue.get_exemplar", "has no get_exemplar"),
        ("before = values.ValueClass = None", "has no inc"),
        (
            "before = values.ValueClass = type('Theirs', (values.MutexValue,), {})",
            "has replaced the value class of prometheus_client: __main__.Theirs",
        ),
        (
            "import importlib.metadata as m; m.version = lambda n: m.distribution('no-such-' + n).version",
            "no metadata",
        ),
        ("import importlib.metadata as m; m.version = lambda name: None", "no metadata"),
    ],
)
def test_a_library_that_is_not_known_is_refused(change: str, text: str) -> None:
    check(REFUSED.format(change=change, text=text))


def test_without_the_extra_the_import_says_so() -> None:
    check(
        """
import sys
sys.modules["prometheus_client"] = None
try:
    import atomicx.prometheus
except ImportError as error:
    assert "the extra `prometheus`" in str(error), error
else:
    raise AssertionError
"""
    )


# Multiprocess mode


@needs_shared_cells
def test_every_metric_of_the_library_in_files(tmp_path: Path) -> None:
    metrics = EVERY_METRIC.partition("client.Info")[0]
    check(
        INSTALLED.format(value="AtomicMultiProcessValue")
        + metrics
        + """
from prometheus_client.multiprocess import MultiProcessCollector
registry = client.CollectorRegistry()
MultiProcessCollector(registry)
found = {(sample.name, sample.labels.get("label") or sample.labels.get("le")): sample.value
    for metric in registry.collect() for sample in metric.samples}
assert found["c_total", "x"] == 3.5 and found["h_bucket", "+Inf"] == 3 and found["h_sum", None] == 101, found
assert found["g", None] == 4.0 and found["s_count", None] == 2, found
""",
        tmp_path,
    )


@needs_shared_cells
def test_many_values_outgrow_the_first_file(tmp_path: Path) -> None:
    """The library maps a file again when it grows; values that were made before keep counting in it."""
    check(
        INSTALLED.format(value="AtomicMultiProcessValue")
        + """
from prometheus_client.multiprocess import MultiProcessCollector
registry = client.CollectorRegistry()
counter = client.Counter("c", "C.", ["label"], registry=registry)
children = [counter.labels("x" * 100 + str(number)) for number in range(2000)]
for child in children:
    child.inc()
registry = client.CollectorRegistry()
MultiProcessCollector(registry)
values = [sample.value for metric in registry.collect() for sample in metric.samples]
assert values == [1.0] * 2000, (len(values), set(values))
""",
        tmp_path,
    )


@needs_shared_cells
@forks
def test_gauges_of_processes_that_live_and_die(tmp_path: Path) -> None:
    check(
        INSTALLED.format(value="AtomicMultiProcessValue")
        + """
import os
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
registry = client.CollectorRegistry()
live = client.Gauge("live", "L.", multiprocess_mode="livesum", registry=registry)
recent = client.Gauge("recent", "R.", multiprocess_mode="mostrecent", registry=registry)
live.set(1)
recent.set(1)
child = os.fork()
if not child:
    live.inc(10)
    recent.set(2)
    os._exit(0)
os.waitpid(child, 0)
def found():
    registry = client.CollectorRegistry()
    MultiProcessCollector(registry)
    return {sample.name: sample.value for metric in registry.collect() for sample in metric.samples}
assert found() == {"live": 11.0, "recent": 2.0}, found()
mark_process_dead(child)
assert found() == {"live": 1.0, "recent": 2.0}, found()
assert live._value.get() == 1.0
""",
        tmp_path,
    )
