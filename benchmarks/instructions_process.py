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

# What an allocation takes depends a little on where the block lies: whether it is the last one free of its
# pool, say. So each case is run some times, each time elsewhere, and what counts is the least.
REPETITIONS = 3
SIZES = range(8, 512, 16)
BLOCKS = 700

# Turns of the loop, each of ten operations. In the first ones the interpreter adapts its code.
WARM_UP, SHORT, LONG = 200, 100, 300


def main(path: str) -> None:
    module = floor.load(Path(path))
    cases = [*floor.floor_cases(module), *own_cases()]
    gc.collect()
    # A threshold never reached, since disabled it would be asked at each object whether it was.
    gc.set_threshold(2**31 - 1)
    ran: list[tuple[str, int]] = []
    in_use: list[bytes] = []
    for _ in range(REPETITIONS):
        in_use += [bytes(size) for size in SIZES for _ in range(BLOCKS)]
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
