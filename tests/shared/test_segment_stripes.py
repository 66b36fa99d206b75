"""Which process owns a stripe: processes that start, fork, are killed, reuse a pid, or are too many."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from atomicx.shared import Segment
from shared.endurance import endure
from shared.layout import File, generation_of, namespace_of, owner_word, pid_of
from support.marks import NEEDS_C, NEEDS_FORK
from support.shared import fork, plain_fork, status_of

pytestmark = [NEEDS_C, NEEDS_FORK]
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.fixture
def segment(tmp_path: Path) -> Segment:
    return Segment.create(tmp_path / "segment", 40, processes=4)


def file_of(segment: Segment) -> File:
    return File(Path(segment.path))


@contextmanager
def worker(function: Callable[[], object]) -> Iterator[int]:
    """Yield a child that has called the function, and that lives until the end of the block."""
    ready, told = os.pipe()

    def work() -> None:
        function()
        os.write(told, b"1")
        time.sleep(60)

    child = fork(work)
    os.close(told)
    assert os.read(ready, 1) == b"1"
    os.close(ready)
    try:
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_gauges_are_those_of_the_living(segment: Segment) -> None:
    gauge, family = segment.gauge("g"), segment.gauge("f", "a")
    gauge.store(1)

    def work() -> None:
        gauge.store(10)
        family.inc("x")
        segment.counter("c").inc()
        segment.histogram("h", [1]).observe(1)

    with worker(work), worker(work):
        assert (gauge.load(), family["x"].load(), segment.usage().alive) == (21, 2, 3)
    assert (gauge.load(), family["x"].load(), segment.usage().alive) == (1, 0, 1)
    assert segment.counter("c").load() == 2
    assert segment.histogram("h", [1]).snapshot() == ((2, 0), 2.0)


@ON_LINUX
def test_a_zombie_is_dead(segment: Segment) -> None:
    gauge = segment.gauge("g")
    child = fork(gauge.inc)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert gauge.load() == 0
    assert status_of(child) == 0


@ON_LINUX
def test_a_zombie_is_dead_soon_after_it_was_seen_alive(segment: Segment) -> None:
    gauge = segment.gauge("g")
    with worker(gauge.inc) as child:
        assert gauge.load() == 1
        os.kill(child, signal.SIGKILL)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        time.sleep(0.011)  # as documented
        assert gauge.load() == 0


def test_stripes_are_used_again(segment: Segment) -> None:
    counter, gauge = segment.counter("c"), segment.gauge("g")
    for number in range(40):
        assert status_of(fork(lambda: (counter.inc(), gauge.add(5)))) == 0  # type: ignore[arg-type]
        assert (counter.load(), gauge.load()) == (number + 1, 0)
        assert segment.usage().stripes == 1
    assert generation_of(file_of(segment).word(file_of(segment).owner(1))) == 80


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # as plain_fork does
def test_workers_come_and_go() -> None:
    """`make endurance` runs 10,000 of them."""
    seen = endure(100)
    assert seen["killed"] > 20


def test_more_processes_than_stripes(segment: Segment) -> None:
    counter, gauge, histogram = segment.counter("c"), segment.gauge("g"), segment.histogram("h", [1])

    def work() -> None:
        counter.inc()
        gauge.inc()
        histogram.observe(1)

    def late() -> None:
        work()
        with gauge.track():
            pass
        with pytest.raises(ValueError, match="needs a stripe of its own in the segment"):
            gauge.store(3)
        with pytest.raises(ValueError, match="needs a stripe of its own in the segment"):
            segment.gauge("f", "a").store(3, "x")

    with worker(work), worker(work), worker(work), worker(work):
        assert segment.usage().alive == 4
        with worker(late), worker(late):
            assert (counter.load(), gauge.load(), sum(histogram.snapshot().counts)) == (6, 6, 6)
        # The common part is not cleaned.
        assert (counter.load(), gauge.load()) == (6, 6)
    assert gauge.load() == 2
    gauge.store(1)
    assert gauge.load() == 3


def test_one_stripe_for_all_mappings_of_a_process(segment: Segment) -> None:
    others = [Segment.open(segment.path) for _ in range(3)]
    for one in (segment, *others):
        one.counter("c").inc()
        one.gauge("g").store(5)
    assert segment.usage().stripes == 1
    assert (segment.counter("c").load(), segment.gauge("g").load()) == (4, 5)
    segment.close()
    assert others[0].gauge("g").load() == 5, "the process lives"


# Forged owners


@ON_LINUX
def test_a_pid_that_was_reused(segment: Segment) -> None:
    """The pid belongs to a living process, but one that was started at another time."""
    gauge, file = segment.gauge("g"), file_of(segment)
    with worker(gauge.inc):
        assert gauge.load() == 1
        file.put(file.owner(1) + 8, file.word(file.owner(1) + 8) - 1)
        time.sleep(0.011)
        assert gauge.load() == 0
        gauge.inc()
        assert pid_of(file.word(file.owner(1))) == os.getpid(), "the stripe was taken over"
        assert gauge.load() == 1


@ON_LINUX
def test_my_own_pid_of_an_earlier_life(segment: Segment) -> None:
    """As in a container, where every start yields the same pids."""
    file = file_of(segment)
    segment.gauge("g").store(7)
    owner = file.word(file.owner(1))
    file.put(file.owner(1) + 8, file.word(file.owner(1) + 8) - 1)
    read = (
        "import sys; from atomicx.shared import Segment; print(Segment.open(sys.argv[1]).gauge('g').load())"
    )
    done = subprocess.run([sys.executable, "-c", read, file.path], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"
    assert pid_of(owner) == os.getpid()


@ON_LINUX
def test_another_boot(segment: Segment) -> None:
    gauge, file = segment.gauge("g"), file_of(segment)
    with worker(gauge.inc):
        file.put(file.owner(1) + 16, file.word(file.owner(1) + 16) ^ 1)
        assert gauge.load() == 0


def test_another_pid_namespace_counts_as_alive(segment: Segment) -> None:
    """Whether it lives cannot be known, so its gauges are counted, and its stripe is not taken."""
    gauge, file = segment.gauge("g"), file_of(segment)
    assert status_of(fork(lambda: gauge.store(5))) == 0
    assert gauge.load() == 0
    owner = file.word(file.owner(1))
    forged = owner_word(generation_of(owner), namespace_of(owner) ^ 2, pid_of(owner))
    file.put(file.owner(1), forged)
    assert gauge.load() == 5
    gauge.inc()
    assert gauge.load() == 6
    assert file.word(file.owner(1)) == forged


@pytest.mark.parametrize("stamped", [False, True])
def test_a_process_that_died_while_it_took_a_stripe_over(segment: Segment, stamped: bool) -> None:
    gauge, counter, file = segment.gauge("g"), segment.counter("c"), file_of(segment)

    def work() -> None:
        gauge.store(5)
        counter.inc()

    assert status_of(fork(work)) == 0
    owner = file.word(file.owner(1))
    dead = fork(lambda: None)
    assert status_of(dead) == 0
    odd = owner_word(generation_of(owner) + 1, namespace_of(owner), dead)
    file.put(file.owner(1), odd)
    if stamped:
        file.put(file.owner(1) + 24, odd)
    assert gauge.load() == 0
    gauge.inc()
    assert gauge.load() == 1
    assert (counter.load(), segment.usage().stripes) == (1, 1)
    taken = file.word(file.owner(1))
    assert (pid_of(taken), generation_of(taken)) == (os.getpid(), generation_of(owner) + 4)


def test_a_living_process_that_takes_a_stripe_over_keeps_it(segment: Segment) -> None:
    gauge, file = segment.gauge("g"), file_of(segment)
    with worker(gauge.inc) as child:
        owner = file.word(file.owner(1))
        file.put(file.owner(1), owner_word(generation_of(owner) + 1, namespace_of(owner), child))
        assert gauge.load() == 0, "while it changes hands it counts nothing"
        gauge.inc()
        assert pid_of(file.word(file.owner(2))) == os.getpid()


# Forks from other code


def c_fork() -> int:
    """Forks through the C library, as uWSGI does: without the interpreter's hooks."""
    return ctypes.PyDLL(None).fork()


def raw_fork() -> int:
    """Forks through the kernel directly: without any hooks."""
    return ctypes.PyDLL(None).syscall(57)


FORKS: list[Any] = [pytest.param(plain_fork, id="os.fork"), pytest.param(c_fork, id="fork in C")]
if sys.platform == "linux" and os.uname().machine == "x86_64":
    FORKS.append(pytest.param(raw_fork, id="system call"))


@pytest.mark.parametrize("forks", FORKS)
@pytest.mark.parametrize("kind", ["file", "anonymous"])
def test_a_fork_is_noticed_whoever_forks(segment: Segment, forks: Callable[[], int], kind: str) -> None:
    if kind == "anonymous":
        segment = Segment.anonymous(40, processes=4)
    counter, gauge, family = segment.counter("c"), segment.gauge("g"), segment.counter("f", "a")
    for _ in range(2):
        counter.inc()
        gauge.store(1)
        family.inc("x")
    child = forks()
    if not child:
        status = 1
        try:
            counter.inc()
            gauge.store(10)
            family.inc("x")
            ok = gauge.load() == 11 and segment.usage().alive == 2
            status = 0 if ok else 2
        finally:
            os._exit(status)
    assert status_of(child) == 0
    assert (counter.load(), gauge.load(), family["x"].load()) == (3, 1, 3)
    assert segment.usage().stripes == 2


def test_a_child_that_counts_nothing_changes_nothing(segment: Segment) -> None:
    counter, gauge = segment.counter("c"), segment.gauge("g")
    counter.inc()
    gauge.inc()
    before = Path(segment.path).read_bytes()

    def read() -> None:
        assert (counter.load(), gauge.load(), len(list(segment.items()))) == (1, 1, 2)

    for _ in range(10):
        assert status_of(fork(read)) == 0
        subprocess.run(["true"], preexec_fn=read, check=True)
        subprocess.run(["true"], check=True)
    assert Path(segment.path).read_bytes() == before


@pytest.mark.parametrize("name", ["gauge", "int", "gauge family", "int family"])
def test_a_fork_inside_a_guard(segment: Segment, name: str) -> None:
    """The child leaves the block too, and has nothing to take back; its own blocks count."""
    made = getattr(segment, name.split()[0])("cell", *(["a"] if "family" in name else []))
    cell = made["x"] if "family" in name else made
    guard = made.track("x") if "family" in name else made.track()
    with guard:
        with guard:
            child = fork_inside()
            if child:
                assert status_of(child) == 0
            else:
                with guard, cell.track():
                    inside = cell.load()
        if not child:
            os._exit(0 if (inside, cell.load()) == (4, 2) else 1)
        assert cell.load() == 1
    assert cell.load() == 0


def fork_inside() -> int:
    child = plain_fork()
    if not child:
        signal.alarm(30)
    return child


def test_a_fork_inside_a_decorated_function(segment: Segment) -> None:
    gauge = segment.gauge("g")

    @gauge.track()
    def work() -> int:
        child = fork_inside()
        return status_of(child) if child else -1

    status = work()
    if status == -1:
        os._exit(gauge.load())  # the parent is counted: it waits inside
    assert status == 1
    assert gauge.load() == 0


@pytest.mark.parametrize("nested", [False, True])
def test_a_fork_inside_a_timer(segment: Segment, nested: bool) -> None:
    histogram = segment.histogram("h", [1000])
    timer = histogram.time()
    if nested:
        timer.__enter__()
    with timer:
        child = fork_inside()
        if not child:
            with timer:
                pass
    if not child:
        if nested:
            timer.__exit__()
        os._exit(0)
    assert status_of(child) == 0
    if nested:
        timer.__exit__()
    assert histogram.snapshot().counts == (3 if nested else 2, 0)
