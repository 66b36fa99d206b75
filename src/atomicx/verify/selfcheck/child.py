"""Runs the campaign of a subject in a child process, which may crash, hang, or call exit.

The child prints nothing: its report comes back as JSON, and as text. If it ends without a report, or an entry
of the journal takes longer than allowed, then that is the report, and the subject is convicted of the
operation in progress.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .journal import FOUND, Journal

POLL_SECONDS = 0.02
LONGEST_POLL_SECONDS = 0.2
# Until the first entry: starting an interpreter and importing the subject take time on a busy machine.
START_SECONDS = 120.0
# An operation that takes longer than this hangs.
CALL_SECONDS = 10.0
FAREWELL_SECONDS = 10.0

_PROGRAM = (
    "import sys; sys.path[:0] = {path!r}; from atomicx.verify.selfcheck.inside import run; run({folder!r})"
)


@dataclass(frozen=True)
class Ended:
    """How the child ended: with its report, or why there is none."""

    report: dict[str, Any] | None
    trouble: str = ""
    found: tuple[str, ...] = ()
    """The differences that it found before it ended."""


def in_child(request: dict[str, Any], progress: Any) -> Ended:
    """Run the request in a child; return its report, or why there is none."""
    with tempfile.TemporaryDirectory(prefix="atomicx-verify-") as folder:
        place = Path(folder)
        journal = Journal.create(place / "journal")
        try:
            (place / "request").write_text(json.dumps({**request, "call_seconds": CALL_SECONDS}))
            child = _started(folder)
            try:
                hung = _watched(child, journal, progress)
            finally:
                _ended(child)
            return _report(place, child.returncode, journal, hung)
        finally:
            journal.close()


def _started(folder: str) -> subprocess.Popen[bytes]:
    program = _PROGRAM.format(path=[part for part in sys.path if part], folder=folder)
    # With or without -P, the subject is looked for where `python -m` looks: in the current folder first.
    command = [sys.executable, "-c", program]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2)


def _watched(child: subprocess.Popen[bytes], journal: Journal, progress: Any) -> bool:
    """Wait for the child to end; return True if it hung first."""
    last, allowed, waited, before = 0, START_SECONDS, 0.0, time.monotonic()
    while child.poll() is None:
        try:
            child.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        except KeyboardInterrupt:
            # The child has got the signal as well, and ends with what there is.
            allowed, waited = FAREWELL_SECONDS, 0.0
        now = time.monotonic()
        # If this process did not run for longer, neither did the child: the machine was paused, or too busy.
        waited, before = waited + min(now - before, LONGEST_POLL_SECONDS), now
        number, seconds, text = journal.read()
        if number != last:
            last, allowed, waited = number, seconds, 0.0
            progress(text)
        elif waited > allowed:
            return child.poll() is None
    return False


def _ended(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.kill()
    child.wait()


def _report(place: Path, status: int, journal: Journal, hung: bool) -> Ended:
    number, seconds, text = journal.read()
    doing = text if number else "importing it"
    found = tuple((place / FOUND).read_text().splitlines()) if (place / FOUND).exists() else ()
    if hung:
        return Ended(None, f"did not end within {seconds:g} s: {doing}", found)
    try:
        return Ended(json.loads((place / "report").read_text()))
    except (OSError, ValueError):
        return Ended(None, f"{_how(status)}: {doing}", found)


def _how(status: int) -> str:
    if status < 0:
        try:
            return f"ended the process by {signal.Signals(-status).name}"
        except ValueError:
            return f"ended the process by signal {-status}"
    return f"ended the process with status {status}"
