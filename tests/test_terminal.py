"""The lines that the commands print fit the width of the terminal, and never lose a name."""

import contextlib
import io
import os
import sys

import pytest

from atomicx import _terminal
from atomicx.__main__ import main
from atomicx._terminal import columns, cut, output_width, wrapped

ROWS = [("name", "n", "what", "why"), ("a-rather-long-name", "1,000", "x" * 30, "y" * 40), ("b", "2", "", "")]


@pytest.mark.parametrize("width", [None, 101])
def test_columns_that_fit_stay_whole(width: int | None) -> None:
    assert columns(ROWS, right=(1,), width=width, give_way=(3, 2, 1)) == [
        "name                    n  what                            why",
        f"a-rather-long-name  1,000  {'x' * 30}  {'y' * 40}",
        "b                       2",
    ]


def test_columns_give_way_in_order() -> None:
    """First one text is cut, then it is left out, then the next; the first column stays whole."""
    for width in range(1, 101):
        lines = columns(ROWS, right=(1,), width=width, give_way=(3, 2, 1))
        assert [line.split()[0] for line in lines] == ["name", "a-rather-long-name", "b"]
        assert max(map(len, lines)) <= max(width, 18)
        assert not any(line.endswith(" ") for line in lines)
    assert columns(ROWS, (1,), 80, (3, 2, 1))[1] == f"a-rather-long-name  1,000  {'x' * 30}  {'y' * 20}…"
    assert columns(ROWS, (1,), 70, (3, 2, 1))[1] == f"a-rather-long-name  1,000  {'x' * 30}"
    assert columns(ROWS, (1,), 50, (3, 2, 1))[1] == f"a-rather-long-name  1,000  {'x' * 22}…"
    assert columns(ROWS, (1,), 30, (3, 2, 1))[1] == "a-rather-long-name  1,000"
    assert columns(ROWS, (1,), 20, (3, 2, 1))[1] == "a-rather-long-name"


def test_a_cut_text_says_so() -> None:
    assert (cut("abc", 3), cut("abcd", 3), cut("a cd", 3)) == ("abc", "ab…", "a…")


def test_a_paragraph_keeps_its_words() -> None:
    assert wrapped("a name-with-hyphens x", 12, "  ") == ["a", "  name-with-hyphens", "  x"]
    assert wrapped("short", 80) == wrapped("short", None) == ["short"]
    assert wrapped("x" * 200, None) == ["x" * 200]


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stdout", "columns", "width"),
    [(io.StringIO(), "", None), (io.StringIO(), "72", 72), (_Terminal(), "", 40), (_Terminal(), "72", 72)],
)
def test_the_width(
    monkeypatch: pytest.MonkeyPatch, stdout: io.StringIO, columns: str, width: int | None
) -> None:
    """That of the terminal, unless COLUMNS says otherwise. A pipe may have long lines."""
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(
        _terminal.shutil, "get_terminal_size", lambda: os.terminal_size((int(columns or 40), 24))
    )
    assert output_width() == width


def test_progress_stays_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that wraps would leave its beginning behind when it is rewritten."""
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(_terminal, "has_rich", lambda: False)
    monkeypatch.setenv("COLUMNS", "40")
    with _terminal.shown_progress("bench") as progress:
        progress(0.5, "x" * 100)
    shown = terminal.getvalue().split("\r\x1b[K")
    assert shown == ["", f" 50% {'x' * 33}…", ""]


COMMANDS = [
    [],
    ["info"],
    *([command, "--help"] for command in ("info", "verify", "bench", "segment", "idioms")),
    ["verify", "--list"],
    ["verify", "--only", "counter-*", "--seconds", "0.1"],
    ["bench", "--seconds", "0.02"],
    ["idioms", "--only", "l.append(x)", "--seconds", "0.1"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_at_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with contextlib.suppress(SystemExit):
        assert main(command) in (0, 3)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 3
    assert [line for line in lines if len(line) > 80 or line != line.rstrip()] == []
