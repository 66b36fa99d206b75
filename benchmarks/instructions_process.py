"""The process that callgrind watches: instructions_process.py FLOOR [beside]

Runs each case for two lengths, with a mark before, between and after them, and repeats that a few times.
Prints what it ran.
"""

import gc
import itertools
import json
import sys
from pathlib import Path

from atomicx.bench.harness import compiled
from atomicx.bench.operations import own_cases

from . import floor
from .beside import cases_beside

# The cost of an allocation depends a little on where the block is, for example if it is the last free one in
# its pool. So each case is run a few times, each time elsewhere in memory, and the minimum counts.
REPETITIONS = 3
SIZES = range(8, 512, 16)
BLOCKS = 700

# Turns of the loop, with ten operations each. During the first ones the interpreter adapts its code.
WARM_UP, SHORT, LONG = 200, 100, 300


def main(path: str, *beside: str) -> None:
    module = floor.load(Path(path))
    cases = [*floor.floor_cases(module), *own_cases()]
    if beside:
        cases += [case for case, _ in cases_beside()]
    gc.collect()
    # A threshold that is never reached: a disabled collector is asked at each new object if it is disabled.
    gc.set_threshold(2**31 - 1)
    ran: list[tuple[str, int]] = []
    in_use: list[bytes] = []
    for _ in range(REPETITIONS):
        in_use += [bytes(size) for size in SIZES for _ in range(BLOCKS)]
        for case in cases:
            in_use += map(bytes, SIZES)
            objects = case.make()
            loop, count = compiled(case, objects)
            # The same None each time: a range would make numbers, some of which are cheaper than others.
            turns = [itertools.repeat(None, length) for length in (WARM_UP, SHORT, LONG)]
            loop(turns[0], **objects)
            module.mark()
            loop(turns[1], **objects)
            module.mark()
            loop(turns[2], **objects)
            module.mark()
            ran.append((case.name, (LONG - SHORT) * count))
    print(json.dumps(ran))


if __name__ == "__main__":
    main(*sys.argv[1:])
