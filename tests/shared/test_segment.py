"""Segment: kinds, labels, names, what it does when it is full, and what it refuses."""

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atomicx import HistogramSnapshot, SharedFamily, SharedGauge
from atomicx.shared import Segment, SegmentUsage
from support.marks import NEEDS_C
from support.segments import KINDS, NAME_BYTES, change, counts, make, value

pytestmark = NEEDS_C


@pytest.fixture
def segment(tmp_path: Path) -> Segment:
    return Segment.create(tmp_path / "segment", 40)


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
    with pytest.raises(TypeError, match=r"counter\(\) got multiple values for argument 'name'"):
        segment.counter("requests", name="method")
    with pytest.raises(TypeError, match=r"histogram\(\) got multiple values for argument 'bounds'"):
        segment.histogram("g", [1], bounds=[2])
    with pytest.raises(TypeError, match=r"gauge\(\) got an unexpected keyword argument"):
        segment.gauge("g", **{"name\0": "h"})
    assert {name for name, _ in segment.items()} == {"c", "h"}


def test_a_keyword_that_compares_by_itself(segment: Segment) -> None:
    class Key(str):
        __hash__ = str.__hash__

        def __eq__(self, other: object) -> bool:
            raise ZeroDivisionError

    assert segment.counter("c", "a", **{Key("overflow"): "rest"}).overflow == "rest"


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


def test_usage(segment: Segment) -> None:
    assert segment.usage() == SegmentUsage(0, 40, 64, 0, 0, 0, Path(segment.path).stat().st_size, 0)
    segment.histogram("h", [1, 2, 3])
    segment.counter("c").inc()
    usage = segment.usage()
    assert (usage.series, usage.stripes, usage.alive) == (6, 1, 1)
    assert 0 < usage.name_bytes < usage.bytes
