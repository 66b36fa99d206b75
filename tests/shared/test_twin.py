"""The twin cannot be atomic across processes, so it refuses to make a shared cell and says why."""

import subprocess
import sys
from pathlib import Path

import pytest

from atomicx import _reference as twin

SEGMENT = """
from atomicx.shared import Segment
for make in (
    lambda: Segment.create("segment", 1),
    lambda: Segment.open("segment"),
    lambda: Segment.open_or_create("segment", 1),
    lambda: Segment.anonymous(1),
):
    try:
        make()
    except RuntimeError as error:
        print(error)
"""


@pytest.mark.parametrize("arguments", [(bytearray(8),), (), (1, 2, 3)], ids=str)
@pytest.mark.parametrize("name", ["SharedInt", "SharedFloat"])
def test_no_shared_cell(name: str, arguments: tuple[object, ...]) -> None:
    cell_type = getattr(twin, name)
    for make in (
        cell_type,
        type("Derived", (cell_type,), {}),
        lambda *args: cell_type.__new__(cell_type, *args),
    ):
        with pytest.raises(RuntimeError, match=r"needs the C module.*install atomicx.*ATOMICX_PURE"):
            make(*arguments)


def test_no_segment(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SEGMENT],
        cwd=tmp_path,
        env={"ATOMICX_PURE": "1", "PYTHONPATH": ":".join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split(",")[0] for line in done.stdout.splitlines()] == [
        "Segment needs the C module of atomicx"
    ] * 4
    assert list(tmp_path.iterdir()) == []
