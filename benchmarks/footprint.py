"""What cannot be measured by repeating an operation: the import, the size of a cell, and a million of them.

Each figure comes from processes of its own.
"""

import json
import statistics
import subprocess
import sys
from typing import Any

IMPORTS = 15

IMPORT = """
import sys, time
before = {*sys.modules}
begin = time.perf_counter_ns()
import atomicx
taken_ns = time.perf_counter_ns() - begin
added = sorted({*sys.modules} - before)
import json
print(json.dumps([taken_ns, [name for name in added if name.split(".")[0] != "atomicx"]]))
"""

SIZES = """
import json, sys, atomicx
names = ("AtomicInt", "AtomicFloat", "AtomicBool", "AtomicRef", "Counter")
print(json.dumps({name: sys.getsizeof(getattr(atomicx, name)()) for name in names}))
"""

# Peak memory rather than current: nothing is freed between the two readings.
MILLION = """
import json, resource, sys, time, atomicx
def resident():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
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

FAMILY = """
import json, sys, time, atomicx
count = 100_000
family = atomicx.Family(atomicx.Counter, "path", "status")
keys = [(f"/item/{index}", 200) for index in range(count)]
def nanoseconds(keys):
    begin = time.perf_counter_ns()
    for key in keys:
        family[key].inc()
    return (time.perf_counter_ns() - begin) / len(keys)
few = [nanoseconds(keys[:100]) for _ in range(50)][-1]
made = nanoseconds(keys[100:])
found = nanoseconds(keys)
print(json.dumps({"make_ns": made, "hit_among_100_ns": few, "hit_ns": found}))
"""


def answer(program: str, *arguments: str) -> Any:
    """What a program in a process of its own prints, as JSON."""
    command = [sys.executable, "-c", program, *arguments]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def footprint() -> dict[str, Any]:
    """All of it. Needs a system with the module `resource`."""
    imports = [answer(IMPORT) for _ in range(IMPORTS)]
    return {
        "import_ms": round(statistics.median(taken_ns for taken_ns, _ in imports) / 1e6, 3),
        "import_adds": imports[0][1],
        "size_bytes": answer(SIZES),
        "a_million": {
            name: {key: round(value, 1) for key, value in answer(MILLION, name).items()}
            for name in ("AtomicInt", "Counter")
        },
        "a_large_family": {key: round(value, 1) for key, value in answer(FAMILY).items()},
    }
