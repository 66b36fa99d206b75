"""`info` notices an installation next to the unrelated PyPI package, and one that the package broke."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import atomicx

PACKAGE = Path(atomicx.__file__).parent
REMEDY = "warning: run: pip uninstall -y atomicx atomicx-cells; pip install atomicx-cells"
# The files of the other package, as in its wheel for Linux.
THEIR_FRONT = "class Atomic: ...\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder like site-packages, with a copy of the package."""
    shutil.copytree(PACKAGE, tmp_path / "atomicx", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [
        sys.executable,
        "-S",
        *arguments,
    ]  # without site, so that an editable installation is not found
    return subprocess.run(
        command,
        cwd=folder.parent if folder.is_file() else folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def install_theirs(folder: Path, *, front: bool) -> None:
    (folder / "atomicx" / "__init__.pyi").touch()
    if front:
        (folder / "atomicx" / "__init__.py").write_text(THEIR_FRONT)
    info = folder / "atomicx-0.0.15.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: atomicx\nVersion: 0.0.15\n")


def info(folder: Path) -> tuple[int, list[str], list[str]]:
    """Return the exit status of the command `info`, its line about the installation, and its warnings."""
    done = run(folder, "-W", "ignore", "-m", "atomicx", "info")
    told = [line for line in done.stdout.splitlines() if line.startswith("installation: ")]
    return done.returncode, told, done.stderr.splitlines()


def test_alone(folder: Path) -> None:
    done = run(folder, "-W", "error", "-c", "import atomicx")
    assert (done.returncode, done.stderr) == (0, "")
    assert info(folder) == (0, ["installation: nothing wrong found"], [])


def test_in_an_archive(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no file atomicx/__init__.py, and nothing is missing but the C module, which is optional."""
    monkeypatch.delenv("ATOMICX_PURE", raising=False)
    archive = shutil.make_archive(str(folder / "packed"), "zip", folder, "atomicx")
    shutil.rmtree(folder / "atomicx")
    assert info(Path(archive)) == (0, ["installation: nothing wrong found"], [])


def test_theirs_was_there_before(folder: Path) -> None:
    """Ours works until theirs is uninstalled, so there is a warning at the user's import."""
    install_theirs(folder, front=False)
    (folder / "user.py").write_text("\nimport atomicx\nprint(repr(atomicx.AtomicInt(5)))\n")
    done = run(folder, "user.py")
    assert (done.returncode, done.stdout) == (0, "AtomicInt(5)\n")
    [warning, _] = done.stderr.splitlines()
    place, _, said = warning.partition(": RuntimeWarning: ")
    assert place == f"{folder / 'user.py'}:2"
    assert said == (
        f"the unrelated PyPI package 'atomicx' is installed in the same folder as this one, "
        f"{str(folder / 'atomicx')!r}: uninstalling or upgrading it will break this one; "
        "run: pip uninstall -y atomicx atomicx-cells; pip install atomicx-cells"
    )
    problem = "the unrelated PyPI package atomicx 0.0.15 is installed as well as atomicx-cells"
    assert info(folder) == (0, [f"installation: {problem}"], [f"warning: {problem}", REMEDY])
    shutil.rmtree(folder / "atomicx-0.0.15.dist-info")
    problem = f"files of the unrelated PyPI package atomicx are in {str(folder / 'atomicx')!r}"
    assert info(folder) == (0, [f"installation: {problem}"], [f"warning: {problem}", REMEDY])


def test_theirs_came_after(folder: Path) -> None:
    """`import atomicx` gives theirs, and none of our code runs; but the command does."""
    install_theirs(folder, front=True)
    both = "warning: the unrelated PyPI package atomicx 0.0.15 is installed as well as atomicx-cells"
    replaced = "`import atomicx` imports the unrelated package, whose files replaced those of atomicx-cells"
    for command in ("info", "verify"):
        done = run(folder, "-m", "atomicx", command)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.splitlines() == [both, f"warning: {replaced}", REMEDY]


def test_theirs_was_uninstalled(folder: Path) -> None:
    """Uninstalling took our front with it."""
    (folder / "atomicx" / "__init__.py").unlink()
    done = run(folder, "-m", "atomicx", "verify")
    assert done.returncode == 1
    missing = (
        f"warning: atomicx/__init__.py is missing from {str(folder / 'atomicx')!r}, "
        "so `import atomicx` imports an empty package"
    )
    assert done.stderr.splitlines() == [missing, REMEDY]
