"""Situations where a lock would deadlock or a count would be lost. Cells in a Collector and installed values
must do neither; prometheus_client's own values must.

Each runs in a process of its own: see hazards.py.
"""

import os
import signal
import sys
from pathlib import Path

import pytest

import atomicx
from support.extras import needs
from support.race import GIL

needs("prometheus_client", "prometheus")

from integrations import hazards  # noqa: E402
from integrations.process import TESTS, run  # noqa: E402

# How long nothing may move before it counts as a hang; an expected hang can be called sooner.
PATIENCE, IMPATIENCE = 60, 2
ATTEMPTS = 5
# Counts that a process keeps in its own memory are lost with it.
IN_ONE_PROCESS = [name for name in hazards.HAZARDS if name != "in_killed_workers"]
# Without the GIL a family makes a child under a mutex, which a forked process may find locked, as documented.
IN_ONE_THREAD = [name for name in IN_ONE_PROCESS if name != "in_forked_children"]

needs_c = pytest.mark.skipif(atomicx.backend != "c", reason="cells that processes share need the C module")
promised = pytest.mark.skipif(
    not GIL and atomicx.backend != "c", reason="without the GIL the twin promises nothing in these places"
)
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason=f"{sys.platform} has no fork")


def outcome(
    hazard: str, subject: str, operation: str, *, folder: Path | None = None, patience: int = PATIENCE
) -> str:
    program = str(TESTS / "integrations" / "hazards.py")
    done = run(program, hazard, subject, operation, str(patience), folder=folder)
    assert done.returncode == (-signal.SIGKILL if done.stdout == "HUNG\n" else 0), done.stderr
    print(done.stderr)  # how far the count was off, or where it hung
    return done.stdout.strip()


@pytest.mark.parametrize("hazard", IN_ONE_PROCESS)
@promised
def test_cells_are_immune(hazard: str) -> None:
    assert outcome(hazard, "cells", "everything") == "DONE"


@pytest.mark.parametrize("hazard", IN_ONE_THREAD)
@promised
def test_families_that_make_children_are_immune(hazard: str) -> None:
    assert outcome(hazard, "cells", "make") == "DONE"


@pytest.mark.parametrize("hazard", hazards.HAZARDS)
@needs_c
def test_cells_in_a_segment_are_immune(hazard: str) -> None:
    assert outcome(hazard, "segment", "share") == "DONE"


@pytest.mark.parametrize("hazard", IN_ONE_PROCESS)
@promised
def test_installed_values_are_immune(hazard: str) -> None:
    assert outcome(hazard, "installed", "everything") == "DONE"


@pytest.mark.parametrize("hazard", hazards.HAZARDS)
@needs_c
def test_installed_values_in_files_are_immune(hazard: str, tmp_path: Path) -> None:
    assert outcome(hazard, "installed", "everything", folder=tmp_path) == "DONE"


# The controls: the same operations of the unchanged library. Its values in memory hold their lock too briefly
# for the hazard to hit it. Its values in files hold theirs long enough, and so do its families while making a
# child.


def must_not_survive(hazard: str, operation: str, folder: Path | None) -> None:
    for attempt in range(ATTEMPTS):
        own = folder and folder / str(attempt)
        if own:
            own.mkdir()
        found = outcome(hazard, "stock", operation, folder=own, patience=IMPATIENCE)
        assert found != "QUIET"
        if found != "DONE":
            return
    pytest.fail("the library did not hang, nor lose: the tests above show nothing")


HANGING_IN_FILES = ["in_a_signal_handler", "in_forked_children"]
if sys.version_info >= (3, 12):
    # In earlier versions the collector ran only at allocations, and they make none under their lock.
    HANGING_IN_FILES += ["in_a_collectors_callback", "in_a_finalizer"]


@pytest.mark.parametrize("hazard", HANGING_IN_FILES)
@pytest.mark.parametrize("operation", ["inc", "observe", "request"])
def test_the_librarys_own_values_in_files_are_not(hazard: str, operation: str, tmp_path: Path) -> None:
    must_not_survive(hazard, operation, tmp_path)


@pytest.mark.parametrize("hazard", IN_ONE_THREAD)
def test_the_librarys_own_families_are_not(hazard: str) -> None:
    must_not_survive(hazard, "make", None)


def test_the_librarys_own_values_in_memory_go_with_a_killed_worker() -> None:
    """The library's values in files survive, as ours do."""
    assert outcome("in_killed_workers", "stock", "inc") == "LOST"
