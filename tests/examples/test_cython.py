"""The C API from Cython, using the declarations that are installed with the package."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import atomicx
from support.native import SOURCES, load

REQUIRED = os.environ.get("ATOMICX_REQUIRE_EXAMPLES") == "1"
INT64_MAX = 2**63 - 1
BUILD = """
import atomicx
from Cython.Build import cythonize
from setuptools import Extension, setup
extension = Extension("c_api_cython", [{source!r}], include_dirs=[atomicx.get_include()])
setup(
    name="c_api_cython",
    ext_modules=cythonize([extension], build_dir={folder!r}),
    script_args=["--quiet", "build_ext", "--build-lib", {folder!r}, "--build-temp", {folder!r}],
)
"""

pytestmark = [
    pytest.mark.skipif(
        os.environ.get("ATOMICX_PURE") == "1",
        reason="ATOMICX_PURE=1 leaves out the C module, and without it there is no C API",
    ),
    pytest.mark.skipif(
        not REQUIRED and importlib.util.find_spec("Cython") is None,
        reason="Cython is not installed: it comes with the extra `examples`",
    ),
]


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("cython")
    program = BUILD.format(source=str(SOURCES / "c_api_cython.pyx"), folder=str(folder))
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [path] = [path for end in ("so", "pyd") for path in Path(folder).glob(f"c_api_cython.*.{end}")]
    return load("c_api_cython", path)


def test_it_counts(extension: Any) -> None:
    cell = atomicx.AtomicInt(INT64_MAX - 10)
    extension.count_up(cell, 10)
    assert cell.load() == INT64_MAX
    with pytest.raises(OverflowError):
        extension.count_up(cell, 1)
    assert cell.load() == INT64_MAX
    assert extension.swap(cell, 3, 4) == (False, INT64_MAX)
    assert extension.swap(cell, INT64_MAX, 4) == (True, INT64_MAX)
    assert cell.load() == 4


def test_it_makes_cells(extension: Any) -> None:
    cell, counter = extension.new(3)
    assert (type(cell), type(counter)) == (atomicx.AtomicInt, atomicx.Counter)
    assert (cell.load(), counter.load()) == (3, 3)


def test_errors_are_raised(extension: Any) -> None:
    with pytest.raises(TypeError, match=r"^expected an atomicx.AtomicInt, not 'Counter'$"):
        extension.count_up(atomicx.Counter(), 1)


def test_it_counts_without_the_gil_where_there_is_none(extension: Any) -> None:
    counter = atomicx.Counter()
    try:
        extension.count_up_detached(counter, 1000)
    except RuntimeError:
        assert getattr(sys, "_is_gil_enabled", lambda: True)()
        assert counter.load() == 0
    else:
        assert counter.load() == 1000
