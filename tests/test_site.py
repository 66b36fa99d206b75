"""What tools/check_site.py finds in a built site."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_run

TOOL = Path(__file__).parent.parent / "tools" / "check_site.py"
PAGE = '<link rel="stylesheet" href="style.css"><h1 id="top">x</h1><a href="b/other.html#there">other</a>'
INDEX = (
    'Search.setIndex({"docnames":["cookbook","prometheus"],"indexentries":{"semaphore":[[0,"index-0",true]],'
    '"rate limit":[[0,"index-1",true]],"in flight":[[0,"index-0",true]],'
    '"prometheus multiprocess":[[1,"index-0",true]]}})'
)
OTHER = '<p id="there">x</p><a href="../index.html#top">x</a><a href="https://example.org/x#y">x</a>'


def site(folder: Path, page: str = PAGE, style: str = "a { color: red }") -> Path:
    (folder / "b").mkdir()
    (folder / "index.html").write_text(page)
    (folder / "b" / "other.html").write_text(OTHER)
    (folder / "style.css").write_text(style)
    (folder / "searchindex.js").write_text(INDEX)
    return folder


def check(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TOOL), str(folder)], capture_output=True, text=True, check=False, timeout=120
    )


def test_a_site_in_order(tmp_path: Path) -> None:
    done = check(site(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("mistake", "complaint"),
    [
        ('<a href="gone.html">x</a>', "gone.html is not there"),
        ('<a href="b/other.html#gone">x</a>', "b/other.html#gone has no such anchor"),
        ('<a href="#gone">x</a>', "#gone has no such anchor"),
        ('<img src="gone.png">', "gone.png is not there"),
        ('<img src="https://example.org/x.png">', "fetches https://example.org/x.png"),
        ('<script src="//example.org/x.js"></script>', "fetches //example.org/x.js"),
        ("<p>Alias for field number 0</p>", "Alias for field number"),
        ('<link rel="stylesheet" href="https://example.org/x.css">', "fetches https://example.org/x.css"),
    ],
)
def test_a_mistake_in_a_page(tmp_path: Path, mistake: str, complaint: str) -> None:
    done = check(site(tmp_path, page=PAGE + mistake))
    assert (done.returncode, done.stdout) == (1, f"index.html: {complaint}\n")


def test_a_style_that_asks_elsewhere(tmp_path: Path) -> None:
    done = check(site(tmp_path, style="@font-face { src: url('https://example.org/x.woff') }"))
    assert (done.returncode, done.stdout) == (1, "style.css: fetches https://example.org/x.woff\n")


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ('"semaphore":[[0', '"semaphore":[[1', "search for 'semaphore': ['prometheus'], not 'cookbook'"),
        (
            '"in flight":[[0,"index-0",true]]',
            '"in flight":[[0,"index-0",false]]',
            "search for 'in flight': nothing, not 'cookbook'",
        ),
        ('"rate limit"', '"rate"', "search for 'rate limit': nothing, not 'cookbook'"),
    ],
)
def test_a_search_that_does_not_find_its_recipe(
    tmp_path: Path, right: str, wrong: str, complaint: str
) -> None:
    folder = site(tmp_path)
    assert right in INDEX
    (folder / "searchindex.js").write_text(INDEX.replace(right, wrong))
    done = check(folder)
    assert (done.returncode, done.stdout) == (1, f"{complaint}\n")


def test_no_site_is_none_in_order(tmp_path: Path) -> None:
    assert check(tmp_path).returncode == 1
