"""Segment: reading only, closing, other processes, creation, and a reader in C."""

import copy
import gc
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from atomicx import SharedFamily, SharedInt
from atomicx._backend import SharedPart
from atomicx.shared import Segment
from core.run import compiler
from shared.layout import CURSOR, File
from support.marks import NEEDS_C, NEEDS_FORK
from support.segments import KINDS, NAME_BYTES, change, counts, make, value
from support.shared import fork, status_of

pytestmark = NEEDS_C

NATIVE = Path(__file__).parent.parent / "native"
CREATORS = 2
CREATIONS = 60


@pytest.fixture
def segment(tmp_path: Path) -> Segment:
    return Segment.create(tmp_path / "segment", 40)


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
