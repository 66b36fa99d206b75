"""The type checkers agree: the package is clean, the stubs match the C module, and tests/typing holds.

They come with the extra `typing`; if one is not installed, its test is skipped by name.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def needs(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        importlib.util.find_spec(tool) is None,
        reason=f"{tool} is not installed: it comes with the extra `typing`",
    )


def run(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=600
    )


def check(*arguments: str, cwd: Path = ROOT) -> None:
    done = run(*arguments, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr


@needs("mypy")
def test_mypy(tmp_path: Path) -> None:
    check("mypy", "--strict", "--cache-dir", str(tmp_path))


@needs("mypy")
@pytest.mark.skipif(
    os.environ.get("ATOMICX_PURE") == "1",
    reason="ATOMICX_PURE=1 leaves out the C module, which the stubs are for",
)
def test_stubtest(tmp_path: Path) -> None:
    check("mypy.stubtest", "atomicx._core", cwd=tmp_path)


@needs("pyright")
@pytest.mark.parametrize("project", [".", "tests/typing"])
def test_pyright(project: str) -> None:
    check("pyright", "--project", project)


def plant(folder: Path) -> Path:
    """Return a copy of the typing tests with the stubs, and mistakes: a wrong type, and needless ignores."""
    for name in ("src/atomicx", "tests/typing"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.so", "verify")
        )
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "tests" / "typing" / "planted.py").write_text(
        "from atomicx import AtomicInt\n"
        "from typing_extensions import assert_type\n"
        "assert_type(AtomicInt().load(), str)\n"
        "AtomicInt().add(1)  # type: ignore[arg-type]\n"
        "AtomicInt().add(1)  # pyright: ignore[reportArgumentType]\n"
    )
    return folder


@needs("mypy")
def test_mypy_would_tell(tmp_path: Path) -> None:
    done = run("mypy", "--strict", "tests/typing", cwd=plant(tmp_path))
    assert done.returncode == 1
    found = [line for line in done.stdout.splitlines() if "planted.py" in line]
    assert ["[assert-type]" in line or "[unused-ignore]" in line for line in found] == [True, True], (
        done.stdout
    )


@needs("pyright")
def test_pyright_would_tell(tmp_path: Path) -> None:
    done = run("pyright", "--project", "tests/typing", cwd=plant(tmp_path))
    assert done.returncode == 1
    errors = [line for line in done.stdout.splitlines() if "planted.py:" in line and " error: " in line]
    assert [line.split("planted.py:")[1].split(":")[0] for line in errors] == ["3", "5"], done.stdout
