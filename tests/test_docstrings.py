"""The C module's docstrings are those of the twin."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_run

ROOT = Path(__file__).parent.parent


def check(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", str(root / "tools" / "docstrings.py"), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_header_is_current() -> None:
    done = check(ROOT, "--check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), done.stdout + done.stderr


def copy_of_the_tree(folder: Path) -> Path:
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    for name in ("tools/docstrings.py", "csrc/binding/docstrings.h"):
        (folder / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


def test_a_stale_header_is_found_and_renewed(tmp_path: Path) -> None:
    root = copy_of_the_tree(tmp_path)
    twin = root / "src" / "atomicx" / "_reference" / "type_int.py"
    twin.write_text(twin.read_text().replace("Subtract one. ", 'Take "one" away: \\\\ ??). '))
    done = check(root, "--check")
    assert done.returncode == 1
    assert '-    "Subtract one. Returns None.\\n" \\' in done.stdout
    assert '+    "Take \\"one\\" away: \\\\ ?\\?). Returns None.\\n" \\' in done.stdout
    assert check(root).returncode == 0
    assert check(root, "--check").returncode == 0


def test_every_operation_is_documented(tmp_path: Path) -> None:
    root = copy_of_the_tree(tmp_path)
    twin = root / "src" / "atomicx" / "_reference" / "type_bool.py"
    twin.write_text(
        twin.read_text() + "\n    def flip(self, /) -> None:\n        exchange_value(self, True)\n"
    )
    done = check(root, "--check")
    assert (done.returncode, done.stderr) == (1, "AtomicBool_flip has no docstring\n")
