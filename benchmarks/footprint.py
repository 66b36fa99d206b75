"""Figures that repeating an operation cannot give: the import, the size of a cell, and a million of them.

Each figure is measured in processes of its own.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

IMPORTS = 20

IMPORT = """
import sys, time
name = sys.argv[1]
before = {*sys.modules}
begin = time.perf_counter_ns()
__import__(name)
taken_ns = time.perf_counter_ns() - begin
added = sorted({*sys.modules} - before)
import json
print(json.dumps([taken_ns, [other for other in added if other.split(".")[0] != name]]))
"""

SIZES = """
import json, sys, atomicx
names = ("AtomicInt", "AtomicFloat", "AtomicBool", "AtomicRef", "Counter")
print(json.dumps({name: sys.getsizeof(getattr(atomicx, name)()) for name in names}))
"""

# Uses the current memory, since the peak that a process reports begins with that of its parent.
MILLION = """
import json, os, sys, time, atomicx
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
count = 1_000_000
make = getattr(atomicx, sys.argv[1])
cells = [None] * count
before = resident()
begin = time.perf_counter_ns()
for index in range(count):
    cells[index] = make()
made_ns = time.perf_counter_ns() - begin
taken = resident() - before
begin = time.perf_counter_ns()
for cell in cells:
    cell.inc()
used_ns = time.perf_counter_ns() - begin
print(json.dumps({"bytes": taken / count, "make_ns": made_ns / count, "inc_ns": used_ns / count}))
"""

# The longest pause is in the thread's own time, without the collector: neither other processes nor a look at
# all objects of a large program belong to the growth of a family.
FAMILY = """
import gc, json, resource, sys, time, atomicx
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
count = 100_000
family = atomicx.Family(atomicx.Counter, "path", "status")
keys = [(f"/item/{index}", 200) for index in range(count)]
def nanoseconds(keys):
    begin = time.perf_counter_ns()
    for key in keys:
        family[key].inc()
    return (time.perf_counter_ns() - begin) / len(keys)
def same_ten():
    return min(nanoseconds(keys[:10] * 100) for _ in range(200))
few = [nanoseconds(keys[:100]) for _ in range(50)][-1]
ten = same_ten()
before = resident()
longest = 0
gc.disable()
begin = time.perf_counter_ns()
for key in keys[100:]:
    start = time.thread_time_ns()
    family[key].inc()
    longest = max(longest, time.thread_time_ns() - start)
made = (time.perf_counter_ns() - begin) / (count - 100)
taken = (resident() - before) / (count - 100)
gc.enable()
found = nanoseconds(keys)
print(json.dumps({
    "make_ns": made, "hit_among_100_ns": few, "hit_ns": found, "bytes": taken,
    "longest_make_ns": longest, "same_ten_ratio": same_ten() / ten,
}))
"""


def answer(program: str, *arguments: str, path: str = "") -> Any:
    """Run a program in a process of its own. Returns the JSON it prints; `path` is one more import folder."""
    command = [sys.executable, "-c", program, *arguments]
    environment = {**os.environ, "PYTHONPATH": path}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or every import would compile
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout)


def _milliseconds(taken_ns: Iterable[int]) -> float:
    return round(statistics.median(taken_ns) / 1e6, 3)


def footprint() -> dict[str, Any]:
    """Return all figures. Needs Linux, which tells how much memory a process has."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "nothing").mkdir()
        Path(folder, "nothing", "__init__.py").touch()
        names = ("nothing", "atomicx")
        for name in names:
            answer(IMPORT, name, path=folder)  # compiles once and for all, as an installer does
        turns = [[answer(IMPORT, name, path=folder) for name in names] for _ in range(IMPORTS)]
        empty, ours = zip(*turns, strict=True)
    return {
        "import_ms": _milliseconds(taken_ns for taken_ns, _ in ours),
        "import_of_nothing_ms": _milliseconds(taken_ns for taken_ns, _ in empty),
        "import_adds": ours[0][1],
        "size_bytes": answer(SIZES),
        "a_million": {
            name: {key: round(value, 1) for key, value in answer(MILLION, name).items()}
            for name in ("AtomicInt", "Counter")
        },
        "a_large_family": a_large_family(),
    }


def a_large_family() -> dict[str, float]:
    """Return the figures of a family of 100,000 children."""
    return {key: round(value, 2) for key, value in answer(FAMILY).items()}
