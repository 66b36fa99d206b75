"""SharedPart: doubles in the stripes of a segment, summed or read separately, like the values of metrics."""

import copy
import gc
import math
import os
import pickle
import sys
import time
import warnings
import weakref
from pathlib import Path
from typing import Any

import pytest

from atomicx._backend import SharedPart
from atomicx.shared import Segment
from shared.layout import File
from support.marks import NEEDS_C, NEEDS_FORK
from support.shared import fork, status_of

pytestmark = NEEDS_C


@pytest.fixture
def segment(tmp_path: Path) -> Any:
    return Segment.create(tmp_path / "segment", 40, processes=3)


def part(segment: Any, key: bytes = b"series", metric: bytes = b"\0parts") -> Any:
    return SharedPart(segment, metric, key, True)


def total(segment: Any, key: bytes = b"series", metric: bytes = b"\0totals") -> Any:
    return SharedPart(segment, metric, key, False)


def test_a_total_and_a_part(segment: Any) -> None:
    mine, all_of_it = part(segment), total(segment)
    assert (mine.load(), all_of_it.load()) == (0.0, 0.0)
    assert mine.add(0.5) is None
    assert all_of_it.add(2) is None
    mine.add(1)
    assert (mine.load(), all_of_it.load()) == (1.5, 2.0)
    assert mine.store(-3, 12.5) is None
    assert all_of_it.store(0.25, 99) is None  # the time of a total is of no use
    assert (part(segment).load(), total(segment).load()) == (-3.0, 0.25)
    assert segment._parts() == [
        (b"\0parts", b"series", [(os.getpid(), -3.0, 12.5, True)]),
        (b"\0totals", b"series", 0.25),
    ]
    assert list(segment.items()) == []
    assert segment.usage().series == 3


@pytest.mark.parametrize("lost", [math.inf, -math.inf, math.nan])
def test_a_total_that_is_not_finite_can_be_stored_anew(segment: Any, lost: float) -> None:
    all_of_it = total(segment)
    all_of_it.add(lost)
    all_of_it.store(2)
    all_of_it.add(1)
    assert all_of_it.load() == 3.0


@NEEDS_FORK
@pytest.mark.parametrize("lost", [math.inf, -math.inf, math.nan])
def test_what_another_process_made_infinite_can_be_stored_anew(segment: Any, lost: float) -> None:
    """Also if that process is gone: its stripe may have no other owner for long."""
    all_of_it = total(segment)
    all_of_it.add(5)
    assert status_of(fork(lambda: all_of_it.add(lost))) == 0
    all_of_it.store(2)
    all_of_it.add(1)
    assert all_of_it.load() == 3.0


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_total_can_be_made_infinite(segment: Any, value: float) -> None:
    all_of_it = total(segment)
    all_of_it.add(5)
    all_of_it.store(value)
    assert repr(all_of_it.load()) == repr(value)


@NEEDS_FORK
def test_a_total_of_fractions_is_stored_exactly(segment: Any) -> None:
    all_of_it = total(segment)
    all_of_it.add(0.1)
    assert status_of(fork(lambda: all_of_it.add(0.2))) == 0
    all_of_it.store(0)
    assert all_of_it.load() == 0.0


@NEEDS_FORK
def test_two_that_store_at_once() -> None:
    """Each took the whole total off: it became negative, and so many increments were lost."""
    segment = Segment.anonymous(20, processes=1000)  # so that to sum it up takes a while
    all_of_it, arrived = total(segment), segment.int("arrived")

    def meet() -> None:
        turn = arrived.add_fetch() + 1 & ~1
        while arrived.load() < turn:
            time.sleep(0)

    def store(adds: float) -> set[float]:
        left = set()
        for _ in range(200):
            all_of_it.add(adds)
            meet()
            all_of_it.store(0)
            meet()
            left.add(all_of_it.load())
            meet()
        return left

    child = fork(lambda: store(0))
    assert store(1000) == {0.0}
    assert status_of(child) == 0


def test_one_key_under_two_metrics_and_as_a_name(segment: Any) -> None:
    total(segment, b"a", b"\0one").add(1)
    total(segment, b"a", b"\0two").add(2)
    segment.counter("a").add(3)
    assert [value for _, _, value in segment._parts()] == [1.0, 2.0]
    assert dict(segment.items())["a"].load() == 3


@NEEDS_FORK
def test_children_begin_their_parts_when_they_count(segment: Any) -> None:
    """Not before; and also if another mapping of the file took the stripe, or another cell was counted."""
    other = Segment.open(segment.path)
    mine, theirs, counter = part(segment), part(other, b"other"), segment.counter("counter")
    mine.store(5)

    def pids() -> list[int]:
        return [len(value) for _, _, value in segment._parts()]

    def read() -> None:
        assert mine.load() == theirs.load() == 0.0

    assert status_of(fork(read)) == 0
    assert pids() == [1, 1]

    def count() -> None:
        counter.inc()
        assert pids() == [2, 1]
        theirs.add(1)
        assert pids() == [2, 2]

    assert status_of(fork(count)) == 0
    assert [value[-1][1:] for _, _, value in segment._parts()] == [(0.0, 0.0, False), (1.0, 0.0, False)]


@NEEDS_FORK
def test_a_stripe_that_is_taken_over(segment: Any) -> None:
    mine, all_of_it = part(segment), total(segment)
    for number in range(1, 4):

        def count(number: int = number) -> None:
            assert mine.load() == 0.0
            mine.add(number)
            all_of_it.add(0.5)
            assert mine.load() == number

        assert status_of(fork(count)) == 0
        ((_, _, parts), (_, _, sum_of_all)) = segment._parts()
        assert [(value, alive) for _, value, _, alive in parts] == [(0.0, True), (float(number), False)]
        assert sum_of_all == 0.5 * number


def test_a_stripe_that_is_changing_hands_has_no_parts(segment: Any) -> None:
    part(segment).store(1)
    file = File(Path(segment.path))
    owner = file.word(file.owner(1))
    file.put(file.owner(1), owner + (1 << 44))
    assert segment._parts() == [(b"\0parts", b"series", [])]
    file.put(file.owner(1), owner)
    assert len(segment._parts()[0][2]) == 1


@NEEDS_FORK
def test_without_a_stripe(tmp_path: Path) -> None:
    segment = Segment.anonymous(20, processes=1)
    mine, all_of_it = part(segment), total(segment)
    mine.store(1)

    def count() -> None:
        with pytest.warns(RuntimeWarning, match="has no stripe for this process: all 1") as warned:
            mine.add(5)
            mine.store(5)
            part(segment, b"another")
        assert len(warned) == 1
        all_of_it.add(1)
        assert (mine.load(), all_of_it.load()) == (0.0, 1.0)

    assert status_of(fork(count)) == 0
    assert [value for _, _, value in segment._parts()] == [[(os.getpid(), 1.0, 0.0, True)], 1.0, []]


@NEEDS_FORK
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_warning_made_an_error_never_fails_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    segment = Segment.anonymous(20, processes=1)
    mine = part(segment)
    mine.store(1)
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: reported.append(str(report.exc_value)))

    def count() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            mine.add(5)
            for number in range(18):
                total(segment, b"%d" % number)
        assert ["is nearly full" in text for text in reported] == [False, True], reported

    assert status_of(fork(count)) == 0


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((b"metric", b"a", True), ValueError, "the key of a metric must begin with a NUL: b'metric'"),
        ((b"", b"a", True), ValueError, "the key of a metric must have 1 to 4096 bytes, not 0"),
        ((b"\0", b"", True), ValueError, "the key of a series must have 1 to 4096 bytes, not 0"),
        ((b"\0" * 4097, b"a", True), ValueError, "1 to 4096 bytes, not 4097"),
        ((b"\0", b"a" * 4097, True), ValueError, "1 to 4096 bytes, not 4097"),
        (("\0", b"a", True), TypeError, "the key of a metric must be bytes, not 'str'"),
        ((b"\0", "a", True), TypeError, "the key of a series must be bytes, not 'str'"),
        ((b"\0parts", b"series", False), ValueError, "is of kind part in this segment, not total"),
        ((b"\0", b"a"), TypeError, "4 arguments"),
    ],
)
def test_what_is_refused(segment: Any, arguments: Any, error: type[Exception], text: str) -> None:
    part(segment)
    with pytest.raises(error, match=text):
        SharedPart(segment, *arguments)


def test_more_that_is_refused(segment: Any) -> None:
    make: Any = SharedPart
    mine = part(segment)
    with pytest.raises(TypeError, match="takes no keyword arguments"):
        make(segment, b"\0", b"a", apart=True)
    with pytest.raises(TypeError, match="SegmentBase"):
        make(None, b"\0", b"a", True)
    for wrong in ("1", None):
        with pytest.raises(TypeError):
            mine.add(wrong)
        with pytest.raises(TypeError):
            mine.store(1, wrong)
    for arguments in ((), (1, 2, 3)):
        with pytest.raises(TypeError, match=r"store\(\)"):
            mine.store(*arguments)
    for copier in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            copier(mine)
    assert mine.load() == 0.0


def test_a_key_of_every_length(tmp_path: Path) -> None:
    segment = Segment.anonymous(400)
    keys = [bytes(range(1, 9)) * 512 + b"x"]
    keys = [keys[0][:length] for length in (1, 7, 8, 9, 240, 241, 1024, 4096)]
    for key in keys:
        total(segment, key).add(len(key))
    assert [(key, value) for _, key, value in segment._parts()] == [(key, float(len(key))) for key in keys]


def test_a_full_segment_says_so() -> None:
    segment = Segment.anonymous(5)
    part(segment, b"a")
    part(segment, b"b")
    with pytest.raises(ValueError, match="an anonymous segment has room for 5 series, cannot add b'c'"):
        part(segment, b"c")
    with pytest.warns(RuntimeWarning, match="nearly full"):
        total(segment, b"c")
    with pytest.raises(ValueError, match="the segment is full"):
        total(segment, b"d")
    part(segment, b"a").add(1)


def test_read_only_and_closed(segment: Any) -> None:
    part(segment).store(2, 3)
    total(segment).add(4)
    reader = Segment.open(segment.path, readonly=True)
    before = Path(segment.path).read_bytes()
    assert (total(reader).load(), reader._parts()) == (4.0, segment._parts())
    for operation in (lambda: part(reader).add(1), lambda: total(reader).store(1)):
        with pytest.raises(ValueError, match="was opened read-only"):
            operation()
    for key in (b"\0parts", b"\0new"):
        with pytest.raises(KeyError):
            part(reader, b"new", key)
    assert Path(segment.path).read_bytes() == before
    mine = part(segment)
    segment.close()
    with pytest.warns(RuntimeWarning, match="is closed: what its metrics count from now on") as warned:
        assert (mine.add(1), mine.store(1), mine.add(1)) == (None, None, None)
    assert len(warned) == 1
    for operation in (
        mine.load,
        segment._parts,
        lambda: part(segment),
    ):
        with pytest.raises(ValueError, match="the segment is closed"):
            operation()


def test_a_part_keeps_its_segment_and_both_are_freed() -> None:
    segment: Any = Segment.anonymous(10)
    mine = part(segment)
    weak = weakref.ref(mine), weakref.ref(segment)
    del segment
    gc.collect()
    mine.add(1)
    assert mine.load() == 1.0
    del mine
    gc.collect()
    assert [reference() for reference in weak] == [None, None]


def test_a_subclass(segment: Any) -> None:
    class Value(SharedPart):
        def __new__(cls, key: bytes) -> "Value":
            return super().__new__(cls, segment, b"\0parts", key, True)

        inc = SharedPart.add

    value = Value(b"a")
    value.inc(2)
    assert type(value) is Value
    assert value.load() == part(segment, b"a").load() == 2.0
