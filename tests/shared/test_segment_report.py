"""`python -m atomicx segment`: what it does besides showing a segment that is as it should be."""

import signal
import subprocess
import sys
from pathlib import Path

from atomicx._segment_report import report
from atomicx.shared import Segment
from support.marks import NEEDS_C

pytestmark = NEEDS_C


def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    """That is not the fault of the file, so it is not reported as one."""
    segment = Segment.create(tmp_path / "segment", 10)
    command = [sys.executable, "-m", "atomicx", "segment", segment.path, "--watch", "0.01"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None and child.stderr is not None
        child.stdout.close()
        said = child.stderr.read()
    assert (child.returncode, said) == (141, b"")


def test_ctrl_c_ends_a_watch(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path / "segment", 10)
    command = [sys.executable, "-m", "atomicx", "segment", segment.path, "--watch", "0.01"]
    # A child inherits that a signal is ignored, as SIGINT is in a shell's background jobs.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline()
            child.send_signal(signal.SIGINT)
            try:
                _, said = child.communicate(timeout=60)
            finally:
                child.kill()  # if it has not ended, so that this test does
    finally:
        signal.signal(signal.SIGINT, previous)
    assert (child.returncode, said) == (130, b"")


def test_names_of_labels_do_not_reach_the_terminal_as_they_are() -> None:
    segment = Segment.anonymous(10)
    segment.counter("empty", "\x1b[2J")
    segment.counter("used", "\x1b[2J").inc("\x1b[2J")
    shown = report(segment)
    assert "\x1b" not in shown
    assert "used{'\\x1b[2J'='\\x1b[2J'} 1" in shown
    assert "empty{'\\x1b[2J'} no series" in shown
