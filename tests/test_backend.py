"""How the backend is chosen, and which names the package exports and imports."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import atomicx

PACKAGE = Path(atomicx.__file__).parent
PURE = os.environ.get("ATOMICX_PURE") == "1"

# Replaces the C module in a copy of the package, since the real one always loads.
WORKING = "from atomicx._reference import *\n"
BROKEN = "raise ImportError('undefined symbol: PyNoSuchThing')\n"
CRASHING = "raise RuntimeError('no memory for the module')\n"
WANTING = "import no_such_dependency\n"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a folder with a copy of the package that has no C module."""
    shutil.copytree(PACKAGE, tmp_path / "atomicx", ignore=shutil.ignore_patterns("_core.*", "__pycache__"))
    return tmp_path


def run(folder: Path, code: str, pure: str | None, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("ATOMICX", "PYTHON"))
    }
    environment |= {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    if pure is not None:
        environment["ATOMICX_PURE"] = pure
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def backend_of(folder: Path, core: str | None, pure: str | None) -> str:
    """Return atomicx.backend, asserting that the import is silent even with warnings as errors."""
    if core is not None:
        (folder / "atomicx" / "_core.py").write_text(core)
    code = "import atomicx; print(atomicx.backend, repr(atomicx.AtomicInt(5)))"
    done = run(folder, code, pure, "-W", "error")
    assert (done.returncode, done.stderr) == (0, "")
    backend, cell = done.stdout.split()
    assert cell == "AtomicInt(5)"
    return backend


def failure_of(folder: Path, core: str | None, pure: str | None) -> str:
    """Return the last line of the traceback."""
    if core is not None:
        (folder / "atomicx" / "_core.py").write_text(core)
    done = run(folder, "import atomicx", pure)
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


def test_this_environment() -> None:
    assert atomicx.backend == ("python" if PURE else "c")
    assert (
        atomicx.AtomicInt
        is __import__("atomicx._reference" if PURE else "atomicx._core", fromlist=["AtomicInt"]).AtomicInt
    )


@pytest.mark.parametrize("pure", [None, "", "0"])
def test_the_c_module_where_there_is_one(copy: Path, pure: str | None) -> None:
    assert backend_of(copy, WORKING, pure) == "c"


@pytest.mark.parametrize("core", [None, WORKING, BROKEN, CRASHING])
def test_the_twin_on_demand(copy: Path, core: str | None) -> None:
    """The import does not even look for the C module."""
    assert backend_of(copy, core, "1") == "python"


@pytest.mark.parametrize(
    ("core", "pure", "reason"),
    [
        (WORKING, None, "the C module is there"),
        (WORKING, "0", "ATOMICX_PURE is 0"),
        (WORKING, "1", "ATOMICX_PURE is 1"),
        (None, None, "this installation has no C module"),
        (BROKEN, None, "the C module failed to load: undefined symbol: PyNoSuchThing"),
    ],
)
def test_why_it_was_chosen(copy: Path, core: str | None, pure: str | None, reason: str) -> None:
    if core is not None:
        (copy / "atomicx" / "_core.py").write_text(core)
    done = run(copy, "from atomicx._backend import reason; print(reason)", pure, "-W", "ignore")
    assert (done.stdout.strip(), done.stderr) == (reason, "")


def test_demanding_a_c_module_that_is_not_there(copy: Path) -> None:
    assert failure_of(copy, None, "0") == (
        "ImportError: ATOMICX_PURE is 0, which requires the C module, but this installation has no C module"
    )


def test_a_c_module_for_another_interpreter(copy: Path) -> None:
    (copy / "atomicx" / "_core.cpython-27-pdp11.so").touch()
    assert failure_of(copy, None, "0") == (
        "ImportError: ATOMICX_PURE is 0, which requires the C module, but the C module was built for another "
        "interpreter: _core.cpython-27-pdp11.so"
    )


def test_a_c_module_in_an_archive(copy: Path) -> None:
    (copy / "atomicx" / "_core.cpython-27-pdp11.so").touch()
    archive = shutil.make_archive(str(copy / "packed"), "zip", copy, "atomicx")
    shutil.rmtree(copy / "atomicx")
    code = f"import sys; sys.path.insert(0, {archive!r}); import atomicx"
    done = run(copy, code, "0")
    assert done.stderr.splitlines()[-1] == (
        "ImportError: ATOMICX_PURE is 0, which requires the C module, but atomicx is imported from an "
        f"archive, {os.path.join(archive, 'atomicx')!r}, and Python cannot load a C module from one"
    )


@pytest.mark.parametrize(
    ("core", "reason"),
    [
        (BROKEN, "ImportError: undefined symbol: PyNoSuchThing"),
        (WANTING, "ModuleNotFoundError: No module named 'no_such_dependency'"),
    ],
)
def test_demanding_a_c_module_that_fails(copy: Path, core: str, reason: str) -> None:
    assert failure_of(copy, core, "0") == reason


@pytest.mark.parametrize(
    ("core", "reason"),
    [
        (None, "this installation has no C module"),
        (BROKEN, "the C module failed to load: undefined symbol: PyNoSuchThing"),
        (WANTING, "the C module failed to load: No module named 'no_such_dependency'"),
    ],
)
@pytest.mark.parametrize("pure", [None, ""])
def test_the_twin_as_a_fallback_is_heard(copy: Path, core: str | None, reason: str, pure: str | None) -> None:
    """The warning gives the reason, how to silence it, and the place of the user's import."""
    if core is not None:
        (copy / "atomicx" / "_core.py").write_text(core)
    code = (
        "import warnings\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    import atomicx\n"
        "[warning] = caught\n"
        "print(warning.category.__name__, warning.filename, warning.lineno, atomicx.backend)\n"
        "print(warning.message)\n"
    )
    done = run(copy, code, pure)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "RuntimeWarning <string> 4 python",
        f"atomicx runs as its slower pure-Python twin: {reason}"
        " (set ATOMICX_PURE=1 to choose the twin without this warning)",
    ]


def test_a_c_module_that_crashes_is_not_an_import_error(copy: Path) -> None:
    assert failure_of(copy, CRASHING, None) == "RuntimeError: no memory for the module"


@pytest.mark.parametrize("pure", ["2", "yes", "01", " "])
def test_another_value_is_refused(copy: Path, pure: str) -> None:
    assert failure_of(copy, WORKING, pure) == (
        f"ImportError: ATOMICX_PURE is {pure!r}: "
        "it must be 1 (the pure-Python twin), 0 (the C module) or empty"
    )


def imported(folder: Path, pure: str) -> set[str]:
    """Return the modules that `import atomicx` adds, if nothing else was imported before."""
    code = "import sys; before = {*sys.modules}; import atomicx; print(*{*sys.modules} - before)"
    done = run(folder, code, pure, "-S")
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_front_imports_nothing_else(copy: Path) -> None:
    """`import atomicx` costs little more than loading the C module."""
    names = [name for name in atomicx.__all__ if not name.startswith("_")]
    (copy / "atomicx" / "_core.py").write_text("".join(f"{name} = None\n" for name in names))
    own = ("_backend", "_core", "_exponential", "_snapshot", "_version")
    package = {"atomicx", *(f"atomicx.{name}" for name in own)}
    assert imported(copy, "0") - {"os"} <= package | standing_imports(copy)


def standing_imports(folder: Path) -> set[str]:
    """Return what `import os` adds. Without -S, site would already have imported it."""
    done = run(
        folder, "import sys; before = {*sys.modules}; import os; print(*{*sys.modules} - before)", None, "-S"
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_twin_imports_little(copy: Path) -> None:
    # The modules behind math, operator, struct and types differ from version to version.
    light = {"__future__", "math", "math.integer", "operator", "struct", "types"}
    light |= {"_math_integer", "_operator", "_struct", "_types"}
    light |= {"bisect", "_bisect", "contextvars", "_contextvars"}
    others = imported(copy, "1") - light - standing_imports(copy)
    assert "atomicx._reference" in others
    assert {name for name in others if name.split(".")[0] != "atomicx"} == set()


def test_all_names_are_there() -> None:
    assert sorted(atomicx.__all__) == atomicx.__all__
    assert set(atomicx.__all__) <= set(dir(atomicx))
    namespace: dict[str, object] = {}
    exec("from atomicx import *", namespace)
    assert namespace.keys() - {"__builtins__"} == set(atomicx.__all__)
    with pytest.raises(AttributeError, match="module 'atomicx' has no attribute 'Mutex'"):
        atomicx.Mutex  # noqa: B018


def test_public_objects_say_where_they_are_found() -> None:
    for name in atomicx.__all__:
        found = getattr(atomicx, name)
        if name not in ("__version__", "backend"):
            assert (found.__module__, found.__name__, found.__qualname__) == ("atomicx", name, name)


@pytest.mark.parametrize(("protocol", "cell"), [("IntCell", "AtomicInt"), ("FloatCell", "AtomicFloat")])
def test_the_protocols_name_every_operation(protocol: str, cell: str) -> None:
    operations = {name for name in dir(getattr(atomicx, cell)) if not name.startswith("_")}
    named = vars(getattr(atomicx, protocol))
    assert {name for name in named if not name.startswith("_")} == operations
    in_place = {name for name in dir(getattr(atomicx, cell)) if name.startswith("__i") and name != "__init__"}
    assert in_place - {"__init_subclass__"} <= named.keys()
