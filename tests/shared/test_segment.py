"""Segment: names, cells, closing, pickling, and what is refused."""

import copy
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from atomicx import SharedFloat, SharedInt
from atomicx._segment_file import locked
from atomicx.shared import NAME_BYTES, Segment
from core.run import compiler
from support.shared import NEEDS_C, NEEDS_FORK, ends_within, fork, status_of

pytestmark = NEEDS_C

NATIVE = Path(__file__).parent.parent / "native"
CREATORS = 2
CREATIONS = 60


@pytest.fixture
def segment(tmp_path: Path) -> Segment:
    return Segment.create(tmp_path / "segment", 4)


def test_cells_of_both_kinds(segment: Segment) -> None:
    requests, seconds = segment.int("requests"), segment.float("seconds")
    assert (type(requests), type(seconds)) == (SharedInt, SharedFloat)
    assert (requests.load(), seconds.load()) == (0, 0.0)
    requests.add(3)
    seconds.add(0.5)
    assert segment.int("requests") is requests
    assert list(segment.items()) == [("requests", requests), ("seconds", seconds)]
    assert repr(segment) == f"Segment({segment.path!r})"
    assert segment.capacity == 4


def test_another_opening_has_the_same_values(segment: Segment) -> None:
    segment.int("first").add(1)
    other = Segment.open(segment.path)
    other.float("second").add(2.5)
    segment.int("third").add(3)
    for one in (segment, other, Segment.open(segment.path)):
        assert [(name, cell.load()) for name, cell in one.items()] == [
            ("first", 1), ("second", 2.5), ("third", 3),
        ]  # fmt: skip
    assert other.int("third").add_fetch() == segment.int("third").load()


def test_values_outlive_those_who_count(segment: Segment) -> None:
    segment.int("n").add(5)
    path = segment.path
    segment.close()
    del segment
    assert Segment.open(path).int("n").load() == 5


@pytest.mark.parametrize("convert", [str, Path, os.fsencode], ids=["str", "Path", "bytes"])
def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, convert: Callable[[str], Any]) -> None:
    monkeypatch.chdir(tmp_path)
    segment = Segment.create(convert("relative"), 1)
    assert segment.path == str(tmp_path / "relative")
    assert Segment.open(convert("relative")).path == segment.path


@pytest.mark.parametrize("name", ["a", 'requests{method="GET"}', "Zähler", "计数", " ", "x" * NAME_BYTES])
def test_names(segment: Segment, name: str) -> None:
    segment.int(name).inc()
    assert [(found, cell.load()) for found, cell in Segment.open(segment.path).items()] == [(name, 1)]


@pytest.mark.parametrize("name", ["", "a\0", "\0", "x" * (NAME_BYTES + 1), "ä" * 121, "\ud800"])
def test_what_is_no_name(segment: Segment, name: str) -> None:
    for make in (segment.int, segment.float):
        with pytest.raises(ValueError):
            make(name)
    assert list(segment.items()) == []


@pytest.mark.parametrize("name", [None, 1, b"bytes", ("a",)], ids=str)
def test_a_name_is_a_str(segment: Segment, name: Any) -> None:
    with pytest.raises(TypeError):
        segment.int(name)


def test_the_other_kind_is_a_type_error(segment: Segment) -> None:
    segment.int("int")
    segment.float("float")
    other = Segment.open(segment.path)
    for one in (segment, other):
        with pytest.raises(TypeError, match="'int' is the name of a cell of the other kind, SharedInt"):
            one.float("int")
        with pytest.raises(TypeError, match="'float' is the name of a cell of the other kind, SharedFloat"):
            one.int("float")
    assert len(list(other.items())) == 2


def test_a_full_segment(segment: Segment) -> None:
    other = Segment.open(segment.path)
    for number in range(4):
        (segment.int if number % 2 else other.float)(str(number))
    for one in (segment, other):
        for make in (one.int, one.float):
            with pytest.raises(ValueError, match="full: it has room for 4 names"):
                make("one too many")
        assert [name for name, _ in one.items()] == ["0", "1", "2", "3"]
        assert one.int("1").add_fetch() > 0


@pytest.mark.parametrize("capacity", [0, -1, 2**32 + 1, 2**100])
def test_no_such_capacity(tmp_path: Path, capacity: int) -> None:
    with pytest.raises(ValueError, match="the capacity must be from 1 to"):
        Segment.create(tmp_path / "segment", capacity)
    with pytest.raises(TypeError):
        Segment.create(tmp_path / "segment", 1.0)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


# Closing


def test_close_releases_every_cell(segment: Segment) -> None:
    cells = [segment.int("a"), segment.float("b")]
    Segment.open(segment.path).int("c")
    cells += [cell for _, cell in segment.items()]
    segment.close()
    segment.close()
    for cell in cells:
        with pytest.raises(ValueError, match="holds no buffer"):
            cell.add(1)
    for call in (lambda: segment.int("a"), lambda: segment.float("new"), segment.items):
        with pytest.raises(ValueError, match="the segment is closed"):
            call()


def make_cells(segment: Segment, me: int, made: list[Any]) -> None:
    with suppress(ValueError):  # it was closed
        made.extend(segment.int(f"{me}:{number}") for number in range(200))


def test_closing_while_others_make_cells(tmp_path: Path) -> None:
    """Whoever gets a cell, gets one that close() has released, or will release."""
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


def test_a_name_is_written_before_it_is_published(segment: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is killed in between leaves a free entry, and not one without a name."""
    written = []

    class Publishing(SharedInt):
        def store(self, kind: Any, /) -> None:
            written.append(Path(segment.path).read_bytes())
            super().store(kind)

    monkeypatch.setattr("atomicx.shared.SharedInt", Publishing)
    segment.float("the name")
    assert [b"the name" in file for file in written] == [True]


class ClosedInBetween(Segment):
    """Another thread closes it at the worst moment: a new cell is made, and not entered yet."""

    def _entry(self, *place: Any) -> Any:
        entry = super()._entry(*place)
        if entry is not None:
            self.close()
        return entry


def test_closing_when_a_cell_is_not_entered_yet(tmp_path: Path) -> None:
    cell = ClosedInBetween.create(tmp_path / "segment", 2).int("n")
    with pytest.raises(ValueError):
        cell.load()


# Other processes


def add_in_child(segment: Segment, name: str) -> None:
    segment.int(name).add(5)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # faulthandler's watch is a thread
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_multiprocessing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.chdir(tmp_path)
    segment = Segment.create("relative", 2)
    monkeypatch.chdir("/")
    context = multiprocessing.get_context(method)
    process = context.Process(target=add_in_child, args=(segment, method))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert segment.int(method).load() == 5


def test_pickle_and_copy(segment: Segment) -> None:
    segment.int("n").inc()
    duplicates = [pickle.loads(pickle.dumps(segment, protocol)) for protocol in range(6)]
    duplicates += [copy.copy(segment), copy.deepcopy(segment)]
    for duplicate in duplicates:
        assert type(duplicate) is Segment
        assert duplicate.path == segment.path
        assert duplicate.int("n").load() == 1
    with pytest.raises(TypeError):
        pickle.dumps(segment.int("n"))


@NEEDS_FORK
def test_a_fork_needs_no_opening(segment: Segment) -> None:
    cell = segment.int("inherited")

    def work() -> None:
        cell.inc()
        segment.int("made in the child").add(2)
        os.unlink(segment.path)
        cell.inc()

    assert status_of(fork(work)) == 0
    assert [(name, cell.load()) for name, cell in segment.items()] == [
        ("inherited", 2), ("made in the child", 2),
    ]  # fmt: skip


def test_a_file_that_is_gone(segment: Segment) -> None:
    """Cells go on; only new ones cannot be made."""
    cell = segment.int("there")
    os.unlink(segment.path)
    with pytest.raises(FileNotFoundError):
        segment.int("new")
    Segment.create(segment.path, 4)
    with pytest.raises(FileNotFoundError, match="another file now"):
        segment.int("new")
    assert segment.int("there") is cell
    assert cell.add_fetch() == 1
    assert [name for name, _ in segment.items()] == ["there"]


# The lock


def test_a_thread_that_would_wait_for_itself(segment: Segment) -> None:
    """As a signal handler would, in the middle of making a cell."""
    segment.int("there")
    with locked(segment.path, segment._identity):
        with pytest.raises(RuntimeError, match="would wait for itself"):
            segment.int("new")
        assert segment.int("there").add_fetch() == 1
    segment.int("new")


def test_threads_exclude_each_other(segment: Segment) -> None:
    inside = threading.Event()
    order: list[str] = []

    def make() -> None:
        inside.set()
        segment.int("new")
        order.append("made")

    with locked(segment.path, segment._identity):
        thread = threading.Thread(target=make)
        thread.start()
        inside.wait()
        time.sleep(0.05)
        order.append("left")
    thread.join()
    assert order == ["left", "made"]


@NEEDS_FORK
@pytest.mark.parametrize("forks", [False, True], ids=["alone", "with a child of its own"])
def test_the_lock_dies_with_its_owner(segment: Segment, forks: bool) -> None:
    """Also where the owner has forked meanwhile, and its child lives on with all that it had open."""
    ready, told = os.pipe()

    def own() -> None:
        with locked(segment.path, segment._identity):
            grandchild = fork(lambda: time.sleep(30)) if forks else 0
            os.write(told, f"{grandchild}\n".encode())
            time.sleep(30)

    owner = fork(own)
    grandchild = int(os.read(ready, 100))
    try:
        os.kill(owner, signal.SIGKILL)
        assert status_of(owner) == -signal.SIGKILL
        with ends_within(20):
            assert segment.int("new").add_fetch() == 1
    finally:
        os.close(ready)
        os.close(told)
        if grandchild:
            os.kill(grandchild, signal.SIGKILL)


@NEEDS_FORK
def test_a_child_that_was_forked_inside_keeps_no_lock(segment: Segment) -> None:
    """The parent goes on: what it unlocks is unlocked, though a child has the same file open."""
    with locked(segment.path, segment._identity):
        child = fork(lambda: time.sleep(30))
    try:
        with ends_within(20):
            assert segment.int("new").add_fetch() == 1
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


# Creation


def test_create_replaces_nothing(segment: Segment) -> None:
    segment.int("n").add(7)
    with pytest.raises(FileExistsError) as caught:
        Segment.create(segment.path, 9)
    assert caught.value.filename == segment.path
    assert Segment.open(segment.path).int("n").load() == 7
    assert os.listdir(os.path.dirname(segment.path)) == ["segment"]


CREATOR = """
import os, sys
from atomicx.shared import Segment
folder, me, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
won = 0
for number in range(count):
    path = f"{folder}/{number}"
    while not os.path.exists(f"{folder}/go-{number}"):
        pass
    try:
        segment = Segment.create(path, 100 + me)
        won += 1
    except FileExistsError:
        segment = Segment.open(path)
    assert segment.capacity in (100, 101)
    segment.int("both").inc()
print(won)
"""


NO_LINKS = """
import os
def link(*_):
    raise PermissionError(1, "no links here")
os.link = link
"""


@pytest.mark.parametrize("prelude", ["", NO_LINKS], ids=["links", "no links"])
def test_two_create_at_once(tmp_path: Path, prelude: str) -> None:
    """One of them makes it; and whoever opens it meanwhile finds it whole, or does not find it."""
    command = [sys.executable, "-c", prelude + CREATOR, str(tmp_path)]
    creators = [
        subprocess.Popen([*command, str(me), str(CREATIONS)], stdout=subprocess.PIPE, text=True)
        for me in range(CREATORS)
    ]
    for number in range(CREATIONS):
        (tmp_path / f"go-{number}").touch()
        while True:
            try:
                Segment.open(tmp_path / str(number))
                break
            except FileNotFoundError:
                assert all(creator.poll() in (None, 0) for creator in creators)
    won = [int(creator.communicate()[0]) for creator in creators]
    assert [creator.returncode for creator in creators] == [0] * CREATORS
    assert sum(won) == CREATIONS
    for number in range(CREATIONS):
        assert Segment.open(tmp_path / str(number)).int("both").load() == CREATORS
    assert not list(tmp_path.glob("*.tmp")) + list(tmp_path.glob(".*"))


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
    segment.int("x" * NAME_BYTES).add(2**40)
    assert read() == [
        f"int requests {-(2**63)}",
        "float Sekunden für alle 0.10000000000000001",
        f"int {'x' * NAME_BYTES} {2**40}",
    ]
    with open(segment.path, "r+b") as file:
        file.write(b"A")
    assert subprocess.run([reader, segment.path], capture_output=True, check=False).returncode == 1
