"""The process that callgrind watches: instructions_process.py FLOOR

Runs each case for two lengths, with a mark before, between and after them, and that some times over. Prints
what it ran.
"""

import gc
import itertools
import json
import sys
from pathlib import Path

from atomicx.bench.harness import compiled
from atomicx.bench.operations import own_cases

from . import floor

# An allocator has rare paths, at the edge of a block of memory. So each case is run again with more blocks
# in use, and what counts is the least: the path that is taken nearly always.
REPETITIONS = 3
SIZES = range(8, 512, 16)

# Turns of the loop, each of ten operations. In the first ones the interpreter adapts its code.
WARM_UP, SHORT, LONG = 200, 100, 300


def main(path: str) -> None:
    module = floor.load(Path(path))
    cases = [*floor.floor_cases(module), *own_cases()]
    gc.collect()
    gc.disable()
    ran: list[tuple[str, int]] = []
    in_use: list[bytes] = []
    for _ in range(REPETITIONS):
        for case in cases:
            in_use += map(bytes, SIZES)
            objects = case.make()
            loop, count = compiled(case, objects)
            # The same None every time: a range would make numbers, and some of them are cheaper than others.
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
