"""examples/c_extension, built as its users build it: its counts in C are what Python sees."""

import gc
import os
import shutil
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import pytest

import atomicx
from lifecycle.programs.subinterpreters import INTERPRETERS, create, run
from support.native import load
from support.race import GIL, race
from support.shared import ends_within

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "c_extension"
INT64_MAX = 2**63 - 1
SECONDS = 60
LINES = b"".join(b"x" * (length % 100) + b"\n" for length in range(5000))

pytestmark = pytest.mark.skipif(
    os.environ.get("ATOMICX_PURE") == "1",
    reason="ATOMICX_PURE=1 leaves out the C module, and without it there is no C API",
)


def build(example: Path, folder: Path) -> Path:
    """Build a copy with the example's own setup.py; return the path of the extension."""
    source = shutil.copytree(example, folder / "source")
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--build-lib", str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    [path] = [path for end in ("so", "pyd") for path in folder.glob(f"*.{end}")]
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(EXAMPLE, tmp_path_factory.mktemp("linescan"))


@pytest.fixture(scope="module")
def linescan(path: Path) -> Any:
    return load("linescan", path)


def test_it_counts_into_cells_of_its_own(linescan: Any) -> None:
    scanner = linescan.Scanner()
    assert scanner.scan(b"one\nthree\n\nno line yet") == 3
    assert scanner.scan(memoryview(LINES)) == 5000
    assert (type(scanner.lines), type(scanner.longest)) == (atomicx.Counter, atomicx.AtomicInt)
    assert (scanner.lines.load(), scanner.longest.load(), scanner.active.load()) == (5003, 99, 0)


def test_it_counts_into_cells_that_it_is_given(linescan: Any) -> None:
    lines, longest, active = atomicx.Counter(7), atomicx.AtomicInt(1000), atomicx.AtomicInt(2)
    scanner = linescan.Scanner(lines, longest=longest, active=active)
    assert scanner.scan(LINES) == 5000
    assert scanner.lines is lines
    assert (lines.load(), longest.load(), active.load()) == (5007, 1000, 2)


@pytest.mark.parametrize("place", ["lines", "longest", "active"])
def test_it_refuses_what_is_not_a_cell(linescan: Any, place: str) -> None:
    right = "Counter" if place == "lines" else "AtomicInt"
    for wrong in (3, atomicx.AtomicFloat(), atomicx.AtomicInt() if place == "lines" else atomicx.Counter()):
        with pytest.raises(TypeError, match=f"^expected an atomicx.{right}, not '{type(wrong).__name__}'$"):
            linescan.Scanner(**{place: wrong})


def test_an_overflow_leaves_the_cells(linescan: Any) -> None:
    scanner = linescan.Scanner(lines=atomicx.Counter(INT64_MAX))
    with pytest.raises(OverflowError):
        scanner.scan(b"\n")
    assert (scanner.lines.load(), scanner.active.load()) == (INT64_MAX, 0)
    scanner = linescan.Scanner(active=atomicx.AtomicInt(INT64_MAX))
    with pytest.raises(OverflowError):
        scanner.scan(b"\n")
    assert (scanner.lines.load(), scanner.active.load()) == (0, INT64_MAX)


def test_threads_share_a_scanner(linescan: Any) -> None:
    scanner = linescan.Scanner()
    scans = 20

    def act() -> int:
        return sum(scanner.scan(LINES) for _ in range(scans))

    assert race(act, act) == [scans * 5000] * 2
    assert (scanner.lines.load(), scanner.longest.load(), scanner.active.load()) == (scans * 10_000, 99, 0)


def test_others_see_it_at_work(linescan: Any) -> None:
    """The loop lets other threads run, and publishes as it goes."""
    scanner = linescan.Scanner()
    # Far more than another thread needs to look once; it ends early once the thread has looked.
    data = LINES * 40
    rounds = atomicx.AtomicInt()
    seen = atomicx.AtomicBool()

    def scan() -> None:
        while not seen.load():
            scanner.scan(data)
            rounds.inc()

    def watch() -> None:
        while not (scanner.active.load() == 1 and scanner.lines.load() % (5000 * 40) != 0):
            pass
        seen.store(True)

    with ends_within(SECONDS):
        race(watch, scan)
    assert scanner.lines.load() == rounds.load() * 5000 * 40


def test_it_gives_back_what_it_took(linescan: Any) -> None:
    cells = atomicx.Counter(), atomicx.AtomicInt(), atomicx.AtomicInt()

    def once() -> None:
        scanner = linescan.Scanner(*cells)
        scanner.scan(LINES[:100])
        with pytest.raises(TypeError):
            linescan.Scanner(cells[1])

    once()
    before = [sys.getrefcount(cell) for cell in cells]
    for _ in range(100):
        once()
    gc.collect()
    assert [sys.getrefcount(cell) for cell in cells] == before

    class Lines(atomicx.Counter):
        scanner: Any = None

    lines = Lines()
    lines.scanner = linescan.Scanner(lines)  # a cycle
    watcher = weakref.ref(lines)
    del lines
    gc.collect()
    assert watcher() is None


INSIDE = """
import sys
from atomicx import Counter
from support.native import load
linescan = load("linescan", {path!r})
scanner = linescan.Scanner(lines=Counter(2))
assert scanner.scan(b"one\\ntwo\\n") == 2
assert scanner.lines.load() == 4
sys.modules["left_behind"] = scanner
"""


@pytest.mark.skipif(INTERPRETERS is None, reason="this Python has no module that makes interpreters")
def test_it_runs_in_interpreters(linescan: Any, path: Path) -> None:
    scanner = linescan.Scanner()
    # With its own GIL where that exists.
    interpreters = [create(own_gil=sys.version_info >= (3, 12)) for _ in range(2)]
    try:
        for interpreter in interpreters:
            prepare = f"import sys; sys.path[:0] = {sys.path!r}\n"
            run(interpreter, prepare + INSIDE.format(path=str(path)))
    finally:
        for interpreter in interpreters:
            INTERPRETERS.destroy(interpreter)
    assert scanner.scan(b"\n") == scanner.lines.load() == 1
    if not GIL:
        assert not sys._is_gil_enabled()
