"""The C API: an extension's operations on cells are those of Python, and forbidden ones are refused."""

import gc
import importlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import atomicx
from support.marks import NARROW_SPLITS_SHOW
from support.native import build, build_in, load, native
from support.race import GIL, must_be_caught, race, require, stays_whole

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)
OK, OVERFLOW = 0, -1
DETACHED = 1
ROUNDS = 20_000
END_OF_TABLE = "    int64_t (*counter_load)(AtomicX_Counter *cell);\n};\n"
HEADER = Path(atomicx.get_include()) / "atomicx.h"

PURE = os.environ.get("ATOMICX_PURE") == "1"
NEEDS_C = pytest.mark.skipif(
    PURE, reason="ATOMICX_PURE=1 leaves out the C module, and without it there is no C API"
)
MODULES_ARE_COUNTED = pytest.mark.skipif(
    not GIL and sys.version_info < (3, 14), reason="free-threaded 3.13 makes modules immortal"
)


@pytest.fixture(scope="module")
def api() -> Any:
    return native("c_api")


def test_the_header_is_there() -> None:
    assert Path(atomicx.get_include()).is_absolute()
    assert os.listdir(atomicx.get_include()) == ["atomicx.h"]


@NEEDS_C
def test_integers_that_c_makes(api: Any) -> None:
    for value in (0, 1, -1, INT64_MAX, INT64_MIN):
        cell = api.int_new(value)
        assert type(cell) is atomicx.AtomicInt
        assert cell.load() == api.int_load(cell) == value
        assert gc.is_tracked(cell) == gc.is_tracked(atomicx.AtomicInt())


@NEEDS_C
def test_operations_on_integers(api: Any) -> None:
    cell = atomicx.AtomicInt(5)
    assert api.int_exchange(cell, INT64_MIN) == 5
    assert cell.load() == INT64_MIN
    assert api.int_store(cell, 7) is None
    assert api.int_fetch_add(cell, -10) == (OK, 7)
    assert api.int_add(cell, 1) is None
    assert cell.load() == -2
    assert api.int_compare_exchange(cell, -1, 9) == (0, -2)
    assert cell.load() == -2
    assert api.int_compare_exchange(cell, -2, 9) == (1, -2)
    assert cell.load() == 9


@NEEDS_C
@pytest.mark.parametrize(("value", "delta"), [(INT64_MAX, 1), (INT64_MIN, -1), (-1, INT64_MIN)])
def test_an_integer_that_would_overflow_stays(api: Any, value: int, delta: int) -> None:
    cell = atomicx.AtomicInt(value)
    with pytest.raises(OverflowError) as by_python:
        cell.add(delta)
    with pytest.raises(OverflowError) as by_c:
        api.int_add(cell, delta)
    assert str(by_c.value) == str(by_python.value)
    assert api.int_fetch_add(cell, delta) == (OVERFLOW, value)
    assert cell.load() == value


@NEEDS_C
def test_counters(api: Any) -> None:
    counter = api.counter_new(5)
    assert type(counter) is atomicx.Counter
    assert api.counter_add(counter, 2) is None
    counter.inc()
    assert counter.load() == api.counter_load(counter) == 8
    assert counter.drain() == 8
    assert api.counter_load(counter) == 0
    assert api.counter_new(INT64_MAX).load() == INT64_MAX


@NEEDS_C
@pytest.mark.parametrize("n", [1, INT64_MAX, INT64_MAX + 1, 2**64 - 1])
def test_a_counter_that_would_overflow_stays(api: Any, n: int) -> None:
    counter = atomicx.Counter(INT64_MAX)
    with pytest.raises(OverflowError, match=r"^result does not fit in a signed 64-bit integer$"):
        api.counter_add(counter, n)
    assert counter.load() == INT64_MAX


@NEEDS_C
@pytest.mark.parametrize("n", [INT64_MAX + 1, 2**64 - 1])
def test_a_counter_is_not_made_with_what_does_not_fit(api: Any, n: int) -> None:
    with pytest.raises(OverflowError, match=r"^result does not fit in a signed 64-bit integer$"):
        api.counter_new(n)
    empty = api.counter_new(0)
    with pytest.raises(OverflowError):
        api.counter_add(empty, n)
    assert empty.load() == 0


@NEEDS_C
@pytest.mark.parametrize("kind", ["AtomicInt", "Counter"])
def test_which_objects_are_taken(api: Any, kind: str) -> None:
    base = getattr(atomicx, kind)
    prefix = "int" if kind == "AtomicInt" else "counter"
    check, load = getattr(api, f"{prefix}_check"), getattr(api, f"{prefix}_load")
    subclass = type("Sub", (base,), {})
    for good in (base(3), subclass(3)):
        assert check(good) == 1
        assert load(good) == 3
    others = [atomicx.AtomicInt(), atomicx.Counter(), atomicx.AtomicFloat(), atomicx.AtomicBool()]
    others += [atomicx.SharedInt(bytearray(8)), importlib.import_module("atomicx._reference").AtomicInt()]
    others += [None, 3, base, object()]
    for bad in (other for other in others if not isinstance(other, base)):
        assert check(bad) == 0
        with pytest.raises(TypeError, match=f"^expected an atomicx.{kind}, not '{type(bad).__name__}'$"):
            load(bad)


@NEEDS_C
def test_a_wrong_object_is_refused_before_anything_happens(api: Any) -> None:
    """Each function refuses it, in each of its parameters that take a cell."""
    cell, counter = atomicx.AtomicInt(3), atomicx.Counter(3)
    for function, arguments in [
        (api.int_store, (counter, 1)),
        (api.int_exchange, (counter, 1)),
        (api.int_compare_exchange, (counter, 3, 1)),
        (api.int_add, (counter, 1)),
        (api.int_fetch_add, (counter, 1)),
        (api.counter_add, (cell, 1)),
        (api.race, (cell, cell, cell, 1, "attached")),
        (api.race, (cell, counter, counter, 1, "attached")),
    ]:
        with pytest.raises(TypeError, match="expected an atomicx"):
            function(*arguments)
    assert (cell.load(), counter.load()) == (3, 3)


@NEEDS_C
def test_detached_calls_are_offered_where_the_cells_need_no_gil(api: Any) -> None:
    # A free-threaded build has such cells even if the GIL was switched on.
    free_threaded = sysconfig.get_config_var("Py_GIL_DISABLED")
    assert api.flags() == (DETACHED if free_threaded else 0)


class Cells:
    """The cells that C loops race on."""

    def __init__(self, api: Any, how: str) -> None:
        self.api = api
        self.how = how
        self.source = atomicx.AtomicInt()
        self.target = atomicx.AtomicInt()
        self.counter = atomicx.Counter()

    def act(self) -> None:
        self.api.race(self.source, self.target, self.counter, ROUNDS, self.how)


def two_loops(cells: Cells) -> None:
    race(cells.act, cells.act)
    totals = cells.source.load(), cells.target.load(), cells.counter.load()
    require(totals == (-2 * ROUNDS, 2 * ROUNDS, 2 * ROUNDS), f"{totals} after 2 * {ROUNDS} rounds")


@NEEDS_C
def test_threads_that_count_in_c(api: Any) -> None:
    stays_whole(two_loops, lambda: Cells(api, "attached"))


@NEEDS_C
@NARROW_SPLITS_SHOW
def test_the_race_would_show_a_split(api: Any) -> None:
    must_be_caught(two_loops, lambda: Cells(api, "split"))


@NEEDS_C
@pytest.mark.skipif(GIL, reason="with the GIL the operations need it")
@pytest.mark.parametrize("how", ["detached", "stateless"])
def test_threads_that_count_without_a_thread_state(api: Any, how: str) -> None:
    """A thread without a thread state runs next to one that has one."""

    def one_of_each(cells: Cells) -> None:
        attached = Cells(api, "attached")
        attached.source, attached.target, attached.counter = cells.source, cells.target, cells.counter
        race(cells.act, attached.act)
        totals = cells.source.load(), cells.target.load(), cells.counter.load()
        require(totals == (-2 * ROUNDS, 2 * ROUNDS, 2 * ROUNDS), f"{totals} after 2 * {ROUNDS} rounds")

    stays_whole(two_loops, lambda: Cells(api, how))
    stays_whole(one_of_each, lambda: Cells(api, how))


@NEEDS_C
def test_references_stay_flat(api: Any) -> None:
    """References to one of our objects, and to what outlives every call."""
    cell, counter, wrong = atomicx.AtomicInt(), atomicx.Counter(), object()
    lasting = [atomicx.AtomicInt, atomicx.Counter, object, api.owner(), cell, counter, wrong, None]

    def every_call() -> None:
        assert api.int_check(api.int_new(3)) and api.counter_check(api.counter_new(3))
        api.int_store(cell, 0), api.int_exchange(cell, 0), api.int_compare_exchange(cell, 0, 0)
        api.int_add(cell, 0), api.int_fetch_add(cell, 0), api.int_load(cell)
        api.counter_add(counter, 0), api.counter_load(counter)
        for refused in (api.int_load, api.counter_load):
            with pytest.raises(TypeError):
                refused(wrong)
        with pytest.raises(OverflowError):
            api.counter_new(2**64 - 1)

    def counts() -> list[int]:
        gc.collect()
        return [sys.getrefcount(thing) for thing in lasting]

    every_call()
    before = counts()
    for _ in range(100):
        every_call()
    moved = [after - once for after, once in zip(counts(), before, strict=True)]
    assert all(abs(move) < 50 for move in moved), moved


@NEEDS_C
def test_the_owner_is_the_c_module(api: Any) -> None:
    assert api.owner() is sys.modules["atomicx._core"]


@NEEDS_C
@MODULES_ARE_COUNTED
def test_an_extension_owns_one_reference_and_gives_it_back() -> None:
    core = sys.modules["atomicx._core"]
    before = sys.getrefcount(core)
    extension = load("c_api", build("c_api"))
    during = sys.getrefcount(core)
    del extension
    gc.collect()
    after = sys.getrefcount(core)
    assert (during - before, after - before) == (1, 0)


# Versions


def doctored(folder: Path, old: str, new: str) -> Path:
    """Return a folder with a changed copy of the header."""
    text = HEADER.read_text(encoding="ascii")
    assert text.count(old) == 1
    (folder / "atomicx.h").write_text(text.replace(old, new), encoding="ascii")
    return folder


def members_of_the_table() -> list[str]:
    [body] = re.findall(r"^struct AtomicX_API \{\n(.*?)^\};", HEADER.read_text(), re.DOTALL | re.MULTILINE)
    code = re.sub(r"/\*.*?\*/", "", body, flags=re.DOTALL)
    return [re.sub(r"\s+", " ", member).strip() for member in code.split(";") if member.strip()]


# The first version's table. It may be extended; a change here breaks every extension that was ever built.
FIRST_MEMBERS = [
    "uint32_t abi_version",
    "uint32_t flags",
    "size_t struct_size",
    "PyObject *owner",
    "PyObject *(*int_new)(const AtomicX_API *api, int64_t value)",
    "int (*int_check)(const AtomicX_API *api, PyObject *object)",
    "AtomicX_Int *(*int_cell)(const AtomicX_API *api, PyObject *object)",
    "PyObject *(*counter_new)(const AtomicX_API *api, uint64_t value)",
    "int (*counter_check)(const AtomicX_API *api, PyObject *object)",
    "AtomicX_Counter *(*counter_cell)(const AtomicX_API *api, PyObject *object)",
    "int64_t (*int_load)(AtomicX_Int *cell)",
    "void (*int_store)(AtomicX_Int *cell, int64_t value)",
    "int64_t (*int_exchange)(AtomicX_Int *cell, int64_t value)",
    "int (*int_compare_exchange)(AtomicX_Int *cell, int64_t *expected, int64_t desired)",
    "int (*int_add)(AtomicX_Int *cell, int64_t delta)",
    "int (*int_fetch_add)(AtomicX_Int *cell, int64_t delta, int64_t *previous)",
    "int (*counter_add)(AtomicX_Counter *cell, uint64_t n)",
    "int64_t (*counter_load)(AtomicX_Counter *cell)",
]


def test_the_table_only_grows() -> None:
    assert members_of_the_table()[: len(FIRST_MEMBERS)] == FIRST_MEMBERS


def test_cython_is_told_the_whole_table() -> None:
    declared = (HEADER.parent.parent / "__init__.pxd").read_text()
    [body] = re.findall(r"ctypedef struct AtomicX_API:\n(.*?)\n\n", declared, re.DOTALL)
    names = re.findall(r"^ +\w+ (?:\(?\*?|\*\(\*)(\w+)\)?", body, re.MULTILINE)
    assert names == [
        re.findall(r"\(\*(\w+)\)|(\w+)$", member)[0][0] or member.split()[-1].lstrip("*")
        for member in members_of_the_table()
    ]


REFUSED = {
    "version": (
        "#define ATOMICX_ABI_VERSION 1 ",
        "#define ATOMICX_ABI_VERSION 2 ",
        "this extension was built for version 2 of the C API of atomicx, and the one that is installed has "
        "version 1: build the extension again",
    ),
    "table": (
        END_OF_TABLE,
        END_OF_TABLE.replace("};", "    int (*counter_reset)(AtomicX_Counter *cell);\n};"),
        "this extension was built with a newer atomicx than the one that is installed: its table has N "
        "bytes, that of the installed one N: install a newer atomicx",
    ),
}


@pytest.fixture(scope="module", params=REFUSED)
def refused(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Build an extension with another header, and return what its import says."""
    old, new, message = REFUSED[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    return build_in(folder, "c_api", doctored(folder, old, new)), message


@NEEDS_C
def test_another_header_is_refused(refused: tuple[Path, str]) -> None:
    path, message = refused
    with pytest.raises(ImportError) as caught:
        load("c_api", path)
    assert re.sub(r"\d{2,}", "N", str(caught.value)) == message


@NEEDS_C
@MODULES_ARE_COUNTED
def test_an_extension_that_is_refused_owns_nothing(refused: tuple[Path, str]) -> None:
    core = sys.modules["atomicx._core"]

    def attempt() -> int:
        with suppress(ImportError):
            load("c_api", refused[0])
        gc.collect()
        return sys.getrefcount(core)

    before, after = attempt(), attempt()
    assert before == after


@NEEDS_C
def test_an_older_header_works(tmp_path: Path) -> None:
    include = doctored(tmp_path, END_OF_TABLE, "};\n")
    extension = load("c_api_static", build_in(tmp_path, "c_api_static", include))
    assert extension.new_int().load() == 3


# Without the C module


def import_error(folder: Path, pure: str | None, before: str = "") -> str:
    """Return the last line that an extension's import prints, if atomicx is the one in the folder."""
    code = f"{before}from support.native import load, build; load('c_api', build('c_api'))"
    environment = {name: value for name, value in os.environ.items() if name != "ATOMICX_PURE"}
    environment |= {"PYTHONPATH": os.pathsep.join([str(folder), str(Path(__file__).parent)])}
    if pure is not None:
        environment["ATOMICX_PURE"] = pure
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    return done.stderr.splitlines()[-1]


@pytest.fixture
def without_the_module(tmp_path: Path) -> Path:
    package = Path(atomicx.__file__).parent
    shutil.copytree(package, tmp_path / "atomicx", ignore=shutil.ignore_patterns("_core.*", "__pycache__"))
    build("c_api")  # the child finds it then
    return tmp_path


NEEDED = "ImportError: the C API of atomicx needs its C module, and the pure-Python twin is in use"


def test_the_twin_on_demand_has_no_c_api(without_the_module: Path) -> None:
    assert import_error(without_the_module, "1") == f"{NEEDED}: ATOMICX_PURE is 1"


def test_without_a_c_module_there_is_no_c_api(without_the_module: Path) -> None:
    assert import_error(without_the_module, None) == f"{NEEDED}: No module named 'atomicx._core'"


def test_a_c_module_that_fails_is_the_reason(without_the_module: Path) -> None:
    broken = "raise ImportError('undefined symbol: PyNoSuchThing')\n"
    (without_the_module / "atomicx" / "_core.py").write_text(broken)
    assert import_error(without_the_module, None) == f"{NEEDED}: undefined symbol: PyNoSuchThing"


def test_the_twin_stays_the_reason(without_the_module: Path) -> None:
    """Even if the C module is there, and the twin is no longer requested."""
    (without_the_module / "atomicx" / "_core.py").write_text("")
    code = "import os, atomicx; del os.environ['ATOMICX_PURE']; "
    said = import_error(without_the_module, "1", before=code)
    assert said == f"{NEEDED}: ATOMICX_PURE was 1 when atomicx was imported"


def test_without_atomicx_the_import_fails(tmp_path: Path) -> None:
    """And even if an older atomicx is installed, or the other package of this name."""
    (tmp_path / "atomicx").mkdir()
    (tmp_path / "atomicx" / "__init__.py").write_text("def get_include(): return ''\n")
    build("c_api")
    assert import_error(tmp_path, None) == "ModuleNotFoundError: No module named 'atomicx._c_api'"
