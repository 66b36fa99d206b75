"""install() in multiprocess mode, with every way to start a process: it must be as correct as the library.

Each test runs in a process of its own, and prints nothing if all is well.
"""

import os
import sys
from pathlib import Path

import pytest

import atomicx
from support.extras import needs

needs("prometheus_client", "prometheus")

from integrations.process import run  # noqa: E402

pytestmark = pytest.mark.skipif(
    not hasattr(atomicx, "SharedFloat") or atomicx.backend != "c" or not hasattr(os, "fork"),
    reason=f"multiprocess mode needs SharedFloat, the C module, and a fork; {sys.platform}",
)

START = """
import ctypes, os, signal, subprocess, sys, threading, warnings
import prometheus_client as client
from prometheus_client import values
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
FOLDER = os.environ["PROMETHEUS_MULTIPROC_DIR"]
def files():
    return sorted(name.rpartition("_")[0] for name in os.listdir(FOLDER))
def scraped():
    registry = client.CollectorRegistry()
    MultiProcessCollector(registry)
    return {
        (sample.name, *(value for label, value in sample.labels.items() if label != "pid")): sample.value
        for metric in registry.collect() for sample in metric.samples
    }
def fork_in_c():
    return ctypes.PyDLL(None).fork()
def in_child(work, fork=os.fork):
    child = fork()
    if not child:
        status = 1
        try:
            work()
            status = 0
        finally:
            sys.stderr.flush()
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    return child
"""
INSTALL = """
from atomicx.prometheus import AtomicMultiProcessValue, install
install()
assert issubclass(values.ValueClass, AtomicMultiProcessValue)
"""
BY_PID = START + INSTALL
# Takes the path for systems where only a system call can tell a forked child from its parent.
BY_FUNCTION = START + "values.ValueClass = values.MultiProcessValue(lambda: os.getpid())" + INSTALL
# The library closes its files only at process exit, about which some versions of Python warn.
LIBRARY = START + "warnings.simplefilter('ignore', ResourceWarning)"


def check(source: str, folder: Path) -> None:
    done = run("-c", source, folder=folder)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


# The unchanged library is the control: ours has to do what it does.
each = pytest.mark.parametrize(
    "start", [BY_PID, BY_FUNCTION, LIBRARY], ids=["by pid", "by function", "library"]
)
ours = pytest.mark.parametrize("start", [BY_PID, BY_FUNCTION], ids=["by pid", "by function"])


@each
@pytest.mark.parametrize("fork", ["os.fork", "fork_in_c"])
def test_forked_children_count_in_files_of_their_own(start: str, fork: str, tmp_path: Path) -> None:
    check(
        start
        + f"""
requests = client.Counter("requests", "R.", ["path"])
level = client.Gauge("level", "L.", multiprocess_mode="livesum")
requests.labels("boot").inc()
level.set(1)
children = []
def work():
    requests.labels("boot").inc(10)
    for _ in range(50):
        requests.labels(str(len(children))).inc()
    level.set(5)
    if len(children) == 2:
        in_child(lambda: (requests.labels("grandchild").inc(), level.inc(100)), {fork})
for _ in range(3):
    children.append(in_child(work, {fork}))
expected = {{("requests_total", path): 50.0 for path in "012"}}
expected |= {{("requests_total", "boot"): 31.0, ("requests_total", "grandchild"): 1.0, ("level",): 116.0}}
assert scraped() == expected, scraped()
assert requests.labels("boot")._value.get() == 1.0 and level._value.get() == 1.0
for child in children:
    mark_process_dead(child)
assert scraped()["level",] == 101.0, scraped()
""",
        tmp_path,
    )


@each
def test_children_that_count_nothing_make_no_files(start: str, tmp_path: Path) -> None:
    check(
        start
        + """
client.Gauge("start_time", "S.", multiprocess_mode="min").set(123)
counter = client.Counter("c", "C.")
counter.inc()
before = files()
for _ in range(3):
    subprocess.run(["true"], preexec_fn=os.setsid, check=True)
    in_child(lambda: None)
    in_child(lambda: None, fork_in_c)
assert files() == before and scraped()["start_time",] == 123, files()
""",
        tmp_path,
    )


@ours
def test_a_child_that_only_reads_makes_no_files(start: str, tmp_path: Path) -> None:
    check(
        start
        + """
counter = client.Counter("c", "C.")
counter.inc()
def work():
    assert counter._value.get() == 0.0
    assert len(files()) == 1
    counter.inc(2)
    assert counter._value.get() == 2.0
in_child(work)
""",
        tmp_path,
    )


@each
def test_a_metric_made_in_a_child_first(start: str, tmp_path: Path) -> None:
    """As in the library, making a metric writes its zero, and the zeros of the metrics made before."""
    check(
        start
        + """
client.Gauge("level", "L.", multiprocess_mode="min").set(7)
in_child(lambda: client.Counter("late", "L."))
assert scraped() == {("level",): 0.0, ("late_total",): 0.0}, scraped()
""",
        tmp_path,
    )


@ours
def test_a_child_that_cannot_make_its_files(start: str, tmp_path: Path) -> None:
    """It warns at each update, never counts in its parent's files, and counts as soon as it can."""
    folder = tmp_path / "folder"
    folder.mkdir()
    check(
        start
        + """
counter = client.Counter("c", "C.")
level = client.Gauge("level", "L.", multiprocess_mode="livesum")
counter.inc()
level.set(5)
def work():
    os.rename(FOLDER, FOLDER + "-away")
    for update in (lambda: counter.inc(10), lambda: level.set(7), lambda: counter.inc(10)):
        try:
            update()
        except FileNotFoundError as error:
            assert error.filename.startswith(FOLDER), error
        else:
            raise AssertionError("counted")
    os.rename(FOLDER + "-away", FOLDER)
    assert scraped() == {("c_total",): 1.0, ("level",): 5.0}, scraped()
    counter.inc(100)
in_child(work)
assert scraped() == {("c_total",): 101.0, ("level",): 5.0}, scraped()
""",
        folder,
    )


@each
def test_a_first_update_by_many_threads(start: str, tmp_path: Path) -> None:
    check(
        start
        + """
counters = [client.Counter(f"c{number}", "C.") for number in range(8)]
def work():
    barrier = threading.Barrier(4)
    def count():
        barrier.wait()
        for counter in counters:
            counter.inc()
    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
in_child(work)
assert set(scraped().values()) == {4.0}, scraped()
""",
        tmp_path,
    )


@pytest.mark.parametrize("identify", ["os.getpid", "lambda: 'one'"])
def test_a_fork_while_another_thread_makes_a_metric(identify: str, tmp_path: Path) -> None:
    check(
        START
        + f"values.ValueClass = values.MultiProcessValue({identify})"
        + INSTALL
        + """
warnings.simplefilter("ignore", DeprecationWarning)  # of the fork, since there is a thread
counter = client.Counter("c", "C.")
lock = values.ValueClass._files._process.load().lock
held, done = threading.Event(), threading.Event()
thread = threading.Thread(target=lambda: (lock.acquire(), held.set(), done.wait(), lock.release()))
thread.start()
held.wait()
def work():
    signal.alarm(60)
    counter.inc()
    client.Counter("d", "D.").inc()
in_child(work)
in_child(work, fork_in_c)
done.set()
thread.join()
assert scraped() == {("c_total",): 2.0, ("d_total",): 2.0}, scraped()
""",
        tmp_path,
    )


@ours
def test_a_signal_handler_in_the_middle_of_the_first_update(start: str, tmp_path: Path) -> None:
    """It counts and reads while its own thread is opening the files: nothing hangs, and nothing is lost."""
    check(
        start
        + """
from atomicx._prometheus_files import MultiProcessFile
first, last = client.Counter("first", "F."), client.Counter("last", "L.")
level = client.Gauge("level", "L.", multiprocess_mode="sum")
def handle(*_):
    first.inc(10)
    last.inc(10)
    level.set(3)
    level.inc()
    assert last._value.get() in (0.0, 10.0)
signal.signal(signal.SIGUSR1, handle)
find = MultiProcessFile.find
def interrupted(self, key):
    os.kill(os.getpid(), signal.SIGUSR1)
    return find(self, key)
def work():
    MultiProcessFile.find = interrupted
    signal.alarm(60)
    last.inc()
in_child(work)
assert scraped() == {("first_total",): 30.0, ("last_total",): 31.0, ("level",): 4.0}, scraped()
""",
        tmp_path,
    )


@ours
def test_a_signal_handler_that_raises_in_the_first_update(start: str, tmp_path: Path) -> None:
    """Interrupted as by Ctrl-C or a time limit: the next update opens what is not open yet."""
    check(
        start
        + """
from atomicx._prometheus_files import MultiProcessFile
counters = [client.Counter(f"c{number}", "C.") for number in range(4)]
find, left = MultiProcessFile.find, 6
def interrupted(self, key):
    global left
    left -= 1
    if left % 2:
        raise KeyboardInterrupt
    return find(self, key)
def work():
    signal.alarm(60)
    MultiProcessFile.find = interrupted
    for _ in range(3):
        try:
            counters[0].inc()
        except KeyboardInterrupt:
            continue
        raise AssertionError
    MultiProcessFile.find = find
    for counter in counters:
        counter.inc()
in_child(work)
assert set(scraped().values()) == {1.0} and len(scraped()) == 4, scraped()
""",
        tmp_path,
    )


def test_the_process_identifier_is_kept(tmp_path: Path) -> None:
    """If it changes within the process, as when a worker gets its number, the new one's files are opened."""
    check(
        START
        + "identity = 'w1'; values.ValueClass = values.MultiProcessValue(lambda: identity)"
        + INSTALL
        + """
counter = client.Counter("c", "C.")
counter.inc()
assert os.listdir(FOLDER) == ["counter_w1.db"]
identity = "w2"
install()
counter.inc(10)
client.Counter("d", "D.").inc()
assert sorted(os.listdir(FOLDER)) == ["counter_w1.db", "counter_w2.db"]
identity = "w1"
counter.inc(100)
assert counter._value.get() == 101
assert scraped() == {("c_total",): 111.0, ("d_total",): 1.0}, scraped()
in_child(lambda: client.Counter("e", "E.").inc())
counter.inc()
assert scraped() == {("c_total",): 112.0, ("d_total",): 1.0, ("e_total",): 1.0}, scraped()
""",
        tmp_path,
    )


def test_the_lower_case_variable(tmp_path: Path) -> None:
    check(
        """
import os, warnings
folder = os.environ["prometheus_multiproc_dir"] = os.environ.pop("PROMETHEUS_MULTIPROC_DIR")
from prometheus_client import Counter
from atomicx.prometheus import install
install()
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    Counter("c", "C.").inc()
assert [warning.category for warning in warned] == [DeprecationWarning]
assert os.listdir(folder) == [f"counter_{os.getpid()}.db"]
""",
        tmp_path,
    )


@ours
def test_all_files_closed(start: str, tmp_path: Path) -> None:
    """Uses the library's function, which newer releases have. A metric that goes on opens the files again."""
    check(
        start
        + """
if not hasattr(values, "close_all_multiprocess_files"):
    sys.exit()
counter = client.Counter("c", "C.")
level = client.Gauge("level", "L.", multiprocess_mode="liveall")
counter.inc()
level.set(2)
values.close_all_multiprocess_files()
assert not any(FOLDER in os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
    if os.path.exists(f"/proc/self/fd/{fd}")) or sys.platform != "linux"
mark_process_dead(os.getpid())
assert scraped() == {("c_total",): 1.0}, scraped()
counter.inc(10)
assert counter._value.get() == 11.0
level.set(3)
assert scraped() == {("c_total",): 11.0, ("level",): 3.0}, scraped()
in_child(lambda: counter.inc(100))
assert scraped()["c_total",] == 111.0
install()
values.close_all_multiprocess_files()
assert counter._value.get() == 11.0
""",
        tmp_path,
    )


def test_metrics_that_were_there_count_on(tmp_path: Path) -> None:
    """Only one object can enter values into a file, so the library's values are replaced by ours."""
    check(
        START
        + """
before = client.Counter("before", "B.", ["path"])
before.labels("/").inc(3)
gauge = client.Gauge("gauge", "G.", multiprocess_mode="sum")
from atomicx.prometheus import install
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    install()
(warning,) = warned
assert str(warning.message) == "metrics made before install() were taken over: before, gauge", warning
after = client.Counter("after", "A.")
def count():
    before.labels("/").inc()
    before.labels("/new").inc()
    after.inc()
    gauge.inc(2)
count()
in_child(count)
assert scraped() == {
    ("before_total", "/"): 5.0, ("before_total", "/new"): 2.0, ("after_total",): 2.0, ("gauge",): 4.0
}, scraped()
assert before.labels("/")._value.get() == 4.0
""",
        tmp_path,
    )


def test_a_full_file_system_is_an_error(tmp_path: Path) -> None:
    """The library dies of a bus error there. A system that cannot say if it has room is as before."""
    check(
        BY_PID
        + """
import errno
def posix_fallocate(descriptor, offset, count):
    raise OSError(answer, os.strerror(answer))
os.posix_fallocate = posix_fallocate
answer = errno.ENOSPC
try:
    client.Counter("c", "C.", registry=None)
except OSError as error:
    assert error.errno == errno.ENOSPC and error.filename.startswith(FOLDER), error
else:
    raise AssertionError("made")
assert scraped() == {} and os.listdir(FOLDER) == []
answer = errno.EOPNOTSUPP
counter = client.Counter("c", "C.")
counter.inc()
answer = errno.ENOSPC
def work():
    try:
        counter.inc()
    except OSError:
        return
    raise AssertionError("counted")
in_child(work)
assert scraped() == {("c_total",): 1.0}, scraped()
""",
        tmp_path,
    )


@ours
def test_many_metrics(start: str, tmp_path: Path) -> None:
    """All values are visited once per process, not once for each value that is made."""
    check(
        start
        + """
files = type(values.ValueClass._files)
open_all, calls = files._open_all, []
files._open_all = lambda *arguments: (calls.append(os.getpid()), open_all(*arguments))
counter = client.Counter("c", "C.", ["label"])
for label in range(10):
    counter.labels(label).inc()
def work():
    for label in range(20):
        counter.labels(label).inc()
    assert calls == [os.getppid(), os.getpid()], calls
in_child(work)
assert calls == [os.getpid()]
assert len(scraped()) == 20 and sum(scraped().values()) == 30
""",
        tmp_path,
    )
