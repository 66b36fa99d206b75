"""Segment: names, kinds, labels, closing, pickling, and what it refuses."""

import copy
import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from atomicx import (
    HistogramSnapshot,
    SharedCounter,
    SharedFamily,
    SharedFloat,
    SharedGauge,
    SharedHistogram,
    SharedInt,
)
from atomicx._backend import SharedPart
from atomicx.shared import Segment, SegmentUsage
from core.run import compiler
from shared.layout import CURSOR, File
from support.marks import NEEDS_C, NEEDS_FORK
from support.shared import fork, status_of

pytestmark = NEEDS_C

NATIVE = Path(__file__).parent.parent / "native"
NAME_BYTES = 240
CREATORS = 2
CREATIONS = 60
KINDS = {
    "int": SharedInt,
    "float": SharedFloat,
    "counter": SharedCounter,
    "gauge": SharedGauge,
    "histogram": SharedHistogram,
}


@pytest.fixture
def segment(tmp_path: Path) -> Segment:
    return Segment.create(tmp_path / "segment", 40)


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


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_of_each_kind(segment: Segment, kind: str) -> None:
    cell = make(segment, kind, "name")
    assert type(cell) is KINDS[kind]
    before = value(cell)
    change(cell)
    assert value(cell) != before
    assert make(segment, kind, "name") is cell
    assert list(segment.items()) == [("name", cell)]
    assert value(make(Segment.open(segment.path), kind, "name")) == value(cell)


@pytest.mark.parametrize("kind", KINDS)
def test_a_family_of_each_kind(segment: Segment, kind: str) -> None:
    family = make(segment, kind, "name", "method", "status")
    assert type(family) is SharedFamily
    assert (family.kind, family.label_names, family.overflow) == (kind, ("method", "status"), "other")
    assert family.bounds == ((1.0, 2.0) if kind == "histogram" else None)
    assert make(segment, kind, "name", "method", "status") is family
    child = family["GET", 200]
    assert type(child) is KINDS[kind]
    for same in (family["GET", "200"], family.labels(status=200, method="GET")):
        assert same is child
    change(child)
    other = make(Segment.open(segment.path), kind, "name", "method", "status")
    assert [(labels, value(cell)) for labels, cell in other.items()] == [(("GET", "200"), value(child))]
    assert len(family) == len(other) == 1
    assert ("GET", 200) in other
    assert ("POST", 200) not in other
    assert len(other) == 1


def test_the_operations_of_a_counter(segment: Segment) -> None:
    counter = segment.counter("c")
    counter.inc()
    counter.add(41)
    before = counter
    counter += 1
    assert counter is before
    assert (counter.load(), int(counter), bool(counter), repr(counter)) == (43, 43, True, "SharedCounter(43)")
    assert not segment.counter("empty")
    with pytest.raises(ValueError, match="can only count up, not by -1"):
        counter.add(-1)
    with pytest.raises(TypeError):
        counter.add(0.5)  # type: ignore[arg-type]
    with pytest.raises(OverflowError):
        counter.add(2**63)
    counter.add(2**63 - 44)
    with pytest.raises(OverflowError):
        counter.inc()
    assert counter.load() == 2**63 - 1


def test_the_operations_of_a_gauge(segment: Segment) -> None:
    gauge = segment.gauge("g")
    gauge.inc()
    gauge.dec()
    gauge.add(-5)
    assert gauge.load() == int(gauge) == -5
    gauge.store(10)
    before = gauge
    gauge += 5
    gauge -= 3
    assert gauge is before
    assert (gauge.load(), bool(gauge), repr(gauge)) == (12, True, "SharedGauge(12)")
    with gauge.track():
        assert gauge.load() == 13
    with gauge.admit(13) as admitted, gauge.admit(13) as refused:
        assert (admitted, refused, gauge.load()) == (True, False, 13)
    assert gauge.load() == 12
    assert (str(gauge), f"{gauge:04d}", str(segment.counter("c"))) == ("12", "0012", "0")
    gauge.store(2**63 - 1)
    for call in (gauge.inc, lambda: gauge.add(1), lambda: gauge.store(2**63)):
        with pytest.raises(OverflowError):
            call()
    gauge.store(-(2**63))
    with pytest.raises(OverflowError):
        gauge.dec()
    assert gauge.load() == -(2**63)


def test_the_operations_of_a_histogram(segment: Segment) -> None:
    histogram = segment.histogram("h", [0.1, 1, 10])
    for observed in (0.1, 0.5, 1, 2, 11, float("inf"), True):
        histogram.observe(observed)
    assert histogram.snapshot() == HistogramSnapshot((1, 3, 1, 2), float("inf"))
    assert type(histogram.snapshot()) is HistogramSnapshot
    assert histogram.bounds == (0.1, 1.0, 10.0)
    with pytest.raises(ValueError, match="NaN"):
        histogram.observe(float("nan"))
    with histogram.time(), histogram.time():
        pass
    assert sum(histogram.snapshot().counts) == 9


@pytest.mark.parametrize("bounds", [[], [1, 1], [2, 1], [float("nan")], [float("inf")]], ids=str)
def test_bounds_that_are_refused(segment: Segment, bounds: list[float]) -> None:
    with pytest.raises(ValueError):
        segment.histogram("h", bounds)
    assert list(segment.items()) == []


def test_families_count_without_handing_out(segment: Segment) -> None:
    counter, gauge = segment.counter("c", "a"), segment.gauge("g", "a")
    integer, real = segment.int("i", "a"), segment.float("f", "a")
    histogram = segment.histogram("h", [1], "a")
    counter.inc("x")
    counter.add(2, "x")
    gauge.inc("x")
    gauge.dec("x")
    gauge.add(4, "x")
    gauge.store(7, "y")
    integer.inc("x")
    integer.dec("x")
    integer.add(-3, "x")
    integer.store(9, "y")
    real.add(0.5, "x")
    real.store(2.5, "y")
    histogram.observe(3, "x")
    with gauge.track("x"):
        assert gauge["x"].load() == 5
    with histogram.time("x"):
        pass
    assert counter["x"].load() == 3
    assert (gauge["x"].load(), gauge["y"].load()) == (4, 7)
    assert (integer["x"].load(), integer["y"].load()) == (-3, 9)
    assert (real["x"].load(), real["y"].load()) == (0.5, 2.5)
    assert histogram["x"].snapshot().counts == (1, 1)


ALL = {"inc", "dec", "add", "store", "observe", "track", "time"}
HAVE = {
    "int": {"inc", "dec", "add", "store", "track"},
    "float": {"add", "store"},
    "counter": {"inc", "add"},
    "gauge": {"inc", "dec", "add", "store", "track"},
    "histogram": {"observe", "time"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_children_do_not_have(segment: Segment, kind: str) -> None:
    family = make(segment, kind, "f", "a")
    for method in ALL - HAVE[kind]:
        with pytest.raises(AttributeError, match=f"of kind '{kind}' has no attribute '{method}'"):
            getattr(family, method)(1, "x")
    assert len(family) == 0
    for method in HAVE[kind]:
        arguments = (1,) if method in ("add", "store", "observe") else ()
        getattr(family, method)(*arguments, "x")
        with pytest.raises(ValueError, match="0 label values for 1 label"):
            getattr(family, method)(*arguments)
        with pytest.raises(ValueError, match="2 label values for 1 label"):
            getattr(family, method)(*arguments, "x", "y")
    assert len(family) == 1


def test_label_values(segment: Segment) -> None:
    family = segment.counter("f", "a", "b")
    for wrong in (1.5, None, b"x", ("a",)):
        for use in (lambda w=wrong: family.inc("x", w), lambda w=wrong: family["x", w]):
            with pytest.raises(TypeError, match="must be a str or an int"):
                use()
    with pytest.raises(TypeError):
        ("x", 1.5) in family  # noqa: B015 - the question itself raises
    with pytest.raises(ValueError):
        family.inc("x", "\ud800")
    for wrong_names in ({"a": "x"}, {"a": "x", "c": "y"}, {"a": "x", "b": "y", "c": "z"}, {}):
        with pytest.raises(TypeError, match=r"requires exactly the keyword arguments \('a', 'b'\)"):
            family.labels(**wrong_names)
    assert len(family) == 0
    values = ["", "ä", "\0", "x" * 400, 2**70, -5, True, 0]
    for one in values:
        family.inc("v", one)
        family.inc("v", one)
    texts = ["", "ä", "\0", "x" * 400, str(2**70), "-5", "1", "0"]
    assert [(labels, child.load()) for labels, child in family.items()] == [
        (("v", text), 2) for text in texts
    ]


class Text(str):
    def __str__(self) -> str:
        return "another"

    __hash__ = str.__hash__


def test_subclasses_count_by_what_they_hold(segment: Segment) -> None:
    family = segment.counter("f", "a")
    family.inc(Text("x"))
    family.inc("x")
    assert [(labels, child.load()) for labels, child in family.items()] == [(("x",), 2)]
    assert {type(label) for labels, _ in family.items() for label in labels} == {str}


def test_assignment_of_what_was_handed_out(segment: Segment) -> None:
    family = segment.counter("f", "a")
    family["x"] += 3
    assert family["x"].load() == 3
    with pytest.raises(TypeError, match="cannot assign to a SharedFamily"):
        family["x"] = family["y"]
    with pytest.raises(TypeError, match=r"use remove\(\)"):
        del family["x"]


def test_removed_children_go_on(segment: Segment) -> None:
    family = segment.counter("f", "a")
    other = Segment.open(segment.path).counter("f", "a")
    family.add(5, "x")
    family.inc("y")
    other.remove("x")
    assert "x" not in family
    assert [labels for labels, _ in family.items()] == [("y",)]
    with pytest.raises(KeyError) as caught:
        family.remove("x")
    assert caught.value.args == (("x",),)
    with pytest.raises(KeyError):
        family.remove("never")
    before = segment.usage().series
    family.inc("x")
    assert segment.usage().series == before
    assert other["x"].load() == 6
    family.clear()
    assert (len(other), list(other.items())) == (0, [])
    other.inc("y")
    assert [(labels, child.load()) for labels, child in family.items()] == [(("y",), 2)]


# Full segments


@pytest.mark.filterwarnings("ignore:.*nearly full:RuntimeWarning")
def test_a_full_segment_never_fails_a_request(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path / "segment", 10)
    family, histograms = segment.counter("f", "a"), segment.histogram("h", [1], "a")
    assert len(family) == 0
    for number in range(20):
        family.inc(number)
        family.add(2, number)
        histograms.observe(0.5, number)
    assert (
        family["other"].load() + sum(child.load() for labels, child in family.items() if labels != ("other",))
        == 60
    )
    assert list(family.items())[-1] == (("other",), family["other"])
    assert sum(sum(child.snapshot().counts) for _, child in histograms.items()) == 20
    usage = segment.usage()
    assert (usage.series, usage.capacity) == (10, 10)
    assert usage.overflowed > 20
    elsewhere = dict(Segment.open(segment.path).items())["f"]
    assert isinstance(elsewhere, SharedFamily)
    assert {labels: child.load() for labels, child in elsewhere.items()} == {
        labels: child.load() for labels, child in family.items()
    }
    family.remove("other")
    assert "other" not in family
    family.inc("one more")
    assert "other" in family


@pytest.mark.filterwarnings("ignore:.*nearly full:RuntimeWarning")
def test_the_overflow_child_by_name(segment: Segment) -> None:
    family = segment.counter("f", "a", "b", overflow="rest")
    taken = segment.usage().series
    assert taken == 1, "the overflow child has its room from the start"
    assert ("rest", "rest") not in family
    family.inc("rest", "rest")
    assert [(labels, child.load()) for labels, child in family.items()] == [(("rest", "rest"), 1)]
    assert segment.usage().series == taken
    assert family.overflow == "rest"
    assert segment.usage().overflowed == 0
    family.inc("x" * 2000, "too long a value")
    assert family["rest", "rest"].load() == 2
    assert segment.usage().overflowed == 1


@pytest.mark.filterwarnings("ignore:.*nearly full:RuntimeWarning")
def test_without_an_overflow_child(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path / "segment", 2)
    family = segment.counter("f", "a", overflow=None)
    assert (family.overflow, segment.usage().series) == (None, 0)
    family.inc("x")
    family.inc("y")
    for call in (lambda: family.inc("z"), lambda: family["z"], lambda: family.add(0, "z")):
        with pytest.raises(ValueError, match=r"has room for 2 series, cannot add \('z',\)"):
            call()
    with pytest.raises(ValueError, match="must fit in 1022 bytes"):
        family.inc("x" * 2000)
    family.inc("x")
    assert family["x"].load() == 2


@pytest.mark.filterwarnings("ignore:.*nearly full:RuntimeWarning")
def test_a_full_segment_refuses_names(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path / "segment", 4)
    other = Segment.open(segment.path)
    with pytest.raises(ValueError, match="full"):
        segment.histogram("too large", [1, 2, 3])
    for number, kind in enumerate(("int", "float", "counter", "gauge")):
        make(segment if number % 2 else other, kind, str(number))
    for one in (segment, other):
        for kind in KINDS:
            with pytest.raises(ValueError, match="has room for 4 series, cannot add 'one too many'"):
                make(one, kind, "one too many")
        assert [name for name, _ in one.items()] == ["0", "1", "2", "3"]
        assert one.int("0").add_fetch() > 0


def test_the_warning_comes_once(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path / "segment", 20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(17):
            segment.counter(str(number))
    with pytest.warns(RuntimeWarning, match="'.*segment' is nearly full: 18 of 20 series"):
        segment.counter("18")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        segment.counter("19")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_warning_made_an_error_never_fails_a_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = Segment.create(tmp_path / "segment", 2)
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        family = segment.counter("f", "a")
        family.inc("x")
    assert [report.exc_type for report in reported] == [RuntimeWarning]
    assert family["x"].load() == 1


@pytest.mark.parametrize("capacity", [0, -1, 2**28 + 1, 2**100])
def test_capacities_that_are_refused(tmp_path: Path, capacity: int) -> None:
    with pytest.raises(ValueError, match="capacity must be from 1 to"):
        Segment.create(tmp_path / "segment", capacity)
    with pytest.raises(ValueError, match="and processes from 1 to 4096"):
        Segment.create(tmp_path / "segment", 1, processes=capacity)
    with pytest.raises(TypeError):
        Segment.create(tmp_path / "segment", 1.0)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


# Names


@pytest.mark.parametrize("convert", [str, Path, os.fsencode], ids=["str", "Path", "bytes"])
def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, convert: Callable[[str], Any]) -> None:
    monkeypatch.chdir(tmp_path)
    segment = Segment.create(convert("relative"), 1)
    assert segment.path == str(tmp_path / "relative")
    assert Segment.open(convert("relative")).path == segment.path
    assert repr(segment) == f"<Segment {segment.path!r}, capacity 1>"


@pytest.mark.parametrize("name", ["a", 'requests{method="GET"}', "Zähler", "计数", " ", "x" * NAME_BYTES])
def test_names(segment: Segment, name: str) -> None:
    segment.int(name).inc()
    assert counts(Segment.open(segment.path)) == {name: 1}


@pytest.mark.parametrize("name", ["", "a\0", "\0", "x" * (NAME_BYTES + 1), "ä" * 121, "\ud800"])
def test_what_is_not_a_name(segment: Segment, name: str) -> None:
    for kind in KINDS:
        with pytest.raises(ValueError):
            make(segment, kind, name)
    assert list(segment.items()) == []


@pytest.mark.parametrize("name", [None, 1, b"bytes", ("a",)], ids=str)
def test_a_name_is_a_str(segment: Segment, name: Any) -> None:
    with pytest.raises(TypeError):
        segment.int(name)
    with pytest.raises(TypeError):
        segment.counter("c", name)


def test_label_names_that_are_refused(segment: Segment) -> None:
    with pytest.raises(ValueError, match="must be distinct, got 'a' twice"):
        segment.counter("c", "a", "b", "a")
    for names in (["x" * 1100], [str(number) for number in range(65)], ["\ud800"]):
        with pytest.raises(ValueError):
            segment.counter("c", *names)
    with pytest.raises(TypeError, match="overflow must be a str or None"):
        segment.counter("c", "a", overflow=5)  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        segment.counter()  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        segment.counter("c", bounds=[1])  # type: ignore[call-overload]
    with pytest.raises(TypeError):
        segment.histogram("h")  # type: ignore[call-overload]
    assert list(segment.items()) == []


def test_keywords(segment: Segment) -> None:
    assert segment.counter(name="c") is segment.counter("c")
    assert segment.histogram(name="h", bounds=[1]) is segment.histogram("h", [1])
    assert segment.histogram("h", bounds=[1]) is segment.histogram("h", [1])


def test_another_thing_under_a_name_is_a_type_error(segment: Segment) -> None:
    other = Segment.open(segment.path)
    for kind in KINDS:
        make(segment, kind, kind)
        make(segment, kind, f"{kind} family", "a")
    for one in (segment, other):
        for kind in KINDS:
            for wanted in KINDS:
                if wanted != kind:
                    with pytest.raises(
                        TypeError, match=f"'{kind}' is of kind {kind} in this segment, not {wanted}"
                    ):
                        make(one, wanted, kind)
            for names in (("b",), ("a", "b"), ()):
                with pytest.raises(TypeError, match="has different label names in this segment"):
                    make(one, kind, f"{kind} family", *names)
            with pytest.raises(TypeError, match="has different label names in this segment"):
                make(one, kind, kind, "a")
        for bounds in ([1.0], [1.0, 2.0, 3.0], [1.0, 2.5]):
            with pytest.raises(TypeError, match="'histogram' has different bounds in this segment"):
                one.histogram("histogram", bounds)
    assert len(list(other.items())) == 2 * len(KINDS)


def test_what_others_made_is_found_with_all_there_is_to_know(segment: Segment) -> None:
    segment.histogram("latency", [0.1, 1], "path").observe(0.5, "/")
    segment.gauge("flying").inc()
    found = dict(Segment.open(segment.path).items())
    latency = found["latency"]
    assert isinstance(latency, SharedFamily)
    assert (latency.kind, latency.bounds, latency.label_names) == ("histogram", (0.1, 1.0), ("path",))
    assert repr(latency) == "SharedFamily(histogram, ('path',))"
    assert isinstance(found["flying"], SharedGauge)


# Read-only


def test_a_read_only_segment(segment: Segment) -> None:
    for kind in KINDS:
        change(make(segment, kind, kind))
        change(make(segment, kind, f"{kind} family", "a")["x"])
    reader = Segment.open(segment.path, readonly=True)
    assert (segment.readonly, reader.readonly) == (False, True)
    before = Path(segment.path).read_bytes()
    for kind in KINDS:
        cell, family = make(reader, kind, kind), make(reader, kind, f"{kind} family", "a")
        assert value(cell) == value(make(segment, kind, kind)) == value(family["x"])
        for changed in (cell, family["x"]):
            with pytest.raises(ValueError, match="was opened read-only"):
                change(changed)
        assert "y" not in family
        with pytest.raises(KeyError) as caught:
            family["y"]
        assert caught.value.args == (("y",),)
        for call in (lambda f=family: f.remove("x"), family.clear):
            with pytest.raises(ValueError, match="was opened read-only"):
                call()
    with pytest.raises(KeyError, match="new"):
        reader.counter("new")
    integer = reader.int("int")
    for call in (
        integer.inc,
        lambda: integer.store(5),
        lambda: integer.exchange(1),
        lambda: integer.fetch_add(1),
        lambda: integer.compare_and_set(1, 2),
        lambda: integer.update(lambda _: 5),
    ):
        with pytest.raises(ValueError, match="was opened read-only"):
            call()
    assert Path(segment.path).read_bytes() == before
    with pytest.raises(TypeError, match="needs a writable buffer"):
        SharedInt(memoryview(reader).toreadonly())


# Closing


def test_close_releases_every_cell(segment: Segment) -> None:
    cells = [make(segment, kind, kind) for kind in KINDS]
    families = [make(segment, kind, f"{kind} family", "a") for kind in KINDS]
    cells += [family["x"] for family in families]
    Segment.open(segment.path).int("c")
    cells += [cell for _, cell in segment.items() if not isinstance(cell, SharedFamily)]
    for cell in cells:
        change(cell)
    segment.close()
    segment.close()
    for cell in cells:
        with pytest.raises(ValueError, match="the segment is closed"):
            change(cell)
        with pytest.raises(ValueError, match="the segment is closed"):
            value(cell)
    for family in families:
        for call in (lambda f=family: f["x"], lambda f=family: f["y"], family.items, lambda f=family: len(f),
                     lambda f=family: "x" in f, lambda f=family: f.remove("x"), family.clear):  # fmt: skip
            with pytest.raises(ValueError, match="the segment is closed"):
                call()
    for call in (lambda: segment.int("a"), lambda: segment.float("new"), segment.items, segment.usage,
                 lambda: segment.counter("family", "a")):  # fmt: skip
        with pytest.raises(ValueError, match="the segment is closed"):
            call()
    assert repr(cells[2]) == "<released SharedCounter>"


def test_a_with_block_closes(segment: Segment) -> None:
    with segment as entered:
        assert entered is segment
        counter = segment.counter("c")
    with pytest.raises(ValueError):
        counter.inc()
    assert Path(segment.path).exists()


def make_cells(segment: Segment, me: int, made: list[Any]) -> None:
    with suppress(ValueError):  # it may be closed already
        for number in range(200):
            made += [segment.int(f"{me}:{number}"), segment.counter(f"{me}:c{number}")]


def test_closing_while_others_make_cells(tmp_path: Path) -> None:
    """A thread that gets a cell gets one that close() has released or will release."""
    for attempt in range(30):
        segment = Segment.create(tmp_path / str(attempt), 1000)
        made: list[Any] = []
        threads = [threading.Thread(target=make_cells, args=(segment, me, made)) for me in range(2)]
        for thread in threads:
            thread.start()
        while not made:
            time.sleep(0)
        segment.close()
        for thread in threads:
            thread.join()
        for cell in made:
            with pytest.raises(ValueError):
                cell.load()
            with pytest.raises(ValueError):
                cell.inc()


def test_all_goes_with_the_last_reference(tmp_path: Path) -> None:
    """Cells and segments refer to each other, and the collector can see that."""
    segment = Segment.create(tmp_path / "segment", 100)
    counter = segment.counter("c")
    segment.counter("f", "a")["x"].inc()
    gone = weakref.ref(segment)
    del segment
    gc.collect()
    assert gone() is not None, "a cell keeps its segment"
    counter.inc()
    assert counter.load() == 1
    del counter
    gc.collect()
    assert gone() is None


def test_the_collector_runs_while_a_family_is_freed() -> None:
    """The overflow child ends with its family, and a weak reference to it may call anything then."""
    segment = Segment.anonymous(10)
    family = segment.counter("family", "a")
    gone = [weakref.ref(family["other"], lambda _: gc.collect()), weakref.ref(family)]
    del family
    segment.close()
    gc.collect()
    assert [reference() for reference in gone] == [None, None]


def test_a_segment_that_was_never_opened() -> None:
    segment = Segment.__new__(Segment)
    for call in (lambda: segment.int("a"), segment.items, segment.usage):
        with pytest.raises(ValueError, match="the segment is closed"):
            call()
    segment.close()


def test_opening_twice(segment: Segment) -> None:
    with pytest.raises(ValueError, match="is already open"):
        segment.__init__(segment.path)  # type: ignore[misc]
    assert segment.int("a").load() == 0


class Derived(Segment):
    """A subclass that has a dict."""


def test_subclasses(tmp_path: Path) -> None:
    segment = Derived.create(tmp_path / "segment", 1)
    segment.note = 5  # type: ignore[attr-defined]
    assert type(Derived.open(segment.path)) is type(pickle.loads(pickle.dumps(segment))) is Derived
    assert type(Derived.anonymous(1)) is Derived
    assert type(Derived.open_or_create(segment.path, 1)) is Derived


# Other processes


def add_in_child(segment: Segment, name: str) -> None:
    segment.int(name).add(5)
    segment.counter(f"{name} counter", "a").add(7, "x")


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # faulthandler's watch is a thread
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_multiprocessing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.chdir(tmp_path)
    segment = Segment.create("relative", 10)
    monkeypatch.chdir("/")
    context = multiprocessing.get_context(method)
    process = context.Process(target=add_in_child, args=(segment, method))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert segment.int(method).load() == 5
    assert segment.counter(f"{method} counter", "a")["x"].load() == 7


def test_pickle_and_copy(segment: Segment) -> None:
    segment.int("n").inc()
    duplicates = [pickle.loads(pickle.dumps(segment, protocol)) for protocol in range(6)]
    duplicates += [copy.copy(segment), copy.deepcopy(segment)]
    for duplicate in duplicates:
        assert type(duplicate) is Segment
        assert duplicate.path == segment.path
        assert duplicate.int("n").load() == 1
    reader = pickle.loads(pickle.dumps(Segment.open(segment.path, readonly=True)))
    assert reader.readonly
    for kind in KINDS:
        for thing in (make(segment, kind, kind), make(segment, kind, f"{kind} family", "a")):
            with pytest.raises(TypeError):
                pickle.dumps(thing)


def test_another_file_under_the_path_is_not_what_was_pickled(segment: Segment) -> None:
    pickled = pickle.dumps(segment)
    Segment.create(segment.path, 40, replace=True)
    with pytest.raises(ValueError, match="is not the segment that was pickled"):
        pickle.loads(pickled)
    os.unlink(segment.path)
    with pytest.raises(FileNotFoundError):
        pickle.loads(pickled)


@pytest.mark.parametrize("identity", [b"", b"x" * 15, b"x" * 17])
def test_what_is_not_an_id(segment: Segment, identity: bytes) -> None:
    reopen, (cls, path, _, readonly) = segment.__reduce__()  # type: ignore[misc]
    with pytest.raises(ValueError, match="id must be 16 bytes long"):
        reopen(cls, path, identity, readonly)  # type: ignore[operator]


@NEEDS_FORK
def test_an_anonymous_segment() -> None:
    segment = Segment.anonymous(10, processes=3)
    assert (segment.path, segment.capacity, segment.processes) == ("", 10, 3)
    assert repr(segment) == "<Segment anonymous, capacity 10>"
    counter = segment.counter("c")

    def work() -> None:
        counter.inc()
        segment.gauge("made in the child", "a").store(5, "x")
        segment.counter("also", "a").inc("x")

    assert status_of(fork(work)) == 0
    assert counter.load() == 1
    assert segment.counter("also", "a")["x"].load() == 1
    for copied in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot pickle or copy an anonymous segment"):
            copied(segment)


@NEEDS_FORK
def test_a_fork_needs_no_opening(segment: Segment) -> None:
    cell = segment.int("inherited")

    def work() -> None:
        cell.inc()
        os.unlink(segment.path)
        segment.int("made in the child").add(2)
        cell.inc()

    assert status_of(fork(work)) == 0
    assert counts(segment) == {"inherited": 2, "made in the child": 2}


@NEEDS_FORK
def test_a_child_leaves_alone_what_its_parent_took(tmp_path: Path) -> None:
    """Memory that a process took in vain is for its next name. The children that it forks get their own."""
    path = tmp_path / "segment"
    segment = Segment.create(path, 10)
    segment.counter("first")
    file, sound = File(path), path.read_bytes()
    taken = file.word(CURSOR)

    # The next name overwrites the last entry, so that it cannot be linked to it.
    file.put(CURSOR, taken + 64)
    Segment.open(path).counter("last")
    file.put(CURSOR, taken)
    with pytest.raises(ValueError, match="is damaged"):
        segment.counter("takes memory in vain")
    with path.open("r+b") as opened:
        opened.write(sound)
    file.put(CURSOR, taken + 192)
    assert status_of(fork(lambda: segment.counter("of the child").inc())) == 0
    segment.counter("of the parent").inc()
    assert counts(Segment.open(path)) == {"first": 0, "of the child": 1, "of the parent": 1}


def test_a_file_that_is_gone(segment: Segment) -> None:
    """Everything goes on, including new names: the path is no longer needed."""
    counter = segment.counter("there")
    os.unlink(segment.path)
    Segment.create(segment.path, 4).counter("there").inc()
    segment.counter("new").inc()
    counter.inc()
    assert counts(segment) == {"there": 1, "new": 1}


# Creation


def test_create_replaces_nothing(segment: Segment) -> None:
    segment.int("n").add(7)
    with pytest.raises(FileExistsError) as caught:
        Segment.create(segment.path, 9)
    assert caught.value.filename == segment.path
    assert Segment.open(segment.path).int("n").load() == 7
    assert os.listdir(os.path.dirname(segment.path)) == ["segment"]


def test_replace_takes_the_path_over(segment: Segment) -> None:
    old = segment.histogram("h", [1])
    successor = Segment.create(segment.path, 50, replace=True)
    successor.histogram("h", [1, 2]).observe(1)
    old.observe(1)
    assert sum(old.snapshot().counts) == 1
    assert Segment.open(segment.path).capacity == 50
    assert os.listdir(os.path.dirname(segment.path)) == ["segment"]


def test_open_or_create(tmp_path: Path) -> None:
    first = Segment.open_or_create(tmp_path / "segment", 5, processes=3, mode=0o640)
    first.int("n").inc()
    second = Segment.open_or_create(tmp_path / "segment", 9)
    assert (second.capacity, second.processes, second.int("n").load()) == (5, 3, 1)
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(PermissionError):
        Segment.open_or_create(tmp_path / "dangling", 5)


CREATOR = """
import os, sys
from atomicx.shared import Segment
folder, me, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for number in range(count):
    while not os.path.exists(f"{folder}/go-{number}"):
        pass
    segment = Segment.open_or_create(f"{folder}/{number}", 100 + me)
    assert segment.capacity in (100, 101)
    segment.int("both").inc()
    segment.counter("family", "a").inc("x")
"""


def test_two_create_at_once(tmp_path: Path) -> None:
    """One process makes it; any process that opens it meanwhile finds it complete, or does not find it."""
    command = [sys.executable, "-c", CREATOR, str(tmp_path)]
    creators = [subprocess.Popen([*command, str(me), str(CREATIONS)]) for me in range(CREATORS)]
    for number in range(CREATIONS):
        (tmp_path / f"go-{number}").touch()
        while True:
            try:
                Segment.open(tmp_path / str(number))
                break
            except FileNotFoundError:
                assert all(creator.poll() in (None, 0) for creator in creators)
    assert [creator.wait() for creator in creators] == [0] * CREATORS
    for number in range(CREATIONS):
        segment = Segment.open(tmp_path / str(number))
        assert segment.int("both").load() == segment.counter("family", "a")["x"].load() == CREATORS
    assert not list(tmp_path.glob(".*"))


def test_usage(segment: Segment) -> None:
    assert segment.usage() == SegmentUsage(0, 40, 64, 0, 0, 0, Path(segment.path).stat().st_size, 0)
    segment.histogram("h", [1, 2, 3])
    segment.counter("c").inc()
    usage = segment.usage()
    assert (usage.series, usage.stripes, usage.alive) == (6, 1, 1)
    assert 0 < usage.name_bytes < usage.bytes


@NEEDS_FORK
def test_a_reader_in_c(segment: Segment, tmp_path: Path) -> None:
    reader = tmp_path / "segment_reader"
    command = [*compiler(), "-std=c11", "-Wall", "-Wextra", "-Werror", "-o", str(reader)]
    subprocess.run([*command, str(NATIVE / "segment_reader.c")], check=True)

    def read() -> list[str]:
        done = subprocess.run([reader, segment.path], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    assert read() == []
    segment.int("requests").store(-(2**63))
    segment.float("Sekunden für alle").store(0.1)
    segment.counter("x" * NAME_BYTES).add(2**40)
    family = segment.counter("hits", "method", "status")
    histogram = segment.histogram("latency", [0.5, 1])
    gauge = segment.gauge("flying")

    def count() -> None:
        family.inc("GET", 200)
        family.inc("POST", 404)
        histogram.observe(0.25)
        gauge.store(5)

    for _ in range(3):
        assert status_of(fork(count)) == 0
    SharedPart(segment, b"\0seconds", b"a", False).add(0.5)
    level = SharedPart(segment, b"\0level", b"b", True)
    level.store(2.5, 7)
    level_of_dead = 8.5
    assert status_of(fork(lambda: level.store(level_of_dead))) == 0
    count()
    family.remove("POST", 404)
    family.inc("other", "other")
    assert read() == [
        f"int requests {-(2**63)}",
        "float Sekunden für alle 0.10000000000000001",
        f"counter {'x' * NAME_BYTES} {2**40}",
        "counter hits(method,status)",
        "  (GET,200) 4",
        "  (other,other) 1",
        "histogram latency <=0.5:4 <=1:0 more:0 sum 1",
        "gauge flying 5",
        "totals seconds",
        "  a 0.5",
        "parts level",
        "  b 2.5 at 7 dead 8.5 at 0",
    ]
    with open(segment.path, "r+b") as file:
        file.write(b"A")
    assert subprocess.run([reader, segment.path], capture_output=True, check=False).returncode == 1
