"""The marker `one_run`: what it leaves out, that the header says so, and that no marked file uses a cell."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import atomicx

pytestmark = pytest.mark.one_run

TESTS = Path(__file__).parent
MARK = "pytestmark = pytest.mark.one_run"
MARKED = [path for path in sorted(TESTS.rglob("test_*.py")) if f"\n{MARK}\n" in path.read_text()]
# These belong to the package itself, whichever backend runs; all others come from the backend, or may.
OF_THE_PACKAGE = {"__all__", "__file__", "__version__", "get_include", "verify"}

TWO_TESTS = """
import pytest

def test_of_both_runs():
    pass

@pytest.mark.one_run
def test_of_one_run({fixture}):
    pass
"""


def run(folder: Path, pure: str, *options: str, fixture: str = "") -> subprocess.CompletedProcess[str]:
    """Run pytest with this project's conftest and markers, over two tests."""
    shutil.copy(TESTS / "conftest.py", folder)
    shutil.copy(TESTS.parent / "pyproject.toml", folder)
    (folder / "test_two.py").write_text(TWO_TESTS.format(fixture=fixture))
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, "test_two.py"],
        cwd=folder,
        env=os.environ | {"ATOMICX_PURE": pure},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_is_left_out_on_request_alone_and_the_header_says_so(tmp_path: Path) -> None:
    said = run(tmp_path, "1").stdout
    assert "2 passed in" in said and "only tests that are marked" not in said
    said = run(tmp_path, "1", "-m", "not one_run").stdout
    assert "1 passed, 1 deselected in" in said
    assert "backends: python only, because ATOMICX_PURE=1" in said
    assert "; only tests that are marked: not one_run" in said


def test_the_matrix_requests_it_for_the_twin_alone() -> None:
    script = (TESTS.parent / ".ci" / "interpreter.sh").read_text()
    assert script.count('one_run"') == script.count('((pure)) && marked=(-m "not one_run")') == 1


def test_a_test_of_a_backend_may_not_have_it(tmp_path: Path) -> None:
    done = run(tmp_path, "1", fixture="backend")
    assert done.returncode == 4
    assert "marked one_run, but of a backend: test_two.py::test_of_one_run[python]" in done.stderr


def cells_of(source: str) -> Iterator[str]:
    """Return what a test file takes from the package that could come from the backend."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module in ("atomicx", "atomicx.shared"):
            yield from (alias.name for alias in node.names if alias.name not in OF_THE_PACKAGE)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("atomicx._"):
            yield from [node.module or ""] if node.module != "atomicx.__main__" else []
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "atomicx":
            yield from [node.attr] if node.attr not in OF_THE_PACKAGE else []


@pytest.mark.parametrize("path", MARKED, ids=lambda path: path.relative_to(TESTS).as_posix())
def test_a_file_that_has_it_uses_no_cell(path: Path) -> None:
    assert [*cells_of(path.read_text())] == []


def test_a_cell_would_be_seen() -> None:
    source = "from atomicx import AtomicInt, get_include\natomicx.Counter()\natomicx.backend"
    assert {*cells_of(source)} == {"AtomicInt", "Counter", "backend"}
    assert [*cells_of("from atomicx._reference import AtomicInt")] == ["atomicx._reference"]
    assert {"AtomicInt", "backend"} <= {*dir(atomicx)} - OF_THE_PACKAGE
    assert len(MARKED) > 5
