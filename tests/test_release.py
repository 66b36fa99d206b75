"""The version is written in one place, and everything else that states it agrees."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest

import atomicx

pytestmark = pytest.mark.one_run

TOP = Path(__file__).parent.parent
HEADING = re.compile(r"^## \[(.*)\] - (unreleased|\d{4}-\d\d-\d\d)$", re.MULTILINE)


def text_of(name: str) -> str:
    return (TOP / name).read_text(encoding="utf-8")


def test_it_is_semantic() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?(\.dev\d+)?", atomicx.__version__)


def test_what_is_installed_has_it() -> None:
    assert version("atomicx-cells") == atomicx.__version__


def test_the_changelog_begins_with_it() -> None:
    headings = [line for line in text_of("CHANGELOG.md").splitlines() if line.startswith("## ")]
    releases = HEADING.findall("\n".join(headings))
    assert len(releases) == len(headings), "a heading in another form"
    assert releases[0][0] == atomicx.__version__.partition(".dev")[0]
    assert [date for _, date in releases[1:] if date == "unreleased"] == []


def test_it_stands_nowhere_else() -> None:
    sources = [
        *(TOP / "src").rglob("*.py*"),
        *(TOP / "csrc").rglob("*.[ch]"),
        TOP / "pyproject.toml",
        TOP / "setup.py",
    ]
    holders = [
        path.name
        for path in sources
        if path.suffix != ".pyc" and f'"{atomicx.__version__}"' in path.read_text(encoding="utf-8")
    ]
    assert holders == ["_version.py"]
