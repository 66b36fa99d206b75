"""The end of an interpreter that has a segment, whose parts are freed in an unknown order."""

import atexit
import os
import tempfile
import threading
import time
from types import ModuleType
from typing import Any

from atomicx.shared import Segment
from support.child import program

LEFT_BEHIND: list[Any] = []


def segment_without_a_file(name: str) -> Segment:
    """Return a segment that has a cell of this name; its memory no longer needs a file."""
    folder = tempfile.mkdtemp()
    segment = Segment.create(os.path.join(folder, "segment"), 4)
    segment.int(name)
    os.unlink(segment.path)
    os.rmdir(folder)
    return segment


class Last:
    """Counts when most of the interpreter is already gone."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.cell = segment.int("n")

    def __del__(self) -> None:
        self.cell.inc()
        assert self.cell.load() > 0
        self.segment.close()


@program()
def a_segment_outlives_its_module_at_the_end(module: ModuleType) -> None:
    segment = segment_without_a_file("n")
    LEFT_BEHIND.append(Last(segment))
    LEFT_BEHIND.append(LEFT_BEHIND)
    LEFT_BEHIND.append(segment)


@program()
def daemons_count_while_the_interpreter_ends(module: ModuleType) -> None:
    segment = segment_without_a_file("n")
    LEFT_BEHIND.append(segment)
    cell = segment.int("n")

    def count() -> None:
        while True:
            cell.inc()

    for _ in range(3):
        threading.Thread(target=count, daemon=True).start()
    time.sleep(0.05)
    atexit.register(segment.int("n").inc)


@program()
def a_segment_is_closed_at_the_end_under_daemons(module: ModuleType) -> None:
    segment = segment_without_a_file("n")
    cell = segment.int("n")

    def count() -> None:
        try:
            while True:
                cell.inc()
        except ValueError:
            return

    for _ in range(3):
        threading.Thread(target=count, daemon=True).start()
    time.sleep(0.05)
    atexit.register(segment.close)
